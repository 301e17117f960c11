package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// The universe is small, so that layouts, strangers and hand changes meet.
var (
	someNamespaces = []zkfs.Path{"/n", "/n/m", "/q", "/deep/r", "/n/m/k"}
	someLocks      = []zkfs.Path{"/n/a", "/n/b", "/n/m/c", "/q/d", "/deep/r/e", "/deep/f", "/g", "/n/m/k/h", "/q-x"}
	someACLs       = []zkfs.ACL{
		appACL, zkfs.Open(), zkfs.ReadOnly(),
		{{Perms: zkfs.Read, Identity: zkfs.Anyone}, {Perms: zkfs.Create, Identity: app}},
		{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}},
	}
)

func drawLayout(t *rapid.T, label string) *layout.Layout {
	var add []func(*layout.Layout)
	for i, p := range someNamespaces {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s: namespace %s", label, p)) {
			acl := rapid.SampledFrom(someACLs).Draw(t, "acl")
			protected := rapid.IntRange(0, 9).Draw(t, "protected") == 0
			add = append(add, namespace(fmt.Sprintf("n%d", i), p, func(n *layout.Namespace) { n.ACL, n.Protected = acl, protected }))
		}
	}
	for i, p := range someLocks {
		if rapid.Bool().Draw(t, fmt.Sprintf("%s: lock %s", label, p)) {
			acl := rapid.SampledFrom(someACLs).Draw(t, "acl")
			m := rapid.SampledFrom([]layout.Mode{layout.Exclusive, layout.ReadWrite}).Draw(t, "mode")
			written := rapid.Bool().Draw(t, "written") || m != layout.Exclusive
			adopt := rapid.Bool().Draw(t, "adopt")
			name := rapid.SampledFrom([]string{"", "x"}).Draw(t, "name")
			add = append(add, lock(layout.Address(fmt.Sprintf("lock.l%d%s", i, name)), p, func(k *layout.Lock) {
				k.ACL, k.Adopt, k.Policy.Mode = acl, adopt, m
				if written {
					k.Policy.Written = []string{"mode"}
				}
			}))
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "ledger") == 0 {
		add = append(add, func(l *layout.Layout) { l.Ledger = "/n/led" })
	}
	if rapid.IntRange(0, 4).Draw(t, "layout acl") == 0 {
		add = append(add, func(l *layout.Layout) { l.ACL = zkfs.ReadOnly() })
	}
	return testLayout(add...)
}

// A meddler changes a tree as strangers with all rights would.
type meddler interface {
	// look returns a znode, and false when there is none.
	look(path zkfs.Path) (zkfs.Node, bool)
	put(path zkfs.Path, data string, acl zkfs.ACL)
	setACL(path zkfs.Path, acl zkfs.ACL)
	remove(path zkfs.Path)
}

func (t *fakeTree) look(path zkfs.Path) (zkfs.Node, bool) {
	n, ok := t.nodes[path]
	if !ok {
		return zkfs.Node{}, false
	}
	return zkfs.Node{Path: path, Data: n.data, ACL: n.acl, Stat: n.stat}, true
}

// drawStrangers lets others change the tree.
func drawStrangers(t *rapid.T, tree meddler, label string) {
	other, _ := layout.Record{Layout: "theirs", Address: "lock.z", Kind: layout.KindNamespace}.Encode()
	contents := []string{"", "hello", `{"lockform":1,"layout":`, `{"lockform":99}`, string(other)}
	all := slices.Concat(someNamespaces, someLocks, []zkfs.Path{"/n/stranger", "/q/stranger"})
	for range rapid.IntRange(0, 3).Draw(t, label) {
		p := rapid.SampledFrom(all).Draw(t, "path")
		n, exists := tree.look(p)
		switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
		case what == 0:
			tree.put(p, rapid.SampledFrom(contents).Draw(t, "data"), nil)
		case what == 1 && exists:
			tree.setACL(p, rapid.SampledFrom(someACLs[:3]).Draw(t, "acl").With(planner))
		case what == 2 && exists && n.Stat.NumChildren == 0:
			tree.remove(p)
		case what == 3 && exists && n.Stat.NumChildren == 0:
			tree.remove(p)
			tree.put(p, string(n.Data), nil)
		}
	}
}

