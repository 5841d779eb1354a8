package usage

import (
	"bytes"
	"fmt"
	"math"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/inventory/inventorytest"
)

// listed is a rig of an inventory's devices, in the order of their ids here.
func listed(t *testing.T, nests []Nest, ids []string, devices string, entered map[int32]float64) *rig {
	t.Helper()
	inv := inventorytest.Parse(t, `communities:
- {id: nancheng, name: 南城社区, compounds: [{id: a, name: 甲}, {id: b, name: 乙}]}
vendors:
- id: v
  sources: [{topic: "x/{device}", format: native, community: nancheng, facility: water}]
  devices:
`+devices, shanghai)
	r := &rig{Book: New(Options{Nests: func(*inventory.Inventory) []Nest { return nests }, Entered: func(_ Place, h int32, used float64) { entered[h] += used }}), t: t, stored: map[string]ingest.Point{}}
	r.Bind(inv)
	r.Subscribe(r)
	for _, id := range ids {
		r.devices = append(r.devices, inv.Device(ingest.DeviceID(id)))
	}
	return r
}

// daily is what usage_daily says of a compound on a day of the test, "" all; hours is what
// the hours of meters come to that do not stand behind others.
func (r *rig) daily(compound string, day int) (used, meters, hours float64) {
	for _, p := range r.stored {
		at := int(time.Unix(0, p.Time).Sub(begin) / (24 * time.Hour))
		switch {
		case at != day || compound != "" && tag(p, "compound") != compound:
		case p.Measurement == "usage_daily":
			used, meters = used+number(p, "used"), meters+number(p, "meters")
		case tag(p, "behind") == "":
			hours += number(p, "used")
		}
	}
	return used, meters, hours
}

