//go:build faults

package faults

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
)

// What must become of the first holder.
type outcome int

const (
	lost     outcome = iota // the session ends, and the next takes over in time
	survives                // so does the session, and with it the command
	either                  // as it happens, but not both at once
)

// takeover is how soon the next one holds when the holder is gone.
const takeover = session + tick + time.Second

// A fault is something that breaks while one agent holds and another waits.
type fault struct {
	name string
	want outcome
	// servers returns those that the holder and the waiter connect to; nil means
	// all for both.
	servers func(t *testing.T, f *fixture) (holder, waiter string)
	// strike breaks something and returns what mends it.
	strike func(t *testing.T, f *fixture) (mend func() error)
	lasts  time.Duration // until it is mended; 0: as soon as the next one holds
	// together is how long both commands may run at once where no lease can
	// prevent it. The register still tells them apart.
	together time.Duration
	code     int    // the first agent's exit code
	program  string // the agents' program; "" means lockform-agent
	recipe   layout.Recipe
}

var faults = []fault{
	{
		name: "FollowerIsolated", want: lost, code: 120,
		servers: func(t *testing.T, f *fixture) (string, string) {
			f.struck = f.follower(t)
			return f.struck.connect(), f.others(f.struck)
		},
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.struck.isolate())
			return f.struck.rejoin
		},
	},
	{
		name: "LeaderStopped", want: either, lasts: session + 4*time.Second,
		strike: func(t *testing.T, f *fixture) func() error {
			leader := f.leader(t)
			must(t, leader.signal(syscall.SIGSTOP))
			return func() error { return leader.signal(syscall.SIGCONT) }
		},
	},
	{
		name: "LeaderKilled", want: survives, lasts: 2 * session,
		strike: func(t *testing.T, f *fixture) func() error {
			leader := f.leader(t)
			must(t, leader.kill())
			return leader.start
		},
	},
	{
		name: "RollingRestart", want: survives, recipe: layout.Bridge,
		strike: func(t *testing.T, f *fixture) func() error {
			for _, s := range f.cluster.servers {
				must(t, s.kill())
				must(t, s.start())
				f.wait(t)
			}
			return nil
		},
	},
	{
		name: "HolderIsNotHeard", want: lost, recipe: layout.Bridge, code: 120,
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.clients[0].losePackets(f.serverNodes()...))
			return func() error { return f.clients[0].keepPackets(f.serverNodes()...) }
		},
	},
	{
		name: "HolderDoesNotHear", want: lost, code: 120,
		strike: func(t *testing.T, f *fixture) func() error {
			for _, s := range f.serverNodes() {
				must(t, s.losePackets(f.clients[0]))
			}
			return func() error {
				var errs []error
				for _, s := range f.serverNodes() {
					errs = append(errs, s.keepPackets(f.clients[0]))
				}
				return errors.Join(errs...)
			}
		},
	},
	{
		name: "MuteServer", want: lost, recipe: layout.Kazoo, code: 120,
		servers: func(t *testing.T, f *fixture) (string, string) {
			f.struck = f.follower(t)
			return f.struck.connect(), f.others(f.struck)
		},
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.struck.signal(syscall.SIGSTOP))
			return func() error { return f.struck.signal(syscall.SIGCONT) }
		},
	},
	{
		// The node goes at once, without the holder having a say.
		name: "SessionClosedByAnother", want: lost, together: time.Second, code: 120,
		servers: func(t *testing.T, f *fixture) (string, string) {
			tap, err := newTap(f.follower(t).connect())
			must(t, err)
			t.Cleanup(func() { tap.Close() })
			f.tap = tap
			return tap.Addr().String(), f.all()
		},
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.tap.closeSession())
			return nil
		},
	},
	{
		name: "AgentKilled", want: lost, code: -1,
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.first.cmd.Process.Kill())
			return nil
		},
	},
	{
		name: "AgentStopped", want: lost, recipe: layout.Kazoo, code: 120,
		strike: func(t *testing.T, f *fixture) func() error {
			must(t, f.first.cmd.Process.Signal(syscall.SIGSTOP))
			return func() error { return f.first.cmd.Process.Signal(syscall.SIGCONT) }
		},
	},
	{
		// Both agents' clocks move by themselves.
		name: "WallClockMoved", want: survives, program: movedAgent, lasts: movedFor,
		strike: func(*testing.T, *fixture) func() error { return nil },
	},
	{
		// As in a pause of the machine nothing is left that could kill the
		// command: it runs on, and the register alone keeps it out.
		name: "AgentAndGuardianStopped", want: lost, together: time.Hour, code: 120,
		strike: func(t *testing.T, f *fixture) func() error {
			pids := append(processes("guardian\x00"+strconv.Itoa(f.first.cmd.Process.Pid)+"\x00"), f.first.cmd.Process.Pid)
			if len(pids) != 2 {
				t.Fatalf("%d processes to stop", len(pids))
			}
			signal := func(sig syscall.Signal) error {
				var errs []error
				for _, pid := range pids {
					errs = append(errs, syscall.Kill(pid, sig))
				}
				return errors.Join(errs...)
			}
			must(t, signal(syscall.SIGSTOP))
			return func() error { return signal(syscall.SIGCONT) }
		},
	},
}

