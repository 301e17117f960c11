package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/internal/guardian"
	"github.com/lockform/lockform/agent/internal/proc"
	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// How often a hold is looked at: a share of what is left of the lease, within
// bounds; and while something has to go away.
const (
	lookShare  = 8
	lookOften  = 10 * time.Millisecond
	lookSeldom = time.Second
)

// A hold is the time in which the locks are held and the command runs.
type hold struct {
	*runner
	taken
	env       []string
	child     *proc.Child
	terminal  *terminal
	guardian  *guardian.Guardian // nil with on_lost = "ignore"
	unguarded bool               // on_lost was "ignore" when that was looked at last
	guardians int                // that were started in its place
	hooks     struct{ acquired, lost *hook }

	lost   error         // why the command has to end
	killAt time.Time     // zero: it was not asked to end
	killed bool          // SIGKILL was sent
	gone   bool          // nothing of the command is left
	linger time.Duration // until who is left is looked for again

	status    syscall.WaitStatus // once collected
	collected bool
}

// hold runs the command and gives the locks up when nothing of it is left. Where
// nothing comes after that, the end of the session is their end: one request for
// both.
func (r *runner) hold(t taken) (int, error) {
	h := &hold{runner: r, taken: t, env: environ(r.base, t)}
	code, err := h.run()
	h.hooks.acquired.finish(r, h.killTimeout())
	// Without an answer from ZooKeeper up to now there will hardly be one.
	r.hurry = h.lost != nil && !ours(h.lost)
	free := false
	var leaving sync.WaitGroup // while the guardian goes
	leaving.Go(func() {
		if r.Hooks.OnReleased == "" && !r.again(err) {
			free = r.disconnect(t.grants...)
		} else {
			free = r.release(t)
		}
	})
	h.unguard()
	leaving.Wait()
	switch {
	case free:
		released := r.startHook("-on-released", r.Hooks.OnReleased, h.env)
		released.finish(r, hookTime)
	case r.Hooks.OnReleased != "":
		r.say("the hook -on-released was not started: the lock is free when its session expires")
	}
	h.hooks.lost.finish(r, hookTime)
	return code, err
}

// run starts the command and returns when it is gone.
func (h *hold) run() (int, error) {
	// Losing one of several locks is losing all.
	lost := make(chan error, len(h.grants))
	for _, g := range h.grants {
		ctx, path := g.Context(), g.path
		defer context.AfterFunc(ctx, func() { lost <- fmt.Errorf("%w\nThe lock is %s", context.Cause(ctx), path) })()
	}
	h.signals.running()
	if err := h.guard(); err != nil {
		return 0, err
	}
	h.hooks.acquired = h.startHook("-on-acquired", h.Hooks.OnAcquired, h.env)
	select {
	case err := <-lost:
		return 0, err
	default:
	}
	if err := h.start(); err != nil {
		return 0, err
	}
	defer h.terminal.takeBack()
	h.watch(lost)
	if err := h.collect(); err != nil {
		return 0, err
	}
	// An agent that was stopped finds out last, after its guardian.
	if h.lost == nil && h.remaining() <= 0 {
		h.lost = fmt.Errorf("%w: the lease had ended when the command did", lock.ErrLost)
	}
	if h.lost != nil {
		return 0, h.lost
	}
	return statusCode(h.status), nil
}

