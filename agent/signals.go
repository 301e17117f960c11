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
	ch      chan os.Signal
	broken  chan os.Signal // SIGPIPE: caught, so that writing an error message kills nobody
	ignored []os.Signal    // when this process started
}

// last is the highest signal number of Linux.
const last = 64

// ending are the signals that end a wait.
var ending = []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT}

// idle are those that a waiting process takes no notice of; by default they
// would end it, and leave its contender in the queue.
var idle = []os.Signal{unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM, unix.SIGVTALRM, unix.SIGPROF, unix.SIGIO, unix.SIGPWR}

// busy returns what else is passed on to a command.
func busy() []os.Signal {
	var all []os.Signal
	for n := unix.Signal(1); n <= last; n++ {
		switch n {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE:
			continue
		}
		if !slices.Contains(ending, os.Signal(n)) && !slices.Contains(idle, os.Signal(n)) {
			all = append(all, n)
		}
	}
	return all
}

func catchSignals() *signals {
	s := &signals{ch: make(chan os.Signal, last), broken: make(chan os.Signal, 1)}
	for _, sig := range ending {
		if signal.Ignored(sig) {
			s.ignored = append(s.ignored, sig)
		}
	}
	signal.Notify(s.ch, ending...)
	signal.Notify(s.ch, idle...)
	signal.Notify(s.broken, unix.SIGPIPE)
	return s
}

// release lets signals do again what they do by default, or nothing where they
// were ignored.
func (s *signals) release() {
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

// running catches everything, for a command; waiting undoes it.
func (s *signals) running() { signal.Notify(s.ch, busy()...) }
func (s *signals) waiting() { signal.Reset(busy()...) }

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
