package plan

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

const planAgain = `Run "lockform plan" again and review the change.`

// preconditions reads everything again that the rest of the plan relies on. What
// the run itself has done already counts as done.
func (s *side) preconditions(ctx context.Context) (stale, blocked []Problem, err error) {
	done := 0 // steps before it were carried out
	switch {
	case s.begun() && s.batch == len(s.e.Batches):
		done = len(s.e.Steps) // those after the last batch, or of a plan without any, set ACLs alone
	case s.batch > 0:
		done = s.e.Batches[s.batch-1].To
	}
	var paths []zkfs.Path
	var steps []*Step
	var made []*Step    // by Prepare, just now
	var implied []*Step // absent when what stands above them is
	var pres []Precondition
	leaving := make(map[zkfs.Path]int32)
	absent := make(map[zkfs.Path]bool) // what is expected so, but locks
	var above zkfs.Path
	for i := done; i < len(s.e.Steps); i++ {
		step := &s.e.Steps[i]
		if s.e.prepared(step) {
			made = append(made, step)
			continue
		}
		parent := step.Path.Parent()
		if step.Pre.Czxid == 0 {
			if step.Kind != layout.KindLock {
				absent[step.Path] = true
			}
			if parent == above || absent[parent] {
				above, implied = parent, append(implied, step)
				continue
			}
		}
		steps = append(steps, step)
		pres = append(pres, step.Pre)
		if step.Has(Delete) {
			leaving[parent]++
		}
	}
	for _, i := range s.e.ACLs[s.cursor:] {
		if i < done {
			// Its data was written by the run; the ACL is looked at when its
			// turn comes. It must be the same znode still.
			step := &s.e.Steps[i]
			steps = append(steps, step)
			pres = append(pres, Precondition{step.Path, step.Pre.Czxid, zkfs.AnyVersion, zkfs.AnyVersion})
		}
	}
	others := s.e.Others
	if f := s.e.Ledger.Former; f != nil && s.batch == 0 {
		others = append(slices.Clone(others), f.Precondition)
	}
	for _, pre := range append(slices.Clone(pres), others...) {
		paths = append(paths, pre.Path)
	}
	for _, step := range made {
		paths = append(paths, step.Path)
	}
	nodes, err := s.Target.Read(ctx, zkfs.PartData, paths) // with data: servers read many at once only so
	if err != nil {
		return nil, nil, err
	}
	for i, step := range steps {
		n := nodes[i]
		if p, ok := mismatch(pres[i], n); ok {
			p.Address, p.Pos = step.Address, step.Pos
			stale = append(stale, p)
			continue
		}
		if step.empties() && n.Stat.NumChildren > leaving[n.Path] {
			if step.Kind == layout.KindLock && s.a.o.Drain > 0 {
				s.inTheWay = append(s.inTheWay, step)
				continue
			}
			b, err := s.inUse(ctx, step)
			if err != nil {
				return nil, nil, err
			}
			blocked = append(blocked, b)
		}
	}
	for i, pre := range others {
		if p, ok := mismatch(pre, nodes[len(steps)+i]); ok {
			stale = append(stale, p)
		}
	}
	for i, step := range made {
		if n := nodes[len(steps)+len(others)+i]; !bytes.Equal(n.Data, step.Data) {
			stale = append(stale, Problem{Summary: "A znode has appeared", Path: step.Path, Address: step.Address, Pos: step.Pos,
				Detail: fmt.Sprintf("%s exists now and is somebody else's; when this plan was made it did not.\n%s", step.Path, planAgain)})
		}
	}
	if len(stale) == 0 || len(implied) == 0 {
		return stale, blocked, nil
	}
	// Something may stand below what is there against expectation.
	paths = paths[:0]
	for _, step := range implied {
		paths = append(paths, step.Path)
	}
	if nodes, err = s.Target.Read(ctx, zkfs.PartData, paths); err != nil {
		return nil, nil, err
	}
	for i, step := range implied {
		if p, ok := mismatch(step.Pre, nodes[i]); ok {
			p.Address, p.Pos = step.Address, step.Pos
			stale = append(stale, p)
		}
	}
	return stale, blocked, nil
}

