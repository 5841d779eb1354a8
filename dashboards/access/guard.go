package access

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/time/rate"

	"greencommunity/ingest"
)

// Limits of logins. A person who mistypes has ten attempts, and then one in ten seconds;
// all addresses together have 30 on one name, and then one in 30 s, which is 2,900 a day.
// Hashing is two at a time: it is meant to be slow, and is not to slow readings down.
const (
	loginsBurst, loginsEvery = 10, 10 * time.Second
	namesBurst, namesEvery   = 30, 30 * time.Second
	maxAddresses             = 4096
	hashersAtOnce            = 2
	// maxPassword is bcrypt's, in bytes.
	maxPassword = 72
	// maxVerified bounds what is remembered of passwords that were right, for programs
	// that send theirs with every request.
	maxVerified = 256
)

// Access knows who may what. It is safe for concurrent use.
type Access struct {
	webConfig string
	log       *slog.Logger
	cross     *http.CrossOriginProtection
	sessions  sessions
	addresses *limits
	names     *limits
	hashers   chan struct{}
	secret    []byte // of verified
	decoy     []byte // a hash nobody has the password of

	mu       sync.RWMutex // what follows
	c        Config
	users    map[string]*User
	keys     map[[32]byte]*keyed
	web      map[string]string // users of the web config file, with their hashes
	webSeen  time.Time         // the file's time
	verified map[[32]byte]bool
}

// keyed is a key with what is left of its requests.
type keyed struct {
	*Key
	zone   *time.Location
	bucket *rate.Limiter
}

// New returns the access that a section says. Sessions end with ctx. The web config file
// is read again when it changes, as the server does.
func New(ctx context.Context, c Config, zone *time.Location, webConfigFile string, log *slog.Logger) *Access {
	a := &Access{
		webConfig: webConfigFile, log: log, cross: http.NewCrossOriginProtection(),
		sessions:  sessions{all: map[[32]byte]*session{}, base: ctx},
		addresses: newLimits(loginsEvery, loginsBurst, maxAddresses), names: newLimits(namesEvery, namesBurst, maxAddresses),
		hashers: make(chan struct{}, hashersAtOnce), secret: []byte(rand.Text()), verified: map[[32]byte]bool{},
	}
	a.Configure(c, zone)
	return a
}

// Configure takes another section over. Sessions of users that are no more, or have
// another password, end.
func (a *Access) Configure(c Config, zone *time.Location) {
	cost := minCost
	users := map[string]*User{}
	for i := range c.Users {
		u := &c.Users[i]
		users[u.Name] = u
		if n, err := bcrypt.Cost([]byte(u.Password)); err == nil {
			cost = max(cost, n)
		}
	}
	var decoy []byte
	if len(users) > 0 {
		decoy, _ = bcrypt.GenerateFromPassword([]byte(rand.Text()), cost) // fails at a cost above 31 only
	}
	keys := map[[32]byte]*keyed{}
	a.mu.Lock()
	for i := range c.Keys {
		k := &c.Keys[i]
		hash := k.sum()
		bucket := rate.NewLimiter(rate.Limit(float64(k.PerMinute)/60), k.PerMinute)
		if old := a.keys[hash]; old != nil && old.PerMinute == k.PerMinute {
			bucket = old.bucket
		}
		keys[hash] = &keyed{k, zone, bucket}
	}
	a.c, a.users, a.keys, a.decoy = c, users, keys, decoy
	clear(a.verified)
	a.mu.Unlock()
	a.sessions.keep(func(s *session) bool {
		hash, ok := a.hashOf(s.user)
		return ok && sha256.Sum256([]byte(hash)) == s.proof
	})
}

// configured reports whether anybody is. Keys go with users only.
func (a *Access) configured() bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.users) > 0
}

// webUsers are the users of the web config file as it is now.
func (a *Access) webUsers() map[string]string {
	if a.webConfig == "" {
		return nil
	}
	info, err := os.Stat(a.webConfig)
	if err != nil {
		return nil // the server refuses everything then
	}
	a.mu.RLock()
	users, seen := a.web, a.webSeen
	a.mu.RUnlock()
	if info.ModTime().Equal(seen) {
		return users
	}
	var file struct {
		Users map[string]string `yaml:"basic_auth_users"`
	}
	data, err := os.ReadFile(a.webConfig)
	if err != nil || yaml.Unmarshal(data, &file) != nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.web, a.webSeen = file.Users, info.ModTime()
	return a.web
}

