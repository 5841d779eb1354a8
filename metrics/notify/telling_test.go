package notify

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"greencommunity/deploy/alerting"
	"greencommunity/ingest"
	"greencommunity/ingest/config"
)

// scene is a notifier with a roster, an ingester that lists the alarms it is given, three
// robots that take down what they are told, and a clock.
type scene struct {
	t      *testing.T
	dir    string
	n      *Notifier
	log    *strings.Builder
	mu     sync.Mutex // guards alarms, down and log
	alarms map[string]*item
	down   bool
	clock  time.Time
	url    string
	robots map[string]*chat
	chats  map[string][]string  // what robots were told, for the pages
	starts map[string]time.Time // of alerts that are firing
	zone   *time.Location
	extra  []Robot // beside the three
}

const rosterText = `
quiet: [{hours: "22:00-07:00"}]
people:
- {id: wang, name: 王建国, phone: "13800001111", wecom: wangjianguo}
- {id: li, name: 李敏, phone: "13800002222", feishu: ou_7d8a}
- {id: zhao, name: 赵主任, phone: "13800003333"}
duties:
- name: 供水值班
  shifts:
  - {who: [wang], weekdays: [mon, tue, wed, thu, fri], hours: "08:00-18:00"}
  - {who: [li]}
  substitutes:
  - {for: wang, who: zhao, from: 2026-12-02, to: 2026-12-03}
receivers:
- {name: 消防, kinds: [bin_fire, smoke], robots: [duty, leaders], duty: 供水值班}
- {name: 供水, facilities: [water], robots: [duty], duty: 供水值班}
- {name: 照明, facilities: [lighting], robots: [office], quiet: [{hours: "18:00-08:30"}, {weekdays: [sat, sun]}]}
otherwise: {robots: [office]}
escalation:
- {severity: critical, after: 15m, who: [zhao], robots: [leaders]}
- {severity: critical, after: 30m, who: [li, zhao]}
- {severity: warning, after: 4h, duty: 供水值班}
`

