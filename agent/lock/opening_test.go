package lock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// A session is shared by policies with a tick that is not longer than its own: ε
// is then at least half of theirs.
func TestTicksAndSessions(t *testing.T) {
	embedded(t, func(b *bench) {
		tick := b.conn().TickTime
		ticks := func(d time.Duration) func(*layout.Policy) { return func(p *layout.Policy) { p.TickTime = d } }
		usual := b.declare("/usual", nil)
		shorter := b.declare("/shorter", ticks(tick/2))
		longer := b.declare("/longer", ticks(2*tick))
		c := b.client()
		held := make(map[zkfs.Path]*lock.Held)
		for _, path := range []zkfs.Path{usual, shorter, longer} {
			held[path] = b.take(c, path, lock.Options{})
			defer b.release(held[path])
		}
		first := held[usual].Session()
		if got := held[shorter].Session(); got != first {
			b.Errorf("a shorter tick alone has session %#x, not %#x", got, first)
		}
		if got := held[longer].Session(); got == first {
			b.Errorf("a longer tick has session %#x too, whose lease ends too late", got)
		}
	})
}

// The policies of several locks are asked for before any is known.
func TestSeveralPoliciesAreReadTogether(t *testing.T) {
	embedded(t, func(b *bench) {
		paths := b.locks(3)
		c := b.client()
		var asked []*zkdev.Injection
		for _, path := range paths {
			asked = append(asked, b.env.Dev.Inject(zkdev.Fault{
				Action: zkdev.DropReply, Kind: zkdev.OpGetData, Path: path.Under(b.env.Chroot),
			}))
		}
		ctx, cancel := context.WithCancel(b.ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			if _, err := c.AcquireAll(ctx, paths, lock.Options{}); !errors.Is(err, context.Canceled) {
				b.Errorf("got %v, want to be cancelled", err)
			}
		}()
		for _, i := range asked {
			until(b.T, "every policy is asked for", i.Fired())
		}
		cancel()
		until(b.T, "it gives up", ended)
	})
}

// Whoever takes one lock and goes pays for the session, its credential, a look at
// the chroot, the policy, the contender and the end of all.
func TestOneLockCostsSixRequests(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", patient)
		conn := b.conn()
		conn.SessionTimeout = time.Minute
		before := b.packets()
		c, err := lock.Open(b.ctx, lock.Config{Conn: conn, Ahead: []zkfs.Path{path}})
		if err != nil {
			b.Fatal(err)
		}
		b.take(c, path, lock.Options{})
		if err := c.Close(b.ctx); err != nil {
			b.Fatal(err)
		}
		if got := b.packets() - before - 1; got > 6 { // the count is one itself
			b.Errorf("it took %d requests, more than 6", got)
		}
		if left, _, err := b.eye.Children(b.ctx, path); err != nil || len(left) > 0 {
			b.Errorf("%v, %v are left when the client is closed", left, err)
		}
	})
}
