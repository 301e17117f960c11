package agent

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
)

// The exit codes of exec, beside the command's own and 128 + signal.
const (
	CodeLost          = 120 // the lock was lost
	CodeNotAcquired   = 124 // not acquired in time, or refused at once
	CodeFailed        = 125 // configuration, ZooKeeper, permission, undeclared
	CodeNotExecutable = 126
	CodeNotFound      = 127
	CodeSignal        = 128 // plus the signal's number
)

// What a command can fail with before it runs.
var (
	ErrNotExecutable = errors.New("cannot be executed")
	ErrNotFound      = errors.New("was not found")
)

// signalled says that a signal ended the wait for a lock.
type signalled struct{ sig unix.Signal }

func (s signalled) Error() string { return "ended by " + unix.SignalName(s.sig) }

// exitCode is the one place where errors become exit codes. notAcquired stands
// in for CodeNotAcquired.
func exitCode(err error, notAcquired int) int {
	var sig signalled
	switch {
	case err == nil:
		return 0
	case errors.As(err, &sig):
		return CodeSignal + int(sig.sig)
	case errors.Is(err, lock.ErrLost):
		return CodeLost
	case errors.Is(err, lock.ErrNotAcquired), errors.Is(err, lock.ErrRank):
		return notAcquired
	case errors.Is(err, ErrNotFound):
		return CodeNotFound
	case errors.Is(err, ErrNotExecutable):
		return CodeNotExecutable
	}
	return CodeFailed
}

// statusCode returns the exit code for how a command ended.
func statusCode(s syscall.WaitStatus) int {
	if s.Signaled() {
		return CodeSignal + int(s.Signal())
	}
	return s.ExitStatus()
}

// explain says what to do about a refusal, once for each reason.
func explain(err error) error {
	switch {
	case !errors.Is(err, lock.ErrNotAcquired) || errors.Is(err, lock.ErrQueueFull):
		return err
	case errors.Is(err, zkfs.ErrUnavailable), errors.Is(err, zkfs.ErrOutcomeUnknown):
		return fmt.Errorf("%w\nZooKeeper did not answer in time; whether somebody holds it is not known", err)
	}
	path := zkfs.Path("PATH")
	if of := (*lock.Error)(nil); errors.As(err, &of) {
		path = of.Path
	}
	return fmt.Errorf("%w\nSomebody else holds it; \"lockform-agent status %s\" says who, and -wait=DUR waits longer where the policy allows it", err, path)
}
