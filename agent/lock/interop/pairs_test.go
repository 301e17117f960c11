package interop

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A side is one way in which we take a lock.
type side struct {
	name   string
	path   zkfs.Path
	policy *layout.Policy
	shared bool
}

var (
	curator        = side{"curator", "/curator", policy(layout.Exclusive, layout.Curator, ""), false}
	curatorWriter  = side{"curator writer", "/curator/rw", policy(layout.ReadWrite, layout.Curator, ""), false}
	curatorReader  = side{"curator reader", "/curator/rw", policy(layout.ReadWrite, layout.Curator, ""), true}
	kazoo          = side{"kazoo", "/kazoo", policy(layout.Exclusive, layout.Kazoo, ""), false}
	kazooWriter    = side{"kazoo writer", "/kazoo/rw", policy(layout.ReadWrite, layout.Kazoo, ""), false}
	kazooReader    = side{"kazoo reader", "/kazoo/rw", policy(layout.ReadWrite, layout.Kazoo, ""), true}
	bridge         = side{"bridge", "/bridge", policy(layout.Exclusive, layout.Bridge, ""), false}
	bridgeWriter   = side{"bridge writer", "/bridge/rw", policy(layout.ReadWrite, layout.Bridge, ""), false}
	bridgeReader   = side{"bridge reader", "/bridge/rw", policy(layout.ReadWrite, layout.Bridge, ""), true}
	plainLockID    = side{"plain lock_id_", "/uk/lock", policy(layout.Exclusive, layout.Plain, "lock_id_"), false}
	plainSeq       = side{"plain seq-", "/lock", policy(layout.Exclusive, layout.Plain, "seq-"), false}
	plainLockid    = side{"plain lockid", "/locks/write_lock", policy(layout.Exclusive, layout.Plain, "lockid"), false}
	semaphoreOfOne = side{"semaphore", "/semaphore", policy(layout.Semaphore, layout.Curator, ""), false}
)

// A pair is a row of the table of recipes: we and a client that sees us.
type pair struct {
	we   side
	they string
	// theyShare: two shared holds stand beside each other.
	theyShare bool
	// foreign: it sees us, which its names do not tell.
	foreign bool
}

var pairs = []pair{
	{we: curator, they: "curator mutex"},
	{we: curator, they: "go lock"},
	{we: curator, they: "zookeeper recipe"},
	{we: curator, they: "kazoo extra", foreign: true},

	{we: curatorWriter, they: "curator write"},
	{we: curatorWriter, they: "curator read", theyShare: true},
	{we: curatorWriter, they: "go lock"},
	{we: curatorReader, they: "curator write"},
	{we: curatorReader, they: "curator read", theyShare: true},
	{we: curatorReader, they: "go lock"},

	{we: kazoo, they: "kazoo lock"},
	{we: kazoo, they: "kazoo write"},
	{we: kazoo, they: "kazoo read", theyShare: true},
	{we: kazoo, they: "go lock"},
	{we: kazooWriter, they: "kazoo lock"},
	{we: kazooWriter, they: "kazoo write"},
	{we: kazooWriter, they: "kazoo read", theyShare: true},
	{we: kazooWriter, they: "go lock"},
	{we: kazooReader, they: "kazoo write"},
	{we: kazooReader, they: "kazoo read", theyShare: true},
	{we: kazooReader, they: "go lock"},

	{we: bridge, they: "kazoo lock"},
	{we: bridge, they: "kazoo write"},
	{we: bridge, they: "kazoo read", theyShare: true},
	{we: bridge, they: "curator mutex"},
	{we: bridge, they: "curator write"},
	{we: bridge, they: "curator read", theyShare: true},
	{we: bridge, they: "go lock"},
	{we: bridge, they: "zookeeper recipe"},
	{we: bridgeWriter, they: "kazoo lock"},
	{we: bridgeWriter, they: "kazoo write"},
	{we: bridgeWriter, they: "kazoo read", theyShare: true},
	{we: bridgeWriter, they: "curator mutex"},
	{we: bridgeWriter, they: "curator write"},
	{we: bridgeWriter, they: "curator read", theyShare: true},
	{we: bridgeWriter, they: "go lock"},
	{we: bridgeWriter, they: "zookeeper recipe"},
	{we: bridgeReader, they: "kazoo write"},
	{we: bridgeReader, they: "kazoo read", theyShare: true},
	{we: bridgeReader, they: "curator write"},
	{we: bridgeReader, they: "curator read", theyShare: true},
	{we: bridgeReader, they: "go lock"},

	{we: plainLockID, they: "script children"},
	{we: plainSeq, they: "script get"},
	{we: plainLockid, they: "script exists"},
}

