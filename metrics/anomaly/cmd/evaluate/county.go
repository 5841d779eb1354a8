package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/decode"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/simulator"
	"greencommunity/metrics/anomaly"
)

// perCommunity says how many devices of a kind a community of the county has: 100 in all.
var perCommunity = map[string]int{"lamp": 34, "meter": 43, "bin": 17, "gate": 6}

// behind sets how many devices of a kind share a gateway.
const behind = 10

// county is a simulated county and what was found in it.
type county struct {
	communities, devices, days int
	messages                   int
	labels                     []simulator.Label
	outages                    []silence
	changes                    []anomaly.Change
	inhibited                  int
	took                       time.Duration
}

// silence is a gateway or a community from which nothing comes.
type silence struct {
	community, gateway string // gateway "" is all of the community
	from, to           time.Time
}

// simulateCounty runs communities of 100 devices each for days, with the faults
// the simulator plants, gateways that fail for 9 hours and communities that
// fail for 6, through the native decoder and the detectors.
func simulateCounty(communities, days int, config anomaly.Config) (*county, error) {
	begin := time.Now()
	zone := time.FixedZone("Asia/Shanghai", 8*3600)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, zone)
	known := simulator.Communities
	defer func() { simulator.Communities = known }()
	simulator.Communities = nil
	var yaml, csv strings.Builder
	yaml.WriteString("communities:\n")
	for i := range communities {
		id := ingest.CommunityID(fmt.Sprintf("c%03d", i))
		simulator.Communities = append(simulator.Communities, simulator.Community{ID: id, Name: string(id), Lat: 34.75, Lon: 106.13})
		fmt.Fprintf(&yaml, "- {id: %s, name: %s, lat: 34.75, lon: 106.13}\n", id, id)
	}
	yaml.WriteString("vendors:\n- {id: v, devices_file: devices.csv, unknown_devices: reject, sources: [{topic: \"greencommunity/v1/{community}/{facility}/{device}\", format: native}]}\n")
	csv.WriteString("id,community,facility,gateway\n")
	gatewayOf := map[string]string{}
	facilityOf := map[string]string{"lamp": "lighting", "meter": "water", "bin": "waste", "gate": "gate"}
	c := &county{communities: communities, days: days}
	for i := range communities {
		for _, kind := range []string{"lamp", "meter", "bin", "gate"} {
			for n := 1; n <= perCommunity[kind]; n++ {
				id := fmt.Sprintf("c%03d-%s-%03d", i, kind, n)
				gw := fmt.Sprintf("c%03d-gw-%s-%d", i, kind, (n-1)/behind)
				gatewayOf[id] = gw
				c.devices++
				fmt.Fprintf(&csv, "%s,c%03d,%s,%s\n", id, i, facilityOf[kind], gw)
			}
		}
	}
	dir, err := os.MkdirTemp("", "county")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "inventory.yaml")
	if err := os.WriteFile(path, []byte(yaml.String()), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "devices.csv"), []byte(csv.String()), 0o600); err != nil {
		return nil, err
	}
	inv, err := inventory.Load(path, zone)
	if err != nil {
		return nil, err
	}

	// Failures the simulator does not know, after the first fortnight, one a
	// community at most.
	for i := range max(communities/10, 2) {
		n := i * 9 % communities
		from := start.Add(time.Duration(14*24+i*7%(max(days-16, 1)*24)) * time.Hour)
		s := silence{community: fmt.Sprintf("c%03d", n), gateway: fmt.Sprintf("c%03d-gw-lamp-1", n), from: from, to: from.Add(9 * time.Hour)}
		if i%4 == 3 {
			s.gateway, s.to = "", from.Add(6*time.Hour)
		}
		c.outages = append(c.outages, s)
	}

	o := anomaly.Options{Config: config}
	o.Changed = func(ch anomaly.Change) {
		c.changes = append(c.changes, ch)
		if ch.Raised && ch.Alarm.Inhibited != "" {
			c.inhibited++
		}
	}
	engine := anomaly.NewEngine(o)
	engine.Bind(inv)
	worker := decode.NewWorker(inv, inventory.NewRegistry(inv))
	world := simulator.New(simulator.Options{Seed: 1, Start: start, Zone: zone, Scale: 2, Faults: true, Native: true})
	seq := uint64(0)
	err = world.Advance(start.Add(time.Duration(days)*24*time.Hour), func(m simulator.Message) error {
		device := m.Topic[strings.LastIndexByte(m.Topic, '/')+1:]
		gw, ok := gatewayOf[device]
		if !ok {
			return nil // beyond the 100
		}
		for _, s := range c.outages {
			if !m.At.Before(s.from) && m.At.Before(s.to) && (gw == s.gateway || s.gateway == "" && strings.HasPrefix(device, s.community+"-")) {
				return nil
			}
		}
		seq++
		received := m.At.UnixNano()
		r := worker.Decode(&ingest.Message{Seq: seq, Received: received, Topic: m.Topic, Payload: m.Payload})
		if r.Err != nil {
			return fmt.Errorf("%s %s: %w", m.Topic, m.Payload, r.Err)
		}
		engine.Tick(received)
		for i := range r.Readings {
			engine.Reading(r.Devices[i], &r.Readings[i], false, received)
		}
		for i := range r.Events {
			engine.Event(r.EventDevices[i], &r.Events[i], received)
		}
		engine.Points()
		return nil
	})
	if err != nil {
		return nil, err
	}
	c.messages = int(seq)
	for _, l := range world.Labels() {
		if _, ok := gatewayOf[string(l.Device)]; ok && l.From.Before(start.Add(time.Duration(days)*24*time.Hour-4*time.Hour)) {
			c.labels = append(c.labels, l)
		}
	}
	c.took = time.Since(begin)
	return c, nil
}

