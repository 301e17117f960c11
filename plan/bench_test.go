package plan

import (
	"fmt"
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// manyLocks declares n locks in namespaces of a thousand.
func manyLocks(n int) *layout.Layout {
	var add []func(*layout.Layout)
	for i := range n {
		if i%1000 == 0 {
			add = append(add, namespace(fmt.Sprintf("n%d", i/1000), zkfs.Path(fmt.Sprintf("/locks/n%d", i/1000))))
		}
		a := layout.Address(fmt.Sprintf("namespace.n%d.lock.l[\"%d\"]", i/1000, i))
		add = append(add, lock(a, zkfs.Path(fmt.Sprintf("/locks/n%d/l-%d", i/1000, i)), mode(layout.ReadWrite)))
	}
	return testLayout(add...)
}

// changeSome gives one lock of a hundred another mode.
func changeSome(l *layout.Layout) *layout.Layout {
	c := *l
	c.Digest = "sha256:changed"
	c.Locks = append([]layout.Lock(nil), l.Locks...)
	for i := 0; i < len(c.Locks); i += 100 {
		other := *c.Locks[i].Policy
		other.Mode = layout.Exclusive
		c.Locks[i].Policy = &other
	}
	return &c
}

// applied returns a session with a tree on which the layout was applied.
func appliedTree(b testing.TB, l *layout.Layout) *fakeTarget {
	s := newTree().session(planner)
	applyLayout(b, s, l, Options{maxBatch: 100 << 20})
	return s
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		l := manyLocks(n)
		b.Run(fmt.Sprintf("znodes=%d", n), func(b *testing.B) {
			s := appliedTree(b, l)
			for _, bc := range []struct {
				name string
				l    *layout.Layout
				s    *fakeTarget
			}{{"unchanged", l, s}, {"changed=1%", changeSome(l), s}, {"new", l, newTree().session(planner)}} {
				b.Run(bc.name, func(b *testing.B) {
					live, err := Read(b.Context(), bc.s, bc.l, "main", Options{})
					if err != nil {
						b.Fatal(err)
					}
					b.ReportAllocs()
					for b.Loop() {
						if _, err := Diff(bc.l, []*Live{live}, Options{}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkRead is Read against a tree in memory: what is left is our own work.
func BenchmarkRead(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		l := manyLocks(n)
		s := appliedTree(b, l)
		b.Run(fmt.Sprintf("znodes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Read(b.Context(), s, l, "main", Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDigest encodes the plan of new locks, as its file and its digest do.
func BenchmarkDigest(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("znodes=%d", n), func(b *testing.B) {
			p := makePlan(b, newTree().session(planner), manyLocks(n), Options{})
			b.ReportAllocs()
			for b.Loop() {
				p.Digest()
			}
		})
	}
}
