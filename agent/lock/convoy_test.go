package lock

import (
	"sync"
	"testing"
)

// Whoever joins flies, also when all that was under way has landed just before.
func TestAConvoyLeavesNobodyBehind(t *testing.T) {
	type passenger struct{ done chan struct{} }
	var work sync.WaitGroup
	c := &convoy[passenger]{
		most: 1, work: &work,
		part: func(waiting []*passenger) (batch, rest []*passenger) { return waiting, nil },
		fly: func(batch []*passenger) {
			for _, p := range batch {
				close(p.done)
			}
		},
	}
	p := &passenger{make(chan struct{})}
	c.join(p)
	<-p.done
	work.Wait()
	if !c.alone() {
		t.Fatal("no place is free after all have landed")
	}
	q := &passenger{make(chan struct{})}
	c.join(q)
	r := &passenger{make(chan struct{})}
	c.join(r)
	if !c.withdraw(r) || c.withdraw(r) {
		t.Error("what waits can be withdrawn, once")
	}
	c.landed()
	<-q.done
	if c.withdraw(q) {
		t.Error("what has flown cannot be withdrawn")
	}
	work.Wait()
}
