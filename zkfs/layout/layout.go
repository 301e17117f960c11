package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A Pos is a place in a configuration file. The zero Pos is unknown.
type Pos struct {
	File   string // relative to the directory of the layout
	Line   int    // from 1
	Column int    // from 1, in characters
}

// String returns "file line N", as diagnostics cite it.
func (p Pos) String() string {
	if p.File == "" {
		return "(unknown place)"
	}
	return fmt.Sprintf("%s line %d", p.File, p.Line)
}

// A Layout is everything that one directory declares: the unit of ownership.
type Layout struct {
	Name       string
	Ledger     zkfs.Path // the layout's own: <ledger>/<name>
	ACL        zkfs.ACL  // of the ledger and of created ancestors; nil: the identities of the run
	Ensembles  []Ensemble
	Namespaces []Namespace // sorted by ensemble, then path
	Locks      []Lock      // likewise
	Moved      []Moved     // in the order in which they apply
	Removed    []Removed
	Imports    []Import
	MovedFrom  zkfs.Path // the ledger that this layout takes over; "" for none
	Digest     string    // of the configuration and the values of its variables: "sha256:…"
	Pos        Pos
}

// Ensemble returns the ensemble of that name.
func (l *Layout) Ensemble(name string) (*Ensemble, bool) {
	for i := range l.Ensembles {
		if l.Ensembles[i].Name == name {
			return &l.Ensembles[i], true
		}
	}
	return nil, false
}

// An Ensemble says how a planner reaches a ZooKeeper.
type Ensemble struct {
	Name           string
	Servers        []string      // host:port; IPv6 in brackets
	Chroot         zkfs.Path     // Root for none
	SessionTimeout time.Duration // asked of the servers
	ConnectTimeout time.Duration
	TickTime       time.Duration // the servers' tickTime
	Auth           []Credential
	TLS            *TLS // nil for plain connections
	Pos            Pos

	// Identities are those that a session of this ensemble is known to have
	// without asking a server: of Auth and of the client's certificate.
	Identities []zkfs.Identity
}

// Fingerprint returns a digest of everything but the secrets, so that a plan
// can tell that the ensemble it was made for is declared otherwise now. A
// password that was changed does not change it.
func (e Ensemble) Fingerprint() string {
	var users []string
	for _, c := range e.Auth {
		users = append(users, c.Username)
	}
	data, _ := marshal(struct {
		Name                   string
		Servers                []string
		Chroot                 zkfs.Path
		Session, Connect, Tick time.Duration
		Users                  []string
		TLS                    *TLS
	}{e.Name, e.Servers, e.Chroot, e.SessionTimeout, e.ConnectTimeout, e.TickTime, users, e.TLS})
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// A Credential authenticates by the scheme digest.
type Credential struct {
	Username string
	Password Secret
}

// Identity returns the identity that the credential gives to a session.
func (c Credential) Identity() zkfs.Identity {
	return zkfs.Digest(c.Username, string(c.Password))
}

// TLS names the files of a mutual TLS connection. The paths are absolute or
// relative to the working directory of the process.
type TLS struct {
	CAFile     string
	CertFile   string
	KeyFile    string
	ServerName string // checked against the certificate; "" for the host connected to
}

// A Secret never shows itself: not by fmt, not in JSON, not in logs.
type Secret string

// String returns a placeholder.
func (Secret) String() string { return "(sensitive value)" }

// GoString returns a placeholder.
func (Secret) GoString() string { return "(sensitive value)" }

// MarshalText returns an error: a secret is stored nowhere.
func (Secret) MarshalText() ([]byte, error) {
	return nil, fmt.Errorf("a sensitive value cannot be stored")
}

// Kind says what a managed znode is.
type Kind string

// The kinds of managed znodes. A Parent is an ancestor that nobody declared
// and that did not exist.
const (
	KindNamespace Kind = "namespace"
	KindLock      Kind = "lock"
	KindParent    Kind = "parent"
	KindLedger    Kind = "ledger"
)

// A Declared is what namespaces and locks have in common.
type Declared struct {
	Address   Address
	Path      zkfs.Path // below the ensemble's chroot
	Ensemble  string
	ACL       zkfs.ACL // as written: without the planner's identities, "auth" not expanded
	Protected bool     // lifecycle.prevent_destroy
	Adopt     bool     // lifecycle.adopt
	Pos       Pos      // of the block
	ACLPos    Pos      // of the attribute that set the ACL; zero where none did
	ACLName   string   // by which the configuration refers to it, such as "acl.open"; may be ""
}

// A Namespace is a parent of locks and of other namespaces.
type Namespace struct{ Declared }

// A Lock is the parent of contenders.
type Lock struct {
	Declared
	Policy     *Policy // never nil, and not to be changed: locks that are declared alike share one
	PolicyName string  // of the policy block that it is made of, such as "policy.nightly"; "" for none
}
