package plan

import (
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// frameToJSON returns everything but the steps.
func (e *Ensemble) frameToJSON() ensembleJSON {
	l := &e.Ledger
	j := ensembleJSON{
		Name: e.Name, Servers: e.Servers, Chroot: e.Chroot, Connection: e.Connection, ACLs: e.ACLs,
		Ledger: ledgerOfPlan{
			Path: l.Path, Serial: l.Serial, Roots: l.Roots, Below: l.Below, Before: l.Before, Complete: l.Complete, Siblings: l.Siblings,
			ACL: aclJSON(l.ACL), Agents: aclJSON(l.Agents), Parent: aclJSON(l.Parent), Ancestor: aclJSON(l.Ancestor),
		},
		Steps: []stepJSON{},
	}
	if f := l.Former; f != nil {
		j.Ledger.Former = &formerJSON{preJSON(f.Precondition), f.Data}
	}
	for _, id := range l.Planners {
		j.Ledger.Planners = append(j.Ledger.Planners, idJSON(id))
	}
	for _, pre := range e.Others {
		j.Others = append(j.Others, preJSON(pre))
	}
	for _, d := range e.Drift {
		dj := driftJSON{d.Address, d.Path, d.Kind, d.Action, d.Reason, nil, posToJSON(d.Pos)}
		for _, c := range d.Changes {
			dj.Changes = append(dj.Changes, changeJSON{c.Name, []byte(c.Before), []byte(c.After)})
		}
		j.Drift = append(j.Drift, dj)
	}
	for _, b := range e.Blocked {
		j.Blocked = append(j.Blocked, b.toJSON())
	}
	for _, b := range e.Batches {
		j.Batches = append(j.Batches, batchJSON(b))
	}
	return j
}

func (b *Blocked) toJSON() blockedJSON {
	j := blockedJSON{b.Address, b.Path, b.Reason, b.Detail, []holderJSON{}, posToJSON(b.Pos), b.At, b.Lacks.String()}
	for _, h := range b.Holders {
		j.Holders = append(j.Holders, holderJSON(h))
	}
	return j
}

func posToJSON(p layout.Pos) *posJSON {
	if p == (layout.Pos{}) {
		return nil
	}
	return &posJSON{p.File, p.Line, p.Column}
}

func (p *posJSON) pos() layout.Pos {
	if p == nil {
		return layout.Pos{}
	}
	return layout.Pos{File: p.File, Line: p.Line, Column: p.Column}
}

// plan returns the plan of a file. What Apply relies on is checked: paths, and
// indices into the steps.
func (j *planJSON) plan() (*Plan, error) {
	p := &Plan{Layout: j.Layout, Config: j.Config, Mode: j.Mode, Partial: j.Partial, Abandon: j.Abandon, Created: j.Created}
	for _, w := range j.Warnings {
		p.Warnings = append(p.Warnings, Problem{true, w.Summary, w.Detail, w.Address, w.Path, w.Pos.pos()})
	}
	names := make(map[string]bool)
	for i := range j.Ensembles {
		e, err := j.Ensembles[i].ensemble()
		if err != nil {
			return nil, err
		}
		if names[e.Name] {
			return nil, fmt.Errorf("the ensemble %q stands there twice", e.Name)
		}
		names[e.Name] = true
		p.Ensembles = append(p.Ensembles, e)
	}
	return p, nil
}

func (j *ensembleJSON) ensemble() (Ensemble, error) {
	l := &j.Ledger
	e := Ensemble{
		Name: j.Name, Servers: j.Servers, Chroot: j.Chroot, Connection: j.Connection, ACLs: j.ACLs,
		Ledger: LedgerPlan{
			Path: l.Path, Serial: l.Serial, Roots: l.Roots, Below: l.Below, Before: l.Before, Complete: l.Complete, Siblings: l.Siblings,
			ACL: zkfs.ACL(l.ACL), Agents: zkfs.ACL(l.Agents), Parent: zkfs.ACL(l.Parent), Ancestor: zkfs.ACL(l.Ancestor),
		},
	}
	paths := append([]zkfs.Path{l.Path}, l.Roots...)
	paths = append(append(paths, l.Below...), l.Before...)
	if f := l.Former; f != nil {
		e.Ledger.Former = &Former{Precondition(f.preJSON), f.Data}
		paths = append(paths, f.Path)
	}
	for _, id := range l.Planners {
		e.Ledger.Planners = append(e.Ledger.Planners, zkfs.Identity(id))
	}
	for i := range j.Steps {
		s, err := j.Steps[i].step()
		if err != nil {
			return e, err
		}
		e.Steps = append(e.Steps, s)
		paths = append(paths, s.Path)
	}
	for _, pre := range j.Others {
		e.Others = append(e.Others, Precondition(pre))
		paths = append(paths, pre.Path)
	}
	for _, b := range j.Blocked {
		if b.At != "" {
			paths = append(paths, b.At)
		}
	}
	for _, p := range paths {
		if _, err := zkfs.ParsePath(p.String()); err != nil {
			return e, err
		}
	}
	for _, d := range j.Drift {
		drift := Drift{d.Address, d.Path, d.Kind, d.Action, d.Reason, nil, d.Pos.pos()}
		for _, c := range d.Changes {
			drift.Changes = append(drift.Changes, Change{c.Name, string(c.Before), string(c.After)})
		}
		e.Drift = append(e.Drift, drift)
	}
	for _, b := range j.Blocked {
		lacks, err := zkfs.ParsePerms(b.Lacks)
		if err != nil {
			return e, err
		}
		blocked := Blocked{b.Address, b.Path, b.Reason, b.Detail, nil, b.Pos.pos(), b.At, lacks}
		for _, h := range b.Holders {
			blocked.Holders = append(blocked.Holders, Holder(h))
		}
		e.Blocked = append(e.Blocked, blocked)
	}
	at := 0
	for _, b := range j.Batches {
		if b.From < at || b.To < b.From || b.To > len(e.Steps) {
			return e, errors.New("a batch lies outside of the steps")
		}
		at = b.To
		e.Batches = append(e.Batches, Batch(b))
	}
	for _, i := range j.ACLs {
		if i < 0 || i >= len(e.Steps) || e.Steps[i].ACL == nil {
			return e, errors.New("an ACL change lies outside of the steps")
		}
	}
	return e, nil
}

func (j *stepJSON) step() (Step, error) {
	s := Step{
		Address: j.Address, Previous: j.Previous, Path: j.Path, Kind: j.Kind, Actions: j.Actions, Reason: j.Reason,
		Data: j.Data, OldData: j.Old, Foreign: j.Foreign, ACL: zkfs.ACL(j.ACL), OldACL: zkfs.ACL(j.OldACL),
		Pre: Precondition(j.Pre), Pos: j.Pos.pos(),
	}
	switch {
	case j.Clear:
		s.Data = []byte{}
	case len(j.Data) == 0:
		s.Data = nil
	}
	switch {
	case len(s.Actions) == 0:
		return s, fmt.Errorf("the step of %s does nothing at all", s.Path)
	case s.Pre.Path != s.Path:
		return s, fmt.Errorf("the step of %s has the precondition of %s", s.Path, s.Pre.Path)
	case s.Has(Create) && (s.ACL == nil || len(s.Data) == 0 || s.Pre.Czxid != 0):
		return s, fmt.Errorf("the step that creates %s is not complete", s.Path)
	}
	return s, nil
}
