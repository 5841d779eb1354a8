package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"greencommunity/dashboards"
	"greencommunity/dashboards/page"
	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/ledger"
)

// system is what is planted of one of the plan's systems, and where it has to be seen.
type system struct {
	name             string // in the plan
	facility, device string
	fault            simulator.Fault
	quantity         string
	unit             float64 // what its board multiplies by
	statistic        string  // of the devices of its community
	alarm            string  // kind
}

// A garage that is full, a plug that burns, and so on: one of each of the plan's systems,
// with the fault that is its own. Waste that is registered has none.
var systemsPlanted = []system{
	{"parking and vehicles", "parking", "nancheng-parking-001", simulator.ParkingFull, "spaces_occupied", 1, "sum", "parking_full"},
	{"charging", "charging", "nancheng-charger-001", simulator.ChargerHot, "temperature", 1, "max", "charger_hot"},
	{"charging", "charging", "nancheng-charger-002", simulator.Overcurrent, "current", 1, "mean", "overcurrent"},
	{"noise", "noise", "nancheng-noise-001", simulator.Noisy, "sound_level_equivalent", 1, "mean", "noise"},
	{"drainage and waterlogging", "drainage", "nancheng-drain-001", simulator.Flooded, "water_level", 1, "max", "waterlogging"},
	{"public-area monitoring", "public_area", "nancheng-square-001", simulator.Crowd, "people_count", 1, "sum", "crowd"},
	{"fire", "fire", "nancheng-fire-001", simulator.Smoke, "smoke_detected", 1, "yes", "smoke"},
	{"supervision of public facilities", "fire", "nancheng-fire-002", simulator.HydrantLow, "hydrant_pressure", 1e-3, "mean", "hydrant_low"},
	{"supervision of public facilities", "fire", "nancheng-fire-003", simulator.PassageBlocked, "passage_blocked", 1, "yes", "passage_blocked"},
	{"environment", "environment", "nancheng-air-001", simulator.BadAir, "pm2_5", 1, "max", "bad_air"},
	{"security", "gate", "nancheng-gate-001", simulator.Tamper, "", 1, "", "device_reported"},
}

// judged are the quantities its alarm tells.
func (p *system) judged() []string {
	switch p.alarm {
	case "parking_full":
		return []string{"spaces_free"}
	case "waterlogging":
		return []string{"flooded"}
	}
	return []string{p.quantity}
}

// sentReading is a value as a device of the simulation sent it.
type sentReading struct {
	at    time.Time
	value float64
}

// sent is what the simulation sent of a community, by facility, quantity and device.
type sent struct {
	values  map[[2]string]map[string][]sentReading
	dropped map[int64]map[string]bool
}

// keep takes a message of a topic down.
func (s *sent) keep(t *testing.T, facility, device string, payload []byte, zone *time.Location) {
	t.Helper()
	var list []map[string]any
	if payload[0] != '[' {
		payload = append(append([]byte{'['}, payload...), ']')
	}
	if err := json.Unmarshal(payload, &list); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	for _, members := range list {
		at := time.UnixMilli(int64(members["time"].(float64)))
		if household, ok := members["household"].(string); ok {
			_, offset := at.In(zone).Zone()
			day := (at.Unix() + int64(offset)) / 86400
			if s.dropped[day] == nil {
				s.dropped[day] = map[string]bool{}
			}
			s.dropped[day][household] = true
		}
		for name, member := range members {
			var v float64
			switch m := member.(type) {
			case float64:
				v = m
			case bool:
				if m {
					v = 1
				}
			default:
				continue
			}
			key := [2]string{facility, name}
			if s.values[key] == nil {
				s.values[key] = map[string][]sentReading{}
			}
			s.values[key][device] = append(s.values[key][device], sentReading{at, v})
		}
	}
}

// now combines the last value of each device, of the given ones or of all.
func (s *sent) now(facility, quantity, statistic string) float64 {
	var last []float64
	for _, readings := range s.values[[2]string{facility, quantity}] {
		last = append(last, readings[len(readings)-1].value)
	}
	return combined(statistic, quantity, last)
}

// combined is the figure of a place. Levels of sound are the mean of their energy.
func combined(statistic, quantity string, values []float64) float64 {
	total := 0.0
	for _, v := range values {
		switch {
		case strings.HasPrefix(quantity, "sound_level") && statistic == "mean":
			total += math.Pow(10, v/10)
		case statistic == "max":
			total = max(total, v)
		default:
			total += v
		}
	}
	switch {
	case statistic != "mean":
		return total
	case strings.HasPrefix(quantity, "sound_level"):
		return 10 * math.Log10(total/float64(len(values)))
	}
	return total / float64(len(values))
}

