package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A claim is one contender from its creation until nothing of it is left:
// first it waits, then it may hold. Reentrant holds share one.
type claim struct {
	c      *Client
	s      *session
	path   zkfs.Path
	guid   string
	owner  string
	named  bool // the caller gave the owner
	shared bool
	mode   string
	opts   Options
	since  time.Time

	ctx context.Context // done when the claim is lost or given up, with the cause
	end context.CancelCauseFunc

	left  chan struct{} // closed when the contender is gone
	place int           // in session.claims, -1 when it is not there; guarded by session.mu
	home  *home         // where its policy was remembered; nil for a given one

	// Of a waiter, whose goroutine alone uses them; a hold's are followed.
	ownWatch, policyWatch *zkconn.Watch
	mine                  bool // it is its turn
	again                 bool // nobody came between our last hold and this one

	mu        sync.Mutex
	policy    layout.Policy
	recipe    recipe.Recipe
	prefixes  []string // of the nodes' names
	nodes     []zkfs.Path
	acl       zkfs.ACL // of the nodes, since they were made
	private   bool     // nobody else may write to the nodes
	data      []byte
	signals   bool            // as the data says
	around    *Outer          // the nodes are those of a process around this one
	uncertain bool            // a create may have been carried out without our knowing
	pending   <-chan struct{} // closed when that create is no longer under way; nil: it is not
	sequence  int64
	token     int64
	watching  bool   // watches on the nodes and the policy are set
	record    []byte // of the lock, since then
	state     State
	held      bool // it was granted
	handles   []*Held
	granted   time.Time
	counted   zkconn.Instant // from when max_hold counts; 0: not yet
	expires   zkconn.Instant // the end of max_hold; 0 for none
	later     *time.Timer    // sets the watches of a hold
	leaving   bool
	leaveErr  error // why the contender is not gone yet
}

func (c *Client) newClaim(s *session, path zkfs.Path, p layout.Policy, o Options) *claim {
	cl := &claim{
		c: c, s: s, path: path, guid: recipe.NewGUID(),
		owner: o.Owner, named: o.Owner != "", shared: o.Shared, opts: o,
		mode:  modeOf(p, o.Shared),
		since: time.Now(), policy: p,
		left: make(chan struct{}), place: -1,
	}
	if !cl.named {
		cl.owner = c.owner
	}
	cl.ctx, cl.end = context.WithCancelCause(context.Background())
	c.mu.Lock()
	s.refs++
	c.claims[cl] = struct{}{}
	c.mu.Unlock()
	return cl
}

// forget ends the client's knowledge of a claim of which nothing is left.
func (c *Client) forget(cl *claim) {
	c.mu.Lock()
	delete(c.claims, cl)
	c.mu.Unlock()
	c.done(cl.s)
}

// session returns the id of the session that owns the nodes.
func (cl *claim) session() int64 {
	if cl.around != nil {
		return cl.around.Session
	}
	return cl.s.ID()
}

func (cl *claim) currentPolicy() layout.Policy {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.policy
}

func (cl *claim) heartbeat() layout.Heartbeat { return cl.currentPolicy().Heartbeat }

// checks returns the operations that prove that the nodes stand, untouched
// where nobody else may touch them.
func (cl *claim) checks() []zkfs.Op {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	version := zkfs.AnyVersion
	if cl.private {
		version = 0
	}
	ops := make([]zkfs.Op, 0, len(cl.nodes))
	for _, n := range cl.nodes {
		ops = append(ops, zkfs.Op{Kind: zkfs.OpCheck, Path: n, Version: version})
	}
	return ops
}

// look reads the nodes: they are there and this session's, or the claim ends.
// The error is that of a request; nothing was learned then.
func (cl *claim) look(ctx context.Context) error {
	cl.mu.Lock()
	nodes := cl.nodes
	cl.mu.Unlock()
	for _, n := range nodes {
		stat, there, err := cl.s.Exists(ctx, n)
		if err != nil {
			return err
		}
		if !there || !cl.owns(stat) {
			cl.removed()
			return nil
		}
	}
	cl.proved()
	return nil
}

// owns reports whether a node is one that this claim made. The name does not
// say it: without a GUID it comes back when the lock's znode is made anew.
func (cl *claim) owns(stat zkfs.Stat) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return stat.Czxid == cl.token && stat.EphemeralOwner == cl.session()
}

// check ends the claim when its time has come: so early before the lease's end
// that its work can be stopped, or at the end of max_hold. It returns the time
// until then; false when the claim does not hold.
func (cl *claim) check(now zkconn.Instant) (time.Duration, bool) {
	cl.mu.Lock()
	holds := cl.held && (cl.state == Holding || cl.state == Suspect)
	kill, expires := cl.policy.KillTimeout, cl.expires
	cl.mu.Unlock()
	if !holds {
		return 0, false
	}
	until := cl.s.Deadline().Sub(now) - cl.s.cut(kill)
	if until <= 0 {
		cl.lose(fmt.Errorf("%w: no heartbeat was acknowledged in time", ErrLost))
		return 0, false
	}
	if !expires.IsZero() {
		if now.After(expires) || now == expires {
			cl.lose(ErrMaxHold)
			return 0, false
		}
		until = min(until, expires.Sub(now))
	}
	return until, true
}

// suspect tells a hold that a heartbeat was missed.
func (cl *claim) suspect() {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.held && cl.state == Holding {
		cl.state = Suspect
		for _, h := range cl.handles {
			h.tell(h.opts.OnSuspect)
		}
	}
}

func (cl *claim) isSuspect() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.state == Suspect
}

// proved tells a hold that its nodes were seen.
func (cl *claim) proved() {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.state == Suspect {
		cl.state = Holding
		for _, h := range cl.handles {
			h.tell(h.opts.OnHeld)
		}
	}
}

// removed ends a claim whose node is gone and that did not remove it itself.
func (cl *claim) removed() { cl.lose(ErrRemoved) }

// lose ends a claim for good, once. What ends a hold is an ErrLost in any case.
func (cl *claim) lose(cause error) {
	cl.mu.Lock()
	if cl.state == Lost || cl.state == Released {
		cl.mu.Unlock()
		return
	}
	cl.state = Lost
	handles := cl.handles
	held := cl.held
	if held && !errors.Is(cause, ErrLost) {
		cause = fmt.Errorf("%w: %w", ErrLost, cause)
	}
	cl.mu.Unlock()
	cl.end(cause)
	if held {
		cl.c.log.Warn("a lock was lost", "path", cl.path, "cause", cause)
	}
	for _, h := range handles {
		h.lose(cause)
	}
}

// grant makes the claim hold. It fails when the claim ended meanwhile.
func (cl *claim) grant() error {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if err := cl.ctx.Err(); err != nil {
		return context.Cause(cl.ctx)
	}
	cl.held, cl.granted = true, time.Now()
	return nil
}

// holds reports whether the claim was granted, lost or not.
func (cl *claim) holds() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.held
}

// startMaxHold begins to count the time that the hold may last, once.
func (cl *claim) startMaxHold() {
	cl.mu.Lock()
	if cl.counted.IsZero() {
		cl.counted = zkconn.Now()
		cl.setExpiry()
	}
	expires := cl.expires
	cl.mu.Unlock()
	if !expires.IsZero() {
		cl.s.wakeBefore(expires)
	}
}

// setExpiry sets the end of max_hold by the policy. cl.mu is held.
func (cl *claim) setExpiry() {
	cl.expires = 0
	if max := cl.policy.MaxHold; max != layout.NoLimit && !cl.counted.IsZero() {
		cl.expires = cl.counted.Add(max)
	}
}
