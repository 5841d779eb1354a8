package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/ledger"
)

// system is what is planted of one of the plan's systems, and where it has to be seen.
type system struct {
	facility, device string
	minutes, every   int    // how long it has been so, and how often it has reported
	body             string // members of its payload
	quantity         string
	unit             float64 // what its board multiplies by
	statistic        string
	want             float64
	alarm            string // kind; "" where nothing is wrong
}

// A garage that is full, a plug that burns, and so on: one of each of the plan's systems,
// with the fault that is its own.
var systemsPlanted = []system{
	{"parking", "nancheng-parking-001", 50, 5, `"spaces_free":0,"spaces_occupied":80`, "spaces_occupied", 1, "sum", 80, "parking_full"},
	{"charging", "nancheng-charger-001", 0, 1, `"charging":true,"active_power":6600,"temperature":82`, "charging", 1, "yes", 1, "charger_hot"},
	{"charging", "nancheng-charger-002", 30, 5, `"current":40`, "current", 1, "mean", 40, "overcurrent"},
	{"noise", "nancheng-noise-001", 90, 5, `"sound_level_equivalent":74,"sound_level_max":81`, "sound_level_equivalent", 1, "mean", 74, "noise"},
	{"drainage", "nancheng-drain-001", 0, 1, `"flooded":true,"water_level":0.52,"rainfall":3.5`, "water_level", 1, "max", 0.52, "waterlogging"},
	{"public_area", "nancheng-square-001", 20, 1, `"people_count":190,"people_in":3`, "people_count", 1, "sum", 190, "crowd"},
	{"fire", "nancheng-fire-001", 0, 1, `"smoke_detected":true`, "smoke_detected", 1, "yes", 1, "smoke"},
	{"fire", "nancheng-fire-002", 30, 5, `"hydrant_pressure":60000`, "hydrant_pressure", 1e-3, "mean", 60000, "hydrant_low"},
	{"fire", "nancheng-fire-003", 30, 5, `"passage_blocked":true`, "passage_blocked", 1, "yes", 1, "passage_blocked"},
	{"environment", "nancheng-air-001", 26 * 60, 60, `"pm2_5":180,"temperature":4`, "pm2_5", 1, "max", 180, "bad_air"},
	{"gate", "nancheng-gate-001", 0, 1, `"event":"tamper"`, "", 1, "", 0, "device_reported"},
	{"waste", "nancheng-station-001", 0, 1, `"deposits":12,"waste_weight_net":20.5,"inspections_correct":9,"inspections_wrong":1`, "deposits", 1, "", 12, ""},
}

