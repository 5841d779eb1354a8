package mqtt

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A broker that hands over a backlog answers a ping when the backlog is through. It
// is not dead as long as messages come.
func TestBacklogIsASignOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		b := newBufferedConn(here)
		if b.dead() {
			t.Fatal("dead before anything was asked")
		}
		b.acknowledged(1)
		b.ping()
		for range 60 {
			time.Sleep(pingTimeout / 2)
			b.message()
			if b.dead() {
				t.Fatal("dead while messages come")
			}
		}
		b.pong()
		time.Sleep(10 * pingTimeout)
		if b.dead() {
			t.Fatal("dead while nothing is asked")
		}
		b.acknowledged(2)
		b.ping()
		time.Sleep(pingTimeout)
		if b.dead() {
			t.Fatal("dead before its time")
		}
		time.Sleep(time.Second)
		if !b.dead() {
			t.Fatal("neither messages nor an answer, and not dead")
		}
		b.Close()
		there.Close()
		<-b.done
	})
}
