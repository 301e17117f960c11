package lock_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// The tests of this file are bugs that lock recipes of others have had, each
// named after its report.

func readWrite(p *layout.Policy) { p.Mode = layout.ReadWrite }

// contender creates one as another client would.
func (b *bench) contender(path zkfs.Path, prefix string) zkfs.Path {
	b.Helper()
	res, err := b.eye.Create(b.ctx, path.Join(prefix), nil, zkfs.Open(), zkfs.EphemeralSequential)
	if err != nil {
		b.Fatal(err)
	}
	return res.Path
}

func (b *bench) remove(node zkfs.Path) {
	b.Helper()
	if err := b.eye.Delete(b.ctx, node, zkfs.AnyVersion); err != nil {
		b.Fatal(err)
	}
}

// kazoo #649: a reader waits for the writer behind it too, which waits for the
// reader. With the real kazoo: interop.TestKazooReaderAndLaterWriter.
func TestKazoo649ReaderThatWaitsForALaterWriter(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode, p.Recipe = layout.ReadWrite, layout.Kazoo })
		first := b.take(b.client(), path, lock.Options{})
		reader := b.contender(path, recipe.NewGUID()+"__rlock__")
		const wait = 700 * time.Millisecond
		began := time.Now()
		second := b.ask(b.client(), path, lock.Options{Wait: lock.WaitFor(wait)})
		b.blocked(path, 2)
		b.release(first)
		if err := b.failed(second); !errors.Is(err, lock.ErrNotAcquired) {
			b.Errorf("got %v, want ErrNotAcquired", err)
		}
		if took := time.Since(began); took > wait+time.Second {
			b.Errorf("it waited for %v, not for %v", took, wait)
		}
		// What the reader waits for is gone.
		if q := b.queue(path).Contenders; len(q) != 1 || q[0].Node != reader {
			b.Errorf("got the queue %+v, want the reader alone", q)
		}
		b.remove(reader)
	})
}

// kazoo #606 and #730, go-zookeeper #65: at the end of the sequence the server
// hands out one number again and again, or negative ones, and several hold.
func TestKazoo606SequenceThatOverflows(t *testing.T) {
	for name, r := range map[string]func(*layout.Policy){
		"curator": nil,
		"writer":  readWrite,
		"kazoo":   func(p *layout.Policy) { p.Recipe = layout.Kazoo },
		"bridge":  func(p *layout.Policy) { p.Recipe = layout.Bridge },
		"plain":   func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "seq-" },
	} {
		for _, before := range []int64{3, 1} { // creates that are left before the end
			t.Run(fmt.Sprintf("%s/%d", name, before), func(t *testing.T) {
				embedded(t, func(b *bench) {
					path := b.declare("/l", r)
					end := int64(recipe.SequenceEnd)
					if before == 1 {
						end = 1<<31 - 1
					}
					if err := b.env.Dev.SetSequence(path.Under(b.env.Chroot), end-before); err != nil {
						b.Fatal(err)
					}
					var inside, got atomic.Int32
					var all sync.WaitGroup
					for range 8 {
						c := b.client()
						all.Go(func() {
							for range 3 {
								h, err := c.Acquire(b.ctx, path, lock.Options{})
								if errors.Is(err, lock.ErrSequenceEnd) {
									continue
								}
								if err != nil {
									b.Errorf("got %v, want ErrSequenceEnd", err)
									return
								}
								if n := inside.Add(1); n > 1 {
									b.Errorf("%d hold", n)
								}
								got.Add(1)
								time.Sleep(time.Millisecond)
								inside.Add(-1)
								if err := h.Release(b.ctx); err != nil {
									b.Error(err)
								}
							}
						})
					}
					all.Wait()
					if got.Load() > int32(before) {
						b.Errorf("%d have got it, with %d numbers left", got.Load(), before)
					}
				})
			})
		}
	}
}

