package lock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func TestTryFailsAtOnceAndLeavesNothing(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder, c := b.take(b.client(), path, lock.Options{}), b.client()
		for range 10 {
			if _, err := c.TryAcquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrNotAcquired) {
				b.Fatalf("got %v, want ErrNotAcquired", err)
			}
			if n := len(b.queue(path).Contenders); n != 1 {
				b.Fatalf("got %d contenders after a failed try", n)
			}
		}
		b.release(holder)
		h, err := c.TryAcquire(b.ctx, path, lock.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.release(h)
	})
}

func TestWaitEndsInTime(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.WaitTimeout = 300 * time.Millisecond })
		holder := b.take(b.client(), path, lock.Options{})
		for name, o := range map[string]lock.Options{
			"the policy's":              {},
			"the caller's":              {Wait: lock.WaitFor(200 * time.Millisecond)},
			"no more than the policy's": {Wait: lock.WaitFor(time.Hour)},
		} {
			began := time.Now()
			_, err := b.client().Acquire(b.ctx, path, o)
			took := time.Since(began)
			if !errors.Is(err, lock.ErrNotAcquired) || errors.Is(err, lock.ErrQueueFull) {
				b.Errorf("%s: got %v, want ErrNotAcquired", name, err)
			}
			if took < 200*time.Millisecond || took > 5*time.Second {
				b.Errorf("%s: it took %v", name, took)
			}
			if n := len(b.queue(path).Contenders); n != 1 {
				b.Errorf("%s: got %d contenders after it", name, n)
			}
		}
		b.release(holder)
	})
}

// Every wake of a waiter must count on one deadline, not begin another (consul
// #2399).
func TestWaitEndsInTimeWhileTheQueueMoves(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		const wait = 500 * time.Millisecond
		first := b.take(b.client(), path, lock.Options{})
		ctx, cancel := context.WithCancel(b.ctx)
		c, churned := b.client(), make(chan struct{})
		behind := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		last := b.ask(b.client(), path, lock.Options{Wait: lock.WaitFor(wait)})
		go func() {
			defer close(churned)
			for ctx.Err() == nil {
				c.TryAcquire(ctx, path, lock.Options{})
			}
		}()
		began := time.Now()
		if err := b.failed(last); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want ErrNotAcquired", err)
		}
		if took := time.Since(began); took > wait+2*time.Second {
			b.Errorf("it took %v", took)
		}
		cancel()
		<-churned
		b.release(first)
		b.release(b.got(behind))
	})
}

func TestCancelLeavesTheQueue(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		ctx, cancel := context.WithCancelCause(b.ctx)
		why := errors.New("changed my mind")
		queued := make(chan lock.Queued, 10)
		done := make(chan error, 1)
		c := b.client()
		go func() {
			_, err := c.Acquire(ctx, path, lock.Options{OnQueued: func(q lock.Queued) { queued <- q }})
			done <- err
		}()
		q := until(b.T, "it queues", queued)
		if q.Position != 1 || q.Behind.Node != holder.Node() || q.Behind.Owner != holder.Owner() || q.Path != path {
			b.Errorf("got %+v, want to be the next behind %s", q, holder.Node())
		}
		cancel(why)
		if err := until(b.T, "the acquire ends", done); !errors.Is(err, why) || errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want %v", err, why)
		}
		if n := len(b.queue(path).Contenders); n != 1 {
			b.Errorf("got %d contenders after the cancel, want the holder alone", n)
		}
		b.release(holder)
	})
}

func TestACancelledContextStillReleases(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		h := b.take(b.client(), path, lock.Options{})
		ctx, cancel := context.WithCancel(b.ctx)
		cancel()
		if err := h.Release(ctx); err != nil {
			b.Errorf("release: %v", err)
		}
		if n := len(b.queue(path).Contenders); n != 0 {
			b.Errorf("got %d contenders after the release", n)
		}
	})
}

// consul #1006: a release wakes everybody.
func TestOneWaiterIsWokenByARelease(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		moved := make(chan lock.Queued, 100)
		var waiting []*asked
		for i := range 4 {
			waiting = append(waiting, b.ask(b.client(), path, lock.Options{OnQueued: func(q lock.Queued) { moved <- q }}))
			b.blocked(path, i+1)
			until(b.T, "it queues", moved)
		}
		b.release(holder)
		for _, a := range waiting {
			h := b.got(a)
			b.release(h)
		}
		// Nobody but the one whose turn it was has looked at the queue again and
		// found itself behind another.
		if len(moved) != 0 {
			b.Errorf("%d waiters were told of another place", len(moved))
		}
	})
}

func TestAWaiterBehindOneThatGivesUpMovesUp(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		ctx, cancel := context.WithCancel(b.ctx)
		quitter := make(chan error, 1)
		c := b.client()
		go func() {
			_, err := c.Acquire(ctx, path, lock.Options{})
			quitter <- err
		}()
		b.blocked(path, 1)
		moved := make(chan lock.Queued, 10)
		last := b.ask(b.client(), path, lock.Options{OnQueued: func(q lock.Queued) { moved <- q }})
		if q := until(b.T, "it queues", moved); q.Position != 2 {
			b.Errorf("got position %d, want 2", q.Position)
		}
		cancel()
		until(b.T, "the one before it leaves", quitter)
		if q := until(b.T, "it moves up", moved); q.Position != 1 || q.Behind.Node != holder.Node() {
			b.Errorf("got %+v, want to be the next", q)
		}
		b.release(holder)
		b.release(b.got(last))
	})
}

