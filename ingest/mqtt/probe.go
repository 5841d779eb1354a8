package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Probe holds what a broker was found to do for clients like us.
type Probe struct {
	// Window says how many messages it sends before the first is acknowledged,
	// at most windowProbe: throughput is Window by the time to acknowledge.
	Window int
	// Queued says how many of QueueProbe messages it kept for an absent session.
	Queued int
	// RoundTrip is from publishing to delivery.
	RoundTrip time.Duration
}

// QueueProbe sets how many messages are published to an absent session: more
// than the 1,000 that brokers keep by default.
const QueueProbe = 2000

const (
	windowProbe = 1000
	probeQuiet  = 500 * time.Millisecond // nothing more comes after so long without
)

// ProbeBroker connects as clients of its own, which leaves the ingester's
// session alone, and tries out the broker on a topic below FeedbackTopic,
// where the ingester may publish. It is an error if a filter is refused.
func ProbeBroker(ctx context.Context, o Options, topic string) (*Probe, error) {
	p := &prober{o: o, id: fmt.Sprintf("greencommunity-check-%08x", rand.Uint32())}
	p.topic = topic + p.id[len(p.id)-8:]
	defer p.forget()
	c, err := p.connect(ctx, false, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range o.Filters {
		if err := granted(c.Subscribe(f, 1, func(paho.Client, paho.Message) {})); err != nil {
			c.Disconnect(100)
			return nil, fmt.Errorf("subscription to %q: %w", f, err)
		}
	}
	c.Disconnect(100)
	p.forget()
	result := &Probe{}
	if result.RoundTrip, result.Window, err = p.window(ctx); err != nil {
		return nil, err
	}
	p.forget()
	if result.Queued, err = p.queue(ctx); err != nil {
		return nil, err
	}
	return result, nil
}

type prober struct {
	o         Options
	id, topic string
}

func (p *prober) connect(ctx context.Context, clean bool, handle paho.MessageHandler) (paho.Client, error) {
	s := &Subscriber{o: p.o}
	password, last := p.o.password()
	if last != nil {
		return nil, last
	}
	for _, broker := range p.o.Brokers {
		options := paho.NewClientOptions().AddBroker(broker).SetClientID(p.id).
			SetUsername(p.o.Username).SetPassword(password).
			SetCleanSession(clean).SetAutoReconnect(false).SetAutoAckDisabled(true).SetProtocolVersion(4).
			SetConnectTimeout(connectTimeout).SetDefaultPublishHandler(handle).
			SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) { return s.dial(ctx, u) })
		c := paho.NewClient(options)
		token := c.Connect()
		if !token.WaitTimeout(connectTimeout) {
			last = fmt.Errorf("%s: no answer", broker)
			continue
		}
		if token.Error() == nil {
			return c, nil
		}
		last = fmt.Errorf("%s: %w", broker, token.Error())
	}
	return nil, last
}

// forget ends the probe's session at the broker.
func (p *prober) forget() {
	if c, err := p.connect(context.Background(), true, nil); err == nil {
		c.Disconnect(100)
	}
}

func granted(token paho.Token) error {
	if !token.WaitTimeout(connectTimeout) {
		return errors.New("no answer")
	}
	if err := token.Error(); err != nil {
		return err
	}
	for _, qos := range token.(*paho.SubscribeToken).Result() {
		switch qos {
		case 0x80:
			return errors.New("refused; check the broker's access rules")
		case 0:
			return errors.New("granted at QoS 0 only, where messages can be lost")
		}
	}
	return nil
}

// window counts what arrives while nothing is acknowledged.
func (p *prober) window(ctx context.Context) (trip time.Duration, window int, err error) {
	arrived := make(chan time.Time, 2*windowProbe)
	c, err := p.connect(ctx, false, func(paho.Client, paho.Message) { arrived <- time.Now() })
	if err != nil {
		return 0, 0, err
	}
	defer c.Disconnect(100)
	if err := granted(c.Subscribe(p.topic, 1, nil)); err != nil {
		return 0, 0, fmt.Errorf("subscription to %q: %w", p.topic, err)
	}
	sent := time.Now()
	for range windowProbe {
		c.Publish(p.topic, 1, false, "x")
	}
	for {
		select {
		case at := <-arrived:
			if window == 0 {
				trip = at.Sub(sent)
			}
			window++
		case <-time.After(probeQuiet):
			if window == 0 {
				return 0, 0, fmt.Errorf("nothing published to %q comes back; may the user publish there?", p.topic)
			}
			return trip, window, nil
		}
	}
}

// queue counts what of QueueProbe messages is kept for a session that is away.
func (p *prober) queue(ctx context.Context) (int, error) {
	c, err := p.connect(ctx, false, nil)
	if err != nil {
		return 0, err
	}
	err = granted(c.Subscribe(p.topic, 1, nil))
	c.Disconnect(100)
	if err != nil {
		return 0, err
	}
	id := p.id
	p.id += "-publisher"
	publisher, err := p.connect(ctx, true, nil)
	p.id = id
	if err != nil {
		return 0, err
	}
	var last paho.Token
	for range QueueProbe {
		last = publisher.Publish(p.topic, 1, false, "x")
	}
	last.WaitTimeout(connectTimeout)
	publisher.Disconnect(250)
	arrived := make(chan struct{}, 2*QueueProbe)
	c, err = p.connect(ctx, false, func(_ paho.Client, m paho.Message) { m.Ack(); arrived <- struct{}{} })
	if err != nil {
		return 0, err
	}
	defer c.Disconnect(100)
	for n := 0; ; n++ {
		select {
		case <-arrived:
		case <-time.After(probeQuiet):
			return n, nil
		}
	}
}

// TakesOver reports whether the broker hands a session of o's user to another
// user who names its client id: name with password, or a client without a name
// if name is "". It tries that on a session of its own. The error is of o's user.
func TakesOver(ctx context.Context, o Options, name, password string) (bool, error) {
	p := &prober{o: o, id: fmt.Sprintf("greencommunity-check-%08x", rand.Uint32())}
	defer p.forget()
	c, err := p.connect(ctx, false, nil)
	if err != nil {
		return false, err
	}
	c.Disconnect(100)
	other := *p
	other.o.Username = name
	other.o.Password = func() (string, error) { return password, nil }
	c, err = other.connect(ctx, false, nil)
	if err != nil {
		return false, nil // refused, as it should be
	}
	c.Disconnect(100)
	return true, nil
}
