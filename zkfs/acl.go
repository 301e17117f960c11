package zkfs

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Perms is a set of permissions, with the server's bits.
type Perms int32

// The permissions, in the server's numbering. They are written in the order
// "cdrwa".
const (
	Read Perms = 1 << iota
	Write
	Create
	Delete
	Admin
	AllPerms = Read | Write | Create | Delete | Admin
)

var permLetters = []struct {
	perm   Perms
	letter byte
	name   string
}{
	{Create, 'c', "create"},
	{Delete, 'd', "delete"},
	{Read, 'r', "read"},
	{Write, 'w', "write"},
	{Admin, 'a', "admin"},
}

// String returns the permissions as letters in the order "cdrwa".
func (p Perms) String() string {
	var b strings.Builder
	for _, l := range permLetters {
		if p&l.perm != 0 {
			b.WriteByte(l.letter)
		}
	}
	return b.String()
}

// ParsePerms reads letters as String writes them, in any order.
func ParsePerms(s string) (Perms, error) {
	var p Perms
next:
	for i := range len(s) {
		for _, l := range permLetters {
			if s[i] == l.letter {
				p |= l.perm
				continue next
			}
		}
		return 0, fmt.Errorf("%q is not a permission; the letters are c, d, r, w and a", s[i:i+1])
	}
	return p, nil
}

// PermNames lists the words that ParsePermName takes, "all" included.
func PermNames() []string {
	names := make([]string, 0, len(permLetters)+1)
	for _, l := range permLetters {
		names = append(names, l.name)
	}
	return append(names, "all")
}

// ParsePermName reads one permission by its word: create, delete, read, write,
// admin or all.
func ParsePermName(s string) (Perms, error) {
	if s == "all" {
		return AllPerms, nil
	}
	for _, l := range permLetters {
		if s == l.name {
			return l.perm, nil
		}
	}
	return 0, fmt.Errorf("%q is not a permission; use one of %s", s, strings.Join(PermNames(), ", "))
}

// An Identity is who a session is, or who an ACL speaks of: a scheme and an id
// within it, such as digest and "app:base64(sha1(…))".
type Identity struct {
	Scheme string
	ID     string
}

// The identities with a fixed form.
var (
	Anyone = Identity{"world", "anyone"}
	// AuthIDs stands for every identity of the session that sends it; the
	// server replaces it by them.
	AuthIDs = Identity{"auth", ""}
)

// String returns "scheme:id".
func (i Identity) String() string { return i.Scheme + ":" + i.ID }

// Schemes lists the ACL schemes that lockform knows.
func Schemes() []string { return []string{"world", "digest", "x509", "ip", "sasl", "auth"} }

// Digest returns the identity of a user of the digest scheme, with the id
// "user:base64(sha1(user:password))" (DigestAuthenticationProvider).
func Digest(user, password string) Identity {
	sum := sha1.Sum([]byte(user + ":" + password))
	return Identity{"digest", user + ":" + base64.StdEncoding.EncodeToString(sum[:])}
}

// An Entry gives permissions to one identity.
type Entry struct {
	Perms Perms
	Identity
}

// String returns "scheme:id:cdrwa".
func (e Entry) String() string { return e.Identity.String() + ":" + e.Perms.String() }

// An ACL is a list of entries. Their order has no meaning to the server; the
// permissions of several entries for one identity add up.
type ACL []Entry

// Open is what the server calls OPEN_ACL_UNSAFE: everything to everyone.
func Open() ACL { return ACL{{AllPerms, Anyone}} }

// ReadOnly lets everyone read and nobody change anything.
func ReadOnly() ACL { return ACL{{Read, Anyone}} }

// Canonical returns the ACL with one entry for each identity, without empty
// ones, sorted by scheme and id. Two ACLs with equal canonical forms give
// equal permissions.
func (a ACL) Canonical() ACL {
	byID := make(map[Identity]Perms, len(a))
	for _, e := range a {
		byID[e.Identity] |= e.Perms
	}
	c := make(ACL, 0, len(byID))
	for id, p := range byID {
		if p != 0 {
			c = append(c, Entry{p, id})
		}
	}
	slices.SortFunc(c, func(x, y Entry) int {
		if n := strings.Compare(x.Scheme, y.Scheme); n != 0 {
			return n
		}
		return strings.Compare(x.ID, y.ID)
	})
	return c
}

// Equal reports whether both give the same permissions to the same identities.
func (a ACL) Equal(b ACL) bool { return slices.Equal(a.Canonical(), b.Canonical()) }

// Grants returns the permissions that a session with the given identities has,
// what everyone has included.
func (a ACL) Grants(ids ...Identity) Perms {
	var p Perms
	for _, e := range a {
		if e.Identity == Anyone || slices.Contains(ids, e.Identity) {
			p |= e.Perms
		}
	}
	return p
}

// With returns the ACL with all permissions for each of ids added, canonical.
func (a ACL) With(ids ...Identity) ACL {
	c := slices.Clone(a)
	for _, id := range ids {
		c = append(c, Entry{AllPerms, id})
	}
	return c.Canonical()
}

// String returns the entries in canonical order, separated by commas.
func (a ACL) String() string {
	var s []string
	for _, e := range a.Canonical() {
		s = append(s, e.String())
	}
	return strings.Join(s, ",")
}
