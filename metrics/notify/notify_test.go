package notify

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
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest/config"
)

// chat is a robot's server as the test wants it: it answers in turn what it is
// told to, the last for ever.
type chat struct {
	*httptest.Server
	mu      sync.Mutex
	answers []string // "STATUS body"
	bodies  []string
	queries []url.Values
}

const ok = `200 {"errcode":0,"errmsg":"ok"}`

func newChat(t *testing.T, answers ...string) *chat {
	c := &chat{answers: answers}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if got := r.Header.Get("Content-Type"); r.Method != "POST" || got != "application/json; charset=utf-8" {
			t.Errorf("%s with Content-Type %s", r.Method, got)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies, c.queries = append(c.bodies, string(body)), append(c.queries, r.URL.Query())
		answer := c.answers[0]
		if len(c.answers) > 1 {
			c.answers = c.answers[1:]
		}
		var status int
		fmt.Sscan(answer, &status)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
		io.WriteString(w, answer[4:])
	}))
	t.Cleanup(c.Close)
	return c
}

// notifier is a notifier with one robot, at a time that stands still.
func notifier(t *testing.T, r Robot, alarms string) (*Notifier, *bytes.Buffer) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	if r.PerMinute == 0 {
		r.PerMinute = 600
	}
	r.Name = "duty"
	var log bytes.Buffer
	n := New(&Config{Zone: zone, Robots: []Robot{r}, Alarms: alarms, Page: "http://10.1.2.3:9108/", Runbooks: "https://wiki.example"},
		func() Names {
			return Names{Communities: map[string]string{"nancheng": "南城社区"}, Facilities: map[string]string{"water": "供水"}}
		},
		slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	n.setup.Load().robots["duty"].now = func() time.Time { return time.Date(2026, 3, 1, 4, 0, 0, 123e6, time.UTC) }
	n.setup.Load().robots["duty"].backoff = time.Millisecond
	return n, &log
}

// deliver posts a notification as Alertmanager does.
func deliver(t *testing.T, n *Notifier, body string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("POST /alerts/{robot}", n)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/alerts/duty", strings.NewReader(body)))
	return w
}

// burst holds what Alertmanager 0.25 sends of two alerts, one of which is over.
const burst = `{"version":"4","groupKey":"{}:{alertname=\"GreencommunityBurst\"}","truncatedAlerts":0,"status":"firing","receiver":"duty",
"groupLabels":{"alertname":"GreencommunityBurst","community":"nancheng","facility":"water"},
"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","alerts":[
{"status":"resolved","labels":{"alertname":"GreencommunityBurst","community":"nancheng","facility":"water","kind":"burst","severity":"warning"},
 "annotations":{"summary":"爆管","description":"nancheng（water）有1处未恢复：流量远高于该表以往最大值并持续。","runbook_url":"docs/runbooks/burst.md"},
 "startsAt":"2026-03-01T02:00:00Z","endsAt":"2026-03-01T03:30:10Z","generatorURL":"","fingerprint":"1"},
{"status":"firing","labels":{"alertname":"GreencommunityBurst","community":"nancheng","facility":"water","kind":"burst","severity":"critical"},
 "annotations":{"summary":"爆管","description":"nancheng（water）有2处未恢复：流量远高于该表以往最大值并持续。","runbook_url":"docs/runbooks/burst.md"},
 "startsAt":"2026-03-01T03:59:00Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"","fingerprint":"2"}]}`

const burstText = `### 【紧急】爆管 · 南城社区

南城社区（供水）有2处未恢复：流量远高于该表以往最大值并持续。

自 3月1日 11:59 起。

南城社区（供水）有1处未恢复：流量远高于该表以往最大值并持续。

3月1日 10:00 至 3月1日 11:30，持续1小时30分钟。

[查看详情](http://10.1.2.3:9108/)　[处置手册](https://wiki.example/docs/runbooks/burst.md)`

