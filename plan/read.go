package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// Live is what a plan needs to know of one ensemble.
type Live struct {
	Ensemble   string
	Identities []zkfs.Identity // of the session that read it
	Ledger     Ledger          // Exists is false when there is none
	Former     Ledger          // that the layout takes over, or has taken over; likewise
	Holders    map[zkfs.Path][]Holder
	Parents    map[zkfs.Path]zkfs.ACL // of the znodes below which something may be created or deleted, as far as they could be read

	from *layout.Layout // what was read with it is compared with it
	seen seen           // declared paths, their ancestors, and what the ledger's roots lead to
}

// declared returns the declared znodes, those of Read where the layout is the same.
func (v *Live) declared(l *layout.Layout, o Options) []*want {
	if v.from == l {
		return v.seen.wants
	}
	return declared(l, v.Ensemble, slices.Concat(l.Imports, o.Imports))
}

// Read reads from one ensemble what Diff needs. It only reads, in batches: the
// data of what is declared, children of namespaces where something undeclared
// may stand, ACLs where the recorded aversion does not vouch for them, and
// contenders of locks that are to go.
func Read(ctx context.Context, t Target, l *layout.Layout, ensemble string, o Options) (*Live, error) {
	for try := 1; ; try++ {
		live, err := readOnce(ctx, t, l, ensemble, o.in(ensemble))
		if errors.Is(err, errMoving) && try < readTries {
			continue
		}
		return live, err
	}
}

// readBlock is how many declared znodes are looked at together.
const readBlock = 4000

// readTries bounds how often Read begins again because a znode was changed
// between two of its reads.
const readTries = 5

var errMoving = errors.New("it was changed while the plan was made; run it again")

func readOnce(ctx context.Context, t Target, l *layout.Layout, ensemble string, o Options) (*Live, error) {
	live := &Live{
		Ensemble:   ensemble,
		Identities: planners(t.Identities()),
		Holders:    make(map[zkfs.Path][]Holder),
		Parents:    make(map[zkfs.Path]zkfs.ACL),
		from:       l,
		seen:       newSeen(l.Name, declared(l, ensemble, slices.Concat(l.Imports, o.Imports))),
	}
	r := reader{ctx: ctx, t: t, l: l, o: o, live: live, below: make(map[zkfs.Path]int32)}
	for _, step := range []func() error{r.ledger, r.known, r.children, r.acls, r.contenders} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return live, nil
}

// A reader fills a Live.
type reader struct {
	ctx   context.Context
	t     Target
	l     *layout.Layout
	o     Options
	live  *Live
	below map[zkfs.Path]int32 // children of a path that were read and exist
}

