package zkconn_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// within is the context of a test that must not hang.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// open opens a session for the test and closes it at its end.
func open(t *testing.T, cfg zkconn.Config) *zkconn.Session {
	t.Helper()
	if cfg.TickTime == 0 {
		cfg.TickTime = zktest.Tick
	}
	s, err := zkconn.Open(within(t, 20*time.Second), cfg)
	if err != nil {
		t.Fatalf("Open(%s): %v", cfg.Servers, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func mkdir(t *testing.T, s *zkconn.Session, paths ...zkfs.Path) {
	t.Helper()
	for _, p := range paths {
		must(s.Create(within(t, 10*time.Second), p, nil, zkfs.Open(), zkfs.Persistent))(t)
	}
}

func TestRequests(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})

		made := must(s.Create(ctx, "/a", []byte("one"), zkfs.Open(), zkfs.Persistent))(t)
		if made.Path != "/a" {
			t.Errorf("created %q, want /a", made.Path)
		}
		data, st, err := s.Get(ctx, "/a")
		if err != nil || string(data) != "one" {
			t.Errorf("Get: %q, %v", data, err)
		}
		if st.Czxid != made.Zxid {
			t.Errorf("Result.Zxid %#x, want the czxid %#x", made.Zxid, st.Czxid)
		}
		if d := time.Since(st.Ctime); d < -time.Minute || d > time.Minute {
			t.Errorf("ctime %v is not now", st.Ctime)
		}
		if st.DataLength != 3 || st.EphemeralOwner != 0 {
			t.Errorf("stat %+v", st)
		}
		set := must(s.Set(ctx, "/a", []byte("two"), 0))(t)
		if set.Version != 1 {
			t.Errorf("version %d after a set, want 1", set.Version)
		}

		eph := must(s.Create(ctx, "/a/e-", nil, zkfs.Open(), zkfs.EphemeralSequential))(t)
		if eph.Path != "/a/e-0000000000" {
			t.Errorf("ephemeral %q", eph.Path)
		}
		est, ok, err := s.Exists(ctx, eph.Path)
		if err != nil || !ok || est.EphemeralOwner != s.ID() || est.Czxid != eph.Zxid {
			t.Errorf("Exists: %+v, %v, %v; session %#x, zxid %#x", est, ok, err, s.ID(), eph.Zxid)
		}
		names, _, err := s.Children(ctx, "/a")
		if err != nil || !slices.Equal(names, []string{"e-0000000000"}) {
			t.Errorf("Children: %q, %v", names, err)
		}
		if names, _, err := s.Children(ctx, zkfs.Root); err != nil || !slices.Equal(names, []string{"a"}) {
			t.Errorf("Children of the chroot: %q, %v", names, err)
		}

		result, names, err := s.CreateList(ctx, "/a/e-", nil, zkfs.Open(), zkfs.EphemeralSequential)
		if err != nil || !slices.Contains(names, result.Path.Base()) || len(names) != 2 {
			t.Errorf("CreateList: %+v, %q, %v", result, names, err)
		}

		want := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Anyone}, {Perms: zkfs.Read, Identity: zkfs.Digest("u", "p")}}
		must(s.SetACL(ctx, "/a", want, 0))(t)
		acl, ast, err := s.GetACL(ctx, "/a")
		if err != nil || !acl.Equal(want) || ast.Aversion != 1 {
			t.Errorf("GetACL: %v, aversion %d, %v; want %v", acl, ast.Aversion, err, want)
		}
		if err := s.Sync(ctx, zkfs.Root); err != nil {
			t.Errorf("Sync: %v", err)
		}
		if err := s.Delete(ctx, eph.Path, zkfs.AnyVersion); err != nil {
			t.Errorf("Delete: %v", err)
		}
		if _, ok, err := s.Exists(ctx, eph.Path); ok || err != nil {
			t.Errorf("exists after its deletion: %v, %v", ok, err)
		}
	})
}

