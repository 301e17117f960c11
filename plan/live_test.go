package plan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	agentlock "github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// dial opens a session as the planner, or as somebody else.
func dial(t testing.TB, e *zktest.Env, auth ...zkconn.Auth) *zkconn.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	s, err := zkconn.Open(ctx, zkconn.Config{Servers: e.Servers, SessionTimeout: 10 * time.Second, TickTime: zktest.Tick, Auth: auth})
	if err != nil {
		t.Fatalf("open a session: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Close(ctx)
	})
	return s
}

func asPlanner() zkconn.Auth { return zkconn.Digest("planner", "p") }

// applyLive prepares, takes the apply lock, applies and gives the lock up.
func applyLive(ctx context.Context, s *zkconn.Session, p *Plan, wait time.Duration, o ApplyOptions) error {
	path, err := Prepare(ctx, s, p, "main")
	if err != nil {
		return err
	}
	client, err := agentlock.Open(ctx, agentlock.Config{Session: s})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(context.Background()) }()
	policy := layout.DefaultPolicy()
	policy.SessionTimeout, policy.TickTime, policy.KillTimeout = s.Timeout(), zktest.Tick, time.Second
	held, err := client.Acquire(ctx, path, agentlock.Options{Policy: &policy, Wait: &wait})
	if err != nil {
		return err
	}
	defer func() { _ = held.Release(context.Background()) }()
	return Apply(ctx, p, []Side{{"main", s, held}}, o)
}

func TestLiveLifeOfALayout(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := context.Background()
		s := dial(t, e, asPlanner())
		l := jobs(func(l *layout.Layout) { l.Locks[0].ACL = zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}} })
		p := makePlan(t, s, l, Options{})
		if err := applyLive(ctx, s, p, 0, ApplyOptions{User: "me", Host: "here", Commit: "abc"}); err != nil {
			t.Fatal(err)
		}
		if again := makePlan(t, s, l, Options{}); !again.Empty() || again.HasDrift() {
			t.Fatalf("the second plan is not empty:\n%s", text(t, again))
		}
		changed := testLayout(
			namespace("jobs", "/locks/jobs"),
			lock("namespace.jobs.lock.a", "/locks/jobs/a", mode(layout.ReadWrite), withACL(zkfs.ReadOnly())),
			lock("namespace.jobs.lock.c", "/locks/jobs/c"),
		)
		p = makePlan(t, s, changed, Options{})
		if got, want := p.Summary(), (Summary{Create: 1, Update: 1, Delete: 1, NoOp: 2}); got != want {
			t.Errorf("changed: got %+v, want %+v\n%s", got, want, text(t, p))
		}
		if err := applyLive(ctx, s, p, 0, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		if again := makePlan(t, s, changed, Options{}); !again.Empty() || again.HasDrift() {
			t.Fatalf("the plan after the change is not empty:\n%s", text(t, again))
		}
		if err := applyLive(ctx, s, makePlan(t, s, changed, Options{Mode: Destroy}), 0, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		for p := range e.Tree(t) {
			if !zkfs.Path("/lockform").Contains(p) {
				t.Errorf("destroy left %s", p)
			}
		}
		runs, err := ReadHistory(ctx, s, l.Ledger)
		if err != nil || len(runs) != 3 || runs[2].By() != "me@here" || runs[2].Commit != "abc" {
			t.Errorf("history: got %+v, %v", runs, err)
		}
	})
}

// TestLiveTwoAppliersNeverInterleave lets several planners bring about different
// layouts at once: each is applied whole or refused as stale.
func TestLiveTwoAppliersNeverInterleave(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		const planners, rounds = 3, 4
		var wg sync.WaitGroup
		var mu sync.Mutex
		applied := 0
		for i := range planners {
			s := dial(t, e, asPlanner())
			wg.Go(func() {
				for round := range rounds {
					l := jobs(lock("lock.own", zkfs.Path(fmt.Sprintf("/own/p%d-%d", i, round))))
					p, err := tryPlan(s, l, Options{maxBatch: 9 << 10})
					if err != nil {
						t.Errorf("plan: %v", err)
						return
					}
					err = applyLive(context.Background(), s, p, 20*time.Second, ApplyOptions{})
					switch {
					case err == nil:
						mu.Lock()
						applied++
						mu.Unlock()
					case !errors.Is(err, ErrStale) && !errors.Is(err, ErrBlocked):
						t.Errorf("apply: %v", err)
					}
				}
			})
		}
		wg.Wait()
		s := dial(t, e, asPlanner())
		ledger, err := ReadLedger(context.Background(), s, "/lockform/test")
		if err != nil || !ledger.Run.Done || int(ledger.Serial) != applied {
			t.Errorf("ledger: got %+v, %v, want serial %d", ledger, err, applied)
		}
		own := 0
		for p := range e.Tree(t) {
			if p.Parent() == "/own" {
				own++
			}
		}
		if own != 1 {
			t.Errorf("got %d locks of single planners, want that of the last alone", own)
		}
	})
}