// read reads the data of paths that were not read yet.
func (r *reader) read(paths []zkfs.Path) error {
	var missing []zkfs.Path
	seen := make(map[zkfs.Path]bool, len(paths))
	for _, p := range paths {
		if _, ok := r.live.seen.peek(p); !ok && !seen[p] {
			seen[p] = true
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	nodes, err := r.t.Read(r.ctx, zkfs.PartData, missing)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		r.live.seen.put(n)
		if !n.Absent {
			r.below[n.Path.Parent()]++
		}
	}
	return nil
}

// readDeclared reads the data of declared znodes that were not read yet: while
// some are looked at, the next are read.
func (r *reader) readDeclared(wants []*want) error {
	type answer struct {
		nodes []zkfs.Node
		err   error
	}
	if len(wants) == 0 {
		return nil
	}
	var some []*want // whose answer comes next
	ask := func() chan answer {
		some, wants = wants[:min(len(wants), readBlock)], wants[min(len(wants), readBlock):]
		paths := make([]zkfs.Path, len(some))
		for i, w := range some {
			paths[i] = w.Path
		}
		c := make(chan answer, 1)
		go func() {
			nodes, err := r.t.Read(r.ctx, zkfs.PartData, paths)
			c <- answer{nodes, err}
		}()
		return c
	}
	for next := ask(); len(some) > 0; {
		got, asked := <-next, some
		if got.err != nil {
			return got.err
		}
		if next = nil; len(wants) > 0 {
			next = ask()
		} else {
			some = nil
		}
		spread(len(asked), func(i int) { asked[i].settle(got.nodes[i], r.l.Name) })
		for i, w := range asked {
			if !got.nodes[i].Absent {
				r.below[w.Path.Parent()]++
			}
		}
	}
	return nil
}

// ledger reads the root of the tree, which must exist, and the ledger with what
// stands in it.
func (r *reader) ledger() error {
	lp := r.l.Ledger
	apparatus := []zkfs.Path{lp.Join(applyName), lp.Join(historyName), lp.Join(layout.AgentsName)}
	nodes, err := r.t.Read(r.ctx, zkfs.PartData, append([]zkfs.Path{zkfs.Root, lp}, lp.Ancestors()...))
	if err != nil {
		return err
	}
	if nodes[0].Absent {
		return r.noChroot()
	}
	for _, n := range nodes {
		r.live.seen.put(n)
		if !n.Absent && n.Path != zkfs.Root {
			r.below[n.Path.Parent()]++
		}
	}
	if r.live.Ledger, err = ledgerOf(nodes[1]); err != nil {
		return err
	}
	if err := r.former(); err != nil {
		return err
	}
	if !r.live.Ledger.Exists() {
		return nil
	}
	if to := r.live.Ledger.MovedTo; to != "" {
		return &Error{Kind: ErrBlocked, Problems: []Problem{{
			Summary: "The ledger was taken over", Path: lp, Pos: r.l.Pos,
			Detail: fmt.Sprintf("%s was taken over by the layout whose ledger is %s, and with it all that it owned.", lp, to),
		}}}
	}
	if r.live.Ledger.Layout != r.l.Name {
		return &Error{Kind: ErrBlocked, Problems: []Problem{{
			Summary: "The ledger belongs to another layout", Path: lp, Pos: r.l.Pos,
			Detail: fmt.Sprintf("%s is the ledger of the layout %q, not of %q.", lp, r.live.Ledger.Layout, r.l.Name),
		}}}
	}
	nodes, err = r.t.Read(r.ctx, zkfs.PartACL, append(apparatus, lp))
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if n.Path == lp {
			known, _ := r.live.seen.node(lp)
			n.Data = known.Data
		}
		r.live.seen.put(n)
	}
	return nil
}

func (r *reader) noChroot() error {
	p := Problem{Summary: "The chroot does not exist", Path: zkfs.Root}
	p.Detail = fmt.Sprintf("The ensemble %q is used below a chroot that does not exist.\n"+
		"Create it once, with the ACL that its users need, or mend the chroot.", r.live.Ensemble)
	if e, ok := r.l.Ensemble(r.live.Ensemble); ok {
		p.Pos = e.Pos
		if e.Chroot != "" && e.Chroot != zkfs.Root {
			p.Path = e.Chroot
			p.Detail = fmt.Sprintf("%s, the chroot of the ensemble %q, does not exist.\n"+
				"Create it once, with the ACL that its users need, or mend the chroot.", e.Chroot, r.live.Ensemble)
		}
	}
	return &Error{Err: zkfs.ErrNoNode, Problems: []Problem{p}}
}

// known reads the ancestors of what is declared and the ledger's roots, then what
// is declared below those of them that exist.
func (r *reader) known() error {
	wants := r.live.declared(r.l, r.o)
	ancestors := make(map[zkfs.Path]bool)
	above := zkfs.Root
	for _, w := range wants {
		if w.Path.Parent() == above {
			continue
		}
		above = w.Path.Parent()
		for p := above; p != zkfs.Root && !ancestors[p]; p = p.Parent() {
			ancestors[p] = true
		}
	}
	paths := slices.Concat(slices.Collect(maps.Keys(ancestors)), r.live.Ledger.Roots, r.live.Ledger.Below, r.live.Former.Roots, r.live.Former.Below)
	slices.SortFunc(paths, comparePaths)
	if err := r.read(slices.Compact(paths)); err != nil {
		return err
	}
	var below []*want
	last, nothing := zkfs.Path(""), false // whether the last parent is absent
	for _, w := range wants {
		if w.state != unread {
			continue
		}
		if p := w.Path.Parent(); p != last {
			n, _ := r.live.seen.peek(p)
			last, nothing = p, n.Absent
		}
		if nothing {
			w.state = absent
		} else {
			below = append(below, w)
		}
	}
	return r.readDeclared(below)
}

