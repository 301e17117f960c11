package hcl

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// placed is a path in an ensemble.
type placed struct {
	ensemble string
	path     zkfs.Path
}

// checkPaths reports paths that cannot be used together or at all.
func (l *loader) checkPaths(root zkfs.Path, ledger zkfs.Path) {
	taken := make(map[placed]*instance, len(l.namespaces)+len(l.locks))
	all := make([]*instance, 0, len(l.namespaces)+len(l.locks))
	all = append(append(all, l.namespaces...), l.locks...)
	slices.SortStableFunc(all, before)
	for _, in := range all {
		key := placed{in.Ensemble, in.Path}
		if first := taken[key]; first != nil {
			l.duplicatePath(first, in)
			continue
		}
		taken[key] = in
		l.reservedPath(in, root, ledger)
	}
	for _, in := range all {
		for p := in.Path.Parent(); p != zkfs.Root; p = p.Parent() {
			if outer := taken[placed{in.Ensemble, p}]; outer != nil && outer.node.kind == "lock" && outer != in {
				l.errorf(in.pathAt, "Path below a lock", "%s has the path %s, which lies below %s (%s at %s). Below a lock stand only its contenders; another child breaks clients that take it. Move one of them.",
					in.Address, in.Path, outer.Path, outer.Address, outer.Pos)
				break
			}
		}
	}
}

// before orders instances by where they are declared.
func before(a, b *instance) int {
	if n := strings.Compare(a.Pos.File, b.Pos.File); n != 0 {
		return n
	}
	if n := a.Pos.Line - b.Pos.Line; n != 0 {
		return n
	}
	return strings.Compare(string(a.Address), string(b.Address))
}

func (l *loader) duplicatePath(first, second *instance) {
	detail := fmt.Sprintf("%s has the path %s, and so has %s at %s.", second.Address, second.Path, first.Address, first.Pos)
	switch {
	case first.node == second.node && second.node.attr("path") == nil:
		detail += ` All instances have the default path; write one with each.key, such as path = "` + second.node.name + `-${each.key}".`
	case first.node == second.node:
		detail += " A path of a block with for_each must differ between its instances; use each.key in it."
	default:
		detail += " Give one of them another path."
	}
	l.errorf(second.pathAt, "Duplicate path", "%s", detail)
}

// reservedPath reports a path that is ZooKeeper's or the ledger's.
func (l *loader) reservedPath(in *instance, root, ledger zkfs.Path) {
	const own = zkfs.Path("/zookeeper")
	switch {
	case own.Contains(in.Path):
		l.errorf(in.pathAt, "Reserved path", "%s has the path %s, and %s is where ZooKeeper keeps its own state. Choose another path.", in.Address, in.Path, own)
	case own.Contains(in.Path.Under(in.ens.Chroot)):
		l.errorf(in.pathAt, "Reserved path", "%s has the path %s below the chroot %s, and %s is where ZooKeeper keeps its own state. Choose another chroot.", in.Address, in.Path, in.ens.Chroot, own)
	}
	if ledger == "" {
		return
	}
	reserved := root
	if root == zkfs.Root {
		reserved = ledger
	}
	if reserved.Contains(in.Path) {
		l.errorf(in.pathAt, "Reserved path", "%s has the path %s, which lies inside of the ledger %s. Choose another path, or move the ledger with the argument ledger of the layout block.", in.Address, in.Path, reserved)
	} else if in.node.kind == "lock" && in.Path.Contains(ledger) {
		l.errorf(in.pathAt, "Path below a lock", "The ledger %s lies below %s, the path of %s. Below a lock stand only its contenders. Move one of them.", ledger, in.Path, in.Address)
	}
}

// checkRecords reports what would not fit into the data of a znode.
func (l *loader) checkRecords(name string) {
	check := func(in *instance, kind layout.Kind) {
		size := 0
		r := layout.Record{Layout: name, Address: in.Address, Kind: kind, Protected: in.Protected, Aversion: math.MaxInt32,
			Spec: "sha256:" + strings.Repeat("0", 64)}
		if in.policy != nil {
			if !in.policy.ok {
				return
			}
			size = in.policy.size
			r.Policy = in.policy.policy
		}
		// Encoding a character takes six bytes at most.
		if size+6*len(in.Address)+len(name)+400 < layout.MaxRecord {
			return
		}
		if _, err := r.Encode(); err != nil {
			at := in.node.def
			if a := in.node.attr("contender_acl"); a != nil {
				at = a.Expr.Range()
			}
			l.errorf(at, "Record too large", "%s cannot be stored in its znode: %v. Shorten the keys of for_each or the contender_acl.", shorten(string(in.Address)), err)
		}
	}
	for _, in := range l.namespaces {
		check(in, layout.KindNamespace)
	}
	for _, in := range l.locks {
		check(in, layout.KindLock)
	}
}

