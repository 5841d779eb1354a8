package dashboards

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
)

// countyDays is how a county is planted: devices a community, days of single readings
// and of hours of meters, days of places.
type countyOf struct{ each, readings, hours, days int }

// plantCounty writes a county of 100 communities of two compounds: lamps that report
// every 15 minutes, meters and bins every hour, gates every 10 minutes.
func plantCounty(t *testing.T, url string, of countyOf, end time.Time) (points int) {
	t.Helper()
	w := influx.New(influx.Options{URL: url, Org: "bureau", Bucket: "facilities", Timeout: time.Minute})
	defer w.Close()
	var lines []byte
	flush := func() {
		if refused, err := w.Write(context.Background(), lines); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
		lines = lines[:0]
	}
	line := func(format string, args ...any) {
		lines = append(fmt.Appendf(lines, format, args...), '\n')
		if points++; points%10000 == 0 {
			flush()
		}
	}
	lamps, meters, bins, gates := of.each*40/100, of.each*45/100, of.each/10, of.each/20
	for hour := range of.hours * 24 {
		at := end.Add(time.Duration(hour-of.hours*24+1) * time.Hour)
		ms := at.UnixMilli()
		for c := range 100 {
			where := func(d int) string { return fmt.Sprintf("community=c%03d,compound=k%d", c, d%2) }
			for d := range lamps {
				line("usage,%s,device=c%03d-lamp-%d,facility=lighting,resource=electricity,vendor=v used=0.04,covered=3600 %d", where(d), c, d, ms)
			}
			for d := range meters {
				line("usage,%s,device=c%03d-meter-%d,facility=water,resource=water,vendor=v used=0.01,covered=3600 %d", where(d), c, d, ms)
			}
			if hour < (of.hours-of.readings)*24 {
				continue
			}
			for d := range lamps {
				for m := range 4 {
					line("lighting,%s,device=c%03d-lamp-%d,vendor=v energy_total=%g,active_power=42,light_on=1i,light_level=1,voltage=230 %d", where(d), c, d, 0.04*float64(hour), ms+int64(m)*900_000)
				}
			}
			for d := range meters {
				line("water,%s,device=c%03d-meter-%d,vendor=v water_volume_total=%g,battery_level=90 %d", where(d), c, d, 0.01*float64(hour), ms)
			}
			for d := range bins {
				line("waste,%s,device=c%03d-bin-%d,stream=residual,vendor=v fill_level=0.5,bin_temperature=9 %d", where(d), c, d, ms)
			}
			for d := range gates {
				for m := range 6 {
					line("gate,%s,device=c%03d-gate-%d,vendor=v pass_in=3,pass_out=2,door_open=0i %d", where(d), c, d, ms+int64(m)*600_000)
				}
			}
		}
	}
	for day := range of.days {
		at := end.AddDate(0, 0, -day).Truncate(24 * time.Hour).Add(-8 * time.Hour).UnixMilli()
		for c := range 100 {
			for k := range 2 {
				line("usage_daily,community=c%03d,compound=k%d,facility=lighting,resource=electricity used=12.5,covered=86400,meters=40 %d", c, k, at)
				line("usage_daily,community=c%03d,compound=k%d,facility=water,resource=water used=31.25,covered=86400,meters=45 %d", c, k, at)
			}
			line("savings,community=c%03d,facility=lighting,resource=electricity baseline=10,actual=8,saving=2,uncertainty=1,coverage=1 %d", c, at)
			line("savings,community=c%03d,facility=water,resource=water baseline=10,actual=8,saving=2,uncertainty=1,coverage=1 %d", c, at)
			// Two alarms a day in each community, all but 20 cleared.
			for i := range 2 {
				device := fmt.Sprintf("c%03d-lamp-%d", c, (day*2+i)%max(1, lamps))
				line("events,community=c%03d,device=%s,facility=lighting,type=outage,vendor=v active=1i,code=\"warning\",value=0,expected=42,unit=\"W\" %d", c, device, at)
				if day > 0 || c%5 != 0 {
					line("events,community=c%03d,device=%s,facility=lighting,type=outage,vendor=v active=0i,code=\"warning\",value=42,expected=42,unit=\"W\" %d", c, device, at+3_600_000)
				}
			}
		}
	}
	flush()
	return points
}

