package notify

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest/config"
	"greencommunity/ingest/document"
	"greencommunity/metrics/anomaly"
)

// Roster is roster.yaml: who is told what, when, by which robot, who is on duty, and who
// is next where nobody confirms. It is read again when the file changes.
//
//	quiet: [{hours: "22:00-07:00"}]
//	people:
//	- {id: wang, name: 王建国, phone: "13800001111", wecom: wangjianguo}
//	- {id: li, name: 李敏, phone: "13800002222", feishu: ou_7d8a}
//	duties:
//	- name: 供水值班
//	  shifts:
//	  - {who: [wang], weekdays: [mon, tue, wed, thu, fri], hours: "08:00-18:00"}
//	  - {who: [li]}
//	  substitutes:
//	  - {for: wang, who: li, from: 2026-12-01, to: 2026-12-07}
//	receivers:
//	- {name: 供水, facilities: [water], robots: [water], duty: 供水值班}
//	otherwise: {robots: [office], duty: 供水值班}
//	escalation:
//	- {severity: critical, after: 15m, who: [li]}
//	- {severity: critical, after: 30m, who: [li], robots: [leaders]}
type Roster struct {
	// Quiet are the hours in which only what is critical is told. The rest is told when
	// they end, as one message a robot.
	Quiet []Span `yaml:"quiet"`
	// People are those who may be on duty. Robots mention people by what they know them by:
	// WeCom by wecom (the userid) or phone, DingTalk by dingtalk (the userid) or phone,
	// Feishu by feishu (open_id or user_id) only.
	People []Person `yaml:"people"`
	// Duties are tasks that somebody always has.
	Duties []Duty `yaml:"duties"`
	// Receivers are those who are told. Each line that fits is told, in their order, up
	// to one with last.
	Receivers []Receiver `yaml:"receivers"`
	// Otherwise is told what no line of receivers fits. Required: nothing is told to nobody.
	Otherwise Receiver `yaml:"otherwise"`
	// Escalation says who is told next where nobody has confirmed an alarm; a receiver
	// may have its own.
	Escalation []Step `yaml:"escalation"`
	Repeat     Repeat `yaml:"repeat"`

	zone *time.Location
}

// Repeat says when what nobody has confirmed is told again.
type Repeat struct {
	Critical config.Duration `yaml:"critical"` // default 2h
	Warning  config.Duration `yaml:"warning"`  // default 24h
}

// DefaultRepeat is Repeat where nothing else is said.
var DefaultRepeat = Repeat{Critical: config.Duration(2 * time.Hour), Warning: config.Duration(24 * time.Hour)}

// Person is somebody who may be on duty.
type Person struct {
	ID       string `yaml:"id"`   // required
	Name     string `yaml:"name"` // required; it stands in messages, and in what is done by a link
	Phone    string `yaml:"phone"`
	WeCom    string `yaml:"wecom"`
	DingTalk string `yaml:"dingtalk"`
	Feishu   string `yaml:"feishu"`
}

// Span is a time: what is not given is any.
type Span struct {
	Weekdays []string `yaml:"weekdays"` // mon, tue, wed, thu, fri, sat, sun
	Hours    string   `yaml:"hours"`    // 22:00-07:00; the night belongs to the day it begins on
	From     string   `yaml:"from"`     // the first day: 2026-12-01
	To       string   `yaml:"to"`       // the last day

	days       []time.Weekday
	begin, end int // minutes of the day; equal: all of it
	from, to   time.Time
}

// Duty is a task that somebody always has.
type Duty struct {
	Name string `yaml:"name"` // required
	// Shifts: the first that a time is in says who.
	Shifts      []Shift      `yaml:"shifts"`
	Substitutes []Substitute `yaml:"substitutes"`
}

// Shift says who is on duty at a time.
type Shift struct {
	Who  []string `yaml:"who"` // ids of people; the first has the link in the message
	Span `yaml:",inline"`
}

