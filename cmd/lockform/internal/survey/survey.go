package survey

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
)

// Options say what is known about the layout that is to own what is found.
type Options struct {
	Layout   string // its name
	Ensemble string // that was read
	// Planner are the identities that every ACL gets anyway.
	Planner []zkfs.Identity
	// Declared are the paths in the ensemble that the layout declares already.
	Declared map[zkfs.Path]bool
	// Taken reports whether the layout has a block of that kind ("namespace" or
	// "lock") and label at its top. Nil means that it has none.
	Taken func(kind, label string) bool
}

// A Note is what people should know about a znode that was found.
type Note struct {
	Path zkfs.Path
	Text string // a sentence without its subject and period: "is …"
}

// Layout returns the namespaces and locks of the tree, and notes about what was
// left out or guessed. A znode with data that nobody declared is never to be
// overwritten without a look: namespaces that have any are left out, with their
// locks at the level above, and locks that have any are not to be adopted.
func (t *Tree) Layout(o Options) (*layout.Layout, []Note) {
	s := &surveyor{Options: o, labels: map[string]bool{}, out: &layout.Layout{Name: o.Layout}}
	found := s.visit(t.root)
	s.guess(found)
	for _, f := range found {
		s.declare(f, "")
	}
	slices.SortStableFunc(s.notes, func(a, b Note) int { return strings.Compare(string(a.Path), string(b.Path)) })
	return s.out, s.notes
}

// One returns the layout with the one znode at the root of the tree under the
// address given, whatever is below it, and notes about it. An import block of
// that address adopts it.
func (t *Tree) One(o Options, to layout.Address) (*layout.Layout, []Note) {
	s := &surveyor{Options: o, out: &layout.Layout{Name: o.Layout}}
	n, steps := t.root, to.Steps()
	f := &found{znode: n, lock: steps[len(steps)-1].Type == "lock"}
	var ok bool
	if f.acl, ok = s.acl(n); !ok {
		return s.out, s.notes
	}
	if f.lock {
		if f.policy, ok = recognise(n.ephemerals); !ok {
			f.policy = layout.DefaultPolicy()
			s.note(n, "has no contenders that tell its recipe: the default one is a guess")
		}
	}
	if n.recordErr != nil && len(n.Data) > 0 {
		s.note(n, "has %s of data, which the import replaces by the record", size(n))
	}
	s.put(f, to)
	return s.out, s.notes
}

type surveyor struct {
	Options
	labels map[string]bool // of siblings: address of the parent, kind, label
	out    *layout.Layout
	notes  []Note
}

// A found is a znode that is to be declared.
type found struct {
	*znode
	lock   bool
	policy layout.Policy
	free   bool // nobody holds it now: the policy is to be guessed
	acl    zkfs.ACL
	adopt  bool
	inside []*found
}

func (s *surveyor) note(n *znode, format string, args ...any) {
	s.notes = append(s.notes, Note{n.Path, fmt.Sprintf(format, args...)})
}

// visit returns what is to be declared at n and below: n itself with what is
// inside, or what is below it where n itself is left out.
func (s *surveyor) visit(n *znode) []*found {
	switch {
	case s.Declared[n.Path]:
		return s.below(n)
	case n.recordErr == nil && n.record.Layout != s.Options.Layout:
		s.note(n, "is owned by the layout %q: left out", n.record.Layout)
		return nil
	case n.recordErr == nil && n.record.Kind == layout.KindParent:
		return s.below(n)
	case n.recordErr == nil:
		return s.recorded(n)
	case !errors.Is(n.recordErr, layout.ErrNotManaged):
		s.note(n, "is left out: %v", n.recordErr)
		return nil
	case n.Denied != 0:
		s.note(n, "may not be read by this run: left out")
		return nil
	}
	return s.unowned(n)
}

func (s *surveyor) below(n *znode) []*found {
	var all []*found
	for _, c := range n.children {
		all = append(all, s.visit(c)...)
	}
	return all
}

