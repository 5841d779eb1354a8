package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"greencommunity/deploy/alerting"
)

// chatGroup is a group of people with a robot: what it was told, as bodies of requests.
type chatGroup struct {
	*httptest.Server
	kind string
	mu   sync.Mutex // guards the rest
	all  []string
	seen int // of all, by expect
}

func newChatGroup(t *testing.T, kind string) *chatGroup {
	c := &chatGroup{kind: kind}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, string(body))
		if kind == "feishu" {
			io.WriteString(w, `{"code":0,"msg":"success"}`)
			return
		}
		io.WriteString(w, `{"errcode":0,"errmsg":"ok"}`)
	}))
	t.Cleanup(c.Close)
	return c
}

// expect waits for a message with all of the words among those that were not waited for yet, and
// returns its text.
func (c *chatGroup) expect(t *testing.T, limit time.Duration, words ...string) string {
	t.Helper()
	var found string
	eventually(t, limit, fmt.Sprintf("%s: a message with %q", c.kind, words), func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
	next:
		for _, body := range c.all[c.seen:] {
			s := alerting.Read(body)
			text := s.Title + "\n" + s.Text
			for _, w := range words {
				if !strings.Contains(text, w) {
					continue next
				}
			}
			found = text
			return nil
		}
		return errors.New(strings.Join(c.all[c.seen:], "\n"))
	})
	return found
}

// count returns how many messages have all of the words.
func (c *chatGroup) count(words ...string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
next:
	for _, body := range c.all {
		s := alerting.Read(body)
		for _, w := range words {
			if !strings.Contains(s.Title+"\n"+s.Text, w) {
				continue next
			}
		}
		n++
	}
	return n
}

// different is as count, and counts what came again word for word once.
func (c *chatGroup) different(words ...string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	texts := map[string]bool{}
next:
	for _, body := range c.all {
		s := alerting.Read(body)
		for _, w := range words {
			if !strings.Contains(s.Title+"\n"+s.Text, w) {
				continue next
			}
		}
		texts[s.Title+"\n"+s.Text] = true
	}
	return len(texts)
}

const messagesInventory = `
communities:
- {id: nancheng, name: 南城社区, lat: 34.75, lon: 106.13, compounds: [{id: jinxiu, name: 锦绣家园}]}
- {id: xicheng, name: 西城社区, lat: 34.75, lon: 106.13}
vendors:
- id: one
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
  devices_file: lamps.csv
  devices:
  - {id: bin-1, community: nancheng, compound: jinxiu, facility: waste, name: 1号垃圾桶, attributes: {address: 东门}}
  - {id: bin-2, community: nancheng, compound: jinxiu, facility: waste, name: 2号垃圾桶, attributes: {address: 西门}}
  - {id: gate-1, community: nancheng, compound: jinxiu, facility: gate, name: 南门, attributes: {address: 建设路12号}}
  - {id: gate-2, community: nancheng, compound: jinxiu, facility: gate, name: 北门, attributes: {address: 建设路12号}}
  - {id: gate-3, community: nancheng, compound: jinxiu, facility: gate, name: 车库门, attributes: {address: 建设路12号}}
  - {id: meter-1, community: nancheng, compound: jinxiu, facility: water, name: 3号楼水表, attributes: {address: 建设路12号}}
  - {id: meter-2, community: nancheng, compound: jinxiu, facility: water, name: 4号楼水表, attributes: {address: 建设路12号}}
`

