package alarms

import (
	"maps"
	"slices"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
)

// totals counts all items so far. It is in the header of each file
// of the history, so that counters do not go back when old files are removed.
type totals struct {
	Kinds        map[string]judged `json:"kinds"`           // by kind
	Acknowledged map[string]lasted `json:"acknowledged_in"` // by severity
	Cleared      map[string]lasted `json:"cleared_in"`
	// Unkept counts closings that have no line, by vendor.
	Unkept map[ingest.VendorID]uint64 `json:"unkept,omitempty"`
}

// judged counts what people found of alarms of a kind.
type judged struct {
	Told  uint64 `json:"told"` // those that were closed or that somebody dealt with
	Right uint64 `json:"right"`
	Wrong uint64 `json:"false"`
}

// lasted is a histogram of seconds.
type lasted struct {
	Count   uint64   `json:"count"`
	Sum     float64  `json:"sum"`
	Buckets []uint64 `json:"buckets"` // each with those before, as bounds
}

// bounds of the histograms, s: from what one notices to what was forgotten.
var bounds = []float64{60, 300, 900, 1800, 3600, 4 * 3600, 8 * 3600, 86400, 3 * 86400, 7 * 86400, 30 * 86400}

// adds returns what a line of the history adds to the totals.
type adds struct {
	Told         bool     `json:"told,omitempty"`
	Verdict      string   `json:"verdict,omitempty"`
	NoMore       string   `json:"no_more,omitempty"` // the verdict before
	Acknowledged *float64 `json:"acknowledged,omitempty"`
	Cleared      *float64 `json:"cleared,omitempty"`
	Unkept       uint64   `json:"unkept,omitempty"` // of the same vendor, that had no line before this one
}

func newTotals() totals { return totals{}.complete() }

// complete fills in what is not there yet: every kind and severity is shown from the
// start.
func (t totals) complete() totals {
	if t.Kinds == nil {
		t.Kinds = map[string]judged{}
	}
	if t.Unkept == nil {
		t.Unkept = map[ingest.VendorID]uint64{}
	}
	for _, k := range anomaly.Kinds {
		if _, there := t.Kinds[k.Name]; !there {
			t.Kinds[k.Name] = judged{}
		}
	}
	for _, h := range []*map[string]lasted{&t.Acknowledged, &t.Cleared} {
		if *h == nil {
			*h = map[string]lasted{}
		}
		for severity := range severities {
			l := (*h)[severity]
			if len(l.Buckets) != len(bounds) {
				l.Buckets = make([]uint64, len(bounds))
			}
			(*h)[severity] = l
		}
	}
	return t
}

func (t totals) clone() totals {
	c := totals{Kinds: maps.Clone(t.Kinds), Acknowledged: maps.Clone(t.Acknowledged), Cleared: maps.Clone(t.Cleared), Unkept: maps.Clone(t.Unkept)}
	for _, h := range []map[string]lasted{c.Acknowledged, c.Cleared} {
		for severity, l := range h {
			l.Buckets = slices.Clone(l.Buckets)
			h[severity] = l
		}
	}
	return c
}

// add counts a line.
func (t totals) add(s *State) {
	a := s.Adds
	if a == nil {
		return
	}
	if a.Unkept > 0 {
		t.Unkept[s.Vendor] += a.Unkept
	}
	k := t.Kinds[s.Kind]
	if a.Told {
		k.Told++
	}
	for _, change := range []struct {
		verdict string
		by      uint64
	}{{a.Verdict, 1}, {a.NoMore, ^uint64(0)}} {
		switch change.verdict {
		case Right:
			k.Right += change.by
		case Wrong:
			k.Wrong += change.by
		}
	}
	t.Kinds[s.Kind] = k
	for _, h := range []struct {
		into  map[string]lasted
		after *float64
	}{{t.Acknowledged, a.Acknowledged}, {t.Cleared, a.Cleared}} {
		if h.after == nil {
			continue
		}
		l, ok := h.into[s.Severity]
		if !ok {
			continue
		}
		l.Count++
		l.Sum += *h.after
		for i, bound := range bounds {
			if *h.after <= bound {
				l.Buckets[i]++
			}
		}
		h.into[s.Severity] = l
	}
}