// A fixture is a cluster with a lock, one who holds it and one who waits.
type fixture struct {
	*cluster
	path          zkfs.Path
	first, second *agent
	struck        *server
	tap           *tap
}

func TestFaults(t *testing.T) {
	c := start(t)
	for _, x := range faults {
		t.Run(x.name, func(t *testing.T) {
			c.wait(t)
			c.runs++ // of -count
			f := &fixture{cluster: c, path: zkfs.Path(fmt.Sprintf("/locks/%s-%d", x.name, c.runs))}
			f.declare(t, x)
			holder, waiter := f.all(), f.all()
			if x.servers != nil {
				holder, waiter = x.servers(t, f)
			}
			least := 1000
			if testing.Short() {
				least = 200
			}
			f.first = f.run(t, x, "first", f.clients[0], holder)
			eventually(t, 30*time.Second, "the first holds and works", func() bool { return f.first.log(t).returned() > least/4 })
			f.second = f.run(t, x, "second", f.clients[1], waiter)
			eventually(t, 30*time.Second, "the second waits", func() bool { return f.queued(t, waiter) == 2 })

			struck := zkconn.Now()
			mend := x.strike(t, f)
			mended := sync.OnceFunc(func() {
				if mend != nil {
					must(t, mend())
				}
			})
			defer mended()
			switch x.want {
			case lost:
				f.lost(t, x, struck, mended)
			case survives:
				f.survives(t, x, struck, mended)
			default:
				f.either(t, x, mended)
			}
			one := f.first.log(t)
			eventually(t, time.Minute, "enough operations", func() bool {
				return one.returned()+f.second.log(t).returned() >= least && f.second.log(t).returned() > least/4
			})
			f.second.stop(t)
			if code := f.second.code(t); code != 0 {
				t.Errorf("the second agent ended with %d:\n%s", code, f.second.said)
			}
			two := f.second.log(t)
			if overlap := one.last() - two.first(); overlap > x.together {
				t.Errorf("both commands ran at once for %s", overlap)
			}
			t.Logf("%s between the fault and the last sign of the first command, %s until the first sign of the second",
				one.last()-time.Duration(struck), two.first()-time.Duration(struck))
			if one.token() >= two.token() {
				t.Errorf("the tokens are %d and %d", one.token(), two.token())
			}
			checkRegister(t, least, one, two)
			c.wait(t)
			f.nothingLeft(t)
		})
	}
}

// lost checks that the second takes over in time, and that the first agent says
// so in the end.
func (f *fixture) lost(t *testing.T, x fault, struck zkconn.Instant, mend func()) {
	t.Helper()
	eventually(t, 3*session, "the second holds", func() bool { return f.second.log(t).started() })
	if took := f.second.log(t).first() - time.Duration(struck); took > takeover {
		t.Errorf("the takeover took %s, want %s at most", took, takeover)
	}
	if x.together > session {
		sleep(t, time.Second) // for what a late holder sends
	}
	mend()
	if code := f.first.code(t); code != x.code {
		t.Errorf("the first agent ended with %d, want %d:\n%s", code, x.code, f.first.said)
	}
}

// survives checks that the first command runs on through the fault and after.
func (f *fixture) survives(t *testing.T, x fault, struck zkconn.Instant, mend func()) {
	t.Helper()
	sleep(t, x.lasts)
	mend()
	f.cluster.wait(t)
	sleep(t, session)
	select {
	case <-f.first.exited:
		t.Fatalf("the first agent ended with %d after %s:\n%s", f.first.code(t), f.first.log(t).last()-time.Duration(struck), f.first.said)
	default:
	}
	if f.second.log(t).started() {
		t.Error("the second command runs, while the first agent does too")
	}
	f.first.stop(t)
	if code := f.first.code(t); code != 0 {
		t.Errorf("the first agent ended with %d:\n%s", code, f.first.said)
	}
	eventually(t, session, "the second holds", func() bool { return f.second.log(t).started() })
}

