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
	root := os.Getenv("GREENCOMMUNITY_CASES")
	if root == "" {
		t.Skip("GREENCOMMUNITY_CASES is not set; TestReportedRegisters has the same kinds")
	}
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
