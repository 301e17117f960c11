package zkconn_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

const tick = zktest.Tick

// pass waits until d has passed on the clock of the lease.
func pass(d time.Duration) {
	for end := zkconn.Now().Add(d); !zkconn.Now().After(end); {
		time.Sleep(time.Until(end.Time()))
	}
}

func TestDeadlineFollowsTheRule(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		p := newProxy(t, e.Addr)
		// The session times out late, so that no ping of the library's interferes.
		before := zkconn.Now()
		s := open(t, zkconn.Config{Servers: p.addr() + string(e.Chroot), SessionTimeout: 40 * time.Second})
		lease := s.Timeout() - tick/2
		check := func(what string, from, to zkconn.Instant) {
			t.Helper()
			if d := s.Deadline(); d < from.Add(lease) || d > to.Add(lease) {
				t.Errorf("%s: the deadline rests on a request %v after the expected interval of %v", what, d.Add(-lease).Sub(from), to.Sub(from))
			}
		}
		check("connect request", before, zkconn.Now())
		mkdir(t, s, "/a")
		checks := []zkfs.Op{{Kind: zkfs.OpCheck, Path: "/a", Version: 0}}

		for name, checks := range map[string][]zkfs.Op{"sync": nil, "check": checks} {
			pass(tick)
			from := zkconn.Now()
			if _, _, err := s.Get(ctx, "/a"); err != nil {
				t.Fatal(err)
			}
			to := zkconn.Now()
			was := s.Deadline()
			pass(tick / 4)
			young := zkconn.Now()
			if _, _, err := s.Get(ctx, "/a"); err != nil { // too young for the heartbeat
				t.Fatal(err)
			}
			if s.Deadline() != was {
				t.Errorf("%s: a read moved the deadline", name)
			}
			pass(tick/4 + 10*time.Millisecond)
			if err := s.Heartbeat(ctx, checks); err != nil {
				t.Fatal(err)
			}
			if now := zkconn.Now(); now.Sub(young) > tick/2 { // on a slow machine
				to = now.Add(-tick / 2)
			}
			check(name, from, to)
		}

		// A heartbeat that is refused, or not acknowledged, proves nothing.
		was := s.Deadline()
		pass(tick)
		var me *zkfs.MultiError
		wrong := append(checks, zkfs.Op{Kind: zkfs.OpCheck, Path: "/none"})
		if err := s.Heartbeat(ctx, wrong); !errors.As(err, &me) || me.Index != 1 || !errors.Is(err, zkfs.ErrNoNode) {
			t.Errorf("a check of a node that is gone: %v", err)
		}
		p.mute(true)
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if err := s.Heartbeat(short, checks); !errors.Is(err, zkfs.ErrOutcomeUnknown) {
			t.Errorf("a mute server: %v", err)
		}
		if got := s.Deadline(); got != was {
			t.Errorf("the deadline moved by %v without an acknowledgement", got.Sub(was))
		}

		// On a new connection of the session the last answered request counts.
		p.mute(false)
		from := zkconn.Now()
		if err := s.Sync(ctx, zkfs.Root); err != nil {
			t.Fatal(err)
		}
		to := zkconn.Now()
		p.cut()
		pass(tick / 2)
		for range 100 { // Many go in one heartbeat, split as needed.
			checks = append(checks, checks[0])
		}
		if err := s.Heartbeat(ctx, checks); err != nil {
			t.Fatal(err)
		}
		if s.Epoch() != 2 {
			t.Fatalf("epoch %d", s.Epoch())
		}
		check("across a reconnection", from, max(to, zkconn.Now().Add(-tick/2)))
	})
}

func TestHeartbeatOfManyChecks(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 20*time.Second)
		s := open(t, zkconn.Config{Servers: e.Servers})
		pass(10 * time.Millisecond)
		mkdir(t, s, "/a", "/b")
		checks := make([]zkfs.Op, 2500)
		for i := range checks {
			checks[i] = zkfs.Op{Kind: zkfs.OpCheck, Path: "/a"}
		}
		pass(tick)
		was := s.Deadline()
		if err := s.Heartbeat(ctx, checks); err != nil || !s.Deadline().After(was) {
			t.Errorf("deadline moved by %v, %v", s.Deadline().Sub(was), err)
		}
		checks[2400] = zkfs.Op{Kind: zkfs.OpCheck, Path: "/b", Version: 3}
		var me *zkfs.MultiError
		if err := s.Heartbeat(ctx, checks); !errors.As(err, &me) || me.Index != 2400 || me.Op.Path != "/b" {
			t.Errorf("got %v", err)
		}
	})
}

// A holder that heartbeats until the network fails: its deadline passes before
// the server gives the node away, and not much before.
func TestDeadlinePassesBeforeTheServerGivesAway(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 30*time.Second)
		watcher := open(t, zkconn.Config{Servers: e.Servers})
		p, s := behind(t, e, zkconn.Config{SessionTimeout: 2 * time.Second})
		must(s.Create(ctx, "/held", nil, zkfs.Open(), zkfs.Ephemeral))(t)
		_, _, gone, err := watcher.GetW(ctx, "/held")
		if err != nil {
			t.Fatal(err)
		}
		every := s.Timeout() / 6
		var last zkconn.Instant
		for range 5 {
			pass(every)
			if err := s.Heartbeat(ctx, []zkfs.Op{{Kind: zkfs.OpCheck, Path: "/held"}}); err != nil {
				t.Fatal(err)
			}
			last = zkconn.Now()
		}
		p.mute(true)
		if least := s.Timeout() - every - tick - 100*time.Millisecond; s.Deadline().Sub(last) < least {
			t.Errorf("the deadline lies %v ahead after a heartbeat, want %v", s.Deadline().Sub(last), least)
		}
		next(t, gone)
		if left := s.Deadline().Until(); left > 0 {
			t.Errorf("the node was given away %v before the deadline", left)
		}
		p.mute(false)
	})
}

func TestInstant(t *testing.T) {
	a := zkconn.Now()
	pass(time.Millisecond)
	b := zkconn.Now()
	if !a.Before(b) || !b.After(a) || b.Sub(a) < time.Millisecond || a.Add(b.Sub(a)) != b {
		t.Errorf("%d, %d", a, b)
	}
	if !zkconn.Instant(0).IsZero() || a.IsZero() || !zkconn.Instant(0).Time().IsZero() || !zkconn.Instant(0).Before(a) {
		t.Error("the zero Instant is not before all others")
	}
	if d := time.Until(b.Add(time.Hour).Time()); d < 59*time.Minute || d > time.Hour {
		t.Errorf("in an hour is in %v", d)
	}
	if d := b.Add(time.Hour).Until(); d < 59*time.Minute || d > time.Hour {
		t.Errorf("until an hour from now: %v", d)
	}
}