// Meters that stand behind others count once: three levels, whatever order they are
// listed and heard in, in other compounds, with a meter in front that is silent for a
// while, comes later, or never; and after a restart.
func TestMetersBehindOthersCountOnce(t *testing.T) {
	const days = 6
	silent := func(from, to int) func(int) bool { return func(h int) bool { return h >= from && h < to } }
	never := func(int) bool { return true }
	always := func(int) bool { return false }
	three := `  - {id: flat, community: nancheng, facility: water, compound: a, parent: house}
  - {id: house, community: nancheng, facility: water, compound: a, parent: gate}
  - {id: gate, community: nancheng, facility: water, compound: a}
`
	for _, c := range []struct {
		name    string
		ids     []string
		devices string
		nests   []Nest
		rate    []float64 // m3 an hour
		silent  []func(hour int) bool
		want    [days]float64 // m3 of the community
		meters  [days]float64
		b       float64 // of it in compound b on day 2
	}{
		{"three levels", []string{"flat", "house", "gate"}, three, nil, []float64{1, 2, 4}, nil,
			[days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"heard from the outermost in", []string{"gate", "flat", "house"}, three, nil, []float64{4, 1, 2}, nil,
			[days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"the one between never reports", []string{"flat", "house", "gate"}, three, nil, []float64{1, 2, 4}, []func(int) bool{always, never, always},
			[days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"the outermost never reports", []string{"flat", "house", "gate"}, three, nil, []float64{1, 2, 4}, []func(int) bool{always, always, never},
			[days]float64{48, 48, 48, 48, 48, 48}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"the outermost is silent for two days: its difference is spread", []string{"flat", "house", "gate"}, three, nil, []float64{1, 2, 4},
			[]func(int) bool{always, always, silent(24, 72)}, [days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"the outermost is connected on the fourth day", []string{"flat", "house", "gate"}, three, nil, []float64{1, 2, 4},
			[]func(int) bool{always, always, silent(0, 72)}, [days]float64{48, 48, 48, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"two behind one in another compound", []string{"one", "two", "gate"}, `  - {id: one, community: nancheng, facility: water, compound: b, parent: gate}
  - {id: two, community: nancheng, facility: water, compound: b, parent: gate}
  - {id: gate, community: nancheng, facility: water, compound: a}
`, nil, []float64{1, 2, 4}, nil, [days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
		{"beside one with nothing in front", []string{"one", "two", "gate"}, `  - {id: one, community: nancheng, facility: water, compound: b, parent: gate}
  - {id: two, community: nancheng, facility: water, compound: b}
  - {id: gate, community: nancheng, facility: water, compound: a}
`, nil, []float64{1, 2, 4}, nil, [days]float64{144, 144, 144, 144, 144, 144}, [days]float64{2, 2, 2, 2, 2, 2}, 48},
		{"a cabinet that counts another thing", []string{"one", "two", "box"}, `  - {id: one, community: nancheng, facility: water, compound: b, parent: box}
  - {id: two, community: nancheng, facility: water, compound: b}
  - {id: box, community: nancheng, facility: gate, compound: a}
`, nil, []float64{1, 2, 0}, []func(int) bool{always, always, never}, [days]float64{72, 72, 72, 72, 72, 72}, [days]float64{2, 2, 2, 2, 2, 2}, 72},
		{"a boundary nested in another", []string{"one", "two", "gate"}, `  - {id: one, community: nancheng, facility: water, compound: b}
  - {id: two, community: nancheng, facility: water, compound: b}
  - {id: gate, community: nancheng, facility: water, compound: a}
`, []Nest{{"nancheng/homes", []ingest.DeviceID{"gate"}, []ingest.DeviceID{"one", "two"}}}, []float64{1, 2, 4}, nil,
			[days]float64{96, 96, 96, 96, 96, 96}, [days]float64{1, 1, 1, 1, 1, 1}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			entered := map[int32]float64{} // by hour, of all places
			r := listed(t, c.nests, c.ids, c.devices, entered)
			for h := 0; h <= days*24; h++ {
				at := begin.Add(time.Duration(h) * time.Hour)
				for i := range r.devices {
					if c.silent == nil || !c.silent[i](h) {
						r.read(uint32(i), "", at, 100+float64(h)*c.rate[i])
					}
				}
				r.tick(at.Add(59 * time.Minute))
				if h == 50 || h == 100 { // a restart
					var kept bytes.Buffer
					if err := r.Save(&kept); err != nil {
						t.Fatal(err)
					}
					next := New(r.o)
					next.Bind(r.inv)
					if err := next.Load(&kept); err != nil {
						t.Fatal(err)
					}
					next.Devices(func(i uint32) *ingest.Device { return r.devices[i] })
					next.Subscribe(r)
					r.Book = next
				}
			}
			r.tick(begin.AddDate(0, 0, days+1))
			r.tick(begin.AddDate(0, 0, days+1).Add(time.Minute))
			for day := range days {
				used, meters, hours := r.daily("", day)
				book := r.Day(Filter{Community: "nancheng"}, int(begin.Unix()/86400)+1+day)
				if fmt.Sprintf("%.3f", used) != fmt.Sprintf("%.3f", c.want[day]) || meters != c.meters[day] || book.Used.Units() != used || book.Meters != uint32(meters) {
					t.Errorf("day %d: usage_daily %.3f m3 of %v meters, book %.3f of %d; want %v of %v", day, used, meters, book.Used.Units(), book.Meters, c.want[day], c.meters[day])
				}
				if fmt.Sprintf("%.3f", hours) != fmt.Sprintf("%.3f", c.want[day]) {
					t.Errorf("day %d: hours of meters with nothing in front %.3f m3, want %v", day, hours, c.want[day])
				}
			}
			first := int32(begin.Unix() / 3600)
			for h := range int32(days * 24) {
				// In the first hour of a day nobody knows yet who reports.
				if got, want := entered[first+h], c.want[h/24]/24; h%24 > 0 && math.Abs(got-want) > 1e-6 {
					t.Errorf("hour %d: %.3f m3 of the places, want %.3f", h, got, want)
				}
			}
			if used, _, _ := r.daily("b", 2); fmt.Sprintf("%.3f", used) != fmt.Sprintf("%.3f", c.b) {
				t.Errorf("compound b: %v m3, want %v", used, c.b)
			}
		})
	}
}
