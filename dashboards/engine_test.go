package dashboards

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"greencommunity/deploy/enginetest"
)

// onInfluxDB27 asks every query of every board of InfluxDB 2.7 too, with the
// same data in it: it answers as 1.8 does, to nine digits, as each adds up in an
// order of its own.
func onInfluxDB27(t *testing.T, s *service, end time.Time) {
	db := enginetest.StartInfluxDB(t, 0)
	points := copyTo(t, s, db)
	ran, same := 0, 0
	eachInflux(end, ".*", func(q query, v values, until time.Time) {
		ran++
		length := 9 * 24 * time.Hour
		want, err := ask(t, s.database, "facilities", q, v, length, until)
		if err != nil {
			t.Errorf("%s on 1.8: %v", q.where, err)
		}
		got, err := ask(t, db, enginetest.Bucket, q, v, length, until)
		switch {
		case err != nil:
			t.Errorf("%s: %v in %s", q.where, err, q.text)
		case !alike(got, want, strings.Contains(q.text, "top(") || strings.Contains(q.text, "bottom(")):
			t.Errorf("%s: 2.7 answers %.300v, 1.8 %.300v, to %s", q.where, got, want, q.text)
		default:
			same++
		}
	})
	if ran < 50 {
		t.Errorf("only %d queries", ran)
	}
	t.Logf("%d points, %d queries, %d answered alike", points, ran, same)
}

// alike reports whether two answers say the same, to nine digits. Rows whose numbers are
// equal may stand in any order; of a ranking, what is equal to the last row may be others.
func alike(got, want []map[string]any, ranking bool) bool {
	if len(got) != len(want) {
		return false
	}
	for i := 0; i < len(got); {
		numbers, _ := rounded(want[i])
		var x, y []string
		for ; i < len(got); i++ {
			a, of := rounded(got[i])
			b, with := rounded(want[i])
			if b != numbers {
				break
			}
			if a != b {
				return false
			}
			x, y = append(x, of), append(y, with)
		}
		slices.Sort(x)
		slices.Sort(y)
		if !slices.Equal(x, y) && !(ranking && i == len(got)) {
			return false
		}
	}
	return true
}

// rounded returns the numbers of a row to nine digits, and the rest of it.
func rounded(row map[string]any) (numbers, rest string) {
	for _, k := range slices.Sorted(maps.Keys(row)) {
		switch v := row[k].(type) {
		case json.Number:
			f, err := v.Float64()
			if err != nil {
				return err.Error(), ""
			}
			numbers += fmt.Sprintf("%s=%.9g ", k, f)
		default:
			rest += fmt.Sprintf("%s=%v ", k, v)
		}
	}
	return numbers, rest
}

// copyTo writes all that the embedded InfluxDB has to another.
func copyTo(t *testing.T, s *service, db *enginetest.InfluxDB) (points int) {
	t.Helper()
	ctx := context.Background()
	keys, err := s.database.Query(ctx, "facilities", "SHOW FIELD KEYS")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, m := range keys {
		types := map[string]string{}
		for _, row := range m.Values {
			types[row[0].(string)] = row[1].(string)
		}
		rows, err := s.database.Query(ctx, "facilities", `SELECT * FROM "`+m.Name+`" GROUP BY *`)
		if err != nil {
			t.Fatal(err)
		}
		for _, series := range rows {
			head := escaped(m.Name)
			for k, v := range series.Tags {
				if v != "" {
					head += "," + escaped(k) + "=" + escaped(v)
				}
			}
			for _, cells := range series.Values {
				var fields []string
				for i, cell := range cells[1:] {
					name := series.Columns[i+1]
					switch kind := types[name]; {
					case cell == nil:
					case kind == "string":
						fields = append(fields, escaped(name)+"="+fmt.Sprintf("%q", cell))
					case kind == "integer":
						fields = append(fields, escaped(name)+"="+fmt.Sprint(cell)+"i")
					default:
						fields = append(fields, escaped(name)+"="+fmt.Sprint(cell))
					}
				}
				if len(fields) > 0 {
					fmt.Fprintf(&lines, "%s %s %s\n", head, strings.Join(fields, ","), cells[0].(json.Number))
					points++
				}
			}
		}
	}
	if status, answer := db.Do(http.MethodPost, "/api/v2/write?org="+enginetest.Org+"&bucket="+enginetest.Bucket, "", []byte(lines.String())); status != http.StatusNoContent {
		t.Fatalf("write: %d %s", status, answer)
	}
	return points
}

func escaped(name string) string {
	return strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `).Replace(name)
}
