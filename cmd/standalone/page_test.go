package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	paho "github.com/eclipse/paho.mqtt.golang"

	"greencommunity/ingest"
)

// browser is Chromium with one tab. What the console says and where requests
// go is kept.
type browser struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex
	errors   []string
	requests []string
}

func openBrowser(t *testing.T, width, height int64) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") != "" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(int(width), int(height)))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.errors = append(b.errors, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if e.Entry.Level == log.LevelError {
				b.errors = append(b.errors, e.Entry.Text+" "+e.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			b.requests = append(b.requests, e.Request.URL)
		}
	})
	b.do(network.Enable(), log.Enable(), chromedp.EmulateViewport(width, height))
	return b
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// waitText waits until the text of an element matches.
func (b *browser) waitText(selector, pattern string) {
	b.t.Helper()
	expression := regexp.MustCompile(pattern)
	var text string
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		script := fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector)
		b.do(chromedp.Evaluate(script, &text))
		if expression.MatchString(text) {
			return
		}
		if time.Now().After(deadline) {
			b.screenshot("failed")
			b.t.Fatalf("%s is %q, want %s", selector, text, pattern)
		}
	}
}

// screenshot writes the whole page where GREENCOMMUNITY_SCREENSHOTS says.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv("GREENCOMMUNITY_SCREENSHOTS")
	if dir == "" {
		return
	}
	var picture []byte
	b.do(chromedp.FullScreenshot(&picture, 100))
	if err := os.WriteFile(filepath.Join(dir, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), picture, 0o644); err != nil {
		b.t.Error(err)
	}
}

// clean fails on errors of the console and on requests to elsewhere.
func (b *browser) clean(origin string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("console: %s", e)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, origin) && !strings.HasPrefix(r, "data:") { // the browser's own icons
			b.t.Errorf("a request to %s", r)
		}
	}
	if len(b.requests) == 0 {
		b.t.Error("no request was seen")
	}
}

const pageInventory = `
communities:
- {id: nancheng, name: 南城社区, stage: met, households: 1000}
- {id: xicheng, name: 西城社区, stage: participating, households: 500}
- {id: beicheng, name: 北城社区, households: 100}
vendors:
- id: acme
  name: 甲公司
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
`

// planted is a standalone with an inventory and readings of this test.
func planted(t *testing.T, inventory string) (*started, paho.Client) {
	t.Helper()
	dir := t.TempDir()
	binary := built.Path(t)
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "inventory.yaml"), []byte(inventory), 0o640); err != nil {
		t.Fatal(err)
	}
	broker := freeAddr(t)
	s := start(t, binary, "--no-demo", "--data-dir", data, "--http", freeAddr(t), "--mqtt", broker, "--influxdb", freeAddr(t))
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("planter"))
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return s, c
}

func plant(t *testing.T, c paho.Client, topic, payload string) {
	t.Helper()
	if token := c.Publish("greencommunity/v1/"+topic, 1, false, payload); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
}

