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

// told collects the callbacks of a hold in their order.
func told() (lock.Options, <-chan string) {
	c := make(chan string, 100)
	return lock.Options{
		OnSuspect:  func() { c <- "suspect" },
		OnHeld:     func() { c <- "held" },
		OnLost:     func(error) { c <- "lost" },
		OnReleased: func(error) { c <- "released" },
	}, c
}

func expect(b *bench, c <-chan string, want ...string) {
	b.Helper()
	for _, w := range want {
		if got := until(b.T, w, c); got != w {
			b.Fatalf("got the callback %q, want %q", got, w)
		}
	}
}

func TestAMissedHeartbeatMakesAHoldSuspectAndTheNextHeldAgain(t *testing.T) {
	for _, beat := range []layout.Heartbeat{layout.HeartbeatWrite, layout.HeartbeatSync, layout.HeartbeatPing} {
		t.Run(string(beat), func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", func(p *layout.Policy) { p.Heartbeat = beat })
				o, events := told()
				h := b.take(b.client(), path, o)
				thaw := b.env.Dev.Freeze(h.Session())
				expect(b, events, "suspect")
				if s := h.State(); s != lock.Suspect {
					b.Errorf("got state %v", s)
				}
				if h.Context().Err() != nil {
					b.Error("a suspect hold's context is done")
				}
				thaw()
				expect(b, events, "held")
				if s := h.State(); s != lock.Holding {
					b.Errorf("got state %v", s)
				}
				b.release(h)
				expect(b, events, "released")
			})
		})
	}
}

func TestABrokenConnectionLosesNothing(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		o, events := told()
		h := b.take(b.client(), path, o)
		lease := h.Lease()
		b.env.Dev.CloseConnection(h.Session())
		eventually(b.T, "the lease moves", func() bool { return h.Lease().After(lease) })
		if h.Context().Err() != nil {
			b.Errorf("lost: %v", context.Cause(h.Context()))
		}
		b.release(h)
		for {
			if e := until(b.T, "released", events); e == "released" {
				break
			} else if e == "lost" {
				b.Error("told that it was lost")
			}
		}
	})
}

func TestCallbacksComeInOrder(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		o, events := told()
		all := make(chan string, 10)
		o.OnQueued = func(lock.Queued) { all <- "queued" }
		o.OnAcquired = func(h *lock.Held) { all <- "acquired " + h.Owner() }
		o.OnReleased = func(err error) { all <- fmt.Sprint("released ", err) }
		o.Owner = "alice"
		a := b.ask(b.client(), path, o)
		expect(b, all, "queued")
		b.release(holder)
		b.release(b.got(a))
		expect(b, all, "acquired alice", "released <nil>")
		if len(events) != 0 {
			b.Errorf("told of %s", <-events)
		}
	})
}

// What is lost for want of heartbeats is lost while the contender still stands:
// nobody else can hold before the work of this one has been stopped.
func TestAHoldIsLostBeforeItsNodeGoes(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		o, events := told()
		h := b.take(b.client(), path, o)
		thaw := b.env.Dev.Freeze(h.Session())
		defer thaw()
		b.env.Dev.RefuseConnections(true)
		expect(b, events, "suspect")
		<-h.Context().Done()
		left := h.Remaining()
		if left <= 0 {
			b.Errorf("told %v after the lease's end", -left)
		}
		if kill := h.KillTimeout(); left < kill-50*time.Millisecond {
			b.Errorf("told %v before the lease's end, less than the kill time-out of %v", left, kill)
		}
		expect(b, events, "lost")
		if n := len(b.queue(path).Contenders); n != 1 {
			b.Errorf("got %d contenders when the hold was lost", n)
		}
		if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrLost) {
			b.Errorf("got cause %v", err)
		}
		gone := make(chan lock.Instant, 1)
		go func() {
			for len(b.queue(path).Contenders) > 0 {
				time.Sleep(time.Millisecond)
			}
			gone <- lock.Now()
		}()
		if at := until(b.T, "the session expires", gone); !h.Lease().Before(at) {
			b.Errorf("the node went %v before the lease's end", h.Lease().Sub(at))
		}
		b.env.Dev.RefuseConnections(false)
		thaw()
		b.release(h)
	})
}

