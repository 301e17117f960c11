package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/recipe"
)

const (
	// leaveGrace is how long a caller whose context has ended still waits for
	// its contender to go. The deletion goes on behind it.
	leaveGrace = 400 * time.Millisecond
	// leaveLimit is how long a caller without a deadline waits.
	leaveLimit = 30 * time.Second
	// lateSweep is when a clean-up looks a second time for a contender whose
	// creation was cut off: its connection may have been read to the end late.
	lateSweep = time.Second
)

// Release gives the lock up: it deletes the contender until ZooKeeper says that
// it is gone, or the session has ended and taken it along. It does so also when
// ctx has ended, with a time limit of its own; the error then says that the
// deletion goes on until the session ends. A second Release returns nil.
func (h *Held) Release(ctx context.Context) error {
	h.mu.Lock()
	if h.state == Released {
		h.mu.Unlock()
		return nil
	}
	h.state = Released
	h.mu.Unlock()
	h.end(ErrReleased)

	h.cl.mu.Lock()
	h.cl.handles = slices.DeleteFunc(slices.Clone(h.cl.handles), func(x *Held) bool { return x == h })
	last := len(h.cl.handles) == 0
	if last && h.cl.state != Lost {
		h.cl.state = Released // nobody shares it from here on
	}
	h.cl.mu.Unlock()
	var err error
	if last {
		err = h.cl.leave(ctx)
	}
	if f := h.opts.OnReleased; f != nil {
		h.tell(func() { f(err) })
	}
	return err
}

// retreat begins the end of a claim, once: from here on it holds nothing. It
// reports whether it was the first to be called, to whom the nodes are left, and
// whether no watches of theirs are followed.
func (cl *claim) retreat() (first, unfollowed bool) {
	cl.mu.Lock()
	first = !cl.leaving
	cl.leaving = true
	if first && cl.state != Lost {
		cl.state = Released
	}
	unfollowed = cl.later != nil && cl.later.Stop()
	cl.mu.Unlock()
	if unfollowed {
		cl.unwatch()
	}
	if first {
		cl.end(ErrReleased)
		cl.s.remove(cl)
		cl.c.owners.remove(cl)
	}
	return first, unfollowed
}

// leave gives a claim up and waits until nothing of it is left, for as long as
// ctx allows and a little longer. It may be called again and again.
func (cl *claim) leave(ctx context.Context) error {
	began := time.Now()
	if first, unfollowed := cl.retreat(); first {
		if cl.cleanNow(ctx, unfollowed) {
			close(cl.left)
			cl.c.forget(cl)
			return nil
		}
		work := func() {
			cl.clean(cl.c.life)
			cl.c.forget(cl)
		}
		if !cl.c.spawn(work) {
			work()
		}
	}
	limit := time.NewTimer(leaveLimit - time.Since(began))
	defer limit.Stop()
	select {
	case <-cl.left:
		return nil
	case <-limit.C:
	case <-ctx.Done():
		limit.Reset(leaveGrace - time.Since(began))
		select {
		case <-cl.left:
			return nil
		case <-limit.C:
		}
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	err := cl.leaveErr
	if err == nil {
		err = context.DeadlineExceeded
	}
	return &Error{cl.path, fmt.Errorf("its contender is not deleted yet; that goes on until the session ends: %w", err)}
}

// ours returns the nodes that are to be deleted: those of a process around this
// one are not. A name without a GUID may be somebody else's by now.
func (cl *claim) ours(ctx context.Context) ([]zkfs.Path, error) {
	cl.mu.Lock()
	nodes, recurs := cl.nodes, !cl.recipe.HasGUID()
	if cl.around != nil {
		nodes = nil
	}
	cl.mu.Unlock()
	if len(nodes) > 0 && recurs {
		stat, there, err := cl.s.Exists(ctx, nodes[0])
		if err != nil || !there || !cl.owns(stat) {
			return nil, err
		}
	}
	return nodes, nil
}

// cleanNow tries once to delete the claim's nodes, and reports whether nothing
// is left to do. The caller's context gives it a little longer than it has. A
// brief hold is one that was given up before its watches were set.
func (cl *claim) cleanNow(ctx context.Context, brief bool) bool {
	cl.mu.Lock()
	uncertain := cl.uncertain
	cl.mu.Unlock()
	if uncertain {
		return false
	}
	try, cancel := context.WithTimeout(cl.c.life, cl.s.Timeout()/2)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(leaveGrace, cancel) })
	defer stop()
	err := cl.giveUp(try, brief)
	if err != nil {
		cl.mu.Lock()
		cl.leaveErr = err
		cl.mu.Unlock()
	}
	return err == nil
}

// giveUp deletes the claim's nodes, by signal where that passes the lock on.
func (cl *claim) giveUp(ctx context.Context, brief bool) error {
	nodes, err := cl.ours(ctx)
	if err != nil || len(nodes) == 0 {
		return err
	}
	signal := cl.bySignal(brief)
	ops := deletions(nodes)
	if signal {
		ops = cl.signal()
	}
	epoch := cl.s.Epoch()
	err = cl.s.batcher.do(ctx, &job{lock: cl.path, ops: ops})
	switch {
	case err == nil:
		if cl.home != nil && cl.holdEnded() && cl.s.Epoch() == epoch {
			cl.home.left(cl.sequence, epoch)
		}
		return nil
	case signal, errors.Is(err, zkfs.ErrNoNode):
		return cl.deleteAll(ctx, nodes)
	}
	return err
}

