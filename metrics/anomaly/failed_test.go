package anomaly

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory/inventorytest"
)

// Before any message every kind that the listed devices can raise is counted, at
// 0, and no kind of other facilities (field/grafana case 01).
func TestKindsAreCountedFromTheStart(t *testing.T) {
	const text = "communities:\n- {id: c, name: 社区, town: 镇}\nvendors:\n- id: v\n  sources: [{topic: \"v/{device}\", format: json}]\n" +
		"  devices: [{id: m1, community: c, facility: water}, {id: m2, community: c, facility: water}]\n"
	inv := inventorytest.Parse(t, text, time.FixedZone("", 8*3600))
	e := NewEngine(Options{Config: DefaultConfig()})
	e.Bind(inv)
	want := 0
	for _, k := range Kinds {
		if k.Facility == ingest.Water || k.Facility == anyFacility {
			want++
		}
	}
	for _, metric := range []string{"greencommunity_anomalies_total", "greencommunity_anomaly_active"} {
		if n := testutil.CollectAndCount(e, metric); n != want {
			t.Errorf("%d series of %s, want %d", n, metric, want)
		}
	}
}

// A lamp that is dark, or says that it is broken, has failed, once; one behind a
// feeder that is out has not.
func TestLampsFailed(t *testing.T) {
	b := newBench(t)
	if n := testutil.CollectAndCount(b.Engine, "greencommunity_lighting_lamps_failed"); n != 0 {
		t.Errorf("%d before anything was raised", n)
	}
	check := func(what string, want int) {
		t.Helper()
		text := "# HELP greencommunity_lighting_lamps_failed Lamps that are dark when they should burn or report a fault, without those whose feeder, gateway or community is at fault.\n# TYPE greencommunity_lighting_lamps_failed gauge\n" +
			fmt.Sprintf("greencommunity_lighting_lamps_failed{community=\"c\"} %d\n", want)
		if err := testutil.CollectAndCompare(b.Engine, strings.NewReader(text), "greencommunity_lighting_lamps_failed"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := range 20 {
		_, d := b.device(fmt.Sprintf("lamp%02d", i), "lighting")
		d.Attributes = map[string]string{"feeder": fmt.Sprintf("f%d", i/10)}
	}
	evening := start.Add(5*24*time.Hour + 23*time.Hour)
	b.lamps(start, evening, 20, 1)
	check("one is dark", 1)
	b.tell(evening, "lamp00", "lighting", "lamp_fault", true)
	check("and says so", 1)
	b.tell(evening, "lamp07", "lighting", "lamp_fault", true)
	b.tell(evening, "lamp08", "lighting", "tamper", true) // no failed lamp
	check("another says so", 2)
	b.tell(evening.Add(time.Minute), "lamp07", "lighting", "lamp_fault", false)
	check("it is mended", 1)

	b = newBench(t)
	for i := range 20 {
		_, d := b.device(fmt.Sprintf("lamp%02d", i), "lighting")
		d.Attributes = map[string]string{"feeder": fmt.Sprintf("f%d", i/10)}
	}
	b.lamps(start, evening, 20, 5)
	check("the feeder is out", 0)
}
