package savings

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/gob"
	"fmt"
	"io"
	"slices"

	"greencommunity/ingest"
	"greencommunity/metrics/savings/books"
	"greencommunity/metrics/usage"
)

// stateVersion of what Save writes. Load takes version 1 as well, in which the
// registers were kept here: they go on in the book of use; and version 2, in which
// days had no parts by meter: they count for all of a boundary's meters or for none.
const stateVersion = 3

type savedHeader struct {
	Version          int
	Closed           int
	Review           int64
	Accounts, Meters int
	Stations         int
}

type savedAccount struct {
	Key              string
	Ledger           books.Ledger
	Quarters         []books.Quarter
	Actual, Baseline float64
	Up, Down         [2][]savedCorrection
	Anomalies        []savedAnomaly
	LastRead, Skew   int64
	Hash             string
	FrozenVersion    int
	Adjustments      string
	Terms, Dated     string
	Lamps            []savedLamp // since November 2026, as what follows
	Burned           []savedBurned
	BurnedQuarter    burnedQuarter
}

type savedLamp struct {
	Device ingest.DeviceID
	Lamp   lamp
}

type savedBurned struct {
	Day int
	Sum Burning
}

type savedCorrection struct {
	Reason books.Reason
	Amount float64
}

type savedAnomaly struct {
	Reason books.Reason
	Count  int64
}

type savedMeter struct {
	Device                           ingest.DeviceID
	Channel, Serial                  string
	Time, ActualTime, HeldTime       int64
	High, ActualValue, HeldValue     float64
	Held                             uint8
	Started, EstimatedRead, ClosedBy bool
}

type savedStation struct {
	Device  ingest.DeviceID
	Weather books.Weather
}

