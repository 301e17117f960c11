package zkdev_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// The differential tests send the same packets to the embedded server and to a
// real one, and compare all that comes back: replies, Stats, errors, watch
// events and their order, the order of children, and which transaction each
// zxid is, counted from the first. Only the times of Stats are left out.

var (
	requests = flag.Int("requests", 4000, "how many requests the differential fuzzer sends")
	seed     = flag.Uint64("seed", 0, "the seed of the differential fuzzer; 0 takes one from the clock")
)

// A step is what one of the sessions does.
type step struct {
	session int
	kind    stepKind
	op      zkdev.Op
	body    []byte
	cut     int    // bytes cut off the end of the body
	since   int64  // of setWatches: the last zxid that the client saw, counted from the first
	burst   []step // requests sent in one go, before the first reply is read
}

type stepKind int

const (
	request    stepKind = iota
	reconnect           // drops the connection and renews the session
	stranger            // drops it, renews with a wrong password, then rightly
	newSession          // closes the session and opens another
	pipeline            // sends the burst
)

func (s step) String() string {
	switch s.kind {
	case reconnect:
		return fmt.Sprintf("session %d reconnects", s.session)
	case stranger:
		return fmt.Sprintf("session %d reconnects with a wrong password, then with its own", s.session)
	case newSession:
		return fmt.Sprintf("session %d is closed and another opened", s.session)
	}
	if s.kind == pipeline {
		return fmt.Sprintf("session %d in one go %v", s.session, s.burst)
	}
	b := s.body[:len(s.body)-s.cut]
	return fmt.Sprintf("session %d: %v %q (cut %d)", s.session, s.op, b, s.cut)
}

// A side is one of the two servers, with the sessions on it.
type side struct {
	name     string
	addr     string
	wires    []*wire
	ids      map[int64]string // names of session ids
	base     int64            // the zxid that counts as 0
	received []string         // since the last comparison, all sessions
}

func newSide(t *testing.T, name, addr string, sessions int) *side {
	t.Helper()
	s := &side{name: name, addr: addr, ids: map[int64]string{}}
	for i := range sessions {
		s.wires = append(s.wires, nil)
		s.open(t, i)
	}
	p, _ := s.wires[0].call(t, zkdev.OpPing, nil)
	s.base = p.zxid
	t.Cleanup(func() {
		for _, w := range s.wires {
			w.Close()
		}
	})
	return s
}