// between is what was sent of a quantity in [from, to).
func (s *sent) between(facility, quantity string, from, to time.Time) (mean, greatest, sum float64) {
	var within []float64
	for _, readings := range s.values[[2]string{facility, quantity}] {
		for _, r := range readings {
			if !r.at.Before(from) && r.at.Before(to) {
				within, sum = append(within, r.value), sum+r.value
			}
		}
	}
	return combined("mean", quantity, within), combined("max", quantity, within), sum
}

// hours are the means of the hours of a quantity, over all devices.
func (s *sent) hours(facility, quantity string) (means []float64) {
	byHour := map[int64][]float64{}
	for _, readings := range s.values[[2]string{facility, quantity}] {
		for _, r := range readings {
			hour := r.at.Unix() / 3600
			byHour[hour] = append(byHour[hour], r.value)
		}
	}
	for _, hour := range slices.Sorted(maps.Keys(byHour)) {
		means = append(means, combined("mean", quantity, byHour[hour]))
	}
	return means
}

// grown is by how much the registers of a quantity grew from one reading to another.
func (s *sent) grown(facility, quantity string, from, to time.Time) (sum float64) {
	for _, readings := range s.values[[2]string{facility, quantity}] {
		for i, r := range readings[1:] {
			if before := readings[i]; !before.at.Before(from) && !r.at.After(to) {
				sum += r.value - before.value
			}
		}
	}
	return sum
}

