package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

const small = 10 << 10 // bytes in a batch: a few steps

// wide is a layout of several batches of that size, with ACL changes after
// narrow was applied.
func narrow() *layout.Layout {
	return testLayout(
		namespace("a", "/w/a"), lock("namespace.a.lock.x", "/w/a/x"), lock("namespace.a.lock.y", "/w/a/y"),
	)
}

func wide() *layout.Layout {
	add := []func(*layout.Layout){
		namespace("a", "/w/a"),
		lock("namespace.a.lock.x", "/w/a/x", withACL(append(zkfs.ReadOnly(), appACL...))),
		lock("namespace.a.lock.y", "/w/a/y", withACL(zkfs.ReadOnly())),
	}
	for i := range 4 {
		add = append(add, namespace(fmt.Sprintf("n%d", i), zkfs.Path(fmt.Sprintf("/w/n%d", i))))
		for j := range 2 {
			add = append(add, lock(layout.Address(fmt.Sprintf("namespace.n%d.lock.l%d", i, j)), zkfs.Path(fmt.Sprintf("/w/n%d/l%d", i, j))))
		}
	}
	return testLayout(add...)
}

// start applies narrow and plans wide.
func start(t *testing.T) (*fakeTarget, *Plan) {
	t.Helper()
	s := newTree().session(planner)
	applyLayout(t, s, narrow(), Options{})
	p := makePlan(t, s, wide(), Options{maxBatch: small})
	if e := &p.Ensembles[0]; len(e.Batches) < 3 || len(e.ACLs) != 2 {
		t.Fatalf("got %d batches and %d ACL changes, want several and 2", len(e.Batches), len(e.ACLs))
	}
	return s, p
}

// finishes applies what is left, by the same plan or a new one, and compares the
// tree with one on which nothing went wrong.
func finishes(t *testing.T, s *fakeTarget, p *Plan, anew bool) {
	t.Helper()
	smooth, _ := start(t)
	if err := tryApply(smooth, p, ApplyOptions{}); err != nil {
		t.Fatalf("without a fault: %v", err)
	}
	if anew {
		p = makePlan(t, s, wide(), Options{maxBatch: small})
	}
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatalf("continue: %v", err)
	}
	l := wide()
	if got, want := withoutAversions(s.tree.shape(l)), withoutAversions(smooth.tree.shape(l)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if again := makePlan(t, s, l, Options{}); !again.Empty() || again.HasDrift() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
}

func TestCancelBeforeTheFirstWrite(t *testing.T) {
	s, p := start(t)
	before := s.tree.dump(true)
	ctx, cancel := context.WithCancel(t.Context())
	held := s.tree.lock("/lockform/test/apply", 1)
	err := Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(Event) { cancel() }})
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrPartial) {
		t.Errorf("got %v", err)
	}
	if s.tree.dump(true) != before {
		t.Error("something was written")
	}
}

func TestCancelStopsBetweenBatches(t *testing.T) {
	for _, anew := range []bool{false, true} {
		for _, at := range []EventKind{EventCommitted, EventACLSet} {
			t.Run(fmt.Sprintf("%s anew=%v", at, anew), func(t *testing.T) {
				s, p := start(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				held := s.tree.lock("/lockform/test/apply", 1)
				err := Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(e Event) {
					if e.Kind == at {
						cancel()
					}
				}})
				s.tree.release(held)
				if !errors.Is(err, ErrPartial) || !errors.Is(err, context.Canceled) {
					t.Fatalf("got %v, want %v", err, ErrPartial)
				}
				apply, ok := errors.AsType[*ApplyError](err)
				if !ok || apply.Batch < 1 || at == EventACLSet && apply.ACL != 1 {
					t.Errorf("got %+v", apply)
				}
				finishes(t, s, p, anew)
			})
		}
	}
}

