package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Diff compares a layout with what Read found in each of its ensembles. It is
// pure. The error is an *Error with every problem.
func Diff(l *layout.Layout, lives []*Live, o Options) (*Plan, error) {
	p := &Plan{
		Layout: l.Name, Config: l.Digest, Mode: o.Mode, Partial: o.partial(),
		Abandon: o.Abandon, Created: o.Created.UTC(),
	}
	var problems []Problem
	for _, live := range lives {
		d := newDiffer(l, live, o.in(live.Ensemble))
		d.forget = o.Forget
		d.diff()
		p.Ensembles = append(p.Ensembles, d.e)
		p.Warnings = append(p.Warnings, d.warnings...)
		problems = append(problems, d.problems...)
	}
	problems = append(problems, between(l, lives, o.Forget)...)
	problems = append(problems, unknown(l, lives, o)...)
	if len(problems) > 0 {
		return nil, &Error{Kind: ErrInvalid, Problems: problems}
	}
	maxDelete(p, o)
	return p, nil
}

// between finds what is wrong with the ensembles taken together.
func between(l *layout.Layout, lives []*Live, forget []string) []Problem {
	var problems []Problem
	ids := make(map[string]*Live)
	for _, live := range lives {
		if !live.Ledger.Exists() {
			continue
		}
		if other, ok := ids[live.Ledger.ID]; ok {
			same := sameTree(l.Ledger, other.Ensemble, live.Ensemble)
			if e, ok := l.Ensemble(live.Ensemble); ok {
				same.Pos = e.Pos
			}
			problems = append(problems, same)
		}
		ids[live.Ledger.ID] = live
		for _, name := range live.Ledger.Siblings {
			if _, ok := l.Ensemble(name); !ok && !slices.Contains(forget, name) {
				problems = append(problems, Problem{
					Summary: "An ensemble has gone from the configuration", Path: live.Ledger.Path, Pos: l.Pos,
					Detail: fmt.Sprintf("The ledger in the ensemble %q says that this layout also has the ensemble %q, which is not declared.\n"+
						"Destroy what stands there with \"lockform destroy -ensemble=%s=CONNECT\", disown it with \"lockform state rm\", or declare it again.",
						live.Ensemble, name, name),
				})
			}
		}
	}
	return problems
}

// unknown finds targets and excludes that are neither declared nor managed
// anywhere. Most are mistyped: a plan without them would cover something else
// than was meant.
func unknown(l *layout.Layout, lives []*Live, o Options) []Problem {
	var problems []Problem
	for _, addr := range slices.Concat(o.Targets, o.Excludes) {
		known := slices.ContainsFunc(lives, func(live *Live) bool {
			if slices.ContainsFunc(live.declared(l, o), func(w *want) bool { return addr.Covers(w.Address) }) {
				return true
			}
			for p := range live.seen.paths() {
				n, _ := live.seen.node(p)
				if rec, err := layout.ParseRecord(n.Data); err == nil && live.ours(l, rec) && addr.Covers(rec.Address) {
					return true
				}
			}
			return false
		})
		if !known {
			problems = append(problems, Problem{
				Summary: "No such address",
				Detail:  fmt.Sprintf("Nothing is declared or managed as %s.\nRun \"lockform state list\" for what stands in the tree.", addr),
			})
		}
	}
	return problems
}

func sameTree(ledger zkfs.Path, a, b string) Problem {
	return Problem{
		Summary: "Two ensembles are the same tree", Path: ledger,
		Detail: fmt.Sprintf("The ensembles %q and %q lead to the same ledger.\nDeclare one of them, or give each its own chroot.", a, b),
	}
}

// maxDelete blocks a plan that deletes more than its maker allows.
func maxDelete(p *Plan, o Options) {
	n := p.Summary().Delete
	if o.MaxDelete == nil || n <= *o.MaxDelete || len(p.Ensembles) == 0 {
		return
	}
	e := &p.Ensembles[0]
	e.Blocked = append(e.Blocked, Blocked{
		Reason: BlockMaxDelete,
		Detail: fmt.Sprintf("The plan deletes %s, more than the %d that -max-delete allows.", count(n, "znode", "znodes"), *o.MaxDelete),
	})
}

// A differ compares one ensemble.
type differ struct {
	l    *layout.Layout
	o    Options // for this ensemble
	live *Live
	e    Ensemble

	forget []string // ensembles that the ledger is not to name any more

	wants   []*want
	index   map[zkfs.Path]int32 // into wants
	steps   []int32             // of wants: index into e.Steps and one; 0: none
	others  map[zkfs.Path]int   // of other znodes: index into e.Steps
	leaving map[zkfs.Path]int   // by parent: children that are to be deleted
	needed  map[zkfs.Path]int   // by parent: children that stay ours

	addresses map[layout.Address]zkfs.Path // see declares
	acls      map[sharedACL]zkfs.ACL       // see resolved
	problems  []Problem
	warnings  []Problem
}

