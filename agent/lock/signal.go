package lock

import (
	"context"
	"errors"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// The handoff by signal: a contender that holds exclusively, and so has nobody
// below it, is released by one transaction that sets its data and deletes it.
// The watch of the waiter behind it fires as "changed" then, not as "deleted",
// and says: everyone lower is gone, the lock is yours. A waiter that hears it
// needs no listing, whose reply grows with the queue. Other clients see a
// deletion and list as they always do.
//
// It is safe only as far as nobody but the holder can make such an event, and
// the event is of the node that was looked at: that is what the conditions in
// this file are for.

// signalling reports whether a contender of this policy releases by signal. Its
// nodes must be writable by its session alone.
func signalling(p layout.Policy, private bool) bool {
	return private && !p.Revocable && p.Mode == layout.Exclusive && (p.Recipe == layout.Curator || p.Recipe == layout.Kazoo)
}

// mayBelieve reports whether a change of the data of the one before us says
// that the lock is ours: it says that it signals, and its ACL shows that nobody
// else can write to it or could open it to others.
func (cl *claim) mayBelieve(ctx context.Context, a ahead) (bool, error) {
	cl.mu.Lock()
	own := signalling(cl.policy, cl.private)
	cl.mu.Unlock()
	if !own || cl.opts.AllowForeign || !a.contender.Lockform || !a.contender.Signals || a.contender.Mode != "exclusive" {
		return false, nil
	}
	acl, stat, err := cl.s.GetACL(ctx, a.contender.Node)
	switch {
	case errors.Is(err, zkfs.ErrNoNode), errors.Is(err, zkfs.ErrNoAuth):
		return false, nil
	case err != nil:
		return false, err
	}
	// The watch is of this node if the node is the one that was read, and its
	// data have not changed since.
	if stat.Czxid != a.contender.Token || stat.Version != 0 || stat.Aversion != 0 {
		return false, nil
	}
	return soleWriter(acl), nil
}

// soleWriter reports whether a session's own credential alone may write.
func soleWriter(acl zkfs.ACL) bool {
	writers := 0
	for _, e := range acl.Canonical() {
		if e.Perms&(zkfs.Write|zkfs.Admin) == 0 {
			continue
		}
		writers++
		if e.Scheme != "digest" || !strings.HasPrefix(e.ID, credentialPrefix) {
			return false
		}
	}
	return writers == 1
}

// passed reports whether the event of the one before us passes the lock on to
// us. After a reconnection it does not: the server then compares with what the
// node was, which may be another one made anew. Nor does it when something has
// happened to our own node, of which the same connection told us before.
func (cl *claim) passed(a ahead, e zkconn.Event) bool {
	if !a.signals || e.Type != zkconn.Changed || e.Epoch != a.watch.Epoch || cl.ctx.Err() != nil {
		return false
	}
	return len(cl.ownWatch.C) == 0
}

// signal gives up a hold by signal. False means that the plain way remains to be gone: another kind of
// leaving, or a transaction that was refused or whose outcome is not known.
func (cl *claim) signal(ctx context.Context) bool {
	cl.mu.Lock()
	nodes, data, may := cl.nodes, cl.data, cl.held && cl.state == Released && cl.signals && cl.around == nil &&
		!cl.uncertain && len(cl.nodes) == 1 && signalling(cl.policy, cl.private)
	cl.mu.Unlock()
	if !may {
		return false
	}
	epoch := cl.s.Epoch()
	err := cl.s.batcher.do(ctx, &job{lock: cl.path, ops: []zkfs.Op{
		{Kind: zkfs.OpSet, Path: nodes[0], Data: data, Version: 0},
		{Kind: zkfs.OpDelete, Path: nodes[0], Version: 1},
	}})
	if err == nil && cl.home != nil && cl.s.Epoch() == epoch {
		cl.home.left(cl.sequence, epoch)
	}
	return err == nil || errors.Is(err, zkfs.ErrNoNode)
}
