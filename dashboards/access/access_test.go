package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
)

// hashed is a hash of the least cost there is: tests hash often.
func hashed(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// door is a service behind the middleware, whose answer is who asked and for what.
type door struct {
	t *testing.T
	*Access
	handler http.Handler
	served  []string
}

func openDoor(t *testing.T, c Config, webConfig string) *door {
	t.Helper()
	if c.Session == 0 {
		c.Session = DefaultSession
	}
	d := &door{t: t, Access: New(t.Context(), c, time.UTC, webConfig, slog.New(slog.DiscardHandler))}
	d.decoy = []byte(hashed(t, "nobody's")) // as cheap as the others of tests
	mux := http.NewServeMux()
	for pattern, h := range d.Routes() {
		mux.Handle(pattern, h)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		i := From(r.Context())
		d.served = append(d.served, r.Method+" "+r.URL.Path)
		fmt.Fprint(w, i.Name, " ", i.Role)
	})
	d.handler = d.Middleware(mux)
	return d
}

// ask sends a request from an address; headers are pairs.
func (d *door) ask(remote, method, path, body string, headers ...string) *http.Response {
	d.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = remote
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

const (
	here  = "127.0.0.1:5000"
	there = "192.0.2.7:5000"
)

// login logs in and returns the cookie.
func (d *door) login(name, password string) string {
	d.t.Helper()
	r := d.ask(there, "POST", SessionPath, fmt.Sprintf(`{"name":%q,"password":%q}`, name, password),
		"Content-Type", "application/json", "Origin", "http://example.com")
	if r.StatusCode != 200 || len(r.Cookies()) != 1 {
		d.t.Fatalf("login of %s: %s %s", name, r.Status, text(d.t, r))
	}
	return r.Cookies()[0].Name + "=" + r.Cookies()[0].Value
}

const (
	department = "gc_DEPARTMENT"
	expired    = "gc_EXPIRED"
)

func someone(t *testing.T) Config {
	sum := func(key string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(key))) }
	return Config{
		Users: []User{
			{Name: "wang", Title: "王主任", Role: Leader, Password: hashed(t, "leader-secret")},
			{Name: "li", Role: Clerk, Password: hashed(t, "clerk-secret"), Communities: []ingest.CommunityID{"nancheng"}},
			{Name: "ops", Role: Operator, Password: hashed(t, "operator-secret")},
			{Name: "acme", Role: Vendor, Vendor: "acme", Password: hashed(t, "vendor-secret")},
		},
		Keys: []Key{
			{Name: "城管局", Hash: sum(department), Scopes: []Action{Read, Alarms}, Communities: []ingest.CommunityID{"xicheng"}, PerMinute: 60},
			{Name: "old", Hash: sum(expired), Scopes: []Action{Read}, PerMinute: 60, Expires: "2020-01-31"},
		},
	}
}

