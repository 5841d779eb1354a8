package dashboards

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/systems"
	"greencommunity/metrics/usage"
)

// unseen keeps a field for links and places out of sight.
var unseen = Property{"custom.hideFrom", map[string]any{"tooltip": true, "viz": false, "legend": false}}

// shownUnit is how a quantity of a unit is shown: Grafana's unit, and what values
// are multiplied by. Grafana's own scaling of some units mixes prefixes in one
// picture (575 mW beside 3.1 W) or divides hours by ten: those are fixed.
type shownUnit struct {
	id    string
	scale float64
}

func (l site) unit(unit string) shownUnit {
	fixed := func(text string, scale float64) shownUnit { return shownUnit{"suffix:" + text, scale} }
	switch unit {
	case "W", "VA", "var", "V", "A", "Hz", "lx", "dB", "dBm", "mm", "m", "kg", "m/s", "ppm", "dB/m":
		return fixed(unit, 1)
	case "kWh":
		return shownUnit{"kwatth", 1}
	case "m3":
		return fixed("m³", 1)
	case "m3/s":
		return fixed("m³/h", 3600)
	case "s":
		return fixed(l.t("小时", "h"), 1./3600)
	case "Pa":
		return fixed("kPa", 1e-3)
	case "Cel":
		return shownUnit{"celsius", 1}
	case "deg":
		return fixed("°", 1)
	case "ug/m3":
		return fixed("µg/m³", 1)
	case "%":
		return shownUnit{"percent", 1}
	case "ratio":
		return shownUnit{"percentunit", 1}
	}
	if systems.Counts(unit) || unit == "0/1" || unit == "bool" {
		return shownUnit{"none", 1}
	}
	return fixed(unit, 1) // as the inventory writes it
}

// rate is the unit of messages a second.
func (l site) rate() string { return "suffix:" + l.t("条/秒", "/s") }

// hours is the unit of lengths of time that are shown in hours.
func (l site) hours() string { return "suffix:" + l.t("小时", "h") }

// scaled writes an expression of InfluxQL in the unit shown.
func (u shownUnit) scaled(expr string) string {
	if u.scale == 1 {
		return expr
	}
	return fmt.Sprintf("%s * %g", expr, u.scale)
}

// quantities are those of a kind of facility by name, states first, then by unit.
func (l site) quantities(kind ingest.FacilityKind) []*ingest.Quantity {
	all := slices.Collect(maps.Values(l.kinds.Kind(kind).Quantities))
	slices.SortFunc(all, func(a, b *ingest.Quantity) int {
		if (a.Kind == ingest.State) != (b.Kind == ingest.State) {
			if a.Kind == ingest.State {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Unit+" "+a.Name, b.Unit+" "+b.Name)
	})
	return all
}

// common reports whether devices of all kinds may report a quantity: battery,
// signal and the like.
func (l site) common(name string) bool {
	return !slices.ContainsFunc(l.kinds.Kinds(), func(k ingest.FacilityKind) bool { return l.kinds.Quantity(k, name) == nil })
}

// watched are common quantities that devices of a kind are there to tell: the heat of a
// charger is what burns it, not how it is.
var watched = map[ingest.FacilityKind][]string{"charging": {"temperature"}, "environment": {"temperature", "humidity"}}

// shows reports whether the board of a kind shows a quantity.
func (l site) shows(kind ingest.FacilityKind, name string) bool {
	return !l.common(name) || slices.Contains(watched[kind], name)
}

func (l site) called(q *ingest.Quantity) string { return l.word(q.Label, q.Name) }

// places makes a ranking of communities from an answer with their names; the name
// leads to a board.
func (p *Panel) places(l site, largestFirst bool, board string) *Panel {
	name := l.t("社区", "Community")
	to := "var-community=${__data.fields.community}"
	return p.rows(l, "name", name, largestFirst, "community").
		override(override(name, Property{"links", []DataLink{{Title: titles[board].in(l), URL: l.link(board, to)}}}))
}

// binsFull is the tile of bins that are full, as the page counts them.
func binsFull(l site, w int) *Panel {
	return stat(l, l.t("满溢垃圾桶", "Bins overfull"), l.t("当前满溢度 95% 以上的桶数。", "Bins at 95 % or more now."), "none", w).
		now("sum("+Prefix+"waste_bins_full{"+here+"})", "").decimals(0).levels(green, 1.0, orange)
}

// perMeterDayBy is what a meter used a day over the range, by community.
func perMeterDayBy(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) / sum(meters) AS used FROM %s WHERE %s GROUP BY community", usageDailyMeasurement, usedWhere(facility, resource))
}

