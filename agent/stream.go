package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
)

// An Event is a line of the stream that tells of a hold.
type Event struct {
	Event       string    `json:"event"` // one of the Event constants
	Path        zkfs.Path `json:"path"`
	Position    int       `json:"position,omitempty"` // queued: 1 is the next
	Behind      string    `json:"behind,omitempty"`   // queued: for whom
	Mode        string    `json:"mode,omitempty"`     // held
	Lease       string    `json:"lease,omitempty"`    // held: the contender's name, which is nobody else's
	Token       int64     `json:"token,omitempty"`    // held
	Node        zkfs.Path `json:"node,omitempty"`     // held
	RemainingMS int64     `json:"remaining_ms,omitempty"`
	Reason      string    `json:"reason,omitempty"` // lost, revoked
}

// What an Event tells of.
const (
	EventQueued  = "queued"
	EventHeld    = "held" // also again, after suspect
	EventSuspect = "suspect"
	EventLost    = "lost"
	EventRevoked = "revoked"
)

// A Stream holds one lock and tells of it, one JSON object per line, until
// Until is closed or the lock is lost.
type Stream struct {
	Path zkfs.Path
	// Connect opens the client, which Run closes.
	Connect func(context.Context) (*lock.Client, error)
	Options lock.Options // without callbacks
	Until   <-chan struct{}
	Out     io.Writer
	// NotAcquired is the exit code in place of CodeNotAcquired when not nil.
	NotAcquired *int

	mu     sync.Mutex
	failed error // of the first write that failed
}

// Run takes the lock, tells of it and gives it up. It returns an exit code as
// Exec.Run does: 0 when Until ended the hold, 128 + n when signal n did.
func (s *Stream) Run(ctx context.Context) (int, error) {
	notAcquired := CodeNotAcquired
	if s.NotAcquired != nil {
		notAcquired = *s.NotAcquired
	}
	signals := catchSignals()
	defer signals.release()
	signals.caught()
	ctx, stop := signals.during(ctx)
	err := s.connected(ctx)
	if cause := stop(); cause != nil {
		err = cause
	}
	var sig signalled
	if errors.As(err, &sig) {
		return exitCode(err, notAcquired), nil
	}
	return exitCode(err, notAcquired), explain(err)
}

// connected connects and holds. The end of Until while it connects or waits is
// no error.
func (s *Stream) connected(ctx context.Context) error {
	waiting, cancel := context.WithCancel(ctx)
	var closing sync.WaitGroup
	closing.Go(func() {
		select {
		case <-s.Until:
			cancel()
		case <-waiting.Done():
		}
	})
	defer closing.Wait()
	defer cancel()

	l := limitOf(s.Options.Wait)
	connecting, stop := l.connecting(waiting)
	defer stop()
	c, err := s.Connect(connecting)
	if err == nil {
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hurryTime)
			defer cancel()
			_ = c.Close(ctx) // what cannot be closed in time expires
		}()
		taking, stop := l.taking(waiting)
		defer stop()
		var held *lock.Held
		if held, err = s.acquire(taking, c); err == nil {
			return s.hold(ctx, held)
		}
	}
	if ctx.Err() == nil && waiting.Err() != nil {
		return nil
	}
	return err
}

// acquire takes the lock and tells of it.
func (s *Stream) acquire(ctx context.Context, c *lock.Client) (*lock.Held, error) {
	var held *lock.Held
	given := make(chan struct{})
	o := s.Options
	o.OnQueued = func(q lock.Queued) {
		s.tell(Event{Event: EventQueued, Path: q.Path, Position: q.Position, Behind: whose(q.Behind)})
	}
	o.OnSuspect = func() { s.tell(Event{Event: EventSuspect, Path: s.Path}) }
	o.OnHeld = func() {
		if <-given; held != nil {
			s.tellHeld(held)
		}
	}
	held, err := c.Acquire(ctx, s.Path, o)
	close(given)
	if err == nil {
		s.tellHeld(held)
	}
	return held, err
}

// hold returns when the hold has ended, with the reason when it was not Until.
func (s *Stream) hold(ctx context.Context, held *lock.Held) (err error) {
	select {
	case <-s.Until:
	case <-ctx.Done():
	case <-held.Context().Done():
		err = context.Cause(held.Context())
		what := EventLost
		if errors.Is(err, lock.ErrRevoked) {
			what = EventRevoked
		}
		s.tell(Event{Event: what, Path: s.Path, Reason: err.Error()})
	}
	release, done := context.WithTimeout(context.WithoutCancel(ctx), hurryTime)
	defer done()
	if gone := held.Release(release); err == nil {
		err = gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.failed)
}

func (s *Stream) tellHeld(h *lock.Held) {
	s.tell(Event{
		Event: EventHeld, Path: s.Path, Mode: h.Mode(), Lease: h.Node().Base(), Token: h.Token(), Node: h.Node(),
		RemainingMS: h.Remaining().Milliseconds(),
	})
}

// tell writes a line. Nobody may be there to read it.
func (s *Stream) tell(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := json.NewEncoder(s.Out).Encode(e); err != nil && s.failed == nil {
		s.failed = err
	}
}
