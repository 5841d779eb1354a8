package decode

import (
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// sparkplug reads Sparkplug B. A birth names a node's or device's metrics and
// their aliases; data may carry aliases only, so what births said is kept.
//
// BUG(sparkplug): aliases are kept in memory and are lost with the process;
// until the next birth, data with aliases only is rejected as missing_state.
type sparkplug struct {
	aliases map[string]map[uint64]string // by group/node[/device]
}

func newSparkplug(*inventory.Source) (Decoder, error) {
	return &sparkplug{aliases: map[string]map[uint64]string{}}, nil
}

// maxNodes and maxAliases bound what births can make us remember.
const maxNodes, maxAliases = 100_000, 10_000

func (d *sparkplug) Decode(in *Input, out *Output) error {
	levels := strings.Split(in.Topic, "/")
	if len(levels) < 4 || levels[0] != "spBv1.0" {
		return ingest.Refuse(ingest.Malformed, "topic is not spBv1.0/{group}/{type}/{node}[/{device}]")
	}
	kind, device := levels[2], levels[len(levels)-1]
	key := strings.Join(append([]string{levels[1]}, levels[3:]...), "/")
	switch kind {
	case "NCMD", "DCMD", "STATE":
		out.Ignored = kind
		return nil
	}
	p, err := parseSparkplug(in.Payload)
	if err != nil {
		return err
	}
	base := Sample{Device: device}
	switch kind {
	case "NDEATH", "DDEATH":
		delete(d.aliases, key)
		out.Events = append(out.Events, Event{Device: device, Type: "node_offline", Active: true, Time: sparkplugTime(p.timestamp)})
		return nil
	case "NBIRTH", "DBIRTH":
		if len(d.aliases) >= maxNodes && d.aliases[key] == nil {
			return ingest.Refuse(ingest.TooLarge, "more than %d Sparkplug nodes", maxNodes)
		}
		known := map[uint64]string{}
		for _, m := range p.metrics {
			if m.hasAlias && m.name != "" && len(known) < maxAliases {
				known[m.alias] = m.name
			}
		}
		d.aliases[key] = known
	case "NDATA", "DDATA":
	default:
		return ingest.Refuse(ingest.Malformed, "message type %.20q is none of Sparkplug's", kind)
	}
	for _, m := range p.metrics {
		name := m.name
		if name == "" && m.hasAlias {
			var ok bool
			if name, ok = d.aliases[key][m.alias]; !ok {
				return ingest.Refuse(ingest.MissingState, "alias %d of %s: its birth has not been seen; request a rebirth", m.alias, key)
			}
		}
		if name == "bdSeq" || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/") || strings.HasPrefix(name, "Properties/") || m.null {
			continue
		}
		s := base
		s.Field = name
		s.Time = sparkplugTime(m.timestamp)
		if s.Time == 0 {
			s.Time = sparkplugTime(p.timestamp)
		}
		s.Value, s.Text, s.IsText, s.IsBool = m.value, m.text, m.isText, m.isBool
		if !m.has {
			continue // a dataset, a template: no value of a quantity
		}
		if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
			out.refuse(device, name, ingest.BadValue, "%.60s: not a finite number", name)
			continue
		}
		out.Samples = append(out.Samples, s)
	}
	if len(out.Samples) == 0 && len(out.Refused) == 0 {
		out.Ignored = kind
	}
	return nil
}

func sparkplugTime(ms uint64) int64 {
	if ms == 0 || ms > math.MaxInt64/1_000_000 {
		return 0
	}
	return int64(ms) * 1_000_000
}

type sparkplugPayload struct {
	timestamp uint64
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
}

// parseSparkplug reads the fields of org.eclipse.tahu.protobuf.Payload by
// their numbers: 1 timestamp, 2 metrics.
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
		}
		return nil
	})
	return p, err
}

// parseMetric: 1 name, 2 alias, 3 timestamp, 4 datatype, 7 is_null, 10 int,
// 11 long, 12 float, 13 double, 14 boolean, 15 string.
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
		case 10, 11:
			m.has, m.value = true, signed(v, m.datatype)
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
	return m, err
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
