package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// aclMargin is how far the lock's deadline must lie ahead for a request that the
// lock does not guard on the server.
const aclMargin = 250 * time.Millisecond

// sendACL sets the next ACL, after the ledger has recorded how many were set
// before and the server has confirmed the lock.
func (s *side) sendACL(ctx context.Context) error {
	step := &s.e.Steps[s.e.ACLs[s.cursor]]
	next := s.ledger
	run := *next.Run
	run.Batch, run.Cursor = len(s.e.Batches), s.cursor
	next.Run = &run
	if err := s.commit(ctx, next, nil); err != nil {
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
		case stopped && s.kind(nil) == nil:
			return s.unknown(err)
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
