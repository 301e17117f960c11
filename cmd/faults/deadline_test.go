//go:build faults

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// TestDeadlineComesBeforeTheNodeGoes repeats the measurement behind the lease:
// a session is idle, then a create is acknowledged, and at once the follower
// that has acknowledged it stops. The leader has not been told of the activity,
// so the node goes much sooner than a session timeout after the create. The
// deadline must have come by then, and also when a heartbeat was acknowledged
// after the create.
func TestDeadlineComesBeforeTheNodeGoes(t *testing.T) {
	c := start(t)
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	for i := range rounds {
		c.wait(t)
		follower := c.follower(t)
		path := zkfs.Path(fmt.Sprintf("/deadline-%d-%d", c.runs, i))
		margin := c.stopAfterCreate(t, follower, path, rand.N(session), i%2 == 1)
		t.Logf("round %d: the deadline came %s before the node went", i, margin)
		if margin <= 0 {
			t.Errorf("round %d: the node went %s before the deadline", i, -margin)
		}
	}
	c.runs++
}

// stopAfterCreate returns the time from the deadline to the node's end.
func (c *cluster) stopAfterCreate(t *testing.T, follower *server, path zkfs.Path, idle time.Duration, heartbeat bool) (margin time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*session)
	defer cancel()
	config := zkconn.Config{Servers: follower.connect(), SessionTimeout: session, TickTime: tick}
	s, err := zkconn.Open(ctx, config)
	must(t, err)
	defer func() {
		must(t, follower.signal(syscall.SIGCONT))
		_ = s.Close(context.Background()) // it has expired
	}()
	config.Servers = c.others(follower)
	eye, err := zkconn.Open(ctx, config)
	must(t, err)
	defer eye.Close(context.Background())

	sleep(t, idle)
	_, err = s.Create(ctx, path, nil, zkfs.Open(), zkfs.Ephemeral)
	must(t, err)
	if heartbeat {
		sleep(t, rand.N(tick))
		must(t, s.Heartbeat(ctx, []zkfs.Op{{Kind: zkfs.OpCheck, Path: path}}))
	}
	must(t, follower.signal(syscall.SIGSTOP))
	deadline := s.Deadline()

	must(t, eye.Sync(ctx, path))
	for {
		_, there, w, err := eye.ExistsW(ctx, path)
		must(t, err)
		if !there {
			w.Stop()
			break
		}
		select {
		case <-w.C:
		case <-ctx.Done():
			t.Fatal("the node does not go")
		}
	}
	gone := zkconn.Now()
	if later := s.Deadline(); later.After(deadline) {
		deadline = later // what was on its way
	}
	return gone.Sub(deadline)
}
