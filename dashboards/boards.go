package dashboards

import (
	"fmt"

	"greencommunity/ingest"
	"greencommunity/metrics/usage"
)

// overview answers a leader's questions: who is behind, what is wrong, since
// when, and are we saving.
func overview(l site) *Dashboard {
	infoState := Prefix + "community_info"
	alarm := func(severity string, weight int) string {
		return fmt.Sprintf(`%d * (sum by (community) (%sanomaly_active{%s, severity="%s"}) > bool 0) > 0`, weight, Prefix, here, severity)
	}
	heard := fmt.Sprintf(`0 * (sum by (community) (%sdevices{%s, state="online"}) > 0)`, Prefix, here)
	worst := fmt.Sprintf(`((%s) or (%s) or (%s) or (-1 * group by (community) (%s{%s}))) * on (community) group_left (name, town, latitude, longitude) %[4]s{latitude!=""}`,
		alarm("critical", 3), alarm("warning", 2), heard, infoState, here)
	states := []string{"-1", l.t("无数据", "no data"), grey, "0", l.t("正常", "normal"), green, "2", l.t("一般告警", "warning"), orange, "3", l.t("紧急告警", "critical"), red}

	places := newPanel(l, "geomap", l.t("社区状态", "Communities"), l.t("按最严重的未恢复告警着色：红为紧急，橙为一般，绿为正常，灰为无数据。没有坐标的社区不在图上，见创建进度。不使用互联网地图。",
		"Coloured by the worst open alarm: red critical, orange warning, green none, grey no data. Communities without coordinates are not on it: see the programme's board. No map tiles from the internet."), 12, 11).
		now(worst, "").says(states...).levels(grey, 0.0, green, 2.0, orange, 3.0, red).
		transform("convertFieldType", map[string]any{"conversions": []any{
			map[string]any{"targetField": "latitude", "destinationType": "number"}, map[string]any{"targetField": "longitude", "destinationType": "number"}}}).
		columns("name", l.t("社区", "Community"), "town", l.t("镇街", "Town"), "Value", l.t("状态", "State"), "latitude", "latitude", "longitude", "longitude", "Time", "", "community", "community").
		override(
			override("latitude", unseen), override("longitude", unseen), override("community", unseen),
			override(l.t("社区", "Community"), Property{"links", []DataLink{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", `var-community=${__data.fields.community}`)}}}))
	places.Options = map[string]any{
		"view":     map[string]any{"id": "fit", "allLayers": true, "zoom": 12},
		"basemap":  map[string]any{"type": "geojson", "name": l.t("底图", "Basemap"), "config": map[string]any{"src": "public/maps/countries.geojson", "rules": []any{}, "style": map[string]any{"color": map[string]any{"fixed": "#6e7f80"}, "opacity": 0.15}}},
		"controls": map[string]any{"showZoom": true, "mouseWheelZoom": true, "showAttribution": false, "showScale": true},
		"tooltip":  map[string]any{"mode": "details"},
		"layers": []any{map[string]any{
			"type": "markers", "name": l.t("社区", "Communities"), "tooltip": true,
			"location": map[string]any{"mode": "coords", "latitude": "latitude", "longitude": "longitude"},
			"config": map[string]any{"showLegend": true, "style": map[string]any{
				"color": map[string]any{"field": l.t("状态", "State"), "fixed": grey}, "opacity": 0.9,
				"size":   map[string]any{"fixed": 12, "min": 8, "max": 16},
				"symbol": map[string]any{"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
				"text":   map[string]any{"mode": "field", "field": l.t("社区", "Community"), "fixed": ""}, "textConfig": map[string]any{"fontSize": 12, "offsetY": 20, "textAlign": "center", "textBaseline": "middle"}},
			}}},
	}
	saves := fmt.Sprintf(`1 - avg(%ssavings_significant{%s, period="quarter"})`, Prefix, here)
	taken := func(metric string) string { return fmt.Sprintf(`sum(increase(%s%s[24h]))`, Prefix, metric) }
	return &Dashboard{
		Title:       titles["overview"].in(l),
		Description: l.t("谁落后、出了什么问题、持续多久、是否在节约。", "Who is behind, what is wrong, since when, and are we saving."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			onlineTile(l, "", 3).leads(l, l.t("采集服务状态", "Health of the ingester"), "ingester", ""),
			stat(l, l.t("今日用水", "Water today"), l.t("今日各水表读数增量之和（北京时间）。", "Growth of all meters' registers since midnight, Beijing time."), "m3", 3).
				now("sum("+Prefix+"water_today_cubic_meters{"+here+"})", "").decimals(1).leads(l, l.t("供水", "Water"), "water", "${community:queryparam}"),
			stat(l, l.t("亮灯率", "Lamps burning"), l.t("3 小时内上报的灯中亮着的比例。", "Share of the lamps burning, of those that reported within 3 h."), "percentunit", 3).
				now(fmt.Sprintf("sum(%[1]slighting_lamps_lit{%[2]s}) / sum(%[1]slighting_lamps{%[2]s})", Prefix, here), "").decimals(0).leads(l, l.t("照明", "Lighting"), "lighting", "${community:queryparam}"),
			binsFull(l, 3).leads(l, l.t("垃圾分类", "Waste sorting"), "waste", "${community:queryparam}"),
			stat(l, l.t("门禁异常", "Gate alarms"), l.t("门禁的未恢复告警数。", "Open alarms of access gates."), "none", 3).
				now(alarms("gate", ""), "").decimals(0).levels(green, 1.0, orange).leads(l, l.t("门禁", "Access gates"), "gate", "${community:queryparam}"),
			stat(l, l.t("紧急告警", "Critical alarms"), l.t("需立即处理的未恢复告警数。", "Open alarms that cannot wait."), "none", 3).
				now(alarms("", `severity="critical"`), "").decimals(0).levels(green, 1.0, red),
			stat(l, l.t("一般告警", "Warnings"), l.t("工作时间内处理的未恢复告警数。", "Open alarms for working hours."), "none", 3).
				now(alarms("", `severity="warning"`), "").decimals(0).levels(green, 1.0, orange),
			stat(l, l.t("数据接收率", "Data accepted"), l.t("24 小时内收到的报文中未被拒收的比例。", "Share of the last 24 h's messages that were not refused."), "percentunit", 3).
				now(fmt.Sprintf("1 - (%s or 0 * %s) / (%[2]s > 0)", taken("messages_rejected_total"), taken("messages_received_total")), "").
				decimals(2).levels(red, 0.95, orange, 0.99, green).leads(l, l.t("厂商数据质量", "Vendors' scorecards"), "vendors", ""),
			savedTile(l, "electricity"), savedTile(l, "water"),
			stat(l, l.t("无法与零区分的项", "Not distinguishable from zero"), l.t("本季节约量落在不确定带内、不能认定有节约的社区设施占比。", "Share of communities' facilities whose saving of the quarter is within its band: none is claimed."), "percentunit", 6).
				now(saves, "").decimals(0).leads(l, titles["savings"].in(l), "savings", "${community:queryparam}"),
			stat(l, l.t("达标社区", "Communities that have met it"), l.t("达标社区占全部城市社区的比例，目标 60%。", "Share of all urban communities that meet the requirements; the target is 60 %."), "percentunit", 6).
				now(fmt.Sprintf(`sum(%[1]sprogramme_communities{stage="met"}) / sum(%[1]sprogramme_communities{stage="all"})`, Prefix), "").decimals(0).levels(orange, 0.6, green).leads(l, titles["programme"].in(l), "programme", ""),
			places,
			ranking(l, l.t("告警最多的社区（每百台设备）", "Most alarms per 100 devices"), l.t("每百台设备的未恢复告警数（紧急和一般），由多到少。按设备数折算，大小社区可比。",
				"Open alarms (critical and warning) per 100 devices, most first: communities of any size compare."), "none", 12, 11).
				now(named(fmt.Sprintf(`100 * (sum by (community) (%[1]sanomaly_active{%[2]s, severity=~"warning|critical"}) or 0 * sum by (community) (%[1]sdevices{%[2]s})) / sum by (community) (%[1]sdevices{%[2]s})`, Prefix, here)), "").
				places(l, true, "community").
				decimals(1).levels(green, 1.0, yellow, 5.0, orange, 10.0, red),
			alarmTable(l, "", 24, 11),
			ranking(l, l.t("照明功率（每灯）", "Lighting power per lamp"), l.t("各社区每盏灯的当前功率，由高到低。", "Power of a lamp now, by community, most first."), "suffix:W", 8, 7).
				now(named(fmt.Sprintf("sum by (community) (%[1]slighting_power_watts{%[2]s}) / sum by (community) (%[1]slighting_lamps{%[2]s})", Prefix, here)), "").
				places(l, true, "lighting").decimals(1),
			ranking(l, l.t("今日用水（每户）", "Water today per household"), l.t("各社区今日每户用水，由多到少。", "Water of today per household, by community, most first."), "litre", 8, 7).
				now(named(fmt.Sprintf("1000 * sum by (community) (%[1]swater_today_cubic_meters{%[2]s}) / sum by (community) (%[1]scommunity_households{%[2]s})", Prefix, here)), "").
				places(l, true, "water").decimals(0),
			ranking(l, l.t("在线率最低的社区", "Least online"), l.t("各社区设备在线率，由低到高。", "Share of devices online by community, least first."), "percentunit", 8, 7).
				now(named(online(" by (community) ", here)), "").
				places(l, false, "community").limits(0, 1).decimals(1).levels(red, 0.8, orange, 0.95, green),
			savingsTrend(l, "electricity", 12), savingsTrend(l, "water", 12),
			series(l, l.t("报文去向", "What became of messages"), l.t("每秒报文数：入库、重复、拒收、忽略。拒收上升时查看厂商数据质量。", "Messages a second: stored, duplicate, refused, ignored. Where refusals rise, see the vendors' scorecards."), l.rate(), 12, 7).
				over("rate("+Prefix+"messages_stored_total[$__rate_interval])", l.t("入库", "stored")).
				over("rate("+Prefix+"messages_duplicate_total[$__rate_interval])", l.t("重复", "duplicate")).
				over("sum(rate("+Prefix+"messages_rejected_total[$__rate_interval]))", l.t("拒收", "refused")).
				over("rate("+Prefix+"messages_ignored_total[$__rate_interval])", l.t("忽略", "ignored")),
			series(l, l.t("迟到与待处理", "Late and pending"), l.t("每秒迟到读数，以及等待入库的报文数。", "Late readings a second, and messages waiting to be stored."), "none", 12, 7).
				over("rate("+Prefix+"readings_late_total[$__rate_interval])", l.t("迟到读数／秒", "late readings/s")).
				over(Prefix+"messages_pending", l.t("待处理报文", "pending messages")),
		},
	}
}

// savedTile returns what was saved in the quarter, beside its band.
func savedTile(l site, resource string) *Panel {
	name, unit, metric, scale := l.t("本季节电", "Energy saved, this quarter"), "kwatth", "energy_savings%s_joules", " / 3600000"
	if resource == "water" {
		name, unit, metric, scale = l.t("本季节水", "Water saved, this quarter"), "m3", "water_savings%s_cubic_meters", ""
	}
	match := here + `, period="quarter"`
	p := stat(l, name, l.t("节约量及其 90% 不确定度；小于不确定度的节约量无法与零区分。无基准处没有数据。",
		"The saving and the half-width of its band at 90 %: one smaller than that is not distinguishable from zero. No data where there is no baseline."), unit, 6).
		now(fmt.Sprintf("sum(%s%s{%s})%s", Prefix, fmt.Sprintf(metric, ""), match, scale), l.t("节约", "saved")).
		now(fmt.Sprintf("sqrt(sum(%s%s{%s} ^ 2))%s", Prefix, fmt.Sprintf(metric, "_uncertainty"), match, scale), l.t("±90%", "± 90 %")).
		decimals(0).levels(orange, 0.0, green).leads(l, titles["savings"].in(l), "savings", "${community:queryparam}")
	p.Options["textMode"] = "value_and_name"
	return p.override(override(l.t("±90%", "± 90 %"), Property{"color", map[string]any{"mode": "fixed", "fixedColor": blue}}))
}

// savingsTrend is actual use against the adjusted baseline and its band.
func savingsTrend(l site, resource string, w int) *Panel {
	name, unit := l.t("用电与基准", "Energy against its baseline"), "kwatth"
	if resource == "water" {
		name, unit = l.t("用水与基准", "Water against its baseline"), "m3"
	}
	low, high := l.t("基准下限", "baseline, lower"), l.t("基准上限", "baseline, upper")
	query := func(expr string) string {
		return fmt.Sprintf("SELECT %s FROM %s WHERE resource = '%s' AND %s AND $timeFilter GROUP BY time(1d) fill(none) "+localTime, expr, savingsMeasurement, resource, influxIn)
	}
	return series(l, name, l.t("每日实际用量、调整后基准及其不确定带。带内的差异无法与零区分。无计量边界的社区不在内。",
		"Use a day, the adjusted baseline and the band of its uncertainty. A difference within the band is not distinguishable from zero. Communities without a measurement boundary are left out."), unit, w, 8).
		influx(query("sum(actual)"), l.t("实际", "actual")).
		influx(query("sum(baseline)"), l.t("调整后基准", "adjusted baseline")).
		influx(query("sum(baseline) - sum(uncertainty)"), low).
		influx(query("sum(baseline) + sum(uncertainty)"), high).
		band(low, high).step("1d").fromZero()
}

// savings returns what the bureau files.
func savings(l site) *Dashboard {
	period := &Variable{Name: "period", Label: l.t("期间", "Period"), Type: "custom", Query: l.t("本季 : quarter,上季 : previous_quarter,有记录以来 : since_start", "this quarter : quarter,last quarter : previous_quarter,since records began : since_start"),
		Options: []Option{{l.t("本季", "this quarter"), "quarter", true}, {l.t("上季", "last quarter"), "previous_quarter", false}, {l.t("有记录以来", "since records began"), "since_start", false}},
		Current: map[string]any{"selected": true, "text": l.t("本季", "this quarter"), "value": "quarter"}}
	match := here + `, period="$period"`
	sum := func(metric, scale string) string { return fmt.Sprintf("sum(%s%s{%s})%s", Prefix, metric, match, scale) }
	// Bands of independent sites add as squares.
	band := func(metric, scale string) string {
		return fmt.Sprintf("sqrt(sum(%s%s{%s} ^ 2))%s", Prefix, metric, match, scale)
	}
	const kWh = " / 3600000"
	detail := table(l, l.t("各社区节约量", "Savings by community"), l.t("各社区、设施在所选期间的节约量、90% 不确定度、是否可与零区分及数据覆盖率。暂估值随数据补齐而变。",
		"Saving, its uncertainty at 90 %, whether it is distinguishable from zero, and coverage, by community and facility for the period chosen. Provisional figures change as data come in."), 24, 10).
		now(named(fmt.Sprintf("sum by (community, facility, status) (%senergy_savings_joules{%s})%s", Prefix, match, kWh)), "").
		now(fmt.Sprintf("sum by (community, facility) (%senergy_savings_uncertainty_joules{%s})%s", Prefix, match, kWh), "").
		now(fmt.Sprintf("sum by (community, facility, status) (%swater_savings_cubic_meters{%s})", Prefix, match), "").
		now(fmt.Sprintf("sum by (community, facility) (%swater_savings_uncertainty_cubic_meters{%s})", Prefix, match), "").
		now(fmt.Sprintf("min by (community, facility) (%ssavings_significant{%s})", Prefix, match), "").
		now(fmt.Sprintf("min by (community, facility) (%ssavings_coverage_ratio{%s})", Prefix, match), "").
		transform("merge", map[string]any{}).
		columns("name", l.t("社区", "Community"), "facility", l.t("设施", "Facility"), "status", l.t("状态", "Status"),
			"Value #A", l.t("节电", "Energy saved"), "Value #B", l.t("节电 ±90%", "± 90 %, energy"), "Value #C", l.t("节水", "Water saved"), "Value #D", l.t("节水 ±90%", "± 90 %, water"),
			"Value #E", l.t("可区分", "Significant"), "Value #F", l.t("覆盖率", "Coverage"), "Time", "", "community", "").
		override(
			override(l.t("设施", "Facility"), Property{"mappings", facilityWords(l)}),
			override(l.t("节电", "Energy saved"), Property{"unit", "kwatth"}, Property{"decimals", 0}), override(l.t("节电 ±90%", "± 90 %, energy"), Property{"unit", "kwatth"}, Property{"decimals", 0}),
			override(l.t("节水", "Water saved"), Property{"unit", "m3"}, Property{"decimals", 0}), override(l.t("节水 ±90%", "± 90 %, water"), Property{"unit", "m3"}, Property{"decimals", 0}),
			override(l.t("覆盖率", "Coverage"), Property{"unit", "percentunit"}, Property{"decimals", 0}),
			override(l.t("状态", "Status"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{
				"provisional": map[string]any{"text": l.t("暂估", "provisional")}, "final": map[string]any{"text": l.t("定稿", "final")}}}}}),
			override(l.t("可区分", "Significant"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{
				"0": map[string]any{"text": l.t("无法与零区分", "not distinguishable from zero"), "color": grey}, "1": map[string]any{"text": l.t("是", "yes"), "color": green}}}}}))
	return &Dashboard{
		Title:       titles["savings"].in(l),
		Description: l.t("节约量＝调整后基准－同一覆盖时段的实际用量，附不确定度。", "Saving = adjusted baseline less actual use over the same covered time, with its uncertainty."),
		Time:        TimeRange{"now-90d", "now"}, Refresh: "15m",
		Templating: Templating{append(sources(l), communityVariable(l, true), period)},
		Panels: []*Panel{
			stat(l, l.t("节电", "Energy saved"), l.t("所选期间的节电量；负值表示多用。", "Energy saved in the period; negative where more was used."), "kwatth", 4).now(sum("energy_savings_joules", kWh), "").decimals(0).levels(orange, 0.0, green),
			stat(l, l.t("节电不确定度", "± energy"), l.t("节电量 90% 置信的半宽。", "Half-width of the energy saving's band at 90 %."), "kwatth", 4).now(band("energy_savings_uncertainty_joules", kWh), "").decimals(0),
			stat(l, l.t("节水", "Water saved"), l.t("所选期间的节水量；负值表示多用。", "Water saved in the period; negative where more was used."), "m3", 4).now(sum("water_savings_cubic_meters", ""), "").decimals(0).levels(orange, 0.0, green),
			stat(l, l.t("节水不确定度", "± water"), l.t("节水量 90% 置信的半宽。", "Half-width of the water saving's band at 90 %."), "m3", 4).now(band("water_savings_uncertainty_cubic_meters", ""), "").decimals(0),
			stat(l, l.t("无法与零区分的项", "Not distinguishable from zero"), l.t("节约量落在不确定带内、不能认定有节约的社区设施占比。", "Share of communities' facilities whose saving is within its band: none is claimed."), "percentunit", 4).
				now(fmt.Sprintf("1 - avg(%ssavings_significant{%s})", Prefix, match), "").decimals(0),
			stat(l, l.t("最低覆盖率", "Least coverage"), l.t("期间内有效日数占应有日数之比，取最低的社区设施：过低则结论不可靠。", "Days that count, of the days of the period, of the least covered facility of a community: too little, and nothing follows."), "percentunit", 4).
				now(fmt.Sprintf("min(%ssavings_coverage_ratio{%s})", Prefix, match), "").decimals(0).levels(red, 0.5, orange, 0.9, green),
			savingsTrend(l, "electricity", 12), savingsTrend(l, "water", 12),
			cumulative(l, "electricity", 12), cumulative(l, "water", 12),
			detail,
			series(l, l.t("有数据之日的覆盖率", "Coverage of days with data"), l.t("有数据的每一日内数据覆盖的时间比例，各社区平均。没有数据的日不在图上，见最低覆盖率。", "Share of the time of a day that data cover, mean of the communities; days without any are not on it: see the least coverage."), "percentunit", 12, 7).
				influx(fmt.Sprintf("SELECT mean(coverage) FROM %s WHERE %s AND $timeFilter GROUP BY time(1d), resource fill(none) "+localTime, savingsMeasurement, influxIn), "$tag_resource").limits(0, 1).step("1d").calls(resourceNames(l)...),
			series(l, l.t("暂估累计：实际与基准（电）", "Accrual: actual and baseline, energy"), l.t("每小时暂估的实际与调整后基准用电；报表以重算值为准。", "Actual and adjusted baseline as they accrue an hour; the report uses what is recomputed."), "kwatth", 12, 7).
				over(fmt.Sprintf("sum(increase(%senergy_actual_joules_total{%s}[1h]))%s", Prefix, here, kWh), l.t("实际", "actual")).
				over(fmt.Sprintf("sum(increase(%senergy_baseline_joules_total{%s}[1h]))%s", Prefix, here, kWh), l.t("基准", "baseline")),
			series(l, l.t("暂估累计：实际与基准（水）", "Accrual: actual and baseline, water"), l.t("每小时暂估的实际与调整后基准用水；报表以重算值为准。", "Actual and adjusted baseline as they accrue an hour; the report uses what is recomputed."), "m3", 12, 7).
				over(fmt.Sprintf("sum(increase(%swater_actual_cubic_meters_total{%s}[1h]))", Prefix, here), l.t("实际", "actual")).
				over(fmt.Sprintf("sum(increase(%swater_baseline_cubic_meters_total{%s}[1h]))", Prefix, here), l.t("基准", "baseline")),
			text(l, l.t("说明", "How to read this"), l.t(
				"节约量是“避免的用量”，不等于某项措施的效果。带内为负或为正均属“无法与零区分”。同比未经调整，不作为节约量。",
				"A saving is use that was avoided; it does not prove what avoided it. Within its band it is not distinguishable from zero, whatever its sign. Comparison with last year is not adjusted and is no saving."), 12, 7),
			table(l, l.t("基准", "Baselines"), l.t("各计量边界的基准：版本、IPMVP 选项、方法、是否有效及拟合优度。被改动的基准不产生节约量。",
				"The baseline of each measurement boundary: version, IPMVP option, method, whether it holds, and its fit. A changed one yields no saving."), 24, 9).
				now(named(fmt.Sprintf("max by (community, facility, boundary, version, ipmvp, method, status) (%sbaseline_info{%s})", Prefix, here)), "").
				now(fmt.Sprintf("max by (community, facility, boundary) (%sbaseline_cv_rmse_ratio{%s})", Prefix, here), "").
				now(fmt.Sprintf("max by (community, facility, boundary) (%sbaseline_nmbe_ratio{%s})", Prefix, here), "").
				now(fmt.Sprintf("max by (community, facility, boundary) (abs(%slighting_stated_error_ratio{%s}))", Prefix, here), "").
				now(fmt.Sprintf("max by (community, facility, boundary) (%slighting_stated_allowed_ratio{%s})", Prefix, here), "").
				now(fmt.Sprintf(`1000 * max by (community, facility, boundary) (%sbaseline_calendar_end_timestamp_seconds{%s})`, Prefix, here), "").
				transform("merge", map[string]any{}).
				columns("name", l.t("社区", "Community"), "facility", l.t("设施", "Facility"), "boundary", l.t("边界", "Boundary"), "version", l.t("版本", "Version"), "ipmvp", l.t("IPMVP 选项", "IPMVP option"), "method", l.t("方法", "Method"), "status", l.t("状态", "Status"),
					"Value #B", "CV(RMSE)", "Value #C", "NMBE", "Value #D", l.t("亮灯偏差", "Lamps off"), "Value #E", l.t("允许", "Allowed"), "Value #F", l.t("节假日至", "Holidays until"), "Value #A", "", "Time", "", "community", "").
				override(override(l.t("方法", "Method"), Property{"mappings", words("regression", l.t("回归", "regression"), "mean", l.t("均值", "mean"), "none", l.t("无", "none"), "lamp_inventory", l.t("灯具清单", "lamp inventory"))}),
					override(l.t("IPMVP 选项", "IPMVP option"), Property{"mappings", words("none", l.t("无", "none"))}),
					override(l.t("亮灯偏差", "Lamps off"), Property{"unit", "percentunit"}, Property{"decimals", 1}),
					override(l.t("允许", "Allowed"), Property{"unit", "percentunit"}, Property{"decimals", 1}), override(l.t("节假日至", "Holidays until"), Property{"unit", "dateTimeFromNow"}),
					override("CV(RMSE)", Property{"unit", "percentunit"}, Property{"decimals", 1}), override("NMBE", Property{"unit", "percentunit"}, Property{"decimals", 3}),
					override(l.t("设施", "Facility"), Property{"mappings", facilityWords(l)}),
					override(l.t("状态", "Status"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{
						"frozen": map[string]any{"text": l.t("有效", "frozen"), "color": green}, "changed": map[string]any{"text": l.t("被改动", "changed"), "color": red},
						"nested": map[string]any{"text": l.t("嵌套，不计", "nested"), "color": grey}, "no_baseline": map[string]any{"text": l.t("无基准", "no baseline"), "color": grey}}}}})),
			table(l, l.t("折算：二氧化碳与标准煤", "As CO2 and standard coal"), l.t("节电量按配置的因子折算（千克）；未配置则为空。不确定度不含因子本身的。",
				"Energy saved in kg of CO2 and of standard coal, by the factors configured; empty where there are none. Calorific and equivalent are the two ways to count coal. Bands are without that of the factor."), 14, 7).
				now(fmt.Sprintf("sum by (basis) (%senergy_savings_co2_kilograms{%s})", Prefix, match), "").
				now(fmt.Sprintf("sqrt(sum by (basis) (%senergy_savings_co2_uncertainty_kilograms{%s} ^ 2))", Prefix, match), "").
				now(fmt.Sprintf("sum by (basis) (%senergy_savings_coal_kilograms{%s})", Prefix, match), "").
				now(fmt.Sprintf("sqrt(sum by (basis) (%senergy_savings_coal_uncertainty_kilograms{%s} ^ 2))", Prefix, match), "").
				transform("merge", map[string]any{}).
				columns("basis", l.t("口径", "Basis"), "Value #A", l.t("二氧化碳", "CO2"), "Value #B", l.t("二氧化碳 ±90%", "± 90 %, CO2"), "Value #C", l.t("标准煤", "Coal"), "Value #D", l.t("标准煤 ±90%", "± 90 %, coal"), "Time", "").
				override(override(l.t("口径", "Basis"), Property{"mappings", words("own_year", l.t("当年因子", "the year's own factor"), "base_year", l.t("固定年份因子", "factor of a fixed year"), "calorific", l.t("当量值", "calorific"), "equivalent", l.t("等价值", "equivalent"))}),
					override(l.t("二氧化碳", "CO2"), Property{"unit", "masskg"}), override(l.t("二氧化碳 ±90%", "± 90 %, CO2"), Property{"unit", "masskg"}),
					override(l.t("标准煤", "Coal"), Property{"unit", "masskg"}), override(l.t("标准煤 ±90%", "± 90 %, coal"), Property{"unit", "masskg"})),
			table(l, l.t("排放因子", "Emission factors"), l.t("配置中的电力排放因子（千克／千瓦时）、数据年份与出处。", "Emission factors of electricity configured, kg/kWh, with the year of their data and their source."), 10, 7).
				now("max by (area, year, source) ("+Prefix+"emission_factor_kilograms_per_kilowatt_hour)", "").
				columns("area", l.t("地区", "Area"), "year", l.t("年份", "Year"), "source", l.t("出处", "Source"), "Value", l.t("因子", "Factor"), "Time", "").
				override(override(l.t("因子", "Factor"), Property{"decimals", 4})),
			ranking(l, l.t("表计异常（24 小时）", "Reads not simply subtracted, 24 h"), l.t("近 24 小时不能直接相减的表计读数，按原因：倒退、翻转、换表、缺口、估读、迟到等。", "Reads of registers in 24 h that were not simply subtracted, by reason: backward, rollover, swap, gap, estimated, late and so on."), "none", 8, 9).
				now(orNone(fmt.Sprintf("sum by (reason) (increase(%smeter_anomalies_total{%s}[24h]))", Prefix, here), "reason"), "").
				rows(l, "reason", l.t("原因", "Reason"), true).decimals(0).levels(green, 1.0, orange).
				override(override(l.t("原因", "Reason"), Property{"mappings", words(append(readNames(l), "none", l.t("没有异常", "none"))...)})),
			table(l, l.t("非常规调整与修订", "Adjustments and revisions"), l.t("所选期间基准中的非常规调整与定稿修订号。", "Non-routine adjustments in the baseline of the period, and revisions of final figures."), 8, 9).
				now(named(fmt.Sprintf("sum by (community, facility) (%snonroutine_adjustment_joules{%s})%s", Prefix, match, kWh)), "").
				now(named(fmt.Sprintf("sum by (community, facility) (%snonroutine_adjustment_cubic_meters{%s})", Prefix, match)), "").
				now(named(fmt.Sprintf("max by (community, facility) (%ssavings_revision{%s})", Prefix, match)), "").
				transform("merge", map[string]any{}).
				columns("name", l.t("社区", "Community"), "facility", l.t("设施", "Facility"), "Value #A", l.t("电", "Energy"), "Value #B", l.t("水", "Water"), "Value #C", l.t("修订", "Revision"), "Time", "", "community", "").
				override(override(l.t("设施", "Facility"), Property{"mappings", facilityWords(l)}), override(l.t("电", "Energy"), Property{"unit", "kwatth"}), override(l.t("水", "Water"), Property{"unit", "m3"})),
			series(l, l.t("累计更正", "Corrections"), l.t("滚动 24 小时内对已累计用量的更正（电为千瓦时，水为立方米），按原因。", "Corrections of the last 24 h, rolling, of what had been accrued (kWh, and m3 of water), by reason."), "none", 8, 9).
				over(fmt.Sprintf("sum by (direction, reason) (increase(%saccrual_corrections_joules_total{%s}[1d]))%s", Prefix, here, kWh), l.t("电", "energy")+" {{direction}} {{reason}}").
				over(fmt.Sprintf("sum by (direction, reason) (increase(%saccrual_corrections_cubic_meters_total{%s}[1d]))", Prefix, here), l.t("水", "water")+" {{direction}} {{reason}}").step("1h").calls(correctionNames(l)...),
			table(l, l.t("表计最新读数", "Newest register reads"), l.t("各社区、资源的表计最新读数时间。", "Time of the newest register read of each community and resource."), 8, 7).
				now(named(fmt.Sprintf("max by (community, resource) (%slast_reading_timestamp_seconds{%s})", Prefix, here))+" * 1000", "").
				columns("name", l.t("社区", "Community"), "resource", l.t("资源", "Resource"), "Value", l.t("最新读数", "Latest"), "Time", "", "community", "").
				override(override(l.t("最新读数", "Latest"), Property{"unit", "dateTimeFromNow"}),
					override(l.t("资源", "Resource"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{"electricity": map[string]any{"text": l.t("电", "electricity")}, "water": map[string]any{"text": l.t("水", "water")}}}}})),
			series(l, l.t("表计时钟偏差", "Clock skew of meters"), l.t("接收时间减表计时间，取偏差最大的边界。", "Time received less the meters' own time, of the boundary where it is largest."), "s", 16, 7).
				over(named(fmt.Sprintf("max by (community) (%sclock_skew_seconds{%s})", Prefix, here)), "{{name}}"),
		},
	}
}

