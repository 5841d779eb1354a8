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
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"greencommunity/cmd/internal/serve"
	"greencommunity/deploy/embedded"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/holidays"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/sun"
)

// Issue 4: a saving that was planted in communities, and published over MQTT,
// is found in InfluxDB: it lies inside the 90 % band about as often as 90 %
// says, and one of 0 is called not distinguishable from zero as often. A band
// that holds in 90 of 100 has fewer than 14 of 20 once in 400 times.
func TestPlantedSavingEndToEndLong(t *testing.T) {
	t.Parallel()
	if long() {
		plantedSavings(t, 100, 85) // the promise itself
	} else {
		plantedSavings(t, 20, 14)
	}
}

const (
	plantedLat, plantedLon = 34.75, 106.13
	plantedPersons         = 1000
	plantedZ90             = 1.6448536269514722
)

// plantedCommunity is 100 lamps behind one meter and 1000 persons behind
// another, of which a fraction of the use is saved.
type plantedCommunity struct {
	id      string
	seed    int
	planted float64
	// What would have been used, kWh and m³, by day; the meter's true share of it.
	light, water []float64
	lightTruth   float64
	waterTruth   float64
	watts, meter float64
	baseline     *baseline.PerHead // of the water, fitted to the year before
	rng          *rand.Rand
}

