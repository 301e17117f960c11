package zkconn_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// behind opens a session through a proxy.
func behind(t *testing.T, e *zktest.Env, cfg zkconn.Config) (*proxy, *zkconn.Session) {
	t.Helper()
	p := newProxy(t, e.Addr)
	cfg.Servers = p.addr() + string(e.Chroot)
	return p, open(t, cfg)
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for !cond() {
		if time.Now().After(limit) {
			t.Fatalf("not within 10s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSessionSurvivesConnections(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		p, s := behind(t, e, zkconn.Config{Auth: []zkconn.Auth{zkconn.Digest("u", "p")}})
		ctx := within(t, 20*time.Second)
		if err := s.AddAuth(ctx, zkconn.Digest("v", "p")); err != nil {
			t.Fatal(err)
		}
		for _, user := range []string{"u", "v"} {
			only := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest(user, "p")}}
			must(s.Create(ctx, zkfs.Root.Join(user), []byte(user), only, zkfs.Ephemeral))(t)
		}
		id := s.ID()
		for epoch := range uint64(3) {
			p.cut()
			for _, user := range []string{"u", "v"} {
				if data, _, err := s.Get(ctx, zkfs.Root.Join(user)); string(data) != user || err != nil {
					t.Fatalf("after %d cuts: %q, %v", epoch+1, data, err)
				}
			}
			if got := s.Epoch(); got != epoch+2 {
				t.Errorf("epoch %d after %d cuts", got, epoch+1)
			}
		}
		if s.ID() != id || s.Err() != nil {
			t.Errorf("session %#x became %#x, %v", id, s.ID(), s.Err())
		}
	})
}

func TestWritesInAnOutage(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		p, s := behind(t, e, zkconn.Config{})
		p.refuse(true)
		p.cut()
		eventually(t, "the session notices the cut", func() bool { return s.Server() == "" })

		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := s.Create(ctx, "/unsent", nil, zkfs.Open(), 0)
		if !errors.Is(err, zkfs.ErrUnavailable) || errors.Is(err, zkfs.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a connection: %v", err)
		}
		eventually(t, "the error names the server and the cause", func() bool {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			defer cancel()
			_, _, err := s.Get(ctx, "/x")
			return err != nil && strings.Contains(err.Error(), p.addr()+": it closed the connection")
		})

		// A request that waits is carried out on the next connection.
		done := make(chan error)
		go func() {
			_, err := s.Create(within(t, 20*time.Second), "/waited", nil, zkfs.Open(), 0)
			done <- err
		}()
		p.refuse(false)
		if err := <-done; err != nil {
			t.Errorf("a request that waited: %v", err)
		}

		// One that was sent is not repeated.
		p.mute(true)
		ctx, cancel = context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = s.Create(ctx, "/sent", nil, zkfs.Open(), 0)
		if !errors.Is(err, zkfs.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a mute server: %v", err)
		}
		if _, _, err = s.Get(ctx, "/sent"); !errors.Is(err, zkfs.ErrUnavailable) {
			t.Errorf("a read from a mute server: %v", err)
		}
		if d := time.Since(began); d > time.Second {
			t.Errorf("took %v", d)
		}
		go func() {
			_, err := s.Multi(within(t, 20*time.Second), []zkfs.Op{{Kind: zkfs.OpCreate, Path: "/sent2", ACL: zkfs.Open()}})
			done <- err
		}()
		got := make(chan error)
		go func() {
			_, _, err := s.Get(within(t, 20*time.Second), "/waited")
			got <- err
		}()
		p.cut()
		p.mute(false)
		if err := <-done; !errors.Is(err, zkfs.ErrOutcomeUnknown) && err != nil {
			t.Errorf("a cut after sending: %v", err)
		}
		if err := <-got; err != nil {
			t.Errorf("a read across a cut: %v", err)
		}
		if _, ok, _ := s.Exists(within(t, 10*time.Second), "/unsent"); ok {
			t.Error("what was reported as not sent was carried out")
		}
	})
}

