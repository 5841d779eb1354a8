package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/dashboards"
	"greencommunity/deploy/embedded"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/savings/report"
)

// oddMeters are the readings of a community's meters until now, an hour apart,
// under exchanges told and not told, wraps, garbage, zeros, misreads and gaps;
// and what wm-2 showed last when it was exchanged after 5 days for one at 7.
func oddMeters(first, now time.Time) (messages map[string][]string, closing float64) {
	random := rand.New(rand.NewPCG(5, 6))
	messages = map[string][]string{}
	type meter struct {
		value, offset float64
		quiet         int // hours it is silent for
	}
	for i := range 4 {
		m := meter{value: 40 + float64(i)*30}
		if i == 0 {
			m.value = 995 // wraps at 1000
		}
		id := fmt.Sprintf("wm-%d", i)
		for h := 0; ; h++ {
			at := first.Add(time.Duration(h)*time.Hour + time.Duration(7*i)*time.Minute)
			if at.After(now) {
				break
			}
			m.value += float64(random.IntN(60)) / 1000
			left := now.Sub(at) > 4*time.Hour // the last hours are plain
			shown := math.Mod(m.value+m.offset, 1000)
			if m.quiet > 0 {
				m.quiet--
				continue
			}
			if left {
				switch random.IntN(70) {
				case 0:
					shown = 0
				case 1:
					shown = float64(random.IntN(1e6))
				case 2:
					shown += 10
				case 3:
					m.quiet = random.IntN(60)
				}
			}
			if i == 1 && h == 24*9 {
				m.offset += 300 // another meter, and nobody said so
				continue
			}
			if i == 2 && !at.Before(first.AddDate(0, 0, 5)) && m.offset == 0 {
				closing = m.value
				m.offset = 7 - m.value
				shown, m.quiet = 7, 0
			}
			if random.IntN(30) > 0 {
				messages[id] = append(messages[id], fmt.Sprintf(`{"time":%d,"water_volume_total":%.3f}`, at.UnixMilli(), shown))
			}
		}
	}
	return messages, closing
}