// cumulative is the saving summed over the range, with its band.
func cumulative(l site, resource string, w int) *Panel {
	name, unit := l.t("累计节电", "Energy saved so far"), "kwatth"
	if resource == "water" {
		name, unit = l.t("累计节水", "Water saved so far"), "m3"
	}
	// The errors of days hang together, since one baseline is behind them all:
	// their sum is the band where they do so fully, and its upper bound otherwise.
	const total, error = "cumulative_sum(sum(saving))", "cumulative_sum(sum(uncertainty))"
	low, high := l.t("下限", "lower"), l.t("上限", "upper")
	query := func(expr string) string {
		return fmt.Sprintf("SELECT %s FROM %s WHERE resource = '%s' AND %s AND $timeFilter GROUP BY time(1d) fill(none) "+localTime, expr, savingsMeasurement, resource, influxIn)
	}
	return series(l, name, l.t("自所选时段起的累计节约量及其 90% 不确定带（逐日相加，为上限）。带包含零时，节约量无法与零区分。",
		"Saving summed from the beginning of the range, with its band at 90 % (days added up: an upper bound). Where the band holds zero, the saving is not distinguishable from it."), unit, w, 8).
		influx(query(total), l.t("累计节约", "saved")).
		influx(query(total+" - "+error), low).
		influx(query(total+" + "+error), high).
		band(low, high).step("1d")
}

