package format

// The words that messages of gates may hold, beside quantities and what the
// inventory names. A name that stands here by chance tells nobody apart.
var (
	// nameWords are parts of what devices, doors and topics are called, in
	// lower case; so are they with a capital, or in capitals.
	nameWords = []string{
		"access", "address", "back", "barrier", "basic", "block", "building", "camera", "channel", "controller", "county", "dahua", "damen",
		"danyuan", "dev", "device", "devices", "dong", "dongmen", "door", "down", "east", "elevator", "entrance", "entry", "exit", "face", "floor", "front",
		"garage", "gate", "gateway", "green", "greencommunity", "guard", "hikvision", "home", "house", "inner", "keypad", "lane", "left", "lift", "lobby", "lock", "main",
		"meter", "module", "mqtt", "nanmen", "beimen", "node", "north", "number", "outer", "panel", "parking", "pedestrian", "port", "reader", "relay", "right", "road", "room",
		"sensor", "serial", "side", "site", "sluice", "south", "station", "street", "terminal", "tower", "turnstile", "unit", "vehicle", "video",
		"west", "wing", "ximen", "yard", "zone", "contact", "switch", "window", "lamp", "light", "bin", "water", "pump", "luminaire", "cabinet", "cab", "dali", "single", "waste", "line", "input", "output", "open", "opened", "close", "closed", "state", "status", "alarm", "fault", "error", "over", "load", "forced", "held", "long", "time", "timeout", "low", "high", "battery", "power", "failure", "tamper", "event", "count", "total", "pass", "in", "out", "of", "the", "park", "streetlight", "consumption", "observed", "container", "crowd", "flow", "control", "automatic", "pipe", "burst", "up", "off", "on", "not", "too", "illegal", "alert", "thing", "service", "property", "set", "get", "post", "reply", "report", "info", "history", "batch", "pack", "unlock", "lock", "locked", "unlocked", "normal", "abnormal", "magnet", "motion", "demo", "test", "sample", "pilot", "bench", "plant", "area", "group", "tag", "list", "shelly", "plus", "mini",
	}

	// texts hold what a state, an event or a kind can be, and levels of topics.
	texts = []string{
		"on", "off", "true", "false", "yes", "no", "open", "opened", "close", "closed", "opening", "closing", "locked", "unlocked", "lock", "unlock",
		"normal", "abnormal", "alarm", "alert", "alerting", "fault", "error", "ok", "good", "bad", "none", "unknown", "online", "offline", "active", "inactive",
		"start", "stop", "started", "stopped", "pulse", "appear", "disappear", "state", "break", "idle", "busy", "in", "out", "forced", "granted", "denied",
		"pressed", "press", "single", "double", "hold", "triggered", "clear", "cleared", "detected", "connected", "disconnected", "tamper", "tampered", "low", "high",
		"开", "关", "是", "否", "开启", "关闭", "打开", "正常", "异常", "告警", "故障", "在线", "离线",
		"up", "join", "status", "ack", "txack", "log", "location", "integration", "event", "events", "telemetry", "attributes", "properties",
		"property", "report", "post", "set", "reply", "withheld_", "thing", "sys", "model", "message", "messages", "data", "uplink", "downlink", "application", "rpc",
		"tele", "stat", "cmnd", "SENSOR", "STATE", "LWT", "INFO", "RESULT", "attrs", "json", "gateway", "sub", "pack", "raise", "batch", "history", "service", "heartbeat",
		"Rec", "Ack", "Snap", "Heartbeat", "QRCode", "basic", "NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH", "NCMD", "DCMD", "spBv1.0", "v3", "tylink", "neuron",
		"urn", "ngsi", "ld", "Property", "GeoProperty", "Relationship", "Number", "Text", "DateTime", "Boolean", "StructuredValue", "Door", "AccessPoint",
		"now", "cold water", "warm water", "LEAK", "BURST", "DRY", "REVERSED", "PERMANENT_ERROR", "TEMPORARY_ERROR", "NODATA", "POWER_LOW", "dataReport", "dataReportTupUnion", "eventReport", "deviceOnlineOfflineReport", "deviceReq", "NotifyStatus", "NotifyFullStatus", "NotifyEvent",
		"access_granted", "access_denied", "door_opened", "door_closed", "door_locked", "door_unlocked", "door_forced", "door_held_open", "node_offline",
		"lamp_fault", "leak", "backflow", "overfull", "collected", "deposit", "withheld", "gate", "lighting", "water", "waste", "Node Control", "Rebirth", "bdSeq", "Properties",
	}

	// members hold what formats read, by the names their objects have for them.
	members = []string{
		"time", "timestamp", "ts", "t", "channel", "event", "active", "code", "value", "v", "values", "unit", "units", "u", "name", "type", "id", "data", "params",
		"payload", "items", "records", "list", "method", "version", "sys", "ack", "properties", "events", "subDevices", "identity", "deviceName", "device_name", "deviceKey",
		"deviceId", "device_id", "iotId", "gmtCreate", "eventTime", "event_time", "eventCode", "eventType", "event_type", "event_id", "services", "service", "service_id", "serviceId",
		"devices", "node_id", "notify_data", "header", "body", "msgType", "result_code", "errcode", "paras", "outputParams", "output", "level", "IMEI", "productId",
		"messageType", "eventContent", "APPdata", "serviceData", "deviceInfo", "devEui", "devEUI", "deviceProfileName", "fPort", "fCnt", "f_port", "f_cnt", "object", "objectJSON",
		"rxInfo", "nsTime", "publishedAt", "batteryLevel", "batteryLevelUnavailable", "externalPowerSource", "margin", "end_device_ids", "dev_eui", "uplink_message", "version_ids", "model_id",
		"received_at", "decoded_payload", "frm_payload", "port", "device_unix_epoch", "address", "tags", "errors", "node", "group", "error", "model", "last_seen",
		"src", "dst", "Time", "TempUnit", "component", "state", "status", "StatusSNS", "SENSOR", "tC", "tF", "total", "by_minute", "minute_ts", "aenergy",
		"@value", "observedAt", "metadata", "TimeInstant", "unitCode", "subscriptionId", "attrs", "bn", "bt", "bu", "bv", "bver", "n", "vs", "vb", "s", "source",
		"device", "community", "compound", "facility", "sn", "key", "withheld", "raw", "rawData", "raw_data", "reading", "readings", "result", "msg", "message", "content",
		"door", "doors", "doorNo", "lock", "contact", "position", "count", "in", "out", "seq", "online", "alarm", "tamper", "open", "battery", "voltage", "rssi", "snr", "linkquality",
	}

	// spoken are further words that decoders look for.
	spoken = []string{
		"AMP", "ActiveEnergyExportL1T1", "ActiveEnergyExportL1T2", "ActiveEnergyImportL1T1", "ActiveEnergyImportL1T2",
		"ActivePowerL1", "ApparentPowerL1", "AveragePower", "BAR", "BAT_V", "BIRTH", "C62", "CEL", "CMT", "Cel",
		"CurrentL1", "D44", "D46", "DBM", "DEATH", "DOOR_OPEN_STATUS", "DOOR_OPEN_TIMES", "DataloggerTimestamp",
		"Distance", "E32", "FAH", "Frequency", "GRM", "HTZ", "HUR", "Hz", "KEL", "KGM", "KPA", "KVA", "KVR", "KWH",
		"KWT", "L2", "LAST_DOOR_OPEN_DURATION", "LAST_WATER_LEAK_DURATION", "LTR", "LUX", "MIN", "MMT", "MQH", "MQS",
		"MTQ", "MTR", "MWH", "MWh", "MaximumL1CurrentDemand", "OFF", "ON", "P1", "PhaseAngleL1", "PowerFactorL1",
		"PressureUnit", "ReactiveEnergyExportL1T1", "ReactiveEnergyExportL1T2", "ReactiveEnergyImportL1T1",
		"ReactiveEnergyImportL1T2", "ReactivePowerL1", "SEC", "SpeedUnit", "StatusSTS", "TempC_DS18B20", "Temperature",
		"Timestamp", "TotalSystemActivePower", "TotalSystemApparentPower", "TotalSystemReactivePower", "VA", "VLT",
		"VoltageL1N", "WATER_LEAK_TIMES", "WHR", "WTT", "WasteContainer", "Wh", "active_energy", "active_power",
		"actuationHours", "analog_0_10v", "angle_x", "angle_y", "angle_z",
		"apparent_power", "at_date", "at_set_date", "availability", "bar", "battery_level",
		"battery_node", "battery_voltage", "binCapacity", "binColor", "binFullnessThreshold", "binId", "binMaxLoad",
		"binRecommendedLoad", "bin_temperature", "bin_tilted", "ble", "brandName", "brokenLantern", "broken_pipe",
		"burning", "burst", "bytes", "cargoVolume", "category", "circuit", "cloud", "cm", "co2", "color", "columnIssue",
		"column_issue", "compliantWith", "config", "congested", "control_gear_failure", "controller_temperature",
		"controllingMethod", "counting_anomaly", "cupboardMadeOf", "current", "current_status", "d4i", "dB", "dBm",
		"dali_broadcast", "dali_connection_error", "date", "dateCreated", "dateModified",
		"dateObserved", "dateObservedTo", "defectiveLamp", "deg", "degF", "depth", "dev_cla",
		"device_class", "device_date_time", "device_datetime", "deviceinfo", "dig_input_1_on", "dimming_level",
		"direction", "disable", "discovery", "distance", "distance_exception", "door_open", "door_open_count_total",
		"door_open_duration_last", "down_raw", "driver_not_found", "driver_operating_time", "dropped", "dry",
		"dsltemplate", "em3", "em400", "em410", "energy", "energy_export_total", "energy_total", "engUnit", "eth",
		"execute", "ext_rtc_warning", "features", "feederID", "feederPillarNum", "fill_distance", "fmt", "frequency",
		"ft3", "gal", "garage_door", "gas_volume", "get", "gpio", "gpio_alarm", "hPa", "humidity", "illuminance",
		"inbound", "internal_temperature", "invoke", "kPa", "kVA", "kW", "kWh", "kg", "knx", "kvar", "kvarh",
		"lampBrandName", "lampManufacturerName", "lampModelName", "lamp_error_alert_in_24h", "lamp_on", "lamp_on_time",
		"lamp_on_time_total", "laneId", "lanternHeight", "ldr_input", "lidOpen", "light_level",
		"light_on", "light_sensor", "line_1_total_in", "line_1_total_out", "line_2_total_in", "line_2_total_out",
		"line_3_total_in", "line_3_total_out", "line_4_total_in", "line_4_total_out", "load_side_energy",
		"load_side_power", "locationCategory", "low_battery", "low_power_factor", "low_temperature", "lx", "m3", "mA",
		"mV", "mac", "magnet_status", "mains_voltage", "manufacturerName", "matter", "mcs", "mcu_temperature",
		"media", "message_datetime", "meterReadingPeriod", "meter_accumulated_volume", "meter_datetime",
		"meter_fault", "metering_com_error", "min", "misaligned", "mld", "mm", "modbus", "modelName", "moisture",
		"moved", "ms", "nan", "nextActuationDeadline", "nextCleaningDeadline", "no_usage",
		"node_no_response", "notification", "ns", "observationDateTime", "occupancy", "occupied", "ops", "org", "os",
		"ota", "outbound", "over_current", "over_voltage", "ow", "pass_in", "pass_in_total", "pass_out",
		"pass_out_total", "payload_on", "peopleCount", "people_count", "period_count_alarm", "pl_on", "plugs_ui",
		"power", "powerRating", "power_alert_in_24h", "power_consumption", "power_factor", "power_factor_alert_in_24h",
		"ppm", "pressure", "pulse_1_trigger", "pulse_2_trigger", "pulse_count_total", "ratio", "reactive_power",
		"read_error", "region_", "region_count", "regulation", "relay_off", "ret_aenergy",
		"script", "set_date", "set_datetime", "signal_strength", "sld", "smoke",
		"smoke_detected", "socket_status", "stat_t", "state_topic", "states", "storedWasteCode", "storedWasteKind",
		"storedWasteOrigin", "streetPoleNum", "switch_", "swl", "t1", "t2", "target_",
		"target_date", "target_datetime", "temperature", "tilt_sensor", "tilt_threshold_alarm", "time_bursting",
		"time_dry", "time_leaking", "time_reversed", "topo", "total_count_alarm", "ui", "unavailable", "under_voltage",
		"unit_of_meas", "unit_of_measurement", "update", "update_available", "us", "val_tpl", "value_template",
		"vandalized", "voltage_alert_in_24h", "volume", "vs1", "vs3", "warnings", "water_level",
		"water_outage", "water_pressure", "water_volume_billing", "water_volume_total", "wifi", "ws", "ws501", "ws502",
		"zld",
	}

	// operators are the messages of face terminals, by the protocol of their
	// makers (Intelligent Network Camera MQTT protocol V1.25).
	operators = []string{"RecPush", "StrSnapPush", "VerifyPush", "SnapPush", "QRCodePush", "IDCardPush", "CardPush", "AlarmPush", "VisibleKitchenSnapPush",
		"ParabolicSnapPush", "TemHighSnapPush", "FullStrSnapPush", "BehaviorSnapPush", "LeaveSnapPush", "ClothHelmetSnapPush", "FireSmokeSnapPush", "SafetyRidePush",
		"ElectricalBicycleSnapPush", "CountInRegionPush", "CatAttrSnapPush", "ManualPushRecords", "ManualPushSnaps", "PushAck", "PushAck-Ack", "HeartBeat", "Heartbeat",
		"heartBeat", "Online", "Offline", "Online-Ack", "EditPerson-Ack", "AddPersons-Ack", "EditPersonsNew-Ack", "DelPerson-Ack", "DeletePersons-Ack", "DeleteAllPerson-Ack",
		"QueryPerson-Ack", "SearchPerson-Ack", "SearchPersonList-Ack"}

	// states hold what an event's action, status or state can be.
	states = []string{"active", "inactive", "Start", "Stop", "Pulse", "Appear", "Disappear", "State", "Open", "Close", "Break", "Normal", "Fault", "On", "Off"}

	// happenings hold what Hikvision calls an event (ISAPI, as pyHik lists it) and
	// what Dahua does (its event manager, as openHAB's binding lists it), in lower case.
	happenings = []string{
		"accesscontrollerevent", "heartbeat", "vmd", "pir", "io", "linedetection", "fielddetection", "videoloss", "tamperdetection", "shelteralarm", "defocus", "diskfull",
		"diskerror", "nicbroken", "ipconflict", "illaccess", "videomismatch", "badvideo", "facedetection", "scenechangedetection", "unattendedbaggage", "attendedbaggage",
		"recordingfailure", "regionexiting", "regionentrance", "duration", "loitering", "motion",
		"accesscontrol", "doorstatus", "doorcontrol", "doornotclosed", "doorcard", "breakin", "tamper", "alarmlocal", "alarmlocal.tamper", "profilealarmtransmit", "fingerprintcheck",
		"videomotion", "videoblind", "callnoanswered", "ignoreinvite", "invite", "hangup", "hangupphone", "passivehangup", "requestcallstate", "accesssnap", "callsnap",
		"networkchange", "newfile", "updatefile", "reboot", "securityimexport", "dgserrorreport", "upgrade", "sendcard", "addcard", "sipregisterresult", "keeplighton",
		"ntpadjusttime", "timechange", "backkeylight", "rtspsessiondisconnect", "crosslinedetection", "crossregiondetection", "leftdetection", "takenawaydetection",
		"videoabnormaldetection", "audiomutation", "audioanomaly", "duress", "repeatenter",
	}
)
