package alarms

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
)

// Item is an alarm as people see it: its state, and what follows from inventory, tariffs
// and what was found of others.
type Item struct {
	State
	Title         ingest.Text `json:"title"`
	CommunityName string      `json:"community_name"`
	CompoundName  string      `json:"compound_name,omitempty"`
	FacilityName  ingest.Text `json:"facility_name"`
	VendorName    string      `json:"vendor_name,omitempty"`
	Address       string      `json:"address,omitempty"` // of the device's attributes
	Cost          *float64    `json:"cost_per_day"`      // yuan
	// Confidence is how many of its kind were right, of those people have judged; null
	// while they are fewer than five. (right+1)/(judged+2): five of five are no certainty.
	Confidence *float64    `json:"confidence"`
	Judged     Judged      `json:"judged"`
	Advice     ingest.Text `json:"advice"` // what to do first
	// Group is the id of the alarm that stands for this one, and Cause its title.
	Group    string       `json:"group,omitempty"`
	Cause    *ingest.Text `json:"cause,omitempty"`
	Silenced string       `json:"silenced,omitempty"` // why nobody is told
	Overdue  bool         `json:"overdue,omitempty"`
	Comments []Comment    `json:"comments"`
	Link     string       `json:"link"`
	Signed   string       `json:"signed_link,omitempty"` // of the person asked for

	OverBudget bool `json:"-"` // its community has worse ones enough to list
}

// Judged is what people found of a kind.
type Judged struct {
	Told  uint64 `json:"told"`
	Right uint64 `json:"right"`
	Wrong uint64 `json:"false"`
}

// Comment is what somebody wrote.
type Comment struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Text string    `json:"text"`
}

// Filter says which items are asked for. What is empty is any; without Statuses, those
// that are not done.
type Filter struct {
	ID           string
	Statuses     []Status
	Community    ingest.CommunityID
	Kind         string
	Device       ingest.DeviceID
	Facility     ingest.FacilityKind
	Vendor       ingest.VendorID
	Since, Until time.Time // it was open at some time between
	Grouped      bool      // those that another stands for as well
	Limit        int       // at most so many, the worst first, of those that are done the latest
	// Sees narrows it to what somebody may see; nil: all.
	Sees func(ingest.CommunityID, ingest.VendorID) bool
}

// stoodFor says whether another stands for an item, as somebody sees it: who may not see that
// other, because it is of several communities, sees the items themselves.
func stoodFor(i, by *item, sees func(ingest.CommunityID, ingest.VendorID) bool) bool {
	if by == nil {
		return i.Inhibited != ""
	}
	return sees == nil || sees(by.Community, by.Vendor)
}

func (f *Filter) wantsDone() bool {
	return f.ID != "" || slices.Contains(f.Statuses, Cleared) || slices.Contains(f.Statuses, False)
}

func (f *Filter) matches(s *State) bool {
	switch {
	case f.ID != "" && s.ID != f.ID,
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, s.Status),
		len(f.Statuses) == 0 && f.ID == "" && s.Done(),
		f.Community != "" && s.Community != f.Community,
		f.Kind != "" && s.Kind != f.Kind,
		f.Device != "" && s.Device != f.Device,
		f.Facility != "" && s.Facility != f.Facility,
		f.Vendor != "" && s.Vendor != f.Vendor,
		!f.Since.IsZero() && s.Closed != nil && s.Closed.Before(f.Since),
		!f.Until.IsZero() && s.Since.After(f.Until),
		f.Sees != nil && !f.Sees(s.Community, s.Vendor):
		return false
	}
	return true
}

