package zkconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
)

const (
	minPause = 50 * time.Millisecond // before the second round of all servers
	maxPause = time.Second           // before later ones
	// steady is how long a connection must last to count as a success.
	steady = time.Second
)

// A permanentError is one that trying again does not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

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

	mu       sync.Mutex
	hosts    []string
	next     int
	failures int // in a row
	tries    map[string]attempt
	tried    chan struct{} // closed and replaced when tries changes
	latest   *wire
}

// What a server that was not heard of did last.
const (
	phaseDial = "it did not accept a connection"
	phaseMute = "it accepted the connection and did not answer"
)

// An attempt is the latest one to use a server.
type attempt struct {
	began time.Time
	phase string // while it lasts: how far it came
	cause error  // nil when none has failed
}

func newDialer(s *Session, hosts []string) *dialer {
	d := &dialer{
		s: s, hosts: hosts, parked: make(chan struct{}), release: make(chan struct{}),
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
	conn, socket, err := dialHost(ctx, host, d.s.cfg.TLS, func() {
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
		wait = min(minPause<<min(failures/n-1, 10), maxPause)
		wait = wait/2 + rand.N(wait/2)
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
func dialHost(ctx context.Context, host string, cfg *tls.Config, accepted func()) (conn, socket net.Conn, err error) {
	var nd net.Dialer
	socket, err = nd.DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, nil, err
	}
	if accepted != nil {
		accepted()
	}
	if cfg == nil {
		return socket, socket, nil
	}
	cfg = cfg.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(host)
	}
	secure := tls.Client(socket, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		socket.Close()
		if closedByPeer(err) {
			err = errors.New("it closed the connection during the TLS handshake; the port may be one without TLS")
		}
		return nil, nil, err
	}
	return secure, socket, nil
}

func (d *dialer) trying(host, phase string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a := d.tries[host]
	if a.phase == "" {
		a.began = time.Now()
	}
	a.phase = phase
	d.tries[host] = a
}

// failed notes why a connection that was made at born could not be used, or
// not for longer.
func (d *dialer) failed(host string, born time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tries[host] = attempt{cause: err}
	if time.Since(born) < steady || d.failures > 0 {
		d.failures++
	}
	close(d.tried)
	d.tried = make(chan struct{})
}

// succeeded notes that a server gave the session.
func (d *dialer) succeeded(host string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.tries)
	d.failures = 0
}

// await returns when there is a session, or when nothing is left to hope for:
// ctx has ended, or every server has answered what trying again will not mend.
func (d *dialer) await(ctx context.Context) error {
	for {
		d.mu.Lock()
		tried, hopeless := d.tried, d.hopeless()
		d.mu.Unlock()
		s := d.s
		s.mu.Lock()
		w, over, changed := s.wire, s.over, s.changed
		s.mu.Unlock()
		switch {
		case over != nil:
			return over
		case w != nil:
			return nil
		case hopeless:
			return d.unavailable()
		}
		select {
		case <-tried:
		case <-changed:
		case <-ctx.Done():
			return d.unavailable()
		}
	}
}

// hopeless reports whether every server has failed for good. The caller holds mu.
func (d *dialer) hopeless() bool {
	for _, h := range d.hosts {
		if !permanent(d.tries[h].cause) {
			return false
		}
	}
	return true
}

// permanent reports whether a server that failed with err will do so again.
func permanent(err error) bool {
	var (
		own    *permanentError
		cert   *tls.CertificateVerificationError
		alert  tls.AlertError
		remote *net.OpError
		plain  tls.RecordHeaderError
		name   x509.HostnameError
	)
	return errors.As(err, &own) || errors.As(err, &cert) || errors.As(err, &alert) || errors.As(err, &plain) || errors.As(err, &name) ||
		errors.As(err, &remote) && remote.Op == "remote error"
}

// unavailable says why each server cannot be used, in the order of the connect
// string.
func (d *dialer) unavailable() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	limit := d.limit()
	var all []string
	e := &unreachable{}
	hosts, _, _ := ParseServers(d.s.cfg.Servers)
	for _, h := range hosts {
		a, tried := d.tries[h]
		switch {
		case a.phase != "" && (a.cause == nil || time.Since(a.began) > limit*3/4):
			all = append(all, fmt.Sprintf("%s: %s within %v", h, a.phase, time.Since(a.began).Round(100*time.Millisecond)))
		case tried:
			all = append(all, fmt.Sprintf("%s: %s", h, causeText(a.cause)))
			if cert := (*tls.CertificateVerificationError)(nil); errors.As(a.cause, &cert) {
				e.certificates = append(e.certificates, a.cause)
			}
		}
	}
	if len(all) == 0 {
		return zkfs.ErrUnavailable
	}
	e.text = zkfs.ErrUnavailable.Error() + ": " + strings.Join(all, "; ")
	return e
}

// unreachable is zkfs.ErrUnavailable with what each server answered. It also
// is the errors of certificates that were not believed, so that a command can
// say what to do about them.
type unreachable struct {
	text         string
	certificates []error
}

func (e *unreachable) Error() string { return e.text }
func (e *unreachable) Unwrap() []error {
	return append([]error{zkfs.ErrUnavailable}, e.certificates...)
}

// causeText leaves out what the net package says about addresses: the host
// stands before it.
func causeText(err error) string {
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return fmt.Sprintf("the name %q is not known", dns.Name)
		}
		return fmt.Sprintf("the name %q cannot be resolved: %s", dns.Name, dns.Err)
	case errors.Is(err, context.DeadlineExceeded):
		return "it did not answer in time"
	case errors.As(err, &op) && op.Op == "remote error":
		return "it refused the TLS handshake: " + op.Err.Error()
	case errors.As(err, &op) && op.Timeout():
		return "it did not answer in time"
	case errors.As(err, &op):
		return op.Err.Error()
	}
	return err.Error()
}
