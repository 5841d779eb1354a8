package report

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
	"greencommunity/metrics/hourly"
	"greencommunity/metrics/savings"
	"greencommunity/metrics/savings/history"
	"greencommunity/metrics/sun"
)

// Order says which report is wanted.
type Order struct {
	From, To  savings.Date       // To is the first day after
	AsOf      savings.Date       // last day whose data are in it; zero: the last that is over
	Community ingest.CommunityID // only this one; "": all
	Now       time.Time
	Unit      string // who files it
	Digest    string // of the inventory's file
	Next      string // what comes next, a paragraph a line
	Filed     *Filed // the same period as it was filed before
	Standing  map[ingest.CommunityID]Standing
}

// ErrEarly is returned where no day of the period is over, or AsOf is later than any
// that is.
var ErrEarly = errors.New("no day of the period is over yet")

// Gather reads what a report is made of from InfluxDB.
func Gather(ctx context.Context, db *history.Database, inv *inventory.Inventory, c *savings.Config, o Order) (*Source, error) {
	y, m, d := o.Now.In(inv.Zone).Date()
	today := savings.Date{Time: time.Date(y, m, d, 0, 0, 0, 0, time.UTC)}
	last := o.To.AddDate(0, 0, -1)
	if yesterday := today.AddDate(0, 0, -1); last.After(yesterday) {
		last = yesterday
	}
	if !o.AsOf.IsZero() {
		if o.AsOf.After(last) {
			return nil, fmt.Errorf("%s is after %s, the last day there can be data of: %w", day(o.AsOf.Time), day(last), ErrEarly)
		}
		last = o.AsOf.Time
	}
	if last.Before(o.From.Time) {
		return nil, ErrEarly
	}
	s := &Source{
		From: o.From, To: o.To, AsOf: savings.Date{Time: last}, Today: today, Unit: cmp.Or(o.Unit, c.Report.Unit), Inventory: inv, Digest: o.Digest,
		Floor: c.Report.Floor, Factors: c.Factors, Tariffs: c.Tariffs, Profiles: map[Profiled]Profile{}, Filed: o.Filed, Standing: o.Standing, Only: o.Community,
	}
	for line := range strings.Lines(o.Next) {
		if line = strings.TrimSpace(line); line != "" {
			s.Next = append(s.Next, line)
		}
	}
	if !c.Report.OnlyConfirmed {
		if s.Unconfirmed = !s.Factors.Given(); s.Unconfirmed {
			s.Factors = savings.DefaultFactors()
		}
		if s.Examples = len(s.Tariffs) == 0; s.Examples {
			s.Tariffs = savings.ExampleTariffs()
		}
	}
	g := gathering{s, db, inv, savings.Date{Time: last.AddDate(0, 0, 1)}}
	for _, step := range []struct {
		what string
		read func(context.Context) error
	}{{"savings", g.statements}, {"waste and gates", g.counts}, {"alarms", g.problems}, {"use of compounds", g.compounds}, {"hours of use", g.profiles}, {"balances", g.balances}} {
		if err := step.read(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return s, nil
}

// gathering is a Source that is being read.
type gathering struct {
	*Source
	db    *history.Database
	inv   *inventory.Inventory
	after savings.Date // the first day whose data are not in it
}

func shifted(d savings.Date, years, months, days int) savings.Date {
	return savings.Date{Time: d.AddDate(years, months, days)}
}

// recomputed returns the statements of some spans, each [first day, first day after],
// from one reading of the days from..to. It takes community by community: what each meter
// used on each day is kept until its days are summed up, and that of one is little.
func (g *gathering) recomputed(ctx context.Context, from, to savings.Date, spans ...[2]savings.Date) ([]*savings.Statement, error) {
	list := make([]*savings.Statement, len(spans))
	for i, span := range spans {
		list[i] = &savings.Statement{From: span[0], To: span[1]}
	}
	for _, c := range g.inv.Communities {
		if len(c.Boundaries) == 0 || g.Only != "" && g.Only != c.ID {
			continue
		}
		r, err := savings.NewRecomputation(g.inv, c.ID, from, to)
		if err != nil {
			return nil, err
		}
		r.Due(g.Today)
		if g.Filed != nil { // what it had frozen holds
			for _, f := range g.Filed.Frozen {
				r.Frozen(f.Community, f.Boundary, f.Version, f.Hash)
			}
		}
		if err := g.db.Run(ctx, r); err != nil {
			return nil, err
		}
		for i, span := range spans {
			list[i].Items = append(list[i].Items, r.Part(span[0], span[1]).Items...)
		}
	}
	return list, nil
}

// statements recomputes the period, the same days a year before, and at one go what is
// compared with it: the period before, the year to date by quarters, the 365 days.
func (g *gathering) statements(ctx context.Context) error {
	whole := func(from, to savings.Date, into **savings.Statement) error {
		list, err := g.recomputed(ctx, from, to, [2]savings.Date{from, to})
		if err == nil {
			*into = list[0]
		}
		return err
	}
	if err := errors.Join(whole(g.From, g.after, &g.Statement), whole(shifted(g.From, -1, 0, 0), shifted(g.after, -1, 0, 0), &g.Before)); err != nil {
		return err
	}
	before := shifted(g.From, 0, -months(g.From, g.To), 0)
	if months(g.From, g.To) == 0 {
		before = shifted(g.From, 0, 0, -int(g.To.Sub(g.From.Time).Hours()/24))
	}
	january := savings.Date{Time: time.Date(g.AsOf.Year(), 1, 1, 0, 0, 0, 0, time.UTC)}
	year := shifted(g.after, 0, 0, -365)
	first := january
	if year.Before(first.Time) {
		first = year
	}
	// A year before a year is more days than are recomputed at once.
	apart := before.Before(g.after.AddDate(0, 0, -700))
	if before.Before(first.Time) && !apart {
		first = before
	}
	spans := [][2]savings.Date{{before, g.From}, {january, g.after}, {year, g.after}}
	for q := range 4 {
		from, to := shifted(january, 0, 3*q, 0), shifted(january, 0, 3*q+3, 0)
		if !from.Before(g.after.Time) {
			break
		}
		spans = append(spans, [2]savings.Date{from, to})
	}
	list, err := g.recomputed(ctx, first, g.after, spans...)
	if err != nil {
		return err
	}
	g.Previous, g.Year, g.Typical = list[0], list[1], list[2]
	for q, statement := range list[3:] {
		g.Quarters = append(g.Quarters, Quarter{q + 1, statement})
	}
	if apart {
		return whole(before, g.From, &g.Previous)
	}
	return nil
}

// months of a period that begins and ends with one; else 0.
func months(from, to savings.Date) int {
	if from.Day() != 1 || to.Day() != 1 {
		return 0
	}
	return (to.Year()-from.Year())*12 + int(to.Month()-from.Month())
}

func (g *gathering) local(d savings.Date) time.Time {
	return time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, g.inv.Zone)
}

// where is the condition of the period's times.
func (g *gathering) where() string {
	return fmt.Sprintf("time >= %d AND time < %d", g.local(g.From).UnixNano(), g.local(g.after).UnixNano())
}

func (g *gathering) listed(id string) bool {
	return g.inv.Community(ingest.CommunityID(id)) != nil && (g.Only == "" || string(g.Only) == id)
}

// counts adds up what bins and gates did.
func (g *gathering) counts(ctx context.Context) error {
	for _, of := range []struct{ what, measurement, selector, and, by string }{
		{"deposits", "waste", "sum(deposits)", "", "community, stream"},
		{"kilograms", "waste", "sum(waste_weight_net)", " AND waste_weight_net > 0", "community, stream"},
		{"inspections correct", "waste", "sum(inspections_correct)", "", "community"},
		{"inspections wrong", "waste", "sum(inspections_wrong)", "", "community"},
		{"collections", "events", "count(active)", " AND \"type\" = 'collected' AND active = 1", "community"},
		{"passes in", "gate", "sum(pass_in)", "", "community"},
		{"passes out", "gate", "sum(pass_out)", "", "community"},
	} {
		totals, err := g.db.Totals(ctx, fmt.Sprintf("SELECT %s AS n FROM %s WHERE %s%s GROUP BY %s", of.selector, of.measurement, g.where(), of.and, of.by))
		if err != nil {
			return fmt.Errorf("%s: %w", of.what, err)
		}
		for _, t := range totals {
			if n, ok := t.Figures["n"]; ok && g.listed(t.Tags["community"]) {
				g.Counts = append(g.Counts, Count{Community: ingest.CommunityID(t.Tags["community"]), What: of.what, Stream: t.Tags["stream"], Value: n})
			}
		}
	}
	slices.SortStableFunc(g.Counts, func(a, b Count) int { return cmp.Compare(a.Community, b.Community) })
	return g.others(ctx)
}

// others sums up the quantities of facilities that are no more than data: deltas add up,
// gauges have a mean and a greatest, states a share; of decibels the mean is that of the
// energy. Single readings say so, or the hours of places (package hourly) where these are
// of more readings, as single ones may be gone after their retention, and of decibels
// where they are of as many. What registers have
// counted is told of the energy of charging alone, by the book of use.
func (g *gathering) others(ctx context.Context) error {
	type key struct{ community, quantity string }
	for _, kind := range g.inv.Facilities.Kinds() {
		switch kind {
		case ingest.Lighting, ingest.Water, ingest.Waste, ingest.Gate:
			continue
		}
		quantities := g.inv.Facilities.Kind(kind).Sorted()
		known := map[key]Other{}
		readings := map[key]float64{}
		keep := func(community string, q *ingest.Quantity, n float64, figures map[string]float64, sum, mean, greatest string) {
			k := key{community, q.Name}
			if !g.listed(community) || q.Kind == ingest.Register || n < readings[k] || n == readings[k] && (n == 0 || q.Unit != "dB") {
				return
			}
			of := func(name string) float64 {
				if v, ok := figures[name]; ok {
					return v
				}
				return math.NaN()
			}
			o := Other{Community: ingest.CommunityID(community), Facility: kind, Quantity: q, Sum: math.NaN(), Mean: math.NaN(), Max: math.NaN()}
			switch {
			case q.Kind == ingest.Delta:
				o.Sum = of(sum)
			case q.Kind == ingest.State:
				o.Mean = of(mean)
			default:
				o.Mean, o.Max = of(mean), of(greatest)
			}
			known[k], readings[k] = o, n
		}
		var selectors []string
		for _, q := range quantities {
			if q.Kind != ingest.Register {
				selectors = append(selectors, fmt.Sprintf(`count("%[1]s") AS "n_%[1]s", sum("%[1]s") AS "s_%[1]s", mean("%[1]s") AS "m_%[1]s", max("%[1]s") AS "x_%[1]s"`, q.Name))
			}
		}
		single, err := g.db.Totals(ctx, fmt.Sprintf(`SELECT %s FROM "%s" WHERE %s GROUP BY community`, strings.Join(selectors, ", "), kind, g.where()))
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		for _, q := range quantities {
			if q.Unit != "dB" {
				continue
			}
			// Of the means of hours: not every engine has logarithms.
			series, err := g.db.Rows(ctx, fmt.Sprintf(`SELECT mean("%s"), count("%s") FROM "%s" WHERE %s GROUP BY time(1h), community fill(none)`, q.Name, q.Name, kind, g.where()))
			if err != nil {
				return fmt.Errorf("%s: %w", kind, err)
			}
			for _, of := range series {
				energy, n := 0.0, 0.0
				for _, row := range of.Values {
					if len(row) == 3 && row[1] != nil && row[2] != nil {
						energy, n = energy+*row[2]*math.Pow(10, *row[1]/10), n+*row[2]
					}
				}
				for _, t := range single {
					if t.Tags["community"] == of.Tags["community"] {
						t.Figures["m_"+q.Name] = 10 * math.Log10(energy/n)
					}
				}
			}
		}
		for _, t := range single {
			for _, q := range quantities {
				keep(t.Tags["community"], q, t.Figures["n_"+q.Name], t.Figures, "s_"+q.Name, "m_"+q.Name, "x_"+q.Name)
			}
		}
		hours, err := g.db.Totals(ctx, fmt.Sprintf("SELECT sum(total) AS s, sum(readings) AS n, sum(energy) AS e, max(greatest) AS x FROM %s WHERE facility = '%s' AND %s GROUP BY community, quantity", hourly.Measurement, kind, g.where()))
		if err != nil {
			return fmt.Errorf("hours of %s: %w", kind, err)
		}
		for _, t := range hours {
			q := g.inv.Facilities.Quantity(kind, t.Tags["quantity"])
			if q == nil {
				continue // use of energy, or a quantity the inventory has no more
			}
			t.Figures["m"] = t.Figures["s"] / t.Figures["n"]
			if q.Unit == "dB" {
				t.Figures["m"] = 10 * math.Log10(t.Figures["e"]/t.Figures["n"])
			}
			keep(t.Tags["community"], q, t.Figures["n"], t.Figures, "s", "m", "x")
		}
		for _, c := range slices.SortedFunc(slices.Values(g.inv.Communities), func(a, b *inventory.Community) int { return cmp.Compare(a.ID, b.ID) }) {
			for _, q := range quantities {
				if o, ok := known[key{string(c.ID), q.Name}]; ok {
					g.Others = append(g.Others, o)
				}
			}
		}
		used, err := g.db.Totals(ctx, fmt.Sprintf("SELECT sum(used) AS n FROM usage_daily WHERE facility = '%s' AND resource = 'electricity' AND %s GROUP BY community", kind, g.where()))
		if err != nil {
			return fmt.Errorf("energy of %s: %w", kind, err)
		}
		for _, t := range used {
			if q := g.inv.Facilities.Quantity(kind, "energy_total"); q != nil && g.listed(t.Tags["community"]) {
				g.Others = append(g.Others, Other{Community: ingest.CommunityID(t.Tags["community"]), Facility: kind, Quantity: q, Sum: t.Figures["n"], Mean: math.NaN(), Max: math.NaN()})
			}
		}
	}
	return nil
}

// earlier is how long before the period an alarm may have been raised that is open in it.
const earlier = 92 * 24 * time.Hour

// problems puts the alarms together from their points: active 1 is a raise, 0 a clear,
// and status, by and assignee are what people did. Alarms have their severity in the
// field code, people's points a status; what devices reported has neither.
func (g *gathering) problems(ctx context.Context) error {
	begins, ends := g.local(g.From), g.local(g.after)
	tables, err := g.db.Tables(ctx, fmt.Sprintf("SELECT active, code, \"status\", \"by\", assignee, reason FROM events WHERE time >= %d AND time < %d AND "+
		"(code = 'critical' OR code = 'warning' OR code = 'info' OR \"status\" =~ /./) GROUP BY community, compound, device, facility, channel, \"type\"",
		begins.Add(-earlier).UnixNano(), ends.UnixNano()))
	if err != nil {
		return err
	}
	for _, t := range tables {
		if !g.listed(t.Tags["community"]) {
			continue
		}
		var open *Problem
		var list []Problem
		end := func() {
			if open != nil && (open.Cleared.IsZero() || !open.Cleared.Before(begins)) {
				list = append(list, *open)
			}
		}
		for _, row := range t.Values {
			at, ok := instant(row[0])
			if !ok {
				continue
			}
			active, code, status := word(row, t.Columns, "active"), word(row, t.Columns, "code"), word(row, t.Columns, "status")
			switch {
			case active == "1" && status == "" && (open == nil || !open.Cleared.IsZero()):
				end()
				open = g.problem(&t, at, code)
			case active == "0" && open != nil && open.Cleared.IsZero():
				open.Cleared = at
			}
			if open != nil && active == "1" && code != "" {
				open.Severity = code // it may have become worse
			}
			if status == "" || status == "open" {
				continue
			}
			if open == nil {
				open = g.problem(&t, at, code)
			}
			if _, is := statuses[status]; is { // a comment changes nothing else
				open.Status, open.Reason = status, word(row, t.Columns, "reason")
			} else {
				open.Status = cmp.Or(open.Status, "acknowledged")
			}
			open.By = cmp.Or(word(row, t.Columns, "by"), open.By)
			open.Assignee = cmp.Or(word(row, t.Columns, "assignee"), open.Assignee)
			if open.Confirmed.IsZero() {
				open.Confirmed = at
			}
		}
		end()
		g.Problems = append(g.Problems, list...)
	}
	slices.SortFunc(g.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), a.Since.Compare(b.Since), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Kind, b.Kind))
	})
	return nil
}

