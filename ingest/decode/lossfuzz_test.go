package decode

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// The fuzzers below make a message of what they are given, and know what they put into
// it: each value must come out as it went in, or be named in a refusal.

// drawn hands out the fuzzer's bytes as choices; 0 when they have run out.
type drawn []byte

func (d *drawn) next() int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b)
}

func (d *drawn) under(n int) int { return d.next() % n }

func (d *drawn) word() uint64 {
	var b [8]byte
	*d = (*d)[copy(b[:], *d):]
	return binary.LittleEndian.Uint64(b[:])
}

// put is a value that was put into a message under a name no vocabulary has.
type put struct {
	name   string
	value  float64
	text   string
	isText bool
	bad    bool // a value that must be refused by name
}

// arrives checks that what was put into a message came out of it.
func arrives(t *testing.T, r *Result, message string, all []put) {
	t.Helper()
	checkResult(t, r)
	for _, p := range all {
		refused := slices.ContainsFunc(r.Refused, func(f format.FieldRefusal) bool { return f.Field == p.name }) ||
			r.Err != nil && strings.Contains(r.Err.Detail, p.name)
		if p.bad {
			if !refused {
				t.Errorf("%s: %s is not refused: %v", message, p.name, told(r))
			}
			continue
		}
		i := slices.IndexFunc(r.Unmapped, func(u Unmapped) bool { return u.Field == p.name })
		if i < 0 {
			t.Errorf("%s: of %s nothing is said: %v", message, p.name, told(r))
			continue
		}
		if u := r.Unmapped[i]; u.IsText != p.isText || p.isText && u.Text != p.text || !p.isText && u.Value != p.value {
			t.Errorf("%s: %s is %v %q, was %v %q", message, p.name, u.Value, u.Text, p.value, p.text)
		}
	}
}

// sparkplugValue draws a value of a datatype, as field numbers from 10 on (minus less of
// a data set's cells) carry it.
func sparkplugValue(b []byte, name string, datatype uint64, less protowire.Number, d *drawn) ([]byte, put) {
	p := put{name: name}
	number := func(n protowire.Number, v uint64) {
		b = protowire.AppendTag(b, n-less, protowire.VarintType)
		b = protowire.AppendVarint(b, v)
	}
	word := d.word()
	switch datatype {
	case 1:
		p.value = float64(int8(word))
		number(10, uint64(uint32(int32(int8(word)))))
	case 2:
		p.value = float64(int16(word))
		number(10, uint64(uint32(int32(int16(word)))))
	case 3:
		p.value = float64(int32(word))
		number(10, uint64(uint32(word)))
	case 4:
		p.value = float64(int64(word))
		number(11, word)
	case 5, 6, 7:
		word &= 1<<(4<<(datatype-4)) - 1
		p.value = float64(word)
		number(10, word)
	case 8, 13:
		p.value = float64(word)
		number(11, word)
	case 9:
		bits := uint32(word)
		f := math.Float32frombits(bits)
		p.value, _ = strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
		p.bad = math.IsNaN(p.value) || math.IsInf(p.value, 0)
		b = protowire.AppendTag(b, 12-less, protowire.Fixed32Type)
		b = protowire.AppendFixed32(b, bits)
	case 10:
		p.value = math.Float64frombits(word)
		p.bad = math.IsNaN(p.value) || math.IsInf(p.value, 0)
		b = protowire.AppendTag(b, 13-less, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, word)
	case 11:
		p.value = float64(word & 1)
		number(14, word&1)
	default:
		p.isText, p.text = true, fmt.Sprintf("w%x", word)
		b = protowire.AppendTag(b, 15-less, protowire.BytesType)
		b = protowire.AppendString(b, p.text)
	}
	return b, p
}

// Packed lists of Sparkplug 3: how wide an element is, by datatype from 22 on.
var packedWidths = []int{1, 2, 4, 8, 1, 2, 4, 8, 4, 8}

