package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// ApplyOptions say who applies and who is told. The zero value works.
type ApplyOptions struct {
	User, Host, Commit, Version string        // for ledger and history; "" leaves them out
	Abandon                     bool          // give up an unfinished run of another configuration
	Drain                       time.Duration // let locks that are to be deleted run empty for so long; 0: refuse those in use
	Observe                     func(Event)
	Now                         func() time.Time // nil: time.Now
}

// Apply carries a plan out, with one Side for each of its ensembles that has
// something to do, whose apply locks are held. It checks everything of all sides
// before it writes to any.
//
// When ctx ends it stops between two batches. The error is an *ApplyError of
// kind ErrStale or ErrBlocked when nothing was written, ErrPartial when
// something was, ErrUnknown when that cannot be told; another error means that
// nothing was written. A plan that has been applied before in full is not
// applied again, without an error.
func Apply(ctx context.Context, p *Plan, sides []Side, o ApplyOptions) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	if err := refused(p, o); err != nil {
		return err
	}
	a := &applier{p: p, o: o, digest: sync.OnceValue(p.Digest)}
	// The digest of a large plan takes a while; the servers are asked meanwhile.
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { a.digest() })
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		n := slices.IndexFunc(sides, func(s Side) bool { return s.Ensemble == e.Name })
		if n < 0 {
			if e.Empty() {
				continue
			}
			return fmt.Errorf("nothing says where to apply the plan's ensemble %q", e.Name)
		}
		a.sides = append(a.sides, &side{Side: sides[n], a: a, e: e})
	}
	if err := a.check(ctx); err != nil {
		return err
	}
	err := a.run(ctx)
	for _, s := range a.sides {
		if problems := s.reopen(ctx); len(problems) > 0 {
			err = errors.Join(err, &Error{Problems: problems})
		}
	}
	return err
}

