package mqtt

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"time"
)

// askTimeout bounds each question to a port that did not answer as a broker.
const askTimeout = 2 * time.Second

// wrongPort says what listens where the broker should be, if that is why a
// connection failed before the broker let us in; "" if nothing else is found.
// "connection reset by peer" is all that such a failure says by itself.
func wrongPort(ctx context.Context, s *Subscriber, broker string, err error) string {
	u, parseErr := brokerURL(broker)
	if parseErr != nil || refusedByBroker(err) {
		return ""
	}
	secure := u.Scheme == "tls" || u.Scheme == "ssl" || u.Scheme == "mqtts"
	port := "1883"
	if secure {
		port = "8883"
	}
	address := hostPort(u, port)
	plain := func() (net.Conn, error) {
		return (&net.Dialer{Timeout: askTimeout}).DialContext(ctx, "tcp", address)
	}
	// What an unknown certificate protects is of no interest here: nothing
	// secret is sent, only the kind of the port is asked for.
	private := func() (net.Conn, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: askTimeout}, Config: &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()}}
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		return d.DialContext(ctx, "tcp", address)
	}
	const httpHint = " speaks HTTP, not MQTT: that is the port of a web server or of InfluxDB; brokers have 1883, or 8883 with TLS"
	if ask(plain, httpQuestion, isHTTP) {
		// Go's servers answer plain HTTP on a TLS port in plain HTTP.
		if !ask(private, mqttQuestion, isMQTT) {
			return address + httpHint
		}
	}
	if secure {
		if ask(plain, mqttQuestion, isMQTT) {
			return address + " speaks MQTT without TLS: write " + swapped(u, "tcp") + ", or give the port with TLS (8883)"
		}
		if ask(private, httpQuestion, isHTTP) {
			return address + httpHint
		}
		return ""
	}
	if c, err := private(); err == nil {
		_ = c.Close() // nothing was sent
		if ask(private, httpQuestion, isHTTP) {
			return address + httpHint
		}
		return address + " speaks TLS: write " + swapped(u, "tls") + ", or give the port without TLS (1883)"
	}
	return ""
}

// refusedByBroker reports whether an error is a broker's own word.
func refusedByBroker(err error) bool {
	text := err.Error()
	for _, word := range []string{"not Authorized", "bad user name or password", "identifier rejected", "server unavailable", "subscription",
		"password:", "ca_file", "cert_file", "connection refused", "no such host"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func swapped(u *url.URL, scheme string) string { return scheme + "://" + u.Host }

const httpQuestion = "GET / HTTP/1.0\r\n\r\n"

// mqttQuestion is a CONNECT of MQTT 3.1.1 with a clean session and no client
// id. Whatever a broker thinks of it, it answers with a CONNACK.
const mqttQuestion = "\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"

func isHTTP(answer []byte) bool { return strings.HasPrefix(string(answer), "HTTP/") }
func isMQTT(answer []byte) bool { return len(answer) >= 2 && answer[0] == 0x20 && answer[1] <= 3 }

func ask(dial func() (net.Conn, error), question string, expected func(answer []byte) bool) bool {
	c, err := dial()
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(askTimeout)) // where it cannot be set, the dial has failed too
	if _, err := c.Write([]byte(question)); err != nil {
		return false
	}
	answer := make([]byte, 16)
	n, _ := c.Read(answer) // what came before an error counts
	return expected(answer[:n])
}
