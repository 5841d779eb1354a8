// Command evaluate runs every labelled series of a directory of cases through
// the detectors, at their defaults, and prints what was found, how late, and
// how much was said in vain; beside it three baselines on the same series: the
// value leaves its past range by 2 %, it leaves an EWMA by 3 sigma, and an
// alarm on a timer that does not look at the data at all.
//
// Labels are read here only, never by a detector.
package main

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/anomaly/history"
)

func main() {
	verbose := flag.Bool("v", false, "print each series")
	countyDays := flag.Int("county", 0, "instead: simulate a county of 200 communities and 20,000 devices for so many `days`")
	devices := flag.Int("generate", 0, "instead: `devices` made up for each kind of fault")
	lifelike := flag.Int("lifelike", 0, "instead: `devices` made up from what real ones do, for each interval and step of register")
	sensors := flag.Int("quantities", 0, "instead: `devices` made up for each of ten quantities no rule knows, for the generic detector")
	seed := flag.Uint64("seed", 1, "of the devices made up")
	parameters := flag.String("parameters", "", "YAML `file` of parameters that differ from the defaults, as the section anomaly")
	communities := flag.Int("communities", 200, "communities of the county, of 100 devices each")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: evaluate [-v] [DIR] | evaluate -county DAYS [-v] | evaluate -generate DEVICES [-v] | evaluate -lifelike DEVICES | evaluate -quantities DEVICES\nDIR defaults to $GREENCOMMUNITY_CASES/anomaly")
		flag.PrintDefaults()
	}
	flag.Parse()
	config, err := read(*parameters)
	if err != nil {
		fmt.Fprintln(os.Stderr, "evaluate:", err)
		os.Exit(1)
	}
	if *countyDays > 0 {
		c, err := simulateCounty(*communities, *countyDays, config)
		if err != nil {
			fmt.Fprintln(os.Stderr, "evaluate:", err)
			os.Exit(1)
		}
		c.print(os.Stdout, *verbose)
		return
	}
	if *sensors > 0 {
		begin := time.Now()
		printQuantities(os.Stdout, evaluateQuantities(*seed, *sensors, config), time.Since(begin))
		return
	}
	if *lifelike > 0 {
		rows, err := evaluateLifelike(*seed, *lifelike, config)
		if err != nil {
			fmt.Fprintln(os.Stderr, "evaluate:", err)
			os.Exit(1)
		}
		printLifelike(os.Stdout, rows)
		return
	}
	if *devices > 0 {
		var each func(int, *specimen, *history.Result)
		if *verbose {
			each = show
		}
		outcomes, err := generate(*seed, *devices, config, each)
		if err != nil {
			fmt.Fprintln(os.Stderr, "evaluate:", err)
			os.Exit(1)
		}
		printGenerated(os.Stdout, outcomes)
		return
	}
	dir := flag.Arg(0)
	if dir == "" {
		dir = filepath.Join(os.Getenv("GREENCOMMUNITY_CASES"), "anomaly")
	}
	if err := run(os.Stdout, dir, config, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, "evaluate:", err)
		os.Exit(1)
	}
}

// read returns the defaults, and what a file says beyond them.
func read(file string) (anomaly.Config, error) {
	if file == "" {
		return anomaly.DefaultConfig(), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return anomaly.Config{}, err
	}
	defer f.Close()
	return anomaly.ReadConfig(f)
}

func run(out io.Writer, dir string, config anomaly.Config, verbose bool) error {
	r, err := evaluate(dir, config, true)
	if err != nil {
		return err
	}
	r.print(out, verbose)
	return nil
}

// slack sets how long before and after a labelled span an alarm still counts as
// one about it: a row of the slowest series.
const slack = time.Hour

// trial is one fault, or one series without any.
type trial struct {
	group, fault string // of the table
	file         string
	from, to     time.Time // zero where there is none
	months       float64
	say          [detectors]said
}

// said holds what one detector said of a trial.
type said struct {
	found bool
	delay time.Duration
	vain  int
	kinds []string
}

const (
	ours = iota
	byRange
	byEWMA
	byTimer
	detectors
)

var names = [detectors]string{"rules", "range 2 %", "EWMA 3σ", "timer"}