// CURATOR-604, -498, -696: after an expiry the dying node of the former session
// is found again and taken for one's own; when it dies, two hold.
func TestCurator604NodeOfAFormerSession(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", nil)
		holder, c := b.take(b.client(), path, lock.Options{}), b.client()
		waiter := b.ask(c, path, lock.Options{})
		b.blocked(path, 1)
		former := b.queue(path).Waiters()[0]

		// A server that lags behind still shows the node when the next session
		// begins; here it is made anew under its name.
		b.env.Dev.RefuseConnections(true)
		b.env.Dev.ExpireSession(former.Session)
		if _, err := b.eye.Create(b.ctx, former.Node, former.Data, zkfs.Open(), zkfs.Ephemeral); err != nil {
			b.Fatal(err)
		}
		b.env.Dev.RefuseConnections(false)
		b.blocked(path, 2)
		b.release(holder)
		eventually(b.T, "the former node stands first", func() bool { return b.queue(path).Contenders[0].Node == former.Node })
		select {
		case <-waiter.done:
			b.Fatalf("it holds (%v, %v) by a node that is not its own", waiter.held, waiter.err)
		default:
		}
		b.remove(former.Node)
		h := b.got(waiter)
		if h.Node() == former.Node || h.Session() == former.Session {
			b.Errorf("it holds %s in session %x", h.Node(), h.Session())
		}
		b.release(h)
	})
}

// CURATOR-604 again, in one attempt: the reply to the create is lost, and what
// is found by its GUID belongs to somebody else.
func TestCurator604RecoveredNodeOfAnotherSession(t *testing.T) {
	for name, r := range map[string]func(*layout.Policy){
		"curator": nil, "plain": func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "seq-" },
	} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", r)
				c := b.client()
				s, err := c.Session(b.ctx)
				if err != nil {
					b.Fatal(err)
				}
				b.env.Dev.RefuseConnections(true) // what exists stays
				cut := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpCreate, Session: s.ID()})
				asked := b.ask(c, path, lock.Options{})
				until(b.T, "the create is carried out", cut.Fired())
				var made lock.Contender
				eventually(b.T, "its contender is there", func() bool {
					for _, q := range b.queue(path).Contenders {
						made = q
					}
					return made.Node != ""
				})
				b.remove(made.Node)
				if _, err := b.eye.Create(b.ctx, made.Node, made.Data, zkfs.Open(), zkfs.Ephemeral); err != nil {
					b.Fatal(err)
				}
				b.env.Dev.RefuseConnections(false)
				eventually(b.T, "it has made another", func() bool {
					names, _, err := b.eye.Children(b.ctx, path)
					return err == nil && len(names) == 2
				})
				b.remove(made.Node)
				h := b.got(asked)
				if h.Node() == made.Node || h.Token() <= made.Token {
					b.Errorf("it holds %s with token %d, which is another session's", h.Node(), h.Token())
				}
				b.release(h)
			})
		})
	}
}

// CURATOR-621 and -276: an exclusive holder that also takes a shared hold and
// gives the exclusive one up lets a queued writer in beside itself.
func TestCurator621DowngradeWithAQueuedWriter(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode, p.Reentrant = layout.ReadWrite, true })
		c := b.client()
		alice := lock.Options{Owner: "alice"}
		exclusive := b.take(c, path, alice)
		writer := b.ask(b.client(), path, lock.Options{Owner: "bob"})
		b.blocked(path, 1)
		alice.Shared = true
		shared := b.take(c, path, alice)
		b.release(exclusive)
		b.blocked(path, 1)
		if q := b.queue(path); len(q.Holders()) != 1 || q.Holders()[0].Node != shared.Node() || shared.Context().Err() != nil {
			b.Errorf("got the holders %+v, want %s alone", q.Holders(), shared.Node())
		}
		select {
		case <-writer.done:
			b.Fatal("the writer has got in")
		default:
		}
		b.release(shared)
		b.release(b.got(writer))
	})
}

