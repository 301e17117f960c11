package plan

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

var (
	planner = zkfs.Digest("planner", "p")
	app     = zkfs.Digest("app", "a")
	appACL  = zkfs.ACL{{Perms: zkfs.Create | zkfs.Read | zkfs.Delete, Identity: app}}
)

// testLayout returns a layout with one ensemble and what the functions add.
func testLayout(add ...func(*layout.Layout)) *layout.Layout {
	l := &layout.Layout{
		Name: "test", Ledger: "/lockform/test",
		Ensembles: []layout.Ensemble{{Name: "main", Servers: []string{"zk1:2181"}, Chroot: zkfs.Root, Pos: layout.Pos{File: "main.hcl", Line: 1, Column: 1}}},
		Pos:       layout.Pos{File: "main.hcl", Line: 1, Column: 1},
	}
	for _, f := range add {
		f(l)
	}
	sum := sha256.Sum256(jsonOf([]any{l.ACL, l.Namespaces, l.Locks}))
	l.Digest = fmt.Sprintf("sha256:%x", sum[:4])
	return l
}

func pos(line int) layout.Pos { return layout.Pos{File: "locks.hcl", Line: line, Column: 1} }

// namespace declares a namespace.
func namespace(label string, path zkfs.Path, change ...func(*layout.Namespace)) func(*layout.Layout) {
	return func(l *layout.Layout) {
		n := layout.Namespace{Declared: layout.Declared{
			Address: layout.Address("namespace." + label), Path: path, Ensemble: "main", ACL: appACL, Pos: pos(10 + len(l.Namespaces)),
		}}
		for _, f := range change {
			f(&n)
		}
		l.Namespaces = append(l.Namespaces, n)
	}
}

// lock declares a lock.
func lock(address layout.Address, path zkfs.Path, change ...func(*layout.Lock)) func(*layout.Layout) {
	return func(l *layout.Layout) {
		k := layout.Lock{Declared: layout.Declared{
			Address: address, Path: path, Ensemble: "main", ACL: appACL, Pos: pos(50 + len(l.Locks)),
		}, Policy: new(layout.DefaultPolicy())}
		for _, f := range change {
			f(&k)
		}
		l.Locks = append(l.Locks, k)
	}
}

func mode(m layout.Mode) func(*layout.Lock) {
	return func(k *layout.Lock) { k.Policy.Mode, k.Policy.Written = m, []string{"mode"} }
}
func protectedLock(k *layout.Lock) { k.Protected = true }
func adoptedLock(k *layout.Lock)   { k.Adopt = true }
func withACL(acl zkfs.ACL) func(*layout.Lock) {
	return func(k *layout.Lock) { k.ACL = acl }
}

// jobs is a small layout: a namespace with two locks.
func jobs(change ...func(*layout.Layout)) *layout.Layout {
	return testLayout(append([]func(*layout.Layout){
		namespace("jobs", "/locks/jobs"),
		lock("namespace.jobs.lock.a", "/locks/jobs/a"),
		lock("namespace.jobs.lock.b", "/locks/jobs/b"),
	}, change...)...)
}

// makePlan reads the tree and compares it.
func makePlan(t testing.TB, s Target, l *layout.Layout, o Options) *Plan {
	t.Helper()
	p, err := tryPlan(s, l, o)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return p
}

func tryPlan(s Target, l *layout.Layout, o Options) (*Plan, error) {
	live, err := Read(context.Background(), s, l, "main", o)
	if err != nil {
		return nil, err
	}
	return Diff(l, []*Live{live}, o)
}

// tryApply prepares, locks, applies and unlocks.
func tryApply(s *fakeTarget, p *Plan, o ApplyOptions) error {
	path, err := Prepare(context.Background(), s, p, "main")
	if err != nil {
		return err
	}
	held := s.tree.lock(path, s.tree.lockSeq())
	defer s.tree.release(held)
	return Apply(context.Background(), p, []Side{{"main", s, held}}, o)
}

func (t *fakeTree) lockSeq() int { return int(t.zxid) }

// applyLayout brings the tree to what the layout declares.
func applyLayout(t testing.TB, s *fakeTarget, l *layout.Layout, o Options) *Plan {
	t.Helper()
	p := makePlan(t, s, l, o)
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatalf("apply: %v", err)
	}
	return p
}

// text returns the plan as it is shown, without colour.
func text(t testing.TB, p *Plan) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteText(&b, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestApplyThenPlanIsEmpty(t *testing.T) {
	s := newTree().session(planner)
	l := jobs()
	p := applyLayout(t, s, l, Options{Created: time.Unix(0, 0)})
	if got, want := p.Summary(), (Summary{Create: 4}); got != want {
		t.Errorf("first plan: got %+v, want %+v\n%s", got, want, text(t, p))
	}
	again := makePlan(t, s, l, Options{})
	if !again.Empty() || again.HasDrift() {
		t.Errorf("second plan is not empty:\n%s", text(t, again))
	}
	if n := s.tree.nodes["/locks/jobs/a"]; n.stat.Version != 1 || n.acl.String() != appACL.With(planner).String() {
		t.Errorf("got version %d, ACL %s", n.stat.Version, n.acl)
	}
	runs, err := ReadHistory(context.Background(), s, l.Ledger)
	if err != nil || len(runs) != 1 || runs[0].Summary != "4 created" || !runs[0].Done {
		t.Errorf("history: got %+v, %v", runs, err)
	}
}

func TestApplyTwiceChangesNothing(t *testing.T) {
	s := newTree().session(planner)
	p := applyLayout(t, s, jobs(), Options{})
	before := s.tree.dump(true)
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatalf("the same plan again: %v", err)
	}
	if got := s.tree.dump(true); got != before {
		t.Errorf("got\n%s\nwant\n%s", got, before)
	}
}