// unowned returns what stands in the universe and is not the layout's, with
// everything about it.
func unowned(tree meddler, l *layout.Layout) map[zkfs.Path]string {
	all := make(map[zkfs.Path]string)
	for _, p := range slices.Concat(someNamespaces, someLocks, []zkfs.Path{"/n/stranger", "/q/stranger", "/deep"}) {
		n, ok := tree.look(p)
		if rec, err := layout.ParseRecord(n.Data); ok && (err != nil || rec.Layout != l.Name) {
			all[p] = fmt.Sprintf("%q %s %d %d %d %d", n.Data, n.ACL.Canonical(), n.Stat.Czxid, n.Stat.Mzxid, n.Stat.Version, n.Stat.Aversion)
		}
	}
	return all
}

// adopted returns the paths that the plan takes over or restores.
func adopted(p *Plan) map[zkfs.Path]bool {
	paths := make(map[zkfs.Path]bool)
	for i := range p.Ensembles {
		for _, s := range p.Ensembles[i].Steps {
			if s.Has(Adopt) || s.Foreign > 0 || strings.HasPrefix(s.Reason, "its record was overwritten") {
				paths[s.Path] = true
			}
		}
	}
	return paths
}

// planOf returns a plan that can be applied, or nil when what was drawn cannot.
func planOf(t *rapid.T, s Target, l *layout.Layout, o Options) *Plan {
	p, err := tryPlan(s, l, o)
	if errors.Is(err, ErrInvalid) || errors.Is(err, ErrBlocked) {
		return nil
	}
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	if p.HasBlocked() {
		return nil
	}
	return p
}

func drawOptions(t *rapid.T) Options {
	o := Options{maxBatch: rapid.SampledFrom([]int{0, 9 << 10, 10 << 10, 12 << 10}).Draw(t, "max batch")}
	if rapid.IntRange(0, 5).Draw(t, "mode") == 0 {
		o.Mode = Destroy
	}
	return o
}

func TestPropertyApplyThenPlanIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := newTree()
		s := tree.session(planner)
		drawStrangers(t, tree, "before")
		for i := range 3 {
			l := drawLayout(t, fmt.Sprintf("layout %d", i))
			l.Ledger = "/lockform/test"
			o := drawOptions(t)
			p := planOf(t, s, l, o)
			if p == nil {
				continue
			}
			applies(t, tree, s, l, p, o, func() error { return tryApply(s, p, ApplyOptions{}) })
			before := tree.dump(true)
			if err := tryApply(s, p, ApplyOptions{}); err != nil && !p.Empty() {
				t.Fatalf("the same plan again: %v", err)
			}
			if tree.dump(true) != before {
				t.Fatal("the same plan again changed something")
			}
			drawStrangers(t, tree, "between")
		}
	})
}

// applies checks that an apply leaves alone what is not owned, and leaves nothing
// to do.
func applies(t *rapid.T, tree meddler, s Target, l *layout.Layout, p *Plan, o Options, apply func() error) {
	theirs := unowned(tree, l)
	if err := apply(); err != nil {
		t.Fatalf("apply: %v\n%s", err, textOf(p))
	}
	now := unowned(tree, l)
	for path, was := range theirs {
		if now[path] != was && !adopted(p)[path] {
			t.Fatalf("%s is not ours and was changed: %q, it was %q", path, now[path], was)
		}
	}
	again, err := tryPlan(s, l, o)
	if err != nil {
		t.Fatalf("plan after apply: %v", err)
	}
	if !again.Empty() || again.HasDrift() {
		t.Fatalf("the plan after apply is not empty:\n%s\nthe first was\n%s", textOf(again), textOf(p))
	}
}

func textOf(p *Plan) string {
	var b strings.Builder
	_ = p.WriteText(&b, TextOptions{})
	return b.String()
}

// clone returns a tree of its own with the same znodes.
func (t *fakeTree) clone() *fakeTree {
	c := &fakeTree{zxid: t.zxid, nodes: maps.Clone(t.nodes)}
	for p, n := range c.nodes {
		copied := *n
		c.nodes[p] = &copied
	}
	return c
}

