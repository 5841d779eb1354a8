package api

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/pipeline"
)

// The account of vendors counts since the first start. What a vendor did in the last week is
// the difference to a week ago, for which its counters are noted each hour, a line an hour,
// in a file of data_dir: a county of 30 vendors writes 3 MB in the 100 days it keeps.
const (
	notedFile = "vendors.ndjson"
	keepNoted = 100 * 24 * time.Hour
)

// noted is the account of vendors at a time.
type noted struct {
	Time    time.Time                        `json:"time"`
	Vendors map[ingest.VendorID]vendorCounts `json:"vendors"`
}

type vendorCounts struct {
	Received uint64                   `json:"received"`
	Rejected map[ingest.Reason]uint64 `json:"rejected,omitempty"`
	Refused  map[ingest.Reason]uint64 `json:"refused,omitempty"`
}

func countsOf(status pipeline.Status, now time.Time) noted {
	n := noted{now.UTC().Truncate(time.Second), map[ingest.VendorID]vendorCounts{}}
	for _, v := range status.Vendors {
		n.Vendors[v.Vendor] = vendorCounts{v.Received, v.Rejected, v.Refused}
	}
	return n
}

// Run notes the account of vendors each hour until ctx ends.
func (a *API) Run(ctx context.Context, dataDir string) {
	path := filepath.Join(dataDir, notedFile)
	list, whole := readNoted(path)
	a.mu.Lock()
	a.noted = list
	a.mu.Unlock()
	if !whole { // a line was cut off: the file is written again without it
		a.note(path, list, true)
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		now := time.Now()
		if len(list) == 0 || now.Truncate(time.Hour).After(list[len(list)-1].Time) {
			list = append(slices.Clone(list), countsOf(a.s.Status(), now))
			old := slices.IndexFunc(list, func(n noted) bool { return now.Sub(n.Time) < keepNoted })
			again := old > 24 // a day at a time
			if again {
				list = list[old:]
			}
			a.note(path, list, again)
			a.mu.Lock()
			a.noted = list
			a.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// note appends the last of a list to the file, or writes all of it again. Where the file
// cannot be written, as on a full disk, the hour is known until the next start.
func (a *API) note(path string, list []noted, again bool) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	part := list
	if !again {
		part = list[len(list)-1:]
	}
	for _, n := range part {
		if err := encoder.Encode(n); err != nil {
			return
		}
	}
	err := error(nil)
	if again {
		if err = os.WriteFile(path+".new", out.Bytes(), 0o640); err == nil {
			err = os.Rename(path+".new", path)
		}
	} else {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err == nil {
			_, err = f.Write(out.Bytes())
			err = cmp.Or(err, f.Close())
		}
	}
	if err != nil {
		a.s.Logger.Warn("the account of vendors is not noted", "error", err)
	}
}

// readNoted reads the file; whole says that every line of it was one.
func readNoted(path string) (list []noted, whole bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, true
	}
	defer f.Close()
	whole = true
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		var n noted
		switch {
		case len(line) > 0 && json.Unmarshal(line, &n) == nil && !n.Time.IsZero():
			list = append(list, n)
		case len(line) > 0:
			whole = false
		}
		if err == io.EOF {
			return list, whole && (len(line) == 0)
		}
		if err != nil {
			return list, false
		}
	}
}

// vendors says what each vendor sent and what of it was refused, in the last days or since
// the first start.
func (a *API) vendors(r *http.Request, who access.Identity) (*table, error) {
	days := 0
	if text := r.URL.Query().Get("days"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 92 {
			return nil, bad("days %.20q is not a number from 1 to 92", text)
		}
		days = n
	}
	now := countsOf(a.s.Status(), time.Now())
	var then noted
	if days > 0 {
		a.mu.Lock()
		list := a.noted
		a.mu.Unlock()
		wanted := now.Time.AddDate(0, 0, -days)
		// The last before that time; where the notes begin later, the first.
		i, _ := slices.BinarySearchFunc(list, wanted, func(n noted, t time.Time) int { return n.Time.Compare(t) })
		if i < len(list) && !list[i].Time.Equal(wanted) && i > 0 {
			i--
		}
		if len(list) > 0 {
			then = list[min(i, len(list)-1)]
		}
	}
	t := &table{name: ingest.Text{ZH: "厂商", EN: "Vendors"}, columns: []column{
		{"vendor", ingest.Text{ZH: "编号", EN: "ID"}}, {"name", ingest.Text{ZH: "厂商", EN: "Vendor"}}, {"since", ingest.Text{ZH: "自", EN: "Since"}},
		{"received", ingest.Text{ZH: "收到", EN: "Received"}}, {"rejected", ingest.Text{ZH: "拒绝", EN: "Rejected"}}, {"refused", ingest.Text{ZH: "拒绝的读数", EN: "Readings refused"}},
		{"accepted", ingest.Text{ZH: "接收率", EN: "Accepted"}}, {"reasons", ingest.Text{ZH: "原因", EN: "Reasons"}},
	}}
	inv := a.s.Inventory()
	for _, id := range slices.Sorted(maps.Keys(now.Vendors)) {
		if who.Vendor != "" && who.Vendor != id {
			continue
		}
		v, before := now.Vendors[id], then.Vendors[id]
		reasons := map[ingest.Reason]uint64{}
		count := func(now, then map[ingest.Reason]uint64) (sum uint64) {
			for reason, n := range now {
				if more := n - min(n, then[reason]); more > 0 {
					sum += more
					reasons[reason] += more
				}
			}
			return sum
		}
		received, rejected, refused := v.Received-min(v.Received, before.Received), count(v.Rejected, before.Rejected), count(v.Refused, before.Refused)
		if id == "" && received == 0 {
			continue
		}
		name := ""
		if known := inv.Vendor(id); known != nil {
			name = known.Name
		}
		var words []string
		for _, reason := range slices.SortedFunc(maps.Keys(reasons), func(x, y ingest.Reason) int {
			return cmp.Or(cmp.Compare(reasons[y], reasons[x]), cmp.Compare(x, y))
		}) {
			words = append(words, fmt.Sprintf("%s %d", reason, reasons[reason]))
		}
		row := []any{string(id), name, nil, received, rejected, refused, nil, strings.Join(words, ", ")}
		if !then.Time.IsZero() {
			row[2] = then.Time
		}
		if received > 0 {
			row[6] = 1 - float64(rejected)/float64(received)
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}
