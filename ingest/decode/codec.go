package decode

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/javascript"
)

// codecFields bounds what one call may yield.
const codecFields = 2000

// codec reads bytes by a vendor's own JavaScript decoder.
type codec struct {
	name    string
	runtime *javascript.Runtime
}

func newCodec(program *javascript.Program) *codec {
	return &codec{program.Entry, javascript.New(program)}
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
	w := &codecWalk{in: in, out: out}
	w.add(base, "", content, 0)
	return nil
}

// failure is what a decoder says went wrong: text, or a list of it; "" if nothing.
func failure(v any) string {
	if list, ok := v.([]any); ok && len(list) > 0 {
		return fmt.Sprint(list[0])
	}
	text, _ := v.(string)
	return text
}

type codecWalk struct {
	in    *format.Input
	out   *format.Output
	count int
}

// add adds what a decoder returned below path. A record in an array with a
// timestamp of its own is history.
func (w *codecWalk) add(base format.Sample, path string, v any, depth int) {
	if w.count > codecFields || depth > 16 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"timestamp", "time", "ts"} {
			if at, ok := number(v[name]); ok && len(v) > 1 {
				if t, ok := format.TimeOfNumber(at); ok {
					base.Time, base.TimeSource = t, ingest.TimeDevice
					rest := map[string]any{}
					for k, value := range v {
						if k != name {
							rest[k] = value
						}
					}
					v = rest
					break
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			inner := name
			if path != "" {
				inner = path + "." + name
			}
			w.add(base, inner, v[name], depth+1)
		}
	case []any:
		for i, item := range v {
			if _, record := item.(map[string]any); record && (path == "history" || path == "") {
				w.add(base, "", item, depth+1)
				continue
			}
			w.add(base, fmt.Sprintf("%s[%d]", path, i), item, depth+1)
		}
	default:
		w.count++
		base.Field = path
		if f, ok := number(v); ok {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				w.out.Refuse(base.Device, path, ingest.BadValue, "%.60s: not a finite number", path)
				return
			}
			base.Value = f
		} else if b, ok := v.(bool); ok {
			base.IsBool = true
			if b {
				base.Value = 1
			}
		} else if s, ok := v.(string); ok {
			base.IsText, base.Text = true, s
		} else if at, ok := v.(time.Time); ok {
			base.IsText, base.Text = true, at.UTC().Format(time.RFC3339)
		} else {
			return
		}
		w.out.Samples = append(w.out.Samples, base)
	}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
