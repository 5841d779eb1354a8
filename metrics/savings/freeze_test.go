package savings

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest/document"
	"greencommunity/metrics/savings/baseline"
)

func specOf(t *testing.T, text string) *BaselineSpec {
	t.Helper()
	var l BaselineSpec
	var problems document.Problems
	if !document.Decode([]byte(text), &l, &problems) || problems.Err() != nil {
		t.Fatal(problems.Err())
	}
	return &l
}

// One baseline of each method, and texts and numbers that a YAML library could
// write in another way: the hash of today, and the one that a program of
// November 2026 (f05c4a8) printed for the same text. Neither may ever change: a
// freeze outlives the program. Case house/02.
var frozen = map[string]struct{ text, hash, before string }{
	"lamps in short": {`{version: 1, method: lamp_inventory, hours: astro_civil}`, "b1:0883464f53ed92bd", "c96e2af141a4dabe"},
	"lamps": {`{version: 3, period: [2020-01-01, 2021-01-01], method: lamp_inventory, approved_by: "张工: 能源科", evidence: "doc-40 #3\nsecond line", hours: fixed,
  fixed_hours: [13, 12, 12, 11, 10, 9, 9, 10, 11, 12, 13, 13.5],
  groups: [{count: 100, watts: 168, burning: 0.95, standby_watts: 1.5, curve: [{level: 1, watts: 168}, {level: 0.5, watts: 93.3}], schedule: [{level: 1, hours: 0.5}, {level: 0.5, hours: 0.5}]}, {count: 1e7, watts: 1.0e-7}]}`, "b1:6da490d2f0beeebe", "8103607f0504fb7a"},
	"regression": {`{version: 1, period: [2025-01-01, 2026-01-01], method: regression, hdd_F: 60, cdd_F: 0, coef: [10, 0, 2], n: 365, n_eff: 300, rmse_n_minus_p: 1,
  XtX_inv: [[0.01, -0.0005, 0], [-0.0005, 0.00004, 0], [0, 0, 0]], cv_rmse: 0.05, nmbe: -1.2e-9}`, "b1:f51a1e85f4882117", "417c7a24741677aa"},
	"mean":       {`{version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]], cv_rmse: 0.05}`, "b1:4ed32d04a2574b0f", "364b54072eb0f1b7"},
	"per head":   {`{version: 1, period: [2024-01-01, 2025-01-01], method: per_capita_monthly, monthly: [0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], monthly_days: [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], n: 366, n_eff: 200.25, rmse_n_minus_p: 0.08, relative: true}`, "b1:c56efee9951667ca", "81e8c20a91d39500"},
	"irrigation": {`{version: 2, period: [2024-01-01, 2025-01-01], method: irrigation, approved_by: "true", evidence: "123", irrigation: {a: 0.5, b: 0.001, area: 12000}}`, "b1:6f673a51cdaaa7a7", "c0c4ad9ef65817f7"},
	"odd":        {`{version: 1, period: [2024-01-01, 2025-01-01], method: mean, approved_by: '"quoted" ''twice''', evidence: "- dash", coef: [123456789012345680000, -0.1, 0.000001, 1e21, 5e-324], fixed_hours: []}`, "b1:f8e81fa3eecec14a", "c415e3e84992bfc1"},
}

func TestHashOutlivesTheProgram(t *testing.T) {
	for name, c := range frozen {
		l := specOf(t, c.text)
		if got := hash(l); got != c.hash {
			t.Errorf("%s: hash %s, pinned %s\n%s", name, got, c.hash, canonical(nil, reflect.ValueOf(l)))
		}
		if !l.frozenAs(c.hash) || !l.frozenAs(c.before) {
			t.Errorf("%s: is not recognised as %s and %s; the old form is now %s\n%s", name, c.hash, c.before, digest(l.unversioned()), l.unversioned())
		}
		changed := *l
		changed.NMBE += 0.01
		if changed.frozenAs(c.hash) || changed.frozenAs(c.before) || changed.frozenAs("") {
			t.Errorf("%s: another baseline is taken for it", name)
		}
	}
	if got := digest(unversionedAdjustments(nil)); got != "37517e5f3dc66819" {
		t.Errorf("no adjustments: the old form is now %s", got)
	}
	var day Date
	if err := day.UnmarshalText([]byte("2026-03-01")); err != nil {
		t.Fatal(err)
	}
	list := []Adjustment{{From: day, PerDay: 3, Why: "新增路灯: 12 盏", Doc: "doc-7"}}
	if got := digest(unversionedAdjustments(list)); got != "323db91b0e4c60be" {
		t.Errorf("an adjustment: the old form is now %s", got)
	}
}

