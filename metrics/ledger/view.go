package ledger

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// View is the ledger as it is shown.
type View struct {
	AsOf        time.Time   `json:"as_of"`
	Revision    int         `json:"revision"` // how often it was changed
	Items       []Item      `json:"items"`
	Progress    Progress    `json:"progress"`
	Deadlines   []Deadline  `json:"deadlines"` // the next first
	Communities []Community `json:"communities"`
	// File says of the table that is read at the start and on reload; nil: none is.
	File *FileState `json:"file,omitempty"`
}

// Progress is how far the county is, counted in communities.
type Progress struct {
	All           int     `json:"all"`
	Participating int     `json:"participating"` // those that have met it included
	Met           int     `json:"met"`           // those that were named included
	Named         int     `json:"named"`
	Pilots        int     `json:"pilots"`
	PilotsMet     int     `json:"pilots_met"`
	Target        float64 `json:"target"`  // share of all that have to meet it
	Missing       int     `json:"missing"` // communities that have still to meet it for the target
	Behind        int     `json:"behind"`
}

// Target is the share of all urban communities that have to meet the requirements.
const Target = 0.6

// Deadline is a day by which something has to be reported.
type Deadline struct {
	What  string `json:"what"`  // quarter, october
	Opens string `json:"opens"` // first day for it, 2026-12-22
	Due   string `json:"due"`   // last day
	Days  int    `json:"days"`  // from today to the last day

	end time.Time // of the last day
}

// Community is a community's part of the ledger.
type Community struct {
	ID        ingest.CommunityID `json:"id"`
	Name      string             `json:"name"`
	Town      string             `json:"town"`
	Pilot     bool               `json:"pilot"`
	Stage     string             `json:"stage"` // "", participating, met, named
	StageDate string             `json:"stage_date"`
	Contact   string             `json:"contact,omitempty"`
	Compounds []Compound         `json:"compounds"`
	Items     []State            `json:"items"` // in the order of View.Items
	Met       int                `json:"met"`
	NotMet    int                `json:"not_met"`
	Pending   int                `json:"pending"`
	// Behind says why it is: not_participating, or items that are not met while it
	// takes part; "" if it is not.
	Behind string `json:"behind"`
}

// Compound is a compound of a community (小区).
type Compound struct {
	Name      string `json:"name"`
	Renovated int    `json:"renovated"` // year, 0: not
}

