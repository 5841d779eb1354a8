package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"greencommunity/ingest/influx"
)

// database asks InfluxDB in InfluxQL, the one language of InfluxDB 1, 2 and 3. Token and
// certificates are read when they are used.
type database struct {
	o      influx.Options
	client *http.Client
	now    singleflight.Group

	mu   sync.Mutex // kept
	kept map[string]answer
}

// answer keeps an answer of InfluxDB, and until when it may be given again.
type answer struct {
	series []series
	until  time.Time
}

// Bounds of what is kept: an answer of a year and a county is 2 MB.
const (
	keepNow  = 10 * time.Second // of a time that is not over
	keepPast = 10 * time.Minute // late readings still change it
	maxKept  = 128
)

func newDatabase(o influx.Options) *database {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.ResponseHeaderTimeout = 4, time.Minute
	if o.TLS != nil {
		transport.DialTLSContext = nil
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		if config, err := o.TLS(); err == nil {
			transport.TLSClientConfig = config
		}
	}
	return &database{o: o, client: &http.Client{Transport: transport}, kept: map[string]answer{}}
}

// series are rows with the same tags.
type series struct {
	Name    string            `json:"name"`
	Tags    map[string]string `json:"tags"`
	Columns []string          `json:"columns"`
	Values  [][]any           `json:"values"` // json.Number, string or nil; the first is the time in ms
}

// column returns where a column stands, -1 if it does not.
func (s *series) column(name string) int {
	for i, c := range s.Columns {
		if c == name {
			return i
		}
	}
	return -1
}

// at returns a number of a row, and whether there is one.
func at(row []any, column int) (float64, bool) {
	if column < 0 || column >= len(row) {
		return 0, false
	}
	n, ok := row[column].(json.Number)
	if !ok {
		return 0, false
	}
	v, err := n.Float64()
	return v, err == nil
}

// moment returns the time of a row.
func moment(row []any) time.Time {
	n, _ := row[0].(json.Number)
	ms, _ := n.Int64()
	return time.UnixMilli(ms)
}

// ask returns the answer to a statement. Answers to what is over at past are kept for
// minutes, others for seconds; who asks for the same at once is answered by one question.
func (d *database) ask(ctx context.Context, statement string, past time.Time) ([]series, error) {
	d.mu.Lock()
	before, ok := d.kept[statement]
	d.mu.Unlock()
	if ok && time.Now().Before(before.until) {
		return before.series, nil
	}
	v, err, _ := d.now.Do(statement, func() (any, error) {
		// Another may wait for the same: the first one's going away does not end it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		list, err := d.query(ctx, statement)
		if err != nil {
			return nil, err
		}
		lasting := keepNow
		if time.Since(past) > 24*time.Hour {
			lasting = keepPast
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.kept) >= maxKept {
			clear(d.kept)
		}
		d.kept[statement] = answer{list, time.Now().Add(lasting)}
		return list, nil
	})
	if err != nil {
		return nil, err
	}
	return v.([]series), nil
}

func (d *database) query(ctx context.Context, statement string) ([]series, error) {
	var all []series
	err := d.stream(ctx, statement, func(s *series) error {
		all = append(all, *s)
		return nil
	})
	return all, err
}

// stream hands the series of an answer on as they come; a long one comes in several parts.
func (d *database) stream(ctx context.Context, statement string, each func(*series) error) error {
	bucket, policy, _ := strings.Cut(d.o.Bucket, "/")
	form := url.Values{"db": {bucket}, "epoch": {"ms"}, "q": {statement}, "chunked": {"true"}, "chunk_size": {"5000"}}
	if policy != "" {
		form.Set("rp", policy)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(d.o.URL, "/")+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	if d.o.Token != nil {
		token, err := d.o.Token()
		if err != nil {
			return err
		}
		if token != "" {
			request.Header.Set("Authorization", "Token "+token)
		}
	}
	response, err := d.client.Do(request)
	if err != nil {
		return fmt.Errorf("InfluxDB does not answer: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return fmt.Errorf("InfluxDB answers %s: %s", response.Status, bytes.TrimSpace(body))
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	for {
		var part struct {
			Results []struct {
				Series []series `json:"series"`
				Error  string   `json:"error"`
			} `json:"results"`
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&part); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("InfluxDB's answer: %w", err)
		case part.Error != "":
			return fmt.Errorf("InfluxDB: %s", part.Error)
		}
		for _, r := range part.Results {
			if r.Error != "" {
				return fmt.Errorf("InfluxDB: %s", r.Error)
			}
			for i := range r.Series {
				if err := each(&r.Series[i]); err != nil {
					return err
				}
			}
		}
	}
}

// quoted is a text of InfluxQL.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`).Replace(s) + "'"
}

// name is an identifier of InfluxQL.
func name(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
