package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/cmd/internal/systemd"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics"
)

// A standby waits for the data directory, which it shares with the process that works on it
// (one machine's disk, a volume that moves, or a file system of several machines with locks):
// when that process is gone its lock is, and the standby goes on with its last state and, as
// the client id lies there too, with its session at the broker.
//
// Three things keep two from working at once. The lock lets one in. The broker lets one
// connection have a session. And who works writes its name into the directory and looks every
// second whether it still stands there: where a lock is lost and nobody says so, as on a file
// system over a network, the one before finds another's name and ends.

// StandBy waits until no process works on the data directory, and says so over HTTP.
func StandBy(ctx context.Context, c *Settings, log *slog.Logger) error {
	stop, err := c.waiting(ctx, log, errors.New("standing by: another process works on the data directory"), standbyGauge(1))
	if err != nil {
		return err
	}
	defer stop()
	log.Info("standing by", "data_dir", c.DataDir)
	look := time.NewTicker(standbyLook)
	defer look.Stop()
	for {
		err := pipeline.Unused(c.DataDir)
		if err == nil {
			log.Warn("nobody works on the data directory any more: taking over", "data_dir", c.DataDir)
			return nil
		}
		if !errors.Is(err, pipeline.ErrInUse) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

const standbyLook = 250 * time.Millisecond

func standbyGauge(value float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "greencommunity_standby", Help: "Of a process started with --standby: 1 while it waits, 0 once it has taken over.",
	}, func() float64 { return value })
}

// TookOver has the service say that it was the standby.
func (s *Service) TookOver() { s.registry.MustRegister(standbyGauge(0)) }

// waiting serves what a process says of itself while it has no service yet, until stop is
// called: then the port is free.
func (c *Settings) waiting(ctx context.Context, log *slog.Logger, why error, collectors ...prometheus.Collector) (stop func(), err error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors...)
	server, err := metrics.Listen(metrics.Options{
		Listen: c.HTTP.Listen, WebConfigFile: c.HTTP.WebConfigFile, Hosts: c.HTTP.Hosts, Gatherer: registry, Logger: log,
		Ready: func() error { return why }, Reload: func(context.Context) error { return why }, Routes: map[string]http.Handler{},
	})
	if err != nil {
		return nil, err
	}
	server.Open()
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			log.Error("HTTP", "error", err)
		}
	})
	running.Go(func() { systemd.Meanwhile(ctx, log) })
	return func() { cancel(); running.Wait() }, nil
}

// own writes our name into the data directory, and returns an error once another stands there.
func own(ctx context.Context, dir string) error {
	path, name := filepath.Join(dir, "owner"), rand.Text()
	host, _ := os.Hostname()
	text := fmt.Sprintf("%s %s %d\n", name, host, os.Getpid())
	if err := durable.Replace(path, []byte(text), 0o644); err != nil {
		return err
	}
	look := time.NewTicker(ownerLook)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		if now, err := os.ReadFile(path); err == nil && string(now) != text {
			return fmt.Errorf("another process has taken over the data directory %s (%.80q): this one ends, so that nothing is written twice; "+
				"see that the file system keeps locks, or stop one of the two", dir, now)
		}
	}
}

const ownerLook = time.Second