// plantPlaces writes the hours of places of so many days, of four quantities.
func plantPlaces(t *testing.T, url string, days int, end time.Time) (points int) {
	t.Helper()
	w := influx.New(influx.Options{URL: url, Org: "bureau", Bucket: "facilities", Timeout: time.Minute})
	defer w.Close()
	for day := range days {
		var lines []byte
		for h := range 24 {
			at := end.Add(time.Duration(-day*24-h) * time.Hour).UnixMilli()
			for c := range 100 {
				for _, q := range []string{"lighting,quantity=active_power", "lighting,quantity=voltage", "waste,quantity=fill_level", "gate,quantity=pass_in"} {
					lines = fmt.Appendf(lines, "place_hourly,community=c%03d,facility=%s total=420,readings=10,least=41,greatest=43 %d\n", c, q, at)
					points++
				}
			}
		}
		if refused, err := w.Write(context.Background(), lines); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
	}
	return points
}

// processorTime is what this process, InfluxDB in it, has used of the processor, in steps
// of 10 ms; 0 where there is no /proc. On a busy machine it says more than time does.
func processorTime() time.Duration {
	data, _ := os.ReadFile("/proc/self/stat")
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// A county of 100 communities with 20,000 devices and a year of days, and the single
// readings and hours of a week (2,000 devices and a day unless GREENCOMMUNITY_LONG is
// set; GREENCOMMUNITY_COUNTY names a directory that keeps it for the next run): how long
// each board's slowest panel takes for its own range, a week and a year, of all
// communities, is logged. The budget is 1 s, on a machine that does nothing else.
func TestLongOverviewOfACounty(t *testing.T) {
	of, dir := countyOf{each: 20, readings: 1, hours: 1, days: 60}, t.TempDir()
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		of = countyOf{each: 200, readings: 1, hours: 3, days: 365}
	}
	end, kept := time.Now().Truncate(time.Hour), os.Getenv("GREENCOMMUNITY_COUNTY")
	if kept != "" {
		of, dir = countyOf{each: 200, readings: 8, hours: 31, days: 400}, kept
		if os.Getenv("GREENCOMMUNITY_COUNTY_YEAR") != "" { // what a year is asked of, alone
			of.readings, of.hours = 0, 0
		}
	}
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: dir, Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	mark := filepath.Join(dir, "planted")
	if planted, err := os.Stat(mark); err == nil {
		end = planted.ModTime().Truncate(time.Hour)
	} else {
		t.Logf("%d points of %d devices", plantCounty(t, db.URL(), of, end), 100*of.each)
		if err := os.WriteFile(mark, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(mark, end, end); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(mark + "-places"); err != nil {
		days := min(of.days, 180)
		if kept != "" {
			days = of.days
		}
		if os.Getenv("GREENCOMMUNITY_LONG") == "" && kept == "" {
			days = 5
		}
		t.Logf("%d hours of places", plantPlaces(t, db.URL(), days, end))
		if err := os.WriteFile(mark+"-places", nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	day := 24 * time.Hour
	for _, length := range []time.Duration{7 * day, 365 * day} {
		worst, busiest := map[string]time.Duration{}, map[string]time.Duration{}
		asked := map[string]bool{}
		for name, d := range Build(Chinese) {
			for _, q := range queries(d) {
				if q.prom || q.panel == nil || asked[q.text+q.panel.TimeFrom] {
					continue
				}
				asked[q.text+q.panel.TimeFrom] = true
				step := "10m"
				if length > 30*day {
					step = "12h"
				}
				start, before := time.Now(), processorTime()
				rows, err := ask(t, db, "facilities", q, values{community: ".*", device: "c001-lamp-1", interval: step}, length, end.Add(time.Minute))
				took, used := time.Since(start), processorTime()-before
				if err != nil {
					t.Errorf("%s: %v", q.where, err)
				}
				worst[name], busiest[name] = max(worst[name], took), max(busiest[name], used)
				if used > 300*time.Millisecond {
					t.Logf("%v: %s: %d rows, %v, %v of processor: %s", length, q.where, len(rows), took.Round(time.Millisecond), used, q.text)
				}
				if name == "overview" && len(rows) == 0 {
					t.Errorf("%s: no data", q.where)
				}
			}
		}
		var names []string
		for name, took := range worst {
			names = append(names, fmt.Sprintf("%s %v (%v)", name, took.Round(10*time.Millisecond), busiest[name]))
		}
		slices.Sort(names)
		t.Logf("slowest query of each board (and most processor) over %v: %s", length, strings.Join(names, ", "))
	}
}