// List returns the items that a filter asks for: those that are not done first, the
// worst and oldest of them first, then the rest, the latest first.
func (d *Desk) List(ctx context.Context, f Filter, now time.Time) ([]Item, error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	d.refresh(now)
	d.mu.Lock()
	var states []*State
	seen := map[string]bool{}
	groups := d.groups()
	for id, i := range d.items {
		seen[id] = true
		if f.matches(&i.State) && (f.Grouped || f.ID != "" || i.Done() || !stoodFor(i, groups[i.ID], f.Sees)) {
			states = append(states, i.copy())
		}
	}
	for _, s := range d.closed {
		if !seen[s.ID] {
			seen[s.ID] = true
			if f.matches(s) {
				states = append(states, s.copy())
			}
		}
	}
	d.mu.Unlock()
	if f.wantsDone() && (f.ID == "" || len(states) == 0) {
		past, err := d.past(ctx, f, seen, f.Limit-len(states))
		if err != nil {
			return nil, err
		}
		states = append(states, past...)
	}
	slices.SortFunc(states, func(a, b *State) int {
		done := func(s *State) int {
			if s.Done() {
				return 1
			}
			return 0
		}
		if c := cmp.Compare(done(a), done(b)); c != 0 {
			return c
		}
		if a.Done() {
			return cmp.Or(b.over().Compare(a.over()), cmp.Compare(a.ID, b.ID))
		}
		return cmp.Or(cmp.Compare(severities[a.Severity], severities[b.Severity]), a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	states = states[:min(len(states), f.Limit)]
	d.mu.Lock()
	defer d.mu.Unlock()
	items := make([]Item, len(states))
	for i, s := range states {
		items[i] = d.viewIn(s, groups, now)
	}
	return items, nil
}

// past reads items from the history that are not in memory any more.
func (d *Desk) past(ctx context.Context, f Filter, seen map[string]bool, most int) (found []*State, err error) {
	var words [][]byte
	for _, w := range []string{f.ID, f.Kind, string(f.Device), string(f.Community)} {
		if w != "" && !strings.ContainsAny(w, "\"\\<>&") { // as JSON writes it
			words = append(words, []byte(w))
		}
	}
	select {
	case d.searches <- struct{}{}: // one at a time: it reads all there is
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-d.searches }()
	err = d.file.search(func(line []byte) bool { return contains(line, words) }, func(states []*State) bool {
		if err := ctx.Err(); err != nil {
			return false
		}
		for _, s := range slices.Backward(states) {
			if seen[s.ID] {
				continue
			}
			seen[s.ID] = true
			if s.Closed != nil && f.matches(s) {
				found = append(found, s)
			}
		}
		return len(found) < most
	})
	return found, errors.Join(ctx.Err(), err)
}

func contains(line []byte, words [][]byte) bool {
	for _, w := range words {
		if !bytes.Contains(line, w) {
			return false
		}
	}
	return true
}

// Get returns an item by its id.
func (d *Desk) Get(ctx context.Context, id string, now time.Time) (Item, error) {
	items, err := d.List(ctx, Filter{ID: id, Limit: 1}, now)
	if err != nil {
		return Item{}, err
	}
	if len(items) == 0 {
		return Item{}, ErrUnknown
	}
	return items[0], nil
}

func (s *State) over() time.Time {
	if s.Closed == nil {
		return s.Since
	}
	return *s.Closed
}

func (s *State) copy() *State {
	c := *s
	c.History = slices.Clone(s.History)
	return &c
}

// standing says which kinds an alarm of a device stands for: what follows from the same
// fault.
var standing = map[string][]string{
	"burst":          {"continuous_flow", "night_flow", "over_qmax"},
	"night_flow":     {"continuous_flow"},
	"reverse_flow":   {"register_reset"},
	"flat_line":      {"unusual_value"},
	"outage":         {"partial_failure"},
	"stuck_dimmer":   {"over_power"},
	"erratic_fill":   {"unusual_value"},
	"forced_open":    {"held_open"},
	"blocked":        {"stuck_fill"},
	"bin_fire":       {"unusual_value"},
	"waterlogging":   {"unusual_value"},
	"charger_hot":    {"unusual_value"},
	"overcurrent":    {"unusual_value"},
	"day_burner":     {"unusual_value"},
	"stuck_register": {"flat_line"},
}

// groups says of each item that another stands for which that is: one alarm a device
// where one fault shows in many.
func (d *Desk) groups() map[string]*item {
	byDevice := map[ingest.DeviceID][]*item{}
	of := map[string]*item{}
	for _, i := range d.current {
		switch {
		case i.Done():
		case i.Inhibited != "":
			if by := d.current[i.alarm.Group]; by != nil && !by.Done() {
				of[i.ID] = by
			}
		case !rolledUp(i.Kind):
			byDevice[i.Device] = append(byDevice[i.Device], i)
		}
	}
	for _, items := range byDevice {
		for _, i := range items {
			for _, j := range items {
				if i == j {
					continue
				}
				first := j.Since.Before(i.Since) || j.Since.Equal(i.Since) && j.ID < i.ID
				same := i.Kind == j.Kind && first && severities[j.Severity] <= severities[i.Severity] && i.Kind != "device_reported"
				if same || slices.Contains(standing[j.Kind], i.Kind) && severities[j.Severity] <= severities[i.Severity] {
					of[i.ID] = j
				}
			}
		}
	}
	return of
}

func (d *Desk) view(s *State, now time.Time) Item { return d.viewIn(s.copy(), d.groups(), now) }

func (d *Desk) viewIn(s *State, groups map[string]*item, now time.Time) Item {
	i := Item{State: *s, Link: d.config.PublicURL + "/#alarm=" + s.ID, Comments: []Comment{}, CommunityName: string(s.Community)}
	i.Current, i.Before, i.Counted, i.Timed, i.Adds = "", "", false, false, nil
	if i.History == nil {
		i.History = []Entry{}
	}
	if k, ok := anomaly.KindNamed(s.Kind); ok {
		i.Title = k.Title
		i.Advice = anomaly.Advice(s.Kind, s.Channel, s.Scope)
	}
	if g := groups[s.ID]; g != nil {
		i.Group = g.ID
		if k, ok := anomaly.KindNamed(g.Kind); ok {
			i.Cause = &k.Title
			if g.Scope != "" {
				i.Cause = &g.Why
			}
		}
	}
	if live := d.items[s.ID]; live != nil {
		i.OverBudget = live.alarm.OverBudget
	}
	for _, e := range s.History {
		if e.Comment != "" {
			i.Comments = append(i.Comments, Comment{e.At, e.By, e.Comment})
		}
	}
	if !s.Done() {
		i.Silenced = d.schedule.silenced(s, now)
		i.Overdue = s.Due != nil && now.After(*s.Due)
	}
	if s.Size != nil {
		tariff := map[string]float64{"L": d.config.Tariffs.Water / 1000, "kWh": d.config.Tariffs.Electricity}[s.SizeUnit]
		if tariff > 0 {
			cost := *s.Size * tariff
			i.Cost = &cost
		}
	}
	k := d.totals.Kinds[s.Kind]
	i.Judged = Judged(k)
	if n := k.Right + k.Wrong; n >= 5 {
		c := float64(k.Right+1) / float64(n+2)
		i.Confidence = &c
	}
	if d.o.Inventory != nil {
		i.names(d.o.Inventory())
	}
	return i
}

// names fills in what people call the places.
func (i *Item) names(inv *inventory.Inventory) {
	if inv == nil {
		return
	}
	if c := inv.Community(i.Community); c != nil {
		i.CommunityName = c.Name
		for _, p := range c.Compounds {
			if p.ID == i.Compound {
				i.CompoundName = p.Name
			}
		}
	}
	if v := inv.Vendor(i.Vendor); v != nil {
		i.VendorName = v.Name
	}
	if dev := inv.Device(i.Device); dev != nil {
		i.Name = cmp.Or(dev.Name, i.Name)
		i.Address = cmp.Or(dev.Attributes["address"], dev.Attributes["location"])
	}
	i.FacilityName = ingest.Text{ZH: string(i.Facility), EN: string(i.Facility)}
	if k := inv.Facilities.Kind(i.Facility); k != nil {
		i.FacilityName = k.Label
	} else if i.Facility == "all" {
		i.FacilityName = ingest.Text{ZH: "全部设施", EN: "all facilities"}
	}
	if i.Scope != "" {
		i.ofMany()
	}
}

// ofMany says in words what an alarm of many devices at once is of.
func (i *Item) ofMany() {
	if i.Community == "" {
		i.CommunityName = "多个社区"
	}
	whose := ""
	switch i.Scope {
	case "feeder":
		whose = "回路" + string(i.Device) + "的"
	case "gateway":
		whose = "网关" + string(i.Device) + "的"
	case "vendor", "vendor_in_community":
		whose = cmp.Or(i.VendorName, string(i.Vendor)) + "的"
	}
	i.Name = whose + i.FacilityName.ZH + "设备"
	_, kind, _ := strings.Cut(i.Channel, "/")
	kind, _, _ = strings.Cut(kind, "/")
	if k, ok := anomaly.KindNamed(kind); ok {
		i.Title = ingest.Text{ZH: i.FacilityName.ZH + "设备同时“" + k.Title.ZH + "”", EN: "Many at once (" + i.FacilityName.EN + "): " + k.Title.EN}
	}
}
