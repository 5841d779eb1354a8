package dashboards

import (
	"fmt"
	"slices"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/usage"
)

// title is the name of a board in both languages.
type title ingest.Text

func (t title) in(l site) string { return l.t(t.ZH, t.EN) }

// deviceBoard names the board of a device of a kind of facility.
func deviceBoard(kind ingest.FacilityKind) string { return "device-" + string(kind) }

var titles = map[string]title{
	"overview":  {ZH: "绿色社区总览", EN: "Green communities: overview"},
	"savings":   {ZH: "节能节水", EN: "Savings"},
	"lighting":  {ZH: "照明", EN: "Lighting"},
	"water":     {ZH: "供水", EN: "Water"},
	"waste":     {ZH: "垃圾分类", EN: "Waste sorting"},
	"gate":      {ZH: "门禁", EN: "Access gates"},
	"alarms":    {ZH: "告警处置", EN: "Alarms as work"},
	"community": {ZH: "单个社区", EN: "One community"},
	"programme": {ZH: "创建进度", EN: "Programme progress"},
	"vendors":   {ZH: "厂商数据质量", EN: "Vendors' scorecards"},
	"ingester":  {ZH: "采集服务状态", EN: "Health of the ingester"},
}

// Both kinds of filter by the chosen communities.
const (
	here     = `community=~"$community"`             // PromQL
	influxIn = `community =~ /^${community:regex}$/` // InfluxQL
)

// builtin are the kinds that ship with the program: those that the code itself asks for.
var builtin = ingest.BuiltinFacilities()

// field returns a quantity's name, having seen that the facility has it: a
// dashboard of a quantity that was renamed does not build.
func field(facility ingest.FacilityKind, quantity string) string {
	if builtin.Quantity(facility, quantity) == nil {
		panic(fmt.Sprintf("%s has no quantity %s", facility, quantity)) // a defect of the build
	}
	return quantity
}

// ident writes a name of an inventory into a query of InfluxDB: quoted, as it may be a
// keyword, such as group or duration. Names of the built-in table are none.
func ident(name string) string {
	if builtin.Kind(ingest.FacilityKind(name)) != nil || slices.ContainsFunc(builtin.Kinds(), func(k ingest.FacilityKind) bool { return builtin.Quantity(k, name) != nil }) {
		return name
	}
	return `"` + name + `"`
}

// What was used is asked of the book of use, in plain sums: days of places, and
// where an hour or a device is asked for, hours of meters.

// usedWhere narrows down to the use of a resource by a facility.
func usedWhere(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("facility = '%s' AND resource = '%s' AND %s AND $timeFilter", facility, resource, influxIn)
}

// usedToday is what was used since the day began at the site. A day of a place is
// one point, at the day's beginning, and 24 hours hold one beginning: so the range
// of the board, and the zone of the browser, which Grafana rounds ranges in, have
// no say.
func usedToday(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) FROM %s WHERE facility = '%s' AND resource = '%s' AND %s AND time > now() - 24h AND time <= now()",
		usageDailyMeasurement, facility, resource, influxIn)
}

// countedToday is the sum of a delta since the day began at the site: the last of
// the days, in the site's zone, that the last 24 hours are of.
func countedToday(facility ingest.FacilityKind, quantity string) string {
	return fmt.Sprintf("SELECT sum(%s) FROM %s WHERE %s AND time > now() - 24h AND time <= now() GROUP BY time(1d) fill(0) "+localTime,
		field(facility, quantity), facility, influxIn)
}

// totalBy is total in steps of a day or an hour, by community.
func totalBy(facility ingest.FacilityKind, resource usage.Resource, step string) string {
	if step != "1d" {
		return summed(facility, hourly.Used(resource), step, ", community")
	}
	return fmt.Sprintf("SELECT sum(used) FROM %s WHERE %s GROUP BY time(1d), community fill(none) "+localTime, usageDailyMeasurement, usedWhere(facility, resource))
}

// perMeterDay returns what a meter used a day over the range.
func perMeterDay(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) / sum(meters) FROM %s WHERE %s", usageDailyMeasurement, usedWhere(facility, resource))
}

// latest is the last value of each device as a field v, over the range.
func latest(facility ingest.FacilityKind, quantity string) string {
	return fmt.Sprintf("SELECT last(%s) AS v FROM %s WHERE %s AND $timeFilter GROUP BY community, device, channel", field(facility, quantity), facility, influxIn)
}

// Pictures over time are asked of the hours of places: a year of a county's single
// readings takes minutes.

// hours narrows down to the hours of a quantity.
func hours(facility ingest.FacilityKind, quantity string) string {
	return fmt.Sprintf("FROM %s WHERE facility = '%s' AND quantity = '%s' AND %s AND $timeFilter", hourly.Measurement, facility, quantity, influxIn)
}

