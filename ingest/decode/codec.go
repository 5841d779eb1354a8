package decode

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja_nodejs/buffer"
	"github.com/dop251/goja_nodejs/require"

	"greencommunity/ingest"
)

// Limits of a vendor's JavaScript.
const (
	codecTime   = 250 * time.Millisecond
	codecStack  = 512
	codecFields = 2000
)

// codec runs a vendor's own JavaScript decoder, unmodified: decodeUplink
// (ChirpStack 4, The Things Stack, Milesight), Decode (ChirpStack 3),
// Decoder (TTN 2) or rawDataToProtocol (Aliyun). It is for one goroutine.
//
// BUG(codec): memory is bounded only by time: what a script can allocate in
// 250 ms.
type codec struct {
	vm     *goja.Runtime
	decode goja.Callable
	name   string
}

func newCodec(program string) (*codec, error) {
	vm := goja.New()
	vm.SetMaxCallStackSize(codecStack)
	registry := require.NewRegistry(require.WithLoader(func(string) ([]byte, error) { return nil, require.ModuleFileDoesNotExistError }))
	registry.Enable(vm)
	buffer.Enable(vm)
	quiet := vm.NewObject()
	for _, name := range []string{"log", "info", "warn", "error", "debug"} {
		if err := quiet.Set(name, func() {}); err != nil {
			return nil, err
		}
	}
	// Decoders written for Node look for module.exports.
	module := vm.NewObject()
	exports := vm.NewObject()
	for name, v := range map[string]any{"console": quiet, "exports": exports, "module": module} {
		if err := vm.Set(name, v); err != nil {
			return nil, err
		}
	}
	if err := module.Set("exports", exports); err != nil {
		return nil, err
	}
	c := &codec{vm: vm}
	if _, err := c.limited(func() (goja.Value, error) { return vm.RunString(program) }); err != nil {
		return nil, err
	}
	for _, name := range []string{"decodeUplink", "Decode", "Decoder", "rawDataToProtocol", "milesightDeviceDecode"} {
		v := vm.Get(name)
		if v == nil {
			if exported, ok := module.Get("exports").(*goja.Object); ok {
				v = exported.Get(name)
			}
		}
		if f, ok := goja.AssertFunction(v); ok {
			c.decode, c.name = f, name
			return c, nil
		}
	}
	return nil, fmt.Errorf("has none of the functions decodeUplink, Decode, Decoder, rawDataToProtocol")
}

// limited runs f and interrupts it after codecTime.
func (c *codec) limited(f func() (goja.Value, error)) (v goja.Value, err error) {
	timer := time.AfterFunc(codecTime, func() { c.vm.Interrupt("took longer than " + codecTime.String()) })
	defer func() {
		timer.Stop()
		c.vm.ClearInterrupt()
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}

// run decodes bytes and adds what the decoder returns: its data, flattened, or
// each element of it where that is an array of records.
func (c *codec) run(in *Input, base Sample, data []byte, out *Output) error {
	numbers := make([]any, len(data))
	for i, b := range data {
		numbers[i] = int64(b)
	}
	bytes := c.vm.NewArray(numbers...)
	port := c.vm.ToValue(in.Port)
	result, err := c.limited(func() (goja.Value, error) {
		switch c.name {
		case "decodeUplink":
			input := c.vm.NewObject()
			for name, v := range map[string]any{"bytes": bytes, "fPort": port, "recvTime": c.vm.ToValue(time.Unix(0, in.Received).UTC().Format(time.RFC3339)), "variables": c.vm.NewObject()} {
				if err := input.Set(name, v); err != nil {
					return nil, err
				}
			}
			return c.decode(goja.Undefined(), input)
		case "Decoder":
			return c.decode(goja.Undefined(), bytes, port)
		case "rawDataToProtocol", "milesightDeviceDecode":
			return c.decode(goja.Undefined(), bytes)
		}
		return c.decode(goja.Undefined(), port, bytes, c.vm.NewObject())
	})
	if err != nil {
		return ingest.Refuse(ingest.CodecFailed, "%s: %.160s", c.name, strings.ReplaceAll(err.Error(), "\n", " "))
	}
	if goja.IsUndefined(result) || goja.IsNull(result) {
		return ingest.Refuse(ingest.CodecFailed, "%s returns nothing", c.name)
	}
	exported := result.Export()
	object, ok := exported.(map[string]any)
	if !ok {
		return ingest.Refuse(ingest.CodecFailed, "%s returns no object", c.name)
	}
	if errors, ok := object["errors"].([]any); ok && len(errors) > 0 {
		return ingest.Refuse(ingest.CodecFailed, "%s: %.160v", c.name, errors[0])
	}
	var content any = object
	for _, name := range []string{"data", "params"} {
		if inner, ok := object[name]; ok && inner != nil {
			content = inner
			break
		}
	}
	w := &codecWalk{in: in, out: out}
	w.add(base, "", content, 0)
	return nil
}

type codecWalk struct {
	in    *Input
	out   *Output
	count int
}

// add adds what a decoder returned below path. A record in an array with a
// timestamp of its own is history.
func (w *codecWalk) add(base Sample, path string, v any, depth int) {
	if w.count > codecFields || depth > 16 {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range []string{"timestamp", "time", "ts"} {
			if at, ok := number(v[name]); ok && len(v) > 1 {
				if t, ok := TimeOfNumber(at); ok {
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
		for _, name := range sortedKeys(v) {
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
				w.out.refuse(base.Device, path, ingest.BadValue, "%.60s: not a finite number", path)
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
