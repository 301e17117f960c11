package live

import (
	"slices"
	"strings"
)

// A Deadlock is a ring of owners each of whom waits for a lock that the next
// one holds: none of them can go on by itself.
type Deadlock struct {
	Owners []string // the first in the order of names stands first
	Paths  []string // Paths[i] is what Owners[i] waits for
}

// String returns the ring in words.
func (d Deadlock) String() string {
	var b strings.Builder
	for i, o := range d.Owners {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(o + " waits for " + d.Paths[i] + " of " + d.Owners[(i+1)%len(d.Owners)])
	}
	return b.String()
}

// maxRings is how many deadlocks are told of: who has as many needs no more.
const maxRings = 100

// Deadlocks finds the rings in who waits for whom. A waiter waits for those
// who stand before it and exclude it: all of them for an exclusive hold, the
// exclusive ones for a shared hold, and for a permit of a semaphore whoever
// holds one, which is a ring only when all of them wait. An owner is known by
// name, and one that gives none by its session.
//
// Owners that are tied up with one another are told of by the shortest ring
// through each of those who hold a lock and stand in none yet, or by one ring
// where none of them holds any. Without a ring it takes a time that grows with
// the contenders.
func Deadlocks(locks []Lock) []Deadlock {
	w := newWaiting(locks)
	w.components()
	starts := make([]int32, 0, len(w.names))
	owners := make(map[int32]int, len(w.names)) // of each component
	for n := range w.names {
		owners[w.component[n]]++
		starts = append(starts, int32(n))
	}
	slices.SortFunc(starts, func(a, b int32) int {
		if w.holds[a] != w.holds[b] {
			if w.holds[a] {
				return -1
			}
			return 1
		}
		return strings.Compare(w.names[a], w.names[b])
	})
	var all []Deadlock
	told, known := make(map[int32]bool), make(map[int32]bool) // owners, components
	for _, start := range starts {
		component := w.component[start]
		if owners[component] < 2 || told[start] || known[component] && !w.holds[start] || len(all) == maxRings {
			continue
		}
		ring, paths := w.ring(start)
		if ring == nil {
			continue
		}
		known[component] = true
		d := Deadlock{Paths: paths}
		for _, n := range ring {
			told[n] = true
			d.Owners = append(d.Owners, w.names[n])
		}
		first := slices.Index(d.Owners, slices.Min(d.Owners))
		d.Owners = append(d.Owners[first:], d.Owners[:first]...)
		d.Paths = append(d.Paths[first:], d.Paths[:first]...)
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Deadlock) int { return slices.Compare(a.Owners, b.Owners) })
	return all
}

// waiting is the graph of who waits for whom. Its first nodes are owners. A waiter
// has one edge for its lock, to a node that stands for all before it who exclude
// it: that one has an edge to the last of them, and another to the node that
// stands for the rest.
type waiting struct {
	names     []string // of the owners
	holds     []bool   // which of them hold a lock
	next      [][]edge
	component []int32 // strongly connected, of each node

	// What ring uses: the step to each place, of the search that its mark tells.
	came   []step
	mark   []int32
	search int32
}

// A step leads to a place.
type step struct {
	from place
	path string
}

type edge struct {
	to   int32
	path string // of the lock, from an owner; "" from other nodes
}

func newWaiting(locks []Lock) *waiting {
	w := &waiting{}
	ids := make(map[string]int32)
	for _, l := range locks {
		for _, c := range l.Queue.Contenders {
			name := owner(l, c)
			if _, ok := ids[name]; !ok {
				ids[name] = int32(len(w.names))
				w.names, w.holds = append(w.names, name), append(w.holds, false)
			}
			w.holds[ids[name]] = w.holds[ids[name]] || c.Holds
		}
	}
	w.next = make([][]edge, len(w.names))
	const nobody = -1
	// and returns a node that stands for an owner and for those of another node.
	and := func(o, rest int32) int32 {
		edges := []edge{{to: o}}
		if rest != nobody {
			edges = append(edges, edge{to: rest})
		}
		w.next = append(w.next, edges)
		return int32(len(w.next) - 1)
	}
	for _, l := range locks {
		if l.Queue.semaphore() || len(l.Queue.Contenders) < 2 {
			continue
		}
		all, exclusive := int32(nobody), int32(nobody)
		for _, c := range l.Queue.Contenders {
			o, before := ids[owner(l, c)], all
			if c.Mode == "shared" {
				before = exclusive
			}
			if !c.Holds && before != nobody {
				w.next[o] = append(w.next[o], edge{before, l.Name()})
			}
			if all = and(o, all); c.Mode != "shared" {
				exclusive = and(o, exclusive)
			}
		}
	}
	return w
}

