//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// movedCommunities are two of each of three instances.
var movedCommunities = func() (ids []string) {
	var of [3]int
	for i := 0; len(ids) < 6; i++ {
		id := fmt.Sprintf("c%d", i)
		if to := inventory.OwnerOf(ingest.CommunityID(id), 3); of[to] < 2 {
			of[to]++
			ids = append(ids, id)
		}
	}
	return ids
}()

// moveInventory has communities with a baseline, in the quarter that runs.
func moveInventory(first time.Time) string {
	var b strings.Builder
	period := fmt.Sprintf("[%s, %s]", first.AddDate(-1, 0, 0).Format(time.DateOnly), first.Format(time.DateOnly))
	b.WriteString("communities:\n")
	for i, id := range movedCommunities {
		fmt.Fprintf(&b, `- id: %[3]s
  name: 社区%[1]d
  boundaries:
  - {id: lamps, spec: {resource: electricity, ipmvp: B, meters: [{device: em-%[1]d}], uncertainty: {meter_class: 1}, baseline: {version: 1, period: %[2]s, method: mean, coef: [10], n: 365, n_eff: 365, rmse_n_minus_p: 0.5, XtX_inv: [[0.00273972602739726]]}}}
`, i, period, id)
	}
	b.WriteString("vendors:\n- {id: v, sources: [{topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}]}\n")
	return b.String()
}

// instances are those of one division, each with its directory.
type instances struct {
	t        testing.TB
	broker   string
	influx   string
	devices  string // the inventory
	handOver string
	all      []*ingester // by index; nil: never started
}

// divide writes what each instance's configuration says of the division.
func (d *instances) configure(index, count, before int) {
	d.t.Helper()
	shard := fmt.Sprintf("shard: {index: %d, count: %d", index, count)
	if before != 0 {
		shard += fmt.Sprintf(", before: %d, hand_over: %q", before, d.handOver)
	}
	for len(d.all) <= index {
		d.all = append(d.all, nil)
	}
	if d.all[index] == nil {
		dir, httpAddr, path := writeConfig(d.t, d.broker, d.influx, shard+"}\n")
		write(d.t, filepath.Join(dir, "inventory.yaml"), d.devices)
		d.all[index] = &ingester{dir: dir, url: "http://" + httpAddr}
		d.all[index].process = startProcess(d.t, built.Path(d.t), "run", "--config", path)
		return
	}
	path := filepath.Join(d.all[index].dir, "config.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "shard:")
	write(d.t, path, head+shard+"}\n")
	d.all[index].start()
}

// figures are what the instances show together of communities, without what depends on the
// time of asking.
func (d *instances) figures(count int) (samples, error) {
	sum := samples{}
	for _, in := range d.all[:count] {
		s, err := in.metrics()
		if err != nil {
			return nil, err
		}
		if err := s.settled(d.t); err != nil {
			return nil, err
		}
		for name, v := range s {
			moment := slices.ContainsFunc([]string{"_seconds", "greencommunity_shard", "baseline_check", "_bytes", "build_info", "messages_foreign", "mqtt_", "journal_", "state_", "clock_", "influxdb_", "store_", "page_", "_redeliveries", "report_", "usage_points", "alarm_schedule", "ledger_", "_info"}, func(part string) bool {
				return strings.Contains(name, part)
			})
			moment = moment || !long() && (strings.HasPrefix(name, "greencommunity_energy_") || strings.HasPrefix(name, "greencommunity_savings_"))
			if strings.HasPrefix(name, "greencommunity_") && !moment && !math.IsNaN(v) {
				sum[name] += v
			}
		}
	}
	return sum, nil
}

// work is the items of the desks, as a person sees them.
func (d *instances) work(count int) map[string]string {
	d.t.Helper()
	all := map[string]string{}
	for _, in := range d.all[:count] {
		text, err := get(in.url + "/api/v1/alarms?status=all")
		if err != nil {
			d.t.Fatal(err)
		}
		var items []map[string]any
		if err := json.Unmarshal([]byte(text), &items); err != nil {
			d.t.Fatal(err)
		}
		for _, i := range items {
			for _, key := range []string{"updated", "why", "link", "judged"} {
				delete(i, key)
			}
			line, _ := json.Marshal(i)
			id := fmt.Sprint(i["id"])
			if all[id] != "" {
				d.t.Errorf("two instances have alarm %s", line)
			}
			all[id] = string(line)
		}
	}
	return all
}

// same waits until the figures are those from before.
func (d *instances) same(want samples, count int, what string) {
	d.t.Helper()
	eventually(d.t, 60*time.Second, "the same figures, "+what, func() error {
		got, err := d.figures(count)
		if err != nil {
			return err
		}
		var problems []string
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if v, ok := got[name]; !ok || math.Abs(v-want[name]) > 1e-9*math.Abs(want[name]) {
				problems = append(problems, fmt.Sprintf("%s was %v, is %v", name, want[name], v))
			}
		}
		for name := range got {
			if _, ok := want[name]; !ok && got[name] != 0 {
				problems = append(problems, fmt.Sprintf("%s is new: %v", name, got[name]))
			}
		}
		if len(problems) > 0 {
			return fmt.Errorf("%d of %d differ:\n%s", len(problems), len(want), strings.Join(problems[:min(len(problems), 12)], "\n"))
		}
		return nil
	})
}

