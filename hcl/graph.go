package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A vertex is something that expressions can refer to and that refers to
// others itself: a variable, a local value, an acl or a policy.
type vertex struct {
	ref  ref
	at   hcl.Range
	refs []ref
}

// vertices returns the graph of what refers to what.
func (l *loader) vertices() map[ref]*vertex {
	m := &l.module
	g := map[ref]*vertex{}
	for name, b := range m.variables {
		r := ref{"var", name}
		g[r] = &vertex{ref: r, at: b.def}
	}
	for _, name := range sortedKeys(m.locals) {
		r, attr := ref{"local", name}, m.locals[name]
		g[r] = &vertex{ref: r, at: attr.NameRange, refs: l.references(attr.Expr.Variables(), 0)}
	}
	for kind, all := range map[string]map[string]*block{"acl": m.acls, "policy": m.policies} {
		for _, name := range sortedKeys(all) {
			r, b := ref{kind, name}, all[name]
			g[r] = &vertex{ref: r, at: b.def, refs: l.repeatedReferences(b, 0)}
		}
	}
	return g
}

// repeatedReferences checks the references of a block that may have for_each.
// Loops is the number of blocks with for_each around it.
func (l *loader) repeatedReferences(b *block, loops int) []ref {
	if attr := b.attr("for_each"); attr != nil {
		// The block's own each does not exist yet where for_each is evaluated.
		l.references(attr.Expr.Variables(), loops)
		loops++
	}
	return l.references(b.refs(), loops)
}

// order returns the vertices that start refers to, directly or not, each after
// what it refers to itself. Nil starts everywhere. A cycle is an error that
// names it; its members are marked as unknown and left out.
func (l *loader) order(g map[ref]*vertex, start []ref) []*vertex {
	if start == nil {
		for _, kind := range []string{"var", "local", "acl", "policy"} {
			for _, name := range l.declared(kind) {
				start = append(start, ref{kind, name})
			}
		}
	}
	const (
		untouched = iota
		open
		done
	)
	state := map[ref]int{}
	var path []ref
	var ordered []*vertex
	var visit func(r ref)
	visit = func(r ref) {
		v := g[r]
		if v == nil || state[r] == done {
			return
		}
		if state[r] == open {
			l.cycle(g, path, r)
			return
		}
		state[r] = open
		path = append(path, r)
		for _, next := range v.refs {
			visit(next)
		}
		path = path[:len(path)-1]
		state[r] = done
		if !l.unknownRefs[r] {
			ordered = append(ordered, v)
		}
	}
	for _, r := range start {
		visit(r)
	}
	return ordered
}

// cycle reports the references from the last occurrence of r in path back to r.
func (l *loader) cycle(g map[ref]*vertex, path []ref, r ref) {
	i := len(path) - 1
	for path[i] != r {
		i--
	}
	var names []string
	for _, p := range path[i:] {
		l.unknownRefs[p] = true
		names = append(names, p.String())
	}
	names = append(names, r.String())
	var where []string
	for _, p := range path[i:] {
		where = append(where, p.String()+" at "+place(g[p].at))
	}
	l.errorf(g[r].at, "Reference cycle", "These refer to each other, so that none can be evaluated first: %s (%s). Take one of the references out.",
		strings.Join(names, " → "), strings.Join(where, ", "))
}

// evaluate gives every vertex its value.
func (l *loader) evaluate(ordered []*vertex) {
	for _, v := range ordered {
		ctx := l.context(v.refs)
		switch v.ref.kind {
		case "var":
			l.values[v.ref] = l.variable(l.module.variables[v.ref.name])
		case "local":
			val, diags := l.module.locals[v.ref.name].Expr.Value(ctx)
			l.evaluated(diags)
			if diags.HasErrors() {
				val = cty.DynamicVal
			}
			l.values[v.ref] = val
		case "acl":
			l.values[v.ref] = l.aclBlock(l.module.acls[v.ref.name], ctx)
		case "policy":
			l.values[v.ref] = l.policyBlock(l.module.policies[v.ref.name], ctx)
		}
	}
}

// context returns what an expression sees that refers to refs. Without refs
// it is everything.
func (l *loader) context(refs []ref) *hcl.EvalContext {
	objects := map[string]map[string]cty.Value{}
	for _, kind := range rootWords {
		objects[kind] = map[string]cty.Value{}
	}
	set := func(r ref) {
		if v, ok := l.values[r]; ok {
			objects[r.kind][r.name] = v
		} else {
			objects[r.kind][r.name] = cty.DynamicVal
		}
	}
	for _, r := range refs {
		set(r)
	}
	for r := range l.unknownRefs {
		objects[r.kind][r.name] = cty.DynamicVal
	}
	ctx := &hcl.EvalContext{Functions: l.functions, Variables: map[string]cty.Value{}}
	for kind, attrs := range objects {
		ctx.Variables[kind] = cty.ObjectVal(attrs)
	}
	for root := range l.unknownRoots {
		ctx.Variables[root] = cty.DynamicVal
	}
	// A block with for_each has an each of its own in front of this one; where
	// there is none the reference has been reported.
	ctx.Variables["each"] = cty.DynamicVal
	return ctx
}

// everything lists all that can be referred to, for context.
func (l *loader) everything() []ref {
	var all []ref
	for _, kind := range []string{"var", "local", "acl", "policy", "ensemble"} {
		for _, name := range l.declared(kind) {
			all = append(all, ref{kind, name})
		}
	}
	if len(l.module.ensembles) == 0 {
		all = append(all, ref{"ensemble", defaultEnsemble})
	}
	return all
}
