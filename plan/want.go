package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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

	// What was read of it; see seen.
	state                       state
	node                        *zkfs.Node // read
	layout                      string     // recorded: whose name the record has
	czxid                       int64      // recorded
	version, aversion, children int32      // recorded
}

// isRecord reports whether data is the record of w.
func (w *want) isRecord(name string, aversion int32, data []byte) bool {
	written, err := w.record(name, aversion).Encode()
	return err == nil && bytes.Equal(written, data)
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
	all := make([]*want, 0, len(l.Namespaces)+len(l.Locks))
	for i := range l.Namespaces {
		if n := &l.Namespaces[i]; n.Ensemble == ensemble {
			all = append(all, &want{Declared: &n.Declared, kind: layout.KindNamespace, spec: n.Spec(), adopt: n.Adopt})
		}
	}
	locks := make([]want, len(l.Locks))
	spread(len(locks), func(i int) {
		k := &l.Locks[i]
		locks[i] = want{Declared: &k.Declared, kind: layout.KindLock, policy: k.Policy, adopt: k.Adopt}
		if k.Ensemble == ensemble {
			locks[i].spec = k.Spec()
		}
	})
	specs := make(map[string]string) // there are few
	for i := range locks {
		if w := &locks[i]; w.Ensemble == ensemble {
			if known, ok := specs[w.spec]; ok {
				w.spec = known
			} else {
				specs[w.spec] = w.spec
			}
			all = append(all, w)
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

// spread calls do for every i < n, with many of them on all processors at once.
func spread(n int, do func(i int)) {
	const chunk = 1000
	workers := min(runtime.GOMAXPROCS(0), n/chunk)
	if workers < 2 {
		for i := range n {
			do(i)
		}
		return
	}
	var all sync.WaitGroup
	var next atomic.Int64
	for range workers {
		all.Go(func() {
			for {
				end := int(next.Add(chunk))
				for i := end - chunk; i < min(end, n); i++ {
					do(i)
				}
				if end >= n {
					return
				}
			}
		})
	}
	all.Wait()
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
