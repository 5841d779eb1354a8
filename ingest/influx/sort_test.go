package influx

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

func (f *faulty) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// startRetention is startFaulty with a database that keeps 30 days.
func startRetention(t *testing.T) (*faulty, *embedded.InfluxDB) {
	t.Helper()
	f, db := startFaulty(t)
	if _, err := db.Query(context.Background(), "", `ALTER RETENTION POLICY "autogen" ON "facilities" DURATION 30d`); err != nil {
		t.Fatal(err)
	}
	return f, db
}

func lateLines(n int, from time.Time, step time.Duration) []byte {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "lighting,device=late-%d active_power=%d %d\n", i%1000, i, from.Add(time.Duration(i)*step).UnixMilli())
	}
	return []byte(b.String())
}

// Lines beyond the retention are found by what InfluxDB says of them: two
// requests a batch, however many they are and wherever they stand.
func TestBeyondRetention(t *testing.T) {
	now := time.Now()
	tests := []struct {
		name     string
		old, new int
		requests int // at most
	}{
		{"all of a batch", 5000, 0, 1},
		{"one of a batch", 1, 4999, 2},
		{"half", 2500, 2500, 2},
		{"all but one", 4999, 1, 2},
		{"a line alone", 1, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, db := startRetention(t)
			w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
			defer w.Close()
			batch := append(lateLines(test.new, now.Add(-2*time.Hour), time.Second), lateLines(test.old, now.Add(-40*24*time.Hour), time.Second)...)
			refused, err := w.Write(context.Background(), batch)
			if err != nil {
				t.Fatal(err)
			}
			if len(refused) != test.old || refused[0].Line != test.new || !strings.Contains(refused[0].Why, "retention") {
				t.Errorf("%d refused, the first %v; want %d from %d", len(refused), refused[:1], test.old, test.new)
			}
			if got := count(t, db); got != fmt.Sprint(test.new) {
				t.Errorf("%s points, want %d", got, test.new)
			}
			if f.count() > test.requests {
				t.Errorf("%d requests, want at most %d", f.count(), test.requests)
			}
			limit := w.TooOld(time.Now())
			if age := time.Since(time.Unix(0, limit)); age < 38*24*time.Hour || age > 41*24*time.Hour {
				t.Errorf("the limit is remembered as %s", age)
			}
		})
	}
}

// The limit is forgotten when the retention is made longer.
func TestRetentionMadeLonger(t *testing.T) {
	f, db := startRetention(t)
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	old := lateLines(100, time.Now().Add(-40*24*time.Hour), time.Second)
	if refused, err := w.Write(context.Background(), old); err != nil || len(refused) != 100 {
		t.Fatalf("%d refused, %v", len(refused), err)
	}
	if _, err := db.Query(context.Background(), "", `ALTER RETENTION POLICY "autogen" ON "facilities" DURATION INF`); err != nil {
		t.Fatal(err)
	}
	decided, rest, err := w.Step(context.Background(), Apart(old))
	if err != nil || len(rest) > 0 || len(decided) != 100 || decided[0].Fate != LineStored {
		t.Fatalf("%d decided, %d parts left, %v", len(decided), len(rest), err)
	}
	if w.TooOld(time.Now()) != 0 {
		t.Error("the limit is still remembered")
	}
}