// Without anybody configured, everything can be read, and only this machine changes something.
func TestNobodyConfigured(t *testing.T) {
	d := openDoor(t, Config{}, "")
	for _, c := range []struct {
		remote, method, path string
		headers              []string
		want                 int
		who                  string
	}{
		{here, "GET", "/api/v1/overview", nil, 200, "local operator"},
		{there, "GET", "/api/v1/overview", nil, 200, " department"},
		{there, "GET", "/metrics", nil, 200, " department"},
		{here, "POST", "/api/v1/alarms/7", nil, 200, "local operator"},
		{"[::1]:1", "POST", "/api/v1/ledger", nil, 200, "local operator"},
		{there, "POST", "/api/v1/alarms/7", nil, 403, ""},
		{there, "POST", "/api/v1/ledger/nancheng", nil, 403, ""},
		{there, "DELETE", "/api/v1/whatever", nil, 403, ""},
		{there, "POST", "/-/reload", nil, 200, " department"}, // as before there was any of this
		// A proxy on this machine speaks for others.
		{here, "POST", "/api/v1/alarms/7", []string{"X-Forwarded-For", "192.0.2.1"}, 403, ""},
		{here, "POST", "/api/v1/alarms/7", []string{"Forwarded", "for=192.0.2.1"}, 403, ""},
		// A page of another site in a browser on this machine.
		{here, "POST", "/api/v1/alarms/7", []string{"Origin", "http://evil.example"}, 403, ""},
		{here, "POST", "/api/v1/alarms/7", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{here, "POST", "/api/v1/alarms/7", []string{"Sec-Fetch-Site", "same-site"}, 403, ""},
		// Who shows a key or a password where there are none is whoever else.
		{here, "GET", "/api/v1/overview", []string{"Authorization", "Bearer gc_x"}, 200, "local operator"},
	} {
		r := d.ask(c.remote, c.method, c.path, "", c.headers...)
		if got := text(t, r); r.StatusCode != c.want || c.want == 200 && got != c.who {
			t.Errorf("%s %s from %s %q: %d %q, want %d %q", c.method, c.path, c.remote, c.headers, r.StatusCode, got, c.want, c.who)
		}
	}
	if r := d.ask(here, "POST", SessionPath, `{"name":"local","password":""}`, "Content-Type", "application/json"); r.StatusCode != 401 {
		t.Errorf("a login where nobody is: %s", r.Status)
	}
}

// Each role and each scope does what it may, and nothing else.
func TestRights(t *testing.T) {
	d := openDoor(t, someone(t), "")
	cookies := map[string]string{
		"wang": d.login("wang", "leader-secret"), "li": d.login("li", "clerk-secret"),
		"ops": d.login("ops", "operator-secret"), "acme": d.login("acme", "vendor-secret"),
	}
	paths := []string{"GET /api/v1/overview", "GET /metrics", "GET /api/v1/alarms", "POST /api/v1/alarms/7", "GET /api/v1/ledger", "POST /api/v1/ledger/nancheng",
		"GET /api/v1/export/usage", "POST /api/v1/decode", "POST /-/reload", "PUT /api/v1/of-tomorrow", "GET /"}
	for who, want := range map[string]string{ // 1 for each of the paths that is served
		"wang": "11111011001", "li": "10111111001", "ops": "11111111111", "acme": "10111011001",
		"key": "10111001001", "nobody": "00000000001", "expired": "00000000001",
	} {
		var got strings.Builder
		for _, request := range paths {
			method, path, _ := strings.Cut(request, " ")
			var headers []string
			switch who {
			case "key":
				headers = []string{"X-API-Key", department}
			case "expired":
				headers = []string{"Authorization", "Bearer " + expired}
			case "nobody":
			default:
				headers = []string{"Cookie", cookies[who], "Sec-Fetch-Site", "same-origin"}
			}
			before := len(d.served)
			r := d.ask(there, method, path, "", headers...)
			if served := len(d.served) > before; served != (r.StatusCode == 200) {
				t.Fatalf("%s of %s: %s, and served: %v", request, who, r.Status, served)
			}
			got.WriteByte("01"[b2i(r.StatusCode == 200)])
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s of %q", who, got.String(), want, paths)
		}
	}
	var s Session
	if err := json.NewDecoder(d.ask(there, "GET", SessionPath, "", "Cookie", cookies["acme"]).Body).Decode(&s); err != nil || s.Role != Vendor || s.Vendor != "acme" || !s.Login {
		t.Errorf("the vendor is told to be %+v %v", s, err)
	}
	for _, c := range []struct {
		i         Identity
		community ingest.CommunityID
		vendor    ingest.VendorID
		want      bool
	}{
		{Identity{}, "nancheng", "acme", true}, // whom the middleware lets through only
		{Identity{Vendor: "acme"}, "nancheng", "acme", true},
		{Identity{Vendor: "acme"}, "nancheng", "other", false},
		{Identity{Vendor: "acme"}, "nancheng", "", false},
		{Identity{Communities: []ingest.CommunityID{"xicheng"}}, "nancheng", "acme", false},
		{Identity{Communities: []ingest.CommunityID{"xicheng"}}, "xicheng", "acme", true},
		{Identity{Vendor: "acme", Communities: []ingest.CommunityID{"xicheng"}}, "nancheng", "acme", false},
	} {
		if got := c.i.Sees(c.community, c.vendor); got != c.want {
			t.Errorf("%+v sees %s of %s: %v", c.i, c.community, c.vendor, got)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Attacks that must not work.
func TestAttacks(t *testing.T) {
	d := openDoor(t, someone(t), "")
	cookie := d.login("ops", "operator-secret")
	name, token, _ := strings.Cut(cookie, "=")
	for what, c := range map[string]struct {
		remote, method, path string
		headers              []string
		want                 int
	}{
		"no credentials":                    {there, "GET", "/api/v1/devices", nil, 401},
		"from this machine, without":        {here, "GET", "/api/v1/devices", nil, 401},
		"from this machine, a change":       {here, "POST", "/-/reload", nil, 401},
		"a forged cookie":                   {there, "GET", "/api/v1/devices", []string{"Cookie", name + "=" + strings.Repeat("A", len(token))}, 401},
		"a cookie with a letter more":       {there, "GET", "/api/v1/devices", []string{"Cookie", cookie + "A"}, 401},
		"an empty cookie":                   {there, "GET", "/api/v1/devices", []string{"Cookie", name + "="}, 401},
		"the name as a cookie":              {there, "GET", "/api/v1/devices", []string{"Cookie", name + "=ops"}, 401},
		"a secure cookie's name in clear":   {there, "GET", "/api/v1/devices", []string{"Cookie", "__Host-" + cookie}, 401},
		"a cross-site change":               {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie, "Origin", "http://evil.example"}, 403},
		"a cross-site change, fetch":        {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie, "Sec-Fetch-Site", "cross-site"}, 403},
		"a change from another port":        {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie, "Sec-Fetch-Site", "same-site"}, 403},
		"a change of a page without origin": {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie, "Origin", "null"}, 403},
		"a change that says no origin":      {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie}, 403},
		"an unknown key":                    {there, "GET", "/api/v1/devices", []string{"Authorization", "Bearer gc_wrong"}, 401},
		"a key's hash as key":               {there, "GET", "/api/v1/devices", []string{"X-API-Key", someone(t).Keys[0].Hash}, 401},
		"a key without the scope":           {there, "GET", "/api/v1/export/usage", []string{"X-API-Key", department}, 403},
		"a key on the ledger":               {there, "POST", "/api/v1/ledger/x", []string{"X-API-Key", department}, 403},
		"a wrong key beside a good cookie":  {there, "GET", "/api/v1/devices", []string{"X-API-Key", "gc_wrong", "Cookie", cookie}, 401},
		"a path that is cleaned later":      {there, "GET", "/x/../api/v1/devices", nil, 401},
		"two slashes":                       {there, "GET", "//api/v1/devices", nil, 401},
		"a name that ends as a file":        {there, "GET", "/api/v1/devices/x.js", nil, 401},
		"another method":                    {there, "PROPFIND", "/api/v1/devices", nil, 401},
		"a head":                            {there, "HEAD", "/api/v1/devices", nil, 401},
		"a wrong password with each":        {there, "GET", "/api/v1/devices", []string{"Authorization", "Basic b3BzOm9wcw=="}, 401},
		"the cookie, as it is":              {there, "GET", "/api/v1/devices", []string{"Cookie", cookie}, 200},
		"a change from the page":            {there, "POST", "/api/v1/alarms/7", []string{"Cookie", cookie, "Origin", "http://example.com"}, 200},
	} {
		before := len(d.served)
		r := d.ask(c.remote, c.method, c.path, "", c.headers...)
		if r.StatusCode != c.want || c.want != 200 && len(d.served) > before {
			t.Errorf("%s: %s %s, want %d", what, r.Status, text(t, r), c.want)
		}
	}
	// A form of another site cannot log somebody in as somebody else, nor out.
	for _, c := range [][3]string{
		{"POST", "application/json", "http://evil.example"}, {"DELETE", "", "http://evil.example"},
	} {
		if r := d.ask(there, c[0], SessionPath, `{"name":"ops","password":"operator-secret"}`, "Content-Type", c[1], "Origin", c[2], "Cookie", cookie); r.StatusCode != 403 || len(r.Cookies()) > 0 {
			t.Errorf("%s of a session by another site: %s", c[0], r.Status)
		}
	}
	if r := d.ask(there, "POST", SessionPath, `name=ops&password=operator-secret`, "Content-Type", "application/x-www-form-urlencoded"); r.StatusCode != 415 {
		t.Errorf("a form: %s", r.Status)
	}
	// Logged out is logged out, wherever the cookie is kept.
	if r := d.ask(there, "DELETE", SessionPath, "", "Cookie", cookie, "Origin", "http://example.com"); r.StatusCode != 204 {
		t.Errorf("logging out: %s", r.Status)
	}
	if r := d.ask(there, "GET", "/api/v1/devices", "", "Cookie", cookie); r.StatusCode != 401 {
		t.Errorf("after logging out: %s", r.Status)
	}
}

