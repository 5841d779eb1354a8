package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
)

// savingsRun runs the command on standard input and returns what it prints.
func savingsRun(t *testing.T, in string, args ...string) (map[string]any, error) {
	t.Helper()
	var out, problems bytes.Buffer
	if err := run(context.Background(), append([]string{"savings"}, args...), streams{strings.NewReader(in), &out, &problems}); err != nil {
		return nil, err
	}
	var v map[string]any
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return v, nil
}

// table is two years, the second with a tenth less, in any shape.
func savingsTable(separator string, columns []string, celsius bool) string {
	var b strings.Builder
	fmt.Fprintln(&b, strings.Join(columns, separator))
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := range 730 {
		c := 12 - 14*math.Cos(2*math.Pi*float64(n)/365.25) + 3*math.Sin(float64(n)*1.7)
		use := 20 + 1.5*math.Max(0, 15-c) + 0.8*math.Sin(float64(n)*2.3)
		cells := map[string]string{"date": start.AddDate(0, 0, n).Format(time.DateOnly), "period": "baseline", "note": "x"}
		if n >= 365 {
			cells["period"], use = "reporting", use*0.9
		}
		cells["usage"] = fmt.Sprintf("%.4f", use)
		if n%50 == 7 {
			cells["usage"] = ""
		}
		cells["tmean_C"], cells["tmean_F"] = fmt.Sprintf("%.9f", c), fmt.Sprintf("%.9f", c*9/5+32)
		if n%60 == 11 {
			cells["tmean_C"], cells["tmean_F"] = "NA", "NA"
		}
		var row []string
		for _, column := range columns {
			row = append(row, cells[column])
		}
		fmt.Fprintln(&b, strings.Join(row, separator))
	}
	return b.String()
}

// The order of columns, the separator and the thermometer change nothing; days
// without use or temperature count on neither side.
func TestSavingsOfATableInAnyShape(t *testing.T) {
	t.Parallel()
	want, err := savingsRun(t, savingsTable(",", []string{"date", "period", "usage", "tmean_F"}, false), "-")
	if err != nil {
		t.Fatal(err)
	}
	year := want["windows"].(map[string]any)["year"].(map[string]any)
	if year["verdict"] != "saving" || math.Abs(year["savings_fraction_F"].(float64)-0.1) > 0.01 {
		t.Errorf("%v", year)
	}
	if m := year["m"].(float64); m < 340 || m > 355 || year["coverage"].(float64) != m/365 {
		t.Errorf("%g days of 365 count, coverage %v", m, year["coverage"])
	}
	for name, text := range map[string]string{
		"columns in another order, and one more": savingsTable(",", []string{"note", "tmean_F", "usage", "period", "date"}, false),
		"semicolons":                             savingsTable(";", []string{"date", "period", "usage", "tmean_F"}, false),
		"tabs, byte order mark, CRLF":            "\ufeff" + strings.ReplaceAll(savingsTable("\t", []string{"date", "period", "usage", "tmean_F"}, false), "\n", "\r\n"),
		"Celsius":                                savingsTable(",", []string{"date", "period", "usage", "tmean_C"}, true),
	} {
		got, err := savingsRun(t, text, "-")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if fmt.Sprint(got["balance_points_F"]) != fmt.Sprint(want["balance_points_F"]) || got["model"] != want["model"] {
			t.Errorf("%s: %v %v, want %v %v", name, got["model"], got["balance_points_F"], want["model"], want["balance_points_F"])
		}
		a := got["windows"].(map[string]any)["q3"].(map[string]any)["savings"].(float64)
		b := want["windows"].(map[string]any)["q3"].(map[string]any)["savings"].(float64)
		if math.Abs(a-b) > 1e-6*math.Abs(b) {
			t.Errorf("%s: %g, want %g", name, a, b)
		}
	}
	// Without a temperature it is a mean, and says so; without a column of
	// periods the flags say which days are which.
	plain, err := savingsRun(t, savingsTable(",", []string{"date", "usage"}, false), "-", "--baseline-end", "2024-12-31", "--reporting-start", "2025-01-10")
	if err != nil || plain["model"] != "intercept_only" {
		t.Errorf("%v %v", plain["model"], err)
	}
	if first := plain["windows"].(map[string]any)["year"].(map[string]any)["first"]; first != "2025-01-10" {
		t.Errorf("reporting from %v", first)
	}
}

