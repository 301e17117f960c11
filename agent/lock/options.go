package lock

import (
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Options say how to take a lock. The zero Options take it exclusively, or as
// one permit of a semaphore, by the policy that is declared in its znode.
//
// OnQueued is called by Acquire itself, and holds it up. The other callbacks of
// one hold are called one after another, from a goroutine of the hold; a slow one
// delays the next, and never the lease. They may call every method of Held but
// Release.
type Options struct {
	// Shared asks for a shared hold; the lock's mode must be read_write.
	Shared bool
	// Wait is the longest wait. Nil means the policy's wait_timeout, 0 means to
	// try once. More than the policy allows is cut to it. It covers everything,
	// a connection that must first be made again included.
	Wait *time.Duration
	// Owner is who takes the lock: shown by "lockform locks", and the owner
	// whose holds ranks and reentrancy speak of. Empty means user@host:pid, an
	// owner for whom no hold is reentrant and only declared ranks are enforced.
	Owner string
	// Undeclared takes a lock whose znode exists without a policy, by the
	// built-in defaults.
	Undeclared bool
	// AllowForeign goes on when a contender's client cannot see our name.
	AllowForeign bool
	// Policy is used in place of the znode's, which is then not read.
	Policy *layout.Policy

	// KillTimeout, MaxHold and Heartbeat are used where they are stricter than
	// the policy's. Zero means the policy's.
	KillTimeout time.Duration
	MaxHold     time.Duration
	Heartbeat   layout.Heartbeat

	// Outer are the holds of the processes that this one runs under, from
	// ParseOuter of LOCKFORM_HELD. They count as holds of the owner.
	Outer []Outer

	// OnQueued is called when the caller has to wait, and again when somebody
	// else stands before it.
	OnQueued func(Queued)
	// OnAcquired is called once for each lock that was got, of several as soon as
	// it is held, before Acquire returns or after.
	OnAcquired func(*Held)
	// OnSuspect is called when a heartbeat was missed; OnHeld when one was
	// acknowledged again and showed every node of the hold.
	OnSuspect, OnHeld func()
	// OnLost is called once, with the cause of Held.Context, unless the hold
	// ended by Release.
	OnLost func(error)
	// OnReleased is called once, when Release has ended, with its error.
	OnReleased func(error)
}

// Queued says where a waiting contender stands.
type Queued struct {
	Path     zkfs.Path
	Node     zkfs.Path
	Position int       // 1 is the next to get the lock
	Behind   Contender // whom it waits for; the zero Contender for a semaphore
}

// TryOnce is a Wait of 0.
func TryOnce() *time.Duration { return new(time.Duration) }

// WaitFor is a Wait of d.
func WaitFor(d time.Duration) *time.Duration { return &d }
