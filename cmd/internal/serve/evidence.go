package serve

import (
	"context"
	"fmt"
	"strings"
	"time"

	"greencommunity/dashboards/page"
	"greencommunity/ingest"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/ledger"
	"greencommunity/metrics/systems"
)

// Levels from which devices give evidence that an item is met. A person decides: these
// only propose.
const (
	coverageNeeded = 0.8  // of a saving's days, as the report wants it
	rightNeeded    = 0.8  // of inspected deposits, sorted right
	inspections    = 30   // deposits, from which on their share says something
	onlineNeeded   = 0.95 // of gates
	quietByDay     = 60.0 // dB, GB 3096 class 2
	quietByNight   = 50.0 // dB, from 22 to 6
)

// evidence holds what one kind of facility says of an item.
type evidence struct {
	status string
	ingest.Text
}

func said(status, zh, en string, args ...any) *evidence {
	return &evidence{status, ingest.Text{ZH: fmt.Sprintf(zh, args...), EN: fmt.Sprintf(en, args...)}}
}

// openAlarm is an alarm that people have not found to be false.
type openAlarm struct {
	Community      ingest.CommunityID
	Facility       ingest.FacilityKind
	Kind, Severity string
}

// witness holds what is known of all communities at a time.
type witness struct {
	list    []page.Saving
	alarms  []openAlarm
	sorting map[ingest.CommunityID]facility.Sorting
	figures []systems.Figure
	devices map[facility.Place][2]int // online, all
}

// propose looks at what devices say now.
func (s *Service) propose() func(ingest.CommunityID, ledger.Item) *ledger.Proposal {
	now := time.Now()
	w := &witness{list: s.observers.figures(), figures: s.observers.systems.Now(now.UnixNano()), sorting: map[ingest.CommunityID]facility.Sorting{}, devices: map[facility.Place][2]int{}}
	items, err := s.observers.desk.List(context.Background(), alarms.Filter{Limit: 20000}, now)
	if err != nil { // of the past, which is not asked for
		s.log.Error("the ledger proposes without alarms", "error", err)
	}
	for i := range items {
		w.alarms = append(w.alarms, openAlarm{items[i].Community, items[i].Facility, items[i].Kind, items[i].Severity})
	}
	for _, sorting := range s.observers.facility.Sorting(now.UnixNano()) {
		w.sorting[sorting.Community] = sorting
	}
	for _, d := range s.pipeline.Status().Devices {
		at := facility.Place{Community: d.Community, Facility: d.Facility}
		n := w.devices[at]
		if n[1] += d.Count; d.State == "online" {
			n[0] += d.Count
		}
		w.devices[at] = n
	}
	today := now.In(s.settings.Zone).Format(time.DateOnly)
	return func(community ingest.CommunityID, item ledger.Item) *ledger.Proposal {
		var all []*evidence
		for _, kind := range item.Evidence {
			if e := w.of(community, kind); e != nil {
				all = append(all, e)
			}
		}
		return together(all, today)
	}
}

// together is the proposal of several kinds of facility: not met where one says so, met
// where all do.
func together(all []*evidence, today string) *ledger.Proposal {
	if len(all) == 0 {
		return nil
	}
	p := &ledger.Proposal{Status: "met", Date: today}
	var zh, en []string
	for _, e := range all {
		zh, en = append(zh, e.ZH), append(en, e.EN)
		switch {
		case e.status == "not_met":
			p.Status = e.status
		case e.status == "pending" && p.Status == "met":
			p.Status = e.status
		}
	}
	p.Why = ingest.Text{ZH: strings.Join(zh, "；"), EN: strings.Join(en, "; ")}
	return p
}

// of returns what a kind of facility says, nil where a community has none of it.
func (w *witness) of(community ingest.CommunityID, kind ingest.FacilityKind) *evidence {
	devices := w.devices[facility.Place{Community: community, Facility: kind}]
	if devices[1] == 0 {
		return nil
	}
	switch kind {
	case ingest.Lighting:
		return w.saving(community, kind, "electricity", "节电", "energy saved", "kWh")
	case ingest.Water:
		return w.saving(community, kind, "water", "节水", "water saved", "m³")
	case ingest.Waste:
		return w.sorted(community)
	case ingest.Gate:
		share := float64(devices[0]) / float64(devices[1])
		switch {
		case w.open(community, kind, "critical") > 0:
			return said("not_met", "门禁有紧急告警未恢复", "a critical alarm of a gate is open")
		case share < onlineNeeded:
			return said("not_met", "门禁在线 %d / %d，不足 %.0f%%", "%d of %d gates online, less than %.0f%%", devices[0], devices[1], 100*onlineNeeded)
		}
		return said("met", "门禁在线 %d / %d，没有紧急告警", "%d of %d gates online, no critical alarm", devices[0], devices[1])
	case "noise":
		return w.noise(community)
	case "parking":
		return w.quiet(community, kind, "parking_full", devices, "停车场", "car parks", "停车位已满", "parking full")
	case "fire":
		return w.quiet(community, kind, "passage_blocked", devices, "消防监测设备", "fire devices", "消防通道被占", "a passage blocked")
	case "drainage":
		return w.quiet(community, kind, "waterlogging", devices, "积水监测点", "drainage sensors", "积水", "waterlogging")
	}
	return nil
}

