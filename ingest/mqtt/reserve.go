package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Reserve subscribes a session to filters, beside those it has, and leaves: from then on
// the broker keeps for it what comes there. It takes no message: what the broker hands over
// meanwhile, it hands over again.
func Reserve(ctx context.Context, o Options, filters []string) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := New(Options{Brokers: o.Brokers, ClientID: o.ClientID, SessionFile: o.SessionFile, Logger: o.Logger, TLS: o.TLS, Password: o.Password, Dial: o.Dial})
	if err != nil {
		return err
	}
	password, err := o.password()
	if err != nil {
		return err
	}
	var problems []error
	for _, broker := range o.Brokers {
		client := paho.NewClient(paho.NewClientOptions().SetClientID(o.ClientID).SetUsername(o.Username).SetPassword(password).
			SetCleanSession(false).SetAutoAckDisabled(true).SetAutoReconnect(false).SetConnectRetry(false).SetResumeSubs(false).
			SetConnectTimeout(connectTimeout).SetWriteTimeout(connectTimeout).SetProtocolVersion(4).SetStore(noStore{}).
			SetDefaultPublishHandler(func(paho.Client, paho.Message) {}).
			SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) { return s.dial(ctx, u) }).
			AddBroker(broker))
		token := client.Connect()
		if !token.WaitTimeout(2*connectTimeout) || token.Error() != nil {
			client.Disconnect(0)
			problems = append(problems, fmt.Errorf("%s: %w", broker, errors.Join(token.Error(), ctx.Err())))
			continue
		}
		s.hold(slices.Compact(slices.Sorted(slices.Values(slices.Concat(s.held, filters))))) // first: it may have them from now on
		err := s.subscribe(client, filters)
		client.Disconnect(250)
		return err
	}
	return fmt.Errorf("no broker is reached: %w", errors.Join(problems...))
}