// Before 26 November 2026 the struct had no member relative; what was frozen then
// has the hash of this text.
func TestHashOfBeforeRelative(t *testing.T) {
	l := specOf(t, frozen["mean"].text)
	text := bytes.Replace(l.unversioned(), []byte("relative: false\n"), nil, 1)
	if stored := digest(text); !l.frozenAs(stored) || stored == frozen["mean"].before {
		t.Errorf("%s is not recognised", stored)
	}
	if l := specOf(t, frozen["per head"].text); l.frozenAs(digest(bytes.Replace(l.unversioned(), []byte("relative: true\n"), nil, 1))) {
		t.Error("a relative baseline is none of before")
	}
}

// later is the struct of a program to come: members that are new, gone where
// nobody used them, and in another order.
func later(v reflect.Value) reflect.Value {
	fields := []reflect.StructField{{Name: "ToCome", Type: reflect.TypeFor[string](), Tag: `yaml:"to_come"`}, {Name: "ListToCome", Type: reflect.TypeFor[[]float64](), Tag: `yaml:"list_to_come"`}}
	for i := range v.NumField() {
		fields = append(fields, v.Type().Field(v.NumField()-1-i))
	}
	more := reflect.New(reflect.StructOf(fields)).Elem()
	for i := range v.NumField() {
		more.FieldByName(v.Type().Field(i).Name).Set(v.Field(i))
	}
	more.FieldByName("ListToCome").Set(reflect.ValueOf([]float64{})) // as a YAML library leaves a list that is not there
	return more
}

func TestHashKnowsNoMemberThatIsNotUsed(t *testing.T) {
	for name, c := range frozen {
		l := specOf(t, c.text)
		if a, b := canonical(nil, reflect.ValueOf(l)), canonical(nil, later(reflect.ValueOf(*l))); !bytes.Equal(a, b) {
			t.Errorf("%s:\n%s\n%s", name, a, b)
		}
	}
	// What was written is part of it, zeros in lists and behind pointers too.
	base := specOf(t, frozen["regression"].text)
	seen := []string{hash(base)}
	for name, change := range map[string]func(*BaselineSpec){
		"no balance point":   func(l *BaselineSpec) { l.CDD = nil },
		"a coefficient":      func(l *BaselineSpec) { l.Coef = []float64{10, 0, 2, 0} },
		"order":              func(l *BaselineSpec) { l.Coef = []float64{10, 2, 0} },
		"version":            func(l *BaselineSpec) { l.Version = 2 },
		"who approved it":    func(l *BaselineSpec) { l.ApprovedBy = "张工" },
		"last digit":         func(l *BaselineSpec) { l.RMSE = 1.0000000000000002 },
		"rows":               func(l *BaselineSpec) { l.Inverse = [][]float64{{0.01, -0.0005, 0, -0.0005, 0.00004, 0, 0, 0, 0}} },
		"a group of zeros":   func(l *BaselineSpec) { l.Groups = []baseline.Lamps{{}} },
		"two such groups":    func(l *BaselineSpec) { l.Groups = []baseline.Lamps{{}, {}} },
		"quotes in evidence": func(l *BaselineSpec) { l.Evidence = `a",hours:"b` },
	} {
		changed := *base
		change(&changed)
		h := hash(&changed)
		if slices.Contains(seen, h) {
			t.Errorf("%s: has the hash of another", name)
		}
		seen = append(seen, h)
	}
}

