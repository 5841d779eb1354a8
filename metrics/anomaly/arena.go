package anomaly

// arena holds values of a pointer-free type in chunks, so that it grows without
// being copied and the garbage collector looks at one pointer a chunk. Index 0
// is none.
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
		a.chunks = append(a.chunks, new([arenaChunk]T))
	}
	return i
}

func (a *arena[T]) at(i uint32) *T { return &a.chunks[i/arenaChunk][i%arenaChunk] }
