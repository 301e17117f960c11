package lock_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A line is the network between a client and a server, which can fail in
// silence: it stays up and carries nothing, in either direction.
type line struct {
	listener net.Listener
	env      *zktest.Env
	work     sync.WaitGroup

	mu     sync.Mutex
	mended sync.Cond
	dead   bool
	over   bool
	ends   []net.Conn
}

func newLine(t *testing.T, e *zktest.Env) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, env: e}
	l.mended.L = &l.mu
	l.work.Go(l.serve)
	t.Cleanup(func() {
		l.mu.Lock()
		l.over, l.dead = true, false
		l.mended.Broadcast()
		for _, end := range l.ends {
			end.Close()
		}
		l.mu.Unlock()
		listener.Close()
		l.work.Wait()
	})
	return l
}

// conn returns how a client connects over the line.
func (l *line) conn(b *bench) zkconn.Config {
	c := b.conn()
	c.Servers = l.listener.Addr().String() + l.env.Chroot.String()
	return c
}

func (l *line) serve() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", l.env.Addr)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		l.ends = append(l.ends, client, server)
		if l.over {
			client.Close()
			server.Close()
		}
		l.mu.Unlock()
		l.work.Go(func() { l.carry(client, server) })
		l.work.Go(func() { l.carry(server, client) })
	}
}

func (l *line) carry(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.mu.Lock()
		for l.dead {
			l.mended.Wait()
		}
		l.mu.Unlock()
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut makes the line dead; mend brings it back with what was on the way.
func (l *line) cut()  { l.set(true) }
func (l *line) mend() { l.set(false) }

func (l *line) set(dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = dead
	l.mended.Broadcast()
}
