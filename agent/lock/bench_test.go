package lock_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

func (c *course) client() *lock.Client { return c.clientOf(c.config()) }

func (c *course) clientOf(cfg zkconn.Config) *lock.Client {
	client, err := lock.Open(c.Context(), lock.Config{Conn: cfg})
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

// Curator's mutex is timed in a JVM of its own.
type curator struct {
	*course
	line interface {
		Send(testing.TB, string)
		Next(testing.TB) string
	}
}

func (c *course) curator() curator {
	d := zktest.Java(c, "interop/testdata/Locks.java")
	if got := d.Next(c); got != "ready" {
		c.Fatalf("the driver printed %q at first", got)
	}
	c.declare("/curator")
	t := curator{c, d}
	t.time("time", 3000) // until the JVM has compiled what counts
	return t
}

// time has the driver take a lock and returns what it measured.
func (c curator) time(command string, args ...any) time.Duration {
	c.line.Send(c, strings.TrimSpace(fmt.Sprintln(append([]any{command, "c mutex", c.e.Servers, "/curator"}, args...)...)))
	var ns int64
	answer := c.line.Next(c)
	if _, err := fmt.Sscanf(answer, "c took %d", &ns); err != nil {
		c.Fatal(answer)
	}
	return time.Duration(ns)
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

// BenchmarkAcquire takes and gives up a free lock: again and again, for the first
// time with its policy known, and for the first time by a client that knows
// nothing of it and reads the policy before. The floor is a bare create and
// delete by the client library.
func BenchmarkAcquire(b *testing.B) {
	c := onCourse(b)
	client, conn := c.client(), c.library()
	floor := string(zkfs.Path("/l/x-").Under(c.e.Chroot))
	n := 0
	first := func(kind string) zkfs.Path { return zkfs.Path(fmt.Sprintf("/%s%d", kind, n)) }
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
		func() { c.cycle(client, first("known")) },
		func() { c.cycle(client, first("unknown")) },
		func() { c.libraryCycle(conn, "/l") },
	}
	c.declare("/again")
	c.cycle(client, "/again")
	theirs := c.curator()
	const block = 200 // of Curator's, which take turns with as many of all others
	var curators []time.Duration
	took := make([][]time.Duration, len(runs))
	for b.Loop() {
		if n++; n%block == 1 {
			curators = append(curators, theirs.time("time", block))
		}
		c.declare(first("unknown"))
		c.declare(first("known"))
		if _, err := client.Policy(b.Context(), first("known")); err != nil {
			b.Fatal(err)
		}
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
	for i, name := range []string{"floor", "again", "first", "first-unread", "zk.Lock"} {
		if i > 0 {
			ratio(b, p50[i], p50[0], name+"/floor")
		}
	}
	ratio(b, median(curators), p50[0], "Curator/floor")
	ratio(b, p50[1], p50[4], "again/zk.Lock")
}

// BenchmarkHandoff passes one lock on among contenders, each with a session of
// its own. An operation is a round in which all queue up and the lock then goes
// from one to the next while at least so many wait; what is compared is the time
// for one handoff by us and by go-zookeeper.
func BenchmarkHandoff(b *testing.B) {
	for _, waiters := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			timed := min(waiters, 100)
			c := newCrowd(b, waiters+timed)
			var ours, theirs []time.Duration
			for b.Loop() {
				ours = append(ours, c.drain("/l", timed, c.ours))
				theirs = append(theirs, c.drain("/lib", timed, c.theirs))
			}
			c.report(timed, median(ours), median(theirs))
			c.count(timed)
		})
	}
}

// BenchmarkContention is the same lock under contenders who ask for it again as
// soon as they have given it up: what joining the queue costs counts too, and
// both processors are busy. An operation is 500 handoffs by each.
func BenchmarkContention(b *testing.B) {
	for _, waiters := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("waiters=%d", waiters), func(b *testing.B) {
			const timed = 500
			c := newCrowd(b, waiters)
			var ours, theirs, curators []time.Duration
			var driver curator
			const most = 100 // sessions of Curator, each with threads of its own
			if waiters <= most {
				driver = c.curator()
			}
			for b.Loop() {
				ours = append(ours, c.turn(timed, c.ours))
				theirs = append(theirs, c.turn(timed, c.theirs))
				if waiters <= most {
					curators = append(curators, driver.time("crowd", waiters, timed))
				}
			}
			c.report(timed, median(ours), median(theirs))
			if waiters <= most {
				ratio(b, median(curators), median(ours), "×Curator")
			}
		})
	}
}

