package inventory

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"greencommunity/ingest"
	"greencommunity/ingest/document"
	"greencommunity/ingest/format"
	"greencommunity/ingest/javascript"
)

// File is inventory.yaml, as it is written. The comments of its members, and of
// theirs, are the reference of what can be said (`greencommunity config --inventory`).
type File struct {
	Communities []*Community `yaml:"communities"`
	Vendors     []*Vendor    `yaml:"vendors"`
	// Facilities are further kinds of facility, and quantities of them, beside
	// those that `greencommunity quantities` prints.
	Facilities map[ingest.FacilityKind]*ingest.Facility `yaml:"facilities"`
	// Calendar lists public holidays by year, for baselines that go by days off: years
	// that this program does not know yet, or knows otherwise.
	Calendar []CalendarYear `yaml:"calendar"`
}

// CalendarYear holds a year's notice of the General Office of the State Council: which
// days are off, and which weekends are worked. A day is written 2027-01-04, several in a row 2027-02-05/2027-02-12.
type CalendarYear struct {
	Year int      `yaml:"year"`
	Rest []string `yaml:"rest"` // days off
	Work []string `yaml:"work"` // Saturdays and Sundays that are worked
}

// Load reads an inventory and the devices files it names; zone is the site's.
// All problems are reported together, one a line, each with its path and its
// remedy.
func Load(path string, zone *time.Location) (*Inventory, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	inv, p := parse(data, filepath.Dir(path), zone)
	if err := p.Of(path); err != nil {
		return nil, err
	}
	return inv, nil
}

// Parse reads an inventory that is in no file. The files it names are relative
// to the working directory.
func Parse(data []byte, zone *time.Location) (*Inventory, error) {
	inv, p := parse(data, ".", zone)
	if err := p.Of("inventory"); err != nil {
		return nil, err
	}
	return inv, nil
}

// Read reads an inventory as Load does, for who has more to check: it returns
// the problems found so far, and what could be read in spite of them, which is
// for nothing but checking; nil if that is nothing.
func Read(path string, zone *time.Location) (*Inventory, *document.Problems, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("inventory: %w", err)
	}
	inv, p := parse(data, filepath.Dir(path), zone)
	return inv, p, nil
}

func parse(data []byte, dir string, zone *time.Location) (inv *Inventory, p *document.Problems) {
	var f File
	p = &document.Problems{}
	if document.Decode(data, &f, p) {
		inv = build(&f, dir, zone, p)
		inv.problems = p.Fresh()
	}
	return inv, p
}

// Problems is empty, and adds to what is found wrong its line in the file.
func (inv *Inventory) Problems() *document.Problems {
	if inv.problems == nil {
		return &document.Problems{}
	}
	return inv.problems.Fresh()
}

func build(f *File, dir string, zone *time.Location, p *document.Problems) *Inventory {
	inv := &Inventory{
		Communities: f.Communities, Vendors: f.Vendors, Zone: zone, Calendar: f.Calendar,
		communities: map[ingest.CommunityID]*Community{},
		devices:     map[ingest.DeviceID]*ingest.Device{},
		origins:     ingest.Origins{},
		aliases:     map[aliasKey]*ingest.Device{},
		topics:      &matcher{},
	}
	var err error
	if inv.Facilities, err = ingest.NewFacilities(f.Facilities); err != nil {
		p.AddError(err)
		inv.Facilities = ingest.BuiltinFacilities()
	}
	inv.buildCommunities(p)
	inv.buildVendors(dir, p)
	inv.checkParents(p)
	return inv
}

