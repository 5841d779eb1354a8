package serve

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
)

// lastMessages is an observer: which message of the journal was the last that a reading or
// an event of each device was taken from. Eight bytes a device.
type lastMessages struct {
	mu   sync.Mutex
	seqs []uint64 // by the device's index; 0: none. Of several communities where mixed is set.
}

const mixed = 1 << 63

// Name names the state in the checkpoint.
func (l *lastMessages) Name() string { return "last messages" }

// Message takes a message.
func (l *lastMessages) Message(m *ingest.Message, r *decode.Result, _, _ int) {
	if len(r.Devices)+len(r.EventDevices) == 0 {
		return
	}
	seq, first := m.Seq, ingest.CommunityID("")
	of := func(c ingest.CommunityID) {
		if first == "" {
			first = c
		}
		if c != first {
			seq |= mixed
		}
	}
	for i := range r.Readings {
		of(r.Readings[i].Device.Community)
	}
	for i := range r.Events {
		of(r.Events[i].Device.Community)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range [][]uint32{r.Devices, r.EventDevices} {
		for _, device := range list {
			for int(device) >= len(l.seqs) {
				l.seqs = append(l.seqs, 0)
			}
			l.seqs[device] = seq
		}
	}
}

// of returns the number of a device's last message, 0 for none, and whether it speaks of
// one community alone.
func (l *lastMessages) of(device uint32) (seq uint64, one bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int(device) >= len(l.seqs) {
		return 0, false
	}
	return l.seqs[device] &^ mixed, l.seqs[device]&mixed == 0
}

// Save writes the state.
func (l *lastMessages) Save(w io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := binary.AppendUvarint(nil, uint64(len(l.seqs)))
	for _, seq := range l.seqs {
		b = binary.LittleEndian.AppendUint64(b, seq)
	}
	_, err := w.Write(b)
	return err
}

// Load reads a state.
func (l *lastMessages) Load(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	n, used := binary.Uvarint(b)
	if used <= 0 || uint64(len(b)-used) != 8*n {
		return fmt.Errorf("last messages: %d bytes are no state of %d devices", len(b), n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seqs = make([]uint64, n)
	for i := range l.seqs {
		l.seqs[i] = binary.LittleEndian.Uint64(b[used+8*i:])
	}
	return nil
}

// Take goes on with the numbers of another's where the journal is the same. Of another
// journal they say nothing.
func (l *lastMessages) Take(from any, m *ingest.Move) {
	f := from.(*lastMessages)
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, to := range m.Index {
		if !m.Journal || int(at) >= len(f.seqs) {
			continue
		}
		if n := int(to) + 1; n > len(l.seqs) {
			l.seqs = append(l.seqs, make([]uint64, n-len(l.seqs))...)
		}
		l.seqs[to] = f.seqs[at]
	}
}

var _ ingest.Mover = (*lastMessages)(nil)