func sparkplugMetricOf(name string, d *drawn, depth int) (b []byte, all []put) {
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, name)
	typed := func(datatype uint64) {
		b = protowire.AppendTag(b, 4, protowire.VarintType)
		b = protowire.AppendVarint(b, datatype)
	}
	bytes := func(n protowire.Number, content []byte) {
		b = protowire.AppendTag(b, n, protowire.BytesType)
		b = protowire.AppendBytes(b, content)
	}
	switch kind := d.under(20); {
	case kind == 16 && depth < 3: // a template of metrics and parameters
		typed(19)
		var template []byte
		for i := range 1 + d.under(3) {
			inner, more := sparkplugMetricOf("n"+strconv.Itoa(i), d, depth+1)
			template = protowire.AppendTag(template, 2, protowire.BytesType)
			template = protowire.AppendBytes(template, inner)
			for _, p := range more {
				p.name = name + "/" + p.name
				all = append(all, p)
			}
		}
		if datatype := uint64(1 + d.under(12)); d.under(2) == 1 {
			parameter := protowire.AppendTag(nil, 1, protowire.BytesType)
			parameter = protowire.AppendString(parameter, "p")
			parameter = protowire.AppendTag(parameter, 2, protowire.VarintType)
			parameter = protowire.AppendVarint(parameter, datatype)
			parameter, p := sparkplugValue(parameter, name+"/p", datatype, 7, d)
			template = protowire.AppendTag(template, 3, protowire.BytesType)
			template = protowire.AppendBytes(template, parameter)
			all = append(all, p)
		}
		bytes(18, template)
	case kind == 17: // a table
		typed(16)
		var table []byte
		columns := 1 + d.under(3)
		types := make([]uint64, columns)
		table = protowire.AppendTag(table, 1, protowire.VarintType)
		table = protowire.AppendVarint(table, uint64(columns))
		for i := range types {
			table = protowire.AppendTag(table, 2, protowire.BytesType)
			table = protowire.AppendString(table, "c"+strconv.Itoa(i))
		}
		for i := range types {
			types[i] = uint64(1 + d.under(12))
			table = protowire.AppendTag(table, 3, protowire.VarintType)
			table = protowire.AppendVarint(table, types[i])
		}
		for row := range d.under(4) {
			var cells []byte
			for i, datatype := range types {
				cell, p := sparkplugValue(nil, fmt.Sprintf("%s[%d].c%d", name, row, i), datatype, 9, d)
				cells = protowire.AppendTag(cells, 1, protowire.BytesType)
				cells = protowire.AppendBytes(cells, cell)
				all = append(all, p)
			}
			table = protowire.AppendTag(table, 4, protowire.BytesType)
			table = protowire.AppendBytes(table, cells)
		}
		bytes(17, table)
	case kind == 18: // a packed list
		datatype := d.under(len(packedWidths))
		typed(uint64(22 + datatype))
		var packed []byte
		for i := range 1 + d.under(4) {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], d.word())
			width := packedWidths[datatype]
			packed = append(packed, word[:width]...)
			p := put{name: fmt.Sprintf("%s[%d]", name, i)}
			v := binary.LittleEndian.Uint64(word[:]) & (1<<(8*width) - 1)
			if width == 8 {
				v = binary.LittleEndian.Uint64(word[:])
			}
			switch datatype {
			case 0, 1, 2, 3:
				shift := 64 - 8*width
				p.value = float64(int64(v<<shift) >> shift)
			case 8:
				p.value, _ = strconv.ParseFloat(strconv.FormatFloat(float64(math.Float32frombits(uint32(v))), 'g', -1, 32), 64)
			case 9:
				p.value = math.Float64frombits(v)
			default:
				p.value = float64(v)
			}
			p.bad = math.IsNaN(p.value) || math.IsInf(p.value, 0)
			all = append(all, p)
		}
		bytes(16, packed)
	default:
		datatype := uint64(1 + kind%13)
		typed(datatype)
		var p put
		b, p = sparkplugValue(b, name, datatype, 0, d)
		all = append(all, p)
	}
	return b, all
}

func sparkplugPayloadOf(metrics [][]byte, seq uint64) []byte {
	b := protowire.AppendTag(nil, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, 1_795_392_000_000)
	for _, m := range metrics {
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendBytes(b, m)
	}
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	return protowire.AppendVarint(b, seq)
}

