package dashboards

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
)

// A county of 100 communities with 100,000 devices (2,000 unless
// GREENCOMMUNITY_LONG is set): how long every query of
// InfluxDB on the overview takes is logged, and the slowest of each other board,
// for one community, and of those that ask for use, a year of all communities. The budget is 2 s, on a machine that does nothing else.
func TestLongOverviewOfACounty(t *testing.T) {
	each := 20 // devices a community
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		each = 1000
	}
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := influx.New(influx.Options{URL: db.URL(), Org: "bureau", Bucket: "facilities", Timeout: time.Minute})
	defer w.Close()
	var lines strings.Builder
	written := 0
	flush := func() {
		if refused, err := w.Write(context.Background(), []byte(lines.String())); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
		lines.Reset()
	}
	line := func(format string, args ...any) {
		fmt.Fprintf(&lines, format+"\n", args...)
		if written++; written%5000 == 0 {
			flush()
		}
	}
	end := time.Now().Truncate(time.Hour)
	for hour := range 25 {
		at := end.Add(time.Duration(hour-24) * time.Hour).UnixMilli()
		for c := range 100 {
			for d := range each * 40 / 100 {
				line("usage,community=c%03d,device=c%03d-lamp-%d,facility=lighting,resource=electricity,vendor=v used=0.04,covered=3600 %d", c, c, d, at)
				line("lighting,community=c%03d,device=c%03d-lamp-%d,vendor=v energy_total=%g,active_power=42,light_on=1i,light_level=1 %d", c, c, d, 0.04*float64(hour), at)
			}
			for d := range each * 45 / 100 {
				line("usage,community=c%03d,device=c%03d-meter-%d,facility=water,resource=water,vendor=v used=0.01,covered=3600 %d", c, c, d, at)
				line("water,community=c%03d,device=c%03d-meter-%d,vendor=v water_volume_total=%g %d", c, c, d, 0.01*float64(hour), at)
			}
			for d := range each / 10 {
				line("waste,community=c%03d,device=c%03d-bin-%d,vendor=v fill_level=0.5,bin_temperature=9 %d", c, c, d, at)
			}
			for d := range each / 20 {
				line("gate,community=c%03d,device=c%03d-gate-%d,vendor=v pass_in=3,pass_out=2,door_open=0i %d", c, c, d, at)
			}
		}
	}
	for day := range 365 {
		at := end.AddDate(0, 0, -day).Truncate(24 * time.Hour).Add(-8 * time.Hour).UnixMilli()
		for c := range 100 {
			line("usage_daily,community=c%03d,facility=lighting,resource=electricity used=12.5,covered=86400,meters=40 %d", c, at)
			line("usage_daily,community=c%03d,facility=water,resource=water used=31.25,covered=86400,meters=45 %d", c, at)
		}
	}
	for c := range 100 {
		for day := range 90 {
			at := end.AddDate(0, 0, -day).UnixMilli()
			line("savings,community=c%03d,facility=lighting,resource=electricity baseline=10,actual=8,saving=2,uncertainty=1,coverage=1 %d", c, at)
			line("savings,community=c%03d,facility=water,resource=water baseline=10,actual=8,saving=2,uncertainty=1,coverage=1 %d", c, at)
			// Two alarms a day in each community, all but 20 cleared.
			for i := range 2 {
				active := 0
				if day == 0 && c%10 == 0 {
					active = 1
				}
				line("events,community=c%03d,device=c%03d-lamp-%d,facility=lighting,type=outage,vendor=v active=%di,code=\"warning\",value=0,expected=42 %d", c, c, day*2+i, active, at)
			}
		}
	}
	flush()
	t.Logf("%d points of %d devices", written, 100*each)
	worst, year := map[string]time.Duration{}, map[string]time.Duration{}
	for name, d := range Build(Chinese) {
		for _, q := range queries(d) {
			if q.prom || q.panel == nil {
				continue
			}
			in := "c001"
			if name == "overview" {
				in = ".*"
			}
			start := time.Now()
			rows, err := ask(t, db, "facilities", q, values{community: in, device: "c001-lamp-1", interval: "10m"}, 7*24*time.Hour, end.Add(time.Minute))
			took := time.Since(start)
			if err != nil {
				t.Errorf("%s: %v", q.where, err)
			}
			worst[name] = max(worst[name], took)
			if strings.Contains(q.text, "usage") { // a year of what outlives single readings
				start := time.Now()
				if _, err := ask(t, db, "facilities", q, values{community: ".*", device: "c001-lamp-1", interval: "1d"}, 365*24*time.Hour, end.Add(time.Minute)); err != nil {
					t.Errorf("%s: %v", q.where, err)
				}
				year[name] = max(year[name], time.Since(start))
			}
			if name == "overview" {
				t.Logf("%s: %d rows, %v", q.where, len(rows), took.Round(time.Millisecond))
				if len(rows) == 0 {
					t.Errorf("%s: no data", q.where)
				}
			}
		}
	}
	var names []string
	for name := range worst {
		names = append(names, fmt.Sprintf("%s %v", name, worst[name].Round(10*time.Millisecond)))
	}
	slices.Sort(names)
	t.Logf("slowest query of each board: %s", strings.Join(names, ", "))
	names = names[:0]
	for name, took := range year {
		names = append(names, fmt.Sprintf("%s %v", name, took.Round(10*time.Millisecond)))
	}
	slices.Sort(names)
	t.Logf("slowest of what was used in a year, all communities: %s", strings.Join(names, ", "))
}
