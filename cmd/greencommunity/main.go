// Command greencommunity takes in what facilities of residential communities
// publish over MQTT, keeps it in InfluxDB and exposes what it means: savings,
// anomalies and its own health, as Prometheus metrics.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line; a command's struct and Run method are in the file
// named after it.
type cli struct {
	Run        runCmd        `cmd:"" help:"Take messages in until told to end."`
	Check      checkCmd      `cmd:"" help:"Check configuration and inventory, and with --connect what they name."`
	Config     configCmd     `cmd:"" help:"Print every key of config.yaml, or of inventory.yaml, with its meaning and default."`
	Decode     decodeCmd     `cmd:"" help:"Show what a payload becomes: readings, events, unmapped fields, or why it is refused."`
	Codecs     codecsCmd     `cmd:"" help:"Try a collection of JavaScript decoders on the examples that come with them: what they return, as node, how fast, and what arrives."`
	Detect     detectCmd     `cmd:"" help:"Run the detectors over the past, from tables or from InfluxDB, and show what they would have said."`
	Replay     replayCmd     `cmd:"" help:"Decode the journal again by the inventory as it is now, write it to InfluxDB, and have its use booked again."`
	Usage      usageCmd      `cmd:"" help:"Book use again from the readings InfluxDB has: days, hours, savings, page and boards."`
	Erase      eraseCmd      `cmd:"" help:"Erase a device, a community or a span of time from journal, rejects, state and InfluxDB."`
	Watch      watchCmd      `cmd:"" help:"Follow what a vendor publishes: accepted, rejected, unmapped, late, out of order."`
	Devices    devicesCmd    `cmd:"" help:"List the devices that are known, forget one, or hand it over to another vendor."`
	ACL        aclCmd        `cmd:"" name:"acl" help:"Print Mosquitto's access rules for the inventory: vendors reach their own topics only."`
	Simulate   simulateCmd   `cmd:"" help:"Publish simulated communities: history, live readings, planted faults."`
	Notify     notifyCmd     `cmd:"" help:"Deliver alerts to chat groups of WeCom, DingTalk and Feishu."`
	Dashboards dashboardsCmd `cmd:"" help:"Write the Grafana dashboards of this site: in its time zone, with its communities' names and its kinds of facility."`
	Ledger     ledgerCmd     `cmd:"" help:"The working ledger of the programme as a table: check, import, export."`
	Savings    savingsCmd    `cmd:"" help:"What was saved, with its uncertainty: from a table, or recomputed from InfluxDB."`
	Quantities quantitiesCmd `cmd:"" help:"Print kinds of facility, their quantities and units."`
	Access     accessCmd     `cmd:"" help:"Make what the section access of config.yaml keeps: the hash of a password, or a key."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// streams are the process's standard streams, injected so that commands can be run in tests.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// exitCode ends the program with a status and no further message.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	runtime.MemProfileRate = 0 // nobody asks for it, and its tables are 1.4 MB
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "greencommunity:", err)
		os.Exit(1)
	}
}

// run parses the arguments and runs the command they name.
func run(ctx context.Context, args []string, s streams) error {
	code := -1
	var c cli
	parser, err := kong.New(&c,
		kong.Name("greencommunity"),
		kong.Description("From facilities of residential communities over MQTT to InfluxDB, metrics and alerts, with nothing lost."),
		kong.UsageOnError(),
		kong.Writers(s.out, s.err),
		kong.Exit(func(status int) { code = status }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return err
	}
	k, err := parser.Parse(withNegatives(args))
	if code >= 0 { // --help was printed
		return nil
	}
	if err != nil {
		parser.Errorf("%s", err)
		return exitCode(2)
	}
	if k.Command() == "run" { // it runs for years, without the tree of commands, which is 0.3 MB
		return c.Run.Run(ctx, s)
	}
	return k.Run()
}

// withNegatives joins a negative number to the flag before it: the parser takes
// -33.87 for a flag of its own, and half of the earth is south or west.
func withNegatives(args []string) []string {
	var joined []string
	for _, arg := range args {
		_, err := strconv.ParseFloat(arg, 64)
		if n := len(joined); err == nil && strings.HasPrefix(arg, "-") && n > 0 && strings.HasPrefix(joined[n-1], "--") && !strings.Contains(joined[n-1], "=") {
			joined[n-1] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}