// open counts the open alarms of a facility that are of a severity or a kind.
func (w *witness) open(community ingest.CommunityID, kind ingest.FacilityKind, what string) (n int) {
	for i := range w.alarms {
		if a := &w.alarms[i]; a.Community == community && a.Facility == kind && (a.Severity == what || a.Kind == what) {
			n++
		}
	}
	return n
}

// quiet says that nothing of a kind is wrong now, of devices of which most are heard.
func (w *witness) quiet(community ingest.CommunityID, kind ingest.FacilityKind, alarm string, devices [2]int, zh, en, wrongZH, wrongEN string) *evidence {
	switch n := w.open(community, kind, alarm); {
	case n > 0:
		return chinese("not_met", "%s：%d 处未恢复", wrongZH, n).english("%s: %d open", wrongEN, n)
	case 2*devices[0] < devices[1]:
		return chinese("pending", "%s仅 %d / %d 在线", zh, devices[0], devices[1]).english("only %d of %d %s online", devices[0], devices[1], en)
	}
	return chinese("met", "%s %d 个，没有“%s”告警", zh, devices[1], wrongZH).english("%d %s, no alarm of %s open", devices[1], en, wrongEN)
}

func chinese(status, format string, args ...any) *evidence {
	return &evidence{status, ingest.Text{ZH: fmt.Sprintf(format, args...)}}
}

// english says the same in English, where words come in another order.
func (e *evidence) english(format string, args ...any) *evidence {
	e.EN = fmt.Sprintf(format, args...)
	return e
}

// saving says what was saved in the quarter.
func (w *witness) saving(community ingest.CommunityID, kind ingest.FacilityKind, resource, zh, en, unit string) *evidence {
	for i := range w.list {
		s := &w.list[i]
		if s.Community != community || s.Facility != kind || s.Resource != resource || s.Period != "quarter" {
			continue
		}
		switch {
		case s.Saving == nil || s.Uncertainty == nil || s.Coverage == nil || s.Significant == nil:
			return chinese("pending", "%s没有基准", zh).english("no baseline of %s", en)
		case *s.Coverage < coverageNeeded:
			return chinese("pending", "%s %.0f ± %.0f %s，覆盖率 %.0f%%，不足 80%%", zh, *s.Saving, *s.Uncertainty, unit, 100**s.Coverage).
				english("%s %.0f ± %.0f %s, coverage of %.0f%% is less than 80%%", en, *s.Saving, *s.Uncertainty, unit, 100**s.Coverage)
		case !*s.Significant:
			return chinese("pending", "%s %.0f ± %.0f %s，无法与零区分", zh, *s.Saving, *s.Uncertainty, unit).english("%s %.0f ± %.0f %s, not distinguishable from zero", en, *s.Saving, *s.Uncertainty, unit)
		case *s.Saving < 0:
			return chinese("not_met", "本季度用量增加 %.0f ± %.0f %s", -*s.Saving, *s.Uncertainty, unit).english("%.0f ± %.0f %s more was used this quarter", -*s.Saving, *s.Uncertainty, unit)
		}
		return chinese("met", "本季度%s %.0f ± %.0f %s", zh, *s.Saving, *s.Uncertainty, unit).english("%s this quarter %.0f ± %.0f %s", en, *s.Saving, *s.Uncertainty, unit)
	}
	return chinese("pending", "%s没有基准", zh).english("no baseline of %s", en)
}

// sorted says how much of the inspected waste was sorted right.
func (w *witness) sorted(community ingest.CommunityID) *evidence {
	s, ok := w.sorting[community]
	n := s.Right + s.Wrong
	switch {
	case !ok:
		return said("pending", "没有投放登记", "no deposits are registered")
	case n < inspections:
		return said("pending", "抽查 %.0f 次，不足 %d 次", "%.0f deposits inspected, fewer than %d", n, inspections)
	case s.Right < rightNeeded*n:
		return said("not_met", "抽查 %.0f 次，投放准确率 %.0f%%，不足 80%%", "%.0f deposits inspected, %.0f%% sorted right, less than 80%%", n, 100*s.Right/n)
	}
	return said("met", "%d 类投放，抽查 %.0f 次，准确率 %.0f%%", "%d streams, %.0f deposits inspected, %.0f%% sorted right", len(s.Streams), n, 100*s.Right/n)
}

// noise compares the levels of the latest day and night with those of GB 3096.
func (w *witness) noise(community ingest.CommunityID) *evidence {
	for i := range w.figures {
		f := &w.figures[i]
		if f.Community != community || f.Facility != "noise" || f.Quantity != "sound_level_equivalent" && f.Quantity != "sound_level" {
			continue
		}
		if !(f.Day > 0) || !(f.Night > 0) { // NaN as well
			return said("pending", "昼间或夜间声级尚缺", "the level of a day or of a night is missing")
		}
		status, zh, en := "met", "不超过", "within"
		if f.Day > quietByDay || f.Night > quietByNight {
			status, zh, en = "not_met", "超过", "beyond"
		}
		return chinese(status, "昼间 %.1f、夜间 %.1f 分贝，%s 2 类区限值 60/50（GB 3096）", f.Day, f.Night, zh).
			english("%.1f dB by day and %.1f by night, %s 60/50 of class 2 (GB 3096)", f.Day, f.Night, en)
	}
	return said("pending", "没有等效声级数据", "no equivalent levels")
}
