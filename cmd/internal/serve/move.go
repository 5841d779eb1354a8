package serve

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"greencommunity/cmd/internal/systemd"
	"greencommunity/ingest"
	"greencommunity/ingest/durable"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/mqtt"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/alarms"
)

// What an instance knows of its communities moves with them when the number of instances
// changes (shard.before, shard.hand_over). By rendezvous hashing an instance either gives or
// takes, never both: a new one takes of each that was there, and one that goes gives to each
// that stays. All of them start with the new numbers, in any order:
//
//	giver  runs by the old division, and says "ready"
//	taker  once all givers do: subscribes to its topics, and says "subscribed"
//	giver  once all takers do: ends its subscription to what is theirs, takes what the broker
//	       still has of it, ends, divides its state, and puts a part for each taker into the
//	       directory
//	taker  once all parts are there: takes them over, and runs
//	giver  runs by the new division, or is done
//
// So a message that is published meanwhile is with one of them at least; of the few that are
// with both, the giver's list tells (pipeline.HandOver). "Ready" and "subscribed" are files
// that change every half second. What is known changes hands in two steps, each of which is
// the renaming of a checkpoint: the giver's, after which the parts are the only ones, and the
// taker's, which has their ids. A process that is killed in between goes on where it was.

// Move hands over what the configuration says is another instance's now, or waits for what
// is ours. It returns true where nothing is left to run, as this instance is no more.
func Move(ctx context.Context, c *Settings, log *slog.Logger) (ended bool, err error) {
	s := c.Shard
	if s.HandOver == "none" || s.Before == 0 || s.Before == s.Count {
		return false, nil
	}
	if err := pipeline.Unused(c.DataDir); err != nil {
		return false, err
	}
	m := &move{c: c, log: log, dir: s.HandOver, outbox: filepath.Join(c.DataDir, "hand_over"), to: pipeline.Division{Index: s.Index, Count: s.Count}, seen: map[string]beat{}}
	was, taken, err := pipeline.Divided(c.DataDir, log)
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(m.dir, 0o750); err != nil {
		return false, fmt.Errorf("shard.hand_over: %w; give a directory that all instances reach and may write to", err)
	}
	if s.Index < s.Before && s.Index >= s.Count || s.Index < s.Before && s.Before < s.Count {
		if was.Count != 0 && was != m.to && was != m.before() {
			return false, m.mismatch(was)
		}
		if was != m.to {
			waiting, end := context.WithCancel(ctx)
			go systemd.Meanwhile(waiting, log) // until the service itself is watched
			err = m.give(ctx)
			end()
		}
		if err == nil {
			err = m.publish()
		}
		if err == nil && s.Index >= s.Count {
			log.Info("everything is handed over: this instance is not needed any more", "instance", s.Index, "of", s.Before)
			return true, nil
		}
		return false, err
	}
	if was.Count != 0 && was != m.to && was != m.before() {
		return false, m.mismatch(was)
	}
	if was != m.to {
		stop, err := c.waiting(ctx, log, errors.New("waiting for what other instances hand over"))
		if err != nil {
			return false, err
		}
		defer stop()
		return false, m.take(ctx)
	}
	return false, m.clear(taken)
}

type move struct {
	c      *Settings
	log    *slog.Logger
	dir    string // all instances reach it
	outbox string // ours: what is made there is given once it is in the directory
	to     pipeline.Division
	seen   map[string]beat
	beats  int
	mine   string // what our own beats are told apart by
}

func (m *move) before() pipeline.Division {
	return pipeline.Division{Index: m.c.Shard.Index, Count: m.c.Shard.Before}
}

func (m *move) mismatch(was pipeline.Division) error {
	return fmt.Errorf("%s holds what %s knows; shard.before says that there were %d: set it to %d, or index to that of this directory", m.c.DataDir, was, m.c.Shard.Before, was.Count)
}

// givers and takers are the instances that give and take in this change.
func (m *move) givers() []int {
	if s := m.c.Shard; s.Count < s.Before {
		return numbers(s.Count, s.Before)
	}
	return numbers(0, m.c.Shard.Before)
}

func (m *move) takers() []int {
	if s := m.c.Shard; s.Count > s.Before {
		return numbers(s.Before, s.Count)
	}
	return numbers(0, m.c.Shard.Count)
}

