package usage_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/usage"
)

var zone = time.FixedZone("CST", 8*3600)

// service holds what the program makes of readings.
type service struct {
	book     *usage.Book
	facility *facility.Observer
	savings  *savings.Engine
	anomaly  *anomaly.Engine
	list     []any
	inv      *inventory.Inventory
}

func newService(t *testing.T, path string) *service {
	t.Helper()
	inv, err := inventory.Load(path, zone)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{book: usage.New(savings.BookOptions()), inv: inv}
	s.facility, s.savings = facility.New(s.book), savings.New(savings.Options{Book: s.book})
	s.anomaly = anomaly.NewEngine(anomaly.Options{Config: anomaly.DefaultConfig(), Zone: zone, Book: s.book})
	s.list = []any{s.book, s.facility, s.savings, s.anomaly}
	for _, o := range s.list {
		o.(inventory.Binder).Bind(inv)
	}
	return s
}

func (s *service) read(index uint32, d *ingest.Device, at time.Time, v float64) {
	name := map[ingest.FacilityKind]string{"water": "water_volume_total", "lighting": "energy_total"}[d.Facility]
	r := &ingest.Reading{Device: d, Quantity: s.inv.Facilities.Quantity(d.Facility, name), Value: v, Time: at.UnixNano()}
	for _, o := range s.list {
		if o, ok := o.(ingest.Ticker); ok {
			o.Tick(at.UnixNano())
		}
		o.(ingest.Readings).Reading(index, r, false, at.UnixNano())
	}
}

// metrics are the values of all series.
func (s *service) metrics(t *testing.T) map[string]string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.facility, s.savings, s.anomaly)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	return series(&text)
}

func series(text *bytes.Buffer) map[string]string {
	values := map[string]string{}
	for lines := bufio.NewScanner(text); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), "} "); ok {
			values[name] = value
		}
	}
	return values
}

// State of the program before there was a book of use (made by it, from 100 days
// of six meters) loads: every counter, alarm and frozen baseline is the same, and
// use goes on from where the registers were.
func TestUpgrade(t *testing.T) {
	s := newService(t, "testdata/before/inventory.yaml")
	for _, o := range s.list[1:] {
		o := o.(ingest.Saver)
		state, err := os.ReadFile(filepath.Join("testdata/before", o.Name()+".state"))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Load(bytes.NewReader(state)); err != nil {
			t.Fatalf("%s: %v", o.Name(), err)
		}
	}
	text, err := os.ReadFile("testdata/before/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	now, compared := s.metrics(t), 0
	for name, want := range series(bytes.NewBuffer(text)) {
		if now[name] != want {
			t.Errorf("%s is %s, was %s", name, now[name], want)
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("only %d series were compared", compared)
	}

	var today float64
	var registers [6]float64
	for _, line := range strings.Split(string(text), "\n") {
		_, _ = fmt.Sscanf(line, "# water today %g", &today)
		_, _ = fmt.Sscanf(line, "# registers [%g %g %g %g %g %g]", &registers[0], &registers[1], &registers[2], &registers[3], &registers[4], &registers[5])
	}
	last := time.Date(2026, 1, 1, 0, 0, 0, 0, zone).Add((24*100 + 13) * time.Hour)
	water := func() float64 {
		return s.facility.Now(last.UnixNano())[facility.Place{Community: "nancheng", Facility: "water"}].Water
	}
	if got := water(); math.Abs(got-today) > 1e-6 || today == 0 {
		t.Errorf("water today is %v, was %v", got, today)
	}
	// An hour later each has used a little: no more and no less is booked.
	for i := range registers {
		kind := ingest.FacilityKind("water")
		if i >= 4 {
			kind = "lighting"
		}
		d := &ingest.Device{ID: ingest.DeviceID(fmt.Sprintf("m%d", i)), Listing: ingest.Unlisted,
			Origin: &ingest.Origin{Vendor: "v", Community: "nancheng", Facility: kind}}
		s.read(uint32(i), d, last.Add(time.Hour), registers[i]+0.25)
		s.read(uint32(i), d, last.Add(2*time.Hour), registers[i]+0.5)
	}
	if got := water(); math.Abs(got-today-4*0.5) > 0.1 { // some had missed a read before
		t.Errorf("water today is %v, want %v", got, today+4*0.5)
	}
}
