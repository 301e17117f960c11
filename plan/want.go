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
	policy *layout.Policy // nil for a namespace
	spec   string
	adopt  bool // by lifecycle or import

	// What was read of it; see seen.
	state                       state
	version, aversion, children int32      // recorded
	czxid                       int64      // recorded
	node                        *zkfs.Node // read
}

// kind returns what is declared: a namespace or a lock.
func (w *want) kind() layout.Kind {
	if w.policy == nil {
		return layout.KindNamespace
	}
	return layout.KindLock
}

// A specKey tells locks that are declared alike from others.
type specKey struct {
	policy    *layout.Policy
	acl       sharedACL
	protected bool
}

func (w *want) specKey() specKey { return specKey{w.policy, shared(w.ACL), w.Protected} }

// isRecord reports whether data is the record of w.
func (w *want) isRecord(name string, aversion int32, data []byte) bool {
	written, err := w.record(name, aversion).Encode()
	return err == nil && bytes.Equal(written, data)
}

// record returns what the znode's data is to be, given its aversion.
func (w *want) record(name string, aversion int32) layout.Record {
	return layout.Record{
		Layout: name, Address: w.Address, Kind: w.kind(), Protected: w.Protected,
		Spec: w.spec, Aversion: aversion, Policy: w.policy,
	}
}

// declared returns the declared znodes of an ensemble, parents first.
func declared(l *layout.Layout, ensemble string, imports []layout.Import) []*want {
	all := make([]*want, 0, len(l.Namespaces)+len(l.Locks))
	for i := range l.Namespaces {
		if n := &l.Namespaces[i]; n.Ensemble == ensemble {
			all = append(all, &want{Declared: &n.Declared, spec: n.Spec(), adopt: n.Adopt})
		}
	}
	locks := make([]want, len(l.Locks))
	alike := make(map[specKey]*want) // the first of the locks that have the same spec
	var first []*want
	var firstLocks []*layout.Lock
	for i := range locks {
		k, w := &l.Locks[i], &locks[i]
		*w = want{Declared: &k.Declared, policy: k.Policy, adopt: k.Adopt}
		if k.Ensemble != ensemble {
			continue
		}
		all = append(all, w)
		if key := w.specKey(); alike[key] == nil {
			alike[key] = w
			first, firstLocks = append(first, w), append(firstLocks, k)
		}
	}
	spread(len(first), func(i int) { first[i].spec = firstLocks[i].Spec() })
	for _, w := range all {
		if w.policy != nil {
			w.spec = alike[w.specKey()].spec
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
