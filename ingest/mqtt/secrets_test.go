package mqtt

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
	"greencommunity/ingest/config"
)

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// A password that is changed at the broker and then in its file holds from the
// next connection on. Case 10.
func TestPasswordIsReadWhenUsed(t *testing.T) {
	address := "127.0.0.1:0"
	start := func(password string) *embedded.Broker {
		b, err := embedded.StartBroker(embedded.BrokerConfig{Addr: address, Users: []embedded.User{{Name: "ingest", Password: password, Publish: []string{"#"}, Subscribe: []string{"#"}}}})
		if err != nil {
			t.Fatal(err)
		}
		address = strings.TrimPrefix(b.URL(), "tcp://")
		return b
	}
	file := filepath.Join(t.TempDir(), "password")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	broker := start("one")
	var logged syncBuffer
	s, err := New(Options{Brokers: []string{broker.URL()}, ClientID: "c", Username: "ingest", Password: config.MQTT{PasswordFile: file}.ReadPassword, Filters: []string{"a"}, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	eventually := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within a minute:\n%s", what, logged.String())
			}
		}
	}
	eventually("connected", s.Connected)
	broker.Close()
	eventually("away", func() bool { return !s.Connected() })
	broker = start("two")
	defer func() { broker.Close() }()
	eventually("refused", func() bool {
		return strings.Contains(strings.ToLower(logged.String()), "bad user name or password") || strings.Contains(strings.ToLower(logged.String()), "not authorized")
	})
	write("two")
	eventually("connected by the new password", s.Connected)
}
