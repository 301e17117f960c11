package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

const (
	// requestTimeout bounds one request of an apply, which ^C does not stop.
	requestTimeout = 30 * time.Second
	// lookAgain is how long to wait before a request is sent again that did
	// not reach a server.
	lookAgain = 50 * time.Millisecond
	// aclMargin is how far the lock's deadline must lie ahead for a request
	// that the lock does not guard on the server.
	aclMargin = 250 * time.Millisecond
)

// request returns the context of one request: it outlives ^C, but not the lock.
func (s *side) request(ctx context.Context) (context.Context, context.CancelFunc) {
	r, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	stop := context.AfterFunc(s.Lock.Context(), cancel)
	return r, func() { stop(); cancel() }
}

// givenUp reports whether a request failed because its target gives up: it says
// that it was cancelled, though its context was not. That is a second ^C.
func givenUp(req context.Context, err error) bool {
	return req.Err() == nil && errors.Is(err, context.Canceled)
}

// commit sends one multi: the ledger at its expected version, a check of our
// contender of the apply lock, and ops. It returns its zxid, or 0 when the reply
// was lost and the ledger tells that it was carried out.
func (s *side) commit(ctx context.Context, next Ledger, ops []zkfs.Op) (int64, error) {
	data, err := next.Encode()
	if err != nil {
		return 0, s.refusedMulti(ctx, err)
	}
	all := append([]zkfs.Op{
		{Kind: zkfs.OpSet, Path: next.Path, Data: data, Version: s.ledger.Stat.Version},
		{Kind: zkfs.OpCheck, Path: s.Lock.Node(), Version: 0},
	}, append(s.first, ops...)...)
	unknown := false // a request may have been, or may yet be, carried out
	for {
		if s.Lock.Context().Err() != nil {
			if unknown {
				return 0, s.unknown(context.Cause(s.Lock.Context()))
			}
			return 0, s.lockLost(context.Cause(s.Lock.Context()))
		}
		req, cancel := s.request(ctx)
		results, err := s.Target.Multi(req, all)
		stopped := givenUp(req, err)
		cancel()
		if err == nil {
			next.Stat = results[0].Stat
			s.ledger, s.first = next, nil
			return results[0].Zxid, nil
		}
		me, isMulti := errors.AsType[*zkfs.MultiError](err)
		switch {
		case stopped:
			return 0, s.unknown(err)
		case isMulti && me.Index == 0 && errors.Is(err, zkfs.ErrBadVersion):
			// Another run, or an earlier copy of this very request.
		case errors.Is(err, zkfs.ErrOutcomeUnknown) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
			unknown = true
		case errors.Is(err, zkfs.ErrUnavailable):
		case errors.Is(err, zkfs.ErrSessionOver):
			if unknown {
				return 0, s.unknown(err)
			}
			return 0, s.lockLost(err)
		default:
			return 0, s.refusedMulti(ctx, err)
		}
		found, committed, lookErr := s.lookUp(ctx, &next)
		switch {
		case lookErr != nil && unknown && errors.Is(lookErr, zkfs.ErrSessionOver):
			return 0, s.unknown(err)
		case lookErr != nil && !unknown && !errors.Is(lookErr, zkfs.ErrUnavailable):
			return 0, s.refusedMulti(ctx, lookErr)
		case lookErr == nil && committed:
			s.ledger, s.first = found, nil
			return 0, nil
		case lookErr == nil && found.Stat.Version != s.ledger.Stat.Version:
			return 0, s.refusedMulti(ctx, err)
		}
		// Not carried out so far: the version guards against doing it twice.
		s.pause()
	}
}

// lookUp reads the ledger after a reply was lost and tells whether the multi
// that was to leave next was carried out.
func (s *side) lookUp(ctx context.Context, next *Ledger) (Ledger, bool, error) {
	req, cancel := s.request(ctx)
	defer cancel()
	if err := s.Target.Sync(req, next.Path); err != nil {
		return Ledger{}, false, err
	}
	found, err := ReadLedger(req, s.Target, next.Path)
	if err != nil || !found.Exists() {
		return found, false, err
	}
	a, b := found.Run, next.Run
	return found, a != nil && a.ID == b.ID && a.Batch == b.Batch && a.Cursor == b.Cursor && a.Done == b.Done &&
		found.Stat.Version == s.ledger.Stat.Version+1, nil
}

// pause waits a little, or until the lock is lost.
func (s *side) pause() {
	t := time.NewTimer(lookAgain)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.Lock.Context().Done():
	}
}

