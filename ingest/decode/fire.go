package decode

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Fire holds words of a message that tell of fire and became neither a reading nor an
// event, because the message or that part of it was refused. Somebody has to look whatever
// the reason: a quota, a name nobody mapped, a device no list has, a wrong clock or unit.
type Fire struct {
	// Device is as the message or its topic names it, "" where neither does.
	Device string
	// Known is the device where it is a known one, with its dense index; else nil.
	Known *ingest.Device
	Index uint32
	// Community and Facility are of the inventory, "" where the message names none of it.
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Said      string // the field and what it says, such as "smoke_alarm = true"
	Burning   ingest.Burning
	Celsius   float64 // the temperature; NaN where a word says it
}

const (
	// maxFires bounds the fires that one message can tell of.
	maxFires = 8
	// maxScanned bounds the bytes searched of a payload that no decoder could take apart.
	maxScanned = 256 << 10
	// hot is a temperature nothing but fire gives a bin, as of the rule of bin_fire, and
	// scorching one that nothing else gives any device; molten is beyond what burns in the
	// open, and a sensor's way to say that it is broken. In degrees Celsius.
	hot, scorching, molten = 70, 120, 1300
)

// broken are readings in degrees by which sensors say that they have none.
var broken = []float64{327.67, 655.35, 999, 999.9, 1000}

// burnsAt says whether a temperature in degrees Celsius that was refused is one of fire, at
// a device of a facility, "" if nobody knows.
func burnsAt(celsius float64, facility ingest.FacilityKind) bool {
	if celsius >= molten || slices.Contains(broken, celsius) {
		return false
	}
	switch facility {
	case ingest.Waste, "fire", "charging":
		return celsius >= hot
	case "":
		return celsius >= scorching
	}
	return false
}

// burning says what a sample tells of fire: by its name and a state, or by a state that
// is a word of fire. Known is false where the value is no state of it.
func (w *Worker) burning(s *format.Sample) (b ingest.Burning, active, known bool) {
	name := w.fireName(s.Field)
	b = name.burning
	if s.Quantity != "" {
		b = max(b, w.fireName(s.Quantity).burning)
	}
	switch {
	case b == ingest.NoFire && s.IsText && name.telling:
		if b = ingest.FireIn(s.Text); b == ingest.NoFire || said(s.Field, s.Text) == ingest.NoFire {
			return ingest.NoFire, false, ingest.Calm(s.Text)
		}
		return b, !ingest.Calm(s.Text), true
	case b == ingest.NoFire:
		return b, false, false
	case s.IsBool:
		return b, s.Value != 0, true
	case s.IsText:
		active = ingest.Alarmed(s.Text)
		return b, active, active || ingest.Calm(s.Text)
	case s.Value == 0 || s.Value == 1:
		return b, s.Value == 1, true
	}
	return b, s.Value > 1 && s.Value <= 10 && s.Value == math.Trunc(s.Value) && strings.Contains(strings.ToLower(s.Field), "alarm"), false
}

// fireName says what a field's name tells of fire, and whether its words do.
type fireName struct {
	burning ingest.Burning
	telling bool
}

// fireName remembers what it found, since a source has few names; they come from payloads.
func (w *Worker) fireName(field string) fireName {
	found, ok := w.fireNames[field]
	if !ok {
		found = fireName{ingest.FireIn(lastName(field)), telling(field)}
		if w.fireNames == nil || len(w.fireNames) >= maxLists {
			w.fireNames = map[string]fireName{}
		}
		if len(field) <= 256 {
			w.fireNames[strings.Clone(field)] = found
		}
	}
	return found
}

// lastName is a path's last name with the one before it: "data.smoke.alarm" is
// "smoke.alarm".
func lastName(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return path
	}
	if j := strings.LastIndexByte(path[:i], '.'); j >= 0 {
		return path[j+1:]
	}
	return path
}

// telling says whether a field is one whose word says what has happened.
func telling(name string) bool {
	name = strings.ToLower(lastName(name))
	for _, w := range []string{"alarm", "event", "alert", "warn", "status", "state", "type", "msg", "message", "desc", "content", "title", "reason", "trigger", "code", "name", "警", "事件", "类型", "状态", "内容"} {
		if strings.Contains(name, w) {
			return true
		}
	}
	return false
}

