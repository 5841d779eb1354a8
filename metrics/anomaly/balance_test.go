package anomaly

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/usage"
)

// compound is a master meter, and flats whose meters are read at hours of their
// own, by clocks of their own, in steps of 1 to 100 L.
type compound struct {
	*Engine
	t      testing.TB
	inv    *inventory.Inventory
	r      *rand.Rand
	q      *ingest.Quantity
	flats  []home
	used   float64 // of all, L
	seep   float64 // L/h always lost
	leak   float64 // L/h from leakAt to fixed
	leakAt time.Duration
	fixed  time.Duration
	raised []time.Duration // unaccounted, by our clock
	clear  []time.Duration
	told   []Alarm
	now    time.Duration
}

type home struct {
	total  float64 // L
	every  time.Duration
	phase  time.Duration
	skew   time.Duration
	step   float64
	slow   float64 // what its meter shows of what passes it
	person float64
	away   bool
	silent func(time.Duration) bool
	leak   func(time.Duration) float64 // L/h
	offset float64
}

func newCompound(t testing.TB, seed uint64, flats int) *compound {
	c := &compound{t: t, r: rand.New(rand.NewPCG(seed, 77)), seep: 12, fixed: math.MaxInt64}
	for range flats {
		c.flats = append(c.flats, home{
			total: between(c.r, 1e4, 1e6), every: pickOf(c.r, time.Hour, time.Hour, 4*time.Hour, 12*time.Hour, 24*time.Hour),
			phase: time.Duration(c.r.IntN(3600)) * time.Second, skew: time.Duration(c.r.NormFloat64() * 90 * float64(time.Second)),
			step: pickOf(c.r, 1.0, 1, 10, 100), slow: between(c.r, 0.96, 1.01), person: between(c.r, 1, 4),
		})
	}
	c.bind(len(c.flats))
	return c
}

func between(r *rand.Rand, low, high float64) float64 { return low + r.Float64()*(high-low) }
func pickOf[T any](r *rand.Rand, of ...T) T           { return of[r.IntN(len(of))] }

// bind has an engine know so many of the flats.
func (c *compound) bind(flats int) {
	c.t.Helper()
	var b strings.Builder
	b.WriteString("communities: [{id: c, name: C}]\nvendors:\n- id: v\n  sources: [{topic: 'v/{device}', format: native}]\n  devices:\n  - {id: master, community: c, facility: water}\n")
	for i := range flats {
		fmt.Fprintf(&b, "  - {id: flat%d, community: c, facility: water, parent: master}\n", i)
	}
	inv, err := inventory.Parse([]byte(b.String()), time.FixedZone("", 8*3600))
	if err != nil {
		c.t.Fatal(err)
	}
	c.inv = inv
	if c.Engine == nil {
		c.Engine = NewEngine(c.options())
	}
	c.Bind(inv)
	c.q = inv.Facilities.Quantity(ingest.Water, "water_volume_total")
}

func (c *compound) options() Options {
	return Options{Config: DefaultConfig(), Changed: func(change Change) {
		if change.Alarm.Kind != "unaccounted_water" {
			return
		}
		if change.Raised {
			c.raised, c.told = append(c.raised, c.now), append(c.told, change.Alarm)
		} else {
			c.clear = append(c.clear, c.now)
		}
	}}
}

// run goes on until so long after the start.
func (c *compound) run(until time.Duration) {
	const step = 10 * time.Minute
	for ; c.now < until; c.now += step {
		at := start.Add(c.now)
		hour, weekend := at.Hour(), at.Weekday() == time.Saturday || at.Weekday() == time.Sunday
		rate := 0.15 // L a person and step
		switch {
		case hour >= 6 && hour < 9 || hour >= 18 && hour < 23:
			rate = 2
		case hour >= 9 && hour < 18:
			rate = 0.6
			if weekend {
				rate = 1.1
			}
		}
		if hour == 0 && at.Minute() == 0 {
			for i := range c.flats {
				c.flats[i].away = c.r.IntN(12) == 0
			}
		}
		hours := step.Hours()
		c.used += c.seep * hours
		if c.now >= c.leakAt && c.now < c.fixed {
			c.used += c.leak * hours
		}
		c.Tick(at.UnixNano())
		for i := range c.flats {
			f := &c.flats[i]
			use := 0.0
			if !f.away {
				use = rate * f.person * 2 * c.r.Float64()
				if c.r.IntN(200) == 0 && hour > 6 {
					use += 40
				}
			}
			if f.leak != nil {
				use += f.leak(c.now) * hours
			}
			c.used += use
			f.total += use * f.slow
			if due := (c.now + f.phase) % f.every; due >= step || f.silent != nil && f.silent(c.now) || c.r.IntN(50) == 0 {
				continue // 2 % of reads are lost
			}
			c.read(fmt.Sprintf("flat%d", i), uint32(i+1), math.Floor(f.total/f.step)*f.step-f.offset, at.Add(f.skew), at)
		}
		if c.now%time.Hour == 0 {
			c.read("master", 0, math.Floor(c.used/10)*10, at, at)
		}
	}
}

