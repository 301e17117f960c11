package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// brief returns a plan as lines: what it does, what has drifted, what is blocked.
func brief(p *Plan) []string {
	lines := []string{}
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		for _, d := range e.Drift {
			lines = append(lines, fmt.Sprintf("drift: %s %s", d.Action, d.Path))
			for _, c := range d.Changes {
				lines = append(lines, "  "+c.String())
			}
		}
		for j := range e.Steps {
			s := &e.Steps[j]
			if s.NoOp() {
				continue
			}
			var words []string
			for _, a := range s.Actions {
				words = append(words, string(a))
			}
			lines = append(lines, strings.Join(words, ", ")+" "+s.Path.String())
			if s.OldData != nil || s.Data == nil {
				for _, c := range s.Changes() {
					lines = append(lines, "  "+c.String())
				}
			}
		}
		for _, b := range e.Blocked {
			lines = append(lines, fmt.Sprintf("blocked: %s %s", b.Reason, b.Path))
		}
	}
	return lines
}

const (
	queued = "_c_00000000-0000-0000-0000-000000000001-lock-0000000000"
	theirs = `{"lockform":1,"layout":"theirs","address":"lock.z","kind":"lock","aversion":0}`
)

func TestDiff(t *testing.T) {
	one := func(change ...func(*layout.Lock)) *layout.Layout { return testLayout(lock("lock.a", "/a", change...)) }
	zero := 0
	for _, tc := range []struct {
		name   string
		first  *layout.Layout // applied before; nil: nothing
		change func(tree *fakeTree)
		second *layout.Layout
		o      Options
		ids    []zkfs.Identity // of the second planner; nil: the same
		want   []string
	}{
		{
			name: "CreatesParentsFirst", second: jobs(),
			want: []string{"create /locks", "create /locks/jobs", "create /locks/jobs/a", "create /locks/jobs/b"},
		},
		{
			name: "UsesExistingAncestors", second: jobs(),
			change: func(tree *fakeTree) { tree.put("/locks", "theirs", nil) },
			want:   []string{"create /locks/jobs", "create /locks/jobs/a", "create /locks/jobs/b"},
		},
		{name: "Unchanged", first: jobs(), second: jobs(), want: []string{}},
		{
			name: "ChangesPolicy", first: one(), second: one(mode(layout.ReadWrite)),
			want: []string{"update policy /a", `  mode: "exclusive" → "read_write"`},
		},
		{
			name: "RemovesAttribute", first: one(func(k *layout.Lock) { r := 3; k.Policy.Rank = &r }), second: one(),
			want: []string{"drift: update policy /a", "  rank: 3", "update policy /a", "  rank: 3 → (none)"},
		},
		{
			name: "ChangesACL", first: one(), second: one(withACL(append(zkfs.ReadOnly(), appACL...))),
			want: []string{"update ACL /a", "  acl: + world:anyone r"},
		},
		{
			name: "OrderOfGrantsIsNoChange", first: one(withACL(zkfs.ACL{appACL[0], {Perms: zkfs.Read, Identity: zkfs.Anyone}})),
			second: one(withACL(zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}, appACL[0]})), want: []string{},
		},
		{
			name: "AuthIsWhoPlans", first: one(withACL(zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.AuthIDs}})),
			second: one(withACL(zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.AuthIDs}})), want: []string{},
		},
		{
			name: "WritesADefault", first: one(), second: one(mode(layout.Exclusive)),
			want: []string{"update policy /a", "  spec: " + specs(one(), one(mode(layout.Exclusive)))},
		},
		{
			name: "Moves", first: testLayout(lock("lock.old", "/a")), second: testLayout(lock("lock.new", "/a")),
			want: []string{"move /a", `  address: "lock.old" → "lock.new"`},
		},
		{
			name: "DeletesChildFirst", first: jobs(), second: testLayout(),
			want: []string{"delete /locks/jobs/b", "delete /locks/jobs/a", "delete /locks/jobs"},
		},
		{
			name: "RemovedBlockDisowns", first: jobs(),
			second: testLayout(func(l *layout.Layout) { l.Removed = []layout.Removed{{From: "namespace.jobs"}} }),
			want:   []string{"disown /locks/jobs", "disown /locks/jobs/a", "disown /locks/jobs/b"},
		},
		{
			name: "StateRm", first: jobs(), second: jobs(), o: Options{Disown: []layout.Address{"namespace.jobs.lock.a"}},
			want: []string{"disown /locks/jobs/a"},
		},
		{
			name: "NamespaceBecomesParent", first: jobs(), second: testLayout(lock("lock.a", "/locks/jobs/a")),
			want: []string{
				"update policy /locks/jobs", `  address: "namespace.jobs" → ""`, `  kind: "namespace" → "parent"`,
				"move /locks/jobs/a", `  address: "namespace.jobs.lock.a" → "lock.a"`, "delete /locks/jobs/b",
			},
		},
		{
			name: "ParentBecomesNamespace", first: testLayout(lock("lock.a", "/p/a")), second: testLayout(lock("lock.a", "/p/a"), namespace("p", "/p")),
			want: []string{"update policy, update ACL /p", `  kind: "parent" → "namespace"`, "  acl: + digest:app cdr, - world:anyone r"},
		},
		{
			name: "UnmanagedInTheWay", second: one(), change: func(tree *fakeTree) { tree.put("/a", "", nil) },
			want: []string{"blocked: unmanaged /a"},
		},
		{
			name: "Adopts", second: one(adoptedLock), change: func(tree *fakeTree) { tree.put("/a", "", nil) },
			want: []string{"adopt /a"},
		},
		{
			name: "Imports", second: one(), change: func(tree *fakeTree) { tree.put("/a", "", nil) },
			o:    Options{Imports: []layout.Import{{To: "lock.a", Path: "/a"}}},
			want: []string{"adopt /a"},
		},
		{
			name: "NeverAdoptsFromAnother", second: one(adoptedLock), change: func(tree *fakeTree) { tree.put("/a", theirs, nil) },
			want: []string{"blocked: owned by another layout /a"},
		},
		{
			name: "NewerFormat", second: one(adoptedLock), change: func(tree *fakeTree) { tree.put("/a", `{"lockform":7}`, nil) },
			want: []string{"blocked: newer format /a"},
		},
		{
			name: "DamagedRecord", second: one(), change: func(tree *fakeTree) { tree.put("/a", `{"lockform":1}`, nil) },
			want: []string{"blocked: damaged record /a"},
		},
		{
			name: "LeavesStrangersAlone", first: jobs(), second: jobs(),
			change: func(tree *fakeTree) { tree.put("/locks/jobs/x", "", nil); tree.put("/locks/y/z", theirs, nil) }, want: []string{},
		},
		{
			name: "HeldLock", first: jobs(), second: testLayout(namespace("jobs", "/locks/jobs"), lock("namespace.jobs.lock.a", "/locks/jobs/a")),
			change: func(tree *fakeTree) { tree.put("/locks/jobs/b/"+queued, "", nil) },
			want:   []string{"delete /locks/jobs/b", "blocked: held /locks/jobs/b"},
		},
		{
			name: "HeldLockMayChange", first: one(), second: one(mode(layout.ReadWrite)),
			change: func(tree *fakeTree) { tree.put("/a/"+queued, "", nil) },
			want:   []string{"update policy /a", `  mode: "exclusive" → "read_write"`},
		},
		{
			name: "StrayChildOfLock", first: one(), second: testLayout(),
			change: func(tree *fakeTree) { tree.put("/a/stray", "", nil) },
			want:   []string{"delete /a", "blocked: foreign children /a"},
		},
		{
			name: "ForeignChildren", first: jobs(), second: testLayout(),
			change: func(tree *fakeTree) { tree.put("/locks/jobs/x", "", nil) },
			want:   []string{"delete /locks/jobs/b", "delete /locks/jobs/a", "delete /locks/jobs", "blocked: foreign children /locks/jobs"},
		},
		{
			name: "ProtectionOutlivesItsBlock", first: one(protectedLock), second: testLayout(),
			want: []string{"delete /a", "blocked: protected /a"},
		},
		{
			name: "ProtectionThatIsOnlyDeclared", first: one(), second: one(protectedLock), o: Options{Mode: Destroy},
			want: []string{"delete /a", "blocked: protected /a"},
		},
		{
			name: "ProtectionThatIsOnlyRecorded", first: one(protectedLock), second: one(), o: Options{Mode: Destroy},
			want: []string{"delete /a", "blocked: protected /a"},
		},
		{
			name: "ProtectionIsLiftedByDeclaring", first: one(protectedLock), second: one(),
			want: []string{"update policy /a", "  protected: true → false"},
		},
		{
			name: "Destroy", first: jobs(), second: jobs(), o: Options{Mode: Destroy},
			want: []string{"delete /locks/jobs/b", "delete /locks/jobs/a", "delete /locks/jobs", "delete /locks"},
		},
		{
			name: "DestroyExcluding", first: jobs(), second: jobs(), o: Options{Mode: Destroy, Excludes: []layout.Address{"namespace.jobs.lock.a"}},
			want: []string{"delete /locks/jobs/b"},
		},
		{
			name: "DestroyTarget", first: jobs(), second: jobs(), o: Options{Mode: Destroy, Targets: []layout.Address{"namespace.jobs.lock.a"}},
			want: []string{"delete /locks/jobs/a"},
		},
		{
			name: "TargetTakesItsNamespaces", second: jobs(), o: Options{Targets: []layout.Address{"namespace.jobs.lock.a"}},
			want: []string{"create /locks", "create /locks/jobs", "create /locks/jobs/a"},
		},
		{
			name: "Exclude", first: jobs(), second: testLayout(namespace("jobs", "/locks/jobs")), o: Options{Excludes: []layout.Address{"namespace.jobs.lock.a"}},
			want: []string{"delete /locks/jobs/b"},
		},
		{
			name: "MaxDelete", first: one(), second: testLayout(), o: Options{MaxDelete: &zero},
			want: []string{"delete /a", "blocked: max-delete "},
		},
		{
			name: "DriftOfACL", first: one(), second: one(),
			change: func(tree *fakeTree) { tree.setACL("/a", append(zkfs.ReadOnly(), appACL.With(planner)...)) },
			want:   []string{"drift: update ACL /a", "  acl: + world:anyone r", "update ACL /a", "  acl: - world:anyone r"},
		},
		{
			name: "ACLChangedAndChangedBack", first: one(), second: one(),
			change: func(tree *fakeTree) { tree.setACL("/a", zkfs.Open()); tree.setACL("/a", appACL.With(planner)) },
			want:   []string{},
		},
		{
			name: "DriftOfPolicy", first: one(), second: one(),
			change: func(tree *fakeTree) { tree.edit("/a", `"max_waiters":0`, `"max_waiters":5`) },
			want:   []string{"drift: update policy /a", "  max_waiters: 0 → 5", "update policy /a", "  max_waiters: 5 → 0"},
		},
		{
			name: "DriftApartFromChange", first: one(), second: one(mode(layout.ReadWrite)),
			change: func(tree *fakeTree) { tree.setACL("/a", zkfs.Open().With(planner)) },
			want: []string{
				"drift: update ACL /a", "update policy, update ACL /a", `  mode: "exclusive" → "read_write"`,
				"  acl: + digest:app cdr, - world:anyone cdrwa",
			},
		},
		{
			name: "DriftOfPolicyApartFromChange", first: one(), second: one(mode(layout.ReadWrite)),
			change: func(tree *fakeTree) { tree.edit("/a", `"max_waiters":0`, `"max_waiters":5`) },
			want: []string{
				"drift: update policy /a",
				"update policy /a", `  mode: "exclusive" → "read_write"`, "  max_waiters: 5 → 0",
			},
		},
		{
			name: "DriftOfPolicyOfWhatMoves", first: testLayout(lock("lock.old", "/a")), second: testLayout(lock("lock.new", "/a")),
			change: func(tree *fakeTree) { tree.edit("/a", `"max_waiters":0`, `"max_waiters":5`) },
			want: []string{
				"drift: update policy /a",
				"update policy, move /a", `  address: "lock.old" → "lock.new"`, "  max_waiters: 5 → 0",
			},
		},
		{
			name: "RefreshOnlyTellsDriftApartFromChange", first: one(), second: one(mode(layout.ReadWrite)), o: Options{Mode: RefreshOnly},
			change: func(tree *fakeTree) { tree.edit("/a", `"max_waiters":0`, `"max_waiters":5`) },
			want:   []string{"drift: update policy /a", "refresh /a"},
		},
		{
			name: "FoundBelowAnOverwrittenNamespace", first: nested(), second: testLayout(namespace("jobs", "/jobs")),
			change: func(tree *fakeTree) { tree.put("/jobs/team", "theirs now", nil) },
			want:   []string{"delete /jobs/team/deep/a", "delete /jobs/team/deep"},
		},
		{
			name: "FoundBelowTwoOverwrittenNamespaces", first: nested(), second: testLayout(namespace("jobs", "/jobs")),
			change: func(tree *fakeTree) { tree.put("/jobs/team", "theirs now", nil); tree.put("/jobs/team/deep", "x", nil) },
			want:   []string{"delete /jobs/team/deep/a"},
		},
		{
			name: "DeletedByHand", first: one(), second: one(), change: func(tree *fakeTree) { tree.remove("/a") },
			want: []string{"drift: delete /a", "create /a"},
		},
		{
			name: "OverwrittenByHand", first: one(), second: one(), change: func(tree *fakeTree) { tree.put("/a", "oops", nil) },
			want: []string{
				"drift: update policy /a", `  data: "the record" → "4 bytes that are no record"`,
				"update policy /a",
			},
		},
		{
			name: "MadeAnewByAStranger", first: one(), second: one(),
			change: func(tree *fakeTree) { tree.remove("/a"); tree.put("/a", "", nil) },
			want:   []string{"blocked: unmanaged /a"},
		},
		{
			name: "MadeAnewWithItsRecord", first: one(), second: one(),
			change: func(tree *fakeTree) {
				data := string(tree.nodes["/a"].data)
				tree.remove("/a")
				tree.put("/a", data, nil)
			},
			want: []string{
				"drift: update ACL /a", "  acl: + world:anyone cdrwa, - digest:app cdr, - digest:planner cdrwa",
				"update ACL /a", "  acl: + digest:app cdr, + digest:planner cdrwa, - world:anyone cdrwa",
			},
		},
		{
			name: "RefreshOnly", first: one(), second: one(), o: Options{Mode: RefreshOnly},
			change: func(tree *fakeTree) { tree.edit("/a", `"max_waiters":0`, `"max_waiters":5`) },
			want:   []string{"drift: update policy /a", "  max_waiters: 0 → 5", "refresh /a"},
		},
		{
			name: "RefreshOnlyLeavesChanges", first: one(), second: jobs(), o: Options{Mode: RefreshOnly}, want: []string{},
		},
		{
			name: "Rotates", first: one(), second: one(mode(layout.ReadWrite)), o: Options{Rotate: []layout.Address{"lock.a"}},
			want: []string{"rotate /a", `  mode: "exclusive" → "read_write"`},
		},
		{
			name: "NeverRotatesWhatIsUsed", first: one(), second: one(), o: Options{Rotate: []layout.Address{"lock.a"}},
			change: func(tree *fakeTree) { tree.put("/a/"+queued, "", nil) },
			want:   []string{"rotate /a", "blocked: held /a"},
		},
		{
			name: "AnotherPlanner", first: one(), second: one(), ids: []zkfs.Identity{planner, zkfs.Digest("second", "s")},
			want: []string{
				"update ACL /a", "  acl: + digest:second cdrwa",
				"update ACL /lockform/test/agents", "  acl: + digest:second cdrwa",
			},
		},
		{
			name: "LayoutACL", first: jobs(), second: jobs(func(l *layout.Layout) { l.ACL = zkfs.ReadOnly() }),
			want: []string{
				"update ACL /lockform", "  acl: ~ world:anyone cr → r",
				"update ACL /lockform/test", "  acl: + world:anyone r",
				"update ACL /lockform/test/agents", "  acl: + world:anyone r",
				"update ACL /lockform/test/apply", "  acl: + world:anyone r",
				"update ACL /lockform/test/history", "  acl: + world:anyone r",
			},
		},
		{
			name: "LostLedger", first: one(), second: one(),
			change: func(tree *fakeTree) {
				for _, p := range []zkfs.Path{"/lockform/test/history/0000000001", "/lockform/test/history", "/lockform/test/apply", "/lockform/test/agents", "/lockform/test"} {
					tree.remove(p)
				}
			},
			want: []string{"drift: delete /lockform/test"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tree := newTree()
			s := tree.session(planner)
			if tc.first != nil {
				applyLayout(t, s, tc.first, Options{})
			}
			if tc.change != nil {
				tc.change(tree)
			}
			if tc.ids != nil {
				s.ids = tc.ids
			}
			p := makePlan(t, s, tc.second, tc.o)
			if diff := cmp.Diff(tc.want, brief(p)); diff != "" {
				t.Fatalf("-want +got\n%s\n%s", diff, text(t, p))
			}
			if p.HasBlocked() {
				if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, ErrBlocked) {
					t.Errorf("apply: got %v, want %v", err, ErrBlocked)
				}
				return
			}
			if err := tryApply(s, p, ApplyOptions{}); err != nil {
				t.Fatalf("apply: %v", err)
			}
			if len(tc.o.Disown) > 0 {
				return // and what is declared is not ours any more
			}
			tc.o.Rotate = nil
			if again := makePlan(t, s, tc.second, tc.o); !again.Empty() || again.HasDrift() {
				t.Errorf("the plan after it is not empty:\n%s", text(t, again))
			}
		})
	}
}

