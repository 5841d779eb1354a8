package format

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
)

// sparkplug reads Sparkplug B. A birth names a node's or device's metrics and
// their aliases; data may carry aliases only, so what births said is kept, and
// is part of the worker's State. Where it is missing, the message is refused
// and the node is asked for another birth.
type sparkplug struct {
	// nodes are by group/node, and by group/node/device.
	nodes map[string]*sparkplugNode
}

// sparkplugNode holds what is known of a node or device. Its fields are exported
// for the checkpoint.
type sparkplugNode struct {
	Aliases map[uint64]string
	Types   map[uint64]uint64 // datatypes by alias: data may leave them out
	Named   map[string]uint64 // those of metrics without an alias that data cannot be read without
	Session *uint64           // bdSeq of the birth, of nodes
	Seq     *uint64           // of the last message, of nodes
	Asked   int64             // when a rebirth was asked for last, unix nanoseconds
}

func newSparkplug(*Source) (Decoder, error) {
	return &sparkplug{nodes: map[string]*sparkplugNode{}}, nil
}

// Bounds of what births can make us remember, and of how often we ask.
const (
	maxNodes     = 100_000
	maxAliases   = 10_000
	rebirthEvery = int64(time.Minute)
)

func (d *sparkplug) Decode(in *Input, out *Output) error {
	levels := strings.Split(in.Topic, "/")
	if len(levels) < 4 || len(levels) > 5 || levels[0] != "spBv1.0" {
		if len(levels) == 3 && levels[0] == "spBv1.0" && levels[1] == "STATE" {
			out.Ignored = "STATE"
			return nil
		}
		return ingest.Refuse(ingest.Malformed, "topic is not spBv1.0/{group}/{type}/{node}[/{device}]")
	}
	if strings.Contains(in.Topic, Withheld) {
		return ingest.Refuse(ingest.BadIdentifier, "a name in the topic of a gate is withheld, since it may be of a person: list it in the inventory, or call it as devices are called, such as gate-17")
	}
	kind, device := levels[2], levels[len(levels)-1]
	nodeKey := levels[1] + "/" + levels[3]
	key := nodeKey
	if len(levels) == 5 {
		key += "/" + levels[4]
	}
	switch kind {
	case "NCMD", "DCMD", "STATE":
		out.Ignored = kind
		return nil
	case "NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH":
		if (kind[0] == 'D') != (len(levels) == 5) {
			return ingest.Refuse(ingest.Malformed, "%s on a topic of %d levels", kind, len(levels))
		}
	default:
		return ingest.Refuse(ingest.Malformed, "message type %.20q is none of Sparkplug's", kind)
	}
	p, err := parseSparkplug(in.Payload)
	if err != nil {
		return err
	}
	if strings.HasSuffix(kind, "DEATH") {
		return d.death(kind, key, device, p, out)
	}
	known := d.nodes[key]
	if strings.HasSuffix(kind, "BIRTH") {
		if known == nil && len(d.nodes) >= maxNodes {
			return ingest.Refuse(ingest.TooLarge, "more than %d Sparkplug nodes", maxNodes)
		}
		known = &sparkplugNode{}
		for _, m := range p.metrics {
			if m.name == "bdSeq" && m.has && kind == "NBIRTH" {
				session := uint64(m.value)
				known.Session = &session
			}
			switch {
			case m.name == "":
			case m.hasAlias && len(known.Aliases) < maxAliases:
				if known.Aliases == nil {
					known.Aliases, known.Types = map[uint64]string{}, map[uint64]uint64{}
				}
				known.Aliases[m.alias], known.Types[m.alias] = m.name, m.datatype
			case !m.hasAlias && needsType(m.datatype) && len(known.Named) < maxAliases:
				if known.Named == nil {
					known.Named = map[string]uint64{}
				}
				known.Named[m.name] = m.datatype
			}
		}
		d.nodes[key] = known
	}
	d.sequence(in, nodeKey, kind, p, out)
	first := len(out.Samples)
	for i := range p.metrics {
		m := &p.metrics[i]
		if m.hasAlias && known != nil {
			if m.name == "" {
				m.name = known.Aliases[m.alias]
			}
			if m.datatype == 0 {
				m.retype(known.Types[m.alias])
			}
		} else if m.datatype == 0 && known != nil {
			m.retype(known.Named[m.name])
		}
		if m.name == "" && m.hasAlias {
			d.rebirth(in, levels[1], levels[3], out)
			return ingest.Refuse(ingest.MissingState, "alias %d of %s: its birth has not been seen; request a rebirth", m.alias, key)
		}
		if m.name == "bdSeq" || strings.HasPrefix(m.name, "Node Control/") || strings.HasPrefix(m.name, "Device Control/") || m.isText && strings.HasPrefix(m.name, "Properties/") {
			continue // what is told of the session, and what the device is
		}
		at := sparkplugTime(m.timestamp)
		if at == 0 {
			at = sparkplugTime(p.timestamp)
		}
		if err := d.metric(Sample{Device: device, Time: at}, m, 0, out); err != nil {
			return err
		}
	}
	if len(p.body) > 0 { // bytes beside the metrics, whose meaning is the sender's
		out.Samples = append(out.Samples, Sample{Device: device, Time: sparkplugTime(p.timestamp), Field: "body", IsText: true, Text: hex.EncodeToString(p.body[:min(len(p.body), 64)])})
	}
	if len(out.Samples) == first && len(out.Refused) == 0 {
		out.Ignored = kind
	}
	return nil
}