// A server that falls silent is noticed by the session itself.
func TestMuteServerInTheSession(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		p, s := behind(t, e, zkconn.Config{SessionTimeout: 1500 * time.Millisecond})
		p.mute(true)
		began := time.Now()
		_, err := s.Set(within(t, 20*time.Second), "/", nil, zkfs.AnyVersion)
		if d := time.Since(began); d > s.Timeout() || !errors.Is(err, zkfs.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "silent") {
			t.Errorf("after %v: %v", d, err)
		}
		p.mute(false)
	})
}

// After an expiry the session is over: nothing is ever done in a new one.
func TestExpiredSessionIsOver(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		watcher := open(t, zkconn.Config{Servers: e.Servers})
		p, s := behind(t, e, zkconn.Config{SessionTimeout: time.Second})
		mkdir(t, s, "/locks")
		must(s.Create(ctx, "/locks/e", nil, zkfs.Open(), zkfs.Ephemeral))(t)
		_, _, own, err := s.GetW(ctx, "/locks/e")
		if err != nil {
			t.Fatal(err)
		}
		_, _, gone, err := watcher.GetW(ctx, "/locks/e")
		if err != nil {
			t.Fatal(err)
		}
		p.mute(true)
		if ev := <-gone.C; ev.Type != zkconn.Deleted {
			t.Fatalf("event %+v", ev)
		}
		if d := s.Deadline(); d.IsZero() || d.After(zkconn.Now()) {
			t.Errorf("the node is gone and the deadline is %v ahead", d.Until())
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := s.Create(ctx, zkfs.Path(fmt.Sprintf("/locks/n%d", i)), nil, zkfs.Open(), zkfs.Ephemeral)
				if !errors.Is(err, zkfs.ErrSessionOver) && !errors.Is(err, zkfs.ErrOutcomeUnknown) {
					t.Errorf("a create begun in the old session: %v", err)
				}
			})
		}
		p.cut()
		p.mute(false)
		select {
		case <-s.Done():
		case <-ctx.Done():
			t.Fatal("the session is not over")
		}
		wg.Wait()
		if err := s.Err(); !errors.Is(err, zkfs.ErrSessionOver) || !strings.Contains(err.Error(), fmt.Sprintf("%#x", s.ID())) {
			t.Errorf("Err: %v", err)
		}
		if _, ok := <-own.C; ok {
			t.Error("a watch of an expired session brought an event")
		}
		if _, _, w, err := s.GetW(ctx, "/locks"); !errors.Is(err, zkfs.ErrSessionOver) || w != nil {
			t.Errorf("a request afterwards: %v", err)
		}
		if names, _, err := watcher.Children(ctx, "/locks"); len(names) != 0 || err != nil {
			t.Errorf("nodes of a new session: %q, %v", names, err)
		}
	})
}

func TestCloseWithADeadServer(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		for name, kill := range map[string]func(*proxy){
			"Mute":    func(p *proxy) { p.mute(true) },
			"Refused": func(p *proxy) { p.refuse(true); p.cut() },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := newProxy(t, e.Addr)
				s, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: p.addr() + string(e.Chroot)})
				if err != nil {
					t.Fatal(err)
				}
				kill(p)
				began := time.Now()
				err = s.Close(within(t, 300*time.Millisecond))
				if d := time.Since(began); d > 700*time.Millisecond {
					t.Errorf("took %v", d)
				}
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%#x", s.ID())) {
					t.Errorf("got %v", err)
				}
				select {
				case <-s.Done():
				default:
					t.Error("not done")
				}
				p.mute(false)
			})
		}
	})
}

// The session's requests cannot be held up by callers that have gone.
func TestAbandonedRequestsLeaveNothing(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		_, s := behind(t, e, zkconn.Config{})
		mkdir(t, s, "/a")
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for j := range 20 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i*j)*10*time.Microsecond)
					_, _, w, err := s.GetW(ctx, "/a")
					switch {
					case err == nil:
						w.Stop()
					case !errors.Is(err, zkfs.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded):
						t.Errorf("got %v", err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
		if _, _, err := s.Get(within(t, 10*time.Second), "/a"); err != nil {
			t.Error(err)
		}
		if s.Epoch() != 1 {
			t.Errorf("the connection broke %d times", s.Epoch()-1)
		}
	})
}