// nested is a lock two namespaces below a third.
func nested() *layout.Layout {
	return testLayout(
		namespace("jobs", "/jobs"), namespace("jobs.namespace.team", "/jobs/team"),
		namespace("jobs.namespace.team.namespace.deep", "/jobs/team/deep"), lock("namespace.jobs.namespace.team.namespace.deep.lock.a", "/jobs/team/deep/a"),
	)
}

// specs returns the change of the digest between the first locks of two layouts.
func specs(a, b *layout.Layout) string {
	return fmt.Sprintf("%q → %q", a.Locks[0].Spec(), b.Locks[0].Spec())
}

// edit changes a part of a znode's data.
func (t *fakeTree) edit(path zkfs.Path, old, new string) {
	data := string(t.nodes[path].data)
	if !strings.Contains(data, old) {
		panic(fmt.Sprintf("%s has no %s: %s", path, old, data))
	}
	t.put(path, strings.Replace(data, old, new, 1), nil)
}

func TestDiffProblems(t *testing.T) {
	for _, tc := range []struct {
		name    string
		ids     []zkfs.Identity
		l       *layout.Layout
		o       Options
		summary string
		pos     layout.Pos
	}{
		{"DeniesThePlanner", nil, testLayout(lock("lock.a", "/a")), Options{}, "The ACL denies the planner", pos(50)},
		{"AuthOfNobody", nil, testLayout(lock("lock.a", "/a", withACL(zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}}))), Options{}, "The ACL denies the planner", pos(50)},
		{
			"ImportOfAnotherPath", []zkfs.Identity{planner}, testLayout(lock("lock.a", "/a")),
			Options{Imports: []layout.Import{{To: "lock.a", Path: "/b", Pos: pos(7)}}}, "The import does not fit the configuration", pos(7),
		},
		{
			"ImportOfTheUndeclared", []zkfs.Identity{planner}, testLayout(lock("lock.a", "/a")),
			Options{Imports: []layout.Import{{To: "lock.b", Path: "/b", Pos: pos(8)}}}, "The import does not fit the configuration", pos(8),
		},
		{
			"UnknownTarget", []zkfs.Identity{planner}, jobs(),
			Options{Targets: []layout.Address{"namespace.jobs.lock.a", "namespace.jobs.lock.c"}}, "No such address", layout.Pos{},
		},
		{
			"UnknownExclude", []zkfs.Identity{planner}, jobs(),
			Options{Excludes: []layout.Address{"lock.a"}}, "No such address", layout.Pos{},
		},
		{
			"RecordTooLarge", []zkfs.Identity{planner}, testLayout(lock("lock.a", "/a", func(k *layout.Lock) {
				for i := range 200 {
					k.Policy.ContenderACL = append(k.Policy.ContenderACL, zkfs.Entry{Perms: zkfs.Read, Identity: zkfs.Digest(fmt.Sprint(i), "p")})
				}
			})), Options{}, "The record is too large", pos(50),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := tryPlan(newTree().session(tc.ids...), tc.l, tc.o)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want %v", err, ErrInvalid)
			}
			problems := Problems(err)
			if got := problems[0]; len(problems) != 1 || got.Summary != tc.summary || got.Pos != tc.pos {
				t.Errorf("got %+v, want %q at %v", problems, tc.summary, tc.pos)
			}
		})
	}
}

