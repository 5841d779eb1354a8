package anomaly

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory/inventorytest"
)

// county is two vendors' devices in three communities: vendor one has two gateways, two
// feeders and two compounds in each, vendor two the same number of devices on none.
func (b *bench) county(t *testing.T, facility ingest.FacilityKind) (ids []string) {
	text := `vendors:
- {id: one, name: 甲公司, sources: [{topic: "a/{community}/{facility}/{device}", format: native}]}
- {id: two, name: 乙公司, sources: [{topic: "b/{community}/{facility}/{device}", format: native}]}
communities:
`
	for town := range 3 {
		community := ingest.CommunityID(fmt.Sprintf("town%d", town))
		text += fmt.Sprintf("- {id: %s, name: 第%d社区, compounds: [{id: east, name: 东区}, {id: west, name: 西区}]}\n", community, town)
		for n := range 24 {
			id := fmt.Sprintf("%d-%02d", town, n)
			origin := &ingest.Origin{Vendor: "one", Community: community, Compound: ingest.CompoundID([]string{"east", "west"}[n%2]), Facility: facility}
			listing := &ingest.Listing{Listed: true, Gateway: fmt.Sprintf("gw%d", n/6), Attributes: map[string]string{"feeder": fmt.Sprintf("f%d", n/6)}}
			if n >= 12 {
				origin.Vendor = "two"
				listing.Gateway = ""
				listing.Attributes["feeder"] = "g1"
			}
			if facility != ingest.Lighting {
				listing.Attributes = nil
			}
			b.devices[id] = &ingest.Device{ID: ingest.DeviceID(id), Origin: origin, Listing: listing}
			b.index[id] = uint32(len(b.index))
			ids = append(ids, id)
		}
	}
	b.Bind(inventorytest.Parse(t, text, time.FixedZone("", 8*3600)))
	return ids
}

