package facility

import (
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
)

// step is 10 minutes of a place. Lamps and bins hold a value from one reading
// to the next: Sum is value times hours, Weight the hours of all devices. Of
// water and gates Sum is the amount, and Weight only says that there is one.
type step struct{ Sum, Weight float32 }

// Trend is the last 24 hours of a place. Values of lamps, meters and gates add
// up over places. Those of bins are means: Bins says of how many each is, and the
// mean over places is weighted with it.
type Trend struct {
	Values []float64 // NaN: no data
	Bins   []float64 // nil where Values add up
}

// Add adds the trend of another place of the same kind of facility.
func (t *Trend) Add(o Trend) {
	if t.Values == nil {
		*t = Trend{slices.Clone(o.Values), slices.Clone(o.Bins)}
		return
	}
	for i, v := range o.Values {
		switch {
		case math.IsNaN(v):
		case math.IsNaN(t.Values[i]):
			t.Values[i] = v
			if t.Bins != nil {
				t.Bins[i] = o.Bins[i]
			}
		case t.Bins == nil:
			t.Values[i] += v
		default:
			n := t.Bins[i] + o.Bins[i]
			t.Values[i], t.Bins[i] = (t.Values[i]*t.Bins[i]+v*o.Bins[i])/n, n
		}
	}
}

// Trends are the last 24 hours of every place before at (unix nanoseconds), in
// steps of 10 minutes, the oldest first, and when the first begins (unix
// seconds): W of lamps, m3/h of water, mean fill level of bins, passes in 10
// minutes of gates. NaN is no data.
func (o *Observer) Trends(at int64) (from int64, trends map[Place]Trend) {
	o.mu.Lock()
	defer o.mu.Unlock()
	// What a device has last reported holds until now, which is not entered yet.
	places := slices.Clone(o.places)
	for d := range o.devices.All() {
		switch d.Kind {
		case lighting:
			if l := o.lamps.At(d.Slot); l.HasPower && l.Since < at && !o.passed(l, at) {
				places[d.Place].hold(l.Since, at, l.Power)
			}
		case waste:
			if b := o.bins.At(d.Slot); b.HasFill && b.Since < at {
				places[d.Place].hold(b.Since, at, b.Fill)
			}
		}
	}
	last := at / int64(stepWidth) // which runs, and is left out
	trends = make(map[Place]Trend, len(places))
	for i := range places {
		p := &places[i]
		if !o.here(p) {
			continue
		}
		values := make([]float64, steps-1)
		var weights []float64
		if p.Key.Facility == ingest.Waste {
			weights = make([]float64, len(values))
		}
		for k := range values {
			n := last - int64(len(values)) + int64(k)
			values[k] = math.NaN()
			if n > p.Newest || n <= p.Newest-steps || p.Trend[n%steps].Weight == 0 {
				continue
			}
			b := p.Trend[n%steps]
			switch p.Key.Facility {
			case ingest.Lighting, ingest.Water:
				values[k] = float64(b.Sum) / stepWidth.Hours()
			case ingest.Waste:
				values[k], weights[k] = float64(b.Sum/b.Weight), float64(b.Weight)/stepWidth.Hours()
			default:
				values[k] = float64(b.Sum)
			}
		}
		trends[p.Key] = Trend{values, weights}
	}
	return (last - steps + 1) * int64(stepWidth/time.Second), trends
}

// add adds an amount to its day, and to the trend over the time since the
// device's reading before. The day that runs is the latest that was seen.
func (p *place) add(from, at, day int64, v float64, sum *float64) {
	if day > p.Day {
		p.Day, p.Passes = day, 0
	}
	if day == p.Day {
		*sum += v
	}
	if from > 0 && from < at && at-from <= int64(stale) {
		p.hold(from, at, v/time.Duration(at-from).Hours())
	} else if b := p.step(at / int64(stepWidth)); b != nil {
		b.Sum += float32(v)
		b.Weight++
	}
}

// hold enters a value held between two times, for as long as a reading says
// something.
func (p *place) hold(from, to int64, v float64) {
	to = min(to, from+int64(stale))
	for at := max(from, to-steps*int64(stepWidth)); at < to; {
		n := at / int64(stepWidth)
		end := min(to, (n+1)*int64(stepWidth))
		if b := p.step(n); b != nil {
			hours := time.Duration(end - at).Hours()
			b.Sum += float32(v * hours)
			b.Weight += float32(hours)
		}
		at = end
	}
}

// step returns the step with a number; nil if it is a day or more before the latest.
func (p *place) step(n int64) *step {
	if n <= p.Newest-steps {
		return nil
	}
	for k := max(p.Newest+1, n-steps+1); k <= n; k++ {
		p.Trend[k%steps] = step{}
	}
	p.Newest = max(p.Newest, n)
	return &p.Trend[n%steps]
}