func TestErrorsAreTyped(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})
		closed := zkfs.ACL{{Perms: zkfs.Admin, Identity: zkfs.Anyone}}
		mkdir(t, s, "/a", "/a/b")
		must(s.Create(ctx, "/secret", []byte("x"), closed, zkfs.Persistent))(t)
		must(s.Create(ctx, "/eph", nil, zkfs.Open(), zkfs.Ephemeral))(t)

		tests := []struct {
			name string
			do   func() error
			want error
			text string
		}{
			{"NoNode", func() error { _, _, err := s.Get(ctx, "/none"); return err }, zkfs.ErrNoNode, "getData /none: "},
			{"NodeExists", func() error { _, err := s.Create(ctx, "/a", nil, zkfs.Open(), 0); return err }, zkfs.ErrNodeExists, "create /a: "},
			{"NotEmpty", func() error { return s.Delete(ctx, "/a", -1) }, zkfs.ErrNotEmpty, "delete /a: "},
			{"BadVersion", func() error { _, err := s.Set(ctx, "/a", nil, 7); return err }, zkfs.ErrBadVersion, "setData /a: "},
			{"NoAuth", func() error { _, _, err := s.Get(ctx, "/secret"); return err }, zkfs.ErrNoAuth, "getData /secret: "},
			{"EphemeralChildren", func() error { _, err := s.Create(ctx, "/eph/x", nil, zkfs.Open(), 0); return err }, zkfs.ErrEphemeralChildren, "create /eph/x: "},
			{"InvalidACL", func() error { _, err := s.Create(ctx, "/n", nil, nil, 0); return err }, zkfs.ErrInvalidACL, "create /n: "},
			{"RelativePath", func() error { return s.Delete(ctx, "a", -1) }, zkfs.ErrBadArguments, `delete a: `},
			{"TooLarge", func() error {
				_, err := s.Create(ctx, "/big", make([]byte, 1<<20), zkfs.Open(), 0)
				return err
			}, zkfs.ErrTooLarge, "1048575 is the most"},
			{"MultiTooLarge", func() error {
				_, err := s.Multi(ctx, []zkfs.Op{{Kind: zkfs.OpSet, Path: "/a", Data: make([]byte, 1<<20)}})
				return err
			}, zkfs.ErrTooLarge, "multi /a: "},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				err := tt.do()
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("got %v, want %v with %q", err, tt.want, tt.text)
				}
			})
		}
		t.Run("LargestThatFits", func(t *testing.T) {
			// The frame's other fields: header 8, path 4+len, data 4, ACL 4+4+(4+5)+(4+6), flags 4.
			overhead := 8 + 4 + len(e.Chroot.Join("big")) + 4 + 27 + 4
			must(s.Create(ctx, "/big", make([]byte, 0xfffff-overhead), zkfs.Open(), 0))(t)
		})
		if s.Epoch() != 1 {
			t.Errorf("the connection broke %d times", s.Epoch()-1)
		}
	})
}