// TestOneCause: what devices have in common is found, whichever it is, and one alarm with that
// cause stands for theirs; the state outlives a restart.
func TestOneCause(t *testing.T) {
	town := func(id string) int { return int(id[0] - '0') }
	number := func(id string) int { return int(id[2]-'0')*10 + int(id[3]-'0') }
	one := func(id string) bool { return number(id) < 12 }
	all := func(string) bool { return true }
	for _, c := range []struct {
		name     string
		facility ingest.FacilityKind
		hit      func(id string) bool
		shows    string // clock, reset, storm, dimmed, denied, tamper, offline, open
		scope    string
		of       string // device of the note
		n        int
		words    []string
	}{
		{"a vendor's platform with an old clock, in all communities", ingest.Water, one, "clock", "vendor", "one", 36, []string{"设备时钟错误", "甲公司", "第0社区、第1社区、第2社区", "厂商平台"}},
		{"a vendor's in one community only", ingest.Water, func(id string) bool { return one(id) && town(id) == 1 }, "clock", "vendor_in_community", "one", 12, []string{"甲公司", "厂商平台"}},
		{"a gateway's new firmware sets its registers back", ingest.Water, func(id string) bool { return town(id) == 1 && number(id) < 6 }, "reset", "gateway", "gw0", 6, []string{"换表", "网关gw0", "固件"}},
		{"a gateway's clock after a power cut", ingest.Waste, func(id string) bool { return town(id) == 2 && number(id)/6 == 1 }, "clock", "gateway", "gw1", 6, []string{"网关gw1"}},
		{"a feeder on low voltage", ingest.Lighting, func(id string) bool { return town(id) == 0 && number(id)/6 == 1 }, "dimmed", "feeder", "f1", 6, []string{"回路f1"}},
		{"a feeder whose timer is wrong has its own alarm", ingest.Lighting, func(id string) bool { return town(id) == 0 && number(id)/6 == 1 }, "storm", "", "f1", 6, nil},
		{"a storm over one community", ingest.Lighting, func(id string) bool { return town(id) == 1 }, "storm", "community", "town1", 24, []string{"白天亮灯", "雷雨"}},
		{"a storm over all", ingest.Lighting, all, "storm", "county", "county", 72, []string{"不限厂商", "第0社区、第1社区、第2社区", "雷雨"}},
		{"a storm over four of five lamps", ingest.Lighting, func(id string) bool { return number(id)%5 != 4 }, "storm", "county", "county", 60, []string{"雷雨"}},
		{"a compound's doors were opened", ingest.Gate, func(id string) bool { return town(id) == 2 && number(id)%2 == 1 }, "tamper", "compound", "west", 12, []string{"拆动", "小区"}},
		{"a list of residents was not sent down, by one vendor", ingest.Gate, one, "denied", "vendor", "one", 36, []string{"拒绝", "甲公司"}},
		{"locks released by a fire alarm, in one community", ingest.Gate, func(id string) bool { return town(id) == 0 }, "open", "community", "town0", 24, []string{"消防联动"}},
		{"a vendor's platform is away", ingest.Water, one, "offline", "vendor", "one", 36, []string{"离线", "甲公司"}},
		{"four gates of six behind a gateway, each told by itself", ingest.Gate, func(id string) bool { return town(id) == 0 && number(id) < 4 }, "open", "", "", 0, nil},
		{"two devices", ingest.Water, func(id string) bool { return town(id) == 0 && number(id) < 2 }, "clock", "", "", 0, nil},
	} {
		b := newBench(t)
		ids := b.county(t, c.facility)
		begin := start.Add(9*24*time.Hour + 14*time.Hour) // 14:00
		end := begin.Add(3 * time.Hour)
		switch c.shows {
		case "offline":
			end = begin.Add(90 * time.Hour)
		case "denied":
			end = begin.Add(30 * time.Minute)
		case "dimmed":
			begin, end = begin.Add(8*time.Hour), begin.Add(11*time.Hour)
		}
		step := 30 * time.Minute
		for at := start; at.Before(end); at = at.Add(step) {
			if at.Equal(end.Add(-time.Hour)) { // in the midst of it
				var state bytes.Buffer
				if err := b.Save(&state); err != nil {
					t.Fatal(err)
				}
				inv := b.inv
				b.reset()
				b.Bind(inv)
				if err := b.Load(&state); err != nil {
					t.Fatal(err)
				}
			}
			for i, id := range ids {
				hit := c.hit(id) && !at.Before(begin)
				now := at.Add(time.Duration(i) * time.Second)
				switch c.facility {
				case ingest.Water:
					taken, register := now, 10+float64(i)+at.Sub(start).Hours()*0.02
					if h := at.Hour(); h < 6 {
						register -= float64(h*60+at.Minute()) / 60 * 0.02
					} else {
						register -= 6 * 0.02
					}
					if hit && c.shows == "offline" {
						continue
					}
					if hit && c.shows == "clock" {
						taken = now.Add(-8 * time.Hour)
					}
					if hit && c.shows == "reset" {
						register = at.Sub(begin).Hours() * 0.02
					}
					b.reportLate(now, taken, id, c.facility, map[string]float64{"water_volume_total": register})
				case ingest.Waste:
					taken := now
					if hit {
						taken = now.Add(-26 * time.Hour)
					}
					b.reportLate(now, taken, id, c.facility, map[string]float64{"fill_level": 0.2 + 0.03*float64(at.Hour()/2)})
				case ingest.Lighting:
					power := 0.4 + float64(at.Minute())/1000
					on := at.Hour() >= 19 || at.Hour() < 6
					if on || hit && c.shows == "storm" {
						power = 60 + float64((at.YearDay()*7+at.Minute()+i)%11)/10
					}
					if hit && c.shows == "dimmed" {
						power = 40
					}
					b.report(now, id, c.facility, map[string]float64{"active_power": power})
				case ingest.Gate:
					day := at.Hour() >= 7 && at.Hour() < 22
					switch {
					case hit && c.shows == "tamper":
						if at.Equal(begin) {
							b.event(now, id, "tamper")
						}
					case hit && c.shows == "denied":
						if at.Before(begin.Add(30 * time.Minute)) {
							for k := range 8 {
								b.event(now.Add(time.Duration(100+k)*time.Millisecond), id, "access_denied")
							}
						}
					case hit && c.shows == "open":
						if at.Equal(begin) {
							b.event(now, id, "door_opened")
						}
					case day:
						for k, ev := range []string{"access_granted", "door_opened", "door_closed"} {
							b.event(now.Add(time.Duration(k)*time.Millisecond), id, ev)
						}
					}
				}
			}
			b.Tick(at.Add(step - time.Second).UnixNano())
		}
		var seen []string
		note := Alarm{}
		stood := 0
		for _, a := range b.Alarms() {
			switch {
			case a.Inhibited != "":
				stood++
			default:
				seen = append(seen, fmt.Sprintf("%s of %s (%s) %s", a.Kind, a.Device, a.Community, a.Why.ZH))
				note = a
			}
		}
		if c.of == "" {
			if note.Kind == "at_once" {
				t.Errorf("%s: %s", c.name, note.Why.ZH)
			}
			continue
		}
		if len(seen) != 1 || note.Scope != c.scope || string(note.Device) != c.of {
			t.Errorf("%s: %d alarms and %d stood for; want one of %s %s:\n%s\n%v", c.name, len(seen), stood, c.scope, c.of, strings.Join(seen[:min(5, len(seen))], "\n"), b.changes[:min(20, len(b.changes))])
			continue
		}
		if int(note.Value) != c.n {
			t.Errorf("%s: %.0f of %.0f, want %d", c.name, note.Value, note.Expected, c.n)
		}
		for _, w := range c.words {
			if !strings.Contains(note.Why.ZH, w) {
				t.Errorf("%s: no %q in %s", c.name, w, note.Why.ZH)
			}
		}
	}
}

