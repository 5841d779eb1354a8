package format

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// Access terminals send names, ID cards, telephone numbers and photographs
// with every pass. Their messages are cut down to the members below before the
// journal, and nothing else of them is ever kept; of these, only what has the
// form that belongs there.
var (
	faceGateKept = []kept{{"operator", anOperator}, {"info.facesluiceId", aName}, {"info.VerifyStatus", aCode}, {"info.verifyStatus", aCode},
		{"info.RecordID", aNumber}, {"info.time", aTime}, {"info.PushType", aCode}, {"info.Sendintime", aNumber}, {"info.direction", aDirection}}
	hikvisionKept = []kept{{"macAddress", aName}, {"dateTime", aTime}, {"eventType", anEvent}, {"eventState", aState}, {"channelID", aCode},
		{"AccessControllerEvent.majorEventType", aCode}, {"AccessControllerEvent.subEventType", aCode},
		{"AccessControllerEvent.doorNo", aCode}, {"AccessControllerEvent.serialNo", aNumber},
		{"AccessControllerEvent.cardReaderNo", aCode}, {"AccessControllerEvent.attendanceStatus", aDirection}}
	dahuaKept = []kept{{"Code", anEvent}, {"Action", aState}, {"Index", aCode}, {"code", anEvent}, {"action", aState}, {"index", aCode},
		{"Data.UTC", aTime}, {"Data.RealUTC", aTime}, {"Data.CreateTime", aTime}, {"Data.LocaleTime", aTime}, {"Data.Status", aState}, {"Data.ErrorCode", aNumber},
		{"data.UTC", aTime}, {"data.RealUTC", aTime}, {"data.CreateTime", aTime}, {"data.LocaleTime", aTime}, {"data.Status", aState}, {"data.ErrorCode", aNumber},
		{"Data.Type", aDirection}, {"data.Type", aDirection}}
)

// kept is a member that is kept, and what it is.
type kept struct {
	path string
	form form
}

// form holds what a member's value may look like.
type form int

const (
	aNumber    form = iota // a code, a count: ten digits at most
	aCode                  // a number of six digits at most, which no card's is
	aTime                  // a date or an epoch
	aName                  // what devices are called: see closedName
	anOperator             // one of operators
	aState                 // one of states, or a number
	anEvent                // one of happenings
	aDirection             // which way somebody went, by a closed list
)

// directions are the words for which way somebody went: 1 is in, -1 is out, 0 is
// neither.
var directions = map[string]int{
	"entr": 1, "enter": 1, "entry": 1, "entrance": 1, "in": 1, "checkin": 1, "breakin": 1, "overtimein": 1,
	"exit": -1, "out": -1, "leave": -1, "checkout": -1, "breakout": -1, "overtimeout": -1,
	"unknow": 0, "unknown": 0, "undefined": 0,
}

// passed adds an event and, of a pass that says which way, pass_in or pass_out.
func (o *Output) passed(e Event, direction string) {
	if way := directions[strings.ToLower(direction)]; way != 0 && e.Type == "access_granted" {
		s := Sample{Device: e.Device, Channel: e.Channel, Field: "pass_in", Quantity: "pass_in", Value: 1, Time: e.Time, TimeSource: e.TimeSource}
		if way < 0 {
			s.Field, s.Quantity = "pass_out", "pass_out"
		}
		o.Samples = append(o.Samples, s)
	}
	o.Events = append(o.Events, e)
}

// keeps reports whether a text has the form.
func (f form) keeps(text string) bool {
	if text == "" {
		return true
	}
	switch f {
	case aNumber:
		return closedText(text)
	case aTime:
		return closedTime(text)
	case anOperator:
		return slices.Contains(operators, text)
	case aCode:
		return closedText(text) && closedCode(text)
	case aState:
		return slices.Contains(states, text) || closedText(text) && closedCode(text)
	case anEvent:
		return slices.Contains(happenings, strings.ToLower(text))
	case aDirection:
		_, known := directions[strings.ToLower(text)]
		return known || closedText(text) && closedCode(text)
	}
	return closedID(text, func(word string) bool { return slices.Contains(nameWords, strings.ToLower(word)) })
}

