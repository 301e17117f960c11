package lock

import (
	"slices"
	"sync"
)

// A convoy lets a few requests be under way alone, and sends together what has
// to wait meanwhile. What limits a session with many locks is packets; one that
// is not busy loses nothing.
type convoy[J any] struct {
	most int                                        // how many are under way before others wait
	part func(waiting []*J) (batch []*J, rest []*J) // what goes together next; not empty
	fly  func(batch []*J)                           // sends it and returns when that is answered
	work *sync.WaitGroup                            // of what flies

	mu      sync.Mutex
	flying  int
	waiting []*J
}

// alone takes a place for a request that the caller sends by itself, if one is
// free and nobody waits. The caller gives it back with landed.
func (c *convoy[J]) alone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flying >= c.most || len(c.waiting) > 0 {
		return false
	}
	c.flying++
	return true
}

// landed gives a place back, to those that wait.
func (c *convoy[J]) landed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.flying--
		return
	}
	var batch []*J
	batch, c.waiting = c.part(c.waiting)
	c.work.Go(func() {
		defer c.landed()
		c.fly(batch)
	})
}

// join puts a request among those that wait. There are such as long as all
// places are taken, and one that becomes free takes them along.
func (c *convoy[J]) join(j *J) {
	c.mu.Lock()
	if c.flying < c.most { // all have landed since alone was asked
		c.flying++
		defer c.landed()
	}
	c.waiting = append(c.waiting, j)
	c.mu.Unlock()
}

// withdraw takes a request back, unless it is on its way already.
func (c *convoy[J]) withdraw(j *J) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, j)
	if i < 0 {
		return false
	}
	c.waiting = slices.Delete(c.waiting, i, i+1)
	return true
}
