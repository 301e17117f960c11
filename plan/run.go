package plan

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// A Run is one apply of a plan, as the ledger and the history tell of it.
type Run struct {
	ID       string    `json:"id"`
	Serial   int64     `json:"serial"`
	Plan     string    `json:"plan"`   // digest
	Config   string    `json:"config"` // digest
	Mode     Mode      `json:"mode,omitempty"`
	Batch    int       `json:"batch"` // committed
	Batches  int       `json:"batches"`
	Cursor   int       `json:"cursor"` // ACL changes made
	ACLs     int       `json:"acls"`
	Done     bool      `json:"done"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	User     string    `json:"user,omitempty"`
	Host     string    `json:"host,omitempty"`
	Commit   string    `json:"commit,omitempty"` // of the configuration's repository
	Version  string    `json:"version,omitempty"`
	Ensemble string    `json:"ensemble,omitempty"`
	Summary  string    `json:"summary,omitempty"` // such as "3 created, 1 updated"
}

// By returns who ran it, for people: "user@host", or what of it is known.
func (r *Run) By() string {
	switch {
	case r.User != "" && r.Host != "":
		return r.User + "@" + r.Host
	case r.User != "" || r.Host != "":
		return r.User + r.Host
	}
	return "somebody"
}

// newID returns 32 random hexadecimal digits.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// summaryOf says what an ensemble's part does, such as "3 created, 1 updated".
func summaryOf(e *Ensemble) string {
	var parts []string
	s := (&Plan{Ensembles: []Ensemble{*e}}).Summary()
	for _, x := range []struct {
		n    int
		done string
	}{{s.Create, "created"}, {s.Adopt, "adopted"}, {s.Update, "updated"}, {s.Move, "moved"}, {s.Disown, "disowned"}, {s.Delete, "deleted"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.done))
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}
