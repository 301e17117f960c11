package lock_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// noListing makes every listing of a session fail from now on: what is granted
// then was granted without one.
func (b *bench) noListing(session int64) {
	i := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.SystemError, Kind: zkdev.OpGetChildren, Session: session, Times: 1 << 20})
	b.Cleanup(i.Cancel)
}

func TestAReleaseHandsTheLockOnWithoutAListing(t *testing.T) {
	for name, f := range map[string]func(*layout.Policy){"curator": nil, "kazoo": func(p *layout.Policy) { p.Recipe = layout.Kazoo }} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", f)
				holder := b.take(b.client(), path, lock.Options{})
				var waiting []waiter
				for i := range 3 {
					waiting = append(waiting, b.queueUp(path, i+1))
					b.noListing(b.queue(path).Waiters()[i].Session)
				}
				b.release(holder)
				for _, a := range waiting {
					b.release(b.got(a.asked))
				}
			})
		})
	}
}

// A waiter is an Acquire that is told where it stands.
type waiter struct {
	*asked
	queued chan lock.Queued
}

// queueUp asks for a lock and returns when the contender is the nth waiter and
// has set its watches.
func (b *bench) queueUp(path zkfs.Path, nth int) waiter {
	b.Helper()
	w := waiter{queued: make(chan lock.Queued, 10)}
	w.asked = b.ask(b.client(), path, lock.Options{OnQueued: func(q lock.Queued) { w.queued <- q }})
	if q := until(b.T, "it queues", w.queued); q.Position != nth {
		b.Fatalf("got position %d, want %d", q.Position, nth)
	}
	return w
}

// stillWaits returns when the waiter, woken by the end of the one before it, has
// looked at the queue and waits for the holder. It fails the test when the
// waiter holds instead.
func (b *bench) stillWaits(w waiter, holder *lock.Held) {
	b.Helper()
	select {
	case <-w.done:
		b.Fatalf("it holds beside another (%v)", w.err)
	case q := <-w.queued:
		if q.Position != 1 || q.Behind.Node != holder.Node() {
			b.Fatalf("got %+v, want to wait for the holder", q)
		}
	case <-time.After(patience):
		b.Fatal("it was not woken")
	}
}

// forge makes a contender that says it signals, with an ACL of its own, and
// returns its path.
func (b *bench) forge(s *zkconn.Session, path zkfs.Path, signals bool, acl zkfs.ACL) zkfs.Path {
	b.Helper()
	r, err := recipe.New("curator", "exclusive", "")
	if err != nil {
		b.Fatal(err)
	}
	guid := recipe.NewGUID()
	prefixes, err := r.Prefixes(guid, false)
	if err != nil {
		b.Fatal(err)
	}
	data := recipe.Data{ID: guid, Owner: "forged", Mode: "exclusive", Since: time.Now(), Signals: signals}.Encode()
	made, err := s.Create(b.ctx, path.Join(prefixes[0]), data, acl, zkfs.EphemeralSequential)
	if err != nil {
		b.Fatal(err)
	}
	return made.Path
}

// An event of the one before us passes nothing on when anybody else could have
// made it. The waiter stands behind one that does not hold.
func TestASignalIsNotBelieved(t *testing.T) {
	shared := zkfs.Digest("app", "secret")
	own := zkfs.Digest("lf-0", "random")
	both := zkfs.Read | zkfs.Write
	for name, c := range map[string]struct {
		signals bool
		acl     zkfs.ACL
	}{
		"StrangersSet":         {true, zkfs.ACL{{Perms: both, Identity: zkfs.Anyone}, {Perms: zkfs.AllPerms, Identity: own}}},
		"SharedIdentity":       {true, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: shared}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}},
		"OneMoreWriter":        {true, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: own}, {Perms: both, Identity: shared}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}},
		"OneMoreAdministrator": {true, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: own}, {Perms: zkfs.Admin, Identity: shared}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}},
		"DataDoesNotSay":       {false, zkfs.ACL{{Perms: zkfs.AllPerms, Identity: own}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(b *bench) {
				path := b.declare("/l", nil)
				holder := b.take(b.client(), path, lock.Options{})
				s := b.session()
				for _, a := range []zkconn.Auth{zkconn.Digest("app", "secret"), zkconn.Digest("lf-0", "random")} {
					if err := s.AddAuth(b.ctx, a); err != nil {
						b.Fatal(err)
					}
				}
				forged := b.forge(s, path, c.signals, c.acl)
				waiter := b.queueUp(path, 2)
				// As a releasing holder would, but it stands behind another.
				_, err := s.Multi(b.ctx, []zkfs.Op{
					{Kind: zkfs.OpSet, Path: forged, Data: []byte("x"), Version: zkfs.AnyVersion},
					{Kind: zkfs.OpDelete, Path: forged, Version: zkfs.AnyVersion},
				})
				if err != nil {
					b.Fatal(err)
				}
				b.stillWaits(waiter, holder)
				b.release(holder)
				b.release(b.got(waiter.asked))
			})
		})
	}
}

