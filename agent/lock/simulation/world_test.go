package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
)

const (
	tick = 200 * time.Millisecond
	// patience is how long anything may take when nothing is wrong any more.
	patience = time.Minute
	// leaving is how long a caller may be held up beyond its time.
	leaving = time.Second
)

// A world is a server with locks, hosts that take them, and what is known of
// both.
type world struct {
	t      *testing.T
	seed   uint64
	began  time.Time
	random *rand.Rand // of the plan; whoever acts has another
	net    *network
	locks  []*guarded
	data   string // the server's file, where it may restart

	stranger *zkconn.Session

	mu      sync.Mutex
	server  *zkdev.Server // nil while it is down
	history []string
	failed  bool
	gone    map[contender]string // what a stranger or a forced expiry took
	holds   int
	faults  int
}

// A contender is known by its token and its lock: those of several locks that
// are made together have one token.
type contender struct {
	path  zkfs.Path
	token int64
}

// A guarded is a lock and the resource that it guards.
type guarded struct {
	path    zkfs.Path
	policy  layout.Policy
	permits int // the most that were ever declared

	// Guarded by world.mu.
	highest int64 // the highest exclusive token
	last    int64 // the sequence of the latest hold
	working map[*lock.Held]bool
}

// logf adds a line to the history, which a failed run shows.
func (w *world) logf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(format, args...)
}

func (w *world) note(format string, args ...any) {
	line := fmt.Sprintf("%12v  ", time.Since(w.began)) + fmt.Sprintf(format, args...)
	w.history = append(w.history, line)
	if *verbose {
		fmt.Println(line)
	}
}

// fault records that something is wrong. w.mu is not held.
func (w *world) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong(format, args...)
}

func (w *world) wrong(format string, args ...any) {
	w.note("WRONG: "+format, args...)
	w.failed = true
	w.t.Errorf(format, args...)
}

