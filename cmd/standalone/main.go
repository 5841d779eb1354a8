// Command standalone runs everything in one process: a real MQTT broker, a
// real InfluxDB, the ingester and, unless told not to, two simulated pilot
// communities. It is for trying out, and for a single small site; a county
// runs the parts by themselves.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sync/errgroup"

	"greencommunity/cmd/internal/serve"
	"greencommunity/deploy/embedded"
)

// cli is the command line.
type cli struct {
	DataDir   string `default:"greencommunity-data" help:"Where everything is kept." placeholder:"DIR"`
	HTTP      string `name:"http" default:"127.0.0.1:8080" help:"Address of the page and of /metrics." placeholder:"ADDR"`
	MQTT      string `name:"mqtt" default:"127.0.0.1:1883" help:"Address of the broker." placeholder:"ADDR"`
	InfluxDB  string `name:"influxdb" default:"127.0.0.1:8086" help:"Address of InfluxDB." placeholder:"ADDR"`
	Users     string `help:"YAML file of who may log in to the broker: users: [{name, password, vendor, publish, subscribe}]. Without it anybody on this machine may, under any name." placeholder:"FILE"`
	WebConfig string `help:"TLS and passwords of the page, as Prometheus' exporters take them." placeholder:"FILE"`
	Access    string `help:"YAML file of who may look at and change what: users and keys, as the section access of config.yaml." placeholder:"FILE"`
	NoDemo    bool   `help:"Start without simulated communities: edit inventory.yaml in the data directory for your own."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "standalone:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c cli
	done := false
	parser, err := kong.New(&c, kong.Name("standalone"), kong.Description("Broker, InfluxDB, ingester and two simulated communities in one process."),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { done = true }))
	if err != nil {
		return err
	}
	if _, err := parser.Parse(args); err != nil || done {
		return err
	}
	if err := c.checkListeners(); err != nil {
		return err
	}
	if err := c.inventory(); err != nil {
		return err
	}
	access, err := c.access()
	if err != nil {
		return err
	}
	users, err := c.brokerUsers(access)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var redact redaction
	if err := redact.readInventory(c.DataDir); err != nil {
		return err
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{
		Addr: c.MQTT, Dir: filepath.Join(c.DataDir, "mqtt"), Logger: log, Redact: redact.cut,
		Users: users, Anonymous: c.Users == "", Open: c.Users == "",
	})
	if err != nil {
		return err
	}
	database, err := embedded.StartInfluxDB(embedded.InfluxConfig{
		Addr: c.InfluxDB, Dir: filepath.Join(c.DataDir, "influxdb"), Database: "facilities", Logger: log,
		Username: databaseUser, Password: access.databasePassword,
	})
	if err != nil {
		return errors.Join(err, broker.Close())
	}
	// The ingester ends before what it talks to.
	err = c.serve(ctx, stdout, log, broker, database, access, &redact)
	return errors.Join(err, broker.Close(), database.Close())
}

func (c *cli) serve(ctx context.Context, stdout io.Writer, log *slog.Logger, broker *embedded.Broker, database *embedded.InfluxDB, access *access, redact *redaction) error {
	path, err := c.configuration(broker.URL(), database.URL())
	if err != nil {
		return err
	}
	conf, err := serve.Load(path)
	if err != nil {
		return err
	}
	service, err := serve.New(conf, log)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %s on %s is in use; choose another with --http ADDR", port(c.HTTP), host(c.HTTP))
		}
		return err
	}
	redact.service.Store(service)
	service.AlsoReload = func() (func(), error) {
		users, err := c.brokerUsers(access)
		return func() { broker.SetUsers(users) }, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return service.Run(ctx) })
	g.Go(func() error { service.ReloadOnHangup(ctx); return nil })
	g.Go(func() error {
		if err := waitReady(ctx, service); err != nil || ctx.Err() != nil {
			return err
		}
		if c.NoDemo {
			c.welcome(stdout, service, broker, database)
			<-ctx.Done()
			return nil
		}
		d, err := openDemo(c.DataDir)
		if err != nil {
			return err
		}
		return d.run(ctx, stdout, broker.URL(), access.demoPassword, service, func() { c.welcome(stdout, service, broker, database) })
	})
	if err := g.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	fmt.Fprintln(stdout, "\nEverything is closed in order; run it again and it goes on from here.")
	return nil
}

func waitReady(ctx context.Context, service *serve.Service) error {
	deadline := time.Now().Add(time.Minute)
	for {
		err := service.Ready()
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the ingester is not ready: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *cli) welcome(out io.Writer, service *serve.Service, broker *embedded.Broker, database *embedded.InfluxDB) {
	community := service.Community() // an example that is not refused
	fmt.Fprintf(out, `
greencommunity is running.

  page       http://%[1]s/
  metrics    http://%[1]s/metrics
  MQTT       %[2]s
  InfluxDB   %[3]s   database facilities, with the token in %[4]s/influxdb_token
  data       %[4]s   (inventory.yaml, config.yaml, rejects.ndjson)

Try next:

  curl -s http://%[1]s/metrics | grep ^greencommunity_messages
  curl -s -G %[3]s/query -H "Authorization: Token $(cat '%[4]s/influxdb_token')" --data-urlencode db=facilities \
    --data-urlencode 'q=SELECT mean(active_power) FROM lighting WHERE time > now() - 1d GROUP BY time(1h), community'
  mosquitto_pub -h %[5]s -p %[6]s -q 1 -t greencommunity/v1/%[7]s/water/my-meter -m '{"water_volume_total":12.345}'

Ctrl-C ends it.
`, service.Addr(), broker.URL(), database.URL(), c.DataDir, host(broker.Addr()), port(broker.Addr()), community)
}
