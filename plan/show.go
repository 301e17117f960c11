package plan

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Managed is a znode of the live tree that a layout owns, or one that stands
// below a managed namespace and is not its own.
type Managed struct {
	Path    zkfs.Path
	Managed bool          // by the layout of the ledger
	Record  layout.Record // zero when it has none that can be read
	Problem string        // why its record cannot be read; "" for somebody's plain znode
	Stat    zkfs.Stat
}

// A Tree is the managed part of one ensemble.
type Tree struct {
	Ensemble string
	Ledger   Ledger
	Nodes    []Managed
}

// List returns the znodes that the layout of the ledger owns, sorted by path,
// and those below them that it does not own when unmanaged is true. Nothing
// below a lock is looked at.
func List(ctx context.Context, t Target, ledger Ledger, unmanaged bool) ([]Managed, error) {
	if !ledger.Exists() {
		return nil, nil
	}
	var all []Managed
	seen := make(map[zkfs.Path]bool)
	next := slices.Clone(ledger.Roots)
	below, err := childrenOf(ctx, t, ledger.Below)
	if err != nil {
		return nil, err
	}
	roots := len(next) + len(below)
	next = append(next, below...)
	for len(next) > 0 {
		next = slices.DeleteFunc(next, func(p zkfs.Path) bool {
			skip := seen[p] || ledger.Path.Contains(p) || zkfs.Path("/zookeeper").Contains(p)
			seen[p] = true
			return skip
		})
		nodes, err := t.Read(ctx, zkfs.PartData, next)
		if err != nil {
			return nil, err
		}
		var parents []zkfs.Path
		for _, n := range nodes {
			if n.Absent {
				continue
			}
			m := managed(n, ledger.Layout)
			// What stands below a namespace whose record somebody has
			// overwritten is still the layout's.
			lost := m.Record.Layout == "" && (slices.Contains(ledger.Roots, n.Path) || overwritten(n, &ledger))
			if n.Stat.NumChildren > 0 && (m.Managed && m.Record.Kind != layout.KindLock || lost) {
				parents = append(parents, n.Path)
			}
			if m.Managed || unmanaged && roots == 0 {
				all = append(all, m)
			}
		}
		roots = 0
		if next, err = childrenOf(ctx, t, parents); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Managed) int { return comparePaths(a.Path, b.Path) })
	return all, nil
}

// managed reads one znode of a listing.
func managed(n zkfs.Node, name string) Managed {
	m := Managed{Path: n.Path, Stat: n.Stat}
	if n.Denied&zkfs.PartData != 0 {
		m.Problem = "permission to read it was denied"
		return m
	}
	rec, err := layout.ParseRecord(n.Data)
	if err == nil {
		m.Record, m.Managed = rec, rec.Layout == name
	} else if !errors.Is(err, layout.ErrNotManaged) {
		m.Problem = err.Error()
	}
	return m
}

// childrenOf lists the paths of all children.
func childrenOf(ctx context.Context, t Target, parents []zkfs.Path) ([]zkfs.Path, error) {
	if len(parents) == 0 {
		return nil, nil
	}
	nodes, err := t.Read(ctx, zkfs.PartChildren, parents)
	if err != nil {
		return nil, err
	}
	var paths []zkfs.Path
	for _, n := range nodes {
		for _, name := range n.Children {
			paths = append(paths, n.Path.Join(name))
		}
	}
	return paths, nil
}

