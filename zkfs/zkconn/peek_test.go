package zkconn_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestPeek(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s, other := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
		mkdir(t, other, "/a", "/b")
		if _, err := other.Set(ctx, "/b", []byte("text"), 0); err != nil {
			t.Fatal(err)
		}
		stat := zkconn.Peek{Path: "/a", Watch: true}
		data := zkconn.Peek{Path: "/b", Part: zkfs.PartData, Watch: true}
		acl := zkconn.Peek{Path: "/b", Part: zkfs.PartACL}
		none := zkconn.Peek{Path: "/none", Watch: true}
		if err := s.Peek(ctx, &stat, &data, &acl, &none); err != nil {
			t.Fatal(err)
		}
		if stat.Err != nil || stat.Node.Stat.Czxid == 0 || stat.Node.Path != "/a" {
			t.Errorf("got %+v", stat)
		}
		if data.Err != nil || string(data.Node.Data) != "text" || data.Node.Stat.Version != 1 {
			t.Errorf("got %+v", data)
		}
		if acl.Err != nil || len(acl.Node.ACL) != 1 || acl.Node.Stat.Czxid != data.Node.Stat.Czxid || acl.W != nil {
			t.Errorf("got %+v", acl)
		}
		if !errors.Is(none.Err, zkfs.ErrNoNode) || none.W != nil {
			t.Errorf("got %+v, want ErrNoNode and no watch", none)
		}
		silent(t, stat.W)
		if err := other.Delete(ctx, "/a", -1); err != nil {
			t.Fatal(err)
		}
		if ev := next(t, stat.W); ev.Type != zkconn.Deleted || ev.Path != "/a" {
			t.Errorf("got %+v", ev)
		}
		silent(t, data.W)
		if err := s.Peek(ctx, &zkconn.Peek{Path: "relative"}); !errors.Is(err, zkfs.ErrBadArguments) {
			t.Errorf("got %v, want ErrBadArguments", err)
		}
	})
}

// A shared watch fires with the one that was set, and ends by itself.
func TestASharedWatch(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})
		mkdir(t, s, "/a")
		_, _, w, err := s.GetW(ctx, "/a")
		if err != nil {
			t.Fatal(err)
		}
		one, ok := w.Share()
		two, too := w.Share()
		if !ok || !too || one.Epoch != w.Epoch {
			t.Fatal("a watch that stands cannot be shared")
		}
		two.Stop()
		w.Stop() // the others do not depend on it
		if _, ok := w.Share(); ok {
			t.Error("one that was stopped is shared")
		}
		if _, err := s.Set(ctx, "/a", nil, -1); err != nil {
			t.Fatal(err)
		}
		if ev := next(t, one); ev.Type != zkconn.Changed {
			t.Errorf("got %+v", ev)
		}
		silent(t, two)
		if _, ok := one.Share(); ok {
			t.Error("one that has fired is shared")
		}
	})
}

func TestReadW(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s, other := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
		var paths []zkfs.Path
		for i := range 30 {
			paths = append(paths, zkfs.Path(fmt.Sprintf("/n%d", i)))
			must(other.Create(ctx, paths[i], []byte(paths[i]), zkfs.Open(), zkfs.Persistent))(t)
		}
		must(other.Create(ctx, "/secret", nil, zkfs.ACL{{Perms: zkfs.Create, Identity: zkfs.Anyone}}, zkfs.Persistent))(t)
		if err := s.Sync(ctx, "/"); err != nil { // what it has seen, it is not told of
			t.Fatal(err)
		}
		nodes, watches, err := s.ReadW(ctx, append(paths, "/none", "/secret"))
		if err != nil {
			t.Fatal(err)
		}
		for i, path := range paths {
			if string(nodes[i].Data) != string(path) || nodes[i].Stat.Czxid == 0 || watches[i] == nil {
				t.Fatalf("got %+v, watch %v", nodes[i], watches[i])
			}
			silent(t, watches[i])
		}
		if !nodes[30].Absent || nodes[31].Denied == 0 || watches[30] != nil || watches[31] != nil {
			t.Errorf("got %+v and %+v", nodes[30:], watches[30:])
		}
		must(other.Set(ctx, paths[7], nil, -1))(t)
		if err := other.Delete(ctx, paths[8], -1); err != nil {
			t.Fatal(err)
		}
		if ev := next(t, watches[7]); ev.Type != zkconn.Changed || ev.Path != paths[7] {
			t.Errorf("got %+v", ev)
		}
		if ev := next(t, watches[8]); ev.Type != zkconn.Deleted {
			t.Errorf("got %+v", ev)
		}
		silent(t, watches[9])
	})
}

// What changed after the last answer that the session has seen is told, though
// the data that come with it are newer.
func TestReadWTellsOfWhatIsNew(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s, other := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
		if _, _, err := s.ReadW(ctx, []zkfs.Path{"/", "/"}); err != nil { // knows multiRead from here on
			t.Fatal(err)
		}
		mkdir(t, other, "/a", "/b")
		_, watches, err := s.ReadW(ctx, []zkfs.Path{"/a", "/b"})
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range watches {
			next(t, w)
		}
	})
}

func TestReadWWithoutMultiRead(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	s := open(t, zkconn.Config{Servers: e.Servers})
	e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpMultiRead, Action: zkdev.Fail, Code: zkdev.Unimplemented})
	if _, _, err := s.ReadW(within(t, 10*time.Second), []zkfs.Path{"/", "/"}); !errors.Is(err, zkfs.ErrUnimplemented) {
		t.Errorf("got %v, want ErrUnimplemented", err)
	}
}

// A connection that breaks over it leaves no watch behind.
func TestReadWCutOff(t *testing.T) {
	for name, action := range map[string]zkdev.Action{"Before": zkdev.CloseBefore, "After": zkdev.CloseAfter} {
		t.Run(name, func(t *testing.T) {
			e := zktest.New(t, zktest.Embedded)
			s := open(t, zkconn.Config{Servers: e.Servers})
			ctx := within(t, 10*time.Second)
			mkdir(t, s, "/a", "/b")
			must(s.Read(ctx, zkfs.PartData, []zkfs.Path{"/a", "/b"}))(t)
			e.Dev.Inject(zkdev.Fault{Kind: zkdev.OpMultiRead, Action: action})
			if _, _, err := s.ReadW(ctx, []zkfs.Path{"/a", "/b"}); !errors.Is(err, zkfs.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if _, watches, err := s.ReadW(ctx, []zkfs.Path{"/a", "/b"}); err != nil || watches[0] == nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
