package zkdev

import (
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/lockform/lockform/zkfs"
)

// A nodeKind is what the server encodes in the owner of a znode
// (EphemeralType). Only an ephemeral's owner is shown to clients.
type nodeKind uint8

const (
	persistent nodeKind = iota
	ephemeral
	container
	ttlNode
)

// A node is one znode (DataNode and StatPersisted).
type node struct {
	name     string
	parent   *node // nil for the root
	children childSet
	data     []byte // nil and empty differ, as on the wire
	acl      zkfs.ACL
	kind     nodeKind
	owner    int64 // the session of an ephemeral; the milliseconds of a TTL node

	czxid, mzxid, pzxid int64
	ctime, mtime        int64 // milliseconds since 1970
	version, aversion   int32
	// cversion is the number of children ever created. Clients are shown the
	// number of changes instead: each creation but those of the children that
	// still exist was followed by one deletion.
	cversion int32

	hash uint32 // of name
	next *node  // the neighbour in the parent's childSet
}

func (n *node) stat() stat {
	st := stat{
		czxid: n.czxid, mzxid: n.mzxid, ctime: n.ctime, mtime: n.mtime,
		version: n.version, cversion: n.cversion*2 - int32(n.children.size), aversion: n.aversion,
		dataLength: int32(len(n.data)), numChildren: int32(n.children.size), pzxid: n.pzxid,
	}
	if n.kind == ephemeral {
		st.owner = n.owner
	}
	return st
}

func (n *node) path() string {
	if n.parent == nil {
		return "/"
	}
	var names []string
	for m := n; m.parent != nil; m = m.parent {
		names = append(names, m.name)
	}
	slices.Reverse(names)
	return "/" + strings.Join(names, "/")
}

// A tree is all znodes, with an index of those that go away by themselves
// (DataTree).
type tree struct {
	root       *node
	size       int // znodes, without the root
	bytes      int64
	ephemerals map[int64]map[*node]struct{} // by session
	mortal     map[*node]struct{}           // containers and TTL nodes
}

func newTree() *tree {
	t := &tree{
		root:       &node{acl: zkfs.Open(), data: []byte{}},
		ephemerals: map[int64]map[*node]struct{}{},
		mortal:     map[*node]struct{}{},
	}
	// The znodes that every server starts with. Their parents' cversions do
	// not count them (DataTree's constructor): a fresh root shows -1.
	proc := t.add(t.root, &node{name: "zookeeper", acl: zkfs.Open(), data: []byte{}})
	t.add(proc, &node{name: "quota", acl: zkfs.Open(), data: []byte{}})
	t.add(proc, &node{name: "config", acl: zkfs.ReadOnly(), data: []byte{}, aversion: -1})
	return t
}

// special tells the znodes that cannot be deleted (DataTree.isSpecialPath).
func special(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

// find returns the znode at path, or nil. The root has two names, "/" and ""
// (what is left of "/a" without its last element).
func (t *tree) find(path string) *node {
	if path == "" || path == "/" {
		return t.root
	}
	if path[0] != '/' {
		return nil
	}
	n := t.root
	for rest := path[1:]; ; {
		name, more, found := strings.Cut(rest, "/")
		if n = n.children.find(name); n == nil || !found {
			return n
		}
		rest = more
	}
}

// add puts n below parent and into the indexes.
func (t *tree) add(parent, n *node) *node {
	n.parent = parent
	parent.children.add(n)
	t.size++
	t.bytes += int64(len(n.name) + len(n.data))
	switch n.kind {
	case ephemeral:
		owned := t.ephemerals[n.owner]
		if owned == nil {
			owned = map[*node]struct{}{}
			t.ephemerals[n.owner] = owned
		}
		owned[n] = struct{}{}
	case container, ttlNode:
		t.mortal[n] = struct{}{}
	}
	return n
}

// remove takes n out of its parent and out of the indexes.
func (t *tree) remove(n *node) {
	n.parent.children.remove(n)
	t.size--
	t.bytes -= int64(len(n.name) + len(n.data))
	switch n.kind {
	case ephemeral:
		owned := t.ephemerals[n.owner]
		delete(owned, n)
		if len(owned) == 0 {
			delete(t.ephemerals, n.owner)
		}
	case container, ttlNode:
		delete(t.mortal, n)
	}
}

// owned returns the ephemerals of a session, oldest first.
func (t *tree) owned(session int64) []*node {
	return inOrder(t.ephemerals[session])
}

// inOrder sorts znodes by age, then path, so that what is done to many of them
// happens in the same order in every run.
func inOrder(set map[*node]struct{}) []*node {
	all := make([]*node, 0, len(set))
	for n := range set {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b *node) int {
		if a.czxid != b.czxid {
			if a.czxid < b.czxid {
				return -1
			}
			return 1
		}
		return strings.Compare(a.path(), b.path())
	})
	return all
}

// below returns the number of znodes below n.
func (n *node) below() int {
	total := 0
	n.children.each(func(c *node) { total += 1 + c.below() })
	return total
}

// A childSet holds the children of a znode in the order of Java's
// HashSet<String>: getChildren answers in that order, which looks like none.
// A program that counts on sorted names fails here as it would on a server.
type childSet struct {
	table []*node
	size  int
}

// hashName is String.hashCode, spread as HashMap does it.
func hashName(s string) uint32 {
	var h uint32
	for i := range len(s) {
		if s[i] >= 0x80 {
			h = 0
			for _, u := range utf16.Encode([]rune(s)) {
				h = 31*h + uint32(u)
			}
			break
		}
		h = 31*h + uint32(s[i])
	}
	return h ^ h>>16
}

func (c *childSet) find(name string) *node {
	if c.size == 0 {
		return nil
	}
	h := hashName(name)
	for n := c.table[h&uint32(len(c.table)-1)]; n != nil; n = n.next {
		if n.hash == h && n.name == name {
			return n
		}
	}
	return nil
}

func (c *childSet) add(n *node) {
	if c.table == nil {
		c.table = make([]*node, 8) // DataNode.addChild: new HashSet<>(8)
	}
	n.hash, n.next = hashName(n.name), nil
	c.link(n)
	c.size++
	if c.size > len(c.table)/4*3 {
		old := c.table
		c.table = make([]*node, 2*len(old))
		for _, n := range old {
			for n != nil {
				next := n.next
				n.next = nil
				c.link(n)
				n = next
			}
		}
	}
}

func (c *childSet) link(n *node) {
	at := &c.table[n.hash&uint32(len(c.table)-1)]
	for *at != nil {
		at = &(*at).next
	}
	*at = n
}

func (c *childSet) remove(n *node) {
	at := &c.table[n.hash&uint32(len(c.table)-1)]
	for *at != n {
		at = &(*at).next
	}
	*at, n.next = n.next, nil
	c.size--
}

func (c *childSet) each(f func(*node)) {
	for _, n := range c.table {
		for ; n != nil; n = n.next {
			f(n)
		}
	}
}

func (c *childSet) names() []string {
	all := make([]string, 0, c.size)
	c.each(func(n *node) { all = append(all, n.name) })
	return all
}
