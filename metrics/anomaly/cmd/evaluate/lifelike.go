package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"greencommunity/ingest"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/anomaly/history"
)

// Meters and counters made up from what is seen of real ones, and not from what the
// rules look for: families that sleep late, get up at night, have guests, wash on
// Sundays, go away; softeners and pools; cisterns of offices that fill half a
// cubic metre at once; reads that a platform filled in evenly; a misread digit that
// is right again two reads later; lectures that fill a door once a week.

// household is the use of a home in L, minute by minute summed to hours.
type household struct {
	persons      int
	wake, sleep  float64 // hours
	weekend      float64 // later, hours
	home         float64 // share of the working day somebody is at home
	night        float64 // visits a night and person
	softener     float64 // L, every few nights
	softenerDays int
	garden       float64 // L on a summer evening
	more         int     // guests, when there are
	guests       []int   // days on which there are
	away         []int
}

func newHousehold(r *rand.Rand, days int) household {
	h := household{persons: pick(r, 1, 2, 2, 3, 3, 3, 4, 5), wake: between(r, 5.3, 8.3), sleep: between(r, 21.5, 25.5),
		weekend: between(r, 0, 2), home: pick(r, 0, 0.3, 1), night: between(r, 0, 0.6), more: 1 + r.IntN(3)}
	if r.IntN(12) == 0 {
		h.softener, h.softenerDays = between(r, 60, 200), 2+r.IntN(4)
	}
	if r.IntN(15) == 0 {
		h.garden = between(r, 50, 400)
	}
	stretch := func(most int) []int {
		var out []int
		first := r.IntN(days)
		for i := range 1 + r.IntN(most) {
			out = append(out, first+i)
		}
		return out
	}
	for range days / 45 {
		if r.IntN(2) == 0 {
			h.guests = append(h.guests, stretch(4)...)
		}
		if r.IntN(2) == 0 {
			h.away = append(h.away, stretch(10)...)
		}
	}
	return h
}

// hour is what is used in an hour of a day, L.
func (h *household) hour(r *rand.Rand, day, hour int, weekday time.Weekday) float64 {
	if slices.Contains(h.away, day) {
		return 0
	}
	persons := float64(h.persons)
	if slices.Contains(h.guests, day) {
		persons += float64(h.more)
	}
	free := weekday == time.Saturday || weekday == time.Sunday
	wake := h.wake
	if free {
		wake += h.weekend
	}
	use := 0.0
	t := float64(hour)
	late := t
	if t < 4 {
		late += 24
	}
	switch {
	case late >= h.sleep || t < math.Floor(wake):
		for range poisson(r, h.night*persons/7) {
			use += pick(r, 4.0, 6, 6, 9)
		}
	case t < wake+1.5:
		for range poisson(r, 2*persons) {
			use += pick(r, 1.0, 2, 6, 6, 9)
		}
		if r.Float64() < 0.2*persons {
			use += between(r, 25, 70)
		}
	default:
		there := 1.0
		if !free && t >= 9 && t < 17 {
			there = h.home
		}
		for range poisson(r, 0.9*persons*there) {
			use += pick(r, 1.0, 2, 3, 6, 6, 9, 12)
		}
		if t >= 18 && r.Float64() < 0.13*persons {
			use += between(r, 30, 90)
		}
		if there > 0 && r.Float64() < 0.02*persons*there {
			use += between(r, 40, 80) // washing
		}
	}
	if h.softener > 0 && hour == 2 && day%h.softenerDays == 0 {
		use += h.softener
	}
	if h.garden > 0 && hour == 20 && day%3 != 0 {
		use += h.garden
	}
	return use
}

// register is how a meter is read.
type reads struct {
	every time.Duration
	step  float64 // L
}

// lifelike is a kind of device and the fault put into it.
type lifelike struct {
	name   string
	group  string
	reads  reads
	leak   float64 // L/h; 0: none
	homes  int     // behind a master meter; 0: one
	office bool
}

