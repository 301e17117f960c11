package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Spec returns the digest of what the configuration wrote about a namespace:
// its ACL and protection.
func (n Namespace) Spec() string { return n.spec(KindNamespace, nil) }

// Spec returns the digest of what the configuration wrote about a lock: its
// ACL, protection and the policy attributes that are set, grants sorted,
// durations normalised, no defaults.
func (l Lock) Spec() string {
	written := map[string]string{}
	for _, name := range l.Policy.Written {
		if v, ok := l.Policy.attribute(name); ok {
			written[name] = v
		}
	}
	return l.spec(KindLock, written)
}

func (d Declared) spec(kind Kind, policy map[string]string) string {
	acl := []string{}
	for _, e := range d.ACL.Canonical() {
		acl = append(acl, e.String())
	}
	data, _ := marshal(struct {
		Kind      Kind              `json:"kind"`
		ACL       []string          `json:"acl"`
		Protected bool              `json:"protected,omitempty"`
		Policy    map[string]string `json:"policy,omitempty"`
	}{kind, acl, d.Protected, policy})
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// WrittenList sorts names and removes duplicates, for Policy.Written.
func WrittenList(names []string) []string {
	s := slices.Clone(names)
	slices.SortFunc(s, strings.Compare)
	return slices.Compact(s)
}
