package zkconn_test

import (
	"context"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// Server and session can speak over something else than TCP.
func TestDialAndListenerOfTheCaller(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "zk"))
	if err != nil {
		t.Fatal(err)
	}
	server, err := zkdev.Start(zkdev.Config{Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	var dialed atomic.Value
	s := open(t, zkconn.Config{
		Servers: "nowhere.invalid:1234",
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			dialed.Store(address)
			var d net.Dialer
			return d.DialContext(ctx, "unix", l.Addr().String())
		},
	})
	if _, there, err := s.Exists(within(t, 10*time.Second), zkfs.Root); err != nil || !there {
		t.Errorf("got %v, %v; want the root", there, err)
	}
	if got := dialed.Load(); got != "nowhere.invalid:1234" {
		t.Errorf("dialed %v, want the server of the connect string", got)
	}
}