// As Curator mends it from 5.5 on: the shared node of a writer is made under the
// writer's own number, and stands before a writer that queued meanwhile.
func TestCurator621SharedNodeUnderAWriter(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", readWrite)
		writer := b.contender(path, "_c_f81d4fae-7dec-41d0-a765-00a0c91e6bf6-__WRIT__")
		behind := make(chan zkfs.Path, 8)
		ours := b.ask(b.client(), path, lock.Options{OnQueued: func(q lock.Queued) { behind <- q.Behind.Node }})
		if got := until(b.T, "we wait", behind); got != writer {
			b.Fatalf("we wait for %s, not for the writer", got)
		}
		number := strings.TrimPrefix(writer.Base(), "_c_f81d4fae-7dec-41d0-a765-00a0c91e6bf6-__WRIT__")
		reader := path.Join("_c_0c6ca9a2-7dec-41d0-a765-00a0c91e6bf6-__READ__" + number)
		if _, err := b.eye.Create(b.ctx, reader, nil, zkfs.Open(), zkfs.Ephemeral); err != nil {
			b.Fatal(err)
		}
		b.remove(writer)
		select {
		case got := <-behind:
			if got != reader {
				b.Errorf("we wait for %s, not for the reader", got)
			}
		case <-ours.done:
			b.Fatalf("got in beside the reader: %v", ours.err)
		}
		b.remove(reader)
		b.release(b.got(ours))
	})
}

// CURATOR-678: the connection breaks during the release, the record of the lock
// is dropped, and the node stays.
func TestCurator678ReleaseThatIsCutOff(t *testing.T) {
	for name, r := range map[string]func(*layout.Policy){"signal": nil, "delete": readWrite, "bridge": func(p *layout.Policy) { p.Recipe = layout.Bridge }} {
		for what, action := range map[string]zkdev.Action{"before": zkdev.CloseBefore, "after": zkdev.CloseAfter} {
			t.Run(name+"/"+what, func(t *testing.T) {
				embedded(t, func(b *bench) {
					path := b.declare("/l", r)
					h := b.take(b.client(), path, lock.Options{})
					for _, op := range []zkdev.Op{zkdev.OpMulti, zkdev.OpDelete} {
						fault := b.env.Dev.Inject(zkdev.Fault{Action: action, Kind: op, Session: h.Session(), Times: 2})
						defer fault.Cancel()
					}
					if err := h.Release(b.ctx); err != nil {
						b.Error(err)
					}
					if q := b.queue(path).Contenders; len(q) != 0 {
						b.Errorf("released, and in the queue is %+v", q)
					}
				})
			})
		}
	}
}

// shayhatsor/zookeeper #26: the predecessor goes between the listing and the
// watch, which then never fires.
func TestShayhatsor26PredecessorThatGoesBeforeItIsWatched(t *testing.T) {
	for name, r := range map[string]func(*layout.Policy){"curator": nil, "writer": readWrite, "bridge": func(p *layout.Policy) { p.Recipe = layout.Bridge }} {
		t.Run(name, func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", r)
				holder, c := b.take(b.client(), path, lock.Options{}), b.client()
				s, err := c.Session(b.ctx)
				if err != nil {
					b.Fatal(err)
				}
				late := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 300 * time.Millisecond, Kind: zkdev.OpGetChildren, Session: s.ID()})
				waiter := b.ask(c, path, lock.Options{})
				until(b.T, "the listing is made", late.Fired())
				b.release(holder)
				b.release(b.got(waiter))
			})
		})
	}
}

// samuel/go-zookeeper #237 and #229: a request that is cut off leaves an orphan,
// which blocks the queue for as long as the session lives.
func TestGoZookeeper237OrphanAfterACut(t *testing.T) {
	for what, action := range map[string]zkdev.Action{"before": zkdev.CloseBefore, "after": zkdev.CloseAfter} {
		for nth := 1; nth <= 10; nth++ {
			t.Run(fmt.Sprintf("%s/%d", what, nth), func(t *testing.T) {
				embedded(t, func(b *bench) {
					path := b.declare("/l", nil)
					c := b.client()
					s, err := c.Session(b.ctx)
					if err != nil {
						b.Fatal(err)
					}
					fault := b.env.Dev.Inject(zkdev.Fault{Action: action, Session: s.ID(), Nth: nth})
					defer fault.Cancel()
					for range 3 {
						h, err := c.Acquire(b.ctx, path, lock.Options{})
						if n := len(b.queue(path).Contenders); n > 1 {
							b.Errorf("%d contenders of one client stand in the queue", n)
						}
						if err == nil {
							b.release(h)
						}
					}
					if n := len(b.queue(path).Contenders); n != 0 {
						b.Errorf("%d contenders are left", n)
					}
					select {
					case <-s.Done():
						b.Error("the session has ended, and with it what this test is about")
					default:
					}
				})
			})
		}
	}
}