// The page shows what was planted, follows what comes, and says so when it
// cannot.
func TestPage(t *testing.T) {
	t.Parallel()
	s, c := planted(t, pageInventory)
	now := time.Now()
	midnight := now.Add(-time.Minute)
	plant(t, c, "nancheng/lighting/lamp-1", `{"active_power":1200,"light_on":true}`)
	plant(t, c, "nancheng/lighting/lamp-2", `{"active_power":0.5,"light_on":false}`)
	plant(t, c, "xicheng/lighting/lamp-3", `{"active_power":300,"light_on":true}`)
	plant(t, c, "nancheng/water/meter-1", fmt.Sprintf(`[{"time":%d,"water_volume_total":100},{"time":%d,"water_volume_total":112.5}]`, midnight.Add(-time.Second).UnixMilli(), midnight.UnixMilli()))
	plant(t, c, "xicheng/waste/bin-1", `{"fill_level":0.97}`)
	plant(t, c, "xicheng/waste/bin-2", `{"fill_level":0.37}`)
	plant(t, c, "nancheng/gate/gate-1", `{"pass_in":11,"pass_out":7,"door_open":true}`)
	plant(t, c, "nancheng/water/meter-2", `{"water_volume_total":"broken"}`)
	plant(t, c, "nowhere/water/meter-3", `{"water_volume_total":1}`)

	b := openBrowser(t, 1400, 900)
	b.do(chromedp.Navigate(s.http[:len(s.http)-len("/metrics")]))
	origin, err := url.Parse(s.http)
	if err != nil {
		t.Fatal(err)
	}
	b.waitText("h1", "绿色社区")
	b.waitText("[data-tile=power] b", `^1\.50$`)
	b.waitText("[data-tile=lit]", `2\s*/ 3`)
	b.waitText("[data-tile=water] b", `^12\.5$`)
	b.waitText("[data-tile=full]", `1\s*/ 2`)
	b.waitText("[data-tile=passes] b", `^18$`)
	b.waitText("[data-tile=open]", `1\s*/ 1`)
	b.waitText("[data-tile=programme]", `^达标社区\s+1\s*/ 3 · 目标 60 % · 参与 2$`)
	b.waitText("[data-tile=accepted]", `77\.77 %\s*拒绝 2 条`)
	b.waitText("[data-tile=saved_electricity]", "无数据")
	b.waitText("[data-tile=online]", `7\s*/ 7`)
	b.waitText("#communities tbody tr.silent", "北城社区")
	b.waitText("#vendors tbody", `甲公司\s+9\s+2`)
	b.waitText("#vendors tbody", `不是数值 \(bad_value\) 1`)
	b.waitText("#rejects", `社区未登记 \(unknown_community\) · 甲公司`)
	b.waitText("#as-of", `\(北京时间\)|（北京时间）`)
	var shown string
	b.do(chromedp.Evaluate(`document.getElementById('as-of').innerText`, &shown))
	if here := now.In(time.FixedZone("CST", 8*3600)).Format("01/02 15:"); !strings.Contains(shown, here) {
		t.Errorf("the page says %q; at the site it is %s", shown, here)
	}
	b.waitText("#account", `收到 9 = 已存 7 \+ 重复 0 \+ 拒绝 2`)
	b.screenshot("zh")

	// The keyboard comes to the way past the header first, and it can be seen.
	var skip struct {
		Text string
		Left float64
	}
	b.do(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`({Text: document.activeElement.innerText, Left: document.activeElement.getBoundingClientRect().left})`, &skip))
	if skip.Text != "跳到内容" || skip.Left < 0 {
		t.Errorf("the first stop of the keyboard is %+v", skip)
	}

	// A reading that comes is shown without a reload.
	plant(t, c, "xicheng/lighting/lamp-3", `{"active_power":800,"light_on":true}`)
	b.waitText("[data-tile=power] b", `^2\.00$`)

	// So are an alarm and its end.
	plant(t, c, "nancheng/water/meter-1", `{"event":"leak","active":true}`)
	b.waitText("#alarms", `南城社区 · meter-1 · 甲公司`)
	b.waitText("[data-tile=pending] b", `^1$`)
	b.waitText("#communities tbody tr.warning", "南城社区")
	b.screenshot("alarm")
	plant(t, c, "nancheng/water/meter-1", `{"event":"leak","active":false}`)
	b.waitText("#alarms", "没有未恢复的告警")

	b.do(chromedp.SendKeys("#filter", "西城"))
	b.waitText("#communities tbody", `^西城社区`)
	b.do(chromedp.Evaluate(`document.getElementById('filter').value = ''; document.getElementById('filter').dispatchEvent(new Event('input'))`, nil))
	b.do(chromedp.SendKeys("#search", "meter"))
	b.waitText("#devices tbody", `meter-1`)

	// One community by its button, from the keyboard; a refresh does not take
	// the focus away.
	b.do(chromedp.Focus("#communities tr[data-community=xicheng] button"), chromedp.KeyEvent(kb.Enter))
	b.waitText("[data-tile=power] b", `^0\.80$`)
	b.waitText("[data-tile=stageOf]", `参与`)
	b.waitText("#devices tbody", `没有找到设备`)
	plant(t, c, "xicheng/lighting/lamp-3", `{"active_power":700,"light_on":true}`)
	b.waitText("[data-tile=power] b", `^0\.70$`)
	var focused, address string
	b.do(chromedp.Evaluate(`document.activeElement.innerText`, &focused), chromedp.Location(&address))
	if focused != "西城社区" || !strings.HasSuffix(address, "?community=xicheng") {
		t.Errorf("focus on %q at %s", focused, address)
	}
	b.do(chromedp.KeyEvent(kb.Enter))
	b.waitText("[data-tile=power] b", `^1\.90$`)
	b.waitText("#devices tbody", `meter-1`)
	b.do(chromedp.Click("#en"))
	b.waitText("h1", "Green communities")
	b.waitText("[data-tile=water]", "Water today")
	b.waitText("#devices tbody", `Water`)
	b.screenshot("en")
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)), chromedp.Sleep(600*time.Millisecond))
	// Neither the page nor a table of it is wider than a phone, or than paper.
	fits := func(where string) {
		t.Helper()
		var wide []string
		b.do(chromedp.Evaluate(`[document.documentElement, ...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute('aria-labelledby') ?? e.tagName)`, &wide))
		if len(wide) > 0 {
			t.Errorf("wider than %s: %v", where, wide)
		}
	}
	fits("a phone")
	b.screenshot("phone")
	b.do(chromedp.EmulateViewport(1030, 730), emulation.SetEmulatedMedia().WithMedia("print"), chromedp.Sleep(600*time.Millisecond)) // A4 on its side
	fits("paper")
	b.screenshot("print")
	b.do(emulation.SetEmulatedMedia().WithMedia(""))
	b.clean(origin.Scheme + "://" + origin.Host)

	s.interrupt()
	b.waitText("#status", `Connection lost`)
}

