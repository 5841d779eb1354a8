package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"greencommunity/cmd/internal/systemd"
	"greencommunity/cmd/internal/version"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics"
	"greencommunity/metrics/notify"
)

// notifyCmd takes Alertmanager's notifications and delivers them to chat groups.
type notifyCmd struct {
	Config string `required:"" help:"Path of notify.yaml." placeholder:"FILE"`
	Check  bool   `help:"Check the configuration and end."`
}

func (c *notifyCmd) Run(ctx context.Context, s streams) error {
	conf, names, err := loadNotify(c.Config)
	if err != nil {
		return err
	}
	if c.Check {
		fmt.Fprintf(s.out, "configuration is in order: %d robots, names of %d communities\n", len(conf.Robots), len(names.Communities))
		return nil
	}
	if err := conf.Open(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(s.err, nil))
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := version.Read()
	registry.MustRegister(build.Collector())
	current := newNames(conf, names, log)
	notifier := notify.New(conf, current.get, log, registry)
	reload := func(context.Context) error { return reloadNotify(c.Config, conf, notifier, current, log) }
	server, err := metrics.Listen(metrics.Options{
		Listen: conf.Listen, WebConfigFile: conf.WebConfigFile, Gatherer: registry, Logger: log,
		Ready:  func() error { return nil },
		Reload: reload,
		Routes: map[string]http.Handler{"POST /alerts": notifier, "POST /alerts/{robot}": notifier},
	})
	if err != nil {
		return err
	}
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	go func() { // ends with Run
		for {
			select {
			case <-ctx.Done():
				return
			case <-reloads:
				_ = reload(ctx) // logged there
			}
		}
	}()
	telling, stop := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() { // ends with Run
		defer close(told)
		notifier.Run(telling)
	}()
	defer func() { stop(); <-told }()
	go systemd.Run(ctx, log, func() error { return nil })
	server.Open() // nothing is counted that was counted before
	fmt.Fprintf(s.out, "greencommunity notify listens on http://%s\n", server.Addr())
	return server.Run(ctx)
}

// reloadNotify reads configuration, robots' addresses and the inventory's names again.
// Anything wrong with any of it changes nothing, and all of it is told.
func reloadNotify(path string, running *notify.Config, n *notify.Notifier, names *currentNames, log *slog.Logger) error {
	conf, read, err := loadNotify(path)
	if err != nil {
		log.Error("nothing reloaded", "error", err)
		return err
	}
	if conf.Listen != running.Listen || conf.WebConfigFile != running.WebConfigFile {
		log.Warn("changed, and in force after a restart only", "settings", "listen, web_config_file")
	}
	if err := conf.Open(); err != nil {
		log.Error("nothing reloaded", "error", err)
		return err
	}
	names.set(conf, read)
	n.Configure(conf)
	log.Info("reloaded", "robots", len(conf.Robots), "communities", len(read.Communities))
	return nil
}

// loadNotify reads the configuration and the inventory it names. All problems of
// both are reported together.
func loadNotify(path string) (*notify.Config, notify.Names, error) {
	conf, p, err := notify.Read(path)
	if err != nil {
		return nil, notify.Names{}, err
	}
	err = p.Of(path)
	var names notify.Names
	if conf != nil && conf.Zone != nil {
		var more error
		names, more = namesOf(conf)
		err = errors.Join(err, more)
	}
	return conf, names, err
}

// currentNames is the names as the inventory's file has them now.
type currentNames struct {
	log *slog.Logger

	mu    sync.Mutex // messages of several robots ask at once
	conf  *notify.Config
	names notify.Names
	read  fs.FileInfo // the file that names is of, or that was found wrong
}

func newNames(conf *notify.Config, names notify.Names, log *slog.Logger) *currentNames {
	c := &currentNames{log: log}
	c.set(conf, names)
	return c
}

// set goes on with another configuration and its names.
func (c *currentNames) set(conf *notify.Config, names notify.Names) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conf, c.names = conf, names
	c.read, _ = os.Stat(conf.Inventory)
}

// get reads the names again where the file has changed. One that is wrong
// changes nothing: a message is said by the names of before.
func (c *currentNames) get() notify.Names {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conf.Inventory == "" {
		return c.names
	}
	now, err := os.Stat(c.conf.Inventory)
	if err != nil || c.read != nil && os.SameFile(now, c.read) && now.ModTime().Equal(c.read.ModTime()) && now.Size() == c.read.Size() {
		return c.names
	}
	c.read = now
	names, err := namesOf(c.conf)
	if err != nil {
		c.log.Error("names not read again; those of before are used", "error", err)
		return c.names
	}
	c.names = names
	c.log.Info("names read again", "communities", len(names.Communities))
	return names
}

// namesOf returns what people call communities and kinds of facility.
func namesOf(conf *notify.Config) (notify.Names, error) {
	names := notify.Names{Communities: map[string]string{}, Facilities: map[string]string{}}
	if conf.Inventory == "" {
		return names, nil
	}
	inv, err := inventory.Load(conf.Inventory, conf.Zone)
	if err != nil {
		return names, err
	}
	for _, community := range inv.Communities {
		names.Communities[string(community.ID)] = community.Name
	}
	for _, kind := range inv.Facilities.Kinds() {
		names.Facilities[string(kind)] = inv.Facilities.Kind(kind).Label.ZH
	}
	return names, nil
}
