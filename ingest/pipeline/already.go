package pipeline

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"

	"greencommunity/ingest"
	"greencommunity/ingest/durable"
)

// Who takes over a community has subscribed to its topics before who had it ends its
// subscription, so that nothing is lost: what is published in between both get. The one
// who leaves says which messages it has, and the other one does not take them again.
//
// Of each topic both have got the same messages in the same order, so that what the new one
// gets first is the end of what the old one had: messages are let go as long as they follow
// each other as they did there. Where a topic says the same thing again and again, the
// shortest such end is taken: rather one twice than one lost.

// already1 is a message that the instance before has taken.
type already1 struct{ Topic, Hash uint64 }

func already1Of(m *ingest.Message) already1 {
	return already1{xxhash.Sum64String(m.Topic), xxhash.Sum64(m.Payload)}
}

type already struct {
	topics map[uint64]*sequence
}

type sequence struct {
	hashes []uint64
	next   int // that follows what came; 0: nothing came yet
}

// alreadyFor sets how long it is asked what the instance before has taken.
const alreadyFor = 24 * time.Hour

func alreadyPath(dir string) string { return filepath.Join(dir, "already_taken") }

// openAlready reads what a data directory's instance need not take, and removes what is old.
func openAlready(dir string, now time.Time) (*already, error) {
	a := &already{}
	info, err := os.Stat(alreadyPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil
	}
	if err == nil && now.Sub(info.ModTime()) > alreadyFor {
		return a, os.Remove(alreadyPath(dir))
	}
	list, err := readAlready(dir)
	if err != nil {
		return nil, err
	}
	a.topics = map[uint64]*sequence{}
	for _, one := range list {
		s := a.topics[one.Topic]
		if s == nil {
			s = &sequence{}
			a.topics[one.Topic] = s
		}
		s.hashes = append(s.hashes, one.Hash)
	}
	return a, nil
}

// has reports whether a message is one that the instance before has taken.
func (a *already) has(m *ingest.Message) bool {
	if len(a.topics) == 0 {
		return false
	}
	one := already1Of(m)
	s := a.topics[one.Topic]
	if s == nil {
		return false
	}
	at := -1
	if s.next > 0 {
		if s.hashes[s.next] == one.Hash {
			at = s.next
		}
	} else {
		for i, h := range s.hashes {
			if h == one.Hash {
				at = i
			}
		}
	}
	if s.next = at + 1; at < 0 || s.next == len(s.hashes) {
		delete(a.topics, one.Topic)
	}
	return at >= 0
}

// since lists, for each instance that takes over, what came after l.Since and is its own.
func (p *Pipeline) since(l Leaving) (map[int][]already1, error) {
	lists := map[int][]already1{}
	r := p.journal.Read(l.Since + 1)
	defer r.Close()
	for r.Next() {
		m := r.Message()
		if to, ok := l.Inventory.OwnerOfTopic(m.Topic, l.To.Count); ok && to != l.To.Index {
			lists[to] = append(lists[to], already1Of(m))
		}
	}
	return lists, r.Err()
}

func writeAlready(dir string, list []already1) error {
	if len(list) == 0 {
		return nil
	}
	var b []byte
	for _, one := range list {
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, one.Topic), one.Hash)
	}
	return durable.Replace(alreadyPath(dir), b, 0o600)
}

func readAlready(dir string) (list []already1, err error) {
	f, err := os.Open(alreadyPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		var b [16]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return list, nil
			}
			return nil, err
		}
		list = append(list, already1{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])})
	}
}
