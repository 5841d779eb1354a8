package embedded

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/storage"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// sessions is the hook that keeps persistent sessions, what waits in them and
// retained messages on disk: a log of changes, rewritten as a log of what is
// when it is opened and when it has grown to many times that.
//
// A change is written to the operating system before the hook returns, so a
// killed process loses none. A "done" that is lost with the machine means that
// a message is delivered once more, which QoS 1 allows.
//
// It also gives waiting messages their order back: mochi resends them by the
// second they came in, and at random within it. Since it sorts by the field
// Created, their ranks are put there before each resend.
type sessions struct {
	mqtt.HookBase
	dir    string
	log    *slog.Logger
	server *mqtt.Server
	redact func(topic string, payload []byte) (string, []byte) // nil: nothing

	// mu guards everything below. Hooks come from the goroutines of all clients.
	mu       sync.Mutex
	wl       *wlog.WL // nil once closed, or after a write error
	live     int64    // bytes of the log when it was last rewritten
	written  int64    // bytes of the log since
	next     uint64   // order of the next waiting message
	byClient map[string]*session
	retained map[string]storage.Message
	buf      bytes.Buffer
}

// session is a persistent session.
type session struct {
	client        storage.Client
	subscriptions map[string]storage.Subscription
	waiting       map[uint16]waiting
}

type waiting struct {
	order   uint64
	message storage.Message
}

// change is one record of the log: exactly one field beside Client is set.
type change struct {
	ID           string                `json:"c,omitempty"` // of the client
	Client       *storage.Client       `json:"client,omitempty"`
	Gone         bool                  `json:"gone,omitempty"` // the session is over
	Subscribed   *storage.Subscription `json:"sub,omitempty"`
	Unsubscribed string                `json:"unsub,omitempty"`
	Message      *storage.Message      `json:"m,omitempty"`
	Done         uint16                `json:"done,omitempty"` // packet identifier
	Retained     *storage.Message      `json:"retained,omitempty"`
	Forgotten    string                `json:"forgotten,omitempty"` // topic of a retained message
}

// rewriteAt is the size below which the log is left to grow.
const rewriteAt = 32 << 20

