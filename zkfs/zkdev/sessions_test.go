package zkdev_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// stopped returns a server with a tick of 1s whose clock stands still.
func stopped(t *testing.T) (*zkdev.Server, *zkdev.ManualClock) {
	t.Helper()
	clock := zkdev.NewManualClock(epoch)
	return serve(t, zkdev.Config{Clock: clock, TickTime: time.Second, Seed: 1}), clock
}

// asked returns a session for which a time-out was asked.
func asked(t *testing.T, s *zkdev.Server, milliseconds int32) *wire {
	t.Helper()
	w, err := openWire(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := w.connect(milliseconds, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTimeoutIsBoundedByTicks(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		for ask, want := range map[int32]int32{0: 400, -5: 400, 399: 400, 1234: 1234, 1 << 30: 60_000} {
			w, err := openWire(e.Addr)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.connect(ask, 0); err != nil {
				t.Fatal(err)
			}
			if w.timeout != want {
				t.Errorf("asked for %d ms, got %d, want %d", ask, w.timeout, want)
			}
			w.call(t, zkdev.OpCloseSession, nil)
			w.Close()
		}
	})
}

// A session expires ⌊(now + timeout) / tick⌋ + 1 ticks after the start.
func TestExpiryIsRoundedUpToTheNextTick(t *testing.T) {
	tests := []struct {
		name               string
		at, timeout, after time.Duration // opened at, expires after
	}{
		{"OnATick", 0, 2 * time.Second, 3 * time.Second},
		{"BetweenTicks", 300 * time.Millisecond, 2500 * time.Millisecond, 2700 * time.Millisecond},
		{"JustBeforeATick", 999 * time.Millisecond, 2 * time.Second, 2001 * time.Millisecond},
		{"BoundedBelow", 0, time.Millisecond, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, clock := stopped(t)
			clock.Advance(tt.at)
			asked(t, s, int32(tt.timeout.Milliseconds()))
			clock.Advance(tt.after - time.Millisecond)
			if len(s.Sessions()) != 1 {
				t.Fatal("it expired early")
			}
			clock.Advance(time.Millisecond)
			if len(s.Sessions()) != 0 {
				t.Fatal("it did not expire")
			}
		})
	}
}

func TestRequestsAndPingsPutOffTheExpiry(t *testing.T) {
	s, clock := stopped(t)
	w := asked(t, s, 4000)
	for range 5 {
		clock.Advance(3 * time.Second)
		w.call(t, zkdev.OpPing, nil)
		clock.Advance(3 * time.Second)
		w.call(t, zkdev.OpExists, watchBody("/", false))
	}
	if len(s.Sessions()) != 1 {
		t.Fatal("it expired")
	}
	clock.Advance(5 * time.Second)
	if len(s.Sessions()) != 0 {
		t.Fatal("it did not expire")
	}
	if !w.closed(t) {
		t.Error("its connection is still open")
	}
}

func TestExpiredSessionIsToldSoWhenItComesBack(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		w, err := openWire(e.Addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.connect(400, 0); err != nil {
			t.Fatal(err)
		}
		other := newWire(t, e.Addr)
		node := e.Chroot.Join("e").String()
		if p, _ := w.call(t, zkdev.OpCreate, createBody(node, nil, zkfs.Open(), 1)); p.code != zkdev.OK {
			t.Fatal(p.code)
		}
		if p, _ := other.call(t, zkdev.OpExists, watchBody(node, true)); p.code != zkdev.OK {
			t.Fatal(p.code)
		}
		w.Close()
		if p, err := other.packet(); err != nil || p.xid != -1 || p.body.Int32() != 2 {
			t.Fatalf("no event of the deleted ephemeral: %+v %v", p, err)
		}
		// A real server sends the event a moment before it closes whatever
		// connection the session has, even a new one; it answers after that.
		other.call(t, zkdev.OpPing, nil)
		back := &wire{session: w.session, password: w.password}
		if back.Conn, err = openWire(e.Addr); err != nil {
			t.Fatal(err)
		}
		defer back.Close()
		if err := back.connect(400, 0); err != nil {
			t.Fatal(err)
		}
		if back.session != 0 || back.timeout != 0 || !bytes.Equal(back.password, make([]byte, 16)) || !back.closed(t) {
			t.Errorf("got session %#x, timeout %d, password % x", back.session, back.timeout, back.password)
		}
	})
}

