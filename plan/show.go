package plan

import (
	"context"
	"io"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Managed is a znode of the live tree that a layout owns, or, in a listing of
// what nobody owns, one that stands below a managed namespace.
type Managed struct {
	Path     zkfs.Path
	Record   layout.Record // zero when Unmanaged or Problem
	Stat     zkfs.Stat
	Owner    string // another layout that owns it; "" otherwise
	Problem  string // why its record cannot be read; "" otherwise
	Managed  bool   // by the layout of the ledger
	Children int
}

// List returns the znodes that the layout of the ledger owns, sorted by path,
// and those below them that it does not own when unmanaged is true. Nothing
// below a lock is looked at.
func List(ctx context.Context, t Target, ledger Ledger, unmanaged bool) ([]Managed, error) {
	return nil, ErrLedger
}

// WriteManaged shows the managed live tree of one ensemble to people.
func WriteManaged(w io.Writer, ensemble string, ledger Ledger, nodes []Managed, o TextOptions) error {
	return nil
}

// ManagedJSON returns the managed live tree as the document of "show -json"
// without a plan file.
func ManagedJSON(trees []Tree) ([]byte, error) { return nil, nil }

// A Tree is the managed part of one ensemble.
type Tree struct {
	Ensemble string
	Ledger   Ledger
	Nodes    []Managed
}
