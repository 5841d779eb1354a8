package javascript

import (
	"reflect"
	"slices"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/token"
)

// Network servers run each call in a new machine. That costs 50 times as much as
// the call, so a machine is kept where the decoder leaves nothing behind in it,
// or where what it leaves behind can be seen and taken back:
//
//   - a global variable that a function assigns gets back its value, or goes;
//   - where a function assigns a member of what it may not have made itself, the
//     object goes through a barrier, which knows the objects that global variables
//     hold; a machine in which one of them was written to is not used again.
//     o.a[i] = v becomes written(o.a)[i] = v when the text is compiled. Comparing
//     all tables with what they were, after each call, took six times as long as
//     the call;
//   - where a change goes by a way the text does not show, they are compared;
//   - where a function may change what cannot be seen (a prototype, a function's
//     own properties, variables that closures share), each call has a new machine.
//
// keeping tells from a program's text whether its calls can share a machine. Where that is
// not certain it says that they cannot.
type keeping struct {
	anew     bool            // each call has a new machine
	assigned map[string]bool // global variables that functions assign
	compare  bool            // functions may change objects they have not made, past the barrier
	declared map[string]bool // variables of the top level; true: a function or a class

	roots   map[string]bool // global variables whose members functions assign
	scopes  []*scope        // the functions around the node at hand
	class   int             // depth of classes around it
	statics bool            // a class has static members
	callees map[*ast.DotExpression]bool
	this    bool // members of this are assigned in a class
}

type scope struct {
	names map[string]bool // variables of the function; true: they only ever hold what it made itself
}

// barrier is the name of the function that objects go through. No program can
// name it.
const barrier = "an object is written to"

// guarded is e through the barrier.
func guarded(e ast.Expression) ast.Expression {
	switch e := e.(type) {
	case *ast.CallExpression:
		if id, ok := e.Callee.(*ast.Identifier); ok && id.Name == barrier {
			return e
		}
	case *ast.SuperExpression:
		return nil
	case *ast.Optional: // a?.push(1)
		if inner := guarded(e.Expression); inner != nil {
			return &ast.Optional{Expression: inner}
		}
		return nil
	}
	at := e.Idx0()
	return &ast.CallExpression{Callee: &ast.Identifier{Name: barrier, Idx: at}, LeftParenthesis: at, ArgumentList: []ast.Expression{e}, RightParenthesis: at}
}

// guard puts an object whose members a function changes behind the barrier,
// unless the function has made it.
func (k *keeping) guard(object *ast.Expression) {
	if id, ok := (*object).(*ast.Identifier); ok {
		if i := k.owner(id.Name.String()); i >= 0 && k.scopes[i].fresh(id.Name.String()) {
			return
		}
	}
	if made(*object) {
		return
	}
	if _, direct := (*object).(*ast.Optional); !direct && optional(*object) {
		k.compare = true // a?.b.push(1): what ends the chain cannot stand in an argument
		return
	}
	if g := guarded(*object); g != nil {
		*object = g
	} else {
		k.anew = true
	}
}

// keptBy reads a program's text, and puts the barrier into it.
func keptBy(program *ast.Program) *keeping {
	k := &keeping{assigned: map[string]bool{}, declared: map[string]bool{}, roots: map[string]bool{}, callees: map[*ast.DotExpression]bool{}}
	top := &scope{names: k.declared}
	for _, s := range program.Body {
		declare(reflect.ValueOf(s), top)
	}
	for name := range k.declared {
		k.declared[name] = false
	}
	for _, s := range program.Body {
		switch s := s.(type) {
		case *ast.FunctionDeclaration:
			k.declared[s.Function.Name.Name.String()] = true
		case *ast.ClassDeclaration:
			k.declared[s.Class.Name.Name.String()] = true
		}
		k.visit(reflect.ValueOf(s))
	}
	for name := range k.roots {
		function, declared := k.declared[name]
		k.anew = k.anew || function || !declared && !k.assigned[name]
	}
	k.anew = k.anew || k.this && k.statics
	return k
}

