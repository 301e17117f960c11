package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// scenario is the environment variable that makes the test binary run an Exec
// on a fake lock, since an Exec needs a process of its own. Its value is a list
// of settings, such as "lease=900ms kill=200ms lose=removed:100ms".
const scenario = "AGENT_TEST_SCENARIO"

func TestMain(m *testing.M) {
	if IsGuardian() {
		os.Exit(Guardian())
	}
	if s := os.Getenv(scenario); s != "" {
		os.Exit(runScenario(s, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// runScenario runs a command under fake locks and returns Run's exit code.
func runScenario(settings string, command []string) int {
	f := &fakeLocker{policy: layout.DefaultPolicy(), lease: time.Hour, kill: time.Minute}
	e := &Exec{Paths: []zkfs.Path{"/fake"}, Command: command, open: f.open}
	for _, s := range strings.Fields(settings) {
		name, value, _ := strings.Cut(s, "=")
		switch name {
		case "lease":
			f.lease = must(time.ParseDuration(value))
		case "kill":
			f.kill = must(time.ParseDuration(value))
		case "lose":
			cause, after, _ := strings.Cut(value, ":")
			f.cause, f.loseAfter = causes[cause], must(time.ParseDuration(after))
		case "onlost":
			f.policy.OnLost = layout.OnLost(value)
		case "turns": // what on_lost becomes, and when
			onLost, after, _ := strings.Cut(value, ":")
			f.turned, f.turnAfter = layout.OnLost(onLost), must(time.ParseDuration(after))
		case "wait":
			f.wait = must(time.ParseDuration(value))
		case "refuse":
			f.refuse = must(strconv.Atoi(value))
		case "restart":
			e.Restart = Restart(value)
		case "two":
			e.Paths = append(e.Paths, "/fake2")
		default:
			panic("no setting " + name)
		}
	}
	code, err := e.Run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "Error:", err)
	}
	if left := len(f.held); left != 0 {
		fmt.Fprintf(os.Stderr, "%d locks are still held\n", left)
		return 1
	}
	if f.late {
		fmt.Fprintln(os.Stderr, "the command outlived the lease")
		return 1
	}
	return code
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var causes = map[string]error{
	"removed":  fmt.Errorf("%w: %w", lock.ErrLost, lock.ErrRemoved),
	"session":  fmt.Errorf("%w: %w", lock.ErrLost, zkfs.ErrSessionOver),
	"presumed": fmt.Errorf("%w: no heartbeat", lock.ErrLost),
	"maxhold":  lock.ErrMaxHold,
}

// A fakeLocker gives locks without a ZooKeeper.
type fakeLocker struct {
	policy      layout.Policy
	lease, kill time.Duration
	wait        time.Duration // before a lock is given
	refuse      int           // this many acquisitions fail for want of a connection
	cause       error         // of the loss, nil for none
	loseAfter   time.Duration
	turned      layout.OnLost // of the policy, in a while; "" means never
	turnAfter   time.Duration
	held        map[*fakeLease]bool // not released
	late        bool                // one was released, by slack, after its lease had ended
}

func (f *fakeLocker) open(context.Context) (locker, error) { return f, nil }

func (f *fakeLocker) close(ctx context.Context) error {
	var errs []error
	for l := range f.held {
		errs = append(errs, l.Release(ctx))
	}
	return errors.Join(errs...)
}

func (f *fakeLocker) acquire(ctx context.Context, paths []zkfs.Path, o lock.Options) (taken, error) {
	if f.refuse > 0 {
		f.refuse--
		return taken{}, zkfs.ErrUnavailable
	}
	if f.wait > 0 {
		_ = os.WriteFile("waiting", []byte("1\n"), 0o600)
	}
	select {
	case <-time.After(f.wait):
	case <-ctx.Done():
		return taken{}, ctx.Err()
	}
	t := taken{outer: "[]"}
	for i, p := range paths {
		ctx, cancel := context.WithCancelCause(context.Background())
		l := &fakeLease{f, ctx, cancel, time.Now().Add(f.lease), time.Now().Add(f.turnAfter)}
		t.grants = append(t.grants, grant{
			lease: l, path: p, node: p.Join(fmt.Sprintf("_c_fake-%d-%d", os.Getpid(), i)), mode: "exclusive", owner: "test", token: int64(i + 1), session: 7,
		})
		if f.held == nil {
			f.held = make(map[*fakeLease]bool)
		}
		f.held[l] = true
	}
	if f.cause != nil {
		// The last one is lost: losing one is losing all.
		cause, end := f.cause, t.grants[len(paths)-1].lease.(*fakeLease).end
		time.AfterFunc(f.loseAfter, func() { end(cause) })
		f.cause = nil
	}
	return t, nil
}

// slack is how late a busy machine may notice that the command is dead. One that
// was not killed in time is far later.
const slack = 200 * time.Millisecond

type fakeLease struct {
	f    *fakeLocker
	ctx  context.Context
	end  context.CancelCauseFunc
	over time.Time
	turn time.Time
}

func (l *fakeLease) Context() context.Context   { return l.ctx }
func (l *fakeLease) Remaining() time.Duration   { return time.Until(l.over) }
func (l *fakeLease) KillTimeout() time.Duration { return l.f.kill }

func (l *fakeLease) Policy() layout.Policy {
	p := l.f.policy
	if l.f.turned != "" && time.Now().After(l.turn) {
		p.OnLost = l.f.turned
	}
	return p
}

func (l *fakeLease) Release(context.Context) error {
	delete(l.f.held, l)
	l.f.late = l.f.late || l.Remaining() <= -slack
	if l.ctx.Err() == nil {
		l.end(lock.ErrReleased)
		return nil
	}
	return context.Cause(l.ctx)
}

func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{lock.ErrNotAcquired, 124}, {lock.ErrQueueFull, 124}, {lock.ErrRank, 124},
		{lock.ErrLost, 120}, {lock.ErrMaxHold, 120}, {causes["session"], 120},
		{lock.ErrNotDeclared, 125}, {lock.ErrForeignRecipe, 125}, {zkfs.ErrUnavailable, 125}, {zkfs.ErrNoAuth, 125}, {errors.New("x"), 125},
		{ErrNotExecutable, 126}, {ErrNotFound, 127}, {signalled{15}, 143}, {context.DeadlineExceeded, 125},
	} {
		if got := exitCode(&lock.Error{Path: "/a", Err: tt.err}, 124); tt.err != nil && got != tt.want {
			t.Errorf("%v: got %d, want %d", tt.err, got, tt.want)
		}
	}
	if got := exitCode(lock.ErrQueueFull, 7); got != 7 {
		t.Errorf("-E 7: got %d", got)
	}
}