// said says what a word tells of fire, where a type or a name may be that of the
// detector and not of what it found.
func said(field, text string) ingest.Burning {
	b := ingest.FireIn(text)
	if b == ingest.NoFire {
		return b
	}
	field, lower := strings.ToLower(lastName(field)), strings.ToLower(text)
	for _, w := range []string{"sensor", "detector", "探测器", "传感器", "device", "module"} {
		if strings.Contains(lower, w) && !strings.Contains(lower, "alarm") && !strings.Contains(lower, "警") {
			return ingest.NoFire
		}
	}
	strong := strings.Contains(field, "alarm") || strings.Contains(field, "event") || strings.Contains(field, "alert") || strings.Contains(field, "警") || strings.Contains(field, "事件")
	for _, w := range []string{"alarm", "alert", "detect", "warn", "警", "着火", "起火", "火灾"} {
		strong = strong || strings.Contains(lower, w)
	}
	if !strong {
		return ingest.NoFire
	}
	return b
}

// fires notes what is said of fire in a message that was refused as a whole.
func (w *Worker) fires(m *ingest.Message, r *Result) {
	if m.Erased || m.Retained {
		return // old by nature
	}
	defer func() {
		if recover() != nil {
			r.Fires = r.Fires[:0] // a defect here must not be one of the message
		}
	}()
	if w.interpreted {
		w.firesOfSamples(r)
	} else {
		w.scan(m, r)
	}
}

// firesOfSamples looks at each sample and event of a message that was refused as a whole.
func (w *Worker) firesOfSamples(r *Result) {
	device := ""
	for i := range w.out.Samples {
		s := &w.out.Samples[i]
		if device == "" && slices.Contains(deviceNames, strings.ToLower(lastOf(s.Field))) {
			device = excerpt(s.Text)
			if !s.IsText {
				device = numberText(s.Value)
			}
		}
	}
	for i := range w.out.Samples {
		w.fireOfSample(&w.out.Samples[i], nil, 0, r)
	}
	for i := range w.out.Events {
		w.fireOfEvent(&w.out.Events[i], nil, 0, r)
	}
	for i := range r.Fires {
		if f := &r.Fires[i]; f.Device == "" {
			f.Device = firstOf(device, excerpt(lastLevel(w.in.Topic)))
		}
	}
}

// lastOf is a path's last name.
func lastOf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

func lastLevel(topic string) string { return topic[strings.LastIndexByte(topic, '/')+1:] }

// over says whether a sample says of the whole message that what it tells of has ended.
func over(field string, s *format.Sample) bool {
	switch strings.ToLower(lastName(field)) {
	case "active", "state", "status", "alarmstate", "alarmstatus", "alarm_state", "alarm_status", "eventstate", "event_state", "action", "alarmaction":
		return s.IsText && ingest.Calm(s.Text) || !s.IsText && s.Value == 0
	}
	return false
}

// ended says whether the message at hand says of itself that what it tells of is over.
func (w *Worker) ended() bool {
	for i := range w.out.Samples {
		if s := &w.out.Samples[i]; over(s.Field, s) {
			return true
		}
	}
	return false
}

func (w *Worker) fireOfSample(s *format.Sample, dev *ingest.Device, index uint32, r *Result) {
	f := Fire{Device: excerpt(firstOf(s.Device, w.in.Captures.Device, string(w.source.Device))), Celsius: math.NaN()}
	w.known(&f, dev, index)
	f.Community, f.Facility = w.place(firstOf(s.Community, w.in.Captures.Community, string(w.source.Community)), firstOf(s.Facility, w.in.Captures.Facility, string(w.source.Facility)), dev)
	if celsius, ok := w.celsius(s); ok && burnsAt(celsius, f.Facility) {
		f.Celsius, f.Burning = celsius, ingest.Fire
	} else if b, active, _ := w.burning(s); b != ingest.NoFire && active && heatCounts(b, f.Facility) && !w.ended() {
		f.Burning = b
	} else {
		return
	}
	f.Said = excerpt(s.Field) + " = " + excerpt(sentText(s))
	r.fire(f)
}

