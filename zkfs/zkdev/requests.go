package zkdev

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/lockform/lockform/zkfs"
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

// doReconfig refuses to change an ensemble that there is not; in the server
// the request must be enabled first.
func doReconfig(s *Server, _ *conn, r *jute.Reader, _ *jute.Writer) Code {
	for range 3 {
		r.NullString()
	}
	if r.Int64(); r.Err() != nil {
		return MarshallingError
	}
	s.zxid++
	return ReconfigDisabled
}

// doDeleteContainer refuses what the server asks of itself only. It takes the
// whole packet for the path, so that no client can mean a znode.
func doDeleteContainer(s *Server, _ *conn, _ *jute.Reader, _ *jute.Writer) Code {
	s.zxid++
	return BadArguments
}

// write runs a transaction of one operation and fires its watches. A failed
// one uses up a zxid too.
func (s *Server) write(c *conn, r *jute.Reader, f func(*txn) Code) Code {
	t := s.begin(c, c.session.id)
	if r.Err() != nil {
		return MarshallingError
	}
	code := f(t)
	if code == OK {
		t.commit()
	}
	return code
}

func readCreate(r *jute.Reader, op Op) createOp {
	m := createOp{op: op, path: r.String(), data: r.Buffer(), acl: readACL(r), flags: r.Int32(), ttl: -1}
	if op == OpCreateTTL {
		m.ttl = r.Int64()
	}
	return m
}

func create(op Op) handler {
	return func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
		m := readCreate(r, op)
		return s.write(c, r, func(t *txn) Code {
			n, code := t.create(m)
			if code != OK {
				return code
			}
			w.String(n.path())
			if op != OpCreate {
				n.stat().write(w)
			}
			return OK
		})
	}
}

func doDelete(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, version := r.String(), r.Int32()
	return s.write(c, r, func(t *txn) Code { return t.delete(path, version) })
}

func doSetData(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, data, version := r.String(), r.Buffer(), r.Int32()
	return s.write(c, r, func(t *txn) Code {
		n, code := t.setData(path, data, version)
		if code == OK {
			n.stat().write(w)
		}
		return code
	})
}

func doSetACL(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, acl, version := r.String(), readACL(r), r.Int32()
	return s.write(c, r, func(t *txn) Code {
		n, code := t.setACL(path, acl, version)
		if code == OK {
			n.stat().write(w)
		}
		return code
	})
}

// doCheck answers a check outside of a multi, which no client library sends.
func doCheck(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, version := r.String(), r.Int32()
	return s.write(c, r, func(t *txn) Code { return t.check(path, version) })
}

func doMulti(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	ops, reads, ok := readMulti(r)
	if !ok || reads {
		s.zxid++
		return MarshallingError
	}
	return s.multi(c, ops, w)
}

func doMultiRead(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	ops, reads, ok := readMulti(r)
	if !ok || len(ops) > 0 && !reads {
		return MarshallingError
	}
	s.multiRead(c, ops, w)
	return OK
}

// doExists needs no permission. Its watch is set on absent znodes too; it
// shares the table of those on data.
func doExists(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, watch := r.String(), r.Bool()
	switch {
	case r.Err() != nil:
		return MarshallingError
	case strings.IndexByte(path, 0) >= 0:
		return BadArguments
	}
	if watch {
		s.watches.data.add(c, path, oneTime)
	}
	n := s.tree.find(path)
	if n == nil {
		return NoNode
	}
	n.stat().write(w)
	return OK
}

// readable finds a znode that c may read; a refused read sets no watch.
func (s *Server) readable(c *conn, r *jute.Reader, path string) (*node, Code) {
	if r.Err() != nil {
		return nil, MarshallingError
	}
	n := s.tree.find(path)
	if n == nil {
		return nil, NoNode
	}
	if !allowed(n.acl, zkfs.Read, c.ids) {
		return nil, NoAuth
	}
	return n, OK
}

func doGetData(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, watch := r.String(), r.Bool()
	n, code := s.readable(c, r, path)
	if code != OK {
		return code
	}
	if watch {
		s.watches.data.add(c, path, oneTime)
	}
	w.Buffer(n.data)
	n.stat().write(w)
	return OK
}

