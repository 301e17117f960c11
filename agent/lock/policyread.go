package lock

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
)

const (
	// maxReading is how many policies are read one by one before others wait to
	// be read together.
	maxReading = 4
	// maxPolicies is how many are read together.
	maxPolicies = 100
)

// A policyRead is one znode that is wanted with a watch.
type policyRead struct {
	path  zkfs.Path
	data  []byte
	stat  zkfs.Stat
	watch *zkconn.Watch // nil: it was not read, or has changed since
	done  chan struct{}
}

// A policyReader reads the znodes of locks for one session.
type policyReader struct {
	convoy[policyRead]
	zk    *zkconn.Session
	life  context.Context
	limit time.Duration // for the answer to a common read
}

func newPolicyReader(zk *zkconn.Session, life context.Context, work *sync.WaitGroup) *policyReader {
	r := &policyReader{zk: zk, life: life, limit: zk.Timeout()}
	r.convoy = convoy[policyRead]{most: maxReading, fly: r.fly, work: work, part: func(waiting []*policyRead) (batch, rest []*policyRead) {
		n := min(len(waiting), maxPolicies)
		return waiting[:n:n], waiting[n:]
	}}
	return r
}

// read is zkconn.Session.GetW, alone or together with others, or before that with
// the opening of the session.
func (r *policyReader) read(ctx context.Context, path zkfs.Path) ([]byte, zkfs.Stat, *zkconn.Watch, error) {
	if p := r.zk.Ahead(ctx, path); p != nil {
		return p.Node.Data, p.Node.Stat, p.W, nil
	}
	if r.alone() {
		defer r.landed()
		return r.zk.GetW(ctx, path)
	}
	j := &policyRead{path: path, done: make(chan struct{})}
	r.join(j)
	select {
	case <-j.done:
	case <-ctx.Done():
		if !r.withdraw(j) {
			r.work.Go(func() { // at the common read's own limit at the latest
				if <-j.done; j.watch != nil {
					j.watch.Stop()
				}
			})
		}
		return nil, zkfs.Stat{}, nil, fmt.Errorf("%w: %w", zkfs.ErrUnavailable, context.Cause(ctx))
	}
	if j.watch == nil {
		return r.zk.GetW(ctx, path) // which says what is the matter, if anything
	}
	return j.data, j.stat, j.watch, nil
}

// fly reads znodes together. What went wrong with one is for its caller to see,
// who reads it alone.
func (r *policyReader) fly(batch []*policyRead) {
	ctx, cancel := context.WithTimeout(r.life, r.limit)
	defer cancel()
	paths := make([]zkfs.Path, len(batch))
	for i, j := range batch {
		paths[i] = j.path
	}
	nodes, watches, err := r.zk.ReadW(ctx, paths)
	for i, j := range batch {
		if err == nil && watches[i] != nil && len(watches[i].C) == 0 {
			j.data, j.stat, j.watch = nodes[i].Data, nodes[i].Stat, watches[i]
		}
		close(j.done)
	}
}