func TestLostLockWritesNothingMore(t *testing.T) {
	for n := 1; n <= 10; n++ {
		t.Run(fmt.Sprintf("before write %d", n), func(t *testing.T) {
			s, p := start(t)
			held := s.tree.lock("/lockform/test/apply", 1)
			var after string
			first := s.writes
			s.before = func(i int) (error, bool) {
				if i == first+n {
					s.tree.release(held)
					after = s.tree.dump(true)
				}
				return nil, false
			}
			err := Apply(t.Context(), p, []Side{{"main", s, held}}, ApplyOptions{})
			s.before = nil
			want := ErrBlocked
			if n > 1 {
				want = ErrPartial
			}
			if !errors.Is(err, want) || !errors.Is(err, ErrLockLost) {
				t.Fatalf("got %v, want %v", err, want)
			}
			if got := s.tree.dump(true); got != after {
				t.Errorf("written without the lock:\n%s\nwant\n%s", got, after)
			}
			finishes(t, s, p, false)
		})
	}
}

func TestLockLostWhileWaitingForAReply(t *testing.T) {
	s, p := start(t)
	held := s.tree.lock("/lockform/test/apply", 1)
	first := s.writes
	s.before = func(i int) (error, bool) {
		if i == first+1 {
			held.lose(errors.New("expired"))
			s.dead = zkfs.ErrSessionOver
			return zkfs.ErrOutcomeUnknown, true
		}
		return nil, false
	}
	err := Apply(t.Context(), p, []Side{{"main", s, held}}, ApplyOptions{})
	if !errors.Is(err, ErrUnknown) {
		t.Fatalf("got %v, want %v", err, ErrUnknown)
	}
	s.before, s.dead = nil, nil
	s.tree.release(held)
	finishes(t, s, p, false)
}

// TestSecondInterruptStopsAtOnce has a target whose requests are cancelled,
// though nobody has cancelled the apply's own.
func TestSecondInterruptStopsAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name string
		from int // the first write that is cancelled
		want error
	}{{"FirstBatch", 1, ErrUnknown}, {"SecondBatch", 2, ErrUnknown}, {"ACL", 11, ErrPartial}} {
		t.Run(tc.name, func(t *testing.T) {
			s, p := start(t)
			held := s.tree.lock("/lockform/test/apply", 1)
			first := s.writes
			s.before = func(i int) (error, bool) {
				if i >= first+tc.from {
					s.dead = context.Canceled
					return context.Canceled, false
				}
				return nil, false
			}
			err := Apply(t.Context(), p, []Side{{"main", s, held}}, ApplyOptions{})
			if !errors.Is(err, tc.want) || !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			s.before, s.dead = nil, nil
			s.tree.release(held)
			finishes(t, s, p, false)
		})
	}
}

func TestLostRepliesAreFoundOut(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprintf("carried out %v", lost), func(t *testing.T) {
			s, p := start(t)
			failed := 0
			s.before = func(i int) (error, bool) {
				// Every second write loses its reply.
				if i%2 == 0 {
					failed++
					return zkfs.ErrOutcomeUnknown, lost
				}
				return nil, false
			}
			if err := tryApply(s, p, ApplyOptions{}); err != nil {
				t.Fatal(err)
			}
			if failed < 4 {
				t.Errorf("only %d replies were lost", failed)
			}
			s.before = nil
			if again := makePlan(t, s, wide(), Options{}); !again.Empty() || again.HasDrift() {
				t.Errorf("the plan after it is not empty:\n%s", text(t, again))
			}
		})
	}
}

// An overtaken target is one whose ledger somebody sets before it is told that a
// reply was lost.
type overtaken struct {
	*fakeTarget
	by func()
}

func (t overtaken) SendMulti(ctx context.Context, ops []zkfs.Op) func() ([]zkfs.Result, error) {
	answer := t.fakeTarget.SendMulti(ctx, ops)
	return func() ([]zkfs.Result, error) {
		results, err := answer()
		if err != nil {
			t.by()
		}
		return results, err
	}
}

