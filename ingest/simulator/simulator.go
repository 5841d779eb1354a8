// Package simulator makes plausible days of residential communities: water by
// the hour of day and the weekday, lamps from dusk to dawn with dimming, bins
// that fill and are emptied, gates with their rush hours. It is for trying out,
// for tests and for load, and says of every fault it plants when and where it
// began and ended.
//
// A World is a function of its options: the same seed and start give the same
// messages, however they are fetched. So a simulation that was interrupted goes
// on where it was, registers included, by advancing silently to that time.
package simulator

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"greencommunity/ingest"
)

// Options of a world.
type Options struct {
	Seed  uint64
	Start time.Time      // of the simulation; registers begin to count here
	Zone  *time.Location // of the days; default Asia/Shanghai
	// Scale multiplies the number of devices: 1 is 140 in two communities.
	Scale int
	// Faults plants faults; without it every device works.
	Faults bool
	// Clocks says from when on clocks may be wrong. History that is published at
	// once must not hold any: readings whose time cannot be are taken for those
	// of the moment they arrive, so that days of them would fall into one.
	Clocks time.Time
	// Systems adds the plan's other systems: parking, charging, noise, drainage,
	// public areas, fire, environment, and stations where deposits are registered.
	// Devices of the others are as without.
	Systems bool
	// Plant has faults begin and end as labels say, beside those of Faults.
	Plant []Label
	// Native has every device speak the native format, not only those of the
	// first community.
	Native bool
}

// Message holds what a device publishes.
type Message struct {
	At      time.Time // when it is published
	Topic   string
	Payload []byte
}

// Label says what fault a device has from when to when.
type Label struct {
	Community ingest.CommunityID  `json:"community"`
	Facility  ingest.FacilityKind `json:"facility"`
	Device    ingest.DeviceID     `json:"device"`
	Fault     Fault               `json:"fault"`
	From      time.Time           `json:"from"`
	To        time.Time           `json:"to"`
}

// Fault is a kind of fault that can be planted.
type Fault string

const (
	Leak          Fault = "leak"           // 8 L/h on top of everything
	Burst         Fault = "burst"          // 2.5 m3/h
	DayBurner     Fault = "day_burner"     // a lamp that burns by day
	LampOut       Fault = "lamp_out"       // a lamp that does not burn
	StuckSensor   Fault = "stuck_sensor"   // repeats its last value
	BinFire       Fault = "bin_fire"       // temperature rises to 90 °C
	Overfull      Fault = "overfull"       // a bin nobody empties
	GateHeldOpen  Fault = "gate_held_open" // a gate that stays open
	Offline       Fault = "offline"        // reports nothing
	ClockWrong    Fault = "clock_wrong"    // a clock that stands in the year 2000
	RegisterReset Fault = "register_reset" // a register begins at 0 again
)

// faultsOf lists what can befall a kind of facility, beside what can befall all.
var faultsOf = map[ingest.FacilityKind][]Fault{
	ingest.Water:    {Leak, Burst, StuckSensor, RegisterReset, Offline, ClockWrong},
	ingest.Lighting: {DayBurner, LampOut, RegisterReset, Offline, ClockWrong},
	ingest.Waste:    {BinFire, Overfull, StuckSensor, Offline, ClockWrong},
	ingest.Gate:     {GateHeldOpen, Offline, ClockWrong},
}

// Community is one of the simulated communities.
type Community struct {
	ID         ingest.CommunityID
	Name       string
	Compounds  []string // id and name by turns
	Households int
	Population int
	Lat, Lon   float64
	watts      int     // of each lamp before the project
	wattsRel   float64 // how well that is known, as a ratio
	water      float64 // m³ a person and day before the project
}

// Communities are those of the county's pilot, as far as they are simulated:
// as many households as there are meters.
var Communities = []Community{
	{ID: "nancheng", Name: "南城社区", Compounds: []string{"jinxiu", "锦绣家园", "wenhua", "文化小区"}, Households: 30, Population: 90, Lat: 34.75, Lon: 106.13, watts: 118, wattsRel: 0.05, water: 0.125},
	{ID: "xicheng", Name: "西城社区", Compounds: []string{"heping", "和平苑"}, Households: 30, Population: 90, Lat: 34.76, Lon: 106.11, watts: 52, wattsRel: 0.1, water: 0.085},
}

