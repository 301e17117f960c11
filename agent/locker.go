package agent

import (
	"context"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// A lease is what the runner needs of a hold while it lasts.
type lease interface {
	Context() context.Context
	Remaining() time.Duration
	KillTimeout() time.Duration
	Policy() layout.Policy
	Release(context.Context) error
}

// A grant is a hold with what never changes of it.
type grant struct {
	lease
	path, node     zkfs.Path
	mode, owner    string
	token, session int64
}

// taken are the holds of one acquisition, in the order of the command line.
type taken struct {
	grants []grant
	outer  string // for processes below: these holds and the outer ones
}

// A locker takes locks, all or none, for one caller at a time. Its close gives up
// what is still held.
type locker interface {
	acquire(context.Context, []zkfs.Path, lock.Options) (taken, error)
	close(context.Context) error
}

// clientLocker takes them from ZooKeeper.
type clientLocker struct{ *lock.Client }

func (c clientLocker) acquire(ctx context.Context, paths []zkfs.Path, o lock.Options) (taken, error) {
	held, err := c.AcquireAll(ctx, paths, o)
	if err != nil {
		return taken{}, err
	}
	t := taken{outer: lock.FormatOuter(o.Outer, held)}
	for _, h := range held {
		t.grants = append(t.grants, grant{
			lease: h, path: h.Path(), node: h.Node(), mode: h.Mode(),
			owner: h.Owner(), token: h.Token(), session: h.Session(),
		})
	}
	return t, nil
}

func (c clientLocker) close(ctx context.Context) error { return c.Close(ctx) }

// remaining returns the time until the first of the leases ends.
func (t taken) remaining() time.Duration {
	least := t.grants[0].Remaining()
	for _, g := range t.grants[1:] {
		least = min(least, g.Remaining())
	}
	return least
}

// killTimeout returns the shortest time from the first signal to SIGKILL.
func (t taken) killTimeout() time.Duration {
	least := t.grants[0].KillTimeout()
	for _, g := range t.grants[1:] {
		least = min(least, g.KillTimeout())
	}
	return least
}

// strictness orders what may happen to a command on loss.
func strictness(o layout.OnLost) int {
	switch o {
	case layout.OnLostIgnore:
		return 0
	case layout.OnLostKill:
		return 2
	}
	return 1
}

// onLost returns the strictest of what the policies and the caller want.
func (t taken) onLost(asked layout.OnLost) layout.OnLost {
	strictest := layout.OnLostIgnore
	for _, g := range t.grants {
		if o := g.Policy().OnLost; strictness(o) > strictness(strictest) {
			strictest = o
		}
	}
	if asked != "" && strictness(asked) >= strictness(strictest) {
		strictest = asked
	}
	return strictest
}
