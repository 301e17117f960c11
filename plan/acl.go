package plan

import (
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// planners returns the identities of a session without the random credentials
// by which a lock client proves its contenders its own: they end with the
// session. The order is fixed.
func planners(ids []zkfs.Identity) []zkfs.Identity {
	var kept []zkfs.Identity
	for _, id := range ids {
		if id.Scheme == "digest" && strings.HasPrefix(id.ID, "lf-") {
			continue
		}
		kept = append(kept, id)
	}
	slices.SortFunc(kept, func(a, b zkfs.Identity) int { return strings.Compare(a.String(), b.String()) })
	return slices.Compact(kept)
}

// resolve returns the ACL that a znode is to have: what was written, with
// "auth" replaced by the planner's identities as the server would, and all
// permissions for them.
func resolve(written zkfs.ACL, ids []zkfs.Identity) zkfs.ACL {
	if written == nil {
		written = zkfs.Open()
	}
	if !slices.ContainsFunc(written, isAuth) {
		return written.With(ids...)
	}
	var acl zkfs.ACL
	for _, e := range written {
		if !isAuth(e) {
			acl = append(acl, e)
			continue
		}
		for _, id := range ids {
			acl = append(acl, zkfs.Entry{Perms: e.Perms, Identity: id})
		}
	}
	return acl.With(ids...)
}

func isAuth(e zkfs.Entry) bool { return e.Scheme == "auth" }

// sameACL compares the ACL of a znode as it was read with the wanted one.
func sameACL(live, want zkfs.ACL) bool { return unmask(live, want).Equal(want) }

// unmask returns the ACL of a znode with the digests that a reader without ADMIN
// does not see, and sees as "user:x". They are taken for those of that user in
// the wanted ACL: what differs is then what is known to differ.
func unmask(live, want zkfs.ACL) zkfs.ACL {
	if !slices.ContainsFunc(live, isMasked) {
		return live
	}
	var acl zkfs.ACL
	for _, e := range live.Canonical() {
		var hidden []zkfs.Entry
		var perms zkfs.Perms
		for _, w := range want.Canonical() {
			if isMasked(e) && w.Scheme == "digest" && strings.HasPrefix(w.ID, strings.TrimSuffix(e.ID, "x")) {
				hidden, perms = append(hidden, w), perms|w.Perms
			}
		}
		switch {
		case len(hidden) > 0 && perms == e.Perms:
			acl = append(acl, hidden...)
		case len(hidden) == 1:
			acl = append(acl, zkfs.Entry{Perms: e.Perms, Identity: hidden[0].Identity})
		default:
			acl = append(acl, e)
		}
	}
	return acl
}

func isMasked(e zkfs.Entry) bool { return e.Scheme == "digest" && strings.HasSuffix(e.ID, ":x") }

// revokes reports whether the new ACL takes a permission away that the old one
// gave. An old one that is not known counts as one that gave something.
func revokes(old, new zkfs.ACL) bool { return old == nil || len(revoked(old, new)) > 0 }

// revoked returns what the new ACL takes from whom.
func revoked(old, new zkfs.ACL) zkfs.ACL {
	now := make(map[zkfs.Identity]zkfs.Perms, len(new))
	for _, e := range new.Canonical() {
		now[e.Identity] = e.Perms
	}
	var taken zkfs.ACL
	for _, e := range old.Canonical() {
		if e.Perms &^= now[e.Identity] | now[zkfs.Anyone]; e.Perms != 0 {
			taken = append(taken, e)
		}
	}
	return taken
}

// aclChange returns the change of an attribute "acl", and false when there is
// none. The values are those of aclValue.
func aclChange(before, after zkfs.ACL) (Change, bool) {
	c := Change{Name: "acl"}
	if before != nil {
		c.Before = aclValue(before)
	}
	if after != nil {
		c.After = aclValue(after)
	}
	return c, c.Before != c.After
}

// aclValue writes an ACL as a JSON list of "scheme:id:perms", canonical.
func aclValue(acl zkfs.ACL) string {
	list := []string{}
	for _, e := range acl.Canonical() {
		list = append(list, e.String())
	}
	return string(jsonOf(list))
}

// ledgerACLs returns the ACLs of what is made for the ledger. Without any
// identity, and without layout.acl, all of it is open.
func ledgerACLs(l *layout.Layout, ensemble string, ids []zkfs.Identity) (own, agents, parent, ancestor zkfs.ACL) {
	switch {
	case l.ACL != nil:
		own = resolve(l.ACL, ids)
		parent, ancestor = own, own
	case len(ids) == 0:
		own, parent, ancestor = zkfs.Open(), zkfs.Open(), zkfs.Open()
	default:
		own = zkfs.ACL{}.With(ids...)
		ancestor = append(slices.Clone(own), zkfs.Entry{Perms: zkfs.Read, Identity: zkfs.Anyone}).Canonical()
		parent = append(slices.Clone(own), zkfs.Entry{Perms: zkfs.Read | zkfs.Create, Identity: zkfs.Anyone}).Canonical()
	}
	agents = slices.Clone(own)
	for i := range l.Locks {
		if l.Locks[i].Ensemble != ensemble {
			continue
		}
		for _, e := range resolve(l.Locks[i].ACL, ids) {
			entry := zkfs.Entry{Perms: zkfs.Create | zkfs.Read, Identity: e.Identity}
			if e.Perms&zkfs.Create != 0 && !slices.Contains(agents, entry) {
				agents = append(agents, entry)
			}
		}
	}
	return own, agents.Canonical(), parent, ancestor
}

// lacks returns what the planner would not be able to do with a znode of that
// ACL, given the permissions it needs. Entries of ip, sasl and schemes that
// are not ZooKeeper's own may concern it without our knowing; then, and for the
// super user, nothing lacks.
func lacks(acl zkfs.ACL, ids []zkfs.Identity, need zkfs.Perms) zkfs.Perms {
	if slices.ContainsFunc(ids, func(id zkfs.Identity) bool {
		return id.Scheme == "digest" && strings.HasPrefix(id.ID, "super:")
	}) {
		return 0
	}
	have := acl.Grants(ids...)
	for _, e := range acl {
		switch {
		case !slices.Contains([]string{"world", "digest", "x509", "auth"}, e.Scheme):
			have |= e.Perms
		case isMasked(e):
			user := strings.TrimSuffix(e.ID, "x")
			if slices.ContainsFunc(ids, func(id zkfs.Identity) bool {
				return id.Scheme == "digest" && strings.HasPrefix(id.ID, user)
			}) {
				have |= e.Perms
			}
		}
	}
	return need &^ have
}