func (inv *Inventory) buildCommunities(p *document.Problems) {
	if len(inv.Communities) == 0 {
		p.Add("communities", "none listed; add at least one with id and name")
	}
	for i, c := range inv.Communities {
		path := fmt.Sprintf("communities[%d]", i)
		if c == nil {
			p.Add(path, "empty; give id and name")
			inv.Communities[i] = &Community{}
			continue
		}
		checkID(p, path+".id", string(c.ID))
		if _, ok := inv.communities[c.ID]; ok {
			p.Add(path+".id", "%q is listed twice; ids are unique", c.ID)
		}
		inv.communities[c.ID] = c
		if c.Name == "" {
			p.Add(path+".name", "missing; give the name people use")
		}
		if !slices.Contains([]string{"", "participating", "met", "named"}, c.Stage) {
			p.Add(path+".stage", "%q is none of participating, met, named; leave it out for none of them", c.Stage)
		}
		if c.Households < 0 || c.Population < 0 {
			p.Add(path, "households and population cannot be negative")
		}
		if c.Lat < -90 || c.Lat > 90 || c.Lon < -180 || c.Lon > 180 {
			p.Add(path, "lat %g, lon %g is not on Earth; degrees north and east", c.Lat, c.Lon)
		}
		seen := map[ingest.CompoundID]bool{}
		for k, compound := range c.Compounds {
			path := fmt.Sprintf("%s.compounds[%d]", path, k)
			if compound == nil {
				p.Add(path, "empty; give id and name")
				continue
			}
			checkID(p, path+".id", string(compound.ID))
			if seen[compound.ID] {
				p.Add(path+".id", "%q is listed twice in the community; ids are unique", compound.ID)
			}
			seen[compound.ID] = true
			if compound.Households < 0 {
				p.Add(path+".households", "cannot be negative")
			}
		}
	}
}

func (inv *Inventory) buildVendors(dir string, p *document.Problems) {
	if len(inv.Vendors) == 0 {
		p.Add("vendors", "none listed; add at least one with id and sources")
	}
	ids := map[ingest.VendorID]bool{}
	topics := map[string]ingest.VendorID{}
	index := 0
	for i, v := range inv.Vendors {
		path := fmt.Sprintf("vendors[%d]", i)
		if v == nil {
			p.Add(path, "empty; give id and sources")
			inv.Vendors[i] = &Vendor{}
			continue
		}
		checkID(p, path+".id", string(v.ID))
		if ids[v.ID] {
			p.Add(path+".id", "%q is listed twice; ids are unique", v.ID)
		}
		ids[v.ID] = true
		if len(v.Sources) == 0 {
			p.Add(path+".sources", "none; say where the vendor publishes: {topic: ..., format: ...}")
		}
		introduces := true
		for k, s := range v.Sources {
			path := fmt.Sprintf("%s.sources[%d]", path, k)
			if s == nil {
				p.Add(path, "empty; give topic and format")
				v.Sources[k] = &Source{}
				continue
			}
			s.Vendor, s.Index = v, index
			index++
			introduces = introduces && format.Formats[s.Format].Introduces
			inv.checkSource(s, path, p)
			s.readCodecs(dir)
			if other, ok := topics[filterOf(s.Topic)]; ok {
				p.Add(path+".topic", "vendor %s has the same topics already; each topic belongs to one source", other)
			}
			topics[filterOf(s.Topic)] = v.ID
			inv.topics.add(s)
		}
		switch v.UnknownDevices {
		case "accept", "reject":
		case "":
			v.UnknownDevices = "reject"
			if introduces {
				v.UnknownDevices = "accept"
			}
		default:
			p.Add(path+".unknown_devices", "%q is neither accept nor reject", v.UnknownDevices)
		}
		if v.MaxDevices < 0 {
			p.Add(path+".max_devices", "cannot be negative")
		}
		if v.MaxDevices == 0 {
			v.MaxDevices = 1_000_000
		}
		for _, l := range []struct {
			name     string
			value    *int
			standard int
		}{{"channels", &v.Limits.Channels, 4096}, {"types", &v.Limits.Types, 256}, {"payload_bytes", &v.Limits.PayloadBytes, 256 << 10}} {
			if *l.value < 0 {
				p.Add(path+".limits."+l.name, "cannot be negative")
			}
			if *l.value == 0 {
				*l.value = l.standard
			}
		}
		if v.Limits.PayloadBytes > format.MaxPayload {
			p.Add(path+".limits.payload_bytes", "%d is more than the program reads; at most %d", v.Limits.PayloadBytes, format.MaxPayload)
		}
		for k, c := range v.Communities {
			if inv.communities[c] == nil {
				p.Add(fmt.Sprintf("%s.communities[%d]", path, k), "%q is not listed under communities", c)
			}
		}
		for k, d := range v.Devices {
			inv.addDevice(v, d, fmt.Sprintf("%s.devices[%d]", path, k), p)
		}
		if v.DevicesFile != "" {
			inv.readDevices(v, dir, path+".devices_file", p)
		}
		for k, s := range v.Sources {
			// Without any, a message's community is that of its topic, of its
			// payload, or of its source.
			outer, inner := format.Formats[s.Format], format.Formats[s.Payload]
			payload := s.JSON != nil && s.JSON.Community != "" || outer.Community || inner.Community
			named := payload || outer.Silent || s.Community != "" || slices.Contains(strings.Split(s.Topic, "/"), "{community}")
			if !named && len(v.Devices) == 0 && v.DevicesFile == "" && s.Topic != "" && s.Vendor != nil {
				p.Add(fmt.Sprintf("%s.sources[%d]", path, k), "names no community, so that every message would be refused; put {community} into the topic where it stands, give community: ID, or list the vendor's devices")
			}
		}
	}
}

