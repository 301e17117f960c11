package plan

import (
	"fmt"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A server numbers the children that were ever created below a znode, and hands
// out the last number again and again once it is reached. Only a new znode
// begins at 0; so a lock near the end of its sequence is deleted and created in
// one multi, when nobody holds it or waits. Whoever comes just then finds no
// lock, or the new one.

// rotates reports whether the lock is to be made anew.
func (o Options) rotates(w *want) bool {
	return w.kind() == layout.KindLock && slices.ContainsFunc(o.Rotate, func(a layout.Address) bool { return a.Covers(w.Address) })
}

// rotations finds addresses that name no declared lock.
func (d *differ) rotations() {
	for _, a := range d.o.Rotate {
		if !slices.ContainsFunc(d.l.Locks, func(k layout.Lock) bool { return a.Covers(k.Address) }) {
			d.problem(Problem{Summary: "No such lock", Address: a, Detail: fmt.Sprintf("%s names no declared lock that could be made anew.", a)})
		}
	}
}

// rotate adds the step that makes a lock anew, with whatever else changes.
func (d *differ) rotate(w *want, n zkfs.Node, s Step) {
	if n.Stat.NumChildren > 0 {
		d.held(w.Path, d.live.Holders[w.Path], func(reason BlockReason, holders []Holder, format string, args ...any) {
			d.blocked(w, reason, format, args...)
			d.e.Blocked[len(d.e.Blocked)-1].Holders = holders
		})
	}
	s.Actions, s.Reason = []Action{Rotate}, "made anew, its sequence begins again"
	s.OldData, s.ACL = n.Data, d.resolve(w)
	if n.ACL != nil {
		s.OldACL = n.ACL.Canonical()
	}
	s.Data = d.encode(w.record(d.l.Name, 0), w.Path, w.Pos)
	d.add(s)
}
