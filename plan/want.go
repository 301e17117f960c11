package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A want is one declared znode of an ensemble.
type want struct {
	*layout.Declared
	kind   layout.Kind
	policy *layout.Policy // locks only
	spec   string
	adopt  bool // by lifecycle or import
}

// record returns what the znode's data is to be, given its aversion.
func (w *want) record(name string, aversion int32) layout.Record {
	return layout.Record{
		Layout: name, Address: w.Address, Kind: w.kind, Protected: w.Protected,
		Spec: w.spec, Aversion: aversion, Policy: w.policy,
	}
}

// declared returns the declared znodes of an ensemble, parents first.
func declared(l *layout.Layout, ensemble string, imports []layout.Import) []*want {
	var all []*want
	for i := range l.Namespaces {
		if n := &l.Namespaces[i]; n.Ensemble == ensemble {
			all = append(all, &want{Declared: &n.Declared, kind: layout.KindNamespace, spec: n.Spec(), adopt: n.Adopt})
		}
	}
	for i := range l.Locks {
		if k := &l.Locks[i]; k.Ensemble == ensemble {
			all = append(all, &want{Declared: &k.Declared, kind: layout.KindLock, policy: &k.Policy, spec: k.Spec(), adopt: k.Adopt})
		}
	}
	for _, im := range imports {
		for _, w := range all {
			w.adopt = w.adopt || w.Path == im.Path && im.To.Covers(w.Address)
		}
	}
	slices.SortFunc(all, func(a, b *want) int { return comparePaths(a.Path, b.Path) })
	return all
}

// comparePaths sorts as a tree is walked: a znode before what is below it, and
// all of that before its next sibling.
func comparePaths(a, b zkfs.Path) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// jsonOf encodes what cannot fail to be encoded, leaving <, > and & as they are.
func jsonOf(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