// recorded deals with a znode that the layout owns and no longer declares.
func (s *surveyor) recorded(n *znode) []*found {
	f := &found{znode: n, lock: n.record.Kind == layout.KindLock}
	var ok bool
	if f.acl, ok = s.acl(n); !ok {
		return nil
	}
	if f.lock {
		f.policy = layout.DefaultPolicy()
		if n.record.Policy != nil {
			f.policy = *n.record.Policy
		}
	} else {
		f.inside = s.below(n)
	}
	s.note(n, "is owned by this layout as %s, which is not declared any more", n.record.Address)
	return []*found{f}
}

// unowned decides by what is below a znode what it is.
func (s *surveyor) unowned(n *znode) []*found {
	names := slices.Clone(n.ephemerals)
	for _, c := range n.children {
		names = append(names, c.Path.Base())
	}
	queue := recipe.Recipe{}.Queue(names)
	policy, ok := recognise(n.ephemerals)
	contenders := slices.ContainsFunc(n.ephemerals, func(name string) bool { _, is := recipe.Parse(name); return is })
	f := &found{znode: n, lock: true, policy: policy, adopt: true}
	switch {
	case recipe.CuratorSemaphore(queue.Unknown):
		s.note(n, "is a semaphore of Curator, which agents do not join: left out")
		return nil
	case strings.HasSuffix(n.Path.Base(), "-__lock__"):
		s.note(n, "belongs to a semaphore of kazoo, which agents do not join: left out")
		return nil
	case contenders && !ok:
		s.note(n, "has contenders that no recipe excludes (%s): left out", some(n.ephemerals))
		return nil
	case contenders:
		if len(n.children) > 0 {
			s.note(n, "is a lock with persistent children (%s), which break other clients", childNames(n))
		}
	case len(n.children) > 0:
		return s.namespace(n)
	case len(n.ephemerals) > 0:
		s.note(n, "has ephemeral children and none is a contender (%s): left out", some(n.ephemerals))
		return nil
	case len(n.Data) > 0:
		s.note(n, "has %s of data and nobody waits for it, so that it is hardly a lock: left out", size(n))
		return nil
	default:
		f.free = true
	}
	if f.acl, ok = s.acl(n); !ok {
		return nil
	}
	if slices.ContainsFunc(queue.Contenders, func(c recipe.Contender) bool { return c.Client == recipe.Curator || c.Client == recipe.CuratorRW }) {
		s.note(n, "has contenders of Curator, which makes such znodes as containers: if it is one, ZooKeeper deletes it when it is empty, and the next apply makes it anew as a persistent one")
	}
	if f.policy.Recipe == layout.Plain {
		s.note(n, "is taken for a lock of scripts whose contenders begin with %q", f.policy.Prefix)
	}
	if len(n.Data) > 0 {
		f.adopt = false
		s.note(n, "is a lock with %s of data that the record would replace: it is declared without adopt; say adopt = true when they may go", size(n))
	}
	return []*found{f}
}

// namespace declares a znode with children when a lock is among what is below
// it.
func (s *surveyor) namespace(n *znode) []*found {
	inside := s.below(n)
	if len(inside) == 0 {
		return nil
	}
	if n.Path == zkfs.Root {
		return inside
	}
	if len(n.Data) > 0 {
		s.note(n, "has %s of data, which stay: it is not declared, what is in it is", size(n))
		return inside
	}
	acl, ok := s.acl(n)
	if !ok {
		return inside
	}
	return []*found{{znode: n, acl: acl, adopt: true, inside: inside}}
}

// guess gives those locks that nobody holds the policy that all others beside
// them have, else the one that all others in the tree have.
func (s *surveyor) guess(top []*found) {
	everywhere := newConsensus()
	var count func(list []*found)
	count = func(list []*found) {
		for _, f := range list {
			everywhere.add(f)
			count(f.inside)
		}
	}
	count(top)
	var settle func(list []*found)
	settle = func(list []*found) {
		here := newConsensus()
		for _, f := range list {
			here.add(f)
		}
		for _, f := range list {
			settle(f.inside)
			if !f.free {
				continue
			}
			var ok bool
			if f.policy, ok = here.policy(); !ok {
				f.policy, _ = everywhere.policy()
			}
			s.note(f.znode, "is empty and nobody waits for it: it is taken for a lock, and its recipe (%s) is a guess", f.policy.Recipe)
		}
	}
	settle(top)
}

