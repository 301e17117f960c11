package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// everything returns a plan in which each thing occurs that a plan can show, and
// the tree that it was made against.
func everything(t *testing.T) (*Plan, *fakeTree) {
	t.Helper()
	tree := newTree()
	s := tree.session(planner)
	applyLayout(t, s, testLayout(
		namespace("jobs", "/locks/jobs"),
		lock("namespace.jobs.lock.changed", "/locks/jobs/changed"),
		lock("namespace.jobs.lock.old", "/locks/jobs/moved"),
		lock("namespace.jobs.lock.drifted", "/locks/jobs/drifted"),
		lock("namespace.jobs.lock.held", "/locks/jobs/held"),
		lock("namespace.jobs.lock.safe", "/locks/jobs/safe", protectedLock),
		lock("namespace.jobs.lock.free", "/locks/jobs/free"),
		lock("namespace.jobs.lock.let_go", "/locks/jobs/let_go"),
		lock("namespace.jobs.lock.same", "/locks/jobs/same"),
	), Options{})
	tree.setACL("/locks/jobs/drifted", append(zkfs.ReadOnly(), appACL.With(planner)...))
	tree.edit("/locks/jobs/drifted", `"max_waiters":0`, `"max_waiters":5`)
	tree.put("/locks/jobs/held/"+queued, `{"lockform":1,"host":"db1","pid":4711,"owner":"billing","mode":"exclusive","since":"2026-11-20T18:00:00Z"}`, nil)
	tree.put("/locks/jobs/held/_c_00000000-0000-0000-0000-000000000002-lock-0000000001", "", nil)
	tree.put("/locks/jobs/found", "hello", nil)
	tree.put("/locks/jobs/strange", "", nil)
	l := testLayout(
		namespace("jobs", "/locks/jobs"),
		lock("namespace.jobs.lock.changed", "/locks/jobs/changed", mode(layout.ReadWrite), func(k *layout.Lock) {
			k.Policy.WaitTimeout, k.Policy.ContenderACL, k.ACL = 2*time.Minute, zkfs.ReadOnly(), append(zkfs.ReadOnly(), appACL...)
		}),
		lock("namespace.jobs.lock.new", "/locks/jobs/moved"),
		lock("namespace.jobs.lock.drifted", "/locks/jobs/drifted"),
		lock("namespace.jobs.lock.same", "/locks/jobs/same"),
		lock("namespace.jobs.lock.found", "/locks/jobs/found", adoptedLock),
		lock("namespace.jobs.lock.strange", "/locks/jobs/strange"),
		lock(`lock.shard["01"]`, "/shards/01", mode(layout.ReadWrite), protectedLock),
		func(l *layout.Layout) { l.Removed = []layout.Removed{{From: "namespace.jobs.lock.let_go"}} },
	)
	p := makePlan(t, s, l, Options{Created: time.Unix(1_700_000_000, 0)})
	p.Config = "sha256:config"
	p.Warnings = []Problem{{
		Warning: true, Summary: "Something to think about", Pos: pos(3), Address: "lock.shard",
		Detail: "This warning is here so that its form is seen, and it is long enough to show that lines of a diagnostic stay as they are.",
	}}
	return p, tree
}

func TestGoldenText(t *testing.T) {
	p, _ := everything(t)
	for _, tc := range []struct {
		name string
		o    TextOptions
	}{{"plan.txt", TextOptions{}}, {"plan-color.txt", TextOptions{Color: true, Width: 120}}} {
		var b bytes.Buffer
		if err := p.WriteText(&b, tc.o); err != nil {
			t.Fatal(err)
		}
		golden.Assert(t, b.String(), tc.name)
	}
}

func TestGoldenJSON(t *testing.T) {
	p, _ := everything(t)
	data, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, strings.Replace(string(data), p.Digest(), "sha256:…", 1)+"\n", "show.json")
}

func TestGoldenStream(t *testing.T) {
	p, tree := everything(t)
	var b bytes.Buffer
	s := Stream{W: &b, Now: func() time.Time { return time.Unix(1_700_000_000, 0) }}
	s.Version("1.2.3")
	s.Plan(p)
	err := tryApply(tree.session(planner), p, ApplyOptions{Observe: s.Observe, Now: s.Now})
	if !errors.Is(err, ErrBlocked) {
		t.Fatalf("got %v, want %v", err, ErrBlocked)
	}
	s.Failed(err)
	session := newTree().session(planner)
	free := makePlan(t, session, jobs(), Options{})
	if err := tryApply(session, free, ApplyOptions{Observe: s.Observe, Now: s.Now}); err != nil {
		t.Fatal(err)
	}
	s.Applied(free)
	if s.Err != nil {
		t.Fatal(s.Err)
	}
	for line := range bytes.Lines(b.Bytes()) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for _, field := range []string{"@level", "@message", "@module", "@timestamp", "type"} {
			if m[field] == nil {
				t.Errorf("%s has no %s", line, field)
			}
		}
	}
	all := loadSchemas(t)
	all.lines(t, b.Bytes())
	golden.Assert(t, b.String(), "stream.ndjson")
}

func TestGoldenManaged(t *testing.T) {
	_, tree := everything(t)
	s := tree.session(planner)
	ledger, err := ReadLedger(t.Context(), s, "/lockform/test")
	if err != nil {
		t.Fatal(err)
	}
	ledger.Run.Started = time.Unix(1_700_000_000, 0)
	nodes, err := List(t.Context(), s, ledger, true)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteManaged(&b, "main", ledger, nodes, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := WriteManaged(&b, "other", Ledger{Path: "/lockform/test"}, nil, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, b.String(), "managed.txt")
}

func TestProblemText(t *testing.T) {
	for _, tc := range []struct {
		name string
		p    Problem
		want string
	}{
		{
			"AsTheHouseSays",
			Problem{
				Summary: "ACL differs from the plan", Address: "namespace.billing", Path: "/locks/billing", Pos: pos(12),
				Detail: "/locks/billing has aversion 4; this plan was made against 3.\nRun \"lockform plan\" again and review the change.",
			},
			"Error: ACL differs from the plan\n  on locks.hcl line 12, in namespace \"billing\":\n" +
				"/locks/billing has aversion 4; this plan was made against 3.\nRun \"lockform plan\" again and review the change.\n",
		},
		{
			"WithAKey", Problem{Warning: true, Summary: "S", Address: `lock.x["1"]`, Pos: pos(1)},
			"Warning: S\n  on locks.hcl line 1, in lock \"x\" (lock.x[\"1\"]):\n",
		},
		{"WithoutAPlace", Problem{Summary: "S", Detail: "D."}, "Error: S\nD.\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := tc.p.WriteText(&b, TextOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
}
