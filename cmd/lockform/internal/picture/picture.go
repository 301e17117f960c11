// Package picture draws a layout: its ensembles with their namespaces and
// locks, and which policy and ACL each of them has.
package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// crowd is how many instances of one block, alike in everything but their key,
// are drawn one by one. More become one node that says how many they are.
const crowd = 8

// A node is one box. Its name is unique in a picture and needs no escape.
type node struct {
	name  string
	kind  string   // "namespace", "lock", "acl" or "policy"
	lines []string // of its label
}

// An edge goes from a box to another: to what is inside of it, to its ACL, or
// to its policy.
type edge struct {
	from, to string
	kind     string // "inside", "acl" or "policy"
}

// A group is an ensemble with what lies in it.
type group struct {
	name  string
	lines []string
	nodes []node
}

// A graph is a picture before it is written in a language.
type graph struct {
	layout string
	groups []group
	shared []node // ACLs and policies, in the order in which they are first used
	edges  []edge
}

// A drawing makes a graph of a layout.
type drawing struct {
	graph
	names map[string]int // how many of each kind
	seen  map[string]string
}

// draw returns the layout as a graph. The same layout gives the same graph.
func draw(l *layout.Layout) graph {
	d := &drawing{graph: graph{layout: l.Name}, names: map[string]int{}, seen: map[string]string{}}
	for i := range l.Ensembles {
		d.ensemble(l, &l.Ensembles[i])
	}
	return d.graph
}

func (d *drawing) name(kind string) string {
	d.names[kind]++
	return fmt.Sprintf("%s%d", kind, d.names[kind])
}

func (d *drawing) ensemble(l *layout.Layout, e *layout.Ensemble) {
	g := group{name: d.name("ensemble"), lines: []string{"ensemble." + e.Name, strings.Join(e.Servers, ", ")}}
	if e.Chroot != "" && e.Chroot != zkfs.Root {
		g.lines = append(g.lines, "chroot "+e.Chroot.String())
	}
	at := map[zkfs.Path]string{} // the names of namespaces
	for i := range l.Namespaces {
		n := &l.Namespaces[i]
		if n.Ensemble != e.Name {
			continue
		}
		box := node{d.name("namespace"), "namespace", []string{string(n.Address), n.Path.String()}}
		if n.Protected {
			box.lines = append(box.lines, "protected")
		}
		g.nodes = append(g.nodes, box)
		d.inside(at, n.Path, box.name)
		at[n.Path] = box.name
		d.acl(box.name, &n.Declared)
	}
	for _, like := range crowds(l, e.Name) {
		first := like[0]
		shown := like
		if len(like) > crowd {
			shown = like[:1]
		}
		for _, k := range shown {
			box := node{d.name("lock"), "lock", []string{string(k.Address), k.Path.String(), kindOfLock(k.Policy)}}
			if len(like) > crowd {
				block, _ := blockOf(k.Address)
				box.lines[0] = fmt.Sprintf("%s[%d instances]", block, len(like))
				box.lines[1] = fmt.Sprintf("%s … %s", first.Path, like[len(like)-1].Path)
			}
			if k.Protected {
				box.lines = append(box.lines, "protected")
			}
			g.nodes = append(g.nodes, box)
			d.inside(at, k.Path, box.name)
			d.acl(box.name, &k.Declared)
			d.policy(box.name, k)
		}
	}
	d.groups = append(d.groups, g)
}

// inside draws the edge from the nearest declared namespace around a path.
func (d *drawing) inside(at map[zkfs.Path]string, p zkfs.Path, to string) {
	for p = p.Parent(); p != zkfs.Root; p = p.Parent() {
		if from, ok := at[p]; ok {
			d.edges = append(d.edges, edge{from, to, "inside"})
			return
		}
	}
}

// acl draws the edge to the box of an ACL, and that box when it is new.
func (d *drawing) acl(from string, of *layout.Declared) {
	lines := []string{cmp.Or(of.ACLName, "acl")}
	for _, e := range of.ACL.Canonical() {
		lines = append(lines, grant(e))
	}
	d.sharedBox(from, "acl", of.ACLName+" "+of.ACL.String(), lines)
}

// policy draws the edge to the box of what a lock's configuration sets, with
// what it overrides; one with nothing but defaults has none.
func (d *drawing) policy(from string, k *layout.Lock) {
	p := k.Policy
	lines := []string{cmp.Or(k.PolicyName, "policy")}
	for _, a := range p.Attributes() {
		switch {
		case !slices.Contains(p.Written, a.Name):
		case a.Name == "contender_acl":
			for _, e := range p.ContenderACL.Canonical() {
				lines = append(lines, "contender_acl "+grant(e))
			}
		default:
			lines = append(lines, a.Name+" = "+strings.Trim(a.Value, `"`))
		}
	}
	if len(lines) > 1 || k.PolicyName != "" {
		d.sharedBox(from, "policy", strings.Join(lines, "\n"), lines)
	}
}

func (d *drawing) sharedBox(from, kind, key string, lines []string) {
	key = kind + " " + key
	to, ok := d.seen[key]
	if !ok {
		to = d.name(kind)
		d.seen[key] = to
		d.shared = append(d.shared, node{to, kind, lines})
	}
	d.edges = append(d.edges, edge{from, to, kind})
}

// grant writes an entry of an ACL without the hash of a password, which says
// nothing to a reader.
func grant(e zkfs.Entry) string {
	id := e.ID
	if e.Scheme == "digest" {
		id, _, _ = strings.Cut(id, ":")
	}
	return e.Scheme + ":" + id + " " + e.Perms.String()
}

// kindOfLock says what holds a lock gives.
func kindOfLock(p *layout.Policy) string {
	s := string(p.Mode)
	if p.Mode == layout.Semaphore {
		s += fmt.Sprintf(" of %d", p.Permits)
	}
	return s + ", recipe " + string(p.Recipe)
}

// crowds returns the locks of an ensemble, those together that are instances of
// one block in one place and alike in everything but their key.
func crowds(l *layout.Layout, ensemble string) [][]*layout.Lock {
	var all [][]*layout.Lock
	index := map[string]int{}
	for i := range l.Locks {
		k := &l.Locks[i]
		if k.Ensemble != ensemble {
			continue
		}
		block, repeated := blockOf(k.Address)
		if !repeated {
			all = append(all, []*layout.Lock{k})
			continue
		}
		key := strings.Join([]string{block, k.Path.Parent().String(), k.ACLName, k.PolicyName, k.Spec()}, "\x00")
		if at, ok := index[key]; ok {
			all[at] = append(all[at], k)
			continue
		}
		index[key] = len(all)
		all = append(all, []*layout.Lock{k})
	}
	return all
}

// blockOf returns an address without its last key, and whether it had one.
func blockOf(a layout.Address) (string, bool) {
	steps := a.Steps()
	if len(steps) == 0 || steps[len(steps)-1].Key == nil {
		return string(a), false
	}
	var b layout.Address
	for i, s := range steps {
		if i == len(steps)-1 {
			s.Key = nil
		}
		b = b.Child(s)
	}
	return string(b), true
}