// readNames are what reads of registers that were not simply subtracted are called.
func readNames(l site) []string {
	return []string{
		"subtracted", l.t("直接相减", "subtracted"), "first", l.t("首次读数", "first read"), "rollover", l.t("翻转", "rollover"), "backward", l.t("倒退", "backward"),
		"swap", l.t("换表", "exchanged"), "gap", l.t("缺口", "gap"), "estimated", l.t("估读", "estimated"), "trueup", l.t("估读修正", "true-up"),
		"duplicate", l.t("重复", "duplicate"), "late", l.t("迟到", "late"), "reset", l.t("归零", "reset"), "implausible", l.t("不可信", "implausible"),
		"scale", l.t("换单位", "other unit"), "nra", l.t("非常规调整", "non-routine adjustment"),
	}
}

// correctionNames are those of corrections: resource, direction and reason.
func correctionNames(l site) []string {
	var pairs []string
	for _, resource := range []string{l.t("电", "energy"), l.t("水", "water")} {
		for _, direction := range [][2]string{{"up", l.t("增", "up")}, {"down", l.t("减", "down")}} {
			for _, reason := range []string{"late", "nra", "trueup"} {
				names := readNames(l)
				pairs = append(pairs, resource+" "+direction[0]+" "+reason, resource+" "+direction[1]+" "+names[slices.Index(names, reason)+1])
			}
		}
	}
	return pairs
}

// yesNoWords are those of states.
func yesNoWords(l site) []any { return words("0", l.t("否", "no"), "1", l.t("是", "yes")) }

// facilityBoard is the board of a kind of facility that is no more than data: how
// many devices report, what is wrong, what each quantity is, by community.
func facilityBoard(l site, kind ingest.FacilityKind) *Dashboard {
	name := l.kindName(kind)
	match := fmt.Sprintf(`%s, facility="%s"`, here, kind)
	d := &Dashboard{
		Title:       name,
		Description: l.t(name+"设施：在线、告警与各量。", name+": devices online, alarms, and every quantity."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("设备", "Devices"), l.t("台账或报文中的设备数。", "Devices listed or heard of."), "none", 8).now(fmt.Sprintf("sum(%sdevices{%s})", Prefix, match), "").decimals(0),
			onlineTile(l, kind, 8), alarmTile(l, kind, 8),
			alarmKinds(l, kind, 12, 9),
			ranking(l, l.t("在线率最低的社区", "Least online"), l.t("各社区设备在线率，由低到高。", "Share of devices online by community, least first."), "percentunit", 12, 9).
				now(named(online(" by (community) ", match)), "").places(l, false, "community").limits(0, 1).decimals(1).levels(red, 0.8, orange, 0.95, green),
		},
	}
	for _, q := range l.quantities(kind) {
		if l.shows(kind, q.Name) {
			d.Panels = append(d.Panels, l.nowTiles(kind, q)...)
		}
	}
	for _, q := range l.quantities(kind) {
		if !l.shows(kind, q.Name) || q.Kind == ingest.Register {
			continue // how a device is, and levels of counters, are on its own board
		}
		unit := l.unit(q.Unit)
		zh, en := "各社区各设备读数的平均值。", "Mean of the devices' readings, by community."
		switch q.Kind {
		case ingest.Delta:
			zh, en = "各社区近 7 天每小时之和；最后一根柱为未结束的一小时。", "Sum an hour over the last 7 days, by community; the last bar is an hour that is not over yet."
		case ingest.State:
			unit = shownUnit{"percentunit", 1}
			zh, en = "各社区为“是”的比例。", "Share of the devices that say yes, by community."
		}
		if q.Unit == "dB" {
			zh, en = "各社区各设备读数的能量平均。", "Mean of the energy of the devices' readings, by community."
		}
		p := series(l, l.called(q), l.t(zh, en), unit.id, 12, 8)
		if q.Kind == ingest.Delta {
			p.bars(true).influx(summed(kind, q.Name, "1h", ", community"), "$tag_community").last("7d") // of a year it would be 8,760 bars
		} else {
			p.influx(scaledBy(kind, q.Name, "mean", unit.scale), "$tag_community")
		}
		if q.Kind == ingest.State {
			p.limits(0, 1)
		}
		d.Panels = append(d.Panels, p.step("1h").nothing(l.t("没有设备上报此量", "no device reports it")))
	}
	if kind == "charging" {
		d.Panels = append(d.Panels, series(l, l.t("每日用电", "Energy a day"), l.t("各社区每日充电用电；最后一根柱为未结束的一天。", "Energy charged a day, by community; the last bar is a day that is not over yet."), "kwatth", 24, 8).
			influx(totalBy(kind, usage.Electricity, "1d"), "$tag_community").bars(true).step("1d"))
	}
	d.Panels = append(d.Panels, alarmTable(l, kind, 24, 9))
	return d
}