// results are of all cases.
type results struct {
	trials  []trial
	nab     [detectors][]nabSeries
	skab    [detectors][]nabSeries
	inject  []injection
	config  anomaly.Config
	runtime time.Duration
}

// evaluate runs all cases, and with inject the leaks put into untouched meters.
func evaluate(dir string, config anomaly.Config, inject bool) (*results, error) {
	r := &results{config: config}
	begin := time.Now()
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		glob, group string
		facility    ingest.FacilityKind
	}{
		{"water_daiad_injected/*.csv", "water", ingest.Water}, {"water_daiad_raw/*.csv", "water (raw)", ingest.Water},
		{"water_labelled_hg/*.csv", "water (hg)", ingest.Water},
		{"light_synth/*.csv", "lighting", ingest.Lighting}, {"bin_synth/*.csv", "waste", ingest.Waste}, {"gate_synth/*.csv", "gate", ingest.Gate},
	} {
		files, err := filepath.Glob(filepath.Join(dir, c.glob))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := r.series(f, c.group, c.facility); err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	for _, c := range []struct {
		glob string
		to   *[detectors][]nabSeries
	}{{"nab/*/*.csv", &r.nab}, {"skab/*/*.csv", &r.skab}} {
		files, err := filepath.Glob(filepath.Join(dir, c.glob))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if err := benchmark(f, config, c.to); err != nil {
				return nil, fmt.Errorf("%s: %w", f, err)
			}
		}
	}
	if inject {
		raw, err := filepath.Glob(filepath.Join(dir, "water_daiad_raw/*.csv"))
		if err != nil {
			return nil, err
		}
		if r.inject, err = injectAll(raw, config); err != nil {
			return nil, err
		}
	}
	r.runtime = time.Since(begin)
	return r, nil
}

// series runs one labelled table of a facility.
func (r *results) series(file, group string, facility ingest.FacilityKind) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	reader := &history.Reader{Facility: facility, Scores: true, Options: anomaly.Options{Config: r.config}}
	result, err := reader.Run(bytes.NewReader(data))
	if err != nil {
		return err
	}
	table, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		return err
	}
	trials := labelled(table, result, filepath.Base(file))
	for i := range trials {
		trials[i].group = group
	}
	trials[0].months = result.Months()
	var changes []raised
	for _, c := range result.Changes {
		if c.Raised {
			changes = append(changes, raised{c.At, c.Alarm.Kind})
		}
	}
	judge(trials, ours, changes)
	values := plain(table, result, facility)
	for d := byRange; d < detectors; d++ {
		var changes []raised
		for i, s := range baseline(d, values) {
			if s >= 1 {
				changes = append(changes, raised{result.Rows[i].Time, names[d]})
			}
		}
		judge(trials, d, changes)
	}
	r.trials = append(r.trials, trials...)
	return nil
}

type raised struct {
	at   time.Time
	kind string
}

// judge says which of the faults of a table a detector has found. What the rules
// say of a fault must be about it; other alarms during it are neither that nor
// in vain.
func judge(trials []trial, d int, changes []raised) {
	for _, c := range changes {
		inside := false
		for i := range trials {
			t := &trials[i]
			s := &t.say[d]
			if t.from.IsZero() || c.at.Before(t.from.Add(-slack)) || c.at.After(t.to.Add(slack)) {
				continue
			}
			inside = true
			s.kinds = append(s.kinds, c.kind)
			if about, ok := toldBy[t.fault]; !s.found && (d != ours || !ok || slices.Contains(about, c.kind)) {
				s.found, s.delay = true, max(c.at.Sub(t.from), 0)
			}
		}
		if !inside {
			s := &trials[0].say[d]
			s.vain++
			s.kinds = append(s.kinds, c.kind+"!")
		}
	}
}

