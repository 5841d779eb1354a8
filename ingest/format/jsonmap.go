package format

import (
	"bytes"
	"fmt"
	"slices"
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
	unit, valid                                                 path
	times                                                       [][]path
	consumed                                                    map[string]bool // what is not a field of its own

	// Of a source whose payload format is json too, the text at Values is JSON, and the
	// mapping is of what is in it.
	inside *mapping
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
		var paths []path
		for _, p := range rule.Path {
			paths = append(paths, parsePath(p))
			d.consumed[strings.TrimPrefix(p, "$.")] = true
		}
		d.times = append(d.times, paths)
	}
	if m.Valid != nil {
		d.valid = parsePath(m.Valid.Path)
		d.consumed[strings.TrimPrefix(m.Valid.Path, "$.")] = true
	}
	delete(d.consumed, "")
	if m.Values != "" && src.Format == "json" && src.Payload == "json" {
		of, within := *src, *m
		of.Payload, of.JSON, within.Values = "", &within, ""
		inside, err := newMapping(&of)
		if err != nil {
			return nil, err
		}
		d.inside = inside.(*mapping)
	}
	return d, nil
}

func (d *mapping) Decode(in *Input, out *Output) error {
	root, err := parseJSON(&d.parser, in.Payload, out)
	if err != nil {
		return err
	}
	if d.inside != nil {
		text := d.values.get(root, root)
		if inner := jsonInText(text); inner != nil {
			once(inner, out)
			return d.inside.decode(in, inner, out)
		}
		if text == nil || text.Type() == fastjson.TypeString {
			return ingest.Refuse(ingest.Malformed, "no JSON in text at values path %q%s", d.m.Values, d.hint(root, d.m.Values))
		}
	}
	return d.decode(in, root, out)
}

// decode reads the records of a payload.
func (d *mapping) decode(in *Input, root *fastjson.Value, out *Output) (err error) {
	found, valueless := 0, 0
	var refused []FieldRefusal
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
			if d.m.Values != "" && d.values.get(root, item) == nil {
				valueless++
			}
			if e := d.record(in, root, key, item, out); e != nil {
				refused = append(refused, FieldRefusal{Field: recordName(d.m.Records, found-1), Refusal: ingest.AsRefusal(e)})
			}
		}
	})
	if err != nil {
		return err
	}
	switch {
	case found == 0:
		return ingest.Refuse(ingest.NoReading, "nothing at records path %q%s", d.m.Records, d.hint(root, d.m.Records))
	case len(refused) > 0 && len(refused) == found:
		return refused[0].Refusal
	case valueless == found:
		return ingest.Refuse(ingest.NoReading, "nothing at values path %q%s", d.m.Values, d.hint(root, d.m.Values))
	}
	out.Refused = append(out.Refused, refused...) // one bad record does not cost the rest
	return nil
}

// recordName returns what a record is called in its refusal.
func recordName(path string, i int) string {
	if path == "" {
		return "record " + strconv.Itoa(i)
	}
	return path + " " + strconv.Itoa(i)
}

// hint names the path that would have found something: one that ends alike, else
// what the payload has at its top.
func (d *mapping) hint(root *fastjson.Value, wanted string) string {
	steps := parsePath(wanted).steps
	if len(steps) == 0 {
		return ""
	}
	last := steps[len(steps)-1]
	for _, s := range slices.Backward(steps) {
		if s != "*" && s[0] != '[' {
			last = s
			break
		}
	}
	var like, names []string
	seen := 0
	var walk func(v *fastjson.Value, at string, depth int)
	walk = func(v *fastjson.Value, at string, depth int) {
		if seen++; seen > 500 || depth > 6 {
			return
		}
		switch v.Type() {
		case fastjson.TypeObject:
			v.GetObject().Visit(func(key []byte, member *fastjson.Value) {
				name := string(key)
				full := name
				if at != "" {
					full = at + "." + name
				}
				if depth == 0 && len(names) < 12 {
					names = append(names, name)
				}
				if alike(name, last) && len(like) < 3 {
					like = append(like, full)
				}
				walk(member, full, depth+1)
			})
		case fastjson.TypeArray:
			if items := v.GetArray(); len(items) > 0 {
				walk(items[0], at+"[*]", depth+1)
			}
		case fastjson.TypeString:
			if inner := jsonInText(v); inner != nil {
				walk(inner, at, depth+1)
			}
		}
	}
	walk(root, "", 0)
	switch {
	case len(like) > 0:
		return fmt.Sprintf("; there is %.200s", strings.Join(like, ", "))
	case len(names) > 0:
		return fmt.Sprintf("; the payload has %.200s", strings.Join(names, ", "))
	}
	return fmt.Sprintf("; the payload is a %s", root.Type())
}

// alike reports whether two names may be one misspelt: without capitals and what
// parts words, one begins as the other does.
func alike(a, b string) bool {
	plain := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s))
	}
	a, b = plain(a), plain(b)
	if len(a) > len(b) {
		a, b = b, a
	}
	return len(a) > 1 && strings.HasPrefix(b, a) && len(b)-len(a) <= 3
}

