package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/agent/internal/guardian"
	"github.com/lockform/lockform/agent/internal/proc"
	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// IsGuardian reports whether this process was started by an Exec as its
// guardian; main then does nothing but os.Exit(Guardian()).
func IsGuardian() bool { return guardian.Called() }

// Guardian is the main of a guardian. It returns an exit code.
func Guardian() int { return guardian.Main() }

// An Exec runs a command while holding locks. Paths, Command and Connect are
// required; the zero value of everything else is the usual.
type Exec struct {
	Paths   []zkfs.Path
	Command []string // the name as it was given, and its arguments
	// Shell makes the name a line of shell and the arguments its $1 and so on.
	Shell bool
	// Environ is what the command's environment is made from. Nil means that
	// of this process.
	Environ []string
	// Connect opens the client that is used for all runs, and closed by Run.
	Connect func(context.Context) (*lock.Client, error)
	// Options are those of the acquisition, without callbacks. Outer is taken
	// from the environment.
	Options lock.Options
	// OnLost is used where it is not laxer than the policies'.
	OnLost  layout.OnLost
	Hooks   Hooks
	Restart Restart // "" means RestartNever
	// NotAcquired is the exit code in place of CodeNotAcquired when not nil.
	NotAcquired *int
	// Verbose says on Stderr when the locks are waited for, and for whom.
	Verbose bool
	Stderr  io.Writer // nil means standard error
	Logger  hclog.Logger

	open func(context.Context) (locker, error) // instead of Connect, in tests
}

// How long giving a lock up and closing the session may take: when all is well,
// and when a signal or the end of the wait asks for the end, or the session is
// thought to be over. With what the lock's package takes to leave a queue the
// latter is less than a second.
const (
	closeTime = 5 * time.Second
	hurryTime = 400 * time.Millisecond
)

// Run takes the locks, runs the command and gives the locks up. It returns the
// exit code, and for one of the agent's own the reason, to be shown to the
// user. It returns early only when ctx ends while the locks are waited for.
// Signals stay caught, and do nothing any more: the process is to end.
func (e *Exec) Run(ctx context.Context) (int, error) {
	notAcquired := CodeNotAcquired
	if e.NotAcquired != nil {
		notAcquired = *e.NotAcquired
	}
	r, err := e.prepare()
	if err != nil {
		return exitCode(err, notAcquired), err
	}
	r.children = proc.Watch()
	defer r.children.Close()
	r.signals = catchSignals()
	defer r.signals.caught()

	pause := firstPause
	for {
		began := time.Now()
		code, err := r.once(ctx)
		if code == 0 && err != nil {
			code = exitCode(err, notAcquired)
		}
		if !r.again(err) {
			r.disconnect()
			var sig signalled
			if errors.As(err, &sig) {
				err = nil // whoever sent it knows
			}
			return code, explain(err)
		}
		if time.Since(began) >= longPause {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause/2)
		r.say("%s; trying again in %s", r.ending(code, err), wait.Round(time.Millisecond))
		pause = min(2*pause, longPause)
		r.signals.waiting()
		if err := r.sleep(ctx, wait); err != nil {
			r.hurry = true
			r.disconnect()
			return exitCode(err, notAcquired), nil
		}
	}
}

// prepare finds what needs no lock to be found: a command that is not there
// must not make others wait.
func (e *Exec) prepare() (*runner, error) {
	if len(e.Paths) == 0 || len(e.Command) == 0 {
		return nil, errors.New("a lock's path and a command are needed")
	}
	for i, p := range e.Paths {
		for _, q := range e.Paths[:i] {
			if p == q {
				return nil, fmt.Errorf("the path %s is given twice", p)
			}
		}
	}
	r := &runner{Exec: *e, base: e.Environ}
	if r.base == nil {
		r.base = os.Environ()
	}
	if r.Stderr == nil {
		r.Stderr = os.Stderr
	}
	if r.Logger == nil {
		r.Logger = hclog.NewNullLogger()
	}
	if r.open == nil {
		r.open = func(ctx context.Context) (locker, error) {
			client, err := e.Connect(ctx)
			if err != nil {
				return nil, err
			}
			return clientLocker{client}, nil
		}
	}
	var err error
	if r.Options.Outer, err = lock.ParseOuter(lookup(r.base, varHeld)); err != nil {
		return nil, err
	}
	if e.Shell {
		r.program = shellProgram(e.Command[0], e.Command[1:]...)
	} else if r.program, err = findProgram(e.Command, searchPath(r.base)); err != nil {
		return nil, err
	}
	return r, nil
}

// searchPath returns the value of PATH, or what execvp takes without one.
func searchPath(env []string) string {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			return value
		}
	}
	return "/bin:/usr/bin"
}

// A runner is a run of an Exec.
type runner struct {
	Exec
	base     []string // environment
	program  program
	children *proc.Children
	signals  *signals
	spare    *spare
	locker   locker // nil until connected
	ended    bool   // a signal asked the command to end: -restart has no say
	hurry    bool   // giving up shall not take long
}

// once takes the locks and runs the command one time. A code other than 0 is
// the command's own, or CodeLost.
func (r *runner) once(ctx context.Context) (code int, err error) {
	t, err := r.take(ctx)
	if err != nil {
		return 0, err
	}
	r.compare(t)
	return r.hold(t)
}

