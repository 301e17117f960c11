package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// MaxBatch is how large an encoded multi may become, in bytes. Servers take
// twice as much, but what they write to their log can outgrow the request
// (ZOOKEEPER-2101, ZOOKEEPER-3496).
const MaxBatch = 512 << 10

const (
	// goodBatch is how large batches are where there are several: servers work
	// on one while they read the next, and slower on larger ones.
	goodBatch = 256 << 10
	// overhead is kept free in every batch for the run in the ledger, the
	// check of the apply lock and the entry of the history.
	overhead = 8 << 10
	// manyRoots is how many roots may have one parent before the ledger names
	// the parent instead.
	manyRoots = 64
)

// ledger says what the plan wants from the ledger, but its roots.
func (d *differ) ledger() {
	l := &d.e.Ledger
	l.Path, l.Serial, l.Planners = d.l.Ledger, d.live.Ledger.Serial, d.live.Identities
	l.ACL, l.Agents, l.Parent, l.Ancestor = ledgerACLs(d.l, d.e.Name, d.live.Identities)
	l.Before = slices.Concat(d.live.Ledger.Roots, d.live.Ledger.Below, d.live.Former.Roots, d.live.Former.Below)
	l.Former = d.takeover()
	for i := range d.l.Ensembles {
		if name := d.l.Ensembles[i].Name; !slices.Contains(d.forget, name) {
			l.Siblings = append(l.Siblings, name)
		}
	}
	slices.Sort(l.Siblings)
}

// apparatus compares what stands in the ledger with what it should be. Its ACLs
// change only by layout.acl, that of the inventory also with the locks'.
func (d *differ) apparatus() {
	l := &d.e.Ledger
	if !d.live.Ledger.Exists() || d.o.Mode != Normal || d.o.partial() || d.o.idle {
		return
	}
	set := func(path zkfs.Path, kind layout.Kind, acl zkfs.ACL) {
		n := d.node(path)
		if n.Absent || n.ACL == nil || sameACL(n.ACL, acl) {
			return
		}
		// Its data changes with every run, and its children with every session.
		pre := Precondition{path, n.Stat.Czxid, zkfs.AnyVersion, n.Stat.Aversion}
		d.add(Step{Path: path, Kind: kind, Actions: []Action{UpdateACL}, Pre: pre, ACL: acl, OldACL: n.ACL.Canonical(), Pos: d.l.Pos})
	}
	// Who may register too much is put right with the next change of an ACL: it
	// would cost a delete its atomicity.
	agents := l.Path.Join(layout.AgentsName)
	other := slices.ContainsFunc(d.e.Steps, func(s Step) bool { return s.ACL != nil && !s.makes() })
	if n := d.node(agents); other || revokes(l.Agents, n.ACL) {
		set(agents, layout.KindLedger, l.Agents)
	}
	if d.l.ACL == nil {
		return
	}
	for _, p := range []zkfs.Path{l.Path, l.Path.Join(applyName), l.Path.Join(historyName)} {
		set(p, layout.KindLedger, l.ACL)
	}
	for _, p := range l.Path.Ancestors() {
		if rec, ok := d.owned(p); ok && rec.Kind == layout.KindParent && d.want(p) == nil {
			set(p, layout.KindParent, l.Ancestor)
		}
	}
}

// prepared reports whether Prepare carries the step out: it creates an ancestor
// of the ledger.
func (e *Ensemble) prepared(s *Step) bool { return s.Has(Create) && s.Path.Contains(e.Ledger.Path) }

