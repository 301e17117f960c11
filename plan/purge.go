package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Purge removes the ledger of a layout that owns nothing any more, with its
// history, the apply lock that is held, and those of its ancestors that were
// made for it and are empty then, in one multi. The lock's contender goes with
// it. It returns how many agents are registered: while there are any, ledger and
// inventory stay.
func Purge(ctx context.Context, t Target, ledger zkfs.Path, name string, held Lock) (agents int, err error) {
	if err := t.Sync(ctx, ledger); err != nil {
		return 0, err
	}
	l, err := ReadLedger(ctx, t, ledger)
	if err != nil || !l.Exists() {
		return 0, err
	}
	if l.Layout != name || len(l.Roots)+len(l.Below) > 0 || l.Unfinished() != nil {
		return 0, &Error{Kind: ErrBlocked, Problems: []Problem{{
			Summary: "The ledger is still needed", Path: ledger,
			Detail: fmt.Sprintf("%s says that the layout %q owns znodes, or has an unfinished run.\nRun \"lockform destroy\" first.", ledger, l.Layout),
		}}}
	}
	parts := []zkfs.Path{ledger.Join(historyName), ledger.Join(layout.AgentsName), ledger.Join(applyName)}
	nodes, err := t.Read(ctx, zkfs.PartChildren, parts)
	if err != nil {
		return 0, err
	}
	agents = len(nodes[1].Children)
	ops := []zkfs.Op{
		{Kind: zkfs.OpCheck, Path: ledger, Version: l.Stat.Version},
		{Kind: zkfs.OpDelete, Path: held.Node(), Version: 0},
	}
	for _, n := range nodes {
		if n.Absent || n.Path.Base() == layout.AgentsName && agents > 0 {
			continue
		}
		if n.Path.Base() == historyName {
			for _, child := range n.Children {
				ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: n.Path.Join(child), Version: zkfs.AnyVersion})
			}
		}
		ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: n.Path, Version: zkfs.AnyVersion})
	}
	if agents == 0 {
		ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: ledger, Version: l.Stat.Version})
		above, err := emptied(ctx, t, ledger, name)
		if err != nil {
			return 0, err
		}
		ops = append(ops, above...)
	}
	_, err = t.Multi(ctx, ops)
	if errors.Is(err, zkfs.ErrNotEmpty) {
		return agents, &Error{Kind: ErrBlocked, Err: err, Problems: []Problem{{
			Summary: "The ledger is in use", Path: ledger,
			Detail: fmt.Sprintf("Something came below %s while it was to be removed, such as another apply that waits.\nRun it again.", ledger),
		}}}
	}
	return agents, err
}

// emptied returns the deletes of those ancestors that are ours and have no child
// but the one that goes.
func emptied(ctx context.Context, t Target, ledger zkfs.Path, name string) ([]zkfs.Op, error) {
	ancestors := ledger.Ancestors()
	if len(ancestors) == 0 {
		return nil, nil
	}
	nodes, err := t.Read(ctx, zkfs.PartData, ancestors)
	if err != nil {
		return nil, err
	}
	var ops []zkfs.Op
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		rec, err := layout.ParseRecord(n.Data)
		if err != nil || rec.Layout != name || rec.Kind != layout.KindParent || n.Stat.NumChildren != 1 {
			break
		}
		ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: n.Path, Version: n.Stat.Version})
	}
	return ops, nil
}
