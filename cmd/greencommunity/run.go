package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"

	"greencommunity/cmd/internal/serve"
)

// runCmd runs the ingester until it is told to end. SIGHUP reads the inventory
// again.
type runCmd struct {
	Config     string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
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
	service, err := serve.New(conf, log)
	if err != nil {
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