func TestRenewalMovesTheSessionAndKeepsItsEphemerals(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		w := newWire(t, e.Addr)
		node := e.Chroot.Join("e").String()
		w.call(t, zkdev.OpCreate, createBody(node, nil, zkfs.Open(), 1))
		w.call(t, zkdev.OpGetData, watchBody(node, true))
		n := w.again(t)
		if n.session != w.session {
			t.Fatalf("session %#x, want %#x", n.session, w.session)
		}
		if !w.closed(t) {
			t.Error("the former connection is still open")
		}
		if p, _ := n.call(t, zkdev.OpExists, watchBody(node, false)); p.code != zkdev.OK {
			t.Errorf("the ephemeral is gone: %d", p.code)
		}
		// Watches and identities belong to the connection.
		if _, events := n.call(t, zkdev.OpSetData, setBody(node, nil, -1)); len(events) != 0 {
			t.Errorf("%d events for a watch of the former connection", len(events))
		}
		p, _ := n.call(t, zkdev.OpGetEphemerals, pathBody(""))
		if got := p.body.Strings(); !slices.Equal(got, []string{node}) {
			t.Errorf("ephemerals %q", got)
		}
	})
}

// Connect requests of all shapes: what comes back, and whether the connection
// stays open.
func TestConnectRequests(t *testing.T) {
	packet := func(timeout int32, session int64, password []byte, rest ...byte) []byte {
		return body(func(w *jute.Writer) {
			w.Frame(func() {
				w.Int32(0)
				w.Int64(0)
				w.Int32(timeout)
				w.Int64(session)
				w.Buffer(password)
				w.Buf = append(w.Buf, rest...)
			})
		})
	}
	zero := make([]byte, 16)
	tests := []struct {
		name string
		send []byte
		want string
	}{
		{"New", packet(5000, 0, zero, 0), "timeout 5000, a session, a password of 16, readOnly [0], open"},
		{"ReadOnlyAllowed", packet(5000, 0, zero, 1), "timeout 5000, a session, a password of 16, readOnly [0], open"},
		{"BeforeThereWasReadOnly", packet(5000, 0, zero), "timeout 5000, a session, a password of 16, readOnly [], open"},
		{"NullPassword", packet(5000, 0, nil, 0), "timeout 5000, a session, a password of 16, readOnly [0], open"},
		{"LongPassword", packet(5000, 0, make([]byte, 100), 0), "timeout 5000, a session, a password of 16, readOnly [0], open"},
		{"BytesTooMany", packet(5000, 0, zero, 0, 1, 2, 3), "timeout 5000, a session, a password of 16, readOnly [0], open"},
		{"NegativeTimeout", packet(-1, 0, zero, 0), "timeout 400, a session, a password of 16, readOnly [0], open"},
		{"UnknownSession", packet(5000, 77, zero, 0), "timeout 0, no session, a password of 16, readOnly [0], closed"},
		{"UnknownNegativeSession", packet(5000, -77, zero, 0), "timeout 0, no session, a password of 16, readOnly [0], closed"},
		{"UnknownSessionBeforeReadOnly", packet(5000, 77, zero), "timeout 0, no session, a password of 16, readOnly [], closed"},
		{"Cut", append([]byte{0, 0, 0, 20}, make([]byte, 20)...), "closed without a reply"},
	}
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				w, err := openWire(e.Addr)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				if _, err := w.Write(tt.send); err != nil {
					t.Fatal(err)
				}
				got := "closed without a reply"
				if b, err := w.receive(); err == nil {
					r := jute.NewReader(b)
					r.Int32()
					got = fmt.Sprintf("timeout %d", r.Int32())
					if r.Int64() == 0 {
						got += ", no session"
					} else {
						got += ", a session"
					}
					got += fmt.Sprintf(", a password of %d, readOnly %d", len(r.Buffer()), r.Rest())
					if _, err := w.send(zkdev.OpPing, nil); err == nil {
						_, err = w.packet()
						got += map[bool]string{true: ", open", false: ", closed"}[err == nil]
					}
				}
				if got != tt.want {
					t.Errorf("got %s\nwant %s", got, tt.want)
				}
			})
		}
	})
}