func (inv *Inventory) checkSource(s *Source, path string, p *document.Problems) {
	checkTemplate(p, path+".topic", s.Topic)
	outer, known := format.Formats[s.Format]
	if !known {
		p.Add(path+".format", "%q is unknown; one of %s", s.Format, strings.Join(format.Names(), ", "))
	}
	inner, known := format.Formats[s.Payload]
	if s.Payload != "" && !known {
		p.Add(path+".payload", "%q is unknown; one of %s", s.Payload, strings.Join(format.Names(), ", "))
	}
	zone := inv.Zone
	if s.Community != "" && inv.communities[s.Community] == nil {
		p.Add(path+".community", "%q is not listed under communities", s.Community)
	}
	if s.Facility != "" && inv.Facilities.Kind(s.Facility) == nil {
		p.Add(path+".facility", "%q is no kind of facility; one of %s, or declare it under facilities", s.Facility, kinds(inv.Facilities))
	}
	if s.Device != "" && !ingest.ValidID(string(s.Device)) {
		p.Add(path+".device", "%q: printable, at most 128 bytes, without .. / + # , = quotes or \\", s.Device)
	}
	if s.TimeZone != "" {
		named, err := time.LoadLocation(s.TimeZone)
		if err != nil {
			p.Add(path+".time_zone", "%q is no time zone; use a name such as Asia/Shanghai", s.TimeZone)
		} else {
			zone = named
		}
	}
	for _, name := range slices.Sorted(mapKeys(s.Fields)) {
		inv.checkField(s.Fields[name], fmt.Sprintf("%s.fields.%s", path, name), p)
		s.TimeFields = s.TimeFields || s.Fields[name] != nil && s.Fields[name].Time
	}
	if s.JSON == nil && (outer.Mapped || inner.Mapped) {
		s.JSON = &format.Mapping{}
	}
	if s.JSON != nil {
		if (s.JSON.Name == "") != (s.JSON.Value == "") {
			p.Add(path+".json", "name and value go together")
		}
		for _, of := range []struct{ name, path string }{
			{"records", s.JSON.Records}, {"values", s.JSON.Values}, {"device", s.JSON.Device}, {"community", s.JSON.Community}, {"compound", s.JSON.Compound},
			{"facility", s.JSON.Facility}, {"channel", s.JSON.Channel}, {"name", s.JSON.Name}, {"value", s.JSON.Value}, {"unit", s.JSON.Unit},
		} {
			if err := format.CheckPath(of.path); err != nil {
				p.Add(path+".json."+of.name, "%v", err)
			}
		}
		if s.JSON.Valid != nil && s.JSON.Valid.Path == "" {
			p.Add(path+".json.valid", "has no path")
		}
		for i, rule := range s.JSON.Time {
			path := fmt.Sprintf("%s.json.time[%d]", path, i)
			if rule == nil || len(rule.Path) == 0 || slices.Contains(rule.Path, "") {
				p.Add(path, "has no path")
				continue
			}
			for _, of := range rule.Path {
				if err := format.CheckPath(of); err != nil {
					p.Add(path+".path", "%v", err)
				}
			}
			if err := format.CheckLayout(rule.Layout); err != nil {
				p.Add(path+".layout", "%v", err)
			}
			if !slices.Contains([]string{"", "auto", "s", "ms", "us", "ns"}, rule.Unit) {
				p.Add(path+".unit", "%q is none of auto, s, ms, us, ns", rule.Unit)
			}
			if !slices.Contains([]string{"", "device", "gateway"}, rule.Source) {
				p.Add(path+".source", "%q is neither device nor gateway", rule.Source)
			}
		}
	}
	s.Reads = format.Source{Format: s.Format, Payload: s.Payload, JSON: s.JSON, Facility: s.Facility, Profile: s.Profile, Zone: zone}
}

