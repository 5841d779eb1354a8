package format

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/influxdata/line-protocol/v2/lineprotocol"
	"github.com/valyala/fastjson"
	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
)

// Cutter cuts the messages of gates down to what may be kept, in every format
// whose devices are not all gates: members that the project or the inventory
// knows, and of them values in a closed form (closed.go). It knows no meaning,
// so what it keeps decodes as it would have. It is safe for concurrent use.
type Cutter struct {
	words  map[string]bool // members and values, as they are written
	parts  map[string]bool // of names, in lower case
	listed func(id string) bool
	spare  sync.Pool // of *cutting
}

// NewCutter returns a cutter that knows the inventory's words, beside those of
// the formats, and the devices that are listed.
func NewCutter(words []string, listed func(id string) bool) *Cutter {
	c := &Cutter{words: map[string]bool{}, parts: map[string]bool{}, listed: listed}
	c.spare.New = func() any { return &cutting{cutter: c} }
	for _, list := range [][]string{members, texts, spoken, words} {
		for _, w := range list {
			c.words[w] = true
		}
	}
	for _, w := range nameWords {
		c.parts[w] = true
	}
	for _, w := range words { // places are parts of names, too
		c.parts[strings.ToLower(w)] = true
	}
	return c
}

// Name reports whether a level of a topic, or another identifier, may be kept.
func (c *Cutter) Name(s string) bool {
	return c.words[s] || closedID(s, c.word) || c.listed(s)
}

func (c *Cutter) word(w string) bool { return c.parts[strings.ToLower(w)] }

// text reports whether a value may be kept.
func (c *Cutter) text(s string) bool {
	return s == "" || c.words[s] || closedText(s) || closedTime(s) || imei(s) || closedName(s, c.word) || c.listed(s) || c.words[strings.ToLower(s)] || ingest.KnownUnit(s)
}

// Cut returns what may be kept of a message of a source: the payload itself where
// that is all of it. A note says why where it is nothing.
func (c *Cutter) Cut(src *Source, payload []byte) []byte {
	if withheldNote(payload) != nil {
		return payload
	}
	k := c.spare.Get().(*cutting)
	defer c.spare.Put(k)
	k.source(src)
	name := src.Format
	switch {
	case name == "influx":
		return k.lines(payload)
	case name == "sparkplug":
		return k.sparkplug(payload)
	case name == "senml" && !jsonLike(payload):
		return k.cbor(payload)
	case bytes.HasPrefix(payload, []byte{0x1f, 0x8b}):
		plain, err := gunzip(payload)
		if err != nil {
			return note("form")
		}
		payload = plain
	case (name == "raw" || name == "cjt188" || name == "dlt645" || Formats[name].Application || k.bytes) && !jsonLike(payload):
		frame := frameBytes(payload)
		if jsonLike(frame) {
			return k.json(frame)
		}
		text := holdsText(frame) || notHex(string(payload))
		if proves := Formats[name].Proves; text && (proves == nil || proves(0, frame) < ByChecksum) {
			return note("text")
		}
		return payload
	}
	return k.json(payload)
}

// notHex reports whether what reads as hexadecimal is numbers of people: bytes
// have two digits each.
func notHex(text string) bool {
	if strings.Trim(text, "0123456789abcdefABCDEF xX-.:\r\n") != "" {
		return false
	}
	odd := slices.ContainsFunc(strings.Fields(text), func(word string) bool { return len(word)%2 == 1 && len(word) > 2 })
	return odd || personal(text) && strings.Trim(text, "0123456789 -.:Xx\r\n") == ""
}

