package embedded

import (
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// A session is its user's, also after the broker has been started again, and
// whether its client is there or away.
func TestSessionBelongsToItsUser(t *testing.T) {
	c := BrokerConfig{Dir: t.TempDir(), Users: []User{
		{Name: "ingest", Password: "i", Subscribe: []string{"#"}}, {Name: "evil", Password: "e", Publish: []string{"a/#"}},
	}}
	refused := func(b *Broker, when string) {
		t.Helper()
		for _, clean := range []bool{true, false} {
			evil := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetClientID("reader").SetUsername("evil").SetPassword("e").
				SetCleanSession(clean).SetAutoReconnect(false))
			if token := evil.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() == nil {
				t.Errorf("%s, clean %v: let in", when, clean)
			}
		}
	}
	b := broker(t, c)
	reader := dial(t, b, "reader", "ingest", "i", false)
	done(t, reader.Subscribe("a/#", 1, nil))
	refused(b, "while it is there")
	if !reader.IsConnectionOpen() {
		t.Error("the reader was thrown out")
	}
	reader.Disconnect(100)
	refused(b, "while it is away")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = broker(t, c)
	defer b.Close()
	refused(b, "after a restart")
	dial(t, b, "reader", "ingest", "i", false).Disconnect(100)
	dial(t, b, "other", "evil", "e", true).Disconnect(100)
}