// nowTiles are what a quantity of a kind is now, as the page shows it.
func (l site) nowTiles(kind ingest.FacilityKind, q *ingest.Quantity) []*Panel {
	unit := l.unit(q.Unit)
	value := func(statistic string) string {
		return fmt.Sprintf(`%ssystem_quantity{%s, facility="%s", quantity="%s", statistic="%s"}`, Prefix, here, kind, q.Name, statistic)
	}
	tile := func(zh, en, meansZH, meansEN, expr string) *Panel {
		if unit.scale != 1 {
			expr = fmt.Sprintf("(%s) * %g", expr, unit.scale)
		}
		p := stat(l, l.called(q)+l.t("（"+zh+"）", ", "+en), l.t(meansZH, meansEN), unit.id, 4).now(expr, "").nothing(l.t("没有设备上报此量", "no device reports it"))
		if q.Kind == ingest.State || systems.Counts(q.Unit) {
			p.decimals(0)
		} else {
			p.decimals(1)
		}
		return p
	}
	mean := func(statistic string) string {
		// Of decibels the energy is the mean.
		if q.Unit == "dB" {
			return fmt.Sprintf("10 * log10(sum(10 ^ (%[1]s / 10) * on (community) %[2]s) / sum(%[2]s and on (community) %[1]s))", value(statistic), value("devices"))
		}
		return fmt.Sprintf("sum(%[1]s * on (community) %[2]s) / sum(%[2]s and on (community) %[1]s)", value(statistic), value("devices"))
	}
	switch {
	case q.Kind == ingest.State:
		unit = shownUnit{"none", 1}
		return []*Panel{tile("现有", "now", "当前为“是”的设备数。", "Devices that say yes now.", "sum("+value("yes")+")")}
	case q.Kind == ingest.Delta || q.Kind == ingest.Register:
		return []*Panel{tile("今日", "today", "今日零时以来的合计。", "Sum since the day began at the site.", "sum("+value("today")+")")}
	case q.Unit == "dB":
		return []*Panel{
			tile("昼间", "day", "最近一个昼间（6 至 22 时）的能量平均。", "Mean of the energy of the latest day, 6 to 22.", mean("day")),
			tile("夜间", "night", "最近一个夜间（22 至 6 时）的能量平均。", "Mean of the energy of the latest night, 22 to 6.", mean("night")),
		}
	case systems.Counts(q.Unit):
		return []*Panel{tile("合计", "in all", "各设备最近读数之和。", "Sum of the latest readings of the devices.", "sum("+value("sum")+")")}
	}
	return []*Panel{tile("平均", "mean", "各设备最近读数的平均。", "Mean of the latest readings of the devices.", mean("mean"))}
}

