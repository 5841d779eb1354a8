package savings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/metrics/savings/baseline"

	"greencommunity/ingest/inventory/inventorytest"
)

// fieldCase is a file of a case of savings that was found in the field.
func fieldCase(t *testing.T, name string) []byte {
	t.Helper()
	root := inventorytest.Cases(t)
	text, err := os.ReadFile(filepath.Join(root, "field/savings", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lampsWithMeters is a boundary of n lamps of 100 W that burn 12 hours, each with
// a meter of its own.
func lampsWithMeters(n int) string {
	var meters []string
	for i := range n {
		meters = append(meters, fmt.Sprintf("{device: l%d}", i))
	}
	return fmt.Sprintf(`
- id: lamps
  spec:
    resource: electricity
    ipmvp: B
    meters: [%s]
    uncertainty: {meter_class: 1, watts_rel: 0.01}
    baseline: {version: 1, period: [2025-01-01, 2026-01-01], method: lamp_inventory, hours: fixed, fixed_hours: [12,12,12,12,12,12,12,12,12,12,12,12], groups: [{count: %d, watts: 100}]}
`, strings.Join(meters, ", "), n)
}

// Case 01: of 50 lamps one never reports; nothing was saved.
func TestCase01DeadMeterSavesNothing(t *testing.T) {
	boundary := string(fieldCase(t, "01-dead-meter-booked-as-saving/boundary.yaml"))
	if boundary != strings.TrimPrefix(lampsWithMeters(50), "\n") {
		t.Fatal("the case's boundary is not the one of lampsWithMeters")
	}
	got := silent(t, 50, 1, 0)
	if math.Abs(got.Saving) > 1e-6 || got.Verdict() != baseline.Indistinct || math.Abs(got.Coverage-0.98) > 1e-9 {
		t.Errorf("saving %g ± %g (%s), coverage %g; want 0, not distinguishable, 0.98", got.Saving, got.Uncertainty, got.Verdict(), got.Coverage)
	}
}

// silent is the first quarter of n lamps of which some send nothing after their
// first read, and the others save a share.
func silent(t *testing.T, n, dead int, saved float64) Result {
	t.Helper()
	r := newRig(t, lampsWithMeters(n))
	for d := range 91 {
		for i := range n {
			if i < dead && d > 0 {
				continue
			}
			r.send(midnight("2026-01-01").AddDate(0, 0, d), fmt.Sprintf("l%d", i), "energy_total", 100+1.2*float64(d)*(1-saved))
		}
	}
	r.tick(midnight("2026-04-02"))
	return r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
}

// A silent meter neither saves nor takes the figure away, however many lamps there are.
func TestSilentMetersAreInNeitherSide(t *testing.T) {
	for _, c := range []struct {
		n, dead int
		saved   float64
	}{{24, 1, 0}, {24, 1, 0.3}, {100, 2, 0}, {100, 3, 0.1}, {200, 1, 0}, {200, 5, 0}, {10, 4, 0.2}, {2, 1, 0}} {
		got := silent(t, c.n, c.dead, c.saved)
		share := 1 - float64(c.dead)/float64(c.n)
		would := 1.2 * 90 * float64(c.n-c.dead)
		if math.Abs(got.Saving-c.saved*would) > 1e-6 || math.Abs(got.Baseline-would) > 1e-6 || math.Abs(got.Coverage-share) > 1e-9 {
			t.Errorf("%d of %d silent, %g saved: %+v", c.dead, c.n, c.saved, got)
		}
		if (got.Verdict() == baseline.Saved) != (c.saved > 0) {
			t.Errorf("%d of %d silent, %g saved: %s, %g ± %g", c.dead, c.n, c.saved, got.Verdict(), got.Saving, got.Uncertainty)
		}
	}
	if got := silent(t, 10, 6, 0.2); got.Coverage != 0 || got.Verdict() != baseline.NoCoveredTime {
		t.Errorf("6 of 10 silent: %+v", got)
	}
}

// Where meters use unlike amounts nobody knows which share of the baseline the
// silent ones had: the band says so. Nothing was saved, and in at least 85 of 100
// runs it holds that.
func TestSilentMetersOfUnlikeUse(t *testing.T) {
	inside := 0
	for seed := range 100 {
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		const n = 20
		uses, total := make([]float64, n), 0.0
		for i := range uses {
			uses[i] = 0.5 + rng.ExpFloat64()
			total += uses[i]
		}
		r := newRig(t, strings.Replace(lampsWithMeters(n), fmt.Sprintf("count: %d, watts: 100", n), fmt.Sprintf("count: 1, watts: %g", total/12*1000), 1))
		for d := range 91 {
			for i := range n {
				if i < 2 && d > 0 {
					continue
				}
				r.send(midnight("2026-01-01").AddDate(0, 0, d), fmt.Sprintf("l%d", i), "energy_total", 100+uses[i]*float64(d))
			}
		}
		r.tick(midnight("2026-04-02"))
		if got := r.Quarter("nancheng", "lighting", "electricity", 2026, 1); math.Abs(got.Saving) <= got.Uncertainty {
			inside++
		}
	}
	t.Logf("inside the band in %d of 100 runs", inside)
	if inside < 85 {
		t.Errorf("inside the band in %d of 100 runs", inside)
	}
}

// Meters that fall silent and come back at other hours, reads that are hours apart,
// restarts: live and recomputed are one figure, and it is that of each meter's own
// covered days.
func TestMaskIsTheSameRecomputedAndAfterRestart(t *testing.T) {
	const n = 12
	text := lampsWithMeters(n)
	r := newRig(t, text)
	rc, err := NewRecomputation(r.inv, "", Date{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, Date{time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	type read struct {
		at time.Time
		v  float64
	}
	reads := make([][]read, n)
	until, gone := make([]time.Time, n), 0
	for h := 0; h <= 90*24; h += 6 {
		at := midnight("2026-01-01").Add(time.Duration(h) * time.Hour)
		for i := range n {
			if h > 0 && rng.IntN(200) == 0 {
				until[i], gone = at.Add(time.Duration(24+rng.IntN(200))*time.Hour), gone+1
			}
			if at.Before(until[i]) {
				continue
			}
			v := 100 + 0.05*float64(h)*(1+0.1*float64(i))
			r.send(at, fmt.Sprintf("l%d", i), "energy_total", v)
			reads[i] = append(reads[i], read{at, v})
		}
		if h%504 == 0 { // a restart
			var state bytes.Buffer
			if err := r.Save(&state); err != nil {
				t.Fatal(err)
			}
			r.Engine = New(Options{})
			r.Bind(r.inv)
			if err := r.Load(&state); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.tick(midnight("2026-04-08"))
	live := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	for i := range reads {
		for _, x := range reads[i] {
			rc.Read("energy_total", []byte(fmt.Sprintf("l%d", i)), nil, x.at.UnixNano(), x.v)
		}
	}
	item := rc.Statement().Items[0]
	if gone < 5 || math.Abs(live.Saving-float64(item.Saving)) > 1e-6 || math.Abs(live.Uncertainty-float64(item.Uncertainty)) > 1e-6 || math.Abs(live.Coverage-float64(item.Coverage)) > 1e-9 {
		t.Errorf("%d silences; live %+v, recomputed %v ± %v, coverage %v", gone, live, item.Saving, item.Uncertainty, item.Coverage)
	}
	if err := json.NewEncoder(io.Discard).Encode(item); err != nil {
		t.Error(err)
	}
}

// Case 23: in mid-quarter the days to come are not due, and a statement says what
// the metrics say.
func TestCase23DaysToComeAreNotDue(t *testing.T) {
	r := newRig(t, lampsWithMeters(2))
	rc, err := NewRecomputation(r.inv, "", Date{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, Date{time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	rc.Due(Date{time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)}) // 58 days are over
	for d := range 59 {
		for _, device := range []string{"l0", "l1"} {
			if d > 0 && d < 45 { // 13 of them are metered, the others by one read for all
				continue
			}
			at, v := midnight("2026-01-01").AddDate(0, 0, d), 100+1.2*float64(d)
			if d == 0 {
				at, v = at.AddDate(0, 0, 45).Add(-time.Minute), 100+1.2*45 // installed then
			}
			r.send(at, device, "energy_total", v)
		}
	}
	r.tick(midnight("2026-02-28").Add(3 * time.Hour))
	live := r.Quarter("nancheng", "lighting", "electricity", 2026, 1)
	for i := range 14 {
		for _, device := range []string{"l0", "l1"} {
			at := midnight("2026-01-01").AddDate(0, 0, 45+i)
			if i == 0 {
				rc.Read("energy_total", []byte(device), nil, at.Add(-time.Minute).UnixNano(), 100+1.2*45)
			}
			rc.Read("energy_total", []byte(device), nil, at.UnixNano(), 100+1.2*float64(45+i))
		}
	}
	item := rc.Statement().Items[0]
	if want := 13.0 / 58; math.Abs(live.Coverage-want) > 1e-9 || math.Abs(float64(item.Coverage)-want) > 1e-9 || item.Boundaries[0].Days != 58 || item.Boundaries[0].Covered != 13 {
		t.Errorf("coverage live %g, recomputed %g of %d days; want %g", live.Coverage, item.Coverage, item.Boundaries[0].Days, want)
	}
}
