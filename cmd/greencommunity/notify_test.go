package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The command says what is wrong with its configuration, and delivers what
// Alertmanager posts under the names people know.
func TestNotify(t *testing.T) {
	t.Parallel()
	var message struct{ Markdown struct{ Content string } }
	robot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			t.Error(err)
		}
		io.WriteString(w, `{"errcode":0}`)
	}))
	defer robot.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "notify.yaml")
	write(t, filepath.Join(dir, "url"), robot.URL+"/send?key=k\n")
	write(t, filepath.Join(dir, "inventory.yaml"), `communities: [{id: nancheng, name: 南城社区}]
vendors: [{id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}]
`)
	port := freePort(t)
	write(t, path, "robots: []\n")
	if out, err := command(t, "notify", "--config", path, "--check"); err == nil || !strings.Contains(err.Error(), "robots (line 1): missing; give at least one") {
		t.Error(out, err)
	}
	write(t, path, fmt.Sprintf("listen: 127.0.0.1:%s\ninventory: inventory.yaml\nrobots: [{name: duty, kind: wecom, url_file: url}]\n", port))
	out, err := command(t, "notify", "--config", path, "--check")
	if err != nil {
		t.Fatal(err)
	}
	wantOutput(t, out, "1 robots, names of 1 communities")

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"notify", "--config", path}, streams{strings.NewReader(""), io.Discard, io.Discard})
	}()
	waitPort(t, "127.0.0.1:"+port)
	const notification = `{"version":"4","status":"firing",
		"groupLabels":{"alertname":"GreencommunityBurst","community":"nancheng"},"alerts":[{"status":"firing","startsAt":"2026-03-01T04:00:00Z",
		"labels":{"severity":"critical","community":"nancheng","facility":"water"},"annotations":{"summary":"爆管","description":"nancheng（water）有1处未恢复。"}}]}`
	post := func(body string) *http.Response {
		answer, err := http.Post("http://127.0.0.1:"+port+"/alerts/duty", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer
	}
	answer := post(notification)
	if want := "### 【紧急】爆管 · 南城社区\n\n南城社区（供水）有1处未恢复。\n\n自 3月1日 12:00 起。"; answer.StatusCode != 200 || message.Markdown.Content != want {
		t.Errorf("status %d, message %q", answer.StatusCode, message.Markdown.Content)
	}
	// A community that is new in the inventory goes by its name at once; an
	// inventory that is wrong changes nothing.
	inventory := filepath.Join(dir, "inventory.yaml")
	write(t, inventory, `communities: [{id: nancheng, name: 南城社区}, {id: beicheng, name: 北城社区}]
vendors: [{id: v, sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]}]
`)
	post(strings.ReplaceAll(notification, "nancheng", "beicheng"))
	wantOutput(t, message.Markdown.Content, "爆管 · 北城社区")
	write(t, inventory, "communities: [")
	post(strings.ReplaceAll(notification, "nancheng", "beicheng"))
	wantOutput(t, message.Markdown.Content, "爆管 · 北城社区")
	answer, err = http.Get("http://127.0.0.1:" + port + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	wantOutput(t, string(text), `greencommunity_notify_messages_total{result="delivered",robot="duty"} 3`)

	// /-/reload takes another robot, a new address from its file and the names of
	// another inventory; a configuration that is wrong changes nothing, and says all
	// that is wrong with it.
	reload := func() (int, string) {
		answer, err := http.Post("http://127.0.0.1:"+port+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	moved := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		moved <- r.URL.Path
		io.WriteString(w, `{"errcode":0}`)
	}))
	defer other.Close()
	write(t, filepath.Join(dir, "url"), other.URL+"/moved?key=k\n")
	write(t, filepath.Join(dir, "second"), other.URL+"/second?key=k\n")
	write(t, path, fmt.Sprintf("listen: 127.0.0.1:%s\nrobots: [{name: duty, kind: wecom, url_file: nothing}, {name: day, kind: whatsapp, url_file: second}]\n", port))
	if status, text := reload(); status == 200 || !strings.Contains(text, "nothing") || !strings.Contains(text, "whatsapp") {
		t.Errorf("a wrong configuration: %d %s", status, text)
	}
	if post(notification); len(moved) != 0 {
		t.Error("a wrong configuration is taken")
	}
	write(t, path, fmt.Sprintf("listen: 127.0.0.1:%s\nrobots: [{name: duty, kind: wecom, url_file: url}, {name: day, kind: wecom, url_file: second}]\n", port))
	if status, text := reload(); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if post(notification); len(moved) != 1 || <-moved != "/moved" {
		t.Error("the robot's new address is not used")
	}
	if answer, err := http.Post("http://127.0.0.1:"+port+"/alerts/day", "application/json", strings.NewReader(notification)); err != nil || answer.StatusCode != 200 || <-moved != "/second" {
		t.Error("the new robot gets nothing", err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("does not end")
	}
}
