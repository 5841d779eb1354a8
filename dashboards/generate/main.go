// Command generate writes the Grafana dashboards to dashboards/grafana, and the
// reference of metrics to docs/metrics.md. Run it from the root of the module.
//
//	go run ./dashboards/generate                          # as committed
//	go run ./dashboards/generate --time-zone Asia/Urumqi  # for a site with another time_zone
//
// A site has its own from the program, without Go: greencommunity dashboards DIR
// writes them in its zone, with its communities' names.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"greencommunity/dashboards"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run() error {
	zone := flag.String("time-zone", dashboards.Zone, "zone of the boards' days and axes: time_zone of config.yaml")
	flag.Parse()
	files, err := dashboards.Files(dashboards.Options{Zone: *zone})
	if err != nil {
		return err
	}
	for path, data := range files {
		if err := write(filepath.Join("dashboards", "grafana", filepath.FromSlash(path)), data); err != nil {
			return err
		}
	}
	return write(filepath.Join("docs", "metrics.md"), dashboards.Reference())
}

func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o644)
}