func numbers(from, to int) (list []int) {
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

func (m *move) name(format string, args ...any) string {
	return fmt.Sprintf("%d-to-%d.", m.c.Shard.Before, m.c.Shard.Count) + fmt.Sprintf(format, args...)
}

// beat is a file by which another instance says where it stands, as it was seen last.
type beat struct {
	text    string
	changed time.Time // zero: it has not changed since it was seen first
}

// beating reports whether another instance says so now, and not some time ago.
func (m *move) beating(name string) bool {
	text, err := os.ReadFile(filepath.Join(m.dir, name))
	if err != nil {
		return false
	}
	b, known := m.seen[name]
	if known && b.text != string(text) {
		b.changed = time.Now()
	}
	b.text = string(text)
	m.seen[name] = b
	return time.Since(b.changed) < 10*time.Second
}

// say changes a file of ours, about every half second.
func (m *move) say(name string) error {
	if m.beats++; m.beats%beatEvery != 1 {
		return nil
	}
	if m.mine == "" {
		m.mine = rand.Text()
	}
	path := filepath.Join(m.dir, name)
	text := fmt.Sprintf("%s %d\n", m.mine, m.beats)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o640), os.Rename(path+".new", path)); err != nil {
		return fmt.Errorf("shard.hand_over: %w", err)
	}
	return nil
}

const (
	moveLook  = 100 * time.Millisecond
	beatEvery = 5 // looks
	// moveQuiet sets how long nothing may come of what is not ours any more, after the end of the
	// subscription, until the broker has nothing more of it.
	moveQuiet = 3 * time.Second
	moveTell  = 30 * time.Second // how often it is said what is waited for
)

// give hands over what is other instances' from now on, as far as to the outbox.
func (m *move) give(ctx context.Context) error {
	if err := os.MkdirAll(m.outbox, 0o750); err != nil {
		return err
	}
	if err := m.emptyOutbox(); err != nil {
		return err
	}
	old := *m.c
	config := *m.c.Config
	config.Shard.Count, config.Shard.Before, config.Shard.HandOver = config.Shard.Before, 0, ""
	old.Config = &config
	since, err := m.runBefore(ctx, &old)
	if err != nil {
		return err
	}
	m.log.Info("handing over", "instance", m.to.Index, "before", m.c.Shard.Before, "now", m.c.Shard.Count)
	o := pipelineOptions(&config)
	o.Inventory, o.Logger = m.c.Inventory.Shard(m.to.Index, config.Shard.Count), m.log
	o.Observers = newObservers(&old, nil, m.log).list()
	l := pipeline.Leaving{To: m.to, Inventory: m.share(m.to.Index), Observers: newObservers(m.c, nil, m.log).list(), Since: since}
	for n, i := range m.takers() {
		l.Parts = append(l.Parts, pipeline.Part{
			Dir: filepath.Join(m.outbox, m.name("from-%d.to-%d.%s", m.to.Index, i, rand.Text())), Index: i, Inventory: m.share(i),
			Observers: newObservers(m.c, nil, m.log).list(), Everything: m.to.Index >= m.to.Count && n == 0,
		})
	}
	l.Made = func() error {
		for _, part := range l.Parts {
			if _, err := alarms.Copy(m.alarms(), func(s *alarms.State) bool {
				to, moves := m.moves(s.Community)
				return moves && to == part.Index || !moves && part.Everything
			}, filepath.Join(part.Dir, "alarms.jsonl")); err != nil {
				return err
			}
			if err := durable.Dir(part.Dir); err != nil {
				return err
			}
		}
		return durable.Dir(m.outbox)
	}
	return pipeline.HandOver(ctx, o, l)
}

func (m *move) alarms() string { return filepath.Join(m.c.DataDir, "alarms") }

// share is the inventory as an instance has it from now on.
func (m *move) share(index int) *inventory.Inventory {
	return m.c.Inventory.Shard(index, m.to.Count)
}

// moves returns whose a community of ours is from now on, and whether it is another's.
func (m *move) moves(c ingest.CommunityID) (to int, moves bool) {
	to = inventory.OwnerOf(c, m.to.Count)
	return to, to != m.to.Index && inventory.OwnerOf(c, m.c.Shard.Before) == m.to.Index
}

