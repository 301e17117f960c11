package doctor

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A group gathers the znodes about which the same is to be said.
type group struct {
	severity        Severity
	check           string
	summary, remedy string // %s: how many znodes
	paths           []zkfs.Path
	address         string // of the first
}

// acls judges the ACLs of what the layout owns. Znodes with the same fault make
// one finding: a team has one ACL for many locks.
func (j *treeJudge) acls() {
	var groups []*group
	index := map[string]*group{}
	for i := range j.Nodes {
		m := &j.Nodes[i]
		n, ok := j.ACLs[m.Path]
		if !m.Managed || !ok || n.Absent {
			continue
		}
		for _, f := range j.acl(m.Record.Kind, n) {
			key := f.check + "\x00" + f.summary
			g := index[key]
			if g == nil {
				g = &f
				g.address = string(m.Record.Address)
				index[key] = g
				groups = append(groups, g)
			}
			g.paths = append(g.paths, m.Path)
		}
	}
	if n, ok := j.ACLs[j.Ledger.Path]; ok && !n.Absent {
		for _, f := range j.acl(layout.KindLedger, n) {
			f.paths = []zkfs.Path{n.Path}
			groups = append(groups, &f)
		}
	}
	for _, g := range groups {
		var names []string
		for _, p := range g.paths {
			names = append(names, p.String())
		}
		address := g.address
		if len(names) > 1 {
			address = ""
		}
		j.add(g.severity, g.check, address, g.paths, fmt.Sprintf(g.summary, some(names)), g.remedy)
	}
}

// acl returns what is to be said about one ACL.
func (j *treeJudge) acl(kind layout.Kind, n zkfs.Node) []group {
	if n.Denied&zkfs.PartACL != 0 {
		return []group{{severity: Warning, check: "acl", summary: "The ACL may not be read by this run: %s",
			remedy: "Authenticate as somebody who has READ or ADMIN there; otherwise nobody can tell whether it is safe."}}
	}
	var found []group
	add := func(severity Severity, check, summary, remedy string) {
		found = append(found, group{severity: severity, check: check, summary: summary, remedy: remedy})
	}
	open := n.ACL.Grants() &^ zkfs.Read
	if kind == layout.KindLock || n.Path == j.Ledger.Path.Parent() {
		open &^= zkfs.Create // to take the lock; to begin another layout
	}
	if open != 0 {
		add(Warning, "open_acl", "Everyone has "+permWords(open)+" on %s",
			"Anyone who reaches the ensemble can change or remove it, or what is in it. Give it an acl that names who may do what, and apply.")
	}
	switch {
	case len(holders(n.ACL, zkfs.Admin)) == 0:
		add(Error, "admin", "Nobody can administer %s: no identity that exists has ADMIN",
			"Only the servers' super user (zookeeper.DigestAuthenticationProvider.superDigest) can mend the ACL. Afterwards \"lockform apply\" keeps the planner's identities in it.")
	case !administers(n.ACL, j.Planner):
		remedy := "Others have ADMIN, the identities of this run have not: an apply that changes the ACL will fail. Authenticate as the planner, or have it added."
		if user := namesake(n.ACL, j.Planner); user != "" {
			remedy = fmt.Sprintf("The ACL names %q with another password, or with one that is not hashed, so that nobody may be able to. Authenticate as somebody who has ADMIN, or have the servers' super user mend it.", user)
		}
		add(Warning, "admin", "This run cannot administer %s", remedy)
	}
	if kind != layout.KindLock && len(holders(n.ACL, zkfs.Delete)) == 0 {
		add(Warning, "delete", "Nobody can delete what is in %s: no identity that exists has DELETE on it", "Declare an acl that gives it, and apply.")
	}
	if kind == layout.KindLock {
		var several []string
		for _, id := range holders(n.ACL, zkfs.Delete) {
			if !slices.Contains(j.Planner, id) && id != zkfs.Anyone {
				several = append(several, name(id))
			}
		}
		if len(several) > 1 {
			add(Note, "delete", fmt.Sprintf("%d identities can delete each other's contenders (%s) on ", len(several), strings.Join(several, ", "))+"%s",
				"That is normal where several teams share a lock; any of them can take it away from another.")
		}
	}
	return found
}

// permWords lists permissions by their words, such as "create and delete".
func permWords(p zkfs.Perms) string {
	var all []string
	for _, w := range zkfs.PermNames() {
		if one, err := zkfs.ParsePermName(w); err == nil && one != zkfs.AllPerms && p&one != 0 {
			all = append(all, w)
		}
	}
	last := len(all) - 1
	if last < 1 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:last], ", ") + " and " + all[last]
}

// holders returns the identities that have a permission, without those that
// nobody can ever be.
func holders(acl zkfs.ACL, perm zkfs.Perms) []zkfs.Identity {
	var ids []zkfs.Identity
	for _, e := range acl.Canonical() {
		if e.Perms&perm != 0 && !impossible(e.Identity) {
			ids = append(ids, e.Identity)
		}
	}
	return ids
}

// impossible reports whether nobody can authenticate as an identity: the server
// takes any text as the id of a digest, and compares it with a hash. A hash that
// is not shown to this session ("x") may be good.
func impossible(id zkfs.Identity) bool {
	if id.Scheme != "digest" {
		return false
	}
	_, hash, _ := strings.Cut(id.ID, ":")
	if hash == "x" {
		return false
	}
	sum, err := base64.StdEncoding.DecodeString(hash)
	return err != nil || len(sum) != 20
}

// administers reports whether a session with the given identities has ADMIN. Of
// addresses and of sasl that cannot be told. A server that hides hashes does so
// because the session has not.
func administers(acl zkfs.ACL, ids []zkfs.Identity) bool {
	if slices.ContainsFunc(acl, hidden) {
		return false
	}
	super := func(id zkfs.Identity) bool { return id.Scheme == "digest" && strings.HasPrefix(id.ID, "super:") }
	return acl.Grants(ids...)&zkfs.Admin != 0 || slices.ContainsFunc(ids, super) || slices.ContainsFunc(acl, func(e zkfs.Entry) bool {
		return e.Perms&zkfs.Admin != 0 && (e.Scheme == "ip" || e.Scheme == "sasl")
	})
}

// hidden reports whether the server has left out the hash of a digest.
func hidden(e zkfs.Entry) bool { return e.Scheme == "digest" && strings.HasSuffix(e.ID, ":x") }

// namesake returns the user of one of ids whom an entry with a hidden hash
// gives ADMIN, "" for none.
func namesake(acl zkfs.ACL, ids []zkfs.Identity) string {
	for _, e := range acl {
		user, _, _ := strings.Cut(e.ID, ":")
		if hidden(e) && e.Perms&zkfs.Admin != 0 && slices.ContainsFunc(ids, func(id zkfs.Identity) bool { return strings.HasPrefix(id.ID, user+":") }) {
			return user
		}
	}
	return ""
}

// name writes an identity without the hash of a password.
func name(id zkfs.Identity) string {
	if id.Scheme == "digest" {
		user, _, _ := strings.Cut(id.ID, ":")
		return "digest:" + user
	}
	return id.String()
}