func (g *gathering) problem(t *history.Table, since time.Time, severity string) *Problem {
	p := &Problem{
		Community: ingest.CommunityID(t.Tags["community"]), Compound: ingest.CompoundID(t.Tags["compound"]), Device: ingest.DeviceID(t.Tags["device"]),
		Kind: t.Tags["type"], Severity: severity, Since: since,
	}
	if d := g.inv.Device(p.Device); d != nil {
		p.Name = d.Name
		if p.Compound == "" {
			p.Compound = d.Compound
		}
	}
	return p
}

func instant(cell any) (at time.Time, ok bool) {
	n, is := cell.(json.Number)
	if !is {
		return at, false
	}
	ns, err := n.Int64()
	return time.Unix(0, ns), err == nil
}

// word of a column as text, "" if there is none.
func word(row []any, columns []string, column string) string {
	i := slices.Index(columns, column)
	if i < 0 || i >= len(row) {
		return ""
	}
	switch v := row[i].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// compounds reads what compounds used: the book's days of places, in which meters that
// stand behind others do not count again.
func (g *gathering) compounds(ctx context.Context) error {
	places, err := g.db.Totals(ctx, "SELECT sum(used) AS used, sum(covered) AS covered, max(meters) AS meters FROM usage_daily WHERE "+g.where()+" GROUP BY community, compound, facility, resource")
	if err != nil {
		return err
	}
	due := g.local(g.after).Sub(g.local(g.From)).Seconds()
	for _, t := range places {
		used, covered, meters := t.Figures["used"], t.Figures["covered"], t.Figures["meters"]
		if t.Tags["compound"] == "" || !g.listed(t.Tags["community"]) || covered <= 0 || meters == 0 {
			continue
		}
		g.Compounds = append(g.Compounds, Compound{
			Community: ingest.CommunityID(t.Tags["community"]), Compound: ingest.CompoundID(t.Tags["compound"]),
			Facility: ingest.FacilityKind(t.Tags["facility"]), Resource: t.Tags["resource"], Meters: int(meters),
			PerDay: used / (covered / 86400) * meters, Coverage: math.Min(1, covered/(due*meters)),
		})
	}
	slices.SortFunc(g.Compounds, func(a, b Compound) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Compound, b.Compound), cmp.Compare(a.Facility, b.Facility), cmp.Compare(a.Resource, b.Resource))
	})
	return nil
}