// What is known of communities moves with them: two instances become three, and two again,
// and each figure, open alarm, item of the desk and the quarter that runs stays what it was.
// (Of the quarter that is in the long run: it takes a minute until it is there.)
// Then it happens again with messages all the time and processes killed in the middle: each
// message is stored once and counted once.
func TestLongShardsMove(t *testing.T) {
	t.Parallel()
	_, broker := startMosquitto(t)
	db := startDatabase(t)
	zone := time.FixedZone("CST", 8*3600)
	now := time.Now().In(zone)
	first := time.Date(now.Year(), now.Month()-(now.Month()-1)%3, 1, 0, 0, 0, 0, zone).AddDate(0, 0, -14)
	d := &instances{t: t, broker: broker, influx: "http://" + db.addr, devices: moveInventory(first), handOver: t.TempDir()}
	for i := range 2 {
		d.configure(i, 2, 0)
	}
	for _, in := range d.all {
		in.waitReady()
	}
	p := newPublisher(t, broker)
	sent := 0
	send := func(topic, payload string) { sent++; p.publish("greencommunity/v1/"+topic, []byte(payload)) }
	for c, id := range movedCommunities {
		var list []string
		for at, n := first, 0; at.Before(now); at, n = at.Add(6*time.Hour), n+1 {
			list = append(list, fmt.Sprintf(`{"time":%d,"energy_total":%g}`, at.UnixMilli(), 5000+float64(n)*(2+float64(c)/10)))
		}
		send(fmt.Sprintf("%s/lighting/em-%d", id, c), "["+strings.Join(list, ",")+"]")
		for n := range 40 {
			send(fmt.Sprintf("%s/water/wm-%d", id, c), fmt.Sprintf(`{"time":%d,"water_volume_total":%g,"flow_rate":0.1}`, now.Add(time.Duration(n-40)*time.Minute).UnixMilli(), 100+float64(n)/100))
			send(fmt.Sprintf("%s/waste/bin-%d", id, c), fmt.Sprintf(`{"time":%d,"fill_level":%g}`, now.Add(time.Duration(n-40)*time.Minute).UnixMilli(), 0.2+float64(n)/200))
		}
		send(fmt.Sprintf("%s/gate/door-%d", id, c), `{"event":"door_forced","pass_in":3}`)
		send(fmt.Sprintf("%s/noise/n-%d", id, c), fmt.Sprintf(`{"time":%d,"sound_level":61}`, now.Add(-time.Minute).UnixMilli()))
	}
	var want samples
	eventually(t, 60*time.Second, "everything taken in", func() (err error) {
		if want, err = d.figures(2); err != nil {
			return err
		}
		if n := want.sum("greencommunity_messages_received_total"); n != float64(sent) {
			return fmt.Errorf("%.0f of %d", n, sent)
		}
		if n := want.sum("greencommunity_alarm_active"); n < float64(len(movedCommunities)) {
			return fmt.Errorf("%.0f alarms", n)
		}
		return nil
	})
	for id := range d.work(2) { // a person has one of each instance in hand
		for _, in := range d.all {
			r, err := http.Post(in.url+"/api/v1/alarms/"+id, "application/json", strings.NewReader(`{"status":"assigned","assignee":"李工"}`))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
	}
	if long() { // days that are closed already are evaluated once a minute
		eventually(t, 100*time.Second, "the quarter that runs", func() error {
			s, err := d.figures(2)
			if err != nil {
				return err
			}
			for name, v := range s {
				if strings.HasPrefix(name, "greencommunity_energy_actual_joules_total") && v == 0 {
					return errors.New("no saving yet")
				}
			}
			return nil
		})
	}
	var err error
	if want, err = d.figures(2); err != nil {
		t.Fatal(err)
	}
	work := d.work(2)
	for _, name := range []string{"greencommunity_alarm_active", "greencommunity_readings_total", "greencommunity_usage", "greencommunity_water_"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(s string) bool { return strings.HasPrefix(s, name) }) {
			t.Errorf("no figure begins with %s", name)
		}
	}
	divide := func(count, before int) {
		t.Helper()
		for _, in := range d.all[:before] {
			in.end(syscall.SIGTERM)
		}
		for i := range max(count, before) {
			d.configure(i, count, before)
		}
		for _, in := range d.all[:count] {
			in.waitReady()
		}
	}
	began := time.Now()
	divide(3, 2)
	t.Logf("two became three in %s", time.Since(began).Round(time.Millisecond))
	for i, in := range d.all {
		s, _ := in.metrics()
		t.Logf("instance %d: %.0f devices, %.0f alarms", i, s.sum("greencommunity_devices"), s.sum("greencommunity_alarm_active"))
	}
	d.same(want, 3, "of three instances")
	if got := d.work(3); !maps.Equal(got, work) {
		t.Errorf("work was\n%v\nis\n%v", work, got)
	}
	began = time.Now()
	divide(2, 3)
	t.Logf("three became two in %s", time.Since(began).Round(time.Millisecond))
	d.same(want, 2, "of two instances again")
	if got := d.work(2); !maps.Equal(got, work) {
		t.Errorf("work was\n%v\nis\n%v", work, got)
	}

	// Now with messages: half say when they are of, half do not.
	var published atomic.Int64
	var publishing sync.WaitGroup
	stop := make(chan struct{})
	base := now.UnixMilli()
	for c, id := range movedCommunities {
		one := newPublisher(t, broker)
		publishing.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(15 * time.Millisecond):
				}
				one.publish(fmt.Sprintf("greencommunity/v1/%s/gate/timed-%d", id, c), fmt.Appendf(nil, `{"time":%d,"pass_out":1}`, base+int64(n)))
				one.publish(fmt.Sprintf("greencommunity/v1/%s/gate/now-%d", id, c), fmt.Appendf(nil, `{"pass_in":1,"event":"granted","code":"n%d"}`, n))
				published.Add(2)
			}
		})
	}
	chance := rand.New(rand.NewPCG(1, uint64(now.UnixNano())))
	kills := 0
	for _, change := range [][2]int{{3, 2}, {2, 3}} {
		count, before := change[0], change[1]
		for _, in := range d.all[:before] {
			in.end(syscall.SIGTERM)
		}
		for i := range max(count, before) {
			d.configure(i, count, before)
		}
		n := 2
		if long() {
			n = 8
		}
		for range n {
			time.Sleep(time.Duration(200+chance.IntN(1500)) * time.Millisecond)
			in := d.all[chance.IntN(max(count, before))]
			in.end(syscall.SIGKILL)
			in.start()
			kills++
		}
		for _, in := range d.all[:count] {
			in.waitReady()
		}
	}
	close(stop)
	publishing.Wait()
	total := float64(published.Load())
	var got samples
	eventually(t, 60*time.Second, "everything taken in", func() (err error) {
		if got, err = d.figures(2); err != nil {
			return err
		}
		if n := got.sum("greencommunity_messages_received_total") - want.sum("greencommunity_messages_received_total"); n < total {
			return fmt.Errorf("%.0f of %.0f", n, total)
		}
		return nil
	})
	received := got.sum("greencommunity_messages_received_total") - want.sum("greencommunity_messages_received_total")
	duplicate := got.sum("greencommunity_messages_duplicate_total") - want.sum("greencommunity_messages_duplicate_total")
	of := func(measurement, field, device string) float64 {
		n := 0.0
		for _, r := range db.rows(fmt.Sprintf(`SELECT sum(%s) FROM %s WHERE device =~ /%s/ GROUP BY device`, field, measurement, device)) {
			v, _ := r["sum"].(json.Number).Float64()
			n += v
		}
		return n
	}
	timed, untimed := of("gate", "pass_out", "^timed-"), of("gate", "pass_in", "^now-")
	t.Logf("%d kills: %.0f published, %.0f taken, of these %.0f known as taken already; stored with a time %.0f, without %.0f", kills, total, received, duplicate, timed, untimed)
	if timed != total/2 || untimed != total/2 {
		t.Errorf("stored %.0f with a time and %.0f without of %.0f each", timed, untimed, total/2)
	}
	if n := received - duplicate; n != total {
		t.Errorf("%.0f of %.0f counted", n, total)
	}
	for name, v := range want { // the quarter stands as it did
		if strings.HasPrefix(name, "greencommunity_energy_") && math.Abs(got[name]-v) > 1e-9*math.Abs(v) {
			t.Errorf("%s was %v, is %v", name, v, got[name])
		}
	}
}
