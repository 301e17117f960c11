package guardian

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/internal/guardian/vigil"
	"github.com/lockform/lockform/agent/internal/proc"
)

// A Guardian is the agent's end of the pipe. Its methods do not block; what
// cannot be said because the guardian is gone is lost, and Done tells of it.
type Guardian struct {
	*proc.Child
	pipe *os.File
}

// Start starts a guardian: the program of this process once more, which keeps
// the vigil before it begins and whose main has to ask Called first thing. What
// Guard and Deadline say is in the pipe when they return: it counts even if the
// agent dies before the guardian runs. Tell
// is called before it is started, with the Guardian that it can tell something
// already; it may be nil.
func Start(children *proc.Children, tell func(*Guardian)) (*Guardian, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("start the guardian: %w", err)
	}
	defer null.Close()
	g := &Guardian{pipe: w}
	if tell != nil {
		tell(g)
	}
	g.Child, err = children.Start("/proc/self/exe", []string{os.Args[0], vigil.Argument, strconv.Itoa(os.Getpid())},
		&syscall.ProcAttr{
			Env:   []string{"GOMAXPROCS=1"}, // it waits; and none of our secrets
			Files: []uintptr{null.Fd(), null.Fd(), null.Fd(), r.Fd()},
			// A session of its own keeps the terminal's signals away.
			Sys: &syscall.SysProcAttr{Setsid: true},
		}, nil, nil)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("start the guardian from /proc/self/exe: %w", err)
	}
	return g, nil
}

// Guard says which processes to kill: a process group, 0 for none yet, and
// whatever has mark in its environment.
func (g *Guardian) Guard(group int, mark string) {
	g.say("mark " + strconv.Quote(mark) + "\ngroup " + strconv.Itoa(group) + "\n")
}

// Deadline says that nothing of the command may run after the given time from
// now, suspends of the machine included.
func (g *Guardian) Deadline(in time.Duration) {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return // it has been there since Linux 2.6.39
	}
	g.say("deadline " + strconv.FormatInt(max(now.Nano()+int64(in), 1), 10) + "\n")
}

// Dismiss ends the guardian, in whatever state it is, and waits for it.
func (g *Guardian) Dismiss() {
	_ = unix.Kill(g.PID, unix.SIGKILL) // a zombie at worst: Collect comes after it
	_, _ = g.Collect()
	g.pipe.Close() // now nobody can take it for the death of the agent
}

// say writes to the guardian. One that is stopped reads nothing; it cannot be
// waited for.
func (g *Guardian) say(text string) {
	_ = g.pipe.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	_, _ = g.pipe.WriteString(text)
}
