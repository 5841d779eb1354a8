package decode

import (
	"fmt"
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
	switch returned := returned.(type) {
	case nil: // a port or a kind of frame that is nothing to the decoder
		out.Ignored = "the decoder returns nothing for it"
		return nil
	case []any: // records
	case map[string]any:
		for _, name := range []string{"data", "params"} {
			if inner, ok := returned[name]; ok && inner != nil {
				content = inner
				break
			}
		}
		if told := failure(returned["errors"]); told != "" {
			return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, told)
		}
		if data, ok := content.(map[string]any); ok && len(data) == 1 {
			if told := failure(data["error"]); told != "" { // and nothing else
				return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, told)
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
	if len(out.Samples) > 256 { // an arena keeps the space it took
		c.arena = fastjson.Arena{}
	}
	return nil
}

// failure returns what a decoder says went wrong: text, or a list of it; "" if nothing.
func failure(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	text, _ := v.(string)
	return text
}
