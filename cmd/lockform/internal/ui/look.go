package ui

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	queuesEvery = time.Second
	surveyEvery = 15 * time.Second
	// lookLimit is how long one look may take: a server that says nothing is
	// given up then, and the page says so.
	lookLimit = 20 * time.Second
	// A request waits for a look that is under way for so long since it began,
	// and gets what was seen before when it takes longer: for less than the 10s
	// that Prometheus waits when nothing was seen before.
	patience      = time.Second
	firstPatience = 8 * time.Second
)

// errSlow is the cause of a look's end at lookLimit.
var errSlow = fmt.Errorf("it took longer than %s", lookLimit)

// A look is what was last seen of something. It is looked again when somebody
// asks and the last time is a while ago: nobody asks, nobody looks.
type look[T any] struct {
	every time.Duration // the least time between two; it grows with how long one takes
	do    func(context.Context) (T, bool)

	mu    sync.Mutex
	value T
	at    time.Time // when the look that saw it began; zero before the first has ended
	next  time.Time // when it is looked again
	began time.Time // when the look that is under way did
	ended chan struct{}
}

// newLook returns a look whose do says what is seen, and whether nothing failed.
func newLook[T any](every time.Duration, do func(context.Context) (T, bool)) *look[T] {
	return &look[T]{every: every, do: do}
}

// begin looks again if it is time for it, in a goroutine that run starts and
// until base ends, whoever has asked: others want to know as well. Run reports
// whether it has.
func (l *look[T]) begin(base context.Context, run func(func()) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil || time.Now().Before(l.next) {
		return
	}
	ended := make(chan struct{})
	started := run(func() {
		defer close(ended)
		limited, cancel := context.WithTimeoutCause(base, lookLimit, errSlow)
		defer cancel()
		value, whole := l.do(limited)
		l.mu.Lock()
		defer l.mu.Unlock()
		pause := l.every
		if whole { // of ten parts of the time, one at most is spent looking
			pause = max(pause, min(10*time.Since(l.began), lookLimit))
		}
		l.value, l.at, l.next, l.ended = value, l.began, l.began.Add(pause), nil
	})
	if started {
		l.began, l.ended = time.Now(), ended
	}
}

// get returns what was seen last and when. It waits for a look that is under
// way, until ctx ends or its patience does.
func (l *look[T]) get(ctx context.Context) (T, time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if ended := l.ended; ended != nil {
		until := l.began.Add(patience)
		if l.at.IsZero() {
			until = l.began.Add(firstPatience)
		}
		l.mu.Unlock()
		wait(ctx, ended, time.Until(until))
		l.mu.Lock()
	}
	return l.value, l.at
}

func wait(ctx context.Context, ended <-chan struct{}, limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-ended:
	case <-t.C:
	case <-ctx.Done():
	}
}
