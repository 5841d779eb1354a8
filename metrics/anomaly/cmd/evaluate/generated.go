package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/anomaly/history"
	"greencommunity/metrics/sun"
)

// Devices made up, so that what the rules find does not hang on the few series
// at hand: each has a rhythm, a size, a noise, a season and gaps of its own, and
// each fault begins at any time and is of any size that should be found. The
// ranges are what such devices do, not what the rules can do.

// specimen is the table of a device and what is wrong in it.
type specimen struct {
	facility ingest.FacilityKind
	fault    string
	from, to time.Time // zero where nothing is
	table    []byte
}

// toldBy are the alarms that a fault may be found by.
var toldBy = map[string][]string{
	"day_burner": {"day_burner"}, "outage": {"outage"}, "cycling": {"cycling"}, "partial": {"partial_failure", "stuck_dimmer"},
	"stuck_dimmer": {"stuck_dimmer", "over_power", "partial_failure"}, "flatline": {"flat_line"}, "offline": {"offline"},
	"clock_shift": {"clock_offset", "day_burner", "outage"}, "over_power": {"over_power", "stuck_dimmer", "partial_failure"},
	"fire": {"bin_fire"}, "overflow": {"overfull"}, "stuck": {"stuck_fill", "stuck_register"}, "tipped": {"tipped"}, "blocked": {"blocked", "overfull"},
	"missed_collection": {"missed_collection", "overfull"},
	"held_open":         {"held_open"}, "forced": {"forced_open"}, "stuck_closed": {"stuck_closed"}, "tailgating": {"tailgating"},
	"deny_burst": {"denied_burst"}, "offhours_surge": {"off_hours"}, "stuck_open": {"held_open"},
	"leak": {"continuous_flow", "burst"}, "burst": {"burst"}, "reverse": {"reverse_flow"}, "reset": {"register_reset"},
	"stuck_register": {"stuck_register"}, "clock": {"clock_offset"},
}

var zone = time.FixedZone("Asia/Shanghai", 8*3600)

// start is a day of any season.
func start(r *rand.Rand) time.Time {
	return time.Date(2025, 1, 1, 0, 0, 0, 0, zone).AddDate(0, 0, r.IntN(365))
}

func between(r *rand.Rand, low, high float64) float64 { return low + (high-low)*r.Float64() }

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// clock gives the times of rows: at an interval, with some jitter, and with
// rows lost one by one.
type clock struct {
	every, jitter time.Duration
	lost          float64
}

func newClock(r *rand.Rand, minutes ...int) clock {
	c := clock{every: time.Duration(pick(r, minutes...)) * time.Minute}
	if r.IntN(2) == 0 {
		c.jitter = time.Duration(between(r, 0, 60)) * time.Second
	}
	if r.IntN(2) == 0 {
		c.lost = between(r, 0, 0.03)
	}
	return c
}

func (c clock) times(r *rand.Rand, from time.Time, days int) []time.Time {
	var ts []time.Time
	for t := from; t.Before(from.AddDate(0, 0, days)); t = t.Add(c.every) {
		if r.Float64() >= c.lost {
			ts = append(ts, t.Add(time.Duration(r.Float64()*float64(c.jitter))).Truncate(time.Second))
		}
	}
	return ts
}

const layout = "2006-01-02 15:04:05"

func within(t, from, to time.Time) bool { return !t.Before(from) && t.Before(to) }

var lampFaults = []string{"none", "day_burner", "outage", "cycling", "partial", "stuck_dimmer", "flatline", "offline", "clock_shift", "over_power"}

