package decode

import (
	"hash/maphash"
	"math"
	"strings"

	"greencommunity/ingest"
	"greencommunity/ingest/format"
	"greencommunity/ingest/inventory"
)

// Devices say the same things in the same order, message after message. What a
// native message came to the general way is kept: whose topic it has, and as a
// layout what stands between its values and what each of them is. The next message of
// a topic is read along that: text is compared, numbers are read, and nothing is
// looked up. Whatever differs in any byte but those of the values, or has a value that
// is not plainly right, goes the general way (FuzzExpress compares both). It takes a
// fifth of the general way's time.
//
// Routes and layouts are a cache: they change what a message costs, never what it
// comes to, and a worker begins without any.
type express struct {
	versions interface{ Version() uint64 } // of the resolver; nil: there is no express
	version  uint64                        // of which the routes are
	seed     maphash.Seed
	routes   []route // a hash table; each stands within routeProbes of where its hash says
	entered  int
	turn     uint8
	shapes   map[shapesKey]*shapes
}

// route says of which device the messages of a topic are. Of the topic the hash has
// 64 bits, by a seed that nobody outside knows.
type route struct {
	hash            uint64
	device          *ingest.Device
	shapes          *shapes
	index           uint32
	channel, length uint16 // where in the topic its channel stands
}

const (
	fewRoutes   = 1 << 10
	mostRoutes  = 1 << 17 // of 32 bytes
	routeProbes = 16
	// routesTurn sets which share of new topics displace others where there is no room:
	// with more devices than routes, each would be displaced before it is used.
	routesTurn = 16
)

// shapes are the layouts of one source, kind of facility and profile: what decides
// what a member means.
type shapes struct {
	source  *inventory.Source
	layouts []*layout // the last one used stands first
	learned int
}

type shapesKey struct {
	source   *inventory.Source
	facility ingest.FacilityKind
	profile  string
}

const (
	maxShapes      = 1024
	maxLayouts     = 6
	maxLearned     = 64 // layouts a source's devices may show: who has more, has one for each message
	maxLaidOut     = 2048
	maxLaidMembers = 32
)

// layout holds the members of a message in their order, and the text behind the last value.
type layout struct {
	members []member
	end     string
	timed   bool // a member is the time
}

type member struct {
	before   string           // the text before the value: "{", commas, spaces, its name
	quantity *ingest.Quantity // nil: the time
	min, max float64
	state    bool
}

// quick reads a message along what is known of its topic and layout; false where
// that is not plainly possible, and r is as before.
func (w *Worker) quick(m *ingest.Message, r *Result) bool {
	x := &w.express
	if x.versions == nil || w.Explain != nil || m.Erased || m.Retained {
		return false
	}
	if v := x.versions.Version(); v != x.version {
		clear(x.routes)
		x.version, x.entered = v, 0
		return false
	}
	route := x.find(maphash.String(x.seed, m.Topic))
	if route == nil || len(m.Payload) > route.shapes.source.Vendor.Limits.PayloadBytes {
		return false
	}
	s := route.shapes
	for i, l := range s.layouts {
		if w.along(l, m, route, r) {
			if i > 0 {
				s.layouts[0], s.layouts[i] = l, s.layouts[0]
			}
			r.Source = s.source
			return true
		}
	}
	return false
}

func (x *express) find(hash uint64) *route {
	if len(x.routes) == 0 {
		return nil
	}
	for i := range uint64(routeProbes) {
		if e := &x.routes[(hash+i)&uint64(len(x.routes)-1)]; e.hash == hash && e.device != nil {
			return e
		}
	}
	return nil
}