// decoded is JSON without regard to the order of members.
func decoded(t *testing.T, s string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v: %s", err, s)
	}
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The exact request each robot gets. The signatures are those that openssl
// computes: for DingTalk
//
//	printf '1772337600123\nSECtest' | openssl dgst -sha256 -hmac SECtest -binary | base64
//
// and for Feishu, whose key is the text and whose text is empty, with -mac HMAC
// -macopt hexkey: of "1772337600\nSECtest".
func TestRequests(t *testing.T) {
	encoded := func(s string) string {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := encoded(burstText)
	lines := encoded(strings.ReplaceAll(burstText, "\n", "  \n")) // DingTalk's end of a line
	_, below, _ := strings.Cut(burstText, "\n\n")                 // Feishu's card has the headline above
	for _, test := range []struct {
		kind, secret, answer, body string
		query                      url.Values
	}{
		{wecom, "", ok, `{"msgtype":"markdown","markdown":{"content":` + text + `}}`, url.Values{"key": {"k"}}},
		{dingtalk, "", ok, `{"msgtype":"markdown","markdown":{"title":"【紧急】爆管 · 南城社区","text":` + lines + `}}`, url.Values{"key": {"k"}}},
		{dingtalk, "SECtest", ok, `{"msgtype":"markdown","markdown":{"title":"【紧急】爆管 · 南城社区","text":` + lines + `}}`,
			url.Values{"key": {"k"}, "timestamp": {"1772337600123"}, "sign": {dingtalkSign}}},
		{feishu, "SECtest", `200 {"code":0,"msg":"success","data":{}}`, `{"timestamp":"1772337600","sign":"` + feishuSign + `","msg_type":"interactive","card":{
			"config":{"wide_screen_mode":true},"header":{"title":{"tag":"plain_text","content":"【紧急】爆管 · 南城社区"},"template":"red"},
			"elements":[{"tag":"div","text":{"tag":"lark_md","content":` + encoded(below) + `}}]}}`, url.Values{"key": {"k"}}},
	} {
		t.Run(test.kind+test.secret, func(t *testing.T) {
			c := newChat(t, test.answer)
			n, _ := notifier(t, Robot{Kind: test.kind, URL: config.Secret(c.URL + "/send?key=k"), Secret: config.Secret(test.secret)}, "")
			if w := deliver(t, n, burst); w.Code != 200 {
				t.Fatal(w.Code, w.Body)
			}
			if len(c.bodies) != 1 {
				t.Fatalf("%d requests", len(c.bodies))
			}
			if got, want := decoded(t, c.bodies[0]), decoded(t, test.body); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if got, want := c.queries[0].Encode(), test.query.Encode(); got != want {
				t.Errorf("query %s, want %s", got, want)
			}
		})
	}
}

// What a robot answers decides what Alertmanager is told: 503 to try again,
// 422 to give up for now.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name     string
		answers  []string
		status   int
		requests int
		result   string
	}{
		{"taken", []string{ok}, 200, 1, "delivered"},
		{"down once", []string{"502 no", ok}, 200, 2, "delivered"},
		{"busy twice", []string{`200 {"errcode":-1,"errmsg":"system busy"}`, `200 {"errcode":45009,"errmsg":"api freq out of limit"}`, ok}, 200, 3, "delivered"},
		{"down", []string{"500 no"}, 503, 3, "failed"},
		{"a proxy's page", []string{"200 <html>sign in</html>"}, 503, 3, "failed"},
		{"wrong key", []string{`200 {"errcode":93000,"errmsg":"invalid webhook url"}`}, 422, 1, "refused"},
		{"wrong signature", []string{`200 {"errcode":310000,"errmsg":"sign not match"}`}, 422, 1, "refused"},
		{"Feishu's refusal", []string{`400 {"code":19021,"msg":"sign match fail"}`}, 422, 1, "refused"},
		{"not found", []string{"404 no"}, 422, 1, "refused"},
		{"redirect", []string{"302 "}, 422, 1, "refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newChat(t, test.answers...)
			n, _ := notifier(t, Robot{Kind: wecom, URL: config.Secret(c.URL)}, "")
			if w := deliver(t, n, burst); w.Code != test.status || len(c.bodies) != test.requests {
				t.Errorf("status %d after %d requests, want %d after %d: %s", w.Code, len(c.bodies), test.status, test.requests, w.Body)
			}
			if got := testutil.ToFloat64(n.messages.WithLabelValues("duty", test.result)); got != 1 {
				t.Errorf("%s counted %v times", test.result, got)
			}
			if got := testutil.ToFloat64(n.retries.WithLabelValues("duty")); got != float64(test.requests-1) {
				t.Errorf("%v retries counted", got)
			}
		})
	}
}