var lifelikes = []lifelike{
	{name: "1 L/h, 1 L, hourly", group: "household", reads: reads{time.Hour, 1}, leak: 1},
	{name: "5 L/h, 10 L, hourly", group: "household", reads: reads{time.Hour, 10}, leak: 5},
	{name: "20 L/h, 100 L, hourly", group: "household", reads: reads{time.Hour, 100}, leak: 20},
	{name: "30 L/h, daily reads", group: "household", reads: reads{24 * time.Hour, 1}, leak: 30},
	{name: "300 L/h, master of 200 flats", group: "master", reads: reads{time.Hour, 10}, leak: 300, homes: 200},
	{name: "30 L/h, 2-hourly", group: "household", reads: reads{2 * time.Hour, 1}, leak: 30},
	{name: "30 L/h, 4-hourly", group: "household", reads: reads{4 * time.Hour, 1}, leak: 30},
	{name: "30 L/h, 8-hourly", group: "household", reads: reads{8 * time.Hour, 1}, leak: 30},
	{name: "30 L/h, 12-hourly", group: "household", reads: reads{12 * time.Hour, 1}, leak: 30},
	{name: "60 L/h, office, half-hourly", group: "building", reads: reads{30 * time.Minute, 10}, leak: 60, office: true},
}

const lifelikeDays = 150

// table makes a register's table and when its leak begins.
func (l *lifelike) table(r *rand.Rand) ([]byte, time.Time) {
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, zone).AddDate(0, 0, r.IntN(365))
	from := begin.AddDate(0, 0, lifelikeDays-6).Add(time.Duration(r.IntN(1440)) * time.Minute)
	homes := make([]household, max(l.homes, 1))
	for i := range homes {
		homes[i] = newHousehold(r, lifelikeDays)
	}
	users := between(r, 20, 300) // of an office
	cistern := between(r, 0, 600)
	hours := lifelikeDays * 24
	used := make([]float64, hours)
	tank := 0.0
	for i := range used {
		at := begin.Add(time.Duration(i) * time.Hour)
		if l.office {
			rate := 0.01
			if d := at.Weekday(); d != time.Saturday && d != time.Sunday && at.Hour() >= 8 && at.Hour() < 19 {
				rate = 1
			}
			n := float64(poisson(r, users*rate*0.5)) * between(r, 3, 6)
			if tank += n; cistern > 250 { // it takes what a float lets in
				if tank > cistern {
					used[i], tank = tank, 0
				}
			} else {
				used[i] = n
			}
			continue
		}
		for j := range homes {
			used[i] += homes[j].hour(r, i/24, at.Hour(), at.Weekday())
		}
	}
	filled := -1 // a day whose reads a platform divides evenly
	if r.IntN(3) == 0 {
		filled = 30 + r.IntN(90)
	}
	misread := -1
	if l.homes == 0 && r.IntN(6) == 0 {
		misread = 30*24 + r.IntN(100*24)
	}
	phase := time.Duration(r.IntN(60)) * time.Minute
	total, leak := between(r, 20000, 900000), 0.0
	sums := make([]float64, hours+1)
	for i, u := range used {
		sums[i] = total
		total += u
	}
	sums[hours] = total
	at := func(t time.Time) float64 {
		h := t.Sub(begin).Hours()
		i := min(int(h), hours-1)
		v := sums[i] + (sums[i+1]-sums[i])*(h-float64(i))
		if day := i / 24; day == filled {
			share := (h - float64(filled*24)) / 24
			v = sums[filled*24] + (sums[filled*24+24]-sums[filled*24])*share
		}
		return v
	}
	var b bytes.Buffer
	b.WriteString("timestamp,total_l\n")
	size := l.leak * between(r, 0.95, 1.1) // nobody's leak is a round number
	wrong := 0
	for t := begin.Add(phase); t.Before(begin.AddDate(0, 0, lifelikeDays)); t = t.Add(l.reads.every) {
		leak = max(t.Sub(from).Hours(), 0) * size
		v := math.Floor((at(t)+leak)/l.reads.step) * l.reads.step
		if misread >= 0 && int(t.Sub(begin).Hours()) >= misread && wrong < 2 {
			wrong++
			v += 1000
		}
		fmt.Fprintf(&b, "%s,%.0f\n", t.Format(layout), v)
	}
	return b.Bytes(), from
}

