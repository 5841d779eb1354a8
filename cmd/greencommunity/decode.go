package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/trial"
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
	w, kind, err := c.worker(messages)
	if err != nil {
		return err
	}
	if c.Explain {
		w.Explain = func(format string, args ...any) { fmt.Fprintln(s.err, trial.Printable(fmt.Sprintf(format, args...))) }
	}
	refused := false
	var unmapped []decode.Unmapped
	for _, m := range messages {
		r := w.Decode(m)
		refused = refused || r.Err != nil
		if c.Explain && r.Ignored != "" {
			fmt.Fprintf(s.err, "ignored: understood, and nothing in it is a reading or an event (%s)\n", trial.Printable(r.Ignored))
		}
		unmapped = append(unmapped, r.Unmapped...)
		if err := printResult(s.out, r); err != nil {
			return err
		}
	}
	if c.Format != "" && len(unmapped) > 0 && format.Formats[c.Format].Redact == nil {
		trial.Suggest(s.err, c.Format, messages[0].Topic, c.Community, kind, c.Inner, unmapped)
	}
	if refused {
		return exitCode(1)
	}
	return nil
}

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

// worker returns the worker of the inventory given, or one for the kind of facility that
// understands most.
func (c *decodeCmd) worker(messages []*ingest.Message) (*decode.Worker, ingest.FacilityKind, error) {
	inv, err := c.inventory()
	switch {
	case err != nil:
		return nil, "", err
	case inv != nil:
		return decode.NewWorker(inv, inventory.NewRegistry(inv)), "", nil
	case c.Format == "":
		return nil, "", fmt.Errorf("give --inventory, --config, or a --format to try; --formats lists them")
	}
	return trial.Trial{
		Format: c.Format, Inner: c.Inner, Codecs: c.Codec, Device: c.Device, Community: c.Community, Facility: c.Facility, Profile: c.Profile,
	}.Best(messages)
}

// inventory is the one given, or nil.
func (c *decodeCmd) inventory() (*inventory.Inventory, error) {
	if c.Config != "" {
		conf, err := serve.Load(c.Config)
		if err != nil {
			return nil, err
		}
		return conf.Inventory, nil
	}
	if c.Inventory == "" {
		return nil, nil
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		return nil, err
	}
	return inventory.Load(c.Inventory, zone)
}

func printResult(out io.Writer, r *decode.Result) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, l := range trial.Lines(r) {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	return nil
}
