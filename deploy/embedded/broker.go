package embedded

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Limits of the broker.
const (
	// sessionQueue sets how many messages a session holds that are not yet
	// acknowledged by its client: all of a session's packet identifiers.
	sessionQueue = math.MaxUint16
	// holdAbove and releaseBelow bound what a connected session holds: above,
	// publishers wait; below, they go on.
	holdAbove, releaseBelow = 16 << 10, 12 << 10
	// pendingWrites must exceed holdAbove by what publishers who have passed
	// the gate may add: beyond it mochi drops what it has acknowledged.
	pendingWrites = 2 * holdAbove
	maxPacket     = 16 << 20
)

// BrokerConfig configures StartBroker.
type BrokerConfig struct {
	// Addr is host:port; port 0 takes a free one.
	Addr string
	// Dir keeps persistent sessions with what waits in them, and retained
	// messages. "" keeps them in memory only.
	Dir string
	// Redact, where set, cuts topic and payload down to what may be written to
	// Dir: what waits in a session must not bring to the disk what the reader of
	// the session would never write there. A message that is read back is the cut
	// one; a retained one whose topic is cut is not kept.
	Redact func(topic string, payload []byte) (string, []byte)
	// Users say who may log in. Anonymous lets clients without a user name do
	// everything; it is always so where there are no users.
	Users     []User
	Anonymous bool
	// Open lets clients under names that are not those of Users do everything,
	// with any password: for trying out, on loopback.
	Open bool
	// TLS, where set, is spoken instead of plain TCP.
	TLS *tls.Config
	// Logger gets warnings and errors. Default: nobody.
	Logger *slog.Logger
}

// Broker is a running MQTT broker (3.1.1 and 5).
//
// A publisher at QoS 1 is held back while a connected session that its message
// is for has more than 16,384 messages unacknowledged, so a subscriber that
// falls behind slows its publishers down and loses nothing. The queue of a
// session whose client is away holds 65,535 messages; what comes beyond is
// dropped for that session, and logged.
//
// BUG(broker): mochi acknowledges a publication before it hands it to sessions.
// A process killed between the two, some microseconds, has lost that message.
// Sessions survive SIGKILL, and not a power cut: their log is not fsynced.
//
// BUG(broker): mochi keeps one table of packet identifiers for both directions.
// A client that publishes at QoS 1 on the connection it receives at QoS 1 may
// lose a message it was sent, if the connection breaks. Publish at QoS 0 there,
// or on a connection of its own.
//
// BUG(broker): for MQTT 5 clients that announce a receive maximum below 16,384
// mochi forgets messages it had to hold back for it.
type Broker struct {
	server *mqtt.Server
	door   *doorkeeper
	gate   *gate
	addr   string
}

// StartBroker starts the broker and returns once it accepts connections.
func StartBroker(c BrokerConfig) (*Broker, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	listener, err := listen("MQTT broker", "--mqtt", c.Addr)
	if err != nil {
		return nil, err
	}
	addr := listener.Addr().String()
	if c.TLS != nil {
		listener = tls.NewListener(listener, c.TLS)
	}
	capabilities := mqtt.NewDefaultServerCapabilities()
	capabilities.MaximumInflight = sessionQueue
	capabilities.MaximumClientWritesPending = pendingWrites
	capabilities.MaximumPacketSize = maxPacket
	capabilities.ReceiveMaximum = 8192
	// By default messages, retained ones too, vanish after a day.
	capabilities.MaximumMessageExpiryInterval = 0
	server := mqtt.New(&mqtt.Options{
		Capabilities:             capabilities,
		Logger:                   slog.New(quiet{c.Logger.Handler()}),
		ClientNetReadBufferSize:  16 << 10,
		ClientNetWriteBufferSize: 16 << 10,
		SysTopicResendInterval:   10,
	})
	b := &Broker{server: server, addr: addr, door: &doorkeeper{server: server, log: c.Logger}, gate: newGate(server)}
	b.door.access.Store(newAccess(c.Users, c.Anonymous, c.Open))
	// The order counts: sessions give messages their order before the server
	// resends them.
	hooks := []mqtt.Hook{b.door, b.gate}
	if c.Dir != "" {
		store, err := openSessions(c.Dir, c.Logger)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("MQTT sessions in %s: %w", c.Dir, err), listener.Close())
		}
		store.server, store.redact = server, c.Redact
		hooks = append(hooks, store)
	}
	for _, h := range hooks {
		if err := server.AddHook(h, nil); err != nil {
			return nil, errors.Join(err, listener.Close())
		}
	}
	if err := server.AddListener(listeners.NewNet("tcp", listener)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if err := server.Serve(); err != nil {
		return nil, errors.Join(fmt.Errorf("MQTT broker: %w", err), server.Close())
	}
	return b, nil
}

// Addr is host:port where the broker listens.
func (b *Broker) Addr() string { return b.addr }

// URL is the address as clients take it: tcp://127.0.0.1:1883.
func (b *Broker) URL() string { return "tcp://" + b.addr }

// Dropped returns how many messages were dropped because a session was full.
func (b *Broker) Dropped() int64 {
	return atomic.LoadInt64(&b.server.Info.InflightDropped) + atomic.LoadInt64(&b.server.Info.MessagesDropped)
}