func lamp(r *rand.Rand, fault string) specimen {
	c := newClock(r, 5, 10, 15, 15, 30)
	begin := start(r)
	rated := between(r, 15, 400)
	standby := between(r, 0, 0.02) * rated
	noise := between(r, 0.003, 0.02)
	mains := between(r, 0, 0.03) // slow
	resolution := pick(r, 0.01, 0.1, 0.1, 1)
	if rated < 60 {
		resolution = min(resolution, 0.1)
	}
	dim := pick(r, 50.0, 30, 40, 60, 70, 100)
	if fault == "stuck_dimmer" {
		dim = pick(r, 50.0, 30, 40, 60)
	}
	dimFrom, dimTo := 21.5+pick(r, 0, 0.5, 1, 1.5, 2), pick(r, 4.0, 5, 5.5)
	// By the sun, or by a clock set by the month.
	byClock := r.IntN(4) == 0
	margin := between(r, -3, 0)
	loss := between(r, 0, 0.08) // of the driver at half load

	s := specimen{facility: ingest.Lighting, fault: fault}
	day := begin.AddDate(0, 0, 20+r.IntN(15))
	switch fault {
	case "day_burner":
		s.from, s.to = day.Add(6*time.Hour), day.Add(time.Duration(between(r, 14, 18)*float64(time.Hour)))
	case "outage", "cycling", "stuck_dimmer", "partial", "over_power":
		s.from, s.to = day, day.AddDate(0, 0, 1+r.IntN(3))
	case "flatline":
		s.from, s.to = day, day.AddDate(0, 0, 3+r.IntN(3))
	case "offline":
		s.from, s.to = day.Add(time.Duration(r.IntN(24))*time.Hour), day.AddDate(0, 0, 2)
	case "clock_shift":
		s.from, s.to = day, day.AddDate(0, 0, 2+r.IntN(2))
	}
	change := 1 + pick(r, -1.0, 1)*between(r, 0.2, 0.5)
	if fault == "over_power" {
		change = between(r, 1.2, 1.5)
	} else if fault == "partial" {
		change = between(r, 0.4, 0.8)
	}
	shift := pick(r, -1.0, 1) * between(r, 2, 6)
	frozen := ""
	var b bytes.Buffer
	// Some do not say how far they are dimmed.
	says := fault == "stuck_dimmer" || r.IntN(4) > 0
	if !says && fault != "outage" && r.IntN(3) == 0 {
		dim = 0
	}
	if says {
		b.WriteString("timestamp,power_w,dim_pct\n")
	} else {
		b.WriteString("timestamp,power_w\n")
	}
	for _, t := range c.times(r, begin, 45) {
		hour := t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)).Hours()
		on := sun.Elevation(t, 35, 120) < margin
		if byClock {
			mid := time.Date(t.Year(), t.Month(), 15, 0, 0, 0, 0, zone)
			morning := mid.Add(time.Duration((hour * float64(time.Hour))))
			on = sun.Elevation(morning, 35, 120) < margin
		}
		level := 0.0
		if on {
			level = 100
			if hour >= dimFrom || hour < dimTo {
				level = dim
			}
		}
		bad := within(t, s.from, s.to)
		burns := level
		if bad && fault == "day_burner" && level == 0 {
			burns, level = 100, 0
		}
		if bad && fault == "stuck_dimmer" && level > 0 {
			burns = 100
		}
		power := standby
		if burns > 0 {
			x := burns / 100
			power = rated * (x - loss*4*x*(1-x)*0.5)
			power *= 1 + mains*math.Sin(2*math.Pi*hour/24)
		}
		if bad && burns > 0 {
			switch fault {
			case "outage":
				power = standby
			case "cycling":
				if r.IntN(2) == 0 {
					power = standby
				}
			case "partial", "over_power":
				power *= change
			}
		}
		power = max(power*(1+noise*r.NormFloat64()), 0)
		text := fmt.Sprintf("%g", math.Round(power/resolution)*resolution)
		if len(text) > 8 {
			text = fmt.Sprintf("%.2f", power)
		}
		if bad && fault == "flatline" {
			if frozen == "" {
				frozen = text
			}
			text = frozen
		}
		if bad && fault == "offline" {
			continue
		}
		if bad && fault == "clock_shift" {
			t = t.Add(time.Duration(shift * float64(time.Hour)))
		}
		if says {
			text = fmt.Sprintf("%s,%g", text, level)
		}
		fmt.Fprintf(&b, "%s,%s\n", t.Format(layout), text)
	}
	if fault == "clock_shift" {
		// Told of by its own times, or by when they were right again.
		s.from, s.to = s.from.Add(-8*time.Hour), s.to.Add(8*time.Hour)
	}
	s.table = b.Bytes()
	return s
}

var binFaults = []string{"none", "fire", "overflow", "stuck", "tipped", "blocked", "offline", "missed_collection"}

