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

// CuratorSemaphore reports whether the children are those of Curator's
// InterProcessSemaphoreV2, whose leases have no order that we could join.
func (q Queue) CuratorSemaphore() bool {
	return slices.Contains(q.Unknown, "locks") || slices.Contains(q.Unknown, "leases")
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
		if c.GUID != "" && c.GUID == guid {
			own = append(own, c)
		}
	}
	return own
}

// Ahead returns the contenders that must be gone before the one at index i may
// hold a lock that is no semaphore: those before it that conflict with it, its
// own (of the same GUID) left out. The last of them is the one to watch.
func (q Queue) Ahead(i int) []Contender {
	var ahead []Contender
	own := q.Contenders[i]
	for _, c := range q.Contenders[:i] {
		if Conflicts(c, own) && (c.GUID == "" || c.GUID != own.GUID) {
			ahead = append(ahead, c)
		}
	}
	return ahead
}

// Blind returns the contenders whose clients would not wait for one of ours. One
// of several names (recipe bridge) is as good as all of them.
func (q Queue) Blind(shared bool) []Contender {
	var blind []Contender
	ours := q.recipe.likeOurs(shared)
	sees := func(c Contender) bool { return !q.recipe.blind(c, shared, ours) }
	for _, c := range q.Contenders {
		if !sees(c) && !slices.ContainsFunc(q.ByGUID(c.GUID), sees) {
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
		if i, seen := byGUID[c.GUID]; seen && c.GUID != "" {
			places[i].Names = append(places[i].Names, c.Name)
			places[i].Shared = places[i].Shared && c.Shared
			places[i].Blind = places[i].Blind && q.recipe.blind(c, false, ours)
			continue
		}
		byGUID[c.GUID] = len(places)
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