// labelled returns the faults of a table, or one trial without any. A table with
// silence in place of a fault has no rows to label: there the silence is the
// span. A table that names no kinds labels hours one by one.
func labelled(table [][]string, result *history.Result, file string) []trial {
	label, kind := slices.Index(table[0], "label"), slices.Index(table[0], "kind")
	var trials []trial
	before := false
	for i, row := range table[1:] {
		bad := label >= 0 && row[label] == "1"
		if bad && !(before || kind >= 0 && len(trials) > 0) {
			t := trial{file: file, fault: "labelled hour", from: result.Rows[i].Time}
			if kind >= 0 {
				t.fault = strings.TrimRight(row[kind], "0123456789-")
			}
			trials = append(trials, t)
		}
		if bad {
			trials[len(trials)-1].to = result.Rows[i].Time
		}
		before = bad
	}
	if len(trials) > 0 {
		return trials
	}
	t := trial{file: file, fault: "none"}
	if strings.Contains(file, "offline") {
		longest := time.Duration(0)
		for i := 1; i < len(result.Rows); i++ {
			if gap := result.Rows[i].Time.Sub(result.Rows[i-1].Time); gap > longest {
				longest = gap
				t.from, t.to, t.fault = result.Rows[i-1].Time, result.Rows[i].Time, "offline"
			}
		}
	}
	return []trial{t}
}

// plain is the one column a baseline looks at: what was used since the row
// before, the power, the fill level, the events of the hour.
func plain(table [][]string, result *history.Result, facility ingest.FacilityKind) []float64 {
	values := make([]float64, len(table)-1)
	column := slices.Index(table[0], "diff_l")
	for i, row := range table[1:] {
		switch {
		case facility == ingest.Gate:
			n := 0
			for j := i; j >= 0 && result.Rows[i].Time.Sub(result.Rows[j].Time) <= time.Hour; j-- {
				n++
			}
			values[i] = float64(n)
		case column >= 0:
			values[i], _ = strconv.ParseFloat(row[column], 64)
		default:
			values[i] = result.Rows[i].Value
		}
		if math.IsNaN(values[i]) && i > 0 {
			values[i] = values[i-1]
		}
	}
	return values
}

// baseline returns a detector's scores, 1 where it alerts. Each holds for 100
// rows, without which it would say everything many times.
func baseline(d int, values []float64) []float64 {
	scores := make([]float64, len(values))
	hold := 0
	low, high := math.Inf(1), math.Inf(-1)
	mean, variance := 0.0, 0.0
	for i, v := range values {
		s := 0.0
		switch d {
		case byRange:
			if i > 20 {
				if out := max(v-high, low-v); out > 0.02*(high-low) {
					s = 1
				}
			}
			low, high = min(low, v), max(high, v)
		case byEWMA:
			if i > 20 && variance > 0 && math.Abs(v-mean) > 3*math.Sqrt(variance) {
				s = 1
			}
			a := max(0.02, 1/float64(i+1))
			variance = (1 - a) * (variance + a*(v-mean)*(v-mean))
			mean += a * (v - mean)
		case byTimer:
			if every := len(values) / 20; every > 0 && (i+1)%every == 0 {
				scores[i] = 1
			}
			continue
		}
		if hold > 0 {
			hold--
			s = 0
		} else if s == 1 {
			hold = 100
		}
		scores[i] = s
	}
	return scores
}

// benchmark scores a table for the generic detector, at the standard levels.
func benchmark(file string, config anomaly.Config, to *[detectors][]nabSeries) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	config.Parameters.All.Generic = anomaly.StandardLevels
	reader := &history.Reader{Scores: true, Options: anomaly.Options{Config: config}}
	result, err := reader.Run(bytes.NewReader(data))
	if err != nil {
		return err
	}
	c := csv.NewReader(bytes.NewReader(data))
	if bytes.IndexByte(data[:200], ';') > 0 {
		c.Comma = ';'
	}
	table, err := c.ReadAll()
	if err != nil {
		return err
	}
	label := slices.Index(table[0], "label")
	if label < 0 {
		label = slices.Index(table[0], "anomaly")
	}
	s := nabSeries{name: filepath.Base(file)}
	values := make([]float64, 0, len(table))
	for i, row := range table[1:] {
		v, err := strconv.ParseFloat(row[label], 64)
		if err != nil {
			return err
		}
		s.labels = append(s.labels, v == 1)
		s.scores = append(s.scores, result.Rows[i].Score)
		values = append(values, result.Rows[i].Value)
	}
	s.windows = windowsOf(s.labels)
	to[ours] = append(to[ours], s)
	for d := byRange; d < detectors; d++ {
		b := s
		b.scores = baseline(d, values)
		to[d] = append(to[d], b)
	}
	return nil
}

