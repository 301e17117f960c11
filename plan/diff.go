package plan

import "github.com/lockform/lockform/zkfs/layout"

// Diff compares a layout with what Read found in each of its ensembles. It is
// pure. The error is an *Error with every problem.
func Diff(l *layout.Layout, lives []*Live, o Options) (*Plan, error) { return nil, ErrInvalid }
