package format

import (
	"maps"
	"slices"
	"strings"
)

// opened are the conditions that devices have told of and not ended, for formats
// whose status names what holds now and nothing else: the end of one is told once,
// and not with every message. It is part of its decoder's state.
type opened map[string]bool // by device, line end, event

// maxOpened bounds them.
const maxOpened = 100_000

// settle adds an event for each of the conditions that the device had and is does
// not name any more, with code, and remembers what is names.
func (o opened) settle(of Event, events []string, is func(event string) bool, out *Output) {
	for _, event := range events {
		key := of.Device + "\n" + event
		switch {
		case is(event):
			if !o[key] && len(o) < maxOpened {
				o[strings.Clone(key)] = true
			}
		case o[key]:
			delete(o, key)
			of.Type, of.Active = event, false
			out.Events = append(out.Events, of)
		}
	}
}

// Save writes the conditions.
func (o opened) Save() ([]byte, error) {
	if len(o) == 0 {
		return nil, nil
	}
	return []byte(strings.Join(slices.Sorted(maps.Keys(o)), "\x00")), nil
}

// Load reads them.
func (o opened) Load(state []byte) error {
	for key := range strings.SplitSeq(string(state), "\x00") {
		o[key] = true
	}
	return nil
}

// LoadEarlier has nothing to read: earlier versions remembered none.
func (o opened) LoadEarlier([]byte, string) error { return nil }
