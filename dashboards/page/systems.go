package page

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/metrics/facility"
)

// Systems is what the facilities that are no more than data do now, and what was
// registered of waste.
type Systems struct {
	Kinds   []Kind           `json:"kinds"` // of all facilities, in the inventory's words
	Systems []FacilitySystem `json:"systems"`
	Sorting []SortingPlace   `json:"sorting"`
}

// Kind is a kind of facility and what it is called.
type Kind struct {
	Kind ingest.FacilityKind `json:"kind"`
	Name ingest.Text         `json:"name"`
}

// FacilitySystem is a kind of facility of a community.
type FacilitySystem struct {
	Community ingest.CommunityID  `json:"community"`
	Facility  ingest.FacilityKind `json:"facility"`
	Online    int                 `json:"online"`
	Devices   int                 `json:"devices"`
	Alarms    int                 `json:"alarms"` // open, critical and warning
	Figures   []SystemFigure      `json:"figures"`
}

// SystemFigure is a quantity of a place; what its kind does not have is null.
type SystemFigure struct {
	Quantity string      `json:"quantity"`
	Name     ingest.Text `json:"name"`
	Unit     string      `json:"unit"`
	Kind     string      `json:"kind"` // state, gauge, register, delta
	Devices  int         `json:"devices"`
	Sum      *float64    `json:"sum"`
	Mean     *float64    `json:"mean"`
	Min      *float64    `json:"min"`
	Max      *float64    `json:"max"`
	Yes      *float64    `json:"yes"`
	Today    *float64    `json:"today"`
	Day      *float64    `json:"day"`
	Night    *float64    `json:"night"`
}

// SortingPlace is what was registered of a community's waste since records began.
type SortingPlace struct {
	Community           ingest.CommunityID `json:"community"`
	Streams             []SortedStream     `json:"streams"`
	Correct             float64            `json:"correct"` // of the deposits that were inspected
	Wrong               float64            `json:"wrong"`
	HouseholdsToday     *int               `json:"households_today"`
	HouseholdsYesterday *int               `json:"households_yesterday"`
}

// SortedStream is a stream's part of it.
type SortedStream struct {
	Stream    string  `json:"stream"`
	Deposits  float64 `json:"deposits"`
	Kilograms float64 `json:"kilograms"`
}

func (p *Page) systems(r *http.Request) (any, error) {
	who, inv := access.From(r.Context()), p.s.Inventory()
	out := &Systems{Kinds: []Kind{}, Systems: []FacilitySystem{}, Sorting: []SortingPlace{}}
	for _, kind := range inv.Facilities.Kinds() {
		out.Kinds = append(out.Kinds, Kind{kind, inv.Facilities.Kind(kind).Label})
	}
	if who.Vendor != "" {
		return out, nil // these are sums over vendors
	}
	now := time.Now().UnixNano()
	index := map[facility.Place]int{}
	at := func(c ingest.CommunityID, f ingest.FacilityKind) *FacilitySystem {
		i, ok := index[facility.Place{Community: c, Facility: f}]
		if !ok {
			i = len(out.Systems)
			index[facility.Place{Community: c, Facility: f}] = i
			out.Systems = append(out.Systems, FacilitySystem{Community: c, Facility: f, Figures: []SystemFigure{}})
		}
		return &out.Systems[i]
	}
	for _, f := range p.s.Systems.Now(now) {
		if !who.SeesCommunity(f.Community) {
			continue
		}
		s := at(f.Community, f.Facility)
		s.Figures = append(s.Figures, SystemFigure{
			Quantity: f.Quantity, Name: f.Label, Unit: f.Unit, Kind: string(f.Kind), Devices: f.Devices, Sum: number(f.Sum), Mean: number(f.Mean), Min: number(f.Min),
			Max: number(f.Max), Yes: number(f.Yes), Today: number(f.Today), Day: number(f.Day), Night: number(f.Night),
		})
	}
	known := func(c ingest.CommunityID, f ingest.FacilityKind) *FacilitySystem {
		if i, ok := index[facility.Place{Community: c, Facility: f}]; ok {
			return &out.Systems[i]
		}
		return &FacilitySystem{} // of none of these
	}
	for _, d := range p.s.Status().Devices {
		s := known(d.Community, d.Facility)
		s.Devices += d.Count
		if d.State == "online" {
			s.Online += d.Count
		}
	}
	for _, a := range p.openAlarms() {
		if a.Severity == "critical" || a.Severity == "warning" {
			known(a.Community, a.Facility).Alarms++
		}
	}
	slices.SortFunc(out.Systems, func(a, b FacilitySystem) int {
		return cmp.Or(cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Community, b.Community))
	})
	for _, w := range p.s.Facility.Sorting(now) {
		if !who.SeesCommunity(w.Community) {
			continue
		}
		place := SortingPlace{Community: w.Community, Streams: []SortedStream{}, Correct: w.Right, Wrong: w.Wrong}
		for name, s := range w.Streams {
			place.Streams = append(place.Streams, SortedStream{name, s.Deposits, s.Kilograms})
		}
		slices.SortFunc(place.Streams, func(a, b SortedStream) int { return cmp.Compare(a.Stream, b.Stream) })
		if w.Today >= 0 {
			place.HouseholdsToday = &w.Today
		}
		if w.Before >= 0 {
			place.HouseholdsYesterday = &w.Before
		}
		out.Sorting = append(out.Sorting, place)
	}
	return out, nil
}
