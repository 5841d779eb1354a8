// Package arena keeps what is known of each of a million devices: values
// without pointers, in memory the garbage collector neither looks at nor counts.
//
// The collector lets the heap grow by a share of its size before it collects.
// Of what lives here, most of what a device takes, it need not.
package arena

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"reflect"
	"slices"
	"unsafe"
)

// Arena holds values of a type without pointers, by indexes from 1 on: 0 is
// free to mean none. Values do not move, and go only with the process. The zero
// Arena is empty. It is not safe for concurrent use.
type Arena[T any] struct {
	chunks []*[chunk]T
	n      uint32 // used, with the unused index 0
}

// chunk sets how many values are added at a time. Pages that were
// never written take no memory, so that a large one costs nothing.
const chunk = 512

// Add adds a zero value and returns its index.
func (a *Arena[T]) Add() uint32 {
	a.n = max(a.n, 1)
	i := a.n
	a.n++
	if int(i/chunk) >= len(a.chunks) {
		a.grow()
	}
	return i
}

// Extend adds zero values until there are n.
func (a *Arena[T]) Extend(n int) {
	for a.Len() < n {
		a.Add()
	}
}

// Len returns how many values there are, and the largest index.
func (a *Arena[T]) Len() int { return max(int(a.n)-1, 0) }

// Bytes returns how much memory is set aside.
func (a *Arena[T]) Bytes() int { return len(a.chunks) * int(unsafe.Sizeof([chunk]T{})) }

// At returns the value with an index, from 1 to Len.
func (a *Arena[T]) At(i uint32) *T { return &a.chunks[i/chunk][i%chunk] }

// Int64s calls f with each int64 of each record, also of arrays and structs
// within it.
func (a *Arena[T]) Int64s(f func(*int64)) {
	var offsets []uintptr
	var find func(t reflect.Type, at uintptr)
	find = func(t reflect.Type, at uintptr) {
		switch t.Kind() {
		case reflect.Int64:
			offsets = append(offsets, at)
		case reflect.Struct:
			for i := range t.NumField() {
				find(t.Field(i).Type, at+t.Field(i).Offset)
			}
		case reflect.Array:
			for i := range t.Len() {
				find(t.Elem(), at+uintptr(i)*t.Elem().Size())
			}
		}
	}
	find(reflect.TypeFor[T](), 0)
	for each := range a.All() {
		for _, at := range offsets {
			f((*int64)(unsafe.Add(unsafe.Pointer(each), at)))
		}
	}
}

// All yields the values in the order of their indexes.
func (a *Arena[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := uint32(1); i < a.n; i++ {
			if !yield(a.At(i)) {
				return
			}
		}
	}
}

// grow adds a chunk of zeros.
func (a *Arena[T]) grow() *[chunk]T {
	c := (*[chunk]T)(unsafe.Pointer(unsafe.SliceData(memory(int(unsafe.Sizeof([chunk]T{}))))))
	a.chunks = append(a.chunks, c)
	return c
}

// Save writes the values as they lie in memory, in the machine's byte order:
// anything that looks at each field of a million values takes longer than
// writing them. Before them stands which field is where, so that a later
// program with other fields finds those it still has.
func (a *Arena[T]) Save(w io.Writer) error {
	size, fields := layout[T]()
	b := binary.AppendVarint(nil, int64(size))
	b = binary.AppendVarint(b, int64(len(fields)))
	for _, f := range fields {
		b = binary.AppendVarint(b, int64(len(f.name)))
		b = append(b, f.name...)
		b = binary.AppendVarint(b, int64(f.offset))
		b = binary.AppendVarint(b, int64(f.size))
	}
	b = binary.AppendVarint(b, int64(a.n))
	if _, err := w.Write(b); err != nil {
		return err
	}
	left := int(a.n)
	for _, c := range a.chunks {
		n := min(left, chunk)
		left -= n
		if _, err := w.Write(unsafe.Slice((*byte)(unsafe.Pointer(c)), n*size)); err != nil {
			return err
		}
	}
	return nil
}

// Reader holds what Load reads from, to the byte.
type Reader interface {
	io.Reader
	io.ByteReader
}

// Load reads what Save wrote, in place of what there is.
func (a *Arena[T]) Load(r Reader) error {
	var err error
	number := func(most int64) int {
		if err != nil {
			return 0
		}
		var n int64
		if n, err = binary.ReadVarint(r); err == nil && (n < 0 || n > most) {
			err = fmt.Errorf("%d, where at most %d can be", n, most)
		}
		if err != nil {
			return 0
		}
		return int(n)
	}
	*a = Arena[T]{}
	size, fields := layout[T]()
	saved := number(1 << 20)
	old := make([]field, number(1<<12))
	for i := range old {
		name := make([]byte, number(1<<12))
		if err == nil {
			_, err = io.ReadFull(r, name)
		}
		old[i] = field{string(name), number(1 << 20), number(1 << 20)}
		if err == nil && old[i].offset+old[i].size > saved {
			err = fmt.Errorf("field %q of %d bytes at %d of %d", name, old[i].size, old[i].offset, saved)
		}
	}
	n := number(1<<32 - 1)
	same := saved == size && slices.Equal(old, fields)
	var from []byte
	for left := n; left > 0 && err == nil; left -= chunk {
		k := min(left, chunk)
		to := unsafe.Slice((*byte)(unsafe.Pointer(a.grow())), k*size)
		if same {
			_, err = io.ReadFull(r, to)
			continue
		}
		from = slices.Grow(from[:0], k*saved)[:k*saved]
		_, err = io.ReadFull(r, from)
		for _, f := range fields {
			i := slices.IndexFunc(old, func(o field) bool { return o.name == f.name && o.size == f.size })
			if i < 0 {
				continue
			}
			for j := range k {
				copy(to[j*size+f.offset:][:f.size], from[j*saved+old[i].offset:][:f.size])
			}
		}
	}
	if err != nil {
		*a = Arena[T]{}
		return fmt.Errorf("values as they lay in memory: %w", err)
	}
	a.n = uint32(n)
	return nil
}

// field says where a field of a value is.
type field struct {
	name         string // and its type
	offset, size int
}

func layout[T any]() (size int, fields []field) {
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		f := t.Field(i)
		fields = append(fields, field{f.Name + " " + f.Type.String(), int(f.Offset), int(f.Type.Size())})
	}
	return int(t.Size()), fields
}
