package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/javascript"
	"greencommunity/ingest/trial"
)

// codecsCmd tries a collection of decoders that comes with examples: what a
// network server's users would install, before they do.
type codecsCmd struct {
	Folder   string `arg:"" help:"Folder of decoders with examples beside them: codec.js with vectors.json, NAME.js with test_decode_NAME.json (ChirpStack's device profiles), NAME-codec.yaml with the file it names (The Things Network's device repository), upstream-codec.js with upstream-examples.json."`
	Node     bool   `help:"Run node, too, and compare."`
	Nameless bool   `help:"Give the devices a profile whose name says nothing."`
	Calls    int    `help:"Calls of each example that are timed." default:"0"`
	JSON     bool   `name:"json" help:"Print a line of JSON for each decoder: what it is, how it did, and which quantities and events arrive."`
}

// example is an uplink with what the decoder's author says comes of it.
type example struct {
	Port   int    `json:"port"`
	Bytes  []byte `json:"bytes"`
	Want   any    `json:"-"` // nil: the author does not say
	Failed bool   `json:"-"` // an error is expected
}

// collected is a decoder of a collection, and how it did.
type collected struct {
	Path     string   `json:"codec"`
	Broken   string   `json:"broken,omitempty"`
	Examples int      `json:"examples"`
	Exact    int      `json:"exact"`
	Expected int      `json:"with_expectation"`
	AsNode   int      `json:"as_node"`
	Failed   int      `json:"failed"`
	Differs  []string `json:"differs,omitempty"`
	Micros   float64  `json:"microseconds,omitempty"` // median of a call
	Arrives  []string `json:"arrives,omitempty"`      // by ChirpStack's object
	Here     []string `json:"arrives_here,omitempty"` // by the bytes, decoded here
	Unmapped []string `json:"unmapped,omitempty"`

	text, file string
	device     string // an EUI of its own: a device keeps the profile it was first seen with
	profile    string // the device profile's name: that of the file, or of its folder
	examples   []example
	workers    []*decode.Worker // run the decoder
}

func (c *codecsCmd) Run(s streams) error {
	found, err := collect(c.Folder)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fmt.Errorf("%s: no decoder with examples; --help names the layouts that are read", c.Folder)
	}
	var node func(*collected, time.Time) ([]any, error)
	if c.Node {
		if node, err = asNode(); err != nil {
			return err
		}
	}
	sum := collected{}
	var micros []float64
	broken := 0
	var objects []*decode.Worker // read objects of any decoder
	for i, d := range found {
		d.device = fmt.Sprintf("%016x", i+1)
		if i%100 == 0 {
			objects = nil // a vendor may have so many devices
		}
		if err := d.try(c, &objects, node); err != nil {
			return fmt.Errorf("%s: %w", d.Path, err)
		}
		if d.Broken != "" {
			broken++
		}
		if d.Micros > 0 {
			micros = append(micros, d.Micros)
		}
		sum.Examples += d.Examples
		sum.Exact += d.Exact
		sum.Expected += d.Expected
		sum.AsNode += d.AsNode
		sum.Failed += d.Failed
		if c.JSON {
			text, err := json.Marshal(d)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s\n", text)
			continue
		}
		if d.Broken != "" {
			fmt.Fprintf(s.out, "%s: %s\n", d.Path, trial.Printable(d.Broken))
		}
		for _, difference := range d.Differs {
			fmt.Fprintf(s.out, "%s: %s\n", d.Path, trial.Printable(difference))
		}
	}
	if c.JSON {
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "decoders\t%d\nnot to be run\t%d\nexamples\t%d\nfailed\t%d\nas expected\t%d of %d\n", len(found), broken, sum.Examples, sum.Failed, sum.Exact, sum.Expected)
	if c.Node {
		fmt.Fprintf(w, "as node\t%d\n", sum.AsNode)
	}
	if len(micros) > 0 {
		slices.Sort(micros)
		at := func(p float64) float64 { return micros[int(p*float64(len(micros)-1))] }
		fmt.Fprintf(w, "microseconds a call, by decoder\tmedian %.1f, nine tenths %.1f, highest %.1f\n", at(.5), at(.9), at(1))
	}
	return w.Flush()
}

