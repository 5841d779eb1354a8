package decode

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/javascript"
)

// codec reads bytes by a vendor's own JavaScript decoder.
type codec struct {
	name    string
	runtime *javascript.Runtime
	arena   fastjson.Arena
}

func newCodec(program *javascript.Program) *codec {
	return &codec{name: program.Entry, runtime: javascript.New(program)}
}

// run decodes bytes and adds what the decoder returns: its data, flattened, or
// each element of it where that is an array of records.
func (c *codec) run(in *format.Input, base format.Sample, data []byte, out *format.Output) error {
	returned, err := c.runtime.Decode(in.Port, data, time.Unix(0, in.Received).UTC())
	if err != nil {
		return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	content := returned
	var beside map[string]any
	switch returned := returned.(type) {
	case nil: // a port or a kind of frame that is nothing to the decoder
		out.Ignored = "the decoder returns nothing for it"
		return nil
	case []any: // records
	case map[string]any:
		if told := failure(returned["errors"]); told != "" {
			return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, told)
		}
		if content, beside = unwrapped(returned); len(beside) == 0 {
			if data, ok := content.(map[string]any); ok && len(data) == 1 {
				if told := failure(data["error"]); told != "" { // and nothing else
					return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, told)
				}
			}
		}
	default:
		return ingest.Refuse(ingest.CodecFailed, "%s: returns %.60v, which is no object", c.name, returned)
	}
	c.arena.Reset()
	if normalized := c.runtime.Normalized(); normalized != nil {
		format.Normalized(in, base, format.FromDecoder(&c.arena, normalized), out)
		base.Spare = true
	}
	format.Decoded(in, base, format.FromDecoder(&c.arena, content), out)
	if len(beside) > 0 {
		format.Decoded(in, base, format.FromDecoder(&c.arena, beside), out)
	}
	if len(out.Samples) > 256 { // an arena keeps the space it took
		c.arena = fastjson.Arena{}
	}
	return nil
}

// envelope names what a result has beside its data that is none: what the call was
// given, what the method and the message are called, remarks.
var envelope = []string{"errors", "warnings", "bytes", "fPort", "port", "recvTime", "variables", "id", "method", "version", "sys"}

// unwrapped takes a result apart into its data, which many decoders return as a member,
// and what stands beside. Where that member is one value, it is a field like others.
func unwrapped(returned map[string]any) (content any, beside map[string]any) {
	for _, name := range []string{"data", "params"} {
		inner := returned[name]
		switch inner.(type) {
		case map[string]any, []any:
		default:
			continue
		}
		for other, v := range returned {
			if other == name || slices.Contains(envelope, other) || v == nil {
				continue
			}
			if beside == nil {
				beside = map[string]any{}
			}
			beside[other] = v
		}
		return inner, beside
	}
	if inner, wrapped := returned["data"]; wrapped && inner == nil && !slices.ContainsFunc(slices.Collect(maps.Keys(returned)), func(name string) bool {
		return name != "data" && !slices.Contains(envelope, name)
	}) {
		return map[string]any{}, nil
	}
	return returned, nil
}

// failure returns what a decoder says went wrong: text, or a list of it; "" if nothing.
func failure(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	text, _ := v.(string)
	return text
}
