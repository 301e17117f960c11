package live

import (
	"slices"
	"strings"

	"github.com/lockform/lockform/agent/lock"
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

// Deadlocks finds the rings in who waits for whom. A waiter waits for those
// who stand before it and exclude it: all of them for an exclusive hold, the
// exclusive ones for a shared hold, and for a permit of a semaphore whoever
// holds one, which is a ring only when all of them wait. An owner is known by
// name, and one that gives none by its session.
//
// It looks for a ring through each owner along shortest ways, so that of
// several rings that share an owner one at least is found.
func Deadlocks(locks []Lock) []Deadlock {
	type wait struct{ to, path string }
	waits := map[string][]wait{}
	for _, l := range locks {
		for i, c := range l.Queue.Contenders {
			if c.Holds {
				continue
			}
			for _, before := range l.Queue.Contenders[:i] {
				if l.Queue.semaphore() || !excludes(before, c) {
					continue
				}
				if from, to := owner(l, c), owner(l, before); from != to {
					waits[from] = append(waits[from], wait{to, l.Name()})
				}
			}
		}
	}
	owners := make([]string, 0, len(waits))
	for o := range waits {
		owners = append(owners, o)
	}
	slices.Sort(owners)

	var all []Deadlock
	seen := map[string]bool{}
	for _, start := range owners {
		type step struct{ from, path string }
		came := map[string]step{}
		queue := []string{start}
		for len(queue) > 0 && came[start].from == "" {
			at := queue[0]
			queue = queue[1:]
			for _, w := range waits[at] {
				if _, ok := came[w.to]; !ok {
					came[w.to] = step{at, w.path}
					queue = append(queue, w.to)
				}
			}
		}
		if came[start].from == "" {
			continue
		}
		var d Deadlock
		for at := start; ; {
			s := came[at]
			d.Owners = append([]string{s.from}, d.Owners...)
			d.Paths = append([]string{s.path}, d.Paths...)
			if at = s.from; at == start {
				break
			}
		}
		first := slices.Index(d.Owners, slices.Min(d.Owners))
		d.Owners = append(d.Owners[first:], d.Owners[:first]...)
		d.Paths = append(d.Paths[first:], d.Paths[:first]...)
		if key := strings.Join(d.Owners, "\x00"); !seen[key] {
			seen[key] = true
			all = append(all, d)
		}
	}
	return all
}

func excludes(before, c lock.Contender) bool {
	return before.Mode != "shared" || c.Mode != "shared"
}
