package hcl

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// A Scope is what the expressions of a layout can refer to: its variables,
// local values, ACLs, policies and ensembles, and the functions. It may be used
// by one goroutine at a time.
type Scope struct{ l *loader }

// LoadScope reads what expressions in the layout of dir can refer to. What
// namespaces, locks and ensembles evaluate to does not matter. With errors the
// Scope is nil.
func LoadScope(dir string, o Options) (*Scope, Diagnostics) {
	l := newLoader(dir, o)
	files, values := l.parseAll()
	if len(files) == 0 {
		return nil, l.render()
	}
	l.gather(files)
	l.variableDecls()
	l.givenValues(values)
	l.ensembleValues()
	l.evaluate(l.order(l.vertices(), nil))
	l.validationReferences()
	l.root = l.context(l.everything())
	l.validations(l.root)
	diags := l.render()
	if l.errors > 0 {
		return nil, diags
	}
	// Eval reports about its own expression only.
	l.faults, l.syntax = faults{}, nil
	return &Scope{l}, diags
}

// consoleName is how diagnostics cite an expression that stands in no file.
const consoleName = "<console>"

// Eval evaluates one expression, such as "local.teams", and returns its value as
// an expression of the language. What is sensitive in it is shown as
// "(sensitive value)". With errors the result is "".
func (s *Scope) Eval(expression string) (string, Diagnostics) {
	l := *s.l
	l.faults = faults{told: map[hcl.Range]bool{}}
	l.syntax = map[*hcl.Diagnostic]bool{}
	l.unknownRefs, l.unknownRoots = map[ref]bool{}, map[string]bool{}
	l.sources = maps.Clone(l.sources)
	file := &hcl.File{Body: hcl.EmptyBody(), Bytes: []byte(expression)}
	l.sources[consoleName] = &source{name: consoleName, file: file}

	e, diags := hclsyntax.ParseExpression(file.Bytes, consoleName, hcl.InitialPos)
	for _, d := range diags {
		l.syntax[d] = true
		l.add(d)
	}
	if !diags.HasErrors() {
		l.references(e.Variables(), 0)
	}
	if l.errors > 0 {
		return "", l.render()
	}
	v, diags := e.Value(l.root)
	l.evaluated(diags)
	if l.errors > 0 {
		return "", l.render()
	}
	var b strings.Builder
	writeValue(&b, v, "")
	return b.String(), l.render()
}

// writeValue writes a value as an expression that gives it again, with one
// element or attribute on each line.
func writeValue(b *strings.Builder, v cty.Value, indent string) {
	if v.IsMarked() {
		b.WriteString("(sensitive value)")
		return
	}
	ty := v.Type()
	switch {
	case !v.IsKnown():
		b.WriteString("(unknown)")
	case v.IsNull():
		b.WriteString("null")
	case ty.IsPrimitiveType():
		b.Write(hclwrite.TokensForValue(v).Bytes())
	case ty.IsListType() || ty.IsTupleType() || ty.IsSetType():
		open, end := "[", "]"
		switch {
		case ty.IsListType():
			open, end = "tolist([", "])"
		case ty.IsSetType():
			open, end = "toset([", "])"
		}
		writeElements(b, v, indent, open, end, func(_, e cty.Value, inner string) { writeValue(b, e, inner) })
	case ty.IsMapType() || ty.IsObjectType():
		open, end := "{", "}"
		if ty.IsMapType() {
			open, end = "tomap({", "})"
		}
		writeElements(b, v, indent, open, end, func(k, e cty.Value, inner string) {
			writeKey(b, k.AsString(), ty.IsObjectType())
			b.WriteString(" = ")
			writeValue(b, e, inner)
		})
	default:
		b.WriteString("(" + ty.FriendlyName() + ")")
	}
}

func writeElements(b *strings.Builder, v cty.Value, indent, open, end string, one func(k, e cty.Value, inner string)) {
	b.WriteString(open)
	inner, n := indent+"  ", 0
	for it := v.ElementIterator(); it.Next(); n++ {
		k, e := it.Element()
		b.WriteString("\n" + inner)
		one(k, e, inner)
		if !v.Type().IsMapType() && !v.Type().IsObjectType() {
			b.WriteByte(',')
		}
	}
	if n > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// writeKey writes the name of an attribute, or the key of a map, which is text.
func writeKey(b *strings.Builder, key string, attribute bool) {
	if attribute && hclsyntax.ValidIdentifier(key) {
		b.WriteString(key)
		return
	}
	b.Write(hclwrite.TokensForValue(cty.StringVal(key)).Bytes())
}

// Names lists what an expression in the scope may begin with: the references,
// such as "var.env", and the functions with their parenthesis, such as "upper(",
// sorted.
func (s *Scope) Names() []string {
	var all []string
	for _, r := range s.l.everything() {
		all = append(all, r.String())
	}
	for name := range s.l.functions {
		all = append(all, name+"(")
	}
	slices.Sort(all)
	return all
}