// injection is a leak of one size put into untouched meters.
type injection struct {
	size        float64 // L/h
	n, found    int     // found within 48 h
	foundBurst  int     // within 3 h: two from the first row that shows it
	medianDelay time.Duration
}

// injectAll puts leaks of seven days into meters that were not touched, one at
// a time, at four places each, and counts those found within 48 hours.
func injectAll(files []string, config anomaly.Config) ([]injection, error) {
	sizes := []float64{1, 2, 5, 10, 30, 100, 300, 800}
	out := make([]injection, len(sizes))
	for si, size := range sizes {
		out[si].size = size
		var delays []time.Duration
		for fi, f := range files {
			table, times, err := meterTable(f)
			if err != nil {
				return nil, err
			}
			for place := range 4 {
				// Spread over the year and the hours of the day, the same each time.
				at := times[0].Add(time.Duration(60+70*place+3*fi)*24*time.Hour + time.Duration((fi*7+place*5)%24)*time.Hour)
				text := leak(table, times, at, size)
				reader := &history.Reader{Facility: ingest.Water, Options: anomaly.Options{Config: config}}
				result, err := reader.Run(bytes.NewReader(text))
				if err != nil {
					return nil, err
				}
				// A leak already told of is not found again.
				open := false
				for _, a := range result.Changes {
					if a.At.Before(at) && (a.Alarm.Kind == "continuous_flow" || a.Alarm.Kind == "burst") {
						open = a.Raised
					}
				}
				if open {
					continue
				}
				out[si].n++
				for _, a := range result.Changes {
					if delay := a.At.Sub(at); a.Raised && delay >= 0 && delay <= 48*time.Hour && (a.Alarm.Kind == "continuous_flow" || a.Alarm.Kind == "burst") {
						out[si].found++
						delays = append(delays, delay)
						break
					}
				}
				for _, a := range result.Changes {
					// Readings come each hour: two hours from the first that shows it.
					if delay := a.At.Sub(at); a.Raised && delay >= 0 && delay <= 3*time.Hour && a.Alarm.Kind == "burst" {
						out[si].foundBurst++
						break
					}
				}
			}
		}
		out[si].medianDelay = median(delays)
	}
	return out, nil
}

func meterTable(file string) ([]float64, []time.Time, error) {
	h, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer h.Close()
	table, err := csv.NewReader(h).ReadAll()
	if err != nil {
		return nil, nil, err
	}
	total := slices.Index(table[0], "total_l")
	var values []float64
	var times []time.Time
	for _, row := range table[1:] {
		t, err := time.ParseInLocation("2006-01-02 15:04:05", row[0], time.FixedZone("", 8*3600))
		if err != nil {
			return nil, nil, err
		}
		v, err := strconv.ParseFloat(row[total], 64)
		if err != nil {
			return nil, nil, err
		}
		times, values = append(times, t), append(values, v)
	}
	return values, times, nil
}

// leak writes a table whose register shows a leak from at on, in whole litres
// as the register does.
func leak(values []float64, times []time.Time, at time.Time, size float64) []byte {
	var b bytes.Buffer
	b.WriteString("timestamp,total_l\n")
	for i, v := range values {
		hours := min(max(times[i].Sub(at).Hours(), 0), 7*24)
		fmt.Fprintf(&b, "%s,%.0f\n", times[i].Format("2006-01-02 15:04:05"), v+math.Floor(hours*size))
	}
	return b.Bytes()
}

func median(d []time.Duration) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// row sums trials up.
type row struct {
	n, found, vain int
	months         float64
	delays         []time.Duration
}

func (r *results) sum(d int, of func(*trial) bool) row {
	var s row
	for i := range r.trials {
		t := &r.trials[i]
		if !of(t) {
			continue
		}
		s.months += t.months
		s.vain += t.say[d].vain
		if !t.from.IsZero() {
			s.n++
			if t.say[d].found {
				s.found++
				s.delays = append(s.delays, t.say[d].delay)
			}
		}
	}
	return s
}