func newScene(t *testing.T, at string) *scene {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, dir: t.TempDir(), alarms: map[string]*item{}, robots: map[string]*chat{}, starts: map[string]time.Time{}, chats: map[string][]string{}, zone: zone, log: &strings.Builder{}}
	s.at(at)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		link := func(i item) item {
			i.Link = "/#alarm=" + i.ID
			if who := r.URL.Query().Get("for"); who != "" {
				i.Signed = "/alarm/" + i.ID + "?who=" + who + "&sign=s"
			}
			return i
		}
		if r.URL.Path == "/api/v1/readings" {
			readings(w, r.URL.Query(), s.clock)
			return
		}
		if id, one := strings.CutPrefix(r.URL.Path, "/api/v1/alarms/"); one {
			if i := s.alarms[id]; i != nil {
				_ = json.NewEncoder(w).Encode(link(*i))
				return
			}
			http.Error(w, "no alarm has this id", http.StatusNotFound)
			return
		}
		items := []item{}
		for _, i := range s.alarms {
			if !i.done() {
				items = append(items, link(*i))
			}
		}
		_ = json.NewEncoder(w).Encode(items)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	for name, kind := range map[string]string{"duty": wecom, "office": dingtalk, "leaders": feishu} {
		answer := ok
		if kind == feishu {
			answer = `200 {"code":0}`
		}
		s.robots[name] = newChat(t, answer)
	}
	s.write("roster.yaml", rosterText)
	s.start()
	t.Cleanup(func() { // go test -artifacts keeps them: the messages as a person sees them
		for name, bodies := range s.chats {
			path := filepath.Join(t.ArtifactDir(), strings.ReplaceAll(t.Name(), "/", "_")+"-"+name+".html")
			if err := os.WriteFile(path, alerting.ChatPage(name, bodies), 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	return s
}

func (s *scene) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts a notifier as after a restart: with what is on disk.
func (s *scene) start() {
	s.t.Helper()
	c := &Config{Zone: s.zone, Alarms: s.url + "/api/v1/alarms", Page: "http://10.1.2.3:9108/", Runbooks: "https://wiki.example", State: filepath.Join(s.dir, "told.json"), Roster: filepath.Join(s.dir, "roster.yaml")}
	for name, kind := range map[string]string{"duty": wecom, "office": dingtalk, "leaders": feishu} {
		if s.robots[name] == nil {
			continue
		}
		c.Robots = append(c.Robots, Robot{Name: name, Kind: kind, URL: config.Secret(s.robots[name].URL), PerMinute: 600})
	}
	c.Robots = append(c.Robots, s.extra...)
	var err error
	if c.Duty, err = ReadRoster(c.Roster, c.robotNames(), s.zone); err != nil {
		s.t.Fatal(err)
	}
	if err := c.Open(); err != nil {
		s.t.Fatal(err)
	}
	s.n = New(c, func() Names {
		return Names{Communities: map[string]string{"nancheng": "南城社区"}, Facilities: map[string]string{"water": "供水", "waste": "垃圾分类", "lighting": "照明", "gate": "门禁"}}
	}, slog.New(slog.NewTextHandler(s.log, nil)), prometheus.NewRegistry())
	s.n.now = func() time.Time { return s.clock }
	for _, r := range s.n.setup.Load().robots {
		r.backoff = time.Millisecond
	}
}

func (s *scene) at(text string) {
	t, err := time.ParseInLocation("2006-01-02 15:04", text, s.zone)
	if err != nil {
		s.t.Fatal(err)
	}
	s.clock = t
}

func ptr(v float64) *float64 { return &v }

// open adds an alarm to the ingester's list.
func (s *scene) open(i item) *item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.Community == "" {
		i.Community, i.CommunityName = "nancheng", "南城社区"
	}
	if i.Status == "" {
		i.Status = "open"
	}
	if i.Began.IsZero() {
		i.Began = s.clock.Add(-90 * time.Minute)
	}
	if i.Since.IsZero() {
		i.Since = i.Began
	}
	s.alarms[i.ID] = &i
	return &i
}

func leak(id string) item {
	return item{ID: id, Kind: "continuous_flow", Severity: "warning", Facility: "water", Device: "meter-" + id, DeviceName: id + "号楼水表", CompoundName: "锦绣家园", Address: "建设路12号",
		Value: ptr(13.2), Peak: ptr(20), Unit: "L/h", Size: ptr(316.8), SizeUnit: "L", Cost: ptr(1.27), Why: zh("流量26小时未归零，最小小时流量13.2升。"), Advice: zh("请住户关闭所有龙头，看表上小指针是否还转。")}
}

func fire(id string) item {
	return item{ID: id, Kind: "bin_fire", Severity: "critical", Facility: "waste", Device: "bin-" + id, DeviceName: id + "号垃圾桶", CompoundName: "锦绣家园", Address: "东门",
		Value: ptr(190), Peak: ptr(230), Unit: "Cel", Why: zh("桶内190 ℃，周围约21 ℃。"), Advice: zh("有明火先报119。"), Confidence: ptr(0.92), Judged: judged(11, 0)}
}

// alert posts what Alertmanager says of alarms: firing, or resolved.
func (s *scene) alert(status string, items ...item) int {
	s.t.Helper()
	var alerts []webhookAlert
	for _, i := range items {
		print := i.ID + i.Severity
		if s.starts[print].IsZero() {
			s.starts[print] = s.clock
		}
		a := webhookAlert{Status: status, StartsAt: s.starts[print], Fingerprint: print, Labels: map[string]string{
			"alertname": "Greencommunity" + i.Kind, "alarm": i.ID, "community": "nancheng", "facility": i.Facility, "kind": i.Kind, "severity": i.Severity, "device": i.Device,
		}}
		if status == "resolved" {
			a.EndsAt = s.clock
			delete(s.starts, print)
		}
		alerts = append(alerts, a)
	}
	body, err := json.Marshal(webhook{Version: "4", Status: status, Alerts: alerts})
	if err != nil {
		s.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /alerts", s.n)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", "/alerts", strings.NewReader(string(body))))
	return w.Code
}

// turn has the robots say what is due.
func (s *scene) turn() {
	var wait sync.WaitGroup
	s.n.tellRobots(s.t.Context(), s.clock, &wait)
	wait.Wait()
}

// later lets time pass, a turn a minute.
func (s *scene) later(d time.Duration) {
	for end := s.clock.Add(d); s.clock.Before(end); {
		s.clock = s.clock.Add(min(time.Minute, end.Sub(s.clock)))
		s.n.sweep(s.t.Context(), s.clock)
		s.n.noteChanges(s.t.Context(), s.clock)
		s.turn()
	}
}

// said returns what a robot was told since the last time, as texts.
func (s *scene) said(robot string) (texts []string) {
	s.t.Helper()
	c := s.robots[robot]
	c.mu.Lock()
	defer c.mu.Unlock()
	s.chats[robot] = append(s.chats[robot], c.bodies...)
	for _, body := range c.bodies {
		if text := textOf(s.t, body); text != "" { // a picture has none
			texts = append(texts, text)
		}
	}
	c.bodies = nil
	return texts
}

// textOf is what a person reads of a robot's request.
func textOf(t *testing.T, body string) string {
	t.Helper()
	var m struct {
		Markdown struct{ Content, Text string }
		Text     struct {
			Content string
			Ids     []string `json:"mentioned_list"`
			Phones  []string `json:"mentioned_mobile_list"`
		}
		At   struct{ AtMobiles, AtUserIds []string }
		Card struct {
			Header   struct{ Title struct{ Content string } }
			Elements []struct{ Text struct{ Content string } }
		}
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatal(err, body)
	}
	text := m.Markdown.Content + m.Markdown.Text + m.Text.Content
	for _, e := range m.Card.Elements {
		text += m.Card.Header.Title.Content + "\n" + e.Text.Content
	}
	if called := append(append(m.Text.Ids, m.Text.Phones...), append(m.At.AtMobiles, m.At.AtUserIds...)...); len(called) > 0 {
		text += " →" + strings.Join(called, ",")
	}
	return text
}

func wantSaid(t *testing.T, texts []string, wanted ...[]string) {
	t.Helper()
	if len(texts) != len(wanted) {
		t.Fatalf("%d messages, want %d:\n%s", len(texts), len(wanted), strings.Join(texts, "\n---\n"))
	}
	for i, words := range wanted {
		for _, w := range words {
			if !strings.Contains(texts[i], w) {
				t.Errorf("message %d has no %q:\n%s", i, w, texts[i])
			}
		}
	}
}

func zh(s string) ingest.Text { return ingest.Text{ZH: s} }

func judged(right, wrong uint64) (j struct {
	Right uint64 `json:"right"`
	Wrong uint64 `json:"false"`
}) {
	j.Right, j.Wrong = right, wrong
	return j
}

// readings answers as the ingester does: of meters a register of three days whose flow does not
// rest since a day.
func readings(w io.Writer, q url.Values, now time.Time) {
	type row struct {
		Time  time.Time `json:"time"`
		Value float64   `json:"value"`
	}
	rows := []row{}
	if q.Get("quantity") == "water_volume_total" && strings.HasPrefix(q.Get("device"), "meter-") {
		register := 120.0
		for h := 72; h >= 0; h-- {
			at := now.Add(-time.Duration(h) * time.Hour)
			if hour := at.Hour(); hour > 6 && hour < 23 && hour%3 != 0 {
				register += 0.012 * float64(hour%7)
			}
			if h < 26 {
				register += 0.0132
			}
			rows = append(rows, row{at, register})
		}
	}
	_ = json.NewEncoder(w).Encode(rows)
}

// WeCom gets a picture of the series behind the message; where there are no readings, none.
func TestPicture(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	a := leak("3")
	a.Began = s.clock.Add(-26 * time.Hour)
	s.open(a)
	s.open(fire("7"))
	s.alert("firing", a)
	s.turn()
	c := s.robots["duty"]
	c.mu.Lock()
	bodies := c.bodies
	c.mu.Unlock()
	if len(bodies) != 3 {
		t.Fatalf("%d messages, want the message, the mention and the picture", len(bodies))
	}
	var m struct {
		Msgtype string
		Image   struct{ Base64, Md5 string }
	}
	if err := json.Unmarshal([]byte(bodies[2]), &m); err != nil || m.Msgtype != "image" {
		t.Fatal(err, m.Msgtype)
	}
	data, err := base64.StdEncoding.DecodeString(m.Image.Base64)
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", md5.Sum(data)); sum != m.Image.Md5 || len(data) > pictureBytes {
		t.Errorf("MD5 %s of %d bytes, said %s", sum, len(data), m.Image.Md5)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	red, blue := 0, 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			switch img.At(x, y) {
			case mark:
				red++
			case curve:
				blue++
			}
		}
	}
	if red < 500 || blue < 2000 {
		t.Errorf("%d red pixels and %d blue ones: no curve, or no beginning", red, blue)
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "leak.png"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	s.said("duty")
	s.alert("firing", fire("7"))
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【紧急】垃圾桶起火"}, nil)
}