func TestCookie(t *testing.T) {
	d := openDoor(t, someone(t), "")
	for _, c := range []struct {
		remote, proto string
		secure        bool
	}{{there, "", false}, {there, "https", false}, {here, "https", true}} {
		r := d.ask(c.remote, "POST", SessionPath, `{"name":"wang","password":"leader-secret"}`, "Content-Type", "application/json", "X-Forwarded-Proto", c.proto)
		if len(r.Cookies()) != 1 {
			t.Fatalf("%+v: %s", c, r.Status)
		}
		k := r.Cookies()[0]
		if !k.HttpOnly || k.SameSite != http.SameSiteStrictMode || k.Secure != c.secure || k.Path != "/" || k.Domain != "" || strings.HasPrefix(k.Name, "__Host-") != c.secure || len(k.Value) < 50 {
			t.Errorf("%+v: %s", c, k)
		}
	}
}

// Guessing is bounded for an address, and for a name from whatever many addresses; others go on.
func TestBruteForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, someone(t), "")
		try := func(remote, name, password string) int {
			return d.ask(remote, "POST", SessionPath, fmt.Sprintf(`{"name":%q,"password":%q}`, name, password), "Content-Type", "application/json").StatusCode
		}
		statuses := map[int]int{}
		for i := range 40 {
			statuses[try(there, []string{"wang", "nobody"}[i%2], "guess")]++
		}
		if statuses[401] != loginsBurst || statuses[429] != 40-loginsBurst {
			t.Errorf("40 attempts of an address: %v", statuses)
		}
		if got := try(there, "wang", "leader-secret"); got != 429 {
			t.Errorf("the right password among guesses: %d", got)
		}
		if got := try("192.0.2.8:1", "wang", "leader-secret"); got != 200 {
			t.Errorf("the user from elsewhere: %d", got)
		}
		// A network of IPv6 is one address, whatever its last half.
		clear(statuses)
		for i := range 20 {
			statuses[try(fmt.Sprintf("[2001:db8::%x]:1", i+1), "nobody", "guess")]++
		}
		if statuses[401] != loginsBurst {
			t.Errorf("20 addresses of a network: %v", statuses)
		}
		clear(statuses)
		for i := range 100 {
			statuses[try(fmt.Sprintf("198.51.100.%d:1", i+1), "ops", "guess")]++
		}
		if statuses[401] != namesBurst {
			t.Errorf("100 addresses on one name: %v", statuses)
		}
		time.Sleep(namesEvery)
		if got := try("203.0.113.9:1", "ops", "operator-secret"); got != 200 {
			t.Errorf("half a minute later: %d", got)
		}
		// Side by side they are no more.
		time.Sleep(time.Hour)
		clear(statuses)
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				s := try(there, "li", "guess")
				mu.Lock()
				defer mu.Unlock()
				statuses[s]++
			})
		}
		all.Wait()
		if n := statuses[401]; n < loginsBurst || n > loginsBurst+hashersAtOnce {
			t.Errorf("50 attempts at once: %v", statuses)
		}
		// So with passwords sent with each request; and of a proxy's clients each has its own.
		time.Sleep(time.Hour)
		clear(statuses)
		for range 20 {
			statuses[d.ask(here, "GET", "/api/v1/devices", "", "Authorization", "Basic b3BzOmd1ZXNz", "X-Forwarded-For", "1.2.3.4, 198.51.100.200").StatusCode]++
		}
		if statuses[401] != loginsBurst {
			t.Errorf("20 by Basic: %v", statuses)
		}
	})
}

