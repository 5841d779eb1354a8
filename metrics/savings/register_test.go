package savings

import (
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func at(day int) int64 {
	return time.Date(2022, 1, day, 0, 0, 0, 0, time.UTC).UnixNano()
}

// The hand-worked vectors, each row's amount and reason, and the total.
func TestRegisterVectors(t *testing.T) {
	var vectors struct {
		Rows []struct {
			T, Serial, Kind, Flag string
			Reg                   float64
			Delta                 *float64
		}
		Total float64
	}
	readJSON(t, casePath(t, "10-counter-reset-vectors/meter_register_hand.json"), &vectors)
	kinds := map[string]ReadKind{"read": Actual, "final": Closing, "initial": Opening, "estimated": Estimated}
	g := &Register{Modulus: 10000, Tolerance: 0.1}
	var m Meter
	var total float64
	for _, row := range vectors.Rows {
		when, err := time.Parse("2006-01-02T15:04Z", row.T)
		if err != nil {
			t.Fatal(err)
		}
		b := m.Read(g, Read{Time: when.UnixNano(), Serial: row.Serial, Value: row.Reg, Kind: kinds[row.Kind]})
		want := 0.0
		if row.Delta != nil {
			want = *row.Delta
		}
		if math.Abs(b.Amount-want) > 1e-9 {
			t.Errorf("%s: %g, want %g (%s)", row.T, b.Amount, want, row.Flag)
		}
		total += b.Amount
		flag := map[Reason]string{Plain: "", First: "first", Rollover: "rollover", Backward: "backward", Swap: "swap", Gap: "gap", Provisional: "provisional", TrueUp: "true-up"}[b.Reason]
		if flag == "" && row.Flag != "" && !strings.HasPrefix(row.Flag, "from high-water") || !strings.HasPrefix(row.Flag, flag) {
			t.Errorf("%s: reason %q, want %s", row.T, b.Reason, row.Flag)
		}
		if b.Reason == TrueUp && (b.From != at(10) || b.To != at(11)) {
			t.Errorf("the correction is booked to %v-%v", b.From, b.To)
		}
	}
	if math.Abs(total-vectors.Total) > 1e-9 {
		t.Errorf("total %g, want %g", total, vectors.Total)
	}
}

// What a Prometheus counter would make of these is in the case beside: 25
// where the meter moved 20.
func TestRegisterIsNoPrometheusCounter(t *testing.T) {
	m, g := Meter{}, &Register{Tolerance: 10}
	total := 0.0
	for i, v := range []float64{100, 95, 120} {
		total += m.Read(g, Read{Time: at(1 + i), Value: v}).Amount
	}
	if total != 20 {
		t.Errorf("100, 95, 120 moved %g, not 20", total)
	}
}

func TestRegister(t *testing.T) {
	type step struct {
		day    int
		value  float64
		kind   ReadKind
		serial string
		amount float64
		reason Reason
	}
	for name, c := range map[string]struct {
		g     Register
		steps []step
	}{
		"glitch to zero and back": {Register{}, []step{
			{1, 100, Actual, "", 0, First}, {2, 0, Actual, "", 0, Backward}, {3, 103, Actual, "", 3, Gap},
		}},
		"reset without a swap: nothing is made up": {Register{}, []step{
			{1, 5000, Actual, "", 0, First}, {2, 1, Actual, "", 0, Backward}, {3, 2, Actual, "", 0, Backward},
			{4, 3, Actual, "", 0, Reset}, {5, 4.5, Actual, "", 1.5, Plain},
		}},
		"a drop is no rollover where it would be too much": {Register{Modulus: 10000}, []step{
			{1, 5000, Actual, "", 0, First}, {2, 1, Actual, "", 0, Backward},
		}},
		"spike above what the meter passes": {Register{MaxPerDay: 50}, []step{
			{1, 100, Actual, "", 0, First}, {2, 90000, Actual, "", 0, Implausible}, {3, 104, Actual, "", 4, Gap},
		}},
		"swap without a closing read": {Register{}, []step{
			{1, 9000, Actual, "A", 0, First}, {2, 3, Actual, "B", 0, Swap}, {3, 5, Actual, "B", 2, Plain},
		}},
		"duplicates and late reads add nothing": {Register{}, []step{
			{1, 10, Actual, "", 0, First}, {3, 12, Actual, "", 2, Gap}, {3, 12, Actual, "", 0, Duplicate}, {2, 11, Actual, "", 0, Late}, {4, 13, Actual, "", 1, Plain},
		}},
		"estimates that were too low need no true-up": {Register{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 11, Estimated, "", 1, Provisional}, {3, 12, Estimated, "", 1, Provisional}, {4, 14, Actual, "", 2, Plain},
		}},
		"true-up over two estimates": {Register{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 12, Estimated, "", 2, Provisional}, {3, 14, Estimated, "", 2, Provisional}, {4, 11, Actual, "", -3, TrueUp},
		}},
		"a true-up goes no lower than the read before": {Register{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 12, Estimated, "", 2, Provisional}, {3, 4, Actual, "", 0, Backward},
		}},
	} {
		var m Meter
		c.g.MaxGap = 36 * time.Hour
		for i, s := range c.steps {
			b := m.Read(&c.g, Read{Time: at(s.day), Serial: s.serial, Value: s.value, Kind: s.kind})
			if math.Abs(b.Amount-s.amount) > 1e-9 || b.Reason != s.reason {
				t.Errorf("%s, step %d: %g %q, want %g %q", name, i+1, b.Amount, b.Reason, s.amount, s.reason)
			}
		}
	}
	if size := unsafe.Sizeof(Meter{}); size > 96 {
		t.Errorf("a meter's state is %d bytes", size)
	}
}

func BenchmarkMeterRead(b *testing.B) {
	var m Meter
	g := &Register{Modulus: 1e6, Tolerance: 0.1, MaxPerDay: 1000}
	i := 0
	for b.Loop() {
		i++
		m.Read(g, Read{Time: int64(i) * int64(time.Minute), Value: float64(i) * 0.001})
	}
}