// beside reports whether both may hold at the same time.
func (p pair) beside() bool { return p.we.shared && p.theyShare }

// TestPairs takes the lock in every order that two and three can come in.
func TestPairs(t *testing.T) {
	others := startPeers(t)
	for _, p := range pairs {
		t.Run(p.we.name+" and "+p.they, func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				q := newQueue(t, e, p.we)
				one, two := open(t, e), open(t, e)
				ask := func(t *testing.T, c *lock.Client) *ours { return q.ask(t, c, p.we, p.foreign) }

				t.Run("WeComeSecond", func(t *testing.T) {
					they := q.take(t, others, p.they)
					they.holds(t)
					we := ask(t, one)
					if p.beside() {
						we.holds(t)
					} else {
						we.waits(t)
					}
					they.gives(t)
					we.holds(t)
					we.gives(t)
					q.empty(t)
				})
				t.Run("TheyComeSecond", func(t *testing.T) {
					we := ask(t, one)
					we.holds(t)
					they := q.take(t, others, p.they)
					if p.beside() {
						they.holds(t)
						we.gives(t)
					} else {
						q.waits(t, they)
						we.gives(t)
						they.holds(t)
					}
					they.gives(t)
					q.empty(t)
				})
				if p.beside() {
					return
				}
				t.Run("WeStandBetweenThem", func(t *testing.T) {
					first := q.take(t, others, p.they)
					first.holds(t)
					we := ask(t, one)
					we.waits(t)
					last := q.take(t, others, p.they)
					q.waits(t, last)
					first.gives(t)
					we.holds(t)
					if said := last.pending(t); !onlyWaits(said) {
						t.Fatalf("%s said %q while we hold", p.they, said)
					}
					we.gives(t)
					last.holds(t)
					last.gives(t)
					q.empty(t)
				})
				if p.they == "kazoo read" && !p.we.shared {
					// kazoo 2.8.0's reader waits for the later writer too:
					// TestKazooReaderAndLaterWriter.
					return
				}
				t.Run("TheyStandBetweenUs", func(t *testing.T) {
					first := ask(t, one)
					first.holds(t)
					they := q.take(t, others, p.they)
					q.waits(t, they)
					last := ask(t, two)
					last.waits(t)
					first.gives(t)
					they.holds(t)
					last.stillWaits(t)
					they.gives(t)
					last.holds(t)
					if first.token >= last.token && !p.we.shared {
						t.Errorf("the tokens are %d and then %d", first.token, last.token)
					}
					last.gives(t)
					q.empty(t)
				})
			})
		})
	}
}

func onlyWaits(said []string) bool {
	for _, s := range said {
		if s != "waits" {
			return false
		}
	}
	return true
}

// ours is one attempt of ours to take the lock.
type ours struct {
	queued chan lock.Queued
	held   chan *lock.Held // closed without one when it failed
	err    error           // then
	cancel context.CancelFunc
	has    *lock.Held
	token  int64
}

