package lock_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// timeout is the session timeout of the tests' policies.
const timeout = 3 * time.Second

// A bench is a server with clients, and a session that looks at the tree from
// outside.
type bench struct {
	*testing.T
	env *zktest.Env
	eye *zkconn.Session
	ctx context.Context
}

// each runs f on both kinds of server. When it ends no lock may have a child.
func each(t *testing.T, f func(b *bench)) {
	t.Parallel()
	zktest.Each(t, func(t *testing.T, e *zktest.Env) { f(newBench(t, e)) })
}

// embedded runs f on the embedded server alone, for the faults that only it can
// make.
func embedded(t *testing.T, f func(b *bench)) {
	t.Parallel()
	f(newBench(t, zktest.New(t, zktest.Embedded)))
}

func newBench(t *testing.T, e *zktest.Env) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*patience)
	t.Cleanup(cancel)
	b := &bench{T: t, env: e, ctx: ctx}
	b.eye = b.session()
	return b
}

func (b *bench) conn() zkconn.Config {
	return zkconn.Config{Servers: b.env.Servers, SessionTimeout: timeout, TickTime: zktest.Tick}
}

// session opens a session that the test's end closes.
func (b *bench) session() *zkconn.Session {
	b.Helper()
	s, err := zkconn.Open(b.ctx, b.conn())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// client opens a client that the test's end closes.
func (b *bench) client() *lock.Client {
	b.Helper()
	c, err := lock.Open(b.ctx, lock.Config{Conn: b.conn(), Host: "test"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			b.Errorf("close the client: %v", err)
		}
	})
	return c
}

// policy returns the defaults with the tests' times, changed by f.
func policy(f func(*layout.Policy)) layout.Policy {
	p := layout.DefaultPolicy()
	p.SessionTimeout, p.TickTime, p.KillTimeout = timeout, zktest.Tick, 200*time.Millisecond
	if f != nil {
		f(&p)
	}
	return p
}

// declare makes a lock as an apply would. The end of the test checks that
// nothing is left in its queue.
func (b *bench) declare(path zkfs.Path, f func(*layout.Policy)) zkfs.Path {
	b.Helper()
	b.write(path, f)
	b.Cleanup(func() {
		eventually(b.T, "the queue of "+path.String()+" is empty", func() bool {
			children, _, err := b.eye.Children(context.Background(), path)
			return errors.Is(err, zkfs.ErrNoNode) || err == nil && len(children) == 0
		})
	})
	return path
}

