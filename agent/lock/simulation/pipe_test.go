package simulation

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A pipe carries bytes one way, as one direction of a TCP connection does: in
// their order, each write after a delay of its own, as many as there are.
type pipe struct {
	delay func() time.Duration

	mu       sync.Mutex
	segments []segment
	last     time.Time // when the latest arrives
	stalled  bool      // nothing arrives
	lost     bool      // what is written from now on never arrives
	broken   error     // for both ends
	closed   bool      // by the reader
	deadline time.Time // of the reader
	wake     chan struct{}
}

type segment struct {
	at   time.Time
	data []byte // nil is the end
}

func newPipe(delay func() time.Duration) *pipe {
	return &pipe{delay: delay, wake: make(chan struct{}, 1)}
}

// write returns when the bytes arrive, if they do.
func (p *pipe) write(b []byte) (time.Time, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return time.Time{}, p.broken
	}
	return p.add(append([]byte{}, b...)), nil
}

// add appends a segment. p.mu is held.
func (p *pipe) add(data []byte) time.Time {
	at := time.Now().Add(p.delay())
	switch {
	case at.After(p.last):
	case p.delay()%8 == 0:
		at = p.last // both are read before anybody looks at either
	default:
		at = p.last.Add(time.Microsecond)
	}
	if p.last = at; !p.lost {
		p.segments = append(p.segments, segment{at, data})
		p.notify()
	}
	return at
}

// notify wakes the reader. p.mu is held.
func (p *pipe) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// change changes the state of the pipe.
func (p *pipe) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.notify()
}

// fail breaks the pipe for both ends; the first reason counts.
func (p *pipe) fail(err error) {
	p.change(func() {
		if p.broken == nil {
			p.broken = err
		}
	})
}

// finish ends the writing: what was written still arrives.
func (p *pipe) finish() {
	p.change(func() {
		if p.broken == nil {
			p.add(nil)
		}
	})
}

func (p *pipe) read(b []byte) (int, error) {
	for {
		n, wait, err := p.take(b)
		if n > 0 || err != nil {
			return n, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// take returns what has arrived, or how long nothing can.
func (p *pipe) take(b []byte) (n int, wait time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	wait = time.Hour
	switch {
	case p.broken != nil:
		return 0, 0, p.broken
	case p.closed:
		return 0, 0, net.ErrClosed
	}
	if !p.deadline.IsZero() {
		if !now.Before(p.deadline) {
			return 0, 0, os.ErrDeadlineExceeded
		}
		wait = p.deadline.Sub(now)
	}
	if p.stalled || len(p.segments) == 0 {
		return 0, wait, nil
	}
	first := &p.segments[0]
	if now.Before(first.at) {
		return 0, min(wait, first.at.Sub(now)), nil
	}
	if first.data == nil {
		return 0, 0, io.EOF
	}
	n = copy(b, first.data)
	if first.data = first.data[n:]; len(first.data) == 0 {
		p.segments = p.segments[1:]
	}
	return n, 0, nil
}

// An end is one end of a connection.
type end struct {
	in, out *pipe
	send    func([]byte) error // nil: into out
	local   address
	remote  address
}

func (e *end) Read(b []byte) (int, error) { return e.in.read(b) }

func (e *end) Write(b []byte) (int, error) {
	var err error
	if e.send != nil {
		err = e.send(b)
	} else {
		err = packets(b, func(p []byte) error {
			_, err := e.out.write(p)
			return err
		})
	}
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// packets calls f with each packet of what one end wrote: whole ones, always.
func packets(b []byte, f func([]byte) error) error {
	for len(b) > 0 {
		size := 4 + int(binary.BigEndian.Uint32(b))
		if err := f(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// Close ends both directions. What was written still arrives; the other end
// finds out when it has read that.
func (e *end) Close() error {
	e.in.change(func() { e.in.closed, e.in.lost = true, true })
	e.out.finish()
	return nil
}

func (e *end) LocalAddr() net.Addr  { return e.local }
func (e *end) RemoteAddr() net.Addr { return e.remote }

func (e *end) SetReadDeadline(t time.Time) error {
	e.in.change(func() { e.in.deadline = t })
	return nil
}

// Writing never waits.
func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) SetDeadline(t time.Time) error    { return e.SetReadDeadline(t) }

type address string

func (a address) Network() string { return "memory" }
func (a address) String() string  { return string(a) }

var errReset = &net.OpError{Op: "read", Net: "memory", Err: syscall.ECONNRESET}
