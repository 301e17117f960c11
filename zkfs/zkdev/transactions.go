package zkdev

import (
	"fmt"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// Flags of a create (CreateMode).
const (
	flagEphemeral     = 1
	flagSequential    = 2
	flagEphSequential = 3
	flagContainer     = 4
	flagTTL           = 5
	flagTTLSequential = 6

	maxTTL = 1<<40 - 1 // milliseconds (EphemeralType.TTL.maxValue), about 34 years
)

// A txn is one transaction: a request that changes the tree, or all of those in
// a multi. Changes are made at once, so that later operations of a multi see
// them; undo takes them back, and watch events wait for commit. The server
// gets the same effect with its list of outstanding changes
// (PrepRequestProcessor) before it touches the tree.
type txn struct {
	s       *Server
	c       *conn // who asks; nil for the server itself
	session int64
	zxid    int64
	now     int64
	undos   []func()
	events  []func()
	record  jute.Writer // for the journal, if there is one
	// created is the number of children ever created in a parent as this
	// transaction knows it. The tree's own number sticks at the end of int32
	// (see create), this one goes on below zero.
	created map[*node]int32
}

func (s *Server) begin(c *conn, session int64) *txn {
	s.zxid++
	return &txn{s: s, c: c, session: session, zxid: s.zxid, now: s.clock.Now().UnixMilli()}
}

func (t *txn) undo(f func()) { t.undos = append(t.undos, f) }

func (t *txn) rollback() {
	for i := len(t.undos) - 1; i >= 0; i-- {
		t.undos[i]()
	}
}

// commit writes the journal and fires the watches, in the order of the changes.
func (t *txn) commit() {
	t.s.journal.append(t)
	for _, f := range t.events {
		f()
	}
}

func (t *txn) ids() []zkfs.Identity {
	if t.c == nil {
		return nil
	}
	return t.c.ids
}

// A createOp is the request of create, create2, createContainer and createTTL.
type createOp struct {
	op    Op
	path  string
	data  []byte
	acl   zkfs.ACL
	flags int32
	ttl   int64
}

// create mirrors PrepRequestProcessor.pRequest2TxnCreate, check by check, and
// DataTree.createNode. What a znode becomes is decided by the type of the
// request, not by the flags: a plain create with the flag of a container makes
// a persistent znode.
func (t *txn) create(r createOp) (*node, Code) {
	if r.flags < 0 || r.flags > flagTTLSequential {
		return nil, BadArguments
	}
	isTTL := r.flags == flagTTL || r.flags == flagTTLSequential
	if isTTL && (r.ttl <= 0 || r.ttl > maxTTL) || !isTTL && r.ttl >= 0 {
		return nil, BadArguments
	}
	slash := strings.LastIndexByte(r.path, '/')
	if slash < 0 || strings.IndexByte(r.path, 0) >= 0 {
		return nil, BadArguments
	}
	acl, code := t.s.resolveACL(r.acl, t.ids())
	if code != OK {
		return nil, code
	}
	parent := t.s.tree.find(r.path[:slash])
	if parent == nil {
		return nil, NoNode
	}
	if !allowed(parent.acl, zkfs.Create, t.ids()) {
		return nil, NoAuth
	}
	created, known := t.created[parent]
	if !known {
		created = parent.cversion
	}
	path := r.path
	if r.flags == flagSequential || r.flags == flagEphSequential || r.flags == flagTTLSequential {
		path += fmt.Sprintf("%010d", created)
	}
	if !validPath(path) {
		return nil, BadArguments
	}
	if t.s.tree.find(path) != nil {
		return nil, NodeExists
	}
	if parent.kind == ephemeral {
		return nil, NoChildrenForEphemerals
	}

	n := &node{
		name: baseName(path), data: r.data, acl: acl,
		czxid: t.zxid, mzxid: t.zxid, pzxid: t.zxid, ctime: t.now, mtime: t.now,
	}
	switch {
	case r.op == OpCreateContainer:
		n.kind = container
	case r.op == OpCreateTTL:
		n.kind, n.owner = ttlNode, r.ttl
	case r.flags == flagEphemeral || r.flags == flagEphSequential:
		n.kind, n.owner = ephemeral, t.session
	}
	// After 2³¹−1 creations the next number is negative, and DataTree keeps
	// the larger one: the count sticks and pzxid moves no more. Outside of
	// a multi the same name comes again and exists already.
	oldVersion, oldPzxid := parent.cversion, parent.pzxid
	next := created + 1
	if t.created == nil {
		t.created = map[*node]int32{}
	}
	t.created[parent] = next
	if next > parent.cversion {
		parent.cversion, parent.pzxid = next, t.zxid
	}
	t.s.tree.add(parent, n)
	t.undo(func() {
		t.s.tree.remove(n)
		parent.cversion, parent.pzxid = oldVersion, oldPzxid
	})
	t.events = append(t.events, func() { t.s.watches.created(n, path) })
	t.put(parent)
	t.put(n)
	return n, OK
}

// delete mirrors the order of checks of PrepRequestProcessor: the parent first,
// so that without DELETE there nobody learns whether the znode exists.
func (t *txn) delete(path string, version int32) Code {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 || special(path) {
		return BadArguments
	}
	parent := t.s.tree.find(path[:slash])
	if parent == nil {
		return NoNode
	}
	if !allowed(parent.acl, zkfs.Delete, t.ids()) {
		return NoAuth
	}
	n := t.s.tree.find(path)
	switch {
	case n == nil:
		return NoNode
	case version != zkfs.AnyVersion && version != n.version:
		return BadVersion
	case n.children.size > 0:
		return NotEmpty
	}
	t.remove(n, path)
	return OK
}

// remove is DataTree.deleteNode, for requests and for what the server itself
// deletes.
func (t *txn) remove(n *node, path string) {
	parent := n.parent
	pzxid := parent.pzxid
	t.s.tree.remove(n)
	if t.zxid > parent.pzxid {
		parent.pzxid = t.zxid
	}
	t.undo(func() {
		t.s.tree.add(parent, n)
		parent.pzxid = pzxid
	})
	t.events = append(t.events, func() { t.s.watches.deleted(n, path) })
	t.gone(path)
	t.put(parent)
}

func (t *txn) setData(path string, data []byte, version int32) (*node, Code) {
	n, code := t.target(path, zkfs.Write)
	if code != OK {
		return nil, code
	}
	if version != zkfs.AnyVersion && version != n.version {
		return nil, BadVersion
	}
	old := *n
	t.s.tree.bytes += int64(len(data) - len(n.data))
	n.data, n.version, n.mzxid, n.mtime = data, n.version+1, t.zxid, t.now
	t.undo(func() {
		t.s.tree.bytes -= int64(len(data) - len(old.data))
		n.data, n.version, n.mzxid, n.mtime = old.data, old.version, old.mzxid, old.mtime
	})
	t.events = append(t.events, func() { t.s.watches.changed(n, path) })
	t.put(n)
	return n, OK
}

// setACL checks the new ACL before it looks for the znode, as the server does.
// It fires no watch and moves no zxid of the znode.
func (t *txn) setACL(path string, acl zkfs.ACL, aversion int32) (*node, Code) {
	if !validPath(path) {
		return nil, BadArguments
	}
	acl, code := t.s.resolveACL(acl, t.ids())
	if code != OK {
		return nil, code
	}
	n, code := t.target(path, zkfs.Admin)
	if code != OK {
		return nil, code
	}
	if aversion != zkfs.AnyVersion && aversion != n.aversion {
		return nil, BadVersion
	}
	n.acl = acl
	n.aversion++
	t.put(n)
	return n, OK
}

// check is CheckVersion: READ and the data version, nothing else.
func (t *txn) check(path string, version int32) Code {
	n, code := t.target(path, zkfs.Read)
	if code != OK {
		return code
	}
	if version != zkfs.AnyVersion && version != n.version {
		return BadVersion
	}
	return OK
}

func (t *txn) target(path string, want zkfs.Perms) (*node, Code) {
	if !validPath(path) {
		return nil, BadArguments
	}
	n := t.s.tree.find(path)
	if n == nil {
		return nil, NoNode
	}
	if !allowed(n.acl, want, t.ids()) {
		return nil, NoAuth
	}
	return n, OK
}

// validPath is PathUtils.validatePath, which zkfs.ParsePath mirrors.
func validPath(path string) bool {
	_, err := zkfs.ParsePath(path)
	return err == nil
}

func parentPath(path string) string { return string(zkfs.Path(path).Parent()) }

func baseName(path string) string { return zkfs.Path(path).Base() }