func bin(r *rand.Rand, fault string) specimen {
	c := newClock(r, 10, 15, 30, 30, 60)
	begin := start(r)
	every := time.Duration(pick(r, 1, 2, 2, 3, 4)) * 24 * time.Hour
	hour := time.Duration(pick(r, 5, 6, 6, 7, 9, 13, 22)) * time.Hour
	full := between(r, 25, 62) // when it is emptied, percent
	noise := between(r, 0.3, 1.5)
	season := 13 - 15*math.Cos(2*math.Pi*float64(begin.YearDay()-15)/365)
	sunny := between(r, 2, 14)
	hours := between(r, 1, 3)
	s := specimen{facility: ingest.Waste, fault: fault}
	day := begin.AddDate(0, 0, 20+r.IntN(15)).Add(time.Duration(r.IntN(48)) * 30 * time.Minute)
	switch fault {
	case "fire":
		s.from, s.to = day, day.Add(time.Duration(hours*float64(time.Hour)))
	case "overflow":
		s.from, s.to = day, day.Add(time.Duration(between(r, 8, 48)*float64(time.Hour)))
	case "stuck":
		s.from, s.to = day, day.Add(time.Duration(between(r, 48, 96)*float64(time.Hour)))
	case "tipped":
		s.from, s.to = day, day.Add(time.Duration(between(r, 4, 24)*float64(time.Hour)))
	case "blocked":
		s.from, s.to = day, day.Add(time.Duration(between(r, 24, 72)*float64(time.Hour)))
	case "offline":
		s.from, s.to = day, day.Add(72*time.Hour)
	case "missed_collection":
		s.from, s.to = day, day.Add(4*every+24*time.Hour)
		full = max(full, 45)
	}
	if fault == "fire" && s.to.Sub(s.from) < 5*c.every/2 {
		s.to = s.from.Add(5 * c.every / 2)
	}
	rise := between(r, 50, 140) // K/h
	fill, frozen, base := between(r, 0, 0.5)*full, "", 0.0
	last := begin
	warm := make([]float64, 60)
	for i := range warm {
		warm[i] = 3 * r.NormFloat64()
	}
	use := between(r, 0.7, 1.2)
	var b bytes.Buffer
	b.WriteString("timestamp,fill_pct,temp_c,tilt_deg,collected\n")
	for _, t := range c.times(r, begin, 45) {
		bad := within(t, s.from, s.to)
		h := t.Sub(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)).Hours()
		awake := 0.2
		if h > 6 && h < 22 {
			awake = 1.4
		}
		collected := 0
		// Emptied when the round comes past.
		due := begin.Add(t.Sub(begin).Truncate(every)).Add(hour)
		if !last.After(due) && !t.Before(due) && last.Before(due) {
			if !(bad && (fault == "missed_collection" || fault == "overflow")) {
				fill, collected = between(r, 0, 4), 1
				use = between(r, 0.7, 1.2)
			}
		}
		fill += full * use * awake * t.Sub(last).Hours() / every.Hours() * between(r, 0, 2)
		last = t
		shown := fill
		if bad && fault == "overflow" {
			// Filled to the brim within a few readings, and more put beside it.
			fill = min(fill+20, 101)
			shown = fill
		}
		if bad && fault == "blocked" {
			shown = 100 - 2*r.Float64()
		}
		temp := season + warm[int(t.Sub(begin).Hours()/24)] + 5*math.Sin(2*math.Pi*(h-9)/24) + 0.7*r.NormFloat64()
		if h > 9 && h < 17 {
			temp += sunny * math.Sin(math.Pi*(h-9)/8)
		}
		if bad && fault == "fire" {
			if base == 0 {
				base = temp
			}
			temp = min(base+rise*(t.Sub(s.from).Hours()+0.3), 300) + 3*r.NormFloat64()
		}
		tilt := math.Abs(1 + r.NormFloat64())
		if bad && fault == "tipped" {
			tilt = between(r, 60, 95)
			shown = between(r, 0, 100)
		}
		shown = min(max(shown+noise*r.NormFloat64(), 0), 100)
		text := fmt.Sprintf("%.1f", shown)
		if bad && fault == "stuck" {
			if frozen == "" {
				frozen = text
			}
			text = frozen
		}
		if bad && fault == "offline" {
			continue
		}
		fmt.Fprintf(&b, "%s,%s,%.1f,%.1f,%d\n", t.Format(layout), text, temp, tilt, collected)
	}
	if level, _ := strconv.ParseFloat(frozen, 64); fault == "stuck" && (level <= 2 || level >= 95) {
		return bin(r, fault) // an empty bin has a right to stand still
	}
	s.table = b.Bytes()
	return s
}