// maxCodec is the largest decoder read.
const maxCodec = 1 << 20

// readCodecs reads and compiles the vendors' decoders a source names. One that
// cannot be run costs its own devices only: their messages are refused with why,
// until the file is mended and the inventory reloaded.
func (s *Source) readCodecs(dir string) {
	for _, profile := range slices.Sorted(mapKeys(s.Codecs)) {
		name := s.Codecs[profile]
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		text, err := os.ReadFile(name)
		if err == nil && len(text) > maxCodec {
			err = fmt.Errorf("%d bytes; at most %d", len(text), maxCodec)
		}
		var program *javascript.Program
		if err == nil {
			program, err = javascript.Compile(s.Codecs[profile], string(text))
		}
		if err != nil {
			program = javascript.Broken(fmt.Errorf("vendor %s: %s: %w", s.Vendor.ID, s.Codecs[profile], err))
		}
		if s.Reads.Programs == nil {
			s.Reads.Programs = map[string]*javascript.Program{}
		}
		s.Reads.Programs[profile] = program
	}
}

func (inv *Inventory) checkField(f *format.Field, path string, p *document.Problems) {
	if f == nil {
		p.Add(path, "empty; give quantity, event, time or ignore")
		return
	}
	given := 0
	for _, has := range []bool{f.Quantity != "", f.Event != "", f.Ignore, f.Time} {
		if has {
			given++
		}
	}
	if given != 1 {
		p.Add(path, "give one of quantity, event, time and ignore")
	}
	if f.Event != "" && !ingest.ValidName(f.Event) {
		p.Add(path+".event", "%q: lower-case letters, digits and _, starting with a letter", f.Event)
	}
	if f.Unit != "" && !ingest.KnownUnit(f.Unit) {
		p.Add(path+".unit", "%q is unknown; `greencommunity quantities --units` lists them", f.Unit)
		return
	}
	if f.Quantity == "" {
		return
	}
	found, converts := false, false
	for _, kind := range inv.Facilities.Kinds() {
		if q := inv.Facilities.Quantity(kind, f.Quantity); q != nil {
			found = true
			_, err := ingest.NewConversion(f.Unit, q.Unit)
			converts = converts || err == nil
		}
	}
	switch {
	case !found:
		p.Add(path+".quantity", "%q is unknown; `greencommunity quantities` lists them, or declare it under facilities", f.Quantity)
	case !converts:
		p.Add(path+".unit", "%q does not convert to the unit of %s", f.Unit, f.Quantity)
	}
}

