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
	results []zkfs.Result
	names   []string // the children; nil when they could not be read
	err     error
	done    chan struct{}
}

// A batcher sends the jobs of one session.
type batcher struct {
	convoy[job]
	zk    *zkconn.Session
	life  context.Context
	limit time.Duration // for the answer to a transaction
}

func newBatcher(zk *zkconn.Session, life context.Context, work *sync.WaitGroup) *batcher {
	b := &batcher{zk: zk, life: life, limit: zk.Timeout()}
	b.convoy = convoy[job]{most: maxFlying, part: nextJobs, fly: b.fly, work: work}
	return b
}

// nextJobs returns the jobs that go out next, at most one for each lock: two
// contenders that are made in one transaction have one czxid, and with it one
// token.
func nextJobs(waiting []*job) (batch, rest []*job) {
	locks := make(map[zkfs.Path]bool)
	size := 0
	rest = slices.DeleteFunc(waiting, func(j *job) bool {
		if locks[j.lock] || size+len(j.ops) > maxBatch {
			locks[j.lock] = true // what comes later for this lock stays behind it
			return false
		}
		locks[j.lock] = true
		size += len(j.ops)
		batch = append(batch, j)
		return true
	})
	return batch, rest
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
	b.join(j)
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
	}
	if b.withdraw(j) {
		return fmt.Errorf("%w: %w", zkfs.ErrUnavailable, context.Cause(ctx))
	}
	select {
	case <-j.done:
		return j.err
	default:
		return &pendingError{context.Cause(ctx), j.done}
	}
}

// fly sends a batch.
func (b *batcher) fly(batch []*job) {
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
