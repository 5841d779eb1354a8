package influx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/enginetest"
)

func count27(t *testing.T, db *enginetest.InfluxDB, query string) int64 {
	t.Helper()
	rows, err := db.Query(context.Background(), enginetest.Bucket, query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if len(rows) == 0 {
		return 0
	}
	n, err := rows[0].Values[0][1].(json.Number).Int64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func writer27(db *enginetest.InfluxDB, bucket, token string) *Writer {
	return New(Options{URL: db.URL(), Org: enginetest.Org, Bucket: bucket, Token: func() (string, error) { return token, nil }, Timeout: 20 * time.Second})
}

// What production's InfluxDB 2.7 says to writes is understood: good lines, a
// field in conflict among good ones, lines beyond retention, a wrong token, a
// missing bucket.
func TestInfluxDB27(t *testing.T) {
	db := enginetest.StartInfluxDB(t, 30*24*time.Hour)
	ctx := context.Background()
	now := time.Now().UnixMilli()

	t.Run("good lines", func(t *testing.T) {
		w := writer27(db, enginetest.Bucket, db.Token)
		defer w.Close()
		if _, err := w.Check(ctx); err != nil {
			t.Errorf("check: %v", err)
		}
		var lines strings.Builder
		for i := range 5000 {
			fmt.Fprintf(&lines, "water,community=c,device=d%d water_flow=1,battery_level=%d %d\n", i, i%100, now)
		}
		if refused, err := w.Write(ctx, []byte(lines.String())); err != nil || len(refused) > 0 {
			t.Fatalf("%v %v", refused, err)
		}
		if n := count27(t, db, "SELECT count(water_flow) FROM water"); n != 5000 {
			t.Errorf("%d points of 5000 are there", n)
		}
	})
	t.Run("a field in conflict", func(t *testing.T) {
		w := writer27(db, enginetest.Bucket, db.Token)
		defer w.Close()
		var lines strings.Builder
		for i := range 400 {
			value := "1"
			if i%100 == 50 {
				value = `"text"`
			}
			fmt.Fprintf(&lines, "waste,community=c,device=b%d bin_temperature=20,fill_level=%s %d\n", i, value, now)
		}
		refused, err := w.Write(ctx, []byte(lines.String()))
		if err != nil {
			t.Fatal(err)
		}
		if len(refused) != 4 {
			t.Errorf("%d refused, want 4: %v", len(refused), refused)
		}
		for _, r := range refused {
			if r.Field != "fill_level" {
				t.Errorf("refused: %+v", r)
			}
		}
		if n := count27(t, db, "SELECT count(fill_level) FROM waste"); n != 396 {
			t.Errorf("%d fill levels, want 396", n)
		}
		if n := count27(t, db, "SELECT count(bin_temperature) FROM waste"); n != 400 {
			t.Errorf("%d temperatures, want 400: the neighbours of a bad field", n)
		}
	})
	t.Run("beyond retention", func(t *testing.T) {
		w := writer27(db, enginetest.Bucket, db.Token)
		defer w.Close()
		var lines strings.Builder
		for i := range 2000 {
			at := now + int64(i)
			if i%2 == 0 {
				at = now - 40*24*3600*1000 + int64(i)
			}
			fmt.Fprintf(&lines, "gate,community=c,device=g pass_in=1 %d\n", at)
		}
		refused, err := w.Write(ctx, []byte(lines.String()))
		if err != nil || len(refused) != 1000 {
			t.Errorf("%d refused, want 1000; %v", len(refused), err)
		}
		if n := count27(t, db, "SELECT count(pass_in) FROM gate"); n != 1000 {
			t.Errorf("%d points, want 1000", n)
		}
	})
	for name, c := range map[string]struct {
		bucket, token string
		want          Why
	}{
		"a wrong token":    {enginetest.Bucket, "another", Unauthorized},
		"a missing bucket": {"nowhere", db.Token, NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			w := writer27(db, c.bucket, c.token)
			defer w.Close()
			short, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			if _, err := w.Write(short, []byte("water,device=x water_flow=1 1\n")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it does not wait: %v", err)
			}
			if h := w.Held(); h == nil || h.Why != c.want {
				t.Errorf("held: %+v, want %s", h, c.want)
			}
			if _, err := w.Check(ctx); err == nil {
				t.Error("check finds nothing wrong")
			}
		})
	}
}

// What InfluxDB 2.7 has confirmed it still has after it is killed, and a write
// that waits meanwhile goes on by itself.
func TestInfluxDB27Killed(t *testing.T) {
	db := enginetest.StartInfluxDB(t, 0)
	w := writer27(db, enginetest.Bucket, db.Token)
	defer w.Close()
	confirmed := 0
	for round := range 3 {
		done := make(chan error, 1)
		go func() {
			for range 20 {
				var lines strings.Builder
				for range 500 {
					fmt.Fprintf(&lines, "water,device=d water_flow=1 %d\n", 1_795_000_000_000+confirmed)
					confirmed++
				}
				if refused, err := w.Write(context.Background(), []byte(lines.String())); err != nil || len(refused) > 0 {
					done <- fmt.Errorf("%v %w", refused, err)
					return
				}
			}
			done <- nil
		}()
		time.Sleep(time.Duration(20+40*round) * time.Millisecond) // somewhere in the writes
		db.Kill()
		db.Start()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if n := count27(t, db, "SELECT count(water_flow) FROM water"); n != int64(confirmed) {
		t.Errorf("%d points of %d confirmed are there", n, confirmed)
	}
}
