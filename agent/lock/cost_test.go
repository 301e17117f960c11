package lock_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// patient gives sessions so long a timeout that no heartbeat falls into a count
// of requests.
func patient(p *layout.Policy) { p.SessionTimeout = 60 * time.Second }

// packets returns how many packets the server has received.
func (b *bench) packets() int {
	b.Helper()
	answer, err := zkconn.FourLetterWord(b.ctx, b.conn(), b.env.Addr, "srvr")
	if err != nil {
		b.Fatal(err)
	}
	for _, line := range strings.Split(answer, "\n") {
		var n int
		if _, err := fmt.Sscanf(line, "Received: %d", &n); err == nil {
			return n
		}
	}
	b.Fatalf("no count of packets in %q", answer)
	return 0
}

// A handoff costs the release, whatever the length of the queue.
func TestAHandoffCostsOneRequest(t *testing.T) {
	for _, waiters := range []int{5, 25} {
		t.Run(fmt.Sprint(waiters), func(t *testing.T) {
			embedded(t, func(b *bench) {
				path := b.declare("/l", patient)
				holder := b.take(b.client(), path, lock.Options{})
				var waiting []waiter
				for i := range waiters {
					waiting = append(waiting, b.queueUp(path, i+1))
				}
				before := b.packets()
				b.release(holder)
				for _, w := range waiting {
					b.release(b.got(w.asked))
				}
				got := b.packets() - before
				// Some pings, and watches of holds that a slow test lets stand long.
				if most := waiters + 1 + waiters/2 + 5; got > most {
					b.Errorf("%d handoffs took %d requests, more than %d", waiters, got, most)
				}
			})
		})
	}
}

// Taking a free lock again and again costs its two writes.
func TestAFreeLockCostsTwoRequests(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", patient)
		c := b.client()
		b.release(b.take(c, path, lock.Options{}))
		const times = 40
		before := b.packets()
		for range times {
			b.release(b.take(c, path, lock.Options{}))
		}
		if got := b.packets() - before; got > 2*times+times/2 {
			b.Errorf("%d times took %d requests", times, got)
		}
	})
}

func TestSemaphore(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode, p.Permits = layout.Semaphore, 2 })
		one, two := b.take(b.client(), path, lock.Options{}), b.take(b.client(), path, lock.Options{})
		three := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 1)
		four := b.ask(b.client(), path, lock.Options{})
		b.blocked(path, 2)
		if one.Mode() != "semaphore" || one.Token() == two.Token() {
			b.Errorf("got mode %s, tokens %d and %d", one.Mode(), one.Token(), two.Token())
		}
		b.release(two) // not the first of the queue
		h := b.got(three)
		if q := b.queue(path); len(q.Holders()) != 2 || len(q.Waiters()) != 1 {
			b.Errorf("got %d holders and %d waiters", len(q.Holders()), len(q.Waiters()))
		}
		b.release(one)
		b.release(b.got(four))
		b.release(h)
	})
}

// Everybody sees the whole contender of a bridge, and each name goes with it.
func TestABridgeIsOneContender(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Recipe, p.Mode = layout.Bridge, layout.ReadWrite })
		writer := b.take(b.client(), path, lock.Options{})
		q := b.queue(path)
		if len(q.Contenders) != 1 || len(q.Contenders[0].Nodes) != 3 || q.Contenders[0].Foreign || q.Contenders[0].Token != writer.Token() {
			b.Errorf("got %+v, want one contender with three names", q.Contenders)
		}
		reader := b.ask(b.client(), path, lock.Options{Shared: true})
		b.blocked(path, 1)
		if n := len(b.queue(path).Waiters()[0].Nodes); n != 2 {
			b.Errorf("a reader has %d names, want 2", n)
		}
		b.release(writer)
		h := b.got(reader)
		// One of the names is enough to be lost.
		if err := b.eye.Delete(b.ctx, b.queue(path).Holders()[0].Nodes[1], zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		until(b.T, "the hold ends", h.Context().Done())
		b.release(h)
	})
}