// needsType reports whether a value of a datatype is read wrongly by who does not know it.
func needsType(datatype uint64) bool {
	return datatype >= 1 && datatype <= 4 || datatype >= firstList && datatype <= lastList
}

// metric adds what a metric says: its value, each cell of a data set, each
// metric of a template. A value that its quality calls bad or stale is refused:
// what stands there is the last one, or 0.
func (d *sparkplug) metric(s Sample, m *sparkplugMetric, depth int, out *Output) error {
	if m.quality != "" && !goodQuality(m.quality) {
		out.Refuse(s.Device, m.name, ingest.BadValue, "%.60s: quality %.20s", m.name, m.quality)
		return nil
	}
	if depth > maxTemplates || len(out.Samples) > MaxReadings {
		return ingest.Refuse(ingest.TooLarge, "templates in templates, or more than %d values", MaxReadings)
	}
	s.Field, s.Unit = m.name, m.unit
	switch {
	case m.null:
		return nil
	case m.dataset != nil:
		return sparkplugCells(s, m.dataset, out)
	case m.template != nil:
		return fields(m.template, func(number protowire.Number, _ uint64, data []byte) error {
			if number != 2 && number != 3 { // 5 is a definition: of its metrics, too
				return nil
			}
			inner, err := parseMetric(data)
			if number == 3 {
				inner, err = parseParameter(data)
			}
			if err != nil {
				return err
			}
			inner.name = m.name + "/" + inner.name
			if at := sparkplugTime(inner.timestamp); at != 0 {
				s.Time = at
			}
			return d.metric(s, &inner, depth+1, out)
		})
	case m.list != nil:
		return sparkplugList(s, m, out)
	case !m.has:
		out.Refuse(s.Device, m.name, ingest.BadValue, "%.60s: no value of a kind we know", m.name)
		return nil
	}
	s.Value, s.Text, s.IsText, s.IsBool = m.value, m.text, m.isText, m.isBool
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		out.Refuse(s.Device, m.name, ingest.BadValue, "%.60s: not a finite number", m.name)
		return nil
	}
	out.Samples = append(out.Samples, s)
	return nil
}

// maxTemplates bounds templates inside templates.
const maxTemplates = 8