// TestLostReplyAndAnotherRun loses the reply to the first batch, which was carried
// out, and finds the ledger of somebody else's run: nothing tells any more that it
// was.
func TestLostReplyAndAnotherRun(t *testing.T) {
	s, p := start(t)
	held := s.tree.lock("/lockform/test/apply", 1)
	first := s.writes
	s.before = func(i int) (error, bool) { return zkfs.ErrOutcomeUnknown, i == first+1 }
	target := overtaken{s, sync.OnceFunc(func() {
		s.before = nil
		ledger, err := ParseLedger(s.tree.nodes["/lockform/test"].data)
		if err != nil || ledger.Run == nil || ledger.Run.Batch != 1 {
			t.Fatalf("the ledger after the first batch: got %+v, %v", ledger, err)
		}
		ledger.Run.ID, ledger.Run.Plan = newID(), "sha256:another"
		data, err := ledger.Encode()
		if err != nil {
			t.Fatal(err)
		}
		s.tree.put("/lockform/test", string(data), nil)
	})}
	err := Apply(t.Context(), p, []Side{{"main", target, held}}, ApplyOptions{})
	if !errors.Is(err, ErrUnknown) || !strings.Contains(Problems(err)[0].Detail, "Batch 1 of ") {
		t.Fatalf("got %v, want %v", err, ErrUnknown)
	}
}

// TestACLOfUnknownOutcome changes nothing but an ACL, and loses the session or
// gives up at the note of it in the ledger, or at the change itself.
func TestACLOfUnknownOutcome(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write int // the one that fails
		err   error
	}{{"SessionLostAtTheNote", 1, zkfs.ErrOutcomeUnknown}, {"SessionLostAtTheACL", 2, zkfs.ErrOutcomeUnknown}, {"GivenUpAtTheACL", 2, context.Canceled}} {
		t.Run(tc.name, func(t *testing.T) {
			s := newTree().session(planner)
			applyLayout(t, s, jobs(), Options{})
			l := jobs(func(l *layout.Layout) { l.ACL = zkfs.ReadOnly() })
			p := makePlan(t, s, l, Options{})
			held := s.tree.lock("/lockform/test/apply", 1)
			first := s.writes
			s.before = func(i int) (error, bool) {
				if i < first+tc.write {
					return nil, false
				}
				s.dead = zkfs.ErrSessionOver
				return tc.err, true
			}
			err := Apply(t.Context(), p, []Side{{"main", s, held}}, ApplyOptions{})
			if !errors.Is(err, ErrUnknown) || errors.Is(err, ErrPartial) {
				t.Fatalf("got %v, want %v", err, ErrUnknown)
			}
			if got := Problems(err)[0].Detail; !strings.HasPrefix(got, "ACL change 1 of ") {
				t.Errorf("got %q", got)
			}
			s.before, s.dead = nil, nil
			s.tree.release(held)
			if err := tryApply(s, p, ApplyOptions{}); err != nil {
				t.Fatalf("the same plan again: %v", err)
			}
			if again := makePlan(t, s, l, Options{}); !again.Empty() {
				t.Errorf("the plan after it is not empty:\n%s", text(t, again))
			}
		})
	}
}

// TestLedgerSetByHandWithBatchesInFlight loses the third batch to somebody who
// sets the ledger as it stands there: then it has the version that the fourth one
// expects, which is under way.
func TestLedgerSetByHandWithBatchesInFlight(t *testing.T) {
	s := newTree().session(planner)
	p := makePlan(t, s, manyLocks(60), Options{maxBatch: 12 << 10})
	path, err := Prepare(t.Context(), s, p, "main")
	if err != nil {
		t.Fatal(err)
	}
	first := s.writes
	s.before = func(i int) (error, bool) {
		if i == first+3 {
			s.tree.put("/lockform/test", string(s.tree.nodes["/lockform/test"].data), nil)
		}
		return nil, false
	}
	err = Apply(t.Context(), p, []Side{{"main", s, s.tree.lock(path, 1)}}, ApplyOptions{})
	if apply, ok := errors.AsType[*ApplyError](err); !ok || !errors.Is(err, ErrPartial) || apply.Batch != 2 {
		t.Fatalf("got %v, want %v after batch 2", err, ErrPartial)
	}
	s.before = nil
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatalf("continue: %v", err)
	}
	if again := makePlan(t, s, manyLocks(60), Options{}); !again.Empty() || again.HasDrift() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
}