func jsonLike(payload []byte) bool {
	text := bytes.TrimLeft(jsonText(payload), " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// Notes stand for a payload of which nothing is kept.
var notes = map[string]*ingest.Refusal{
	"form":  ingest.Refuse(ingest.Malformed, "nothing is kept of the message: it is a gate's, and not of its format"),
	"text":  ingest.Refuse(ingest.Malformed, "nothing is kept of the message: it is a gate's, and what should be a frame or a state holds text"),
	"large": ingest.Refuse(ingest.TooLarge, "nothing is kept of the message: it is a gate's, and larger than limits.payload_bytes allows"),
}

const notePrefix = Withheld + " "

func note(why string) []byte { return []byte(notePrefix + why) }

// TooLarge returns the note that the journal keeps in place of a message refused for its
// size.
func TooLarge() []byte { return note("large") }

// withheldNote returns why the journal has a note in place of a payload; nil if it has the
// payload.
func withheldNote(payload []byte) *ingest.Refusal {
	if why, ok := bytes.CutPrefix(payload, []byte(notePrefix)); ok {
		return notes[string(why)]
	}
	return nil
}

// WithheldNote returns why the journal has a note in place of a payload; nil if it has the
// payload.
func WithheldNote(payload []byte) *ingest.Refusal { return withheldNote(payload) }

// cutting is the work on one message.
type cutting struct {
	cutter  *Cutter
	parser  fastjson.Parser
	out     []byte
	cut     int
	moments []string // members that are times
	names   []string // members that name a field, whose value stands beside them
	values  []string
	idents  []string // members of the source's mapping that identify
	bytes   bool     // texts may be frames
	scratch []byte   // a number's digits
	depth   int      // of Sparkplug's templates
}

func (k *cutting) source(src *Source) {
	k.out, k.cut = k.out[:0], 0
	if cap(k.out) > keptPayload {
		k.out = nil
	}
	k.names, k.values, k.idents = append(k.names[:0], "name", "n"), append(k.values[:0], "value", "v", "vs", "vb", "s"), k.idents[:0]
	k.moments = append(k.moments[:0], "time", "timestamp", "ts", "Time", "eventTime", "event_time")
	k.bytes = src.Payload != "" && src.Payload != "json" || len(src.Programs) > 0
	if m := src.JSON; m != nil {
		if m.Name != "" {
			k.names, k.values = append(k.names, lastStep(m.Name)), append(k.values, lastStep(m.Value))
		}
		for _, rule := range m.Time {
			for _, path := range rule.Path {
				k.moments = append(k.moments, lastStep(path))
			}
		}
		for _, path := range []string{m.Device, m.Community, m.Compound, m.Facility, m.Channel} {
			if path != "" {
				k.idents = append(k.idents, lastStep(path))
			}
		}
	}
}

func lastStep(path string) string {
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		path = path[i+1:]
	}
	path, _, _ = strings.Cut(path, "[")
	return path
}

// json cuts JSON, or a word that stands alone.
func (k *cutting) json(payload []byte) []byte {
	text := jsonText(payload)
	parser := &k.parser
	if len(text) > keptPayload {
		if bytes.Count(text, []byte(","))+bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) > maxValues {
			return note("large")
		}
		parser = new(fastjson.Parser)
	}
	root, err := parser.ParseBytes(text)
	if err != nil {
		if word := string(bytes.TrimSpace(text)); len(word) <= 64 && k.cutter.text(word) {
			return payload
		}
		return k.nearly(text)
	}
	if len(text) == len(payload) && k.clean(root) {
		return payload // as nearly all are, and much is not written that way
	}
	if kept := k.value(root, ""); !kept {
		return note("text")
	}
	if k.cut == 0 && len(text) == len(payload) {
		return payload
	}
	return bytes.Clone(k.out)
}

// nearly cuts what is nearly JSON, or several documents: what is kept of it is JSON.
func (k *cutting) nearly(text []byte) []byte {
	if !jsonLike(text) {
		return note("form")
	}
	if near := nearJSON(text); near != nil {
		if root, err := new(fastjson.Parser).ParseBytes(near); err == nil {
			if !k.value(root, "") {
				return note("text")
			}
			return bytes.Clone(k.out)
		}
	}
	var all []byte
	for _, document := range Documents(text) {
		root, err := new(fastjson.Parser).ParseBytes(document)
		if k.out = k.out[:0]; err != nil || !k.value(root, "") {
			return note("form")
		}
		all = append(append(all, k.out...), '\n')
	}
	if all == nil {
		return note("form")
	}
	return all
}