func TestSavingsSaysWhatIsWrongWithATable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "the table is empty; its first line names the columns",
		"date,period,usage\n":             "the table has a header and no rows",
		"day,period,kwhs\n2026-01-01,x,1": "no column usage",
		"date,usage\n2026-01-01,1\n":      "no column period",
		"date,period,usage\n2026-13-01,baseline,1\n":                         `line 2: "2026-13-01" is not a day; write 2026-03-01`,
		"date,period,usage\n2026-01-01,before,1\n":                           `line 2: period "before" is none of baseline, reporting, blackout`,
		"date,period,usage\n2026-01-01,baseline,1.2.3\n":                     `line 2: usage "1.2.3" is not a number; leave it empty where it is missing`,
		"date,period,usage\n2026-01-01,baseline,1\n2026-01-01,baseline,2\n":  "line 3: 2026-01-01 is there already, in line 2; keep one",
		"date,period,usage,tmean\n2026-01-01,baseline,1,20\n":                `"tmean" does not say its unit; name it tmean_F or tmean_C`,
		"date,period,usage,tmean_C\n2026-01-01,baseline,1,70\n":              "line 2: temperature 70 °C is no daily mean; check the unit",
		"date,period,usage\n2026-01-01,reporting,1\n2026-01-02,baseline,1\n": "line 3: baseline on 2026-01-02, after reporting began on 2026-01-01 (line 2); a baseline ends before",
		"date,period,usage\n2026-01-01,reporting,1\n":                        "no row belongs to the baseline",
		"date,period,usage,usage_kwh\n2026-01-01,baseline,1,1\n":             `"usage" and "usage_kwh" are both the usage; leave one out`,
		"date,period,usage\n2026-01-01,baseline,1\n2026-01-02,baseline,\n":   "no unique solution",
		"date,period,usage,tmean_F\n2026-01-01,baseline,1\n":                 "wrong number of fields",
		"date,period,usage,tmean_F\n2026-01-01,baseline,1,\n":                "the column tmean_F has no value; leave it out to do without temperatures",
		"\xff\xfed\x00a\x00t\x00e\x00":                                       "the table is UTF-16; save it as CSV UTF-8",
		"\xc8\xd5\xc6\xda,\xd3\xc3\xc1\xbf\n2026-01-01,1\n":                  "the header is not UTF-8; save the table as CSV UTF-8",
	} {
		_, err := savingsRun(t, text, "-")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := savingsRun(t, "", "-", "--picture", "x.gif"); err == nil || !strings.Contains(err.Error(), "name it .png or .svg") {
		t.Error(err)
	}
}

