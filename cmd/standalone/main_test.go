package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/cmd/internal/programtest"
	"greencommunity/deploy/embedded"
)

func freeAddr(t *testing.T) string { t.Helper(); return programtest.FreeAddr(t) }

// built is the standalone, as built here.
var built programtest.Program

// Each test has a broker, a database and often a browser of its own, which take
// the processor while they start: three are enough for two cores.
func TestMain(m *testing.M) { os.Exit(built.Run(m, 3)) }

// started is a standalone that has said it is running.
type started struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bytes.Buffer
	errs   *bytes.Buffer
	http   string
	influx string
}

func start(t *testing.T, binary string, args ...string) *started {
	t.Helper()
	s := &started{t: t, out: &bytes.Buffer{}, errs: &bytes.Buffer{}}
	s.cmd = exec.Command(binary, args...)
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stderr = io.MultiWriter(os.Stderr, s.errs)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	running := make(chan string, 1)
	go func() { // ends with the process
		buf := make([]byte, 4096)
		said := false
		for {
			n, err := pipe.Read(buf)
			s.out.Write(buf[:n])
			if !said && bytes.Contains(s.out.Bytes(), []byte("Ctrl-C ends it.")) {
				said = true
				running <- s.out.String()
			}
			if err != nil {
				if !said {
					running <- ""
				}
				return
			}
		}
	}()
	select {
	case text := <-running:
		http := regexp.MustCompile(`metrics +(http://\S+)`).FindStringSubmatch(text)
		influx := regexp.MustCompile(`InfluxDB +(http://\S+)`).FindStringSubmatch(text)
		if http == nil || influx == nil {
			t.Fatalf("it does not say where it is:\n%s", text)
		}
		token := regexp.MustCompile(`token in (\S+)`).FindStringSubmatch(text)
		if token == nil {
			t.Fatalf("it does not say where the token is:\n%s", text)
		}
		login, err := os.ReadFile(token[1])
		if err != nil {
			t.Fatal(err)
		}
		s.http, s.influx = http[1], strings.Replace(influx[1], "://", "://"+strings.TrimSpace(string(login))+"@", 1)
	case <-time.After(2 * time.Minute):
		t.Fatal("not running within two minutes")
	}
	return s
}

func (s *started) interrupt() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			s.t.Errorf("ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		s.t.Error("does not end on Ctrl-C")
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", url, r.Status, err)
	}
	return string(body)
}

// account waits until nothing is pending and checks that the account balances.
func (s *started) account() (received float64) {
	s.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		values := map[string]float64{}
		for line := range strings.Lines(fetch(s.t, s.http)) {
			var name string
			var v float64
			name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			name, _, _ = strings.Cut(name, "{")
			if n, _ := fmt.Sscan(rest, &v); n == 1 && strings.HasPrefix(name, "greencommunity_messages_") {
				values[strings.TrimPrefix(name, "greencommunity_messages_")] += v
			}
		}
		fates := values["stored_total"] + values["duplicate_total"] + values["rejected_total"] + values["ignored_total"]
		if values["received_total"] != fates+values["pending"] {
			s.t.Fatalf("the account does not balance: %v", values)
		}
		if values["pending"] == 0 && values["received_total"] > 0 {
			return values["received_total"]
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("still pending: %v", values)
		}
	}
}

