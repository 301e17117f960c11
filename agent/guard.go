package agent

import (
	"errors"
	"sync"

	"github.com/lockform/lockform/agent/internal/guardian"
	"github.com/lockform/lockform/zkfs/layout"
)

// A spare is a guardian that starts while the locks are being taken, so that
// the command need not wait for it. When the locks have to be waited for it is
// sent away: a queue is no place for idle processes.
type spare struct {
	mu      sync.Mutex
	started sync.WaitGroup
	g       *guardian.Guardian
	dropped bool
}

// startSpare starts one. What goes wrong shows when the command needs one.
func (r *runner) startSpare() *spare {
	s := &spare{}
	s.started.Go(func() {
		g, err := guardian.Start(r.children, nil)
		if err != nil {
			return
		}
		s.mu.Lock()
		if !s.dropped {
			s.g, g = g, nil
		}
		s.mu.Unlock()
		if g != nil {
			g.Dismiss()
		}
	})
	return s
}

// drop sends the guardian away.
func (s *spare) drop() {
	s.mu.Lock()
	g := s.g
	s.g, s.dropped = nil, true
	s.mu.Unlock()
	if g != nil {
		g.Dismiss()
	}
}

// take returns the guardian, nil when there is none.
func (s *spare) take() *guardian.Guardian {
	s.started.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.g
	s.g = nil
	return g
}

// maxGuardians is how many guardians one hold may need. Where they keep dying
// something is wrong that another one does not mend.
const maxGuardians = 100

// guard sees to it that the command has a guardian: the spare one, or a new one.
// Without a lease to keep there is none.
func (h *hold) guard() error {
	if h.unguarded = h.onLost(h.OnLost) == layout.OnLostIgnore; h.unguarded {
		h.spare.drop()
		return nil
	}
	tell := func(g *guardian.Guardian) {
		group := 0
		if h.child != nil {
			group = h.child.PID
		}
		g.Guard(group, h.mark())
		g.Deadline(h.remaining())
	}
	if h.guardian = h.spare.take(); h.guardian != nil {
		tell(h.guardian)
		return nil
	}
	h.guardians++
	var err error
	h.guardian, err = guardian.Start(h.children, tell)
	return err
}

// followOnLost lets the guardian come and go when the policy's on_lost changes
// while the command runs.
func (h *hold) followOnLost() {
	ignore := h.onLost(h.OnLost) == layout.OnLostIgnore
	switch {
	case h.lost != nil || ignore == h.unguarded:
	case ignore:
		h.unguarded = true
		h.unguard()
	default:
		if err := h.guard(); err != nil {
			h.say("the command goes on without a guardian: %v", err)
		}
	}
}

// unguard sends the guardian away, if there is one.
func (h *hold) unguard() {
	if h.guardian != nil {
		h.guardian.Dismiss()
		h.guardian = nil
	}
}

// regard starts another guardian in place of one that has ended. One that has
// ended because it was due has killed the command too.
func (h *hold) regard() {
	h.unguard()
	if h.remaining() <= 0 {
		return
	}
	err := errors.New("it keeps ending")
	if h.guardians < maxGuardians {
		err = h.guard()
	}
	if err != nil {
		h.say("the command goes on without a guardian: %v", err)
	}
}

// mark is what stands in the environment of everything that the command
// starts, and of nothing else: the contender's name is unique.
func (h *hold) mark() string { return string(h.grants[0].node) }
