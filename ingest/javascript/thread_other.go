//go:build !linux

package javascript

import "time"

func threadID() int { return 0 }

func threadTime(int) (time.Duration, bool) { return 0, false }
