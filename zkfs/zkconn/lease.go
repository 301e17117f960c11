package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// checksPerBeat bounds the multi of one heartbeat.
const checksPerBeat = 1000

// Heartbeat asks for a proof that the session is alive where it counts, at the
// leader: multis of checks, or a sync when there are none. Each that is
// acknowledged moves Deadline. A check that fails is a *zkfs.MultiError, its
// Index that in checks.
func (s *Session) Heartbeat(ctx context.Context, checks []zkfs.Op) error {
	if len(checks) == 0 {
		r, err := s.pathRequest(opSync, zkfs.Root, nil)
		if err != nil {
			return opFailed("sync", zkfs.Root, err)
		}
		r.beat = true
		if err = s.call(ctx, r); err == nil {
			err = r.reply.decode(nil)
		}
		if err == nil {
			s.prove(r.proof)
		}
		return opFailed("sync", zkfs.Root, err)
	}
	for i := 0; i < len(checks); i += checksPerBeat {
		part := checks[i:min(i+checksPerBeat, len(checks))]
		r, err := s.multiRequest(part)
		if err == nil {
			r.beat = true
			_, err = s.multi(ctx, part, r)
		}
		if refused, ok := err.(*zkfs.MultiError); ok {
			refused.Index += i
		}
		if err != nil {
			return err
		}
		s.prove(r.proof)
	}
	return nil
}

// prove moves the deadline to what follows from an acknowledged heartbeat: that
// the leader heard of the session after sent, the latest send time older than
// the heartbeat's by half a tick. So often a follower tells the leader of the
// sessions that it heard of, and the heartbeat's answer shows that the two were
// still connected.
func (s *Session) prove(sent Instant) {
	if sent == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deadline = max(s.deadline, sent.Add(s.timeout-s.cfg.TickTime/2))
}

// Deadline returns the instant up to which the server cannot have expired the
// session, as far as its answers prove. It never moves back, and stays when
// the session is over. It lies half a tick before the session timeout after the
// request that it rests on.
func (s *Session) Deadline() Instant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline
}