func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) }

// profiles divides use over the hours of the day, where a tariff asks for it: by the
// book's hours, else lamps by the nights, else evenly.
func (g *gathering) profiles(ctx context.Context) error {
	for i := range g.Statement.Items {
		item := &g.Statement.Items[i]
		t := savings.TariffOf(g.Tariffs, item.Facility, item.Resource)
		if t == nil || len(t.Hours) == 0 || !counted(item) {
			continue
		}
		profile := Profile{Basis: "metered"}
		series, err := g.db.Rows(ctx, fmt.Sprintf("SELECT sum(used) AS used FROM usage WHERE %s AND community = '%s' AND facility = '%s' AND resource = '%s' AND \"behind\" = '' GROUP BY time(1h)",
			g.where(), escape(string(item.Community)), escape(string(item.Facility)), escape(item.Resource)))
		if err != nil {
			return err
		}
		total := 0.0
		for _, s := range series {
			for _, row := range s.Values {
				if len(row) == 2 && row[0] != nil && row[1] != nil {
					profile.Hours[time.Unix(0, int64(*row[0])).In(g.inv.Zone).Hour()] += *row[1]
					total += *row[1]
				}
			}
		}
		if !(total > 0) {
			profile = g.nights(item)
		}
		g.Profiles[Profiled{item.Community, item.Facility, item.Resource}] = profile
	}
	return nil
}

