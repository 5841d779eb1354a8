package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"greencommunity/metrics/anomaly"
)

func TestNABtry(t *testing.T) {
	files, _ := filepath.Glob(os.Getenv("GREENCOMMUNITY_CASES") + "/anomaly/nab/*/*.csv")
	var all []nabSeries
	for _, f := range files {
		h, _ := os.Open(f)
		rows, _ := csv.NewReader(h).ReadAll()
		var g anomaly.Generic
		l := anomaly.StandardLevels
		if e := os.Getenv("LV"); e != "" {
			fmt.Sscan(e, &l.Tolerance, &l.Point, &l.Smooth, &l.Hold)
		}
		var s nabSeries
		for _, r := range rows[1:] {
			ts, _ := time.Parse("2006-01-02 15:04:05", r[0])
			v, _ := strconv.ParseFloat(r[1], 64)
			s.scores = append(s.scores, float64(g.Add(float32(v), ts.Hour()*3600+ts.Minute()*60+ts.Second(), &l)))
			s.labels = append(s.labels, r[2] == "1")
		}
		s.windows = windowsOf(s.labels)
		all = append(all, s)
		sc, th, fo, w, fp := nabScore([]nabSeries{s})
		f1, h1 := 0, 0
		hit := map[int]bool{}
		for i, x := range s.scores {
			if x < 1 || i < min(len(s.scores)*15/100, 750) {
				continue
			}
			if !s.labels[i] {
				f1++
			}
			for k, w := range s.windows {
				if i >= w[0] && i <= w[1] {
					hit[k] = true
				}
			}
		}
		h1 = len(hit)
		t.Logf("%-40s n %5d %6.1f th %.2f %d/%d fp %d   at 1: %d fp %d", filepath.Base(f), len(s.scores), sc, th, fo, w, fp, h1, f1)
	}
	sc, th, fo, w, fp := nabScore(all)
	t.Logf("ALL %.2f th %.3f %d/%d fp %d", sc, th, fo, w, fp)
}
