package zkconn

import (
	"context"

	"github.com/lockform/lockform/zkfs"
)

// Heartbeat asks for a proof that the session is alive where it counts, at the
// leader: one multi of checks, or a sync when there are none. When it is
// acknowledged, Deadline moves. A check that fails is a *zkfs.MultiError.
func (s *Session) Heartbeat(ctx context.Context, checks []zkfs.Op) error { return zkfs.ErrUnimplemented }

// Deadline returns the instant up to which the server cannot have expired the
// session, as far as its answers prove. It never moves back, and stays when
// the session is over.
func (s *Session) Deadline() Instant { return 0 }
