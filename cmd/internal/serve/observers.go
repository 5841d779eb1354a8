package serve

import (
	"log/slog"
	"math"
	"path/filepath"

	"greencommunity/dashboards/page"
	"greencommunity/ingest/inventory"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/alarms"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/facility"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/scorecard"
	"greencommunity/metrics/systems"
	"greencommunity/metrics/usage"
)

// observers holds what the pipeline tells of readings.
type observers struct {
	book     *usage.Book // first: the others read it
	facility *facility.Observer
	systems  *systems.Observer
	hourly   *hourly.Observer
	savings  *savings.Engine
	anomaly  *anomaly.Engine
	desk     *alarms.Desk
	vendors  *scorecard.Scorecard
	last     *lastMessages
}

// newObservers returns the observers of a configuration. The inventory in force gives
// alarms their names.
func newObservers(c *Settings, inventory func() *inventory.Inventory, log *slog.Logger) *observers {
	places, options := hourly.New(), savings.BookOptions()
	options.Entered = places.Use
	book := usage.New(options)
	o := &observers{
		book: book, facility: facility.New(book), systems: systems.New(), hourly: places, savings: savings.New(savings.Options{Factors: c.Savings.Factors, Logger: log, Book: book}),
		vendors: scorecard.New(), last: &lastMessages{},
	}
	o.anomaly = anomaly.NewEngine(anomaly.Options{Config: c.Anomaly, Zone: c.Zone, Book: book, Changed: func(c anomaly.Change) { o.desk.Changed(c) }})
	o.desk = alarms.New(alarms.Options{
		Dir: filepath.Join(c.DataDir, "alarms"), Config: c.Alarms, Source: o.anomaly, Inventory: inventory, Logger: log,
	})
	return o
}

func (o *observers) list() []any {
	return []any{o.book, o.facility, o.systems, o.hourly, o.savings, o.anomaly, o.desk, o.vendors, o.last}
}

var (
	_ pipeline.Messages = (*scorecard.Scorecard)(nil)
	_ pipeline.Messages = (*lastMessages)(nil)
)

func (o *observers) figures() []page.Saving {
	list := []page.Saving{}
	for _, f := range o.savings.Standings() {
		s := page.Saving{Community: f.Community, Facility: f.Facility, Resource: f.Resource.String(), Period: f.Period, Unit: f.Resource.Unit(), Status: f.Status()}
		if f.Baselined {
			s.Baseline, s.Actual, s.Saving = number(f.Baseline), number(f.Actual), number(f.Saving)
			s.Uncertainty, s.Coverage, s.Significant = number(f.Uncertainty), number(f.Coverage), &f.Significant
		}
		list = append(list, s)
	}
	return list
}

// number is a value that JSON can hold, or null.
func number(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
