// Package simulation runs clients of package lock against the embedded server
// in bubbles of testing/synctest: with connections in memory and a clock that
// moves when everybody waits, so that minutes pass in milliseconds. What is
// asked for and what goes wrong is drawn from a seed; a seed that fails fails
// again.
//
// In each run clients take locks of all kinds while connections break before
// and after requests, replies are lost or late, the server is frozen, cut off
// or restarted, sessions end, and strangers delete contenders and make locks
// anew. Checked is, by the server's tree at each grant: who stands ahead, who
// works, and with which token; and in the end that everybody gets what he waits
// for, and that nothing is left in queues or of goroutines.
package simulation

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

var (
	seeds   = flag.Uint64("seeds", 500, "how many runs")
	first   = flag.Uint64("seed", 1, "the seed of the first run")
	verbose = flag.Bool("history", false, "print what happens as it happens")
)

func TestMain(m *testing.M) {
	zktest.FakeTime()
	// One at a time, goroutines run in nearly the same order each time.
	runtime.GOMAXPROCS(1)
	zktest.Main(m)
}

func TestSimulation(t *testing.T) {
	var total summary
	failed := 0
	for seed := *first; seed < *first+*seeds && failed < 5; seed++ {
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { total.add(run(t, seed)) }) {
			failed++
		}
	}
	t.Logf("%d runs, %v by their clocks, %d holds, %d faults", total.runs, total.time.Round(time.Second), total.holds, total.faults)
}

// A summary tells how much was tried.
type summary struct {
	runs, holds, faults int
	time                time.Duration
}

func (s *summary) add(other summary) {
	s.runs, s.holds, s.faults, s.time = s.runs+other.runs, s.holds+other.holds, s.faults+other.faults, s.time+other.time
}

// run is one run. One that does not end shows where it hangs.
func run(t *testing.T, seed uint64) (tried summary) {
	watchdog := time.AfterFunc(time.Minute, func() {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "seed %d does not end\n%s", seed, buf[:runtime.Stack(buf, true)])
		os.Exit(1)
	})
	defer watchdog.Stop()
	cryptotest.SetGlobalRandom(t, seed)
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, seed)
		w.play()
		w.end()
		if w.failed {
			t.Logf("seed %d, which \"make simulation SEED=%d\" repeats:\n%s", seed, seed, strings.Join(w.history, "\n"))
		}
		tried = summary{1, w.holds, w.faults, time.Since(w.began)}
	})
	return tried
}

// play has actors and troubles at work, then peace, and looks what is left.
func (w *world) play() {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	var hosts []*host
	var clients []*lock.Client
	var actors []*actor
	crowd := w.random.IntN(6) == 0
	for i := range 2 + w.random.IntN(3) {
		h := w.net.host(fmt.Sprintf("h%d", i), false)
		c, err := lock.Open(ctx, lock.Config{Conn: h.conn(3 * time.Second), Host: h.name, PID: 1})
		if err != nil {
			w.t.Fatal(err)
		}
		hosts, clients = append(hosts, h), append(clients, c)
		n := 1 + w.random.IntN(2)
		if crowd && i == 0 {
			n = 8
		}
		for j := range n {
			actors = append(actors, w.actor(fmt.Sprintf("%s.%d", h.name, j), c))
		}
	}
	rounds, think := 2+w.random.IntN(5), pick(w.random, time.Millisecond, 50*time.Millisecond, 2*time.Second)
	often := pick(w.random, 20*time.Millisecond, 200*time.Millisecond, time.Second, time.Hour)
	war, peace := context.WithTimeout(ctx, time.Duration(1+w.random.IntN(15))*time.Second)
	defer peace()
	w.logf("seed %d: %d clients, %d actors, %d rounds, thinking %v, faults every %v, restarts %v",
		w.seed, len(clients), len(actors), rounds, think, often, w.data != "")

	var acting, troubles sync.WaitGroup
	for _, a := range actors {
		acting.Go(func() {
			for range rounds {
				time.Sleep(a.upTo(think))
				a.round(ctx)
			}
		})
	}
	troubles.Go(func() { w.trouble(war, hosts, rand.New(rand.NewPCG(w.seed, 1)), often) })
	done := make(chan struct{})
	go func() {
		acting.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-war.Done():
	}
	peace()
	troubles.Wait()
	w.logf("peace")
	w.await(done, cancel)
	w.lastRound(ctx, clients)
	w.empty()
	for i, c := range clients {
		if err := c.Close(ctx); err != nil {
			w.fault("close %s: %v", hosts[i].name, err)
		}
	}
}

// await waits for the actors, whose work together may take long. What must not be
// is that one waits and nobody gets anything any more: then it gives up.
func (w *world) await(done <-chan struct{}, giveUp func()) {
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.holds
	}
	for before := count(); ; {
		select {
		case <-done:
			return
		case <-time.After(patience):
		}
		now := count()
		if now == before {
			w.fault("an actor still waits")
			giveUp()
			<-done
			return
		}
		before = now
	}
}

// lastRound has each client take each lock once more, all at once.
func (w *world) lastRound(ctx context.Context, clients []*lock.Client) {
	var all sync.WaitGroup
	for i, c := range clients {
		for j, g := range w.locks {
			a := w.actor(fmt.Sprintf("last%d.%d", i, j), c)
			all.Go(func() {
				limit := patience
				held := a.acquire(ctx, []*guarded{g}, lock.Options{Wait: lock.WaitFor(limit)}, limit, -1)
				if held == nil {
					w.fault("%s: cannot get %s though nothing is wrong", a.name, g.path)
					return
				}
				w.leave(g, held[0])
				if err := held[0].Release(ctx); err != nil {
					w.fault("%s: release: %v", a.name, err)
				}
			})
		}
	}
	all.Wait()
}
