package lock_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// onReal gives a benchmark a lock on the real server.
func onReal(b *testing.B) (*zktest.Env, *zkconn.Session, *layout.Policy) {
	e := zktest.New(b, zktest.Real)
	s, err := zkconn.Open(b.Context(), zkconn.Config{Servers: e.Servers, SessionTimeout: 15 * time.Second, TickTime: zktest.Tick})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(b.Context()) })
	p := policy(func(p *layout.Policy) { p.SessionTimeout = 15 * time.Second })
	data, err := layout.Record{Layout: "bench", Kind: layout.KindLock, Policy: &p}.Encode()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Create(b.Context(), "/l", data, zkfs.Open(), zkfs.Persistent); err != nil {
		b.Fatal(err)
	}
	return e, s, &p
}

// BenchmarkAcquire takes and gives up a free lock, beside the floor, a bare
// create and delete, and go-zookeeper's own lock.
func BenchmarkAcquire(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		_, s, _ := onReal(b)
		for b.Loop() {
			r, err := s.Create(b.Context(), "/l/x-", nil, zkfs.Open(), zkfs.EphemeralSequential)
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Delete(b.Context(), r.Path, zkfs.AnyVersion); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, declared := range map[string]bool{"declared": true, "given": false} {
		b.Run(name, func(b *testing.B) {
			_, s, p := onReal(b)
			c, err := lock.Open(b.Context(), lock.Config{Session: s})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close(b.Context())
			o := lock.Options{Policy: p}
			if declared {
				o.Policy = nil
			}
			for b.Loop() {
				h, err := c.Acquire(b.Context(), "/l", o)
				if err != nil {
					b.Fatal(err)
				}
				if err := h.Release(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("zk.Lock", func(b *testing.B) {
		e, _, _ := onReal(b)
		conn, _, err := zk.Connect([]string{e.Addr}, 15*time.Second, zk.WithLogger(silent{}))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		for b.Loop() {
			l := zk.NewLock(conn, e.Chroot.String()+"/l", zk.WorldACL(zk.PermAll))
			if err := l.Lock(); err != nil {
				b.Fatal(err)
			}
			if err := l.Unlock(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkHandoff passes one lock on among waiters, each with a session of its
// own; an operation is one handoff.
func BenchmarkHandoff(b *testing.B) {
	for _, waiters := range []int{10, 100} {
		b.Run(fmt.Sprintf("lock/waiters=%d", waiters), func(b *testing.B) {
			e, s, p := onReal(b)
			clients := make([]*lock.Client, waiters)
			for i := range clients {
				c, err := lock.Open(b.Context(), lock.Config{Conn: zkconn.Config{Servers: e.Servers, SessionTimeout: p.SessionTimeout, TickTime: p.TickTime}})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close(b.Context())
				clients[i] = c
			}
			handoffs(b, s, waiters, func(i int) func() {
				h, err := clients[i].Acquire(b.Context(), "/l", lock.Options{Policy: p})
				if err != nil {
					b.Error(err)
					return func() {}
				}
				return func() { h.Release(b.Context()) }
			})
		})
		b.Run(fmt.Sprintf("zk.Lock/waiters=%d", waiters), func(b *testing.B) {
			e, s, _ := onReal(b)
			conns := make([]*zk.Conn, waiters)
			for i := range conns {
				conn, _, err := zk.Connect([]string{e.Addr}, 15*time.Second, zk.WithLogger(silent{}))
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				conns[i] = conn
			}
			handoffs(b, s, waiters, func(i int) func() {
				l := zk.NewLock(conns[i], e.Chroot.String()+"/l", zk.WorldACL(zk.PermAll))
				if err := l.Lock(); err != nil {
					b.Error(err)
				}
				return func() { l.Unlock() }
			})
		})
	}
}

// handoffs has all clients queue up behind a holder and take the lock in turn,
// b.N times in all; the time is from the holder's release to the last one.
func handoffs(b *testing.B, s *zkconn.Session, waiters int, take func(i int) func()) {
	b.StopTimer()
	for left := b.N; left > 0; left -= waiters {
		n := min(left, waiters)
		block, err := s.Create(b.Context(), "/l/_c_00000000-0000-4000-8000-000000000000-lock-", nil, zkfs.Open(), zkfs.EphemeralSequential)
		if err != nil {
			b.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() { take(i)() })
		}
		for {
			children, _, err := s.Children(b.Context(), "/l")
			if err != nil {
				b.Fatal(err)
			}
			if len(children) == n+1 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond) // until each has set its watch
		b.StartTimer()
		if err := s.Delete(b.Context(), block.Path, zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		all.Wait()
		b.StopTimer()
	}
}

// BenchmarkManyLocks takes different locks over one session, 256 at a time, and
// gives them up; an operation is one lock.
func BenchmarkManyLocks(b *testing.B) {
	const locks, together = 1000, 256
	run := func(b *testing.B, s *zkconn.Session, once func(path zkfs.Path)) {
		for i := range locks {
			if _, err := s.Create(b.Context(), zkfs.Path(fmt.Sprintf("/m%d", i)), nil, zkfs.Open(), zkfs.Persistent); err != nil {
				b.Fatal(err)
			}
		}
		b.ResetTimer()
		next := make(chan int)
		var all sync.WaitGroup
		for range together {
			all.Go(func() {
				for i := range next {
					once(zkfs.Path(fmt.Sprintf("/m%d", i%locks)))
				}
			})
		}
		for i := range b.N {
			next <- i
		}
		close(next)
		all.Wait()
	}
	b.Run("lock", func(b *testing.B) {
		_, s, p := onReal(b)
		c, err := lock.Open(b.Context(), lock.Config{Session: s})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close(b.Context())
		run(b, s, func(path zkfs.Path) {
			h, err := c.Acquire(b.Context(), path, lock.Options{Policy: p})
			if err != nil {
				b.Error(err)
				return
			}
			if err := h.Release(b.Context()); err != nil {
				b.Error(err)
			}
		})
	})
	b.Run("zk.Lock", func(b *testing.B) {
		e, s, _ := onReal(b)
		conn, _, err := zk.Connect([]string{e.Addr}, 15*time.Second, zk.WithLogger(silent{}))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		run(b, s, func(path zkfs.Path) {
			l := zk.NewLock(conn, string(path.Under(e.Chroot)), zk.WorldACL(zk.PermAll))
			if err := l.Lock(); err != nil {
				b.Error(err)
				return
			}
			if err := l.Unlock(); err != nil {
				b.Error(err)
			}
		})
	})
}
