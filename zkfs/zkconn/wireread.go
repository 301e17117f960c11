package zkconn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// Read gives the library its packets and handles all others. That the last
// connection has ended is told when the library has given it up, as it does when
// its Close cannot be sent: earlier, it would make another one.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		packet, err := w.packet()
		if err == nil {
			err = w.handle(packet)
		}
		if err != nil {
			w.fail(err)
			if w.s.endedOn(w) {
				<-w.given
			}
			return 0, err
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

// endedOn reports whether the session ended on this connection.
func (s *Session) endedOn(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last == w
}

// packet reads one packet with its length before it.
func (w *wire) packet() ([]byte, error) {
	var head [4]byte
	if err := w.fill(head[:]); err != nil {
		return nil, err
	}
	size := int(int32(binary.BigEndian.Uint32(head[:])))
	if !w.live && (size < 16 || size > maxHello) {
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

// greets reports whether the xid is that of a request that went out together with
// the one for the session. A server on Netty, as for TLS, answers a credential
// before it gives the session.
func (w *wire) greets(xid int32) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ours := w.pending[xid]
	return ours && xid >= firstXid
}

// handle takes a packet; what belongs to the library becomes rest.
func (w *wire) handle(packet []byte) error {
	r := jute.NewReader(packet[4:])
	if !w.live {
		if w.greets(r.Int32()) {
			w.early = append(w.early, packet)
			return nil
		}
		timeout := time.Duration(r.Int32()) * time.Millisecond
		id := r.Int64()
		if r.Buffer(); r.Err() != nil {
			return w.stranger(packet[:4])
		}
		if err := w.s.established(w, id, timeout); err != nil {
			return err
		}
		w.rest = packet
		for _, p := range w.early {
			if err := w.handle(p); err != nil {
				return err
			}
		}
		w.early = nil
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
