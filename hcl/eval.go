package hcl

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// A value is an evaluated attribute.
type value struct {
	cty.Value           // known; unmarked but for accepted secrets; never null
	at        hcl.Range // of the expression
	state     state
	declared  bool // it was found to be a declared acl or policy
}

type state uint8

const (
	absent  state = iota // not written, or null
	known                // there is a value
	skipped              // unknown, or with a fault that has been reported
)

// attribute evaluates an attribute that is stored or shown, and so must not be
// sensitive.
func (l *loader) attribute(a *hcl.Attribute, ctx *hcl.EvalContext, ty cty.Type) value {
	if a == nil {
		return value{}
	}
	return l.expression(a.Name, a.Expr, ctx, ty, false)
}

// secretAttribute evaluates an attribute that may be sensitive. Diagnostics
// about it tell no values.
func (l *loader) secretAttribute(a *hcl.Attribute, ctx *hcl.EvalContext, ty cty.Type) value {
	if a == nil {
		return value{}
	}
	return l.expression(a.Name, a.Expr, ctx, ty, true)
}

func (l *loader) expression(name string, e hcl.Expression, ctx *hcl.EvalContext, ty cty.Type, mayBeSecret bool) value {
	r := value{at: e.Range(), state: skipped}
	v, diags := e.Value(ctx)
	if mayBeSecret {
		for _, d := range diags {
			d.Expression, d.EvalContext = nil, nil
		}
	}
	l.evaluated(diags)
	if diags.HasErrors() {
		return r
	}
	// First the common cases, of 100,000 instances.
	if ty == cty.String && v.Type() == ty && v.IsKnown() && !v.IsMarked() && !v.IsNull() {
		r.Value, r.state = v, known
		return r
	}
	if ty.IsObjectType() && v.Type().Equals(ty) && l.isDeclared(v) {
		r.Value, r.state, r.declared = v, known, true
		return r
	}
	if v.ContainsMarked() {
		if !mayBeSecret {
			l.sensitiveValue(name, e)
			return r
		}
		l.secret(v)
		v, _ = v.UnmarkDeep()
	}
	if v.IsNull() {
		r.state = absent
		return r
	}
	got, err := convert.Convert(v, ty)
	if err != nil {
		shown := ctx
		if mayBeSecret {
			shown = nil
		}
		l.exprf(e, shown, "Incorrect attribute value type", "Inappropriate value for attribute %q: it must be %s; this is %s%s.", name, typeNoun(ty), article(kindOf(v)), pathOf(err))
		return r
	}
	if !got.IsWhollyKnown() {
		l.unknown(e.Range())
		return r
	}
	r.Value, r.state = got, known
	return r
}

// pathOf tells where inside of a value an error is.
func pathOf(err error) string {
	if p, ok := err.(cty.PathError); ok && len(p.Path) > 0 {
		return " (" + describe(err) + ")"
	}
	return ""
}

// isDeclared reports whether v is a declared acl or policy, as it was made.
func (l *loader) isDeclared(v cty.Value) bool {
	if !v.Type().IsObjectType() || v.IsMarked() || !v.IsKnown() || v.IsNull() || !v.Type().HasAttribute("name") {
		return false
	}
	name := v.GetAttr("name")
	if name.Type() != cty.String || name.IsMarked() || !name.IsKnown() || name.IsNull() {
		return false
	}
	if a := l.acls[name.AsString()]; a != nil {
		return a.obj.RawEquals(v)
	}
	p := l.policies[name.AsString()]
	return p != nil && p.obj.RawEquals(v)
}

// unknown remembers that something was left out because its value is not
// known, which only "validate" may do.
func (l *loader) unknown(at hcl.Range) {
	if l.skippedAt == nil {
		l.skippedAt = at.Ptr()
	}
}

// apart checks a phantom, in which unknown values are no fault: a for_each
// that is empty leaves nothing out.
func (l *loader) apart(check func()) {
	before := l.skippedAt
	check()
	l.skippedAt = before
}

