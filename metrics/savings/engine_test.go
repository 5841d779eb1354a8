package savings

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/savings/baseline"
	"greencommunity/metrics/savings/books"
)

var local = time.FixedZone("CST", 8*3600)

func midnight(s string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, s, local)
	if err != nil {
		panic(err)
	}
	return t
}

// load makes an inventory of one community with these boundaries (YAML list).
func load(t testing.TB, boundaries string) *inventory.Inventory {
	t.Helper()
	return loadAfter(t, boundaries, "")
}

// loadAfter is load with more at the end of the inventory.
func loadAfter(t testing.TB, boundaries, more string) *inventory.Inventory {
	t.Helper()
	text := `communities:
- id: nancheng
  name: 南城社区
  population: 1000
  lat: 34.75
  lon: 106.13
  boundaries:
` + indent(boundaries) + `
vendors:
- id: v
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
` + more
	path := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := inventory.Load(path, local)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return inv
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// rig drives an engine as the pipeline does: a tick, then the reading.
type rig struct {
	*Engine
	t       testing.TB
	inv     *inventory.Inventory
	devices map[string]uint32
	list    []*ingest.Device
	points  map[string]ingest.Point
	frozen  []ingest.Point
}

func newRig(t testing.TB, boundaries string) *rig {
	t.Helper()
	inv := load(t, boundaries)
	if err := Check(inv); err != nil {
		t.Fatal(err)
	}
	r := &rig{Engine: New(Options{}), t: t, inv: inv, devices: map[string]uint32{}, points: map[string]ingest.Point{}}
	r.Bind(inv)
	return r
}

func (r *rig) send(when time.Time, device, quantity string, v float64) {
	r.sendLate(when, when, device, quantity, v)
}

// sendLate delivers at received what was measured at when.
func (r *rig) sendLate(received, when time.Time, device, quantity string, v float64) {
	r.t.Helper()
	i, ok := r.devices[device]
	if !ok {
		i = uint32(len(r.list))
		r.devices[device] = i
		r.list = append(r.list, &ingest.Device{ID: ingest.DeviceID(device), Origin: &ingest.Origin{Community: "nancheng", Facility: "lighting"}, Listing: ingest.Unlisted})
	}
	var q *ingest.Quantity
	for _, kind := range r.inv.Facilities.Kinds() {
		if q = r.inv.Facilities.Quantity(kind, quantity); q != nil {
			break
		}
	}
	if q == nil {
		r.t.Fatal(quantity)
	}
	r.Tick(received.UnixNano())
	r.Reading(i, &ingest.Reading{Device: r.list[i], Quantity: q, Value: v, Time: when.UnixNano()}, received.After(when), received.UnixNano())
	r.drain()
}

func (r *rig) drain() {
	for _, p := range r.Points() {
		if p.Measurement == Frozen {
			r.frozen = append(r.frozen, p)
			continue
		}
		r.points[fmt.Sprint(p.Tags, p.Time)] = p
	}
}

func (r *rig) tick(when time.Time) {
	r.Tick(when.UnixNano())
	r.drain()
}

// flat is a metered boundary with a baseline of 10 a day known to ±1 %.
const flat = `
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [{device: em}]
    register: {tolerance: 0.1}
    intervention: [2026-01-01, 2026-01-01]
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]], cv_rmse: 0.05}
`

var steady = strings.Replace(flat, "    intervention: [2026-01-01, 2026-01-01]\n", "", 1)

func (r *rig) close(what string, got, want float64) {
	r.t.Helper()
	if math.Abs(got-want) > 1e-9*math.Max(1, math.Abs(want)) {
		r.t.Errorf("%s: %.12g, want %.12g", what, got, want)
	}
}

// A quarter of 8 kWh a day against 10: by hand 90·2 = 180 saved.
func TestQuarterByHand(t *testing.T) {
	r := newRig(t, steady)
	start := midnight("2026-01-01")
	for h := range 24*90 + 1 {
		r.send(start.Add(time.Duration(h)*time.Hour), "em", "energy_total", 5000+float64(h)*8/24)
	}
	r.tick(midnight("2026-04-02"))
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("actual", got.Actual, 720)
	r.close("baseline", got.Baseline, 900)
	r.close("saving", got.Saving, 180)
	r.close("coverage", got.Coverage, 1)
	r.close("band", got.Uncertainty, baseline.TQuantile(0.9, 364)*0.5*math.Sqrt(90*90/365.0+90))
	if !got.Significant || got.Verdict() != baseline.Saved || got.GB() != -got.Saving || got.Revision != 0 {
		t.Errorf("%+v", got)
	}
	r.tick(midnight("2026-05-02"))
	if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); got.Revision != 1 {
		t.Errorf("a month later the quarter is not final: %+v", got)
	}
	if len(r.points) != 90+30 {
		t.Errorf("%d daily points", len(r.points))
	}
}

