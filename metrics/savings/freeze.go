package savings

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// hash names what a frozen baseline, or a list of adjustments, says: "b1:" and
// the first 16 hexadecimal digits of the SHA-256 of its canonical form. The
// canonical form depends on what was approved and not on the program: a member
// that a later program adds, the order of members, and the way a YAML library
// writes a number leave it as it is.
//
// The form b1:
//
//   - a struct is {name:value,…}: members by their name in YAML, sorted by
//     bytes; a member that is zero, or an empty list, is left out;
//   - a list is [value,…], with every element, zero or not; a pointer is what
//     it points to, zero or not;
//   - a number is the shortest decimal that reads back the same; text and days
//     are quoted as in Go, in ASCII, so that no table of Unicode matters; yes
//     and no are true and false.
//
// A new form gets a new name, and frozenAs goes on recognising the old ones.
func hash(v any) string {
	return "b1:" + digest(canonical(nil, reflect.ValueOf(v)))
}

// Frozen is the measurement in which the service writes, each day, what is frozen of a
// boundary: its version and its hash.
const Frozen = "baselines"

// What a conflict is about, for people.
const (
	changedTerms    = "uncertainty, register, quota, weather, intervention, ipmvp, or the community's lat and lon"
	changedBaseline = "the baseline"
	changedVersion  = "the version, which is older than the one frozen"
)

// frozenHash names all that decides a verdict: the baseline, and what is frozen with it.
func frozenHash(baseline, terms string) string { return digest([]byte(baseline + terms)) }

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// canonical appends the form b1 of v to b.
func canonical(b []byte, v reflect.Value) []byte {
	if v.Kind() == reflect.Pointer {
		return canonical(b, v.Elem())
	}
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		t, err := text.MarshalText()
		if err != nil {
			panic(fmt.Sprintf("hash of a %s: %v", v.Type(), err)) // a Date always has a text
		}
		return strconv.AppendQuoteToASCII(b, string(t))
	}
	switch v.Kind() {
	case reflect.Struct:
		members := map[string]string{}
		for i := range v.NumField() {
			f := v.Field(i)
			if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
				continue
			}
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			members[name] = string(canonical(nil, f))
		}
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(members)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, name...), ':'), members[name]...)
		}
		return append(b, '}')
	case reflect.Slice:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = canonical(b, v.Index(i))
		}
		return append(b, ']')
	case reflect.String:
		return strconv.AppendQuoteToASCII(b, v.String())
	case reflect.Int:
		return strconv.AppendInt(b, v.Int(), 10)
	case reflect.Float64:
		return strconv.AppendFloat(b, v.Float()+0, 'g', -1, 64) // +0: there is one zero
	case reflect.Bool:
		return strconv.AppendBool(b, v.Bool())
	}
	panic(fmt.Sprintf("hash of a %s: the form b1 has none", v.Type())) // a type that was added: say how it is written
}

// frozenAs reports whether a hash that is stored with an account is that of the
// baseline, in the form of today or in one of those before it.
func (l *BaselineSpec) frozenAs(stored string) bool {
	if strings.HasPrefix(stored, "b1:") {
		return stored == hash(l)
	}
	text := l.unversioned()
	// The first program that stored hashes had no member relative.
	return stored == digest(text) || !l.Relative && stored == digest(bytes.Replace(text, []byte("relative: false\n"), nil, 1))
}

// unversioned is the form before b1: the YAML that the program of those days
// wrote of its struct, with all members it had. New members of BaselineSpec
// do not belong here.
func (l *BaselineSpec) unversioned() []byte {
	type object = yaml.MapSlice
	groups := []object{}
	for _, g := range l.Groups {
		curve, schedule := []object{}, []object{}
		for _, p := range g.Curve {
			curve = append(curve, object{{Key: "level", Value: p.Level}, {Key: "watts", Value: p.Watts}})
		}
		for _, s := range g.Schedule {
			schedule = append(schedule, object{{Key: "level", Value: s.Level}, {Key: "hours", Value: s.Hours}})
		}
		groups = append(groups, object{{Key: "count", Value: g.Count}, {Key: "watts", Value: g.Watts}, {Key: "burning", Value: g.Burning},
			{Key: "standby_watts", Value: g.StandbyWatts}, {Key: "curve", Value: curve}, {Key: "schedule", Value: schedule}})
	}
	return written(object{
		{Key: "version", Value: l.Version}, {Key: "period", Value: l.Period}, {Key: "method", Value: l.Method},
		{Key: "approved_by", Value: l.ApprovedBy}, {Key: "evidence", Value: l.Evidence},
		{Key: "groups", Value: groups}, {Key: "hours", Value: l.Hours}, {Key: "fixed_hours", Value: l.FixedHours},
		{Key: "coef", Value: l.Coef}, {Key: "cdd_F", Value: l.CDD}, {Key: "hdd_F", Value: l.HDD}, {Key: "n", Value: l.N},
		{Key: "n_eff", Value: l.Effective}, {Key: "rmse_n_minus_p", Value: l.RMSE}, {Key: "XtX_inv", Value: l.Inverse},
		{Key: "cv_rmse", Value: l.CV}, {Key: "nmbe", Value: l.NMBE},
		{Key: "monthly", Value: l.Monthly}, {Key: "monthly_days", Value: l.MonthlyDays}, {Key: "relative", Value: l.Relative},
		{Key: "irrigation", Value: object{{Key: "a", Value: l.Irrigation.A}, {Key: "b", Value: l.Irrigation.B}, {Key: "area", Value: l.Irrigation.Area}}},
	})
}

// unversionedAdjustments is the form before b1 of a list of adjustments.
func unversionedAdjustments(list []Adjustment) []byte {
	items := []yaml.MapSlice{}
	for _, a := range list {
		items = append(items, yaml.MapSlice{{Key: "from", Value: a.From}, {Key: "to", Value: a.To}, {Key: "per_day", Value: a.PerDay},
			{Key: "kwh_per_day", Value: a.KWh}, {Key: "why", Value: a.Why}, {Key: "doc", Value: a.Doc}})
	}
	return written(items)
}

// written is the YAML of plain values, nil where it cannot be written; a hash
// of that is nobody's.
func written(v any) []byte {
	text, err := yaml.Marshal(v)
	if err != nil {
		return nil
	}
	return text
}
