package dashboards

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/hourly"
)

// Metric is a metric of the service, as dashboards and documents use it. The package
// that counts it registers it by the same name, help and labels: a test reads the
// source, another a running service.
type Metric struct {
	Name   string
	Type   string // counter, gauge, histogram
	Labels []string
	Means  ingest.Text // English: the help of /metrics
	// When says what there has to be before the metric appears, "" if it is
	// always there. A test holds those without a When against a service.
	When ingest.Text
}

// units are those of metrics by what their names end in, before _total: the longest
// end counts. What ends in none of them is a number of things, or 1 and 0.
var units = []struct{ end, unit string }{
	{"_timestamp_seconds", "s (unix)"}, {"_seconds", "s"}, {"_bytes", "B"}, {"_bytes_per_second", "B/s"}, {"_ratio", "1"},
	{"_joules", "J"}, {"_watts", "W"}, {"_cubic_meters", "m³"}, {"_cubic_meters_per_hour", "m³/h"}, {"_liters_per_day", "L/d"},
	{"_kilograms", "kg"}, {"_grams", "g"}, {"_watts_per_square_meter", "W/m²"}, {"_kilograms_per_kilowatt_hour", "kg/kWh"},
	{"alarm_value", "label unit"}, {"system_quantity", "label unit"},
}

// Unit returns the unit of a metric's values, by its name; "" for a number of things.
func (m Metric) Unit() string {
	name, unit, longest := strings.TrimSuffix(m.Name, "_total"), "", 0
	for _, u := range units {
		if strings.HasSuffix(name, u.end) && len(u.end) > longest {
			unit, longest = u.unit, len(u.end)
		}
	}
	return unit
}

// Prefix is that of every metric of the service.
const Prefix = "greencommunity_"

var (
	always        = ingest.Text{}
	onHeard       = ingest.Text{ZH: "厂商首次上报后", EN: "once a vendor has published"}
	ofProgram     = ingest.Text{ZH: "由程序提供", EN: "of the program"}
	onCertificate = ingest.Text{ZH: "有 TLS 地址时", EN: "where an address has TLS"}
	onDevice      = ingest.Text{ZH: "有设备后", EN: "once there is a device"}
	onAlarm       = ingest.Text{ZH: "有可告警的设备后", EN: "once there are devices that can raise one"}
	onParent      = ingest.Text{ZH: "台账中有上级表（parent）并满一周后", EN: "once the inventory names parents of meters, a week later"}
	whileOpen     = ingest.Text{ZH: "有未办结的告警时", EN: "while an alarm is open"}
	onJudged      = ingest.Text{ZH: "有人核实过该类告警后", EN: "once somebody has judged one"}
	onBoundary    = ingest.Text{ZH: "台账中有计量边界后", EN: "once the inventory has a measurement boundary"}
	onVendor      = ingest.Text{ZH: "台账中有厂商后", EN: "once the inventory has a vendor"}
	onFacility    = ingest.Text{ZH: "该类设施 3 小时内有读数时", EN: "while the facility has readings of the last 3 h"}
	onKind        = ingest.Text{ZH: "该类设施首次上报后", EN: "once a facility of the kind has reported"}
	onDeposit     = ingest.Text{ZH: "台账中有垃圾桶或首次上报后", EN: "once the inventory lists a bin, or one has reported it"}
	onSite        = ingest.Text{ZH: "台账中有社区坐标且有灯上报后", EN: "once a lamp has reported, where the community has coordinates"}
	onSystem      = ingest.Text{ZH: "此类设施首次上报后", EN: "once such a facility has reported"}
	onHousehold   = ingest.Text{ZH: "投放点上报投放户后", EN: "once stations tell households apart"}
	onInspection  = ingest.Text{ZH: "台账定义了抽查量后", EN: "where the inventory has quantities for it"}
	onFactor      = ingest.Text{ZH: "配置了因子后", EN: "where the configuration has factors"}
	onStated      = ingest.Text{ZH: "申报亮灯时数的边界内，有灯自报亮灭满一周后", EN: "once lamps of a boundary whose hours are stated told for a week of a quarter whether they are on"}
	onDaysOff     = ingest.Text{ZH: "有按休息日计的基准后", EN: "where a baseline goes by days off"}
	onDensity     = ingest.Text{ZH: "计量边界给出照明面积后", EN: "where a boundary has power_density"}
	onRenovated   = ingest.Text{ZH: "台账中有改造过的小区后", EN: "once a compound was renovated"}
	onInventory   = ingest.Text{ZH: "台账中有社区后", EN: "once the inventory has a community"}
)

