package zkconn

import (
	"context"
	crand "crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

const (
	minPause = 50 * time.Millisecond // before the second round of all servers
	maxPause = time.Second           // before later ones
	// steady is how long a connection must last to count as a success.
	steady = time.Second
)

// A dialer makes connections for the library, and is its HostProvider. It
// leaves names unresolved until they are dialed, so that each connection sees
// the present addresses, one bad name does not harm the others, and TLS gets
// the name. It remembers why each server could not be used.
type dialer struct {
	s       *Session
	ctx     context.Context // ends with the session
	cancel  context.CancelFunc
	parked  chan struct{} // the library waits in dial, after the end
	release chan struct{} // it may go on
	wires   sync.WaitGroup
	random  *rand.Rand // used by dial alone

	mu       sync.Mutex
	hosts    []string
	next     int
	failures int // in a row
	tries    map[string]attempt
	tried    chan struct{} // closed and replaced when tries changes
	latest   *wire
}

func newDialer(s *Session, hosts []string) *dialer {
	var seed [32]byte
	crand.Read(seed[:])
	d := &dialer{
		s: s, random: rand.New(rand.NewChaCha8(seed)), hosts: hosts, parked: make(chan struct{}), release: make(chan struct{}),
		tries: make(map[string]attempt), tried: make(chan struct{}),
	}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	return d
}

// Init takes the servers in the order that the library has shuffled them into.
func (d *dialer) Init(hosts []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts = hosts
	return nil
}

// Len returns the number of servers.
func (d *dialer) Len() int { return len(d.hosts) }

// Next returns the server to try. It never asks the library for its pause
// between two rounds, since dial makes one, until the library shall quit: that
// is where it looks whether it should.
func (d *dialer) Next() (server string, pause bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	select {
	case <-d.release:
		pause = true
	default:
	}
	server = d.hosts[d.next%len(d.hosts)]
	d.next++
	return server, pause
}

// Connected is how the library tells of a session; dial knows by itself.
func (d *dialer) Connected() {}

// dial makes a connection for the library, after a pause when all servers have
// failed. The library's own limit is too long and does not cover TLS.
func (d *dialer) dial(_, host string, _ time.Duration) (net.Conn, error) {
	if err := d.pause(); err != nil {
		select {
		case <-d.release:
		default:
			close(d.parked)
			<-d.release
		}
		return nil, err
	}
	born := time.Now()
	limit := born.Add(d.limit())
	ctx, cancel := context.WithDeadline(d.ctx, limit)
	defer cancel()
	phase := phaseDial
	d.trying(host, phase)
	conn, socket, err := dialHost(ctx, host, d.s.cfg, func() {
		phase = phaseMute
		d.trying(host, phase)
	})
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("%s within %v", phase, d.limit())
		}
		d.failed(host, time.Now(), err)
		return nil, err
	}
	w := newWire(d.s, host, conn, socket, born, limit)
	d.wires.Go(w.writeLoop)
	d.mu.Lock()
	d.latest = w
	d.mu.Unlock()
	if err := d.ctx.Err(); err != nil { // close has not seen it
		w.fail(err)
	}
	return w, nil
}

// close ends the present connection, and keeps others from being made.
func (d *dialer) close(err error) {
	d.cancel()
	d.mu.Lock()
	w := d.latest
	d.mu.Unlock()
	if w != nil {
		w.fail(err)
	}
}

// limit is the time for one attempt: all servers get theirs within
// ConnectTimeout, unless that leaves each less than a second.
func (d *dialer) limit() time.Duration {
	all := d.s.cfg.ConnectTimeout
	return min(all, max(all/time.Duration(len(d.hosts)), time.Second))
}

// pause waits after each round of failures, longer each time and never as long
// as another client that started at the same moment.
func (d *dialer) pause() error {
	d.mu.Lock()
	failures, n := d.failures, len(d.hosts)
	d.mu.Unlock()
	var wait time.Duration
	if failures > 0 && failures%n == 0 {
		// A short session leaves less time for finding a server.
		wait = min(minPause<<min(failures/n-1, 10), maxPause, max(minPause, d.s.cfg.SessionTimeout/10))
		wait = wait/2 + time.Duration(d.random.Int64N(int64(wait/2)))
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return d.ctx.Err()
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

// dialHost connects to one server. The socket is what to close.
func dialHost(ctx context.Context, host string, cfg Config, accepted func()) (conn, socket net.Conn, err error) {
	socket, err = cfg.Dial(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	if accepted != nil {
		accepted()
	}
	if cfg.TLS == nil {
		return socket, socket, nil
	}
	named := cfg.TLS.Clone()
	if named.ServerName == "" {
		named.ServerName, _, _ = net.SplitHostPort(host)
	}
	secure := tls.Client(socket, named)
	if err := secure.HandshakeContext(ctx); err != nil {
		socket.Close()
		if closedByPeer(err) {
			err = errors.New("it closed the connection during the TLS handshake; the port may be one without TLS")
		}
		return nil, nil, err
	}
	return secure, socket, nil
}
