package hcl

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A scope is what an instance of a namespace hands down to what is inside. The
// zero scope is that of the top level.
type scope struct {
	ctx       *hcl.EvalContext
	each      cty.Value // NilVal outside of any for_each
	address   layout.Address
	path      zkfs.Path // "" when it is not known
	phantom   bool      // not a real instance: check and leave out
	ensemble  *ensemble // nil when it is not known, or not named yet
	acl       *aclInUse // nil: none in scope
	policy    *policyValue
	guess     bool // the policy is not known
	protected bool
	adopt     bool
}

// An aclInUse is an ACL with the place that chose it.
type aclInUse struct {
	acl     *aclValue // nil when it is not known
	at      hcl.Range
	implied bool // by default
}

// An instance is a namespace or lock as it will stand in ZooKeeper.
type instance struct {
	layout.Declared
	node   *node
	pathAt hcl.Range
	ens    *ensemble
	acl    *aclInUse
	policy *effectivePolicy // locks
	base   *policyValue     // what policy is made of; nil for none
}

// prepare checks the references of a node and of what is inside, and finds out
// which of its attributes are the same for all instances.
func (l *loader) prepare(n *node) {
	n.static, n.constants = map[*hcl.Attribute]bool{}, map[*hcl.Attribute]value{}
	n.effective = map[policyKey]*effectivePolicy{}
	bodies := []*hcl.BodyContent{n.content}
	if n.lifecycle != nil {
		bodies = append(bodies, n.lifecycle)
	}
	for _, body := range bodies {
		for _, a := range body.Attributes {
			travs, loops := a.Expr.Variables(), n.loops
			if a.Name == "for_each" {
				// The block's own each does not exist yet where it is evaluated.
				loops--
			}
			for _, t := range travs {
				l.reference(t, loops)
			}
			n.static[a] = true
			for _, t := range travs {
				if t.RootName() == "each" {
					n.static[a] = false
				}
			}
		}
	}
	for _, c := range n.children {
		l.prepare(c)
	}
}

// eval evaluates an attribute of a node, once when it is the same for all
// instances.
func (l *loader) eval(n *node, a *hcl.Attribute, ctx *hcl.EvalContext, ty cty.Type) value {
	if a == nil {
		return value{}
	}
	if !n.static[a] {
		return l.attribute(a, ctx, ty)
	}
	v, ok := n.constants[a]
	if !ok {
		v = l.attribute(a, ctx, ty)
		n.constants[a] = v
	}
	return v
}

// expand makes the instances of a node inside of an instance of the enclosing
// namespace, and those of everything inside.
func (l *loader) expand(n *node, outer *scope) {
	all, repeated := l.nodeInstances(n, outer.ctx)
	if !repeated {
		l.instance(n, outer, outer.ctx, outer.each, layout.Step{Type: n.kind, Label: n.name}, outer.phantom)
		return
	}
	one := func(e each, ph bool) {
		obj := e.object(!ph, outer.each)
		ctx := l.root.NewChild()
		ctx.Variables = map[string]cty.Value{"each": obj}
		l.instance(n, outer, ctx, obj, layout.Step{Type: n.kind, Label: n.name, Key: &e.key}, ph || outer.phantom)
	}
	if len(all) == 0 {
		l.apart(func() { one(phantom, true) })
	}
	for _, e := range all {
		one(e, false)
	}
}

// nodeInstances evaluates for_each, once where it is the same in all instances
// of the enclosing blocks.
func (l *loader) nodeInstances(n *node, ctx *hcl.EvalContext) ([]each, bool) {
	a := n.attr("for_each")
	if a == nil || !n.static[a] {
		return l.instances(a, ctx)
	}
	if !n.expanded {
		n.instances, _ = l.instances(a, ctx)
		n.expanded = true
	}
	return n.instances, true
}

// instance evaluates one instance.
func (l *loader) instance(n *node, outer *scope, ctx *hcl.EvalContext, each cty.Value, step layout.Step, ph bool) {
	s := &scope{
		ctx: ctx, each: each, address: outer.address.Child(step), phantom: ph,
		ensemble: outer.ensemble, acl: outer.acl, policy: outer.policy, guess: outer.guess,
		protected: outer.protected, adopt: outer.adopt,
	}
	l.chooseEnsemble(n, s)
	pathAt := l.choosePath(n, outer, s)
	l.chooseACL(n, s)
	l.lifecycle(n, s)
	if v := l.eval(n, n.attr("policy"), ctx, policyType); v.state == known {
		s.policy, s.guess = l.findPolicy(v), false
		s.guess = s.policy == nil
	} else if v.state == skipped {
		s.policy, s.guess = nil, true
	}
	var eff *effectivePolicy
	if n.kind == "lock" {
		eff = l.lockPolicy(n, s)
	}
	if !ph && s.path != "" && s.ensemble != nil {
		inst := &instance{
			Declared: layout.Declared{
				Address: s.address, Path: s.path, Ensemble: s.ensemble.Name,
				Protected: s.protected, Adopt: s.adopt, Pos: pos(n.def),
			},
			node: n, pathAt: pathAt, ens: s.ensemble, acl: s.acl, policy: eff, base: s.policy,
		}
		if s.acl.acl != nil {
			inst.ACL, inst.ACLName = s.acl.acl.entries, s.acl.acl.name
		}
		if !s.acl.implied {
			inst.ACLPos = pos(s.acl.at)
		}
		if n.kind == "lock" {
			l.locks = append(l.locks, inst)
		} else {
			l.namespaces = append(l.namespaces, inst)
		}
	}
	for _, c := range n.children {
		l.expand(c, s)
	}
}

