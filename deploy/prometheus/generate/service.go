package main

// scrape is the job of the ingester in prometheus.yml.
const scrape = `job="greencommunity"`

// savings is the alerts on savings. A saving is told of only where it is
// distinguishable from zero: half of all true zeros are negative.
func savings() group {
	negative := func(name, page, metric, resource string, what Text, check []Text) alert {
		return alert{
			Name: name, Page: page, Severity: "warning",
			Expr: `sum by (community, facility) (` + metric + `{period="quarter"}) < 0
and on (community, facility)
max by (community, facility) (greencommunity_savings_significant{period="quarter", resource=~"` + resource + `"}) == 1`,
			For:     "6h",
			Summary: Text{ZH: what.ZH + "不降反升", EN: "More " + what.EN + " used than before the measures"},
			Description: Text{
				ZH: `{{ $labels.community }}（{{ $labels.facility }}）本季` + what.ZH + `高于调整后的基准，且超出不确定度。`,
				EN: `{{ $labels.community }} ({{ $labels.facility }}): this quarter's use of ` + what.EN + ` is above the adjusted baseline, by more than its uncertainty.`,
			},
			Means: Text{
				ZH: "本季实际用量高于调整后的基准，差额大于其不确定度，不是偶然波动。",
				EN: "What was used this quarter is above the adjusted baseline by more than the uncertainty: not chance.",
			},
			Check: check,
			Clears: Text{
				ZH: "本季节约量不再显著为负后自动解除；补录非常规调整并重算后也会解除。",
				EN: "Clears when the quarter's saving is no longer significantly negative, also after a non-routine adjustment was entered and the quarter computed again.",
			},
		}
	}
	return group{Name: "greencommunity-savings", Alerts: []alert{
		negative("GreencommunityEnergySavingsNegative", "energy_savings_negative", "greencommunity_energy_savings_joules", "energy|electricity", Text{ZH: "用电", EN: "energy"}, []Text{
			{ZH: "该社区是否有“白天亮灯”“功率偏高”告警未处理。", EN: "Whether the community has open alarms of lamps burning by day or taking too much power."},
			{ZH: "本季是否新增灯具、延长亮灯时间或有施工用电：这些应登记为非常规调整，而不是算作浪费。", EN: "Whether lamps were added, hours extended or builders connected: that is a non-routine adjustment to enter, not waste."},
			{ZH: "计量边界内的电表是否换过、倍率是否正确，数据覆盖率是否足够。", EN: "Whether a meter of the boundary was exchanged or its ratio is wrong, and whether coverage suffices."},
		}),
		negative("GreencommunityWaterSavingsNegative", "water_savings_negative", "greencommunity_water_savings_cubic_meters", "water", Text{ZH: "用水", EN: "water"}, []Text{
			{ZH: "该社区是否有“持续流量”“爆管”告警未处理，夜间最小流量是否升高。", EN: "Whether the community has open alarms of continuous flow or a burst, and whether the flow at night has risen."},
			{ZH: "入住户数、绿化浇灌或施工用水是否变化：应登记为非常规调整。", EN: "Whether more households moved in, or gardens and builders took water: a non-routine adjustment to enter."},
			{ZH: "总表是否换过，换表底数是否登记，数据覆盖率是否足够。", EN: "Whether the master meter was exchanged and its reading entered, and whether coverage suffices."},
		}),
		{
			Name: "GreencommunityLightingStatedWrong", Page: "lighting_stated_wrong", Severity: "warning",
			Expr: `max by (community, facility, boundary, what) (abs(greencommunity_lighting_stated_error_ratio))
> max by (community, facility, boundary, what) (greencommunity_lighting_stated_allowed_ratio)`,
			For:     "6h",
			Summary: Text{ZH: "灯具自报与申报的亮灯不符", EN: "Lamps tell otherwise than is stated of them"},
			Description: Text{
				ZH: `{{ $labels.community }}的计量边界{{ $labels.boundary }}：灯具自报的{{ if eq $labels.what "hours" }}亮灯时数{{ else }}亮灯比例{{ end }}与申报相差{{ $value | humanizePercentage }}，超出申报的不确定度。`,
				EN: `Boundary {{ $labels.boundary }} of {{ $labels.community }}: {{ if eq $labels.what "hours" }}the hours lamps are on{{ else }}the share of lamps that burns{{ end }}, as they tell, is {{ $value | humanizePercentage }} off what is stated, beyond its uncertainty.`,
			},
			Means: Text{
				ZH: "节电量按申报的亮灯时数和亮灯比例计算，而灯具的light_on给出另外的数：节电量偏大或偏小同样的比例。",
				EN: "The saving is reckoned with stated hours and a stated share of lamps that burn, and light_on tells another: the saving is off by as much.",
			},
			Check: []Text{
				{ZH: "报表附二之一：自报与申报的时数、比例各是多少。", EN: "Report, section 附二之一: what was told and what is stated."},
				{ZH: "光控或时控的设定与申报的hours是否一致（日落、民用暮光或固定时数）。", EN: "Do the photocells or timers switch as hours states it (sunset, civil twilight, fixed)?"},
				{ZH: "有无白天亮灯、坏灯、半夜灯：看相应告警。申报应按实际更正：提高基准版本并写明批准人。", EN: "Lamps that burn by day, are broken or dimmed at midnight: see their alarms. Correct what is stated by raising the baseline's version, with who approved it."},
			},
			Clears: Text{ZH: "偏差回到允许范围内、或新的季度开始后自动解除。", EN: "Clears when the difference is within what is allowed, or a new quarter begins."},
		}, {
			Name: "GreencommunityCalendarEnds", Page: "calendar_ends", Severity: "warning",
			Expr:    `min by (community, facility, boundary) (greencommunity_baseline_calendar_end_timestamp_seconds) - time() < 31 * 86400`,
			For:     "1h",
			Summary: Text{ZH: "节假日安排即将用完", EN: "The calendar of public holidays ends"},
			Description: Text{
				ZH: "{{ $labels.community }}的基准{{ $labels.boundary }}按休息日计，已知的节假日安排还剩{{ $value | humanizeDuration }}（负数为已用完）。",
				EN: "The baseline {{ $labels.boundary }} of {{ $labels.community }} goes by days off, and public holidays are known for another {{ $value | humanizeDuration }} (negative: no longer).",
			},
			Means: Text{
				ZH: "下一年的放假通知（国务院办公厅，通常十一月发布）还没有录入。用完后只按周末计：节假日那几天的基准偏差约为周末差异的大小。",
				EN: "The State Council's notice for the next year, published in November as a rule, is not entered. Afterwards only weekends count: the baseline of public holidays is off by what a weekend differs.",
			},
			Check: []Text{
				{ZH: "把通知中的放假日和调休上班日写入inventory.yaml的calendar（year、rest、work），重新加载。", EN: "Enter the notice's days off and the weekends that are worked in calendar of inventory.yaml (year, rest, work), and reload."},
				{ZH: "或升级程序：新版本带有已发布年份的安排。", EN: "Or take a newer program, which has the notices published until then."},
			},
			Clears: Text{ZH: "录入下一年的安排并重新加载后解除。", EN: "Clears once the next year is entered and reloaded."},
		},
	}}
}

// service is the alerts on vendors and on the service itself.
func service() group {
	return group{
		Name: "greencommunity-service",
		Records: []record{{
			Name: "vendor:greencommunity_messages_received:increase1h",
			Why:  "what the rhythm of a vendor is read from.",
			Expr: `sum by (vendor) (increase(greencommunity_messages_received_total{vendor!=""}[1h]))`,
		}},
		Alerts: slicesOf(vendorAlerts(), ingesterAlerts(), storeAlerts(), certificateAlerts(), deliveryAlerts()),
	}
}

