package decode

import (
	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/javascript"
)

// decodeInner reads bytes found inside an envelope, by the payload format
// of the source. The samples get device, profile and time from base where they have
// none of their own.
func (w *Worker) decodeInner(base format.Sample, port int, data []byte, out *format.Output) error {
	in := w.in
	profile := base.Profile
	if dev, _, refusal := w.resolver.Resolve(w.source, &in.Captures, namedBy(&base)); refusal == nil && dev.Profile != "" {
		profile = dev.Profile
	}
	if profile == "" {
		profile = in.Source.Profile
	}
	message := *in.Message
	message.Payload = data
	inner := format.Input{Message: &message, Source: in.Source, Captures: in.Captures, Port: port, Profile: profile, Product: in.Product}
	samples, events := len(out.Samples), len(out.Events)
	named := base.Profile // by the envelope
	base.Profile = profile
	if c := w.codec(w.source, profile, named); c != nil {
		if out.Explain != nil {
			out.Explain("%d bytes on port %d, device profile %q: read by the vendor's %s", len(data), port, profile, c.name)
		}
		return c.run(&inner, base, data, out)
	}
	decoder, name, err := w.innerDecoder(w.source, profile, port, data)
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

// innerDecoder returns what reads the bytes inside an envelope: what the source
// says, else what the device profile is known to send, else what the bytes
// themselves prove to be.
func (w *Worker) innerDecoder(src *inventory.Source, profile string, port int, data []byte) (format.Decoder, string, error) {
	name := src.Payload
	if name == "" {
		name = w.builtin.payload(profile)
	}
	if name == "" {
		name = w.proven(port, data)
	}
	key := innerKey{src.Index, name}
	if d, ok := w.inner[key]; ok {
		return d, name, nil
	}
	how, ok := format.Formats[name]
	if !ok {
		return nil, "", ingest.Refuse(ingest.NoReading, "nothing reads the bytes of device profile %q: add `payload` or `codecs` to the source", profile)
	}
	d, err := how.New(&src.Reads)
	if err != nil {
		return nil, "", ingest.Refuse(ingest.Internal, "payload %s: %v", name, err)
	}
	w.inner[key] = d
	return d, name, nil
}

// proven names the format that bytes inside an envelope prove to be of
// themselves, the surest; "" if there is none.
func (w *Worker) proven(port int, data []byte) string {
	best, surest := "", format.NoProof
	for _, p := range w.provers {
		if proof := p.proves(port, data); proof > surest {
			best, surest = p.name, proof
			if surest == format.ByChecksum {
				break
			}
		}
	}
	return best
}

// codec is the vendor's decoder for a device profile, by the inventory or else
// by the envelope, with a runtime a worker; nil if the source has none for it.
func (w *Worker) codec(src *inventory.Source, profile, named string) *codec {
	if len(src.Reads.Programs) == 0 {
		return nil
	}
	var program *javascript.Program
	for _, name := range []string{profile, named, ""} {
		if profile, program = src.Reads.Program(name); program != nil {
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

// prover is a format that can tell its own bytes.
type prover struct {
	name   string
	proves func(port int, data []byte) format.Proof
}

// provers are all of them, in the order of their names.
func provers() (list []prover) {
	for _, name := range format.Names() {
		if f := format.Formats[name].Proves; f != nil {
			list = append(list, prover{name, f})
		}
	}
	return list
}
