package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/pipeline"
)

// devicesCmd shows and changes which devices the service knows, while it runs and
// while it is stopped.
type devicesCmd struct {
	List     devicesListCmd     `cmd:"" default:"withargs" help:"List the devices that a list has or that were heard: vendor, first and last message, how many."`
	Forget   devicesForgetCmd   `cmd:"" help:"Forget devices that no list has: their alarms end, their series go, and whoever may introduce them is their owner."`
	HandOver devicesHandOverCmd `cmd:"" help:"Give devices that no list has to another vendor: their alarms end, and they learn anew."`
}

// deviceFilter selects devices.
type deviceFilter struct {
	Config    string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Vendor    string `help:"Only devices of this vendor." placeholder:"ID"`
	Community string `help:"Only devices of this community." placeholder:"ID"`
	Facility  string `help:"Only devices of this kind of facility." placeholder:"KIND"`
}

func (f *deviceFilter) has(d *pipeline.KnownDevice) bool {
	return (f.Vendor == "" || d.Vendor == ingest.VendorID(f.Vendor)) &&
		(f.Community == "" || d.Community == ingest.CommunityID(f.Community)) &&
		(f.Facility == "" || d.Facility == ingest.FacilityKind(f.Facility))
}

// open returns what is known, and the zone times are shown in.
func (f *deviceFilter) open(ctx context.Context, s streams) (*serve.Devices, []pipeline.KnownDevice, *time.Location, error) {
	conf, err := serve.Load(f.Config)
	if err != nil {
		return nil, nil, nil, err
	}
	devices, err := serve.OpenDevices(ctx, conf, slog.New(slog.NewTextHandler(s.err, nil)))
	if err != nil {
		return nil, nil, nil, err
	}
	known, err := devices.Known(ctx)
	if err != nil {
		devices.Close()
		return nil, nil, nil, err
	}
	return devices, known, conf.Zone, nil
}

type devicesListCmd struct {
	deviceFilter
	Unlisted bool   `help:"Only devices that no list has."`
	Format   string `default:"table" enum:"table,ndjson" help:"table, or ndjson: a device a line." placeholder:"table|ndjson"`
	Name     string `arg:"" optional:"" help:"Only devices with this in their id."`
}

func (c *devicesListCmd) Run(ctx context.Context, s streams) error {
	devices, known, zone, err := c.open(ctx, s)
	if err != nil {
		return err
	}
	defer devices.Close()
	known = slices.DeleteFunc(known, func(d pipeline.KnownDevice) bool {
		return !c.has(&d) || c.Unlisted && d.Listed || !strings.Contains(string(d.Device), c.Name)
	})
	if c.Format == "ndjson" {
		out := json.NewEncoder(s.out)
		for i := range known {
			if err := out.Encode(&known[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if !devices.Running() {
		fmt.Fprintln(s.err, "the service is stopped: this is what it knew at its last checkpoint")
	}
	return deviceTable(s.out, known, zone)
}

func deviceTable(out io.Writer, known []pipeline.KnownDevice, zone *time.Location) error {
	at := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.In(zone).Format(time.DateTime)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMMUNITY\tFACILITY\tDEVICE\tVENDOR\tKNOWN BY\tFIRST\tLAST\tMESSAGES")
	for _, d := range known {
		by := "heard"
		if d.Listed {
			by = "list"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", d.Community, d.Facility, d.Device, d.Vendor, by, at(d.First), at(d.Last), d.Messages)
	}
	return w.Flush()
}

// chosen returns the changes for the devices named, each of which has to be one
// device that no list has.
func (f *deviceFilter) chosen(known []pipeline.KnownDevice, ids []string, to string) ([]pipeline.DeviceChange, error) {
	var changes []pipeline.DeviceChange
	var problems []error
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		var found []pipeline.KnownDevice
		for i := range known {
			if string(known[i].Device) == id && f.has(&known[i]) {
				found = append(found, known[i])
			}
		}
		switch {
		case len(found) == 0:
			problems = append(problems, fmt.Errorf("no device %q is known, with the flags given; see greencommunity devices list", id))
		case len(found) > 1:
			var places []string
			for _, d := range found {
				places = append(places, fmt.Sprintf("--community %s --facility %s --vendor %s", d.Community, d.Facility, d.Vendor))
			}
			problems = append(problems, fmt.Errorf("device %q is known more than once; say which: %s", id, strings.Join(places, ", or ")))
		case found[0].Listed:
			problems = append(problems, fmt.Errorf("device %q is in a list of the inventory: take it out there, or change its vendor there, and reload", id))
		default:
			d := found[0]
			changes = append(changes, pipeline.DeviceChange{Device: d.Device, Community: d.Community, Facility: d.Facility, Vendor: d.Vendor, To: ingest.VendorID(to)})
		}
	}
	return changes, errors.Join(problems...)
}

func (f *deviceFilter) change(ctx context.Context, s streams, ids []string, to string) (changes []pipeline.DeviceChange, when string, err error) {
	devices, known, _, err := f.open(ctx, s)
	if err != nil {
		return nil, "", err
	}
	defer devices.Close()
	if changes, err = f.chosen(known, ids, to); err != nil {
		return nil, "", err
	}
	if !devices.Running() {
		when = ", at the next start of the service"
	}
	return changes, when, devices.Change(ctx, changes)
}

type devicesForgetCmd struct {
	deviceFilter
	Device []string `arg:"" help:"Device ids."`
}

func (c *devicesForgetCmd) Run(ctx context.Context, s streams) error {
	changes, when, err := c.change(ctx, s, c.Device, "")
	if err != nil {
		return err
	}
	for _, d := range changes {
		fmt.Fprintf(s.out, "%s of %s is forgotten%s\n", d.Device, d.Vendor, when)
	}
	return nil
}

type devicesHandOverCmd struct {
	deviceFilter
	To     string   `required:"" help:"The vendor whose they become." placeholder:"ID"`
	Device []string `arg:"" help:"Device ids."`
}

func (c *devicesHandOverCmd) Run(ctx context.Context, s streams) error {
	changes, when, err := c.change(ctx, s, c.Device, c.To)
	if err != nil {
		return err
	}
	for _, d := range changes {
		fmt.Fprintf(s.out, "%s is %s's, and no longer %s's%s\n", d.Device, d.To, d.Vendor, when)
	}
	return nil
}
