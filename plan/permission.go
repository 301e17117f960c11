package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// In ZooKeeper the ACL of the parent decides who may create and delete a znode.
// A plan looks at those of parents below which it has to, and at no others: one
// that changes nothing reads no ACL for this. Where a recorded aversion vouches
// for an ACL, that gives the planner all permissions.

// parents returns the existing znodes below which the plan may have to create or
// delete something, or which it may have to write without their being declared.
// Some may turn out not to be needed.
func (r *reader) parents() []zkfs.Path {
	set := make(map[zkfs.Path]bool)
	above := func(p zkfs.Path) {
		for p = p.Parent(); p != zkfs.Root; p = p.Parent() {
			if n, ok := r.live.seen.peek(p); ok && !n.Absent {
				break
			}
		}
		set[p] = true
	}
	if !r.live.Ledger.Exists() {
		above(r.l.Ledger)
	}
	wants := r.live.declared(r.l, r.o)
	declared := make(map[zkfs.Path]bool, len(wants))
	if r.o.Mode != Destroy {
		last := zkfs.Path("")
		for _, w := range wants {
			declared[w.Path] = true
			n, _ := r.live.seen.peek(w.Path)
			missing := n.Absent && w.Path.Parent() != last
			if r.o.Mode == Normal && (missing || r.o.rotates(w)) {
				above(w.Path)
				last = w.Path.Parent()
			}
		}
	}
	if r.o.Mode != RefreshOnly {
		for p := range r.live.seen.paths() {
			if p == zkfs.Root || declared[p] || r.reserved(p) {
				continue
			}
			n, _ := r.live.seen.node(p)
			if len(n.Data) == 0 {
				continue
			}
			goes, stays := r.undeclared(n)
			if goes {
				set[p.Parent()] = true
			}
			if stays {
				set[p] = true
			}
		}
	}
	paths := make([]zkfs.Path, 0, len(set))
	for p := range set {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, comparePaths)
	return paths
}

// undeclared reports whether the plan may delete a znode that is not declared,
// and whether it may write to it and leave it there.
func (r *reader) undeclared(n zkfs.Node) (goes, stays bool) {
	if r.o.Mode == Destroy {
		return true, false
	}
	rec, err := layout.ParseRecord(n.Data)
	if err != nil || !r.live.ours(r.l, rec) {
		return false, false
	}
	removed := slices.ContainsFunc(r.l.Removed, func(m layout.Removed) bool { return m.From.Covers(rec.Address) })
	return rec.Kind == layout.KindNamespace || rec.Kind == layout.KindLock, rec.Kind == layout.KindNamespace || removed
}

// locksOut finds an ACL of the layout's own that would deny ledger and ancestors
// to the planner itself; nobody could ever apply the layout again.
func (d *differ) locksOut() {
	if d.l.ACL == nil || !d.wanting() {
		return
	}
	if missing := lacks(d.e.Ledger.ACL, d.live.Identities, zkfs.AllPerms); missing != 0 {
		d.problem(Problem{
			Summary: "The ACL denies the planner", Path: d.l.Ledger, Pos: d.l.Pos,
			Detail: fmt.Sprintf("With the layout's acl %q this run itself, which has no identity, would lack permission to %s on the ledger.\n"+
				"Add an auth block or a client certificate to the ensemble: its identities get all permissions.", d.e.Ledger.ACL, permissionNames(missing)),
		})
	}
}

// succeeded warns when the identities of the last run lose ADMIN, such as when
// a super user applies in place of the planner: they could change nothing any
// more of what the plan touches.
func (d *differ) succeeded() {
	gone := slices.DeleteFunc(slices.Clone(d.live.Ledger.Planners), func(id zkfs.Identity) bool { return slices.Contains(d.live.Identities, id) })
	var first *Step
	more, names := 0, []string(nil)
	for i := range d.e.Steps {
		s := &d.e.Steps[i]
		if s.ACL == nil || s.OldACL == nil || s.Has(Adopt) || s.Kind == layout.KindLedger {
			continue
		}
		lost := false
		for _, e := range revoked(s.OldACL, s.ACL) {
			if e.Perms&zkfs.Admin != 0 && slices.Contains(gone, e.Identity) {
				lost = true
				if !slices.Contains(names, e.Identity.String()) {
					names = append(names, e.Identity.String())
				}
			}
		}
		switch {
		case lost && first == nil:
			first = s
		case lost:
			more++
		}
	}
	if first == nil {
		return
	}
	where := first.Path.String()
	if more > 0 {
		where += " and " + count(more, "other znode", "others")
	}
	d.warnings = append(d.warnings, Problem{
		Warning: true, Summary: "The planner of the last run loses its permissions", Address: first.Address, Path: first.Path, Pos: first.Pos,
		Detail: fmt.Sprintf("This run, %s, takes permission to administer %s from %s, who applied last and could not do it again.\n"+
			"Where both are to apply, grant all permissions to both in the acl blocks.", d.whoami(), where, strings.Join(names, " and ")),
	})
}

