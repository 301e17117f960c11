package zkconn

import (
	"testing"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
)

// Whatever a server answers, reading it ends, and what was not understood is
// an error.
func FuzzReplies(f *testing.F) {
	ops := []zkfs.Op{{Kind: zkfs.OpCreate, Path: "/a"}, {Kind: zkfs.OpSet, Path: "/a"}, {Kind: zkfs.OpCheck, Path: "/b"}}
	var ok jute.Writer
	writeMultiHeader(&ok, opCreate, false)
	ok.String("/a")
	writeMultiHeader(&ok, opSetData, false)
	ok.Buf = append(ok.Buf, make([]byte, 68)...)
	writeMultiHeader(&ok, opCheck, false)
	writeMultiHeader(&ok, -1, true)
	f.Add(int32(0), ok.Buf)
	var refused jute.Writer
	for _, code := range []int32{0, -103, -2} {
		writeMultiHeader(&refused, opError, false)
		refused.Int32(code)
	}
	f.Add(int32(0), refused.Buf)
	f.Add(int32(-101), []byte(nil))
	var event jute.Writer
	event.Int32(2)
	event.Int32(3)
	event.String("/chroot/a")
	f.Add(int32(0), event.Buf)

	s := &Session{chroot: "/chroot"}
	f.Fuzz(func(t *testing.T, code int32, body []byte) {
		a := &reply{zxid: 7, code: code, body: body}
		if results, err := s.multiResults(ops, a); err == nil && len(results) != len(ops) {
			t.Fatalf("%d results for %d operations", len(results), len(ops))
		}
		err := a.decode(func(r *jute.Reader) { readACL(r); readStat(r); r.Strings() })
		if code != 0 && err == nil {
			t.Fatalf("code %d is no error", code)
		}
		node := zkfs.Node{Path: "/a"}
		bundle := []partRead{{opGetData, zkfs.PartData, &node}, {opChildren, zkfs.PartChildren, &node}}
		if err := takeBundle(bundle, a); err == nil && !node.Absent && node.Denied == 0 && node.Children == nil {
			t.Fatalf("no error and no children: %+v", node)
		}
		var table watchTable
		table.chroot = s.chroot
		w := table.add(watchKey{watchData, "/chroot/a"}, 1)
		table.event(1, body)
		select {
		case ev, ok := <-w.C:
			if !ok || ev.Path != "/a" || ev.Type != Deleted && ev.Type != Changed {
				t.Fatalf("event %+v, %v", ev, ok)
			}
		default:
		}
	})
}