// A lock that becomes free while no heartbeat is acknowledged is not held on
// the strength of a listing.
func TestNothingIsGrantedWithoutALease(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		for _, op := range []zkdev.Op{zkdev.OpMulti, zkdev.OpSync} {
			defer b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.SystemError, Kind: op, Session: s.ID(), Times: 1 << 20}).Cancel()
		}
		deadline := s.Deadline()
		eventually(b.T, "the lease has ended", func() bool { return lock.Now().After(deadline) })
		_, err = c.Acquire(b.ctx, path, lock.Options{Wait: lock.WaitFor(500 * time.Millisecond)})
		if !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want ErrNotAcquired", err)
		}
	})
}

func TestAnIdleClientGetsItsLeaseBack(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		deadline := s.Deadline()
		eventually(b.T, "the lease has ended", func() bool { return lock.Now().After(deadline) })
		h := b.take(c, path, lock.Options{})
		if left := h.Remaining(); left < h.KillTimeout() {
			b.Errorf("granted with %v left, less than the kill time-out of %v", left, h.KillTimeout())
		}
		b.release(h)
	})
}

// So many holds that one heartbeat does not have room for all of them live on,
// and one that is gone takes no other along.
func TestHeartbeatsOfManyHolds(t *testing.T) {
	embedded(t, func(b *bench) {
		c := b.client()
		// So long that a slow machine misses no heartbeat.
		p := policy(func(p *layout.Policy) { p.SessionTimeout = 9 * time.Second })
		var all []*asked
		for _, path := range b.locks(1100) {
			all = append(all, b.ask(c, path, lock.Options{Policy: &p}))
		}
		var held []*lock.Held
		for _, a := range all {
			held = append(held, b.got(a))
		}
		gone := held[len(held)/2]
		if err := b.eye.Delete(b.ctx, gone.Node(), zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		for range 3 {
			lease := held[0].Lease()
			eventually(b.T, "a heartbeat", func() bool { return held[0].Lease().After(lease) })
		}
		for _, h := range held {
			want := lock.Holding
			if h == gone {
				want = lock.Lost
			}
			if got := h.State(); got != want {
				b.Errorf("%s is %v, want %v: %v", h.Path(), got, want, context.Cause(h.Context()))
			}
			b.release(h)
		}
	})
}

func TestMaxHold(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.MaxHold = 100 * time.Millisecond })
		h := b.take(b.client(), path, lock.Options{})
		until(b.T, "the hold ends", h.Context().Done())
		if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrMaxHold) || !errors.Is(err, lock.ErrLost) {
			b.Errorf("got cause %v, want ErrMaxHold", err)
		}
		if n := len(b.queue(path).Contenders); n != 1 {
			b.Errorf("got %d contenders before the release", n)
		}
		b.release(h)
		stricter := b.take(b.client(), b.declare("/m", nil), lock.Options{MaxHold: 50 * time.Millisecond})
		until(b.T, "the stricter hold ends", stricter.Context().Done())
		b.release(stricter)
	})
}

func TestRevocation(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Revocable = true })
		c := b.client()
		for _, word := range []string{"__REVOKE__", "unlock"} {
			h := b.take(c, path, lock.Options{})
			if _, err := b.eye.Set(b.ctx, h.Node(), []byte("something else"), zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
			if _, err := b.eye.Set(b.ctx, h.Node(), []byte(word), zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
			until(b.T, "the hold ends", h.Context().Done())
			if err := context.Cause(h.Context()); !errors.Is(err, lock.ErrRevoked) {
				b.Errorf("%s: got cause %v, want ErrRevoked", word, err)
			}
			b.release(h)
		}
	})
}

func TestOthersCannotWriteToAContender(t *testing.T) {
	each(t, func(b *bench) {
		h := b.take(b.client(), b.declare("/l", nil), lock.Options{})
		if _, err := b.eye.Set(b.ctx, h.Node(), []byte("__REVOKE__"), zkfs.AnyVersion); !errors.Is(err, zkfs.ErrNoAuth) {
			b.Errorf("a stranger's set: got %v, want ErrNoAuth", err)
		}
		acl, _, err := b.eye.GetACL(b.ctx, h.Node())
		if err != nil {
			b.Fatal(err)
		}
		if acl.Grants() != zkfs.Read || len(acl) != 2 {
			b.Errorf("got the ACL %v, want READ for everyone and all for one", acl)
		}
		b.release(h)
	})
}
