// Package push takes messages from devices that speak HTTP and no MQTT: door
// controllers, face terminals, platforms' forwards. What is posted to
// /hikvision/gate-1/event is the message of topic hikvision/gate-1/event, and goes the
// way of every other: it is cut down where its format carries persons, journaled,
// and answered with 200 once it would survive a power cut. So a device that repeats
// what was not answered loses nothing.
//
// A user is a vendor, by the password the broker knows too, and reaches the topics of
// that vendor's sources only.
package push

import (
	"bytes"
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// Taker takes messages over. It is safe for concurrent use.
type Taker interface {
	// Push returns once the message is journaled. ErrBusy says that too many wait.
	Push(ctx context.Context, topic string, payload []byte) error
	// Vendor returns the vendor whose source reads a topic, "" if no source does.
	Vendor(topic string) string
}

// ErrBusy is Push's where messages are not taken as fast as they come.
var ErrBusy = errors.New("too many messages wait for the journal")

// Options of a listener.
type Options struct {
	Listen            string // host:port
	PasswordFile      string // of Mosquitto: user:$7$iterations$salt$hash; "" lets anyone in
	CertFile, KeyFile string // "" is HTTP without TLS
	MaxBytes          int64  // of a body
	Logger            *slog.Logger
}

// Listener is the HTTP server.
type Listener struct {
	o     Options
	taker Taker
	ln    net.Listener
	wrong chan struct{} // bounds who waits for the answer to a wrong password

	mu    sync.Mutex
	users map[string]string   // guarded by mu: hashes by user, as the file has them
	read  time.Time           // guarded by mu: of the file, when it was read
	right map[string][32]byte // guarded by mu: by user, the digest of a password found right
}

// Listen opens the address, and reads the password file.
func Listen(o Options, taker Taker) (*Listener, error) {
	l := &Listener{o: o, taker: taker, wrong: make(chan struct{}, 64)}
	if err := l.readUsers(); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	if o.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile); err != nil {
			_ = ln.Close()
			return nil, fmt.Errorf("push: %w", err)
		}
		ln = tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile) // it is renewed while we run
			return &pair, err
		}})
	}
	l.ln = ln
	return l, nil
}

// Addr is host:port as it was opened.
func (l *Listener) Addr() string { return l.ln.Addr().String() }

// Run serves until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	server := &http.Server{
		Handler: l, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: 16 << 10, BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog: slog.NewLogLogger(l.o.Logger.Handler(), slog.LevelDebug),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		_ = server.Close() // what was not answered is sent again
	}()
	err := server.Serve(l.ln)
	<-done
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// ServeHTTP takes one message. The path is the topic; of a terminal that cannot send a
// password it begins with /as/user/password.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, text string) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(status)
		code := 0
		if status != http.StatusOK {
			code = status
		}
		fmt.Fprintf(w, "{\"code\":%d,\"message\":%q}\n", code, text)
	}
	if r.Method != http.MethodPost && r.Method != http.MethodPut {
		w.Header().Set("Allow", "POST, PUT")
		answer(http.StatusMethodNotAllowed, "POST a message to the path that is its topic")
		return
	}
	topic := strings.TrimPrefix(r.URL.Path, "/")
	user, password, given := r.BasicAuth()
	if rest, ok := strings.CutPrefix(topic, "as/"); ok && !given {
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) == 3 {
			user, password, topic, given = parts[0], parts[1], parts[2], true
		}
	}
	vendor := l.taker.Vendor(topic)
	if l.o.PasswordFile != "" {
		if !given || !l.knows(user, password) {
			l.hold(r.Context())
			w.Header().Set("WWW-Authenticate", `Basic realm="greencommunity"`)
			answer(http.StatusUnauthorized, "user and password of the broker, or /as/user/password before the topic")
			return
		}
		if vendor != user {
			answer(http.StatusForbidden, "no source of this user has this topic")
			return
		}
	}
	if topic == "" || vendor == "" || strings.ContainsAny(topic, "+#") || !utf8.ValidString(topic) || len(topic) > 1024 {
		answer(http.StatusNotFound, "no source of the inventory has this topic")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, l.o.MaxBytes))
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			answer(http.StatusRequestEntityTooLarge, "at most "+strconv.FormatInt(l.o.MaxBytes, 10)+" bytes")
			return
		}
		answer(http.StatusBadRequest, "the body ended early")
		return
	}
	if len(bytes.TrimSpace(body)) == 0 { // terminals try whether we are there
		answer(http.StatusOK, "empty")
		return
	}
	switch err := l.taker.Push(r.Context(), topic, body); {
	case err == nil:
		answer(http.StatusOK, "ok")
	default:
		w.Header().Set("Retry-After", "5")
		answer(http.StatusServiceUnavailable, "not taken yet; send it again")
	}
}

