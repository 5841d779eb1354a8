package report

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/sun"
)

// The county of the test: what is planted in InfluxDB, and then asked of it by this
// test's own InfluxQL. Nothing below uses the recomputation or the book of use.
type planted struct {
	t     *testing.T
	url   string
	inv   *inventory.Inventory
	zone  *time.Location
	homes []*home
}

// home is a community of the county.
type home struct {
	i                   int
	id, name            string
	households, persons int
	// kind is 0 saves, 1 saves nothing, 2 uses more, 3 was silent, 4 has no hours, 5 has no
	// water baseline.
	kind                  int
	flats                 [2]map[int]float64
	coefficient, perHead  float64
	added                 float64 // kWh a day of an adjustment from August
	lampDays, waterMaster map[int]float64
}

const (
	january24 = 19723 // 2024-01-01, days from 1970-01-01
	firstDay  = 20240 // 2025-06-02
)

func dayNumber(y, m, d int) int {
	return int(time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

var (
	periodFrom, periodTo = dayNumber(2026, 7, 1), dayNumber(2026, 10, 1)
	silentFrom, silentTo = dayNumber(2026, 8, 20), dayNumber(2027, 1, 1) // a register that comes back tells what was used meanwhile
	lastDay              = dayNumber(2026, 10, 12)
)

var communityNames = strings.Fields("南城 西城 东关 北关 文庙 石桥 渭滨 泰山 伏羲 青年路 建设路 解放路 新华 光明 天河 罗玉 岷山 七里墩 马跑泉 桥南 " +
	"道北 花牛 社棠 甘泉 藉口 玉泉 吕二 环城 皂郊 秦岭 中梁 关子 杨家寺 牡丹 平南 天水郡 齐寿 大门 汪川 娘娘坝")

// lampUse of a day, kWh, of both cabinets.
func (h *home) lampUse(d int) float64 {
	share := map[int]float64{0: 0.7, 1: 1, 2: 1.15, 3: 0.75, 4: 0.8, 5: 0.9}[h.kind]
	return math.Round(1000*h.coefficient*(share-0.00117*float64(h.i))*(1+0.01*float64((d*7)%5-2))) / 1000 // no two are alike
}

// waterUse of a day by the master meter, m³, and by the flats behind it.
func (h *home) waterUse(d int) (master, flats float64) {
	share := map[int]float64{0: 0.85, 1: 1, 2: 1.1, 3: 0.9, 4: 0.8, 5: 0.95}[h.kind]
	master = math.Round(1000*h.perHead*float64(h.persons)*(share-0.00129*float64(h.i))*(1+0.01*float64((d*3)%7-3))) / 1000
	return master, math.Round(1000*master*(0.94-0.01*float64(h.i%5)-0.0003*float64(h.i))) / 1000
}

func plantCounty(t *testing.T, communities int) *planted {
	t.Helper()
	db, err := embedded.StartInfluxDB(embedded.InfluxConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), Database: "facilities"})
	if err != nil {
		t.Fatal(err)
	}
	w := influx.New(influx.Options{URL: db.URL(), Bucket: "facilities", Org: "bureau"})
	t.Cleanup(func() { w.Close(); db.Close() })
	p := &planted{t: t, url: db.URL(), zone: time.FixedZone("CST", 8*3600)}
	var lines []byte
	write := func(format string, args ...any) {
		lines = fmt.Appendf(lines, format+"\n", args...)
		if len(lines) > 1<<19 {
			p.flush(w, &lines)
		}
	}
	at := func(d int, after time.Duration) int64 {
		return time.Unix(int64(d)*86400-8*3600, 0).Add(after).UnixMilli()
	}
	var text, devices strings.Builder
	for i := range communities {
		h := &home{i: i, id: fmt.Sprintf("c%02d", i+1), name: communityNames[i] + "社区", households: 300 + 10*i, persons: 900 + 30*i, kind: i % 6, coefficient: 60, perHead: 0.1}
		if h.mean() {
			h.coefficient = 80 + float64(i)
		}
		if h.kind == 2 {
			h.added = 2
		}
		p.homes = append(p.homes, h)
		text.WriteString(h.yaml())
		parent := ""
		if h.kind == 5 {
			parent = h.id + "-wm"
		}
		for _, m := range []struct{ id, facility, compound, name string }{
			{"em1", "lighting", "a", "1号配电箱"}, {"em2", "lighting", "b", "2号配电箱"}, {"wm", "water", "a", "总水表"}, {"f1", "water", "a", "1号楼水表"}, {"f2", "water", "a", "2号楼水表"},
			{"bin", "waste", "a", "东门厨余桶"}, {"gate", "gate", "a", "东门"},
		} {
			behind := ""
			if strings.HasPrefix(m.id, "f") {
				behind = parent
			}
			fmt.Fprintf(&devices, "%s-%s,%s,%s,%s,%s,%s\n", h.id, m.id, h.id, m.facility, m.compound, m.name, behind)
		}
		lamps, master, flats := 0.0, 0.0, 0.0
		for d := firstDay; d < lastDay; d++ {
			if h.kind != 3 || d < silentFrom || d >= silentTo {
				write("lighting,community=%[1]s,compound=a,device=%[1]s-em1,vendor=v energy_total=%.6[2]f %[3]d", h.id, 1000+0.4*lamps, at(d, 0))
				write("lighting,community=%[1]s,compound=b,device=%[1]s-em2,vendor=v energy_total=%.6[2]f %[3]d", h.id, 2000+0.6*lamps, at(d, 0))
			}
			today, behind := h.waterUse(d)
			night := 0.01 * today // m³ an hour from 2 to 4
			for _, r := range []struct {
				hour int
				used float64
			}{{0, 0}, {2, 2 * night}, {3, 3 * night}, {4, 4 * night}} {
				write("water,community=%[1]s,compound=a,device=%[1]s-wm,vendor=v water_volume_total=%.6[2]f %[3]d", h.id, 500+master+r.used, at(d, time.Duration(r.hour)*time.Hour))
			}
			write("water,community=%[1]s,compound=a,device=%[1]s-f1,vendor=v water_volume_total=%.6[2]f %[3]d", h.id, 10+0.5*flats, at(d, 0))
			write("water,community=%[1]s,compound=a,device=%[1]s-f2,vendor=v water_volume_total=%.6[2]f %[3]d", h.id, 20+0.5*flats, at(d, 0))
			used := h.lampUse(d)
			if h.kind != 4 && d >= periodFrom && d < periodTo && (h.kind != 3 || d < silentFrom || d >= silentTo) {
				// The book's hours: six tenths at eight in the evening, the rest at two.
				for _, m := range []struct {
					compound, id string
					share        float64
				}{{"a", "em1", 0.4}, {"b", "em2", 0.6}} {
					write("usage,community=%[1]s,compound=%[2]s,device=%[1]s-%[3]s,facility=lighting,resource=electricity,vendor=v used=%.6[4]f,covered=43200 %[5]d", h.id, m.compound, m.id, 0.6*m.share*used, at(d, 20*time.Hour))
					write("usage,community=%[1]s,compound=%[2]s,device=%[1]s-%[3]s,facility=lighting,resource=electricity,vendor=v used=%.6[4]f,covered=43200 %[5]d", h.id, m.compound, m.id, 0.4*m.share*used, at(d, 2*time.Hour))
				}
				// The book's days of places: of water the meters in front, once.
				write("usage_daily,community=%s,compound=a,facility=water,resource=water used=%.6f,covered=86400,meters=1 %d", h.id, today, at(d, 0))
				write("usage_daily,community=%s,compound=a,facility=lighting,resource=electricity used=%.6f,covered=86400,meters=1 %d", h.id, 0.4*used, at(d, 0))
				write("usage_daily,community=%s,compound=b,facility=lighting,resource=electricity used=%.6f,covered=86400,meters=1 %d", h.id, 0.6*used, at(d, 0))
				for id, v := range map[string]float64{"wm": today, "f1,behind=x": behind / 2, "f2,behind=x": behind / 2} {
					write("usage,community=%[1]s,compound=a,device=%[1]s-%[2]s,facility=water,resource=water,vendor=v used=%.6[3]f,covered=86400 %[4]d", h.id, id, v, at(d, 0))
				}
			}
			lamps, master, flats = lamps+used, master+today, flats+behind
		}
		write("waste,community=%s,device=%[1]s-bin,stream=kitchen,vendor=v deposits=%d,waste_weight_net=%d %d", h.id, 1000+i, 5000+7*i, at(periodFrom+3, 0))
		write("gate,community=%s,device=%[1]s-gate,vendor=v pass_in=%d,pass_out=%d %d", h.id, 9000+i, 8990+i, at(periodFrom+3, 0))
		if i == 0 { // the plan's other systems
			write("noise,community=%s,device=%[1]s-noise,vendor=v sound_level_equivalent=50 %d", h.id, at(periodFrom, 0))
			write("noise,community=%s,device=%[1]s-noise,vendor=v sound_level_equivalent=71 %d", h.id, at(periodFrom+1, 0))
			write("noise,community=%s,device=%[1]s-noise,vendor=v sound_level_equivalent=99 %d", h.id, at(periodTo, 0)) // after it
			write("public_area,community=%s,device=%[1]s-square,vendor=v people_count=40,people_in=12 %d", h.id, at(periodFrom, 0))
			write("public_area,community=%s,device=%[1]s-square,vendor=v people_count=20,people_in=30 %d", h.id, at(periodFrom+2, 0))
			write("fire,community=%s,device=%[1]s-door,vendor=v passage_blocked=0i,hydrant_pressure=250000 %d", h.id, at(periodFrom, 0))
			write("fire,community=%s,device=%[1]s-door,vendor=v passage_blocked=1i,hydrant_pressure=150000 %d", h.id, at(periodFrom+2, 0))
			write("usage_daily,community=%s,compound=a,facility=charging,resource=electricity used=12.5,covered=86400,meters=1 %d", h.id, at(periodFrom+2, 0))
		}
		alarm := func(device, facility, kind, severity, fields string, d int, after time.Duration) {
			code := ""
			if severity != "" {
				code = fmt.Sprintf(",code=%q", severity)
			}
			write("events,community=%s,compound=a,device=%[1]s-%s,facility=%s,type=%s,vendor=v %s%s %d", h.id, device, facility, kind, fields, code, at(d, after))
		}
		switch h.kind {
		case 0: // found, sent to somebody, repaired
			alarm("wm", "water", "continuous_flow", "critical", "active=1i", periodFrom+10, 6*time.Hour)
			alarm("wm", "water", "continuous_flow", "", "status=\"commented\",by=\"王主任\"", periodFrom+10, 8*time.Hour-time.Minute)
			alarm("wm", "water", "continuous_flow", "", "status=\"assigned\",by=\"王主任\",assignee=\"李师傅\"", periodFrom+10, 8*time.Hour)
			alarm("wm", "water", "continuous_flow", "", "status=\"cleared\",by=\"李师傅\"", periodFrom+11, 5*time.Hour)
			alarm("wm", "water", "continuous_flow", "critical", "active=0i", periodFrom+11, 6*time.Hour+time.Duration(i)*49*time.Minute)
		case 1: // open since before the period, and nobody has looked
			alarm("em1", "lighting", "offline", "warning", "active=1i", periodFrom-5, time.Duration(i)*time.Minute)
		case 2:
			alarm("gate", "gate", "held_open", "warning", "active=1i", periodFrom+20, 0)
			alarm("gate", "gate", "held_open", "", "status=\"false\",by=\"王主任\",reason=\"搬家\"", periodFrom+20, 30*time.Minute)
			alarm("gate", "gate", "held_open", "warning", "active=0i", periodFrom+20, 45*time.Minute)
			alarm("gate", "gate", "tamper", "", "active=1i", periodFrom+20, 0)                 // the device's own
			alarm("gate", "gate", "held_open", "warning", "active=1i", periodFrom-30, 0)       // over before the period
			alarm("gate", "gate", "held_open", "warning", "active=0i", periodFrom-29, 0)       //
			alarm("em2", "lighting", "offline", "warning", "active=1i", periodFrom-3, 0)       // cleared within it
			alarm("em2", "lighting", "offline", "warning", "active=0i", periodFrom, time.Hour) //
		}
	}
	p.flush(w, &lines)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "devices.csv"), []byte("id,community,facility,compound,name,parent\n"+devices.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte("communities:\n"+text.String()+"vendors:\n- {id: v, devices_file: devices.csv, sources: [{topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if p.inv, err = inventory.Load(path, p.zone); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *planted) flush(w *influx.Writer, lines *[]byte) {
	p.t.Helper()
	if len(*lines) == 0 {
		return
	}
	if refused, err := w.Write(context.Background(), *lines); err != nil || len(refused) > 0 {
		p.t.Fatal(err, refused)
	}
	*lines = (*lines)[:0]
}

func (h *home) mean() bool { return h.i%2 == 0 }

func (h *home) yaml() string {
	stage := []string{"participating", "met", "", "named", "participating", "met"}[h.kind]
	s := fmt.Sprintf("- id: %s\n  name: %s\n  town: 城关镇\n  stage: %q\n  pilot: %v\n  households: %d\n  population: %d\n  lat: 34.58\n  lon: 105.72\n", h.id, h.name, stage, h.i < 2, h.households, h.persons)
	s += fmt.Sprintf("  compounds: [{id: a, name: %s一区, households: %d, lamps: 40, renovated: 2021}, {id: b, name: %s二区, households: 100}]\n  boundaries:\n", communityNames[h.i], h.households-100, communityNames[h.i])
	base := "{version: 1, period: [2024-01-01, 2025-01-01], approved_by: 张工, evidence: doc-12, method: lamp_inventory, hours: fixed, fixed_hours: [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10], groups: [{count: 100, watts: 60}]}"
	if h.mean() {
		base = fmt.Sprintf("{version: 1, period: [2024-01-01, 2025-01-01], approved_by: 张工, evidence: doc-12, method: mean, coef: [%g], n: 365, n_eff: 200, rmse_n_minus_p: %g, XtX_inv: [[%.17g]], cv_rmse: 0.05, nmbe: 0.0001}", h.coefficient, 0.05*h.coefficient, 1.0/365)
	}
	nra := ""
	if h.added > 0 {
		nra = fmt.Sprintf(", nra: [{from: 2026-08-01, per_day: %g, why: 新增庭院灯, doc: doc-31}]", h.added)
	}
	s += fmt.Sprintf("  - {id: lamps, name: 公共照明, spec: {resource: electricity, ipmvp: B, meters: [{device: %[1]s-em1}, {device: %[1]s-em2}], uncertainty: {meter_class: 1, watts_rel: %[4]g}%[2]s, baseline: %[3]s}}\n", h.id, nra, base, h.watts())
	water := fmt.Sprintf("ipmvp: C, uncertainty: {meter_class: 2, year_rel: 0.03}, baseline: {version: 2, period: [2024-01-01, 2025-01-01], approved_by: 张工, evidence: doc-13, method: per_capita_monthly, monthly: [%s], monthly_days: [%s], relative: true, n: 365, n_eff: 180, rmse_n_minus_p: 0.06, cv_rmse: 0.061, nmbe: 0, r2: 0.3}",
		strings.TrimSuffix(strings.Repeat("0.1, ", 12), ", "), strings.TrimSuffix(strings.Repeat("30, ", 12), ", "))
	if h.kind == 5 {
		water = "ipmvp: none"
	}
	s += fmt.Sprintf("  - {id: homes, name: 居民用水, spec: {resource: water, meters: [{device: %s-wm}], quota_liters_per_person_day: 120, %s}}\n", h.id, water)
	if h.kind != 5 && h.kind != 1 {
		s += fmt.Sprintf("  - {id: flats, spec: {resource: water, ipmvp: none, nested_in: homes, meters: [{device: %[1]s-f1}, {device: %[1]s-f2}], uncertainty: {meter_class: 2}}}\n", h.id)
	}
	return s
}

// watts_rel is stated for the lamps that are not metered before.
func (h *home) watts() float64 {
	if h.mean() {
		return 0
	}
	return 0.05
}

// influxql asks for the values of a statement's one column, by time of row.
func (p *planted) influxql(statement string) map[time.Time]float64 {
	p.t.Helper()
	r, err := http.PostForm(p.url+"/query", url.Values{"db": {"facilities"}, "epoch": {"ms"}, "q": {statement}})
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	var answer struct {
		Results []struct {
			Error  string
			Series []struct{ Values [][]*float64 }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	values := map[time.Time]float64{}
	for _, result := range answer.Results {
		if result.Error != "" {
			p.t.Fatal(statement, result.Error)
		}
		for _, s := range result.Series {
			for _, row := range s.Values {
				if row[1] != nil {
					values[time.UnixMilli(int64(*row[0])).UTC()] = *row[1]
				}
			}
		}
	}
	return values
}

func between(from, to int) string {
	return fmt.Sprintf("time >= %d AND time < %d", (int64(from)*86400-8*3600)*1e9, (int64(to)*86400-8*3600)*1e9)
}

// daily is what a meter used on the local days that begin and end with a read.
func (p *planted) daily(measurement, field, device string) map[int]float64 {
	use := map[int]float64{}
	reads := p.influxql(fmt.Sprintf("SELECT %s FROM %s WHERE device = '%s' AND %s", field, measurement, device, between(firstDay, lastDay+1)))
	midnight := func(d int) time.Time { return time.Unix(int64(d)*86400-8*3600, 0).UTC() }
	for d := firstDay; d < lastDay; d++ {
		a, begins := reads[midnight(d)]
		b, ends := reads[midnight(d+1)]
		if begins && ends {
			use[d] = b - a
		}
	}
	return use
}

// side is one boundary's saving over some days, reckoned by hand.
type side struct {
	due, days                                        int
	actual, baseline, adjusted, saving, band, use    float64
	fit, watts, year, class                          float64
	confidence                                       float64
	unit                                             string
	cover, fraction                                  float64
	counted                                          bool
	community, facility, resource                    string
	home                                             *home
	verdict, shownSaving, shownBand, shownPercentage string
}

// over reckons a boundary's saving of the days [from, to).
func (p *planted) over(h *home, water bool, from, to int) side {
	s := side{home: h, community: h.name, confidence: 0.9, due: to - from}
	use := h.lampDays
	s.facility, s.resource, s.unit = "照明", "电", "千瓦时"
	if water {
		use = h.waterMaster
		s.facility, s.resource, s.unit = "用水", "水", "立方米"
	}
	perDay := func(int) float64 { return h.coefficient }
	if water {
		perDay = func(int) float64 { return 0.1 * float64(h.persons) }
	}
	byMonth, noise := map[time.Month]float64{}, 0.0
	for d := from; d < to; d++ {
		v, ok := use[d]
		if !ok {
			continue
		}
		date := time.Unix(int64(d)*86400, 0).UTC()
		s.days++
		s.actual += v
		s.baseline += perDay(d)
		byMonth[date.Month()] += perDay(d)
		noise += perDay(d) * perDay(d)
		if !water && h.added > 0 && d >= dayNumber(2026, 8, 1) {
			s.adjusted += h.added
		}
	}
	m := float64(s.days)
	switch {
	case water:
		leverage := 0.0
		for _, sum := range byMonth {
			leverage += sum * sum / 30
		}
		s.fit = baseline.TQuantile(0.9, 365-12) * 0.06 * math.Sqrt(365.0/180*(leverage+noise))
		s.year, s.class = 0.03*s.baseline, 0.02*s.actual
	case h.mean():
		s.fit = baseline.TQuantile(0.9, 364) * 0.05 * h.coefficient * math.Sqrt(365.0/200*(m*m/365+m))
		s.class = 0.01 * s.actual
	default:
		s.watts, s.class = 0.05*s.baseline, 0.01*s.actual
	}
	s.band = math.Sqrt(s.fit*s.fit + s.watts*s.watts + s.year*s.year + s.class*s.class)
	s.baseline += s.adjusted
	s.saving = s.baseline - s.actual
	s.cover = m / float64(s.due)
	s.counted = s.days > 0 && !(water && h.kind == 5)
	s.judge()
	return s
}

func (s *side) judge() {
	s.fraction = s.saving / s.baseline
	s.shownSaving, s.shownBand = Rounded(s.saving, s.band), Rounded(s.band, s.band)
	s.shownPercentage = Rounded(100*s.fraction, 100*s.band/math.Abs(s.baseline)) + "%"
	switch {
	case !s.counted:
		s.verdict = "无基准，不计节约量"
	case s.cover < 0.8:
		s.verdict = "覆盖率不足 80%，不作结论"
	case math.Abs(s.saving) <= s.band:
		s.verdict = "与零无法区分"
	case s.saving > 0:
		s.verdict = "节约"
	default:
		s.verdict = "增加"
	}
}

// county is the sum of a facility's sides.
func countySide(sides []side) side {
	t := side{community: "合计", confidence: 0.9, counted: true}
	weighed := 0.0
	for _, s := range sides {
		if !s.counted {
			continue
		}
		t.facility, t.resource, t.unit = s.facility, s.resource, s.unit
		t.actual, t.baseline, t.adjusted, t.saving, t.use = t.actual+s.actual, t.baseline+s.baseline, t.adjusted+s.adjusted, t.saving+s.saving, t.use+s.use
		t.band = math.Hypot(t.band, s.band)
		weighed += s.cover * s.baseline
	}
	t.cover = weighed / t.baseline
	t.judge()
	return t
}

func pct(v float64) string { return strconv.FormatFloat(100*v, 'f', 1, 64) + "%" }

// A county's report, every figure of it against this test's own InfluxQL and arithmetic:
// six communities, or forty where GREENCOMMUNITY_LONG is set. The workbook, the document
// and the page have the same figures. GREENCOMMUNITY_KEEP keeps the files.
func TestCountyReportLong(t *testing.T) {
	t.Parallel()
	communities := 6
	if os.Getenv("GREENCOMMUNITY_LONG") != "" {
		communities = 40
	}
	p := plantCounty(t, communities)
	order := Order{From: date("2026-07-01"), To: date("2026-10-01"), Now: time.Date(2026, 11, 5, 10, 0, 0, 0, p.zone), Unit: "县住建局", Digest: "0123abcd",
		Next: "更换文庙社区的配电箱表计。\n\n第四季度前完成西城社区水表基准。\n"}
	began := time.Now()
	source, err := Gather(context.Background(), &history.Database{URL: p.url, Bucket: "facilities"}, p.inv, &savings.Config{Report: savings.ReportConfig{Floor: 0.8}}, order)
	if err != nil {
		t.Fatal(err)
	}
	r := New(source)
	t.Logf("%d communities gathered in %s", communities, time.Since(began).Round(time.Millisecond))
	if keep := os.Getenv("GREENCOMMUNITY_KEEP"); keep != "" {
		for format := range formats {
			var b bytes.Buffer
			if err := r.Write(&b, format); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(keep, "county."+format), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := p.expected(source)
	figures := 0
	for _, s := range r.Sections {
		rows, known := want[s.Number]
		if !known {
			t.Errorf("section %s %s is not checked", s.Number, s.Title)
			continue
		}
		delete(want, s.Number)
		if len(rows) != len(s.Rows) {
			t.Errorf("section %s %s has %d rows, want %d\n%q\nwant\n%q", s.Number, s.Title, len(s.Rows), len(rows), first(s.Rows, 3), first(rows, 3))
			continue
		}
		for i, row := range s.Rows {
			for k, cell := range row {
				if strings.ContainsAny(cell, "0123456789") {
					figures++
				}
				if k >= len(rows[i]) || cell != rows[i][k] {
					t.Errorf("%s %s row %d %s is %q, want %q (%q)", s.Number, s.Title, i, s.Head[k], cell, at(rows[i], k), row)
				}
			}
		}
	}
	for number := range want {
		t.Errorf("there is no section %s", number)
	}
	t.Logf("%d cells with figures are as InfluxQL and the arithmetic by hand have them", figures)
	sameFigures(t, r)

	// The summary of October: the same county from January, whose result is the year to date.
	order.From = date("2026-01-01")
	if source, err = Gather(context.Background(), &history.Database{URL: p.url, Bucket: "facilities"}, p.inv, &savings.Config{Report: savings.ReportConfig{Floor: 0.8, OnlyConfirmed: true}}, order); err != nil {
		t.Fatal(err)
	}
	summary := New(source)
	if keep := os.Getenv("GREENCOMMUNITY_KEEP"); keep != "" {
		var b bytes.Buffer
		if err := errors.Join(summary.WriteHTML(&b), os.WriteFile(filepath.Join(keep, "summary.html"), b.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if summary.Title != "绿色社区创建阶段性总结" || summary.Period != "2026-01-01 至 2026-09-30" {
		t.Errorf("%s %s", summary.Title, summary.Period)
	}
	sectionOf := func(r *Report, number string) (rows [][]string) {
		for _, s := range r.Sections {
			if s.Number == number {
				rows = s.Rows
			}
		}
		return rows
	}
	var whole, year [][]string
	for _, row := range sectionOf(summary, "四") {
		if row[8] != "" {
			whole = append(whole, []string{row[0], row[2], row[5], row[6], row[8], row[9], row[11], row[12], row[13]})
		}
	}
	for _, row := range sectionOf(r, "四之二") {
		if row[2] == "本年累计" {
			year = append(year, []string{row[0], row[3], row[5], row[6], row[7], row[8], row[9], row[11], row[10]})
		}
	}
	if !slices.EqualFunc(whole, year, slices.Equal) || len(year) < 10 {
		t.Errorf("the summary has\n%q\nthe quarter's year to date is\n%q", whole, year)
	}
	if rows := sectionOf(summary, "四之三"); len(rows) > 0 {
		t.Errorf("priced without prices: %q", rows)
	}
}

func at(row []string, k int) string {
	if k < len(row) {
		return row[k]
	}
	return "nothing"
}

func first(rows [][]string, n int) [][]string { return rows[:min(n, len(rows))] }

// sameFigures reads page, document and workbook back: they have each cell of the report.
func sameFigures(t *testing.T, r *Report) {
	t.Helper()
	var want []string
	for _, s := range r.Sections {
		head, rows := s.Shown()
		if len(rows) > 0 {
			want = append(want, head...)
		}
		for _, row := range rows {
			want = append(want, row...)
		}
	}
	var html, docx, xlsx bytes.Buffer
	for format, b := range map[string]*bytes.Buffer{"html": &html, "docx": &docx, "xlsx": &xlsx} {
		if err := r.Write(b, format); err != nil {
			t.Fatal(err)
		}
	}
	var cells []string
	unescape := strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#43;", "+", "&#34;", `"`, "&#39;", "'", "&amp;", "&")
	for _, m := range regexp.MustCompile(`<t[hd][^>]*>([^<]*)</t[hd]>`).FindAllStringSubmatch(html.String(), -1) {
		cells = append(cells, unescape.Replace(m[1]))
	}
	compare(t, "the page", cells, want)

	z, err := zip.NewReader(bytes.NewReader(docx.Bytes()), int64(docx.Len()))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("word/document.xml")
	if err != nil {
		t.Fatal(err)
	}
	cells = nil
	d := xml.NewDecoder(f)
	for in, text := false, ""; ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local == "tc" {
				in, text = true, ""
			}
		case xml.CharData:
			if in {
				text += string(e)
			}
		case xml.EndElement:
			if e.Name.Local == "tc" {
				cells, in = append(cells, text), false
			}
		}
	}
	compare(t, "the document", cells, want)

	book, err := excelize.OpenReader(&xlsx)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	cells = nil
	for i, sheet := range book.GetSheetList() {
		head, rows := r.Sections[i].Shown()
		for j := range rows {
			if j == 0 {
				for k := range head {
					cells = append(cells, cellOf(t, book, sheet, k, 2))
				}
			}
			for k := range head {
				cells = append(cells, cellOf(t, book, sheet, k, j+3))
			}
		}
	}
	for i := range cells { // a number is a number, and has no zeros at its end
		if i < len(want) && cells[i] != want[i] {
			a, err1 := strconv.ParseFloat(cells[i], 64)
			b, err2 := strconv.ParseFloat(want[i], 64)
			if err1 == nil && err2 == nil && a == b && number(want[i]) {
				cells[i] = want[i]
			}
		}
	}
	compare(t, "the workbook", cells, want)
}

func cellOf(t *testing.T, book *excelize.File, sheet string, column, row int) string {
	t.Helper()
	name, err := excelize.CoordinatesToCellName(column+1, row+1)
	if err != nil {
		t.Fatal(err)
	}
	v, err := book.GetCellValue(sheet, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d cells, want %d", what, len(got), len(want))
	}
	wrong := 0
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] && wrong < 5 {
			wrong++
			t.Errorf("%s: cell %d is %q, want %q", what, i, got[i], want[i])
		}
	}
}

// expected reckons the rows of each section.
func (p *planted) expected(source *Source) map[string][][]string {
	want := map[string][][]string{}
	q := func(year, quarter int) (from, to int) {
		return dayNumber(year, 3*quarter-2, 1), dayNumber(year, 3*quarter+1, 1)
	}
	for _, h := range p.homes {
		h.lampDays = map[int]float64{}
		a, b := p.daily("lighting", "energy_total", h.id+"-em1"), p.daily("lighting", "energy_total", h.id+"-em2")
		for d, v := range a {
			if w, ok := b[d]; ok {
				h.lampDays[d] = v + w
			}
		}
		h.waterMaster = p.daily("water", "water_volume_total", h.id+"-wm")
		h.flats[0], h.flats[1] = p.daily("water", "water_volume_total", h.id+"-f1"), p.daily("water", "water_volume_total", h.id+"-f2")
	}
	sides := func(water bool, from, to int) (list []side) {
		for _, h := range p.homes {
			list = append(list, p.over(h, water, from, to))
		}
		return list
	}
	lamps, water := sides(false, periodFrom, periodTo), sides(true, periodFrom, periodTo)
	// All use, the time of silence included: last read less first.
	ends := func(measurement, field string, from, to int, devices ...string) float64 {
		sum := 0.0
		for _, device := range devices {
			for _, v := range p.influxql(fmt.Sprintf("SELECT last(%[1]s) - first(%[1]s) FROM %[2]s WHERE device = '%[3]s' AND %[4]s", field, measurement, device, strings.Replace(between(from, to), "time < ", "time <= ", 1))) {
				sum += v
			}
		}
		return sum
	}
	use := func(s *side, from, to int) float64 {
		if s.facility == "照明" {
			return ends("lighting", "energy_total", from, to, s.home.id+"-em1", s.home.id+"-em2")
		}
		return ends("water", "water_volume_total", from, to, s.home.id+"-wm")
	}
	yearAgo := func(day int) int { return day - 365 }
	for i := range lamps {
		lamps[i].use, water[i].use = use(&lamps[i], periodFrom, periodTo), use(&water[i], periodFrom, periodTo)
	}
	totalLamps, totalWater := countySide(lamps), countySide(water)
	result := func(s *side) string {
		return fmt.Sprintf("节约 %s ± %s %s（%s），覆盖率 %s：%s", s.shownSaving, s.shownBand, s.unit, s.shownPercentage, pct(s.cover), s.verdict)
	}
	want["一"] = [][]string{
		{"全县照明（电）", result(&totalLamps)}, {"全县用水（水）", result(&totalWater)}, {"报表期", "2026年第3季度"}, {"起止日期", "2026-07-01 至 2026-09-30"},
		{"数据截至", "2026-09-30（92 天中的 92 天）"}, {"状态", "定稿（final）"}, {"修订号", "1"}, {"填报单位", "县住建局"}, {"填报日期", "2026-11-05"}, {"台账摘要（SHA-256）", "0123abcd"},
		{"填报人签字、日期", signature}, {"审核人签字、日期", signature}, {"负责人签字（盖章）、日期", "（盖章）" + signature},
	}
	// In the order of the statement: each community's boundaries by facility.
	var all []side
	for i := range lamps {
		all = append(all, lamps[i], water[i])
	}
	n := len(p.homes)
	kinds := map[int]int{}
	for _, h := range p.homes {
		kinds[h.kind]++
	}
	p.expectAnswers(want, all, kinds)
	share := func(k int) string { return pct(float64(k) / float64(n)) }
	met := kinds[1] + kinds[3] + kinds[5]
	participating := met + kinds[0] + kinds[4]
	lacking := max(0, int(math.Ceil(0.6*float64(n)-1e-9))-met)
	want["二"] = [][]string{{"全部城市社区", fmt.Sprint(n), share(n)}, {"参加创建（含达标、命名）", fmt.Sprint(participating), share(participating)}, {"达标（含命名）", fmt.Sprint(met), share(met)}, {"命名", fmt.Sprint(kinds[3]), share(kinds[3])}, {"距 60% 目标尚缺", fmt.Sprint(lacking), ""}}
	for _, h := range p.homes {
		stage, hint := []string{"参加", "达标", "未参加", "命名", "参加", "达标"}[h.kind], ""
		if h.kind == 2 {
			hint = "有 2021 年改造小区而未参加创建"
		}
		want["三"] = append(want["三"], []string{h.id, h.name, "城关镇", map[bool]string{true: "是", false: "否"}[h.i < 2], "2", fmt.Sprint(h.households), fmt.Sprint(h.persons), "1", stage, "待核", hint})
	}
	id := func(s *side) string {
		if s.home == nil {
			return "全县"
		}
		return s.home.id
	}
	effect := func(s *side, before string) []string {
		row := []string{id(s), s.community, s.facility, s.resource, s.unit}
		if s.counted {
			row = append(row, Rounded(s.actual, s.band), Rounded(s.baseline, s.band), Rounded(s.adjusted, s.band), s.shownSaving, s.shownBand, "90.0%", s.shownPercentage, s.verdict, pct(s.cover))
		} else {
			row = append(row, "", "", "", "", "", "", "", s.verdict, "—")
		}
		return append(row, rough(s.use), before)
	}
	var ago [2]float64
	for i := range all {
		if all[i].counted {
			ago[i%2] += use(&all[i], yearAgo(periodFrom), yearAgo(periodTo))
		}
	}
	want["四"] = [][]string{effect(&totalLamps, rough(ago[0])), effect(&totalWater, rough(ago[1]))}
	for i := range all {
		want["四"] = append(want["四"], effect(&all[i], rough(use(&all[i], yearAgo(periodFrom), yearAgo(periodTo)))))
	}
	p.expectSheets(want, all, source)

	// 同比、环比: the mean of the days that are known.
	mean := func(s *side, from, to int) (perDay, cover float64) {
		days := s.home.lampDays
		if s.facility == "用水" {
			days = s.home.waterMaster
		}
		k := 0.0
		for d := from; d < to; d++ {
			if v, ok := days[d]; ok {
				perDay, k = perDay+v, k+1
			}
		}
		return perDay / k, k / float64(to-from)
	}
	beforeFrom, beforeTo := q(2026, 2)
	spans := [3][2]int{{periodFrom, periodTo}, {beforeFrom, beforeTo}, {yearAgo(periodFrom), yearAgo(periodTo)}}
	compared := func(id, name string, s *side, perDay, cover [3]float64, saved [3]string) []string {
		row := []string{id, name, s.facility, s.unit, rough(perDay[0]), pct(cover[0])}
		for j := 1; j < 3; j++ {
			row = append(row, rough(perDay[j]), pct(cover[j]))
			if cover[0] < 0.8 || cover[j] < 0.8 {
				row = append(row, "覆盖率不足")
			} else {
				row = append(row, strings.NewReplacer("+0.0%", "0.0%", "-0.0%", "0.0%").Replace(fmt.Sprintf("%+.1f%%", 100*(perDay[0]/perDay[j]-1))))
			}
		}
		return append(row, saved[0], saved[1], saved[2])
	}
	saved := func(s *side) string {
		switch {
		case !s.counted:
			return "—"
		case s.cover < 0.8:
			return "覆盖率不足"
		}
		return s.shownPercentage
	}
	for _, isWater := range []bool{false, true} {
		var perDay, cover [3]float64
		var names [3]string
		var of side
		for j, span := range spans {
			list := sides(isWater, span[0], span[1])
			total := countySide(list)
			names[j], of = saved(&total), total
			for i := range list {
				v, c := mean(&list[i], span[0], span[1])
				perDay[j], cover[j] = perDay[j]+v, cover[j]+c/float64(len(list))
			}
		}
		want["四之一"] = append(want["四之一"], compared("全县", "合计", &of, perDay, cover, names))
	}
	for i := range all {
		s := &all[i]
		var perDay, cover [3]float64
		var names [3]string
		for j, span := range spans {
			perDay[j], cover[j] = mean(s, span[0], span[1])
			then := p.over(s.home, s.facility == "用水", span[0], span[1])
			names[j] = saved(&then)
		}
		want["四之一"] = append(want["四之一"], compared(s.home.id, s.community, s, perDay, cover, names))
	}

	// 本年累计与各季度.
	yearRow := func(id, name, when string, s *side) []string {
		return []string{id, name, when, s.facility, s.unit, Rounded(s.actual, s.band), Rounded(s.baseline, s.band), s.shownSaving, s.shownBand, s.shownPercentage, pct(s.cover), s.verdict}
	}
	for quarter := 1; quarter <= 3; quarter++ {
		from, to := q(2026, quarter)
		for _, isWater := range []bool{false, true} {
			total := countySide(sides(isWater, from, to))
			want["四之二"] = append(want["四之二"], yearRow("全县", "合计", fmt.Sprintf("第%d季度", quarter), &total))
		}
	}
	january := dayNumber(2026, 1, 1)
	for _, isWater := range []bool{false, true} {
		total := countySide(sides(isWater, january, periodTo))
		want["四之二"] = append(want["四之二"], yearRow("全县", "合计", "本年累计", &total))
	}
	for _, h := range p.homes {
		for _, isWater := range []bool{false, true} {
			if s := p.over(h, isWater, january, periodTo); s.counted {
				want["四之二"] = append(want["四之二"], yearRow(h.id, h.name, "本年累计", &s))
			}
		}
	}
	p.expectYuan(want, all)
	p.expectRanking(want, all)
	p.expectCompounds(want)
	p.expectWater(want, water)
	p.expectTypical(want)
	for _, h := range p.homes {
		want["六"] = append(want["六"], []string{h.id, h.name, "投放", "厨余垃圾", p.sum("deposits", "waste", h.id), "次"}, []string{h.id, h.name, "垃圾净重", "厨余垃圾", p.sum("waste_weight_net", "waste", h.id), "千克"},
			[]string{h.id, h.name, "门禁进入", "", p.sum("pass_in", "gate", h.id), "人次"}, []string{h.id, h.name, "门禁离开", "", p.sum("pass_out", "gate", h.id), "人次"})
	}
	first := p.homes[0]
	want["六之三"] = [][]string{
		{first.id, first.name, "充电设施", "累计电能", "", "", "12.5", "千瓦时"}, {first.id, first.name, "消防", "消火栓水压", "200", "250", "", "千帕"},
		{first.id, first.name, "消防", "通道占用", "50.0", "", "", "%"}, {first.id, first.name, "噪声", "等效声级", "68.0", "71.0", "", "分贝"},
		{first.id, first.name, "公共区域", "人数", "30.0", "40.0", "", ""}, {first.id, first.name, "公共区域", "进入人数", "", "", "42.0", ""},
	}
	p.expectAlarms(want)
	for _, h := range p.homes {
		for _, w := range []bool{false, true} {
			s := p.over(h, w, periodFrom, periodTo)
			key := []string{h.id, "lamps", h.name, "公共照明"}
			odd, why := "", ""
			switch {
			case w && h.kind == 5:
				key, why = []string{h.id, "homes", h.name, "居民用水"}, "无基准，只列用量"
			case w:
				key = []string{h.id, "homes", h.name, "居民用水"}
			}
			want["七"] = append(want["七"], append(key, fmt.Sprintf("%d/92", s.days), fmt.Sprint(92-s.days), pct(float64(s.days)/92), odd, why))
			if w && h.kind != 5 && h.kind != 1 {
				want["七"] = append(want["七"], []string{h.id, "flats", h.name, "用水分表", "92/92", "0", "100.0%", "", "嵌套在其他边界内，不重复计"})
			}
		}
	}
	want["八"] = nil
	// The factors are checked against the announcements by hand: 0.5306 of 2023, 0.1229.
	want["九"] = [][]string{
		{"电力排放因子", "0.5568", "千克CO₂／千瓦时", "2021", "全国", "生态环境部、国家统计局《关于发布2021年电力二氧化碳排放因子的公告》"},
		{"电力排放因子", "0.5366", "千克CO₂／千瓦时", "2022", "全国", "生态环境部、国家统计局《关于发布2022年电力二氧化碳排放因子的公告》"},
		{"电力排放因子", "0.5306", "千克CO₂／千瓦时", "2023", "全国", "生态环境部、国家统计局《关于发布2023年电力二氧化碳排放因子的公告》"},
		{"折标准煤（当量值）", "0.1229", "千克标准煤／千瓦时", "", "", "GB/T 2589-2020"},
		{"节电折合二氧化碳", "未知", "千克CO₂", "2026", "全国", "没有该年份的因子"},
		{"节电折合二氧化碳（最近公布年份的因子）", Rounded(0.5306*totalLamps.saving, 0.5306*totalLamps.band) + " ± " + Rounded(0.5306*totalLamps.band, 0.5306*totalLamps.band), "千克CO₂", "2023", "全国", "全部节电量折算；区间不含因子本身的不确定度"},
		{"节电折合标准煤 tce (当量值)", Rounded(0.1229*totalLamps.saving, 0.1229*totalLamps.band) + " ± " + Rounded(0.1229*totalLamps.band, 0.1229*totalLamps.band), "千克标准煤", "", "全国", "全部节电量折算；区间不含因子本身的不确定度"},
	}
	want["十"] = [][]string{{"1", "更换文庙社区的配电箱表计。"}, {"2", "第四季度前完成西城社区水表基准。"}}
	want["附五"] = source.methods().Rows // words
	return want
}

func (p *planted) sum(field, measurement, community string) string {
	for _, v := range p.influxql(fmt.Sprintf("SELECT sum(%s) FROM %s WHERE community = '%s' AND %s", field, measurement, community, between(periodFrom, periodTo))) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return ""
}

func (p *planted) expectAnswers(want map[string][][]string, all []side, kinds map[int]int) {
	var more, thin, without, outside []string
	saves, indistinct := map[string][]side{}, 0
	for _, s := range all {
		switch s.verdict {
		case "节约":
			saves[s.facility] = append(saves[s.facility], s)
		case "增加":
			more = append(more, s.community+s.facility+"（"+s.shownPercentage+"）")
		case "与零无法区分":
			indistinct++
		case "无基准，不计节约量":
			without = append(without, s.community+s.facility)
		default:
			thin = append(thin, s.community+s.facility+"（"+pct(s.cover)+"）")
		}
	}
	best := func(facility string) string {
		list := saves[facility]
		slices.SortStableFunc(list, func(a, b side) int { return cmp.Compare(b.saving, a.saving) })
		var top []string
		for _, s := range list[:min(3, len(list))] {
			top = append(top, fmt.Sprintf("%s %s ± %s %s（%s）", s.community, s.shownSaving, s.shownBand, s.unit, s.shownPercentage))
		}
		return facility + "节约最多：" + strings.Join(top, "、")
	}
	cut := func(list []string) string {
		switch n := len(list); {
		case n == 0:
			return "无"
		case n > 8:
			return strings.Join(list[:8], "、") + fmt.Sprintf(" 等 %d 项", n)
		}
		return strings.Join(list, "、")
	}
	met := 0
	for _, h := range p.homes {
		if h.kind == 2 {
			outside = append(outside, h.name)
		}
		if h.kind%2 == 1 {
			met++
		}
	}
	lacking := max(0, int(math.Ceil(0.6*float64(len(p.homes))-1e-9))-met)
	// Alarms: a leak each of kind 0, a silent cabinet each of kinds 1 and 2, a door of kind 2.
	total := kinds[0] + kinds[1] + 2*kinds[2]
	order := []struct {
		title string
		n     int
		name  string
	}{{"持续流量（疑似漏水）", kinds[0], "continuous_flow"}, {"设备离线", kinds[1] + kinds[2], "offline"}, {"门长时间未关", kinds[2], "held_open"}}
	for i := range order {
		order[i].title = kindTitle(order[i].name)
	}
	slices.SortFunc(order, func(a, b struct {
		title string
		n     int
		name  string
	}) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name))
	})
	var most []string
	for _, o := range order {
		most = append(most, fmt.Sprintf("%s %d 起", o.title, o.n))
	}
	var took []float64 // hours
	for _, h := range p.homes {
		switch h.kind {
		case 0:
			took = append(took, 24+float64(h.i)*49/60)
		case 2:
			took = append(took, 0.75, 73)
		}
	}
	slices.Sort(took)
	middle := (took[(len(took)-1)/2] + took[len(took)/2]) / 2
	want["一之一"] = [][]string{
		{"谁节约了多少", best("照明") + "；" + best("用水") + "。全县合计见封面，逐社区见第四节。"},
		{"结果是否可靠", fmt.Sprintf("%d 项确认节约，%d 项确认增加，%d 项与零无法区分，%d 项覆盖率不足不作结论，%d 项没有节约量（无基准或无读数）。区间为 90%% 置信度的半宽，其构成见附二。",
			len(saves["照明"])+len(saves["用水"]), len(more), indistinct, len(thin), len(without))},
		{"谁落后", fmt.Sprintf("用量增加：%s。覆盖率不足：%s。没有节约量：%s。未参加创建：%s。距 60%% 达标目标尚缺 %d 个社区。", cut(more), cut(thin), cut(without), cut(outside), lacking)},
		{"出了什么问题", fmt.Sprintf("告警 %d 起：%s。%d 起期末未恢复，最久的是%s1号配电箱的%s（2026-06-26 00:01 起）。%s", total, strings.Join(most, "、"), kinds[1], p.homes[1].name, kindTitle("offline"), p.leaks())},
		{"怎么处理的", fmt.Sprintf("恢复 %d 起，用时中位数 %s、最长 %s；有人处理（确认、派单等）%d 起，判为误报 %d 起。逐项见第六之二节。", len(took), hours(middle), hours(took[len(took)-1]), kinds[0]+kinds[2], kinds[2])},
	}
}

func (p *planted) leaks() string {
	type leak struct {
		name  string
		share float64
	}
	var list []leak
	for _, h := range p.homes {
		entered, behind := 0.0, 0.0
		for d := periodFrom; d < periodTo; d++ {
			entered, behind = entered+h.waterMaster[d], behind+h.flats[0][d]+h.flats[1][d]
		}
		if h.kind != 1 {
			list = append(list, leak{h.name, 1 - behind/entered})
		}
	}
	slices.SortStableFunc(list, func(a, b leak) int { return cmp.Compare(b.share, a.share) })
	var worst []string
	for _, l := range list[:3] {
		worst = append(worst, l.name+" "+pct(l.share))
	}
	return "漏损率（总表与分表之差）最高：" + strings.Join(worst, "、") + "。"
}

// hours as the report writes them.
func hours(h float64) string {
	switch {
	case h < 1:
		return strconv.FormatFloat(60*h, 'f', 0, 64) + " 分钟"
	case h < 48:
		return strconv.FormatFloat(h, 'f', 1, 64) + " 小时"
	}
	return strconv.FormatFloat(h/24, 'f', 1, 64) + " 天"
}

func (p *planted) expectSheets(want map[string][][]string, all []side, source *Source) {
	hash := map[[2]string]string{} // not a figure: that it is frozen is tested elsewhere
	for _, item := range source.Statement.Items {
		for _, b := range item.Boundaries {
			if b.Sheet != nil {
				hash[[2]string{string(item.Community), b.ID}] = b.Sheet.Hash
			}
		}
	}
	for i := range all {
		s := &all[i]
		h := s.home
		if s.facility == "照明" {
			key := []string{h.id, "lamps", h.name, "公共照明"}
			method := []string{"B（计量改造部分）", "灯具清单×燃点时间", "灯数与功率、约定燃点时间", "2024-01-01 至 2024-12-31", "灯 100 盏"}
			if h.mean() {
				method = []string{"B（计量改造部分）", "均值", "无", "2024-01-01 至 2024-12-31", "无"}
			}
			want["附一"] = append(want["附一"], slices.Concat(key, method, []string{"2 只（1 级）：1号配电箱、2号配电箱", "1", "张工", "doc-12", "有效", hash[[2]string{h.id, "lamps"}]}))
			quality := []string{"不拟合", "—", "—", "—", "—", "—"}
			if h.mean() {
				quality = []string{"365", "200", "0.29", "5.0%", "0.01%", "—"}
			}
			want["附二"] = append(want["附二"], slices.Concat(key, quality, []string{Rounded(s.fit, s.band), Rounded(s.watts, s.band), Rounded(0, s.band), Rounded(0, s.band), Rounded(0, s.band), Rounded(s.class, s.band), Rounded(0, s.band), Rounded(s.band, s.band), "千瓦时"}))
			if h.added > 0 {
				want["附三"] = append(want["附三"], slices.Concat(key, []string{"非常规调整", "2026-08-01起", "每日 +2 千瓦时", "新增庭院灯", "doc-31"}))
			}
			continue
		}
		key := []string{h.id, "homes", h.name, "居民用水"}
		if h.kind == 5 {
			want["附一"] = append(want["附一"], slices.Concat(key, []string{"不计节约", "无", "—", "—", "—", "1 只", "—", "—", "—", "无基准，只列用量", "—"}))
			continue
		}
		want["附一"] = append(want["附一"], slices.Concat(key, []string{"C（计量整体）", "人均分月", "月份、人数", "2024-01-01 至 2024-12-31", fmt.Sprintf("基准期末 %d 人", h.persons), "1 只（2 级）：总水表", "2", "张工", "doc-13", "有效", hash[[2]string{h.id, "homes"}]}))
		if h.kind != 1 {
			want["附一"] = append(want["附一"], []string{h.id, "flats", h.name, "用水分表", "不计节约", "无", "—", "—", "—", "2 只", "—", "—", "—", "嵌套在其他边界内，不重复计", "—"})
		}
		want["附二"] = append(want["附二"], slices.Concat(key, []string{"365", "180", "0.34", "6.1%", "0.00%", "0.30", Rounded(s.fit, s.band), Rounded(0, s.band), Rounded(s.year, s.band), Rounded(0, s.band), Rounded(0, s.band), Rounded(s.class, s.band), Rounded(0, s.band), Rounded(s.band, s.band), "立方米"}))
	}
}

func (p *planted) expectYuan(want map[string][][]string, all []side) {
	price := func(hour int) float64 { // of the example: 17 to 23 peak, 23 to 7 valley
		switch {
		case hour >= 17 && hour < 23:
			return 0.76
		case hour >= 23 || hour < 7:
			return 0.31
		}
		return 0.51
	}
	cost := func(x float64) float64 { // 180 at 2.5, 80 at 3.75, the rest at 7.5
		return 2.5*min(x, 180) + 3.75*max(0, min(x, 260)-180) + 7.5*max(0, x-260)
	}
	var rows [][]string
	var yuan, squares [2]float64
	for i := range all {
		s := &all[i]
		if !s.counted {
			continue
		}
		each, name, basis, k := 0.0, "示例：峰谷分时", "按时计量", 0
		value := 0.0
		if s.facility == "照明" {
			weight := 0.0
			if s.home.kind == 4 { // no hours are stored: from dusk to dawn
				basis = "夜长推算"
				for d := periodFrom; d < periodTo; d++ {
					date := time.Unix(int64(d)*86400-8*3600, 0).In(p.zone)
					begin, end, _ := sun.Night(date, 34.58, 105.72, sun.Civil)
					for hour := range 36 {
						from, to := date.Add(time.Duration(hour)*time.Hour), date.Add(time.Duration(hour+1)*time.Hour)
						if from.Before(begin) {
							from = begin
						}
						if to.After(end) {
							to = end
						}
						if to.After(from) {
							each, weight = each+price(hour%24)*to.Sub(from).Hours(), weight+to.Sub(from).Hours()
						}
					}
				}
			} else {
				for t, v := range p.influxql(fmt.Sprintf("SELECT sum(used) FROM usage WHERE community = '%s' AND facility = 'lighting' AND %s GROUP BY time(1h)", s.home.id, between(periodFrom, periodTo))) {
					each, weight = each+price(t.In(p.zone).Hour())*v, weight+v
				}
			}
			each /= weight
			value = s.saving * each
		} else {
			households, days := float64(s.home.households), float64(s.days)
			before, now := s.baseline/households*365/days, s.actual/households*365/days
			each, name, basis, k = (cost(before)-cost(now))/(before-now), "示例：居民阶梯水价", "—", 1
			value = (cost(before) - cost(now)) * households * days / 365
		}
		half := s.band * math.Abs(each)
		yuan[k] += value
		squares[k] += half * half
		rows = append(rows, []string{s.home.id, s.community, s.facility, s.shownSaving, s.unit, strconv.FormatFloat(each, 'f', 4, 64), Rounded(value, half), Rounded(half, half), name, basis})
	}
	for k, facility := range []string{"照明", "用水"} {
		band := math.Sqrt(squares[k])
		want["四之三"] = append(want["四之三"], []string{"全县", "合计", facility, "", "", "", Rounded(yuan[k], band), Rounded(band, band), "", ""})
	}
	want["四之三"] = append(want["四之三"], rows...)
}

func (p *planted) expectRanking(want map[string][][]string, all []side) {
	for _, facility := range []string{"照明", "用水"} {
		var list []side
		for _, s := range all {
			if s.facility == facility && s.counted {
				list = append(list, s)
			}
		}
		slices.SortStableFunc(list, func(a, b side) int {
			if (a.cover < 0.8) != (b.cover < 0.8) {
				return map[bool]int{true: 1, false: -1}[a.cover < 0.8]
			}
			return cmp.Compare(b.fraction, a.fraction)
		})
		for i, s := range list {
			place, households, lamps := strconv.Itoa(i+1), "—", "—"
			if s.cover < 0.8 {
				place = "—"
			}
			if facility == "用水" {
				households = Rounded(s.saving/float64(s.home.households), s.band/float64(s.home.households))
			} else if !s.home.mean() {
				lamps = Rounded(s.saving/100, s.band/100)
			}
			relative := 100 * s.band / math.Abs(s.baseline)
			want["四之四"] = append(want["四之四"], []string{s.home.id, place, s.community, facility, s.shownPercentage, Rounded(relative, relative) + "%", s.shownSaving, s.unit, households, lamps, s.verdict})
		}
	}
}

func (p *planted) expectCompounds(want map[string][][]string) {
	type entry struct {
		row  []string
		each float64
		thin bool
	}
	for _, of := range []struct{ facility, name, unit string }{{"lighting", "照明", "千瓦时"}, {"water", "用水", "立方米"}} {
		var list []entry
		for _, h := range p.homes {
			for _, compound := range []string{"a", "b"} {
				device := h.id + map[string]string{"lightinga": "-em1", "lightingb": "-em2", "watera": "-wm", "waterb": ""}[of.facility+compound]
				query := func(field string) (sum float64) {
					if h.kind == 1 {
						for _, v := range p.influxql(fmt.Sprintf("SELECT sum(%s) FROM usage_daily WHERE community = '%s' AND compound = '%s' AND facility = '%s' AND %s", field, h.id, compound, of.facility, between(periodFrom, periodTo))) {
							sum += v
						}
						return sum
					}
					for _, v := range p.influxql(fmt.Sprintf("SELECT sum(%s) FROM usage WHERE device = '%s' AND facility = '%s' AND %s", field, device, of.facility, between(periodFrom, periodTo))) {
						sum += v
					}
					return sum
				}
				used, covered := query("used"), query("covered")
				if covered == 0 {
					continue
				}
				n, each := 0.0, 0.0
				perDay := used / (covered / 86400)
				meters := 1.0
				switch {
				case of.facility == "water":
					n = float64(h.households - 100)
					each = 1000 * perDay / n
				default:
					n = map[string]float64{"a": 40}[compound] // of b nobody has said
					each = perDay / n                         // of none without end
				}
				cover := covered / 86400 / 92 / meters
				list = append(list, entry{[]string{h.id, compound, "", communityNames[h.i] + map[string]string{"a": "一区", "b": "二区"}[compound], h.name, of.name, rough(perDay), of.unit, strconv.FormatFloat(n, 'f', 0, 64), rough(each), pct(min(1, cover))}, each, cover < 0.8 || n == 0})
				if row := list[len(list)-1].row; n == 0 {
					row[8], row[9] = "未知", "—"
				}
			}
		}
		slices.SortStableFunc(list, func(a, b entry) int {
			if a.thin != b.thin {
				return map[bool]int{true: 1, false: -1}[a.thin]
			}
			return cmp.Compare(a.each, b.each)
		})
		for i, e := range list {
			place := strconv.Itoa(i + 1)
			if e.thin {
				place = "—"
			}
			want["四之五"] = append(want["四之五"], slices.Concat(e.row[:2], []string{place}, e.row[3:]))
		}
	}
}

func (p *planted) expectWater(want map[string][][]string, water []side) {
	var parents [][]string
	defer func() { want["五之一"] = append(want["五之一"], parents...) }()
	for _, s := range water {
		h := s.home
		litres := 1000 * s.actual / float64(h.persons) / float64(s.days)
		// From two to four, of each night: reads at two and at four.
		night, nights := 0.0, 0
		reads := p.influxql(fmt.Sprintf("SELECT water_volume_total FROM water WHERE device = '%s-wm' AND %s", h.id, between(periodFrom, periodTo)))
		for d := periodFrom; d < periodTo; d++ {
			two := time.Unix(int64(d)*86400-6*3600, 0).UTC()
			a, ok := reads[two]
			if b, also := reads[two.Add(2*time.Hour)]; ok && also {
				night, nights = night+(b-a)/2, nights+1
			}
		}
		night /= float64(nights)
		want["五"] = append(want["五"], []string{h.id, "homes", h.name, "居民用水", strconv.FormatFloat(litres, 'f', 0, 64), "120", pct(litres / 120), strconv.FormatFloat(night, 'f', 2, 64), strconv.FormatFloat(night-0.06*float64(h.persons)*0.01, 'f', 2, 64), strconv.Itoa(nights)})
		if h.kind == 1 {
			continue
		}
		behind := 0.0
		for d := periodFrom; d < periodTo; d++ {
			behind += h.flats[0][d] + h.flats[1][d]
		}
		if h.kind == 5 { // by the inventory's parents, and listed behind the boundaries
			parents = append(parents, []string{h.id, h.id + "-wm", h.name, "总水表（其后 2 只表）", "立方米", "92", rough(s.actual), rough(behind), Rounded(s.actual-behind, s.actual/100), "—", pct((s.actual - behind) / s.actual)})
			continue
		}
		band := math.Hypot(0.02*s.actual, 0.02*behind)
		want["五之一"] = append(want["五之一"], []string{h.id, "homes", h.name, "居民用水", "立方米", "92", Rounded(s.actual, band), Rounded(behind, band), Rounded(s.actual-behind, band), Rounded(band, band), pct((s.actual - behind) / s.actual)})
	}
}

func (p *planted) expectTypical(want map[string][][]string) {
	from := periodTo - 365
	for _, h := range p.homes {
		for _, isWater := range []bool{false, true} {
			year := p.over(h, isWater, from, periodTo)
			if !year.counted {
				continue
			}
			// Of each month the share that was saved, times the month of a whole year.
			typical, saved, days := 0.0, 0.0, 0
			for m := range 12 {
				first := time.Date(2025, time.Month(10+m), 1, 0, 0, 0, 0, time.UTC)
				a, b := int(first.Unix()/86400), int(first.AddDate(0, 1, 0).Unix()/86400)
				part := p.over(h, isWater, a, b)
				if part.days < 15 {
					days = -1
					break
				}
				days += part.days
				month := float64(b-a) * map[bool]float64{false: h.coefficient, true: 0.1 * float64(h.persons)}[isWater]
				if !isWater {
					month += float64(b-a) * h.added
				}
				typical += month
				saved += month * (1 - part.actual/part.baseline)
			}
			key := []string{h.id, "lamps", h.name, "公共照明", "千瓦时"}
			if isWater {
				key = []string{h.id, "homes", h.name, "居民用水", "立方米"}
			}
			if days < 0 {
				want["附四"] = append(want["附四"], slices.Concat(key, []string{year.shownSaving, year.shownBand, strconv.Itoa(year.days), "—", "不足一整年，或没有典型年气温", ""}))
				continue
			}
			band := year.band / year.baseline * typical
			want["附四"] = append(want["附四"], slices.Concat(key, []string{year.shownSaving, year.shownBand, strconv.Itoa(days), Rounded(typical, band), Rounded(saved, band), Rounded(band, band)}))
		}
	}
}

func (p *planted) expectAlarms(want map[string][][]string) {
	type line struct {
		rank  int
		since time.Time
		took  float64
		row   []string
	}
	var lines []line
	day := func(d int) time.Time { return time.Unix(int64(d)*86400-8*3600, 0).In(p.zone) }
	stamp := func(t time.Time) string { return t.Format("2006-01-02 15:04") }
	for _, h := range p.homes {
		area := communityNames[h.i] + "一区"
		switch h.kind {
		case 0:
			took := 24 + float64(h.i)*49/60
			since := day(periodFrom + 10).Add(6 * time.Hour)
			want["六之一"] = append(want["六之一"], []string{h.id, h.name, kindTitle("continuous_flow"), "1", "1", "0", hours(took), hours(took)})
			lines = append(lines, line{0, since, took, []string{h.id, h.id + "-wm", h.name, area, "总水表", kindTitle("continuous_flow"), "严重", stamp(since), stamp(since.Add(24*time.Hour + time.Duration(h.i)*49*time.Minute)), hours(took), "已办结", "李师傅", "2.0 小时"}})
		case 1:
			since := day(periodFrom - 5).Add(time.Duration(h.i) * time.Minute)
			want["六之一"] = append(want["六之一"], []string{h.id, h.name, kindTitle("offline"), "0", "0", "1", "—", "—"})
			lines = append(lines, line{-9, since, 0, []string{h.id, h.id + "-em1", h.name, area, "1号配电箱", kindTitle("offline"), "警告", stamp(since), "未恢复", "—", "无人处理", "无", "—"}})
		case 2:
			since := day(periodFrom + 20)
			want["六之一"] = append(want["六之一"], []string{h.id, h.name, kindTitle("held_open"), "1", "1", "0", "45 分钟", "45 分钟"}, []string{h.id, h.name, kindTitle("offline"), "0", "1", "0", "3.0 天", "3.0 天"})
			lines = append(lines, line{1, since, 0.75, []string{h.id, h.id + "-gate", h.name, area, "东门", kindTitle("held_open"), "警告", stamp(since), stamp(since.Add(45 * time.Minute)), "45 分钟", "误报：搬家", "王主任", "30 分钟"}})
			since = day(periodFrom - 3)
			lines = append(lines, line{1, since, 73, []string{h.id, h.id + "-em2", h.name, area, "2号配电箱", kindTitle("offline"), "警告", stamp(since), stamp(since.Add(73 * time.Hour)), "3.0 天", "无人处理", "无", "—"}})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		if a.rank < 0 {
			return a.since.Compare(b.since)
		}
		return cmp.Compare(b.took, a.took)
	})
	for _, l := range lines {
		want["六之二"] = append(want["六之二"], l.row)
	}
}