// The events of a quarter, each worked by hand: the register is read each
// midnight, 10 kWh a day but for what happens.
func TestEventsOfAQuarterByHand(t *testing.T) {
	swap := strings.Replace(steady, "register:", `swaps: [{device: em, at: "2026-02-01T12:00:00+08:00", closing: 1315, opening: 7}]`+"\n    register:", 1)
	wrap := strings.Replace(steady, "tolerance: 0.1", "tolerance: 0.1, modulus: 10000", 1)
	day := func(n int) time.Time { return midnight("2026-01-01").AddDate(0, 0, n) }
	run := func(spec string, reading func(n int) (at time.Time, v float64, ok bool)) (*rig, Result) {
		r := newRig(t, spec)
		for n := range 91 {
			if at, v, ok := reading(n); ok {
				r.sendLate(day(n), at, "em", "energy_total", v)
			}
		}
		r.tick(day(90).Add(26 * time.Hour))
		return r, r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	}
	check := func(name string, got Result, actual, days float64) {
		t.Helper()
		if math.Abs(got.Actual-actual) > 1e-6 || math.Abs(got.Baseline-10*days) > 1e-6 || math.Abs(got.Coverage-days/90) > 1e-9 {
			t.Errorf("%s: actual %.9g, baseline %.9g, coverage %.9g; by hand %g, %g, %g", name, got.Actual, got.Baseline, got.Coverage, actual, 10*days, days/90)
		}
	}
	// Out at noon of February 1 (day 31) at 1315, in at 7: 31 days and a half are
	// 315, the rest 58.5 days 585.
	_, got := run(swap, func(n int) (time.Time, float64, bool) {
		if n <= 31 {
			return day(n), 1000 + 10*float64(n), true
		}
		return day(n), 7 + 10*(float64(n)-31.5), true
	})
	check("meter swap", got, 900, 90)
	// From 9700 on it passes 10000 on day 30.
	_, got = run(wrap, func(n int) (time.Time, float64, bool) {
		return day(n), math.Mod(9700+10*float64(n)+5, 10000), true
	})
	check("wrap", got, 900, 90)
	// Reset to 0 at midnight of day 40 without a record: the reads of days 40 to
	// 42 are held, and believed with that of day 42. What was used from 0 on is
	// known then; day 39, at whose end it was reset, is lost on both sides.
	_, got = run(steady, func(n int) (time.Time, float64, bool) {
		if n < 40 {
			return day(n), 1000 + 10*float64(n), true
		}
		return day(n), 10 * float64(n-40), true
	})
	check("reset", got, 890, 89)
	// The clock goes back two days on day 50 and is right again on day 53: the
	// reads of days 50, 51 and 52 are older than that of day 49 or the same age,
	// but that of day 52, which claims to be of day 50. All amounts are kept.
	_, got = run(steady, func(n int) (time.Time, float64, bool) {
		at := day(n)
		if n >= 50 && n < 53 {
			at = day(n - 2)
		}
		return at, 1000 + 10*float64(n), true
	})
	check("clock jump", got, 900, 90)
	// Silent from day 20 to day 26: the amount is known when it is back.
	r, got := run(steady, func(n int) (time.Time, float64, bool) {
		return day(n), 1000 + 10*float64(n), n < 20 || n > 26
	})
	check("a week of silence", got, 900, 90)
	if down := r.byKey["nancheng/lamps"].down; down[0] != nil || down[1] != nil {
		t.Errorf("silence lowered the accrual: %v", down)
	}
	// Silent to the end: what is not covered counts on neither side.
	_, got = run(steady, func(n int) (time.Time, float64, bool) {
		return day(n), 1000 + 10*float64(n), n <= 60
	})
	check("silent to the end", got, 600, 60)
}

