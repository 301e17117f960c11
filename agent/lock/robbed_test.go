package lock_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// When the lock's znode is made anew, its sequence begins again. A name without
// a GUID then is the next holder's, though it is the one that we had.
func TestANameThatHasComeBackIsNotOurs(t *testing.T) {
	each(t, func(b *bench) {
		plain := func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "lock_id_" }
		c := b.client()
		// The client may make a contender before it hears that the znode is a new
		// one, and then another: the names differ, and there is nothing to see.
		var path zkfs.Path
		var robbed, next *lock.Held
		for try := 0; next == nil || next.Node() != robbed.Node(); try++ {
			if try > 0 {
				b.release(next)
			}
			if try == 20 {
				b.Fatalf("got %s and then %s, want one name twice", robbed.Node(), next.Node())
			}
			path = b.declare(zkfs.Path(fmt.Sprintf("/l%d", try)), plain)
			robbed = b.take(c, path, lock.Options{})
			for _, node := range []zkfs.Path{robbed.Node(), path} {
				if err := b.eye.Delete(b.ctx, node, zkfs.AnyVersion); err != nil {
					b.Fatal(err)
				}
			}
			b.write(path, plain)
			next = b.take(c, path, lock.Options{}) // on the same session
		}
		if next.Token() == robbed.Token() {
			b.Fatalf("%s has the token %d twice", next.Node(), next.Token())
		}
		until(b.T, "the loss is noticed", robbed.Context().Done())
		b.release(robbed)
		if got := b.queue(path).Holders(); len(got) != 1 || got[0].Token != next.Token() {
			b.Errorf("got the holders %+v after another's release, want token %d", got, next.Token())
		}
		if next.State() != lock.Holding {
			b.Errorf("got state %v, want held", next.State())
		}
		b.release(next)
	})
}

// Who has lost one of several names is not seen by everybody any more. Where a
// listing shows it, nothing is granted.
func TestAContenderThatLacksANameIsNotGranted(t *testing.T) {
	embedded(t, func(b *bench) {
		path := b.declare("/l", func(p *layout.Policy) { p.Recipe = layout.Bridge })
		c := b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		fault := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Delay: 300 * time.Millisecond, Kind: zkdev.OpMulti, Session: s.ID()})
		a := b.ask(c, path, lock.Options{})
		until(b.T, "the contender is made", fault.Fired())
		if err := b.eye.Delete(b.ctx, b.queue(path).Contenders[0].Nodes[1], zkfs.AnyVersion); err != nil {
			b.Fatal(err)
		}
		if err := b.failed(a); !errors.Is(err, lock.ErrRemoved) {
			b.Errorf("got %v, want ErrRemoved", err)
		}
	})
}

// The server that answers after a reconnection may lag behind the one that made
// the contender: without a sync its listing may lack it, and another is made.
func TestAContenderWithALostReplyIsLookedForBehindASync(t *testing.T) {
	embedded(t, func(b *bench) {
		path, c := b.declare("/l", nil), b.client()
		s, err := c.Session(b.ctx)
		if err != nil {
			b.Fatal(err)
		}
		lost := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.CloseAfter, Kind: zkdev.OpCreate, Session: s.ID()})
		refused := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.Fail, Code: zkdev.NoAuth, Kind: zkdev.OpSync, Session: s.ID(), Times: 1000})
		listed := b.env.Dev.Inject(zkdev.Fault{Action: zkdev.DelayReply, Kind: zkdev.OpGetChildren, Session: s.ID()})
		defer listed.Cancel()
		a := b.ask(c, path, lock.Options{Wait: lock.WaitFor(300 * time.Millisecond)})
		until(b.T, "the contender is made", lost.Fired())
		until(b.T, "a sync is asked for", refused.Fired())
		if err := b.failed(a); !errors.Is(err, zkfs.ErrNoAuth) {
			b.Errorf("got %v, want the sync's ErrNoAuth", err)
		}
		select {
		case <-listed.Fired():
			b.Error("the children were listed without a sync")
		default:
		}
		refused.Cancel() // and the contender goes
	})
}
