// Package pipeline is the way of a message, in the order it is walked:
//
//	appender   deliveries → journal, fsynced in groups → acknowledged
//	walker     journal → decoded, checked, entered as seen → account, rejects
//	storer     lines → InfluxDB, in batches by size and age → account
//	sorter     lines InfluxDB refuses, or would as too old → InfluxDB → account
//	catch-up   what is pending and no longer in memory: journal → InfluxDB
//
// The walker and the store each have a position in the journal. The walker's
// is one number. The store's is the set of messages that wait for InfluxDB's
// word, a bit each: what is written live and what is caught up confirm in any
// order, so that readings of now are not behind those of an outage.
//
// Between stages stand bounded channels, and none of them blocks the stage
// before: where one is full, the messages are read from the journal again. An
// outage of InfluxDB costs a bit of memory a message.
//
// A checkpoint is everything that is not in the journal, as of one message of
// it. That of a million devices takes two seconds, so it is written for at most
// a twentieth of the time, and the account alone is written every second
// between. /metrics shows the account as of the last of these that is durable,
// so no counter goes back when the process is killed: what was counted since is
// walked, or stored, and counted again. What these count as rejected is durable
// among the rejects first: where that file cannot be written to, neither is
// written, and its lines wait in memory.
package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/influx"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/journal"
	"greencommunity/ingest/mqtt"
)

const (
	checkpointEvery = time.Second
	liveGroups      = 2 // groups the walker may be behind before it reads the journal
	storeChunks     = 4 // chunks the store may be behind before it reads the journal
)

// ErrInUse is that another process has a data directory.
var ErrInUse = errors.New("is used by another process")