// Each metric of a birth, and of the data after it that gives no datatypes, cells of
// tables, metrics and parameters of templates, elements of lists.
func FuzzSparkplugLosesNothing(f *testing.F) {
	for i := range 20 {
		f.Add([]byte{2, byte(i), 200, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, byte(i + 1), 250, 240, 230, 220, 210, 200, 199, 198, 3, 4, 5, 6, 7, 8, 9})
	}
	w := source(f, "lighting", "sparkplug", "#", "")
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := drawn(choices)
		var metrics, data [][]byte
		var all, later []put
		for i := range 1 + d.under(4) {
			name := "zz" + strconv.Itoa(i)
			m, puts := sparkplugMetricOf(name, &d, 0)
			metrics, all = append(metrics, m), append(all, puts...)
			// The same again, as data carry it: without the datatype.
			if datatype := uint64(1 + d.under(11)); len(puts) == 1 && !puts[0].isText {
				birth := protowire.AppendTag(nil, 1, protowire.BytesType)
				birth = protowire.AppendString(birth, "yy"+strconv.Itoa(i))
				bare := slices.Clone(birth)
				birth = protowire.AppendTag(birth, 4, protowire.VarintType)
				birth = protowire.AppendVarint(birth, datatype)
				birth, first := sparkplugValue(birth, "yy"+strconv.Itoa(i), datatype, 0, &d)
				bare, p := sparkplugValue(bare, "yy"+strconv.Itoa(i), datatype, 0, &d)
				metrics, all = append(metrics, birth), append(all, first)
				data, later = append(data, bare), append(later, p)
			}
		}
		decode := func(kind string, payload []byte, puts []put) {
			r := w.Decode(&ingest.Message{Seq: 1, Topic: "spBv1.0/g/" + kind + "/n", Payload: payload, Received: received})
			arrives(t, r, fmt.Sprintf("%s %x", kind, payload), puts)
		}
		decode("NBIRTH", sparkplugPayloadOf(metrics, 0), all)
		if len(data) > 0 {
			decode("NDATA", sparkplugPayloadOf(data, 1), later)
		}
	})
}

// Each field of each line, and what tells lines of one device apart; a line between
// that is none costs the others nothing.
func FuzzLinesLoseNothing(f *testing.F) {
	f.Add("lighting", "phase", "L1", "odd", "some words", 17.25, int64(-3), int64(1_795_392_000), "no line at all")
	f.Add("m", "a b", "c,d=e", "k ey", `q"u\o`, -0.5, int64(0), int64(0), "x,y=1 z")
	f.Add("m", "channel", "2", "x", "", 1e300, int64(1), int64(1_795_392_000_000_000_000), "# a comment")
	w := source(f, "lighting", "influx", "#", "")
	key := strings.NewReplacer(`\`, "", "\n", "", "\r", "", "\t", "", ",", `\,`, "=", `\=`, " ", `\ `)
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	f.Fuzz(func(t *testing.T, measurement, tag, value, field, text string, number float64, integer, at int64, bad string) {
		clean := func(s, instead string) (plain, escaped string) {
			s = strings.Map(func(r rune) rune {
				if r < ' ' || r == 0x7f || r == '\\' || r == '\ufffd' {
					return -1
				}
				return r
			}, strings.ToValidUTF8(s, ""))
			if s == "" {
				s = instead
			}
			return s, key.Replace(s)
		}
		_, measurement = clean("m"+measurement, "m")
		tagged, tag := clean("t"+tag, "t")
		tagValue, value := clean("v"+value, "v")
		field, escaped := clean("zz"+field, "zz")
		text = strings.Map(func(r rune) rune {
			if r == '\r' || r == 0 {
				return -1
			}
			return r
		}, strings.ToValidUTF8(text, ""))
		if strings.ContainsAny(bad, `"`) || len(text)+len(field)+len(bad) > 2000 {
			return
		}
		all := []put{
			{name: field + "1", value: number, bad: math.IsNaN(number) || math.IsInf(number, 0)},
			{name: field + "2", value: float64(integer)}, {name: field + "3", text: text, isText: true}, {name: field + "4", value: 1},
		}
		if tagged != "tariff" { // that is the channel
			all = append(all, put{name: tagged, text: tagValue, isText: true})
		}
		line := func(device string) string {
			return fmt.Sprintf("%s,device=%s,%s=%s %s1=%s,%s2=%di,%s3=\"%s\",%s4=true", measurement, device, tag, value,
				escaped, strconv.FormatFloat(number, 'g', -1, 64), escaped, integer, escaped, quote.Replace(text), escaped)
		}
		first := line("D1")
		if at > 0 {
			first += " " + strconv.FormatInt(at, 10)
		}
		payload := first + "\n" + strings.ReplaceAll(bad, "\n", " ") + "\n" + line("D2") + "\n"
		if all[0].bad { // such a number is no line of the protocol
			return
		}
		r := w.Decode(&ingest.Message{Seq: 1, Topic: "t", Payload: []byte(payload), Received: received})
		message := fmt.Sprintf("%q", payload)
		checkResult(t, r)
		for _, device := range []string{"D1", "D2"} {
			mine := *r
			mine.Unmapped = slices.DeleteFunc(slices.Clone(r.Unmapped), func(u Unmapped) bool { return u.Device != device })
			arrives(t, &mine, message+" "+device, all)
		}
	})
}

