package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// detect runs `greencommunity detect` on a table.
func detect(t *testing.T, table string, args ...string) (out, errOut string, err error) {
	t.Helper()
	var o, e bytes.Buffer
	err = run(context.Background(), append([]string{"detect"}, args...), streams{strings.NewReader(table), &o, &e})
	return o.String(), e.String(), err
}

// meterTable is a meter's month in which a cistern begins to leak on the 20th.
func meterTable(header, layout string) string {
	var b strings.Builder
	b.WriteString(header + "\n")
	register := 12345.0
	for h := range 30 * 24 {
		at := time.Date(2026, 3, 1, h, 0, 0, 0, time.FixedZone("", 8*3600))
		if hour := at.Hour(); hour > 5 && hour < 23 && h%3 != 0 {
			register += 20
		}
		if h >= 19*24 && h < 24*24 {
			register += 3
		}
		text := at.Format(layout)
		if layout == "" {
			text = fmt.Sprint(at.UnixMilli())
		}
		fmt.Fprintf(&b, "%s,%g,%d\n", text, register, h%2)
	}
	return b.String()
}

func TestDetectLeak(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header, layout string
		args           []string
	}{
		{"timestamp,total_l,label", "2006-01-02 15:04:05", nil},
		{"time,reading,anomaly", time.RFC3339, []string{"--column", "reading=water_volume_total:L"}},
		{"zeit,Zählerstand,x", "2006/01/02 15:04", []string{"--column", "zeit=time", "--column", "Zählerstand=water_volume_total:L", "--column", "x=ignore"}},
		{"ts,volume_l,label", "", nil},
	} {
		out, summary, err := detect(t, meterTable(c.header, c.layout), append([]string{"--facility", "water"}, c.args...)...)
		if err != nil {
			t.Errorf("%s: %v", c.header, err)
			continue
		}
		var got []change
		dec := json.NewDecoder(strings.NewReader(out))
		for dec.More() {
			var l change
			if err := dec.Decode(&l); err != nil {
				t.Fatal(err)
			}
			got = append(got, l)
		}
		if len(got) != 2 || got[0].Kind != "continuous_flow" || got[0].Alarm != "raised" || got[1].Alarm != "cleared" {
			t.Errorf("%s: got %s", c.header, out)
			continue
		}
		raised, _ := time.Parse(time.RFC3339, got[0].Time)
		begin := time.Date(2026, 3, 20, 0, 0, 0, 0, time.FixedZone("", 8*3600))
		if d := raised.Sub(begin); d < 23*time.Hour || d > 48*time.Hour {
			t.Errorf("%s: raised after %s", c.header, d)
		}
		if got[0].Why.ZH == "" || got[0].Why.EN == "" || got[1].Since != got[0].Time {
			t.Errorf("%s: got %s", c.header, out)
		}
		if !strings.Contains(summary, "continuous_flow  1") {
			t.Errorf("%s: summary is %s", c.header, summary)
		}
	}
}

// A lamp's table with --scores: a row of scores for each row of the table, and
// above 1 where it burns by day.
func TestDetectScoresAndPicture(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("timestamp;power_w;dim_pct\n")
	fault := map[int]bool{}
	for i := range 20 * 96 {
		at := time.Date(2026, 3, 1, 0, 15*i, 0, 0, time.UTC)
		burns := at.Hour() >= 19 || at.Hour() < 6
		if at.Day() == 15 && at.Hour() >= 9 && at.Hour() < 15 {
			burns, fault[i] = true, true
		}
		power := 0.5 + 0.01*float64(i%7)
		if burns {
			power = 60 + math.Sin(float64(i))
		}
		fmt.Fprintf(&b, "%s;%.2f;%d\n", at.Format("2006-01-02 15:04:05"), power, map[bool]int{true: 100}[burns])
	}
	picture := filepath.Join(t.TempDir(), "p.svg")
	out, _, err := detect(t, b.String(), "--facility", "lighting", "--scores", "--picture", picture)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")[1:]
	if len(lines) != 20*96 {
		t.Fatalf("%d scores for %d rows", len(lines), 20*96)
	}
	above := 0
	for i, l := range lines {
		var score float64
		if _, err := fmt.Sscan(l[strings.LastIndex(l, ",")+1:], &score); err != nil {
			t.Fatal(err)
		}
		if score >= 1 {
			above++
			if !fault[i] {
				t.Errorf("row %d: %s is above 1", i, l)
			}
		}
	}
	if above == 0 {
		t.Error("no score is above 1")
	}
	svg, err := os.ReadFile(picture)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(svg, []byte("day_burner")) || !bytes.HasSuffix(svg, []byte("</svg>")) {
		t.Error("the picture does not show the alarm")
	}
}

