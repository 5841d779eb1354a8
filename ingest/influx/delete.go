package influx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Delete deletes the points that have all the tags, from one time to before
// another (zero: without a bound): by /api/v2/delete, and by InfluxQL at
// InfluxDB 1. It returns once InfluxDB has confirmed it.
func (w *Writer) Delete(ctx context.Context, tags map[string]string, from, to time.Time) error {
	base, err := url.Parse(w.o.URL)
	if err != nil {
		return err
	}
	ping, err := w.client.do(ctx, http.MethodGet, base.JoinPath("ping"), "", nil)
	if err != nil {
		return err
	}
	version := strings.TrimPrefix(ping.header.Get("X-Influxdb-Version"), "v")
	if strings.HasPrefix(version, "1.") {
		return w.deleteByQuery(ctx, base, tags, from, to)
	}
	start, stop := from, to
	if start.IsZero() {
		start = time.Unix(0, 0)
	}
	if stop.IsZero() {
		stop = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var predicate []string
	for _, tag := range []string{"community", "device"} {
		if value, ok := tags[tag]; ok {
			predicate = append(predicate, fmt.Sprintf(`%s=%q`, tag, value))
		}
	}
	// The end belongs to it there.
	body, err := json.Marshal(map[string]string{
		"start": start.UTC().Format(time.RFC3339Nano), "stop": stop.Add(-1).UTC().Format(time.RFC3339Nano), "predicate": strings.Join(predicate, " AND "),
	})
	if err != nil {
		return err
	}
	u := base.JoinPath("api", "v2", "delete")
	u.RawQuery = url.Values{"org": {w.o.Org}, "bucket": {w.o.Bucket}}.Encode()
	a, err := w.client.do(ctx, http.MethodPost, u, "application/json", body)
	if err != nil {
		return err
	}
	if a.status != http.StatusNoContent {
		return fmt.Errorf("InfluxDB %s answers %d to /api/v2/delete: %.300s; with InfluxDB 3 delete by hand, and with 2 give the token the right to write to the bucket", version, a.status, a.body)
	}
	return nil
}

// deleteByQuery deletes from all measurements of the database.
func (w *Writer) deleteByQuery(ctx context.Context, base *url.URL, tags map[string]string, from, to time.Time) error {
	var where []string
	for _, tag := range []string{"community", "device"} {
		if value, ok := tags[tag]; ok {
			where = append(where, fmt.Sprintf(`"%s" = '%s'`, tag, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value)))
		}
	}
	if !from.IsZero() {
		where = append(where, fmt.Sprintf("time >= %d", from.UnixNano()))
	}
	if !to.IsZero() {
		where = append(where, fmt.Sprintf("time < %d", to.UnixNano()))
	}
	database, _, _ := strings.Cut(w.o.Bucket, "/")
	u := base.JoinPath("query")
	form := url.Values{"db": {database}, "q": {"DELETE FROM /.*/ WHERE " + strings.Join(where, " AND ")}}
	a, err := w.client.do(ctx, http.MethodPost, u, "application/x-www-form-urlencoded", []byte(form.Encode()))
	if err != nil {
		return err
	}
	var answer struct {
		Error   string
		Results []struct{ Error string }
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &answer) != nil {
		return fmt.Errorf("InfluxDB answers %d to DELETE: %.300s", a.status, a.body)
	}
	for _, r := range answer.Results {
		if r.Error != "" {
			answer.Error = r.Error
		}
	}
	if answer.Error != "" {
		return fmt.Errorf("InfluxDB does not delete: %s", answer.Error)
	}
	return nil
}

// answered is an answer as it came.
type answered struct {
	status int
	header http.Header
	body   []byte
}

func (c *client) do(ctx context.Context, method string, u *url.URL, contentType string, body []byte) (*answered, error) {
	r, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "greencommunity")
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	token, err := c.readToken()
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Token "+token)
	}
	a, err := c.http.Load().Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return &answered{a.StatusCode, a.Header, text}, nil
}