// A lack is a permission on one znode that steps need and the planner has not.
type lack struct {
	perms zkfs.Perms
	steps []*Step
}

// aclOf returns the ACL that a znode has, or nil when it was not read.
func (d *differ) aclOf(p zkfs.Path) zkfs.ACL {
	if acl := d.node(p).ACL; acl != nil {
		return acl
	}
	return d.live.Parents[p]
}

// permitted blocks what the server would refuse for lack of a permission, as far
// as ACLs could be read.
func (d *differ) permitted() {
	lacking := make(map[zkfs.Path]*lack)
	find := func(p zkfs.Path, need zkfs.Perms, s *Step) {
		acl := d.aclOf(p)
		if acl == nil {
			return // not read, or denied: the server will tell
		}
		if missing := lacks(acl, d.live.Identities, need); missing != 0 {
			l := lacking[p]
			if l == nil {
				l = new(lack)
				lacking[p] = l
			}
			l.perms |= missing
			if len(l.steps) == 0 || l.steps[len(l.steps)-1] != s {
				l.steps = append(l.steps, s)
			}
		}
	}
	var first *Step // that changes anything
	for i := range d.e.Steps {
		s := &d.e.Steps[i]
		if s.NoOp() {
			continue
		}
		if first == nil {
			first = s
		}
		parent := s.Path.Parent()
		switch {
		case s.Has(Create):
			// The ACL of a parent that is made too has the planner in it.
			if above := d.step(parent); above == nil || !above.Has(Create) {
				find(parent, zkfs.Create, s)
			}
		case s.Has(Rotate):
			find(parent, zkfs.Create|zkfs.Delete, s)
		case s.Has(Delete):
			find(parent, zkfs.Delete, s)
		default:
			if s.Data != nil {
				find(s.Path, zkfs.Write, s)
			}
			if s.ACL != nil {
				find(s.Path, zkfs.Admin, s)
			}
		}
	}
	if first == nil {
		return
	}
	if lp := d.l.Ledger; d.live.Ledger.Exists() {
		find(lp, zkfs.Write, first)
		find(lp.Join(applyName), zkfs.Create|zkfs.Delete, first)
		// The history is written at the end, after the ACL changes, unless it has
		// to tell of an unfinished run first.
		history := lp.Join(historyName)
		if s := d.step(history); s == nil || s.ACL == nil || d.live.Ledger.Unfinished() != nil {
			find(history, zkfs.Create, first)
		}
	} else {
		p := lp.Parent()
		for ; p != zkfs.Root && d.node(p).Absent; p = p.Parent() {
		}
		find(p, zkfs.Create, first)
	}
	for p, l := range lacking {
		d.denied(p, l)
	}
}

// denied blocks the first of the steps that lack something; the others are told
// of with it.
func (d *differ) denied(path zkfs.Path, l *lack) {
	s := l.steps[0]
	what := s.Path.String()
	if n := len(l.steps) - 1; n > 0 {
		what += " and " + count(n, "other znode", "others")
	}
	d.e.Blocked = append(d.e.Blocked, Blocked{
		Address: s.Address, Path: s.Path, Reason: BlockPermission, Pos: s.Pos, At: path, Lacks: l.perms,
		Detail: fmt.Sprintf("For %s this run, %s, needs permission to %s on %s, and its ACL %q does not give it.\n"+
			"Authenticate as somebody who has it, or have the ACL changed.", what, d.whoami(), permissionNames(l.perms), path, d.aclOf(path)),
	})
}

// whoami names the identities of the run.
func (d *differ) whoami() string {
	if len(d.live.Identities) == 0 {
		return "without any identity"
	}
	var names []string
	for _, id := range d.live.Identities {
		names = append(names, id.String())
	}
	return "as " + strings.Join(names, " and ")
}

// permissionNames returns permissions as words.
func permissionNames(p zkfs.Perms) string {
	var names []string
	for _, x := range []struct {
		perm zkfs.Perms
		name string
	}{{zkfs.Create, "create"}, {zkfs.Delete, "delete"}, {zkfs.Read, "read"}, {zkfs.Write, "write"}, {zkfs.Admin, "administer"}} {
		if p&x.perm != 0 {
			names = append(names, x.name)
		}
	}
	return strings.Join(names, " and ")
}