// sparkplugCells adds each cell of a data set (2 columns, 3 types, 4 rows of 1
// elements) as "name[row].column".
func sparkplugCells(s Sample, dataset []byte, out *Output) error {
	var columns []string
	var types []uint64
	row := 0
	return fields(dataset, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 2:
			columns = append(columns, strings.ToValidUTF8(string(data), "?"))
		case 3:
			for len(data) > 0 { // packed
				datatype, n := protowire.ConsumeVarint(data)
				if n < 0 {
					return ingest.Refuse(ingest.Malformed, "not a Sparkplug payload: %v", protowire.ParseError(n))
				}
				types, data = append(types, datatype), data[n:]
			}
			if data == nil {
				types = append(types, v)
			}
		case 4:
			column := 0
			if err := fields(data, func(_ protowire.Number, _ uint64, element []byte) error {
				cell := s
				cell.Field = s.Field + "[" + strconv.Itoa(row) + "]." + strconv.Itoa(column)
				if column < len(columns) {
					cell.Field = s.Field + "[" + strconv.Itoa(row) + "]." + columns[column]
				}
				datatype := uint64(0)
				if column < len(types) {
					datatype = types[column]
				}
				column++
				if len(out.Samples) > MaxReadings {
					return ingest.Refuse(ingest.TooLarge, "more than %d values", MaxReadings)
				}
				return fields(element, func(number protowire.Number, v uint64, data []byte) error {
					switch number { // as of a metric's value, from 10 on
					case 1, 2:
						cell.Value = signed(v, datatype)
					case 3:
						cell.Value = shortFloat(uint32(v))
					case 4:
						cell.Value = math.Float64frombits(v)
					case 5:
						cell.IsBool, cell.Value = true, min(float64(v), 1)
					case 6:
						cell.IsText, cell.Text = true, strings.ToValidUTF8(string(data), "?")
					default:
						return nil
					}
					if math.IsNaN(cell.Value) || math.IsInf(cell.Value, 0) {
						out.Refuse(s.Device, cell.Field, ingest.BadValue, "%.60s: not a finite number", cell.Field)
						return nil
					}
					out.Samples = append(out.Samples, cell)
					return nil
				})
			}); err != nil {
				return err
			}
			row++
		}
		return nil
	})
}

// shortFloat is the decimal number a float of 32 bits was made of.
func shortFloat(bits uint32) float64 {
	f := math.Float32frombits(bits)
	v, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	return v
}

// death reads a node's or device's last message. A node's was left with the
// broker when the node connected: its time is of then, and one that is of
// another session than the birth has no say.
func (d *sparkplug) death(kind, key, device string, p *sparkplugPayload, out *Output) error {
	e := Event{Device: device, Type: "node_offline", Active: true}
	if kind == "DDEATH" {
		e.Time = sparkplugTime(p.timestamp)
	}
	if known := d.nodes[key]; known != nil && known.Session != nil && kind == "NDEATH" {
		for _, m := range p.metrics {
			if m.name == "bdSeq" && m.has && uint64(m.value) != *known.Session {
				out.Ignored = "death of another session"
				return nil
			}
		}
	}
	delete(d.nodes, key)
	if kind == "NDEATH" { // its devices are gone with it
		for k := range d.nodes {
			if strings.HasPrefix(k, key+"/") {
				delete(d.nodes, k)
			}
		}
	}
	out.Events = append(out.Events, e)
	return nil
}

// sequence notes a node's message number, which goes from 255 to 0, counts the
// messages between that have not come, and asks for a birth where there are
// some: it may have been among them. A number from behind is a message that came
// twice, or late.
func (d *sparkplug) sequence(in *Input, nodeKey, kind string, p *sparkplugPayload, out *Output) {
	node := d.nodes[nodeKey]
	if node == nil || p.seq == nil {
		return
	}
	if node.Seq != nil && kind != "NBIRTH" {
		missing := int((*p.seq - *node.Seq - 1) & 255)
		if missing >= 128 {
			return
		}
		if out.Missing = missing; missing > 0 {
			out.Explainf("message %d of %s follows %d: %d are missing", *p.seq, nodeKey, *node.Seq, missing)
			group, name, _ := strings.Cut(nodeKey, "/")
			d.rebirth(in, group, name, out)
		}
	}
	seq := *p.seq
	node.Seq = &seq
}

// rebirth asks a node for its births, at most once in rebirthEvery.
func (d *sparkplug) rebirth(in *Input, group, name string, out *Output) {
	key := group + "/" + name
	node := d.nodes[key]
	if node == nil {
		if len(d.nodes) >= maxNodes {
			return
		}
		node = &sparkplugNode{}
		d.nodes[key] = node
	}
	if node.Asked != 0 && in.Received-node.Asked < rebirthEvery && in.Received >= node.Asked {
		return
	}
	node.Asked = in.Received
	out.Requests = append(out.Requests, Request{Topic: "spBv1.0/" + group + "/NCMD/" + name, Payload: rebirthPayload(in.Received)})
	out.Explainf("asks %s for its birth", key)
}