// One of each of the plan's systems, from the simulator through the whole program: what
// it sent is on the page, on its board, in /metrics, in InfluxDB and in the report with
// one figure, and what is wrong is an alarm, there and in the report.
func TestSystems(t *testing.T) {
	t.Parallel()
	s, c := planted(t, simulator.SystemsInventory())
	base := strings.TrimSuffix(s.http, "/metrics")
	zone := time.FixedZone("Asia/Shanghai", 8*3600)
	now := time.Now().In(zone)
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	start := today.AddDate(0, 0, -2)
	o := simulator.Options{Seed: 11, Start: start, Zone: zone, Systems: true, Native: true}
	begins := start.Add(20 * time.Hour)
	for _, p := range systemsPlanted {
		o.Plant = append(o.Plant, simulator.Label{Device: ingest.DeviceID(p.device), Fault: p.fault, From: begins, To: now.Add(time.Hour)})
	}
	all := &sent{values: map[[2]string]map[string][]sentReading{}, dropped: map[int64]map[string]bool{}}
	emit := func(m simulator.Message) error {
		part := strings.Split(m.Topic, "/") // greencommunity/v1/community/facility/device
		community, facility, device := part[2], part[3], part[4]
		if community != "nancheng" || facility == "lighting" || facility == "water" || strings.Contains(device, "-bin-") {
			return nil
		}
		plant(t, c, strings.Join(part[2:], "/"), string(m.Payload))
		all.keep(t, facility, device, m.Payload, zone)
		return nil
	}
	world := simulator.New(o)
	// The last quarter of an hour by minutes, as devices report while somebody looks.
	if err := world.Advance(now.Add(-simulator.HistoryStep), emit); err != nil {
		t.Fatal(err)
	}
	world.SetStep(time.Minute)
	if err := world.Advance(now, emit); err != nil {
		t.Fatal(err)
	}
	s.account()

	alarms := func() map[string]toldAlarm {
		var list []toldAlarm
		if err := json.Unmarshal([]byte(fetch(t, base+"/api/v1/alarms")), &list); err != nil {
			t.Fatal(err)
		}
		open := map[string]toldAlarm{}
		for _, a := range list {
			open[a.Kind+" "+a.Device] = a
		}
		return open
	}
	// What began a while ago may be over: it is told once nothing more has come for a minute.
	missing := func() (list []string) {
		open := alarms()
		for _, p := range systemsPlanted {
			if _, ok := open[p.alarm+" "+p.device]; !ok {
				list = append(list, p.alarm+" "+p.device)
			}
		}
		return list
	}
	for deadline := time.Now().Add(150 * time.Second); len(missing()) > 0; time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			t.Fatalf("no alarm: %v; there are %v", missing(), alarms())
		}
	}

	var systems page.Systems
	if err := json.Unmarshal([]byte(fetch(t, base+"/api/v1/systems")), &systems); err != nil {
		t.Fatal(err)
	}
	exposed := readSamples(t, fetch(t, s.http))
	metric := scrape(t, s.http)
	rows := func(query string) []float64 {
		t.Helper()
		answer, err := embedded.Query(context.Background(), s.influx, "facilities", query)
		if err != nil {
			t.Fatal(err)
		}
		var values []float64
		for _, series := range answer {
			for _, row := range series.Values {
				if n, ok := row[1].(json.Number); ok {
					v, _ := n.Float64()
					values = append(values, v)
				}
			}
		}
		return values
	}
	compared := 0
	equal := func(what string, got, want float64) {
		t.Helper()
		compared++
		if math.Abs(got-want) > 1e-9*max(1, math.Abs(want)) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	boards := dashboards.Build("zh")
	figure := func(p system) *page.SystemFigure {
		for _, of := range systems.Systems {
			for i := range of.Figures {
				if string(of.Facility) == p.facility && of.Community == "nancheng" && of.Figures[i].Quantity == p.quantity {
					return &of.Figures[i]
				}
			}
		}
		return nil
	}
	told := alarms()
	for _, p := range systemsPlanted {
		a := told[p.alarm+" "+p.device]
		if a.Since.Before(begins) || a.Since.After(begins.Add(24*time.Hour)) {
			t.Errorf("%s: %s is open since %s; it began at %s", p.name, p.alarm, a.Since, begins)
		}
		// A limit of an hour or a day has a mean of that time; the others the reading itself.
		least, greatest := math.Inf(1), math.Inf(-1)
		for _, quantity := range p.judged() {
			for _, r := range all.values[[2]string{p.facility, quantity}][p.device] {
				if !r.at.Before(begins) {
					least, greatest = min(least, r.value), max(greatest, r.value)
				}
			}
		}
		if p.alarm == "bad_air" {
			least = 75 // the day before is in the mean
		}
		compared++
		if p.quantity != "" && (a.Value < least-1e-9 || a.Value > greatest+1e-9) {
			t.Errorf("%s: %s says %v, and what was sent since %s is %v to %v", p.name, p.alarm, a.Value, begins, least, greatest)
		}
		if p.statistic == "" {
			continue
		}
		want := all.now(p.facility, p.quantity, p.statistic)
		f := figure(p)
		if f == nil {
			t.Fatalf("%s of %s is not on the page", p.quantity, p.facility)
		}
		where := p.name + ": " + p.quantity + " "
		equal(where+"on the page", *map[string]*float64{"sum": f.Sum, "mean": f.Mean, "max": f.Max, "yes": f.Yes}[p.statistic], want)
		has, _ := metric("system_quantity", "community", "nancheng", "facility", p.facility, "quantity", p.quantity, "statistic", p.statistic)
		equal(where+"in /metrics", has, want)
		last := rows(fmt.Sprintf("SELECT last(%s) FROM %s WHERE community = 'nancheng' AND time > now() - 3h GROUP BY device", p.quantity, p.facility))
		equal(where+"in InfluxDB", combined(p.statistic, p.quantity, last), want)
		tiles, pictures := 0, 0
		for _, panel := range boards[p.facility].Panels {
			for _, target := range panel.Targets {
				shown := regexp.MustCompile(`quantity="` + p.quantity + `", statistic="(sum|mean|yes)"`).FindStringSubmatch(target.Expr)
				switch {
				case panel.Type == "stat" && shown != nil:
					equal(where+"on the board's tile "+panel.Title, evaluate(t, exposed, target.Expr), all.now(p.facility, p.quantity, shown[1])*p.unit)
					tiles++
				case panel.Type == "timeseries" && strings.Contains(target.Query, "quantity = '"+p.quantity+"'"):
					// Hours of places are written some seconds after their readings.
					want, got := all.hours(p.facility, p.quantity), []float64(nil)
					for range 60 {
						if got = rows(strings.ReplaceAll(strings.ReplaceAll(fill(target.Query), "30m", "1h"), "2d", "3d")); len(got) == len(want) {
							break
						}
						time.Sleep(time.Second)
					}
					if len(got) != len(want) {
						t.Fatalf("%s: %d hours in the picture, %d were sent: %s", where, len(got), len(want), target.Query)
					}
					for i := range want[:len(want)-1] { // the hour that runs is written now and then
						equal(fmt.Sprintf("%shour %d of the board's picture", where, i), got[i], want[i]*p.unit)
					}
					pictures++
				}
			}
		}
		if tiles == 0 && p.facility != "noise" || pictures == 0 {
			t.Errorf("%s: %d tiles and %d pictures of its board show it", where, tiles, pictures)
		}
	}
	s.reported(all, start, today, told)

	// Waste that was registered.
	if len(systems.Sorting) != 1 || len(systems.Sorting[0].Streams) == 0 {
		t.Fatalf("%+v", systems.Sorting)
	}
	sorted := systems.Sorting[0]
	var kitchen page.SortedStream
	for _, stream := range sorted.Streams {
		if stream.Stream == "kitchen" {
			kitchen = stream
		}
	}
	station := "nancheng-station-001"
	of := func(quantity string, devices ...string) (sum float64) {
		for device, readings := range all.values[[2]string{"waste", quantity}] {
			for _, r := range readings {
				if len(devices) == 0 || slices.Contains(devices, device) {
					sum += r.value
				}
			}
		}
		return sum
	}
	deposits, _ := metric("waste_deposits_total", "community", "nancheng", "stream", "kitchen")
	grams, _ := metric("waste_mass_grams_total", "community", "nancheng", "stream", "kitchen")
	right, _ := metric("waste_inspections_total", "community", "nancheng", "result", "correct")
	inspected := of("inspections_correct") + of("inspections_wrong")
	for what, v := range map[string][3]float64{
		"deposits": {kitchen.Deposits, deposits, of("deposits", station)}, "kilograms": {kitchen.Kilograms, grams / 1000, of("waste_weight_net", station)},
		"inspected right": {sorted.Correct, right, of("inspections_correct")},
	} {
		equal(what+" on the page", v[0], v[2])
		equal(what+" in /metrics", v[1], v[2])
	}
	for name, v := range map[string]*int{"today": sorted.HouseholdsToday, "yesterday": sorted.HouseholdsYesterday} {
		households, _ := metric("waste_households", "community", "nancheng", "day", name)
		day := today
		if name == "yesterday" {
			day = start.AddDate(0, 0, 1)
		}
		want := float64(len(all.dropped[(day.Unix()+8*3600)/86400]))
		if v == nil {
			v = new(int)
		}
		equal("households of "+name+" on the page", float64(*v), want)
		equal("households of "+name+" in /metrics", households, want)
	}
	equal("deposits in InfluxDB", rows("SELECT sum(deposits) FROM waste WHERE community = 'nancheng' AND stream = 'kitchen'")[0], of("deposits", station))
	equal("kilograms in InfluxDB", rows("SELECT sum(waste_weight_net) FROM waste WHERE community = 'nancheng' AND stream = 'kitchen'")[0], of("waste_weight_net", station))
	if compared < 45 {
		t.Errorf("only %d figures were compared", compared)
	}
	// Nothing says which household it was.
	for _, row := range mustQuery(t, s.influx, `SELECT code FROM events WHERE "type" = 'deposit'`) {
		if code, _ := row[1].(string); !strings.HasPrefix(code, "hh-") {
			t.Errorf("a deposit's code is %q", code)
		}
	}

	// What is wrong is proposed as such in the ledger.
	var book ledger.View
	if err := json.Unmarshal([]byte(fetch(t, base+"/api/v1/ledger")), &book); err != nil {
		t.Fatal(err)
	}
	for item, want := range map[int]string{5: "积水：1 处未恢复", 8: "停车位已满：1 处未恢复；消防通道被占：1 处未恢复"} {
		p := book.Communities[0].Items[item-1].Proposal
		if p == nil || p.Status != "not_met" || !strings.Contains(p.Why.ZH, want) {
			t.Errorf("item %d: %+v, want %s", item, p, want)
		}
	}

	b := openBrowser(t, 1400, 1000)
	b.do(chromedp.Navigate(base))
	b.waitText("#systems [data-facility=parking]", `停车\s+告警|停车`)
	b.waitText("#systems [data-facility=parking] [data-quantity=spaces_occupied]", fmt.Sprintf(`^%.0f$`, all.now("parking", "spaces_occupied", "sum")))
	pressure := all.now("fire", "hydrant_pressure", "mean") / 1000
	b.waitText("#systems [data-facility=fire] [data-quantity=hydrant_pressure]", fmt.Sprintf(`^(%.1f|%.0f) kPa$`, pressure, pressure))
	b.waitText("#systems [data-facility=fire] [data-quantity=smoke_detected]", `^1 / 1 台$`)
	b.waitText("#systems [data-facility=noise] [data-quantity=sound_level_equivalent]", `\d\d`)
	b.waitText("#sorting", fmt.Sprintf(`\d+ %%（抽查 %.0f 次）[\s\S]*厨余垃圾\s+%.0f\s+[\d.]+`, inspected, of("deposits", station)))
	b.waitText("#alarms", `积水内涝`)
	b.screenshot("zh")
	b.do(chromedp.Click("#en"))
	b.waitText("#systems [data-facility=drainage]", `Drainage`)
	b.screenshot("en")
}

