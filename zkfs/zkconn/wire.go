package zkconn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

const (
	// maxRequest is the longest packet that a server takes with its default
	// jute.maxbuffer; it drops the connection on a longer one.
	maxRequest = 0xfffff
	// maxReply bounds what is read as one packet. A list of a million children
	// fits.
	maxReply = 64 << 20
	// maxHello bounds the first packet, the answer to the connect request. What
	// other protocols say reads as a length far above it.
	maxHello = 1 << 10
	// batch is how much is written at once. The send times within a batch are
	// that of its beginning.
	batch = 128 << 10
	// firstXid begins the range of our own requests. The library counts from 1
	// and sends none but pings.
	firstXid int32 = 1 << 30
)

// The xids that the protocol reserves.
const (
	xidEvent int32 = -1
	xidPing  int32 = -2
)

// A request is one packet to the server and what came of it.
type request struct {
	op      int32
	frame   []byte              // the packet, its xid put in when it is queued
	onReply func(*wire, *reply) // runs on the reading goroutine, in the order of the server's packets

	// Guarded by the wire's mu until done is closed.
	xid       int32
	sent      bool // at least a part of it may have reached the server
	sentAt    Instant
	beat      bool    // a heartbeat
	proof     Instant // what a heartbeat proves when it is acknowledged; 0: nothing
	abandoned bool

	reply reply
	err   error // the connection broke before the answer
	done  chan struct{}
}

// A reply is a packet from the server that answers a request.
type reply struct {
	zxid int64
	code int32 // the server's error code
	body []byte
}

// newRequest makes a request of the record that body writes.
func newRequest(op int32, body func(*jute.Writer)) *request {
	var w jute.Writer
	w.Frame(func() {
		w.Int32(0)
		w.Int32(op)
		if body != nil {
			body(&w)
		}
	})
	return &request{op: op, frame: w.Buf, done: make(chan struct{})}
}

// A wire is one connection to a server. To the library it is a net.Conn, on
// which it shakes hands and pings; everything else on it is the session's.
// Reading happens on the library's goroutine, writing on one of the wire's own
// that sends together what has gathered in the queue.
type wire struct {
	net.Conn          // what is read and written: TLS or the socket
	socket   net.Conn // what is closed, without TLS's goodbye, which can block
	s        *Session
	host     string
	born     time.Time // when it was dialed
	limit    time.Time // the first answer must be there by then

	// Used by the reading goroutine alone.
	in   *bufio.Reader
	rest []byte // of a packet that the library is reading

	mu      sync.Mutex
	wake    sync.Cond // the queue has something, or the wire is dead
	queue   []*request
	pending map[int32]*request
	nextXid int32
	dead    error
	live    bool // it has the session
	epoch   uint64
	hello   Instant       // when the connect request was sent
	timeout time.Duration // negotiated
	clock   sendClock
}

func newWire(s *Session, host string, conn, socket net.Conn, born, limit time.Time) *wire {
	w := &wire{
		Conn: conn, socket: socket, s: s, host: host, born: born, limit: limit,
		in: bufio.NewReaderSize(conn, 16<<10), pending: make(map[int32]*request), nextXid: firstXid,
	}
	w.wake.L = &w.mu
	return w
}

// The library's deadlines would cut our packets short; the wire sets its own.
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection, for the library.
func (w *wire) Close() error {
	w.fail(net.ErrClosed)
	return nil
}

// Write queues a packet of the library, which writes each in one call: the
// connect request, then pings.
func (w *wire) Write(p []byte) (int, error) {
	r := &request{op: opPing, frame: append([]byte(nil), p...), xid: xidPing, done: make(chan struct{})}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead != nil {
		return 0, w.dead
	}
	if !w.live && w.hello.IsZero() {
		// The library has not seen our answers and does not know the last zxid.
		// A server that is behind it must refuse us.
		if len(r.frame) >= 16 {
			binary.BigEndian.PutUint64(r.frame[8:], uint64(w.s.lastZxid.Load()))
		}
		r.op = opConnect
	}
	w.queue = append(w.queue, r)
	w.wake.Signal()
	return len(p), nil
}

// send queues requests, which go out in this order with nothing of ours
// between them. It reports false when the connection has ended.
func (w *wire) send(rs ...*request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead != nil {
		return false
	}
	for _, r := range rs {
		for {
			r.xid = w.nextXid
			if w.nextXid++; w.nextXid < firstXid {
				w.nextXid = firstXid
			}
			if w.pending[r.xid] == nil {
				break
			}
		}
		binary.BigEndian.PutUint32(r.frame[4:], uint32(r.xid))
		w.pending[r.xid] = r
	}
	w.queue = append(w.queue, rs...)
	w.wake.Signal()
	return true
}

// abandon gives up waiting for a request, whose sent then stays as it is. It
// reports false when the answer is being handled just now, or the connection's
// end: done will be closed at once.
func (w *wire) abandon(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending[r.xid] != r {
		return false
	}
	r.abandoned = true
	if !r.sent {
		delete(w.pending, r.xid)
	}
	return true
}

// cause returns why the connection has ended, nil while it has not.
func (w *wire) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

