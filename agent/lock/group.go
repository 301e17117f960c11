package lock

import (
	"fmt"
	"sync"
)

// A group is several locks that are held together or not at all.
type group struct {
	mu    sync.Mutex
	cause error
	held  []*Held
	end   func(error) // ends the attempt to take the others
}

// add makes h a member, in any case. It fails when one was lost meanwhile.
func (g *group) add(h *Held) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held = append(g.held, h)
	if g.cause != nil {
		return g.cause
	}
	h.mu.Lock()
	h.group = g
	lost := h.state == Lost
	h.mu.Unlock()
	if lost {
		return fmt.Errorf("%w: %s, while others were waited for", ErrLost, h.Path())
	}
	return nil
}

// lost ends all members when one is lost. A nil group has none.
func (g *group) lost(h *Held, cause error) {
	if g == nil {
		return
	}
	g.mu.Lock()
	if g.cause != nil {
		g.mu.Unlock()
		return
	}
	g.cause = fmt.Errorf("%w (with %s)", cause, h.Path())
	all, because, end := g.held, g.cause, g.end
	g.mu.Unlock()
	end(because)
	for _, other := range all {
		if other != h {
			other.lose(because)
		}
	}
}
