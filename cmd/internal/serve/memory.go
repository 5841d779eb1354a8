package serve

import (
	"errors"
	"log/slog"
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// limitMemory tells the garbage collector the limit of the container or unit
// (its cgroup), less a tenth for what is not of its heap: near it, it collects
// more often, and the kernel need not end the process. GOMEMLIMIT goes first.
func limitMemory(log *slog.Logger) {
	limit, err := memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(0.9))
	switch {
	case err != nil && !errors.Is(err, memlimit.ErrNoCgroup) && !errors.Is(err, memlimit.ErrNoLimit):
		log.Warn("no limit of memory is known", "error", err)
	case err == nil && limit > 0 && limit < math.MaxInt64: // as large as that is none
		log.Info("memory is limited", "bytes", limit)
	}
}
