package lock_test

import (
	"errors"
	"testing"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// A resident is a client that could take a lock on the reply to its create
// alone.
type resident struct {
	*bench
	c       *lock.Client
	path    zkfs.Path
	session int64
	last    *lock.Held // nil: it has read the lock's znode, and not taken it
}

func (b *bench) reside(f func(*layout.Policy)) *resident {
	b.Helper()
	r := &resident{bench: b, c: b.client(), path: b.declare("/l", f)}
	r.last = b.take(r.c, r.path, lock.Options{})
	r.session = r.last.Session()
	b.release(r.last)
	return r
}

// acquaint is reside for a lock that was not taken yet.
func (b *bench) acquaint(f func(*layout.Policy)) *resident {
	b.Helper()
	r := &resident{bench: b, c: b.client(), path: b.declare("/l", f)}
	for range 3 { // its counter does not stand at its beginning
		b.release(b.take(b.client(), r.path, lock.Options{}))
	}
	if _, err := r.c.Policy(b.ctx, r.path); err != nil {
		b.Fatal(err)
	}
	s, err := r.c.Session(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	r.session = s.ID()
	return r
}

// next returns the sequence that the next contender gets.
func (r *resident) next() int64 {
	stat, _, err := r.eye.Exists(r.ctx, r.path)
	if err != nil {
		r.Fatal(err)
	}
	next, _ := stat.NextSequence()
	return next
}

// listing begins to watch for listings of the resident's; the function says
// whether there was one.
func (r *resident) listing() func() bool {
	i := r.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Kind: zkdev.OpGetChildren, Session: r.session})
	return func() bool {
		i.Cancel()
		select {
		case <-i.Fired():
			return true
		default:
			return false
		}
	}
}

func (r *resident) takeWithListing(o lock.Options) *lock.Held {
	r.Helper()
	listed := r.listing()
	h := r.take(r.c, r.path, o)
	if !listed() {
		r.Error("it held on the create's reply alone")
	}
	return h
}

func TestALockTakenAgainAndAgainNeedsNoListing(t *testing.T) {
	for name, f := range map[string]func(*layout.Policy){"curator": nil, "kazoo": func(p *layout.Policy) { p.Recipe = layout.Kazoo }} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(b *bench) {
				r := b.reside(f)
				b.noListing(r.session)
				last := r.last.Token()
				for range 5 {
					h := b.take(r.c, r.path, lock.Options{})
					if h.Token() <= last {
						b.Errorf("got token %d after %d", h.Token(), last)
					}
					last = h.Token()
					b.release(h)
				}
			})
		})
	}
}

func TestALockThatWasSeenFreeNeedsNoListing(t *testing.T) {
	embedded(t, func(b *bench) {
		r := b.acquaint(nil)
		b.noListing(r.session)
		b.release(b.take(r.c, r.path, lock.Options{}))
	})
}

