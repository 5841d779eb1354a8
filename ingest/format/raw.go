package format

import "greencommunity/ingest"

// raw hands bytes, or the bytes that hex or base64 stand for, to what the
// source names for them.
type raw struct{}

func newRaw(*Source) (Decoder, error) { return raw{}, nil }

func (raw) Decode(in *Input, out *Output) error {
	if in.Inner == nil {
		return ingest.Refuse(ingest.Malformed, "an envelope inside an envelope")
	}
	return in.Inner(Sample{}, 0, frameBytes(in.Payload), out)
}
