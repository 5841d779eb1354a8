package anomaly

import (
	"math"
	"math/rand/v2"
	"testing"
)

// daily is a day's curve with noise.
func daily(r *rand.Rand, i int) float32 {
	return float32(50 + 20*math.Sin(2*math.Pi*float64(i%288)/288) + r.NormFloat64())
}

func TestGenericFindsSpikesAndShifts(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(i int, v float32) float32
	}{
		{"a spike", func(i int, v float32) float32 {
			if i == 20*288 {
				return v + 60
			}
			return v
		}},
		{"a value of another time of day", func(i int, v float32) float32 {
			if i >= 20*288+72 && i < 20*288+84 {
				return v - 30
			}
			return v
		}},
		{"a lasting shift smaller than the day's swing", func(i int, v float32) float32 {
			if i >= 20*288 && i < 21*288 {
				return v + 8
			}
			return v
		}},
	} {
		var g Generic
		r := rand.New(rand.NewPCG(5, 6))
		before, found := 0, -1
		for i := range 22 * 288 {
			s := g.Add(c.fault(i, daily(r, i)), i%288*300, &StandardLevels)
			switch {
			case s < 1:
			case i < 20*288 && i > 3*288:
				before++
			case i >= 20*288 && found < 0:
				found = i - 20*288
			}
		}
		if found < 0 || found > 144 {
			t.Errorf("%s: found after %d readings", c.name, found)
		}
		if before > 6 {
			t.Errorf("%s: %d alerts in 17 days before it", c.name, before)
		}
	}
}

// What an anomaly teaches is bounded: after a day of nonsense the profile is
// where it was, and the next anomaly is as surprising.
func TestGenericIsNotPoisoned(t *testing.T) {
	var clean, poisoned Generic
	r1, r2 := rand.New(rand.NewPCG(5, 6)), rand.New(rand.NewPCG(5, 6))
	for i := range 30 * 288 {
		v, w := daily(r1, i), daily(r2, i)
		if i >= 20*288 && i < 20*288+36 {
			w = 1e6
		}
		clean.Add(v, i%288*300, &StandardLevels)
		poisoned.Add(w, i%288*300, &StandardLevels)
	}
	for b := range genericBuckets {
		if d := math.Abs(float64(clean.mean[b] - poisoned.mean[b])); d > 2 {
			t.Errorf("half hour %d: the profile moved by %.2f", b, d)
		}
	}
	if poisoned.spread > 1.5*clean.spread {
		t.Errorf("the spread went from %.2f to %.2f", clean.spread, poisoned.spread)
	}
}

// Scores do not depend on the unit: in powers of two not even their rounding.
func TestGenericHasNoUnit(t *testing.T) {
	var one, small, large Generic
	r := rand.New(rand.NewPCG(7, 8))
	for i := range 10 * 288 {
		v, seconds := daily(r, i)-50, i%288*300
		if i%700 == 699 {
			v *= 3
		}
		s := one.Add(v, seconds, &StandardLevels)
		if a, b := small.Add(v/1024, seconds, &StandardLevels), large.Add(v*65536, seconds, &StandardLevels); s != a || s != b {
			t.Fatalf("reading %d: %g, %g and %g", i, s, a, b)
		}
	}
}

// A tail gives back the probabilities of what it was learned from.
func TestTail(t *testing.T) {
	for _, c := range []struct {
		name   string
		draw   func(r *rand.Rand) float64
		beyond func(x float64) float64 // -ln P
	}{
		{"exponential", (*rand.Rand).ExpFloat64, func(x float64) float64 { return x }},
		{"Pareto, ξ = 0.2", func(r *rand.Rand) float64 { return (math.Pow(1-r.Float64(), -0.2) - 1) / 0.2 }, func(x float64) float64 { return math.Log1p(0.2*x) / 0.2 }},
	} {
		// One tail wanders; twenty show where about.
		mean, x := 0.0, 0.0
		for seed := range uint64(20) {
			r := rand.New(rand.NewPCG(seed, 3))
			var tail tail
			for n := range uint32(20_000) {
				tail.learn(float32(c.draw(r)), n+1)
			}
			// As far out as one reading in 1,800.
			for x = 0; c.beyond(x) < 7.5; x += 0.01 {
			}
			mean += float64(tail.surprise(float32(x), 20_000)) / 20
		}
		if mean < 6 || mean > 9 {
			t.Errorf("%s: %.2f nats where 7.5 are", c.name, mean)
		}
	}
}

// A burst is news; that bursts come back is not. A larger one is news again.
func TestGenericTiresOfWhatComesBack(t *testing.T) {
	var g Generic
	r := rand.New(rand.NewPCG(5, 6))
	early, late, larger := 0, 0, 0
	for i := range 60 * 288 {
		v := daily(r, i)
		day := i / 288
		// At another hour each day, for ten readings.
		if start := day*288 + day*7919%278; day > 3 && i >= start && i < start+10 {
			v += 80 + float32(10*r.NormFloat64())
			if day == 55 {
				v += 400
			}
		}
		if g.Add(v, i%288*300, &StandardLevels) < 1 {
			continue
		}
		switch {
		case day == 55:
			larger++
		case day < 15:
			early++
		case day >= 30:
			late++
		}
	}
	if early == 0 || late > early || larger == 0 {
		t.Errorf("%d alerts in the first ten days of bursts, %d in the last thirty, %d of the larger", early, late, larger)
	}
	t.Logf("%d alerts in the first ten days of bursts, %d in the last thirty, %d of the larger", early, late, larger)
}

// What never moved and moves is told, though it has no range to leave.
func TestGenericThatNeverMoved(t *testing.T) {
	var g Generic
	for i := range 10 * 288 {
		if s := g.Add(21.5, i%288*300, &StandardLevels); s != 0 {
			t.Fatalf("reading %d: score %g", i, s)
		}
	}
	if s := g.Add(22, 0, &StandardLevels); s < 1 {
		t.Errorf("score %g", s)
	}
}

func FuzzGeneric(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255, 0, 9})
	f.Fuzz(func(t *testing.T, data []byte) {
		var g Generic
		for i, b := range data {
			v := float32(math.Exp(float64(int8(b)) / 2))
			if b%2 == 0 {
				v = -v
			}
			if s := g.Add(v, i*977%86400, &StandardLevels); s < 0 || math.IsNaN(float64(s)) {
				t.Fatalf("score %g", s)
			}
		}
	})
}

// A line that is as it always is raises nothing at the levels of a fleet, from
// its first weekend on, whatever its unit.
func TestFleetIsQuiet(t *testing.T) {
	for _, unit := range []float64{1e-3, 1, 1e5} {
		alerts, devices := 0, 100
		for d := range devices {
			r := rand.New(rand.NewPCG(uint64(d), 9))
			var g Generic
			slow := 0.0
			for i := range 45 * 96 {
				seconds, day := i*900%86400, i/96
				slow = 0.8*slow + 0.6*r.NormFloat64()
				v := 230 + slow
				if day%7 < 5 && seconds > 8*3600 && seconds < 18*3600 {
					v -= 4
				}
				if g.Add(float32(v*unit), seconds, &FleetLevels) >= 1 {
					alerts++
				}
			}
		}
		if alerts > 1 {
			t.Errorf("unit %g: %d alerts of %d lines in 45 days", unit, alerts, devices)
		}
	}
}
