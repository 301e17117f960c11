package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// Complaints about other lock runners, each with the test that shows that it is
// none about this one. Those that are not in this file stand above the tests of
// what they are about; look for the name of the project and the number.

// A desk is an embedded server with a lock /locks/a, an agent whose command
// waits for the file "go", and a directory for both.
type desk struct {
	*testing.T
	e       *zktest.Env
	s       *zkconn.Session
	dir     string
	session int64 // of the first agent
}

// atDesk starts the first agent and waits until its command runs.
func atDesk(t *testing.T, f func(d *desk, first *exec.Cmd)) {
	t.Parallel()
	d := &desk{T: t, e: zktest.New(t, zktest.Embedded), dir: t.TempDir()}
	var err error
	if d.s, err = connect(d.e.Servers); err != nil {
		t.Fatal(err)
	}
	defer d.s.Close(t.Context())
	p := testPolicy()
	p.SessionTimeout, p.KillTimeout = 4*time.Second, 300*time.Millisecond
	if err := declareLock(d.s, "/locks/a", p); err != nil {
		t.Fatal(err)
	}
	first := d.start("exec", "-owner=first", "/locks/a", "--", "sh", "-c", "echo >running; while [ ! -e go ]; do sleep 0.02; done; exit 9")
	d.waitFile("running")
	d.session = d.sessions()[0]
	f(d, first)
}

// start starts an agent in the desk's directory.
func (d *desk) start(args ...string) *exec.Cmd {
	d.Helper()
	cmd := agentCommand(d.e.Servers, args...)
	cmd.Dir, cmd.Stderr = d.dir, os.Stderr
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { _ = cmd.Process.Kill() })
	return cmd
}

func (d *desk) exits(cmd *exec.Cmd, want int) {
	d.Helper()
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	_ = cmd.Wait() // its code is looked at
	if got := cmd.ProcessState.ExitCode(); got != want {
		d.Errorf("exit code %d, not %d", got, want)
	}
}

func (d *desk) there(name string) bool {
	_, err := os.Stat(filepath.Join(d.dir, name))
	return err == nil
}

func (d *desk) waitFile(name string) {
	d.Helper()
	if err := eventually(func() error {
		if !d.there(name) {
			return fmt.Errorf("there is no file %s", name)
		}
		return nil
	}); err != nil {
		d.Fatal(err)
	}
}

// sessions returns those of the contenders, in no order.
func (d *desk) sessions() (all []int64) {
	d.Helper()
	names, _, err := d.s.Children(d.Context(), "/locks/a")
	if err != nil {
		d.Fatal(err)
	}
	for _, name := range names {
		stat, there, err := d.s.Exists(d.Context(), zkfs.Path("/locks/a").Join(name))
		if err != nil {
			d.Fatal(err)
		}
		if there {
			all = append(all, stat.EphemeralOwner)
		}
	}
	return all
}

// other waits for a contender of another session than those, and returns its.
func (d *desk) other(than ...int64) (session int64) {
	d.Helper()
	if err := eventually(func() error {
	next:
		for _, session = range d.sessions() {
			for _, not := range than {
				if session == not {
					continue next
				}
			}
			return nil
		}
		return errors.New("nobody else is in the queue")
	}); err != nil {
		d.Fatal(err)
	}
	return session
}

// outage lets the servers be away, for sessions that have a connection.
func (d *desk) outage(lasts time.Duration, sessions ...int64) {
	d.e.Dev.RefuseConnections(true)
	for _, s := range sessions {
		d.e.Dev.CloseConnection(s)
	}
	<-time.After(lasts)
	d.e.Dev.RefuseConnections(false)
}

// consul #1162, #5437: the lock is lost when a leader is elected, though the
// session lives.
func TestConsul1162TheCommandSurvivesAnElection(t *testing.T) {
	atDesk(t, func(d *desk, first *exec.Cmd) {
		second := d.start("exec", "/locks/a", "--", "sh", "-c", "echo >second")
		d.outage(time.Second, d.session, d.other(d.session))
		if d.there("second") {
			d.Error("the second command runs beside the first")
		}
		writeFile(d.T, d.dir, "go", "")
		d.exits(first, 9)
		d.exits(second, 0)
	})
}

// etcd #19597: a waiter whose session is over hangs. It queues anew, and gets the
// lock.
func TestEtcd19597AWaiterWhoseSessionIsOver(t *testing.T) {
	atDesk(t, func(d *desk, first *exec.Cmd) {
		second := d.start("exec", "/locks/a", "--", "sh", "-c", "exit 3")
		waiting := d.other(d.session)
		d.e.Dev.ExpireSession(waiting)
		d.other(d.session, waiting)
		writeFile(d.T, d.dir, "go", "")
		d.exits(first, 9)
		d.exits(second, 3)
	})
}

// kubernetes-retired/contrib #2930: who has lost the lead is still reported as
// leading.
func TestContrib2930TheFormerHolderIsNotReported(t *testing.T) {
	atDesk(t, func(d *desk, first *exec.Cmd) {
		d.e.Dev.ExpireSession(d.session)
		out, err := agentCommand(d.e.Servers, "status", "/locks/a").Output()
		if err != nil || !strings.Contains(string(out), "held by nobody") || strings.Contains(string(out), "first") {
			d.Errorf("got %s, %v", out, err)
		}
		d.exits(first, 120)
	})
}

// kazoo #732: an attempt that is cut off leaves its contender in the live
// session.
func TestKazoo732NothingIsLeftOfATryThatIsCutOff(t *testing.T) {
	atDesk(t, func(d *desk, first *exec.Cmd) {
		second := d.start("exec", "-wait=1500ms", "/locks/a", "--", "true")
		d.outage(300*time.Millisecond, d.other(d.session))
		d.exits(second, 124)
		if left := d.sessions(); len(left) != 1 || left[0] != d.session {
			d.Errorf("contenders of the sessions %x are left, not of %x alone", left, d.session)
		}
		writeFile(d.T, d.dir, "go", "")
		d.exits(first, 9)
	})
}
