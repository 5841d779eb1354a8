package anomaly

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
)

// Parameters are the levels and durations of the rules. The comments say why
// the defaults are what they are; the package comment says how they were tried.
type Parameters struct {
	Water    WaterParameters    `yaml:"water"`
	Lighting LightingParameters `yaml:"lighting"`
	Waste    WasteParameters    `yaml:"waste"`
	Gate     GateParameters     `yaml:"gate"`
	All      AllParameters      `yaml:"all"`
	// Limits are rules as data, in place of the defaults where any are given.
	Limits []Limit `yaml:"limits"`
}

// WaterParameters are those of meters. Flows are in L/h.
type WaterParameters struct {
	// ContinuousAfter is for how long the flow must not have come to rest. A day
	// is the trade's customary span: a household rests at night.
	ContinuousAfter time.Duration `yaml:"continuous_after"`
	// SmallAfter is the same where the least flow of an hour was below
	// SmallFlow. Use by people comes to rest sooner or later, and the longer we
	// wait the fewer of those are left; a dripping cistern can wait longer than
	// a broken pipe, but should be told within two days.
	SmallAfter time.Duration `yaml:"small_after"`
	SmallFlow  float64       `yaml:"small_flow"`
	// Gap is the longest time between two readings over which the register may
	// stand for continuous flow. Uplinks lost over a few hours are ordinary.
	Gap time.Duration `yaml:"gap"`
	// ClearRests is how many hours at rest end a continuous flow: one may be
	// the resolution of the register.
	ClearRests int `yaml:"clear_rests"`
	// AlwaysFlowing switches continuous flow off, for boilers and fountains.
	AlwaysFlowing bool `yaml:"always_flowing"`
	// BurstFlow is the least flow of a burst, sustained for two hours. 227 L/h
	// (60 gal/h) is what utilities page for; a shower of 20 minutes an hour
	// stays below it.
	BurstFlow float64 `yaml:"burst_flow"`
	// BurstFactor is how far a burst is above the highest flow the meter has
	// sustained for two hours, so that a hotel's meter has its own measure.
	BurstFactor float64 `yaml:"burst_factor"`
	// Reverse is the volume in L that must have run backwards, in two readings
	// at least: single registers out of order are not a flow.
	Reverse float64 `yaml:"reverse"`
	// StuckAfter and StuckFactor: at rest for this long, and for so many times
	// the longest rest before. Holidays are the reason for both.
	StuckAfter  time.Duration `yaml:"stuck_after"`
	StuckFactor float64       `yaml:"stuck_factor"`
	// Qmax is the overload flow in m3/h; 0: the attribute qmax, else unknown.
	Qmax float64 `yaml:"qmax"`
}

// LightingParameters are those of lamps and cabinets.
type LightingParameters struct {
	// RatedPower in W; 0: the attribute rated_power, else the highest power two
	// readings in a row have shown.
	RatedPower float64 `yaml:"rated_power"`
	// A lamp burns above On and is dark below Off, as shares of the rated
	// power: dimmed lamps burn at 30 % and more, standby takes below 5 %.
	On  float64 `yaml:"on"`
	Off float64 `yaml:"off"`
	// DaySun and NightSun are elevations of the sun in degrees. Lamps are
	// switched between sunset and civil dusk (-6°); above +3° nobody needs them.
	DaySun   float64 `yaml:"day_sun"`
	NightSun float64 `yaml:"night_sun"`
	// DayAfter leaves room for a dark thunderstorm, OutageAfter for a restart.
	DayAfter    time.Duration `yaml:"day_after"`
	OutageAfter time.Duration `yaml:"outage_after"`
	// Cycles is how many switchings within CycleSpan are cycling. An evening
	// with a flickering photocell has three.
	Cycles    int           `yaml:"cycles"`
	CycleSpan time.Duration `yaml:"cycle_span"`
	// Deviation from the learned power at the same dimming level, as a share,
	// in Readings readings in a row. Mains voltage moves power by about 5 %.
	Deviation float64 `yaml:"deviation"`
	Readings  int     `yaml:"readings"`
	// Feeder is the share of a feeder's lamps that makes it the feeder's fault.
	Feeder float64 `yaml:"feeder"`
}

