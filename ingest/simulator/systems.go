package simulator

import (
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"time"

	"greencommunity/ingest"
)

// Faults of the plan's other systems.
const (
	ParkingFull    Fault = "parking_full"    // no space is free
	ChargerHot     Fault = "charger_hot"     // 82 °C
	Overcurrent    Fault = "overcurrent"     // a quarter more than rated
	Noisy          Fault = "noise"           // 74 dB, day and night
	Flooded        Fault = "flooded"         // water stands
	Crowd          Fault = "crowd"           // more people than the place holds
	Smoke          Fault = "smoke"           // a detector reports smoke
	HydrantLow     Fault = "hydrant_low"     // a hydrant without pressure
	PassageBlocked Fault = "passage_blocked" // a fire passage is blocked
	BadAir         Fault = "bad_air"         // PM2.5 of 260 µg/m3
	Tamper         Fault = "tamper"          // a gate's cover is open
)

// systemKinds are the devices of a community.
var systemKinds = []deviceKind{
	{"parking", "parking", 2, 1, true}, {"charging", "charger", 4, 1, true}, {"noise", "noise", 2, 1, true}, {"drainage", "drain", 2, 1, true},
	{"public_area", "square", 1, 1, true}, {"fire", "fire", 3, 1, true}, {"environment", "air", 1, 2, true}, {ingest.Waste, "station", 4, 1, true},
}

// systemFaults lists what can befall each, by turns where its devices have different
// sensors.
var systemFaults = map[ingest.FacilityKind][]Fault{
	"parking": {ParkingFull}, "charging": {ChargerHot, Overcurrent}, "noise": {Noisy}, "drainage": {Flooded}, "public_area": {Crowd},
	"fire": {Smoke, HydrantLow, PassageBlocked}, "environment": {BadAir},
}

const (
	spaces       = 80.0  // of a car park
	ratedCurrent = 32.0  // A
	floodLevel   = 0.35  // m
	capacity     = 150.0 // persons on a square
)

// streams are those of the stations, by their number.
var streams = []string{"kitchen", "recyclable", "hazardous", "residual"}

// listed says of devices what the inventory has to: limits that are the place's own, and
// the stream of a station.
func listed() string {
	var b strings.Builder
	b.WriteString("  devices:\n")
	for _, c := range Communities {
		at := func(kind ingest.FacilityKind, id, name, more string) {
			fmt.Fprintf(&b, "  - {id: %s-%s, community: %s, facility: %s, name: %s, %s}\n", c.ID, id, c.ID, kind, name, more)
		}
		for i := range 4 {
			at("charging", fmt.Sprintf("charger-%03d", i+1), fmt.Sprintf("%d号充电桩", i+1), fmt.Sprintf("attributes: {rated_current: \"%g\"}", ratedCurrent))
		}
		for i := range 2 {
			at("drainage", fmt.Sprintf("drain-%03d", i+1), fmt.Sprintf("%d号积水点", i+1), fmt.Sprintf("attributes: {flood_level: \"%g\"}", floodLevel))
		}
		at("public_area", "square-001", "中心广场", fmt.Sprintf("attributes: {capacity: \"%g\"}", capacity))
		for i, stream := range streams {
			at(ingest.Waste, fmt.Sprintf("station-%03d", i+1), fmt.Sprintf("%d号投放点", i+1), "stream: "+stream)
		}
	}
	return b.String()
}

// inspections are the quantities of what a steward finds in the bins.
const inspections = `facilities:
  waste:
    quantities:
      inspections_correct: {unit: "1", kind: delta, min: 0, max: 100000, name: {zh: 抽查正确, en: Inspected correct}}
      inspections_wrong: {unit: "1", kind: delta, min: 0, max: 100000, name: {zh: 抽查错误, en: Inspected wrong}}
`

// evening is how busy a square is by the hour.
var evening = [24]float64{0, 0, 0, 0, 0, .1, .35, .5, .4, .25, .2, .2, .15, .1, .1, .15, .25, .4, .7, 1, .9, .5, .15, .05}

// raining is the rain in mm/h at a time: the same at all devices of a world.
func raining(seed uint64, local time.Time) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, local.Year(), local.YearDay())
	day := h.Sum64()
	if begin := int(day>>8) % 20; day%5 == 0 && local.Hour() >= begin && local.Hour() < begin+4 {
		return 3 + float64(day>>16%6)
	}
	return 0
}

