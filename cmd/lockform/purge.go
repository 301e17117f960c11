package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// purge removes ledger and history of a layout that has been destroyed.
func (a *app) purge(ctx context.Context, ledger zkfs.Path, links []*link) error {
	for _, l := range links {
		done, err := purgeLedger(ctx, l, ledger)
		if errors.Is(err, zkfs.ErrNoAuth) {
			return &fault{
				summary: fmt.Sprintf("the ledger in the ensemble %q could not be removed", l.name()),
				detail:  sentence(err.Error()) + fmt.Sprintf("\nThe znodes of the layout are gone. The ledger does no harm; whoever may delete in %s can remove it.", ledger.Parent()),
				err:     err,
			}
		}
		if err != nil {
			return &plan.Error{Kind: plan.ErrPartial, Err: err, Problems: []plan.Problem{{
				Summary: fmt.Sprintf("The ledger in the ensemble %q could not be removed", l.name()),
				Detail:  sentence(err.Error()) + "\nThe znodes of the layout are gone; run \"lockform destroy -purge\" again.",
				Path:    ledger,
			}}}
		}
		if !a.mute {
			fmt.Fprintf(a.Out, "%s\n", done)
		}
	}
	return nil
}

// purgeLedger removes the ledger, and says what it did. A ledger that owns
// something again stays, and so does one below which agents are registered.
func purgeLedger(ctx context.Context, l *link, path zkfs.Path) (string, error) {
	led, err := plan.ReadLedger(ctx, l, path)
	if err != nil || !led.Exists() {
		return fmt.Sprintf("There is no ledger %s.", path), err
	}
	owned, err := plan.List(ctx, l, led, false)
	if err != nil {
		return "", err
	}
	if len(owned) > 0 {
		return "", fmt.Errorf("the layout owns %s again, since another apply came in between", owned[0].Path)
	}
	children, _, err := l.Children(ctx, path)
	if err != nil {
		return "", err
	}
	var ops []zkfs.Op
	for _, name := range children {
		child := path.Join(name)
		inner, _, err := l.Children(ctx, child)
		if err != nil {
			return "", err
		}
		if name == layout.AgentsName && len(inner) > 0 {
			return fmt.Sprintf("The ledger %s stays while agents are registered below it: %d sessions.", path, len(inner)), nil
		}
		if name == "history" {
			for _, entry := range inner {
				ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: child.Join(entry), Version: zkfs.AnyVersion})
			}
		}
		ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: child, Version: zkfs.AnyVersion})
	}
	// One multi, with the ledger's version: an apply that begins now has a
	// contender below "apply" or has written the ledger, and the multi fails.
	ops = append(ops, zkfs.Op{Kind: zkfs.OpDelete, Path: path, Version: led.Stat.Version})
	if _, err := l.Multi(ctx, ops); err != nil {
		if errors.Is(err, zkfs.ErrNotEmpty) || errors.Is(err, zkfs.ErrBadVersion) {
			return "", fmt.Errorf("another apply has begun: %w", err)
		}
		return "", err
	}
	return fmt.Sprintf("The ledger %s and its history are removed.", path), purgeParent(ctx, l, path.Parent())
}

// purgeParent removes the ancestor of a ledger when lockform made it and
// nothing stands below it any more.
func purgeParent(ctx context.Context, l *link, path zkfs.Path) error {
	if path == zkfs.Root {
		return nil
	}
	data, st, err := l.Get(ctx, path)
	if err != nil {
		return nil // it is somebody else's, or gone
	}
	r, err := layout.ParseRecord(data)
	if err != nil || r.Kind != layout.KindParent || st.NumChildren > 0 {
		return nil
	}
	err = l.Delete(ctx, path, st.Version)
	if errors.Is(err, zkfs.ErrNotEmpty) || errors.Is(err, zkfs.ErrNoAuth) || errors.Is(err, zkfs.ErrNoNode) {
		return nil
	}
	return err
}