func (w *Worker) fireOfEvent(e *format.Event, dev *ingest.Device, index uint32, r *Result) {
	b := ingest.FireIn(e.Type)
	f := Fire{Device: excerpt(firstOf(e.Device, w.in.Captures.Device, string(w.source.Device))), Celsius: math.NaN(), Burning: b}
	w.known(&f, dev, index)
	f.Community, f.Facility = w.place(firstOf(e.Community, w.in.Captures.Community, string(w.source.Community)), firstOf(e.Facility, w.in.Captures.Facility, string(w.source.Facility)), dev)
	if b == ingest.NoFire || !e.Active || ingest.Calm(e.Type) || !heatCounts(b, f.Facility) {
		return
	}
	f.Said = strings.TrimSpace(excerpt(e.Type) + " " + excerpt(e.Code))
	r.fire(f)
}

// heatCounts says whether an alarm is one of fire at a facility.
func heatCounts(b ingest.Burning, facility ingest.FacilityKind) bool {
	return b != ingest.Heat || facility == ingest.Waste || facility == "fire" || facility == "charging" || facility == ""
}

// fire adds one, once a device and saying.
func (r *Result) fire(f Fire) {
	if len(r.Fires) < maxFires && !slices.ContainsFunc(r.Fires, func(o Fire) bool { return o.Device == f.Device && o.Said == f.Said }) {
		r.Fires = append(r.Fires, f)
	}
}

// FireOfReading notes a reading that is taken out of a message, if it is one of fire: of a
// device with an index, or one that is not registered.
func (r *Result) FireOfReading(v *ingest.Reading, index uint32) {
	f := Fire{Device: string(v.Device.ID), Community: v.Device.Community, Facility: v.Device.Facility, Celsius: math.NaN(), Burning: ingest.Fire}
	switch {
	case (v.Quantity.Name == "temperature" || v.Quantity.Name == "bin_temperature") && burnsAt(v.Value, f.Facility):
		f.Celsius = v.Value
	case v.Quantity.Name == "smoke_detected" && v.Value == 1:
		f.Burning = ingest.Smoke
	default:
		return
	}
	f.Said = v.Quantity.Name + " = " + numberText(v.Value)
	f.known(v.Device, index)
	r.fire(f)
}

func (f *Fire) known(dev *ingest.Device, index uint32) {
	if dev != nil && index != inventory.Unregistered {
		f.Known, f.Index = dev, index
	}
}

// known is that of a device that is resolved. One that a list has is registered by it: it
// counts against no quota.
func (w *Worker) known(f *Fire, dev *ingest.Device, index uint32) {
	if dev != nil && index == inventory.Unregistered && dev.Listed {
		if d, i, refusal := w.resolver.Register(w.source, dev); refusal == nil {
			dev, index = d, i
		}
	}
	f.known(dev, index)
}

// FireOfEvent is FireOfReading of an event.
func (r *Result) FireOfEvent(e *ingest.Event, index uint32) {
	b := ingest.FireIn(e.Type)
	if b == ingest.NoFire || !e.Active || ingest.Calm(e.Type) || !heatCounts(b, e.Device.Facility) {
		return
	}
	f := Fire{Device: string(e.Device.ID), Community: e.Device.Community, Facility: e.Device.Facility, Celsius: math.NaN(), Burning: b, Said: strings.TrimSpace(excerpt(e.Type) + " " + excerpt(e.Code))}
	f.known(e.Device, index)
	r.fire(f)
}

// place holds community and kind of facility to the inventory: what it does not know is "".
func (w *Worker) place(community, facility string, dev *ingest.Device) (ingest.CommunityID, ingest.FacilityKind) {
	if dev != nil {
		return dev.Community, dev.Facility
	}
	var c ingest.CommunityID
	var k ingest.FacilityKind
	if known := w.inv.Community(ingest.CommunityID(community)); known != nil {
		c = known.ID
	}
	if known := w.inv.Facilities.Kind(ingest.FacilityKind(facility)); known != nil {
		k = known.Kind
	}
	return c, k
}

