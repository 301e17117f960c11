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

// watch sets the watches of a claim, the first time, and returns when they
// stand: on each node, and on the lock's znode where the policy came from there.
// From then on their deletion and a change of the policy are seen. Other reads go
// out behind them, in the same flight. The error is that of a request of ours.
func (cl *claim) watch(ctx context.Context, more ...*zkconn.Peek) error {
	cl.mu.Lock()
	first := !cl.watching
	cl.watching = true
	nodes := cl.nodes
	cl.mu.Unlock()
	var own []*zkconn.Peek
	var policy *zkconn.Peek
	if first {
		for _, n := range nodes {
			own = append(own, cl.nodePeek(n))
		}
		if cl.opts.Policy == nil && !cl.knowsPolicy() {
			policy = &zkconn.Peek{Path: cl.path, Part: zkfs.PartData, Watch: true}
			own = append(own, policy)
		}
	}
	if len(own)+len(more) == 0 {
		return nil
	}
	if err := cl.s.Peek(ctx, append(own, more...)...); err != nil {
		return err
	}
	for i, p := range own {
		if p == policy {
			var err error
			if cl.policyWatch, err = cl.sawPolicy(p); err != nil {
				return err
			}
			continue
		}
		w, err := cl.sawNode(p)
		if err != nil || w == nil {
			return err
		}
		if i == 0 {
			cl.ownWatch = w
		} else {
			cl.c.spawn(func() {
				cl.follow(w, func(ctx context.Context) (*zkconn.Watch, error) { return cl.watchNode(ctx, p.Path) })
			})
		}
	}
	return nil
}

// knowsPolicy reports whether the policy is the one that is in effect, as far as
// the watch tells that was set when it was read, and shares that watch.
func (cl *claim) knowsPolicy() bool {
	if cl.home == nil {
		return false
	}
	w, ok := cl.home.watch.Share()
	if ok {
		cl.policyWatch = w
		cl.mu.Lock()
		cl.record = cl.home.record
		cl.mu.Unlock()
	}
	return ok
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

// nodePeek reads one of the claim's nodes and watches it. Its data matter only
// where others may write there.
func (cl *claim) nodePeek(node zkfs.Path) *zkconn.Peek {
	p := &zkconn.Peek{Path: node, Watch: true}
	if cl.currentPolicy().Revocable {
		p.Part = zkfs.PartData
	}
	return p
}

// watchNode is a look at one of the claim's nodes.
func (cl *claim) watchNode(ctx context.Context, node zkfs.Path) (*zkconn.Watch, error) {
	p := cl.nodePeek(node)
	if err := cl.s.Peek(ctx, p); err != nil {
		return nil, err
	}
	return cl.sawNode(p)
}

// sawNode draws the conclusions from a nodePeek.
func (cl *claim) sawNode(p *zkconn.Peek) (*zkconn.Watch, error) {
	switch stat := p.Node.Stat; {
	case errors.Is(p.Err, zkfs.ErrNoNode), p.Err == nil && !cl.owns(stat):
		if p.W != nil {
			p.W.Stop()
		}
		cl.removed()
		return nil, nil
	case p.Err != nil:
		return nil, p.Err
	case stat.Version > 0 && cl.currentPolicy().Revocable && isRevocation(p.Node.Data):
		cl.lose(ErrRevoked)
	}
	return p.W, nil
}

// watchPolicy is a look at the policy that is in effect now.
func (cl *claim) watchPolicy(ctx context.Context) (*zkconn.Watch, error) {
	p := &zkconn.Peek{Path: cl.path, Part: zkfs.PartData, Watch: true}
	if err := cl.s.Peek(ctx, p); err != nil {
		return nil, err
	}
	return cl.sawPolicy(p)
}

// sawPolicy draws the conclusions from a reading of the lock's znode.
func (cl *claim) sawPolicy(read *zkconn.Peek) (*zkconn.Watch, error) {
	data, w, err := read.Node.Data, read.W, read.Err
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