func TestMulti(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})
		mkdir(t, s, "/a")
		results := must(s.Multi(ctx, []zkfs.Op{
			{Kind: zkfs.OpCheck, Path: "/a", Version: 0},
			{Kind: zkfs.OpCreate, Path: "/a/n-", ACL: zkfs.Open(), Mode: zkfs.PersistentSequential, Data: []byte("d")},
			{Kind: zkfs.OpSet, Path: "/a", Data: []byte("x"), Version: 0},
			{Kind: zkfs.OpDelete, Path: "/a/n-0000000000", Version: zkfs.AnyVersion},
			{Kind: zkfs.OpCreate, Path: "/a/n-", ACL: zkfs.Open(), Mode: zkfs.PersistentSequential},
		}))(t)
		if got := results[4].Path; got != "/a/n-0000000001" {
			t.Errorf("second sequential node %q", got)
		}
		if got := results[2].Stat.Version; got != 1 {
			t.Errorf("version %d in the result of the set, want 1", got)
		}
		if _, st, err := s.Get(ctx, "/a/n-0000000001"); err != nil || st.Czxid != results[4].Zxid {
			t.Errorf("czxid %#x, want %#x (%v)", st.Czxid, results[4].Zxid, err)
		}

		refused := []zkfs.Op{
			{Kind: zkfs.OpCreate, Path: "/b", ACL: zkfs.Open()},
			{Kind: zkfs.OpCheck, Path: "/a", Version: 9},
			{Kind: zkfs.OpDelete, Path: "/none"},
		}
		_, err := s.Multi(ctx, refused)
		var me *zkfs.MultiError
		if !errors.As(err, &me) || me.Index != 1 || me.Op.Path != "/a" || !errors.Is(err, zkfs.ErrBadVersion) {
			t.Errorf("got %#v, want operation 2 refused for its version", err)
		}
		if _, ok, _ := s.Exists(ctx, "/b"); ok {
			t.Error("a refused multi left a node")
		}
		if r, err := s.Multi(ctx, nil); r != nil || err != nil {
			t.Errorf("no operations: %v, %v", r, err)
		}
	})
}

func TestRead(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})
		var ops []zkfs.Op
		var paths []zkfs.Path
		for i := range 350 {
			p := zkfs.Root.Join(fmt.Sprintf("n%d", i))
			paths = append(paths, p)
			if i%7 != 3 {
				ops = append(ops, zkfs.Op{Kind: zkfs.OpCreate, Path: p, Data: []byte(p), ACL: zkfs.Open()})
			}
		}
		must(s.Multi(ctx, ops))(t)
		nobody := zkfs.ACL{{Perms: zkfs.Create, Identity: zkfs.Anyone}}
		must(s.Create(ctx, "/n1/hidden", []byte("x"), nobody, zkfs.Persistent))(t)
		paths = append(paths, "/n1/hidden")
		all := zkfs.PartData | zkfs.PartACL | zkfs.PartChildren
		nodes := must(s.Read(ctx, all, paths))(t)
		for i, n := range nodes {
			switch {
			case n.Path != paths[i]:
				t.Fatalf("node %d is %s, want %s", i, n.Path, paths[i])
			case i == 350:
				if n.Denied != all || n.Data != nil || n.ACL != nil || n.Children != nil || n.Stat.DataLength != 1 {
					t.Errorf("unreadable node: %+v", n)
				}
			case i%7 == 3:
				if !n.Absent || n.Data != nil {
					t.Errorf("%s is not Absent: %+v", n.Path, n)
				}
			default:
				want := []string{}
				if i == 1 {
					want = []string{"hidden"}
				}
				if n.Absent || n.Denied != 0 || string(n.Data) != string(n.Path) || !n.ACL.Equal(zkfs.Open()) || !slices.Equal(n.Children, want) || n.Children == nil || n.Stat.Czxid == 0 {
					t.Errorf("%s: %+v", n.Path, n)
				}
			}
		}
		for _, n := range must(s.Read(ctx, 0, paths[:2]))(t) {
			if n.Stat.Czxid == 0 || n.Data != nil || n.ACL != nil || n.Children != nil {
				t.Errorf("Stat alone: %+v", n)
			}
		}
		if nodes, err := s.Read(ctx, all, nil); len(nodes) != 0 || err != nil {
			t.Errorf("no paths: %v, %v", nodes, err)
		}
		if _, err := s.Read(ctx, all, []zkfs.Path{"relative"}); !errors.Is(err, zkfs.ErrBadArguments) {
			t.Errorf("relative path: %v", err)
		}
	})
}

