package format

import (
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
)

// mapping reads a vendor's private JSON by the mapping of its source: where
// the records are, and where in a record device, time and values are. Where the
// source names a payload format or codecs, a text at values is the bytes of a
// frame, in hex or base64.
type mapping struct {
	parser fastjson.Parser
	src    *Source
	m      *Mapping
	bytes  bool // a text at Values is bytes in hex or base64, which the source says how to read
	// paths, parsed once
	records, values                                             path
	device, community, compound, facility, channel, name, value path
	unit                                                        path
	times                                                       []path
	consumed                                                    map[string]bool // what is not a field of its own
}

func newMapping(src *Source) (Decoder, error) {
	m := src.JSON
	if m == nil {
		m = &Mapping{}
	}
	d := &mapping{src: src, m: m, consumed: map[string]bool{}}
	d.bytes = m.Values != "" && src.Format == "json" && (src.Payload != "" && src.Payload != "json" || len(src.Programs) > 0)
	for _, p := range []struct {
		text string
		to   *path
	}{
		{m.Records, &d.records}, {m.Values, &d.values}, {m.Device, &d.device}, {m.Community, &d.community}, {m.Compound, &d.compound},
		{m.Facility, &d.facility}, {m.Channel, &d.channel}, {m.Name, &d.name}, {m.Value, &d.value}, {m.Unit, &d.unit},
	} {
		*p.to = parsePath(p.text)
		d.consumed[strings.TrimPrefix(p.text, "$.")] = true
	}
	for _, rule := range m.Time {
		d.times = append(d.times, parsePath(rule.Path))
		d.consumed[strings.TrimPrefix(rule.Path, "$.")] = true
	}
	delete(d.consumed, "")
	return d, nil
}

func (d *mapping) Decode(in *Input, out *Output) error {
	root, err := parseJSON(&d.parser, in.Payload)
	if err != nil {
		return err
	}
	found := 0
	d.records.each(root, "", func(key string, record *fastjson.Value) {
		if err != nil {
			return
		}
		items := []*fastjson.Value{record}
		if record.Type() == fastjson.TypeArray && !d.records.wild() {
			items = record.GetArray()
		}
		for _, item := range items {
			if found++; found > MaxReadings {
				err = ingest.Refuse(ingest.TooLarge, "more than %d records", MaxReadings)
				return
			}
			if e := d.record(in, root, key, item, out); e != nil && err == nil {
				err = e
			}
		}
	})
	if err != nil {
		return err
	}
	if found == 0 {
		return ingest.Refuse(ingest.NoReading, "nothing at records path %q", d.m.Records)
	}
	return nil
}

func (d *mapping) record(in *Input, root *fastjson.Value, key string, record *fastjson.Value, out *Output) error {
	base := Sample{
		Device: d.device.text(root, record, key), Community: d.community.text(root, record, key),
		Compound: d.compound.text(root, record, key), Facility: d.facility.text(root, record, key),
		Channel: d.channel.text(root, record, key), Unit: d.unit.text(root, record, key),
	}
	if d.m.Device != "" && base.Device == "" {
		return ingest.Refuse(ingest.BadIdentifier, "no device at %q", d.m.Device)
	}
	for i, rule := range d.m.Time {
		v := d.times[i].get(root, record)
		if v == nil || v.Type() == fastjson.TypeNull {
			continue
		}
		t, ok := ruleTime(in, rule, v)
		if !ok {
			return ingest.Refuse(ingest.Malformed, "time at %q: %.60q is no time", rule.Path, v.String())
		}
		if t == 0 {
			continue
		}
		base.Time = t
		if rule.Source == "gateway" {
			base.TimeSource = ingest.TimeGateway
		}
		if out.Explain != nil {
			out.Explain("time from %q", rule.Path)
		}
		break
	}
	if d.m.Name != "" {
		name, v := d.name.text(root, record, key), d.value.get(root, record)
		if name == "" || v == nil {
			return ingest.Refuse(ingest.Malformed, "a record has no name at %q or no value at %q", d.m.Name, d.m.Value)
		}
		out.flatten(in, base, name, v)
		return nil
	}
	values := record
	if d.m.Values != "" {
		if values = d.values.get(root, record); values == nil {
			return nil
		}
	}
	if d.bytes && values.Type() == fastjson.TypeString {
		if in.Inner == nil {
			return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
		}
		base.Profile = d.src.Profile
		port, _ := ParseNumber(scalarText(record.Get("fPort")) + scalarText(record.Get("port")))
		return in.Inner(base, int(port), frameBytes(values.GetStringBytes()), out)
	}
	first := len(out.Samples)
	if values.Type() == fastjson.TypeObject {
		// A record with a time of its own beside its values is no wrapper.
		values.GetObject().Visit(func(name []byte, v *fastjson.Value) { out.flatten(in, base, string(name), v) })
	} else {
		out.flatten(in, base, "", values)
	}
	if d.m.Values == "" {
		kept := out.Samples[:first]
		for _, s := range out.Samples[first:] {
			if !d.consumed[s.Field] {
				kept = append(kept, s)
			}
		}
		out.Samples = kept
	}
	return nil
}