func slicesOf(lists ...[]alert) []alert {
	var all []alert
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func vendorAlerts() []alert {
	return []alert{{
		Name: "GreencommunityVendorSilent", Page: "vendor_silent", Severity: "warning", Component: "vendor",
		// The first part is a vendor that sends in nearly every hour; the second
		// keeps the alert until the next message, though the silence itself
		// makes the week look quieter; the third is a vendor that reports daily.
		Expr: `((
  vendor:greencommunity_messages_received:increase1h == 0
  and
  quantile_over_time(0.05, vendor:greencommunity_messages_received:increase1h[7d:1h] offset 1h) > 0
)
or
(
  vendor:greencommunity_messages_received:increase1h == 0
  and on (vendor)
  ALERTS{alertname="GreencommunityVendorSilent", alertstate="firing"}
)
or
sum by (vendor) (increase(greencommunity_messages_received_total{vendor!=""}[26h])) == 0)
and on (vendor) greencommunity_vendor_info`,
		For:     "10m",
		Summary: Text{ZH: "厂商无数据", EN: "A vendor has gone silent"},
		Description: Text{
			ZH: "厂商{{ $labels.vendor }}一小时以上没有任何报文，而平时每小时都有；或者二十六小时没有任何报文。",
			EN: "Nothing from vendor {{ $labels.vendor }} for over an hour, though it usually sends every hour; or nothing for 26 hours.",
		},
		Means: Text{
			ZH: "消息服务器已连接，但某厂商不再发布任何数据：其平台、网关或账号有问题。",
			EN: "The broker is connected, and one vendor publishes nothing any more: its platform, its gateway or its account.",
		},
		Check: []Text{
			{ZH: "用该厂商的主题直接订阅消息服务器（mosquitto_sub），看是否有报文到达。", EN: "Subscribe to the vendor's topics at the broker (mosquitto_sub): does anything arrive?"},
			{ZH: "消息服务器日志中该厂商账号是否登录失败、证书是否过期。", EN: "In the broker's log: do the vendor's logins fail, has a certificate expired?"},
			{ZH: "联系厂商，询问其平台是否停机或改了主题。", EN: "Call the vendor: is the platform down, has a topic changed?"},
		},
		Clears: Text{ZH: "收到该厂商下一条报文后自动解除；厂商已退出的，从台账的 vendors 中删除并 /-/reload 后解除。", EN: "Clears with the next message of the vendor, or, if it has left, when it is taken out of the inventory (vendors, and /-/reload)."},
	}, {
		Name: "GreencommunityRejectsHigh", Page: "rejects_high", Severity: "warning", Component: "vendor",
		Expr: `(
  sum by (vendor) (rate(greencommunity_messages_rejected_total[30m]))
  /
  sum by (vendor) (rate(greencommunity_messages_received_total[30m]))
) > 0.05
and
sum by (vendor) (increase(greencommunity_messages_rejected_total[30m])) > 10`,
		For: "15m", KeepFiring: "15m",
		Summary: Text{ZH: "报文拒收过多", EN: "Many messages are refused"},
		Description: Text{
			ZH: "厂商{{ with $labels.vendor }}{{ . }}{{ else }}（主题不属于任何厂商）{{ end }}近半小时{{ $value | humanizePercentage }}的报文被拒收。",
			EN: "{{ $value | humanizePercentage }} of the messages of the last half hour from {{ with $labels.vendor }}vendor {{ . }}{{ else }}topics that belong to no vendor{{ end }} were refused.",
		},
		Means: Text{
			ZH: "半小时内某厂商5%以上且多于10条报文被拒收：格式、设备清单或单位与登记不符。被拒的报文保存在日志中，改正后可以重放，没有丢失。",
			EN: "Over 5 % and more than 10 of a vendor's messages of half an hour were refused: format, list of devices or units differ from the inventory. They are in the journal and can be replayed once that is mended; nothing is lost.",
		},
		Check: []Text{
			{ZH: "看指标greencommunity_messages_rejected_total的reason标签，确定拒收原因。", EN: "The label reason of greencommunity_messages_rejected_total says why."},
			{ZH: "数据目录中rejects.ndjson有原文，用greencommunity decode复现。", EN: "rejects.ndjson in the data directory has the messages; reproduce one with greencommunity decode."},
			{ZH: "unknown_device：把新设备加入设备清单并重新加载；unknown_topic：核对厂商的主题模板。", EN: "unknown_device: enter the new devices and reload; unknown_topic: compare the vendor's topic templates."},
			{ZH: "改正后用greencommunity replay补入。", EN: "Once mended, greencommunity replay takes them in."},
		},
		Clears: Text{ZH: "近半小时拒收比例低于5%后自动解除。", EN: "Clears when less than 5 % of the last half hour was refused."},
	}}
}

func ingesterAlerts() []alert {
	return []alert{{
		Name: "GreencommunityIngesterDown", Page: "ingester_down", Severity: "critical", Component: "ingester",
		Expr: `up{` + scrape + `} == 0
or
absent(up{` + scrape + `})`,
		For:     "2m",
		Summary: Text{ZH: "采集服务停止", EN: "The ingester is down"},
		Description: Text{
			ZH: "采集服务{{ $labels.instance }}两分钟以上没有应答。期间告警状态保持不变，不代表设备正常。",
			EN: "Ingester {{ $labels.instance }} has not answered for two minutes. Open alarms are kept as they were; that does not mean that all else is well.",
		},
		Means: Text{
			ZH: "Prometheus读不到采集服务：进程停止、机器停机或网络不通。消息服务器替我们排队，已确认的报文都在磁盘上。停止期间新的异常不会被发现；未恢复的告警保持原状。",
			EN: "Prometheus cannot read the ingester: the process, the machine or the network is down. The broker queues for us, and what was acknowledged is on disk. New anomalies are not found meanwhile; open ones are kept as they were.",
		},
		Check: []Text{
			{ZH: "systemctl status greencommunity及其日志的最后几行。", EN: "systemctl status greencommunity, and the last lines of its log."},
			{ZH: "curl http://127.0.0.1:9108/-/healthy；/metrics答503是正在读日志，通常几秒内完成。", EN: "curl http://127.0.0.1:9108/-/healthy; a 503 of /metrics means that the journal is being read, usually for seconds."},
			{ZH: "磁盘是否已满或只读：df -h、dmesg。", EN: "Is the disk full or read-only: df -h, dmesg."},
			{ZH: "配置是否刚改过：greencommunity check --config config.yaml。", EN: "Was the configuration just changed: greencommunity check --config config.yaml."},
		},
		Clears: Text{ZH: "服务恢复应答后自动解除，积压的报文自动补入。", EN: "Clears when it answers again; what the broker queued is taken in by itself."},
	}, {
		Name: "GreencommunityCountersAbsent", Page: "counters_absent", Severity: "warning", Component: "ingester",
		Expr: `up{` + scrape + `} == 1
unless on (instance)
greencommunity_messages_pending`,
		For:     "5m",
		Summary: Text{ZH: "采集服务缺少指标", EN: "The ingester lacks its counters"},
		Description: Text{
			ZH: "{{ $labels.instance }}有应答，但没有报文账目指标：其他告警都不可信。",
			EN: "{{ $labels.instance }} answers, but without the account of messages: no other alert can be relied on.",
		},
		Means: Text{
			ZH: "抓取成功，但没有greencommunity_messages_pending：抓取了别的程序，或版本不符，或抓取配置丢弃了指标。",
			EN: "The scrape succeeds and greencommunity_messages_pending is not in it: another program answers, the version is another, or relabelling drops it.",
		},
		Check: []Text{
			{ZH: "curl该地址的/metrics，看是哪个程序在应答。", EN: "curl /metrics of that address: which program answers?"},
			{ZH: "prometheus.yml中该任务的metric_relabel_configs和sample_limit。", EN: "metric_relabel_configs and sample_limit of the job in prometheus.yml."},
			{ZH: "采集服务与本告警规则是否同一版本。", EN: "Are the ingester and these rules of one version?"},
		},
		Clears: Text{ZH: "指标出现后自动解除。", EN: "Clears when the metric is there."},
	}, {
		Name: "GreencommunityBrokerDisconnected", Page: "broker_disconnected", Severity: "critical", Component: "ingester",
		Expr: `greencommunity_mqtt_connected == 0`, For: "2m", KeepFiring: "2m",
		Summary: Text{ZH: "与消息服务器断开", EN: "Not connected to the broker"},
		Description: Text{
			ZH: "采集服务{{ $labels.instance }}两分钟以上未连接消息服务器，或订阅未获准。",
			EN: "Ingester {{ $labels.instance }} has had no broker, or not all its subscriptions, for two minutes.",
		},
		Means: Text{
			ZH: "没有任何数据到达。消息服务器在此期间为我们排队，超过其队列长度的部分会丢失。",
			EN: "Nothing arrives. The broker queues for us meanwhile; what exceeds its queue is lost.",
		},
		Check: []Text{
			{ZH: "消息服务器进程和端口：systemctl status mosquitto，nc -vz 主机 端口。", EN: "The broker and its port: systemctl status mosquitto, nc -vz HOST PORT."},
			{ZH: "采集服务日志中的原因：密码、证书到期、ACL拒绝订阅。", EN: "The reason in the ingester's log: password, expired certificate, subscription refused by an ACL."},
			{ZH: "greencommunity check --config config.yaml --connect逐项检查。", EN: "greencommunity check --config config.yaml --connect tries each step."},
			{ZH: "消息服务器的队列上限（Mosquitto：max_queued_messages），估计还能撑多久。", EN: "The broker's queue limit (Mosquitto: max_queued_messages): how long will it last?"},
		},
		Clears: Text{ZH: "重新连接并获准全部订阅后自动解除。", EN: "Clears when it is connected and every subscription granted."},
	}, {
		Name: "GreencommunityClockSet", Page: "clock_set", Severity: "warning", Component: "ingester",
		Expr:    `increase(greencommunity_clock_steps_total[1h]) > 0 or (greencommunity_clock_steps_total > 0 and on (instance) time() - process_start_time_seconds{` + scrape + `} < 3600)`,
		Summary: Text{ZH: "采集服务器的时钟跳变或不正确", EN: "The ingester's clock was set, or is wrong"},
		Description: Text{
			ZH: "{{ $labels.instance }}所在机器的时钟跳变了一秒以上，或启动时早于最后一条报文的接收时间。期间无设备时间的读数，时间可能不对。",
			EN: "The clock of {{ $labels.instance }}'s machine went a second or more by itself, or was before the last receipt at the start. Readings without a time of their own may be stamped wrongly.",
		},
		Means: Text{
			ZH: "没有设备时间的读数以接收时间入库；时钟错了，时间就错了。早于程序构建日期时不接收任何报文，由消息服务器保存。",
			EN: "A reading without a time of its own gets the time it was received, for good. While the clock is before the program was built nothing is taken, and the broker keeps the messages.",
		},
		Check: []Text{
			{ZH: "timedatectl：时间同步服务（chrony或systemd-timesyncd）是否在运行、是否已同步。", EN: "timedatectl: does the time service (chrony, systemd-timesyncd) run, and is it synchronised?"},
			{ZH: "采集服务日志中的“this machine's clock was set”：何时、跳了多少秒；/-/ready说明时钟现在是否可信。", EN: "“this machine's clock was set” in the ingester's log: when, and by how many seconds; /-/ready says whether the time is possible now."},
			{ZH: "虚拟机是否刚被挂起或迁移；主板电池是否没电。", EN: "Was the virtual machine suspended or moved? Is the battery of the board empty?"},
		},
		Clears: Text{ZH: "一小时内没有再跳变即自动解除。告警检测不需处理，也不要删除任何文件。", EN: "Clears after an hour without another. Detection goes on by itself; delete no file."},
	}, {
		Name: "GreencommunityBrokerSessionLost", Page: "broker_session_lost", Severity: "warning", Component: "ingester",
		// Most are found at the first connection of a process, before the first
		// scrape: increase sees nothing of those.
		Expr: `increase(greencommunity_mqtt_sessions_lost_total[1h]) > 0
or
(greencommunity_mqtt_sessions_lost_total > 0 and on (instance) time() - process_start_time_seconds{` + scrape + `} < 3600)`,
		Summary: Text{ZH: "消息服务器丢失了采集会话", EN: "The broker had forgotten our session"},
		Description: Text{
			ZH: "{{ $labels.instance }}重新连接时，消息服务器上已没有它的会话：断开期间发布的报文可能已丢失。",
			EN: "When {{ $labels.instance }} connected, the broker had no session of it any more: what was published while it was away may be lost.",
		},
		Means: Text{
			ZH: "采集服务离线时，报文在消息服务器的会话中排队。会话不在了，队列也就不在了。这是唯一不由采集服务防住的丢失。",
			EN: "While the ingester is away, messages wait in its session at the broker. With the session gone, they are gone: the one loss that the ingester cannot prevent.",
		},
		Check: []Text{
			{ZH: "采集服务日志中的“no session of ours”一行：since是丢失区间的起点，据此请厂商补传。", EN: "The line “no session of ours” in the ingester's log: since is where the gap begins; ask vendors to send that time again."},
			{ZH: "消息服务器：persistence true，persistence_location在磁盘上且可写，数据库文件是否被删或从旧备份恢复。", EN: "The broker: persistence true, persistence_location writable and on a disk; was its file removed, or restored from an old copy?"},
			{ZH: "离线是否超过persistent_client_expiration（随附配置为一个月）。", EN: "Was the ingester away longer than persistent_client_expiration (a month in the configuration shipped)?"},
			{ZH: "是否有别的程序使用过同一client_id：greencommunity check --connect --vendor-login可测试。", EN: "Did another program use the same client_id? greencommunity check --connect --vendor-login tries whether one could."},
		},
		Clears: Text{ZH: "一小时后自动解除；丢失的报文不会自动恢复。", EN: "Clears after an hour; what is lost does not come back by itself."},
	}, {
		Name: "GreencommunityBrokerFlapping", Page: "broker_flapping", Severity: "warning", Component: "ingester",
		Expr: `increase(greencommunity_mqtt_connects_total[10m])
-
increase(greencommunity_mqtt_silent_reconnects_total[10m]) > 5`,
		KeepFiring: "10m",
		Summary:    Text{ZH: "与消息服务器反复断连", EN: "The connection to the broker ends again and again"},
		Description: Text{
			ZH: "{{ $labels.instance }}十分钟内连接消息服务器超过五次。",
			EN: "{{ $labels.instance }} has connected to the broker more than five times in ten minutes.",
		},
		Means: Text{
			ZH: "最常见的原因是两个程序使用同一client_id，互相挤下线，报文被两边分走；也可能是网络或消息服务器不稳。",
			EN: "Most often two programs have one client_id: each throws the other out, and the messages are divided between them. Else the network or the broker is not well.",
		},
		Check: []Text{
			{ZH: "采集服务日志：“does another program use client_id”即指此事。", EN: "The ingester's log: “does another program use client_id” says so."},
			{ZH: "消息服务器日志：“already connected, closing old connection”及两边的地址。", EN: "The broker's log: “already connected, closing old connection”, and both addresses."},
			{ZH: "是否在另一台机器上复制了data_dir或config.yaml（测试机、旧机器、备机）。", EN: "Was data_dir or config.yaml copied to another machine (a test, the old one, a standby)?"},
		},
		Clears: Text{ZH: "连接稳定十分钟后自动解除。", EN: "Clears when the connection has been steady for ten minutes."},
	}, {
		Name: "GreencommunityStandbyTookOver", Page: "standby_took_over", Severity: "warning", Component: "ingester",
		Expr:    `greencommunity_standby == 0`,
		Summary: Text{ZH: "备用进程已接管采集，目前没有备用", EN: "The standby has taken over, and there is none now"},
		Description: Text{
			ZH: "{{ $labels.instance }}原为备用，已接管数据目录并在采集。原来的进程已终止。",
			EN: "{{ $labels.instance }} was the standby; it has taken over the data directory and takes messages in. The process before it has ended.",
		},
		Means: Text{
			ZH: "数据没有丢失：备用进程从同一数据目录继续，其间的报文由消息服务器保存。但现在没有备用，再有一次故障就会停下。",
			EN: "Nothing is lost: the standby went on with the same data directory, and the broker kept what came meanwhile. But there is no standby now, and another fault would stop the work.",
		},
		Check: []Text{
			{ZH: "原来的进程和机器：systemctl status greencommunity，journalctl -u greencommunity，看它为何终止。", EN: "The process before and its machine: systemctl status greencommunity, journalctl -u greencommunity: why did it end?"},
			{ZH: "修好后，在那台机器上以--standby启动，作为新的备用；或在空闲时停下本进程，由它接管。", EN: "Once it is well, start it there with --standby: it is the standby now. Or end this process at a quiet time, and it takes over again."},
			{ZH: "日志中若有“has taken over the data directory”：原进程仍在运行而数据目录已被接管，检查共享存储的锁。", EN: "“has taken over the data directory” in a log: the process before was still running; look at the locks of the shared storage."},
		},
		Clears: Text{ZH: "接管的进程重启为普通进程或重新成为备用后自动解除。", EN: "Clears when the process that took over is started anew, as the ordinary one or as the standby."},
	}, {
		Name: "GreencommunityShardsDisagree", Page: "shards_disagree", Severity: "critical", Component: "ingester",
		Expr: `count by (job, index, count) (greencommunity_shard{count!="1"}) > 1
or
count by (job) (count by (job, count) (greencommunity_shard)) > 1`,
		For:     "10m",
		Summary: Text{ZH: "采集实例的分工不一致", EN: "The ingesters do not agree on who has which communities"},
		Description: Text{
			ZH: "两个实例使用同一分片，或各实例的shard.count不同：有的社区被处理两次，有的没有实例处理。",
			EN: "Two instances have one share, or they have different values of shard.count: some communities are taken twice, or by nobody.",
		},
		Means: Text{
			ZH: "每个实例按shard.index和shard.count计算自己的社区。两个实例相同则同一社区被采集两次；数目不同则社区有重叠或遗漏。更改实例数时，十分钟内应全部重启完毕。",
			EN: "Each instance works out its communities from shard.index and shard.count. Where two have the same, their communities are taken twice; where counts differ, some overlap and some are left out. When the number changes, all should be restarted within ten minutes.",
		},
		Check: []Text{
			{ZH: "greencommunity_shard：各实例的index和count。", EN: "greencommunity_shard: index and count of each instance."},
			{ZH: "多出的实例：停下它；其数据目录不要用于别的分片（启动时会拒绝）。", EN: "One too many: end it. Its data directory is of no use for another share (a start says so)."},
			{ZH: "更改实例数时卡住的实例：日志“waiting for what other instances hand over”或“not handed over yet”说明在等谁。", EN: "An instance that is stuck in a change: “waiting for what other instances hand over” or “not handed over yet” in its log says for whom."},
		},
		Clears: Text{ZH: "分工一致后自动解除。", EN: "Clears when they agree."},
	}, {
		Name: "GreencommunityNothingReceived", Page: "nothing_received", Severity: "critical", Component: "ingester",
		Expr: `sum by (instance) (increase(greencommunity_messages_received_total[10m])) == 0
and on (instance)
sum by (instance) (increase(greencommunity_messages_received_total[1h] offset 15m)) > 60
and on (instance)
min_over_time(greencommunity_mqtt_connected[10m]) == 1`,
		For: "5m", KeepFiring: "5m",
		Summary: Text{ZH: "已连接但无报文入账", EN: "Connected, and nothing is taken in"},
		Description: Text{
			ZH: "{{ $labels.instance }}与消息服务器保持连接，但十分钟以上没有一条报文写入日志，而此前一小时有报文。",
			EN: "{{ $labels.instance }} is connected to the broker, and not one message has reached the journal for ten minutes, though they came in the hour before.",
		},
		Means: Text{
			ZH: "最常见的原因是日志已满（磁盘满或达到journal.max_bytes），此时不再确认报文，由消息服务器排队；其次是上游桥接或全部厂商同时中断。",
			EN: "Most often the journal is full (the disk, or journal.max_bytes), and messages are left unacknowledged with the broker; else a bridge before the broker, or all vendors, stopped at once.",
		},
		Check: []Text{
			{ZH: "curl http://127.0.0.1:9108/-/ready：答“the journal takes no messages”即日志不收。", EN: "curl http://127.0.0.1:9108/-/ready: “the journal takes no messages” says that it is the journal."},
			{ZH: "df -h数据目录；greencommunity_journal_bytes是否接近journal.max_bytes。", EN: "df -h of the data directory; is greencommunity_journal_bytes near journal.max_bytes?"},
			{ZH: "若因InfluxDB长期不可用而积压：先恢复InfluxDB，或在配置中调大journal.max_bytes并重启。", EN: "If an outage of InfluxDB filled it: bring InfluxDB back, or raise journal.max_bytes and restart."},
			{ZH: "日志正常时，用mosquitto_sub看消息服务器上是否还有报文。", EN: "If the journal is well: does mosquitto_sub see messages at the broker?"},
		},
		Clears: Text{ZH: "再次有报文入账后自动解除。", EN: "Clears when messages are taken in again."},
	}, {
		Name: "GreencommunityJournalFailing", Page: "journal_failing", Severity: "critical", Component: "ingester",
		Expr: `increase(greencommunity_journal_errors_total[5m]) > 0`, KeepFiring: "10m",
		Summary: Text{ZH: "日志写入出错", EN: "The journal cannot be written"},
		Description: Text{
			ZH: "{{ $labels.instance }}写日志或落盘出错，出错的报文没有确认，由消息服务器保留。",
			EN: "{{ $labels.instance }} failed to write or sync its journal. The messages concerned were not acknowledged; the broker keeps them.",
		},
		Means: Text{
			ZH: "磁盘报错、只读或写满。没有落盘的报文不会被确认，因此没有丢失，但新数据进不来。",
			EN: "The disk reports errors, is read-only or full. What is not on disk is not acknowledged, so nothing is lost, and nothing new comes in.",
		},
		Check: []Text{
			{ZH: "dmesg中有无I/O错误，挂载是否变成只读。", EN: "dmesg for I/O errors; has the mount become read-only?"},
			{ZH: "df -h和df -i数据目录。", EN: "df -h and df -i of the data directory."},
			{ZH: "服务日志中的error字段。", EN: "The field error in the service's log."},
		},
		Clears: Text{ZH: "五分钟内不再出错后自动解除。", EN: "Clears after five minutes without an error."},
	}, {
		Name: "GreencommunityJournalCorrupt", Page: "journal_corrupt", Severity: "warning", Component: "ingester",
		Expr:    `increase(greencommunity_journal_corruptions_total[1h]) > 0`,
		Summary: Text{ZH: "日志文件损坏", EN: "Damage in the journal"},
		Description: Text{
			ZH: "{{ $labels.instance }}读日志时遇到损坏的记录，已跳过。",
			EN: "{{ $labels.instance }} met a damaged record in the journal and passed it over.",
		},
		Means: Text{
			ZH: "某个日志文件校验不符：磁盘或内存故障。已写入InfluxDB的数据不受影响，未处理的部分可能缺失。",
			EN: "A checksum in the journal does not match: disk or memory. What InfluxDB has is not affected; what had not been dealt with may be missing.",
		},
		Check: []Text{
			{ZH: "服务日志中的文件名，先复制该文件留证。", EN: "The file's name in the service's log; copy the file first."},
			{ZH: "smartctl -a和内存检测：换掉坏盘。", EN: "smartctl -a and a memory test: exchange the disk if it is bad."},
			{ZH: "请厂商补发该时段的数据，重复的报文会自动识别。", EN: "Ask vendors to send that period again; what was there already is recognised."},
		},
		Clears: Text{ZH: "一小时内不再发生后自动解除。", EN: "Clears after an hour without another."},
	}, {
		Name: "GreencommunityPoisonMessage", Page: "poison_message", Severity: "warning", Component: "ingester",
		Expr:    `time() - greencommunity_poison_found_timestamp_seconds < 86400`,
		Summary: Text{ZH: "有报文使进程终止", EN: "A message ended the process"},
		Description: Text{
			ZH: "{{ $labels.instance }}两次在处理同一报文时终止；该报文已按internal拒收，不再解码，服务继续。",
			EN: "{{ $labels.instance }} died twice while it dealt with the same message. It is rejected as internal and not decoded again; the service goes on.",
		},
		Means: Text{
			ZH: "进程在处理某报文时终止（内存不足被系统终止、栈溢出或程序缺陷），重启后单独重试又终止。此后该报文按internal拒收，原文保留在日志中。",
			EN: "The process died while it dealt with a message (the kernel ended it for memory, its stack was full, or a defect), and died again when it tried that message alone. The message is rejected as internal since; the journal keeps it.",
		},
		Check: []Text{
			{ZH: "服务日志中的“died twice”一行给出报文序号seq；rejects.ndjson中同序号的一行给出主题和厂商。", EN: "The line “died twice” of the service's log names the message's seq; the line of rejects.ndjson with that seq names topic and vendor."},
			{ZH: "上一次终止的原因：journalctl -u greencommunity和dmesg（Out of memory、stack overflow）。", EN: "What ended it: journalctl -u greencommunity and dmesg (Out of memory, stack overflow)."},
			{ZH: "内存上限是否过低；该厂商的解码脚本是否有误。修正或升级后，用greencommunity replay补录该时段。", EN: "Is the limit of memory too low, or the vendor's decoder at fault? Once that is mended or the program is newer, take the time in again with greencommunity replay."},
		},
		Clears: Text{ZH: "认定后一天自动解除；期间再次认定则重新计时。", EN: "Clears a day after the message was found, if no other is."},
	}, {
		Name: "GreencommunityCodecBroken", Page: "codec_broken", Severity: "warning", Component: "ingester",
		Expr: `max by (vendor) (greencommunity_codecs{state="broken"}) > 0`, For: "2m",
		Summary: Text{ZH: "解码脚本无法运行", EN: "A decoder cannot be run"},
		Description: Text{
			ZH: "{{ $labels.vendor }}有解码脚本无法读取或编译，其设备的报文按codec_failed拒收。",
			EN: "{{ $labels.vendor }} has a decoder that cannot be read or compiled; its devices' messages are refused as codec_failed.",
		},
		Means: Text{
			ZH: "台账中该厂商的JavaScript脚本有语法错误、没有入口函数或文件缺失。其他设备和厂商不受影响。",
			EN: "A JavaScript file of the vendor has a slip, defines no entry function, or is missing. Other devices and vendors are not affected.",
		},
		Check: []Text{
			{ZH: "服务日志“a decoder cannot be run”一行，或greencommunity check，给出厂商、文件和行号。", EN: "The line “a decoder cannot be run” of the service's log, and greencommunity check, name vendor, file and line."},
			{ZH: "用greencommunity decode --format raw --codec =文件试运行该脚本。", EN: "Try the file: greencommunity decode --format raw --codec =FILE."},
			{ZH: "改好后重新加载台账，再用greencommunity replay补录该时段。", EN: "Once it is mended, reload the inventory, and take the time in again with greencommunity replay."},
		},
		Clears: Text{ZH: "重新加载台账且脚本能编译后自动解除。", EN: "Clears when the inventory was reloaded and the file compiles."},
	}, {
		Name: "GreencommunityCodecStuck", Page: "codec_stuck", Severity: "warning", Component: "ingester",
		Expr: `max by (vendor) (greencommunity_codecs{state="stuck"}) > 0`, For: "2m",
		Summary: Text{ZH: "解码脚本卡住", EN: "A decoder got stuck"},
		Description: Text{
			ZH: "{{ $labels.vendor }}的解码脚本有一次调用未能结束，暂停使用，其设备的报文按codec_failed拒收。",
			EN: "A call of a decoder of {{ $labels.vendor }} did not end. It rests, and its devices' messages are refused as codec_failed.",
		},
		Means: Text{
			ZH: "脚本在一个内置函数中耗时过长，无法中断。先停一分钟，之后每次加倍，最长一小时，到时自动试一次。",
			EN: "The decoder stayed in one built-in function that cannot be interrupted. It rests for a minute, twice as long each time up to an hour, and is then tried by itself.",
		},
		Check: []Text{
			{ZH: "rejects.ndjson中该厂商的codec_failed：哪种报文使它卡住。", EN: "The vendor's codec_failed lines in rejects.ndjson: which messages hold it up."},
			{ZH: "用greencommunity decode --format raw --codec =文件试运行该脚本。", EN: "Try the file: greencommunity decode --format raw --codec =FILE."},
			{ZH: "改好后重新加载台账，再用greencommunity replay补录该时段。", EN: "Once it is mended, reload the inventory, and take the time in again with greencommunity replay."},
		},
		Clears: Text{ZH: "一次试运行按时结束后自动解除。", EN: "Clears once a call of it ends in time."},
	}, {
		Name: "GreencommunityMessagesLost", Page: "messages_lost", Severity: "critical", Component: "ingester",
		Expr:    `increase(greencommunity_messages_lost_total[1h]) > 0`,
		Summary: Text{ZH: "已确认的报文丢失", EN: "Acknowledged messages are lost"},
		Description: Text{
			ZH: "{{ $labels.instance }}有{{ $value | humanize }}条已确认的报文在写入InfluxDB之前，于日志中损坏或被删除。",
			EN: "{{ $value | humanize }} messages that {{ $labels.instance }} had acknowledged are damaged or gone in its journal before they were in InfluxDB.",
		},
		Means: Text{
			ZH: "磁盘损坏，或有人删除、替换了数据目录中的日志文件。服务会继续运行，账目照常平衡，但这些报文不会再有。",
			EN: "The disk is damaged, or somebody removed or replaced files of the journal in the data directory. The service goes on and its account closes, but these messages are gone.",
		},
		Check: []Text{
			{ZH: "服务日志中“count as lost”一行：从第几条到第几条。", EN: "The line 'count as lost' in the service's log: from which message to which."},
			{ZH: "数据目录的journal中是否有torn-*或misplaced-*文件：先复制留证。", EN: "Are there files torn-* or misplaced-* in the data directory's journal? Copy them first."},
			{ZH: "smartctl -a和内存检测：换掉坏盘。", EN: "smartctl -a and a memory test: exchange the disk if it is bad."},
			{ZH: "请厂商补发该时段的数据：带设备时间的重复读数会自动识别。", EN: "Ask vendors to send that period again; readings with a device time that were there already are recognised."},
		},
		Clears: Text{ZH: "一小时内不再发生后自动解除。", EN: "Clears after an hour without another."},
	}, {
		Name: "GreencommunityUsagePointsLost", Page: "usage_points_lost", Severity: "warning", Component: "ingester",
		Expr:    `increase(greencommunity_usage_points_lost_total[1h]) > 0`,
		Summary: Text{ZH: "逐小时用量未能写入", EN: "Hours of use were not written"},
		Description: Text{
			ZH: "{{ $labels.instance }}有{{ $value | humanize }}个表·小时的用量没有写入InfluxDB：等待写入的已到上限。",
			EN: "{{ $value | humanize }} hours of meters of {{ $labels.instance }} are not in InfluxDB's usage: what waits has reached its limit.",
		},
		Means: Text{
			ZH: "InfluxDB停用过久，等待写入的逐小时用量超过一百万个，最早的已丢弃。读数、节约量、逐日用量和告警不受影响，只有测量usage（按设备、按小时）有缺口。",
			EN: "InfluxDB has been away for so long that more than a million hours of meters waited, and the oldest were dropped. Readings, savings, daily use and alarms are right; only the measurement usage (by device and hour) has a hole.",
		},
		Check: []Text{
			{ZH: "先看“InfluxDB不可用”告警，恢复InfluxDB。", EN: "First bring InfluxDB back: see the alerts on it."},
			{ZH: "看板“采集服务”上的缺口从何时到何时。", EN: "From when to when the hole goes, on the ingester's board."},
			{ZH: "该时段的用量由greencommunity savings按读数重新计算；看板的逐日用量（usage_daily）是完整的。", EN: "Use of that time comes from the registers by greencommunity savings; the days of the boards (usage_daily) are whole."},
		},
		Clears: Text{ZH: "一小时内不再丢弃后自动解除。", EN: "Clears after an hour without another."},
	}, {
		Name: "GreencommunityAlarmHistoryBroken", Page: "alarm_history_broken", Severity: "critical", Component: "ingester",
		Expr: `greencommunity_alarm_history_broken > 0`, For: "1m",
		Summary: Text{ZH: "告警处置记录写不进磁盘", EN: "What people do with alarms cannot be written"},
		Description: Text{
			ZH: "{{ $labels.instance }}不能写数据目录中的告警处置记录：确认、派单和关闭都被拒绝。",
			EN: "{{ $labels.instance }} cannot write its history of alarms: nobody can confirm, assign or close one.",
		},
		Means: Text{
			ZH: "处置在写入磁盘后才算数，写不进去就被拒绝，不会丢失已答复的处置。告警照常产生并通知；因无人能确认，会按值班表升级。",
			EN: "What a person does counts once it is on disk; where that fails it is refused, so that nothing is lost that was answered. Alarms still come and are told; since nobody can confirm them, they escalate.",
		},
		Check: []Text{
			{ZH: "数据目录所在磁盘是否已满、只读，权限是否正确；日志中有原因。", EN: "Whether the disk of the data directory is full or read-only, and its permissions; the log has the reason."},
			{ZH: "排除后重启服务：重启时记录会被读回并接着写。", EN: "Then restart the service: it reads the history and goes on with it."},
		},
		Clears: Text{ZH: "重启后记录可写时解除。", EN: "Clears once it can be written after a restart."},
	}, {
		Name: "GreencommunityAlarmsUntold", Page: "alarms_untold", Severity: "warning", Component: "ingester",
		Expr: `sum by (instance, vendor) (greencommunity_alarms_untold) > 0`, For: "5m",
		Summary: Text{ZH: "某厂商的告警过多，部分未通知", EN: "A vendor has too many alarms: some are not told"},
		Description: Text{
			ZH: "{{ $labels.vendor }}的未恢复告警超过通知上限，{{ $value | humanize }}条只在页面上。",
			EN: "{{ $value | humanize }} open alarms of {{ $labels.vendor }} are over the bound of what is told, and stand on the page only.",
		},
		Means: Text{
			ZH: "一个厂商的大量告警不应淹没其他厂商的。超出上限的不单独通知，其他厂商不受影响。常见原因是整批设备误配或数据有误。",
			EN: "A vendor with a mass of alarms is not to drown those of others. What is over the bound is not told one by one; nothing of other vendors changes. A whole delivery of wrong devices or data is the usual cause.",
		},
		Check: []Text{
			{ZH: "页面告警列表按该厂商筛选：是哪一类、哪些社区。", EN: "The page's list of alarms of this vendor: which kind, which communities."},
			{ZH: "数据有误时请厂商更正；设备真的成批故障时，按社区派单。", EN: "Where data is wrong, the vendor corrects it; where devices fail by the dozen, assign by community."},
		},
		Clears: Text{ZH: "降到上限以下后解除。", EN: "Clears below the bound."},
	}, {
		Name: "GreencommunityAlarmScheduleInvalid", Page: "alarm_schedule_invalid", Severity: "warning", Component: "ingester",
		Expr: `greencommunity_alarm_schedule_valid == 0 or greencommunity_alarm_schedule_unknown > 0`, For: "5m",
		Summary: Text{ZH: "静默、检修与节假日文件有误", EN: "The file of silences, maintenance and holidays is wrong"},
		Description: Text{
			ZH: "{{ $labels.instance }}的静默、检修与节假日文件改动后有误（仍按改动前的执行），或写了台账中没有的设备、社区、厂商。",
			EN: "The file of silences, maintenance and holidays of {{ $labels.instance }} has changed and is wrong, and the one before is in force; or it names devices, communities or vendors the inventory does not have.",
		},
		Means: Text{
			ZH: "新写入的静默或检修窗口没有生效：检修中的设备仍会通知。",
			EN: "A silence or window of maintenance that was just written is not in force: devices under maintenance are told.",
		},
		Check: []Text{
			{ZH: "日志中有文件名、行号与改法；`greencommunity check` 列出台账中没有的名称。", EN: "The log names file, line and cure; `greencommunity check` lists the names that the inventory does not have."},
			{ZH: "改正后自动重读，无需重启。", EN: "Once corrected, it is read again by itself."},
		},
		Clears: Text{ZH: "文件改正后解除。", EN: "Clears once the file is right."},
	}, {
		Name: "GreencommunityStateNotWritten", Page: "state_not_written", Severity: "critical", Component: "ingester",
		Expr: `max by (instance, state) (greencommunity_checkpoint_age_seconds) > 600`, For: "2m",
		Summary: Text{ZH: "检查点写不进磁盘", EN: "The state cannot be written"},
		Description: Text{
			ZH: "{{ $labels.instance }}的{{ $labels.state }}已{{ $value | humanizeDuration }}没有写好。报文照常入日志和InfluxDB，但指标中的账目停在那时。",
			EN: "The {{ $labels.state }} of {{ $labels.instance }} was last written {{ $value | humanizeDuration }} ago. Messages still go to the journal and to InfluxDB, but the counters stand still.",
		},
		Means: Text{
			ZH: "数据目录中无法新建或改名文件：磁盘或inode用尽、只读、权限不对。重启后从旧检查点读日志重来，不丢不重；但日志不能释放，最终会满。写入失败一分钟后/-/ready报未就绪。",
			EN: "No file can be made or renamed in the data directory: the disk or its inodes are used up, it is read-only, or permissions are wrong. A restart goes on from the older checkpoint and the journal, and loses and doubles nothing; but the journal cannot be let go and fills up. A minute after writing began to fail /-/ready says so too.",
		},
		Check: []Text{
			{ZH: "df -h和df -i数据目录；目录权限；dmesg中的I/O错误。", EN: "df -h and df -i of the data directory, its permissions, and I/O errors in dmesg."},
			{ZH: "服务日志中“a state is not written”一行有系统的原话，每小时一次。", EN: "The line “a state is not written” of the service's log has the system's words, once an hour."},
			{ZH: "日志中没有该行而时间仍在增加：CPU或磁盘太慢，检查点写得太久。", EN: "If that line is not there and the age grows: CPU or disk are too slow, and a checkpoint takes too long."},
		},
		Clears: Text{ZH: "写成后自动解除。", EN: "Clears once it is written."},
	}, {
		Name: "GreencommunityQuotaFilling", Page: "quota_filling", Severity: "warning", Component: "vendor",
		Expr: `greencommunity_vendor_quota_used_ratio > 0.8`, For: "10m",
		Summary: Text{ZH: "厂商配额将满", EN: "A vendor's quota fills up"},
		Description: Text{
			ZH: "厂商{{ $labels.vendor }}的配额（{{ $labels.quota }}）已用{{ $value | humanizePercentage }}；用满后新的会被拒收。",
			EN: "Vendor {{ $labels.vendor }} has used {{ $value | humanizePercentage }} of its quota of {{ $labels.quota }}; once it is full, further ones are refused.",
		},
		Means: Text{
			ZH: "设备名、通道名或事件类型不断出现新的：多半是名称里带了会变的内容，如序号或时间。其他厂商不受影响。",
			EN: "New names of devices, channels or events keep coming: most likely something that changes, a number or a time, is part of a name. Other vendors are not affected.",
		},
		Check: []Text{
			{ZH: "页面“厂商”表和该厂商最近的报文：哪个名称每次都不同（greencommunity devices --unlisted列出设备名）。", EN: "The page's table of vendors and the vendor's latest messages: which name differs each time? greencommunity devices --unlisted lists devices."},
			{ZH: "名称正常、只是多：在inventory.yaml中提高max_devices或limits，然后重新加载。", EN: "The names are right and only many: raise max_devices or limits in inventory.yaml and reload."},
		},
		Clears: Text{ZH: "提高上限并重新加载后自动解除。", EN: "Clears once the limit is raised and reloaded."},
	}, {
		Name: "GreencommunityFsyncSlow", Page: "fsync_slow", Severity: "warning", Component: "ingester",
		Expr: `histogram_quantile(0.99, sum by (instance, le) (rate(greencommunity_journal_fsync_seconds_bucket[10m]))) > 0.5`,
		For:  "15m", KeepFiring: "15m",
		Summary: Text{ZH: "磁盘落盘过慢", EN: "The disk syncs slowly"},
		Description: Text{
			ZH: "{{ $labels.instance }}的磁盘落盘，百分之一超过{{ $value | humanizeDuration }}，吞吐随之下降。",
			EN: "One in a hundred syncs of {{ $labels.instance }} takes more than {{ $value | humanizeDuration }}; throughput falls with it.",
		},
		Means: Text{
			ZH: "每组报文落盘后才确认，落盘慢则消息服务器上开始排队。",
			EN: "Messages are acknowledged once they are on disk, so slow syncs make the broker queue.",
		},
		Check: []Text{
			{ZH: "iostat -x 5：哪个进程在占用磁盘（备份、数据库压缩）。", EN: "iostat -x 5: which process keeps the disk busy (a backup, a database compacting)?"},
			{ZH: "数据目录是否与InfluxDB共用一块机械盘：分开。", EN: "Does the data directory share a spinning disk with InfluxDB? Part them."},
			{ZH: "smartctl -a：磁盘是否将坏。", EN: "smartctl -a: is the disk about to fail?"},
		},
		Clears: Text{ZH: "落盘时间恢复后自动解除。", EN: "Clears when syncs are quick again."},
	}, {
		Name: "GreencommunityObserverBehind", Page: "observer_behind", Severity: "critical", Component: "ingester",
		Expr: `greencommunity_journal_oldest_pending_seconds{reader="observe"} > 120`, For: "5m",
		Summary: Text{ZH: "异常检测滞后", EN: "Detection lags behind"},
		Description: Text{
			ZH: "{{ $labels.instance }}的异常检测落后{{ $value | humanizeDuration }}，告警将晚到。",
			EN: "Detection at {{ $labels.instance }} is {{ $value | humanizeDuration }} behind: alerts will be late.",
		},
		Means: Text{
			ZH: "报文已落盘，但解码和检测跟不上：CPU不足，或某厂商的解码脚本太慢。",
			EN: "Messages are on disk, but decoding and detection do not keep up: too little CPU, or a vendor's decoder that is slow.",
		},
		Check: []Text{
			{ZH: "top：采集服务是否占满CPU，机器上还有什么。", EN: "top: does the ingester use all of its CPU, and what else runs there?"},
			{ZH: "greencommunity_messages_rejected_total{reason=\"codec_failed\"}是否上升：解码脚本超时。", EN: "Does greencommunity_messages_rejected_total{reason=\"codec_failed\"} rise? A decoder runs into its time limit."},
			{ZH: "哪个厂商的报文突然增多：按厂商看messages_received_total的速率。", EN: "Which vendor suddenly sends more: the rate of messages_received_total by vendor."},
		},
		Clears: Text{ZH: "追上后自动解除。", EN: "Clears when it has caught up."},
	}}
}

func storeAlerts() []alert {
	return []alert{{
		Name: "GreencommunityInfluxDBRefuses", Page: "influxdb_refuses", Severity: "critical", Component: "influxdb",
		Expr: `greencommunity_influxdb_held == 1`, For: "1m",
		Summary: Text{ZH: "InfluxDB拒绝写入", EN: "InfluxDB does not let us write"},
		Description: Text{
			ZH: "{{ $labels.instance }}写不进InfluxDB（{{ $labels.why }}），等待人工处理，数据积存在日志中。",
			EN: "{{ $labels.instance }} cannot write to InfluxDB ({{ $labels.why }}). It waits for an operator; data is kept in the journal.",
		},
		Means: Text{
			ZH: "应答表明重试无用：unauthorized是令牌失效或无权限；not_found是组织或存储桶不存在；redirected是地址被重定向；not_influxdb是登录页、代理或其他服务在应答；tls是证书或一方没有TLS；request_refused是其他拒绝。除204以外的应答都不算写入，所以暂停；日志满之前不会丢数据。/-/ready同时报未就绪。",
			EN: "Trying again is no use: unauthorized is a token that is void or lacks permission; not_found an organisation or bucket that does not exist; redirected an address that sends elsewhere; not_influxdb a login page, a proxy or another server that answers; tls a certificate, or TLS on one side only; request_refused any other refusal. Nothing but 204 counts as written, so writing is held; nothing is lost until the journal is full. /-/ready says so too.",
		},
		Check: []Text{
			{ZH: "服务日志和greencommunity check --config config.yaml --connect显示应答原文、应答者和补救办法。", EN: "The log, and greencommunity check --config config.yaml --connect, show who answered, in what words, and the cure."},
			{ZH: "unauthorized、not_found：influx auth list、influx bucket list。令牌文件每次写入时重读，换好即可，不用重启。", EN: "unauthorized, not_found: influx auth list, influx bucket list. The token's file is read for every write: replace it, and nothing needs a restart."},
			{ZH: "not_influxdb、redirected：influxdb.url的地址、端口、路径是否指向InfluxDB本身；中间的代理改过什么。", EN: "not_influxdb, redirected: do address, port and path of influxdb.url lead to InfluxDB itself; what was changed on proxies between?"},
			{ZH: "tls：http还是https；证书是否过期；私有CA写在influxdb.ca_file，每次连接时重读。", EN: "tls: http or https; has the certificate expired? A private authority goes into influxdb.ca_file, which is read at each connection."},
		},
		Clears: Text{ZH: "InfluxDB接受写入后自动解除，积存的数据自动补写。", EN: "Clears when InfluxDB takes points; what was kept is written by itself."},
	}, {
		Name: "GreencommunityInfluxDBAway", Page: "influxdb_away", Severity: "warning", Component: "influxdb",
		Expr: `sum by (instance) (increase(greencommunity_influxdb_retries_total{answer=~"429|5xx|network|slow"}[5m])) > 0
and on (instance)
greencommunity_journal_oldest_pending_seconds{reader="store"} > 120`,
		For: "5m", KeepFiring: "5m",
		Summary: Text{ZH: "InfluxDB无法写入", EN: "InfluxDB cannot be written to"},
		Description: Text{
			ZH: "{{ $labels.instance }}反复重试写InfluxDB，数据积存在日志中，告警不受影响。",
			EN: "{{ $labels.instance }} keeps trying to write to InfluxDB. Data is kept in the journal; alerts are not affected.",
		},
		Means: Text{
			ZH: "InfluxDB停机、过载或网络不通，最早的未写数据已等待两分钟以上。看板停在断开的时刻；告警照常。",
			EN: "InfluxDB is down, overloaded or out of reach, and data has been waiting for more than two minutes. Dashboards stop there; alerts go on.",
		},
		Check: []Text{
			{ZH: "systemctl status influxdb，磁盘是否已满。", EN: "systemctl status influxdb; is its disk full?"},
			{ZH: "greencommunity_influxdb_retries_total的answer标签：network是网络，5xx、429和slow是过载。", EN: "The label answer of greencommunity_influxdb_retries_total: network, or 5xx, 429 and slow for overload."},
			{ZH: "greencommunity_journal_bytes离journal.max_bytes还有多远。", EN: "How far greencommunity_journal_bytes is from journal.max_bytes."},
		},
		Clears: Text{ZH: "恢复写入并补完积存后自动解除。", EN: "Clears when writing works and what was kept is written."},
	}, {
		Name: "GreencommunityStoreBehind", Page: "store_behind", Severity: "critical", Component: "influxdb",
		Expr: `greencommunity_journal_oldest_pending_seconds{reader="store"} > 6 * 3600
and
deriv(greencommunity_journal_oldest_pending_seconds{reader="store"}[30m]) > 0`,
		For: "10m", KeepFiring: "30m",
		Summary: Text{ZH: "待写数据积存过久", EN: "Data has waited long for InfluxDB"},
		Description: Text{
			ZH: "{{ $labels.instance }}最早的未写数据已等待{{ $value | humanizeDuration }}，且仍在增加。",
			EN: "At {{ $labels.instance }} data has been waiting for InfluxDB for {{ $value | humanizeDuration }}, and the wait grows.",
		},
		Means: Text{
			ZH: "六小时以上的数据还没有写入InfluxDB，而且没有追上的迹象。日志写满后将不再确认报文。",
			EN: "More than six hours of data are not in InfluxDB yet, and it does not catch up. Once the journal is full, messages are no longer acknowledged.",
		},
		Check: []Text{
			{ZH: "先处理“InfluxDB拒绝写入”或“InfluxDB无法写入”告警。", EN: "First deal with the alerts that InfluxDB refuses or cannot be written to."},
			{ZH: "若InfluxDB正常但慢：看greencommunity_influxdb_write_seconds和其磁盘。", EN: "If InfluxDB is up but slow: greencommunity_influxdb_write_seconds, and its disk."},
			{ZH: "临时调大journal.max_bytes并确认磁盘有空间，为修复争取时间。", EN: "Raise journal.max_bytes where the disk has room, to gain time."},
		},
		Clears: Text{ZH: "积存开始减少后自动解除。", EN: "Clears when the backlog shrinks."},
	}, {
		Name: "GreencommunityJournalFilling", Page: "journal_filling", Severity: "critical", Component: "influxdb",
		// The cap is journal.max_bytes, here its default. Only while InfluxDB
		// does not take data does the journal fill up: what is stored makes room.
		Expr: `predict_linear(greencommunity_journal_bytes[1h], 12 * 3600) > 10 * 1024 * 1024 * 1024
and on (instance)
greencommunity_journal_oldest_pending_seconds{reader="store"} > 1800`,
		For: "15m", KeepFiring: "30m",
		Summary: Text{ZH: "日志将在半天内写满", EN: "The journal will be full within half a day"},
		Description: Text{
			ZH: "按目前的速度，{{ $labels.instance }}的日志十二小时后将达{{ $value | humanize1024 }}B，超过默认上限10 GiB。",
			EN: "At this rate the journal of {{ $labels.instance }} will have {{ $value | humanize1024 }}B in twelve hours, above the default cap of 10 GiB.",
		},
		Means: Text{
			ZH: "InfluxDB不收数据，日志持续增长。满了以后不再确认报文，改由消息服务器排队，其队列通常小得多。",
			EN: "InfluxDB takes no data and the journal grows. Once it is full, messages stay with the broker, whose queue is usually far smaller.",
		},
		Check: []Text{
			{ZH: "恢复InfluxDB是根本办法：见influxdb_away与influxdb_refuses。", EN: "The cure is InfluxDB: see influxdb_away and influxdb_refuses."},
			{ZH: "磁盘有空间时调大journal.max_bytes并重启，重启不丢数据；本规则中的上限也要同步修改。", EN: "Where the disk has room raise journal.max_bytes and restart, which loses nothing; change the cap in this rule as well."},
			{ZH: "确认消息服务器的队列和持久化设置（persistence true）。", EN: "Check the broker's queue limit and that it persists (persistence true)."},
		},
		Clears: Text{ZH: "InfluxDB恢复、增长停止后自动解除。", EN: "Clears when InfluxDB is back and the growth has ended."},
	}, {
		Name: "GreencommunityPointsRefused", Page: "points_refused", Severity: "warning", Component: "influxdb",
		// A line that lost one field counts as stored, and the field as a reading refused.
		Expr: `sum by (job, instance) (increase(greencommunity_influxdb_points_total{result="refused"}[15m])) > 0
or
sum by (job, instance) (increase(greencommunity_readings_refused_total{reason="refused_by_influxdb"}[15m])) > 0`, KeepFiring: "15m",
		Summary: Text{ZH: "InfluxDB拒收部分数据点", EN: "InfluxDB refuses points"},
		Description: Text{
			ZH: "近15分钟有数据点或其中的字段被InfluxDB拒收，其余照常写入。",
			EN: "InfluxDB refused points of the last 15 minutes, or single fields of them; all others were written.",
		},
		Means: Text{
			ZH: "字段类型与已有数据冲突，或时间早于保留策略。坏点被单独挑出，其报文可以重放。",
			EN: "A field's type conflicts with what is there, or the time is before the retention. The bad points are singled out, and their messages can be replayed.",
		},
		Check: []Text{
			{ZH: "rejects.ndjson中reason为refused_by_influxdb的记录有InfluxDB的原话。", EN: "Entries of rejects.ndjson with reason refused_by_influxdb have InfluxDB's words."},
			{ZH: "是否有别的程序向同一存储桶写了同名字段。", EN: "Does another program write fields of the same name to the bucket?"},
			{ZH: "存储桶的保留时间是否短于厂商补发的数据。", EN: "Is the bucket's retention shorter than what vendors send late?"},
		},
		Clears: Text{ZH: "15分钟内不再拒收后自动解除。", EN: "Clears after 15 minutes without."},
	}}
}

func certificateAlerts() []alert {
	check := []Text{
		{ZH: "greencommunity check --config config.yaml --connect列出每个地址的证书到期时间。", EN: "greencommunity check --config config.yaml --connect lists when the certificate of each address expires."},
		{ZH: "换证书：自有CA用deploy/compose/prepare重新签发，公共CA看其自动续期（certbot renew）为何没有成功。", EN: "Renew it: of an authority of your own with deploy/compose/prepare; of a public one, see why its automatic renewal (certbot renew) failed."},
		{ZH: "代理：新文件放到原处、属主mosquitto，然后systemctl reload mosquitto；已有连接不受影响。", EN: "Broker: put the new files in place, owner mosquitto, then systemctl reload mosquitto; connections there are go on."},
		{ZH: "若换的是CA：先把新CA发给厂商（两个CA可以放在同一个文件里），再换代理的证书；采集服务的ca_file每次连接时重读。", EN: "If the authority changes: first give the new one to the vendors (a file can hold both), then change the broker's certificate; the ingester reads ca_file at each connection."},
	}
	clears := Text{ZH: "新证书出现后十分钟内自动解除。", EN: "Clears within ten minutes of the new certificate."}
	return []alert{{
		Name: "GreencommunityCertificateExpires", Page: "certificate_expires", Severity: "warning", Component: "certificate",
		Expr: `greencommunity_tls_certificate_expiry_timestamp_seconds - time() < 30 * 86400`, For: "15m",
		Summary: Text{ZH: "证书即将到期", EN: "A certificate expires soon"},
		Description: Text{
			ZH: "{{ $labels.peer }}的证书还有{{ $value | humanizeDuration }}到期。",
			EN: "The certificate of {{ $labels.peer }} expires in {{ $value | humanizeDuration }}.",
		},
		Means: Text{
			ZH: "到期后所有校验证书的一方同时连不上：代理的证书到期时，全部厂商一起中断，而采集服务若走本机1883则毫无察觉。",
			EN: "Once it has expired everybody who checks it is out at once: with the broker's, all vendors, while the ingester, where it connects to 1883 on the machine itself, notices nothing.",
		},
		Check: check, Clears: clears,
	}, {
		Name: "GreencommunityCertificateExpired", Page: "certificate_expired", Severity: "critical", Component: "certificate",
		Expr: `greencommunity_tls_certificate_expiry_timestamp_seconds - time() < 2 * 86400`, For: "5m",
		Summary: Text{ZH: "证书到期或两天内到期", EN: "A certificate has expired, or does within two days"},
		Description: Text{
			ZH: "{{ $labels.peer }}的证书将在两天内到期，或已经到期。",
			EN: "The certificate of {{ $labels.peer }} expires within two days, or has expired.",
		},
		Means: Text{
			ZH: "校验证书的一方现在或两天内全部断开。",
			EN: "Everybody who checks it is out, now or within two days.",
		},
		Check: append([]Text{{ZH: "先换代理的证书：全部厂商都靠它。换好后看各厂商报文是否恢复（messages_received_total）。", EN: "Renew the broker's first: all vendors need it. Then see their messages come back (messages_received_total)."}}, check...), Clears: clears,
	}}
}

func deliveryAlerts() []alert {
	return []alert{{
		Name: "GreencommunityDeliveryFailing", Page: "delivery_failing", Severity: "critical", Component: "delivery",
		Expr: `sum by (instance, integration) (increase(alertmanager_notifications_failed_total[15m])) > 0
or
sum by (instance, robot) (increase(greencommunity_notify_messages_total{result="refused"}[15m])) > 0
or
sum by (instance, robot) (greencommunity_notify_waiting{why="robot"}) > 0`,
		For: "10m", KeepFiring: "10m",
		Summary: Text{ZH: "告警通知发送失败", EN: "Messages about alerts are not delivered"},
		Description: Text{
			ZH: "{{ $labels.instance }}近15分钟有通知发送失败{{ with $labels.robot }}，机器人{{ . }}{{ end }}。",
			EN: "{{ $labels.instance }} failed to deliver messages in the last 15 minutes{{ with $labels.robot }}, to robot {{ . }}{{ end }}.",
		},
		Means: Text{
			ZH: "群机器人或转发服务不接受消息，值班人员可能收不到告警。",
			EN: "A robot or the renderer does not take messages: those on duty may not be told.",
		},
		Check: []Text{
			{ZH: "greencommunity notify的日志：机器人返回的错误码（密钥、关键词、频率限制）。", EN: "The log of greencommunity notify: the robot's answer (key, keyword, too many messages)."},
			{ZH: "本机能否访问qyapi.weixin.qq.com、oapi.dingtalk.com或open.feishu.cn。", EN: "Can this machine reach qyapi.weixin.qq.com, oapi.dingtalk.com or open.feishu.cn?"},
			{ZH: "在修复前直接查看Alertmanager页面，电话通知值班人员。", EN: "Until it is mended watch Alertmanager's page and call those on duty."},
		},
		Clears: Text{ZH: "15分钟内不再失败后自动解除。", EN: "Clears after 15 minutes without a failure."},
	}, {
		Name: "GreencommunityDeliveryDown", Page: "delivery_down", Severity: "critical", Component: "delivery",
		Expr: `up{job=~"alertmanager|greencommunity-notify"} == 0
or
absent(up{job="alertmanager"})
or
absent(up{job="greencommunity-notify"})`,
		For:     "5m",
		Summary: Text{ZH: "告警通知服务停止", EN: "Delivery of alerts is down"},
		Description: Text{
			ZH: "{{ $labels.job }}（{{ $labels.instance }}）五分钟以上没有应答，告警无法送达。",
			EN: "{{ $labels.job }} ({{ $labels.instance }}) has not answered for five minutes: alerts do not get through.",
		},
		Means: Text{
			ZH: "Alertmanager或转发服务停止。本告警自己也可能送不出去，因此还需要外部对Watchdog的监视。",
			EN: "Alertmanager or the renderer is down. This alert may not get through either: somebody outside must watch the Watchdog.",
		},
		Check: []Text{
			{ZH: "systemctl status prometheus-alertmanager greencommunity-notify。", EN: "systemctl status prometheus-alertmanager greencommunity-notify."},
			{ZH: "配置是否刚改过：amtool check-config，greencommunity notify --check。", EN: "Was a configuration just changed: amtool check-config, greencommunity notify --check."},
		},
		Clears: Text{ZH: "服务恢复应答后自动解除。", EN: "Clears when it answers again."},
	}, {
		Name: "GreencommunityWatchdog", Page: "watchdog", Severity: "none", Component: "delivery",
		Expr:    `vector(1)`,
		Summary: Text{ZH: "告警链路正常", EN: "Alerting works"},
		Description: Text{
			ZH: "本告警一直存在，用来证明从Prometheus到通知的链路是通的。",
			EN: "This alert is always there, to show that the way from Prometheus to the message is open.",
		},
		Means: Text{
			ZH: "收到它说明正常；收不到才有问题。把它接到外部的“心跳”服务，由对方在收不到时通知。",
			EN: "Receiving it is well; not receiving it is the alarm. Send it to a heartbeat service outside, which tells when it stays away.",
		},
		Check: []Text{
			{ZH: "收不到时，依次检查Prometheus、Alertmanager、greencommunity notify是否运行。", EN: "When it stays away: are Prometheus, Alertmanager and greencommunity notify running, in this order?"},
			{ZH: "Alertmanager的watchdog接收者是否填了心跳地址。", EN: "Has the receiver watchdog of Alertmanager the heartbeat's address?"},
		},
		Clears: Text{ZH: "永不解除。", EN: "Never."},
	}}
}
