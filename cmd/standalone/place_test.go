package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/xuri/excelize/v2"
	"golang.org/x/crypto/bcrypt"
)

const placeInventory = `
communities:
- {id: nancheng, name: 南城社区, town: 城关镇, pilot: true, stage: met, households: 1000, lat: 34.75, lon: 106.13,
   compounds: [{id: jinxiu, name: 锦绣家园, households: 420, renovated: 2021}]}
- {id: xicheng, name: 西城社区, stage: participating, households: 500, lat: 34.76, lon: 106.10}
- {id: beicheng, name: 北城社区, households: 100}
vendors:
- id: acme
  name: 甲公司
  sources:
  - {topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}
- id: other
  name: 乙公司
  sources:
  - {topic: "other/{community}/{facility}/{device}", format: native}
`

// governed is a standalone whose page has users.
func governed(t *testing.T) (*started, paho.Client) {
	t.Helper()
	dir := t.TempDir()
	data, users := filepath.Join(dir, "data"), filepath.Join(dir, "access.yaml")
	var text strings.Builder
	text.WriteString("users:\n")
	for _, u := range []string{"wang, title: 王主任, role: leader", "ops, role: operator", "acme, role: vendor, vendor: acme"} {
		name, rest, _ := strings.Cut(u, ",")
		hash, err := bcrypt.GenerateFromPassword([]byte(name+"-secret"), 10)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "- {name: %s,%s, password: %q}\n", name, rest, hash)
	}
	fmt.Fprintf(&text, "keys:\n- {name: 城管局, hash: %x, scopes: [read, export]}\n", sha256.Sum256([]byte("gc_EXAMPLE")))
	if err := os.MkdirAll(data, 0o750); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(data, "inventory.yaml"): placeInventory, users: text.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	broker := freeAddr(t)
	s := start(t, built.Path(t), "--no-demo", "--data-dir", data, "--access", users, "--http", freeAddr(t), "--mqtt", broker, "--influxdb", freeAddr(t))
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("planter"))
	if token := c.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return s, c
}

// logIn fills the form in.
func (b *browser) logIn(name, password string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible("#login-name"), chromedp.SendKeys("#login-name", name), chromedp.SendKeys("#login-password", password), chromedp.Click("#login button"))
}

