// Package mqtt takes messages from a broker and acknowledges each when told
// to, not before: what was handed over and not acknowledged, the broker sends
// again.
//
// The session is persistent and the client id fixed, so that the broker keeps
// messages while we are away. Order is kept. The connection's reader only hands
// over to a queue as long as the largest window of unacknowledged messages a
// broker can have, so it does not block and keep-alives are answered whatever
// happens behind the queue.
//
// The library connects and subscribes. Messages, their acknowledgements and pings
// pass it by (incoming, Acknowledge, bufferedConn), and reconnecting is ours, with
// jitter and a low ceiling: a waiting message takes 1.0 µs of processor time and no
// allocation, through the library 8.2 µs and 32 (BenchmarkDrain, from Mosquitto), as
// much as the rest of its way. The price is a connection that shows the library
// less than the broker sent. Each connection is an epoch: an acknowledgement of an earlier epoch is not sent,
// and the broker delivers that message again.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/ingest"
)

const (
	minBackoff     = 200 * time.Millisecond
	maxBackoff     = 10 * time.Second
	betweenNodes   = 20 * time.Millisecond
	connectTimeout = 10 * time.Second
	keepAlive      = 15 * time.Second
	pingTimeout    = 10 * time.Second
	pahoPing       = 1000 * time.Hour // never: bufferedConn.dead decides
	closeTimeout   = time.Second
	// pingEvery sets how soon after an acknowledgement the broker is asked for a
	// sign that it has it.
	pingEvery = 100 * time.Millisecond
)

func deadline() time.Time { return time.Now().Add(closeTimeout) }

// Delivery is a message as the broker handed it over.
type Delivery struct {
	ingest.Message
	Dup   bool
	Epoch uint32 // counts connections
	// Taken, where set, is closed instead of an acknowledgement: the message came some
	// other way than from a broker.
	Taken chan struct{}
	conn  *bufferedConn
	space *Space // of the batch it is the first of
	topic int    // the topic's length, before it is one string of a batch's
}

// Acknowledge acknowledges deliveries in order, those of connections that are
// gone excepted.
//
// A PUBACK is four bytes. Written here, those of a group are one write; through
// the library each is a packet object, two channels and a wake-up, which was an
// eighth of the CPU time of the whole path. The library keeps no state of what
// it has received and is told nothing.
func Acknowledge(deliveries []*Delivery) {
	var conn *bufferedConn
	var packets []byte
	last := uint64(0)
	flush := func() {
		if len(packets) > 0 {
			_, _ = conn.Write(packets) // an error ends the connection, and the broker sends again
			conn.acknowledged(last)
		}
		packets = packets[:0]
	}
	for _, d := range deliveries {
		if d.Taken != nil {
			close(d.Taken)
		}
		if d.QoS == 0 {
			continue
		}
		if d.conn != conn {
			flush()
			conn = d.conn
		}
		packets = append(packets, puback, 2, byte(d.PacketID>>8), byte(d.PacketID))
		last = max(last, d.Seq)
	}
	flush()
}

// puback is the first byte of an acknowledgement (MQTT 3.1.1, 3.4.1).
const puback = 4 << 4

