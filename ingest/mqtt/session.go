package mqtt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// touchEvery sets how exactly we remember when the session was last there.
	touchEvery = time.Minute
	// maxSilence is the longest that Silence grows to.
	maxSilence = 24 * time.Hour
	// suspicious sets after how many brief connections in a row we speak of it.
	suspicious = 2
)

// ClientID is the client id that names our session where the configuration
// gives none: kept in dir, and made at the first call. Brokers that do not bind
// ids to users hand a session, and all that waits in it, to whoever names its
// id, so it is one that nobody can guess: 130 bits.
func ClientID(dir string) (string, error) {
	path := filepath.Join(dir, "client_id")
	data, err := os.ReadFile(path)
	if id := strings.TrimSpace(string(data)); err == nil && id != "" {
		return id, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("client id: %w", err)
	}
	id := "greencommunity-" + rand.Text()
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", fmt.Errorf("client id: %w", err)
	}
	_, err = f.WriteString(id + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", fmt.Errorf("client id: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return "", fmt.Errorf("client id: %w", err)
	}
	return id, nil
}

// Guessable reports whether somebody else may guess a client id: whether it
// lacks 20 letters and digits in a row of at least 10 kinds.
func Guessable(id string) bool {
	for word := range strings.FieldsFuncSeq(id, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9')
	}) {
		kinds := map[rune]bool{}
		for _, r := range word {
			kinds[r] = true
		}
		if len(word) >= 20 && len(kinds) >= 10 {
			return false
		}
	}
	return true
}

// idLine marks the line of SessionFile that names the client id. No filter
// begins with a tab.
const idLine = "\tclient_id="

// memory is the content of SessionFile.
func (s *Subscriber) memory(filters []string) string {
	return strings.Join(append([]string{idLine + s.o.ClientID}, filters...), "\n")
}

// remember takes in the content of SessionFile, if it is of our client id: the
// session of another id is another session. Files of earlier versions name none.
func (s *Subscriber) remember(text string) {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	if len(lines) > 0 && strings.HasPrefix(lines[0], idLine) {
		if lines[0] != idLine+s.o.ClientID {
			return
		}
		lines = lines[1:]
	}
	s.held = lines
	if info, err := os.Stat(s.o.SessionFile); err == nil && len(lines) > 0 {
		s.alive.Store(info.ModTime().UnixNano())
	}
}

// touch notes, over a restart too, that the session is there now.
func (s *Subscriber) touch() {
	now := time.Now()
	s.alive.Store(now.UnixNano())
	if s.o.SessionFile != "" {
		_ = os.Chtimes(s.o.SessionFile, now, now) // the time in a warning would be less exact
	}
}

// checkSession says so where the broker has forgotten a session we had.
func (s *Subscriber) checkSession(present bool) {
	since := s.alive.Load()
	if present || since == 0 {
		return
	}
	s.metrics.lost.Inc()
	s.o.Logger.Warn("the broker has no session of ours any more: what was published since then is lost; does it keep sessions "+
		"(Mosquitto: persistence true), was its data removed, or did another client take the session over?",
		"since", time.Unix(0, since).Format(time.RFC3339), "client_id", s.o.ClientID)
}

// silentError ends a connection on which nothing came for long.
type silentError struct{ since time.Duration }

func (e *silentError) Error() string { return fmt.Sprintf("connected but silent for %s", e.since) }

// endedError says why an established connection ended.
type endedError struct{ error }

func (e *endedError) Unwrap() error { return e.error }

// endings says how the latest connections ended, Run's own.
type endings struct {
	clientID string
	brief    []time.Time // ends of connections in a row that the broker closed soon after it had let us in
}

// explain adds to an error what is likely behind it.
func (e *endings) explain(ctx context.Context, s *Subscriber, broker string, err error, now time.Time) error {
	if ended := (*endedError)(nil); errors.As(err, &ended) {
		if !closedByPeer(err) {
			e.brief = nil
			return err
		}
		// Only ends close together speak of a fight over the id. A broker that
		// restarts every few hours does not.
		if n := len(e.brief); n > 0 && now.Sub(e.brief[n-1]) > 4*maxBackoff {
			e.brief = nil
		}
		e.brief = append(e.brief, now)
		if len(e.brief) >= suspicious {
			return fmt.Errorf("closed by the broker soon after connecting, %d times in a row: does another program use client_id %q? "+
				"The broker's log says so (Mosquitto: \"already connected, closing old connection\"): %w", len(e.brief), e.clientID, err)
		}
		return err
	}
	if hint := wrongPort(ctx, s, broker, err); hint != "" {
		return fmt.Errorf("%s: %w", hint, err)
	}
	return err
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "connection reset")
}
