package alarms

import (
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
)

// Status says how far an alarm has been dealt with.
type Status string

// The statuses. Cleared and False are the ends.
const (
	Unhandled    Status = "open"         // 未处理
	Acknowledged Status = "acknowledged" // 已确认
	Assigned     Status = "assigned"     // 已派单
	InProgress   Status = "in_progress"  // 处理中
	Cleared      Status = "cleared"      // 已恢复
	False        Status = "false"        // 误报
)

// What else the history of an item says.
const (
	Told      Status = "told"      // it became an item
	Commented Status = "commented" // and nothing changed
	Returned  Status = "returned"  // it was over, and is back
	Worse     Status = "worse"     // its severity has risen
)

// Removed is the reason of an item that ended because its device was let go.
const Removed = "removed"

var statuses = []Status{Unhandled, Acknowledged, Assigned, InProgress, Cleared, False}

// Statuses are those an item can have, in the order of the work.
func Statuses() []Status { return slices.Clone(statuses) }

// Title is the status in words.
func (s Status) Title() ingest.Text { return titles[s] }

var titles = map[Status]ingest.Text{
	Unhandled: {ZH: "未处理", EN: "open"}, Acknowledged: {ZH: "已确认", EN: "acknowledged"}, Assigned: {ZH: "已派单", EN: "assigned"},
	InProgress: {ZH: "处理中", EN: "in progress"}, Cleared: {ZH: "已恢复", EN: "cleared"}, False: {ZH: "误报", EN: "false alarm"},
	Told: {ZH: "告警", EN: "told"}, Commented: {ZH: "备注", EN: "comment"}, Returned: {ZH: "再次发生", EN: "back again"}, Worse: {ZH: "加重", EN: "got worse"},
}

// State is an item as a line of the history holds it.
type State struct {
	ID string `json:"id"`
	// Current is the id of the engine's alarm it is of now, which is another after it was
	// over for a while.
	Current string `json:"current,omitempty"`
	Live    bool   `json:"live,omitempty"` // the engine has it open

	Kind      string              `json:"kind"`
	Severity  string              `json:"severity"`
	Community ingest.CommunityID  `json:"community"`
	Compound  ingest.CompoundID   `json:"compound,omitempty"`
	Facility  ingest.FacilityKind `json:"facility"`
	Vendor    ingest.VendorID     `json:"vendor,omitempty"`
	Device    ingest.DeviceID     `json:"device"`
	Name      string              `json:"device_name,omitempty"`
	Channel   string              `json:"channel,omitempty"`
	// Scope says what the devices have in common that an alarm of many at once stands for:
	// feeder, gateway, compound, vendor_in_community, community, vendor or county.
	Scope    string    `json:"scope,omitempty"`
	Began    time.Time `json:"began"` // by the device's clock: what is wrong
	Since    time.Time `json:"since"` // and from when it was an alarm
	Told     time.Time `json:"told"`  // by ours
	Updated  time.Time `json:"updated"`
	Value    *float64  `json:"value"`
	Peak     *float64  `json:"peak"`
	Expected *float64  `json:"expected"`
	// Unit is that of Value, Peak and, where ExpectedUnit is empty, of Expected.
	Unit         string      `json:"unit"`
	ExpectedUnit string      `json:"expected_unit,omitempty"`
	Why          ingest.Text `json:"why"`
	Size         *float64    `json:"size"` // a day
	SizeUnit     string      `json:"size_unit,omitempty"`
	// Inhibited names the group of devices whose alarm stands for this one.
	Inhibited string `json:"inhibited,omitempty"`

	Status   Status     `json:"status"`
	Before   Status     `json:"before,omitempty"` // it was cleared by itself
	Assignee string     `json:"assignee,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Acked    *time.Time `json:"acknowledged_at,omitempty"`
	Closed   *time.Time `json:"closed,omitempty"`
	Verdict  string     `json:"verdict,omitempty"` // of a person: right, false
	ClosedAs string     `json:"closed_as,omitempty"`
	Returns  int        `json:"returns,omitempty"`
	History  []Entry    `json:"history"`

	// Counted says that the totals have it, and Timed that they have how long it took.
	Counted bool  `json:"counted,omitempty"`
	Timed   bool  `json:"timed,omitempty"`
	Adds    *adds `json:"adds,omitempty"` // of a line: what it adds to the totals
}

// line is the state as it is to be written, with what has been added since before. It
// marks the state as counted.
func (s *State) line(before *State) *State {
	a := adds{}
	if !s.Counted {
		a.Told, s.Counted = true, true
	}
	if s.Verdict != before.Verdict {
		a.Verdict, a.NoMore = s.Verdict, before.Verdict
	}
	if s.Acked != nil && before.Acked == nil {
		after := max(0, s.Acked.Sub(s.Told).Seconds())
		a.Acknowledged = &after
	}
	if s.Closed != nil && !s.Timed {
		after := max(0, s.Closed.Sub(s.Told).Seconds())
		a.Cleared, s.Timed = &after, true
	}
	l := *s
	if a != (adds{}) {
		l.Adds = &a
	}
	return &l
}

// written is the state as it has been written.
func (s *State) written() *State {
	l := *s
	l.Adds = nil
	return &l
}

// Verdicts of people.
const (
	Right = "right"
	Wrong = "false"
)

// Entry says what was done or happened, when, and who did it.
type Entry struct {
	At       time.Time  `json:"at"`
	What     Status     `json:"status"`
	By       string     `json:"by,omitempty"` // a person; else it happened
	Via      string     `json:"via,omitempty"`
	Assignee string     `json:"assignee,omitempty"`
	Due      *time.Time `json:"due,omitempty"`
	Comment  string     `json:"comment,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Severity string     `json:"severity,omitempty"`
}