// begin makes a world. The clock of a bubble stands in the year 2000; the
// server counts its transactions from 2020 on.
func begin(t *testing.T, seed uint64) *world {
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	w := &world{
		t: t, seed: seed, began: time.Now(), random: rand.New(rand.NewPCG(seed, 0)),
		gone: make(map[contender]string),
	}
	w.net = &network{seed: seed, log: w.logf}
	if w.random.IntN(5) == 0 {
		w.data = filepath.Join(t.TempDir(), "tree")
	}
	w.start()
	s, err := zkconn.Open(t.Context(), w.net.host("stranger", true).conn(20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	w.stranger = s
	for i := range 1 + w.random.IntN(3) {
		w.declare(zkfs.Path(fmt.Sprintf("/l%d", i)))
	}
	return w
}

// end stops what is left.
func (w *world) end() {
	w.stranger.Close(context.Background())
	w.stop()
}

func (w *world) start() {
	s, err := zkdev.Start(zkdev.Config{
		Listener: w.net.listen(), TickTime: tick, MaxSessionTimeout: time.Minute, Data: w.data, Seed: int64(w.seed) + 1,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.server = s
	w.mu.Unlock()
}

func (w *world) stop() {
	w.mu.Lock()
	s := w.server
	w.server = nil
	w.mu.Unlock()
	if err := s.Close(); err != nil {
		w.t.Error(err)
	}
}

func (h *host) conn(timeout time.Duration) zkconn.Config {
	return zkconn.Config{Servers: "server", SessionTimeout: timeout, TickTime: tick, Dial: h.dial}
}

// declare makes a lock of some kind.
func (w *world) declare(path zkfs.Path) {
	p := layout.DefaultPolicy()
	p.TickTime, p.SessionTimeout = tick, 3*time.Second
	p.KillTimeout = time.Duration(1+w.random.IntN(800)) * time.Millisecond
	p.Heartbeat = pick(w.random, layout.HeartbeatWrite, layout.HeartbeatWrite, layout.HeartbeatSync, layout.HeartbeatPing)
	switch w.random.IntN(12) {
	case 0, 1, 2, 3:
	case 4:
		p.Recipe = layout.Kazoo
	case 5:
		p.Recipe, p.Prefix = layout.Plain, pick(w.random, "n-", "lock_id_", "seq-")
	case 6:
		p.Recipe = layout.Bridge
	case 7, 8:
		p.Mode = layout.ReadWrite
	case 9:
		p.Mode, p.Recipe = layout.ReadWrite, pick(w.random, layout.Kazoo, layout.Bridge)
	case 10:
		p.Mode, p.Permits = layout.Semaphore, 1+w.random.IntN(3)
	case 11:
		p.Revocable = true
	}
	if w.random.IntN(8) == 0 {
		p.MaxHold = 200 * time.Millisecond
	}
	if w.random.IntN(6) == 0 {
		p.SessionTimeout = 5 * time.Second // another session than that of the others
	}
	g := &guarded{path: path, policy: p, permits: p.Permits, working: make(map[*lock.Held]bool)}
	w.locks = append(w.locks, g)
	data := w.record(p)
	if _, err := w.stranger.Create(w.t.Context(), path, data, zkfs.Open(), zkfs.Persistent); err != nil {
		w.t.Fatal(err)
	}
	w.logf("%s: %v %v, permits %d, heartbeat %v, session %v, revocable %v", path, p.Recipe, p.Mode, p.Permits, p.Heartbeat, p.SessionTimeout, p.Revocable)
}

func (w *world) record(p layout.Policy) []byte {
	data, err := layout.Record{Layout: "test", Address: "lock.test", Kind: layout.KindLock, Policy: &p}.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func pick[T any](random *rand.Rand, all ...T) T { return all[random.IntN(len(all))] }

// up returns the server, when it is up.
func (w *world) up() *zkdev.Server {
	for {
		w.mu.Lock()
		s := w.server
		w.mu.Unlock()
		if s != nil {
			return s
		}
		time.Sleep(tick)
	}
}

// children returns the contenders of a lock as the server has them now.
func (w *world) children(path zkfs.Path) []string {
	all := w.up().Node(path).Children
	slices.SortFunc(all, func(a, b string) int { return int(sequence(a) - sequence(b)) })
	return all
}

// sequence returns the number at the end of a contender's name.
func sequence(name string) int64 {
	n, err := strconv.ParseInt(name[max(0, len(name)-10):], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func shares(name string) bool {
	return strings.Contains(name, "__READ__") || strings.Contains(name, "__rlock__")
}

// ahead returns the contenders that must go before one may hold, by the
// protocol and without the product's code: of a semaphore all that are lower,
// else all that are lower and conflict.
func (g *guarded) ahead(children []string, name string) []string {
	var ahead []string
	for _, other := range children {
		if sequence(other) < sequence(name) && !(shares(other) && shares(name)) {
			ahead = append(ahead, other)
		}
	}
	return ahead
}

// room is how many may stand ahead of one that holds.
func (g *guarded) room() int { return max(0, g.permits-1) }

// enter begins the work of a holder, and checks that it may.
func (w *world) enter(who string, g *guarded, h *lock.Held) {
	children := w.children(g.path)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holds++
	w.note("%s: holds %s, token %d", who, h.Node(), h.Token())
	why, broken := w.gone[contender{g.path, h.Token()}]
	if why == taken {
		w.wrong("%s: %s is granted, which was taken away while others stood ahead of it", who, h.Node())
	}
	if left, kill := h.Remaining(), h.KillTimeout(); h.Context().Err() == nil && (left <= 0 || left < kill) {
		w.wrong("%s: %s is granted with a lease of %v and a kill time-out of %v", who, h.Node(), left, kill)
	}
	g.working[h], g.last = true, sequence(h.Node().Base())
	if broken || h.Context().Err() != nil {
		return
	}
	if ahead := g.ahead(children, h.Node().Base()); len(ahead) > g.room() {
		w.wrong("%s: %s is granted while %q stand ahead of it", who, h.Node(), ahead)
	}
	exclusive := h.Mode() == "exclusive"
	holders := 1
	for other := range g.working {
		if _, broken := w.gone[contender{g.path, other.Token()}]; broken || other == h {
			continue
		}
		holders++
		if exclusive || other.Mode() == "exclusive" {
			w.wrong("%s: %s (token %d) is granted while %s (token %d) works", who, h.Node(), h.Token(), other.Node(), other.Token())
		}
	}
	if g.policy.Mode == layout.Semaphore {
		if holders > g.permits {
			w.wrong("%s: %s is granted to as many as %d; there are %d permits", who, h.Node(), holders, g.permits)
		}
		return
	}
	if h.Token() <= g.highest {
		w.wrong("%s: token %d is granted after %d", who, h.Token(), g.highest)
	}
	if exclusive {
		g.highest = h.Token()
	}
}

// leave ends the work of a holder.
func (w *world) leave(g *guarded, h *lock.Held) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(g.working, h)
}

// Why a contender is gone without its client's doing: when it was its turn, so
// that its client may not have heard yet that it holds no more; and before,
// when its client hears of that before it can hear of its turn.
const (
	robbed = "robbed"
	taken  = "taken"
)

// takeAway notes that a contender, or one of its names, is about to be taken.
func (w *world) takeAway(g *guarded, name string) contender {
	s := w.up()
	token := func(name string) int64 { return s.Node(g.path.Join(name)).Stat.Czxid }
	c := contender{g.path, token(name)}
	others := slices.DeleteFunc(w.children(g.path), func(n string) bool { return token(n) == c.token })
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[c] = robbed
	if len(g.ahead(others, name)) > g.room() {
		w.gone[c] = taken
	}
	return c
}

// perhaps notes that it is not known whether that was done.
func (w *world) perhaps(c contender) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[c] = robbed
}

// empty waits until nobody stands in any queue.
func (w *world) empty() {
	limit := time.Now().Add(patience)
	for _, g := range w.locks {
		for all := w.children(g.path); len(all) > 0; all = w.children(g.path) {
			if time.Now().After(limit) {
				w.fault("%q are left in the queue of %s", all, g.path)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// acceptable reports whether an Acquire may end with this error. What is left of
// a contender of recipe bridge after a stranger was there looks foreign.
func acceptable(err error, limited, cancelled bool) bool {
	switch {
	case errors.Is(err, lock.ErrNotAcquired):
		return limited
	case errors.Is(err, context.Canceled):
		return cancelled
	}
	for _, may := range []error{lock.ErrRemoved, lock.ErrForeignRecipe, lock.ErrLost, zkfs.ErrUnavailable, zkfs.ErrOutcomeUnknown} {
		if errors.Is(err, may) {
			return true
		}
	}
	return false
}
