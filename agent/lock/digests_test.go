package lock_test

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// withoutDigests returns the address of a server that refuses every
// authentication, as one does that has the scheme switched off: it says so and
// closes the connection.
func withoutDigests(t *testing.T, e *zktest.Env) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	var ends []net.Conn
	t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		for _, end := range ends {
			end.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", e.Addr)
			if err != nil {
				client.Close()
				continue
			}
			mu.Lock()
			ends = append(ends, client, server)
			mu.Unlock()
			begun := make(chan struct{})
			work.Go(func() {
				defer client.Close()
				var size [4]byte
				_, _ = io.ReadFull(server, size[:])
				_, _ = client.Write(size[:])
				_, _ = io.CopyN(client, server, int64(binary.BigEndian.Uint32(size[:])))
				close(begun)
				_, _ = io.Copy(client, server)
			})
			work.Go(func() {
				defer server.Close()
				defer client.Close()
				refuseAuth(client, server, begun)
			})
		}
	})
	return listener.Addr().String() + e.Chroot.String()
}

// refuseAuth passes packets on up to the first authentication, which it answers
// when the session has begun.
func refuseAuth(client, server net.Conn, begun <-chan struct{}) {
	const opAuth, authFailed = 100, -115
	for first := true; ; first = false {
		var size [4]byte
		if _, err := io.ReadFull(client, size[:]); err != nil {
			return
		}
		packet := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(client, packet); err != nil {
			return
		}
		if !first && binary.BigEndian.Uint32(packet[4:]) == opAuth {
			<-begun
			answer := binary.BigEndian.AppendUint32(nil, 16)
			answer = append(answer, packet[:4]...) // the same xid
			answer = binary.BigEndian.AppendUint64(answer, 0)
			answer = binary.BigEndian.AppendUint32(answer, uint32(1<<32+authFailed))
			_, _ = client.Write(answer)
			return
		}
		if _, err := server.Write(append(size[:], packet...)); err != nil {
			return
		}
	}
}

// Where the servers take no digests, locks work, and nobody signals: a
// contender cannot belong to one session alone.
func TestServersWithoutDigests(t *testing.T) {
	each(t, func(b *bench) {
		path := b.declare("/l", nil)
		conn := b.conn()
		conn.Servers = withoutDigests(b.T, b.env)
		c, err := lock.Open(b.ctx, lock.Config{Conn: conn})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close(b.ctx)
		h := b.take(c, path, lock.Options{})
		if got := b.queue(path).Contenders[0]; got.Signals {
			b.Errorf("its data says that it signals: %s", got.Data)
		}
		waiter := b.queueUp(path, 1)
		b.release(h)
		b.release(b.got(waiter.asked))
	})
}