// clean reports whether all of a value is kept for sure: known members, states,
// small numbers and epochs in ms, without looking further.
func (k *cutting) clean(v *fastjson.Value) (clean bool) {
	switch v.Type() {
	case fastjson.TypeObject:
		clean = true
		v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
			if !clean {
				return
			}
			switch name := string(key); name {
			case "code", "name", "n", "withheld": // are looked at closer
				clean = false
			default:
				clean = k.cutter.words[name] && k.clean(v) && !slices.Contains(k.names, name)
			}
		})
		return clean
	case fastjson.TypeArray:
		for _, item := range v.GetArray() {
			if !k.clean(item) {
				return false
			}
		}
		return true
	case fastjson.TypeNumber:
		k.scratch = v.MarshalTo(k.scratch[:0])
		point := false
		for _, c := range k.scratch {
			point = point || c == '.'
			if c != '.' && (c < '0' || c > '9') {
				return false
			}
		}
		n := len(k.scratch)
		return n <= 10 && !point || n <= 8 || n == 13 && !point && k.scratch[0] == '1' && '5' <= k.scratch[1] && k.scratch[1] <= '9'
	case fastjson.TypeString:
		return k.cutter.words[string(v.GetStringBytes())]
	}
	return true // true, false, null
}

// value appends what is kept of a value; false, and nothing, if that is nothing.
func (k *cutting) value(v *fastjson.Value, key string) bool {
	switch v.Type() {
	case fastjson.TypeObject:
		k.object(v.GetObject())
		return true
	case fastjson.TypeArray:
		k.out = append(k.out, '[')
		for i, item := range v.GetArray() {
			if i > 0 {
				k.out = append(k.out, ',')
			}
			if !k.value(item, key) {
				k.out = append(k.out, "null"...) // those behind it keep their places
			}
		}
		k.out = append(k.out, ']')
		return true
	case fastjson.TypeNumber:
		start := len(k.out)
		k.out = v.MarshalTo(k.out)
		if text := string(k.out[start:]); closedNumber(text) || closedTime(text) {
			return true
		}
		k.out = k.out[:start]
		k.cut++
		return false
	case fastjson.TypeString:
		return k.string(v, key)
	}
	k.out = v.MarshalTo(k.out) // true, false, null
	return true
}

// identities are members that say whose a reading is, or what the message. What may be of a person
// there is not left out, or the reading would be another's: it is replaced.
var identities = []string{"device", "deviceName", "device_name", "deviceKey", "deviceId", "device_id", "devEui", "devEUI", "dev_eui",
	"src", "node", "node_id", "id", "IMEI", "channel", "bn", "community", "compound", "facility", "sn", "method"}

// words are members that hold a word or a code, and no number of many digits.
var words = []string{"name", "event", "type", "status", "state", "code", "eventType", "event_type", "eventCode", "operator", "model", "key"}

// frames are members that hold a device's bytes, in base64 or hexadecimal.
var frames = []string{"data", "frm_payload", "APPdata", "payload", "raw", "rawData", "raw_data"}

func (k *cutting) string(v *fastjson.Value, key string) bool {
	text := string(v.GetStringBytes())
	identity := slices.Contains(identities, key) || slices.Contains(k.idents, key)
	switch {
	case identity && k.cutter.Name(text):
		k.out = v.MarshalTo(k.out)
		return true
	case k.cutter.text(text) && (!slices.Contains(words, key) || closedCode(text) || k.cutter.listed(text)): // more digits may be a card's
		k.out = v.MarshalTo(k.out)
		return true
	case jsonLike([]byte(text)): // objectJSON of ChirpStack 3, and others
		inner := k.within()
		if root, err := inner.parser.Parse(text); err == nil && inner.value(root, "") {
			k.out = quoted(k.out, string(inner.out))
			k.cut += inner.cut
			return true
		}
	case strings.EqualFold(strings.ReplaceAll(key, "_", ""), "deveui") && len(text) == 16 && strings.Trim(text, "0123456789abcdefABCDEF") == "":
		k.out = v.MarshalTo(k.out)
		return true
	case key == "devEUI" && len(text) == 12 && len(frameBytes([]byte(text))) == 8 && !holdsText(frameBytes([]byte(text))): // ChirpStack 3
		k.out = v.MarshalTo(k.out)
		return true
	case identity || slices.Contains(k.moments, key):
		withheld := Withheld
		if key == "bn" { // a part of a name
			withheld += "/"
			if text == withheld {
				text = Withheld
			}
		}
		k.out = quoted(k.out, withheld)
		if text != Withheld {
			k.cut++
		}
		return true
	case slices.Contains(frames, key) || k.bytes && len(text) <= 4*maxFrame:
		frame := frameBytes([]byte(text))
		if len(frame) < len(text) && jsonLike(frame) {
			inner := k.within()
			if root, err := inner.parser.ParseBytes(frame); err == nil && inner.value(root, "") {
				k.out = quoted(k.out, base64.StdEncoding.EncodeToString(inner.out))
				k.cut += inner.cut
				return true
			}
		}
		if len(frame) < len(text) && !holdsText(frame) {
			k.out = v.MarshalTo(k.out)
			return true
		}
	}
	k.cut++
	return false
}