func TestStrangerBetweenBatchAndACL(t *testing.T) {
	s, p := start(t)
	err := tryApply(s, p, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventACL && e.ACL == 2 {
			s.tree.setACL(e.Steps[0].Path, zkfs.Open())
		}
	}})
	if !errors.Is(err, ErrPartial) {
		t.Fatalf("got %v, want %v", err, ErrPartial)
	}
	problem := Problems(err)[0]
	if problem.Summary != "ACL differs from the plan" || problem.Path != "/w/a/x" || problem.Pos.File != "locks.hcl" {
		t.Errorf("got %+v", problem)
	}
	// The same plan cannot go on; a new one of the same configuration can.
	if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, ErrPartial) {
		t.Errorf("the same plan: got %v, want %v", err, ErrPartial)
	}
	finishes(t, s, p, true)
}

// TestACLOfTheLedgerIsStale changes nothing but ACLs that are the ledger's: as
// long as none was set, nothing was written.
func TestACLOfTheLedgerIsStale(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	l := jobs(func(l *layout.Layout) { l.ACL = zkfs.ReadOnly() })
	p := makePlan(t, s, l, Options{})
	err := tryApply(s, p, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventACL && e.ACL == 1 {
			s.tree.setACL(e.Steps[0].Path, zkfs.Open())
		}
	}})
	if !errors.Is(err, ErrStale) || errors.Is(err, ErrPartial) {
		t.Fatalf("got %v, want %v", err, ErrStale)
	}
	applyLayout(t, s, l, Options{})
	if again := makePlan(t, s, l, Options{}); !again.Empty() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
}

func TestRevocationsComeFirst(t *testing.T) {
	s, p := start(t)
	var order []zkfs.Path
	if err := tryApply(s, p, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventACLSet {
			order = append(order, e.Steps[0].Path)
		}
	}}); err != nil {
		t.Fatal(err)
	}
	// y loses its grant to the application; x only gets another one.
	if want := []zkfs.Path{"/w/a/y", "/w/a/x"}; !slices.Equal(order, want) {
		t.Errorf("got %v, want %v", order, want)
	}
}

func TestAnotherConfigurationWaitsForAnUnfinishedRun(t *testing.T) {
	s, p := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	held := s.tree.lock("/lockform/test/apply", 1)
	err := Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventCommitted {
			cancel()
		}
	}})
	s.tree.release(held)
	if !errors.Is(err, ErrPartial) {
		t.Fatalf("got %v", err)
	}
	other := makePlan(t, s, jobs(), Options{})
	if err := tryApply(s, other, ApplyOptions{}); !errors.Is(err, ErrBlocked) {
		t.Fatalf("another configuration: got %v, want %v", err, ErrBlocked)
	}
	if err := tryApply(s, other, ApplyOptions{Abandon: true}); err != nil {
		t.Fatalf("abandon: %v", err)
	}
	if again := makePlan(t, s, jobs(), Options{}); !again.Empty() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
	if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, ErrStale) {
		t.Errorf("the abandoned plan: got %v, want %v", err, ErrStale)
	}
}