// hold makes a wrong password take a second, and of many at once each wait for its
// second: there are 64 tries a second at most. A right one waits for nothing.
func (l *Listener) hold(ctx context.Context) {
	select {
	case l.wrong <- struct{}{}:
		defer func() { <-l.wrong }()
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
}

// knows reports whether a password is the user's.
func (l *Listener) knows(user, password string) bool {
	if err := l.readUsers(); err != nil {
		l.o.Logger.Error("the users of the push listener stay as they were", "error", err)
	}
	digest := sha256.Sum256([]byte(password))
	l.mu.Lock()
	hash, known := l.users[user]
	right, seen := l.right[user]
	l.mu.Unlock()
	if !known {
		return false
	}
	if seen && subtle.ConstantTimeCompare(right[:], digest[:]) == 1 {
		return true
	}
	if !verify(hash, password) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.right[user] = digest
	return true
}

// readUsers reads the password file where it has changed.
func (l *Listener) readUsers() error {
	if l.o.PasswordFile == "" {
		return nil
	}
	info, err := os.Stat(l.o.PasswordFile)
	if err != nil {
		return fmt.Errorf("push.password_file: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if info.ModTime().Equal(l.read) {
		return nil
	}
	data, err := os.ReadFile(l.o.PasswordFile)
	if err != nil {
		return fmt.Errorf("push.password_file: %w", err)
	}
	users := map[string]string{}
	for line := range strings.Lines(string(data)) {
		user, hash, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && user != "" && !strings.HasPrefix(user, "#") {
			users[user] = hash
		}
	}
	l.users, l.right, l.read = users, map[string][32]byte{}, info.ModTime()
	return nil
}

// maxIterations bounds what checking one password may cost.
const maxIterations = 1_000_000

// verify compares a password with a hash as mosquitto_passwd writes them:
// $7$iterations$salt$hash of PBKDF2 and SHA-512, or $6$salt$hash of SHA-512.
func verify(hash, password string) bool {
	parts := strings.Split(hash, "$")
	switch {
	case len(parts) == 5 && parts[1] == "7":
		iterations, err := strconv.Atoi(parts[2])
		salt, bad := base64.StdEncoding.DecodeString(parts[3])
		want, worse := base64.StdEncoding.DecodeString(parts[4])
		if err != nil || bad != nil || worse != nil || iterations < 1 || iterations > maxIterations || len(want) == 0 {
			return false
		}
		have, err := pbkdf2.Key(sha512.New, password, salt, iterations, len(want))
		return err == nil && subtle.ConstantTimeCompare(have, want) == 1
	case len(parts) == 4 && parts[1] == "6":
		salt, bad := base64.StdEncoding.DecodeString(parts[2])
		want, worse := base64.StdEncoding.DecodeString(parts[3])
		have := sha512.Sum512(append([]byte(password), salt...))
		return bad == nil && worse == nil && subtle.ConstantTimeCompare(have[:], want) == 1
	}
	return false
}
