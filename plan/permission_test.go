package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// everyone gives permissions to all.
func everyone(p zkfs.Perms) zkfs.ACL { return zkfs.ACL{entry(p, zkfs.Anyone)} }

func TestPlanTellsWhatApplyWouldBeDenied(t *testing.T) {
	const jobsPath, ledgerPath = zkfs.Path("/locks/jobs"), zkfs.Path("/lockform/test")
	more := jobs(lock("namespace.jobs.lock.c", "/locks/jobs/c"), lock("namespace.jobs.lock.d", "/locks/jobs/d"))
	fewer := testLayout(namespace("jobs", jobsPath), lock("namespace.jobs.lock.a", "/locks/jobs/a"))
	change := jobs(func(l *layout.Layout) { mode(layout.ReadWrite)(&l.Locks[0]) })
	rights := jobs(func(l *layout.Layout) { l.Locks[0].ACL = zkfs.Open() })
	for _, tc := range []struct {
		name   string
		at     zkfs.Path // where the ACL is changed
		acl    zkfs.ACL
		second *layout.Layout
		o      Options
		want   []string // blocked paths
		says   string
	}{
		{"Creates", jobsPath, everyone(zkfs.Read | zkfs.Delete | zkfs.Admin | zkfs.Write), more, Options{},
			[]string{"/locks/jobs/c"}, "For /locks/jobs/c and 1 other znode this run, as digest:planner:"},
		{"Deletes", jobsPath, everyone(zkfs.Read | zkfs.Create | zkfs.Admin | zkfs.Write), fewer, Options{},
			[]string{"/locks/jobs/b"}, "needs permission to delete on /locks/jobs,"},
		{"Rotates", jobsPath, everyone(zkfs.Read | zkfs.Admin | zkfs.Write), jobs(), Options{Rotate: []layout.Address{"namespace.jobs.lock.a"}},
			[]string{"/locks/jobs/a"}, "needs permission to create and delete on /locks/jobs,"},
		{"Destroys", "/locks", everyone(zkfs.Read | zkfs.Create), jobs(), Options{Mode: Destroy},
			[]string{jobsPath.String()}, "needs permission to delete on /locks,"},
		{"WritesRecords", "/locks/jobs/a", everyone(zkfs.Read | zkfs.Admin), change, Options{},
			[]string{"/locks/jobs/a"}, "needs permission to write on /locks/jobs/a,"},
		{"SetsACLs", "/locks/jobs/a", everyone(zkfs.Read | zkfs.Write), rights, Options{},
			[]string{"/locks/jobs/a"}, "needs permission to administer on /locks/jobs/a,"},
		{"WritesTheLedger", ledgerPath, everyone(zkfs.Read), change, Options{},
			[]string{"/locks/jobs/a"}, "needs permission to write on /lockform/test,"},
		{"TakesTheApplyLock", ledgerPath.Join(applyName), everyone(zkfs.Read), change, Options{},
			[]string{"/locks/jobs/a"}, "needs permission to create and delete on /lockform/test/apply,"},
		{"NothingToDo", "/locks", everyone(zkfs.Read), jobs(), Options{}, nil, ""},
		{"OfSomebodyElsesNamespaceToo", "/locks", everyone(zkfs.Read), jobs(lock("lock.x", "/locks/x")), Options{},
			[]string{"/locks/x"}, "needs permission to create on /locks,"},
		{"ByAnAddressPerhaps", jobsPath, zkfs.ACL{entry(zkfs.Read, zkfs.Anyone), entry(zkfs.AllPerms, zkfs.Identity{Scheme: "ip", ID: "127.0.0.1"})}, more, Options{}, nil, ""},
		{"ByASchemeOfTheirs", jobsPath, zkfs.ACL{entry(zkfs.Read, zkfs.Anyone), entry(zkfs.AllPerms, zkfs.Identity{Scheme: "corp", ID: "x"})}, more, Options{}, nil, ""},
		{"UnreadableIsLeftToTheServer", "/locks", zkfs.ACL{entry(zkfs.AllPerms, app)}, jobs(lock("lock.x", "/locks/x")), Options{}, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree := newTree()
			s := tree.session(planner)
			applyLayout(t, s, jobs(), Options{})
			// As somebody does who leaves the recorded aversion as it was.
			tree.nodes[tc.at].acl = tc.acl
			p := makePlan(t, s, tc.second, tc.o)
			var got []string
			for _, b := range p.Ensembles[0].Blocked {
				if got = append(got, b.Path.String()); b.Reason != BlockPermission || !strings.Contains(b.Detail, tc.says) {
					t.Errorf("got %s: %s", b.Reason, b.Detail)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Fatalf("blocked: got %q, want %q\n%s", got, tc.want, text(t, p))
			}
			if tc.want == nil {
				return
			}
			before := tree.dump(true)
			err := tryApply(s, p, ApplyOptions{})
			if !errors.Is(err, zkfs.ErrNoAuth) || errors.Is(err, ErrBlocked) {
				t.Errorf("apply: got %v, want %v", err, zkfs.ErrNoAuth)
			}
			if tree.dump(true) != before {
				t.Error("apply has written something")
			}
			// The server may know more than the ACLs say.
			s.super = true
			if err := tryApply(s, p, ApplyOptions{}); err != nil {
				t.Errorf("apply as a super user: %v", err)
			}
			if again := makePlan(t, s, tc.second, tc.o); len(tc.o.Rotate) == 0 && len(again.Ensembles[0].Batches) > 0 {
				t.Errorf("the plan after it is not empty:\n%s", text(t, again))
			}
		})
	}
}

