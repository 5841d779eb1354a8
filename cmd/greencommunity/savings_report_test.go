package main

import (
	"context"
	"encoding/csv"
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

// A quarter is filed from what InfluxDB holds: the figures of the recomputation
// with their bands, what is not known as such, and what has changed since it was
// filed before.
func TestQuarterlyReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "influx"), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w := influx.New(influx.Options{URL: db.URL(), Org: "o", Bucket: "facilities"})
	defer w.Close()
	write := func(format string, args ...any) {
		t.Helper()
		if refused, err := w.Write(context.Background(), fmt.Appendf(nil, format, args...)); err != nil || len(refused) > 0 {
			t.Fatal(err, refused)
		}
	}
	zone := time.FixedZone("", 8*3600)
	// The last quarter that has been over for a month.
	now := time.Now().In(zone)
	from := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, zone).AddDate(0, -3, 0)
	if now.Sub(from.AddDate(0, 3, 0)) < 31*24*time.Hour {
		from = from.AddDate(0, -3, 0)
	}
	days := int(from.AddDate(0, 3, 0).Sub(from).Hours() / 24)
	at := func(d time.Time) int64 { return d.UnixMilli() }
	for n := range days + 2 {
		day := from.AddDate(0, 0, n)
		write("lighting,community=nancheng,device=em,vendor=v energy_total=%g %d\n", 8.25*float64(n), at(day))
		write("lighting,community=nancheng,device=em,vendor=v energy_total=%d %d\n", 10*n-4000, at(day.AddDate(-1, 0, 0)))
		if n < 50 { // silent from then on
			write("lighting,community=xicheng,device=em2,vendor=v energy_total=%d %d\n", 10*n, at(day))
		}
	}
	for n := range 4*24*2 + 1 { // two days of water, 0.5 m³/h
		write("water,community=nancheng,device=wm,vendor=v water_volume_total=%g %d\n", float64(n)/8, at(from.Add(time.Duration(n)*15*time.Minute)))
	}
	write("waste,community=nancheng,device=b,stream=kitchen,vendor=v deposits=41,waste_weight_net=120.4 %d\n", at(from.AddDate(0, 0, 3)))
	write("gate,community=nancheng,device=g,vendor=v pass_in=512,pass_out=498 %d\n", at(from.AddDate(0, 0, 3)))
	write("events,community=nancheng,device=g,facility=gate,type=held_open,vendor=v active=1i,code=\"warning\" %d\n", at(from.AddDate(0, 0, 4)))
	write("events,community=nancheng,device=g,facility=gate,type=held_open,vendor=v active=0i,code=\"warning\" %d\n", at(from.AddDate(0, 0, 5)))
	write("events,community=nancheng,device=g,facility=gate,type=tamper,vendor=v active=1i %d\n", at(from.AddDate(0, 0, 5)))
	write("events,community=nowhere,device=g,facility=gate,type=held_open,vendor=v active=1i,code=\"warning\" %d\n", at(from.AddDate(0, 0, 4)))

	baseline := fmt.Sprintf("baseline: {version: 2, approved_by: 张工, evidence: doc-1, period: [%s, %s], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}",
		from.AddDate(-1, 0, 0).Format(time.DateOnly), from.Format(time.DateOnly))
	for name, text := range map[string]string{
		"token": "t",
		"config.yaml": "data_dir: data\ninventory: inventory.yaml\nmqtt: {brokers: [\"tcp://127.0.0.1:1\"], client_id: x}\n" +
			"influxdb: {url: \"" + db.URL() + "\", org: o, bucket: facilities, token_file: token}\n",
		"inventory.yaml": `communities:
- id: nancheng
  name: 南城社区
  stage: met
  population: 120
  compounds: [{id: a, renovated: 2021}, {id: b}]
  boundaries:
  - id: lamps
    spec: {resource: electricity, ipmvp: B, meters: [{device: em}], nra: [{from: ` + from.Format(time.DateOnly) + `, per_day: 0.25, why: 新增一盏, doc: doc-31}], ` + baseline + `}
  - id: households
    spec: {resource: water, ipmvp: none, meters: [{device: wm}], quota_liters_per_person_day: 125}
- id: xicheng
  name: "=西城社区"
  compounds: [{id: c, renovated: 2021}]
  boundaries:
  - {id: lamps, spec: {resource: electricity, ipmvp: B, meters: [{device: em2}], ` + baseline + `}}
vendors:
- {id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	quarter := fmt.Sprintf("%dQ%d", from.Year(), (from.Month()-1)/3+1)
	file := func(name string) string { return filepath.Join(dir, name) }
	make := func(args ...string) error {
		return run(context.Background(), append([]string{"savings", "--config", file("config.yaml")}, args...), streams{strings.NewReader(""), os.Stderr, os.Stderr})
	}
	if err := make("--quarter", quarter, "--report", file("q.csv"), "--reporting-unit", "县住建局"); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	// Saved: 10 + 0.25 − 8.25 = 2 a day, ± t·s·√(m²/365 + m), both to the second
	// digit of the band: 184.0 ± 8.8 of 92 days.
	m := float64(days)
	figures := fmt.Sprintf("%.1f,%.1f", 2*m, 1.6490505451718542*0.5*math.Sqrt(m*m/365+m))
	for _, want := range []string{
		"\ufeff", "一,状态,定稿（final）\n", "一,修订号,1\n", "一,填报单位,县住建局\n",
		"二,达标（含命名）,1,50.0%\n", "二,距 60% 目标尚缺,1,\n",
		"三,nancheng,南城社区,,否,2,未知,120,1,达标,待核,\n",
		"三,xicheng,'=西城社区,,否,1,未知,未知,1,未参加,待核,有 2021 年改造小区而未参加创建\n",
		"," + figures + ",90.0%,", ",节约,100.0%,",
		"四,xicheng,'=西城社区,照明,电,千瓦时,", ",覆盖率不足 80%，不作结论,", // 49 of the days
		"四,nancheng,南城社区,用水,水,立方米,,,,,,,,无基准，不计节约量,—,24.00,未知\n", // 2 days' use and no saving
		"每日 +0.25 千瓦时,新增一盏,doc-31\n",
		"五,nancheng,households,南城社区,用水用量,100,125,80.0%,0.50,0.43,2\n", // 12 m³ a day of 120 persons; LNU 0.072
		"六,nancheng,南城社区,投放,厨余垃圾,41,次\n", "六,nancheng,南城社区,垃圾净重,厨余垃圾,120,千克\n", "六,nancheng,南城社区,门禁进入,,512,人次\n",
		"六之一,nancheng,南城社区,门长时间未关,1,1,0,24.0 小时,24.0 小时\n", "默认值，待确认", "【示例】", "未提供本期已报的报表",
	} {
		if !strings.Contains(read("q.csv"), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, word := range []string{"tamper", "nowhere", "NaN", "Inf"} {
		if strings.Contains(read("q.csv"), word) {
			t.Errorf("the report has %q", word)
		}
	}
	if n := strings.Count(read("q.csv"), "六之一,nancheng"); n != 1 {
		t.Errorf("%d kinds of alarm", n)
	}
	// The use of a year ago, 10 a day, is beside it and unadjusted.
	rows := csv.NewReader(strings.NewReader(read("q.csv")))
	rows.FieldsPerRecord = -1
	all, err := rows.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range all {
		if row[0] == "四" && row[1] == "nancheng" && row[3] == "照明" && row[len(row)-1] != fmt.Sprintf("%d.0", 10*days) {
			t.Errorf("a year ago %s, want %d.0", row[len(row)-1], 10*days)
		}
	}
	// Filed again, nothing has changed; then a late read makes a new revision.
	if err := make("--quarter", quarter, "--report", file("again.csv"), "--filed", file("q.csv")); err != nil {
		t.Fatal(err)
	}
	if again := read("again.csv"); !strings.Contains(again, "一,修订号,1\n") || !strings.Contains(again, "没有变化") {
		t.Error("a report filed again is another revision")
	}
	write("lighting,community=xicheng,device=em2,vendor=v energy_total=%d %d\n", 6*days, at(from.AddDate(0, 0, days)))
	if err := make("--quarter", quarter, "--report", file("third.csv"), "--filed", file("again.csv")); err != nil {
		t.Fatal(err)
	}
	if third := read("third.csv"); !strings.Contains(third, "一,修订号,2\n") || !strings.Contains(third, "\n八,xicheng,'=西城社区,照明,电,节约量,") || !strings.Contains(third, ",覆盖率,") || strings.Contains(third, "\n八,nancheng") {
		t.Error("late data are no new revision")
	}
	// A whole year, which is compared with the whole year before it.
	if err := make("--from", fmt.Sprintf("%d-01-01", from.Year()-1), "--to", fmt.Sprintf("%d-01-01", from.Year()), "--report", file("year.csv")); err != nil {
		t.Fatal(err)
	}
	if year := read("year.csv"); !strings.Contains(year, "绿色社区创建年度报表") {
		t.Error("a year is not titled as one")
	}
	// As it stood on a day of the quarter, and as a page.
	asOf := from.AddDate(0, 0, 20).Format(time.DateOnly)
	if err := make("--quarter", quarter, "--report", file("q.html"), "--as-of", asOf); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<html lang=\"zh-CN\">", "暂估（provisional）", asOf + fmt.Sprintf("（%d 天中的 21 天）", days), "南城社区", "签字"} {
		if !strings.Contains(read("q.html"), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, word := range []string{"导致", "归功于", "得益于"} { // avoided use, and no cause
		if strings.Contains(read("q.html"), word) {
			t.Errorf("the page says %q", word)
		}
	}
	for want, args := range map[string][]string{
		"is neither html, xlsx, docx nor": {"--quarter", quarter, "--report", "q.xls"},
		"is no quarter; write 2026Q1":     {"--quarter", "2026-1", "--report", "q.csv"},
		"either --quarter or --from":      {"--quarter", quarter, "--from", "2026-01-01", "--report", "q.csv"},
		"is after":                        {"--quarter", quarter, "--report", "q.csv", "--as-of", "2099-01-01"},
		"no day of the period is over":    {"--quarter", "2098Q1", "--report", "q.csv"},
		"and not of this period":          {"--from", "2020-01-01", "--to", "2020-04-01", "--report", "q.csv", "--filed", file("q.csv")},
		"is no report of this program":    {"--quarter", quarter, "--report", "q.csv", "--filed", file("inventory.yaml")},
		"a report is of what is in Infl":  {"table.csv", "--report", "q.csv"},
	} {
		if err := make(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", args, err, want)
		}
	}
	if keep := os.Getenv("GREENCOMMUNITY_KEEP"); keep != "" {
		for _, name := range []string{"third.csv", "q.html"} {
			if err := os.WriteFile(filepath.Join(keep, name), []byte(read(name)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}
