package anomaly

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
)

// A fire is told whatever became of its message. Where the message names a device that
// is known the alarm is that device's; else, as where a vendor has introduced as many
// devices as it may, or no list has the device, it is an alarm of the vendor with what the
// message says of itself. A vendor has at most firesOfVendor of those open at a time, and
// one more that stands for all further ones, so that nonsense cannot flood anybody.

const (
	firesOfVendor = 16
	// refusedFor sets how long an alarm stands that nothing clears: no reading of the device
	// comes through.
	refusedFor = int64(24 * time.Hour)
	// again sets within which time the same reading of fire is one that was sent again, and
	// how long one stands that was taken for a repetition and is not.
	again     = int64(time.Hour)
	againFor  = int64(2 * time.Hour)
	mostBurnt = 4096
)

// refusedFire holds what refused messages said that an alarm of groupRefused stands for.
type refusedFire struct {
	Vendor    ingest.VendorID
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Device    string
	Topic     string
	Said      string
	Reason    ingest.Reason
	N         int64 // messages
}

// burnt says between which times of a device's clock it has reported fire, and when that
// was received last.
type burnt struct{ From, To, Seen int64 }

// burns notes a reading of fire that is judged, so that it is known when it comes again.
func (b *book) burns(k alarmKey, t, received int64) {
	h, ok := b.burnt[k]
	if !ok || received-h.Seen > again {
		h = burnt{From: t, To: t}
		if len(b.burnt) >= mostBurnt {
			for k, old := range b.burnt {
				if received-old.Seen > again {
					delete(b.burnt, k)
				}
			}
			if len(b.burnt) >= mostBurnt {
				return
			}
		}
	}
	h.From, h.To, h.Seen = min(h.From, t), max(h.To, t), received
	b.burnt[k] = h
}

// repeated says whether a reading of fire at t was judged a while ago.
func (b *book) repeated(k alarmKey, t, received int64) bool {
	h, ok := b.burnt[k]
	return ok && t >= h.From && t <= h.To && received-h.Seen <= again
}

// Message looks for fire in what was refused of a message, or taken for a repetition: a
// clock that stands still gives each reading the time of the one before.
func (e *Engine) Message(m *ingest.Message, r *decode.Result, duplicates, _ int) {
	for i := range r.Fires {
		e.refusedFire(m, r, &r.Fires[i])
	}
	if duplicates == 0 {
		return
	}
	for i := range r.Readings {
		e.fireAgain(r.Devices[i], &r.Readings[i], m.Received)
	}
	for i := range r.Events {
		ev := &r.Events[i]
		if b := ingest.FireIn(ev.Type); b != ingest.NoFire && ev.Active && !ingest.Calm(ev.Type) {
			d := e.device(r.EventDevices[i], ev.Device)
			if k, ok := e.fireKind(ev.Device.Facility, b); ok {
				e.raiseAgain(alarmKey{r.EventDevices[i], e.channel(ev.Channel), k}, d, ev.Time, m.Received, 0, 0)
			}
		}
	}
}

// fireAgain looks at a reading that was perhaps taken for one that came before.
func (e *Engine) fireAgain(index uint32, v *ingest.Reading, received int64) {
	d := e.device(index, v.Device)
	p := e.parameters(d)
	switch v.Device.Facility {
	case ingest.Waste:
		if n := v.Quantity.Name; (n == "bin_temperature" || n == "temperature") && v.Value >= p.Waste.Fire {
			e.raiseAgain(alarmKey{index, e.channel(v.Channel), binFire}, d, v.Time, received, v.Value, float64(e.ambient[d.Place].Mean))
		}
	default:
		for i := range p.Limits {
			l := &p.Limits[i]
			if id, ok := kindNamed(l.Kind); ok && l.Quantity == v.Quantity.Name && l.Facility == v.Device.Facility && slices.Contains(burning, id) && l.At != 0 && !l.Below && v.Value >= l.At {
				e.raiseAgain(alarmKey{index, e.channel(v.Channel), id}, d, v.Time, received, v.Value, l.At)
			}
		}
	}
}

// burning are kinds of limits that are told whatever the clock says.
var burning = []kind{smoke, chargerHot}

func (e *Engine) raiseAgain(k alarmKey, d *device, t, received int64, value, expected float64) {
	if !e.active(k) && e.repeated(k, t, received) {
		return
	}
	e.burns(k, t, received)
	e.raiseUntil(k, max(received, d.Received), value, expected, received+againFor)
}

// fireKind is the kind of alarm that a word of fire raises at a facility; ok is false where
// heat is no fire.
func (e *Engine) fireKind(facility ingest.FacilityKind, b ingest.Burning) (k kind, ok bool) {
	switch {
	case facility == ingest.Waste:
		return binFire, true
	case facility == "fire" && b == ingest.Smoke:
		return smoke, true
	case b == ingest.Heat && facility == "charging":
		return chargerHot, true
	case b == ingest.Heat && facility != "fire":
		return fireReported, false
	}
	return fireReported, true
}

