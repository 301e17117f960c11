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

// save writes the tree and the sessions. Server.mu is held, or the server has
// not started.
func (s *Server) save(file string) error {
	w := &jute.Writer{Buf: []byte(snapshotMagic)}
	w.Int64(s.zxid)
	w.Int64(s.nextID)
	w.Int64(s.secret)
	w.Int32(int32(len(s.sessions)))
	for _, id := range slices.SortedFunc(maps.Keys(s.sessions), cmp.Compare[int64]) {
		writeSession(w, s.sessions[id])
	}
	writeTree(w, s.tree.root)
	w.Int32(int32(crc32.ChecksumIEEE(w.Buf)))

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

func writeSession(w *jute.Writer, ss *session) {
	w.Int64(ss.id)
	w.Int64(int64(ss.timeout))
}

func writeTree(w *jute.Writer, n *node) {
	w.String(n.name)
	writeNode(w, n)
	w.Int32(int32(n.children.size))
	n.children.each(func(c *node) { writeTree(w, c) })
}

// writeNode writes what there is of a znode besides its name and children.
func writeNode(w *jute.Writer, n *node) {
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
}

const nodeSize = 4 + 4 + 4 + 8 + 5*8 + 3*4 // of what writeNode writes, at least

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
	content, ok := bytes.CutPrefix(b, []byte(snapshotMagic))
	if !ok || len(content) < 4 {
		return errSnapshot
	}
	if jute.NewReader(b[len(b)-4:]).Int32() != int32(crc32.ChecksumIEEE(b[:len(b)-4])) {
		return errSnapshot
	}
	r := jute.NewReader(content[:len(content)-4])
	s.zxid = max(s.zxid, r.Int64())
	s.nextID = max(s.nextID, r.Int64())
	s.secret = r.Int64()
	for range r.Count(16) {
		s.readSession(r)
	}
	t := &tree{ephemerals: map[int64]map[*node]struct{}{}, mortal: map[*node]struct{}{}}
	t.root = readTree(r, nil, t)
	if r.Err() != nil || r.Len() != 0 {
		return errSnapshot
	}
	s.tree = t
	return nil
}

func (s *Server) readSession(r *jute.Reader) {
	ss := &session{id: r.Int64(), timeout: time.Duration(r.Int64())}
	s.sessions[ss.id] = ss
	s.touch(ss)
}

func readTree(r *jute.Reader, parent *node, t *tree) *node {
	n := &node{name: r.String()}
	readNode(r, n)
	if parent != nil && r.Err() == nil {
		t.add(parent, n)
	}
	for range r.Count(4 + nodeSize) {
		readTree(r, n, t)
	}
	return n
}

func readNode(r *jute.Reader, n *node) {
	n.data, n.acl, n.kind, n.owner = r.Buffer(), readACL(r), nodeKind(r.Int32()), r.Int64()
	for _, v := range []*int64{&n.czxid, &n.mzxid, &n.pzxid, &n.ctime, &n.mtime} {
		*v = r.Int64()
	}
	for _, v := range []*int32{&n.version, &n.cversion, &n.aversion} {
		*v = r.Int32()
	}
	if len(n.acl) == 1 && n.acl[0] == openEntry {
		n.acl = openACL
	}
}
