package lock_test

import (
	"fmt"
	"slices"
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

// The benchmarks run on a real server beside go-zookeeper's own lock. What they
// compare takes turns within one run, so that the ratios hold on a machine whose
// speed changes from minute to minute; ns/op is that of all of them together.

// A course is a real server with a lock at /l.
type course struct {
	*testing.B
	e      *zktest.Env
	zk     *zkconn.Session
	policy layout.Policy
	record []byte // the data of a declared lock
}

func onCourse(b *testing.B) *course {
	c := &course{B: b, e: zktest.New(b, zktest.Real)}
	c.policy = policy(func(p *layout.Policy) { p.SessionTimeout = 15 * time.Second })
	c.zk = c.session()
	var err error
	if c.record, err = (layout.Record{Layout: "bench", Kind: layout.KindLock, Policy: &c.policy}).Encode(); err != nil {
		b.Fatal(err)
	}
	c.declare("/l")
	return c
}

func (c *course) config() zkconn.Config {
	return zkconn.Config{Servers: c.e.Servers, SessionTimeout: c.policy.SessionTimeout, TickTime: c.policy.TickTime}
}

func (c *course) session() *zkconn.Session {
	s, err := zkconn.Open(c.Context(), c.config())
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { s.Close(c.Context()) })
	return s
}

func (c *course) client() *lock.Client {
	client, err := lock.Open(c.Context(), lock.Config{Conn: c.config()})
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { client.Close(c.Context()) })
	return client
}

// library returns a connection of go-zookeeper.
func (c *course) library() *zk.Conn {
	conn, _, err := zk.Connect([]string{c.e.Addr}, c.policy.SessionTimeout, zk.WithLogger(silent{}))
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(conn.Close)
	return conn
}

func (c *course) declare(path zkfs.Path) {
	if _, err := c.zk.Create(c.Context(), path, c.record, zkfs.Open(), zkfs.Persistent); err != nil {
		c.Fatal(err)
	}
}

// cycle takes a lock and gives it up.
func (c *course) cycle(client *lock.Client, path zkfs.Path) {
	h, err := client.Acquire(c.Context(), path, lock.Options{})
	if err != nil {
		c.Error(err)
		return
	}
	if err := h.Release(c.Context()); err != nil {
		c.Error(err)
	}
}

// libraryCycle does the same with go-zookeeper's lock.
func (c *course) libraryCycle(conn *zk.Conn, path zkfs.Path) {
	l := zk.NewLock(conn, string(path.Under(c.e.Chroot)), zk.WorldACL(zk.PermAll))
	if err := l.Lock(); err != nil {
		c.Error(err)
		return
	}
	if err := l.Unlock(); err != nil {
		c.Error(err)
	}
}

// median returns the middle one.
func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// ratio reports how two medians compare.
func ratio(b *testing.B, got, want time.Duration, name string) {
	b.ReportMetric(float64(got)/float64(want), name)
}

