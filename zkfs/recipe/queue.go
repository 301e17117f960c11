package recipe

import "slices"

// A Queue is the children of a lock, read and in the order in which they are
// served.
type Queue struct {
	Contenders []Contender
	Unknown    []string // children that are no contenders, sorted
	recipe     Recipe
}

// Queue reads the children of a lock of this recipe.
func (r Recipe) Queue(children []string) Queue {
	q := Queue{recipe: r, Contenders: make([]Contender, 0, len(children))}
	for _, name := range children {
		if c, ok := r.Parse(name); ok {
			q.Contenders = append(q.Contenders, c)
		} else {
			q.Unknown = append(q.Unknown, name)
		}
	}
	slices.SortFunc(q.Contenders, Less)
	slices.Sort(q.Unknown)
	return q
}

// CuratorSemaphore reports whether children that are no contenders are those of
// Curator's InterProcessSemaphoreV2, whose leases have no order that we could
// join.
func CuratorSemaphore(unknown []string) bool {
	return slices.Contains(unknown, "locks") || slices.Contains(unknown, "leases")
}

// Index returns the place of a name among the contenders, or -1.
func (q Queue) Index(name string) int {
	return slices.IndexFunc(q.Contenders, func(c Contender) bool { return c.Name == name })
}

// ByGUID returns the contenders whose names hold the GUID: those that one
// client made as one.
func (q Queue) ByGUID(guid string) []Contender {
	var own []Contender
	for _, c := range q.Contenders {
		if c.guid != "" && c.GUID() == guid {
			own = append(own, c)
		}
	}
	return own
}

// Blind returns the contenders whose clients would not wait for one of ours. One
// of several names (recipe bridge) is as good as all of them.
func (q Queue) Blind(shared bool) []Contender {
	var blind []Contender
	ours := q.recipe.likeOurs(shared)
	sees := func(c Contender) bool { return !q.recipe.blind(c, shared, ours) }
	for _, c := range q.Contenders {
		if !sees(c) && !slices.ContainsFunc(q.ByGUID(c.GUID()), sees) {
			blind = append(blind, c)
		}
	}
	return blind
}

// A Place is one contender of a queue with all of its names: several for the
// recipe bridge, else one.
type Place struct {
	Contender          // the first of the names
	Names     []string // all of them
	Holds     bool     // by its place in the queue; else it waits
	Blind     bool     // its client would not wait for an exclusive one of ours
}

// Places returns the queue with the names of one GUID taken together, and says
// who holds: of a semaphore the first permits, else whoever has no conflicting
// one before it.
func (q Queue) Places(permits int) []Place {
	places := make([]Place, 0, len(q.Contenders))
	ours := q.recipe.likeOurs(false)
	byGUID := make(map[string]int)
	for _, c := range q.Contenders {
		guid := c.GUID()
		if i, seen := byGUID[guid]; seen && guid != "" {
			places[i].Names = append(places[i].Names, c.Name)
			places[i].Shared = places[i].Shared && c.Shared
			places[i].Blind = places[i].Blind && q.recipe.blind(c, false, ours)
			continue
		}
		byGUID[guid] = len(places)
		places = append(places, Place{Contender: c, Names: []string{c.Name}, Blind: q.recipe.blind(c, false, ours)})
	}
	exclusiveAhead := false
	for i := range places {
		p := &places[i]
		switch {
		case q.recipe.Semaphore():
			p.Holds = i < permits
		case p.Shared:
			p.Holds = !exclusiveAhead
		default:
			p.Holds = i == 0
		}
		exclusiveAhead = exclusiveAhead || !p.Shared
	}
	return places
}

// Position returns the place of a contender among those that wait for a lock
// that is no semaphore, 1 for the next one.
func (q Queue) Position(name string) int {
	waiting := 0
	for _, p := range q.Places(0) {
		if !p.Holds {
			waiting++
		}
		if slices.Contains(p.Names, name) {
			break
		}
	}
	return waiting
}
