package simulator

import (
	"context"
	"errors"
	"fmt"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Publisher publishes messages at QoS 1, a window of them in flight.
type Publisher struct {
	client paho.Client
	window chan paho.Token // in order of publication
}

const (
	inFlight   = 500
	ackTimeout = 30 * time.Second
)

// Connect connects to a broker such as tcp://127.0.0.1:1883, on a connection
// of its own.
func Connect(broker, clientID, username, password string) (*Publisher, error) {
	c := paho.NewClient(paho.NewClientOptions().AddBroker(broker).SetClientID(clientID).
		SetUsername(username).SetPassword(password).SetConnectTimeout(10 * time.Second).SetWriteTimeout(ackTimeout))
	token := c.Connect()
	if !token.WaitTimeout(15 * time.Second) {
		return nil, fmt.Errorf("broker %s does not answer", broker)
	}
	if err := token.Error(); err != nil {
		return nil, fmt.Errorf("broker %s: %w", broker, err)
	}
	return &Publisher{client: c, window: make(chan paho.Token, inFlight)}, nil
}

// Publish sends a message; it waits while too many are unacknowledged, and
// returns an earlier message's error.
func (p *Publisher) Publish(m Message) error {
	for len(p.window) == cap(p.window) {
		if err := p.settle(); err != nil {
			return err
		}
	}
	p.window <- p.client.Publish(m.Topic, 1, false, m.Payload)
	return nil
}

// Flush waits until everything published is acknowledged.
func (p *Publisher) Flush() error {
	for len(p.window) > 0 {
		if err := p.settle(); err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) settle() error {
	token := <-p.window
	if !token.WaitTimeout(ackTimeout) {
		return errors.New("the broker does not acknowledge")
	}
	return token.Error()
}

// Close ends the connection.
func (p *Publisher) Close() { p.client.Disconnect(250) }

// Live advances the world as time goes by, and publishes, until ctx ends.
// Published is called after each step whose messages are all acknowledged.
func (p *Publisher) Live(ctx context.Context, w *World, published func(until time.Time) error) error {
	for {
		wait := time.NewTimer(time.Until(w.Next()))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		if err := w.Advance(w.Next().Add(1), p.Publish); err != nil {
			return err
		}
		if err := p.Flush(); err != nil {
			return err
		}
		if err := published(w.Next()); err != nil {
			return err
		}
	}
}
