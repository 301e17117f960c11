package zkdev_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

func TestFaults(t *testing.T) {
	create := func(path string) []byte { return createBody(path, nil, zkfs.Open(), 0) }
	exists := func(t *testing.T, s *zkdev.Server, path string) bool {
		t.Helper()
		p, _ := newWire(t, s.Addr()).call(t, zkdev.OpExists, watchBody(path, false))
		return p.code == zkdev.OK
	}
	t.Run("DropReply", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		i := s.Inject(zkdev.Fault{Action: zkdev.DropReply, Kind: zkdev.OpCreate})
		if _, err := w.send(zkdev.OpCreate, create("/a")); err != nil {
			t.Fatal(err)
		}
		p, events := w.call(t, zkdev.OpExists, watchBody("/a", false))
		if p.code != zkdev.OK || len(events) != 0 {
			t.Errorf("the create was not carried out, or answered: %d, %d packets", p.code, len(events))
		}
		<-i.Fired()
	})
	t.Run("DelayReplyHoldsWhatComesAfter", func(t *testing.T) {
		s, clock := stopped(t)
		w := asked(t, s, 20_000)
		i := s.Inject(zkdev.Fault{Action: zkdev.DelayReply, Kind: zkdev.OpGetData, Nth: 2, Delay: 5 * time.Second})
		w.call(t, zkdev.OpGetData, watchBody("/", false))
		first, _ := w.send(zkdev.OpGetData, watchBody("/", false))
		second, _ := w.send(zkdev.OpExists, watchBody("/", false))
		<-i.Fired()
		mute(t, w)
		clock.Advance(5 * time.Second)
		for _, want := range []int32{first, second} {
			if p, err := w.packet(); err != nil || p.xid != want {
				t.Fatalf("got xid %d (%v), want %d", p.xid, err, want)
			}
		}
	})
	t.Run("CloseAfter", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		s.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpCreate, Path: "/a"})
		w.call(t, zkdev.OpCreate, create("/b"))
		if _, err := w.send(zkdev.OpCreate2, create("/a")); err != nil {
			t.Fatal(err)
		}
		if !w.closed(t) || !exists(t, s, "/a") {
			t.Error("want a closed connection, and the create carried out")
		}
	})
	t.Run("CloseBefore", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		s.Inject(zkdev.Fault{Action: zkdev.CloseBefore, Session: w.session, Kind: zkdev.OpCreate})
		if _, err := w.send(zkdev.OpCreate, create("/a")); err != nil {
			t.Fatal(err)
		}
		if !w.closed(t) || exists(t, s, "/a") {
			t.Error("want a closed connection, and the create not carried out")
		}
	})
	t.Run("FailTwoFromTheSecondOn", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		s.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.OperationTimeout, Nth: 2, Times: 2})
		var got []zkdev.Code
		for range 4 {
			p, _ := w.call(t, zkdev.OpExists, watchBody("/", false))
			got = append(got, p.code)
		}
		if got[0] != zkdev.OK || got[1] != zkdev.OperationTimeout || got[2] != zkdev.OperationTimeout || got[3] != zkdev.OK {
			t.Errorf("got %d", got)
		}
	})
	t.Run("Cancel", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		s.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.SystemError}).Cancel()
		if p, _ := w.call(t, zkdev.OpExists, watchBody("/", false)); p.code != zkdev.OK {
			t.Errorf("got %d", p.code)
		}
	})
	t.Run("Freeze", func(t *testing.T) {
		s, _ := stopped(t)
		w, other := asked(t, s, 20_000), asked(t, s, 20_000)
		w.call(t, zkdev.OpExists, watchBody("/a", true))
		thaw := s.Freeze(w.session)
		other.call(t, zkdev.OpCreate, create("/a"))
		xid, err := w.send(zkdev.OpCreate, create("/b"))
		if err != nil {
			t.Fatal(err)
		}
		mute(t, w)
		if exists(t, s, "/b") {
			t.Error("a frozen connection was read from")
		}
		thaw()
		if p, err := w.packet(); err != nil || p.xid != -1 {
			t.Errorf("first %+v %v, want the event", p, err)
		}
		if p, err := w.packet(); err != nil || p.xid != xid {
			t.Errorf("then %+v %v, want the reply", p, err)
		}
	})
	t.Run("ExpireSession", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		w.call(t, zkdev.OpCreate, createBody("/e", nil, zkfs.Open(), 1))
		if !s.ExpireSession(w.session) || s.ExpireSession(w.session) {
			t.Error("want true, then false")
		}
		if !w.closed(t) || exists(t, s, "/e") {
			t.Error("want a closed connection and no ephemeral")
		}
	})
	t.Run("CloseConnection", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		w.call(t, zkdev.OpCreate, createBody("/e", nil, zkfs.Open(), 1))
		if !s.CloseConnection(w.session) || s.CloseConnection(w.session) {
			t.Error("want true, then false")
		}
		if !w.closed(t) || !exists(t, s, "/e") {
			t.Error("want a closed connection and the session alive")
		}
	})
	t.Run("RefuseConnections", func(t *testing.T) {
		s, _ := stopped(t)
		w := asked(t, s, 20_000)
		s.RefuseConnections(true)
		nc, err := net.Dial("tcp", s.Addr())
		if err == nil {
			nc.SetReadDeadline(time.Now().Add(patience))
			if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && err == nil {
				t.Error("a new connection was served")
			}
			nc.Close()
		}
		if p, _ := w.call(t, zkdev.OpPing, nil); p.code != zkdev.OK {
			t.Error("an old one was not")
		}
		s.RefuseConnections(false)
		asked(t, s, 20_000)
	})
}