func shorten(s string) string {
	if len(s) <= 200 {
		return s
	}
	return strings.ToValidUTF8(s[:150], "") + "…" + strings.ToValidUTF8(s[len(s)-40:], "")
}

// An aclUse is what a check of an ACL depends on.
type aclUse struct {
	acl  *aclValue
	ens  *ensemble
	kind string
	at   hcl.Range
}

// checkACLs reports ACLs that lock everybody out, and warns of open ones.
func (l *loader) checkACLs() {
	done := map[aclUse]bool{}
	for _, list := range [][]*instance{l.namespaces, l.locks} {
		for _, in := range list {
			use := aclUse{in.acl.acl, in.ens, in.node.kind, in.acl.at}
			if in.acl.acl == nil || done[use] {
				continue
			}
			done[use] = true
			l.checkACL(use, in.acl.implied)
		}
	}
}

// checkACL checks the ACL of a namespace, a lock or the layout itself.
func (l *loader) checkACL(u aclUse, implied bool) {
	entries := u.acl.entries
	if open := entries.Grants(); open == zkfs.AllPerms {
		if implied {
			l.warnf(u.at, "Open ACL", "No acl is in scope here, so acl.open applies: anyone who reaches the ensemble can change and delete what is declared here. Set acl, on this block or on one around it.")
		} else {
			l.warnf(u.at, "Open ACL", "%s gives all permissions to everyone: anyone who reaches the ensemble can change and delete what has it. Use an acl block that names who may do what.", u.acl.name)
		}
	} else if u.kind == "namespace" {
		l.warnOthers(u)
	}
	if u.ens.guess {
		return
	}
	u.lockout(l)
}

// warnOthers warns of a namespace whose children others may create or delete.
func (l *loader) warnOthers(u aclUse) {
	var others []string
	for _, e := range u.acl.entries.Canonical() {
		if e.Perms&(zkfs.Create|zkfs.Delete) == 0 || e.Identity == zkfs.AuthIDs || slices.Contains(u.ens.Identities, e.Identity) {
			continue
		}
		if u.ens.guess && e.Scheme != "world" {
			continue
		}
		others = append(others, e.Identity.String())
	}
	if len(others) > 0 {
		l.warnf(u.at, "Others may change a namespace", "%s lets %s create or delete what is directly inside of a namespace: they could remove locks that nobody holds, and make children that nobody declared. Give create and delete on the locks alone.",
			u.acl.name, enumerate(others, "and"))
	}
}

// lockout reports an ACL that leaves nobody with ADMIN, or denies the planner
// what it needs. The planner's identities are always added, so this happens
// where it has none.
func (u aclUse) lockout(l *loader) {
	ids := u.ens.Identities
	what := u.acl.name
	if len(ids) > 0 {
		return
	}
	if slices.ContainsFunc(u.acl.entries, func(e zkfs.Entry) bool { return e.Identity == zkfs.AuthIDs }) {
		l.errorf(u.at, "ACL for nobody", `The grant "auth" in %s stands for the identities of the planner's run, and ensemble %q gives it none. Add an auth block or a client certificate to the ensemble, or name the identity in the grant.`, what, u.ens.Name)
		return
	}
	var administers, mayBe bool
	var maybe zkfs.Perms
	for _, e := range u.acl.entries {
		administers = administers || e.Perms&zkfs.Admin != 0
		if e.Scheme == "ip" || e.Scheme == "sasl" {
			// Whether these are the planner is known when it is connected.
			mayBe = true
			maybe |= e.Perms
		}
	}
	granted := u.acl.entries.Grants()
	switch {
	case !administers:
		l.errorf(u.at, "ACL leaves nobody with ADMIN", "%s gives admin to nobody, and ensemble %q has no identity that is added to it: nobody could ever change the ACL again. Add an auth block or a client certificate to the ensemble, or a grant with the permission \"admin\".", what, u.ens.Name)
	case granted&zkfs.AllPerms != zkfs.AllPerms && !(mayBe && (granted|maybe) == zkfs.AllPerms):
		missing := permWords(zkfs.AllPerms &^ (granted | maybe))
		if mayBe && missing == nil {
			return
		}
		l.errorf(u.at, "ACL denies the planner", "After the znode was created lockform itself could not change it: %s does not give %s to the planner, which has no identity in ensemble %q. Add an auth block or a client certificate to the ensemble; its identity is then added to every ACL.", what, enumerate(missing, "and"), u.ens.Name)
	}
}

// permWords returns the words for a set of permissions.
func permWords(p zkfs.Perms) []string {
	var words []string
	for _, w := range zkfs.PermNames() {
		if one, err := zkfs.ParsePermName(w); err == nil && one != zkfs.AllPerms && p&one != 0 {
			words = append(words, w)
		}
	}
	return words
}
