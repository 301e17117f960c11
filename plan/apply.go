package plan

import (
	"context"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// ApplyOptions say who applies and who is told. The zero value works.
type ApplyOptions struct {
	User, Host, Commit, Version string // for ledger and history; "" leaves them out
	Abandon                     bool   // give up an unfinished run of another configuration
	Observe                     func(Event)
	Now                         func() time.Time // nil: time.Now
}

// EventKind says what an Event tells.
type EventKind string

// The events, in the order in which they come.
const (
	EventStart     EventKind = "start"           // everything was checked; the first write follows
	EventBatch     EventKind = "batch_start"     // a multi is about to be sent
	EventCommitted EventKind = "batch_committed" // it was carried out
	EventACL       EventKind = "acl_start"       // one ACL is about to be set
	EventACLSet    EventKind = "acl_set"
	EventDone      EventKind = "done" // of one ensemble
)

// An Event is the progress of an apply. Observe is called from the goroutine
// that applies and must not block for long.
type Event struct {
	Kind     EventKind
	Ensemble string
	Batch    int   // of Batches, from 1
	Batches  int   //
	ACL      int   // of ACLs, from 1
	ACLs     int   //
	Zxid     int64 // of a committed batch; 0 when it was found to have been committed before
	Steps    []*Step
	Path     zkfs.Path // of the apply lock's contender (EventStart)
	Elapsed  time.Duration
}

// Apply carries a plan out, with one Side for each of its ensembles, whose apply
// locks are held. It checks everything of all sides before it writes to any.
//
// When ctx ends it stops between two batches. The error is an *ApplyError of
// kind ErrStale or ErrBlocked when nothing was written, ErrPartial when
// something was, ErrUnknown when that cannot be told; another error means that
// nothing was written. A plan that has been applied before in full is not
// applied again, without an error.
func Apply(ctx context.Context, p *Plan, sides []Side, o ApplyOptions) error { return ErrInvalid }