// celsius is the temperature that a sample gives.
func (w *Worker) celsius(s *format.Sample) (float64, bool) {
	name := strings.ToLower(lastName(firstOf(s.Quantity, s.Field)))
	if !strings.Contains(name, "temp") && !strings.Contains(name, "温度") || s.IsBool || strings.Contains(name, "alarm") || strings.Contains(name, "limit") || strings.Contains(name, "threshold") || strings.Contains(name, "max") || strings.Contains(name, "high") {
		return 0, false
	}
	value, unit := s.Value, s.Unit
	if s.IsText {
		var ok bool
		if value, unit, ok = format.NumberAndUnit(s.Text); !ok {
			if value, ok = format.ParseNumber(s.Text); !ok {
				return 0, false
			}
			unit = s.Unit
		}
	}
	return inCelsius(value, unit, name), true
}

// inCelsius converts by the unit, or by a name that ends in one.
func inCelsius(value float64, unit, name string) float64 {
	switch {
	case strings.Contains(strings.ToUpper(unit), "F"), unit == "" && (strings.HasSuffix(name, "_f") || strings.HasSuffix(name, "fahrenheit") || strings.HasSuffix(name, "degf")):
		return (value - 32) / 1.8
	case unit == "K":
		return value - 273.15
	}
	return value
}

