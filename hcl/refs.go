package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A ref is what an expression refers to: "var", "local", "acl", "policy" or
// "ensemble", and a name.
type ref struct{ kind, name string }

// String returns the reference as it is written.
func (r ref) String() string { return r.kind + "." + r.name }

// rootWords are the names that an expression may begin with.
var rootWords = []string{"var", "local", "acl", "policy", "ensemble", "each"}

// references checks what expressions refer to, with one error for each that
// does not exist, and returns those that do, sorted. Loops is the number of
// blocks with for_each around the expressions.
//
// What does not exist is unknown from here on, so that the same fault is not
// told again by the evaluation, while other faults beside it are.
func (l *loader) references(travs []hcl.Traversal, loops int) []ref {
	found := map[ref]bool{}
	for _, t := range travs {
		if r, ok := l.reference(t, loops); ok {
			found[r] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b ref) int { return strings.Compare(a.String(), b.String()) })
}

func (l *loader) reference(t hcl.Traversal, loops int) (ref, bool) {
	root := t.RootName()
	if root == "each" {
		l.eachReference(t, loops)
		return ref{}, false
	}
	if !slices.Contains(rootWords, root) {
		l.unknownRoots[root] = true
		switch root {
		case "count", "module":
			l.errorf(t.SourceRange(), root+" is not supported, use for_each", "The word is reserved. %s", foreign[root])
		default:
			detail := "An expression refers to " + enumerate(rootWords, "or") + ", such as var.name; text stands in quotes."
			if s := suggest(root, rootWords); s != "" {
				detail += s
			}
			l.errorf(t.SourceRange(), "Invalid reference", "There is nothing with the name %q. %s", root, detail)
		}
		return ref{}, false
	}
	if len(t) < 2 {
		l.unknownRoots[root] = true
		l.errorf(t.SourceRange(), "Invalid reference", "%q alone is not a value. Write the name of one, such as %s.name.", root, root)
		return ref{}, false
	}
	step, ok := t[1].(hcl.TraverseAttr)
	if !ok {
		l.unknownRoots[root] = true
		l.errorf(t.SourceRange(), "Invalid reference", "%q cannot be indexed. Write the name of one, such as %s.name; a local map can be indexed: local.name[key].", root, root)
		return ref{}, false
	}
	r := ref{root, step.Name}
	if l.exists(r) {
		return r, true
	}
	names := l.declared(root)
	l.unknownRefs[r] = true
	at := hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange())
	l.errorf(at, undeclaredReference+nounOf[root], "No %s is named %q.%s Declare it: %s.", nounOf[root], r.name, suggest(r.name, names), example(r))
	return ref{}, false
}

var nounOf = map[string]string{
	"var": "variable", "local": "local value", "acl": "acl", "policy": "policy", "ensemble": "ensemble",
}

func example(r ref) string {
	switch r.kind {
	case "var":
		return `variable "` + r.name + `" { type = … }`
	case "local":
		return "locals { " + r.name + " = … }"
	}
	return r.kind + ` "` + r.name + `" { … }`
}

// exists reports whether there is what r names.
func (l *loader) exists(r ref) bool {
	m := &l.module
	ok := false
	switch r.kind {
	case "var":
		_, ok = m.variables[r.name]
	case "local":
		_, ok = m.locals[r.name]
	case "acl":
		_, ok = m.acls[r.name]
		ok = ok || r.name == "open" || r.name == "read_only"
	case "policy":
		_, ok = m.policies[r.name]
	case "ensemble":
		_, ok = m.ensembles[r.name]
		ok = ok || len(m.ensembles) == 0 && r.name == defaultEnsemble
	}
	return ok
}

// declared returns the names of a kind, for suggestions.
func (l *loader) declared(kind string) []string {
	switch kind {
	case "var":
		return sortedKeys(l.module.variables)
	case "local":
		return sortedKeys(l.module.locals)
	case "acl":
		return append(sortedKeys(l.module.acls), "open", "read_only")
	case "policy":
		return sortedKeys(l.module.policies)
	}
	return sortedKeys(l.module.ensembles)
}

// eachReference checks a reference to each: how many each.parent there are.
func (l *loader) eachReference(t hcl.Traversal, loops int) {
	if loops == 0 {
		l.errorf(t.SourceRange(), "Invalid reference to each", "Only a block with for_each, and what is inside of it, has each. Add for_each to the block, or write the value.")
		return
	}
	if len(t) == 1 {
		return
	}
	depth := 0
	for _, s := range t[1:] {
		step, ok := s.(hcl.TraverseAttr)
		if !ok {
			return
		}
		switch step.Name {
		case "key", "value":
			return
		case "parent":
			if depth++; depth >= loops {
				l.errorf(t.SourceRange(), "Invalid reference to each", "There is no enclosing block with for_each here that each.parent could be of. Use each.key or each.value.")
				return
			}
		default:
			l.told[s.SourceRange()] = true
			l.errorf(t.SourceRange(), "Invalid reference to each", "each has key, value and parent; %q is none of them.%s", step.Name, suggest(step.Name, []string{"key", "value", "parent"}))
			return
		}
	}
}

// eachObject returns the value of each. Where there is no parent its attribute
// is unknown: reference has said so already.
func eachObject(key, val, parent cty.Value) cty.Value {
	if parent == cty.NilVal {
		parent = cty.DynamicVal
	}
	return cty.ObjectVal(map[string]cty.Value{"key": key, "value": val, "parent": parent})
}

func validName(s string) bool { return hclsyntax.ValidIdentifier(s) && isASCII(s) }

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