// Who is not logged in sees nothing; a leader sees all, beyond the day too; a vendor sees
// its own.
func TestPagesOfPlaces(t *testing.T) {
	t.Parallel()
	s, c := governed(t)
	origin := strings.TrimSuffix(s.http, "/metrics")
	now := time.Now()
	// A meter of four days: 2 m3 in each hour; and a lamp of another vendor.
	var payload bytes.Buffer
	for h := range 97 {
		fmt.Fprintf(&payload, `%s{"time":%d,"water_volume_total":%d,"battery_level":80}`, string("[,"[min(h, 1)]), now.Add(time.Duration(h-96)*time.Hour).UnixMilli(), 100+2*h)
	}
	payload.WriteString("]")
	plant(t, c, "nancheng/water/meter-1", payload.String())
	if token := c.Publish("other/nancheng/lighting/lamp-9", 1, false, `{"active_power":60,"light_on":true}`); !token.WaitTimeout(10 * time.Second) {
		t.Fatal("not published")
	}
	if token := c.Publish("other/nancheng/lighting/lamp-9", 1, false, `{"event":"lamp_fault","active":true}`); !token.WaitTimeout(10 * time.Second) {
		t.Fatal("not published")
	}
	plant(t, c, "nancheng/water/meter-1", `{"event":"leak","active":true}`)
	plant(t, c, "nancheng/water/meter-1", `{"water_volume_total":"broken"}`)
	for _, path := range []string{"/api/v1/overview", "/api/v1/devices", "/api/v1/stream", "/api/v1/use", "/api/v1/ledger", "/api/v1/alarms", "/api/v1/export/water"} {
		r, err := http.Get(origin + path)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a login: %s", path, r.Status)
		}
	}

	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Second) { // until what was planted is in InfluxDB
		request, err := http.NewRequest(http.MethodGet, origin+"/api/v1/use?step=year&by=community&format=csv", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-API-Key", "gc_EXAMPLE")
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if strings.Contains(string(body), ",water,nancheng,南城社区,19") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("what was planted is not answered: %s %v", body, err)
		}
	}
	documented(t, origin)
	keptApart(t, origin)
	b := openBrowser(t, 1400, 900)
	b.do(chromedp.Navigate(origin))
	b.logIn("wang", "guess")
	b.waitText("#login-said", "不正确")
	b.screenshot("login")
	b.logIn("", "wang-secret")
	b.do(chromedp.WaitVisible("#who")) // the page loads again
	b.waitText("#who", "王主任 · 领导")
	b.waitText("[data-tile=online]", `2\s*/ 2`)
	b.waitText("#map", "南城社区[\\s\\S]*西城社区|西城社区[\\s\\S]*南城社区")
	b.waitText("#map-note", "北城社区")
	b.screenshot("map")

	b.do(chromedp.Evaluate(`document.getElementById('vendors-days').value = '7'; document.getElementById('vendors-days').dispatchEvent(new Event('change'))`, nil))
	b.waitText("#vendors-since", "^自 ")
	b.waitText("#vendors", `收到\s+拒绝\s+读数拒绝[\s\S]*甲公司`)
	b.do(chromedp.Click("#communities tr[data-community=nancheng] a.go"))
	b.waitText("#place-h", "南城社区")
	b.waitText("#place-facts", `达标[\s\S]*城关镇[\s\S]*1,000`)
	b.waitText("#place-compounds tbody", `锦绣家园\s+420\s+2021`)
	b.waitText("#place-facilities tbody", `用水\s+1\s+0\s+0`)
	b.waitText("#place-alarms", "meter-1")
	b.waitText("[data-use=water]", `合计 19\d`) // what the book knows of 4 days, today's last hours may still be open
	b.waitText("#place-devices tbody", `meter-1[\s\S]*lamp-9|lamp-9[\s\S]*meter-1`)
	b.screenshot("community")

	b.do(chromedp.Click(`#place-devices a[href="#device/meter-1/nancheng"]`))
	b.waitText("#place-h", "meter-1")
	b.waitText("#place-latest tbody", `电量[\s\S]*累计用水量\s+292`)
	b.waitText("#place-rejects", "不是数值")
	b.do(chromedp.WaitVisible("[data-readings=water_volume_total] canvas"))
	var hidden bool
	if b.do(chromedp.Evaluate(`document.getElementById('place-last').hidden`, &hidden)); !hidden {
		t.Error("a leader is offered messages as they came")
	}
	var asked string
	for _, period := range []struct{ name, has string }{{"last_quarter", "&to="}, {"october", "step=month"}, {"this_quarter", "step=week"}} {
		b.do(chromedp.Click("#place-periods [data-period="+period.name+"]"), chromedp.WaitVisible("#place-periods [data-period="+period.name+"][aria-pressed=true]"), chromedp.Evaluate(`document.querySelector('#place-use-sheet a').getAttribute('href')`, &asked))
		if first := regexp.MustCompile(`from=\d{4}-(01|04|07|10)-01\b`); !first.MatchString(asked) || !strings.Contains(asked, period.has) {
			t.Errorf("%s asks %s", period.name, asked)
		}
	}
	b.do(chromedp.Click("#place-periods [data-period=week]"))
	b.waitText("[data-use=water]", `合计 19\d`)
	b.screenshot("device")
	var file string
	b.do(chromedp.Evaluate(`document.querySelector('#place-use-sheet a').getAttribute('href')`, &file))
	var encoded string
	b.do(chromedp.Evaluate(fmt.Sprintf(`fetch(%q).then((r) => r.arrayBuffer()).then((a) => btoa(String.fromCharCode(...new Uint8Array(a))))`, file), &encoded, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
	sheet, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(sheet))
	if err != nil {
		t.Fatal(err)
	}
	if rows, _ := f.GetRows("用量"); len(rows) < 5 || rows[0][0] != "时段开始" {
		t.Errorf("the spreadsheet has %q", rows)
	}

	fits := func(where string) {
		t.Helper()
		var wide []string
		b.do(chromedp.Evaluate(`[document.documentElement, ...document.querySelectorAll('#place .scroll, #place .wide')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.getAttribute('aria-labelledby') ?? e.id ?? e.tagName)`, &wide))
		if len(wide) > 0 {
			t.Errorf("wider than %s: %v", where, wide)
		}
	}
	for _, hash := range []string{"#community/nancheng", "#device/meter-1/nancheng"} {
		b.do(chromedp.Evaluate(fmt.Sprintf(`location.hash = %q`, hash), nil), chromedp.Click("#en"), chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
		b.waitText("[data-use=water]", `Sum 19\d`)
		b.do(chromedp.Sleep(600 * time.Millisecond))
		fits("a phone")
		b.screenshot("phone-" + hash[1:4])
		b.do(chromedp.EmulateViewport(1030, 730), emulation.SetEmulatedMedia().WithMedia("print"), chromedp.Sleep(600*time.Millisecond))
		fits("paper")
		b.screenshot("print-" + hash[1:4])
		b.do(emulation.SetEmulatedMedia().WithMedia(""), chromedp.EmulateViewport(1400, 900), chromedp.Sleep(400*time.Millisecond))
		b.screenshot("en-" + hash[1:4])
	}
	b.do(chromedp.Evaluate(`location.hash = '#community/nowhere'`, nil))
	b.waitText("#place-error", "Not found")
	b.do(chromedp.Evaluate(`location.hash = ''`, nil), chromedp.Click("#logout"), chromedp.WaitVisible("#login-name"))

	b.logIn("acme", "acme-secret")
	b.do(chromedp.WaitVisible("#who"))
	b.waitText("#who", "acme · vendor")
	b.waitText("#alarms", "meter-1")
	b.waitText("#vendors tbody", "甲公司")
	var text string
	b.do(chromedp.SendKeys("#search", "1"), chromedp.Sleep(time.Second), chromedp.Evaluate(`document.body.innerText`, &text))
	if strings.Contains(text, "乙公司") || strings.Contains(text, "lamp-9") {
		t.Errorf("a vendor sees another: %s", text)
	}
	var visible []string
	b.do(chromedp.Evaluate(`['tiles', 'savings', 'trends', 'communities', 'map', 'ledger'].filter((id) => document.getElementById(id).offsetParent)`, &visible))
	if len(visible) > 0 {
		t.Errorf("a vendor is shown %v", visible)
	}
	b.screenshot("vendor")
	b.do(chromedp.Evaluate(`location.hash = '#device/lamp-9/nancheng'`, nil))
	b.waitText("#place-error", "Not found")
	b.do(chromedp.Evaluate(`location.hash = '#device/meter-1/nancheng'`, nil))
	b.waitText("#place-latest tbody", "292")
	b.do(chromedp.Click("#place-last-ask"))
	b.waitText("#place-last-as", `greencommunity/v1/nancheng/water/meter-1[\s\S]*QoS \d · \d+ bytes`)
	b.waitText("#place-last-text", `^\{\s+"event": "leak"`)
	b.screenshot("last")

	for _, e := range b.errors {
		if !strings.Contains(e, "401") && !strings.Contains(e, "403") && !strings.Contains(e, "404") { // those were asked for
			t.Errorf("console: %s", e)
		}
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, origin) && !strings.HasPrefix(r, "data:") {
			t.Errorf("a request to %s", r)
		}
	}
}

