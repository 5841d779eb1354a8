package simulator

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
)

var start = time.Date(2026, 11, 2, 0, 0, 0, 0, time.FixedZone("Asia/Shanghai", 8*3600))

func run(t *testing.T, w *World, until time.Time) []Message {
	t.Helper()
	var all []Message
	if err := w.Advance(until, func(m Message) error { all = append(all, m); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// The same seed gives the same messages, and an interrupted simulation the rest.
func TestDeterministic(t *testing.T) {
	until := start.AddDate(0, 0, 3)
	o := Options{Seed: 7, Start: start, Faults: true}
	whole := run(t, New(o), until)
	parts := New(o)
	if err := parts.Advance(start.AddDate(0, 0, 2), nil); err != nil {
		t.Fatal(err)
	}
	rest := run(t, parts, until)
	tail := whole[len(whole)-len(rest):]
	for i := range rest {
		if string(rest[i].Payload) != string(tail[i].Payload) || rest[i].Topic != tail[i].Topic {
			t.Fatalf("message %d differs: %s, %s", i, rest[i].Payload, tail[i].Payload)
		}
	}
	if other := run(t, New(Options{Seed: 8, Start: start}), until); string(other[40].Payload) == string(whole[40].Payload) {
		t.Error("another seed gives the same")
	}
}

// Every message of two weeks is one the pipeline takes, and the days look like
// days: lamps by night, more water in the evening than at night, a rush at gates.
func TestPlausibleDays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte(Inventory()), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, start.Location())
	if err != nil {
		t.Fatal(err)
	}
	worker := decode.NewWorker(inv, inventory.NewRegistry(inv))
	type key struct {
		device   ingest.DeviceID
		quantity string
	}
	last := map[key]float64{}
	byHour := map[string]*[24]float64{"active_power": {}, "water_volume_total": {}, "pass_in": {}}
	weekday, weekend := 0.0, 0.0
	for i, m := range run(t, New(Options{Seed: 1, Start: start}), start.AddDate(0, 0, 14)) {
		r := worker.Decode(&ingest.Message{Seq: uint64(i), Topic: m.Topic, Payload: m.Payload, Received: m.At.UnixNano()})
		if r.Err != nil || len(r.Unmapped) > 0 || len(r.Refused) > 0 {
			t.Fatalf("%s %s: %v %v %v", m.Topic, m.Payload, r.Err, r.Unmapped, r.Refused)
		}
		local := m.At.In(start.Location())
		for _, reading := range r.Readings {
			name := reading.Quantity.Name
			hours := byHour[name]
			if hours == nil {
				continue
			}
			v := reading.Value
			if reading.Quantity.Kind == ingest.Register {
				k := key{reading.Device.ID, name}
				before, ok := last[k]
				last[k] = v
				if !ok {
					continue
				}
				if v < before {
					t.Fatalf("%v went back from %v to %v", k, before, v)
				}
				v -= before
				if local.Weekday() == time.Saturday || local.Weekday() == time.Sunday {
					weekend += v / 2
				} else {
					weekday += v / 5
				}
			}
			hours[local.Hour()] += v
		}
	}
	if p := byHour["active_power"]; p[21] < 20*p[12] || p[2] > 0.7*p[21] {
		t.Errorf("lamps by hour: %.0f", p)
	}
	if v := byHour["water_volume_total"]; v[20] < 4*v[4] {
		t.Errorf("water by hour: %.1f", v)
	}
	if weekend < 1.05*weekday {
		t.Errorf("water on a day of the weekend %.1f m3, on a weekday %.1f", weekend, weekday)
	}
	if v := byHour["pass_in"]; v[18] < 5*v[3] {
		t.Errorf("passes by hour: %.0f", v)
	}
}

// Each kind of fault occurs somewhere among many devices, and shows in the data.
func TestFaultsShow(t *testing.T) {
	w := New(Options{Seed: 3, Start: start, Faults: true, Scale: 6, Native: true})
	labels := map[string]Label{}
	kinds := map[Fault]int{}
	for _, l := range w.Labels() {
		labels[string(l.Device)] = l
		kinds[l.Fault]++
	}
	for _, faults := range faultsOf {
		for _, f := range faults {
			if kinds[f] == 0 {
				t.Errorf("no %s in %d devices", f, w.Devices())
			}
		}
	}
	shown := map[Fault]bool{}
	reports := map[string]int{}
	water, fill := map[string]float64{}, map[string]float64{}
	err := w.Advance(start.AddDate(0, 0, 30), func(m Message) error {
		device := m.Topic[strings.LastIndexByte(m.Topic, '/')+1:]
		l, ok := labels[device]
		if !ok || m.At.Before(l.From) || !m.At.Before(l.To) && l.Fault != RegisterReset {
			var v struct {
				Volume float64 `json:"water_volume_total"`
				Fill   float64 `json:"fill_level"`
			}
			_ = json.Unmarshal(m.Payload, &v)
			water[device], fill[device] = v.Volume, v.Fill
			return nil
		}
		reports[device]++
		var v struct {
			Time        int64   `json:"time"`
			Power       float64 `json:"active_power"`
			Energy      float64 `json:"energy_total"`
			Volume      float64 `json:"water_volume_total"`
			Fill        float64 `json:"fill_level"`
			Temperature float64 `json:"bin_temperature"`
			Open        bool    `json:"door_open"`
		}
		if err := json.Unmarshal(m.Payload, &v); err != nil {
			return err
		}
		hour := m.At.In(start.Location()).Hour()
		switch l.Fault {
		case Leak, Burst:
			shown[l.Fault] = shown[l.Fault] || v.Volume > water[device]
		case DayBurner:
			shown[l.Fault] = shown[l.Fault] || hour == 12 && v.Power > 30
		case LampOut:
			shown[l.Fault] = shown[l.Fault] || hour == 22 && v.Power < 1
		case StuckSensor:
			shown[l.Fault] = shown[l.Fault] || v.Volume == water[device] && v.Fill == fill[device]
		case BinFire:
			shown[l.Fault] = shown[l.Fault] || v.Temperature > 60
		case Overfull:
			shown[l.Fault] = shown[l.Fault] || v.Fill == 1
		case GateHeldOpen:
			shown[l.Fault] = shown[l.Fault] || v.Open
		case ClockWrong:
			shown[l.Fault] = shown[l.Fault] || time.UnixMilli(v.Time).UTC().Year() == 2000
		case RegisterReset:
			shown[l.Fault] = shown[l.Fault] || v.Volume < 100 && v.Energy < 100
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for device, l := range labels {
		if l.Fault == Offline && reports[device] == 0 {
			shown[Offline] = true
		}
	}
	for f := range kinds {
		if !shown[f] {
			t.Errorf("%s does not show", f)
		}
	}
}

// A household's taps rest at night, in the steps of history and in those of the
// live part: a meter that never rests has a leak.
func TestHouseholdsRest(t *testing.T) {
	for _, step := range []time.Duration{HistoryStep, 30 * time.Second} {
		w := New(Options{Seed: 5, Start: start, Native: true})
		w.SetStep(step)
		last, rested, drawn := map[string]float64{}, map[string]int{}, 0.0
		hours := start
		for day := range 3 {
			for range 24 {
				hours = hours.Add(time.Hour)
				now := map[string]float64{}
				if err := w.Advance(hours, func(m Message) error {
					var v struct {
						Volume *float64 `json:"water_volume_total"`
					}
					if err := json.Unmarshal(m.Payload, &v); err != nil || v.Volume == nil {
						return err
					}
					now[m.Topic] = *v.Volume
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				for meter, v := range now {
					if before, ok := last[meter]; ok {
						drawn += v - before
						if v == before {
							rested[meter]++
						}
					}
					last[meter] = v
				}
			}
			if day < 1 {
				continue
			}
			for meter := range last {
				if rested[meter] < 3*day {
					t.Errorf("steps of %v: %s rested in %d hours of %d days", step, meter, rested[meter], day+1)
				}
			}
		}
		if perDay := drawn / float64(len(last)) / 3; perDay < 0.15 || perDay > 0.4 {
			t.Errorf("steps of %v: %.3f m3 a meter and day", step, perDay)
		}
	}
}

// In history that is published at once no clock is wrong.
func TestClocksOfHistory(t *testing.T) {
	until := start.AddDate(0, 0, 14)
	later := 0
	for _, l := range New(Options{Seed: 3, Start: start, Faults: true, Scale: 6, Clocks: until}).Labels() {
		if l.Fault == ClockWrong && l.From.Before(until) {
			t.Errorf("%s has a wrong clock at %v", l.Device, l.From)
		}
		if l.Fault == ClockWrong {
			later++
		}
	}
	if later == 0 {
		t.Error("no clock is wrong afterwards either")
	}
}

// Every message of the plan's other systems is one the pipeline takes, all of it; each
// fault shows in what its device reports, and only while it is planted.
func TestSystems(t *testing.T) {
	inv, err := inventory.Parse([]byte(SystemsInventory()), start.Location())
	if err != nil {
		t.Fatal(err)
	}
	worker := decode.NewWorker(inv, inventory.NewRegistry(inv))
	from, to := start.Add(30*time.Hour), start.Add(33*time.Hour)
	planted := map[ingest.DeviceID]struct {
		fault    Fault
		quantity string
		shows    func(float64) bool
	}{
		"nancheng-parking-001": {ParkingFull, "spaces_free", func(v float64) bool { return v == 0 }},
		"xicheng-charger-001":  {ChargerHot, "temperature", func(v float64) bool { return v > 70 }},
		"xicheng-charger-002":  {Overcurrent, "current", func(v float64) bool { return v > 1.1*ratedCurrent }},
		"nancheng-noise-002":   {Noisy, "sound_level_equivalent", func(v float64) bool { return v > 68 }},
		"nancheng-drain-001":   {Flooded, "flooded", func(v float64) bool { return v == 1 }},
		"xicheng-square-001":   {Crowd, "people_count", func(v float64) bool { return v > capacity }},
		"nancheng-fire-001":    {Smoke, "smoke_detected", func(v float64) bool { return v == 1 }},
		"nancheng-fire-002":    {HydrantLow, "hydrant_pressure", func(v float64) bool { return v < 140e3 }},
		"nancheng-fire-003":    {PassageBlocked, "passage_blocked", func(v float64) bool { return v == 1 }},
		"xicheng-air-001":      {BadAir, "pm2_5", func(v float64) bool { return v > 150 }},
	}
	o := Options{Seed: 1, Start: start, Systems: true, Plant: []Label{{Device: "nancheng-gate-001", Fault: Tamper, From: from, To: to}}}
	for device, p := range planted {
		o.Plant = append(o.Plant, Label{Device: device, Fault: p.fault, From: from, To: to})
	}
	shown := map[ingest.DeviceID]int{}
	kinds, tamper, households := map[ingest.FacilityKind]bool{}, "", 0
	deposits, inspected, wrong := 0.0, 0.0, 0.0
	for i, m := range run(t, New(o), start.AddDate(0, 0, 3)) {
		households += strings.Count(string(m.Payload), `"household"`)
		r := worker.Decode(&ingest.Message{Seq: uint64(i), Topic: m.Topic, Payload: m.Payload, Received: m.At.UnixNano()})
		if r.Err != nil || len(r.Unmapped) > 0 || len(r.Refused) > 0 {
			t.Fatalf("%s %s: %v %v %v", m.Topic, m.Payload, r.Err, r.Unmapped, r.Refused)
		}
		for _, e := range r.Events {
			if e.Type == "tamper" && (len(tamper) == 0 || !e.Active) {
				tamper += map[bool]string{true: "begins ", false: "ends"}[e.Active]
			}
		}
		for _, reading := range r.Readings {
			kinds[reading.Device.Facility] = true
			switch reading.Quantity.Name {
			case "deposits":
				deposits += reading.Value
			case "inspections_correct":
				inspected += reading.Value
			case "inspections_wrong":
				inspected, wrong = inspected+reading.Value, wrong+reading.Value
			}
			p, ok := planted[reading.Device.ID]
			if !ok || reading.Quantity.Name != p.quantity {
				continue
			}
			if within := !m.At.Before(from) && m.At.Before(to); p.shows(reading.Value) != within {
				t.Errorf("%s at %s: %s is %v", reading.Device.ID, m.At, p.quantity, reading.Value)
			} else if within {
				shown[reading.Device.ID]++
			}
		}
	}
	for device, p := range planted {
		if shown[device] < 6 {
			t.Errorf("%s of %s shows %d times", p.fault, device, shown[device])
		}
	}
	if tamper != "begins ends" {
		t.Errorf("tampering %q", tamper)
	}
	if len(kinds) != 11 {
		t.Errorf("kinds %v", kinds)
	}
	if deposits < 200 || float64(households) != deposits || wrong == 0 || wrong > 0.3*inspected {
		t.Errorf("%v deposits of %d households, %v inspected, %v wrong", deposits, households, inspected, wrong)
	}
	// The devices of the four facilities are as without.
	plain, with := run(t, New(Options{Seed: 1, Start: start}), start.Add(6*time.Hour)), map[string]bool{}
	for _, m := range run(t, New(Options{Seed: 1, Start: start, Systems: true}), start.Add(6*time.Hour)) {
		with[m.Topic+string(m.Payload)] = true
	}
	for _, m := range plain {
		if !with[m.Topic+string(m.Payload)] {
			t.Fatalf("%s %s is another with the systems", m.Topic, m.Payload)
		}
	}
}
