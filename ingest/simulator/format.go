package simulator

import (
	"encoding/json"
	"fmt"
	"time"
)

// The first community's devices speak the native format. Those of the others
// are of three vendors who do not: lamps on a thing-model cloud, meters with a
// private JSON, bins behind a LoRaWAN network server.

// vendorSources sets what the inventory says of them, but for the community.
const vendorSources = `- id: sim-lamps
  name: 模拟灯具厂商
  unknown_devices: accept
  sources:
  - topic: "/sys/%[1]s-lamps/{device}/thing/event/property/post"
    format: alink
    community: %[1]s
    facility: lighting
    fields:
      LightSwitch: {quantity: light_on}
      Brightness: {quantity: light_level, unit: "%%"}
      ActivePower: {quantity: active_power, unit: W}
      Voltage: {quantity: voltage, unit: V}
      EnergyConsumption: {quantity: energy_total, unit: Wh}
      BurnTime: {quantity: lamp_on_time_total, unit: h}
- id: sim-meters
  name: 模拟水表厂商
  unknown_devices: accept
  sources:
  - topic: "meters/%[1]s/report"
    format: json
    community: %[1]s
    facility: water
    json: {records: "list[*]", device: meterNo, time: [{path: readAt, layout: "2006-01-02 15:04:05"}], values: values}
    fields:
      total_L: {quantity: water_volume_total, unit: L}
      temp: {quantity: water_temperature}
      battery: {quantity: battery_level}
- id: sim-bins
  name: 模拟垃圾箱厂商
  unknown_devices: accept
  sources:
  - topic: "application/%[1]s-bins/device/{device}/event/up"
    format: chirpstack
    community: %[1]s
    facility: waste
    fields:
      filling: {quantity: fill_level, unit: "%%"}
      weight_kg: {quantity: waste_weight}
      temperature: {quantity: bin_temperature}
      tilted: {quantity: bin_tilted}
`

// values holds what the devices that are reformatted report.
type values struct {
	Time        int64   `json:"time"` // unix ms
	On          bool    `json:"light_on"`
	Level       float64 `json:"light_level"`
	Power       float64 `json:"active_power"`
	Voltage     float64 `json:"voltage"`
	Energy      float64 `json:"energy_total"`
	Burned      float64 `json:"lamp_on_time_total"`
	Volume      float64 `json:"water_volume_total"`
	Temperature float64 `json:"water_temperature"`
	Battery     float64 `json:"battery_level"`
	Fill        float64 `json:"fill_level"`
	Weight      float64 `json:"waste_weight"`
	BinTemp     float64 `json:"bin_temperature"`
}

// publication returns what a device of this community sends instead of a native
// payload, and where.
func (d *device) publication(native []byte, zone *time.Location) (topic string, payload []byte, err error) {
	topic = fmt.Sprintf("greencommunity/v1/%s/%s/%s", d.community.ID, d.facility, d.id)
	if d.native || d.facility == "gate" {
		return topic, native, nil
	}
	var v values
	if err := json.Unmarshal(native, &v); err != nil {
		return "", nil, err
	}
	switch d.facility {
	case "lighting":
		on := 0
		if v.On {
			on = 1
		}
		return fmt.Sprintf("/sys/%s-lamps/%s/thing/event/property/post", d.community.ID, d.id),
			fmt.Appendf(nil, `{"id":"%d","version":"1.0","method":"thing.event.property.post","params":{"LightSwitch":{"value":%d,"time":%d},"Brightness":{"value":%.0f,"time":%d},"ActivePower":{"value":%.1f,"time":%d},"Voltage":{"value":%.1f,"time":%d},"EnergyConsumption":{"value":%.0f,"time":%d},"BurnTime":{"value":%.4f,"time":%d}}}`,
				v.Time%1e9, on, v.Time, v.Level*100, v.Time, v.Power, v.Time, v.Voltage, v.Time, v.Energy*1000, v.Time, v.Burned/3600, v.Time), nil
	case "water":
		return fmt.Sprintf("meters/%s/report", d.community.ID),
			fmt.Appendf(nil, `{"list":[{"meterNo":"%s","readAt":"%s","values":{"total_L":"%.0f","temp":%.1f,"battery":%.0f}}]}`,
				d.id, time.UnixMilli(v.Time).In(zone).Format(time.DateTime), v.Volume*1000, v.Temperature, v.Battery), nil
	}
	return fmt.Sprintf("application/%s-bins/device/%s/event/up", d.community.ID, d.id),
		fmt.Appendf(nil, `{"deviceInfo":{"deviceName":"%s","devEui":"%s"},"time":"%s","fPort":85,"object":{"filling":%.1f,"weight_kg":%.1f,"temperature":%.1f,"tilted":false}}`,
			d.id, d.id, time.UnixMilli(v.Time).UTC().Format(time.RFC3339Nano), v.Fill*100, v.Weight, v.BinTemp), nil
}