// sensitiveValue reports a secret where it would be stored or shown.
func (l *loader) sensitiveValue(name string, e hcl.Expression) {
	l.errorf(e.Range(), "Sensitive value", "The value of %q is stored in ZooKeeper or shown, and this one is sensitive. Only auth, tls and the password of a grant accept sensitive values. Take it out, or use nonsensitive() if it is no secret.", name)
}

// typeNoun names a type with its article.
func typeNoun(ty cty.Type) string {
	switch {
	case ty == cty.String:
		return "a string"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty.Equals(aclType):
		return "an acl, such as acl.open or one that an acl block declares"
	case ty.Equals(policyType):
		return "a policy that a policy block declares, such as policy.name"
	case ty.Equals(ensembleType):
		return "an ensemble that an ensemble block declares, such as ensemble.name"
	case ty.IsListType():
		return "a list of " + ty.ElementType().FriendlyName() + "s"
	}
	return "a value of type " + typeName(ty)
}

func typeName(ty cty.Type) string { return typeexpr.TypeString(ty.WithoutOptionalAttributesDeep()) }

// str returns the text of a known value.
func (v value) str() string { return v.AsString() }

// strs returns the texts of a known list.
func (v value) strs() []string {
	var all []string
	for _, e := range v.AsValueSlice() {
		if e.IsNull() {
			all = append(all, "")
			continue
		}
		all = append(all, e.AsString())
	}
	return all
}

// An each is the key and value of one instance.
type each struct {
	key string
	val cty.Value
}

// instances evaluates for_each. Without it there is one instance and repeated
// is false. It returns no instances where there are none or they are unknown:
// use a phantom then, to check what is inside.
func (l *loader) instances(a *hcl.Attribute, ctx *hcl.EvalContext) (all []each, repeated bool) {
	if a == nil {
		return nil, false
	}
	bad := func(format string, args ...any) ([]each, bool) {
		l.exprf(a.Expr, ctx, "Invalid for_each", format, args...)
		return nil, true
	}
	v, diags := a.Expr.Value(ctx)
	l.evaluated(diags)
	if diags.HasErrors() {
		return nil, true
	}
	if v.IsMarked() {
		l.errorf(a.Expr.Range(), "Invalid for_each", "The keys of for_each are part of addresses, which are stored and shown, and this value is sensitive. Use one that is not, or nonsensitive() if it is no secret.")
		return nil, true
	}
	ty := v.Type()
	switch {
	case ty == cty.DynamicPseudoType && !v.IsKnown():
		l.unknown(a.Expr.Range())
		return nil, true
	case ty.IsListType() || ty.IsTupleType():
		return bad("for_each takes a map or a set of strings; this is %s. Use toset() to make a set of a list.", article(ty.FriendlyName()))
	case !ty.IsMapType() && !ty.IsObjectType() && !ty.IsSetType():
		return bad("for_each takes a map or a set of strings; this is %s.", article(kindOf(v)))
	case v.IsNull():
		return bad("for_each takes a map or a set of strings; this is null. Use an empty set, toset([]), for no instances.")
	case ty.IsSetType() && ty.ElementType() != cty.String && ty.ElementType() != cty.DynamicPseudoType:
		return bad("for_each takes a map or a set of strings; this is %s. Convert the elements with tostring().", article(ty.FriendlyName()))
	case !v.IsKnown():
		l.unknown(a.Expr.Range())
		return nil, true
	}
	if ty.IsSetType() && !v.IsWhollyKnown() {
		l.unknown(a.Expr.Range())
		return nil, true
	}
	all = make([]each, 0, v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if ty.IsSetType() {
			k = e
		}
		if k.IsNull() {
			return bad("An element of the set is null, and an instance needs a key. Take it out, as with compact().")
		}
		all = append(all, each{k.AsString(), e})
	}
	return all, true
}

// phantom is an instance that stands for those that are not there or not
// known: what is inside of a block is checked with it and then left out.
var phantom = each{val: cty.DynamicVal}

// object returns the value of each for an instance.
func (e each) object(real bool, parent cty.Value) cty.Value {
	key := cty.UnknownVal(cty.String)
	if real {
		key = cty.StringVal(e.key)
	}
	return eachObject(key, e.val, parent)
}
