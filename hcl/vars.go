package hcl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// sensitive marks values that may not be shown.
const sensitive = mark("sensitive")

type mark string

// GoString returns the name of the mark.
func (m mark) GoString() string { return "hcl." + string(m) }

// A variableDecl is what a variable block says about the values it takes.
type variableDecl struct {
	ty          cty.Type // with what optional() leaves out filled in
	defaults    *typeexpr.Defaults
	description string
	secret      bool
	nullable    bool
	fallback    cty.Value // NilVal: none
	literal     bool      // text from a flag is the value itself, not an expression
}

// variableDecls reads the variable blocks. Nothing in them refers to anything
// but the conditions of their validations.
func (l *loader) variableDecls() {
	for _, name := range sortedKeys(l.module.variables) {
		l.decls[name] = l.variableDecl(name, l.module.variables[name])
	}
}

func (l *loader) variableDecl(name string, b *block) *variableDecl {
	d := &variableDecl{ty: cty.DynamicPseudoType, nullable: true, literal: true}
	typed := true
	if attr := b.attr("type"); attr != nil {
		ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
		l.add(diags...)
		if typed = !diags.HasErrors(); typed {
			d.ty, d.defaults, d.literal = ty, defaults, ty.IsPrimitiveType()
		}
	}
	fixed := func(attr string, ty cty.Type) (cty.Value, bool) {
		a := b.attr(attr)
		if a == nil {
			return cty.NilVal, false
		}
		v, ok := l.fixed(a, ty)
		return v, ok
	}
	if v, ok := fixed("description", cty.String); ok {
		d.description = v.AsString()
	}
	if a := b.attr("sensitive"); a != nil {
		// Whatever is wrong with it, the value is not shown.
		d.secret = true
		if v, ok := fixed("sensitive", cty.Bool); ok {
			d.secret = v.True()
		}
	}
	if v, ok := fixed("nullable", cty.Bool); ok {
		d.nullable = v.True()
	}
	if a := b.attr("default"); a != nil {
		v, diags := a.Expr.Value(nil)
		l.add(diags...)
		switch {
		case diags.HasErrors() || !typed:
			v = cty.UnknownVal(d.ty.WithoutOptionalAttributesDeep())
		case v.IsNull() && !d.nullable:
			l.errorf(a.Expr.Range(), "Invalid default value for variable", "Variable %q has nullable = false, so that its default cannot be null. Give it another default, or none.", name)
			v = cty.UnknownVal(d.ty.WithoutOptionalAttributesDeep())
		default:
			got, err := d.convert(v)
			if err != nil {
				l.errorf(a.Expr.Range(), "Invalid default value for variable", "This default value is not of the type of variable %q: %s.", name, describe(err))
				got = cty.UnknownVal(d.ty.WithoutOptionalAttributesDeep())
			}
			v = got
		}
		d.fallback = v
	}
	return d
}

// fixed evaluates an attribute that cannot refer to anything.
func (l *loader) fixed(a *hcl.Attribute, ty cty.Type) (cty.Value, bool) {
	v, diags := a.Expr.Value(nil)
	l.add(diags...)
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	v, err := convert.Convert(v, ty)
	if err != nil || v.IsNull() || !v.IsKnown() {
		l.errorf(a.Expr.Range(), "Incorrect attribute value type", "Inappropriate value for attribute %q: it must be a %s that is written out.", a.Name, ty.FriendlyName())
		return cty.NilVal, false
	}
	return v, true
}

// convert applies the type to a value, with the defaults of optional().
func (d *variableDecl) convert(v cty.Value) (cty.Value, error) {
	if d.defaults != nil && !v.IsNull() {
		v = d.defaults.Apply(v)
	}
	return convert.Convert(v, d.ty)
}

// describe returns an error of the type system with where in the value it is.
func describe(err error) string {
	var pathErr cty.PathError
	if p, ok := err.(cty.PathError); ok {
		pathErr = p
	}
	if len(pathErr.Path) == 0 {
		return err.Error()
	}
	var b strings.Builder
	for _, step := range pathErr.Path {
		switch s := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + s.Name)
		case cty.IndexStep:
			k := s.Key
			switch {
			case k.Type() == cty.String && k.IsKnown():
				fmt.Fprintf(&b, "[%q]", k.AsString())
			case k.Type() == cty.Number && k.IsKnown():
				fmt.Fprintf(&b, "[%s]", k.AsBigFloat().Text('f', -1))
			default:
				b.WriteString("[…]")
			}
		}
	}
	return "at " + b.String() + ": " + err.Error()
}

