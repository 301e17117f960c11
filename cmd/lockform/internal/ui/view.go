// Package ui shows a layout in a browser: its tree with the holders and waiters
// of the moment, drift and changes, history and health; and the same as metrics.
package ui

import (
	"context"
	"time"

	"github.com/lockform/lockform/cmd/lockform/internal/doctor"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Source looks at the ensembles of a layout. Its methods may be called from
// several goroutines, though Queues of one ensemble and Survey by one at a time
// only, and end with their context. What cannot be seen is in Problems, beside
// what can.
type Source interface {
	// Ensembles returns the names of those that are declared now.
	Ensembles() []string
	// Queues reads what changes all the time in one ensemble.
	Queues(ctx context.Context, ensemble string) Queues
	// Survey reads what changes seldom, and takes longer.
	Survey(ctx context.Context) Survey
}

// Queues are the live tree of one ensemble and who holds and waits in it.
type Queues struct {
	Nodes    []Node         // by path
	Problems []plan.Problem // why it could not be read; empty when it was
}

// A Node is a znode that the layout owns.
type Node struct {
	Ensemble string
	Kind     layout.Kind
	Address  layout.Address
	Path     zkfs.Path
	Lock     *live.Lock // nil for what is no lock
}

// A Survey is everything else that is known of a layout.
type Survey struct {
	Layout   string
	Plan     *plan.Plan     // nil when it could not be made
	Report   *doctor.Report // nil when nobody could be examined
	Runs     []Run          // the latest first
	Problems []plan.Problem
}

// A Run is one row of the history.
type Run struct {
	Ensemble                 string
	Serial                   int64
	Started                  time.Time
	By, Commit, Plan, Result string
	Done                     bool
}
