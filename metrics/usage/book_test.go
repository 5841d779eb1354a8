package usage

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

var (
	table    = ingest.BuiltinFacilities()
	shanghai = time.FixedZone("Asia/Shanghai", 8*3600)
	begin    = time.Date(2026, 3, 1, 0, 0, 0, 0, shanghai)
)

// rig is a book and the database its points end up in.
type rig struct {
	*Book
	t       testing.TB
	stored  map[string]ingest.Point // by series and time
	devices []*ingest.Device
	heard   []heard
}

type heard struct {
	Booking
	counted bool
}

func (r *rig) Use(_ uint32, u *Use) {
	for _, b := range u.Bookings {
		r.heard = append(r.heard, heard{b, u.Counted})
	}
}

func newRig(t testing.TB) *rig {
	r := &rig{Book: New(Options{}), t: t, stored: map[string]ingest.Point{}}
	r.Bind(&inventory.Inventory{Zone: shanghai, Facilities: table})
	r.Subscribe(r)
	return r
}

func (r *rig) device(id string, kind ingest.FacilityKind, attributes map[string]string) uint32 {
	r.devices = append(r.devices, &ingest.Device{ID: ingest.DeviceID(id),
		Origin:  &ingest.Origin{Vendor: "v", Community: "nancheng", Compound: "jinxiu", Facility: kind},
		Listing: &ingest.Listing{Attributes: attributes}})
	return uint32(len(r.devices) - 1)
}

func (r *rig) read(index uint32, channel string, at time.Time, v float64) {
	r.t.Helper()
	d := r.devices[index]
	name := "energy_total"
	if d.Facility == "water" {
		name = "water_volume_total"
	}
	q := table.Quantity(d.Facility, name)
	if q == nil {
		r.t.Fatal("no such quantity")
	}
	r.Reading(index, &ingest.Reading{Device: d, Channel: channel, Quantity: q, Value: v, Time: at.UnixNano()}, false, at.UnixNano())
}

func (r *rig) tick(at time.Time) {
	r.Tick(at.UnixNano())
	r.store()
}

func (r *rig) store() {
	for {
		points := r.Points()
		if len(points) == 0 {
			return
		}
		for _, p := range points {
			r.stored[fmt.Sprint(p.Measurement, p.Tags, p.Time)] = p
		}
	}
}

func number(p ingest.Point, field string) float64 {
	for _, f := range p.Fields {
		if f.Key == field {
			return f.Value.(float64)
		}
	}
	return math.NaN()
}

func tag(p ingest.Point, key string) string {
	for _, t := range p.Tags {
		if t.Key == key {
			return t.Value
		}
	}
	return ""
}

// sums of the measurement a query asks, by local day, in millionths and ms.
func (r *rig) sums(measurement string) (used map[int]Amount, covered map[int]int64) {
	used, covered = map[int]Amount{}, map[int]int64{}
	for _, p := range r.stored {
		if p.Measurement != measurement {
			continue
		}
		day := int((p.Time + int64(8*time.Hour)) / int64(24*time.Hour))
		used[day] += amount(number(p, "used"))
		covered[day] += int64(math.Round(number(p, "covered") * 1000))
	}
	return used, covered
}

// agree compares what subscribers, the book, usage and usage_daily say of each day.
func (r *rig) agree() {
	r.t.Helper()
	hours, hoursCovered := r.sums("usage")
	days, daysCovered := r.sums("usage_daily")
	if len(days) == 0 {
		r.t.Fatal("no days were stored")
	}
	var all, told Amount
	for day := range days {
		own := r.Day(Filter{}, day)
		if hours[day] != own.Used || days[day] != own.Used {
			r.t.Errorf("day %d: hours %d, days %d, book %d", day, hours[day], days[day], own.Used)
		}
		if hoursCovered[day] != own.Covered || daysCovered[day] != own.Covered {
			r.t.Errorf("day %d covered: hours %d, days %d, book %d", day, hoursCovered[day], daysCovered[day], own.Covered)
		}
		all += own.Used
	}
	for _, u := range r.heard {
		if u.counted {
			told += u.Amount
		}
	}
	hourly := map[string]float64{}
	for _, p := range r.stored {
		if p.Measurement == "usage" {
			hourly[fmt.Sprint(tag(p, "device"), tag(p, "channel"), p.Time/hour)] += number(p, "covered")
		}
	}
	for of, covered := range hourly { // no moment is covered twice, or less than not at all
		if covered < -1e-6 || covered > 3600+1e-6 {
			r.t.Errorf("%s: %v s of an hour are covered", of, covered)
		}
	}
	if told != all {
		r.t.Errorf("subscribers were told of %d, the days have %d", told, all)
	}
}

