package decode

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
)

// line writes what a message came to, so that a table can hold it.
func line(r *Result) string {
	if r.Err != nil {
		return "rejected " + string(r.Err.Reason)
	}
	if r.Ignored != "" {
		return "ignored " + r.Ignored
	}
	var b strings.Builder
	for _, v := range r.Readings {
		fmt.Fprintf(&b, "%s", v.Quantity.Name)
		if v.Channel != "" {
			fmt.Fprintf(&b, "[%s]", v.Channel)
		}
		fmt.Fprintf(&b, "=%.10g", v.Value)
		if v.TimeSource == ingest.TimeDevice {
			fmt.Fprintf(&b, "@%s", time.Unix(0, v.Time).UTC().Format("2006-01-02T15:04:05"))
		}
		b.WriteByte(' ')
	}
	for _, u := range r.Unmapped {
		fmt.Fprintf(&b, "?%s=%g%s ", u.Field, u.Value, u.Text)
	}
	for _, e := range r.Events {
		fmt.Fprintf(&b, "!%s", e.Type)
		if e.Channel != "" {
			fmt.Fprintf(&b, "[%s]", e.Channel)
		}
		if !e.Active {
			b.WriteString("-")
		}
		b.WriteByte(' ')
	}
	for _, f := range r.Refused {
		fmt.Fprintf(&b, "x%s:%s ", f.Field, f.Reason)
	}
	return strings.TrimSpace(b.String())
}