// try runs a decoder's examples.
func (d *collected) try(c *codecsCmd, objects *[]*decode.Worker, node func(*collected, time.Time) ([]any, error)) error {
	d.Examples = len(d.examples)
	now := time.Now().UTC().Truncate(time.Millisecond)
	var referee []any
	if node != nil {
		if strings.Contains(d.text, "Math.random") {
			d.text += sameChance
		}
		var err error
		if referee, err = node(d, now); err != nil {
			return err
		}
	}
	program, err := javascript.Compile(filepath.Base(d.Path), d.text)
	if err != nil {
		d.Broken = err.Error()
		for i := range referee { // node cannot run it, either
			node, _ := referee[i].(map[string]any)
			if thrown, failed := node["thrown"]; failed {
				d.AsNode++
			} else {
				d.Differs = append(d.Differs, fmt.Sprintf("example %d: does not run, node %.300s %v", i+1, compact(referee[i]), thrown))
			}
		}
		return nil
	}
	runtime := javascript.New(program)
	var times []float64
	var arrives, here, unmapped = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, e := range d.examples {
		result, err := runtime.Decode(e.Port, e.Bytes, now)
		if err != nil {
			d.Failed++
		}
		have := plain(result)
		if e.Want != nil || e.Failed {
			d.Expected++
			members, _ := have.(map[string]any)
			_, refused := members["errors"]
			if e.Failed && (err != nil || refused) || e.Want != nil && alike(have, e.Want) {
				d.Exact++
			} else if node == nil {
				d.Differs = append(d.Differs, fmt.Sprintf("example %d: have %.300s (%v), want %.300s", i+1, compact(have), err, compact(e.Want)))
			}
		}
		if node != nil {
			node, _ := referee[i].(map[string]any)
			if refused, failed := node["thrown"]; failed && err != nil || !failed && alike(have, node["result"]) {
				d.AsNode++
			} else {
				d.Differs = append(d.Differs, fmt.Sprintf("example %d: have %.300s (%v), node %.300s %v", i+1, compact(have), err, compact(referee[i]), refused))
			}
		}
		if err == nil {
			object, err := json.Marshal(result)
			if err != nil {
				continue
			}
			if c.Nameless {
				d.profile = "unknown"
			}
			if err := arriving(objects, arrives, unmapped, d, map[string]any{"object": json.RawMessage(object)}, e); err != nil {
				return err
			}
			if err := arriving(&d.workers, here, map[string]bool{}, d, nil, e); err != nil {
				return err
			}
		}
		for range c.Calls {
			started := time.Now()
			_, _ = runtime.Decode(e.Port, e.Bytes, now)
			times = append(times, float64(time.Since(started).Nanoseconds())/1000)
		}
	}
	if len(times) > 0 {
		slices.Sort(times)
		d.Micros = times[len(times)/2]
	}
	d.Arrives, d.Here, d.Unmapped = slices.Sorted(maps.Keys(arrives)), slices.Sorted(maps.Keys(here)), slices.Sorted(maps.Keys(unmapped))
	return nil
}

// arriving adds what an uplink becomes, as a facility of each kind: as
// ChirpStack forwards it where more holds its object, and decoded here where not.
func arriving(with *[]*decode.Worker, quantities, unmapped map[string]bool, d *collected, more map[string]any, e example) error {
	up := map[string]any{
		"deviceInfo": map[string]any{"devEui": d.device, "deviceProfileName": d.profile},
		"fPort":      e.Port, "data": base64.StdEncoding.EncodeToString(e.Bytes),
	}
	maps.Copy(up, more)
	payload, err := json.Marshal(up)
	if err != nil {
		return err
	}
	workers := *with
	if workers == nil {
		for _, kind := range []string{"water", "gate", "lighting", "waste"} {
			source := map[string]any{"format": "chirpstack", "topic": "up", "community": "community", "facility": kind}
			if more == nil {
				source["codecs"] = map[string]string{"": d.file}
			}
			text, err := yaml.Marshal(map[string]any{
				"communities": []any{map[string]any{"id": "community", "name": "community"}},
				"vendors":     []any{map[string]any{"id": "vendor", "unknown_devices": "accept", "sources": []any{source}}},
			})
			if err != nil {
				return err
			}
			inv, err := inventory.Parse(text, time.UTC)
			if err != nil {
				return err
			}
			workers = append(workers, decode.NewWorker(inv, inventory.NewRegistry(inv)))
		}
		*with = workers
	}
	for _, w := range workers {
		r := w.Decode(&ingest.Message{Seq: 1, Received: time.Now().UnixNano(), Topic: "up", Payload: payload})
		for _, v := range r.Readings {
			quantities[v.Quantity.Name] = true
		}
		for _, v := range r.Events {
			quantities["event "+v.Type] = true
		}
		for _, v := range r.Unmapped {
			unmapped[v.Field] = true
		}
		for _, v := range r.Refused {
			unmapped[v.Field+" ("+v.Detail+")"] = true
		}
	}
	return nil
}

