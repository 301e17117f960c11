package zkdev

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs"
)

// A watchMode says when a watch ends and what it covers (WatcherMode). From
// persistentWatch on, they are the modes of addWatch, plus one.
type watchMode uint8

const (
	oneTime watchMode = iota
	persistentWatch
	recursiveWatch
)

// A watchTable holds the watches of one family: those on data (and existence),
// or those on children (WatchManager). A connection has one mode for each
// path; the watch set last decides, as in the server.
type watchTable struct {
	byPath    map[string]map[*conn]watchMode
	recursive int // watches in that mode; ancestors are looked at only if there are any
}

// watches are both families (DataTree.dataWatches, DataTree.childWatches). Each
// connection knows the paths it watches, so that its end finds them.
type watches struct {
	data, child watchTable
	round       uint64 // counts events, so that nobody is told of one twice
}

func newWatches() watches {
	return watches{
		data:  watchTable{byPath: map[string]map[*conn]watchMode{}},
		child: watchTable{byPath: map[string]map[*conn]watchMode{}},
	}
}

func (t *watchTable) add(c *conn, path string, mode watchMode) {
	set := t.byPath[path]
	if set == nil {
		set = map[*conn]watchMode{}
		t.byPath[path] = set
	}
	if set[c] == recursiveWatch {
		t.recursive--
	}
	if mode == recursiveWatch {
		t.recursive++
	}
	set[c] = mode
	if c.watching == nil {
		c.watching = map[*watchTable]map[string]struct{}{}
	}
	if c.watching[t] == nil {
		c.watching[t] = map[string]struct{}{}
	}
	c.watching[t][path] = struct{}{}
}

// remove reports whether there was a watch of c on path.
func (t *watchTable) remove(c *conn, path string) bool {
	mode, ok := t.byPath[path][c]
	if !ok {
		return false
	}
	if mode == recursiveWatch {
		t.recursive--
	}
	delete(c.watching[t], path)
	set := t.byPath[path]
	if delete(set, c); len(set) == 0 {
		delete(t.byPath, path)
	}
	return true
}

func (t *watchTable) removeAll(c *conn) {
	for path := range c.watching[t] {
		t.remove(c, path)
	}
}

// contains mirrors WatchManager.containsWatcher of 3.8, which says yes when
// anybody watches the very path, and fails where its PathParentIterator cannot
// take a last element off: at once, or, while there are recursive watches, on
// the way up.
func (t *watchTable) contains(path string) Code {
	switch {
	case path == "":
		return NoWatcher
	case !strings.Contains(path, "/"):
		return MarshallingError
	case len(t.byPath[path]) > 0:
		return OK
	case t.recursive > 0 && path[0] != '/':
		return MarshallingError
	}
	return NoWatcher
}

// trigger sends one event to every connection that a watch on path, or a
// recursive one above it, entitles to it, but only once in a round. It ends
// one-time watches. A session that may not read the znode learns nothing, and
// its one-time watch is used up all the same (CVE-2024-23944, in Debian's 3.8
// and from 3.8.4 on).
func (t *watchTable) trigger(path string, ev eventType, acl zkfs.ACL, round uint64) {
	tell := func(c *conn) {
		if c.told != round && allowed(acl, zkfs.Read, c.ids) {
			c.event(ev, path)
		}
		c.told = round
	}
	for c, mode := range t.byPath[path] {
		switch {
		case mode == recursiveWatch && ev == nodeChildrenChanged:
			// A recursive watch sees the children themselves come and go.
			continue
		case mode == oneTime:
			t.remove(c, path)
		}
		tell(c)
	}
	if t.recursive == 0 || ev == nodeChildrenChanged {
		return
	}
	for above := path; above != "/"; {
		above = above[:max(strings.LastIndexByte(above, '/'), 1)]
		for c, mode := range t.byPath[above] {
			if mode == recursiveWatch {
				tell(c)
			}
		}
	}
}