// along reads a message along a layout.
func (w *Worker) along(l *layout, m *ingest.Message, route *route, r *Result) bool {
	text := m.Payload
	var at int64
	w.values = w.values[:0]
	for i := range l.members {
		k := &l.members[i]
		if len(text) < len(k.before) || string(text[:len(k.before)]) != k.before {
			return false
		}
		text = text[len(k.before):]
		if k.quantity == nil {
			n, length := plainInteger(text)
			if length != 10 && length != 13 && length != 16 { // s, ms, µs: others may be dates, or nothing
				return false
			}
			var ok bool
			if at, ok = format.TimeOfInteger(n); !ok {
				return false
			}
			text = text[length:]
			continue
		}
		v, length := plainValue(text)
		if length == 0 || v < k.min || v > k.max || k.state && v != 0 && v != 1 {
			return false
		}
		text = text[length:]
		w.values = append(w.values, v)
	}
	if string(text) != l.end {
		return false
	}
	t, source, replaced := eventTime(at, ingest.TimeDevice, m.Received)
	if replaced {
		return false
	}
	channel := m.Topic[route.channel : route.channel+route.length]
	w.written = w.written[:0]
	n := 0
	for i := range l.members {
		if k := &l.members[i]; k.quantity != nil {
			r.Readings = append(r.Readings, ingest.Reading{
				Device: route.device, Channel: channel, Quantity: k.quantity, Value: w.values[n], Time: t, TimeSource: source,
			})
			r.Devices = append(r.Devices, route.index)
			w.written = append(w.written, at)
			n++
		}
	}
	r.Written = w.written
	return true
}

// plainInteger reads digits, at most 18, and returns how many there are; 0 where it
// begins otherwise, or with a 0 before others.
func plainInteger(text []byte) (n int64, length int) {
	for length < len(text) && text[length]-'0' <= 9 {
		n = n*10 + int64(text[length]-'0')
		if length++; length > 18 {
			return 0, 0
		}
	}
	if length > 1 && text[0] == '0' {
		return 0, 0
	}
	return n, length
}

// plainValue reads true, false, or a number of at most 15 digits without an exponent,
// whose double is one division away, and returns its length; 0 where it is none.
func plainValue(text []byte) (v float64, length int) {
	if len(text) == 0 {
		return 0, 0
	}
	minus := false
	switch text[0] {
	case 't':
		if len(text) >= 4 && string(text[:4]) == "true" {
			return 1, 4
		}
		return 0, 0
	case 'f':
		if len(text) >= 5 && string(text[:5]) == "false" {
			return 0, 5
		}
		return 0, 0
	case '-':
		minus, length = true, 1
	}
	n, first := int64(0), length
	for length < len(text) && text[length]-'0' <= 9 {
		n = n*10 + int64(text[length]-'0')
		if length++; length-first > 15 {
			return 0, 0
		}
	}
	if digits := length - first; digits == 0 || digits > 1 && text[first] == '0' {
		return 0, 0
	}
	v = float64(n)
	if length < len(text) && text[length] == '.' {
		length++
		point := length
		for length < len(text) && text[length]-'0' <= 9 {
			n = n*10 + int64(text[length]-'0')
			if length++; length-first > 16 {
				return 0, 0
			}
		}
		places := length - point
		if places == 0 {
			return 0, 0
		}
		v = float64(n) / powersOf10[places]
	}
	if length < len(text) && text[length]|0x20 == 'e' {
		return 0, 0
	}
	if minus {
		v = -v
	}
	return v, length
}

var powersOf10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}

// learn keeps what a message came to the general way, if the next one of its topic
// can be read along it.
func (w *Worker) learn(m *ingest.Message, r *Result) {
	x := &w.express
	src := r.Source
	if x.versions == nil || w.Explain != nil || src.Format != "native" || len(src.Ignore) > 0 || src.TimeFields || m.Retained ||
		len(r.Readings) == 0 || len(r.Events)+len(r.Refused)+len(r.Unmapped)+len(r.Fires) > 0 || len(m.Topic) > math.MaxUint16 {
		return
	}
	device, index := r.Readings[0].Device, r.Devices[0]
	for i := range r.Readings {
		if r.Readings[i].Device != device || r.Devices[i] != index || r.Readings[i].TimeReplaced {
			return
		}
	}
	key := shapesKey{src, device.Facility, device.Profile}
	s := x.shapes[key]
	if s == nil {
		if len(x.shapes) >= maxShapes {
			clear(x.shapes)
		}
		if x.shapes == nil {
			x.shapes = map[shapesKey]*shapes{}
		}
		key.profile = strings.Clone(key.profile) // it may be part of a payload
		s = &shapes{source: src}
		x.shapes[key] = s
	}
	hash := maphash.String(x.seed, m.Topic)
	known := x.find(hash)
	if known == nil {
		channel, at := w.in.Captures.Channel, 0
		if channel != "" { // it is a level of the topic; which one does not matter
			if at = strings.Index("/"+m.Topic+"/", "/"+channel+"/"); at < 0 {
				return
			}
		}
		x.enter(route{hash: hash, device: device, shapes: s, index: index, channel: uint16(at), length: uint16(len(channel))})
	}
	if s.learned >= maxLearned {
		return
	}
	l := w.layoutOf(m.Payload, r, device)
	if l == nil {
		return
	}
	for _, have := range s.layouts {
		if have.same(l) {
			return // its values were not plain, or its time was not
		}
	}
	s.learned++
	if len(s.layouts) < maxLayouts {
		s.layouts = append(s.layouts, l)
	} else {
		s.layouts[s.learned%maxLayouts] = l
	}
}