// children finds what the layout owns and no longer declares, level by level:
// it lists the children of its namespaces and parents that have more of them
// than are known. So it does with a root of the ledger whose record somebody has
// overwritten: what stands below it is still the layout's.
func (r *reader) children() error {
	frontier := slices.Concat(r.live.Ledger.Below, r.live.Former.Below)
	for _, p := range slices.Concat(r.live.Ledger.Roots, r.live.Former.Roots) {
		n, _ := r.live.seen.node(p)
		if rec, err := layout.ParseRecord(n.Data); err != nil || !r.live.ours(r.l, rec) {
			frontier = append(frontier, p)
		}
	}
	force := len(frontier)
	for p := range r.live.seen.paths() {
		if w := r.live.seen.want(p); w == nil || w.state != recorded || w.kind() != layout.KindLock {
			frontier = append(frontier, p)
		}
	}
	for len(frontier) > 0 {
		var list []zkfs.Path
		for i, p := range frontier {
			n, _ := r.live.seen.node(p)
			if !n.Absent && n.Stat.NumChildren > r.below[p] && (i < force || r.mayHold(n)) {
				list = append(list, p)
			}
		}
		if len(list) == 0 {
			return nil
		}
		slices.SortFunc(list, comparePaths)
		list = slices.Compact(list)
		nodes, err := r.t.Read(r.ctx, zkfs.PartChildren, list)
		if err != nil {
			return err
		}
		var found []zkfs.Path
		for _, n := range nodes {
			known, _ := r.live.seen.node(n.Path)
			known.Children, known.Denied = n.Children, known.Denied|n.Denied
			r.live.seen.put(known)
			for _, name := range n.Children {
				child := n.Path.Join(name)
				if _, ok := r.live.seen.peek(child); !ok && !r.reserved(child) {
					found = append(found, child)
				}
			}
		}
		if err := r.read(found); err != nil {
			return err
		}
		frontier, force = found, 0
	}
	return nil
}

// reserved reports whether a path is the server's or the ledger's.
func (r *reader) reserved(p zkfs.Path) bool {
	return zkfs.Path("/zookeeper").Contains(p) || r.l.Ledger.Contains(p) || r.live.Former.Exists() && r.live.Former.Path.Contains(p)
}

// mayHold reports whether managed znodes of the layout may stand below n: it is
// a namespace or parent of the layout, or was one and stands in one.
func (r *reader) mayHold(n zkfs.Node) bool {
	rec, err := layout.ParseRecord(n.Data)
	if err != nil {
		above, _ := r.live.seen.node(n.Path.Parent())
		return overwritten(n, &r.live.Ledger) && r.mayHold(above)
	}
	return r.live.ours(r.l, rec) && (rec.Kind == layout.KindNamespace || rec.Kind == layout.KindParent)
}

// overwritten reports whether a znode without a record may have had one: it is
// older than the last write of the ledger, and its data was set more than once.
// A run sets that of what it makes or adopts.
func overwritten(n zkfs.Node, ledger *Ledger) bool {
	return !n.Absent && n.Stat.EphemeralOwner == 0 && n.Stat.Version > 1 && n.Stat.Czxid <= ledger.Stat.Mzxid
}

