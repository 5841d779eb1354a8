package anomaly

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"greencommunity/ingest"
)

// Alarm is something wrong at a device or a group of devices, from when it was
// raised until it clears. There is one at a time of a kind at a device's channel.
type Alarm struct {
	Kind      string              `json:"kind"`
	Severity  string              `json:"severity"`
	Title     ingest.Text         `json:"title"`
	Community ingest.CommunityID  `json:"community"`
	Compound  ingest.CompoundID   `json:"compound,omitempty"`
	Facility  ingest.FacilityKind `json:"facility"`
	Vendor    ingest.VendorID     `json:"vendor,omitempty"`
	Device    ingest.DeviceID     `json:"device"`
	Name      string              `json:"name,omitempty"`
	Channel   string              `json:"channel,omitempty"`
	Since     time.Time           `json:"since"`
	Value     float64             `json:"value"`
	Expected  float64             `json:"expected"`
	// Unit is that of Value and, where ExpectedUnit is empty, of Expected.
	Unit         string      `json:"unit"`
	ExpectedUnit string      `json:"expected_unit,omitempty"`
	Why          ingest.Text `json:"why"`
	// Inhibited names the alarm of a group that stands for this one.
	Inhibited string `json:"inhibited,omitempty"`
	// OverBudget is set where the community has worse alarms enough to list.
	OverBudget bool `json:"over_budget,omitempty"`

	key     alarmKey
	expires int64 // unix nanoseconds; 0: a condition clears it
	held    int64 // until when it waits to be told, unix nanoseconds; 0: it is told
	ended   int64 // when it was over, of one that is told afterwards; else 0
	within  int64 // for how long, or in which time, Value was seen, nanoseconds; 0: not kept
}

// Change is an alarm raised or cleared.
type Change struct {
	At     time.Time
	Raised bool
	Alarm  Alarm
}

// alarmKey identifies an alarm. Devices from groupBase on are groups.
type alarmKey struct {
	Device  uint32
	Channel uint16
	Kind    kind
}

const groupBase = 1 << 31

type totalKey struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Kind      kind
}

func (e *Engine) active(k alarmKey) bool {
	if k.Device < groupBase && e.devices.At(k.Device+1).Open == 0 {
		return false
	}
	a := e.alarms[k]
	return a != nil && (a.held == 0 || a.ended == 0)
}

// finding is what a rule has found: value against what it expected, in the units
// of the kind.
type finding struct {
	value, expected float64
	until           int64 // when the alarm clears by itself, unix nanoseconds; 0: a condition clears it
	within          int64 // for how long, or in which time, value was seen, nanoseconds; 0: the kind says it
}

// raise raises an alarm unless it is raised, as of at.
func (e *Engine) raise(k alarmKey, at int64, value, expected float64) {
	e.raiseFor(k, at, finding{value: value, expected: expected})
}

// raiseUntil raises an alarm that clears at a time, unless it is raised again
// before: then it clears later.
func (e *Engine) raiseUntil(k alarmKey, at int64, value, expected float64, until int64) {
	e.raiseFor(k, at, finding{value: value, expected: expected, until: until})
}