// From a device's message to a person and back, with Debian's Prometheus and
// Alertmanager, a real broker and InfluxDB, and robots of each kind. A second fire is told as soon as
// the first; somebody confirms from the message's link. With GREENCOMMUNITY_LONG also: two gates, two
// leaks, a storm over 500 lamps, a removed device, a maintenance window, giving it to somebody from the
// link, escalation and clearing, and the messages as pages (and pictures, where chromium is installed)
// in the test's folder of artifacts.
func TestMessagesLong(t *testing.T) {
	t.Parallel()
	groups := map[string]*chatGroup{"duty": newChatGroup(t, "wecom"), "office": newChatGroup(t, "dingtalk"), "leaders": newChatGroup(t, "feishu")}
	_, broker := startMosquitto(t)
	dir, httpAddr, config := writeConfig(t, broker, "http://"+startDatabase(t).addr,
		"alarms: {public_url: \"http://127.0.0.1:1\", schedule: schedule.yaml, tariffs: {water: 4}}\nanomaly: {gate: {held_open: 10s}}\n")
	write(t, filepath.Join(dir, "inventory.yaml"), messagesInventory)
	lamps := "id,community,facility,rated_power\n"
	for n := range 500 {
		lamps += fmt.Sprintf("lamp-%03d,xicheng,lighting,60\n", n)
	}
	write(t, filepath.Join(dir, "lamps.csv"), lamps)
	write(t, filepath.Join(dir, "schedule.yaml"), "maintenance: [{devices: [gate-3], from: 2020-01-01, to: 2099-01-01, reason: 车库门检修, by: 王建国}]\n")
	in := &ingester{dir: dir, url: "http://" + httpAddr}
	in.process = startProcess(t, built.Path(t), "run", "--config", config)
	in.waitReady()

	listen := "127.0.0.1:" + freePort(t)
	text := fmt.Sprintf("listen: %s\ninventory: inventory.yaml\nalarms: %s/api/v1/alarms\npage: %s/\nrunbooks: https://wiki.example/\nroster: roster.yaml\nstate: told.json\nrobots:\n", listen, in.url, in.url)
	for name, g := range groups {
		write(t, filepath.Join(in.dir, "robot-"+name), g.URL+"/send?key=k\n")
		text += fmt.Sprintf("- {name: %s, kind: %s, url_file: robot-%s, per_minute: 600}\n", name, g.kind, name)
	}
	text += "- {name: operator, kind: wecom, url_file: robot-operator}\n"
	write(t, filepath.Join(in.dir, "robot-operator"), newChatGroup(t, "wecom").URL+"/send\n")
	write(t, filepath.Join(in.dir, "notify.yaml"), text)
	write(t, filepath.Join(in.dir, "roster.yaml"), `
people:
- {id: wang, name: 王建国, wecom: wangjianguo, phone: "13800000001"}
- {id: zhao, name: 赵主任, feishu: ou_7d8a}
duties: [{name: 值班, shifts: [{who: [wang]}]}]
receivers:
- {name: 消防, kinds: [bin_fire], robots: [duty, office, leaders], duty: 值班}
otherwise: {robots: [duty, office], duty: 值班}
escalation: [{severity: critical, after: 1m, who: [zhao], robots: [leaders]}]
`)
	startProcess(t, built.Path(t), "notify", "--config", filepath.Join(in.dir, "notify.yaml"))
	waitPort(t, listen)
	startAlerting(t, in, listen)
	p := newPublisher(t, broker)
	say := func(topic, format string, args ...any) {
		p.publish("greencommunity/v1/"+topic, fmt.Appendf(nil, format, args...))
	}
	duty, office, leaders := groups["duty"], groups["office"], groups["leaders"]
	const minute = 60 * time.Second

	// Two fires. Each is told by itself, with all seven, in each group.
	for n, name := range []string{"1号垃圾桶（东门）", "2号垃圾桶（西门）"} {
		began := time.Now()
		say(fmt.Sprintf("nancheng/waste/bin-%d", n+1), `[{"time":%d,"bin_temperature":24},{"time":%d,"bin_temperature":190}]`, began.Add(-2*time.Minute).UnixMilli(), began.UnixMilli())
		title := strings.Split(name, "（")[0]
		for _, g := range []*chatGroup{duty, office, leaders} {
			m := g.expect(t, 2*minute, "【紧急】垃圾桶起火 · 南城社区 "+title, "**地点**：南城社区 锦绣家园 "+name, "190", "（设备时间）起", "**程度**：现190 ℃",
				"**把握**：", "**先做**：", "**值班**：王建国", "[王建国点此确认、派单](http://127.0.0.1:1/alarm/", "[处置手册](https://wiki.example/docs/runbooks/bin_fire.md)")
			if other := []string{"2号垃圾桶", "1号垃圾桶"}[n]; strings.Contains(m, other) {
				t.Errorf("tells of %s as well:\n%s", other, m)
			}
		}
		t.Logf("fire %d: told %s after publishing", n+1, time.Since(began).Round(time.Millisecond))
	}

	// Confirm from the message's link, without a login.
	link := func(text string) string {
		m := regexp.MustCompile(`点此确认、派单\]\(http://127.0.0.1:1(/alarm/[^)]+)\)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no link in:\n%s", text)
		}
		return in.url + m[1]
	}
	post := func(address string, form url.Values) {
		t.Helper()
		page, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		page.Body.Close()
		answer, err := http.PostForm(address, form)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if text, _ := io.ReadAll(answer.Body); page.StatusCode != 200 || answer.StatusCode != 200 {
			t.Fatalf("%d, %d %s", page.StatusCode, answer.StatusCode, text)
		}
	}
	post(link(duty.expect(t, minute, "【紧急】垃圾桶起火 · 南城社区 1号垃圾桶")), url.Values{"status": {"acknowledged"}})
	list := func() (all []struct{ ID, Kind, Device, Status, Assignee, Silenced string }) {
		text, err := get(in.url + "/api/v1/alarms?status=all")
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	status := func(device string) string {
		for _, a := range list() {
			if a.Device == device {
				return a.Status
			}
		}
		return ""
	}
	if s := status("bin-1"); s != "acknowledged" {
		t.Errorf("confirmed from the link, and it is %q", s)
	}
	if !long() {
		return
	}

	// Nobody confirms the second fire: the leader is told after a minute, once; of the first, not.
	leaders.expect(t, 2*minute, "【升级·紧急】垃圾桶起火 · 南城社区 2号垃圾桶", "已通知王建国", "**现请**：赵主任", "[赵主任点此确认、派单]", "<at id=ou_7d8a></at>")
	if n := leaders.count("【升级·紧急】", "1号垃圾桶"); n > 0 {
		t.Errorf("the fire that was confirmed is escalated %d times", n)
	}

	// A gate under maintenance opens, and two others: each of these is told.
	now := time.Now()
	for _, gate := range []string{"gate-3", "gate-1", "gate-2"} {
		say("nancheng/gate/"+gate, `[{"time":%d,"door_open":0},{"time":%d,"door_open":1},{"time":%d,"door_open":1}]`,
			now.Add(-20*time.Minute).UnixMilli(), now.Add(-8*time.Minute).UnixMilli(), time.Now().UnixMilli())
		if gate != "gate-3" {
			name := map[string]string{"gate-1": "南门", "gate-2": "北门"}[gate]
			began := time.Now()
			duty.expect(t, 3*minute, "锦绣家园 "+name+"（建设路12号）", "开门超过")
			t.Logf("%s: told %s after publishing", gate, time.Since(began).Round(time.Millisecond))
		}
	}
	// Given to somebody from the link; then it is shut, and the end says who had it.
	post(link(duty.expect(t, minute, "锦绣家园 南门", "开门超过")), url.Values{"status": {"assigned"}, "assignee": {"张师傅"}, "due": {"2099-01-01"}})
	say("nancheng/gate/gate-1", `{"time":%d,"door_open":0}`, time.Now().UnixMilli())
	duty.expect(t, 3*minute, "【已恢复】", "锦绣家园 南门（建设路12号）", "历时", "**经办**：张师傅", "自动解除")
	office.expect(t, minute, "【已恢复】", "锦绣家园 南门", "**经办**：张师傅")

	// A device that is taken out of the inventory ends its alarm.
	write(t, filepath.Join(in.dir, "inventory.yaml"), strings.Replace(messagesInventory, "  - {id: gate-2, community: nancheng, compound: jinxiu, facility: gate, name: 北门, attributes: {address: 建设路12号}}\n", "", 1))
	if answer, err := http.Post(in.url+"/-/reload", "", nil); err != nil || answer.StatusCode != 200 {
		t.Fatal(err, answer)
	}

	// Two leaks, from logs of two days and a half.
	day := time.Now().Truncate(time.Hour)
	for n := range 2 {
		volume := 100.0
		var readings []string
		for at := day.Add(-60 * time.Hour); at.Before(day); at = at.Add(15 * time.Minute) {
			volume += 0.030 / 4
			readings = append(readings, fmt.Sprintf(`{"time":%d,"water_volume_total":%.6f}`, at.UnixMilli(), volume))
		}
		began := time.Now()
		say(fmt.Sprintf("nancheng/water/meter-%d", n+1), "[%s]", strings.Join(readings, ","))
		duty.expect(t, 4*minute, "持续流量（疑似漏水）", fmt.Sprintf("%d号楼水表", n+3), "每天约", "元")
		t.Logf("leak %d: told %s after publishing", n+1, time.Since(began).Round(time.Millisecond))
	}

	// A storm at noon: 500 lamps are lit at once. One alarm with its cause, and one message a group.
	noon := time.Now().In(time.FixedZone("", 8*3600)).Truncate(24 * time.Hour).Add(-20 * time.Hour) // 12:00 of yesterday, Beijing
	for n := range 500 {
		var readings []string
		for at := noon.Add(-3 * time.Hour); at.Before(noon.Add(75 * time.Minute)); at = at.Add(15 * time.Minute) {
			watts := 0
			if !at.Before(noon) {
				watts = 60
			}
			readings = append(readings, fmt.Sprintf(`{"time":%d,"active_power":%d}`, at.UnixMilli(), watts))
		}
		say(fmt.Sprintf("xicheng/lighting/lamp-%03d", n), "[%s]", strings.Join(readings, ","))
	}
	began := time.Now()
	for _, g := range []*chatGroup{duty, office} {
		g.expect(t, 4*minute, "【一般】照明设备同时“白天亮灯”（500台） · 西城社区", "**地点**：西城社区 照明设备", "500台照明设备（共500台）同时出现“白天亮灯”，都在一个社区", "可能原因：天暗（雷雨、沙尘、日食）",
			"（设备时间）起", "**程度**：500台，共500台", "**先做**：核对当时有无天暗", "[王建国点此确认、派单](", "[处置手册](https://wiki.example/docs/runbooks/at_once.md)")
	}
	t.Logf("a storm over 500 lamps: told %s after publishing", time.Since(began).Round(time.Second))
	var kinds []string
	for _, a := range list() {
		if a.Device == "xicheng" || strings.HasPrefix(a.Device, "lamp-") {
			kinds = append(kinds, a.Kind+" "+a.Device)
		}
	}
	if len(kinds) != 1 || !strings.HasPrefix(kinds[0], "at_once ") {
		t.Errorf("a storm over 500 lamps is %d alarms: %.300s", len(kinds), strings.Join(kinds, ", "))
	}
	time.Sleep(20 * time.Second) // Alertmanager's groups are said again after 15 s
	for _, g := range []*chatGroup{duty, office} {
		if n := g.different("西城社区", "**地点**"); n != 1 { // one may come twice where the robot's answer was lost
			t.Errorf("a storm over 500 lamps is %d messages", n)
		}
	}
	if n := duty.count("车库门"); n > 0 {
		t.Errorf("a gate under maintenance is told %d times", n)
	}
	if n := duty.count("【已结束】", "北门"); n != 1 {
		t.Errorf("the end of the device that was taken out is told %d times", n)
	}
	words := regexp.MustCompile(`[a-z]+_[a-z_]+`)
	for name, g := range groups {
		g.mu.Lock()
		for _, body := range g.all {
			s := alerting.Read(body)
			plain := regexp.MustCompile(`\]\([^)]*\)|<at id=[^>]*>`).ReplaceAllString(s.Title+s.Text, "]")
			if w := words.FindString(plain); w != "" {
				t.Errorf("%s is told of %q:\n%s", name, w, s.Text)
			}
		}
		g.mu.Unlock()
	}
	show(t, groups)
}

// show writes what each group was told as a page, as its program shows it, and a picture of it.
func show(t *testing.T, groups map[string]*chatGroup) {
	dir := t.ArtifactDir()
	if to := os.Getenv("GREENCOMMUNITY_MESSAGES"); to != "" {
		dir = to
	}
	for name, g := range groups {
		g.mu.Lock()
		all := append([]string{}, g.all...)
		g.mu.Unlock()
		path := filepath.Join(dir, name+"-"+g.kind+".html")
		if err := os.WriteFile(path, alerting.ChatPage(g.kind, all), 0o600); err != nil {
			t.Fatal(err)
		}
		chromium, err := exec.LookPath("chromium")
		if err != nil {
			continue
		}
		out, err := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=460,"+fmt.Sprint(min(12000, 420*len(all)+100)),
			"--screenshot="+strings.TrimSuffix(path, ".html")+".png", "file://"+path).CombinedOutput()
		if err != nil {
			t.Logf("no picture: %v %s", err, out)
		}
	}
	t.Logf("messages as pages: %s", dir)
}
