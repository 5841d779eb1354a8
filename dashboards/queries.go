package dashboards

import (
	"fmt"
	"strings"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/usage"
)

// title is the name of a board in both languages.
type title ingest.Text

func (t title) in(l Language) string { return l.t(t.ZH, t.EN) }

var titles = map[string]title{
	"overview":  {ZH: "绿色社区总览", EN: "Green communities: overview"},
	"savings":   {ZH: "节能节水", EN: "Savings"},
	"lighting":  {ZH: "照明", EN: "Lighting"},
	"water":     {ZH: "供水", EN: "Water"},
	"waste":     {ZH: "垃圾分类", EN: "Waste sorting"},
	"gate":      {ZH: "门禁", EN: "Access gates"},
	"community": {ZH: "单个社区", EN: "One community"},
	"device":    {ZH: "单台设备", EN: "One device"},
	"programme": {ZH: "创建进度", EN: "Programme progress"},
	"vendors":   {ZH: "厂商数据质量", EN: "Vendors' scorecards"},
	"ingester":  {ZH: "采集服务状态", EN: "Health of the ingester"},
}

// Both kinds of filter by the chosen communities.
const (
	here     = `community=~"$community"`             // PromQL
	influxIn = `community =~ /^${community:regex}$/` // InfluxQL
)

var builtin = ingest.BuiltinFacilities()

// field returns a quantity's name, having seen that the facility has it: a
// dashboard of a quantity that was renamed does not build.
func field(facility ingest.FacilityKind, quantity string) string {
	if builtin.Quantity(facility, quantity) == nil {
		panic(fmt.Sprintf("%s has no quantity %s", facility, quantity)) // a defect of the build
	}
	return quantity
}

// What was used is asked of the book of use, in plain sums: days of places, and
// where an hour or a device is asked for, hours of meters.

// usedWhere narrows down to the use of a resource by a facility.
func usedWhere(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("facility = '%s' AND resource = '%s' AND %s AND $timeFilter", facility, resource, influxIn)
}

// total returns what was used over the range.
func total(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) FROM %s WHERE %s", usageDailyMeasurement, usedWhere(facility, resource))
}

// totalBy is total in steps of a day or an hour, by community.
func totalBy(facility ingest.FacilityKind, resource usage.Resource, step string) string {
	measurement := usageDailyMeasurement
	if step != "1d" {
		measurement = usageMeasurement
	}
	return fmt.Sprintf("SELECT sum(used) FROM %s WHERE %s GROUP BY time(%s), community fill(none) "+localTime, measurement, usedWhere(facility, resource), step)
}

// perMeterDay returns what a meter used a day over the range.
func perMeterDay(facility ingest.FacilityKind, resource usage.Resource) string {
	return fmt.Sprintf("SELECT sum(used) / sum(meters) FROM %s WHERE %s", usageDailyMeasurement, usedWhere(facility, resource))
}

// latest is the last value of each device as a field v, over the range.
func latest(facility ingest.FacilityKind, quantity string) string {
	return fmt.Sprintf("SELECT last(%s) AS v FROM %s WHERE %s AND $timeFilter GROUP BY community, device, channel", field(facility, quantity), facility, influxIn)
}

// meanBy is the mean of a quantity in steps of the picture, by community.
func meanBy(facility ingest.FacilityKind, quantity, function string) string {
	return fmt.Sprintf("SELECT %s(%s) FROM %s WHERE %s AND $timeFilter GROUP BY time($__interval), community fill(none)",
		function, field(facility, quantity), facility, influxIn)
}

// openAlarms lists what is raised and not cleared; more narrows it down.
func openAlarms(more string) string {
	return fmt.Sprintf("SELECT active, severity, value, expected FROM (SELECT last(active) AS active, code AS severity, value, expected FROM %s WHERE \"type\" =~ /^(%s)$/ AND %s%s AND $timeFilter GROUP BY community, facility, device, channel, \"type\") WHERE active = 1 AND severity =~ /^(info|warning|critical)$/ GROUP BY community, facility, device, channel, \"type\"",
		eventsMeasurement, strings.Join(kindNames(), "|"), influxIn, more)
}

func kindNames() []string {
	var names []string
	for _, k := range anomaly.Kinds {
		names = append(names, k.Name)
	}
	return names
}

