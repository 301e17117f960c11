package plan

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// What an apply can end with besides success, for errors.Is. The exit codes of
// the command follow from them.
var (
	// ErrStale means that the tree has moved on since the plan was made.
	// Nothing outside of the ledger was written.
	ErrStale = errors.New("the plan is stale")
	// ErrBlocked means that something stands in the way: see BlockReason.
	// Nothing outside of the ledger was written.
	ErrBlocked = errors.New("the plan is blocked")
	// ErrPartial means that some of the plan was applied. The same plan, or a
	// new one of the same configuration, continues.
	ErrPartial = errors.New("partly applied")
	// ErrUnknown means that the connection was lost after a request to commit
	// was sent. Applying the same plan again finds out.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrLockLost means that the apply lock was lost on the way; it comes with
	// ErrPartial or ErrBlocked.
	ErrLockLost = errors.New("the apply lock was lost")
	// ErrInvalid means that the plan cannot be made, such as for an ACL that
	// denies the planner itself.
	ErrInvalid = errors.New("the layout cannot be planned")
	// ErrPlanFile means that a plan file is none, was altered, or was made by
	// another release.
	ErrPlanFile = errors.New("not a usable plan file")
	// ErrLedger means that a ledger cannot be read or has no room.
	ErrLedger = errors.New("the ledger cannot be used")
)

// A Problem is one fault or warning in the words of the user.
type Problem struct {
	Warning bool
	Summary string // one line, without a period
	Detail  string // sentences: what was found and what to do; may have several lines
	Address layout.Address
	Path    zkfs.Path
	Pos     layout.Pos // zero when no line of the configuration is concerned
}

// WriteText writes the problem in the form of all diagnostics:
//
//	Error: ACL differs from the plan
//	  on locks.hcl line 12, in namespace "billing":
//	/locks/billing has aversion 4; this plan was made against 3.
//	Run "lockform plan" again and review the change.
func (p Problem) WriteText(w io.Writer, o TextOptions) error {
	var b strings.Builder
	head, color := "Error", red
	if p.Warning {
		head, color = "Warning", yellow
	}
	b.WriteString(o.paint(color+bold, head+": ") + o.paint(bold, p.Summary) + "\n")
	block := ""
	if steps := p.Address.Steps(); len(steps) > 0 {
		last := steps[len(steps)-1]
		block = fmt.Sprintf("%s %q", last.Type, last.Label)
		if last.Key != nil {
			block += fmt.Sprintf(" (%s)", p.Address)
		}
	}
	switch {
	case p.Pos.File != "" && block != "":
		fmt.Fprintf(&b, "  on %s, in %s:\n", p.Pos, block)
	case p.Pos.File != "":
		fmt.Fprintf(&b, "  on %s:\n", p.Pos)
	case block != "":
		fmt.Fprintf(&b, "  in %s:\n", block)
	}
	if p.Detail != "" {
		b.WriteString(p.Detail + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// An Error is what Read, Diff, Prepare, Apply and Decode return: a kind for
// errors.Is and every problem found.
type Error struct {
	Kind     error // one of this package's sentinels; nil when Err says it all
	Problems []Problem
	Err      error // the cause, such as an error of zkfs; may be nil
}

func (e *Error) Error() string {
	var parts []string
	if e.Kind != nil {
		parts = append(parts, e.Kind.Error())
	}
	for _, p := range e.Problems {
		s := p.Summary
		if p.Detail != "" {
			s += ": " + strings.ReplaceAll(p.Detail, "\n", " ")
		}
		parts = append(parts, s)
	}
	if len(e.Problems) == 0 && e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// An ApplyError tells how far an apply came. Its cause carries the kind and the
// problems.
type ApplyError struct {
	Cause    *Error
	Ensemble string // where it stopped; "" when it concerns the whole plan
	Batch    int    // batches committed there
	Batches  int
	ACL      int // ACL changes made there
	ACLs     int
}

func (e *ApplyError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *ApplyError) Unwrap() error { return e.Cause }

// Problems returns what err says to a user: the problems that it carries, or
// itself as the only one. It returns nil for nil.
func Problems(err error) []Problem {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		if _, own := err.(*Error); !own {
			var all []Problem
			for _, e := range joined.Unwrap() {
				all = append(all, Problems(e)...)
			}
			return all
		}
	}
	if e, ok := errors.AsType[*Error](err); ok && len(e.Problems) > 0 {
		return e.Problems
	}
	return []Problem{{Summary: err.Error()}}
}