// An estimate of 14 for day 11 that was 4 too high is taken back from day 11.
func TestTrueUpInTheMiddleOfAQuarter(t *testing.T) {
	r := newRig(t, steady)
	day := func(n int) time.Time { return midnight("2026-01-01").AddDate(0, 0, n) }
	send := func(n int, v float64, estimated bool) {
		r.send(day(n), "em", "energy_total", v) // registers the device
		_ = estimated
	}
	for n := range 11 {
		send(n, 10*float64(n), false)
	}
	r.Tick(day(11).UnixNano())
	q := r.inv.Facilities.Quantity("lighting", "energy_total")
	r.Reading(0, &ingest.Reading{Device: r.list[0], Quantity: q, Value: 124, Time: day(11).UnixNano(), Estimated: true}, false, day(11).UnixNano())
	r.tick(day(11).Add(3 * time.Hour)) // day 10 (from midnight of 10 to 11) is closed with 24
	before := *r.byKey["nancheng/lamps"].ledger.Peek(Date{day(10).Add(8 * time.Hour)}.number())
	send(12, 120, false)
	for n := 13; n < 91; n++ {
		send(n, 10*float64(n), false)
	}
	r.tick(day(92))
	after := *r.byKey["nancheng/lamps"].ledger.Peek(Date{day(10).Add(8 * time.Hour)}.number())
	r.close("the estimated day, before", before.Actual, 24)
	r.close("the estimated day, after", after.Actual, 20)
	got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	r.close("actual", got.Actual, 900)
	// The read of day 12 says what both days used together: both count, and 900
	// of 900 is no saving.
	r.close("coverage", got.Coverage, 1)
	r.close("saving", got.Saving, 0)
	a := r.byKey["nancheng/lamps"]
	r.close("taken back", a.down[0][books.TrueUp], 4)
	r.close("accrued", a.actual, 904) // accrual does not fall; 904 − 4 holds
}

// Restarts at any moment give the same bytes and the same figures as none.
func TestRestartGivesTheSameToTheLastDigit(t *testing.T) {
	drive := func(restarts bool) (*rig, []byte) {
		r := newRig(t, steady)
		rng := rand.New(rand.NewPCG(1, 2))
		total := 0.0
		start := midnight("2026-01-01")
		for h := range 24 * 130 {
			total += rng.Float64()
			if rng.IntN(40) == 0 {
				h -= rng.IntN(3) // late and out of order
			}
			if h >= 24*40 && h < 24*47 {
				continue // silence
			}
			r.sendLate(start.Add(time.Duration(h)*time.Hour+30*time.Minute), start.Add(time.Duration(h)*time.Hour), "em", "energy_total", total)
			if restarts && rng.IntN(50) == 0 || !restarts && rng.IntN(50) == -1 {
				var state bytes.Buffer
				if err := r.Save(&state); err != nil {
					t.Fatal(err)
				}
				points := r.points
				fresh := New(Options{})
				fresh.Bind(r.inv)
				if err := fresh.Load(&state); err != nil {
					t.Fatal(err)
				}
				r.Engine, r.points = fresh, points
			}
		}
		var state bytes.Buffer
		if err := r.Save(&state); err != nil {
			t.Fatal(err)
		}
		return r, state.Bytes()
	}
	a, stateA := drive(false)
	b, stateB := drive(true)
	if !bytes.Equal(stateA, stateB) {
		t.Error("the states differ")
	}
	if !reflect.DeepEqual(a.points, b.points) {
		t.Error("the daily points differ")
	}
	if x, y := a.Quarter("nancheng", "lighting", "electricity", 2026, 1), b.Quarter("nancheng", "lighting", "electricity", 2026, 1); x != y || x.Saving == 0 {
		t.Errorf("%+v, restarted %+v", x, y)
	}
}