func (r *results) print(out io.Writer, verbose bool) {
	if verbose {
		for i := range r.trials {
			t := &r.trials[i]
			s := t.say[ours]
			fmt.Fprintf(out, "%-12s %-28s %-14s found %-5v after %-10v in vain %d %v\n", t.group, t.file, t.fault, s.found, s.delay.Round(time.Minute), s.vain, s.kinds)
		}
		for _, s := range r.nab[ours] {
			score, _, found, windows, vain := nabScore([]nabSeries{s})
			fmt.Fprintf(out, "%-50s %6.1f found %d of %d, rows in vain %d\n", s.name, score, found, windows, vain)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "FACILITY\tFAULT")
	for d := range detectors {
		fmt.Fprintf(w, "\t%s: FOUND\tMEDIAN DELAY\tIN VAIN / DEVICE-MONTH", strings.ToUpper(names[d]))
	}
	fmt.Fprintln(w)
	line := func(group, fault string, of func(*trial) bool) {
		fmt.Fprintf(w, "%s\t%s", group, fault)
		for d := range detectors {
			s := r.sum(d, of)
			found, delay := "-", "-"
			if s.n > 0 {
				found = fmt.Sprintf("%d/%d", s.found, s.n)
			}
			if s.found > 0 {
				delay = median(s.delays).Round(time.Minute).String()
				delay = strings.TrimSuffix(delay, "0s")
			}
			fmt.Fprintf(w, "\t%s\t%s\t%.3f", found, delay, float64(s.vain)/s.months)
		}
		fmt.Fprintln(w)
	}
	var groups []string
	faults := map[string][]string{}
	for _, t := range r.trials {
		if !slices.Contains(groups, t.group) {
			groups = append(groups, t.group)
		}
		if !slices.Contains(faults[t.group], t.fault) {
			faults[t.group] = append(faults[t.group], t.fault)
		}
	}
	for _, g := range groups {
		slices.Sort(faults[g])
		for _, f := range faults[g] {
			line(g, f, func(t *trial) bool { return t.group == g && t.fault == f })
		}
		if len(faults[g]) > 1 {
			line(g, "all", func(t *trial) bool { return t.group == g })
		}
	}
	w.Flush()
	fmt.Fprintln(out, "\nLeaks of seven days put into untouched meters (register in whole litres):")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LEAK L/h\tTRIALS\tFOUND IN 48 h\tSHARE\tMEDIAN DELAY\tAS BURST IN 3 h")
	for _, i := range r.inject {
		fmt.Fprintf(w, "%g\t%d\t%d\t%.1f %%\t%s\t%d\n", i.size, i.n, i.found, 100*float64(i.found)/float64(i.n), i.medianDelay.Round(time.Minute), i.foundBurst)
	}
	w.Flush()
	fmt.Fprintln(out, "\nGeneric detector, standard profile of NAB:")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERIES\tDETECTOR\tSCORE\tWINDOWS FOUND\tROWS IN VAIN\tAT LEVEL")
	for _, b := range []struct {
		name string
		of   *[detectors][]nabSeries
	}{{"NAB", &r.nab}, {"SKAB", &r.skab}} {
		for d := range detectors {
			name := names[d]
			if d == ours {
				name = "generic"
			}
			if len(b.of[d]) == 0 {
				continue
			}
			score, level, found, windows, vain := nabScore(b.of[d])
			fmt.Fprintf(w, "%s (%d files)\t%s\t%.2f\t%d/%d\t%d\t%.3f\n", b.name, len(b.of[d]), name, score, found, windows, vain, level)
		}
	}
	w.Flush()
	fmt.Fprintln(out, "\nGeneric detector on five splits of NAB, each at its own best level:")
	w = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SPLIT\tFILES\tSTANDARD\tLOW FP\tWINDOWS FOUND\tROWS IN VAIN")
	worst, low := math.Inf(1), 0.0
	for n := range nabSplits {
		of := split(r.nab[ours], n)
		if len(of) == 0 {
			continue
		}
		score, _, found, windows, vain := nabScore(of)
		fewer, _, _, _, _ := nabProfile(of, lowFalse)
		worst, low = min(worst, score), low+fewer/nabSplits
		fmt.Fprintf(w, "%d\t%d\t%.2f\t%.2f\t%d/%d\t%d\n", n+1, len(of), score, fewer, found, windows, vain)
	}
	fmt.Fprintf(w, "worst, mean\t\t%.2f\t%.2f\n", worst, low)
	w.Flush()
	fmt.Fprintf(out, "\nTook %s.\n", r.runtime.Round(100*time.Millisecond))
}
