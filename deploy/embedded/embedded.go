// Package embedded runs a real MQTT broker and a real InfluxDB inside this
// process, for `standalone`, for a single small site, and for tests that
// should not pretend.
//
// The broker is mochi-mqtt, the database InfluxDB 1.8 with its 2.x write and
// query interfaces. Both keep what they have in a directory and go on from it
// when they are started again. Neither calls anywhere: InfluxDB's usage reports
// and self-monitoring are off.
//
// What they are not: a cluster, or as fast as Mosquitto and InfluxDB 2. The
// broker's own comment says where it falls short of Mosquitto.
package embedded

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listen opens a TCP listener, or says in a sentence why it cannot: what is a
// service's name for people, flag the option that names its address.
func listen(what, flag, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	host, port, splitErr := net.SplitHostPort(address)
	n, numberErr := strconv.Atoi(port)
	switch {
	case splitErr != nil || numberErr != nil:
		return nil, fmt.Errorf("%s cannot listen on %q: give host:port, as in %s 127.0.0.1:0", what, address, flag)
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s on %s is in use; try %s %s", port, host, flag, net.JoinHostPort(host, strconv.Itoa(n+1)))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("%s is no address of this machine; try %s %s", host, flag, net.JoinHostPort("127.0.0.1", port))
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %s on %s needs root; try %s %s", port, host, flag, net.JoinHostPort(host, strconv.Itoa(n+10000)))
	}
	return nil, fmt.Errorf("%s: %w", what, err)
}
