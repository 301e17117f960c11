package hcl

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/lockform/lockform/zkfs/layout"
)

// policyAttributes are the attributes of a policy with their types, in the
// order of the language reference.
var policyAttributes = []struct {
	name string
	ty   cty.Type
}{
	{"mode", cty.String}, {"permits", cty.Number}, {"recipe", cty.String}, {"prefix", cty.String},
	{"wait_timeout", cty.String}, {"max_hold", cty.String}, {"max_waiters", cty.Number},
	{"session_timeout", cty.String}, {"heartbeat", cty.String}, {"on_lost", cty.String},
	{"kill_timeout", cty.String}, {"reentrant", cty.Bool}, {"revocable", cty.Bool}, {"rank", cty.Number},
	{"contender_acl", aclType},
}

var (
	policyNames = func() (names []string) {
		for _, a := range policyAttributes {
			names = append(names, a.name)
		}
		return names
	}()
	// policyType is that of every policy.x: its reference, by which the policy
	// is found again, and the attributes that it sets, null for the others.
	policyType = func() cty.Type {
		attrs := map[string]cty.Type{"name": cty.String}
		for _, a := range policyAttributes {
			attrs[a.name] = a.ty
		}
		return cty.Object(attrs)
	}()
)

// settings are the attributes that are written for a policy.
type settings map[string]value

// A policyValue is a declared policy.
type policyValue struct {
	name string
	set  settings
	at   hcl.Range
	obj  cty.Value
}

// policyBlock evaluates a policy block: one policy, or a map of them.
func (l *loader) policyBlock(b *block, ctx *hcl.EvalContext) cty.Value {
	return l.repeated(b, ctx, policyType, func(name string, ctx *hcl.EvalContext, real bool) cty.Value {
		set, ok := l.settings(b.content.Attributes, func(a *hcl.Attribute, ty cty.Type) value { return l.attribute(a, ctx, ty) })
		l.checkAlone(set)
		if !ok || !real {
			return cty.UnknownVal(policyType)
		}
		attrs := map[string]cty.Value{"name": cty.StringVal(name)}
		for _, a := range policyAttributes {
			attrs[a.name] = cty.NullVal(a.ty)
			if v, ok := set[a.name]; ok {
				attrs[a.name] = v.Value
			}
		}
		p := &policyValue{name: name, set: set, at: b.def, obj: cty.ObjectVal(attrs)}
		l.policies[p.obj.GetAttr("name").AsString()] = p
		return p.obj
	})
}

// findPolicy returns the policy that a known value of policyType stands for.
func (l *loader) findPolicy(v value) *policyValue {
	name := v.GetAttr("name")
	if !name.IsNull() {
		if p := l.policies[name.AsString()]; p != nil && (v.declared || p.obj.RawEquals(v.Value)) {
			return p
		}
	}
	l.errorf(v.at, "Not a declared policy", "A policy must be one that a policy block declares; an object of the same shape is not taken. Declare it, or write its attributes on the lock.")
	return nil
}

// settings evaluates the policy attributes of a body with eval. An attribute
// that is null is there and absent. False means that some could not be had.
func (l *loader) settings(attrs hcl.Attributes, eval func(*hcl.Attribute, cty.Type) value) (settings, bool) {
	set, ok := settings{}, true
	for _, a := range policyAttributes {
		attr := attrs[a.name]
		if attr == nil {
			continue
		}
		v := eval(attr, a.ty)
		ok = ok && v.state != skipped
		if v.state == known || v.state == absent {
			set[a.name] = v
		}
	}
	return set, ok
}

// apply sets the known attributes of p, and returns the faults of those whose
// value cannot be read.
func (l *loader) apply(set settings, p *layout.Policy) (faults []*layout.AttributeError) {
	for _, a := range policyAttributes {
		v, ok := set[a.name]
		if !ok || v.state != known {
			continue
		}
		if err := l.applyOne(a.name, v, p); err != nil {
			faults = append(faults, &layout.AttributeError{Attribute: a.name, Reason: err.Error()})
			continue
		}
		p.Written = append(p.Written, a.name)
	}
	slices.Sort(p.Written)
	p.Written = l.sharedNames(p.Written)
	return faults
}

