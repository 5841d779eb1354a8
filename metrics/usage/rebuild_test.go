package usage

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

// A book that was told wrong things (a meter refused, another in litres, no meter in front
// of others) and is rebuilt while reads come comes to what a book comes to that was told
// the right things: days, hours and what is booked later. A day of the zone may begin at
// half past an hour. What was refused has been written in a span that is over, too.
func TestRebuild(t *testing.T) {
	for _, zone := range []string{"Asia/Shanghai", "Asia/Kolkata"} {
		for _, span := range []string{"all", "by three days", "what is over"} {
			for seed := range uint64(6) {
				t.Run(fmt.Sprintf("%s, %s, %d", zone, span, seed), func(t *testing.T) { rebuildOnce(t, zone, span, seed) })
			}
		}
	}
}

func rebuildOnce(t *testing.T, zoneName, span string, seed uint64) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 1))
	parse := func(parent string) *inventory.Inventory {
		return inventorytest.Parse(t, `communities:
- {id: nancheng, name: 南城社区}
vendors:
- id: v
  sources: [{topic: "x/{device}", format: native, community: nancheng, facility: water}]
  devices:
  - {id: main, community: nancheng, facility: water}
  - {id: flat-1, community: nancheng, facility: water`+parent+`}
  - {id: flat-2, community: nancheng, facility: water`+parent+`}
  - {id: alone, community: nancheng, facility: water}
`, zone)
	}
	ids := []ingest.DeviceID{"main", "flat-1", "flat-2", "alone"}
	wrong, right := parse(""), parse(", parent: main")
	if span == "what is over" {
		wrong = right // registers of a span that is over are not mended
	}
	live, told := New(Options{}), New(Options{})
	live.Bind(wrong)
	told.Bind(right)
	q := right.Facilities.Quantity("water", "water_volume_total")
	points := func(b *Book, into map[string][2]float64) {
		for {
			list := b.Points()
			if len(list) == 0 {
				return
			}
			for _, p := range list {
				if p.Measurement == "usage" {
					into[fmt.Sprintf("%s%d", SeriesOf(p.Tags), p.Time/1e6)] = [2]float64{number(p, "used"), number(p, "covered")}
				}
			}
		}
	}
	inLive, inTold := map[string][2]float64{}, map[string][2]float64{}
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, zone)
	type read struct {
		index uint32
		at    time.Time
		value float64
	}
	say := func(b *Book, inv *inventory.Inventory, r read) {
		b.Reading(r.index, &ingest.Reading{Device: inv.Device(ids[r.index]), Quantity: q, Value: r.value, Time: r.at.UnixNano()}, false, r.at.UnixNano())
	}
	value := [4]float64{100, 10, 20, 30}
	const opened, swapped, hours = 24*9 + 5, 24*9 + 8, 24 * 11
	refused := func(r read) bool {
		if span == "what is over" {
			return r.index == 3 && r.at.Before(midnight.AddDate(0, 0, 4)) && r.at.After(midnight.AddDate(0, 0, 2))
		}
		return r.index == 2
	}
	var stored []read
	var rebuild *Rebuild
	now := wrong
	devices := func(yield func(uint32, *ingest.Device) bool) {
		for i, id := range ids {
			if !yield(uint32(i), now.Device(id)) {
				return
			}
		}
	}
	first := int(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	spans := []Span{{"nancheng", first - 1, first + 10}}
	switch span {
	case "by three days":
		spans = []Span{{"nancheng", first - 1, first + 3}, {"nancheng", first + 3, first + 6}, {"nancheng", first + 6, first + 10}}
	case "what is over":
		spans = []Span{{"nancheng", first - 1, first + 6}}
	}
	finish := func(at time.Time) {
		rebuild.Swap(at.UnixNano(), devices)
		points(live, inLive)
		from, end := rebuild.Bounds()
		want, own := rebuild.Hours(from, end)
		keep := map[string]bool{}
		for _, h := range own {
			keep[fmt.Sprintf("%s%d", h.Series, h.At)] = true
		}
		for key := range inLive {
			var ms int64
			if _, err := fmt.Sscanf(key[len(key)-13:], "%d", &ms); err != nil {
				t.Fatal(err)
			}
			if ms*1e6 >= from && ms*1e6 < end && !keep[key] {
				delete(inLive, key)
			}
		}
		for _, h := range want {
			inLive[fmt.Sprintf("%s%d", h.Series, h.At)] = [2]float64{h.Used, h.Covered}
		}
		rebuild.Close()
	}
	open := func(s Span, at time.Time) {
		rebuild = live.Open(s, at.UnixNano(), devices)
		for _, r := range stored {
			rebuild.Read("water", Water, []byte(ids[r.index]), nil, r.at.UnixNano(), r.value)
		}
	}
	for h := range hours {
		at := midnight.Add(time.Duration(h)*time.Hour + 7*time.Minute)
		live.Tick(at.UnixNano())
		told.Tick(at.UnixNano())
		if h == opened {
			now = right
			live.Bind(right)
			for _, s := range spans[:len(spans)-1] {
				open(s, at)
				finish(at)
			}
			open(spans[len(spans)-1], at)
		}
		if h == swapped {
			finish(at)
		}
		for i := range ids {
			value[i] += float64(1+random.IntN(60)) / 1000
			r := read{uint32(i), at.Add(time.Duration(i) * time.Second), math.Round(value[i]*1000) / 1000}
			if random.IntN(12) == 0 {
				continue
			}
			say(told, right, r)
			if h < opened && i == 1 && span != "what is over" {
				say(live, now, read{r.index, r.at, r.value / 1000})
			} else if h >= opened || !refused(r) {
				say(live, now, r)
			}
			stored = append(stored, r)
			if h >= opened && h < swapped && random.IntN(2) == 0 { // InfluxDB had it when it was asked
				rebuild.Read("water", Water, []byte(ids[r.index]), nil, r.at.UnixNano(), r.value)
			}
		}
		points(live, inLive)
		points(told, inTold)
	}
	end := midnight.Add((hours + 3) * time.Hour).UnixNano()
	live.Tick(end)
	told.Tick(end)
	points(live, inLive)
	points(told, inTold)
	for day := first; day < first+11; day++ {
		got, want := live.Day(Filter{}, day), told.Day(Filter{}, day)
		got.queued, want.queued = 0, 0
		if got != want {
			t.Errorf("day %d: %+v, want %+v", day-first, got, want)
		}
	}
	sums := func(of map[string][2]float64) map[string]float64 {
		hours := map[string]float64{}
		for key, v := range of {
			var ms int64
			if _, err := fmt.Sscanf(key[len(key)-13:], "%d", &ms); err != nil {
				t.Fatal(err)
			}
			hours[fmt.Sprint(key[:len(key)-13], ms/3600000)] += v[0]
		}
		return hours
	}
	got, want := sums(inLive), sums(inTold)
	for key := range want {
		if math.Abs(got[key]-want[key]) > 1e-9 {
			t.Errorf("%s: %v, want %v", key, got[key], want[key])
			break
		}
	}
	for key, v := range got {
		if _, ok := want[key]; !ok && v != 0 {
			t.Errorf("%s: %v, want none", key, v)
			break
		}
	}
}
