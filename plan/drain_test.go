package plan

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// heldJobs returns a tree in which one lock is held that the plan deletes.
func heldJobs(t *testing.T) (*fakeTarget, *Plan) {
	t.Helper()
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	s.tree.put("/locks/jobs/b/"+queued, `{"lockform":1,"host":"db1","pid":7,"owner":"billing","mode":"exclusive"}`, nil)
	return s, makePlan(t, s, testLayout(namespace("jobs", "/locks/jobs"), lock("namespace.jobs.lock.a", "/locks/jobs/a")), Options{})
}

func TestDrainWaitsAndDeletes(t *testing.T) {
	s, p := heldJobs(t)
	if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, ErrBlocked) {
		t.Fatalf("without draining: got %v, want %v", err, ErrBlocked)
	}
	closed := false
	err := tryApply(s, p, ApplyOptions{Drain: 10 * time.Second, Observe: func(e Event) {
		if e.Kind == EventDrain {
			closed = s.tree.nodes["/locks/jobs/b"].acl.Grants(planner, app)&zkfs.Create == 0
			s.tree.remove("/locks/jobs/b/" + queued)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !closed {
		t.Error("others could still join the queue")
	}
	if s.tree.nodes["/locks/jobs/b"] != nil {
		t.Error("the lock is still there")
	}
}

func TestDrainThatFailsGivesCreateBack(t *testing.T) {
	for _, tc := range []struct {
		name  string
		limit time.Duration
		stop  bool
		want  error
	}{{"TooLong", 50 * time.Millisecond, false, ErrBlocked}, {"OverAtOnce", time.Nanosecond, false, ErrBlocked}, {"Interrupted", time.Minute, true, context.Canceled}} {
		t.Run(tc.name, func(t *testing.T) {
			s, p := heldJobs(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			before := s.tree.shape(&layout.Layout{Ledger: "/lockform/test"})
			held := s.tree.lock("/lockform/test/apply", 3)
			err := Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Drain: tc.limit, Observe: func(e Event) {
				if tc.stop {
					cancel()
				}
			}})
			if !errors.Is(err, tc.want) || errors.Is(err, ErrPartial) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if got := s.tree.shape(&layout.Layout{Ledger: "/lockform/test"}); got != before {
				t.Errorf("got\n%s\nwant\n%s", got, before)
			}
		})
	}
}