// within is for JSON inside a text.
func (k *cutting) within() *cutting {
	return &cutting{cutter: k.cutter, names: k.names, values: k.values, idents: k.idents, moments: k.moments}
}

// object appends an object with the members that are known, and how many of its
// values were left out: people see a field that has no meaning then.
func (k *cutting) object(o *fastjson.Object) {
	k.out = append(k.out, '{')
	first, withheld := true, 0
	member := func(key string) {
		if !first {
			k.out = append(k.out, ',')
		}
		first = false
		k.out = append(quoted(k.out, key), ':')
	}
	// A field's name that is not known takes its value with it.
	for _, name := range k.names {
		v := o.Get(name)
		if v == nil || v.Type() != fastjson.TypeString {
			continue
		}
		text := string(v.GetStringBytes())
		at := slices.IndexFunc(k.values, func(value string) bool { return o.Get(value) != nil })
		if at >= 0 && text != "withheld" && !(k.cutter.text(text) && (closedCode(text) || k.cutter.words[text] || k.cutter.listed(text))) {
			k.cut++
			member(name)
			k.out = quoted(k.out, "withheld")
			value := k.values[at]
			if name == "n" { // of SenML, whose values have members by their type
				value = "v"
			}
			member(value)
			k.out = append(k.out, "1}"...)
			return
		}
	}
	had := false
	o.Visit(func(key []byte, v *fastjson.Value) {
		name := string(key)
		if name == "withheld" {
			had = true
		}
		holds := v.Type() == fastjson.TypeObject || v.Type() == fastjson.TypeArray
		if !k.cutter.member(name, holds) || name == "code" && !closedCode(scalarText(v)) {
			k.cut++
			switch {
			case strings.HasSuffix(name, "_") && len(name) > 1: // of SenML, which must be understood
				member("withheld_")
				k.out = append(k.out, '1')
			case !holds:
				withheld++
			}
			return
		}
		start, before := len(k.out), first
		member(name)
		if !k.value(v, name) {
			k.out, first = k.out[:start], before
			withheld++
		}
	})
	if withheld > 0 && !had {
		member("withheld")
		k.out = strconv.AppendInt(k.out, int64(withheld), 10)
	}
	k.out = append(k.out, '}')
}

// member reports whether a member's name may be kept: a known word, or one with
// a number, as door_2 is; that of what holds other members may be a device's.
func (c *Cutter) member(name string, holds bool) bool {
	if c.words[name] || holds && c.Name(name) {
		return true
	}
	letters := strings.Trim(name, "0123456789_-.")
	return len(name) == 1 || len(letters) < len(name) && len(name)-len(letters) <= 5 && slices.Contains(nameWords, strings.ToLower(letters)) ||
		len(letters) == len(name) && knownParts(name, c.state)
}

// state is for members that are events, such as doorOpenAlarm.
func (c *Cutter) state(w string) bool { return slices.Contains(nameWords, strings.ToLower(w)) }

// closedCode is the code of an event: six digits at most, which the number of no
// card has, with letters before them or not.
func closedCode(s string) bool {
	digits := 0
	for _, c := range []byte(s) {
		if '0' <= c && c <= '9' {
			digits++
		}
	}
	return digits <= 6
}

func quoted(dst []byte, s string) []byte {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:#/ ") == "" {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, text...)
}