// Application payloads by hand, as they are inside an uplink.
func TestApplicationPayloads(t *testing.T) {
	tests := []struct {
		format  string
		kind    ingest.FacilityKind
		profile string
		port    int
		hex     string
		want    string
	}{
		{"milesight", "waste", "", 85, "017563 036701FF 0482E803 050001", "battery_level=99 bin_temperature=-25.5 fill_distance=1 bin_tilted=1"},
		{"milesight", "waste", "", 85, "8367E80300 8482E80301", "bin_temperature=100 fill_distance=1 !temperature_threshold_alarm- !distance_threshold_alarm"},
		{"milesight", "waste", "em400-mud", 85, "0367F600 050000", "bin_temperature=24.6 bin_tilted=0"},
		{"milesight", "water", "", 85, "0367F600 0468C8 05C810270000", "temperature=24.6 humidity=100 pulse_count_total=10000"},
		{"milesight", "water", "em300-zld", 85, "0367F600 050001", "temperature=24.6 !leak"},
		{"milesight", "gate", "ws301", 85, "030001 040001", "door_open=1 !tamper"},
		{"milesight", "gate", "", 85, "030000 040000", "door_open=0"},
		{"milesight", "gate", "", 85, "04CC0A000400 05CC01000200", "pass_in_total=10 pass_out_total=4 pass_in=1 pass_out=2"},
		{"milesight", "gate", "vs350", 85, "20CE0082036B 00 0700 0200", "pass_in=7@2026-11-23T00:00:00 pass_out=2@2026-11-23T00:00:00"},
		{"milesight", "water", "", 85, "20CE0082036B F600 64 02 00 10000000", "temperature=24.6@2026-11-23T00:00:00 humidity=50@2026-11-23T00:00:00 pulse_count_total=16@2026-11-23T00:00:00"},
		{"milesight", "water", "", 85, "20CE0082036B 0100 64 02 00 10000000", "rejected malformed"}, // 0.1 °C, or a people counter
		{"milesight", "lighting", "ws523", 85, "0374FC08 04802B000000 05815F 068310270000 07C9C800 087001", "voltage=230 active_power=43 power_factor=0.95 energy_total=10 current=0.2 light_on=1"},
		{"milesight", "waste", "", 85, "FF0B01 FF0101 FF166746D38802580000 FF0F00", "ignored device information"},
		{"milesight", "waste", "", 85, "017563 0C1122", "battery_level=99 xchannel:malformed"},
		{"milesight", "waste", "", 85, "0C1122", "rejected malformed"},
		{"milesight", "waste", "", 85, "017563 0367", "rejected malformed"},
		{"milesight", "waste", "", 85, "", "ignored uplink without payload"},
		{"milesight", "waste", "", 85, "017563 03822003 040001", "battery_level=99 fill_distance=0.8 bin_tilted=1"},
		{"milesight", "waste", "em310-udl", 85, "040000 0382E803", "bin_tilted=0 fill_distance=1"},
		{"milesight", "waste", "em410-rdl", 85, "9482 E803 C800 02 B482 0A00 01", "fill_distance=1 !distance_mutation_alarm !distance_exception xdistance:bad_value"},
		{"milesight", "waste", "em410-rdl", 85, "20CE0082036B E803 CEFF 0000 40", "fill_distance=1@2026-11-23T00:00:00 bin_temperature=-5@2026-11-23T00:00:00 bin_tilted=1@2026-11-23T00:00:00"},
		{"milesight", "waste", "em400-mud", 85, "0688 11223344 55667788 21 0482E803", "fill_distance=1"},
		{"milesight", "gate", "vs350", 85, "8367F60003 8367F60004 8367F60001", "temperature=24.6 temperature=24.6 temperature=24.6 !temperature_high_alarm !temperature_high_alarm- !temperature_threshold_alarm"},
		{"milesight", "gate", "vs360", 85, "017563 027562 03F40101 03F40100", "battery_level=99 battery_level[node]=98 !node_no_response !node_no_response-"},
		{"milesight", "gate", "vs133", 85, "03D264000000 04D2C8000000 06D201000100 05CC05000700 08CC01000200", "pass_in_total=100 pass_out_total=200 pass_in_total[2]=65537 pass_in=5 pass_out=7 pass_in[2]=1 pass_out[2]=2"},
		{"milesight", "public_area", "vs133", 85, "0FE302100709 10E40109101121", "people_count[region_1]=2 people_count[region_2]=16 people_count[region_3]=7 people_count[region_4]=9"},
		{"milesight", "lighting", "ws558", 85, "08310005 03743009 048002000000", "light_on[1]=1 light_on[2]=0 light_on[3]=1 light_on[4]=0 light_on[5]=0 light_on[6]=0 light_on[7]=0 light_on[8]=0 voltage=235.2 active_power=2"},
		{"milesight", "lighting", "ws502-cn", 85, "FF2932", "light_on[1]=0 light_on[2]=1"},
		{"milesight", "drainage", "em500-swl", 85, "03770A00 20CE0082036B 6400", "water_level=0.1 water_level=1@2026-11-23T00:00:00"},
		{"milesight", "water", "em300-sld", 85, "20CE0082036B 1001 5D 01 20CE3C82036B 1001 5D 00", "temperature=27.2@2026-11-23T00:00:00 humidity=46.5@2026-11-23T00:00:00 temperature=27.2@2026-11-23T00:01:00 humidity=46.5@2026-11-23T00:01:00 !leak !leak-"},
		{"milesight", "gate", "em300-mcs", 85, "060001 20CE0082036B 0000 5D 00", "door_open=1 temperature=0@2026-11-23T00:00:00 humidity=46.5@2026-11-23T00:00:00 door_open=0@2026-11-23T00:00:00"},
		{"milesight", "water", "", 85, "20CE0082036B 1001 5D", "temperature=27.2@2026-11-23T00:00:00 humidity=46.5@2026-11-23T00:00:00"},
		{"milesight", "water", "", 85, "20CE0082036B", "rejected malformed"},
		{"milesight", "lighting", "", 85, "03CF 00000000282307", "?angle_x=0 ?angle_y=0 ?angle_z=90 !tilt_threshold_alarm"},
		{"nas-luminaire", "lighting", "", 23, "00 0082036B 00 34 07 18 00 FE503204", "controller_temperature=24@2026-11-23T00:00:00 light_level[dali_broadcast]=0.5@2026-11-23T00:00:00 light_on[dali_broadcast]=1@2026-11-23T00:00:00"},
		{"nas-luminaire", "lighting", "", 23, "01 00000000 02 40 34 07 E7 00 03 02 A00F FE00FFFF 84000002", "controller_temperature=-25 illuminance=0.01 light_level[dali_group_2]=0 light_on[dali_group_2]=0 !dali_connection_error !lamp_fault[dali_group_2]"},
		{"nas-luminaire", "lighting", "", 26, "00 FF 33 10270000 2B00 5F E6 02 81 40E20100 100E0000", "energy_total=10 active_power=43 power_factor=0.95 voltage=230 energy_total[dali_single_1]=123.456 lamp_on_time_total[dali_single_1]=3600"},
		{"nas-luminaire", "lighting", "", 26, "00 FF 14 10270000 FF", "rejected no_reading"},
		{"nas-luminaire", "lighting", "", 61, "83 20 04 02 06 00", "!lamp_fault[dali_single_2]"},
		{"nas-luminaire", "lighting", "", 61, "83 20 04 00", "ignored notification"},
		{"nas-luminaire", "lighting", "", 61, "83 20 04", "rejected malformed"},
		{"nas-luminaire", "lighting", "", 61, "84 51 2B00 E600 5F", "active_power=43 voltage=230 power_factor=0.95 !lamp_fault !low_power_factor"},
		{"nas-luminaire", "lighting", "", 23, "00 0082036B 00 34 07 18 00 FE50", "rejected malformed"},
		{"nas-luminaire", "lighting", "", 60, "01FE32", "ignored configuration or boot"},
		{"nas-watermeter", "water", "", 25, "04 05 00 04 03 8F020500 00", "water_volume_total=3283.35 !backflow !leak"},
		{"nas-watermeter", "water", "", 25, "04 00 00 27 03 0F000000 00", "water_volume_total=0.5678117676"},
		{"nas-watermeter", "water", "", 25, "04 00 01 04 03 8F020500 00", "!meter_fault xmeter_accumulated_volume:bad_value"},
		{"nas-watermeter", "water", "", 25, "82 40 10 7F 12 00 24 5F 03 03 26 FFFFFFFF 01000000 14 10000000", "battery_voltage=2.77 temperature=18 water_volume_total[pulse_1]=42949672.95 pulse_count_total[pulse_2]=160 !low_battery"},
		{"nas-watermeter", "water", "", 25, "04 05 00", "rejected malformed"},
		{"axioma", "water", "", 100, "0082036B 04 10270000", "water_volume_total=10@2026-11-23T00:00:00 !low_battery"},
		{"axioma", "water", "", 100, "0082", "rejected malformed"},
		{"dragino", "gate", "", 10, "8B88 01 001BB3 000005 01", "battery_voltage=2.952 door_open=1 door_open_count_total=7091 door_open_duration_last=300 !door_held_open"},
		{"dragino", "waste", "", 2, "0B45 0640 00 0105 01", "battery_voltage=2.885 fill_distance=1.6 bin_temperature=26.1"},
		{"dragino", "waste", "", 2, "0B45 0014 00 0000 01", "battery_voltage=2.885 xDistance:bad_value"},
		{"yobiiq", "lighting", "", 1, "01016B03900002036B038200 03040000EA60 040C000008FC 0514FFFFFFF6 061D5F 0A", "energy_total[t1]=60@2026-11-23T00:00:00 voltage=230@2026-11-23T00:00:00 active_power=-10@2026-11-23T00:00:00 power_factor=0.95@2026-11-23T00:00:00 xend:malformed"},
	}
	for _, test := range tests {
		data := hexBytes(t, test.hex)
		uplink := fmt.Sprintf(`{"time":"2026-11-23T08:00:00Z","deviceInfo":{"devEui":"00aa","deviceProfileName":%q},"fPort":%d,"data":%q}`,
			test.profile, test.port, base64.StdEncoding.EncodeToString(data))
		w := source(t, test.kind, "chirpstack", "application/+/device/{device}/event/up", ", payload: "+test.format)
		r := w.Decode(&ingest.Message{Topic: "application/1/device/00aa/event/up", Payload: []byte(uplink), Received: time.Date(2026, 11, 23, 8, 0, 1, 0, time.UTC).UnixNano()})
		if have := line(r); have != test.want {
			t.Errorf("%s %s\nhave %s\nwant %s %v", test.format, test.hex, have, test.want, r.Err)
		}
	}
}

