package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted = errors.New("interrupted")

// interrupts returns two contexts: soft ends at the first SIGINT or SIGTERM
// and asks for a stop at the next good place, hard ends at the second and
// means at once. After the second, signals do again what they do by default.
// The function releases the signals and waits for the goroutine.
func interrupts(parent context.Context) (soft, hard context.Context, stop func()) {
	hard, cancelHard := context.WithCancelCause(parent)
	soft, cancelSoft := context.WithCancelCause(hard)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for _, cancel := range []context.CancelCauseFunc{cancelSoft, cancelHard} {
			select {
			case <-ch:
				cancel(errInterrupted)
			case <-quit:
				return
			}
		}
		signal.Stop(ch)
	}()
	return soft, hard, func() {
		close(quit)
		<-ended
		signal.Stop(ch)
		cancelSoft(context.Canceled)
		cancelHard(context.Canceled)
	}
}