// runBefore runs the service by the old division until nothing comes any more of what is
// other instances' from now on. It returns the number of a message after which they have
// what comes as well.
func (m *move) runBefore(ctx context.Context, old *Settings) (since uint64, err error) {
	cutPath, filters := filepath.Join(m.outbox, "cut"), m.share(m.to.Index).Filters()
	cut := exists(cutPath)
	service, err := New(old, m.log)
	if err != nil {
		return 0, err
	}
	service.passing = true
	if cut {
		if err := service.pipeline.Subscribe(filters); err != nil {
			return 0, err
		}
	}
	if since, err = m.since(service.pipeline.Last()); err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- service.Run(running) }()
	defer func() {
		stop()
		if e := <-ended; err == nil {
			err = e
		}
	}()
	look := time.NewTicker(moveLook)
	defer look.Stop()
	at, quiet, told := since, time.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case e := <-ended:
			ended <- nil
			return 0, errors.Join(e, errors.New("the service ended before it had handed over"))
		case <-look.C:
		}
		why := service.Ready()
		if why == nil {
			if err := m.say(m.name("from-%d.ready", m.to.Index)); err != nil {
				return 0, err
			}
		}
		var absent []int
		for _, i := range m.takers() {
			if !m.beating(m.name("to-%d.subscribed", i)) {
				absent = append(absent, i)
			}
		}
		switch {
		case why != nil:
		case !cut && len(absent) > 0:
			why = fmt.Errorf("instances %v have not subscribed yet: start them with the same shard.before, count and hand_over", absent)
		case !cut:
			if err := service.pipeline.Subscribe(filters); err != nil {
				m.log.Warn("the subscription to what is others' is not ended yet", "error", err)
				continue
			}
			if service.Ready() != nil { // it may have been another connection's
				continue
			}
			if err := durable.Replace(cutPath, []byte("the subscription to what is others' has ended\n"), 0o640); err != nil {
				return 0, err
			}
			cut, quiet = true, time.Now()
		}
		var found bool
		if at, found, err = service.pipeline.Tail(at, m.elsewhere); err != nil {
			return 0, err
		}
		waiting := service.pipeline.Waiting() > 0 && (m.c.Acknowledge == "stored" || m.to.Index >= m.to.Count)
		if found || waiting || why != nil {
			quiet = time.Now()
		}
		if waiting && why == nil {
			why = errors.New("messages wait for InfluxDB")
		}
		if cut && time.Since(quiet) >= moveQuiet {
			return since, nil
		}
		if why != nil && time.Since(told) >= moveTell {
			m.log.Info("not handed over yet", "waits_for", why)
			told = time.Now()
		}
	}
}

// elsewhere reports whether a topic is another instance's from now on.
func (m *move) elsewhere(topic string) bool {
	to, ok := m.c.Inventory.OwnerOfTopic(topic, m.to.Count)
	return ok && to != m.to.Index
}

// since remembers the last message before anybody else could have what follows.
func (m *move) since(last uint64) (uint64, error) {
	path := filepath.Join(m.outbox, "since")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return last, durable.Replace(path, fmt.Appendf(nil, "%d\n", last), 0o640)
	}
	if err == nil {
		_, err = fmt.Sscan(string(text), &last)
	}
	return last, err
}

// emptyOutbox removes parts that were made and not given away.
func (m *move) emptyOutbox() error {
	parts, err := filepath.Glob(filepath.Join(m.outbox, "*-to-*.from-*"))
	for _, part := range parts {
		err = errors.Join(err, os.RemoveAll(part))
	}
	return err
}

// publish puts what is in the outbox where the takers look, and lets go of what is left
// of it here.
func (m *move) publish() error {
	parts, err := filepath.Glob(filepath.Join(m.outbox, "*-to-*.from-*"))
	if err != nil || !exists(m.outbox) {
		return err
	}
	if m.to.Index < m.to.Count {
		if _, err := alarms.Erase(m.alarms(), func(s *alarms.State) bool { _, moves := m.moves(s.Community); return moves }, false); err != nil {
			return err
		}
	}
	for _, part := range parts {
		to := filepath.Join(m.dir, filepath.Base(part))
		if !exists(to) && !exists(to+".taken") {
			if err := copyDir(part, to+".new"); err != nil {
				return fmt.Errorf("shard.hand_over: %w", err)
			}
			if err := errors.Join(os.Rename(to+".new", to), durable.Dir(m.dir)); err != nil {
				return fmt.Errorf("shard.hand_over: %w", err)
			}
		}
		if err := os.RemoveAll(part); err != nil {
			return err
		}
	}
	_ = os.Remove(filepath.Join(m.dir, m.name("from-%d.ready", m.to.Index)))
	return os.RemoveAll(m.outbox)
}

