package zkconn

import (
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// decode hands the record of a successful answer to read, and returns the
// server's error otherwise.
func (a *reply) decode(read func(*jute.Reader)) error {
	if a.code != codeOK {
		return codeError(a.code)
	}
	if read == nil {
		return nil
	}
	r := jute.NewReader(a.body)
	read(r)
	if err := r.Err(); err != nil {
		return fmt.Errorf("%w: the server's answer makes no sense: %w", zkfs.ErrOutcomeUnknown, err)
	}
	return nil
}

func readStat(r *jute.Reader) zkfs.Stat {
	return zkfs.Stat{
		Czxid: r.Int64(), Mzxid: r.Int64(),
		Ctime: time.UnixMilli(r.Int64()), Mtime: time.UnixMilli(r.Int64()),
		Version: r.Int32(), Cversion: r.Int32(), Aversion: r.Int32(),
		EphemeralOwner: r.Int64(), DataLength: r.Int32(), NumChildren: r.Int32(), Pzxid: r.Int64(),
	}
}

func readACL(r *jute.Reader) zkfs.ACL {
	n := r.Count(12)
	acl := make(zkfs.ACL, 0, n)
	for range n {
		perms := zkfs.Perms(r.Int32())
		acl = append(acl, zkfs.Entry{Perms: perms, Identity: zkfs.Identity{Scheme: r.String(), ID: r.String()}})
	}
	return acl
}

func writeACL(w *jute.Writer, acl zkfs.ACL) {
	w.Int32(int32(len(acl)))
	for _, e := range acl {
		w.Int32(int32(e.Perms))
		w.String(e.Scheme)
		w.String(e.ID)
	}
}

// writeData writes no data as an empty buffer: a null comes back as null, on
// which other clients fail.
func writeData(w *jute.Writer, data []byte) {
	if data == nil {
		data = []byte{}
	}
	w.Buffer(data)
}

func (s *Session) writeCreate(w *jute.Writer, path zkfs.Path, data []byte, acl zkfs.ACL, mode zkfs.CreateMode) {
	s.writePath(w, path)
	writeData(w, data)
	writeACL(w, acl)
	w.Int32(int32(mode))
}

func (s *Session) writeVersioned(w *jute.Writer, path zkfs.Path, version int32) {
	s.writePath(w, path)
	w.Int32(version)
}

func writeMultiHeader(w *jute.Writer, kind int32, done bool) {
	w.Int32(kind)
	w.Bool(done)
	w.Int32(-1)
}

func readMultiHeader(r *jute.Reader) (kind int32, done bool) {
	kind, done = r.Int32(), r.Bool()
	r.Int32()
	return kind, done
}

// multiRequest makes the request of a transaction.
func (s *Session) multiRequest(ops []zkfs.Op) (*request, error) {
	size := 64
	for i, op := range ops {
		err := absolute(op.Path)
		if err == nil && (op.Kind < zkfs.OpCreate || op.Kind > zkfs.OpCheck) {
			err = fmt.Errorf("%w: %v is no operation", zkfs.ErrBadArguments, op.Kind)
		}
		if err != nil {
			return nil, &zkfs.MultiError{Index: i, Op: op, Err: err}
		}
		size += 32 + len(s.chroot) + len(op.Path) + len(op.Data)
		for _, e := range op.ACL {
			size += 12 + len(e.Scheme) + len(e.ID)
		}
	}
	return newSizedRequest(opMulti, size, func(w *jute.Writer) {
		for _, op := range ops {
			switch op.Kind {
			case zkfs.OpCreate:
				writeMultiHeader(w, opCreate, false)
				s.writeCreate(w, op.Path, op.Data, op.ACL, op.Mode)
			case zkfs.OpSet:
				writeMultiHeader(w, opSetData, false)
				s.writePath(w, op.Path)
				writeData(w, op.Data)
				w.Int32(op.Version)
			case zkfs.OpDelete:
				writeMultiHeader(w, opDelete, false)
				s.writeVersioned(w, op.Path, op.Version)
			case zkfs.OpCheck:
				writeMultiHeader(w, opCheck, false)
				s.writeVersioned(w, op.Path, op.Version)
			}
		}
		writeMultiHeader(w, -1, true)
	}), nil
}

// multiResults reads the answer to a transaction. The error of a refused one
// is a *zkfs.MultiError: the server marks the operations before the one that
// failed with zero, those after it with an inconsistency.
func (s *Session) multiResults(ops []zkfs.Op, a *reply) ([]zkfs.Result, error) {
	results := make([]zkfs.Result, 0, len(ops))
	var refused, after error
	r := jute.NewReader(a.body)
	for r.Len() > 0 && len(results) < len(ops) {
		kind, done := readMultiHeader(r)
		if done || r.Err() != nil {
			break
		}
		i := len(results)
		result := zkfs.Result{Zxid: a.zxid}
		switch kind {
		case opCreate:
			result.Path = s.clientPath(r.String())
		case opSetData:
			result.Stat = readStat(r)
		case opError:
			switch code := r.Int32(); {
			case code == codeOK || refused != nil:
			case code == codeInconsistent:
				if after == nil {
					after = &zkfs.MultiError{Index: i, Op: ops[i], Err: zkfs.ErrRolledBack}
				}
			default:
				refused = &zkfs.MultiError{Index: i, Op: ops[i], Err: codeError(code)}
			}
		}
		results = append(results, result)
	}
	switch {
	case refused != nil:
		return nil, refused
	case after != nil:
		return nil, after
	case a.code != codeOK:
		return nil, codeError(a.code)
	case r.Err() != nil || len(results) < len(ops):
		return nil, fmt.Errorf("%w: the server answered %d of %d operations", zkfs.ErrOutcomeUnknown, len(results), len(ops))
	}
	return results, nil
}
