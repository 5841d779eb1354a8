// Package enginetest runs servers of production beside tests, as processes of
// their own: InfluxDB 2.7, which cannot be linked in. `.ci/influxdb` builds it
// and GREENCOMMUNITY_INFLUXD names it. Without it such a test is skipped, and
// fails where CI=true.
package enginetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/influxdata/influxdb/models"
)

// InfluxDB is a running InfluxDB 2.7 with organisation bureau, bucket
// facilities and a token that may do everything.
type InfluxDB struct {
	Token   string
	t       testing.TB
	program string
	dir     string
	addr    string
	process *exec.Cmd
}

// Organisation and bucket of StartInfluxDB.
const (
	Org    = "bureau"
	Bucket = "facilities"
)

// StartInfluxDB starts InfluxDB 2.7 on a free port; it ends with the test.
// Points older than retention are refused; 0 keeps them for ever.
func StartInfluxDB(t testing.TB, retention time.Duration) *InfluxDB {
	t.Helper()
	program := os.Getenv("GREENCOMMUNITY_INFLUXD")
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("GREENCOMMUNITY_INFLUXD names no influxd; .ci/influxdb builds one")
		}
		t.Skip("no InfluxDB 2.7 here: GREENCOMMUNITY_INFLUXD=$(.ci/influxdb) builds and names it")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	db := &InfluxDB{Token: "token-of-the-test", t: t, program: program, dir: t.TempDir(), addr: l.Addr().String()}
	l.Close()
	db.Start()
	t.Cleanup(db.Kill)
	setup, err := json.Marshal(map[string]any{
		"username": "operator", "password": "password-of-the-test", "org": Org, "bucket": Bucket,
		"token": db.Token, "retentionPeriodSeconds": int64(retention / time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := db.Do(http.MethodPost, "/api/v2/setup", "", setup); status != http.StatusCreated {
		t.Fatalf("setup: %d %s", status, body)
	}
	return db
}

// Start starts the process, again after Kill, and returns once it answers.
func (db *InfluxDB) Start() {
	db.t.Helper()
	db.process = exec.Command(db.program, "--reporting-disabled", "--log-level", "error", "--http-bind-address", db.addr,
		"--bolt-path", filepath.Join(db.dir, "bolt"), "--sqlite-path", filepath.Join(db.dir, "sqlite"), "--engine-path", filepath.Join(db.dir, "engine"))
	db.process.Env = append(os.Environ(), "INFLUXD_CONFIG_PATH="+db.dir)
	if err := db.process.Start(); err != nil {
		db.t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(db.URL() + "/health")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			db.t.Fatalf("InfluxDB 2.7 does not answer: %v", err)
		}
	}
}

// Kill ends the process at once, as a power cut would.
func (db *InfluxDB) Kill() {
	if db.process != nil {
		db.process.Process.Kill()
		db.process.Wait()
		db.process = nil
	}
}

// URL is the address of its interface.
func (db *InfluxDB) URL() string { return "http://" + db.addr }

// Do makes a request with the token and returns the answer.
func (db *InfluxDB) Do(method, path, contentType string, body []byte) (status int, answer []byte) {
	db.t.Helper()
	request, err := http.NewRequest(method, db.URL()+path, bytes.NewReader(body))
	if err != nil {
		db.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+db.Token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		db.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		db.t.Fatal(err)
	}
	return response.StatusCode, answer
}

// Query runs InfluxQL through the interface of 1.x, as boards do. The database
// is the bucket's name. Times are unix nanoseconds, numbers json.Number.
func (db *InfluxDB) Query(_ context.Context, database, influxql string) ([]models.Row, error) {
	form := url.Values{"db": {database}, "q": {influxql}, "epoch": {"ns"}}
	status, body := db.Do(http.MethodGet, "/query?"+form.Encode(), "", nil)
	var answer struct {
		Error   string
		Message string
		Results []struct {
			Error  string
			Series []models.Row
		}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		return nil, fmt.Errorf("query answered %d: %w", status, err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("query answered %d: %s%s", status, answer.Error, answer.Message)
	}
	var rows []models.Row
	for _, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("query: %s", r.Error)
		}
		rows = append(rows, r.Series...)
	}
	return rows, nil
}