func TestMaxWaiters(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.MaxWaiters = 2 })
		holder := b.take(b.client(), path, lock.Options{})
		first := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		second := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 2)
		_, err := b.client().Acquire(b.ctx, path, lock.Options{})
		if !errors.Is(err, lock.ErrQueueFull) || !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want ErrQueueFull", err)
		}
		b.release(holder)
		b.release(b.got(first))
		b.release(b.got(second))
	})
}

func TestUndeclared(t *testing.T) {
	each(t, func(b *bench) {
		c := b.client()
		if _, err := c.Acquire(b.ctx, "/none", lock.Options{Undeclared: true}); !errors.Is(err, lock.ErrNotDeclared) {
			b.Errorf("a missing znode: got %v, want ErrNotDeclared", err)
		}
		if _, err := b.eye.Create(b.ctx, "/theirs", []byte("hand-made"), zkfs.Open(), zkfs.Persistent); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Acquire(b.ctx, "/theirs", lock.Options{}); !errors.Is(err, lock.ErrNotDeclared) {
			b.Errorf("got %v, want ErrNotDeclared", err)
		}
		if _, err := c.Policy(b.ctx, "/theirs"); !errors.Is(err, lock.ErrNotDeclared) {
			b.Errorf("the policy: got %v, want ErrNotDeclared", err)
		}
		b.release(b.take(c, "/theirs", lock.Options{Undeclared: true}))
		if _, err := b.eye.Set(b.ctx, "/theirs", []byte(`{"lockform":1,"kind":"lock"}`), zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Acquire(b.ctx, "/theirs", lock.Options{Undeclared: true}); !errors.Is(err, layout.ErrBadRecord) {
			b.Errorf("a damaged record: got %v, want ErrBadRecord", err)
		}
	})
}

func TestSharedNeedsReadWrite(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		if _, err := b.client().Acquire(b.ctx, path, lock.Options{Shared: true}); !errors.Is(err, lock.ErrMode) {
			b.Errorf("got %v, want ErrMode", err)
		}
	})
}

func TestCloseReleasesAndEndsWaits(t *testing.T) {
	each(t, func(b *bench) {
		path, other := b.declare("/l", nil), b.declare("/m", nil)
		c, holder := b.client(), b.take(b.client(), path, lock.Options{})
		h := b.take(c, other, lock.Options{})
		waiting := b.ask(c, path, lock.Options{})
		b.blocked(path, 1)
		if err := c.Close(b.ctx); err != nil {
			b.Errorf("close: %v", err)
		}
		if err := b.failed(waiting); !errors.Is(err, lock.ErrClosed) {
			b.Errorf("the waiter got %v, want ErrClosed", err)
		}
		if h.Context().Err() == nil {
			b.Error("a hold outlived its client")
		}
		b.release(h)
		if _, err := c.Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrClosed) {
			b.Errorf("after Close: got %v, want ErrClosed", err)
		}
		b.release(holder)
	})
}

// Close leaves itself the time to end the session, with which everything goes.
func TestCloseEndsWhatCannotBeDeleted(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		c, err := lock.Open(b.ctx, lock.Config{Conn: b.conn()})
		if err != nil {
			b.Fatal(err)
		}
		h := b.take(c, path, lock.Options{})
		locked := zkfs.ACL{{Perms: zkfs.AllPerms &^ zkfs.Delete, Identity: zkfs.Anyone}}
		if _, err := b.eye.SetACL(b.ctx, path, locked, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			b.Error(err)
		}
		if n := len(b.queue(path).Contenders); n != 0 {
			b.Errorf("%d contenders are left", n)
		}
		if h.Context().Err() == nil {
			b.Error("the hold has not ended")
		}
	})
}

func TestABorrowedSessionStaysOpen(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		s := b.session()
		c, err := lock.Open(b.ctx, lock.Config{Session: s})
		if err != nil {
			b.Fatal(err)
		}
		h := b.take(c, path, lock.Options{})
		if h.Session() != s.ID() {
			b.Errorf("the hold is on session %#x, want %#x", h.Session(), s.ID())
		}
		if err := c.Close(b.ctx); err != nil {
			b.Error(err)
		}
		if s.Err() != nil {
			b.Errorf("the session is over: %v", s.Err())
		}
	})
}

// The session timeout comes from the policy.
func TestASessionForEachTimeout(t *testing.T) {
	each(t, func(b *bench) {
		short := b.declare("/short", func(p *layout.Policy) { p.SessionTimeout = 2 * time.Second })
		long := b.declare("/long", func(p *layout.Policy) { p.SessionTimeout = 6 * time.Second })
		c := b.client()
		h1, h2, h3 := b.take(c, short, lock.Options{}), b.take(c, long, lock.Options{}), b.take(c, b.declare("/l", nil), lock.Options{})
		if h1.Session() == h2.Session() || h2.Session() == h3.Session() {
			b.Errorf("got sessions %#x %#x %#x, want three", h1.Session(), h2.Session(), h3.Session())
		}
		if h1.Remaining() > 2*time.Second || h2.Remaining() < 3*time.Second {
			b.Errorf("got leases of %v and %v, want below 2s and up to 6s", h1.Remaining(), h2.Remaining())
		}
		for _, h := range []*lock.Held{h1, h2, h3} {
			b.release(h)
		}
	})
}