// Columns are taken for what they must be: angles, percents and decimal commas
// where no unit is said, and two columns of one quantity for two channels.
func TestDetectColumns(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	var tilt, comma strings.Builder
	tilt.WriteString("time,fill,angle\n")
	comma.WriteString("Timestamp;n1;n4\n")
	for i := range 14 * 96 {
		at := time.Date(2026, 3, 1, 0, 15*i, 0, 0, time.UTC).Format("2006-01-02 15:04:05")
		angle := 1.7
		if i > 900 && i < 940 {
			angle = 80
		}
		fmt.Fprintf(&tilt, "%s,%d,%g\n", at, 20+i%40, angle)
		one, four := 35.2+r.NormFloat64(), 62.1+r.NormFloat64()
		if i > 900 && i < 990 {
			one = 5 + float64(i%7)/10
		}
		fmt.Fprintf(&comma, "%s;%s;%s\n", at, strings.Replace(fmt.Sprintf("%.2f", one), ".", ",", 1), strings.Replace(fmt.Sprintf("%.2f", four), ".", ",", 1))
	}
	for _, c := range []struct {
		table string
		args  []string
		want  []string // raised: kind and channel
	}{
		{tilt.String(), []string{"--facility", "waste", "--column", "fill=fill_level", "--column", "angle=bin_tilted"}, []string{"tipped "}},
		{tilt.String(), []string{"--facility", "waste", "--column", "fill=fill_level:%", "--column", "angle=bin_tilted:deg"}, []string{"tipped "}},
		{comma.String(), []string{"--facility", "water", "--column", "n1=water_pressure:mH2O", "--column", "n4=water_pressure:mH2O"}, []string{"unusual_value water_pressure/n1"}},
	} {
		out, summary, err := detect(t, c.table, c.args...)
		if err != nil {
			t.Errorf("%v: %v", c.args, err)
			continue
		}
		var got []string
		dec := json.NewDecoder(strings.NewReader(out))
		for dec.More() {
			var l change
			if err := dec.Decode(&l); err != nil {
				t.Fatal(err)
			}
			if l.Alarm == "raised" && !slices.Contains(got, l.Kind+" "+l.Channel) {
				got = append(got, l.Kind+" "+l.Channel)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %q, want %q\n%s%s", c.args, got, c.want, out, summary)
		}
	}
}

func TestDetectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		table string
		args  []string
		want  string
	}{
		{"", nil, "the table is empty"},
		{"time,x\n", nil, "the table has a header and no rows"},
		{`[{"time":"2026-01-01 00:00:00","x":1}]`, nil, "this looks like JSON; expected a table (CSV)"},
		{"a,b\nx,y\n", nil, "no column is a time"},
		{"time,x\nyesterday,1\n", nil, `line 2: "yesterday" is no time`},
		{"time,x\n2026-01-01 00:00:00,1\n2026-01-01 01:00:00,1,2\n", nil, "line 3: 3 fields where the header has 2"},
		{"time,total_l\n2026-01-01 00:00:00,1\n2026-01-01 01:00:00,abc\n", []string{"--facility", "water", "--column", "total_l=water_volume_total:L"}, `line 3: column "total_l": "abc" is no number`},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--facility", "watr"}, `facility "watr" is unknown`},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--facility", "water"}, "no column of time, x says what it is for water"},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--facility", "water", "--column", "y=water_flow"}, `there is no column "y"`},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--facility", "water", "--column", "x=watts"}, `water has no quantity "watts"`},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--facility", "water", "--column", "x=water_flow:kWh"}, "kWh is a unit of energy"},
		{"time,event\n2026-01-01 00:00:00,explode\n", []string{"--facility", "gate"}, `event "explode" is unknown`},
		{"time,x\n2026-01-01 00:00:00,1\n", []string{"--zone", "Mars/Olympus"}, "--zone"},
	} {
		_, _, err := detect(t, c.table, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %v: got %v, want %s", c.table, c.args, err, c.want)
		}
	}
}

// The same leak found in what InfluxDB has of the meter.
func TestDetectHistoryFromInfluxDB(t *testing.T) {
	t.Parallel()
	db := startDatabase(t).db
	var lines strings.Builder
	rows := strings.Split(strings.TrimSpace(meterTable("t,l,x", time.RFC3339)), "\n")[1:]
	for _, row := range rows {
		f := strings.Split(row, ",")
		at, err := time.Parse(time.RFC3339, f[0])
		if err != nil {
			t.Fatal(err)
		}
		var litres float64
		if _, err := fmt.Sscan(f[1], &litres); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "water,community=c,device=m1,vendor=v water_volume_total=%.3f %d\n", litres/1000, at.UnixNano())
		fmt.Fprintf(&lines, "water,community=c,device=m2,vendor=v water_volume_total=%d %d\n", 1, at.UnixNano())
	}
	resp, err := http.Post(db.URL()+"/write?db=facilities", "text/plain", strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatal(resp.Status)
	}
	args := []string{"--facility", "water", "--influxdb", db.URL(), "--from", "2026-03-01", "--to", "2026-04-01", "--device"}
	out, _, err := detect(t, "", append(args, "m1")...)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(out, "\n") != 2 || !strings.Contains(out, `"kind":"continuous_flow"`) || !strings.Contains(out, `"device":"m1"`) {
		t.Errorf("got %s", out)
	}
	if _, _, err := detect(t, "", append(args, "m3")...); err == nil || !strings.Contains(err.Error(), `nothing of water "m3"`) {
		t.Errorf("an unknown device: %v", err)
	}
}
