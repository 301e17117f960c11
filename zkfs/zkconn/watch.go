package zkconn

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// EventType says what a watch saw.
type EventType uint8

// The types of events, the first four with the server's numbers.
const (
	Created         EventType = 1
	Deleted         EventType = 2
	Changed         EventType = 3 // the data was set
	ChildrenChanged EventType = 4 // a child was created or deleted
	// Look means that the watch could not be kept across a reconnection, so
	// that something may have happened: look.
	Look EventType = 5
)

// String returns the name of the type.
func (t EventType) String() string {
	switch t {
	case Created:
		return "created"
	case Deleted:
		return "deleted"
	case Changed:
		return "changed"
	case ChildrenChanged:
		return "children changed"
	case Look:
		return "look"
	}
	return fmt.Sprintf("event(%d)", uint8(t))
}

// An Event is what happened to a watched znode.
type Event struct {
	Type  EventType
	Path  zkfs.Path
	Epoch uint64 // of the connection that brought it
}

// A Watch tells one change of a znode.
type Watch struct {
	// C delivers one Event and is then closed. It is closed without one when the
	// session is over. A receiver is not needed: nothing blocks on it.
	C <-chan Event
	// Epoch is that of the connection on which the watch was set. An event of a
	// later epoch compares the znode with what it was: it may be another that
	// was made anew under the same name.
	Epoch uint64

	c     chan Event
	table *watchTable
	key   watchKey
}

// Stop gives the watch up. C delivers nothing more; it is not closed.
func (w *Watch) Stop() { w.table.remove(w) }

// Share returns another Watch that fires with this one, without asking the
// server, which keeps one for all that wait for the same. False means that this
// one has fired already, was stopped, or the session is over.
func (w *Watch) Share() (*Watch, bool) {
	w.table.mu.Lock()
	defer w.table.mu.Unlock()
	if !slices.Contains(w.table.waiting[w.key], w) {
		return nil, false
	}
	return w.table.enter(w.key, w.Epoch), true
}

// GetW is Get, with a watch for a change of the data or a deletion.
func (s *Session) GetW(ctx context.Context, path zkfs.Path) ([]byte, zkfs.Stat, *Watch, error) {
	p := Peek{Path: path, Part: zkfs.PartData, Watch: true}
	if err := s.Peek(ctx, &p); err != nil {
		return nil, zkfs.Stat{}, nil, err
	}
	return p.Node.Data, p.Node.Stat, p.W, p.Err
}

// ExistsW is Exists, with a watch for a change of the data or a deletion; for
// the creation when there is no znode.
func (s *Session) ExistsW(ctx context.Context, path zkfs.Path) (zkfs.Stat, bool, *Watch, error) {
	var st zkfs.Stat
	w, err := s.watch(ctx, "exists", opExists, path, func(r *jute.Reader) { st = readStat(r) })
	return st, w != nil && w.key.kind == watchData, w, err
}

// ChildrenW is Children, with a watch for children that come or go, or the
// deletion of the znode itself.
func (s *Session) ChildrenW(ctx context.Context, path zkfs.Path) ([]string, zkfs.Stat, *Watch, error) {
	var names []string
	var st zkfs.Stat
	w, err := s.watch(ctx, "getChildren", opChildren, path, func(r *jute.Reader) { names, st = r.Strings(), readStat(r) })
	return names, st, w, err
}

// watch makes a read that leaves a watch behind.
func (s *Session) watch(ctx context.Context, name string, op int32, path zkfs.Path, decode func(*jute.Reader)) (*Watch, error) {
	full, err := s.serverPath(path)
	if err != nil {
		return nil, opFailed(name, path, err)
	}
	var set *Watch
	r := s.watchRequest(op, full, &set)
	if err := s.call(ctx, r); err != nil {
		return nil, opFailed(name, path, err)
	}
	if set != nil && set.key.kind == watchCreation {
		return set, nil
	}
	if err := r.reply.decode(decode); err != nil {
		if set != nil {
			set.Stop()
		}
		return nil, opFailed(name, path, err)
	}
	return set, nil
}

// watchRequest makes the request of a read that leaves a watch behind, in set.
// It is entered on the reading goroutine, so that no event can come between the
// answer and it.
func (s *Session) watchRequest(op int32, full string, set **Watch) *request {
	r := newRequest(op, func(w *jute.Writer) {
		w.String(full)
		w.Bool(true)
	})
	r.onReply = func(w *wire, a *reply) {
		key := watchKey{watchData, full}
		switch {
		case a.code == codeOK && op == opChildren:
			key.kind = watchChildren
		case a.code == codeOK:
		case a.code == codeNoNode && op == opExists:
			key.kind = watchCreation
		default:
			return
		}
		if *set != nil { // answered before, on a connection that broke over another answer
			(*set).Stop()
		}
		*set = s.watches.add(key, w.epoch)
	}
	return r
}

