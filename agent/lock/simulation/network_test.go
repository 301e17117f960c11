package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev"
)

// A network connects hosts with the server, in memory and by the bubble's
// clock. What it does is drawn from the seed, for each connection apart: so the
// order in which goroutines of different hosts run at one instant does not
// matter.
type network struct {
	seed uint64
	log  func(string, ...any)

	mu       sync.Mutex
	listener *listener // nil: the server is down
}

// A host is a machine with clients on it.
type host struct {
	net  *network
	name string
	id   uint64
	near bool // its connections have no delay, and no fault strikes them

	mu     sync.Mutex
	dials  uint64
	links  []*link       // that may be open
	cutOff chan struct{} // not nil: it reaches nobody, until this is closed
	trap   *trap
}

// A link is one connection of a host.
type link struct {
	host     *host
	name     string
	up, down *pipe // to the server, to the host
}

// A trap waits for a request of a host and strikes it.
type trap struct {
	op     zkdev.Op // 0 is any
	nth    int
	action string
	delay  time.Duration
}

// What a trap does with the request that it has waited for. In between the
// host hears nothing, for the trap's delay.
const (
	loseRequest = "lose the request" // and break the connection
	loseReply   = "lose the reply"   // and break the connection
	delayReply  = "delay the reply"
)

func (n *network) host(name string, near bool) *host {
	h := &host{net: n, name: name, near: near}
	for _, b := range []byte(name) {
		h.id = h.id*31 + uint64(b)
	}
	return h
}

// delays returns the delays of one direction of a connection: mostly those of a
// local network.
func (h *host) delays(dial, direction uint64) func() time.Duration {
	if h.near {
		return func() time.Duration { return 0 }
	}
	random := rand.New(rand.NewPCG(h.net.seed^h.id, dial<<2|direction))
	return func() time.Duration {
		d := 20*time.Microsecond + time.Duration(random.Int64N(int64(time.Millisecond)))
		switch random.IntN(20) {
		case 0:
			d *= 20
		case 1:
			d *= 5
		}
		return d
	}
}

// dial connects to the server.
func (h *host) dial(ctx context.Context, _ string) (net.Conn, error) {
	h.mu.Lock()
	h.dials++
	n := h.dials
	l := &link{host: h, name: fmt.Sprintf("%s.%d", h.name, n), up: newPipe(h.delays(n, 0)), down: newPipe(h.delays(n, 1))}
	cutOff := h.cutOff
	h.mu.Unlock()
	select {
	case <-time.After(h.delays(n, 2)()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for cutOff != nil {
		select {
		case <-cutOff:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		h.mu.Lock()
		cutOff = h.cutOff
		h.mu.Unlock()
	}
	local, remote := address(fmt.Sprintf("%s:%d", h.name, n)), address("server:2181")
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if h.net.listener == nil || !h.net.listener.offer(&end{in: l.up, out: l.down, local: remote, remote: local}) {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: syscall.ECONNREFUSED}
	}
	h.mu.Lock()
	h.links = append(h.links, l)
	h.mu.Unlock()
	return &end{in: l.down, out: l.up, send: func(b []byte) error { return packets(b, l.send) }, local: local, remote: remote}, nil
}

// send sends a packet of the host, and looks whether a trap is laid for it.
func (l *link) send(packet []byte) error {
	t := l.host.spring(packet)
	if t != nil {
		l.host.net.log("%s: %s (%v)", l.name, t.action, t.delay)
	}
	if t != nil && t.action == loseRequest {
		l.up.change(func() { l.up.lost = true })
	}
	arrives, err := l.up.write(packet)
	switch {
	case err != nil:
		return err
	case t == nil:
	case t.action == delayReply:
		l.down.change(func() { l.down.stalled = true })
		time.AfterFunc(t.delay, func() { l.down.change(func() { l.down.stalled = false }) })
	default:
		l.down.change(func() { l.down.lost = true })
		time.AfterFunc(time.Until(arrives)+time.Millisecond+t.delay, l.cut)
	}
	return nil
}

// spring returns the trap if it is for this packet.
func (h *host) spring(packet []byte) *trap {
	if len(packet) < 12 {
		return nil
	}
	op := zkdev.Op(binary.BigEndian.Uint32(packet[8:]))
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.trap
	if t == nil || t.op != 0 && t.op != op {
		return nil
	}
	if t.nth--; t.nth > 0 {
		return nil
	}
	h.trap = nil
	return t
}

// cut breaks a connection for both ends.
func (l *link) cut() {
	l.up.fail(errReset)
	l.down.fail(errReset)
}

// open returns the connections that may be open.
func (h *host) open() []*link {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.links = slices.DeleteFunc(h.links, func(l *link) bool {
		l.down.mu.Lock()
		defer l.down.mu.Unlock()
		return l.down.broken != nil || l.down.closed
	})
	return slices.Clone(h.links)
}

// heal ends what was done to the host: what is late arrives, and a connection on
// which something was lost breaks.
func (h *host) heal() {
	h.mu.Lock()
	h.trap = nil
	h.mu.Unlock()
	for _, l := range h.open() {
		broken := false
		for _, p := range []*pipe{l.up, l.down} {
			p.change(func() { p.stalled, broken = false, broken || p.lost })
		}
		if broken {
			l.cut()
		}
	}
}

// stall keeps everything back that goes to the server, or to the host.
func (h *host) stall(up, down bool) (undo func()) {
	links := h.open()
	set := func(on bool) {
		for _, l := range links {
			if up {
				l.up.change(func() { l.up.stalled = on })
			}
			if down {
				l.down.change(func() { l.down.stalled = on })
			}
		}
	}
	set(true)
	return func() { set(false) }
}

// isolate keeps the host from reaching anything: what is under way arrives
// afterwards, if its connection lives so long.
func (h *host) isolate() (undo func()) {
	h.mu.Lock()
	if h.cutOff != nil {
		h.mu.Unlock()
		return func() {}
	}
	gate := make(chan struct{})
	h.cutOff = gate
	h.mu.Unlock()
	thaw := h.stall(true, true)
	return func() {
		h.mu.Lock()
		h.cutOff = nil
		close(gate)
		h.mu.Unlock()
		thaw()
	}
}

// A listener is where the server accepts connections.
type listener struct {
	net     *network
	waiting chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

// listen opens the server's address.
func (n *network) listen() *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener = &listener{net: n, waiting: make(chan net.Conn, 1000), closed: make(chan struct{})}
	return n.listener
}

// offer reports whether there is still somebody who accepts. n.mu is held.
func (l *listener) offer(c net.Conn) bool {
	select {
	case l.waiting <- c:
		return true
	default:
		return false
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses those whose connections were not accepted yet.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		defer l.net.mu.Unlock()
		if l.net.listener == l {
			l.net.listener = nil
		}
		close(l.closed)
		for {
			select {
			case c := <-l.waiting:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

func (l *listener) Addr() net.Addr { return address("server:2181") }