// facilityIs narrows a query of InfluxDB down to a facility, "" to none.
func facilityIs(f ingest.FacilityKind) string {
	if f == "" {
		return ""
	}
	return fmt.Sprintf(" AND facility = '%s'", f)
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

// variables of the boards

func sources(l Language) []*Variable {
	return []*Variable{
		{Name: "prometheus", Label: l.t("Prometheus 数据源", "Prometheus"), Type: "datasource", Query: "prometheus", Refresh: 1},
		{Name: "influxdb", Label: l.t("InfluxDB 数据源", "InfluxDB"), Type: "datasource", Query: "influxdb", Refresh: 1},
	}
}

// communityVariable is the choice of communities, by name, or of one.
func communityVariable(l Language, many bool) *Variable {
	v := &Variable{
		Name: "community", Label: l.t("社区", "Community"), Type: "query", Datasource: promSource,
		Query:      map[string]any{"query": "query_result(" + Prefix + "community_info)", "refId": "community"},
		Definition: "query_result(" + Prefix + "community_info)",
		Regex:      `/community="(?<value>[^"]+)".*[{,]name="(?<text>[^"]+)"/`,
		Refresh:    2, Sort: 1, Multi: many, IncludeAll: many,
	}
	if many {
		v.AllValue = ".*"
		v.Current = map[string]any{"selected": true, "text": []string{l.t("全部", "All")}, "value": []string{"$__all"}}
	}
	return v
}

// pieces of boards

func severityWords(l Language) []any {
	return []any{map[string]any{"type": "value", "options": map[string]any{
		"critical": map[string]any{"index": 0, "text": l.t("紧急", "critical"), "color": red},
		"warning":  map[string]any{"index": 1, "text": l.t("一般", "warning"), "color": orange},
		"info":     map[string]any{"index": 2, "text": l.t("提示", "info"), "color": blue},
	}}}
}

func kindWords(l Language) []any {
	options := map[string]any{}
	for i, k := range anomaly.Kinds {
		options[k.Name] = map[string]any{"index": i, "text": l.t(k.Title.ZH, k.Title.EN)}
	}
	return []any{map[string]any{"type": "value", "options": options}}
}

func facilityWords(l Language) []any {
	options := map[string]any{}
	for i, k := range builtin.Kinds() {
		label := builtin.Kind(k).Label
		options[string(k)] = map[string]any{"index": i, "text": l.t(label.ZH, label.EN)}
	}
	return []any{map[string]any{"type": "value", "options": options}}
}

// reasonNames calls series that are named by a reason what people call it.
func reasonNames(l Language) []Override {
	var names []Override
	for _, r := range ingest.Reasons {
		title := r.Title()
		names = append(names, override(string(r), Property{"displayName", l.t(title.ZH, title.EN) + " (" + string(r) + ")"}))
	}
	return names
}

// deviceQuery names the device of a table's row to the device's board.
func deviceQuery(l Language) string {
	return "var-community=${__data.fields[\"" + l.t("社区", "Community") + "\"]}&var-device=${__value.raw}"
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

// alarmTable is the open alarms, each with its start, and a way to the device.
func alarmTable(l Language, facility ingest.FacilityKind, more string, w, h int) *Panel {
	p := table(l, l.t("未恢复的告警", "Open alarms"), l.t("近 30 天内发生且尚未恢复的告警及其起始时间。处置情况不在此系统内，故不显示处置率。点击设备查看详情。",
		"Alarms raised in the last 30 days and not cleared, and since when. Whether somebody is dealing with them is not known here. Click a device for its details."), w, h).
		influx(openAlarms(facilityIs(facility)+more), "").last("30d")
	columns := []string{"Time", l.t("起始", "Since"), "severity", l.t("级别", "Severity"), "type", l.t("告警", "Alarm"), "community", l.t("社区", "Community"), "device", l.t("设备", "Device"), "active", ""}
	if w < 12 { // what a narrow table has no room for is on the device's board
		columns = append(columns, "facility", "", "channel", "", "value", "", "expected", "")
	} else {
		columns = append(columns, "facility", l.t("设施", "Facility"), "channel", l.t("通道", "Channel"), "value", l.t("数值", "Value"), "expected", l.t("参考值", "Expected"))
	}
	p.columns(columns...)
	p.transform("sortBy", map[string]any{"fields": map[string]any{}, "sort": []any{map[string]any{"field": l.t("起始", "Since"), "desc": false}}})
	words := func(field string, mappings []any, cell bool) Override {
		properties := []Property{{"mappings", mappings}}
		if cell {
			properties = append(properties, Property{"custom.cellOptions", map[string]any{"type": "color-background"}})
		}
		return override(field, properties...)
	}
	return p.override(
		override(l.t("起始", "Since"), Property{"unit", "dateTimeFromNow"}),
		words(l.t("级别", "Severity"), severityWords(l), true),
		words(l.t("告警", "Alarm"), kindWords(l), false),
		words(l.t("设施", "Facility"), facilityWords(l), false),
		override(l.t("设备", "Device"), Property{"links", []Link{{Title: l.t("查看设备", "Show the device"),
			URL: l.link("device", deviceQuery(l))}}}),
		override(l.t("社区", "Community"), Property{"links", []Link{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", "var-community=${__value.raw}")}}}),
	)
}

// alarmKinds counts a facility's open alarms by kind.
func alarmKinds(l Language, facility ingest.FacilityKind, w, h int) *Panel {
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	p := ranking(l, l.t("未恢复告警，按种类", "Open alarms by kind"), l.t("当前未恢复的告警数，按告警种类。没有告警时为空。", "How many alarms are open, by kind. Empty when there is none."), "none", w, h).
		now(fmt.Sprintf("sum by (kind) (%sanomaly_active{%s}) > 0", Prefix, match), "{{kind}}").decimals(0).levels(orange)
	for _, k := range anomaly.Kinds {
		if facility == "" || k.Facility == facility || k.Facility == "all" {
			p.override(override(k.Name, Property{"displayName", l.t(k.Title.ZH, k.Title.EN)}))
		}
	}
	return p
}

// onlineTile is the share of devices that report.
func onlineTile(l Language, facility ingest.FacilityKind, w int) *Panel {
	match := here
	if facility != "" {
		match += fmt.Sprintf(`, facility="%s"`, facility)
	}
	return stat(l, l.t("在线率", "Online"), l.t("25 小时内有上报的设备占全部设备的比例。", "Share of the devices that were heard of in the last 25 h."), "percentunit", w).
		now(online("", match), "").decimals(1).levels(red, 0.8, orange, 0.95, green)
}

func alarmTile(l Language, facility ingest.FacilityKind, w int) *Panel {
	return stat(l, l.t("未恢复告警", "Open alarms"), l.t("紧急和一般级别的未恢复告警数。", "Open alarms that are critical or warnings."), "none", w).
		now(alarms(facility, `severity=~"warning|critical"`), "").decimals(0).levels(green, 1.0, orange)
}