// Each hour's register of a long frame is given its own time.
func TestAxiomaHours(t *testing.T) {
	w := source(t, "water", "axioma", "m/{device}", "")
	frame := "01 40D7036B 00 E8030000 0140" + strings.Repeat("00", 39) // 1000 L, then 1 L and 1 L more
	r := w.Decode(&ingest.Message{Topic: "m/1", Payload: []byte(strings.ReplaceAll(frame, " ", "")), Received: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC).UnixNano()})
	if r.Err != nil || len(r.Readings) != 25 {
		t.Fatalf("%d readings, %v", len(r.Readings), r.Err)
	}
	for i, want := range []struct {
		value float64
		at    string
	}{{1, "2026-11-22T07:00:00Z"}, {1.001, "2026-11-22T08:00:00Z"}, {1.002, "2026-11-22T09:00:00Z"}} {
		if v := r.Readings[i]; v.Value != want.value || time.Unix(0, v.Time).UTC().Format(time.RFC3339) != want.at {
			t.Errorf("reading %d: %g at %s, want %g at %s", i, v.Value, time.Unix(0, v.Time).UTC(), want.value, want.at)
		}
	}
	if v := r.Readings[24]; v.Value != 1.002 || v.Time != int64(0x6b03d740)*1e9 {
		t.Errorf("now: %g at %s", v.Value, time.Unix(0, v.Time).UTC())
	}
}