func newDiffer(l *layout.Layout, live *Live, o Options) *differ {
	d := &differ{
		l: l, o: o, live: live, e: Ensemble{Name: live.Ensemble},
		wants:   live.declared(l, o),
		leaving: make(map[zkfs.Path]int),
		needed:  make(map[zkfs.Path]int),
		acls:    make(map[sharedACL]zkfs.ACL),
	}
	d.index = live.seen.index
	if live.from != l {
		d.index = newSeen(l.Name, d.wants).index
	}
	d.steps, d.others = make([]int32, len(d.wants)), make(map[zkfs.Path]int)
	d.e.Steps = make([]Step, 0, len(d.wants)+len(d.wants)/64) // not all have a want
	if e, ok := l.Ensemble(live.Ensemble); ok {
		d.e.Servers, d.e.Chroot, d.e.Connection = e.Servers, e.Chroot, e.Fingerprint()
	}
	return d
}

func (d *differ) diff() {
	d.ledger()
	d.unfinished()
	d.open()
	d.locksOut()
	if d.o.idle {
		d.finish()
		return
	}
	d.imports()
	d.rotations()
	if d.wanting() {
		for _, w := range d.wants {
			if d.o.covers(w.Address) {
				d.one(w)
			} else if d.owns(w.Path) {
				d.needed[w.Path.Parent()]++
			}
		}
	}
	d.undeclared()
	d.apparatus()
	d.permitted()
	d.succeeded()
	d.finish()
}

// wanting reports whether the plan brings about what is declared.
func (d *differ) wanting() bool { return d.o.Mode != Destroy && len(d.o.Disown) == 0 }

// want returns what is declared at a path, or nil.
func (d *differ) want(p zkfs.Path) *want {
	if i, ok := d.index[p]; ok {
		return d.wants[i]
	}
	return nil
}

// declares returns where an address is declared.
func (d *differ) declares(a layout.Address) (zkfs.Path, bool) {
	if d.addresses == nil {
		d.addresses = make(map[layout.Address]zkfs.Path, len(d.wants))
		for _, w := range d.wants {
			d.addresses[w.Address] = w.Path
		}
	}
	p, ok := d.addresses[a]
	return p, ok
}

// step returns the step of a path, or nil.
func (d *differ) step(p zkfs.Path) *Step {
	if i, ok := d.index[p]; ok {
		if d.steps[i] == 0 {
			return nil
		}
		return &d.e.Steps[d.steps[i]-1]
	}
	if i, ok := d.others[p]; ok {
		return &d.e.Steps[i]
	}
	return nil
}

// at notes where the step of a path stands.
func (d *differ) at(p zkfs.Path, i int) {
	if n, ok := d.index[p]; ok {
		d.steps[n] = int32(i) + 1
	} else {
		d.others[p] = i
	}
}

// node returns a znode as it was read; one that was not is absent.
func (d *differ) node(p zkfs.Path) zkfs.Node {
	n, ok := d.live.seen.node(p)
	if !ok {
		return zkfs.Node{Path: p, Absent: true}
	}
	return n
}

// owned returns the record of a znode that the layout owns.
func (d *differ) owned(p zkfs.Path) (layout.Record, bool) {
	n := d.node(p)
	if n.Absent || len(n.Data) == 0 {
		return layout.Record{}, false
	}
	rec, err := layout.ParseRecord(n.Data)
	return rec, err == nil && d.live.ours(d.l, rec)
}

// owns is owned for those who do not need the record, and cheaper for what has
// a step already.
func (d *differ) owns(p zkfs.Path) bool {
	_, ok := d.owned(p)
	return ok
}

// add appends a step.
func (d *differ) add(s Step) {
	d.at(s.Path, len(d.e.Steps))
	d.e.Steps = append(d.e.Steps, s)
	if s.Has(Delete) {
		d.leaving[s.Path.Parent()]++
	} else if !s.Has(Disown) {
		d.needed[s.Path.Parent()]++
	}
}

// precondition returns how a znode was found.
func precondition(n zkfs.Node) Precondition {
	if n.Absent {
		return Precondition{Path: n.Path}
	}
	return Precondition{n.Path, n.Stat.Czxid, n.Stat.Version, n.Stat.Aversion}
}

func (d *differ) problem(p Problem) { d.problems = append(d.problems, p) }

// encode returns the record's data; what does not fit is a problem.
func (d *differ) encode(rec layout.Record, path zkfs.Path, pos layout.Pos) []byte {
	data, err := rec.Encode()
	if err != nil {
		d.problem(Problem{Summary: "The record is too large", Address: rec.Address, Path: path, Pos: pos,
			Detail: fmt.Sprintf("%s: %v.\nGive its contender_acl fewer entries.", path, err)})
	}
	return data
}