// readDevices reads a CSV of devices, whose header names the columns.
func (inv *Inventory) readDevices(v *Vendor, dir, path string, p *document.Problems) {
	name := v.DevicesFile
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	f, err := os.Open(name)
	if err != nil {
		p.Add(path, "%v", err)
		return
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	r.TrimLeadingSpace = true
	header, err := r.Read()
	if err != nil {
		p.Add(path, "%s: no header line with id,community,facility,...", v.DevicesFile)
		return
	}
	header = slices.Clone(header)
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	for _, column := range []string{"id", "community", "facility"} {
		if !slices.Contains(header, column) {
			p.Add(path, "%s: no column %q in the header", v.DevicesFile, column)
			return
		}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			p.Add(path, "%s: %v", v.DevicesFile, err)
			return
		}
		line, _ := r.FieldPos(0)
		at := fmt.Sprintf("%s: %s line %d", path, v.DevicesFile, line)
		var d DeviceEntry
		for i, column := range header {
			setColumn(&d, column, strings.TrimSpace(row[i]), at, p)
		}
		inv.addDevice(v, &d, at, p)
	}
}

// setColumn sets the member a column of the CSV stands for.
func setColumn(d *DeviceEntry, column, value, path string, p *document.Problems) {
	number := func() float64 {
		if value == "" {
			return 0
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			p.Add(path, "%s %q is not a number", column, value)
		}
		return n
	}
	switch column {
	case "id":
		d.ID = ingest.DeviceID(strings.Clone(value))
	case "community":
		d.Community = ingest.CommunityID(value)
	case "compound":
		d.Compound = ingest.CompoundID(value)
	case "facility":
		d.Facility = ingest.FacilityKind(value)
	case "name":
		d.Name = strings.Clone(value)
	case "stream":
		d.Stream = strings.Clone(value)
	case "gateway":
		d.Gateway = strings.Clone(value)
	case "boundary":
		d.Boundary = strings.Clone(value)
	case "parent":
		d.Parent = ingest.DeviceID(strings.Clone(value))
	case "profile":
		d.Profile = strings.Clone(value)
	case "alias":
		d.Alias = strings.Clone(value)
	case "depth":
		d.Depth = number()
	case "offset":
		d.Offset = number()
	case "register_bits":
		d.RegisterBits = int(number())
	default:
		if value == "" {
			return
		}
		if d.Attributes == nil {
			d.Attributes = map[string]string{}
		}
		d.Attributes[column] = strings.Clone(value)
	}
}

// child is a device with a parent, and where it is listed.
type child struct {
	device *ingest.Device
	path   string
}

// checkParents looks up the parents once all devices are known.
func (inv *Inventory) checkParents(p *document.Problems) {
	inv.parents = map[ingest.DeviceID]bool{}
	for _, c := range inv.children {
		inv.parents[c.device.Parent] = true
		parent := inv.devices[c.device.Parent]
		switch {
		case parent == nil:
			p.Add(c.path, "device %q: parent %q is no listed device; list the meter in front of it, or leave parent out", c.device.ID, c.device.Parent)
			continue
		case parent.Community != c.device.Community:
			p.Add(c.path, "device %q: parent %q is in community %s, and this one in %s", c.device.ID, parent.ID, parent.Community, c.device.Community)
		}
		for up, steps := parent, 0; up != nil; up, steps = inv.devices[up.Parent], steps+1 {
			if up == c.device {
				p.Add(c.path, "device %q: is in front of itself by its parents; name the meter that the water or the power passes first", c.device.ID)
			}
			if up == c.device || steps > 20 {
				break
			}
		}
	}
	inv.children = nil
}