// jsonInText is the JSON that a text holds, nil where it holds none.
func jsonInText(v *fastjson.Value) *fastjson.Value {
	if v == nil || v.Type() != fastjson.TypeString {
		return nil
	}
	text := bytes.TrimLeft(v.GetStringBytes(), " \t\r\n")
	if len(text) < 2 || text[0] != '{' && text[0] != '[' {
		return nil
	}
	inner, err := fastjson.ParseBytes(text)
	if err != nil {
		return nil
	}
	return inner
}

func (d *mapping) record(in *Input, root *fastjson.Value, key string, record *fastjson.Value, out *Output) error {
	base := Sample{
		Device: d.device.text(root, record, key), Community: d.community.text(root, record, key),
		Compound: d.compound.text(root, record, key), Facility: d.facility.text(root, record, key),
		Channel: d.channel.text(root, record, key), Unit: d.unit.text(root, record, key),
	}
	if d.m.Device != "" && base.Device == "" {
		return ingest.Refuse(ingest.BadIdentifier, "no device at %q%s", d.m.Device, d.hint(root, d.m.Device))
	}
	if err := d.time(in, root, record, &base, out); err != nil {
		return err
	}
	if d.m.Valid != nil {
		if mark, good := d.good(root, record); !good {
			field := d.m.Valid.Path
			if d.m.Name != "" {
				field = d.name.text(root, record, key)
			}
			out.Refuse(base.Device, field, ingest.BadValue, "%.60s: the gateway says %s is %.20s", field, d.m.Valid.Path, mark)
			return nil
		}
	}
	if d.m.Name != "" {
		name, v := d.name.text(root, record, key), d.value.get(root, record)
		if name == "" || v == nil {
			return ingest.Refuse(ingest.Malformed, "a record has no name at %q or no value at %q%s", d.m.Name, d.m.Value, d.hint(record, d.m.Name))
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

// good reports whether a record's mark says that its value is good, and the mark.
func (d *mapping) good(root, record *fastjson.Value) (mark string, good bool) {
	v := d.valid.get(root, record)
	if v == nil || v.Type() == fastjson.TypeNull {
		return "", true
	}
	if mark = scalarText(v); mark == "" {
		mark = v.String()
	}
	if len(d.m.Valid.Values) == 0 {
		return mark, goodQuality(mark)
	}
	return mark, slices.ContainsFunc(d.m.Valid.Values, func(want any) bool { return strings.EqualFold(fmt.Sprint(want), mark) })
}

// time finds the time of a record by the rules, the first that yields one. One that
// finds a day only is completed by the time of day of another.
func (d *mapping) time(in *Input, root, record *fastjson.Value, base *Sample, out *Output) error {
	var day string
	for i, rule := range d.m.Time {
		words, v := ruleText(d.times[i], root, record)
		if v == nil {
			out.Explainf("time: nothing at %q", rule.Path)
			continue
		}
		if len(rule.Path) > 1 {
			v = nil
		}
		whole, clock := words, dayTime(words)
		switch {
		case rule.Layout != "" || rule.Unit != "" && rule.Unit != "auto":
		case day != "" && clock != "":
			whole, v = day+" "+clock, nil
		case day == "" && clock != "" && i+1 < len(d.m.Time):
			if later := d.day(root, record, i+1); later != "" {
				whole, v = later+" "+clock, nil
			}
		case dayOnly(words) != "":
			if day == "" {
				day = dayOnly(words)
			}
			if i+1 < len(d.m.Time) {
				continue
			}
			whole, v = day, nil
		}
		t, ok := ruleTime(in, rule, whole, v)
		if !ok {
			how := ""
			if rule.Layout != "" {
				how = " of layout " + rule.Layout
			}
			return ingest.Refuse(ingest.Malformed, "time at %q: %.60q is no time%s", rule.Path, whole, how)
		}
		if t == 0 {
			continue
		}
		if day != "" && whole == day && out.Explain != nil {
			out.Explain("time at %q is a day only: every reading of the day has the same time; give the time of day too, path: [date, time]", rule.Path)
		}
		d.took(base, rule, t, out)
		return nil
	}
	if day != "" {
		t, ok := ParseTime(day, in.Zone())
		if !ok {
			return ingest.Refuse(ingest.Malformed, "time: %.60q is no day", day)
		}
		out.Explainf("the time is a day only: every reading of the day has the same time; give the time of day too, path: [date, time]")
		d.took(base, d.m.Time[0], t, out)
	}
	return nil
}

func (d *mapping) took(base *Sample, rule *TimeRule, t int64, out *Output) {
	base.Time = t
	if rule.Source == "gateway" {
		base.TimeSource = ingest.TimeGateway
	}
	if out.Explain != nil {
		out.Explain("time from %q", rule.Path)
	}
}

// day is the day that a rule from the given one on finds, "" if none.
func (d *mapping) day(root, record *fastjson.Value, from int) string {
	for i := from; i < len(d.times); i++ {
		if words, v := ruleText(d.times[i], root, record); v != nil {
			if day := dayOnly(words); day != "" {
				return day
			}
		}
	}
	return ""
}

// ruleText returns what stands at the paths of a rule, put together; nil where one of
// them has nothing.
func ruleText(paths []path, root, record *fastjson.Value) (string, *fastjson.Value) {
	var parts []string
	var v *fastjson.Value
	for _, p := range paths {
		if v = p.get(root, record); v == nil || v.Type() == fastjson.TypeNull {
			return "", nil
		}
		word := v.String()
		if v.Type() == fastjson.TypeString {
			word = string(v.GetStringBytes())
		}
		parts = append(parts, word)
	}
	if len(parts) == 1 {
		return parts[0], v
	}
	return joinedTime(parts), v
}

// joinedTime puts the parts of a time together: a date and a time of day, or year,
// month, day, hour, minute and second in numbers.
func joinedTime(parts []string) string {
	numbers := make([]int, 0, 7)
	for _, p := range parts {
		if n, err := strconv.Atoi(strings.TrimSpace(p)); err == nil {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == len(parts) && len(numbers) >= 3 && len(numbers) <= 6 {
		for len(numbers) < 6 {
			numbers = append(numbers, 0)
		}
		if numbers[0] < 100 {
			numbers[0] += 2000
		}
		return fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5])
	}
	if len(numbers) == 2 && len(parts) == 2 && len(strings.TrimSpace(parts[0])) == 8 && numbers[1] < 240000 { // a time that lost its zeroes
		return fmt.Sprintf("%s %06d", strings.TrimSpace(parts[0]), numbers[1])
	}
	return strings.Join(parts, " ")
}

// dayOnly is the day a text is of and nothing more, as 2006-01-02; "" for another.
func dayOnly(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 8 || len(text) > 10 {
		return ""
	}
	for _, layout := range []string{"2006-01-02", "2006-1-2", "2006/1/2", "20060102", "2006.01.02"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() < 2262 {
			return t.Format("2006-01-02")
		}
	}
	return ""
}

// dayTime is the time of day a text is and nothing more, as 15:04:05; "" for another.
func dayTime(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 4 || len(text) > 12 || !strings.Contains(text, ":") {
		return ""
	}
	for _, layout := range []string{"15:04:05.999", "15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Format("15:04:05.999")
		}
	}
	return ""
}

// ruleTime reads a time as its rule says it is written.
func ruleTime(in *Input, rule *TimeRule, words string, v *fastjson.Value) (int64, bool) {
	if rule.Layout != "" {
		t, err := time.ParseInLocation(rule.Layout, words, in.Zone())
		if err != nil {
			return emptyClock(words)
		}
		if t.Year() < 1970 || t.Year() >= 2262 {
			return neverSet, true
		}
		return t.UnixNano(), true
	}
	factor := map[string]float64{"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1}[rule.Unit]
	if factor == 0 && v != nil {
		return jsonTime(in, v)
	}
	if factor == 0 {
		return clockText(words, in.Zone())
	}
	if n, err := strconv.ParseInt(words, 10, 64); err == nil && float64(n)*factor < 9e18 && n >= 0 {
		return max(n*int64(factor), neverSet), true
	}
	f, ok := ParseNumber(words)
	if !ok || f < 0 || f*factor >= 9e18 {
		return 0, false
	}
	return max(int64(f*factor), neverSet), true
}

// path is a parsed path: member names, [n], [*] for each element, * for each
// member. It begins at the payload's top where it starts with "$.", and at the
// record otherwise; "@key" is the name of the member a record came from.
type path struct {
	top, key bool
	steps    []string // a name, or "[3]", "[*]", "*"
}

// CheckPath says what is wrong with a path; nil if nothing is.
func CheckPath(text string) error {
	for part := range strings.SplitSeq(text, ".") {
		_, rest, has := strings.Cut(part, "[")
		for has {
			index, after, closed := strings.Cut(rest, "]")
			if _, err := strconv.Atoi(index); !closed || err != nil && index != "*" {
				return fmt.Errorf("%q: [ without its number or * and ]; write [0] or [*]", text)
			}
			_, rest, has = strings.Cut(after, "[")
		}
	}
	return nil
}

// CheckLayout says what is wrong with a layout of times; nil if nothing is. Days says
// that it stands for the whole time, and so must have a date.
func CheckLayout(layout string) error {
	if layout == "" {
		return nil
	}
	reference := strings.NewReplacer("yyyy", "2006", "YYYY", "2006", "MM", "01", "dd", "02", "DD", "02", "HH", "15", "hh", "15", "mm", "04", "ss", "05", "SSS", "000",
		"%Y", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05").Replace(layout)
	if reference != layout {
		return fmt.Errorf("%q is no layout: write the time 2006-01-02 15:04:05 as the device would, here %q", layout, reference)
	}
	at := time.Date(2031, 10, 23, 18, 47, 39, 0, time.UTC)
	if back, err := time.Parse(layout, at.Format(layout)); err != nil || back.Year() != 2031 || back.Month() != 10 || back.Day() != 23 {
		return fmt.Errorf("%q has no year, month or day; write the time 2006-01-02 15:04:05 as the device would, with path: [date, time] where they are two fields", layout)
	}
	return nil
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
	if inner := jsonInText(v); inner != nil {
		v = inner
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
