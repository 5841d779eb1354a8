package systemd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// A socket in systemd's place hears READY, then WATCHDOG while the service is alive
// and only then, and STOPPING at the end.
func TestRun(t *testing.T) {
	dir, err := os.MkdirTemp("", "sd") // a socket's path is at most 104 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no sockets of this kind here: ", err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	var dead atomic.Bool
	asked := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Run(ctx, slog.New(slog.DiscardHandler), func() error {
			asked <- struct{}{}
			if dead.Load() {
				return errors.New("hangs")
			}
			return nil
		})
	}()
	hear := func(limit time.Duration) string {
		buffer := make([]byte, 100)
		_ = socket.SetReadDeadline(time.Now().Add(limit))
		n, err := socket.Read(buffer)
		if err != nil {
			return ""
		}
		return string(buffer[:n])
	}
	for i, want := range []string{"READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"} {
		if got := hear(30 * time.Second); got != want {
			t.Fatalf("%d: %q, want %q", i, got, want)
		}
	}
	dead.Store(true)
	for len(asked) > 0 {
		<-asked
	}
	for range 3 { // the first answer may have been given before
		<-asked
	}
	for hear(time.Millisecond) != "" { // what was said before
	}
	for range 5 {
		<-asked
	}
	if got := hear(time.Millisecond); got != "" {
		t.Errorf("not alive, and says %q", got)
	}
	cancel()
	if got := hear(30 * time.Second); got != "STOPPING=1" {
		t.Errorf("at the end: %q", got)
	}
	<-done
}

func TestNotSystemds(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	Run(context.Background(), slog.New(slog.DiscardHandler), func() error { t.Error("asked"); return nil })
}