func text(l site, title, content string, w, h int) *Panel {
	p := newPanel(l, "text", title, content, w, h)
	p.FieldConfig = nil
	p.Options = map[string]any{"mode": "markdown", "content": content}
	return p
}

func lighting(l site) *Dashboard {
	return &Dashboard{
		Title:       titles["lighting"].in(l),
		Description: l.t("照明用电、亮灯与故障。", "Energy, burning and faults of lighting."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("今日用电", "Energy today"), l.t("今日用电（北京时间），取自用量账；读数可疑的时段不计。", "Energy since midnight, Beijing time, from the book of use; time of which the registers say nothing sure is left out."), "kwatth", 4).influx(usedToday("lighting", usage.Electricity), "").decimals(1),
			stat(l, l.t("当前功率", "Power now"), l.t("近 3 小时各灯最后功率之和；配电箱上报功率时，其下的灯不再另加。", "Sum of the lamps' last power within three hours; lamps behind a cabinet that reports are part of its."), "suffix:W", 4).now(fmt.Sprintf("sum(%slighting_power_watts{%s})", Prefix, here), "").decimals(0),
			stat(l, l.t("当前亮灯率", "Lamps burning"), l.t("近 2 小时最后状态为亮的灯的比例。", "Share of the lamps whose last state within two hours is on."), "percentunit", 4).influx("SELECT mean(v) FROM ("+latest("lighting", "light_on")+")", "").last("2h").decimals(0),
			stat(l, l.t("上报灯数", "Lamps reporting"), l.t("近 24 小时上报功率的灯数。", "Lamps that reported their power in the last 24 h."), "none", 4).influx("SELECT count(v) FROM ("+latest("lighting", "active_power")+")", "").last("24h").decimals(0),
			onlineTile(l, "lighting", 4), alarmTile(l, "lighting", 4),
			series(l, l.t("每日用电", "Energy a day"), l.t("各社区每日照明用电；最后一根柱为未结束的一天。", "Lighting energy a day, by community; the last bar is a day that is not over yet."), "kwatth", 12, 8).influx(totalBy("lighting", usage.Electricity, "1d"), "$tag_community").bars(true).step("1d"),
			ranking(l, l.t("每灯每日用电（所选时段）", "Energy per lamp and day"), l.t("所选时段内每盏灯的日均用电。", "Mean energy of a lamp a day over the range."), "kwatth", 12, 8).influx(perMeterDayBy("lighting", usage.Electricity), "").
				columns("community", l.t("社区", "Community"), "used", l.t("数值", "Value"), "Time", "").sorted(l.t("数值", "Value"), true).communityNames().
				override(override(l.t("数值", "Value"), Property{"custom.cellOptions", map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}})).decimals(2),
			series(l, l.t("每灯平均功率", "Mean power per lamp"), l.t("各社区每盏灯的平均功率：白天应接近零。", "Mean power of a lamp by community: near zero by day."), "suffix:W", 12, 8).influx(meanBy("lighting", "active_power", "mean"), "$tag_community").step("1h"),
			series(l, l.t("亮灯比例与亮度", "Burning and dimming"), l.t("亮灯的比例和平均亮度。", "Share of lamps that burn, and their mean level."), "percentunit", 12, 8).
				influx(meanBy("lighting", "light_on", "mean"), l.t("亮灯", "burning")+" $tag_community").influx(meanBy("lighting", "light_level", "mean"), l.t("亮度", "level")+" $tag_community").limits(0, 1).step("1h"),
			series(l, l.t("电压范围", "Voltage"), l.t("各社区电压的最高与最低。", "Highest and lowest voltage by community."), "volt", 12, 8).
				influx(meanBy("lighting", "voltage", "max"), l.t("最高", "max")+" $tag_community").influx(meanBy("lighting", "voltage", "min"), l.t("最低", "min")+" $tag_community").step("1h"),
			series(l, l.t("近 24 小时每灯点亮时间", "Burn time per lamp, 24 h"), l.t("滚动 24 小时内每盏灯点亮的时间，按上报状态；应亮时间按日出日落。", "Time of the last 24 h, rolling, that a lamp burned, by what lamps report; and when it should have by the sun."), l.hours(), 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%[1]slighting_burn_seconds_total{%[2]s}[1d])) / sum by (community) (%[1]slighting_lamps{%[2]s}) / 3600", Prefix, here)), "{{name}}").
				over(named(fmt.Sprintf("sum by (community) (increase(%[1]slighting_scheduled_burn_seconds_total{%[2]s}[1d])) / sum by (community) (%[1]slighting_lamps{%[2]s}) / 3600", Prefix, here)), l.t("应亮", "should")+" {{name}}").step("1h"),
			ranking(l, l.t("故障灯数", "Lamps failed"), l.t("该亮不亮或自报故障的灯数，不含回路、网关或社区整体故障。", "Lamps that are dark when they should burn or report a fault, without those whose feeder, gateway or community is at fault."), "none", 12, 8).
				now(named(fmt.Sprintf("sum by (community) (%slighting_lamps_failed{%s})", Prefix, here)), "").
				places(l, true, "lighting").decimals(0).levels(green, 1.0, orange),
			table(l, l.t("照明功率密度", "Lighting power density"), l.t("计量边界现有灯具的功率密度（瓦／平方米）及其与限值之比。合规指标，不是节约量。", "Power of the lamps there are now over the lit area, W/m2, and over its limit: compliance, not a saving."), 12, 8).
				now(named(fmt.Sprintf("max by (community, boundary) (%slighting_power_density_watts_per_square_meter{%s})", Prefix, here)), "").
				now(fmt.Sprintf("max by (community, boundary) (%slighting_power_density_limit_ratio{%s})", Prefix, here), "").
				transform("merge", map[string]any{}).
				columns("name", l.t("社区", "Community"), "boundary", l.t("边界", "Boundary"), "Value #A", l.t("瓦／平方米", "W/m2"), "Value #B", l.t("与限值之比", "Of the limit"), "Time", "", "community", "").
				override(override(l.t("瓦／平方米", "W/m2"), Property{"decimals", 2}), override(l.t("与限值之比", "Of the limit"), Property{"unit", "percentunit"}, Property{"decimals", 0})),
			alarmKinds(l, "lighting", 12, 9),
			table(l, l.t("用电最多的灯", "Lamps that use most"), l.t("所选时段内用电最多的 20 盏灯；点击查看设备。", "The 20 lamps with most energy over the range; click for the device."), 12, 9).
				influx(most(usedByDevice("lighting", usage.Electricity)), "").
				columns("device", l.t("设备", "Device"), "community", l.t("社区", "Community"), "v", l.t("用电", "Energy"), "Time", "").
				override(override(l.t("用电", "Energy"), Property{"unit", "kwatth"}, Property{"decimals", 2}), deviceLink(l, "lighting"), textColumn(l.t("社区", "Community"))).sorted(l.t("用电", "Energy"), true).communityNames(),
			alarmTable(l, "lighting", 24, 9),
		},
	}
}

