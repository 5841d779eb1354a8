package influx

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What stands in InfluxDB's place, and InfluxDB in its versions, in the words
// they use. Sources: the programs' own texts as issues quote them (telegraf#2191,
// #9744, #12407, PVForecast#37, dojot#2216, fritzinfluxdb#143, docs-v2#6071,
// influxdb#9093, #15307) and InfluxDB 1.8's code, which is in this module.
func TestAnswersOfOthers(t *testing.T) {
	const (
		html  = "text/html; charset=utf-8"
		jsons = "application/json; charset=utf-8"
		plain = "text/plain; charset=utf-8"
	)
	page := func(title string) string {
		return "<!doctype html>\n<html><head><title>" + title + "</title></head><body><center><h1>" + title + "</h1></center></body></html>"
	}
	tests := []struct {
		name    string
		status  int
		kind    string
		header  string // one more, "Name: value"
		body    string
		want    outcome
		why     Why
		mention string // in what people are told
	}{
		// InfluxDB's yes.
		{"InfluxDB 1.8, 2.7, 3: stored", 204, "", "X-Influxdb-Version: 1.8.10", "", taken, "", ""},

		// 200 is nobody's answer to a write of points.
		{"login page", 200, html, "", page("Login"), held, NotInfluxDB, "Login"},
		{"Grafana's page on every path", 200, html, "", "<!DOCTYPE html><html lang=\"en-US\"><head><title>Grafana</title></head></html>", held, NotInfluxDB, "Grafana"},
		{"captive portal", 200, html, "Server: nginx", page("Welcome to the guest network"), held, NotInfluxDB, "guest network"},
		{"200 without a body", 200, "", "", "", held, NotInfluxDB, "200"},
		{"200 in JSON", 200, jsons, "", `{"status":"ok"}`, held, NotInfluxDB, "200"},
		{"202 of a queue", 202, jsons, "", `{"accepted":true}`, held, NotInfluxDB, "202"},
		{"206", 206, "", "", "", held, NotInfluxDB, "206"},

		// Redirects that lose the body, and those without a target.
		{"oauth2-proxy's sign-in", 302, html, "Location: /oauth2/start?rd=%2Fapi%2Fv2%2Fwrite", `<a href="/oauth2/start">Found</a>.`, held, Redirected, "/oauth2/start"},
		{"Grafana's sign-in", 302, html, "Location: /login", `<a href="/login">Found</a>.`, held, Redirected, "/login"},
		{"to https by nginx", 301, html, "Location: https://influx.example/api/v2/write", page("301 Moved Permanently"), held, Redirected, "https://influx.example"},
		{"303", 303, "", "Location: /elsewhere", "", held, Redirected, "/elsewhere"},
		{"300 without a target", 300, html, "", page("Multiple Choices"), held, NotInfluxDB, "300"},
		{"304", 304, "", "", "", held, NotInfluxDB, "304"},

		// 400 that is not about points.
		{"Go's TLS port", 400, plain, "", "Client sent an HTTP request to an HTTPS server.\n", held, TLS, "https://"},
		{"nginx's TLS port", 400, html, "Server: nginx/1.22.1", page("400 The plain HTTP request was sent to HTTPS port"), held, TLS, "https://"},
		{"Apache's TLS port", 400, html, "Server: Apache/2.4.57", page("400 Bad Request") + "Reason: You're speaking plain HTTP to an SSL-enabled server port.", held, TLS, "https://"},
		{"nginx: header too large", 400, html, "Server: nginx/1.22.1", page("400 Request Header Or Cookie Too Large"), held, NotInfluxDB, "nginx/1.22.1"},
		{"HAProxy", 400, html, "", "<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n", held, NotInfluxDB, "invalid request"},
		{"Go server: no host", 400, plain, "", "400 Bad Request: missing required Host header", held, NotInfluxDB, "Host header"},
		{"AWS load balancer", 400, html, "Server: awselb/2.0", page("400 Bad Request"), held, NotInfluxDB, "awselb"},
		{"VictoriaMetrics", 400, plain, "", `remoteAddr: "127.0.0.1:40112"; requestURI: /api/v2/write; cannot read gzipped influx line protocol data: unexpected EOF`, held, NotInfluxDB, "unexpected EOF"},
		{"Spring Boot", 400, jsons, "", `{"timestamp":"2026-11-28T04:00:00.000+00:00","status":400,"error":"Bad Request","path":"/api/v2/write"}`, held, NotInfluxDB, "Bad Request"},
		{"Elasticsearch", 400, jsons, "", `{"error":"no handler found for uri [/api/v2/write?org=bureau] and method [POST]","status":400}`, held, NotInfluxDB, "no handler found"},
		{"Prometheus' API", 400, jsons, "", `{"status":"error","errorType":"bad_data","error":"unknown"}`, held, NotInfluxDB, "bad_data"},
		{"Tomcat", 400, html, "", page("HTTP Status 400 – Bad Request"), held, NotInfluxDB, "Tomcat|HTTP Status 400"},

		// Who are you, and what is not there.
		{"InfluxDB 1.8: no such user", 401, jsons, "X-Influxdb-Version: 1.8.10", `{"error":"authorization failed"}`, held, Unauthorized, "token_file"},
		{"InfluxDB 2: void token", 401, jsons, "", `{"code":"unauthorized","message":"unauthorized access"}`, held, Unauthorized, "unauthorized access"},
		{"InfluxDB 1.8: may not write", 403, jsons, "", `{"error":"\"vendor\" user is not authorized to write to database \"facilities\""}`, held, Unauthorized, "not authorized"},
		{"nginx: password", 401, html, "Server: nginx", page("401 Authorization Required"), held, NotInfluxDB, "Authorization Required"},
		{"a firewall", 403, html, "Server: cloudflare", page("Attention Required! | Cloudflare"), held, NotInfluxDB, "Cloudflare"},
		{"Squid", 407, html, "Server: squid/5.7", page("ERROR: Cache Access Denied"), held, NotInfluxDB, "Cache Access Denied"},
		{"InfluxDB 1.8: no database", 404, jsons, "", `{"error":"database not found: \"facilities\""}`, held, NotFound, "influxdb.bucket"},
		{"InfluxDB 2: no bucket", 404, jsons, "", `{"code":"not found","message":"bucket \"facilities\" not found"}`, held, NotFound, "not found"},
		{"Prometheus, any Go server", 404, plain, "", "404 page not found\n", held, NotInfluxDB, "influxdb.url"},
		{"Grafana's API", 404, jsons, "", `{"message":"Not found","messageId":"","statusCode":404,"traceID":""}`, held, NotInfluxDB, "Not found"},
		{"Kong", 404, jsons, "Server: kong/3.4.0", `{"message":"no Route matched with those values"}`, held, NotInfluxDB, "no Route matched"},
		{"nginx as it comes: no POST", 405, html, "Server: nginx/1.22.1", page("405 Not Allowed"), held, NotInfluxDB, "405 Not Allowed"},
		{"telegraf#12407", 411, html, "", page("411 Length Required"), held, NotInfluxDB, "411"},
		{"telegraf#7268", 415, plain, "", "Unsupported Media Type", held, RequestRefused, "415"},
		{"InfluxDB Cloud: bill", 402, jsons, "", `{"code":"payment required","message":"payment is required"}`, held, RequestRefused, "payment"},
		{"captive portal, by the book", 511, html, "", page("Network Authentication Required"), held, NotInfluxDB, "511"},
		{"a server of files", 501, html, "Server: SimpleHTTP/0.6 Python/3.11.2", page("Error response"), held, NotInfluxDB, "SimpleHTTP"},

		// What passes by itself.
		{"InfluxDB 2: too many", 429, jsons, "Retry-After: 3", `{"code":"too many requests","message":"org over quota"}`, away, "", "quota"},
		{"nginx before InfluxDB", 502, html, "Server: nginx/1.22.1", page("502 Bad Gateway"), away, "", "502 Bad Gateway"},
		{"caddy before InfluxDB", 502, "", "Server: Caddy", "", away, "", "Caddy"},
		{"Envoy", 503, plain, "Server: envoy", "upstream connect error or disconnect/reset before headers. reset reason: connection failure", away, "", "upstream"},
		{"InfluxDB 1.8: cache full", 500, jsons, "", `{"error":"engine: cache-max-memory-size exceeded: (1073741824/1073741824)"}`, away, "", "cache-max-memory"},
		{"InfluxDB 2: internal", 500, jsons, "", `{"code":"internal error","message":"unexpected error writing points to database: engine is closed"}`, away, "", "engine is closed"},

		// Too much at a time.
		{"nginx's client_max_body_size", 413, html, "Server: nginx/1.22.1", page("413 Request Entity Too Large"), tooLarge, "", "413"},
		{"InfluxDB 1.8's max-body-size", 413, jsons, "", `{"error":"Request Entity Too Large"}`, tooLarge, "", "413"},
		{"nginx's proxy_read_timeout", 504, html, "Server: nginx/1.22.1", page("504 Gateway Time-out"), slow, "", "504"},
		{"InfluxDB 1.8: write timeout", 500, jsons, "", `{"error":"timeout"}`, slow, "", "timeout"},
		{"408", 408, html, "", page("408 Request Time-out"), slow, "", "408"},

		// InfluxDB's word on points.
		{"1.8: type", 400, jsons, "", `{"error":"partial write: field type conflict: input field \"active_power\" on measurement \"lighting\" is type string, already exists as type float dropped=1"}`, refused, "", "dropped=1"},
		{"1.8: retention", 400, jsons, "", `{"error":"partial write: points beyond retention policy dropped=24"}`, refused, "", "retention"},
		{"1.8: parse", 400, jsons, "", `{"error":"unable to parse 'lighting active_power= 1': missing field value"}`, refused, "", "unable to parse"},
		{"1.8: series", 400, jsons, "", `{"error":"partial write: max-series-per-database limit exceeded: (1000000) dropped=3"}`, refused, "", "max-series"},
		{"2.0: retention, as 500", 500, jsons, "", `{"code":"internal error","message":"unexpected error writing points to database: partial write: points beyond retention policy dropped=1"}`, refused, "", "retention"},
		{"2.7.11: retention", 422, jsons, "", `{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 550 points outside retention policy of duration 8760h0m0s - oldest point m at 2022-05-09T10:22:00Z dropped because it violates a Retention Policy Lower Bound at 2025-03-05T16:34:57.686336708Z dropped=550 for database: 91040e1bf6671dfd for retention policy: autogen"}`, refused, "", "retention"},
		{"3: lines", 400, jsons, "", `{"error":"partial write of line protocol occurred","data":[{"original_line":"home,room=Sunroom temp=hi 1735549200","line_number":2,"error_message":"invalid column type for column 'temp', expected iox::column_type::field::float, got iox::column_type::field::string"}]}`, refused, "", "partial write"},

		// InfluxDB's form, and words that need not be about points.
		{"1.8: precision", 400, jsons, "", `{"error":"invalid precision \"y\" (use ns, us, ms or s)"}`, doubtful, "", "precision"},
		{"2: empty", 400, jsons, "", `{"code":"invalid","message":"writing requires points"}`, doubtful, "", "requires points"},
		{"Fastify, which looks alike", 400, jsons, "", `{"error":"Bad Request"}`, doubtful, "", "Bad Request"},
	}
	for _, test := range tests {
		h := http.Header{}
		if test.kind != "" {
			h.Set("Content-Type", test.kind)
		}
		if name, value, ok := strings.Cut(test.header, ": "); ok {
			h.Set(name, value)
		}
		a := judge(test.status, h, []byte(test.body))
		if a.outcome != test.want || a.why != test.why {
			t.Errorf("%s: outcome %d, why %q; want %d, %q", test.name, a.outcome, a.why, test.want, test.why)
		}
		mentioned := test.mention == ""
		for word := range strings.SplitSeq(test.mention, "|") {
			mentioned = mentioned || strings.Contains(a.text+a.refusal.text, word)
		}
		if !mentioned {
			t.Errorf("%s: %q does not mention %q", test.name, a.text, test.mention)
		}
		if strings.ContainsAny(a.text, "\n") || len(a.text) > 1000 {
			t.Errorf("%s: not one line: %q", test.name, a.text)
		}
	}
}

