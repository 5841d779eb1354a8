package arena

import (
	"bufio"
	"bytes"
	"testing"
)

type before struct {
	Kept  uint32
	Gone  int64
	Wider uint16
}

type after struct {
	New   float64
	Wider uint32
	Kept  uint32
}

func filled(n int) *Arena[before] {
	a := &Arena[before]{}
	for i := range n {
		*a.At(a.Add()) = before{Kept: uint32(i) + 1, Gone: -1, Wider: 7}
	}
	return a
}

func saved(t *testing.T, a *Arena[before]) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := a.Save(&b); err != nil {
		t.Fatal(err)
	}
	b.WriteString("next")
	return b.Bytes()
}

func reader(p []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(p)) }

// Values come back, at the edges of chunks as well, and no byte more is read.
func TestLoadGivesWhatWasSaved(t *testing.T) {
	for _, n := range []int{0, 1, chunk - 1, chunk, chunk + 1, 3 * chunk} {
		a, b := filled(n), Arena[before]{}
		b.Extend(5)
		r := reader(saved(t, a))
		if err := b.Load(r); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if b.Len() != n {
			t.Fatalf("%d values, want %d", b.Len(), n)
		}
		i := uint32(0)
		for v := range b.All() {
			if i++; *v != *a.At(i) || *v != *b.At(i) {
				t.Fatalf("of %d, value %d is %+v", n, i, *v)
			}
		}
		if rest, _ := r.Peek(4); string(rest) != "next" {
			t.Errorf("%d: %q follows", n, rest)
		}
		if i := b.Add(); int(i) != n+1 || *b.At(i) != (before{}) {
			t.Errorf("%d: added %d, %+v", n, i, *b.At(i))
		}
	}
}

// A program with other fields finds those it still has, by name and type.
func TestLoadByALaterProgram(t *testing.T) {
	var b Arena[after]
	r := reader(saved(t, filled(chunk+3)))
	if err := b.Load(r); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(chunk + 3) {
		if got := *b.At(i + 1); got != (after{Kept: i + 1}) {
			t.Fatalf("value %d is %+v", i, got)
		}
	}
	if rest, _ := r.Peek(4); string(rest) != "next" {
		t.Errorf("%q follows", rest)
	}
}

// What is cut short is an error, wherever it is, and leaves nothing.
func TestLoadOfWhatIsCut(t *testing.T) {
	whole := saved(t, filled(3))
	whole = whole[:len(whole)-len("next")]
	for n := range whole {
		var b Arena[before]
		if err := b.Load(reader(whole[:n])); err == nil || b.Len() != 0 {
			t.Fatalf("%d of %d bytes: %v, %d values", n, len(whole), err, b.Len())
		}
	}
}

// Bytes that are no state are an error and no panic.
func FuzzLoad(f *testing.F) {
	var b bytes.Buffer
	filled(2).Save(&b)
	f.Add(b.Bytes())
	f.Add([]byte{0x20, 0x02, 0x02, 'a', 0x40, 0x40, 0x02})
	f.Fuzz(func(t *testing.T, p []byte) {
		var a Arena[before]
		if a.Load(reader(p)) != nil && a.Len() != 0 {
			t.Error("an error leaves values")
		}
	})
}
