package dashboards

import (
	"fmt"

	alarmdesk "greencommunity/metrics/alarms"
)

// work is the board of alarms as work: is it handled, how soon, and how many were right.
func work(l site) *Dashboard {
	open := func(match string) string {
		if match != "" {
			match = ", " + match
		}
		return fmt.Sprintf("sum(%salarms_open{%s%s})", Prefix, here, match)
	}
	median := func(metric string) string {
		return fmt.Sprintf("histogram_quantile(0.5, sum by (le) (increase(%s%s_bucket[30d])))", Prefix, metric)
	}
	bad := func(p *Panel) *Panel { return p.says("1", l.t("是", "yes"), red, "0", l.t("否", "no"), green) }
	kind, precision, right, wrong := l.t("告警", "Alarm"), l.t("属实比例", "Right"), l.t("属实（90 天）", "Right, 90 d"), l.t("误报（90 天）", "False, 90 d")
	severity, place, device, compound, facility := l.t("级别", "Severity"), l.t("社区", "Community"), l.t("设备", "Device"), l.t("小区", "Compound"), l.t("设施", "Facility")
	return &Dashboard{
		Title:       titles["alarms"].in(l),
		Description: l.t("告警处置：未处理多少、多久有人确认、多久恢复、多少属实。", "Alarms as work: how many nobody has touched, how soon they are dealt with and cleared, and how many were right."),
		Templating:  Templating{append(sources(l)[:1], communityVariable(l, true))},
		Panels: []*Panel{
			stat(l, l.t("未处理", "Nobody has touched"), l.t("尚无人确认的告警数。", "Alarms that nobody has dealt with yet."), "none", 4).now(open(`status="open"`), "").decimals(0).levels(green, 1.0, orange),
			stat(l, l.t("处置中", "In hand"), l.t("已确认、已派单、处理中的告警数。", "Alarms acknowledged, assigned or being dealt with."), "none", 4).now(open(`status!="open"`), "").decimals(0),
			stat(l, l.t("超期", "Overdue"), l.t("超过期限未办结的告警数。", "Alarms that are not done and should have been by now."), "none", 4).now(fmt.Sprintf("sum(%salarms_overdue{%s})", Prefix, here), "").decimals(0).levels(green, 1.0, red),
			stat(l, l.t("静默中", "Silenced"), l.t("因静默、检修、节假日不通知的告警数，全部社区。", "Open alarms nobody is told of, by the schedule, of all communities."), "none", 4).now("sum("+Prefix+"alarms_silenced)", "").decimals(0),
			stat(l, l.t("确认用时", "Until dealt with"), l.t("近 30 天从告警到有人处置的时间，中位数。", "From when an alarm was told until a person dealt with it: median of 30 days."), "s", 4).now(median("alarm_time_to_acknowledge_seconds"), "p50"),
			stat(l, l.t("恢复用时", "Until cleared"), l.t("近 30 天从告警到恢复或关闭的时间，中位数。", "From when an alarm was told until it was over: median of 30 days."), "s", 4).now(median("alarm_time_to_clear_seconds"), "p50"),
			table(l, l.t("待办告警", "Alarms to see to"), l.t("需有人知晓的告警；处置在平台页面或消息链接中进行。", "Alarms somebody should know of; they are dealt with on the page or from the link in the message."), 14, 11).
				now(named(fmt.Sprintf("max by (alarm, severity, kind, community, compound, facility, device) (%salarm_active{%s})", Prefix, here)), "").nothing(l.t("没有待办告警", "nothing to see to")).
				columns("severity", severity, "kind", kind, "name", place, "compound", compound, "facility", facility, "device", device, "Time", "", "Value", "", "community", "", "alarm", "alarm").
				override(outOfSight("alarm"), textColumn(severity, Property{"mappings", severityWords(l)}, Property{"custom.cellOptions", map[string]any{"type": "color-background"}}, Property{"custom.width", 70}),
					textColumn(kind, append(l.dealtWith(), Property{"mappings", kindWords(l)}, Property{"custom.minWidth", 130})...), override(facility, Property{"mappings", facilityWords(l)}), textColumn(device), textColumn(compound)),
			table(l, l.t("属实比例，按种类", "How many were right, by kind"), l.t("经人核实的告警中属实的比例：确认后恢复的为属实，标为误报的为误报。", "Of the alarms people judged, those that were right: dealt with and cleared, and not called false."), 10, 11).
				now(fmt.Sprintf("max by (kind) (%salarm_precision_ratio)", Prefix), "").now(fmt.Sprintf(`sum by (kind) (increase(%salarms_judged_total{verdict="%s"}[90d])) > 0`, Prefix, alarmdesk.Right), "").now(fmt.Sprintf(`sum by (kind) (increase(%salarms_judged_total{verdict="%s"}[90d])) > 0`, Prefix, alarmdesk.Wrong), "").
				transform("joinByField", map[string]any{"byField": "kind", "mode": "outer"}).nothing(l.t("尚无核实", "none judged yet")).
				columns("kind", kind, "Value #A", precision, "Value #B", right, "Value #C", wrong, "Time", "", "Time 1", "", "Time 2", "", "Time 3", "").sorted(precision, false).
				override(textColumn(kind, Property{"mappings", kindWords(l)}, Property{"custom.minWidth", 130}), override(precision, Property{"unit", "percentunit"}, Property{"decimals", 0}), override(right, Property{"decimals", 0}), override(wrong, Property{"decimals", 0})),
			series(l, l.t("未办结", "Not done"), l.t("未办结的告警数，按处置状态。", "Alarms that are not done, by how far they have been dealt with."), "none", 12, 8).
				over(fmt.Sprintf("sum by (status) (%salarms_open{%s})", Prefix, here), "{{status}}").calls(statusNames(l)...),
			series(l, l.t("超限与历史", "Limits and history"), l.t("因厂商告警过多而未列出的告警、每小时未写入历史的告警。", "Alarms left out because their vendor has too many, and those an hour that are not in the history."), "none", 8, 8).
				over("sum by (vendor) ("+Prefix+"alarms_untold)", l.t("未列出", "left out")+" {{vendor}}").over("sum by (vendor) (increase("+Prefix+"alarms_unkept_total[1h]))", l.t("未写入历史", "not in the history")+" {{vendor}}"),
			stat(l, l.t("历史大小", "History"), l.t("告警处置历史的大小。", "Size of the history of alarms."), "bytes", 4).now("sum("+Prefix+"alarm_history_bytes)", ""),
			bad(stat(l, l.t("历史不能写入", "History broken"), l.t("历史不能写入时不能确认告警，须重启。", "While it cannot be written nothing can be acknowledged, until a restart."), "none", 4).now("max("+Prefix+"alarm_history_broken)", "")),
			bad(stat(l, l.t("安排文件有误", "Schedule wrong"), l.t("静默、检修、节假日文件有误（沿用之前的），或写了台账中没有的设备、社区、厂商。", "The file of silences, maintenance and holidays is wrong, and the one before in force; or it names devices, communities or vendors the inventory does not have."), "none", 4).now("1 - min("+Prefix+"alarm_schedule_valid) + max("+Prefix+"alarm_schedule_unknown)", "")),
		},
	}
}

// statusNames are the statuses of alarms, each with its name.
func statusNames(l site) []string {
	var names []string
	for _, s := range alarmdesk.Statuses() {
		t := s.Title()
		names = append(names, string(s), l.t(t.ZH, t.EN))
	}
	return names
}