// shape returns what an apply is responsible for: everything but versions and
// the ledger.
func (t *fakeTree) shape(l *layout.Layout) string {
	var lines []string
	for p, n := range t.nodes {
		if !l.Ledger.Contains(p) {
			lines = append(lines, fmt.Sprintf("%s %q %s", p, n.data, n.acl.Canonical()))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestPropertyCutAnywhereContinues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := newTree()
		s := tree.session(planner)
		l := drawLayout(t, "first")
		if p := planOf(t, s, l, Options{}); p == nil || tryApply(s, p, ApplyOptions{}) != nil {
			return
		}
		drawStrangers(t, tree, "between")
		ledger := l.Ledger
		l = drawLayout(t, "second")
		l.Ledger = ledger
		o := drawOptions(t)
		p := planOf(t, s, l, o)
		if p == nil || p.Empty() {
			return
		}
		c := newCut(t, tree, l, p, o)
		for range 3 {
			c.try(t, rapid.IntRange(1, c.writes).Draw(t, "cut"), rapid.Bool().Draw(t, "carried out"),
				rapid.IntRange(0, inFlight-1).Draw(t, "in flight behind it"), rapid.Bool().Draw(t, "new plan"))
		}
	})
}

// TestCutAnywhereContinues cuts one apply of several batches and ACL changes at
// every write, in every way.
func TestCutAnywhereContinues(t *testing.T) {
	s, p := start(t)
	c := newCut(t, s.tree, wide(), p, Options{maxBatch: small})
	for at := 1; at <= c.writes; at++ {
		for _, lost := range []bool{false, true} {
			for behind := range inFlight {
				for _, anew := range []bool{false, true} {
					c.try(t, at, lost, behind, anew)
				}
			}
		}
	}
}

// A cutter applies one plan to copies of a tree, with sessions that end.
type cutter struct {
	tree, whole *fakeTree // before, and after an apply without a fault
	l           *layout.Layout
	p           *Plan
	o           Options
	writes      int // of the whole apply
}

func newCut(t fataler, tree *fakeTree, l *layout.Layout, p *Plan, o Options) *cutter {
	c := &cutter{tree: tree, whole: tree.clone(), l: l, p: p, o: o}
	smooth := c.whole.session(planner)
	if err := tryApply(smooth, p, ApplyOptions{}); err != nil {
		t.Fatalf("apply without a fault: %v\n%s", err, textOf(p))
	}
	c.writes = smooth.writes
	return c
}

// try lets the session end at one write, which is carried out or not, as are at
// most behind of those that are in flight behind it; and continues with the same
// plan or a new one.
func (c *cutter) try(t fataler, at int, lost bool, behind int, anew bool) {
	broken := c.tree.clone()
	first := broken.session(planner)
	first.before = func(n int) (error, bool) {
		switch {
		case n < at:
			return nil, false
		case n <= at+behind:
			first.deaf = zkfs.ErrSessionOver
			return zkfs.ErrOutcomeUnknown, n > at || lost
		}
		return zkfs.ErrSessionOver, false
	}
	what := fmt.Sprintf("cut at %d (carried out: %v, in flight behind it: %d, new plan: %v)", at, lost, behind, anew)
	_ = tryApply(first, c.p, ApplyOptions{}) // without an error when the history was being pruned
	second := broken.session(planner)
	next := c.p
	if anew {
		var err error
		if next, err = tryPlan(second, c.l, c.o); err != nil {
			t.Fatalf("plan after the %s: %v", what, err)
		}
	}
	if err := tryApply(second, next, ApplyOptions{}); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, textOf(next))
	}
	got, want := broken.shape(c.l), c.whole.shape(c.l)
	if anew {
		// A new plan records the aversions that it finds.
		got, want = withoutAversions(got), withoutAversions(want)
	}
	if got != want {
		t.Fatalf("%s: got\n%s\nwant\n%s", what, got, want)
	}
	if again, err := tryPlan(second, c.l, c.o); err != nil || !again.Empty() || again.HasDrift() {
		t.Fatalf("the plan after the %s is not empty: %v\n%s", what, err, textOf(again))
	}
}

// withoutAversions leaves the recorded aversions of a shape out.
func withoutAversions(s string) string {
	parts := strings.Split(s, `\"aversion\":`)
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.TrimLeft(parts[i], "0123456789")
	}
	return strings.Join(parts, `\"aversion\":`)
}