func TestUnauthenticatedPlansWarn(t *testing.T) {
	p := makePlan(t, newTree().session(), testLayout(lock("lock.a", "/a", withACL(zkfs.Open()))), Options{})
	if len(p.Warnings) != 1 || !p.Warnings[0].Warning || p.Warnings[0].Pos.Line != 1 {
		t.Errorf("got %+v", p.Warnings)
	}
	if p = makePlan(t, newTree().session(planner), jobs(), Options{}); len(p.Warnings) != 0 {
		t.Errorf("authenticated: got %+v", p.Warnings)
	}
}

// TestLockInUseThatLosesPermissionsWarns: a client that used the lock by what
// everyone had could not leave its queue any more.
func TestLockInUseThatLosesPermissionsWarns(t *testing.T) {
	s := newTree().session(planner)
	open := func(acl zkfs.ACL) *layout.Layout { return testLayout(lock("lock.a", "/a", withACL(acl))) }
	applyLayout(t, s, open(zkfs.Open()), Options{})
	if p := makePlan(t, s, open(appACL), Options{}); len(p.Warnings) > 0 {
		t.Errorf("of a free lock: got %+v", p.Warnings)
	}
	s.tree.put("/a/"+queued, "", nil)
	p := makePlan(t, s, open(appACL), Options{})
	if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0].Detail, "takes permission to delete and read from world:anyone") {
		t.Errorf("of a lock in use: got %+v", p.Warnings)
	}
	more := append(zkfs.Open(), appACL...)
	if p := makePlan(t, s, open(more), Options{}); len(p.Warnings) > 0 {
		t.Errorf("of one that gives more: got %+v", p.Warnings)
	}
}