// State says whether a community meets an item.
type State struct {
	Item     string `json:"item"`
	Status   string `json:"status"` // met, not_met, pending
	Evidence string `json:"evidence"`
	Source   string `json:"source"` // sensor, person, ""
	Date     string `json:"date"`
	By       string `json:"by"`
	// Proposal is what devices give evidence of; nil: they say nothing of the item.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// Proposal holds what the service proposes for an item.
type Proposal struct {
	Status string      `json:"status"` // met, not_met, or pending: not enough data
	Why    ingest.Text `json:"why"`
	Date   string      `json:"date"` // the last day the data are of
}

// View lays out the ledger. Propose gives proposals, nil: none.
func (l *Ledger) View(s *Standard, propose func(ingest.CommunityID, Item) *Proposal) (*View, error) {
	cells, revision, err := l.State()
	if err != nil {
		return nil, err
	}
	v := &View{AsOf: s.Now.UTC().Truncate(time.Second), Revision: revision, Items: s.Items, Communities: []Community{}, Deadlines: Deadlines(s.Now.In(s.Inventory.Zone))}
	for _, c := range s.Inventory.Communities {
		v.Communities = append(v.Communities, s.community(cells, c, propose))
	}
	v.Progress = progress(v.Communities)
	return v, nil
}

func (s *Standard) community(cells Cells, c *inventory.Community, propose func(ingest.CommunityID, Item) *Proposal) Community {
	of := func(column string) string { return s.shows(cells, Cell{Community: c.ID, Column: column}) }
	out := Community{ID: c.ID, Name: c.Name, Town: of("town"), Pilot: of("pilot") == "yes", Stage: stageOf(of("stage")), StageDate: of("stage_date"), Contact: of("contact"), Compounds: compounds(cells, c)}
	for _, item := range s.Items {
		at := func(column string) string { return cells[Cell{Community: c.ID, Item: item.ID, Column: column}] }
		state := State{Item: item.ID, Status: cmp.Or(at("status"), "pending"), Evidence: at("evidence"), Source: at("source"), Date: at("date"), By: at("by")}
		switch state.Status {
		case "met":
			out.Met++
		case "not_met":
			out.NotMet++
		default:
			out.Pending++
		}
		if propose != nil && len(item.Evidence) > 0 {
			state.Proposal = propose(c.ID, item)
		}
		out.Items = append(out.Items, state)
	}
	switch {
	case out.Stage == "":
		out.Behind = "not_participating"
	case out.Stage == "participating" && out.Met < len(out.Items):
		out.Behind = "items"
	case out.NotMet > 0: // it has met the requirements, and one of them not
		out.Behind = "items"
	}
	return out
}

func stageOf(said string) string {
	if said == "none" {
		return ""
	}
	return said
}

// compounds are those of the inventory and those the ledger adds.
func compounds(cells Cells, c *inventory.Community) []Compound {
	list := []Compound{}
	for _, each := range c.Compounds {
		list = append(list, Compound{each.Name, each.Renovated})
	}
	var more []Compound
	for cell, v := range cells {
		if cell.Community != c.ID || cell.Compound == "" || cell.Column != "renovated" {
			continue
		}
		year, _ := strconv.Atoi(v)
		if i := slices.IndexFunc(list, func(k Compound) bool { return k.Name == cell.Compound }); i >= 0 {
			list[i].Renovated = year
		} else if year > 0 {
			more = append(more, Compound{cell.Compound, year})
		}
	}
	slices.SortFunc(more, func(a, b Compound) int { return cmp.Compare(a.Name, b.Name) })
	return append(list, more...)
}

func progress(list []Community) Progress {
	p := Progress{All: len(list), Target: Target}
	for _, c := range list {
		met := c.Stage == "met" || c.Stage == "named"
		if c.Stage != "" {
			p.Participating++
		}
		if met {
			p.Met++
		}
		if c.Stage == "named" {
			p.Named++
		}
		if c.Pilot {
			p.Pilots++
			if met {
				p.PilotsMet++
			}
		}
		if c.Behind != "" {
			p.Behind++
		}
	}
	p.Missing = max(0, int(math.Ceil(Target*float64(p.All)-1e-9))-p.Met)
	return p
}

// Deadlines are the next days by which members report: the last ten days of each
// quarter, and the end of October for the year's summary of the towns. A time is of the
// site's zone.
func Deadlines(now time.Time) []Deadline {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, now.Location()) }
	y, m, d := now.Date()
	today := day(y, m, d)
	due := func(what string, opens, last time.Time) Deadline {
		// Rounded: where clocks change, a day has 23 hours.
		return Deadline{What: what, Opens: opens.Format(time.DateOnly), Due: last.Format(time.DateOnly), Days: int(math.Round(last.Sub(today).Hours() / 24)), end: last.AddDate(0, 0, 1)}
	}
	quarterEnd := day(y, (m-1)/3*3+4, 0)
	october := day(y, time.October, 31)
	if today.After(october) {
		october = day(y+1, time.October, 31)
	}
	list := []Deadline{due("quarter", quarterEnd.AddDate(0, 0, -9), quarterEnd), due("october", october.AddDate(0, 0, -30), october)}
	slices.SortFunc(list, func(a, b Deadline) int { return cmp.Compare(a.Due, b.Due) })
	return list
}

// Revised returns an inventory whose communities are as the ledger has them: town,
// pilot, stage and compounds. So that whoever counts communities counts the same.
func (l *Ledger) Revised(inv *inventory.Inventory) (*inventory.Inventory, error) {
	cells, revision, err := l.State()
	if err != nil || revision == 0 {
		return inv, err
	}
	s := &Standard{Inventory: inv}
	return inv.Revised(func(c *inventory.Community) *inventory.Community {
		of := s.community(cells, c, nil)
		revised := *c
		revised.Town, revised.Pilot, revised.Stage = of.Town, of.Pilot, of.Stage
		revised.Compounds = nil
		for _, each := range of.Compounds {
			k := slices.IndexFunc(c.Compounds, func(known *inventory.Compound) bool { return known.Name == each.Name })
			compound := &inventory.Compound{Name: each.Name}
			if k >= 0 {
				*compound = *c.Compounds[k]
			}
			compound.Renovated = each.Renovated
			revised.Compounds = append(revised.Compounds, compound)
		}
		return &revised
	}), nil
}