// device is one device of a kind: what it said last, each with its name and unit,
// its alarms and events, and a picture of each kind of quantity.
func device(l site, kind ingest.FacilityKind) *Dashboard {
	const of = "device = '$device' AND $timeFilter"
	last := stat(l, l.t("最新读数", "Latest readings"), l.t("所选时段内各量的最后值；设备不上报的量不在其中。", "The last value of every quantity in the range; what the device does not report is not among them."), "none", 24)
	last.GridPos.H = 7
	last.Options["textMode"], last.Options["colorMode"] = "value_and_name", "none"
	byUnit := map[string]*Panel{}
	var pictures []*Panel
	for _, q := range l.quantities(kind) {
		unit := l.unit(q.Unit)
		last.influx(fmt.Sprintf("SELECT %s FROM %s WHERE %s", unit.scaled("last("+ident(q.Name)+")"), ident(string(kind)), of), l.called(q))
		last.Targets[len(last.Targets)-1].RefID = "Q" + fmt.Sprint(len(last.Targets))
		properties := []Property{{"unit", unit.id}}
		if q.Kind == ingest.State {
			properties = append(properties, Property{"mappings", yesNoWords(l)})
		} else {
			properties = append(properties, Property{"decimals", 2})
		}
		last.override(override(l.called(q), properties...))
		if q.Kind == ingest.Register {
			continue // a level that grows: what was used of it is a picture
		}
		group := q.Unit
		if q.Kind == ingest.Delta {
			group += " an hour"
		}
		p := byUnit[group]
		if p == nil {
			id := unit.id
			if id == "none" {
				id = "short"
			}
			p = series(l, l.called(q), l.t("所选量在各时段的平均值；多通道设备每通道一条线。", "Mean in each step; a line for each channel."), id, 12, 8)
			byUnit[group] = p
			pictures = append(pictures, p)
			if q.Kind == ingest.Delta {
				p.bars(true).step("1h").Description = l.t("每小时之和；最后一根柱为未结束的一小时。", "Sum an hour; the last bar is an hour that is not over yet.")
			} else {
				p.step("1m")
				p.FieldConfig.Defaults.Custom["spanNulls"] = 3 * 3600 * 1000 // some report by the hour
			}
			p.nothing(l.t("该设备在所选时段未上报", "not reported by this device in the range"))
			if q.Kind == ingest.State {
				p.limits(0, 1).FieldConfig.Defaults.Mappings = yesNoWords(l)
				p.FieldConfig.Defaults.Custom["lineInterpolation"] = "stepAfter"
			}
		} else if !strings.Contains(p.Title, l.called(q)) {
			p.Title += l.t("、", ", ") + l.called(q)
		}
		expr, step := "mean("+ident(q.Name)+")", "$__interval"
		if q.Kind == ingest.Delta {
			expr, step = "sum("+ident(q.Name)+")", "1h"
		}
		p.influx(fmt.Sprintf("SELECT %s FROM %s WHERE %s GROUP BY time(%s), channel fill(none)", unit.scaled(expr), ident(string(kind)), of, step), l.called(q)+" $tag_channel")
	}
	d := &Dashboard{
		Title:       l.t("单台设备：", "One device: ") + l.kindName(kind),
		Description: l.t("一台设备的全部读数、用量、事件与告警。从告警或列表中的设备进入，或在上方填写设备编号。", "Readings, use, events and alarms of one device. Come from a device in a list of alarms or devices, or write its id above."),
		Time:        TimeRange{"now-2d", "now"},
		Templating: Templating{append(sources(l)[1:],
			&Variable{Name: "device", Label: l.t("设备编号", "Device id"), Type: "textbox", Query: "", Current: map[string]any{"text": "", "value": ""}})},
		Panels: []*Panel{last},
	}
	for _, used := range []struct {
		kind     ingest.FacilityKind
		resource usage.Resource
		zh, en   string
		unit     string
	}{{ingest.Lighting, usage.Electricity, "每小时用电", "Energy an hour", "kwatth"}, {"charging", usage.Electricity, "每小时用电", "Energy an hour", "kwatth"}, {ingest.Water, usage.Water, "每小时用水", "Water an hour", "suffix:m³"}} {
		if used.kind == kind {
			d.Panels = append(d.Panels, series(l, l.t(used.zh, used.en), l.t("取自用量账；最后一根柱为未结束的一小时。", "From the book of use; the last bar is an hour that is not over yet."), used.unit, 12, 8).
				influx(fmt.Sprintf("SELECT sum(used) FROM %s WHERE %s AND resource = '%s' GROUP BY time(1h) fill(none)", usageMeasurement, of, used.resource), l.t(used.zh, used.en)).bars(false).step("1h"))
		}
	}
	d.Panels = append(d.Panels, deviceEvents(l, 12, 8))
	d.Panels = append(d.Panels, pictures...)
	return d
}

