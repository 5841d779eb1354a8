package anomaly

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"greencommunity/ingest"
	"greencommunity/ingest/arena"
	"greencommunity/ingest/inventory"
)

const million = 1_000_000

// Each reading is of another series than the one before, so that none is in a cache.
func BenchmarkGenericMillionSeries(b *testing.B) {
	var a arena.Arena[series]
	for range million {
		a.Add()
	}
	r := rand.New(rand.NewPCG(1, 2))
	order := r.Perm(million)
	l := FleetLevels
	for i := range million { // pages are there before the clock starts
		a.At(uint32(i)+1).Generic.Add(float32(i%100), 3600, &l)
	}
	b.ReportMetric(float64(unsafe.Sizeof(series{})), "B/series")
	i := 0
	for b.Loop() {
		s := a.At(uint32(order[i%million]) + 1)
		s.Generic.Add(float32(i%97), i%86400, &l)
		i++
	}
}

// benchmarkEngine reports rounds of values, which drift upwards from round to
// round: a register that fell would be a million alarms.
func benchmarkEngine(b *testing.B, facility ingest.FacilityKind, drift float64, values func(i int) map[string]float64) {
	facilities := ingest.BuiltinFacilities()
	e := NewEngine(Options{Config: DefaultConfig()})
	e.Bind(&inventory.Inventory{Facilities: facilities, Zone: time.FixedZone("", 8*3600)})
	devices := make([]ingest.Device, million)
	for i := range devices {
		devices[i] = ingest.Device{ID: ingest.DeviceID(fmt.Sprintf("d%07d", i)), Origin: &ingest.Origin{Vendor: "v", Community: ingest.CommunityID(fmt.Sprintf("c%03d", i%200)), Facility: facility}, Listing: ingest.Unlisted}
	}
	order := rand.New(rand.NewPCG(1, 2)).Perm(million)
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC).UnixNano()
	type value struct {
		q *ingest.Quantity
		v float64
	}
	var round [4][]value
	for i := range round {
		for name, v := range values(i) {
			round[i] = append(round[i], value{facilities.Quantity(facility, name), v})
		}
	}
	readings := 0
	send := func(i, n int, at int64) {
		e.Tick(at)
		for _, v := range round[n%len(round)] {
			r := ingest.Reading{Device: &devices[i], Quantity: v.q, Value: v.v + drift*float64(n), Time: at}
			e.Reading(uint32(i), &r, false, at)
			readings++
		}
	}
	for i := range devices {
		send(i, 0, at)
	}
	n := 0
	readings = 0
	for b.Loop() {
		// A minute for all of them.
		at += int64(time.Minute) / million
		send(order[n%million], 1+n/million, at)
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(readings), "ns/reading")
	bytes := 0
	for _, a := range e.arenas() {
		bytes += a.Bytes()
	}
	bytes += cap(e.silences)*int(unsafe.Sizeof(timer{})) + cap(e.info)*8
	b.ReportMetric(float64(bytes)/million, "B/device")
	e.Points()
	begin := time.Now()
	if err := e.Save(io.Discard); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(begin).Seconds(), "s/save")
}

func BenchmarkEngineMillionMeters(b *testing.B) {
	benchmarkEngine(b, "water", 0.002, func(int) map[string]float64 { return map[string]float64{"water_volume_total": 100} })
}

func BenchmarkEngineMillionLamps(b *testing.B) {
	benchmarkEngine(b, "lighting", 0, func(i int) map[string]float64 {
		return map[string]float64{"active_power": 60 + float64(i), "light_level": 1}
	})
}

func BenchmarkEngineMillionBins(b *testing.B) {
	benchmarkEngine(b, "waste", 0, func(i int) map[string]float64 {
		return map[string]float64{"fill_level": 0.3 + float64(i)/100, "bin_temperature": 12}
	})
}

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(series{}); n > 536 {
		t.Errorf("a series is %d bytes, more than 536", n)
	}
	t.Logf("series %d B (generic %d B), device %d B, meter %d B, lamp %d B, bin %d B, gate %d B, timer %d B",
		unsafe.Sizeof(series{}), unsafe.Sizeof(Generic{}), unsafe.Sizeof(device{}), unsafe.Sizeof(meter{}), unsafe.Sizeof(lamp{}),
		unsafe.Sizeof(bin{}), unsafe.Sizeof(gate{}), unsafe.Sizeof(timer{}))
}