// TestRunThatOnlyLacksItsEnd is one that was cut off after its last change: the
// next plan changes nothing and still brings it to its end.
func TestRunThatOnlyLacksItsEnd(t *testing.T) {
	s, p := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	held := s.tree.lock("/lockform/test/apply", 1)
	err := Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventACLSet && e.ACL == e.ACLs {
			held.lose(errors.New("expired"))
		}
	}})
	s.tree.release(held)
	if !errors.Is(err, ErrPartial) {
		t.Fatalf("got %v, want %v", err, ErrPartial)
	}
	next := makePlan(t, s, wide(), Options{})
	if next.Empty() || next.Summary().NoOp != len(next.Ensembles[0].Steps) {
		t.Errorf("got\n%s", text(t, next))
	}
	finishes(t, s, p, true)
	runs, err := ReadHistory(t.Context(), s, "/lockform/test")
	if err != nil || len(runs) != 3 || runs[1].Done || !runs[0].Done {
		t.Errorf("history: got %+v, %v", runs, err)
	}
}

func TestContenderThatComesDuringApply(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	p := makePlan(t, s, testLayout(), Options{})
	before := ""
	err := tryApply(s, p, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventStart {
			s.tree.put("/locks/jobs/a/"+queued, `{"lockform":1,"host":"db1","pid":7,"owner":"billing","mode":"exclusive"}`, nil)
			before = s.tree.dump(true)
		}
	}})
	if !errors.Is(err, ErrBlocked) {
		t.Fatalf("got %v, want %v", err, ErrBlocked)
	}
	if problem := Problems(err)[0]; problem.Path != "/locks/jobs/a" || !strings.Contains(problem.Detail, "billing on db1, pid 7") {
		t.Errorf("got %+v", problem)
	}
	if s.tree.dump(true) != before {
		t.Error("something was written")
	}
}

func TestDeniedApplySaysWhat(t *testing.T) {
	tree := newTree()
	applyLayout(t, tree.session(planner), jobs(), Options{})
	s := tree.session(planner)
	p := makePlan(t, s, testLayout(namespace("jobs", "/locks/jobs"), lock("namespace.jobs.lock.a", "/locks/jobs/a")), Options{})
	// No check tells this before the server does.
	tree.nodes["/locks/jobs"].acl = zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}}
	before := tree.dump(true)
	err := tryApply(s, p, ApplyOptions{})
	if !errors.Is(err, zkfs.ErrNoAuth) || errors.Is(err, ErrStale) || errors.Is(err, ErrPartial) {
		t.Fatalf("got %v, want %v", err, zkfs.ErrNoAuth)
	}
	if got := Problems(err)[0]; got.Path != "/locks/jobs/b" || got.Summary != "Permission denied" {
		t.Errorf("got %+v", got)
	}
	if tree.dump(true) != before {
		t.Error("something was written")
	}
}

func TestHistoryKeepsTheLastRuns(t *testing.T) {
	s := newTree().session(planner)
	for i := range MaxHistory + 5 {
		m := []layout.Mode{layout.Exclusive, layout.ReadWrite}[i%2]
		applyLayout(t, s, testLayout(lock("lock.a", "/a", mode(m))), Options{})
	}
	runs, err := ReadHistory(t.Context(), s, "/lockform/test")
	if err != nil || len(runs) != MaxHistory || runs[0].Serial != MaxHistory+5 || runs[MaxHistory-1].Serial != 6 {
		t.Errorf("got %d runs, %v", len(runs), err)
	}
	if got := len(s.tree.children("/lockform/test/history")); got != MaxHistory {
		t.Errorf("got %d entries, want %d", got, MaxHistory)
	}
}

// twoEnsembles declares one lock in each of two ensembles.
func twoEnsembles() *layout.Layout {
	return testLayout(lock("lock.a", "/a"), lock("lock.b", "/b", func(k *layout.Lock) { k.Ensemble = "dr" }), func(l *layout.Layout) {
		l.Ensembles = append(l.Ensembles, layout.Ensemble{Name: "dr", Servers: []string{"dr1:2181"}, Chroot: zkfs.Root})
	})
}