// replaced reports whether what has not the form is replaced, not left out: who
// sent it is told then that it was not known.
func (f form) replaced() bool { return f == anOperator || f == anEvent }

var keepDahua = keepMembers(dahuaKept)

// keepMembers returns a redactor that keeps the scalars at the given paths of a
// JSON object, and nothing where there is none.
func keepMembers(members []kept) func([]byte) []byte {
	return func(payload []byte) []byte {
		root, err := fastjson.ParseBytes(jsonText(payload))
		if err != nil || root.Type() != fastjson.TypeObject {
			return nil
		}
		var arena fastjson.Arena
		cut := arena.NewObject()
		for _, member := range members {
			outer, inner, nested := strings.Cut(member.path, ".")
			from, to, name := root, cut, outer
			if nested {
				if from, name = root.Get(outer), inner; from == nil {
					continue
				}
				if to = cut.Get(outer); to == nil {
					to = arena.NewObject()
					cut.Set(outer, to)
				}
			}
			v := from.Get(name)
			switch {
			case v == nil:
			case keepable(v, member.form):
				to.Set(name, v)
			case member.form.replaced():
				to.Set(name, arena.NewString(Withheld))
			}
		}
		return cut.MarshalTo(nil)
	}
}

// redactDahua keeps the members of an event, and of each of a batch.
func redactDahua(payload []byte) []byte {
	list := notices(payload)
	if len(list) == 0 {
		return nil
	}
	for i := range list {
		list[i] = dahuaText(list[i])
	}
	if payload = list[0]; len(list) > 1 { // a batch, as others send it
		payload = []byte(`{"Events":[`)
		for i, notice := range list {
			if !json.Valid(notice) {
				notice = []byte("{}")
			}
			if i > 0 {
				payload = append(payload, ',')
			}
			payload = append(payload, notice...)
		}
		payload = append(payload, "]}"...)
	}
	batch, err := fastjson.ParseBytes(jsonText(payload))
	if err != nil {
		return nil
	}
	events := batch.GetArray("Events")
	if len(events) == 0 {
		return keepDahua(payload)
	}
	if len(events) > maxBatch {
		return nil
	}
	cut := []byte(`{"Events":[`)
	for i, event := range events {
		if i > 0 {
			cut = append(cut, ',')
		}
		if one := keepDahua(event.MarshalTo(nil)); one != nil {
			cut = append(cut, one...)
		} else {
			cut = append(cut, "{}"...)
		}
	}
	return append(cut, "]}"...)
}

// dahuaText is an event as JSON that came as the text of a device's stream of events:
// Code=AccessControl;action=Pulse;index=0;data={…}
func dahuaText(payload []byte) []byte {
	if !bytes.HasPrefix(payload, []byte("Code=")) {
		return payload
	}
	head, data, _ := bytes.Cut(payload, []byte("data="))
	out := []byte("{")
	for pair := range strings.SplitSeq(string(head), ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if name == "action" {
			name = "Action"
		} else if name == "index" {
			name = "Index"
		}
		if ok {
			out = append(strconv.AppendQuote(append(strconv.AppendQuote(out, name), ':'), value), ',')
		}
	}
	if data = bytes.TrimSpace(data); len(data) > 0 {
		out = append(append(out, `"Data":`...), data...)
	}
	return append(bytes.TrimSuffix(out, []byte(",")), '}')
}

// maxBatch bounds the events of one message.
const maxBatch = 10_000

// keepable reports whether a value can be what its member's name says.
func keepable(v *fastjson.Value, f form) bool {
	switch v.Type() {
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return true
	case fastjson.TypeNumber:
		return f.keeps(v.String())
	case fastjson.TypeString:
		return f.keeps(string(v.GetStringBytes()))
	}
	return false
}

