package agent

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// signals catches what is sent to this process.
//
// While a lock is waited for, INT and TERM end the wait, and so do HUP and QUIT
// unless this process was started with them ignored. While a command runs, all
// that can be caught are passed on to it, but CHLD, URG, which the Go runtime
// sends itself, and PIPE, which is our own.
type signals struct {
	ch       chan os.Signal
	broken   chan os.Signal // SIGPIPE: caught, so that writing an error message kills nobody
	ignored  []os.Signal    // when this process started
	catching sync.WaitGroup
}

// last is the highest signal number of Linux.
const last = 64

// ending are the signals that end a wait.
var ending = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// stopping are those of job control: a waiting process stops by them as others
// do, one that runs a command passes them on.
var stopping = []os.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU}

// idle returns those that a waiting process takes no notice of; by default most
// of them would end it, and leave its contender in the queue.
func idle() []os.Signal {
	var all []os.Signal
	for n := unix.Signal(1); n <= last; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
			continue
		}
		if !slices.Contains(ending, os.Signal(n)) && !slices.Contains(stopping, os.Signal(n)) {
			all = append(all, n)
		}
	}
	return all
}

// catchSignals catches the signals that end a wait, and begins to catch others. To
// the Go runtime each is a conversation of two threads, so that takes its time:
// caught waits for its end.
func catchSignals() *signals {
	s := &signals{ch: make(chan os.Signal, last), broken: make(chan os.Signal, 1)}
	for _, sig := range ending {
		if signal.Ignored(sig) {
			s.ignored = append(s.ignored, sig)
		}
	}
	signal.Notify(s.ch, ending...)
	s.catching.Go(func() {
		signal.Notify(s.broken, unix.SIGPIPE)
		signal.Notify(s.ch, idle()...)
	})
	return s
}

// caught returns when everything is caught that shall not end this process. It
// is called before there is anything that could be left behind.
func (s *signals) caught() { s.catching.Wait() }

// release lets signals do again what they do by default, or nothing where they
// were ignored.
func (s *signals) release() {
	s.caught()
	signal.Stop(s.ch)
	signal.Stop(s.broken)
	s.ignore()
}

// ignore and notice stand around the start of a command, which has to inherit
// what this process was started with: nohup, and shells that start something
// in the background, rely on it.
func (s *signals) ignore() {
	if len(s.ignored) > 0 {
		signal.Ignore(s.ignored...)
	}
}

func (s *signals) notice() {
	if len(s.ignored) > 0 {
		signal.Notify(s.ch, s.ignored...)
	}
}

// running catches those of job control too, for a command; waiting undoes it.
func (s *signals) running() { signal.Notify(s.ch, stopping...) }
func (s *signals) waiting() { signal.Reset(stopping...) }

// ends reports whether the signal ends a wait.
func (s *signals) ends(sig os.Signal) bool {
	switch sig {
	case unix.SIGINT, unix.SIGTERM:
		return true
	}
	return slices.Contains(ending, sig) && !slices.Contains(s.ignored, sig)
}

// during returns a context that a signal ends, with signalled as its cause. The
// function stops that, waits for the goroutine and returns the cause.
func (s *signals) during(ctx context.Context) (context.Context, func() error) {
	ctx, cancel := context.WithCancelCause(ctx)
	quit := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case sig := <-s.ch:
				if s.ends(sig) {
					cancel(signalled{sig.(unix.Signal)})
					return
				}
			case <-quit:
				return
			}
		}
	})
	return ctx, func() error {
		close(quit)
		wait.Wait()
		cause := context.Cause(ctx)
		cancel(nil)
		return cause
	}
}
