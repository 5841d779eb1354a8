package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// specification is docs/openapi.yaml, whose schemas are of JSON Schema 2020-12.
type specification struct {
	t        *testing.T
	compiler *jsonschema.Compiler
	paths    map[string]any
}

const specificationURL = "file:///openapi.json"

func readSpecification(t *testing.T) *specification {
	t.Helper()
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	s := &specification{t: t, compiler: jsonschema.NewCompiler()}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	s.compiler.AssertFormat()
	if err := s.compiler.AddResource(specificationURL, doc); err != nil {
		t.Fatal(err)
	}
	s.paths = doc.(map[string]any)["paths"].(map[string]any)
	return s
}

// check gets a path and holds the answer against what is said of it.
func (s *specification) check(base, path string, status string) any {
	s.t.Helper()
	r, err := http.Get(base + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := r.Status[:3]; got != status {
		s.t.Fatalf("%s: %s %s", path, r.Status, body)
	}
	route, _, _ := strings.Cut(path, "?")
	for _, list := range []string{"/api/v1/communities/", "/api/v1/devices/"} {
		if id, ok := strings.CutPrefix(route, list); ok {
			_, of, is := strings.Cut(id, "/")
			if route = list + "{id}"; is {
				route += "/" + of
			}
		}
	}
	if id, ok := strings.CutPrefix(route, "/api/v1/alarms/"); ok && id != "kinds" {
		route = "/api/v1/alarms/{id}"
	}
	pointer := "#/paths/" + url.PathEscape(strings.ReplaceAll(route, "/", "~1")) + "/get/responses/" + status + "/content/" + strings.ReplaceAll(r.Header.Get("Content-Type"), "/", "~1") + "/schema"
	if status == "400" {
		pointer = "#/components/schemas/Problem"
	}
	schema, err := s.compiler.Compile(specificationURL + pointer)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := jsonschema.UnmarshalJSON(strings.NewReader(string(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := schema.Validate(answer); err != nil {
		s.t.Errorf("%s: %v\n%.2000s", path, err, body)
	}
	delete(s.paths, route)
	return answer
}

// The answers are what docs/openapi.yaml says, and every path of it is asked.
func (s *specification) all(base string) {
	s.t.Helper()
	overview := s.check(base, "/api/v1/overview", "200").(map[string]any)
	if len(overview["communities"].([]any)) == 0 || len(overview["vendors"].([]any)) == 0 || len(overview["savings"].([]any)) == 0 {
		s.t.Errorf("an overview without content proves nothing: %v", overview)
	}
	s.alarms(base)
	s.check(base, "/api/v1/savings", "200")
	s.check(base, "/api/v1/trends", "200")
	s.check(base, "/api/v1/trends?community=nancheng", "200")
	s.check(base, "/api/v1/trends?community=nowhere", "400")
	if devices := s.check(base, "/api/v1/devices?q=lamp&limit=3", "200").([]any); len(devices) != 3 {
		s.t.Errorf("%d devices, want 3", len(devices))
	}
	s.check(base, "/api/v1/devices?limit=0", "400")
	s.check(base, "/api/v1/report?quarter=2026-3", "400")
	s.check(base, "/api/v1/systems", "200")
	s.report(base)
	s.check(base, "/api/v1/ledger", "200")
	s.check(base, "/api/v1/ledger?format=pdf", "400")
	s.check(base, "/api/v1/decode", "200")
	s.check(base, "/api/v1/communities", "200")
	s.check(base, "/api/v1/communities/nancheng", "200")
	s.check(base, "/api/v1/devices/nancheng-meter-001", "200")
	s.check(base, "/api/v1/devices/nancheng-meter-001/last", "200")
	if rows := s.check(base, "/api/v1/use?by=community&compare=year", "200").([]any); len(rows) < 50 {
		s.t.Errorf("%d rows of use, want two resources of two communities for 14 days", len(rows))
	}
	if rows := s.check(base, "/api/v1/readings?device=nancheng-meter-001&limit=5", "200").([]any); len(rows) == 0 {
		s.t.Error("no readings")
	}
	s.check(base, "/api/v1/readings?step=1", "400")
	s.check(base, "/api/v1/session", "200")
	s.check(base, "/api/v1/vendors?days=7", "200")
	s.check(base, "/api/v1/vendors?days=x", "400")
	// The day of places is in InfluxDB within a minute or two of the history.
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(time.Second) {
		text := fetch(s.t, base+"/api/v1/export/usage_daily")
		if strings.Count(text, "\n") >= 3 {
			break
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("an export of a day has %q", text)
		}
	}
	delete(s.paths, "/api/v1/export/{what}")
	r, err := http.Get(base + "/api/v1/stream")
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	event := make([]byte, 1<<20)
	n, err := io.ReadAtLeast(r.Body, event, 100)
	if err != nil || r.Header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(string(event[:n]), `data: {"as_of":`) {
		s.t.Errorf("stream: %v %s %.100s", err, r.Header.Get("Content-Type"), event[:n])
	}
	delete(s.paths, "/api/v1/stream")
	for path := range s.paths {
		s.t.Errorf("%s is described and was not asked", path)
	}
}

// report is offered to be printed and as files.
func (s *specification) report(base string) {
	s.t.Helper()
	for format, begins := range map[string]string{"": "<!DOCTYPE html>", "html": "<!DOCTYPE html>", "csv": "\ufeff,绿色社区", "xlsx": "PK\x03\x04", "docx": "PK\x03\x04"} {
		r, err := http.Get(base + "/api/v1/report?community=nancheng&format=" + format)
		if err != nil {
			s.t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), begins) {
			s.t.Errorf("report as %q: %v %s %.200s", format, err, r.Status, body)
		}
		html := strings.HasPrefix(r.Header.Get("Content-Type"), "text/html")
		if disposition := r.Header.Get("Content-Disposition"); html != strings.HasPrefix(disposition, "inline") || !strings.Contains(disposition, "%E7%BB%BF%E8%89%B2") {
			s.t.Errorf("report as %q: %s", format, disposition)
		}
		if policy := r.Header.Get("Content-Security-Policy"); html && !strings.Contains(policy, "style-src 'sha256-") {
			s.t.Errorf("report as %q: policy %q", format, policy)
		}
		if html && !strings.Contains(string(body), "南城社区") {
			s.t.Errorf("the report does not name the community")
		}
	}
}

// alarms asks for alarms, and confirms one.
func (s *specification) alarms(base string) {
	s.t.Helper()
	list := s.check(base, "/api/v1/alarms", "200").([]any)
	s.check(base, "/api/v1/alarms?status=nothing", "400")
	s.check(base, "/api/v1/alarms?status=all&grouped=true&since=2026-01-01", "200")
	if len(list) == 0 {
		s.t.Fatal("an empty list of alarms proves nothing")
	}
	id := list[0].(map[string]any)["id"].(string)
	answer, err := http.Post(base+"/api/v1/alarms/"+id, "application/json", strings.NewReader(`{"status": "assigned", "assignee": "王工", "comment": "去看看"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		s.t.Errorf("assigning an alarm: %s", answer.Status)
	}
	item := s.check(base, "/api/v1/alarms/"+id, "200").(map[string]any)
	// The demo's clerk may have said something before.
	comments := item["comments"].([]any)
	if item["status"] != "assigned" || item["assignee"] != "王工" || len(comments) == 0 || comments[len(comments)-1].(map[string]any)["text"] != "去看看" {
		s.t.Errorf("after it was assigned it is %v", item)
	}
	s.check(base, "/api/v1/alarms/kinds", "200")
	picture, err := http.Get(base + "/api/v1/alarms/" + id + "/picture.svg")
	if err != nil {
		s.t.Fatal(err)
	}
	picture.Body.Close()
	if kind := picture.Header.Get("Content-Type"); picture.StatusCode != http.StatusOK || kind != "image/svg+xml" {
		s.t.Errorf("picture: %s %s", picture.Status, kind)
	}
	delete(s.paths, "/api/v1/alarms/{id}/picture.svg")
}
