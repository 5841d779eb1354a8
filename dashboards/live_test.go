package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/influxdata/influxdb/models"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics"
	alarmdesk "greencommunity/metrics/alarms"
	"greencommunity/metrics/anomaly"
	communities "greencommunity/metrics/community"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/ledger"
	"greencommunity/metrics/scorecard"
	"greencommunity/metrics/systems"
	"greencommunity/metrics/usage"
)

const planted = "planted" // the community whose values are known

var beijing = time.FixedZone("Asia/Shanghai", 8*3600)

// service is broker, InfluxDB, pipeline and /metrics, fed through MQTT.
type service struct {
	t        *testing.T
	broker   *embedded.Broker
	database *embedded.InfluxDB
	registry *prometheus.Registry
	desk     *alarmdesk.Desk
	addr     string
	publish  *simulator.Publisher
	decoder  *decode.Worker
	score    *scorecard.Scorecard
	sent     uint64
}

// start assembles what cmd/internal/serve assembles: that package cannot be
// imported from here, and has its own test of the table of metrics.
func start(t *testing.T) *service {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	s := &service{t: t, registry: prometheus.NewRegistry()}
	var err error
	s.broker, err = embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	must(err)
	t.Cleanup(func() { s.broker.Close() })
	s.database, err = embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	must(err)
	t.Cleanup(func() { s.database.Close() })

	path := filepath.Join(t.TempDir(), "inventory.yaml")
	more := "- {id: " + planted + ", name: 种植社区, town: 城关镇, stage: met, households: 77, population: 200, lat: 34.7, lon: 106.2, compounds: [{id: compound, name: 种植小区, renovated: 2021}]}\nvendors:\n"
	must(os.WriteFile(path, []byte(strings.Replace(simulator.Inventory(), "vendors:\n", more, 1)), 0o600))
	inv, err := inventory.Load(path, beijing)
	must(err)

	places := hourly.New()
	book := usage.New(usage.Options{Entered: places.Use})
	engine, state := anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig(), Book: book}), facility.New(book)
	others := systems.New()
	desk := alarmdesk.New(alarmdesk.Options{Dir: t.TempDir(), Config: alarmdesk.DefaultConfig(), Source: engine, Inventory: func() *inventory.Inventory { return inv }})
	must(desk.Open())
	s.desk = desk
	s.score, s.decoder = scorecard.New(), decode.NewWorker(inv, inventory.NewRegistry(inv))
	written, err := ledger.New(ledger.Options{DataDir: t.TempDir(), Inventory: func() *inventory.Inventory { return inv }})
	must(err)
	s.registry.MustRegister(written, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		communities.Collector{Inventory: func() *inventory.Inventory { return inv }}, book, engine, desk, state, others, places, s.score)
	p, err := pipeline.New(pipeline.Options{
		DataDir: t.TempDir(), Inventory: inv, MQTT: mqtt.Options{Brokers: []string{s.broker.URL()}, ClientID: "boards"},
		InfluxDB:  influx.Options{URL: s.database.URL(), Org: "bureau", Bucket: "facilities"},
		Observers: []any{book, engine, state, others, places}, Logger: slog.New(slog.DiscardHandler), Registerer: s.registry,
	})
	must(err)
	server, err := metrics.Listen(metrics.Options{Listen: "127.0.0.1:0", Gatherer: s.registry, Ready: p.Ready})
	must(err)
	s.addr = server.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 3)
	go func() { ended <- server.Run(ctx) }()
	go func() { desk.Run(ctx); ended <- desk.Close() }()
	go func() { ended <- p.Run(ctx, server.Open) }()
	t.Cleanup(func() {
		cancel()
		for range 3 {
			if err := <-ended; err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	s.wait("readiness", func() bool { return p.Ready() == nil })
	s.publish, err = simulator.Connect(s.broker.URL(), "boards-feed", "", "")
	must(err)
	t.Cleanup(s.publish.Close)
	return s
}

// dealt has people deal with two alarms: one was right, and one false.
func (s *service) dealt() {
	s.t.Helper()
	var items []alarmdesk.Item
	s.wait("two alarms", func() bool {
		var err error
		items, err = s.desk.List(s.t.Context(), alarmdesk.Filter{}, time.Now())
		// The board of each kind of facility shows one that stays.
		left := map[ingest.FacilityKind]int{}
		for _, i := range items {
			left[i.Facility]++
		}
		items = slices.DeleteFunc(items, func(i alarmdesk.Item) bool { left[i.Facility]--; return left[i.Facility] < 1 })
		return err == nil && len(items) >= 2
	})
	for i, changes := range [][]alarmdesk.Change{{{Status: alarmdesk.Acknowledged}, {Status: alarmdesk.Cleared}}, {{Status: alarmdesk.False, Reason: "sensor"}}} {
		for _, c := range changes {
			c.By = "clerk"
			if _, err := s.desk.Apply(items[i].ID, c, time.Now()); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

func (s *service) wait(what string, done func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited for %s in vain", what)
		}
	}
}

func (s *service) gather() map[string]*dto.MetricFamily {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// settled waits until all messages have a fate.
func (s *service) settled() {
	s.t.Helper()
	s.wait("all messages to be decided", func() bool {
		all, received := s.gather(), 0.0
		if all[Prefix+"messages_received_total"] == nil {
			return false
		}
		for _, m := range all[Prefix+"messages_received_total"].Metric {
			received += m.GetCounter().GetValue()
		}
		return received >= float64(s.sent) && all[Prefix+"messages_pending"].Metric[0].GetGauge().GetValue() == 0
	})
}

// emit publishes a message and tells the scorecard of it.
func (s *service) emit(m simulator.Message) error {
	s.sent++
	message := &ingest.Message{Seq: s.sent, Topic: m.Topic, Payload: m.Payload, Received: time.Now().UnixNano()}
	r := s.decoder.Decode(message)
	s.score.Message(message, r, 0, 0)
	return s.publish.Publish(m)
}

func (s *service) send(facility ingest.FacilityKind, device, payload string) {
	s.t.Helper()
	if err := s.emit(simulator.Message{Topic: fmt.Sprintf("greencommunity/v1/%s/%s/%s", planted, facility, device), Payload: []byte(payload)}); err != nil {
		s.t.Fatal(err)
	}
}

// feed publishes ten days of the simulated communities, the planted readings of
// the day before end's, and one fault of each facility now.
func (s *service) feed(end time.Time) {
	s.t.Helper()
	w := simulator.New(simulator.Options{Seed: 3, Start: end.AddDate(0, 0, -10)})
	if err := w.Advance(end, s.emit); err != nil {
		s.t.Fatal(err)
	}
	day := time.Date(end.Year(), end.Month(), end.Day(), 0, 0, 0, 0, beijing)
	at := func(offset time.Duration) int64 { return day.Add(offset).UnixMilli() }
	for _, m := range []struct {
		facility ingest.FacilityKind
		device   string
		payload  string
	}{
		// At midnight, after it, and in the evening: 3.25 kWh today.
		{"lighting", "p-lamp-1", fmt.Sprintf(`[{"time":%d,"energy_total":100.0},{"time":%d,"energy_total":101.5},{"time":%d,"energy_total":103.25,"active_power":42,"light_on":1,"light_level":1,"voltage":230}]`, at(0), at(90*time.Minute), at(20*time.Hour+30*time.Minute))},
		// Its register is reset: 2 kWh after that are seen, once three reads say so.
		{"lighting", "p-lamp-2", fmt.Sprintf(`[{"time":%d,"energy_total":500.0},{"time":%d,"energy_total":0.5},{"time":%d,"energy_total":2.5},{"time":%d,"energy_total":2.5,"active_power":8,"light_on":0,"light_level":0}]`, at(0), at(90*time.Minute), at(20*time.Hour), at(20*time.Hour+30*time.Minute))},
		{"water", "p-meter-1", fmt.Sprintf(`[{"time":%d,"water_volume_total":10.0},{"time":%d,"water_volume_total":10.75,"water_flow":0.001,"water_pressure":300000,"battery_level":90},{"time":%d,"water_volume_total":10.75}]`, at(0), at(19*time.Hour+30*time.Minute), at(24*time.Hour))},
		{"water", "p-meter-2", fmt.Sprintf(`[{"time":%d,"water_volume_total":5.0},{"time":%d,"water_volume_total":5.25}]`, at(0), at(19*time.Hour+30*time.Minute))},
		{"waste", "p-bin-1", fmt.Sprintf(`{"time":%d,"fill_level":0.4,"bin_temperature":12,"waste_weight":10,"deposits":4}`, at(20*time.Hour))},
		{"waste", "p-bin-2", fmt.Sprintf(`{"time":%d,"fill_level":0.8,"bin_temperature":33,"waste_weight":20,"deposits":5}`, at(20*time.Hour))},
		{"gate", "p-gate-1", fmt.Sprintf(`[{"time":%d,"pass_in":3,"pass_out":2},{"time":%d,"pass_in":4,"pass_out":0,"door_open":1},{"time":%d,"door_open":0}]`, at(8*time.Hour), at(20*time.Hour), at(21*time.Hour+time.Minute))},
		{"gate", "p-gate-2", fmt.Sprintf(`{"time":%d,"pass_in":0,"pass_out":0,"door_open":0}`, at(20*time.Hour))},
		{"gate", "p-gate-2", fmt.Sprintf(`[{"time":%d,"event":"access_granted"},{"time":%d,"event":"access_denied"}]`, at(9*time.Hour), at(10*time.Hour))},
		// What they do now.
		{"lighting", "p-lamp-1", `{"active_power":42,"light_on":1}`}, {"lighting", "p-lamp-2", `{"active_power":0.5,"light_on":0}`},
		{"water", "p-meter-1", `{"water_volume_total":11.25}`}, {"waste", "p-bin-2", `{"fill_level":0.97,"bin_temperature":90}`}, {"waste", "p-bin-1", `{"fill_level":0.17}`},
		{"gate", "p-gate-1", `{"door_open":0,"pass_in":2,"pass_out":1}`}, {"gate", "p-gate-2", `{"door_open":0}`},
		// Faults the devices report themselves.
		{"lighting", "p-lamp-2", `{"event":"lamp_fault"}`}, {"water", "p-meter-2", `{"event":"leak"}`}, {"waste", "p-bin-2", `{"event":"tamper"}`}, {"gate", "p-gate-1", `{"event":"door_forced"}`},
		{"lighting", "p-lamp-1", `{"event":"lamp_fault"}`}, {"water", "p-meter-1", `{"event":"leak"}`}, // people deal with one of two
		// Refused: the whole message, and one reading of a good one.
		{"lighting", "p-lamp-1", `{"active_power":"on fire"}`}, {"lighting", "p-lamp-1", fmt.Sprintf(`{"time":%d,"voltage":230,"frequency":-5}`, at(20*time.Hour+31*time.Minute))},
	} {
		s.send(m.facility, m.device, m.payload)
	}
	if err := s.publish.Flush(); err != nil {
		s.t.Fatal(err)
	}
}

// dailyResults writes what the savings engine writes once a day, so that its
// panels are run before a quarter has passed: 10 days of 3 kWh and 2 m3 saved.
func dailyResults(t *testing.T, db *embedded.InfluxDB, end time.Time) {
	t.Helper()
	w := influx.New(influx.Options{URL: db.URL(), Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	var lines strings.Builder
	for i := range 10 {
		at := time.Date(end.Year(), end.Month(), end.Day()-i, 0, 0, 0, 0, beijing).UnixMilli()
		fmt.Fprintf(&lines, "savings,community=%s,facility=lighting,resource=electricity baseline=10,actual=7,saving=3,uncertainty=1,coverage=0.98 %d\n", planted, at)
		fmt.Fprintf(&lines, "savings,community=%s,facility=water,resource=water baseline=50,actual=48,saving=2,uncertainty=3,coverage=0.9 %d\n", planted, at)
	}
	if refused, err := w.Write(context.Background(), []byte(lines.String())); err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
}

// lengthOf is a length as Grafana writes it, such as 10m or 1d; 0 of none.
func lengthOf(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, _ := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour
	}
	d, _ := time.ParseDuration(text)
	return d
}

// ask runs a query of InfluxDB over the range that ends at end, as Grafana
// would, and returns every value that is not null, by row and column.
func ask(t *testing.T, db querier, database string, q query, v values, length time.Duration, end time.Time) ([]map[string]any, error) {
	t.Helper()
	from := end.Add(-length)
	if q.panel != nil {
		switch frame := q.panel.TimeFrom; frame {
		case "":
		default:
			hours, days := strings.CutSuffix(frame, "d")
			n, err := strconv.Atoi(strings.TrimSuffix(hours, "h"))
			if err != nil {
				t.Fatalf("%s: time frame %q", q.where, frame)
			}
			if days {
				n *= 24
			}
			from = end.Add(-time.Duration(n) * time.Hour)
		}
		if least := q.panel.Interval; lengthOf(least) > lengthOf(v.interval) {
			v.interval = least
		}
	}
	v.timeFilter = fmt.Sprintf("time >= %dms AND time <= %dms", from.UnixMilli(), end.UnixMilli())
	text := strings.ReplaceAll(fillInflux(q.text, v), "now()", fmt.Sprintf("'%s'", end.UTC().Format(time.RFC3339Nano)))
	rows, err := db.Query(context.Background(), database, text)
	if err != nil {
		return nil, err
	}
	var found []map[string]any
	for _, row := range rows {
		for _, cells := range row.Values {
			m := map[string]any{}
			for k, tag := range row.Tags {
				m[k] = tag
			}
			for i, cell := range cells {
				if row.Columns[i] != "time" && cell != nil {
					m[row.Columns[i]] = cell
				}
			}
			if len(m) > len(row.Tags) {
				found = append(found, m)
			}
		}
	}
	return found, nil
}

// everyInflux runs every query of InfluxDB, equal ones of both languages once,
// and returns those that give no data.
func everyInflux(t *testing.T, db querier, database string, end time.Time, community string) (ran int, empty []query) {
	t.Helper()
	eachInflux(end, community, func(q query, v values, until time.Time) {
		found, err := ask(t, db, database, q, v, 9*24*time.Hour, until)
		if err != nil {
			t.Errorf("%s: %v in %s", q.where, err, q.text)
		}
		if len(found) == 0 {
			empty = append(empty, q)
		}
		ran++
	})
	return ran, empty
}

// eachInflux gives every query of InfluxDB, equal ones of both languages once,
// with the values of its variables and the end of its range.
func eachInflux(end time.Time, community string, run func(q query, v values, until time.Time)) {
	type same struct{ text, from string }
	done := map[same]bool{}
	for _, l := range Languages {
		for _, d := range Build(l) {
			for _, q := range queries(d) {
				if q.prom {
					continue
				}
				key := same{text: q.text}
				if q.panel != nil {
					key.from = q.panel.TimeFrom
				}
				if done[key] {
					continue
				}
				done[key] = true
				in := community
				if q.panel == nil {
					in = planted // variables ask for one
				}
				v := values{community: in, device: deviceOf(q), interval: "10m"}
				until := end
				if strings.Contains(q.text, "FROM "+eventsMeasurement) {
					until = time.Now().Add(time.Minute) // alarms are raised now
				}
				run(q, v, until)
			}
		}
	}
}

// querier is an InfluxDB, whichever.
type querier interface {
	Query(ctx context.Context, database, influxql string) ([]models.Row, error)
}

// end is an evening that is over: the day's tiles are then the same at any time
// the test runs.
func end() time.Time {
	now := time.Now().In(beijing)
	return time.Date(now.Year(), now.Month(), now.Day()-1, 21, 0, 0, 0, beijing)
}

// Every query is run on a real InfluxDB and a real Prometheus that were fed
// through MQTT: no error, data, and tiles show what was planted.
func TestQueries(t *testing.T) {
	s := start(t)
	end := end()
	s.countersAreThere()
	prom := startPrometheus(t, s)
	s.send("gate", "p-gate-1", fmt.Sprintf(`{"time":%d,"door_open":0}`, end.AddDate(0, 0, -9).UnixMilli()))
	// Series of refusals begin before they grow.
	s.send("gate", "p-gate-1", `{"door_open":"ajar"}`)
	s.send("lighting", "p-lamp-1", fmt.Sprintf(`{"time":%d,"voltage":230,"frequency":-5}`, end.AddDate(0, 0, -9).UnixMilli()))
	s.settled()
	prom.scraped(s)
	s.feed(end)
	s.settled()
	s.dealt()
	dailyResults(t, s.database, end)
	s.wait("hours of places", func() bool {
		rows, err := s.database.Query(context.Background(), "facilities", "SELECT sum(total) FROM place_hourly WHERE community = '"+planted+"' AND quantity = 'pass_in'")
		if err != nil || len(rows) == 0 {
			return false
		}
		v, _ := rows[0].Values[0][1].(json.Number).Float64()
		return v >= 7+2
	})
	s.wait("the book of use", func() bool {
		sum := 0.0
		rows, err := s.database.Query(context.Background(), "facilities", "SELECT sum(used) FROM usage_daily WHERE community = '"+planted+"' GROUP BY facility")
		for _, row := range rows {
			v, _ := row.Values[0][1].(json.Number).Float64()
			sum += v
		}
		return err == nil && sum >= 5.25+1.5-1e-9
	})

	t.Run("metrics", func(t *testing.T) {
		for _, difference := range Compare(slices.Collect(maps.Values(s.gather()))) {
			t.Error(difference)
		}
	})
	t.Run("influxql", func(t *testing.T) {
		ran, empty := everyInflux(t, s.database, "facilities", end, ".*")
		for _, q := range empty {
			if !ofData(q) {
				t.Errorf("%s: no data", q.where)
			}
		}
		if ran < 50 {
			t.Errorf("only %d queries", ran)
		}
		t.Logf("%d queries of InfluxDB", ran)
	})
	t.Run("influxql on 2.7", func(t *testing.T) { onInfluxDB27(t, s, end) })
	t.Run("influxql tiles", func(t *testing.T) { influxTiles(t, s, end) })
	t.Run("influxql empty database", func(t *testing.T) {
		if rows, err := s.database.Query(context.Background(), "facilities", "CREATE DATABASE nothing"); err != nil {
			t.Fatal(rows, err)
		}
		ran, empty := everyInflux(t, s.database, "nothing", end, ".*")
		if len(empty) != ran {
			t.Errorf("an empty database gives data for %d of %d queries", ran-len(empty), ran)
		}
	})
	t.Run("influxql renamed field", func(t *testing.T) {
		for _, q := range queries(Build(Chinese)["water"]) {
			if strings.Contains(q.text, "water_volume_total") {
				q.text = strings.ReplaceAll(q.text, "water_volume_total", "water_volume_sum")
				if found, err := ask(t, s.database, "facilities", q, values{community: ".*"}, 9*24*time.Hour, end); err != nil || len(found) > 0 {
					t.Errorf("%s: a field that does not exist gives %v, %v", q.where, found, err)
				}
			}
		}
	})
	prom.check(s)
}

// influxTiles compares tiles of the planted community with what was planted.
func influxTiles(t *testing.T, s *service, end time.Time) {
	for _, c := range []struct {
		board, panel string // by its English title
		want         float64
		band         float64 // of the targets after the first: below, above
	}{
		{"lighting", "Energy today", 5.25, 0}, {"lighting", "Lamps burning", 0.5, 0}, {"lighting", "Lamps reporting", 2, 0},
		{"water", "Water today", 1.0, 0}, {"water", "A meter a day", 0.5, 0}, {"water", "Meters reporting", 2, 0},
		{"waste", "Mean fill level", 0.6, 0}, {"waste", "Hottest bin", 33, 0},
		{"gate", "In today", 7, 0}, {"gate", "Out today", 2, 0}, {"gate", "Gates open", 0.5, 0},
		{"community", "Water today", 1.0, 0}, {"community", "Lighting today", 5.25, 0}, {"community", "Mean fill level", 0.6, 0}, {"community", "Passes in today", 7, 0},
		{"savings", "Energy saved so far", 30, 10}, {"savings", "Water saved so far", 20, 30},
	} {
		found := 0
		for _, q := range queries(Build(English)[c.board]) {
			if q.panel == nil || q.prom || q.panel.Title != c.panel || q.panel.Type == "timeseries" && c.board == "waste" {
				continue
			}
			want := c.want + []float64{0, -c.band, c.band}[found]
			found++
			rows, err := ask(t, s.database, "facilities", q, values{community: planted, interval: "1d"}, 12*24*time.Hour, end)
			if err != nil || len(rows) == 0 {
				t.Errorf("%s: %v %v", q.where, rows, err)
				continue
			}
			got := math.NaN()
			for _, v := range rows[len(rows)-1] {
				if n, ok := v.(json.Number); ok {
					got, _ = n.Float64()
				}
			}
			if math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: %g, planted %g", q.where, got, want)
			}
		}
		if found == 0 {
			t.Errorf("%s has no panel %q", c.board, c.panel)
		}
	}
	// The list of alarms has the planted ones, worst first or not, and no other of this community.
	for _, q := range queries(Build(English)["overview"]) {
		if q.panel == nil || q.prom || q.panel.Title != "Open alarms" {
			continue
		}
		want := []string{"p-bin-2 bin_fire critical", "p-bin-2 device_reported warning", "p-gate-1 forced_open critical", "p-lamp-2 device_reported warning", "p-meter-2 continuous_flow warning"}
		var got []string
		s.wait(fmt.Sprintf("the open alarms %q", want), func() bool {
			rows, err := ask(t, s.database, "facilities", q, values{community: planted}, 0, time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			for _, r := range rows {
				if r["severity"] != "info" { // the lamp's reset, for a day
					got = append(got, fmt.Sprint(r["device"], " ", r["type"], " ", r["severity"]))
				}
			}
			slices.Sort(got)
			return slices.Equal(got, want)
		})
	}
}

// promServer is Debian's Prometheus scraping the service each second.
type promServer struct {
	t   *testing.T
	url string
	// standIn names the metrics that this service does not expose yet and that
	// come from planted values, so that their queries are run all the same.
	standIn []string
}

func startPrometheus(t *testing.T, s *service) *promServer {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("prometheus is not installed")
		}
		t.Log("prometheus is not installed: its queries are not run")
		return nil
	}
	p := &promServer{t: t}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	p.url = "http://" + address

	stand := standIns(s)
	p.standIn = append(p.standIn, stand.names...)
	standServer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: promhttp.HandlerFor(stand.registry, promhttp.HandlerOpts{})}
	go func() { _ = server.Serve(standServer) }() // ends with Close
	t.Cleanup(func() { server.Close() })

	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- {job_name: greencommunity, static_configs: [{targets: [%q]}]}\n- {job_name: planted, static_configs: [{targets: [%q]}]}\n", s.addr, standServer.Addr().String())
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--log.level=error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return p
}

// standIns are planted values of metrics that appear only under a condition
// which this test does not meet: a baseline of a year, say. Counters grow by
// their value each second.
type standInMetrics struct {
	registry *prometheus.Registry
	names    []string
}

// plantedMetrics are their values; each label not named has a plain one.
var plantedMetrics = map[string]float64{
	"greencommunity_energy_savings_joules": 7.2e6, "greencommunity_energy_savings_uncertainty_joules": 3.6e6,
	"greencommunity_water_savings_cubic_meters": 12, "greencommunity_water_savings_uncertainty_cubic_meters": 5,
	"greencommunity_build_info": 1, "greencommunity_shard": 1, "greencommunity_standby": 1, "greencommunity_tls_certificate_expiry_timestamp_seconds": 4e9, "greencommunity_savings_significant": 1, "greencommunity_savings_coverage_ratio": 0.93, "greencommunity_unaccounted_ratio": 0.06, "greencommunity_baseline_calendar_end_timestamp_seconds": 1.8e9,
}

func standIns(s *service) standInMetrics {
	stand := standInMetrics{registry: prometheus.NewRegistry()}
	exposed := s.gather()
	alone := map[string]string{"community": planted, "facility": "lighting", "period": "quarter", "status": "provisional", "confidence": "0.90", "resource": "electricity", "direction": "down", "reason": "late", "of": "actual", "boundary": "lamps", "version": "1", "ipmvp": "B", "method": "regression", "basis": "base_year", "area": "Gansu", "year": "2022", "source": "doc-1", "stream": "food", "result": "correct", "peer": "mqtt.county.example:8883", "day": "yesterday", "revision": "abc", "goversion": "go1.26", "kind": "burst", "what": "hours"}
	started := time.Now()
	for _, m := range Metrics {
		// What messages make appear is not there yet, and will be.
		if exposed[m.Name] != nil || m.When == always || m.When != ofProgram && m.When != onCertificate && m.When != onBoundary && m.When != onFactor && m.When != onDensity && m.When != onStated && m.When != onDaysOff && m.When != onDeposit && m.When != onParent && m.When != onInspection && m.When != onHousehold && m.When != onJudged {
			continue
		}
		stand.names = append(stand.names, m.Name)
		value, ok := plantedMetrics[m.Name]
		if !ok {
			value = 1
		}
		add := func(labels prometheus.Labels, value float64) {
			if m.Type == "counter" {
				stand.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: m.Name, Help: m.Means.EN, ConstLabels: labels}, func() float64 { return value * time.Since(started).Seconds() }))
			} else {
				stand.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: m.Name, Help: m.Means.EN, ConstLabels: labels}, func() float64 { return value }))
			}
		}
		labels := prometheus.Labels{}
		for _, l := range m.Labels {
			labels[l] = alone[l]
		}
		if m.When == onParent { // of the board of water
			labels["facility"], labels["resource"] = "water", "water"
		}
		add(labels, value)
	}
	return stand
}