// stranger is a server that is not InfluxDB: it gives one answer until it is
// told to pass everything on.
func stranger(t *testing.T, handle http.HandlerFunc) (server *httptest.Server, requests func() []string, mend func(http.Handler)) {
	t.Helper()
	var seen []string
	var next http.Handler = handle
	mu := make(chan struct{}, 1)
	lock := func(f func()) { mu <- struct{}{}; f(); <-mu }
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h http.Handler
		lock(func() { seen, h = append(seen, r.Method+" "+r.URL.Path), next })
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, func() (s []string) { lock(func() { s = append(s, seen...) }); return s }, func(h http.Handler) { lock(func() { next = h }) }
}

// What is not InfluxDB's yes is held, told, and no line is judged by it; once
// it is mended, the same lines are written.
func TestHeldUntilMended(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"case 02: login page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html><title>Login</title>Please log in</html>")
		},
		"case 02: redirect to a login page": func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/login") {
				fmt.Fprint(w, "<html>login</html>")
				return
			}
			http.Redirect(w, r, "/login", http.StatusFound)
		},
		"case 03: Go's TLS port": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
		},
		"case 03: a 400 in InfluxDB's form that every request gets": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":"x","message":"bad"}`)
		},
		"a proxy that strips the body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"code":"invalid","message":"writing requires points"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits until the writer asks again
			real, db := startFaulty(t)
			server, requests, mend := stranger(t, handle)
			var logged bytes.Buffer
			registry := prometheus.NewRegistry()
			w := New(Options{URL: server.URL, Org: "bureau", Bucket: "facilities", Registerer: registry, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
			defer w.Close()
			if _, err := w.Check(context.Background()); err == nil && !strings.Contains(name, "strips") {
				t.Error("check is content")
			}
			before := count(t, db)
			done := make(chan error, 1)
			var refused []Refused
			go func() {
				var err error
				refused, err = w.Write(context.Background(), lines(100))
				done <- err
			}()
			for w.Held() == nil {
				time.Sleep(time.Millisecond)
			}
			h := w.Held()
			select {
			case <-done:
				t.Fatal("written")
			default:
			}
			if n, err := testutil.GatherAndCount(registry, "greencommunity_influxdb_held"); err != nil || n != len(allWhys) {
				t.Errorf("%d series of greencommunity_influxdb_held, %v", n, err)
			}
			metric := "# HELP greencommunity_influxdb_held Whether writing waits for an operator, by what is to be mended: unauthorized, not_found (bucket), redirected, not_influxdb (something else answers), tls, request_refused (anything else).\n# TYPE greencommunity_influxdb_held gauge\n"
			for _, why := range allWhys {
				v := 0
				if why == h.Why {
					v = 1
				}
				metric += fmt.Sprintf("greencommunity_influxdb_held{why=%q} %d\n", why, v)
			}
			if err := testutil.GatherAndCompare(registry, strings.NewReader(metric), "greencommunity_influxdb_held"); err != nil {
				t.Error(err)
			}
			if got := count(t, db); got != before {
				t.Errorf("%s points while held, before %s", got, before)
			}
			for _, r := range requests() {
				if strings.HasPrefix(r, "GET") {
					t.Errorf("a write became %s", r)
				}
			}
			mend(real.Config.Handler)
			if err := <-done; err != nil || len(refused) > 0 {
				t.Errorf("refused %v, %v", refused, err)
			}
			if got := count(t, db); got != "100" {
				t.Errorf("%s points, want 100", got)
			}
			if w.Held() != nil {
				t.Error("still held")
			}
			if n := strings.Count(logged.String(), "level=ERROR"); n != 1 || !strings.Contains(logged.String(), "takes points again") {
				t.Errorf("%d errors logged, want one and its end:\n%s", n, logged.String())
			}
		})
	}
}

