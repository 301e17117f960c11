package zkdev_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// logged returns a server and what it has logged so far.
func logged(t testing.TB) (s *zkdev.Server, log func() string) {
	t.Helper()
	var mu sync.Mutex
	var b bytes.Buffer
	s = serve(t, zkdev.Config{Logger: hclog.New(&hclog.LoggerOptions{Output: &b, Mutex: &mu})})
	return s, func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
}

// eventually polls until the condition holds.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func TestMalformedPackets(t *testing.T) {
	frame := func(b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	tests := []struct {
		name    string
		session bool // send it within a session
		send    []byte
		log     string // what the log must say
	}{
		{"NegativeLengthAtFirst", false, []byte{0xff, 0xff, 0xff, 0xf0}, "a packet of -16 bytes"},
		{"HugeLengthAtFirst", false, []byte{0x7f, 0xff, 0xff, 0xff}, "a packet of 2147483647 bytes"},
		{"EmptyConnectRequest", false, frame(nil), "malformed connect request"},
		{"ShortConnectRequest", false, frame(make([]byte, 10)), "malformed connect request"},
		{"ConnectRequestWithHugePassword", false, frame(append(make([]byte, 24), 0x7f, 0xff, 0xff, 0xff)), "malformed connect request"},
		{"NegativeLength", true, []byte{0x80, 0, 0, 0}, "a packet of -2147483648 bytes"},
		{"OneByteTooLong", true, []byte{0, 0x10, 0, 0}, "a packet of 1048576 bytes"},
		{"EmptyPacket", true, frame(nil), "without a request header"},
		{"HalfAHeader", true, frame([]byte{0, 0, 0, 1, 0}), "without a request header"},
		{"UnknownRequest", true, frame([]byte{0, 0, 0, 1, 0, 0, 1, 0}), "unknown request"},
		{"CreateSessionRequest", true, frame([]byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf6}), "unknown request"},
		{"HTTP", false, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), "a packet of 1195725856 bytes"},
		{"TLSOnAPlainPort", false, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "a packet of 369295618 bytes"},
		{"HalfAPacket", true, []byte{0, 0, 0x10, 0, 1, 2, 3}, "ends after 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, log := logged(t)
			other := newWire(t, s.Addr())
			var w *wire
			if tt.session {
				w = newWire(t, s.Addr())
			} else {
				var err error
				if w, err = openWire(s.Addr()); err != nil {
					t.Fatal(err)
				}
				defer w.Close()
			}
			if _, err := w.Write(tt.send); err != nil {
				t.Fatal(err)
			}
			if tt.name == "HalfAPacket" {
				w.Conn.(*net.TCPConn).CloseWrite()
			}
			if !w.closed(t) {
				t.Error("the connection was not closed")
			}
			eventually(t, "a log line with "+tt.log, func() bool { return strings.Contains(log(), tt.log) })
			if p, _ := other.call(t, zkdev.OpExists, watchBody("/", false)); p.code != zkdev.OK {
				t.Error("another session was harmed")
			}
		})
	}
}

// Records that end early, or whose lengths lie, are answered with an error;
// the session goes on.
func TestMalformedRecordsAreAnswered(t *testing.T) {
	s, log := logged(t)
	w := newWire(t, s.Addr())
	for _, op := range []zkdev.Op{
		zkdev.OpCreate, zkdev.OpDelete, zkdev.OpExists, zkdev.OpGetData, zkdev.OpSetData, zkdev.OpGetACL, zkdev.OpSetACL, zkdev.OpGetChildren,
		zkdev.OpSync, zkdev.OpGetChildren2, zkdev.OpMulti, zkdev.OpCreate2, zkdev.OpReconfig, zkdev.OpCheckWatches, zkdev.OpRemoveWatches,
		zkdev.OpCreateContainer, zkdev.OpCreateTTL, zkdev.OpMultiRead, zkdev.OpSetWatches, zkdev.OpGetEphemerals,
		zkdev.OpGetAllChildrenNumber, zkdev.OpSetWatches2, zkdev.OpAddWatch,
	} {
		for _, b := range [][]byte{nil, {0}, {0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0xfe}} {
			if p, _ := w.call(t, op, b); p.code != zkdev.MarshallingError {
				t.Errorf("%v % x: %d", op, b, p.code)
			}
		}
	}
	if !strings.Contains(log(), "malformed request") {
		t.Error("nothing was logged")
	}
}

func TestLargestPacket(t *testing.T) {
	s := serve(t, zkdev.Config{})
	w := newWire(t, s.Addr())
	// xid, type, path, data's length and data, ACL, flags.
	const around = 4 + 4 + (4 + 2) + 4 + (4 + 4 + 4 + 5 + 4 + 6) + 4
	data := make([]byte, 0xfffff-around)
	if p, _ := w.call(t, zkdev.OpCreate, createBody("/a", data, zkfs.Open(), 0)); p.code != zkdev.OK {
		t.Fatalf("the largest packet: %d", p.code)
	}
	if p, _ := w.call(t, zkdev.OpGetData, watchBody("/a", false)); !bytes.Equal(p.body.Buffer(), data) {
		t.Error("the data came back changed")
	}
	if _, err := w.send(zkdev.OpSetData, setBody("/a", make([]byte, 0xfffff), -1)); err == nil && !w.closed(t) {
		t.Error("a larger one did not end the connection")
	}
}

