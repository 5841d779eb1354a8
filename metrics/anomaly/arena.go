package anomaly

import (
	"syscall"
	"unsafe"
)

// arena holds values of a pointer-free type in chunks, so that it grows without
// being copied. The chunks are mapped and not of the heap: half of what a
// million devices take is here, and the garbage collector would let the heap
// grow by a fifth of that before it collects. They are never given back, as an
// engine lives as long as its process. Index 0 is none.
type arena[T any] struct {
	chunks []*[arenaChunk]T
	n      uint32 // used, with the unused index 0
}

const arenaChunk = 512

func (a *arena[T]) add() uint32 {
	if a.n == 0 {
		a.n = 1
	}
	i := a.n
	a.n++
	if int(i/arenaChunk) >= len(a.chunks) {
		a.grow()
	}
	return i
}

// grow adds a chunk of zeros. Without memory it panics, as the heap does.
func (a *arena[T]) grow() *[arenaChunk]T {
	c, err := syscall.Mmap(-1, 0, int(unsafe.Sizeof([arenaChunk]T{})), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("anomaly: no memory for what is known of further devices: " + err.Error())
	}
	chunk := (*[arenaChunk]T)(unsafe.Pointer(unsafe.SliceData(c)))
	a.chunks = append(a.chunks, chunk)
	return chunk
}

func (a *arena[T]) at(i uint32) *T { return &a.chunks[i/arenaChunk][i%arenaChunk] }
