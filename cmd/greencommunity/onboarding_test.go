package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A new vendor with a private JSON is a part of the guide put into the
// inventory and a reload: no code, no restart. A part with a mistake changes
// nothing.
func TestNewVendorWithoutRestart(t *testing.T) {
	t.Parallel()
	in, db, broker := startWith(t, testInventory)
	pid := in.cmd.Process.Pid
	guide, _ := readGuide(t, "README.md")
	path := filepath.Join(in.dir, "inventory.yaml")
	reload := func(text string) int {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := http.Post(in.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode
	}
	p := newPublisher(t, broker.Addr())
	p.publish("greencommunity/v1/nancheng/lighting/L1", []byte(`{"active_power":1}`))
	if status := reload(testInventory + "- id: acme\n  sources: [{topic: x, format: jason}]\n"); status == http.StatusOK {
		t.Error("a format nobody knows is taken")
	}
	start := time.Now()
	if status := reload(testInventory + "- id: acme\n" + guide["json"].yaml + "\n"); status != http.StatusOK {
		t.Fatalf("reload: status %d", status)
	}
	now := time.Now().Unix()
	p.publish("acme/bin-7/data", fmt.Appendf(nil, `{"ts":%d,"items":[{"key":"full","val":"40"},{"key":"lid","val":"SHUT"}]}`, now))
	eventually(t, 20*time.Second, "the new vendor's reading in InfluxDB", func() error {
		rows := db.rows(`SELECT fill_level, lid_open FROM waste WHERE device='bin-7' AND vendor='acme'`)
		if len(rows) != 1 || fmt.Sprintf("%v %v %v", rows[0]["fill_level"], rows[0]["lid_open"], rows[0]["time"]) != fmt.Sprintf("0.4 0 %d", now*1e9) {
			return fmt.Errorf("InfluxDB holds %v", rows)
		}
		return nil
	})
	t.Logf("from the reload to InfluxDB: %s", time.Since(start).Round(time.Millisecond))
	if in.cmd.Process.Pid != pid {
		t.Error("the program was restarted")
	}
}