// toldAlarm is what the list of alarms says of one.
type toldAlarm struct {
	Kind, Device string
	Title        ingest.Text
	Since        time.Time
	Value        float64
}

// reported holds the report of two whole days against what was sent in them.
func (s *started) reported(all *sent, from, to time.Time, told map[string]toldAlarm) {
	s.t.Helper()
	text := fetch(s.t, strings.TrimSuffix(s.http, "/metrics")+"/api/v1/report?format=csv&from="+from.Format(time.DateOnly)+"&to="+to.Format(time.DateOnly))
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	r.FieldsPerRecord = -1
	lines, err := r.ReadAll()
	if err != nil {
		s.t.Fatal(err)
	}
	find := func(cells ...string) []string { // the line that has these cells, "" being any
		for _, line := range lines {
			fits := len(line) > len(cells)
			for i := range cells {
				fits = fits && (cells[i] == "" || cells[i] == line[i])
			}
			if fits {
				return line[len(cells):]
			}
		}
		s.t.Errorf("the report has no line %q", cells)
		return nil
	}
	compared := 0
	shown := func(what, cell string, want float64) {
		s.t.Helper()
		compared++
		got, err := strconv.ParseFloat(cell, 64)
		half := 0.5
		if _, decimals, ok := strings.Cut(cell, "."); ok {
			half *= math.Pow(10, -float64(len(decimals)))
		}
		if err != nil || math.Abs(got-want) > half+1e-9 {
			s.t.Errorf("%s in the report is %q, and %v was sent", what, cell, want)
		}
	}
	// What each quantity was: scale is the report's.
	for _, of := range []struct {
		facility, quantity, kind, name string
		scale                          float64
		mean, greatest, sum            bool
	}{
		{"parking", "spaces_occupied", "停车", "已占车位", 1, true, true, false},
		{"charging", "charging", "充电设施", "充电中", 100, true, false, false},
		{"charging", "current", "充电设施", "电流", 1, true, true, false},
		{"charging", "temperature", "充电设施", "温度", 1, true, true, false},
		{"noise", "sound_level_equivalent", "噪声", "等效声级", 1, true, true, false},
		{"drainage", "flooded", "排水内涝", "积水", 100, true, false, false},
		{"drainage", "water_level", "排水内涝", "水位", 1, true, true, false},
		{"drainage", "rainfall", "排水内涝", "雨量", 1, false, false, true},
		{"public_area", "people_count", "公共区域", "人数", 1, true, true, false},
		{"public_area", "people_in", "公共区域", "进入人数", 1, false, false, true},
		{"fire", "smoke_detected", "消防", "烟雾", 100, true, false, false},
		{"fire", "hydrant_pressure", "消防", "消火栓水压", 1e-3, true, true, false},
		{"fire", "passage_blocked", "消防", "通道占用", 100, true, false, false},
		{"environment", "pm2_5", "环境", "PM2.5", 1, true, true, false},
		{"environment", "humidity", "环境", "湿度", 1, true, true, false},
	} {
		line := find("六之三", "nancheng", "南城社区", of.kind, of.name)
		if line == nil {
			continue
		}
		mean, greatest, sum := all.between(of.facility, of.quantity, from, to)
		what := of.facility + " " + of.quantity
		if of.mean {
			shown(what+", mean,", line[0], mean*of.scale)
		}
		if of.greatest {
			shown(what+", greatest,", line[1], greatest*of.scale)
		}
		if of.sum {
			shown(what+", sum,", line[2], sum*of.scale)
		}
	}
	if line := find("六之三", "nancheng", "南城社区", "充电设施", "累计电能"); line != nil {
		shown("energy of charging", line[2], all.grown("charging", "energy_total", from, to))
	}
	// What was registered of waste, and who passed the gates.
	for station, stream := range map[string]string{"nancheng-station-001": "厨余垃圾", "nancheng-station-002": "可回收物", "nancheng-station-003": "有害垃圾", "nancheng-station-004": "其他垃圾"} {
		only := &sent{values: map[[2]string]map[string][]sentReading{}}
		for _, quantity := range []string{"deposits", "waste_weight_net"} {
			key := [2]string{"waste", quantity}
			only.values[key] = map[string][]sentReading{station: all.values[key][station]}
		}
		for quantity, name := range map[string]string{"deposits": "投放", "waste_weight_net": "垃圾净重"} {
			if _, _, want := only.between("waste", quantity, from, to); want > 0 {
				shown(name+" of "+stream, find("六", "nancheng", "", name, stream)[0], want)
			}
		}
	}
	for name, of := range map[string][2]string{"抽查正确": {"waste", "inspections_correct"}, "门禁进入": {"gate", "pass_in"}, "门禁离开": {"gate", "pass_out"}} {
		_, _, want := all.between(of[0], of[1], from, to)
		shown(name, find("六", "nancheng", "", name, "")[0], want)
	}
	// What was wrong is among its problems, since when the list of alarms says.
	zone := from.Location()
	for _, p := range systemsPlanted {
		a := told[p.alarm+" "+p.device]
		line := find("六之二", "nancheng", p.device, "", "", "", a.Title.ZH)
		if line == nil {
			continue
		}
		compared++
		if got, want := line[1], a.Since.In(zone).Format("2006-01-02 15:04"); got != want {
			s.t.Errorf("%s: in the report since %s, in the list of alarms since %s", p.alarm, got, want)
		}
	}
	if compared < 40 {
		s.t.Errorf("only %d figures of the report were compared", compared)
	}
}

