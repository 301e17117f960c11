package plan

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// noOp is shared by the many steps that do nothing.
var noOp = []Action{NoOp}

// one compares one declared znode with the live tree.
func (d *differ) one(w *want) {
	if d.step(w.Path) != nil {
		return
	}
	n, _ := d.live.seen.peek(w.Path)
	if w.state == recorded && !d.o.rotates(w) {
		// It needs no parsing, and is most of a large tree.
		d.add(Step{Address: w.Address, Path: w.Path, Kind: w.kind(), Actions: noOp, Pre: precondition(n), Pos: w.Pos})
		return
	}
	n = d.node(w.Path)
	s := Step{Address: w.Address, Path: w.Path, Kind: w.kind(), Pre: precondition(n), Pos: w.Pos}
	if n.Absent {
		d.create(w, s)
		return
	}
	look := n.ACL != nil || n.Denied&zkfs.PartACL != 0 || d.o.rotates(w)
	if !look && w.isRecord(d.l.Name, n.Stat.Aversion, n.Data) {
		s.Actions = noOp
		d.add(s)
		return
	}
	rec, err := layout.ParseRecord(n.Data)
	switch {
	case err == nil && d.live.ours(d.l, rec):
		d.compare(w, n, rec, s)
	case err == nil:
		d.blocked(w, BlockOwned, "%s is owned by the layout %q, as %s.\nRemove it there first, or declare another path.",
			w.Path, rec.Layout, orKind(rec))
	case errors.Is(err, layout.ErrNewerFormat):
		d.blocked(w, BlockNewer, "%s: %v.", w.Path, err)
	case d.lostRecord(n):
		d.restore(w, n, s)
	case errors.Is(err, layout.ErrBadRecord):
		d.blocked(w, BlockDamaged, "%s: %v.\nMend its data or clear it, and let the block adopt it.", w.Path, err)
	case n.Denied&zkfs.PartData != 0:
		d.blocked(w, BlockUnmanaged, "%s exists and permission to read it was denied.\nAuthenticate as somebody who may read it, or declare another path.", w.Path)
	case n.Stat.EphemeralOwner != 0:
		d.blocked(w, BlockUnmanaged, "%s is ephemeral: it belongs to a session and cannot be adopted.", w.Path)
	case w.adopt:
		d.adopt(w, n, s)
	default:
		d.blocked(w, BlockUnmanaged, "%s exists and nobody owns it.\n"+
			"Take it over with lifecycle { adopt = true }, an import block or \"lockform import\", or declare another path.", w.Path)
	}
}

func orKind(rec layout.Record) string {
	if rec.Address == "" {
		return "a " + string(rec.Kind)
	}
	return string(rec.Address)
}

func (d *differ) blocked(w *want, reason BlockReason, format string, args ...any) {
	d.e.Blocked = append(d.e.Blocked, Blocked{
		Address: w.Address, Path: w.Path, Reason: reason, Pos: w.Pos, Detail: fmt.Sprintf(format, args...),
	})
}

// create adds the step that makes a declared znode, after those of its
// ancestors.
func (d *differ) create(w *want, s Step) {
	if d.o.Mode == RefreshOnly {
		d.wentMissing(w)
		return
	}
	s.Actions, s.ACL = []Action{Create}, d.resolve(w)
	s.Data = d.encode(w.record(d.l.Name, 0), w.Path, w.Pos)
	d.ensureParents(w.Path, w.Pos)
	d.wentMissing(w)
	d.add(s)
}

// resolve returns the ACL that a declared znode is to have. One that would
// deny it to the planner itself is a problem.
func (d *differ) resolve(w *want) zkfs.ACL {
	acl := d.resolved(w.ACL)
	need := zkfs.Read | zkfs.Write | zkfs.Admin
	if w.kind() == layout.KindNamespace {
		need = zkfs.AllPerms
	}
	if missing := lacks(acl, d.live.Identities, need); missing != 0 {
		pos := w.ACLPos
		if pos == (layout.Pos{}) {
			pos = w.Pos
		}
		d.problem(Problem{
			Summary: "The ACL denies the planner", Address: w.Address, Path: w.Path, Pos: pos,
			Detail: fmt.Sprintf("With the ACL %q this run itself, which has no identity, would lack %q on %s and could never change it again.\n"+
				"Add an auth block or a client certificate to the ensemble: its identities get all permissions.", acl, missing, w.Path),
		})
	}
	return acl
}

