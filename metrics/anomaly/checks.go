package anomaly

import "greencommunity/ingest"

// Checks holds what to check first, by kind: the cheapest and likeliest first. It is
// what runbooks say, and what an alarm advises.
var Checks = map[string][]ingest.Text{
	"continuous_flow": {
		{ZH: "看告警中的最小小时流量：几升是马桶或龙头滴漏，几十升以上是管道或水箱浮球。", EN: "The least hourly flow in the alarm: a few litres are a cistern or tap, tens of litres a pipe or float valve."},
		{ZH: "户表：请住户关闭所有龙头，看表上小指针是否还转；仍转则逐段关阀。", EN: "A household's meter: with every tap shut, does the small dial still turn? Then shut valves section by section."},
		{ZH: "总表：对比其下各户表之和，差额即公共管段漏损；夜间用听漏棒查井室。", EN: "A master meter: compare with the sum of the meters below; the difference leaks in between. Listen at the chambers by night."},
		{ZH: "确有全天用水（诊所、机房冷却）的，对该表设参数always_flowing。", EN: "If the user takes water around the clock (a clinic, cooling), set always_flowing for the meter."},
	},
	"burst": {
		{ZH: "先派人到现场并准备关闭上游阀门；看同社区其他水表压力和流量是否异常。", EN: "Send somebody to shut the valve upstream; do other meters of the community show odd pressure or flow?"},
		{ZH: "询问是否正在消防演练、冲洗管道、绿化浇灌或水箱补水。", EN: "Ask whether a fire drill, flushing, watering or the filling of a tank is going on."},
		{ZH: "查看读数及其时间：设备时间错误会使缓慢的增长看起来很陡。", EN: "Look at the readings and their times: a wrong device clock makes a slow rise look steep."},
	},
	"reverse_flow": {
		{ZH: "新装或刚检修的表：箭头方向是否装反。", EN: "A new or repaired meter: does its arrow point the right way?"},
		{ZH: "止回阀是否失效，二次供水泵停机时是否有水倒灌。", EN: "Does the check valve hold, does water run back when the booster pump stops?"},
		{ZH: "表封是否完好：人为倒转按规定上报。", EN: "Is the seal whole? A meter turned back on purpose is to be reported."},
	},
	"register_reset": {
		{ZH: "核对工单：当天是否换表。是则在台账登记新旧底数。", EN: "The work orders: was the meter exchanged that day? Then enter both readings in the ledger."},
		{ZH: "没有换表：通讯模块是否断电重启，请厂商补发。", EN: "If not: did the module restart? Ask the vendor to send again."},
	},
	"stuck_register": {
		{ZH: "确认住户是否外出或房屋空置。", EN: "Is anybody living there?"},
		{ZH: "现场放水：表盘转而读数不变，是脉冲线或采样模块；表盘不转，是机芯卡住。", EN: "Let water run: if the dial turns and the reading does not, it is the pulse wire or module; if the dial stands, the meter."},
		{ZH: "检查是否有旁通管或磁干扰。", EN: "Look for a bypass or a magnet."},
	},
	"over_qmax": {
		{ZH: "台账中该表的过载流量（Qmax、Q4）是否填对。", EN: "Is the meter's overload flow (Qmax, Q4) right in the inventory?"},
		{ZH: "是否同时有“爆管”告警；有则按爆管处理。", EN: "Is there a burst alarm as well? Then treat it as that."},
		{ZH: "经常如此：表的口径选小了，长期超载会损坏，申请换大一号。", EN: "If it happens often the meter is too small and will wear out: have it replaced by the next size."},
	},
	"at_once": {
		{ZH: "看告警写的是哪类设备、哪种异常，什么时候开始：当时是否雷雨、日食、停电、放假、调整调光计划或平台补抄。", EN: "Which devices, what, since when: was there a storm, an eclipse, a power cut, a holiday, a new schedule, reads filled in?"},
		{ZH: "找到原因的不必逐台处置；系统会学会新的计划。", EN: "Where the cause is known no device need be seen to; a new schedule is learned."},
		{ZH: "找不到原因的，看这些设备是否同一厂商、同一网关、同一回路，联系厂商。", EN: "Where it is not: one vendor, gateway or feeder? Ask the vendor."},
	},
	"waterlogging": {
		{ZH: "立即派人到现场：有无人员、车辆受困；断开积水处的电源（充电桩、路灯）。", EN: "Send somebody at once: people or cars in it? Switch off what is under power there: chargers, lamps."},
		{ZH: "是否正在下雨；不下雨有积水，查主管爆管和雨水井堵塞。", EN: "Is it raining? If not, look for a burst main or a blocked gully."},
		{ZH: "传感器被清洗或溅水也会误报：看相邻水位。", EN: "A sensor that was washed or splashed says so too: look at its neighbours."},
	},
	"smoke": {
		{ZH: "立即通知值班人员和物业到场确认，有明火先报119，组织疏散。", EN: "Send duty and the property manager at once; where there are flames call 119 first and clear the building."},
		{ZH: "到场前看同层、同楼其他烟感和视频。", EN: "On the way look at other detectors of the floor and the camera."},
		{ZH: "确认误报（油烟、灰尘、水汽）的，清洁或更换烟感。", EN: "If it was cooking, dust or steam: clean or replace the detector."},
	},
	"passage_blocked": {
		{ZH: "看视频或派门岗，联系车主挪车、清理杂物。", EN: "Look at the camera or send the guard; have the car or goods moved."},
		{ZH: "经常被占的通道：增设隔离桩、划线和巡查。", EN: "Where it happens often: bollards, markings, patrols."},
	},
	"hydrant_low": {
		{ZH: "问供水单位该片是否停水、检修；看同一管网其他消火栓的水压。", EN: "Ask the water company whether the main is shut; look at the other hydrants of the main."},
		{ZH: "现场查阀门是否关闭、有无漏水；恢复前通知消防救援站和物业。", EN: "On site: is a valve shut, does it leak? Tell the fire station and the property manager until it is back."},
		{ZH: "现场压力正常的，传感器失准：校验或更换。", EN: "Where the pressure is right on site, the sensor is off: check or replace it."},
	},
	"bad_air": {
		{ZH: "对照县环境监测站当天的数据：全县都高是天气，单点高是附近扬尘、焚烧或传感器受潮。", EN: "Compare the county's station: high everywhere is the weather; at one place it is dust, burning, or a wet sensor."},
		{ZH: "附近有工地、焚烧的，通知城管处置；按预案提醒老人和学校减少户外活动。", EN: "Works or burning nearby: tell the city management; warn schools and the old as the plan says."},
	},
	"charger_hot": {
		{ZH: "立即远程断电；有烟有火先报119，不要靠近电池。", EN: "Switch it off from afar at once; smoke or fire: 119 first, and keep away from the battery."},
		{ZH: "断电后查插头、插座有无烧痕，线径是否够。", EN: "Then look at plug and socket for burns, and at the cable's size."},
		{ZH: "夏天阳光直射的柜体也会很热：对比相邻设备。", EN: "A cabinet in the summer sun is hot too: compare its neighbours."},
	},
	"overcurrent": {
		{ZH: "台账中额定电流（rated_current）是否填对。", EN: "Is rated_current right in the inventory?"},
		{ZH: "是否一桩多接、私接改装；限制功率或断电。", EN: "Several vehicles on one outlet, something rebuilt? Limit the power or switch it off."},
	},
	"noise": {
		{ZH: "听录音或派人：施工、广场舞、商铺音响、车辆报警器。", EN: "Listen or send somebody: works, dancing, a shop's loudspeaker, a car alarm?"},
		{ZH: "夜间施工查许可；其余按社会生活噪声劝阻。", EN: "Works by night need a permit; the rest is to be asked to be quiet."},
		{ZH: "限值按所在功能区设置（GB 3096），见文档limits。", EN: "Limits follow the zone (GB 3096); see limits in the documentation."},
	},
	"parking_full": {
		{ZH: "引导车辆到其他停车场，检查是否有僵尸车、外来车。", EN: "Send cars elsewhere; look for abandoned cars and strangers'."},
		{ZH: "车位数长期为0而现场有空位：地磁或计数失准，校正。", EN: "Always 0 while spaces are free: sensors or counts are off, set them right."},
	},
	"crowd": {
		{ZH: "看视频，通知现场人员疏导；必要时联系派出所。", EN: "Look at the camera, have staff guide people; call the police if need be."},
		{ZH: "是否有活动：提前登记的可调整台账中的容量（capacity）。", EN: "An event? Where it was announced, set capacity in the inventory."},
	},
	"night_flow": {
		{ZH: "看告警中升高了多少（升/小时、每天多少立方米）和起始时间，对照当天的施工、抢修、绿化浇灌。", EN: "How much it has risen and since when: works, repairs or watering of that day?"},
		{ZH: "凌晨2至5点对比总表与其下各分表之和：差额不变是某户漏，差额变大是公共管段漏。", EN: "Between 2 and 5 in the night compare it with the sum of the meters below: the same difference is a home's leak, a larger one leaks in between."},
		{ZH: "用听漏棒逐井听音，逐段关阀缩小范围；看消防管、水箱浮球、绿化管。", EN: "Listen at the chambers, shut valves section by section; look at fire mains, tank floats and watering."},
		{ZH: "新住户入住或夜间用水单位开业：正常，学会后不再告警。", EN: "New tenants or a user by night: right, and learned once the alarm is closed."},
	},
	"unaccounted_water": {
		{ZH: "看其下有没有读数不动或长期不上报的分表：多数是分表停走、换表未登记，不是漏水。", EN: "Is a meter behind it standing still, silent, or exchanged without an entry? That is more often the cause than a leak."},
		{ZH: "台账中 parent 是否填全：新装的分表、商铺、绿化、消防、水箱补水的表都要登记在总表之下。", EN: "Is parent complete in the inventory? New flats, shops, watering, fire mains and tanks with a meter belong behind the master meter."},
		{ZH: "凌晨2至5点的差额与全天差额相近：分表之间的管段漏，逐段关阀、听漏；只在白天有：有人绕表用水，或绿化、施工取水。", EN: "By night the same difference as by day: a pipe between them leaks, shut valves section by section and listen. By day only: water is taken past the meters, for watering or works."},
		{ZH: "差额与用水量成比例：分表走慢，按检定周期抽查。", EN: "A difference in proportion to use: meters run slow, have some of them tested."},
	},
	"day_burner": {
		{ZH: "控制柜是否在“手动”档（检修后忘记复位最常见）。", EN: "Is the cabinet switched to manual? After maintenance that is the usual cause."},
		{ZH: "光控探头是否被遮挡或污损，时控器时间是否正确。", EN: "Is the photocell covered or dirty, is the timer's clock right?"},
		{ZH: "继电器或接触器触点是否粘连：断电后灯是否仍亮。", EN: "Have the contacts of the relay welded: does it burn with the command off?"},
		{ZH: "台账中社区的经纬度是否正确（用于计算日出日落）。", EN: "Are the community's coordinates right in the inventory? Sunrise and sunset are computed from them."},
	},
	"outage": {
		{ZH: "同一回路其他灯是否正常：都不亮先查空开。", EN: "Do its neighbours on the feeder burn? If not, start at the breaker."},
		{ZH: "有电压无电流：光源或驱动；无电压：接线或熔丝。", EN: "Voltage and no current: lamp or driver. No voltage: wiring or fuse."},
		{ZH: "是否按计划半夜灯：调光计划中该时段应为关。", EN: "Is it meant to be off at that hour by the dimming plan?"},
	},
	"cycling": {
		{ZH: "灯具外壳温度与散热：驱动过热保护会反复通断。", EN: "Is the luminaire hot? A driver that protects itself goes on and off."},
		{ZH: "接线端子是否松动、进水。", EN: "Are terminals loose or wet?"},
		{ZH: "光控探头是否照到自己的灯光。", EN: "Does the photocell see its own lamp?"},
	},
	"partial_failure": {
		{ZH: "目视：是否有部分灯珠或多头灯中的一头不亮。", EN: "Look: is part of the LEDs, or one head of several, dark?"},
		{ZH: "刚更换过灯具：功率变小是正常的，三十天后自动按新功率判断。", EN: "Was the luminaire just replaced? Less power is right then, and is taken as the new one after thirty days."},
		{ZH: "供电电压是否偏低。", EN: "Is the supply voltage low?"},
	},
	"stuck_dimmer": {
		{ZH: "下发另一档亮度，看功率是否变化。", EN: "Send another level: does the power change?"},
		{ZH: "0-10 V或DALI线是否断开、短接。", EN: "Is the 0-10 V or DALI line open or shorted?"},
		{ZH: "灯控器与驱动的调光曲线设置是否一致。", EN: "Are controller and driver set to the same dimming curve?"},
	},
	"over_power": {
		{ZH: "该回路是否私接了负载（广告灯箱、充电）。", EN: "Has something else been connected to the line: a sign, a charger?"},
		{ZH: "是否更换了更大功率的灯具而未登记。", EN: "Was a larger luminaire fitted and not entered?"},
		{ZH: "测量电流，核对互感器倍率。", EN: "Measure the current and compare the transformer's ratio."},
	},
	"feeder_outage": {
		{ZH: "控制柜总开关、漏电保护是否跳闸；跳闸先查绝缘再合闸。", EN: "Has the cabinet's breaker or residual-current device tripped? Measure the insulation before closing it."},
		{ZH: "接触器是否吸合，控制信号是否下发。", EN: "Has the contactor pulled in, was the command sent?"},
		{ZH: "是否有施工挖断电缆，或供电部门停电通知。", EN: "Has a digger cut the cable, has the utility announced an outage?"},
	},
	"feeder_day_burner": {
		{ZH: "控制柜是否在“手动”档。", EN: "Is the cabinet switched to manual?"},
		{ZH: "时控器、光控器的时间和阈值；停电后时钟是否归零。", EN: "Clock and threshold of timer and photocell; did a power cut reset the clock?"},
		{ZH: "接触器触点是否粘连。", EN: "Have the contactor's contacts welded?"},
	},
	"bin_fire": {
		{ZH: "立即电话通知该社区值班人员到现场，有明火先报119。", EN: "Call the community's duty at once; where there are flames, call 119 first."},
		{ZH: "到场前查看相邻垃圾桶温度：都高可能是日晒。", EN: "On the way look at the neighbouring bins' temperatures: if all are high it may be the sun."},
		{ZH: "确认无火后检查温度探头，读数跳到固定值是探头短路。", EN: "If there was none, check the probe: a jump to a fixed value is a short circuit."},
	},
	"overfull": {
		{ZH: "当天清运车次是否已到，路线上是否漏掉该点。", EN: "Has today's truck come, was the stop left out?"},
		{ZH: "桶盖开着或袋子顶住探头也会显示满：看照片或请保洁确认。", EN: "An open lid or a bag below the sensor looks full too: ask the cleaner or look at a picture."},
		{ZH: "经常满溢的点：增加桶数或清运频次。", EN: "Where it happens often: more bins, or more trips."},
	},
	"tipped": {
		{ZH: "请保洁人员扶正，检查桶脚和固定带。", EN: "Have it set upright; look at its feet and straps."},
		{ZH: "清运时短时倾斜属正常；清运后仍报则是传感器装歪。", EN: "A short tilt is the emptying; if it stays afterwards the sensor sits askew."},
	},
	"blocked": {
		{ZH: "清除探头前的袋子、纸板。", EN: "Remove the bag or board before the sensor."},
		{ZH: "清洁探头表面（水汽、蛛网）。", EN: "Clean the sensor: moisture, cobwebs."},
		{ZH: "确实一次投放大件的，清运后自动恢复。", EN: "If something large was really thrown in, emptying ends it."},
	},
	"stuck_fill": {
		{ZH: "该投放点是否停用或上锁。", EN: "Is the place closed or locked?"},
		{ZH: "现场向桶内放入物品，看读数是否变化。", EN: "Put something in: does the reading change?"},
		{ZH: "装满度停在0或100%：探头脱落或量程（桶深）填错。", EN: "Stuck at 0 or 100 %: the sensor fell off, or the bin's depth is wrong in the inventory."},
	},
	"missed_collection": {
		{ZH: "联系清运单位核对当日路线和车辆轨迹。", EN: "Ask the collector for the day's route and track."},
		{ZH: "是否因停车、施工进不去。", EN: "Was the way blocked by cars or works?"},
		{ZH: "清运计划改疏了的，下次清运后自动按新的间隔判断。", EN: "If the plan has fewer trips now, the next collection teaches the longer interval."},
	},
	"erratic_fill": {
		{ZH: "桶盖是否摆动、关不严，探头支架是否松动。", EN: "Does the lid swing or not shut, is the sensor's bracket loose?"},
		{ZH: "探头是否进水、结露或有蛛网：擦净后看读数。", EN: "Is the sensor wet or in a cobweb? Clean it and look again."},
		{ZH: "桶深（台账）是否填错，或探头正对桶壁。", EN: "Is the bin's depth in the inventory right, does the sensor look at the wall?"},
	},
	"held_open": {
		{ZH: "看视频或派门岗：是否有物品顶住门、正在搬家。", EN: "Look at the camera or send the guard: is it propped open, is somebody moving house?"},
		{ZH: "闭门器是否失效、门磁是否错位。", EN: "Does the closer work, is the door contact out of place?"},
		{ZH: "消防联动是否已释放门锁。", EN: "Has the fire alarm released the lock?"},
	},
	"forced_open": {
		{ZH: "立即查看该门视频，通知门岗到场。", EN: "Look at the camera at once and send the guard."},
		{ZH: "是否用钥匙或消防按钮开门而没有上报事件。", EN: "Was it opened by key or fire button, which send no event?"},
		{ZH: "没有人：锁舌是否扣牢，门磁是否误报（大风）。", EN: "If nobody was there: does the bolt catch, does wind move the contact?"},
	},
	"stuck_closed": {
		{ZH: "锁具电源和电控锁：授权后是否有动作声。", EN: "The lock and its supply: does it click after a grant?"},
		{ZH: "门是否变形、被堵；这也是消防隐患，请优先处理。", EN: "Is the door warped or blocked? It is an escape route: see to it first."},
		{ZH: "门磁不报开门：人能通过但仍告警，则查门磁。", EN: "If people do pass, the contact does not report."},
	},
	"denied_burst": {
		{ZH: "大量不同住户被拒：名单下发失败，联系厂商重新下发。", EN: "Many residents refused: the list was not sent down; ask the vendor to send it again."},
		{ZH: "同一人反复被拒：看视频，通知门岗。", EN: "One person again and again: look at the camera and send the guard."},
		{ZH: "读头、人脸相机是否污损或逆光。", EN: "Is the reader or the face camera dirty or blinded by the sun?"},
	},
	"off_hours": {
		{ZH: "看视频：是否有活动、施工、救护等正当原因。", EN: "Look at the camera: an event, works, an ambulance?"},
		{ZH: "闸机计数是否在反复误触发（动物、门板晃动）。", EN: "Does the counter trigger by itself: animals, a swinging leaf?"},
		{ZH: "没有正当原因：请门岗巡查。", EN: "If there is no reason: send the guard round."},
	},
	"tailgating": {
		{ZH: "看视频确认是尾随还是推婴儿车、轮椅。", EN: "The camera: tailgating, or a pram or wheelchair?"},
		{ZH: "闭门延时是否设得过长。", EN: "Is the closing delay too long?"},
	},
	"unaccounted_energy": {
		{ZH: "其下有没有停走、不上报或新装未登记（parent）的分表。", EN: "Does a meter behind it stand still or report nothing, or was one added without parent in the inventory?"},
		{ZH: "沿线查私接：广告灯箱、充电、施工取电；对照差额出现的钟点。", EN: "Look along the line for what was connected to it: signs, chargers, works. At which hours does the difference show?"},
		{ZH: "夜间与白天差额相同：电缆绝缘下降，测漏电流；先断电再开箱。", EN: "The same by night and by day: insulation, measure the leakage current. Switch off before opening a box."},
	},
	"offline": {
		{ZH: "同一网关、同一位置的其他设备是否也离线：是则先查网关和供电。", EN: "Are others of the same gateway or place silent too? Then start with gateway and supply."},
		{ZH: "电池设备看最后一次电量和信号强度。", EN: "On battery: the last battery level and signal strength."},
		{ZH: "厂商平台能否看到该设备；能则是转发中断。", EN: "Does the vendor's platform see it? Then forwarding is broken."},
		{ZH: "已拆除或报废的，从设备清单删除；不在清单中的，用greencommunity devices forget让其退出。", EN: "If it was removed, delete it from the inventory; if no list has it, greencommunity devices forget."},
	},
	"clock_offset": {
		{ZH: "偏差正好8小时：时区设置错误，在厂商格式中声明时区。", EN: "Exactly 8 hours: a time zone; declare it in the vendor's format."},
		{ZH: "断电后回到固定日期：时钟电池耗尽或未校时。", EN: "Back to a fixed date after a power cut: the clock's battery, or no synchronisation."},
		{ZH: "网关是否能访问校时服务器。", EN: "Can the gateway reach a time server?"},
	},
	"flat_line": {
		{ZH: "传感器是否断线：断线常报固定值。", EN: "Is the sensor's wire broken? That often gives one fixed value."},
		{ZH: "网关是否在重复发送缓存的旧值：看设备时间是否前进。", EN: "Does the gateway repeat an old value: does the device's time go on?"},
	},
	"unusual_value": {
		{ZH: "在看板上看该设备近两周的曲线，是突变还是渐变。", EN: "Its curve of two weeks on the dashboard: a step or a drift?"},
		{ZH: "同类设备同时异常多为天气、停电或单位变化。", EN: "If others are odd at the same time: weather, power, or a changed unit."},
		{ZH: "仅此一台：检查传感器。", EN: "If it is alone: the sensor."},
	},
	"device_reported": {
		{ZH: "按告警中的事件代码查该产品说明书。", EN: "Look the event's code up in the product's manual."},
		{ZH: "拆动类：检查外壳、表封；漏水类：按“持续流量”处理。", EN: "Tamper: housing and seal. Leak: as continuous flow."},
		{ZH: "设备从不报告恢复的，一昼夜后自动解除。", EN: "A device that never reports the end clears after a day."},
	},
	"fire_reported": {
		{ZH: "立即电话通知该社区值班人员到场；不知道地点的，马上打给厂商问设备装在哪里；有明火先报119。", EN: "Send the community's duty at once; where the place is not known, call the vendor and ask where the device is. Flames: 119 first."},
		{ZH: "看告警里的设备、主题和内容，对照附近的烟感、温度和视频。", EN: "Read device, topic and words in the alarm; compare detectors, temperatures and cameras nearby."},
		{ZH: "处理后补登记：设备清单、限额（max_devices、limits）、字段映射，否则下次仍不能自动定位。", EN: "Then mend the entry: the list of devices, the quota (max_devices, limits), the field's meaning; or the next one has no place either."},
	},
	"gateway_offline": {
		{ZH: "网关供电和指示灯；同箱其他设备是否有电。", EN: "The gateway's supply and lights; has what shares its box power?"},
		{ZH: "SIM卡是否欠费、停机，或宽带中断。", EN: "Is the SIM card suspended or unpaid, or the line down?"},
		{ZH: "厂商平台是否能看到网关。", EN: "Does the vendor's platform see the gateway?"},
	},
	"community_offline": {
		{ZH: "电话确认该社区是否停电、断网。", EN: "Call the community: is power or network out?"},
		{ZH: "是否只有一家厂商的设备离线：是则查该厂商平台。", EN: "Are only one vendor's devices silent? Then its platform is down."},
		{ZH: "多个社区同时离线：查消息服务器和本服务，见“采集服务停止”“与消息服务器断开”。", EN: "Several communities at once: look at the broker and this service first."},
	},
}
