package lock

import (
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

// believes reports whether a waiter may take the lock over by signal, if the one
// before it passes it on so.
func (cl *claim) believes() bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return signalling(cl.policy, cl.private) && !cl.opts.AllowForeign
}

// mayBelieve reports whether a change of the data of the one before us says
// that the lock is ours: it says that it signals, and its ACL, read after it,
// shows that nobody else can write to it or could open it to others.
func mayBelieve(c Contender, acl *zkconn.Peek) (bool, error) {
	switch {
	case errors.Is(acl.Err, zkfs.ErrNoNode), errors.Is(acl.Err, zkfs.ErrNoAuth):
		return false, nil
	case acl.Err != nil:
		return false, acl.Err
	}
	// The watch is of this node if the node is the one that was read, and its
	// data have not changed since.
	stat := acl.Node.Stat
	return c.Lockform && c.Signals && c.Mode == "exclusive" &&
		stat.Czxid == c.Token && stat.Version == 0 && stat.Aversion == 0 && soleWriter(acl.Node.ACL), nil
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

// bySignal reports whether a hold is released by signal, whatever kind of leaving
// it is. A brief one of a lock that is taken again and again is not: most likely
// nobody waits, and for nobody a deletion does, which costs less. Whoever does
// wait lists once, and signals.
func (cl *claim) bySignal(brief bool) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.held && cl.state == Released && cl.signals && cl.around == nil && !(cl.again && brief) &&
		!cl.uncertain && len(cl.nodes) == 1 && signalling(cl.policy, cl.private)
}

// signal is the transaction that gives a hold up by signal.
func (cl *claim) signal() []zkfs.Op {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return []zkfs.Op{
		{Kind: zkfs.OpSet, Path: cl.nodes[0], Version: 0},
		{Kind: zkfs.OpDelete, Path: cl.nodes[0], Version: 1},
	}
}