// resolved is resolve, once for all znodes that share the written ACL.
func (d *differ) resolved(written zkfs.ACL) zkfs.ACL {
	if len(written) == 0 {
		return resolve(written, d.live.Identities)
	}
	key := shared(written)
	acl, ok := d.acls[key]
	if !ok {
		acl = resolve(written, d.live.Identities)
		d.acls[key] = acl
	}
	return acl
}

// A sharedACL tells the memory of an ACL from that of others.
type sharedACL struct {
	first *zkfs.Entry
	n     int
}

func shared(acl zkfs.ACL) sharedACL {
	if len(acl) == 0 {
		return sharedACL{}
	}
	return sharedACL{&acl[0], len(acl)}
}

// adopt takes over a znode that nobody owns.
func (d *differ) adopt(w *want, n zkfs.Node, s Step) {
	if d.o.Mode == RefreshOnly {
		return
	}
	s.Actions, s.Foreign = []Action{Adopt}, len(n.Data)
	aversion := d.setACL(w, n, &s)
	s.Data = d.encode(w.record(d.l.Name, aversion), w.Path, w.Pos)
	d.add(s)
}

// setACL adds the change of the ACL to a step if there is one, and returns the
// aversion that the znode has afterwards.
func (d *differ) setACL(w *want, n zkfs.Node, s *Step) int32 {
	if n.Denied&zkfs.PartACL != 0 {
		d.problem(Problem{
			Summary: "Permission to read an ACL was denied", Address: w.Address, Path: w.Path, Pos: w.Pos,
			Detail: fmt.Sprintf("Whether the ACL of %s is as declared cannot be told.\nAuthenticate as somebody who may administer it.", w.Path),
		})
		return n.Stat.Aversion
	}
	if n.ACL == nil {
		return n.Stat.Aversion
	}
	acl := d.resolve(w)
	s.OldACL = unmask(n.ACL, acl).Canonical()
	if s.OldACL.Equal(acl) {
		return n.Stat.Aversion
	}
	s.ACL = acl
	if !s.Has(Adopt) {
		s.Actions = append(s.Actions, UpdateACL)
	}
	if w.kind() == layout.KindLock && n.Stat.NumChildren > 0 {
		d.stranded(w, revoked(s.OldACL, acl))
	}
	return n.Stat.Aversion + 1
}

// stranded warns of an ACL change that takes from those who use the lock what
// they need to leave its queue, or to look at it.
func (d *differ) stranded(w *want, taken zkfs.ACL) {
	for _, e := range taken {
		if lost := e.Perms & (zkfs.Delete | zkfs.Read); lost != 0 {
			d.warnings = append(d.warnings, Problem{
				Warning: true, Summary: "A lock in use loses permissions", Address: w.Address, Path: w.Path, Pos: w.Pos,
				Detail: fmt.Sprintf("%s has contenders, and the new ACL takes permission to %s from %s. Clients that are in its queue by that right alone\n"+
					"can then neither give the lock up nor wait their turn, and stay in it until their sessions end. Give them their new credentials first, or apply when it is free.", w.Path, permissionNames(lost), e.Identity),
			})
		}
	}
}

// compare finds what differs between a declared znode and ours in the tree.
func (d *differ) compare(w *want, n zkfs.Node, rec layout.Record, s Step) {
	if rec.Kind != w.kind() && !d.kindChange(w, n, rec) {
		return
	}
	if d.o.Mode == RefreshOnly {
		d.refresh(w, n, rec, s)
		return
	}
	aversion := d.setACL(w, n, &s)
	want := w.record(d.l.Name, aversion)
	want.KeepUnknown(rec)
	data := d.encode(want, w.Path, w.Pos)

	s.OldData = n.Data
	if rec.Address != w.Address && rec.Address != "" {
		s.Previous = rec.Address
		s.Actions = append(s.Actions, Move)
	}
	if len(recordChanges(rec, want)) > 0 || rec.Spec != want.Spec && len(s.Actions) == 0 {
		s.Actions = append([]Action{UpdatePolicy}, s.Actions...)
	}
	d.drifted(w, n, rec, &s)
	if d.o.rotates(w) {
		d.rotate(w, n, s)
		return
	}
	if len(s.Actions) == 0 {
		// The recorded aversion may lag behind an ACL that was changed and
		// changed back; that is nobody's concern.
		s.Actions, s.OldData, s.OldACL = noOp, nil, nil
		d.add(s)
		return
	}
	if !bytes.Equal(data, n.Data) {
		s.Data = data
	}
	d.add(s)
}