// sharedNames returns a list that is equal, and the same for all that are equal:
// many locks set the same few attributes.
func (l *loader) sharedNames(list []string) []string {
	key := strings.Join(list, " ")
	known, ok := l.names[key]
	if !ok {
		known = slices.Clip(list)
		l.names[key] = known
	}
	return known
}

func (l *loader) applyOne(name string, v value, p *layout.Policy) error {
	duration := func(to *time.Duration, parse func(string) (time.Duration, error)) error {
		d, err := parse(v.str())
		if err == nil {
			*to = d
		}
		return err
	}
	switch name {
	case "mode":
		p.Mode = layout.Mode(v.str())
	case "permits":
		n, err := wholeNumber(v)
		p.Permits = n
		if err == nil && n < 1 {
			err = fmt.Errorf("it must be at least 1")
		}
		return err
	case "recipe":
		p.Recipe = layout.Recipe(v.str())
	case "prefix":
		p.Prefix = v.str()
		if p.Prefix == "" {
			return fmt.Errorf(`it is empty; write what stands before the sequence, such as "lock_id_"`)
		}
	case "wait_timeout":
		return duration(&p.WaitTimeout, layout.ParseLimit)
	case "max_hold":
		return duration(&p.MaxHold, layout.ParseLimit)
	case "max_waiters":
		n, err := wholeNumber(v)
		p.MaxWaiters = n
		return err
	case "session_timeout":
		return duration(&p.SessionTimeout, layout.ParseDuration)
	case "heartbeat":
		p.Heartbeat = layout.Heartbeat(v.str())
	case "on_lost":
		p.OnLost = layout.OnLost(v.str())
	case "kill_timeout":
		return duration(&p.KillTimeout, layout.ParseDuration)
	case "reentrant":
		p.Reentrant = v.True()
	case "revocable":
		p.Revocable = v.True()
	case "rank":
		n, err := wholeNumber(v)
		p.Rank = &n
		return err
	case "contender_acl":
		if a := l.findACL(v, nil); a != nil {
			p.ContenderACL = a.entries
		}
	}
	return nil
}

// wholeNumber reads an integer of 32 bits.
func wholeNumber(v value) (int, error) {
	var n int
	if err := gocty.FromCtyValue(v.Value, &n); err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, fmt.Errorf("it must be a whole number of at most %d", math.MaxInt32)
	}
	return n, nil
}

// checkAlone reports what is wrong with a policy block by itself, whatever a
// lock adds to it: values that nothing can mend.
func (l *loader) checkAlone(set settings) {
	p := layout.DefaultPolicy()
	// The tick time is the ensemble's, which is not known here.
	p.TickTime = time.Millisecond
	for _, f := range withValidation(l.apply(set, &p), p) {
		if v, ok := set[f.Attribute]; ok && v.state == known {
			l.policyFault(f, v.at, "")
		}
	}
}

// withValidation adds what Validate finds to faults, except about attributes
// that have one already.
func withValidation(faults []*layout.AttributeError, p layout.Policy) []*layout.AttributeError {
	all := slices.Clone(faults)
	for _, f := range p.Validate() {
		if !slices.ContainsFunc(faults, func(g *layout.AttributeError) bool { return g.Attribute == f.Attribute }) {
			all = append(all, f)
		}
	}
	return all
}

// policyFault reports one fault of a policy at the attribute that set it.
func (l *loader) policyFault(f *layout.AttributeError, at hcl.Range, where string) {
	l.errorf(at, "Invalid policy attribute", "Inappropriate value for attribute %q: %s.%s", f.Attribute, f.Reason, where)
}
