package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// MaxLedger is the largest encoded ledger, in bytes.
const MaxLedger = 64 << 10

// A Ledger is what a layout remembers in one ensemble.
type Ledger struct {
	Path     zkfs.Path
	Stat     zkfs.Stat // of its znode; zero when there is none
	Layout   string
	ID       string          // random, made with the ledger
	Serial   int64           // rises with every run
	Roots    []zkfs.Path     // topmost managed znodes
	Below    []zkfs.Path     // parents of so many roots that they are not listed one by one
	Planners []zkfs.Identity // of the last run
	Siblings []string        // all ensembles of the layout
	Complete string          // configuration digest of the last run that applied everything
	Run      *Run            // the last one; nil: none yet

	extra map[string]json.RawMessage // of a later release
}

// Exists reports whether there is such a ledger.
func (l *Ledger) Exists() bool { return l.Stat.Czxid != 0 }

// Unfinished returns the last run when it has not come to its end, else nil.
func (l *Ledger) Unfinished() *Run {
	if l.Run != nil && !l.Run.Done {
		return l.Run
	}
	return nil
}

// A Run is one apply of a plan, as the ledger and the history tell of it.
type Run struct {
	ID       string    `json:"id"`
	Serial   int64     `json:"serial"`
	Plan     string    `json:"plan"`   // digest
	Config   string    `json:"config"` // digest
	Mode     Mode      `json:"mode,omitempty"`
	Batch    int       `json:"batch"` // committed
	Batches  int       `json:"batches"`
	Cursor   int       `json:"cursor"` // ACL changes made
	ACLs     int       `json:"acls"`
	Done     bool      `json:"done"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	User     string    `json:"user,omitempty"`
	Host     string    `json:"host,omitempty"`
	Commit   string    `json:"commit,omitempty"` // of the configuration's repository
	Version  string    `json:"version,omitempty"`
	Ensemble string    `json:"ensemble,omitempty"`
	Summary  string    `json:"summary,omitempty"` // such as "3 created, 1 updated"
}

// By returns who ran it, for people: "user@host", or what of it is known.
func (r *Run) By() string {
	switch {
	case r.User != "" && r.Host != "":
		return r.User + "@" + r.Host
	case r.User != "" || r.Host != "":
		return r.User + r.Host
	}
	return "somebody"
}

type ledgerJSON struct {
	Lockform int         `json:"lockform"`
	Kind     layout.Kind `json:"kind"`
	Layout   string      `json:"layout"`
	ID       string      `json:"id"`
	Serial   int64       `json:"serial"`
	Roots    []zkfs.Path `json:"roots"`
	Below    []zkfs.Path `json:"below,omitempty"`
	Planners []string    `json:"planners,omitempty"`
	Siblings []string    `json:"siblings,omitempty"`
	Complete string      `json:"complete,omitempty"`
	Run      *Run        `json:"run,omitempty"`
}

// Encode returns the ledger as data of its znode. The error says that it is
// larger than MaxLedger.
func (l *Ledger) Encode() ([]byte, error) {
	j := ledgerJSON{layout.Format, layout.KindLedger, l.Layout, l.ID, l.Serial, l.Roots, l.Below, nil, l.Siblings, l.Complete, l.Run}
	if j.Roots == nil {
		j.Roots = []zkfs.Path{}
	}
	for _, id := range l.Planners {
		j.Planners = append(j.Planners, id.String())
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(j); err != nil {
		return nil, err
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(l.extra) > 0 {
		more, err := json.Marshal(l.extra)
		if err != nil {
			return nil, err
		}
		data = append(append(data[:len(data)-1], ','), more[1:]...)
	}
	if len(data) > MaxLedger {
		return nil, fmt.Errorf("%w: it would have %d bytes, more than the %d that it may have; declare a namespace above the znodes that now stand below unmanaged ones",
			ErrLedger, len(data), MaxLedger)
	}
	return data, nil
}

// ParseLedger reads the data of a ledger's znode. The errors are those of
// layout.ParseRecord, wrapped.
func ParseLedger(data []byte) (Ledger, error) {
	rec, err := layout.ParseRecord(data)
	if err != nil {
		return Ledger{}, err
	}
	if rec.Kind != layout.KindLedger {
		return Ledger{}, fmt.Errorf("%w as a ledger: it is a %s of the layout %q", layout.ErrNotManaged, rec.Kind, rec.Layout)
	}
	var j ledgerJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return Ledger{}, fmt.Errorf("%w: %v", layout.ErrBadRecord, err)
	}
	if j.Serial < 0 {
		return Ledger{}, fmt.Errorf("%w: its serial is negative", layout.ErrBadRecord)
	}
	l := Ledger{Layout: j.Layout, ID: j.ID, Serial: j.Serial, Siblings: j.Siblings, Complete: j.Complete, Run: j.Run}
	for _, list := range []struct {
		from []zkfs.Path
		to   *[]zkfs.Path
	}{{j.Roots, &l.Roots}, {j.Below, &l.Below}} {
		for _, p := range list.from {
			if _, err := zkfs.ParsePath(string(p)); err != nil {
				return Ledger{}, fmt.Errorf("%w: %v", layout.ErrBadRecord, err)
			}
			*list.to = append(*list.to, p)
		}
	}
	for _, s := range j.Planners {
		scheme, id, ok := strings.Cut(s, ":")
		if !ok {
			return Ledger{}, fmt.Errorf("%w: %q is not an identity", layout.ErrBadRecord, s)
		}
		l.Planners = append(l.Planners, zkfs.Identity{Scheme: scheme, ID: id})
	}
	if err := json.Unmarshal(data, &l.extra); err != nil {
		return Ledger{}, fmt.Errorf("%w: %v", layout.ErrBadRecord, err)
	}
	for _, known := range []string{"lockform", "kind", "layout", "id", "serial", "roots", "below", "planners", "siblings", "complete", "run"} {
		delete(l.extra, known)
	}
	return l, nil
}

// ReadLedger reads the ledger at path. One that does not exist gives a Ledger
// for which Exists is false, and no error.
func ReadLedger(ctx context.Context, t Target, path zkfs.Path) (Ledger, error) {
	nodes, err := t.Read(ctx, zkfs.PartData, []zkfs.Path{path})
	if err != nil {
		return Ledger{}, err
	}
	return ledgerOf(nodes[0])
}

// ledgerOf reads a ledger from its znode.
func ledgerOf(n zkfs.Node) (Ledger, error) {
	if n.Absent {
		return Ledger{Path: n.Path}, nil
	}
	fault := func(err error, detail string) error {
		return &Error{Kind: ErrLedger, Err: err, Problems: []Problem{{
			Summary: "The ledger cannot be used", Path: n.Path,
			Detail: fmt.Sprintf("%s: %s", n.Path, detail),
		}}}
	}
	if n.Denied&zkfs.PartData != 0 {
		return Ledger{}, fault(zkfs.ErrNoAuth, "permission to read it was denied.\n"+
			"Authenticate as one of those who may plan this layout (an auth block of the ensemble, or a client certificate).")
	}
	l, err := ParseLedger(n.Data)
	if err != nil {
		return Ledger{}, fault(err, err.Error()+".\nGive the layout another name or ledger, or find out who wrote there.")
	}
	l.Path, l.Stat = n.Path, n.Stat
	return l, nil
}

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
	paths := append(slices.Clone(ancestors), lp.Path, lp.Path.Join(applyName), lp.Path.Join(historyName), lp.Path.Join(agentsName))
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
		case n.Path.Base() == agentsName:
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
