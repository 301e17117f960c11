package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// A wait is the time that one Acquire has, for all of its locks: it began when
// Acquire was called, and the smallest of the limits counts. The caller's own
// stands under the empty path, before any policy is known.
type wait struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	began  time.Time
	unhook func() bool

	mu     sync.Mutex
	limits map[zkfs.Path]time.Duration
	timer  *time.Timer
}

func newWait(caller, open context.Context, o Options) *wait {
	w := &wait{began: time.Now(), limits: make(map[zkfs.Path]time.Duration)}
	w.ctx, w.cancel = context.WithCancelCause(caller)
	w.unhook = context.AfterFunc(open, func() { w.cancel(context.Cause(open)) })
	if o.Wait != nil && *o.Wait >= 0 {
		w.allow("", *o.Wait)
	}
	return w
}

func (w *wait) stop() {
	w.mu.Lock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.mu.Unlock()
	w.unhook()
	w.cancel(nil)
}

// allow sets how long may be waited for one lock; a later call replaces it.
func (w *wait) allow(path zkfs.Path, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits[path] = limit
	least := w.least()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	switch least {
	case layout.NoLimit:
		return
	case 0:
		least = tryLimit
	}
	w.timer = time.AfterFunc(least-time.Since(w.began), func() { w.cancel(ErrNotAcquired) })
}

// least returns the smallest limit. w.mu is held.
func (w *wait) least() time.Duration {
	least := layout.NoLimit
	for _, d := range w.limits {
		if d != layout.NoLimit && (least == layout.NoLimit || d < least) {
			least = d
		}
	}
	return least
}

// once reports whether nothing may be waited for at all.
func (w *wait) once() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.least() == 0
}

// explain returns what ended the attempt: the end of the time or of the
// caller's context, when one of them did, or else err.
func (w *wait) explain(err error) error {
	if err == nil || w.ctx.Err() == nil {
		return err
	}
	cause := context.Cause(w.ctx)
	if errors.Is(err, cause) || errors.Is(err, ErrNotAcquired) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return cause
	}
	return fmt.Errorf("%w (%w)", cause, err)
}

// stand returns when it is the contender's turn, which the children show, or
// the release of the one before it. An error means that it must leave.
func (cl *claim) stand(w *wait, children []string) error {
	defer func() {
		if !cl.mine {
			cl.unwatch()
		}
	}()
	first := true
	var last Queued
	for {
		v, err := cl.view(children)
		if err != nil {
			return err
		}
		if v.mayHold {
			cl.mine = true
			return nil
		}
		if err := cl.mayQueue(w, v, first); err != nil {
			return err
		}
		before, err := cl.watchAhead(w.ctx, v)
		if err != nil {
			return err
		}
		if err := cl.followPolicy(w); err != nil {
			before.stop()
			return err
		}
		if before.watch != nil {
			q := Queued{Path: cl.path, Node: v.own, Position: v.position, Behind: before.contender}
			if f := cl.opts.OnQueued; f != nil && (first || q.Position != last.Position || q.Behind.Node != last.Behind.Node) {
				f(q)
			}
			first, last = false, q
			if cl.mine, err = cl.sleep(w, before); cl.mine || err != nil {
				return err
			}
		}
		if children, err = cl.list(w.ctx); err != nil {
			return err
		}
	}
}

// sleep waits until something happens that makes it worth to list again. It
// returns true when the one before us has passed the lock on to us.
func (cl *claim) sleep(w *wait, before ahead) (mine bool, err error) {
	defer before.watch.Stop()
	var policy <-chan zkconn.Event
	if cl.policyWatch != nil {
		policy = cl.policyWatch.C
	}
	select {
	case e := <-before.watch.C:
		return cl.passed(before, e), nil
	case <-cl.ownWatch.C:
		cl.mu.Lock()
		node := cl.nodes[0]
		cl.mu.Unlock()
		if cl.ownWatch, err = cl.watchNode(w.ctx, node); err != nil {
			return false, err
		}
		return false, context.Cause(cl.ctx)
	case <-policy:
		if cl.policyWatch, err = cl.watchPolicy(w.ctx); err != nil {
			return false, err
		}
		return false, cl.followPolicy(w)
	case <-cl.ctx.Done():
		return false, context.Cause(cl.ctx)
	case <-cl.s.Done():
		return false, cl.s.Err()
	case <-w.ctx.Done():
		return false, context.Cause(w.ctx)
	}
}

// followPolicy makes a waiter follow the policy as it is now.
func (cl *claim) followPolicy(w *wait) error {
	if cl.ctx.Err() != nil {
		return context.Cause(cl.ctx)
	}
	p := cl.currentPolicy()
	w.allow(cl.path, cl.opts.wait(p))
	return cl.sameContender(p)
}

// sameContender returns errAgain when the policy asks for another contender than
// the one that stands there: for other names, or another ACL. An ACL that was
// opened to others afterwards would let them make the event by which whoever is
// behind takes the lock, so it is never changed.
func (cl *claim) sameContender(p layout.Policy) error {
	r, err := recipeOf(p, cl.shared)
	if err != nil {
		return err
	}
	prefixes, err := r.Prefixes(cl.guid, cl.shared)
	if err != nil {
		return err
	}
	acl, _ := cl.s.contenderACL(p)
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if !slices.Equal(prefixes, cl.prefixes) || cl.mode != modeOf(p, cl.shared) || !acl.Equal(cl.acl) {
		return errAgain
	}
	cl.recipe = r
	return nil
}

