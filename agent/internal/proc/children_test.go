package proc

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// An orphan is found where Alone looks, whichever thread has started its parent.
func TestAnOrphanIsNoticed(t *testing.T) {
	c := Watch()
	defer c.Close()
	for range 20 {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		// The pipe is open for as long as the orphan lives.
		child, err := c.Start("/bin/sh", []string{"sh", "-c", "sleep 1000 & echo $!"},
			&syscall.ProcAttr{Files: []uintptr{0, w.Fd(), 2}}, nil, nil)
		w.Close()
		if err != nil {
			t.Fatal(err)
		}
		out := bufio.NewReader(r)
		line, err := out.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		orphan, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		<-child.Done()
		if c.Alone() {
			t.Error("the orphan is not noticed")
		}
		if err := unix.Kill(orphan, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if line, err := out.ReadString('\n'); err == nil {
			t.Errorf("%q came from the orphan", line)
		}
		table, err := Read()
		if err != nil {
			t.Fatal(err)
		}
		c.Clean(table)
		if _, err := child.Collect(); err != nil {
			t.Error(err)
		}
	}
	if !c.adopts {
		t.Error("whether there are orphans is not known here")
	}
}

// One's own children are no orphans, dead or alive.
func TestOwnChildrenAreNoOrphans(t *testing.T) {
	c := Watch()
	defer c.Close()
	files := &syscall.ProcAttr{Files: []uintptr{0, 1, 2}}
	dead, err := c.Start("/bin/sh", []string{"sh", "-c", "exit 3"}, files, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := c.Start("/bin/sh", []string{"sh", "-c", "exec sleep 1000"}, files, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	<-dead.Done()
	if !c.Alone() {
		t.Error("a child of its own was taken for an orphan")
	}
	if status, err := dead.Collect(); err != nil || status.ExitStatus() != 3 {
		t.Errorf("got %v, %v", status, err)
	}
	if err := unix.Kill(alive.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := alive.Collect(); err != nil {
		t.Error(err)
	}
}
