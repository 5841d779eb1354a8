// Package serve puts the ingester together from a configuration: the pipeline
// that takes messages in, and the server that shows what became of them. Both
// commands that run it, greencommunity and standalone, run this.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"greencommunity/cmd/internal/systemd"
	"greencommunity/cmd/internal/version"
	"greencommunity/dashboards/access"
	"greencommunity/dashboards/api"
	"greencommunity/dashboards/page"
	"greencommunity/dashboards/paste"
	"greencommunity/ingest"
	"greencommunity/ingest/certificate"
	"greencommunity/ingest/config"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/ingest/push"
	"greencommunity/metrics"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/community"
	"greencommunity/metrics/ledger"
)

// Service is an ingester.
type Service struct {
	settings  *Settings
	log       *slog.Logger
	pipeline  *pipeline.Pipeline
	observers *observers
	server    *metrics.Server
	// certificates of others, whose expiry is told beforehand.
	certificates *certificate.Watch
	ledger       *ledger.Service
	reports      *reports
	rebuilds     *rebuilds
	push         *push.Listener // nil where it is off
	access       *access.Access
	api          *api.API
	registry     *prometheus.Registry
	end          context.CancelFunc // of sessions
	passing      bool               // it runs until its communities are handed over, and another comes after it

	// AlsoReload, where set before Run, reads what else belongs to a reload and
	// returns how to take it over once all the rest is found in order; with an
	// error nothing is reloaded.
	AlsoReload func() (apply func(), err error)
}

// New opens the data directory and the HTTP port; nothing runs yet.
func New(c *Settings, log *slog.Logger) (*Service, error) {
	limitMemory(log)
	tellBroken(c.Inventory, log)
	inv := c.Inventory.Shard(c.Shard.Index, c.Shard.Count)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := version.Read()
	registry.MustRegister(build.Collector())
	s := &Service{settings: c, log: log, registry: registry, certificates: certificate.New(Certificates(c.Config), log)}
	observers := newObservers(c, func() *inventory.Inventory { return s.pipeline.Inventory() }, log)
	s.observers = observers
	registry.MustRegister(observers.book, observers.facility, observers.systems, observers.hourly, observers.savings, observers.anomaly, observers.desk, observers.vendors)
	registry.MustRegister(s.certificates)
	if err := s.openLedger(registry); err != nil {
		return nil, err
	}
	// Who counts communities counts them as the ledger has them.
	registry.MustRegister(community.Collector{Inventory: s.ledger.Inventory})
	sessions, end := context.WithCancel(context.Background())
	s.access, s.end = access.New(sessions, c.Access, c.Zone, c.HTTP.WebConfigFile, log), end
	view := page.New(page.Sources{
		Version: build.String(), Grafana: c.HTTP.Grafana,
		Ready: s.Ready, Status: func() pipeline.Status { return s.pipeline.Status() },
		Inventory: s.ledger.Inventory,
		Facility:  observers.facility, Systems: observers.systems, Desk: observers.desk, Savings: observers.figures,
	})
	s.api = api.New(api.Sources{
		Inventory: s.ledger.Inventory, Status: func() pipeline.Status { return s.pipeline.Status() },
		Devices: func(from uint32, yield func(uint32, *ingest.Device) bool) { s.pipeline.Devices(from, yield) },
		Last: func(device uint32) (*ingest.Message, bool, error) {
			seq, one := observers.last.of(device)
			if seq == 0 {
				return nil, false, nil
			}
			m, there, err := s.pipeline.Journaled(seq)
			if err != nil || !there {
				return nil, false, err
			}
			return &m, one, nil
		},
		Facility: observers.facility, Savings: observers.figures, Desk: observers.desk, InfluxDB: InfluxOptions(c.Config), Logger: log,
	})
	routes := view.Routes()
	maps.Copy(routes, s.access.Routes())
	maps.Copy(routes, s.api.Routes())
	maps.Copy(routes, s.ledger.Routes())
	routes["GET /api/v1/alarms"] = s.api.Alarms(routes["GET /api/v1/alarms"]) // as a table too
	maps.Copy(routes, paste.New(s.ledger.Inventory).Routes())
	s.reports = newReports(s)
	routes["GET /api/v1/report"] = s.reports
	var err error
	if s.server, err = metrics.Listen(metrics.Options{
		Listen: c.HTTP.Listen, WebConfigFile: c.HTTP.WebConfigFile, Hosts: c.HTTP.Hosts, Gatherer: registry, Logger: log,
		Ready: func() error { return s.pipeline.Ready() }, Reload: s.Reload,
		Routes: routes, Protect: s.access.Middleware, Bodies: map[string]int64{"/api/v1/ledger": ledger.MaxBody, "/api/v1/decode": paste.MaxBody},
	}); err != nil {
		return nil, err
	}
	o := pipelineOptions(c.Config)
	o.Inventory, o.Logger, o.Registerer, o.Built = inv, log, registry, build.Time
	o.Observers = observers.list()
	if s.pipeline, err = pipeline.New(o); err != nil {
		return nil, errors.Join(err, s.server.Close())
	}
	s.rebuilds = newRebuilds(s)
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "greencommunity_shard", Help: "The share of the communities that this instance has: which one of how many, always 1.",
		ConstLabels: prometheus.Labels{"index": strconv.Itoa(c.Shard.Index), "count": strconv.Itoa(c.Shard.Count)},
	}, func() float64 { return 1 }))
	if err := observers.desk.Open(); err != nil { // the pipeline has locked the directory
		return nil, err
	}
	if c.Push.Listen != "" {
		if s.push, err = push.Listen(push.Options{
			Listen: c.Push.Listen, PasswordFile: c.Push.PasswordFile, CertFile: c.Push.CertFile, KeyFile: c.Push.KeyFile,
			MaxBytes: int64(c.Push.MaxBytes), Logger: log,
		}, s.pipeline); err != nil {
			return nil, err
		}
		log.Info("devices may post their messages", "address", s.push.Addr())
	}
	return s, nil
}

