package alarms

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/anomaly"
)

// Schedule is the file of what is not to be told: silences of devices, windows of
// maintenance, and holidays. What is silenced is an item like others, and is listed as
// silenced; it is no series of /metrics, so nobody is called.
//
// What is about life and limb (fire, smoke, hot chargers, waterlogging, doors that do
// not open) is silenced only where the rule names the kind.
type Schedule struct {
	Silences    []Rule    `yaml:"silences"`
	Maintenance []Rule    `yaml:"maintenance"`
	Holidays    []Holiday `yaml:"holidays"`
}

// Rule says what is not told, when and why. What is not given is any.
type Rule struct {
	Devices   []ingest.DeviceID   `yaml:"devices"`
	Community ingest.CommunityID  `yaml:"community"`
	Compound  ingest.CompoundID   `yaml:"compound"`
	Facility  ingest.FacilityKind `yaml:"facility"`
	Vendor    ingest.VendorID     `yaml:"vendor"`
	Kinds     []string            `yaml:"kinds"` // of alarms
	// From and To are local: 2026-12-01 08:00, or a day; To as a day is its end. A
	// silence needs To, at most a year ahead of From or of today.
	From string `yaml:"from"`
	To   string `yaml:"to"`
	// Weekdays and Between narrow it to hours of a week: [sat, sun], 22:00-05:00.
	Weekdays []string `yaml:"weekdays"`
	Between  string   `yaml:"between"`
	By       string   `yaml:"by"`     // who says so
	Reason   string   `yaml:"reason"` // required

	from, to    time.Time // zero: not bounded
	begin, end  int       // minutes of the day; equal: all of it
	days        []time.Weekday
	zone        *time.Location
	description string
}

// Holiday is days on which people are away or about as on no other: what follows from
// that is not told.
type Holiday struct {
	Name string `yaml:"name"` // required
	From string `yaml:"from"` // a day
	To   string `yaml:"to"`   // the last day; default From
	// Kinds default to off_hours, stuck_register, crowd and parking_full.
	Kinds []string `yaml:"kinds"`

	rule Rule
}

var holidayKinds = []string{"off_hours", "stuck_register", "crowd", "parking_full"}

// vital kinds are silenced by name only.
var vital = []string{"bin_fire", "smoke", "fire_reported", "charger_hot", "waterlogging", "passage_blocked", "stuck_closed"}

// ReadSchedule reads a schedule. All its problems are told together, each with its line
// and its remedy.
func ReadSchedule(path string, zone *time.Location) (*Schedule, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("alarms.schedule: %w", err)
	}
	if zone == nil {
		zone = time.FixedZone("Asia/Shanghai", 8*3600)
	}
	s, p := &Schedule{}, &document.Problems{}
	if document.Decode(data, s, p) {
		for i := range s.Silences {
			at := fmt.Sprintf("silences[%d]", i)
			r := &s.Silences[i]
			r.check(at, zone, p)
			if len(r.Devices) == 0 {
				p.Add(at+".devices", "missing; name the devices, or write a window of maintenance")
			}
			begin := r.from
			if begin.IsZero() {
				begin = time.Now()
			}
			switch {
			case r.To == "":
				p.Add(at+".to", "missing; say until when, or it is forgotten")
			case r.to.Sub(begin) > 367*24*time.Hour:
				p.Add(at+".to", "%s is more than a year; silence it for less, and look again then", r.To)
			}
		}
		for i := range s.Maintenance {
			at := fmt.Sprintf("maintenance[%d]", i)
			r := &s.Maintenance[i]
			r.check(at, zone, p)
			if len(r.Devices) == 0 && r.Community == "" && r.Vendor == "" {
				p.Add(at, "would be of the whole county; give devices, community or vendor")
			}
			if r.To == "" && len(r.Weekdays) == 0 && r.Between == "" {
				p.Add(at+".to", "missing; say until when, or give weekdays or between for a window that comes again")
			}
		}
		for i := range s.Holidays {
			s.Holidays[i].check(fmt.Sprintf("holidays[%d]", i), zone, p)
		}
	}
	if err := p.Of(path); err != nil {
		return nil, err
	}
	return s, nil
}

func (h *Holiday) check(at string, zone *time.Location, p *document.Problems) {
	if h.Name == "" {
		p.Add(at+".name", "missing; write 春节")
	}
	if h.From == "" {
		p.Add(at+".from", "missing; give the first day, such as 2027-02-05")
	}
	if len(h.Kinds) == 0 {
		h.Kinds = holidayKinds
	}
	to := h.To
	if to == "" {
		to = h.From
	}
	h.rule = Rule{Kinds: h.Kinds, From: h.From, To: to, Reason: h.Name}
	h.rule.check(at, zone, p)
}

const (
	dayForm  = "2006-01-02"
	timeForm = "2006-01-02 15:04"
)

