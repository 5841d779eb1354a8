package serve

import (
	"testing"

	"greencommunity/dashboards/page"
	"greencommunity/ingest"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/ledger"
	"greencommunity/metrics/systems"
)

// What devices say of an item, and what they do not.
func TestEvidence(t *testing.T) {
	saving := func(v, band, coverage float64, significant bool) []page.Saving {
		return []page.Saving{{Community: "n", Facility: "lighting", Resource: "electricity", Period: "quarter", Saving: &v, Uncertainty: &band, Coverage: &coverage, Significant: &significant}}
	}
	sound := func(day, night float64) []systems.Figure {
		return []systems.Figure{{Community: "n", Facility: "noise", Quantity: "sound_level_equivalent", Day: day, Night: night}}
	}
	sorting := func(right, wrong float64) map[ingest.CommunityID]facility.Sorting {
		return map[ingest.CommunityID]facility.Sorting{"n": {Streams: map[string]facility.Stream{"kitchen": {}, "residual": {}}, Right: right, Wrong: wrong}}
	}
	alarm := func(kind string, f ingest.FacilityKind, severity string) []openAlarm {
		return []openAlarm{{Community: "n", Facility: f, Kind: kind, Severity: severity}, {Community: "other", Facility: f, Kind: kind, Severity: "critical"}}
	}
	for _, c := range []struct {
		name     string
		kinds    []ingest.FacilityKind
		online   int
		w        witness
		status   string // "": nothing is proposed
		zh       string
		noDevice bool
	}{
		{name: "lamps that save", kinds: []ingest.FacilityKind{"lighting"}, online: 10, w: witness{list: saving(243, 23, 0.95, true)}, status: "met", zh: "本季度节电 243 ± 23 kWh"},
		{name: "too few days", kinds: []ingest.FacilityKind{"lighting"}, online: 10, w: witness{list: saving(243, 23, 0.22, true)}, status: "pending", zh: "节电 243 ± 23 kWh，覆盖率 22%，不足 80%"},
		{name: "within the band", kinds: []ingest.FacilityKind{"lighting"}, online: 10, w: witness{list: saving(10, 23, 0.95, false)}, status: "pending", zh: "节电 10 ± 23 kWh，无法与零区分"},
		{name: "more is used", kinds: []ingest.FacilityKind{"lighting"}, online: 10, w: witness{list: saving(-90, 23, 0.95, true)}, status: "not_met", zh: "本季度用量增加 90 ± 23 kWh"},
		{name: "no baseline", kinds: []ingest.FacilityKind{"lighting"}, online: 10, status: "pending", zh: "节电没有基准"},
		{name: "no lamps", kinds: []ingest.FacilityKind{"lighting"}, noDevice: true, w: witness{list: saving(243, 23, 0.95, true)}},
		{name: "sorted", kinds: []ingest.FacilityKind{"waste"}, online: 10, w: witness{sorting: sorting(90, 10)}, status: "met", zh: "2 类投放，抽查 100 次，准确率 90%"},
		{name: "sorted badly", kinds: []ingest.FacilityKind{"waste"}, online: 10, w: witness{sorting: sorting(60, 40)}, status: "not_met", zh: "抽查 100 次，投放准确率 60%，不足 80%"},
		{name: "hardly inspected", kinds: []ingest.FacilityKind{"waste"}, online: 10, w: witness{sorting: sorting(9, 0)}, status: "pending", zh: "抽查 9 次，不足 30 次"},
		{name: "gates", kinds: []ingest.FacilityKind{"gate"}, online: 10, status: "met", zh: "门禁在线 10 / 10，没有紧急告警"},
		{name: "gates that are away", kinds: []ingest.FacilityKind{"gate"}, online: 7, status: "not_met", zh: "门禁在线 7 / 10，不足 95%"},
		{name: "a gate forced", kinds: []ingest.FacilityKind{"gate"}, online: 10, w: witness{alarms: alarm("forced_open", "gate", "critical")}, status: "not_met", zh: "门禁有紧急告警未恢复"},
		{name: "quiet", kinds: []ingest.FacilityKind{"noise"}, online: 10, w: witness{figures: sound(55, 45)}, status: "met", zh: "昼间 55.0、夜间 45.0 分贝，不超过 2 类区限值 60/50（GB 3096）"},
		{name: "loud by night", kinds: []ingest.FacilityKind{"noise"}, online: 10, w: witness{figures: sound(55, 53)}, status: "not_met", zh: "昼间 55.0、夜间 53.0 分贝，超过 2 类区限值 60/50（GB 3096）"},
		{name: "spaces", kinds: []ingest.FacilityKind{"parking"}, online: 10, status: "met", zh: "停车场 10 个，没有“停车位已满”告警"},
		{name: "spaces and a blocked passage", kinds: []ingest.FacilityKind{"parking", "fire"}, online: 10, w: witness{alarms: alarm("passage_blocked", "fire", "warning")}, status: "not_met", zh: "停车场 10 个，没有“停车位已满”告警；消防通道被占：1 处未恢复"},
		{name: "drains nobody hears", kinds: []ingest.FacilityKind{"drainage"}, online: 3, status: "pending", zh: "积水监测点仅 3 / 10 在线"},
		{name: "another's alarm", kinds: []ingest.FacilityKind{"drainage"}, online: 10, w: witness{alarms: alarm("waterlogging", "drainage", "critical")[1:]}, status: "met", zh: "积水监测点 10 个，没有“积水”告警"},
		{name: "one knows, one does not", kinds: []ingest.FacilityKind{"drainage", "waste"}, online: 10, status: "pending", zh: "积水监测点 10 个，没有“积水”告警；没有投放登记"},
	} {
		w := c.w
		w.devices = map[facility.Place][2]int{}
		if !c.noDevice {
			for _, kind := range c.kinds {
				w.devices[facility.Place{Community: "n", Facility: kind}] = [2]int{c.online, 10}
			}
		}
		var all []*evidence
		for _, kind := range c.kinds {
			if e := w.of("n", kind); e != nil {
				all = append(all, e)
			}
		}
		p := together(all, "2026-11-28")
		if p == nil {
			p = &ledger.Proposal{}
		}
		if p.Status != c.status || p.Why.ZH != c.zh || c.status != "" && p.Why.EN == "" {
			t.Errorf("%s: %s %q %q", c.name, p.Status, p.Why.ZH, p.Why.EN)
		}
	}
}