func TestDestroyLeavesLedgerAndHistory(t *testing.T) {
	s := newTree().session(planner)
	l := jobs()
	applyLayout(t, s, l, Options{})
	p := applyLayout(t, s, l, Options{Mode: Destroy})
	if got, want := p.Summary().Delete, 4; got != want {
		t.Errorf("got %d deletes, want %d\n%s", got, want, text(t, p))
	}
	if got := s.tree.dump(false); got != `/ "" world:anyone:cdrwa` {
		t.Errorf("left behind:\n%s", got)
	}
	ledger, err := ReadLedger(context.Background(), s, l.Ledger)
	if err != nil || ledger.Serial != 2 || !ledger.Run.Done {
		t.Errorf("ledger: got %+v, %v", ledger, err)
	}
}

func TestDestroyLeavesParentOfAnother(t *testing.T) {
	s := newTree().session(planner)
	l := jobs()
	applyLayout(t, s, l, Options{})
	s.tree.put("/locks/theirs", "x", nil)
	applyLayout(t, s, l, Options{Mode: Destroy})
	if _, ok := s.tree.nodes["/locks"]; !ok {
		t.Error("/locks is gone, with somebody's znode below it")
	}
	if _, ok := s.tree.nodes["/locks/jobs"]; ok {
		t.Error("/locks/jobs is still there")
	}
}

// TestOverwrittenParent has a colleague write over the record of the ancestor that
// is the ledger's only root: what stands below it is still found.
func TestOverwrittenParent(t *testing.T) {
	s := newTree().session(planner)
	l := jobs(lock("lock.c", "/locks/c"))
	applyLayout(t, s, l, Options{})
	s.tree.put("/locks", "theirs", nil)
	ledger, err := ReadLedger(context.Background(), s, l.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := List(context.Background(), s, ledger, false)
	if got, want := len(nodes), 4; err != nil || got != want {
		t.Errorf("got %d znodes, %v; want %d", got, err, want)
	}
	// Nor does one further down hide what it holds.
	s.tree.put("/locks/jobs", "theirs too", nil)
	nodes, err = List(context.Background(), s, ledger, false)
	if got, want := len(nodes), 3; err != nil || got != want {
		t.Errorf("below another: got %d znodes, %v; want %d", got, err, want)
	}
	applyLayout(t, s, l, Options{})
	s.tree.put("/locks", "theirs", nil)
	// The block goes from the configuration while the record is not there.
	p := applyLayout(t, s, jobs(), Options{})
	if got, want := brief(p), []string{"delete /locks/c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	applyLayout(t, s, jobs(), Options{Mode: Destroy})
	if got, want := s.tree.dump(false), "/ \"\" world:anyone:cdrwa\n/locks \"theirs\""; !strings.HasPrefix(got, want) || strings.Contains(got, "jobs") {
		t.Errorf("left behind:\n%s", got)
	}
}

func TestStale(t *testing.T) {
	changed := func() *layout.Layout {
		return testLayout(
			namespace("jobs", "/locks/jobs"),
			lock("namespace.jobs.lock.a", "/locks/jobs/a", mode(layout.ReadWrite)),
			lock("namespace.jobs.lock.c", "/locks/jobs/c"),
		)
	}
	for _, tc := range []struct {
		name   string
		change func(tree *fakeTree)
		kind   error
		path   zkfs.Path
	}{
		{"Data", func(tree *fakeTree) { tree.put("/locks/jobs/a", "mine", nil) }, ErrStale, "/locks/jobs/a"},
		{"ACL", func(tree *fakeTree) { tree.setACL("/locks/jobs/a", zkfs.Open()) }, ErrStale, "/locks/jobs/a"},
		{"Recreated", func(tree *fakeTree) { tree.remove("/locks/jobs/a"); tree.put("/locks/jobs/a", "", nil) }, ErrStale, "/locks/jobs/a"},
		{"Gone", func(tree *fakeTree) { tree.remove("/locks/jobs/b") }, ErrStale, "/locks/jobs/b"},
		{"Appeared", func(tree *fakeTree) { tree.put("/locks/jobs/c", "", nil) }, ErrStale, "/locks/jobs/c"},
		{"NoOpTouched", func(tree *fakeTree) { tree.setACL("/locks/jobs", zkfs.Open()) }, ErrStale, "/locks/jobs"},
		{"ContenderBelowDelete", func(tree *fakeTree) {
			tree.put("/locks/jobs/b/_c_00000000-0000-0000-0000-000000000001-lock-0000000000", `{"lockform":1,"host":"db1","pid":7,"owner":"o","mode":"exclusive"}`, nil)
		}, ErrBlocked, "/locks/jobs/b"},
		{"AnotherRun", func(tree *fakeTree) {
			other := jobs(lock("lock.z", "/z"))
			p, err := tryPlan(tree.session(planner), other, Options{})
			if err != nil {
				panic(err)
			}
			if err := tryApply(tree.session(planner), p, ApplyOptions{}); err != nil {
				panic(err)
			}
		}, ErrStale, "/lockform/test"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTree().session(planner)
			applyLayout(t, s, jobs(), Options{})
			p := makePlan(t, s, changed(), Options{})
			tc.change(s.tree)
			before := s.tree.dump(true)
			err := tryApply(s, p, ApplyOptions{})
			if !errors.Is(err, tc.kind) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			}
			if got := s.tree.dump(true); got != before {
				t.Errorf("something was written:\ngot\n%s\nwant\n%s", got, before)
			}
			if got := Problems(err)[0].Path; got != tc.path {
				t.Errorf("names %s, want %s: %v", got, tc.path, err)
			}
		})
	}
}