type promSample struct {
	labels map[string]string
	value  float64
}

// eval runs a query now, or over the last half minute.
func (p *promServer) eval(expr string, ranged bool) ([]promSample, error) {
	form := url.Values{"query": {expr}}
	path := "/api/v1/query"
	if ranged {
		now := time.Now()
		path = "/api/v1/query_range"
		form.Set("start", fmt.Sprint(now.Add(-30*time.Second).Unix()))
		form.Set("end", fmt.Sprint(now.Unix()))
		form.Set("step", "2")
	}
	r, err := http.PostForm(p.url+path, form)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s", answer.Error)
	}
	var found []promSample
	for _, series := range answer.Data.Result {
		points := series.Values
		if !ranged {
			points = [][2]any{series.Value}
		}
		for _, point := range points {
			text, _ := point[1].(string)
			if v, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(v) {
				found = append(found, promSample{series.Metric, v})
			}
		}
	}
	return found, nil
}

// scraped waits until both targets have been scraped twice.
func (p *promServer) scraped(s *service) {
	if p == nil {
		return
	}
	s.wait("Prometheus", func() bool {
		found, err := p.eval(`min(sum_over_time(up[1m]))`, false)
		return err == nil && len(found) == 1 && found[0].value >= 2
	})
}

// check runs every query of Prometheus.
func (p *promServer) check(s *service) {
	if p == nil {
		return
	}
	t := p.t
	s.wait("Prometheus to have seen all", func() bool {
		found, err := p.eval("sum(increase("+Prefix+"messages_received_total[1m]))", false)
		return err == nil && len(found) == 1 && found[0].value > 1000
	})
	s.wait("the devices to be in a checkpoint, and that to be scraped", func() bool {
		found, err := p.eval("sum("+Prefix+"devices{community=\""+planted+"\"})", false)
		return err == nil && len(found) == 1 && found[0].value == 8
	})
	s.wait("alarms to have been scraped twice", func() bool {
		found, err := p.eval("increase("+Prefix+"anomalies_total{community=\""+planted+"\"}[1h])", true)
		return err == nil && len(found) > 0
	})
	v := values{community: ".*", vendor: ".*", period: "quarter", rateInterval: "30s"}
	t.Run("promql", func(t *testing.T) {
		ran := 0
		for _, l := range Languages {
			for _, d := range Build(l) {
				for _, q := range queries(d) {
					if !q.prom {
						continue
					}
					ran++
					ranged := q.panel != nil && q.panel.Type == "timeseries"
					found, err := p.eval(fillProm(q.text, v), ranged)
					if err != nil {
						t.Errorf("%s: %v in %s", q.where, err, q.text)
					} else if len(found) == 0 && !ofData(q) && !strings.Contains(q.text, `latitude=""`) {
						t.Errorf("%s: no data: %s", q.where, q.text)
					}
				}
			}
		}
		t.Logf("%d queries of Prometheus; planted for want of a condition: %q", ran, p.standIn)
	})
	t.Run("promql tiles", func(t *testing.T) {
		v := v
		v.community = planted
		for _, c := range []struct {
			board, panel string
			want         float64
		}{
			{"community", "Households", 77}, {"community", "Devices", 8}, {"community", "Online", 1}, {"community", "Open alarms", 7},
			{"overview", "Critical alarms", 2}, {"overview", "Warnings", 5}, {"overview", "Gate alarms", 1}, {"overview", "Bins overfull", 1},
			{"water", "Suspected leaks", 2}, {"gate", "Forced open", 1}, {"waste", "Open alarms", 2},
			{"overview", "Lamps burning", 0.5}, {"lighting", "Power now", 42.5}, {"overview", "Water today", 0.5}, {"waste", "Bins overfull", 1}, {"waste", "Overfull alarms", 0}, {"community", "Inhibited alarms", 0},
			{"savings", "Energy saved", 2}, {"savings", "± energy", 1}, {"savings", "Water saved", 12}, {"savings", "± water", 5},
			{"savings", "Not distinguishable from zero", 0}, {"savings", "Least coverage", 0.93},
			{"programme", "Urban communities", 3}, {"programme", "Participating, share", 1}, {"programme", "Met, share", 1. / 3}, {"programme", "To the target", 1},
			{"ingester", "Running", 1}, {"ingester", "Broker connected", 1}, {"ingester", "InfluxDB held", 0}, {"ingester", "Pending", 0}, {"ingester", "Account", 0}, {"ingester", "Journal errors", 0},
		} {
			found := 0
			for _, q := range queries(Build(English)[c.board]) {
				if q.panel == nil || !q.prom || q.panel.Title != c.panel || q.panel.Type != "stat" {
					continue
				}
				found++
				samples, err := p.eval(fillProm(q.text, v), false)
				if err != nil || len(samples) != 1 || math.Abs(samples[0].value-c.want) > 1e-9 {
					t.Errorf("%s: %v %v, want %g", q.where, samples, err, c.want)
				}
			}
			if found != 1 {
				t.Errorf("%s has %d tiles %q", c.board, found, c.panel)
			}
		}
		// The map: red where a bin burns, grey nowhere, with place and name.
		for _, q := range queries(Build(English)["overview"]) {
			if q.panel != nil && q.panel.Type == "geomap" {
				samples, err := p.eval(fillProm(q.text, v), false)
				if err != nil || len(samples) != 1 || samples[0].value != 3 || samples[0].labels["name"] != "种植社区" || samples[0].labels["latitude"] != "34.7" {
					t.Errorf("map: %v %v", samples, err)
				}
			}
		}
	})
	t.Run("promql renamed metric", func(t *testing.T) {
		if found, err := p.eval("sum("+Prefix+"appliances)", false); err != nil || len(found) > 0 {
			t.Errorf("a metric that does not exist gives %v, %v", found, err)
		}
	})
}

