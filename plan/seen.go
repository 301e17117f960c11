package plan

import (
	"iter"

	"github.com/lockform/lockform/zkfs"
)

// A seen is what was read of a tree, by path. Most of a large one are declared
// locks that stand there as they are recorded: of these it keeps what no record
// says, and makes the rest again where it is asked for.
type seen struct {
	name  string // of the layout
	wants []*want
	index map[zkfs.Path]int32 // into wants
	rest  map[zkfs.Path]zkfs.Node
}

func newSeen(name string, wants []*want) seen {
	v := seen{name: name, wants: wants, index: make(map[zkfs.Path]int32, len(wants)), rest: make(map[zkfs.Path]zkfs.Node)}
	for i, w := range wants {
		v.index[w.Path] = int32(i)
	}
	return v
}

// state says what is known of the znode of a want.
type state uint8

const (
	unread   state = iota
	absent         // there was none
	recorded       // it was there, and its data are the want's record
	read           // as node has it
)

// want returns the declared znode at a path, or nil.
func (v *seen) want(p zkfs.Path) *want {
	if i, ok := v.index[p]; ok {
		return v.wants[i]
	}
	return nil
}

// node returns a znode as it was read, and false when it was not. Of a recorded
// one the Stat has what plans are made by, and no more.
func (v *seen) node(p zkfs.Path) (zkfs.Node, bool) {
	n, ok := v.peek(p)
	if w := v.want(p); w != nil && w.state == recorded {
		n.Data, _ = w.record(v.name, w.aversion).Encode() // that is what was read
	}
	return n, ok
}

// peek is node without the data of recorded znodes.
func (v *seen) peek(p zkfs.Path) (zkfs.Node, bool) {
	w := v.want(p)
	if w == nil {
		n, ok := v.rest[p]
		return n, ok
	}
	switch w.state {
	case absent:
		return zkfs.Node{Path: p, Absent: true}, true
	case recorded:
		return zkfs.Node{Path: w.Path, Stat: zkfs.Stat{
			Czxid: w.czxid, Version: w.version, Aversion: w.aversion, NumChildren: w.children,
		}}, true
	case read:
		return *w.node, true
	}
	return zkfs.Node{}, false
}

// put keeps a znode as it was read.
func (v *seen) put(n zkfs.Node) {
	w := v.want(n.Path)
	switch {
	case w == nil:
		v.rest[n.Path] = n
	case n.Absent:
		w.state, w.node = absent, nil
	default:
		w.state, w.node = read, &n
	}
}

// settle keeps a znode, as recorded when its data are the record of the want, by
// the layout's name, and nothing else is to be remembered. It may be called
// for several wants at once.
func (w *want) settle(n zkfs.Node, name string) {
	switch {
	case n.Absent:
		w.state = absent
	case n.Denied == 0 && n.ACL == nil && n.Children == nil && n.Stat.EphemeralOwner == 0 && w.isRecord(name, n.Stat.Aversion, n.Data):
		w.state = recorded
		w.czxid, w.version, w.aversion, w.children = n.Stat.Czxid, n.Stat.Version, n.Stat.Aversion, n.Stat.NumChildren
	default:
		w.state, w.node = read, &n
	}
}

// paths returns the paths of all that exist, in no order.
func (v *seen) paths() iter.Seq[zkfs.Path] {
	return func(yield func(zkfs.Path) bool) {
		for _, w := range v.wants {
			if w.state > absent && !yield(w.Path) {
				return
			}
		}
		for p, n := range v.rest {
			if !n.Absent && !yield(p) {
				return
			}
		}
	}
}
