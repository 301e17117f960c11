package lock

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/recipe"
)

// join creates the contender and returns the children of the lock as they were
// at that time or later; none when the reply to the create showed that it is
// alone. A create whose reply was lost is looked for by its
// GUID before it is sent again.
func (cl *claim) join(ctx context.Context) (children []string, err error) {
	cl.mu.Lock()
	p := cl.policy
	cl.mu.Unlock()
	r, err := recipeOf(p, cl.shared)
	if err != nil {
		return nil, err
	}
	prefixes, err := r.Prefixes(cl.guid, cl.shared)
	if err != nil {
		return nil, err
	}
	acl, private := cl.s.contenderACL(p)
	signals := signalling(p, private)
	data := recipe.Data{
		Host: cl.c.cfg.Host, PID: cl.c.cfg.PID, ID: cl.guid, Owner: cl.owner, Mode: cl.mode, Since: cl.since, Signals: signals,
	}.Encode()
	cl.mu.Lock()
	cl.recipe, cl.prefixes, cl.acl, cl.private, cl.data, cl.signals = r, prefixes, acl, private, data, signals
	cl.mu.Unlock()
	for {
		children, err = cl.create(ctx, prefixes, data, acl)
		if err == nil {
			return children, nil
		}
		if refused(err) {
			break
		}
		cl.mu.Lock()
		cl.uncertain = true
		if p := (*pendingError)(nil); errors.As(err, &p) {
			cl.pending = p.done
		}
		cl.mu.Unlock()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !errors.Is(err, zkfs.ErrOutcomeUnknown) {
			break
		}
		own, ferr := cl.find(ctx)
		if ferr != nil {
			return nil, ferr
		}
		if len(own) >= len(prefixes) {
			cl.made(own[:len(prefixes)])
			return cl.list(ctx)
		}
		if len(own) > 0 {
			// All were made at once. Another set would stand behind this rest.
			return nil, ErrRemoved
		}
	}
	switch {
	case errors.Is(err, zkfs.ErrNoNode):
		return nil, fmt.Errorf("%w (there is no such znode)", ErrNotDeclared)
	case errors.Is(err, zkfs.ErrNodeExists):
		// A sequential name that is taken is the last one there is.
		return nil, ErrSequenceEnd
	case errors.Is(err, zkfs.ErrNoAuth):
		return nil, fmt.Errorf("no contender may be created below it: %w", denied(err))
	}
	return nil, err
}

// refused reports whether an error of a create says that nothing was made.
func refused(err error) bool {
	for _, sure := range []error{zkfs.ErrNoNode, zkfs.ErrNodeExists, zkfs.ErrNoAuth, zkfs.ErrUnavailable, zkfs.ErrInvalidACL,
		zkfs.ErrEphemeralChildren, zkfs.ErrBadArguments, zkfs.ErrTooLarge, zkfs.ErrReadOnly} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return false
}

// create makes the nodes and lists the children. The error is that of the
// create; a listing that failed is made again.
func (cl *claim) create(ctx context.Context, prefixes []string, data []byte, acl zkfs.ACL) ([]string, error) {
	e := cl.expect()
	if e.home == nil && len(prefixes) == 1 && cl.s.batcher.alone() {
		// With time to spare, the listing goes out with the create.
		res, children, err := cl.s.CreateList(ctx, cl.path.Join(prefixes[0]), data, acl, zkfs.EphemeralSequential)
		cl.s.batcher.landed()
		if res.Path == "" {
			return nil, err
		}
		cl.made([]found{{res.Path, res.Zxid}})
		if err != nil {
			return cl.list(ctx)
		}
		return children, nil
	}
	ops := make([]zkfs.Op, len(prefixes))
	for i, prefix := range prefixes {
		ops[i] = zkfs.Op{Kind: zkfs.OpCreate, Path: cl.path.Join(prefix), Data: data, ACL: acl, Mode: zkfs.EphemeralSequential}
	}
	j := &job{lock: cl.path, ops: ops, list: e.home == nil}
	if err := cl.s.batcher.do(ctx, j); err != nil {
		return nil, err
	}
	nodes := make([]found, len(j.results))
	for i, res := range j.results {
		nodes[i] = found{res.Path, res.Zxid}
	}
	cl.made(nodes)
	if e.met(cl) {
		cl.mine, cl.again = true, e.again
		return nil, nil
	}
	if j.names != nil {
		return j.names, nil
	}
	return cl.list(ctx)
}

// made records the nodes of the contender.
func (cl *claim) made(nodes []found) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.nodes = nil
	for _, n := range nodes {
		cl.nodes = append(cl.nodes, n.path)
	}
	cl.token = nodes[0].czxid
	cl.sequence, _ = strconv.ParseInt(strings.TrimPrefix(nodes[0].path.Base(), cl.prefixes[0]), 10, 64)
}

// list reads the children of the lock.
func (cl *claim) list(ctx context.Context) ([]string, error) {
	children, _, err := cl.s.Children(ctx, cl.path)
	if errors.Is(err, zkfs.ErrNoNode) {
		return nil, ErrGone
	}
	return children, err
}