// Doors and lamps are as they were until the next reading; an hour has times below it as a day has.
func TestPictureOfAState(t *testing.T) {
	at := time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	data := drawn([]sample{{at, 0}, {at.Add(12 * time.Minute), 1}, {at.Add(20 * time.Minute), 1}}, at.Add(12*time.Minute), shownOf["gate"][0], time.UTC)
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	// Half the way to the opening the door is shut: the curve is at the bottom.
	x := pictureScale * (64 + (pictureWidth-64-16)*6/20)
	for y := range pictureScale * (pictureHeight - 40) {
		if img.At(x, y) == curve {
			t.Fatalf("the door is half open at %d", y)
		}
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), "door.png"), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// All seven are in each robot's message: what, where, since when by the device's clock, how sure,
// how big, what to do, and who with the link; and no identifier of ours.
func TestSevenParts(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	a := fire("7")
	s.open(a)
	if code := s.alert("firing", a); code != 200 {
		t.Fatal(code)
	}
	s.turn()
	seven := []string{"【紧急】垃圾桶起火 · 南城社区 7号垃圾桶", "**地点**：南城社区 锦绣家园 7号垃圾桶（东门）", "桶内190 ℃", "12月1日 08:30（设备时间）起，已1小时30分钟",
		"现190 ℃；最高230 ℃", "约92%（同类告警判定过11次，11次属实）", "**先做**：有明火先报119", "**值班**：王建国", "[王建国点此确认、派单](http://10.1.2.3:9108/alarm/7?who="}
	wantSaid(t, s.said("duty"), seven, []string{"请王建国处理", "→wangjianguo"})
	wantSaid(t, s.said("leaders"), seven)
	b := leak("3")
	b.Kind, b.Facility, b.Device, b.DeviceName = "held_open", "gate", "gate-5", "" // no name: the id is all there is
	s.open(b)
	s.alert("firing", b)
	s.turn()
	wantSaid(t, s.said("office"), []string{"【一般】", "**地点**：南城社区 锦绣家园 门禁设备gate-5（建设路12号）", "每天约317升，约1.3元", "同类告警还没有人工判定", "[查看详情](http://10.1.2.3:9108/#alarm=3)"})
}

// Case 16: since when it is wrong comes from the device's clock, not from when Prometheus saw it,
// and the value is the newest.
func TestAnomaly16MessageSince(t *testing.T) {
	s := newScene(t, "2026-11-28 11:35")
	a := leak("029")
	a.Began = time.Date(2026, 11, 27, 11, 0, 0, 0, time.UTC) // 19:00 the day before
	a.Since = a.Began
	live := s.open(a)
	s.alert("firing", a)
	s.turn()
	wantSaid(t, s.said("duty"), []string{"11月27日 19:00（设备时间）起，已16小时35分钟"}, []string{"请李敏处理"})

	b := fire("7")
	b.Value, b.Peak = ptr(86), ptr(86)
	burning := s.open(b)
	s.alert("firing", b)
	s.mu.Lock()
	burning.Value, burning.Peak = ptr(190), ptr(190) // by when it is told
	live.Value = ptr(940)
	s.mu.Unlock()
	s.turn()
	wantSaid(t, s.said("duty"), []string{"现190 ℃"}, nil)
	s.later(25 * time.Hour)
	for _, text := range s.said("duty") {
		if strings.Contains(text, "029号楼") && strings.HasPrefix(text, "### ") && strings.Contains(text, "11月28日 11:") {
			t.Errorf("begins when it was seen:\n%s", text)
		}
	}
}

