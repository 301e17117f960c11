package zkconn_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// next returns the event of a watch.
func next(t *testing.T, w *zkconn.Watch) zkconn.Event {
	t.Helper()
	select {
	case ev, ok := <-w.C:
		if !ok {
			t.Fatal("the watch was closed without an event")
		}
		if _, ok := <-w.C; ok {
			t.Fatal("a second event")
		}
		return ev
	case <-time.After(10 * time.Second):
		t.Fatal("no event within 10s")
	}
	return zkconn.Event{}
}

func silent(t *testing.T, w *zkconn.Watch) {
	t.Helper()
	select {
	case ev, ok := <-w.C:
		t.Errorf("event %+v (%v)", ev, ok)
	default:
	}
}

func TestWatches(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s, other := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
		mkdir(t, other, "/a", "/a/b")

		_, _, data, err := s.GetW(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		_, ok, exists, err := s.ExistsW(ctx, "/a")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		names, _, children, err := s.ChildrenW(ctx, "/a")
		if len(names) != 1 || err != nil {
			t.Fatal(names, err)
		}
		_, ok, created, err := s.ExistsW(ctx, "/new")
		if ok || err != nil {
			t.Fatal(ok, err)
		}
		if _, _, w, err := s.GetW(ctx, "/new"); err == nil || w != nil {
			t.Fatal("a watch on a failed read")
		}

		must(other.Set(ctx, "/a", []byte("x"), zkfs.AnyVersion))(t)
		for name, w := range map[string]*zkconn.Watch{"GetW": data, "ExistsW": exists} {
			if ev := next(t, w); ev != (zkconn.Event{Type: zkconn.Changed, Path: "/a", Epoch: 1}) {
				t.Errorf("%s: %+v", name, ev)
			}
		}
		silent(t, children)
		mkdir(t, other, "/a/c")
		if ev := next(t, children); ev.Type != zkconn.ChildrenChanged || ev.Path != "/a" {
			t.Errorf("ChildrenW: %+v", ev)
		}
		mkdir(t, other, "/new")
		if ev := next(t, created); ev.Type != zkconn.Created || ev.Path != "/new" {
			t.Errorf("ExistsW of none: %+v", ev)
		}

		// Many wait on one path; those that stopped hear nothing.
		var all []*zkconn.Watch
		for range 100 {
			_, _, w, err := s.GetW(ctx, "/new")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, w)
		}
		_, _, below, err := s.ChildrenW(ctx, "/new")
		if err != nil {
			t.Fatal(err)
		}
		all[0].Stop()
		all[0].Stop()
		if err := other.Delete(ctx, "/new", zkfs.AnyVersion); err != nil {
			t.Fatal(err)
		}
		for _, w := range append(all[1:], below) {
			if ev := next(t, w); ev.Type != zkconn.Deleted {
				t.Errorf("%+v", ev)
			}
		}
		silent(t, all[0])
	})
}

// What changes while the session is disconnected is told after it, and what
// did not change goes on being watched.
func TestWatchesSurviveAnOutage(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		other := open(t, zkconn.Config{Servers: e.Servers})
		p, s := behind(t, e, zkconn.Config{})
		mkdir(t, other, "/set", "/deleted", "/parent", "/renewed", "/same", "/same/child")
		get := func(path zkfs.Path) *zkconn.Watch {
			_, _, w, err := s.GetW(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		set, deleted, renewed, same := get("/set"), get("/deleted"), get("/renewed"), get("/same")
		_, _, parent, err := s.ChildrenW(ctx, "/parent")
		if err != nil {
			t.Fatal(err)
		}
		_, _, sameChildren, err := s.ChildrenW(ctx, "/same")
		if err != nil {
			t.Fatal(err)
		}
		_, _, created, err := s.ExistsW(ctx, "/created")
		if err != nil {
			t.Fatal(err)
		}
		_, _, never, err := s.ExistsW(ctx, "/never")
		if err != nil {
			t.Fatal(err)
		}

		p.refuse(true)
		p.cut()
		must(other.Set(ctx, "/set", []byte("x"), zkfs.AnyVersion))(t)
		for _, path := range []zkfs.Path{"/deleted", "/renewed"} {
			if err := other.Delete(ctx, path, zkfs.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
		mkdir(t, other, "/parent/c", "/created", "/renewed")
		p.refuse(false)

		for name, c := range map[string]struct {
			w    *zkconn.Watch
			want zkconn.EventType
		}{
			"Set": {set, zkconn.Changed}, "Deleted": {deleted, zkconn.Deleted}, "Renewed": {renewed, zkconn.Changed},
			"Parent": {parent, zkconn.ChildrenChanged}, "Created": {created, zkconn.Created},
		} {
			ev := next(t, c.w)
			if ev.Type != c.want || ev.Epoch == c.w.Epoch {
				t.Errorf("%s: %+v for a watch of connection %d, want %v", name, ev, c.w.Epoch, c.want)
			}
		}
		if err := s.Sync(ctx, zkfs.Root); err != nil {
			t.Fatal(err)
		}
		for _, w := range []*zkconn.Watch{same, sameChildren, never} {
			silent(t, w)
		}
		must(other.Set(ctx, "/same", nil, zkfs.AnyVersion))(t)
		mkdir(t, other, "/same/c", "/never")
		for _, w := range []*zkconn.Watch{same, sameChildren, never} {
			next(t, w)
		}
	})
}

// So many watches that they do not fit in one packet.
func TestThousandsOfWatchesSurviveAnOutage(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		other := open(t, zkconn.Config{Servers: e.Servers})
		p, s := behind(t, e, zkconn.Config{})
		mkdir(t, other, "/w")
		const n = 1500
		long := strings.Repeat("x", 200)
		var ops []zkfs.Op
		watches := make([]*zkconn.Watch, n)
		for i := range n {
			path := zkfs.Path(fmt.Sprintf("/w/%s%d", long, i))
			ops = append(ops, zkfs.Op{Kind: zkfs.OpCreate, Path: path, ACL: zkfs.Open()})
			_, _, w, err := s.ExistsW(ctx, path)
			if err != nil {
				t.Fatal(err)
			}
			watches[i] = w
		}
		p.refuse(true)
		p.cut()
		must(other.Multi(ctx, ops))(t)
		p.refuse(false)
		for _, w := range watches {
			if ev := next(t, w); ev.Type != zkconn.Created || ev.Epoch != 2 {
				t.Fatalf("%+v", ev)
			}
		}
	})
}
