package main

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/agent"
)

// lines hands on what a command writes, line by line, until it ends.
func (d *desk) lines(cmd *exec.Cmd) <-chan string {
	d.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	said := make(chan string, 100)
	go func() {
		defer close(said)
		for s := bufio.NewScanner(out); s.Scan(); {
			said <- s.Text()
		}
	}()
	return said
}

func (d *desk) next(said <-chan string) string {
	d.Helper()
	select {
	case line, ok := <-said:
		if !ok {
			d.Fatal("it has ended")
		}
		return line
	case <-time.After(patience):
		d.Fatal("it says nothing")
	}
	return ""
}

// An agent whose heartbeats are not answered says that its hold is suspect, and
// that it is held when they are answered again; the command runs on.
func TestASuspectHoldIsToldOf(t *testing.T) {
	t.Run("hold", func(t *testing.T) {
		atDesk(t, func(d *desk, first *exec.Cmd) {
			writeFile(d.T, d.dir, "go", "")
			d.exits(first, 9)
			cmd := agentCommand(d.e.Servers, "hold", "/locks/a")
			in, err := cmd.StdinPipe()
			if err != nil {
				d.Fatal(err)
			}
			said := d.lines(cmd)
			if err := cmd.Start(); err != nil {
				d.Fatal(err)
			}
			d.Cleanup(func() { _ = cmd.Process.Kill() })
			event := func(want string) (e agent.Event) {
				d.Helper()
				if err := json.Unmarshal([]byte(d.next(said)), &e); err != nil || e.Event != want {
					d.Fatalf("got %+v, %v, want %s", e, err, want)
				}
				return e
			}
			held := event(agent.EventHeld)
			thaw := d.e.Dev.Freeze(d.sessions()[0])
			event(agent.EventSuspect)
			thaw()
			if again := event(agent.EventHeld); again.Token != held.Token || again.RemainingMS <= 0 {
				d.Errorf("got %+v after %+v", again, held)
			}
			in.Close()
			d.exits(cmd, 0)
		})
	})
	t.Run("exec", func(t *testing.T) {
		atDesk(t, func(d *desk, first *exec.Cmd) {
			cmd := agentCommand(d.e.Servers, "exec", "-verbose", "/locks/a", "--", "sh", "-c", "while [ ! -e end ]; do sleep 0.02; done; exit 4")
			cmd.Dir = d.dir
			said := d.lines(cmd)
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				d.Fatal(err)
			}
			d.Cleanup(func() { _ = cmd.Process.Kill() })
			says := func(want string) {
				d.Helper()
				if line := d.next(said); !strings.Contains(line, want) {
					d.Fatalf("it said %q, not %q", line, want)
				}
			}
			says("waiting for /locks/a behind first")
			writeFile(d.T, d.dir, "go", "")
			d.exits(first, 9)
			says("holding /locks/a")
			thaw := d.e.Dev.Freeze(d.sessions()[0])
			says("the lock is suspect")
			thaw()
			says("the lock is held")
			writeFile(d.T, d.dir, "end", "")
			d.exits(cmd, 4)
		})
	})
}
