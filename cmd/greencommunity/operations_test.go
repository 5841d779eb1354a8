package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"greencommunity/deploy/embedded"
)

// Case operations 19: InfluxDB is away, six messages wait, the journal's files are
// deleted by hand. What waited is lost, and is said to be.
func TestOperations19JournalDeleted(t *testing.T) {
	t.Parallel()
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	db.stop()
	in := startIngester(t, broker.Addr(), "http://"+db.addr, "")
	in.waitReady()
	p := newPublisher(t, broker.Addr())
	at := time.Now().UnixMilli()
	publish := func(n int) {
		for range n {
			at++
			p.publish("greencommunity/v1/nancheng/lighting/L1", fmt.Appendf(nil, `{"time":%d,"active_power":1}`, at))
		}
	}
	publish(6)
	eventually(t, 20*time.Second, "six wait", func() error {
		if s, err := in.metrics(); err != nil || s.sum("greencommunity_messages_pending") != 6 {
			return fmt.Errorf("pending %v %v", s.sum("greencommunity_messages_pending"), err)
		}
		return nil
	})
	in.end(syscall.SIGTERM)
	files, err := filepath.Glob(filepath.Join(in.dir, "data", "journal", "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	db.start()
	for range 2 { // a restart changes nothing
		in.start()
		in.waitReady()
		s := in.waitSettled(6, 30*time.Second)
		if lost := s.sum("greencommunity_messages_lost_total"); lost != 6 || s["greencommunity_messages_rejected_total[reason:lost vendor:]"] != 6 {
			t.Errorf("%v lost, %v rejected as lost; want 6", lost, s["greencommunity_messages_rejected_total[reason:lost vendor:]"])
		}
		wantOutput(t, in.log.String(), "level=ERROR", "they count as lost")
		in.end(syscall.SIGTERM)
	}
	in.start()
	in.waitReady()
	publish(3)
	if s := in.waitSettled(9, 30*time.Second); s.sum("greencommunity_messages_stored_total") != 3 {
		t.Errorf("%v of the next three are stored", s.sum("greencommunity_messages_stored_total"))
	}
}

// shifted is the path of the program with a wall clock that can be set: time.Now adds
// the seconds that a file holds, and nothing else is changed.
var shifted = sync.OnceValues(func() (path string, err error) {
	dir, err := os.MkdirTemp("", "greencommunity-clock")
	if err != nil {
		return "", err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(goroot)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(text), now) != 1 {
		return "", fmt.Errorf("%s: time.Now is not as it was", source)
	}
	changed := strings.Replace(string(text), now, "var Shift int64\n\n"+now+"\tsec += Shift\n", 1)
	const set = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	read := func() {
		text, _ := os.ReadFile(os.Getenv("CLOCK_SHIFT"))
		time.Shift, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	read()
	go func() {
		for {
			time.Sleep(50 * time.Millisecond)
			read()
		}
	}()
}
`
	main, err := os.Getwd()
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		source: filepath.Join(dir, "time.go"), filepath.Join(main, "shift.go"): filepath.Join(dir, "shift.go"),
	}})
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"time.go": changed, "shift.go": set, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	path = filepath.Join(dir, "greencommunity")
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

// clocked is an ingester on a machine whose wall clock can be set.
type clocked struct {
	*ingester
	db    *database
	shift string
}

func startClocked(t *testing.T, shift time.Duration, inventory func(dir string)) (*clocked, *publisher) {
	t.Helper()
	if !long() {
		t.Skip("builds the standard library anew: GREENCOMMUNITY_LONG=1")
	}
	bin, err := shifted()
	if err != nil {
		t.Fatal(err)
	}
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	db := startDatabase(t)
	dir, addr, config := writeConfig(t, broker.Addr(), "http://"+db.addr, "")
	if inventory != nil {
		inventory(dir)
	}
	c := &clocked{db: db, shift: filepath.Join(dir, "shift"), ingester: &ingester{dir: dir, url: "http://" + addr}}
	t.Setenv("CLOCK_SHIFT", c.shift)
	c.set(shift)
	c.process = startProcess(t, bin, "run", "--config", config)
	return c, newPublisher(t, broker.Addr())
}

// set sets the clock, and waits until the program has it.
func (c *clocked) set(shift time.Duration) {
	c.db.t.Helper()
	if err := os.WriteFile(c.shift+".new", []byte(strconv.FormatInt(int64(shift/time.Second), 10)), 0o600); err != nil {
		c.db.t.Fatal(err)
	}
	if err := os.Rename(c.shift+".new", c.shift); err != nil {
		c.db.t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
}

// alarms are the open ones, as kind device.
func (c *clocked) alarms() string {
	text, err := get(c.url + "/api/v1/alarms")
	if err != nil {
		c.t.Fatal(err)
	}
	var list []struct{ Kind, Device string }
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		c.t.Fatal(err)
	}
	var open []string
	for _, a := range list {
		open = append(open, a.Kind+" "+a.Device)
	}
	return strings.Join(open, ", ")
}

const day = 24 * time.Hour

// Case operations 01: two bins burn, one is taken out of the list, the other's whole
// community is. Their alarms end with the reload, and are not there two days later,
// nor 34 days later, nor after a restart; nothing new is told of what is gone.
func TestOperations01RemovedDeviceAlarmLong(t *testing.T) {
	const (
		before = `communities:
- {id: nancheng, name: 南城社区}
- {id: xicheng, name: 西城社区}
vendors:
- id: binco
  unknown_devices: reject
  sources: [{topic: "greencommunity/v1/{community}/{facility}/{device}", format: native}]
  devices_file: devices.csv
`
		header = "id,community,facility,name\n"
		lamp   = "lamp-9,nancheng,lighting,9号灯\n"
	)
	c, p := startClocked(t, 0, func(dir string) {
		write(t, filepath.Join(dir, "inventory.yaml"), before)
		write(t, filepath.Join(dir, "devices.csv"), header+lamp+"bin-1,nancheng,waste,1号桶\nbin-2,xicheng,waste,2号桶\nmeter-1,nancheng,water,1号表\n")
	})
	c.waitReady()
	for i := range 3 {
		p.publish("greencommunity/v1/nancheng/waste/bin-1", fmt.Appendf(nil, `{"bin_temperature":%d}`, 93+i))
		p.publish("greencommunity/v1/xicheng/waste/bin-2", fmt.Appendf(nil, `{"bin_temperature":%d}`, 93+i))
	}
	p.publish("greencommunity/v1/nancheng/water/meter-1", []byte(`{"water_volume_total":10}`))
	p.publish("greencommunity/v1/nancheng/lighting/lamp-9", []byte(`{"light_level":0.5}`))
	c.waitSettled(8, 30*time.Second)
	if got := c.alarms(); !strings.Contains(got, "bin_fire bin-1") || !strings.Contains(got, "bin_fire bin-2") {
		t.Fatalf("alarms: %s", got)
	}
	write(t, filepath.Join(c.dir, "devices.csv"), header+lamp)
	write(t, filepath.Join(c.dir, "inventory.yaml"), strings.Replace(before, "- {id: xicheng, name: 西城社区}\n", "", 1))
	answer, err := http.Post(c.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	if answer.Body.Close(); answer.StatusCode != 200 {
		t.Fatalf("reload: %s", text)
	}
	gone := func(when string) {
		t.Helper()
		eventually(t, time.Minute, when+": nothing of what was removed", func() error {
			if open := c.alarms(); strings.Contains(open, "bin-") || strings.Contains(open, "meter-1") {
				return fmt.Errorf("open: %s", open)
			}
			body, err := get(c.url + "/metrics")
			if err != nil {
				return err
			}
			for line := range strings.Lines(body) {
				active := strings.HasPrefix(line, "greencommunity_anomaly_active{") && strings.Contains(line, `facility="waste"`) && !strings.HasSuffix(line, " 0\n")
				if strings.Contains(line, `community="xicheng"`) || active {
					return fmt.Errorf("metric: %s", line)
				}
			}
			return nil
		})
	}
	gone("after the reload")
	for _, later := range []time.Duration{2 * day, 34 * day} {
		c.set(later)
		time.Sleep(4 * time.Second) // the idle walker tells what time it is, several times
		gone(later.String())
	}
	c.end(syscall.SIGTERM)
	c.start()
	c.waitReady()
	gone("after a restart")
}

// Case operations 01, of a device that no list ever had: one heard once, by a mistyped
// name, goes by itself before it would alarm, with its part of the quota; one that has
// reported more often is offline, and is forgotten by hand.
func TestOperations01MistypedNameLong(t *testing.T) {
	c, p := startClocked(t, 0, nil)
	c.waitReady()
	p.publish("greencommunity/v1/nancheng/lighting/lamp-typo", []byte(`{"light_level":0.5}`))
	for range 3 {
		p.publish("greencommunity/v1/nancheng/lighting/lamp-1", []byte(`{"light_level":0.5}`))
	}
	c.waitSettled(4, 30*time.Second)
	config := filepath.Join(c.dir, "config.yaml")
	devices := func() string {
		out, err := command(t, "devices", "--config", config)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	wantOutput(t, devices(), "lamp-typo", "lamp-1")
	c.end(syscall.SIGTERM)
	c.set(50 * time.Hour)
	c.start()
	c.waitReady()
	time.Sleep(2 * time.Second)
	if list, open := devices(), c.alarms(); strings.Contains(list, "lamp-typo") || !strings.Contains(list, "lamp-1") || strings.Contains(open, "lamp-typo") {
		t.Errorf("two days later:\n%s\nalarms: %s", list, open)
	}
	if out, err := command(t, "devices", "forget", "--config", config, "lamp-1"); err != nil {
		t.Fatal(out, err)
	}
	if list, open := devices(), c.alarms(); strings.Contains(list, "lamp-1") || strings.Contains(open, "lamp-1") {
		t.Errorf("forgotten:\n%s\nalarms: %s", list, open)
	}
}

// Case operations 06: the clock is five minutes ahead, and set back while the service
// runs. What comes then has the clock's time, readings as far apart as they were, and
// the step is counted and in the log.
func TestOperations06ClockStepBackLong(t *testing.T) {
	c, p := startClocked(t, 5*time.Minute, nil)
	c.waitReady()
	water := "greencommunity/v1/nancheng/water/m-1"
	p.publish(water, []byte(`{"water_volume_total":10}`))
	c.waitSettled(1, 20*time.Second)
	c.set(0)
	var at []time.Time
	for i := range 5 {
		at = append(at, time.Now())
		p.publish(water, fmt.Appendf(nil, `{"water_volume_total":%d}`, 11+i))
		time.Sleep(1500 * time.Millisecond)
	}
	s := c.waitSettled(6, 20*time.Second)
	rows := c.db.rows("SELECT water_volume_total FROM water WHERE water_volume_total > 10")
	if len(rows) != 5 {
		t.Fatalf("%d readings after the step", len(rows))
	}
	for i, row := range rows {
		stamp := time.Unix(0, int64(asFloat(row["time"])))
		if off := stamp.Sub(at[i]); off < -time.Second || off > time.Second {
			t.Errorf("reading %d is stamped %s from when it was published", i, off)
		}
	}
	if s.sum("greencommunity_clock_steps_total") < 1 {
		t.Error("the step is not counted")
	}
	wantOutput(t, c.log.String(), "level=ERROR", "this machine's clock was set")
	if err := ready(c.url); err != nil {
		t.Errorf("not ready afterwards: %v", err)
	}
}

// Case operations 07: the service starts in 1970. It is not ready and says why, takes
// nothing, and blames no vendor; the broker keeps what comes, and once the clock is
// right all is stored with the right time.
func TestOperations07Clock1970Long(t *testing.T) {
	c, p := startClocked(t, -time.Since(time.Unix(480, 0)), nil)
	eventually(t, 30*time.Second, "connected, and not ready for the clock", func() error {
		response, err := http.Get(c.url + "/-/ready")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		s, err := c.metrics()
		if err != nil || response.StatusCode == 200 || !strings.Contains(string(text), "before this program was built") || s.sum("greencommunity_mqtt_connected") != 1 {
			return fmt.Errorf("%s %s %v", response.Status, text, err)
		}
		return nil
	})
	now := time.Now()
	for i := range 3 {
		p.publish("greencommunity/v1/nancheng/lighting/timed", fmt.Appendf(nil, `{"time":%d,"active_power":%d}`, now.UnixMilli()+int64(i), i))
		p.publish("greencommunity/v1/nancheng/lighting/plain", fmt.Appendf(nil, `{"active_power":%d}`, i))
	}
	time.Sleep(2 * time.Second)
	if s, err := c.metrics(); err != nil || s.sum("greencommunity_messages_received_total") != 0 {
		t.Errorf("messages are taken in 1970: %v %v", s.sum("greencommunity_messages_received_total"), err)
	}
	wantOutput(t, c.log.String(), "level=ERROR", "the clock is wrong")
	c.set(0)
	s := c.waitSettled(6, 30*time.Second)
	c.waitReady()
	for _, name := range []string{"greencommunity_vendor_times_replaced_total", "greencommunity_messages_rejected_total"} {
		if s.sum(name) != 0 {
			t.Errorf("%s is %v", name, s.sum(name))
		}
	}
	for device, most := range map[string]time.Duration{"timed": time.Second, "plain": 30 * time.Second} {
		rows := c.db.rows(fmt.Sprintf("SELECT active_power FROM lighting WHERE device = '%s'", device))
		if len(rows) != 3 {
			t.Errorf("%s: %d readings", device, len(rows))
		}
		for _, row := range rows {
			if off := time.Unix(0, int64(asFloat(row["time"]))).Sub(now); off < -time.Second || off > most {
				t.Errorf("%s is stamped %s from when it was published", device, off)
			}
		}
	}
}

func ready(url string) error {
	text, err := get(url + "/-/ready")
	if err != nil {
		return fmt.Errorf("%w %s", err, text)
	}
	return nil
}

func asFloat(v any) float64 {
	f, _ := strconv.ParseFloat(fmt.Sprint(v), 64)
	return f
}