// finish puts the steps into the order of applying and cuts them into batches.
func (d *differ) finish() {
	e := &d.e
	slices.SortFunc(e.Steps, func(a, b Step) int {
		switch x, y := a.Has(Delete), b.Has(Delete); {
		case x && y:
			return comparePaths(b.Path, a.Path)
		case x:
			return 1
		case y:
			return -1
		}
		return comparePaths(a.Path, b.Path)
	})
	slices.SortFunc(e.Others, func(a, b Precondition) int { return comparePaths(a.Path, b.Path) })
	slices.SortStableFunc(e.Drift, func(a, b Drift) int { return comparePaths(a.Path, b.Path) })
	slices.SortStableFunc(e.Blocked, func(a, b Blocked) int { return comparePaths(a.Path, b.Path) })
	d.roots()
	e.Ledger.Complete = d.complete()

	for i := range e.Steps {
		if s := &e.Steps[i]; s.ACL != nil && !s.makes() {
			e.ACLs = append(e.ACLs, i)
		}
	}
	slices.SortStableFunc(e.ACLs, func(a, b int) int {
		return cmp.Compare(rank(&e.Steps[a]), rank(&e.Steps[b]))
	})
	e.Batches = cut(e, cmp.Or(d.o.maxBatch, MaxBatch))
	lost := !d.live.Ledger.Exists() && !d.live.Former.Exists() && slices.ContainsFunc(e.Steps, func(s Step) bool { return s.Pre.Czxid != 0 && s.OldData != nil || s.NoOp() })
	if lost {
		e.Drift = append(e.Drift, Drift{Path: e.Ledger.Path, Kind: layout.KindLedger, Action: Delete, Pos: d.l.Pos, Reason: "the ledger is gone, and the layout owns znodes"})
	}
	prepared := slices.ContainsFunc(e.Steps, func(s Step) bool { return e.prepared(&s) })
	run := d.live.Ledger.Run
	unfinished := d.live.Ledger.Unfinished() != nil
	siblings := run != nil && !slices.Equal(d.live.Ledger.Siblings, e.Ledger.Siblings)
	if e.Empty() && (prepared || lost || unfinished || siblings || e.Ledger.Former != nil || d.o.Mode == RefreshOnly && len(e.Drift) > 0) {
		// Nothing to write but the ledger: what Prepare has made, that a run
		// came to its end, that it takes another over, that there is another
		// ensemble, that it does not vouch for the tree any more.
		e.Batches = []Batch{{Ops: 2, Bytes: ledgerBytes(e) + overhead}}
	}
}

// complete returns what the ledger is to say was applied in full.
func (d *differ) complete() string {
	before := d.live.Ledger.Complete
	disowns := slices.ContainsFunc(d.e.Steps, func(s Step) bool { return s.Has(Disown) })
	switch {
	case d.o.idle:
		return before
	case d.o.Mode == Normal && !d.o.partial():
		return d.l.Digest
	case d.o.Mode == Normal && before == d.l.Digest && !disowns:
		return before
	}
	return ""
}

// rank puts revocations before grants.
func rank(s *Step) int {
	if revokes(s.OldACL, s.ACL) {
		return 0
	}
	return 1
}

// roots finds the topmost of what is managed after the plan.
func (d *differ) roots() {
	managed := func(p zkfs.Path) bool {
		if s := d.step(p); s != nil {
			return s.Kind != layout.KindLedger && !s.Has(Delete) && !s.Has(Disown)
		}
		return !p.Contains(d.l.Ledger) && d.owns(p)
	}
	// Sorting has moved the steps.
	for i := range d.e.Steps {
		d.at(d.e.Steps[i].Path, i)
	}
	byParent := make(map[zkfs.Path][]zkfs.Path)
	consider := func(p zkfs.Path) {
		if managed(p) && (p.Parent() == zkfs.Root || !managed(p.Parent())) {
			byParent[p.Parent()] = append(byParent[p.Parent()], p)
		}
	}
	for i := range d.e.Steps {
		consider(d.e.Steps[i].Path)
	}
	for p := range d.live.seen.paths() {
		if d.step(p) == nil {
			consider(p)
		}
	}
	if d.o.idle {
		d.e.Ledger.Roots, d.e.Ledger.Below = d.live.Ledger.Roots, d.live.Ledger.Below
		return
	}
	for parent, children := range byParent {
		if len(children) > manyRoots {
			d.e.Ledger.Below = append(d.e.Ledger.Below, parent)
		} else {
			d.e.Ledger.Roots = append(d.e.Ledger.Roots, children...)
		}
	}
	slices.SortFunc(d.e.Ledger.Roots, comparePaths)
	slices.SortFunc(d.e.Ledger.Below, comparePaths)
	if ledgerBytes(&d.e) >= MaxLedger {
		d.problem(Problem{
			Summary: "The ledger would be too large", Path: d.l.Ledger, Pos: d.l.Pos,
			Detail: fmt.Sprintf("It names the topmost managed znodes, %d of them, and may have at most %d KiB.\n"+
				"Declare namespaces above locks that now stand below unmanaged znodes, or use several layouts.",
				len(d.e.Ledger.Roots)+len(d.e.Ledger.Below), MaxLedger>>10),
		})
	}
}

