package zkdev

import (
	"crypto/tls"
	"io"
	"net"
	"slices"
	"time"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// What is queued for a client, and the goroutine that writes it.

// A chunk is a run of packets. While one is held, it and all behind it wait.
type chunk struct {
	data []byte
	held *bool // nil for most
}

func (k chunk) waits() bool { return k.held != nil && *k.held }

// write is the connection's writing goroutine.
func (c *conn) write() {
	defer c.s.running.Done()
	for {
		data, ok := c.next()
		if !ok {
			break
		}
		if _, err := c.nc.Write(data); err != nil {
			c.kill()
		}
	}
	c.linger()
	c.kill()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	delete(c.s.conns, c)
}

// linger lets the client read what was written last. Closing a socket with
// input unread, such as the newline after a four-letter word, would reset the
// connection under it.
func (c *conn) linger() {
	if c.dead() {
		return
	}
	if t, ok := c.nc.(*tls.Conn); ok {
		t.CloseWrite()
	}
	if t, ok := c.tcp.(*net.TCPConn); ok {
		t.CloseWrite()
		t.SetReadDeadline(time.Now().Add(time.Second))
		io.CopyN(io.Discard, t, softBacklog)
	}
}

// next waits for bytes that may be written and takes all of them.
func (c *conn) next() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.gone:
			return nil, false
		case !c.frozen && len(c.out) > 0 && !c.out[0].waits():
			data := c.out[0].data
			c.out = c.out[1:]
			c.queued -= len(data)
			c.wake.Broadcast()
			return data, true
		case c.last && len(c.out) == 0:
			return nil, false
		}
		c.wake.Wait()
	}
}

// send queues packets; they are copied. One that finds too much in the queue
// ends the connection instead; how large it is itself does not matter.
func (c *conn) send(packets []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone || c.last:
		return
	case c.queued > hardBacklog:
		c.s.log.Warn("dropping a connection: the client does not read", "client", c.remote(), "queued", c.queued)
		c.end()
		return
	}
	if k := len(c.out); k > 0 && c.out[k-1].held == nil {
		c.out[k-1].data = append(c.out[k-1].data, packets...)
	} else {
		c.out = append(c.out, chunk{data: slices.Clone(packets)})
	}
	c.queued += len(packets)
	c.wake.Broadcast()
}

// hold queues a packet that waits, and all that comes after it, until the
// returned function is called.
func (c *conn) hold(packet []byte) (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := true
	c.out = append(c.out, chunk{data: slices.Clone(packet), held: &held})
	c.queued += len(packet)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		held = false
		c.wake.Broadcast()
	}
}

// event queues a watch event.
func (c *conn) event(ev eventType, path string) {
	var w jute.Writer
	w.Frame(func() {
		w.Int32(watchXid)
		w.Int64(-1)
		w.Int32(0)
		w.Int32(int32(ev))
		w.Int32(syncConnected)
		w.String(path)
	})
	c.s.stats.sent++
	c.stats.sent++
	c.send(w.Buf)
}

// finish ends the connection when all that is queued has been written.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = true
	c.tcp.SetWriteDeadline(time.Now().Add(sessionless))
	c.wake.Broadcast()
}

func (c *conn) dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}