// TestPlannerOfTheLastRun: who applies in another's place is told what that
// one loses.
func TestPlannerOfTheLastRun(t *testing.T) {
	tree := newTree()
	applyLayout(t, tree.session(planner), jobs(), Options{})
	second := zkfs.Digest("second", "s")
	other := tree.session(second)
	other.super = true
	p := makePlan(t, other, jobs(), Options{})
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].Detail, "takes permission to administer /locks/jobs and 2 others from digest:planner:") {
		t.Errorf("another identity: got %+v", p.Warnings)
	}
	if p := makePlan(t, tree.session(planner, second), jobs(), Options{}); len(p.Warnings) != 0 {
		t.Errorf("both: got %+v", p.Warnings)
	}
	both := func(l *layout.Layout) {
		all := zkfs.ACL{entry(zkfs.AllPerms, planner)}
		l.Namespaces[0].ACL, l.Locks[0].ACL, l.Locks[1].ACL = all, all, all
	}
	if p := makePlan(t, other, jobs(both), Options{}); len(p.Warnings) != 0 {
		t.Errorf("with an acl that names the first: got %+v", p.Warnings)
	}
}

func TestFirstPlanTellsWhereTheLedgerCannotBe(t *testing.T) {
	tree := newTree()
	tree.put("/lockform", "", everyone(zkfs.Read))
	p := makePlan(t, tree.session(planner), jobs(), Options{})
	if b := p.Ensembles[0].Blocked; len(b) != 1 || !strings.Contains(b[0].Detail, "needs permission to create on /lockform,") {
		t.Errorf("got %+v", b)
	}
}

func TestLayoutACLMustNotLockThePlannerOut(t *testing.T) {
	readers := jobs(func(l *layout.Layout) { l.ACL = zkfs.ReadOnly() }, func(l *layout.Layout) {
		l.Namespaces[0].ACL, l.Locks[0].ACL, l.Locks[1].ACL = zkfs.Open(), zkfs.Open(), zkfs.Open()
	})
	_, err := tryPlan(newTree().session(), readers, Options{})
	if !errors.Is(err, ErrInvalid) || len(Problems(err)) != 1 || !strings.Contains(Problems(err)[0].Detail, "create and delete and write and administer on the ledger") {
		t.Errorf("without an identity: got %v, want %v", err, ErrInvalid)
	}
	if _, err := tryPlan(newTree().session(planner), readers, Options{}); err != nil {
		t.Errorf("with one: %v", err)
	}
}

func TestUnchangedPlanReadsNoACLOfParents(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	s.acls = 0
	makePlan(t, s, jobs(), Options{})
	if s.acls != 4 { // of the ledger and what is in it
		t.Errorf("ACLs read: got %d, want 4", s.acls)
	}
	s.acls = 0
	makePlan(t, s, jobs(lock("namespace.jobs.lock.c", "/locks/jobs/c"), lock("namespace.jobs.lock.d", "/locks/jobs/d")), Options{})
	if s.acls != 5 {
		t.Errorf("ACLs read for two new locks in one namespace: got %d, want 5", s.acls)
	}
}

// TestHistoryIsMendedBeforeItIsWritten: a run that first gives itself the right
// to write the history is not lacking it.
func TestHistoryIsMendedBeforeItIsWritten(t *testing.T) {
	tree := newTree()
	s := tree.session(planner)
	owned := func(l *layout.Layout) { l.ACL = zkfs.ACL{entry(zkfs.Read, zkfs.Anyone)} }
	applyLayout(t, s, jobs(owned), Options{})
	history := jobs().Ledger.Join(historyName)
	tree.nodes[history].acl = everyone(zkfs.Admin | zkfs.Read)
	tree.nodes[history].stat.Aversion++
	p := makePlan(t, s, jobs(owned, lock("namespace.jobs.lock.c", "/locks/jobs/c")), Options{})
	if blocked := p.Ensembles[0].Blocked; len(blocked) > 0 {
		t.Errorf("got %+v, want nothing blocked", blocked)
	}
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Error(err)
	}
}