// WriteManaged shows the managed live tree of one ensemble to people.
func WriteManaged(w io.Writer, ensemble string, ledger Ledger, nodes []Managed, o TextOptions) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s\n", o.paint(bold, fmt.Sprintf("Ensemble %q", ensemble)))
	if !ledger.Exists() {
		fmt.Fprintf(out, "\n  No ledger at %s: nothing was applied here yet.\n\n", ledger.Path)
		return out.Flush()
	}
	fmt.Fprintf(out, "  ledger %s, serial %d", ledger.Path, ledger.Serial)
	if run := ledger.Run; run != nil {
		fmt.Fprintf(out, ", last run by %s at %s", run.By(), run.Started.UTC().Format("2006-01-02 15:04:05 MST"))
		if !run.Done {
			fmt.Fprintf(out, ", %s", o.paint(yellow, fmt.Sprintf("unfinished: batch %d of %d, %d of %d ACL changes", run.Batch, run.Batches, run.Cursor, run.ACLs)))
		}
	}
	fmt.Fprint(out, "\n\n")
	for _, m := range nodes {
		m.writeText(out, o)
	}
	if len(nodes) > 0 {
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func (m *Managed) writeText(w io.Writer, o TextOptions) {
	if !m.Managed {
		whose := "nobody's"
		switch {
		case m.Problem != "":
			whose = m.Problem
		case m.Record.Layout != "":
			whose = fmt.Sprintf("owned by the layout %q", m.Record.Layout)
		}
		fmt.Fprintf(w, "  %s %s: %s\n", o.paint(faint, "?"), m.Path, whose)
		return
	}
	line := "  " + o.paint(bold, named(m.Record.Address, string(m.Record.Kind), m.Path.String()))
	if m.Record.Address != "" {
		line += ": " + string(m.Record.Kind)
	}
	if m.Record.Protected {
		line += ", protected"
	}
	if m.Record.Kind == layout.KindLock && m.Stat.NumChildren > 0 {
		line += fmt.Sprintf(", %s", count(int(m.Stat.NumChildren), "contender", "contenders"))
	}
	fmt.Fprintln(w, line)
	if m.Record.Policy == nil {
		return
	}
	var changes []Change
	for _, a := range m.Record.Policy.Attributes() {
		changes = append(changes, Change{Name: a.Name, After: a.Value})
	}
	writeChanges(w, o, worthShowing(changes))
}

type treeJSON struct {
	FormatVersion string         `json:"format_version"`
	Ensembles     []treePartJSON `json:"ensembles"`
	Resources     []managedJSON  `json:"resources"`
}

type treePartJSON struct {
	Name    string    `json:"name"`
	Ledger  zkfs.Path `json:"ledger"`
	Exists  bool      `json:"exists"`
	Layout  string    `json:"layout,omitempty"`
	Serial  int64     `json:"serial"`
	LastRun *Run      `json:"last_run"`
}

type managedJSON struct {
	Address   layout.Address             `json:"address"`
	Path      zkfs.Path                  `json:"path"`
	Ensemble  string                     `json:"ensemble"`
	Managed   bool                       `json:"managed"`
	Kind      layout.Kind                `json:"kind,omitempty"`
	Owner     string                     `json:"owner,omitempty"`
	Problem   string                     `json:"problem,omitempty"`
	Protected bool                       `json:"protected"`
	Policy    map[string]json.RawMessage `json:"policy,omitempty"`
	Czxid     int64                      `json:"czxid"`
	Version   int32                      `json:"version"`
	Aversion  int32                      `json:"aversion"`
	Children  int32                      `json:"children"`
}

// ManagedJSON returns the managed live tree as the document of "show -json"
// without a plan file: format_version, ensembles[] {name, ledger, exists,
// layout, serial, last_run} and resources[] {address, path, ensemble, managed,
// kind, owner, problem, protected, policy, czxid, version, aversion, children}.
func ManagedJSON(trees []Tree) ([]byte, error) {
	doc := treeJSON{FormatVersion: showFormat, Ensembles: []treePartJSON{}, Resources: []managedJSON{}}
	for _, t := range trees {
		l := &t.Ledger
		doc.Ensembles = append(doc.Ensembles, treePartJSON{t.Ensemble, l.Path, l.Exists(), l.Layout, l.Serial, l.Run})
		for _, m := range t.Nodes {
			j := managedJSON{
				Address: m.Record.Address, Path: m.Path, Ensemble: t.Ensemble, Managed: m.Managed, Kind: m.Record.Kind,
				Owner: m.Record.Layout, Problem: m.Problem, Protected: m.Record.Protected,
				Czxid: m.Stat.Czxid, Version: m.Stat.Version, Aversion: m.Stat.Aversion, Children: m.Stat.NumChildren,
			}
			if m.Record.Policy != nil {
				j.Policy = make(map[string]json.RawMessage)
				for _, a := range m.Record.Policy.Attributes() {
					j.Policy[a.Name] = json.RawMessage(a.Value)
				}
			}
			doc.Resources = append(doc.Resources, j)
		}
	}
	return json.MarshalIndent(doc, "", "  ")
}
