package agent

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/internal/proc"
)

// Hooks are lines of shell that run beside the command, with its environment.
// None delays a kill or keeps the command from running; their output goes to
// standard error. The empty line is no hook.
type Hooks struct {
	OnAcquired string // starts just before the command, and ends before the release
	OnReleased string // when the locks have been given up
	OnLost     string // when the loss of a lock is known
}

// hookTime is how long a hook may take once everything else is done.
const hookTime = 10 * time.Second

// A hook is one that runs.
type hook struct {
	*proc.Child
	name string
}

// startHook starts a hook in a session of its own, by which it is told from
// what the command has started.
func (r *runner) startHook(name, line string, env []string) *hook {
	if line == "" {
		return nil
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		r.say("the hook %s was not started: %v", name, err)
		return nil
	}
	defer null.Close()
	p := shellProgram(line)
	child, err := r.children.Start(p.file, p.argv, &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{null.Fd(), 2, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL},
	}, r.signals.ignore, r.signals.notice)
	if err != nil {
		r.say("the hook %s was not started: %v", name, err)
		return nil
	}
	return &hook{child, name}
}

// finish waits until the hook has ended, kills it with all its group when it
// takes longer than the limit, and tells of a failure.
func (h *hook) finish(r *runner, limit time.Duration) {
	if h == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	late := false
	select {
	case <-h.Done():
	case <-timer.C:
		late = true
		_ = unix.Kill(-h.PID, unix.SIGKILL) // one that has ended meanwhile is as good
		r.say("the hook %s took longer than %s and was killed", h.name, limit.Round(time.Millisecond))
	}
	if status, err := h.Collect(); err == nil && status != 0 && !late {
		r.say("the hook %s failed: %s", h.name, describe(status))
	}
}

// describe words how a process ended.
func describe(s syscall.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + unix.SignalName(s.Signal())
	}
	return fmt.Sprintf("exit code %d", s.ExitStatus())
}