// Save writes the state, the same bytes for the same state.
func (e *Engine) Save(w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<16)
	g := gob.NewEncoder(buffered)
	keys := make([]string, 0, len(e.byKey))
	for k := range e.byKey {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	devices := make([]ingest.DeviceID, 0, len(e.stations))
	for d := range e.stations {
		devices = append(devices, d)
	}
	slices.Sort(devices)
	if err := g.Encode(savedHeader{stateVersion, e.closed, e.review, len(keys), 0, len(devices)}); err != nil {
		return err
	}
	for _, k := range keys {
		a := e.byKey[k]
		s := savedAccount{Key: k, Ledger: a.ledger, Quarters: a.quarters, Actual: a.actual, Baseline: a.baseline,
			LastRead: a.lastRead, Skew: a.skew, Hash: a.savedHash, FrozenVersion: a.savedVersion, Adjustments: a.savedNRA, Terms: a.savedTerms, Dated: a.savedDated}
		for side := range 2 {
			s.Up[side], s.Down[side] = corrections(a.up[side]), corrections(a.down[side])
		}
		for i, n := range a.anomalies {
			if n != 0 {
				s.Anomalies = append(s.Anomalies, savedAnomaly{books.Reasons[i], n})
			}
		}
		for d, l := range a.lamps {
			s.Lamps = append(s.Lamps, savedLamp{d, *l})
		}
		slices.SortFunc(s.Lamps, func(a, b savedLamp) int { return cmp.Compare(a.Device, b.Device) })
		for day, sum := range a.burned {
			s.Burned = append(s.Burned, savedBurned{day, sum})
		}
		slices.SortFunc(s.Burned, func(a, b savedBurned) int { return cmp.Compare(a.Day, b.Day) })
		s.BurnedQuarter = a.burnedQuarter
		if err := g.Encode(s); err != nil {
			return err
		}
	}
	for _, d := range devices {
		if err := g.Encode(savedStation{d, *e.stations[d]}); err != nil {
			return err
		}
	}
	if e.own != nil {
		var book bytes.Buffer
		if err := e.own.Save(&book); err != nil {
			return err
		}
		if err := g.Encode(book.Bytes()); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// wholeDays takes over days and sums that were kept without parts by meter.
func (a *account) wholeDays() {
	for i := range a.ledger.Cells {
		c := &a.ledger.Cells[i]
		c.Old = c.Covered != 0
		if c.Counted {
			c.Share = 1
		}
	}
	for i := range a.quarters {
		q := &a.quarters[i]
		q.Sums.Share = float64(q.Sums.Days)
		for j := range q.Finals {
			q.Finals[j].Share = float64(q.Finals[j].Days)
			q.At = append(q.At, int64(j))
		}
	}
}

func corrections(m map[books.Reason]float64) []savedCorrection {
	var list []savedCorrection
	for r, v := range m {
		list = append(list, savedCorrection{r, v})
	}
	slices.SortFunc(list, func(a, b savedCorrection) int { return cmp.Compare(a.Reason, b.Reason) })
	return list
}

// Load reads what Save wrote, after Bind.
func (e *Engine) Load(r io.Reader) error {
	g := gob.NewDecoder(bufio.NewReaderSize(r, 1<<16))
	var h savedHeader
	if err := g.Decode(&h); err != nil {
		return fmt.Errorf("state of savings: %w", err)
	}
	if h.Version < 1 || h.Version > stateVersion {
		return fmt.Errorf("state of savings has version %d; this program reads up to %d", h.Version, stateVersion)
	}
	e.review, e.changed = h.Review, true // which a review finds out
	if e.closed = h.Closed; e.closed != 0 {
		e.due = e.nextClose()
	}
	for range h.Accounts {
		var s savedAccount
		if err := g.Decode(&s); err != nil {
			return fmt.Errorf("state of savings: %w", err)
		}
		a := e.byKey[s.Key]
		if a == nil {
			a = &account{} // a boundary that the inventory no longer has
			e.byKey[s.Key] = a
		}
		a.ledger, a.quarters, a.actual, a.baseline = s.Ledger, s.Quarters, s.Actual, s.Baseline
		if h.Version < 3 {
			a.wholeDays()
		}
		for side := range 2 {
			a.up[side], a.down[side] = nil, nil
			for _, c := range s.Up[side] {
				a.up[side] = merge(a.up[side], map[books.Reason]float64{c.Reason: c.Amount})
			}
			for _, c := range s.Down[side] {
				a.down[side] = merge(a.down[side], map[books.Reason]float64{c.Reason: c.Amount})
			}
		}
		for _, n := range s.Anomalies {
			if i := slices.Index(books.Reasons[:], n.Reason); i >= 0 {
				a.anomalies[i] = n.Count
			}
		}
		a.lastRead, a.skew = s.LastRead, s.Skew
		a.savedHash, a.savedVersion, a.savedNRA = s.Hash, s.FrozenVersion, s.Adjustments
		a.savedTerms, a.savedDated = s.Terms, s.Dated
		a.lamps, a.burned, a.burnedQuarter = map[ingest.DeviceID]*lamp{}, map[int]Burning{}, s.BurnedQuarter
		for _, l := range s.Lamps {
			a.lamps[l.Device] = &l.Lamp
		}
		for _, b := range s.Burned {
			a.burned[b.Day] = b.Sum
		}
		if a.boundary != nil {
			e.adopt(a)
		}
	}
	e.meters = nil
	for range h.Meters {
		var s savedMeter
		if err := g.Decode(&s); err != nil {
			return fmt.Errorf("state of savings: %w", err)
		}
		if s.Started && !s.ClosedBy {
			e.o.Book.Seed(usage.MeterKey{Device: s.Device, Channel: s.Channel}, s.Time, s.High)
		}
	}
	for range h.Stations {
		var s savedStation
		if err := g.Decode(&s); err != nil {
			return fmt.Errorf("state of savings: %w", err)
		}
		w := e.stations[s.Device]
		if w == nil {
			w = &books.Weather{}
			e.stations[s.Device] = w
		}
		*w = s.Weather
	}
	if e.own != nil && h.Version >= 2 {
		var book []byte
		if err := g.Decode(&book); err != nil {
			return fmt.Errorf("state of savings: %w", err)
		}
		if err := e.own.Load(bytes.NewReader(book)); err != nil {
			return err
		}
	}
	clear(e.slots)
	clear(e.lamps)
	e.seen = e.seen[:0]
	e.publish()
	return nil
}
