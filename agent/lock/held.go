package lock

import (
	"context"
	"sync"
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
// use and do not block, Release excepted. Release must be called in any case,
// also when the lock was lost.
type Held struct {
	cl    *claim
	opts  Options
	group *group
	ctx   context.Context
	end   context.CancelCauseFunc

	mu      sync.Mutex
	state   State // Holding stands for the claim's own
	queue   []func()
	telling bool
}

// Path returns the lock's path.
func (h *Held) Path() zkfs.Path { return h.cl.path }

// Node returns the path of the contender; for the recipe bridge, of the first
// of its names.
func (h *Held) Node() zkfs.Path {
	h.cl.mu.Lock()
	defer h.cl.mu.Unlock()
	return h.cl.nodes[0]
}

// Token returns the fencing token: the czxid of the contender. It rises with
// every exclusive hold of a lock. A guarded resource rejects an exclusive token
// below the highest exclusive one it has seen.
func (h *Held) Token() int64 {
	h.cl.mu.Lock()
	defer h.cl.mu.Unlock()
	return h.cl.token
}

// Mode returns "exclusive", "shared" or "semaphore".
func (h *Held) Mode() string { return h.cl.mode }

// Owner returns who holds the lock, as others see it.
func (h *Held) Owner() string { return h.cl.owner }

// Session returns the id of the ZooKeeper session.
func (h *Held) Session() int64 { return h.cl.session() }

// Policy returns the policy in effect, what Options made stricter included. It
// changes when the declared one does.
func (h *Held) Policy() layout.Policy { return h.cl.currentPolicy() }

// State returns what is known of the hold now.
func (h *Held) State() State {
	h.mu.Lock()
	own := h.state
	h.mu.Unlock()
	if own != Holding {
		return own
	}
	h.cl.mu.Lock()
	defer h.cl.mu.Unlock()
	return h.cl.state
}

// Context is done when the hold is lost, with ErrLost or an error that is one
// as its cause, and when it was released, with ErrReleased. It is done early
// enough for work that ends within KillTimeout to end before the lease does.
func (h *Held) Context() context.Context { return h.ctx }

// Lease returns when the session may be presumed over if nothing more is heard
// of it: nothing of the guarded work may run then. It moves with every
// acknowledged heartbeat.
func (h *Held) Lease() Instant { return h.cl.s.Deadline() }

// Remaining returns the time from now to Lease, negative after it.
func (h *Held) Remaining() time.Duration { return h.Lease().Until() }

// Deadline returns Lease by the wall clock, for showing.
func (h *Held) Deadline() time.Time { return h.Lease().Time() }

// KillTimeout returns the time from the first signal to SIGKILL: the policy's
// (or that of Options, when stricter), cut to a quarter of the time from the
// last heartbeat to Lease.
func (h *Held) KillTimeout() time.Duration {
	return h.cl.s.cut(h.cl.currentPolicy().KillTimeout)
}

// Since returns when the lock was taken.
func (h *Held) Since() time.Time {
	h.cl.mu.Lock()
	defer h.cl.mu.Unlock()
	return h.cl.granted
}

// newHeld adds a handle to a claim that holds. It fails when the claim has
// ended.
func (cl *claim) newHeld(o Options) (*Held, error) {
	h := &Held{cl: cl, opts: o}
	h.ctx, h.end = context.WithCancelCause(cl.ctx)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.state == Lost || cl.state == Released {
		h.end(nil)
		if err := context.Cause(cl.ctx); err != nil {
			return nil, err
		}
		return nil, ErrReleased
	}
	cl.handles = append(cl.handles, h)
	return h, nil
}

// lose ends this handle, once, and those that were taken together with it.
func (h *Held) lose(cause error) {
	h.mu.Lock()
	if h.state != Holding {
		h.mu.Unlock()
		return
	}
	h.state = Lost
	g := h.group
	h.mu.Unlock()
	h.end(cause)
	if f := h.opts.OnLost; f != nil {
		h.tell(func() { f(cause) })
	}
	g.lost(h, cause)
}

// tell queues a callback. Callbacks run one after another, in their order.
func (h *Held) tell(f func()) {
	if f == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append(h.queue, f)
	if !h.telling {
		h.telling = h.cl.c.spawn(h.tellAll)
	}
}

func (h *Held) tellAll() {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.telling = false
			h.mu.Unlock()
			return
		}
		f := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		f()
	}
}

// outer returns the hold as processes below this one see it.
func (h *Held) outer() Outer {
	return Outer{
		Path: h.Path(), Rank: h.Policy().Rank, Mode: h.Mode(), Owner: h.Owner(),
		Node: h.Node(), Token: h.Token(), Session: h.Session(),
	}
}
