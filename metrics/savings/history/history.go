// Package history reads stored readings back from InfluxDB, in InfluxQL: the
// one language that InfluxDB 1, 2 and 3 share. Answers are streamed, so that a
// county's quarter does not have to fit into memory.
package history

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/savings"
)

// Database says where readings are.
type Database struct {
	URL, Bucket, Token string
	Client             *http.Client // nil: http.DefaultClient
}

// around sets how far a series is searched for the reading before and after.
const around = 62 * 24 * time.Hour

// Run answers the recomputation's queries: of each series first the last
// reading before the days wanted, then those within them, then the first after.
func (d *Database) Run(ctx context.Context, r *savings.Recomputation) error {
	for _, q := range r.Queries() {
		if err := d.Readings(ctx, q, func(device, channel []byte, t int64, v float64) { r.Read(q.Field, device, channel, t, v) }); err != nil {
			return err
		}
	}
	if err := d.burned(ctx, r); err != nil {
		return err
	}
	return d.frozen(ctx, r)
}

// Readings tells what a query asks for: of each series its readings in the order of time.
// What row is given it may not keep.
func (d *Database) Readings(ctx context.Context, q savings.Query, row func(device, channel []byte, t int64, v float64)) error {
	// Tags as columns: grouped by them, the same rows take InfluxDB more than
	// twice as long.
	parts := []part{{quote(q.Field) + ", device, channel", "", q.From, q.To}}
	if q.Around {
		const group = " GROUP BY device, channel"
		parts = []part{{"last(" + quote(q.Field) + ")", group, q.From.Add(-around), q.From}, parts[0], {"first(" + quote(q.Field) + ")", group, q.To, q.To.Add(around)}}
	}
	for _, p := range parts {
		statement := fmt.Sprintf("SELECT %s FROM %s WHERE time >= %d AND time < %d AND community = %s%s",
			p.selector, quote(q.Measurement), p.from.UnixNano(), p.to.UnixNano(), text(string(q.Community)), p.group)
		if err := d.rows(ctx, statement, row); err != nil {
			return fmt.Errorf("%s of %s in %s: %w", q.Field, q.Measurement, q.Community, err)
		}
	}
	return nil
}

// burned tells the recomputation what lamps told the service of themselves.
func (d *Database) burned(ctx context.Context, r *savings.Recomputation) error {
	series, err := d.Rows(ctx, fmt.Sprintf("SELECT lamps, on_hours, stated_hours, lit FROM %s WHERE time >= %d AND time < %d GROUP BY community, boundary",
		quote(savings.BurningPoints), r.First().UnixNano(), r.End().UnixNano()))
	if err != nil {
		return fmt.Errorf("burning hours: %w", err)
	}
	for _, s := range series {
		for _, row := range s.Values {
			if len(row) != 5 || slices.Contains(row, nil) {
				continue
			}
			// Times are good to a microsecond here, and a day begins at one.
			at := int64(*row[0]) + int64(time.Minute)
			r.Burned(ingest.CommunityID(s.Tags["community"]), s.Tags["boundary"], at, savings.Burning{Lamps: *row[1], On: *row[2], Stated: *row[3], Lit: *row[4]})
		}
	}
	return nil
}

// frozen tells the recomputation what the service has frozen of each boundary, as it was
// last written. Nothing, where no service has run.
func (d *Database) frozen(ctx context.Context, r *savings.Recomputation) error {
	statement := fmt.Sprintf("SELECT version, hash FROM %s WHERE time >= %d GROUP BY community, boundary ORDER BY time DESC LIMIT 1",
		quote(savings.Frozen), r.First().AddDate(-1, 0, 0).UnixNano())
	response, err := d.ask(ctx, "application/json", url.Values{"q": {statement}})
	if err != nil {
		return fmt.Errorf("what is frozen: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Results []struct {
			Error  string
			Series []struct {
				Tags   map[string]string
				Values [][]any // time, version, hash
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("what is frozen: InfluxDB's answer: %w", err)
	}
	for _, result := range answer.Results {
		if result.Error != "" {
			return fmt.Errorf("what is frozen: InfluxDB: %s", result.Error)
		}
		for _, s := range result.Series {
			for _, row := range s.Values {
				if len(row) != 3 {
					continue
				}
				version, known := row[1].(float64)
				if hash, ok := row[2].(string); ok && known {
					r.Frozen(ingest.CommunityID(s.Tags["community"]), s.Tags["boundary"], int(version), hash)
				}
			}
		}
	}
	return nil
}

type part struct {
	selector, group string
	from, to        time.Time
}

func text(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `\"`) + `"` }

// rows streams an answer in CSV: name, tags, time, value.
func (d *Database) rows(ctx context.Context, statement string, row func(device, channel []byte, t int64, v float64)) error {
	response, err := d.ask(ctx, "application/csv", url.Values{"q": {statement}, "chunked": {"true"}, "chunk_size": {"20000"}})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(bufio.NewReaderSize(response.Body, 1<<20))
	lines.Buffer(make([]byte, 1<<16), 1<<20)
	columns := 0
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			continue
		}
		if bytes.HasPrefix(line, []byte("name,tags,time,")) {
			columns = bytes.Count(line, []byte(",")) + 1
			continue
		}
		if columns == 0 { // not readings: an error, under a header of its own
			if bytes.HasPrefix(line, []byte("error")) && lines.Scan() {
				line = lines.Bytes()
			}
			return fmt.Errorf("InfluxDB: %.300s", line)
		}
		// No value has a comma but that of tags, which are quoted where there are
		// several.
		rest := line[bytes.IndexByte(line, ',')+1:]
		tags := rest[:max(0, bytes.IndexByte(rest, ','))]
		if len(rest) > 0 && rest[0] == '"' {
			tags = rest[:bytes.IndexByte(rest[1:], '"')+2]
		}
		cells := bytes.Split(rest[min(len(rest), len(tags)+1):], []byte(","))
		if len(cells) != columns-2 {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		var device, channel []byte
		if len(cells) == 4 {
			device, channel = cells[2], cells[3]
		} else {
			for tag := range bytes.SplitSeq(bytes.Trim(tags, `"`), []byte(",")) {
				switch k, value, _ := bytes.Cut(tag, []byte("=")); string(k) {
				case "device":
					device = value
				case "channel":
					channel = value
				}
			}
		}
		at, err := strconv.ParseInt(string(cells[0]), 10, 64)
		if err != nil {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		value, err := strconv.ParseFloat(string(cells[1]), 64)
		if err != nil {
			return fmt.Errorf("InfluxDB answered a line that is no reading: %.100q", line)
		}
		row(device, channel, at, value)
	}
	return lines.Err()
}

// ask sends a statement; the caller closes the answer's body.
func (d *Database) ask(ctx context.Context, accept string, form url.Values) (*http.Response, error) {
	bucket, policy, _ := strings.Cut(d.Bucket, "/")
	form.Set("db", bucket)
	form.Set("epoch", "ns")
	if policy != "" {
		form.Set("rp", policy)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(d.URL, "/")+"/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", accept)
	if d.Token != "" {
		request.Header.Set("Authorization", "Token "+d.Token)
	}
	client := d.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		return nil, fmt.Errorf("InfluxDB answered %s: %s", response.Status, bytes.TrimSpace(body))
	}
	return response, nil
}