// mismatch compares a znode with how it looked when the plan was made.
func mismatch(pre Precondition, n zkfs.Node) (Problem, bool) {
	p := Problem{Path: pre.Path}
	say := func(summary, format string, args ...any) (Problem, bool) {
		p.Summary = summary
		p.Detail = fmt.Sprintf(format, args...) + "\n" + planAgain
		return p, true
	}
	switch {
	case pre.Czxid == 0 && n.Absent:
		return p, false
	case pre.Czxid == 0:
		return say("A znode has appeared", "%s exists now; when this plan was made it did not.", pre.Path)
	case n.Absent:
		return say("A znode is gone", "%s does not exist any more.", pre.Path)
	case pre.Czxid != n.Stat.Czxid:
		return say("A znode was made anew", "%s has czxid 0x%x; this plan was made against 0x%x.", pre.Path, n.Stat.Czxid, pre.Czxid)
	case pre.Version != zkfs.AnyVersion && pre.Version != n.Stat.Version:
		return say("Data differs from the plan", "%s has version %d; this plan was made against %d.", pre.Path, n.Stat.Version, pre.Version)
	case pre.Aversion != zkfs.AnyVersion && pre.Aversion != n.Stat.Aversion:
		return say("ACL differs from the plan", "%s has aversion %d; this plan was made against %d.", pre.Path, n.Stat.Aversion, pre.Aversion)
	}
	return p, false
}

// inUse is the problem of a delete whose znode has children that stay.
func (s *side) inUse(ctx context.Context, step *Step) (Problem, error) {
	p := Problem{Summary: "A znode that is to be deleted has children", Address: step.Address, Path: step.Path, Pos: step.Pos,
		Detail: fmt.Sprintf("%s has children that this plan does not delete.\n%s", step.Path, planAgain)}
	if step.Kind != layout.KindLock {
		return p, nil
	}
	holders, err := readHolders(ctx, s.Target, func(zkfs.Path) []byte { return step.OldData }, []zkfs.Path{step.Path})
	if err != nil {
		return p, err
	}
	if len(holders[step.Path]) > 0 {
		b := Blocked{
			Address: step.Address, Path: step.Path, Pos: step.Pos, Reason: BlockHeld, Holders: holders[step.Path],
			Detail: fmt.Sprintf("%s is in use.\nWait until it is free, as apply does with -drain-timeout=DURATION, or stop those who use it.", step.Path),
		}
		p = b.Problem()
	}
	return p, nil
}

// Problem returns the blocked change as a diagnostic that names its holders.
func (b Blocked) Problem() Problem {
	p := Problem{Address: b.Address, Path: b.Path, Pos: b.Pos, Detail: b.Detail}
	switch b.Reason {
	case BlockProtected:
		p.Summary = "A protected znode would be deleted"
	case BlockHeld:
		p.Summary = "A lock is in use"
	case BlockChildren:
		p.Summary = "A znode has children that stay"
	case BlockOwned:
		p.Summary = "A znode is owned by another layout"
	case BlockUnmanaged:
		p.Summary = "A znode that nobody owns is in the way"
	case BlockDamaged:
		p.Summary = "A record is damaged"
	case BlockNewer:
		p.Summary = "A record is of a newer format"
	case BlockMaxDelete:
		p.Summary = "Too much would be deleted"
	case BlockPermission:
		p.Summary = "A permission is lacking"
	case BlockUnfinished:
		p.Summary = "A run of another configuration is unfinished"
	default:
		p.Summary = "The plan is blocked: " + string(b.Reason)
	}
	for _, h := range b.Holders {
		p.Detail += "\n  " + h.String()
	}
	return p
}