// WasteParameters are those of bins. Fill levels are ratios, temperatures °C.
type WasteParameters struct {
	// Fire is the temperature nothing but fire reaches in a bin; a closed bin
	// in the sun gets to about 60 °C.
	Fire float64 `yaml:"fire"`
	// FireRise a reading, twice in a row, and FireAbove the neighbours is fire
	// as well, sooner.
	FireRise   float64       `yaml:"fire_rise"`
	FireAbove  float64       `yaml:"fire_above"`
	FireClear  float64       `yaml:"fire_clear"`
	FireQuiet  time.Duration `yaml:"fire_quiet"`
	Full       float64       `yaml:"full"`
	FullClear  float64       `yaml:"full_clear"`
	FullAfter  time.Duration `yaml:"full_after"`
	Jump       float64       `yaml:"jump"`       // of a blocked sensor, in one reading
	JumpAfter  time.Duration `yaml:"jump_after"` // for which it must hold
	StuckAfter time.Duration `yaml:"stuck_after"`
	// StuckFactor is how many times the longest standstill before.
	StuckFactor float64 `yaml:"stuck_factor"`
	// OverdueFactor is how many times the longest interval between two
	// collections a bin may wait, while it is fuller than OverdueFill. A bin
	// collected almost empty does not show it: so one may look like two.
	OverdueFactor float64 `yaml:"overdue_factor"`
	OverdueFill   float64 `yaml:"overdue_fill"`
}

// GateParameters are those of gates and doors.
type GateParameters struct {
	// HeldOpen: wheelchairs, prams and removals are through within two minutes.
	HeldOpen time.Duration `yaml:"held_open"`
	// GrantBefore is how long after a grant an opening still belongs to it.
	GrantBefore time.Duration `yaml:"grant_before"`
	// Unopened is how many grants in a row without an opening are a defect.
	Unopened int `yaml:"unopened"`
	// Denied within DeniedSpan, and at odds below Odds at the gate's own rate:
	// a resident tries a worn card three or four times.
	Denied     int           `yaml:"denied"`
	DeniedSpan time.Duration `yaml:"denied_span"`
	// Odds is the probability by the gate's own past below which a count is no
	// chance: at 1e-6 a gate's 168 hours a week give a false one in 100 years.
	Odds float64 `yaml:"odds"`
	// Quiet is the share of the mean hour below which an hour is a quiet one.
	Quiet float64 `yaml:"quiet"`
	// Tail is how many persons on one grant are too many where the gate has
	// not seen so many in 200 passes, or in less than one of 3,000.
	Tail int `yaml:"tail"`
}

// AllParameters are those of any device.
type AllParameters struct {
	// Offline is the least silence that counts, by facility; OfflineFactor how
	// many times the longest ordinary silence it must be. A battery meter that
	// sends once a day may miss once; a bin's fire must not be missed for a day.
	Offline       map[ingest.FacilityKind]time.Duration `yaml:"offline"`
	OfflineFactor float64                               `yaml:"offline_factor"`
	// Clock is by how much a clock must be off.
	Clock time.Duration `yaml:"clock"`
	// FlatRun and FlatFactor: so many equal values in a row, and so many times
	// the longest run before; FlatAfter: for at least this long.
	FlatRun    int           `yaml:"flat_run"`
	FlatFactor float64       `yaml:"flat_factor"`
	FlatAfter  time.Duration `yaml:"flat_after"`
	// Generic are the levels of the generic detector, and Quantities what it
	// looks at, beside every gauge of facilities that have no rules.
	Generic    GenericLevels `yaml:"generic"`
	Quantities []string      `yaml:"quantities"`
	// Reported is how long what a device reported stays without its end.
	Reported time.Duration `yaml:"reported"`
	// Share of a gateway's or community's devices that makes it one alarm.
	Share float64 `yaml:"share"`
	// Peers is the share of a community's devices of a kind of facility that makes
	// what they have within an hour one cause.
	Peers float64 `yaml:"peers"`
	// Disabled are kinds of alarm not to raise.
	Disabled []string `yaml:"disabled"`
}

