package zkconn_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// Between a session's end and that of its connection, other goroutines may get
// as far as they like: the library must not take the connection for a good one
// and wait until its next ping.
func TestCloseIsAtOnceHoweverGoroutinesInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The clock of a bubble stands in the year 2000; the server counts its
		// transactions from 2020 on.
		time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
		l := &pipes{offered: make(chan net.Conn), closed: make(chan struct{})}
		server, err := zkdev.Start(zkdev.Config{Listener: l})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		let := &pausing{Logger: hclog.NewNullLogger(), at: "the session is over"}
		s, err := zkconn.Open(context.Background(), zkconn.Config{
			Servers: "memory:2181", Dial: l.dial, Logger: let,
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
		// By the clock of the bubble, which moves when everybody waits.
		if d := time.Since(began); d > 10*time.Millisecond {
			t.Errorf("Close waited for %v", d)
		}
		if let.paused == 0 {
			t.Errorf("nothing was logged of %q", let.at)
		}
	})
}

// A pausing logger gives others time to go on when a certain message is logged.
type pausing struct {
	hclog.Logger
	at     string
	paused int
}

func (p *pausing) Debug(message string, args ...any) {
	if message == p.at {
		p.paused++
		time.Sleep(time.Millisecond)
	}
}

// Pipes are a listener in memory.
type pipes struct {
	offered chan net.Conn
	closed  chan struct{}
}

func (l *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.offered <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.offered:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.closed); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