// Substitute says who stands in for somebody on some days.
type Substitute struct {
	For  string `yaml:"for"`
	Who  string `yaml:"who"`
	From string `yaml:"from"` // the first day
	To   string `yaml:"to"`   // the last day

	span Span
}

// Receiver says what a group of people is told. What is not given is any.
type Receiver struct {
	Name        string   `yaml:"name"`        // required
	Communities []string `yaml:"communities"` // ids
	Facilities  []string `yaml:"facilities"`
	Kinds       []string `yaml:"kinds"`      // of alarms, as in docs/runbooks
	Severities  []string `yaml:"severities"` // critical, warning
	Span        `yaml:",inline"`
	Robots      []string `yaml:"robots"` // required; names of robots of notify.yaml
	Duty        string   `yaml:"duty"`   // who is mentioned
	// Quiet replaces the roster's, such as for what waits for working hours.
	Quiet []Span `yaml:"quiet"`
	// Escalation replaces the roster's.
	Escalation []Step `yaml:"escalation"`
	Last       bool   `yaml:"last"` // what this line takes, no line after it does
}

// Step is one step of an escalation. It is told once.
type Step struct {
	Severity string          `yaml:"severity"` // critical (default) or warning
	After    config.Duration `yaml:"after"`    // required; since it was told first
	Who      []string        `yaml:"who"`      // ids of people; or
	Duty     string          `yaml:"duty"`     // who has it then
	Robots   []string        `yaml:"robots"`   // default: those that were told before
}

