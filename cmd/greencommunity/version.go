package main

import (
	"fmt"

	"greencommunity/cmd/internal/version"
)

// versionCmd prints the version of the build.
type versionCmd struct{}

func (versionCmd) Run(s streams) error {
	_, err := fmt.Fprintf(s.out, "greencommunity %s\n", version.Read())
	return err
}