// write creates or changes a lock's record.
func (b *bench) write(path zkfs.Path, f func(*layout.Policy)) {
	b.Helper()
	p := policy(f)
	data, err := layout.Record{Layout: "test", Address: "lock.test", Kind: layout.KindLock, Policy: &p}.Encode()
	if err != nil {
		b.Fatal(err)
	}
	_, err = b.eye.Create(b.ctx, path, data, zkfs.Open(), zkfs.Persistent)
	if errors.Is(err, zkfs.ErrNodeExists) {
		_, err = b.eye.Set(b.ctx, path, data, zkfs.AnyVersion)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// take acquires and fails the test when that fails.
func (b *bench) take(c *lock.Client, path zkfs.Path, o lock.Options) *lock.Held {
	b.Helper()
	h, err := c.Acquire(b.ctx, path, o)
	if err != nil {
		b.Fatalf("acquire: %v", err)
	}
	return h
}

func (b *bench) release(h *lock.Held) {
	b.Helper()
	if err := h.Release(b.ctx); err != nil {
		b.Errorf("release: %v", err)
	}
}

// An asked is an Acquire that goes on in the background.
type asked struct {
	held *lock.Held
	err  error
	done chan struct{}
}

func (b *bench) ask(c *lock.Client, path zkfs.Path, o lock.Options) *asked {
	a := &asked{done: make(chan struct{})}
	go func() {
		defer close(a.done)
		a.held, a.err = c.Acquire(b.ctx, path, o)
	}()
	b.Cleanup(func() { <-a.done })
	return a
}

// got waits for the Acquire to succeed.
func (b *bench) got(a *asked) *lock.Held {
	b.Helper()
	if err := b.failed(a); err != nil {
		b.Fatalf("acquire: %v", err)
	}
	return a.held
}

// failed waits for the Acquire to end and returns its error.
func (b *bench) failed(a *asked) error {
	b.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		b.Fatal("the acquire did not end")
	}
	return a.err
}

// queue reads a queue from outside.
func (b *bench) queue(path zkfs.Path) lock.Queue {
	b.Helper()
	all, err := lock.ReadQueues(b.ctx, b.eye, []zkfs.Path{path}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return all[0]
}

// blocked waits until n contenders wait in the queue: whoever has asked since
// has its place there and does not hold.
func (b *bench) blocked(path zkfs.Path, n int) {
	b.Helper()
	eventually(b.T, "the contenders wait", func() bool { return len(b.queue(path).Waiters()) == n })
}

// eventually waits until f is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	limit := time.Now().Add(patience)
	for !f() {
		if time.Now().After(limit) {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// until waits for a channel.
func until[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("in vain: %s", what)
		panic("unreachable")
	}
}

func TestAcquireAndRelease(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		c := b.client()
		before := time.Now().Add(-time.Second)
		h := b.take(c, path, lock.Options{Owner: "alice"})
		q := b.queue(path)
		if len(q.Contenders) != 1 || len(q.Holders()) != 1 {
			b.Fatalf("got the queue %+v, want one holder", q)
		}
		got := q.Contenders[0]
		if got.Node != h.Node() || got.Token != h.Token() || got.Session != h.Session() || got.Owner != "alice" ||
			got.Host != "test" || got.PID == 0 || !got.Lockform || got.Foreign || got.Mode != "exclusive" ||
			got.Client != string(recipe.Curator) || got.Since.Before(before) {
			b.Errorf("got %+v, which is not the hold %s %d", got, h.Node(), h.Token())
		}
		if h.State() != lock.Holding || h.Context().Err() != nil || h.Remaining() <= 0 || h.Path() != path || h.Mode() != "exclusive" {
			b.Errorf("got state %v, remaining %v, path %v, mode %v", h.State(), h.Remaining(), h.Path(), h.Mode())
		}
		b.release(h)
		if q := b.queue(path); len(q.Contenders) != 0 {
			b.Errorf("got %+v after the release", q.Contenders)
		}
		if h.State() != lock.Released || !errors.Is(context.Cause(h.Context()), lock.ErrReleased) {
			b.Errorf("got state %v and cause %v after the release", h.State(), context.Cause(h.Context()))
		}
		b.release(h) // a second time is nothing
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		first := b.take(b.client(), path, lock.Options{})
		var waiting []*asked
		for i := range 5 {
			waiting = append(waiting, b.ask(b.client(), path, lock.Options{}))
			b.blocked(path, i+1)
		}
		tokens := []int64{first.Token()}
		b.release(first)
		for i, a := range waiting {
			h := b.got(a)
			tokens = append(tokens, h.Token())
			if n := len(b.queue(path).Waiters()); n != len(waiting)-1-i {
				b.Errorf("got %d waiters behind holder %d", n, i)
			}
			for _, later := range waiting[i+1:] {
				select {
				case <-later.done:
					b.Fatalf("a later one ended while %d holds: %v", i, later.err)
				default:
				}
			}
			b.release(h)
		}
		if !slices.IsSorted(tokens) {
			b.Errorf("the tokens %v do not rise", tokens)
		}
	})
}

func TestReadersShare(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode = layout.ReadWrite })
		shared := lock.Options{Shared: true}
		r1, r2 := b.take(b.client(), path, shared), b.take(b.client(), path, shared)
		writer := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		r3 := b.ask(b.client(), path, shared) // behind the writer, so that it does not starve
		b.blocked(path, 2)
		b.release(r1)
		b.release(r2)
		w := b.got(writer)
		if w.Mode() != "exclusive" || r1.Mode() != "shared" {
			b.Errorf("got modes %s and %s", w.Mode(), r1.Mode())
		}
		b.blocked(path, 1)
		b.release(w)
		b.release(b.got(r3))
	})
}