// A client that has seen a later transaction would go back in time.
func TestClientAheadIsRefused(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		w, err := openWire(e.Addr)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := w.connect(30_000, 1<<62); err == nil {
			t.Error("it got a session")
		}
	})
}

// A server that comes later is ahead of one that was stopped, so that its
// clients can come to it.
func TestLaterServerIsAhead(t *testing.T) {
	clock := zkdev.NewManualClock(epoch)
	first := serve(t, zkdev.Config{Clock: clock})
	w := newWire(t, first.Addr())
	for range 1000 {
		w.call(t, zkdev.OpDelete, versionBody("/none", -1))
	}
	p, _ := w.call(t, zkdev.OpPing, nil)
	clock.Advance(time.Millisecond)
	second := serve(t, zkdev.Config{Clock: clock})
	n, err := openWire(second.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if err := n.connect(30_000, p.zxid); err != nil {
		t.Errorf("a client of the first was refused: %v", err)
	}
}

func TestContainersAndTTLNodesAreReaped(t *testing.T) {
	clock := zkdev.NewManualClock(epoch)
	s := serve(t, zkdev.Config{Clock: clock, TickTime: time.Second, MaxSessionTimeout: time.Hour})
	w := asked(t, s, 3_600_000)
	create := func(op zkdev.Op, body []byte) {
		t.Helper()
		if p, _ := w.call(t, op, body); p.code != zkdev.OK {
			t.Fatal(p.code)
		}
	}
	container := func(path string) { create(zkdev.OpCreateContainer, createBody(path, nil, zkfs.Open(), 4)) }
	ttl := func(path string, ms int64) {
		create(zkdev.OpCreateTTL, createTTLBody(path, nil, zkfs.Open(), 5, ms))
	}
	container("/never-used")
	container("/used")
	container("/in-use")
	container("/outer")
	container("/outer/inner")
	ttl("/short", 30_000)
	ttl("/long", 200_000)
	ttl("/parent", 30_000)
	ttl("/changed", 30_000)
	create(zkdev.OpCreate, createBody("/parent/child", nil, zkfs.Open(), 0))
	for _, p := range []string{"/used/x", "/outer/inner/x", "/in-use/x"} {
		create(zkdev.OpCreate, createBody(p, nil, zkfs.Open(), 0))
	}
	for _, p := range []string{"/used/x", "/outer/inner/x"} {
		create(zkdev.OpDelete, versionBody(p, -1))
	}
	left := func() []string {
		p, _ := w.call(t, zkdev.OpGetChildren, watchBody("/", false))
		return slices.DeleteFunc(sorted(p.body), func(n string) bool { return n == "zookeeper" })
	}
	clock.Advance(50 * time.Second)
	create(zkdev.OpSetData, setBody("/changed", nil, -1))
	all := []string{"changed", "in-use", "long", "never-used", "outer", "parent", "short", "used"}
	if got := left(); !slices.Equal(got, all) {
		t.Errorf("before the first search: %q", got)
	}
	clock.Advance(10 * time.Second)
	if got, want := left(), []string{"changed", "in-use", "long", "never-used", "outer", "parent"}; !slices.Equal(got, want) {
		t.Errorf("after the first search: %q, want %q", got, want)
	}
	// The outer container lost its last child in that search.
	clock.Advance(time.Minute)
	if got, want := left(), []string{"in-use", "long", "never-used", "parent"}; !slices.Equal(got, want) {
		t.Errorf("after the second search: %q, want %q", got, want)
	}
}
