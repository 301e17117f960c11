package plan

import (
	"context"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Live is what a plan needs to know of one ensemble.
type Live struct {
	Ensemble   string
	Identities []zkfs.Identity // of the session that read it
	Ledger     Ledger          // zero when there is none
	Nodes      zkfs.Snapshot   // declared paths, their ancestors, and what the ledger's roots lead to
}

// Read reads from one ensemble what Diff needs. It only reads, in batches: the
// data of what is declared, children of namespaces where something undeclared
// may stand, ACLs where the recorded aversion does not vouch for them, and
// contenders of locks that are to go.
func Read(ctx context.Context, t Target, l *layout.Layout, ensemble string, o Options) (*Live, error) {
	return nil, ErrInvalid
}