// start starts the command in a process group of its own.
func (h *hold) start() error {
	h.terminal = ourTerminal()
	attr := &syscall.ProcAttr{
		Env:   h.env,
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	if h.guardian != nil {
		attr.Sys.Pdeathsig = unix.SIGKILL
	}
	if h.terminal.atStart() {
		attr.Sys.Foreground, attr.Sys.Ctty = true, h.terminal.fd
	}
	child, err := h.children.Start(h.program.file, h.program.argv, attr, h.signals.ignore, h.signals.notice)
	if attr.Sys.Foreground {
		h.terminal.given = true
	}
	if err != nil {
		h.terminal.takeBack()
		return startError(h.program, err)
	}
	h.child = child
	if h.guardian != nil {
		h.guardian.Guard(child.PID, h.mark())
	}
	return nil
}

// watch passes signals on, keeps the guardian informed, and ends the command
// when a lock is lost. It returns when nothing of the command is left.
func (h *hold) watch(lost <-chan error) {
	done := h.child.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !h.gone {
		var unguarded <-chan struct{}
		if h.guardian != nil {
			unguarded = h.guardian.Done()
		}
		select {
		case sig := <-h.signals.ch:
			h.pass(sig.(unix.Signal))
			continue
		case sig := <-h.child.Stops():
			h.terminal.stopped(sig, h.child.PID)
			continue
		case <-done:
			done = nil
		case err := <-lost:
			h.lose(err)
		case <-unguarded:
			h.regard()
		case <-timer.C:
		}
		timer.Reset(h.step(done == nil))
	}
}

// pass sends a signal that this process got on to the command's group.
func (h *hold) pass(sig unix.Signal) {
	switch sig {
	case unix.SIGINT, unix.SIGTERM, unix.SIGQUIT:
		h.ended = true
	case unix.SIGCONT:
		h.terminal.resumed(h.child.PID)
	}
	h.signal(sig)
}

// signal sends a signal to the command's group. One that is gone needs none.
func (h *hold) signal(sig unix.Signal) { _ = unix.Kill(-h.child.PID, sig) }

// lose begins the end of a hold: the policy's signal, and SIGKILL in time.
func (h *hold) lose(cause error) {
	if h.lost != nil {
		return
	}
	h.followOnLost()
	h.lost = cause
	onLost := h.onLost(h.OnLost)
	if onLost == layout.OnLostIgnore && ours(cause) {
		onLost = layout.OnLostTerminate // it is the policy that ends the hold
	}
	switch {
	case onLost == layout.OnLostIgnore:
		h.say("%v; on_lost is \"ignore\", so the command goes on", cause)
	// Without session or contender the next holder may be there already.
	case onLost == layout.OnLostKill, errors.Is(cause, zkfs.ErrSessionOver), errors.Is(cause, lock.ErrRemoved):
		h.killAt = time.Now()
		h.kill()
	default:
		h.killAt = time.Now().Add(h.killTimeout())
		h.signal(unix.SignalNum("SIG" + onLost.Signal()))
		h.signal(unix.SIGCONT) // a stopped command shall hear it
	}
	h.hooks.lost = h.startHook("-on-lost-cmd", h.Hooks.OnLost, h.env)
}

// ours reports whether the lock is still ours at the end of a hold: nobody can
// hold it before we give it up.
func ours(cause error) bool {
	return errors.Is(cause, lock.ErrMaxHold) || errors.Is(cause, lock.ErrRevoked)
}

// reserve is how long before the end of the lease SIGKILL is sent, so that it
// has done its work by then. The guardian waits half as long.
func (h *hold) reserve() time.Duration {
	return min(max(h.killTimeout()/4, 10*time.Millisecond), 200*time.Millisecond)
}

// step does what is due and returns the time until something may be due again.
// Ended says that the command itself is dead; others of its group may live.
func (h *hold) step(ended bool) time.Duration {
	h.followOnLost()
	left := h.remaining()
	if h.guardian != nil {
		h.guardian.Deadline(left - h.reserve()/2)
	}
	next := lookSeldom
	if h.guardian != nil || !h.killAt.IsZero() {
		next = min(max(left/lookShare, lookOften), next)
	}
	if !h.killAt.IsZero() {
		in := min(time.Until(h.killAt), left-h.reserve())
		if in <= 0 {
			h.kill()
		} else {
			next = min(next, in)
		}
	}
	if ended {
		h.gone = h.empty()
	}
	if ended || h.killed {
		most := lookSeldom / 4
		if h.killed {
			most = 2 * lookOften // whoever waits for the lock waits for this
		}
		h.linger = min(max(2*h.linger, lookOften/2), most)
		next = min(next, h.linger)
	}
	return next
}

// kill sends SIGKILL to everything that the command has started.
func (h *hold) kill() {
	h.killed = true
	if hook := h.hooks.acquired; hook != nil {
		_ = unix.Kill(-hook.PID, unix.SIGKILL) // its zombie keeps the number until finish
	}
	proc.Target{Group: h.child.PID, Root: os.Getpid(), Skip: h.others}.Kill()
}

// others is true of the processes below this one that the command has not
// started: the guardian and, with all of their sessions, the hooks.
func (h *hold) others(p proc.Process) bool {
	if h.guardian != nil && p.PID == h.guardian.PID {
		return true
	}
	for _, hook := range []*hook{h.hooks.acquired, h.hooks.lost} {
		if hook != nil && p.Session == hook.PID {
			return true
		}
	}
	return false
}

// empty reports whether nothing of the command is left, once it is dead itself.
// Its zombie is kept until then, so that no other group can get its number.
// Whoever has left the group is waited for too, unless he has a session of his
// own: daemons leave on purpose. When the hold is lost nobody is left out.
func (h *hold) empty() bool {
	if h.children.Alone() {
		return true
	}
	table, err := proc.Read()
	if err != nil {
		// Without /proc, whether the group can get a signal has to do, and the
		// zombie must not be the one who gets it.
		_ = h.collect()
		return errors.Is(unix.Kill(-h.child.PID, 0), unix.ESRCH)
	}
	h.children.Clean(table)
	if len(table.InGroup(h.child.PID)) > 0 {
		return false
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return true
	}
	for _, p := range table.Descendants(os.Getpid(), h.others) {
		if !h.killAt.IsZero() || p.Session == session {
			return false
		}
	}
	return true
}

// collect takes the command's status, once.
func (h *hold) collect() (err error) {
	if !h.collected {
		h.collected = true
		h.status, err = h.child.Collect()
	}
	return err
}
