package layout

import "github.com/lockform/lockform/zkfs"

// A Moved says that what was recorded under one address now has another. Only
// the record changes: ZooKeeper has no rename.
type Moved struct {
	From, To Address // without a key: all instances; a namespace includes what is inside
	Pos      Pos
}

// Apply returns the address that a has after the move, and false when the move
// does not concern it. A key that From leaves open is kept; where To names one,
// only the instance without a key becomes it.
func (m Moved) Apply(a Address) (Address, bool) {
	if !m.From.Covers(a) {
		return a, false
	}
	from, to, steps := m.From.Steps(), m.To.Steps(), a.Steps()
	open, key := from[len(from)-1].Key == nil, steps[len(from)-1].Key
	if open && key != nil && to[len(to)-1].Key != nil {
		return a, false
	}
	var moved Address
	for i, s := range to {
		if i == len(to)-1 && s.Key == nil && open {
			s.Key = key
		}
		moved = moved.Child(s)
	}
	for _, s := range steps[len(from):] {
		moved = moved.Child(s)
	}
	return moved, true
}

// A Removed says what becomes of znodes that are no longer declared.
type Removed struct {
	From    Address
	Destroy bool // false: disown them and leave them in the tree
	Pos     Pos
}

// An Import adopts one existing znode under an address.
type Import struct {
	To       Address
	Path     zkfs.Path
	Ensemble string // "" for the only one
	Pos      Pos
}