// device is a simulated device and its state.
type device struct {
	community *Community
	facility  ingest.FacilityKind
	id        string
	number    int  // within its kind and community, from 0
	station   bool // where deposits are registered
	seed      uint64
	every     int // reports once in so many steps
	offset    int // within every
	random    *rand.Rand
	size      float64 // household water use, lamp power, bin filling rate, gate traffic

	energy, burned, water float64 // registers: kWh, s, m3
	fill                  float64
	passIn, passOut       int
	occupied              float64    // of a car park, a charger or a square
	counts                [2]float64 // registers of things that come and go
	deposits              []string   // households that have dropped something since the last report
	dropped, right, wrong float64
	rain                  float64 // mm since the last report
	tampered              bool    // as it has told
	last                  []byte  // payload before, for a stuck sensor
	faults                []Label
	native                bool // speaks the native format
}

// World is a simulation. It is for one goroutine.
type World struct {
	o       Options
	devices []*device
	next    time.Time     // of the next step
	step    time.Duration // from one to the next
	steps   int           // done
}

// deviceKind is how many devices of a kind each community has.
type deviceKind struct {
	facility ingest.FacilityKind
	prefix   string
	count    int
	every    int
	system   bool
}

// HistoryStep is the step of a new world: gates report at each, lamps at every
// second, meters and bins at every fourth.
const HistoryStep = 15 * time.Minute