// Erasure says what Erase erased, or would.
type Erasure struct {
	pipeline.Erasure
	Alarms int // lines of the history of alarms
}

// Erase erases what is selected from where the service of these settings keeps it. Of
// the history of alarms it is those that were told in a span of time.
func Erase(ctx context.Context, c *Settings, what pipeline.Selection, dryRun bool, log *slog.Logger) (Erasure, error) {
	o := pipelineOptions(c.Config)
	o.Inventory, o.Logger = c.Inventory.Shard(c.Shard.Index, c.Shard.Count), log
	o.Observers = newObservers(c, nil, log).list()
	done, err := pipeline.Erase(ctx, o, what, dryRun)
	e := Erasure{Erasure: done}
	if err != nil {
		return e, err
	}
	e.Alarms, err = alarms.Erase(filepath.Join(c.DataDir, "alarms"), func(s *alarms.State) bool {
		return (what.Device == "" || s.Device == what.Device) && (what.Community == "" || s.Community == what.Community) &&
			(what.From.IsZero() || !s.Told.Before(what.From)) && (what.To.IsZero() || s.Told.Before(what.To))
	}, dryRun)
	return e, err
}

// PersonErasure says how many lines of what named a person.
type PersonErasure struct{ Ledger, Alarms int }

// ErasePerson takes a person out of the ledger and the history of alarms, in all that they
// ever held: a contact or a name of whom something was given to that has the person's goes
// whole, as telephone numbers stand behind it; out of other texts the name goes.
func ErasePerson(c *Settings, name string, dryRun bool) (e PersonErasure, err error) {
	name = strings.TrimSpace(name)
	if utf8.RuneCountInString(name) < 2 {
		return e, fmt.Errorf("%q is too short for a name: it would be found in words; give all of it", name)
	}
	lock, err := pipeline.Lock(c.DataDir)
	if err != nil {
		return e, err
	}
	defer lock.Close()
	taken := func(text string, who bool) string {
		switch {
		case !strings.Contains(text, name):
			return text
		case who:
			return erasedPerson
		}
		return strings.ReplaceAll(text, name, erasedPerson)
	}
	if e.Ledger, err = ledger.ErasePerson(c.DataDir, taken, dryRun); err != nil {
		return e, err
	}
	e.Alarms, err = alarms.ErasePerson(filepath.Join(c.DataDir, "alarms"), taken, dryRun)
	return e, err
}