// Without a payload named, the device profile decides, or the bytes prove
// what they are.
func TestPayloadIsRecognised(t *testing.T) {
	tests := []struct {
		profile string
		port    int
		hex     string
		kind    ingest.FacilityKind
		want    string
	}{
		{"Dragino LDS02", 10, "0B8801001BB300000500", "gate", "battery_voltage=2.952 door_open=0 door_open_count_total=7091 door_open_duration_last=300"},
		{"EM2101", 1, "010400002710", "lighting", "energy_total[t1]=10"},
		{"any", 85, "017563", "waste", "battery_level=99"},
		{"any", 2, "FEFE6821436587090068910833333433456733335A16", "lighting", "energy_total=34.12"},
		{"any", 2, "0102", "lighting", "rejected no_reading"},
	}
	for _, test := range tests {
		data := hexBytes(t, test.hex)
		if strings.HasPrefix(test.hex, "FEFE68") { // a checksum is not for people to write
			data[len(data)-2] = sum(data[2 : len(data)-2])
		}
		uplink := fmt.Sprintf(`{"deviceInfo":{"devEui":"00aa","deviceProfileName":%q},"fPort":%d,"data":%q}`, test.profile, test.port, base64.StdEncoding.EncodeToString(data))
		w := source(t, test.kind, "chirpstack", "application/+/device/{device}/event/up", "")
		if have := line(w.Decode(&ingest.Message{Topic: "application/1/device/00aa/event/up", Payload: []byte(uplink), Received: 1795392000e9})); have != test.want {
			t.Errorf("%s: have %s, want %s", test.profile, have, test.want)
		}
	}
}