// A session ends by itself, with its user, and with its password; what it streams ends with it.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := someone(t)
		d := openDoor(t, c, "")
		works := func(cookie string) bool {
			return d.ask(there, "GET", "/api/v1/devices", "", "Cookie", cookie).StatusCode == 200
		}
		wang, li, ops := d.login("wang", "leader-secret"), d.login("li", "clerk-secret"), d.login("ops", "operator-secret")
		stream := httptest.NewRequest("GET", "/api/v1/stream", nil)
		stream.Header.Set("Cookie", ops)
		ended := make(chan struct{})
		go func() {
			d.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })).ServeHTTP(httptest.NewRecorder(), stream)
			close(ended)
		}()
		synctest.Wait()
		changed := Config{Users: append([]User{}, c.Users[0], c.Users[2]), Session: DefaultSession} // li has gone
		changed.Users[1].Password = hashed(t, "operator-secret")                                    // the same password, set again
		d.Configure(changed, time.UTC)
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the stream of a session goes on after it")
		}
		if !works(wang) || works(li) || works(ops) {
			t.Errorf("after the reload: %v %v %v", works(wang), works(li), works(ops))
		}
		time.Sleep(DefaultSession - time.Second)
		if !works(wang) {
			t.Error("ended before its time")
		}
		time.Sleep(2 * time.Second)
		if works(wang) {
			t.Error("does not end")
		}
		// However many somebody begins, they are bounded.
		for range maxSessionsPerUser + 5 {
			d.login("wang", "leader-secret")
		}
		if n := len(d.sessions.all); n != maxSessionsPerUser {
			t.Errorf("%d sessions of one user", n)
		}
	})
}

func TestKeysAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openDoor(t, someone(t), "")
		ok := 0
		for range 100 {
			if r := d.ask(there, "GET", "/api/v1/devices", "", "X-API-Key", department); r.StatusCode == 200 {
				ok++
			} else if r.StatusCode != 429 || r.Header.Get("Retry-After") != "1" {
				t.Fatal(r.Status, r.Header)
			}
		}
		if ok != 60 {
			t.Errorf("%d requests in no time, want 60", ok)
		}
		d.Configure(someone(t), time.UTC) // a reload gives none back
		if r := d.ask(there, "GET", "/api/v1/devices", "", "X-API-Key", department); r.StatusCode != 429 {
			t.Errorf("after a reload: %s", r.Status)
		}
		time.Sleep(time.Minute)
		if r := d.ask(there, "GET", "/api/v1/devices", "", "X-API-Key", department); text(t, r) != "key 城管局 department" {
			t.Errorf("a minute later: %s", r.Status)
		}
	})
}

// The web config file's users: alone they run the service; a user of the section may have
// its password there; the others read /metrics.
func TestWebConfigUsers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(path, fmt.Appendf(nil, "basic_auth_users:\n  prometheus: %s\n  wang: %s\n", hashed(t, "scrape-secret"), hashed(t, "wang-secret")), 0o600); err != nil {
		t.Fatal(err)
	}
	basic := func(user, password string) []string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return []string{"Authorization", r.Header.Get("Authorization")}
	}
	d := openDoor(t, Config{}, path)
	if got := text(t, d.ask(there, "POST", "/api/v1/alarms/7", "", basic("prometheus", "scrape-secret")...)); got != "prometheus operator" {
		t.Errorf("alone: %s", got)
	}
	if r := d.ask(here, "POST", "/api/v1/alarms/7", "", basic("prometheus", "guess")...); r.StatusCode != 401 {
		t.Errorf("a wrong password: %s", r.Status)
	}
	c := someone(t)
	c.Users[0].Password = ""
	d = openDoor(t, c, path)
	if got := text(t, d.ask(there, "GET", "/api/v1/devices", "", basic("wang", "wang-secret")...)); got != "wang leader" {
		t.Errorf("a user whose password is there: %s", got)
	}
	d.login("wang", "wang-secret")
	if r := d.ask(there, "GET", "/metrics", "", basic("prometheus", "scrape-secret")...); r.StatusCode != 200 {
		t.Errorf("/metrics: %s", r.Status)
	}
	if r := d.ask(there, "GET", "/api/v1/devices", "", basic("prometheus", "scrape-secret")...); r.StatusCode != 403 {
		t.Errorf("what is not Prometheus': %s", r.Status)
	}
	if r := d.ask(there, "POST", SessionPath, `{"name":"prometheus","password":"scrape-secret"}`, "Content-Type", "application/json"); r.StatusCode != 401 {
		t.Errorf("a login of one who is no user: %s", r.Status)
	}
	// Who passed the file with one password, and logged in as somebody, is that.
	if got := text(t, d.ask(there, "GET", "/api/v1/devices", "", append(basic("prometheus", "scrape-secret"), "Cookie", d.login("li", "clerk-secret"))...)); got != "li clerk" {
		t.Errorf("both: %s", got)
	}
}

