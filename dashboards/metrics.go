package dashboards

import (
	"bytes"
	"fmt"
	"strings"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
)

// Metric is a metric of the service, as dashboards and documents use it.
type Metric struct {
	Name   string // without the prefix
	Type   string // counter, gauge, histogram
	Labels []string
	Means  ingest.Text
	// When says what there has to be before the metric appears, "" if it is
	// always there. A test holds those without a When against a service.
	When ingest.Text
}

// Prefix is that of every metric of the service.
const Prefix = "greencommunity_"

var (
	always      = ingest.Text{}
	onReject    = ingest.Text{ZH: "首次拒收后", EN: "once something was refused"}
	onDevice    = ingest.Text{ZH: "有设备后", EN: "once there is a device"}
	onAlarm     = ingest.Text{ZH: "首次告警后", EN: "once there was an alarm"}
	onBoundary  = ingest.Text{ZH: "台账中有计量边界后", EN: "once the inventory has a measurement boundary"}
	onInventory = ingest.Text{ZH: "台账中有社区后", EN: "once the inventory has a community"}
)

// Metrics is every metric of the service, in the order of docs/metrics.md.
var Metrics = []Metric{
	{"messages_received_total", "counter", []string{"vendor"}, ingest.Text{ZH: "已写入日志的报文数，按匹配到的厂商。", EN: "Messages in the journal, by the vendor whose source matched."}, onDevice},
	{"messages_stored_total", "counter", nil, ingest.Text{ZH: "InfluxDB 至少确认了一个新数据点的报文数。", EN: "Messages of which InfluxDB has confirmed at least one point."}, always},
	{"messages_duplicate_total", "counter", nil, ingest.Text{ZH: "所有读数都与已接收的重复的报文数。", EN: "Messages in which every reading repeats one accepted before."}, always},
	{"messages_rejected_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "被拒收的报文数，按厂商和原因。", EN: "Messages refused, by vendor and reason."}, onReject},
	{"messages_ignored_total", "counter", nil, ingest.Text{ZH: "能理解但不含读数的报文数。", EN: "Messages understood that carry no reading."}, always},
	{"messages_pending", "gauge", nil, ingest.Text{ZH: "尚未有结果的报文数：接收－（入库＋重复＋拒收＋忽略）。", EN: "Messages whose fate is not decided: received less stored, duplicate, rejected and ignored."}, always},
	{"readings_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "接收的读数和事件数。", EN: "Readings and events accepted."}, onDevice},
	{"readings_refused_total", "counter", []string{"vendor", "reason"}, ingest.Text{ZH: "已接收报文中被单独拒绝的读数。", EN: "Single readings refused in messages that were accepted."}, onReject},
	{"readings_late_total", "counter", nil, ingest.Text{ZH: "迟到的读数：同一序列已有更新的读数。", EN: "Readings older than one before them of the same series."}, always},
	{"redeliveries_recognised_total", "counter", nil, ingest.Text{ZH: "识别出的代理重发报文。", EN: "Deliveries the broker repeated and the journal had already."}, always},
	{"message_delay_seconds", "histogram", nil, ingest.Text{ZH: "设备时间到入库确认的时延，按写入批次。", EN: "From the earliest device time in a batch to its confirmation by InfluxDB."}, always},
	{"devices", "gauge", []string{"community", "facility", "state"}, ingest.Text{ZH: "设备数：online 在线，offline 25 小时无报文，never 从未上报。", EN: "Devices: online, offline (nothing for 25 h), or never heard of."}, onDevice},
	{"mqtt_connected", "gauge", nil, ingest.Text{ZH: "是否已连接代理并完成订阅。", EN: "Whether the broker is connected and all filters are subscribed."}, always},
	{"mqtt_connects_total", "counter", nil, ingest.Text{ZH: "连接代理的次数。", EN: "Connections to the broker."}, always},
	{"mqtt_connect_failures_total", "counter", nil, ingest.Text{ZH: "连接失败次数。", EN: "Attempts to connect that failed."}, always},
	{"mqtt_subscriptions_refused_total", "counter", nil, ingest.Text{ZH: "代理拒绝或未按 QoS 1 授予的订阅。", EN: "Filters the broker refused or granted without acknowledgement."}, always},
	{"mqtt_silent_reconnects_total", "counter", nil, ingest.Text{ZH: "因长时间无报文而重连的次数。", EN: "Connections made anew because nothing arrived."}, always},
	{"journal_bytes", "gauge", nil, ingest.Text{ZH: "日志占用的磁盘空间。", EN: "Size of the journal on disk."}, always},
	{"journal_oldest_pending_seconds", "gauge", []string{"reader"}, ingest.Text{ZH: "读取方尚未处理的最早报文的时长。", EN: "Age of the oldest message a reader has still to deal with."}, always},
	{"journal_fsync_seconds", "histogram", nil, ingest.Text{ZH: "一组报文落盘所需时间。", EN: "Time to make a group of messages durable."}, always},
	{"journal_errors_total", "counter", nil, ingest.Text{ZH: "日志写入或落盘出错次数。", EN: "Writes and fsyncs of the journal that ended in an error."}, always},
	{"journal_torn_bytes_total", "counter", nil, ingest.Text{ZH: "打开日志时截去的不完整字节。", EN: "Bytes cut off behind the last whole message when the journal was opened."}, always},
	{"journal_corruptions_total", "counter", nil, ingest.Text{ZH: "读取时发现中途损坏的日志文件数。", EN: "Files in which reading ended at damage before their end."}, always},
	{"influxdb_points_total", "counter", []string{"result"}, ingest.Text{ZH: "InfluxDB 接收或拒绝的数据点。", EN: "Points InfluxDB took or refused."}, always},
	{"influxdb_write_seconds", "histogram", nil, ingest.Text{ZH: "写入 InfluxDB 的请求耗时。", EN: "Time of a request that writes to InfluxDB."}, always},
	{"influxdb_retries_total", "counter", []string{"answer"}, ingest.Text{ZH: "需要重试的写入请求，按应答。", EN: "Requests to InfluxDB that have to be made again, by what it answered."}, always},
	{"influxdb_held", "gauge", nil, ingest.Text{ZH: "写入是否在等待人工处理（401、403、404）。", EN: "Whether writing waits for an operator: InfluxDB answers 401, 403 or 404."}, always},

	{"community_info", "gauge", []string{"community", "name", "town", "stage", "pilot", "latitude", "longitude"}, ingest.Text{ZH: "台账中的社区，恒为 1；坐标为 WGS-84 度。", EN: "A community of the inventory, always 1; coordinates in degrees, WGS-84."}, onInventory},
	{"community_households", "gauge", []string{"community"}, ingest.Text{ZH: "台账中的户数。", EN: "Households by the inventory."}, onInventory},
	{"community_population", "gauge", []string{"community"}, ingest.Text{ZH: "台账中的人口。", EN: "Persons by the inventory."}, onInventory},
	{"programme_communities", "gauge", []string{"stage"}, ingest.Text{ZH: "创建进度：all 全部，participating 参加，met 达标，named 命名。", EN: "Communities of the programme: all, participating, met, named."}, onBoundary},

	{"anomaly_active", "gauge", []string{"community", "facility", "kind", "severity"}, ingest.Text{ZH: "未恢复的告警数。", EN: "Open alarms."}, onAlarm},
	{"anomalies_total", "counter", []string{"community", "facility", "kind", "severity"}, ingest.Text{ZH: "累计告警数。", EN: "Alarms raised."}, onAlarm},

	{"energy_actual_joules_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "实际用电（暂估累计）。", EN: "Energy used, provisional accrual."}, onBoundary},
	{"energy_baseline_joules_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "调整后基准用电（暂估累计）。", EN: "Adjusted baseline energy, provisional accrual."}, onBoundary},
	{"energy_savings_joules", "gauge", []string{"community", "facility", "period", "status"}, ingest.Text{ZH: "节电量＝调整后基准－实际，同一覆盖时段。", EN: "Energy saved: adjusted baseline less actual over the same covered time."}, onBoundary},
	{"energy_savings_uncertainty_joules", "gauge", []string{"community", "facility", "period", "confidence"}, ingest.Text{ZH: "节电量不确定度（半宽）。", EN: "Half-width of the band of the energy saved."}, onBoundary},
	{"water_actual_cubic_meters_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "实际用水（暂估累计）。", EN: "Water used, provisional accrual."}, onBoundary},
	{"water_baseline_cubic_meters_total", "counter", []string{"community", "facility"}, ingest.Text{ZH: "调整后基准用水（暂估累计）。", EN: "Adjusted baseline water, provisional accrual."}, onBoundary},
	{"water_savings_cubic_meters", "gauge", []string{"community", "facility", "period", "status"}, ingest.Text{ZH: "节水量＝调整后基准－实际，同一覆盖时段。", EN: "Water saved: adjusted baseline less actual over the same covered time."}, onBoundary},
	{"water_savings_uncertainty_cubic_meters", "gauge", []string{"community", "facility", "period", "confidence"}, ingest.Text{ZH: "节水量不确定度（半宽）。", EN: "Half-width of the band of the water saved."}, onBoundary},
	{"savings_significant", "gauge", []string{"community", "facility", "resource", "period"}, ingest.Text{ZH: "节约量与零是否可区分。", EN: "Whether the saving is distinguishable from zero."}, onBoundary},
	{"savings_coverage_ratio", "gauge", []string{"community", "facility", "resource", "period"}, ingest.Text{ZH: "表计与驱动量均有效的时段占比。", EN: "Share of the time in which meter and drivers are valid."}, onBoundary},
}

// foreign are metrics that are not the service's own.
var foreign = []string{"process_cpu_seconds_total", "process_resident_memory_bytes", "up"}

// InfluxDB's names that are in no table of the code: those of measurements that
// are not a kind of facility.
const (
	eventsMeasurement  = "events"
	savingsMeasurement = "savings"
)

// derivedFields are the fields of those measurements.
var derivedFields = map[string][]string{
	eventsMeasurement:  {"active", "code", "value", "expected"},
	savingsMeasurement: {"baseline", "actual", "saving", "uncertainty", "coverage"},
}

// tags are InfluxDB's tags.
var tags = []string{"channel", "community", "compound", "device", "facility", "resource", "stream", "type", "vendor"}

// Reference is docs/metrics.md.
func Reference() []byte {
	var b bytes.Buffer
	b.WriteString("# Metrics · 指标\n\nWritten by `go run ./dashboards/generate`. Every name has the prefix `" + Prefix + "`. ")
	b.WriteString("Where a metric appears only under a condition, the last column says which.\n\n")
	b.WriteString("所有名称均以 `" + Prefix + "` 开头。最后一列为该指标出现的前提。\n\n")
	b.WriteString("| name 名称 | type 类型 | labels 标签 | meaning | 含义 | when 前提 |\n|---|---|---|---|---|---|\n")
	for _, m := range Metrics {
		when := ""
		if m.When != always {
			when = m.When.EN + " " + m.When.ZH
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", m.Name, m.Type, strings.Join(m.Labels, ", "), m.Means.EN, m.Means.ZH, when)
	}
	b.WriteString("\n## `kind` 告警种类\n\n| kind | facility | severity | title | 名称 |\n|---|---|---|---|---|\n")
	for _, k := range anomaly.Kinds {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Name, k.Facility, k.Severity, k.Title.EN, k.Title.ZH)
	}
	return b.Bytes()
}
