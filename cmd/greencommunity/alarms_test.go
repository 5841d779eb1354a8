package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"greencommunity/metrics/alarms"
)

// Issue 15: alarms as people deal with them, on the built program: two gates forced open
// are two series, one is confirmed over HTTP and one assigned from a signed link; the
// program is killed right after each answer, and what was answered holds. A third is
// silenced by the schedule, whose change needs no restart.
func TestAlarmsAreWork(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	in := startIngester(t, broker, "http://"+db.addr, "alarms: {schedule: schedule.yaml, public_url: \"https://green.example\", tariffs: {water: 3.5}}\n")
	write(t, filepath.Join(in.dir, "schedule.yaml"), "holidays: [{name: 元旦, from: 2027-01-01}]\n")
	in.waitReady()
	p := newPublisher(t, broker)
	forced := func(gate string) {
		p.publish("greencommunity/v1/nancheng/gate/"+gate, []byte(`{"event":"door_forced"}`))
	}
	list := func(query string) (items []alarms.Item) {
		t.Helper()
		text, err := get(in.url + "/api/v1/alarms" + query)
		if err != nil {
			t.Fatalf("%v %s", err, text)
		}
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			t.Fatal(err)
		}
		return items
	}
	waitFor := func(n int) map[string]alarms.Item {
		t.Helper()
		of := map[string]alarms.Item{}
		eventually(t, 30*time.Second, fmt.Sprint(n, " alarms"), func() error {
			clear(of)
			for _, i := range list("?status=all&for=" + url.QueryEscape("李工")) {
				of[string(i.Device)] = i
			}
			if len(of) != n {
				return fmt.Errorf("%d alarms", len(of))
			}
			return nil
		})
		return of
	}
	post := func(id, body string) (int, string) {
		t.Helper()
		r, err := http.Post(in.url+"/api/v1/alarms/"+id, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	series := func() string {
		t.Helper()
		text, err := get(in.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		var of []string
		for line := range strings.SplitSeq(text, "\n") {
			if strings.HasPrefix(line, "greencommunity_alarm_active{") {
				_, device, _ := strings.Cut(line, `device="`)
				device, _, _ = strings.Cut(device, `"`)
				of = append(of, device)
			}
		}
		return strings.Join(of, " ")
	}
	killed := func() {
		in.end(syscall.SIGKILL)
		in.start()
		in.waitReady()
	}

	forced("gate-1")
	waitFor(1)
	forced("gate-2")
	of := waitFor(2)
	if got := series(); !strings.Contains(got, "gate-1") || !strings.Contains(got, "gate-2") {
		t.Errorf("series of the second gate while the first is open: %q", got)
	}
	if code, text := post(of["gate-1"].ID, `{"status":"acknowledged","comment":"保安已去"}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	killed()
	if i := waitFor(2)["gate-1"]; i.Status != alarms.Acknowledged || i.Comments[0].Text != "保安已去" || i.History[1].By != "local" {
		t.Errorf("killed after it was acknowledged: %+v", i)
	}
	for body, want := range map[string]int{
		`{"status":"false"}`: http.StatusUnprocessableEntity, `{"state":"x"}`: http.StatusBadRequest, `{"status":"assigned","assignee":"a"}{}`: http.StatusBadRequest,
	} {
		if code, text := post(of["gate-2"].ID, body); code != want {
			t.Errorf("%s: %d %s, want %d", body, code, text, want)
		}
	}
	if r, err := http.Post(in.url+"/api/v1/alarms/"+of["gate-2"].ID, "text/plain", strings.NewReader(`{"status":"acknowledged"}`)); err != nil || r.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another site: %v %v", r.Status, err)
	}
	if code, _ := post("nosuchalarm", `{"status":"acknowledged"}`); code != http.StatusNotFound {
		t.Errorf("of none: %d", code)
	}

	// From the message's link: looking changes nothing, and the page is in both languages.
	link := strings.Replace(of["gate-2"].Signed, "https://green.example", in.url, 1)
	for lang, word := range map[string]string{"zh": "派单", "en": "To whom"} {
		page, err := get(link + "&lang=" + lang)
		if err != nil || !strings.Contains(page, word) || !strings.Contains(page, "南城社区") || !strings.Contains(page, "gate-2") {
			t.Errorf("%s: %v %.300s", lang, err, page)
		}
	}
	if page, err := get(strings.Replace(link, "sign=", "sign=x", 1)); err == nil {
		t.Errorf("a forged link: %.200s", page)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"status": {"assigned"}, "assignee": {"赵师傅"}, "due": {"2030-01-02T08:00"}}
	r, err := client.PostForm(link, form)
	if err != nil || r.StatusCode != http.StatusSeeOther {
		t.Fatalf("%v %v", r.Status, err)
	}
	killed()
	if i := waitFor(2)["gate-2"]; i.Status != alarms.Assigned || i.Assignee != "赵师傅" || i.History[1].By != "李工" || i.History[1].Via != "link" || i.Due == nil {
		t.Errorf("killed after it was assigned: %+v", i)
	}
	again, err := http.NewRequest(http.MethodPost, link, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	again.Header.Set("Sec-Fetch-Site", "cross-site")
	if r, err := client.Do(again); err != nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("from another site's page: %v %v", r.Status, err)
	}

	// A person closes one: no series, and it stays closed over a kill.
	if code, text := post(of["gate-1"].ID, `{"status":"false","reason":"大风"}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	killed()
	if got := series(); got != "gate-2" {
		t.Errorf("series after one was closed: %q", got)
	}
	if i := list("?status=false")[0]; i.ID != of["gate-1"].ID || i.Reason != "大风" {
		t.Errorf("%+v", i)
	}
	metrics, err := in.metrics()
	if got := metrics[`greencommunity_alarms_judged_total[kind:forced_open verdict:false]`]; err != nil || got != 1 {
		t.Errorf("judged: %g, %v", got, err)
	}

	// A silence is in force without a restart; a wrong one changes nothing.
	write(t, filepath.Join(in.dir, "schedule.yaml"), "silences: [{devices: [gate-2], to: 2026-13-01, reason: 换锁}]\n")
	reload := func() (int, string) {
		r, err := http.Post(in.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		return r.StatusCode, string(text)
	}
	if code, text := reload(); code != http.StatusUnprocessableEntity || !strings.Contains(text, "silences[0].to (line 1)") || series() != "gate-2" {
		t.Errorf("a wrong schedule: %d %s", code, text)
	}
	soon := time.Now().AddDate(0, 0, 7).Format(time.DateOnly)
	write(t, filepath.Join(in.dir, "schedule.yaml"), "silences: [{devices: [gate-2], to: "+soon+", reason: 换锁}]\n")
	if code, text := reload(); code != http.StatusOK || series() != "" {
		t.Errorf("a silence: %d %s, series %q", code, text, series())
	}

	// InfluxDB has who did what.
	eventually(t, 30*time.Second, "events of people", func() error {
		rows := db.rows(`SELECT "status", "by", "assignee" FROM events WHERE "by" != ''`)
		var b bytes.Buffer
		for _, row := range rows {
			fmt.Fprintf(&b, "%v %v %v; ", row["status"], row["by"], row["assignee"])
		}
		for _, want := range []string{"acknowledged local", "assigned 李工 赵师傅", "false local"} {
			if !strings.Contains(b.String(), want) {
				return fmt.Errorf("no %q in %s", want, b.String())
			}
		}
		return nil
	})
}