// One of each of the plan's systems: planted, it is on the page, on its board, in
// /metrics and in InfluxDB with one figure, and what is wrong is an alarm.
func TestSystems(t *testing.T) {
	t.Parallel()
	s, c := planted(t, simulator.SystemsInventory())
	base := strings.TrimSuffix(s.http, "/metrics")
	now := time.Now().Truncate(time.Second)
	for _, p := range systemsPlanted {
		var readings []string
		for ago := p.minutes; ago >= 0; ago -= p.every {
			readings = append(readings, fmt.Sprintf(`{"time":%d,%s}`, now.Add(-time.Duration(ago)*time.Minute).UnixMilli(), p.body))
		}
		if p.device == "nancheng-station-001" {
			for i, household := range []string{"1-101", "1-102", "1-101"} {
				readings = append(readings, fmt.Sprintf(`{"time":%d,"event":"deposit","household":"%s"}`, now.UnixMilli()+int64(i), household))
			}
		}
		for len(readings) > 0 { // as many messages, so that the last is not late
			n := min(10, len(readings))
			plant(t, c, "nancheng/"+p.facility+"/"+p.device, "["+strings.Join(readings[:n], ",")+"]")
			readings = readings[n:]
		}
	}
	s.account()

	alarms := func() map[string]bool {
		var list []struct{ Kind, Device string }
		if err := json.Unmarshal([]byte(fetch(t, base+"/api/v1/alarms")), &list); err != nil {
			t.Fatal(err)
		}
		open := map[string]bool{}
		for _, a := range list {
			open[a.Kind+" "+a.Device] = true
		}
		return open
	}
	// What began a while ago may be over: it is told once nothing more has come for a minute.
	missing := func() (list []string) {
		open := alarms()
		for _, p := range systemsPlanted {
			if p.alarm != "" && !open[p.alarm+" "+p.device] {
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
	for _, p := range systemsPlanted {
		if p.statistic == "" {
			continue
		}
		f := figure(p)
		if f == nil {
			t.Fatalf("%s of %s is not on the page", p.quantity, p.facility)
		}
		where := p.facility + " " + p.quantity + " "
		equal(where+"on the page", *map[string]*float64{"sum": f.Sum, "mean": f.Mean, "max": f.Max, "yes": f.Yes}[p.statistic], p.want)
		has, _ := metric("system_quantity", "community", "nancheng", "facility", p.facility, "quantity", p.quantity, "statistic", p.statistic)
		equal(where+"in /metrics", has, p.want)
		function := map[string]string{"yes": "sum"}[p.statistic]
		if function == "" {
			function = p.statistic
		}
		last := rows(fmt.Sprintf("SELECT %s(v) FROM (SELECT last(%s) AS v FROM %s WHERE community = 'nancheng' AND time > now() - 3h GROUP BY device)", function, p.quantity, p.facility))
		if len(last) != 1 {
			t.Fatalf("%sin InfluxDB: %v", where, last)
		}
		equal(where+"in InfluxDB", last[0], p.want)
		tiles := 0
		for _, panel := range boards[p.facility].Panels {
			for _, target := range panel.Targets {
				switch {
				case panel.Type == "stat" && strings.Contains(target.Expr, `quantity="`+p.quantity+`"`) && (strings.Contains(target.Expr, `"`+p.statistic+`"`) || p.statistic == "max"):
					equal(where+"on the board's tile "+panel.Title, evaluate(t, exposed, target.Expr), p.want*p.unit)
					tiles++
				case strings.Contains(target.Query, "quantity = '"+p.quantity+"'"):
					// Hours of places are written some seconds after their readings.
					values := rows(fill(target.Query))
					for range 60 {
						if len(values) > 0 {
							break
						}
						time.Sleep(time.Second)
						values = rows(fill(target.Query))
					}
					if len(values) == 0 {
						t.Errorf("%s: no picture on the board: %s", where, target.Query)
						continue
					}
					tiles++
				}
			}
		}
		if tiles < 2 && p.facility != "noise" || tiles == 0 {
			t.Errorf("%s: %d panels of its board show it", where, tiles)
		}
	}

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
	deposits, _ := metric("waste_deposits_total", "community", "nancheng", "stream", "kitchen")
	grams, _ := metric("waste_mass_grams_total", "community", "nancheng", "stream", "kitchen")
	right, _ := metric("waste_inspections_total", "community", "nancheng", "result", "correct")
	households, _ := metric("waste_households", "community", "nancheng", "day", "today")
	for what, v := range map[string][3]float64{
		"deposits": {kitchen.Deposits, deposits, 12}, "kilograms": {kitchen.Kilograms, grams / 1000, 20.5}, "inspected right": {sorted.Correct, right, 9},
		"households": {float64(*sorted.HouseholdsToday), households, 2},
	} {
		equal(what+" on the page", v[0], v[2])
		equal(what+" in /metrics", v[1], v[2])
	}
	equal("deposits in InfluxDB", rows("SELECT sum(deposits) FROM waste WHERE community = 'nancheng' AND stream = 'kitchen'")[0], 12)
	equal("kilograms in InfluxDB", rows("SELECT sum(waste_weight_net) FROM waste WHERE community = 'nancheng' AND stream = 'kitchen'")[0], 20.5)
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
	for item, want := range map[int]string{5: "积水：1 处未恢复；抽查 10 次，不足 30 次", 8: "停车位已满：1 处未恢复；消防通道被占：1 处未恢复"} {
		p := book.Communities[0].Items[item-1].Proposal
		if p == nil || p.Status != "not_met" || p.Why.ZH != want {
			t.Errorf("item %d: %+v, want %s", item, p, want)
		}
	}

	b := openBrowser(t, 1400, 1000)
	b.do(chromedp.Navigate(base))
	b.waitText("#systems [data-facility=parking]", `停车\s+告警|停车`)
	b.waitText("#systems [data-facility=parking] [data-quantity=spaces_occupied]", `^80$`)
	b.waitText("#systems [data-facility=fire] [data-quantity=hydrant_pressure]", `^60 kPa$`)
	b.waitText("#systems [data-facility=fire] [data-quantity=smoke_detected]", `^1 / 1 台$`)
	b.waitText("#systems [data-facility=noise] [data-quantity=sound_level_equivalent]", `74`)
	b.waitText("#sorting", `厨余垃圾\s+12\s+20\.5\s+90 %（抽查 10 次）\s+今日 2 户（7 %）`)
	b.waitText("#alarms", `积水内涝`)
	b.screenshot("zh")
	b.do(chromedp.Click("#en"))
	b.waitText("#systems [data-facility=drainage]", `Drainage`)
	b.screenshot("en")
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