var gateFaults = []string{"none", "held_open", "forced", "stuck_closed", "tailgating", "deny_burst", "offhours_surge", "stuck_open"}

// gate is a gate with events.
func gate(r *rand.Rand, fault string) specimen {
	begin := start(r)
	daily := math.Exp(between(r, math.Log(25), math.Log(400)))
	weekend := between(r, 0.3, 1.2)
	denials := between(r, 0.3, 4)
	two, three := between(r, 0.01, 0.1), pick(r, 0, 0, 0.0005, 0.003) // families
	if fault == "tailgating" {
		three = 0
	}
	nightly := pick(r, 0, 0, 0.001, 0.004) // share of passes in an hour of the night
	lost := pick(r, 0, 0, 0.002)
	s := specimen{facility: ingest.Gate, fault: fault}
	day := begin.AddDate(0, 0, 14+r.IntN(12))
	switch fault {
	case "held_open":
		s.from = day.Add(time.Duration(between(r, 7, 21) * float64(time.Hour)))
		s.to = s.from.Add(time.Duration(between(r, 4, 40) * float64(time.Minute)))
	case "forced", "deny_burst":
		s.from = day.Add(time.Duration(between(r, 6, 23) * float64(time.Hour)))
		s.to = s.from.Add(40 * time.Minute)
	case "tailgating":
		s.from = day.AddDate(0, 0, 4).Add(time.Duration(between(r, 8, 20) * float64(time.Hour)))
		s.to = s.from.Add(2 * time.Hour)
	case "offhours_surge":
		s.from = day.Add(time.Duration(1+r.IntN(4)) * time.Hour)
		s.to = s.from.Add(time.Hour)
	case "stuck_closed":
		s.from, s.to = day.Add(7*time.Hour), day.Add(21*time.Hour)
	case "stuck_open":
		s.from = day.Add(time.Duration(between(r, 7, 12) * float64(time.Hour)))
		s.to = s.from.Add(time.Duration(between(r, 4, 10) * float64(time.Hour)))
	}
	type row struct {
		at    time.Time
		event string
		n     int
	}
	var rows []row
	cycle := func(t time.Time, granted bool, n int, held time.Duration) {
		if r.Float64() < lost {
			return
		}
		if granted {
			rows = append(rows, row{t, "grant", 0})
		}
		t = t.Add(time.Duration(between(r, 1, 4.5) * float64(time.Second)))
		rows = append(rows, row{t, "open", 0}, row{t.Add(held), "close", n})
	}
	hourly := func(t time.Time) float64 {
		h := t.Hour()
		share := 0.03
		switch {
		case h < 6 || h == 23:
			share = nightly
		case h == 8 || h == 18:
			share = 0.18
		case h == 9 || h == 12 || h == 13 || h == 17 || h == 19:
			share = 0.1
		}
		if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
			share *= weekend
		}
		return daily * share
	}
	for t := begin; t.Before(begin.AddDate(0, 0, 30)); t = t.Add(time.Hour) {
		n := poisson(r, hourly(t))
		if fault == "offhours_surge" && t.Equal(s.from) {
			n = 10 + r.IntN(15)
		}
		moments := make([]time.Time, n)
		for i := range moments {
			moments[i] = t.Add(time.Duration(r.Float64() * float64(time.Hour))).Truncate(time.Second)
		}
		slices.SortFunc(moments, time.Time.Compare)
		for _, m := range moments {
			persons := 1
			if u := r.Float64(); u < three {
				persons = 3
			} else if u < two {
				persons = 2
			}
			held := time.Duration(between(r, 4, 15)) * time.Second
			switch {
			case within(m, s.from, s.to) && fault == "stuck_closed":
				rows = append(rows, row{m, "grant", 0}, row{m.Add(8 * time.Second), "grant_timeout", 0})
			case within(m, s.from.Add(-20*time.Second), s.to) && (fault == "held_open" || fault == "stuck_open"):
				if fault == "stuck_open" && m.After(s.from) {
					rows = append(rows, row{m, "grant", 0}) // the door is open, and nobody waits for it
				}
			default:
				cycle(m, true, persons, held)
			}
		}
		for range poisson(r, denials/24) {
			rows = append(rows, row{t.Add(time.Duration(r.IntN(3600)) * time.Second), "deny", 0})
		}
	}
	switch fault {
	case "held_open":
		cycle(s.from.Add(-3*time.Second), true, 1, s.to.Sub(s.from))
	case "stuck_open":
		rows = append(rows, row{s.from, "open", 0}, row{s.to, "close", 0})
	case "forced":
		for i := range 3 {
			cycle(s.from.Add(time.Duration(i)*13*time.Minute), false, 1, 9*time.Second)
		}
	case "deny_burst":
		for i := range 15 + r.IntN(30) {
			rows = append(rows, row{s.from.Add(time.Duration(i*7) * time.Second), "deny", 0})
		}
	case "tailgating":
		for i := range 1 + r.IntN(6) {
			cycle(s.from.Add(time.Duration(5*i)*time.Minute), true, 3+r.IntN(3), 15*time.Second)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	var b bytes.Buffer
	b.WriteString("timestamp,event,persons\n")
	for _, w := range rows {
		n := ""
		if w.n > 0 {
			n = fmt.Sprint(w.n)
		}
		fmt.Fprintf(&b, "%s,%s,%s\n", w.at.Format(layout), w.event, n)
	}
	s.table = b.Bytes()
	return s
}

func poisson(r *rand.Rand, mean float64) int {
	if mean > 500 {
		return int(mean + math.Sqrt(mean)*r.NormFloat64())
	}
	n, p, limit := -1, 1.0, math.Exp(-mean)
	for p > limit {
		n++
		p *= r.Float64()
	}
	return max(n, 0)
}

var meterFaults = []string{"none", "leak", "burst", "reverse", "reset", "stuck_register"}

// meter is the meter of a household.
func meter(r *rand.Rand, fault string) specimen {
	c := newClock(r, 15, 30, 60, 60, 60)
	begin := start(r)
	persons := 1 + r.IntN(5)
	resolution := pick(r, 1.0, 1, 0.1, 10)
	gaps := between(r, 0, 0.01) // hours lost in a row, as radio does
	s := specimen{facility: ingest.Water, fault: fault}
	day := begin.AddDate(0, 0, 40+r.IntN(30)).Add(time.Duration(r.IntN(1440)) * time.Minute)
	size := 0.0
	switch fault {
	case "leak":
		size = math.Exp(between(r, math.Log(1), math.Log(60)))
		resolution = min(resolution, 1) // L: one a day is no flow to a register of tens
		s.from, s.to = day, day.AddDate(0, 0, 5+r.IntN(6))
	case "burst":
		size = between(r, 300, 1200)
		s.from, s.to = day, day.Add(8*time.Hour)
	case "reverse":
		size = -between(r, 15, 60)
		s.from, s.to = day, day.Add(3*time.Hour)
	case "reset":
		s.from, s.to = day, day.Add(2*time.Hour)
	case "stuck_register":
		s.from, s.to = day, day.AddDate(0, 0, 14+r.IntN(14))
	}
	total, shown := between(r, 20000, 900000), 0.0
	last := begin
	away := begin.AddDate(0, 0, r.IntN(90))
	backAt := away.AddDate(0, 0, r.IntN(5))
	var deaf time.Time
	reset := false
	var b bytes.Buffer
	b.WriteString("timestamp,total_l,diff_l\n")
	for _, t := range c.times(r, begin, 100) {
		h := t.Hour()
		busy := 0.02
		switch {
		case h == 7 || h == 8 || h == 19 || h == 20 || h == 21:
			busy = 1
		case h > 8 && h < 23:
			busy = 0.35
		}
		if within(t, away, backAt) {
			busy = 0
		}
		used := 0.0
		for range poisson(r, busy*float64(persons)*1.2*t.Sub(last).Hours()) {
			used += pick(r, 1.0, 3, 6, 6, 9, 12, 40, 60)
		}
		stood := within(t, s.from, s.to) && fault == "stuck_register"
		from, to := last, t
		if from.Before(s.from) {
			from = s.from
		}
		if to.After(s.to) {
			to = s.to
		}
		if to.After(from) && size != 0 {
			if fault == "reverse" {
				used = 0
			}
			used += size * to.Sub(from).Hours()
		}
		last = t
		if !stood {
			total += used
		}
		if fault == "reset" && !t.Before(s.from) && !reset {
			total, reset = 0, true
		}
		if r.Float64() < gaps*c.every.Hours() {
			deaf = t.Add(time.Duration(between(r, 1, 6) * float64(time.Hour)))
		}
		if t.Before(deaf) {
			continue
		}
		now := math.Floor(total/resolution) * resolution
		diff := now - shown
		if shown == 0 {
			diff = 0
		}
		shown = now
		fmt.Fprintf(&b, "%s,%.1f,%.1f\n", t.Format(layout), now, diff)
	}
	s.table = b.Bytes()
	return s
}

// generatedKind is a kind of facility and how to make one of its devices.
type generatedKind struct {
	facility ingest.FacilityKind
	faults   []string
	of       func(*rand.Rand, string) specimen
}

var generatedKinds = []generatedKind{
	{ingest.Lighting, lampFaults, lamp}, {ingest.Waste, binFaults, bin}, {ingest.Gate, gateFaults, gate}, {ingest.Water, meterFaults, meter},
}

// outcome holds what came of the specimens of one kind of fault.
type outcome struct {
	facility  ingest.FacilityKind
	fault     string
	n, found  int
	months    float64
	vain      map[string]int
	delays    []time.Duration
	vainCount int
	missed    []int // specimens
}

// generate makes n devices with each kind of fault and judges what is found. Of
// a device with a fault missed, or an alarm in vain, it calls each.
func generate(seed uint64, n int, config anomaly.Config, each func(i int, s *specimen, r *history.Result)) ([]outcome, error) {
	var out []outcome
	for _, k := range generatedKinds {
		for _, fault := range k.faults {
			o := outcome{facility: k.facility, fault: fault, vain: map[string]int{}}
			for i := range n {
				s := k.of(rand.New(rand.NewPCG(seed, uint64(i))), fault)
				reader := &history.Reader{Facility: s.facility, Options: anomaly.Options{Config: config}}
				result, err := reader.Run(bytes.NewReader(s.table))
				if err != nil {
					return nil, fmt.Errorf("%s %s %d: %w", k.facility, fault, i, err)
				}
				before := len(o.missed) + o.vainCount
				o.judge(i, &s, result)
				if each != nil && len(o.missed)+o.vainCount > before {
					each(i, &s, result)
				}
			}
			out = append(out, o)
		}
	}
	return out, nil
}

func (o *outcome) judge(i int, s *specimen, result *history.Result) {
	o.n++
	o.months += result.Months()
	found := s.from.IsZero()
	for _, c := range result.Changes {
		if !c.Raised {
			continue
		}
		if s.from.IsZero() || c.At.Before(s.from.Add(-slack)) || c.At.After(s.to.Add(slack)) {
			o.vain[c.Alarm.Kind]++
			o.vainCount++
			continue
		}
		if !found && slices.Contains(toldBy[s.fault], c.Alarm.Kind) {
			found = true
			o.delays = append(o.delays, max(c.At.Sub(s.from), 0))
		}
	}
	if found {
		o.found++
	} else {
		o.missed = append(o.missed, i)
	}
}

func printGenerated(out io.Writer, outcomes []outcome) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FACILITY\tFAULT\tFOUND\tMEDIAN DELAY\tIN VAIN / DEVICE-MONTH\tOF")
	type sum struct {
		vain   int
		months float64
	}
	sums := map[ingest.FacilityKind]*sum{}
	for _, o := range outcomes {
		var of []string
		for k, n := range o.vain {
			of = append(of, fmt.Sprintf("%s %d", k, n))
		}
		slices.Sort(of)
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%s\t%.3f\t%s\n", o.facility, o.fault, o.found, o.n, median(o.delays).Round(time.Minute), float64(o.vainCount)/o.months, strings.Join(of, ", "))
		s := sums[o.facility]
		if s == nil {
			s = &sum{}
			sums[o.facility] = s
		}
		s.vain += o.vainCount
		s.months += o.months
	}
	for _, k := range generatedKinds {
		if s := sums[k.facility]; s != nil {
			fmt.Fprintf(w, "%s\tall\t\t\t%.3f\t\n", k.facility, float64(s.vain)/s.months)
		}
	}
	w.Flush()
}

// show prints what was said of a device.
func show(i int, s *specimen, result *history.Result) {
	fmt.Printf("%s %s %d: %s to %s\n", s.facility, s.fault, i, s.from.Format(layout), s.to.Format(layout))
	for _, c := range result.Changes {
		word := "cleared"
		if c.Raised {
			word = "raised"
		}
		fmt.Printf("  %s %s %s %.3g %.3g\n", c.At.In(zone).Format(layout), word, c.Alarm.Kind, c.Alarm.Value, c.Alarm.Expected)
	}
}