// vitess #15756, zk-ruby #49: what a cancel has to clean up is cleaned up with
// the context that was cancelled, and so not at all.
func TestVitess15756CancelAtEachStep(t *testing.T) {
	for nth := 1; nth <= 8; nth++ {
		t.Run(fmt.Sprint(nth), func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", nil)
				holder, c := b.take(b.client(), path, lock.Options{}), b.client()
				s, err := c.Session(b.ctx)
				if err != nil {
					b.Fatal(err)
				}
				step := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 100 * time.Millisecond, Session: s.ID(), Nth: nth})
				defer step.Cancel()
				ctx, cancel := context.WithCancel(b.ctx)
				ended := make(chan error, 1)
				go func() {
					_, err := c.Acquire(ctx, path, lock.Options{})
					ended <- err
				}()
				until(b.T, "the step is reached", step.Fired()) // heartbeats count as well
				cancel()
				if err := until(b.T, "the acquire ends", ended); !errors.Is(err, context.Canceled) {
					b.Errorf("got %v, want context.Canceled", err)
				}
				eventually(b.T, "the holder is alone", func() bool { return len(b.queue(path).Contenders) == 1 })
				b.release(holder)
			})
		})
	}
}

// kazoo #732: a try that fails leaves its node when the delete fails too.
func TestKazoo732TryWhoseDeleteFails(t *testing.T) {
	embedded(t, func(b *bench) {
		holder, c := b.client(), b.client()
		var paths []zkfs.Path
		var holders []*lock.Held
		for i := range 20 {
			path := b.declare(zkfs.Root.Join(fmt.Sprintf("l%d", i)), nil)
			paths, holders = append(paths, path), append(holders, b.take(holder, path, lock.Options{}))
		}
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		// Every second delete fails: of faults that wait for one kind of request,
		// those that do not strike count on.
		stop, stopped := make(chan struct{}), make(chan struct{})
		failed := 0
		go func() {
			defer close(stopped)
			for {
				const batch = 100
				var last *zkdev.Injection
				for i := range batch {
					last = b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.NoAuth, Kind: zkdev.OpDelete, Session: s.ID(), Nth: i + 2})
					defer last.Cancel()
				}
				select {
				case <-last.Fired():
					failed += batch
				case <-stop:
					return
				}
			}
		}()
		// So few at a time that each delete is a request of its own.
		const tries, together = 10_000, 4
		var all sync.WaitGroup
		for i := range together {
			path := paths[i%len(paths)]
			all.Go(func() {
				for range tries / together {
					if _, err := c.TryAcquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrNotAcquired) {
						b.Errorf("got %v, want ErrNotAcquired", err)
						return
					}
				}
			})
		}
		all.Wait()
		close(stop)
		<-stopped
		if failed < tries/2 {
			b.Errorf("only %d deletes failed", failed)
		}
		for i, path := range paths {
			// A deletion that outlasted its try goes on behind it.
			eventually(b.T, "the holder is alone", func() bool { return len(b.queue(path).Contenders) == 1 })
			b.release(holders[i])
		}
	})
}

