package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// undeclared decides what becomes of znodes that the layout owns and does not
// declare, or no longer: children before their parents, since a parent can go
// only when nothing stays below it.
func (d *differ) undeclared() {
	var paths []zkfs.Path
	for p := range d.live.seen.paths() {
		if d.step(p) != nil || d.wanting() && d.want(p) != nil || len(d.node(p).Data) == 0 {
			continue
		}
		if (p.Contains(d.l.Ledger) || d.live.Former.Exists() && p.Contains(d.live.Former.Path)) && d.keepsLedger(p) {
			continue
		}
		paths = append(paths, p)
	}
	slices.SortFunc(paths, func(a, b zkfs.Path) int { return comparePaths(b, a) })
	for _, p := range paths {
		rec, ok := d.owned(p)
		switch {
		case !ok:
		case rec.Kind == layout.KindParent:
			d.parent(d.node(p), rec)
		case rec.Kind == layout.KindNamespace || rec.Kind == layout.KindLock:
			d.leftover(d.node(p), rec)
		default:
			d.e.Blocked = append(d.e.Blocked, Blocked{Address: rec.Address, Path: p, Reason: BlockNewer,
				Detail: fmt.Sprintf("%s is recorded as a %q, which this release does not know.", p, rec.Kind)})
		}
	}
}

// keepsLedger reports whether a znode is the ledger, or an ancestor that was
// made for it: these are not what the layout manages, and outlive destroy. A
// namespace that was declared there becomes such an ancestor.
func (d *differ) keepsLedger(p zkfs.Path) bool {
	rec, ok := d.owned(p)
	if !ok || rec.Kind != layout.KindNamespace {
		return true
	}
	d.needed[p]++
	return false
}

// parent deals with an ancestor that an earlier run made: it goes with destroy
// when nothing else is below it.
func (d *differ) parent(n zkfs.Node, rec layout.Record) {
	s := Step{Path: n.Path, Kind: layout.KindParent, Pre: precondition(n), Pos: d.l.Pos}
	if d.o.Mode == Destroy && d.o.covers("") && int(n.Stat.NumChildren) == d.leaving[n.Path] && d.needed[n.Path] == 0 && !rec.Protected {
		s.Actions, s.OldData = []Action{Delete}, n.Data
		d.add(s)
		return
	}
	if rec.Layout != d.l.Name && d.wanting() && d.o.Mode == Normal {
		rec.Layout = d.l.Name
		s.Actions = append(s.Actions, UpdatePolicy)
	}
	if acl, ok := d.ancestorACL(n); ok {
		rec.Aversion = n.Stat.Aversion + 1
		s.Actions, s.ACL, s.OldACL = append(s.Actions, UpdateACL), acl, n.ACL.Canonical()
	}
	if len(s.Actions) == 0 {
		s.Actions = noOp
	} else {
		s.OldData, s.Data = n.Data, d.encode(rec, n.Path, d.l.Pos)
	}
	d.add(s)
}

// ancestorACL returns the ACL that an ancestor is to get: only layout.acl
// changes it.
func (d *differ) ancestorACL(n zkfs.Node) (zkfs.ACL, bool) {
	if !d.wanting() || d.l.ACL == nil || n.ACL == nil || d.o.Mode != Normal || d.o.partial() {
		return nil, false
	}
	return d.e.Ledger.Ancestor, !sameACL(n.ACL, d.e.Ledger.Ancestor)
}

// leftover deals with a namespace or lock that is not declared any more.
func (d *differ) leftover(n zkfs.Node, rec layout.Record) {
	s := Step{Address: rec.Address, Path: n.Path, Kind: rec.Kind, Pre: precondition(n), OldData: n.Data, Reason: "not declared any more"}
	if p, ok := d.declares(rec.Address); ok {
		s.Reason = fmt.Sprintf("it is declared at %s now", p)
	}
	if w := d.want(n.Path); w != nil {
		s.Pos = w.Pos
	}
	if d.o.Mode == Destroy {
		s.Reason = "everything is to go"
	}
	keep := func() {
		s.Actions, s.OldData, s.Reason = noOp, nil, ""
		d.add(s)
	}
	switch {
	case d.disowned(rec.Address):
		s.Actions, s.Data, s.Reason = []Action{Disown}, []byte{}, "it stays in the tree and belongs to nobody"
		d.add(s)
	case len(d.o.Disown) > 0 || !d.o.covers(rec.Address) || d.o.Mode == RefreshOnly:
		keep()
	case d.needed[n.Path] > 0 && d.o.Mode == Destroy && !n.Path.Contains(d.l.Ledger):
		keep() // for what is excluded below it
	case d.needed[n.Path] > 0:
		d.demote(n, rec, s)
	default:
		s.Actions = []Action{Delete}
		d.movedAway(n, rec)
		d.obstacles(n, rec, s)
		d.add(s)
	}
}

