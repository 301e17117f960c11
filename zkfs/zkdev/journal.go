package zkdev

import (
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A journal is a file of all transactions since the last snapshot. Each is one
// packet: a checksum, the server's counters, and the changes in their order,
// as what became of znodes and sessions and not as requests, so that reading
// them needs no rules. It is written before the reply, in one piece; the end
// that a killed process left unfinished is dropped.
type journal struct {
	data string // the snapshot's file
	file *os.File
	err  error // of the first write that failed; there is no journal after it
}

// The changes of a transaction.
const (
	changePut     = 1 // a znode as it is now, its parent before it
	changeGone    = 2 // a path that is no more
	changeLive    = 3 // a session, new or with another time-out
	changeOver    = 4 // a session that has ended
	journalEnding = ".journal"
)

func (t *txn) put(n *node) {
	if t.s.journal == nil {
		return
	}
	t.record.Int32(changePut)
	t.record.String(n.path())
	writeNode(&t.record, n)
}

func (t *txn) gone(path string) {
	if t.s.journal == nil {
		return
	}
	t.record.Int32(changeGone)
	t.record.String(path)
}

func (t *txn) live(ss *session) {
	t.record.Int32(changeLive)
	writeSession(&t.record, ss)
}

func (t *txn) over(ss *session) {
	t.record.Int32(changeOver)
	writeSession(&t.record, ss)
}

// append writes a transaction. A nil journal is none.
func (j *journal) append(t *txn) {
	if j == nil || j.err != nil || len(t.record.Buf) == 0 {
		return
	}
	var w jute.Writer
	w.Frame(func() {
		w.Int32(int32(crc32.ChecksumIEEE(t.record.Buf)))
		w.Int64(t.s.zxid)
		w.Int64(t.s.nextID)
		w.Buf = append(w.Buf, t.record.Buf...)
	})
	if _, j.err = j.file.Write(w.Buf); j.err != nil {
		t.s.log.Error("the journal cannot be written; only a clean stop saves the tree now", "error", j.err)
	}
}

// open loads the snapshot and the journal, saves both as a new snapshot and
// begins a new journal.
func (s *Server) open(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	if err := s.load(file); err != nil {
		return err
	}
	b, err := os.ReadFile(file + journalEnding)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.replay(b)
	if err := s.save(file); err != nil {
		return err
	}
	f, err := os.Create(file + journalEnding)
	if err != nil {
		return err
	}
	s.journal = &journal{data: file, file: f}
	return nil
}

// finish saves the snapshot and removes the journal.
func (j *journal) finish(s *Server) error {
	j.close()
	if err := s.save(j.data); err != nil {
		return err
	}
	return os.Remove(j.data + journalEnding)
}

func (j *journal) close() {
	if j != nil {
		j.file.Close()
	}
}

// replay repeats transactions until the end of the journal or of what of it is
// whole.
func (s *Server) replay(b []byte) {
	for file := jute.NewReader(b); ; {
		r := jute.NewReader(file.Buffer())
		sum, zxid, nextID := r.Int32(), r.Int64(), r.Int64()
		changes := r.Rest()
		if file.Err() != nil || r.Err() != nil || sum != int32(crc32.ChecksumIEEE(changes)) {
			return
		}
		s.zxid, s.nextID = max(s.zxid, zxid), max(s.nextID, nextID)
		for r := jute.NewReader(changes); r.Len() > 0 && r.Err() == nil; {
			s.repeat(r)
		}
	}
}

func (s *Server) repeat(r *jute.Reader) {
	switch r.Int32() {
	case changePut:
		path := r.String()
		n := s.tree.find(path)
		if n != nil {
			readNode(r, n)
			return
		}
		n = &node{name: baseName(path)}
		readNode(r, n)
		if parent := s.tree.find(parentPath(path)); parent != nil && r.Err() == nil {
			s.tree.add(parent, n)
		}
	case changeGone:
		if n := s.tree.find(r.String()); n != nil && n.parent != nil {
			s.tree.remove(n)
		}
	case changeLive:
		s.readSession(r)
	case changeOver:
		id := r.Int64()
		r.Int64()
		delete(s.sessions, id)
	}
}
