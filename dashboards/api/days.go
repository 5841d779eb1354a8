package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
)

// days keeps the days of places (usage_daily) by month, as they are asked for: a year of a
// county by month takes InfluxDB seconds to group, and is added up here in milliseconds. A
// month of 100 communities is 12,000 rows of 24 bytes.
type days struct {
	db *database

	mu     sync.Mutex // all below
	places []dayPlace
	index  map[dayPlace]uint32
	months map[time.Time]*monthOfDays
}

// dayPlace names the place of a row of usage_daily.
type dayPlace struct{ community, compound, facility, resource string }

// dayRow is a day of a place: the day's beginning in unix seconds.
type dayRow struct {
	place, at       uint32
	used            float64
	covered, meters float32
}

type monthOfDays struct {
	mu     sync.Mutex // one asks, the others wait
	rows   []dayRow
	asked  time.Time // when the rows were; zero: never
	lasts  time.Duration
	wanted time.Time // when somebody last wanted it; owned by days.mu
}

const (
	// runningMonth and pastMonth set for how long a month is told again: of one that is
	// over, late readings change a day now and then. Months are not asked for again all
	// at once.
	runningMonth        = keepNow
	pastMonth, spread   = 10 * time.Minute, 20 * time.Minute
	maxRefreshed        = 2 // months, that one request waits for
	staleFor, forgotten = 2 * time.Hour, time.Hour
	lateDays            = 3 * 24 * time.Hour // in which days are often mended
	maxMonths           = 130
)

func newDays(db *database) *days {
	return &days{db: db, index: map[dayPlace]uint32{}, months: map[time.Time]*monthOfDays{}}
}

// each calls do with every day of a span, and with the places that rows name by number.
func (d *days) each(ctx context.Context, s span, do func(places []dayPlace, r *dayRow)) error {
	refreshed := 0
	for m := begin("month", s.from); m.Before(s.to); m = m.AddDate(0, 1, 0) {
		rows, err := d.month(ctx, m, &refreshed)
		if err != nil {
			return err
		}
		d.mu.Lock()
		places := d.places // only ever appended to
		d.mu.Unlock()
		from, to := s.from.Unix(), s.to.Unix()
		for i := range rows {
			if r := &rows[i]; int64(r.at) >= from && int64(r.at) < to {
				do(places, r)
			}
		}
	}
	return nil
}

// month returns a month's rows, which nobody changes.
func (d *days) month(ctx context.Context, begins time.Time, refreshed *int) ([]dayRow, error) {
	now := time.Now()
	d.mu.Lock()
	m := d.months[begins]
	if m == nil {
		for key, other := range d.months {
			if now.Sub(other.wanted) > forgotten || len(d.months) >= maxMonths {
				delete(d.months, key)
			}
		}
		m = &monthOfDays{}
		d.months[begins] = m
	}
	m.wanted = now
	d.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	age := time.Since(m.asked)
	if !m.asked.IsZero() && (age < m.lasts || age < staleFor && *refreshed >= maxRefreshed) {
		return m.rows, nil
	}
	if !m.asked.IsZero() {
		*refreshed++
	}
	rows, err := d.load(ctx, span{begins, begins.AddDate(0, 1, 0)})
	if err != nil {
		return nil, err
	}
	m.rows, m.asked, m.lasts = rows, time.Now(), pastMonth+rand.N(spread)
	if time.Since(begins.AddDate(0, 1, 0)) < lateDays {
		m.lasts = runningMonth
	}
	return m.rows, nil
}

// load asks InfluxDB for a month.
func (d *days) load(ctx context.Context, s span) ([]dayRow, error) {
	// Who waits for the same month is not to be failed by the first one's going away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	var rows []dayRow
	err := d.db.stream(ctx, fmt.Sprintf(`SELECT "used", "covered", "meters" FROM "usage_daily" WHERE %s GROUP BY "community", "compound", "facility", "resource"`, s.where()), func(x *series) error {
		place := d.place(dayPlace{x.Tags["community"], x.Tags["compound"], x.Tags["facility"], x.Tags["resource"]})
		u, c, m := x.column("used"), x.column("covered"), x.column("meters")
		for _, row := range x.Values {
			used, ok := at(row, u)
			if !ok {
				continue
			}
			covered, _ := at(row, c)
			meters, _ := at(row, m)
			rows = append(rows, dayRow{place, uint32(moment(row).Unix()), used, float32(covered), float32(meters)})
		}
		return nil
	})
	return rows, err
}

func (d *days) place(p dayPlace) uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.index[p]
	if !ok {
		i = uint32(len(d.places))
		d.places, d.index[p] = append(d.places, p), i
	}
	return i
}

// filter chooses places; what is empty is any.
type filter struct {
	who                                     access.Identity
	community, compound, facility, resource string
}

func (f *filter) has(p *dayPlace) bool {
	return (f.community == "" || f.community == p.community) && (f.compound == "" || f.compound == p.compound) &&
		(f.facility == "" || f.facility == p.facility) && (f.resource == "" || f.resource == p.resource) && f.who.SeesCommunity(ingest.CommunityID(p.community))
}

// group returns the value of a place by the name of a group.
func (p *dayPlace) group(name string) string {
	switch name {
	case "community":
		return p.community
	case "compound":
		return p.compound
	}
	return p.facility
}
