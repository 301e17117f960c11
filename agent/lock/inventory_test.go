package lock_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// ledger makes what an apply makes for the agents of the tests' layout.
func (b *bench) ledger(acl zkfs.ACL) (agents zkfs.Path) {
	b.Helper()
	agents = layout.DefaultLedger.Join("test").Join(layout.AgentsName)
	for _, p := range agents.Ancestors() {
		if _, err := b.eye.Create(b.ctx, p, nil, zkfs.Open(), zkfs.Persistent); err != nil && !errors.Is(err, zkfs.ErrNodeExists) {
			b.Fatal(err)
		}
	}
	if _, err := b.eye.Create(b.ctx, agents, nil, acl, zkfs.Persistent); err != nil {
		b.Fatal(err)
	}
	return agents
}

// A session on which something is held stands in the layout's inventory, once,
// until it ends.
func TestASessionStandsInTheInventory(t *testing.T) {
	each(t, func(b *bench) {
		agents := b.ledger(zkfs.Open())
		c, err := lock.Open(b.ctx, lock.Config{Conn: b.conn(), Host: "host1"})
		if err != nil {
			b.Fatal(err)
		}
		first := b.take(c, b.declare("/a", nil), lock.Options{})
		var names []string
		eventually(b.T, "it is listed", func() bool {
			names, _, err = b.eye.Children(b.ctx, agents)
			return err == nil && len(names) == 1
		})
		data, stat, err := b.eye.Get(b.ctx, agents.Join(names[0]))
		if err != nil {
			b.Fatal(err)
		}
		var got struct {
			Lockform, PID int
			Host, Version string
		}
		if err := json.Unmarshal(data, &got); err != nil {
			b.Fatalf("%s: %v", data, err)
		}
		if got.Lockform != 1 || got.Host != "host1" || got.PID != os.Getpid() || got.Version != zkfs.Version() {
			b.Errorf("got %s", data)
		}
		if stat.EphemeralOwner != first.Session() {
			b.Errorf("it is session %#x's, not %#x's", stat.EphemeralOwner, first.Session())
		}
		// Another hold of the session is watched by now, and makes no other entry.
		second := b.take(c, b.declare("/b", func(p *layout.Policy) { p.Revocable = true }), lock.Options{})
		lease := second.Lease()
		eventually(b.T, "a heartbeat", func() bool { return second.Lease().After(lease) })
		if again, _, err := b.eye.Children(b.ctx, agents); err != nil || len(again) != 1 {
			b.Errorf("got the entries %q, %v, want one", again, err)
		}
		b.release(first)
		b.release(second)
		if err := c.Close(b.ctx); err != nil {
			b.Error(err)
		}
		if left, _, err := b.eye.Children(b.ctx, agents); err != nil || len(left) != 0 {
			b.Errorf("got the entries %q, %v after the session's end", left, err)
		}
	})
}

// Where there is no place for it, or no right, a lock is held all the same.
func TestTheInventoryIsNotNeeded(t *testing.T) {
	each(t, func(b *bench) {
		b.ledger(zkfs.ReadOnly())
		h := b.take(b.client(), b.declare("/a", nil), lock.Options{})
		lease := h.Lease()
		eventually(b.T, "a heartbeat", func() bool { return h.Lease().After(lease) })
		if h.State() != lock.Holding {
			b.Errorf("got state %v", h.State())
		}
		b.release(h)
	})
}
