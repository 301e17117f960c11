package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// tryLimit bounds an attempt that is not to wait, whose requests may still find
// no server.
const tryLimit = 5 * time.Second

// Acquire takes the lock at path, waiting for as long as o and the policy
// allow. When it returns an error nothing is held and no contender of the
// attempt is left, or is left for longer than it takes to delete it: that goes
// on behind the caller's back when ZooKeeper does not answer at once.
func (c *Client) Acquire(ctx context.Context, path zkfs.Path, o Options) (*Held, error) {
	all, err := c.AcquireAll(ctx, []zkfs.Path{path}, o)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// TryAcquire is Acquire without waiting: the error is ErrNotAcquired when
// somebody stands before us.
func (c *Client) TryAcquire(ctx context.Context, path zkfs.Path, o Options) (*Held, error) {
	o.Wait = TryOnce()
	return c.Acquire(ctx, path, o)
}

// A request is one lock of an attempt.
type request struct {
	path   zkfs.Path
	policy layout.Policy // made stricter by the options
}

// AcquireAll takes several locks, all or none, in the order of (rank, path)
// whatever the order of paths, and returns them in the order of paths. One
// deadline covers all of them: the smallest wait of theirs. All are on one
// session, with the smallest session timeout; max_hold runs from the last one
// taken, and losing one, also while another is waited for, ends all. The same
// path twice is an error.
func (c *Client) AcquireAll(ctx context.Context, paths []zkfs.Path, o Options) ([]*Held, error) {
	if len(paths) == 0 {
		return nil, errors.New("no lock is named")
	}
	for i, p := range paths {
		if slices.Contains(paths[:i], p) {
			return nil, &Error{p, errors.New("it is named twice")}
		}
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	c.attempts.Add(1)
	c.mu.Unlock()
	defer c.attempts.Done()

	w := newWait(ctx, c.open, o)
	defer w.stop()
	for {
		held, err := c.attempt(w, paths, o)
		switch {
		case err == nil:
			return held, nil
		case errors.Is(err, errAgain), errors.Is(err, zkfs.ErrSessionOver) && c.cfg.Session == nil && !errors.Is(err, ErrLost):
			// The place in the queue is gone; what is left of the time is not.
			if w.ctx.Err() == nil {
				c.log.Info("queueing anew", "cause", err)
				continue
			}
			return nil, w.explain(err)
		}
		return nil, err
	}
}

// errAgain means that the contender must be made anew: the policy asks for
// another one now.
var errAgain = errors.New("the policy changed")

// attempt takes all locks or none, once.
func (c *Client) attempt(w *wait, paths []zkfs.Path, o Options) (_ []*Held, err error) {
	s, requests, err := c.prepare(w, paths, &o)
	if err != nil {
		return nil, err
	}
	defer c.done(s)

	g := &group{end: w.cancel}
	taken := make(map[zkfs.Path]*Held)
	defer func() {
		if err != nil {
			var leaving sync.WaitGroup
			for _, h := range g.held {
				leaving.Go(func() { h.Release(w.ctx) })
			}
			leaving.Wait()
		}
	}()
	for _, r := range requests {
		h, err := c.take(w, s, r, o)
		if err != nil {
			return nil, &Error{r.path, w.explain(err)}
		}
		taken[r.path] = h
		if f := o.OnAcquired; f != nil {
			h.tell(func() { f(h) })
		}
		if err := g.add(h); err != nil {
			return nil, &Error{r.path, err}
		}
	}
	held := make([]*Held, len(paths))
	for i, p := range paths {
		held[i] = taken[p]
		taken[p].cl.startMaxHold()
	}
	return held, nil
}

// prepare reads the policies, sets the time limit, and finds the session that
// they ask for, of which the caller has the use. Of the holds around this
// process it leaves in the options those that stand.
func (c *Client) prepare(w *wait, paths []zkfs.Path, o *Options) (*session, []request, error) {
	s, err := c.use(w.ctx, nil)
	if err != nil {
		return nil, nil, w.explain(err)
	}
	if o.Outer, err = s.standing(w.ctx, o.Outer); err != nil {
		c.done(s)
		return nil, nil, w.explain(err)
	}
	policies, errs := s.policiesOf(w.ctx, paths, *o)
	var requests []request
	var asked layout.Policy // the session that serves all
	for i, path := range paths {
		p, err := policies[i], errs[i]
		if err == nil {
			p = o.stricter(p)
			_, err = recipeOf(p, o.Shared)
		}
		if err != nil {
			c.done(s)
			return nil, nil, &Error{path, w.explain(err)}
		}
		if i == 0 {
			asked = p
		}
		asked.SessionTimeout = min(asked.SessionTimeout, p.SessionTimeout)
		asked.TickTime = max(asked.TickTime, p.TickTime)
		w.allow(path, o.wait(p))
		requests = append(requests, request{path, p})
	}
	slices.SortFunc(requests, func(a, b request) int {
		return rankOrder(a.policy.Rank, a.path, b.policy.Rank, b.path)
	})
	for _, r := range requests {
		if cl, err := c.again(r.path, r.policy, *o); err != nil {
			c.done(s)
			return nil, nil, &Error{r.path, err}
		} else if cl != nil || around(r.path, r.policy, *o) != nil {
			continue
		}
		if err := c.inOrder(r.path, r.policy, *o); err != nil {
			c.done(s)
			return nil, nil, &Error{r.path, err}
		}
	}
	if c.cfg.Session == nil && !s.key.serves(&asked) {
		right, err := c.use(w.ctx, &asked)
		c.done(s)
		if err != nil {
			return nil, nil, w.explain(err)
		}
		s = right
	}
	return s, requests, nil
}

// take takes one lock. Nothing is left of it when there is an error.
func (c *Client) take(w *wait, s *session, r request, o Options) (*Held, error) {
	cl, err := c.again(r.path, r.policy, o)
	if err != nil {
		return nil, err
	}
	if cl != nil {
		if h, err := cl.newHeld(o); err == nil {
			return h, nil
		}
		// It has just ended: the request is one like any other.
	}
	cl = c.newClaim(s, r.path, r.policy, o)
	if o.Policy == nil {
		// The session may be another than the one on which the policy was read.
		p, h, err := s.policy(w.ctx, r.path, o)
		if err != nil {
			cl.leave(w.ctx)
			return nil, err
		}
		cl.policy, cl.home = o.stricter(p), h
		cl.mode = modeOf(p, o.Shared)
	}
	acquire := cl.acquire
	if cl.around = around(r.path, r.policy, o); cl.around != nil {
		acquire = cl.borrow
	}
	h, err := acquire(w)
	if err != nil {
		cl.leave(w.ctx)
		if errors.Is(err, ErrRemoved) {
			if _, there, err := s.Exists(w.ctx, r.path); err == nil && !there {
				return nil, ErrGone
			}
		}
		return nil, err
	}
	return h, nil
}

// acquire joins the queue, stands in it until it is our turn, and holds.
func (cl *claim) acquire(w *wait) (*Held, error) {
	// A session that was idle gets its heartbeat while the queue is joined.
	cl.s.reaches(cl.currentPolicy().KillTimeout)
	children, err := cl.join(w.ctx)
	if err != nil {
		return nil, err
	}
	cl.s.add(cl)
	if cl.home != nil && !cl.home.fresh() {
		return nil, errAgain // the policy by which it was made is out of date
	}
	if !cl.mine {
		if err := cl.stand(w, children); err != nil {
			return nil, err
		}
		if cl.home != nil {
			cl.home.queued(cl.watching)
		}
	}
	h, err := cl.hold(w.ctx)
	if err != nil {
		cl.unwatch()
		return nil, err
	}
	cl.watchLater()
	return h, nil
}

// hold makes a claim whose turn it is hold. The lease decides when.
func (cl *claim) hold(ctx context.Context) (*Held, error) {
	if err := cl.s.assure(ctx, cl.currentPolicy().KillTimeout); err != nil {
		return nil, fmt.Errorf("the session cannot be shown to live: %w", err)
	}
	if err := cl.grant(); err != nil {
		return nil, err
	}
	h, err := cl.newHeld(cl.opts)
	if err != nil {
		return nil, err
	}
	cl.c.owners.add(cl)
	// The keeper now has an end to watch for.
	cl.s.wakeBefore(cl.s.Deadline().Add(-cl.s.cut(cl.currentPolicy().KillTimeout)))
	return h, nil
}
