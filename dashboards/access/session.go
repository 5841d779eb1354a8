package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// Bounds of sessions: each is some 300 bytes.
const (
	maxSessions        = 4096
	maxSessionsPerUser = 32
)

// session is a login. Its token is known to the browser alone: the key of the map is its hash.
type session struct {
	user    string
	proof   [32]byte // of the password's hash, which a reload may change
	ends    time.Time
	ctx     context.Context // ends with it: so do streams
	cancel  context.CancelFunc
	started time.Time
}

type sessions struct {
	mu   sync.Mutex // all
	all  map[[32]byte]*session
	base context.Context
}

// begin makes a session and returns its token.
func (s *sessions) begin(user string, proof [32]byte, now time.Time, lasting time.Duration) string {
	token := rand.Text() + rand.Text() // 256 bits and more
	ctx, cancel := context.WithDeadline(s.base, now.Add(lasting))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(now)
	for s.count(user) >= maxSessionsPerUser {
		s.drop(s.oldest(user))
	}
	if len(s.all) >= maxSessions {
		s.drop(s.oldest(""))
	}
	s.all[sha256.Sum256([]byte(token))] = &session{user: user, proof: proof, ends: now.Add(lasting), ctx: ctx, cancel: cancel, started: now}
	return token
}

// of returns the session of a token, nil if there is none.
func (s *sessions) of(token string, now time.Time) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[sha256.Sum256([]byte(token))]
	if found == nil || !now.Before(found.ends) {
		return nil
	}
	return found
}

// end ends the session of a token.
func (s *sessions) end(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(sha256.Sum256([]byte(token)))
}

// keep ends those that are not to be kept.
func (s *sessions) keep(which func(*session) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, one := range s.all {
		if !which(one) {
			s.drop(key)
		}
	}
}

// The following hold mu.

func (s *sessions) forget(now time.Time) {
	for key, one := range s.all {
		if !now.Before(one.ends) {
			s.drop(key)
		}
	}
}

func (s *sessions) drop(key [32]byte) {
	if one := s.all[key]; one != nil {
		one.cancel()
		delete(s.all, key)
	}
}

func (s *sessions) count(user string) (n int) {
	for _, one := range s.all {
		if one.user == user {
			n++
		}
	}
	return n
}

// oldest is the session that began first, of a user or of all for "".
func (s *sessions) oldest(user string) (key [32]byte) {
	var first time.Time
	for k, one := range s.all {
		if (user == "" || one.user == user) && (first.IsZero() || one.started.Before(first)) {
			key, first = k, one.started
		}
	}
	return key
}