// The payloads of devices among the samples, read by the program itself.
func TestApplicationSamples(t *testing.T) {
	dir := casesDir(t)
	tests := []struct {
		sample, format string
		kind           ingest.FacilityKind
		received       string
		want           string
	}{
		{"milesight/1", "milesight", "waste", "", "battery_level=92 bin_temperature=25.7 fill_distance=2.116 bin_tilted=1"},
		{"milesight/3", "milesight", "water", "2022-10-13T00:00:00Z", "battery_level=92 temperature=30.8 humidity=50.5 temperature=27.2@2022-10-12T08:02:38 humidity=46.5@2022-10-12T08:02:38 pulse_count_total=256@2022-10-12T08:02:38"},
		{"milesight/5", "milesight", "gate", "2023-09-02T00:00:00Z", "pass_in=7@2023-09-01T01:27:27 pass_out=2@2023-09-01T01:27:27 pass_in_total=29@2023-09-01T01:27:27 pass_out_total=8@2023-09-01T01:27:27"},
		{"nas_luminaire/1", "nas-luminaire", "lighting", "2020-01-17T00:00:00Z", "controller_temperature=22@2020-01-16T15:23:31 illuminance=299.9@2020-01-16T15:23:31 light_level[dali_broadcast]=0.25@2020-01-16T15:23:31 light_level[dali_single_9]=0.25@2020-01-16T15:23:31 ?ldr_input=210 ?dig_input_1_on=1 !dali_connection_error !lamp_error_alert_in_24h"},
		{"nas_luminaire/3", "nas-luminaire", "lighting", "", "controller_temperature=24 !relay_off[dali_single_7]"},
		{"nas_watermeter/1", "nas-watermeter", "water", "", "water_volume_total=3283.35 battery_voltage=2.77 temperature=18 !backflow !temperature"},
		{"dragino/1", "dragino", "gate", "", "battery_voltage=2.952 door_open=0 door_open_count_total=7091 door_open_duration_last=0"},
		{"chirpstack_v4/6", "chirpstack", "lighting", "2024-11-20T00:00:00Z", "energy_total[t1]=0@2024-11-19T05:45:00 energy_total[t2]=59.856@2024-11-19T05:45:00 xend:malformed"},
		{"chirpstack_v4/1", "chirpstack", "waste", "2023-05-22T07:48:00Z", "bin_temperature=23.2 fill_distance=1.601 !temperature_threshold_alarm !distance_threshold_alarm"},
		{"chirpstack_v4/5", "chirpstack", "gate", "2023-05-22T07:48:00Z", "battery_level=100 door_open=1 !tamper"},
		{"tts_v3/1", "tts", "waste", "2023-05-18T08:26:00Z", "bin_temperature=23.2 fill_distance=1.601 !temperature_threshold_alarm !distance_threshold_alarm"},
	}
	for _, test := range tests {
		received := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		if test.received != "" {
			var err error
			if received, err = time.Parse(time.RFC3339, test.received); err != nil {
				t.Fatal(err)
			}
		}
		w := source(t, test.kind, test.format, "#", "")
		payload := casePayload(t, filepath.Join(dir, test.sample+".expected.json"))
		if have := line(w.Decode(&ingest.Message{Topic: "any", Payload: payload, Received: received.UnixNano()})); have != test.want {
			t.Errorf("%s\nhave %s\nwant %s", test.sample, have, test.want)
		}
	}
	// A register of each hour, the last of which is the one now.
	w := source(t, "water", "axioma", "#", "")
	r := w.Decode(&ingest.Message{Topic: "any", Payload: casePayload(t, filepath.Join(dir, "axioma/1.expected.json")), Received: time.Date(2026, 9, 2, 23, 10, 0, 0, time.UTC).UnixNano()})
	if r.Err != nil || len(r.Readings) != 25 {
		t.Fatalf("axioma: %d readings, %v", len(r.Readings), r.Err)
	}
	if first, last := r.Readings[0], r.Readings[24]; first.Value != 5.938 || last.Value != 6.054 || time.Unix(0, last.Time).UTC().Format(time.RFC3339) != "2026-09-02T23:09:34Z" {
		t.Errorf("axioma: from %g to %g at %s", first.Value, last.Value, time.Unix(0, last.Time).UTC())
	}
}

