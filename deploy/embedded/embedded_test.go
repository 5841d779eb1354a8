package embedded

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

func broker(t *testing.T, c BrokerConfig) *Broker {
	t.Helper()
	c.Addr = "127.0.0.1:0"
	b, err := StartBroker(c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func dial(t *testing.T, b *Broker, id, user, password string, clean bool) paho.Client {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetClientID(id).SetUsername(user).SetPassword(password).
		SetCleanSession(clean).SetAutoReconnect(false))
	if token := c.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() != nil {
		t.Fatalf("%s: %v", id, token.Error())
	}
	return c
}

func done(t *testing.T, token paho.Token) {
	t.Helper()
	if !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		t.Fatalf("not done: %v", token.Error())
	}
}

// What waits for a session that is away is there after the broker has been
// started again.
func TestSessionSurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	b := broker(t, BrokerConfig{Dir: dir})
	reader := dial(t, b, "reader", "", "", false)
	done(t, reader.Subscribe("a/#", 1, nil))
	reader.Disconnect(100)
	writer := dial(t, b, "writer", "", "", true)
	for i := range 500 {
		done(t, writer.Publish(fmt.Sprintf("a/%d", i), 1, false, "x"))
	}
	writer.Disconnect(100)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}

	b = broker(t, BrokerConfig{Dir: dir})
	defer b.Close()
	var mu sync.Mutex
	got := map[string]int{}
	c := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetClientID("reader").SetCleanSession(false).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			mu.Lock()
			defer mu.Unlock()
			got[m.Topic()]++
		}))
	done(t, c.Connect())
	defer c.Disconnect(100)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		mu.Lock()
		n := len(got)
		mu.Unlock()
		if n == 500 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 500 messages", n)
		}
	}
}

// What must not be kept does not get into the directory of sessions, neither
// what waits nor what is retained; who is connected gets it whole.
func TestRedactedOnDisk(t *testing.T) {
	dir := t.TempDir()
	c := BrokerConfig{Dir: dir, Redact: func(topic string, payload []byte) (string, []byte) {
		if !strings.HasPrefix(topic, "face/") {
			return topic, payload
		}
		return topic, []byte(`{"kept":1}`)
	}}
	const name = "诸葛小明"
	b := broker(t, c)
	reader := dial(t, b, "reader", "", "", false)
	done(t, reader.Subscribe("#", 1, nil))
	reader.Disconnect(100)
	live := dial(t, b, "live", "", "", false)
	whole := make(chan string, 8)
	done(t, live.Subscribe("face/1", 1, func(_ paho.Client, m paho.Message) { whole <- string(m.Payload()) }))
	writer := dial(t, b, "writer", "", "", true)
	done(t, writer.Publish("face/1", 1, false, `{"name":"`+name+`"}`))
	done(t, writer.Publish("face/2", 1, true, `{"name":"`+name+`"}`))
	done(t, writer.Publish("lamp/1", 1, false, `{"lamp":1}`))
	if have := <-whole; !strings.Contains(have, name) {
		t.Errorf("who is connected gets %s", have)
	}
	live.Disconnect(100)
	writer.Disconnect(100)
	search := func(when string) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			for _, form := range []string{name, base64.StdEncoding.EncodeToString([]byte(`{"name":"` + name + `"}`))} {
				if bytes.Contains(data, []byte(form)) {
					t.Errorf("%s: %s holds what must not be kept", when, path)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	search("running")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	search("closed")
	b = broker(t, c)
	defer b.Close()
	got := make(chan string, 8)
	again := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetClientID("reader").SetCleanSession(false).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { got <- m.Topic() + " " + string(m.Payload()) }))
	done(t, again.Connect())
	defer again.Disconnect(100)
	have := map[string]bool{}
	for range 3 {
		select {
		case m := <-got:
			have[m] = true
		case <-time.After(10 * time.Second):
			t.Fatalf("got %v", have)
		}
	}
	if !have[`face/1 {"kept":1}`] || !have[`face/2 {"kept":1}`] || !have[`lamp/1 {"lamp":1}`] {
		t.Errorf("got %v", have)
	}
	search("again")
}

