package hcl

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A policyKey names what an effective policy of a lock is made of.
type policyKey struct {
	base *policyValue
	ens  *ensemble
}

// An effectivePolicy is what a lock has in the end.
type effectivePolicy struct {
	policy *layout.Policy
	text   string // see attributesOf; "" where locks do not share it
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
	p := new(layout.DefaultPolicy())
	e := &effectivePolicy{policy: p, ok: ownOK}
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
		l.killCut(*p, set)
		for _, a := range p.Attributes() {
			e.size += len(a.Name) + len(a.Value) + 4
		}
	}
	return e
}

// attributesOf writes a policy for digests.
func attributesOf(p *layout.Policy) string {
	var b strings.Builder
	for _, a := range p.Attributes() {
		fmt.Fprintf(&b, "%s=%s\n", a.Name, a.Value)
	}
	fmt.Fprintf(&b, "written=%s\n", strings.Join(p.Written, ","))
	return b.String()
}

// killCut warns of a kill_timeout that agents cut, since the lease ends before.
func (l *loader) killCut(p layout.Policy, set settings) {
	v, ok := set["kill_timeout"]
	if limit := p.KillLimit(); ok && p.KillTimeout > limit {
		l.warnf(v.at, "The kill timeout is cut", "With a session_timeout of %s and a tick_time of %s, SIGKILL follows at most %s after the first signal, so that nothing of the command runs when the lock can be another's. Use at most that, or a session_timeout of %s or more.",
			layout.FormatDuration(p.SessionTimeout), layout.FormatDuration(p.TickTime), layout.FormatDuration(limit), layout.FormatDuration(4*p.KillTimeout+p.TickTime))
	}
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