// Sensors on NB-IoT wrap the same values in a frame of their own, which says
// whose it is; an inventory's device profile counts for bare payloads too.
func TestBareApplicationPayloads(t *testing.T) {
	cellular := func(values string) string {
		head := "0001 LLLL 00 0003 01 30313031 30313130" + strings.Repeat("33", 14) + "4130" + strings.Repeat("38", 15) + strings.Repeat("34", 15) + strings.Repeat("39", 20) + "09"
		n := len(hexBytes(t, values))
		head = strings.Replace(head, "LLLL", fmt.Sprintf("%04X", 81+n), 1)
		return "02" + head + fmt.Sprintf("%04X", n) + values
	}
	tests := []struct {
		more, hex, want, device string
	}{
		{"", cellular("017563 0367CEFF 0482E803 050001"), "battery_level=99 bin_temperature=-5 fill_distance=1 bin_tilted=1", "33333333333333A0"},
		{"", cellular("017563")[:40], "rejected malformed", ""},
		{", profile: em300-zld", "0367F600 050001", "temperature=24.6 !leak", "device"},
		{", profile: em400-tld", "0367F600 050001", "bin_temperature=24.6 bin_tilted=1", "device"},
	}
	for _, test := range tests {
		kind := ingest.FacilityKind("waste")
		if strings.Contains(test.more, "zld") {
			kind = "water"
		}
		w := source(t, kind, "milesight", "", test.more)
		r := w.Decode(&ingest.Message{Topic: "t", Payload: []byte(strings.ReplaceAll(test.hex, " ", "")), Received: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC).UnixNano()})
		if have := line(r); have != test.want {
			t.Errorf("%s%s\nhave %s\nwant %s %v", test.hex, test.more, have, test.want, r.Err)
		}
		for i := range r.Readings {
			if have := string(r.Readings[i].Device.ID); have != test.device {
				t.Errorf("%s is of %s, want %s", test.hex, have, test.device)
			}
		}
	}
	w := source(t, "lighting", "nas-luminaire", "", "")
	for hex, want := range map[string]string{"84512B00E6005F": "active_power=43 voltage=230 power_factor=0.95 !lamp_fault !low_power_factor", "83200402": "!lamp_fault[dali_single_2]"} {
		if have := line(w.Decode(&ingest.Message{Topic: "t", Payload: []byte(hex), Received: 1})); have != want {
			t.Errorf("%s\nhave %s\nwant %s", hex, have, want)
		}
	}
}

// A codec is found by the inventory's profile of the device, else by the
// network server's, whatever the capitals, and then goes before what the network
// server has decoded.
func TestCodecIsFound(t *testing.T) {
	const codecs = `, codecs: {em400-tld: tlv.js, Tariffs: tariffs.js}, fields: {distance: {quantity: fill_distance, unit: mm}, battery: {ignore: true}}`
	for profile, want := range map[string]string{"EM400-TLD": "fill_distance=2.116", "em400-tld": "fill_distance=2.116", "EM400-TLD v2": "fill_distance=0.005"} {
		w := source(t, "waste", "chirpstack", "application/+/device/{device}/event/up", codecs)
		uplink := fmt.Sprintf(`{"deviceInfo":{"devEui":"00aa","deviceProfileName":%q},"fPort":85,"data":"AXVcBIJECA==","object":{"distance":5}}`, profile)
		r := w.Decode(&ingest.Message{Topic: "application/1/device/00aa/event/up", Payload: []byte(uplink), Received: received})
		if have := line(r); have != want {
			t.Errorf("%s: have %s, want %s %v", profile, have, want, r.Err)
		}
	}
}
