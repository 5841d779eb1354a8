package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest/certificate"
	"greencommunity/ingest/config"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/savings"
)

// checkCmd checks configuration and inventory, and with --connect what they
// name: the broker, InfluxDB and the disk.
type checkCmd struct {
	Config  string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Connect bool   `help:"Connect to broker and InfluxDB, and measure what bounds throughput."`
	// VendorLogin is tried with --connect: whether it could take our session.
	VendorLogin        string `help:"With --connect: a vendor's user name at the broker, to try whether it could take the ingester's session." placeholder:"NAME"`
	VendorPasswordFile string `help:"File with that vendor's password." placeholder:"FILE"`
}

func (c *checkCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	inv := conf.Inventory
	if broken := inv.BrokenCodecs(); len(broken) > 0 { // the service runs without them
		return fmt.Errorf("decoders that cannot be run; their devices' messages would be refused:\n%w", errors.Join(broken...))
	}
	if conf.Ledger.File != "" {
		table := ledgerCheckCmd{ledgerConfig: ledgerConfig{c.Config}, File: conf.Ledger.File}
		if err := table.Run(s); err != nil {
			return err
		}
	}
	sources := 0
	for _, v := range inv.Vendors {
		sources += len(v.Sources)
	}
	fmt.Fprintf(s.out, "configuration and inventory are in order: %d communities, %d vendors, %d sources, %d devices\n", len(inv.Communities), len(inv.Vendors), sources, inv.Devices())
	for _, advice := range savings.Advice(inv, time.Now().In(conf.Zone).Year()) {
		fmt.Fprintf(s.out, "warning: %s\n", advice)
	}
	for _, problem := range conf.Alarms.Unknown(inv) {
		fmt.Fprintf(s.out, "warning: %s: %s\n", conf.Alarms.Schedule, problem)
	}
	if conf.Shard.Count > 1 {
		inv = inv.Shard(conf.Shard.Index, conf.Shard.Count)
		checkShard(s.out, conf, inv)
	}
	fmt.Fprintf(s.out, "subscribes to %s\n", filterList(inv.Filters()))
	if !c.Connect {
		return nil
	}
	disk, err := checkDisk(s.out, conf.DataDir)
	problems := []error{err, checkBroker(ctx, s.out, conf, inv, disk), c.checkSession(ctx, s.out, conf), checkInfluxDB(ctx, s.out, conf), checkCertificates(ctx, s.out, conf)}
	return errors.Join(problems...)
}

const maxFilters = 20 // as many are named

func filterList(filters []string) string {
	if more := len(filters) - maxFilters; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(filters[:maxFilters], ", "), more)
	}
	return strings.Join(filters, ", ")
}

// checkShard says what is this instance's, and what stands in the way of a
// clean division.
func checkShard(out io.Writer, conf *serve.Settings, inv *inventory.Inventory) {
	devices := 0
	for range inv.AllDevices() {
		devices++
	}
	fmt.Fprintf(out, "instance %d of %d: %d communities and %d listed devices are its own\n", conf.Shard.Index, conf.Shard.Count, len(inv.Communities), devices)
	if conf.MQTT.ClientID != "" && !strings.Contains(conf.MQTT.ClientID, strconv.Itoa(conf.Shard.Index)) {
		fmt.Fprintf(out, "warning: mqtt.client_id %q has no %d in it: each instance needs one of its own, or they throw each other out of the broker\n", conf.MQTT.ClientID, conf.Shard.Index)
	}
	for _, s := range inv.Undivided() {
		fmt.Fprintf(out, "warning: vendor %s: topic %q names no community: one instance takes all of it, and what is worked out over a community whose other devices report elsewhere (measurement boundaries, group alarms) lacks them; put {community} into the topic, or a source for each community\n", s.Vendor.ID, s.Topic)
	}
}