// A consensus is whether some locks have one policy.
type consensus struct {
	first layout.Policy
	n     int
	same  bool
}

func newConsensus() *consensus { return &consensus{same: true, first: layout.DefaultPolicy()} }

func (c *consensus) add(f *found) {
	if !f.lock || f.free {
		return
	}
	if c.n++; c.n == 1 {
		c.first = f.policy
	}
	c.same = c.same && f.policy.Recipe == c.first.Recipe && f.policy.Mode == c.first.Mode && f.policy.Prefix == c.first.Prefix
}

// policy returns the one policy, and false with the default where there is none.
func (c *consensus) policy() (layout.Policy, bool) {
	p := layout.DefaultPolicy()
	if c.n == 0 || !c.same || c.first.Mode == layout.Semaphore {
		return p, false
	}
	p.Recipe, p.Mode, p.Prefix = c.first.Recipe, c.first.Mode, c.first.Prefix
	return p, true
}

// declare puts a znode, with what is inside, into the layout.
func (s *surveyor) declare(f *found, parent layout.Address) {
	kind := "namespace"
	if f.lock {
		kind = "lock"
	}
	base := hcl.Label(f.Path.Base())
	label := base
	taken := func() bool {
		return s.labels[string(parent)+" "+kind+" "+label] || parent == "" && s.Taken != nil && s.Taken(kind, label)
	}
	for i := 2; taken(); i++ {
		label = fmt.Sprintf("%s_%d", base, i)
	}
	s.labels[string(parent)+" "+kind+" "+label] = true
	address := parent.Child(layout.Step{Type: kind, Label: label})
	s.put(f, address)
	for _, in := range f.inside {
		s.declare(in, address)
	}
}

func (s *surveyor) put(f *found, address layout.Address) {
	d := layout.Declared{Address: address, Path: f.Path, Ensemble: s.Ensemble, ACL: f.acl, Adopt: f.adopt}
	if f.recordErr == nil {
		d.Protected = f.record.Protected
	}
	if f.lock {
		s.out.Locks = append(s.out.Locks, layout.Lock{Declared: d, Policy: &f.policy})
		return
	}
	s.out.Namespaces = append(s.out.Namespaces, layout.Namespace{Declared: d})
}

// acl returns the ACL to declare: that of the znode without the planner's
// identities. False means that it cannot be declared as it is.
func (s *surveyor) acl(n *znode) (zkfs.ACL, bool) {
	acl := zkfs.ACL{}
	for _, e := range n.ACL.Canonical() {
		if slices.Contains(s.Planner, e.Identity) {
			continue
		}
		if why := undeclarable(e); why != "" {
			s.note(n, "has an ACL that cannot be declared (%s): left out", why)
			return nil, false
		}
		acl = append(acl, e)
	}
	if n.Denied&zkfs.PartACL != 0 {
		s.note(n, "has an ACL that this run may not read: left out")
		return nil, false
	}
	return acl, true
}

// undeclarable says why the language has no grant for an entry, "" where it has.
func undeclarable(e zkfs.Entry) string {
	switch e.Scheme {
	case "world", "ip", "sasl":
		return ""
	case "x509":
		if strings.Contains(e.ID, "=") {
			return ""
		}
	case "digest":
		user, hash, _ := strings.Cut(e.ID, ":")
		sum, err := base64.StdEncoding.DecodeString(hash)
		switch {
		case err == nil && len(sum) == 20 && user != "":
			return ""
		case hash == "x":
			return fmt.Sprintf("the password of digest:%s is not shown to a run without ADMIN", user)
		}
		return fmt.Sprintf("digest:%s has no hash, so that nobody can use it", user)
	}
	return e.String()
}

// size says how much data a znode has.
func size(n *znode) string {
	if len(n.Data) == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", len(n.Data))
}

func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}

func childNames(n *znode) string {
	var names []string
	for _, c := range n.children {
		names = append(names, c.Path.Base())
	}
	return some(names)
}