func TestChrootThatDoesNotExist(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		_, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: e.Servers + "/nope"})
		if !errors.Is(err, zkfs.ErrNoNode) || !strings.Contains(fmt.Sprint(err), string(e.Chroot)+"/nope does not exist") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAuthentication(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		app := zkconn.Digest("app", "pw")
		a := open(t, zkconn.Config{Servers: e.Servers, Auth: []zkconn.Auth{app, app}})
		if got, want := a.Identities(), []zkfs.Identity{zkfs.Digest("app", "pw")}; !slices.Equal(got, want) {
			t.Errorf("identities %v, want %v", got, want)
		}
		mine := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("app", "pw")}}
		must(a.Create(ctx, "/mine", []byte("x"), mine, zkfs.Persistent))(t)

		b := open(t, zkconn.Config{Servers: e.Servers})
		if _, _, err := b.Get(ctx, "/mine"); !errors.Is(err, zkfs.ErrNoAuth) {
			t.Errorf("without a credential: %v", err)
		}
		if err := b.AddAuth(ctx, app); err != nil {
			t.Fatal(err)
		}
		if data, _, err := b.Get(ctx, "/mine"); string(data) != "x" || err != nil {
			t.Errorf("with the credential: %q, %v", data, err)
		}
		if err := b.AddAuth(ctx, app); err != nil || len(b.Identities()) != 1 {
			t.Errorf("the same credential again: %v, %v", err, b.Identities())
		}
		if text := fmt.Sprintf("%v %+v %#v %s", app, app, app, []zkconn.Auth{app}); strings.Contains(text, "pw") {
			t.Errorf("a credential prints as %s", text)
		}
	})
}

func TestUnknownSchemeEndsTheSession(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		bad := zkconn.Auth{Scheme: "nosuch", Secret: []byte("topsecret")}
		_, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: e.Servers, Auth: []zkconn.Auth{bad}})
		if !errors.Is(err, zkfs.ErrAuthFailed) || !strings.Contains(err.Error(), `"nosuch"`) || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("Open: %v", err)
		}
		s := open(t, zkconn.Config{Servers: e.Servers})
		if err := s.AddAuth(within(t, 10*time.Second), bad); !errors.Is(err, zkfs.ErrAuthFailed) {
			t.Errorf("AddAuth: %v", err)
		}
		select {
		case <-s.Done():
		case <-within(t, 5*time.Second).Done():
			t.Fatal("the session goes on")
		}
		if err := s.Err(); !errors.Is(err, zkfs.ErrAuthFailed) {
			t.Errorf("Err: %v", err)
		}
	})
}

func TestCloseEndsTheSessionAtTheServer(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		a, b := open(t, zkconn.Config{Servers: e.Servers}), open(t, zkconn.Config{Servers: e.Servers})
		must(b.Create(ctx, "/e", nil, zkfs.Open(), zkfs.Ephemeral))(t)
		_, ok, gone, err := a.ExistsW(ctx, "/e")
		if !ok || err != nil {
			t.Fatalf("ExistsW: %v, %v", ok, err)
		}
		_, _, own, err := b.ExistsW(ctx, "/e")
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := b.Close(ctx); err != nil {
			t.Errorf("Close: %v", err)
		}
		if d := time.Since(began); d > 500*time.Millisecond {
			t.Errorf("Close took %v", d)
		}
		if ev := <-gone.C; ev.Type != zkconn.Deleted || ev.Path != "/e" {
			t.Errorf("event %+v", ev)
		}
		if err := b.Err(); !errors.Is(err, zkfs.ErrSessionOver) || !strings.Contains(err.Error(), "closed") {
			t.Errorf("Err: %v", err)
		}
		if _, err := b.Create(ctx, "/f", nil, zkfs.Open(), 0); !errors.Is(err, zkfs.ErrSessionOver) {
			t.Errorf("Create after Close: %v", err)
		}
		if ev, ok := <-own.C; ok && ev.Type != zkconn.Deleted {
			t.Errorf("own watch: %+v", ev)
		}
		if err := b.Close(ctx); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}