func (s *side) open(t *testing.T, i int) {
	t.Helper()
	w, err := openWire(s.addr)
	if err == nil {
		err = w.connect(30_000, 0)
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.wires[i] = w
	s.ids[w.session] = fmt.Sprintf("session#%d", len(s.ids))
}

// renew opens a new connection for the session and returns what became of it.
func (s *side) renew(t *testing.T, i int, password []byte) string {
	t.Helper()
	old := s.wires[i]
	old.Close()
	w, err := openWire(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	w.session, w.password, w.xid = old.session, password, old.xid
	if err := w.connect(30_000, 0); err != nil {
		t.Fatalf("%s: renewing a session: %v", s.name, err)
	}
	got := fmt.Sprintf("renewed %v timeout %d", w.session == old.session, w.timeout)
	if w.session == 0 {
		if !w.closed(t) {
			got += ", not closed"
		}
		w.session, w.password = old.session, old.password
	}
	s.wires[i] = w
	return got
}

// do carries out a step and notes what came back.
func (s *side) do(t *testing.T, st step) {
	t.Helper()
	w := s.wires[st.session]
	switch st.kind {
	case reconnect:
		s.note(st.session, s.renew(t, st.session, w.password))
		return
	case stranger:
		s.note(st.session, s.renew(t, st.session, []byte("not the password")))
		s.note(st.session, s.renew(t, st.session, w.password))
		return
	case newSession:
		w.call(t, zkdev.OpCloseSession, nil)
		w.Close()
		s.open(t, st.session)
		return
	case pipeline:
		ops := map[int32]zkdev.Op{}
		for _, b := range st.burst {
			xid, err := w.send(b.op, b.body)
			if err != nil {
				t.Fatalf("%s: %v: %v", s.name, st, err)
			}
			ops[xid] = b.op
		}
		for len(ops) > 0 {
			p, err := w.packet()
			if err != nil {
				t.Fatalf("%s: %v: %v", s.name, st, err)
			}
			s.note(st.session, s.describe(ops[p.xid], p))
			delete(ops, p.xid)
		}
		return
	}
	sent := st.body[:len(st.body)-st.cut]
	if st.since > 0 && len(sent) >= 8 {
		sent = append(body(func(w *jute.Writer) { w.Int64(s.base + st.since) }), sent[8:]...)
	}
	xid, err := w.send(st.op, sent)
	if err != nil {
		t.Fatalf("%s: %v: %v", s.name, st, err)
	}
	for {
		p, err := w.packet()
		if err != nil {
			s.note(st.session, "the connection ended")
			s.note(st.session, s.renew(t, st.session, w.password))
			return
		}
		s.note(st.session, s.describe(st.op, p))
		if p.xid == xid {
			break
		}
	}
	if !known(st.op) || st.op == zkdev.OpAuth && slices.Contains([]string{"x509", "nosuch", "sasl"}, scheme(st)) {
		if !w.closed(t) {
			s.note(st.session, "the connection was not closed")
		}
		s.note(st.session, s.renew(t, st.session, w.password))
	}
}

func scheme(st step) string {
	r := jute.NewReader(st.body)
	r.Int32()
	return r.String()
}

// settle makes every session read the events that are on their way.
func (s *side) settle(t *testing.T) {
	t.Helper()
	for i, w := range s.wires {
		p, events := w.call(t, zkdev.OpPing, nil)
		for _, e := range events {
			s.note(i, s.describe(0, e))
		}
		s.note(i, s.describe(zkdev.OpPing, p))
	}
}

func (s *side) note(session int, what string) {
	s.received = append(s.received, fmt.Sprintf("session %d: %s", session, what))
}

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

// A pair is both servers, and the steps that brought them where they are.
type pair struct {
	embedded, real *side
	history        []step
}

// newPair returns nil when the tests are to run without a real server.
func newPair(t *testing.T, sessions int) *pair {
	t.Helper()
	if !slices.Contains(zktest.Kinds(), zktest.Real) {
		return nil
	}
	// The real server must not reap in the middle of a run.
	t.Setenv("JAVA_TOOL_OPTIONS", "-Dznode.container.checkIntervalMs=1000000000")
	dev := serve(t, zkdev.Config{SuperDigest: superDigest, MaxSessionTimeout: zktest.MaxSessionTimeout, ReapInterval: time.Hour})
	r := zktest.StartReal(t, zktest.RealConfig{})
	return &pair{embedded: newSide(t, "embedded", dev.Addr(), sessions), real: newSide(t, "real", r.Addr, sessions)}
}

// The digest of zktest.SuperAuth.
const superDigest = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="

// sorted reads a list of names, which comes in no order that means anything.
func sorted(r *jute.Reader) []string {
	names := r.Strings()
	slices.Sort(names)
	return names
}

// do carries out steps on both sides and fails the test at the first
// difference.
func (p *pair) do(t *testing.T, steps ...step) {
	t.Helper()
	for _, st := range steps {
		p.history = append(p.history, st)
		p.embedded.do(t, st)
		p.real.do(t, st)
	}
	p.compare(t)
}

func (p *pair) settle(t *testing.T) {
	t.Helper()
	p.embedded.settle(t)
	p.real.settle(t)
	p.compare(t)
}

func (p *pair) compare(t *testing.T) {
	t.Helper()
	got, want := p.embedded.received, p.real.received
	p.embedded.received, p.real.received = nil, nil
	if slices.Equal(got, want) {
		return
	}
	var b strings.Builder
	recent := p.history[max(0, len(p.history)-20):]
	fmt.Fprintf(&b, "after %d steps, the last of which were\n", len(p.history))
	for _, st := range recent {
		fmt.Fprintf(&b, "  %v\n", st)
	}
	t.Fatalf("%sthe embedded server sent\n  %s\nand the real one\n  %s", b.String(), strings.Join(got, "\n  "), strings.Join(want, "\n  "))
}

func TestRandomRequestsGetTheSameRepliesAsOnARealServer(t *testing.T) {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", n)
	g := &generator{rand: rand.New(rand.NewPCG(n, 0))}
	t.Cleanup(func() { t.Logf("%d requests", g.sent) })
	p := newPair(t, sessions)
	if p == nil {
		return
	}
	for i := 0; i < *requests; i++ {
		st := g.step()
		if st.kind == newSession {
			// The server deletes a session's ephemerals in no order that
			// means anything, and so come the events.
			p.settle(t)
			p.embedded.do(t, st)
			p.real.do(t, st)
			p.embedded.settle(t)
			p.real.settle(t)
			slices.Sort(p.embedded.received)
			slices.Sort(p.real.received)
			p.compare(t)
			continue
		}
		p.do(t, st)
		if i%7 == 0 {
			p.settle(t)
		}
	}
	p.settle(t)
}

const sessions = 3

// A generator makes steps that are likely to meet each other: few paths, few
// identities, and now and then nonsense.
type generator struct {
	rand *rand.Rand
	sent int // requests so far; about half of them took a zxid
}

func pick[T any](g *generator, of ...T) T { return of[g.rand.IntN(len(of))] }

func (g *generator) chance(percent int) bool { return g.rand.IntN(100) < percent }

func (g *generator) path() string {
	if g.chance(4) {
		return pick(g, "", "a", "/a/", "//a", "/a//b", "/.", "/a/..", "/a/./b", "/a\x00b", "/\x01", "/a/\u007f", "/\uf000", "/\ufffd", "/a b", "/ü/日本", "/zookeeper/x", "/a/b/c/d/e", "/..a", "/a/b.")
	}
	if g.chance(3) {
		return pick(g, "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config")
	}
	if g.chance(20) { // what a sequence may have made
		return fmt.Sprintf("%s%010d", pick(g, "/a/s-", "/b/", "/c/s-"), g.rand.IntN(12))
	}
	return pick(g, "/a", "/b", "/c", "/a/x", "/a/y", "/b/x", "/a/x/1", "/a/x/2", "/ü")
}

func (g *generator) data() []byte {
	switch {
	case g.chance(10):
		return nil
	case g.chance(10):
		return []byte{}
	case g.chance(2):
		return make([]byte, 10_000)
	}
	return []byte(pick(g, "1", "22", "333"))
}

func (g *generator) version() int32 { return pick[int32](g, -1, -1, -1, 0, 0, 1, 1, 2, 3, 4, -2) }

func (g *generator) acl() zkfs.ACL {
	if g.chance(60) {
		return zkfs.Open()
	}
	if g.chance(4) {
		return nil
	}
	acl := zkfs.ACL{}
	for range g.rand.IntN(4) {
		id := pick(g, zkfs.Anyone, zkfs.AuthIDs, zkfs.Digest("u1", "p"), zkfs.Digest("u2", "p"),
			zkfs.Identity{Scheme: "ip", ID: "127.0.0.1"}, zkfs.Identity{Scheme: "ip", ID: "127.0.0.0/8"},
			zkfs.Identity{Scheme: "ip", ID: "10.0.0.0/8"})
		if g.chance(5) {
			id = pick(g, zkfs.Identity{Scheme: "world", ID: "x"}, zkfs.Identity{Scheme: "digest", ID: "nocolon"},
				zkfs.Identity{Scheme: "digest", ID: "a:b:c"}, zkfs.Identity{Scheme: "digest", ID: "a:"}, zkfs.Identity{Scheme: "digest", ID: ":a"},
				zkfs.Identity{Scheme: "ip", ID: "1.2.3"}, zkfs.Identity{Scheme: "ip", ID: "1.2.3.4/33"}, zkfs.Identity{Scheme: "ip", ID: "::1"},
				zkfs.Identity{Scheme: "ip", ID: "127.0.0.1/0"}, zkfs.Identity{Scheme: "ip", ID: "127.0.00.+1/+8"}, zkfs.Identity{Scheme: "x509", ID: "CN=a"},
				zkfs.Identity{Scheme: "sasl", ID: "a"}, zkfs.Identity{Scheme: "super", ID: ""}, zkfs.Identity{Scheme: "", ID: ""})
		}
		acl = append(acl, zkfs.Entry{Perms: pick(g, zkfs.AllPerms, zkfs.AllPerms, zkfs.Perms(g.rand.IntN(33)), zkfs.Read), Identity: id})
	}
	return acl
}

func (g *generator) sequenced() string { return pick(g, "/a/s-", "/b/", "/c/s-", "/a/x/") }

// create makes one of the requests that create. The flags of a TTL node without
// a TTL node's request, and the reverse, stay out unless they are harmless: a
// createTTL for a znode that has none ends a real server.
func (g *generator) create() (zkdev.Op, []byte) {
	path, flags := g.path(), pick[int32](g, 0, 0, 0, 1, 1, 4)
	if g.chance(40) {
		path, flags = g.sequenced(), pick[int32](g, 2, 3)
	}
	switch {
	case g.chance(3):
		flags = pick[int32](g, -1, 5, 6, 7, 100)
	case g.chance(10):
		return zkdev.OpCreateContainer, createBody(path, g.data(), g.acl(), 4)
	case g.chance(10):
		flags := pick[int32](g, 5, 5, 6)
		if flags == 6 {
			path = g.sequenced()
		}
		return zkdev.OpCreateTTL, createTTLBody(path, g.data(), g.acl(), flags, pick[int64](g, 1<<39, 1<<39, 1<<40-1, 1<<40, 0, -1))
	}
	return pick(g, zkdev.OpCreate, zkdev.OpCreate, zkdev.OpCreate2), createBody(path, g.data(), g.acl(), flags)
}

func (g *generator) change() (zkdev.Op, []byte) {
	switch g.rand.IntN(6) {
	case 0:
		return zkdev.OpDelete, versionBody(g.path(), g.version())
	case 1:
		return zkdev.OpSetData, setBody(g.path(), g.data(), g.version())
	case 2:
		return zkdev.OpDelete, versionBody(g.path(), -1)
	}
	return g.create()
}

func (g *generator) multi() []byte {
	var parts []part
	for range g.rand.IntN(6) {
		p := part{op: zkdev.OpCheck, body: versionBody(g.path(), g.version())}
		if g.chance(80) {
			p.op, p.body = g.change()
		}
		if p.op == zkdev.OpSetData && g.chance(30) {
			p.body = setBody(g.path(), g.data(), -1)
		}
		parts = append(parts, p)
	}
	return multiBody(parts...)
}

func (g *generator) multiRead() []byte {
	var parts []part
	for range g.rand.IntN(5) {
		parts = append(parts, part{pick(g, zkdev.OpGetData, zkdev.OpGetChildren), watchBody(g.path(), false)})
	}
	return multiBody(parts...)
}

func (g *generator) paths() []string {
	var all []string
	for range g.rand.IntN(4) {
		all = append(all, pick(g, "/a", "/b", "/c", "/a/x", "/none"))
	}
	return all
}

func known(op zkdev.Op) bool { return !strings.HasPrefix(op.String(), "request(") }

func (g *generator) step() step {
	st := step{session: g.rand.IntN(sessions)}
	g.sent++
	if g.chance(3) {
		st.kind = pipeline
		for range 1 + g.rand.IntN(8) {
			b := step{session: st.session}
			switch g.rand.IntN(4) {
			case 0:
				b.op, b.body = zkdev.OpGetData, watchBody(g.path(), g.chance(50))
			case 1:
				b.op, b.body = zkdev.OpGetChildren2, watchBody(pick(g, "/a", "/b", "/"), g.chance(50))
			default:
				b.op, b.body = g.change()
			}
			st.burst = append(st.burst, b)
		}
		return st
	}
	switch n := g.rand.IntN(1000); {
	case n < 8:
		st.kind = pick(g, reconnect, reconnect, reconnect, stranger, newSession)
		return st
	case n < 10:
		st.op = pick[zkdev.Op](g, 10, 23, 50, 99, 108, -3, 0, 1000)
		st.body = pathBody("/a")
	case n < 40:
		st.op = zkdev.OpAuth
		st.body = authBody(pick(g, "digest", "digest", "digest", "digest", "digest", "digest", "ip", "nosuch", "x509", "sasl"),
			pick(g, "u1:p", "u2:p", "u1:wrong", "nocolon", "a:b:c", "super:test"))
	case n < 400:
		st.op, st.body = g.change()
	case n < 480:
		st.op, st.body = zkdev.OpMulti, g.multi()
	case n < 500:
		st.op, st.body = zkdev.OpMultiRead, g.multiRead()
	case n < 590:
		st.op, st.body = zkdev.OpExists, watchBody(g.path(), g.chance(50))
	case n < 680:
		st.op, st.body = zkdev.OpGetData, watchBody(g.path(), g.chance(50))
	case n < 770:
		st.op, st.body = pick(g, zkdev.OpGetChildren, zkdev.OpGetChildren2), watchBody(pick(g, g.path(), "/a", "/"), g.chance(50))
	case n < 800:
		st.op, st.body = zkdev.OpGetACL, pathBody(g.path())
	case n < 840:
		st.op, st.body = zkdev.OpSetACL, setACLBody(g.path(), g.acl(), g.version())
	case n < 850:
		st.op, st.body = zkdev.OpSync, pathBody(g.path())
	case n < 865:
		st.op, st.body = zkdev.OpGetEphemerals, pathBody(pick(g, "", "/", "/a", "/a/", " ", "/b"))
	case n < 880:
		st.op, st.body = zkdev.OpGetAllChildrenNumber, pathBody(pick(g, "/", "/a", g.path()))
	case n < 890:
		st.op = zkdev.OpWhoAmI
	case n < 920:
		st.op, st.body = zkdev.OpAddWatch, versionBody(pick(g, "/", "/a", "/a/x", g.path()), pick[int32](g, 0, 0, 1, 1, 2))
	case n < 960:
		st.op, st.body = pick(g, zkdev.OpRemoveWatches, zkdev.OpRemoveWatches, zkdev.OpCheckWatches), versionBody(pick(g, "/", "/a", "/a/x", "rel", "re/l", g.path()), pick[int32](g, 1, 2, 3, 3, 4))
	case n < 980:
		g.sent = max(g.sent, 1)
		since := pick[int64](g, 0, 1<<62)
		st.since = pick(g, 0, int64(g.rand.IntN(g.sent)), int64(max(0, g.sent-g.rand.IntN(50))))
		if g.chance(50) {
			st.op, st.body = zkdev.OpSetWatches, watchesBody(since, g.paths(), g.paths(), g.paths())
		} else {
			st.op, st.body = zkdev.OpSetWatches2, watchesBody(since, g.paths(), g.paths(), g.paths(), g.paths(), g.paths())
		}
	case n < 985:
		st.op = pick(g, zkdev.OpReconfig, zkdev.OpDeleteContainer)
		st.body = body(func(w *jute.Writer) { w.String("/a"); w.String(""); w.Int32(-1); w.Int64(-1) })
	default:
		st.op = zkdev.OpPing
	}
	if g.chance(2) && len(st.body) > 0 && st.op != zkdev.OpAuth {
		st.cut = 1 + g.rand.IntN(len(st.body))
	}
	return st
}