// SetUsers puts other users in place of those the broker was started with. Whoever
// is gone or has another password is disconnected; rules that changed hold from
// the next message on. Sessions stay, so that a user who comes back finds what
// waited.
func (b *Broker) SetUsers(users []User) {
	before := b.door.access.Load()
	now := newAccess(users, before.anonymous, before.open)
	b.door.access.Store(now)
	for _, cl := range b.server.Clients.GetAll() {
		name := string(cl.Properties.Username)
		if cl.Net.Inline || cl.Closed() || !before.changed(now, name) {
			continue
		}
		b.door.log.Warn("client disconnected: its user is gone or has another password", "user", name, "client", cl.ID)
		cl.Stop(packets.ErrNotAuthorized)
	}
}

// Close disconnects all clients and writes out the sessions.
func (b *Broker) Close() error {
	b.gate.open()
	return b.server.Close()
}

// doorkeeper is the hook that applies the access rules.
type doorkeeper struct {
	mqtt.HookBase
	access atomic.Pointer[access]
	server *mqtt.Server
	log    *slog.Logger
}

func (*doorkeeper) ID() string { return "access" }

func (*doorkeeper) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck
}

func (d *doorkeeper) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	ok := d.access.Load().login(string(pk.Connect.Username), string(pk.Connect.Password))
	if !ok {
		d.log.Warn("login refused", "user", string(pk.Connect.Username), "client", cl.ID, "remote", cl.Net.Remote)
		return false
	}
	// A session belongs to the user who made it, also while its client is away:
	// mochi would hand it, and all that waits in it, to whoever names its id
	// (MQTT 5, 5.4.2 asks the server to look).
	if session, taken := d.server.Clients.Get(cl.ID); taken && !bytes.Equal(session.Properties.Username, pk.Connect.Username) {
		d.log.Warn("login refused: the client id names a session of another user",
			"user", string(pk.Connect.Username), "owner", string(session.Properties.Username), "client", cl.ID, "remote", cl.Net.Remote)
		return false
	}
	return true
}

func (d *doorkeeper) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	ok := d.access.Load().allows(string(cl.Properties.Username), topic, write)
	if !ok && write {
		d.log.Warn("publication refused", "user", string(cl.Properties.Username), "client", cl.ID, "topic", topic)
	}
	return ok
}

// gate is the hook that holds publishers back while a session is full.
//
// mochi hands each message to a bounded queue a client and drops it when the
// queue is full, after it has acknowledged it to the publisher. The gate keeps
// that queue from filling.
type gate struct {
	mqtt.HookBase
	server *mqtt.Server
	any    atomic.Bool // whether full is not empty: all that is looked at while it is

	mu     sync.Mutex
	full   map[*mqtt.Client]bool // connected clients whose session is full
	eased  chan struct{}         // closed when full loses a member
	opened bool                  // the broker is closing: hold nobody
}

func newGate(server *mqtt.Server) *gate {
	return &gate{server: server, full: map[*mqtt.Client]bool{}, eased: make(chan struct{})}
}

func (*gate) ID() string { return "gate" }

func (*gate) Provides(b byte) bool {
	return bytes.IndexByte([]byte{mqtt.OnPublish, mqtt.OnQosPublish, mqtt.OnQosComplete, mqtt.OnQosDropped, mqtt.OnDisconnect}, b) >= 0
}

// OnPublish waits, before the message is acknowledged, while a session it is
// for is full.
func (g *gate) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	for g.any.Load() && pk.FixedHeader.Qos > 0 && !cl.Closed() {
		// A client that is sent messages itself is never held: its
		// acknowledgements are behind its publication, and may be what others
		// wait for.
		if cl.State.Subscriptions.Len() > 0 {
			break
		}
		subscribers := g.server.Topics.Subscribers(pk.TopicName)
		g.mu.Lock()
		hold := false
		for full := range g.full {
			_, subscribed := subscribers.Subscriptions[full.ID]
			hold = hold || subscribed || len(subscribers.Shared) > 0
		}
		eased := g.eased
		hold = hold && !g.opened
		g.mu.Unlock()
		if !hold {
			break
		}
		<-eased
	}
	return pk, nil
}

func (g *gate) OnQosPublish(cl *mqtt.Client, pk packets.Packet, _ int64, _ int) {
	if pk.FixedHeader.Type != packets.Publish || cl.State.Inflight.Len() < holdAbove || cl.Closed() {
		return
	}
	g.mu.Lock()
	g.full[cl] = true
	g.any.Store(true)
	g.mu.Unlock()
}

func (g *gate) OnQosComplete(cl *mqtt.Client, _ packets.Packet) {
	if g.any.Load() && cl.State.Inflight.Len() < releaseBelow {
		g.ease(cl)
	}
}

func (g *gate) OnQosDropped(cl *mqtt.Client, pk packets.Packet) { g.OnQosComplete(cl, pk) }

func (g *gate) OnDisconnect(cl *mqtt.Client, _ error, _ bool) { g.ease(cl) }

func (g *gate) ease(cl *mqtt.Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.full[cl] {
		return
	}
	delete(g.full, cl)
	g.any.Store(len(g.full) > 0)
	close(g.eased)
	g.eased = make(chan struct{})
}

// open lets everybody through, for good.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened = true
	clear(g.full)
	g.any.Store(false)
	close(g.eased)
	g.eased = make(chan struct{})
}

// quiet keeps from mochi's log what is no news: every closed connection (an
// empty message), every refused packet with its payload (the doorkeeper names
// it without), short keepalives.
type quiet struct{ slog.Handler }

func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && q.Handler.Enabled(ctx, level)
}

func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if slices.Contains([]string{"", "error processing packet", mqtt.ErrMinimumKeepalive.Error()}, r.Message) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(attrs)} }
func (q quiet) WithGroup(name string) slog.Handler       { return quiet{q.Handler.WithGroup(name)} }