// nights is how lamps burn: from dusk to dawn of each day of the period.
func (g *gathering) nights(item *savings.StatementItem) Profile {
	c := g.inv.Community(item.Community)
	if item.Facility != ingest.Lighting || c == nil || c.Lat == 0 && c.Lon == 0 {
		return Profile{Basis: "even"}
	}
	p := Profile{Basis: "nights"}
	for date := g.local(g.From); date.Before(g.local(g.after)); date = date.AddDate(0, 0, 1) {
		begin, end, ok := sun.Night(date, c.Lat, c.Lon, sun.Civil)
		for at := begin; ok && at.Before(end); {
			next := at.Truncate(time.Hour).Add(time.Hour)
			if next.After(end) {
				next = end
			}
			p.Hours[at.In(g.inv.Zone).Hour()] += next.Sub(at).Hours()
			at = next
		}
	}
	return p
}

// balances compares the meters that the inventory says others stand behind with these,
// day by day, from the book's hours. A day counts where all of them are known.
func (g *gathering) balances(ctx context.Context) error {
	behind := map[ingest.DeviceID][]ingest.DeviceID{}
	of := map[ingest.CommunityID]bool{}
	for d := range g.inv.AllDevices() {
		if d.Parent != "" && g.listed(string(d.Community)) {
			behind[d.Parent] = append(behind[d.Parent], d.ID)
			of[d.Community] = true
		}
	}
	type key struct {
		device   ingest.DeviceID
		resource string
		day      int64
	}
	const enough = 0.98 * 86400 // seconds of a day, as of a saving's
	used := map[key]float64{}
	offset := 0
	for community := range of {
		_, offset = g.local(g.From).Zone()
		series, err := g.db.Rows(ctx, fmt.Sprintf("SELECT sum(used) AS used, sum(covered) AS covered FROM usage WHERE %s AND community = '%s' GROUP BY time(1d, %ds), device, resource", g.where(), escape(string(community)), -offset))
		if err != nil {
			return err
		}
		for _, s := range series {
			for _, row := range s.Values {
				if len(row) == 3 && row[0] != nil && row[1] != nil && row[2] != nil && *row[2] >= enough {
					used[key{ingest.DeviceID(s.Tags["device"]), s.Tags["resource"], int64(math.Round((*row[0]/1e9 + float64(offset)) / 86400))}] = *row[1]
				}
			}
		}
	}
	for parent, meters := range behind {
		front := g.inv.Device(parent)
		if front == nil {
			continue
		}
		for _, resource := range []string{"electricity", "water"} {
			b := Balance{Community: front.Community, Device: parent, Name: front.Name, Resource: resource, Meters: len(meters)}
			first := g.local(g.From).Unix() + int64(offset)
			for day := first / 86400; day < first/86400+int64(g.after.Sub(g.From.Time).Hours()/24); day++ {
				entered, all := used[key{parent, resource, day}]
				metered := 0.0
				for _, m := range meters {
					v, ok := used[key{m, resource, day}]
					metered, all = metered+v, all && ok
				}
				if all {
					b.Days, b.Entered, b.Metered = b.Days+1, b.Entered+entered, b.Metered+metered
				}
			}
			if b.Days > 0 && b.Entered > 0 {
				g.Balances = append(g.Balances, b)
			}
		}
	}
	slices.SortFunc(g.Balances, func(a, b Balance) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Device, b.Device), cmp.Compare(a.Resource, b.Resource))
	})
	return nil
}
