package usage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// fault spoils the reads of a register from one of them on.
type fault struct {
	name  string
	spoil func(random *rand.Rand, reads []Read, at int) // true values until now
	lost  int                                           // steps that nobody can know afterwards
}

// faults are those that people report of registers.
var faults = []fault{
	{"none", func(*rand.Rand, []Read, int) {}, 0},
	{"garbage once", func(r *rand.Rand, reads []Read, at int) { reads[at].Value = float64(r.IntN(1e7)) }, 0},
	{"garbage twice", func(r *rand.Rand, reads []Read, at int) {
		reads[at].Value, reads[at+1].Value = float64(r.IntN(1e7)), float64(r.IntN(1e7))
	}, 0},
	{"zero once", func(_ *rand.Rand, reads []Read, at int) { reads[at].Value = 0 }, 0},
	{"zero for a while", func(_ *rand.Rand, reads []Read, at int) {
		for i := range 5 {
			reads[at+i].Value = 0
		}
	}, 0},
	{"a digit too high once", func(r *rand.Rand, reads []Read, at int) { reads[at].Value += math.Pow10(r.IntN(4)) }, 0},
	{"a digit too high twice", func(r *rand.Rand, reads []Read, at int) {
		k := math.Pow10(r.IntN(4))
		reads[at].Value += k
		reads[at+1].Value += k
	}, 0},
	{"silence", func(_ *rand.Rand, reads []Read, at int) {
		for i := range 9 { // the same read again is no read
			reads[at+i] = reads[at-1]
		}
	}, 0},
	{"exchange upwards", func(_ *rand.Rand, reads []Read, at int) {
		for i := at; i < len(reads); i++ {
			reads[i].Value += 5000
		}
	}, 1},
	{"exchange for a new one", func(_ *rand.Rand, reads []Read, at int) {
		first := reads[at].Value
		for i := at; i < len(reads); i++ {
			reads[i].Value -= first
		}
	}, 2},
	{"Wh for kWh", func(_ *rand.Rand, reads []Read, at int) {
		for i := at; i < len(reads); i++ {
			reads[i].Value *= 1000
		}
	}, 0},
	{"all at once, later", func(_ *rand.Rand, reads []Read, at int) {
		copy(reads[at:], append([]Read{reads[at+6]}, reads[at:at+6]...))
	}, 0},
}

// Registers with a fault planted come to what was used, less what nobody can know,
// and to no more: at defaults, for reads every 15 minutes to every day. In 1 of 100
// chance makes a fault look like use.
func TestPlantedFaults(t *testing.T) {
	for _, every := range []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour} {
		for _, f := range faults {
			runs, wrong := 300, 0
			example := ""
			for seed := range runs {
				random := rand.New(rand.NewPCG(uint64(seed), uint64(every)))
				n := 60
				reads := make([]Read, n)
				v, largest := 30+random.Float64()*900, 0.0
				start := v
				for i := range reads {
					reads[i] = Read{Time: begin.UnixNano() + int64(i)*int64(every), Value: math.Round(v*1000) / 1000}
					step := 0.002 + 0.03*random.Float64() // an hour's mean
					if random.IntN(3) == 0 {
						step *= 6
					}
					step *= every.Hours()
					v += step
					largest = max(largest, step)
				}
				start, truth := reads[0].Value, reads[n-1].Value
				truth -= start
				f.spoil(random, reads, 15+random.IntN(25))
				g := &Limits{Ordinary: waterOrdinary, Most: waterMost}
				sum, _ := total(g, reads)
				got := sum.Units()
				if got > truth+1e-6+0.02*truth || got < truth-float64(f.lost)*largest-0.02*truth-1e-6 {
					wrong++
					example = fmt.Sprintf("seed %d: %v of %v", seed, got, truth)
				}
			}
			if wrong*100 > runs {
				t.Errorf("%s, every %v: %d of %d wrong, such as %s", f.name, every, wrong, runs, example)
			}
		}
	}
}
