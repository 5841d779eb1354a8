package alertmanager_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"greencommunity/metrics/notify"
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
		{"alertname=GreencommunityBurst severity=critical community=nancheng facility=water kind=burst alarm=a", "people"},
		{"alertname=GreencommunityContinuousFlow severity=warning community=nancheng facility=water kind=continuous_flow alarm=b", "people"},
		{"alertname=GreencommunityOutage severity=warning community=nancheng facility=lighting kind=outage alarm=c", "people"},
		{"alertname=GreencommunityEnergySavingsNegative severity=warning community=nancheng facility=lighting", "people"},
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

// The roster that is shipped is in order beside the robots that are, and wakes nobody for what
// can wait.
func TestRosterIsInOrder(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := notify.ReadRoster("roster.yaml", []string{"duty", "office", "operator"}, zone); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile("notify.yaml")
	if err != nil || !strings.Contains(string(data), "roster: roster.yaml") {
		t.Errorf("notify.yaml names no roster: %v", err)
	}
}