// What the README promises of `go run ./cmd/standalone`: two weeks of all four
// facilities of both communities, an account that balances, an orderly end, and
// going on from there.
func TestStandalone(t *testing.T) {
	t.Parallel()
	binary := built.Path(t)
	dir := filepath.Join(t.TempDir(), "data")
	args := []string{"--data-dir", dir, "--http", freeAddr(t), "--mqtt", freeAddr(t), "--influxdb", freeAddr(t)}
	s := start(t, binary, args...)
	received := s.account()
	for _, community := range []string{"nancheng", "xicheng"} {
		for measurement, field := range map[string]string{"lighting": "active_power", "water": "water_volume_total", "waste": "fill_level", "gate": "pass_in"} {
			rows, err := embedded.Query(context.Background(), s.influx, "facilities",
				fmt.Sprintf(`SELECT count(%s) FROM %s WHERE community='%s' AND time > now() - 15d GROUP BY time(1d)`, field, measurement, community))
			if err != nil {
				t.Fatal(err)
			}
			days := 0
			for _, row := range rows {
				for _, v := range row.Values {
					if n, _ := v[1].(json.Number); n != "0" {
						days++
					}
				}
			}
			if days < 14 {
				t.Errorf("%s of %s: readings on %d days, want 14", measurement, community, days)
			}
		}
	}
	s.saved()
	readSpecification(t).all(strings.TrimSuffix(s.http, "/metrics"))
	s.figures()
	b := openBrowser(t, 1366, 768)
	b.do(chromedp.Navigate(strings.TrimSuffix(s.http, "metrics")))
	b.waitText("#savings tbody", `南城社区 · 照明\s+有记录以来 \(暂定\)\s+[\d,]+ ± \d+ kWh\s+有节约`)
	b.waitText("#savings tbody", `西城社区 · 照明\s+有记录以来 \(暂定\)\s+-?\d+ ± \d+ kWh\s+无法与零区分`)
	b.waitText("#savings tbody", `南城社区 · 用水\s+有记录以来 \(暂定\)\s+[\d,]+ ± \d+ m³\s+有节约`)
	b.waitText("[data-tile=saved_electricity]", `± \d+ kWh · (本季度|有记录以来) · 有节约`)
	b.waitText("[data-tile=saved_water]", `± \d+ m³ · (本季度|有记录以来) · 有节约`)
	b.screenshot("demo")
	// A second one on the same ports says so, in a sentence.
	other := exec.Command(binary, append([]string{"--data-dir", filepath.Join(t.TempDir(), "other")}, args[2:]...)...)
	if out, err := other.CombinedOutput(); err == nil || !strings.Contains(string(out), "is in use; try --mqtt 127.0.0.1:") || strings.Contains(string(out), "goroutine") {
		t.Errorf("on a port in use: %v %s", err, out)
	}
	s.interrupt()
	again := start(t, binary, args...)
	if n := again.account(); n < received || n > received+received/10 {
		t.Errorf("%v messages before, %v after going on", received, n)
	}
	again.interrupt()
	// Somebody who ends it in order reads of no failure.
	if text := s.errs.String() + again.errs.String(); text != "" {
		t.Errorf("on the standard error:\n%s", text)
	}
}

// A pass of a terminal that sends names and pictures leaves none of them in the
// data directory, the broker's part of it included.
func TestStandaloneKeepsNoPerson(t *testing.T) {
	t.Parallel()
	binary := built.Path(t)
	dir, broker := filepath.Join(t.TempDir(), "data"), freeAddr(t)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "inventory.yaml"), []byte(`
communities: [{id: nancheng, name: 南城社区}]
vendors:
- id: gates
  unknown_devices: accept
  sources: [{topic: "mqtt/face/{device}/+", format: face-gate, community: nancheng, facility: gate}]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, binary, "--data-dir", dir, "--no-demo", "--http", freeAddr(t), "--mqtt", broker, "--influxdb", freeAddr(t))
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("terminal"))
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	const name = "ZhugeXiaoming"
	payload := `{"operator":"RecPush","info":{"facesluiceId":"77","VerifyStatus":"1","personName":"` + name + `","idCard":610102199003077777}}`
	for _, body := range []string{payload, payload[:110]} {
		if token := c.Publish("mqtt/face/77/Rec", 1, false, body); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	c.Disconnect(100)
	if n := s.account(); n != 2 {
		t.Errorf("%v messages received, want 2", n)
	}
	search := func() (files int) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() { // the socket of `greencommunity devices` holds nothing
				return err
			}
			data, err := os.ReadFile(path)
			files++
			for shift := range 3 {
				encoded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), name...))
				for _, form := range []string{name, "610102199003077777", encoded[4 : len(encoded)-4]} {
					if bytes.Contains(data, []byte(form)) {
						t.Errorf("%s holds %s", path, form)
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	search()
	s.interrupt()
	if n := search(); n < 5 {
		t.Errorf("%d files were searched", n)
	}
}
