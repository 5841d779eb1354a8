// Package version is which build this is. The Go command stamps a program with
// the revision it was built from, in an image too, where the repository is part
// of what is sent to the builder.
package version

import (
	"runtime/debug"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Version is a build's.
type Version struct {
	Version  string    // a tag, or v0.0.0-TIME-REVISION between tags; development outside a repository
	Revision string    // of the repository, "" outside one; ends in -dirty if files were changed
	Go       string    // the compiler's version
	Time     time.Time // of the revision, outside a repository that of its oldest: no clock is right before it
}

// first is before any revision of this program: one without a stamp is not older.
var first = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Read is the version of the program that runs.
func Read() Version {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Version{Version: "development", Time: first}
	}
	return of(info)
}

func of(info *debug.BuildInfo) Version {
	v := Version{Version: info.Main.Version, Go: info.GoVersion, Time: first}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "development"
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			v.Revision = setting.Value + v.Revision
		case setting.Key == "vcs.time":
			if t, err := time.Parse(time.RFC3339, setting.Value); err == nil {
				v.Time = t
			}
		case setting.Key == "vcs.modified" && setting.Value == "true":
			v.Revision += "-dirty"
		}
	}
	if v.Revision == "-dirty" {
		v.Revision = ""
	}
	return v
}

// String is version and revision, as `greencommunity version` prints them.
func (v Version) String() string { return strings.TrimSpace(v.Version + " " + v.Revision) }

// Collector is greencommunity_build_info.
func (v Version) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "greencommunity_build_info", Help: "Which build this is, always 1.",
		ConstLabels: prometheus.Labels{"version": v.Version, "revision": v.Revision, "goversion": v.Go},
	}, func() float64 { return 1 })
}