func openSessions(dir string, log *slog.Logger) (*sessions, error) {
	s := &sessions{dir: dir, log: log, byClient: map[string]*session{}, retained: map[string]storage.Message{}}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	// A rewrite that was killed before it was renamed into place is no more
	// than a copy; one killed between the two renames has left "log" missing.
	if _, err := os.Stat(s.path("log")); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(s.path("new"), s.path("log")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := s.read(); err != nil {
		return nil, err
	}
	return s, s.rewrite()
}

func (s *sessions) path(name string) string { return filepath.Join(s.dir, name) }

// read applies the log up to its end or to where it is torn.
func (s *sessions) read() error {
	r, err := wlog.NewSegmentsReader(s.path("log"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	records := wlog.NewReader(r)
	for records.Next() {
		var c change
		if err := json.Unmarshal(records.Record(), &c); err != nil {
			return fmt.Errorf("log: %w", err)
		}
		s.apply(&c)
	}
	if err := records.Err(); err != nil {
		s.log.Warn("log of MQTT sessions is torn; going on from what is whole", "error", err)
	}
	return nil
}

// apply makes a change to what is in memory. It reports whether it was one.
func (s *sessions) apply(c *change) bool {
	switch {
	case c.Client != nil:
		if have := s.byClient[c.ID]; have != nil {
			have.client = *c.Client
			return true
		}
		s.byClient[c.ID] = &session{client: *c.Client, subscriptions: map[string]storage.Subscription{}, waiting: map[uint16]waiting{}}
		return true
	case c.Retained != nil:
		s.retained[c.Retained.TopicName] = *c.Retained
		return true
	case c.Forgotten != "":
		_, ok := s.retained[c.Forgotten]
		delete(s.retained, c.Forgotten)
		return ok
	}
	have := s.byClient[c.ID]
	if have == nil {
		return false // not a persistent session
	}
	switch {
	case c.Gone:
		delete(s.byClient, c.ID)
	case c.Subscribed != nil:
		have.subscriptions[c.Subscribed.Filter] = *c.Subscribed
	case c.Unsubscribed != "":
		delete(have.subscriptions, c.Unsubscribed)
	case c.Message != nil:
		if _, resent := have.waiting[c.Message.PacketID]; resent {
			return false
		}
		s.next++
		have.waiting[c.Message.PacketID] = waiting{s.next, *c.Message}
	case c.Done != 0:
		if _, ok := have.waiting[c.Done]; !ok {
			return false
		}
		delete(have.waiting, c.Done)
	}
	return true
}

// change applies and writes a change.
func (s *sessions) change(c *change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.apply(c) || s.wl == nil {
		return
	}
	if err := s.append(c); err != nil {
		// Going on without is better than refusing service: what is in memory
		// is right, and Close writes it out.
		s.log.Error("MQTT sessions are not written any more", "error", err)
		s.wl = nil
		return
	}
	if s.written > max(rewriteAt, 4*s.live) {
		if err := s.rewrite(); err != nil {
			s.log.Error("log of MQTT sessions not rewritten", "error", err)
		}
	}
}

func (s *sessions) append(c *change) error {
	s.buf.Reset()
	if err := json.NewEncoder(&s.buf).Encode(c); err != nil {
		return err
	}
	s.written += int64(s.buf.Len())
	return s.wl.Log(s.buf.Bytes())
}

// rewrite replaces the log by one that says what is.
func (s *sessions) rewrite() error {
	if err := os.RemoveAll(s.path("new")); err != nil {
		return err
	}
	wl, err := wlog.New(nil, nil, s.path("new"), compression.None)
	if err != nil {
		return err
	}
	old := s.wl
	s.wl, s.written = wl, 0
	for _, id := range slices.Sorted(maps.Keys(s.byClient)) {
		have := s.byClient[id]
		changes := []change{{ID: id, Client: &have.client}}
		for _, sub := range have.subscriptions {
			changes = append(changes, change{ID: id, Subscribed: &sub})
		}
		for _, w := range have.inOrder() {
			changes = append(changes, change{ID: id, Message: &w.message})
		}
		for i := range changes {
			if err := s.append(&changes[i]); err != nil {
				return err
			}
		}
	}
	for _, m := range s.retained {
		if err := s.append(&change{Retained: &m}); err != nil {
			return err
		}
	}
	s.live, s.written = s.written, 0
	if old != nil {
		if err := old.Close(); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(s.path("log")); err != nil {
		return err
	}
	return os.Rename(s.path("new"), s.path("log"))
}

func (have *session) inOrder() []waiting {
	return slices.SortedFunc(maps.Values(have.waiting), func(a, b waiting) int { return cmp.Compare(a.order, b.order) })
}

func (*sessions) ID() string { return "sessions" }

func (*sessions) Provides(b byte) bool {
	return bytes.IndexByte([]byte{
		mqtt.OnSessionEstablish, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnClientExpired,
		mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnRetainMessage, mqtt.OnRetainedExpired,
		mqtt.OnQosPublish, mqtt.OnQosComplete, mqtt.OnQosDropped,
		mqtt.StoredClients, mqtt.StoredSubscriptions, mqtt.StoredInflightMessages, mqtt.StoredRetainedMessages,
	}, b) >= 0
}

// Stop writes out what is and closes the log.
func (s *sessions) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.rewrite(); err != nil {
		return err
	}
	err := s.wl.Close()
	s.wl = nil
	return err
}

// OnSessionEstablish comes before the server takes over the messages of the
// client's earlier connection and resends them.
func (s *sessions) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	earlier, ok := s.server.Clients.Get(cl.ID)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	have := s.byClient[cl.ID]
	if have == nil {
		return
	}
	for rank, w := range have.inOrder() {
		if pk, ok := earlier.State.Inflight.Get(w.message.PacketID); ok {
			pk.Created = int64(rank)
			earlier.State.Inflight.Set(pk)
		}
	}
}

func (s *sessions) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	p := cl.Properties
	if p.ProtocolVersion < 5 && p.Clean || p.ProtocolVersion == 5 && p.Props.SessionExpiryInterval == 0 {
		s.change(&change{ID: cl.ID, Gone: true}) // a persistent session of that name ended here
		return
	}
	s.change(&change{ID: cl.ID, Client: &storage.Client{
		ID: cl.ID, Listener: cl.Net.Listener, Username: p.Username, Clean: p.Clean, ProtocolVersion: p.ProtocolVersion,
		Properties: storage.ClientProperties{
			SessionExpiryInterval: p.Props.SessionExpiryInterval, SessionExpiryIntervalFlag: p.Props.SessionExpiryIntervalFlag,
			ReceiveMaximum: p.Props.ReceiveMaximum, MaximumPacketSize: p.Props.MaximumPacketSize,
		},
	}})
}

func (s *sessions) OnDisconnect(cl *mqtt.Client, _ error, expire bool) {
	if expire && !cl.IsTakenOver() && !errors.Is(cl.StopCause(), packets.ErrSessionTakenOver) {
		s.change(&change{ID: cl.ID, Gone: true})
	}
}

func (s *sessions) OnClientExpired(cl *mqtt.Client) { s.change(&change{ID: cl.ID, Gone: true}) }

func (s *sessions) OnSubscribed(cl *mqtt.Client, pk packets.Packet, codes []byte) {
	for i, f := range pk.Filters {
		if i < len(codes) && codes[i] <= packets.CodeGrantedQos2.Code {
			s.change(&change{ID: cl.ID, Subscribed: &storage.Subscription{
				Client: cl.ID, Filter: f.Filter, Qos: f.Qos, Identifier: f.Identifier,
				NoLocal: f.NoLocal, RetainHandling: f.RetainHandling, RetainAsPublished: f.RetainAsPublished,
			}})
		}
	}
}

func (s *sessions) OnUnsubscribed(cl *mqtt.Client, pk packets.Packet) {
	for _, f := range pk.Filters {
		s.change(&change{ID: cl.ID, Unsubscribed: f.Filter})
	}
}

func (s *sessions) OnRetainMessage(cl *mqtt.Client, pk packets.Packet, r int64) {
	if r == -1 {
		s.change(&change{Forgotten: pk.TopicName})
		return
	}
	m := s.stored(cl, &pk)
	if m.TopicName != pk.TopicName {
		return // under another name nobody would find it, and could not clear it
	}
	s.change(&change{Retained: &m})
}

func (s *sessions) OnRetainedExpired(topic string) { s.change(&change{Forgotten: topic}) }

func (s *sessions) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type != packets.Publish {
		return // an acknowledgement on its way; resent by the other side where lost
	}
	m := s.stored(cl, &pk)
	s.change(&change{ID: cl.ID, Message: &m})
}