// A field that has another type does not take its neighbours along, nor other
// lines, and costs a few requests, not two a line. Types differ between spans
// of time (InfluxDB's shards).
func TestConflictOfOneField(t *testing.T) {
	const stamp = 1_795_000_000_000
	tests := []struct {
		name    string
		before  string
		lines   func(b *strings.Builder)
		refused []string // line:field
		want    map[string]string
		request int
	}{
		{"bad fill_level beside a good bin_temperature", "waste,device=b fill_level=0.5 %d", func(b *strings.Builder) {
			fmt.Fprintf(b, "waste,device=a fill_level=1i,bin_temperature=21.5 %d\n", stamp)
		}, []string{"0:fill_level"}, map[string]string{"bin_temperature": "1", "fill_level": "1"}, 4},
		{"in all of 1,000 lines", "waste,device=b fill_level=0.5 %d", func(b *strings.Builder) {
			for i := range 1000 {
				fmt.Fprintf(b, "waste,device=a\\ %d bin_temperature=21.5,fill_level=1i,lid_open=1i %d\n", i, stamp+i)
			}
		}, nil, map[string]string{"bin_temperature": "1000", "lid_open": "1000", "fill_level": "1"}, 4},
		{"two fields, other lines, a string with the name in it", "waste,device=b fill_level=0.5,waste_weight=3.5 %d", func(b *strings.Builder) {
			fmt.Fprintf(b, "waste,device=a fill_level=1i,bin_temperature=21.5 %d\n", stamp)
			fmt.Fprintf(b, "waste,device=a waste_weight=2i,note=\"fill_level=2, \\\"x y\\\"\" %d\n", stamp+1)
			fmt.Fprintf(b, "waste,device=a fill_level=0.25 %d\n", stamp+2)
			fmt.Fprintf(b, "lighting,device=a fill_level=1i %d\n", stamp)
		}, []string{"0:fill_level", "1:waste_weight"}, map[string]string{"bin_temperature": "1", "fill_level": "2", "note": "1", "waste_weight": "1"}, 8},
		{"alone in its line", "waste,device=b fill_level=0.5 %d", func(b *strings.Builder) {
			fmt.Fprintf(b, "waste,device=a bin_temperature=1 %d\nwaste,device=a fill_level=1i %d\n", stamp, stamp+1)
		}, []string{"1:"}, map[string]string{"bin_temperature": "1", "fill_level": "1"}, 4},
		{"good in another span of time", "waste,device=b fill_level=0.5 %d", func(b *strings.Builder) {
			for i := range 100 {
				at := stamp + i
				if i >= 50 {
					at = stamp - 90*24*3600*1000 - i
				}
				fmt.Fprintf(b, "waste,device=a fill_level=1i,bin_temperature=%d %d\n", i, at)
			}
		}, nil, map[string]string{"bin_temperature": "100"}, 12},
	}
	if raceDetector {
		// InfluxDB 1.8 answers a write to two shards once the first has refused its part,
		// while it counts the other's: a race of its own.
		tests = tests[:len(tests)-1]
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, db := startFaulty(t)
			w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
			defer w.Close()
			if _, err := w.Write(context.Background(), fmt.Appendf(nil, test.before+"\n", stamp)); err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			test.lines(&b)
			before := f.count()
			refused, err := w.Write(context.Background(), []byte(b.String()))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range refused {
				got = append(got, fmt.Sprintf("%d:%s", r.Line, r.Field))
			}
			if test.refused != nil && !slices.Equal(got, test.refused) {
				t.Errorf("refused %v, want %v", got, test.refused)
			}
			if n := f.count() - before; n > test.request {
				t.Errorf("%d requests, want at most %d", n, test.request)
			}
			for field, want := range test.want {
				rows, err := db.Query(context.Background(), "facilities", fmt.Sprintf("SELECT count(%s) FROM waste", field))
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(rows[0].Values[0][1]); got != want {
					t.Errorf("%s points of %s, want %s", got, field, want)
				}
			}
			if test.name == "good in another span of time" && len(refused) != 50 {
				t.Errorf("%d refused, want 50", len(refused))
			}
		})
	}
}

// InfluxDB 3 names the lines, 2.x says what it could not read: other servers
// than the one here, so their answers are played; a line is refused by name, all
// others are written again until 204.
func TestNamedLines(t *testing.T) {
	tests := []struct {
		name, answer string
		refused      string
		written      string // by the second request
	}{
		{"InfluxDB 3: a field", `{"error":"partial write of line protocol occurred","data":[{"original_line":"m a=\"x\",b=2 1","line_number":2,"error_message":"invalid column type for column 'a', expected iox::column_type::field::float, got iox::column_type::field::string"}]}`,
			"1:a", "m a=1 1\nm b=2 2\nm a=3 3\n"},
		{"InfluxDB 3: a line", `{"error":"partial write of line protocol occurred","data":[{"original_line":"m a=3 3","line_number":3,"error_message":"No fields were provided"}]}`,
			"2:", "m a=1 1\nm a=\"x\",b=2 2\n"},
		{"InfluxDB 3: a line that is not there", `{"error":"partial write of line protocol occurred","data":[{"original_line":"","line_number":99,"error_message":"?"}]}`,
			"", "m a=1 1\nm a=\"x\",b=2 2\n"},
		{"InfluxDB 2: cannot parse", `{"code":"invalid","message":"unable to parse 'm a=3 3': bad timestamp"}`,
			"2:", "m a=1 1\nm a=\"x\",b=2 2\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var bodies []string
			server, _, _ := stranger(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				bodies = append(bodies, string(body))
				if len(bodies) > 1 {
					w.WriteHeader(204)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(400)
				fmt.Fprint(w, test.answer)
			})
			w := New(Options{URL: server.URL, Org: "o", Bucket: "b"})
			defer w.Close()
			refused, err := w.Write(context.Background(), []byte("m a=1 1\nm a=\"x\",b=2 2\nm a=3 3\n"))
			if err != nil {
				t.Fatal(err)
			}
			var got string
			for _, r := range refused {
				got += fmt.Sprintf("%d:%s", r.Line, r.Field)
			}
			if got != test.refused || bodies[1] != test.written {
				t.Errorf("refused %q, want %q; then written %q, want %q", got, test.refused, bodies[1], test.written)
			}
		})
	}
}

