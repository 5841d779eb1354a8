package history

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
)

// Total is one series of an answer: its tags, and the figures of its one row,
// by column. A figure that is not there is not known.
type Total struct {
	Tags    map[string]string
	Figures map[string]float64
}

// Totals runs a statement of InfluxQL that answers a row a series, such as
// sums that are grouped by tags.
func (d *Database) Totals(ctx context.Context, statement string) ([]Total, error) {
	rows, err := d.Rows(ctx, statement)
	if err != nil {
		return nil, err
	}
	var totals []Total
	for _, s := range rows {
		t := Total{Tags: s.Tags, Figures: map[string]float64{}}
		for _, row := range s.Values {
			for i, v := range row {
				if v != nil && i < len(s.Columns) {
					t.Figures[s.Columns[i]] = *v
				}
			}
		}
		totals = append(totals, t)
	}
	return totals, nil
}

// Table is one series of an answer whose cells are numbers or words: json.Number, string
// or nil. Times are unix nanoseconds.
type Table struct {
	Tags    map[string]string
	Columns []string
	Values  [][]any
}

// Tables runs a statement of InfluxQL and keeps all of a short answer.
func (d *Database) Tables(ctx context.Context, statement string) ([]Table, error) {
	return answered[Table](ctx, d, statement)
}

// Series is one of an answer: its tags, and its rows by column. Times are unix
// nanoseconds, to about a microsecond.
type Series struct {
	Tags    map[string]string
	Columns []string
	Values  [][]*float64
}

// Rows runs a statement of InfluxQL and keeps all of a short answer.
func (d *Database) Rows(ctx context.Context, statement string) ([]Series, error) {
	return answered[Series](ctx, d, statement)
}

func answered[T any](ctx context.Context, d *Database, statement string) ([]T, error) {
	response, err := d.ask(ctx, "application/json", url.Values{"q": {statement}})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Results []struct {
			Error  string
			Series []T
		}
	}
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber() // nanoseconds are more than a float64 holds
	if err := decoder.Decode(&answer); err != nil {
		return nil, fmt.Errorf("InfluxDB's answer: %w", err)
	}
	var all []T
	for _, r := range answer.Results {
		if r.Error != "" {
			return nil, fmt.Errorf("InfluxDB: %s", r.Error)
		}
		all = append(all, r.Series...)
	}
	return all, nil
}
