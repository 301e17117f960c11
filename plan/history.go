package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// MaxHistory is how many runs the history keeps.
const MaxHistory = 50

// historyPath returns where the history tells of a run.
func historyPath(ledger zkfs.Path, serial int64) zkfs.Path {
	return ledger.Join(historyName).Join(fmt.Sprintf("%010d", serial))
}

// ReadHistory returns the last runs, at most MaxHistory, the latest first. The
// ledger at path may be missing. Entries that cannot be read are left out.
func ReadHistory(ctx context.Context, t Target, path zkfs.Path) ([]Run, error) {
	names, err := historyNames(ctx, t, path)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var paths []zkfs.Path
	for _, name := range names {
		paths = append(paths, path.Join(historyName).Join(name))
	}
	nodes, err := t.Read(ctx, zkfs.PartData, paths)
	if err != nil {
		return nil, err
	}
	var runs []Run
	for _, n := range slices.Backward(nodes) {
		var r Run
		if !n.Absent && json.Unmarshal(n.Data, &r) == nil && len(runs) < MaxHistory {
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// historyNames lists the entries, oldest first.
func historyNames(ctx context.Context, t Target, path zkfs.Path) ([]string, error) {
	nodes, err := t.Read(ctx, zkfs.PartChildren, []zkfs.Path{path.Join(historyName)})
	if err != nil {
		return nil, err
	}
	names := slices.Clone(nodes[0].Children)
	names = slices.DeleteFunc(names, func(s string) bool { return strings.Trim(s, "0123456789") != "" })
	slices.Sort(names)
	return names, nil
}

// prune removes the oldest entries beyond MaxHistory. It is housekeeping: what
// fails now is done by the next run.
func (s *side) prune(ctx context.Context) {
	req, cancel := s.request(ctx)
	defer cancel()
	names, err := historyNames(req, s.Target, s.e.Ledger.Path)
	if err != nil || len(names) <= MaxHistory {
		return
	}
	ops := []zkfs.Op{{Kind: zkfs.OpCheck, Path: s.Lock.Node(), Version: 0}}
	for _, name := range names[:len(names)-MaxHistory] {
		ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: s.e.Ledger.Path.Join(historyName).Join(name), Version: zkfs.AnyVersion})
	}
	_, _ = s.Target.Multi(req, ops)
}