// rebirthPayload is the command Node Control/Rebirth = true.
func rebirthPayload(now int64) []byte {
	metric := protowire.AppendTag(nil, 1, protowire.BytesType)
	metric = protowire.AppendString(metric, "Node Control/Rebirth")
	metric = protowire.AppendTag(metric, 4, protowire.VarintType)
	metric = protowire.AppendVarint(metric, 11) // Boolean
	metric = protowire.AppendTag(metric, 14, protowire.VarintType)
	metric = protowire.AppendVarint(metric, 1)
	payload := protowire.AppendTag(nil, 1, protowire.VarintType)
	payload = protowire.AppendVarint(payload, uint64(max(now, 0))/1_000_000)
	payload = protowire.AppendTag(payload, 2, protowire.BytesType)
	return protowire.AppendBytes(payload, metric)
}

// save and load are the state births left, for the worker's.
// Save writes the births of the nodes.
func (d *sparkplug) Save() ([]byte, error) {
	if len(d.nodes) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(d.nodes)
	return b.Bytes(), err
}

func (d *sparkplug) Load(state []byte) error {
	var nodes map[string]*sparkplugNode
	err := gob.NewDecoder(bytes.NewReader(state)).Decode(&nodes)
	if nodes != nil {
		d.nodes = nodes
	}
	return err
}

// LoadEarlier reads the state in which Sparkplug's nodes were the only ones.
func (d *sparkplug) LoadEarlier(all []byte, topic string) error {
	var earlier struct {
		Sparkplug map[string]map[string]*sparkplugNode
	}
	err := gob.NewDecoder(bytes.NewReader(all)).Decode(&earlier)
	if nodes := earlier.Sparkplug[topic]; nodes != nil {
		d.nodes = nodes
	}
	return err
}

func sparkplugTime(ms uint64) int64 {
	if ms == 0 || ms > math.MaxInt64/1_000_000 {
		return 0
	}
	return int64(ms) * 1_000_000
}

type sparkplugPayload struct {
	timestamp uint64
	seq       *uint64
	metrics   []sparkplugMetric
	body      []byte
	packed    bool // the body is a payload, compressed
}

type sparkplugMetric struct {
	name           string
	alias          uint64
	hasAlias       bool
	timestamp      uint64
	datatype       uint64
	null           bool
	has            bool
	value          float64
	text           string
	isText, isBool bool
	raw            uint64 // of an integer, to be read again by its type
	isInt          bool
	unit           string // of the property engUnit, where it has one we know
	quality        string
	dataset        []byte
	template       []byte
	bytes          []byte // of the value, to be read by its type
	list           []byte // of a type that is a list
}

// retype reads an integer by the datatype its birth gave.
func (m *sparkplugMetric) retype(datatype uint64) {
	if m.datatype = datatype; m.isInt {
		m.value = signed(m.raw, datatype)
	}
	if m.bytes != nil && datatype >= firstList && datatype <= lastList {
		m.list = m.bytes
	}
}

// parseSparkplug reads the fields of org.eclipse.tahu.protobuf.Payload by
// their numbers: 1 timestamp, 2 metrics, 3 seq, 4 uuid, 5 body.
func parseSparkplug(b []byte) (*sparkplugPayload, error) {
	p := &sparkplugPayload{}
	err := fields(b, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 1:
			p.timestamp = v
		case 2:
			if len(p.metrics) >= MaxReadings {
				return ingest.Refuse(ingest.TooLarge, "more than %d metrics", MaxReadings)
			}
			m, err := parseMetric(data)
			if err != nil {
				return err
			}
			p.metrics = append(p.metrics, m)
		case 3:
			seq := v // v itself would be allocated for every field
			p.seq = &seq
		case 4:
			p.packed = string(data) == "SPBV1.0_COMPRESSED"
		case 5:
			p.body = data
		}
		return nil
	})
	if err == nil && p.packed && len(p.body) > 0 {
		body, err := unpacked(p.body)
		if err != nil {
			return nil, err
		}
		inner, err := parseSparkplug(body)
		if err != nil {
			return nil, err
		}
		if inner.packed {
			return nil, ingest.Refuse(ingest.Malformed, "a compressed payload in a compressed payload")
		}
		if inner.seq == nil {
			inner.seq = p.seq
		}
		if inner.timestamp == 0 {
			inner.timestamp = p.timestamp
		}
		return inner, nil
	}
	return p, err
}

