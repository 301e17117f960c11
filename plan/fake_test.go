package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A fakeTree is a tree in memory with the server's rules, as far as a planner
// meets them. Several fakeTargets may share one.
type fakeTree struct {
	mu    sync.Mutex
	zxid  int64
	nodes map[zkfs.Path]*fakeNode
}

type fakeNode struct {
	data []byte
	acl  zkfs.ACL
	stat zkfs.Stat
}

func newTree() *fakeTree {
	return &fakeTree{nodes: map[zkfs.Path]*fakeNode{zkfs.Root: {acl: zkfs.Open()}}}
}

// A fakeTarget is a session with a fakeTree.
type fakeTarget struct {
	tree  *fakeTree
	ids   []zkfs.Identity
	super bool // no ACL stops it

	// before is called before each request that could write, with its number
	// from 1; an error that it returns is the answer. When it returns lost, the
	// request is carried out and the error is the answer all the same.
	before func(n int) (err error, lost bool)
	writes int
	dead   error // every request fails with it
	deaf   error // every read fails with it
	reads  int   // znodes read
	acls   int   // ACLs read
	lists  int   // child lists read
}

func (t *fakeTree) session(ids ...zkfs.Identity) *fakeTarget {
	return &fakeTarget{tree: t, ids: ids}
}

func (t *fakeTarget) Identities() []zkfs.Identity { return t.ids }

func (t *fakeTarget) Sync(ctx context.Context, path zkfs.Path) error {
	if t.deaf != nil {
		return t.deaf
	}
	return t.alive(ctx)
}

func (t *fakeTarget) alive(ctx context.Context) error {
	if t.dead != nil {
		return t.dead
	}
	return ctx.Err()
}

func (t *fakeTarget) may(n *fakeNode, p zkfs.Perms) bool {
	return t.super || n.acl.Grants(t.ids...)&p == p
}

func (t *fakeTree) children(p zkfs.Path) []string {
	names := []string{}
	for q := range t.nodes {
		if q != zkfs.Root && q.Parent() == p {
			names = append(names, q.Base())
		}
	}
	slices.Sort(names)
	return names
}

func (t *fakeTarget) Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	if err := t.Sync(ctx, zkfs.Root); err != nil {
		return nil, err
	}
	t.tree.mu.Lock()
	defer t.tree.mu.Unlock()
	nodes := make([]zkfs.Node, len(paths))
	for i, p := range paths {
		n, ok := t.tree.nodes[p]
		if !ok {
			nodes[i] = zkfs.Node{Path: p, Absent: true}
			continue
		}
		t.reads++
		node := zkfs.Node{Path: p, Stat: n.stat}
		if parts&zkfs.PartData != 0 {
			if t.may(n, zkfs.Read) {
				node.Data = slices.Clone(n.data)
			} else {
				node.Denied |= zkfs.PartData
			}
		}
		if parts&zkfs.PartChildren != 0 {
			t.lists++
			node.Children = t.tree.children(p)
		}
		if parts&zkfs.PartACL != 0 {
			t.acls++
			switch {
			case t.may(n, zkfs.Admin):
				node.ACL = slices.Clone(n.acl)
			case t.may(n, zkfs.Read):
				node.ACL = masked(n.acl)
			default:
				node.Denied |= zkfs.PartACL
			}
		}
		nodes[i] = node
	}
	return nodes, nil
}

// masked returns the ACL as the server shows it to a reader without ADMIN.
func masked(acl zkfs.ACL) zkfs.ACL {
	m := slices.Clone(acl)
	for i, e := range m {
		if user, _, ok := strings.Cut(e.ID, ":"); ok && e.Scheme == "digest" {
			m[i].ID = user + ":x"
		}
	}
	return m
}

// write counts a request and asks the hook.
func (t *fakeTarget) write(ctx context.Context, do func() error) error {
	if err := t.alive(ctx); err != nil {
		return err
	}
	t.writes++
	if t.before != nil {
		if err, lost := t.before(t.writes); err != nil {
			if lost {
				t.tree.mu.Lock()
				_ = do()
				t.tree.mu.Unlock()
			}
			return err
		}
	}
	t.tree.mu.Lock()
	defer t.tree.mu.Unlock()
	return do()
}

