package agent

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// A terminal is the one that this process has been in the foreground of when it
// started. The nil terminal is none; its methods then do nothing.
//
// The command has a process group of its own, and only a terminal's foreground
// group may read from it. So the command gets the foreground, and when it is
// stopped from the keyboard this process stops as well, for the shell to see.
type terminal struct {
	fd    int
	own   int  // the process group of this process
	given bool // to the command
}

// ourTerminal returns the terminal on standard input, if there is one.
func ourTerminal() *terminal {
	t := &terminal{fd: 0, own: unix.Getpgrp()}
	if !t.ours() {
		return nil
	}
	return t
}

func (t *terminal) ours() bool {
	group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && group == t.own
}

// atStart reports whether the command gets the foreground when it starts. With
// its output going to a pipe it does not: a pager at the other end reads from
// the terminal, and the command gets it when it asks.
func (t *terminal) atStart() bool {
	if t == nil {
		return false
	}
	_, err := unix.IoctlGetTermios(int(os.Stdout.Fd()), unix.TCGETS)
	return err == nil
}

// give makes a process group the foreground group.
func (t *terminal) give(group int) {
	if t == nil {
		return
	}
	// From the background this takes SIGTTOU being blocked, in this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, old unix.Sigset_t
	set.Val[0] = 1 << (uint(unix.SIGTTOU) - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) // a terminal that is gone needs no foreground
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	t.given = group != t.own
}

// takeBack makes this process's group the foreground group again, if the
// command has been.
func (t *terminal) takeBack() {
	if t != nil && t.given {
		t.give(t.own)
	}
}

// stopped is called when a signal has stopped the command.
func (t *terminal) stopped(sig unix.Signal, group int) {
	if t == nil {
		return
	}
	wants := sig == unix.SIGTTIN || sig == unix.SIGTTOU
	switch {
	case wants && !t.given && t.ours():
		t.give(group)
		_ = unix.Kill(-group, unix.SIGCONT)
	case wants || sig == unix.SIGTSTP:
		// The whole job stops, as it would have without us in between. The
		// lease goes on, and the guardian sees to its end.
		t.takeBack()
		_ = unix.Kill(0, unix.SIGSTOP)
	}
}

// resumed is called when this process was continued.
func (t *terminal) resumed(group int) {
	if t != nil && !t.given && t.ours() && t.atStart() {
		t.give(group)
	}
}