// meanBy is the mean of a quantity, its min or max, in steps of the picture, by
// community.
func meanBy(facility ingest.FacilityKind, quantity, function string) string {
	return scaledBy(facility, quantity, function, 1)
}

// scaledBy is meanBy in another unit.
func scaledBy(facility ingest.FacilityKind, quantity, function string, scale float64) string {
	expr := map[string]string{"mean": "sum(total) / sum(readings)", "min": "min(least)", "max": "max(greatest)"}[function]
	return fmt.Sprintf("SELECT %s %s GROUP BY time($__interval), community fill(none)", shownUnit{scale: scale}.scaled(expr), hours(facility, quantity))
}

// summed is the sum of a delta in steps of an hour or a local day.
func summed(facility ingest.FacilityKind, quantity, step, by string) string {
	return fmt.Sprintf("SELECT sum(total) %s GROUP BY time(%s)%s fill(none) "+localTime, hours(facility, quantity), step, by)
}

// alarms counts open alarms; zero only where there are devices.
func alarms(facility ingest.FacilityKind, filter string) string {
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	with := match
	if filter != "" {
		with += ", " + filter
	}
	return fmt.Sprintf("sum(%[1]sanomaly_active{%[2]s}) or 0 * sum(%[1]sdevices{%[3]s})", Prefix, with, match)
}

// online is the share of devices that report.
func online(by, match string) string {
	devices := Prefix + "devices"
	return fmt.Sprintf(`(sum%[1]s(%[2]s{%[3]s, state="online"}) or 0 * sum%[1]s(%[2]s{%[3]s})) / sum%[1]s(%[2]s{%[3]s})`, by, devices, match)
}

// named adds a community's name to a vector by community.
func named(expr string) string {
	return fmt.Sprintf("(%s) * on (community) group_left (name) %scommunity_info", expr, Prefix)
}

// vendorNamed adds a vendor's name to a vector by vendor; what no source matches
// is of no vendor, and says so.
func (l site) vendorNamed(expr string) string {
	info := fmt.Sprintf("group by (vendor, name) (%svendor_info)", Prefix)
	return fmt.Sprintf(`(%[1]s) * on (vendor) group_left (name) %[2]s or label_replace((%[1]s) unless on (vendor) %[2]s, "name", "%[3]s", "", "")`,
		expr, info, l.t("（无匹配来源）", "(no source matches)"))
}

// orNone is a vector of what there is of something, by a label, and where all of it
// is 0 one row that says so: none is not the same as not known.
func orNone(expr, label string) string {
	return fmt.Sprintf(`%[1]s > 0 or label_replace(sum(%[1]s) == 0, "%[2]s", "none", "", "")`, expr, label)
}

// communityNames lets a table of InfluxDB's answers show communities by name: the
// names come from Prometheus, as a mapping of the column's values. Links still
// carry the id.
func (p *Panel) communityNames() *Panel {
	p.Targets = append(p.Targets, &Target{RefID: "names", Datasource: promSource, Expr: fmt.Sprintf("group by (community, name) (%scommunity_info)", Prefix), Instant: true, Format: "table"})
	p.Datasource = mixedSource
	mapping := func(field, handler string) map[string]any {
		return map[string]any{"fieldName": field, "handlerKey": handler}
	}
	// The mapping is made before columns are renamed.
	p.Transformations = append([]Transformation{{"configFromData", map[string]any{
		"configRefId": "names", "applyTo": map[string]any{"id": "byName", "options": "community"},
		"mappings": []any{mapping("community", "mappings.value"), mapping("name", "mappings.text"), mapping("Time", "__ignore"), mapping("Value", "__ignore")},
	}}}, p.Transformations...)
	return p
}

// variables of the boards

func sources(l site) []*Variable {
	return []*Variable{
		// Hidden: provisioned, there is one of each and nothing to choose. The address
		// chooses others (?var-influxdb=…).
		{Name: "prometheus", Label: l.t("Prometheus 数据源", "Prometheus"), Type: "datasource", Query: "prometheus", Refresh: 1, Hide: 2},
		{Name: "influxdb", Label: l.t("InfluxDB 数据源", "InfluxDB"), Type: "datasource", Query: "influxdb", Refresh: 1, Hide: 2},
	}
}

// communityVariable is the choice of communities, by name, or of one.
func communityVariable(l site, many bool) *Variable {
	v := &Variable{
		Name: "community", Label: l.t("社区", "Community"), Type: "query", Datasource: promSource,
		Query:   map[string]any{"query": "query_result(" + Prefix + "community_info)", "refId": "community"},
		Regex:   `/community="(?<value>[^"]+)".*[{,]name="(?<text>[^"]+)"/`,
		Refresh: 2, Sort: 1, Multi: many, IncludeAll: many,
	}
	if many {
		v.AllValue = ".*"
		v.Current = map[string]any{"selected": true, "text": []string{l.t("全部", "All")}, "value": []string{"$__all"}}
	}
	return v
}

