package zkdev

import "github.com/lockform/lockform/zkfs/internal/jute"

// The requests that change something: each is a transaction.

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

// doCheck answers a check outside of a multi, which no client library sends. One
// that holds is answered here; a real server fails to write that reply.
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

// doCloseSession removes the session and its ephemerals; its own watches tell
// of them before the reply. The connection ends after the reply.
func doCloseSession(s *Server, c *conn, r *jute.Reader, w *jute.Writer) Code {
	ss := c.session
	ss.conn = nil
	s.end(ss)
	s.detach(c)
	return OK
}
