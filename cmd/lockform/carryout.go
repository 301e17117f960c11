package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/cmd/lockform/internal/who"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// carryOut applies a plan: the apply locks of all ensembles first, in the order
// of their names, then the plan. It tells whether it had to wait for a lock.
func (a *app) carryOut(ctx context.Context, f *applyFlags, p *plan.Plan, links []*link) (waited bool, err error) {
	o := plan.ApplyOptions{
		User: who.User(), Host: who.Host(), Commit: who.Commit(ctx, "."), Version: zkfs.Version(),
		Abandon: f.options.Abandon, Drain: f.drain,
	}
	// Whoever reads the output may go away, as in "apply | head": what has begun
	// is not cut off for it.
	signal.Ignore(syscall.SIGPIPE)
	progress := a.Progress("Preparing")
	defer progress.Stop()
	said := context.AfterFunc(ctx, func() {
		progress.Print(a.Err, "Interrupt received: stopping at the end of what is under way. Once more stops at once.")
	})
	defer said()
	var sides []plan.Side
	for _, l := range links {
		side, queued, release, err := a.lockLedger(ctx, f, p, l, progress)
		waited = waited || queued
		if err != nil {
			return waited, err
		}
		defer release()
		sides = append(sides, side)
	}
	wrote := false
	o.Observe = func(e plan.Event) {
		wrote = wrote || e.Kind == plan.EventCommitted || e.Kind == plan.EventACLSet
		for _, s := range a.streams {
			s.Observe(e)
		}
		a.observe(progress, len(links) > 1, e)
	}
	if !a.mute {
		progress.Print(a.Out, "")
	}
	if err := plan.Apply(ctx, p, sides, o); err != nil {
		return waited, err
	}
	progress.Stop()
	done := "This plan has been carried out before; nothing had to be done."
	if wrote {
		for _, s := range a.streams {
			s.Applied(p)
		}
		done = counts(p.Summary())
	}
	if !a.mute {
		fmt.Fprintf(a.Out, "\n%s %s\n", term.Paint(a.OutColor(), a.doneWord(p), term.Bold, term.Green), done)
	}
	return waited, nil
}

func (a *app) doneWord(p *plan.Plan) string {
	if p.Mode == plan.Destroy {
		return "Destroy complete!"
	}
	return "Apply complete!"
}

// counts returns the numbers of a summary that say something.
func counts(s plan.Summary) string {
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{
		{s.Create, "created"}, {s.Adopt, "adopted"}, {s.Update, "updated"},
		{s.Move, "moved"}, {s.Disown, "disowned"}, {s.Delete, "deleted"},
	} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if len(parts) == 0 {
		return "Nothing had to be changed."
	}
	return strings.Join(parts, ", ") + "."
}

// observe tells of an apply's progress.
func (a *app) observe(progress *term.Progress, several bool, e plan.Event) {
	prefix := ""
	if several {
		prefix = e.Ensemble + ": "
	}
	line := ""
	switch e.Kind {
	case plan.EventDrain:
		progress.Set(prefix+"Waiting for locks in use", 0, 0)
		for _, s := range e.Steps {
			line += fmt.Sprintf("%s%s takes no new contenders; waiting until its queue is empty\n", prefix, s.Path)
		}
		line = strings.TrimSuffix(line, "\n")
	case plan.EventBatch:
		if e.Batch == 1 {
			progress.Set(prefix+"Writing batches", 0, e.Batches)
		}
	case plan.EventCommitted:
		line = fmt.Sprintf("%sBatch %d of %d is committed: %d znodes", prefix, e.Batch, e.Batches, len(e.Steps))
		if len(e.Steps) == 1 {
			line = fmt.Sprintf("%sBatch %d of %d is committed: 1 znode", prefix, e.Batch, e.Batches)
		}
		progress.Set(prefix+"Writing batches", e.Batch, e.Batches)
	case plan.EventACL:
		progress.Set(prefix+"Setting ACLs", e.ACL-1, e.ACLs)
	case plan.EventACLSet:
		path := zkfs.Path("")
		if len(e.Steps) > 0 {
			path = e.Steps[0].Path
		}
		line = fmt.Sprintf("%sACL %d of %d is set: %s", prefix, e.ACL, e.ACLs, path)
	}
	if line != "" && !a.mute {
		progress.Print(a.Out, line)
	}
}

