package javascript

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strconv"

	"github.com/dop251/goja"
)

// Bounds of one result. A decoder's result has some tens of values; one with a
// day's history has some thousands.
const (
	maxValues = 1 << 17 // values, and elements of one array
	maxText   = 8 << 20 // UTF-16 units of text, names included
	maxDepth  = 64
)

var (
	errValues = fmt.Errorf("returned more than %d values, or an array with a higher index", maxValues)
	errText   = fmt.Errorf("returned more than %d Mi characters", maxText>>20)
	errBigInt = errors.New("returned a BigInt of more than 1023 bits")
	errDepth  = fmt.Errorf("returned objects nested deeper than %d", maxDepth)
	object    = reflect.TypeFor[map[string]any]()
)

// taking counts what it takes out of the machine before it allocates it: a
// sparse array costs the machine nothing, but Go 16 bytes an element.
type taking struct{ values, text int }

func (t *taking) value(v goja.Value, depth int) (any, error) {
	if t.values++; t.values > maxValues {
		return nil, errValues
	}
	if text, ok := v.(goja.String); ok {
		if t.text += text.Length(); t.text > maxText {
			return nil, errText
		}
	}
	o, ok := v.(*goja.Object)
	if !ok {
		if v == nil {
			return nil, nil
		}
		return told64(v.Export())
	}
	if depth >= maxDepth {
		return nil, errDepth
	}
	switch class := o.ClassName(); {
	case class == "Array":
		return t.array(o, depth)
	case class == "Map", class == "Set":
		return map[string]any{}, nil // as JSON has them
	case o.ExportType() == object:
		taken := map[string]any{}
		for _, name := range o.Keys() {
			if t.text += len(name); t.text > maxText {
				return nil, errText
			}
			value, err := t.value(o.Get(name), depth+1)
			if err != nil {
				return nil, err
			}
			taken[name] = value
		}
		return taken, nil
	}
	return o.Export(), nil
}

// told64 makes a number of a BigInt: exactly up to 64 bits, which no register
// passes, and to 15 digits beyond.
func told64(v any) (any, error) {
	b, ok := v.(*big.Int)
	switch {
	case !ok:
		return v, nil
	case b.IsInt64():
		return b.Int64(), nil
	case b.BitLen() > 1023:
		return nil, errBigInt
	}
	f, _ := new(big.Float).SetInt(b).Float64()
	return f, nil
}

func (t *taking) array(o *goja.Object, depth int) (any, error) {
	n := o.Get("length").ToInteger()
	if n > int64(maxValues-t.values) {
		return nil, errValues
	}
	taken := make([]any, n)
	for i := range taken {
		value, err := t.value(o.Get(strconv.Itoa(i)), depth+1)
		if err != nil {
			return nil, err
		}
		taken[i] = value
	}
	return taken, nil
}

// thrown holds what a decoder threw, as text.
type thrown struct{ text string }

func (t *thrown) Error() string { return "threw " + t.text }

// told turns what a decoder threw into text while the limits still hold: the
// value's own toString may run code that does not end.
func told(vm *goja.Runtime, err error) error {
	if err == nil {
		return nil
	}
	var exception *goja.Exception
	if errors.As(err, new(*goja.StackOverflowError)) || !errors.As(err, &exception) {
		return err
	}
	text := "a value that cannot be told as text"
	if failed := vm.Try(func() { text = fmt.Sprintf("%.200s", exception.Value().String()) }); failed != nil {
		if errors.As(failed, new(*goja.Exception)) {
			return &thrown{text}
		}
		return failed
	}
	return &thrown{text}
}