// Case 18: each device that is new is told by itself, however many of its kind are open there.
func TestAnomaly18SecondLeakUntold(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	for n, a := range []item{leak("3"), leak("4"), leak("5")} {
		s.open(a)
		all := []item{leak("3"), leak("4"), leak("5")}[:n+1]
		s.alert("firing", all...) // Alertmanager says all of the group
		s.turn()
		want := []string{"持续流量（疑似漏水） · 南城社区 " + a.DeviceName}
		if n > 0 {
			want = append(want, "本社区同类告警另有"+string(rune('0'+n))+"处未恢复")
		}
		texts := s.said("duty")
		wantSaid(t, texts, want, nil)
		for _, other := range all[:n] {
			if strings.Contains(texts[0], other.DeviceName) {
				t.Errorf("tells %s again:\n%s", other.DeviceName, texts[0])
			}
		}
		s.later(400 * time.Second)
	}
	wantSaid(t, s.said("duty"))
}

// Case 20: a fire whose sensor burnt is told again until somebody has it, and then no more; a
// device that is taken out ends its alarm, and the message says so.
func TestAnomaly20BurntSensor(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	a := fire("7")
	live := s.open(a)
	s.alert("firing", a)
	s.turn()
	s.said("duty")
	s.later(5 * time.Hour)
	again := 0
	for _, text := range s.said("duty") {
		if strings.Contains(text, "【未确认】1处告警仍无人确认") && strings.Contains(text, "**提醒**：仍无人确认") {
			again++
		}
	}
	if again != 2 {
		t.Errorf("told again %d times in five hours, want 2", again)
	}
	s.mu.Lock()
	live.Status, live.Assignee = "assigned", "王建国"
	s.mu.Unlock()
	s.later(48 * time.Hour)
	wantSaid(t, s.said("duty"))
	s.mu.Lock()
	closed := s.clock
	live.Status, live.Reason, live.Closed = "cleared", "removed", &closed
	s.mu.Unlock()
	s.alert("resolved", a)
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【已结束】垃圾桶起火 · 南城社区 7号垃圾桶", "设备已从清单中移除", "历时2天", "**经办**：王建国"})
}

// What cleared, after how long, who had it, and why: by itself, by a person, as false.
func TestOver(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*item)
		want []string
	}{
		"by itself": {func(i *item) { i.Status, i.Assignee = "cleared", "王建国" },
			[]string{"【已恢复】持续流量（疑似漏水） · 南城社区 3号楼水表", "12月1日 08:30 至 12月1日 12:00，历时3小时30分钟", "**合计**：约46.2升", "自动解除", "**经办**：王建国"}},
		"nobody had it": {func(i *item) { i.Status = "cleared" }, []string{"【已恢复】", "**经办**：无人认领"}},
		"by a person": {func(i *item) {
			i.Status, i.Reason = "cleared", "已换阀门"
			i.History = history("cleared", "李敏")
		}, []string{"【已恢复】", "由李敏关闭：已换阀门", "**经办**：李敏"}},
		"false": {func(i *item) {
			i.Status, i.Reason = "false", "诊所全天用水"
			i.History = history("false", "李敏")
		}, []string{"【误报】", "判为误报：诊所全天用水", "**经办**：李敏"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, "2026-12-01 10:00")
			live := s.open(leak("3"))
			s.alert("firing", leak("3"))
			s.turn()
			s.said("duty")
			s.later(2 * time.Hour)
			s.mu.Lock()
			closed := s.clock
			live.Closed = &closed
			c.set(live)
			s.mu.Unlock()
			s.alert("resolved", leak("3"))
			s.turn()
			s.alert("resolved", leak("3")) // once more, as Alertmanager may
			s.later(10 * time.Minute)
			wantSaid(t, s.said("duty"), c.want)
		})
	}
}

// A device that is silenced, or that another alarm stands for, is not shown any more: nothing
// has cleared, and nothing is told. When the window is over it is told as what it is.
func TestSilencedIsNotCleared(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	live := s.open(leak("3"))
	s.alert("firing", leak("3"))
	s.turn()
	s.said("duty")
	s.mu.Lock()
	live.Silenced = "检修"
	s.mu.Unlock()
	s.alert("resolved", leak("3"))
	s.later(30 * time.Minute)
	wantSaid(t, s.said("duty"))
	s.mu.Lock()
	live.Silenced = ""
	s.mu.Unlock()
	s.alert("firing", leak("3"))
	s.turn()
	wantSaid(t, s.said("duty"), []string{"### 【一般】持续流量"}, nil)

	// What has cleared and is back says so.
	s.mu.Lock()
	closed := s.clock
	live.Status, live.Closed = "cleared", &closed
	s.mu.Unlock()
	s.alert("resolved", leak("3"))
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【已恢复】"})
	s.mu.Lock()
	live.Status, live.Closed = "open", nil
	s.mu.Unlock()
	s.alert("firing", leak("3"))
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【再次·一般】", "恢复后再次发生"}, nil)
}

