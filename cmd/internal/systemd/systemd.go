// Package systemd tells systemd that a service runs, and that it still does: units
// with Type=notify and WatchdogSec restart one that hangs. Started by anything else,
// it does nothing.
package systemd

import (
	"context"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Run says that the service is started, and then, twice in each WatchdogSec, that it
// is alive, until ctx ends. Alive may block: systemd then hears nothing either. While
// it has an error, nothing is said, and systemd ends the process with SIGABRT, which
// makes Go print what each goroutine was doing.
func Run(ctx context.Context, log *slog.Logger, alive func() error) {
	stop := context.AfterFunc(ctx, func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyStopping) })
	defer stop()
	watched(ctx, log, alive)
}

// Meanwhile says the same of a process that gets ready to run its service, which Run
// speaks for afterwards: it does not say that anything stops.
func Meanwhile(ctx context.Context, log *slog.Logger) {
	watched(ctx, log, func() error { return nil })
}

func watched(ctx context.Context, log *slog.Logger, alive func() error) {
	if sent, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		log.Warn("systemd is not told that the service is started", "error", err)
	} else if !sent {
		return // not systemd's
	}
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog is off", "error", err)
	}
	if err != nil || every == 0 {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(every / 2)
	defer tick.Stop()
	for {
		if err := alive(); err != nil {
			log.Error("not alive; systemd will restart the service", "error", err)
		} else if _, err := daemon.SdNotify(false, daemon.SdNotifyWatchdog); err != nil {
			log.Warn("systemd is not told that the service is alive", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