// A checkpoint of a program before the form b1 goes on without a word, and the
// next one carries the new form; a baseline that did change is still found.
func TestFreezeOfAnOldStateGoesOn(t *testing.T) {
	spec := strings.Replace(steady, "    baseline:", "    nra: [{from: 2026-01-10, kwh_per_day: 3, why: \"新增路灯: 12 盏\", doc: doc-7}]\n    baseline:", 1)
	r := newRig(t, spec)
	feed(r, "em", "energy_total", "2026-01-01", 40, func(int, time.Time) float64 { return 8 })
	a := r.accounts[0]
	want := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	actual, baseline := a.actual, a.baseline
	if a.savedHash = digest(a.Baseline.unversioned()); a.savedHash != frozen["mean"].before {
		t.Fatalf("the old form of the baseline is now %s", a.savedHash)
	}
	a.savedNRA = a.nraBefore
	var state bytes.Buffer
	if err := r.Save(&state); err != nil {
		t.Fatal(err)
	}
	resume := func(spec string) (*rig, string) {
		var log bytes.Buffer
		next := newRig(t, spec)
		next.Engine = New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		next.Bind(next.inv)
		if err := next.Load(bytes.NewReader(state.Bytes())); err != nil {
			t.Fatal(err)
		}
		return next, log.String()
	}
	next, log := resume(spec)
	b := next.accounts[0]
	if log != "" || b.conflict || b.savedHash != hash(b.Baseline) || b.savedNRA != b.nraHash || !strings.HasPrefix(b.savedHash, "b1:") {
		t.Errorf("conflict %v, hash %s, adjustments %s, log %q", b.conflict, b.savedHash, b.savedNRA, log)
	}
	for i := range b.ledger.Cells {
		if b.ledger.Cells[i].Dirty != "" {
			t.Fatalf("day %d is to be evaluated again for %s", i, b.ledger.Cells[i].Dirty)
		}
	}
	next.tick(midnight("2026-02-10").Add(5 * time.Hour))
	if got := next.Quarter("nancheng", "lighting", "electricity", 2026, 1); got != want || b.actual != actual || b.baseline != baseline {
		t.Errorf("%+v, was %+v", got, want)
	}
	changed, log := resume(strings.Replace(spec, "coef: [10]", "coef: [11]", 1))
	if !changed.accounts[0].conflict || !strings.Contains(log, "a frozen baseline changed") {
		t.Errorf("a changed baseline goes on: %q", log)
	}
}

// oldBoundaries are those whose state testdata/f05c4a8.state is: the program of 27
// November 2026 (f05c4a8) wrote it after 40 days of hourly reads, with an old hash of
// each baseline and of the adjustments.
const oldBoundaries = `
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: em}]
    uncertainty: {watts_rel: 0.05, meter_class: 1}
    nra: [{from: 2026-01-10, kwh_per_day: 3, why: "新增路灯: 12 盏", doc: doc-7}]
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: astro_civil, groups: [{count: 100, watts: 168, burning: 0.95}]}
- id: households
  spec:
    resource: water
    ipmvp: C
    meters: [{device: wm}]
    baseline: {version: 2, approved_by: "张工: 能源科", evidence: "doc-40", period: [2025-01-01, 2026-01-01], method: per_capita_monthly, relative: true, rmse_n_minus_p: 0.08, n: 365, n_eff: 146, monthly: [0.1, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], monthly_days: [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]}
- id: shop
  spec:
    resource: electricity
    facility: waste
    ipmvp: C
    meters: [{device: sm}]
    weather: station
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: regression, hdd_F: 60, coef: [10, 2], n: 365, n_eff: 300, rmse_n_minus_p: 1, XtX_inv: [[0.01, -0.0005], [-0.0005, 0.00004]]}
`

