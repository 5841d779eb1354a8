package scorecard

import (
	"maps"
	"slices"

	"greencommunity/ingest"
)

// Take takes over the rhythm of devices from another scorecard, and with the rest what was
// counted of vendors.
func (s *Scorecard) Take(from any, m *ingest.Move) {
	f := from.(*Scorecard)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = max(s.now, f.now)
	for i := range f.devices.Len() {
		to, ok := m.Index[uint32(i)]
		if !ok {
			continue
		}
		s.devices.Extend(int(to) + 1)
		d := s.devices.At(to + 1)
		*d = *f.devices.At(uint32(i + 1))
		if d.Vendor != 0 {
			name := f.names[d.Vendor-1]
			s.vendor(name)
			d.Vendor = uint16(slices.Index(s.names, name) + 1)
		}
	}
	if !m.Rest {
		return
	}
	for id, theirs := range f.vendors {
		v := s.vendor(id)
		v.Readings, v.Late, v.OutOfOrder, v.Duplicates = v.Readings+theirs.Readings, v.Late+theirs.Late, v.OutOfOrder+theirs.OutOfOrder, v.Duplicates+theirs.Duplicates
		v.Unmapped, v.Replaced, v.Gaps, v.Missing = v.Unmapped+theirs.Unmapped, v.Replaced+theirs.Replaced, v.Gaps+theirs.Gaps, v.Missing+theirs.Missing
		for reason, n := range theirs.Refused {
			v.Refused[reason] += n
		}
		for reason, n := range theirs.Rejected {
			v.Rejected[reason] += n
		}
		if v.Fields == nil {
			v.Fields = maps.Clone(theirs.Fields)
		} else {
			for name, n := range theirs.Fields {
				if _, there := v.Fields[name]; there || len(v.Fields) < maxFields {
					v.Fields[name] += n
				}
			}
		}
		if len(v.Offsets) == 0 {
			v.Offsets, v.Next = theirs.Offsets, theirs.Next
		}
		v.LastMessage = max(v.LastMessage, theirs.LastMessage)
	}
}

var _ ingest.Mover = (*Scorecard)(nil)