// CURATOR-43, samuel/go-zookeeper #64: a child that has nothing to do with the
// lock makes it hang or fail.
func TestCurator43UnrelatedChildren(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		for _, name := range []string{"policy", "0", "-", "lock-", "_c_x", "_c_", "a__lock__", "__lock__x", "ünï", "x-1", "read-me", "lock-12a"} {
			if _, err := b.eye.Create(b.ctx, path.Join(name), nil, zkfs.Open(), zkfs.Ephemeral); err != nil {
				b.Fatal(err)
			}
		}
		h := b.take(b.client(), path, lock.Options{})
		waiter := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		b.release(h)
		b.release(b.got(waiter))
		unknown := b.queue(path).Unknown
		if len(unknown) != 12 {
			b.Errorf("got %q reported as strangers", unknown)
		}
		for _, name := range unknown {
			b.remove(path.Join(name))
		}
		// What ends in ten digits may be a contender. It is refused, not waited
		// for: nobody will ever take it away.
		notes := path.Join("notes-0000000000")
		if _, err := b.eye.Create(b.ctx, notes, nil, zkfs.Open(), zkfs.Persistent); err != nil {
			b.Fatal(err)
		}
		if _, err := b.client().Acquire(b.ctx, path, lock.Options{}); !errors.Is(err, lock.ErrForeignRecipe) || !strings.Contains(err.Error(), notes.Base()) {
			b.Errorf("got %v, want ErrForeignRecipe and the name", err)
		}
		b.remove(notes)
	})
}

// spring-integration #1863, CURATOR-559: a timed acquire hangs for as long as
// there is no connection. Under churn: TestWaitEndsInTimeWhileTheQueueMoves.
func TestCurator559TimedAcquireWithoutAServer(t *testing.T) {
	t.Parallel()
	const wait = 500 * time.Millisecond
	// ends checks that whoever waits, and whoever comes, ends in time.
	ends := func(b *bench, path zkfs.Path, stop, goOn func()) {
		b.Helper()
		holder := b.take(b.client(), path, lock.Options{})
		c := b.client()
		waiting := b.ask(c, path, lock.Options{Wait: lock.WaitFor(2 * wait)})
		b.blocked(path, 1)
		began := time.Now()
		stop()
		coming := b.ask(c, path, lock.Options{Wait: lock.WaitFor(wait)})
		for _, a := range []*asked{coming, waiting} {
			if err := b.failed(a); !errors.Is(err, lock.ErrNotAcquired) {
				b.Errorf("got %v, want ErrNotAcquired", err)
			}
		}
		if took := time.Since(began); took > 2*wait+1500*time.Millisecond {
			b.Errorf("it took %v", took)
		}
		goOn()
		b.release(holder)
	}
	t.Run("embedded", func(t *testing.T) {
		embedded(t, func(b *bench) {
			var thaw func()
			ends(b, b.declare("/l", nil), func() {
				b.env.Dev.RefuseConnections(true)
				thaw = b.env.Dev.Freeze(0)
			}, func() {
				b.env.Dev.RefuseConnections(false)
				thaw()
			})
		})
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		s := zktest.StartReal(t, zktest.RealConfig{})
		b := newBench(t, &zktest.Env{Kind: zktest.Real, Addr: s.Addr, Servers: s.Addr})
		signal := func(sig syscall.Signal) func() {
			return func() {
				if err := s.Signal(sig); err != nil {
					b.Fatal(err)
				}
			}
		}
		ends(b, b.declare("/l", nil), signal(syscall.SIGSTOP), signal(syscall.SIGCONT))
	})
}

// samuel/go-zookeeper #20, docker/libkv #156, CURATOR-206: a holder is never
// told that its session is over, and works on beside the next.
func TestGoZookeeper20HolderThatIsToldBeforeTheNext(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		line := newLine(b.T, b.env)
		c, err := lock.Open(b.ctx, lock.Config{Conn: line.conn(b)})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close(context.Background()) })
		h := b.take(c, path, lock.Options{})
		next := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		began := time.Now()
		line.cut()
		second := b.got(next)
		if h.Context().Err() == nil {
			b.Error("the next one holds, and the first does not know")
		}
		if left := h.Remaining(); left > 0 {
			b.Errorf("the next one holds %v before the lease's end", left)
		}
		if second.Token() <= h.Token() {
			b.Errorf("got token %d after %d", second.Token(), h.Token())
		}
		if took := time.Since(began); took > timeout+zktest.Tick+time.Second {
			b.Errorf("the takeover took %v", took)
		}
		line.mend()
		b.release(h)
		b.release(second)
	})
}
