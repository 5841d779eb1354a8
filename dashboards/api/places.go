package api

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/dashboards/access"
	"greencommunity/dashboards/page"
	"greencommunity/ingest"
	"greencommunity/ingest/inventory"
)

// Compound is a residential compound (小区) of a community.
type Compound struct {
	ID         ingest.CompoundID `json:"id"`
	Name       string            `json:"name"`
	Households int               `json:"households"`
	Renovated  int               `json:"renovated"` // year, 0 if none
}

// Facility says how many devices of a kind a community has, and how they are.
type Facility struct {
	Kind    ingest.FacilityKind `json:"kind"`
	Name    ingest.Text         `json:"name"`
	Online  int                 `json:"online"`
	Offline int                 `json:"offline"`
	Never   int                 `json:"never"`
	// Coverage is the share of the last 30 days, today not counted, that its meters have
	// data for, null where it has no meters or nobody knows.
	Coverage *float64 `json:"coverage"`
}

// Community is a community with what is in it.
type Community struct {
	ID         ingest.CommunityID `json:"id"`
	Name       string             `json:"name"`
	Town       string             `json:"town"`
	Pilot      bool               `json:"pilot"`
	Stage      string             `json:"stage"`
	Households int                `json:"households"`
	Population int                `json:"population"`
	Lat        *float64           `json:"lat"`
	Lon        *float64           `json:"lon"`
	Compounds  []Compound         `json:"compounds"`
	Facilities []Facility         `json:"facilities"`
	Savings    []page.Saving      `json:"savings"`
}

// position is where a community is; nothing where the inventory does not say.
func position(c *inventory.Community) (lat, lon *float64) {
	if c.Lat == 0 && c.Lon == 0 {
		return nil, nil
	}
	return &c.Lat, &c.Lon
}

