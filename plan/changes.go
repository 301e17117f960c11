package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// writeChanges shows attributes one by one:
//
//	mode: "exclusive" → "read_write"
//	acl: + digest:app crd
//	acl: - world:anyone r
func writeChanges(w io.Writer, o TextOptions, changes []Change) {
	for _, c := range changes {
		switch c.Name {
		case "acl", "contender_acl":
			writeACLChange(w, o, c)
		default:
			fmt.Fprintf(w, "      %s: %s\n", c.Name, c.values())
		}
	}
}

// values returns "before → after", or the only one of them.
func (c Change) values() string {
	switch {
	case c.Before == "":
		return c.After
	case c.After == "":
		return c.Before + " → (none)"
	}
	return c.Before + " → " + c.After
}

// String returns the change in one line, such as
// `mode: "exclusive" → "read_write"` or `acl: + digest:app crd`.
func (c Change) String() string {
	if c.Name != "acl" && c.Name != "contender_acl" {
		return c.Name + ": " + c.values()
	}
	var parts []string
	for _, d := range c.entries() {
		parts = append(parts, d.symbol+" "+d.text)
	}
	return c.Name + ": " + strings.Join(parts, ", ")
}

func writeACLChange(w io.Writer, o TextOptions, c Change) {
	for _, d := range c.entries() {
		color := green
		switch d.symbol {
		case "-":
			color = red
		case "~":
			color = yellow
		}
		fmt.Fprintf(w, "      %s: %s %s\n", c.Name, o.paint(color, d.symbol), d.text)
	}
}

// An entryDiff is what becomes of one identity of an ACL.
type entryDiff struct{ symbol, text string }

// entries compares the two sides of an ACL identity by identity.
func (c Change) entries() []entryDiff {
	before, after := parseACLValue(c.Before), parseACLValue(c.After)
	name := shortNames(before, after)
	was := make(map[zkfs.Identity]zkfs.Perms)
	for _, e := range before {
		was[e.Identity] = e.Perms
	}
	is := make(map[zkfs.Identity]bool)
	var all []entryDiff
	for _, e := range after {
		is[e.Identity] = true
		switch old, ok := was[e.Identity]; {
		case !ok:
			all = append(all, entryDiff{"+", name(e.Identity) + " " + e.Perms.String()})
		case old != e.Perms:
			all = append(all, entryDiff{"~", name(e.Identity) + " " + old.String() + " → " + e.Perms.String()})
		}
	}
	for _, e := range before {
		if !is[e.Identity] {
			all = append(all, entryDiff{"-", name(e.Identity) + " " + e.Perms.String()})
		}
	}
	return all
}

// shortNames leaves out the hash of digests unless two of one user differ.
func shortNames(acls ...zkfs.ACL) func(zkfs.Identity) string {
	hashes := make(map[string]string)
	several := make(map[string]bool)
	for _, acl := range acls {
		for _, e := range acl {
			if user, hash, ok := strings.Cut(e.ID, ":"); ok && e.Scheme == "digest" {
				if h, seen := hashes[user]; seen && h != hash {
					several[user] = true
				}
				hashes[user] = hash
			}
		}
	}
	return func(id zkfs.Identity) string {
		user, _, ok := strings.Cut(id.ID, ":")
		if !ok || id.Scheme != "digest" || several[user] {
			return id.String()
		}
		return "digest:" + user
	}
}

// parseACLValue reads the value of an attribute that is an ACL: that of
// aclValue, or a policy's contender_acl as it stands in a record.
func parseACLValue(value string) zkfs.ACL {
	if value == "" {
		return nil
	}
	var list aclJSON
	if json.Unmarshal([]byte(value), &list) == nil {
		return zkfs.ACL(list).Canonical()
	}
	var entries []struct{ Scheme, ID, Perms string }
	var acl zkfs.ACL
	if json.Unmarshal([]byte(value), &entries) == nil {
		for _, e := range entries {
			if perms, err := zkfs.ParsePerms(e.Perms); err == nil {
				acl = append(acl, zkfs.Entry{Perms: perms, Identity: zkfs.Identity{Scheme: e.Scheme, ID: e.ID}})
			}
		}
	}
	return acl.Canonical()
}
