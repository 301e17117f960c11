package lock

import (
	"context"
	"sync"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// maxHomes bounds what a session remembers.
const maxHomes = 16 << 10

// A home is what a session remembers of a lock: the policy, with a watch that
// tells when that is out of date, and when it was last seen without contenders.
//
// Whoever takes such a lock needs no listing. The sequence of a lock's children
// rises by one with every child that is made, by whoever. So a contender that
// gets the next sequence after a moment without children is alone: nothing was
// made since. There are two such moments. When the policy was read, the Stat
// that came with it may have shown no child, and how many were ever made. And
// when our last hold ended, which stood first, a contender with the sequence
// after it shows that none was made beside it.
//
// This needs the lock's znode to be the same, with one counter: the watch on it
// was armed at that moment or before, and has not fired when the reply to the
// create is handled. Events and replies of one connection come in the order of
// what they tell, so all of it must have happened on one.
type home struct {
	watch  *zkconn.Watch
	record []byte // the data of the lock's znode
	policy layout.Policy

	mu    sync.Mutex
	stale bool   // the watch has fired
	next  int64  // the sequence of a contender that is alone
	epoch uint64 // the connection that showed it; 0: nothing has
	again bool   // it was shown by the end of our last hold
	busy  bool   // who took it last had to wait
}

// newHome makes a home of what was read with the watch.
func newHome(record []byte, p layout.Policy, stat zkfs.Stat, w *zkconn.Watch) *home {
	h := &home{watch: w, record: record, policy: p}
	if n, empty := stat.NextSequence(); empty {
		h.next, h.epoch = n, w.Epoch
	}
	return h
}

// fresh reports whether nothing has happened to the lock's znode, as far as the
// connection has told.
func (h *home) fresh() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.stale {
		select {
		case <-h.watch.C:
			h.stale = true
		default:
		}
	}
	return !h.stale
}

// home returns what is remembered of a lock, nil when that is nothing.
func (s *session) home(path zkfs.Path) *home {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.homes[path]
	if h != nil && !h.fresh() {
		delete(s.homes, path)
		return nil
	}
	return h
}

// remember keeps a home and returns it, or the one that somebody else has kept
// meanwhile.
func (s *session) remember(path zkfs.Path, h *home) *home {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.homes[path]; old != nil && old.fresh() {
		h.watch.Stop()
		return old
	}
	if len(s.homes) >= maxHomes {
		for p, any := range s.homes {
			any.forget()
			delete(s.homes, p)
			break
		}
	}
	s.homes[path] = h
	return h
}

// forget gives the watch up: nothing is known from here on.
func (h *home) forget() {
	h.watch.Stop()
	h.mu.Lock()
	h.stale = true
	h.mu.Unlock()
}

// policy returns the policy of a lock as it is declared now, or that of the
// options. What is remembered is checked again by whoever makes a contender by
// it, when its reply has come.
func (s *session) policy(ctx context.Context, path zkfs.Path, o Options) (layout.Policy, *home, error) {
	if o.Policy != nil {
		return *o.Policy, nil, valid(*o.Policy)
	}
	if h := s.home(path); h != nil {
		return h.policy, h, nil
	}
	data, stat, w, err := s.policies.read(ctx, path)
	if p, perr := layout.ParsePolicy(data); err == nil && perr == nil {
		return p, s.remember(path, newHome(data, p, stat, w)), nil
	}
	if w != nil {
		w.Stop()
	}
	p, err := declared(data, err, o)
	return p, nil, err
}

// policiesOf is policy for several locks, which are read at the same time.
func (s *session) policiesOf(ctx context.Context, paths []zkfs.Path, o Options) ([]layout.Policy, []error) {
	policies, errs := make([]layout.Policy, len(paths)), make([]error, len(paths))
	read := func(i int) { policies[i], _, errs[i] = s.policy(ctx, paths[i], o) }
	var others sync.WaitGroup
	for i := range paths[1:] {
		others.Go(func() { read(i + 1) })
	}
	read(0)
	others.Wait()
	return policies, errs
}

// An expectation is the sequence that tells a new contender that it is alone.
type expectation struct {
	home     *home
	sequence int64
	epoch    uint64
	again    bool
}

// expect returns what a create that is sent after this call may expect. The
// zero expectation is never met.
func (cl *claim) expect() expectation {
	h := cl.home
	if h == nil || cl.policy.Mode != layout.Exclusive || cl.policy.Recipe == layout.Bridge {
		return expectation{}
	}
	epoch := cl.s.Epoch()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy || h.epoch == 0 || h.epoch != epoch || h.watch.Epoch != epoch {
		return expectation{}
	}
	return expectation{h, h.next, epoch, h.again}
}

// met reports whether the contender that was made is alone.
func (e expectation) met(cl *claim) bool {
	return e.home != nil && cl.sequence == e.sequence && cl.sequence < recipe.SequenceEnd && !cl.uncertain &&
		cl.s.Epoch() == e.epoch && e.home.fresh()
}

// queued notes whether the last contender had to wait. Where it had, the next will
// hardly be alone, and its listing goes out with its creation.
func (h *home) queued(busy bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = busy
}

// left notes that the contender of an exclusive hold was deleted by us, by a
// request that was sent and answered on one connection.
func (h *home) left(sequence int64, epoch uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next, h.epoch, h.again = sequence+1, epoch, true
}