func (c *compound) read(id string, index uint32, litres float64, at, received time.Time) {
	d := c.inv.Device(ingest.DeviceID(id))
	if d == nil {
		return
	}
	c.Reading(index, &ingest.Reading{Device: d, Quantity: c.q, Value: litres / 1000, Time: at.UnixNano(), TimeSource: ingest.TimeDevice}, false, received.UnixNano())
}

const aDay = 24 * time.Hour

// What is lost between a master meter and 40 flats is told in 72 hours and cleared
// once it is repaired; what is no leak between them is not told.
func TestBalance(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*compound)
		found  bool
	}{
		"nothing": {func(*compound) {}, false},
		"leak of 60 L/h": {func(c *compound) {
			c.leak, c.leakAt, c.fixed = 60, 60*aDay+7*time.Hour, 70*aDay
		}, true},
		"leak in a flat": {func(c *compound) {
			c.flats[3].leak = func(now time.Duration) float64 { return map[bool]float64{true: 60}[now > 60*aDay] }
		}, false},
		"three flats stop reporting": {func(c *compound) {
			for i := range 3 {
				c.flats[i].silent = func(now time.Duration) bool { return now > 60*aDay }
			}
		}, false},
		"half of the flats stop reporting": {func(c *compound) {
			for i := range 20 {
				c.flats[i].silent = func(now time.Duration) bool { return now > 60*aDay }
			}
		}, false},
		"all are silent for four days": {func(c *compound) {
			for i := range c.flats {
				c.flats[i].silent = func(now time.Duration) bool { return now > 60*aDay && now < 64*aDay }
			}
		}, false},
		"a meter is exchanged": {func(c *compound) {
			c.run(60 * aDay)
			c.flats[1].offset = math.Floor(c.flats[1].total)
		}, false},
		"two flats leave the inventory": {func(c *compound) {
			c.run(60 * aDay)
			c.bind(38)
		}, false},
		"three flats are new": {func(c *compound) {
			c.bind(37)
			c.run(50 * aDay)
			c.bind(40)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			one := newCompound(t, 5, 40)
			c.change(one)
			one.run(80 * aDay)
			b := one.Balances()
			if name == "half of the flats stop reporting" {
				if len(b) != 0 {
					t.Errorf("a balance is shown of flats that report nothing: %+v", b)
				}
			} else if len(b) != 1 || b[0].Device != "master" || b[0].Resource != usage.Water || len(b[0].Months) < 2 {
				t.Fatalf("balances are %+v", b)
			}
			if !c.found {
				if len(one.raised) > 0 {
					t.Errorf("told in vain after %v: %s", one.raised, one.told[0].Why.EN)
				}
				return
			}
			if len(one.raised) != 1 || one.raised[0] < one.leakAt || one.raised[0] > one.leakAt+72*time.Hour {
				t.Fatalf("raised after %v", one.raised)
			}
			if over := one.told[0].Value - one.told[0].Expected; over < 40 || over > 80 {
				t.Errorf("said %.0f L/h of 60: %s", over, one.told[0].Why.EN)
			}
			if len(one.clear) != 1 || one.clear[0] < one.fixed || one.clear[0] > one.fixed+96*time.Hour {
				t.Errorf("cleared after %v", one.clear)
			}
		})
	}
}

// A balance goes on over a restart as if there had been none.
func TestBalanceOverRestart(t *testing.T) {
	whole, cut := newCompound(t, 6, 10), newCompound(t, 6, 10)
	whole.leak, whole.leakAt, cut.leak, cut.leakAt = 40, 40*aDay, 40, 40*aDay
	whole.run(45 * aDay)
	for day := range time.Duration(45) {
		cut.run((day + 1) * aDay)
		if day%7 != 0 {
			continue
		}
		var b bytes.Buffer
		if err := cut.Save(&b); err != nil {
			t.Fatal(err)
		}
		cut.Engine = NewEngine(cut.options())
		cut.Bind(cut.inv)
		if err := cut.Load(&b); err != nil {
			t.Fatal(err)
		}
	}
	var a, b bytes.Buffer
	if err := whole.Save(&a); err != nil {
		t.Fatal(err)
	}
	if err := cut.Save(&b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the states differ")
	}
	if len(whole.raised) != 1 || !slices.Equal(whole.raised, cut.raised) {
		t.Errorf("raised after %v, with restarts after %v", whole.raised, cut.raised)
	}
}