// either checks that the first command survives, or that the first agent says
// that the lock was lost; then the second takes over in time when the servers can
// do anything again.
func (f *fixture) either(t *testing.T, x fault, mend func()) {
	t.Helper()
	sleep(t, x.lasts)
	mend()
	mended := zkconn.Now()
	f.cluster.wait(t)
	f.first.stop(t)
	switch code := f.first.code(t); code {
	case 0:
		eventually(t, session, "the second holds", func() bool { return f.second.log(t).started() })
	case 120:
		eventually(t, 3*session, "the second holds", func() bool { return f.second.log(t).started() })
		if took := f.second.log(t).first() - time.Duration(mended); took > takeover {
			t.Errorf("the takeover took %s, want %s at most", took, takeover)
		}
	default:
		t.Errorf("the first agent ended with %d:\n%s", code, f.first.said)
	}
}

// sleep lets a fault last.
func sleep(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// declare makes the lock, as an apply would.
func (f *fixture) declare(t *testing.T, x fault) {
	t.Helper()
	p := layout.DefaultPolicy()
	p.SessionTimeout, p.TickTime, p.KillTimeout = session, tick, time.Second
	p.Recipe = cmp.Or(x.recipe, p.Recipe)
	data, err := layout.Record{Layout: "faults", Address: "lock.fault", Kind: layout.KindLock, Policy: &p}.Encode()
	must(t, err)
	f.observe(t, f.all(), func(ctx context.Context, s *zkconn.Session) error {
		if _, err := s.Create(ctx, "/locks", nil, zkfs.Open(), zkfs.Persistent); err != nil && !errors.Is(err, zkfs.ErrNodeExists) {
			return err
		}
		_, err := s.Create(ctx, f.path, data, zkfs.Open(), zkfs.Persistent)
		return err
	})
}

// queued returns how many contenders the lock has.
func (f *fixture) queued(t *testing.T, servers string) (n int) {
	t.Helper()
	f.observe(t, servers, func(ctx context.Context, s *zkconn.Session) error {
		all, err := lock.ReadQueues(ctx, s, []zkfs.Path{f.path}, nil)
		if err == nil {
			n = len(all[0].Contenders)
		}
		return err
	})
	return n
}

// nothingLeft checks that there is no contender and no process any more.
func (f *fixture) nothingLeft(t *testing.T) {
	t.Helper()
	eventually(t, 2*session, "an empty queue", func() bool { return f.queued(t, f.all()) == 0 })
	eventually(t, session, "no process of an agent", func() bool {
		return len(processes("lockform-agent")) == 0 && len(processes(self+"\x00job\x00")) == 0
	})
}

// processes returns the pids of the living processes whose arguments contain
// the text. There are no others here than those of this test.
func processes(text string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range files {
		line, err := os.ReadFile(name) // empty of a zombie
		if err == nil && strings.Contains(string(line), text) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// An agent is a lockform-agent exec with a job under it.
type agent struct {
	cmd      *exec.Cmd
	said     *bytes.Buffer // to be read after its end
	exited   chan struct{}
	logName  string
	stopName string
}

func (f *fixture) run(t *testing.T, x fault, name string, on *node, servers string) *agent {
	t.Helper()
	base := filepath.Join(f.dir, f.path.Base()+"-"+name)
	a := &agent{said: new(bytes.Buffer), exited: make(chan struct{}), logName: base + ".log", stopName: base + ".stop"}
	a.cmd = on.command(tool(cmp.Or(x.program, "lockform-agent")), "exec", "-servers="+servers, "-verbose", f.path.String(), "--",
		self, "job", "http://"+storeAddress+"/"+f.path.Base(), a.logName, a.stopName)
	a.cmd.Stdout, a.cmd.Stderr = a.said, a.said
	// What of its descendants keeps the pipe open is not waited for.
	a.cmd.WaitDelay = time.Second
	must(t, a.cmd.Start())
	go func() {
		defer close(a.exited)
		_ = a.cmd.Wait() // its code is asked for
	}()
	t.Cleanup(func() {
		_ = a.cmd.Process.Signal(syscall.SIGCONT)
		_ = a.cmd.Process.Kill()
		<-a.exited
	})
	return a
}

func (a *agent) log(t *testing.T) log { return readLog(t, a.logName) }

// stop tells the job to end.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	must(t, os.WriteFile(a.stopName, nil, 0o600))
}

// code waits for the agent's end and returns its exit code, -1 when a signal
// has ended it.
func (a *agent) code(t *testing.T) int {
	t.Helper()
	select {
	case <-a.exited:
		return a.cmd.ProcessState.ExitCode()
	case <-time.After(30 * time.Second):
		t.Fatal("an agent does not end")
		return 0
	}
}
