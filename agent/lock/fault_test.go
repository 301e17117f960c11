package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// Whatever request of a waiter is cut off, it gets the lock in its turn and
// leaves one contender at most, and in the end none.
func TestEveryCutIsSurvived(t *testing.T) {
	kinds := map[string]zkdev.Op{
		"create": zkdev.OpCreate, "list": zkdev.OpGetChildren, "watch": zkdev.OpGetData, "delete": zkdev.OpDelete,
		"signal": zkdev.OpMulti,
	}
	recipes := map[string]func(*layout.Policy){
		"curator": nil, // releases by signal
		"writer":  func(p *layout.Policy) { p.Mode = layout.ReadWrite },
		"kazoo":   func(p *layout.Policy) { p.Recipe = layout.Kazoo },
		"plain":   func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "lock_id_" },
		"bridge":  func(p *layout.Policy) { p.Recipe = layout.Bridge },
	}
	for name, r := range recipes {
		for kind, op := range kinds {
			if name == "bridge" && (op == zkdev.OpCreate || op == zkdev.OpDelete) {
				op, kind = zkdev.OpMulti, "multi for "+kind
			}
			for action, what := range map[zkdev.Action]string{zkdev.CloseBefore: "before", zkdev.CloseAfter: "after", zkdev.DropReply: "never answered"} {
				if action == zkdev.DropReply && (kind != "delete" && kind != "signal" || name == "bridge") {
					continue // no server answers a later request of a connection first
				}
				for nth := 1; nth <= 2; nth++ {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", name, kind, what, nth), func(t *testing.T) {
						embedded(t, func(b *bench) {
							path := b.declare("/l", r)
							holder, c := b.take(b.client(), path, lock.Options{}), b.client()
							s, err := c.Session(b.ctx)
							if err != nil {
								b.Fatal(err)
							}
							b.env.Dev.Inject(zkdev.Fault{Action: action, Kind: op, Session: s.ID(), Nth: nth})
							waiter := b.ask(c, path, lock.Options{})
							b.blocked(path, 1)
							b.release(holder)
							h := b.got(waiter)
							if got := b.queue(path).Contenders; len(got) != 1 || got[0].Node != h.Node() || got[0].Token != h.Token() {
								b.Errorf("got the queue %+v, want %s with token %d alone", got, h.Node(), h.Token())
							}
							b.release(h)
							b.release(b.take(c, path, lock.Options{}))
						})
					})
				}
			}
		}
	}
}

// A cancel that comes while a request hangs leaves nothing behind.
func TestEveryHangingRequestCanBeCancelled(t *testing.T) {
	for kind, op := range map[string]zkdev.Op{
		"create": zkdev.OpCreate, "list": zkdev.OpGetChildren, "watch": zkdev.OpGetData,
	} {
		for nth := 1; nth <= 2; nth++ {
			t.Run(fmt.Sprintf("%s/%d", kind, nth), func(t *testing.T) {
				embedded(t, func(b *bench) {
					path := b.declare("/l", nil)
					holder, c := b.take(b.client(), path, lock.Options{}), b.client()
					s, err := c.Session(b.ctx)
					if err != nil {
						b.Fatal(err)
					}
					fault := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 300 * time.Millisecond, Kind: op, Session: s.ID(), Nth: nth})
					defer fault.Cancel()
					ctx, cancel := context.WithCancel(b.ctx)
					done := make(chan error, 1)
					queued := make(chan lock.Queued, 1)
					go func() {
						_, err := c.Acquire(ctx, path, lock.Options{OnQueued: func(q lock.Queued) { queued <- q }})
						done <- err
					}()
					select {
					case <-fault.Fired():
					case <-queued: // it makes fewer of these
					}
					cancel()
					began := time.Now()
					if err := until(b.T, "the acquire ends", done); !errors.Is(err, context.Canceled) {
						b.Errorf("got %v, want context.Canceled", err)
					}
					if took := time.Since(began); took > time.Second {
						b.Errorf("leaving took %v, more than a second", took)
					}
					eventually(b.T, "the holder is alone", func() bool { return len(b.queue(path).Contenders) == 1 })
					b.release(holder)
				})
			})
		}
	}
}

// A server that has gone mute holds nobody longer than his time.
func TestTheDeadlineHoldsWhileTheServerIsMute(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder, c := b.take(b.client(), path, lock.Options{}), b.client()
		waiter := b.ask(c, path, lock.Options{Wait: lock.WaitFor(time.Second)})
		b.blocked(path, 1)
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		thaw := b.env.Dev.Freeze(s.ID())
		if err := b.failed(waiter); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want ErrNotAcquired", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			b.Errorf("it took %v", took)
		}
		thaw()
		eventually(b.T, "the waiter's contender goes when the server is back", func() bool { return len(b.queue(path).Contenders) == 1 })
		b.release(holder)
	})
}