// A 413 is remembered: later batches come in sizes that pass.
func TestTooLargeIsRemembered(t *testing.T) {
	f, db := startFaulty(t)
	f.maxLines = 1000
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	for range 3 {
		if refused, err := w.Write(context.Background(), lines(5000)); err != nil || len(refused) != 0 {
			t.Fatalf("refused %v, %v", refused, err)
		}
	}
	if got := count(t, db); got != "5000" {
		t.Errorf("%s points, want 5000", got)
	}
	if n := f.count(); n > 3+3*9 {
		t.Errorf("%d requests for three batches", n)
	}
}

// Case 15: an InfluxDB that needs longer than the timeout for a batch. It gets
// on with half as many lines, and later with more again.
func TestSlowInfluxDB(t *testing.T) {
	f, db := startFaulty(t)
	real := f.Config.Handler
	perLine := time.Millisecond / 2
	var sizes []int
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := strings.Count(string(body), "\n")
		sizes = append(sizes, n)
		select {
		case <-time.After(time.Duration(n) * perLine):
		case <-r.Context().Done():
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		real.ServeHTTP(w, r)
	})
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities", Timeout: 500 * time.Millisecond})
	defer w.Close()
	if refused, err := w.Write(context.Background(), lines(5000)); err != nil || len(refused) > 0 {
		t.Fatalf("%v, %v", refused, err)
	}
	if got := count(t, db); got != "5000" {
		t.Errorf("%s points, want 5000", got)
	}
	smallest := w.BatchLines(5000)
	if smallest > 1250 {
		t.Errorf("the size that passes is %d lines", smallest)
	}
	if sum := len(sizes); sum > 40 {
		t.Errorf("%d requests: %v", sum, sizes)
	}
	perLine = 0
	for range 10 {
		if _, err := w.Write(context.Background(), lines(5000)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.BatchLines(5000); n < 5000 {
		t.Errorf("quick again, and still %d lines at a time", n)
	}
}

// Refusals that say nothing of which lines, however many: bounded by the
// lines, and all good ones are stored.
func TestRefusalsWithoutWords(t *testing.T) {
	f, db := startFaulty(t)
	real := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "device=d3 ") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(422)
			fmt.Fprint(w, `{"code":"unprocessable entity","message":"failure writing points to database: something about line protocol"}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		real.ServeHTTP(w, r)
	})
	w := New(Options{URL: f.URL, Org: "bureau", Bucket: "facilities"})
	defer w.Close()
	refused, err := w.Write(context.Background(), lines(50))
	if err != nil || len(refused) != 5 {
		t.Fatalf("%v, %v", refused, err)
	}
	for _, r := range refused {
		if r.Line%10 != 3 {
			t.Errorf("line %d is refused", r.Line)
		}
	}
	if got := count(t, db); got != "45" {
		t.Errorf("%s points, want 45", got)
	}
}

// A batch that is taken, with a server in this process that reads it.
func BenchmarkWrite(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	batch := lines(5000)
	for _, gzip := range []string{"off", "on"} {
		b.Run("gzip "+gzip, func(b *testing.B) {
			w := New(Options{URL: server.URL, Org: "o", Bucket: "b", Gzip: gzip})
			defer w.Close()
			b.ReportAllocs()
			b.SetBytes(int64(len(batch)))
			for b.Loop() {
				if refused, err := w.Write(context.Background(), batch); err != nil || len(refused) > 0 {
					b.Fatal(refused, err)
				}
			}
		})
	}
}