// mute fails the test when there is something to read.
func mute(t *testing.T, w *wire) {
	t.Helper()
	w.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := w.Read(make([]byte, 1))
	var timeout net.Error
	if n != 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("got %d bytes (%v), want silence", n, err)
	}
}

// With a clock of the test's and a seed, the same steps have the same replies,
// byte for byte: session ids, passwords, zxids and times included.
func TestSameClockAndSeedGiveTheSameHistory(t *testing.T) {
	history := func() []byte {
		clock := zkdev.NewManualClock(epoch)
		s := serve(t, zkdev.Config{Clock: clock, Seed: 7, TickTime: time.Second})
		var all bytes.Buffer
		read := func(w *wire) {
			for {
				b, err := w.receive()
				if err != nil {
					t.Fatal(err)
				}
				all.Write(b)
				if jute.NewReader(b).Int32() != -1 { // an event comes before a reply
					return
				}
			}
		}
		var ws []*wire
		for range 3 {
			w := asked(t, s, 10_000)
			ws = append(ws, w)
			all.Write(w.password)
		}
		do := func(i int, op zkdev.Op, body []byte) {
			if _, err := ws[i].send(op, body); err != nil {
				t.Fatal(err)
			}
			read(ws[i])
			clock.Advance(7 * time.Millisecond)
		}
		do(1, zkdev.OpGetChildren2, watchBody("/", true))
		for i := range 9 {
			do(0, zkdev.OpCreate2, createBody("/l-", nil, zkfs.Open(), 3))
			do(2, zkdev.OpGetChildren2, watchBody("/", i%2 == 0))
		}
		s.ExpireSession(ws[0].session)
		do(2, zkdev.OpGetChildren2, watchBody("/", false))
		for range 12 {
			clock.Advance(time.Second)
			do(1, zkdev.OpPing, nil)
		}
		do(1, zkdev.OpWhoAmI, nil)
		return all.Bytes()
	}
	a, b := history(), history()
	if !bytes.Equal(a, b) {
		t.Errorf("two runs differ:\n% x\n% x", a, b)
	}
}
