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

func ranked(n int) func(*layout.Policy) { return func(p *layout.Policy) { p.Rank = &n } }

func TestSeveralLocksAreTakenInOrder(t *testing.T) {
	each(t, func(b *bench) {
		low, high, none := b.declare("/z", ranked(1)), b.declare("/a", ranked(2)), b.declare("/0", nil)
		c := b.client()
		paths := []zkfs.Path{none, high, low}
		held, err := c.AcquireAll(b.ctx, paths, lock.Options{Owner: "alice"})
		if err != nil {
			b.Fatal(err)
		}
		for i, h := range held {
			if h.Path() != paths[i] {
				b.Errorf("hold %d is of %s, want %s", i, h.Path(), paths[i])
			}
		}
		if !(held[2].Token() < held[1].Token() && held[1].Token() < held[0].Token()) {
			b.Errorf("got tokens %d %d %d for %v, want the order of ranks", held[0].Token(), held[1].Token(), held[2].Token(), paths)
		}
		for _, h := range held {
			b.release(h)
		}
	})
}

func TestSeveralLocksAreTakenAllOrNone(t *testing.T) {
	each(t, func(b *bench) {
		first, second := b.declare("/a", nil), b.declare("/b", nil)
		holder := b.take(b.client(), second, lock.Options{})
		c := b.client()
		began := time.Now()
		_, err := c.AcquireAll(b.ctx, []zkfs.Path{first, second}, lock.Options{Wait: lock.WaitFor(200 * time.Millisecond)})
		if !errors.Is(err, lock.ErrNotAcquired) || time.Since(began) > 5*time.Second {
			b.Errorf("got %v after %v, want ErrNotAcquired", err, time.Since(began))
		}
		var which *lock.Error
		if !errors.As(err, &which) || which.Path != second {
			b.Errorf("got %v, which does not name %s", err, second)
		}
		if n := len(b.queue(first).Contenders) + len(b.queue(second).Waiters()); n != 0 {
			b.Errorf("%d contenders are left", n)
		}
		if _, err := c.AcquireAll(b.ctx, []zkfs.Path{first, second, first}, lock.Options{}); err == nil {
			b.Error("the same path twice was accepted")
		}
		b.release(holder)
	})
}

func TestLosingOneOfSeveralIsLosingAll(t *testing.T) {
	each(t, func(b *bench) {
		paths := []zkfs.Path{b.declare("/a", nil), b.declare("/b", nil)}
		held, err := b.client().AcquireAll(b.ctx, paths, lock.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := b.eye.Delete(b.ctx, held[1].Node(), zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		for _, h := range held {
			until(b.T, "the context ends", h.Context().Done())
			if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrLost) {
				b.Errorf("%s: got cause %v, want ErrLost", h.Path(), err)
			}
			b.release(h)
		}
	})
}

func TestLosingOneWhileAnotherIsWaitedForFreesAll(t *testing.T) {
	each(t, func(b *bench) {
		first, second := b.declare("/a", nil), b.declare("/b", nil)
		holder := b.take(b.client(), second, lock.Options{})
		done := make(chan error, 1)
		c := b.client()
		go func() {
			_, err := c.AcquireAll(b.ctx, []zkfs.Path{first, second}, lock.Options{})
			done <- err
		}()
		b.blocked(second, 1)
		if err := b.eye.Delete(b.ctx, b.queue(first).Holders()[0].Node, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		if err := until(b.T, "the acquire ends", done); !errors.Is(err, lock.ErrLost) {
			b.Errorf("got %v, want ErrLost", err)
		}
		b.release(holder)
	})
}

// The time that all may be held begins when the last one is taken.
func TestMaxHoldOfSeveralRunsFromTheLast(t *testing.T) {
	each(t, func(b *bench) {
		const limit = 300 * time.Millisecond
		bounded := func(p *layout.Policy) { p.MaxHold = limit }
		first, second := b.declare("/a", bounded), b.declare("/b", bounded)
		holder := b.take(b.client(), second, lock.Options{})
		got := make(chan []*lock.Held, 1)
		c := b.client()
		go func() {
			held, err := c.AcquireAll(b.ctx, []zkfs.Path{first, second}, lock.Options{})
			if err != nil {
				b.Errorf("acquire: %v", err)
			}
			got <- held
		}()
		until(b.T, "the holder's time is over", holder.Context().Done()) // longer than theirs since the first was taken
		b.blocked(second, 1)
		b.release(holder)
		held := until(b.T, "both are held", got)
		began := time.Now()
		for _, h := range held {
			if h.Context().Err() != nil {
				b.Errorf("%s ended with %v", h.Path(), context.Cause(h.Context()))
			}
		}
		for _, h := range held {
			until(b.T, "the time is over", h.Context().Done())
			if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrMaxHold) {
				b.Errorf("got cause %v, want ErrMaxHold", err)
			}
			b.release(h)
		}
		if took := time.Since(began); took < limit-50*time.Millisecond {
			b.Errorf("they were held for %v, want %v", took, limit)
		}
	})
}

func TestRanksAreKept(t *testing.T) {
	each(t, func(b *bench) {
		low, high, none := b.declare("/z", ranked(1)), b.declare("/a", ranked(2)), b.declare("/0", nil)
		later := b.declare("/1", nil)
		c := b.client()
		alice := lock.Options{Owner: "alice"}
		h := b.take(c, high, alice)
		outer, err := lock.ParseOuter(lock.FormatOuter(nil, []*lock.Held{h}))
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range []lock.Options{alice, {Owner: "bob", Outer: outer}} {
			if _, err := c.Acquire(b.ctx, low, o); !errors.Is(err, lock.ErrRank) {
				b.Errorf("got %v, want ErrRank", err)
			}
		}
		if _, err := c.Acquire(b.ctx, high, alice); !errors.Is(err, lock.ErrRank) {
			b.Errorf("the same lock again: got %v, want ErrRank", err)
		}
		b.release(b.take(c, low, lock.Options{Owner: "bob"})) // another owner has no holds
		last := b.take(c, later, alice)                       // unranked locks come after all ranks
		if _, err := c.Acquire(b.ctx, none, alice); !errors.Is(err, lock.ErrRank) {
			b.Errorf("a lower path: got %v, want ErrRank", err)
		}
		b.release(last)
		b.release(h)
		b.release(b.take(c, low, alice))
	})
}

func TestOnlyDeclaredRanksBindThoseWithoutAName(t *testing.T) {
	each(t, func(b *bench) {
		c := b.client()
		second, first := b.take(c, b.declare("/b", nil), lock.Options{}), b.take(c, b.declare("/a", nil), lock.Options{})
		b.release(first)
		b.release(second)
		high := b.take(c, b.declare("/h", ranked(2)), lock.Options{})
		if _, err := c.Acquire(b.ctx, b.declare("/l", ranked(1)), lock.Options{}); !errors.Is(err, lock.ErrRank) {
			b.Errorf("got %v, want ErrRank", err)
		}
		b.release(high)
	})
}

func TestAReentrantLockIsTakenAgain(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Reentrant = true })
		c := b.client()
		alice := lock.Options{Owner: "alice"}
		outer, inner := b.take(c, path, alice), b.take(c, path, alice)
		if outer.Node() != inner.Node() || outer.Token() != inner.Token() || outer.Lease() != inner.Lease() {
			b.Errorf("got %s and %s, want one node", outer.Node(), inner.Node())
		}
		if _, err := c.TryAcquire(b.ctx, path, lock.Options{Owner: "bob"}); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("another owner: got %v, want ErrNotAcquired", err)
		}
		if _, err := b.client().TryAcquire(b.ctx, path, alice); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("the same name in another process: got %v, want ErrNotAcquired", err)
		}
		b.release(outer)
		if inner.Context().Err() != nil || len(b.queue(path).Contenders) != 1 {
			b.Error("the first release gave the lock up")
		}
		b.release(inner)
		if n := len(b.queue(path).Contenders); n != 0 {
			b.Errorf("got %d contenders after the last release", n)
		}
	})
}