// etcd #19597: a waiter whose session is over hangs.
func TestAWaiterWhoseSessionExpiresQueuesAnew(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder, c := b.take(b.client(), path, lock.Options{}), b.client()
		waiter := b.ask(c, path, lock.Options{})
		b.blocked(path, 1)
		before := b.queue(path).Waiters()[0]
		b.env.Dev.ExpireSession(before.Session)
		eventually(b.T, "it stands in the queue again", func() bool {
			q := b.queue(path).Waiters()
			return len(q) == 1 && q[0].Session != before.Session
		})
		b.release(holder)
		h := b.got(waiter)
		if h.Session() == before.Session {
			b.Error("the hold is on the expired session")
		}
		b.release(h)
	})
}

func TestAHolderIsToldOfItsSessionsEnd(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		lost := make(chan error, 2)
		h := b.take(c, path, lock.Options{OnLost: func(err error) { lost <- err }})
		b.env.Dev.ExpireSession(h.Session())
		if err := until(b.T, "OnLost", lost); !errors.Is(err, lock.ErrLost) || !errors.Is(err, zkfs.ErrSessionOver) {
			b.Errorf("got %v, want ErrLost for a session that is over", err)
		}
		until(b.T, "the context ends", h.Context().Done())
		if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrLost) || h.State() != lock.Lost {
			b.Errorf("got cause %v and state %v", err, h.State())
		}
		b.release(h)
		again := b.take(c, path, lock.Options{}) // the client goes on in another session
		if again.Token() <= h.Token() {
			b.Errorf("got token %d after %d", again.Token(), h.Token())
		}
		b.release(again)
		if len(lost) != 0 {
			b.Error("OnLost was called twice")
		}
	})
}

func TestAHolderIsToldThatItsNodeWasDeleted(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		h := b.take(b.client(), path, lock.Options{})
		if err := b.eye.Delete(b.ctx, h.Node(), zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		until(b.T, "the context ends", h.Context().Done())
		if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrLost) || !errors.Is(err, lock.ErrRemoved) {
			b.Errorf("got cause %v, want ErrLost and ErrRemoved", err)
		}
		b.release(h)
	})
}

func TestAWaiterIsToldThatItsNodeWasDeleted(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		waiter := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		if err := b.eye.Delete(b.ctx, b.queue(path).Waiters()[0].Node, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		if err := b.failed(waiter); !errors.Is(err, lock.ErrRemoved) {
			b.Errorf("got %v, want ErrRemoved", err)
		}
		b.release(holder)
	})
}

func TestAWaiterIsToldThatTheLockWasDeleted(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		waiter := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		_, err := b.eye.Multi(b.ctx, []zkfs.Op{
			{Kind: zkfs.OpDelete, Path: holder.Node(), Version: zkfs.AnyVersion},
			{Kind: zkfs.OpDelete, Path: b.queue(path).Waiters()[0].Node, Version: zkfs.AnyVersion},
			{Kind: zkfs.OpDelete, Path: path, Version: zkfs.AnyVersion},
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := b.failed(waiter); !errors.Is(err, lock.ErrGone) {
			b.Errorf("got %v, want ErrGone", err)
		}
		if _, there, err := b.eye.Exists(b.ctx, path); there || err != nil {
			b.Errorf("the lock's znode was made again (%v)", err)
		}
		b.release(holder)
	})
}

// A session that expires during a release has released.
func TestReleaseEndsWithTheSession(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode = layout.ReadWrite })
		h := b.take(b.client(), path, lock.Options{})
		fault := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.NoAuth, Kind: zkdev.OpDelete, Session: h.Session(), Times: 1000})
		defer fault.Cancel()
		done := make(chan error, 1)
		go func() { done <- h.Release(b.ctx) }()
		until(b.T, "the delete is refused", fault.Fired())
		b.env.Dev.ExpireSession(h.Session())
		if err := until(b.T, "the release ends", done); err != nil {
			b.Errorf("got %v", err)
		}
	})
}

// Nothing is reported as released that still stands.
func TestReleaseSaysThatTheNodeStillStands(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode = layout.ReadWrite })
		h := b.take(b.client(), path, lock.Options{})
		fault := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.NoAuth, Kind: zkdev.OpDelete, Session: h.Session(), Times: 1000})
		ctx, cancel := context.WithTimeout(b.ctx, 100*time.Millisecond)
		defer cancel()
		if err := h.Release(ctx); !errors.Is(err, zkfs.ErrNoAuth) {
			b.Errorf("got %v, want ErrNoAuth", err)
		}
		if n := len(b.queue(path).Contenders); n != 1 {
			b.Errorf("got %d contenders", n)
		}
		fault.Cancel()
		eventually(b.T, "the node goes in the end", func() bool { return len(b.queue(path).Contenders) == 0 })
	})
}