// door is a counter, by the hour: small communities' gates, doors of an office with
// lectures, stations.
func door(r *rand.Rand) []byte {
	begin := start(r)
	mean := math.Exp(between(r, math.Log(1), math.Log(200))) // passes of an ordinary hour
	k := between(r, 1.5, 8)                                  // of the gamma of each hour's rate: groups and weather
	evening := pick(r, 0, 0, 1)
	var b bytes.Buffer
	b.WriteString("timestamp,pass_in\n")
	for t := begin; t.Before(begin.AddDate(0, 0, lifelikeDays)); t = t.Add(time.Hour) {
		share := 0.02
		switch h := t.Hour(); {
		case h >= 7 && h < 10, h >= 17 && h < 20:
			share = 1.5
		case h >= 10 && h < 17:
			share = 0.7
		case h >= 20 && h < 23:
			share = 0.25
		}
		if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
			share *= 0.6
		}
		if evening == 1 && t.Weekday() == time.Thursday && t.Hour() == 21 {
			share = 1
		}
		g := 0.0 // gamma of shape k and mean 1, by a sum of exponentials
		n := int(math.Ceil(k))
		for range n {
			g += r.ExpFloat64() / float64(n)
		}
		fmt.Fprintf(&b, "%s,%d\n", t.Format(layout), poisson(r, mean*share*g))
	}
	return b.Bytes()
}

// lifelikeRow is what came of one kind of device.
type lifelikeRow struct {
	name, group string
	n, found    int
	delays      []time.Duration
	vain        map[string]int
	alarms      int
	months      float64
}

var leakKinds = []string{"continuous_flow", "night_flow", "burst"}

// evaluateLifelike makes n devices of each kind.
func evaluateLifelike(seed uint64, n int, config anomaly.Config) ([]lifelikeRow, error) {
	var rows []lifelikeRow
	run := func(facility ingest.FacilityKind, table []byte) (*history.Result, error) {
		reader := &history.Reader{Facility: facility, Options: anomaly.Options{Config: config}}
		return reader.Run(bytes.NewReader(table))
	}
	for _, l := range lifelikes {
		row := lifelikeRow{name: l.name, group: l.group, vain: map[string]int{}}
		of := n
		if l.homes > 0 {
			of = max(n/5, 1)
		}
		for i := range of {
			table, from := l.table(rand.New(rand.NewPCG(seed, uint64(i))))
			result, err := run(ingest.Water, table)
			if err != nil {
				return nil, fmt.Errorf("%s %d: %w", l.name, i, err)
			}
			row.n++
			row.months += from.Sub(result.From).Hours() / (30 * 24)
			delay := time.Duration(-1)
			for _, c := range result.Changes {
				switch {
				case !c.Raised:
				case c.At.Before(from):
					row.alarms++
					row.vain[c.Alarm.Kind]++
				case delay < 0 && slices.Contains(leakKinds, c.Alarm.Kind):
					delay = c.At.Sub(from)
				}
			}
			if delay >= 0 && delay <= 72*time.Hour {
				row.found++
				row.delays = append(row.delays, delay)
			}
		}
		rows = append(rows, row)
	}
	counter := lifelikeRow{name: "doors and counters, hourly", group: "counter", vain: map[string]int{}}
	for i := range n {
		result, err := run(ingest.Gate, door(rand.New(rand.NewPCG(seed, uint64(i)))))
		if err != nil {
			return nil, err
		}
		counter.months += result.Months()
		for _, c := range result.Changes {
			if c.Raised {
				counter.alarms++
				counter.vain[c.Alarm.Kind]++
			}
		}
	}
	return append(rows, counter), nil
}

func printLifelike(out io.Writer, rows []lifelikeRow) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DEVICE\tFOUND IN 72 h\tMEDIAN DELAY\tIN VAIN / DEVICE-MONTH\tOF")
	for _, r := range rows {
		var of []string
		for k, n := range r.vain {
			of = append(of, fmt.Sprintf("%s %d", k, n))
		}
		slices.Sort(of)
		found := "-"
		if r.n > 0 {
			found = fmt.Sprintf("%d/%d", r.found, r.n)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t%s\n", r.name, found, median(r.delays).Round(time.Minute), float64(r.alarms)/r.months, strings.Join(of, ", "))
	}
	w.Flush()
}
