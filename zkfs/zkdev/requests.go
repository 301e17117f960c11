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
	ss := c.session
	if c.dead() || s.closed || s.sessions[ss.id] != ss {
		return nil // over already; the connection is being closed
	}
	s.stats.received++
	c.stats.received++
	c.stats.begin(s.clock.Now())
	if op != OpAuth && op != OpSASL { // which belong to the connection
		s.touch(ss)
	}
	f := s.fault(c, op, r)
	defer f.done()
	if f.before(c) {
		return nil
	}
	rep := reply{xid: xid, body: jute.Writer{Buf: append(s.scratch.Buf[:0], make([]byte, replyHeader)...)}}
	if code, failed := f.code(); failed {
		s.zxid++
		rep.code, rep.zxid = code, s.zxid
	} else {
		s.answer(c, op, r, &rep)
	}
	if r.Err() != nil {
		s.log.Warn("malformed request", "request", op, "client", c.remote(), "reason", r.Err())
	}
	s.stats.sent++
	c.stats.sent++
	s.stats.latency.add(c.stats.done(op, xid, s.zxid, s.clock.Now()))
	f.send(c, rep.packet())
	if rep.last {
		c.finish()
	}
	if cap(rep.body.Buf) <= softBacklog {
		s.scratch.Buf = rep.body.Buf
	}
	return nil
}

// A reply is what a request is answered with.
type reply struct {
	xid  int32
	zxid int64
	code Code
	body jute.Writer // after room for the header
	last bool        // the connection ends after it
}

const replyHeader = 4 + 16 // the packet's length, xid, zxid, error

// packet returns the reply as it goes over the wire; an error has no body.
func (rep *reply) packet() []byte {
	b := rep.body.Buf
	if rep.code != OK {
		b = b[:replyHeader]
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	binary.BigEndian.PutUint32(b[4:], uint32(rep.xid))
	binary.BigEndian.PutUint64(b[8:], uint64(rep.zxid))
	binary.BigEndian.PutUint32(b[16:], uint32(rep.code))
	return b
}

// answer carries out a request and fills in its reply.
func (s *Server) answer(c *conn, op Op, r *jute.Reader, rep *reply) {
	switch op {
	case OpAuth: // ZooKeeperServer.processPacket
		r.Int32() // the type, always 0
		scheme, secret := r.String(), r.Buffer()
		rep.code = AuthFailed
		if r.Err() == nil {
			rep.code = s.login(c, scheme, secret)
		}
		if rep.code != OK {
			s.stats.authFailed++
			s.log.Warn("authentication refused", "scheme", scheme, "client", c.remote())
			rep.last = true
		}
		return
	case OpSASL: // without a login configuration there is no token
		rep.body.Buffer(nil)
		return
	case OpPing:
		rep.xid = pingXid
	case OpCloseSession:
		rep.last = true
	}
	h, known := handlers[op]
	if !known { // UnimplementedRequestProcessor
		s.log.Warn("unknown request", "type", int32(op), "client", c.remote())
		rep.code, rep.zxid, rep.last = Unimplemented, -1, true
		return
	}
	rep.code = h(s, c, r, &rep.body)
	rep.zxid = s.zxid
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