// Case 13: every "slower" of every robot is waited for and the message
// delivered, though the robot says it oftener than an outage is waited for.
// Sources: nightingale#1437, PrometheusAlert#395 and #470, Feishu's page on rate
// limits (429 and 400 with 99991400), DingTalk's answers as users quote them.
func TestSlower(t *testing.T) {
	const okFeishu = `200 {"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"}`
	for name, c := range map[string]struct{ kind, answer, ok string }{
		"Feishu 9499 in HTTP 400":     {feishu, `400 {"code":9499,"msg":"too many request","data":{}}`, okFeishu},
		"Feishu 11232":                {feishu, `200 {"code":11232,"msg":"frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]","data":{}}`, okFeishu},
		"Feishu 11232 in HTTP 429":    {feishu, `429 {"code":11232}`, okFeishu},
		"Feishu's platform, 429":      {feishu, `429 {"code":99991400,"msg":"request trigger frequency limit"}`, okFeishu},
		"Feishu's platform, 400":      {feishu, `400 {"code":99991400,"msg":"request trigger frequency limit"}`, okFeishu},
		"DingTalk 410100":             {dingtalk, `200 {"errcode":410100,"errmsg":"发送速度太快而限流"}`, ok},
		"DingTalk 130101":             {dingtalk, `200 {"status":1111,"wait":0,"source":"x5","punish":"deny","errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`, ok},
		"DingTalk 90030":              {dingtalk, `200 {"errcode":90030,"errmsg":"webhook over limit"}`, ok},
		"DingTalk 90018":              {dingtalk, `200 {"errcode":90018,"errmsg":"您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了"}`, ok},
		"WeCom 45009":                 {wecom, `200 {"errcode":45009,"errmsg":"api freq out of limit, hint: [1635043469_160]"}`, ok},
		"WeCom 45033":                 {wecom, `200 {"errcode":45033,"errmsg":"api concurrent out of limit"}`, ok},
		"a code nobody has described": {wecom, `200 {"errcode":45999,"errmsg":"request too frequent"}`, ok},
		"HTTP 429 of a gateway":       {dingtalk, `429 <html>slow down</html>`, ok},
	} {
		t.Run(name, func(t *testing.T) {
			robot := newChat(t, c.answer, c.answer, c.answer, c.answer, c.answer, c.ok)
			n, _ := notifier(t, Robot{Kind: c.kind, URL: config.Secret(robot.URL)}, "")
			if w := deliver(t, n, burst); w.Code != 200 || len(robot.bodies) != 6 {
				t.Errorf("status %d after %d requests: %s", w.Code, len(robot.bodies), w.Body)
			}
			if got := testutil.ToFloat64(n.messages.WithLabelValues("duty", "delivered")); got != 1 {
				t.Errorf("delivered counted %v times", got)
			}
		})
	}
}

// How long a robot says to wait is waited.
func TestSlowerSaysHowLong(t *testing.T) {
	for _, test := range []struct {
		header, body string
		want         time.Duration
	}{
		{"Retry-After: 7", `{}`, 7 * time.Second},
		{"X-Ogw-Ratelimit-Reset: 52", `{"code":99991400,"msg":"request trigger frequency limit"}`, 52 * time.Second},
		{"Retry-After: 86400", `{}`, 5 * time.Minute},
		{"Retry-After: soon", `{}`, 0},
	} {
		h := http.Header{}
		name, value, _ := strings.Cut(test.header, ": ")
		h.Set(name, value)
		if got := waitOf(h); got != test.want {
			t.Errorf("%s: %s, want %s", test.header, got, test.want)
		}
	}
	var s *slower
	if err := verdict(200, []byte(`{"status":1111,"wait":5,"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`)); !errors.As(err, &s) || s.wait != 5*time.Second {
		t.Errorf("%v", err)
	}
}