// Nights are for what cannot wait. The rest is told in the morning as one message, also what came
// and went; a restart in between loses nothing and repeats nothing.
func TestNight(t *testing.T) {
	s := newScene(t, "2026-12-01 23:30")
	one, two, gone := leak("1"), leak("2"), leak("3")
	live := s.open(gone)
	s.open(one)
	s.open(two)
	s.alert("firing", one, two, gone)
	s.turn()
	burning := fire("7")
	s.open(burning)
	s.alert("firing", burning)
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【紧急】垃圾桶起火"}, nil)
	s.later(2 * time.Hour)
	s.said("duty") // the fire's escalation
	s.mu.Lock()
	closed := s.clock
	live.Status, live.Closed = "cleared", &closed
	s.alarms["7"].Status = "acknowledged"
	s.mu.Unlock()
	s.alert("resolved", gone)
	s.later(time.Hour)
	s.start() // a restart at 02:30
	s.later(4*time.Hour + 29*time.Minute)
	wantSaid(t, s.said("duty"))
	// One that gets worse in the night is told at once.
	worse := two
	worse.Severity, worse.Value = "critical", ptr(240)
	s.open(worse)
	s.clock = s.clock.Add(-time.Hour)
	s.alert("firing", worse)
	s.turn()
	texts := s.said("duty")
	wantSaid(t, texts, []string{"【紧急】持续流量（疑似漏水） · 南城社区 2号楼水表", "现240升/小时"}, nil)
	s.mu.Lock()
	s.alarms["2"].Status = "acknowledged"
	s.mu.Unlock()
	s.later(time.Hour)
	s.start() // and another, before it is told
	wantSaid(t, s.said("duty"))
	s.later(2 * time.Minute)
	texts = s.said("duty")
	wantSaid(t, texts, []string{"【汇总】免打扰时段告警2处，1处未恢复", "**未恢复**\n- 南城社区 锦绣家园 1号楼水表", "**已恢复**\n- 南城社区 锦绣家园 3号楼水表", "[处理]("}, nil)
	s.later(4 * time.Hour)
	for _, text := range s.said("duty") {
		if !strings.Contains(text, "【升级·一般】") && !strings.HasPrefix(text, "请") {
			t.Errorf("told again:\n%s", text)
		}
	}
}

// A receiver may have quiet hours of its own: lamps wait for Monday.
func TestQuietOfAReceiver(t *testing.T) {
	s := newScene(t, "2026-12-04 17:00") // a Friday
	lamp := item{ID: "l1", Kind: "outage", Severity: "warning", Facility: "lighting", Device: "lamp-1", DeviceName: "1号灯", Why: zh("天黑后功率仅1瓦。")}
	s.open(lamp)
	s.alert("firing", lamp)
	s.turn()
	wantSaid(t, s.said("office"), []string{"【一般】"})
	second := lamp
	second.ID, second.DeviceName = "l2", "2号灯"
	s.open(second)
	s.later(90 * time.Minute)
	s.alert("firing", second)
	s.later(61*time.Hour + 59*time.Minute) // until Monday 08:29
	wantSaid(t, s.said("office"))
	s.later(5 * time.Minute)
	texts := s.said("office")
	if len(texts) == 0 || !strings.Contains(strings.Join(texts, "\n"), "【汇总】免打扰时段告警1处，均未恢复") || !strings.Contains(strings.Join(texts, "\n"), "2号灯") {
		t.Errorf("on Monday: %q", texts)
	}
}

// Nobody confirms: the next person, and the next robot, once a step. Who confirms ends it.
func TestEscalation(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	burst := leak("3")
	burst.Kind, burst.Severity = "burst", "critical"
	live := s.open(burst)
	s.alert("firing", burst)
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【紧急】爆管"}, nil)
	s.later(14 * time.Minute)
	wantSaid(t, s.said("leaders"))
	s.start() // what was told outlives a restart
	s.later(2 * time.Minute)
	wantSaid(t, s.said("leaders"), []string{"【升级·紧急】爆管 · 南城社区 3号楼水表，15分钟无人确认", "**提醒**：已通知王建国，15分钟无人确认", "**现请**：赵主任", "[赵主任点此确认、派单]("})
	wantSaid(t, s.said("duty"))
	s.later(13 * time.Minute)
	s.start()
	s.later(2 * time.Minute)
	wantSaid(t, s.said("duty"), []string{"30分钟无人确认", "**现请**：李敏、赵主任"}, []string{"请李敏、赵主任处理", "→13800002222,13800003333"})
	s.later(time.Hour)
	wantSaid(t, s.said("leaders"))
	wantSaid(t, s.said("duty"))
	s.mu.Lock()
	closed := s.clock
	live.Status, live.Assignee, live.Closed = "cleared", "赵主任", &closed
	s.mu.Unlock()
	s.alert("resolved", burst)
	s.turn()
	wantSaid(t, s.said("leaders"), []string{"【已恢复】爆管", "**经办**：赵主任"})

	// Confirmed in time: nobody else hears of it.
	second := burst
	second.ID = "4"
	live = s.open(second)
	s.alert("firing", second)
	s.turn()
	s.mu.Lock()
	live.Status = "acknowledged"
	s.mu.Unlock()
	s.said("duty")
	s.later(5 * time.Hour)
	wantSaid(t, s.said("leaders"))

	// The ingester does not answer: nobody can say whether somebody has it, so the next is told.
	third := burst
	third.ID = "5"
	s.open(third)
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	s.alert("firing", third)
	s.turn()
	wantSaid(t, s.said("duty")[:1], []string{"【紧急】爆管 · 南城社区", "采集服务没有应答"})
	s.later(16 * time.Minute)
	wantSaid(t, s.said("leaders"), []string{"【升级·紧急】爆管", "不知道是否已有人处理"})
}

