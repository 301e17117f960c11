package zkconn_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// fake runs a TCP server that treats each connection with serve, until the
// test ends.
func fake(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return fakeOn(t, l, serve)
}

func fakeOn(t *testing.T, l net.Listener, serve func(net.Conn)) string {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var all []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
			wg.Go(func() {
				serve(c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range all {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// mute reads and never answers.
func mute(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// says answers the first bytes with text and hangs.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 4))
		_, _ = io.WriteString(c, text)
		mute(c)
	}
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// connectResponse is the packet that opens session 0x77 with a timeout.
func connectResponse(timeout time.Duration) []byte {
	b := binary.BigEndian.AppendUint32(nil, 36)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(timeout.Milliseconds()))
	b = binary.BigEndian.AppendUint64(b, 0x77)
	b = binary.BigEndian.AppendUint32(b, 16)
	return append(b, make([]byte, 16)...)
}

func TestBadSurroundings(t *testing.T) {
	certs := zktest.NewCerts(t)
	pool := func(file string) *x509.CertPool {
		pem, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := x509.NewCertPool()
		p.AppendCertsFromPEM(pem)
		return p
	}
	pair := func(cert, key string) tls.Certificate { return must(tls.LoadX509KeyPair(cert, key))(t) }
	tlsServer := func(cfg *tls.Config) string {
		cfg.Certificates = []tls.Certificate{pair(certs.ServerCert, certs.ServerKey)}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return fakeOn(t, tls.NewListener(l, cfg), mute)
	}
	trusted := &tls.Config{RootCAs: pool(certs.CA)}
	web := &http.Server{Handler: http.NotFoundHandler()}
	wl, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var webDone sync.WaitGroup
	webDone.Go(func() { _ = web.Serve(wl) })
	t.Cleanup(func() { web.Close(); webDone.Wait() })

	const limit = time.Second // ConnectTimeout
	tests := []struct {
		name   string
		host   string
		tls    *tls.Config
		want   string
		within time.Duration // 0: as soon as it is known
	}{
		{name: "NoServer", host: closedPort(t), want: "connection refused", within: limit},
		{name: "ServerNeverAnswers", host: fake(t, mute), want: "it accepted the connection and did not answer within 1s", within: limit},
		{name: "WebServer", host: wl.Addr().String(), want: "it accepted the connection and did not answer", within: limit},
		{name: "WebServerThatAnswers", host: fake(t, says("HTTP/1.1 400 Bad Request\r\n")), want: `it is no ZooKeeper server: it answered "HTTP`},
		{name: "SSH", host: fake(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n"); mute(c) }), want: `it is no ZooKeeper server: it answered "SSH-2.0-OpenSSH`},
		{name: "HugeFirstPacket", host: fake(t, says("\x7f\xff\xff\xffabc")), want: "it is no ZooKeeper server"},
		{name: "GarbageOfPlausibleLength", host: fake(t, says("\x00\x00\x00\x14aaaabbbbccccddddeeee")), want: "it is no ZooKeeper server"},
		{name: "ServerClosesAtOnce", host: fake(t, func(net.Conn) {}), want: "closed the connection", within: limit},
		{name: "NoQuorum", host: fake(t, func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 48)) }), want: "it may have no quorum", within: limit},
		{name: "HalfAnAnswer", host: fake(t, says("\x00\x00\x00\x25\x00\x00")), want: "it accepted the connection and did not answer within", within: limit},
		{name: "UnknownName", host: "no-such-host.invalid:2181", want: `the name "no-such-host.invalid" `, within: limit},
		{name: "CertificateNotTrusted", host: tlsServer(&tls.Config{}), tls: &tls.Config{}, want: "certificate signed by unknown authority"},
		{name: "CertificateOfAnotherName", host: tlsServer(&tls.Config{}), tls: &tls.Config{RootCAs: trusted.RootCAs, ServerName: "zk.example.com"}, want: "not zk.example.com"},
		{name: "ClientCertificateMissing", host: tlsServer(&tls.Config{ClientAuth: tls.RequireAnyClientCert}), tls: trusted, want: "certificate required"},
		{name: "ClientCertificateMissingTLS12", host: tlsServer(&tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}), tls: trusted, want: "it refused the TLS handshake"},
		{name: "PlainToTLS", host: tlsServer(&tls.Config{}), want: "or speak TLS only", within: limit},
		{name: "TLSToPlain", host: fake(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1<<10)) }), tls: trusted, want: "TLS handshake", within: limit},
		{name: "TLSServerNeverAnswers", host: fake(t, mute), tls: trusted, want: "it accepted the connection and did not answer within 1s", within: limit},
		{name: "TLSServerMuteAfterHandshake", host: tlsServer(&tls.Config{}), tls: trusted, want: "it accepted the connection and did not answer within 1s", within: limit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			s, err := zkconn.Open(context.Background(), zkconn.Config{Servers: tt.host, TLS: tt.tls, ConnectTimeout: limit})
			took := time.Since(began)
			if err == nil {
				_ = s.Close(context.Background())
				t.Fatal("a session")
			}
			if !errors.Is(err, zkfs.ErrUnavailable) || !strings.Contains(err.Error(), tt.host+": ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s: …%s…", err, tt.host, tt.want)
			}
			if most := tt.within + 700*time.Millisecond; took > most {
				t.Errorf("took %v, want at most %v", took, most)
			}
		})
	}
}

func TestServersThatFailDoNotHideTheOthers(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		servers := strings.Join([]string{"no-such-host.invalid:2181", closedPort(t), fake(t, says("SSH-")), fake(t, mute), e.Servers}, ",")
		began := time.Now()
		s := open(t, zkconn.Config{Servers: servers})
		if s.Server() != e.Addr {
			t.Errorf("connected to %q, want %q", s.Server(), e.Addr)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestOpenEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	host := fake(t, func(c net.Conn) {
		cancel(errors.New("stopped by the test"))
		mute(c)
	})
	began := time.Now()
	_, err := zkconn.Open(ctx, zkconn.Config{Servers: host, ConnectTimeout: 20 * time.Second})
	if err == nil || !strings.Contains(err.Error(), "stopped by the test") || !errors.Is(err, zkfs.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("took %v", d)
	}
}

// A server that announces huge packets gets neither memory nor patience.
func TestHugePacketInTheSession(t *testing.T) {
	for name, length := range map[string]uint32{"AboveTheLimit": 0x7fffffff, "Negative": 0xfffffff0, "AtTheLimit": 64 << 20} {
		t.Run(name, func(t *testing.T) {
			host := fake(t, func(c net.Conn) {
				_, _ = io.ReadFull(c, make([]byte, 48))
				_, _ = c.Write(connectResponse(2 * time.Second))
				_, _ = io.ReadFull(c, make([]byte, 8))
				_, _ = c.Write(binary.BigEndian.AppendUint32(nil, length))
				mute(c)
			})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := zkconn.Open(context.Background(), zkconn.Config{Servers: host, ConnectTimeout: 500 * time.Millisecond})
			runtime.ReadMemStats(&after)
			if !errors.Is(err, zkfs.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
				t.Errorf("allocated %d MiB for a packet that never came", grown>>20)
			}
		})
	}
}

// The connection is cut after each byte that the server says, up to the
// answers to the first requests. The session must be had all the same.
func TestCutAtEveryStep(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		for n := range 130 {
			t.Run(fmt.Sprintf("AfterByte%d", n), func(t *testing.T) {
				t.Parallel()
				p := newProxy(t, e.Addr, n)
				ctx := within(t, 20*time.Second)
				s := open(t, zkconn.Config{Servers: p.addr() + string(e.Chroot), Auth: []zkconn.Auth{zkconn.Digest("u", "p")}})
				name := zkfs.Path(fmt.Sprintf("/n%d", n))
				_, err := s.Create(ctx, name, nil, zkfs.Open(), zkfs.Ephemeral)
				if err != nil && !errors.Is(err, zkfs.ErrOutcomeUnknown) {
					t.Errorf("Create: %v", err)
				}
				if _, ok, xerr := s.Exists(ctx, name); xerr != nil || err == nil && !ok {
					t.Errorf("Exists: %v, %v after Create: %v", ok, xerr, err)
				}
				if s.Epoch() > 2 {
					t.Errorf("connection %d after one cut", s.Epoch())
				}
			})
		}
	})
}

// Packets that nobody asked for are passed over.
func TestStrayPackets(t *testing.T) {
	packet := func(xid int32, body ...byte) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
		b = binary.BigEndian.AppendUint32(b, uint32(xid))
		return append(append(b, make([]byte, 12)...), body...)
	}
	stray := [][]byte{
		packet(-1), packet(-1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0), packet(-1, 0, 0, 0, 1, 0, 0, 0, 3, 0x7f, 0, 0, 0),
		packet(-2), packet(-2, 1, 2, 3), packet(-4), packet(-8), packet(0), packet(1), packet(77, 1), packet(1<<30 + 9999), packet(0x7fffffff),
	}
	host := fake(t, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, 48))
		_, _ = c.Write(connectResponse(10 * time.Second))
		for i := 0; ; i++ {
			head := make([]byte, 12)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-8)
			for j := range stray {
				_, _ = c.Write(stray[(i+j)%len(stray)])
			}
			// The answer comes byte by byte.
			for _, b := range packet(int32(binary.BigEndian.Uint32(head[4:])), make([]byte, 68)...) {
				_, _ = c.Write([]byte{b})
			}
		}
	})
	s := open(t, zkconn.Config{Servers: host})
	for range 2 * len(stray) {
		if _, ok, err := s.Exists(within(t, 10*time.Second), "/a"); !ok || err != nil {
			t.Fatalf("%v, %v", ok, err)
		}
	}
	if s.Epoch() != 1 || s.ID() != 0x77 {
		t.Errorf("connection %d, session %#x", s.Epoch(), s.ID())
	}
}
