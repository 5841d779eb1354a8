package influx

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
)

// Part is lines of a batch of which InfluxDB refused some, or that are written
// apart from others.
type Part struct {
	lines   []line
	tried   bool // refusal is InfluxDB's word on these lines together
	refusal refusal
}

// line is a line of a batch, or a part of one: a field of another type is
// written apart from its neighbours.
type line struct {
	number int
	text   []byte // with its newline
	field  string // the only one it has, where it was taken out of a line
}

// Fate says what became of a line.
type Fate uint8

// What Step decides.
const (
	LineStored  Fate = iota
	LineRefused      // Why says it; with Field, only this one
	LineSplit        // two decisions follow about this line instead of one
)

// Decision says what became of a line of a batch.
type Decision struct {
	Line  int // its number in the batch
	Fate  Fate
	Why   string
	Field string
}

// Len returns how many lines the part has.
func (p Part) Len() int { return len(p.lines) }

// First is the number of the part's first line in its batch.
func (p Part) First() int { return p.lines[0].number }

// Apart makes a part of lines that are written apart, which has not been tried.
func Apart(lines []byte) Part { return newPart(lines, 0, refusal{}).again(nil) }

// newPart is refused lines, of which the first has number n.
func newPart(lines []byte, n int, r refusal) Part {
	p := Part{tried: true, refusal: r}
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n') + 1
		if end == 0 {
			end = len(lines)
		}
		p.lines = append(p.lines, line{number: n, text: lines[:end]})
		n, lines = n+1, lines[end:]
	}
	return p
}

// again is a part that is to be tried: of these lines, or of its own.
func (p Part) again(lines []line) Part {
	if lines == nil {
		lines = p.lines
	}
	return Part{lines: lines}
}

// Step goes one step on with a part: it writes it, or it divides it by what
// InfluxDB said of it. It makes one request at most, apart from those that are
// made again, and returns what is decided and the parts that are left.
func (w *Writer) Step(ctx context.Context, p Part) (decided []Decision, rest []Part, err error) {
	if p.tried {
		decided, rest = w.divide(p)
		return decided, rest, nil
	}
	var text []byte
	for _, l := range p.lines {
		text = append(text, l.text...)
	}
	part, n := w.size.cut(text, len(p.lines))
	if n < len(p.lines) {
		rest = append(rest, p.again(p.lines[n:]))
		p.lines = p.lines[:n]
	}
	a, err := w.attempt(ctx, part, n)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case a.outcome == taken:
		oldest := int64(0)
		for _, l := range p.lines {
			decided = append(decided, Decision{Line: l.number, Fate: LineStored, Field: l.field})
			if t := l.time(); oldest == 0 || t < oldest {
				oldest = t
			}
		}
		w.notTooOld(oldest)
	case a.outcome != refused && n > 1:
		rest = append(rest, p.again(nil)) // cut smaller
	default:
		rest = append(rest, Part{lines: p.lines, tried: true, refusal: a.refusal})
	}
	return decided, rest, nil
}

// divide takes out of a refused part the lines that are known to be bad.
func (w *Writer) divide(p Part) (decided []Decision, rest []Part) {
	r := p.refusal
	refuse := func(lines []line, why string) {
		for _, l := range lines {
			decided = append(decided, Decision{l.number, LineRefused, cmp.Or(why, r.text), l.field})
		}
	}
	keep := func(lines []line) {
		if len(lines) > 0 {
			rest = append(rest, p.again(lines))
		}
	}
	switch {
	case r.field != "":
		others, lone, split := takeOut(p.lines, r.measurement, r.field)
		for _, l := range split {
			decided = append(decided, Decision{Line: l.number, Fate: LineSplit})
		}
		if len(lone) > 0 && (len(others) > 0 || len(split) > 0) {
			keep(lone) // a field has one type in one span of time and may have another in the next
			keep(others)
			return decided, rest
		}
	case len(r.lines) > 0:
		return w.named(p)
	case r.retention && r.dropped >= len(p.lines):
		newest := p.lines[0].time()
		for _, l := range p.lines {
			newest = max(newest, l.time())
		}
		w.tooOld(newest)
		refuse(p.lines, "")
		return decided, rest
	case r.retention:
		slices.SortStableFunc(p.lines, func(a, b line) int { return cmp.Compare(a.time(), b.time()) })
		if newest := p.lines[r.dropped-1].time(); newest < p.lines[r.dropped].time() {
			w.tooOld(newest)
			refuse(p.lines[:r.dropped], "")
			keep(p.lines[r.dropped:])
			return decided, rest
		}
	case strings.Contains(r.text, "unable to parse '"):
		good := p.lines[:0:0]
		for _, l := range p.lines {
			if strings.Contains(r.text, "unable to parse '"+string(bytes.TrimSuffix(l.text, newline))+"'") {
				refuse([]line{l}, "")
			} else {
				good = append(good, l)
			}
		}
		if len(decided) > 0 {
			keep(good)
			return decided, rest
		}
	}
	if r.dropped >= len(p.lines) || len(p.lines) == 1 {
		refuse(p.lines, "")
		return decided, rest
	}
	// What is refused together is often of one time or one series.
	slices.SortStableFunc(p.lines, func(a, b line) int { return cmp.Compare(a.time(), b.time()) })
	half := len(p.lines) / 2
	return decided, append(rest, p.again(p.lines[half:]), p.again(p.lines[:half]))
}

