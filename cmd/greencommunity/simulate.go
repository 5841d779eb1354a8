package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"greencommunity/ingest/config"
	"greencommunity/ingest/simulator"
)

// simulateCmd publishes simulated communities, backfilled at full speed, live,
// or both.
type simulateCmd struct {
	Broker      string          `default:"tcp://127.0.0.1:1883" help:"Where to publish." placeholder:"URL"`
	Username    string          `help:"User at the broker."`
	PasswordEnv string          `help:"Environment variable with the password." placeholder:"NAME"`
	Seed        uint64          `default:"1" help:"Other seeds give other days."`
	Backfill    config.Duration `default:"0" help:"Publish so much history first, at full speed: 14d." placeholder:"DURATION"`
	Live        bool            `help:"Then go on as time goes by."`
	Every       config.Duration `default:"30s" help:"Step of live readings." placeholder:"DURATION"`
	Scale       int             `default:"1" help:"Multiplies the number of devices, 140."`
	Faults      bool            `help:"Plant faults."`
	Systems     bool            `help:"With parking, charging, noise, drainage, public areas, fire, environment, and stations that register waste."`
	Out         string          `help:"Write inventory.yaml, and labels.ndjson with the planted faults, to this directory." placeholder:"DIR"`
}

func (c *simulateCmd) Run(ctx context.Context, s streams) error {
	if c.Backfill == 0 && !c.Live && c.Out == "" {
		return fmt.Errorf("nothing to do: give --backfill, --live or --out")
	}
	now := time.Now()
	w := simulator.New(simulator.Options{Seed: c.Seed, Start: now.Add(-time.Duration(c.Backfill)), Scale: c.Scale, Faults: c.Faults, Systems: c.Systems, Clocks: now})
	if c.Out != "" {
		if err := writeSimulation(c.Out, w, c.Systems); err != nil {
			return err
		}
	}
	if c.Backfill == 0 && !c.Live {
		return nil
	}
	p, err := simulator.Connect(c.Broker, fmt.Sprintf("simulate-%d", os.Getpid()), c.Username, os.Getenv(c.PasswordEnv))
	if err != nil {
		return err
	}
	defer p.Close()
	n, start := 0, time.Now()
	err = w.Advance(now, func(m simulator.Message) error {
		n++
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return p.Publish(m)
	})
	if err == nil {
		err = p.Flush()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%d messages of %d devices in %s\n", n, w.Devices(), time.Since(start).Round(time.Millisecond))
	if !c.Live {
		return nil
	}
	w.SetStep(time.Duration(c.Every))
	return p.Live(ctx, w, func(time.Time) error { return nil })
}

func writeSimulation(dir string, w *simulator.World, systems bool) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	inventory := simulator.Inventory()
	if systems {
		inventory = simulator.SystemsInventory()
	}
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(inventory), 0o640); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "labels.ndjson"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := json.NewEncoder(f)
	for _, l := range w.Labels() {
		if err := lines.Encode(l); err != nil {
			return err
		}
	}
	return f.Close()
}
