package lock_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// Whatever a wait hangs in, its limit ends it. late is far beyond the limits of
// these tests, and well below the times for which what hangs would hang.
const late = 1500 * time.Millisecond

func (b *bench) endsInTime(a *asked, began time.Time) {
	b.Helper()
	if err := b.failed(a); !errors.Is(err, lock.ErrNotAcquired) {
		b.Errorf("got %v, want ErrNotAcquired", err)
	}
	if took := time.Since(began); took > late {
		b.Errorf("it took %v", took)
	}
}

// clientWhoseSecondDialHangs opens a client that has the session it began with,
// and gets the one that a policy asks for when hang returns.
func (b *bench) clientWhoseSecondDialHangs(hang func(context.Context) error) *lock.Client {
	b.Helper()
	var dials atomic.Int64
	conn := b.conn()
	conn.ConnectTimeout = patience
	conn.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		if dials.Add(1) == 2 {
			if err := hang(ctx); err != nil {
				return nil, err
			}
		}
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
	c, err := lock.Open(b.ctx, lock.Config{Conn: conn})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func TestWaitCountsBeforeThePolicyIsRead(t *testing.T) {
	embedded(t, func(b *bench) {
		path, c := b.declare("/l", nil), b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		thaw := b.env.Dev.Freeze(s.ID())
		defer thaw()
		began := time.Now()
		b.endsInTime(b.ask(c, path, lock.Options{Wait: lock.WaitFor(200 * time.Millisecond)}), began)
	})
}

// Each of those who wait for one session to be opened waits for his own time,
// and the session serves whoever is left.
func TestWaitIsNotHeldUpByAnothersOpening(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.SessionTimeout = 2 * timeout })
		dialing, gate := make(chan struct{}), make(chan struct{})
		c := b.clientWhoseSecondDialHangs(func(ctx context.Context) error {
			close(dialing)
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		patient := b.ask(c, path, lock.Options{})
		until(b.T, "the session is being opened", dialing)
		began := time.Now()
		b.endsInTime(b.ask(c, path, lock.Options{Wait: lock.WaitFor(200 * time.Millisecond)}), began)
		close(gate)
		b.release(b.got(patient))
	})
}

// What nobody waits for any more is not opened, and the next who asks begins
// anew.
func TestAnOpeningEndsWithTheLastWhoWaits(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.SessionTimeout = 2 * timeout })
		ended := make(chan struct{})
		c := b.clientWhoseSecondDialHangs(func(ctx context.Context) error {
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		})
		began := time.Now()
		b.endsInTime(b.ask(c, path, lock.Options{Wait: lock.WaitFor(200 * time.Millisecond)}), began)
		until(b.T, "the opening ends", ended)
		b.release(b.take(c, path, lock.Options{}))
	})
}

// A lock that is held already is given up in the background when there is no
// time left for it.
func TestSeveralLocksEndTheirWaitWhileCutOff(t *testing.T) {
	embedded(t, func(b *bench) {
		first, second := b.declare("/a", nil), b.declare("/b", nil)
		holder, c := b.take(b.client(), second, lock.Options{}), b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		const limit = time.Second
		began := time.Now()
		both := &asked{done: make(chan struct{})}
		go func() {
			defer close(both.done)
			_, both.err = c.AcquireAll(b.ctx, []zkfs.Path{first, second}, lock.Options{Wait: lock.WaitFor(limit)})
		}()
		b.blocked(second, 1)
		b.env.Dev.RefuseConnections(true)
		b.env.Dev.CloseConnection(s.ID())
		b.endsInTime(both, began.Add(limit))
		b.env.Dev.RefuseConnections(false)
		eventually(b.T, "what was held is free", func() bool { return len(b.queue(first).Contenders) == 0 })
		b.release(holder)
	})
}

// Of a contender with several names whose creation was not answered, a stranger
// deletes one. What is left of it is ours: to delete, not to wait for.
func TestWhatIsLeftOfAContenderWithALostReplyIsNotWaitedFor(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Recipe = layout.Bridge })
		c := b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		fault := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpMulti, Session: s.ID()})
		b.env.Dev.RefuseConnections(true) // until the stranger has been there
		a := b.ask(c, path, lock.Options{})
		until(b.T, "the contender is made", fault.Fired())
		if err := b.eye.Delete(b.ctx, b.queue(path).Contenders[0].Node, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		b.env.Dev.RefuseConnections(false)
		if err := b.failed(a); !errors.Is(err, lock.ErrRemoved) {
			b.Errorf("got %v, want ErrRemoved", err)
		}
		b.release(b.take(c, path, lock.Options{}))
	})
}
