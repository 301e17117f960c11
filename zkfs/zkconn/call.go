package zkconn

import (
	"context"
	"fmt"
	"slices"

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
	tries, most := 0, maxTries
	for _, r := range rs {
		if r.op == opMultiRead {
			most = 1 // there is another way
		}
	}
	for {
		w, err := s.start(ctx, rs...)
		if err != nil {
			return err
		}
		sent, broken, err := s.outcome(ctx, w, rs)
		if err != nil || broken == nil {
			return err
		}
		if sent {
			// A request that breaks every connection must not go on for ever.
			if tries++; tries >= most {
				return unanswered(w, broken)
			}
		}
		for _, r := range rs {
			r.sent, r.err, r.done = false, nil, make(chan struct{})
		}
	}
}

// unanswered is the error of requests that changed nothing, or were not sent,
// when the connection broke.
func unanswered(w *wire, broken error) error {
	return fmt.Errorf("%w: the connection to %s broke: %s", zkfs.ErrUnavailable, w.host, causeText(broken))
}

// start queues requests together on the present connection, or the next when
// there is none, and returns it. An error means that none of them was sent.
func (s *Session) start(ctx context.Context, rs ...*request) (*wire, error) {
	for _, r := range rs {
		if size := len(r.frame) - 4; size > maxRequest {
			return nil, fmt.Errorf("%w: it has %d bytes, and %d is the most", zkfs.ErrTooLarge, size, maxRequest)
		}
	}
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", zkfs.ErrUnavailable, err)
		}
		w, err := s.connection(ctx)
		if err != nil {
			return nil, err
		}
		if w.send(rs...) {
			return w, nil
		}
		s.ended(w, w.cause())
	}
}

// outcome waits for the answers to requests that were started on w. When the
// connection broke before all had come and they may be sent again without harm,
// there is no error, broken says why, and sent whether a server may have seen
// any.
func (s *Session) outcome(ctx context.Context, w *wire, rs []*request) (sent bool, broken, err error) {
	sent, broken, err = s.wait(ctx, w, rs)
	effect := sent && slices.ContainsFunc(rs, func(r *request) bool { return changes(r.op) })
	switch {
	case err != nil && effect:
		err = unknown(fmt.Errorf("%s has not answered: %w", w.host, err))
	case err != nil:
		err = fmt.Errorf("%w: %s has not answered: %w", zkfs.ErrUnavailable, w.host, err)
	case broken != nil && effect && s.Err() != nil:
		err = unknown(s.Err())
	case broken != nil && effect:
		err = unknown(fmt.Errorf("the connection to %s broke: %s", w.host, causeText(broken)))
	}
	return sent, broken, err
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
