package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/pipeline"
)

// eraseCmd erases what was kept of a device, a community or a span of time: from
// the journal, the rejects, the state and InfluxDB. The service must not run.
type eraseCmd struct {
	Config    string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Device    string `help:"Everything of this device." placeholder:"ID"`
	Community string `help:"Everything of this community." placeholder:"ID"`
	Person    string `help:"A person's name, out of the ledger (contacts, who changed something) and the history of alarms (assignees, comments)." placeholder:"NAME"`
	From      string `help:"Only from this time on: RFC 3339, a local date and time, or how long ago (36h, 2d)." placeholder:"TIME"`
	To        string `help:"Only before this time." placeholder:"TIME"`
	DryRun    bool   `help:"Count, and erase nothing."`
}

func (c *eraseCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	if c.Person != "" {
		if c.Device != "" || c.Community != "" || c.From != "" || c.To != "" {
			return errors.New("--person goes alone: erase devices, communities and times by another call")
		}
		e, err := serve.ErasePerson(conf, c.Person, c.DryRun)
		if err == nil {
			printPerson(s.out, e, c.DryRun)
		}
		return err
	}
	now := time.Now()
	what := pipeline.Selection{Device: ingest.DeviceID(c.Device), Community: ingest.CommunityID(c.Community)}
	for _, bound := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", c.From, &what.From}, {"--to", c.To, &what.To}} {
		if bound.text == "" {
			continue
		}
		if *bound.to, err = parseWhen(bound.text, now, conf.Zone); err != nil {
			return fmt.Errorf("%s: %w", bound.flag, err)
		}
	}
	if !what.From.IsZero() && !what.To.IsZero() && !what.From.Before(what.To) {
		return fmt.Errorf("--from %s is not before --to %s", what.From.Format(time.RFC3339), what.To.Format(time.RFC3339))
	}
	if c.Device == "" && c.Community == "" && c.From == "" && c.To == "" {
		return errors.New("nothing is selected: give --device, --community, --from and --to, or --person")
	}
	e, err := serve.Erase(ctx, conf, what, c.DryRun, slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
	printErasure(s.out, &e, c.DryRun, err)
	return err
}

func printPerson(out io.Writer, e serve.PersonErasure, dryRun bool) {
	verb := "lines without the name now"
	if dryRun {
		verb = "lines that have the name"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "place\t%s\n", verb)
	fmt.Fprintf(w, "ledger\t%d\n", e.Ledger)
	fmt.Fprintf(w, "history of alarms\t%d\n", e.Alarms)
	w.Flush()
	fmt.Fprintln(out, "Not here: roster.yaml, users, inventory, silences, backups and what robots were sent; take the name out there as well.")
}

func printErasure(out io.Writer, e *serve.Erasure, dryRun bool, err error) {
	verb := "erased"
	if dryRun {
		verb = "would be erased"
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "place\t%s\n", verb)
	fmt.Fprintf(w, "journal\t%d messages in %d segments; %d damaged files aside\n", e.Journal.Messages, e.Journal.Segments, e.Journal.Aside)
	fmt.Fprintf(w, "rejects\t%d lines\n", e.Rejects)
	fmt.Fprintf(w, "history of alarms\t%d lines\n", e.Alarms)
	fmt.Fprintf(w, "devices\t%d, with their state and alarms\n", e.Devices)
	if !dryRun {
		fmt.Fprintf(w, "waiting for InfluxDB\t%d points\n", e.Points)
		fmt.Fprintf(w, "checkpoints\t%d files written anew\n", e.States)
	}
	switch {
	case dryRun:
		fmt.Fprintf(w, "InfluxDB\tnot asked\n")
	case e.Stored:
		fmt.Fprintf(w, "InfluxDB\tall points of the selection; confirmed\n")
	case err != nil:
		fmt.Fprintf(w, "InfluxDB\tNOTHING: erase again\n")
	}
	w.Flush()
}
