package main

import (
	"fmt"
	"runtime/debug"
)

// versionCmd prints the version of the build.
type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	version, revision := "development", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = " " + setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(s.out, "greencommunity %s%s\n", version, revision)
	return err
}