// The library does not see our answers, and still tells the next server how far
// the session has seen: one that is behind has to refuse it.
func TestReconnectionTellsTheLastZxid(t *testing.T) {
	const zxid = 0x1234_5678_9abc
	var connections atomic.Int32
	second := make(chan []byte, 1)
	host := fake(t, func(c net.Conn) {
		hello := make([]byte, 48)
		_, _ = io.ReadFull(c, hello)
		if connections.Add(1) > 1 {
			select {
			case second <- hello:
			default:
			}
			return
		}
		_, _ = c.Write(connectResponse(time.Second))
		head := make([]byte, 12)
		_, _ = io.ReadFull(c, head) // exists: length, xid, type
		answer := binary.BigEndian.AppendUint32(nil, 16+68)
		answer = append(answer, head[4:8]...)
		answer = binary.BigEndian.AppendUint64(answer, zxid)
		_, _ = c.Write(append(answer, make([]byte, 4+68)...))
		_, _ = io.ReadFull(c, make([]byte, 6+1)) // its path "/" and watch
		_, _ = io.ReadFull(c, make([]byte, 12))  // the next request
	})
	s, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: host})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := s.Sync(ctx, zkfs.Root); !errors.Is(err, zkfs.ErrUnavailable) {
		t.Errorf("Sync: %v", err)
	}
	hello := <-second
	if got := binary.BigEndian.Uint64(hello[8:]); got != zxid {
		t.Errorf("last zxid %#x, want %#x", got, uint64(zxid))
	}
	if got := int64(binary.BigEndian.Uint64(hello[20:])); got != s.ID() {
		t.Errorf("session %#x, want %#x", got, s.ID())
	}
	if err := s.Close(ctx); err == nil {
		t.Error("closed without a server")
	}
}

// A caller without a time limit is not stuck when the ensemble is gone.
func TestRequestsGiveUpAfterASessionTimeout(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		p, s := behind(t, e, zkconn.Config{SessionTimeout: 600 * time.Millisecond})
		p.refuse(true)
		p.cut()
		eventually(t, "the session notices the cut", func() bool { return s.Server() == "" })
		for range 2 {
			began := time.Now()
			_, err := s.Set(context.Background(), "/x", nil, 0)
			if d := time.Since(began); d < s.Timeout() || d > s.Timeout()+time.Second || !errors.Is(err, zkfs.ErrUnavailable) {
				t.Errorf("after %v: %v", d, err)
			}
		}
		p.refuse(false)
		if _, _, err := s.Exists(within(t, 10*time.Second), "/x"); err != nil && !errors.Is(err, zkfs.ErrSessionOver) {
			t.Errorf("after the outage: %v", err)
		}
	})
}

// A refusing connection takes no more than its first packets.
type refusing struct {
	net.Conn
	left atomic.Int32
}

func (r *refusing) Write(p []byte) (int, error) {
	if r.left.Add(-1) < 0 {
		return 0, errors.New("the cable is cut")
	}
	return r.Conn.Write(p)
}

// A connection that breaks over what a session presents anew, its credentials and
// watches, is one like any other.
func TestAConnectionThatBreaksAtItsBeginning(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	var dialed atomic.Int32
	s := open(t, zkconn.Config{
		Servers: e.Servers, Auth: []zkconn.Auth{zkconn.Digest("a", "b")},
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", address)
			if dialed.Add(1) == 2 && err == nil {
				r := &refusing{Conn: conn}
				r.left.Store(1)
				return r, nil
			}
			return conn, err
		},
	})
	ctx := within(t, 10*time.Second)
	mkdir(t, s, "/a")
	_, _, w, err := s.GetW(ctx, "/a")
	if err != nil {
		t.Fatal(err)
	}
	e.Dev.CloseConnection(s.ID())
	if _, _, err := s.Get(ctx, "/a"); err != nil {
		t.Fatal(err)
	}
	other := open(t, zkconn.Config{Servers: e.Servers})
	must(other.Set(ctx, "/a", nil, -1))(t)
	if ev := next(t, w); ev.Type != zkconn.Changed {
		t.Errorf("got %+v", ev)
	}
	if n := dialed.Load(); n < 3 {
		t.Errorf("dialed %d times, want 3", n)
	}
}