// declare enters the names that are declared below a node, but not in functions
// inside it.
func declare(v reflect.Value, s *scope) {
	walk(v, func(n any) bool {
		switch n := n.(type) {
		case *ast.FunctionDeclaration:
			s.names[n.Function.Name.Name.String()] = false
			return false
		case *ast.ClassDeclaration:
			s.names[n.Class.Name.Name.String()] = false
			return false
		case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral, *ast.ClassLiteral:
			return false
		case *ast.Binding:
			bind(n.Target, s, made(n.Initializer))
		case *ast.CatchStatement:
			bind(n.Parameter, s, false)
		case *ast.ForDeclaration:
			bind(n.Target, s, false)
		case *ast.ForIntoVar:
			bind(n.Binding.Target, s, false)
			return false
		case *ast.AssignExpression:
			if id, ok := n.Left.(*ast.Identifier); ok && n.Operator == token.ASSIGN && !made(n.Right) {
				s.taint(id.Name.String())
			}
		}
		return true
	})
}

// taint says that a name holds something else than what the function made, too.
func (s *scope) taint(name string) { s.names["="+name] = true }

func (s *scope) fresh(name string) bool { return s.names[name] && !s.names["="+name] }

// assignedInside taints what the function, or one inside it, assigns something
// that it may not have made.
func (s *scope) assignedInside(v reflect.Value) {
	assigned := func(target any) {
		names := &scope{names: map[string]bool{}}
		bind(target, names, false)
		for name := range names.names {
			s.taint(name)
		}
	}
	walk(v, func(n any) bool {
		switch n := n.(type) {
		case *ast.AssignExpression:
			if !made(n.Right) {
				assigned(n.Left)
			} else if _, ok := n.Left.(*ast.Identifier); !ok {
				assigned(n.Left)
			}
		case *ast.ForIntoExpression:
			assigned(n.Expression)
		}
		return true
	})
}

// bind enters the names of a declaration.
func bind(target any, s *scope, fresh bool) {
	switch t := target.(type) {
	case *ast.Identifier:
		name := t.Name.String()
		if was, there := s.names[name]; there && !(was && fresh) {
			s.taint(name)
		}
		s.names[name] = fresh
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				bind(&p.Name, s, false)
			case *ast.PropertyKeyed:
				bind(p.Value, s, false)
			}
		}
		bind(t.Rest, s, false)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			bind(e, s, false)
		}
		bind(t.Rest, s, false)
	case *ast.AssignExpression:
		bind(t.Left, s, false)
	case *ast.Binding:
		bind(t.Target, s, false)
	}
}

// made reports whether an expression makes a new object each time; none at all
// (var x;) makes none that could be changed.
func made(e ast.Expression) bool {
	switch e.(type) {
	case nil, *ast.ObjectLiteral, *ast.ArrayLiteral, *ast.NumberLiteral, *ast.StringLiteral, *ast.BooleanLiteral, *ast.NullLiteral, *ast.BinaryExpression:
		if b, ok := e.(*ast.BinaryExpression); ok {
			return b.Operator != token.LOGICAL_AND && b.Operator != token.LOGICAL_OR && b.Operator != token.COALESCE
		}
		return true
	}
	return false
}

// changing are methods that change what they are called on; the others name
// ways to change objects without an assignment.
var (
	changingArgument = []string{"assign", "freeze", "seal", "preventExtensions"}

	changing = []string{"push", "pop", "shift", "unshift", "splice", "sort", "reverse", "fill", "copyWithin"}
	unseen   = []string{"__proto__", "constructor", "setPrototypeOf", "getPrototypeOf", "defineProperty", "defineProperties", "__defineGetter__", "__defineSetter__", "lookupGetter__"}
)