// BenchmarkAcquire takes and gives up a free lock: again and again, and one that
// the session has not seen before. The floor is a bare create and delete by the
// client library.
func BenchmarkAcquire(b *testing.B) {
	c := onCourse(b)
	client, conn := c.client(), c.library()
	floor := string(zkfs.Path("/l/x-").Under(c.e.Chroot))
	n := 0
	runs := []func(){
		func() {
			path, err := conn.Create(floor, nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
			if err == nil {
				err = conn.Delete(path, -1)
			}
			if err != nil {
				b.Fatal(err)
			}
		},
		func() { c.cycle(client, "/again") },
		func() { c.cycle(client, zkfs.Path(fmt.Sprintf("/first%d", n))) },
		func() { c.libraryCycle(conn, "/l") },
	}
	c.declare("/again")
	c.cycle(client, "/again")
	took := make([][]time.Duration, len(runs))
	for b.Loop() {
		n++
		c.declare(zkfs.Path(fmt.Sprintf("/first%d", n)))
		for i := range runs {
			i = (i + n) % len(runs)
			began := time.Now()
			runs[i]()
			took[i] = append(took[i], time.Since(began))
		}
	}
	p50 := make([]time.Duration, len(runs))
	for i := range took {
		p50[i] = median(took[i])
	}
	b.ReportMetric(float64(p50[0].Microseconds()), "floor-µs")
	ratio(b, p50[1], p50[0], "again/floor")
	ratio(b, p50[2], p50[0], "first/floor")
	ratio(b, p50[3], p50[0], "zk.Lock/floor")
	ratio(b, p50[1], p50[3], "again/zk.Lock")
}

// BenchmarkHandoff passes one lock on among waiters, each with a session of its
// own, who ask for it again as soon as they have given it up: the queue is
// always so long. An operation is 500 handoffs, by us and by go-zookeeper.
func BenchmarkHandoff(b *testing.B) {
	for _, waiters := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			c := onCourse(b)
			c.declare("/lib")
			clients := make([]*lock.Client, waiters)
			conns := make([]*zk.Conn, waiters)
			for i := range waiters {
				clients[i], conns[i] = c.client(), c.library()
			}
			var ours, theirs []time.Duration
			for b.Loop() {
				ours = append(ours, c.handoffs(waiters, func(i int) { c.cycle(clients[i], "/l") }))
				theirs = append(theirs, c.handoffs(waiters, func(i int) { c.libraryCycle(conns[i], "/lib") }))
			}
			us, them := median(ours), median(theirs)
			b.ReportMetric(handoffs/us.Seconds(), "handoffs/s")
			b.ReportMetric(handoffs/them.Seconds(), "zk.Lock-handoffs/s")
			ratio(b, them, us, "×zk.Lock")
		})
	}
}

// handoffs is how many are timed together.
const handoffs = 500

// handoffs lets all take the lock in turn, again and again, and returns how long
// some handoffs take after all have queued.
func (c *course) handoffs(waiters int, cycle func(i int)) time.Duration {
	var mu sync.Mutex
	var began, ended time.Time
	n := 0
	var all sync.WaitGroup
	for i := range waiters {
		all.Go(func() {
			for {
				cycle(i)
				mu.Lock()
				n++
				switch n {
				case 2 * waiters:
					began = time.Now()
				case 2*waiters + handoffs:
					ended = time.Now()
				}
				over := n >= 2*waiters+handoffs
				mu.Unlock()
				if over {
					return
				}
			}
		})
	}
	all.Wait()
	return ended.Sub(began)
}

// BenchmarkManyLocks takes 10,000 different locks over one session, 256 at a
// time, and gives them up; an operation is a round of all of them.
func BenchmarkManyLocks(b *testing.B) {
	const locks, together = 10_000, 256
	c := onCourse(b)
	var ops []zkfs.Op
	for i := range locks {
		ops = append(ops, zkfs.Op{Kind: zkfs.OpCreate, Path: nth(i), Data: c.record, ACL: zkfs.Open(), Mode: zkfs.Persistent})
		if len(ops) == 500 {
			if _, err := c.zk.Multi(b.Context(), ops); err != nil {
				b.Fatal(err)
			}
			ops = nil
		}
	}
	run := func(once func(zkfs.Path)) time.Duration {
		next := make(chan int, locks)
		for i := range locks {
			next <- i
		}
		close(next)
		began := time.Now()
		var all sync.WaitGroup
		for range together {
			all.Go(func() {
				for i := range next {
					once(nth(i))
				}
			})
		}
		all.Wait()
		return time.Since(began)
	}
	var first, ours, theirs []time.Duration
	conn := c.library()
	for b.Loop() {
		client := c.client()
		first = append(first, run(func(path zkfs.Path) { c.cycle(client, path) }))
		ours = append(ours, run(func(path zkfs.Path) { c.cycle(client, path) }))
		theirs = append(theirs, run(func(path zkfs.Path) { c.libraryCycle(conn, path) }))
		if err := client.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(locks/median(first).Seconds(), "first-locks/s")
	b.ReportMetric(locks/median(ours).Seconds(), "locks/s")
	ratio(b, median(theirs), median(first), "first×zk.Lock")
	ratio(b, median(theirs), median(ours), "again×zk.Lock")
}

func nth(i int) zkfs.Path { return zkfs.Path(fmt.Sprintf("/m%d", i)) }
