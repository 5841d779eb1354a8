// Package history reads stored readings back from InfluxDB, in InfluxQL: the
// one language that InfluxDB 1, 2 and 3 share. Answers are streamed, so that a
// county's quarter does not have to fit into memory.
package history

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"greencommunity/metrics/savings"
)

// Database is where readings are.
type Database struct {
	URL, Bucket, Token string
	Client             *http.Client // nil: http.DefaultClient
}

// around is how far a series is searched for the reading before and after.
const around = 62 * 24 * time.Hour

// Run answers the recomputation's queries: of each series first the last
// reading before the days wanted, then those within them, then the first after.
func (d *Database) Run(ctx context.Context, r *savings.Recomputation) error {
	for _, q := range r.Queries() {
		parts := []struct {
			selector string
			from, to time.Time
		}{{quote(q.Field), q.From, q.To}}
		if q.Around {
			parts = append(parts[:0],
				struct {
					selector string
					from, to time.Time
				}{"last(" + quote(q.Field) + ")", q.From.Add(-around), q.From},
				parts[0],
				struct {
					selector string
					from, to time.Time
				}{"first(" + quote(q.Field) + ")", q.To, q.To.Add(around)})
		}
		for _, p := range parts {
			statement := fmt.Sprintf("SELECT %s FROM %s WHERE time >= %d AND time < %d AND community = %s GROUP BY device, channel",
				p.selector, quote(q.Measurement), p.from.UnixNano(), p.to.UnixNano(), text(string(q.Community)))
			if err := d.rows(ctx, statement, func(device, channel string, t int64, v float64) { r.Read(q.Field, device, channel, t, v) }); err != nil {
				return fmt.Errorf("%s of %s in %s: %w", q.Field, q.Measurement, q.Community, err)
			}
		}
	}
	return nil
}

func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"` }

// rows streams an answer in CSV: name, tags, time, value.
func (d *Database) rows(ctx context.Context, statement string, row func(device, channel string, t int64, v float64)) error {
	bucket, policy, _ := strings.Cut(d.Bucket, "/")
	form := url.Values{"q": {statement}, "db": {bucket}, "epoch": {"ns"}, "chunked": {"true"}, "chunk_size": {"20000"}}
	if policy != "" {
		form.Set("rp", policy)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(d.URL, "/")+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/csv")
	if d.Token != "" {
		request.Header.Set("Authorization", "Token "+d.Token)
	}
	client := d.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return fmt.Errorf("InfluxDB answered %s: %s", response.Status, bytes.TrimSpace(body))
	}
	lines := bufio.NewScanner(bufio.NewReaderSize(response.Body, 1<<20))
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	var tags []byte
	var device, channel string
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 || bytes.HasPrefix(line, []byte("name,tags,time,")) {
			continue
		}
		if bytes.HasPrefix(line, []byte("error")) {
			lines.Scan()
			return fmt.Errorf("InfluxDB: %s", lines.Text())
		}
		// The value and the time have no comma; tags have, and are quoted.
		v := bytes.LastIndexByte(line, ',')
		t := bytes.LastIndexByte(line[:max(v, 0)], ',')
		name := bytes.IndexByte(line, ',')
		if name < 0 || t <= name {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		if own := line[name+1 : t]; !bytes.Equal(own, tags) {
			tags = append(tags[:0], own...)
			device, channel = "", ""
			for _, tag := range strings.Split(strings.Trim(string(own), `"`), ",") {
				switch k, value, _ := strings.Cut(tag, "="); k {
				case "device":
					device = value
				case "channel":
					channel = value
				}
			}
		}
		at, err := strconv.ParseInt(string(line[t+1:v]), 10, 64)
		if err != nil {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		value, err := strconv.ParseFloat(string(line[v+1:]), 64)
		if err != nil {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		row(device, channel, at, value)
	}
	return lines.Err()
}