// take waits for what others hand over to us, and takes it over.
func (m *move) take(ctx context.Context) error {
	options := BrokerOptions(m.c.Config)
	options.Logger, options.SessionFile = m.log, filepath.Join(m.c.DataDir, "subscriptions")
	if err := os.MkdirAll(m.c.DataDir, 0o750); err != nil {
		return err
	}
	if options.ClientID == "" {
		id, err := mqtt.ClientID(m.c.DataDir)
		if err != nil {
			return err
		}
		options.ClientID = id
	}
	look := time.NewTicker(moveLook)
	defer look.Stop()
	reserved, told := false, time.Now()
	for {
		parts, missing, silent, err := m.parts()
		switch {
		case err != nil:
			return err
		case reserved && len(missing) == 0:
			return m.takeOver(ctx, parts)
		case !reserved && len(silent) == 0:
			if err := mqtt.Reserve(ctx, options, m.share(m.to.Index).Filters()); err != nil {
				m.log.Warn("not subscribed yet", "error", err)
			} else {
				reserved = true
				m.log.Info("subscribed to what is ours from now on; what others know of it comes next", "instances", missing)
			}
		}
		if reserved {
			if err := m.say(m.name("to-%d.subscribed", m.to.Index)); err != nil {
				return err
			}
		}
		if time.Since(told) >= moveTell {
			m.log.Warn("waiting for what other instances hand over: start them with the same shard.before, count and hand_over; "+
				"where one is lost for good, put an empty directory there in its place", "instances", missing,
				"directory", filepath.Join(m.dir, m.name("from-%d.to-%d.lost", firstOf(missing), m.to.Index)))
			told = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

func firstOf(list []int) int {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}

// parts returns what was handed over to us, by instance, and the instances of which there
// is nothing, and those of these that do not say that they are ready.
func (m *move) parts() (parts map[int]string, missing, silent []int, err error) {
	parts = map[int]string{}
	for _, i := range m.givers() {
		found, err := filepath.Glob(filepath.Join(m.dir, m.name("from-%d.to-%d.*", i, m.to.Index)))
		if err != nil {
			return nil, nil, nil, err
		}
		found = slices.DeleteFunc(found, func(p string) bool { return strings.HasSuffix(p, ".new") || strings.HasSuffix(p, ".taken") })
		switch len(found) {
		case 0:
			missing = append(missing, i)
			if !m.beating(m.name("from-%d.ready", i)) {
				silent = append(silent, i)
			}
		case 1:
			parts[i] = found[0]
		default:
			return nil, nil, nil, fmt.Errorf("shard.hand_over: instance %d has handed over to us more than once: %s: two processes ran as that instance, or one is left from a change before; move away what is not of this change", i, strings.Join(found, ", "))
		}
	}
	return parts, missing, silent, nil
}

func (m *move) takeOver(ctx context.Context, parts map[int]string) error {
	o := pipelineOptions(m.c.Config)
	o.Inventory, o.Logger = m.share(m.to.Index), m.log
	o.Observers = newObservers(m.c, nil, m.log).list()
	var arrivals []pipeline.Arrival
	for _, i := range m.givers() {
		part := parts[i]
		if strings.HasSuffix(part, ".lost") {
			m.log.Warn("an instance has nothing to hand over: its communities begin anew", "instance", i)
			continue
		}
		arrivals = append(arrivals, pipeline.Arrival{Dir: part, ID: filepath.Base(part), Observers: newObservers(m.c, nil, m.log).list()})
		if err := alarms.Receive(m.alarms(), filepath.Join(part, "alarms.jsonl")); err != nil {
			return err
		}
	}
	if err := pipeline.TakeOver(ctx, o, arrivals); err != nil {
		return err
	}
	var ids []string
	for _, a := range arrivals {
		ids = append(ids, a.ID)
	}
	m.log.Info("taken over", "from", m.givers())
	return m.clear(ids)
}

// clear removes what is taken over, and leaves a word that it was.
func (m *move) clear(taken []string) error {
	for _, id := range taken {
		path := filepath.Join(m.dir, id)
		if !exists(path) {
			continue
		}
		if err := errors.Join(durable.Replace(path+".taken", []byte("taken over\n"), 0o640), os.RemoveAll(path)); err != nil {
			return fmt.Errorf("shard.hand_over: %w", err)
		}
	}
	for _, i := range m.givers() {
		_ = os.RemoveAll(filepath.Join(m.dir, m.name("from-%d.to-%d.lost", i, m.to.Index)))
	}
	_ = os.Remove(filepath.Join(m.dir, m.name("to-%d.subscribed", m.to.Index)))
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// copyDir copies the files of a directory to another that it makes anew, and makes them
// durable.
func copyDir(from, to string) error {
	if err := errors.Join(os.RemoveAll(to), os.MkdirAll(to, 0o750)); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := copyFile(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())); err != nil {
			return err
		}
	}
	return durable.Dir(to)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