// Random bytes, within a session and without, cannot bring the server down.
func FuzzPackets(f *testing.F) {
	s := serve(f, zkdev.Config{})
	f.Add(true, []byte("\x00\x00\x00\x01\x00\x00\x00\x0e\x00\x00\x00\x01\x00\xff\xff\xff\xff"))
	f.Add(true, append([]byte{0, 0, 0, 1, 0, 0, 0, 1}, createBody("/a", nil, zkfs.Open(), 3)...))
	f.Add(true, append([]byte{0, 0, 0, 1, 0, 0, 0, 105}, watchesBody(0, []string{"/a"}, nil, nil, nil, []string{"/"})...))
	f.Add(true, append([]byte{0, 0, 0, 1, 0, 0, 0, 14}, multiBody(part{zkdev.OpCreate, createBody("/b", nil, zkfs.Open(), 0)}, part{zkdev.OpDelete, versionBody("/b", 1)})...))
	f.Add(false, make([]byte, 44))
	f.Fuzz(func(t *testing.T, session bool, b []byte) {
		w, err := openWire(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if session {
			if err := w.connect(30_000, 0); err != nil {
				t.Fatal(err)
			}
		}
		var p jute.Writer
		p.Frame(func() { p.Buf = append(p.Buf, b...) })
		w.Write(p.Buf)
		w.Conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, w)
		if session { // its ephemerals must not stay
			s.ExpireSession(w.session)
		}
		probe := newWire(t, s.Addr())
		if p, _ := probe.call(t, zkdev.OpExists, watchBody("/", false)); p.code != zkdev.OK {
			t.Fatalf("the server answers %d", p.code)
		}
		s.ExpireSession(probe.session)
	})
}

// A client that announces large packets and sends nothing costs no memory, and
// one that asks for much and reads nothing is no longer listened to.
func TestClientsThatDoNotReadAreHeldBack(t *testing.T) {
	s, _ := logged(t)
	w, other := newWire(t, s.Addr()), newWire(t, s.Addr())
	data := make([]byte, 1_000_000)
	if p, _ := other.call(t, zkdev.OpCreate, createBody("/big", data, zkfs.Open(), 0)); p.code != zkdev.OK {
		t.Fatal(p.code)
	}
	before := heap()
	var req jute.Writer
	for range 2000 { // 2 GB of replies
		req.Frame(func() {
			req.Int32(1)
			req.Int32(int32(zkdev.OpGetData))
			req.Buf = append(req.Buf, watchBody("/big", false)...)
		})
	}
	w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	w.Write(req.Buf)
	for range 20 {
		other.call(t, zkdev.OpExists, watchBody("/", false))
	}
	for range 200 {
		c, err := openWire(s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte{0, 0x0f, 0xff, 0xff})
	}
	if grown := heap() - before; grown > 64<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Events come unasked; whoever lets too many wait is dropped.
func TestClientThatLetsEventsPileUpIsDropped(t *testing.T) {
	s, log := logged(t)
	w, other := newWire(t, s.Addr()), newWire(t, s.Addr())
	long := "/" + strings.Repeat("x", 900_000)
	if p, _ := other.call(t, zkdev.OpCreate, createBody(long, nil, zkfs.Open(), 0)); p.code != zkdev.OK {
		t.Fatal(p.code)
	}
	if p, _ := w.call(t, zkdev.OpAddWatch, versionBody(long, 0)); p.code != zkdev.OK {
		t.Fatal(p.code)
	}
	s.Freeze(w.session)
	for range 80 {
		other.call(t, zkdev.OpSetData, setBody(long, nil, -1))
	}
	if !strings.Contains(log(), "does not read") {
		t.Error("it was not dropped")
	}
}

func TestIdleConnections(t *testing.T) {
	s := serve(t, zkdev.Config{})
	// Both ends are files of this process; a machine with few of them gets
	// fewer connections.
	n := min(10_000, int(files()/2)-200)
	before := heap()
	conns := make([]net.Conn, 0, n)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range n {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	w := newWire(t, s.Addr())
	for range 100 {
		if p, _ := w.call(t, zkdev.OpGetData, watchBody("/", false)); p.code != zkdev.OK {
			t.Fatal(p.code)
		}
	}
	if grown := heap() - before; grown > int64(n)*32<<10 {
		t.Errorf("%d idle connections take %d MiB of heap", n, grown>>20)
	}
	t.Logf("%d idle connections", n)
}

// Many sessions do many things at once, some of them badly; the race detector
// looks on.
func TestManySessionsAtOnce(t *testing.T) {
	s := serve(t, zkdev.Config{})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			g := &generator{rand: rand.New(rand.NewPCG(uint64(i), 1))}
			w, err := openWire(s.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { w.Close() }()
			if err := w.connect(30_000, 0); err != nil {
				t.Error(err)
				return
			}
			for range 300 {
				st := g.step()
				if st.kind != request || !known(st.op) || st.op == zkdev.OpAuth {
					continue
				}
				xid, err := w.send(st.op, st.body[:len(st.body)-st.cut])
				for err == nil {
					var p packet
					if p, err = w.packet(); p.xid == xid {
						break
					}
				}
				if err != nil {
					t.Errorf("%v: %v", st, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
