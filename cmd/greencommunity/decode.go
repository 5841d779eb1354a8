package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// decodeCmd shows what a payload becomes, by an inventory or, to try a format
// out, without one.
type decodeCmd struct {
	Payload   []string          `arg:"" optional:"" help:"Files with a payload each, decoded in order; - or none is standard input." placeholder:"FILE"`
	Inventory string            `help:"Path of inventory.yaml: its source for the topic decides." placeholder:"FILE" xor:"how"`
	Config    string            `help:"Path of config.yaml, for its inventory." placeholder:"FILE" xor:"how"`
	Topic     []string          `help:"Topic it was published to; once, or once a file." placeholder:"TOPIC" sep:"none"`
	Format    string            `help:"Without an inventory: the format." placeholder:"NAME"`
	Inner     string            `name:"payload-format" help:"Without an inventory: the format of what the envelope carries." placeholder:"NAME"`
	Codec     map[string]string `help:"Without an inventory: a vendor's JavaScript decoder, for all devices (=FILE) or for a device profile (PROFILE=FILE)." placeholder:"PROFILE=FILE"`
	Device    string            `help:"Without an inventory: the device, where neither topic nor payload name it." default:"device"`
	Community string            `help:"Without an inventory: the community." default:"community"`
	Facility  string            `help:"Without an inventory: the kind of facility; default is the one that knows most of the fields." placeholder:"KIND"`
	Profile   string            `help:"Without an inventory: the device profile." placeholder:"NAME"`
	Received  string            `help:"When it was received: RFC 3339; default now." placeholder:"TIME"`
	Explain   bool              `help:"Say what was done, on standard error."`
	Formats   bool              `help:"List the formats instead."`
}

func (c *decodeCmd) Run(s streams) error {
	if c.Formats {
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		for _, name := range slices.Sorted(maps.Keys(format.Formats)) {
			fmt.Fprintf(w, "%s\t%s\n", name, format.Formats[name].About)
		}
		return w.Flush()
	}
	messages, err := c.messages(s.in)
	if err != nil {
		return err
	}
	workers, err := c.workers(messages[0].Topic)
	if err != nil {
		return err
	}
	// Without an inventory each kind of facility is tried; the first of those
	// that understand most is taken.
	best, most := 0, -1
	for i, w := range workers {
		n := 0
		for _, m := range messages {
			n += understood(w.Decode(m))
		}
		if n > most {
			best, most = i, n
		}
	}
	if workers, err = c.workers(messages[0].Topic); err != nil {
		return err
	}
	w := workers[best]
	if c.Explain {
		w.Explain = func(format string, args ...any) { fmt.Fprintln(s.err, printable(fmt.Sprintf(format, args...))) }
	}
	refused := false
	var unmapped []decode.Unmapped
	for _, m := range messages {
		r := w.Decode(m)
		refused = refused || r.Err != nil
		if c.Explain && r.Ignored != "" {
			fmt.Fprintf(s.err, "ignored: understood, and nothing in it is a reading or an event (%s)\n", printable(r.Ignored))
		}
		unmapped = append(unmapped, r.Unmapped...)
		if err := printResult(s.out, r); err != nil {
			return err
		}
	}
	if c.Format != "" && len(unmapped) > 0 && format.Formats[c.Format].Redact == nil {
		suggest(s.err, c.Format, messages[0].Topic, c.Community, c.kinds()[best], c.Inner, unmapped)
	}
	if refused {
		return exitCode(1)
	}
	return nil
}

func understood(r *decode.Result) int { return len(r.Readings) + len(r.Events) }

