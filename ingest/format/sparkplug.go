package format

import (
	"bytes"
	"encoding/gob"
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

// sparkplugNode is what is known of a node or device. Its fields are exported
// for the checkpoint.
type sparkplugNode struct {
	Aliases map[uint64]string
	Types   map[uint64]uint64 // datatypes by alias: data may leave them out
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
		known = &sparkplugNode{Aliases: map[uint64]string{}, Types: map[uint64]uint64{}}
		for _, m := range p.metrics {
			if m.name == "bdSeq" && m.has && kind == "NBIRTH" {
				session := uint64(m.value)
				known.Session = &session
			}
			if m.hasAlias && m.name != "" && len(known.Aliases) < maxAliases {
				known.Aliases[m.alias], known.Types[m.alias] = m.name, m.datatype
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
		}
		if m.name == "" && m.hasAlias {
			d.rebirth(in, levels[1], levels[3], out)
			return ingest.Refuse(ingest.MissingState, "alias %d of %s: its birth has not been seen; request a rebirth", m.alias, key)
		}
		if m.name == "bdSeq" || strings.HasPrefix(m.name, "Node Control/") || strings.HasPrefix(m.name, "Device Control/") || strings.HasPrefix(m.name, "Properties/") || m.null {
			continue
		}
		s := Sample{Device: device, Field: m.name, Unit: m.unit, Time: sparkplugTime(m.timestamp)}
		if s.Time == 0 {
			s.Time = sparkplugTime(p.timestamp)
		}
		s.Value, s.Text, s.IsText, s.IsBool = m.value, m.text, m.isText, m.isBool
		if !m.has {
			continue // a dataset, a template: no value of a quantity
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			out.Refuse(device, m.name, ingest.BadValue, "%.60s: not a finite number", m.name)
			continue
		}
		out.Samples = append(out.Samples, s)
	}
	if len(out.Samples) == first && len(out.Refused) == 0 {
		out.Ignored = kind
	}
	return nil
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
}

// retype reads an integer by the datatype its birth gave.
func (m *sparkplugMetric) retype(datatype uint64) {
	if m.datatype = datatype; m.isInt {
		m.value = signed(m.raw, datatype)
	}
}

// parseSparkplug reads the fields of org.eclipse.tahu.protobuf.Payload by
// their numbers: 1 timestamp, 2 metrics, 3 seq.
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
			p.seq = &v
		}
		return nil
	})
	return p, err
}

// parseMetric: 1 name, 2 alias, 3 timestamp, 4 datatype, 7 is_null, 10 int,
// 9 properties, 11 long, 12 float, 13 double, 14 boolean, 15 string.
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
			m.unit = sparkplugUnit(data)
		case 10, 11:
			m.has, m.isInt, m.raw = true, true, v
		case 12:
			m.has = true
			m.value, _ = strconv.ParseFloat(strconv.FormatFloat(float64(math.Float32frombits(uint32(v))), 'g', -1, 32), 64)
		case 13:
			m.has, m.value = true, math.Float64frombits(v)
		case 14:
			m.has, m.isBool = true, true
			if v != 0 {
				m.value = 1
			}
		case 15:
			m.has, m.isText, m.text = true, true, strings.ToValidUTF8(string(data), "?")
		}
		return nil
	})
	m.retype(m.datatype) // the type may stand behind the value
	return m, err
}

// sparkplugUnit is the unit in a metric's properties (1 keys, 2 values, of
// which 8 is a string); "" where there is none that converts.
func sparkplugUnit(properties []byte) string {
	var keys, values []string
	err := fields(properties, func(number protowire.Number, _ uint64, data []byte) error {
		switch number {
		case 1:
			keys = append(keys, string(data))
		case 2:
			value := ""
			if err := fields(data, func(number protowire.Number, _ uint64, data []byte) error {
				if number == 8 {
					value = string(data)
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
		return ""
	}
	for i, key := range keys {
		if (strings.EqualFold(key, "engUnit") || strings.EqualFold(key, "unit")) && i < len(values) && ingest.KnownUnit(values[i]) {
			return values[i]
		}
	}
	return ""
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
