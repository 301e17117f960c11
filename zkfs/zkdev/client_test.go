package zkdev_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// serve starts a server that lives as long as the test.
func serve(t testing.TB, cfg zkdev.Config) *zkdev.Server {
	t.Helper()
	s, err := zkdev.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// quiet silences go-zookeeper.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// dial returns a session of go-zookeeper's client.
func dial(t testing.TB, addr string, timeout time.Duration) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, timeout, zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	late := time.After(wait)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return c
			}
		case <-late:
			t.Fatal("no session within 10s")
		}
	}
}

func event(t *testing.T, ch <-chan zk.Event) zk.Event {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(wait):
		t.Fatal("no watch event within 10s")
		return zk.Event{}
	}
}

const wait = 10 * time.Second

var open = zk.WorldACL(zk.PermAll)

func TestClientCreatesReadsWatchesAndDeletes(t *testing.T) {
	s := serve(t, zkdev.Config{})
	c := dial(t, s.Addr(), wait)
	_, st, watch, err := c.ExistsW("/a")
	if err != nil || st.Version != 0 {
		t.Fatalf("exists: %v", err)
	}
	if p, err := c.Create("/a", []byte("one"), 0, open); err != nil || p != "/a" {
		t.Fatalf("create: %q, %v", p, err)
	}
	if e := event(t, watch); e.Type != zk.EventNodeCreated || e.Path != "/a" {
		t.Errorf("event %v", e)
	}
	data, st, watch, err := c.GetW("/a")
	if err != nil || string(data) != "one" || st.DataLength != 3 {
		t.Fatalf("get: %q %+v %v", data, st, err)
	}
	if st, err := c.Set("/a", []byte("two"), 0); err != nil || st.Version != 1 {
		t.Fatalf("set: %+v %v", st, err)
	}
	if e := event(t, watch); e.Type != zk.EventNodeDataChanged {
		t.Errorf("event %v", e)
	}
	if _, err := c.Set("/a", nil, 0); !errors.Is(err, zk.ErrBadVersion) {
		t.Errorf("set with an old version: %v", err)
	}
	kids, st, watch, err := c.ChildrenW("/")
	slices.Sort(kids)
	if err != nil || !slices.Equal(kids, []string{"a", "zookeeper"}) || st.Cversion != 0 {
		t.Fatalf("children: %q %+v %v", kids, st, err)
	}
	if err := c.Delete("/a", -1); err != nil {
		t.Fatal(err)
	}
	if e := event(t, watch); e.Type != zk.EventNodeChildrenChanged || e.Path != "/" {
		t.Errorf("event %v", e)
	}
	if _, _, err := c.Get("/a"); !errors.Is(err, zk.ErrNoNode) {
		t.Errorf("get of a deleted znode: %v", err)
	}
}

func TestClientSequenceAndMulti(t *testing.T) {
	s := serve(t, zkdev.Config{})
	c := dial(t, s.Addr(), wait)
	res, err := c.Multi(
		&zk.CreateRequest{Path: "/q", Acl: open},
		&zk.CreateRequest{Path: "/q/n-", Acl: open, Flags: zk.FlagSequence},
		&zk.CreateRequest{Path: "/q/n-", Acl: open, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: "/q", Data: []byte("x"), Version: 0},
		&zk.CheckVersionRequest{Path: "/q", Version: 1},
		&zk.DeleteRequest{Path: "/q/n-0000000000", Version: -1},
	)
	if err != nil || res[1].String != "/q/n-0000000000" || res[2].String != "/q/n-0000000001" || res[3].Stat.Version != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	res, err = c.Multi(
		&zk.CreateRequest{Path: "/q/m", Acl: open},
		&zk.CheckVersionRequest{Path: "/q", Version: 7},
		&zk.DeleteRequest{Path: "/q", Version: -1},
	)
	if !errors.Is(err, zk.ErrBadVersion) {
		t.Fatalf("%+v %v", res, err)
	}
	if kids, st, err := c.Children("/q"); err != nil || !slices.Equal(kids, []string{"n-0000000001"}) || st.Cversion != 3 {
		t.Errorf("after a refused multi: %q %+v %v", kids, st, err)
	}
	if p, err := c.CreateProtectedEphemeralSequential("/q/l-", nil, open); err != nil || p[len(p)-10:] != "0000000002" {
		t.Errorf("%q %v", p, err)
	}
}

func TestClientACLs(t *testing.T) {
	s := serve(t, zkdev.Config{SuperDigest: "super:D/InIHSb7yEEbrWz8b9l71RjZJU="})
	a, b := dial(t, s.Addr(), wait), dial(t, s.Addr(), wait)
	if err := a.AddAuth("digest", []byte("user:password")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create("/mine", nil, 0, zk.AuthACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	acl, _, err := a.GetACL("/mine")
	if want := zk.DigestACL(zk.PermAll, "user", "password"); err != nil || !slices.Equal(acl, want) {
		t.Errorf("ACL %v, want %v (%v)", acl, want, err)
	}
	if _, _, err := b.Get("/mine"); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("a stranger reads: %v", err)
	}
	if _, err := b.Create("/mine/x", nil, 0, open); !errors.Is(err, zk.ErrNoAuth) {
		t.Errorf("a stranger creates: %v", err)
	}
	if err := b.AddAuth("digest", []byte("super:test")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Set("/mine", nil, -1); err != nil {
		t.Errorf("the super user is refused: %v", err)
	}
	if _, err := a.Create("/bad", nil, 0, []zk.ACL{{Perms: 31, Scheme: "nosuch", ID: "x"}}); !errors.Is(err, zk.ErrInvalidACL) {
		t.Errorf("unknown scheme: %v", err)
	}
}

func TestClientSessionExpires(t *testing.T) {
	clock := zkdev.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := serve(t, zkdev.Config{Clock: clock, TickTime: time.Second})
	a, b := dial(t, s.Addr(), wait), dial(t, s.Addr(), 20*time.Second)
	if _, err := a.Create("/e", nil, zk.FlagEphemeral, open); err != nil {
		t.Fatal(err)
	}
	_, _, watch, err := b.ExistsW("/e")
	if err != nil {
		t.Fatal(err)
	}
	thaw := s.Freeze(a.SessionID())
	clock.Advance(10 * time.Second)
	if n := len(s.Sessions()); n != 2 {
		t.Fatalf("%d sessions before the time", n)
	}
	clock.Advance(time.Second)
	if e := event(t, watch); e.Type != zk.EventNodeDeleted {
		t.Errorf("event %v", e)
	}
	if n := len(s.Sessions()); n != 1 {
		t.Errorf("%d sessions after the expiry", n)
	}
	thaw()
}

func TestCheckOutsideOfAMultiIsAnswered(t *testing.T) {
	s := serve(t, zkdev.Config{})
	w := newWire(t, s.Addr())
	if p, _ := w.call(t, zkdev.OpCheck, versionBody("/", 0)); p.code != zkdev.OK {
		t.Errorf("got %d", p.code)
	}
}
