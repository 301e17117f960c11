package main

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A proxy stands between a client and a ZooKeeper and does something once,
// when the first multi that begins with a setData passes: that is the batch of
// an apply, whose first operation writes the ledger.
type proxy struct {
	listener net.Listener
	server   string
	what     string

	cut    int    // proxyKill: which request of the client it is, pings apart
	before bool   // proxyKill: it does not reach the server, else its answer not the client
	kill   func() // proxyKill: ends the client; it may be called more than once

	mu       sync.Mutex
	frames   int           // requests that came
	done     bool          // it has happened
	closed   bool          // no connection is let through any more
	conns    []net.Conn    // open now
	release  chan struct{} // closed when what is held may go on
	happened chan struct{}
	wait     sync.WaitGroup
}

// What a proxy does.
const (
	proxyHold  = "hold"     // keeps the request until it is released
	proxyBreak = "break"    // drops the request, and every connection from then on
	proxyLose  = "lose"     // lets the request through, drops the reply, and every connection from then on
	proxyBlink = "blink"    // lets the request through and drops the reply; the client may come again
	proxyKill  = "kill"     // kills the client at its cut-th request
	proxyNext  = "losenext" // lets the request and its reply through, and drops every connection when the next batch comes
)

func newProxy(t testing.TB, server, what string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, server: server, what: what, release: make(chan struct{}), happened: make(chan struct{})}
	p.wait.Go(p.accept)
	t.Cleanup(func() {
		p.shut()
		p.wait.Wait()
	})
	return p
}

func (p *proxy) shut() {
	p.listener.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		c.Close()
	}
	select {
	case <-p.release:
	default:
		close(p.release)
	}
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		p.mu.Lock()
		if err != nil || p.closed {
			p.mu.Unlock()
			client.Close()
			if err == nil {
				server.Close()
			}
			continue
		}
		p.conns = append(p.conns, client, server)
		p.mu.Unlock()
		swallow := make(chan struct{})
		p.wait.Go(func() {
			p.requests(server, client, swallow)
			client.Close()
			server.Close()
		})
		p.wait.Go(func() {
			p.replies(client, server, swallow)
			client.Close()
			server.Close()
		})
	}
}

// requests copies frames from the client to the server.
func (p *proxy) requests(server, client net.Conn, swallow chan struct{}) {
	for {
		frame, err := readFrame(client)
		if err != nil {
			return
		}
		if p.what == proxyKill && p.due(frame) {
			if p.before {
				p.kill()
				return
			}
			close(swallow)
		}
		if isBatch(frame) && p.what == proxyNext && p.second() {
			p.gone()
			return
		}
		if isBatch(frame) && p.what != proxyKill && p.first() {
			close(p.happened)
			switch p.what {
			case proxyHold:
				<-p.release
			case proxyBreak:
				p.gone()
				return
			case proxyLose:
				p.gone()
				close(swallow)
			case proxyBlink:
				close(swallow)
			}
		}
		if _, err := server.Write(frame); err != nil {
			return
		}
	}
}

// replies copies frames from the server to the client. The first one after
// swallow is closed ends the connection.
func (p *proxy) replies(client, server net.Conn, swallow chan struct{}) {
	for {
		frame, err := readFrame(server)
		if err != nil {
			return
		}
		select {
		case <-swallow:
			if binary.BigEndian.Uint32(frame[4:]) < 1<<31 { // an answer, no ping or event
				if p.what == proxyKill {
					p.kill()
				}
				return
			}
		default:
		}
		if _, err := client.Write(frame); err != nil {
			return
		}
	}
}

// due reports whether this is the request at which the client ends.
func (p *proxy) due(frame []byte) bool {
	const ping = 11
	if len(frame) >= 12 && binary.BigEndian.Uint32(frame[8:]) == ping {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frames++
	return p.frames == p.cut
}

// first reports whether the batch that passes is the first one.
func (p *proxy) first() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.done
	p.done = true
	return !was
}

// second reports whether a batch has passed before this one.
func (p *proxy) second() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// gone refuses connections from now on, as a host that is down does.
func (p *proxy) gone() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.listener.Close()
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > 4<<20 {
		return nil, io.ErrUnexpectedEOF
	}
	frame := make([]byte, 4+n)
	copy(frame, head[:])
	_, err := io.ReadFull(r, frame[4:])
	return frame, err
}

// isBatch reports whether a request is a multi (opcode 14) whose first
// operation is a setData (5).
func isBatch(frame []byte) bool {
	return len(frame) >= 16 && binary.BigEndian.Uint32(frame[8:]) == 14 && binary.BigEndian.Uint32(frame[12:]) == 5
}

type proxyKey struct{}

// proxyVerb: "proxy NAME hold|break|lose|blink" starts a proxy and sets $NAME to
// the connect string through it; "proxy NAME release" lets go what is held;
// "proxy NAME wait" waits until it has happened.
func proxyVerb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: proxy NAME hold|break|lose|blink|release|wait")
	}
	e, _ := ts.Value(envKey{}).(*zktest.Env)
	proxies, _ := ts.Value(proxyKey{}).(map[string]*proxy)
	p := proxies[args[0]]
	switch args[1] {
	case "release":
		close(p.release)
	case "wait":
		select {
		case <-p.happened:
		case <-time.After(20 * time.Second):
			ts.Fatalf("no batch of an apply came within 20s")
		}
	default:
		p = newProxy(ts.Value(testKey{}).(testing.TB), e.Addr, args[1])
		proxies[args[0]] = p
		ts.Setenv(args[0], p.listener.Addr().String()+e.Chroot.String())
	}
}

type testKey struct{}
