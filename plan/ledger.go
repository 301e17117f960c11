package plan

import (
	"context"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// A Ledger is what a layout remembers in one ensemble.
type Ledger struct {
	Path     zkfs.Path
	Stat     zkfs.Stat // of its znode; zero when there is none
	Layout   string
	ID       string          // random, made with the ledger
	Serial   int64           // rises with every run
	Roots    []zkfs.Path     // topmost managed znodes
	Below    []zkfs.Path     // parents of so many roots that they are not listed one by one
	Planners []zkfs.Identity // of the last run
	Siblings []string        // all ensembles of the layout
	Complete string          // configuration digest of the last run that applied everything
	Run      *Run            // the last one; nil: none yet
}

// Exists reports whether there is such a ledger.
func (l *Ledger) Exists() bool { return l.Stat.Czxid != 0 }

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

// ReadLedger reads the ledger at path. One that does not exist gives a Ledger
// for which Exists is false, and no error.
func ReadLedger(ctx context.Context, t Target, path zkfs.Path) (Ledger, error) {
	return Ledger{}, ErrLedger
}

// Prepare sees to it that the ledger, its ancestors, the apply lock, the history
// and the agents' inventory exist, in one multi, and returns the path of the
// apply lock. It does nothing when they exist, and lets another be first. No
// lock is needed.
func Prepare(ctx context.Context, t Target, p *Plan, ensemble string) (zkfs.Path, error) {
	return "", ErrLedger
}