// ReadRoster reads a roster. All its problems are told together, each with its line and
// its cure. Robots are the names there are.
func ReadRoster(path string, robots []string, zone *time.Location) (*Roster, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	r, p := &Roster{zone: zone}, &document.Problems{}
	if document.Decode(data, r, p) {
		r.complete(robots, p)
	}
	if err := p.Of(path); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Roster) complete(robots []string, p *document.Problems) {
	people, duties := map[string]bool{}, map[string]bool{}
	for i, person := range r.People {
		at := fmt.Sprintf("people[%d]", i)
		switch {
		case person.ID == "":
			p.Add(at+".id", "missing; give a short name for this file, such as wang")
		case people[person.ID]:
			p.Add(at+".id", "%q is somebody else's already", person.ID)
		}
		if strings.TrimSpace(person.Name) == "" {
			p.Add(at+".name", "missing; write the name as colleagues read it")
		}
		if n := len([]rune(person.Name)); n > 20 {
			p.Add(at+".name", "%d characters; at most 20", n)
		}
		if person.Phone != "" && (len(person.Phone) < 6 || len(person.Phone) > 15 || strings.Trim(person.Phone, "0123456789+") != "") {
			p.Add(at+".phone", "%.20q is no number; write digits only, in quotes", person.Phone)
		}
		for name, id := range map[string]string{"wecom": person.WeCom, "dingtalk": person.DingTalk, "feishu": person.Feishu} {
			if strings.ContainsAny(id, "<>@ \t\n\"'&=/") || len(id) > 64 {
				p.Add(at+"."+name, "%.40q is no id of a person there; copy it from the address book", id)
			}
		}
		people[person.ID] = true
	}
	known := func(at string, ids []string) {
		for i, id := range ids {
			if !people[id] {
				p.Add(fmt.Sprintf("%s[%d]", at, i), "%.40q is nobody's id; %s", id, oneOf(people, "people"))
			}
		}
	}
	for i := range r.Quiet {
		r.Quiet[i].check(fmt.Sprintf("quiet[%d]", i), r.zone, p)
	}
	for i := range r.Duties {
		d, at := &r.Duties[i], fmt.Sprintf("duties[%d]", i)
		switch {
		case d.Name == "":
			p.Add(at+".name", "missing")
		case duties[d.Name]:
			p.Add(at+".name", "%q is there already; put the shifts together", d.Name)
		}
		duties[d.Name] = true
		before := p.Len()
		for j := range d.Shifts {
			s, at := &d.Shifts[j], fmt.Sprintf("%s.shifts[%d]", at, j)
			if len(s.Who) == 0 {
				p.Add(at+".who", "missing; give ids of people")
			}
			known(at+".who", s.Who)
			s.Span.check(at, r.zone, p)
		}
		for j := range d.Substitutes {
			s, at := &d.Substitutes[j], fmt.Sprintf("%s.substitutes[%d]", at, j)
			known(at+".for", []string{s.For})
			known(at+".who", []string{s.Who})
			if s.From == "" || s.To == "" {
				p.Add(at, "from and to are missing; give the first and the last day, such as 2026-12-01")
			}
			s.span = Span{From: s.From, To: s.To}
			s.span.check(at, r.zone, p)
		}
		if gap := d.gap(); p.Len() == before && gap != "" {
			p.Add(at+".shifts", "nobody is on duty %s; end with a shift that has only who", gap)
		}
	}
	names := map[string]bool{}
	for i := range r.Receivers {
		v, at := &r.Receivers[i], fmt.Sprintf("receivers[%d]", i)
		switch {
		case v.Name == "":
			p.Add(at+".name", "missing")
		case names[v.Name]:
			p.Add(at+".name", "%q is another line's already", v.Name)
		}
		names[v.Name] = true
		r.receiver(v, at, robots, duties, known, p)
	}
	r.Otherwise.Name = "otherwise"
	if len(r.Otherwise.Communities)+len(r.Otherwise.Facilities)+len(r.Otherwise.Kinds)+len(r.Otherwise.Severities) > 0 || r.Otherwise.Span.given() {
		p.Add("otherwise", "takes whatever no other line does; give only robots, duty, quiet and escalation")
	}
	r.receiver(&r.Otherwise, "otherwise", robots, duties, known, p)
	r.steps(r.Escalation, "escalation", robots, duties, known, p)
	if r.Repeat.Critical == 0 {
		r.Repeat.Critical = DefaultRepeat.Critical
	}
	if r.Repeat.Warning == 0 {
		r.Repeat.Warning = DefaultRepeat.Warning
	}
	for name, v := range map[string]config.Duration{"critical": r.Repeat.Critical, "warning": r.Repeat.Warning} {
		if time.Duration(v) < 10*time.Minute {
			p.Add("repeat."+name, "%s is too often; give at least 10m", time.Duration(v))
		}
	}
}

func (r *Roster) receiver(v *Receiver, at string, robots []string, duties map[string]bool, known func(string, []string), p *document.Problems) {
	if len(v.Robots) == 0 {
		p.Add(at+".robots", "missing; name robots of notify.yaml: %s", strings.Join(robots, ", "))
	}
	checkRobots(at+".robots", v.Robots, robots, p)
	for i, s := range v.Severities {
		if s != "critical" && s != "warning" {
			p.Add(fmt.Sprintf("%s.severities[%d]", at, i), "%.40q is none of critical, warning; info is never told", s)
		}
	}
	for i, k := range v.Kinds {
		if _, ok := anomaly.KindNamed(k); !ok {
			p.Add(fmt.Sprintf("%s.kinds[%d]", at, i), "%.40q is no kind of alarm; they are the names in docs/runbooks, such as continuous_flow", k)
		}
	}
	if v.Duty != "" && !duties[v.Duty] {
		p.Add(at+".duty", "%.40q is no duty; %s", v.Duty, oneOf(duties, "duties"))
	}
	v.Span.check(at, r.zone, p)
	for i := range v.Quiet {
		v.Quiet[i].check(fmt.Sprintf("%s.quiet[%d]", at, i), r.zone, p)
	}
	r.steps(v.Escalation, at+".escalation", robots, duties, known, p)
}