// DefaultParameters returns the defaults.
func DefaultParameters() Parameters {
	return Parameters{
		Limits: DefaultLimits(),
		Water: WaterParameters{
			ContinuousAfter: 24 * time.Hour, SmallAfter: 36 * time.Hour, SmallFlow: 7, Gap: 6 * time.Hour, ClearRests: 3,
			BurstFlow: 227, BurstFactor: 1.5, Reverse: 10, StuckAfter: 13 * 24 * time.Hour, StuckFactor: 3,
		},
		Lighting: LightingParameters{
			On: 0.3, Off: 0.1, DaySun: 3, NightSun: -6, DayAfter: time.Hour, OutageAfter: 30 * time.Minute,
			Cycles: 4, CycleSpan: 2 * time.Hour, Deviation: 0.15, Readings: 3, Feeder: 0.2,
		},
		Waste: WasteParameters{
			Fire: 70, FireRise: 10, FireAbove: 20, FireClear: 50, FireQuiet: 30 * time.Minute,
			Full: 0.95, FullClear: 0.8, FullAfter: 2 * time.Hour, Jump: 0.6, JumpAfter: 6 * time.Hour,
			StuckAfter: 12 * time.Hour, StuckFactor: 3, OverdueFactor: 2, OverdueFill: 0.3,
		},
		Gate: GateParameters{
			HeldOpen: 2 * time.Minute, GrantBefore: 10 * time.Second, Unopened: 3, Denied: 8, DeniedSpan: 5 * time.Minute,
			Odds: 1e-6, Quiet: 0.25, Tail: 3,
		},
		All: AllParameters{
			Offline: map[ingest.FacilityKind]time.Duration{
				ingest.Lighting: time.Hour, ingest.Water: 48 * time.Hour, ingest.Waste: 4 * time.Hour, ingest.Gate: 4 * time.Hour, anyFacility: 4 * time.Hour,
			},
			OfflineFactor: 1.5, Clock: 2 * time.Minute, FlatRun: 12, FlatFactor: 3, FlatAfter: 2 * time.Hour,
			Generic: FleetLevels, Quantities: []string{"water_pressure", "voltage"}, Reported: 24 * time.Hour, Share: 0.5, Peers: 0.2,
		},
	}
}

// Config is the section `anomaly` of the configuration: parameters for all, and
// what differs for communities and devices. Each level says only what differs
// from the one before: a device from its community.
type Config struct {
	Parameters Parameters `yaml:",inline"`
	// Communities are the levels of single communities, by id, in the form of
	// those above: {nancheng: {water: {small_after: 48h}}}.
	Communities map[ingest.CommunityID]Parameters `yaml:"communities"`
	// Devices are the levels of single devices, by id.
	Devices map[ingest.DeviceID]Parameters `yaml:"devices"`
	// Budget is how many open alarms a community lists before the rest is only
	// counted; the worst come first.
	Budget int `yaml:"budget"`

	own map[ingest.DeviceID]document.Section // what was said of Devices
}

// device returns the parameters of a device of a community: what was said of
// the device on top of the community's.
func (c *Config) device(id ingest.DeviceID, community ingest.CommunityID) Parameters {
	p, ok := c.Communities[community]
	said, read := c.own[id]
	if !ok || !read || !overlay(&p, said, &document.Problems{}) {
		return c.Devices[id]
	}
	return p
}

// DefaultConfig has no exceptions and lists 20 alarms a community.
func DefaultConfig() Config { return Config{Parameters: DefaultParameters(), Budget: 20} }

