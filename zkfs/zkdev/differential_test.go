package zkdev_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

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
