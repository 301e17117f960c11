package zkdev

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lockform/lockform/zkfs/internal/jute"
)

// A snapshot is a file in a format of its own: a line that names it, the
// server's counters, the sessions, the znodes from the root downwards, and a
// checksum of all of that. It is written beside the file and moved over it, so
// that the file is always a whole one.
const snapshotMagic = "lockform-dev snapshot 1\n"

var errSnapshot = errors.New("it is not a snapshot of this server, or it is damaged")

// save writes the tree and the sessions. All connections have ended.
func (s *Server) save(file string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &jute.Writer{Buf: []byte(snapshotMagic)}
	w.Int64(s.zxid)
	w.Int64(s.nextID)
	w.Int64(s.secret)
	w.Int32(int32(len(s.sessions)))
	for _, id := range slices.SortedFunc(maps.Keys(s.sessions), cmp.Compare[int64]) {
		w.Int64(id)
		w.Int64(int64(s.sessions[id].timeout))
	}
	writeNode(w, s.tree.root)
	w.Int32(int32(crc32.ChecksumIEEE(w.Buf)))

	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(w.Buf)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

func writeNode(w *jute.Writer, n *node) {
	w.String(n.name)
	w.Buffer(n.data)
	writeACL(w, n.acl)
	w.Int32(int32(n.kind))
	w.Int64(n.owner)
	for _, v := range []int64{n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime} {
		w.Int64(v)
	}
	for _, v := range []int32{n.version, n.cversion, n.aversion} {
		w.Int32(v)
	}
	w.Int32(int32(n.children.size))
	n.children.each(func(c *node) { writeNode(w, c) })
}

// load reads what save wrote; a file that does not exist is an empty tree. A
// session starts its time-out anew.
func (s *Server) load(file string) error {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.restore(b); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (s *Server) restore(b []byte) error {
	b, ok := bytes.CutPrefix(b, []byte(snapshotMagic))
	if !ok || len(b) < 4 {
		return errSnapshot
	}
	sum := crc32.Update(crc32.ChecksumIEEE([]byte(snapshotMagic)), crc32.IEEETable, b[:len(b)-4])
	if jute.NewReader(b[len(b)-4:]).Int32() != int32(sum) {
		return errSnapshot
	}
	r := jute.NewReader(b[:len(b)-4])
	s.zxid = max(s.zxid, r.Int64())
	s.nextID = max(s.nextID, r.Int64())
	s.secret = r.Int64()
	for range r.Count(16) {
		ss := &session{id: r.Int64(), timeout: time.Duration(r.Int64())}
		s.sessions[ss.id] = ss
		s.touch(ss)
	}
	t := newTree()
	*t = tree{ephemerals: t.ephemerals, mortal: t.mortal}
	t.root = readNode(r, nil, t)
	if r.Err() != nil || r.Len() != 0 {
		return errSnapshot
	}
	s.tree = t
	return nil
}

func readNode(r *jute.Reader, parent *node, t *tree) *node {
	n := &node{name: r.String(), data: r.Buffer(), acl: readACL(r), kind: nodeKind(r.Int32()), owner: r.Int64()}
	for _, v := range []*int64{&n.czxid, &n.mzxid, &n.pzxid, &n.ctime, &n.mtime} {
		*v = r.Int64()
	}
	for _, v := range []*int32{&n.version, &n.cversion, &n.aversion} {
		*v = r.Int32()
	}
	if len(n.acl) == 1 && n.acl[0] == openEntry {
		n.acl = openACL
	}
	if parent != nil && r.Err() == nil {
		t.add(parent, n)
	}
	for range r.Count(80) {
		readNode(r, n, t)
	}
	return n
}