// deviceLink leads from a column of devices to the device.
func deviceLink(l site, kind ingest.FacilityKind) Override {
	return textColumn(l.t("设备", "Device"), Property{"links", []DataLink{{Title: l.t("查看设备", "Show the device"), URL: l.link(deviceBoard(kind), "var-device=${__value.raw}")}}})
}

func water(l site) *Dashboard {
	return &Dashboard{
		Title:       titles["water"].in(l),
		Description: l.t("用水、夜间流量与漏损。", "Water use, flow at night and leaks."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("今日用水", "Water today"), l.t("今日用水（北京时间），取自用量账；读数可疑的时段不计。", "Water since midnight, Beijing time, from the book of use; time of which the registers say nothing sure is left out."), "m3", 4).influx(usedToday("water", usage.Water), "").decimals(1),
			stat(l, l.t("每表每日用水", "A meter a day"), l.t("近 7 天每块表的日均用水。", "Mean use of a meter a day over 7 days."), "m3", 4).
				influx(perMeterDay("water", usage.Water), "").last("7d").decimals(2),
			stat(l, l.t("疑似漏水", "Suspected leaks"), l.t("持续流量和爆管的未恢复告警数。", "Open alarms of continuous flow and bursts."), "none", 4).now(alarms("water", `kind=~"continuous_flow|burst"`), "").decimals(0).levels(green, 1.0, red),
			stat(l, l.t("上报水表", "Meters reporting"), l.t("近 25 小时上报的水表数。", "Meters that reported in the last 25 h."), "none", 4).influx("SELECT count(v) FROM ("+latest("water", "water_volume_total")+")", "").last("25h").decimals(0),
			onlineTile(l, "water", 4), alarmTile(l, "water", 4),
			series(l, l.t("每日用水", "Water a day"), l.t("各社区每日用水；最后一根柱为未结束的一天。", "Water a day, by community; the last bar is a day that is not over yet."), "m3", 12, 8).influx(totalBy("water", usage.Water, "1d"), "$tag_community").bars(true).step("1d"),
			ranking(l, l.t("每表每日用水（所选时段）", "Water per meter and day"), l.t("所选时段内每块表的日均用水。", "Mean use of a meter a day over the range."), "m3", 12, 8).influx(perMeterDayBy("water", usage.Water), "").
				columns("community", l.t("社区", "Community"), "used", l.t("数值", "Value"), "Time", "").sorted(l.t("数值", "Value"), true).communityNames().
				override(override(l.t("数值", "Value"), Property{"custom.cellOptions", map[string]any{"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}})).decimals(2),
			series(l, l.t("每小时用水", "Water an hour"), l.t("各社区近 7 天每小时用水；凌晨 2 至 4 时的最低值反映漏损；最后一根柱为未结束的一小时。", "Water an hour by community, over the last 7 days; its least between 02 and 04 tells of leaks; the last bar is an hour that is not over yet."), "m3", 24, 8).influx(totalBy("water", usage.Water, "1h"), "$tag_community").bars(true).step("1h").last("7d"),
			series(l, l.t("夜间流量", "Night flow"), l.t("2 至 4 时平均流量及减去合理夜间用水后的净值（立方米／小时），有计量边界的社区。净值持续偏高说明漏损。",
				"Mean flow from 02:00 to 04:00, and net of legitimate night use, in m3/h, of communities with a measurement boundary. A net flow that stays high is leakage."), "suffix:m³/h", 12, 8).
				over(named(fmt.Sprintf("sum by (community) (%swater_night_flow_cubic_meters_per_hour{%s})", Prefix, here)), l.t("夜间", "night")+" {{name}}").
				over(named(fmt.Sprintf("sum by (community) (%swater_net_night_flow_cubic_meters_per_hour{%s})", Prefix, here)), l.t("净值", "net")+" {{name}}"),
			series(l, l.t("产销差", "Unaccounted for"), l.t("最近一日总表水量中分表没有计到的比例，台账中有上级表（parent）的社区。升高说明管网漏水、分表停走或绕表用水。",
				"Share of the master meters' water that the meters behind them did not count on the latest day, of communities whose inventory names parents. A rise is a leak between them, a meter that stands still, or water taken past them."), "percentunit", 24, 8).
				over(named(fmt.Sprintf("max by (community) (%sunaccounted_ratio{resource=\"water\",%s})", Prefix, here)), "{{name}}"),
			table(l, l.t("人均用水与定额", "Per head and quota"), l.t("本季人均日用水（升）及其与定额之比。定额是合规指标，不是节约量。", "Litres a person and day in the quarter so far, and over the quota: compliance, not a saving."), 12, 8).
				now(named(fmt.Sprintf("max by (community, facility) (%swater_per_capita_liters_per_day{%s})", Prefix, here)), "").
				now(fmt.Sprintf("max by (community, facility) (%swater_quota_ratio{%s})", Prefix, here), "").
				transform("merge", map[string]any{}).
				columns("name", l.t("社区", "Community"), "Value #A", l.t("人均日用水", "Per head and day"), "Value #B", l.t("与定额之比", "Of the quota"), "Time", "", "community", "", "facility", "").
				override(override(l.t("人均日用水", "Per head and day"), Property{"unit", "litre"}, Property{"decimals", 0}), override(l.t("与定额之比", "Of the quota"), Property{"unit", "percentunit"}, Property{"decimals", 0})),
			series(l, l.t("瞬时流量", "Flow"), l.t("报告瞬时流量的水表的平均流量。", "Mean flow of the meters that report one."), "suffix:m³/h", 12, 8).influx(scaledBy("water", "water_flow", "mean", 3600), "$tag_community").step("1h"),
			series(l, l.t("水压", "Pressure"), l.t("各社区水压的最低与最高。", "Lowest and highest pressure by community."), "suffix:kPa", 12, 8).
				influx(scaledBy("water", "water_pressure", "min", 0.001), l.t("最低", "min")+" $tag_community").influx(scaledBy("water", "water_pressure", "max", 0.001), l.t("最高", "max")+" $tag_community").step("1h"),
			series(l, l.t("水温", "Water temperature"), l.t("各社区平均水温。", "Mean water temperature by community."), "celsius", 12, 8).influx(meanBy("water", "water_temperature", "mean"), "$tag_community").step("1h"),
			alarmKinds(l, "water", 12, 8),
			table(l, l.t("用水最多的表", "Meters that use most"), l.t("所选时段内用水最多的 20 块表；点击查看设备。", "The 20 meters with most use over the range; click for the device."), 12, 9).
				influx(most(usedByDevice("water", usage.Water)), "").
				columns("device", l.t("设备", "Device"), "community", l.t("社区", "Community"), "v", l.t("用水", "Water"), "Time", "").
				override(override(l.t("用水", "Water"), Property{"unit", "m3"}, Property{"decimals", 2}), deviceLink(l, "water"), textColumn(l.t("社区", "Community"))).sorted(l.t("用水", "Water"), true).communityNames(),
			alarmTable(l, "water", 12, 9),
			table(l, l.t("电量最低的表", "Lowest batteries"), l.t("近 7 天上报电量最低的 20 块表。", "The 20 meters with the lowest battery over 7 days."), 24, 7).
				influx("SELECT bottom(v, device, community, 20) AS v FROM ("+latest("water", "battery_level")+")", "").last("7d").
				columns("device", l.t("设备", "Device"), "community", l.t("社区", "Community"), "v", l.t("电量", "Battery"), "Time", l.t("时间", "Time")).
				override(override(l.t("电量", "Battery"), Property{"unit", "percent"}), deviceLink(l, "water"), textColumn(l.t("社区", "Community"))).sorted(l.t("电量", "Battery"), false).communityNames(),
		},
	}
}

func waste(l site) *Dashboard {
	return &Dashboard{
		Title:       titles["waste"].in(l),
		Description: l.t("垃圾桶满溢、清运与重量。满溢度不说明分类质量。", "Filling, emptying and weight of bins. A fill level says nothing of how well waste is sorted."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("满溢告警", "Overfull alarms"), l.t("满溢且久未清运的未恢复告警数；此刻满着的桶见满溢垃圾桶。", "Open alarms of bins that stay full; those that are full now are under Bins overfull."), "none", 4).now(alarms("waste", `kind="overfull"`), "").decimals(0).levels(green, 1.0, orange),
			stat(l, l.t("漏收", "Missed collections"), l.t("按规律应清运而未清运的桶数。", "Bins that by their rhythm should have been emptied."), "none", 4).now(alarms("waste", `kind="missed_collection"`), "").decimals(0).levels(green, 1.0, orange),
			stat(l, l.t("平均满溢度", "Mean fill level"), l.t("近 6 小时各桶最后满溢度的平均。", "Mean of the bins' last fill level within 6 h."), "percentunit", 4).influx("SELECT mean(v) FROM ("+latest("waste", "fill_level")+")", "").last("6h").decimals(0),
			stat(l, l.t("最高桶温", "Hottest bin"), l.t("近 6 小时的最高桶内温度。", "Highest temperature in a bin within 6 h."), "celsius", 3).influx(fmt.Sprintf("SELECT max(%s) FROM waste WHERE %s AND $timeFilter", field("waste", "bin_temperature"), influxIn), "").last("6h").decimals(0).levels(green, 50.0, orange, 70.0, red),
			binsFull(l, 3),
			onlineTile(l, "waste", 3), alarmTile(l, "waste", 3),
			ranking(l, l.t("平均满溢度，按社区", "Fill level by community"), l.t("各社区桶的当前平均满溢度。", "Mean fill level of the bins now, by community."), "percentunit", 12, 9).
				now(named(fmt.Sprintf("avg by (community) (%swaste_bin_fill_ratio{%s})", Prefix, here)), "").
				places(l, true, "waste").limits(0, 1).decimals(0).levels(green, 0.8, orange, 0.95, red),
			alarmKinds(l, "waste", 12, 9),
			series(l, l.t("平均满溢度", "Fill level"), l.t("各社区桶的平均满溢度。", "Mean fill level of the bins, by community."), "percentunit", 12, 8).influx(meanBy("waste", "fill_level", "mean"), "$tag_community").limits(0, 1).step("1h"),
			series(l, l.t("桶内重量", "Weight in the bins"), l.t("各社区每桶平均重量。", "Mean weight in a bin, by community."), "masskg", 12, 8).influx(meanBy("waste", "waste_weight", "mean"), "$tag_community").step("1h"),
			series(l, l.t("最高桶温", "Hottest bin"), l.t("各社区的最高桶内温度：70 ℃ 以上视为起火。", "Highest temperature in a bin, by community: 70 °C is fire."), "celsius", 12, 8).influx(meanBy("waste", "bin_temperature", "max"), "$tag_community").step("1h"),
			series(l, l.t("投放次数", "Deposits"), l.t("报告投放的设备每日投放次数；最后一根柱为未结束的一天。", "Deposits a day, of the devices that count them; the last bar is a day that is not over yet."), "none", 12, 8).
				influx(summed("waste", "deposits", "1d", ", community"), "$tag_community").bars(true).step("1d"),
			series(l, l.t("近 24 小时投放与称重", "Deposits and weight, 24 h"), l.t("滚动 24 小时内的投放次数和净重（千克），按垃圾类别（实时计数）。", "Deposits of the last 24 h, rolling, and their net weight in kg, by waste stream, as they are counted live."), "none", 12, 8).
				over(fmt.Sprintf("sum by (stream) (increase(%swaste_deposits_total{%s}[1d])) > 0", Prefix, here), l.t("投放", "deposits")+" {{stream}}").
				over(fmt.Sprintf("sum by (stream) (increase(%swaste_mass_grams_total{%s}[1d])) / 1000", Prefix, here), l.t("千克", "kg")+" {{stream}}").step("1h").
				calls(prefixed(l.t("投放", "deposits"), streamNames(l))...).calls(prefixed(l.t("千克", "kg"), streamNames(l))...),
			series(l, l.t("近 24 小时清运次数", "Collections, 24 h"), l.t("各社区滚动 24 小时内的清运次数。", "Collections of the last 24 h, rolling, by community."), "none", 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%swaste_collections_total{%s}[1d]))", Prefix, here)), "{{name}}").step("1h"),
			series(l, l.t("近 24 小时满溢时间", "Time overfull, 24 h"), l.t("各社区垃圾桶滚动 24 小时内满溢的时间，各桶之和。", "Time bins were overfull in the last 24 h, rolling, summed over the bins of a community."), l.hours(), 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%swaste_bin_overflow_seconds_total{%s}[1d])) / 3600", Prefix, here)), "{{name}}").step("1h"),
			series(l, l.t("参与户比例", "Households that take part"), l.t("昨日投放过垃圾的户数占全部户数的比例。户以每日更换的编号计，不能识别是哪一户。", "Households that dropped something the day before, of all of the community. They are counted by numbers that change daily and tell nobody which they are."), "percentunit", 12, 8).
				over(named(fmt.Sprintf("sum by (community) (%[1]swaste_households{day=\"yesterday\",%[2]s}) / sum by (community) (%[1]scommunity_households{%[2]s} > 0)", Prefix, here)), "{{name}}").limits(0, 1).step("1d").nothing(l.t("投放点不区分户", "stations do not tell households apart")),
			series(l, l.t("投放准确率", "Deposits sorted right"), l.t("抽查的投放中正确的比例（30 天）。满溢度和重量不说明准确率；没有抽查就没有数字。", "Share of the inspected deposits that were sorted right, over 30 days. Fill levels and weights do not tell; without inspections there is no figure."), "percentunit", 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%[1]swaste_inspections_total{result=\"correct\",%[2]s}[30d])) / sum by (community) (increase(%[1]swaste_inspections_total{%[2]s}[30d]))", Prefix, here)), "{{name}}").limits(0, 1).step("1d"),
			table(l, l.t("最满的桶", "Fullest bins"), l.t("近 6 小时满溢度最高的 20 个桶；点击查看设备。", "The 20 fullest bins within 6 h; click for the device."), 12, 9).
				influx(most(latest("waste", "fill_level")), "").last("6h").
				columns("device", l.t("设备", "Device"), "community", l.t("社区", "Community"), "v", l.t("满溢度", "Fill level"), "Time", l.t("时间", "Time")).
				override(override(l.t("满溢度", "Fill level"), Property{"unit", "percentunit"}, Property{"decimals", 0}), deviceLink(l, "waste"), textColumn(l.t("社区", "Community"))).sorted(l.t("满溢度", "Fill level"), true).communityNames(),
			alarmTable(l, "waste", 12, 9),
		},
	}
}