// made is a meter's frame that was put into a payload.
type made struct {
	device, quantity, channel string
	value                     float64
}

func bcdBytes(v, bytes int) []byte {
	out := make([]byte, bytes)
	for i := range out {
		out[i] = byte(v%10 | v/10%10<<4)
		v /= 100
	}
	return out
}

func framed(frame []byte) []byte {
	sum := byte(0)
	for _, b := range frame {
		sum += b
	}
	return append(frame, sum, 0x16)
}

func shifted(data ...byte) []byte {
	for i := range data {
		data[i] += 0x33
	}
	return data
}

// frameOf makes a frame of the i-th meter.
func frameOf(water bool, i int, d *drawn) (frame []byte, all []made) {
	address := bcdBytes(10_000_001+i, 6)
	digits := d.next()<<8 | d.next()
	if water {
		v := digits * 7
		frame = append([]byte{0x68, 0x10}, append(address, 0x11)...)
		body := append([]byte{0x90, 0x1f, 0x00}, append(bcdBytes(v, 4), 0x2c)...)
		body = append(append(body, bcdBytes(v/2, 4)...), 0x2c)
		body = append(body, bcdBytes(0, 1)...)
		body = append(body, 0x00, 0x08, 0x23, 0x11, 0x26, 0x20)
		body = append(body, byte(d.under(8)), 0)
		if status := body[20]; status&1 != 0 {
			all = append(all, made{"11" + fmt.Sprintf("%012d", 10_000_001+i), "valve_open", "", 0})
		}
		frame = framed(append(append(frame, 0x81, byte(len(body))), body...))
		name := "11" + fmt.Sprintf("%012d", 10_000_001+i)
		return frame, append(all, made{name, "water_volume_total", "", float64(v) / 100}, made{name, "water_volume_billing", "", float64(v/2) / 100})
	}
	name := fmt.Sprintf("%012d", 10_000_001+i)
	frame = append(append([]byte{0x68}, address...), 0x68)
	var data []byte
	control := byte(0x91)
	switch d.under(7) {
	case 0:
		data = append([]byte{0, 0, 1, 0}, bcdBytes(digits, 4)...)
		all = append(all, made{name, "energy_total", "", float64(digits) / 100})
	case 1: // a block of tariffs
		data = []byte{0, 0xff, 1, 0}
		for j := range 5 {
			data = append(data, bcdBytes(digits+j, 4)...)
			channel := ""
			if j > 0 {
				channel = "t" + strconv.Itoa(j)
			}
			all = append(all, made{name, "energy_total", channel, float64(digits+j) / 100})
		}
	case 2:
		v := 2000 + digits%600
		data = append([]byte{0, 1, 1, 2}, bcdBytes(v, 2)...)
		all = append(all, made{name, "voltage", "l1", float64(v) / 10})
	case 3:
		data = append([]byte{0, 0, 3, 2}, bcdBytes(digits, 3)...)
		all = append(all, made{name, "active_power", "", float64(digits) / 10})
	case 4: // 1997
		control = 0x81
		data = append([]byte{0x10, 0x90}, bcdBytes(digits, 4)...)
		all = append(all, made{name, "energy_total", "", float64(digits) / 100})
	case 5: // a block of phases
		data = []byte{0, 0xff, 1, 2}
		for j := range 3 {
			v := 2000 + (digits+j)%600
			data = append(data, bcdBytes(v, 2)...)
			all = append(all, made{name, "voltage", "l" + strconv.Itoa(j+1), float64(v) / 10})
		}
	case 6: // more than the register has
		data = append(append([]byte{0, 0, 1, 0}, bcdBytes(digits, 4)...), 0x12, 0x34)
		all = append(all, made{name, "energy_total", "", float64(digits) / 100}, made{name, "", "", 0})
	}
	return framed(append(append(frame, control, byte(len(data))), shifted(data...)...)), all
}

