package page

import (
	"fmt"
	"testing"
)

// Nobody opens more streams than are one client's, nor all of them together
// more than there are.
func TestStreamsAreBounded(t *testing.T) {
	var s streams
	var ends []func()
	for i := range 20 {
		for _, remote := range []string{fmt.Sprintf("192.0.2.1:%d", 1000+i), fmt.Sprintf("[2001:db8::%x]:80", i+1)} {
			end, ok := s.begin(remote)
			if ok != (i < maxStreamsPerClient) {
				t.Fatalf("stream %d of %s: %v", i, remote, ok)
			}
			if ok {
				ends = append(ends, end)
			}
		}
	}
	for len(ends) < maxStreams {
		end, ok := s.begin(fmt.Sprintf("127.0.0.1:%d", 1000+len(ends)))
		if !ok {
			t.Fatalf("stream %d of this machine is refused", len(ends))
		}
		ends = append(ends, end)
	}
	if _, ok := s.begin("198.51.100.7:1"); ok {
		t.Error("more than all are let in")
	}
	for _, end := range ends {
		end()
	}
	if s.all != 0 || len(s.client) != 0 {
		t.Errorf("%d of %d clients are left", s.all, len(s.client))
	}
	if _, ok := s.begin("192.0.2.1:1"); !ok {
		t.Error("who has left cannot come back")
	}
}