// Whoever comes while the last hold of a reentrant lock is released gets one
// that lasts.
func TestAReentrantLockIsTakenAgainWhileItIsReleased(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Reentrant = true })
		c := b.client()
		alice := lock.Options{Owner: "alice"}
		for range 50 {
			first := b.take(c, path, alice)
			second := b.ask(c, path, alice)
			b.release(first)
			h := b.got(second)
			if err := context.Cause(h.Context()); err != nil {
				b.Fatalf("got a hold that has ended: %v", err)
			}
			b.release(h)
		}
	})
}

// A process that runs under a hold of its owner shares it.
func TestAReentrantLockIsTakenAgainBelow(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Reentrant = true })
		above := b.take(b.client(), path, lock.Options{Owner: "alice"})
		outer, err := lock.ParseOuter(lock.FormatOuter(nil, []*lock.Held{above}))
		if err != nil {
			b.Fatal(err)
		}
		below := b.take(b.client(), path, lock.Options{Owner: "alice", Outer: outer})
		if below.Node() != above.Node() || below.Token() != above.Token() || below.Session() != above.Session() {
			b.Errorf("got %s, want to share %s", below.Node(), above.Node())
		}
		b.release(below)
		if above.Context().Err() != nil || len(b.queue(path).Contenders) != 1 {
			b.Error("the inner release gave the lock up")
		}
		again := b.take(b.client(), path, lock.Options{Owner: "alice", Outer: outer})
		b.release(above)
		until(b.T, "the inner hold ends with the outer", again.Context().Done())
		if err := context.Cause(again.Context()); !errors.Is(err, lock.ErrLost) {
			b.Errorf("got cause %v, want ErrLost", err)
		}
		b.release(again)
		own := b.take(b.client(), path, lock.Options{Owner: "alice", Outer: outer})
		if own.Node() == above.Node() {
			b.Error("a hold that is over was shared")
		}
		b.release(own)
	})
}

// A process that outlives the command that started it still has that command's
// environment.
func TestAHoldAroundThatHasEndedDoesNotCount(t *testing.T) {
	each(t, func(b *bench) {
		path, lower := b.declare("/b", ranked(2)), b.declare("/a", ranked(1))
		above := b.take(b.client(), path, lock.Options{Owner: "alice"})
		outer, err := lock.ParseOuter(lock.FormatOuter(nil, []*lock.Held{above}))
		if err != nil {
			b.Fatal(err)
		}
		c, below := b.client(), lock.Options{Owner: "alice", Outer: append(outer, lock.Outer{Path: "/x", Node: "no path"})}
		for _, p := range []zkfs.Path{path, lower} {
			if _, err := c.TryAcquire(b.ctx, p, below); !errors.Is(err, lock.ErrRank) {
				b.Errorf("%s: got %v, want ErrRank", p, err)
			}
		}
		b.release(above)
		for _, p := range []zkfs.Path{path, lower} {
			b.release(b.take(c, p, below))
		}
	})
}

func TestParseOuter(t *testing.T) {
	if all, err := lock.ParseOuter(""); err != nil || len(all) != 0 {
		t.Errorf("got %v, %v for nothing", all, err)
	}
	for _, s := range []string{"x", "{}", `[{"path":1}]`} {
		if _, err := lock.ParseOuter(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}
