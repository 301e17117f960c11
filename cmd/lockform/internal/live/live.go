// Package live shows who holds and who waits for locks: as text, as JSON, and
// with the rings in which owners wait for each other.
package live

import (
	"fmt"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs/layout"
)

// A Lock is a lock's queue as it was read, with what the layout calls it.
type Lock struct {
	Ensemble string // "" when there is one ensemble only
	Address  string // "" for a path that the layout does not declare
	Queue    Queue
}

// Queue is a lock.Queue.
type Queue struct{ lock.Queue }

func (q Queue) semaphore() bool { return q.Policy != nil && q.Policy.Mode == layout.Semaphore }

// Name returns the path, with the ensemble before it where there are several.
func (l Lock) Name() string {
	if l.Ensemble == "" {
		return l.Queue.Path.String()
	}
	return l.Ensemble + ":" + l.Queue.Path.String()
}

// owner returns by what name c is known over all locks.
func owner(l Lock, c lock.Contender) string {
	if c.Owner != "" {
		return c.Owner
	}
	return fmt.Sprintf("session 0x%x", uint64(c.Session))
}

// Notes returns what is remarkable about a contender at the time now: that its
// client cannot see the lock's own contenders, that it waits or holds for
// longer than the policy allows.
func Notes(l Lock, c lock.Contender, now time.Time) []string {
	var notes []string
	if c.Foreign {
		notes = append(notes, "foreign recipe ("+c.Client+")")
	}
	p := l.Queue.Policy
	if p == nil || c.Since.IsZero() {
		return notes
	}
	switch age := now.Sub(c.Since); {
	case !c.Holds && p.WaitTimeout > 0 && age > p.WaitTimeout:
		notes = append(notes, "waits longer than wait_timeout ("+layout.FormatDuration(p.WaitTimeout)+")")
	// Since is when it queued: how long it has been holding is known only
	// up to the time that it may have waited.
	case c.Holds && p.MaxHold > 0 && age > p.MaxHold+max(p.WaitTimeout, 0):
		notes = append(notes, "queued longer ago than max_hold allows ("+layout.FormatDuration(p.MaxHold)+")")
	}
	return notes
}

// State says in a word or two whether the lock is held, and why it cannot be
// said where it cannot.
func (l Lock) State() string {
	switch {
	case l.Queue.Absent:
		return "does not exist"
	case l.Queue.Denied:
		return "may not be read"
	case len(l.Queue.Contenders) == 0:
		return "free"
	}
	return fmt.Sprintf("%d held, %d waiting", len(l.Queue.Holders()), len(l.Queue.Waiters()))
}