// unfinished blocks a plan of another configuration than that of a run that
// did not come to its end.
func (d *differ) unfinished() {
	run := d.live.Ledger.Unfinished()
	if run == nil || run.Config == d.l.Digest && !d.o.idle || d.o.Abandon {
		return
	}
	d.e.Blocked = append(d.e.Blocked, Blocked{
		Path: d.live.Ledger.Path, Reason: BlockUnfinished, Pos: d.l.Pos,
		Detail: fmt.Sprintf("A run that is not finished, begun by %s at %s, stands after batch %d of %d and %d of %d ACL changes.\n"+
			"If it is not running any more, apply that plan or that configuration again to finish it, or give it up with -abandon.",
			run.By(), run.Started.UTC().Format("2006-01-02 15:04:05 MST"), run.Batch, run.Batches, run.Cursor, run.ACLs),
	})
}

// open warns of a tree that anybody can change.
func (d *differ) open() {
	if len(d.live.Identities) > 0 {
		return
	}
	p := Problem{
		Warning: true, Summary: "The ensemble is used without authentication",
		Detail: fmt.Sprintf("Anyone who reaches the ensemble %q can change its locks and the ledger of this layout.\n"+
			"Add an auth block or a client certificate to the ensemble.", d.live.Ensemble),
	}
	if e, ok := d.l.Ensemble(d.live.Ensemble); ok {
		p.Pos = e.Pos
	}
	d.warnings = append(d.warnings, p)
}

// imports finds those that name another path than the declared one.
func (d *differ) imports() {
	for _, im := range slices.Concat(d.l.Imports, d.o.Imports) {
		if im.Ensemble != "" && im.Ensemble != d.live.Ensemble || im.Ensemble == "" && len(d.l.Ensembles) > 1 {
			continue
		}
		var paths []string
		for _, w := range d.wants {
			if !im.To.Covers(w.Address) {
				continue
			}
			if w.Path == im.Path {
				paths = nil
				break
			}
			paths = append(paths, w.Path.String())
		}
		p := Problem{Summary: "The import does not fit the configuration", Address: im.To, Path: im.Path, Pos: im.Pos}
		switch w := d.want(im.Path); {
		case len(paths) > 0:
			p.Detail = fmt.Sprintf("%s is declared with the path %s, not %s.\nZooKeeper has no rename: give the block the path of the znode.",
				im.To, strings.Join(paths, " or "), im.Path)
		case w == nil || !im.To.Covers(w.Address):
			p.Detail = fmt.Sprintf("%s is not declared.\nWrite its block first, with the path %s.", im.To, im.Path)
		default:
			continue
		}
		d.problem(p)
	}
}

// ensureParents adds steps for the ancestors of a path that do not exist, and
// keeps hold of the nearest one that does.
func (d *differ) ensureParents(path zkfs.Path, pos layout.Pos) {
	nearest := zkfs.Root
	for _, p := range path.Ancestors() {
		if d.step(p) != nil {
			nearest = p
			continue
		}
		n := d.node(p)
		if !n.Absent {
			nearest = p
			continue
		}
		if w := d.want(p); w != nil {
			d.one(w)
			continue
		}
		if p.Contains(d.l.Ledger) {
			nearest = zkfs.Root // Prepare makes it
			continue
		}
		d.add(Step{
			Path: p, Kind: layout.KindParent, Actions: []Action{Create}, Reason: "an ancestor that nobody declared",
			Data: d.encode(layout.Record{Layout: d.l.Name, Kind: layout.KindParent}, p, pos),
			ACL:  d.e.Ledger.Ancestor, Pre: Precondition{Path: p}, Pos: pos,
		})
		nearest = p
	}
	if nearest == zkfs.Root || d.step(nearest) != nil {
		return
	}
	n := d.node(nearest)
	pre := Precondition{nearest, n.Stat.Czxid, zkfs.AnyVersion, zkfs.AnyVersion}
	if !slices.Contains(d.e.Others, pre) {
		d.e.Others = append(d.e.Others, pre)
		d.underneath(n, path, pos)
	}
}

// underneath refuses to put children below a znode that cannot have them.
func (d *differ) underneath(n zkfs.Node, path zkfs.Path, pos layout.Pos) {
	b := Blocked{Path: path, Pos: pos}
	rec, err := layout.ParseRecord(n.Data)
	switch {
	case n.Stat.EphemeralOwner != 0:
		b.Reason, b.Detail = BlockUnmanaged, fmt.Sprintf("%s is ephemeral and cannot have children.", n.Path)
	case err == nil && rec.Kind == layout.KindLock && rec.Layout != d.l.Name:
		b.Reason, b.Detail = BlockOwned, fmt.Sprintf("%s is a lock of the layout %q; below a lock stand its contenders only.", n.Path, rec.Layout)
	default:
		return
	}
	if w := d.want(path); w != nil {
		b.Address = w.Address
	}
	d.e.Blocked = append(d.e.Blocked, b)
}