// Options of a subscriber.
type Options struct {
	Brokers  []string // tcp://, mqtt://, tls://, ssl://, mqtts://; tried in turn
	ClientID string
	Username string
	// Password and TLS are called for each connection, so that those renewed
	// while we run hold from the next one on. nil: none, and the system's
	// authorities.
	Password func() (string, error)
	TLS      func() (*tls.Config, error)
	Filters  []string
	// SessionFile says where the filters the broker's session may hold are kept,
	// since a session goes on after a restart: what is in it and not in Filters
	// is unsubscribed. "": they are forgotten.
	SessionFile string
	// Silence says after how long without any message the connection is made
	// anew, as a subscription may have been lost. 0: never.
	Silence time.Duration
	// Dial makes the connections that have no TLS. nil: TCP.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// OnConnect is called before the first message of a connection.
	OnConnect  func(sessionPresent bool, epoch uint32)
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Subscriber receives what matches its filters.
type Subscriber struct {
	o     Options
	queue *queue
	// outgoing holds what Publish is given; full, more is dropped.
	outgoing chan outgoing

	epoch     atomic.Uint32
	settled   atomic.Uint64 // see Settled
	connected atomic.Bool
	last      atomic.Int64 // unix nanoseconds of the last message

	// mu guards the client and the filters, between Run and callers.
	mu      sync.Mutex
	client  paho.Client
	filters []string

	aligning sync.Mutex // held while subscriptions change; guards held
	held     []string   // what the broker's session may be subscribed to
	// alive says when the session was last known to be there, unix nanoseconds; 0: never.
	alive atomic.Int64

	silence time.Duration // Run's: how long without a message the connection is kept

	spaces  spaces
	metrics metrics
}

type metrics struct {
	connects prometheus.Counter
	failures prometheus.Counter
	lost     prometheus.Counter
	refused  prometheus.Counter
	silent   prometheus.Counter
}

// New returns a subscriber that is not connected yet.
func New(o Options) (*Subscriber, error) {
	for _, b := range o.Brokers {
		if _, err := brokerURL(b); err != nil {
			return nil, err
		}
	}
	if len(o.Brokers) == 0 {
		return nil, errors.New("no broker given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Subscriber{o: o, queue: newQueue(), outgoing: make(chan outgoing, 256), filters: o.Filters, silence: o.Silence, spaces: make(spaces, maxSpaces)}
	if o.SessionFile != "" {
		if text, err := os.ReadFile(o.SessionFile); err == nil {
			s.remember(string(text))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("subscriptions of the session: %w", err)
		}
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	s.metrics = metrics{
		connects: counter("greencommunity_mqtt_connects_total", "Connections to the broker."),
		failures: counter("greencommunity_mqtt_connect_failures_total", "Attempts to connect that failed."),
		refused:  counter("greencommunity_mqtt_subscriptions_refused_total", "Filters the broker refused or granted without acknowledgement."),
		lost:     counter("greencommunity_mqtt_sessions_lost_total", "Connections at which the broker had forgotten our session, and what waited in it."),
		silent:   counter("greencommunity_mqtt_silent_reconnects_total", "Connections made anew because nothing arrived."),
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(s.metrics.connects, s.metrics.failures, s.metrics.lost, s.metrics.refused, s.metrics.silent,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "greencommunity_mqtt_connected", Help: "Whether the broker is connected and all filters are subscribed."}, func() float64 {
				if s.connected.Load() {
					return 1
				}
				return 0
			}))
	}
	return s, nil
}

func brokerURL(b string) (*url.URL, error) {
	u, err := url.Parse(b)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("broker %q has no scheme or host; try tcp://localhost:1883", b)
	}
	switch u.Scheme {
	case "tcp", "mqtt", "tls", "ssl", "mqtts":
		return u, nil
	}
	return nil, fmt.Errorf("broker %q: scheme is none of tcp, mqtt, tls, ssl, mqtts", b)
}

// Next takes what arrived next, in order, and waits for that. It returns nothing
// once ctx ends.
func (s *Subscriber) Next(ctx context.Context) []Delivery { return s.queue.take(ctx) }

// Poll is Next without waiting: nothing where nothing is there.
func (s *Subscriber) Poll() []Delivery { return s.queue.poll() }

// Offer adds a message that came some other way, of QoS 0, between those of the
// broker. It reports whether there is room.
func (s *Subscriber) Offer(d Delivery) bool { return s.queue.offer([]Delivery{d}) }

// Epoch is the current connection's.
func (s *Subscriber) Epoch() uint32 { return s.epoch.Load() }

// Settled is the number of the message up to which the broker is known to have
// our acknowledgements: it does not send those again.
func (s *Subscriber) Settled() uint64 { return s.settled.Load() }

// Restore says what Settled was before a restart. It comes before Run.
func (s *Subscriber) Restore(settled uint64) { s.settled.Store(settled) }

// Connected reports whether the broker is connected and the filters granted.
func (s *Subscriber) Connected() bool { return s.connected.Load() }

// Run connects, and connects again, until ctx ends. It returns once the
// connection is closed.
func (s *Subscriber) Run(ctx context.Context) error {
	backoff := minBackoff
	endings := &endings{clientID: s.o.ClientID}
	failed := 0 // connections in a row that came to nothing
	for attempt := 0; ctx.Err() == nil; attempt++ {
		broker := s.o.Brokers[attempt%len(s.o.Brokers)]
		start := time.Now()
		err := s.session(ctx, broker)
		failed++
		if s.connected.Swap(false) {
			failed = 0
		}
		if ctx.Err() != nil {
			return nil
		}
		if silent := (*silentError)(nil); errors.As(err, &silent) {
			s.o.Logger.Info("broker connection made anew, in case a subscription was lost", "broker", broker, "silent_for", silent.since)
			continue
		}
		err = endings.explain(ctx, s, broker, err, time.Now())
		if time.Since(start) > maxBackoff {
			backoff = minBackoff
		}
		wait, level := backoff/2+rand.N(backoff), slog.LevelWarn
		if n := len(s.o.Brokers); n > 1 && failed%n != n-1 {
			// The other nodes of a cluster are asked at once. Only where none takes us do
			// we wait, and after the first round that alone is said.
			wait = betweenNodes
			if failed > n {
				level = slog.LevelDebug
			}
		} else {
			backoff = min(2*backoff, maxBackoff)
		}
		s.o.Logger.Log(ctx, level, "broker connection ended", "broker", broker, "error", err, "retry_in", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return nil
}

// session is one connection, from connecting to its end.
func (s *Subscriber) session(ctx context.Context, broker string) error {
	epoch := s.epoch.Add(1)
	password, err := s.o.password()
	if err != nil {
		s.metrics.failures.Inc()
		return err
	}
	lost := make(chan error, 1)
	present := false // written before the token of the connect is done
	var conn atomic.Pointer[bufferedConn]
	options := paho.NewClientOptions().
		SetClientID(s.o.ClientID).SetUsername(s.o.Username).SetPassword(password).
		SetCleanSession(false).SetAutoAckDisabled(true).SetOrderMatters(true).
		SetAutoReconnect(false).SetConnectRetry(false).SetResumeSubs(false).
		SetKeepAlive(keepAlive).SetPingTimeout(pahoPing).SetConnectTimeout(connectTimeout).SetWriteTimeout(connectTimeout).
		SetProtocolVersion(4).SetStore(noStore{}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost <- err }).
		SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
			c, err := s.dial(ctx, u)
			if err != nil {
				return nil, err
			}
			b := newBufferedConn(c)
			b.in.spaces = s.spaces
			b.in.connected = func(sessionPresent bool) {
				present = sessionPresent
				if s.o.OnConnect != nil {
					s.o.OnConnect(sessionPresent, epoch)
				}
			}
			b.in.pong = func() { s.settled.Store(max(s.settled.Load(), b.pong())) }
			b.in.deliver = func(batch []Delivery) {
				for i := range batch {
					batch[i].Epoch, batch[i].conn = epoch, b
				}
				s.last.Store(batch[0].Received)
				b.message()
				s.queue.put(ctx, batch)
			}
			conn.Store(b)
			return b, nil
		}).
		AddBroker(broker)
	client := paho.NewClient(options)
	token := client.Connect()
	if !token.WaitTimeout(2*connectTimeout) || token.Error() != nil {
		s.metrics.failures.Inc()
		client.Disconnect(0)
		if b := conn.Load(); b != nil {
			b.Close()
		}
		if token.Error() != nil {
			return token.Error()
		}
		return errors.New("the broker did not answer the connect in time")
	}
	s.metrics.connects.Inc()
	s.checkSession(present)
	defer s.touch()
	s.mu.Lock()
	s.client = client
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.client = nil
		s.mu.Unlock()
		client.Disconnect(250)
	}()
	if err := s.align(client); err != nil {
		return err
	}
	s.touch()
	s.o.Logger.Info("broker connected", "broker", broker, "session_present", present)
	s.connected.Store(true)
	connected := time.Now().UnixNano()
	s.last.Store(connected)
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-lost:
			return &endedError{err}
		case m := <-s.outgoing:
			client.Publish(m.topic, 0, false, m.payload)
		case <-tick.C:
			b := conn.Load()
			if b.dead() {
				return &endedError{errors.New("the broker does not answer a ping")}
			}
			b.ping()
			if s.last.Load() > connected {
				s.silence = s.o.Silence // something came
			}
			if time.Since(time.Unix(0, s.alive.Load())) > touchEvery {
				s.touch()
			}
			if since := time.Since(time.Unix(0, s.last.Load())); s.silence > 0 && since > s.silence {
				s.metrics.silent.Inc()
				// Vendors that send once a day are silent in between: whoever
				// was asked in vain is asked half as often, down to once a day.
				s.silence = min(2*s.silence, max(maxSilence, s.o.Silence))
				return &silentError{since.Round(time.Second)}
			}
		}
	}
}