// appendOps appends the operations of a step in the batch's multi.
func (e *Ensemble) appendOps(ops []zkfs.Op, s *Step) []zkfs.Op {
	switch {
	case e.prepared(s):
	case s.Has(Create):
		return append(ops,
			zkfs.Op{Kind: zkfs.OpCreate, Path: s.Path, ACL: s.ACL},
			zkfs.Op{Kind: zkfs.OpSet, Path: s.Path, Data: s.Data, Version: 0})
	case s.Has(Rotate):
		return append(ops,
			zkfs.Op{Kind: zkfs.OpDelete, Path: s.Path, Version: s.Pre.Version},
			zkfs.Op{Kind: zkfs.OpCreate, Path: s.Path, ACL: s.ACL},
			zkfs.Op{Kind: zkfs.OpSet, Path: s.Path, Data: s.Data, Version: 0})
	case s.Has(Delete):
		return append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: s.Path, Version: s.Pre.Version})
	case s.Data != nil:
		return append(ops, zkfs.Op{Kind: zkfs.OpSet, Path: s.Path, Data: s.Data, Version: s.Pre.Version})
	}
	return ops
}

// cut packs the steps into one batch of at most limit bytes, or into several. A
// namespace goes together with its locks, unless that is more than the limit.
func cut(e *Ensemble, limit int) []Batch {
	reserve := ledgerBytes(e) + overhead
	parts := make([]part, len(e.Steps))
	var all part
	var ops []zkfs.Op // of one step
	for i := range parts {
		ops = e.appendOps(ops[:0], &e.Steps[i])
		parts[i] = e.part(i, ops)
		all.add(parts[i])
	}
	good := min(limit, goodBatch)
	if reserve+all.bytes <= limit {
		good = limit
	}
	var batches []Batch
	var current part
	end := func() {
		if current.ops > 0 {
			batches = append(batches, Batch{current.from, current.to, 2 + current.ops, reserve + current.bytes})
			current.from, current.ops, current.bytes = current.to, 0, 0
		}
	}
	put := func(p part) {
		if reserve+current.bytes+p.bytes > good {
			end()
		}
		current.add(p)
	}
	for i := 0; i < len(parts); {
		whole, group := parts[i], e.group(i)
		for i++; i < len(parts) && e.group(i) == group; i++ {
			whole.add(parts[i])
		}
		if reserve+whole.bytes <= limit {
			put(whole)
			continue
		}
		for _, p := range parts[whole.from:whole.to] {
			put(p)
		}
	}
	end()
	return batches
}

// A part is a run of steps, from ≤ i < to.
type part struct{ from, to, ops, bytes int }

// add appends what follows.
func (p *part) add(next part) { p.to, p.ops, p.bytes = next.to, p.ops+next.ops, p.bytes+next.bytes }

// part returns one step, with its operations, as a part.
func (e *Ensemble) part(i int, ops []zkfs.Op) part {
	p := part{from: i, to: i + 1, ops: len(ops)}
	for _, op := range ops {
		p.bytes += opBytes(op, e.Chroot)
	}
	return p
}

// group returns what a step goes together with: the namespace.
func (e *Ensemble) group(i int) zkfs.Path {
	if s := &e.Steps[i]; s.Kind == layout.KindLock {
		return s.Path.Parent()
	}
	return e.Steps[i].Path
}

// ledgerBytes returns how large the ledger can become in the plan's multis.
func ledgerBytes(e *Ensemble) int {
	n := 1024
	seen := make(map[zkfs.Path]bool)
	for _, p := range slices.Concat(e.Ledger.Roots, e.Ledger.Below, e.Ledger.Before) {
		if !seen[p] {
			seen[p] = true
			n += len(p) + 3
		}
	}
	for _, id := range e.Ledger.Planners {
		n += len(id.Scheme) + len(id.ID) + 4
	}
	n = min(n, MaxLedger)
	if e.Ledger.Former != nil {
		n += len(e.Ledger.Former.Data)
	}
	return n
}

// opBytes returns the size of one operation in an encoded multi: a header of 9
// bytes, strings and buffers with 4 bytes of length before them (ZooKeeper's
// jute).
func opBytes(op zkfs.Op, chroot zkfs.Path) int {
	n := 9 + 4 + len(op.Path)
	if chroot != zkfs.Root {
		n += len(chroot)
	}
	switch op.Kind {
	case zkfs.OpCreate:
		n += 4 + len(op.Data) + 4 + 4
		for _, e := range op.ACL {
			n += 4 + 4 + len(e.Scheme) + 4 + len(e.ID)
		}
	case zkfs.OpSet:
		n += 4 + len(op.Data) + 4
	default:
		n += 4
	}
	return n
}
