package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"greencommunity/ingest/simulator"
)

// ownInventory is the inventory to begin with for somebody who has no use for the simulated
// communities.
const ownInventory = `# Your communities and vendors; see the README. Reload with
#   curl -X POST http://ADDRESS/-/reload
communities:
- {id: my-community, name: 我的社区}
vendors:
- id: my-vendor
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// inventory writes inventory.yaml if there is none yet.
func (c *cli) inventory() error {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return err
	}
	path := filepath.Join(c.DataDir, "inventory.yaml")
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := simulator.Inventory()
	if c.NoDemo {
		text = ownInventory
	}
	return os.WriteFile(path, []byte(text), 0o640)
}

// configuration writes config.yaml, which follows from the command line, and
// returns its path.
func (c *cli) configuration(broker, influxdb string) (string, error) {
	path, web := filepath.Join(c.DataDir, "config.yaml"), ""
	if c.WebConfig != "" {
		absolute, err := filepath.Abs(c.WebConfig)
		if err != nil {
			return "", err
		}
		web = fmt.Sprintf(", web_config_file: %q", absolute)
	}
	text := fmt.Sprintf(`# Written at each start of standalone, from its command line.
data_dir: ingester
inventory: inventory.yaml
mqtt: {brokers: [%q], username: %s, password_file: mqtt_password}
influxdb: {url: %q, org: bureau, bucket: facilities, token_file: influxdb_token}
http: {listen: %q%s}
`, reachable(broker), ingestUser, reachable(influxdb), c.HTTP, web)
	if c.Access != "" {
		section, err := os.ReadFile(c.Access)
		if err != nil {
			return "", fmt.Errorf("--access: %w", err)
		}
		text += "access:\n  " + strings.ReplaceAll(strings.TrimSpace(string(section)), "\n", "\n  ") + "\n"
	}
	return path, os.WriteFile(path, []byte(text), 0o640)
}

// reachable is a URL with the address of this machine in place of all of them.
func reachable(u string) string {
	for _, all := range []string{"0.0.0.0", "[::]"} {
		u = strings.Replace(u, "://"+all+":", "://127.0.0.1:", 1)
	}
	return u
}

func host(addr string) string { h, _, _ := net.SplitHostPort(addr); return h }
func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