func gate(l site) *Dashboard {
	return &Dashboard{
		Title:       titles["gate"].in(l),
		Description: l.t("门禁通行与异常，只有汇总人次，不含个人信息。", "Passes through gates and what is wrong with them; sums only, no persons."),
		Templating:  Templating{append(sources(l), communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("今日进入", "In today"), l.t("今日进入人次（北京时间）。", "Passes in since midnight, Beijing time."), "none", 4).influx(countedToday("gate", "pass_in"), "").decimals(0),
			stat(l, l.t("今日离开", "Out today"), l.t("今日离开人次（北京时间）。", "Passes out since midnight, Beijing time."), "none", 4).influx(countedToday("gate", "pass_out"), "").decimals(0),
			stat(l, l.t("开着的门", "Gates open"), l.t("近 2 小时最后状态为开的门的比例。", "Share of the gates whose last state within two hours is open."), "percentunit", 4).influx("SELECT mean(v) FROM ("+latest("gate", "door_open")+")", "").last("2h").decimals(0).levels(green, 0.2, orange),
			stat(l, l.t("强行开门", "Forced open"), l.t("强行开门的未恢复告警数。", "Open alarms of gates forced open."), "none", 4).now(alarms("gate", `kind="forced_open"`), "").decimals(0).levels(green, 1.0, red),
			onlineTile(l, "gate", 4), alarmTile(l, "gate", 4),
			series(l, l.t("每小时通行", "Passes an hour"), l.t("近 7 天每小时进入与离开人次；最后一根柱为未结束的一小时。", "Passes in and out an hour, over the last 7 days; the last bar is an hour that is not over yet."), "none", 24, 8).
				influx(summed("gate", "pass_in", "1h", ""), l.t("进入", "in")).influx(summed("gate", "pass_out", "1h", ""), l.t("离开", "out")).bars(true).step("1h").last("7d"),
			series(l, l.t("每日进入，按社区", "Passes in a day"), l.t("各社区每日进入人次；最后一根柱为未结束的一天。", "Passes in a day, by community; the last bar is a day that is not over yet."), "none", 12, 8).
				influx(summed("gate", "pass_in", "1d", ", community"), "$tag_community").bars(true).step("1d"),
			series(l, l.t("事件", "Events"), l.t("门禁事件次数，按种类：授权、拒绝、强行开门等；最后一根柱为未结束的一小时。", "Events of gates by type: granted, denied, forced and so on; the last bar is an hour that is not over yet."), "none", 12, 8).
				influx(fmt.Sprintf("SELECT count(active) FROM %s WHERE facility = 'gate' AND %s AND $timeFilter GROUP BY time(1h), \"type\" fill(none)", eventsMeasurement, influxIn), "$tag_type").bars(true).step("1h").calls(eventNames(l)...).calls(kindNamePairs(l)...),
			ranking(l, l.t("开着的门，按社区", "Gates open by community"), l.t("各社区当前开着的门数。", "Gates that are open now, by community."), "none", 12, 8).
				now(named(fmt.Sprintf("sum by (community) (%sgates_open{%s})", Prefix, here)), "").
				places(l, true, "gate").decimals(0),
			series(l, l.t("通行速率", "Passes"), l.t("每小时通行人次，按方向（实时计数）。", "Passes an hour by direction, as they are counted live."), "none", 12, 8).
				over(fmt.Sprintf("sum by (direction) (increase(%sgate_passes_total{%s}[1h]))", Prefix, here), "{{direction}}").calls("in", l.t("进入", "in"), "out", l.t("离开", "out")),
			series(l, l.t("近 24 小时开门时间", "Time open, 24 h"), l.t("各社区滚动 24 小时内开门的时间，各门之和。", "Time gates were open in the last 24 h, rolling, summed over the gates of a community."), l.hours(), 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%sgate_open_seconds_total{%s}[1d])) / 3600", Prefix, here)), "{{name}}").step("1h"),
			series(l, l.t("近 24 小时强行与长时间开门", "Forced and held open, 24 h"), l.t("滚动 24 小时内上报的强行开门和长时间未关次数。", "Reports of the last 24 h, rolling, of gates forced or held open."), "none", 12, 8).
				over(fmt.Sprintf("sum(increase(%sgate_forced_total{%s}[1d]))", Prefix, here), l.t("强行", "forced")).
				over(fmt.Sprintf("sum(increase(%sgate_held_open_total{%s}[1d]))", Prefix, here), l.t("未关", "held open")).step("1h"),
			series(l, l.t("门禁可用率", "Availability"), l.t("30 天内在线时间占应在线时间的比例。静默超过 3 小时为未知，不计在线。", "Time heard of over the time scheduled, in 30 days. A silence of more than 3 h is not known, and not up."), "percentunit", 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%[1]sgate_up_seconds_total{%[2]s}[30d])) / sum by (community) (increase(%[1]sgate_scheduled_seconds_total{%[2]s}[30d]))", Prefix, here)), "{{name}}").limits(0, 1).step("1d"),
			series(l, l.t("近 24 小时长时间未关", "Time held open, 24 h"), l.t("各社区滚动 24 小时内上报未关之后门开着的时间。", "Time of the last 24 h, rolling, that gates stayed open after they said that they are held open."), l.hours(), 12, 8).
				over(named(fmt.Sprintf("sum by (community) (increase(%sgate_held_open_seconds_total{%s}[1d])) / 3600", Prefix, here)), "{{name}}").step("1h"),
			alarmKinds(l, "gate", 8, 9),
			alarmTable(l, "gate", 16, 9),
		},
	}
}

