package alertmanager_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
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
		{"alertname=GreencommunityOneMore severity=critical community=nancheng facility=water kind=burst", "duty-once"},
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

type route struct {
	Matchers            []string
	ActiveTimeIntervals []string `yaml:"active_time_intervals"`
	Routes              []route
}

// Only warnings of lighting and waste wait for working hours, which are those
// of Shanghai.
func TestWorkingHours(t *testing.T) {
	data, err := os.ReadFile("alertmanager.yml")
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Route         route
		TimeIntervals []struct {
			Name          string
			TimeIntervals []struct{ Location string } `yaml:"time_intervals"`
		} `yaml:"time_intervals"`
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	var waiting []string
	var walk func(route)
	walk = func(r route) {
		if len(r.ActiveTimeIntervals) > 0 {
			waiting = append(waiting, strings.Join(r.Matchers, " "))
		}
		for _, r := range r.Routes {
			walk(r)
		}
	}
	walk(c.Route)
	if want := `severity="warning" facility=~"lighting|waste"`; len(waiting) != 1 || waiting[0] != want {
		t.Errorf("routes that wait for working hours: %q, want %s", waiting, want)
	}
	for _, named := range c.TimeIntervals {
		for _, i := range named.TimeIntervals {
			if i.Location != "Asia/Shanghai" {
				t.Errorf("%s is in the time of %q", named.Name, i.Location)
			}
		}
	}
}