// acls reads the ACLs that the recorded aversion does not vouch for: those of
// znodes that were touched, whose declaration has changed, or that are to be
// adopted; all of them when the planner is somebody else than in the last run,
// or when that has not come to its end.
func (r *reader) acls() error {
	all := needAllACLs(&r.live.Ledger, r.live.Identities)
	var paths []zkfs.Path
	if r.o.Mode != Destroy {
		wants := r.live.declared(r.l, r.o)
		look := make([]bool, len(wants))
		spread(len(wants), func(i int) {
			n, _ := r.live.seen.peek(wants[i].Path)
			look[i] = !n.Absent && (all || !r.vouched(wants[i], n))
		})
		for i, w := range wants {
			if look[i] {
				paths = append(paths, w.Path)
			}
		}
		if r.l.ACL != nil {
			wanted := make(map[zkfs.Path]bool, len(wants))
			for _, w := range wants {
				wanted[w.Path] = true
			}
			for p := range r.live.seen.paths() {
				if wanted[p] {
					continue
				}
				n, _ := r.live.seen.node(p)
				if rec, err := layout.ParseRecord(n.Data); err == nil && r.live.ours(r.l, rec) && rec.Kind != layout.KindLock && p != r.l.Ledger {
					paths = append(paths, p)
				}
			}
		}
	}
	var parents []zkfs.Path
	if !r.o.idle && len(r.o.Disown) == 0 {
		parents = r.parents()
	}
	if len(paths)+len(parents) == 0 {
		return nil
	}
	slices.SortFunc(paths, comparePaths)
	nodes, err := r.t.Read(r.ctx, zkfs.PartACL, slices.Concat(paths, parents))
	if err != nil {
		return err
	}
	for _, n := range nodes[len(paths):] {
		if n.ACL != nil {
			r.live.Parents[n.Path] = n.ACL
		}
	}
	for _, n := range nodes[:len(paths)] {
		known, _ := r.live.seen.node(n.Path)
		if n.Denied != 0 {
			known.Denied |= n.Denied
			r.live.seen.put(known)
			continue
		}
		if n.Absent || n.Stat.Czxid != known.Stat.Czxid || n.Stat.Version != known.Stat.Version {
			return fmt.Errorf("%s: %w", n.Path, errMoving)
		}
		// The ACL belongs to the later Stat.
		known.ACL, known.Stat, known.Denied = n.ACL, n.Stat, known.Denied|n.Denied
		r.live.seen.put(known)
	}
	return nil
}

// vouched reports whether the ACL of a znode is known to be as declared.
func (r *reader) vouched(w *want, n zkfs.Node) bool {
	if !written(n, &r.live.Ledger) {
		return false
	}
	if w.state == recorded {
		return true
	}
	rec, err := layout.ParseRecord(n.Data)
	return err == nil && r.live.ours(r.l, rec) && rec.Spec == w.spec && rec.Aversion == n.Stat.Aversion
}

// written reports whether a record that stands in the znode can be relied on:
// the znode is older than the last write of the ledger, and its data was set
// after it was created, as a run does. Otherwise a stranger may have made it
// anew with a copy of the record.
func written(n zkfs.Node, ledger *Ledger) bool {
	return n.Stat.Version > 0 && n.Stat.Czxid <= ledger.Stat.Mzxid
}

// needAllACLs reports whether the recorded aversions are not enough.
func needAllACLs(ledger *Ledger, ids []zkfs.Identity) bool {
	return ledger.Unfinished() != nil || ledger.Run != nil && !slices.Equal(ledger.Planners, ids)
}

// contenders reads who holds and waits for the locks that are no longer
// declared, or are to be made anew.
func (r *reader) contenders() error {
	wanted := make(map[zkfs.Path]bool) // of those that have children
	if r.o.Mode != Destroy {
		for _, w := range r.live.declared(r.l, r.o) {
			if n, _ := r.live.seen.peek(w.Path); n.Stat.NumChildren > 0 && !r.o.rotates(w) {
				wanted[w.Path] = true
			}
		}
	}
	var locks []zkfs.Path
	for p := range r.live.seen.paths() {
		n, _ := r.live.seen.peek(p)
		if n.Stat.NumChildren == 0 || wanted[p] {
			continue
		}
		n, _ = r.live.seen.node(p)
		if rec, err := layout.ParseRecord(n.Data); err == nil && r.live.ours(r.l, rec) && rec.Kind == layout.KindLock {
			locks = append(locks, p)
		}
	}
	slices.SortFunc(locks, comparePaths)
	holders, err := readHolders(r.ctx, r.t, func(p zkfs.Path) []byte {
		n, _ := r.live.seen.node(p)
		return n.Data
	}, locks)
	if err != nil {
		return err
	}
	r.live.Holders = holders
	return nil
}
