package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// history fetches what InfluxDB has of the device as a table. The query is
// InfluxQL, the one language of InfluxDB 1, 2 and 3.
func (c *detectCmd) history(ctx context.Context) (io.Reader, error) {
	if c.Facility == "" || c.Device == "device" {
		return nil, fmt.Errorf("--influxdb needs --facility and --device")
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	from, err := parseWhen(c.From, now, zone)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	to := now
	if c.To != "" {
		if to, err = parseWhen(c.To, now, zone); err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
	}
	quote := func(s string) string {
		return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s)
	}
	where := fmt.Sprintf(`"device" = '%s' AND time >= %d AND time < %d`, quote(c.Device), from.UnixNano(), to.UnixNano())
	readings, err := c.query(ctx, fmt.Sprintf(`SELECT * FROM "%s" WHERE %s`, strings.ReplaceAll(c.Facility, `"`, ``), where))
	if err != nil {
		return nil, err
	}
	events, err := c.query(ctx, fmt.Sprintf(`SELECT "active", "type" FROM "events" WHERE %s AND "facility" = '%s'`, where, quote(c.Facility)))
	if err != nil {
		return nil, err
	}
	// Alarms of ours are events as well, and no part of what happened.
	told := []string{"access_granted", "access_denied", "door_opened", "door_closed", "door_unlocked", "collected"}
	type row struct {
		at     int64
		fields []string
	}
	skip := []string{"time", "community", "compound", "device", "vendor", "stream"}
	header := []string{"time"}
	var take []int
	for i, name := range readings.Columns {
		if !slices.Contains(skip, name) {
			header = append(header, name)
			take = append(take, i)
		}
	}
	header = append(header, "event", "collected")
	var rows []row
	for _, v := range readings.Values {
		at, err := strconv.ParseInt(text(v[0]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("time %v: %w", v[0], err)
		}
		r := row{at, []string{text(v[0])}}
		for _, i := range take {
			r.fields = append(r.fields, text(v[i]))
		}
		rows = append(rows, row{at, append(r.fields, "", "")})
	}
	for _, v := range events.Values {
		kind := text(v[2])
		if !slices.Contains(told, kind) || text(v[1]) != "1" {
			continue
		}
		at, err := strconv.ParseInt(text(v[0]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("time %v: %w", v[0], err)
		}
		r := row{at, make([]string, len(header))}
		r.fields[0] = text(v[0])
		if kind == "collected" {
			r.fields[len(header)-1] = "1"
		} else {
			r.fields[len(header)-2] = kind
		}
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("InfluxDB has nothing of %s %q in bucket %q from %s to %s", c.Facility, c.Device, c.Bucket, from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	if err := w.Write(header); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if err := w.Write(r.fields); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return &b, w.Error()
}

type influxSeries struct {
	Columns []string `json:"columns"`
	Values  [][]any  `json:"values"`
}

// text writes a value of InfluxDB's JSON; none is "".
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case json.Number:
		return v.String()
	case string:
		return v
	}
	return fmt.Sprint(v)
}

func (c *detectCmd) query(ctx context.Context, q string) (*influxSeries, error) {
	u, err := url.Parse(strings.TrimRight(c.Influxdb, "/") + "/query")
	if err != nil {
		return nil, fmt.Errorf("--influxdb: %w", err)
	}
	u.RawQuery = url.Values{"db": {c.Bucket}, "q": {q}, "epoch": {"ns"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("--token-file: %w", err)
		}
		req.Header.Set("Authorization", "Token "+strings.TrimSpace(string(token)))
	}
	client := http.Client{Timeout: 5 * time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return nil, fmt.Errorf("InfluxDB: %s: %s", resp.Status, bytes.TrimSpace(body))
	}
	dec := json.NewDecoder(resp.Body)
	dec.UseNumber()
	var answer struct {
		Results []struct {
			Series []influxSeries `json:"series"`
			Error  string         `json:"error"`
		} `json:"results"`
	}
	if err := dec.Decode(&answer); err != nil {
		return nil, fmt.Errorf("InfluxDB's answer: %w", err)
	}
	for _, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("InfluxDB: %s", r.Error)
		}
		if len(r.Series) > 0 {
			return &r.Series[0], nil
		}
	}
	return &influxSeries{}, nil
}
