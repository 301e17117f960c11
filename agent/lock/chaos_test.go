package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// A register is the resource that locks guard. It remembers who works on it.
type register struct {
	t *testing.T

	mu      sync.Mutex
	highest int64 // the highest exclusive token that it has seen
	working map[*lock.Held]bool
	rounds  int
}

// enter begins the work of a holder. Nobody else may be at work whose hold has
// not ended, unless both share, and no earlier token may be as high.
func (r *register) enter(h *lock.Held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rounds++
	exclusive := h.Mode() == "exclusive"
	for other := range r.working {
		if (exclusive || other.Mode() == "exclusive") && h.Context().Err() == nil && other.Context().Err() == nil {
			r.t.Errorf("%s (token %d) is granted while %s (token %d) holds", h.Node(), h.Token(), other.Node(), other.Token())
		}
	}
	if h.Context().Err() == nil {
		if h.Token() <= r.highest {
			r.t.Errorf("got token %d after %d", h.Token(), r.highest)
		}
		if exclusive {
			r.highest = h.Token()
		}
	}
	r.working[h] = true
}

func (r *register) leave(h *lock.Held) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.working, h)
}

// Many clients take a lock again and again while connections break at random
// requests and the network goes mute. Nobody overlaps, everybody gets on, and
// nothing is left behind. A seed that fails fails again, as far as scheduling
// lets it.
func TestChaos(t *testing.T) {
	for name, f := range map[string]func(*layout.Policy){
		"exclusive":  nil,
		"read_write": func(p *layout.Policy) { p.Mode = layout.ReadWrite },
		"kazoo":      func(p *layout.Policy) { p.Recipe = layout.Kazoo },
		"plain":      func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "n-" },
		"bridge":     func(p *layout.Policy) { p.Recipe, p.Mode = layout.Bridge, layout.ReadWrite },
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				embedded(t, func(b *bench) { chaos(b, f, rand.New(rand.NewPCG(seed, 1))) })
			})
		}
	}
}

func chaos(b *bench, f func(*layout.Policy), random *rand.Rand) {
	path := b.declare("/l", f)
	shares := policy(f).Mode == layout.ReadWrite
	r := &register{t: b.T, working: make(map[*lock.Held]bool)}
	const clients, enough = 4, 120
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var all, faults sync.WaitGroup
	sessions := make(chan int64, 1) // some session that is in use
	for i := range clients {
		c, mine := b.client(), rand.New(rand.NewPCG(random.Uint64(), uint64(i)))
		all.Go(func() {
			for ctx.Err() == nil && !r.done(enough) {
				o := lock.Options{Shared: shares && mine.IntN(2) == 0}
				if mine.IntN(3) == 0 {
					o.Wait = lock.WaitFor(time.Duration(mine.IntN(20)+1) * time.Millisecond)
				}
				h, err := c.Acquire(ctx, path, o)
				switch {
				case err == nil:
				case errors.Is(err, lock.ErrNotAcquired) && o.Wait != nil, errors.Is(err, zkfs.ErrUnavailable), ctx.Err() != nil:
					continue
				default:
					b.Errorf("acquire: %v", err)
					return
				}
				r.enter(h)
				select {
				case sessions <- h.Session():
				default:
				}
				if mine.IntN(4) == 0 {
					select {
					case <-h.Context().Done():
					case <-time.After(time.Duration(mine.IntN(3000)) * time.Microsecond):
					}
				}
				r.leave(h)
				if err := h.Release(ctx); err != nil && ctx.Err() == nil {
					b.Errorf("release: %v", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	faults.Go(func() {
		kinds := []zkdev.Op{zkdev.OpCreate, zkdev.OpGetChildren, zkdev.OpGetData, zkdev.OpDelete, zkdev.OpMulti, zkdev.OpSync, 0}
		for {
			var session int64
			select {
			case <-stop:
				return
			case session = <-sessions:
			}
			switch random.IntN(8) {
			case 0:
				b.env.Dev.CloseConnection(session)
			case 1:
				thaw := b.env.Dev.Freeze(session)
				select {
				case <-time.After(time.Duration(random.IntN(300)) * time.Millisecond):
				case <-stop:
				}
				thaw()
			default:
				action := []zkdev.Action{zkdev.CloseBefore, zkdev.CloseAfter, zkdev.DelayReply}[random.IntN(3)]
				i := b.env.Dev.Inject(zkdev.Fault{Action: action, Kind: kinds[random.IntN(len(kinds))], Session: session,
					Nth: random.IntN(5) + 1, Delay: time.Duration(random.IntN(50)) * time.Millisecond})
				select {
				case <-i.Fired():
				case <-time.After(100 * time.Millisecond):
				case <-stop:
				}
				i.Cancel()
			}
		}
	})
	all.Wait()
	close(stop)
	faults.Wait()
	if !r.done(enough) {
		b.Errorf("got %d rounds in %v, want %d; in the queue are %+v", r.rounds, patience, enough, b.queue(path).Contenders)
	}
}

func (r *register) done(enough int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rounds >= enough
}