// Prometheus misses scrapes of a busy ingester, and Alertmanager says that a fire is over and back,
// whether or not that is looked at in between. It burns on: it is told once, whoever is next is told
// in time and once, and so is its end.
func TestMissedScrapesDoNotDelayEscalation(t *testing.T) {
	for _, seen := range []bool{true, false} {
		s := newScene(t, "2026-12-01 10:00")
		burst := leak("3")
		burst.Kind, burst.Severity = "burst", "critical"
		live := s.open(burst)
		s.alert("firing", burst)
		s.turn()
		s.said("duty")
		gap := func() {
			s.alert("resolved", burst)
			if seen {
				s.turn()
			}
			s.clock = s.clock.Add(time.Second) // another start of the alert
			s.alert("firing", burst)
			s.turn()
		}
		for range 14 {
			s.later(time.Minute)
			gap()
		}
		wantSaid(t, s.said("duty"))
		wantSaid(t, s.said("leaders"))
		s.later(2 * time.Minute)
		wantSaid(t, s.said("leaders"), []string{"【升级·紧急】爆管 · 南城社区 3号楼水表"})
		gap()
		s.later(2 * time.Minute)
		wantSaid(t, s.said("leaders"))
		wantSaid(t, s.said("duty"))
		if seen { // the last gap goes on until the alarm is over, which nobody says
			s.alert("resolved", burst)
			s.turn()
		}
		s.mu.Lock()
		closed := s.clock
		live.Status, live.Closed = "cleared", &closed
		s.mu.Unlock()
		if !seen {
			s.alert("resolved", burst)
		}
		s.later(11 * time.Minute)
		wantSaid(t, s.said("leaders"), []string{"【已恢复】爆管"})
		wantSaid(t, s.said("duty"), []string{"【已恢复】爆管"})
	}
}

// An end that Alertmanager does not say, because another alert holds the alarm back by then,
// is told all the same; it gets worse and back, which are two alerts, and ends once.
func TestEndIsToldOnce(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	live := s.open(leak("3"))
	s.alert("firing", leak("3"))
	s.turn()
	s.said("duty")
	s.later(time.Hour)
	s.mu.Lock()
	closed := s.clock
	live.Status, live.Closed = "cleared", &closed
	s.mu.Unlock()
	s.later(20 * time.Minute)
	s.alert("firing", leak("3")) // Alertmanager's group says it once more
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【已恢复】"})

	worse := leak("4")
	live = s.open(worse)
	s.alert("firing", worse)
	s.turn()
	critical := worse
	critical.Severity = "critical"
	s.alert("firing", critical)
	s.turn()
	texts := s.said("duty")
	if all := strings.Join(texts, "\n"); !strings.Contains(all, "【加重·紧急】") || !strings.Contains(all, "比上次通知时加重") {
		t.Errorf("%s", all)
	}
	s.alert("resolved", worse) // the milder alert ends: the alarm goes on
	s.turn()
	wantSaid(t, s.said("duty"))
	s.mu.Lock()
	live.Status, live.Closed = "cleared", &closed
	s.mu.Unlock()
	s.alert("resolved", critical)
	s.later(10 * time.Minute)
	wantSaid(t, s.said("duty"), []string{"【已恢复】"})
}

// What changes while a robot is being told is told next: it gets worse, it is over, it is back.
func TestChangesWhileTold(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	tell := s.n.setup.Load().telling
	roster := s.n.setup.Load().roster
	during := func(change func()) {
		t.Helper()
		list := tell.due("duty", wecom, roster, s.clock)
		if len(list) != 1 {
			t.Fatalf("%d to be told", len(list))
		}
		change()
		tell.done("duty", list, s.clock)
	}
	a := leak("3")
	live := s.open(a)
	s.alert("firing", a)
	worse := a
	worse.Severity = "critical"
	during(func() { s.alert("firing", worse) })
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【加重·紧急】"}, nil)

	s.alert("resolved", a)
	s.alert("resolved", worse)
	during(func() { s.alert("firing", a) })
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【再次·"}, nil)

	b := leak("4")
	other := s.open(b)
	s.alert("firing", b)
	during(func() { s.alert("resolved", b) })
	s.mu.Lock()
	closed := s.clock
	other.Status, other.Closed = "cleared", &closed
	live.Status = "acknowledged"
	s.mu.Unlock()
	s.turn()
	wantSaid(t, s.said("duty"), []string{"【已恢复】", "4号楼水表"})
}

