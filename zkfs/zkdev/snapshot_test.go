package zkdev_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// everything returns the replies that show the whole tree.
func everything(t *testing.T, w *wire) string {
	t.Helper()
	var all []string
	var walk func(path string)
	walk = func(path string) {
		d, _ := w.call(t, zkdev.OpGetData, watchBody(path, false))
		a, _ := w.call(t, zkdev.OpGetACL, pathBody(path))
		all = append(all, fmt.Sprintf("%s data %x ACL %x", path, d.body.Rest(), a.body.Rest()))
		c, _ := w.call(t, zkdev.OpGetChildren, watchBody(path, false))
		for _, name := range sorted(c.body) {
			walk(zkfs.Path(path).Join(name).String())
		}
	}
	walk("/")
	return strings.Join(all, "\n")
}

// fill makes a tree with one of everything, and a session that lives on.
func fill(t *testing.T, s *zkdev.Server) *wire {
	t.Helper()
	w := newWire(t, s.Addr())
	for _, r := range []part{
		{zkdev.OpAuth, authBody("digest", "u:p")},
		{zkdev.OpCreate, createBody("/a", nil, zkfs.Open(), 0)},
		{zkdev.OpCreate, createBody("/a/empty", []byte{}, zkfs.Open(), 0)},
		{zkdev.OpCreate, createBody("/a/mine", []byte("x"), zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}, 0)},
		{zkdev.OpCreate, createBody("/a/e-", nil, zkfs.Open(), 3)},
		{zkdev.OpCreate, createBody("/a/gone", nil, zkfs.Open(), 0)},
		{zkdev.OpDelete, versionBody("/a/gone", -1)},
		{zkdev.OpCreateContainer, createBody("/container", nil, zkfs.Open(), 4)},
		{zkdev.OpCreateTTL, createTTLBody("/ttl", nil, zkfs.Open(), 5, 1<<30)},
		{zkdev.OpSetData, setBody("/a", []byte("new"), -1)},
		{zkdev.OpSetACL, setACLBody("/ttl", zkfs.ReadOnly(), -1)},
		{zkdev.OpMulti, multiBody(part{zkdev.OpCreate, createBody("/m", nil, zkfs.Open(), 0)}, part{zkdev.OpCreate, createBody("/m/1", nil, zkfs.Open(), 0)}, part{zkdev.OpDelete, versionBody("/m/1", -1)})},
		{zkdev.OpMulti, multiBody(part{zkdev.OpCreate, createBody("/rolled-back", nil, zkfs.Open(), 0)}, part{zkdev.OpDelete, versionBody("/none", -1)})},
	} {
		if p, _ := w.call(t, r.op, r.body); p.code != zkdev.OK {
			t.Fatalf("%v: %d", r.op, p.code)
		}
	}
	other := newWire(t, s.Addr()) // closed, with its ephemeral
	other.call(t, zkdev.OpCreate, createBody("/a/others", nil, zkfs.Open(), 1))
	other.call(t, zkdev.OpCloseSession, nil)
	return w
}

// revived checks that a server started from file has the tree and the session
// of before.
func revived(t *testing.T, file string, before string, w *wire) *zkdev.Server {
	t.Helper()
	s := serve(t, zkdev.Config{Data: file})
	n, err := openWire(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	n.session, n.password = w.session, w.password
	if err := n.connect(30_000, 0); err != nil || n.session != w.session {
		t.Fatalf("the session was not renewed: %v", err)
	}
	n.call(t, zkdev.OpAuth, authBody("digest", "u:p"))
	if after := everything(t, n); after != before {
		t.Errorf("the tree was\n%s\nand is\n%s", before, after)
	}
	p, _ := n.call(t, zkdev.OpGetEphemerals, pathBody("/"))
	if got := p.body.Strings(); !slices.Equal(got, []string{"/a/e-0000000002"}) {
		t.Errorf("ephemerals %q", got)
	}
	return s
}

func TestSnapshotKeepsTheTreeAndItsSessions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "tree")
	s := serve(t, zkdev.Config{Data: file})
	w := fill(t, s)
	before := everything(t, w)
	last, _ := w.call(t, zkdev.OpPing, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = revived(t, file, before, w)
	if p, _ := newWire(t, s.Addr()).call(t, zkdev.OpPing, nil); p.zxid <= last.zxid {
		t.Errorf("zxid %d after %d", p.zxid, last.zxid)
	}
	if left, _ := filepath.Glob(filepath.Dir(file) + "/*"); len(left) != 2 { // the snapshot, the new journal
		t.Errorf("files %q", left)
	}
}

// What a killed process leaves behind is its last snapshot and the journal.
func TestJournalKeepsWhatAKilledProcessCouldNotSave(t *testing.T) {
	file, copied := filepath.Join(t.TempDir(), "tree"), filepath.Join(t.TempDir(), "tree")
	s := serve(t, zkdev.Config{Data: file})
	w := fill(t, s)
	before := everything(t, w)
	copyFile(t, file, copied, nil)
	copyFile(t, file+".journal", copied+".journal", []byte{0, 0, 0, 99, 1, 2, 3}) // and half a transaction
	revived(t, copied, before, w)
}

func copyFile(t *testing.T, from, to string, more []byte) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, append(b, more...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedSnapshotIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tree")
	s := serve(t, zkdev.Config{Data: file})
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	for name, b := range map[string][]byte{"Flipped": flipped, "Cut": good[:len(good)-9], "Empty": {}, "Other": []byte("tickTime=2000\n")} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := zkdev.Start(zkdev.Config{Data: file})
			if err == nil {
				s.Close()
				t.Fatal("it was loaded")
			}
			if !strings.Contains(err.Error(), file) {
				t.Errorf("the error does not name the file: %v", err)
			}
			if now, _ := os.ReadFile(file); !bytes.Equal(now, b) {
				t.Error("the file was changed")
			}
		})
	}
}