// tells says by which alarms a planted fault may be found, and for how long it
// must last before the rule is meant to find it.
var tells = map[simulator.Fault]struct {
	kinds []string
	least time.Duration
}{
	simulator.Leak:          {[]string{"continuous_flow"}, 26 * time.Hour},
	simulator.Burst:         {[]string{"burst"}, 3 * time.Hour},
	simulator.DayBurner:     {[]string{"day_burner"}, 24 * time.Hour},
	simulator.LampOut:       {[]string{"outage"}, 24 * time.Hour},
	simulator.StuckSensor:   {[]string{"stuck_fill", "stuck_register", "flat_line"}, 0}, // by facility, see least
	simulator.BinFire:       {[]string{"bin_fire"}, 0},
	simulator.Overfull:      {[]string{"overfull", "missed_collection"}, 48 * time.Hour},
	simulator.GateHeldOpen:  {[]string{"held_open"}, 0},
	simulator.Offline:       {[]string{"offline"}, 0},
	simulator.ClockWrong:    {[]string{"clock_offset"}, 4 * time.Hour},
	simulator.RegisterReset: {[]string{"register_reset"}, 0},
}

// least returns for how long a fault must last to be one by its rule.
func least(l *simulator.Label) time.Duration {
	switch {
	case l.Fault == simulator.StuckSensor && l.Facility == ingest.Water:
		return 7 * 24 * time.Hour
	case l.Fault == simulator.StuckSensor:
		return 14 * time.Hour
	case l.Fault == simulator.Offline && l.Facility == ingest.Water:
		return 49 * time.Hour
	case l.Fault == simulator.Offline:
		return 27 * time.Hour
	}
	return tells[l.Fault].least
}