// Metrics is every metric of the service, in the order of docs/metrics.md.
var Metrics = []Metric{
	{"greencommunity_build_info", "gauge", []string{"version", "revision", "goversion"}, ingest.Text{ZH: "程序的版本，恒为 1。", EN: "Which build this is, always 1."}, ofProgram},
	{"greencommunity_shard", "gauge", []string{"index", "count"}, ingest.Text{ZH: "本实例负责的分片：第几个、共几个；恒为 1。", EN: "The share of the communities that this instance has: which one of how many, always 1."}, ofProgram},
	{"greencommunity_standby", "gauge", nil, ingest.Text{ZH: "以 --standby 启动的进程：1 备用等待中，0 已接管。", EN: "Of a process started with --standby: 1 while it waits, 0 once it has taken over."}, ofProgram},
	{"greencommunity_messages_received_total", "counter", []string{"vendor"}, ingest.Text{ZH: "已写入日志的报文数，按匹配到的厂商。", EN: "Messages in the journal, by the vendor whose source matched."}, onDevice},
	{"greencommunity_messages_stored_total", "counter", nil, ingest.Text{ZH: "InfluxDB 至少确认了一个新数据点的报文数。", EN: "Messages of which InfluxDB has confirmed at least one point."}, always},
	{"greencommunity_messages_duplicate_total", "counter", nil, ingest.Text{ZH: "所有读数都与已接收的重复的报文数。", EN: "Messages in which every reading repeats one accepted before."}, always},
	{"greencommunity_messages_rejected_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "被拒收的报文数，按厂商和原因。", EN: "Messages refused."}, always},
	{"greencommunity_messages_lost_total", "counter", nil, ingest.Text{ZH: "已确认、但在日志中损坏或丢失的报文；也计入拒收（lost）。", EN: "Messages that were acknowledged and are damaged or gone in the journal; they are rejected as lost as well."}, always},
	{"greencommunity_codecs", "gauge", []string{"vendor", "state"}, ingest.Text{ZH: "台账中的 JavaScript 解码脚本：usable 可用，broken 无法读取或编译，stuck 未能结束、暂停后重试。", EN: "JavaScript decoders of the inventory, by vendor and state: usable, broken (cannot be read or compiled) or stuck (a call did not end; tried again after a rest)."}, always},
	{"greencommunity_poison_messages", "gauge", nil, ingest.Text{ZH: "日志中两次使进程终止的报文：按 internal 拒收，不再解码。", EN: "Messages in the journal that ended the process twice while it dealt with them: rejected as internal, never decoded again."}, always},
	{"greencommunity_poison_found_timestamp_seconds", "gauge", nil, ingest.Text{ZH: "最近一次（启动时）认定此类报文的时间（Unix 秒）；0 为从未。", EN: "When such a message was last found, at a start, in unix seconds; 0: never."}, always},
	{"greencommunity_checkpoint_age_seconds", "gauge", []string{"state"}, ingest.Text{ZH: "磁盘上的检查点（checkpoint）和账目（account）距上次写好的时间；正常为数秒。", EN: "Since when the state (checkpoint, account) on disk is not as it should be, at most; some seconds in normal running."}, always},
	{"greencommunity_state_damaged", "gauge", []string{"state"}, ingest.Text{ZH: "1：最近一次启动发现 checkpoint、account 或 devices 损坏或缺失，改用上一代或副本。", EN: "1 where the last start found checkpoint, account or devices damaged or gone, and took the one before, or the copy."}, always},
	{"greencommunity_vendor_quota_used_ratio", "gauge", []string{"vendor", "quota"}, ingest.Text{ZH: "厂商配额已用比例：devices 未登记设备，channels 通道名，types 事件类型。", EN: "Share of a vendor's quota that it has brought in: unlisted devices, names of channels, types of events."}, always},
	{"greencommunity_messages_ignored_total", "counter", nil, ingest.Text{ZH: "能理解但不含读数的报文数。", EN: "Messages understood that carry no reading."}, always},
	{"greencommunity_messages_pending", "gauge", nil, ingest.Text{ZH: "尚未有结果的报文数：接收－（入库＋重复＋拒收＋忽略）。", EN: "Messages whose fate is not decided yet: received less stored, duplicate, rejected and ignored."}, always},
	{"greencommunity_readings_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "接收的读数和事件数。", EN: "Readings and events accepted."}, onDevice},
	{"greencommunity_readings_refused_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "已接收报文中被单独拒绝的读数。", EN: "Single readings refused in messages that were accepted."}, always},
	{"greencommunity_readings_late_total", "counter", nil, ingest.Text{ZH: "迟到的读数：同一序列已有更新的读数。", EN: "Readings accepted that are older than one before them of the same series."}, always},
	{"greencommunity_usage_reads_total", "counter", []string{"resource", "reason"}, ingest.Text{ZH: "累计读数的去向，按原因；subtracted 为直接相减。", EN: "Reads of registers, by what became of them; subtracted is the difference of two neighbours."}, always},
	{"greencommunity_place_hours_missed_readings_total", "counter", nil, ingest.Text{ZH: "比所在社区该量最新小时迟到两天以上、未计入每小时汇总（place_hourly）的读数。", EN: "Readings that came two days after the newest of their place and quantity, which the hours of places are without."}, always},
	{"greencommunity_usage_points_lost_total", "counter", nil, ingest.Text{ZH: "InfluxDB 停用过久而未能写入的表·小时。", EN: "Hours of meters that InfluxDB will not have: it was away for too long."}, always},
	{"greencommunity_redeliveries_recognised_total", "counter", nil, ingest.Text{ZH: "识别出的代理重发报文。", EN: "Deliveries the broker repeated and the journal had already."}, always},
	{"greencommunity_messages_foreign_total", "counter", nil, ingest.Text{ZH: "属于其他分片实例的报文：对方也会收到，本实例确认后不处理。", EN: "Messages of another instance's share, which it has from the broker as well: acknowledged, and not taken."}, always},
	{"greencommunity_message_delay_seconds", "histogram", nil, ingest.Text{ZH: "设备时间到入库确认的时延，按写入批次。", EN: "From the earliest device time in a batch to its confirmation by InfluxDB."}, always},
	{"greencommunity_devices", "gauge", []string{"community", "facility", "state"}, ingest.Text{ZH: "设备数：online 在线，offline 25 小时无报文，never 从未上报。", EN: "Devices: online, offline (nothing for 25 h), or never heard of, though listed or tried."}, onDevice},
	{"greencommunity_mqtt_connected", "gauge", nil, ingest.Text{ZH: "是否已连接代理并完成订阅。", EN: "Whether the broker is connected and all filters are subscribed."}, always},
	{"greencommunity_mqtt_connects_total", "counter", nil, ingest.Text{ZH: "连接代理的次数。", EN: "Connections to the broker."}, always},
	{"greencommunity_mqtt_connect_failures_total", "counter", nil, ingest.Text{ZH: "连接失败次数。", EN: "Attempts to connect that failed."}, always},
	{"greencommunity_mqtt_sessions_lost_total", "counter", nil, ingest.Text{ZH: "连接时代理已丢失我方会话（及其中排队报文）的次数。", EN: "Connections at which the broker had forgotten our session, and what waited in it."}, always},
	{"greencommunity_mqtt_subscriptions_refused_total", "counter", nil, ingest.Text{ZH: "代理拒绝或未按 QoS 1 授予的订阅。", EN: "Filters the broker refused or granted without acknowledgement."}, always},
	{"greencommunity_mqtt_silent_reconnects_total", "counter", nil, ingest.Text{ZH: "因长时间无报文而重连的次数。", EN: "Connections made anew because nothing arrived."}, always},
	{"greencommunity_journal_bytes", "gauge", nil, ingest.Text{ZH: "日志占用的磁盘空间。", EN: "Size of the journal on disk."}, always},
	{"greencommunity_journal_oldest_pending_seconds", "gauge", []string{"reader"}, ingest.Text{ZH: "读取方尚未处理的最早报文的时长。", EN: "Age of the oldest message a reader has still to deal with."}, always},
	{"greencommunity_journal_fsync_seconds", "histogram", nil, ingest.Text{ZH: "一组报文落盘所需时间。", EN: "Time to make a group of messages durable."}, always},
	{"greencommunity_journal_errors_total", "counter", nil, ingest.Text{ZH: "日志写入或落盘出错次数。", EN: "Writes and fsyncs of the journal that ended in an error."}, always},
	{"greencommunity_journal_torn_bytes_total", "counter", nil, ingest.Text{ZH: "打开日志时截去的不完整字节。", EN: "Bytes cut off behind the last whole message when the journal was opened."}, always},
	{"greencommunity_journal_corruptions_total", "counter", nil, ingest.Text{ZH: "读取日志时遇到并跳过的损坏处。", EN: "Places in the journal where a record was damaged and passed over."}, always},
	{"greencommunity_influxdb_points_total", "counter", []string{"result"}, ingest.Text{ZH: "InfluxDB 接收或拒绝的数据点。", EN: "Points InfluxDB took or refused."}, always},
	{"greencommunity_influxdb_write_seconds", "histogram", nil, ingest.Text{ZH: "写入 InfluxDB 的请求耗时。", EN: "Time of a request that writes to InfluxDB."}, always},
	{"greencommunity_influxdb_retries_total", "counter", []string{"answer"}, ingest.Text{ZH: "需要重试的写入请求，按应答。", EN: "Requests to InfluxDB that have to be made again, by what it answered."}, always},
	{"greencommunity_influxdb_held", "gauge", []string{"why"}, ingest.Text{ZH: "写入是否在等待人工处理：unauthorized 令牌，not_found 存储桶，redirected 重定向，not_influxdb 应答的不是 InfluxDB，tls 证书，request_refused 其他。", EN: "Whether writing waits for an operator, by what is to be mended: unauthorized, not_found (bucket), redirected, not_influxdb (something else answers), tls, request_refused (anything else)."}, always},
	{"greencommunity_tls_certificate_expiry_timestamp_seconds", "gauge", []string{"peer"}, ingest.Text{ZH: "各地址证书链中最早到期的时间（Unix 秒）：tls:// 代理、https:// InfluxDB 和 watch_tls 列出的地址。", EN: "When the first certificate of the chain expires that an address shows, in unix seconds: of tls:// brokers, an https:// InfluxDB, and what watch_tls lists."}, onCertificate},

	{"greencommunity_clock_steps_total", "counter", nil, ingest.Text{ZH: "本机时钟跳变（一秒以上），以及启动时早于最后接收时间的次数。", EN: "Steps of this machine's clock of a second or more, and starts at a time before the last receipt."}, always},
	{"greencommunity_vendor_info", "gauge", []string{"vendor", "name"}, ingest.Text{ZH: "台账中的厂商，恒为 1。", EN: "A vendor of the inventory, always 1."}, onInventory},
	{"greencommunity_community_info", "gauge", []string{"community", "name", "town", "stage", "pilot", "latitude", "longitude"}, ingest.Text{ZH: "台账中的社区，恒为 1；坐标为 WGS-84 度。", EN: "A community of the inventory, always 1; coordinates in degrees, WGS-84."}, onInventory},
	{"greencommunity_community_households", "gauge", []string{"community"}, ingest.Text{ZH: "台账中的户数。", EN: "Households by the inventory."}, onInventory},
	{"greencommunity_community_population", "gauge", []string{"community"}, ingest.Text{ZH: "台账中的人口。", EN: "Persons by the inventory."}, onInventory},
	{"greencommunity_programme_communities", "gauge", []string{"stage"}, ingest.Text{ZH: "创建进度：all 全部，participating 参加，met 达标，named 命名；前一阶段含后一阶段。", EN: "Communities of the programme: all, participating, met, named; each stage includes those after it."}, onInventory},
	{"greencommunity_ledger_items", "gauge", []string{"community", "status"}, ingest.Text{ZH: "台账中的事项，按状态：met 达标，not_met 未达标，pending 待核。", EN: "Items of the standard by what the ledger says of them: met, not_met, pending."}, onInventory},
	{"greencommunity_ledger_item_communities", "gauge", []string{"item", "status"}, ingest.Text{ZH: "每个事项在各状态的社区数。", EN: "Communities by what the ledger says of an item: met, not_met, pending."}, always},
	{"greencommunity_ledger_item_info", "gauge", []string{"item", "area", "title"}, ingest.Text{ZH: "创建标准的事项，恒为 1。", EN: "An item of the standard, always 1."}, always},
	{"greencommunity_ledger_behind", "gauge", []string{"community"}, ingest.Text{ZH: "1：该社区滞后：未参与，或参与而仍有事项未达标。", EN: "Whether a community is behind: it does not take part, or has items that are not met."}, onInventory},
	{"greencommunity_ledger_compounds_renovated", "gauge", []string{"community", "year"}, ingest.Text{ZH: "台账中改造的小区数，按年份。", EN: "Compounds of the ledger that were renovated, by year."}, onRenovated},
	{"greencommunity_ledger_deadline_timestamp_seconds", "gauge", []string{"what"}, ingest.Text{ZH: "报送期限（当日结束，Unix 秒）：quarter 季度，october 十月底。", EN: "The end of the day by which is to be reported, unix seconds: quarter, october."}, always},
	{"greencommunity_ledger_changes_total", "counter", nil, ingest.Text{ZH: "台账被更改的项数。", EN: "Values of the ledger that were changed."}, always},
	{"greencommunity_ledger_file_problems", "gauge", nil, ingest.Text{ZH: "上次读取的台账表格中的错误数；不为 0 时整表未采用。", EN: "Mistakes of the table that was read last; nothing of it is taken while there are any."}, always},

	{"greencommunity_lighting_power_watts", "gauge", []string{"community"}, ingest.Text{ZH: "3 小时内上报的灯的功率之和；其上级配电箱上报功率时，其下的灯不再另加。", EN: "Power of the lamps that have reported within 3 hours; lamps behind a cabinet that has are part of its."}, onFacility},
	{"greencommunity_lighting_lamps_lit", "gauge", []string{"community"}, ingest.Text{ZH: "亮着的灯数。", EN: "Lamps that burn."}, onFacility},
	{"greencommunity_lighting_lamps", "gauge", []string{"community"}, ingest.Text{ZH: "3 小时内上报的灯数。", EN: "Lamps that have reported within 3 hours."}, onFacility},
	{"greencommunity_lighting_burn_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "灯具累计点亮时间（按上报状态；静默最多计 3 小时）。", EN: "Time lamps have burned, by what they report; silence counts for 3 h at most."}, onKind},
	{"greencommunity_lighting_scheduled_burn_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "按日出日落（民用晨昏）灯具应点亮的累计时间，仅计有上报的时段。", EN: "Time lamps should have burned by the sun, from civil dusk to dawn, of the time they told of."}, onSite},
	{"greencommunity_lighting_lamps_failed", "gauge", []string{"community"}, ingest.Text{ZH: "该亮不亮或自报故障的灯数，不含回路、网关或社区整体故障。", EN: "Lamps that are dark when they should burn or report a fault, without those whose feeder, gateway or community is at fault."}, onAlarm},
	{"greencommunity_water_today_cubic_meters", "gauge", []string{"community"}, ingest.Text{ZH: "本地日开始以来的用水。", EN: "Water drawn since the local day began."}, onFacility},
	{"greencommunity_waste_bin_fill_ratio", "gauge", []string{"community"}, ingest.Text{ZH: "垃圾桶平均满溢度。", EN: "Mean fill level of the bins."}, onFacility},
	{"greencommunity_waste_bins_full", "gauge", []string{"community"}, ingest.Text{ZH: "满溢度 95% 以上的桶数。", EN: "Bins at 95 % or more."}, onFacility},
	{"greencommunity_waste_collections_total", "counter", []string{"community"}, ingest.Text{ZH: "清运次数：上报的，或由满溢度下降看出的。", EN: "Bins emptied, as reported or seen in the fill level."}, onKind},
	{"greencommunity_waste_bin_overflow_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "垃圾桶满溢度 95% 以上的累计时间（静默最多计 3 小时）。", EN: "Time bins were at 95 % or more; silence counts for 3 h at most."}, onKind},
	{"greencommunity_waste_deposits_total", "counter", []string{"community", "stream"}, ingest.Text{ZH: "投放次数，按垃圾类别。", EN: "Deposits in the bins."}, onDeposit},
	{"greencommunity_waste_mass_grams_total", "counter", []string{"community", "stream"}, ingest.Text{ZH: "称重所得的垃圾净重，按类别。", EN: "Net weight of what was dropped, as bins or vehicles weigh it."}, onDeposit},
	{"greencommunity_waste_inspections_total", "counter", []string{"community", "result"}, ingest.Text{ZH: "抽查的投放次数：correct 正确，wrong 错误。", EN: "Deposits that were inspected, by what was found: correct, wrong."}, onInspection},
	{"greencommunity_waste_households", "gauge", []string{"community", "day"}, ingest.Text{ZH: "投放过垃圾的户数：today 今日至今，yesterday 昨日全天；户以每日更换的编号计。", EN: "Households that dropped something, counted by numbers that change daily: today so far, yesterday."}, onHousehold},
	{"greencommunity_gate_passes_total", "counter", []string{"community", "direction"}, ingest.Text{ZH: "门禁通行人次。", EN: "Passes through the gates."}, onDevice},
	{"greencommunity_gates_open", "gauge", []string{"community"}, ingest.Text{ZH: "开着的门数。", EN: "Gates that are open."}, onFacility},
	{"greencommunity_gate_open_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "门开着的累计时间（静默最多计 3 小时）。", EN: "Time gates were open; silence counts for 3 h at most."}, onKind},
	{"greencommunity_gate_held_open_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "上报长时间未关之后门开着的累计时间（静默最多计 3 小时）。", EN: "Time gates were open after they said that they are held open; silence counts for 3 h at most."}, onKind},
	{"greencommunity_gate_up_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "门禁在线的累计时间：静默超过 3 小时为未知，不计在线。", EN: "Time gates were heard of; a silence of more than 3 h is not known, and not up."}, onKind},
	{"greencommunity_gate_scheduled_seconds_total", "counter", []string{"community"}, ingest.Text{ZH: "各门禁自首次上报起的累计时间：全天应在线。", EN: "Time since each gate was first heard of: all of it is scheduled."}, onKind},
	{"greencommunity_gate_forced_total", "counter", []string{"community"}, ingest.Text{ZH: "上报的强行开门次数。", EN: "Reports of a gate forced open."}, onKind},
	{"greencommunity_gate_held_open_total", "counter", []string{"community"}, ingest.Text{ZH: "上报的门长时间未关次数。", EN: "Reports of a gate held open."}, onKind},
	{"greencommunity_system_quantity", "gauge", []string{"community", "facility", "quantity", "unit", "statistic"}, ingest.Text{ZH: "照明、供水、垃圾、门禁以外设施的各量当前值（以其单位）：sum 合计，mean 平均，min、max 最小、最大，yes 为“是”的设备数，today 今日累计，day、night 昼间、夜间平均声级，devices 上报设备数。", EN: "What a quantity of a facility other than lighting, water, waste and gates is now, in its unit: sum, mean, min, max, yes (devices that say so), today, day and night (of sound), devices (that report it)."}, onSystem},
	{"greencommunity_facility_last_reading_timestamp_seconds", "gauge", []string{"community", "facility"}, ingest.Text{ZH: "最新读数的时间。", EN: "When the latest reading is of."}, onDevice},

	{"greencommunity_anomaly_active", "gauge", []string{"community", "facility", "kind", "severity"}, ingest.Text{ZH: "未恢复的告警数。", EN: "Open alarms, without those that the alarm of a feeder, gateway or community stands for."}, onAlarm},
	{"greencommunity_anomalies_total", "counter", []string{"community", "facility", "kind", "severity"}, ingest.Text{ZH: "累计告警数。", EN: "Alarms raised, without those that the alarm of a feeder, gateway or community stood for."}, onAlarm},

	{"greencommunity_unaccounted_ratio", "gauge", []string{"community", "facility", "resource"}, ingest.Text{ZH: "最近一日总表量减分表之和占总表量的比例（产销差）。", EN: "Share of what meters with others behind them passed in the latest balanced day that those behind did not, 0-1."}, onParent},
	{"greencommunity_anomalies_inhibited", "gauge", []string{"community"}, ingest.Text{ZH: "由回路、网关或社区告警代表的未恢复告警数。", EN: "Open alarms that the alarm of a feeder, gateway or community stands for."}, onAlarm},
	{"greencommunity_alarm_since_timestamp_seconds", "gauge", []string{"alarm"}, ingest.Text{ZH: "上述每条告警何时开始（按设备时钟，Unix 秒）。", EN: "When each of those alarms began, by the clock of the device, unix seconds."}, whileOpen},
	{"greencommunity_alarm_value", "gauge", []string{"alarm", "unit"}, ingest.Text{ZH: "上述每条告警所涉的数值，以其单位计。", EN: "What each of them is about, as it is now, where it is a figure, in its unit."}, whileOpen},
	{"greencommunity_alarm_active", "gauge", []string{"alarm", "device", "community", "compound", "facility", "kind", "severity", "vendor"}, ingest.Text{ZH: "每条需有人知晓的告警为 1：未被人关闭、未静默、没有其他告警代表它。", EN: "1 for each alarm that somebody should know of: not closed by a person, not silenced, and no other stands for it. No series where there is none."}, whileOpen},
	{"greencommunity_alarms_open", "gauge", []string{"community", "status"}, ingest.Text{ZH: "未办结的告警数，按处置状态。", EN: "Alarms that are not done, by how far they have been dealt with; without those another stands for."}, onInventory},
	{"greencommunity_alarms_overdue", "gauge", []string{"community"}, ingest.Text{ZH: "超过期限未办结的告警数。", EN: "Alarms that are not done and should have been by now."}, onInventory},
	{"greencommunity_alarms_silenced", "gauge", nil, ingest.Text{ZH: "按静默、检修、节假日安排不通知的未恢复告警数。", EN: "Alarms that are open and of which nobody is told, by the schedule of silences, maintenance and holidays."}, always},
	{"greencommunity_alarms_judged_total", "counter", []string{"kind", "verdict"}, ingest.Text{ZH: "经人核实的告警数：right 属实，false 误报。", EN: "Alarms that people found right or false."}, always},
	{"greencommunity_alarm_precision_ratio", "gauge", []string{"kind"}, ingest.Text{ZH: "经人核实的告警中属实的比例。", EN: "Of the alarms of a kind that people judged, those that were right. No series where none was judged."}, onJudged},
	{"greencommunity_alarm_time_to_acknowledge_seconds", "histogram", []string{"severity"}, ingest.Text{ZH: "从告警到有人处置的时间。", EN: "From when an alarm was told until a person dealt with it."}, always},
	{"greencommunity_alarm_time_to_clear_seconds", "histogram", []string{"severity"}, ingest.Text{ZH: "从告警到恢复或关闭的时间。", EN: "From when an alarm was told until it was over, or closed by a person."}, always},
	{"greencommunity_alarms_untold", "gauge", []string{"vendor"}, ingest.Text{ZH: "因厂商或总数超限而未列入 alarm_active 的未恢复告警数。", EN: "Open alarms left out of greencommunity_alarm_active because their vendor, or all together, have too many."}, onVendor},
	{"greencommunity_alarms_unkept_total", "counter", []string{"vendor"}, ingest.Text{ZH: "自行恢复、因厂商一小时内过多而未写入告警历史的告警数；InfluxDB 中有。", EN: "Alarms that cleared by themselves and are not in the history file, because their vendor had too many in an hour. InfluxDB has them."}, onVendor},
	{"greencommunity_alarm_history_bytes", "gauge", nil, ingest.Text{ZH: "告警处置历史的大小。", EN: "Size of the history of alarms in data_dir."}, always},
	{"greencommunity_alarm_history_broken", "gauge", nil, ingest.Text{ZH: "告警处置历史无法写入时为 1，此时不能确认告警，须重启。", EN: "1 where the history of alarms cannot be written, so that nothing can be acknowledged until a restart."}, always},
	{"greencommunity_alarm_schedule_unknown", "gauge", nil, ingest.Text{ZH: "静默、检修、节假日文件中写明、而台账中没有的设备、社区、小区、设施和厂商的个数；日志写明是哪些。", EN: "Devices, communities, compounds, facilities and vendors that the schedule of alarms names and the inventory does not have. The log says which."}, always},
	{"greencommunity_alarm_schedule_valid", "gauge", nil, ingest.Text{ZH: "静默、检修、节假日文件有误时为 0，此时沿用之前的内容。", EN: "0 where the file of silences, maintenance and holidays has changed and is wrong, so that the one before is in force."}, always},

	{"greencommunity_energy_actual_joules_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "实际用电（暂估累计）。", EN: "Use in covered time, as accrued."}, onBoundary},
	{"greencommunity_energy_baseline_joules_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "调整后基准用电（暂估累计）。", EN: "Adjusted baseline of the same time, as accrued."}, onBoundary},
	{"greencommunity_energy_savings_joules", "gauge", []string{"community", "facility", "period", "status"}, ingest.Text{ZH: "节电量＝调整后基准－实际，同一覆盖时段。", EN: "Adjusted baseline less actual use over the covered time; negative where more was used."}, onBoundary},
	{"greencommunity_energy_savings_uncertainty_joules", "gauge", []string{"community", "facility", "period", "confidence"}, ingest.Text{ZH: "节电量不确定度（半宽）。", EN: "Half width of the saving's band."}, onBoundary},
	{"greencommunity_energy_savings_co2_kilograms", "gauge", []string{"community", "facility", "period", "status", "basis"}, ingest.Text{ZH: "节电量折合二氧化碳：own_year 按该期间所在年份的因子，base_year 按固定年份的因子。", EN: "The energy saved as CO2: by the factor of the figure's own year, and by that of a fixed one."}, onFactor},
	{"greencommunity_energy_savings_co2_uncertainty_kilograms", "gauge", []string{"community", "facility", "period", "confidence", "basis"}, ingest.Text{ZH: "上项由用电量带来的不确定度（半宽），不含因子本身的。", EN: "Half width of the band of the use; that of the factor is not in it."}, onFactor},
	{"greencommunity_energy_savings_coal_kilograms", "gauge", []string{"community", "facility", "period", "status", "basis"}, ingest.Text{ZH: "节电量折合标准煤：calorific 当量值，equivalent 等价值。", EN: "The energy saved as standard coal: the heat in it (calorific), or the coal burnt for it (equivalent)."}, onFactor},
	{"greencommunity_energy_savings_coal_uncertainty_kilograms", "gauge", []string{"community", "facility", "period", "confidence", "basis"}, ingest.Text{ZH: "上项由用电量带来的不确定度（半宽）。", EN: "Half width of the band of the use; that of the factor is not in it."}, onFactor},
	{"greencommunity_emission_factor_kilograms_per_kilowatt_hour", "gauge", []string{"area", "year", "source"}, ingest.Text{ZH: "所用的电力排放因子，按数据年份，附出处。", EN: "Emission factor of electricity in use, by the year of its data, with its source."}, onFactor},
	{"greencommunity_water_actual_cubic_meters_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "实际用水（暂估累计）。", EN: "Use in covered time, as accrued."}, onBoundary},
	{"greencommunity_water_baseline_cubic_meters_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "调整后基准用水（暂估累计）。", EN: "Adjusted baseline of the same time, as accrued."}, onBoundary},
	{"greencommunity_water_savings_cubic_meters", "gauge", []string{"community", "facility", "period", "status"}, ingest.Text{ZH: "节水量＝调整后基准－实际，同一覆盖时段。", EN: "Adjusted baseline less actual use over the covered time; negative where more was used."}, onBoundary},
	{"greencommunity_water_savings_uncertainty_cubic_meters", "gauge", []string{"community", "facility", "period", "confidence"}, ingest.Text{ZH: "节水量不确定度（半宽）。", EN: "Half width of the saving's band."}, onBoundary},
	{"greencommunity_savings_significant", "gauge", []string{"community", "facility", "resource", "period"}, ingest.Text{ZH: "节约量与零是否可区分。", EN: "1 where the saving is larger than its band, 0 where it is not distinguishable from zero."}, onBoundary},
	{"greencommunity_savings_coverage_ratio", "gauge", []string{"community", "facility", "resource", "period"}, ingest.Text{ZH: "双方均有效的日数占应有日数之比。", EN: "Days that count on both sides, of the days due."}, onBoundary},
	{"greencommunity_savings_revision", "gauge", []string{"community", "facility", "resource", "period"}, ingest.Text{ZH: "定稿的修订号，暂估时为 0。", EN: "Revision of a final figure, 0 while it is provisional."}, onBoundary},
	{"greencommunity_nonroutine_adjustment_joules", "gauge", []string{"community", "facility", "period"}, ingest.Text{ZH: "基准中的非常规调整（电）。", EN: "Non-routine adjustments in the adjusted baseline."}, onBoundary},
	{"greencommunity_nonroutine_adjustment_cubic_meters", "gauge", []string{"community", "facility", "period"}, ingest.Text{ZH: "基准中的非常规调整（水）。", EN: "Non-routine adjustments in the adjusted baseline."}, onBoundary},
	{"greencommunity_accrual_corrections_joules_total", "counter", []string{"community", "facility", "direction", "reason", "of"}, ingest.Text{ZH: "对已累计日的更正（电）。", EN: "Corrections of days already accrued; what is up is in the accrual as well."}, onBoundary},
	{"greencommunity_accrual_corrections_cubic_meters_total", "counter", []string{"community", "facility", "direction", "reason", "of"}, ingest.Text{ZH: "对已累计日的更正（水）。", EN: "Corrections of days already accrued; what is up is in the accrual as well."}, onBoundary},
	{"greencommunity_baseline_info", "gauge", []string{"community", "facility", "boundary", "version", "ipmvp", "method", "status"}, ingest.Text{ZH: "基准及其是否有效：frozen 有效，changed 被改，nested 嵌套，no_baseline 无基准。", EN: "Baselines and whether they hold: frozen, changed, nested, no_baseline."}, onBoundary},
	{"greencommunity_baseline_cv_rmse_ratio", "gauge", []string{"community", "facility", "boundary"}, ingest.Text{ZH: "基准拟合的 CV(RMSE)。", EN: "CV(RMSE) of the baseline's fit."}, onBoundary},
	{"greencommunity_baseline_nmbe_ratio", "gauge", []string{"community", "facility", "boundary"}, ingest.Text{ZH: "基准拟合的 NMBE。", EN: "Net mean bias error of the baseline's fit."}, onBoundary},
	{"greencommunity_meter_anomalies_total", "counter", []string{"community", "facility", "resource", "reason"}, ingest.Text{ZH: "不能直接相减的表计读数，按原因。", EN: "Reads of registers that were not simply subtracted."}, onBoundary},
	{"greencommunity_last_reading_timestamp_seconds", "gauge", []string{"community", "facility", "resource"}, ingest.Text{ZH: "计量边界内表计最新读数的时间。", EN: "Time of the newest register read."}, onBoundary},
	{"greencommunity_clock_skew_seconds", "gauge", []string{"community", "facility", "resource"}, ingest.Text{ZH: "接收时间减表计时间，取偏差最大的边界。", EN: "Time received less the meters' own time, of the boundary where it is largest."}, onBoundary},
	{"greencommunity_lighting_stated_error_ratio", "gauge", []string{"community", "facility", "boundary", "what"}, ingest.Text{ZH: "本季灯具自报与申报之比减 1：hours 为每日亮灯时数，burning 为亮灯比例。", EN: "What lamps told of themselves this quarter over what is stated of them, less 1: hours a day, share that burns."}, onStated},
	{"greencommunity_lighting_stated_allowed_ratio", "gauge", []string{"community", "facility", "boundary", "what"}, ingest.Text{ZH: "按申报的不确定度，上述偏差允许的大小。", EN: "How far that may be off either way by what uncertainty states."}, onStated},
	{"greencommunity_baseline_calendar_end_timestamp_seconds", "gauge", []string{"community", "facility", "boundary"}, ingest.Text{ZH: "按休息日计的基准所用节假日安排到何时为止。", EN: "When the public holidays end that a baseline by days off goes by."}, onDaysOff},
	{"greencommunity_lighting_power_density_watts_per_square_meter", "gauge", []string{"community", "facility", "boundary"}, ingest.Text{ZH: "照明功率密度（含镇流器）。", EN: "Power of the lamps there are now over the lit area, ballast included."}, onDensity},
	{"greencommunity_lighting_power_density_limit_ratio", "gauge", []string{"community", "facility", "boundary"}, ingest.Text{ZH: "照明功率密度与限值之比：合规指标，不是节约量。", EN: "Lighting power density over its limit: compliance, not a saving."}, onDensity},
	{"greencommunity_water_per_capita_liters_per_day", "gauge", []string{"community", "facility"}, ingest.Text{ZH: "本季人均日用水（升）。", EN: "Use a person and day in the quarter so far."}, onBoundary},
	{"greencommunity_water_quota_ratio", "gauge", []string{"community", "facility"}, ingest.Text{ZH: "人均用水与定额之比：合规指标，不是节约量。", EN: "Per-head use over the quota: compliance, not a saving."}, onBoundary},
	{"greencommunity_water_night_flow_cubic_meters_per_hour", "gauge", []string{"community", "facility"}, ingest.Text{ZH: "上一日 2 至 4 时平均流量。", EN: "Mean flow from 02:00 to 04:00 of the last closed day."}, onBoundary},
	{"greencommunity_water_net_night_flow_cubic_meters_per_hour", "gauge", []string{"community", "facility"}, ingest.Text{ZH: "夜间流量减合理夜间用水。", EN: "Night flow less legitimate night use."}, onBoundary},

	{"greencommunity_vendor_readings_total", "counter", []string{"vendor"}, ingest.Text{ZH: "接收的读数和事件，不含重复。", EN: "Readings and events accepted, without duplicates."}, onVendor},
	{"greencommunity_vendor_messages_rejected_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "拒收的报文。", EN: "Messages refused."}, onVendor},
	{"greencommunity_vendor_values_refused_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "已接收报文中被拒的单个值。", EN: "Single values refused in accepted messages."}, onVendor},
	{"greencommunity_vendor_unmapped_values_total", "counter", []string{"vendor"}, ingest.Text{ZH: "尚无含义的字段值。", EN: "Values of fields that have no meaning yet."}, onVendor},
	{"greencommunity_vendor_unmapped_fields", "gauge", []string{"vendor"}, ingest.Text{ZH: "尚无含义的字段数。", EN: "Fields that have no meaning yet; at most 1000 are told apart."}, onVendor},
	{"greencommunity_vendor_late_readings_total", "counter", []string{"vendor"}, ingest.Text{ZH: "接收时已超过 5 分钟的读数。", EN: "Readings more than 5 minutes old when received."}, onVendor},
	{"greencommunity_vendor_out_of_order_readings_total", "counter", []string{"vendor"}, ingest.Text{ZH: "早于已接收读数的读数。", EN: "Readings older than one accepted before."}, onVendor},
	{"greencommunity_vendor_duplicate_readings_total", "counter", []string{"vendor"}, ingest.Text{ZH: "重复的读数。", EN: "Readings that repeat one accepted before."}, onVendor},
	{"greencommunity_vendor_times_replaced_total", "counter", []string{"vendor"}, ingest.Text{ZH: "时间超界、以接收时间代替的读数。", EN: "Readings whose time was out of bounds."}, onVendor},
	{"greencommunity_vendor_clock_offset_seconds", "gauge", []string{"vendor"}, ingest.Text{ZH: "近 101 条报文接收时间减设备时间的中位数；负值表示设备时钟超前。", EN: "Median of received minus device time of the last 101 messages; negative is a clock that is ahead."}, onHeard},
	{"greencommunity_vendor_messages_missing_total", "counter", []string{"vendor"}, ingest.Text{ZH: "按格式自带的序号（Sparkplug）应有而未到的消息数。", EN: "Messages that have not come, by the numbers their format gives them (Sparkplug)."}, onVendor},
	{"greencommunity_vendor_gaps_total", "counter", []string{"vendor"}, ingest.Text{ZH: "设备静默超过自身三个上报间隔的次数。", EN: "Silences of a device of more than three of its own intervals, when it is heard again."}, onVendor},
	{"greencommunity_vendor_silent_devices", "gauge", []string{"vendor"}, ingest.Text{ZH: "当前静默超过自身三个上报间隔的设备数。", EN: "Devices silent now for more than three of their own intervals."}, onVendor},
	{"greencommunity_vendor_last_message_timestamp_seconds", "gauge", []string{"vendor"}, ingest.Text{ZH: "最近一条报文的接收时间。", EN: "When the last message was received."}, onHeard},
}

// foreign are metrics that are not the service's own.
var foreign = []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}

// InfluxDB's names that are in no table of the code: those of measurements that
// are not a kind of facility.
const (
	eventsMeasurement     = "events"
	savingsMeasurement    = "savings"
	usageMeasurement      = "usage"       // hours of meters
	usageDailyMeasurement = "usage_daily" // days of places
)

// derivedFields are the fields of those measurements.
var derivedFields = map[string][]string{
	eventsMeasurement:  {"active", "code", "value", "expected", "unit", "status", "by", "assignee"},
	savingsMeasurement: {"baseline", "actual", "saving", "uncertainty", "coverage"},

	usageMeasurement:      {"used", "covered"},
	hourly.Measurement:    hourly.Fields,
	usageDailyMeasurement: {"used", "covered", "meters"},
}

// tags are InfluxDB's tags.
var tags = []string{"behind", "channel", "community", "compound", "device", "facility", "quantity", "resource", "stream", "type", "vendor"}

// Compare holds what a service exposes against the table, and says where they
// differ: what is in no table, has another type or other labels, or should be
// there always and is not.
func Compare(families []*dto.MetricFamily) []string {
	var found []string
	exposed := map[string]*dto.MetricFamily{}
	for _, f := range families {
		exposed[f.GetName()] = f
		known := func(m Metric) bool { return m.Name == f.GetName() }
		if strings.HasPrefix(f.GetName(), Prefix) && !slices.ContainsFunc(Metrics, known) {
			found = append(found, f.GetName()+" is exposed and in no table; add it to dashboards.Metrics and show it")
		}
	}
	for _, m := range Metrics {
		f := exposed[m.Name]
		if f == nil {
			if m.When == always {
				found = append(found, m.Name+" is not exposed")
			}
			continue
		}
		if kind := strings.ToLower(f.GetType().String()); kind != m.Type {
			found = append(found, fmt.Sprintf("%s is a %s, the table says %s", m.Name, kind, m.Type))
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		want := slices.Sorted(slices.Values(m.Labels))
		if slices.Sort(labels); !slices.Equal(labels, want) {
			found = append(found, fmt.Sprintf("%s has the labels %q, the table says %q", m.Name, labels, want))
		}
	}
	return found
}

// Reference is docs/metrics.md.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("# Metrics · 指标\n\nWritten by `go run ./dashboards/generate`. Where a metric appears only under a condition, the last column says which.\n\n")
	b.WriteString("最后一列为该指标出现的前提。\n\n")
	b.WriteString("| name 名称 | type 类型 | unit 单位 | labels 标签 | meaning | 含义 | when 前提 |\n|---|---|---|---|---|---|---|\n")
	for _, m := range Metrics {
		when := ""
		if m.When != always {
			when = m.When.EN + " " + m.When.ZH
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n", m.Name, m.Type, m.Unit(), strings.Join(m.Labels, ", "), m.Means.EN, m.Means.ZH, when)
	}
	b.WriteString("\n## `kind` 告警种类\n\n| kind | facility | severity | title | 名称 |\n|---|---|---|---|---|\n")
	for _, k := range anomaly.Kinds {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, k.Facility, k.Severity, k.Title.EN, k.Title.ZH)
	}
	return b.Bytes()
}
