package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// An actor takes locks through a client, works, and gives them up.
type actor struct {
	w      *world
	name   string
	client *lock.Client
	random *rand.Rand
}

func (w *world) actor(name string, c *lock.Client) *actor {
	h := w.net.host(name, false)
	return &actor{w: w, name: name, client: c, random: rand.New(rand.NewPCG(w.seed, h.id))}
}

func (a *actor) upTo(d time.Duration) time.Duration {
	return time.Duration(a.random.Int64N(int64(d)) + 1)
}

// round takes something once.
func (a *actor) round(ctx context.Context) {
	var wants []*guarded
	if len(a.w.locks) > 1 && a.random.IntN(6) == 0 {
		wants = slices.Clone(a.w.locks)
		a.random.Shuffle(len(wants), func(i, j int) { wants[i], wants[j] = wants[j], wants[i] })
		wants = wants[:2+a.random.IntN(len(wants)-1)]
	} else {
		wants = []*guarded{pick(a.random, a.w.locks...)}
	}
	o := lock.Options{Shared: len(wants) == 1 && wants[0].policy.Mode == layout.ReadWrite && a.random.IntN(2) == 0}
	limit, cancel := time.Duration(-1), time.Duration(-1)
	switch a.random.IntN(10) {
	case 0:
		o.Wait, limit = lock.TryOnce(), 5*time.Second
	case 1, 2:
		limit = a.upTo(pick(a.random, 10*time.Millisecond, 100*time.Millisecond, 4*time.Second))
		o.Wait = lock.WaitFor(limit)
	case 3, 4:
		cancel = a.upTo(pick(a.random, 3*time.Millisecond, 30*time.Millisecond, 300*time.Millisecond, 3*time.Second))
	}
	held := a.acquire(ctx, wants, o, limit, cancel)
	if held == nil {
		return
	}
	a.work(wants, held)
	a.release(ctx, held)
}

// acquire takes the locks; nil means that it could not.
func (a *actor) acquire(ctx context.Context, wants []*guarded, o lock.Options, limit, cancel time.Duration) []*lock.Held {
	paths := make([]zkfs.Path, len(wants))
	for i, g := range wants {
		paths[i] = g.path
	}
	if cancel >= 0 {
		limited, stop := context.WithCancel(ctx)
		defer stop()
		timer := time.AfterFunc(cancel, stop)
		defer timer.Stop()
		ctx = limited
	}
	if a.random.IntN(3) == 0 {
		o.OnQueued = func(q lock.Queued) { a.w.logf("%s: queued, %d in %s", a.name, q.Position, q.Path) }
	}
	a.listen(&o)
	a.w.logf("%s: wants %v, shared %v, limit %v, cancel after %v", a.name, paths, o.Shared, limit, cancel)
	began := time.Now()
	held, err := a.client.AcquireAll(ctx, paths, o)
	took := time.Since(began)
	if err != nil {
		a.w.logf("%s: got nothing after %v: %v", a.name, took, err)
		if !acceptable(err, limit >= 0, cancel >= 0) {
			a.w.fault("%s: unexpected error: %v", a.name, err)
		}
	}
	for _, most := range []time.Duration{limit, cancel} {
		if most >= 0 && took > most+leaving {
			a.w.fault("%s: it took %v instead of %v to acquire", a.name, took, most)
		}
	}
	for i, h := range held {
		a.w.enter(a.name, wants[i], h)
	}
	return held
}

// work works for a while, until the end when one of the locks is lost, and then
// for as long as stopping may take.
func (a *actor) work(wants []*guarded, held []*lock.Held) {
	span := a.upTo(pick(a.random, time.Millisecond, time.Millisecond, 20*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond,
		100*time.Millisecond, 3*time.Second, 12*time.Second))
	select {
	case <-time.After(span):
	case <-held[0].Context().Done():
		a.w.logf("%s: lost %s: %v", a.name, held[0].Node(), context.Cause(held[0].Context()))
		for _, h := range held {
			if h.Context().Err() == nil {
				a.w.fault("%s: %s is held after %s was lost", a.name, h.Node(), held[0].Node())
			}
		}
		if a.random.IntN(2) == 0 {
			time.Sleep(held[0].KillTimeout())
		}
	}
	for i, h := range held {
		a.w.leave(wants[i], h)
	}
}

// release gives the locks up, in any order.
func (a *actor) release(ctx context.Context, held []*lock.Held) {
	a.random.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	limit := time.Duration(-1)
	if a.random.IntN(4) == 0 {
		limit = a.upTo(50 * time.Millisecond)
		limited, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx = limited
	}
	for _, h := range held {
		began := time.Now()
		err := h.Release(ctx)
		took := time.Since(began)
		a.w.logf("%s: released %s in %v: %v", a.name, h.Node(), took, err)
		if limit >= 0 && took > limit+leaving {
			a.w.fault("%s: it took %v instead of %v to release", a.name, took, limit)
		}
		if n := a.w.up().Node(h.Node()); err == nil && n.Stat.Czxid == h.Token() {
			a.w.fault("%s: %s is released and still there", a.name, h.Node())
		}
		if err != nil && limit < 0 && took < 30*time.Second {
			a.w.fault("%s: release: %v", a.name, err)
		}
		if a.random.IntN(4) == 0 {
			if err := h.Release(ctx); err != nil {
				a.w.fault("%s: a second release: %v", a.name, err)
			}
		}
	}
}

// listen notes what a hold tells.
func (a *actor) listen(o *lock.Options) {
	o.OnSuspect = func() { a.w.logf("%s: is told: suspect", a.name) }
	o.OnHeld = func() { a.w.logf("%s: is told: held again", a.name) }
	o.OnReleased = func(err error) { a.w.logf("%s: is told: released, %v", a.name, err) }
	o.OnLost = func(err error) {
		a.w.logf("%s: is told: %v", a.name, err)
		if !errors.Is(err, lock.ErrLost) {
			a.w.fault("%s: OnLost(%v), which is no ErrLost", a.name, err)
		}
	}
}