// A leak that a meter reports itself is told at once, however many meters there are to ask.
func TestReportedLeakDoesNotWait(t *testing.T) {
	b := newBench(t)
	for i, id := range b.county(t, ingest.Water) {
		b.report(start.Add(time.Duration(i)*time.Second), id, ingest.Water, map[string]float64{"water_volume_total": 10})
	}
	at := start.Add(time.Hour)
	b.Tick(at.UnixNano())
	b.Event(b.index["0-01"], &ingest.Event{Device: b.devices["0-01"], Type: "leak", Active: true, Time: at.UnixNano()}, at.UnixNano())
	if all := b.Alarms(); len(all) != 1 || all[0].Kind != "continuous_flow" {
		t.Errorf("%+v", all)
	}
}

// A hostile vendor makes up 5,000 devices that all show the same: what one device of an honest vendor
// shows before, meanwhile or after is told as its own, at once where it cannot wait, and the flood is
// a note of the vendor it came from.
func TestFloodHidesNobody(t *testing.T) {
	for _, c := range []struct {
		facility ingest.FacilityKind
		event    string // "": a register that begins anew
		kind     string
		waits    bool
	}{
		{ingest.Water, "leak", "continuous_flow", false},
		{ingest.Water, "", "register_reset", true},
		{ingest.Water, "node_offline", "offline", true},
		{ingest.Gate, "door_forced", "forced_open", false},
		{ingest.Gate, "tamper", "device_reported", false},
		{ingest.Lighting, "lamp_fault", "device_reported", false},
	} {
		for _, order := range []struct{ flood, honestAt int }{{500, 0}, {5000, 2500}, {500, 500}} { // false ones in all, and before it
			flood, honestAt := order.flood, order.honestAt
			b := newBench(t)
			b.Bind(inventorytest.Parse(t, `vendors:
- {id: bad, name: 乙公司, sources: [{topic: "b/{community}/{facility}/{device}", format: native}]}
- {id: good, name: 甲公司, sources: [{topic: "a/{community}/{facility}/{device}", format: native}]}
communities:
- {id: town0, name: 东社区, compounds: [{id: east, name: 东区}]}
- {id: town1, name: 西社区, compounds: [{id: east, name: 东区}]}
`, time.FixedZone("", 8*3600)))
			quantity := map[ingest.FacilityKind]string{ingest.Water: "water_volume_total", ingest.Lighting: "active_power"}[c.facility]
			origins := map[string]*ingest.Origin{}
			origin := func(vendor ingest.VendorID, town int) *ingest.Origin {
				key := fmt.Sprint(vendor, town)
				if origins[key] == nil {
					origins[key] = &ingest.Origin{Vendor: vendor, Community: ingest.CommunityID(fmt.Sprintf("town%d", town)), Compound: "east", Facility: c.facility}
				}
				return origins[key]
			}
			add := func(id string, o *ingest.Origin, listed bool) {
				gateway := ""
				if listed {
					gateway = "gw"
				}
				b.devices[id] = &ingest.Device{ID: ingest.DeviceID(id), Origin: o, Listing: &ingest.Listing{Listed: listed, Gateway: gateway}}
				b.index[id] = uint32(len(b.index))
			}
			at := start.Add(14 * time.Hour)
			for n := range 20 {
				id := fmt.Sprintf("good-%d", n)
				add(id, origin("good", n%2), true)
				if quantity != "" {
					b.report(at, id, c.facility, map[string]float64{quantity: 1})
				} else {
					b.event(at, id, "door_closed")
				}
			}
			at = at.Add(time.Hour)
			shows := func(id string) {
				if c.event != "" {
					b.tell(at, id, c.facility, c.event, true)
					return
				}
				for _, register := range []float64{10, 0.001, 0.002, 0.003} {
					b.report(at, id, c.facility, map[string]float64{quantity: register})
					at = at.Add(10 * time.Millisecond)
				}
			}
			own := func() (own, stood int) {
				for _, a := range b.Alarms() {
					if strings.HasPrefix(string(a.Device), "good-") && a.Kind == c.kind {
						if own++; a.Inhibited != "" {
							stood++
						}
					}
				}
				return own, stood
			}
			name := fmt.Sprintf("%s of %s after %d", c.kind, c.facility, honestAt)
			for n := range flood + 1 {
				at = at.Add(100 * time.Millisecond)
				if n == honestAt {
					shows("good-0")
					if all, stood := own(); !c.waits && (all != 1 || stood != 0) {
						t.Errorf("%s: %d alarms, %d stood for, at once", name, all, stood)
					}
				}
				id := fmt.Sprintf("bad-%d", n)
				add(id, origin("bad", n%2), false)
				shows(id)
			}
			at = at.Add(19 * time.Minute)
			if c.event == "node_offline" {
				at = at.Add(30 * time.Minute)
			}
			b.Tick(at.UnixNano())
			if all, stood := own(); all != 1 || stood != 0 {
				t.Errorf("%s: %d alarms, %d stood for", name, all, stood)
			}
			notes := 0
			for _, a := range b.Alarms() {
				if a.Kind == "at_once" && a.Inhibited == "" {
					if notes++; a.Device != "bad" && a.Scope != "vendor_in_community" {
						t.Errorf("%s: %s", name, a.Why.ZH)
					}
				}
			}
			if notes == 0 && c.event != "node_offline" {
				t.Errorf("%s: the flood is no note", name)
			}
		}
	}
}