// Worked says whether a person has done anything with it.
func (s *State) Worked() bool {
	return slices.ContainsFunc(s.History, func(e Entry) bool { return e.By != "" })
}

// Done says whether nothing is left to do: it is over, or a person closed it.
func (s *State) Done() bool { return s.Status == Cleared || s.Status == False }

// take brings it up to the engine's alarm; how bad it is by now is for worsen.
func (s *State) take(a *anomaly.Alarm) {
	s.Kind, s.Community, s.Compound, s.Facility, s.Vendor = a.Kind, a.Community, a.Compound, a.Facility, a.Vendor
	s.Device, s.Name, s.Channel, s.Inhibited = a.Device, a.Name, a.Channel, a.Inhibited
	s.Scope = a.Scope
	if s.Began.IsZero() || a.Began.Before(s.Began) {
		s.Began = a.Began
	}
	if s.Since.IsZero() {
		s.Since, s.Told = a.Since, a.Told
	}
	s.Updated, s.Unit, s.ExpectedUnit, s.Why = a.Updated, a.Unit, a.ExpectedUnit, a.Why
	s.Value, s.Expected = number(a.Value), number(a.Expected)
	if peak := number(a.Peak); s.Peak == nil || peak != nil && *peak > *s.Peak {
		s.Peak = peak
	}
	s.Size, s.SizeUnit = nil, ""
	if perDay, unit, ok := a.Lost(); ok {
		s.Size, s.SizeUnit = &perDay, unit
	}
	if s.Severity == "" {
		s.Severity = a.Severity
	}
}

// note adds to the history; of what happens by itself no more than there is room for.
func (s *State) note(e Entry) {
	if len(s.History) < mostHistory {
		s.History = append(s.History, e)
	}
}

// check says what is wrong with a change by itself.
func (c *Change) check() error {
	for _, f := range []struct {
		name string
		text *string
		most int
	}{{"assignee", &c.Assignee, mostName}, {"comment", &c.Comment, mostText}, {"reason", &c.Reason, mostText}, {"who", &c.By, mostName}} {
		*f.text = strings.TrimSpace(*f.text)
		if !utf8.ValidString(*f.text) || strings.ContainsRune(*f.text, 0) {
			return refuse("%s: no text in UTF-8", f.name)
		}
		if n := utf8.RuneCountInString(*f.text); n > f.most {
			return refuse("%s: %d characters; at most %d", f.name, n, f.most)
		}
	}
	switch {
	case c.By == "":
		return refuse("who changes it is not known; log in")
	case c.Status != "" && !slices.Contains(statuses, c.Status):
		return refuse("status: %.40q is none; use open, acknowledged, assigned, in_progress, cleared or false", string(c.Status))
	case c.Status == "" && c.Comment == "" && c.Assignee == "" && c.Due == nil:
		return refuse("nothing to change; give status, assignee, due or comment")
	case c.Status == False && c.Reason == "":
		return refuse("reason: missing; say why it was a false alarm, such as a sensor that is burnt")
	case c.Status == Assigned && c.Assignee == "":
		return refuse("assignee: missing; say who is to go there")
	case c.Due != nil && (c.Due.Year() < 2000 || c.Due.Year() > 2200):
		return refuse("due: %s is no day of this work", c.Due.Format(time.DateOnly))
	}
	return nil
}

// apply makes a change to it.
func (s *State) apply(c Change, now time.Time) (Entry, error) {
	if len(s.History) >= mostHistory && !(c.Status == Cleared || c.Status == False) || len(s.History) > mostHistory+10 {
		return Entry{}, refuse("%d entries are kept of an alarm; close it, and go on in the ledger", mostHistory)
	}
	e := Entry{At: now, What: c.Status, By: c.By, Via: c.Via, Assignee: c.Assignee, Due: c.Due, Comment: c.Comment, Reason: c.Reason}
	over := !s.Live && s.Closed != nil
	switch c.Status {
	case "":
		e.What = Commented
		if c.Assignee != "" {
			e.What = Assigned
			if !s.Done() {
				s.Status = Assigned
			}
		}
	case Unhandled, Acknowledged, Assigned, InProgress:
		if over && c.Status != Acknowledged {
			return Entry{}, refuse("it is over since %s; it can be acknowledged as right, or called false", s.Closed.Format(time.RFC3339))
		}
		if over {
			s.Verdict = Right
			break
		}
		s.Status, s.Closed, s.Verdict, s.ClosedAs = c.Status, nil, "", ""
		if s.Reason != "" {
			s.Reason = ""
		}
		if c.Status == Unhandled {
			s.Assignee, s.Due = "", nil
		}
	case Cleared:
		s.close(Cleared, now)
		s.Verdict = Right
	case False:
		s.close(False, now)
		s.Verdict = Wrong
	}
	if c.Reason != "" {
		s.Reason = c.Reason
	}
	if s.Acked == nil && (c.Status != "" && c.Status != Unhandled || c.Assignee != "") {
		s.Acked = &now
	}
	if c.Assignee != "" {
		s.Assignee = c.Assignee
	}
	if c.Due != nil {
		due := c.Due.UTC()
		s.Due, e.Due = &due, &due
	}
	s.History = append(s.History, e)
	return e, nil
}

func (s *State) close(as Status, now time.Time) {
	if s.Closed == nil {
		s.Closed = &now
	}
	s.Status, s.ClosedAs = as, s.Severity
}

func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