func firstOf(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// excerpt shortens a text of a payload to 60 bytes: it goes to people, in messages.
func excerpt(text string) string {
	const most = 60
	var b strings.Builder
	for _, c := range text {
		if !strconv.IsPrint(c) || c == utf8.RuneError {
			c = '?'
		}
		if b.Len()+utf8.RuneLen(c) > most {
			b.WriteString("…")
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// pair is a name and its value as they stand in a payload.
type pair struct{ name, value string }

// scan looks for fire in a payload that no decoder has taken apart: of a topic nobody
// listed, cut off, too large, or one whose decoder failed. It knows names and values as
// JSON, query strings and line protocol write them, and needs none of it to be whole.
func (w *Worker) scan(m *ingest.Message, r *Result) {
	payload := m.Payload[:min(len(m.Payload), maxScanned)]
	if !mayTell(payload) {
		return
	}
	var device, unit string
	calm := false
	pairs := pairsOf(payload)
	for _, p := range pairs {
		switch key := strings.ToLower(p.name); {
		case slices.Contains(deviceNames, key) && device == "":
			device = p.value
		case (key == "unit" || key == "tempunit" || key == "temp_unit") && unit == "":
			unit = p.value
		}
		s := sampleOf(p)
		calm = calm || over(p.name, &s)
	}
	f := Fire{Device: excerpt(device), Celsius: math.NaN()}
	var community, facility string
	if r.Source != nil {
		c := w.in.Captures
		f.Device = firstOf(c.Device, f.Device, string(r.Source.Device))
		community, facility = firstOf(c.Community, string(r.Source.Community)), firstOf(c.Facility, string(r.Source.Facility))
	} else {
		levels := strings.Split(m.Topic, "/")
		for _, l := range levels {
			if w.inv.Community(ingest.CommunityID(l)) != nil {
				community = l
			}
			if w.inv.Facilities.Kind(ingest.FacilityKind(l)) != nil {
				facility = l
			}
		}
	}
	f.Device = firstOf(f.Device, excerpt(lastLevel(m.Topic)))
	f.Community, f.Facility = w.place(community, facility, nil)
	if r.Source != nil {
		c := w.in.Captures
		if dev, index, refusal := w.resolver.Resolve(r.Source, &c, inventory.Named{Device: device}); refusal == nil {
			f.Community, f.Facility = dev.Community, dev.Facility
			w.known(&f, dev, index)
		}
	}
	if f.Facility == "" && binWords(m.Topic, payload) {
		f.Facility = ingest.Waste
	}
	shown := f.Facility
	if known := w.inv.Facilities.Kind(shown); known == nil {
		shown = ""
	}
	for _, p := range pairs {
		s := sampleOf(p)
		s.Unit = unit
		one := f
		if celsius, ok := w.celsius(&s); ok && burnsAt(celsius, f.Facility) {
			one.Celsius, one.Burning = celsius, ingest.Fire
		} else if b, active, _ := w.burning(&s); b != ingest.NoFire && active && !calm && heatCounts(b, f.Facility) {
			one.Burning = b
		} else {
			continue
		}
		one.Facility = shown
		one.Said = excerpt(p.name) + " = " + excerpt(p.value)
		r.fire(one)
	}
	if len(r.Fires) == 0 && !calm && len(pairs) == 0 && len(payload) <= 4096 && utf8.Valid(payload) {
		// A text and nothing else: "FIRE ALARM zone 3", 火警.
		if text := strings.TrimSpace(string(payload)); said("alarm", text) != ingest.NoFire && !ingest.Calm(text) {
			one := f
			one.Burning, one.Facility, one.Said = ingest.FireIn(text), shown, excerpt(text)
			r.fire(one)
		}
	}
}

// deviceNames lists the members in which payloads name their device, in lower case.
var deviceNames = []string{"device", "deviceid", "device_id", "devicename", "device_name", "devicesn", "deveui", "dev_eui", "sn", "imei", "id", "devid", "dev_id", "mac", "serial", "devicekey", "devicecode"}

// mayTell is a quick look that most payloads do not pass.
func mayTell(payload []byte) bool {
	lower := bytes.ToLower(payload)
	for _, w := range []string{"fire", "smoke", "flame", "burning", "temp", "heat", "callpoint", "call_point", "feuer", "rauch", "火", "烟", "温"} {
		if bytes.Contains(lower, []byte(w)) {
			return true
		}
	}
	return bytes.Contains(payload, []byte(`\u`))
}

// binWords says whether topic or payload speak of what may burn.
func binWords(topic string, payload []byte) bool {
	for _, text := range [][]byte{bytes.ToLower([]byte(topic)), bytes.ToLower(payload)} {
		for _, w := range []string{"waste", "bin_", "bin/", "/bin", "trash", "garbage", "dustbin", "rubbish", "垃圾", "fire", "smoke", "烟", "火"} {
			if bytes.Contains(text, []byte(w)) {
				return true
			}
		}
	}
	return false
}

// maxPairs bounds the names and values looked at in a payload.
const maxPairs = 4096

// pairsOf finds names and values: "name": value, name=value, <name>value<.
func pairsOf(payload []byte) (list []pair) {
	text := payload
	for i := 0; i < len(text) && len(list) < maxPairs; {
		switch c := text[i]; {
		case c == '"' || c == '\'':
			name, next, ok := quoted(text, i)
			if !ok {
				i++
				continue
			}
			j := spaces(text, next)
			if j >= len(text) || text[j] != ':' && text[j] != '=' {
				i = next
				continue
			}
			value, after := valueAt(text, spaces(text, j+1))
			if value != "" {
				list = append(list, pair{name, value})
			}
			i = max(after, next)
		case c == '=' && i > 0:
			from := i
			for from > 0 && i-from < 64 && !bytes.ContainsRune([]byte(" ,;&?\t\n\r\"'{}<>=:"), rune(text[from-1])) {
				from--
			}
			value, after := valueAt(text, i+1)
			if from < i && value != "" {
				list = append(list, pair{string(text[from:i]), value})
			}
			i = max(after, i+1)
		case c == '<':
			end := bytes.IndexByte(text[i:], '>')
			if end < 2 || end > 64 || text[i+1] == '/' {
				i++
				continue
			}
			j := i + end + 1
			stop := bytes.IndexByte(text[j:], '<')
			if stop > 0 && stop <= maxValue {
				list = append(list, pair{string(text[i+1 : i+end]), strings.TrimSpace(string(text[j : j+stop]))})
			}
			i = j
		default:
			i++
		}
	}
	return list
}

const maxValue = 256

func spaces(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}

// quoted reads a quoted text at i.
func quoted(text []byte, i int) (string, int, bool) {
	q := text[i]
	for j := i + 1; j < len(text) && j-i <= maxValue; j++ {
		switch text[j] {
		case '\\':
			j++
		case q:
			raw := string(text[i+1 : j])
			if strings.Contains(raw, `\`) {
				if s, err := strconv.Unquote(`"` + strings.ReplaceAll(raw, `\/`, "/") + `"`); err == nil {
					raw = s
				}
			}
			return raw, j + 1, true
		}
	}
	return "", i, false
}

func valueAt(text []byte, i int) (string, int) {
	if i >= len(text) {
		return "", i
	}
	if text[i] == '"' || text[i] == '\'' {
		if s, next, ok := quoted(text, i); ok {
			return s, next
		}
		return "", i + 1
	}
	j := i
	for j < len(text) && j-i < 64 && !bytes.ContainsRune([]byte(" ,;&}]\n\r\t{["), rune(text[j])) {
		j++
	}
	return string(text[i:j]), j
}

// sampleOf is a pair as a decoder would give it.
func sampleOf(p pair) format.Sample {
	s := format.Sample{Field: p.name}
	switch v, ok := format.ParseNumber(p.value); {
	case ok:
		s.Value = v
	case p.value == "true" || p.value == "false":
		s.IsBool = true
		if p.value == "true" {
			s.Value = 1
		}
	default:
		s.IsText, s.Text = true, p.value
	}
	return s
}

// unmappedFire makes of a field that nobody gave a meaning what it says of fire: smoke
// where that is a quantity of the kind of facility, else an event. It reports whether it
// says anything.
func (w *Worker) unmappedFire(in *format.Input, out *format.Output, s *format.Sample, channel string, dev *ingest.Device, index uint32, r *Result) bool {
	b, active, known := w.burning(s)
	if celsius, ok := w.celsius(s); b == ingest.NoFire && ok && burnsAt(celsius, dev.Facility) {
		b, active = ingest.Fire, true
	}
	if b == ingest.NoFire || !active && !known || !heatCounts(b, dev.Facility) {
		return false
	}
	channel = firstOf(channel, in.Captures.Channel)
	if validChannel(channel) != nil {
		channel = ""
	}
	t, source, replaced := eventTime(s.Time, s.TimeSource, in.Received)
	smoke := w.inv.Facilities.Quantity(dev.Facility, "smoke_detected")
	if b == ingest.Smoke && smoke != nil && known && !w.hasReading(r, index, channel, smoke, t) {
		v := 0.0
		if active {
			v = 1
		}
		if out.Explain != nil {
			out.Explain("%.60q = %.60s says smoke: it is smoke_detected", s.Field, sentText(s))
		}
		w.replaced = w.replaced || replaced
		w.written = append(w.written, s.Time)
		w.append(r, index, named{s.Field, s.Unit}, ingest.Reading{Device: dev, Channel: channel, Quantity: smoke, Value: v, Time: t, TimeSource: source, TimeReplaced: replaced})
		return true
	}
	e := ingest.Event{Device: dev, Channel: channel, Type: "fire", Active: active, Code: eventCode(s.Field + " = " + sentText(s)), Time: t, TimeSource: source}
	if b == ingest.Smoke {
		e.Type = "smoke"
	}
	if slices.ContainsFunc(r.Events, func(o ingest.Event) bool {
		return o.Type == e.Type && o.Channel == channel && o.Device == dev && (o.Active || !active)
	}) {
		return true // said already
	}
	if out.Explain != nil {
		out.Explain("%.60q = %.60s says fire: it is event %s", s.Field, sentText(s), e.Type)
	}
	r.Events = append(r.Events, e)
	r.EventDevices = append(r.EventDevices, index)
	return true
}

// hasReading reports whether the message has given a quantity of a device at a time.
func (w *Worker) hasReading(r *Result, index uint32, channel string, q *ingest.Quantity, t int64) bool {
	for i := range r.Readings {
		if v := &r.Readings[i]; r.Devices[i] == index && v.Channel == channel && v.Quantity == q && v.Time == t {
			return true
		}
	}
	return false
}
