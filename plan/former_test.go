package plan

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// renamed is jobs under another name, with moved_from.
func renamed(from zkfs.Path, change ...func(*layout.Layout)) *layout.Layout {
	return jobs(append(change, func(l *layout.Layout) { l.Name, l.Ledger, l.MovedFrom = "new", "/lockform/new", from })...)
}

func TestTakeover(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	s.tree.put("/locks/jobs/b/"+queued, "", nil)
	p := makePlan(t, s, renamed("/lockform/test"), Options{})
	layoutChange := `  layout: "test" → "new"`
	want := []string{
		"update policy /locks", layoutChange,
		"update policy /locks/jobs", layoutChange,
		"update policy /locks/jobs/a", layoutChange,
		"update policy /locks/jobs/b", layoutChange,
	}
	if diff := cmp.Diff(want, brief(p)); diff != "" {
		t.Fatalf("-want +got\n%s", diff)
	}
	if data, err := p.Encode(); err != nil {
		t.Fatal(err)
	} else if p, err = Decode(data); err != nil {
		t.Fatal(err)
	}
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, l := range []*layout.Layout{renamed("/lockform/test"), renamed("")} {
		if again := makePlan(t, s, l, Options{}); !again.Empty() || again.HasDrift() {
			t.Errorf("the plan after it is not empty:\n%s", text(t, again))
		}
	}
	if _, err := tryPlan(s, jobs(), Options{}); !errors.Is(err, ErrBlocked) || !strings.Contains(err.Error(), "/lockform/new") {
		t.Errorf("under the former name: got %v, want %v", err, ErrBlocked)
	}
	other := renamed("/lockform/test", func(l *layout.Layout) {})
	other.Name, other.Ledger = "third", "/lockform/third"
	if _, err := tryPlan(s, other, Options{}); !errors.Is(err, ErrBlocked) {
		t.Errorf("a third layout: got %v, want %v", err, ErrBlocked)
	}
}

func TestTakeoverOfAMovedLedger(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	l := jobs(func(l *layout.Layout) { l.Ledger, l.MovedFrom = "/elsewhere/test", "/lockform" })
	p := makePlan(t, s, l, Options{})
	if p.Empty() || p.HasDrift() || p.Summary().NoOp != 4 {
		t.Fatalf("got\n%s", text(t, p))
	}
	if err := tryApply(s, p, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	gone := testLayout(func(l *layout.Layout) { l.Ledger = "/elsewhere/test" })
	if got, want := makePlan(t, s, gone, Options{}).Summary().Delete, 3; got != want {
		t.Errorf("the new ledger leads to %d of %d znodes", got, want)
	}
}

func TestTakeoverThatWasCutContinues(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	l := renamed("/lockform/test")
	p := makePlan(t, s, l, Options{maxBatch: 9600})
	if len(p.Ensembles[0].Batches) < 2 {
		t.Fatalf("got %d batches, want several", len(p.Ensembles[0].Batches))
	}
	path, err := Prepare(t.Context(), s, p, "main")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	held := s.tree.lock(path, 9)
	err = Apply(ctx, p, []Side{{"main", s, held}}, ApplyOptions{Observe: func(e Event) {
		if e.Kind == EventBatch {
			cancel() // no more are sent
		}
	}})
	s.tree.release(held)
	if !errors.Is(err, ErrPartial) {
		t.Fatalf("got %v, want %v", err, ErrPartial)
	}
	if err := tryApply(s, makePlan(t, s, l, Options{}), ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if again := makePlan(t, s, renamed(""), Options{}); !again.Empty() || again.HasDrift() {
		t.Errorf("the plan after it is not empty:\n%s", text(t, again))
	}
}

func TestTakeoverIsStaleWhenTheFormerNameApplies(t *testing.T) {
	s := newTree().session(planner)
	applyLayout(t, s, jobs(), Options{})
	p := makePlan(t, s, renamed("/lockform/test"), Options{})
	applyLayout(t, s, jobs(lock("lock.z", "/z")), Options{})
	if err := tryApply(s, p, ApplyOptions{}); !errors.Is(err, ErrStale) {
		t.Errorf("got %v, want %v", err, ErrStale)
	}
}
