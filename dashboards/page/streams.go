package page

import (
	"net/netip"
	"sync"
)

// Limits of streams: one costs 200 KB with its compression, so all of them cost
// 50 MB at most. This machine's own are not counted to a client, since a proxy
// there speaks for everybody.
const (
	maxStreams          = 256
	maxStreamsPerClient = 16
)

// streams counts the streams that are open.
type streams struct {
	mu     sync.Mutex
	all    int
	client map[netip.Addr]int
}

// begin counts a stream to remote, an address with a port, unless there are too
// many; end counts it off.
func (s *streams) begin(remote string) (end func(), ok bool) {
	a, err := netip.ParseAddrPort(remote)
	client := a.Addr().Unmap()
	counted := err == nil && !client.IsLoopback()
	if p, err := client.WithZone("").Prefix(64); client.Is6() && err == nil {
		client = p.Addr() // a network is one client's
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || counted && s.client[client] >= maxStreamsPerClient {
		return nil, false
	}
	if s.client == nil {
		s.client = map[netip.Addr]int{}
	}
	s.all++
	if counted {
		s.client[client]++
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if counted {
			if s.client[client]--; s.client[client] == 0 {
				delete(s.client, client)
			}
		}
	}, true
}
