package usage

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"greencommunity/ingest/inventory/inventorytest"
)

// sample is a register as somebody reported it.
type sample struct {
	Name, Source, Every string
	Modulus, Tolerance  float64
	Reads               []any
	Use, Near           float64
}

func (s *sample) reads(t testing.TB) []Read {
	every, _ := time.ParseDuration(s.Every)
	var list []Read
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	number := func(v any) float64 {
		f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		return f
	}
	for i, v := range s.Reads {
		switch v := v.(type) {
		case []any:
			list = append(list, Read{Time: at + int64(number(v[0])*60e9), Value: number(v[1])})
		case string:
			list = append(list, Read{Time: at + int64(i)*int64(every), Value: number(strings.TrimPrefix(v, "e")), Kind: Estimated})
		default:
			list = append(list, Read{Time: at + int64(i)*int64(every), Value: number(v)})
		}
	}
	return list
}

func samples(t testing.TB) []sample {
	t.Helper()
	text, err := os.ReadFile("testdata/registers.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []sample
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func total(g *Limits, reads []Read) (sum Amount, bookings []Booking) {
	var m Meter
	for _, r := range reads {
		bookings = m.Read(g, r, bookings)
	}
	bookings = m.Settle(g, bookings)
	for _, b := range bookings {
		sum += b.Amount
	}
	return sum, bookings
}

// Registers as people reported them come to what they used, without a word of
// what the meter passes in a day.
func TestReportedRegisters(t *testing.T) {
	for _, s := range samples(t) {
		g := &Limits{Modulus: s.Modulus, Tolerance: s.Tolerance}
		sum, bookings := total(g, s.reads(t))
		if math.Abs(sum.Units()-s.Use) > max(1e-9, s.Near) {
			t.Errorf("%s (%s): %v, want %v", s.Name, s.Source, sum.Units(), s.Use)
			for _, b := range bookings {
				t.Logf("  %v %v %v %d %v", time.Unix(0, b.From).UTC().Format("02T15:04"), time.Unix(0, b.To).UTC().Format("02T15:04"), b.Amount.Units(), b.Covers, b.Reason)
			}
		}
	}
}

// fieldCases are those of registers in the cases that GREENCOMMUNITY_CASES names.
func TestFieldCases(t *testing.T) {
	root := inventorytest.Cases(t)
	files, _ := filepath.Glob(filepath.Join(root, "field/savings/*/input.json"))
	ran := 0
	for _, file := range files {
		var in struct {
			Modulus, Tolerance float64
			Rows               []struct {
				T, Serial, Kind string
				Reg             float64
			}
		}
		var want struct {
			Total *float64 `json:"total"`
			About *float64 `json:"total_about"`
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if json.Unmarshal(text, &in) != nil || len(in.Rows) == 0 || in.Rows[0].T == "" {
			continue
		}
		text, err = os.ReadFile(filepath.Join(filepath.Dir(file), "expected.json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		var reads []Read
		kinds := map[string]Kind{"read": Actual, "final": Closing, "initial": Opening, "estimated": Estimated}
		for _, row := range in.Rows {
			at, err := time.Parse(time.RFC3339, row.T)
			if err != nil {
				t.Fatal(err)
			}
			reads = append(reads, Read{Time: at.UnixNano(), Serial: row.Serial, Value: row.Reg, Kind: kinds[row.Kind]})
		}
		sum, _ := total(&Limits{Modulus: in.Modulus, Tolerance: in.Tolerance}, reads)
		name := filepath.Base(filepath.Dir(file))
		switch {
		case want.Total != nil && math.Abs(sum.Units()-*want.Total) > 1e-9:
			t.Errorf("%s: %v, want %v", name, sum.Units(), *want.Total)
		case want.About != nil && math.Abs(sum.Units()-*want.About) > 1e-3:
			t.Errorf("%s: %v, want about %v", name, sum.Units(), *want.About)
		}
		ran++
	}
	if ran == 0 {
		t.Fatalf("no case of a register under %s", root)
	}
}

func at(day int) int64 { return time.Date(2022, 1, day, 0, 0, 0, 0, time.UTC).UnixNano() }

// The hand-worked vectors, each row's amount and reason, and the total.
func TestHandVectors(t *testing.T) {
	root := inventorytest.Cases(t)
	text, err := os.ReadFile(filepath.Join(root, "savings/10-counter-reset-vectors/meter_register_hand.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors struct {
		Rows []struct {
			T, Serial, Kind, Flag string
			Reg                   float64
			Delta                 float64
		}
		Total float64
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]Kind{"read": Actual, "final": Closing, "initial": Opening, "estimated": Estimated}
	names := map[Reason]string{First: "first", Rollover: "rollover", Backward: "backward", Swap: "swap", Gap: "gap", Provisional: "provisional", TrueUp: "true-up"}
	var m Meter
	var total Amount
	for _, row := range vectors.Rows {
		when, err := time.Parse("2006-01-02T15:04Z", row.T)
		if err != nil {
			t.Fatal(err)
		}
		list := m.Read(&Limits{Modulus: 10000, Tolerance: 0.1}, Read{Time: when.UnixNano(), Serial: row.Serial, Value: row.Reg, Kind: kinds[row.Kind]}, nil)
		var got Amount
		for _, b := range list {
			got += b.Amount
		}
		if got != amount(row.Delta) {
			t.Errorf("%s: %v, want %v (%s)", row.T, got.Units(), row.Delta, row.Flag)
		}
		total += got
		last := list[len(list)-1]
		if name := names[last.Reason]; name == "" && row.Flag != "" && !strings.HasPrefix(row.Flag, "from high-water") || !strings.HasPrefix(row.Flag, name) {
			t.Errorf("%s: reason %v, want %s", row.T, last.Reason, row.Flag)
		}
		if last.Reason == TrueUp && (last.From != at(10) || last.To != at(11)) {
			t.Errorf("the correction is booked to %v-%v", last.From, last.To)
		}
	}
	if total != amount(vectors.Total) {
		t.Errorf("total %v, want %v", total.Units(), vectors.Total)
	}
}

// What each read comes to, and why.
func TestReads(t *testing.T) {
	type step struct {
		day    int
		value  float64
		kind   Kind
		serial string
		sum    float64 // of all booked so far
		reason Reason
	}
	for name, c := range map[string]struct {
		g     Limits
		steps []step
	}{
		"glitch to zero and back": {Limits{}, []step{
			{1, 100, Actual, "", 0, First}, {2, 0, Actual, "", 0, Backward}, {3, 103, Actual, "", 3, Gap},
		}},
		"reset without a swap: what lies between is unknown": {Limits{}, []step{
			{1, 5000, Actual, "", 0, First}, {2, 1, Actual, "", 0, Backward}, {3, 2, Actual, "", 0, Backward},
			{4, 3, Actual, "", 2, Reset}, {5, 4.5, Actual, "", 3.5, Plain},
		}},
		"a drop is no rollover where it would be too much": {Limits{Modulus: 10000}, []step{
			{1, 5000, Actual, "", 0, First}, {2, 1, Actual, "", 0, Backward},
		}},
		"spike above what the meter passes in a day": {Limits{PerDay: 50}, []step{
			{1, 100, Actual, "", 0, First}, {2, 90000, Actual, "", 0, Implausible}, {3, 104, Actual, "", 4, Gap},
		}},
		"swap without a closing read": {Limits{}, []step{
			{1, 9000, Actual, "A", 0, First}, {2, 3, Actual, "B", 0, Swap}, {3, 5, Actual, "B", 2, Plain},
		}},
		"duplicates and late reads add nothing": {Limits{}, []step{
			{1, 10, Actual, "", 0, First}, {3, 12, Actual, "", 2, Gap}, {3, 12, Actual, "", 2, Duplicate}, {2, 11, Actual, "", 2, Late}, {4, 13, Actual, "", 3, Plain},
		}},
		"estimates that were too low need no true-up": {Limits{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 11, Estimated, "", 1, Provisional}, {3, 12, Estimated, "", 2, Provisional}, {4, 14, Actual, "", 4, Plain},
		}},
		"true-up over two estimates": {Limits{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 12, Estimated, "", 2, Provisional}, {3, 14, Estimated, "", 4, Provisional}, {4, 11, Actual, "", 1, TrueUp},
		}},
		"a true-up goes no lower than the read before": {Limits{}, []step{
			{1, 10, Actual, "", 0, First}, {2, 12, Estimated, "", 2, Provisional}, {3, 4, Actual, "", 2, Backward},
		}},
		"no Prometheus counter: 100, 95, 120 are 20": {Limits{Tolerance: 10}, []step{
			{1, 100, Actual, "", 0, First}, {2, 95, Actual, "", 0, Backward}, {3, 120, Actual, "", 20, Plain},
		}},
		"a wrap that was none": {Limits{Modulus: 100000}, []step{
			{1, 99997, Actual, "", 0, First}, {2, 99998, Actual, "", 1, Plain}, {3, 1, Actual, "", 4, Rollover}, {4, 99999, Actual, "", 2, TrueUp},
		}},
	} {
		var m Meter
		var sum Amount
		for i, s := range c.steps {
			list := m.Read(&c.g, Read{Time: at(s.day), Serial: s.serial, Value: s.value, Kind: s.kind}, nil)
			for _, b := range list {
				sum += b.Amount
			}
			if reason := list[len(list)-1].Reason; sum != amount(s.sum) || reason != s.reason {
				t.Errorf("%s, step %d: %v %v, want %v %v", name, i+1, sum.Units(), reason, s.sum, s.reason)
			}
		}
	}
}

// A gap that somebody has filled in shows: even steps, finer than the meter
// counts. A leak is even as well, and as fine as the meter.
func TestFilledIn(t *testing.T) {
	filled := []float64{10, 10.01, 10.04, 10.05, 10.09, 10.1, 10.13, 10.14, 10.17, 10.2,
		10.2173, 10.2346, 10.2519, 10.2692, 10.2865, 10.3038, 10.32, 10.33}
	leak := []float64{10, 10.01, 10.04, 10.05, 10.09, 10.1, 10.13, 10.14, 10.17, 10.2, 10.23, 10.26, 10.29, 10.32, 10.35, 10.38, 10.41}
	fine := []float64{}
	for i := range 40 {
		fine = append(fine, 100.0075+float64(i)*0.0075)
	}
	for name, c := range map[string]struct {
		values []float64
		want   int
	}{"filled in": {filled, 2}, "a leak": {leak, 0}, "a leak from the first read on, of a fine register": {fine, 0}} {
		var m Meter
		guessed := 0
		for i, v := range c.values {
			for _, b := range m.Read(&Limits{Repeats: true}, Read{Time: at(1) + int64(i)*int64(time.Hour), Value: v}, nil) {
				if b.How == Guessed {
					guessed++
				}
			}
		}
		if guessed < c.want || c.want == 0 && guessed > 0 {
			t.Errorf("%s: %d steps are called estimates, want %d", name, guessed, c.want)
		}
	}
}