// chooseEnsemble finds the ensemble of an instance.
func (l *loader) chooseEnsemble(n *node, s *scope) {
	a := n.attr("ensemble")
	v := l.eval(n, a, s.ctx, ensembleType)
	switch {
	case v.state == known:
		name := v.GetAttr("name")
		if name.IsNull() || l.ensembles[name.AsString()] == nil {
			l.errorf(v.at, "Not a declared ensemble", "An ensemble must be one that an ensemble block declares, such as ensemble.%s.", sortedKeys(l.ensembles)[0])
			s.ensemble = nil
			return
		}
		e := l.ensembles[name.AsString()]
		if n.parent != nil && s.ensemble != nil && e != s.ensemble {
			l.errorf(v.at, "Ensemble differs from the enclosing namespace's", "What is inside of a namespace lies in the same ensemble, here %q. Take the argument out, or declare the %s outside of namespace %q.", s.ensemble.Name, n.kind, n.parent.name)
			return
		}
		s.ensemble = e
	case v.state == skipped:
		s.ensemble = nil
	case n.parent != nil:
	case len(l.ensembles) == 1:
		for _, e := range l.ensembles {
			s.ensemble = e
		}
	default:
		l.errorf(n.def, "Missing required argument", "The layout has several ensembles, so that a top-level %s must name its own: ensemble = ensemble.%s.", n.kind, sortedKeys(l.ensembles)[0])
	}
}

// choosePath finds the path of an instance, and returns where it is written.
func (l *loader) choosePath(n *node, outer, s *scope) hcl.Range {
	a := n.attr("path")
	v := l.eval(n, a, s.ctx, cty.String)
	at, text := n.def, n.name
	switch {
	case v.state == skipped:
		return v.at
	case v.state == known:
		at, text = v.at, v.str()
	case n.parent == nil:
		l.errorf(n.def, "Missing required argument", "A %s at the top needs a path that begins with \"/\", such as path = \"/locks/%s\".", n.kind, n.name)
		return at
	}
	switch {
	case text == "":
		l.errorf(at, "Invalid znode path", "The path is empty. Write an absolute one, such as \"/locks/%s\", or one that is relative to the enclosing namespace.", n.name)
		return at
	case strings.HasPrefix(text, "/"):
	case n.parent == nil:
		l.errorf(at, "Invalid znode path", "%q is relative, and there is no enclosing namespace here that it could be relative to. Begin it with \"/\".", text)
		return at
	case outer.path == "":
		// Checked as far as it can be.
		if _, err := zkfs.ParsePath("/" + text); err != nil {
			l.errorf(at, "Invalid znode path", "%s.", pathFault(err, text))
		}
		return at
	default:
		text = string(outer.path) + "/" + text
	}
	p, err := zkfs.ParsePath(text)
	if err != nil {
		l.errorf(at, "Invalid znode path", "%s.", pathFault(err, text))
		return at
	}
	if p == zkfs.Root {
		l.errorf(at, "Invalid znode path", "The path \"/\" is ZooKeeper's own root (or the chroot), which every client shares. Choose a path below it, such as \"/locks\".")
		return at
	}
	s.path = p
	return at
}

func pathFault(err error, text string) string {
	if e, ok := err.(*zkfs.PathError); ok {
		hint := ""
		if strings.HasSuffix(text, "/") || strings.Contains(text, "//") {
			hint = "; take the extra slash out"
		}
		return (&zkfs.PathError{Path: text, Reason: e.Reason}).Error() + hint
	}
	return err.Error()
}

// chooseACL finds the nearest ACL; it replaces outer ones.
func (l *loader) chooseACL(n *node, s *scope) {
	a := n.attr("acl")
	v := l.eval(n, a, s.ctx, aclType)
	switch v.state {
	case known:
		s.acl = &aclInUse{acl: l.findACL(v, s.ctx), at: v.at}
	case skipped:
		s.acl = &aclInUse{at: v.at}
	default:
		if s.acl == nil {
			s.acl = &aclInUse{acl: l.acls["acl.open"], at: n.def, implied: true}
		}
	}
}

// lifecycle evaluates prevent_destroy and adopt, which are inherited unless
// they are set.
func (l *loader) lifecycle(n *node, s *scope) {
	if n.lifecycle == nil {
		return
	}
	for name, to := range map[string]*bool{"prevent_destroy": &s.protected, "adopt": &s.adopt} {
		if v := l.eval(n, n.lifecycle.Attributes[name], s.ctx, cty.Bool); v.state == known {
			*to = v.True()
		}
	}
}

// lockPolicy returns the effective policy of a lock; the same one for all
// instances that are made of the same parts.
func (l *loader) lockPolicy(n *node, s *scope) *effectivePolicy {
	shared := true
	for _, a := range policyAttributes {
		if attr := n.attr(a.name); attr != nil && !n.static[attr] {
			shared = false
		}
	}
	key := policyKey{s.policy, s.ensemble}
	if shared && !s.guess {
		if e := n.effective[key]; e != nil {
			return e
		}
	}
	own, ok := l.settings(n.content.Attributes, func(a *hcl.Attribute, ty cty.Type) value { return l.eval(n, a, s.ctx, ty) })
	if s.guess {
		// What it overrides is not known: only its own values can be checked.
		l.checkValues(own, n)
		return &effectivePolicy{}
	}
	e := l.effectivePolicy(s.policy, own, ok, s.ensemble, n)
	if shared {
		n.effective[key] = e
		if e.ok {
			e.text = attributesOf(e.policy)
		}
	}
	return e
}

// checkValues reports attributes whose value cannot be read, whatever the
// policy is that they override.
func (l *loader) checkValues(own settings, n *node) {
	p := layout.DefaultPolicy()
	for _, f := range l.apply(own, &p) {
		l.policyFault(f, own[f.Attribute].at, "")
	}
}
