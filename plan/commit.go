package plan

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lockform/lockform/zkfs"
)

const (
	// requestTimeout bounds one request of an apply, which ^C does not stop.
	requestTimeout = 30 * time.Second
	// lookAgain is how long to wait before a request is sent again that did
	// not reach a server.
	lookAgain = 50 * time.Millisecond
)

// request returns the context of one request: it outlives ^C, but not the lock.
func (s *side) request(ctx context.Context) (context.Context, context.CancelFunc) {
	r, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	stop := context.AfterFunc(s.Lock.Context(), cancel)
	return r, func() { stop(); cancel() }
}

// givenUp reports whether a request failed because its target gives up: it says
// that it was cancelled, though its context was not. That is a second ^C.
func givenUp(req context.Context, err error) bool {
	return req.Err() == nil && errors.Is(err, context.Canceled)
}

// A flight is one multi of a run: it sets the ledger at its expected version,
// checks our contender of the apply lock, and does what the run is to do.
type flight struct {
	next   Ledger // as it leaves it; the Stat's version is known beforehand
	ops    []zkfs.Op
	landed func(zxid int64) // called when it was carried out; 0 when the reply was lost and the ledger tells so

	answer func() ([]zkfs.Result, error)
	err    error // of its last copy
}

// flight makes the multi that follows another, or what stands in the tree when
// that is nil. The first of a run has more to do.
func (s *side) flight(after *flight, next Ledger, ops []zkfs.Op, landed func(zxid int64)) (*flight, error) {
	before := s.ledger.Stat
	if after != nil {
		before = after.next.Stat
	}
	data, err := next.Encode()
	if err != nil {
		return nil, err
	}
	next.Stat = before
	next.Stat.Version++
	all := append([]zkfs.Op{
		{Kind: zkfs.OpSet, Path: next.Path, Data: data, Version: before.Version},
		{Kind: zkfs.OpCheck, Path: s.Lock.Node(), Version: 0},
	}, s.first...)
	s.first = nil
	return &flight{next: next, ops: append(all, ops...), landed: landed}, nil
}

// send sends a flight, and may send it again: the ledger's version lets one copy
// through.
func (s *side) send(ctx context.Context, f *flight) {
	req, cancel := s.request(ctx)
	answer := s.Target.SendMulti(req, f.ops)
	f.answer = func() ([]zkfs.Result, error) {
		defer cancel()
		results, err := answer()
		if givenUp(req, err) {
			err = &gaveUp{err}
		}
		return results, err
	}
}

// gaveUp marks the error of a request whose target gives up.
type gaveUp struct{ error }

func (e *gaveUp) Unwrap() error { return e.error }

// land takes note of flights that were carried out, with the results of the last
// one, or nil when its reply was lost.
func (s *side) land(flights []*flight, results []zkfs.Result) {
	for i, f := range flights {
		zxid := int64(0)
		s.ledger = f.next
		if i == len(flights)-1 && results != nil {
			s.ledger.Stat, zxid = results[0].Stat, results[0].Zxid
		}
		f.landed(zxid)
	}
}

// commit carries out one multi by itself: next is the ledger that it leaves.
func (s *side) commit(ctx context.Context, next Ledger, ops []zkfs.Op) error {
	if s.Lock.Context().Err() != nil {
		return s.lockLost(context.Cause(s.Lock.Context()))
	}
	f, err := s.flight(nil, next, ops, func(int64) {})
	if err != nil {
		return s.refusedMulti(ctx, err)
	}
	s.send(ctx, f)
	_, err = s.await(ctx, []*flight{f})
	return err
}

