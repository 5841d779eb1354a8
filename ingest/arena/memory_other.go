//go:build !unix

package arena

import "unsafe"

// memory allocates n bytes of zeros on the heap, aligned for any value: on
// systems without an anonymous mapping the collector counts them, which costs
// memory and nothing else.
func memory(n int) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}