func (k *keeping) visit(v reflect.Value) {
	inside := len(k.scopes) > 0
	walk(v, func(n any) bool {
		switch n := n.(type) {
		case *ast.FunctionLiteral:
			k.function(n.ParameterList, n.Body)
			return false
		case *ast.ArrowFunctionLiteral:
			k.function(n.ParameterList, n.Body)
			return false
		case *ast.ClassLiteral:
			k.class++
			k.visit(reflect.ValueOf(n.SuperClass))
			for _, e := range n.Body {
				switch e := e.(type) {
				case *ast.MethodDefinition:
					k.statics = k.statics || e.Static
				case *ast.FieldDefinition:
					k.statics = k.statics || e.Static
				case *ast.ClassStaticBlock:
					k.anew = true
				}
				k.visit(reflect.ValueOf(e))
			}
			k.class--
			return false
		case *ast.WithStatement:
			k.anew = true
		case *ast.AssignExpression:
			k.target(n.Left)
		case *ast.UnaryExpression:
			if n.Operator == token.INCREMENT || n.Operator == token.DECREMENT || n.Operator == token.DELETE {
				k.target(n.Operand)
			}
		case *ast.ForIntoExpression:
			k.target(n.Expression)
		case *ast.Identifier:
			switch name := n.Name.String(); {
			case k.owner(name) >= 0:
			case !inside && (name == "Date" || name == "Math"): // a call at the top level takes the time or chance of one message
				k.anew = true
			case inside && (name == "globalThis" || name == "Reflect" || name == "Proxy"):
				k.anew = true
			}
		case *ast.StringLiteral: // o["__proto__"]
			if name := n.Value.String(); inside && (name == "prototype" || slices.Contains(unseen, name)) {
				k.anew = true
			}
		case *ast.DotExpression:
			name := n.Identifier.Name.String()
			if inside && slices.Contains(changing, name) && !k.callees[n] {
				k.compare = true // var add = list.push
			}
			if inside && slices.Contains(unseen, name) || inside && name == "prototype" {
				k.anew = true
			}
			if inner, ok := n.Left.(*ast.DotExpression); ok && inner.Identifier.Name == "prototype" { // Array.prototype.slice, to be called
				k.visit(reflect.ValueOf(inner.Left))
				return false
			}
			k.visit(reflect.ValueOf(n.Left))
			return false
		case *ast.CallExpression:
			k.called(n.Callee, n.ArgumentList)
		case *ast.NewExpression:
			k.called(n.Callee, n.ArgumentList)
		}
		return true
	})
}

// called looks at a call: at the top level, one of the program's own functions
// may leave variables behind that only closures see.
func (k *keeping) called(callee ast.Expression, arguments []ast.Expression) {
	member, _ := callee.(*ast.DotExpression)
	if member != nil {
		k.callees[member] = true
		if of, ok := member.Left.(*ast.DotExpression); ok { // [].push.apply
			k.callees[of] = true
		}
	}
	if len(k.scopes) == 0 {
		switch root := rootOf(callee).(type) {
		case *ast.Identifier:
			_, own := k.declared[root.Name.String()]
			k.anew = k.anew || own && member == nil || own && !slices.Contains([]string{"map", "forEach", "reduce", "filter", "concat", "join", "slice"}, member.Identifier.Name.String())
		case *ast.ArrayLiteral, *ast.ObjectLiteral, *ast.StringLiteral:
		default:
			k.anew = true
		}
		return
	}
	if computed, ok := callee.(*ast.BracketExpression); ok { // list["push"](1)
		if name, ok := computed.Member.(*ast.StringLiteral); !ok || slices.Contains(changing, name.Value.String()) {
			k.changed(computed.Left, true)
			k.guard(&computed.Left)
		}
	}
	if member == nil {
		return
	}
	switch name := member.Identifier.Name.String(); {
	case slices.Contains(changing, name):
		k.changed(member.Left, true)
		k.guard(&member.Left)
	case name == "call" || name == "apply" || name == "bind": // [].push.apply(list, more)
		if of, ok := member.Left.(*ast.DotExpression); ok && slices.Contains(changing, of.Identifier.Name.String()) && len(arguments) > 0 {
			k.changed(arguments[0], true)
			k.guard(&arguments[0])
		}
	case slices.Contains(changingArgument, name) && len(arguments) > 0:
		if !made(arguments[0]) {
			k.changed(arguments[0], true)
			k.guard(&arguments[0])
		}
	}
}

func (k *keeping) function(parameters *ast.ParameterList, body any) {
	s := &scope{names: map[string]bool{"arguments": false}}
	for _, p := range parameters.List {
		bind(p.Target, s, false)
	}
	bind(parameters.Rest, s, false)
	declare(reflect.ValueOf(body), s)
	s.assignedInside(reflect.ValueOf(parameters))
	s.assignedInside(reflect.ValueOf(body))
	k.scopes = append(k.scopes, s)
	k.visit(reflect.ValueOf(parameters))
	k.visit(reflect.ValueOf(body))
	k.scopes = k.scopes[:len(k.scopes)-1]
}

