package paste

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

const twoVendors = `
communities: [{id: nancheng, name: 南城}, {id: xicheng, name: 西城}]
vendors:
- id: acme
  limits: {payload_bytes: 1000}
  unknown_devices: accept
  sources:
  - {topic: "acme/{community}/{device}", format: json, facility: water, fields: {zong: {quantity: water_volume_total, unit: L}}}
- id: gates
  unknown_devices: accept
  sources: [{topic: "gates/{community}/{device}", format: json, facility: gate, fields: {opened: {quantity: pass_in}}}]
`

func asks(t *testing.T, p *Paste, who access.Identity, body string) (int, map[string]any, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/api/v1/decode", strings.NewReader(body)).WithContext(access.With(t.Context(), who))
	w := httptest.NewRecorder()
	p.decode(w, r)
	var v map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return w.Code, v, w.Body.String()
}

func TestPaste(t *testing.T) {
	t.Parallel()
	inv, err := inventory.Parse([]byte(twoVendors), time.FixedZone("", 8*3600))
	if err != nil {
		t.Fatal(err)
	}
	all := access.Identity{Name: "local"}
	for _, c := range []struct {
		name   string
		who    access.Identity
		body   string
		status int
		has    []string
		not    []string
	}{
		{"by the inventory", all, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":12500,\"Temp\":21.5}"}`, 200,
			[]string{`"vendor":"acme"`, `"quantity":"water_volume_total"`, `"value":12.5`, `"unmapped":true`, `\"Temp\": {quantity: water_temperature}`, `fields of the source`}, nil},
		{"bytes in hex, with what copying adds", all, `{"topic":"t","payload":"FE FE\n68:21:43:65:87:09:00:68 9108 33333433 45673333 A1 16","encoding":"hex","format":"dlt645"}`, 200, []string{`"quantity":"energy_total"`}, nil},
		{"base64 without its end", all, `{"topic":"t","payload":"AXVk","encoding":"base64","format":"milesight"}`, 200, []string{`"quantity":"battery_level"`, `"value":1`}, nil},
		{"no hex", all, `{"payload":"zz","encoding":"hex","format":"dlt645"}`, 400, []string{"payload is no hex"}, nil},
		{"no base64", all, `{"payload":"%%","encoding":"base64","format":"raw"}`, 400, []string{"payload is no base64"}, nil},
		{"an encoding nobody knows", all, `{"payload":"zz","encoding":"rot13"}`, 400, []string{"text, hex or base64"}, nil},
		{"a format nobody knows", all, `{"payload":"zz","format":"jason"}`, 400, []string{`format \"jason\" is unknown`}, nil},
		{"a kind of facility nobody knows", all, `{"payload":"{}","format":"json","facility":"zoo"}`, 400, []string{"zoo"}, nil},
		{"a member nobody knows", all, `{"playload":"zz"}`, 400, []string{"playload"}, nil},
		{"a topic without a source", all, `{"topic":"zigbee2mqtt/lamp","payload":"{}"}`, 200, []string{`"rejected":"unknown_topic"`, `"zigbee2mqtt"`}, nil},
		{"more than a vendor may send", all, `{"topic":"acme/nancheng/m1","payload":"` + strings.Repeat("x", 1001) + `"}`, 200, []string{`"rejected":"too_large"`}, nil},
		{"more than anybody may paste", all, `{"payload":"` + strings.Repeat("x", MaxBody) + `"}`, 413, []string{"bytes"}, nil},
		{"a person at a gate", all, `{"topic":"gates/nancheng/g1","payload":"{\"opened\":1,\"who\":\"王小明\",\"card\":\"330522199001010011\"}"}`, 200, []string{`"pass_in"`}, []string{"王小明", "330522"}},
		{"a person at a gate, tried as one", all, `{"topic":"x/g1","payload":"{\"opened\":1,\"who\":\"王小明\",\"card\":\"330522199001010011\"}","format":"json","facility":"gate"}`, 200, nil, []string{"王小明", "330522"}},
		{"another vendor's topic", access.Identity{Name: "v", Role: access.Vendor, Vendor: "gates"}, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":1}"}`, 200, []string{"unknown_topic"}, []string{"acme\"", "water_volume_total"}},
		{"their own", access.Identity{Name: "v", Role: access.Vendor, Vendor: "acme"}, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":1}"}`, 200, []string{"water_volume_total"}, nil},
		{"another community", access.Identity{Name: "c", Title: "西城", Communities: []ingest.CommunityID{"xicheng"}}, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":1}"}`, 400, []string{"does not see"}, []string{"water_volume_total"}},
	} {
		p := New(func() *inventory.Inventory { return inv })
		status, _, body := asks(t, p, c.who, c.body)
		if status != c.status {
			t.Errorf("%s: status %d, want %d: %.300s", c.name, status, c.status, body)
		}
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in %.600s", c.name, want, body)
			}
		}
		for _, not := range c.not {
			if strings.Contains(body, not) {
				t.Errorf("%s: %s in %.600s", c.name, not, body)
			}
		}
	}
}

// Who pastes without end is told to wait, and keeps nobody else from pasting.
func TestPasteTooOften(t *testing.T) {
	t.Parallel()
	inv, err := inventory.Parse([]byte(twoVendors), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p := New(func() *inventory.Inventory { return inv })
	refused := 0
	for range 2 * burst {
		if status, _, _ := asks(t, p, access.Identity{Name: "one"}, `{"topic":"x","payload":""}`); status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if status, _, _ := asks(t, p, access.Identity{Name: "other"}, `{"topic":"x","payload":""}`); status != http.StatusOK {
		t.Errorf("somebody else: status %d", status)
	}
	for i := range 2 * maxNames {
		asks(t, p, access.Identity{Name: fmt.Sprint(i)}, `{}`)
	}
	if len(p.limits) > maxNames {
		t.Errorf("%d names are kept", len(p.limits))
	}
}

// However many are pasted, the inventory knows no device more.
func TestPasteKeepsNothing(t *testing.T) {
	t.Parallel()
	inv, err := inventory.Parse([]byte(twoVendors), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p := New(func() *inventory.Inventory { return inv })
	_, first, _ := asks(t, p, access.Identity{Name: "a"}, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":1}"}`)
	_, second, _ := asks(t, p, access.Identity{Name: "a"}, `{"topic":"acme/nancheng/m1","payload":"{\"zong\":1}"}`)
	if len(first["lines"].([]any)) != len(second["lines"].([]any)) || inv.Devices() != 0 {
		t.Errorf("first %v, then %v; %d devices", first, second, inv.Devices())
	}
}
