package plan

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// drainLook is how often the queue of a lock is looked at that is to run empty.
const drainLook = 200 * time.Millisecond

// A drained is a lock from which CREATE was taken, so that nobody joins its
// queue any more.
type drained struct {
	step     *Step
	acl      zkfs.ACL // that it had
	aversion int32    // that it has without CREATE
}

// drain lets the queues of locks that are to be deleted run empty: it takes
// CREATE away from everyone and waits. When that fails, CREATE is given back.
func (s *side) drain(ctx context.Context) error {
	if len(s.inTheWay) == 0 {
		return nil
	}
	for _, step := range s.inTheWay {
		if err := s.takeCreate(ctx, step); err != nil {
			return err
		}
	}
	limit, cancel := context.WithTimeout(ctx, s.a.o.Drain)
	defer cancel()
	s.a.o.Observe(Event{Kind: EventDrain, Ensemble: s.Ensemble, Steps: s.inTheWay})
	tick := time.NewTicker(drainLook)
	defer tick.Stop()
	for {
		left, err := s.stillUsed(limit)
		if err == nil && len(left) == 0 {
			return nil
		}
		if err != nil && limit.Err() == nil && !errors.Is(err, zkfs.ErrUnavailable) {
			return err
		}
		select {
		case <-tick.C:
		case <-s.Lock.Context().Done():
			return s.lockLost(context.Cause(s.Lock.Context()))
		case <-limit.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.notDrained(ctx, left)
		}
	}
}

// takeCreate takes CREATE away from everyone at one lock.
func (s *side) takeCreate(ctx context.Context, step *Step) error {
	nodes, err := s.Target.Read(ctx, zkfs.PartACL, []zkfs.Path{step.Path})
	if err != nil {
		return err
	}
	n := nodes[0]
	if n.Denied != 0 {
		return denied(&zkfs.OpError{Op: "getACL", Path: step.Path, Err: zkfs.ErrNoAuth}, step.Path, "to read the ACL of a lock that is to be drained")
	}
	var closed zkfs.ACL
	for _, e := range n.ACL.Canonical() {
		if e.Perms &^= zkfs.Create; e.Perms != 0 {
			closed = append(closed, e)
		}
	}
	if n.Absent || closed.Equal(n.ACL) {
		return nil
	}
	req, cancel := s.request(ctx)
	defer cancel()
	stat, err := s.Target.SetACL(req, step.Path, closed, n.Stat.Aversion)
	if errors.Is(err, zkfs.ErrNoAuth) {
		return denied(err, step.Path, "to change the ACL of a lock that is to be drained")
	}
	if errors.Is(err, zkfs.ErrOutcomeUnknown) {
		// Given back with the others, if it was taken.
		stat.Aversion = n.Stat.Aversion + 1
		s.drained = append(s.drained, drained{step, n.ACL, stat.Aversion})
	}
	if err != nil {
		return err
	}
	s.drained = append(s.drained, drained{step, n.ACL, stat.Aversion})
	return nil
}

// stillUsed returns the locks that still have children.
func (s *side) stillUsed(ctx context.Context) ([]*Step, error) {
	var paths []zkfs.Path
	for _, step := range s.inTheWay {
		paths = append(paths, step.Path)
	}
	nodes, err := s.Target.Read(ctx, zkfs.PartData, paths)
	if err != nil {
		return s.inTheWay, err
	}
	var left []*Step
	for i, n := range nodes {
		if n.Stat.NumChildren > 0 {
			left = append(left, s.inTheWay[i])
		}
	}
	return left, nil
}

// notDrained is the error of a drain that took too long.
func (s *side) notDrained(ctx context.Context, left []*Step) error {
	req, cancel := s.request(ctx)
	defer cancel()
	var problems []Problem
	for _, step := range left {
		p, err := s.inUse(req, step)
		if err != nil {
			return err
		}
		p.Detail += fmt.Sprintf("\nIts queue did not run empty within %s; CREATE was given back.", s.a.o.Drain)
		problems = append(problems, p)
	}
	return s.failed(s.kind(ErrBlocked), nil, problems...)
}

// reopen gives CREATE back to the locks that are still there. It returns the
// problem of each that it could not be given back to.
func (s *side) reopen(ctx context.Context) []Problem {
	var problems []Problem
	for _, d := range s.drained {
		// Without the lock too: the aversion tells that it is still as we left it.
		req, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		_, err := s.Target.SetACL(req, d.step.Path, d.acl, d.aversion)
		cancel()
		if err == nil || errors.Is(err, zkfs.ErrNoNode) || errors.Is(err, zkfs.ErrBadVersion) {
			// Deleted, or somebody has set another ACL meanwhile.
			continue
		}
		problems = append(problems, Problem{
			Summary: "A lock stays closed", Address: d.step.Address, Path: d.step.Path, Pos: d.step.Pos,
			Detail: fmt.Sprintf("CREATE was taken from %s to drain it, and could not be given back: %v.\n"+
				"Its ACL was %q; a plan that declares the lock puts it right.", d.step.Path, err, d.acl),
		})
	}
	s.drained = nil
	return problems
}
