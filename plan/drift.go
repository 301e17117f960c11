package plan

import (
	"fmt"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// The znode's record holds the digest of what was written about it when it was
// last applied. As long as the configuration still says the same, every
// difference is one of the tree: drift. When it says something else, a
// difference is a change, and what the tree looked like before is not known.

// settled reports whether the last run came to its end: before that, what
// differs is what remains to be done.
func (d *differ) settled() bool { return d.live.Ledger.Unfinished() == nil }

// drifted adds the drift of a znode that is ours and declared.
func (d *differ) drifted(w *want, n zkfs.Node, rec layout.Record, s *Step) {
	if !d.settled() {
		return
	}
	if drift, ok := d.policyDrift(w, n, rec); ok {
		d.e.Drift = append(d.e.Drift, drift)
	}
	if drift, ok := d.aclDrift(w, n, rec); ok && s.Has(UpdateACL) {
		d.e.Drift = append(d.e.Drift, drift)
	}
}

// policyDrift compares a record with what was written when it was made. The
// tick time comes from the ensemble block, not from the znode's own: a
// difference there is a change. Where the configuration has changed too, only
// that somebody has written to the znode can be told.
func (d *differ) policyDrift(w *want, n zkfs.Node, rec layout.Record) (Drift, bool) {
	drift := Drift{
		Address: w.Address, Path: w.Path, Kind: w.kind(), Action: UpdatePolicy, Pos: w.Pos,
		Reason: "its record was changed by hand",
	}
	if rec.Spec != w.spec || rec.Address != w.Address {
		if d.after(n.Stat.Czxid, rec) {
			drift.Reason = "it was made anew by hand"
		}
		drift.Reason += "; what it said before is not known"
		return drift, d.after(n.Stat.Mzxid, rec)
	}
	rec.Layout = d.l.Name // another is a takeover
	changes := recordChanges(w.record(d.l.Name, 0), rec)
	if w.policy != nil && !slices.Contains(w.policy.Written, "tick_time") {
		changes = slices.DeleteFunc(changes, func(c Change) bool { return c.Name == "tick_time" })
	}
	drift.Changes = changes
	return drift, len(changes) > 0
}

// after reports whether a transaction comes after the last run of the layout that
// a record is of: that ends with a write of the ledger.
func (d *differ) after(zxid int64, rec layout.Record) bool {
	last := d.live.Ledger.Stat.Mzxid
	if rec.Layout != d.l.Name {
		last = d.live.Former.Stat.Mzxid
	}
	return last != 0 && zxid > last
}

// aclDrift tells an ACL that was changed in the tree since it was recorded.
func (d *differ) aclDrift(w *want, n zkfs.Node, rec layout.Record) (Drift, bool) {
	anew := !written(n, &d.live.Ledger)
	if n.ACL == nil || rec.Aversion == n.Stat.Aversion && !anew {
		return Drift{}, false
	}
	drift := Drift{
		Address: w.Address, Path: w.Path, Kind: w.kind(), Action: UpdateACL, Pos: w.Pos,
		Reason: fmt.Sprintf("its ACL was changed by hand: aversion %d was recorded, it is %d", rec.Aversion, n.Stat.Aversion),
	}
	if anew {
		drift.Reason = "it was made anew by hand, with another ACL"
	}
	if rec.Spec != w.spec {
		return drift, true
	}
	// What was recorded is what is declared.
	was := resolve(w.ACL, d.live.Identities)
	change, _ := aclChange(was, unmask(n.ACL, was))
	drift.Changes = []Change{change}
	return drift, true
}

// applied reports whether all that is declared was in the tree at the end of
// the last run.
func (d *differ) applied() bool {
	l := &d.live.Ledger
	return d.settled() && l.Complete != "" && l.Complete == d.l.Digest
}

// wentMissing adds the drift of a znode that was deleted by hand.
func (d *differ) wentMissing(w *want) {
	if !d.applied() && !(d.settled() && slices.Contains(d.live.Ledger.Roots, w.Path)) {
		return
	}
	d.e.Drift = append(d.e.Drift, Drift{
		Address: w.Address, Path: w.Path, Kind: w.kind(), Action: Delete, Pos: w.Pos, Reason: "it was deleted by hand",
	})
}

// lostRecord reports whether a znode without a readable record was ours: it is
// declared as it was at the end of the last run, and older than that.
func (d *differ) lostRecord(n zkfs.Node) bool {
	return d.applied() && n.Stat.Czxid <= d.live.Ledger.Stat.Mzxid && n.Denied&zkfs.PartData == 0
}

// restore writes the record of a znode anew whose data was overwritten.
func (d *differ) restore(w *want, n zkfs.Node, s Step) {
	d.e.Drift = append(d.e.Drift, Drift{
		Address: w.Address, Path: w.Path, Kind: w.kind(), Action: UpdatePolicy, Pos: w.Pos,
		Reason:  "its record was overwritten by hand",
		Changes: []Change{{"data", `"the record"`, string(jsonOf(fmt.Sprintf("%d bytes that are no record", len(n.Data))))}},
	})
	if d.o.Mode == RefreshOnly {
		return
	}
	s.Actions, s.Foreign = []Action{UpdatePolicy}, len(n.Data)
	s.Reason = "its record was overwritten"
	aversion := d.setACL(w, n, &s)
	s.Data = d.encode(w.record(d.l.Name, aversion), w.Path, w.Pos)
	d.add(s)
}

// refresh accepts what has drifted: the record then vouches for the ACL as it
// is, and for no configuration, so that the next plan shows a change.
func (d *differ) refresh(w *want, n zkfs.Node, rec layout.Record, s Step) {
	policy, changed := d.policyDrift(w, n, rec)
	acl, touched := d.aclDrift(w, n, rec)
	if touched && sameACL(n.ACL, resolve(w.ACL, d.live.Identities)) && !changed {
		// Changed and changed back: the aversion alone is recorded anew.
		touched = false
	}
	if changed {
		d.e.Drift = append(d.e.Drift, policy)
	}
	if touched {
		d.e.Drift = append(d.e.Drift, acl)
	}
	if !changed && !touched {
		s.Actions = noOp
		d.add(s)
		return
	}
	rec.Aversion, rec.Spec = n.Stat.Aversion, ""
	s.Actions, s.OldData, s.Reason = []Action{Refresh}, n.Data, "the record accepts what has drifted"
	s.Data = d.encode(rec, w.Path, w.Pos)
	d.add(s)
}
