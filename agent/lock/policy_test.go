package lock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// What a policy's attributes do when they change while somebody waits or holds.
// What each does from the start stands in the tests of what it is about.

func semaphore(permits int) func(*layout.Policy) {
	return func(p *layout.Policy) { p.Mode, p.Permits = layout.Semaphore, permits }
}

func maxWaiters(n int) func(*layout.Policy) { return func(p *layout.Policy) { p.MaxWaiters = n } }
func reentrant(p *layout.Policy)            { p.Reentrant = true }
func revocable(p *layout.Policy)            { p.Revocable = true }

// waits fails the test when the Acquire has ended.
func (b *bench) waits(a *asked) {
	b.Helper()
	select {
	case <-a.done:
		b.Fatalf("it ended with %v, %v", a.held, a.err)
	default:
	}
}

func TestAPolicyThatChangesTakesEffectAtOnce(t *testing.T) {
	t.Run("WaitTimeout", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			b.write(path, func(p *layout.Policy) { p.WaitTimeout = 10 * time.Millisecond })
			if err := b.failed(waiter); !errors.Is(err, lock.ErrNotAcquired) {
				b.Errorf("got %v, want ErrNotAcquired", err)
			}
			b.release(holder)
		})
	})
	t.Run("Permits", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", semaphore(1))
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			b.write(path, semaphore(2))
			b.release(b.got(waiter))
			b.release(holder)
		})
	})
	t.Run("Recipe", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{AllowForeign: true})
			b.blocked(path, 1)
			b.write(path, func(p *layout.Policy) { p.Recipe = layout.Kazoo })
			eventually(b.T, "the waiter has a name of kazoo's form", func() bool {
				q := b.queue(path).Waiters()
				return len(q) == 1 && q[0].Client == "kazoo"
			})
			b.release(holder)
			b.release(b.got(waiter))
		})
	})
	t.Run("Undeclared", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			if _, err := b.eye.Set(b.ctx, path, nil, zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
			if err := b.failed(waiter); !errors.Is(err, lock.ErrNotDeclared) {
				b.Errorf("got %v, want ErrNotDeclared", err)
			}
			if holder.Context().Err() != nil {
				b.Error("the hold ended with its declaration")
			}
			b.release(holder)
		})
	})
	t.Run("MaxHold", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			h := b.take(b.client(), path, lock.Options{})
			b.write(path, func(p *layout.Policy) { p.MaxHold = 50 * time.Millisecond })
			until(b.T, "the hold ends", h.Context().Done())
			if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrMaxHold) {
				b.Errorf("got cause %v, want ErrMaxHold", err)
			}
			b.release(h)
		})
	})
	t.Run("WaitTimeoutThatGrows", func(t *testing.T) {
		each(t, func(b *bench) {
			const wait = 500 * time.Millisecond
			path := b.declare("/l", func(p *layout.Policy) { p.WaitTimeout = wait })
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			b.write(path, nil)
			longer := time.NewTimer(wait + 300*time.Millisecond)
			defer longer.Stop()
			select {
			case <-longer.C:
			case <-waiter.done:
				b.Fatalf("its wait ended: %v", waiter.err)
			}
			b.release(holder)
			b.release(b.got(waiter))
		})
	})
	t.Run("FewerPermits", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", semaphore(2))
			one, two := b.take(b.client(), path, lock.Options{}), b.take(b.client(), path, lock.Options{})
			moved := make(chan lock.Queued, 10)
			waiter := b.ask(b.client(), path, lock.Options{OnQueued: func(q lock.Queued) { moved <- q }})
			until(b.T, "it queues", moved)
			b.write(path, semaphore(1))
			if q := until(b.T, "it is told", moved); q.Position != 2 {
				b.Errorf("got position %d, want 2: who is in front of it waits now as well", q.Position)
			}
			b.release(one)
			if q := until(b.T, "it moves up", moved); q.Position != 1 {
				b.Errorf("got position %d, want 1", q.Position)
			}
			b.waits(waiter)
			if err := context.Cause(two.Context()); err != nil {
				b.Errorf("a hold ended with its permit: %v", err)
			}
			b.release(two)
			b.release(b.got(waiter))
		})
	})
	t.Run("MaxWaiters", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", maxWaiters(1))
			holder, c := b.take(b.client(), path, lock.Options{}), b.client()
			first := b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			if _, err := c.Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrQueueFull) {
				b.Errorf("got %v, want ErrQueueFull", err)
			}
			b.write(path, maxWaiters(2))
			queued := make(chan lock.Queued, 10)
			second := b.ask(c, path, lock.Options{OnQueued: func(q lock.Queued) { queued <- q }})
			until(b.T, "it queues", queued)
			b.write(path, maxWaiters(1))
			if _, err := b.client().Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrQueueFull) {
				b.Errorf("got %v, want ErrQueueFull", err)
			}
			// Who stands in the queue keeps the place.
			b.waits(first)
			b.waits(second)
			b.release(holder)
			b.release(b.got(first))
			b.release(b.got(second))
		})
	})
	t.Run("Mode", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			// Curator's mutex cannot see a writer, so that it stands in the way.
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{AllowForeign: true})
			b.blocked(path, 1)
			b.write(path, readWrite)
			eventually(b.T, "the waiter is a writer", func() bool {
				q := b.queue(path).Waiters()
				return len(q) == 1 && strings.Contains(q[0].Name, "__WRIT__")
			})
			b.release(holder)
			b.release(b.got(waiter))
			b.release(b.take(b.client(), path, lock.Options{Shared: true}))
		})
	})
	t.Run("SharedIsNoLongerGiven", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", readWrite)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{Shared: true})
			b.blocked(path, 1)
			b.write(path, nil)
			if err := b.failed(waiter); !errors.Is(err, lock.ErrMode) {
				b.Errorf("got %v, want ErrMode", err)
			}
			b.release(holder)
		})
	})
	t.Run("Prefix", func(t *testing.T) {
		each(t, func(b *bench) {
			plain := func(prefix string) func(*layout.Policy) {
				return func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, prefix }
			}
			path := b.declare("/l", plain("a-"))
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{AllowForeign: true})
			b.blocked(path, 1)
			b.write(path, plain("b-"))
			eventually(b.T, "the waiter has the new prefix", func() bool {
				q := b.queue(path).Waiters()
				return len(q) == 1 && strings.HasPrefix(q[0].Name, "b-")
			})
			b.release(holder)
			b.release(b.got(waiter))
		})
	})
	t.Run("Reentrant", func(t *testing.T) {
		each(t, func(b *bench) {
			path, c, alice := b.declare("/l", nil), b.client(), lock.Options{Owner: "alice"}
			outer := b.take(c, path, alice)
			b.write(path, reentrant)
			var inner *lock.Held
			eventually(b.T, "its owner takes it again", func() bool {
				var err error
				inner, err = c.TryAcquire(b.ctx, path, alice)
				return err == nil
			})
			b.write(path, nil)
			eventually(b.T, "its owner is refused", func() bool {
				h, err := c.TryAcquire(b.ctx, path, alice)
				if err == nil {
					b.release(h)
				}
				return errors.Is(err, lock.ErrRank)
			})
			b.release(outer)
			if err := context.Cause(inner.Context()); err != nil {
				b.Errorf("the inner hold ended with the policy: %v", err)
			}
			b.release(inner)
		})
	})
	t.Run("RankOfAHold", func(t *testing.T) {
		each(t, func(b *bench) {
			first, second, c, alice := b.declare("/a", ranked(1)), b.declare("/b", ranked(2)), b.client(), lock.Options{Owner: "alice"}
			held := b.take(c, first, alice)
			b.release(b.take(c, second, alice))
			b.write(first, ranked(3))
			eventually(b.T, "the other lock is out of order", func() bool {
				h, err := c.TryAcquire(b.ctx, second, alice)
				if err == nil {
					b.release(h)
				}
				return errors.Is(err, lock.ErrRank)
			})
			b.release(held)
		})
	})
	t.Run("KillTimeout", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			h := b.take(b.client(), path, lock.Options{})
			b.write(path, func(p *layout.Policy) { p.KillTimeout = 70 * time.Millisecond })
			eventually(b.T, "it is shorter", func() bool { return h.KillTimeout() == 70*time.Millisecond })
			// A longer one is cut, so that what is left outlives an election.
			b.write(path, func(p *layout.Policy) { p.KillTimeout = time.Hour })
			eventually(b.T, "it is longer, and cut", func() bool { return h.KillTimeout() > 70*time.Millisecond })
			if got, most := h.KillTimeout(), timeout/4; got > most {
				b.Errorf("got %v, want at most %v", got, most)
			}
			b.release(h)
		})
	})
	t.Run("OnLost", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			h := b.take(b.client(), path, lock.Options{})
			b.write(path, func(p *layout.Policy) { p.OnLost = layout.OnLostKill })
			eventually(b.T, "the hold knows", func() bool { return h.Policy().OnLost == layout.OnLostKill })
			b.release(h)
		})
	})
	t.Run("Heartbeat", func(t *testing.T) {
		embedded(t, func(b *bench) {
			path := b.declare("/l", nil)
			h := b.take(b.client(), path, lock.Options{})
			beats := func(f func(*layout.Policy), op zkdev.Op) {
				b.Helper()
				b.write(path, f)
				eventually(b.T, "the hold knows", func() bool { return h.Policy().Heartbeat == policy(f).Heartbeat })
				seen := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Kind: op, Session: h.Session()})
				until(b.T, "a heartbeat of its kind", seen.Fired())
			}
			beats(nil, zkdev.OpMulti)
			beats(func(p *layout.Policy) { p.Heartbeat = layout.HeartbeatSync }, zkdev.OpSync)
			beats(nil, zkdev.OpMulti)
			beats(func(p *layout.Policy) { p.Heartbeat = layout.HeartbeatPing }, zkdev.OpSync)
			b.release(h)
		})
	})
	// A hold stays on its session; the next one is on another.
	t.Run("SessionTimeout", func(t *testing.T) {
		each(t, func(b *bench) {
			path, c := b.declare("/l", nil), b.client()
			h := b.take(c, path, lock.Options{})
			b.write(path, func(p *layout.Policy) { p.SessionTimeout = 2 * timeout })
			eventually(b.T, "the hold knows", func() bool { return h.Policy().SessionTimeout == 2*timeout })
			if left := h.Remaining(); left > timeout {
				b.Errorf("the lease is said to last %v, on a session of %v", left, timeout)
			}
			b.release(h)
			next := b.take(c, path, lock.Options{})
			if next.Session() == h.Session() {
				b.Error("the next hold is on a session of the former timeout")
			}
			b.release(next)
		})
	})
	t.Run("ContenderACLOfAWaiter", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			ops := zkfs.Entry{Perms: zkfs.Read | zkfs.Write, Identity: zkfs.Digest("ops", "secret")}
			b.write(path, func(p *layout.Policy) {
				p.ContenderACL = zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}, ops}
			})
			eventually(b.T, "the waiter's contender has the new ACL", func() bool {
				q := b.queue(path).Waiters()
				if len(q) != 1 || q[0].Signals {
					return false
				}
				acl, _, err := b.eye.GetACL(b.ctx, q[0].Node)
				return err == nil && slices.ContainsFunc(acl, func(e zkfs.Entry) bool { return e.Perms == ops.Perms })
			})
			b.release(holder)
			b.release(b.got(waiter))
		})
	})
	t.Run("RevocableForAWaiter", func(t *testing.T) {
		each(t, func(b *bench) {
			path := b.declare("/l", nil)
			holder, waiter := b.take(b.client(), path, lock.Options{}), b.ask(b.client(), path, lock.Options{})
			b.blocked(path, 1)
			b.write(path, revocable)
			eventually(b.T, "the waiter's contender is open to all", func() bool {
				q := b.queue(path).Waiters()
				return len(q) == 1 && !q[0].Signals
			})
			// The hold's contender cannot be opened: whoever is behind it believes
			// what happens to it.
			if _, err := b.eye.Set(b.ctx, holder.Node(), []byte("unlock"), zkfs.AnyVersion); !errors.Is(err, zkfs.ErrNoAuth) {
				b.Errorf("a stranger's set: got %v, want ErrNoAuth", err)
			}
			b.release(holder)
			h := b.got(waiter)
			if _, err := b.eye.Set(b.ctx, h.Node(), []byte("unlock"), zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
			until(b.T, "the hold ends", h.Context().Done())
			if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrRevoked) {
				b.Errorf("got cause %v, want ErrRevoked", err)
			}
			b.release(h)
		})
	})
	t.Run("RevocableNoMore", func(t *testing.T) {
		embedded(t, func(b *bench) {
			path := b.declare("/l", revocable)
			h := b.take(b.client(), path, lock.Options{})
			b.write(path, nil)
			eventually(b.T, "the hold knows", func() bool { return !h.Policy().Revocable })
			for range 2 { // the second look begins when the first is done
				looked := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Kind: zkdev.OpExists, Path: h.Node().Under(b.env.Chroot), Session: h.Session()})
				if _, err := b.eye.Set(b.ctx, h.Node(), []byte("unlock"), zkfs.AnyVersion); err != nil {
					b.Fatal(err)
				}
				until(b.T, "it looks", looked.Fired())
			}
			if err := context.Cause(h.Context()); err != nil {
				b.Errorf("it ended with %v", err)
			}
			b.release(h)
		})
	})
}
