package zkdev

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
)

const (
	// sessionless is how long a connection may stay without a session: for its
	// TLS handshake and its first packet, for a four-letter word, and to take
	// what is left for it at its end (NIOServerCnxnFactory's
	// sessionlessCnxnTimeout). With a session, its expiry is the limit.
	sessionless = 10 * time.Second
	// While so many bytes wait for a client, no further request of it is
	// read: who does not read its replies gets no more of them.
	softBacklog = 1 << 20
	// Events come without being asked for. A client for which so many bytes
	// wait is dropped.
	hardBacklog = 16 << 20
)

// A conn is one connection. One goroutine reads and carries out its requests,
// another writes what is queued for it.
type conn struct {
	s   *Server
	tcp net.Conn // closed to end everything
	nc  net.Conn // tcp, or TLS on it
	old bool     // its connect request had no byte for read-only

	// Guarded by Server.mu.
	session     *session // nil before the connect request
	ids         []zkfs.Identity
	watching    map[*watchTable]map[string]struct{}
	told        uint64 // the last round of watches that it had a part in
	established time.Time
	stats       connStats

	mu     sync.Mutex
	wake   *sync.Cond
	out    []chunk // to be written, in order
	queued int     // bytes in out
	frozen bool
	last   bool // the connection ends when out is empty
	gone   bool
}

func newConn(s *Server, nc net.Conn, config *tls.Config) *conn {
	c := &conn{s: s, tcp: nc, nc: nc}
	c.wake = sync.NewCond(&c.mu)
	if config != nil {
		c.nc = tls.Server(nc, config)
	}
	c.ids = []zkfs.Identity{c.address()}
	return c
}

func (c *conn) remote() string { return c.tcp.RemoteAddr().String() }

// address returns the ip identity, which every connection has.
func (c *conn) address() zkfs.Identity {
	host, _, _ := net.SplitHostPort(c.remote())
	return zkfs.Identity{Scheme: "ip", ID: host}
}

// certificate returns the x509 identity, if the client showed a certificate
// and TLS verified it.
func (c *conn) certificate() (zkfs.Identity, bool) {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return zkfs.Identity{}, false
	}
	chains := t.ConnectionState().VerifiedChains
	if len(chains) == 0 {
		return zkfs.Identity{}, false
	}
	id, err := zkfs.X509(chains[0][0])
	return id, err == nil
}

func (c *conn) addIdentity(id zkfs.Identity) {
	if !slices.Contains(c.ids, id) {
		c.ids = append(c.ids, id)
	}
}

// read is the connection's reading goroutine.
func (c *conn) read() {
	defer c.s.running.Done()
	err := c.serve()
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	default:
		c.s.log.Warn("closing a connection", "client", c.remote(), "reason", err)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if err == nil {
		c.finish() // after what is still queued
		c.s.detach(c)
		return
	}
	c.s.drop(c)
}

// serve reads packets until the connection ends. A nil error means that what
// is queued is still to be sent.
func (c *conn) serve() error {
	c.tcp.SetDeadline(time.Now().Add(sessionless))
	if t, ok := c.nc.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), sessionless)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		if id, ok := c.certificate(); ok {
			c.s.mu.Lock()
			c.addIdentity(id)
			c.s.mu.Unlock()
		}
	}
	in := bufio.NewReaderSize(c.nc, 2048)
	var first [4]byte
	if _, err := io.ReadFull(in, first[:]); err != nil {
		return err
	}
	if word := string(first[:]); isWord(word) {
		c.send([]byte(c.s.word(word, c)))
		return nil
	}
	var buf []byte
	buf, err := readPacket(in, first, buf)
	if err != nil {
		return err
	}
	if err := c.s.connect(c, buf); err != nil {
		return err
	}
	c.tcp.SetDeadline(time.Time{})
	for c.ready() {
		var head [4]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		if buf, err = readPacket(in, head, buf); err != nil {
			return err
		}
		if !c.ready() { // frozen meanwhile
			break
		}
		if err := c.s.request(c, buf); err != nil {
			return err
		}
	}
	return nil
}

// readPacket reads a packet whose length is head into buf or a larger buffer.
// Memory is taken as bytes come in, not as they are announced.
func readPacket(in *bufio.Reader, head [4]byte, buf []byte) ([]byte, error) {
	n := int(int32(binary.BigEndian.Uint32(head[:])))
	if n < 0 || n > maxPacket {
		return nil, fmt.Errorf("a packet of %d bytes; the limit is %d", n, maxPacket)
	}
	const step = 64 << 10
	if cap(buf) > step && n <= step {
		buf = nil // do not keep what one large packet needed
	}
	buf = buf[:0]
	for len(buf) < n {
		part := min(n-len(buf), step)
		buf = slices.Grow(buf, part)
		got, err := io.ReadFull(in, buf[len(buf):len(buf)+part])
		buf = buf[:len(buf)+got]
		if err != nil {
			return nil, fmt.Errorf("a packet of %d bytes ends after %d: %w", n, len(buf), io.ErrUnexpectedEOF)
		}
	}
	return buf, nil
}

// ready waits while the connection is frozen or too much is queued for it. It
// returns false when the connection has ended.
func (c *conn) ready() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.gone && !c.last && (c.frozen || c.queued > softBacklog) {
		c.wake.Wait()
	}
	return !c.gone && !c.last
}

// kill ends the connection at once.
func (c *conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
}

func (c *conn) end() {
	if !c.gone {
		c.gone = true
		c.tcp.Close()
		c.wake.Broadcast()
	}
}

// detach forgets a connection: its watches go, its session stays. Server.mu is
// held.
func (s *Server) detach(c *conn) {
	s.watches.drop(c)
	if c.session != nil && c.session.conn == c {
		c.session.conn = nil
	}
}

// drop detaches and ends a connection. Server.mu is held.
func (s *Server) drop(c *conn) {
	s.detach(c)
	c.kill()
}