// ask begins to take the lock.
func (q *queue) ask(t *testing.T, c *lock.Client, s side, foreign bool) *ours {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	o := &ours{queued: make(chan lock.Queued, 16), held: make(chan *lock.Held, 1), cancel: cancel}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(o.held)
		h, err := c.Acquire(ctx, q.path, lock.Options{
			Shared: s.shared, AllowForeign: foreign,
			OnQueued: func(q lock.Queued) { o.queued <- q },
		})
		if err != nil {
			o.err = err
			return
		}
		o.held <- h
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return o
}

// waits returns when we stand in the queue behind somebody, and fails the test
// when we hold.
func (o *ours) waits(t *testing.T) {
	t.Helper()
	select {
	case <-o.queued:
	case h := <-o.held:
		t.Fatalf("we hold (%v, %v), and should wait", h, o.err)
	case <-time.After(limit):
		t.Fatalf("we are not in the queue after %s", limit)
	}
	o.stillWaits(t)
}

func (o *ours) stillWaits(t *testing.T) {
	t.Helper()
	select {
	case h := <-o.held:
		t.Fatalf("we hold (%v, %v), and should wait", h, o.err)
	default:
	}
}

// holds waits until we hold.
func (o *ours) holds(t *testing.T) {
	t.Helper()
	if o.has != nil {
		return
	}
	select {
	case h, ok := <-o.held:
		if !ok {
			t.Fatalf("we do not get the lock: %v", o.err)
		}
		o.has, o.token = h, h.Token()
	case <-time.After(limit):
		t.Fatalf("we do not hold after %s", limit)
	}
}

func (o *ours) gives(t *testing.T) {
	t.Helper()
	if err := o.has.Context().Err(); err != nil {
		t.Errorf("our hold had ended: %v", context.Cause(o.has.Context()))
	}
	if err := o.has.Release(t.Context()); err != nil {
		t.Error(err)
	}
	o.cancel()
}

// TestForeignIsRefused takes the lock by a recipe whose names the client of the
// holder cannot see: it would hold beside us, so we do not even queue.
func TestForeignIsRefused(t *testing.T) {
	others := startPeers(t)
	for _, p := range []pair{
		{we: curator, they: "kazoo lock"},
		{we: curator, they: "kazoo read"},
		{we: curator, they: "curator write"},
		{we: curator, they: "curator read"},
		{we: curator, they: "script get"},
		{we: curatorWriter, they: "curator mutex"},
		{we: curatorWriter, they: "kazoo write"},
		{we: curatorWriter, they: "zookeeper recipe"},
		{we: kazoo, they: "curator mutex"},
		{we: kazoo, they: "curator write"},
		{we: kazoo, they: "zookeeper recipe"},
		{we: bridge, they: "script exists"},
		{we: bridgeReader, they: "curator mutex"},
		{we: plainSeq, they: "curator mutex"},
		{we: plainSeq, they: "kazoo lock"},
		{we: plainLockID, they: "script exists"},
		{we: semaphoreOfOne, they: "go lock"},
		{we: semaphoreOfOne, they: "kazoo lock"},
		// Curator's semaphore is refused whoever asks: it has no queue to join.
		{we: semaphoreOfOne, they: "curator semaphore"},
		{we: curator, they: "curator semaphore"},
		{we: bridge, they: "curator semaphore"},
	} {
		t.Run(p.we.name+" and "+p.they, func(t *testing.T) {
			zktest.Each(t, func(t *testing.T, e *zktest.Env) {
				q := newQueue(t, e, p.we)
				they := q.take(t, others, p.they)
				they.holds(t)
				before := len(q.names(t))
				_, err := open(t, e).Acquire(t.Context(), q.path, lock.Options{Shared: p.we.shared, Wait: lock.WaitFor(limit)})
				if !errors.Is(err, lock.ErrForeignRecipe) {
					t.Errorf("got %v, want a foreign recipe", err)
				}
				if after := q.names(t); len(after) != before {
					t.Errorf("the refused attempt left %q", after)
				}
				they.gives(t)
			})
		})
	}
}