// ruleTime reads a time as its rule says it is written.
func ruleTime(in *Input, rule *TimeRule, v *fastjson.Value) (int64, bool) {
	words := v.String()
	if v.Type() == fastjson.TypeString {
		words = string(v.GetStringBytes())
	}
	if rule.Layout != "" {
		t, err := time.ParseInLocation(rule.Layout, words, in.Zone())
		if err != nil {
			return 0, false
		}
		return t.UnixNano(), true
	}
	factor := map[string]float64{"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}[rule.Unit]
	if factor == 0 {
		return jsonTime(in, v)
	}
	if n, err := strconv.ParseInt(words, 10, 64); err == nil && float64(n)*factor < 9e18 && n >= 0 {
		return n * int64(factor), true
	}
	f, ok := ParseNumber(words)
	if !ok || f < 0 || f*factor >= 9e18 {
		return 0, false
	}
	return int64(f * factor), true
}

// path is a parsed path: member names, [n], [*] for each element, * for each
// member. It begins at the payload's top where it starts with "$.", and at the
// record otherwise; "@key" is the name of the member a record came from.
type path struct {
	top, key bool
	steps    []string // a name, or "[3]", "[*]", "*"
}

func parsePath(text string) path {
	var p path
	if text == "@key" {
		p.key = true
		return p
	}
	if rest, ok := strings.CutPrefix(text, "$"); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
		p.top, text = true, strings.TrimPrefix(rest, ".")
	}
	for part := range strings.SplitSeq(text, ".") {
		name, indexes, _ := strings.Cut(part, "[")
		if name != "" {
			p.steps = append(p.steps, name)
		}
		for indexes != "" {
			var index string
			index, indexes, _ = strings.Cut(indexes, "]")
			p.steps = append(p.steps, "["+index+"]")
			indexes = strings.TrimPrefix(indexes, "[")
		}
	}
	return p
}

// wild reports whether the path can yield several values.
func (p path) wild() bool {
	for _, s := range p.steps {
		if s == "[*]" || s == "*" {
			return true
		}
	}
	return false
}

// get is the value at the path, nil if there is none.
func (p path) get(root, record *fastjson.Value) *fastjson.Value {
	if len(p.steps) == 0 {
		return nil
	}
	v := record
	if p.top {
		v = root
	}
	var found *fastjson.Value
	path{steps: p.steps}.each(v, "", func(_ string, v *fastjson.Value) {
		if found == nil {
			found = v
		}
	})
	return found
}

func (p path) text(root, record *fastjson.Value, key string) string {
	if p.key {
		return key
	}
	v := p.get(root, record)
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber:
		return v.String()
	}
	return ""
}

// each calls f for every value at the path, with the name of the last member
// that a * stood for.
func (p path) each(v *fastjson.Value, key string, f func(key string, v *fastjson.Value)) {
	if v == nil {
		return
	}
	if len(p.steps) == 0 {
		f(key, v)
		return
	}
	step, rest := p.steps[0], path{steps: p.steps[1:]}
	switch {
	case step == "*":
		if v.Type() == fastjson.TypeObject {
			v.GetObject().Visit(func(name []byte, member *fastjson.Value) { rest.each(member, string(name), f) })
		}
	case step == "[*]":
		for _, item := range v.GetArray() {
			rest.each(item, key, f)
		}
	case step[0] == '[':
		rest.each(v.Get(step[1:len(step)-1]), key, f)
	default:
		rest.each(v.Get(step), key, f)
	}
}

// provesJSON takes whole objects.
func provesJSON(_ int, data []byte) Proof {
	if len(data) > 1 && data[0] == '{' && fastjson.ValidateBytes(data) == nil {
		return ByGrammar
	}
	return NoProof
}