// Options of a pipeline.
type Options struct {
	DataDir   string
	Inventory *inventory.Inventory
	MQTT      mqtt.Options // Filters, OnConnect, Logger and Registerer are set here, and a ClientID kept in DataDir if there is none
	InfluxDB  influx.Options
	Journal   journal.Options // likewise Dir, Logger and Registerer
	// BatchSize in lines and BatchAge bound a write to InfluxDB. Default 5,000 and 200 ms.
	BatchSize int
	BatchAge  time.Duration
	// FeedbackPerMinute bounds the reject notices to each vendor; 0 is none.
	FeedbackPerMinute int
	RejectsBytes      int64 // cap of the rejects files; default 256 MiB
	// AcknowledgeStored leaves a message with the broker until InfluxDB has confirmed what is
	// in it, or nothing of it is to be stored; else until the journal has it.
	AcknowledgeStored bool
	// Division says which share of the communities Inventory is; zero: not known. A data
	// directory of another one is an error, unless Redivide is set.
	Division Division
	Redivide bool
	// Filters, where set, are subscribed in place of those of Inventory.
	Filters []string
	// Observers take what is accepted: each implements any part of an observer
	// (ingest.Readings, Events, Ticker, Points, Saver, Devices; inventory.Binder; Messages).
	Observers []any
	// Built says when the program was built: the clock is wrong before that. Zero: not known.
	Built      time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Pipeline is the ingester.
type Pipeline struct {
	o          Options
	log        *slog.Logger
	lock       *os.File
	journal    *journal.Journal
	subscriber *mqtt.Subscriber
	influx     *influx.Writer
	registry   *inventory.Registry
	inventory  atomic.Pointer[inventory.Inventory]
	redactor   atomic.Pointer[decode.Redactor]
	households *decode.Households
	feedback   feedback
	clock      clock
	metrics    stageMetrics

	live    chan group  // full: the walker reads the journal
	toStore chan *chunk // full: the chunk is dropped and becomes backlog
	spare   chan *chunk // used, to be used again
	reloads chan *inventory.Inventory
	tasks   chan func(*walker) // for the walker to do between messages
	beat    beat
	backlog backlog
	apart   apart

	unacknowledged unacknowledged

	journalDown atomic.Bool
	sessionLost atomic.Uint32 // last epoch in which the broker had no session
	ready       atomic.Bool

	// mu guards the account: the walker and both writers book to it.
	mu      sync.Mutex
	tally   tally
	pending pendingSet
	stamps  stamps
	walked  uint64
	// accounted is the last message that was in the account at the start: what
	// is walked up to it again is not counted again. It does not change then.
	accounted uint64
	shown     shown // the account as of the last durable file
	// deviceCounts is replaced, never changed.
	deviceCounts map[deviceState]int

	poison *poison
	state  stateHealth // locks itself

	rejectsMu sync.Mutex // the walker and both writers reject
	appender  *appender
	inFlight  []InFlight      // as the account has them, for the start
	ending    <-chan struct{} // closed when the service ends: nobody waits any more
	rejects   *rejects

	devices *deviceFile // owned by the walker
	names   *names
	derived derived
	already *already // owned by the appender
	taken   []string // ids of what was handed over to us
	// decoders holds what the walker's decoders remembered at the last checkpoint,
	// for those of the catch-up, which has not seen what came before.
	decoders atomic.Pointer[[]byte]
}

// shown holds what /metrics shows of the account.
type shown struct {
	tally  tally
	walked uint64
	number uint64 // of the snapshot
}

type stageMetrics struct {
	redelivered prometheus.Counter
	foreign     prometheus.Counter
	delay       prometheus.Histogram
}

// New opens what is in the data directory. The account and the devices are
// as the journal says when Run has opened /metrics (Ready).
func New(o Options) (*Pipeline, error) {
	if o.BatchSize <= 0 {
		o.BatchSize = 5000
	}
	if o.BatchAge <= 0 {
		o.BatchAge = 200 * time.Millisecond
	}
	if o.RejectsBytes <= 0 {
		o.RejectsBytes = 256 << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registerer == nil {
		o.Registerer = prometheus.NewRegistry()
	}
	p := &Pipeline{
		o: o, log: o.Logger,
		live:    make(chan group, liveGroups),
		toStore: make(chan *chunk, storeChunks), spare: make(chan *chunk, storeChunks), reloads: make(chan *inventory.Inventory), tasks: make(chan func(*walker)),
		unacknowledged: unacknowledged{ids: map[uint16]keptFor{}, added: make(chan struct{}, 1)},
		backlog:        backlog{wake: make(chan struct{}, 1)}, derived: derived{wake: make(chan struct{}, 1)},
		apart: apart{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)},
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Pipeline) open() (err error) {
	o := p.o
	if err := makeDir(o.DataDir); err != nil {
		return err
	}
	// Two processes on one directory would each truncate the other's journal.
	if p.lock, err = os.OpenFile(filepath.Join(o.DataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o640); err != nil {
		return err
	}
	if err := lockFile(p.lock); err != nil {
		return fmt.Errorf("data directory %s %w: %w", o.DataDir, ErrInUse, err)
	}
	o.Journal.Dir, o.Journal.Logger, o.Journal.Registerer = filepath.Join(o.DataDir, "journal"), p.log, o.Registerer
	if p.journal, err = journal.Open(o.Journal); err != nil {
		return err
	}
	if p.poison, err = openPoison(o.DataDir, p.journal.First(), time.Now()); err != nil {
		return err
	}
	for _, seq := range p.poison.suspects {
		if p.poison.poisonous(seq) {
			p.log.Error("the process died twice while it dealt with a message: it is rejected as internal, and kept for replay", "seq", seq)
		} else {
			p.log.Warn("the process died while it dealt with a message: it is tried once more alone", "seq", seq)
		}
	}
	if p.rejects, err = openRejects(o.DataDir, o.RejectsBytes, p.log); err != nil {
		return err
	}
	if p.devices, err = openDevices(o.DataDir); err != nil {
		return err
	}
	p.inventory.Store(o.Inventory)
	p.households = decode.OpenHouseholds(o.DataDir, o.Inventory.Zone)
	p.redactor.Store(p.newRedactor(o.Inventory))
	p.appender = &appender{p: p}
	p.registry = inventory.NewRegistry(o.Inventory)
	o.InfluxDB.Logger, o.InfluxDB.Registerer = p.log, o.Registerer
	p.influx = influx.New(o.InfluxDB)
	o.MQTT.Filters, o.MQTT.Logger, o.MQTT.Registerer = o.Inventory.Filters(), p.log, o.Registerer
	if o.Filters != nil {
		o.MQTT.Filters = o.Filters
	}
	if p.already, err = openAlready(o.DataDir, time.Now()); err != nil {
		return err
	}
	o.MQTT.SessionFile = filepath.Join(o.DataDir, "subscriptions")
	o.MQTT.OnConnect = func(sessionPresent bool, epoch uint32) {
		if !sessionPresent {
			p.sessionLost.Store(epoch)
		}
	}
	if o.MQTT.ClientID == "" {
		if o.MQTT.ClientID, err = mqtt.ClientID(o.DataDir); err != nil {
			return err
		}
	}
	if p.subscriber, err = mqtt.New(o.MQTT); err != nil {
		return err
	}
	p.feedback = feedback{perMinute: o.FeedbackPerMinute, publish: p.subscriber.Publish, limits: map[ingest.VendorID]*rate.Limiter{}}
	p.metrics = stageMetrics{
		redelivered: prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_redeliveries_recognised_total", Help: "Deliveries the broker repeated and the journal had already."}),
		foreign:     prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_messages_foreign_total", Help: "Messages of another instance's share, which it has from the broker as well: acknowledged, and not taken."}),
		delay:       prometheus.NewHistogram(prometheus.HistogramOpts{Name: "greencommunity_message_delay_seconds", Help: "From the earliest device time in a batch to its confirmation by InfluxDB.", Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400}}),
	}
	p.clock.built = o.Built
	p.clock.steps = prometheus.NewCounter(prometheus.CounterOpts{Name: "greencommunity_clock_steps_total", Help: "Steps of this machine's clock of a second or more, and starts at a time before the last receipt."})
	o.Registerer.MustRegister(p.clock.steps, p.metrics.redelivered, p.metrics.foreign, p.metrics.delay, collector{p})
	return nil
}

// Ready reports whether readings are taken in and stored: the journal is walked
// and takes messages, the broker is connected, and writing to InfluxDB does not
// wait for somebody to mend something. InfluxDB being away is not in this: it
// comes back by itself.
func (p *Pipeline) Ready() error {
	switch {
	case !p.ready.Load():
		return errors.New("the journal is being walked")
	case p.clock.wrong(time.Now()) != nil:
		return p.clock.wrong(time.Now())
	case p.journalDown.Load():
		return errors.New("the journal takes no messages")
	case !p.subscriber.Connected():
		return errors.New("not connected to the broker")
	}
	if err := p.state.failing(time.Now()); err != nil {
		return err
	}
	if h := p.influx.Held(); h != nil {
		return fmt.Errorf("InfluxDB cannot be written to: %s", h)
	}
	return nil
}

// Run takes messages in until ctx ends. Opened is called once the account is
// complete: the time to open /metrics.
func (p *Pipeline) Run(ctx context.Context, opened func()) error {
	defer p.close()
	p.ending = ctx.Done()
	w, err := p.restore()
	if err != nil {
		return err
	}
	from := w.seq
	start := time.Now()
	p.tryAlone(w.seq)
	if err := w.catchUp(ctx); ctx.Err() != nil {
		return nil // told to end while starting
	} else if err != nil {
		return fmt.Errorf("walking the journal: %w", err)
	}
	a := p.appender
	if err := a.remember(p.journal, time.Now()); err != nil {
		return err
	}
	if err := w.applyChanges(); err != nil {
		return err
	}
	w.count(time.Now()) // lets go who was heard once, before the clock makes it offline
	w.idle()
	w.derive()
	w.account(time.Now())
	w.collect(&w.checkpoints.account, true, w.show)
	p.log.Info("journal walked", "messages", p.journal.Last()-from, "seconds", time.Since(start).Seconds(), "pending", p.pending.Count)
	w.live = true
	w.checkpoints.last = time.Now() // the first one does not stand in the way of connecting
	p.ready.Store(true)
	opened()

	g, ctx := errgroup.WithContext(ctx)
	p.ending = ctx.Done()
	g.Go(func() error { p.watchClock(ctx); return nil })
	g.Go(func() error { p.waitForClock(ctx); return p.subscriber.Run(ctx) })
	g.Go(func() error { a.run(ctx); return nil })
	g.Go(func() error { return w.run(ctx) })
	if p.o.AcknowledgeStored {
		g.Go(func() error { p.acknowledger(ctx); return nil })
	}
	g.Go(func() error { p.storer(ctx); return nil })
	g.Go(func() error { p.catchUpStore(ctx); return nil })
	g.Go(func() error { p.sorter(ctx); return nil })
	g.Go(func() error { p.storeDerived(ctx); return nil })
	g.Go(func() error { p.housekeeping(ctx); return nil })
	return g.Wait()
}

// makeDir makes a directory, and its name durable: a power cut must not take a
// new one with all that was acknowledged into it. So for those above that are new.
func makeDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	var made []string
	for d := dir; ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, d := range made {
		if err := durable.Dir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// restore takes over the checkpoint and returns the walker that goes on from it.
func (p *Pipeline) restore() (*walker, error) {
	s := newSeen()
	p.names = s.names
	inv := p.inventory.Load()
	observers, err := newObservers(p.o.Observers)
	if err != nil {
		return nil, err
	}
	observers.bind(inv)
	h, from, err := readCheckpoint(p.o.DataDir, s, observers.savers, p.log)
	if err != nil {
		return nil, err
	}
	if err := p.o.divided(h.Division); err != nil {
		return nil, err
	}
	p.taken = h.Taken
	p.state.restored(stateCheckpoint, from == previous(checkpointPath(p.o.DataDir)))
	mended, err := p.devices.restore(h, func(d ingest.Device) { p.registry.Restore(d) }, p.log)
	if err != nil {
		return nil, err
	}
	p.state.restored(stateDevices, mended)
	for index, origin := range h.Moved {
		p.registry.Move(index, origin)
	}
	for _, index := range h.Removed {
		p.registry.Forget(index)
	}
	for _, o := range observers.devices {
		o.Devices(p.registry.At)
	}
	observers.now = h.Now
	p.tally, p.pending, p.walked, p.accounted = h.Tally, h.Pending, h.Seq, h.Seq
	account, damaged, err := readAccount(p.o.DataDir, p.log)
	if err != nil {
		return nil, err
	}
	p.state.restored(stateAccount, damaged)
	settled := h.Settled
	p.inFlight = h.InFlight
	p.appender.renumbers.Store(h.Renumbers || account != nil && account.Renumbers)
	if account != nil && account.after(h) {
		settled, p.inFlight = account.Settled, account.InFlight
		p.tally, p.pending, p.accounted = account.Tally, account.Pending, account.Seq
	}
	if have := p.journal.Last(); have < p.accounted {
		p.log.Error("the journal ends before what was accounted for: its files were removed or put back; what waited in them is lost, and numbers go on", "journal", have, "accounted", p.accounted)
	}
	p.journal.Continue(p.accounted)
	if h.Seq == 0 && p.accounted == 0 {
		// Without any account, what is no longer in the journal was not lost: it
		// was stored, and deleted when its time had come.
		if expired := p.journal.Expired(); expired > 0 {
			p.log.Warn("there is no checkpoint: counting begins anew with what the journal still has", "from", expired+1)
			h.Seq = expired
			p.walked, p.accounted = expired, expired
		}
	}
	p.subscriber.Restore(settled)
	p.rejects.resume(h.Seq)
	p.shown = shown{tally: p.tally.clone(), walked: p.accounted}
	p.derived.batches, p.derived.sum = h.Derived, uint64(len(h.Derived))
	if p.stamps = h.Stamps; p.stamps == nil {
		p.stamps = stamps{}
	}
	if first := p.pending.first(); first > 0 {
		p.backlog.add(first, p.accounted)
	}
	p.decoders.Store(&h.Decoders)
	worker := decode.NewWorker(inv, p.registry)
	if err := worker.LoadState(bytes.NewReader(h.Decoders)); err != nil {
		p.log.Error("decoders begin anew", "error", err)
	}
	w := &walker{
		p: p, worker: worker, seen: s, seq: h.Seq, batch: newTally(), observers: observers,
		checkpoints: checkpoints{kept: positions{h.Seq, h.Pending.first()}},
	}
	w.letGo(time.Unix(0, h.Now)) // what has left the inventory while we were away
	return w, nil
}

// book adds what the walker decided to the account.
func (p *Pipeline) book(t *tally, pending []uint64, walked uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.walked = walked
	if walked <= p.accounted {
		return
	}
	for k, v := range t.Received {
		p.tally.Received[k] += v
	}
	for k, v := range t.Rejected {
		p.tally.Rejected[k] += v
	}
	for k, v := range t.Readings {
		p.tally.Readings[k] += v
	}
	for k, v := range t.Refused {
		p.tally.Refused[k] += v
	}
	p.tally.Duplicate += t.Duplicate
	p.tally.Ignored += t.Ignored
	p.tally.Late += t.Late
	for _, seq := range pending {
		p.pending.add(seq)
	}
}

// housekeeping deletes what the journal need not keep.
func (p *Pipeline) housekeeping(ctx context.Context) {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			p.journal.Expire(now)
		}
	}
}

// Reload swaps the inventory, which Load has checked.
func (p *Pipeline) Reload(ctx context.Context, inv *inventory.Inventory) error {
	p.redactor.Store(p.newRedactor(inv)) // before anything new is subscribed
	p.registry.Reload(inv)
	p.inventory.Store(inv)
	select {
	case p.reloads <- inv:
	case <-ctx.Done():
		return ctx.Err()
	}
	return p.subscriber.SetFilters(inv.Filters())
}

func (p *Pipeline) newRedactor(inv *inventory.Inventory) *decode.Redactor {
	r := decode.NewRedactor(inv)
	r.Households = p.households
	return r
}

// Redact returns what may be kept of a message, by the inventory in force. It is
// safe for concurrent use.
func (p *Pipeline) Redact(topic string, payload []byte) (string, []byte) {
	return p.redactor.Load().Redact(topic, payload)
}

// rejected keeps a refused message where people look. What is walked again is
// there already. Where the file cannot be written to, some lines wait in memory;
// with more of them the caller waits: the journal keeps what comes meanwhile.
func (p *Pipeline) rejected(m *ingest.Message, vendor ingest.VendorID, refusal *ingest.Refusal, walking bool) {
	p.rejectsMu.Lock()
	defer p.rejectsMu.Unlock()
	if m.Erased || walking && p.rejects.has(m) {
		return
	}
	p.rejects.add(m, vendor, refusal)
	for p.rejects.waitingBytes > maxWaiting {
		p.rejectsMu.Unlock()
		select {
		case <-p.ending:
			p.rejectsMu.Lock()
			return // no state is written, and the next start refuses it again
		case <-time.After(rejectAgain):
		}
		p.rejectsMu.Lock()
		if err := p.rejects.sync(); err != nil {
			p.state.failed(stateCheckpoint, err, time.Now(), p.log)
		}
	}
}

// rejectAgain sets how often lines that wait are tried again, where the walker
// waits for them.
const rejectAgain = 200 * time.Millisecond

// syncRejects makes the rejects durable. A state that counts their messages may
// only become durable behind them.
func (p *Pipeline) syncRejects() error {
	p.rejectsMu.Lock()
	defer p.rejectsMu.Unlock()
	return p.rejects.sync()
}

func (p *Pipeline) close() {
	p.influx.Close()
	if err := errors.Join(p.journal.Close(), p.poison.close(), p.rejects.close(), p.devices.close()); err != nil {
		p.log.Error("closing", "error", err)
	}
	p.lock.Close()
}
