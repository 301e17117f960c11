package hcl

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/lockform/lockform/zkfs"
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
	return faults
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

// A policyKey names what an effective policy of a lock is made of.
type policyKey struct {
	base *policyValue
	ens  *ensemble
}

// An effectivePolicy is what a lock has in the end.
type effectivePolicy struct {
	policy layout.Policy
	text   string // its attributes, for digests
	size   int    // of its JSON, in bytes
	ok     bool
}

// override lays the attributes of a lock over a policy: null resets to the
// default, and what belongs to a mode or recipe that is left is dropped.
func override(base, own settings) settings {
	set := settings{}
	maps.Copy(set, base)
	maps.Copy(set, own)
	for name, v := range set {
		if v.state == absent {
			delete(set, name)
		}
	}
	drop := func(attr, of, only string) {
		_, written := own[attr]
		if !written && textOf(base, of) == only && textOf(set, of) != only {
			delete(set, attr)
		}
	}
	drop("permits", "mode", string(layout.Semaphore))
	drop("prefix", "recipe", string(layout.Plain))
	return set
}

func textOf(set settings, name string) string {
	if v, ok := set[name]; ok && v.state == known {
		return v.str()
	}
	return ""
}

// effectivePolicy joins the policy of a lock with its own attributes and checks
// the result.
func (l *loader) effectivePolicy(base *policyValue, own settings, ownOK bool, ens *ensemble, lock *node) *effectivePolicy {
	var set settings
	if base != nil {
		set = override(base.set, own)
	} else {
		set = override(nil, own)
	}
	e := &effectivePolicy{policy: layout.DefaultPolicy(), ok: ownOK}
	p := &e.policy
	if ens != nil && ens.TickTime > 0 {
		p.TickTime = ens.TickTime
	}
	faults := l.apply(set, p)
	if slices.ContainsFunc(p.ContenderACL, func(e zkfs.Entry) bool { return e.Identity == zkfs.AuthIDs }) {
		if f := expandContenders(p, ens); f != nil {
			faults = append(faults, f)
		}
	}
	e.ok = e.ok && len(faults) == 0
	if ownOK {
		faults = withValidation(faults, *p)
	}
	for _, f := range faults {
		e.ok = false
		l.policyFault(f, l.faultAt(f, set, ens, lock), faultWhere(base, own, lock))
	}
	if e.ok {
		var b strings.Builder
		for _, a := range p.Attributes() {
			fmt.Fprintf(&b, "%s=%s\n", a.Name, a.Value)
			e.size += len(a.Name) + len(a.Value) + 4
		}
		fmt.Fprintf(&b, "written=%s\n", strings.Join(p.Written, ","))
		e.text = b.String()
	}
	return e
}

// faultAt returns where the attribute was set that a fault is about; where it
// was not set, what made it necessary.
func (l *loader) faultAt(f *layout.AttributeError, set settings, ens *ensemble, lock *node) hcl.Range {
	for _, name := range append([]string{f.Attribute}, map[string][]string{"permits": {"mode"}, "prefix": {"recipe"}, "recipe": {"mode"}}[f.Attribute]...) {
		if v, ok := set[name]; ok {
			return v.at
		}
	}
	if (f.Attribute == "session_timeout" || f.Attribute == "tick_time") && ens != nil && ens.tickAt != nil {
		return *ens.tickAt
	}
	return lock.def
}

// faultWhere tells which lock put the policy together, when it is not the
// policy alone.
func faultWhere(base *policyValue, own settings, lock *node) string {
	if base == nil || len(own) == 0 {
		return ""
	}
	return fmt.Sprintf(" This is about lock %q at %s, which overrides %s.", lock.name, place(lock.def), base.name)
}

// expandContenders replaces the scheme auth in a contender_acl, which an agent
// could not: it stands for the planner's identities.
func expandContenders(p *layout.Policy, ens *ensemble) *layout.AttributeError {
	if ens == nil || ens.guess {
		return nil
	}
	var acl zkfs.ACL
	for _, e := range p.ContenderACL {
		if e.Identity != zkfs.AuthIDs {
			acl = append(acl, e)
			continue
		}
		if len(ens.Identities) == 0 {
			return &layout.AttributeError{Attribute: "contender_acl", Reason: fmt.Sprintf(`its grant "auth" stands for the planner's identities, and ensemble %q has neither an auth block nor a certificate; name the identity instead`, ens.Name)}
		}
		for _, id := range ens.Identities {
			acl = append(acl, zkfs.Entry{Perms: e.Perms, Identity: id})
		}
	}
	p.ContenderACL = acl
	return nil
}
