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
