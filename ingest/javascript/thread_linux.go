package javascript

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadID is the thread of the caller, which has locked it.
func threadID() int { return unix.Gettid() }

// threadTime is the processor time a thread of this process has had. The clock
// of a thread is numbered as pthread_getcpuclockid(3) does.
func threadTime(thread int) (time.Duration, bool) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^thread<<3|6), &t); err != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}