// A proxy's answer that is none ends a browser's stream of events for good: the
// page opens it again by itself, and shows what there is by then.
func TestPageComesBack(t *testing.T) {
	t.Parallel()
	s, c := planted(t, pageInventory)
	plant(t, c, "nancheng/lighting/lamp-1", `{"active_power":1200,"light_on":true}`)
	target, err := url.Parse(strings.TrimSuffix(s.http, "/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog, forward.FlushInterval = stdlog.New(io.Discard, "", 0), -1
	proxy := httptest.NewServer(forward)
	t.Cleanup(proxy.Close)
	t.Cleanup(proxy.CloseClientConnections)
	b := openBrowser(t, 1200, 800)
	b.do(chromedp.Navigate(proxy.URL))
	b.waitText("[data-tile=power] b", `^1\.20$`)
	b.do(chromedp.Poll(`source?.readyState === EventSource.OPEN`, nil, chromedp.WithPollingTimeout(30*time.Second)))
	s.interrupt()
	b.waitText("#status", `连接中断`)
	time.Sleep(4 * time.Second) // for as many answers as end the stream
	again := start(t, s.cmd.Path, s.cmd.Args[1:]...)
	b.waitText("#status", `^实时$`)
	b.waitText("[data-tile=power] b", `^1\.20$`)
	again.interrupt()
}

// What a browser fetches for the page, all of it, is less than 250 kB; and
// nothing is allowed that would reach elsewhere.
func TestPageWeight(t *testing.T) {
	t.Parallel()
	s, _ := planted(t, ownInventory)
	base := strings.TrimSuffix(s.http, "metrics")
	total := 0
	for _, path := range []string{"", "page.css", "page.js", "alarms.js", "ledger.js", "report.js", "place.js", "systems.js", "paste.js", "uplot.css", "uplot.js", "icon.svg"} {
		r, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatal(path, r.Status, err)
		}
		total += len(body)
		policy := r.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
	if total > 250_000 {
		t.Errorf("the page weighs %d bytes", total)
	}
	// What is sent every two seconds is compressed, for a client that takes it.
	for _, encoding := range []string{"", "gzip"} {
		request, err := http.NewRequest(http.MethodGet, base+"api/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", encoding) // set by hand, it is not undone either
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = r.Body
		if encoding == "gzip" {
			if from, err = gzip.NewReader(r.Body); err != nil {
				t.Fatal(err)
			}
		}
		line, err := bufio.NewReader(from).ReadString('\n')
		r.Body.Close()
		if err != nil || r.Header.Get("Content-Encoding") != encoding || !strings.HasPrefix(line, `data: {"as_of":`) {
			t.Errorf("encoding %q: %q, %.60s %v", encoding, r.Header.Get("Content-Encoding"), line, err)
		}
	}
	// Every text has a counterpart: a key that is missing in one language would
	// be shown in its place.
	b := openBrowser(t, 800, 600)
	b.do(chromedp.Navigate(base))
	var missing []string
	b.do(chromedp.Evaluate(`Object.keys(texts.en).filter((k) => !(k in texts.zh)).concat(Object.keys(texts.zh).filter((k) => !(k in texts.en) && !k.startsWith('why_')))`, &missing))
	if len(missing) > 0 {
		t.Errorf("in one language only: %q", missing)
	}
	for _, r := range ingest.Reasons {
		var here ingest.Text
		b.do(chromedp.Evaluate(fmt.Sprintf(`({ZH: texts.zh.reason_%[1]s ?? '', EN: texts.en.reason_%[1]s ?? ''})`, r), &here))
		if here != r.Title() || here.ZH == "" || here.EN == "" {
			t.Errorf("the reason %s is called %+v, and %+v elsewhere", r, here, r.Title())
		}
	}
}

// A vendor pastes a payload, sees what it becomes and what to write so that all of it is
// read. Nothing is taken in.
func TestPagePaste(t *testing.T) {
	t.Parallel()
	s, _ := planted(t, pageInventory)
	base := strings.TrimSuffix(s.http, "/metrics")
	b := openBrowser(t, 1400, 1000)
	b.do(chromedp.Navigate(base))
	b.waitText("#paste-format", `dlt645`)
	try := func(topic, payload, encoding, format string) {
		t.Helper()
		b.do(chromedp.SetValue("#paste-topic", topic), chromedp.SetValue("#paste-payload", payload), chromedp.SetValue("#paste-encoding", encoding),
			chromedp.SetValue("#paste-format", format), chromedp.Click("#paste-go"))
	}
	try("greencommunity/v1/nancheng/lighting/L1", `{"time":"2026-11-28T08:00:00+08:00","active_power":43.2,"lampTemp":41.5}`, "text", "inventory")
	b.waitText("#paste-said", `^1 个读数，0 个事件，1 个未映射，0 个拒绝 · 由厂商 甲公司 的来源 greencommunity/v1/\{community\}/\{facility\}/\{device\}（格式 native）读取`)
	b.waitText("#paste-lines", `读数\s+L1\s+active_power\s+43.2 W\s+11/28 08:00:00\s+照明；设备时间`)
	b.waitText("#paste-yaml", `"lampTemp": \{quantity: temperature\} # 41.5`)
	var chosen string
	b.do(chromedp.Evaluate(`document.querySelector('#paste-format').selectedOptions[0]?.text ?? ''`, &chosen))
	if chosen != "按现行清单" {
		t.Errorf("the format chosen is %q", chosen)
	}
	b.screenshot("zh")
	try("x", "FEFE68 21 43 65 87 09 00 68 91 08 33 33 34 33 45 67 33 33 A1 16", "hex", "dlt645")
	b.waitText("#paste-lines", `energy_total\s+3\d*\.\d+ kWh|energy_total`)
	try("acme/bin-7/data", "{}", "text", "inventory")
	b.waitText("#paste-said", `没有来源匹配该主题`)
	b.waitText("#paste-lines", `整条拒绝[\s\S]*主题未登记`)
	try("a/b", `xyz`, "hex", "dlt645")
	b.waitText("#paste-said", `payload is no hex`)
	b.do(chromedp.Click("#en"))
	try("mqtt/face/1/Rec", `{"operator":"RecPush","info":{"facesluiceId":"1","VerifyStatus":"1","time":"2026-11-28 08:00:00","personName":"王小明","idCard":"330522199001010011","RecordID":"7"}}`, "text", "face-gate")
	b.waitText("#paste-lines", `event[\s\S]*access|reading[\s\S]*passes`)
	var text string
	b.do(chromedp.Click("#paste-how summary"), chromedp.Evaluate(`document.querySelector('#paste-out').innerText`, &text))
	if strings.Contains(text, "王小明") || strings.Contains(text, "330522") {
		t.Errorf("a person is shown: %s", text)
	}
	b.screenshot("en")
	var wide []string
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)), chromedp.Sleep(600*time.Millisecond),
		chromedp.Evaluate(`[document.documentElement, ...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute('aria-labelledby') ?? e.tagName)`, &wide))
	if len(wide) > 0 {
		t.Errorf("wider than a phone: %v", wide)
	}
	b.screenshot("phone")
	if taken := regexp.MustCompile(`(?m)^greencommunity_messages_received_total\S* [^0].*`).FindString(fetch(t, s.http)); taken != "" {
		t.Errorf("messages were taken in: %s", taken)
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, base) {
			t.Errorf("a request to %s", r)
		}
	}
}