// countersAreThere holds what is exposed before the first message against what
// the inventory knows: a series that begins with the first refusal hides it
// (field/grafana case 01).
func (s *service) countersAreThere() {
	s.t.Helper()
	inv, err := inventory.Parse([]byte(simulator.Inventory()), beijing)
	if err != nil {
		s.t.Fatal(err)
	}
	all := s.gather()
	for metric, want := range map[string]int{
		"messages_received_total": len(inv.Vendors) + 1, // and of no vendor
		"messages_rejected_total": (len(inv.Vendors) + 1) * len(ingest.Reasons),
		"readings_refused_total":  (len(inv.Vendors) + 1) * len(ingest.Reasons),
	} {
		if f := all[Prefix+metric]; f == nil || len(f.Metric) != want {
			s.t.Errorf("before any message %s has %d series, want %d", metric, len(f.GetMetric()), want)
		}
	}
}

// ofData reports whether a query is of a board that is made from the registry of
// quantities: of what nobody reports here it has no data.
func ofData(q query) bool {
	if strings.HasPrefix(q.where, "gc-device-") {
		return true
	}
	for _, kind := range builtin.Kinds() {
		if _, planted := map[ingest.FacilityKind]bool{"lighting": true, "water": true, "waste": true, "gate": true}[kind]; !planted && strings.HasPrefix(q.where, "gc-"+string(kind)) {
			return true
		}
	}
	return false
}

// deviceOf is the planted device that a query of a device's board is asked of.
func deviceOf(q query) string {
	for board, device := range map[string]string{"gc-device-lighting": "p-lamp-1", "gc-device-water": "p-meter-1", "gc-device-waste": "p-bin-2", "gc-device-gate": "p-gate-1"} {
		if strings.HasPrefix(q.where, board) {
			return device
		}
	}
	return "p-lamp-2"
}