func community(l site) *Dashboard {
	one := communityVariable(l, false)
	count := func(name string) string { return fmt.Sprintf("sum(%s%s{%s})", Prefix, name, here) }
	return &Dashboard{
		Title:       titles["community"].in(l),
		Description: l.t("一个社区的四类设施、告警与设备。", "The facilities, alarms and devices of one community."),
		Templating:  Templating{append(sources(l), one)},
		Panels: []*Panel{
			stat(l, l.t("户数", "Households"), l.t("台账中的户数。", "Households by the inventory."), "none", 3).now(count("community_households"), "").decimals(0),
			stat(l, l.t("设备", "Devices"), l.t("台账或报文中的设备数。", "Devices listed or heard of."), "none", 3).now(count("devices"), "").decimals(0),
			onlineTile(l, "", 3), alarmTile(l, "", 3),
			stat(l, l.t("今日用水", "Water today"), l.t("今日用水（北京时间），取自用量账；读数可疑的时段不计。", "Water since midnight, Beijing time, from the book of use; time of which the registers say nothing sure is left out."), "m3", 3).influx(usedToday("water", usage.Water), "").decimals(1),
			stat(l, l.t("今日照明用电", "Lighting today"), l.t("今日用电（北京时间），取自用量账；读数可疑的时段不计。", "Energy since midnight, Beijing time, from the book of use; time of which the registers say nothing sure is left out."), "kwatth", 3).influx(usedToday("lighting", usage.Electricity), "").decimals(1),
			stat(l, l.t("平均满溢度", "Mean fill level"), l.t("近 6 小时各桶最后满溢度的平均。", "Mean of the bins' last fill level within 6 h."), "percentunit", 3).influx("SELECT mean(v) FROM ("+latest("waste", "fill_level")+")", "").last("6h").decimals(0),
			stat(l, l.t("今日进入", "Passes in today"), l.t("今日门禁进入人次（北京时间）。", "Passes in through gates since midnight, Beijing time."), "none", 3).
				influx(countedToday("gate", "pass_in"), "").decimals(0),
			alarmTable(l, "", 16, 9), alarmKinds(l, "", 8, 9),
			series(l, l.t("每小时用水", "Water an hour"), l.t("每小时用水；最后一根柱为未结束的一小时。", "Water an hour; the last bar is an hour that is not over yet."), "m3", 12, 8).influx(totalBy("water", usage.Water, "1h"), l.t("用水", "water")).bars(false).step("1h"),
			series(l, l.t("每灯平均功率", "Mean power per lamp"), l.t("每盏灯的平均功率：白天应接近零。", "Mean power of a lamp: near zero by day."), "suffix:W", 12, 8).influx(meanBy("lighting", "active_power", "mean"), l.t("功率", "power")).step("1h"),
			series(l, l.t("平均满溢度", "Fill level"), l.t("桶的平均满溢度。", "Mean fill level of the bins."), "percentunit", 12, 8).influx(meanBy("waste", "fill_level", "mean"), l.t("满溢度", "fill level")).limits(0, 1).step("1h"),
			series(l, l.t("每小时进入", "Passes in an hour"), l.t("每小时门禁进入人次；最后一根柱为未结束的一小时。", "Passes in through gates an hour; the last bar is an hour that is not over yet."), "none", 12, 8).
				influx(summed("gate", "pass_in", "1h", ""), l.t("进入", "in")).bars(false).step("1h"),
			table(l, l.t("最新读数时间", "Latest readings"), l.t("各类设施最新读数的时间。", "When the latest reading of each facility is of."), 8, 8).
				now(fmt.Sprintf("max by (facility) (%sfacility_last_reading_timestamp_seconds{%s}) * 1000", Prefix, here), "").
				columns("facility", l.t("设施", "Facility"), "Value", l.t("最新读数", "Latest"), "Time", "").
				override(override(l.t("设施", "Facility"), Property{"mappings", facilityWords(l)}), override(l.t("最新读数", "Latest"), Property{"unit", "dateTimeFromNow"})),
			stat(l, l.t("被代表的告警", "Inhibited alarms"), l.t("由回路、网关或社区告警代表、未单列的告警数。", "Open alarms that the alarm of a feeder, gateway or community stands for."), "none", 4).
				now(fmt.Sprintf("sum(%[1]sanomalies_inhibited{%[2]s}) or 0 * sum(%[1]sdevices{%[2]s})", Prefix, here), "").decimals(0),
			table(l, l.t("设备数", "Devices by facility"), l.t("各类设施的设备数：在线、离线、从未上报。", "Devices of each facility: online, offline, never heard of."), 12, 8).
				now(fmt.Sprintf("sum by (facility, state) (%sdevices{%s})", Prefix, here), "").
				columns("facility", l.t("设施", "Facility"), "state", l.t("状态", "State"), "Value", l.t("设备数", "Devices"), "Time", "").
				override(override(l.t("设施", "Facility"), Property{"mappings", facilityWords(l)}),
					override(l.t("状态", "State"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{
						"online": map[string]any{"text": l.t("在线", "online"), "color": green}, "offline": map[string]any{"text": l.t("离线", "offline"), "color": red}, "never": map[string]any{"text": l.t("从未上报", "never"), "color": grey}}}}})),
		},
	}
}

