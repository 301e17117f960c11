package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

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
	MovedTo  zkfs.Path       // the ledger of the layout that has taken this one over; "" for none
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
	MovedTo  zkfs.Path   `json:"moved_to,omitempty"`
	Run      *Run        `json:"run,omitempty"`
}

// Encode returns the ledger as data of its znode. The error says that it is
// larger than MaxLedger.
func (l *Ledger) Encode() ([]byte, error) {
	j := ledgerJSON{layout.Format, layout.KindLedger, l.Layout, l.ID, l.Serial, l.Roots, l.Below, nil, l.Siblings, l.Complete, l.MovedTo, l.Run}
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
	l := Ledger{Layout: j.Layout, ID: j.ID, Serial: j.Serial, Siblings: j.Siblings, Complete: j.Complete, MovedTo: j.MovedTo, Run: j.Run}
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
	for _, known := range []string{"lockform", "kind", "layout", "id", "serial", "roots", "below", "planners", "siblings", "complete", "moved_to", "run"} {
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
			"Authenticate as one of those who may plan this layout (an auth block of the ensemble, or a client certificate).\n"+
			"ZooKeeper accepts any password of a digest, and a wrong one is somebody else: check that first.")
	}
	l, err := ParseLedger(n.Data)
	if err != nil {
		return Ledger{}, fault(err, err.Error()+".\nGive the layout another name or ledger, or find out who wrote there.")
	}
	l.Path, l.Stat = n.Path, n.Stat
	return l, nil
}
