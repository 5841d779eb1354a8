package alerting_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/deploy/alerting"
	"greencommunity/metrics/notify"
)

// exporter shows what it is told to; nothing at all while down is set.
type exporter struct {
	*httptest.Server
	text atomic.Pointer[string]
	down atomic.Bool
}

func newExporter(t *testing.T) *exporter {
	e := &exporter{}
	e.show("")
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if e.down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		io.WriteString(w, *e.text.Load())
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *exporter) show(anomalies string) {
	text := "greencommunity_messages_pending 0\ngreencommunity_mqtt_connected 1\n" + anomalies
	e.text.Store(&text)
}

// wecom is the robot's server: the texts of the messages it was sent. It fails
// until it has been asked often enough.
func wecom(t *testing.T, failures int32) (address string, messages <-chan string) {
	received := make(chan string, 100)
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m struct {
			Msgtype  string
			Markdown struct{ Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.Msgtype != "markdown" || r.URL.Query().Get("key") != "k" {
			t.Errorf("message: %v, %+v, %s", err, m, r.URL)
		}
		if asked.Add(1) <= failures {
			http.Error(w, "down", http.StatusBadGateway)
			return
		}
		received <- m.Markdown.Content
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/cgi-bin/webhook/send?key=k", received
}

// renderer serves what `greencommunity notify` does, to one robot under every
// name of alertmanager.yml, and returns its host:port.
func renderer(t *testing.T, robot string) string {
	path := filepath.Join(t.TempDir(), "robot")
	if err := os.WriteFile(path, []byte(robot), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := filepath.Join(t.TempDir(), "notify.yaml")
	text := "robots:\n"
	for _, name := range []string{"duty", "office", "operator"} {
		text += fmt.Sprintf("- {name: %s, kind: wecom, url_file: %s}\n", name, path)
	}
	if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := notify.Load(yaml)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /alerts/{robot}", notify.New(c, func() notify.Names { return notify.Names{Communities: map[string]string{"nancheng": "南城社区"}} }, slog.New(slog.DiscardHandler), prometheus.NewRegistry()))
	mux.HandleFunc("GET /metrics", func(http.ResponseWriter, *http.Request) {})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// start starts a stack; where the programs are missing the test is skipped,
// except in CI.
func start(t *testing.T, target, notify string) *alerting.Stack {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := alerting.Start(ctx, alerting.Options{Deploy: "..", Dir: t.TempDir(), Target: target, Notify: notify})
	if errors.Is(err, alerting.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(s.Log())
		}
	})
	return s
}

// next waits for a message that contains all of the words.
func next(t *testing.T, messages <-chan string, words ...string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case m := <-messages:
			missing := ""
			for _, w := range words {
				if !strings.Contains(m, w) {
					missing = w
				}
			}
			if missing == "" {
				return
			}
			t.Errorf("a message without %q:\n%s", missing, m)
		case <-deadline:
			t.Fatalf("no message with %q", words)
		}
	}
}

func none(t *testing.T, messages <-chan string, during time.Duration) {
	t.Helper()
	select {
	case m := <-messages:
		t.Errorf("a message that should not be:\n%s", m)
	case <-time.After(during):
	}
}

const leak = `greencommunity_anomaly_active{community="nancheng",facility="water",kind="continuous_flow",severity="warning"} %d` + "\n"

// An anomaly becomes one message in the chat, though the robot fails at first;
// an ingester that is restarted changes nothing; the clearing becomes another.
func TestAnomalyBecomesAMessage(t *testing.T) {
	robot, messages := wecom(t, 4) // the renderer tries thrice, then Alertmanager must
	e := newExporter(t)
	start(t, strings.TrimPrefix(e.URL, "http://"), renderer(t, robot))
	e.show(fmt.Sprintf(leak, 0) + `greencommunity_anomaly_active{community="nancheng",facility="water",kind="unusual_value",severity="info"} 3` + "\n")
	none(t, messages, 3*time.Second)

	began := time.Now()
	e.show(fmt.Sprintf(leak, 1))
	next(t, messages, "【一般】持续流量（疑似漏水） · 南城社区", "有1处未恢复", "起。")
	t.Logf("message after %s", time.Since(began).Round(time.Millisecond))

	e.down.Store(true)
	none(t, messages, 5*time.Second)
	e.down.Store(false)
	none(t, messages, 2*time.Second)

	began = time.Now()
	e.show(fmt.Sprintf(leak, 0))
	next(t, messages, "【已恢复】持续流量（疑似漏水） · 南城社区", "持续")
	t.Logf("clearing after %s", time.Since(began).Round(time.Millisecond))
	none(t, messages, 3*time.Second)
}

