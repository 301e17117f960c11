package plan

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
)

// multiReadOp is the request of ZooKeeper 3.6 and later.
const multiReadOp = 22

// beforeMultiRead stands before a server and behaves like one before 3.6: it
// drops a connection on a multiRead. It returns its address.
func beforeMultiRead(t testing.TB, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	track := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open[c] = true
	}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				c.Close()
				continue
			}
			track(c)
			track(server)
			all.Go(func() {
				_, _ = io.Copy(c, server)
				c.Close()
			})
			all.Go(func() {
				forward(server, c)
				server.Close()
				c.Close()
			})
		}
	})
	return l.Addr().String()
}

// forward passes requests on until one is a multiRead. Packets of one read of
// the socket go together, as they came.
func forward(server io.Writer, client io.Reader) {
	buf := make([]byte, 0, 1<<20)
	for first := true; ; {
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
		n, err := client.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		at := 0
		for len(buf)-at >= 4 {
			size := 4 + int(binary.BigEndian.Uint32(buf[at:]))
			if len(buf)-at < size {
				break
			}
			if !first && binary.BigEndian.Uint32(buf[at+8:]) == multiReadOp {
				return
			}
			first = false // the connect request has no type
			at += size
		}
		if at > 0 {
			if _, err := server.Write(buf[:at]); err != nil {
				return
			}
			buf = append(buf[:0], buf[at:]...)
		}
		if err != nil {
			return
		}
	}
}
