package plan

import (
	"errors"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A layout that was renamed, or whose ledger has moved, takes the former ledger
// over: what that one owned is its own then. The first write of the plan marks
// the former ledger as moved, at its expected version, so that an apply by the
// former name comes before that or is refused; the records follow in the plan's
// batches. Ledger, history and apply lock of the former name stay where they
// are.

// ours reports whether a record is the layout's, under its present or its former
// name.
func (v *Live) ours(l *layout.Layout, rec layout.Record) bool {
	return rec.Layout == l.Name || v.Former.Exists() && rec.Layout == v.Former.Layout
}

// former reads the ledger that the layout takes over: moved_from is its path, or
// what "ledger" was when only that has changed.
func (r *reader) former() error {
	from := r.l.MovedFrom
	if from == "" || from == r.l.Ledger {
		return nil
	}
	for _, p := range []zkfs.Path{from, from.Join(r.l.Name)} {
		if p == r.l.Ledger {
			continue
		}
		f, err := ReadLedger(r.ctx, r.t, p)
		switch {
		case errors.Is(err, layout.ErrNotManaged):
			continue
		case err != nil:
			return err
		case f.Exists():
			if f.MovedTo != "" && f.MovedTo != r.l.Ledger {
				return &Error{Kind: ErrBlocked, Problems: []Problem{{
					Summary: "The former ledger was taken over by another layout", Path: p, Pos: r.l.Pos,
					Detail: fmt.Sprintf("%s was taken over by the layout whose ledger is %s.", p, f.MovedTo),
				}}}
			}
			r.live.Former = f
			return nil
		}
	}
	return nil
}

// takeover returns what marks the former ledger as moved; nil when there is none
// or it is done.
func (d *differ) takeover() *Former {
	f := d.live.Former
	if !f.Exists() || f.MovedTo != "" || d.o.Mode != Normal || d.o.partial() || d.o.idle {
		return nil
	}
	if run := f.Unfinished(); run != nil && !d.o.Abandon {
		d.e.Blocked = append(d.e.Blocked, Blocked{
			Path: f.Path, Reason: BlockUnfinished, Pos: d.l.Pos,
			Detail: fmt.Sprintf("A run under the former name, begun by %s, stands after batch %d of %d.\n"+
				"Finish it under that name first, or give it up with -abandon.", run.By(), run.Batch, run.Batches),
		})
	}
	moved := f
	moved.Roots, moved.Below, moved.Complete, moved.MovedTo = nil, nil, "", d.l.Ledger
	data, err := moved.Encode()
	if err != nil {
		d.problem(Problem{Summary: "The former ledger cannot be taken over", Path: f.Path, Pos: d.l.Pos, Detail: err.Error() + "."})
		return nil
	}
	return &Former{precondition(zkfs.Node{Path: f.Path, Stat: f.Stat}), data}
}
