//go:build unix

package pipeline

import (
	"os"
	"syscall"
)

// lockFile locks a file until it is closed, or fails if another process has.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// mapFile maps the first n bytes of a file. The kernel keeps what is written
// there when the process dies.
func mapFile(f *os.File, n int) ([]byte, error) {
	return syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

func unmapFile(page []byte) error { return syscall.Munmap(page) }