// erasedPerson stands where a person was.
const erasedPerson = "（已删除）"

func pipelineOptions(c *config.Config) pipeline.Options {
	return pipeline.Options{
		DataDir: c.DataDir, MQTT: BrokerOptions(c),
		InfluxDB:          InfluxOptions(c),
		Journal:           journal.Options{MaxBytes: int64(c.Journal.MaxBytes), Retention: time.Duration(c.Journal.Retention)},
		AcknowledgeStored: c.Acknowledge == "stored",
		Division:          pipeline.Division{Index: c.Shard.Index, Count: c.Shard.Count}, Redivide: c.Shard.HandOver == "none",
		BatchSize: c.Store.BatchLines, BatchAge: time.Duration(c.Store.BatchAge),
		FeedbackPerMinute: *c.Feedback.PerMinute, RejectsBytes: int64(c.Rejects.MaxBytes),
	}
}

// InfluxOptions returns how the configuration reaches InfluxDB. Token and authorities
// are read when they are used.
func InfluxOptions(c *config.Config) influx.Options {
	return influx.Options{
		URL: c.InfluxDB.URL, Org: c.InfluxDB.Org, Bucket: c.InfluxDB.Bucket,
		Token: c.InfluxDB.ReadToken, TLS: config.TLS{CAFile: c.InfluxDB.CAFile}.Config,
		Gzip: c.InfluxDB.Gzip, Timeout: time.Duration(c.InfluxDB.Timeout),
	}
}

// BrokerOptions returns how the configuration reaches the broker. Password and
// certificates are read when they are used.
func BrokerOptions(c *config.Config) mqtt.Options {
	return mqtt.Options{
		Brokers: c.MQTT.Brokers, ClientID: c.MQTT.ClientID, Username: c.MQTT.Username, Password: c.MQTT.ReadPassword,
		TLS: c.MQTT.TLS.Config, Silence: time.Duration(*c.MQTT.Silence),
	}
}

// Certificates are the addresses whose certificates are watched: those we reach
// with TLS, and those the configuration adds.
func Certificates(c *config.Config) []string {
	var addresses []string
	for _, b := range append(slices.Clone(c.MQTT.Brokers), c.InfluxDB.URL) {
		u, err := url.Parse(b)
		if err != nil {
			continue
		}
		if port := map[string]string{"tls": "8883", "ssl": "8883", "mqtts": "8883", "https": "443"}[u.Scheme]; port != "" {
			addresses = append(addresses, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port)))
		}
	}
	addresses = append(addresses, c.WatchTLS...)
	slices.Sort(addresses)
	return slices.Compact(addresses)
}

// tellBroken logs the decoders that cannot be run. The service goes on without.
func tellBroken(inv *inventory.Inventory, log *slog.Logger) {
	for _, err := range inv.BrokenCodecs() {
		log.Error("a decoder cannot be run: its devices' messages are refused", "error", err)
	}
}

// Addr is host:port of the HTTP server.
func (s *Service) Addr() string { return s.server.Addr() }

// Community is the first of the inventory, for examples; "" if there is none.
func (s *Service) Community() ingest.CommunityID {
	if list := s.pipeline.Inventory().Communities; len(list) > 0 {
		return list[0].ID
	}
	return ""
}