// owner is the innermost function around that declares a name; -1 if none does.
func (k *keeping) owner(name string) int {
	for i := len(k.scopes) - 1; i >= 0; i-- {
		if _, ok := k.scopes[i].names[name]; ok {
			return i
		}
	}
	return -1
}

// target returns what is assigned. At the top level it is the same at every start.
func (k *keeping) target(e any) {
	if len(k.scopes) == 0 {
		if id, ok := e.(*ast.Identifier); ok && k.class == 0 {
			if _, declared := k.declared[id.Name.String()]; !declared {
				k.declared[id.Name.String()] = false
			}
		}
		return
	}
	switch t := e.(type) {
	case *ast.Identifier:
		if i := k.owner(t.Name.String()); i < 0 {
			k.assigned[t.Name.String()] = true
		} else if i < len(k.scopes)-1 {
			k.scopes[i].taint(t.Name.String()) // seen before by assignedInside
		}
	case *ast.DotExpression:
		k.changed(t.Left, false)
		k.guard(&t.Left)
		if t.Identifier.Name == "prototype" {
			k.anew = true
		}
	case *ast.BracketExpression:
		k.changed(t.Left, false)
		k.guard(&t.Left)
	case *ast.PrivateDotExpression:
		k.changed(t.Left, false)
		k.guard(&t.Left)
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				k.target(&p.Name)
			case *ast.PropertyKeyed:
				k.target(p.Value)
			}
		}
		k.target(t.Rest)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			k.target(e)
		}
		k.target(t.Rest)
	case *ast.AssignExpression:
		k.target(t.Left)
	case *ast.OptionalChain: // delete a?.b
		k.compare = true
	}
}

// changed is an object of which a member is assigned, or which a method changes.
func (k *keeping) changed(object ast.Expression, method bool) {
	if id, ok := object.(*ast.Identifier); ok {
		if i := k.owner(id.Name.String()); i >= 0 && k.scopes[i].fresh(id.Name.String()) {
			return
		}
	}
	if method {
		if d, ok := object.(*ast.DotExpression); ok && d.Left != nil {
			if inner, ok := d.Left.(*ast.DotExpression); ok && inner.Identifier.Name == "prototype" {
				return // Array.prototype.slice.call
			}
		}
	}
	switch root := rootOf(object).(type) {
	case *ast.Identifier:
		if name := root.Name.String(); k.owner(name) < 0 {
			if function := k.declared[name]; !method || !function { // f.call(...) changes no f
				k.roots[name] = true
			}
			if method && !k.assigned[name] {
				if _, declared := k.declared[name]; !declared {
					delete(k.roots, name) // Math.max.apply
				}
			}
		}
	case *ast.ThisExpression: // the barrier knows the global object
		k.this = true
	}
	for e := object; e != nil; {
		switch d := e.(type) {
		case *ast.DotExpression:
			if d.Identifier.Name == "prototype" {
				k.anew = k.anew || !method
			}
			e = d.Left
		case *ast.BracketExpression:
			e = d.Left
		default:
			e = nil
		}
	}
}

// leftOf returns the object of a member or call: a.b of a.b[c]; nil of anything else.
func leftOf(e ast.Expression) ast.Expression {
	switch d := e.(type) {
	case *ast.DotExpression:
		return d.Left
	case *ast.BracketExpression:
		return d.Left
	case *ast.PrivateDotExpression:
		return d.Left
	case *ast.CallExpression:
		return d.Callee
	}
	return nil
}

// optional reports whether a?.b stands in the leftmost part of a.b[c].d().
func optional(e ast.Expression) bool {
	for left := leftOf(e); left != nil; left = leftOf(e) {
		e = left
	}
	_, is := e.(*ast.Optional)
	return is
}

// rootOf is the leftmost part of a.b[c].d().
func rootOf(e ast.Expression) ast.Expression {
	for {
		left := leftOf(e)
		switch d := e.(type) {
		case *ast.OptionalChain:
			left = d.Expression
		case *ast.Optional:
			left = d.Expression
		}
		if left == nil {
			return e
		}
		e = left
	}
}