// components finds the strongly connected components, after R. Tarjan,
// "Depth-First Search and Linear Graph Algorithms" (1972): rings lie in one.
func (w *waiting) components() {
	n := len(w.next)
	w.component = make([]int32, n)
	index, low := make([]int32, n), make([]int32, n) // index 0: not seen yet
	var seen, found int32
	var open []int32 // seen, and in no component yet
	inOpen := make([]bool, n)
	type frame struct{ node, edge int32 }
	var stack []frame
	enter := func(v int32) {
		seen++
		index[v], low[v] = seen, seen
		open, inOpen[v] = append(open, v), true
		stack = append(stack, frame{node: v})
	}
	for root := range int32(n) {
		if index[root] != 0 {
			continue
		}
		enter(root)
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			v := f.node
			if int(f.edge) < len(w.next[v]) {
				to := w.next[v][f.edge].to
				f.edge++
				if index[to] == 0 {
					enter(to)
				} else if inOpen[to] {
					low[v] = min(low[v], index[to])
				}
				continue
			}
			stack = stack[:len(stack)-1]
			if len(stack) > 0 {
				up := stack[len(stack)-1].node
				low[up] = min(low[up], low[v])
			}
			if low[v] != index[v] {
				continue
			}
			for last := int32(-1); last != v; {
				last = open[len(open)-1]
				open, inOpen[last] = open[:len(open)-1], false
				w.component[last] = found
			}
			found++
		}
	}
}

// A place is a node on the way from a start. Beyond says that the way has been
// through another owner: only then is the start its end, for who waits for
// itself alone is no ring.
type place struct {
	node   int32
	beyond bool
}

// index is where what is known of a place stands.
func (p place) index() int32 {
	if p.beyond {
		return 2*p.node + 1
	}
	return 2 * p.node
}

// ring returns the owners of a shortest ring through start, and the lock that
// each waits for; nil where there is none.
func (w *waiting) ring(start int32) (ring []int32, paths []string) {
	if w.came == nil {
		w.came, w.mark = make([]step, 2*len(w.next)), make([]int32, 2*len(w.next))
	}
	w.search++
	level := []place{{node: start}}
	for end := (place{start, true}); len(level) > 0; {
		var owners []place // of the next level
		for len(level) > 0 {
			at := level[len(level)-1]
			level = level[:len(level)-1]
			for _, e := range w.next[at.node] {
				isOwner := int(e.to) < len(w.names)
				to := place{e.to, at.beyond || isOwner}
				if isOwner && e.to == start && !at.beyond || w.component[e.to] != w.component[start] || w.mark[to.index()] == w.search {
					continue
				}
				w.mark[to.index()], w.came[to.index()] = w.search, step{at, e.path}
				switch {
				case to == end:
					return w.back(start)
				case isOwner:
					owners = append(owners, to)
				default:
					level = append(level, to)
				}
			}
		}
		level = owners
	}
	return nil, nil
}

// back follows the steps of a ring from its end.
func (w *waiting) back(start int32) (ring []int32, paths []string) {
	for at := (place{start, true}); ; {
		s := w.came[at.index()]
		for int(s.from.node) >= len(w.names) {
			s = w.came[s.from.index()]
		}
		ring, paths = append(ring, s.from.node), append(paths, s.path)
		if at = s.from; at.node == start {
			slices.Reverse(ring)
			slices.Reverse(paths)
			return ring, paths
		}
	}
}
