package agent

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A typist is somebody at a terminal, with a shell that has job control.
type typist struct {
	t      *testing.T
	master *os.File
	shell  *exec.Cmd
	mu     sync.Mutex
	seen   string
}

// sitDown opens a terminal with an interactive shell, in which "fake" runs an
// Exec on a fake lock.
func sitDown(t *testing.T) *typist {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Without Fd, which would make reads that Close cannot end.
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	var ioctl error
	if err := raw.Control(func(fd uintptr) {
		if n, ioctl = unix.IoctlGetInt(int(fd), unix.TIOCGPTN); ioctl == nil {
			ioctl = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		}
	}); err != nil || ioctl != nil {
		t.Fatal(err, ioctl)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &typist{t: t, master: master, shell: exec.Command("/bin/bash", "--norc", "--noprofile", "-i")}
	p.shell.Env = append(os.Environ(), "PS1=ready> ", "HISTFILE=", "TERM=dumb")
	p.shell.Stdin, p.shell.Stdout, p.shell.Stderr = slave, slave, slave
	p.shell.Dir = t.TempDir()
	p.shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.shell.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			p.mu.Lock()
			p.seen += string(buf[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = p.shell.Process.Kill()
		_ = p.shell.Wait()
		master.Close()
		reading.Wait()
	})
	p.types(fmt.Sprintf("fake() { %s=' ' %s \"$@\"; }\n", scenario, self))
	return p
}

func (p *typist) types(keys string) {
	p.t.Helper()
	if _, err := p.master.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits until the text stands on the screen, behind what was seen last.
func (p *typist) sees(text string) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		i := strings.Index(p.seen, text)
		if i >= 0 {
			p.seen = p.seen[i+len(text):]
		}
		seen := p.seen
		p.mu.Unlock()
		if i >= 0 {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("the screen shows %q, not %q", seen, text)
		}
	}
}

func TestACommandReadsFromTheTerminal(t *testing.T) {
	p := sitDown(t)
	p.types("fake sh -c 'read line; echo [$line]'\n")
	p.types("some words\n")
	p.sees("[some words]")
	p.types("echo code=$?\n")
	p.sees("code=0")
}

func TestControlCReachesTheCommand(t *testing.T) {
	p := sitDown(t)
	p.types("fake sh -c 'trap \"echo got; exit 5\" INT; echo run\"\"ning; while :; do sleep 0.02; done'\n")
	p.sees("running")
	p.types("\x03")
	p.sees("got")
	p.types("echo code=$?\n")
	p.sees("code=5")
}

// Control-Z gives the terminal back to the shell, and fg goes on.
func TestControlZStopsTheJob(t *testing.T) {
	p := sitDown(t)
	p.types("fake sh -c 'echo run\"\"ning; read line; echo [$line]; exit 7'\n")
	p.sees("running")
	p.types("\x1a")
	p.sees("Stopped")
	p.types("echo at the shell: $((6*7))\n")
	p.sees("at the shell: 42")
	p.types("fg\n")
	p.types("resumed\n")
	p.sees("[resumed]")
	p.types("echo code=$?\n")
	p.sees("code=7")
}

// In a pipeline the terminal belongs to the pager at the end, until the command
// reads from it.
func TestAPipelineSharesTheTerminal(t *testing.T) {
	p := sitDown(t)
	p.types("fake sh -c 'echo from the command; read line; echo [$line]' | (read l </dev/tty; echo pager got $l; cat)\n")
	p.types("first\n")
	p.sees("pager got first")
	p.sees("from the command")
	p.types("second\n")
	p.sees("[second]")
	p.types("echo code=$?\n")
	p.sees("code=0")
}

// What runs in the background does not take the terminal.
func TestABackgroundJobLeavesTheTerminal(t *testing.T) {
	p := sitDown(t)
	p.types("fake sh -c 'echo $$ >pid; while [ ! -e go ]; do sleep 0.02; done; exit 9' & \n")
	p.types("echo still $((40+2))\n")
	p.sees("still 42")
	p.types("touch go; wait $!; echo code=$?\n")
	p.sees("code=9")
	if _, err := os.Stat(filepath.Join(p.shell.Dir, "pid")); err != nil {
		t.Error(err)
	}
}