// named takes out the lines InfluxDB 3 names, and of those with a field of
// another type that field.
func (w *Writer) named(p Part) (decided []Decision, rest []Part) {
	bad := map[int]namedLine{}
	for _, n := range p.refusal.lines {
		if _, known := bad[n.line]; !known && n.line < len(p.lines) {
			bad[n.line] = n
		}
	}
	var good []line
	for i, l := range p.lines {
		n, isBad := bad[i]
		if !isBad {
			good = append(good, l)
			continue
		}
		if n.field != "" {
			others, lone, split := takeOut([]line{l}, "", n.field)
			if len(split) > 0 {
				decided = append(decided, Decision{Line: l.number, Fate: LineSplit}, Decision{l.number, LineRefused, n.why, lone[0].field})
				good = append(good, others...)
				continue
			}
		}
		decided = append(decided, Decision{l.number, LineRefused, n.why, l.field})
	}
	if len(decided) == 0 && len(p.lines) > 0 { // it names lines there are not
		half := (len(p.lines) + 1) / 2
		if half == len(p.lines) {
			return append(decided, Decision{p.lines[0].number, LineRefused, p.refusal.text, p.lines[0].field}), rest
		}
		return decided, []Part{p.again(p.lines[half:]), p.again(p.lines[:half])}
	}
	if len(good) > 0 {
		rest = append(rest, p.again(good))
	}
	return decided, rest
}

// empty recognises the words for a request without points: of InfluxDB 2, and
// of InfluxDB 3.
func (r refusal) empty() bool {
	return strings.Contains(r.text, "writing requires points") || strings.Contains(r.text, "no data to write") || strings.Contains(r.text, "line protocol was empty")
}

// takeOut divides lines by a field of a measurement ("": of any): others do not
// have it, lone have nothing else. A line that has it and more becomes two, and
// is in split.
func takeOut(lines []line, measurement, field string) (others, lone, split []line) {
	for _, l := range lines {
		series, fields, stamp := l.sections()
		if measurement != "" && unescape(series[:end(series, ",", false)]) != measurement {
			others = append(others, l)
			continue
		}
		var with, without [][]byte
		for len(fields) > 0 {
			n := end(fields, ",", true)
			f := fields[:n]
			fields = fields[min(n+1, len(fields)):]
			if unescape(f[:end(f, "=", true)]) == field {
				with = append(with, f)
			} else {
				without = append(without, f)
			}
		}
		make := func(fields [][]byte, name string) line {
			text := bytes.Join([][]byte{series, bytes.Join(fields, []byte{','}), stamp}, []byte{' '})
			return line{l.number, append(text, '\n'), name}
		}
		switch {
		case len(with) == 0:
			others = append(others, l)
		case len(without) == 0:
			lone = append(lone, l)
		default:
			split = append(split, l)
			others, lone = append(others, make(without, l.field)), append(lone, make(with, field))
		}
	}
	return others, lone, split
}

// sections are the three parts of a line: measurement and tags, fields, time.
func (l line) sections() (series, fields, stamp []byte) {
	text := bytes.TrimSuffix(l.text, newline)
	n := end(text, " ", false)
	series, fields = text[:n], text[min(n+1, len(text)):]
	n = end(fields, " ", true)
	return series, fields[:n], fields[min(n+1, len(fields)):]
}

// end is the offset of the first of a character that is not escaped and, with
// quotes, not in a string; the length if there is none.
func end(text []byte, stop string, quotes bool) int {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case c == '"' && quotes:
			quoted = !quoted
		case c == stop[0] && !quoted:
			return i
		}
	}
	return len(text)
}

var unescaper = strings.NewReplacer(`\,`, `,`, `\ `, ` `, `\=`, `=`)

func unescape(name []byte) string { return unescaper.Replace(string(name)) }

// time is the line's, in unix ns; 0 if it has none.
func (l line) time() int64 {
	text := bytes.TrimSuffix(l.text, newline)
	ms, err := strconv.ParseInt(string(text[bytes.LastIndexByte(text, ' ')+1:]), 10, 64)
	if err != nil {
		return 0
	}
	return ms * 1e6
}

func sortRefused(refused []Refused) {
	slices.SortFunc(refused, func(a, b Refused) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field))
	})
}
