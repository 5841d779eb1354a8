package ingest_test

import (
	"testing"

	"greencommunity/ingest"
)

func TestFireIn(t *testing.T) {
	for name, want := range map[string]ingest.Burning{
		"fire": ingest.Fire, "fire_alarm": ingest.Fire, "FireAlarm": ingest.Fire, "firealarm": ingest.Fire, "FIRE_DETECTED": ingest.Fire, "fireDetection": ingest.Fire,
		"fire_input": ingest.Fire, "fire_button": ingest.Fire, "data.fire": ingest.Fire, "flame": ingest.Fire, "flameDetected": ingest.Fire, "manual_call_point": ingest.Fire,
		"火警": ingest.Fire, "火灾报警": ingest.Fire, "垃圾桶着火": ingest.Fire, "手动报警按钮": ingest.Fire,
		"smoke": ingest.Smoke, "smokeAlarm": ingest.Smoke, "smoke_sensor_status": ingest.Smoke, "smoke_sensor_state": ingest.Smoke, "smoke_detected": ingest.Smoke, "SmokeAlarmEvent": ingest.Smoke,
		"smokestatus": ingest.Smoke, "烟感报警": ingest.Smoke, "烟雾告警": ingest.Smoke, "Rauchalarm": ingest.Smoke,
		"heat_alarm": ingest.Heat, "heatAlarm": ingest.Heat, "temperature_alarm": ingest.Heat, "tempAlarm": ingest.Heat, "温度告警": ingest.Heat, "overheat": ingest.Heat, "高温报警": ingest.Heat,
		// Other things.
		"fire_lane_blocked": ingest.NoFire, "消防通道占用": ingest.NoFire, "消火栓水压": ingest.NoFire, "firmware": ingest.NoFire, "firewall": ingest.NoFire, "fire_door_open": ingest.NoFire,
		"smoke_mute": ingest.NoFire, "smoke_battery_low": ingest.NoFire, "smokeConcentration": ingest.NoFire, "smoke_test": ingest.NoFire, "烟感故障": ingest.NoFire, "烟感测试": ingest.NoFire,
		"temperature": ingest.NoFire, "heat": ingest.NoFire, "heat_meter": ingest.NoFire, "heating": ingest.NoFire, "call_count": ingest.NoFire, "active_power": ingest.NoFire,
		"fireEscapeDetection": ingest.NoFire, "safe": ingest.NoFire, "": ingest.NoFire, "温度": ingest.NoFire, "misfire": ingest.NoFire, "消防演练火警": ingest.NoFire,
	} {
		if got := ingest.FireIn(name); got != want {
			t.Errorf("%q is %d, want %d", name, got, want)
		}
	}
	for text, want := range map[string][2]bool{ // alarmed, calm
		"alarm": {true, false}, "ALARM": {true, false}, "true": {true, false}, "smoke detected": {true, false}, "fireAlarm": {true, false}, "报警": {true, false}, "火警": {true, false},
		"normal": {false, true}, "smoke_alarm_cleared": {false, true}, "no smoke": {false, true}, "恢复正常": {false, true}, "报警解除": {false, true}, "false": {false, true}, "test": {false, true},
		"AN-303": {false, false}, "": {false, false},
	} {
		if got := [2]bool{ingest.Alarmed(text), ingest.Calm(text)}; got != want {
			t.Errorf("%q is alarmed %v and calm %v, want %v", text, got[0], got[1], want)
		}
	}
}
