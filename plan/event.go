package plan

import (
	"time"

	"github.com/lockform/lockform/zkfs"
)

// EventKind says what an Event tells.
type EventKind string

// The events, in the order in which they come.
const (
	EventStart     EventKind = "start"           // everything was checked; the first write follows
	EventDrain     EventKind = "drain_start"     // the locks of Steps take nobody any more; it comes before EventStart
	EventBatch     EventKind = "batch_start"     // a multi is about to be sent; several may be under way
	EventCommitted EventKind = "batch_committed" // the earliest of those was carried out
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
	Ops      int   // operations of a batch
	Bytes    int   // of a batch, encoded, at most
	Zxid     int64 // of a committed batch; 0 when it was found to have been committed
	Steps    []*Step
	Lock     zkfs.Path     // our contender of the apply lock (EventStart)
	Elapsed  time.Duration // since the matching start
}
