package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A collection of our own, in each layout that public ones have: every example
// as its author and node have it, and the quantity each device is bought for arrives.
func TestCodecs(t *testing.T) {
	t.Parallel()
	args := []string{"codecs", "testdata/codecs", "--json", "--calls", "1"}
	_, err := exec.LookPath("node")
	node := err == nil
	if node {
		args = append(args, "--node")
	}
	var out bytes.Buffer
	if err := run(t.Context(), args, streams{out: &out, err: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	// The plug's activeEnergy is of no vocabulary: nobody says that it is a register.
	want := map[string][]string{
		"chirpstack/plug.js": {"active_power"},
		"meter/codec.js":     {"battery_voltage", "event leak", "water_volume_total"},
		"stack/door.js":      {"battery_voltage", "door_open"},
	}
	for line := range strings.Lines(out.String()) {
		var d collected
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if d.Broken != "" || d.Examples == 0 || d.Exact != d.Expected || node && d.AsNode != d.Examples || len(d.Differs) > 0 || d.Micros == 0 {
			t.Errorf("%s", line)
		}
		for _, quantity := range want[d.Path] {
			if !slices.Contains(d.Here, quantity) || d.Path != "stack/door.js" && !slices.Contains(d.Arrives, quantity) {
				t.Errorf("%s: %s does not arrive: %v, %v", d.Path, quantity, d.Arrives, d.Here)
			}
		}
		delete(want, d.Path)
	}
	if len(want) > 0 {
		t.Errorf("not tried: %v", want)
	}
	out.Reset()
	if err := run(t.Context(), []string{"codecs", "testdata/codecs"}, streams{out: &out, err: &out}); err != nil || !strings.Contains(out.String(), "as expected    4 of 4") {
		t.Errorf("%v\n%s", err, out.String())
	}
	if err := run(t.Context(), []string{"codecs", t.TempDir()}, streams{out: &out, err: &out}); err == nil || !strings.Contains(fmt.Sprint(err), "no decoder with examples") {
		t.Errorf("an empty folder: %v", err)
	}
}
