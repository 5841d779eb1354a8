//go:build unix

package ledger

import (
	"os"
	"syscall"
)

// lockFile locks a file until it is closed; it waits for another process that has it.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