// inhibition asks a real Alertmanager which of some alerts it holds back.
func TestInhibition(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s := &alerting.Stack{}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	address, err := alerting.StartAlertmanager(ctx, alerting.Options{Deploy: "..", Dir: t.TempDir(), Notify: "127.0.0.1:1"}, s)
	if errors.Is(err, alerting.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	type labels = map[string]string
	for _, test := range []struct {
		name           string
		source, target labels
		held           bool
	}{
		{"community holds back its devices", labels{"alertname": "GreencommunityCommunityOffline", "severity": "critical", "facility": "all", "kind": "community_offline"},
			labels{"alertname": "GreencommunityOffline", "severity": "warning", "facility": "water", "kind": "offline"}, true},
		{"gateway holds back its devices", labels{"alertname": "GreencommunityGatewayOffline", "severity": "critical", "facility": "all", "kind": "gateway_offline"},
			labels{"alertname": "GreencommunityOffline", "severity": "warning", "facility": "water", "kind": "offline"}, true},
		{"gateway holds back no leak", labels{"alertname": "GreencommunityGatewayOffline", "severity": "critical", "facility": "all", "kind": "gateway_offline"},
			labels{"alertname": "GreencommunityContinuousFlow", "severity": "warning", "facility": "water", "kind": "continuous_flow"}, false},
		{"not in another community", labels{"alertname": "GreencommunityGatewayOffline", "severity": "critical", "facility": "all", "kind": "gateway_offline"},
			labels{"alertname": "GreencommunityOffline", "severity": "warning", "facility": "water", "kind": "offline", "community": "elsewhere"}, false},
		{"the worse of one kind", labels{"alertname": "GreencommunityContinuousFlow", "severity": "critical", "facility": "water", "kind": "continuous_flow"},
			labels{"alertname": "GreencommunityContinuousFlow", "severity": "warning", "facility": "water", "kind": "continuous_flow"}, true},
		{"not of another kind", labels{"alertname": "GreencommunityBurst", "severity": "critical", "facility": "water", "kind": "burst"},
			labels{"alertname": "GreencommunityContinuousFlow", "severity": "warning", "facility": "water", "kind": "continuous_flow"}, false},
		{"no broker, everybody silent", labels{"alertname": "GreencommunityBrokerDisconnected", "severity": "critical", "component": "ingester", "community": ""},
			labels{"alertname": "GreencommunityVendorSilent", "severity": "warning", "component": "vendor", "community": ""}, true},
		{"no broker, and rejects", labels{"alertname": "GreencommunityBrokerDisconnected", "severity": "critical", "component": "ingester", "community": ""},
			labels{"alertname": "GreencommunityRejectsHigh", "severity": "warning", "component": "vendor", "community": ""}, false},
		{"InfluxDB and its backlog", labels{"alertname": "GreencommunityInfluxDBRefuses", "severity": "critical", "instance": "a", "community": ""},
			labels{"alertname": "GreencommunityStoreBehind", "severity": "critical", "instance": "a", "community": ""}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, l := range []labels{test.source, test.target} {
				if _, ok := l["community"]; !ok {
					l["community"] = "nancheng"
				}
			}
			post := func(endsAt time.Time) {
				body, err := json.Marshal([]map[string]any{{"labels": test.source, "endsAt": endsAt}, {"labels": test.target, "endsAt": endsAt}})
				if err != nil {
					t.Fatal(err)
				}
				answer, err := http.Post("http://"+address+"/api/v2/alerts", "application/json", bytes.NewReader(body))
				if err != nil || answer.StatusCode != 200 {
					t.Fatal(err, answer)
				}
				answer.Body.Close()
			}
			post(time.Now().Add(time.Hour))
			defer post(time.Now()) // the next test begins without them
			held := func() bool {
				answer, err := http.Get("http://" + address + "/api/v2/alerts")
				if err != nil {
					t.Fatal(err)
				}
				defer answer.Body.Close()
				var alerts []struct {
					Labels labels
					Status struct{ InhibitedBy []string }
				}
				if err := json.NewDecoder(answer.Body).Decode(&alerts); err != nil {
					t.Fatal(err)
				}
				found, held := 0, false
				for _, a := range alerts {
					if a.Labels["alertname"] == test.target["alertname"] && a.Labels["severity"] == test.target["severity"] {
						found++
						held = len(a.Status.InhibitedBy) > 0
					}
				}
				if found != 1 {
					t.Fatalf("%d alerts like the target", found)
				}
				return held
			}
			// The inhibitor learns of alerts a little after they are listed.
			for range 40 {
				if held() == test.held && test.held {
					return
				}
				time.Sleep(25 * time.Millisecond)
			}
			if held() != test.held {
				t.Errorf("held back: %v", !test.held)
			}
		})
	}
}
