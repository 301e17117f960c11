package lock

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// OuterVariable is the environment variable that tells a process which locks
// are held around it.
const OuterVariable = "LOCKFORM_HELD"

// An Outer is a hold of a process around this one. It orders ranks and lets a
// reentrant lock be taken again; it proves nothing to anyone else.
type Outer struct {
	Path    zkfs.Path `json:"path"`
	Rank    *int      `json:"rank,omitempty"`
	Mode    string    `json:"mode"`
	Owner   string    `json:"owner"`
	Node    zkfs.Path `json:"node"`
	Token   int64     `json:"token"`
	Session int64     `json:"session"`
}

// ParseOuter reads the value of OuterVariable; empty means none.
func ParseOuter(s string) ([]Outer, error) {
	if s == "" {
		return nil, nil
	}
	var all []Outer
	if err := json.Unmarshal([]byte(s), &all); err != nil {
		return nil, fmt.Errorf("%s is not a list of holds: %w", OuterVariable, err)
	}
	return all, nil
}

// FormatOuter returns the value of OuterVariable for a process that runs under
// outer and held.
func FormatOuter(outer []Outer, held []*Held) string {
	all := append([]Outer{}, outer...)
	for _, h := range held {
		all = append(all, h.outer())
	}
	data, err := json.Marshal(all)
	if err != nil {
		return "[]" // strings and numbers always have a JSON form
	}
	return string(data)
}

// standing returns those of the holds around this process that still stand here:
// what a command leaves running keeps its environment when the hold has ended,
// and it may be a hold on other servers.
func (s *session) standing(ctx context.Context, outer []Outer) ([]Outer, error) {
	var nodes []zkfs.Path
	var of []Outer
	for _, x := range outer {
		if node, err := zkfs.ParsePath(string(x.Node)); err == nil {
			nodes, of = append(nodes, node), append(of, x)
		}
	}
	if len(nodes) == 0 {
		return nil, nil
	}
	read, err := s.Read(ctx, 0, nodes)
	if err != nil {
		return nil, err
	}
	var there []Outer
	for i, n := range read {
		if !n.Absent && n.Stat.Czxid == of[i].Token {
			there = append(there, of[i])
		}
	}
	return there, nil
}

// around returns the hold of a process around this one that a reentrant request
// shares. The owner must be named, and a shared hold does not become exclusive.
func around(path zkfs.Path, p layout.Policy, o Options) *Outer {
	if !p.Reentrant || o.Owner == "" {
		return nil
	}
	for i := range o.Outer {
		x := &o.Outer[i]
		if x.Path == path && x.Owner == o.Owner && (x.Mode == modeOf(p, o.Shared) || x.Mode == "exclusive") {
			return x
		}
	}
	return nil
}

// borrow shares the contender of a process around this one: that process
// deletes it, and stops everything below itself before its lease ends. Here the
// contender is watched and checked, on a session that does not own it.
func (cl *claim) borrow(w *wait) (*Held, error) {
	r, err := recipeOf(cl.policy, cl.shared)
	if err != nil {
		return nil, err
	}
	cl.mu.Lock()
	cl.recipe, cl.nodes, cl.token, cl.mode = r, []zkfs.Path{cl.around.Node}, cl.around.Token, cl.around.Mode
	cl.mu.Unlock()
	cl.s.add(cl)
	if err := cl.watch(w.ctx); err != nil {
		return nil, err
	}
	h, err := cl.hold(w.ctx)
	if err != nil {
		cl.unwatch()
		return nil, err
	}
	cl.followWatches()
	return h, nil
}