// documented runs the examples of docs/api.md as they stand, with the address of this service.
func documented(t *testing.T, origin string) {
	t.Helper()
	for _, name := range []string{"api.md", "api.zh-CN.md"} {
		text, err := os.ReadFile("../../docs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for language, c := range map[string]struct{ program, want string }{"sh": {"sh", "南城社区"}, "python": {"python3", "2 devices"}} {
			program, err := exec.LookPath(c.program)
			if err != nil {
				if os.Getenv("CI") != "" {
					t.Fatal(err)
				}
				continue
			}
			_, code, _ := strings.Cut(string(text), "```"+language+"\n")
			code, _, _ = strings.Cut(code, "```")
			run := exec.Command(program, "-c", strings.ReplaceAll(code, "http://127.0.0.1:9108", origin))
			run.Dir, run.Env = t.TempDir(), append(os.Environ(), "GC="+origin, "KEY=gc_EXAMPLE", "PYTHONIOENCODING=utf-8")
			out, err := run.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "water") {
				t.Errorf("%s of %s: %v %s", language, name, err, out)
			}
			if language == "sh" {
				if exported, err := os.ReadFile(filepath.Join(run.Dir, "usage.csv")); err != nil || !strings.Contains(string(exported), "meter-1") {
					t.Errorf("the export has %.200q %v", exported, err)
				}
			}
		}
	}
}

// keptApart asks every list as a vendor: nothing of another's devices, and nothing that is
// of all vendors, is in an answer.
func keptApart(t *testing.T, origin string) {
	t.Helper()
	for _, path := range []string{
		"/metrics", "/api/v1/overview", "/api/v1/trends", "/api/v1/savings", "/api/v1/alarms", "/api/v1/alarms?status=all", "/api/v1/ledger", "/api/v1/ledger?format=csv", "/api/v1/report",
		"/api/v1/communities", "/api/v1/communities/nancheng", "/api/v1/devices?limit=1000", "/api/v1/devices/lamp-9", "/api/v1/readings?device=lamp-9", "/api/v1/use?by=device",
		"/api/v1/use?device=lamp-9&by=device", "/api/v1/export/usage", "/api/v1/export/lighting", "/api/v1/export/events", "/api/v1/export/savings", "/api/v1/export/usage_daily", "/api/v1/vendors", "/api/v1/vendors?days=1",
	} {
		request, err := http.NewRequest(http.MethodGet, origin+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("acme", "acme-secret")
		r, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if r.StatusCode == http.StatusOK && (strings.Contains(string(body), "lamp-9") || strings.Contains(string(body), "乙公司") || strings.Contains(string(body), `vendor="other"`)) {
			t.Errorf("%s tells a vendor of another: %.300s", path, body)
		}
	}
}
