package lock

import (
	"context"
	"errors"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A look reads something and leaves a watch on it. A nil Watch without an error
// means that the claim has ended by it.
type look func(context.Context) (*zkconn.Watch, error)

// watch sets the watches of a claim, once, and returns when they stand: on each
// node, and on the lock's znode where the policy came from there. From then on
// their deletion and a change of the policy are seen. The error is that of a
// request.
func (cl *claim) watch(ctx context.Context) error {
	cl.mu.Lock()
	if cl.watching {
		cl.mu.Unlock()
		return nil
	}
	cl.watching = true
	nodes := cl.nodes
	cl.mu.Unlock()
	var err error
	for i, n := range nodes {
		l := func(ctx context.Context) (*zkconn.Watch, error) { return cl.watchNode(ctx, n) }
		w, err := l(ctx)
		if err != nil || w == nil {
			return err
		}
		if i == 0 {
			cl.ownWatch = w
		} else {
			cl.c.spawn(func() { cl.follow(w, l) })
		}
	}
	if cl.opts.Policy == nil {
		cl.policyWatch, err = cl.watchPolicy(ctx)
	}
	return err
}

// unwatch gives a waiter's watches up. Those of a hold end with its followers.
func (cl *claim) unwatch() {
	for _, w := range []*zkconn.Watch{cl.ownWatch, cl.policyWatch} {
		if w != nil {
			w.Stop()
		}
	}
	cl.ownWatch, cl.policyWatch = nil, nil
}

// followWatches hands the watches of a waiter that now holds to goroutines.
func (cl *claim) followWatches() {
	if w := cl.ownWatch; w != nil {
		cl.mu.Lock()
		node := cl.nodes[0]
		cl.mu.Unlock()
		cl.c.spawn(func() {
			cl.follow(w, func(ctx context.Context) (*zkconn.Watch, error) { return cl.watchNode(ctx, node) })
		})
	}
	if w := cl.policyWatch; w != nil {
		cl.c.spawn(func() { cl.follow(w, cl.watchPolicy) })
	}
	cl.ownWatch, cl.policyWatch = nil, nil
}

// watchDelay is how long a hold stands before its watches are set or, of one
// that has waited, looked at. What is released sooner never pays for it.
const watchDelay = 25 * time.Millisecond

// watchLater sees to the watches of a hold. It needs them at once only to hear
// of a revocation.
func (cl *claim) watchLater() {
	begin := func() {
		cl.c.spawn(func() {
			if cl.watch(cl.ctx) == nil {
				cl.followWatches()
				cl.mu.Lock()
				record := cl.record
				cl.mu.Unlock()
				cl.s.enlist(cl.c.life, cl.c, record)
			}
		})
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.policy.Revocable {
		begin()
		return
	}
	cl.later = time.AfterFunc(watchDelay, begin)
}

// follow looks again whenever a watch fires, until the claim ends.
func (cl *claim) follow(w *zkconn.Watch, l look) {
	for {
		select {
		case <-cl.ctx.Done():
			w.Stop()
			return
		case <-w.C:
		}
		var err error
		if w, err = l(cl.ctx); err != nil || w == nil {
			return // the session or the claim is over
		}
	}
}

// watchNode reads one of the claim's nodes and watches it.
func (cl *claim) watchNode(ctx context.Context, node zkfs.Path) (*zkconn.Watch, error) {
	data, stat, w, err := cl.s.GetW(ctx, node)
	switch {
	case errors.Is(err, zkfs.ErrNoNode), err == nil && stat.EphemeralOwner != cl.session():
		if w != nil {
			w.Stop()
		}
		cl.removed()
		return nil, nil
	case err != nil:
		return nil, err
	}
	if stat.Version > 0 && cl.currentPolicy().Revocable && isRevocation(data) {
		cl.lose(ErrRevoked)
	}
	return w, nil
}

// watchPolicy reads the policy that is in effect now and watches it.
func (cl *claim) watchPolicy(ctx context.Context) (*zkconn.Watch, error) {
	data, _, w, err := cl.s.GetW(ctx, cl.path)
	if err != nil && !errors.Is(err, zkfs.ErrNoNode) && !errors.Is(err, zkfs.ErrNoAuth) {
		return nil, err
	}
	p, err := declared(data, err, cl.opts)
	if err != nil {
		// A waiter must not go on by a policy that is gone. A hold keeps the one
		// it was taken by.
		if !cl.holds() {
			cl.lose(err)
		}
		return w, nil
	}
	p = cl.opts.stricter(p)
	cl.mu.Lock()
	cl.record = data
	changed := !samePolicy(p, cl.policy)
	if changed {
		cl.policy = p
		cl.setExpiry()
	}
	cl.mu.Unlock()
	if changed {
		cl.s.wakeKeeper()
	}
	return w, nil
}
