package main

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"text/tabwriter"
	"time"

	"greencommunity/metrics/anomaly"
)

// Quantities no rule knows, made up from what is seen of real ones: weather that
// comes in fronts, rooms with a thermostat and a weekend, traffic that is loud,
// smog for days, taps of a transformer, pumps that cycle, rain that runs off;
// sensors that round, miss readings, are silent for hours, report less often
// from some day on or round more coarsely. The faults are those of sensors and
// plants: a code for a broken wire, a step, a drift, more noise, a lost rhythm.

// sensor is what one device measures, at minutes since some Monday's midnight.
type sensor struct {
	r     *rand.Rand
	slow  float64 // weather, or what else lasts for days
	fast  float64 // what lasts for hours
	event float64 // what comes at once and fades
	a, b  float64 // of this device
	phase float64
}

// drift moves what lasts on by a step of minutes and returns it, with deviation 1.
func (s *sensor) drift(of *float64, minutes, lasts float64) float64 {
	k := math.Exp(-minutes / lasts)
	*of = k**of + math.Sqrt(1-k*k)*s.r.NormFloat64()
	return *of
}

// quantity is a kind of sensor.
type quantity struct {
	name  string
	step  float64 // what it rounds to
	wire  float64 // what it shows when its wire is broken
	value func(s *sensor, at, every float64) float64
}

// day is a smooth day's curve, -1 to 1, with its top at an hour.
func day(at, top float64) float64 { return math.Cos(2 * math.Pi * (at/60 - top) / 24) }

// busy says whether it is a working hour of a working day.
func (s *sensor) busy(at float64) bool {
	hour := math.Mod(at/60, 24)
	return int(at/1440)%7 < 5 && hour >= 8+s.phase && hour < 18+s.phase
}

var quantities = []quantity{
	{"temperature, outdoors", 0.1, -127, func(s *sensor, at, every float64) float64 {
		clear := 0.6 + 0.4*math.Tanh(s.drift(&s.fast, every, 1440))
		return 12 + 12*math.Sin(2*math.Pi*(at/1440+100*s.a)/365) + 4*s.drift(&s.slow, every, 4320) + (3+4*s.b)*clear*day(at, 15) + 0.1*s.r.NormFloat64()
	}},
	{"humidity, outdoors", 1, 0, func(s *sensor, at, every float64) float64 {
		return min(100, 68+14*s.drift(&s.slow, every, 2880)-(8+10*s.b)*day(at, 15)+1.5*s.r.NormFloat64())
	}},
	{"temperature, indoors", 0.1, 85, func(s *sensor, at, every float64) float64 {
		target := 17.0
		if s.busy(at) {
			target = 21
		}
		s.event += (target - s.event) * min(1, every/90)
		return s.event + 0.4*day(at*24/(1+2*s.a), 0) + 0.3*s.drift(&s.slow, every, 2880) + 0.1*s.r.NormFloat64()
	}},
	{"noise", 0.1, 0, func(s *sensor, at, every float64) float64 {
		v := 48 + 5*s.a + 8*day(at, 14) + 2*s.drift(&s.slow, every, 600) + 1.5*s.r.NormFloat64()
		if s.r.Float64() < 0.02 { // a lorry, a horn, a dog
			v += 6 * s.r.ExpFloat64()
		}
		return v
	}},
	{"CO2, of a room", 1, 65535, func(s *sensor, at, every float64) float64 {
		people := 0.0
		if s.busy(at) {
			people = max(0, 350+300*s.a+150*s.drift(&s.fast, every, 240))
		} else if s.r.Float64() < 0.0005*every/15 {
			s.event += 400 // an evening's meeting
		}
		s.slow += (people + s.event - s.slow) * min(1, every/60)
		s.event *= math.Exp(-every / 90)
		return 420 + s.slow + 12*s.r.NormFloat64()
	}},
	{"PM2.5", 1, 999, func(s *sensor, at, every float64) float64 {
		return math.Exp(3.2 + 0.7*s.drift(&s.slow, every, 2880) + 0.3*s.drift(&s.fast, every, 120) + 0.2*day(at, 21) + 0.1*s.r.NormFloat64())
	}},
	{"voltage", 0.1, 0, func(s *sensor, at, every float64) float64 {
		if s.r.Float64() < every/600 { // the transformer's tap
			s.event = math.Round(-2*day(at, 19)+s.r.NormFloat64()) * 1.5
		}
		return 231 + 3*s.a - 2*day(at, 19) + s.event/2 + 0.8*s.drift(&s.fast, every, 60) + 0.4*s.r.NormFloat64()
	}},
	{"pressure of water", 0.01, 0, func(s *sensor, at, every float64) float64 {
		v := 0.38 + 0.05*s.a - 0.03*day(at, 20) + 0.01*s.drift(&s.fast, every, 30)
		if math.Mod(at, 70+40*s.b) < 12 { // the pump fills its vessel
			v += 0.03
		}
		return v
	}},
	{"power, of a building", 0.01, 0, func(s *sensor, at, every float64) float64 {
		v := 4 + 2*s.a + 0.3*s.drift(&s.slow, every, 2880)
		if s.busy(at) {
			v += 10 + 10*s.b + s.drift(&s.fast, every, 120)
		}
		if math.Mod(at, 45+30*s.a) < 20 { // a compressor
			v += 2.5
		}
		return v + 0.2*s.r.NormFloat64()
	}},
	{"level, of a drain", 0.01, 20, func(s *sensor, at, every float64) float64 {
		if s.r.Float64() < every/7200 { // a shower every five days
			s.event += 0.15 * s.r.ExpFloat64()
		}
		s.event *= math.Exp(-every / 400)
		return 0.3 + 0.2*s.a + s.event + 0.02*day(at, 9) + 0.006*s.r.NormFloat64()
	}},
}