// A subscriber that does not acknowledge holds its publishers up, and loses
// nothing once it does.
func TestSlowSubscriber(t *testing.T) {
	b := broker(t, BrokerConfig{})
	defer b.Close()
	const count = 40_000
	var mu sync.Mutex
	var held []paho.Message
	seen := map[string]bool{}
	ack := false
	c := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetClientID("slow").SetCleanSession(false).SetAutoAckDisabled(true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			mu.Lock()
			defer mu.Unlock()
			seen[string(m.Payload())] = true
			if ack {
				m.Ack()
			} else {
				held = append(held, m)
			}
		}))
	done(t, c.Connect())
	defer c.Disconnect(100)
	done(t, c.Subscribe("load", 1, nil))
	published := make(chan error, 1)
	writer := dial(t, b, "writer", "", "", true)
	defer writer.Disconnect(100)
	go func() {
		var tokens []paho.Token
		for i := range count {
			tokens = append(tokens, writer.Publish("load", 1, false, fmt.Sprint(i)))
		}
		for _, token := range tokens {
			if !token.WaitTimeout(time.Minute) || token.Error() != nil {
				published <- fmt.Errorf("not acknowledged: %v", token.Error())
				return
			}
		}
		published <- nil
	}()
	select {
	case <-published:
		t.Error("all published while nothing was acknowledged")
	case <-time.After(2 * time.Second):
	}
	mu.Lock()
	ack = true
	waiting := held
	mu.Unlock()
	for _, m := range waiting {
		m.Ack()
	}
	if err := <-published; err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		mu.Lock()
		n := len(seen)
		mu.Unlock()
		if n == count {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d arrived, %d dropped", n, count, b.Dropped())
		}
	}
}

// A user publishes and reads what its rules say, and nothing else.
func TestAccess(t *testing.T) {
	b := broker(t, BrokerConfig{Users: []User{
		{Name: "acme", Password: "a", Publish: []string{"greencommunity/v1/nancheng/+/+"}, Subscribe: []string{FeedbackTopic("acme")}},
		IngestUser("ingest", "i"),
	}})
	defer b.Close()
	refused := paho.NewClient(paho.NewClientOptions().AddBroker(b.URL()).SetUsername("acme").SetPassword("b"))
	if token := refused.Connect(); !token.WaitTimeout(5*time.Second) || token.Error() == nil {
		t.Error("a wrong password is let in")
	}
	arrived := make(chan string, 10)
	ingest := dial(t, b, "ingest", "ingest", "i", true)
	defer ingest.Disconnect(100)
	done(t, ingest.Subscribe("#", 1, func(_ paho.Client, m paho.Message) { arrived <- m.Topic() }))
	vendor := dial(t, b, "acme", "acme", "a", true)
	token := vendor.Subscribe("greencommunity/v1/feedback/other", 1, nil)
	token.WaitTimeout(5 * time.Second)
	if granted := token.(*paho.SubscribeToken).Result()["greencommunity/v1/feedback/other"]; granted != 0x80 {
		t.Errorf("another vendor's feedback is granted: %#x", granted)
	}
	vendor.Publish("greencommunity/v1/xicheng/water/m1", 1, false, "x").WaitTimeout(2 * time.Second)
	vendor.Disconnect(100)
	vendor = dial(t, b, "acme", "acme", "a", true)
	defer vendor.Disconnect(100)
	done(t, vendor.Publish("greencommunity/v1/nancheng/water/m1", 1, false, "x"))
	if topic := <-arrived; topic != "greencommunity/v1/nancheng/water/m1" {
		t.Errorf("%s arrived first", topic)
	}
}

// A port in use is a message that names the flag.
func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := StartBroker(BrokerConfig{Addr: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "--mqtt") {
		t.Error(err)
	}
	if _, err := StartInfluxDB(InfluxConfig{Addr: l.Addr().String(), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "--influxdb") {
		t.Error(err)
	}
}

// What InfluxDB has taken is there after it has been started again.
func TestInfluxDBKeeps(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		db, err := StartInfluxDB(InfluxConfig{Addr: "127.0.0.1:0", Dir: dir, Database: "facilities"})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.Post(db.URL()+"/api/v2/write?bucket=facilities&org=x", "text/plain", strings.NewReader(fmt.Sprintf("water v=%d %d", i, i+1)))
		if err != nil || r.StatusCode != http.StatusNoContent {
			t.Fatal(r, err)
		}
		r.Body.Close()
		rows, err := db.Query(context.Background(), "facilities", "SELECT count(v) FROM water")
		if err != nil || len(rows) != 1 || fmt.Sprint(rows[0].Values[0][1]) != fmt.Sprint(i+1) {
			t.Errorf("start %d: %v %v", i, rows, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