func TestMovedToAnotherPathWarns(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, testLayout(lock("lock.old", "/a")), Options{})
	moved := func(l *layout.Layout) { l.Moved = []layout.Moved{{From: "lock.old", To: "lock.new", Pos: pos(9)}} }
	p := makePlan(t, s, testLayout(lock("lock.new", "/b"), moved), Options{})
	if len(p.Warnings) != 1 || p.Warnings[0].Pos != pos(9) || p.Summary().Delete != 1 {
		t.Errorf("got %+v\n%s", p.Warnings, text(t, p))
	}
	p = makePlan(t, s, testLayout(lock("lock.old", "/b")), Options{})
	if got, want := text(t, p), "- lock.old (/a): delete # it is declared at /b now\n"; !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %q in it", got, want)
	}
	if p = makePlan(t, s, testLayout(lock("lock.new", "/a"), moved), Options{}); len(p.Warnings) != 0 || p.Summary().Move != 1 {
		t.Errorf("got %+v\n%s", p.Warnings, text(t, p))
	}
}

func TestReadSparesWhatIsUnchanged(t *testing.T) {
	s := newTree().session(planner)
	l := manyLocks(100)
	applyLayout(t, s, l, Options{})
	s.reads, s.acls, s.lists = 0, 0, 0
	makePlan(t, s, l, Options{})
	// The ledger's four znodes are looked at; nothing below locks, no ACL of a
	// lock, no list of children.
	if s.acls > 4 || s.reads > 101+10 || s.lists > 1 {
		t.Errorf("read %d znodes, %d ACLs, %d lists of children", s.reads, s.acls, s.lists)
	}
}