// refusedFire raises the alarm of a fire in a message that was refused.
func (e *Engine) refusedFire(m *ingest.Message, r *decode.Result, f *decode.Fire) {
	value := 0.0
	if !math.IsNaN(f.Celsius) {
		value = f.Celsius
	}
	if f.Known != nil {
		d := e.device(f.Index, f.Known)
		k, ok := e.fireKind(f.Known.Facility, f.Burning)
		if !ok {
			k = fireReported
		}
		expected := 0.0
		if k == binFire {
			expected = float64(e.ambient[d.Place].Mean)
		} else if k == smoke || k == fireReported {
			value = 0
		}
		e.raiseUntil(alarmKey{f.Index, 0, k}, m.Received, value, expected, m.Received+refusedFor)
		return
	}
	said := refusedFire{Community: f.Community, Facility: f.Facility, Device: f.Device, Topic: short(m.Topic, 120), Said: f.Said, N: 1}
	if r.Source != nil {
		said.Vendor = r.Source.Vendor.ID
	}
	switch {
	case r.Err != nil:
		said.Reason = r.Err.Reason
	case len(r.Refused) > 0:
		said.Reason = r.Refused[len(r.Refused)-1].Reason
	}
	id := e.placeOfFire(&said)
	e.raiseFor(alarmKey{groupBase + uint32(id), 0, fireReported}, m.Received,
		finding{value: float64(e.fires[id].N), until: m.Received + refusedFor})
}

// placeOfFire returns the group that an alarm of a refused fire is of: the one there is of
// the same device, a free one of its vendor, or the vendor's last, for all further ones.
func (e *Engine) placeOfFire(said *refusedFire) int32 {
	free := int32(-1)
	var last int32
	for n := 0; n <= firesOfVendor; n++ {
		k := groupKey{What: groupRefused, Name: fmt.Sprintf("%s#%d", said.Vendor, n)}
		id, ok := e.groupOf[k]
		if !ok {
			id = int32(len(e.groups))
			e.groups = append(e.groups, group{Key: k})
			e.groupOf[k] = id
		}
		open := e.active(alarmKey{groupBase + uint32(id), 0, fireReported})
		if there := e.fires[id]; open && n < firesOfVendor && there.Device == said.Device && there.Community == said.Community && there.Facility == said.Facility {
			there.Topic, there.Said, there.Reason, there.N = said.Topic, said.Said, said.Reason, there.N+1
			return id
		}
		if !open && free < 0 {
			free = id
		}
		if last = id; !ok {
			break // those behind it are free as well
		}
	}
	if free >= 0 && e.groups[free].Key.Name == fmt.Sprintf("%s#%d", said.Vendor, firesOfVendor) { // it stands for all further ones
		said.Said, said.Device, said.Community, said.Facility = said.Device+": "+said.Said, "", "", ""
	}
	if free < 0 {
		said.Said = said.Device + ": " + said.Said
		there := e.fires[last] // of all further ones
		there.Topic, there.Said, there.Reason, there.N = said.Topic, said.Said, said.Reason, there.N+1
		there.Device, there.Community, there.Facility = "", "", ""
		return last
	}
	e.fires[free] = said
	return free
}

// sentence returns what the alarm of a refused fire tells people.
func (f *refusedFire) sentence() ingest.Text {
	device := f.Device
	if device == "" {
		device = "?"
	}
	vendor, reason := string(f.Vendor), f.Reason.Title()
	if vendor == "" {
		vendor = "?"
	}
	if reason.ZH == "" {
		reason = ingest.Text{ZH: string(f.Reason), EN: string(f.Reason)}
	}
	return ingest.Text{
		ZH: fmt.Sprintf("报文未被接收（%s），其中报告火情：设备“%s”，内容“%s”，厂商%s，主题%s。共%d条。", reason.ZH, device, f.Said, vendor, f.Topic, f.N),
		EN: fmt.Sprintf("A message that was refused (%s) tells of fire: device %q says %s; vendor %s, topic %s. Messages: %d.", reason.EN, device, f.Said, vendor, f.Topic, f.N),
	}
}

// short cuts a text to a number of bytes, between characters.
func short(text string, most int) string {
	if len(text) <= most {
		return strings.Clone(text)
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func (s *saver) fires(all map[int32]*refusedFire, times map[alarmKey]burnt) {
	s.int(int64(len(all)))
	for _, id := range sortedIDs(all) {
		f := all[id]
		s.int(int64(id))
		for _, t := range []string{string(f.Vendor), string(f.Community), string(f.Facility), f.Device, f.Topic, f.Said, string(f.Reason)} {
			s.text(t)
		}
		s.int(f.N)
	}
	s.int(int64(len(times)))
	for _, k := range sortedKeys(times) {
		s.key(k)
		for _, t := range []int64{times[k].From, times[k].To, times[k].Seen} {
			s.int(t)
		}
	}
}

func sortedIDs(all map[int32]*refusedFire) (ids []int32) {
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (l *loader) fires() (map[int32]*refusedFire, map[alarmKey]burnt) {
	all, times := map[int32]*refusedFire{}, map[alarmKey]burnt{}
	for range l.each() {
		id := int32(l.int())
		all[id] = &refusedFire{
			Vendor: ingest.VendorID(l.text()), Community: ingest.CommunityID(l.text()), Facility: ingest.FacilityKind(l.text()),
			Device: l.text(), Topic: l.text(), Said: l.text(), Reason: ingest.Reason(l.text()), N: l.int(),
		}
	}
	for range l.each() {
		k := l.key()
		times[k] = burnt{From: l.int(), To: l.int(), Seen: l.int()}
	}
	return all, times
}
