package hcl

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// given is a value of a variable from outside of the configuration: an
// attribute of a variable file, or text of a flag or the environment.
type given struct {
	from string // for diagnostics: "-var", "lockform.vars.hcl line 3", …
	expr hcl.Expression
	text *string
	at   *hcl.Range // nil for text
}

// givenValues collects the values of variables, later ones over earlier ones.
func (l *loader) givenValues(files []string) {
	for name := range l.module.variables {
		if text, ok := l.env["LOCKFORM_VAR_"+name]; ok {
			l.given[name] = &given{from: "the environment variable LOCKFORM_VAR_" + name, text: &text}
		}
	}
	for _, f := range files {
		l.variableFile(l.join(f), f)
	}
	for _, v := range l.o.Vars {
		if v.File != "" {
			l.variableFile(v.File, l.display(v.File))
			continue
		}
		if !l.exists(ref{"var", v.Name}) {
			if !l.partial {
				l.errorAt(nil, undeclaredValue, "-var sets %q, and the layout declares no variable of that name.%s Correct the name, or declare it: %s.",
					v.Name, suggest(v.Name, l.declared("var")), example(ref{"var", v.Name}))
			}
			continue
		}
		l.given[v.Name] = &given{from: "-var", text: &v.Value}
	}
}

// variableFile reads a file of values: JSON where its name ends in .json, else
// native syntax.
func (l *loader) variableFile(path, name string) {
	s := l.read(path, name, true)
	if s == nil {
		return
	}
	attrs, diags := s.file.Body.JustAttributes()
	for _, d := range diags {
		if strings.HasPrefix(d.Summary, "Unexpected") {
			d.Detail = "A variable file holds only lines such as name = value. Declare the variable in a *.hcl file of the layout, and give its value here."
		}
		d.Detail = hideQuotedIf(s.broken, d.Detail)
		l.add(d)
	}
	for _, n := range sortedKeys(attrs) {
		attr := attrs[n]
		if !l.exists(ref{"var", n}) {
			if !l.partial {
				l.warnf(attr.NameRange, undeclaredValue, "The layout declares no variable named %q.%s Remove this line, or declare it: %s.",
					n, suggest(n, l.declared("var")), example(ref{"var", n}))
			}
			continue
		}
		l.given[n] = &given{from: fmt.Sprintf("%s line %d", name, attr.Range.Start.Line), expr: attr.Expr, at: attr.Expr.Range().Ptr()}
	}
}

func hideQuotedIf(hide bool, s string) string {
	if hide {
		return hideQuoted(s)
	}
	return s
}

// givenValue evaluates what was given and converts it to the variable's type.
// NilVal means that it could not be done, which has been reported.
func (l *loader) givenValue(name string, d *variableDecl, g *given) cty.Value {
	var v cty.Value
	switch {
	case g.expr != nil:
		var diags hcl.Diagnostics
		v, diags = g.expr.Value(nil)
		if d.secret {
			for _, diag := range diags {
				diag.Detail = hideQuoted(diag.Detail)
			}
		}
		l.add(diags...)
		if diags.HasErrors() {
			return cty.NilVal
		}
	case d.literal:
		v = cty.StringVal(*g.text)
	default:
		// The text is never cited: it may be a secret.
		file := "<value of var." + name + ">"
		if tooDeep([]byte(*g.text)) > 0 {
			l.errorAt(nil, "Invalid value for variable", "The value that %s gives to variable %q has brackets more than %d levels deep.", g.from, name, maxDepth)
			return cty.NilVal
		}
		expr, diags := hclsyntax.ParseExpression([]byte(*g.text), file, hcl.InitialPos)
		if !diags.HasErrors() {
			v, diags = expr.Value(nil)
		}
		if diags.HasErrors() {
			l.errorAt(nil, "Invalid value for variable", "The value that %s gives to variable %q is not an expression of the language: %s Write a value of type %s, such as %s.",
				g.from, name, hideQuoted(diags[0].Detail), typeName(d.ty), sample(d.ty))
			return cty.NilVal
		}
	}
	got, err := d.convert(v)
	if err != nil {
		l.errorAt(g.at, "Invalid value for variable", "The value that %s gives to variable %q is not of its type %s: %s.", g.from, name, typeName(d.ty), describe(err))
		return cty.NilVal
	}
	return got
}

// sample shows how a value of a type is written.
func sample(ty cty.Type) string {
	switch {
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		return `["a", "b"]`
	case ty.IsMapType(), ty.IsObjectType():
		return `{ name = "value" }`
	}
	return `"text"`
}
