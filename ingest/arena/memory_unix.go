//go:build unix

package arena

import "syscall"

// memory maps n bytes of zeros outside the heap. Without memory it panics, as
// the heap does.
func memory(n int) []byte {
	mapped, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("arena: no memory for further devices: " + err.Error())
	}
	return mapped
}