func (a *API) communities(r *http.Request, who access.Identity) (*table, error) {
	q := r.URL.Query()
	states := map[ingest.CommunityID]map[string]int{}
	for _, d := range a.s.Status().Devices {
		if states[d.Community] == nil {
			states[d.Community] = map[string]int{}
		}
		states[d.Community][d.State] += d.Count
	}
	t := &table{name: ingest.Text{ZH: "社区", EN: "Communities"}, columns: []column{
		{"id", ingest.Text{ZH: "编号", EN: "ID"}}, {"name", ingest.Text{ZH: "社区", EN: "Community"}}, {"town", ingest.Text{ZH: "乡镇（街道）", EN: "Town"}},
		{"pilot", ingest.Text{ZH: "试点", EN: "Pilot"}}, {"stage", ingest.Text{ZH: "创建阶段", EN: "Stage"}}, {"households", ingest.Text{ZH: "户数", EN: "Households"}},
		{"population", ingest.Text{ZH: "人口", EN: "Population"}}, {"compounds", ingest.Text{ZH: "小区数", EN: "Compounds"}},
		{"lat", ingest.Text{ZH: "纬度", EN: "Latitude"}}, {"lon", ingest.Text{ZH: "经度", EN: "Longitude"}},
		{"online", ingest.Text{ZH: "在线设备", EN: "Devices online"}}, {"offline", ingest.Text{ZH: "离线设备", EN: "Devices offline"}}, {"never", ingest.Text{ZH: "从未上报", EN: "Never heard of"}},
	}}
	for _, c := range a.s.Inventory().Communities {
		if !who.SeesCommunity(c.ID) || q.Has("town") && q.Get("town") != c.Town || q.Has("stage") && q.Get("stage") != c.Stage || q.Has("pilot") && q.Get("pilot") != strconv.FormatBool(c.Pilot) {
			continue
		}
		row := []any{string(c.ID), c.Name, c.Town, c.Pilot, c.Stage, c.Households, c.Population, len(c.Compounds), nil, nil, nil, nil, nil}
		if lat, lon := position(c); lat != nil {
			row[8], row[9] = *lat, *lon
		}
		if who.Vendor == "" { // how many devices there are is of all vendors
			for i, state := range []string{"online", "offline", "never"} {
				row[10+i] = states[c.ID][state]
			}
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

func (a *API) community(r *http.Request, who access.Identity) (any, error) {
	id := ingest.CommunityID(r.PathValue("id"))
	inv := a.s.Inventory()
	c := inv.Community(id)
	if c == nil || !who.SeesCommunity(id) {
		return nil, missing("community %.60q is not in the inventory", id)
	}
	lat, lon := position(c)
	out := Community{ID: c.ID, Name: c.Name, Town: c.Town, Pilot: c.Pilot, Stage: c.Stage, Households: c.Households, Population: c.Population, Lat: lat, Lon: lon,
		Compounds: []Compound{}, Facilities: []Facility{}, Savings: []page.Saving{}}
	for _, k := range c.Compounds {
		out.Compounds = append(out.Compounds, Compound{k.ID, k.Name, k.Households, k.Renovated})
	}
	if who.Vendor != "" {
		return out, nil // what follows is of all vendors
	}
	kinds := map[ingest.FacilityKind]*Facility{}
	for _, d := range a.s.Status().Devices {
		if d.Community != id {
			continue
		}
		f := kinds[d.Facility]
		if f == nil {
			f = &Facility{Kind: d.Facility, Name: labelOf(inv, d.Facility)}
			kinds[d.Facility] = f
		}
		switch d.State {
		case "online":
			f.Online += d.Count
		case "offline":
			f.Offline += d.Count
		case "never":
			f.Never += d.Count
		}
	}
	a.coverage(r, id, kinds)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		out.Facilities = append(out.Facilities, *kinds[kind])
	}
	for _, s := range a.s.Savings() {
		if s.Community == id {
			out.Savings = append(out.Savings, s)
		}
	}
	return out, nil
}

// coverage fills in the share of time of the last 30 days that meters have data for.
// Without InfluxDB nobody knows, and the rest is told all the same.
func (a *API) coverage(r *http.Request, id ingest.CommunityID, kinds map[ingest.FacilityKind]*Facility) {
	today := begin("day", time.Now().In(a.zone()))
	s := span{today.AddDate(0, 0, -30), today}
	list, err := a.db.ask(r.Context(), fmt.Sprintf(`SELECT sum("covered") AS "covered", sum("meters") AS "meters" FROM "usage_daily" WHERE %s AND "community" = %s GROUP BY "facility"`, s.where(), quoted(string(id))), s.to)
	if err != nil {
		a.s.Logger.Warn("coverage is not known", "error", err)
		return
	}
	for i := range list {
		x := &list[i]
		f := kinds[ingest.FacilityKind(x.Tags["facility"])]
		if f == nil || len(x.Values) == 0 {
			continue
		}
		covered, ok := at(x.Values[0], x.column("covered"))
		if meters, some := at(x.Values[0], x.column("meters")); ok && some && meters > 0 {
			share := min(1, covered/(meters*86400))
			f.Coverage = &share
		}
	}
}

func labelOf(inv *inventory.Inventory, kind ingest.FacilityKind) ingest.Text {
	if f := inv.Facilities.Kind(kind); f != nil && f.Label.ZH != "" {
		return f.Label
	}
	return ingest.Text{ZH: string(kind), EN: string(kind)}
}

// online is how long after its last reading a device is online; the pipeline's own count has the same.
const online = 25 * time.Hour

func (a *API) devices(r *http.Request, who access.Identity) (*table, error) {
	q := r.URL.Query()
	if _, err := a.place(r, who); err != nil {
		return nil, err
	}
	n, err := limit(r, 20, 1000)
	if err != nil {
		return nil, err
	}
	from := uint64(0)
	if text := q.Get("cursor"); text != "" {
		if from, err = strconv.ParseUint(text, 10, 32); err != nil {
			return nil, bad("cursor %.20q is none of this list", text)
		}
	}
	wanted := strings.ToLower(strings.TrimSpace(q.Get("q")))
	has := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
	t := &table{name: ingest.Text{ZH: "设备", EN: "Devices"}, columns: []column{
		{"id", ingest.Text{ZH: "编号", EN: "ID"}}, {"name", ingest.Text{ZH: "名称", EN: "Name"}}, {"community", ingest.Text{ZH: "社区", EN: "Community"}},
		{"compound", ingest.Text{ZH: "小区", EN: "Compound"}}, {"facility", ingest.Text{ZH: "设施", EN: "Facility"}}, {"vendor", ingest.Text{ZH: "厂商", EN: "Vendor"}},
		{"stream", ingest.Text{ZH: "垃圾类别", EN: "Stream"}}, {"last_reading_ms", ingest.Text{ZH: "最后数据（毫秒）", EN: "Last reading (ms)"}}, {"last_reading", ingest.Text{ZH: "最后数据", EN: "Last reading"}},
	}}
	a.s.Devices(uint32(from), func(index uint32, d *ingest.Device) bool {
		if !has("community", string(d.Community)) || !has("compound", string(d.Compound)) || !has("facility", string(d.Facility)) || !has("vendor", string(d.Vendor)) || !who.Sees(d.Community, d.Vendor) {
			return true
		}
		if wanted != "" && !strings.Contains(strings.ToLower(string(d.ID)), wanted) && !strings.Contains(strings.ToLower(d.Name), wanted) {
			return true
		}
		if len(t.rows) == n {
			t.next = strconv.FormatUint(uint64(index), 10)
			return false
		}
		row := []any{string(d.ID), d.Name, string(d.Community), string(d.Compound), string(d.Facility), string(d.Vendor), d.Stream, nil, nil}
		if last := a.s.Facility.LastReading(index); last > 0 {
			row[7], row[8] = last/1e6, time.Unix(0, last)
		}
		t.rows = append(t.rows, row)
		return true
	})
	return t, nil
}

// find returns a device by its id, of a community where that is given.
func (a *API) find(r *http.Request, id ingest.DeviceID, who access.Identity) (found *ingest.Device, index uint32, err error) {
	community := ingest.CommunityID(r.URL.Query().Get("community"))
	a.s.Devices(0, func(i uint32, d *ingest.Device) bool {
		if d.ID == id && (community == "" || d.Community == community) && who.Sees(d.Community, d.Vendor) {
			found, index = d, i
			return false
		}
		return true
	})
	if found == nil {
		return nil, 0, missing("device %.60q is not known", id)
	}
	return found, index, nil
}

// Device is a device and what it said last.
type Device struct {
	ID            ingest.DeviceID     `json:"id"`
	Name          string              `json:"name"`
	Community     ingest.CommunityID  `json:"community"`
	CommunityName string              `json:"community_name"`
	Compound      ingest.CompoundID   `json:"compound"`
	CompoundName  string              `json:"compound_name"`
	Facility      ingest.FacilityKind `json:"facility"`
	FacilityName  ingest.Text         `json:"facility_name"`
	Vendor        ingest.VendorID     `json:"vendor"`
	VendorName    string              `json:"vendor_name"`
	Stream        string              `json:"stream"`
	Gateway       string              `json:"gateway"`
	Boundary      string              `json:"boundary"`
	Listed        bool                `json:"listed"`
	State         string              `json:"state"` // online, offline, never
	LastReading   *time.Time          `json:"last_reading"`
	// Latest is each quantity's last value within 30 days.
	Latest []Latest `json:"latest"`
}

// Latest is a quantity's last value.
type Latest struct {
	Quantity string      `json:"quantity"`
	Name     ingest.Text `json:"name"`
	Kind     string      `json:"kind"` // state, gauge, register or delta
	Channel  string      `json:"channel"`
	Value    float64     `json:"value"`
	Unit     string      `json:"unit"`
	Time     time.Time   `json:"time"`
}

// lastRows sets in how many of a device's last points its last values are looked for.
const lastRows = 200

func (a *API) device(r *http.Request, who access.Identity) (any, error) {
	d, index, err := a.find(r, ingest.DeviceID(r.PathValue("id")), who)
	if err != nil {
		return nil, err
	}
	inv, zone := a.s.Inventory(), a.zone()
	out := Device{ID: d.ID, Name: d.Name, Community: d.Community, CommunityName: string(d.Community), Compound: d.Compound, CompoundName: string(d.Compound),
		Facility: d.Facility, FacilityName: labelOf(inv, d.Facility), Vendor: d.Vendor, VendorName: string(d.Vendor), Stream: d.Stream, Gateway: d.Gateway,
		Boundary: d.Boundary, Listed: d.Listed, State: "never", Latest: []Latest{}}
	if c := inv.Community(d.Community); c != nil {
		out.CommunityName = c.Name
		for _, k := range c.Compounds {
			if k.ID == d.Compound {
				out.CompoundName = k.Name
			}
		}
	}
	if v := inv.Vendor(d.Vendor); v != nil {
		out.VendorName = cmp.Or(v.Name, string(v.ID))
	}
	if last := a.s.Facility.LastReading(index); last > 0 {
		t := time.Unix(0, last).In(zone)
		out.LastReading, out.State = &t, "online"
		if time.Since(t) > online {
			out.State = "offline"
		}
	}
	now := time.Now()
	s := span{now.AddDate(0, 0, -30).Truncate(time.Hour), now.Add(24 * time.Hour).Truncate(time.Hour)} // equal statements are answered by one
	list, err := a.db.ask(r.Context(), fmt.Sprintf(`SELECT * FROM %s WHERE %s AND "device" = %s AND "community" = %s ORDER BY time DESC LIMIT %d`,
		name(string(d.Facility)), s.where(), quoted(string(d.ID)), quoted(string(d.Community)), lastRows), s.to)
	if err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	for i := range list {
		x := &list[i]
		channel := x.column("channel")
		for _, row := range x.Values {
			c := ""
			if channel >= 0 {
				c, _ = row[channel].(string)
			}
			for j, field := range x.Columns {
				q := inv.Facilities.Quantity(d.Facility, field)
				value, ok := at(row, j)
				if q == nil || !ok || seen[[2]string{field, c}] {
					continue
				}
				seen[[2]string{field, c}] = true
				out.Latest = append(out.Latest, Latest{field, q.Label, string(q.Kind), c, value, q.Unit, moment(row).In(zone)})
			}
		}
	}
	slices.SortFunc(out.Latest, func(x, y Latest) int {
		return cmp.Or(cmp.Compare(x.Quantity, y.Quantity), cmp.Compare(x.Channel, y.Channel))
	})
	return out, nil
}

func (a *API) savings(r *http.Request, who access.Identity) (*table, error) {
	if who.Vendor != "" {
		return nil, failure{http.StatusForbidden, fmt.Errorf("savings are of communities, not of a vendor's devices")}
	}
	q, inv := r.URL.Query(), a.s.Inventory()
	if _, err := a.place(r, who); err != nil {
		return nil, err
	}
	t := &table{name: ingest.Text{ZH: "节能节水", EN: "Savings"}, columns: []column{
		{"community", ingest.Text{ZH: "社区编号", EN: "Community"}}, {"community_name", ingest.Text{ZH: "社区", EN: "Name of the community"}},
		{"facility", ingest.Text{ZH: "设施", EN: "Facility"}}, {"resource", ingest.Text{ZH: "能源资源", EN: "Resource"}},
		{"period", ingest.Text{ZH: "时段", EN: "Period"}}, {"status", ingest.Text{ZH: "状态", EN: "Status"}}, {"unit", ingest.Text{ZH: "单位", EN: "Unit"}},
		{"baseline", ingest.Text{ZH: "调整后基准", EN: "Adjusted baseline"}}, {"actual", ingest.Text{ZH: "实际用量", EN: "Actual use"}}, {"saving", ingest.Text{ZH: "节约量", EN: "Saving"}},
		{"uncertainty", ingest.Text{ZH: "90% 区间半宽", EN: "Half width of the 90 % band"}}, {"significant", ingest.Text{ZH: "可与零区分", EN: "Distinguishable from zero"}}, {"coverage", ingest.Text{ZH: "覆盖率", EN: "Coverage"}},
	}}
	for _, s := range a.s.Savings() {
		has := func(name, value string) bool { return q.Get(name) == "" || q.Get(name) == value }
		if !who.SeesCommunity(s.Community) || !has("community", string(s.Community)) || !has("facility", string(s.Facility)) || !has("resource", s.Resource) || !has("period", s.Period) {
			continue
		}
		place := ""
		if c := inv.Community(s.Community); c != nil {
			place = c.Name
		}
		row := []any{string(s.Community), place, string(s.Facility), s.Resource, s.Period, s.Status, s.Unit, nil, nil, nil, nil, nil, nil}
		for i, v := range []*float64{s.Baseline, s.Actual, s.Saving, s.Uncertainty} {
			if v != nil {
				row[7+i] = *v
			}
		}
		if s.Significant != nil {
			row[11] = *s.Significant
		}
		if s.Coverage != nil {
			row[12] = *s.Coverage
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}