// Messages behind one that waits do not overtake it; Alertmanager giving up on
// it meanwhile, and saying it again, makes it neither lost nor double.
func TestSlowerKeepsTheOrder(t *testing.T) {
	const busy = `200 {"errcode":130101,"errmsg":"send too fast, exceed 20 times per minute"}`
	robot := newChat(t, busy)
	r := newRobot(Robot{Kind: dingtalk, URL: config.Secret(robot.URL), PerMinute: 600})
	r.backoff = 10 * time.Millisecond
	wait := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	requests := func() int { robot.mu.Lock(); defer robot.mu.Unlock(); return len(robot.bodies) }
	gone, giveUp := context.WithCancel(t.Context())
	var done sync.WaitGroup
	results := make([]error, 5)
	say := func(i int, ctx context.Context, text string) {
		done.Go(func() { results[i] = r.deliver(ctx, message{title: "x", text: text}, func() {}) })
	}
	say(0, gone, "first")
	wait("two attempts", func() bool { return requests() >= 2 })
	giveUp()
	say(1, t.Context(), "second")
	wait("second waits", func() bool { return r.waiting.Load() == 2 })
	say(2, t.Context(), "third")
	wait("third waits", func() bool { return r.waiting.Load() == 3 })
	say(3, t.Context(), "first") // Alertmanager says it again
	robot.mu.Lock()
	robot.bodies, robot.answers = nil, []string{ok}
	robot.mu.Unlock()
	done.Wait()
	if !errors.Is(results[0], errBusy) || results[1] != nil || results[2] != nil || results[3] != nil {
		t.Errorf("%v", results)
	}
	var order []string
	for _, b := range robot.bodies {
		for _, text := range []string{"first", "second", "third"} {
			if strings.Contains(b, text) {
				order = append(order, text)
			}
		}
	}
	if got := strings.Join(order, " "); got != "first second third" && got != "first second third first" {
		t.Errorf("delivered: %s", got)
	}
}

// What a robot refuses for good is said once: not again by us, and 422 keeps
// Alertmanager from it until the group's next interval of five minutes.
func TestRefusalIsNotRepeated(t *testing.T) {
	for _, answer := range []string{
		`200 {"errcode":93000,"errmsg":"invalid webhook url"}`, `200 {"errcode":300001,"errmsg":"token is not exist"}`,
		`200 {"errcode":310000,"errmsg":"keywords not in content"}`, `200 {"errcode":40008,"errmsg":"invalid message type"}`,
		`400 {"code":19022,"msg":"Ip Not Allowed"}`, `400 {"code":19024,"msg":"Key Words Not Found"}`, `400 {"code":9499,"msg":"Bad Request"}`,
	} {
		robot := newChat(t, answer)
		n, _ := notifier(t, Robot{Kind: wecom, URL: config.Secret(robot.URL)}, "")
		if w := deliver(t, n, burst); w.Code != 422 || len(robot.bodies) != 1 {
			t.Errorf("%s: status %d after %d requests", answer, w.Code, len(robot.bodies))
		}
	}
}