// collect finds the decoders below a folder that have examples.
func collect(folder string) ([]*collected, error) {
	var found []*collected
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		dir, name := filepath.Split(path)
		codec := ""
		switch {
		case name == "vectors.json":
			codec = "codec.js"
		case name == "upstream-examples.json":
			codec = "upstream-codec.js"
		case strings.HasPrefix(name, "test_decode_") && strings.HasSuffix(name, ".json"):
			codec = strings.TrimSuffix(strings.TrimPrefix(name, "test_decode_"), ".json") + ".js"
		case strings.HasSuffix(name, "-codec.yaml") || name == "codec.yaml":
		default:
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		examples, codec, err := readExamples(text, codec)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(examples) == 0 || codec == "" {
			return nil
		}
		js, err := os.ReadFile(filepath.Join(dir, codec))
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		file, err := filepath.Abs(filepath.Join(dir, codec))
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, filepath.Join(dir, codec))
		profile := strings.TrimSuffix(filepath.Base(codec), ".js")
		if name == "vectors.json" || name == "upstream-examples.json" {
			if profile = filepath.Base(filepath.Dir(file)); profile == "reference" {
				profile = filepath.Base(filepath.Dir(filepath.Dir(file)))
			}
		}
		found = append(found, &collected{Path: filepath.ToSlash(relative), text: string(js), file: file, profile: profile, examples: examples})
		return err
	})
	return found, err
}

// readExamples reads a file of examples. ChirpStack's are JavaScript rather than JSON.
func readExamples(text []byte, codec string) ([]example, string, error) {
	var file any
	if codec == "" {
		if err := yaml.Unmarshal(text, &file); err != nil {
			return nil, "", err
		}
	} else {
		literal, err := javascript.Compile("examples", "function Decoder() { return (\n"+string(text)+"\n); }")
		if err != nil {
			return nil, "", err
		}
		if file, err = javascript.New(literal).Decode(0, nil, time.Now()); err != nil {
			return nil, "", err
		}
	}
	top := plain(file)
	list, _ := top.([]any)
	if file, ok := top.(map[string]any); ok {
		decoder := file
		if inner, ok := file["uplinkDecoder"].(map[string]any); ok {
			decoder = inner
			codec, _ = inner["fileName"].(string)
		}
		for _, name := range []string{"examples", "uplink"} {
			if of, ok := decoder[name].([]any); ok {
				list = of
			}
		}
	}
	var examples []example
	for _, item := range list {
		item, _ := item.(map[string]any)
		input, ok := item["input"].(map[string]any)
		if !ok {
			continue
		}
		e := example{Bytes: []byte{}}
		port, _ := input["fPort"].(float64)
		e.Port = int(port)
		switch data := input["bytes"].(type) {
		case []any:
			for _, b := range data {
				n, _ := b.(float64)
				e.Bytes = append(e.Bytes, byte(n))
			}
		case string:
			e.Bytes, _ = hex.DecodeString(data)
		}
		for _, name := range []string{"expected", "output"} {
			if want, ok := item[name]; ok {
				e.Want = want
			}
		}
		if want, ok := e.Want.(map[string]any); ok && want["data"] == nil && want["errors"] != nil {
			e.Failed, e.Want = true, nil
		}
		examples = append(examples, e)
	}
	return examples, codec, nil
}