func (r *Roster) steps(steps []Step, at string, robots []string, duties map[string]bool, known func(string, []string), p *document.Problems) {
	for i := range steps {
		s, at := &steps[i], fmt.Sprintf("%s[%d]", at, i)
		if s.Severity == "" {
			s.Severity = "critical"
		}
		if s.Severity != "critical" && s.Severity != "warning" {
			p.Add(at+".severity", "%.40q is none of critical, warning", s.Severity)
		}
		if after := time.Duration(s.After); after < time.Minute || after > 7*24*time.Hour {
			p.Add(at+".after", "%s is not between 1m and 7d", after)
		}
		switch {
		case len(s.Who) > 0 && s.Duty != "":
			p.Add(at, "give who or duty, not both")
		case len(s.Who) == 0 && s.Duty == "" && len(s.Robots) == 0:
			p.Add(at, "tells nobody; give who, duty or robots")
		case s.Duty != "" && !duties[s.Duty]:
			p.Add(at+".duty", "%.40q is no duty; %s", s.Duty, oneOf(duties, "duties"))
		}
		known(at+".who", s.Who)
		checkRobots(at+".robots", s.Robots, robots, p)
	}
}

func checkRobots(at string, names, robots []string, p *document.Problems) {
	for i, name := range names {
		if !slices.Contains(robots, name) {
			p.Add(fmt.Sprintf("%s[%d]", at, i), "%.40q is no robot of notify.yaml; there are %s", name, strings.Join(robots, ", "))
		}
	}
}

func oneOf(names map[string]bool, where string) string {
	if len(names) == 0 {
		return "there are none under " + where
	}
	return "there are " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (s *Span) given() bool {
	return len(s.Weekdays) > 0 || s.Hours != "" || s.From != "" || s.To != ""
}

func (s *Span) check(at string, zone *time.Location, p *document.Problems) {
	if zone == nil {
		zone = time.UTC
	}
	for i, name := range s.Weekdays {
		day := slices.Index(weekdays, strings.ToLower(name))
		if day < 0 {
			p.Add(fmt.Sprintf("%s.weekdays[%d]", at, i), "%.40q is no day; write mon, tue, wed, thu, fri, sat or sun", name)
			continue
		}
		s.days = append(s.days, time.Weekday(day))
	}
	if s.Hours != "" {
		from, to, ok := strings.Cut(s.Hours, "-")
		begin, ok1 := minuteOf(from)
		end, ok2 := minuteOf(to)
		if !ok || !ok1 || !ok2 || begin == end {
			p.Add(at+".hours", "%.40q is no part of a day; write \"22:00-07:00\"", s.Hours)
		} else {
			s.begin, s.end = begin, end
		}
	}
	day := func(name, text string) (t time.Time) {
		if text == "" {
			return t
		}
		t, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			p.Add(at+"."+name, "%.40q is no day; write 2026-12-01", text)
		}
		return t
	}
	s.from, s.to = day("from", s.From), day("to", s.To)
	if !s.from.IsZero() && !s.to.IsZero() && s.to.Before(s.from) {
		p.Add(at+".to", "%s is before from, %s", s.To, s.From)
	}
}

// minuteOf is a time of day as minutes; 24:00 is the end of the day.
func minuteOf(text string) (int, bool) {
	text = strings.TrimSpace(text)
	if text == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}

// holds says whether a local time is in the span.
func (s *Span) holds(t time.Time) bool {
	day := t
	minute := t.Hour()*60 + t.Minute()
	switch {
	case s.begin < s.end && (minute < s.begin || minute >= s.end), s.begin > s.end && minute < s.begin && minute >= s.end:
		return false
	case s.begin > s.end && minute < s.end:
		day = t.AddDate(0, 0, -1) // the night belongs to the day it began on
	}
	date := day.Format(time.DateOnly)
	switch {
	case len(s.days) > 0 && !slices.Contains(s.days, day.Weekday()), s.From != "" && date < s.From, s.To != "" && date > s.To:
		return false
	}
	return true
}