// The key is part of the robot's address, and errors of HTTP show addresses.
func TestNothingShowsTheKey(t *testing.T) {
	c := newChat(t, ok)
	address := c.URL + "/send?key=s3cr3t"
	c.Close()
	n, log := notifier(t, Robot{Kind: wecom, URL: config.Secret(address)}, "")
	w := deliver(t, n, burst)
	if w.Code != 503 {
		t.Errorf("status %d", w.Code)
	}
	if all := w.Body.String() + log.String(); strings.Contains(all, "s3cr3t") || !strings.Contains(all, "refused") {
		t.Errorf("said: %s", all)
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	c := newChat(t, ok)
	n, _ := notifier(t, Robot{Kind: wecom, URL: config.Secret(c.URL)}, "")
	for _, body := range []string{"", "{", `{"version":"4","alerts":[]}`, `{"version":"3","alerts":[{"status":"firing"}]}`, `[]`} {
		if w := deliver(t, n, body); w.Code != 400 {
			t.Errorf("%q: status %d", body, w.Code)
		}
	}
	w := httptest.NewRecorder()
	mux := http.NewServeMux()
	mux.Handle("POST /alerts/{robot}", n)
	if mux.ServeHTTP(w, httptest.NewRequest("POST", "/alerts/nobody", strings.NewReader(burst))); w.Code != 404 {
		t.Errorf("a robot that is not there: status %d", w.Code)
	}
	if len(c.bodies) != 0 {
		t.Errorf("%d messages", len(c.bodies))
	}
}

// many is a notification of n alerts, each about size bytes long.
func many(t *testing.T, n, size int) string {
	w := webhook{Version: "4", Status: "firing", GroupLabels: map[string]string{"alertname": "GreencommunityVendorSilent"}}
	for i := range n {
		w.Alerts = append(w.Alerts, webhookAlert{
			Status: "firing", Labels: map[string]string{"severity": "warning"}, StartsAt: time.Date(2026, 3, 1, 0, 0, i, 0, time.UTC),
			Annotations: map[string]string{"summary": "厂商无数据", "description": fmt.Sprintf("厂商%d：%s。", i, strings.Repeat("默", size/3))},
		})
	}
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// A message is cut at whole alerts, to what the robot takes, and says how many
// more there are.
func TestSize(t *testing.T) {
	for _, kind := range []string{wecom, dingtalk, feishu} {
		for _, test := range []struct{ alerts, size int }{{1, 300}, {12, 300}, {13, 300}, {60, 300}, {5000, 300}, {1, 60000}, {3, 60000}, {200, 20}} {
			t.Run(fmt.Sprint(kind, test.alerts, "x", test.size), func(t *testing.T) {
				answer := ok
				if kind == feishu {
					answer = `200 {"code":0}`
				}
				c := newChat(t, answer)
				n, _ := notifier(t, Robot{Kind: kind, URL: config.Secret(c.URL), Secret: map[string]config.Secret{feishu: "s", dingtalk: "s"}[kind]}, "")
				if w := deliver(t, n, many(t, test.alerts, test.size)); w.Code != 200 {
					t.Fatal(w.Code, w.Body)
				}
				var m struct {
					Markdown struct{ Content, Text string }
					Card     struct {
						Elements []struct{ Text struct{ Content string } }
					}
				}
				if err := json.Unmarshal([]byte(c.bodies[0]), &m); err != nil {
					t.Fatal(err)
				}
				text := m.Markdown.Content + m.Markdown.Text
				size, limit := len(text), 4096
				if kind != wecom {
					size, limit = len(c.bodies[0]), 20000
				}
				if len(m.Card.Elements) == 1 {
					text = m.Card.Elements[0].Text.Content
				}
				if size > limit || !utf8.ValidString(text) {
					t.Errorf("%d bytes, at most %d", size, limit)
				}
				whole := strings.Count(text, "默。")
				more := 0
				if i := strings.Index(text, "另有"); i >= 0 {
					fmt.Sscanf(text[i:], "另有%d条未列出。", &more)
				}
				switch {
				case test.size < 10000 && whole+more != test.alerts:
					t.Errorf("%d alerts whole and %d more, of %d", whole, more, test.alerts)
				case test.size < 10000 && more > 0 && size+test.size+200 < limit:
					t.Errorf("only %d of %d bytes used, and %d left out", size, limit, more)
				case test.size > 10000 && (more != test.alerts-1 || !strings.Contains(text, "…") || size < limit-50):
					t.Errorf("one alert too long: %d more, %d bytes", more, size)
				}
				if !strings.Contains(text, "[查看详情](http://10.1.2.3:9108/)") {
					t.Error("no link to the rest")
				}
			})
		}
	}
}

// Robots stop for minutes when they are sent more than 20 messages a minute:
// what is beyond is left with Alertmanager.
func TestRateLimit(t *testing.T) {
	c := newChat(t, ok)
	r := newRobot(Robot{Kind: wecom, URL: config.Secret(c.URL), PerMinute: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := r.send(ctx, message{text: "1"}, func() {}); err != nil {
		t.Fatal(err)
	}
	if err := r.send(ctx, message{text: "2"}, func() {}); err == nil || !strings.Contains(err.Error(), "more than 2 messages a minute") {
		t.Errorf("second message: %v", err)
	}
	for _, perMinute := range []int{2, 3, 20, 100, 600} {
		l := newRobot(Robot{PerMinute: perMinute}).limiter
		if most := float64(l.Burst()) + 60*float64(l.Limit()); most > float64(perMinute)+1e-9 {
			t.Errorf("%v messages in a minute, at most %d", most, perMinute)
		}
	}
}

// Whatever the labels and texts are, a message is one, and the robot takes it.
func FuzzRender(f *testing.F) {
	f.Add([]byte(burst))
	f.Add([]byte(`{"version":"4","status":"resolved","truncatedAlerts":-5,"alerts":[{},{"labels":{"community":"a","facility":"all"},"annotations":{"description":"a（all）","runbook_url":"x"}}]}`))
	r := renderer{zone: time.UTC, page: "http://10.1.2.3/", runbooks: "https://wiki.example", now: time.Now}
	f.Fuzz(func(t *testing.T, data []byte) {
		var w webhook
		if json.Unmarshal(data, &w) != nil || len(w.Alerts) == 0 || len(data) > 1<<16 {
			return
		}
		for i := range w.Alerts { // a community's name and a runbook's address are the operator's
			if len(w.Alerts[i].Labels["community"])+len(w.Alerts[i].Annotations["runbook_url"]) > 500 || len(w.GroupLabels["community"]) > 500 {
				return
			}
		}
		for _, kind := range []string{wecom, dingtalk, feishu} {
			robot := newRobot(Robot{Kind: kind, URL: "http://robot/", Secret: "s", PerMinute: 20})
			m := r.render(&w, nil, robot.fits)
			if !robot.fits(m) {
				t.Errorf("%s: %d bytes", kind, len(m.text))
			}
			if _, body := robot.request(m); !json.Valid(body) || m.title == "" {
				t.Errorf("%s: %q, %s", kind, m.title, body)
			}
		}
	})
}

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"url": "https://qyapi.example/send?key=s3cr3t\n", "secret": "SECs3cr3t\n", "bad": "s3cr3t", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func(yaml string) (*Config, error) {
		path := filepath.Join(dir, "notify.yaml")
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(path)
	}
	c, err := load("robots:\n- {name: a, kind: wecom, url_file: url}\n- {name: b, kind: dingtalk, url_file: url, secret_file: secret, per_minute: 10}\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:9109" || c.Zone.String() != "Asia/Shanghai" || c.Robots[0].PerMinute != 20 ||
		c.Robots[1].URL.Reveal() != "https://qyapi.example/send?key=s3cr3t" || c.Robots[1].Secret.Reveal() != "SECs3cr3t" {
		t.Errorf("%+v", c)
	}
	if s := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(s, "s3cr3t") {
		t.Errorf("shows a secret: %s", s)
	}
	_, err = load(`listen: here
page: www
colour: red
robots:
- {name: "A b", kind: slack, url_file: url}
- {name: a, kind: wecom, url_file: bad, secret_file: secret}
- {name: a, kind: feishu, per_minute: 1}
- {name: c, kind: feishu, url_file: empty, url_env: X}
- {name: d, kind: feishu, url_env: GREENCOMMUNITY_NOT_SET}
- {name: e, kind: webhook, url_file: url}
- {name: f, kind: webhook, url_file: url, secret_file: secret}
`)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`listen: "here" is no address`, `page: "www" is no address`, "colour (line 3): unknown key", `robots[0].name: "A b" is no name`,
		`robots[0].kind: "slack" is none of wecom, dingtalk, feishu, webhook`, "robots[1].url_file: holds no address", "robots[1].secret_file: WeCom robots have no signature",
		`robots[2].name: "a" is another robot's already`, "robots[2].url_file: missing", "robots[2].per_minute (line 7): 1 is not between 2 and 600",
		"robots[5].secret_file: missing; give a file with a secret", "robots[6].secret_file: the secret has 9 characters, too few", "alarms: missing; a webhook is told", "roster: missing; a webhook is told",
		"robots[3].url_file: give the file or the environment variable, not both", "robots[4].url_env: environment variable GREENCOMMUNITY_NOT_SET is not set",
	} {
		if plain := regexp.MustCompile(` \(line \d+\)`).ReplaceAllString(err.Error(), ""); !strings.Contains(plain, want) && !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("shows a secret: %v", err)
	}
}

const (
	dingtalkSign = "WKRCq/U09wb0YILpBKbcNfPLXiy2Lq+3EQF38o/6O/U="
	feishuSign   = "O0p5b3GQiXDUegqyGbT88/gYuR1n6tdyb5qQJplXW0E="
)