// hashOf is the hash of a user's password: the section's or, without one there, the web
// config file's.
func (a *Access) hashOf(name string) (hash string, ok bool) {
	a.mu.RLock()
	u := a.users[name]
	a.mu.RUnlock()
	if u != nil && u.Password != "" {
		return u.Password, true
	}
	hash, ok = a.webUsers()[name]
	return hash, ok
}

// identityOf is who a user is. One of the web config file alone runs the service where
// there are no others, as its password opened everything before; beside others it may
// read /metrics.
func (a *Access) identityOf(name string) Identity {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if u := a.users[name]; u != nil {
		return Identity{Name: u.Name, Title: u.Title, Role: u.Role, Vendor: u.Vendor, Communities: u.Communities}
	}
	if len(a.users) == 0 {
		return Identity{Name: name, Title: name, Role: Operator}
	}
	return Identity{Name: name, Title: name, Role: Department, Scopes: []Action{Metrics}}
}

// proof is what is remembered of a password that was right: it follows from the hash too,
// so that another password ends it.
func (a *Access) proof(name, hash, password string) [32]byte {
	mac := hmac.New(sha256.New, a.secret)
	fmt.Fprintf(mac, "%d %s %d %s %s", len(name), name, len(hash), hash, password)
	return [32]byte(mac.Sum(nil))
}

// refusal is why a request is not let through.
type refusal struct {
	status int
	text   string
	after  time.Duration // when to try again
}

// attempt checks a name and a password within the limits of attempts. It takes as long for
// a name that nobody has.
func (a *Access) attempt(r *http.Request, name, password string) *refusal {
	hash, known := a.hashOf(name)
	address, counted := client(r), name
	proof := a.proof(name, hash, password)
	a.mu.RLock()
	before, decoy := a.verified[proof], a.decoy
	a.mu.RUnlock()
	if known && before {
		return nil
	}
	if !known {
		hash, counted = string(decoy), "" // all that nobody has are counted as one name
	}
	// Asked again once it is this one's turn: attempts side by side are no way round.
	if refused := a.spent(address, counted); refused != nil {
		return refused
	}
	select {
	case a.hashers <- struct{}{}:
		defer func() { <-a.hashers }()
	case <-r.Context().Done():
		return &refusal{http.StatusServiceUnavailable, "too many log in at once", loginsEvery}
	}
	if refused := a.spent(address, counted); refused != nil {
		return refused
	}
	right := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password[:min(len(password), maxPassword)])) == nil
	if !right || !known || len(password) > maxPassword {
		now := time.Now()
		a.addresses.spend(address, now)
		a.names.spend(counted, now)
		if known {
			a.log.Warn("a login was refused", "user", name, "address", address)
		}
		return &refusal{http.StatusUnauthorized, "name or password is wrong", 0}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.verified) >= maxVerified {
		clear(a.verified)
	}
	a.verified[proof] = true
	return nil
}

// spent says that an address or a name has no attempt left.
func (a *Access) spent(address, name string) *refusal {
	now := time.Now()
	if a.addresses.spent(address, now) {
		return &refusal{http.StatusTooManyRequests, "too many attempts to log in from here; wait 10 s", loginsEvery}
	}
	if a.names.spent(name, now) {
		return &refusal{http.StatusTooManyRequests, "too many attempts to log in under this name; wait 30 s", namesEvery}
	}
	return nil
}

// identify says who a request is from.
func (a *Access) identify(r *http.Request) (Identity, *session, *refusal) {
	if key := apiKey(r); key != "" && a.configured() {
		i, refused := a.byKey(key)
		return i, nil, refused
	}
	if name, password, ok := r.BasicAuth(); ok && (a.configured() || len(a.webUsers()) > 0) {
		if refused := a.attempt(r, name, password); refused != nil {
			return Identity{}, nil, refused
		}
		if i := a.identityOf(name); i.Role != Department || cookie(r) == "" {
			return i, nil, nil
		}
		// A browser that passed the web config file with a password of its own, and has
		// logged in here as somebody.
	}
	if token := cookie(r); token != "" {
		if s := a.sessions.of(token, time.Now()); s != nil {
			return a.identityOf(s.user), s, nil
		}
	}
	if a.configured() {
		return Identity{}, nil, nil
	}
	if direct(r) {
		return local, nil, nil
	}
	return anonymous, nil, nil
}