// A state of that program starts here with every counter and figure as it printed
// them (but for a band that has grown since), and every baseline frozen.
func TestStateOfBeforeStartsTheSame(t *testing.T) {
	state, err := os.ReadFile("testdata/f05c4a8.state")
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	r := newRig(t, oldBoundaries)
	r.Engine = New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r.Bind(r.inv)
	if err := r.Load(bytes.NewReader(state)); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for i, c := range []struct {
			before           string // hash in the state
			actual, baseline float64
			saving, band     float64
		}{
			{"ba51d38c8b5cd3d4", 7488, 8100.959473999999, 612.9594739999993, math.Hypot(0.05*8100.959473999999, 0.01*7488)}, // with what is stated of the lamps that were added
			{"ba804421d5bbc19f", 3744, 4700, 956, 211.859561989473},
			{"fb36c76cecdd4265", 842.4, 1766.699999999999, 924.2999999999989, 12.379263646215822},
		} {
			a := r.accounts[i]
			if got := digest(a.Baseline.unversioned()); got != c.before {
				t.Errorf("%s: the old form of %s is now %s", when, a.key, got)
			}
			if a.conflict || a.savedHash != hash(a.Baseline) {
				t.Errorf("%s: %s is frozen as %s, conflict %v", when, a.key, a.savedHash, a.conflict)
			}
			r.close(when+": accrued "+a.key, a.actual, c.actual)
			r.close(when+": accrued baseline "+a.key, a.baseline, c.baseline)
			q := r.Quarter("nancheng", a.Facility, a.Resource, 2026, 1)
			r.close(when+": saving "+a.key, q.Saving, c.saving)
			r.close(when+": band "+a.key, q.Uncertainty, c.band)
			r.close(when+": coverage "+a.key, q.Coverage, 0.975)
		}
		if log.Len() > 0 {
			t.Errorf("%s: %s", when, log.String())
		}
	}
	check("loaded")
	r.tick(midnight("2026-02-10").Add(5 * time.Hour)) // evaluates again what changed: nothing
	check("later")
	var next bytes.Buffer
	if err := r.Save(&next); err != nil {
		t.Fatal(err)
	}
	r.Engine = New(Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	r.Bind(r.inv)
	if err := r.Load(&next); err != nil {
		t.Fatal(err)
	}
	check("after another restart")
}

// The service writes each day what it has frozen; a recomputation that is told of it
// refuses what the service refuses, and nothing else: the same terms, a higher version.
func TestRecomputationKnowsWhatIsFrozen(t *testing.T) {
	r := newRig(t, steady)
	feed(r, "em", "energy_total", "2026-01-01", 3, func(int, time.Time) float64 { return 9 })
	if len(r.frozen) < 3 {
		t.Fatalf("%+v", r.frozen)
	}
	last := r.frozen[len(r.frozen)-1]
	version, hash := int(last.Fields[0].Value.(int64)), last.Fields[1].Value.(string)
	for _, c := range []struct {
		name, boundaries, changed string
	}{
		{"the same", steady, ""},
		{"uncertainty", strings.Replace(steady, "    baseline:", "    uncertainty: {meter_class: 1}\n    baseline:", 1), changedTerms},
		{"the baseline", strings.Replace(steady, "coef: [10]", "coef: [11]", 1), changedBaseline},
		{"a new version", strings.Replace(steady, "{version: 1, period", "{version: 2, approved_by: 张工, evidence: doc-9, period", 1), ""},
	} {
		inv := load(t, c.boundaries)
		recomputed, err := NewRecomputation(inv, "", dayOf("2026-01-01"), dayOf("2026-01-04"))
		if err != nil {
			t.Fatal(err)
		}
		recomputed.Frozen("nancheng", "lamps", version, hash)
		recomputed.Frozen("nancheng", "another", version, hash)
		for n := range 4 {
			recomputed.Read("energy_total", []byte("em"), nil, midnight("2026-01-01").AddDate(0, 0, n).UnixNano(), 5000+9*float64(n))
		}
		item := recomputed.Statement().Items[0]
		b := item.Boundaries[0]
		if c.changed == "" {
			if b.Changed != "" || b.Status != "frozen" || math.Abs(float64(item.Saving)-3) > 1e-9 || math.Abs(float64(b.Saving)-3) > 1e-9 {
				t.Errorf("%s: %+v", c.name, item)
			}
			continue
		}
		if !strings.Contains(b.Changed, c.changed) || b.Status != "changed" || !math.IsNaN(float64(item.Saving)) || !math.IsNaN(float64(b.Saving)) || item.Verdict != BaselineChanged {
			t.Errorf("%s: %+v", c.name, item)
		}
	}
	// An older version than the one that is frozen.
	recomputed, err := NewRecomputation(load(t, steady), "", dayOf("2026-01-01"), dayOf("2026-01-04"))
	if err != nil {
		t.Fatal(err)
	}
	recomputed.Frozen("nancheng", "lamps", 2, hash)
	if b := recomputed.Statement().Items[0].Boundaries[0]; b.Changed != changedVersion {
		t.Errorf("%+v", b)
	}
}