// plain is a value as JSON has it: numbers are float64.
func plain(v any) any {
	var clean func(v any) any
	clean = func(v any) any {
		switch v := v.(type) {
		case float64:
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil
			}
		case map[string]any:
			copied := map[string]any{}
			for name, value := range v {
				copied[name] = clean(value)
			}
			return copied
		case []any:
			copied := make([]any, len(v))
			for i := range v {
				copied[i] = clean(v[i])
			}
			return copied
		case time.Time: // as JSON.stringify writes a Date
			return v.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		return v
	}
	text, err := json.Marshal(clean(v))
	if err != nil {
		return nil
	}
	var p any
	if json.Unmarshal(text, &p) != nil {
		return nil
	}
	return p
}

func compact(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// alike compares results: numbers to nine digits; a member without a value, and
// an empty list of warnings or errors, is as good as none.
func alike(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && math.Abs(a-b) <= 1e-9*max(1, math.Abs(a))
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, alike)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			return false
		}
		for _, of := range []map[string]any{a, b} {
			for name := range of {
				if !alike(a[name], b[name]) && !(empty(a[name]) && empty(b[name])) {
					return false
				}
			}
		}
		return true
	}
	return cmp.Compare(compact(a), compact(b)) == 0
}

func empty(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// sameChance stands behind the text of a decoder that is compared with node: numbers
// drawn by chance are the same in both.
const sameChance = "\n;Math.random = function () { return 0.5; };"

// asNode starts a function that runs decoders in node.
func asNode() (func(*collected, time.Time) ([]any, error), error) {
	path, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	return func(d *collected, now time.Time) ([]any, error) {
		input, err := json.Marshal(map[string]any{"text": d.text, "examples": d.examples, "now": now.UnixMilli()})
		if err != nil {
			return nil, err
		}
		command := exec.Command(path, "-e", nodeScript)
		command.Stdin = bytes.NewReader(input)
		var failed bytes.Buffer
		command.Stderr = &failed
		output, err := command.Output()
		if err != nil {
			return nil, fmt.Errorf("node: %w: %.300s", err, failed.String())
		}
		var results []any
		if err := json.Unmarshal(output, &results); err != nil {
			return nil, err
		}
		return results, nil
	}, nil
}

// nodeScript runs each example in a context of its own, as network servers do. The
// clock stands at the time given, and what a decoder is handed is of its own context, so
// that instanceof holds.
const nodeScript = `
const vm = require("vm"), given = JSON.parse(require("fs").readFileSync(0, "utf8")), results = [];
for (const e of given.examples) {
  const module = {exports: {}};
  const context = vm.createContext({Buffer, console: {log() {}, info() {}, warn() {}, error() {}, debug() {}}, TextDecoder, TextEncoder, atob, btoa, module, exports: module.exports, require});
  try {
    context.given = JSON.stringify({bytes: Array.from(Buffer.from(e.bytes, "base64")), port: e.port, now: given.now});
    vm.runInContext("(function (now) { var D = Date; Date = function (...a) { return new.target ? Reflect.construct(D, a.length ? a : [now], new.target) : new D(now).toString(); };" +
      "Object.setPrototypeOf(Date, D); Date.prototype = D.prototype; D.prototype.constructor = Date; Date.now = function () { return now; }; })(JSON.parse(given).now)", context);
    vm.runInContext(given.text, context, {timeout: 5000});
    const text = vm.runInContext("JSON.stringify({result: (function () {" +
      "function f(n) { try { var v = eval(n); } catch (e) {} return v || module.exports[n]; }" +
      "given = JSON.parse(given); var b = given.bytes, d;" +
      "if (d = f('decodeUplink')) return d({bytes: b, fPort: given.port, variables: {}, recvTime: new Date()});" +
      "if (d = f('Decode')) return d(given.port, b, {});" +
      "if (d = f('Decoder')) return d(b, given.port);" +
      "if (d = f('milesightDeviceDecode')) return d(b);" +
      "return f('rawDataToProtocol')(b, '');" +
      "})()}, function (k, v) { return typeof v === 'bigint' ? Number(v) : v; })", context, {timeout: 5000});
    results.push(JSON.parse(text));
  } catch (error) { results.push({thrown: String(error)}); }
}
console.log(JSON.stringify(results));
`
