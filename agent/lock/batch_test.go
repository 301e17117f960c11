package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// busy makes a client's session so busy that what is asked for next has to wait
// and goes out together: its first requests for contenders, of locks of their
// own, are answered late. The function waits for those and gives them up.
func (b *bench) busy(c *lock.Client) (done func()) {
	b.Helper()
	s, err := c.Session(b.ctx)
	if err != nil {
		b.Fatal(err)
	}
	var first []*asked
	p := policy(nil)
	for i := range 4 {
		path := b.declare(zkfs.Path(fmt.Sprintf("/busy%d", i)), nil)
		slow := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 100 * time.Millisecond, Kind: zkdev.OpCreate, Session: s.ID()})
		first = append(first, b.ask(c, path, lock.Options{Policy: &p}))
		until(b.T, "the request is sent", slow.Fired())
	}
	return func() {
		for _, a := range first {
			b.release(b.got(a))
		}
	}
}

func (b *bench) locks(n int) []zkfs.Path {
	var paths []zkfs.Path
	for i := range n {
		paths = append(paths, b.declare(zkfs.Path(fmt.Sprintf("/l%d", i)), nil))
	}
	return paths
}

func TestManyLocksAreCommittedTogether(t *testing.T) {
	embedded(t, func(b *bench) {
		paths := b.locks(20)
		c := b.client()
		done := b.busy(c)
		p := policy(nil)
		var all []*asked
		for _, path := range paths {
			all = append(all, b.ask(c, path, lock.Options{Policy: &p}))
		}
		var held []*lock.Held
		transactions := map[int64]int{}
		for _, a := range all {
			h := b.got(a)
			held = append(held, h)
			transactions[h.Token()]++
			if q := b.queue(h.Path()).Contenders; len(q) != 1 || q[0].Node != h.Node() || q[0].Token != h.Token() {
				b.Errorf("got the queue %+v, want %s with token %d", q, h.Node(), h.Token())
			}
		}
		if len(transactions) > len(paths)/2 {
			b.Errorf("%d locks took %d transactions", len(paths), len(transactions))
		}
		for _, h := range held {
			b.release(h)
		}
		done()
	})
}

// Two contenders that are made in one transaction would have one token.
func TestContendersOfOneLockAreNotCommittedTogether(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Mode = layout.ReadWrite })
		c := b.client()
		done := b.busy(c)
		p := policy(func(p *layout.Policy) { p.Mode = layout.ReadWrite })
		var all []*asked
		for range 10 {
			all = append(all, b.ask(c, path, lock.Options{Policy: &p, Shared: true}))
		}
		seen := map[int64]bool{}
		for _, a := range all {
			h := b.got(a)
			if seen[h.Token()] {
				b.Errorf("two holds have the token %d", h.Token())
			}
			seen[h.Token()] = true
			defer b.release(h)
		}
		done()
	})
}

func TestOneThatIsRefusedDoesNotStopTheOthersOfItsBatch(t *testing.T) {
	embedded(t, func(b *bench) {
		paths := b.locks(5)
		c := b.client()
		done := b.busy(c)
		p := policy(nil)
		var all []*asked
		for i, path := range paths {
			if i == 2 {
				missing := b.ask(c, "/missing", lock.Options{Policy: &p})
				defer func() {
					if err := b.failed(missing); !errors.Is(err, lock.ErrNotDeclared) {
						b.Errorf("got %v, want ErrNotDeclared", err)
					}
				}()
			}
			all = append(all, b.ask(c, path, lock.Options{Policy: &p}))
		}
		for _, a := range all {
			b.release(b.got(a))
		}
		done()
	})
}

// A batch whose outcome is not known is not sent again: its members are looked
// up.
func TestABatchOfUnknownOutcomeIsLookedUp(t *testing.T) {
	for what, action := range map[string]zkdev.Action{"before": zkdev.CloseBefore, "after": zkdev.CloseAfter} {
		t.Run(what, func(t *testing.T) {
			embedded(t, func(b *bench) {
				paths := b.locks(8)
				c := b.client()
				done := b.busy(c)
				s, err := c.Session(b.ctx)
				if err != nil {
					b.Fatal(err)
				}
				b.env.Dev.Inject(zkdev.Fault{Action: action, Kind: zkdev.OpMulti, Session: s.ID()})
				p := policy(nil)
				var all []*asked
				for _, path := range paths {
					all = append(all, b.ask(c, path, lock.Options{Policy: &p}))
				}
				for _, a := range all {
					h := b.got(a)
					if q := b.queue(h.Path()).Contenders; len(q) != 1 || q[0].Node != h.Node() || q[0].Token != h.Token() {
						b.Errorf("got the queue %+v, want %s alone", q, h.Node())
					}
					b.release(h)
				}
				done()
			})
		})
	}
}

// Whoever gives up while his contender is in a batch that is under way has it
// removed when the batch has ended.
func TestCancelInABatch(t *testing.T) {
	embedded(t, func(b *bench) {
		paths := b.locks(8)
		c := b.client()
		done := b.busy(c)
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		slow := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 100 * time.Millisecond, Kind: zkdev.OpMulti, Session: s.ID()})
		ctx, cancel := context.WithCancel(b.ctx)
		p := policy(nil)
		ended := make(chan error, len(paths))
		for _, path := range paths {
			go func() {
				_, err := c.Acquire(ctx, path, lock.Options{Policy: &p})
				ended <- err
			}()
		}
		until(b.T, "the batch is sent", slow.Fired())
		cancel()
		for range paths {
			if err := until(b.T, "the acquire ends", ended); !errors.Is(err, context.Canceled) {
				b.Errorf("got %v, want context.Canceled", err)
			}
		}
		done()
	})
}