// A final quarter stays as it was under its revision; late data make another.
func TestFinalQuarterChangesOnlyAsRevision(t *testing.T) {
	r := newRig(t, steady)
	day := func(n int) time.Time { return midnight("2026-01-01").AddDate(0, 0, n) }
	for n := range 81 { // silent from day 80 on
		r.send(day(n), "em", "energy_total", 8*float64(n))
	}
	r.tick(day(90 + 31))
	first := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	if first.Revision != 1 || math.Abs(first.Coverage-80.0/90) > 1e-9 {
		t.Fatalf("%+v", first)
	}
	r.send(day(130), "em", "energy_total", 8*130)
	r.tick(day(132))
	second := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	if second.Revision != 2 || second.Coverage != 1 {
		t.Errorf("%+v", second)
	}
	r.close("saving", second.Saving, 180)
	finals := r.byKey["nancheng/lamps"].quarters[0].Finals
	if len(finals) != 2 {
		t.Fatalf("%d revisions", len(finals))
	}
	r.close("revision 1", finals[0].Actual, 640)
}

// While use is booked again, a final quarter keeps its revision, and has one more at the
// end, however many times its days changed. What is held elsewhere holds nothing here.
func TestHeldQuarterHasOneRevision(t *testing.T) {
	for _, c := range []struct {
		name string
		held Held
		want [4]int // revisions: after each of two changes, at the end, and a day later
	}{
		{"all communities", Held{Since: midnight("2026-02-01")}, [4]int{1, 1, 2, 2}},
		{"this one", Held{"nancheng", midnight("2026-03-31"), midnight("2026-04-01")}, [4]int{1, 1, 2, 2}},
		{"another community", Held{Community: "xicheng", Since: midnight("2026-02-01")}, [4]int{2, 3, 3, 3}},
		{"another quarter", Held{Since: midnight("2026-04-01")}, [4]int{2, 3, 3, 3}},
		{"the quarter before", Held{Since: midnight("2025-11-01"), Until: midnight("2026-01-01")}, [4]int{2, 3, 3, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, steady)
			day := func(n int) time.Time { return midnight("2026-01-01").AddDate(0, 0, n) }
			for n := range 71 { // silent from day 70 on
				r.send(day(n), "em", "energy_total", 8*float64(n))
			}
			r.tick(day(121))
			revision := func() int { return r.Quarter("nancheng", "lighting", "electricity", 2026, 1).Revision }
			if got := revision(); got != 1 {
				t.Fatalf("revision %d before anything", got)
			}
			r.Hold([]Held{c.held}, day(121).UnixNano())
			var got [4]int
			r.send(day(80), "em", "energy_total", 8*80)
			r.tick(day(122))
			got[0] = revision()
			r.send(day(130), "em", "energy_total", 8*130)
			r.tick(day(132))
			got[1] = revision()
			r.Hold(nil, day(132).UnixNano())
			r.tick(day(132).Add(time.Minute))
			got[2] = revision()
			r.tick(day(133))
			got[3] = revision()
			if got != c.want {
				t.Errorf("revisions %v, want %v", got, c.want)
			}
			if q := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); q.Coverage != 1 {
				t.Errorf("coverage %g", q.Coverage)
			}
		})
	}
}

func TestExposition(t *testing.T) {
	r := newRig(t, steady)
	day := func(n int) time.Time { return midnight("2026-01-01").AddDate(0, 0, n) }
	for n := range 11 {
		r.send(day(n), "em", "energy_total", 8*float64(n))
	}
	r.tick(day(10).Add(3 * time.Hour))
	want := `
# HELP greencommunity_energy_actual_joules_total Use in covered time, as accrued.
# TYPE greencommunity_energy_actual_joules_total counter
greencommunity_energy_actual_joules_total{community="nancheng",facility="lighting"} 2.88e+08
# HELP greencommunity_energy_baseline_joules_total Adjusted baseline of the same time, as accrued.
# TYPE greencommunity_energy_baseline_joules_total counter
greencommunity_energy_baseline_joules_total{community="nancheng",facility="lighting"} 3.6e+08
# HELP greencommunity_energy_savings_joules Adjusted baseline less actual use over the covered time; negative where more was used.
# TYPE greencommunity_energy_savings_joules gauge
greencommunity_energy_savings_joules{community="nancheng",facility="lighting",period="quarter",status="provisional"} 7.2e+07
greencommunity_energy_savings_joules{community="nancheng",facility="lighting",period="since_start",status="provisional"} 7.2e+07
# HELP greencommunity_savings_coverage_ratio Days that count on both sides, of the days due.
# TYPE greencommunity_savings_coverage_ratio gauge
greencommunity_savings_coverage_ratio{community="nancheng",facility="lighting",period="quarter",resource="electricity"} 1
greencommunity_savings_coverage_ratio{community="nancheng",facility="lighting",period="since_start",resource="electricity"} 1
# HELP greencommunity_savings_significant 1 where the saving is larger than its band, 0 where it is not distinguishable from zero.
# TYPE greencommunity_savings_significant gauge
greencommunity_savings_significant{community="nancheng",facility="lighting",period="quarter",resource="electricity"} 1
greencommunity_savings_significant{community="nancheng",facility="lighting",period="since_start",resource="electricity"} 1
`
	if err := testutil.CollectAndCompare(r.Engine, strings.NewReader(want),
		"greencommunity_energy_actual_joules_total", "greencommunity_energy_baseline_joules_total", "greencommunity_energy_savings_joules",
		"greencommunity_savings_coverage_ratio", "greencommunity_savings_significant"); err != nil {
		t.Error(err)
	}
}