// walk calls f with each node below v, and v; it goes no further below a node
// for which f returns false.
func walk(v reflect.Value, f func(any) bool) {
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			walk(v.Elem(), f)
		}
	case reflect.Pointer:
		if v.IsNil() || v.Type().Elem().PkgPath() != nodes || v.Elem().Kind() != reflect.Struct {
			return
		}
		if f(v.Interface()) {
			walk(v.Elem(), f)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != nodes {
			return
		}
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name == "DeclarationList" || name == "Identifier" || name == "Key" && !computed(v) {
				continue // repeats what is there; the name of a member
			}
			walk(v.Field(i), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), f)
		}
	}
}

func computed(v reflect.Value) bool {
	c := v.FieldByName("Computed")
	return c.IsValid() && c.Bool()
}

var nodes = reflect.TypeFor[ast.Identifier]().PkgPath()

// kept holds what a machine held after the top level had run.
type kept struct {
	anew    bool
	globals []global
	objects []held                // those that are compared
	behind  map[*goja.Object]bool // all that were there: the barrier's
	written bool                  // to one of them
}

type global struct {
	name  string
	value goja.Value // nil: it is not there
}

// held is an object a global variable holds, with its members.
type held struct {
	object *goja.Object
	array  bool
	names  []string
	values []goja.Value
}

// maxHeld sets how many members are compared; above that, a new machine is cheaper.
const maxHeld = 4096

// remember looks at a machine after its top level has run.
func (k *keeping) remember(vm *goja.Runtime) *kept {
	m := &kept{anew: k.anew}
	if m.anew {
		return m
	}
	m.behind = map[*goja.Object]bool{vm.GlobalObject(): true}
	for _, name := range []string{"console", "Math", "JSON", "Object", "Array", "String", "Number", "Date", "Buffer"} {
		if o, ok := vm.Get(name).(*goja.Object); ok {
			m.behind[o] = true
		}
	}
	for name := range k.assigned {
		m.globals = append(m.globals, global{name, vm.Get(name)})
	}
	seen, members := map[*goja.Object]bool{}, 0
	plain := vm.NewObject().Prototype()
	var look func(v goja.Value)
	look = func(v goja.Value) {
		o, ok := v.(*goja.Object)
		if !ok || seen[o] || m.anew {
			return
		}
		seen[o], m.behind[o] = true, true
		h := held{object: o}
		switch class := o.ClassName(); {
		case class == "Array":
			h.array = true
		case class == "Object" && (o.Prototype() == plain || o.Prototype() == nil), class == "Function":
		case class == "RegExp":
			m.objects = append(m.objects, held{object: o, names: []string{"lastIndex"}, values: []goja.Value{o.Get("lastIndex")}})
			return
		default: // a Map, a Date, an instance of a class: its inside is not seen
			m.anew = true
			return
		}
		h.names = o.Keys()
		if members += len(h.names); members > maxHeld {
			m.anew = true
			return
		}
		for _, name := range h.names {
			value := o.Get(name)
			h.values = append(h.values, value)
			look(value)
		}
		if k.compare && (len(h.names) > 0 || h.object.ClassName() != "Function") {
			m.objects = append(m.objects, h)
		}
	}
	for name := range k.declared {
		if name[0] != '=' {
			look(vm.Get(name))
		}
	}
	for _, name := range []string{"exports", "module"} {
		look(vm.Get(name))
	}
	return m
}

// plain reports whether a call has left nothing that restore would look at.
func (m *kept) plain() bool {
	return !m.anew && !m.written && len(m.objects) == 0 && len(m.globals) == 0
}

// restore takes back what a call left behind. It reports whether the machine may
// be used again.
func (m *kept) restore(vm *goja.Runtime) bool {
	if m.anew || m.written {
		return false
	}
	for _, h := range m.objects {
		if !h.same() {
			return false
		}
	}
	for _, g := range m.globals {
		if g.value == nil {
			vm.GlobalObject().Delete(g.name)
		} else if vm.Set(g.name, g.value) != nil {
			return false
		}
	}
	return true
}

func (h *held) same() bool {
	if h.names == nil && !h.array || len(h.names) != 1 || h.names[0] != "lastIndex" {
		if names := h.object.Keys(); !slices.Equal(names, h.names) {
			return false
		}
		if h.array && h.object.Get("length").ToInteger() < int64(len(h.names)) {
			return false
		}
	}
	for i, name := range h.names {
		v, was := h.object.Get(name), h.values[i]
		if v == nil || was == nil {
			if v != nil || was != nil {
				return false
			}
		} else if !v.SameAs(was) {
			return false
		}
	}
	return true
}
