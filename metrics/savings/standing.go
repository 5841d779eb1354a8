package savings

import (
	"math"

	"greencommunity/ingest"
	"greencommunity/metrics/usage"
)

// Standing holds what the service shows of a community's boundaries of one facility
// and resource in one period: the same figures as the metrics.
type Standing struct {
	Community ingest.CommunityID
	Facility  ingest.FacilityKind
	Resource  usage.Resource
	Period    string // quarter, previous_quarter or since_start
	// Baselined says whether any boundary has a baseline; without one there is
	// no saving, and Result is empty.
	Baselined bool
	Result
}

// Status is provisional, final, or no_baseline.
func (s *Standing) Status() string {
	if !s.Baselined {
		return "no_baseline"
	}
	return s.Result.Status()
}

// Standings are as of the last closing of a day, in the order of
// communities, facilities and resources. A period in which no day counted yet
// is left out.
func (e *Engine) Standings() []Standing {
	e.mu.Lock()
	list := e.shown
	e.mu.Unlock()
	var figures []Standing
	for i := range list {
		s := &list[i]
		f := Standing{Community: s.group.community, Facility: s.group.facility, Resource: s.group.resource, Baselined: s.saves}
		if !s.saves {
			f.Period = "since_start"
			figures = append(figures, f)
			continue
		}
		for _, p := range s.periods {
			if math.IsNaN(p.result.Coverage) {
				continue
			}
			f.Period, f.Result = p.name, p.result
			figures = append(figures, f)
		}
	}
	return figures
}
