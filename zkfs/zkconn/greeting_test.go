package zkconn_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestReadsAhead(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		setup := open(t, zkconn.Config{Servers: e.Servers, Auth: []zkconn.Auth{zkconn.Digest("app", "p")}})
		must(setup.Create(ctx, "/a", []byte("one"), zkfs.Open(), zkfs.Persistent))(t)
		must(setup.Create(ctx, "/secret", []byte("two"), zkfs.ACL{}.With(zkfs.Digest("app", "p")), zkfs.Persistent))(t)

		s := open(t, zkconn.Config{
			Servers: e.Servers, OwnAuth: zkconn.Digest("own", "p"),
			Ahead: []zkfs.Path{"/a", "/a", "/secret", "/gone", "relative"},
		})
		p := s.Ahead(ctx, "/a")
		if p == nil || string(p.Node.Data) != "one" || p.Node.Stat.Version != 0 || p.W == nil {
			t.Fatalf("got %+v of /a", p)
		}
		for _, path := range []zkfs.Path{"/a", "/secret", "/gone", "relative", "/other"} {
			if p := s.Ahead(ctx, path); p != nil {
				t.Errorf("got %+v of %s", p, path)
			}
		}
		must(setup.Set(ctx, "/a", nil, 0))(t)
		select {
		case got := <-p.W.C:
			if got.Type != zkconn.Changed || got.Path != "/a" {
				t.Errorf("the watch told of %+v", got)
			}
		case <-ctx.Done():
			t.Error("the watch told of nothing")
		}
		// The credential is the session's.
		must(setup.Create(ctx, "/own", []byte("three"), zkfs.ACL{}.With(zkfs.Digest("own", "p")), zkfs.Persistent))(t)
		if data, _, err := s.Get(ctx, "/own"); err != nil || string(data) != "three" {
			t.Errorf("got %q, %v of /own", data, err)
		}
	})
}

// What is asked of a server that then gives no session is asked of the next one.
func TestReadsAheadAfterACut(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		mkdir(t, open(t, zkconn.Config{Servers: e.Servers}), "/a")
		p := newProxy(t, e.Addr, 0, 10)
		s := open(t, zkconn.Config{Servers: p.addr() + e.Chroot.String(), OwnAuth: zkconn.Digest("own", "p"), Ahead: []zkfs.Path{"/a"}})
		if s.Ahead(ctx, "/a") == nil {
			t.Error("nothing was read ahead")
		}
		// The credential goes with each connection.
		must(s.Create(ctx, "/own", nil, zkfs.ACL{}.With(zkfs.Digest("own", "p")), zkfs.Persistent))(t)
		p.cut()
		if _, _, err := s.Get(ctx, "/own"); err != nil {
			t.Errorf("after a reconnection: %v", err)
		}
	})
}

// A lasting password goes to nobody who has not shown to be a ZooKeeper server.
func TestPasswordsFollowTheFirstAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer l.Close()
	var heard bytes.Buffer
	work.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, _ = heard.ReadFrom(c)
		_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	})
	_, err = zkconn.Open(within(t, 10*time.Second), zkconn.Config{
		Servers: l.Addr().String(),
		Auth:    []zkconn.Auth{zkconn.Digest("app", "lasting")}, OwnAuth: zkconn.Digest("own", "fleeting"), Ahead: []zkfs.Path{"/a"},
	})
	if !errors.Is(err, zkfs.ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
	work.Wait()
	if !bytes.Contains(heard.Bytes(), []byte("fleeting")) || bytes.Contains(heard.Bytes(), []byte("lasting")) {
		t.Errorf("before any answer it was sent %q", &heard)
	}
}

func TestClosingMakesNoConnection(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		p := newProxy(t, e.Addr)
		for i := range 20 {
			s, err := zkconn.Open(within(t, 10*time.Second), zkconn.Config{Servers: p.addr() + e.Chroot.String()})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(within(t, 10*time.Second)); err != nil {
				t.Fatal(err)
			}
			p.mu.Lock()
			seen := p.seen
			p.mu.Unlock()
			if seen != i+1 {
				t.Fatalf("%d connections were made for %d sessions", seen, i+1)
			}
		}
	})
}