// await waits for the oldest of the flights that were sent, in this order, and
// returns how many of them were carried out: at least one, when there is no
// error. When the oldest fails, all are waited for, what became of them is found
// out, and the rest is sent again, one by one, as far as that can help. Each expects the
// version of the ledger that the one before leaves: whichever way its copies
// take, none is carried out out of turn.
func (s *side) await(ctx context.Context, flights []*flight) (done int, err error) {
	results, err := flights[0].answer()
	if err == nil {
		s.land(flights[:1], results)
		return 1, nil
	}
	flights[0].err = err
	done = s.others(flights)
	unknown := false // a request may have been, or may yet be, carried out
	for done < len(flights) {
		left := flights[done:]
		err := left[0].err
		unknown = unknown || slices.ContainsFunc(left, func(f *flight) bool { return unanswered(f.err) })
		me, isMulti := errors.AsType[*zkfs.MultiError](err)
		_, stopped := errors.AsType[*gaveUp](err)
		switch {
		case stopped:
			return done, s.unknown(err)
		case isMulti && me.Index == 0 && errors.Is(err, zkfs.ErrBadVersion):
			// Another run, or an earlier copy of this very request.
		case unanswered(err), errors.Is(err, zkfs.ErrUnavailable):
		case errors.Is(err, zkfs.ErrSessionOver) && unknown:
			return done, s.unknown(err)
		case errors.Is(err, zkfs.ErrSessionOver):
			return done, s.lockLost(err)
		default:
			return done, s.refusedMulti(ctx, err)
		}
		landed, changed, lookErr := s.lookUp(ctx, left)
		switch {
		case lookErr != nil && unknown && errors.Is(lookErr, zkfs.ErrSessionOver):
			return done, s.unknown(err)
		case lookErr != nil && !unknown && !errors.Is(lookErr, zkfs.ErrUnavailable):
			return done, s.refusedMulti(ctx, lookErr)
		case landed > 0:
			s.land(left[:landed], nil)
			done += landed
			continue
		case changed && unknown:
			return done, s.unknown(err) // what was carried out may have been written over
		case changed:
			return done, s.refusedMulti(ctx, err)
		}
		// Not carried out so far.
		s.pause()
		switch {
		case s.Lock.Context().Err() == nil:
		case unknown:
			return done, s.unknown(context.Cause(s.Lock.Context()))
		default:
			return done, s.lockLost(context.Cause(s.Lock.Context()))
		}
		done += s.again(ctx, left)
	}
	return done, nil
}

// unanswered reports whether a request may have been carried out all the same.
func unanswered(err error) bool {
	return errors.Is(err, zkfs.ErrOutcomeUnknown) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// others waits for the answers to all flights but the oldest, and returns how
// many were carried out: all up to the last that says so.
func (s *side) others(flights []*flight) (done int) {
	for i, f := range flights[1:] {
		var results []zkfs.Result
		if results, f.err = f.answer(); f.err == nil {
			s.land(flights[done:i+2], results)
			done = i + 2
		}
	}
	return done
}

// again sends flights once more, one after the other until one fails, and
// returns how many were carried out.
func (s *side) again(ctx context.Context, flights []*flight) (done int) {
	for ; done < len(flights); done++ {
		f := flights[done]
		s.send(ctx, f)
		var results []zkfs.Result
		if results, f.err = f.answer(); f.err != nil {
			break
		}
		s.land(flights[done:done+1], results)
	}
	return done
}

// lookUp reads the ledger after replies were lost. It returns how many of the
// flights were carried out, and whether another has written instead.
func (s *side) lookUp(ctx context.Context, flights []*flight) (landed int, changed bool, err error) {
	req, cancel := s.request(ctx)
	defer cancel()
	if err := s.Target.Sync(req, s.ledger.Path); err != nil {
		return 0, false, err
	}
	found, err := ReadLedger(req, s.Target, s.ledger.Path)
	if err != nil {
		return 0, false, err
	}
	for i, f := range flights {
		a, b := found.Run, f.next.Run
		if a != nil && a.ID == b.ID && a.Batch == b.Batch && a.Cursor == b.Cursor && a.Done == b.Done && found.Stat.Version == f.next.Stat.Version {
			return i + 1, false, nil
		}
	}
	return 0, found.Stat.Version != s.ledger.Stat.Version, nil
}

// pause waits a little, or until the lock is lost.
func (s *side) pause() {
	t := time.NewTimer(lookAgain)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.Lock.Context().Done():
	}
}
