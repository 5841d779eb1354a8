package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"

	"greencommunity/cmd/internal/serve"
	"greencommunity/ingest/pipeline"
)

// runCmd runs the ingester until it is told to end. SIGHUP reads the inventory
// again.
type runCmd struct {
	Config     string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Standby    bool   `help:"Wait until no other process works on data_dir, and take over then."`
	LogLevel   string `enum:"debug,info,warn,error" default:"info" help:"What is logged: debug, info, warn or error."`
	CPUProfile string `name:"cpu-profile" hidden:"" help:"Write a CPU profile to this file."`
}

func (c *runCmd) Run(ctx context.Context, s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: level}))
	if os.Getenv("GOGC") == "" {
		// What is allocated beside the state of devices is garbage within
		// milliseconds, half a kilobyte a message. Collecting it at 40 % instead of
		// 100 % costs an eighth of the CPU time, and takes 5 MiB off what 10,000
		// devices would have resident.
		debug.SetGCPercent(40)
	}
	service, err := c.service(ctx, conf, log)
	if err != nil || service == nil {
		if ctx.Err() != nil {
			return nil // told to end meanwhile
		}
		return err
	}
	if c.CPUProfile != "" {
		f, err := os.Create(c.CPUProfile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Fprintf(s.out, "greencommunity listens on http://%s\n", service.Addr())
	ctx, cancel := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() { service.ReloadOnHangup(ctx) })
	defer func() { cancel(); reloads.Wait() }()
	return service.Run(ctx)
}

// service returns the service once it is its turn: of a standby, when nobody works on the
// data directory; where the number of instances changes, when what moves has moved. nil: this
// instance is no more.
func (c *runCmd) service(ctx context.Context, conf *serve.Settings, log *slog.Logger) (*serve.Service, error) {
	for {
		if c.Standby {
			if err := serve.StandBy(ctx, conf, log); err != nil {
				return nil, err
			}
		}
		ended, err := serve.Move(ctx, conf, log)
		if err == nil && ended {
			return nil, nil
		}
		var service *serve.Service
		if err == nil {
			service, err = serve.New(conf, log)
		}
		switch {
		case err == nil && c.Standby:
			service.TookOver()
			return service, nil
		case c.Standby && errors.Is(err, pipeline.ErrInUse):
			continue // another standby was first
		}
		return service, err
	}
}