// Each frame of a payload, whatever stands before, between and behind them, in bytes,
// hex, base64 and a modem's text; and each whole frame that a second reader finds in
// bytes of any kind.
func FuzzFramesLoseNothing(f *testing.F) {
	for i := range 7 {
		f.Add(false, uint8(i), []byte("\r\n"), []byte{2, byte(i), 1, 2, byte(i + 1), 3, 4})
		f.Add(true, uint8(i), []byte{0xfe, 0x68}, []byte{3, 1, 2, 3, 4, 5, 6})
	}
	f.Add(false, uint8(0), []byte{0x68, 0x10}, []byte{3, 6, 6, 6, 6, 6})
	workers := map[bool]*Worker{true: source(f, "water", "cjt188", "#", ""), false: source(f, "lighting", "dlt645", "#", "")}
	f.Fuzz(func(t *testing.T, water bool, how uint8, between, choices []byte) {
		if len(between) > 64 {
			return
		}
		d := drawn(choices)
		var all []made
		var payload []byte
		how %= 6
		text := how == 3 || how == 4
		if text { // a modem's: what it writes has no 68 of its own, and no more hex than its number
			between = []byte(strings.Map(func(r rune) rune {
				if r < ' ' || r > '~' || r == '6' || r == '{' || r == '[' {
					return -1
				}
				return r
			}, string(between)))
			between = append(append([]byte("AT:"), between...), ',')
		}
		for i := range 1 + d.under(4) {
			frame, values := frameOf(water, i, &d)
			if text {
				payload = append(payload, between...)
				payload = hex.AppendEncode(payload, frame)
			} else {
				payload = append(append(payload, between...), frame...)
			}
			all = append(all, values...)
		}
		whole := payload
		switch how {
		case 1:
			payload = []byte(strings.ToUpper(hex.EncodeToString(whole)))
		case 2:
			payload = []byte(base64.StdEncoding.EncodeToString(whole))
		case 5: // any bytes at all
			payload, whole, all = append(slices.Clone(choices), between...), append(slices.Clone(choices), between...), nil
		}
		r := workers[water].Decode(&ingest.Message{Seq: 1, Topic: "t", Payload: payload, Received: received})
		checkResult(t, r)
		if !text {
			read, _ := framesIn(water, whole)
			if read == nil || how == 5 {
				if how == 5 && r.Err == nil && r.Ignored == "" {
					for _, device := range read {
						if !toldOf(r, device) {
							t.Errorf("%x: of meter %s nothing is said: %v", payload, device, told(r))
						}
					}
				}
				return
			}
			// Bytes between may begin a frame that swallows one that was put there.
			all = slices.DeleteFunc(all, func(m made) bool { return !slices.Contains(read, m.device) })
		}
		for _, m := range all {
			found := false
			for i := range r.Readings {
				v := &r.Readings[i]
				found = found || string(v.Device.ID) == m.device && v.Quantity.Name == m.quantity && v.Channel == m.channel && math.Abs(v.Value-m.value) < 1e-9
			}
			if m.quantity == "" { // what stands behind a register
				found = slices.ContainsFunc(r.Refused, func(f format.FieldRefusal) bool { return f.Device == m.device }) ||
					slices.ContainsFunc(r.Unmapped, func(u Unmapped) bool { return u.Device == m.device })
			}
			if !found {
				t.Errorf("%q: %+v has not arrived: %v", payload, m, told(r))
			}
		}
	})
}

