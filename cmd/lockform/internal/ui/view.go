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

// A Source looks at the ensembles of a layout. Its methods end with their
// context. What cannot be seen is in Problems, beside what can.
type Source interface {
	// Queues reads what changes all the time.
	Queues(ctx context.Context) Queues
	// Survey reads what changes seldom, and takes longer.
	Survey(ctx context.Context) Survey
}

// Queues are the live tree and who holds and waits in it.
type Queues struct {
	Ensembles []string // those that were read
	Nodes     []Node   // by ensemble, then by path
	Problems  []plan.Problem
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
	Plan     *plan.Plan // nil when it could not be made
	Report   doctor.Report
	Runs     []Run // the latest first
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

// A look is looked again when somebody asks and the last time is a while ago.
// Nobody asks, nobody looks.
type look[T any] struct {
	every time.Duration // the least time between two; it grows with how long one takes
	limit time.Duration // for one
	do    func(context.Context) T

	turn  chan struct{} // held while looking
	value T
	at    time.Time // when it began; zero before the first
	took  time.Duration
}

func newLook[T any](every, limit time.Duration, do func(context.Context) T) *look[T] {
	return &look[T]{every: every, limit: limit, do: do, turn: make(chan struct{}, 1)}
}

// get returns what was seen, and when. It looks itself if need be, until base
// ends and not only until ctx does: others want to know as well. When ctx ends
// while somebody else looks, it fails.
func (l *look[T]) get(ctx, base context.Context) (T, time.Time, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		var none T
		return none, time.Time{}, context.Cause(ctx)
	}
	// Of ten parts of the time, one at most is spent looking; what hangs is
	// tried again all the same.
	if l.at.IsZero() || time.Since(l.at) >= max(l.every, min(10*l.took, l.limit)) {
		limited, cancel := context.WithTimeout(base, l.limit)
		defer cancel()
		began := time.Now()
		l.value = l.do(limited)
		l.at, l.took = began, time.Since(began)
	}
	return l.value, l.at, nil
}
