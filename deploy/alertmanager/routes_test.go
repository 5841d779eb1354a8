package alertmanager_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func amtool(t *testing.T, args ...string) (string, error) {
	path, err := exec.LookPath("amtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal(err)
	default:
		t.Skip(err)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	return string(out), err
}

func TestConfigurationIsInOrder(t *testing.T) {
	if out, err := amtool(t, "check-config", "alertmanager.yml"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestRoutes(t *testing.T) {
	for _, test := range []struct{ labels, receiver string }{
		{"alertname=GreencommunityBurst severity=critical community=nancheng facility=water kind=burst", "duty"},
		{"alertname=GreencommunityBinFire severity=critical community=nancheng facility=waste kind=bin_fire", "duty"},
		{"alertname=GreencommunityFeederOutage severity=critical community=nancheng facility=lighting kind=feeder_outage", "duty"},
		{"alertname=GreencommunityContinuousFlow severity=warning community=nancheng facility=water kind=continuous_flow", "office"},
		{"alertname=GreencommunityOverfull severity=warning community=nancheng facility=waste kind=overfull", "office"},
		{"alertname=GreencommunityOutage severity=warning community=nancheng facility=lighting kind=outage", "office"},
		{"alertname=GreencommunityEnergySavingsNegative severity=warning community=nancheng facility=lighting", "office"},
		{"alertname=GreencommunityUnusualValue severity=info community=nancheng facility=water kind=unusual_value", "null"},
		{"alertname=GreencommunityIngesterDown severity=critical component=ingester instance=a", "operator"},
		{"alertname=GreencommunityVendorSilent severity=warning component=vendor vendor=v", "operator"},
		{"alertname=GreencommunityWatchdog severity=none component=delivery", "watchdog"},
	} {
		args := append([]string{"config", "routes", "test", "--config.file=alertmanager.yml", "--verify.receivers=" + test.receiver}, strings.Fields(test.labels)...)
		if out, err := amtool(t, args...); err != nil {
			t.Errorf("%s: %v\n%s", test.labels, err, out)
		}
	}
}

// Only warnings of lighting and waste wait for working hours.
func TestWorkingHours(t *testing.T) {
	out, err := amtool(t, "config", "routes", "show", "--config.file=alertmanager.yml")
	if err != nil {
		t.Fatal(err, out)
	}
	data, err := os.ReadFile("alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(data), "active_time_intervals")
	if !found || strings.Count(string(data), "active_time_intervals") != 1 {
		t.Fatal("active_time_intervals is not on exactly one route")
	}
	matchers := before[strings.LastIndex(before, "- matchers"):]
	if want := `[severity="warning", facility=~"lighting|waste"]`; !strings.Contains(matchers, want) {
		t.Errorf("active_time_intervals belongs to %s", fmt.Sprintf("%.80s", matchers))
	}
}
