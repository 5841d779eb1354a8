package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"greencommunity/cmd/internal/serve"
	"greencommunity/dashboards"
)

// dashboardsCmd writes the Grafana dashboards of a site.
type dashboardsCmd struct {
	Config string `required:"" help:"Path of config.yaml." placeholder:"FILE"`
	Dir    string `arg:"" help:"Directory to write to, as zh/NAME.json and en/NAME.json: what Grafana's provisioning reads."`
}

func (c dashboardsCmd) Run(s streams) error {
	conf, err := serve.Load(c.Config)
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, community := range conf.Inventory.Communities {
		names[string(community.ID)] = community.Name
	}
	files, err := dashboards.Files(dashboards.Options{Zone: conf.Zone.String(), Names: names, Kinds: conf.Inventory.Facilities, Page: conf.Alarms.PublicURL})
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		to := filepath.Join(c.Dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, files[path], 0o644)); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(s.out, "%d dashboards of %d communities in %s\n", len(files), len(names), c.Dir)
	return err
}
