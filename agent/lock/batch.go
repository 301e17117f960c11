package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// What limits a session with many locks is packets, so what has to wait goes
// out together: creates and deletes of contenders of different locks, as one
// transaction. A session that is not busy sends everything at once and alone.

const (
	// maxFlying is how many requests of contenders are under way before others
	// wait to go together.
	maxFlying = 4
	// maxBatch bounds the operations of one transaction.
	maxBatch = 128
)

// A job is what is done with one contender, all or nothing: it is created, it
// is deleted, or its data is set and it is deleted.
type job struct {
	lock    zkfs.Path
	ops     []zkfs.Op
	list    bool // the lock's children are wanted, as they are then or later
	taken   bool // it may have been sent
	results []zkfs.Result
	names   []string // the children; nil when they could not be read
	err     error
	done    chan struct{}
}

// A batcher sends the jobs of one session.
type batcher struct {
	zk    *zkconn.Session
	life  context.Context
	limit time.Duration // for the answer to a transaction
	work  *sync.WaitGroup

	mu      sync.Mutex
	flying  int
	waiting []*job
}

// alone takes a place for a request that the caller sends by itself, if one is
// free and nobody waits. The caller gives it back with landed.
func (b *batcher) alone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.flying >= maxFlying || len(b.waiting) > 0 {
		return false
	}
	b.flying++
	return true
}

// landed gives a place back, to those that wait.
func (b *batcher) landed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	batch := b.take()
	if len(batch) == 0 {
		b.flying--
		return
	}
	b.work.Go(func() { b.fly(batch) })
}

// take takes the next jobs, at most one for each lock: two contenders that are
// made in one transaction have one czxid, and with it one token. b.mu is held.
func (b *batcher) take() []*job {
	var batch []*job
	locks := make(map[zkfs.Path]bool)
	size := 0
	b.waiting = slices.DeleteFunc(b.waiting, func(j *job) bool {
		if locks[j.lock] || size+len(j.ops) > maxBatch {
			locks[j.lock] = true // what comes later for this lock stays behind it
			return false
		}
		locks[j.lock] = true
		size += len(j.ops)
		j.taken = true
		batch = append(batch, j)
		return true
	})
	return batch
}

// A pendingError is the error of a caller who could not wait for a job that may
// have been sent, and may yet be.
type pendingError struct {
	cause error
	done  <-chan struct{} // closed when the job is no longer under way
}

func (e *pendingError) Error() string   { return fmt.Sprintf("%v: %v", zkfs.ErrOutcomeUnknown, e.cause) }
func (e *pendingError) Unwrap() []error { return []error{zkfs.ErrOutcomeUnknown, e.cause} }

// do carries out a job, alone or together with others. The errors are those of a
// request of its own, or a *pendingError.
func (b *batcher) do(ctx context.Context, j *job) error {
	if b.alone() {
		defer b.landed()
		j.results, j.err = single(ctx, b.zk, j.ops)
		return j.err
	}
	j.done = make(chan struct{})
	b.mu.Lock()
	b.waiting = append(b.waiting, j)
	b.mu.Unlock()
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !j.taken {
		b.waiting = slices.DeleteFunc(b.waiting, func(x *job) bool { return x == j })
		return fmt.Errorf("%w: %w", zkfs.ErrUnavailable, context.Cause(ctx))
	}
	select {
	case <-j.done:
		return j.err
	default:
		return &pendingError{context.Cause(ctx), j.done}
	}
}

// fly sends a batch and then whatever has come to wait meanwhile.
func (b *batcher) fly(batch []*job) {
	defer b.landed()
	ctx, cancel := context.WithTimeout(b.life, b.limit)
	defer cancel()
	var ops []zkfs.Op
	for _, j := range batch {
		ops = append(ops, j.ops...)
	}
	results, err := b.zk.Multi(ctx, ops)
	var refused *zkfs.MultiError
	if err == nil {
		b.listAll(ctx, batch)
	}
	for _, j := range batch {
		switch {
		case err == nil:
			j.results, results = results[:len(j.ops)], results[len(j.ops):]
		case errors.As(err, &refused):
			// One of them has undone the others. Each for itself finds out which.
			j.results, j.err = single(ctx, b.zk, j.ops)
		default:
			j.err = err
		}
		close(j.done)
	}
}

// listAll reads the children of the locks of a batch for those who want them, in
// one request where the server can.
func (b *batcher) listAll(ctx context.Context, batch []*job) {
	var want []*job
	var paths []zkfs.Path
	for _, j := range batch {
		if j.list {
			want, paths = append(want, j), append(paths, j.lock)
		}
	}
	if len(paths) == 0 {
		return
	}
	nodes, err := b.zk.Read(ctx, zkfs.PartChildren, paths)
	if err != nil {
		return // each lists for itself
	}
	for i, n := range nodes {
		if !n.Absent && n.Denied == 0 {
			want[i].names = n.Children
		}
	}
}

// single carries out operations as a request of their own.
func single(ctx context.Context, zk *zkconn.Session, ops []zkfs.Op) ([]zkfs.Result, error) {
	if len(ops) == 1 {
		switch op := ops[0]; op.Kind {
		case zkfs.OpCreate:
			r, err := zk.Create(ctx, op.Path, op.Data, op.ACL, op.Mode)
			return []zkfs.Result{r}, err
		case zkfs.OpDelete:
			return []zkfs.Result{{}}, zk.Delete(ctx, op.Path, op.Version)
		}
	}
	return zk.Multi(ctx, ops)
}