// parseMetric: 1 name, 2 alias, 3 timestamp, 4 datatype, 7 is_null, 10 int,
// 9 properties, 11 long, 12 float, 13 double, 14 boolean, 15 string,
// 16 bytes, 17 data set, 18 template.
func parseMetric(b []byte) (m sparkplugMetric, err error) {
	err = fields(b, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 1:
			m.name = strings.ToValidUTF8(string(data), "?")
		case 2:
			m.alias, m.hasAlias = v, true
		case 3:
			m.timestamp = v
		case 4:
			m.datatype = v
		case 7:
			m.null = v != 0
		case 9:
			m.unit, m.quality = sparkplugProperties(data)
		case 10, 11:
			m.has, m.isInt, m.raw = true, true, v
		case 12:
			m.has = true
			m.value = shortFloat(uint32(v))
		case 13:
			m.has, m.value = true, math.Float64frombits(v)
		case 14:
			m.has, m.isBool = true, true
			if v != 0 {
				m.value = 1
			}
		case 15:
			m.has, m.isText, m.text = true, true, strings.ToValidUTF8(string(data), "?")
		case 16, 19: // bytes, and the extensions of others
			m.has, m.isText, m.text = true, true, hex.EncodeToString(data[:min(len(data), 64)])
			if number == 16 {
				m.bytes = data
			}
		case 17:
			m.dataset = data
		case 18:
			m.template = data
		}
		return nil
	})
	m.retype(m.datatype) // the type may stand behind the value
	return m, err
}

// parseParameter reads a template's parameter: 1 name, 2 datatype, then values as a
// metric has from 10 on, from 3 on.
func parseParameter(b []byte) (m sparkplugMetric, err error) {
	metric := make([]byte, 0, len(b)+8)
	err = fields(b, func(number protowire.Number, v uint64, data []byte) error {
		switch number {
		case 1:
			metric = protowire.AppendBytes(protowire.AppendTag(metric, 1, protowire.BytesType), data)
		case 2:
			metric = protowire.AppendVarint(protowire.AppendTag(metric, 4, protowire.VarintType), v)
		case 3, 4, 7:
			metric = protowire.AppendVarint(protowire.AppendTag(metric, number+7, protowire.VarintType), v)
		case 5:
			metric = protowire.AppendFixed32(protowire.AppendTag(metric, 12, protowire.Fixed32Type), uint32(v))
		case 6:
			metric = protowire.AppendFixed64(protowire.AppendTag(metric, 13, protowire.Fixed64Type), v)
		case 8:
			metric = protowire.AppendBytes(protowire.AppendTag(metric, 15, protowire.BytesType), data)
		}
		return nil
	})
	if err != nil {
		return m, err
	}
	return parseMetric(metric)
}

// Datatypes of lists of Sparkplug 3: of integers from 22 to 29, of floats, doubles,
// booleans, strings, times.
const firstList, lastList = 22, 34

// listWidths are the bytes of an element, by datatype from firstList on; 0 of booleans
// and strings.
var listWidths = [...]int{1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 0, 0, 8}

