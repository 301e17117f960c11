package plan

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// TestPropertyDriftIsShown: whatever the configuration says now, a record or an
// ACL that somebody has changed since the last run is shown as drift as long as
// the znode is declared; and what nobody has touched is not.
func TestPropertyDriftIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := newTree()
		s := tree.session(planner)
		l := drawLayout(t, "first")
		l.Ledger = "/lockform/test"
		p := planOf(t, s, l, Options{})
		if p == nil || tryApply(s, p, ApplyOptions{}) != nil {
			return
		}
		touched := make(map[zkfs.Path]zkfs.ACL) // nil: the record
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			path := rapid.SampledFrom(slices.Concat(someNamespaces, someLocks)).Draw(t, "path")
			n, ok := tree.look(path)
			rec, err := layout.ParseRecord(n.Data)
			if _, again := touched[path]; !ok || err != nil || again {
				continue
			}
			if rapid.Bool().Draw(t, "ACL") {
				acl := rapid.SampledFrom(someACLs[:3]).Draw(t, "acl").With(planner)
				tree.setACL(path, acl)
				touched[path] = acl
				continue
			}
			rec.Protected = !rec.Protected
			data, err := rec.Encode()
			if err != nil {
				t.Fatal(err)
			}
			tree.put(path, string(data), nil)
			touched[path] = nil
		}
		second := l
		if rapid.Bool().Draw(t, "another configuration") {
			second = drawLayout(t, "second")
			second.Ledger, second.ACL = l.Ledger, l.ACL
		}
		if p = planOf(t, s, second, Options{}); p == nil {
			return
		}
		e := &p.Ensembles[0]
		shown := make(map[zkfs.Path]bool)
		for _, d := range e.Drift {
			shown[d.Path] = true
		}
		for i := range e.Steps {
			step := &e.Steps[i]
			acl, changed := touched[step.Path]
			wanted := changed && step.Address != "" && !step.Has(Delete)
			if wanted && acl != nil {
				wanted = step.ACL != nil // what somebody set may be what is wanted now
			}
			if shown[step.Path] != wanted {
				t.Fatalf("drift of %s: shown %v, want %v\n%s", step.Path, shown[step.Path], wanted, textOf(p))
			}
		}
	})
}
