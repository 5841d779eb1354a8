package ledger

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile locks a file until it is closed; it waits for another process that has it. The
// byte that is locked is far behind the end, as Windows lets nobody read what is locked.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
}