// kindChange reports whether a namespace may become a lock or the other way
// round: only with nothing below it. A parent may become either, as far as that
// holds for a lock.
func (d *differ) kindChange(w *want, n zkfs.Node, rec layout.Record) bool {
	if n.Stat.NumChildren == 0 || w.kind() == layout.KindNamespace && rec.Kind == layout.KindParent {
		return true
	}
	reason := BlockChildren
	if rec.Kind == layout.KindLock {
		reason = BlockHeld
	}
	d.blocked(w, reason, "%s is a %s with %d children and cannot become a %s while it has any.", w.Path, rec.Kind, n.Stat.NumChildren, w.kind())
	return false
}

// recordChanges returns the differences of two records that users see.
func recordChanges(old, new layout.Record) []Change {
	var changes []Change
	if old.Layout != new.Layout && old.Layout != "" {
		changes = append(changes, Change{"layout", string(jsonOf(old.Layout)), string(jsonOf(new.Layout))})
	}
	if old.Kind != new.Kind {
		changes = append(changes, Change{"kind", string(jsonOf(old.Kind)), string(jsonOf(new.Kind))})
	}
	if old.Protected != new.Protected {
		changes = append(changes, Change{"protected", string(jsonOf(old.Protected)), string(jsonOf(new.Protected))})
	}
	return append(changes, policyChanges(old.Policy, new.Policy)...)
}

// policyChanges returns the attributes in which two policies differ; nil is no
// policy at all.
func policyChanges(old, new *layout.Policy) []Change {
	var before, after []layout.Attribute
	if old != nil {
		before = old.Attributes()
	}
	if new != nil {
		after = new.Attributes()
	}
	var changes []Change
	for len(before) > 0 || len(after) > 0 {
		// Both are in the order of the language reference, with gaps.
		switch {
		case len(after) == 0 || len(before) > 0 && layout.AttributeLess(before[0].Name, after[0].Name):
			changes = append(changes, Change{before[0].Name, before[0].Value, ""})
			before = before[1:]
		case len(before) == 0 || before[0].Name != after[0].Name:
			changes = append(changes, Change{after[0].Name, "", after[0].Value})
			after = after[1:]
		default:
			if before[0].Value != after[0].Value {
				changes = append(changes, Change{after[0].Name, before[0].Value, after[0].Value})
			}
			before, after = before[1:], after[1:]
		}
	}
	return changes
}

// Changes returns what the step changes, attribute by attribute. For a create
// that is every attribute, for a delete none.
func (s *Step) Changes() []Change {
	var changes []Change
	var old, new layout.Record
	if s.OldData != nil {
		old, _ = layout.ParseRecord(s.OldData)
	}
	if len(s.Data) > 0 {
		new, _ = layout.ParseRecord(s.Data)
		if s.Previous != "" {
			changes = append(changes, Change{"address", string(jsonOf(s.Previous)), string(jsonOf(s.Address))})
		}
		if s.OldData == nil {
			old = layout.Record{Kind: new.Kind}
		}
		changes = append(changes, recordChanges(old, new)...)
	}
	if s.Foreign > 0 {
		changes = append(changes, Change{"data", string(jsonOf(fmt.Sprintf("%d bytes that are no record", s.Foreign))), `"the record"`})
	}
	if s.ACL != nil && (s.OldACL != nil || s.Has(Create)) {
		if c, ok := aclChange(s.OldACL, s.ACL); ok {
			changes = append(changes, c)
		}
	}
	if len(changes) == 0 && s.Has(UpdatePolicy) && old.Spec != new.Spec {
		changes = append(changes, Change{"spec", string(jsonOf(old.Spec)), string(jsonOf(new.Spec))})
	}
	return changes
}
