package zkdev

import (
	"encoding/binary"
	"errors"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

var errHeader = errors.New("a packet without a request header")

// request carries out one packet of an established connection. An error means
// that the connection is to be closed without an answer.
func (s *Server) request(c *conn, packet []byte) error {
	r := jute.NewReader(packet)
	xid, op := r.Int32(), Op(r.Int32())
	if r.Err() != nil {
		return errHeader
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.dead() || s.closed {
		return nil
	}
	s.stats.received++
	c.stats.received++
	c.stats.begin(s.clock.Now())
	switch op {
	case OpAuth:
		return s.auth(c, xid, r)
	case OpSASL:
		// Without a login configuration the server answers with no token.
		s.reply(c, op, xid, OK, 0, func(w *jute.Writer) { w.Buffer(nil) })
		return nil
	}
	ss := c.session
	if ss == nil || s.sessions[ss.id] != ss {
		return nil // over already; its connection is being closed
	}
	s.touch(ss)

	fault := s.fault(c, op, path(op, r))
	defer fault.done()
	if fault.before(c) {
		return nil
	}
	if code, ok := fault.code(); ok {
		s.zxid++
		s.reply(c, op, xid, code, s.zxid, nil)
		return nil
	}
	h, known := handlers[op]
	if !known {
		// UnimplementedRequestProcessor answers and closes.
		s.log.Warn("unknown request", "type", int32(op), "client", c.remote())
		s.reply(c, op, xid, Unimplemented, -1, nil)
		c.finish()
		return nil
	}
	w := &jute.Writer{Buf: s.scratch.Buf[:0]}
	w.Buf = append(w.Buf, make([]byte, replyHeader)...)
	code := h(s, c, r, w)
	if r.Err() != nil {
		s.log.Warn("malformed request", "request", op, "client", c.remote(), "reason", r.Err())
	}
	if code != OK {
		w.Buf = w.Buf[:replyHeader]
	}
	if op == OpPing {
		xid = pingXid
	}
	binary.BigEndian.PutUint32(w.Buf, uint32(len(w.Buf)-4))
	binary.BigEndian.PutUint32(w.Buf[4:], uint32(xid))
	binary.BigEndian.PutUint64(w.Buf[8:], uint64(s.zxid))
	binary.BigEndian.PutUint32(w.Buf[16:], uint32(code))
	if cap(w.Buf) <= softBacklog {
		s.scratch.Buf = w.Buf
	}
	s.sent(c, op, xid)
	fault.answer(c, w.Buf)
	if op == OpCloseSession {
		c.finish()
	}
	return nil
}

const replyHeader = 4 + 16 // the packet's length, xid, zxid, error

// reply queues a reply whose body, if any, is written by body.
func (s *Server) reply(c *conn, op Op, xid int32, code Code, zxid int64, body func(*jute.Writer)) {
	w := &jute.Writer{}
	w.Frame(func() {
		w.Int32(xid)
		w.Int64(zxid)
		w.Int32(int32(code))
		if body != nil {
			body(w)
		}
	})
	s.sent(c, op, xid)
	c.send(w.Buf)
}

// sent counts a reply.
func (s *Server) sent(c *conn, op Op, xid int32) {
	now := s.clock.Now()
	s.stats.sent++
	s.stats.latency.add(now.Sub(c.stats.started))
	c.stats.sent++
	c.stats.done(op, xid, s.zxid, now)
}

// auth adds an identity to the connection; a refused one ends it
// (ZooKeeperServer.processPacket).
func (s *Server) auth(c *conn, xid int32, r *jute.Reader) error {
	r.Int32() // the type, always 0
	scheme, secret := r.String(), r.Buffer()
	code := AuthFailed
	if r.Err() == nil {
		code = s.login(c, scheme, secret)
	}
	s.reply(c, OpAuth, xid, code, 0, nil)
	if code != OK {
		s.stats.authFailed++
		s.log.Warn("authentication refused", "scheme", scheme, "client", c.remote())
		c.finish()
	}
	return nil
}

// path returns the path of the request that r stands before, without taking it
// off, for requests that begin with one.
func path(op Op, r *jute.Reader) string {
	switch op {
	case OpMulti, OpMultiRead, OpSetWatches, OpSetWatches2, OpPing, OpCloseSession, OpWhoAmI:
		return ""
	}
	peek := *r
	s, _ := peek.NullString()
	return s
}

// A handler carries out one request: it reads the record, and writes the body
// of the reply if it returns OK.
type handler func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code

var handlers map[Op]handler

func init() {
	handlers = map[Op]handler{
		OpCreate:               create(OpCreate),
		OpCreate2:              create(OpCreate2),
		OpCreateContainer:      create(OpCreateContainer),
		OpCreateTTL:            create(OpCreateTTL),
		OpDelete:               doDelete,
		OpSetData:              doSetData,
		OpSetACL:               doSetACL,
		OpCheck:                doCheck,
		OpMulti:                doMulti,
		OpMultiRead:            doMultiRead,
		OpExists:               doExists,
		OpGetData:              doGetData,
		OpGetACL:               doGetACL,
		OpGetChildren:          children(false),
		OpGetChildren2:         children(true),
		OpGetAllChildrenNumber: doGetAllChildrenNumber,
		OpGetEphemerals:        doGetEphemerals,
		OpSync:                 doSync,
		OpPing:                 func(*Server, *conn, *jute.Reader, *jute.Writer) Code { return OK },
		OpWhoAmI:               doWhoAmI,
		OpSetWatches:           setWatches(false),
		OpSetWatches2:          setWatches(true),
		OpAddWatch:             doAddWatch,
		OpCheckWatches:         doCheckWatches,
		OpRemoveWatches:        doRemoveWatches,
		OpCloseSession:         doCloseSession,
		OpReconfig:             doReconfig,
		OpDeleteContainer:      doDeleteContainer,
	}
}