// TestPropertyPermissionsAreForetold takes permissions away at random. A plan
// that is not blocked is not refused for one; a plan that is blocked for one
// would be.
func TestPropertyPermissionsAreForetold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := newTree()
		s := tree.session(planner)
		if p := planOf(t, s, drawLayout(t, "first"), Options{}); p != nil {
			if err := tryApply(s, p, ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			p := rapid.SampledFrom(tree.paths()).Draw(t, "path")
			if p.Base() == applyName {
				continue // these tests take the apply lock without asking
			}
			perms := zkfs.Perms(rapid.IntRange(0, int(zkfs.AllPerms)).Draw(t, "perms"))
			tree.nodes[p].acl = everyone(perms | zkfs.Read)
			tree.nodes[p].stat.Aversion++
		}
		p, err := tryPlan(s, drawLayout(t, "second"), drawOptions(t))
		if err != nil {
			return
		}
		e := &p.Ensembles[0]
		permission := func(b Blocked) bool { return b.Reason == BlockPermission }
		lacking := slices.ContainsFunc(e.Blocked, permission)
		shown := textOf(p)
		if slices.ContainsFunc(e.Blocked, func(b Blocked) bool { return !permission(b) }) || p.Empty() {
			return
		}
		if lacking {
			// Asked, the server says the same, and nothing is written.
			before := tree.clone()
			if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, zkfs.ErrNoAuth) {
				t.Fatalf("apply: got %v\n%s", err, shown)
			}
			for path, was := range before.nodes {
				if now := tree.nodes[path]; now == nil || now.stat.Mzxid != was.stat.Mzxid || now.stat.Aversion != was.stat.Aversion {
					t.Fatalf("%s was written\n%s", path, shown)
				}
			}
		}
		e.Blocked = nil
		if p.Empty() {
			return
		}
		err = tryApply(s, p, ApplyOptions{})
		if denied := errors.Is(err, zkfs.ErrNoAuth); denied != lacking {
			t.Fatalf("apply: got %v; lacking: %v\n%s", err, lacking, shown)
		}
	})
}

func TestLivePermissionsAreForetold(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		s := dial(t, e, asPlanner())
		if err := applyLive(t.Context(), s, makePlan(t, s, jobs(), Options{}), 0, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		acl := zkfs.ACL{entry(zkfs.Read, zkfs.Anyone), entry(zkfs.Admin|zkfs.Write, s.Identities()[0])}
		if _, err := s.SetACL(t.Context(), "/locks", acl, zkfs.AnyVersion); err != nil {
			t.Fatal(err)
		}
		p := makePlan(t, s, jobs(lock("lock.x", "/locks/x")), Options{})
		b := p.Ensembles[0].Blocked
		if len(b) != 1 || b[0].Reason != BlockPermission || b[0].Path != "/locks/x" {
			t.Fatalf("got %+v", b)
		}
		if err := applyLive(t.Context(), s, p, 0, ApplyOptions{}); !errors.Is(err, zkfs.ErrNoAuth) {
			t.Errorf("apply: got %v, want %v", err, zkfs.ErrNoAuth)
		}
		p.Ensembles[0].Blocked = nil
		if err := applyLive(t.Context(), s, p, 0, ApplyOptions{}); !errors.Is(err, zkfs.ErrNoAuth) {
			t.Errorf("apply without the check: got %v, want %v", err, zkfs.ErrNoAuth)
		}
	})
}

// TestSuperUserUnderAnotherName: servers have super users of any name, which a
// plan cannot know of.
func TestSuperUserUnderAnotherName(t *testing.T) {
	dev, err := zkdev.Start(zkdev.Config{
		TickTime: zktest.Tick, MinSessionTimeout: zktest.MinSessionTimeout, MaxSessionTimeout: zktest.MaxSessionTimeout,
		SuperDigest: zkfs.Digest("boss", "b").ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dev.Close() })
	e := &zktest.Env{Servers: dev.Addr()}
	s := dial(t, e, asPlanner())
	if err := applyLive(t.Context(), s, makePlan(t, s, jobs(), Options{}), 0, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.SetACL(t.Context(), "/locks/jobs", zkfs.ReadOnly(), zkfs.AnyVersion); err != nil {
		t.Fatal(err)
	}
	boss := dial(t, e, zkconn.Digest("boss", "b"))
	fewer := testLayout(namespace("jobs", "/locks/jobs"), lock("namespace.jobs.lock.a", "/locks/jobs/a"), lock("namespace.jobs.lock.c", "/locks/jobs/c"))
	p := makePlan(t, boss, fewer, Options{})
	if !slices.ContainsFunc(p.Ensembles[0].Blocked, func(b Blocked) bool { return b.Reason == BlockPermission }) {
		t.Fatalf("the plan should not know of the super user:\n%s", text(t, p))
	}
	// Through a file too.
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Decode(data); err != nil {
		t.Fatal(err)
	}
	if err := applyLive(t.Context(), boss, p, 0, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if again := makePlan(t, boss, fewer, Options{}); !again.Empty() || again.HasDrift() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
}

// paths returns every path of the tree, sorted.
func (t *fakeTree) paths() []zkfs.Path {
	var all []zkfs.Path
	for p := range t.nodes {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
