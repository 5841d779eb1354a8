package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
)

// beforeLetGo has what the changes below take away or pass on.
const beforeLetGo = `
communities:
- {id: nan, name: 南}
- {id: xi, name: 西}
vendors:
- id: lists
  unknown_devices: reject
  sources: [{topic: "l/{community}/{facility}/{device}", format: native}]
  devices:
  - {id: bin-1, community: nan, facility: waste, alias: b1}
  - {id: bin-2, community: xi, facility: waste}
- id: open
  unknown_devices: accept
  sources: [{topic: "o/{community}/{facility}/{device}", format: native}]
- id: next
  unknown_devices: accept
  max_devices: 2
  sources: [{topic: "n/{community}/{facility}/{device}", format: native}]
`

func loadText(t *testing.T, text string) *Inventory {
	t.Helper()
	file := filepath.Join(t.TempDir(), "inventory.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	inv, err := Load(file, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// hear resolves a message to vendor/community/facility/device.
func hear(t *testing.T, r *Registry, inv *Inventory, what string) string {
	t.Helper()
	p := strings.Split(what, "/")
	v := inv.Vendor(ingest.VendorID(p[0]))
	if v == nil {
		return "no vendor"
	}
	d, _, refusal := accept(r, v.Sources[0], &format.Captures{Community: p[1], Facility: p[2], Device: p[3]}, "", "", "", "", "")
	if refusal != nil {
		return string(refusal.Reason)
	}
	return string(d.Vendor)
}

// What a change of the inventory lets go, of six devices heard before; and whose
// a device is, or why it is refused, when it is heard again. The same holds where
// the change is met at a start.
func TestInventoryLetsGo(t *testing.T) {
	all := []string{"lists/nan/waste/bin-1", "lists/xi/waste/bin-2", "open/nan/water/m-1", "open/xi/water/m-2", "next/nan/lighting/l-1", "next/nan/lighting/l-typo"}
	drop := func(parts ...string) func(string) string {
		return func(s string) string {
			for _, p := range parts {
				if !strings.Contains(s, p) {
					panic(p)
				}
				s = strings.Replace(s, p, "", 1)
			}
			return s
		}
	}
	bin1 := "  - {id: bin-1, community: nan, facility: waste, alias: b1}\n"
	bin2 := "  - {id: bin-2, community: xi, facility: waste}\n"
	xi := "- {id: xi, name: 西}\n"
	open := beforeLetGo[strings.Index(beforeLetGo, "- id: open"):strings.Index(beforeLetGo, "- id: next")]
	next := beforeLetGo[strings.Index(beforeLetGo, "- id: next"):]
	lists := beforeLetGo[strings.Index(beforeLetGo, "- id: lists"):strings.Index(beforeLetGo, "- id: open")]
	replace := func(old, by string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				panic(old)
			}
			return strings.Replace(s, old, by, 1)
		}
	}
	for _, c := range []struct {
		name   string
		change func(string) string
		gone   []int
		again  string // heard then
		is     string
	}{
		{"nothing", drop(), nil, all[0], "lists"},
		{"a name", replace("name: 西", "name: 西城"), nil, all[1], "lists"},
		{"a listed device", drop(bin1), []int{0}, all[0], "unknown_device"},
		{"both listed devices", drop(bin1, bin2), []int{0, 1}, all[1], "unknown_device"},
		{"a community", drop(xi, bin2), []int{1, 3}, all[3], "unknown_community"},
		{"a vendor, and another reports its device", drop(open), []int{2, 3}, "next/nan/water/m-1", "too_many_devices"},
		{"a vendor, and a roomy one reports its device", drop(next), []int{4, 5}, "open/nan/lighting/l-1", "open"},
		{"a vendor with a list", drop(lists), []int{0, 1}, "open/nan/waste/bin-1", "open"},
		{"a listed device passes to another list", func(s string) string {
			return drop(bin1)(s) + "  devices:\n" + bin1
		}, nil, "next/nan/waste/bin-1", "next"},
		{"a listed device moves to another community", replace("bin-2, community: xi", "bin-2, community: nan"), nil, all[1], "lists"},
		{"an unlisted device is listed", replace(bin2, bin2+"  - {id: l-1, community: nan, facility: lighting}\n"), []int{4}, "lists/nan/lighting/l-1", "lists"},
		{"an unlisted device becomes an alias", func(s string) string {
			return s + "  devices:\n  - {id: lamp-1, community: nan, facility: lighting, alias: l-1}\n"
		}, []int{4}, all[4], "next"},
		{"a device changes its id", replace("id: bin-1", "id: bin-1a"), []int{0}, "lists/nan/waste/b1", "lists"},
		{"accept becomes reject: known devices stay", replace("id: open\n  unknown_devices: accept", "id: open\n  unknown_devices: reject"), nil, all[2], "open"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := loadText(t, beforeLetGo)
			after := loadText(t, c.change(beforeLetGo))
			running := NewRegistry(before)
			for _, d := range all {
				if got := hear(t, running, before, d); !strings.HasPrefix(d, got+"/") {
					t.Fatalf("%s is %s", d, got)
				}
			}
			started := NewRegistry(after)
			for i := range running.Len() {
				started.Restore(*running.At(uint32(i)))
			}
			running.Reload(after)
			for how, r := range map[string]*Registry{"reload": running, "start": started} {
				gone := []int{}
				for _, i := range r.LetGo() {
					gone = append(gone, int(i))
				}
				if slices.Sort(gone); !slices.Equal(gone, c.gone) {
					t.Errorf("%s lets %v go, want %v", how, gone, c.gone)
				}
				if again := r.LetGo(); len(again) != 0 {
					t.Errorf("%s lets %v go twice", how, again)
				}
				if is := hear(t, r, after, c.again); is != c.is {
					t.Errorf("%s: %s heard again is %s, want %s", how, c.again, is, c.is)
				}
			}
		})
	}
}

// A device that was forgotten frees its place, and is its new owner's: over a
// restart as well.
func TestForgottenDevices(t *testing.T) {
	inv := loadText(t, beforeLetGo)
	r := NewRegistry(inv)
	for i := range 2 {
		hear(t, r, inv, fmt.Sprintf("next/nan/lighting/l-%d", i))
	}
	if got := hear(t, r, inv, "next/nan/lighting/l-2"); got != "too_many_devices" {
		t.Fatal(got)
	}
	introduced := []ingest.Device{*r.At(0), *r.At(1)}
	r.Forget(0)
	r.Forget(0)
	if got := hear(t, r, inv, "next/nan/lighting/l-2"); got != "next" {
		t.Errorf("after one is forgotten: %s", got)
	}
	introduced = append(introduced, *r.At(2))
	if got := hear(t, r, inv, "open/nan/lighting/l-0"); got != "open" {
		t.Errorf("forgotten, and heard from another: %s", got)
	}
	removed, moved := r.Changes()
	restarted := NewRegistry(inv)
	for _, d := range introduced {
		restarted.Restore(d)
	}
	for i, to := range moved {
		restarted.Move(i, to)
	}
	for _, i := range removed {
		restarted.Forget(i)
	}
	for _, c := range []struct{ heard, is string }{
		{"open/nan/lighting/l-0", "open"}, {"next/nan/lighting/l-0", "not_owner"}, {"next/nan/lighting/l-1", "next"}, {"next/nan/lighting/l-3", "too_many_devices"},
	} {
		if got := hear(t, restarted, inv, c.heard); got != c.is {
			t.Errorf("after a restart %s is %s, want %s", c.heard, got, c.is)
		}
	}
}