// A robot that is away, and a file that cannot be written, lose nothing.
func TestNothingIsLost(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	s.robots["duty"].mu.Lock()
	s.robots["duty"].answers = []string{"502 no"}
	s.robots["duty"].mu.Unlock()
	a := leak("3")
	s.open(a)
	if code := s.alert("firing", a); code != 200 {
		t.Fatal(code)
	}
	s.turn()
	s.start()
	s.robots["duty"].mu.Lock()
	s.robots["duty"].answers, s.robots["duty"].bodies = []string{ok}, nil
	s.robots["duty"].mu.Unlock()
	s.turn()
	wantSaid(t, s.said("duty"), []string{"3号楼水表"}, nil)

	// Refused: a wrong key is not tried each second.
	s.robots["duty"].mu.Lock()
	s.robots["duty"].answers = []string{`200 {"errcode":93000,"errmsg":"invalid webhook url"}`}
	s.robots["duty"].mu.Unlock()
	b := leak("4")
	s.open(b)
	s.alert("firing", b)
	for range 100 {
		s.turn()
	}
	if texts := s.said("duty"); len(texts) != 1 {
		t.Errorf("a refusing robot is asked %d times", len(texts))
	}
	s.robots["duty"].mu.Lock()
	s.robots["duty"].answers = []string{ok}
	s.robots["duty"].mu.Unlock()
	s.later(6 * time.Minute)
	wantSaid(t, s.said("duty"), []string{"4号楼水表"}, nil)

	// Nor is one that is to tell the next in line.
	s.robots["leaders"].mu.Lock()
	s.robots["leaders"].answers = []string{`400 {"code":19021,"msg":"sign match fail"}`}
	s.robots["leaders"].mu.Unlock()
	burst := leak("9")
	burst.Kind, burst.Severity = "burst", "critical"
	s.open(burst)
	s.alert("firing", burst)
	s.turn()
	s.clock = s.clock.Add(16 * time.Minute)
	for range 50 {
		s.turn()
	}
	if texts := s.said("leaders"); len(texts) != 1 {
		t.Errorf("a refusing robot is asked %d times to tell the next", len(texts))
	}
	s.mu.Lock()
	s.alarms["9"].Status = "acknowledged"
	s.mu.Unlock()
	s.said("duty")

	// The file cannot be written: it is told all the same, and Alertmanager keeps it.
	path := s.n.setup.Load().telling.path
	s.n.setup.Load().telling.path = filepath.Join(s.dir, "missing", "told.json")
	c := leak("5")
	s.open(c)
	if code := s.alert("firing", c); code != 503 {
		t.Errorf("answered %d with nothing on disk", code)
	}
	s.turn()
	s.n.setup.Load().telling.path = path
	s.alert("firing", c)
	s.later(time.Minute)
	wantSaid(t, s.said("duty"), []string{"5号楼水表"}, nil)

	// What waits for a robot that has left goes to those who are told now.
	s.at("2026-12-02 23:00")
	d := leak("6")
	s.open(d)
	s.alert("firing", d)
	s.turn()
	s.write("roster.yaml", strings.ReplaceAll(rosterText, "[duty", "[office"))
	s.robots["office"], s.robots["duty"] = s.robots["duty"], nil
	s.start()
	s.later(8*time.Hour + 2*time.Minute)
	if all := strings.Join(s.said("office"), "\n"); !strings.Contains(all, "【汇总】") || !strings.Contains(all, "6号楼水表") {
		t.Errorf("what waited for a robot that has left: %s", all)
	}

	// A damaged file is put aside.
	s.write("told.json", "{")
	s.start()
	if _, err := os.Stat(filepath.Join(s.dir, "told.json.damaged")); err != nil {
		t.Error(err)
	}
}

