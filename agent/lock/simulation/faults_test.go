package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// trouble makes things go wrong at random times, until ctx ends; what it has
// broken is whole again when it returns.
func (w *world) trouble(ctx context.Context, hosts []*host, random *rand.Rand, often time.Duration) {
	var undo []func()
	defer func() {
		for _, f := range undo {
			f()
		}
		for _, h := range hosts {
			h.heal()
		}
	}()
	wait := func(d time.Duration) bool {
		select {
		case <-time.After(d):
			return true
		case <-ctx.Done():
			return false
		}
	}
	upTo := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d)) + 1) }
	span := func() time.Duration {
		return upTo(pick(random, 20*time.Millisecond, 500*time.Millisecond, 2*time.Second, 6*time.Second))
	}
	// later ends what was begun, beside whatever else happens.
	later := func(what string, f func()) {
		d := span()
		w.logf("fault: %s for %v", what, d)
		timer := time.AfterFunc(d, f)
		undo = append(undo, func() {
			if timer.Stop() {
				f()
			}
		})
	}
	for wait(upTo(often)) {
		if w.stranger.Server() == "" {
			continue // right after a restart
		}
		w.faults++
		h := pick(random, hosts...)
		switch n := random.IntN(20); n {
		case 0, 1, 2, 3, 4, 5, 6:
			t := &trap{
				op: pick(random, zkdev.OpCreate, zkdev.OpCreate, zkdev.OpGetChildren2, zkdev.OpGetData, zkdev.OpGetACL, zkdev.OpDelete,
					zkdev.OpMulti, zkdev.OpMulti, zkdev.OpSync, zkdev.OpMultiRead, zkdev.OpSetWatches, 0),
				nth:    1 + random.IntN(3),
				action: pick(random, loseRequest, loseReply, loseReply, delayReply),
				delay:  pick(random, 0, upTo(20*time.Millisecond), span()),
			}
			h.mu.Lock()
			h.trap = t
			h.mu.Unlock()
		case 7, 8, 9:
			w.logf("fault: the connections of %s break", h.name)
			for _, l := range h.open() {
				l.cut()
			}
		case 10:
			later(h.name+" hears nothing", h.stall(false, true))
		case 11:
			later(h.name+" is not heard", h.stall(true, false))
		case 12:
			later(h.name+" is cut off", h.isolate())
		case 13:
			later("the server is frozen", stallAll(hosts, true))
		case 14:
			w.expire(random)
		case 15:
			w.rob(random)
		case 16:
			// Who waits hears at once that its contender is gone and that it is its
			// turn.
			later("nobody hears anything", stallAll(hosts, false))
			w.rob(random)
		case 17:
			w.rotate(pick(random, w.locks...), random)
		case 18:
			w.redeclare(pick(random, w.locks...), random)
		case 19:
			if w.data == "" || random.IntN(3) > 0 {
				w.revoke(random)
				continue
			}
			d := upTo(2 * time.Second)
			w.logf("fault: the server is down for %v", d)
			w.stop()
			wait(d)
			w.start()
		}
	}
}

// stallAll keeps everything back that goes to the hosts, and with up also what
// comes from them.
func stallAll(hosts []*host, up bool) (undo func()) {
	var all []func()
	for _, h := range hosts {
		all = append(all, h.stall(up, true))
	}
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// expire ends a session before its time, as another client can.
func (w *world) expire(random *rand.Rand) {
	s := w.up()
	var ids []int64
	for _, id := range s.Sessions() {
		if id != w.stranger.ID() {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return
	}
	id := pick(random, ids...)
	w.logf("fault: session %#x is closed", id)
	for _, g := range w.locks {
		for _, name := range w.children(g.path) {
			if s.Node(g.path.Join(name)).Stat.EphemeralOwner == id {
				w.takeAway(g, name)
			}
		}
	}
	s.ExpireSession(id)
}

// rob deletes a contender of somebody.
func (w *world) rob(random *rand.Rand) {
	g := pick(random, w.locks...)
	children := w.children(g.path)
	if len(children) == 0 {
		return
	}
	name := pick(random, children[:min(2, len(children))]...)
	if random.IntN(2) == 0 {
		name = pick(random, children...)
	}
	w.logf("fault: a stranger deletes %s of %s", name, g.path)
	c := w.takeAway(g, name)
	if !w.strange(func(ctx context.Context) error { return w.stranger.Delete(ctx, g.path.Join(name), zkfs.AnyVersion) }) {
		w.perhaps(c)
	}
}

// rotate makes the znode of a lock anew, if nobody stands in its queue. Its
// sequence begins anew; here it soon is where it was.
func (w *world) rotate(g *guarded, random *rand.Rand) {
	w.mu.Lock()
	last := g.last
	w.mu.Unlock()
	w.logf("fault: %s is made anew", g.path)
	w.strange(func(ctx context.Context) error {
		_, err := w.stranger.Multi(ctx, []zkfs.Op{
			{Kind: zkfs.OpDelete, Path: g.path, Version: zkfs.AnyVersion},
			{Kind: zkfs.OpCreate, Path: g.path, Data: w.record(g.policy), ACL: zkfs.Open()},
		})
		if err == nil {
			err = w.up().SetSequence(g.path, max(0, last-1+random.Int64N(3)))
		}
		return err
	})
}

// redeclare changes a policy: its permits, or something without consequence.
func (w *world) redeclare(g *guarded, random *rand.Rand) {
	p := g.policy
	if p.Mode == layout.Semaphore {
		p.Permits = 1 + random.IntN(g.permits)
	}
	p.MaxWaiters = pick(random, 0, 1000)
	w.logf("fault: %s is declared with permits %d", g.path, p.Permits)
	w.strange(func(ctx context.Context) error {
		_, err := w.stranger.Set(ctx, g.path, w.record(p), zkfs.AnyVersion)
		return err
	})
}

// revoke asks for a revocable lock back.
func (w *world) revoke(random *rand.Rand) {
	g := pick(random, w.locks...)
	children := w.children(g.path)
	if len(children) == 0 || !g.policy.Revocable {
		return
	}
	name := pick(random, children...)
	w.logf("fault: %s of %s is asked to give up", name, g.path)
	w.strange(func(ctx context.Context) error {
		_, err := w.stranger.Set(ctx, g.path.Join(name), []byte("__REVOKE__"), zkfs.AnyVersion)
		return err
	})
}

// strange does something as the stranger, if it is connected, and reports
// whether that was done.
func (w *world) strange(f func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(w.t.Context(), tick)
	defer cancel()
	err := f(ctx)
	if err != nil {
		w.logf("the stranger: %v", err)
	}
	return err == nil
}
