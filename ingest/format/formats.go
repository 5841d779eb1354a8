package format

import (
	"maps"
	"slices"
)

// Formats is every format the program reads, by the name a source gives.
var Formats = map[string]Format{
	"native": {New: newNative, Introduces: true, About: `our own: {"time":…,"active_power":43.2}`, Topics: []string{"greencommunity/v1/{community}/{facility}/{device}"}},
	"raw":    {New: newRaw, About: "bytes, hex or base64, read by the source's codecs or payload format"},
	"json":   {New: newMapping, Mapped: true, Products: true, Proves: provesJSON, About: "a vendor's private JSON, by the mapping of its source"},

	"alink":         {New: newAlink, About: "thing models of Aliyun, OneNET and TuyaLink", Topics: []string{"/sys/+/{device}/thing/#", "$sys/+/{device}/thing/#", "$sys/+/{device}/dp/post/json", "tylink/{device}/thing/#", "/+/{device}/data"}},
	"huawei-iotda":  {New: newHuawei, About: "Huawei IoTDA property reports, gateways' too, gzip too", Topics: []string{"$oc/devices/{device}/sys/#"}},
	"ctwing":        {New: newCTWing, About: "China Telecom CTWing, as bridged to MQTT", Topics: []string{"+/+/{device}"}},
	"cjt188":        {New: newCJT188, Proves: provesCJT188, Facility: "water", About: "water meters' CJ/T 188 frames: bytes, hex or base64"},
	"dlt645":        {New: newDLT645, Proves: provesDLT645, Facility: "lighting", About: "electricity meters' DL/T 645 frames of 2007 and 1997: bytes, hex or base64"},
	"hj212":         {New: newHJ212, About: "HJ 212 packets of environment stations: noise, dust, weather, water"},
	"chirpstack":    {New: newChirpstack, Products: true, About: "ChirpStack 4 and 3", Topics: []string{"application/+/device/{device}/event/+", "+/+/device/+/event/+"}},
	"tts":           {New: newTTS, Products: true, About: "The Things Stack 3", Topics: []string{"v3/+/devices/{device}/up"}},
	"wmbusmeters":   {New: newWMBusMeters, Facility: "water", About: "wireless M-Bus by wmbusmeters"},
	"sparkplug":     {New: newSparkplug, About: "Sparkplug B", Topics: []string{"spBv1.0/#"}},
	"senml":         {New: newSenML, About: "SenML (RFC 8428) in JSON or CBOR"},
	"thingsboard":   {New: newThingsBoard, About: "ThingsBoard telemetry of devices and gateways", Topics: []string{"v1/gateway/telemetry", "v1/devices/{device}/telemetry"}},
	"neuron":        {New: newNeuron, About: "EMQX Neuron's groups of tags", Topics: []string{"/neuron/+/{device}/+", "neuron/+/{device}/+"}},
	"tasmota":       {New: newTasmota, About: "Tasmota's tele/…/SENSOR", Topics: []string{"tele/{device}/+", "{device}/tele/+", "+/+/+/{device}/tele/+", "+/{device}/tele/+", "+/+/{device}/tele/+", "stat/{device}/+"}},
	"shelly":        {New: newShelly, About: "Shelly Gen2 and later: events/rpc and status", Topics: []string{"{device}/events/rpc", "{device}/status/+", "{device}/online"}},
	"zigbee2mqtt":   {New: newZigbee2MQTT, About: "Zigbee2MQTT", Topics: []string{"zigbee2mqtt/{device}", "zigbee2mqtt/{device}/{channel}"}},
	"esphome":       {New: newESPHome, About: "ESPHome's one value a topic", Topics: []string{"{device}/+/+/state"}},
	"homeassistant": {New: newHomeAssistant, Retained: true, Silent: true, About: "Home Assistant discovery: noted, no readings", Topics: []string{"homeassistant/#"}},
	"fiware":        {New: newFIWARE, About: "FIWARE NGSI: key-values, normalized, NGSI-LD", Topics: []string{"/+/{device}/attrs", "/json/+/{device}/attrs", "/+/{device}/attrs/+", "/json/+/{device}/attrs/+"}},
	"influx":        {New: newInflux, Community: true, About: "InfluxDB line protocol"},
	"face-gate":     {New: newFaceGate, Facility: "gate", Redact: keepMembers(faceGateKept), About: "face terminals' RecPush, without the person", Topics: []string{"mqtt/face/{device}/+", "mqtt/face/+"}},
	"hikvision":     {New: newHikvision, Facility: "gate", Redact: redactHikvision, About: "Hikvision door controllers, bridged, without the person", Topics: []string{"hikvision/{device}/event"}},
	"dahua":         {New: newDahua, Facility: "gate", Redact: redactDahua, About: "Dahua door events, bridged, without the person", Topics: []string{"dahua/{device}/+"}},

	// Application payloads of LoRaWAN devices, inside chirpstack and tts, or
	// alone as bytes, hex or base64.
	"milesight":      {Application: true, New: newMilesight, Products: true, Proves: provesMilesight, About: "Milesight LoRaWAN sensors"},
	"nas-luminaire":  {Application: true, New: newNASLuminaire, About: "NAS luminaire controllers, firmware 1.1"},
	"nas-watermeter": {Application: true, New: newNASWaterMeter, Facility: "water", About: "NAS meter modules CM30xx and UM30xx"},
	"axioma":         {Application: true, New: newAxioma, Facility: "water", About: "Axioma Qalcosonic W1 water meters"},
	"dragino":        {Application: true, New: newDragino, About: "Dragino door, leak and distance sensors"},
	"yobiiq":         {Application: true, New: newYobiiq, About: "Yobiiq energy meters EM2101"},
}

// Names are the names of all formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(Formats)) }