// cbor cuts a SenML pack in CBOR, which becomes one in JSON.
func (k *cutting) cbor(payload []byte) []byte {
	var pack []map[int]any
	mode, err := cbor.DecOptions{MaxArrayElements: MaxReadings, MaxMapPairs: 64, MaxNestedLevels: 8}.DecMode()
	if err != nil || mode.Unmarshal(payload, &pack) != nil {
		return note("form")
	}
	labels := map[int]string{-1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", 0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t"}
	records := make([]map[string]any, len(pack))
	for i, r := range pack {
		records[i] = map[string]any{}
		for label, v := range r {
			if name := labels[label]; name != "" {
				records[i][name] = v
			}
		}
	}
	text, err := json.Marshal(records)
	if err != nil {
		return note("form")
	}
	return k.json(text)
}

// lines cuts line protocol: tags that say whose a line is, and fields that are
// known. A line that is none is refused by its decoder, and it alone.
func (k *cutting) lines(payload []byte) []byte {
	var e lineprotocol.Encoder
	e.SetPrecision(lineprotocol.Nanosecond)
	e.SetLax(true)
	d := lineprotocol.NewDecoderWithBytes(payload)
	for d.Next() {
		e.Reset()
		e.ClearErr()
		at, err := k.line(d, &e)
		if err != nil || e.Err() != nil || len(at) > 0 && !closedTime(at) {
			k.out = append(k.out, "withheld\n"...)
			continue
		}
		k.out = append(k.out, bytes.TrimRight(e.Bytes(), "\n")...)
		if at != "" {
			k.out = append(append(k.out, ' '), at...)
		}
		k.out = append(k.out, '\n')
	}
	return bytes.Clone(k.out)
}

// line encodes what is kept of a line, without its time, which it returns.
func (k *cutting) line(d *lineprotocol.Decoder, e *lineprotocol.Encoder) (at string, err error) {
	measurement, err := d.Measurement()
	if err != nil {
		return "", err
	}
	name := string(measurement)
	if !k.cutter.Name(name) {
		name = "withheld"
	}
	e.StartLine(name)
	type tag struct{ key, value string }
	var tags []tag
	for {
		key, value, err := d.NextTag()
		if err != nil {
			return "", err
		}
		if key == nil {
			break
		}
		if slices.Contains([]string{"device", "device_id", "deviceId", "community", "facility", "compound", "channel"}, string(key)) {
			t := tag{string(key), string(value)}
			if !k.cutter.Name(t.value) {
				t.value = Withheld
			}
			tags = append(tags, t)
		}
	}
	slices.SortFunc(tags, func(a, b tag) int { return strings.Compare(a.key, b.key) })
	for _, t := range tags {
		e.AddTag(t.key, t.value)
	}
	withheld := int64(0)
	for {
		key, value, err := d.NextField()
		if err != nil {
			return "", err
		}
		if key == nil {
			break
		}
		var kept bool
		switch text := strings.TrimRight(value.String(), "iu"); value.Kind() {
		case lineprotocol.Bool:
			kept = true
		case lineprotocol.String:
			kept = k.cutter.text(value.StringV())
		default:
			kept = closedNumber(text) || closedTime(text)
		}
		if kept && k.cutter.member(string(key), false) {
			e.AddField(string(key), value)
		} else {
			withheld++
		}
	}
	if withheld > 0 {
		e.AddField("withheld", lineprotocol.IntValue(withheld))
	}
	stamp, err := d.TimeBytes()
	if err != nil {
		return "", err
	}
	e.EndLine(time.Time{})
	return string(stamp), nil
}

// sparkplug cuts Sparkplug B: metrics with their names, aliases, types, times and
// values; no properties, datasets, templates, files or bodies.
func (k *cutting) sparkplug(payload []byte) []byte {
	failed := fields(payload, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 1, 3:
			k.out = protowire.AppendVarint(protowire.AppendTag(k.out, number, protowire.VarintType), v)
		case 2:
			metric, err := k.metric(data)
			if err != nil {
				return err
			}
			k.out = protowire.AppendBytes(protowire.AppendTag(k.out, number, protowire.BytesType), metric)
		}
		return nil
	})
	if failed != nil {
		return note("form")
	}
	return bytes.Clone(k.out)
}