// checkDisk measures the time of an fsync in the data directory.
func checkDisk(out io.Writer, dir string) (time.Duration, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return 0, fmt.Errorf("data_dir: %w", err)
	}
	f, err := os.CreateTemp(dir, "check-*")
	if err != nil {
		return 0, fmt.Errorf("data_dir: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 32<<10)
	var times []time.Duration
	for range 25 {
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return 0, fmt.Errorf("data_dir: %w", err)
		}
		if err := f.Sync(); err != nil {
			return 0, fmt.Errorf("data_dir: %w", err)
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	median := times[len(times)/2]
	fmt.Fprintf(out, "disk: %s takes %s an fsync (median of %d)\n", filepath.Clean(dir), median.Round(time.Microsecond), len(times))
	return median, nil
}

func checkBroker(ctx context.Context, out io.Writer, conf *serve.Settings, inv *inventory.Inventory, fsync time.Duration) error {
	o := serve.BrokerOptions(conf.Config)
	o.Filters = inv.Filters()
	probe, err := mqtt.ProbeBroker(ctx, o, pipeline.FeedbackTopic+"check-")
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	perSecond := float64(probe.Window) / (fsync + probe.RoundTrip).Seconds()
	fmt.Fprintf(out, "broker: connected, every filter granted at QoS 1; %s from publisher to us\n", probe.RoundTrip.Round(time.Microsecond))
	fmt.Fprintf(out, "broker: %d messages unacknowledged at a time, so about %.0f messages/s at most\n", probe.Window, perSecond)
	if probe.Queued < mqtt.QueueProbe {
		fmt.Fprintf(out, "warning: the broker kept %d of %d messages for an absent session: what comes while we are down is lost beyond that; raise max_queued_messages (Mosquitto: 0) or its like\n", probe.Queued, mqtt.QueueProbe)
	}
	fmt.Fprintln(out, "note: whether the broker keeps its queue over a restart cannot be seen from here; Mosquitto needs `persistence true`")
	return nil
}

// checkSession tries whether others could take our session at the broker, with
// the messages that wait in it: a client without a name, and the vendor given.
func (c *checkCmd) checkSession(ctx context.Context, out io.Writer, conf *serve.Settings) error {
	o := serve.BrokerOptions(conf.Config)
	const cure = "leave mqtt.client_id out, so that the ingester makes itself one that nobody can guess, or have the broker bind ids to users"
	guessable := conf.MQTT.ClientID != "" && mqtt.Guessable(conf.MQTT.ClientID)
	if o.Username != "" {
		open, err := mqtt.TakesOver(ctx, o, "", "")
		if err != nil {
			return fmt.Errorf("broker: session: %w", err)
		}
		if open {
			return errors.New("broker: a client without a user name is let in, and is given the session of the id it names; forbid it (Mosquitto: allow_anonymous false)")
		}
	}
	if c.VendorLogin == "" {
		if guessable {
			fmt.Fprintf(out, "warning: mqtt.client_id %q can be guessed: whoever has a login at the broker and names it may take our session and all that waits in it; %s. "+
				"--vendor-login and --vendor-password-file try it\n", conf.MQTT.ClientID, cure)
		}
		return nil
	}
	password, err := config.MQTT{PasswordFile: c.VendorPasswordFile}.ReadPassword()
	if err != nil {
		return fmt.Errorf("--vendor-password-file: %w", err)
	}
	taken, err := mqtt.TakesOver(ctx, o, c.VendorLogin, password)
	switch {
	case err != nil:
		return fmt.Errorf("broker: session: %w", err)
	case taken && guessable:
		return fmt.Errorf("broker: it gave a session of ours to the user %q, who named its client id, and mqtt.client_id %q can be guessed; %s", c.VendorLogin, conf.MQTT.ClientID, cure)
	case taken:
		fmt.Fprintln(out, "broker: it gives a session to any user who names its client id; ours cannot be guessed: keep it, and the broker's log, from others")
	default:
		fmt.Fprintf(out, "broker: the user %q could not take a session of ours (refused; whether the password is right cannot be seen from that)\n", c.VendorLogin)
	}
	return nil
}

func checkInfluxDB(ctx context.Context, out io.Writer, conf *serve.Settings) error {
	w := influx.New(serve.InfluxOptions(conf.Config))
	defer w.Close()
	start := time.Now()
	unnamed, err := w.Check(ctx)
	if err != nil {
		return fmt.Errorf("influxdb: %w", err)
	}
	fmt.Fprintf(out, "influxdb: %s takes points for %s/%s; %s to answer\n", conf.InfluxDB.URL, conf.InfluxDB.Org, conf.InfluxDB.Bucket, time.Since(start).Round(time.Microsecond))
	if unnamed {
		fmt.Fprintln(out, "warning: influxdb: the answer does not say that it is InfluxDB's (no X-Influxdb-Version): a database that speaks its protocol, or a proxy that takes everything; look whether points arrive")
	}
	return nil
}

// expirySoon sets when an alert tells of a certificate's end.
const expirySoon = 30 * 24 * time.Hour

func checkCertificates(ctx context.Context, out io.Writer, conf *serve.Settings) error {
	var problems []error
	for _, address := range serve.Certificates(conf.Config) {
		expiry, err := certificate.Look(ctx, address)
		left := time.Until(expiry)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("certificate of %s: %w", address, err))
		case left < 0:
			problems = append(problems, fmt.Errorf("certificate of %s: expired at %s", address, expiry.In(conf.Zone).Format(time.DateTime)))
		case left < expirySoon:
			fmt.Fprintf(out, "warning: certificate of %s expires in %.0f days, at %s: renew it now\n", address, left.Hours()/24, expiry.In(conf.Zone).Format(time.DateTime))
		default:
			fmt.Fprintf(out, "certificate of %s: good until %s\n", address, expiry.In(conf.Zone).Format(time.DateTime))
		}
	}
	return errors.Join(problems...)
}