// A view is what a listing says to a contender.
type view struct {
	own       zkfs.Path        // the node that was looked for in it
	ahead     recipe.Contender // the nearest of those who must go first; of a semaphore nobody
	mayHold   bool
	position  int // among those that wait, from 1; 0 where nobody asks for it
	semaphore bool
}

// view reads a listing. The errors say that the contender must leave.
func (cl *claim) view(children []string) (view, error) {
	cl.mu.Lock()
	r, p, nodes, sequence := cl.recipe, cl.policy, cl.nodes, cl.sequence
	cl.mu.Unlock()
	node := nodes[0]
	v := view{own: node, semaphore: r.Semaphore()}
	var s recipe.Stand
	if v.semaphore {
		q := r.Queue(children)
		i := q.Index(node.Base())
		s = recipe.Stand{There: i >= 0, Blind: q.Blind(cl.shared), Unknown: q.Unknown}
		v.mayHold = 0 <= i && i < p.Permits
		v.position = i - p.Permits + 1
	} else {
		s = r.Stand(children, node.Base(), cl.shared)
		v.ahead, v.mayHold = s.Ahead, s.Ahead.Name == ""
	}
	if recipe.CuratorSemaphore(s.Unknown) {
		return v, fmt.Errorf("%w: the children %q belong to a semaphore of Curator, which gives out leases in no order that could be joined",
			ErrForeignRecipe, s.Unknown)
	}
	for _, other := range nodes[1:] {
		s.There = s.There && slices.Contains(children, other.Base())
	}
	if !s.There {
		cl.removed()
	}
	if cl.ctx.Err() != nil {
		return v, context.Cause(cl.ctx)
	}
	if sequence < 0 || sequence >= recipe.SequenceEnd {
		return v, ErrSequenceEnd
	}
	if len(s.Blind) > 0 && !cl.opts.AllowForeign {
		return v, fmt.Errorf("%w: %s cannot see %s and would hold beside it; declare a recipe that its client sees, such as kazoo or bridge", ErrForeignRecipe, names(s.Blind), node.Base())
	}
	if !v.semaphore && !v.mayHold && (cl.opts.OnQueued != nil || p.MaxWaiters > 0) {
		v.position = r.Queue(children).Position(node.Base())
	}
	return v, nil
}

// names lists contenders for an error, a few of many.
func names(all []recipe.Contender) string {
	const few = 3
	var s []string
	for _, c := range all[:min(few, len(all))] {
		s = append(s, fmt.Sprintf("%s (%s)", c.Name, c.Client))
	}
	if len(all) > few {
		s = append(s, fmt.Sprintf("and %d more", len(all)-few))
	}
	return strings.Join(s, ", ")
}

// mayQueue refuses a contender that would have to wait and must not. The bound
// of waiters is decided by the first listing alone.
func (cl *claim) mayQueue(w *wait, v view, first bool) error {
	if w.once() {
		return ErrNotAcquired
	}
	if max := cl.currentPolicy().MaxWaiters; first && max > 0 && v.position > max {
		return ErrQueueFull
	}
	return nil
}

// An ahead is what a waiter waits for: a contender, or for a semaphore the
// children.
type ahead struct {
	watch     *zkconn.Watch // nil: it has changed already
	contender Contender
	signals   bool // a change of its data says that the lock is ours
}

func (a ahead) stop() {
	if a.watch != nil {
		a.watch.Stop()
	}
}

// watchAhead watches what must change before it can be our turn. Our own nodes
// come first: from here on a deletion of them is seen.
func (cl *claim) watchAhead(ctx context.Context, v view) (ahead, error) {
	if v.semaphore {
		return cl.watchChildren(ctx)
	}
	node := cl.path.Join(v.ahead.Name)
	data := &zkconn.Peek{Path: node, Part: zkfs.PartData, Watch: true}
	acl := &zkconn.Peek{Path: node, Part: zkfs.PartACL}
	reads := []*zkconn.Peek{data}
	believes := cl.believes()
	if believes {
		reads = append(reads, acl)
	}
	err := cl.watch(ctx, reads...)
	a := ahead{watch: data.W}
	if err == nil {
		err = data.Err
	}
	if errors.Is(err, zkfs.ErrNoAuth) {
		// It can be watched without being read. What this leaves behind when it
		// has just gone is stopped at once.
		var there bool
		if data.Node.Stat, there, a.watch, err = cl.s.ExistsW(ctx, node); err == nil && !there {
			a.stop()
			return ahead{}, nil
		}
		believes = false
	}
	if err == nil {
		data.Node.Path = node
		a.contender = describe(v.ahead, data.Node)
		if believes {
			a.signals, err = mayBelieve(a.contender, acl)
		}
	}
	if err != nil {
		a.stop()
		if errors.Is(err, zkfs.ErrNoNode) {
			err = nil // it has just gone
		}
		return ahead{}, err
	}
	return a, nil
}

// watchChildren is watchAhead for a semaphore: one predecessor cannot tell that a
// permit is free.
func (cl *claim) watchChildren(ctx context.Context) (ahead, error) {
	if err := cl.watch(ctx); err != nil {
		return ahead{}, err
	}
	children, _, watch, err := cl.s.ChildrenW(ctx, cl.path)
	if err != nil {
		if errors.Is(err, zkfs.ErrNoNode) {
			err = ErrGone
		}
		return ahead{}, err
	}
	if now, err := cl.view(children); err != nil || now.mayHold {
		watch.Stop()
		return ahead{}, err
	}
	return ahead{watch: watch}, nil
}
