package decode

import (
	"strings"
	"testing"

	"greencommunity/ingest"
)

// What devices send that no format foresees, each as a whole: nothing of it is lost,
// and nothing is bent.
func TestNothingOfOddPayloadsIsLost(t *testing.T) {
	const pass = `{"dateTime":"2026-11-23T08:00:00+08:00","eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"doorNo":2}}`
	for name, c := range map[string]struct {
		format, facility, more, topic, payload string
		want                                   string // each of these words is told
	}{
		"NaN, as Python and printf write it":            {"json", "lighting", "", "t", `{"voltage":230.1,"active_power":NaN,"current":-nan,"frequency":Infinity}`, "voltage 230.1|refused active_power|refused current|refused frequency"},
		"a dict of Python":                              {"json", "lighting", "", "t", `{'voltage': 230.1, 'light_on': True, 'x': None,}`, "voltage 230.1|light_on 1"},
		"UTF-16 of a Windows gateway":                   {"json", "lighting", "", "t", "\xff\xfe{\x00\"\x00v\x00o\x00l\x00t\x00a\x00g\x00e\x00\"\x00:\x002\x003\x000\x00}\x00", "voltage 230"},
		"a document a line":                             {"json", "lighting", `, json: {time: [{path: t}]}`, "t", "{\"t\":1795392000,\"voltage\":230}\n{\"t\":1795392010,\"voltage\":231}\n", "voltage 230 of device at 00:00:00Z|voltage 231 of device at 00:00:10Z"},
		"two documents, the second cut":                 {"json", "lighting", "", "t", `{"voltage":230}{"current":1.5,"act`, "voltage 230|refused document 2"},
		"the rest of a longer message":                  {"tasmota", "lighting", "", "tele/m/SENSOR", `{"ENERGY":{"Total":1.5}}0}}`, "energy_total 1.5|refused document 2"},
		"thing models, one behind the other":            {"alink", "lighting", "", "/sys/pk/L1/thing/event/property/post", `{"params":{"voltage":230},"method":"thing.event.property.post"}{"params":{"current":1},"method":"thing.event.property.post"}`, "voltage 230|current 1"},
		"decimal commas":                                {"json", "lighting", "", "t", `{"voltage":"230,1","energy_total":"1.234,56 kWh","active_power":"1 234","current":"12,345"}`, "voltage 230.1|active_power 1234|refused current|energy_total 1234.56"},
		"a modem's clock":                               {"json", "lighting", `, json: {time: [{path: t}]}`, "t", `{"t":"26/11/23,08:00:10+32","voltage":230}`, "voltage 230 of device at 00:00:10Z"},
		"digits of a broken clock":                      {"json", "lighting", `, json: {time: [{path: t}]}`, "t", `{"t":"2165-165-165 165:165:85","voltage":230}`, "voltage 230 of device|replaced"},
		"what a decoder returns beside data":            {"raw", "lighting", `, codecs: {"": plain.js}`, "t", `{"data":{"voltage":230},"active_power":5,"fPort":2}`, "voltage 230|active_power 5"},
		"a decoder's result with one value called data": {"raw", "lighting", `, codecs: {"": plain.js}`, "t", `{"data":5,"voltage":230,"params":[]}`, "voltage 230|unmapped data 5"},
		"two passes in one body":                        {"hikvision", "gate", "", "hikvision/g/event", "--b\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8{\r\n--b\r\nContent-Type: application/json\r\n\r\n" + pass + "\r\n--b\r\n\r\n" + strings.Replace(pass, `"doorNo":2`, `"doorNo":3`, 1) + "\r\n--b--\r\n", "access_granted 2|access_granted 3"},
		"a controller's log":                            {"hikvision", "gate", "", "hikvision/g/event", `{"AcsEvent":{"totalMatches":2,"InfoList":[{"major":5,"minor":75,"time":"2026-11-23T08:00:00+08:00","doorNo":1,"name":"A B"},{"major":5,"minor":76,"time":"2026-11-23T08:00:05+08:00","doorNo":2}]}}`, "access_granted 1|access_denied 2|at 00:00:05Z"},
		"what a script tells":                           {"shelly", "water", "", "x/events/rpc", `{"src":"g","method":"NotifyEvent","params":{"ts":1,"events":[{"component":"script:1","event":"metered","data":{"litres":12.5},"ts":1795392000},{"component":"sys","event":"config_changed"}]}}`, "event metered 1|unmapped script.data.litres 12.5"},
		"how long a meter was dry":                      {"wmbusmeters", "water", "", "w", `{"id":"76348799","total_m3":6.408,"current_status":"DRY","time_dry":"22-31 days","time_reversed":""}`, "water_volume_total 6.408|event dry|unmapped time_dry 22-31 days"},
		"a frame of DL/T 698.45":                        {"dlt645", "lighting", "", "t", "68 17 00 43 45 AA AA AA AA AA AA 00 5B 4F 05 01 00 40 01 02 00 00 C6 07 16", "698.45, which is not read"},
	} {
		t.Run(name, func(t *testing.T) {
			w := source(t, ingest.FacilityKind(c.facility), c.format, "#", c.more)
			r := w.Decode(&ingest.Message{Seq: 1, Topic: c.topic, Payload: []byte(c.payload), Received: received})
			checkResult(t, r)
			have := strings.Join(told(r), "\n")
			for want := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(have, want) {
					t.Errorf("%q is not told:\n%s", want, have)
				}
			}
		})
	}
}