// The kinds of watches that a server keeps apart.
type watchKind uint8

const (
	watchData watchKind = iota
	watchCreation
	watchChildren
)

type watchKey struct {
	kind watchKind
	path string // the server's
}

// A watchTable knows who waits for which event. The server keeps one watch for
// each path and kind, however many wait here. It can keep one for which nobody
// waits any more: there is no request by which every server forgets it.
type watchTable struct {
	chroot zkfs.Path

	mu      sync.Mutex
	waiting map[watchKey][]*Watch
	closed  bool
}

func (t *watchTable) add(key watchKey, epoch uint64) *Watch {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.enter(key, epoch)
}

// enter is add with t.mu held.
func (t *watchTable) enter(key watchKey, epoch uint64) *Watch {
	c := make(chan Event, 1)
	w := &Watch{C: c, Epoch: epoch, c: c, table: t, key: key}
	if t.closed {
		close(c)
		return w
	}
	if t.waiting == nil {
		t.waiting = make(map[watchKey][]*Watch)
	}
	t.waiting[key] = append(t.waiting[key], w)
	return w
}

func (t *watchTable) remove(w *Watch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.waiting[w.key]
	if i := slices.Index(all, w); i >= 0 {
		all = slices.Delete(all, i, i+1)
	}
	if len(all) == 0 {
		delete(t.waiting, w.key)
	} else {
		t.waiting[w.key] = all
	}
}

// event takes a watcher event off the wire (org.apache.zookeeper.proto.WatcherEvent).
func (t *watchTable) event(epoch uint64, body []byte) {
	r := jute.NewReader(body)
	kind := r.Int32()
	r.Int32() // the session's state, as the server sees it
	path := r.String()
	if r.Err() != nil || kind < int32(Created) || kind > int32(ChildrenChanged) {
		return
	}
	var keys []watchKey
	switch EventType(kind) {
	case Created:
		keys = []watchKey{{watchCreation, path}}
	case Changed:
		keys = []watchKey{{watchData, path}, {watchCreation, path}}
	case Deleted:
		keys = []watchKey{{watchData, path}, {watchCreation, path}, {watchChildren, path}}
	case ChildrenChanged:
		keys = []watchKey{{watchChildren, path}}
	}
	t.fire(EventType(kind), epoch, keys)
}

// fire wakes everyone who waits for one of keys.
func (t *watchTable) fire(kind EventType, epoch uint64, keys []watchKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range keys {
		path, _ := zkfs.Path(key.path).Trim(t.chroot)
		for _, w := range t.waiting[key] {
			w.c <- Event{kind, path, epoch}
			close(w.c)
		}
		delete(t.waiting, key)
	}
}

// restoreSize bounds the packets in which watches are set again, as in the
// Java client: a server may take less than its default.
const restoreSize = 128 << 10

// restore makes the requests that set all watches on a new connection. The
// server compares each znode with zxid, the last that the session has seen,
// and sends the events that were missed. Where it refuses, the waiters are told
// to look for themselves.
func (t *watchTable) restore(zxid int64) []*request {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*request
	var keys []watchKey
	size := 0
	flush := func() {
		if len(keys) == 0 {
			return
		}
		part := keys
		r := newRequest(opSetWatch, func(w *jute.Writer) {
			var paths [watchChildren + 1][]string
			for _, k := range part {
				paths[k.kind] = append(paths[k.kind], k.path)
			}
			writeSetWatches(w, zxid, paths[watchData], paths[watchCreation], paths[watchChildren])
		})
		r.onReply = func(w *wire, a *reply) {
			if a.code != codeOK {
				t.fire(Look, w.epoch, part)
			}
		}
		all, keys, size = append(all, r), nil, 0
	}
	for _, key := range t.keys() {
		if size += 4 + len(key.path); size > restoreSize {
			flush()
			size = 4 + len(key.path)
		}
		keys = append(keys, key)
	}
	flush()
	return all
}

// writeSetWatches writes the record of opSetWatch. The server reports at once
// which of the znodes have changed after zxid, and watches the others.
func writeSetWatches(w *jute.Writer, zxid int64, data, creation, children []string) {
	w.Int64(zxid)
	w.Strings(data)
	w.Strings(creation)
	w.Strings(children)
}

// keys returns what is waited for, sorted: what happens to all at once happens
// in one order each time. t.mu is held.
func (t *watchTable) keys() []watchKey {
	return slices.SortedFunc(maps.Keys(t.waiting), func(a, b watchKey) int {
		return cmp.Or(strings.Compare(a.path, b.path), cmp.Compare(a.kind, b.kind))
	})
}

// close ends all watches without an event.
func (t *watchTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, key := range t.keys() {
		for _, w := range t.waiting[key] {
			close(w.c)
		}
	}
	t.waiting = nil
}
