package usage

import (
	"cmp"
	"slices"

	"greencommunity/ingest"
)

// atOnce sets how many hours Points returns: InfluxDB takes them in batches, and
// what it has not confirmed waits in memory as text.
const atOnce = 1000

// Points are hours of meters (usage) and days of places (usage_daily) that have
// changed since the call before.
func (b *Book) Points() []ingest.Point {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.points) == 0 && !b.due {
		return nil
	}
	var list []ingest.Point
	n := min(len(b.points), atOnce)
	for _, p := range b.points[:n] {
		e := b.entries.At(p.Entry)
		d := b.devices[e.Device]
		if d == nil {
			continue
		}
		tags := make([]ingest.Tag, 0, 8)
		if c := b.channels[e.Channel]; c != "" {
			tags = append(tags, ingest.Tag{Key: "channel", Value: c})
		}
		if b.at(int64(p.Hour) * hour); b.passed(e, b.today.day) {
			tags = append(tags, ingest.Tag{Key: "behind", Value: frontName(b.places[e.Place].Front)})
		}
		tags = append(tags,
			ingest.Tag{Key: "community", Value: string(d.Community)}, ingest.Tag{Key: "compound", Value: string(d.Compound)},
			ingest.Tag{Key: "device", Value: string(d.ID)}, ingest.Tag{Key: "facility", Value: string(d.Facility)},
			ingest.Tag{Key: "resource", Value: e.Resource.String()}, ingest.Tag{Key: "vendor", Value: string(d.Vendor)})
		list = append(list, ingest.Point{
			Measurement: "usage", Tags: present(tags),
			Fields: []ingest.Field{{Key: "used", Value: p.Used.Units()}, {Key: "covered", Value: float64(p.Covered) / 1000}},
			Time:   int64(p.Hour)*hour + int64(p.Beside)*1e6,
		})
	}
	if b.points = b.points[n:]; len(b.points) == 0 {
		b.points = nil
	}
	if !b.due {
		return list
	}
	b.due = false
	slices.SortFunc(b.days, func(x, y dayOf) int { return cmp.Or(cmp.Compare(x.Place, y.Place), cmp.Compare(x.Day, y.Day)) })
	for _, x := range b.days {
		p := &b.places[x.Place]
		if x.Day < p.First || int(x.Day-p.First) >= len(p.Days) {
			continue
		}
		p.Days[x.Day-p.First].queued = 0
		d := p.Days[x.Day-p.First]
		for _, number := range p.Behind {
			if q := &b.places[number]; x.Day >= q.First && int(x.Day-q.First) < len(q.Days) {
				d.add(&q.Days[x.Day-q.First])
			}
		}
		start, _ := b.bounds(x.Day)
		list = append(list, ingest.Point{
			Measurement: "usage_daily",
			Tags: present([]ingest.Tag{{Key: "community", Value: string(p.Key.Community)}, {Key: "compound", Value: string(p.Key.Compound)},
				{Key: "facility", Value: string(p.Key.Facility)}, {Key: "resource", Value: p.Key.Resource.String()}}),
			Fields: []ingest.Field{{Key: "used", Value: d.Used.Units()}, {Key: "covered", Value: float64(d.Covered) / 1000}, {Key: "meters", Value: float64(d.Meters)}},
			Time:   start,
		})
	}
	b.days = b.days[:0]
	return list
}

func (d *Day) add(o *Day) {
	d.Used += o.Used
	d.Covered += o.Covered
	d.Meters += o.Meters
}

func present(tags []ingest.Tag) []ingest.Tag {
	return slices.DeleteFunc(tags, func(t ingest.Tag) bool { return t.Value == "" })
}

// Filter chooses places; what is empty is any.
type Filter struct {
	Community ingest.CommunityID
	Compound  ingest.CompoundID
	Facility  ingest.FacilityKind
	Resource  Resource
}

func (f *Filter) has(p *Place) bool {
	return (f.Community == "" || f.Community == p.Community) && (f.Compound == "" || f.Compound == p.Compound) &&
		(f.Facility == "" || f.Facility == p.Facility) && (f.Resource == 0 || f.Resource == p.Resource)
}

// Day returns what the places of a filter used on a local day, counted from
// 1970-01-01.
func (b *Book) Day(f Filter, day int) Day {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum(f, int32(day), int32(day)+1)
}

// Sum returns what the places of a filter used on the days from..to (exclusive);
// Meters are those of the day with the most.
func (b *Book) Sum(f Filter, from, to int) Day {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sum(f, int32(from), int32(to))
}

func (b *Book) sum(f Filter, from, to int32) (total Day) {
	meters := make([]uint32, max(0, to-from))
	for i := range b.places {
		p := &b.places[i]
		if !f.has(&p.Key) {
			continue
		}
		for d := max(from, p.First); d < min(to, p.First+int32(len(p.Days))); d++ {
			c := &p.Days[d-p.First]
			total.Used += c.Used
			total.Covered += c.Covered
			meters[d-from] += c.Meters
		}
	}
	for _, n := range meters {
		total.Meters = max(total.Meters, n)
	}
	return total
}

// Today is the local day of a time (unix nanoseconds), counted from 1970-01-01,
// as Day asks for it.
func (b *Book) Today(at int64) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(at)
	return int(b.today.day)
}

// Places are those in which something is or was metered.
func (b *Book) Places() []Place {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Place, 0, len(b.places))
	for i := range b.places {
		if b.places[i].Front == "" {
			list = append(list, b.places[i].Key)
		}
	}
	return list
}
