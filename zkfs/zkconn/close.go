package zkconn

import (
	"context"
	"fmt"
	"time"

	"github.com/lockform/lockform/zkfs"
)

// end makes the session over, once, for the given reason.
func (s *Session) end(err error) {
	s.mu.Lock()
	if s.over != nil {
		s.mu.Unlock()
		return
	}
	s.over, s.last = err, s.wire
	s.announce()
	close(s.done)
	s.mu.Unlock()

	s.log.Debug("the session is over", "cause", err)
	s.watches.close()
	s.dialer.close(err)
}

// cleanUp makes the library quit when the session is over, and waits for it.
func (s *Session) cleanUp() {
	defer close(s.gone)
	quit := make(chan struct{})
	go func() {
		defer close(quit)
		for range s.events {
		}
	}()
	<-s.done
	// end may not be that far yet. On a connection that still takes it, the
	// library's Close would be waited for until its next ping.
	s.dialer.close(s.Err())
	s.mu.Lock()
	last := s.last
	s.mu.Unlock()
	// The library looks whether it should quit when a connection has ended, before
	// it makes another one, and answers its own Close at once only then. The last
	// connection keeps it until it has begun to close. Without one it is let go on
	// to its next dial, which keeps it.
	if last == nil {
		<-s.dialer.parked
	}
	closed := make(chan struct{})
	go func() {
		s.zk.Close()
		close(closed)
	}()
	select {
	case <-quit:
	case <-s.dialer.parked:
		time.AfterFunc(2*time.Millisecond, func() { close(s.dialer.release) })
		<-quit
	}
	<-closed
	s.dialer.wires.Wait()
}

// How long a server is given to answer the end of a session: in Close, and in
// an Open that fails.
const (
	closeGrace = 2 * time.Second
	openGrace  = 250 * time.Millisecond
)

// Close ends the session on the server, which deletes its ephemerals, and waits
// for everything that was started. With a server that does not answer it gives
// up at the end of ctx, or after two seconds; the error says that the server
// will find out by itself when the session timeout has passed. Closing a
// session that is over is no error.
func (s *Session) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	var err error
	over := fmt.Errorf("%w: it was closed", zkfs.ErrSessionOver)
	if s.ID() != 0 && s.Err() == nil {
		r := newRequest(opClose, nil)
		// At once, before the library takes the session up on a new connection.
		r.onReply = func(*wire, *reply) { s.end(over) }
		if err = s.call(ctx, r); err != nil && s.Err() == nil {
			err = fmt.Errorf("close session %#x: %w; the server ends it when its timeout of %v has passed", s.ID(), err, s.Timeout())
		} else {
			err = nil
		}
	}
	s.end(over)
	<-s.gone
	return err
}