// feedWildly feeds a household's register with everything that happens to one.
func feedWildly(r *rig, index uint32, random *rand.Rand, days int) {
	v, shown := 100.0, 0.0
	for h := range days * 24 {
		at := begin.Add(time.Duration(h)*time.Hour + time.Duration(random.IntN(50))*time.Minute)
		if random.IntN(3) > 0 {
			v += float64(random.IntN(80)) / 1000
		}
		shown = v
		switch random.IntN(60) {
		case 0:
			shown = 0
		case 1:
			shown = float64(random.IntN(1e6))
		case 2:
			shown += 10
		case 3:
			h += random.IntN(100)
			continue
		case 4:
			v += 4000 // exchanged
		case 5:
			v = float64(random.IntN(3))
		case 6:
			at = at.Add(-5 * time.Hour)
			shown = max(0, v-0.05)
		}
		if random.IntN(20) == 0 {
			continue
		}
		r.read(index, "", at, shown)
		r.tick(at.Add(time.Minute))
	}
}

// One figure for a day, whoever is asked, whatever the registers do.
func TestOneFigure(t *testing.T) {
	for n := range uint64(20) {
		r := newRig(t)
		random := rand.New(rand.NewPCG(n, 1))
		for i := range 3 {
			feedWildly(r, r.device(fmt.Sprint("meter-", i), "water", nil), random, 30)
		}
		r.tick(begin.AddDate(0, 0, 40))
		r.tick(begin.AddDate(0, 0, 40).Add(time.Hour))
		r.agree()
	}
}

// A book that was saved and loaded goes on as the one that was not.
func TestRestart(t *testing.T) {
	a, b := newRig(t), newRig(t)
	random := rand.New(rand.NewPCG(7, 7))
	index := a.device("m", "water", nil)
	b.devices = a.devices
	v := 10.0
	for h := range 24 * 20 {
		at := begin.Add(time.Duration(h) * time.Hour)
		v += float64(random.IntN(50)) / 1000
		shown := v
		if random.IntN(15) == 0 {
			shown = float64(random.IntN(1e5))
		}
		for _, r := range []*rig{a, b} {
			r.read(index, "", at, shown)
			r.tick(at.Add(time.Second))
		}
		if random.IntN(5) == 0 {
			var state bytes.Buffer
			if err := b.Save(&state); err != nil {
				t.Fatal(err)
			}
			again := newRig(t)
			if err := again.Load(&state); err != nil {
				t.Fatal(err)
			}
			again.devices, again.stored, again.heard = b.devices, b.stored, b.heard
			again.Book.Devices(func(i uint32) *ingest.Device { return b.devices[i] })
			b = again
		}
	}
	for _, r := range []*rig{a, b} {
		r.tick(begin.AddDate(0, 0, 21))
		r.tick(begin.AddDate(0, 0, 21).Add(time.Hour))
	}
	var one, other bytes.Buffer
	if err := a.Save(&one); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(&other); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), other.Bytes()) {
		t.Error("the states differ")
	}
	if len(a.stored) != len(b.stored) || !slices.Equal(a.heard, b.heard) {
		t.Errorf("%d points and %d uses, with restarts %d and %d", len(a.stored), len(a.heard), len(b.stored), len(b.heard))
	}
	b.agree()
}

// In whatever order the reads of a clean register come, the sum is the same, and
// each of them that falls between its neighbours says more.
func TestAnyOrder(t *testing.T) {
	for n := range uint64(50) {
		random := rand.New(rand.NewPCG(n, 3))
		r := newRig(t)
		index := r.device("m", "water", nil)
		for _, h := range random.Perm(48) {
			r.read(index, "", begin.Add(time.Duration(h)*time.Hour), 50+float64(h)*0.02)
		}
		r.tick(begin.AddDate(0, 0, 4))
		r.tick(begin.AddDate(0, 0, 4).Add(time.Hour))
		if got := r.Sum(Filter{}, 0, 30000).Used; got != amount(47*0.02) {
			t.Errorf("order %d: %v", n, got.Units())
		}
		r.agree()
	}
}

