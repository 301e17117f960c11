package plan

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// ReadHistory returns the last runs, at most 50, the latest first. The ledger at
// path may be missing.
func ReadHistory(ctx context.Context, t Target, path zkfs.Path) ([]Run, error) {
	return nil, ErrLedger
}