// advanceSystem moves a device of the other systems on by one step.
func (d *device) advanceSystem(at time.Time, step time.Duration, local time.Time) {
	hour, hours := local.Hour(), step.Hours()
	move := func(want float64) { // in and out come to what is wanted within two hours
		in, out := float64(d.poisson(4*hours)), float64(d.poisson(4*hours))
		if change := math.Round((want - d.occupied) * min(1, hours/2)); change > 0 {
			in += change
		} else {
			out -= change
		}
		in = min(in, want*1.2+5)
		out = min(out, d.occupied+in)
		d.occupied += in - out
		d.counts[0], d.counts[1] = d.counts[0]+in, d.counts[1]+out
	}
	switch d.facility {
	case "parking":
		want := spaces * (0.55 + 0.3*math.Cos(2*math.Pi*float64(hour)/24))
		move(want)
		d.occupied = min(d.occupied, spaces-2)
		if d.has(ParkingFull, at) {
			d.occupied = spaces
		}
	case "charging":
		begins := household[hour] * 3 * hours // three a day
		switch {
		case d.occupied > 0:
			d.occupied = max(0, d.occupied-hours)
		case d.random.Float64() < begins || d.has(Overcurrent, at):
			d.occupied = 1 + 2*d.random.Float64() // hours
			d.counts[0]++
		}
		d.energy += d.charging(at) * 230 * hours / 1000
	case "drainage":
		d.rain += raining(d.seed, local) * hours
	case "public_area":
		move(60 * d.size * evening[hour])
		d.occupied = min(d.occupied, capacity*0.8)
		if d.has(Crowd, at) {
			d.occupied = capacity * 1.25
		}
	case ingest.Waste: // a station
		share := [...]float64{0.45, 0.2, 0.01, 0.34}[d.number%4]
		for range d.poisson(share * 60 * rush[hour] * hours) {
			d.deposits = append(d.deposits, fmt.Sprintf("%d-%d", 1+d.random.IntN(3), 101+d.random.IntN(d.community.Households/3)))
			d.dropped += 0.4 + 2*d.random.Float64()
			switch n := d.random.IntN(100); {
			case n < 9:
				d.right++
			case n < 10:
				d.wrong++
			}
		}
	}
}

// charging is the current of a charger, A.
func (d *device) charging(at time.Time) float64 {
	switch {
	case d.has(Overcurrent, at):
		return ratedCurrent * 1.25
	case d.occupied > 0:
		return ratedCurrent * 0.9
	}
	return 0
}

// bodySystem is what a device of the other systems reports.
func (d *device) bodySystem(at, local time.Time, noise func(float64) float64) []byte {
	hour := local.Hour()
	yes := func(f Fault) bool { return d.has(f, at) }
	switch d.facility {
	case "parking":
		return fmt.Appendf(nil, `,"spaces_occupied":%.0f,"spaces_free":%.0f,"vehicles_in_total":%.0f,"vehicles_out_total":%.0f}`,
			d.occupied, spaces-d.occupied, d.counts[0], d.counts[1])
	case "charging":
		current := d.charging(at)
		temperature := 18 + 14*current/ratedCurrent + noise(0.5)
		if yes(ChargerHot) {
			temperature = 82 + noise(1)
		}
		return fmt.Appendf(nil, `,"charging":%t,"active_power":%.0f,"current":%.1f,"energy_total":%.3f,"sessions_total":%.0f,"temperature":%.1f}`,
			current > 0, 230*current, current, d.energy, d.counts[0], temperature)
	case "noise":
		level := 44 + noise(1)
		if hour >= 6 && hour < 22 {
			level = 50 + 40*rush[hour] + noise(1.5)
		}
		if yes(Noisy) {
			level = 74 + noise(1)
		}
		return fmt.Appendf(nil, `,"sound_level_equivalent":%.1f,"sound_level_max":%.1f}`, level, level+6+math.Abs(noise(3)))
	case "drainage":
		level, rain := 0.04+0.01*raining(d.seed, local)+math.Abs(noise(0.003)), d.rain
		d.rain = 0
		if yes(Flooded) {
			level = 0.52
		}
		return fmt.Appendf(nil, `,"water_level":%.3f,"flooded":%t,"rainfall":%.2f}`, level, level > floodLevel, rain)
	case "public_area":
		in, out := d.counts[0], d.counts[1]
		d.counts = [2]float64{}
		return fmt.Appendf(nil, `,"people_count":%.0f,"people_in":%.0f,"people_out":%.0f}`, d.occupied, in, out)
	case "fire":
		switch d.number % 3 {
		case 0:
			obscuration := math.Abs(noise(0.02))
			if yes(Smoke) {
				obscuration = 1.4 + noise(0.1)
			}
			return fmt.Appendf(nil, `,"smoke_detected":%t,"smoke_concentration":%.3f}`, yes(Smoke), obscuration)
		case 1:
			pressure := 260000 + noise(3000)
			if yes(HydrantLow) {
				pressure = 60000 + noise(2000)
			}
			return fmt.Appendf(nil, `,"hydrant_pressure":%.0f}`, pressure)
		}
		return fmt.Appendf(nil, `,"passage_blocked":%t}`, yes(PassageBlocked))
	case "environment":
		pm := max(5, 45+25*math.Sin(2*math.Pi*float64(local.YearDay())/9)+noise(4))
		if yes(BadAir) {
			pm = 260 + noise(5)
		}
		return fmt.Appendf(nil, `,"pm2_5":%.0f,"pm10":%.0f,"temperature":%.1f,"humidity":%.0f}`, pm, 1.6*pm, 6+7*math.Sin(2*math.Pi*(float64(hour)-9)/24)+noise(0.3), 55+noise(3))
	}
	b := fmt.Appendf(nil, `,"deposits":%d,"waste_weight_net":%.2f,"inspections_correct":%.0f,"inspections_wrong":%.0f}`, len(d.deposits), d.dropped, d.right, d.wrong)
	d.dropped, d.right, d.wrong = 0, 0, 0
	return b
}

// events adds to a station's report who has dropped something. The service keeps a number
// of the day instead of the household.
func (d *device) events(report []byte, stamp int64) []byte {
	if len(d.deposits) == 0 {
		return report
	}
	b := append([]byte{'['}, report...)
	for i, household := range d.deposits { // each at a time of its own
		b = fmt.Appendf(b, `,{"time":%d,"event":"deposit","household":"%s"}`, stamp+int64(i), household)
	}
	d.deposits = d.deposits[:0]
	return append(b, ']')
}
