package pipeline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"
)

// A message may end the process while it is decoded: the kernel kills what
// takes too much memory, and Go cannot recover from a stack that is full. The
// journal has the message by then, so each start would die on it again. So the
// process notes in a mapped file which message it deals with; the kernel keeps
// what is written there when the process dies. The next start finds the number,
// counts a death, and deals with the message again while nothing else runs. A
// message with two deaths is rejected as internal, and never decoded again; the
// journal keeps it for replay.
//
// A note costs two stores to memory a message. A power cut may lose it; that is
// no death by the message.
type poison struct {
	f       *os.File
	page    []byte
	walker  *atomic.Uint64 // the message the walker deals with; 0: none
	catchUp *atomic.Uint64 // likewise the catch-up

	// What follows does not change after openPoison.
	deaths   map[uint64]uint64 // of messages
	suspects []uint64          // messages found in the notes: the process died over one of them
	found    int64             // when a second death was last found, unix seconds
	count    int               // messages with two deaths
}

// The file: 64 words of 8 bytes, little endian. Word 0 is the version, 1 and 2
// are the two notes, 3 is found, the rest are pairs of a message and its deaths.
// It is smaller than a sector, so it is never half written.
const (
	poisonWords   = 64
	poisonVersion = 0x31_6e_6f_73_69_6f_70 // "poison1"
	poisonDeaths  = 4
	// fatal sets how many deaths make a message poison. The first may be chance:
	// an operator's kill, another message's memory.
	fatal = 2
)

// openPoison opens the notes, and counts a death for each message found there.
// Messages before first are in the journal no more, and are forgotten.
func openPoison(dir string, first uint64, now time.Time) (p *poison, err error) {
	p = &poison{deaths: map[uint64]uint64{}}
	if p.f, err = os.OpenFile(filepath.Join(dir, "decoding"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.f.Close()
		}
	}()
	if err = p.f.Truncate(8 * poisonWords); err != nil {
		return nil, err
	}
	if p.page, err = mapFile(p.f, 8*poisonWords); err != nil {
		return nil, fmt.Errorf("%s: %w", p.f.Name(), err)
	}
	word := func(i int) uint64 { return binary.LittleEndian.Uint64(p.page[8*i:]) }
	put := func(i int, v uint64) { binary.LittleEndian.PutUint64(p.page[8*i:], v) }
	switch word(0) {
	case poisonVersion:
		p.found = int64(word(3))
		for i := poisonDeaths; i+1 < poisonWords; i += 2 {
			if seq := word(i); seq >= first && seq > 0 {
				p.deaths[seq] = word(i + 1)
			}
		}
		for _, i := range []int{1, 2} {
			if seq := word(i); seq > 0 && seq >= first && (len(p.suspects) == 0 || p.suspects[0] != seq) {
				p.suspects = append(p.suspects, seq)
				if p.deaths[seq]++; p.deaths[seq] == fatal {
					p.found = now.Unix()
				}
			}
		}
	default: // new, or of another version: nothing is known
	}
	for len(p.deaths) > (poisonWords-poisonDeaths)/2 { // forget the one that is needed least
		least := uint64(0)
		for seq, n := range p.deaths {
			if best := p.deaths[least]; least == 0 || n < best || n == best && seq < least {
				least = seq
			}
		}
		delete(p.deaths, least)
	}
	clear(p.page)
	put(0, poisonVersion)
	put(3, uint64(p.found))
	i := poisonDeaths
	for seq, n := range p.deaths {
		put(i, seq)
		put(i+1, n)
		i += 2
		if n >= fatal {
			p.count++
		}
	}
	if err = p.f.Sync(); err != nil {
		return nil, err
	}
	// The page begins at a multiple of its size, so its words are aligned. The
	// notes are in the machine's order of bytes, which is little endian wherever
	// this is built for.
	p.walker = (*atomic.Uint64)(unsafe.Pointer(&p.page[8]))
	p.catchUp = (*atomic.Uint64)(unsafe.Pointer(&p.page[16]))
	return p, nil
}

// poisonous reports whether the process died twice over a message.
func (p *poison) poisonous(seq uint64) bool {
	return len(p.deaths) > 0 && p.deaths[seq] >= fatal
}

// close leaves the notes: a panic passes here, too.
func (p *poison) close() error {
	return errors.Join(unmapFile(p.page), p.f.Close())
}
