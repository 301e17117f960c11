package zkdev_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// describe writes a packet so that those of two servers can be compared.
func (s *side) describe(op zkdev.Op, p packet) string {
	var b strings.Builder
	fmt.Fprintf(&b, "xid %d zxid %s code %d", p.xid, s.zxid(p.zxid), p.code)
	r := p.body
	switch {
	case p.xid == -1:
		fmt.Fprintf(&b, " event %d state %d %q", r.Int32(), r.Int32(), r.String())
	case p.code != zkdev.OK:
	default:
		s.reply(&b, op, r)
	}
	if r.Err() != nil {
		fmt.Fprintf(&b, " malformed: %v", r.Err())
	}
	if r.Len() > 0 {
		fmt.Fprintf(&b, " and %d bytes more", r.Len())
	}
	return b.String()
}

func (s *side) reply(b *strings.Builder, op zkdev.Op, r *jute.Reader) {
	switch op {
	case zkdev.OpCreate, zkdev.OpSync:
		fmt.Fprintf(b, " %q", r.String())
	case zkdev.OpCreate2, zkdev.OpCreateContainer, zkdev.OpCreateTTL:
		fmt.Fprintf(b, " %q %s", r.String(), s.stat(r))
	case zkdev.OpExists, zkdev.OpSetData, zkdev.OpSetACL:
		b.WriteString(s.stat(r))
	case zkdev.OpGetData:
		data := r.Buffer()
		fmt.Fprintf(b, " %q nil=%v %s", data, data == nil, s.stat(r))
	case zkdev.OpGetACL: // where "auth" was expanded, its identities come in no order
		var acl []string
		for range r.Int32() {
			acl = append(acl, fmt.Sprintf("%d:%q:%q", r.Int32(), r.String(), r.String()))
		}
		slices.Sort(acl)
		fmt.Fprintf(b, " %s %s", acl, s.stat(r))
	case zkdev.OpGetChildren:
		fmt.Fprintf(b, " %q", sorted(r))
	case zkdev.OpGetChildren2:
		fmt.Fprintf(b, " %q %s", sorted(r), s.stat(r))
	case zkdev.OpGetEphemerals:
		fmt.Fprintf(b, " %q", sorted(r))
	case zkdev.OpGetAllChildrenNumber, zkdev.OpAddWatch:
		fmt.Fprintf(b, " %d", r.Int32())
	case zkdev.OpWhoAmI:
		var ids []string
		for range r.Int32() {
			ids = append(ids, fmt.Sprintf("%q:%q", r.String(), r.String()))
		}
		slices.Sort(ids)
		fmt.Fprint(b, ids)
	case zkdev.OpMulti, zkdev.OpMultiRead:
		for r.Err() == nil {
			op, done, code := zkdev.Op(r.Int32()), r.Bool(), r.Int32()
			fmt.Fprintf(b, " [%d %v %d", op, done, code)
			switch {
			case done:
				b.WriteString("]")
				return
			case op == -1:
				fmt.Fprintf(b, " %d", r.Int32())
			case op != zkdev.OpDelete && op != zkdev.OpCheck:
				s.reply(b, op, r)
			}
			b.WriteString("]")
		}
	}
}

// zxid counts from the server's first; those near zero are none.
func (s *side) zxid(z int64) string {
	if z <= 0 {
		return fmt.Sprint(z)
	}
	return fmt.Sprintf("+%d", z-s.base)
}

func (s *side) stat(r *jute.Reader) string {
	czxid, mzxid := r.Int64(), r.Int64()
	ctime, mtime := r.Int64(), r.Int64()
	version, cversion, aversion, owner := r.Int32(), r.Int32(), r.Int32(), r.Int64()
	length, kids, pzxid := r.Int32(), r.Int32(), r.Int64()
	name := s.ids[owner]
	if name == "" {
		name = fmt.Sprint(owner)
	}
	return fmt.Sprintf(" {c %s m %s p %s old %v untouched %v v %d cv %d av %d owner %s len %d kids %d}",
		s.zxid(czxid), s.zxid(mzxid), s.zxid(pzxid), ctime == 0, mtime == ctime || mzxid != czxid, version, cversion, aversion, name, length, kids)
}

// sorted reads a list of names, which comes in no order that means anything.
func sorted(r *jute.Reader) []string {
	names := r.Strings()
	slices.Sort(names)
	return names
}