// 307 and 308 take method and body along, and are named; the token goes to no
// server without TLS after one with it.
func TestRedirectsThatKeepTheBody(t *testing.T) {
	real, db := startFaulty(t)
	server, _, _ := stranger(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, real.URL+r.URL.RequestURI(), http.StatusPermanentRedirect)
	})
	var logged bytes.Buffer
	w := New(Options{URL: server.URL, Org: "bureau", Bucket: "facilities", Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	defer w.Close()
	for range 2 {
		if refused, err := w.Write(context.Background(), lines(10)); err != nil || len(refused) > 0 {
			t.Fatalf("%v, %v", refused, err)
		}
	}
	if got := count(t, db); got != "10" {
		t.Errorf("%s points", got)
	}
	if n := strings.Count(logged.String(), real.URL); n != 1 {
		t.Errorf("the target is named %d times, want once:\n%s", n, logged.String())
	}
	secure := httptest.NewTLSServer(server.Config.Handler)
	defer secure.Close()
	w = New(Options{URL: secure.URL, Org: "o", Bucket: "b", TLS: func() (*tls.Config, error) { return secure.Client().Transport.(*http.Transport).TLSClientConfig, nil }})
	defer w.Close()
	if _, err := w.Check(context.Background()); err == nil || !strings.Contains(err.Error(), "from TLS to") {
		t.Errorf("%v, want a refusal to leave TLS", err)
	}
}

// TLS on one side only, and an authority that is not trusted, are told with the
// cure.
func TestTLSMistakes(t *testing.T) {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	secure := httptest.NewUnstartedServer(ok)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	open := httptest.NewServer(ok)
	defer open.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()
	for _, test := range []struct {
		address, want string
		outcome       outcome
	}{
		{secure.URL, "influxdb.ca_file", held},
		{strings.Replace(secure.URL, "https", "http", 1), "https://", held},
		{strings.Replace(open.URL, "http", "https", 1), "http://", held},
		{"http://" + silent.Addr().String(), "refused", away},
	} {
		w := New(Options{URL: test.address, Org: "o", Bucket: "b"})
		a, _ := w.once(context.Background(), nothing)
		if a.outcome != test.outcome || !strings.Contains(a.text, test.want) || a.outcome == held && a.why != TLS {
			t.Errorf("%s: outcome %d, %s: %s", test.address, a.outcome, a.why, a.text)
		}
		w.Close()
	}
}