// group is a gateway, or a community's devices together: what has alarms and no
// readings of its own.
func group(l site) *Dashboard {
	return &Dashboard{
		Title:       l.t("网关或社区", "Gateway or community"),
		Description: l.t("网关或整个社区的告警；其设备见社区看板。", "Alarms of a gateway or of a whole community; its devices are on the community's board."),
		Templating: Templating{append(sources(l)[1:],
			&Variable{Name: "device", Label: l.t("网关编号", "Gateway's id"), Type: "textbox", Query: "", Current: map[string]any{"text": "", "value": ""}})},
		Panels: []*Panel{deviceEvents(l, 24, 14)},
	}
}

// deviceEvents lists what happened at a device, alarms among it, latest first.
func deviceEvents(l site, w, h int) *Panel {
	at, what, state, code := l.t("时间", "Time"), l.t("种类", "Type"), l.t("状态", "State"), l.t("级别或代码", "Severity or code")
	value, expected, unit := l.t("数值", "Value"), l.t("参考值", "Expected"), l.t("单位", "Unit")
	kinds := eventNames(l)
	options := kindWords(l)[0].(map[string]any)["options"].(map[string]any)
	for i := 0; i+1 < len(kinds); i += 2 {
		if options[kinds[i]] == nil {
			options[kinds[i]] = map[string]any{"index": len(options), "text": kinds[i+1]}
		}
	}
	return table(l, l.t("事件与告警", "Events and alarms"), l.t("该设备的事件，以及告警的发生与恢复，最近的在前。", "Events of the device, and alarms raised and cleared, latest first."), w, h).
		influx(fmt.Sprintf(`SELECT "type", active, code, value, expected, unit FROM %s WHERE device = '$device' AND $timeFilter ORDER BY time DESC LIMIT 200`, eventsMeasurement), "").
		columns("Time", at, "type", what, "active", state, "code", code, "value", value, "unit", unit, "expected", expected).sorted(at, true).
		nothing(l.t("所选时段没有事件和告警", "no events or alarms in the range")).
		override(textColumn(at, Property{"custom.width", 160}), textColumn(what, Property{"mappings", []any{map[string]any{"type": "value", "options": options}}}),
			textColumn(code, Property{"mappings", severityWords(l)}), textColumn(value, Property{"decimals", 1}), textColumn(expected, Property{"decimals", 1}), textColumn(unit),
			textColumn(state, Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{"1": map[string]any{"text": l.t("发生", "raised"), "color": orange}, "0": map[string]any{"text": l.t("恢复", "cleared"), "color": green}}}}}))
}

// kindNamePairs are the names of alarms for series that are named by them.
func kindNamePairs(l site) []string {
	var pairs []string
	for _, k := range anomaly.Kinds {
		pairs = append(pairs, k.Name, l.t(k.Title.ZH, k.Title.EN))
	}
	return pairs
}

// answerNames are InfluxDB's answers that make a request come again.
func answerNames(l site) []string {
	return []string{"429", l.t("要求等待", "asked to wait"), "5xx", l.t("服务器错误", "server errors"), "network", l.t("网络", "network"), "slow", l.t("过慢", "slow"), "too_large", l.t("过大", "too large"), "held", l.t("待人工处理", "held")}
}

// stateNames are those of the state on disk.
func stateNames(l site) []string {
	return []string{"checkpoint", l.t("检查点", "checkpoint"), "account", l.t("账目", "account"), "devices", l.t("设备", "devices")}
}

// readsOfResources are the names of reads, of each resource.
func readsOfResources(l site) []string {
	var pairs []string
	resources, reads := resourceNames(l), readNames(l)
	for i := 0; i+1 < len(resources); i += 2 {
		for j := 0; j+1 < len(reads); j += 2 {
			pairs = append(pairs, resources[i]+" "+reads[j], resources[i+1]+" "+reads[j+1])
		}
	}
	return pairs
}

// nameCommunities calls the series of communities by their names.
func (p *Panel) nameCommunities(names map[string]string) {
	for _, t := range p.Targets {
		if p.Type != "timeseries" || !strings.Contains(t.Alias, "$tag_community") {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(names)) {
			p.calls(strings.ReplaceAll(t.Alias, "$tag_community", id), strings.ReplaceAll(t.Alias, "$tag_community", names[id]))
		}
	}
}
