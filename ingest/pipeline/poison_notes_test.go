package pipeline

import (
	"testing"
	"time"
)

// What the notes say after starts of which each died over some messages.
func TestPoisonNotes(t *testing.T) {
	t.Parallel()
	type start struct {
		first           uint64 // of the journal
		walker, catchUp uint64 // what was being dealt with at the end; 0: nothing
		poisonous       []uint64
		count           int
	}
	now := time.Unix(1_800_000_000, 0)
	for name, starts := range map[string][]start{
		"one death is no proof":            {{walker: 7}, {}, {count: 0}},
		"two deaths are":                   {{walker: 7}, {walker: 7}, {poisonous: []uint64{7}, count: 1}, {poisonous: []uint64{7}, count: 1}},
		"an end in order between":          {{walker: 7}, {}, {walker: 7}, {poisonous: []uint64{7}, count: 1}},
		"the innocent beside the guilty":   {{walker: 7, catchUp: 3}, {catchUp: 3}, {poisonous: []uint64{3}, count: 1}},
		"both notes on one are one death":  {{walker: 7, catchUp: 7}, {count: 0}},
		"forgotten once the journal has":   {{walker: 7}, {walker: 7}, {poisonous: []uint64{7}, count: 1}, {first: 8}},
		"a note of what the journal lacks": {{walker: 7}, {first: 9}, {first: 9}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, s := range starts {
				p, err := openPoison(dir, s.first, now)
				if err != nil {
					t.Fatal(err)
				}
				if p.count != s.count {
					t.Errorf("start %d: %d are poison, want %d", i+1, p.count, s.count)
				}
				for _, seq := range s.poisonous {
					if !p.poisonous(seq) {
						t.Errorf("start %d: %d is not poison", i+1, seq)
					}
				}
				if s.count > 0 && p.found != now.Unix() {
					t.Errorf("start %d: found at %d", i+1, p.found)
				}
				p.walker.Store(s.walker)
				p.catchUp.Store(s.catchUp)
				p.f.Close() // as a death does: the notes stay
			}
		})
	}
}

// More messages with one death than the notes have room for: the one with two
// is kept.
func TestPoisonNotesFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range uint64(100) {
		p, err := openPoison(dir, 0, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if i >= 2 && !p.poisonous(5) {
			t.Fatalf("start %d: forgotten", i)
		}
		p.walker.Store(max(5, 1000*(i/2)*(i/2)+i*min(1, i/2)))
		p.f.Close()
	}
}

func BenchmarkPoisonNote(b *testing.B) {
	p, err := openPoison(b.TempDir(), 0, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	for i := uint64(0); b.Loop(); i++ {
		p.walker.Store(i)
		if p.poisonous(i) {
			b.Fatal(i)
		}
		p.walker.Store(0)
	}
}