// A clerk works in the ledger: on the page, where a mistake says what to do, and in a
// table, of which nothing is taken while it has mistakes.
func TestPageLedger(t *testing.T) {
	t.Parallel()
	s, _ := planted(t, pageInventory)
	b := openBrowser(t, 1400, 1000)
	b.do(chromedp.Navigate(s.http[:len(s.http)-len("/metrics")]))
	b.waitText("#ledger-progress", `达标 1 / 3（33 %），目标 60 %：还差 1 个社区 · 试点达标 0 / 0 · 滞后 2 个`)
	b.waitText("#ledger-progress", `季度报送：`)
	b.waitText("#ledger tbody tr[data-community=xicheng]", `西城社区\s+参与\s+0 / 16\s+0\s+16\s+0\s+16 项未达标或待核`)
	b.do(chromedp.Evaluate(`document.querySelector('#ledger tr[data-community=xicheng] button').click()`, nil))
	const row = "#ledger-items tr[data-item='10'] "
	b.waitText("#ledger-items", `绿色基础设施`)
	// In one step, as the table may be drawn anew between two.
	save := func(values ...string) {
		t.Helper()
		set := ""
		for i := 0; i+1 < len(values); i += 2 {
			set += fmt.Sprintf("row.querySelector('[name=%s]').value = %q;", values[i], values[i+1])
		}
		b.do(chromedp.WaitVisible(row+"[data-save]"), chromedp.Evaluate(fmt.Sprintf(`(() => { const row = document.querySelector(%q); %s row.querySelector('[data-save]').click(); })()`, row, set), nil))
	}
	save("status", "met")
	b.waitText("#ledger-said", `2 处错误，未作任何更改：\s+佐证 evidence：达标须有佐证；写明文件、照片或数据\s+来源 source：`)
	b.screenshot("refused")
	save("status", "met", "source", "person", "evidence", "夜间实测52分贝")
	b.waitText("#ledger-said", `已更改 5 项`)
	b.waitText("#ledger tbody tr[data-community=xicheng]", `西城社区\s+参与\s+1 / 16\s+0\s+15`)
	b.waitText(row, "local")

	path := filepath.Join(t.TempDir(), "ledger.csv")
	give := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		b.do(chromedp.SetUploadFiles("#ledger-file", []string{path}))
	}
	give("社区编号,创建阶段,事项编号,状态\nbeicheng,大概,,\nnorth,,1,达标\n")
	b.waitText("#ledger-said", `2 处错误，未作任何更改：\s+第 2 行 B 列（创建阶段 stage）：“大概”不是 未参与、参与、达标、命名 之一\s+第 3 行 A 列（社区编号 community）：“north”不在`)
	give("社区编号,创建阶段\nbeicheng,参与\nxicheng,达标\n")
	b.waitText("#ledger-said", `已更改 2 项`)
	b.waitText("#ledger-progress", `达标 2 / 3（67 %），目标 60 %：已达到`)
	b.waitText("[data-tile=programme]", `2\s*/ 3 · 目标 60 % · 参与 3$`) // one figure everywhere
	b.screenshot("zh")
	b.do(chromedp.Click("#en"))
	b.waitText("#ledger-progress", `2 of 3 have met it \(67 %\), target 60 %: reached`)
	b.do(chromedp.Click("#ledger-s summary"))
	b.waitText("#ledger-history", `local · page`)
	b.screenshot("en")
	var wide []string
	fits := `[document.documentElement, ...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute('aria-labelledby') ?? e.tagName)`
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)), chromedp.Sleep(600*time.Millisecond), chromedp.Evaluate(fits, &wide))
	if len(wide) > 0 {
		t.Errorf("wider than a phone: %v", wide)
	}
	b.screenshot("phone")
	for _, e := range b.errors {
		if !strings.Contains(e, "422") { // what it was refused with
			t.Errorf("console: %s", e)
		}
	}
}

// An empty system says that there is nothing, and shows no zeros.
func TestPageEmpty(t *testing.T) {
	t.Parallel()
	s, _ := planted(t, ownInventory)
	b := openBrowser(t, 1200, 800)
	b.do(chromedp.Navigate(s.http[:len(s.http)-len("/metrics")]))
	b.waitText("#communities tbody tr.silent", "我的社区\\s+无数据")
	b.waitText("[data-tile=power] b", "无数据")
	b.waitText("[data-tile=water] b", "无数据")
	b.waitText("#alarms", "没有未恢复的告警")
	b.waitText("#trends", "无数据")
	b.screenshot("zh")
}