// Scrapes and reloads do not disturb the walker, nor each other.
func TestScrapesWhileReadingsCome(t *testing.T) {
	r := newRig(t, steady)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			if _, err := testutil.CollectAndLint(r.Engine); err != nil {
				t.Error(err)
			}
		}
	}()
	start := midnight("2026-01-01")
	for h := range 24 * 60 {
		r.send(start.Add(time.Duration(h)*time.Hour), "em", "energy_total", float64(h)/3)
		if h%200 == 0 {
			r.Bind(r.inv)
		}
	}
	<-done
	if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); math.Abs(got.Actual-8*58) > 9 {
		t.Errorf("%+v", got)
	}
}

func TestBytesAMeter(t *testing.T) {
	const n = 100_000
	r := newRig(t, "- {id: all, spec: {resource: electricity, ipmvp: none, meter_count: 100000}}")
	r.send(midnight("2026-01-01"), "first", "energy_total", 1)
	q := r.inv.Facilities.Quantity("lighting", "energy_total")
	devices := make([]ingest.Device, n)
	for i := range devices {
		devices[i] = ingest.Device{ID: ingest.DeviceID(fmt.Sprint("em-", i)), Origin: &ingest.Origin{Community: "nancheng"}, Listing: &ingest.Listing{Boundary: "all"}}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range devices {
		r.Reading(uint32(i+1), &ingest.Reading{Device: &devices[i], Quantity: q, Value: 1, Time: midnight("2026-01-01").UnixNano()}, false, 0)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes a meter; %d of them its state", each, unsafe.Sizeof(meter{}))
	if each > 200 || len(r.Engine.meters) != n {
		t.Errorf("%.0f bytes for each of %d meters", each, len(r.Engine.meters))
	}
	runtime.KeepAlive(devices)
}

func BenchmarkReading(b *testing.B) {
	r := newRig(b, steady)
	r.send(midnight("2026-01-01"), "em", "energy_total", 1)
	reading := ingest.Reading{Device: r.list[0], Quantity: r.inv.Facilities.Quantity("lighting", "energy_total"), TimeSource: ingest.TimeDevice}
	start := midnight("2026-01-01").UnixNano()
	b.ReportAllocs()
	i := int64(0)
	for b.Loop() {
		i++
		reading.Time, reading.Value = start+i*int64(time.Second)/100, 1+float64(i)*0.001
		r.Tick(reading.Time)
		r.Reading(0, &reading, false, reading.Time)
	}
}

// The page and a scrape ask while SIGHUP swaps the inventory and readings come:
// nothing they are given is written to any more. The race detector looks; case
// house/04.
func TestStandingsWhileReloading(t *testing.T) {
	r := newRig(t, steady)
	start := midnight("2026-01-01")
	for h := range 24 * 3 {
		r.send(start.Add(time.Duration(h)*time.Hour), "em", "energy_total", float64(h)/3)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 500 {
			for _, s := range r.Standings() {
				if !s.Baselined {
					t.Error("a boundary with a baseline is shown as one without")
				}
			}
			testutil.CollectAndCount(r.Engine)
		}
	}()
	for h := range 100 {
		r.Bind(r.inv)
		r.send(start.Add(time.Duration(72+h)*time.Hour), "em", "energy_total", 24+float64(h)/3)
	}
	<-done
}
