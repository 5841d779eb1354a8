package decode

import (
	"math"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// fieldTimes takes out the samples that are times, and gives them to the other
// samples and events of their device.
func (w *Worker) fieldTimes(in *format.Input, out *format.Output) {
	kept := out.Samples[:0]
	times := map[string]int64{}
	for i := range out.Samples {
		s := out.Samples[i]
		profile := s.Profile
		if dev, _, refusal := w.device(in, namedBy(&s)); refusal == nil {
			profile = dev.Profile
		}
		field := w.field(w.source, &s, &ingest.Device{Origin: &ingest.Origin{Profile: profile}, Listing: ingest.Unlisted})
		if field == nil || !field.Time {
			kept = append(kept, s)
			continue
		}
		t, ok := int64(0), false
		if s.IsText {
			t, ok = format.Clock(s.Text, in.Zone())
		} else {
			t, ok = format.TimeOfNumber(s.Value)
		}
		if !ok {
			out.Refuse(s.Device, s.Field, ingest.BadValue, "%.60s is no time", s.Field)
			continue
		}
		if out.Explain != nil {
			out.Explain("time from field %q", s.Field)
		}
		times[s.Device] = t
	}
	out.Samples = kept
	for i := range out.Samples {
		if t, ok := times[out.Samples[i].Device]; ok {
			out.Samples[i].Time, out.Samples[i].TimeSource = t, ingest.TimeDevice
		}
	}
	for i := range out.Events {
		if t, ok := times[out.Events[i].Device]; ok {
			out.Events[i].Time, out.Events[i].TimeSource = t, ingest.TimeDevice
		}
	}
}

// settleReplaced keeps one reading of those that the time received has made one
// point: the one with a time of its own within the bounds or without any, else
// the latest as written. History with a broken clock must not pass for now.
func (w *Worker) settleReplaced(r *Result) {
	if len(r.Readings) == 1 {
		return
	}
	type point struct {
		device  uint32
		channel string
		q       *ingest.Quantity
		time    int64
	}
	// rank orders the readings of one point: a replaced one by its time.
	rank := func(i int) int64 {
		if !r.Readings[i].TimeReplaced {
			return math.MaxInt64
		}
		return w.written[i]
	}
	best := map[point]int{}
	for i := range r.Readings {
		v := &r.Readings[i]
		key := point{r.Devices[i], v.Channel, v.Quantity, v.Time}
		if other, ok := best[key]; !ok || rank(i) >= rank(other) {
			best[key] = i
		}
	}
	kept := 0
	for i := range r.Readings {
		v := r.Readings[i]
		if v.TimeReplaced && best[point{r.Devices[i], v.Channel, v.Quantity, v.Time}] != i {
			r.Refused = append(r.Refused, format.FieldRefusal{Device: string(v.Device.ID), Field: v.Quantity.Name,
				Refusal: ingest.Refuse(ingest.OutOfRange, "%s: its time is out of bounds, and the message has a later one", v.Quantity.Name)})
			r.FireOfReading(&v, r.Devices[i])
			continue
		}
		r.Readings[kept], r.Devices[kept], w.written[kept] = v, r.Devices[i], w.written[i]
		kept++
	}
	r.Readings, r.Devices, w.written = r.Readings[:kept], r.Devices[:kept], w.written[:kept]
}

// eventTime applies the clock bounds, and truncates to the millisecond points
// are stored with.
func eventTime(t int64, source ingest.TimeSource, received int64) (int64, ingest.TimeSource, bool) {
	replaced := false
	if t == 0 || source == ingest.TimeReceived {
		t, source = received, ingest.TimeReceived
	} else if t < received-int64(ingest.MaxAge) || t > received+int64(ingest.MaxAhead) {
		t, source, replaced = received, ingest.TimeReceived, true
	}
	return t - t%int64(time.Millisecond), source, replaced
}