// holdEnded reports whether the claim held until it was released.
func (cl *claim) holdEnded() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.held && cl.state == Released && !cl.uncertain
}

func deletions(nodes []zkfs.Path) []zkfs.Op {
	ops := make([]zkfs.Op, len(nodes))
	for i, n := range nodes {
		ops[i] = zkfs.Op{Kind: zkfs.OpDelete, Path: n, Version: zkfs.AnyVersion}
	}
	return ops
}

// clean deletes the claim's nodes until they are gone or the session is, and
// closes cl.left. ctx ends with the Client.
func (cl *claim) clean(ctx context.Context) {
	cl.mu.Lock()
	uncertain, pending := cl.uncertain, cl.pending
	cl.mu.Unlock()
	if pending != nil {
		<-pending // at its own time limit at the latest
	}
	over := cl.persist(ctx, func(ctx context.Context) error {
		nodes, err := cl.ours(ctx)
		if err != nil {
			return err
		}
		return cl.deleteAll(ctx, nodes)
	})
	if !over && uncertain {
		over = cl.persist(ctx, cl.sweep)
	}
	close(cl.left)
	if over || !uncertain {
		return
	}
	select {
	case <-time.After(lateSweep):
		cl.persist(ctx, cl.sweep)
	case <-cl.s.Done():
	case <-ctx.Done():
	}
}

// persist repeats an attempt until it succeeds. It returns true when the
// session was over first.
func (cl *claim) persist(ctx context.Context, attempt func(context.Context) error) (over bool) {
	pause := 50 * time.Millisecond
	for {
		limited, cancel := context.WithTimeout(ctx, cl.s.Timeout()/2)
		err := attempt(limited)
		cancel()
		if err == nil {
			return false
		}
		if !cl.s.alive() || ctx.Err() != nil {
			return true
		}
		cl.c.log.Debug("a contender could not be deleted yet", "path", cl.path, "error", err)
		cl.mu.Lock()
		cl.leaveErr = err
		cl.mu.Unlock()
		select {
		case <-time.After(pause):
			pause = min(2*pause, 2*time.Second)
		case <-cl.s.Done():
			return true
		case <-ctx.Done():
			return true
		}
	}
}

// deleteAll deletes nodes; those that are gone already are no error. Several go
// in one transaction, so that no peer sees a part of a contender.
func (cl *claim) deleteAll(ctx context.Context, nodes []zkfs.Path) error {
	if len(nodes) == 0 {
		return nil
	}
	err := cl.s.batcher.do(ctx, &job{lock: cl.path, ops: deletions(nodes)})
	if !errors.Is(err, zkfs.ErrNoNode) {
		return err
	}
	if len(nodes) == 1 {
		return nil
	}
	for _, n := range nodes {
		if err := cl.s.Delete(ctx, n, zkfs.AnyVersion); err != nil && !errors.Is(err, zkfs.ErrNoNode) {
			return err
		}
	}
	return nil
}

// sweep deletes every contender that this claim may have made without knowing.
func (cl *claim) sweep(ctx context.Context) error {
	nodes, err := cl.find(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := cl.deleteAll(ctx, []zkfs.Path{n.path}); err != nil {
			return err
		}
	}
	return nil
}

// A found node is one that this claim made in this session.
type found struct {
	path  zkfs.Path
	czxid int64
}

// find looks for the claim's contenders by their GUID: in the name, or for
// names without one in the data. Only what this session owns counts: a node of
// an earlier session is dying. The sync comes first: the server may be another
// one by now, which has not heard yet of what the first has committed.
func (cl *claim) find(ctx context.Context) ([]found, error) {
	if err := cl.s.Heartbeat(ctx, nil); err != nil {
		return nil, err
	}
	children, _, err := cl.s.Children(ctx, cl.path)
	if errors.Is(err, zkfs.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cl.mu.Lock()
	r, prefixes := cl.recipe, cl.prefixes
	cl.mu.Unlock()
	var paths []zkfs.Path
	parts := zkfs.Parts(0)
	if r.HasGUID() {
		for _, c := range r.Queue(children).ByGUID(cl.guid) {
			paths = append(paths, cl.path.Join(c.Name))
		}
	} else {
		parts = zkfs.PartData
		for _, name := range children {
			if strings.HasPrefix(name, prefixes[0]) {
				paths = append(paths, cl.path.Join(name))
			}
		}
	}
	if len(paths) == 0 {
		return nil, nil
	}
	nodes, err := cl.s.Read(ctx, parts, paths)
	if err != nil {
		return nil, err
	}
	var own []found
	for _, n := range nodes {
		if n.Absent || n.Stat.EphemeralOwner != cl.s.ID() {
			continue
		}
		if !r.HasGUID() {
			if d, ok := recipe.ParseData(n.Data); !ok || d.ID != cl.guid {
				continue
			}
		}
		own = append(own, found{n.Path, n.Stat.Czxid})
	}
	return own, nil
}