func (w *watches) created(n *node, path string) {
	w.round++
	w.data.trigger(path, nodeCreated, n.acl, w.round)
	w.round++
	w.child.trigger(parentPath(path), nodeChildrenChanged, n.parent.acl, w.round)
}

// deleted tells whoever watches data and children of the same znode only once
// (DataTree.deleteNode).
func (w *watches) deleted(n *node, path string) {
	w.round++
	w.data.trigger(path, nodeDeleted, n.acl, w.round)
	w.child.trigger(path, nodeDeleted, n.acl, w.round)
	w.round++
	w.child.trigger(parentPath(path), nodeChildrenChanged, n.parent.acl, w.round)
}

func (w *watches) changed(n *node, path string) {
	w.round++
	w.data.trigger(path, nodeDataChanged, n.acl, w.round)
}

func (w *watches) drop(c *conn) {
	w.data.removeAll(c)
	w.child.removeAll(c)
}

// summary is what wchs prints of the data watches
// (DataTree.dumpWatchesSummary).
func (w *watches) summary() string {
	conns := map[*conn]struct{}{}
	total := 0
	for _, set := range w.data.byPath {
		total += len(set)
		for c := range set {
			conns[c] = struct{}{}
		}
	}
	return fmt.Sprintf("%d connections watching %d paths\nTotal watches:%d", len(conns), len(w.data.byPath), total)
}

// byPath is what wchp prints of the data watches, bySession what wchc does
// (WatchManager.dumpWatches). The server's order is that of its hash tables.
func (w *watches) byPath() string {
	lists := map[string][]string{}
	for path, set := range w.data.byPath {
		for c := range set {
			lists[path] = append(lists[path], sessionID(c.session.id))
		}
	}
	return dump(lists)
}

func (w *watches) bySession() string {
	lists := map[string][]string{}
	for path, set := range w.data.byPath {
		for c := range set {
			id := sessionID(c.session.id)
			lists[id] = append(lists[id], path)
		}
	}
	return dump(lists)
}

func dump(lists map[string][]string) string {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(lists)) {
		fmt.Fprintln(&b, key)
		slices.Sort(lists[key])
		for _, item := range lists[key] {
			fmt.Fprintf(&b, "\t%s\n", item)
		}
	}
	return b.String() + "\n"
}

func (w *watches) count() int {
	total := 0
	for _, t := range []*watchTable{&w.data, &w.child} {
		for _, set := range t.byPath {
			total += len(set)
		}
	}
	return total
}

// setWatches puts a client's watches back after a new connection, or fires
// those whose znode changed after the last transaction that the client saw.
func (s *Server) setWatches(c *conn, since int64, data, exist, child, persist, recursive []string) {
	for _, path := range data {
		switch n := s.tree.find(path); {
		case n == nil:
			c.event(nodeDeleted, path)
		case n.mzxid > since:
			c.event(nodeDataChanged, path)
		default:
			s.watches.data.add(c, path, oneTime)
		}
	}
	for _, path := range exist {
		if s.tree.find(path) != nil {
			c.event(nodeCreated, path)
		} else {
			s.watches.data.add(c, path, oneTime)
		}
	}
	for _, path := range child {
		switch n := s.tree.find(path); {
		case n == nil:
			c.event(nodeDeleted, path)
		case n.pzxid > since:
			c.event(nodeChildrenChanged, path)
		default:
			s.watches.child.add(c, path, oneTime)
		}
	}
	for _, path := range persist {
		s.addWatch(c, path, persistentWatch)
	}
	for _, path := range recursive {
		s.addWatch(c, path, recursiveWatch)
	}
}

// addWatch sets a persistent watch. In 3.8 it goes into both families whatever
// its mode (DataTree.addWatch).
func (s *Server) addWatch(c *conn, path string, mode watchMode) {
	s.watches.data.add(c, path, mode)
	s.watches.child.add(c, path, mode)
}