// writeLoop sends what is queued until the connection ends.
func (w *wire) writeLoop() {
	var buf []byte
	for {
		w.mu.Lock()
		for len(w.queue) == 0 && w.dead == nil {
			w.wake.Wait()
		}
		if w.dead != nil {
			w.mu.Unlock()
			return
		}
		buf = buf[:0]
		n, now := 0, Now()
		for _, r := range w.queue {
			if len(buf) > 0 && len(buf)+len(r.frame) > batch {
				break
			}
			n++
			if r.abandoned {
				continue
			}
			buf = append(buf, r.frame...)
			r.sent, r.sentAt = true, now
			if r.op == opConnect {
				w.hello = now
			}
			if r.beat {
				r.proof = w.clock.before(now.Add(-w.s.cfg.TickTime / 2))
			}
			w.clock.sent(now, w.s.cfg.TickTime/2)
		}
		w.queue = w.queue[n:]
		if len(w.queue) == 0 {
			w.queue = nil
		}
		limit := w.limit
		if w.live {
			limit = time.Now().Add(w.patience())
		}
		w.mu.Unlock()

		_ = w.Conn.SetWriteDeadline(limit)
		if _, err := w.Conn.Write(buf); err != nil {
			w.fail(err)
			return
		}
		if cap(buf) > 2*batch {
			buf = nil
		}
	}
}

// patience is how long the server may be silent: two of the library's pings.
func (w *wire) patience() time.Duration { return w.timeout * 2 / 3 }

// Read gives the library its packets and handles all others.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		packet, err := w.packet()
		if err == nil {
			err = w.handle(packet)
		}
		if err != nil {
			w.fail(err)
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// packet reads one packet with its length before it.
func (w *wire) packet() ([]byte, error) {
	var head [4]byte
	if err := w.fill(head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:])))
	if !w.live && (size < 20 || size > maxHello) {
		return nil, w.stranger(head[:])
	}
	if size < 16 || size > maxReply {
		return nil, fmt.Errorf("it sent a packet of %d bytes; the limit is %d", uint32(size), maxReply)
	}
	// The memory grows with what arrives, not with what was announced.
	packet := append(make([]byte, 0, min(4+size, 64<<10)), head[:]...)
	for len(packet) < 4+size {
		if len(packet) == cap(packet) {
			packet = append(packet, 0)[:len(packet)]
		}
		part := packet[len(packet):min(cap(packet), 4+size)]
		if err := w.fill(part); err != nil {
			return nil, err
		}
		packet = packet[:len(packet)+len(part)]
	}
	return packet, nil
}

// fill reads all of p. The server may be silent as long as its patience, and
// before the session until the limit of the attempt.
func (w *wire) fill(p []byte) error {
	for len(p) > 0 {
		limit := w.limit
		if w.live {
			limit = time.Now().Add(w.patience())
		}
		if w.in.Buffered() == 0 {
			_ = w.Conn.SetReadDeadline(limit)
		}
		n, err := w.in.Read(p)
		if p = p[n:]; err != nil && len(p) > 0 {
			return w.readError(err)
		}
	}
	return nil
}

func (w *wire) readError(err error) error {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout() && w.live:
		return fmt.Errorf("it has been silent for %v", w.patience())
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s within %v", phaseMute, w.limit.Sub(w.born).Round(10*time.Millisecond))
	case !closedByPeer(err):
		return err
	case w.live:
		return errors.New("it closed the connection")
	case w.Conn != w.socket: // TLS
		return errors.New("it closed the connection without giving a session: it may have no quorum, or no room for more connections from here")
	}
	return errors.New("it closed the connection without giving a session: it may have no quorum, no room for more connections from here, or speak TLS only")
}

// closedByPeer reports whether the server has ended the connection, in order or
// not.
func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// stranger describes a first answer that is not ZooKeeper's.
func (w *wire) stranger(head []byte) error {
	if head[0] == 0x15 && head[1] == 3 || head[0] == 0x16 && head[1] == 3 {
		return &permanentError{errors.New("it speaks TLS, and the connection was made without")}
	}
	more, _ := w.in.Peek(min(w.in.Buffered(), 28))
	return &permanentError{fmt.Errorf("it is no ZooKeeper server: it answered %q", string(head)+string(more))}
}

// handle takes a packet; what belongs to the library becomes rest.
func (w *wire) handle(packet []byte) error {
	r := jute.NewReader(packet[4:])
	if !w.live {
		r.Int32()
		timeout := time.Duration(r.Int32()) * time.Millisecond
		id := r.Int64()
		if r.Buffer(); r.Err() != nil {
			return w.stranger(packet[:4])
		}
		if err := w.s.established(w, id, timeout); err != nil {
			return err
		}
		w.rest = packet
		return nil
	}
	xid, zxid, code := r.Int32(), r.Int64(), r.Int32()
	switch {
	case xid == xidEvent:
		w.s.watches.event(w.epoch, packet[20:])
		return nil
	case xid == xidPing:
		return nil
	case xid < firstXid:
		w.rest = packet
		return nil
	}
	w.mu.Lock()
	req := w.pending[xid]
	delete(w.pending, xid)
	if req != nil {
		if w.clock.acknowledged(req.sentAt); req.abandoned {
			req = nil
		}
	}
	w.mu.Unlock()
	if zxid > 0 {
		w.s.lastZxid.Store(zxid)
	}
	if req == nil {
		return nil
	}
	req.reply = reply{zxid, code, packet[20:]}
	if req.onReply != nil {
		req.onReply(w, &req.reply)
	}
	close(req.done)
	if code == codeSessionExpired {
		w.s.end(expired(w.s.ID()))
	}
	return nil
}

// fail ends the connection, once; what waits for answers gets none. It does
// not block.
func (w *wire) fail(err error) {
	w.mu.Lock()
	if w.dead != nil {
		w.mu.Unlock()
		return
	}
	w.dead = err
	left := w.pending
	w.pending, w.queue = nil, nil
	w.wake.Signal()
	w.mu.Unlock()

	w.socket.Close()
	w.s.ended(w, err)
	for _, r := range left {
		r.err = err
		close(r.done)
	}
}