func (c *decodeCmd) messages(stdin io.Reader) ([]*ingest.Message, error) {
	received := time.Now()
	if c.Received != "" {
		t, err := parseWhen(c.Received, received, time.UTC)
		if err != nil {
			return nil, fmt.Errorf("--received: %w", err)
		}
		received = t
	}
	files := c.Payload
	if len(files) == 0 {
		files = []string{"-"}
	}
	if len(c.Topic) > 1 && len(c.Topic) != len(files) {
		return nil, fmt.Errorf("--topic: %d topics for %d files; give one, or one a file", len(c.Topic), len(files))
	}
	var messages []*ingest.Message
	for i, name := range files {
		var data []byte
		var err error
		if name == "-" {
			data, err = io.ReadAll(stdin)
		} else {
			data, err = os.ReadFile(name)
		}
		if err != nil {
			return nil, err
		}
		m := &ingest.Message{Seq: uint64(i) + 1, Received: received.UnixNano() + int64(i)*1e6, Payload: data}
		switch {
		case len(c.Topic) == 1:
			m.Topic = c.Topic[0]
		case len(c.Topic) > 1:
			m.Topic = c.Topic[i]
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// workers returns the worker of the inventory given, or one for each kind of
// facility that may be meant.
func (c *decodeCmd) workers(topic string) ([]*decode.Worker, error) {
	switch {
	case c.Config != "":
		conf, err := serve.Load(c.Config)
		if err != nil {
			return nil, err
		}
		inv := conf.Inventory
		return []*decode.Worker{decode.NewWorker(inv, inventory.NewRegistry(inv))}, nil
	case c.Inventory != "":
		zone, err := time.LoadLocation("Asia/Shanghai")
		if err != nil {
			return nil, err
		}
		inv, err := inventory.Load(c.Inventory, zone)
		if err != nil {
			return nil, err
		}
		return []*decode.Worker{decode.NewWorker(inv, inventory.NewRegistry(inv))}, nil
	case c.Format == "":
		return nil, fmt.Errorf("give --inventory, --config, or a --format to try; --formats lists them")
	}
	var workers []*decode.Worker
	for _, kind := range c.kinds() {
		inv, err := c.adHoc(topic, kind)
		if err != nil {
			return nil, err
		}
		workers = append(workers, decode.NewWorker(inv, adHocRegistry{inventory.NewRegistry(inv), c.Device}))
	}
	return workers, nil
}

// kinds are the kinds of facility that are tried where no inventory says which.
func (c *decodeCmd) kinds() []ingest.FacilityKind {
	kinds := []ingest.FacilityKind{ingest.FacilityKind(c.Facility)}
	if c.Facility == "" {
		kinds = []ingest.FacilityKind{ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate}
		for _, k := range ingest.BuiltinFacilities().Kinds() {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
		if k := format.Formats[c.Format].Facility; k != "" {
			kinds = append([]ingest.FacilityKind{k}, kinds...)
		}
	}
	return kinds
}

// adHocRegistry gives a name to a device that has none.
type adHocRegistry struct {
	*inventory.Registry
	device string
}

func (r adHocRegistry) Resolve(src *inventory.Source, c *format.Captures, n inventory.Named) (*ingest.Device, uint32, *ingest.Refusal) {
	if n.Device == "" && c.Device == "" {
		n.Device = r.device
	}
	return r.Registry.Resolve(src, c, n)
}

// adHoc is an inventory of one community and one source, for trying out.
func (c *decodeCmd) adHoc(topic string, kind ingest.FacilityKind) (*inventory.Inventory, error) {
	format, ok := format.Formats[c.Format]
	if !ok {
		return nil, fmt.Errorf("--format %q is unknown; --formats lists them", c.Format)
	}
	source := map[string]any{"format": c.Format, "topic": inventory.TemplateFor(format, topic), "community": c.Community, "facility": string(kind)}
	if c.Inner != "" {
		source["payload"] = c.Inner
	}
	if c.Profile != "" {
		source["profile"] = c.Profile
	}
	codecs := map[string]string{}
	for profile, file := range c.Codec {
		path, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		codecs[profile] = path
	}
	if len(codecs) > 0 {
		source["codecs"] = codecs
	}
	text, err := yaml.Marshal(map[string]any{
		"communities": []any{map[string]any{"id": c.Community, "name": c.Community}},
		"vendors":     []any{map[string]any{"id": "vendor", "unknown_devices": "accept", "sources": []any{source}}},
	})
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return nil, err
	}
	return inventory.Parse(text, zone)
}

// line is a line of output; which members it has says what it is.
type line struct {
	Device     ingest.DeviceID     `json:"device,omitempty"`
	Community  ingest.CommunityID  `json:"community,omitempty"`
	Facility   ingest.FacilityKind `json:"facility,omitempty"`
	Channel    *string             `json:"channel,omitempty"`
	Quantity   string              `json:"quantity,omitempty"`
	Event      string              `json:"event,omitempty"`
	Field      string              `json:"field,omitempty"`
	Value      any                 `json:"value,omitempty"`
	Unit       string              `json:"unit,omitempty"`
	Active     *bool               `json:"active,omitempty"`
	Code       string              `json:"code,omitempty"`
	Time       string              `json:"time,omitempty"`
	TimeSource string              `json:"time_source,omitempty"`
	// TimeReplaced marks a time outside the bounds, for which the time
	// received stands in; TimeSent is what was sent.
	TimeReplaced bool          `json:"time_replaced,omitempty"`
	TimeSent     string        `json:"time_sent,omitempty"`
	Estimated    bool          `json:"estimated,omitempty"`
	Unmapped     bool          `json:"unmapped,omitempty"`
	Refused      ingest.Reason `json:"refused,omitempty"`  // a single value
	Rejected     ingest.Reason `json:"rejected,omitempty"` // the message
	Ignored      string        `json:"ignored,omitempty"`
	Detail       string        `json:"detail,omitempty"`
}

func printResult(out io.Writer, r *decode.Result) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if r.Err != nil {
		if err := enc.Encode(line{Rejected: r.Err.Reason, Detail: r.Err.Detail}); err != nil {
			return err
		}
	}
	if r.Ignored != "" {
		return enc.Encode(line{Ignored: r.Ignored})
	}
	var lines []line
	for i := range r.Readings {
		v := &r.Readings[i]
		lines = append(lines, line{
			Device: v.Device.ID, Community: v.Device.Community, Facility: v.Device.Facility, Channel: &v.Channel,
			Quantity: v.Quantity.Name, Value: v.Value, Unit: v.Quantity.Unit, Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(),
			TimeReplaced: v.TimeReplaced, Estimated: v.Estimated, TimeSent: timeSent(v.TimeReplaced, r.Written[i]),
		})
	}
	for i := range r.Events {
		v := &r.Events[i]
		lines = append(lines, line{
			Device: v.Device.ID, Community: v.Device.Community, Facility: v.Device.Facility, Channel: &v.Channel,
			Event: v.Type, Active: &v.Active, Code: v.Code, Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(),
		})
	}
	for _, v := range r.Unmapped {
		l := line{
			Device: ingest.DeviceID(v.Device), Field: v.Field, Value: v.Value, Unit: v.Unit, Unmapped: true,
			Time: rfc3339(v.Time), TimeSource: v.TimeSource.String(), TimeReplaced: v.TimeReplaced,
			TimeSent: timeSent(v.TimeReplaced, v.Written),
		}
		if v.Channel != "" {
			l.Channel = &v.Channel
		}
		if v.IsText {
			l.Value = v.Text
		}
		lines = append(lines, l)
	}
	for _, v := range r.Refused {
		if r.Err != nil && v.Refusal == r.Err {
			continue // said already
		}
		lines = append(lines, line{Device: ingest.DeviceID(v.Device), Field: v.Field, Refused: v.Reason, Detail: v.Detail})
	}
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}

func timeSent(replaced bool, written int64) string {
	if !replaced {
		return ""
	}
	return rfc3339(written)
}

func rfc3339(unixNano int64) string {
	return time.Unix(0, unixNano).UTC().Format("2006-01-02T15:04:05.000Z")
}