func mustQuery(t *testing.T, influx, query string) (rows [][]any) {
	t.Helper()
	answer, err := embedded.Query(context.Background(), influx, "facilities", query)
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range answer {
		rows = append(rows, series.Values...)
	}
	return rows
}

// fill puts values for the variables of a board's query.
func fill(query string) string {
	return strings.NewReplacer("${community:regex}", ".*", "$timeFilter", "time > now() - 2d", "$__interval", "30m").Replace(query)
}

// evaluate asks Prometheus' own engine a board's expression of a scrape.
func evaluate(t *testing.T, scrape samples, expr string) float64 {
	t.Helper()
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	q, err := engine.NewInstantQuery(context.Background(), scrape, nil, strings.ReplaceAll(expr, "$community", ".*"), time.UnixMilli(scraped))
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer q.Close()
	vector, err := q.Exec(context.Background()).Vector()
	if err != nil || len(vector) != 1 {
		t.Fatalf("%s: %v %v", expr, vector, err)
	}
	return vector[0].F
}

// samples are those of one scrape, as the engine's storage.
type samples []promql.Sample

const scraped = 1_000_000 // when they were, unix milliseconds

func readSamples(t *testing.T, exposition string) (all samples) {
	t.Helper()
	families, err := newTextParser().TextToMetricFamilies(strings.NewReader(exposition))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		for _, m := range f.Metric {
			b := labels.NewScratchBuilder(8)
			b.Add(model.MetricNameLabel, name)
			for _, l := range m.Label {
				b.Add(l.GetName(), l.GetValue())
			}
			b.Sort()
			all = append(all, promql.Sample{T: scraped, F: m.GetGauge().GetValue() + m.GetCounter().GetValue(), Metric: b.Labels()})
		}
	}
	return all
}

func (s samples) Querier(int64, int64) (storage.Querier, error) { return s, nil }

func (s samples) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var list []storage.Series
	for _, each := range s {
		fits := true
		for _, m := range matchers {
			fits = fits && m.Matches(each.Metric.Get(m.Name))
		}
		if fits {
			list = append(list, promql.NewStorageSeries(promql.Series{Metric: each.Metric, Floats: []promql.FPoint{{T: scraped, F: each.F}}}))
		}
	}
	return &seriesSet{list: list}
}

func (samples) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (samples) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (samples) Close() error { return nil }

type seriesSet struct {
	list []storage.Series
	next int
}

func (s *seriesSet) Next() bool                        { s.next++; return s.next <= len(s.list) }
func (s *seriesSet) At() storage.Series                { return s.list[s.next-1] }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