// A crowd is many clients on a course, ours and the library's, whose traffic is
// counted.
type crowd struct {
	*course
	clients []*lock.Client
	conns   []*zk.Conn
	sent    atomic.Int64 // requests
	bytes   atomic.Int64 // of replies and events
}

func newCrowd(b *testing.B, size int) *crowd {
	c := &crowd{course: onCourse(b), clients: make([]*lock.Client, size), conns: make([]*zk.Conn, size)}
	c.declare("/lib")
	cfg := c.config()
	cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		return counted{conn, c}, err
	}
	for i := range size {
		c.clients[i], c.conns[i] = c.clientOf(cfg), c.library()
	}
	return c
}

// A counted connection counts what goes over it: each request is written with
// its length before it.
type counted struct {
	net.Conn
	c *crowd
}

func (n counted) Read(p []byte) (int, error) {
	got, err := n.Conn.Read(p)
	n.c.bytes.Add(int64(got))
	return got, err
}

func (n counted) Write(p []byte) (int, error) {
	for rest := p; len(rest) >= 4; {
		n.c.sent.Add(1)
		rest = rest[min(len(rest), 4+int(binary.BigEndian.Uint32(rest))):]
	}
	return n.Conn.Write(p)
}

func (c *crowd) ours(i int)   { c.cycle(c.clients[i], "/l") }
func (c *crowd) theirs(i int) { c.libraryCycle(c.conns[i], "/lib") }

func (c *crowd) report(handoffs int, us, them time.Duration) {
	c.ReportMetric(float64(handoffs)/us.Seconds(), "handoffs/s")
	c.ReportMetric(float64(handoffs)/them.Seconds(), "zk.Lock-handoffs/s")
	ratio(c.B, them, us, "×zk.Lock")
}

// count reports what a handoff among ours costs, from the second on: whoever gets
// the lock from a client of another make lists once.
func (c *crowd) count(timed int) {
	var sent, bytes, handoffs int64
	for handoffs < 90 { // a heartbeat among few would count too much
		var done atomic.Int32
		c.drain("/l", timed, func(i int) {
			c.ours(i)
			switch int(done.Add(1)) {
			case 1:
				sent, bytes = sent-c.sent.Load(), bytes-c.bytes.Load()
			case timed:
				sent, bytes = sent+c.sent.Load(), bytes+c.bytes.Load()
			}
		})
		handoffs += int64(timed - 1)
	}
	c.ReportMetric(float64(sent)/float64(handoffs), "requests/handoff")
	c.ReportMetric(float64(bytes)/float64(handoffs), "reply-B/handoff")
}

// drain has all queue up behind a holder and take the lock in turn, and returns
// how long the first so many handoffs take.
func (c *crowd) drain(path zkfs.Path, timed int, cycle func(i int)) time.Duration {
	block, err := c.zk.Create(c.Context(), path.Join("_c_00000000-0000-4000-8000-000000000000-lock-"), nil, zkfs.Open(), zkfs.EphemeralSequential)
	if err != nil {
		c.Fatal(err)
	}
	var all sync.WaitGroup
	var done atomic.Int32
	var ended time.Time
	for i := range c.clients {
		all.Go(func() {
			cycle(i)
			if int(done.Add(1)) == timed {
				ended = time.Now()
			}
		})
	}
	c.queued(path, len(c.clients)+1)
	began := time.Now()
	if err := c.zk.Delete(c.Context(), block.Path, zkfs.AnyVersion); err != nil {
		c.Fatal(err)
	}
	all.Wait()
	return ended.Sub(began)
}

// queued returns when so many contenders stand in the queue and nothing is asked
// of the server any more: each has set its watch.
func (c *crowd) queued(path zkfs.Path, contenders int) {
	received := -1
	for steady := 0; steady < 3; time.Sleep(10 * time.Millisecond) {
		stat, _, err := c.zk.Exists(c.Context(), path)
		if err != nil {
			c.Fatal(err)
		}
		n := int(c.sent.Load())
		if int(stat.NumChildren) == contenders && n == received {
			steady++
		} else {
			steady = 0
		}
		received = n
	}
}

// turn lets all take the lock in turn, again and again, and returns how long so
// many handoffs take once all have had it twice.
func (c *crowd) turn(timed int, cycle func(i int)) time.Duration {
	from := 2 * len(c.clients)
	var done atomic.Int32
	var began, ended time.Time
	var all sync.WaitGroup
	for i := range c.clients {
		all.Go(func() {
			for {
				cycle(i)
				n := int(done.Add(1))
				switch n {
				case from:
					began = time.Now()
				case from + timed:
					ended = time.Now()
				}
				if n >= from+timed {
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
