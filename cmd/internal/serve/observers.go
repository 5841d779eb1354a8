package serve

import (
	"cmp"
	"log/slog"
	"math"
	"slices"

	"greencommunity/dashboards/page"
	"greencommunity/ingest/pipeline"
	"greencommunity/metrics/anomaly"
	"greencommunity/metrics/facility"
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
	savings  *savings.Engine
	anomaly  *anomaly.Engine
	vendors  *scorecard.Scorecard
}

func newObservers(c *Settings, log *slog.Logger) *observers {
	book := usage.New(savings.BookOptions())
	return &observers{
		book: book, facility: facility.New(book), systems: systems.New(), savings: savings.New(savings.Options{Factors: c.Savings.Factors, Logger: log, Book: book}),
		anomaly: anomaly.NewEngine(anomaly.Options{Config: c.Anomaly, Zone: c.Zone, Book: book}), vendors: scorecard.New(),
	}
}

func (o *observers) list() []any {
	return []any{o.book, o.facility, o.systems, o.savings, o.anomaly, o.vendors}
}

var _ pipeline.Messages = (*scorecard.Scorecard)(nil)

// alarms are the open alarms for the page, the worst first: those that another
// stands for are left out, as they are of the metric.
func (o *observers) alarms() []page.Alarm {
	list := []page.Alarm{}
	rank := map[string]int{"critical": 0, "warning": 1, "info": 2}
	for _, a := range o.anomaly.Alarms() {
		if a.Inhibited != "" {
			continue
		}
		list = append(list, page.Alarm{
			Kind: a.Kind, Severity: a.Severity, Title: a.Title, Community: a.Community, Compound: a.Compound, Facility: a.Facility,
			Vendor: a.Vendor, Device: a.Device, Name: a.Name, Channel: a.Channel, Since: a.Since,
			Value: number(a.Value), Expected: number(a.Expected), Unit: a.Unit, ExpectedUnit: a.ExpectedUnit, Why: a.Why, OverBudget: a.OverBudget,
		})
	}
	slices.SortStableFunc(list, func(a, b page.Alarm) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), a.Since.Compare(b.Since))
	})
	return list
}

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
