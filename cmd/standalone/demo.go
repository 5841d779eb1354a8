package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/alarms"
)

const (
	history  = 14 * 24 * time.Hour
	liveStep = 30 * time.Second
	// seed is one of which something is wrong when history ends: a leak, an
	// overfull bin, lamps that are out or burn by day, devices that are silent.
	seed = 486
)

// demo is the simulated communities and how far they have been published. The
// world is a function of its seed, its start and its steps, so what is kept of
// it is those.
type demo struct {
	path  string
	state demoState
}

type demoState struct {
	Seed    uint64
	Start   time.Time
	Phases  []phase // published, in order
	Systems bool    // with the plan's other systems; a demo of an earlier version has none
}

// phase is a time that was simulated in equal steps.
type phase struct {
	Step  time.Duration
	Until time.Time
}

func openDemo(dir string) (*demo, error) {
	d := &demo{path: filepath.Join(dir, "simulation.json")}
	data, err := os.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		d.state = demoState{Seed: seed, Start: time.Now().Add(-history).Truncate(simulator.HistoryStep), Systems: true}
		return d, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &d.state); err != nil {
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	return d, nil
}

// faults are those of the other systems: some are over when history ends, others go on,
// and some begin minutes after, so that alarms come while somebody looks.
func faults(end time.Time) []simulator.Label {
	fault := func(device string, f simulator.Fault, from, to time.Duration) simulator.Label {
		return simulator.Label{Device: ingest.DeviceID(device), Fault: f, From: end.Add(from), To: end.Add(to)}
	}
	return []simulator.Label{
		fault("nancheng-drain-001", simulator.Flooded, -75*time.Hour, -70*time.Hour), fault("xicheng-noise-001", simulator.Noisy, -34*time.Hour, -28*time.Hour),
		fault("nancheng-square-001", simulator.Crowd, -26*time.Hour, -24*time.Hour), fault("xicheng-fire-001", simulator.Smoke, -50*time.Hour, -49*time.Hour),
		fault("nancheng-charger-002", simulator.ChargerHot, time.Minute, 6*time.Hour), fault("xicheng-drain-002", simulator.Flooded, 2*time.Minute, 3*time.Hour),
		fault("xicheng-charger-003", simulator.ChargerHot, -20*time.Hour, -19*time.Hour), fault("nancheng-fire-003", simulator.PassageBlocked, -5*time.Hour, 48*time.Hour),
		fault("xicheng-fire-002", simulator.HydrantLow, -8*time.Hour, 72*time.Hour), fault("xicheng-parking-001", simulator.ParkingFull, -3*time.Hour, 5*time.Hour),
		fault("xicheng-gate-002", simulator.Tamper, time.Minute, 24*time.Hour), fault("nancheng-gate-003", simulator.Tamper, 3*time.Minute, 24*time.Hour),
	}
}

// note says that everything before until is published, in steps of step.
func (d *demo) note(step time.Duration, until time.Time) error {
	if n := len(d.state.Phases); n > 0 && d.state.Phases[n-1].Step == step {
		d.state.Phases[n-1].Until = until
	} else {
		d.state.Phases = append(d.state.Phases, phase{step, until})
	}
	data, err := json.Marshal(d.state)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.path+".new", data, 0o640); err != nil {
		return err
	}
	return os.Rename(d.path+".new", d.path)
}

// run publishes the history that is missing, calls started, and goes on live.
func (d *demo) run(ctx context.Context, out io.Writer, broker, password string, service *serve.Service, started func()) error {
	end := d.state.Start.Add(history)
	o := simulator.Options{Seed: d.state.Seed, Start: d.state.Start, Faults: true, Clocks: end}
	if d.state.Systems {
		o.Systems, o.Plant = true, faults(end)
	}
	w := simulator.New(o)
	for _, p := range d.state.Phases {
		w.SetStep(p.Step)
		if err := w.Advance(p.Until, nil); err != nil {
			return err
		}
	}
	publisher, err := simulator.Connect(broker, "greencommunity-demo", demoUser, password)
	if err != nil {
		return err
	}
	defer publisher.Close()
	w.SetStep(simulator.HistoryStep)
	// Steps that are not over yet belong to the live part.
	until := time.Now().Add(-simulator.HistoryStep)
	if steps := w.Steps(until); steps > 0 {
		bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription("publishing history"), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionFullWidth())
		for w.Next().Before(until) && ctx.Err() == nil {
			if err := w.Advance(w.Next().Add(1), publisher.Publish); err != nil {
				return err
			}
			_ = bar.Add(1) // a bar that cannot be drawn is no reason to end
		}
		if err := publisher.Flush(); err != nil {
			return err
		}
		if err := d.note(simulator.HistoryStep, w.Next()); err != nil {
			return err
		}
		if ctx.Err() == nil {
			_ = bar.Finish()
		}
		fmt.Fprintln(out)
	}
	if ctx.Err() != nil {
		return nil
	}
	started()
	w.SetStep(liveStep)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return handle(ctx, service.Alarms()) })
	g.Go(func() error {
		return publisher.Live(ctx, w, func(until time.Time) error { return d.note(liveStep, until) })
	})
	return g.Wait()
}

// handle deals with some alarms as people would, one by one as they come, so that there
// are some in each state. What somebody has
// dealt with before is left as it is, and the rest is left to who looks at the demo.
func handle(ctx context.Context, desk *alarms.Desk) error {
	dealt := []alarms.Status{alarms.Acknowledged, alarms.Assigned, alarms.InProgress, alarms.False}
	before, err := desk.List(ctx, alarms.Filter{Statuses: dealt, Limit: 1}, time.Now())
	if err != nil || len(before) > 0 {
		return err
	}
	due := time.Now().Add(48 * time.Hour)
	warnings := []alarms.Change{
		{Status: alarms.Acknowledged, Comment: "已电话联系物业核实"}, {Status: alarms.Assigned, Assignee: "李师傅", Due: &due, Comment: "明早到场"},
		{Status: alarms.InProgress, Assignee: "王师傅", Comment: "已到现场，正在处理"}, {Status: alarms.Cleared, Comment: "现场已处理，恢复正常"},
	}
	infos := []alarms.Change{{Status: alarms.False, Reason: "现场核实无异常"}}
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for len(warnings)+len(infos) > 0 {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		open, err := desk.List(ctx, alarms.Filter{Statuses: []alarms.Status{alarms.Unhandled}, Limit: 100}, time.Now())
		if err != nil {
			return err
		}
		for _, a := range open {
			from := &warnings
			switch a.Severity {
			case "info":
				from = &infos
			case "critical":
				continue // for who looks at the demo
			}
			if len(*from) == 0 {
				continue
			}
			c := (*from)[0]
			c.By, c.Via = "演示经办人", "page"
			if _, err := desk.Apply(a.ID, c, time.Now()); errors.Is(err, alarms.ErrUnknown) || errors.Is(err, alarms.ErrRefused) {
				continue // it has ended meanwhile
			} else if err != nil {
				return err
			}
			*from = (*from)[1:]
		}
	}
	return nil
}