func (r *Rule) check(at string, zone *time.Location, p *document.Problems) {
	r.zone = zone
	parse := func(name, text string, end bool) time.Time {
		if text == "" {
			return time.Time{}
		}
		if t, err := time.ParseInLocation(timeForm, strings.Replace(text, "T", " ", 1), zone); err == nil {
			return t
		}
		t, err := time.ParseInLocation(dayForm, text, zone)
		if err != nil {
			p.Add(at+"."+name, "%.40q is no time; write 2026-12-01 or 2026-12-01 08:00", text)
			return time.Time{}
		}
		if end {
			t = t.AddDate(0, 0, 1)
		}
		return t
	}
	r.from, r.to = parse("from", r.From, false), parse("to", r.To, true)
	if !r.from.IsZero() && !r.to.IsZero() && !r.to.After(r.from) {
		p.Add(at+".to", "%s is not after from, %s", r.To, r.From)
	}
	for i, name := range r.Kinds {
		if _, ok := anomaly.KindNamed(name); !ok {
			p.Add(fmt.Sprintf("%s.kinds[%d]", at, i), "%.40q is no kind of alarm; they are the names in docs/runbooks, such as continuous_flow", name)
		}
	}
	for i, name := range r.Weekdays {
		day := slices.Index([]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}, strings.ToLower(name))
		if day < 0 {
			p.Add(fmt.Sprintf("%s.weekdays[%d]", at, i), "%.40q is no day; write mon, tue, wed, thu, fri, sat or sun", name)
			continue
		}
		r.days = append(r.days, time.Weekday(day))
	}
	if r.Between != "" {
		from, to, ok := strings.Cut(r.Between, "-")
		begin, err := time.Parse("15:04", strings.TrimSpace(from))
		end, err2 := time.Parse("15:04", strings.TrimSpace(to))
		if !ok || err != nil || err2 != nil || begin.Equal(end) {
			p.Add(at+".between", "%.40q is no part of a day; write 22:00-05:00", r.Between)
		}
		r.begin, r.end = begin.Hour()*60+begin.Minute(), end.Hour()*60+end.Minute()
	}
	if strings.TrimSpace(r.Reason) == "" {
		p.Add(at+".reason", "missing; say why, for whoever asks in a month")
	}
	r.description = r.Reason
	if r.By != "" {
		r.description += "（" + r.By + "）"
	}
}

// holds says whether a rule is of an item at a time.
func (r *Rule) holds(s *State, now time.Time) bool {
	switch {
	case len(r.Devices) > 0 && !slices.Contains(r.Devices, s.Device),
		r.Community != "" && r.Community != s.Community,
		r.Compound != "" && r.Compound != s.Compound,
		r.Facility != "" && r.Facility != s.Facility,
		r.Vendor != "" && r.Vendor != s.Vendor,
		len(r.Kinds) > 0 && !slices.Contains(r.Kinds, s.Kind),
		len(r.Kinds) == 0 && slices.Contains(vital, s.Kind),
		!r.from.IsZero() && now.Before(r.from),
		!r.to.IsZero() && !now.Before(r.to):
		return false
	}
	local := now.In(r.zone)
	minute, day := local.Hour()*60+local.Minute(), local.Weekday()
	switch {
	case r.begin < r.end && (minute < r.begin || minute >= r.end), r.begin > r.end && minute < r.begin && minute >= r.end:
		return false
	case r.begin > r.end && minute < r.end:
		day = (day + 6) % 7 // the night belongs to the day it began in
	}
	return len(r.days) == 0 || slices.Contains(r.days, day)
}

// silenced returns why an item is not told now, "" where it is.
func (s *Schedule) silenced(i *State, now time.Time) string {
	for _, rules := range [][]Rule{s.Silences, s.Maintenance} {
		for n := range rules {
			if rules[n].holds(i, now) {
				return rules[n].description
			}
		}
	}
	for n := range s.Holidays {
		if s.Holidays[n].rule.holds(i, now) {
			return s.Holidays[n].Name
		}
	}
	return ""
}

// Unknown says what the schedule names that an inventory does not have, each with its
// remedy: a typing mistake silences nothing, and nobody would know. Sure says how many are
// mistakes for sure; a device that no list has may be one that introduces itself.
func (s *Schedule) Unknown(inv *inventory.Inventory) (problems []string, sure int) {
	if inv == nil {
		return nil, 0
	}
	introduces := slices.ContainsFunc(inv.Vendors, func(v *inventory.Vendor) bool { return v.UnknownDevices == "accept" })
	for _, list := range []struct {
		name  string
		rules []Rule
	}{{"silences", s.Silences}, {"maintenance", s.Maintenance}} {
		for i := range list.rules {
			r := &list.rules[i]
			at := fmt.Sprintf("%s[%d]", list.name, i)
			add := func(format string, args ...any) {
				problems = append(problems, at+"."+fmt.Sprintf(format, args...))
				sure++
			}
			for n, id := range r.Devices {
				switch {
				case inv.Device(id) != nil:
				case introduces:
					add("devices[%d]: %q is in no list of devices; that is right where the device introduces itself, else correct the id", n, id)
					sure--
				default:
					add("devices[%d]: %q is not in the inventory, so that this silences nothing; correct the id, or list the device", n, id)
				}
			}
			community := inv.Community(r.Community)
			if r.Community != "" && community == nil {
				add("community: %q is not in the inventory; write the id of one of its communities", r.Community)
			}
			if r.Compound != "" && !hasCompound(inv, community, r.Compound) {
				add("compound: %q is in no community of the inventory; write the id of a compound", r.Compound)
			}
			if r.Facility != "" && inv.Facilities.Kind(r.Facility) == nil {
				add("facility: %q is no kind of facility; `greencommunity quantities` lists them", r.Facility)
			}
			if r.Vendor != "" && inv.Vendor(r.Vendor) == nil {
				add("vendor: %q is not in the inventory; write the id of one of its vendors", r.Vendor)
			}
		}
	}
	return problems, sure
}

func hasCompound(inv *inventory.Inventory, of *inventory.Community, id ingest.CompoundID) bool {
	for _, c := range inv.Communities {
		if of != nil && c != of {
			continue
		}
		for _, k := range c.Compounds {
			if k.ID == id {
				return true
			}
		}
	}
	return false
}

// Holiday returns the holiday a time is in, or "".
func (s *Schedule) Holiday(now time.Time) string {
	for n := range s.Holidays {
		if h := &s.Holidays[n]; !now.Before(h.rule.from) && now.Before(h.rule.to) {
			return h.Name
		}
	}
	return ""
}