// reading is one of a made-up device.
type measured struct {
	at    float64 // minutes
	value float64
}

// measure makes the readings of a device for some days.
func (q *quantity) measure(r *rand.Rand, days int) []measured {
	s := &sensor{r: r, a: r.Float64(), b: r.Float64(), phase: between(r, -1, 1)}
	every, step := pick(r, 5.0, 10, 15, 15, 15, 30, 60), q.step
	slower, coarser := math.Inf(1), math.Inf(1)
	if r.IntN(10) == 0 {
		slower = between(r, 20, 100) * 1440
	}
	if r.IntN(20) == 0 {
		coarser = between(r, 20, 100) * 1440
	}
	var out []measured
	silent := 0.0
	for at := 0.0; at < float64(days)*1440; at += every {
		if at >= slower && every < 60 {
			every = 60
		}
		if at >= coarser {
			step = 5 * q.step
		}
		v := math.Round(q.value(s, at, every)/step) * step
		if r.Float64() < every/30/1440 { // once a month nothing for hours
			silent = at + 1440*r.ExpFloat64()/3
		}
		if at >= silent && r.Float64() > 0.01 {
			out = append(out, measured{at, v})
		}
	}
	return out
}

// faultsOfSensors change readings from a time on, in deviations of the quantity.
var faultsOfSensors = []struct {
	name  string
	until float64 // minutes it lasts
	of    func(r *rand.Rand, q *quantity, v, mean, dev, since float64) float64
}{
	{"wire", 360, func(_ *rand.Rand, q *quantity, _, _, _, _ float64) float64 { return q.wire }},
	{"step", 10080, func(_ *rand.Rand, _ *quantity, v, _, dev, _ float64) float64 { return v + 4*dev }},
	{"drift", 20160, func(_ *rand.Rand, _ *quantity, v, _, dev, since float64) float64 { return v + 6*dev*since/10080 }},
	{"noise", 4320, func(r *rand.Rand, _ *quantity, v, _, dev, _ float64) float64 { return v + 2*dev*r.NormFloat64() }},
	{"rhythm", 4320, func(_ *rand.Rand, _ *quantity, v, mean, _, since float64) float64 {
		return mean + (v-mean)*math.Exp(-since/120)
	}},
}

