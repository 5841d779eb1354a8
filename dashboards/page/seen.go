package page

import (
	"slices"

	"greencommunity/dashboards/access"
	"greencommunity/ingest"
	"greencommunity/ingest/pipeline"
)

// seenBy is what of an overview somebody sees who does not see all. Of communities: those,
// and their sums. A vendor: what is of its own devices, which sums are not.
func (o *Overview) seenBy(who access.Identity) *Overview {
	out := *o
	out.Alarms = slices.DeleteFunc(slices.Clone(o.Alarms), func(a Alarm) bool { return !who.Sees(a.Community, a.Vendor) })
	out.Communities = slices.DeleteFunc(slices.Clone(o.Communities), func(c Community) bool { return !who.SeesCommunity(c.ID) })
	out.Savings = slices.DeleteFunc(slices.Clone(o.Savings), func(s Saving) bool { return !who.Sees(s.Community, "") })
	// What was refused has no community: nobody knows whose it would have been.
	out.Rejects = []pipeline.Reject{}
	out.Programme, out.Total = Programme{}, Figures{}
	if who.Vendor != "" {
		out.Rejects = slices.DeleteFunc(slices.Clone(o.Rejects), func(r pipeline.Reject) bool { return r.Vendor != who.Vendor })
		out.Vendors = slices.DeleteFunc(slices.Clone(o.Vendors), func(v Vendor) bool { return v.ID != who.Vendor })
		out.System = System{Version: o.System.Version, Grafana: o.System.Grafana, Ready: o.System.Ready, Why: o.System.Why}
		counts := map[ingest.CommunityID]*Figures{}
		for i := range out.Communities {
			c := &out.Communities[i]
			c.Figures, c.State = Figures{}, "silent"
			counts[c.ID] = &c.Figures
		}
		for _, a := range out.Alarms {
			for _, f := range []*Figures{&out.Total, counts[a.Community]} {
				f.count(a.Severity)
			}
		}
		return &out
	}
	bins := 0.0
	for i := range out.Communities {
		c := &out.Communities[i]
		out.Total.sum(&c.Figures, &bins)
		out.Programme.All++
		if c.Stage != "" {
			out.Programme.Participating++
		}
		if c.Stage == "met" || c.Stage == "named" {
			out.Programme.Met++
		}
	}
	if out.Total.Bins > 0 {
		out.Total.Fill = number(bins / float64(out.Total.Bins))
	}
	return &out
}

// count counts an alarm; of nobody where f is nil.
func (f *Figures) count(severity string) {
	switch {
	case f == nil:
	case severity == "critical":
		f.Critical++
	case severity == "warning":
		f.Warning++
	default:
		f.Info++
	}
}

// sum adds a community's figures, and the fill of its bins to bins.
func (f *Figures) sum(c *Figures, bins *float64) {
	add := func(to **float64, v *float64) {
		if v != nil {
			n := *v
			if *to != nil {
				n += **to
			}
			*to = &n
		}
	}
	add(&f.Power, c.Power)
	add(&f.Water, c.Water)
	add(&f.Passes, c.Passes)
	if c.Fill != nil {
		*bins += *c.Fill * float64(c.Bins)
	}
	for _, n := range [][2]*int{{&f.Online, &c.Online}, {&f.Offline, &c.Offline}, {&f.Never, &c.Never}, {&f.Lamps, &c.Lamps}, {&f.Lit, &c.Lit}, {&f.Bins, &c.Bins},
		{&f.Full, &c.Full}, {&f.Gates, &c.Gates}, {&f.Open, &c.Open}, {&f.Critical, &c.Critical}, {&f.Warning, &c.Warning}, {&f.Info, &c.Info}} {
		*n[0] += *n[1]
	}
	if c.LastReading != nil && (f.LastReading == nil || *c.LastReading > *f.LastReading) {
		f.LastReading = c.LastReading
	}
}