// A backlog that comes after the read that ended a silence is entered in its hours.
func TestBacklogAfterwards(t *testing.T) {
	r := newRig(t)
	index := r.device("m", "water", nil)
	r.read(index, "", begin, 10)
	r.read(index, "", begin.Add(10*time.Hour), 20)
	for h := 1; h < 10; h++ {
		r.read(index, "", begin.Add(time.Duration(h)*time.Hour), map[bool]float64{true: 10, false: 20}[h < 5])
	}
	r.tick(begin.Add(20 * time.Hour))
	r.tick(begin.Add(21 * time.Hour))
	r.agree()
	for h := range 10 {
		sum := 0.0
		for _, p := range r.stored {
			if p.Measurement == "usage" && p.Time/hour == begin.Add(time.Duration(h)*time.Hour).UnixNano()/hour {
				sum += number(p, "used")
			}
		}
		if want := map[bool]float64{true: 10, false: 0}[h == 4]; math.Abs(sum-want) > 1e-9 {
			t.Errorf("hour %d: %v, want %v", h, sum, want)
		}
	}
}

// Parts are not counted beside their total; without one they add up.
func TestChannels(t *testing.T) {
	for _, c := range []struct {
		channels []string
		want     float64
	}{
		{[]string{""}, 1}, {[]string{"t1", "t2"}, 2}, {[]string{"t1", "t2", ""}, 1}, {[]string{"", "l1", "l2", "l3"}, 1},
		{[]string{"l1", "l2", "l3"}, 3}, {[]string{"l1", "l2", "l3", "t1", "t2"}, 3}, {[]string{"total", "t1"}, 1}, {[]string{"1", "2"}, 2},
	} {
		r := newRig(t)
		index := r.device("m", "lighting", nil)
		for h := range 3 {
			for _, channel := range c.channels {
				r.read(index, channel, begin.Add(time.Duration(h)*time.Hour), 7+float64(h)/2)
			}
		}
		r.tick(begin.Add(20 * time.Hour))
		r.tick(begin.Add(21 * time.Hour))
		if got := r.Sum(Filter{}, 0, 30000).Used.Units(); got != c.want {
			t.Errorf("%v: %v, want %v", c.channels, got, c.want)
		}
		r.agree()
	}
}

// Silence is neither use nor zero: it covers nothing until a read ends it.
func TestSilenceCoversNothing(t *testing.T) {
	r := newRig(t)
	quiet, jumps := r.device("quiet", "water", nil), r.device("jumps", "water", nil)
	for h := range 73 {
		at := begin.Add(time.Duration(h) * time.Hour)
		if h <= 12 {
			r.read(quiet, "", at, 5+float64(h)/100)
		}
		if h < 12 || h > 60 {
			r.read(jumps, "", at, 5+float64(h)/100+map[bool]float64{true: 8000}[h > 12])
		}
		r.tick(at)
	}
	day := r.Today(begin.UnixNano())
	for i, want := range []struct{ used, hours float64 }{{0.12 + 0.11, 12 + 11}, {0, 0}, {0.11, 11}} {
		d := r.Day(Filter{Community: "nancheng", Resource: Water}, day+i)
		if math.Abs(d.Used.Units()-want.used) > 1e-9 || float64(d.Covered)/3.6e6 != want.hours {
			t.Errorf("day %d: %v over %v h, want %v over %v", i, d.Used.Units(), float64(d.Covered)/3.6e6, want.used, want.hours)
		}
		if d.Meters != 2 && i < 2 {
			t.Errorf("day %d: %d meters", i, d.Meters)
		}
	}
}

// A lamp's rated power is a limit from the first read on.
func TestRatedPower(t *testing.T) {
	r := newRig(t)
	index := r.device("lamp", "lighting", map[string]string{"rated_power": "100"})
	for h, v := range []float64{0.1, 0.2, 2.3, 2.4, 0.5, 0.6} {
		r.read(index, "", begin.Add(time.Duration(h)*time.Hour), v)
	}
	if got := r.Sum(Filter{}, 0, 30000).Used.Units(); math.Abs(got-0.5) > 1e-9 {
		t.Errorf("%v kWh, want 0.5", got)
	}
}

func TestSize(t *testing.T) {
	// Beside an entry: its device's head and pointer.
	if size := unsafe.Sizeof(entry{}) + 4 + 8; size > 200 {
		t.Errorf("a meter is %d bytes", size)
	}
}

func BenchmarkReading(b *testing.B) {
	r := newRig(b)
	r.subscribers = nil
	const meters = 10000
	q := table.Quantity("water", "water_volume_total")
	for i := range meters {
		r.device(fmt.Sprint(i), "water", nil)
	}
	reading := ingest.Reading{Quantity: q}
	n := 0
	for b.Loop() {
		reading.Device = r.devices[n%meters]
		round := n / meters
		reading.Time = begin.UnixNano() + int64(round)*int64(15*time.Minute)
		reading.Value = 10 + float64(round)*0.003
		r.Reading(uint32(n%meters), &reading, false, reading.Time)
		if n++; n%1000 == 0 {
			r.Tick(reading.Time)
			r.points = r.points[:0]
		}
	}
}