// sendACL sets the next ACL, after the ledger has recorded how many were set
// before and the server has confirmed the lock.
func (s *side) sendACL(ctx context.Context) error {
	step := &s.e.Steps[s.e.ACLs[s.cursor]]
	next := s.ledger
	run := *next.Run
	run.Batch, run.Cursor = len(s.e.Batches), s.cursor
	next.Run = &run
	if _, err := s.commit(ctx, next, nil); err != nil {
		return err
	}
	ev := Event{Kind: EventACL, Ensemble: s.Ensemble, ACL: s.cursor + 1, ACLs: len(s.e.ACLs), Steps: []*Step{step}}
	s.a.o.Observe(ev)
	begun := s.a.o.Now()
	if err := s.setACL(ctx, step); err != nil {
		return err
	}
	s.cursor++
	s.a.wrote = true
	ev.Kind, ev.Elapsed = EventACLSet, s.a.o.Now().Sub(begun)
	s.a.o.Observe(ev)
	return nil
}

// setACL sets one ACL; a lost reply is found out from the znode.
func (s *side) setACL(ctx context.Context, step *Step) error {
	problem := Problem{Address: step.Address, Path: step.Path, Pos: step.Pos}
	sent := false // and no reply came
	over := func(err error) error {
		if sent && s.kind(nil) == nil {
			return s.unknown(err)
		}
		return s.lockLost(err)
	}
	for {
		if s.Lock.Context().Err() != nil {
			return over(context.Cause(s.Lock.Context()))
		}
		if d := s.Lock.Deadline(); !d.IsZero() && time.Until(d) < aclMargin {
			// A heartbeat will move it, or the lock is lost.
			s.pause()
			continue
		}
		req, cancel := s.request(ctx)
		_, err := s.Target.SetACL(req, step.Path, step.ACL, step.Pre.Aversion)
		stopped := givenUp(req, err)
		cancel()
		switch {
		case err == nil:
			return nil
		case stopped:
			problem.Summary = "Interrupted; the plan is partly applied"
			problem.Detail = fmt.Sprintf("Whether the ACL of %s was set is not known.", step.Path)
			return s.failed(ErrPartial, err, problem)
		case errors.Is(err, zkfs.ErrSessionOver):
			return over(err)
		case errors.Is(err, zkfs.ErrOutcomeUnknown), errors.Is(err, zkfs.ErrUnavailable), errors.Is(err, zkfs.ErrBadVersion),
			errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
			sent = sent || !errors.Is(err, zkfs.ErrUnavailable) && !errors.Is(err, zkfs.ErrBadVersion)
			done, changed, lookErr := s.aclSet(ctx, step)
			switch {
			case errors.Is(lookErr, zkfs.ErrSessionOver):
				return over(lookErr)
			case lookErr != nil:
				s.pause()
			case done:
				return nil
			case changed != "":
				problem.Summary, problem.Detail = "ACL differs from the plan", changed+"\n"+planAgain
				return s.failed(s.kind(ErrStale), err, problem)
			}
		case errors.Is(err, zkfs.ErrNoAuth):
			problem.Summary = "Permission denied"
			problem.Detail = fmt.Sprintf("The server does not let this run change the ACL of %s.", step.Path)
			return s.failed(s.kind(nil), err, problem)
		case errors.Is(err, zkfs.ErrInvalidACL):
			problem.Summary = "The server refused an ACL"
			problem.Detail = fmt.Sprintf("%s: %v.\nPerhaps it has no provider for one of the schemes.", step.Path, err)
			return s.failed(s.kind(nil), err, problem)
		default:
			problem.Summary = "An ACL could not be set"
			problem.Detail = fmt.Sprintf("%s: %v.", step.Path, err)
			return s.failed(s.kind(nil), err, problem)
		}
	}
}

// aclSet reads whether an ACL was set: its version is the next one and it says
// what was wanted. Otherwise changed tells who was there instead, and is empty
// when nobody was.
func (s *side) aclSet(ctx context.Context, step *Step) (done bool, changed string, err error) {
	req, cancel := s.request(ctx)
	defer cancel()
	if err := s.Target.Sync(req, step.Path); err != nil {
		return false, "", err
	}
	nodes, err := s.Target.Read(req, zkfs.PartACL, []zkfs.Path{step.Path})
	if err != nil {
		return false, "", err
	}
	n := nodes[0]
	switch {
	case n.Absent:
		return false, fmt.Sprintf("%s does not exist any more.", step.Path), nil
	case n.Stat.Aversion == step.Pre.Aversion:
		return false, "", nil
	case n.Stat.Aversion == step.Pre.Aversion+1 && sameACL(n.ACL, step.ACL):
		return true, "", nil
	}
	return false, fmt.Sprintf("%s has aversion %d; this plan was made against %d.", step.Path, n.Stat.Aversion, step.Pre.Aversion), nil
}