func children(withStat bool) handler {
	return func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
		path, watch := r.String(), r.Bool()
		n, code := s.readable(c, r, path)
		if code != OK {
			return code
		}
		if watch {
			s.watches.child.add(c, path, oneTime)
		}
		w.Int32(int32(n.children.size))
		n.children.each(func(child *node) { w.String(child.name) })
		if withStat {
			n.stat().write(w)
		}
		return OK
	}
}

func doGetAllChildrenNumber(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	n, code := s.readable(c, r, path)
	if code != OK {
		return code
	}
	count := n.below()
	if path == "" {
		count++ // by that name, the root counts itself
	}
	w.Int32(int32(min(count, math.MaxInt32)))
	return OK
}

// doGetEphemerals lists the session's own ephemerals by a prefix of the path,
// whole elements or not.
func doGetEphemerals(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	prefix, _ := r.NullString()
	if r.Err() != nil {
		return MarshallingError
	}
	if p := strings.TrimSpace(prefix); p == "/" || p == "" {
		prefix = ""
	}
	var all []string
	for _, n := range s.tree.owned(c.session.id) {
		if p := n.path(); strings.HasPrefix(p, prefix) {
			all = append(all, p)
		}
	}
	w.Strings(all)
	return OK
}

// doGetACL needs READ or ADMIN; without ADMIN the password hashes are hidden.
func doGetACL(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	if r.Err() != nil {
		return MarshallingError
	}
	n := s.tree.find(path)
	switch {
	case n == nil:
		return NoNode
	case !allowed(n.acl, zkfs.Read|zkfs.Admin, c.ids):
		return NoAuth
	case allowed(n.acl, zkfs.Admin, c.ids):
		writeACL(w, n.acl)
	default:
		writeACL(w, redact(n.acl))
	}
	n.stat().write(w)
	return OK
}

// doSync has nothing to wait for: there is one server.
func doSync(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path := r.String()
	if r.Err() != nil {
		return MarshallingError
	}
	w.String(path)
	return OK
}

func doWhoAmI(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	w.Int32(int32(len(c.ids)))
	for _, id := range c.ids {
		w.String(id.Scheme)
		w.String(userName(id))
	}
	return OK
}

// setWatches reads setWatches, or setWatches2, which has two lists more.
func setWatches(two bool) handler {
	return func(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
		since := r.Int64()
		data, exist, child := r.Strings(), r.Strings(), r.Strings()
		var persist, recursive []string
		if two {
			persist, recursive = r.Strings(), r.Strings()
		}
		if r.Err() != nil {
			return MarshallingError
		}
		s.setWatches(c, since, data, exist, child, persist, recursive)
		return OK
	}
}

func doAddWatch(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, mode := r.String(), r.Int32()
	if r.Err() != nil || mode != 0 && mode != 1 {
		return MarshallingError
	}
	s.addWatch(c, path, persistentWatch+watchMode(mode))
	w.Int32(int32(OK)) // an ErrorResponse, of all things
	return OK
}

// The families of watches that a client can ask about (WatcherType).
const (
	watchChildren = 1
	watchData     = 2
	watchAny      = 3
)

func doCheckWatches(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, kind := r.String(), r.Int32()
	if r.Err() != nil || kind < watchChildren || kind > watchAny {
		return MarshallingError
	}
	child, data := NoWatcher, NoWatcher
	if kind != watchData {
		child = s.watches.child.contains(path)
	}
	if kind != watchChildren {
		data = s.watches.data.contains(path)
	}
	if child == NoWatcher || data == MarshallingError {
		return data
	}
	return child
}

func doRemoveWatches(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	path, kind := r.String(), r.Int32()
	if r.Err() != nil || kind < watchChildren || kind > watchAny {
		return MarshallingError
	}
	data := kind != watchChildren && s.watches.data.remove(c, path)
	child := kind != watchData && s.watches.child.remove(c, path)
	if !data && !child {
		return NoWatcher
	}
	return OK
}

// doCloseSession removes the session and its ephemerals; its own watches tell
// of them before the reply. The connection ends after the reply.
func doCloseSession(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	ss := c.session
	ss.conn = nil
	s.end(ss)
	s.detach(c)
	return OK
}