func TestTheCreatesReplyIsNotEnough(t *testing.T) {
	for name, f := range map[string]func(r *resident){
		"SomebodyStandsThere": func(r *resident) {
			other := r.take(r.client(), r.path, lock.Options{})
			listed := r.listing()
			waiter := r.ask(r.c, r.path, lock.Options{})
			r.blocked(r.path, 1)
			if !listed() {
				r.Error("it did not list")
			}
			r.release(other)
			r.release(r.got(waiter))
		},
		"SomebodyWasThere": func(r *resident) {
			r.release(r.take(r.client(), r.path, lock.Options{}))
			r.release(r.takeWithListing(lock.Options{}))
		},
		"AChildOfAnyKindWasMade": func(r *resident) {
			if _, err := r.eye.Create(r.ctx, r.path.Join("note"), nil, zkfs.Open(), zkfs.Ephemeral); err != nil {
				r.Fatal(err)
			}
			r.release(r.takeWithListing(lock.Options{}))
			if err := r.eye.Delete(r.ctx, r.path.Join("note"), zkfs.AnyVersion); err != nil {
				r.Fatal(err)
			}
		},
		"AnotherConnection": func(r *resident) {
			r.env.Dev.CloseConnection(r.session)
			r.release(r.takeWithListing(lock.Options{}))
		},
		"TheHoldEndedOnAnotherConnection": func(r *resident) {
			r.release(r.take(r.c, r.path, lock.Options{}))
			h := r.take(r.c, r.path, lock.Options{})
			r.env.Dev.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpDelete, Session: r.session})
			r.release(h)
			r.release(r.takeWithListing(lock.Options{}))
		},
		"ThePolicyChanged": func(r *resident) {
			r.write(r.path, func(p *layout.Policy) { p.Recipe = layout.Kazoo })
			h := r.take(r.c, r.path, lock.Options{})
			if c := r.queue(r.path).Contenders; len(c) != 1 || c[0].Client != string(recipe.Kazoo) {
				r.Errorf("got %+v, want a name of the new recipe", c)
			}
			r.release(h)
		},
		"OurNodeWasDeletedFromUnderUs": func(r *resident) {
			h := r.take(r.c, r.path, lock.Options{})
			if err := r.eye.Delete(r.ctx, h.Node(), zkfs.AnyVersion); err != nil {
				r.Fatal(err)
			}
			r.release(h)
			r.release(r.takeWithListing(lock.Options{}))
		},
		// The new parent's counter says the same as the old one's would, with
		// somebody before us.
		"TheParentWasMadeAnew": func(r *resident) {
			next := r.next()
			if err := r.eye.Delete(r.ctx, r.path, zkfs.AnyVersion); err != nil {
				r.Fatal(err)
			}
			r.write(r.path, nil)
			other := r.take(r.client(), r.path, lock.Options{})
			if err := r.env.Dev.SetSequence(r.path.Under(r.env.Chroot), next); err != nil {
				r.Fatal(err)
			}
			waiter := r.ask(r.c, r.path, lock.Options{})
			r.blocked(r.path, 1)
			r.release(other)
			r.release(r.got(waiter))
		},
		"TheReplyWasLost": func(r *resident) {
			r.env.Dev.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpCreate, Session: r.session})
			r.release(r.takeWithListing(lock.Options{}))
		},
	} {
		t.Run(name+"/AfterAHold", func(t *testing.T) { embedded(t, func(b *bench) { f(b.reside(nil)) }) })
		t.Run(name+"/AfterReading", func(t *testing.T) { embedded(t, func(b *bench) { f(b.acquaint(nil)) }) })
	}
	for name, f := range map[string]func(*layout.Policy){
		"ReadWrite": func(p *layout.Policy) { p.Mode = layout.ReadWrite },
		"Semaphore": func(p *layout.Policy) { p.Mode, p.Permits = layout.Semaphore, 2 },
		"Bridge":    func(p *layout.Policy) { p.Recipe = layout.Bridge },
	} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(b *bench) {
				for _, r := range []*resident{b.reside(f), b.acquaint(f)} {
					b.release(r.takeWithListing(lock.Options{}))
				}
			})
		})
	}
}

// What is remembered of one caller's lock is not passed to another.
func TestUndeclaredIsNotRemembered(t *testing.T) {
	each(t, func(b *bench) {
		c := b.client()
		if _, err := b.eye.Create(b.ctx, "/theirs", nil, zkfs.Open(), zkfs.Persistent); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			b.release(b.take(c, "/theirs", lock.Options{Undeclared: true}))
			if _, err := c.Acquire(b.ctx, "/theirs", lock.Options{}); !errors.Is(err, lock.ErrNotDeclared) {
				b.Errorf("got %v, want ErrNotDeclared", err)
			}
		}
	})
}

func TestADeletedLockIsNotDeclared(t *testing.T) {
	each(t, func(b *bench) {
		c, path := b.client(), b.declare("/l", nil)
		b.release(b.take(c, path, lock.Options{}))
		if err := b.eye.Delete(b.ctx, path, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrNotDeclared) {
			b.Errorf("got %v, want ErrNotDeclared", err)
		}
	})
}