func (t *fakeTarget) SetACL(ctx context.Context, path zkfs.Path, acl zkfs.ACL, aversion int32) (zkfs.Stat, error) {
	var stat zkfs.Stat
	err := t.write(ctx, func() error {
		n, ok := t.tree.nodes[path]
		switch {
		case !ok:
			return &zkfs.OpError{Op: "setACL", Path: path, Err: zkfs.ErrNoNode}
		case !t.may(n, zkfs.Admin):
			return &zkfs.OpError{Op: "setACL", Path: path, Err: zkfs.ErrNoAuth}
		case aversion != zkfs.AnyVersion && aversion != n.stat.Aversion:
			return &zkfs.OpError{Op: "setACL", Path: path, Err: zkfs.ErrBadVersion}
		}
		t.tree.zxid++
		n.acl = acl.Canonical()
		n.stat.Aversion++
		stat = n.stat
		return nil
	})
	return stat, err
}

// SendMulti carries the multi out at once: a quick server.
func (t *fakeTarget) SendMulti(ctx context.Context, ops []zkfs.Op) func() ([]zkfs.Result, error) {
	results, err := t.Multi(ctx, ops)
	return func() ([]zkfs.Result, error) { return results, err }
}

func (t *fakeTarget) Multi(ctx context.Context, ops []zkfs.Op) ([]zkfs.Result, error) {
	var results []zkfs.Result
	err := t.write(ctx, func() error {
		saved := make(map[zkfs.Path]*fakeNode, len(t.tree.nodes))
		maps.Copy(saved, t.tree.nodes)
		zxid := t.tree.zxid
		t.tree.zxid++
		for i, op := range ops {
			r, err := t.op(op)
			if err != nil {
				t.tree.nodes, t.tree.zxid = saved, zxid
				return &zkfs.MultiError{Index: i, Op: op, Err: err}
			}
			results = append(results, r)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// change returns a copy of a node to be changed, so that a failed multi can put
// the old ones back.
func (t *fakeTree) change(p zkfs.Path) *fakeNode {
	n := *t.nodes[p]
	t.nodes[p] = &n
	return &n
}

func (t *fakeTarget) op(op zkfs.Op) (zkfs.Result, error) {
	tree := t.tree
	n, ok := tree.nodes[op.Path]
	parent := tree.nodes[op.Path.Parent()]
	version := func() error {
		if op.Version != zkfs.AnyVersion && op.Version != n.stat.Version {
			return zkfs.ErrBadVersion
		}
		return nil
	}
	r := zkfs.Result{Path: op.Path, Zxid: tree.zxid}
	switch op.Kind {
	case zkfs.OpCreate:
		switch {
		case parent == nil:
			return r, zkfs.ErrNoNode
		case parent.stat.EphemeralOwner != 0:
			return r, zkfs.ErrEphemeralChildren
		case !t.may(parent, zkfs.Create):
			return r, zkfs.ErrNoAuth
		case ok:
			return r, zkfs.ErrNodeExists
		case len(op.ACL) == 0:
			return r, zkfs.ErrInvalidACL
		}
		node := &fakeNode{data: op.Data, acl: op.ACL.Canonical()}
		node.stat.Czxid, node.stat.Mzxid = tree.zxid, tree.zxid
		if op.Mode == zkfs.Ephemeral {
			node.stat.EphemeralOwner = 1
		}
		tree.nodes[op.Path] = node
		p := tree.change(op.Path.Parent())
		p.stat.NumChildren++
		p.stat.Cversion++
	case zkfs.OpSet:
		switch {
		case !ok:
			return r, zkfs.ErrNoNode
		case !t.may(n, zkfs.Write):
			return r, zkfs.ErrNoAuth
		}
		if err := version(); err != nil {
			return r, err
		}
		n = tree.change(op.Path)
		n.data = op.Data
		n.stat.Version++
		n.stat.Mzxid = tree.zxid
		r.Stat = n.stat
	case zkfs.OpDelete:
		switch {
		case !ok:
			return r, zkfs.ErrNoNode
		case !t.may(parent, zkfs.Delete):
			return r, zkfs.ErrNoAuth
		}
		if err := version(); err != nil {
			return r, err
		}
		if n.stat.NumChildren > 0 {
			return r, zkfs.ErrNotEmpty
		}
		delete(tree.nodes, op.Path)
		p := tree.change(op.Path.Parent())
		p.stat.NumChildren--
		p.stat.Cversion++
	case zkfs.OpCheck:
		switch {
		case !ok:
			return r, zkfs.ErrNoNode
		case !t.may(n, zkfs.Read):
			return r, zkfs.ErrNoAuth
		}
		if err := version(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// put creates or overwrites a znode as a stranger would, parents included.
func (t *fakeTree) put(path zkfs.Path, data string, acl zkfs.ACL) {
	s := t.session()
	for _, p := range append(path.Ancestors(), path) {
		if _, ok := t.nodes[p]; !ok {
			t.force(s, zkfs.Op{Kind: zkfs.OpCreate, Path: p, ACL: zkfs.Open()})
		}
	}
	t.force(s, zkfs.Op{Kind: zkfs.OpSet, Path: path, Data: []byte(data), Version: zkfs.AnyVersion})
	if acl != nil {
		n := t.change(path)
		n.acl = acl.Canonical()
	}
}

// force carries an operation out whatever the ACLs say.
func (t *fakeTree) force(s *fakeTarget, op zkfs.Op) {
	saved := make(map[zkfs.Path]zkfs.ACL)
	for p, n := range t.nodes {
		saved[p] = n.acl
		n.acl = zkfs.Open()
	}
	if _, err := s.Multi(context.Background(), []zkfs.Op{op}); err != nil {
		panic(err)
	}
	for p, n := range t.nodes {
		if acl, ok := saved[p]; ok {
			n.acl = acl
		}
	}
}

// setACL changes an ACL as a stranger with all rights would.
func (t *fakeTree) setACL(path zkfs.Path, acl zkfs.ACL) {
	t.zxid++
	n := t.change(path)
	n.acl = acl.Canonical()
	n.stat.Aversion++
}

// remove deletes a znode whatever the ACLs say.
func (t *fakeTree) remove(path zkfs.Path) {
	t.force(t.session(), zkfs.Op{Kind: zkfs.OpDelete, Path: path, Version: zkfs.AnyVersion})
}

// dump returns every znode outside of the ledger with data, ACL and versions.
func (t *fakeTree) dump(withVersions bool) string {
	var lines []string
	for p, n := range t.nodes {
		if zkfs.Path("/lockform").Contains(p) {
			continue
		}
		line := fmt.Sprintf("%s %q %s", p, n.data, n.acl.Canonical())
		if withVersions {
			line += fmt.Sprintf(" %d %d %d %d", n.stat.Czxid, n.stat.Mzxid, n.stat.Version, n.stat.Aversion)
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A fakeLock is an apply lock that is held until it is lost.
type fakeLock struct {
	node zkfs.Path
	ctx  context.Context
	lose context.CancelCauseFunc
}

func (l *fakeLock) Node() zkfs.Path          { return l.node }
func (l *fakeLock) Context() context.Context { return l.ctx }
func (l *fakeLock) Deadline() time.Time      { return time.Now().Add(time.Hour) }

// lock makes the contender of an apply lock.
func (t *fakeTree) lock(apply zkfs.Path, n int) *fakeLock {
	node := apply.Join(fmt.Sprintf("_c_00000000-0000-0000-0000-%012d-lock-%010d", n, n))
	t.force(t.session(), zkfs.Op{Kind: zkfs.OpCreate, Path: node, ACL: zkfs.Open(), Mode: zkfs.Ephemeral})
	ctx, cancel := context.WithCancelCause(context.Background())
	return &fakeLock{node, ctx, cancel}
}

// release removes it.
func (t *fakeTree) release(l *fakeLock) {
	if _, ok := t.nodes[l.node]; ok {
		t.remove(l.node)
	}
}
