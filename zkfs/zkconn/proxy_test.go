package zkconn_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A proxy stands between a session and a server, and is the network that fails.
type proxy struct {
	net.Listener
	backend string
	wg      sync.WaitGroup

	mu    sync.Mutex
	wake  sync.Cond
	muted bool
	shut  bool // refuses new connections by closing them
	over  bool
	links map[*link]bool
	cutAt []int // for each coming connection: how many bytes the server may say
	seen  int
}

type link struct{ client, server net.Conn }

// newProxy starts a proxy. Its first connections are cut after so many bytes
// from the server.
func newProxy(t *testing.T, backend string, cutAt ...int) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, backend: backend, links: map[*link]bool{}, cutAt: cutAt}
	p.wake.L = &p.mu
	p.wg.Go(p.serve)
	t.Cleanup(func() {
		p.mu.Lock()
		p.over, p.muted = true, false
		p.wake.Broadcast()
		p.mu.Unlock()
		l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		limit := -1
		if p.seen < len(p.cutAt) {
			limit = p.cutAt[p.seen]
		}
		p.seen++
		shut := p.shut || p.over
		p.mu.Unlock()
		if shut {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.backend)
		if err != nil {
			client.Close()
			continue
		}
		k := &link{client, server}
		p.mu.Lock()
		p.links[k] = true
		p.mu.Unlock()
		p.wg.Go(func() { p.copy(k, server, client, -1) })
		p.wg.Go(func() { p.copy(k, client, server, limit) })
	}
}

// copy passes bytes on, and holds them back while the proxy is muted.
func (p *proxy) copy(k *link, to io.Writer, from io.Reader, limit int) {
	defer p.drop(k)
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		for p.muted && p.links[k] {
			p.wake.Wait()
		}
		p.mu.Unlock()
		if limit >= 0 && n >= limit {
			_, _ = to.Write(buf[:limit])
			return
		}
		limit -= min(n, max(limit, 0))
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (p *proxy) drop(k *link) {
	k.client.Close()
	k.server.Close()
	p.mu.Lock()
	delete(p.links, k)
	p.wake.Broadcast()
	p.mu.Unlock()
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	var all []*link
	for k := range p.links {
		all = append(all, k)
	}
	p.mu.Unlock()
	for _, k := range all {
		p.drop(k)
	}
}

// mute holds back everything, in both directions, until it is lifted.
func (p *proxy) mute(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = on
	p.wake.Broadcast()
}

// refuse closes new connections at once, until it is lifted.
func (p *proxy) refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = on
}

func (p *proxy) addr() string { return p.Addr().String() }
