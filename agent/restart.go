package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
)

// Restart says when the locks are taken and the command is run again.
type Restart string

// The restarts.
const (
	RestartNever  Restart = "never"
	RestartOnLost Restart = "on-lost"
	RestartAlways Restart = "always"
)

// The pauses before another try of -restart, jittered by half. A run that
// lasted for as long as the longest begins with the shortest again.
const (
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
)

// again reports whether -restart wants another run after this end.
func (r *runner) again(err error) bool {
	var sig signalled
	if r.ended || errors.As(err, &sig) || errors.Is(err, context.Canceled) {
		return false
	}
	switch r.Restart {
	case RestartOnLost:
		return errors.Is(err, lock.ErrLost)
	case RestartAlways:
		// What will not mend itself is no reason to try again.
		return err == nil || errors.Is(err, lock.ErrLost) || errors.Is(err, lock.ErrNotAcquired) || errors.Is(err, lock.ErrRemoved) ||
			errors.Is(err, zkfs.ErrUnavailable) || errors.Is(err, zkfs.ErrSessionOver) || errors.Is(err, zkfs.ErrOutcomeUnknown)
	}
	return false
}

// ending words the end of a run.
func (r *runner) ending(code int, err error) string {
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the command ended with exit code %d", code)
}

// sleep waits; a signal or the end of ctx is an error.
func (r *runner) sleep(ctx context.Context, d time.Duration) error {
	ctx, stop := r.signals.during(ctx)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return stop()
}