// faceGate reads RecPush of Chinese face terminals: a pass granted or refused.
type faceGate struct{ parser fastjson.Parser }

func newFaceGate(*Source) (Decoder, error) { return &faceGate{}, nil }

func (d *faceGate) Decode(in *Input, out *Output) error {
	root, err := parseObject(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	operator := text(root, "operator")
	info := root.Get("info")
	switch operator {
	case "RecPush", "VerifyPush":
	case "Online", "Offline":
		e := Event{Device: text(info, "facesluiceId"), Type: "node_offline", Active: operator == "Offline"}
		if e.Device == "" {
			return ingest.Refuse(ingest.BadIdentifier, "%s without facesluiceId", operator)
		}
		out.Events = append(out.Events, e)
		return nil
	case "AlarmPush", "DoorAlarm":
		e := Event{Device: text(info, "facesluiceId"), Type: "door_alarm", Active: true}
		if at := text(info, "time"); at != "" {
			e.Time, _ = clockText(at, in.Zone())
		}
		out.Events = append(out.Events, e)
		return nil
	case "HeartBeat", "Heartbeat", "heartBeat", "SnapPush", "StrSnapPush", "QRCodePush", "IDCardPush", "CardPush", "BasicInfo":
		out.Ignored = operator
		return nil
	case "":
		return ingest.Refuse(ingest.Malformed, "no operator")
	case Withheld:
		out.Ignored = "an operator that is not known"
		return nil
	default:
		if strings.HasSuffix(operator, "-Ack") || strings.HasSuffix(operator, "_Ack") || strings.HasSuffix(operator, "Ack") {
			out.Ignored = "answer to a command"
			return nil
		}
		return ingest.Refuse(ingest.NoReading, "operator %.40q is none we read", operator)
	}
	if info == nil {
		return ingest.Refuse(ingest.Malformed, "RecPush without info")
	}
	e := Event{Device: text(info, "facesluiceId"), Active: true, Code: text(info, "VerifyStatus")}
	if e.Code == "" {
		e.Code = text(info, "verifyStatus")
	}
	if at := text(info, "time"); at != "" {
		t, ok := clockText(at, in.Zone())
		if !ok {
			return ingest.Refuse(ingest.Malformed, "time: %.60q is no time", at)
		}
		e.Time = t
	}
	switch e.Code {
	case "1":
		e.Type = "access_granted"
	case "2", "3":
		e.Type = "access_denied"
	case "0":
		out.Ignored = "not verified"
		return nil
	default:
		return ingest.Refuse(ingest.BadValue, "VerifyStatus %.20q is none of 0, 1, 2, 3", e.Code)
	}
	out.passed(e, text(info, "direction"))
	return nil
}

// hikvision reads events of Hikvision door controllers, in JSON, and alarms of
// its other devices, in XML, as a bridge passes them on.
type hikvision struct{ parser fastjson.Parser }

func newHikvision(*Source) (Decoder, error) { return &hikvision{}, nil }

// hikvisionNotice holds what of an XML notice is kept.
type hikvisionNotice struct {
	XMLName   xml.Name `xml:"EventNotificationAlert" json:"-"`
	Mac       string   `xml:"macAddress" json:"macAddress"`
	DateTime  string   `xml:"dateTime" json:"dateTime"`
	EventType string   `xml:"eventType" json:"eventType"`
	State     string   `xml:"eventState" json:"eventState"`
	Channel   string   `xml:"channelID" json:"channelID"`

	Controller *struct {
		Major  string `xml:"majorEventType" json:"majorEventType"`
		Sub    string `xml:"subEventType" json:"subEventType"`
		Door   string `xml:"doorNo" json:"doorNo,omitempty"`
		Serial string `xml:"serialNo" json:"serialNo,omitempty"`
		Way    string `xml:"attendanceStatus" json:"attendanceStatus,omitempty"`
	} `xml:"AccessControllerEvent" json:"AccessControllerEvent,omitempty"`
}

var keepHikvisionJSON = keepMembers(hikvisionKept)

// notices are the notices within a multipart body, which devices send with pictures
// between and behind, or the body itself.
func notices(payload []byte) [][]byte {
	payload = bytes.TrimLeft(payload, "\ufeff \r\n\t")
	rest, ok := bytes.CutPrefix(payload, []byte("--"))
	if !ok {
		_, after, found := bytes.Cut(payload, []byte("\n--")) // behind a preamble
		if !found || len(payload) > 0 && (payload[0] == '{' || payload[0] == '[' || payload[0] == '<') {
			return [][]byte{payload}
		}
		rest = after
	}
	line, rest, _ := bytes.Cut(rest, []byte("\n"))
	boundary := append([]byte("\n--"), bytes.TrimSpace(line)...)
	var found [][]byte
	for more := true; more && len(found) < maxBatch; {
		var part []byte
		part, rest, more = cutBoundary(rest, boundary)
		head, body, ok := cutHead(part)
		body = bytes.TrimSpace(body)
		if ok && len(body) > 0 && (body[0] == '{' || body[0] == '<' || bytes.HasPrefix(body, []byte("Code="))) && !bytes.Contains(bytes.ToLower(head), []byte("image/")) {
			found = append(found, body)
		}
	}
	return found
}

// cutBoundary cuts a body at the next line that is the boundary, and whether there is
// one that more follows.
func cutBoundary(body, boundary []byte) (part, rest []byte, more bool) {
	for from := 0; ; {
		i := bytes.Index(body[from:], boundary)
		if i < 0 {
			return body, nil, false
		}
		i += from
		line, rest, _ := bytes.Cut(body[i+len(boundary):], []byte("\n"))
		switch strings.TrimSpace(string(line)) {
		case "":
			return body[:i], rest, true
		case "--":
			return body[:i], nil, false
		}
		from = i + 1 // a longer word
	}
}

// cutHead cuts a part at its first empty line; it may have no head.
func cutHead(part []byte) (head, body []byte, ok bool) {
	if len(part) > 0 && part[0] == '\n' || bytes.HasPrefix(part, []byte("\r\n")) {
		return nil, part, true
	}
	windows, unix := bytes.Index(part, []byte("\r\n\r\n")), bytes.Index(part, []byte("\n\n"))
	if windows >= 0 && (unix < 0 || windows < unix) {
		return part[:windows], part[windows+4:], true
	}
	if unix < 0 {
		return part, nil, false
	}
	return part[:unix], part[unix+2:], true
}

// redactHikvision turns XML into the same members as JSON, and several notices into
// a list.
func redactHikvision(payload []byte) []byte {
	list := notices(payload)
	if len(list) == 1 {
		if events := fetched(list[0]); events != nil {
			list = events
		}
	}
	if len(list) == 1 && len(list[0]) > 0 && list[0][0] == '[' { // cut before
		items, err := fastjson.ParseBytes(jsonText(list[0]))
		if err != nil {
			return nil
		}
		list = list[:0]
		for _, item := range items.GetArray() {
			list = append(list, item.MarshalTo(nil))
		}
	}
	if len(list) == 1 {
		return redactNotice(list[0])
	}
	if len(list) > maxBatch {
		return nil
	}
	var cut []byte
	for _, notice := range list {
		one := redactNotice(notice)
		if one == nil {
			one = []byte("{}") // told of as one without an eventType
		}
		cut = append(append(cut, ','), one...)
	}
	if cut == nil {
		return nil
	}
	cut[0] = '['
	return append(cut, ']')
}

// fetched are the events of an answer to a search of a controller's log, which bridges
// pass on, as notices; nil where it is none.
func fetched(payload []byte) (list [][]byte) {
	if !bytes.Contains(payload, []byte(`"AcsEvent"`)) {
		return nil
	}
	root, err := fastjson.ParseBytes(jsonText(payload))
	if err != nil {
		return nil
	}
	var arena fastjson.Arena
	for _, event := range root.GetArray("AcsEvent", "InfoList") {
		inner, outer := arena.NewObject(), arena.NewObject()
		for from, to := range map[string]string{"major": "majorEventType", "minor": "subEventType", "doorNo": "doorNo", "serialNo": "serialNo", "cardReaderNo": "cardReaderNo", "attendanceStatus": "attendanceStatus"} {
			if v := event.Get(from); v != nil {
				inner.Set(to, v)
			}
		}
		if at := event.Get("time"); at != nil {
			outer.Set("dateTime", at)
		}
		outer.Set("eventType", arena.NewString("AccessControllerEvent"))
		outer.Set("AccessControllerEvent", inner)
		list = append(list, outer.MarshalTo(nil))
	}
	return list
}

func redactNotice(payload []byte) []byte {
	if len(payload) > 0 && payload[0] != '<' {
		if bytes.Contains(payload, []byte(`"EventNotificationAlert"`)) {
			if wrapped := memberOf(payload, "EventNotificationAlert"); wrapped != nil {
				payload = wrapped
			}
		}
		return keepHikvisionJSON(payload)
	}
	var n hikvisionNotice
	text := xml.NewDecoder(bytes.NewReader(payload))
	text.CharsetReader = asciiOf
	if text.Decode(&n) != nil {
		return nil
	}
	texts := map[*string]form{&n.Mac: aName, &n.DateTime: aTime, &n.EventType: anEvent, &n.State: aState, &n.Channel: aCode}
	if c := n.Controller; c != nil {
		texts[&c.Major], texts[&c.Sub], texts[&c.Door], texts[&c.Serial], texts[&c.Way] = aCode, aCode, aCode, aNumber, aDirection
	}
	for s, f := range texts {
		if *s = strings.TrimSpace(*s); !f.keeps(*s) {
			if *s != "" && f.replaced() {
				*s = Withheld
			} else {
				*s = ""
			}
		}
	}
	out, err := json.Marshal(n)
	if err != nil {
		return nil
	}
	return out
}

// asciiOf reads text in whatever encoding a document names, GB2312 mostly: what
// is kept of it is ASCII.
func asciiOf(_ string, from io.Reader) (io.Reader, error) {
	text, err := io.ReadAll(from)
	for i, c := range text {
		if c >= 0x80 {
			text[i] = '?'
		}
	}
	return bytes.NewReader(text), err
}

func (d *hikvision) Decode(in *Input, out *Output) error {
	payload := in.Payload
	if len(payload) == 0 || payload[0] != '{' || bytes.Contains(payload, []byte(`"AcsEvent"`)) { // XML, or several parts
		if payload = redactHikvision(payload); payload == nil {
			return ingest.Refuse(ingest.Malformed, "neither an event in JSON nor an EventNotificationAlert in XML")
		}
	}
	root, err := parseJSON(&d.parser, payload, out)
	if err != nil {
		return err
	}
	if root.Type() != fastjson.TypeArray {
		return d.notice(in, root, out)
	}
	list, ignored := root.GetArray(), ""
	for i, notice := range list {
		out.Ignored = ""
		if err := d.notice(in, notice, out); err != nil {
			r := ingest.AsRefusal(err)
			out.Refuse("", "notice["+strconv.Itoa(i)+"]", r.Reason, "%s", r.Detail)
		} else if out.Ignored != "" && ignored == "" {
			ignored = out.Ignored
		}
	}
	out.Ignored = ignored
	return nil
}

// notice reads one notice.
func (d *hikvision) notice(in *Input, root *fastjson.Value, out *Output) error {
	if root.Type() != fastjson.TypeObject {
		return ingest.Refuse(ingest.Malformed, "a notice is a %s; it must be an object", root.Type())
	}
	if wrapped := root.Get("EventNotificationAlert"); wrapped != nil && wrapped.Type() == fastjson.TypeObject {
		root = wrapped
	}
	e := Event{Active: text(root, "eventState") != "inactive"}
	e.Channel = text(root, "channelID")
	if e.Channel == "1" || e.Channel == "0" || !ingest.ValidID(e.Channel) {
		e.Channel = "" // the only one, or none
	}
	if in.Captures.Device == "" {
		e.Device = text(root, "macAddress")
	}
	if at := text(root, "dateTime"); at != "" {
		t, ok := clockText(at, in.Zone())
		if !ok {
			return ingest.Refuse(ingest.Malformed, "dateTime: %.60q is no time", at)
		}
		e.Time = t
	}
	kind := text(root, "eventType")
	controller := root.Get("AccessControllerEvent")
	switch {
	case kind == "":
		return ingest.Refuse(ingest.Malformed, "no eventType")
	case kind == Withheld:
		out.Ignored = "an eventType that is not known"
		return nil
	case strings.EqualFold(kind, "heartBeat"):
		out.Ignored = "heartbeat"
		return nil
	case controller == nil:
		e.Type = snake(kind)
		if e.Type == "videoloss" && !e.Active { // sent every few seconds as a sign of life
			out.Ignored = "heartbeat"
			return nil
		}
		if e.Type == "pir" || e.Type == "vmd" {
			e.Type = "motion"
		}
		out.Events = append(out.Events, e)
		return nil
	}
	code := func(name string) int { // in XML they are text
		v, _ := ParseNumber(text(controller, name))
		return int(v)
	}
	major, sub := code("majorEventType"), code("subEventType")
	e.Code = strconv.Itoa(major) + "/" + strconv.Itoa(sub)
	e.Channel = text(controller, "doorNo")
	known, ok := hikvisionEvents[[2]int{major, sub}]
	switch {
	case !ok:
		return ingest.Refuse(ingest.NoReading, "event %s is none we know: major event %d, minor event %d", e.Code, major, sub)
	case known.event == "":
		out.Ignored = "event " + e.Code + ": " + known.is
		return nil
	}
	e.Type, e.Active = known.event, e.Active && !known.ends
	out.passed(e, text(controller, "attendanceStatus"))
	return nil
}

// dahua reads door events of Dahua, one or a batch. UTC and local time come
// together; UTC is taken.
type dahua struct{ parser fastjson.Parser }

func newDahua(*Source) (Decoder, error) { return &dahua{}, nil }

func (d *dahua) Decode(in *Input, out *Output) error {
	payload := in.Payload
	if len(payload) == 0 || payload[0] != '{' { // several parts
		if payload = redactDahua(payload); payload == nil {
			return ingest.Refuse(ingest.Malformed, "no event in JSON")
		}
	}
	root, err := parseObject(&d.parser, payload, out)
	if err != nil {
		return err
	}
	events := root.GetArray("Events")
	if len(events) == 0 {
		return d.event(in, root, out)
	}
	for i, event := range events {
		if err := d.event(in, event, out); err != nil {
			r := ingest.AsRefusal(err)
			out.Refuse("", "Events["+strconv.Itoa(i)+"]", r.Reason, "%s", r.Detail)
		}
	}
	return nil
}

// event reads one event.
func (d *dahua) event(in *Input, root *fastjson.Value, out *Output) error {
	either := func(upper, lower string) *fastjson.Value {
		if v := root.Get(upper); v != nil {
			return v
		}
		return root.Get(lower)
	}
	data := either("Data", "data")
	code := text(root, "Code") + text(root, "code")
	if code == "" {
		return ingest.Refuse(ingest.Malformed, "no Code")
	}
	s := Sample{}
	if data != nil {
		s.Time = dahuaTime(in, data)
	}
	// Doors count from 0, and the first has no channel; -1 is none at all.
	if index, ok := ParseNumber(scalarText(either("Index", "index"))); ok && index > 0 && index < 1000 {
		s.Channel = strconv.Itoa(int(index))
	}
	e := Event{Channel: s.Channel, Time: s.Time, Active: scalarText(either("Action", "action")) != "Stop"}
	switch code {
	case "DoorStatus":
		status := text(data, "Status")
		if status != "Open" && status != "Close" {
			return ingest.Refuse(ingest.BadValue, "Status %.20q is neither Open nor Close", status)
		}
		e.Type = "door_closed"
		if status == "Open" {
			s.Value, e.Type = 1, "door_opened"
		}
		s.Field, s.Quantity = "Data.Status", "door_open"
		out.Samples = append(out.Samples, s)
	case "BreakIn":
		e.Type = "door_forced"
	case "DoorNotClosed":
		e.Type = "door_held_open"
	case "AccessControl":
		e.Type = "access_denied"
		if text(data, "Status") == "1" {
			e.Type = "access_granted"
		}
		e.Code = text(data, "ErrorCode")
	case "Tamper", "AlarmLocal.Tamper":
		e.Type = "tamper"
	case "AlarmLocal", "LocalAlarm", "ExAlarm", "CallNoAnswered", "DuressAlarm", "Duress", "RepeatEnter", "AntiPassback", "MaliciousOpen", "PasswordError", "BlackList", "ProfileAlarmTransmit":
		e.Type = snake(code)
	case "DeviceOffline", "NetAbort":
		e.Type = "node_offline"
	case "Heartbeat", "HeartBeat", "VideoMotion", "VideoMotionInfo", "NTPAdjustTime", "TimeChange", "NewFile", "Reboot", "AccessSnap", "_DoorFace_", "DoorCard", "SIPRegisterResult", "KeepLightOn",
		"Hangup", "Invite", "IgnoreInvite", "BackKeyLight", "RequestCallState", "CallSnap", "UpdateFile", "AlarmOutput", "UserManager", "RtspSessionDisconnect", "InfoTip", "StorageChange", "ConfigModify":
		out.Ignored = "event " + code + ": no pass and no state of a door"
		return nil
	default:
		return ingest.Refuse(ingest.NoReading, "event %.40q is none we know", code)
	}
	out.passed(e, text(data, "Type"))
	return nil
}

// dahuaTime returns when an event happened: RealUTC where there is one. UTC is the local
// time as an epoch on some devices, which shows where LocaleTime has the same digits.
func dahuaTime(in *Input, data *fastjson.Value) (at int64) {
	if v := data.Get("RealUTC"); v != nil {
		if at, _ = jsonTime(in, v); at > neverSet {
			return at
		}
	}
	local := text(data, "LocaleTime")
	for _, name := range []string{"UTC", "CreateTime"} {
		v := data.Get(name)
		if v == nil || at > neverSet {
			continue
		}
		at, _ = jsonTime(in, v)
		if wall, ok := ParseTime(local, time.UTC); ok && name == "UTC" && at > neverSet && wall/1e9 == at/1e9 {
			at, _ = ParseTime(local, in.Zone())
		}
	}
	if at == 0 && local != "" {
		at, _ = clockText(local, in.Zone())
	}
	return at
}

// scalarText is a scalar as it is written, without quotes; "" for others.
func scalarText(v *fastjson.Value) string {
	switch {
	case v == nil:
		return ""
	case v.Type() == fastjson.TypeString:
		return string(v.GetStringBytes())
	case v.Type() == fastjson.TypeNumber:
		return v.String()
	}
	return ""
}

// memberOf is a member of a JSON object that is an object itself, or nil.
func memberOf(payload []byte, name string) []byte {
	root, err := fastjson.ParseBytes(payload)
	if err != nil {
		return nil
	}
	member := root.Get(name)
	if member == nil || member.Type() != fastjson.TypeObject {
		return nil
	}
	return member.MarshalTo(nil)
}