// New returns a world at its start.
func New(o Options) *World {
	if o.Scale <= 0 {
		o.Scale = 1
	}
	if o.Zone == nil {
		o.Zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	w := &World{o: o, next: o.Start.Truncate(HistoryStep), step: HistoryStep}
	kinds := []deviceKind{{ingest.Lighting, "lamp", 24, 2, false}, {ingest.Water, "meter", 30, 4, false}, {ingest.Waste, "bin", 12, 4, false}, {ingest.Gate, "gate", 4, 1, false}}
	if o.Systems {
		kinds = append(kinds, systemKinds...)
	}
	for i := range Communities {
		c := &Communities[i]
		for _, kind := range kinds {
			for n := range kind.count * o.Scale {
				d := &device{community: c, facility: kind.facility, id: fmt.Sprintf("%s-%s-%03d", c.ID, kind.prefix, n+1), every: kind.every, native: o.Native || i == 0 || kind.system, number: n, station: kind.prefix == "station", seed: o.Seed}
				h := fnv.New64a()
				h.Write([]byte(d.id))
				d.random = rand.New(rand.NewPCG(o.Seed, h.Sum64()))
				d.offset = d.random.IntN(kind.every)
				d.size = math.Exp(d.random.NormFloat64() * 0.35)
				d.fill = d.random.Float64() * 0.6
				d.energy, d.water = math.Round(d.random.Float64()*8e6)/1e3, math.Round(d.random.Float64()*9e5)/1e3
				if o.Faults {
					d.plant(o)
				}
				for _, l := range o.Plant {
					if l.Device == ingest.DeviceID(d.id) {
						l.Community, l.Facility = c.ID, kind.facility
						d.faults = append(d.faults, l)
					}
				}
				w.devices = append(w.devices, d)
			}
		}
	}
	return w
}

// plant gives about every fourth device a fault within its first four weeks.
func (d *device) plant(o Options) {
	if d.random.IntN(4) != 0 {
		return
	}
	kinds := faultsOf[d.facility]
	if d.station {
		return // what is dropped there has no faults
	}
	if systems := systemFaults[d.facility]; systems != nil {
		kinds = []Fault{systems[d.number%len(systems)]} // each has one kind of sensor
	}
	fault := kinds[d.random.IntN(len(kinds))]
	from := o.Start.Add(time.Duration(24+d.random.IntN(27*24)) * time.Hour)
	length := time.Duration(6+d.random.IntN(66)) * time.Hour
	switch fault {
	case Burst, BinFire, ChargerHot, Smoke:
		length = 3 * time.Hour
	case RegisterReset:
		length = HistoryStep
	}
	to := from.Add(length)
	if fault == ClockWrong && from.Before(o.Clocks) {
		if from = o.Clocks; !from.Before(to) {
			return
		}
	}
	d.faults = append(d.faults, Label{Community: d.community.ID, Facility: d.facility, Device: ingest.DeviceID(d.id), Fault: fault, From: from.UTC(), To: to.UTC()})
}

// Labels lists the planted faults by device.
func (w *World) Labels() []Label {
	var labels []Label
	for _, d := range w.devices {
		labels = append(labels, d.faults...)
	}
	return labels
}

// Devices returns how many devices there are.
func (w *World) Devices() int { return len(w.devices) }

// Next is the time of the next step.
func (w *World) Next() time.Time { return w.next }

// SetStep changes the time from one step to the next.
func (w *World) SetStep(step time.Duration) { w.step = step }

// Advance runs the simulation up to and without until, and calls emit for each
// message, in order of time; nil advances silently. It ends with emit's first
// error, and may then not be used any more.
func (w *World) Advance(until time.Time, emit func(Message) error) error {
	for ; w.next.Before(until); w.next, w.steps = w.next.Add(w.step), w.steps+1 {
		for _, d := range w.devices {
			d.advance(w.next, w.step, w.o.Zone)
			if (w.steps+d.offset)%d.every != 0 {
				continue
			}
			payload := d.report(w.next, w.o.Zone)
			if payload == nil || emit == nil {
				continue
			}
			topic, payload, err := d.publication(payload, w.o.Zone)
			if err != nil {
				return err
			}
			if err := emit(Message{w.next, topic, payload}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Steps returns how many steps Advance(until) would take.
func (w *World) Steps(until time.Time) int {
	return max(0, int((until.Sub(w.next)+w.step-1)/w.step))
}

func (d *device) has(f Fault, at time.Time) bool {
	for _, l := range d.faults {
		if l.Fault == f && !at.Before(l.From) && at.Before(l.To) {
			return true
		}
	}
	return false
}

// dark reports how dark it is, 0 by day to 1 at night, by a sunset that moves
// with the season around 35° N.
func dark(local time.Time) float64 {
	season := math.Cos(2 * math.Pi * float64(local.YearDay()-172) / 365.25)
	hour := float64(local.Hour()) + float64(local.Minute())/60
	sunset, sunrise := 19.1+1.2*season, 6.4-1.1*season // Beijing time, 106° E
	if hour >= sunset || hour < sunrise {
		return 1
	}
	return 0
}

// household is the share of a day's water used in each hour.
var household = [24]float64{.008, .005, .004, .004, .006, .02, .06, .085, .07, .05, .045, .05, .06, .045, .03, .03, .035, .055, .08, .085, .075, .05, .03, .018}

// draws sets how often a household takes water in a day.
const draws = 25

// rush is the share of a day's passes through a gate in each hour.
var rush = [24]float64{.003, .002, .001, .001, .004, .02, .06, .13, .1, .05, .035, .04, .05, .035, .03, .035, .05, .09, .1, .07, .045, .03, .015, .004}

// advance moves a device's state on by one step.
func (d *device) advance(at time.Time, step time.Duration, zone *time.Location) {
	local := at.In(zone)
	hour := local.Hour()
	weekend := local.Weekday() == time.Saturday || local.Weekday() == time.Sunday
	if d.has(RegisterReset, at) {
		d.energy, d.burned, d.water = 0, 0, 0
	}
	if d.station || systemFaults[d.facility] != nil {
		d.advanceSystem(at, step, local)
		return
	}
	switch d.facility {
	case ingest.Lighting:
		power := d.power(at, local)
		d.energy += power * step.Hours() / 1000
		if power > 5 {
			d.burned += step.Seconds()
		}
	case ingest.Water:
		daily := 0.24 * d.size // m3, a household of three
		if weekend {
			daily *= 1.18
			hour = (hour + 23) % 24 // an hour later
		}
		// Taps are opened now and then and rest in between: by a rate an hour, so
		// that a household is as quiet at night in short steps as in long ones.
		use := 0.0
		for range d.poisson(draws * household[hour] * step.Hours()) {
			use += daily / draws * 2 * d.random.Float64()
		}
		if d.has(Leak, at) {
			use += 0.008 * step.Hours()
		}
		if d.has(Burst, at) {
			use += 2.5 * step.Hours()
		}
		d.water += use
	case ingest.Waste:
		d.fill += 0.9 * d.size * step.Hours() / 24 * (rush[hour] * 24) * (0.5 + d.random.Float64())
		// Collected at six in the morning, and at six in the evening when fuller than half.
		due := hour == 6 && local.Minute() == 0 || hour == 18 && local.Minute() == 0 && d.fill > 0.5
		if due && !d.has(Overfull, at) {
			d.fill = 0.02 * d.random.Float64()
		}
		d.fill = min(d.fill, 1.05)
	case ingest.Gate:
		mean := 600 * d.size * rush[hour] * step.Hours()
		in, out := 0.45, 0.45
		if hour < 12 {
			out = 0.62
		} else {
			in = 0.62
		}
		d.passIn, d.passOut = d.poisson(mean*in), d.poisson(mean*out)
	}
}

// power is a lamp's power in W: full until 23:00, then dimmed to 60 %.
func (d *device) power(at, local time.Time) float64 {
	rated := 60.0
	burning := dark(local) > 0
	switch {
	case d.has(LampOut, at):
		return 0
	case d.has(DayBurner, at):
		burning = true
	}
	if !burning {
		return 0.6 // standby of the controller
	}
	return rated * d.level(local)
}

func (d *device) level(local time.Time) float64 {
	if h := local.Hour(); h >= 23 || h < 5 {
		return 0.6
	}
	return 1
}

func (d *device) poisson(mean float64) int {
	limit, n, p := math.Exp(-mean), 0, d.random.Float64()
	for p > limit {
		p *= d.random.Float64()
		n++
	}
	return n
}

// report returns what a device publishes, nil if it is offline.
func (d *device) report(at time.Time, zone *time.Location) []byte {
	if d.has(Offline, at) {
		return nil
	}
	stamp := at.UnixMilli()
	if d.has(ClockWrong, at) {
		stamp -= time.Date(at.Year(), 1, 1, 0, 0, 0, 0, time.UTC).Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Milliseconds()
	}
	b := strconv.AppendInt([]byte(`{"time":`), stamp, 10)
	body := d.body(at, at.In(zone))
	if d.has(StuckSensor, at) && d.last != nil {
		body = d.last
	}
	d.last = body
	b = append(b, body...)
	if tampered := d.has(Tamper, at); tampered || d.tampered {
		b = fmt.Appendf(nil, `[%s,{"time":%d,"event":"tamper","active":%t}]`, b, stamp, tampered)
		d.tampered = tampered
	}
	return d.events(b, stamp)
}

func (d *device) body(at, local time.Time) []byte {
	noise := func(sd float64) float64 { return d.random.NormFloat64() * sd }
	if d.station || systemFaults[d.facility] != nil {
		return d.bodySystem(at, local, noise)
	}
	switch d.facility {
	case ingest.Lighting:
		power := d.power(at, local)
		on := power > 5
		level := 0.0
		if on {
			level = d.level(local)
			power += noise(0.4)
		}
		return fmt.Appendf(nil, `,"light_on":%t,"light_level":%.2f,"active_power":%.1f,"voltage":%.1f,"energy_total":%.3f,"lamp_on_time_total":%.0f}`,
			on, level, max(power, 0), 229+noise(2), d.energy, d.burned)
	case ingest.Water:
		return fmt.Appendf(nil, `,"water_volume_total":%.3f,"water_temperature":%.1f,"battery_level":%.0f}`,
			d.water, 11+noise(0.3), max(20, 98-at.Sub(time.Unix(1_790_000_000, 0)).Hours()/24/30))
	case ingest.Waste:
		temperature := 9 + 8*math.Sin(2*math.Pi*(float64(local.Hour())-9)/24) + noise(0.4)
		if d.has(BinFire, at) {
			temperature = 90 + noise(5)
		}
		return fmt.Appendf(nil, `,"fill_level":%.3f,"waste_weight":%.1f,"bin_temperature":%.1f,"bin_tilted":false}`,
			min(d.fill, 1), 38*d.fill*d.size, temperature)
	}
	return fmt.Appendf(nil, `,"pass_in":%d,"pass_out":%d,"door_open":%t}`, d.passIn, d.passOut, d.has(GateHeldOpen, at))
}