// print prints the table, and with verbose each fault missed and alarm in vain.
func (c *county) print(out io.Writer, verbose bool) {
	type span struct {
		from, to time.Time
		kinds    []string
	}
	byDevice := map[string][]span{}
	type tally struct {
		n, short, found, foundShort int
		delays                      []time.Duration
	}
	faults := map[string]*tally{}
	raisedBy := map[string][]anomaly.Change{}
	for _, ch := range c.changes {
		if ch.Raised {
			raisedBy[string(ch.Alarm.Device)] = append(raisedBy[string(ch.Alarm.Device)], ch)
		}
	}
	for i := range c.labels {
		l := &c.labels[i]
		name := string(l.Facility) + " " + string(l.Fault)
		t := faults[name]
		if t == nil {
			t = &tally{}
			faults[name] = t
		}
		short := l.To.Sub(l.From) < least(l)
		t.n++
		if short {
			t.short++
		}
		kinds := tells[l.Fault].kinds
		byDevice[string(l.Device)] = append(byDevice[string(l.Device)], span{l.From, l.To, kinds})
		found := t.found
		for _, ch := range raisedBy[string(l.Device)] {
			if slices.Contains(kinds, ch.Alarm.Kind) && !ch.At.Before(l.From) && !ch.At.After(l.To.Add(slack)) {
				t.found++
				if short {
					t.foundShort++
				}
				t.delays = append(t.delays, ch.At.Sub(l.From))
				break
			}
		}
		if verbose && !short && t.found == found {
			fmt.Fprintf(out, "missed: %s %s from %s to %s\n", l.Device, l.Fault, l.From.In(zone).Format(layout), l.To.In(zone).Format(layout))
		}
	}
	groupFound := map[bool][2]int{}
	for _, s := range c.outages {
		name, kind := s.gateway, "gateway_offline"
		if name == "" {
			name, kind = s.community, "community_offline"
		}
		n := groupFound[s.gateway == ""]
		n[0]++
		for _, ch := range raisedBy[name] {
			if ch.Alarm.Kind == kind && !ch.At.Before(s.from) && !ch.At.After(s.to.Add(slack)) {
				n[1]++
				break
			}
		}
		groupFound[s.gateway == ""] = n
	}
	gatewayOf := func(device string) string {
		parts := strings.Split(device, "-")
		if len(parts) != 3 {
			return ""
		}
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			return ""
		}
		return fmt.Sprintf("%s-gw-%s-%d", parts[0], parts[1], (n-1)/behind)
	}
	vain := map[string]int{}
	all, vainAll, after := 0, 0, 0
	for device, changes := range raisedBy {
		for _, ch := range changes {
			all++
			if ch.Alarm.Inhibited == "" {
				after++
			}
			explained := false
			for _, s := range byDevice[device] {
				// Whatever is said of a faulty device during the fault, and a
				// day beyond, is about it.
				explained = explained || !ch.At.Before(s.from) && !ch.At.After(s.to.Add(24*time.Hour))
			}
			for _, s := range c.outages {
				in := !ch.At.Before(s.from) && !ch.At.After(s.to.Add(slack))
				explained = explained || in && (device == s.gateway || gatewayOf(device) == s.gateway || s.gateway == "" && strings.HasPrefix(device, s.community))
			}
			if !explained && verbose {
				fmt.Fprintf(out, "%s %s %s: %s\n", ch.At.In(zone).Format(layout), device, ch.Alarm.Kind, ch.Alarm.Why.EN)
			}
			if !explained {
				vain[ch.Alarm.Kind]++
				vainAll++
			}
		}
	}
	deviceMonths := float64(c.devices) * float64(c.days) / 30
	fmt.Fprintf(out, "%d communities, %d devices, %d days, %d messages, in %s.\n\n", c.communities, c.devices, c.days, c.messages, c.took.Round(time.Second))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PLANTED FAULT\tPLANTED\tLONG ENOUGH\tFOUND\tMISSED\tSHORTER, FOUND\tMEDIAN DELAY")
	names := make([]string, 0, len(faults))
	for name := range faults {
		names = append(names, name)
	}
	slices.SortFunc(names, cmp.Compare)
	sum := tally{}
	for _, name := range names {
		t := faults[name]
		long := t.n - t.short
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d/%d\t%s\n", name, t.n, long, t.found-t.foundShort, long-(t.found-t.foundShort), t.foundShort, t.short, median(t.delays).Round(time.Minute))
		sum.n += t.n
		sum.short += t.short
		sum.found += t.found
		sum.foundShort += t.foundShort
	}
	for _, community := range []bool{false, true} {
		name := map[bool]string{false: "gateway silent for 9 h", true: "community silent for 6 h"}[community]
		n := groupFound[community]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t\t\n", name, n[0], n[0], n[1], n[0]-n[1])
	}
	long := sum.n - sum.short
	fmt.Fprintf(w, "all of devices\t%d\t%d\t%d\t%d\t%d/%d\t\n", sum.n, long, sum.found-sum.foundShort, long-(sum.found-sum.foundShort), sum.foundShort, sum.short)
	w.Flush()
	fmt.Fprintf(out, "\nIn vain: %d, %.4f a device-month", vainAll, float64(vainAll)/deviceMonths)
	kinds := make([]string, 0, len(vain))
	for k := range vain {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		fmt.Fprintf(out, "; %s %d", k, vain[k])
	}
	fmt.Fprintf(out, ".\nAlarms a day: %.1f before roll-up, %.1f raised that no other stood for already.\n", float64(all)/float64(c.days), float64(after)/float64(c.days))
}