// TestLiveLostConnections cuts the connection at each write of an apply. The
// session outlives that, and the apply finds out what was carried out.
func TestLiveLostConnections(t *testing.T) {
	first := jobs()
	second := testLayout(
		namespace("jobs", "/locks/jobs", func(n *layout.Namespace) { n.ACL = zkfs.ReadOnly() }),
		lock("namespace.jobs.lock.a", "/locks/jobs/a", mode(layout.ReadWrite), withACL(zkfs.Open())),
		lock("namespace.jobs.lock.c", "/locks/jobs/c"),
	)
	for _, fault := range []struct {
		name   string
		action zkdev.Action
	}{{"CloseBefore", zkdev.CloseBefore}, {"CloseAfter", zkdev.CloseAfter}} {
		for _, kind := range []struct {
			name string
			op   zkdev.Op
		}{{"Multi", zkdev.OpMulti}, {"SetACL", zkdev.OpSetACL}} {
			for nth := 1; nth <= 3; nth++ {
				t.Run(fmt.Sprintf("%s%s%d", fault.name, kind.name, nth), func(t *testing.T) {
					t.Parallel()
					e := zktest.New(t, zktest.Embedded)
					s := dial(t, e, asPlanner())
					if err := applyLive(context.Background(), s, makePlan(t, s, first, Options{}), 0, ApplyOptions{}); err != nil {
						t.Fatal(err)
					}
					p := makePlan(t, s, second, Options{maxBatch: 9 << 10})
					in := e.Dev.Inject(zkdev.Fault{Action: fault.action, Kind: kind.op, Nth: nth})
					defer in.Cancel()
					if err := applyLive(context.Background(), s, p, 0, ApplyOptions{}); err != nil {
						t.Fatalf("apply: %v", err)
					}
					again := makePlan(t, s, second, Options{})
					if !again.Empty() || again.HasDrift() {
						t.Errorf("the plan after it is not empty:\n%s", text(t, again))
					}
				})
			}
		}
	}
}

// TestLiveCutWithBatchesInFlight cuts the connection while several batches are
// under way.
func TestLiveCutWithBatchesInFlight(t *testing.T) {
	for _, action := range []zkdev.Action{zkdev.CloseBefore, zkdev.CloseAfter} {
		for nth := 1; nth <= inFlight+2; nth++ {
			t.Run(fmt.Sprintf("action %v at %d", action, nth), func(t *testing.T) {
				t.Parallel()
				e := zktest.New(t, zktest.Embedded)
				s := dial(t, e, asPlanner())
				l := manyLocks(60)
				p := makePlan(t, s, l, Options{maxBatch: 12 << 10})
				if n := len(p.Ensembles[0].Batches); n < 2*inFlight {
					t.Fatalf("got %d batches, want several times %d", n, inFlight)
				}
				if _, err := Prepare(t.Context(), s, p, "main"); err != nil {
					t.Fatal(err)
				}
				in := e.Dev.Inject(zkdev.Fault{Action: action, Kind: zkdev.OpMulti, Nth: nth})
				defer in.Cancel()
				committed := 0
				err := applyLive(t.Context(), s, p, 0, ApplyOptions{Observe: func(ev Event) {
					if ev.Kind == EventCommitted {
						if committed++; ev.Batch != committed {
							t.Errorf("batch %d is committed as number %d", ev.Batch, committed)
						}
					}
				}})
				if err != nil || committed != len(p.Ensembles[0].Batches) {
					t.Fatalf("got %v and %d batches", err, committed)
				}
				if again := makePlan(t, s, l, Options{}); !again.Empty() || again.HasDrift() {
					t.Errorf("the plan after it is not empty:\n%s", text(t, again))
				}
			})
		}
	}
}

// TestLiveServerGoesAway loses the server for good, before and during an apply.
func TestLiveServerGoesAway(t *testing.T) {
	for _, tc := range []struct {
		name string
		at   EventKind // "" for before the apply
		want error
	}{{"BeforeTheCheck", "", nil}, {"BeforeTheFirstBatch", EventBatch, ErrUnknown}, {"BetweenBatches", EventCommitted, ErrUnknown}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			e := zktest.New(t, zktest.Embedded)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			s, err := zkconn.Open(ctx, zkconn.Config{
				Servers: e.Servers, SessionTimeout: 2 * time.Second, ConnectTimeout: time.Second, TickTime: zktest.Tick, Auth: []zkconn.Auth{asPlanner()},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = s.Close(ctx)
			}()
			p := makePlan(t, s, manyLocks(20), Options{maxBatch: 12 << 10})
			path, err := Prepare(ctx, s, p, "main")
			if err != nil {
				t.Fatal(err)
			}
			client, err := agentlock.Open(ctx, agentlock.Config{Session: s})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_ = client.Close(ctx)
			}()
			policy := layout.DefaultPolicy()
			policy.SessionTimeout, policy.TickTime, policy.KillTimeout = s.Timeout(), zktest.Tick, 100*time.Millisecond
			held, err := client.Acquire(ctx, path, agentlock.Options{Policy: &policy})
			if err != nil {
				t.Fatal(err)
			}
			gone := func() {
				if err := e.Dev.Close(); err != nil {
					t.Error(err)
				}
			}
			var once sync.Once
			if tc.at == "" {
				once.Do(gone)
			}
			err = Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(ev Event) {
				if ev.Kind == tc.at {
					once.Do(gone)
				}
			}})
			if err == nil || ctx.Err() != nil || tc.want != nil && !errors.Is(err, tc.want) && !errors.Is(err, ErrPartial) && !errors.Is(err, ErrLockLost) {
				t.Errorf("got %v, want %v within its time", err, tc.want)
			}
			if tc.want == nil && (errors.Is(err, ErrUnknown) || errors.Is(err, ErrPartial)) {
				t.Errorf("got %v, though nothing was sent", err)
			}
		})
	}
}