func (inv *Inventory) addDevice(v *Vendor, d *DeviceEntry, path string, p *document.Problems) {
	if d == nil {
		p.Add(path, "empty; give id, community and facility")
		return
	}
	checkID(p, path+": id", string(d.ID))
	community := inv.communities[d.Community]
	kind := inv.Facilities.Kind(d.Facility)
	switch {
	case community == nil:
		p.Add(path, "device %q: community %q is not listed under communities", d.ID, d.Community)
		return
	case kind == nil:
		p.Add(path, "device %q: %q is no kind of facility; one of %s", d.ID, d.Facility, kinds(inv.Facilities))
		return
	}
	if len(v.Communities) > 0 && !slices.Contains(v.Communities, d.Community) {
		p.Add(path, "device %q: vendor %s may not write to community %s", d.ID, v.ID, d.Community)
	}
	if d.Compound != "" && !slices.ContainsFunc(community.Compounds, func(c *Compound) bool { return c != nil && c.ID == d.Compound }) {
		p.Add(path, "device %q: community %s has no compound %q", d.ID, d.Community, d.Compound)
	}
	for _, tag := range []string{d.Stream, d.Gateway, d.Boundary} {
		if tag != "" && !ingest.ValidID(tag) {
			p.Add(path, "device %q: %q cannot be a tag; no control characters, / + # , = quotes or \\", d.ID, tag)
		}
	}
	if !slices.Contains([]int{0, 16, 24, 32}, d.RegisterBits) {
		p.Add(path, "device %q: register_bits %d is none of 16, 24, 32", d.ID, d.RegisterBits)
	}
	if d.Depth < 0 || d.Offset < 0 || (d.Depth > 0 && d.Depth <= d.Offset) {
		p.Add(path, "device %q: depth %g m must be above offset %g m, neither negative", d.ID, d.Depth, d.Offset)
	}
	if other := inv.devices[d.ID]; other != nil {
		p.Add(path, "device %q is listed already, for vendor %s; ids are unique over all vendors", d.ID, other.Vendor)
		return
	}
	dev := &ingest.Device{
		ID:     d.ID,
		Origin: inv.origins.Of(ingest.Origin{Vendor: v.ID, Community: community.ID, Compound: d.Compound, Facility: kind.Kind, Profile: d.Profile}),
		Listing: &ingest.Listing{
			Listed: true, Name: d.Name, Stream: d.Stream, Gateway: d.Gateway, Boundary: d.Boundary, Parent: d.Parent,
			Depth: d.Depth, Offset: d.Offset, RegisterBits: uint8(d.RegisterBits), Attributes: d.Attributes,
		},
	}
	inv.devices[d.ID] = dev
	if d.Parent != "" {
		inv.children = append(inv.children, child{dev, path})
	}
	if d.Alias != "" {
		key := aliasKey{v.ID, d.Alias}
		if other := inv.aliases[key]; other != nil {
			p.Add(path, "device %q: alias %q is device %q already", d.ID, d.Alias, other.ID)
		}
		inv.aliases[key] = dev
	}
}

func kinds(f *ingest.Facilities) string {
	var names []string
	for _, k := range f.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func checkID(p *document.Problems, path, id string) {
	switch {
	case id == "":
		p.Add(path, "missing")
	case !ingest.ValidID(id):
		p.Add(path, "%q cannot be a tag; printable, at most 128 bytes, without .. / + # , = quotes or \\", id)
	}
}

func checkTemplate(p *document.Problems, path, template string) {
	if template == "" {
		p.Add(path, "missing; give a topic template such as \"greencommunity/v1/{community}/{facility}/{device}\"")
		return
	}
	levels := strings.Split(template, "/")
	if levels[0] == "$share" || levels[0] == "$queue" {
		// The broker would take the prefix off, so that no message matches, and
		// would give each to one of the group: a device's readings to several.
		own := strings.Join(levels[min(len(levels), 1):], "/")
		if levels[0] == "$share" {
			own = strings.Join(levels[min(len(levels), 2):], "/")
		}
		p.Add(path, "%q: a shared subscription divides the messages of one device between instances; give the topic itself, %q, and divide communities between instances with shard in config.yaml", template, own)
		return
	}
	seen := map[string]bool{}
	for i, level := range levels {
		_, known := captureNames[level]
		switch {
		case level == "#" && i != len(levels)-1:
			p.Add(path, "%q: # stands only at the end", template)
		case strings.HasPrefix(level, "{") && !known:
			p.Add(path, "%q captures unknown name %q; use community, compound, facility, device or channel", template, strings.Trim(level, "{}"))
		case !known && level != "#" && strings.ContainsAny(level, "{}+#"):
			p.Add(path, "%q: %q mixes a wildcard with text; a wildcard is a whole level", template, level)
		case known && level != "+" && seen[level]:
			p.Add(path, "%q captures %s twice", template, level)
		}
		seen[level] = true
	}
}