// PushAddr is host:port where devices post messages, "" if it is off.
func (s *Service) PushAddr() string {
	if s.push == nil {
		return ""
	}
	return s.push.Addr()
}

// Alarms is the desk where alarms are dealt with.
func (s *Service) Alarms() *alarms.Desk { return s.observers.desk }

// Ready says why readings are not taken in, nil if they are.
func (s *Service) Ready() error { return s.pipeline.Ready() }

// Redact returns what may be kept of a message, by the inventory in force.
func (s *Service) Redact(topic string, payload []byte) (string, []byte) {
	return s.pipeline.Redact(topic, payload)
}

// Run takes messages in and serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	defer s.end()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.server.Run(ctx) })
	g.Go(func() error { s.certificates.Run(ctx); return nil })
	if !s.passing {
		g.Go(func() error { systemd.Run(ctx, s.log, s.pipeline.Alive); return nil })
	}
	g.Go(func() error {
		opened := func() {
			s.server.Open()
			if s.push != nil {
				g.Go(func() error { return s.push.Run(ctx) })
			}
			g.Go(func() error { s.observers.desk.Run(ctx); return s.observers.desk.Close() })
			g.Go(func() error { s.api.Run(ctx, s.settings.DataDir); return nil }) // the account is complete
			g.Go(func() error { control(ctx, s.settings.DataDir, s.pipeline, s.rebuilds, s.log); return nil })
			g.Go(func() error { s.rebuilds.run(ctx); return nil })
			g.Go(func() error { letGo(ctx, s.log); return nil })
			g.Go(func() error { return own(ctx, s.settings.DataDir) })
		}
		err := s.pipeline.Run(ctx, opened)
		if errors.Is(err, pipeline.ErrDivided) {
			return fmt.Errorf("%w: what it knows of communities that are others' now would stay behind; set shard.before to how many instances there were "+
				"and shard.hand_over to a directory that all of them reach, or shard.hand_over: none to leave it behind", err)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		return nil
	})
	return g.Wait()
}

// ReloadOnHangup reloads at each SIGHUP until ctx ends.
func (s *Service) ReloadOnHangup(ctx context.Context) {
	reloads := make(chan os.Signal, 1)
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	for {
		select {
		case <-ctx.Done():
			return
		case <-reloads:
			_ = s.Reload(ctx) // logged there
		}
	}
}

// Reload reads configuration and inventory again, and takes over what can change
// while the service runs: the inventory, the levels of alarms and the factors of
// savings. Anything wrong with any of it changes nothing, and all of it is told.
func (s *Service) Reload(ctx context.Context) error {
	again, err := Load(s.settings.path)
	if err != nil {
		s.log.Error("nothing reloaded", "error", err)
		return err
	}
	tellBroken(again.Inventory, s.log)
	if fixed := s.settings.fixed(again); len(fixed) > 0 {
		s.log.Warn("changed, and in force after a restart only", "sections", fixed)
	}
	inv := again.Inventory.Shard(s.settings.Shard.Index, s.settings.Shard.Count)
	apply := func() {}
	if s.AlsoReload != nil {
		if apply, err = s.AlsoReload(); err != nil {
			s.log.Error("nothing reloaded", "error", err)
			return err
		}
	}
	if err := s.ledger.Reload(ledgerFiles(again), inv); err != nil {
		s.log.Error("nothing reloaded", "error", err)
		return err
	}
	s.observers.anomaly.Configure(again.Anomaly)
	s.access.Configure(again.Access, again.Zone)
	s.observers.desk.Configure(again.Alarms)
	s.observers.savings.Convert(again.Savings.Factors)
	s.reports.settings.Store(again)
	if err := s.pipeline.Reload(ctx, inv); err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	apply()
	s.log.Info("reloaded", "communities", len(inv.Communities), "vendors", len(inv.Vendors), "devices", inv.Devices())
	return nil
}