// lockLedger makes the ledger of one ensemble ready and takes its apply lock. It
// tells whether it had to wait; the function gives the lock up.
func (a *app) lockLedger(ctx context.Context, f *applyFlags, p *plan.Plan, l *link, progress *term.Progress) (side plan.Side, waited bool, release func(), err error) {
	path, err := plan.Prepare(ctx, l, p, l.name())
	if err != nil {
		return side, waited, nil, err
	}
	client, err := lock.Open(ctx, lock.Config{Session: l.Session, Logger: a.log.Named("lock")})
	if err != nil {
		return side, waited, nil, fmt.Errorf("the apply lock %s: %w", path, err)
	}
	policy := layout.DefaultPolicy()
	policy.SessionTimeout, policy.TickTime = l.ensemble.SessionTimeout, l.ensemble.TickTime
	policy.KillTimeout = time.Second
	var queued atomic.Bool // it is set in a goroutine of the hold
	held, err := client.Acquire(ctx, path, lock.Options{
		Wait: &f.lockTimeout, Policy: &policy,
		Owner: fmt.Sprintf("apply by %s@%s:%d", who.User(), who.Host(), os.Getpid()),
		OnQueued: func(q lock.Queued) {
			queued.Store(true)
			if !a.mute && f.lockTimeout > 0 {
				progress.Print(a.Err, fmt.Sprintf("Waiting up to %s for the apply lock, which %s holds.", f.lockTimeout, contender(q.Behind)))
			}
		},
	})
	waited = queued.Load()
	if err != nil {
		err = a.notLocked(ctx, client, p, path, err)
		ctx, cancel := a.closing(ctx)
		defer cancel()
		return side, waited, nil, errors.Join(err, client.Close(ctx))
	}
	cut, stop := newCutLock(held, a.hard)
	release = func() {
		stop()
		ctx, cancel := a.closing(ctx)
		defer cancel()
		if err := errors.Join(held.Release(ctx), client.Close(ctx)); err != nil {
			a.log.Warn("give up the apply lock", "path", path, "error", err)
		}
	}
	return plan.Side{Ensemble: l.name(), Target: l, Lock: cut}, waited, release, nil
}

// notLocked says why an apply lock could not be had, and who has it.
func (a *app) notLocked(ctx context.Context, client *lock.Client, p *plan.Plan, path zkfs.Path, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !errors.Is(err, lock.ErrNotAcquired) {
		return fmt.Errorf("the apply lock: %w", err)
	}
	holder, id := "another apply", "ID"
	if q, err := client.Queue(ctx, path); err == nil && len(q.Contenders) > 0 {
		holder, id = contender(q.Contenders[0]), q.Contenders[0].ID
		if id == "" {
			id = q.Contenders[0].Name
		}
	}
	return &plan.Error{Kind: plan.ErrBlocked, Err: err, Problems: []plan.Problem{{
		Summary: fmt.Sprintf("The layout %q is being applied by someone else", p.Layout),
		Detail: fmt.Sprintf("The apply lock %s is held by %s. Nothing was written.\n"+
			"Wait for it with -lock-timeout=5m, or, if it is stuck for good, run \"lockform force-unlock %s\".", path, holder, id),
		Path: path,
	}}}
}

// contender says who a contender is, for a sentence.
func contender(c lock.Contender) string {
	name := c.Owner
	if name == "" {
		name = c.Name
	}
	if name == "" {
		return "another client"
	}
	if !c.Since.IsZero() {
		name += " (since " + c.Since.UTC().Format(time.RFC3339) + ")"
	}
	return name
}

// A cutLock is a held apply lock that counts as lost at a second ^C: an apply
// goes on to the end of a batch after one, and at once means that nobody waits
// for the answer any more.
type cutLock struct {
	*lock.Held
	ctx context.Context
}

func newCutLock(held *lock.Held, at context.Context) (l cutLock, stop func()) {
	ctx, cancel := context.WithCancelCause(held.Context())
	off := context.AfterFunc(at, func() { cancel(context.Cause(at)) })
	return cutLock{held, ctx}, func() { off(); cancel(context.Canceled) }
}

// Context is done when the lock is lost or cut.
func (l cutLock) Context() context.Context { return l.ctx }
