package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/config"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/format"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/pipeline"
)

// replayCmd decodes what is in the journal again, by the inventory as it is
// now, and writes it to InfluxDB. A point that is there already is written
// over with itself. The service may be running; it books the use of what was written again,
// or does so when it starts.
type replayCmd struct {
	Config string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	From   string `required:"" help:"First time received: RFC 3339, a local date and time, or how long ago (36h, 2d)." placeholder:"TIME"`
	To     string `help:"Time received before which to end; default now." placeholder:"TIME"`
	Vendor string `help:"Only messages of this vendor." placeholder:"ID"`
	DryRun bool   `help:"Decode and count, write nothing."`
	NoWait bool   `help:"Do not wait until the service has booked the use again."`
}

const replayBatch = 5000

func (c *replayCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	now := time.Now()
	from, err := parseWhen(c.From, now, conf.Zone)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	to := now
	if c.To != "" {
		if to, err = parseWhen(c.To, now, conf.Zone); err != nil {
			return fmt.Errorf("--to: %w", err)
		}
	}
	if !from.Before(to) {
		return fmt.Errorf("--from %s is not before --to %s", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	inv := conf.Inventory
	log := slog.New(slog.NewTextHandler(s.err, nil))
	j, err := journal.Open(journal.Options{Dir: filepath.Join(conf.DataDir, "journal"), ReadOnly: true, Logger: log})
	if err != nil {
		return err
	}
	r := &replay{
		worker:   decode.NewWorker(inv, inventory.NewRegistry(inv)),
		times:    pipeline.NewRetimer(),
		rejected: map[ingest.Reason]int{}, touched: map[ingest.CommunityID]int64{}, vendor: ingest.VendorID(c.Vendor), dryRun: c.DryRun,
	}
	o := serve.InfluxOptions(conf.Config)
	o.Logger = log
	r.writer = influx.New(o)
	defer r.writer.Close()
	if err := r.run(ctx, j, from.UnixNano(), to.UnixNano()); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d messages read, %d of them with readings; %d points written, %d refused by InfluxDB; %d ignored\n", r.messages, r.accepted, r.points, r.refused, r.ignored)
	for _, reason := range slices.Sorted(maps.Keys(r.rejected)) {
		fmt.Fprintf(s.out, "rejected as %s: %d\n", reason, r.rejected[reason])
	}
	if c.DryRun || len(r.touched) == 0 {
		return nil
	}
	var asks []serve.Rebuild
	shard := inv.Shard(conf.Shard.Index, conf.Shard.Count)
	for _, community := range slices.Sorted(maps.Keys(r.touched)) {
		if shard.Community(community) != nil { // of another instance it is the other's
			asks = append(asks, serve.Rebuild{Community: community, Since: time.Unix(0, r.touched[community])})
		}
	}
	if err := rebuild(ctx, s, conf, asks, !c.NoWait, log); err != nil {
		return fmt.Errorf("the readings are written, and their use is not booked again: %w", err)
	}
	return nil
}

type replay struct {
	worker  *decode.Worker
	times   *pipeline.Retimer
	writer  *influx.Writer
	encoder influx.Encoder
	vendor  ingest.VendorID
	dryRun  bool
	lines   []byte
	count   int

	messages, accepted, points, refused, ignored int
	rejected                                     map[ingest.Reason]int
	touched                                      map[ingest.CommunityID]int64 // the earliest time, unix nanoseconds
}

func (r *replay) run(ctx context.Context, j *journal.Journal, from, to int64) error {
	before := from - int64(time.Minute) // for the times of what carries none
	messages := j.Read(j.At(before))
	defer messages.Close()
	for messages.Next() {
		m := messages.Message()
		if m.Received >= before && m.Received < from {
			r.times.Retime(r.worker.Decode(m))
			continue
		}
		if m.Received < from || m.Received >= to {
			continue
		}
		if err := r.message(ctx, m); err != nil {
			return err
		}
	}
	if err := messages.Err(); err != nil {
		return err
	}
	return r.write(ctx)
}

func (r *replay) message(ctx context.Context, m *ingest.Message) error {
	result := r.worker.Decode(m)
	r.times.Retime(result)
	if r.vendor != "" && (result.Source == nil || result.Source.Vendor.ID != r.vendor) {
		return nil
	}
	r.messages++
	switch {
	case result.Err != nil:
		r.rejected[result.Err.Reason]++
		return nil
	case result.Ignored != "":
		r.ignored++
		return nil
	}
	r.accepted++
	for i := range result.Readings {
		at, community := result.Readings[i].Time, result.Readings[i].Device.Community
		if first, ok := r.touched[community]; !ok || at < first {
			r.touched[community] = at
		}
	}
	r.encoder.Reset()
	n := r.encoder.Readings(result.Readings) + r.encoder.Events(result.Events)
	if err := r.encoder.Err(); err != nil {
		return fmt.Errorf("message %d: %w", m.Seq, err)
	}
	r.lines, r.count = append(r.lines, r.encoder.Bytes()...), r.count+n
	if r.count >= replayBatch {
		return r.write(ctx)
	}
	return nil
}

func (r *replay) write(ctx context.Context) error {
	if !r.dryRun {
		refused, err := r.writer.Write(ctx, r.lines)
		if err != nil {
			return err
		}
		bad := 0
		for _, each := range refused {
			if each.Field == "" { // of the others the rest of the line is written
				bad++
			}
		}
		r.points += r.count - bad
		r.refused += bad
	}
	r.lines, r.count = r.lines[:0], 0
	return nil
}

// parseWhen reads a time, or how long ago it was.
func parseWhen(text string, now time.Time, zone *time.Location) (time.Time, error) {
	var ago config.Duration
	if ago.UnmarshalText([]byte(text)) == nil {
		return now.Add(-time.Duration(ago)), nil
	}
	for _, layout := range []string{"2006-01-02", "2006-01-02 15:04", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	if ns, ok := format.ParseTime(text, zone); ok {
		return time.Unix(0, ns), nil
	}
	return time.Time{}, fmt.Errorf("%q is neither a time nor a duration; write 2026-11-23T08:00, or 36h for 36 hours ago", text)
}
