package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
)

// kind returns what a failure is: once something was written, the plan is
// partly applied, whatever the cause.
func (s *side) kind(otherwise error) error {
	if s.a.wrote || s.continued() {
		return ErrPartial
	}
	return otherwise
}

// lockLost is the error of an apply that may not go on.
func (s *side) lockLost(err error) error {
	return s.failed(s.kind(ErrBlocked), errors.Join(ErrLockLost, err), Problem{
		Summary: "The apply lock was lost", Path: ApplyLock(s.e.Ledger.Path),
		Detail: "Its session is over or somebody removed it; nothing more was written.",
	})
}

// unknown is the error of a commit whose reply was lost for good.
func (s *side) unknown(err error) error {
	what := "What ends the run"
	switch {
	case s.batch < len(s.e.Batches):
		what = fmt.Sprintf("Batch %d of %d", s.batch+1, len(s.e.Batches))
	case s.cursor < len(s.e.ACLs):
		what = fmt.Sprintf("ACL change %d of %d", s.cursor+1, len(s.e.ACLs))
	}
	return s.failed(ErrUnknown, err, Problem{
		Summary: "The outcome is unknown", Path: s.e.Ledger.Path,
		Detail: fmt.Sprintf("%s was sent to the ensemble %q, and no reply came: it may or may not have been carried out.\n"+
			"Apply the same plan again: it finds out and continues.", what, s.Ensemble),
	})
}

// refusedMulti turns the refusal of a multi into what users can act on.
func (s *side) refusedMulti(ctx context.Context, err error) error {
	me, ok := errors.AsType[*zkfs.MultiError](err)
	if !ok {
		if s.kind(nil) == nil {
			return err
		}
		return s.failed(ErrPartial, err, Problem{Summary: "The apply could not go on", Detail: err.Error() + "."})
	}
	p := Problem{Path: me.Op.Path}
	var step *Step
	for i := range s.e.Steps {
		if s.e.Steps[i].Path == me.Op.Path {
			step = &s.e.Steps[i]
			p.Address, p.Pos = step.Address, step.Pos
		}
	}
	switch {
	case me.Op.Path == s.Lock.Node():
		return s.lockLost(err)
	case me.Op.Path == s.e.Ledger.Path && (errors.Is(err, zkfs.ErrBadVersion) || errors.Is(err, zkfs.ErrNoNode)):
		p.Summary = "Another run has applied something since the plan was made"
		p.Detail = fmt.Sprintf("%s was changed.\n%s", p.Path, planAgain)
		return s.failed(s.kind(ErrStale), err, p)
	case errors.Is(err, zkfs.ErrNotEmpty) && step != nil:
		req, cancel := s.request(ctx)
		defer cancel()
		if found, readErr := s.inUse(req, step); readErr == nil {
			p = found
		} else {
			p.Summary, p.Detail = "A znode that is to be deleted has children", fmt.Sprintf("%s has children.", p.Path)
		}
		return s.failed(s.kind(ErrBlocked), err, p)
	case errors.Is(err, zkfs.ErrBadVersion):
		p.Summary, p.Detail = "Data differs from the plan", fmt.Sprintf("%s was changed since it was last looked at.\n%s", p.Path, planAgain)
		return s.failed(s.kind(ErrStale), err, p)
	case errors.Is(err, zkfs.ErrNodeExists):
		p.Summary, p.Detail = "A znode has appeared", fmt.Sprintf("%s exists now.\n%s", p.Path, planAgain)
		return s.failed(s.kind(ErrStale), err, p)
	case errors.Is(err, zkfs.ErrNoNode):
		p.Summary, p.Detail = "A znode is gone", fmt.Sprintf("%s or its parent does not exist any more.\n%s", p.Path, planAgain)
		return s.failed(s.kind(ErrStale), err, p)
	case errors.Is(err, zkfs.ErrEphemeralChildren):
		p.Summary, p.Detail = "A parent is ephemeral", fmt.Sprintf("%s cannot be created: its parent belongs to a session.", p.Path)
		return s.failed(s.kind(ErrBlocked), err, p)
	case errors.Is(err, zkfs.ErrNoAuth):
		p.Summary = "Permission denied"
		p.Detail = fmt.Sprintf("The server refused the %s of %s.\n"+
			"Authenticate as somebody whom the ACL of %s or of its parent lets do this, or have them change it.", me.Op.Kind, p.Path, p.Path)
	case errors.Is(err, zkfs.ErrInvalidACL):
		p.Summary = "The server refused an ACL"
		p.Detail = fmt.Sprintf("%s: %q.\nPerhaps the server has no provider for one of the schemes.", p.Path, me.Op.ACL)
	default:
		p.Summary, p.Detail = "The server refused the transaction", err.Error()+"."
	}
	return s.failed(s.kind(nil), err, p)
}