// quantityRow is a row of the table: alerts in vain, and faults found before they end.
type quantityRow struct {
	name   string
	months float64
	vain   [2]int // at the levels of a fleet, at the standard ones
	n      int    // of each fault
	found  [2][]int
}

// evaluateQuantities runs the generic detector over devices of each quantity,
// without a fault and with each.
func evaluateQuantities(seed uint64, devices int, config anomaly.Config) []quantityRow {
	const days = 150
	levels := [2]*anomaly.GenericLevels{&config.Parameters.All.Generic, &anomaly.StandardLevels}
	var rows []quantityRow
	for qi := range quantities {
		q := &quantities[qi]
		row := quantityRow{name: q.name, n: devices}
		for l := range levels {
			row.found[l] = make([]int, len(faultsOfSensors))
		}
		for d := range devices {
			r := rand.New(rand.NewPCG(seed, uint64(qi*1_000_000+d)))
			readings := q.measure(r, days)
			row.months += days / (365.25 / 12)
			mean, dev := 0.0, 0.0
			for _, m := range readings {
				mean += m.value / float64(len(readings))
			}
			for _, m := range readings {
				dev += (m.value - mean) * (m.value - mean) / float64(len(readings))
			}
			dev = math.Sqrt(dev)
			from := between(r, 60, 120) * 1440
			for l, level := range levels {
				// All series are the same until the fault: what is known then is copied.
				var g anomaly.Generic
				begun := false
				for i, m := range readings {
					if m.at >= from && !begun {
						begun = true
						for f := range faultsOfSensors {
							if foundFault(g, level, q, f, readings[i:], from, mean, dev, uint64(d)) {
								row.found[l][f]++
							}
						}
					}
					if g.Add(float32(m.value), int(m.at*60)%86400, level) >= 1 {
						row.vain[l]++
					}
				}
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// foundFault tells whether a detector, as it is now, alerts before a fault ends.
func foundFault(g anomaly.Generic, level *anomaly.GenericLevels, q *quantity, f int, readings []measured, from, mean, dev float64, seed uint64) bool {
	fault := &faultsOfSensors[f]
	r := rand.New(rand.NewPCG(seed, 5))
	for _, m := range readings {
		if m.at >= from+fault.until {
			break
		}
		if v := fault.of(r, q, m.value, mean, dev, m.at-from); g.Add(float32(v), int(m.at*60)%86400, level) >= 1 {
			return true
		}
	}
	return false
}

func printQuantities(out io.Writer, rows []quantityRow, took time.Duration) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "QUANTITY\tLEVELS\tIN VAIN / DEVICE-MONTH")
	for _, f := range faultsOfSensors {
		fmt.Fprintf(w, "\t%s", f.name)
	}
	fmt.Fprintln(w)
	names := [2]string{"fleet", "standard"}
	all := quantityRow{name: "all"}
	for l := range names {
		all.found[l] = make([]int, len(faultsOfSensors))
	}
	for _, row := range rows {
		all.months, all.n = all.months+row.months, all.n+row.n
		for l := range names {
			all.vain[l] += row.vain[l]
			for f, n := range row.found[l] {
				all.found[l][f] += n
			}
		}
	}
	for _, row := range append(rows, all) {
		for l, name := range names {
			fmt.Fprintf(w, "%s\t%s\t%.3f", row.name, name, float64(row.vain[l])/row.months)
			for _, n := range row.found[l] {
				fmt.Fprintf(w, "\t%d/%d", n, row.n)
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
	fmt.Fprintf(out, "\nTook %s.\n", took.Round(100*time.Millisecond))
}
