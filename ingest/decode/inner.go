package decode

import (
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// decodeInner reads bytes found inside an envelope, by the payload format
// of the source. The samples get device, profile and time from base where they have
// none of their own.
func (w *Worker) decodeInner(base Sample, port int, data []byte, out *Output) error {
	in := w.in
	profile := base.Profile
	if dev, _, refusal := w.resolver.Resolve(in.Source, &in.Captures, base.Device, base.Community, base.Facility, base.Compound, base.Profile); refusal == nil && dev.Profile != "" {
		profile = dev.Profile
	}
	if profile == "" {
		profile = in.Source.Profile
	}
	decoder, name, err := w.innerDecoder(in.Source, profile)
	if err != nil {
		return err
	}
	out.Explainf("%d bytes on port %d, device profile %q: read by %s", len(data), port, profile, name)
	message := *in.Message
	message.Payload = data
	inner := Input{Message: &message, Source: in.Source, Captures: in.Captures, Port: port}
	samples, events := len(out.Samples), len(out.Events)
	if err := decoder.Decode(&inner, out); err != nil {
		return err
	}
	for i := samples; i < len(out.Samples); i++ {
		s := &out.Samples[i]
		if s.Device == "" {
			s.Device = base.Device
		}
		if s.Community == "" {
			s.Community = base.Community
		}
		if s.Facility == "" {
			s.Facility = base.Facility
		}
		if s.Profile == "" {
			s.Profile = profile
		}
		if s.Time == 0 {
			s.Time, s.TimeSource = base.Time, base.TimeSource
		}
	}
	for i := events; i < len(out.Events); i++ {
		e := &out.Events[i]
		if e.Device == "" {
			e.Device = base.Device
		}
		if e.Community == "" {
			e.Community = base.Community
		}
		if e.Facility == "" {
			e.Facility = base.Facility
		}
		if e.Profile == "" {
			e.Profile = profile
		}
		if e.Time == 0 {
			e.Time, e.TimeSource = base.Time, base.TimeSource
		}
	}
	return nil
}

// innerDecoder is what reads the bytes inside an envelope.
func (w *Worker) innerDecoder(src *inventory.Source, profile string) (Decoder, string, error) {
	key := innerKey{src.Index, src.Payload}
	if d, ok := w.inner[key]; ok {
		return d, src.Payload, nil
	}
	format, ok := Formats[src.Payload]
	if !ok {
		return nil, "", ingest.Refuse(ingest.NoReading, "nothing reads the bytes of device profile %q: add `payload` to the source", profile)
	}
	d, err := format.New(src)
	if err != nil {
		return nil, "", ingest.Refuse(ingest.Internal, "payload %s: %v", src.Payload, err)
	}
	w.inner[key] = d
	return d, src.Payload, nil
}