func planTwo(t *testing.T, l *layout.Layout, main, dr *fakeTarget, options ...Options) (*Plan, error) {
	t.Helper()
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	var lives []*Live
	for name, s := range map[string]*fakeTarget{"main": main, "dr": dr} {
		live, err := Read(t.Context(), s, l, name, o)
		if err != nil {
			t.Fatal(err)
		}
		lives = append(lives, live)
	}
	slices.SortFunc(lives, func(a, b *Live) int { return -strings.Compare(a.Ensemble, b.Ensemble) })
	return Diff(l, lives, o)
}

func applyTwo(t *testing.T, p *Plan, main, dr *fakeTarget, o ApplyOptions) error {
	t.Helper()
	var sides []Side
	for i, s := range []*fakeTarget{main, dr} {
		name := []string{"main", "dr"}[i]
		path, err := Prepare(t.Context(), s, p, name)
		if err != nil {
			t.Fatal(err)
		}
		held := s.tree.lock(path, i+100+s.tree.lockSeq())
		defer s.tree.release(held)
		sides = append(sides, Side{name, s, held})
	}
	return Apply(t.Context(), p, sides, o)
}

func TestTwoEnsembles(t *testing.T) {
	main, dr := newTree().session(planner), newTree().session(planner)
	p, err := planTwo(t, twoEnsembles(), main, dr)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("NothingIsWrittenWhenOneIsStale", func(t *testing.T) {
		dr.tree.put("/b", "", nil)
		if err := applyTwo(t, p, main, dr, ApplyOptions{}); !errors.Is(err, ErrStale) {
			t.Fatalf("got %v, want %v", err, ErrStale)
		}
		if main.tree.nodes["/a"] != nil {
			t.Error("/a was made")
		}
		dr.tree.remove("/b")
	})
	t.Run("FailureAfterTheFirstIsPartial", func(t *testing.T) {
		err := applyTwo(t, p, main, dr, ApplyOptions{Observe: func(e Event) {
			if e.Kind == EventStart && e.Ensemble == "dr" {
				dr.tree.put("/b", "", nil)
			}
		}})
		if !errors.Is(err, ErrPartial) {
			t.Fatalf("got %v, want %v", err, ErrPartial)
		}
		dr.tree.remove("/b")
	})
	t.Run("SamePlanContinues", func(t *testing.T) {
		if err := applyTwo(t, p, main, dr, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		again, err := planTwo(t, twoEnsembles(), main, dr)
		if err != nil || !again.Empty() {
			t.Errorf("got %v\n%s", err, text(t, again))
		}
	})
	t.Run("OneThatIsGoneFromTheConfiguration", func(t *testing.T) {
		_, err := tryPlan(main, testLayout(lock("lock.a", "/a")), Options{})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), `-ensemble=dr=CONNECT`) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("ForgetsOneThatGoes", func(t *testing.T) {
		only := testLayout(lock("lock.a", "/a", mode(layout.ReadWrite)))
		p := makePlan(t, main, only, Options{Forget: []string{"dr"}})
		if p.Empty() || len(p.Ensembles[0].Steps) != 0 {
			t.Errorf("got\n%s", text(t, p))
		}
		if err := tryApply(main, p, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		p = makePlan(t, main, only, Options{})
		if got := p.Summary(); got.Update != 1 || p.HasDrift() {
			t.Errorf("got\n%s", text(t, p))
		}
		if p, err = planTwo(t, twoEnsembles(), main, dr, Options{Forget: []string{"dr"}}); err != nil {
			t.Fatal(err)
		}
		if got, want := p.Summary(), (Summary{Delete: 1}); got != want {
			t.Errorf("got %+v, want %+v\n%s", got, want, text(t, p))
		}
		if err := applyTwo(t, p, main, dr, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		if main.tree.nodes["/a"] == nil || dr.tree.nodes["/b"] != nil {
			t.Error("not only the ensemble that goes was destroyed")
		}
	})
	t.Run("SameTreeTwice", func(t *testing.T) {
		if _, err := planTwo(t, twoEnsembles(), main, main.tree.session(planner)); !errors.Is(err, ErrInvalid) {
			t.Errorf("planned: got %v, want %v", err, ErrInvalid)
		}
		empty := newTree()
		a, b := empty.session(planner), empty.session(planner)
		p, err := planTwo(t, twoEnsembles(), a, b)
		if err != nil {
			t.Fatal(err)
		}
		if err := applyTwo(t, p, a, b, ApplyOptions{}); !errors.Is(err, ErrInvalid) {
			t.Errorf("applied: got %v, want %v", err, ErrInvalid)
		}
		if empty.nodes["/a"] != nil || empty.nodes["/b"] != nil {
			t.Error("something was written")
		}
	})
}

func TestBatchesEndBetweenNamespaces(t *testing.T) {
	p := makePlan(t, newTree().session(planner), manyLocks(5000), Options{})
	e := &p.Ensembles[0]
	if len(e.Batches) < 3 {
		t.Fatalf("got %d batches, want several", len(e.Batches))
	}
	at := 0
	for i, b := range e.Batches {
		if b.From != at || b.Bytes > MaxBatch {
			t.Errorf("batch %d: from %d, %d bytes; want from %d, at most %d bytes", i, b.From, b.Bytes, at, MaxBatch)
		}
		at = b.To
		bytes := 0
		for j := b.From; j < b.To; j++ {
			for _, op := range e.appendOps(nil, &e.Steps[j]) {
				bytes += opBytes(op, e.Chroot)
			}
		}
		if bytes > b.Bytes {
			t.Errorf("batch %d: says %d bytes, has %d", i, b.Bytes, bytes)
		}
	}
	if at != len(e.Steps) {
		t.Errorf("%d of %d steps are in batches", at, len(e.Steps))
	}
	// Five hundred locks of a kilobyte are more than a batch; then it ends where
	// it must. Smaller namespaces stay together.
	p = makePlan(t, newTree().session(planner), wide(), Options{maxBatch: 14 << 10})
	e = &p.Ensembles[0]
	for _, b := range e.Batches[1:] {
		if s := e.Steps[b.From]; s.Kind != layout.KindNamespace {
			t.Errorf("a batch begins with %s in the middle of a namespace", s.Path)
		}
	}
}

func TestEventsTellEverything(t *testing.T) {
	s, p := start(t)
	var kinds []EventKind
	begun, committed, steps := 0, 0, 0
	now := time.Unix(0, 0)
	err := tryApply(s, p, ApplyOptions{Now: func() time.Time { now = now.Add(time.Second); return now }, Observe: func(e Event) {
		switch e.Kind {
		case EventBatch:
			if begun++; e.Batch != begun || begun > committed+inFlight {
				t.Errorf("batch %d begins as number %d, with %d committed", e.Batch, begun, committed)
			}
		case EventCommitted:
			steps += len(e.Steps)
			if committed++; e.Batch != committed || committed > begun || e.Zxid == 0 || e.Elapsed <= 0 {
				t.Errorf("committed as number %d: got %+v", committed, e)
			}
		default:
			kinds = append(kinds, e.Kind)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Ensembles[0].Batches); begun != n || committed != n || n <= inFlight {
		t.Errorf("got %d batches begun and %d committed of %d", begun, committed, n)
	}
	want := []EventKind{EventStart, EventACL, EventACLSet, EventACL, EventACLSet, EventDone}
	if !slices.Equal(kinds, want) {
		t.Errorf("got %v, want %v", kinds, want)
	}
	if sum := p.Summary(); steps != sum.Create+sum.Update {
		t.Errorf("got %d steps in batches, want %d", steps, sum.Create+sum.Update)
	}
}