func (l *layout) same(other *layout) bool {
	if len(l.members) != len(other.members) || l.end != other.end {
		return false
	}
	for i := range l.members {
		if l.members[i].before != other.members[i].before || l.members[i].quantity != other.members[i].quantity {
			return false
		}
	}
	return true
}

// enter enters a route, in place of another where there is no room.
func (x *express) enter(e route) {
	if x.entered*3 >= len(x.routes)*2 && len(x.routes) < mostRoutes {
		old := x.routes
		x.routes, x.entered = make([]route, max(fewRoutes, 2*len(old))), 0
		for i := range old {
			if old[i].device != nil {
				x.enter(old[i])
			}
		}
	}
	for i := range uint64(routeProbes) {
		if at := &x.routes[(e.hash+i)&uint64(len(x.routes)-1)]; at.device == nil {
			*at = e
			x.entered++
			return
		}
	}
	if x.turn++; x.turn%routesTurn == 0 {
		x.routes[(e.hash+uint64(x.turn/routesTurn)%routeProbes)&uint64(len(x.routes)-1)] = e
	}
}

// layoutOf takes a message's text apart that has come to readings; nil where it
// is not an object of plain values, each of them a reading by its own name.
func (w *Worker) layoutOf(text []byte, r *Result, device *ingest.Device) *layout {
	if len(text) > maxLaidOut || len(text) == 0 || text[0] != '{' {
		return nil
	}
	l := &layout{}
	from, i, next := 0, 0, 0
	space := func() {
		for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r') {
			i++
		}
	}
	for {
		i++ // the brace, or a comma
		space()
		if i >= len(text) || text[i] != '"' {
			return nil
		}
		i++
		name := i
		for i < len(text) && (text[i] >= 'a' && text[i] <= 'z' || text[i] >= '0' && text[i] <= '9' || text[i] == '_') {
			i++
		}
		key := string(text[name:i])
		if i >= len(text) || text[i] != '"' {
			return nil
		}
		i++
		space()
		if i >= len(text) || text[i] != ':' {
			return nil
		}
		i++
		space()
		k := member{before: string(text[from:i]), min: math.Inf(-1), max: math.Inf(1)}
		length := 0
		if key == "time" {
			if l.timed {
				return nil
			}
			l.timed = true
			_, length = plainInteger(text[i:])
		} else {
			_, length = plainValue(text[i:])
			if next >= len(r.Readings) || !w.byItself(key, r.Readings[next].Quantity, device) {
				return nil
			}
			k.quantity = r.Readings[next].Quantity
			for i := range l.members {
				if l.members[i].quantity == k.quantity {
					return nil // twice: the general way tells of it
				}
			}
			k.state = k.quantity.Kind == ingest.State
			if k.quantity.Min != nil {
				k.min = *k.quantity.Min
			}
			if k.quantity.Max != nil {
				k.max = *k.quantity.Max
			}
			next++
		}
		if length == 0 {
			return nil
		}
		if l.members = append(l.members, k); len(l.members) > maxLaidMembers {
			return nil
		}
		i += length
		from = i
		space()
		if i >= len(text) {
			return nil
		}
		if text[i] == '}' {
			l.end = string(text[from:])
			if next != len(r.Readings) || strings.Trim(l.end, "} \t\r\n\x00") != "" {
				return nil
			}
			return l
		}
		if text[i] != ',' {
			return nil
		}
	}
}

// byItself reports whether a member is a quantity by its name alone, whatever its
// value: nothing in the inventory says otherwise, and no rule looks at the value.
func (w *Worker) byItself(name string, q *ingest.Quantity, device *ingest.Device) bool {
	if name != q.Name || name == "power_factor" || name == "fill_distance" { // see reading
		return false
	}
	return w.field(w.source, &format.Sample{Field: name}, device) == nil && w.inv.Facilities.Quantity(device.Facility, name) == q
}