// sparkplugList adds each element of a list as "name[0]".
func sparkplugList(s Sample, m *sparkplugMetric, out *Output) error {
	name, rest, number := m.name, m.list, 0
	add := func(element Sample) error {
		if len(out.Samples) > MaxReadings {
			return ingest.Refuse(ingest.TooLarge, "more than %d values", MaxReadings)
		}
		element.Field = name + "[" + strconv.Itoa(number) + "]"
		if number++; math.IsNaN(element.Value) || math.IsInf(element.Value, 0) {
			out.Refuse(s.Device, element.Field, ingest.BadValue, "%.60s: not a finite number", element.Field)
			return nil
		}
		out.Samples = append(out.Samples, element)
		return nil
	}
	switch width := listWidths[m.datatype-firstList]; {
	case m.datatype == 32 && len(rest) >= 4: // how many, then a bit each, the highest first
		count := int(binary.LittleEndian.Uint32(rest))
		if rest = rest[4:]; count > 8*len(rest) {
			out.Refuse(s.Device, name, ingest.BadValue, "%.60s: %d booleans in %d bytes", name, count, len(rest))
			return nil
		}
		for i := range count {
			element := s
			element.IsBool, element.Value = true, float64(rest[i/8]>>(7-i%8)&1)
			if err := add(element); err != nil {
				return err
			}
		}
	case m.datatype == 33: // each ends in a zero
		for len(rest) > 0 {
			word, more, _ := bytes.Cut(rest, []byte{0})
			element := s
			element.IsText, element.Text, rest = true, strings.ToValidUTF8(string(word), "?"), more
			if err := add(element); err != nil {
				return err
			}
		}
	case width == 0 || len(rest)%width != 0:
		out.Refuse(s.Device, name, ingest.BadValue, "%.60s: a list of %d bytes is cut", name, len(rest))
	default:
		for ; len(rest) > 0; rest = rest[width:] {
			var word [8]byte
			copy(word[:], rest[:width])
			v, element := binary.LittleEndian.Uint64(word[:]), s
			switch m.datatype {
			case 30:
				element.Value = shortFloat(uint32(v))
			case 31:
				element.Value = math.Float64frombits(v)
			default:
				element.Value = signed(v, m.datatype-firstList+1)
			}
			if err := add(element); err != nil {
				return err
			}
		}
	}
	return nil
}

// sparkplugDouble is a double as it is written.
func sparkplugDouble(bits uint64) string {
	return strconv.FormatFloat(math.Float64frombits(bits), 'g', -1, 64)
}

// sparkplugProperties are the unit and the quality in a metric's properties (1
// keys, 2 values, of which 3 to 7 are numbers and 8 is a string); "" where there
// is none, or none that converts. A node sends a quality where a value is not good.
func sparkplugProperties(properties []byte) (unit, quality string) {
	var keys, values []string
	err := fields(properties, func(number protowire.Number, _ uint64, data []byte) error {
		switch number {
		case 1:
			keys = append(keys, string(data))
		case 2:
			value := ""
			if err := fields(data, func(number protowire.Number, v uint64, data []byte) error {
				switch number {
				case 3, 4, 7:
					value = strconv.FormatUint(v, 10)
				case 8:
					value = strings.ToValidUTF8(string(data), "?")
				}
				return nil
			}); err != nil {
				return err
			}
			values = append(values, value)
		}
		return nil
	})
	if err != nil {
		return "", ""
	}
	for i, key := range keys[:min(len(keys), len(values))] {
		switch {
		case (strings.EqualFold(key, "engUnit") || strings.EqualFold(key, "unit")) && ingest.KnownUnit(values[i]):
			unit = values[i]
		case strings.EqualFold(key, "quality"):
			quality = values[i]
		}
	}
	return unit, quality
}

// goodQuality reports whether a mark of quality says that a value is good: 192
// to 255 as OPC and Sparkplug count, or a word that begins with good.
func goodQuality(mark string) bool {
	if n, ok := ParseNumber(mark); ok {
		return n >= 192 && n < 256
	}
	return len(mark) >= 4 && strings.EqualFold(mark[:4], "good") || strings.EqualFold(mark, "true")
}

// signed reads an integer by its datatype: Int8 to Int64 are 1 to 4, and sent
// as two's complement in unsigned fields.
func signed(v, datatype uint64) float64 {
	switch datatype {
	case 1:
		return float64(int8(v))
	case 2:
		return float64(int16(v))
	case 3:
		return float64(int32(v))
	case 4:
		return float64(int64(v))
	}
	return float64(v)
}

// fields calls f for each field of a protobuf message, with its number and
// its value or bytes.
func fields(b []byte, f func(protowire.Number, uint64, []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return ingest.Refuse(ingest.Malformed, "not a Sparkplug payload: %v", protowire.ParseError(n))
		}
		b = b[n:]
		var v uint64
		var data []byte
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var x uint32
			x, n = protowire.ConsumeFixed32(b)
			v = uint64(x)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return ingest.Refuse(ingest.Malformed, "not a Sparkplug payload: %v", protowire.ParseError(n))
		}
		b = b[n:]
		if err := f(number, v, data); err != nil {
			return err
		}
	}
	return nil
}