func (k *cutting) metric(b []byte) (out []byte, err error) {
	known := true
	err = fields(b, func(number protowire.Number, _ uint64, data []byte) error {
		if number == 1 && !k.cutter.Name(string(data)) {
			known = false
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !known { // people see a metric without a meaning; its alias may come again
		out = protowire.AppendString(protowire.AppendTag(out, 1, protowire.BytesType), "withheld")
		out = protowire.AppendVarint(protowire.AppendTag(out, 10, protowire.VarintType), 1)
		err = fields(b, func(number protowire.Number, v uint64, _ []byte) error {
			if number == 2 || number == 3 {
				out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), v)
			}
			return nil
		})
		return out, err
	}
	null := false
	err = fields(b, func(number protowire.Number, v uint64, data []byte) error {
		kept := true
		switch number {
		case 1:
			out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), data)
		case 2, 3, 4, 5, 6, 14:
			out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), v)
		case 7:
			null = null || v != 0
		case 9:
			unit, quality := sparkplugProperties(data)
			if !k.cutter.text(quality) {
				quality = "withheld" // and so not good
			}
			if properties := appendProperties(nil, unit, quality); properties != nil {
				out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), properties)
			}
		case 18: // a template: metrics in it
			template, err := k.template(data)
			if err != nil {
				return err
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), template)
		case 16, 17, 19: // bytes, tables, extensions
			kept = false
		case 10, 11:
			text := strconv.FormatUint(v, 10)
			if kept = closedNumber(text) || closedTime(text) || int64(v) < 0; kept {
				out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), v)
			}
		case 12:
			out = protowire.AppendFixed32(protowire.AppendTag(out, number, protowire.Fixed32Type), uint32(v))
		case 13:
			if kept = closedNumber(sparkplugDouble(v)); kept {
				out = protowire.AppendFixed64(protowire.AppendTag(out, number, protowire.Fixed64Type), v)
			}
		case 15:
			if kept = k.cutter.text(string(data)); kept {
				out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), data)
			}
		}
		null = null || !kept
		return nil
	})
	if null {
		out = protowire.AppendVarint(protowire.AppendTag(out, 7, protowire.VarintType), 1)
	}
	return out, err
}

// appendProperties appends a metric's properties: 1 keys, 2 values, 8 a string.
func appendProperties(b []byte, unit, quality string) []byte {
	for _, p := range [][2]string{{"engUnit", unit}, {"quality", quality}} {
		if p[1] != "" {
			b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), p[0])
		}
	}
	for _, value := range []string{unit, quality} {
		if value != "" {
			v := protowire.AppendString(protowire.AppendTag(nil, 8, protowire.BytesType), value)
			b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), v)
		}
	}
	return b
}

// template keeps a template's metrics (2), what it is of (4) and whether it
// defines that (5).
func (k *cutting) template(b []byte) (out []byte, err error) {
	if k.depth++; k.depth > maxDepth {
		return nil, ingest.Refuse(ingest.Malformed, "templates within templates")
	}
	defer func() { k.depth-- }()
	err = fields(b, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 2:
			metric, err := k.metric(data)
			if err != nil {
				return err
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), metric)
		case 4:
			if k.cutter.Name(string(data)) {
				out = protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), data)
			}
		case 5:
			out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), v)
		}
		return nil
	})
	return out, err
}

// maxDepth bounds templates within templates.
const maxDepth = 8

// EachWord calls f with every text and every member's name of a payload in JSON,
// and with the tags of line protocol.
func EachWord(payload []byte, f func(word string)) {
	if len(payload) > 0 && !jsonLike(payload) {
		for _, word := range bytes.FieldsFunc(payload[:min(len(payload), keptPayload)], func(c rune) bool { return strings.ContainsRune(" ,=\n\"", c) }) {
			if len(word) <= 128 {
				f(string(word))
			}
		}
		return
	}
	var parser fastjson.Parser
	root, err := parseJSON(&parser, payload, nil)
	if err != nil {
		return
	}
	var each func(v *fastjson.Value)
	each = func(v *fastjson.Value) {
		switch v.Type() {
		case fastjson.TypeObject:
			v.GetObject().Visit(func(key []byte, v *fastjson.Value) {
				f(string(key))
				each(v)
			})
		case fastjson.TypeArray:
			for _, item := range v.GetArray() {
				each(item)
			}
		case fastjson.TypeString, fastjson.TypeNumber:
			f(scalarText(v))
		}
	}
	each(root)
}