// raiseFor raises an alarm for a finding; of one that is raised already only the
// time it clears changes.
func (e *Engine) raiseFor(k alarmKey, at int64, f finding) {
	until := f.until
	if a := e.alarms[k]; a != nil {
		e.mu.Lock()
		switch {
		case a.ended != 0 && a.held == 0 && until == 0:
			a.expires = 0 // on again: now its condition clears it
		case a.expires != 0:
			a.expires = max(a.expires, until)
		}
		if a.ended != 0 && a.held != 0 {
			e.devices.At(k.Device+1).Open++
			a.expires = until
			if until != 0 {
				e.timers.push(timer{Due: until, What: timeExpire, K: k})
			}
		}
		a.ended = 0
		a.Why = why(k.Kind, a)
		e.mu.Unlock()
		return
	}
	var d *device
	if k.Device < groupBase {
		d = e.devices.At(k.Device + 1)
		if slices.Contains(e.parameters(d).All.Disabled, k.Kind.String()) {
			return
		}
		// A value has its own score, and silence says nothing of the next value.
		if k.Kind != unusualValue && k.Kind != offline {
			d.score(1.01)
		}
	}
	a := e.alarm(k, at)
	a.Value, a.Expected, a.within, a.expires = f.value, f.expected, f.within, until
	a.Why = why(k.Kind, a)
	if until != 0 {
		e.timers.push(timer{Due: until, What: timeExpire, K: k})
	}
	if d != nil {
		d.Open++
		if at < d.Received-behind {
			a.held = d.Received + settled
			e.timers.push(timer{Due: a.held, What: timeHeld, K: k})
			e.mu.Lock()
			e.alarms[k] = a
			e.mu.Unlock()
			return
		}
	}
	e.tell(k, a, at)
}

// Readings that come much later than they were taken are history: what was
// wrong then may be over by the last of them. So an alarm of more than behind
// ago is held until nothing more of its device has come for settled, and told
// if it is still open then; at the latest after patience, for devices that are
// always late. To the rules it is open meanwhile.
//
// Some things are worth knowing when they are over as well: what is critical (a
// bin that burnt out before the upload of the day is burnt all the same), and
// what is over by nature, as a door that was forced. These are told for shown
// if they are no older than news.
const (
	behind   = int64(10 * time.Minute)
	settled  = int64(time.Minute)
	patience = int64(15 * time.Minute)
	shown    = int64(15 * time.Minute)
	news     = int64(26 * time.Hour)
)

// heldDue tells an alarm that was held and is still open.
func (e *Engine) heldDue(t timer) {
	a := e.alarms[t.K]
	if a == nil || a.held == 0 {
		return
	}
	d := e.devices.At(t.K.Device + 1)
	// The first due time stays in held, which bounds the wait.
	if due := min(d.Received+settled, a.held+patience); due > t.Due {
		t.Due = due
		e.timers.push(t)
		return
	}
	if a.ended != 0 {
		d.Open++
		a.expires = t.Due + shown
		a.Why = why(t.K.Kind, a)
		e.timers.push(timer{Due: a.expires, What: timeExpire, K: t.K})
	}
	e.tell(t.K, a, t.Due)
}

// tell opens an alarm for all to see, at a time that is now.
func (e *Engine) tell(k alarmKey, a *Alarm, now int64) {
	var d *device
	if k.Device < groupBase {
		d = e.devices.At(k.Device + 1)
	}
	e.mu.Lock()
	a.held = 0
	e.alarms[k] = a
	if d != nil {
		if g := e.inhibitor(k, d); g != nil {
			a.Inhibited = g.Key.Name
		}
	}
	if a.Inhibited == "" {
		e.totals[totalKey{a.Community, a.Facility, k.Kind}]++
	}
	e.mu.Unlock()
	e.note(a, a.Since.UnixNano(), true)
	if d != nil {
		e.count(k, d, now, 1)
	}
}

// clearAlarm clears an alarm if it is raised, as of at.
func (e *Engine) clearAlarm(k alarmKey, at int64) {
	if !e.active(k) {
		return
	}
	a := e.alarms[k]
	if k.Device < groupBase {
		e.devices.At(k.Device+1).Open--
	}
	e.mu.Lock()
	if a.held != 0 && (a.expires != 0 || Kinds[k.Kind].Severity == Critical) && at >= a.held-settled-news {
		a.ended = at
		e.mu.Unlock()
		return
	}
	delete(e.alarms, k)
	e.mu.Unlock()
	if a.held != 0 {
		// It has come and gone: something to look up, and nobody to be woken.
		if since := a.Since.UnixNano(); at > since {
			e.point(a, since, true)
			e.point(a, at, false)
		}
		return
	}
	e.note(a, at, false)
	if k.Device < groupBase {
		e.count(k, e.devices.At(k.Device+1), at, -1)
	}
}

