package zkconn

import (
	"context"
	"fmt"

	"github.com/lockform/lockform/zkfs"
)

// unknown is the error of a request that was sent and not answered.
func unknown(why error) error { return fmt.Errorf("%w: %w", zkfs.ErrOutcomeUnknown, why) }

// maxTries is how often a request that changes nothing is sent.
const maxTries = 4

// call sends requests together, on one connection and in this order, and waits
// for all answers. An error means that some have not come; codes of the server
// are left to the caller. Requests of which none was sent, or that change
// nothing, are tried again on the next connection.
func (s *Session) call(ctx context.Context, rs ...*request) error {
	effect, tries, most := false, 0, maxTries
	for _, r := range rs {
		if size := len(r.frame) - 4; size > maxRequest {
			return fmt.Errorf("%w: it has %d bytes, and %d is the most", zkfs.ErrTooLarge, size, maxRequest)
		}
		effect = effect || changes(r.op)
		if r.op == opMultiRead {
			most = 1 // there is another way
		}
	}
	for {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("%w: %w", zkfs.ErrUnavailable, err)
		}
		w, err := s.connection(ctx)
		if err != nil {
			return err
		}
		if !w.send(rs...) {
			s.ended(w, w.cause())
			continue
		}
		sent, broken, err := s.wait(ctx, w, rs)
		switch {
		case err == nil && broken == nil:
			return nil
		case err != nil && sent && effect:
			return unknown(fmt.Errorf("%s has not answered: %w", w.host, err))
		case err != nil:
			return fmt.Errorf("%w: %s has not answered: %w", zkfs.ErrUnavailable, w.host, err)
		case sent && effect && s.Err() != nil:
			return unknown(s.Err())
		case sent && effect:
			return unknown(fmt.Errorf("the connection to %s broke: %s", w.host, causeText(broken)))
		case sent:
			// A request that breaks every connection must not go on for ever.
			if tries++; tries >= most {
				return fmt.Errorf("%w: the connection to %s broke: %s", zkfs.ErrUnavailable, w.host, causeText(broken))
			}
		}
		for _, r := range rs {
			r.sent, r.err, r.done = false, nil, make(chan struct{})
		}
	}
}

// wait waits for the answers to requests that were queued on w. It returns
// whether any was sent, why w broke, and the cause when ctx ended before all
// had come.
func (s *Session) wait(ctx context.Context, w *wire, rs []*request) (sent bool, broken, err error) {
	for _, r := range rs {
		given := false
		select {
		case <-r.done:
		case <-ctx.Done():
			if given = w.abandon(r); !given {
				<-r.done // it is being handled
			}
		}
		sent = sent || r.sent
		switch {
		case given:
			err = context.Cause(ctx)
		case r.err != nil:
			broken = r.err
		}
	}
	return sent, broken, err
}