// gap says when in a week nobody is on duty, or "".
func (d *Duty) gap() string {
	if len(d.Shifts) == 0 {
		return "ever"
	}
	monday := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	for minute := 0; minute < 7*24*60; minute += 5 {
		t := monday.Add(time.Duration(minute) * time.Minute)
		if !slices.ContainsFunc(d.Shifts, func(s Shift) bool { return s.From == "" && s.To == "" && s.Span.holds(t) }) {
			return "on " + t.Weekday().String() + " at " + t.Format("15:04")
		}
	}
	return ""
}

// person returns somebody by the id.
func (r *Roster) person(id string) *Person {
	for i := range r.People {
		if r.People[i].ID == id {
			return &r.People[i]
		}
	}
	return nil
}

// named returns people by their ids.
func (r *Roster) named(ids []string) (people []Person) {
	for _, id := range ids {
		if p := r.person(id); p != nil && !slices.ContainsFunc(people, func(q Person) bool { return q.ID == p.ID }) {
			people = append(people, *p)
		}
	}
	return people
}

// onDuty returns who has a duty at a time, those who stand in for somebody in their place.
func (r *Roster) onDuty(name string, t time.Time) []Person {
	t = t.In(r.zone)
	for i := range r.Duties {
		d := &r.Duties[i]
		if d.Name != name {
			continue
		}
		for j := range d.Shifts {
			if !d.Shifts[j].Span.holds(t) {
				continue
			}
			ids := slices.Clone(d.Shifts[j].Who)
			for k, id := range ids {
				for s := range d.Substitutes {
					if d.Substitutes[s].For == id && d.Substitutes[s].span.holds(t) {
						ids[k] = d.Substitutes[s].Who
						break
					}
				}
			}
			return r.named(ids)
		}
	}
	return nil
}

// receivers returns who is told of something at a time.
func (r *Roster) receivers(labels map[string]string, t time.Time) (told []*Receiver) {
	for i := range r.Receivers {
		v := &r.Receivers[i]
		if v.takes(labels, t.In(r.zone)) {
			told = append(told, v)
			if v.Last {
				break
			}
		}
	}
	if len(told) == 0 {
		told = append(told, &r.Otherwise)
	}
	return told
}

func (v *Receiver) takes(labels map[string]string, t time.Time) bool {
	in := func(list []string, value string) bool { return len(list) == 0 || slices.Contains(list, value) }
	several := labels["community"] == "" && labels["kind"] == "at_once" // all that it is of want to know
	return (several || in(v.Communities, labels["community"])) && in(v.Facilities, labels["facility"]) && in(v.Kinds, labels["kind"]) &&
		in(v.Severities, labels["severity"]) && v.Span.holds(t)
}

// named returns a receiver by its name, or nil.
func (r *Roster) receiverNamed(name string) *Receiver {
	for i := range r.Receivers {
		if r.Receivers[i].Name == name {
			return &r.Receivers[i]
		}
	}
	if name == r.Otherwise.Name {
		return &r.Otherwise
	}
	return nil
}

// quiet says whether a receiver is told only what is critical at a time.
func (r *Roster) quiet(v *Receiver, t time.Time) bool {
	spans := v.Quiet
	if spans == nil {
		spans = r.Quiet
	}
	t = t.In(r.zone)
	return slices.ContainsFunc(spans, func(s Span) bool { return s.holds(t) })
}

// escalation returns the steps of a receiver.
func (r *Roster) escalation(v *Receiver) []Step {
	if v.Escalation != nil {
		return v.Escalation
	}
	return r.Escalation
}

// repeat returns after which time something of a severity is told again.
func (r *Roster) repeat(severity string) time.Duration {
	if severity == "critical" {
		return time.Duration(r.Repeat.Critical)
	}
	return time.Duration(r.Repeat.Warning)
}
