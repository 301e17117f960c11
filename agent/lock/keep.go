package lock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

const (
	// beatsPerTimeout is how many heartbeats fall into one session timeout.
	beatsPerTimeout = 6
	// maxOutstanding is how many heartbeats may wait for their answers: with a
	// slow ensemble the next one goes out before the last is answered.
	maxOutstanding = 2
	// maxChecks is how many checks go into one multi.
	maxChecks = 500
	// killShare is the part of the time from the last heartbeat to the lease's
	// end that may be spent on stopping the work: what is left outlives an
	// election of a leader.
	killShare = 4
)

// A beat is a heartbeat whose answer is awaited.
type beat struct{ began zkconn.Instant }

// every is the time between heartbeats.
func (s *session) every() time.Duration { return s.Timeout() / beatsPerTimeout }

// keep sends heartbeats while there are claims, tells them when they become
// suspect, and ends them in time. It runs until the session is over or life
// ends.
func (s *session) keep(life context.Context) {
	defer close(s.ended)
	ctx, cancel := context.WithCancel(life)
	var beats sync.WaitGroup
	defer beats.Wait()
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-life.Done():
			return
		case <-s.Done():
			for _, cl := range s.all() {
				cl.lose(s.Err())
			}
			return
		case <-s.kick:
		case <-timer.C:
		}
		timer.Reset(s.round(ctx, &beats))
	}
}

func (s *session) all() []*claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.claims)
}

// round does what is due and returns the time until something may be due again.
func (s *session) round(ctx context.Context, beats *sync.WaitGroup) time.Duration {
	now, every := zkconn.Now(), s.every()
	s.mu.Lock()
	claims := slices.Clone(s.claims)
	missed := false
	for b := range s.outstanding {
		missed = missed || now.Sub(max(b.began, s.answered)) >= every
	}
	// Heartbeats go on for a while after the last claim: whoever takes locks
	// again and again finds a lease that reaches far enough.
	active := len(claims) > 0 || !s.idleSince.IsZero() && now.Sub(s.idleSince) < s.Timeout()
	next := time.Hour
	if active {
		if !now.Before(s.nextBeat) && len(s.outstanding) < maxOutstanding {
			b := &beat{now}
			s.outstanding[b] = struct{}{}
			s.nextBeat = now.Add(every)
			beats.Go(func() { s.beat(ctx, b) })
		}
		next = every
		if now.Before(s.nextBeat) {
			next = min(next, s.nextBeat.Sub(now))
		}
	}
	s.mu.Unlock()

	for _, cl := range claims {
		if missed {
			cl.suspect()
		}
		if end, held := cl.check(now); held {
			next = min(next, end)
		}
	}
	next = max(next, time.Millisecond)
	s.mu.Lock()
	s.due = now.Add(next)
	s.mu.Unlock()
	return next
}

// beat sends one heartbeat for all claims and tells them what it showed. It is
// awaited for as long as the session can live without it.
func (s *session) beat(ctx context.Context, b *beat) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout())
	defer cancel()
	err := s.prove(ctx, s.all())
	s.mu.Lock()
	delete(s.outstanding, b)
	if err == nil {
		s.lastBeat, s.answered = max(s.lastBeat, b.began), zkconn.Now()
		close(s.beaten)
		s.beaten = make(chan struct{})
	} else if retry := zkconn.Now().Add(s.every() / 4); retry.Before(s.nextBeat) {
		s.nextBeat = retry
	}
	s.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		s.log.Debug("a heartbeat was not acknowledged", "error", err)
		for _, cl := range s.all() {
			cl.suspect()
		}
	}
	s.wakeKeeper()
}

// prove sends the heartbeats that the claims' policies ask for: checks of their
// nodes in multis of a bounded size, or a sync when none asks for more.
func (s *session) prove(ctx context.Context, claims []*claim) error {
	write := slices.DeleteFunc(slices.Clone(claims), func(cl *claim) bool { return cl.heartbeat() != layout.HeartbeatWrite })
	if len(write) == 0 {
		if err := s.Heartbeat(ctx, nil); err != nil {
			return err
		}
	}
	for len(write) > 0 {
		n := min(len(write), maxChecks)
		if err := s.proveNodes(ctx, write[:n]); err != nil {
			return err
		}
		write = write[n:]
	}
	// A sync shows that the session lives, not that the nodes do: what was
	// suspect is looked at.
	for _, cl := range claims {
		if cl.heartbeat() != layout.HeartbeatWrite && cl.isSuspect() {
			if err := cl.look(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// proveNodes checks the nodes of claims in one multi. One that is gone ends its
// claim, and the others are checked again.
func (s *session) proveNodes(ctx context.Context, claims []*claim) error {
	for {
		var ops []zkfs.Op
		var whose []*claim
		for _, cl := range claims {
			for _, op := range cl.checks() {
				ops, whose = append(ops, op), append(whose, cl)
			}
		}
		err := s.Heartbeat(ctx, ops)
		var refused *zkfs.MultiError
		switch {
		case err == nil:
			for _, cl := range claims {
				cl.proved()
			}
			return nil
		case errors.As(err, &refused) && refused.Index >= 0 && refused.Index < len(whose):
			gone := whose[refused.Index]
			switch {
			case errors.Is(err, zkfs.ErrNoNode):
				gone.removed()
			case errors.Is(err, zkfs.ErrBadVersion), errors.Is(err, zkfs.ErrNoAuth):
				// Somebody may write to it after all, or took READ away. The node
				// itself is seen by a look.
				if err := gone.look(ctx); err != nil {
					return err
				}
			default:
				return err
			}
			claims = slices.DeleteFunc(slices.Clone(claims), func(cl *claim) bool { return cl == gone })
		default:
			return err
		}
	}
}

// cut returns the time from the first signal to SIGKILL: kill at most, and a
// quarter of the time from the last heartbeat to the lease's end.
func (s *session) cut(kill time.Duration) time.Duration {
	s.mu.Lock()
	from := max(s.lastBeat, s.opened)
	s.mu.Unlock()
	return max(0, min(kill, s.Deadline().Sub(from)/killShare))
}

// reaches reports whether the lease reaches far enough to grant something whose
// work needs kill to stop. Where it does not, a heartbeat is on its way.
func (s *session) reaches(kill time.Duration) bool {
	if s.Deadline().Until() >= s.cut(kill)+s.every()/4 {
		return true
	}
	s.mu.Lock()
	s.idleSince = zkconn.Now()
	if len(s.outstanding) == 0 {
		s.nextBeat = min(s.nextBeat, s.lastBeat.Add(s.every()/4))
	}
	s.mu.Unlock()
	s.wakeKeeper()
	return false
}

// assure returns when the lease reaches far enough to grant something.
func (s *session) assure(ctx context.Context, kill time.Duration) error {
	for {
		s.mu.Lock()
		beaten := s.beaten
		s.mu.Unlock()
		if s.reaches(kill) {
			return nil
		}
		select {
		case <-beaten:
		case <-s.Done():
			return s.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