// pieces of boards

func severityWords(l site) []any {
	return []any{map[string]any{"type": "value", "options": map[string]any{
		"critical": map[string]any{"index": 0, "text": l.t("紧急", "critical"), "color": red},
		"warning":  map[string]any{"index": 1, "text": l.t("一般", "warning"), "color": orange},
		"info":     map[string]any{"index": 2, "text": l.t("提示", "info"), "color": blue},
	}}}
}

func kindWords(l site) []any {
	options := map[string]any{}
	for i, k := range anomaly.Kinds {
		options[k.Name] = map[string]any{"index": i, "text": l.t(k.Title.ZH, k.Title.EN)}
	}
	return []any{map[string]any{"type": "value", "options": options}}
}

func facilityWords(l site) []any {
	options := map[string]any{}
	for i, k := range l.kinds.Kinds() {
		options[string(k)] = map[string]any{"index": i, "text": l.kindName(k)}
	}
	return []any{map[string]any{"type": "value", "options": options}}
}

// words maps values to what people call them.
func words(pairs ...string) []any {
	options := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		options[pairs[i]] = map[string]any{"index": i / 2, "text": pairs[i+1]}
	}
	return []any{map[string]any{"type": "value", "options": options}}
}

// reasonWords calls reasons of refusals what people call them.
func reasonWords(l site) []any {
	pairs := []string{"none", l.t("没有拒收", "none refused")}
	for _, r := range ingest.Reasons {
		pairs = append(pairs, string(r), l.t(r.Title().ZH, r.Title().EN)+" ("+string(r)+")")
	}
	return words(pairs...)
}

// facilityNames are the names of kinds of facility for series that are named by
// them.
func facilityNames(l site) []string {
	var pairs []string
	for _, k := range l.kinds.Kinds() {
		pairs = append(pairs, string(k), l.kindName(k))
	}
	return pairs
}

// streamNames are those of the four waste streams; what an inventory names
// otherwise is called as it does.
func streamNames(l site) []string {
	return []string{"kitchen", l.t("厨余垃圾", "kitchen"), "recyclable", l.t("可回收物", "recyclable"), "hazardous", l.t("有害垃圾", "hazardous"), "residual", l.t("其他垃圾", "residual"), "", l.t("未分类别", "no stream")}
}

// resourceNames are those of what is saved.
func resourceNames(l site) []string {
	return []string{"electricity", l.t("电", "electricity"), "water", l.t("水", "water")}
}

// eventNames are those of the events the native format has.
func eventNames(l site) []string {
	return []string{
		"access_granted", l.t("通行授权", "access granted"), "access_denied", l.t("通行被拒", "access denied"), "door_opened", l.t("开门", "door opened"),
		"door_closed", l.t("关门", "door closed"), "door_locked", l.t("上锁", "door locked"), "door_unlocked", l.t("开锁", "door unlocked"),
		"door_forced", l.t("强行开门", "door forced"), "door_held_open", l.t("门未关", "door held open"), "tamper", l.t("拆动", "tamper"),
		"leak", l.t("漏水", "leak"), "backflow", l.t("倒流", "backflow"), "lamp_fault", l.t("灯具故障", "lamp fault"), "overfull", l.t("满溢", "overfull"),
		"collected", l.t("清运", "collected"), "deposit", l.t("投放", "deposit"), "node_offline", l.t("离线", "node offline"),
	}
}

// prefixed puts words before the names of series and what they are called.
func prefixed(zh string, pairs []string) []string {
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = zh + " " + p
	}
	return out
}

// most lists the 20 devices with the highest v of a subquery by device and
// community.
func most(subquery string) string {
	return "SELECT top(v, device, community, 20) AS v FROM (" + subquery + ")"
}

// usedByDevice returns what was used over the range, by device, as a field v.
func usedByDevice(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) AS v FROM %s WHERE %s GROUP BY device, community", usageMeasurement, usedWhere(facility, resource))
}

