package zkdev

import (
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A multiOp is one operation of a multi, as MultiOperationRecord reads it.
type multiOp struct {
	op      Op
	create  createOp
	path    string
	data    []byte
	version int32
}

// readMulti reads the operations of a multi or a multiRead. Everything that
// does not belong there, and reads mixed with writes, is a malformed record.
func readMulti(r *jute.Reader) (ops []multiOp, reads bool, ok bool) {
	for {
		op, done, _ := Op(r.Int32()), r.Bool(), r.Int32()
		if r.Err() != nil {
			return nil, false, false
		}
		if done {
			return ops, reads, true
		}
		m := multiOp{op: op}
		read := false
		switch op {
		case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
			m.create = readCreate(r, op)
			m.path = m.create.path
			m.op = createInMulti(m.create)
			m.create.op = m.op
		case OpDelete, OpCheck:
			m.path, m.version = r.String(), r.Int32()
		case OpSetData:
			m.path, m.data, m.version = r.String(), r.Buffer(), r.Int32()
		case OpGetData, OpGetChildren:
			m.path, read = r.String(), true
			r.Bool() // a watch cannot be set here
		default:
			return nil, false, false
		}
		if r.Err() != nil || len(ops) > 0 && read != reads {
			return nil, false, false
		}
		reads = read
		ops = append(ops, m)
	}
}

// createInMulti returns the type that a create has within a multi: its flags
// decide there (Op.create), and create2 is a create, whose result has no Stat.
// The flags of a TTL in a record that has none are an opError, which fails as
// Java's cast does: not before its turn, and with the whole request.
func createInMulti(r createOp) Op {
	switch r.flags {
	case flagTTL, flagTTLSequential:
		if r.op != OpCreateTTL {
			return opError
		}
		return OpCreateTTL
	case flagContainer:
		return OpCreateContainer
	}
	return OpCreate
}

// multi carries out all operations or none. The reply lists their results, or
// zeros, the error, and RuntimeInconsistency for what came after it; the error
// in the reply's header stays zero.
func (s *Server) multi(c *conn, ops []multiOp, w *jute.Writer) Code {
	t := s.begin(c, c.session.id)
	results := jute.Writer{}
	for i, m := range ops {
		code := t.step(m, &results)
		if code == OK {
			continue
		}
		t.rollback()
		if code == MarshallingError {
			return code
		}
		for j := range ops {
			switch {
			case j < i:
				multiError(w, OK)
			case j == i:
				multiError(w, code)
			default:
				multiError(w, RuntimeInconsistency)
			}
		}
		multiEnd(w)
		return OK
	}
	t.commit()
	w.Buf = append(w.Buf, results.Buf...)
	multiEnd(w)
	return OK
}

// step carries out one operation and writes its result.
func (t *txn) step(m multiOp, w *jute.Writer) Code {
	switch m.op {
	case OpCreate:
		m.create.ttl = -1
		n, code := t.create(m.create)
		if code != OK {
			return code
		}
		multiHeader(w, OpCreate)
		w.String(n.path())
	case OpCreateContainer, OpCreateTTL:
		if m.op == OpCreateContainer {
			m.create.ttl = -1
		}
		n, code := t.create(m.create)
		if code != OK {
			return code
		}
		multiHeader(w, OpCreate2)
		w.String(n.path())
		n.stat().write(w)
	case OpDelete:
		if code := t.delete(m.path, m.version); code != OK {
			return code
		}
		multiHeader(w, OpDelete)
	case OpSetData:
		n, code := t.setData(m.path, m.data, m.version)
		if code != OK {
			return code
		}
		multiHeader(w, OpSetData)
		n.stat().write(w)
	case OpCheck:
		if code := t.check(m.path, m.version); code != OK {
			return code
		}
		multiHeader(w, OpCheck)
	default:
		return MarshallingError
	}
	return OK
}

// multiRead answers each read for itself; one that fails does not hinder the
// others.
func (s *Server) multiRead(c *conn, ops []multiOp, w *jute.Writer) {
	for _, m := range ops {
		n := s.tree.find(m.path)
		switch {
		case n == nil:
			multiError(w, NoNode)
		case !allowed(n.acl, zkfs.Read, c.ids):
			multiError(w, NoAuth)
		case m.op == OpGetData:
			multiHeader(w, OpGetData)
			w.Buffer(n.data)
			n.stat().write(w)
		default:
			multiHeader(w, OpGetChildren)
			w.Strings(n.children.names())
		}
	}
	multiEnd(w)
}

func multiHeader(w *jute.Writer, op Op) {
	w.Int32(int32(op))
	w.Bool(false)
	w.Int32(0)
}

func multiError(w *jute.Writer, code Code) {
	w.Int32(int32(opError))
	w.Bool(false)
	w.Int32(int32(code))
	w.Int32(int32(code))
}

func multiEnd(w *jute.Writer) {
	w.Int32(int32(opError))
	w.Bool(true)
	w.Int32(-1)
}