func (s *Subscriber) dial(ctx context.Context, u *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	dial := s.o.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: keepAlive}).DialContext
	}
	switch u.Scheme {
	case "tls", "ssl", "mqtts":
		var config *tls.Config
		if s.o.TLS != nil {
			var err error
			if config, err = s.o.TLS(); err != nil {
				return nil, err
			}
		}
		d := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: keepAlive}, Config: config}
		return d.DialContext(ctx, "tcp", hostPort(u, "8883"))
	}
	return dial(ctx, "tcp", hostPort(u, "1883"))
}

func (o *Options) password() (string, error) {
	if o.Password == nil {
		return "", nil
	}
	password, err := o.Password()
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return password, nil
}

func hostPort(u *url.URL, port string) string {
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// subscribe subscribes at QoS 1 and makes sure that is what was granted. A shard
// has a filter a community, and brokers bound the size of a packet.
func (s *Subscriber) subscribe(client paho.Client, filters []string) error {
	for part := range slices.Chunk(filters, 100) {
		wanted := map[string]byte{}
		for _, f := range part {
			wanted[f] = 1
		}
		if err := s.subscribeTo(client, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (s *Subscriber) subscribeTo(client paho.Client, wanted map[string]byte) error {
	token := client.SubscribeMultiple(wanted, nil)
	if !token.WaitTimeout(connectTimeout) {
		return errors.New("the broker did not answer the subscription in time")
	}
	if err := token.Error(); err != nil {
		s.metrics.refused.Inc()
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, granted := range token.(*paho.SubscribeToken).Result() {
		switch {
		case granted == 0x80:
			s.metrics.refused.Inc()
			return fmt.Errorf("the broker refuses the subscription to %q; check its access rules", filter)
		case granted == 0:
			s.metrics.refused.Inc()
			s.o.Logger.Warn("the broker grants QoS 0 only: messages can be lost on the way to us", "filter", filter)
		}
	}
	return nil
}

// SetFilters changes what is subscribed, now and on every later connection.
func (s *Subscriber) SetFilters(filters []string) error {
	s.mu.Lock()
	client := s.client
	s.filters = filters
	s.mu.Unlock()
	if client == nil {
		return nil
	}
	return s.align(client)
}

// align subscribes to the filters, and ends what else the session holds.
func (s *Subscriber) align(client paho.Client) error {
	s.aligning.Lock()
	defer s.aligning.Unlock()
	s.mu.Lock()
	filters := s.filters
	s.mu.Unlock()
	wanted := map[string]bool{}
	for _, f := range filters {
		wanted[f] = true
	}
	surplus := slices.DeleteFunc(slices.Clone(s.held), func(f string) bool { return wanted[f] })
	s.hold(append(slices.Clone(filters), surplus...))
	if err := s.subscribe(client, filters); err != nil {
		return err
	}
	for part := range slices.Chunk(surplus, 100) {
		token := client.Unsubscribe(part...)
		if !token.WaitTimeout(connectTimeout) {
			return errors.New("the broker did not answer the end of subscriptions in time")
		}
		if err := token.Error(); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	s.hold(filters)
	return nil
}

// hold remembers what the session may be subscribed to, over a restart too. A
// filter can hold a space, but no line break.
func (s *Subscriber) hold(filters []string) {
	if slices.Equal(filters, s.held) {
		return
	}
	s.held = filters
	if s.o.SessionFile == "" {
		return
	}
	if err := os.WriteFile(s.o.SessionFile, []byte(s.memory(filters)), 0o600); err != nil {
		s.o.Logger.Warn("subscriptions are not remembered over a restart", "error", err)
	}
}

// Publish sends a message at QoS 0 over the current connection, in order. It
// does not wait: what there is no connection or no room for is dropped.
func (s *Subscriber) Publish(topic string, payload []byte) {
	select {
	case s.outgoing <- outgoing{topic, payload}:
	default:
	}
}

type outgoing struct {
	topic   string
	payload []byte
}

// noStore is paho's store of messages in flight. Ours are in the journal, and
// nothing of ours is published at QoS 1.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}