// plantedUse draws what a community would have used without a measure. What is
// known of the lamps' watts is within 5 %, the meter is of class 1, both at
// 90 %. Households' days follow the season, scatter by 8 % and remember the day
// before.
func plantedUse(t *testing.T, seed int, planted float64, first, to time.Time) *plantedCommunity {
	c := &plantedCommunity{id: fmt.Sprintf("c%02.0f-%03d", planted*100, seed), seed: seed, planted: planted}
	c.rng = rand.New(rand.NewPCG(uint64(seed), 1000+uint64(planted*100)))
	c.watts = 168 * (1 + c.rng.NormFloat64()*0.05/plantedZ90)
	c.meter = 1 + c.rng.NormFloat64()*0.01/plantedZ90
	noise := 0.0
	var before []baseline.PersonDay
	for n := -365; ; n++ {
		date := first.AddDate(0, 0, n)
		if !date.Before(to) {
			break
		}
		noise = 0.4*noise + math.Sqrt(1-0.4*0.4)*c.rng.NormFloat64()
		use := plantedPersons * (0.110 + 0.02*math.Sin(2*math.Pi*float64(date.YearDay()-100)/365)) * (1 + 0.08*noise)
		if n < 0 {
			before = append(before, baseline.PersonDay{Date: date, Use: use, Persons: plantedPersons})
			continue
		}
		lit := 95 * c.watts * baseline.BurnHours(date, plantedLat, plantedLon, sun.Civil) / 1000
		c.light, c.water = append(c.light, lit), append(c.water, use)
		c.lightTruth += lit * planted
		c.waterTruth += use * planted
	}
	var err error
	if c.baseline, err = baseline.FitPerCapita(before, holidays.Standard()); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *plantedCommunity) inventory(t *testing.T, first time.Time) string {
	numbers := func(v any) string {
		b, err := yaml.MarshalWithOptions(v, yaml.Flow(true))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	period := fmt.Sprintf("[%s, %s]", first.AddDate(0, 0, -365).Format(time.DateOnly), first.Format(time.DateOnly))
	return fmt.Sprintf(`
- id: %[1]s
  name: 社区%[1]s
  lat: %[2]g
  lon: %[3]g
  boundaries:
  - id: lamps
    spec:
      resource: electricity
      ipmvp: B
      meters: [{device: %[1]s-em}]
      uncertainty: {meter_class: 1, watts_rel: 0.05}
      baseline: {version: 1, period: %[4]s, method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 168, burning: 0.95}]}
  - id: households
    spec:
      resource: water
      ipmvp: C
      meters: [{device: %[1]s-wm}]
      population: [{from: 2020-01-01, persons: %[5]d, source: register}]
      baseline: {version: 1, period: %[4]s, method: per_capita_monthly, relative: true, monthly: %[6]s, monthly_days: %[7]s, n: %[8]d, n_eff: %[9]v, rmse_n_minus_p: %[10]v}
`, c.id, plantedLat, plantedLon, period, plantedPersons, numbers(c.baseline.Monthly), numbers(c.baseline.MonthlyDays), c.baseline.N, c.baseline.Effective, c.baseline.RMSE)
}

// dayShape says how households spread a day's water over its hours.
var dayShape = [24]float64{1, 0.6, 0.4, 0.4, 0.5, 1.5, 5, 8, 7, 5, 4, 5, 6, 4, 3, 3, 4, 6, 8, 8, 7, 6, 4, 2.6}

// publish sends the registers as they stand on the hour, a message a day and
// meter, as a gateway does that keeps readings back: 2 % of the hours are
// missing, and every tenth message comes twice.
func (c *plantedCommunity) publish(first time.Time, send func(topic string, payload []byte)) {
	shapeSum := 0.0
	for _, s := range dayShape {
		shapeSum += s
	}
	lamps, households := 100.0, 5000.0
	days := len(c.water)
	for day := range days + 1 {
		date := first.AddDate(0, 0, day)
		var light, water strings.Builder
		for hour := range 24 {
			at := date.Add(time.Duration(hour) * time.Hour)
			if day == days && hour == 3 {
				break // the reads after the last midnight
			}
			// The first read says where the registers begin.
			if c.rng.Float64() > 0.02 || day == 0 && hour == 0 || day == days {
				fmt.Fprintf(&light, `,{"time":%d,"energy_total":%.2f}`, at.UnixMilli(), lamps)
				fmt.Fprintf(&water, `,{"time":%d,"water_volume_total":%.3f}`, at.UnixMilli(), households)
			}
			if day == days {
				continue
			}
			lamps += 95 * c.watts * darkHours(at) / 1000 * (1 - c.planted) * c.meter
			households += c.water[day] * dayShape[hour] / shapeSum * (1 - c.planted)
		}
		for device, list := range map[string]string{"lighting/" + c.id + "-em": light.String(), "water/" + c.id + "-wm": water.String()} {
			for range 1 + min(1, (day+1)%10/9) {
				send("greencommunity/v1/"+c.id+"/"+device, []byte("["+list[1:]+"]"))
			}
		}
	}
}

// darkHours returns for how much of the hour from at the lamps burn.
func darkHours(at time.Time) float64 {
	dark := 0.0
	for _, date := range []time.Time{at.AddDate(0, 0, -1), at} {
		begin, end, ok := sun.Night(date, plantedLat, plantedLon, sun.Civil)
		if !ok {
			continue
		}
		from, to := begin, end
		if from.Before(at) {
			from = at
		}
		if next := at.Add(time.Hour); to.After(next) {
			to = next
		}
		dark += max(0, to.Sub(from).Hours())
	}
	return dark
}

// statementItem is a line of what greencommunity savings --from --to prints.
type statementItem struct {
	Community   string  `json:"community"`
	Resource    string  `json:"resource"`
	Baseline    float64 `json:"adjusted_baseline"`
	Saving      float64 `json:"saving"`
	Uncertainty float64 `json:"uncertainty"`
	Coverage    float64 `json:"coverage"`
	Verdict     string  `json:"verdict"`
}

func plantedSavings(t *testing.T, seeds, least int) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	// The last quarter that is over: readings older than 400 days are not
	// believed, and figures of a fixed quarter do not change from day to day.
	now := time.Now().In(zone).AddDate(0, 0, -2)
	to := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, zone)
	first := to.AddDate(0, -3, 0)

	var inventory strings.Builder
	inventory.WriteString("communities:")
	fractions := []float64{0, 0.10, 0.30}
	communities := map[string]*plantedCommunity{}
	var order []*plantedCommunity
	for _, planted := range fractions {
		for seed := range seeds {
			c := plantedUse(t, seed, planted, first, to)
			communities[c.id], order = c, append(order, c)
			inventory.WriteString(c.inventory(t, first))
		}
	}
	inventory.WriteString("vendors:\n- {id: v, sources: [{topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}]}\n")

	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	db := startDatabase(t)
	dir, _, path := writeConfig(t, strings.TrimPrefix(broker.URL(), "tcp://"), "http://"+db.addr, "")
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory.String()), 0o600); err != nil {
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
	start := time.Now()
	publisher, err := simulator.Connect(broker.URL(), "planted", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	sent := 0
	for _, c := range order {
		c.publish(first, func(topic string, payload []byte) {
			sent++
			if err := publisher.Publish(simulator.Message{Topic: topic, Payload: payload}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if err := publisher.Flush(); err != nil {
		t.Fatal(err)
	}
	account := in.waitSettled(float64(sent), 4*time.Minute)
	if n := account.sum("greencommunity_messages_rejected_total"); n != 0 {
		t.Fatalf("%g messages rejected", n)
	}
	t.Logf("%d messages, %.0f readings, stored after %s", sent, account.sum("greencommunity_readings_total"), time.Since(start).Round(time.Millisecond))

	start = time.Now()
	var out strings.Builder
	if err := run(ctx, []string{"savings", "--config", path, "--from", first.Format(time.DateOnly), "--to", to.Format(time.DateOnly)}, streams{strings.NewReader(""), &out, os.Stderr}); err != nil {
		t.Fatal(err)
	}
	t.Logf("recomputed in %s", time.Since(start).Round(time.Millisecond))
	var statement struct {
		Items []statementItem `json:"items"`
	}
	if err := json.Unmarshal([]byte(out.String()), &statement); err != nil {
		t.Fatal(err)
	}
	if len(statement.Items) != 2*len(order) {
		t.Fatalf("%d figures of %d", len(statement.Items), 2*len(order))
	}
	type run struct {
		resource string
		planted  float64
	}
	inside, indistinct, wrong := map[run]int{}, map[run]int{}, 0
	for _, item := range statement.Items {
		c := communities[item.Community]
		r, truth := run{item.Resource, c.planted}, c.lightTruth
		if item.Resource == "water" {
			truth = c.waterTruth
		}
		if item.Coverage != 1 || !(item.Uncertainty > 0) {
			wrong++
			if wrong <= 5 {
				t.Errorf("%s %s: coverage %g, band %g", item.Community, item.Resource, item.Coverage, item.Uncertainty)
			}
		}
		if math.Abs(item.Saving-truth) <= item.Uncertainty {
			inside[r]++
		}
		if item.Verdict == baseline.Indistinct {
			indistinct[r]++
		}
	}
	for _, planted := range fractions {
		for _, resource := range []string{"electricity", "water"} {
			r := run{resource, planted}
			t.Logf("%s, %.0f %% planted: inside the band in %d of %d, not distinguishable from zero in %d", resource, planted*100, inside[r], seeds, indistinct[r])
			if inside[r] < least {
				t.Errorf("%s, %.0f %% planted: inside the band in only %d of %d", resource, planted*100, inside[r], seeds)
			}
			if planted == 0 && indistinct[r] < least {
				t.Errorf("%s: nothing was saved, and only %d of %d say so", resource, indistinct[r], seeds)
			}
		}
	}
}