func TestManyTopmostLocks(t *testing.T) {
	tree := newTree()
	tree.put("/theirs", "", nil)
	s := tree.session(planner)
	many := func(n int, parent func(i int) string) *layout.Layout {
		var add []func(*layout.Layout)
		for i := range n {
			add = append(add, lock(layout.Address(fmt.Sprintf("lock.l%d", i)), zkfs.Path(fmt.Sprintf("%s/lock-%d", parent(i), i))))
		}
		return testLayout(add...)
	}
	for _, parent := range []string{"", "/theirs"} {
		t.Run("Below"+parent, func(t *testing.T) {
			l := many(200, func(int) string { return parent })
			applyLayout(t, s, l, Options{})
			ledger, err := ReadLedger(t.Context(), s, l.Ledger)
			if err != nil || len(ledger.Roots) > 1 || len(ledger.Below) != 1 {
				t.Fatalf("got %+v, %v", ledger, err)
			}
			if again := makePlan(t, s, l, Options{}); !again.Empty() {
				t.Errorf("the second plan is not empty:\n%s", text(t, again))
			}
			nodes, err := List(t.Context(), s, ledger, false)
			if err != nil || len(nodes) < 200 {
				t.Errorf("listed %d, %v", len(nodes), err)
			}
			if p := applyLayout(t, s, testLayout(), Options{}); p.Summary().Delete != 200 {
				t.Errorf("found %d to delete, want 200", p.Summary().Delete)
			}
		})
	}
	t.Run("TooManyParents", func(t *testing.T) {
		wide := strings.Repeat("x", 200)
		for i := range 400 {
			tree.put(zkfs.Path(fmt.Sprintf("/theirs/%s%d", wide, i)), "", nil)
		}
		_, err := tryPlan(s, many(400, func(i int) string { return fmt.Sprintf("/theirs/%s%d", wide, i) }), Options{})
		if !errors.Is(err, ErrInvalid) || Problems(err)[0].Summary != "The ledger would be too large" {
			t.Errorf("got %v", err)
		}
	})
}

// A movingTarget lets somebody write a znode just before its ACL is read.
type movingTarget struct {
	*fakeTarget
	times int
}

func (m *movingTarget) Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	if parts == zkfs.PartACL && m.times > 0 && paths[0] == "/a" {
		m.times--
		m.tree.put("/a", fmt.Sprintf("change %d", m.times), nil)
	}
	return m.fakeTarget.Read(ctx, parts, paths)
}

func TestReadBeginsAgainWhenTheTreeMoves(t *testing.T) {
	tree := newTree()
	tree.put("/a", "", nil)
	l := testLayout(lock("lock.a", "/a", adoptedLock))
	p, err := tryPlan(&movingTarget{tree.session(planner), readTries - 1}, l, Options{})
	if err != nil || p.Ensembles[0].Steps[0].Pre.Version != tree.nodes["/a"].stat.Version {
		t.Errorf("got %v", err)
	}
	if _, err := tryPlan(&movingTarget{tree.session(planner), readTries}, l, Options{}); !errors.Is(err, errMoving) {
		t.Errorf("got %v, want %v", err, errMoving)
	}
}
