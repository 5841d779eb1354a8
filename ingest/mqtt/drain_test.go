//go:build unix

package mqtt_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/ingest/mqtt"
)

// BenchmarkDrain measures what a waiting message costs this process, in
// processor time: read by this package, or by the library whole. The broker is
// Debian's Mosquitto, so that its time is not counted. Both acknowledge each
// message when told to, keep the order and have the same session.
func BenchmarkDrain(b *testing.B) {
	broker := mosquitto(b)
	for _, way := range []struct {
		name  string
		drain func(b *testing.B, broker, client string, n int)
	}{{"ours", drainOurs}, {"library", drainLibrary}} {
		b.Run(way.name, func(b *testing.B) {
			client := fmt.Sprintf("drain-%s-%d", way.name, b.N)
			subscribe(b, broker, client)
			publish(b, broker, b.N)
			b.ReportAllocs()
			b.ResetTimer()
			before := processorTime(b)
			way.drain(b, broker, client, b.N)
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
			b.StopTimer()
			subscribe(b, broker, "") // so that what follows does not wait for this session
		})
	}
}

func mosquitto(b *testing.B) string {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			if os.Getenv("CI") != "" {
				b.Fatal("mosquitto is not installed")
			}
			b.Skip("mosquitto is not installed")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	file := filepath.Join(b.TempDir(), "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 500\nlog_type error\n", port)
	if os.Geteuid() == 0 {
		text += "user root\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	process := exec.Command(path, "-c", file)
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	for range 200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return "tcp://127.0.0.1:" + port
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func connect(b *testing.B, o *paho.ClientOptions) paho.Client {
	c := paho.NewClient(o)
	if token := c.Connect(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		b.Fatal(token.Error())
	}
	return c
}

// subscribe leaves a session of the client behind, for which the broker keeps messages.
func subscribe(b *testing.B, broker, client string) {
	if client == "" {
		return
	}
	c := connect(b, paho.NewClientOptions().AddBroker(broker).SetClientID(client).SetCleanSession(false))
	if token := c.Subscribe("drain/#", 1, nil); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		b.Fatal(token.Error())
	}
	c.Disconnect(100)
}

func publish(b *testing.B, broker string, n int) {
	c := connect(b, paho.NewClientOptions().AddBroker(broker).SetClientID("feed"))
	defer c.Disconnect(100)
	payload := []byte(`{"time":1795392000000,"active_power":43.2,"energy_total":1203.4,"light_level":0.6,"light_on":true}`)
	var last paho.Token
	for i := range n {
		last = c.Publish(fmt.Sprintf("drain/lamp-%d", i%1000), 1, false, payload)
		if i%500 == 499 {
			last.Wait()
		}
	}
	last.Wait()
}

func drainOurs(b *testing.B, broker, client string, n int) {
	s, err := mqtt.New(mqtt.Options{Brokers: []string{broker}, ClientID: client, Filters: []string{"drain/#"}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for n > 0 {
		batch := s.Next(ctx)
		deliveries := make([]*mqtt.Delivery, len(batch))
		for i := range batch {
			deliveries[i] = &batch[i]
		}
		mqtt.Acknowledge(deliveries)
		n -= len(batch)
	}
	cancel()
	<-ended
}

func drainLibrary(b *testing.B, broker, client string, n int) {
	messages := make(chan paho.Message, 4096)
	o := paho.NewClientOptions().AddBroker(broker).SetClientID(client).SetCleanSession(false).SetAutoAckDisabled(true).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { messages <- m })
	c := connect(b, o)
	for range n {
		m := <-messages
		m.Ack()
	}
	c.Disconnect(100)
}