// Billing periods with daily temperatures beside them give about what the days
// themselves give.
func TestSavingsOfBillingPeriods(t *testing.T) {
	t.Parallel()
	daily := savingsTable(",", []string{"date", "period", "usage", "tmean_F"}, false)
	var bills, temperatures strings.Builder
	fmt.Fprintln(&bills, "start,end,period,usage")
	fmt.Fprintln(&temperatures, "date,tmean_F")
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) (c, use float64) {
		c = 12 - 14*math.Cos(2*math.Pi*float64(n)/365.25) + 3*math.Sin(float64(n)*1.7)
		return c, 20 + 1.5*math.Max(0, 15-c)
	}
	for n := range 730 {
		c, _ := day(n)
		fmt.Fprintf(&temperatures, "%s,%.6f\n", start.AddDate(0, 0, n).Format(time.DateOnly), c*9/5+32)
	}
	for n := 0; n+30 <= 720; n += 30 {
		sum, period := 0.0, "baseline"
		for d := range 30 {
			_, use := day(n + d)
			sum += use
		}
		if n >= 360 {
			period, sum = "reporting", sum*0.9
		}
		fmt.Fprintf(&bills, "%s,%s,%s,%.6f\n", start.AddDate(0, 0, n).Format(time.DateOnly), start.AddDate(0, 0, n+30).Format(time.DateOnly), period, sum)
	}
	path := filepath.Join(t.TempDir(), "temperatures.csv")
	if err := os.WriteFile(path, []byte(temperatures.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := savingsRun(t, bills.String(), "-", "--temperature", path)
	if err != nil {
		t.Fatal(err)
	}
	if got["interval"] != "billing" || got["model"] != "hdd_only" || got["balance_points_F"].(map[string]any)["hdd"] != 59.0 {
		t.Errorf("%v %v %v", got["interval"], got["model"], got["balance_points_F"])
	}
	year := got["windows"].(map[string]any)["year"].(map[string]any)
	if f := year["savings_fraction_F"].(float64); math.Abs(f-0.1) > 1e-6 {
		t.Errorf("%g of the baseline is saved, 0.1 was planted", f)
	}
	if _, err := savingsRun(t, "start,end,period,usage,tmean_F\n2024-01-01,2024-02-01,baseline,1,50\n", "-"); err == nil || !strings.Contains(err.Error(), "give daily temperatures in a table of their own") {
		t.Error(err)
	}
	_ = daily
}

func TestSavingsPicture(t *testing.T) {
	t.Parallel()
	table := savingsTable(",", []string{"date", "period", "usage", "tmean_F"}, false)
	for name, magic := range map[string]string{"a.png": "\x89PNG", "a.svg": "<?xml"} {
		path := filepath.Join(t.TempDir(), name)
		if _, err := savingsRun(t, table, "-", "--picture", path); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data, []byte(magic)) || len(data) < 10_000 {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
	}
}

// The whole way back: what InfluxDB holds becomes a statement.
func TestSavingsRecomputedByTheCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "influx"), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := influx.New(influx.Options{URL: db.URL(), Org: "o", Bucket: "facilities"})
	defer w.Close()
	var lines strings.Builder
	start := time.Date(2025, 12, 31, 0, 0, 0, 0, time.FixedZone("", 8*3600))
	for n := range 35 {
		fmt.Fprintf(&lines, "lighting,community=nancheng,device=em,vendor=v energy_total=%d %d\n", 8*n, start.AddDate(0, 0, n).UnixMilli())
	}
	if refused, err := w.Write(context.Background(), []byte(lines.String())); err != nil || len(refused) > 0 {
		t.Fatal(err, refused)
	}
	files := map[string]string{
		"token": "t",
		"config.yaml": "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"], client_id: x}\n" +
			"influxdb: {url: \"" + db.URL() + "\", org: o, bucket: facilities, token_file: token}\n",
		"inventory.yaml": `communities:
- id: nancheng
  name: 南城社区
  boundaries:
  - id: lamps
    spec:
      resource: electricity
      ipmvp: B
      meters: [{device: em}]
      baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := savingsRun(t, "", "--config", filepath.Join(dir, "config.yaml"), "--from", "2026-01-01", "--to", "2026-02-01", "--community", "nancheng")
	if err != nil {
		t.Fatal(err)
	}
	item := got["items"].([]any)[0].(map[string]any)
	if item["saving"] != 62.0 || item["coverage"] != 1.0 || item["verdict"] != "saving" || item["saving_gb_sign"] != -62.0 {
		t.Errorf("%v", item)
	}
}

// The single steps of the arithmetic, on figures worked by hand.
func TestSavingsSteps(t *testing.T) {
	t.Parallel()
	number := func(v any) float64 {
		f, ok := v.(float64)
		if !ok {
			t.Fatalf("%v is no number", v)
		}
		return f
	}
	for _, c := range []struct {
		in, field string
		args      []string
		want      float64
	}{
		{"y,x\n7,3\n11,5\n15,8\n28,13\n41,21\n", "residual_sd", []string{"regress", "-", "--no-intercept"}, 1.4110890533145599},
		{"x,y\n0,1\n1,2\n2,5\n3,10\n", "r2", []string{"regress", "-", "--degree", "2"}, 1},
		// 10 lamps of 120 W for 1000 h less the same at half power of 70 W, with 1 W in the other 1000 h.
		{`{"baseline": [{"count": 10, "watts": 120}], "reporting": [{"count": 10, "watts": 120, "standby_watts": 1,
			"curve": [{"level": 0.5, "watts": 70}], "schedule": [{"level": 0.5, "hours": 1}]}], "burn_hours": 1000, "hours": 2000}`, "savings", []string{"lamps", "-"}, 1200 - 710},
		{"", "net_night_flow_m3_per_h", []string{"night-flow", "--flow", "3", "--population", "1000", "--exceptional", "0.4"}, 2},
		{"", "real_losses_m3_per_day", []string{"night-flow", "--flow", "0.5", "--population", "1000"}, 0},
		{"", "uarl_litres_per_day", []string{"night-flow", "--flow", "3", "--population", "1000", "--mains", "1", "--connections", "100", "--private", "2", "--pressure", "30"}, (18 + 80 + 50) * 30},
		{`{"modulus": 100000, "tolerance": 0, "rows": [{"t": "2026-01-01", "reg": 99990}, {"t": "2026-01-02 00:00", "reg": 25}]}`, "total", []string{"registers", "-"}, 35},
		{`{"modulus": 100000, "rows": [{"t": "2026-01-01", "reg": 9999}, {"t": "2026-01-02", "reg": 4}]}`, "total", []string{"registers", "-", "--modulus", "10000"}, 5},
	} {
		got, err := savingsRun(t, c.in, c.args...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
		} else if v := number(got[c.field]); math.Abs(v-c.want) > 1e-9 {
			t.Errorf("%v: %s is %.15g, want %g", c.args, c.field, v, c.want)
		}
	}
	var out bytes.Buffer
	in := "p,kind,F,cv_rmse,rho,months,m,n\n3,daily,0.1,0.2,0.5,3,91,365\n2,billing,-0.05,0.1,-0.4,12,12,12\n"
	if err := run(context.Background(), []string{"savings", "fractional", "-"}, streams{strings.NewReader(in), &out, &out}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	// By hand: n' = 365/3, t = 1.6490737923; 12 periods and ρ < 0 leave n' at 12, t = 1.8124611228.
	want := []float64{1.6490737923401133 * 1.26 * 0.2 * math.Sqrt(3*(1+6/365.0)/91) / 0.1, 1.8124611228107335 * 1.26 * 0.1 * math.Sqrt((1+2/12.0)/12) / -0.05}
	for i, w := range want {
		cells := strings.Split(lines[i+1], ",")
		column := -1
		for k, name := range strings.Split(lines[0], ",") {
			if name == "fsu90_g14_1p26" {
				column = k
			}
		}
		var got float64
		if _, err := fmt.Sscan(cells[column], &got); err != nil || math.Abs(got-w) > 1e-9*math.Abs(w) {
			t.Errorf("line %d: %g, want %g (%v)", i+1, got, w, err)
		}
	}
	// South of the equator and west of Greenwich.
	out.Reset()
	if err := run(context.Background(), []string{"savings", "burn-hours", "--lat", "-54.8", "--lon", "-68.3", "--from", "2023-12-21", "--to", "2023-12-22", "--zone", "America/Argentina/Ushuaia"}, streams{strings.NewReader(""), &out, &out}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), ",2023-12-21T22:11:1") || !strings.Contains(out.String(), ",2023-12-22T04:51:4") {
		t.Error(out.String())
	}
	for _, c := range []struct {
		in, want string
		args     []string
	}{
		{"n,m\n1,2\n", "no column months", []string{"fractional", "-"}},
		{"n,m,months,rho,cv_rmse,F,kind,p\n12,3,3,0,0.1,0.1,weekly,3\n", "neither daily nor billing", []string{"fractional", "-"}},
		{"{}", "needs baseline and reporting lamps", []string{"lamps", "-"}},
		{"baseline: [{count: 1, watt: 2}]", "watt", []string{"lamps", "-"}},
		{`{"rows": [{"t": "2026-01-01"}]}`, "rows[0].reg: missing", []string{"registers", "-"}},
		{`{"rows": []}`, "has no rows", []string{"registers", "-"}},
		{"", "--lat is from -90 to 90", []string{"burn-hours", "--lat=106", "--lon=34", "--from", "2026-01-01", "--to", "2026-01-02"}},
	} {
		if _, err := savingsRun(t, c.in, c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

// What per-capita prints is taken by the inventory as it is.
func TestSavingsPerCapita(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	fmt.Fprintln(&table, "persons,date,usage")
	for n := range 365 {
		date := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n)
		persons := 900 + n
		usage := fmt.Sprintf("%.6f", 0.1*float64(persons)*(1+0.1*float64(n%2*2-1)))
		if n == 40 {
			usage = ""
		}
		fmt.Fprintf(&table, "%d,%s,%s\n", persons, date.Format(time.DateOnly), usage)
	}
	got, err := savingsRun(t, table.String(), "per-capita", "-")
	if err != nil {
		t.Fatal(err)
	}
	if got["n"] != 364.0 || got["relative"] != true || math.Abs(got["rmse_n_minus_p"].(float64)-0.1*math.Sqrt(364.0/352)) > 1e-3 {
		t.Errorf("%v", got)
	}
	if m := got["monthly"].([]any); len(m) != 12 || math.Abs(m[3].(float64)-0.1) > 1e-9 { // of 30 days, half above
		t.Errorf("%v", m)
	}
	for in, want := range map[string]string{
		"date,usage\n2026-01-01,1\n":            "needs the columns date, usage and persons",
		"date,usage,persons\n2026-01-01,1,0\n":  "line 2: persons",
		"date,usage,persons\n2026-01-01,1,10\n": "thin: 1 days with use of 1; a baseline needs a year",
	} {
		if _, err := savingsRun(t, in, "per-capita", "-"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
}

// A table as a Chinese spreadsheet has it: names, days and periods; a day that
// was estimated is missing, on either side.
func TestSavingsOfAChineseTable(t *testing.T) {
	t.Parallel()
	got, err := savingsRun(t, "日期,时期,用量,估抄\n2026年1月1日,基期,10,\n2026/1/2,基准期,12,0\n20260103,基期,11,\n2026-01-04,基期,99,1\n2026-01-05,报告期,9,\n2026-01-06,报告期,50,yes\n", "-")
	if err != nil {
		t.Fatal(err)
	}
	year := got["windows"].(map[string]any)["year"].(map[string]any)
	if got["n"] != 3.0 || year["m"] != 1.0 || year["coverage"] != 0.5 || math.Abs(year["savings"].(float64)-2) > 1e-12 {
		t.Errorf("n %v, %v", got["n"], year)
	}
}
