// Package survey finds out what in a live tree are locks, whoever made them, and
// returns them as a layout that can be written as HCL.
package survey

import (
	"context"
	"math"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Reader reads znodes; *zkconn.Session is one.
type Reader interface {
	Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error)
}

// own is where ZooKeeper keeps its own state.
const own = zkfs.Path("/zookeeper")

// A znode is a persistent znode with what is below it.
type znode struct {
	zkfs.Node
	record     layout.Record
	recordErr  error    // of layout.ParseRecord
	children   []*znode // persistent, by name
	ephemerals []string // names, sorted
}

// A Tree is a part of a live tree as it was read. Ledgers, with what is in
// them, and what is ZooKeeper's own are not part of it.
type Tree struct{ root *znode }

// Read reads the tree at root. A root that does not exist is zkfs.ErrNoNode.
func Read(ctx context.Context, r Reader, root zkfs.Path) (*Tree, error) {
	return read(ctx, r, root, math.MaxInt)
}

// ReadOne reads the znode at root with its children, for One.
func ReadOne(ctx context.Context, r Reader, root zkfs.Path) (*Tree, error) {
	return read(ctx, r, root, 1)
}

// read reads as many levels below root.
func read(ctx context.Context, r Reader, root zkfs.Path, levels int) (*Tree, error) {
	level, err := readLevel(ctx, r, []zkfs.Path{root})
	if err != nil {
		return nil, err
	}
	if len(level) == 0 {
		return nil, &zkfs.OpError{Op: "getData", Path: root, Err: zkfs.ErrNoNode}
	}
	t := &Tree{root: level[0]}
	for ; len(level) > 0 && levels > 0; levels-- {
		parents := map[zkfs.Path]*znode{}
		var below []zkfs.Path
		for _, n := range level {
			parents[n.Path] = n
			for _, name := range n.Children {
				if p := n.Path.Join(name); p != own && n.Stat.EphemeralOwner == 0 {
					below = append(below, p)
				}
			}
		}
		if level, err = readLevel(ctx, r, below); err != nil {
			return nil, err
		}
		level = slices.DeleteFunc(level, func(n *znode) bool {
			parent := parents[n.Path.Parent()]
			if n.Stat.EphemeralOwner != 0 {
				parent.ephemerals = append(parent.ephemerals, n.Path.Base())
				return true
			}
			if n.recordErr == nil && n.record.Kind == layout.KindLedger {
				return true
			}
			parent.children = append(parent.children, n)
			return false
		})
	}
	return t, nil
}

// readLevel reads znodes that exist: the data of all, ACL and children of the
// persistent ones.
func readLevel(ctx context.Context, r Reader, paths []zkfs.Path) ([]*znode, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	slices.Sort(paths)
	nodes, err := r.Read(ctx, zkfs.PartData, paths)
	if err != nil {
		return nil, err
	}
	var level []*znode
	var persistent []zkfs.Path
	for _, n := range nodes {
		if n.Absent {
			continue // it went meanwhile
		}
		z := &znode{Node: n}
		z.record, z.recordErr = layout.ParseRecord(n.Data)
		level = append(level, z)
		if n.Stat.EphemeralOwner == 0 {
			persistent = append(persistent, n.Path)
		}
	}
	if nodes, err = r.Read(ctx, zkfs.PartACL|zkfs.PartChildren, persistent); err != nil {
		return nil, err
	}
	more := make(map[zkfs.Path]zkfs.Node, len(nodes))
	for _, n := range nodes {
		more[n.Path] = n
	}
	for _, z := range level {
		n := more[z.Path]
		z.ACL, z.Children, z.Denied = n.ACL, n.Children, z.Denied|n.Denied
	}
	return level, nil
}