// alarmTable is the open alarms: how bad, what, where, since when, and a way to the device
// and to where it is dealt with. A narrow screen shows the first columns, so they come
// first. It asks Prometheus for what is open now: among the events of InfluxDB that is an
// answer of seconds.
func alarmTable(l site, facility ingest.FacilityKind, w, h int) *Panel {
	severity, kind, place, which, since := l.t("级别", "Severity"), l.t("告警", "Alarm"), l.t("社区", "Community"), l.t("设备", "Device"), l.t("起始", "Since")
	value, unit := l.t("数值", "Value"), l.t("单位", "Unit")
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	of := func(metric, by string) string {
		return fmt.Sprintf("max by (%s) (%s%s and on (alarm) %[2]salarm_active{%[4]s})", by, Prefix, metric, match)
	}
	p := table(l, l.t("未恢复的告警", "Open alarms"), l.t("当前未恢复、未静默、未被人关闭的告警及其起始时间。点击设备查看详情。",
		"Alarms that are not over, not silenced and not closed by a person, and since when. Click a device for its details."), w, h).
		now(named(fmt.Sprintf("max by (alarm, severity, kind, community, facility, device) (%salarm_active{%s})", Prefix, match)), "").
		now(of("alarm_since_timestamp_seconds", "alarm")+" * 1000", "").nothing(l.t("没有未恢复的告警", "No open alarms"))
	columns := []string{"severity", severity, "kind", kind, "name", place, "device", which, "Value #B", since, "Value #A", "", "Time", "", "Time 1", "", "Time 2", "", "Time 3", ""}
	if w >= 16 {
		p.now(of("alarm_value", "alarm, unit"), "")
		columns = append(columns, "Value #C", value, "unit", unit)
	}
	p.transform("joinByField", map[string]any{"byField": "alarm", "mode": "outer"}).columns(columns...).sorted(since, false)
	// Links need the kind of facility, the community and the alarm as they are: the columns
	// stay, unseen.
	to := "/d/" + l.uid("device-${__data.fields.facility}") + "?${__url_time_range}&var-device=${__value.raw}"
	p.override(
		outOfSight("facility"), outOfSight("community"), outOfSight("alarm"),
		textColumn(severity, Property{"mappings", severityWords(l)}, Property{"custom.cellOptions", map[string]any{"type": "color-background"}}, Property{"custom.width", 70}),
		textColumn(kind, append(l.dealtWith(), Property{"mappings", kindWords(l)}, Property{"custom.minWidth", 130})...),
		textColumn(place, Property{"custom.width", 105}, Property{"links", []DataLink{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", "var-community=${__data.fields.community}")}}}),
		textColumn(which, Property{"custom.minWidth", 130}, Property{"links", []DataLink{{Title: l.t("查看设备", "Show the device"), URL: to}}}),
		textColumn(since, Property{"unit", "dateTimeFromNow"}, Property{"custom.width", 110}))
	if w >= 16 {
		p.override(textColumn(unit, Property{"mappings", words("1", "", "count", "", "Cel", "℃", "m3/h", "m³/h", "deg", "°", "ratio", l.t("比例", "ratio"))}),
			textColumn(value, Property{"decimals", 1}))
	}
	return p
}

// dealtWith links an alarm to where it is dealt with, where that is known.
func (l site) dealtWith() []Property {
	if l.page == "" {
		return nil
	}
	return []Property{{"links", []DataLink{{Title: l.t("在平台页面处置", "Deal with it on the page"), URL: fmt.Sprintf("%s/?lang=%s#alarm=${__data.fields.alarm}", l.page, l.Language)}}}}
}

// alarmKinds counts a facility's open alarms by kind: by name, none where none is
// open, and grey where nothing is known.
func alarmKinds(l site, facility ingest.FacilityKind, w, h int) *Panel {
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	kind := l.t("告警", "Alarm")
	p := ranking(l, l.t("未恢复告警，按种类", "Open alarms by kind"), l.t("当前未恢复的告警数，按告警种类。", "How many alarms are open, by kind."), "none", w, h).
		now(orNone(fmt.Sprintf("sum by (kind) (%sanomaly_active{%s})", Prefix, match), "kind"), "").
		rows(l, "kind", kind, true).decimals(0).levels(green, 1.0, orange)
	options := kindWords(l)[0].(map[string]any)["options"].(map[string]any)
	options["none"] = map[string]any{"index": len(options), "text": l.t("没有告警", "none open"), "color": green}
	return p.override(override(kind, Property{"mappings", []any{map[string]any{"type": "value", "options": options}}}))
}

// onlineTile is the share of devices that report.
func onlineTile(l site, facility ingest.FacilityKind, w int) *Panel {
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	return stat(l, l.t("在线率", "Online"), l.t("25 小时内有上报的设备占全部设备的比例。", "Share of the devices that were heard of in the last 25 h."), "percentunit", w).
		now(online("", match), "").decimals(1).levels(red, 0.8, orange, 0.95, green)
}

func alarmTile(l site, facility ingest.FacilityKind, w int) *Panel {
	return stat(l, l.t("未恢复告警", "Open alarms"), l.t("紧急和一般级别的未恢复告警数。", "Open alarms that are critical or warnings."), "none", w).
		now(alarms(facility, `severity=~"warning|critical"`), "").decimals(0).levels(green, 1.0, orange).leads(l, titles["alarms"].in(l), "alarms", "${community:queryparam}")
}
