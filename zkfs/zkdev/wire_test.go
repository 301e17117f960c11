package zkdev_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/internal/jute"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// A wire is one connection that speaks the protocol packet by packet, so that
// a test says exactly what is sent and sees exactly what comes back.
type wire struct {
	net.Conn
	session  int64
	password []byte
	timeout  int32
	xid      int32
}

const patience = 20 * time.Second // until a test gives up on a reply

func openWire(addr string) (*wire, error) {
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return nil, err
	}
	return &wire{Conn: nc}, nil
}

// connect asks for a session, or for the renewal of w.session.
func (w *wire) connect(timeout int32, seen int64) error {
	var p jute.Writer
	p.Frame(func() {
		p.Int32(0)
		p.Int64(seen)
		p.Int32(timeout)
		p.Int64(w.session)
		if w.password == nil {
			w.password = make([]byte, 16)
		}
		p.Buffer(w.password)
		p.Bool(false)
	})
	if _, err := w.Write(p.Buf); err != nil {
		return err
	}
	b, err := w.receive()
	if err != nil {
		return err
	}
	r := jute.NewReader(b)
	r.Int32()
	w.timeout, w.session, w.password = r.Int32(), r.Int64(), r.Buffer()
	r.Bool()
	if r.Err() != nil || r.Len() != 0 {
		return fmt.Errorf("connect reply % x: %v, %d bytes left", b, r.Err(), r.Len())
	}
	return nil
}

// newWire returns a connection with a session, which ends with the test.
func newWire(t testing.TB, addr string) *wire {
	t.Helper()
	w, err := openWire(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if err := w.connect(30_000, 0); err != nil {
		t.Fatal(err)
	}
	return w
}

// again returns a second connection that renews the session of w.
func (w *wire) again(t testing.TB) *wire {
	t.Helper()
	n, err := openWire(w.RemoteAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	n.session, n.password = w.session, w.password
	if err := n.connect(30_000, 0); err != nil {
		t.Fatal(err)
	}
	return n
}

// receive returns the next packet, without its length.
func (w *wire) receive() ([]byte, error) {
	w.SetReadDeadline(time.Now().Add(patience))
	var head [4]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(w, b)
	return b, err
}

// send sends a request with the next xid.
func (w *wire) send(op zkdev.Op, body []byte) (xid int32, err error) {
	switch op {
	case zkdev.OpPing:
		xid = -2
	case zkdev.OpAuth:
		xid = -4
	case zkdev.OpSetWatches, zkdev.OpSetWatches2:
		xid = -8
	default:
		w.xid++
		xid = w.xid
	}
	var p jute.Writer
	p.Frame(func() {
		p.Int32(xid)
		p.Int32(int32(op))
		p.Buf = append(p.Buf, body...)
	})
	_, err = w.Write(p.Buf)
	return xid, err
}

// A packet is what a server sends after the connect reply.
type packet struct {
	xid  int32
	zxid int64
	code zkdev.Code
	body *jute.Reader
}

func (w *wire) packet() (packet, error) {
	b, err := w.receive()
	if err != nil {
		return packet{}, err
	}
	r := jute.NewReader(b)
	p := packet{xid: r.Int32(), zxid: r.Int64(), code: zkdev.Code(r.Int32()), body: r}
	return p, r.Err()
}

// call sends a request and returns its reply; events that come before it are
// returned too.
func (w *wire) call(t testing.TB, op zkdev.Op, body []byte) (reply packet, events []packet) {
	t.Helper()
	xid, err := w.send(op, body)
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := w.packet()
		if err != nil {
			t.Fatalf("%v: %v", op, err)
		}
		if p.xid == xid {
			return p, events
		}
		events = append(events, p)
	}
}

// closed reports whether the server has ended the connection, after what was
// still to be read.
func (w *wire) closed(t testing.TB) bool {
	t.Helper()
	for {
		_, err := w.receive()
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return false
		}
		if err != nil {
			return true
		}
	}
}

// The records of requests.

func body(f func(*jute.Writer)) []byte {
	var w jute.Writer
	f(&w)
	return w.Buf
}

func writeACL(w *jute.Writer, acl zkfs.ACL) {
	if acl == nil {
		w.Int32(-1)
		return
	}
	w.Int32(int32(len(acl)))
	for _, e := range acl {
		w.Int32(int32(e.Perms))
		w.String(e.Scheme)
		w.String(e.ID)
	}
}

func createBody(path string, data []byte, acl zkfs.ACL, flags int32) []byte {
	return body(func(w *jute.Writer) {
		w.String(path)
		w.Buffer(data)
		writeACL(w, acl)
		w.Int32(flags)
	})
}

func createTTLBody(path string, data []byte, acl zkfs.ACL, flags int32, ttl int64) []byte {
	return body(func(w *jute.Writer) {
		w.Buf = createBody(path, data, acl, flags)
		w.Int64(ttl)
	})
}

func pathBody(path string) []byte { return body(func(w *jute.Writer) { w.String(path) }) }

func watchBody(path string, watch bool) []byte {
	return body(func(w *jute.Writer) { w.String(path); w.Bool(watch) })
}

func versionBody(path string, version int32) []byte {
	return body(func(w *jute.Writer) { w.String(path); w.Int32(version) })
}

func setBody(path string, data []byte, version int32) []byte {
	return body(func(w *jute.Writer) { w.String(path); w.Buffer(data); w.Int32(version) })
}

func setACLBody(path string, acl zkfs.ACL, version int32) []byte {
	return body(func(w *jute.Writer) { w.String(path); writeACL(w, acl); w.Int32(version) })
}

func authBody(scheme, secret string) []byte {
	return body(func(w *jute.Writer) { w.Int32(0); w.String(scheme); w.Buffer([]byte(secret)) })
}

func watchesBody(since int64, lists ...[]string) []byte {
	return body(func(w *jute.Writer) {
		w.Int64(since)
		for _, l := range lists {
			w.Strings(l)
		}
	})
}

// A part is one operation of a multi.
type part struct {
	op   zkdev.Op
	body []byte
}

func multiBody(parts ...part) []byte {
	return body(func(w *jute.Writer) {
		for _, p := range parts {
			w.Int32(int32(p.op))
			w.Bool(false)
			w.Int32(-1)
			w.Buf = append(w.Buf, p.body...)
		}
		w.Int32(-1)
		w.Bool(true)
		w.Int32(-1)
	})
}
