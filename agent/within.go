package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/lockform/lockform/agent/lock"
)

// tryTime is what an attempt that is not to wait may take all the same, to be
// told that a lock is not free.
const tryTime = 5 * time.Second

// A limit is the time that the caller gives: one deadline for the session and
// the locks. The zero limit leaves it to the policies, whose wait begins when
// they are read.
type limit struct {
	wait time.Duration
	end  time.Time
}

// limitOf begins to count a wait of lock.Options.
func limitOf(wait *time.Duration) limit {
	switch {
	case wait == nil || *wait < 0:
		return limit{}
	case *wait == 0:
		return limit{0, time.Now().Add(tryTime)}
	}
	return limit{*wait, time.Now().Add(*wait)}
}

// connecting returns the context in which a session is opened. At its end
// nothing is known of the locks: that is no lock.ErrNotAcquired.
func (l limit) connecting(ctx context.Context) (context.Context, context.CancelFunc) {
	return l.until(ctx, fmt.Errorf("the wait of %s ended without a session", l.wait))
}

// taking returns the context in which the locks are taken.
func (l limit) taking(ctx context.Context) (context.Context, context.CancelFunc) {
	return l.until(ctx, lock.ErrNotAcquired)
}

func (l limit) until(ctx context.Context, cause error) (context.Context, context.CancelFunc) {
	if l.end.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadlineCause(ctx, l.end, cause)
}
