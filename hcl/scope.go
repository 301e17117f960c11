package hcl

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// A Scope evaluates expressions with the names and functions of a layout.
// It is not safe for use by several goroutines at once.
type Scope struct{ l *loader }

// OpenScope reads the layout of dir for evaluating expressions in it. What has
// a fault is unknown in the scope; the faults are in the diagnostics. The
// scope is never nil.
func OpenScope(dir string, o Options) (*Scope, Diagnostics) {
	l := newLoader(dir, o)
	files, values := l.parseAll()
	l.gather(files)
	l.variableDecls()
	l.givenValues(values)
	l.ensembleValues()
	l.evaluate(l.order(l.vertices(), nil))
	l.root = l.context(l.everything())
	return &Scope{l}, l.render()
}

// Evaluate returns the value of an expression as it would be written in the
// language. A sensitive value is shown as "(sensitive value)".
func (s *Scope) Evaluate(text string) (string, Diagnostics) {
	l := s.l
	l.faults = faults{told: map[hcl.Range]bool{}}
	const name = "<expression>"
	src := &source{name: name, file: &hcl.File{Bytes: []byte(text), Body: hcl.EmptyBody()}}
	l.sources[name] = src
	if at := tooDeep(src.file.Bytes); at > 0 {
		l.add(deepDiagnostic(src.file.Bytes, name, at)...)
		return "", l.render()
	}
	e, diags := hclsyntax.ParseExpression(src.file.Bytes, name, hcl.InitialPos)
	l.add(diags...)
	if diags.HasErrors() {
		return "", l.render()
	}
	before := l.errors
	l.references(e.Variables(), 0)
	if l.errors > before {
		return "", l.render()
	}
	v, diags := e.Value(l.root)
	l.evaluated(diags)
	if diags.HasErrors() {
		return "", l.render()
	}
	var b strings.Builder
	writeValue(&b, v, "")
	return b.String(), l.render()
}

// writeValue writes a value as an expression that has it.
func writeValue(b *strings.Builder, v cty.Value, indent string) {
	ty := v.Type()
	switch {
	case v.IsMarked():
		b.WriteString("(sensitive value)")
	case !v.IsKnown():
		b.WriteString("(unknown value)")
	case v.IsNull():
		b.WriteString("null")
	case ty == cty.String:
		writeString(b, v.AsString())
	case ty == cty.Number:
		b.WriteString(v.AsBigFloat().Text('f', -1))
	case ty == cty.Bool:
		fmt.Fprint(b, v.True())
	case ty.IsListType():
		writeElements(b, v, indent, "tolist([", "])")
	case ty.IsSetType():
		writeElements(b, v, indent, "toset([", "])")
	case ty.IsTupleType():
		writeElements(b, v, indent, "[", "]")
	case ty.IsMapType():
		writeElements(b, v, indent, "tomap({", "})")
	case ty.IsObjectType():
		writeElements(b, v, indent, "{", "}")
	default:
		b.WriteString("(" + ty.FriendlyName() + ")")
	}
}

// writeString quotes a text so that no template is found in it.
func writeString(b *strings.Builder, s string) {
	q := strconv.Quote(s)
	// What Go escapes and the language does not know is in hexadecimal.
	q = strings.NewReplacer(`\a`, `\u0007`, `\b`, `\u0008`, `\f`, `\u000c`, `\v`, `\u000b`, `\x`, `\u00`, `\\`, `\\`, `${`, `$${`, `%{`, `%%{`).Replace(q)
	b.WriteString(q)
}

func writeElements(b *strings.Builder, v cty.Value, indent, open, end string) {
	b.WriteString(open)
	named := v.Type().IsMapType() || v.Type().IsObjectType()
	n := 0
	for it := v.ElementIterator(); it.Next(); n++ {
		k, e := it.Element()
		b.WriteString("\n" + indent + "  ")
		if named {
			writeString(b, k.AsString())
			b.WriteString(" = ")
		}
		writeValue(b, e, indent+"  ")
		if !named {
			b.WriteString(",")
		}
	}
	if n > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(end)
}

// Names returns what an expression of the scope can begin with, such as
// "var.env", sorted, for completing words.
func (s *Scope) Names() []string {
	var names []string
	for _, r := range s.l.everything() {
		names = append(names, r.String())
	}
	for name := range s.l.functions {
		names = append(names, name+"(")
	}
	slices.Sort(names)
	return names
}
