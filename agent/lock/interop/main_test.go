// Package interop holds no code: its tests take locks beside the clients of
// others, each pair of which the recipes promise that they exclude each other.
package interop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// limit is how long the tests wait for what must happen.
const limit = 30 * time.Second

// eventually polls until the condition holds, and fails the test when it does
// not within limit.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}

// A queue is one lock on a test server, and a session that looks at it.
type queue struct {
	e    *zktest.Env
	path zkfs.Path
	s    *zkconn.Session
}

// newQueue declares a lock, as an apply would.
func newQueue(t *testing.T, e *zktest.Env, s side) *queue {
	t.Helper()
	data, err := layout.Record{Layout: "interop", Address: "lock.interop", Kind: layout.KindLock, Policy: s.policy}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	eye, err := zkconn.Open(t.Context(), zkconn.Config{Servers: e.Servers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eye.Close(context.Background()) })
	q := &queue{e, s.path, eye}
	for _, p := range s.path.Ancestors() {
		q.create(t, p, nil)
	}
	q.create(t, s.path, data)
	return q
}

func (q *queue) create(t *testing.T, path zkfs.Path, data []byte) {
	t.Helper()
	if _, err := q.s.Create(t.Context(), path, data, zkfs.Open(), zkfs.Persistent); err != nil {
		t.Fatal(err)
	}
}

// names returns the children of the lock.
func (q *queue) names(t *testing.T) []string {
	t.Helper()
	names, _, err := q.s.Children(t.Context(), q.path)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// added returns the one name that the queue has beyond those before, when
// there is one.
func (q *queue) added(t *testing.T, before []string) string {
	t.Helper()
	known := make(map[string]bool)
	for _, n := range before {
		known[n] = true
	}
	for _, n := range q.names(t) {
		if !known[n] {
			return n
		}
	}
	return ""
}

// watches reports whether the session that made the contender watches another
// one by its data: then it has looked at the queue and found that it must wait.
func (q *queue) watches(t *testing.T, contender string) bool {
	t.Helper()
	stat, there, err := q.s.Exists(t.Context(), q.path.Join(contender))
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		return false
	}
	out, err := zkconn.FourLetterWord(t.Context(), zkconn.Config{Servers: q.e.Addr}, q.e.Addr, "wchc")
	if err != nil {
		t.Fatal(err)
	}
	below := "\t" + q.path.Under(q.e.Chroot).String() + "/"
	session := ""
	for _, line := range strings.Split(out, "\n") {
		if !strings.HasPrefix(line, "\t") {
			session = line
		} else if session == fmt.Sprintf("0x%x", stat.EphemeralOwner) && strings.HasPrefix(line, below) {
			return true
		}
	}
	return false
}

// empty fails the test unless nothing is left in the queue.
func (q *queue) empty(t *testing.T) {
	t.Helper()
	eventually(t, "an empty queue", func() bool { return len(q.names(t)) == 0 })
}

// open opens a client of ours with a session of its own.
func open(t *testing.T, e *zktest.Env) *lock.Client {
	t.Helper()
	c, err := lock.Open(t.Context(), lock.Config{Conn: zkconn.Config{Servers: e.Servers}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// policy returns the default policy with another recipe and mode.
func policy(mode layout.Mode, r layout.Recipe, prefix string) *layout.Policy {
	p := layout.DefaultPolicy()
	p.Mode, p.Recipe, p.Prefix = mode, r, prefix
	if mode == layout.Semaphore {
		p.Permits = 1
	}
	return &p
}