func (s *sessions) OnQosComplete(cl *mqtt.Client, pk packets.Packet) {
	s.change(&change{ID: cl.ID, Done: pk.PacketID})
}

func (s *sessions) OnQosDropped(cl *mqtt.Client, pk packets.Packet) {
	s.change(&change{ID: cl.ID, Done: pk.PacketID})
}

func (s *sessions) stored(cl *mqtt.Client, pk *packets.Packet) storage.Message {
	p := pk.Properties
	topic, payload := pk.TopicName, pk.Payload
	if s.redact != nil {
		topic, payload = s.redact(topic, payload)
	}
	return storage.Message{
		Client: cl.ID, Origin: pk.Origin, PacketID: pk.PacketID, FixedHeader: pk.FixedHeader,
		TopicName: topic, Payload: payload, Created: pk.Created,
		Properties: storage.MessageProperties{
			CorrelationData: p.CorrelationData, User: p.User, ContentType: p.ContentType, ResponseTopic: p.ResponseTopic,
			MessageExpiryInterval: p.MessageExpiryInterval, PayloadFormat: p.PayloadFormat, PayloadFormatFlag: p.PayloadFormatFlag,
		},
	}
}

func (s *sessions) StoredClients() ([]storage.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var clients []storage.Client
	for _, have := range s.byClient {
		clients = append(clients, have.client)
	}
	return clients, nil
}

func (s *sessions) StoredSubscriptions() ([]storage.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var subscriptions []storage.Subscription
	for _, have := range s.byClient {
		subscriptions = slices.AppendSeq(subscriptions, maps.Values(have.subscriptions))
	}
	return subscriptions, nil
}

func (s *sessions) StoredInflightMessages() ([]storage.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var messages []storage.Message
	for _, have := range s.byClient {
		for _, w := range have.inOrder() {
			messages = append(messages, w.message)
		}
	}
	return messages, nil
}

func (s *sessions) StoredRetainedMessages() ([]storage.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.retained)), nil
}