func programme(l site) *Dashboard {
	stage := func(s string) string { return fmt.Sprintf(`sum(%sprogramme_communities{stage="%s"})`, Prefix, s) }
	tile := func(name, description, s string) *Panel {
		return stat(l, name, description, "none", 3).now(stage(s), "").decimals(0)
	}
	share := func(name, s string) *Panel {
		return stat(l, name, l.t("占全部城市社区的比例，目标 60%。", "Share of all urban communities; the target is 60 %."), "percentunit", 4).now(stage(s)+" / "+stage("all"), "").decimals(1).levels(orange, 0.6, green)
	}
	return &Dashboard{
		Title:       titles["programme"].in(l),
		Description: l.t("绿色社区创建进度：全部、参加、达标，对照 60% 目标。", "Progress of the programme: all, participating and met, against 60 %."),
		Refresh:     "15m",
		Templating:  Templating{sources(l)[:1]},
		Panels: []*Panel{
			tile(l.t("全部城市社区", "Urban communities"), l.t("台账中的社区总数，是比例的分母。", "All communities of the inventory: what the shares are of."), "all"),
			tile(l.t("参加创建", "Participating"), l.t("参加创建的社区数。", "Communities that take part."), "participating"),
			tile(l.t("达标", "Met"), l.t("达到要求的社区数。", "Communities that meet the requirements."), "met"),
			tile(l.t("命名", "Named"), l.t("已命名的绿色社区数。", "Communities named a green community."), "named"),
			stat(l, l.t("距目标", "To the target"), l.t("达到 60% 还需达标的社区数。", "Communities that have still to meet the requirements for 60 %."), "none", 4).
				now(fmt.Sprintf("clamp_min(ceil(0.6 * %s) - %s, 0)", stage("all"), stage("met")), "").decimals(0).levels(green, 1.0, orange),
			share(l.t("参加比例", "Participating, share"), "participating"), share(l.t("达标比例", "Met, share"), "met"),
			stat(l, l.t("滞后社区", "Communities behind"), l.t("未参与，或参与而仍有事项未达标的社区数，据工作台账。", "Communities that do not take part, or have items that are not met, by the ledger."), "none", 4).
				now("sum("+Prefix+"ledger_behind)", "").decimals(0).levels(green, 1.0, orange),
			stat(l, l.t("试点达标", "Pilots that met it"), l.t("达标的试点社区数。", "Pilot communities that meet the requirements."), "none", 4).
				now(fmt.Sprintf(`count(%[1]scommunity_info{pilot="true", stage=~"met|named"}) or 0 * count(%[1]scommunity_info{pilot="true"})`, Prefix), "").decimals(0).levels(orange, 1.0, green),
			deadline(l, l.t("季度报送还剩", "Quarter's report due in"), l.t("距本季度报送截止日的天数；每季度最后十天报送。", "Days until the quarter's report is due, in its last ten days."), "quarter"),
			deadline(l, l.t("十月底总结还剩", "Year's summary due in"), l.t("距十月底年度总结的天数。", "Days until the year's summary of the towns is due, at the end of October."), "october"),
			stat(l, l.t("台账表格错误", "Mistakes of the table"), l.t("上次读取的台账表格中的错误数；不为 0 时整表未采用，错误见内置页面。", "Mistakes of the clerk's table that was read last; nothing of it is taken while there are any. The built-in page lists them."), "none", 4).
				now("max("+Prefix+"ledger_file_problems)", "").decimals(0).levels(green, 1.0, red),
			stat(l, l.t("台账更改（7 天）", "Changes of the ledger, 7 d"), l.t("近 7 天更改的台账项数。", "Values of the ledger that were changed in 7 days."), "none", 4).
				now("sum(increase("+Prefix+"ledger_changes_total[7d]))", "").decimals(0),
			ledgerTable(l), itemTable(l),
			table(l, l.t("创建社区清单", "List of communities"), l.t("台账中的社区：镇街、是否试点、阶段、户数、设备在线率。点击社区查看详情。", "The communities of the inventory: town, pilot, stage, households, devices online. Click one for its details."), 24, 14).
				now(fmt.Sprintf("max by (community, name, town, stage, pilot) (%scommunity_info)", Prefix), "").
				now(fmt.Sprintf("sum by (community) (%scommunity_households)", Prefix), "").
				now(fmt.Sprintf("sum by (community) (%scommunity_population)", Prefix), "").
				now(online(" by (community) ", `community!=""`), "").
				transform("joinByField", map[string]any{"byField": "community", "mode": "outer"}).
				columns("name", l.t("社区", "Community"), "town", l.t("镇街", "Town"), "pilot", l.t("试点", "Pilot"), "stage", l.t("阶段", "Stage"), "Value #B", l.t("户数", "Households"), "Value #C", l.t("人口", "Persons"), "Value #D", l.t("在线率", "Online"),
					"Value #A", "", "Time", "", "Time 1", "", "Time 2", "", "Time 3", "", "Time 4", "").sorted(l.t("社区", "Community"), false).
				override(outOfSight("community"), textColumn(l.t("镇街", "Town")),
					override(l.t("在线率", "Online"), Property{"unit", "percentunit"}, Property{"decimals", 1}),
					override(l.t("试点", "Pilot"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{"true": map[string]any{"text": l.t("是", "yes")}, "false": map[string]any{"text": l.t("否", "no")}}}}}),
					override(l.t("阶段", "Stage"), Property{"mappings", []any{map[string]any{"type": "value", "options": map[string]any{"": map[string]any{"text": l.t("未参加", "not yet"), "color": grey}, "participating": map[string]any{"text": l.t("参加", "participating")}, "met": map[string]any{"text": l.t("达标", "met"), "color": green}, "named": map[string]any{"text": l.t("命名", "named"), "color": green}}}}}),
					override(l.t("社区", "Community"), Property{"links", []DataLink{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", "var-community=${__data.fields.community}")}}})),
			table(l, l.t("没有坐标的社区", "Communities without coordinates"), l.t("台账中没有坐标、因而不在总览地图上的社区。在台账中补上 lat 和 lon。", "Communities of the inventory without coordinates, which the map of the overview leaves out. Give their lat and lon in the inventory."), 24, 5).
				now(fmt.Sprintf(`max by (community, name, town) (%scommunity_info{latitude=""})`, Prefix), "").
				columns("name", l.t("社区", "Community"), "town", l.t("镇街", "Town"), "Value", "", "Time", "").sorted(l.t("社区", "Community"), false).
				nothing(l.t("全部社区都有坐标", "all communities have coordinates")).
				override(outOfSight("community"), textColumn(l.t("镇街", "Town")),
					textColumn(l.t("社区", "Community"), Property{"links", []DataLink{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", "var-community=${__data.fields.community}")}}})),
		},
	}
}

// deadline is a tile of the days until something is due.
func deadline(l site, name, description, what string) *Panel {
	return stat(l, name, description, "suffix:"+l.t("天", "days"), 4).
		now(fmt.Sprintf(`max((%sledger_deadline_timestamp_seconds{what="%s"} - time()) / 86400)`, Prefix, what), "").decimals(0).levels(red, 3.0, orange, 10.0, green)
}

// ledgerTable is the items of each community by what the ledger says, those with the
// fewest that are met first.
func ledgerTable(l site) *Panel {
	name, met, notMet, pending, renovated := l.t("社区", "Community"), l.t("达标", "Met"), l.t("未达标", "Not met"), l.t("待核", "To be checked"), l.t("2021 年改造小区", "Compounds renovated in 2021")
	count := func(status string) string {
		return fmt.Sprintf(`sum by (community) (%sledger_items{status="%s"})`, Prefix, status)
	}
	return table(l, l.t("各社区事项", "Items by community"), l.t("工作台账：各社区达标、未达标、待核的事项数，达标最少的在前；以及 2021 年改造的小区数。", "The ledger: items of each community that are met, not met and to be checked, fewest met first; and compounds renovated in 2021."), 12, 11).
		now(named(count("met")), "").now(count("not_met"), "").now(count("pending"), "").
		now(fmt.Sprintf(`sum by (community) (%sledger_compounds_renovated{year="2021"})`, Prefix), "").
		transform("joinByField", map[string]any{"byField": "community", "mode": "outer"}).
		columns("name", name, "Value #A", met, "Value #B", notMet, "Value #C", pending, "Value #D", renovated, "Time", "", "Time 1", "", "Time 2", "", "Time 3", "", "Time 4", "").sorted(met, false).
		override(outOfSight("community"), override(renovated, Property{"noValue", ""}),
			override(notMet, Property{"thresholds", Thresholds{"absolute", []Step{{green, nil}, {orange, ptr(0.5)}}}}, Property{"custom.cellOptions", map[string]any{"type": "color-text"}}),
			override(name, Property{"links", []DataLink{{Title: l.t("查看社区", "Show the community"), URL: l.link("community", "var-community=${__data.fields.community}")}}}))
}

// itemTable is the communities by item of the standard, those met by the fewest first.
func itemTable(l site) *Panel {
	number, title, met, notMet, pending := l.t("编号", "Number"), l.t("事项", "Item"), l.t("达标", "Met"), l.t("未达标", "Not met"), l.t("待核", "To be checked")
	count := func(status string) string {
		return fmt.Sprintf(`sum by (item) (%sledger_item_communities{status="%s"})`, Prefix, status)
	}
	return table(l, l.t("各事项", "By item"), l.t("工作台账：每个事项达标、未达标、待核的社区数，达标最少的在前。", "The ledger: communities by what is said of each item, met by the fewest first."), 12, 11).
		now(fmt.Sprintf("(%s) * on (item) group_left (title) group by (item, title) (%sledger_item_info)", count("met"), Prefix), "").now(count("not_met"), "").now(count("pending"), "").
		transform("joinByField", map[string]any{"byField": "item", "mode": "outer"}).
		columns("item", number, "title", title, "Value #A", met, "Value #B", notMet, "Value #C", pending, "Time", "", "Time 1", "", "Time 2", "", "Time 3", "").sorted(met, false).
		override(textColumn(number, Property{"custom.width", 60}), textColumn(title, Property{"custom.minWidth", 200}))
}

func vendors(l site) *Dashboard {
	vendor := &Variable{Name: "vendor", Label: l.t("厂商", "Vendor"), Type: "query", Datasource: promSource,
		Query: map[string]any{"query": "query_result(" + Prefix + "vendor_info)", "refId": "vendor"},
		Regex: `/[{,]name="(?<text>[^"]+)".*vendor="(?<value>[^"]+)"/`, Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".*",
		Current: map[string]any{"selected": true, "text": []string{l.t("全部", "All")}, "value": []string{"$__all"}}}
	v := `vendor=~"$vendor"`
	none := l.t("没有拒收", "none refused")
	over := func(metric, by, window string) string {
		return fmt.Sprintf("sum by (%s) (increase(%s%s{%s}[%s]))", by, Prefix, metric, v, window)
	}
	score := table(l, l.t("厂商数据质量（24 小时）", "Quality, 24 h"), l.t("各厂商近 24 小时的读数，其中迟到、乱序、重复、时间超界和无含义字段的数量，静默次数，按序号缺失的报文，当前静默设备、时钟偏差与最近报文。",
		"Readings of the last 24 h by vendor; those late, out of order, repeated, with a time out of bounds or of no meaning; silences; messages missing by their numbers; devices silent now, clock offset and last message."), 24, 9)
	names := []string{"name", l.t("厂商", "Vendor"), "vendor", ""}
	for _, c := range []struct{ metric, zh, en string }{
		{"vendor_readings_total", "读数", "Readings"}, {"vendor_late_readings_total", "迟到", "Late"}, {"vendor_out_of_order_readings_total", "乱序", "Out of order"},
		{"vendor_duplicate_readings_total", "重复", "Repeated"}, {"vendor_times_replaced_total", "时间超界", "Times replaced"}, {"vendor_unmapped_values_total", "无含义值", "Unmapped"}, {"vendor_gaps_total", "静默次数", "Gaps"}, {"vendor_messages_missing_total", "缺失报文", "Missing"},
	} {
		score.now(l.vendorNamed(over(c.metric, "vendor", "24h")), "")
		names = append(names, "Value #"+score.Targets[len(score.Targets)-1].RefID, l.t(c.zh, c.en))
		score.override(override(l.t(c.zh, c.en), Property{"decimals", 0}, Property{"custom.width", 95}))
	}
	for _, c := range []struct{ metric, zh, en, unit, scale string }{
		{"vendor_unmapped_fields", "无含义字段", "Fields unmapped", "none", ""}, {"vendor_silent_devices", "静默设备", "Silent devices", "none", ""},
		{"vendor_clock_offset_seconds", "时钟偏差", "Clock offset", "s", ""}, {"vendor_last_message_timestamp_seconds", "最近报文", "Last message", "dateTimeFromNow", " * 1000"},
	} {
		score.now(l.vendorNamed(fmt.Sprintf("max by (vendor) (%s%s{%s})%s", Prefix, c.metric, v, c.scale)), "")
		names = append(names, "Value #"+score.Targets[len(score.Targets)-1].RefID, l.t(c.zh, c.en))
		score.override(override(l.t(c.zh, c.en), Property{"unit", c.unit}, Property{"custom.width", 95}))
	}
	score.transform("merge", map[string]any{}).columns(append(names, "Time", "")...).sorted(l.t("厂商", "Vendor"), false)
	return &Dashboard{
		Title:       titles["vendors"].in(l),
		Description: l.t("各厂商报文的接收与拒收及原因。", "What each vendor publishes, what is refused and why."),
		Templating:  Templating{append(sources(l)[:1], vendor)},
		Panels: []*Panel{
			table(l, l.t("厂商记分卡（24 小时）", "Scorecard, 24 h"), l.t("近 24 小时各厂商的报文数、拒收报文数、被拒读数与拒收比例，拒收最多的在前。",
				"Messages of the last 24 h by vendor, those refused, single readings refused, and the share refused, most refused first."), 24, 9).
				now(l.vendorNamed(over("messages_received_total", "vendor", "24h")), "").
				now(l.vendorNamed(over("messages_rejected_total", "vendor", "24h")), "").
				now(l.vendorNamed(over("readings_refused_total", "vendor", "24h")), "").
				now(l.vendorNamed(over("messages_rejected_total", "vendor", "24h")+" / ("+over("messages_received_total", "vendor", "24h")+" > 0)"), "").
				transform("merge", map[string]any{}).
				columns("name", l.t("厂商", "Vendor"), "Value #A", l.t("报文", "Messages"), "Value #B", l.t("拒收报文", "Refused"), "Value #C", l.t("被拒读数", "Readings refused"), "Value #D", l.t("拒收比例", "Share refused"), "vendor", "", "Time", "").
				sorted(l.t("拒收比例", "Share refused"), true).
				override(override(l.t("报文", "Messages"), Property{"decimals", 0}), override(l.t("拒收报文", "Refused"), Property{"decimals", 0}), override(l.t("被拒读数", "Readings refused"), Property{"decimals", 0}),
					override(l.t("拒收比例", "Share refused"), Property{"unit", "percentunit"}, Property{"decimals", 2},
						Property{"thresholds", Thresholds{"absolute", []Step{{green, nil}, {orange, ptr(0.01)}, {red, ptr(0.05)}}}}, Property{"custom.cellOptions", map[string]any{"type": "color-background"}})),
			score,
			series(l, l.t("报文速率", "Messages"), l.t("各厂商每秒报文数；降到零即断流。", "Messages a second by vendor; zero is silence."), l.rate(), 12, 9).
				over(l.vendorNamed(fmt.Sprintf("sum by (vendor) (rate(%smessages_received_total{%s}[$__rate_interval]))", Prefix, v)), "{{name}}"),
			series(l, l.t("拒收速率", "Refused"), l.t("各厂商每秒拒收报文数；原因见下。", "Messages refused a second, by vendor; the reasons are below."), l.rate(), 12, 9).
				over(l.vendorNamed(fmt.Sprintf("sum by (vendor) (rate(%smessages_rejected_total{%s}[$__rate_interval]))", Prefix, v)), "{{name}}"),
			ranking(l, l.t("拒收原因（24 小时）", "Reasons, 24 h"), l.t("近 24 小时拒收报文数，按原因；含义见厂商接入文档。", "Messages refused in 24 h by reason; the vendors' document says what to do."), "none", 12, 9).
				now(orNone(over("vendor_messages_rejected_total", "reason", "24h"), "reason"), "").rows(l, "reason", l.t("原因", "Reason"), true).decimals(0).levels(green, 0.5, orange).
				override(override(l.t("原因", "Reason"), Property{"mappings", reasonWords(l)})).nothing(none),
			ranking(l, l.t("配额已用", "Quota used"), l.t("各厂商未登记设备、通道名和事件类型的配额已用多少；用满后新的会被拒收。",
				"How much of its quota of unlisted devices, channel names and event types each vendor has used; once full, further ones are refused."), "percentunit", 24, 6).
				now(fmt.Sprintf("topk(10, %svendor_quota_used_ratio{%s} > 0) * on (vendor) group_left (name) group by (vendor, name) (%[1]svendor_info)", Prefix, v), "").
				rows(l, "name", l.t("厂商", "Vendor"), true, "vendor").decimals(0).levels(green, 0.8, orange, 1.0, red).nothing(l.t("没有用到配额", "no quota is used")).
				override(override("quota", Property{"displayName", l.t("配额", "Quota")}, Property{"mappings", words("devices", l.t("未登记设备", "unlisted devices"), "channels", l.t("通道名", "names of channels"), "types", l.t("事件类型", "types of events"))})),
			ranking(l, l.t("被拒读数原因（24 小时）", "Readings refused, 24 h"), l.t("近 24 小时在已接收报文中被单独拒绝的读数，按原因。", "Single readings refused in 24 h within messages that were accepted, by reason."), "none", 12, 9).
				now(orNone(over("vendor_values_refused_total", "reason", "24h"), "reason"), "").rows(l, "reason", l.t("原因", "Reason"), true).decimals(0).levels(green, 0.5, orange).
				override(override(l.t("原因", "Reason"), Property{"mappings", reasonWords(l)})).nothing(none),
		},
	}
}

func ingester(l site) *Dashboard {
	m := func(name string) string { return Prefix + name }
	rate := func(name string) string { return "rate(" + m(name) + "[$__rate_interval])" }
	quantile := func(p *Panel, histogram string) *Panel {
		for _, q := range []string{"0.5", "0.95", "0.99"} {
			p.over(fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket[$__rate_interval])))", q, m(histogram)), "p"+(q + "0")[2:4]) // the median is p50
		}
		return p
	}
	yesNo := func(p *Panel, bad string) *Panel {
		good := map[string]string{"0": "1", "1": "0"}[bad]
		return p.says(bad, map[string]string{"0": l.t("否", "no"), "1": l.t("是", "yes")}[bad], red, good, map[string]string{"0": l.t("否", "no"), "1": l.t("是", "yes")}[good], green)
	}
	service := `job="greencommunity"`
	return &Dashboard{
		Title:       titles["ingester"].in(l),
		Description: l.t("采集服务自身：连接、账目、日志、入库时延。", "The ingester itself: connection, account, journal, delays."),
		Time:        TimeRange{"now-6h", "now"}, Refresh: "30s",
		Templating: Templating{sources(l)[:1]},
		Panels: []*Panel{
			yesNo(stat(l, l.t("服务在运行", "Running"), l.t("Prometheus 能否抓取到采集服务。", "Whether Prometheus can scrape the ingester."), "none", 3).now("min(up{"+service+"})", ""), "0"),
			yesNo(stat(l, l.t("已连接代理", "Broker connected"), l.t("是否已连接 MQTT 代理并完成订阅。", "Whether the broker is connected and all filters are subscribed."), "none", 3).now("min("+m("mqtt_connected")+")", ""), "0"),
			yesNo(stat(l, l.t("InfluxDB 待人工处理", "InfluxDB held"), l.t("写入在等待人工处理：令牌、存储桶、地址或证书，见 why 标签。", "Writing waits for a hand: token, bucket, address or certificate; the label why says which."), "none", 3).now("max("+m("influxdb_held")+")", ""), "1"),
			stat(l, l.t("待处理报文", "Pending"), l.t("已落盘、等待入库确认的报文数。", "Messages on disk that wait for InfluxDB's word."), "none", 3).now("sum("+m("messages_pending")+")", "").decimals(0).levels(green, 100000.0, orange, 1000000.0, red),
			stat(l, l.t("最早待入库", "Oldest to store"), l.t("尚未入库的最早报文的时长。", "Age of the oldest message not stored yet."), "s", 3).now(`max(`+m("journal_oldest_pending_seconds")+`{reader="store"})`, "").decimals(0).levels(green, 60.0, orange, 600.0, red),
			stat(l, l.t("日志大小", "Journal"), l.t("日志占用的磁盘空间。", "Size of the journal on disk."), "bytes", 3).now("sum("+m("journal_bytes")+")", "").decimals(1),
			stat(l, l.t("日志错误", "Journal errors"), l.t("近 24 小时日志写入错误与损坏文件数；任何非零值都要查。", "Errors and damaged files of the journal in 24 h: anything but 0 must be looked into."), "none", 3).
				now(fmt.Sprintf("sum(increase(%s[24h])) + sum(increase(%s[24h]))", m("journal_errors_total"), m("journal_corruptions_total")), "").decimals(0).levels(green, 0.5, red),
			stat(l, l.t("账目差额", "Account"), l.t("接收－入库－重复－拒收－忽略－待处理，恒为 0。", "Received less stored, duplicate, refused, ignored and pending: always 0."), "none", 3).
				now(fmt.Sprintf("sum(%s) - sum(%s) - sum(%s) - (sum(%s) or vector(0)) - sum(%s) - sum(%s)", m("messages_received_total"), m("messages_stored_total"), m("messages_duplicate_total"), m("messages_rejected_total"), m("messages_ignored_total"), m("messages_pending")), "").
				decimals(0).levels(red, 0.0, green, 1.0, red),
			stat(l, l.t("证书到期", "Certificates expire"), l.t("代理、InfluxDB 和 watch_tls 各地址的证书还有多久到期；三十天前告警。", "How long the certificates of broker, InfluxDB and the addresses of watch_tls are good; 30 days before their end there is an alert."), "s", 4).
				now("min by (peer) ("+m("tls_certificate_expiry_timestamp_seconds")+") - time()", "{{peer}}").decimals(0).levels(red, 2*86400.0, orange, 30*86400.0, green),
			stat(l, l.t("丢失的报文", "Lost messages"), l.t("近 24 小时发现的、已确认但在日志中损坏或丢失的报文。", "Messages acknowledged and then damaged or gone in the journal, found in 24 h."), "none", 4).
				now("sum(increase("+m("messages_lost_total")+"[24h]))", "").decimals(0).levels(green, 0.5, red),
			stat(l, l.t("致命报文", "Fatal messages"), l.t("两次使进程终止、不再解码的报文，以及最近一次认定的时间。", "Messages that ended the process twice and are not decoded again, and when one was last found."), "none", 4).
				now("sum("+m("poison_messages")+")", "").decimals(0).levels(green, 0.5, red),
			yesNo(stat(l, l.t("一天内认定", "Found in a day"), l.t("一天内是否认定过致命报文。", "Whether a fatal message was found within a day."), "none", 4).
				now("max(time() - "+m("poison_found_timestamp_seconds")+" < bool 86400)", ""), "1"),
			stat(l, l.t("停用的解码脚本", "Decoders off"), l.t("无法编译或卡住的厂商脚本数，按厂商。", "Vendors' decoders that do not compile or got stuck, by vendor."), "none", 4).
				now("sum by (vendor) ("+m("codecs")+`{state!="usable"})`, l.t("已停用", "off")+" {{vendor}}").decimals(0).levels(green, 0.5, red),
			stat(l, l.t("程序版本与台账", "Version and inventory"), l.t("在运行的程序版本和实例数；台账中的厂商数。", "Versions of the program that run, and on how many instances; vendors of the inventory."), "none", 4).
				now("count by (version, revision) ("+m("build_info")+")", "{{version}} {{revision}}").now("count(max by (vendor) ("+m("vendor_info")+"))", l.t("厂商", "vendors")).
				now("count("+m("shard")+")", l.t("分片", "shards")).now("sum("+m("standby")+")", l.t("备用", "standing by")).now("sum(increase("+m("clock_steps_total")+"[24h]))", l.t("时钟跳变（24 小时）", "clock steps, 24 h")).decimals(0).levels(green),
			series(l, l.t("报文", "Messages"), l.t("每秒接收、入库、重复、拒收、忽略的报文，以及识别出的重发和属于其他分片的报文。", "Messages a second: received, stored, duplicate, refused, ignored; repeats recognised, and those of other shards."), l.rate(), 12, 8).
				over("sum("+rate("messages_received_total")+")", l.t("接收", "received")).over(rate("messages_stored_total"), l.t("入库", "stored")).over(rate("messages_duplicate_total"), l.t("重复", "duplicate")).
				over("sum("+rate("messages_rejected_total")+")", l.t("拒收", "refused")).over(rate("messages_ignored_total"), l.t("忽略", "ignored")).over(rate("redeliveries_recognised_total"), l.t("识别的重发", "repeats recognised")).
				over(rate("messages_foreign_total"), l.t("其他分片", "of other shards")),
			series(l, l.t("读数", "Readings"), l.t("每秒接收的读数，按设施；以及迟到的读数。", "Readings a second by facility, and late ones."), l.rate(), 12, 8).
				over("sum by (facility) ("+rate("readings_total")+")", "{{facility}}").over(rate("readings_late_total"), l.t("迟到", "late")).calls(facilityNames(l)...),
			quantile(series(l, l.t("设备时间到入库", "Device time to stored"), l.t("从批次中最早的设备时间到入库确认；补传历史时会变大。", "From the earliest device time of a batch to its confirmation; a backfill makes it large."), "s", 8, 8), "message_delay_seconds"),
			quantile(series(l, l.t("日志落盘", "Journal fsync"), l.t("一组报文落盘的时间：决定确认的快慢。", "Time to make a group of messages durable: it bounds acknowledgement."), "s", 8, 8), "journal_fsync_seconds"),
			quantile(series(l, l.t("写入 InfluxDB", "Writes to InfluxDB"), l.t("写入请求的耗时。", "Time of a request that writes."), "s", 8, 8), "influxdb_write_seconds"),
			series(l, l.t("数据点与重试", "Points and retries"), l.t("每秒接收与拒绝的数据点，以及重试的请求。", "Points taken and refused a second, and requests tried again."), l.rate(), 12, 8).
				over("sum by (result) ("+rate("influxdb_points_total")+")", l.t("数据点", "points")+" {{result}}").over("sum by (answer) ("+rate("influxdb_retries_total")+")", l.t("重试", "retries")+" {{answer}}").
				calls(prefixed(l.t("数据点", "points"), []string{"stored", l.t("入库", "stored"), "refused", l.t("被拒", "refused")})...).
				calls(prefixed(l.t("重试", "retries"), answerNames(l))...),
			series(l, l.t("积压", "Backlog"), l.t("各读取方尚未处理的最早报文的时长，以及检查点和账目距上次写好的时间。", "Age of the oldest message each reader has still to deal with, and how long ago checkpoint and account were last written."), "s", 12, 8).over("max by (reader) ("+m("journal_oldest_pending_seconds")+")", "{{reader}}").
				over("max by (state) ("+m("checkpoint_age_seconds")+")", l.t("未写盘", "unwritten")+" {{state}}").over("max by (state) ("+m("state_damaged")+")", l.t("启动时损坏", "damaged at start")+" {{state}}").
				calls("store", l.t("入库", "store"), "observe", l.t("观测", "observe")).calls(prefixed(l.t("未写盘", "unwritten"), stateNames(l))...).calls(prefixed(l.t("启动时损坏", "damaged at start"), stateNames(l))...),
			series(l, l.t("代理连接", "Broker connection"), l.t("每小时连接、失败、拒绝的订阅、静默重连和丢失会话的次数。", "Connections, failures, refused subscriptions, silent reconnections and lost sessions an hour."), "none", 12, 8).
				over("increase("+m("mqtt_connects_total")+"[1h])", l.t("连接", "connections")).over("increase("+m("mqtt_connect_failures_total")+"[1h])", l.t("失败", "failures")).
				over("increase("+m("mqtt_subscriptions_refused_total")+"[1h])", l.t("拒绝的订阅", "refused subscriptions")).over("increase("+m("mqtt_silent_reconnects_total")+"[1h])", l.t("静默重连", "silent reconnections")).
				over("increase("+m("mqtt_sessions_lost_total")+"[1h])", l.t("丢失的会话", "lost sessions")),
			series(l, l.t("告警产生", "Alarms raised"), l.t("每小时产生的告警，按级别。", "Alarms raised an hour, by severity."), "none", 12, 8).over("sum by (severity) (increase("+m("anomalies_total")+"[1h]))", "{{severity}}").calls("info", l.t("提示", "info"), "warning", l.t("一般", "warning"), "critical", l.t("紧急", "critical")),
			series(l, l.t("处理器", "Processor"), l.t("采集服务占用的处理器核数。", "Processor cores the ingester uses."), "none", 8, 7).over("sum(rate(process_cpu_seconds_total{"+service+"}[$__rate_interval]))", l.t("核", "cores")),
			series(l, l.t("内存", "Memory"), l.t("采集服务的常驻内存。", "Resident memory of the ingester."), "bytes", 8, 7).over("sum(process_resident_memory_bytes{"+service+"})", l.t("常驻", "resident")),
			stat(l, l.t("截去的日志字节", "Torn bytes"), l.t("启动时截去的不完整日志尾部：断电后出现属正常。", "What was cut off the journal's end at the start: usual after a power cut."), "bytes", 8).now("sum("+m("journal_torn_bytes_total")+")", ""),
			series(l, l.t("未直接相减的累计读数", "Registers not simply subtracted"), l.t("每小时暂不采信、收回或跨越的累计读数，按原因；以及 InfluxDB 停用过久而丢失的表·小时。", "Reads of registers an hour that were held, taken back or went across, by reason; and hours of meters lost because InfluxDB was away."), "none", 24, 7).
				over("sum by (resource, reason) (increase("+m("usage_reads_total")+"{reason!=\"subtracted\"}[1h])) > 0", "{{resource}} {{reason}}").calls(readsOfResources(l)...).
				over("increase("+m("usage_points_lost_total")+"[1h])", l.t("丢失的表·小时", "hours lost")).
				over("increase("+m("place_hours_missed_readings_total")+"[1h])", l.t("过迟未计入小时的读数", "readings too late for their hour")),
		},
	}
}