// movedAway warns of a moved block whose new address has another path: what was
// meant as a move is a delete and a create.
func (d *differ) movedAway(n zkfs.Node, rec layout.Record) {
	a := rec.Address
	for _, m := range d.l.Moved {
		to, ok := m.Apply(a)
		if !ok || len(m.From.Steps()) < len(a.Steps()) {
			continue // what is inside is told of with its namespace
		}
		a = to
		i := slices.IndexFunc(d.wants, func(w *want) bool { return w.Address == to })
		if i < 0 || !d.wanting() {
			continue
		}
		d.warnings = append(d.warnings, Problem{
			Warning: true, Summary: "A moved block has another path", Address: to, Path: n.Path, Pos: m.Pos,
			Detail: fmt.Sprintf("%s stands at %s, %s is declared at %s. ZooKeeper has no rename: the one is deleted and the other created.\n"+
				"To keep the znode, give the block its path.", rec.Address, n.Path, to, d.wants[i].Path),
		})
	}
}

// disowned reports whether a removed block or "state rm" lets go of an address.
func (d *differ) disowned(a layout.Address) bool {
	if len(d.o.Disown) > 0 {
		return d.o.covers(a)
	}
	if !d.o.covers(a) || d.o.Mode == RefreshOnly {
		return false
	}
	return slices.ContainsFunc(d.l.Removed, func(r layout.Removed) bool { return !r.Destroy && r.From.Covers(a) })
}

// demote turns a namespace that is no longer declared into a parent: something
// below it stays.
func (d *differ) demote(n zkfs.Node, rec layout.Record, s Step) {
	if rec.Kind == layout.KindLock {
		d.e.Blocked = append(d.e.Blocked, Blocked{Address: rec.Address, Path: n.Path, Reason: BlockChildren,
			Detail: fmt.Sprintf("%s is a lock that is not declared any more, and something is declared below it.", n.Path)})
		return
	}
	old := rec
	rec.Layout, rec.Kind, rec.Address, rec.Spec, rec.Aversion = d.l.Name, layout.KindParent, "", "", n.Stat.Aversion
	s.Previous, s.Address, s.Kind = old.Address, "", layout.KindParent
	s.Actions, s.Reason = []Action{UpdatePolicy}, "not declared any more, and needed by what is below it"
	if acl, ok := d.ancestorACL(n); ok {
		rec.Aversion++
		s.Actions, s.ACL, s.OldACL = append(s.Actions, UpdateACL), acl, n.ACL.Canonical()
	}
	s.Data = d.encode(rec, n.Path, s.Pos)
	d.add(s)
}

// obstacles finds what stands in the way of a delete.
func (d *differ) obstacles(n zkfs.Node, rec layout.Record, s Step) {
	block := func(reason BlockReason, holders []Holder, format string, args ...any) {
		d.e.Blocked = append(d.e.Blocked, Blocked{
			Address: rec.Address, Path: n.Path, Reason: reason, Pos: s.Pos, Holders: holders, Detail: fmt.Sprintf(format, args...),
		})
	}
	switch w := d.want(n.Path); {
	case w != nil && w.Protected:
		block(BlockProtected, nil, "%s is declared with prevent_destroy.\nSet lifecycle { prevent_destroy = false } and apply that first.", n.Path)
	case rec.Protected && w != nil:
		block(BlockProtected, nil, "%s is recorded as protected, though it is not declared so any more.\nApply the configuration first.", n.Path)
	case rec.Protected:
		block(BlockProtected, nil, "%s is protected; that is recorded in the tree and outlives its block.\n"+
			"Declare it with lifecycle { prevent_destroy = false } and apply that first.", n.Path)
	}
	staying := int(n.Stat.NumChildren) - d.leaving[n.Path]
	if staying <= 0 {
		return
	}
	if rec.Kind == layout.KindLock {
		holders := d.live.Holders[n.Path]
		d.held(n.Path, holders, block)
		return
	}
	block(BlockChildren, nil, "%s has children that this plan does not delete%s.\nRemove them, keep the namespace, or disown it with \"lockform state rm\" and leave it in the tree.",
		n.Path, listed(d.foreign(n)))
}

// held blocks the delete of a lock with children.
func (d *differ) held(path zkfs.Path, holders []Holder, block func(BlockReason, []Holder, string, ...any)) {
	holding, foreign := 0, 0
	for _, h := range holders {
		if h.Holds {
			holding++
		}
		if h.Mode == "" {
			foreign++
		}
	}
	switch {
	case len(holders) > 0 && foreign == len(holders):
		var names []string
		for _, h := range holders {
			names = append(names, h.Name)
		}
		block(BlockChildren, holders, "The lock %s has children that are no contenders%s.\nRemove them, or keep the lock.", path, listed(names))
	default:
		block(BlockHeld, holders, "%s is in use: %s, %d waiting.\nWait until it is free, as apply does with -drain-timeout=DURATION, or stop those who use it.",
			path, count(max(holding, 1), "holder", "holders"), max(len(holders)-holding-foreign, 0))
	}
}

// foreign returns the children of a znode that are not to be deleted, as far as
// they were listed.
func (d *differ) foreign(n zkfs.Node) []string {
	var names []string
	for _, name := range n.Children {
		if s := d.step(n.Path.Join(name)); s == nil || !s.Has(Delete) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// listed writes a few names in parentheses, with a space before them.
func listed(names []string) string {
	const some = 5
	if len(names) == 0 {
		return ""
	}
	more := ""
	if len(names) > some {
		more = fmt.Sprintf(", and %d more", len(names)-some)
		names = names[:some]
	}
	return " (" + strings.Join(names, ", ") + more + ")"
}
