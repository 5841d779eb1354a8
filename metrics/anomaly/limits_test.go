package anomaly

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// TestLimits: what other facilities report, minute by minute from 12:00, and what
// is raised and cleared when.
func TestLimits(t *testing.T) {
	many := func(n int, v float64) []float64 { return slices.Repeat([]float64{v}, n) }
	for _, c := range []struct {
		name, facility, quantity string
		hour                     int
		values                   []float64
		want                     []string // "minute raise kind"
	}{
		{"standing water is told at once", "drainage", "flooded", 12, []float64{0, 1, 1, 0}, []string{"1 raise waterlogging", "3 clear waterlogging"}},
		{"a level says nothing without flood_level", "drainage", "water_level", 12, []float64{0.1, 3, 3, 3, 3}, nil},
		{"smoke is told at once", "fire", "smoke_detected", 3, []float64{0, 1, 0}, []string{"1 raise smoke", "2 clear smoke"}},
		{"somebody unloads", "fire", "passage_blocked", 12, append(many(9, 1), 0), nil},
		{"a car is parked", "fire", "passage_blocked", 12, append(many(15, 1), 0), []string{"10 raise passage_blocked", "15 clear passage_blocked"}},
		{"a hydrant while one draws from it", "fire", "hydrant_pressure", 12, append(append([]float64{260e3}, many(8, 120e3)...), 260e3), nil},
		{"a main without water", "fire", "hydrant_pressure", 12, append(append([]float64{260e3}, many(15, 60e3)...), 255e3), []string{"11 raise hydrant_low", "16 clear hydrant_low"}},
		{"a day of smog", "environment", "pm2_5", 12, many(1442, 180), []string{"0 raise bad_air"}},
		{"fireworks", "environment", "pm2_5", 12, append(append(many(300, 60), many(90, 500)...), many(1100, 60)...), nil},
		{"a plug burns", "charging", "temperature", 2, []float64{35, 52, 71, 66, 59}, []string{"2 raise charger_hot", "4 clear charger_hot"}},
		{"a summer's day", "charging", "temperature", 13, []float64{45, 55, 60, 55}, nil},
		{"a current says nothing without rated_current", "charging", "current", 12, many(30, 60), nil},
		{"works by day", "noise", "sound_level_equivalent", 12, append(many(70, 68), many(90, 50)...), []string{"60 raise noise", "139 clear noise"}},
		{"a lorry", "noise", "sound_level_equivalent", 12, append(append(many(60, 52), 80), many(30, 52)...), nil},
		{"dancing by night", "noise", "sound_level", 22, many(70, 58), []string{"60 raise noise"}},
		{"the same by day", "noise", "sound_level", 14, many(70, 58), nil},
		{"full at noon", "parking", "spaces_free", 12, append(many(40, 0), 1), []string{"30 raise parking_full", "40 clear parking_full"}},
		{"full for a moment", "parking", "spaces_free", 12, append(many(20, 0), 3), nil},
		{"people say nothing without capacity", "public_area", "people_count", 12, many(30, 400), nil},
	} {
		b := newBench(t)
		day := time.Date(2026, 3, 2, c.hour, 0, 0, 0, time.FixedZone("", 8*3600))
		for i, v := range c.values {
			b.report(day.Add(time.Duration(i)*time.Minute), "d", ingest.FacilityKind(c.facility), map[string]float64{c.quantity: v})
		}
		b.Tick(day.Add(time.Duration(len(c.values)) * time.Minute).UnixNano())
		var got []string
		for _, change := range b.changes {
			f := strings.Fields(change)
			at, err := time.ParseInLocation("01-02T15:04:05", f[0], time.UTC)
			if err != nil {
				t.Fatal(err)
			}
			minute := (at.Hour()*60 + at.Minute() - day.UTC().Hour()*60 + 1440) % 1440
			got = append(got, fmt.Sprintf("%d %s %s", minute, f[1], f[2]))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestLimitsAreData: a configuration's list replaces the defaults, for all and for
// a device; what says nothing is refused with its place.
func TestLimitsAreData(t *testing.T) {
	c, err := ReadConfig(strings.NewReader(`
limits:
- {kind: crowd, facility: public_area, quantity: people_count, at: 50}
devices:
  hall: {limits: [{kind: crowd, facility: public_area, quantity: people_count, at: 500}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Parameters.Limits) != 1 || c.Parameters.Limits[0].At != 50 || len(c.Devices["hall"].Limits) != 1 || c.Devices["hall"].Limits[0].At != 500 {
		t.Errorf("%+v, of the hall %+v", c.Parameters.Limits, c.Devices["hall"].Limits)
	}
	if c, err = ReadConfig(strings.NewReader("water: {reverse: 20}\n")); err != nil || len(c.Parameters.Limits) != len(DefaultLimits()) {
		t.Errorf("%d limits where none are said, %v", len(c.Parameters.Limits), err)
	}
	for _, bad := range []string{
		"{kind: burst, facility: water, quantity: water_flow, at: 1}", "{kind: crowd, at: 5}",
		"{kind: crowd, facility: public_area, quantity: people_count}",
		"{kind: noise, facility: noise, quantity: sound_level, at: 60, from: 22, to: 30}",
	} {
		if _, err := ReadConfig(strings.NewReader("limits:\n- " + bad + "\n")); err == nil || !strings.Contains(err.Error(), "limits[0]") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestLimitsOfLamps: a limit that a configuration sets for one of the four facilities
// with rules of their own is told as any other.
func TestLimitsOfLamps(t *testing.T) {
	c, err := ReadConfig(strings.NewReader("limits: [{kind: overcurrent, facility: lighting, quantity: current, at: 1.5, for: 10m}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.Configure(c)
	b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: time.FixedZone("", 8*3600)})
	start := time.Date(2026, 3, 2, 20, 0, 0, 0, time.FixedZone("", 8*3600))
	for i, amperes := range slices.Concat([]float64{0.8}, slices.Repeat([]float64{1.9}, 15), []float64{0.8}) {
		b.report(start.Add(time.Duration(i)*time.Minute), "lamp", ingest.Lighting, map[string]float64{"current": amperes})
	}
	if got := strings.Join(b.changes, "; "); strings.Count(got, "overcurrent") != 2 || !strings.Contains(got, "raise overcurrent") || !strings.Contains(got, "clear overcurrent") {
		t.Errorf("%s", got)
	}
}

// TestPeersFirst: ten lamps of a community that burn by day within the hour are one
// note; three of ten that do so on three days are three alarms.
func TestPeersFirst(t *testing.T) {
	for _, c := range []struct {
		name   string
		burns  func(lamp int, at time.Time) bool
		alarms int // of day_burner, that stand for themselves
		notes  int
	}{
		{"a storm over all", func(_ int, at time.Time) bool { return at.Day() == 12 && at.Hour() >= 14 && at.Hour() < 17 }, 0, 1},
		{"a shower of half an hour", func(_ int, at time.Time) bool { return at.Day() == 12 && at.Hour() == 14 && at.Minute() < 30 }, 0, 0},
		{"one relay", func(i int, at time.Time) bool { return i == 3 && at.Day() == 12 && at.Hour() >= 14 && at.Hour() < 17 }, 1, 0},
		{"three on three days", func(i int, at time.Time) bool { return at.Day() == 10+i && i < 3 && at.Hour() >= 14 && at.Hour() < 17 }, 3, 0},
	} {
		b := newBench(t)
		zone := time.FixedZone("", 8*3600)
		from := time.Date(2026, 3, 2, 12, 0, 0, 0, zone)
		for at := from; at.Before(from.AddDate(0, 0, 12)); at = at.Add(15 * time.Minute) {
			for i := range 10 {
				on := at.Hour() >= 19 || at.Hour() < 6 || c.burns(i, at)
				power := 0.4 + float64(at.Minute())/1000
				if on {
					power = 60 + float64((at.YearDay()*7+at.Minute()+i)%11)/10
				}
				b.report(at.Add(time.Duration(i)*time.Second), fmt.Sprintf("lamp%d", i), "lighting", map[string]float64{"active_power": power})
			}
		}
		alarms, notes := 0, 0
		for _, change := range b.told {
			switch {
			case !change.Raised || change.Alarm.Inhibited != "":
			case change.Alarm.Kind == "at_once":
				notes++
				if !strings.Contains(change.Alarm.Why.ZH, "白天亮灯") {
					t.Errorf("%s: %s", c.name, change.Alarm.Why.ZH)
				}
			default:
				alarms++
			}
		}
		if alarms != c.alarms || notes != c.notes {
			t.Errorf("%s: %d alarms and %d notes, want %d and %d: %v", c.name, alarms, notes, c.alarms, c.notes, b.changes)
		}
	}
}

// TestFireIsNeverMissed: case 15 and its like.
func TestFireIsNeverMissed(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []map[string]float64
		late   bool
		want   bool
	}{
		{"temperature", []map[string]float64{{"temperature": 24.5, "fill_level": 0.4}, {"temperature": 86, "fill_level": 0.4}}, false, true},
		{"bin_temperature", []map[string]float64{{"bin_temperature": 24.5}, {"bin_temperature": 86}}, false, true},
		{"both, the board is cooler", []map[string]float64{{"bin_temperature": 24, "temperature": 25}, {"bin_temperature": 190, "temperature": 40}}, false, true},
		{"both, the board is hotter", []map[string]float64{{"bin_temperature": 24, "temperature": 25}, {"bin_temperature": 30, "temperature": 190}}, false, true},
		{"alone and first", []map[string]float64{{"temperature": 190}}, false, true},
		{"late", []map[string]float64{{"temperature": 24.5}, {"temperature": 190}}, true, true},
		{"in the sun", []map[string]float64{{"temperature": 50}, {"temperature": 58}, {"temperature": 62}}, false, false},
	} {
		b := newBench(t)
		at := start
		for i, v := range c.values {
			b.late = c.late && i > 0
			b.report(at.Add(time.Duration(i)*10*time.Minute), "bin", "waste", v)
		}
		b.Tick(at.Add(2 * time.Hour).UnixNano())
		fire := slices.ContainsFunc(b.changes, func(s string) bool { return strings.Contains(s, "raise bin_fire") })
		if fire != c.want {
			t.Errorf("%s: %v", c.name, b.changes)
		}
	}
}

// A fire is told while it burns, within an hour, however wrong the bin's clock is,
// and whether or not it was heard before.
func TestFireByAnyClock(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name       string
		before, at time.Duration // of the clock, before the fire and while it burns
		readings   int           // before it
	}{
		{"right", 0, 0, 3},
		{"the first that is heard", 0, 0, 0},
		{"a year behind", -365 * day, -365 * day, 3},
		{"three days behind", -3 * day, -3 * day, 3},
		{"three days behind and the first", -3 * day, -3 * day, 0},
		{"eight hours ahead", 8 * time.Hour, 8 * time.Hour, 3},
		{"jumps back by a day with the fire", 0, -day, 300},
		{"jumps back by eight hours with the fire", 0, -8 * time.Hour, 300},
		{"jumps ahead by eight hours with the fire", 0, 8 * time.Hour, 300},
		{"was ahead, is right with the fire", 8 * time.Hour, 0, 300},
	} {
		b := newBench(t)
		now := start
		newest := time.Time{}
		report := func(offset time.Duration, value float64) {
			at := now.Add(offset)
			b.late = at.Before(newest) // as the pipeline says
			if at.After(newest) {
				newest = at
			}
			b.reportLate(now, at, "bin", "waste", map[string]float64{"temperature": value, "fill_level": 0.4})
			now = now.Add(10 * time.Minute)
		}
		for i := range c.readings {
			report(c.before, 20+float64(i%3))
		}
		for range 6 {
			report(c.at, 190)
		}
		for range 20 {
			report(c.at, 20)
		}
		if c.name == "eight hours ahead" && slices.ContainsFunc(b.Alarms(), func(a Alarm) bool { return a.Kind == "bin_fire" }) {
			t.Errorf("%s: burns for ever", c.name)
		}
		if !slices.ContainsFunc(b.told, func(c Change) bool { return c.Raised && c.Alarm.Kind == "bin_fire" }) {
			t.Errorf("%s: %v", c.name, b.changes)
		}
	}
}

// TestUnitOfAState: standing water that a switch reports is "yes" and not one metre deep,
// also where a level comes later, and after a restart; a level is in metres.
func TestUnitOfAState(t *testing.T) {
	zone := time.FixedZone("", 8*3600)
	for name, c := range map[string]struct {
		values map[string]float64
		value  float64
		unit   string
	}{
		"a switch":             {map[string]float64{"flooded": 1}, 1, "0/1"},
		"a switch and a level": {map[string]float64{"flooded": 1, "water_level": 0.52}, 1, "0/1"},
	} {
		b := newBench(t)
		b.Bind(&inventory.Inventory{Facilities: b.facilities, Zone: zone})
		start := time.Date(2026, 3, 2, 20, 0, 0, 0, zone)
		for i := range 4 {
			b.report(start.Add(time.Duration(i)*time.Minute), "drain", "drainage", c.values)
		}
		var state bytes.Buffer
		if err := b.Save(&state); err != nil {
			t.Fatal(err)
		}
		b.reset()
		if err := b.Load(&state); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, a := range b.Alarms() {
			if a.Kind == "waterlogging" {
				found++
				if a.Value != c.value || a.Unit != c.unit {
					t.Errorf("%s: %v %s, want %v %s", name, a.Value, a.Unit, c.value, c.unit)
				}
			}
		}
		if found != 1 {
			t.Errorf("%s: %d alarms", name, found)
		}
	}
}