// One figure for a day of use of a community: page, /metrics, the board's query,
// hours of meters, report and recomputation agree.
func TestOneFigureOfADay(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(zone)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone)
	first := midnight.AddDate(0, 0, -12)
	messages, closing := oddMeters(first, now)

	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0", Open: true})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	db := startDatabase(t)
	dir, _, path := writeConfig(t, strings.TrimPrefix(broker.URL(), "tcp://"), "http://"+db.addr, "")
	inventory := fmt.Sprintf(`
communities:
- id: nancheng
  name: 南城社区
  boundaries:
  - id: households
    spec:
      resource: water
      ipmvp: none
      meters: [{device: wm-0}, {device: wm-1}, {device: wm-2}, {device: wm-3}]
      register: {modulus: 1000, tolerance: 0.01}
      swaps: [{device: wm-2, at: %q, closing: %g, opening: 7}]
vendors:
- id: v
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
  devices: # a flat behind a building's meter behind one of the boundary: counted by that one
  - {id: a-flat, community: nancheng, facility: water, parent: building}
  - {id: building, community: nancheng, facility: water, parent: wm-0}
  - {id: wm-0, community: nancheng, facility: water}
`, first.AddDate(0, 0, 5).Add(14*time.Minute).Format(time.RFC3339), closing)
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := serve.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve.New(conf, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for at := first; at.Before(now); at = at.Add(time.Hour) {
		h := at.Sub(first).Hours()
		messages["a-flat"] = append(messages["a-flat"], fmt.Sprintf(`{"time":%d,"water_volume_total":%.3f}`, at.UnixMilli(), 5+0.01*h))
		messages["building"] = append(messages["building"], fmt.Sprintf(`{"time":%d,"water_volume_total":%.3f}`, at.UnixMilli(), 90+0.02*h))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	in := &ingester{process: &process{t: t}, url: "http://" + s.Addr()}
	in.waitReady()
	publisher, err := simulator.Connect(broker.URL(), "odd", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	sent := 0
	publish := func(id string, readings []string) {
		sent++
		if err := publisher.Publish(simulator.Message{Topic: "greencommunity/v1/nancheng/water/" + id, Payload: []byte("[" + strings.Join(readings, ",") + "]")}); err != nil {
			t.Fatal(err)
		}
	}
	for id, readings := range messages { // hours are told apart from when the meter in front is heard
		publish(id, readings[:1])
	}
	for id, readings := range messages {
		for chunk := range slices.Chunk(readings[1:], 50) {
			publish(id, chunk)
		}
	}
	if err := publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	in.waitSettled(float64(sent), time.Minute)

	// What the board asks, and what it shows of a day.
	board := ""
	for _, p := range dashboards.Build(dashboards.English)["water"].Panels {
		if p.Title == "Water a day" {
			board = p.Targets[0].Query
		}
	}
	ask := func(query string, day time.Time) float64 {
		filter := fmt.Sprintf("time >= %d AND time < %d", day.UnixNano(), day.AddDate(0, 0, 1).UnixNano())
		query = strings.NewReplacer("$timeFilter", filter, "${community:regex}", "nancheng").Replace(query)
		sum := math.NaN()
		for _, row := range db.rows(query) {
			if v, ok := row["sum"].(json.Number); ok {
				sum, _ = v.Float64()
			}
		}
		return sum
	}
	compute := func(day time.Time, more ...string) string {
		var out strings.Builder
		args := append([]string{"savings", "--config", path, "--from", day.Format(time.DateOnly), "--to", day.AddDate(0, 0, 1).Format(time.DateOnly)}, more...)
		if err := run(ctx, args, streams{strings.NewReader(""), &out, os.Stderr}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	computed := func(day time.Time) float64 {
		var statement struct {
			Items []struct {
				Boundaries []struct{ Use float64 }
			}
		}
		if err := json.Unmarshal([]byte(compute(day)), &statement); err != nil {
			t.Fatal(err)
		}
		return statement.Items[0].Boundaries[0].Use
	}
	same := func(a, b float64) bool { return math.Round(a*1e6) == math.Round(b*1e6) }

	// The rest of today's hours is told a few seconds after the last read.
	shown := math.NaN()
	eventually(t, 30*time.Second, "the same figure everywhere", func() error {
		m, err := in.metrics()
		if err != nil {
			return err
		}
		shown = m.sum("greencommunity_water_today_cubic_meters")
		text, err := get(in.url + "/api/v1/overview")
		if err != nil {
			return err
		}
		var page struct {
			Total struct {
				Water float64 `json:"water_today_m3"`
			}
			Communities []struct {
				Water float64 `json:"water_today_m3"`
			}
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			return err
		}
		asked := ask(board, midnight)
		if !same(shown, asked) || len(page.Communities) != 1 || !same(page.Communities[0].Water, shown) {
			return fmt.Errorf("metrics %v, board %v, page %+v", shown, asked, page)
		}
		return nil
	})
	if c := computed(midnight); !same(c, shown) {
		t.Errorf("today: %v, recomputed %v", shown, c)
	}
	total := 0.0
	for day := first; day.Before(midnight); day = day.AddDate(0, 0, 1) {
		asked, c := ask(board, day), computed(day)
		eventually(t, 30*time.Second, day.Format(time.DateOnly), func() error { // the last hours may be on their way
			asked = ask(board, day)
			if hours := ask("SELECT sum(used) FROM usage WHERE behind = '' AND $timeFilter", day); !same(asked, hours) || !same(asked, c) {
				return fmt.Errorf("board %v, hours of meters %v, recomputed %v", asked, hours, c)
			}
			return nil
		})
		total += asked
	}
	// Four meters use 0.0295 m3 an hour each in the mean; what is unknown is not made up.
	if most := 4 * 12 * 24 * 0.0295 * 1.1; !(total > 0.6*most && total < most) {
		t.Errorf("%v m3 in 12 days", total)
	}
	// The report of yesterday, to the digits it prints.
	file := filepath.Join(dir, "report.csv")
	yesterday := midnight.AddDate(0, 0, -1)
	compute(yesterday, "--report", file, "--reporting-unit", "x")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := report.Rounded(ask(board, yesterday), ask(board, yesterday)/100)
	if !strings.Contains(string(text), ",立方米,") || !strings.Contains(string(text), ","+want+",未知\r\n") && !strings.Contains(string(text), ","+want+",未知\n") {
		t.Errorf("the report does not say that %s m3 were used:\n%s", want, text)
	}
}
