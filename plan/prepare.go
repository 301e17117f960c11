package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// prepareTries bounds how often Prepare looks again after another was first.
const prepareTries = 10

// Prepare sees to it that the ledger, its ancestors, the apply lock, the history
// and the agents' inventory exist, in one multi, and returns the path of the
// apply lock. It does nothing when they exist, and lets another be first. No
// lock is needed.
func Prepare(ctx context.Context, t Target, p *Plan, ensemble string) (zkfs.Path, error) {
	e, ok := p.Ensemble(ensemble)
	if !ok {
		return "", fmt.Errorf("the plan has no ensemble %q", ensemble)
	}
	ledger := e.Ledger.Path
	for range prepareTries {
		ops, err := prepareOps(ctx, t, p.Layout, e)
		if err != nil {
			return "", err
		}
		if len(ops) == 0 {
			return ApplyLock(ledger), nil
		}
		_, err = t.Multi(ctx, ops)
		switch {
		case err == nil:
			return ApplyLock(ledger), nil
		case errors.Is(err, zkfs.ErrNoAuth):
			return "", denied(err, ledger, "to create the ledger")
		case errors.Is(err, zkfs.ErrNodeExists), errors.Is(err, zkfs.ErrNoNode), errors.Is(err, zkfs.ErrOutcomeUnknown):
			// Another run was first, or our own reply was lost: look again.
		default:
			return "", err
		}
	}
	return "", fmt.Errorf("%w: %s is made and removed again by others all the time", ErrLedger, ledger)
}

// prepareOps returns what has to be created; nothing when all is there.
func prepareOps(ctx context.Context, t Target, name string, e *Ensemble) ([]zkfs.Op, error) {
	lp := &e.Ledger
	if err := t.Sync(ctx, lp.Path); err != nil {
		return nil, err
	}
	ancestors := lp.Path.Ancestors()
	paths := append(slices.Clone(ancestors), lp.Path, lp.Path.Join(applyName), lp.Path.Join(historyName), lp.Path.Join(layout.AgentsName))
	nodes, err := t.Read(ctx, zkfs.PartData, paths)
	if err != nil {
		return nil, err
	}
	ledger, err := ledgerOf(nodes[len(ancestors)])
	if err != nil {
		return nil, err
	}
	if ledger.Exists() && ledger.Layout != name {
		return nil, &Error{Kind: ErrBlocked, Problems: []Problem{{
			Summary: "The ledger belongs to another layout", Path: lp.Path,
			Detail: fmt.Sprintf("%s is the ledger of the layout %q, not of %q.", lp.Path, ledger.Layout, name),
		}}}
	}
	var ops []zkfs.Op
	for i, n := range nodes {
		if !n.Absent {
			continue
		}
		acl := lp.ACL
		var data []byte
		switch {
		case i < len(ancestors):
			acl = lp.Ancestor
			if i == len(ancestors)-1 {
				acl = lp.Parent
			}
			data, err = layout.Record{Layout: name, Kind: layout.KindParent}.Encode()
			if s := e.creates(n.Path); s != nil {
				acl, data = s.ACL, s.Data // a declared namespace above the ledger
			}
		case n.Path == lp.Path:
			l := Ledger{Layout: name, ID: newID(), Planners: lp.Planners, Siblings: lp.Siblings}
			data, err = l.Encode()
		case n.Path.Base() == layout.AgentsName:
			acl = lp.Agents
		}
		if err != nil {
			return nil, err
		}
		ops = append(ops, zkfs.Op{Kind: zkfs.OpCreate, Path: n.Path, ACL: acl})
		if data != nil {
			ops = append(ops, zkfs.Op{Kind: zkfs.OpSet, Path: n.Path, Data: data})
		}
	}
	return ops, nil
}

// creates returns the step that creates the path, or nil.
func (e *Ensemble) creates(p zkfs.Path) *Step {
	for i := range e.Steps {
		if s := &e.Steps[i]; s.Path == p && s.Has(Create) {
			return s
		}
	}
	return nil
}

// denied is the error of a request that lacked a permission.
func denied(err error, path zkfs.Path, what string) error {
	if me, ok := errors.AsType[*zkfs.MultiError](err); ok {
		path = me.Op.Path
	}
	return &Error{Err: err, Problems: []Problem{{
		Summary: "Permission denied", Path: path,
		Detail: fmt.Sprintf("The server refused %s: %v.\n"+
			"Authenticate as somebody whom the ACL of %s or of its parent lets do this, or have them change it.", what, err, path),
	}}}
}
