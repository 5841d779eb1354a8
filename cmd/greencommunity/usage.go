package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
)

// usageCmd is about the book of use.
type usageCmd struct {
	Rebuild usageRebuildCmd `cmd:"" help:"Book the use of some days again, from the readings that InfluxDB has. The running service does it, or the next start."`
}

// usageRebuildCmd has the service book use again.
type usageRebuildCmd struct {
	Config    string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Since     string `required:"" help:"First day: a local date, RFC 3339, or how long ago (36h, 2d)." placeholder:"TIME"`
	Until     string `help:"Time before which to end; default now." placeholder:"TIME"`
	Community string `help:"Only this community; default all." placeholder:"ID"`
	NoWait    bool   `help:"Do not wait until it is done."`
}

func (c *usageRebuildCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	now := time.Now()
	ask := serve.Rebuild{Community: ingest.CommunityID(c.Community)}
	if ask.Since, err = parseWhen(c.Since, now, conf.Zone); err != nil {
		return fmt.Errorf("--since: %w", err)
	}
	if c.Until != "" {
		if ask.Until, err = parseWhen(c.Until, now, conf.Zone); err != nil {
			return fmt.Errorf("--until: %w", err)
		}
	}
	return rebuild(ctx, s, conf, []serve.Rebuild{ask}, !c.NoWait, slog.New(slog.NewTextHandler(s.err, nil)))
}

// rebuild asks for use to be booked again, and says what became of it.
func rebuild(ctx context.Context, s streams, conf *serve.Settings, asks []serve.Rebuild, wait bool, log *slog.Logger) error {
	running, err := serve.AskRebuilds(ctx, conf, asks, log)
	if err != nil {
		return err
	}
	if !running {
		fmt.Fprintln(s.out, "the service is stopped: use is booked again when it starts")
		return nil
	}
	if !wait {
		fmt.Fprintln(s.out, "the service books use again; its log says when it is done")
		return nil
	}
	done, err := serve.WaitRebuilds(ctx, conf, asks, log)
	failed := []error{err}
	for _, r := range done {
		of := string(r.Community)
		if of == "" {
			of = "all communities"
		}
		if r.Error != "" {
			failed = append(failed, fmt.Errorf("%s: %s", of, r.Error))
			continue
		}
		fmt.Fprintf(s.out, "use booked again: %s since %s, from %d reads; %d days of boundaries are others, %d hours written anew\n",
			of, r.Since.In(conf.Zone).Format("2006-01-02 15:04"), r.Reads, r.Days, r.Hours)
	}
	return errors.Join(failed...)
}
