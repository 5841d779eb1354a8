package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"greencommunity/ingest/simulator"
)

// ownInventory is where somebody begins who has no use for the simulated
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

// configuration writes config.yaml, which follows from the command line, and
// inventory.yaml if there is none yet. It returns the former's path.
func (c *cli) configuration(broker, influxdb string) (string, error) {
	if err := os.MkdirAll(c.DataDir, 0o750); err != nil {
		return "", err
	}
	inventory := filepath.Join(c.DataDir, "inventory.yaml")
	if _, err := os.Stat(inventory); errors.Is(err, fs.ErrNotExist) {
		text := simulator.Inventory()
		if c.NoDemo {
			text = ownInventory
		}
		if err := os.WriteFile(inventory, []byte(text), 0o640); err != nil {
			return "", err
		}
	} else if err != nil {
		return "", err
	}
	path := filepath.Join(c.DataDir, "config.yaml")
	text := fmt.Sprintf(`# Written at each start of standalone, from its command line.
data_dir: ingester
inventory: inventory.yaml
mqtt: {brokers: [%q], client_id: greencommunity-standalone}
influxdb: {url: %q, org: bureau, bucket: facilities}
http: {listen: %q}
`, broker, influxdb, c.HTTP)
	return path, os.WriteFile(path, []byte(text), 0o640)
}

func host(addr string) string { h, _, _ := net.SplitHostPort(addr); return h }
func port(addr string) string { _, p, _ := net.SplitHostPort(addr); return p }