func TestLoginName(t *testing.T) {
	for name, want := range map[string]bool{
		"wang": true, "王芳": true, "li.na_2@x-1": true, "é": true, "٣": true, "Ⅻ": true,
		strings.Repeat("城", 64): true, strings.Repeat("城", 65): false,
		"": false, "a b": false, "a\n": false, "a/b": false, "e\u0301": false, "\xff": false, "\ufffd": false, "a:b": false,
	} {
		if got := isLoginName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestSection(t *testing.T) {
	good, hash := hashed10(t), strings.Repeat("ab", 32)
	for _, c := range []struct{ section, want string }{
		{`{users: [{name: wang, role: leader, password: "` + good + `"}], keys: [{name: 城管局, hash: "` + hash + `", scopes: [read]}]}`, ``},
		{`{session: 12}`, `access.session (line 1): "12" is no duration; write 90s or 36h`},
		{`{session: 10s}`, `access.session (line 1): 10s is not between 1m and 744h`},
		{`{users: [{role: chief}]}`, `access.users[0].name (line 1): "" is no login name; give up to 64 letters, digits and . _ @ -
access.users[0].role (line 1): "chief" is none of leader, clerk, operator, vendor`},
		{`{users: [{name: local, role: department}]}`, `access.users[0].name (line 1): "local" is this machine without a login; give another
access.users[0].role (line 1): "department" is none of leader, clerk, operator, vendor`},
		{`{users: [{name: a, role: clerk, password: secret}, {name: a, role: vendor}]}`, `access.users[0].password (line 1): is no bcrypt hash of cost 10 or more; make it with ` + "`greencommunity access password`" + `
access.users[1].name (line 1): "a" is taken; each name stands once
access.users[1].vendor (line 1): goes with role: vendor, and names a vendor of the inventory`},
		{`{users: [{name: a, role: clerk, vendor: v, communities: [nowhere]}]}`, `access.users[0].vendor (line 1): goes with role: vendor, and names a vendor of the inventory
access.users[0].vendor (line 1): "v" is no vendor of the inventory
access.users[0].communities[0] (line 1): "nowhere" is no community of the inventory`},
		{`{keys: [{name: x, hash: abc, scopes: [write], per_minute: -1, expires: soon}]}`, `access.users (line 1): missing; without any, all can be read without a key: add the people who use the page
access.keys[0].hash (line 1): is no SHA-256 in hex; make key and hash with ` + "`greencommunity access key`" + `
access.keys[0].scopes[0] (line 1): "write" is none of read, alarms, ledger, export, metrics
access.keys[0].per_minute (line 1): -1 is not between 1 and 100000
access.keys[0].expires (line 1): "soon" is no day; write 2027-06-30`},
	} {
		var file struct {
			Access document.Section `yaml:"access"`
		}
		var p document.Problems
		document.Decode([]byte("access: "+c.section+"\n"), &file, &p)
		config := ReadSection(file.Access, time.UTC, &p)
		config.Check(func(ingest.CommunityID) bool { return false }, func(ingest.VendorID) bool { return false }, &p)
		got := ""
		if err := p.Err(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s says\n%s\nwant\n%s", c.section, got, c.want)
		}
	}
}

func hashed10(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("a good password"), minCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// A hash that the program makes is one it takes, and the log has no password.
func TestMaking(t *testing.T) {
	if _, err := HashPassword("short"); err == nil {
		t.Error("a short password is taken")
	}
	if _, err := HashPassword(strings.Repeat("密", 25)); err == nil {
		t.Error("a password of 75 bytes is taken, of which bcrypt reads 72")
	}
	key, hash := NewKey()
	var log bytes.Buffer
	c := Config{Users: []User{{Name: "wang", Role: Leader, Password: hashed(t, "a long password")}}, Keys: []Key{{Name: "x", Hash: hash, Scopes: []Action{Read}, PerMinute: 1}}, Session: time.Hour}
	d := &door{t: t, Access: New(t.Context(), c, time.UTC, "", slog.New(slog.NewTextHandler(&log, nil)))}
	d.handler = d.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if r := d.ask(there, "GET", "/api/v1/devices", "", "X-API-Key", key); r.StatusCode != 200 {
		t.Errorf("a key as it was made: %s", r.Status)
	}
	d.ask(there, "GET", "/api/v1/devices", "", "Authorization", "Basic d2FuZzpodW50ZXIy") // wang:hunter2
	d.ask(there, "GET", "/api/v1/devices", "", "Authorization", "Basic aHVudGVyMjp4")     // hunter2, in the wrong field
	if !strings.Contains(log.String(), "wang") || strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log says %s", log.String())
	}
}