// run drains what has to be drained, of all sides, and carries out one side
// after the other.
func (a *applier) run(ctx context.Context) error {
	for _, s := range a.sides {
		if err := s.drain(ctx); err != nil {
			return err
		}
	}
	for _, s := range a.sides {
		if s.finished || s.e.Empty() {
			continue
		}
		if err := s.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// refused returns the error of a plan that is blocked, or nil.
func refused(p *Plan, o ApplyOptions) error {
	if err := p.Refusal(o.Abandon, o.Drain > 0); err != nil {
		return &ApplyError{Cause: err}
	}
	return nil
}

// Refusal returns why an apply refuses the plan, or nil: what is blocked, but an
// unfinished run that it is told to abandon, locks in use that it is to drain,
// and permissions, for which it asks the servers; see Denied. Its kind is
// ErrBlocked.
func (p *Plan) Refusal(abandon, drain bool) *Error {
	err := &Error{Kind: ErrBlocked}
	for i := range p.Ensembles {
		for _, b := range p.Ensembles[i].Blocked {
			if b.Reason == BlockUnfinished && abandon || b.Reason == BlockHeld && drain || b.Reason == BlockPermission {
				continue
			}
			err.Problems = append(err.Problems, b.Problem())
		}
	}
	if len(err.Problems) == 0 {
		return nil
	}
	return err
}

// An applier carries one plan out.
type applier struct {
	p      *Plan
	digest func() string // of the plan
	o      ApplyOptions
	sides  []*side
	wrote  bool // to any side, outside of what Prepare makes
}

// A side is an applier's work in one ensemble.
type side struct {
	Side
	a        *applier
	e        *Ensemble
	ledger   Ledger    // as it is now
	finished bool      // an earlier apply of the same plan did it all
	first    []zkfs.Op // that go with the first commit of this run
	inTheWay []*Step   // locks in use that are to be drained
	drained  []drained // locks that nobody may join at present
	batch    int       // batches that were committed
	cursor   int       // ACL changes that were made
}

// check does what comes before the first write: every ledger, every
// precondition, of all sides.
func (a *applier) check(ctx context.Context) error {
	var stale, blocked, denied []Problem
	ids := make(map[string]*side)
	for _, s := range a.sides {
		if s.Lock.Context().Err() != nil {
			return s.lockLost(context.Cause(s.Lock.Context()))
		}
		if err := s.Target.Sync(ctx, s.e.Ledger.Path); err != nil {
			return err
		}
		var err error
		if s.ledger, err = ReadLedger(ctx, s.Target, s.e.Ledger.Path); err != nil {
			return err
		}
		if other, ok := ids[s.ledger.ID]; ok && s.ledger.Exists() {
			return &ApplyError{Cause: &Error{Kind: ErrInvalid, Problems: []Problem{sameTree(s.e.Ledger.Path, other.e.Name, s.e.Name)}}}
		}
		ids[s.ledger.ID] = s
		st, bl := s.admit()
		stale, blocked = append(stale, st...), append(blocked, bl...)
		if len(st)+len(bl) > 0 || s.finished {
			continue
		}
		st, bl, err = s.preconditions(ctx)
		if err != nil {
			return err
		}
		stale, blocked = append(stale, st...), append(blocked, bl...)
		lacking, err := Denied(ctx, s.Target, s.e)
		if err != nil {
			return err
		}
		denied = append(denied, lacking...)
	}
	switch {
	case len(stale) > 0:
		return &ApplyError{Cause: &Error{Kind: ErrStale, Problems: append(stale, blocked...)}}
	case len(blocked) > 0:
		return &ApplyError{Cause: &Error{Kind: ErrBlocked, Problems: append(blocked, denied...)}}
	case len(denied) > 0:
		return &ApplyError{Cause: &Error{Err: zkfs.ErrNoAuth, Problems: denied}}
	}
	return nil
}

// admit decides by the ledger whether this plan is to be begun, continued or
// refused.
func (s *side) admit() (stale, blocked []Problem) {
	path := s.e.Ledger.Path
	if !s.ledger.Exists() {
		return []Problem{{Summary: "The ledger is gone", Path: path,
			Detail: fmt.Sprintf("%s does not exist any more.\n%s", path, planAgain)}}, nil
	}
	if s.ledger.Layout != s.a.p.Layout {
		return nil, []Problem{{Summary: "The ledger belongs to another layout", Path: path,
			Detail: fmt.Sprintf("%s is the ledger of the layout %q, not of %q.", path, s.ledger.Layout, s.a.p.Layout)}}
	}
	run := s.ledger.Run
	if s.begun() {
		s.finished, s.batch, s.cursor = run.Done, min(run.Batch, len(s.e.Batches)), min(run.Cursor, len(s.e.ACLs))
		return nil, nil
	}
	if u := s.ledger.Unfinished(); u != nil && u.Config != s.a.p.Config && !s.a.o.Abandon && !s.a.p.Abandon {
		return nil, []Problem{{Summary: "A run of another configuration is unfinished", Path: path,
			Detail: fmt.Sprintf("It was begun by %s and stands after batch %d of %d.\n"+
				"Apply that plan or that configuration again to finish it, or give it up with -abandon.", u.By(), u.Batch, u.Batches)}}
	}
	if s.ledger.Serial != s.e.Ledger.Serial {
		who := "another run"
		if run != nil {
			who = fmt.Sprintf("a run by %s at %s", run.By(), run.Started.UTC().Format("2006-01-02 15:04:05 MST"))
		}
		return []Problem{{Summary: "Another run has applied something since the plan was made", Path: path,
			Detail: fmt.Sprintf("%s has serial %d after %s; this plan was made against %d.\n%s",
				path, s.ledger.Serial, who, s.e.Ledger.Serial, planAgain)}}, nil
	}
	return nil, nil
}

// run does everything that is left to do in one ensemble.
func (s *side) run(ctx context.Context) error {
	s.a.o.Observe(Event{Kind: EventStart, Ensemble: s.Ensemble, Lock: s.Lock.Node(), Batches: len(s.e.Batches), ACLs: len(s.e.ACLs)})
	begun := s.a.o.Now()
	if !s.begun() {
		s.begin()
	}
	if err := s.sendBatches(ctx); err != nil {
		return err
	}
	for s.cursor < len(s.e.ACLs) {
		if ctx.Err() != nil {
			return s.stopped(ctx)
		}
		if err := s.sendACL(ctx); err != nil {
			return err
		}
	}
	if !s.ledger.Run.Done {
		next := s.ledger
		if err := s.commit(ctx, next, s.end(&next)); err != nil {
			return err
		}
	}
	s.a.o.Observe(Event{Kind: EventDone, Ensemble: s.Ensemble, Elapsed: s.a.o.Now().Sub(begun)})
	s.prune(ctx)
	return nil
}

// begun reports whether an earlier apply of this plan has begun the run.
func (s *side) begun() bool {
	run := s.ledger.Run
	return run != nil && run.Plan == s.a.digest()
}

// begin makes the ledger tell of this run; the first commit writes it. Until the
// end the ledger names the roots of before and of after.
func (s *side) begin() {
	l := &s.ledger
	p, e := s.a.p, s.e
	if old := l.Unfinished(); old != nil {
		// The history tells of the run that this one takes over or gives up.
		s.first = []zkfs.Op{{Kind: zkfs.OpCreate, Path: historyPath(l.Path, old.Serial), Data: jsonOf(old), ACL: e.Ledger.ACL}}
	}
	if f := e.Ledger.Former; f != nil {
		s.first = append(s.first, zkfs.Op{Kind: zkfs.OpSet, Path: f.Path, Data: f.Data, Version: f.Version})
	}
	l.Serial++
	l.Roots = union(l.Roots, e.Ledger.Roots)
	l.Below = union(l.Below, e.Ledger.Below)
	l.Planners, l.Siblings = e.Ledger.Planners, union(l.Siblings, e.Ledger.Siblings)
	l.Run = &Run{
		ID: newID(), Serial: l.Serial, Plan: s.a.digest(), Config: p.Config, Mode: p.Mode,
		Batches: len(e.Batches), ACLs: len(e.ACLs), Started: s.a.o.Now().UTC().Truncate(time.Second),
		User: s.a.o.User, Host: s.a.o.Host, Commit: s.a.o.Commit, Version: s.a.o.Version,
		Ensemble: e.Name, Summary: summaryOf(e),
	}
}

// union returns a with what only b has after it.
func union[T comparable](a, b []T) []T {
	all := slices.Clone(a)
	for _, x := range b {
		if !slices.Contains(a, x) {
			all = append(all, x)
		}
	}
	return all
}

// end makes the ledger tell that the run has come to its end, and returns the
// operations that note it in the history.
func (s *side) end(next *Ledger) []zkfs.Op {
	run := *next.Run
	run.Done, run.Batch, run.Cursor = true, len(s.e.Batches), len(s.e.ACLs)
	run.Ended = s.a.o.Now().UTC().Truncate(time.Second)
	next.Run = &run
	next.Roots, next.Below, next.Siblings = s.e.Ledger.Roots, s.e.Ledger.Below, s.e.Ledger.Siblings
	next.Complete = s.e.Ledger.Complete
	return []zkfs.Op{{
		Kind: zkfs.OpCreate, Path: historyPath(s.e.Ledger.Path, run.Serial), Data: jsonOf(run), ACL: s.e.Ledger.ACL,
	}}
}

// stopped is the error of an apply whose context has ended.
func (s *side) stopped(ctx context.Context) error {
	if !s.a.wrote && !s.continued() {
		return ctx.Err()
	}
	return s.failed(ErrPartial, ctx.Err(), Problem{Summary: "Interrupted; the plan is partly applied"})
}

// continued reports whether an earlier apply of this plan wrote something.
func (s *side) continued() bool { return s.batch > 0 || s.cursor > 0 }

// failed makes the error of an apply that stopped here.
func (s *side) failed(kind, err error, problems ...Problem) error {
	if errors.Is(kind, ErrPartial) {
		where := fmt.Sprintf("In the ensemble %q stand %d of %s and %d of %s.\n"+
			"Apply the same plan again, or a new plan of the same configuration, to continue.",
			s.Ensemble, s.batch, count(len(s.e.Batches), "batch", "batches"), s.cursor, count(len(s.e.ACLs), "ACL change", "ACL changes"))
		last := &problems[len(problems)-1]
		if last.Detail != "" {
			last.Detail += "\n"
		}
		last.Detail += where
	}
	return &ApplyError{
		Cause:    &Error{Kind: kind, Err: err, Problems: problems},
		Ensemble: s.Ensemble,
		Batch:    s.batch, Batches: len(s.e.Batches), ACL: s.cursor, ACLs: len(s.e.ACLs),
	}
}
