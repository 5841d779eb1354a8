package decode

import (
	"strings"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/javascript"
)

// decodeInner reads bytes found inside an envelope, by the payload format
// of the source. The samples get device, profile and time from base where they have
// none of their own.
func (w *Worker) decodeInner(base Sample, port int, data []byte, out *Output) error {
	in := w.in
	profile := base.Profile
	if dev, _, refusal := w.resolver.Resolve(in.Source, &in.Captures, base.Device, base.Community, base.Facility, base.Compound, base.Profile); refusal == nil && dev.Profile != "" {
		profile = dev.Profile
	}
	if profile == "" {
		profile = in.Source.Profile
	}
	message := *in.Message
	message.Payload = data
	inner := Input{Message: &message, Source: in.Source, Captures: in.Captures, Port: port, Profile: profile}
	samples, events := len(out.Samples), len(out.Events)
	named := base.Profile // by the envelope
	base.Profile = profile
	if c := w.codec(in.Source, profile, named); c != nil {
		if out.Explain != nil {
			out.Explain("%d bytes on port %d, device profile %q: read by the vendor's %s", len(data), port, profile, c.name)
		}
		return c.run(&inner, base, data, out)
	}
	decoder, name, err := w.innerDecoder(in.Source, profile, port, data)
	if err != nil {
		return err
	}
	if out.Explain != nil {
		out.Explain("%d bytes on port %d, device profile %q: read by %s", len(data), port, profile, name)
	}
	if err := decoder.Decode(&inner, out); err != nil {
		return err
	}
	for i := samples; i < len(out.Samples); i++ {
		s := &out.Samples[i]
		if s.Device == "" {
			s.Device = base.Device
		}
		if s.Community == "" {
			s.Community = base.Community
		}
		if s.Facility == "" {
			s.Facility = base.Facility
		}
		if s.Profile == "" {
			s.Profile = profile
		}
		if s.Time == 0 {
			s.Time, s.TimeSource = base.Time, base.TimeSource
		}
	}
	for i := events; i < len(out.Events); i++ {
		e := &out.Events[i]
		if e.Device == "" {
			e.Device = base.Device
		}
		if e.Community == "" {
			e.Community = base.Community
		}
		if e.Facility == "" {
			e.Facility = base.Facility
		}
		if e.Profile == "" {
			e.Profile = profile
		}
		if e.Time == 0 {
			e.Time, e.TimeSource = base.Time, base.TimeSource
		}
	}
	return nil
}

// innerDecoder is what reads the bytes inside an envelope: what the source
// says, else what the device profile is known to send, else what the bytes
// themselves prove to be.
func (w *Worker) innerDecoder(src *inventory.Source, profile string, port int, data []byte) (Decoder, string, error) {
	name := src.Payload
	if name == "" {
		name = w.builtin.payload(profile)
	}
	if name == "" {
		name = provenPayload(port, data)
	}
	key := innerKey{src.Index, name}
	if d, ok := w.inner[key]; ok {
		return d, name, nil
	}
	format, ok := Formats[name]
	if !ok {
		return nil, "", ingest.Refuse(ingest.NoReading, "nothing reads the bytes of device profile %q: add `payload` or `codecs` to the source", profile)
	}
	d, err := format.New(src)
	if err != nil {
		return nil, "", ingest.Refuse(ingest.Internal, "payload %s: %v", name, err)
	}
	w.inner[key] = d
	return d, name, nil
}

// provenPayload names the format that bytes are in where they say so
// themselves: frames with a checksum that is right, JSON, and Milesight's own
// port.
func provenPayload(port int, data []byte) string {
	frame := data
	for len(frame) > 0 && frame[0] == 0xfe {
		frame = frame[1:]
	}
	switch {
	case wholeDLT645(frame) || frameStart(data, wholeDLT645) > 0:
		return "dlt645"
	case wholeCJT188(frame) || frameStart(data, wholeCJT188) > 0:
		return "cjt188"
	case len(data) > 1 && data[0] == '{' && fastjson.ValidateBytes(data) == nil:
		return "json"
	case port == 85:
		return "milesight"
	}
	return ""
}

// codec is the vendor's decoder for a device profile, by the inventory or else
// by the envelope, with a runtime a worker; nil if the source has none for it.
func (w *Worker) codec(src *inventory.Source, profile, named string) *codec {
	if len(src.Programs) == 0 {
		return nil
	}
	var program *javascript.Program
	for _, name := range []string{profile, named, ""} {
		if profile, program = programOf(src, name); program != nil {
			break
		}
	}
	if program == nil {
		return nil
	}
	key := innerKey{src.Index, "codec " + profile}
	if c, ok := w.codecs[key]; ok {
		return c
	}
	c := newCodec(program)
	w.codecs[key] = c
	return c
}

// programOf is the decoder of a source for a device profile, and the profile as
// the source writes it. Capitals do not count: EM400-TLD is em400-tld.
func programOf(src *inventory.Source, profile string) (string, *javascript.Program) {
	if program, ok := src.Programs[profile]; ok {
		return profile, program
	}
	for name, program := range src.Programs {
		if name != "" && strings.EqualFold(name, profile) {
			return name, program
		}
	}
	return "", nil
}

// raw hands bytes, or the bytes that hex or base64 stand for, to what the
// source names for them.
type raw struct{}

func newRaw(*inventory.Source) (Decoder, error) { return raw{}, nil }

func (raw) Decode(in *Input, out *Output) error {
	if in.Inner == nil {
		return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
	}
	return in.Inner(Sample{}, 0, frameBytes(in.Payload), out)
}
