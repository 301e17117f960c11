package zkconn

import (
	"bufio"
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
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
	// inline is how much a caller writes itself when nothing is under way: the
	// server has read all that was sent before, so that the socket takes it
	// without blocking. It saves a change of goroutines on the way of a request.
	inline = 4 << 10
	// keptQueue is how many places of an empty queue are kept.
	keptQueue = 256
	// firstXid begins the range of our own requests. The library counts from 1
	// and sends none but pings.
	firstXid int32 = 1 << 30
)

// The xids that the protocol reserves.
const (
	xidEvent int32 = -1
	xidPing  int32 = -2
)

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
	// early holds answers to what greets the server that came before the session.
	early [][]byte

	greeted *greeting // what goes out with the connect request; nil for nothing

	mu      sync.Mutex
	wake    sync.Cond // writeLoop has something to do, or the wire is dead
	writing bool      // somebody is in write
	queue   []*request
	buf     []byte // of whoever is in write
	pending map[int32]*request
	nextXid int32
	dead    error
	give    sync.Once
	given   chan struct{} // closed when the library gives the connection up
	live    bool          // it has the session
	epoch   uint64
	hello   Instant       // when the connect request was sent
	timeout time.Duration // negotiated
	clock   sendClock
}

func newWire(s *Session, host string, conn, socket net.Conn, born, limit time.Time) *wire {
	w := &wire{
		Conn: conn, socket: socket, s: s, host: host, born: born, limit: limit,
		in: bufio.NewReaderSize(conn, 16<<10), pending: make(map[int32]*request), nextXid: firstXid,
		given: make(chan struct{}), greeted: s.greeting(),
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
	w.give.Do(func() { close(w.given) })
	return nil
}

// Write queues a packet of the library, which writes each in one call: the
// connect request, then pings. What greets a server goes out with the connect
// request.
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
	if r.op == opConnect && w.greeted != nil {
		w.enqueue(w.greeted.all)
	}
	w.wake.Signal()
	return len(p), nil
}

// send sends requests, in this order with nothing of ours between them. It writes
// them itself when nothing is under way, so that no lock may be held that the
// end of the connection takes. It reports false when the connection has ended.
func (w *wire) send(rs ...*request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead != nil {
		return false
	}
	idle := w.live && !w.writing && len(w.queue) == 0 && len(w.pending) == 0
	if size := w.enqueue(rs); idle && size <= inline {
		w.write()
	} else {
		w.wake.Signal()
	}
	return true
}

// post is send, and leaves the writing to the wire.
func (w *wire) post(rs ...*request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead == nil {
		w.enqueue(rs)
		w.wake.Signal()
	}
}

// enqueue gives requests their xids, queues them and returns their size. w.mu is
// held.
func (w *wire) enqueue(rs []*request) (size int) {
	for _, r := range rs {
		size += len(r.frame)
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
	return size
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
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.dead == nil {
		if w.writing || len(w.queue) == 0 {
			w.wake.Wait()
			continue
		}
		w.write()
	}
}

// write sends the first of what is queued, as much as goes out at once. w.mu is
// held before and after, and not meanwhile.
func (w *wire) write() {
	w.writing = true
	buf := w.buf[:0]
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
	if w.queue = slices.Delete(w.queue, 0, n); len(w.queue) == 0 && cap(w.queue) > keptQueue {
		w.queue = nil
	}
	limit := w.limit
	if w.live {
		limit = time.Now().Add(w.patience())
	}
	w.mu.Unlock()

	_ = w.Conn.SetWriteDeadline(limit)
	_, err := w.Conn.Write(buf)
	if err != nil {
		w.fail(err)
	}

	w.mu.Lock()
	w.writing = false
	if w.buf = buf; cap(buf) > 2*batch {
		w.buf = nil
	}
	if len(w.queue) > 0 {
		w.wake.Signal()
	}
}

// patience is how long the server may be silent: two of the library's pings.
func (w *wire) patience() time.Duration { return w.timeout * 2 / 3 }

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
	for _, xid := range slices.Sorted(maps.Keys(left)) { // in the order of asking
		r := left[xid]
		r.err = err
		close(r.done)
	}
}
