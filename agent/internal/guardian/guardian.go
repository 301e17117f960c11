package guardian

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/internal/proc"
)

// argument is the first argument of a process that is a guardian; the second is
// the agent's pid.
const argument = "guardian"

// pipe is the descriptor from which a guardian reads.
const pipe = 3

// again is how long the guardian waits between two rounds of killing.
const again = 5 * time.Millisecond

// Called reports whether this process was started by Start, by its arguments.
func Called(args []string) bool {
	if len(args) != 3 || args[1] != argument {
		return false
	}
	var st unix.Stat_t
	return unix.Fstat(pipe, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO
}

// Main is what a guardian does with its life. It returns an exit code.
func Main(args []string) int {
	agent, err := strconv.Atoi(args[2])
	if err != nil {
		return 1
	}
	// Whoever stops or interrupts the command or its agent does not mean us.
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2,
		unix.SIGALRM, unix.SIGPIPE, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU)
	_ = os.Chdir("/") // no file system is kept busy
	timer, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return 1
	}
	g := &watch{timer: timer, agent: agent}
	g.wait()
	for g.target().Kill() > 0 {
		time.Sleep(again)
	}
	return 0
}

// A watch is the state of a guardian.
type watch struct {
	timer   int
	agent   int
	group   int
	mark    string
	orphans bool   // the agent is gone: what is below it no longer shows
	rest    string // of the last read: the beginning of a line
}

// wait returns when the deadline is here or the agent is gone. An agent that
// needs no guardian any more kills it.
func (g *watch) wait() {
	fds := []unix.PollFd{{Fd: pipe, Events: unix.POLLIN}, {Fd: int32(g.timer), Events: unix.POLLIN}}
	buf := make([]byte, 4096)
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		// What the agent says goes first: it may have moved the deadline.
		if fds[0].Revents != 0 {
			n, err := unix.Read(pipe, buf)
			switch {
			case err == unix.EINTR || err == unix.EAGAIN:
			case err != nil || n == 0:
				g.orphans = true
				return
			default:
				g.hear(string(buf[:n]))
			}
			continue
		}
		if fds[1].Revents != 0 {
			// Set anew meanwhile, a timer is not ready any more.
			if _, err := unix.Read(g.timer, buf[:8]); err == nil {
				return
			}
		}
	}
}

// hear takes in what the agent says.
func (g *watch) hear(text string) {
	lines := strings.Split(g.rest+text, "\n")
	g.rest = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		word, value, _ := strings.Cut(line, " ")
		switch word {
		case "group":
			g.group, _ = strconv.Atoi(value)
		case "mark":
			g.mark, _ = strconv.Unquote(value)
		case "deadline":
			if ns, err := strconv.ParseInt(value, 10, 64); err == nil {
				g.set(ns)
			}
		}
	}
}

// set arms the timer for a point of CLOCK_BOOTTIME; 0 disarms it, and what has
// passed fires at once.
func (g *watch) set(ns int64) {
	spec := &unix.ItimerSpec{Value: unix.NsecToTimespec(ns)}
	_ = unix.TimerfdSettime(g.timer, unix.TFD_TIMER_ABSTIME, spec, nil)
}

// target is what to kill: the command's group, what it has marked and, while
// the agent lives, everything below it but this process.
func (g *watch) target() proc.Target {
	t := proc.Target{Group: g.group, Mark: g.mark}
	if !g.orphans {
		self := os.Getpid()
		t.Root = g.agent
		t.Skip = func(p proc.Process) bool { return p.PID == self }
	}
	return t
}
