package lock_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
)

// Clients of ours and go-zookeeper's take one lock again and again, and every
// third attempt of ours gives up at about the time when its turn comes. Nobody
// overlaps, the tokens rise, and the queue drains.
func TestALoopOfManyClients(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		const rounds = 40
		var inside atomic.Int32
		var last atomic.Int64
		enter := func(token int64) {
			if n := inside.Add(1); n != 1 {
				b.Errorf("%d hold at the same time", n)
			}
			if token > 0 {
				if before := last.Swap(token); before >= token {
					b.Errorf("got token %d after %d", token, before)
				}
			}
			inside.Add(-1)
		}
		var all sync.WaitGroup
		for range 3 {
			c := b.client()
			all.Go(func() {
				for i := range rounds {
					o := lock.Options{}
					if i%3 == 1 {
						o.Wait = lock.WaitFor(3 * time.Millisecond)
					}
					h, err := c.Acquire(b.ctx, path, o)
					if err != nil {
						if o.Wait == nil || !errors.Is(err, lock.ErrNotAcquired) {
							b.Errorf("acquire: %v; the queue is %+v", err, b.queue(path).Contenders)
							return
						}
						continue
					}
					enter(h.Token())
					if err := h.Release(b.ctx); err != nil {
						b.Errorf("release: %v", err)
					}
				}
			})
		}
		for range 2 {
			c := b.goClient()
			all.Go(func() {
				for range rounds {
					l := zk.NewLock(c, string(path.Under(b.env.Chroot)), zk.WorldACL(zk.PermAll))
					if err := l.Lock(); err != nil {
						b.Errorf("zk.Lock: %v", err)
						return
					}
					enter(0)
					if err := l.Unlock(); err != nil {
						b.Errorf("zk.Unlock: %v", err)
					}
				}
			})
		}
		all.Wait()
	})
}

// goClient connects go-zookeeper's own client until the end of the test.
func (b *bench) goClient() *zk.Conn {
	b.Helper()
	c, events, err := zk.Connect([]string{b.env.Addr}, timeout, zk.WithLogger(silent{}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	for e := range events {
		if e.State == zk.StateHasSession {
			break
		}
	}
	return c
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// A contender whose client cannot see our name would hold beside us.
func TestForeignContendersAreRefused(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		blind, err := b.eye.Create(b.ctx, path.Join("f81d4fae7dec11d0a76500a0c91e6bf6__lock__"), nil, zkfs.Open(), zkfs.EphemeralSequential)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrForeignRecipe) {
			b.Errorf("got %v, want ErrForeignRecipe", err)
		}
		if n := len(b.queue(path).Contenders); n != 1 || !b.queue(path).Contenders[0].Foreign {
			b.Errorf("got %+v, want the foreign one alone", b.queue(path).Contenders)
		}
		waiter := b.ask(c, path, lock.Options{AllowForeign: true})
		b.blocked(path, 1)
		if err := b.eye.Delete(b.ctx, blind.Path, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		b.release(b.got(waiter))
	})
}

func TestStrangersBelowALock(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		for _, name := range []string{"policy", "leases"} {
			if _, err := b.eye.Create(b.ctx, path.Join(name), nil, zkfs.Open(), zkfs.Ephemeral); err != nil {
				b.Fatal(err)
			}
			h, err := c.Acquire(b.ctx, path, lock.Options{AllowForeign: true})
			switch {
			case name == "policy" && err != nil:
				b.Errorf("an unrelated child: %v", err)
			case name == "policy":
				b.release(h)
			case !errors.Is(err, lock.ErrForeignRecipe):
				b.Errorf("Curator's semaphore: got %v, want ErrForeignRecipe", err)
			}
			if q := b.queue(path); len(q.Unknown) != 1 || q.Unknown[0] != name || len(q.Contenders) != 0 {
				b.Errorf("got %+v", q)
			}
			if err := b.eye.Delete(b.ctx, path.Join(name), zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestTheEndOfTheSequenceIsRefused(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		for _, next := range []int64{1<<31 - 1 - 1024, 1<<31 - 2, 1<<31 - 1} {
			if err := b.env.Dev.SetSequence(path.Under(b.env.Chroot), next); err != nil {
				b.Fatal(err)
			}
			for range 3 {
				if _, err := c.Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrSequenceEnd) {
					b.Errorf("at %d: got %v, want ErrSequenceEnd", next, err)
				}
			}
		}
		if err := b.env.Dev.SetSequence(path.Under(b.env.Chroot), 1<<31-1-1025); err != nil {
			b.Fatal(err)
		}
		b.release(b.take(c, path, lock.Options{}))
	})
}

// What a contender says of itself cannot write to the terminal of who looks.
func TestDataOfAContenderIsMadePrintable(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		h := b.take(b.client(), path, lock.Options{Owner: "a\x1b[31m\nb\xff é"})
		if got, want := b.queue(path).Holders()[0].Owner, `a\x1b[31m\nb? é`; got != want {
			b.Errorf("got the owner %q, want %q", got, want)
		}
		b.release(h)
	})
}
