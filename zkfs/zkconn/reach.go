package zkconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/lockform/lockform/zkfs"
)

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

// A permanentError is one that trying again does not mend.
type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

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