// apiKey is the key that a request shows, "" if none. The header of its own is for where
// the web config file asks for a password as well.
func apiKey(r *http.Request) string {
	if key := r.Header.Get("X-API-Key"); key != "" {
		return key
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}

func (a *Access) byKey(key string) (Identity, *refusal) {
	now := time.Now()
	a.mu.RLock()
	k := a.keys[sha256.Sum256([]byte(key))]
	a.mu.RUnlock()
	if k == nil {
		return Identity{}, &refusal{http.StatusUnauthorized, "this key is not known", 0}
	}
	if k.expired(now) {
		return Identity{}, &refusal{http.StatusUnauthorized, "this key ended with " + k.Expires, 0}
	}
	if !k.bucket.AllowN(now, 1) {
		wait := time.Duration((1 - k.bucket.TokensAt(now)) * 60 / float64(k.PerMinute) * float64(time.Second))
		return Identity{}, &refusal{http.StatusTooManyRequests, fmt.Sprintf("this key has %d requests a minute", k.PerMinute), max(wait, time.Second)}
	}
	return Identity{Name: "key " + k.Name, Title: k.Name, Role: Department, Communities: k.Communities, Scopes: k.Scopes}, nil
}

func (k *keyed) expired(now time.Time) bool {
	if k.Expires == "" {
		return false
	}
	day, err := time.ParseInLocation(time.DateOnly, k.Expires, k.zone)
	return err != nil || !now.Before(day.AddDate(0, 0, 1))
}

// cookieName is that of sessions. A browser takes the prefix __Host- for a cookie that is
// sent over TLS alone and to this host alone.
func cookieName(secure bool) string {
	if secure {
		return "__Host-greencommunity"
	}
	return "greencommunity"
}

func cookie(r *http.Request) string {
	c, err := r.Cookie(cookieName(secure(r)))
	if err != nil {
		return ""
	}
	return c.Value
}

// secure reports whether the browser speaks TLS: with us, or with a proxy on this machine.
func secure(r *http.Request) bool {
	return r.TLS != nil || loopback(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func loopback(r *http.Request) bool {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

// direct reports whether a request is from this machine itself and not by a proxy on it.
func direct(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return loopback(r)
}

// client is whose attempts are counted together: an address, a network of 64 bits of
// IPv6, or whom a proxy on this machine names last.
func client(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := a.Addr().Unmap()
	if forwarded := r.Header.Values("X-Forwarded-For"); ip.IsLoopback() && len(forwarded) > 0 {
		list := strings.Split(forwarded[len(forwarded)-1], ",")
		if other, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			ip = other.Unmap()
		}
	}
	if p, err := ip.WithZone("").Prefix(64); ip.Is6() && err == nil {
		return p.String()
	}
	return ip.String()
}

// open reports whether a path has nothing of anybody: the page without its figures, life
// signs, the login, and alarms by a signed link, whose handler checks the signature.
func open(path string) bool {
	switch path {
	case "/", "/-/healthy", "/-/ready", SessionPath:
		return true
	}
	return strings.HasPrefix(path, "/alarm/") ||
		strings.Count(path, "/") == 1 && slices.ContainsFunc([]string{".js", ".css", ".svg", ".LICENSE"}, func(s string) bool { return strings.HasSuffix(path, s) })
}

// needed are the actions one of which a request is. What nobody thought of is for the
// operator, unless it only reads.
func needed(method, path string) []Action {
	under := func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }
	if method == http.MethodGet || method == http.MethodHead {
		switch {
		case path == "/metrics":
			return []Action{Metrics}
		case under("/api/v1/export"):
			return []Action{Export}
		case under("/api/v1/alarms"):
			return []Action{Read, Alarms}
		case under("/api/v1/ledger"):
			return []Action{Read, Ledger}
		}
		return []Action{Read}
	}
	switch {
	case under("/api/v1/alarms"):
		return []Action{Alarms}
	case under("/api/v1/ledger"):
		return []Action{Ledger}
	case under("/api/v1/decode"): // answers, and changes nothing
		return []Action{Read}
	}
	return []Action{Operate}
}

// Middleware lets a request through that is from somebody who may do it, and says in its
// context who that is.
func (a *Access) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.cross.Check(r); err != nil {
			refuse(w, &refusal{http.StatusForbidden, "not from another site", 0})
			return
		}
		i, s, refused := a.identify(r)
		path := r.URL.Path
		switch {
		case open(path):
			refused = nil // a session that has ended must not keep anybody from the login
		case refused != nil:
		case path == "/metrics" && direct(r) && i.Role == "": // Prometheus on this machine
		case path == "/-/reload" && !a.configured(): // as ever: it takes files into force
		default:
			refused = a.allowed(r, i, s)
		}
		if refused != nil {
			refuse(w, refused)
			return
		}
		ctx := With(r.Context(), i)
		if s != nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(s.ctx, cancel)()
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// allowed says why somebody may not do what a request is, nil if they may.
func (a *Access) allowed(r *http.Request, i Identity, s *session) *refusal {
	actions := needed(r.Method, r.URL.Path)
	changes := r.Method != http.MethodGet && r.Method != http.MethodHead
	switch {
	case i.Role == "":
		return &refusal{http.StatusUnauthorized, "log in, or send a key", 0}
	case !slices.ContainsFunc(actions, i.May) && i.Title == anonymous.Title && i.Name == "":
		return &refusal{http.StatusForbidden, "nobody is configured to change anything from elsewhere than this machine: add users to the section access of config.yaml", 0}
	case !slices.ContainsFunc(actions, i.May):
		return &refusal{http.StatusForbidden, fmt.Sprintf("%s may not do this: it takes the right %q", i.Title, actions[0]), 0}
	case s != nil && changes && r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "":
		// Whoever cannot say which page it is from shows a cookie without being a browser.
		return &refusal{http.StatusForbidden, "a change with a session needs the header Origin; programs send a key", 0}
	}
	return nil
}

func refuse(w http.ResponseWriter, why *refusal) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if why.after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(why.after.Seconds()))))
	}
	if why.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="greencommunity"`) // Basic would have browsers ask
	}
	w.WriteHeader(why.status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
	}{why.text, why.status})
}

// SessionPath is where one logs in and out.
const SessionPath = "/api/v1/session"

// Session is who asks, and what they may do.
type Session struct {
	Name        string               `json:"name"` // "" is nobody
	Title       string               `json:"title"`
	Role        Role                 `json:"role"`
	Vendor      ingest.VendorID      `json:"vendor,omitempty"`
	Communities []ingest.CommunityID `json:"communities,omitempty"`
	May         []Action             `json:"may"`
	Login       bool                 `json:"login"` // whether there is anybody to log in as
}

// Routes are the handlers of sessions, by pattern.
func (a *Access) Routes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /api/v1/session":  http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.tell(w, From(r.Context())) }),
		"POST /api/v1/session": http.HandlerFunc(a.login),
		"DELETE /api/v1/session": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.sessions.end(cookie(r))
			http.SetCookie(w, sessionCookie(r, "", -1))
			w.WriteHeader(http.StatusNoContent)
		}),
	}
}

func (a *Access) tell(w http.ResponseWriter, i Identity) {
	a.mu.RLock()
	login := len(a.users) > 0
	a.mu.RUnlock()
	s := Session{Name: i.Name, Title: i.Title, Role: i.Role, Vendor: i.Vendor, Communities: i.Communities, May: []Action{}, Login: login}
	for _, action := range append(slices.Clone(scopes), Operate) {
		if i.May(action) {
			s.May = append(s.May, action)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(s)
}

func (a *Access) login(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(kind) != "application/json" {
		refuse(w, &refusal{http.StatusUnsupportedMediaType, "send name and password as application/json", 0})
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&said); err != nil {
		refuse(w, &refusal{http.StatusBadRequest, `send {"name": "…", "password": "…"}`, 0})
		return
	}
	a.mu.RLock()
	u, lasting := a.users[said.Name], a.c.Session
	a.mu.RUnlock()
	refused := a.attempt(r, said.Name, said.Password)
	if refused == nil && u == nil {
		refused = &refusal{http.StatusUnauthorized, "name or password is wrong", 0} // of the web config file alone
	}
	if refused != nil {
		refuse(w, refused)
		return
	}
	hash, _ := a.hashOf(said.Name)
	a.sessions.end(cookie(r))
	token := a.sessions.begin(said.Name, sha256.Sum256([]byte(hash)), time.Now(), lasting)
	a.log.Info("logged in", "user", said.Name, "role", u.Role, "address", client(r))
	http.SetCookie(w, sessionCookie(r, token, int(lasting.Seconds())))
	a.tell(w, a.identityOf(said.Name))
}

func sessionCookie(r *http.Request, value string, seconds int) *http.Cookie {
	return &http.Cookie{
		Name: cookieName(secure(r)), Value: value, Path: "/", MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r),
	}
}

// NewKey makes a key and returns it with its hash, for a section.
func NewKey() (key, hash string) {
	key = "gc_" + rand.Text() + rand.Text()
	return key, fmt.Sprintf("%x", sha256.Sum256([]byte(key)))
}

// HashPassword makes the hash of a password, for a section.
func HashPassword(password string) (string, error) {
	switch n := len([]rune(password)); {
	case n < 10:
		return "", fmt.Errorf("the password has %d characters; take at least 10", n)
	case len(password) > maxPassword:
		return "", fmt.Errorf("the password has %d bytes; bcrypt takes up to %d", len(password), maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), hashCost)
	return string(hash), err
}