// Who is on duty: by weekday, hour and date, with those who stand in.
func TestOnDuty(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	roster := s.n.setup.Load().roster
	for at, want := range map[string]string{
		"2026-12-01 10:00": "王建国", "2026-12-01 07:59": "李敏", "2026-12-01 18:00": "李敏", "2026-12-05 10:00": "李敏",
		"2026-12-02 10:00": "赵主任", "2026-12-03 17:59": "赵主任", "2026-12-04 08:00": "王建国",
	} {
		s.at(at)
		if got := names(roster.onDuty("供水值班", s.clock)); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
}

// The roster is read again when it changes; a wrong one changes nothing, and says where and what
// to do.
func TestRosterIsReadAgain(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	s.n.rereadRoster()
	s.write("roster.yaml", strings.Replace(rosterText, "name: 王建国", "name: 孙工", 1)+"# changed\n")
	s.n.rereadRoster()
	a := leak("3")
	s.open(a)
	s.alert("firing", a)
	s.turn()
	wantSaid(t, s.said("duty"), []string{"**值班**：孙工"}, nil)
	s.write("roster.yaml", "people: [")
	s.n.rereadRoster()
	if !strings.Contains(s.log.String(), "the one before stays in force") {
		t.Error(s.log)
	}
	if s.n.setup.Load().roster.person("wang").Name != "孙工" {
		t.Error("a wrong roster is taken")
	}
}

func TestRosterIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "roster.yaml")
	if err := os.WriteFile(path, []byte(`quiet: [{hours: "22-7"}]
people:
- {id: wang, name: 王建国, phone: "138 0000", wecom: "<@x>"}
- {id: wang, name: ""}
duties:
- name: 供水
  shifts: [{who: [wang, nobody], weekdays: [monday]}]
- name: 照明
  shifts: [{who: [wang], hours: "08:00-18:00"}]
- name: 门禁
  shifts: [{who: [wang]}]
  substitutes: [{for: wang, who: li, from: 2026-12-07, to: 2026-12-01}]
receivers:
- {name: a, robots: [pager], duty: 供电, kinds: [leak], severities: [info]}
- {name: a, colour: red}
otherwise: {communities: [nancheng]}
escalation:
- {after: 10s, severity: fatal}
repeat: {critical: 1m}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := ReadRoster(path, []string{"duty", "office"}, time.UTC)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`quiet[0].hours (line 1): "22-7" is no part of a day; write "22:00-07:00"`, `people[0].phone (line 3): "138 0000" is no number`, `people[0].wecom (line 3): "<@x>" is no id`,
		`people[1].id (line 4): "wang" is somebody else's already`, `people[1].name (line 4): missing`, `duties[0].shifts[0].who[1] (line 7): "nobody" is nobody's id; there are wang`,
		`duties[0].shifts[0].weekdays[0] (line 7): "monday" is no day`, `duties[1].shifts (line 9): nobody is on duty on Monday at 00:00; end with a shift that has only who`,
		`duties[2].substitutes[0].who[0] (line 12): "li" is nobody's id`, `duties[2].substitutes[0].to (line 12): 2026-12-01 is before from`,
		`receivers[0].robots[0] (line 14): "pager" is no robot of notify.yaml; there are duty, office`, `receivers[0].duty (line 14): "供电" is no duty; there are 供水, 照明, 门禁`,
		`receivers[0].kinds[0] (line 14): "leak" is no kind of alarm`, `receivers[0].severities[0] (line 14): "info" is none`, `colour (line 15): unknown key`, `receivers[1].name (line 15): "a" is another line's already`,
		`otherwise (line 16): takes whatever no other line does`, `otherwise.robots (line 16): missing; name robots of notify.yaml: duty, office`,
		`escalation[0].severity (line 18): "fatal" is none`, `escalation[0].after (line 18): 10s is not between 1m and 7d`, `escalation[0] (line 18): tells nobody`, `repeat.critical (line 19): 1m0s is too often`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

// A storm of many alarms is few messages, each as the robot takes it, and none is lost silently.
func TestStorm(t *testing.T) {
	s := newScene(t, "2026-12-01 10:00")
	var lamps []item
	for n := range 500 {
		lamp := item{ID: fmt.Sprintf("l%03d", n), Kind: "outage", Severity: "warning", Facility: "lighting", Device: fmt.Sprint("lamp-", n), DeviceName: fmt.Sprintf("建设路%d号灯", n), Why: zh("天黑后功率仅1瓦，额定60瓦。")}
		s.open(lamp)
		lamps = append(lamps, lamp)
	}
	s.alert("firing", lamps...)
	s.turn()
	bodies := s.robots["office"].bodies
	texts := s.said("office")
	if len(texts) != 1 || !strings.Contains(texts[0], "照明") && !strings.Contains(texts[0], "500处") {
		t.Fatalf("%d messages: %.300s", len(texts), strings.Join(texts, "\n"))
	}
	if len(bodies[0]) > bodyBytes || !strings.Contains(texts[0], "处未列出，请打开页面查看") {
		t.Errorf("%d bytes: …%s", len(bodies[0]), texts[0][max(0, len(texts[0])-200):])
	}
}

// Whatever the texts are and however many, each robot takes the message, it is UTF-8, and what a
// device or an inventory says becomes no link, mention or headline.
func TestMessageFits(t *testing.T) {
	evil := "[点我](http://evil)<at id=all></at>\n### 假 @all **x** `y` "
	for _, kind := range []string{wecom, dingtalk, feishu} {
		robot := newRobot(Robot{Kind: kind, URL: "http://robot/", Secret: "s", PerMinute: 20})
		r := renderer{zone: time.UTC, page: "http://10.1.2.3/", runbooks: "https://wiki.example", now: time.Now}
		for _, about := range []about{raised, waited, ended, repeated, escalated} {
			for _, count := range []int{1, 4, 60} {
				for _, length := range []int{0, 400, 8000} {
					var group []saying
					for n := range count {
						i := leak(fmt.Sprint(n))
						i.DeviceName, i.Address, i.CommunityName = evil+strings.Repeat("长", length), evil, evil
						i.Why, i.Reason, i.Assignee, i.Status = zh(evil), evil, evil, "open"
						if about == ended || about == waited && n%2 == 1 {
							i.Status = "cleared"
						}
						group = append(group, saying{id: fmt.Sprint(n), about: about, severity: "warning", item: &i, who: []Person{{ID: "a", Name: evil, Phone: "13800000000"}},
							t: told{Labels: map[string]string{"alarm": "a", "kind": "continuous_flow", "community": "c"}}})
					}
					m := r.message(group, time.Now(), 3, robot.fits)
					if !robot.fits(m) || !utf8.ValidString(m.text) || m.title == "" {
						t.Fatalf("%s, %d of %d: %d bytes, %q", kind, count, length, len(m.text), m.title)
					}
					for _, bad := range []string{"](http://evil", "<at id=all", "\n### 假", "@all", "`y`"} {
						if strings.Contains(m.text, bad) {
							t.Fatalf("%s has %q:\n%s", kind, bad, m.text)
						}
					}
				}
			}
		}
	}
}

func history(what, by string) (h []struct {
	At       time.Time `json:"at"`
	What     string    `json:"status"`
	By       string    `json:"by"`
	Assignee string    `json:"assignee"`
	Comment  string    `json:"comment"`
	Reason   string    `json:"reason"`
}) {
	_ = json.Unmarshal([]byte(`[{"status":"acknowledged","by":"`+by+`"},{"status":"`+what+`","by":"`+by+`"}]`), &h)
	return h
}