// framesIn walks over bytes and returns the meters of the whole frames in them, in the
// order they come, without those inside others.
func framesIn(water bool, b []byte) (meters []string, ends []int) {
	head, length, from := 12, 9, 1
	if water {
		head, length, from = 13, 10, 2
	}
	for i := 0; i+head <= len(b); i++ {
		if b[i] != 0x68 || !water && b[i+7] != 0x68 {
			continue
		}
		end := i + head + int(b[i+length])
		if end > len(b) || b[end-1] != 0x16 {
			continue
		}
		total := byte(0)
		for _, c := range b[i : end-2] {
			total += c
		}
		if total != b[end-2] {
			continue
		}
		name := ""
		for _, c := range b[i+from : i+length-1] {
			name = fmt.Sprintf("%02x", c) + name
		}
		if !water {
			name = ""
			for _, c := range b[i+1 : i+7] {
				name = fmt.Sprintf("%02x", c) + name
			}
		}
		meters, ends = append(meters, name), append(ends, end)
		i = end - 1
	}
	return meters, ends
}

// jsonOf draws a value, and notes each number and word in it, all different. Names
// are those decoders use for a value's parts, and others.
func jsonOf(d *drawn, all *[]string, depth int) any {
	special := []string{"value", "data", "v", "unit", "time", "timestamp", "type", "name", "values", "valid", "history", "address", "storage", "tariff", "variable", "errors", "warnings", "label", "params", "error", "result"}
	switch kind := d.under(8); {
	case kind < 3 || depth > 4:
		n := float64(len(*all))*3 + 1000.0625
		*all = append(*all, numberText(n))
		return n
	case kind == 3:
		word := "word" + strconv.Itoa(len(*all)+100)
		*all = append(*all, word)
		return word
	case kind == 4:
		*all = append(*all, "")
		return true
	case kind == 5:
		list := []any{}
		for range d.under(4) {
			list = append(list, jsonOf(d, all, depth+1))
		}
		return list
	}
	object := map[string]any{}
	for i := range d.under(5) {
		name := "odd" + strconv.Itoa(i)
		if pick := d.under(64); pick < len(special) {
			name = special[pick]
		}
		if _, there := object[name]; !there {
			object[name] = jsonOf(d, all, depth+1)
		}
	}
	return object
}

// described are the members of a result that say what a value is, and are none: words
// under them may go.
func describes(v any, word string) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if inner == word && slices.Contains([]string{"unit", "label", "type", "name", "variable", "time", "timestamp", "warnings", "value", "data", "v"}, name) || describes(inner, word) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return describes(inner, word) })
	}
	return false
}

// Each number and word of what a decoder in JavaScript returns, whatever its shape.
func FuzzCodecResultsLoseNothing(f *testing.F) {
	for i := range 32 {
		f.Add([]byte{7, 3, byte(i), 6, 4, byte(i + 1), 0, 40, 1, 3, 2, 7, byte(i), 3, 0, 41, 1, 1, 42, 5, 2, 0, 0, 1, 2})
	}
	workers := []*Worker{
		source(f, "lighting", "raw", "#", `, codecs: {"": said.js}`),
		source(f, "lighting", "raw", "#", `, codecs: {"": plain.js}`),
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		d := drawn(choices)
		which := d.under(2)
		var all []string
		members := map[string]any{"odd": 17.25}
		for i := range d.under(6) {
			name := "odd" + strconv.Itoa(i)
			if pick := d.under(32); pick < 4 {
				name = []string{"data", "params", "history", "values"}[pick]
			}
			if members[name] != nil {
				continue
			}
			members[name] = jsonOf(&d, &all, 0)
		}
		payload, err := json.Marshal(members)
		if err != nil || len(payload) > 8<<10 {
			return
		}
		r := workers[which].Decode(&ingest.Message{Seq: 1, Topic: "t", Payload: payload, Received: received})
		checkResult(t, r)
		if r.Err != nil && r.Err.Reason != ingest.NoReading && r.Err.Reason != ingest.BadValue {
			return
		}
		have := strings.Join(told(r), "\n")
		for _, u := range r.Unmapped {
			have += " " + u.Channel
		}
		for _, want := range all {
			if want != "" && !strings.Contains(have, want) && !describes(members, want) {
				t.Errorf("of %s in %s nothing is said:\n%s", want, payload, have)
			}
		}
	})
}