// A reader that goes passes nothing on to the writer behind it: others may be
// ahead that hold as well.
func TestASignalOfAReaderIsNotBelieved(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", readWrite)
		holder := b.take(b.client(), path, lock.Options{Shared: true})
		s := b.session()
		if err := s.AddAuth(b.ctx, zkconn.Digest("lf-0", "random")); err != nil {
			b.Fatal(err)
		}
		guid := recipe.NewGUID()
		data := recipe.Data{ID: guid, Owner: "forged", Mode: "exclusive", Since: time.Now(), Signals: true}.Encode()
		acl := zkfs.ReadOnly().With(zkfs.Digest("lf-0", "random"))
		forged, err := s.Create(b.ctx, path.Join("_c_"+guid+"-__READ__"), data, acl, zkfs.EphemeralSequential)
		if err != nil {
			b.Fatal(err)
		}
		waiter := b.queueUp(path, 1)
		if _, err := s.Multi(b.ctx, []zkfs.Op{
			{Kind: zkfs.OpSet, Path: forged.Path, Data: data, Version: zkfs.AnyVersion},
			{Kind: zkfs.OpDelete, Path: forged.Path, Version: zkfs.AnyVersion},
		}); err != nil {
			b.Fatal(err)
		}
		b.stillWaits(waiter, holder)
		b.release(holder)
		b.release(b.got(waiter.asked))
	})
}

// Giving up, being removed, or losing is no release: whoever is behind lists.
func TestOnlyAHoldersReleaseSignals(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder := b.take(b.client(), path, lock.Options{})
		quitter := b.ask(b.client(), path, lock.Options{Wait: lock.WaitFor(300 * time.Millisecond)})
		b.blocked(path, 1)
		last := b.queueUp(path, 2)
		if err := b.failed(quitter); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v", err)
		}
		b.stillWaits(last, holder)
		b.release(holder)
		b.release(b.got(last.asked))
	})
}

// After a reconnection an event compares with what the node was: it may be
// another one by now. The waiter lists.
func TestASignalAcrossAReconnectionIsNotBelieved(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		first := b.take(b.client(), path, lock.Options{})
		waiter := b.queueUp(path, 1)
		s := b.queue(path).Waiters()[0].Session
		b.env.Dev.CloseConnection(s)
		list := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: time.Millisecond, Kind: zkdev.OpGetChildren, Session: s})
		b.release(first)
		h := b.got(waiter.asked)
		select {
		case <-list.Fired():
		default:
			b.Error("it took the lock without a listing")
		}
		list.Cancel()
		b.release(h)
	})
}

// A contender that was deleted from under its waiter gets nothing passed on.
func TestASignalAfterOurOwnEndIsNotBelieved(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		for range 20 {
			holder := b.take(b.client(), path, lock.Options{})
			waiter := b.queueUp(path, 1)
			if err := b.eye.Delete(b.ctx, b.queue(path).Waiters()[0].Node, zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
			b.release(holder)
			if err := b.failed(waiter.asked); !errors.Is(err, lock.ErrRemoved) {
				b.Fatalf("got %v, want ErrRemoved", err)
			}
		}
	})
}

func TestWhoDoesNotSignal(t *testing.T) {
	writers := zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}, {Perms: zkfs.Write, Identity: zkfs.Digest("ops", "x")}}
	for name, c := range map[string]struct {
		f    func(*layout.Policy)
		want bool
	}{
		"Exclusive":    {nil, true},
		"Kazoo":        {func(p *layout.Policy) { p.Recipe = layout.Kazoo }, true},
		"ReadWrite":    {func(p *layout.Policy) { p.Mode = layout.ReadWrite }, false},
		"Semaphore":    {func(p *layout.Policy) { p.Mode, p.Permits = layout.Semaphore, 1 }, false},
		"Bridge":       {func(p *layout.Policy) { p.Recipe = layout.Bridge }, false},
		"Plain":        {func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "n-" }, false},
		"Revocable":    {func(p *layout.Policy) { p.Revocable = true }, false},
		"OtherWriters": {func(p *layout.Policy) { p.ContenderACL = writers }, false},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(b *bench) {
				path := b.declare("/l", c.f)
				h := b.take(b.client(), path, lock.Options{})
				if got := b.queue(path).Contenders[0].Signals; got != c.want {
					b.Errorf("its data says %v, want %v", got, c.want)
				}
				_, _, w, err := b.eye.GetW(b.ctx, h.Node())
				if err != nil {
					b.Fatal(err)
				}
				b.release(h)
				e := until(b.T, "the event", w.C)
				want := zkconn.Deleted
				if c.want {
					want = zkconn.Changed
				}
				if e.Type != want {
					b.Errorf("its release is seen as %v, want %v", e.Type, want)
				}
			})
		})
	}
}
