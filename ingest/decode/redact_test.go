package decode

import (
	"strings"
	"testing"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Of a pass, only what happened, when and where is kept, each in the form that
// belongs there; what has been cut comes through a second time unchanged, and
// decodes to the same.
func TestRedacted(t *testing.T) {
	tests := []struct{ format, topic, payload, want string }{
		{"face-gate", "mqtt/face/77/Rec", `{"operator":"RecPush","info":{"customId":"E1","personId":"3","RecordID":"2","VerifyStatus":"1","personName":"诸葛小明","persionName":"Zhuge","facesluiceId":"77","idCard":"610102199003077777","telnum":"13800138077","time":"2026-11-23 08:00:00","direction":"Zhuge","pic":"data:,x"}}`,
			`{"operator":"RecPush","info":{"facesluiceId":"77","VerifyStatus":"1","RecordID":"2","time":"2026-11-23 08:00:00"}}`},
		{"face-gate", "mqtt/face/77/Rec", `{"operator":"RecPush","info":{"facesluiceId":"诸葛","VerifyStatus":"Zhuge","RecordID":610102199003077777,"Sendintime":13800138077,"time":"Zhuge Xiaoming"}}`, `{"operator":"RecPush","info":{}}`},
		{"face-gate", "mqtt/face/77/Rec", `{"operator":"RecPush","info":{"facesluiceId":"61010219900307777X","RecordID":"61010219900307777X","VerifyStatus":{"a":"Zhuge"},"time":"610102199003077777"}}`, `{"operator":"RecPush","info":{}}`},
		{"face-gate", "mqtt/face/77/Rec", `{"operator":"RecPush","info":["Zhuge"]}`, `{"operator":"RecPush","info":{}}`},
		{"face-gate", "mqtt/face/77/Rec", `{"operator":"RecPush","info":{"personName":"Zhuge"`, ""},
		{"face-gate", "mqtt/face/77/Rec", `["Zhuge"]`, ""},
		{"hikvision", "hikvision/g/event", `{"macAddress":"aa:bb:cc:dd:ee:ff","channelID":1,"dateTime":"2026-11-23T08:00:00.250+08:00","eventType":"AccessControllerEvent","eventState":"active","eventDescription":"Zhuge","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"doorNo":1,"serialNo":159,"cardNo":"1","name":"Zhuge","currentVerifyMode":"face"}}`,
			`{"macAddress":"aa:bb:cc:dd:ee:ff","dateTime":"2026-11-23T08:00:00.250+08:00","eventType":"AccessControllerEvent","eventState":"active","channelID":1,"AccessControllerEvent":{"majorEventType":5,"subEventType":75,"doorNo":1,"serialNo":159}}`},
		{"hikvision", "hikvision/g/event", `<EventNotificationAlert><macAddress>a4</macAddress><dateTime>2026-11-23T08:00:00Z</dateTime><eventType>AccessControllerEvent</eventType><eventState>active</eventState><channelName>Zhuge</channelName><AccessControllerEvent><majorEventType>5</majorEventType><subEventType>27</subEventType><doorNo>Zhuge</doorNo><serialNo>13800138077</serialNo><name>Zhuge</name></AccessControllerEvent></EventNotificationAlert>`,
			`{"macAddress":"a4","dateTime":"2026-11-23T08:00:00Z","eventType":"AccessControllerEvent","eventState":"active","channelID":"","AccessControllerEvent":{"majorEventType":"5","subEventType":"27"}}`},
		{"hikvision", "hikvision/g/event", "<EventNotificationAlert><name>Zhuge</name>", ""},
		{"dahua", "dahua/g/x", `{"Code":"AccessControl","Action":"Pulse","Index":0,"Data":{"CardName":"Zhuge","CardNo":"88776655","UserID":"7","Status":1,"ErrorCode":0,"UTC":1795392000,"SnapURL":"/a.jpg"}}`,
			`{"Code":"AccessControl","Action":"Pulse","Index":0,"Data":{"UTC":1795392000,"Status":1,"ErrorCode":0}}`},
		{"dahua", "dahua/g/x", `{"Time":"2026","Events":[{"Code":"DoorStatus","Data":{"Status":"Open","UTC":1795392000,"SN":"x"},"Index":1},["Zhuge"],{"Code":"AccessControl","Data":{"CardName":"Zhuge","Status":0}}],"User":"Zhuge"}`,
			`{"Events":[{"Code":"DoorStatus","Index":1,"Data":{"UTC":1795392000,"Status":"Open"}},{},{"Code":"AccessControl","Data":{"Status":0}}]}`},
		{"dahua", "dahua/g/x", "--b\r\nContent-Type: text/plain\r\n\r\n" + `{"Code":"BreakIn","Data":{"Name":"Zhuge"}}` + "\r\n--b\r\nContent-Type: image/jpeg\r\n\r\nZhuge\r\n--b--\r\n", `{"Code":"BreakIn","Data":{}}`},
	}
	for _, test := range tests {
		redact := format.Formats[test.format].Redact
		cut := redact([]byte(test.payload))
		if string(cut) != test.want {
			t.Errorf("%s %s\nkeeps %s\nwant  %s", test.format, test.payload, cut, test.want)
		}
		if strings.Contains(string(cut), "Zhuge") {
			t.Errorf("%s keeps a name: %s", test.format, cut)
		}
		if cut == nil {
			continue
		}
		if again := redact(cut); string(again) != string(cut) {
			t.Errorf("%s: a second time it keeps %s of %s", test.format, again, cut)
		}
		w := source(t, "gate", test.format, inventory.TemplateFor(format.Formats[test.format], test.topic), "")
		decoded := func(payload []byte) string {
			return line(w.Decode(&ingest.Message{Topic: test.topic, Payload: payload, Received: received}))
		}
		if strings.Contains(test.want, "Status\":\"1") || test.format != "face-gate" {
			if whole, have := decoded([]byte(test.payload)), decoded(cut); whole != have {
				t.Errorf("%s decodes to %s, cut to %s", test.payload, whole, have)
			}
		}
	}
}
