package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/trial"
	"greencommunity/metrics/scorecard"
)

// watchCmd follows a vendor's live stream over a session of its own, which the
// broker forgets when it ends: the ingester's is not touched. What may not be
// kept of a message is cut off before it is looked at.
type watchCmd struct {
	Vendor string        `required:"" help:"The vendor's id in the inventory." placeholder:"ID"`
	Config string        `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	For    time.Duration `help:"End after this long; default: when interrupted." placeholder:"DURATION"`
	Count  int           `help:"End after so many messages." placeholder:"N"`
	Quiet  bool          `help:"Print the counts at the end only."`
	Every  time.Duration `help:"Print the counts so often, too." placeholder:"DURATION"`
}

func (c *watchCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	inv := conf.Inventory
	i := slices.IndexFunc(inv.Vendors, func(v *inventory.Vendor) bool { return string(v.ID) == c.Vendor })
	if i < 0 {
		return fmt.Errorf("--vendor: %q is not in the inventory", c.Vendor)
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	messages := make(chan *ingest.Message, 1000)
	var dropped atomic.Int64
	client, err := c.connect(conf, inv.Vendors[i], func(m *ingest.Message) {
		select {
		case messages <- m:
		default:
			dropped.Add(1) // printing does not keep up
		}
	})
	if err != nil {
		return err
	}
	w := newWatch(inv, inv.Vendors[i].ID, s.out)
	w.quiet = c.Quiet
	var every <-chan time.Time
	if c.Every > 0 {
		tick := time.NewTicker(c.Every)
		defer tick.Stop()
		every = tick.C
	}
	fmt.Fprintf(s.err, "watching vendor %s; end with Ctrl-C\n", c.Vendor)
	for done := false; !done; {
		select {
		case m := <-messages:
			w.message(m)
			done = c.Count > 0 && w.messages >= c.Count
		case <-every:
			w.summary()
		case <-ctx.Done():
			done = true
		}
	}
	client.Disconnect(250)
	w.summary()
	if n := dropped.Load(); n > 0 {
		fmt.Fprintf(s.out, "%d messages came faster than they could be shown\n", n)
	}
	return nil
}

// connect subscribes to what the vendor's sources name.
func (c *watchCmd) connect(conf *serve.Settings, v *inventory.Vendor, f func(*ingest.Message)) (paho.Client, error) {
	o := serve.BrokerOptions(conf.Config)
	password, err := o.Password()
	if err != nil {
		return nil, err
	}
	config, err := o.TLS()
	if err != nil {
		return nil, err
	}
	filters := map[string]byte{}
	for _, f := range (&inventory.Inventory{Vendors: []*inventory.Vendor{v}}).Filters() {
		filters[f] = 1
	}
	options := paho.NewClientOptions().SetClientID(fmt.Sprintf("greencommunity-watch-%d", os.Getpid())).SetUsername(o.Username).SetPassword(password).
		SetTLSConfig(config).SetCleanSession(true).SetConnectTimeout(10 * time.Second).SetAutoReconnect(true).SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			f(&ingest.Message{Topic: m.Topic(), Payload: m.Payload(), Received: time.Now().UnixNano(), Retained: m.Retained(), QoS: m.Qos()})
		})
	subscribed := make(chan error, 1)
	options.SetOnConnectHandler(func(client paho.Client) { // after a lost connection too
		token := client.SubscribeMultiple(filters, nil)
		token.Wait()
		select {
		case subscribed <- token.Error():
		default:
		}
	})
	for _, b := range o.Brokers {
		options.AddBroker(b)
	}
	client := paho.NewClient(options)
	if token := client.Connect(); !token.WaitTimeout(15*time.Second) || token.Error() != nil {
		client.Disconnect(0)
		return nil, fmt.Errorf("broker %s: %v", strings.Join(o.Brokers, ", "), token.Error())
	}
	select {
	case err := <-subscribed:
		if err != nil {
			client.Disconnect(0)
			return nil, fmt.Errorf("broker %s: subscribe: %w", strings.Join(o.Brokers, ", "), err)
		}
	case <-time.After(15 * time.Second):
		client.Disconnect(0)
		return nil, fmt.Errorf("broker %s: no answer to the subscription", strings.Join(o.Brokers, ", "))
	}
	return client, nil
}

// vendorWatch says of each message what became of it, and counts.
type vendorWatch struct {
	out      io.Writer
	vendor   ingest.VendorID
	quiet    bool
	worker   *decode.Worker
	redactor *decode.Redactor
	inv      *inventory.Inventory
	card     *scorecard.Scorecard
	judge    *pipeline.Retimer
	counts   map[string]int
	reasons  map[ingest.Reason]int
	messages int
	foreign  int // on topics this vendor's filters reach, of other vendors
}

func newWatch(inv *inventory.Inventory, vendor ingest.VendorID, out io.Writer) *vendorWatch {
	return &vendorWatch{
		out: out, vendor: vendor, inv: inv, worker: decode.NewWorker(inv, inventory.NewRegistry(inv)), redactor: decode.NewRedactor(inv),
		card: scorecard.New(), judge: pipeline.NewRetimer(), counts: map[string]int{}, reasons: map[ingest.Reason]int{},
	}
}

func (w *vendorWatch) message(m *ingest.Message) {
	m.Topic, m.Payload = w.redactor.Redact(m.Topic, m.Payload)
	r := w.worker.Decode(m)
	if r.Source != nil && r.Source.Vendor.ID != w.vendor {
		w.foreign++
		return
	}
	w.messages++
	duplicates, outOfOrder := w.judge.Judge(m, r)
	late := 0
	for i := range r.Readings {
		if v := &r.Readings[i]; v.TimeSource != ingest.TimeReceived && m.Received-v.Time > int64(scorecard.LateAfter) {
			late++
		}
	}
	w.card.Message(m, r, duplicates, outOfOrder)
	verdict := "accepted"
	switch {
	case r.Err != nil:
		verdict = "rejected"
		w.reasons[r.Err.Reason]++
	case r.Ignored != "":
		verdict = "ignored"
	case duplicates > 0 && duplicates == len(r.Readings)+len(r.Events):
		verdict = "duplicate"
	}
	w.counts[verdict]++
	w.counts["missing#"] += r.Missing
	for name, n := range map[string]int{"unmapped": len(r.Unmapped), "late": late, "out of order": outOfOrder, "repeated": duplicates, "readings": len(r.Readings), "events": len(r.Events)} {
		w.counts[name+"#"] += n
	}
	if r.Err == nil {
		w.counts["refused#"] += len(r.Refused)
	}
	if w.quiet {
		return
	}
	at := time.Unix(0, m.Received).In(w.inv.Zone).Format("15:04:05.000")
	fmt.Fprintf(w.out, "%s %-9s %s\n", at, verdict, trial.Printable(m.Topic+w.describe(r, late, outOfOrder)))
}

// describe says what a message came to, in a line.
func (w *vendorWatch) describe(r *decode.Result, late, outOfOrder int) string {
	var b strings.Builder
	named := func(name, channel string) string {
		if channel != "" {
			name += "[" + channel + "]"
		}
		return name
	}
	if r.Err != nil {
		fmt.Fprintf(&b, "  %s: %s", r.Err.Reason, r.Err.Detail)
	}
	if r.Ignored != "" {
		fmt.Fprintf(&b, "  %s", r.Ignored)
	}
	var device ingest.DeviceID
	for i := range r.Readings {
		v := &r.Readings[i]
		if i == 12 {
			fmt.Fprintf(&b, " … and %d more", len(r.Readings)-i)
			break
		}
		if v.Device.ID != device {
			device = v.Device.ID
			fmt.Fprintf(&b, "  %s:", device)
		}
		fmt.Fprintf(&b, " %s=%.10g", named(v.Quantity.Name, v.Channel), v.Value)
	}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Device.ID != device {
			device = e.Device.ID
			fmt.Fprintf(&b, "  %s:", device)
		}
		fmt.Fprintf(&b, " event %s", named(e.Type, e.Channel))
		if !e.Active {
			b.WriteString(" ended")
		}
	}
	if r.Err == nil {
		for _, f := range r.Refused {
			fmt.Fprintf(&b, "  refused %s: %s", f.Field, f.Reason)
		}
	}
	if len(r.Unmapped) > 0 {
		b.WriteString("  unmapped")
		for i, u := range r.Unmapped {
			if i == 8 {
				fmt.Fprintf(&b, " and %d more", len(r.Unmapped)-i)
				break
			}
			fmt.Fprintf(&b, " %.60s", u.Field)
		}
	}
	if r.Missing > 0 {
		fmt.Fprintf(&b, "  %d missing before it", r.Missing)
	}
	if late > 0 {
		fmt.Fprintf(&b, "  %d late", late)
	}
	if outOfOrder > 0 {
		fmt.Fprintf(&b, "  %d out of order", outOfOrder)
	}
	return b.String()
}

// summary prints the counts.
func (w *vendorWatch) summary() {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "messages\t%d\n", w.messages)
	for _, verdict := range []string{"accepted", "rejected", "ignored", "duplicate"} {
		fmt.Fprintf(t, "  %s\t%d\n", verdict, w.counts[verdict])
	}
	for _, reason := range ingest.Reasons {
		if n := w.reasons[reason]; n > 0 {
			fmt.Fprintf(t, "    %s\t%d\n", reason, n)
		}
	}
	for _, name := range []string{"readings", "events", "refused", "unmapped", "late", "out of order", "repeated", "missing"} {
		if name == "missing" && w.counts[name+"#"] == 0 {
			continue // few formats number their messages
		}
		fmt.Fprintf(t, "%s\t%d\n", name, w.counts[name+"#"])
	}
	for i, f := range w.card.Unmapped(w.vendor) {
		if i == 10 {
			break
		}
		fmt.Fprintf(t, "  unmapped %s\t%d\n", trial.Printable(f.Name), f.Count)
	}
	if w.foreign > 0 {
		fmt.Fprintf(t, "of other vendors\t%d\n", w.foreign)
	}
	t.Flush()
}
