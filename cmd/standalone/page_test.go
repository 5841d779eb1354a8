package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	paho "github.com/eclipse/paho.mqtt.golang"
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
		if !strings.HasPrefix(r, origin) {
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
	binary := filepath.Join(dir, "standalone")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
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
	b.waitText("[data-tile=programme]", `2 / 1\s*/ 3`)
	b.waitText("[data-tile=online]", `7\s*/ 8`)
	b.waitText("#communities tbody tr.silent", "北城社区")
	b.waitText("#vendors tbody", `甲公司\s+9\s+2`)
	b.waitText("#vendors tbody", `bad_value 1`)
	b.waitText("#rejects", `unknown_community`)
	b.waitText("#account", `收到 9 = 已存 7 \+ 重复 0 \+ 拒绝 2`)
	b.screenshot("zh")

	// A reading that comes is shown without a reload.
	plant(t, c, "xicheng/lighting/lamp-3", `{"active_power":800,"light_on":true}`)
	b.waitText("[data-tile=power] b", `^2\.00$`)

	// So are an alarm and its end.
	plant(t, c, "nancheng/water/meter-1", `{"event":"leak","active":true}`)
	b.waitText("#alarms", `南城社区 · meter-1`)
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
	b.do(chromedp.Click("#en"))
	b.waitText("h1", "Green communities")
	b.waitText("[data-tile=water]", "Water today")
	b.waitText("#devices tbody", `Water`)
	b.screenshot("en")
	b.do(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)), chromedp.Sleep(600*time.Millisecond))
	var wide bool
	b.do(chromedp.Evaluate(`document.documentElement.scrollWidth > document.documentElement.clientWidth`, &wide))
	if wide {
		t.Error("the page is wider than a phone")
	}
	b.screenshot("phone")
	b.clean(origin.Scheme + "://" + origin.Host)

	s.interrupt()
	b.waitText("#status", `Connection lost`)
}

// An empty system says that there is nothing, and shows no zeros.
func TestPageEmpty(t *testing.T) {
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