// ReadConfig reads a file that holds a Config alone. Unknown keys fail; all
// problems are reported together, each with its line.
func ReadConfig(r io.Reader) (Config, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return Config{}, err
	}
	var whole document.Section
	var p document.Problems
	if !document.Decode(data, &whole, &p) {
		return Config{}, p.Err()
	}
	c := ReadSection(whole, &p)
	return c, p.Err()
}

// ReadSection reads the section of the configuration, and adds what is wrong
// with it to the problems.
func ReadSection(section document.Section, problems *document.Problems) Config {
	c := DefaultConfig()
	said := struct {
		Water       WaterParameters                         `yaml:"water"`
		Lighting    LightingParameters                      `yaml:"lighting"`
		Waste       WasteParameters                         `yaml:"waste"`
		Gate        GateParameters                          `yaml:"gate"`
		All         AllParameters                           `yaml:"all"`
		Limits      []Limit                                 `yaml:"limits"`
		Budget      int                                     `yaml:"budget"`
		Communities map[ingest.CommunityID]document.Section `yaml:"communities"`
		Devices     map[ingest.DeviceID]document.Section    `yaml:"devices"`
	}{c.Parameters.Water, c.Parameters.Lighting, c.Parameters.Waste, c.Parameters.Gate, c.Parameters.All, nil, c.Budget, nil, nil}
	said.All.Offline = nil
	if !section.Decode(&said, problems) {
		return c
	}
	said.All.Offline = merged(c.Parameters.All.Offline, said.All.Offline)
	c.Parameters = Parameters{said.Water, said.Lighting, said.Waste, said.Gate, said.All, c.Parameters.Limits}
	if said.Limits != nil {
		c.Parameters.Limits = said.Limits
	}
	c.Budget, c.own = said.Budget, said.Devices
	c.Parameters.check(section, problems)
	c.Communities, c.Devices = map[ingest.CommunityID]Parameters{}, map[ingest.DeviceID]Parameters{}
	for _, id := range slices.Sorted(maps.Keys(said.Communities)) {
		c.Communities[id] = c.Parameters.with(said.Communities[id], problems)
	}
	for _, id := range slices.Sorted(maps.Keys(said.Devices)) {
		c.Devices[id] = c.Parameters.with(said.Devices[id], problems)
	}
	return c
}

// with returns the parameters with what a section says on top of them.
func (p Parameters) with(section document.Section, problems *document.Problems) Parameters {
	if overlay(&p, section, problems) && section.Given() {
		p.check(section, problems)
	}
	return p
}

// overlay sets in p what a section says.
func overlay(p *Parameters, section document.Section, problems *document.Problems) bool {
	offline, limits := p.All.Offline, p.Limits
	p.All.Offline, p.Limits = nil, nil
	ok := section.Decode(p, problems)
	if p.Limits == nil {
		p.Limits = limits
	}
	p.All.Offline = merged(offline, p.All.Offline)
	return ok
}

func merged(general, own map[ingest.FacilityKind]time.Duration) map[ingest.FacilityKind]time.Duration {
	all := map[ingest.FacilityKind]time.Duration{}
	maps.Copy(all, general)
	maps.Copy(all, own)
	return all
}

// check refuses kinds of alarm that there are not.
func (p *Parameters) check(section document.Section, problems *document.Problems) {
	path, limits := "all.disabled", "limits"
	if section.Path() != "" {
		path, limits = section.Path()+"."+path, section.Path()+"."+limits
	}
	checkLimits(p.Limits, limits, problems)
	for i, name := range p.All.Disabled {
		if _, ok := kindNamed(name); ok {
			continue
		}
		var names []string
		for k := range Kinds {
			names = append(names, Kinds[k].Name)
		}
		problems.Add(fmt.Sprintf("%s[%d]", path, i), "%q is no kind of alarm; one of %s", name, strings.Join(names, ", "))
	}
}

func kindNamed(name string) (kind, bool) {
	for k := range Kinds {
		if Kinds[k].Name == name {
			return kind(k), true
		}
	}
	return 0, false
}