func dayOf(text string) (d Date) {
	if err := d.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return d
}

// A year of public holidays that becomes known is no change of a baseline that goes by
// days off; another calendar of its own years is. One that goes by weekends does not mind.
func TestCalendarIsFrozenWithItsBaseline(t *testing.T) {
	boundary := func(calendar string) string {
		return fmt.Sprintf(`
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: em}]
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, calendar: [%s], coef: [10, 2], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.004, -0.004], [-0.004, 0.01]]}
`, calendar)
	}
	for _, c := range []struct {
		driver, calendar string
		changed          bool
		saving           float64
	}{
		{"rest_days", "", false, 5 * 3}, // 1 to 3 January are off, the Sunday is worked, Monday
		{"rest_days", "\ncalendar: [{year: 2027, rest: [2027-01-01]}]", false, 5 * 3},
		{"rest_days", "\ncalendar: [{year: 2026, rest: [2026-01-01]}]", false, 5 * 3}, // 1 January, Saturday and Sunday
		{"rest_days", "\ncalendar: [{year: 2025, rest: [2025-01-02]}]", true, 0},
		{"weekend", "\ncalendar: [{year: 2025, rest: [2025-01-02]}]", false, 5*3 - 2},
	} {
		r := newRig(t, boundary(c.driver))
		for n := range 6 {
			r.send(midnight("2026-01-01").AddDate(0, 0, n), "em", "energy_total", 5000+float64(n)*8.2)
		}
		r.tick(midnight("2026-01-06").Add(3 * time.Hour))
		later := loadAfter(t, boundary(c.driver), c.calendar)
		if err := Check(later); err != nil {
			t.Fatal(err)
		}
		r.Bind(later)
		r.tick(midnight("2026-01-06").Add(4 * time.Hour))
		got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
		if c.changed != r.accounts[0].conflict || math.Abs(got.Saving-c.saving) > 1e-6 {
			t.Errorf("%+v: conflict %v, %+v", c, r.accounts[0].conflict, got)
		}
	}
}

// What makes a figure less certain than it looks is told, and nothing where all is stated.
func TestAdvice(t *testing.T) {
	water := func(more string) string {
		return fmt.Sprintf(`
- id: households
  spec:
    resource: water
    ipmvp: C
    meters: [{device: wm}]
    uncertainty: {%s}
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, calendar: [rest_days], coef: [10, 2], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.004, -0.004], [-0.004, 0.01]]}
`, more)
	}
	for _, c := range []struct {
		stated, calendar string
		year             int
		want             []string
	}{
		{"", "", 2026, []string{"year_rel"}},
		{"year_rel: 0.04", "", 2026, nil},
		{"year_rel: 0.04", "", 2099, []string{"public holidays of 2099"}},
		{"year_rel: 0.04", "\ncalendar: [{year: 2099, rest: [2099-01-01]}]", 2099, nil},
	} {
		got := Advice(loadAfter(t, water(c.stated), c.calendar), c.year)
		if len(got) != len(c.want) {
			t.Errorf("%+v: %q", c, got)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%+v: %q", c, got)
			}
		}
	}
}