func (e *Engine) expireDue(t timer) {
	a := e.alarms[t.K]
	if a == nil || a.expires == 0 {
		return
	}
	if a.expires > t.Due {
		t.Due = a.expires
		e.timers.push(t)
		return
	}
	e.clearAlarm(t.K, t.Due)
}

// note keeps a raise or clear for InfluxDB.
func (e *Engine) note(a *Alarm, at int64, active bool) {
	if e.o.Changed != nil {
		e.o.Changed(Change{At: time.Unix(0, at).UTC(), Raised: active, Alarm: *a})
	}
	if !active && a.ended != 0 {
		at = a.ended
	}
	e.point(a, at, active)
}

func (e *Engine) point(a *Alarm, at int64, active bool) {
	tags := []ingest.Tag{{Key: "community", Value: string(a.Community)}}
	for _, t := range []ingest.Tag{
		{Key: "channel", Value: a.Channel}, {Key: "compound", Value: string(a.Compound)}, {Key: "device", Value: string(a.Device)},
		{Key: "facility", Value: string(a.Facility)}, {Key: "type", Value: a.Kind}, {Key: "vendor", Value: string(a.Vendor)},
	} {
		if t.Value != "" {
			tags = append(tags, t)
		}
	}
	slices.SortFunc(tags, func(x, y ingest.Tag) int { return cmp.Compare(x.Key, y.Key) })
	fields := []ingest.Field{{Key: "active", Value: int64(0)}, {Key: "code", Value: a.Severity}}
	if active {
		fields[0].Value = int64(1)
	}
	if !math.IsNaN(a.Value) && !math.IsInf(a.Value, 0) {
		fields = append(fields, ingest.Field{Key: "value", Value: a.Value})
	}
	if !math.IsNaN(a.Expected) && !math.IsInf(a.Expected, 0) {
		fields = append(fields, ingest.Field{Key: "expected", Value: a.Expected})
	}
	fields = append(fields, ingest.Field{Key: "unit", Value: a.Unit})
	if a.ExpectedUnit != "" {
		fields = append(fields, ingest.Field{Key: "expected_unit", Value: a.ExpectedUnit})
	}
	e.points = append(e.points, ingest.Point{Measurement: "events", Tags: tags, Fields: fields, Time: at})
}

// Points returns the raises and clears since the call before.
func (e *Engine) Points() []ingest.Point {
	p := e.points
	e.points = nil
	return p
}

// Alarms lists the open alarms: by community, the worst first, and of equal
// ones the oldest. Those that another stands for come last.
func (e *Engine) Alarms() []Alarm {
	e.mu.Lock()
	all := make([]Alarm, 0, len(e.alarms))
	for _, a := range e.alarms {
		if a.held == 0 {
			all = append(all, *a)
		}
	}
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b Alarm) int {
		inhibited := func(a Alarm) int {
			if a.Inhibited != "" {
				return 1
			}
			return 0
		}
		return cmp.Or(
			cmp.Compare(a.Community, b.Community), cmp.Compare(inhibited(a), inhibited(b)),
			-cmp.Compare(Kinds[a.key.Kind].Severity, Kinds[b.key.Kind].Severity), a.Since.Compare(b.Since),
			cmp.Compare(a.Device, b.Device), cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Kind, b.Kind))
	})
	listed := 0
	for i := range all {
		if i == 0 || all[i].Community != all[i-1].Community {
			listed = 0
		}
		listed++
		all[i].OverBudget = all[i].Inhibited != "" || e.o.Config.Budget > 0 && listed > e.o.Config.Budget
	}
	return all
}

// group is devices that fail together: the lamps of a feeder, what a gateway
// carries, a community.
type group struct {
	Key      groupKey
	Facility ingest.FacilityKind
	Members  int32
	Silent   int32 // with an alarm offline
	Dark     int32 // outage
	Burning  int32 // day burner
}

