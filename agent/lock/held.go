package lock

import (
	"context"
	"errors"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// An Instant is a point of CLOCK_BOOTTIME, which goes on during suspend and
// knows no adjustments.
type Instant = zkconn.Instant

// Now returns the present Instant.
func Now() Instant { return zkconn.Now() }

// A State is what is known of a hold.
type State int

// The states of a hold. A suspect hold has missed a heartbeat and is Holding
// again when one is acknowledged; Lost and Released are for ever.
const (
	Holding State = iota
	Suspect
	Lost
	Released
)

// String returns the state in lower case.
func (s State) String() string {
	return [...]string{"held", "suspect", "lost", "released"}[s]
}

// A Held is a lock that is held, or was. Its methods are safe for concurrent
// use and do not block, Release excepted.
type Held struct{}

// Path returns the lock's path.
func (h *Held) Path() zkfs.Path { return "" }

// Node returns the path of the contender; for the recipe bridge, of the first
// of its three.
func (h *Held) Node() zkfs.Path { return "" }

// Token returns the fencing token: the czxid of the contender. It rises with
// every exclusive hold of a lock. A guarded resource rejects an exclusive token
// below the highest exclusive one it has seen.
func (h *Held) Token() int64 { return 0 }

// Mode returns "exclusive", "shared" or "semaphore".
func (h *Held) Mode() string { return "" }

// Owner returns who holds the lock, as others see it.
func (h *Held) Owner() string { return "" }

// Session returns the id of the ZooKeeper session.
func (h *Held) Session() int64 { return 0 }

// Policy returns the policy in effect, what Options made stricter included. It
// changes when the declared one does.
func (h *Held) Policy() layout.Policy { return layout.Policy{} }

// State returns what is known of the hold now.
func (h *Held) State() State { return Lost }

// Context is done when the hold is lost, with ErrLost or an error that is one
// as its cause, and when it was released, with ErrReleased. It is done early
// enough for work that ends within KillTimeout to end before the lease does.
func (h *Held) Context() context.Context { return context.Background() }

// Lease returns when the session may be presumed over if nothing more is heard
// of it: nothing of the guarded work may run then. It moves with every
// acknowledged heartbeat.
func (h *Held) Lease() Instant { return Instant(0) }

// Remaining returns the time from now to Lease, negative after it.
func (h *Held) Remaining() time.Duration { return 0 }

// Deadline returns Lease by the wall clock, for showing.
func (h *Held) Deadline() time.Time { return time.Time{} }

// KillTimeout returns the time from the first signal to SIGKILL: the policy's
// (or that of Options, when stricter), cut to a quarter of the time from the
// last heartbeat to Lease.
func (h *Held) KillTimeout() time.Duration { return 0 }

// Since returns when the lock was taken.
func (h *Held) Since() time.Time { return time.Time{} }

// Release gives the lock up: it deletes the contender until ZooKeeper says that
// it is gone, or the session has ended and taken it along. It does so also when
// ctx has ended, with a time limit of its own; the error then says that the
// deletion goes on until the session ends. A second Release returns nil.
func (h *Held) Release(ctx context.Context) error { return errors.ErrUnsupported }

func (h *Held) outer() Outer { return Outer{} }