// take connects, if need be, and takes the locks. When a signal comes first
// nothing is held, and the error is signalled.
func (r *runner) take(ctx context.Context) (taken, error) {
	ctx, stop := r.signals.during(ctx)
	r.spare = r.startSpare()
	t, err := r.acquire(ctx)
	if cause := stop(); cause != nil {
		r.hurry = true
		if err == nil {
			r.release(t)
		}
		err = cause
	}
	if err != nil {
		r.spare.drop()
		r.hurry = r.hurry || errors.Is(err, lock.ErrNotAcquired) || errors.Is(err, zkfs.ErrSessionOver) || errors.Is(err, zkfs.ErrUnavailable)
	}
	r.spare.started.Wait()
	return t, err
}

func (r *runner) acquire(ctx context.Context) (taken, error) {
	l := limitOf(r.Options.Wait)
	if r.locker == nil {
		ctx, cancel := l.connecting(ctx)
		defer cancel()
		var err error
		if r.locker, err = r.open(ctx); err != nil {
			r.locker = nil
			return taken{}, err
		}
	}
	r.signals.caught()
	ctx, cancel := l.taking(ctx)
	defer cancel()
	o := r.Options
	o.OnQueued = func(q lock.Queued) {
		r.spare.drop()
		if r.Verbose {
			r.say("%s", waitingFor(q))
		}
	}
	if r.Verbose {
		o.OnSuspect = func() { r.say("no answer from ZooKeeper in time; the lock is suspect") }
		o.OnHeld = func() { r.say("ZooKeeper answers again; the lock is held") }
	}
	t, err := r.locker.acquire(ctx, r.Paths, o)
	if err == nil && r.Verbose {
		for _, g := range t.grants {
			r.say("holding %s (%s), token %d", g.path, g.mode, g.token)
		}
	}
	return t, err
}

// waitingFor says whom one waits for.
func waitingFor(q lock.Queued) string {
	text := fmt.Sprintf("waiting for %s", q.Path)
	if who := whose(q.Behind); who != "" {
		text += fmt.Sprintf(" behind %s (%s)", who, q.Behind.Node.Base())
	}
	return fmt.Sprintf("%s, position %d", text, q.Position)
}

// whose names the owner of a contender: of another client's, what its data
// says, as far as that can be shown. It is empty for the zero Contender.
func whose(c lock.Contender) string {
	switch {
	case c.Node == "":
		return ""
	case c.Owner != "":
		return c.Owner
	case c.Client == "":
		return "an unknown client"
	case len(c.Data) == 0 || len(c.Data) > 100 || bytes.ContainsFunc(c.Data, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "a client of " + c.Client
	}
	return fmt.Sprintf("a client of %s, %q", c.Client, c.Data)
}

// release gives the locks up, the last first, and reports whether all of them are
// free. A contender that cannot be deleted goes with its session, which is
// closed for it; what cannot be closed either expires. That is told, and changes
// no exit code.
func (r *runner) release(t taken) bool {
	hurry := r.hurry
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	var kept []string
	for i := len(t.grants) - 1; i >= 0; i-- {
		g := t.grants[i]
		if err := g.Release(ctx); err != nil {
			kept = append(kept, fmt.Sprintf("%s was not released: %v", g.path, err))
		}
	}
	r.hurry = hurry || ctx.Err() != nil
	if len(kept) == 0 || r.disconnect() {
		return true
	}
	if !hurry {
		for _, line := range kept {
			r.say("%s", line)
		}
	}
	return false
}

// disconnect closes the client, and so gives up what is held, and reports
// whether that is over. What cannot be closed in time expires.
func (r *runner) disconnect(held ...grant) bool {
	if r.locker == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.patience())
	defer cancel()
	err := r.locker.close(ctx)
	if err != nil {
		r.Logger.Debug("the session was not closed", "error", err)
		for _, g := range held {
			if !r.hurry {
				r.say("%s was not released: %v", g.path, err)
			}
		}
	}
	r.locker = nil
	return err == nil
}

// patience is how long giving up may take.
func (r *runner) patience() time.Duration {
	if r.hurry {
		return hurryTime
	}
	return closeTime
}

// compare tells of wishes that are laxer than a policy and so count for
// nothing.
func (r *runner) compare(t taken) {
	tell := func(g grant, flag string, asked, policy any) {
		r.say("-%s=%v is laxer than the policy of %s; its %v counts", flag, asked, g.path, policy)
	}
	for _, g := range t.grants {
		p := g.Policy()
		if d := r.Options.KillTimeout; d > p.KillTimeout {
			tell(g, "kill-timeout", d, p.KillTimeout)
		}
		if d := r.Options.MaxHold; p.MaxHold != layout.NoLimit && d > p.MaxHold {
			tell(g, "max-hold", d, p.MaxHold)
		}
		if h := r.Options.Heartbeat; h != "" && h != p.Heartbeat {
			tell(g, "heartbeat", h, p.Heartbeat)
		}
		if r.OnLost != "" && strictness(r.OnLost) < strictness(p.OnLost) {
			tell(g, "on-lost", r.OnLost, p.OnLost)
		}
	}
}

// say writes a line to standard error.
func (r *runner) say(format string, args ...any) {
	fmt.Fprintf(r.Stderr, "lockform-agent: "+format+"\n", args...)
}