// variable returns the value of a variable, marked when it is sensitive.
func (l *loader) variable(b *block) cty.Value {
	d := l.decls[b.name]
	v := d.fallback
	unknown := cty.UnknownVal(d.ty.WithoutOptionalAttributesDeep())
	given, ok := l.given[b.name]
	switch {
	case ok:
		v = l.givenValue(b.name, d, given)
		if v != cty.NilVal && v.IsNull() && !d.nullable {
			if d.fallback == cty.NilVal {
				l.errorAt(given.at, "Required variable not set", "Variable %q was given null by %s, and has nullable = false and no default. Give it a value.", b.name, given.from)
				v = unknown
			} else {
				v = d.fallback
			}
		}
	case v != cty.NilVal:
	case l.o.Validate:
		v = unknown
	case l.o.Ask != nil && l.errors == 0:
		v = l.ask(b, d)
	default:
		l.errorf(b.def, missingValue, "Variable %q has no default, so a value is needed: use -var %s=…, a line in lockform.vars.hcl, or the environment variable LOCKFORM_VAR_%s.", b.name, b.name, b.name)
		v = unknown
	}
	if v == cty.NilVal {
		v = unknown
	}
	if d.secret {
		l.secret(v)
		v = v.Mark(sensitive)
	}
	return v
}

func (l *loader) ask(b *block, d *variableDecl) cty.Value {
	text, err := l.o.Ask(b.name, d.description, d.secret)
	if err != nil {
		l.errorf(b.def, missingValue, "Variable %q has no value, and asking for it failed: %v. Use -var, a variable file or the environment variable LOCKFORM_VAR_%s.", b.name, err, b.name)
		return cty.NilVal
	}
	return l.givenValue(b.name, d, &given{from: "the answer", text: &text})
}

// secret remembers the texts in a value, so that no diagnostic repeats them.
func (l *loader) secret(v cty.Value) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, e cty.Value) (bool, error) {
		if e.IsKnown() && !e.IsNull() && e.Type() == cty.String {
			l.secrets[e.AsString()] = true
		}
		return true, nil
	})
}

// validationReferences checks what the validation blocks refer to.
func (l *loader) validationReferences() {
	for _, name := range sortedKeys(l.module.variables) {
		l.references(dynblock.VariablesHCLDec(l.module.variables[name].body, validationSpec), 0)
	}
}

// validations evaluates the validation blocks of all variables.
func (l *loader) validations(ctx *hcl.EvalContext) {
	for _, name := range sortedKeys(l.module.variables) {
		b := l.module.variables[name]
		blocks, _ := l.writeOut(b.content.Blocks, "validation", false, ctx)
		for _, v := range blocks {
			c, ctx := l.content(v.body, assertBody), v.ctx
			cond, message := c.Attributes["condition"], c.Attributes["error_message"]
			if cond == nil || message == nil {
				continue
			}
			self, clean := false, true
			for _, t := range cond.Expr.Variables() {
				if slices.Contains(rootWords, t.RootName()) {
					r, ok := l.reference(t, 0)
					self, clean = self || r == ref{"var", name}, clean && ok
				}
			}
			if !self && clean {
				l.errorf(cond.Expr.Range(), "Invalid condition", "The condition of a validation of variable %q must refer to var.%s, the value that it is about.", name, name)
				continue
			}
			said, ok := l.assertion(cond, message, ctx)
			if ok {
				continue
			}
			from := ""
			if g := l.given[name]; g != nil {
				from = fmt.Sprintf(", which was set by %s", g.from)
			}
			d := &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Invalid value for variable",
				Detail:  fmt.Sprintf("%s\n\nThe validation at %s asks this of var.%s%s.", said, place(v.def), name, from),
				Subject: b.def.Ptr(),
			}
			if !refersToSensitive(cond.Expr, ctx) {
				d.Expression, d.EvalContext = cond.Expr, ctx
			}
			l.add(d)
		}
	}
}

// assertion evaluates a condition and, where it does not hold, its message.
// What cannot be evaluated holds, and is reported where it is a fault.
func (l *loader) assertion(cond, message *hcl.Attribute, ctx *hcl.EvalContext) (said string, ok bool) {
	v, diags := cond.Expr.Value(ctx)
	l.evaluated(diags)
	text, diags2 := message.Expr.Value(ctx)
	l.evaluated(diags2)
	if diags.HasErrors() || diags2.HasErrors() {
		return "", true
	}
	v, _ = v.UnmarkDeep() // whether it holds is no secret
	if !v.IsKnown() {
		return "", true
	}
	holds, err := convert.Convert(v, cty.Bool)
	if err != nil || holds.IsNull() {
		l.exprf(cond.Expr, nil, "Invalid condition", "A condition must be true or false; this is %s.", article(kindOf(v)))
		return "", true
	}
	if text.ContainsMarked() {
		l.errorf(message.Expr.Range(), "Error message refers to a sensitive value", "The message would be shown. Take the sensitive value out of it.")
		return "", true
	}
	if holds.True() || !text.IsKnown() {
		return "", true
	}
	text, err = convert.Convert(text, cty.String)
	if err != nil || text.IsNull() || strings.TrimSpace(text.AsString()) == "" {
		l.errorf(message.Expr.Range(), "Invalid error message", "An error message must be text that is not empty.")
		return "", true
	}
	return strings.TrimSpace(text.AsString()), false
}
