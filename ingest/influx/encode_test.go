package influx

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/influxdata/line-protocol/v2/lineprotocol"

	"greencommunity/ingest"
)

// A value is written as the shortest decimal that reads as it, by our way as by the
// standard library's.
func TestFloatsAreShortest(t *testing.T) {
	values := []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.3, 1.1, 43.2, 219.5, 1203.404, -0.05, 0.001, 0.0015, 0.00099, 0.30000000000000004,
		999999, 999999.999, 1e6, 1e15, 1<<53 + 2, 1e-9, 1e300, 5e-324, 100, 1000, 123456.7895, 2.675, 1.005, 33.33,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		v := math.Float64frombits(random.Uint64())
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		decimal := math.Round(random.Float64()*1e9) / 1000 // of three places at most
		values = append(values, v, math.Mod(v, 1e6), decimal, -decimal, math.Nextafter(decimal, v), random.Float64()*1000)
	}
	for _, v := range values {
		if got, want := string(appendFloat(nil, v)), strconv.FormatFloat(v, 'g', -1, 64); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A line is the same byte for byte whether it is written here or by the library, but
// where a name or value holds what is escaped: that is the library's alone.
func FuzzLine(f *testing.F) {
	f.Add("lighting", "d1", "l1", "nancheng", "v", "active_power", 43.2, int64(1_795_000_000_123_456_789), true)
	f.Add("lighting", "路灯 1", "", "南城", "", "light_on", 1.0, int64(-5_000_001), false)
	f.Add("water", `a\`, "c=1", "", "x,y", "q", math.Inf(1), int64(0), true)
	f.Fuzz(func(t *testing.T, facility, device, channel, community, vendor, quantity string, value float64, at int64, state bool) {
		kind := ingest.Gauge
		if state {
			kind = ingest.State
		}
		q := &ingest.Quantity{Name: quantity, Kind: kind}
		d := &ingest.Device{ID: ingest.DeviceID(device), Listing: ingest.Unlisted, Origin: &ingest.Origin{
			Facility: ingest.FacilityKind(facility), Community: ingest.CommunityID(community), Vendor: ingest.VendorID(vendor)}}
		readings := []ingest.Reading{{Device: d, Channel: channel, Quantity: q, Value: value, Time: at}, {Device: d, Channel: channel, Quantity: q, Value: 5, Time: at}}
		var ours, library Encoder
		ours.Reset()
		library.Reset()
		if !ours.plain(readings) {
			return
		}
		library.escaped(readings)
		if library.Err() != nil || string(ours.Bytes()) != string(library.Bytes()) {
			t.Errorf("%q, by the library %q (%v)", ours.Bytes(), library.Bytes(), library.Err())
		}
		if _, err := lineprotocol.NewDecoderWithBytes(ours.Bytes()).Measurement(); err != nil || strings.Count(string(ours.Bytes()), "\n") != 1 {
			t.Errorf("%q is no line: %v", ours.Bytes(), err)
		}
	})
}