// passOf writes a pass as a door controller pushes it.
func passOf(d *drawn, i int) (text, at string) {
	moment := time.Date(2026, 11, 23, 0, 0, i, 0, time.UTC)
	at = moment.Format("15:04:05Z 2006-01-02")
	stamp := moment.Format(time.RFC3339)
	if d.under(2) == 0 {
		return fmt.Sprintf(`{"macAddress":"aa:bb","dateTime":%q,"eventType":"AccessControllerEvent","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"doorNo":%d,"name":"A B"}}`, stamp, i+2), at
	}
	return fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<EventNotificationAlert version=\"2.0\"><macAddress>aa:bb</macAddress><dateTime>%s</dateTime><eventType>AccessControllerEvent</eventType><AccessControllerEvent><majorEventType>5</majorEventType><subEventType>75</subEventType><doorNo>%d</doorNo><name>A B</name></AccessControllerEvent></EventNotificationAlert>", stamp, i+2), at
}

// Each pass of a body that terminals push, in as many parts as they make of it, with
// pictures between; and nothing of the person.
func FuzzPushedLosesNothing(f *testing.F) {
	for i := range 24 {
		f.Add("MIME_boundary", []byte("\xff\xd8\xff\x00picture"), []byte{byte(i), byte(i / 2), 1, byte(i / 3), 0, 2, byte(i), 1, 0, 1})
	}
	w := source(f, "gate", "hikvision", "#", "")
	f.Fuzz(func(t *testing.T, boundary string, picture, choices []byte) {
		d := drawn(choices)
		boundary = strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("'()+_,-./:=?", r) {
				return r
			}
			return -1
		}, boundary)
		if boundary == "" || len(boundary) > 70 || len(picture) > 1000 || strings.Contains(string(picture), "--"+boundary) {
			return
		}
		newline := []string{"\r\n", "\n"}[d.under(2)]
		var body strings.Builder
		var want []string
		if d.under(4) == 0 {
			body.WriteString(newline)
		}
		if d.under(4) == 0 && newline == "\r\n" {
			body.WriteString("This is a preamble." + newline)
		}
		for i := range 1 + d.under(4) {
			for d.under(4) == 1 {
				body.WriteString("--" + boundary + newline + "Content-Disposition: form-data; name=\"Picture\"; filename=\"Picture.jpg\"" + newline + "Content-Type: image/jpeg" + newline + newline + string(picture) + newline)
			}
			text, at := passOf(&d, i)
			body.WriteString("--" + boundary + newline)
			if d.under(2) == 0 {
				body.WriteString("Content-Type: application/xml" + newline)
			}
			if d.under(2) == 0 {
				body.WriteString("Content-Length: " + strconv.Itoa(len(text)) + newline)
			}
			body.WriteString("Content-Disposition: form-data; name=\"event_log\"" + newline + newline + text + newline)
			want = append(want, at)
		}
		if d.under(3) > 0 {
			body.WriteString("--" + boundary + "--" + newline)
		}
		kept := format.Formats["hikvision"].Redact([]byte(body.String()))
		if strings.Contains(string(kept), "A B") {
			t.Errorf("%q keeps the person", kept)
		}
		r := w.Decode(&ingest.Message{Seq: 1, Topic: "hikvision/g/event", Payload: kept, Received: received})
		checkResult(t, r)
		have := strings.Join(told(r), "\n")
		for i, at := range want {
			if !strings.Contains(have, at) || !strings.Contains(have, "access_granted "+strconv.Itoa(i+2)) {
				t.Errorf("the pass of %s through door %d of %q has not arrived:\n%s", at, i+2, body.String(), have)
			}
		}
	})
}