type groupKey struct {
	What      uint8
	Community ingest.CommunityID
	Name      string
}

const (
	groupFeeder = iota
	groupGateway
	groupCommunity
)

// join makes a device a member of a group, which it was perhaps not before.
func (e *Engine) join(of *int32, k groupKey, facility ingest.FacilityKind) {
	id := int32(-1)
	if k.Name != "" {
		var ok bool
		if id, ok = e.groupOf[k]; !ok {
			id = int32(len(e.groups))
			e.groups = append(e.groups, group{Key: k, Facility: facility})
			e.groupOf[k] = id
		}
	}
	if *of == id {
		return
	}
	if *of >= 0 {
		e.groups[*of].Members--
	}
	if id >= 0 {
		e.groups[id].Members++
	}
	*of = id
}

// regroup counts anew who has an alarm in which group, after members have
// changed theirs, and raises, clears and inhibits by that.
func (e *Engine) regroup() {
	for i := range e.groups {
		g := &e.groups[i]
		g.Silent, g.Dark, g.Burning = 0, 0, 0
	}
	e.mu.Lock()
	for k, a := range e.alarms {
		if k.Device >= groupBase {
			continue
		}
		if info := e.info[k.Device]; a.Community != info.Community || a.Compound != info.Compound {
			a.Community, a.Compound = info.Community, info.Compound
		}
		if a.held != 0 {
			continue
		}
		for _, c := range e.groupsOf(k.Kind, e.devices.At(k.Device+1)) {
			if c.id >= 0 {
				*e.groups[c.id].counter(k.Kind)++
			}
		}
	}
	e.mu.Unlock()
	for i, g := range e.groups {
		switch g.Key.What {
		case groupFeeder:
			e.rollUp(int32(i), feederOutage, outage, e.now, 0)
			e.rollUp(int32(i), feederDayBurner, dayBurner, e.now, 0)
		case groupGateway:
			e.rollUp(int32(i), gatewayOffline, offline, e.now, 0)
		case groupCommunity:
			e.rollUp(int32(i), communityOffline, offline, e.now, 0)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, a := range e.alarms {
		if k.Device < groupBase && a.held == 0 {
			a.Inhibited = ""
			if g := e.inhibitor(k, e.devices.At(k.Device+1)); g != nil {
				a.Inhibited = g.Key.Name
			}
		}
	}
}

// groupAlarm is a group of a device and the alarm it has when many of its
// members have one.
type groupAlarm struct {
	id int32
	as kind
}

// groupsOf returns the groups in which an alarm of a device counts.
func (e *Engine) groupsOf(k kind, d *device) []groupAlarm {
	switch k {
	case offline:
		return []groupAlarm{{d.Gateway, gatewayOffline}, {d.Town, communityOffline}}
	case outage:
		return []groupAlarm{{d.Feeder, feederOutage}}
	case dayBurner:
		return []groupAlarm{{d.Feeder, feederDayBurner}}
	}
	return nil
}

// count keeps the number of members with an alarm, and raises and clears the
// group's own.
func (e *Engine) count(k alarmKey, d *device, at int64, by int32) {
	for _, c := range e.groupsOf(k.Kind, d) {
		e.rollUp(c.id, c.as, k.Kind, at, by)
	}
}

func (g *group) counter(member kind) *int32 {
	switch member {
	case offline:
		return &g.Silent
	case outage:
		return &g.Dark
	}
	return &g.Burning
}

func (e *Engine) rollUp(id int32, as, member kind, at int64, by int32) {
	if id < 0 {
		return
	}
	g := &e.groups[id]
	n := g.counter(member)
	*n += by
	p := e.params[0]
	share, least := p.All.Share, int32(3)
	switch as {
	case feederOutage, feederDayBurner:
		share = p.Lighting.Feeder
	case communityOffline:
		least = 10
	}
	k := alarmKey{groupBase + uint32(id), 0, as}
	have := float64(*n)
	switch {
	case !e.active(k) && *n >= least && have >= share*float64(g.Members):
		e.raise(k, at, have, float64(g.Members))
		e.inhibit(id, member, g.Key.Name)
	case e.active(k) && (have < share/2*float64(g.Members) || *n == 0):
		e.clearAlarm(k, at)
		e.inhibit(id, member, "")
	}
}

// inhibit marks the members' alarms as stood for by name, or by nothing any more.
func (e *Engine) inhibit(id int32, member kind, name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, a := range e.alarms {
		if k.Kind != member || k.Device >= groupBase || a.held != 0 {
			continue
		}
		d := e.devices.At(k.Device + 1)
		if d.Feeder != id && d.Gateway != id && d.Town != id {
			continue
		}
		a.Inhibited = name
		if g := e.inhibitor(k, d); g != nil {
			a.Inhibited = g.Key.Name
		}
	}
}

// inhibitor returns the group whose alarm stands for a device's alarm, or nil.
func (e *Engine) inhibitor(k alarmKey, d *device) *group {
	is := func(id int32, as kind) bool {
		return id >= 0 && e.alarms[alarmKey{groupBase + uint32(id), 0, as}] != nil
	}
	switch {
	case k.Kind == offline && is(d.Town, communityOffline):
		return &e.groups[d.Town]
	case k.Kind == offline && is(d.Gateway, gatewayOffline):
		return &e.groups[d.Gateway]
	case k.Kind == outage && is(d.Feeder, feederOutage), k.Kind == dayBurner && is(d.Feeder, feederDayBurner):
		return &e.groups[d.Feeder]
	}
	return nil
}

// selfReported are kinds that a device can report itself: then Value is 0,
// which the rule never gives them.
var selfReported = []kind{continuousFlow, reverseFlow, overfull, heldOpen, forcedOpen}

// why says in a sentence what was seen and what was expected, and in another
// that it is over where it is.
func why(k kind, a *Alarm) ingest.Text {
	text := seen(k, a)
	if a.ended != 0 {
		minutes := max(float64(a.ended-a.Since.UnixNano())/6e10, 1)
		text.ZH += fmt.Sprintf("补报：持续%.0f分钟，已结束。", minutes)
		text.EN += fmt.Sprintf(" Reported late: it lasted %.0f minutes and is over.", minutes)
	}
	return text
}

// inHours is a time in nanoseconds as hours, to a tenth.
func inHours(d int64) float64 { return math.Round(float64(d)/3.6e11) / 10 }

func seen(k kind, a *Alarm) ingest.Text {
	v, x := a.Value, a.Expected
	hours := func(s float64) string { return fmt.Sprintf("%.1f", s/3600) }
	both := func(zh, en string, args ...any) ingest.Text {
		return ingest.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)}
	}
	if v == 0 && slices.Contains(selfReported, k) {
		return both("设备自身报告。", "The device itself reports it.")
	}
	switch k {
	case continuousFlow:
		return both("流量%.0f小时未归零，最小小时流量%.1f升。", "The flow has not come to rest for %.0f hours; its least hour was %.1f L.", x, v)
	case burst:
		return both("连续两小时流量%.0f升/小时，以往最高%.0f升/小时。", "%.0f L/h for two hours; the most so far was %.0f L/h.", v, x)
	case reverseFlow:
		return both("倒流%.0f升。", "%.0f L ran backwards.", v)
	case registerReset:
		return both("读数由%.2f变为%.2f。", "The register went from %.2f to %.2f.", x, v)
	case stuckRegister:
		return both("读数%s小时不动，以往最长%s小时。", "The register has stood still for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case overQmax:
		return both("流量%.2f立方米/小时，过载流量%.2f立方米/小时。", "%.2f m3/h through a meter built for %.2f m3/h.", v, x)
	case dayBurner:
		return both("太阳高度%.0f°，功率%.0f瓦。", "The sun is at %.0f° and the power is %.0f W.", x, v)
	case outage:
		return both("天黑后功率仅%.1f瓦，额定%.0f瓦。", "Dark outside, and only %.1f W of %.0f W.", v, x)
	case cycling:
		if a.within == 0 { // of a program that did not keep it
			return both("反复开关%.0f次，正常不超过%.0f次。", "Switched %.0f times; %.0f is usual at most.", v, x)
		}
		return both("%[3]g小时内开关%.0[1]f次，正常不超过%.0[2]f次。", "Switched %.0f times within %[3]g hours; %.0[2]f is usual at most.", v, x, inHours(a.within))
	case partialFailure, overPower, stuckDimmer:
		return both("功率%.1f瓦，该调光下应为%.1f瓦。", "%.1f W, where this dimming level takes %.1f W.", v, x)
	case feederOutage, feederDayBurner:
		return both("回路%.0f盏（共%.0f盏）。", "%.0f of %.0f lamps of the feeder.", v, x)
	case binFire:
		return both("桶内%.0f ℃，周围约%.0f ℃。", "%.0f °C inside, about %.0f °C around.", v, x)
	case overfull:
		if a.within == 0 { // the bin calls itself full
			return both("装满度%.0f%%，应低于%.0f%%。", "%.0f %% full; below %.0f %% is expected.", 100*v, 100*x)
		}
		return both("装满度%.0f%%持续%[3]g小时，应低于%.0[2]f%%。", "%.0f %% full for %[3]g hours; below %.0[2]f %% is expected.", 100*v, 100*x, inHours(a.within))
	case tipped:
		return both("连续两次报告倾斜。", "Tilted in two readings in a row.")
	case blocked:
		return both("装满度由%.0f%%跳到%.0f%%并保持。", "The fill level jumped from %.0f %% to %.0f %% and stayed.", 100*x, 100*v)
	case stuckFill:
		return both("装满度%s小时不变，以往最长%s小时。", "No change for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case missedCollection:
		return both("%s小时未清运，以往最长%s小时。", "Not emptied for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case heldOpen:
		return both("开门超过%.0f秒。", "Open for more than %.0f s.", v)
	case forcedOpen:
		return both("开门前%.0f秒内无授权。", "Opened without a grant in the %.0f s before.", x)
	case stuckClosed:
		return both("连续%.0f次授权后未开门。", "%.0f grants in a row and no opening.", v)
	case deniedBurst:
		if a.within == 0 { // of a program that did not keep it
			return both("拒绝%.0f次，平常%.2f次。", "%.0f denials; %.2f are usual.", v, x)
		}
		return both("%[3]g分钟内拒绝%.0[1]f次，平常%.2[2]f次。", "%.0f denials in %[3]g minutes; %.2[2]f are usual.", v, x, float64(a.within)/6e10)
	case offHours:
		return both("本小时通行%.0f次，平常%.2f次。", "%.0f passes this hour; %.2f are usual.", v, x)
	case tailgating:
		return both("一次授权通过%.0f人，平常%.2f人。", "%.0f persons on one grant; %.2f are usual.", v, x)
	case offline:
		return both("静默%s小时，以往最长%s小时。", "Silent for %s hours; the longest so far was %s hours.", hours(v), hours(x))
	case clockOffset:
		if math.IsNaN(v) {
			return both("设备时间完全错误。", "The device's time is nowhere near.")
		}
		return both("设备时间偏差%.0f秒。", "The device's clock is off by %.0f s.", v)
	case flatLine:
		return both("数值%g连续重复%.0f次。", "The value %g has been repeated %.0f times.", v, x)
	case unusualValue:
		return both("数值%.4g，平常约%.4g。", "%.4g, where about %.4g is usual.", v, x)
	case deviceReported:
		return both("设备报告：%s。", "The device reports: %s.", a.Channel)
	}
	return both("%.0f台（共%.0f台）设备离线。", "%.0f of %.0f devices are silent.", v, x)
}
