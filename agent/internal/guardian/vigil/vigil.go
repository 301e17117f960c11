// Package vigil is the part of a guardian's life in which it waits, which is
// all of it when all goes well.
//
// A guardian is the agent's program once more, and each exec starts one. So the
// wait is over before the program begins: it happens when this package is
// initialised, which imports so little that this is among the first things that
// the program does. What a guardian that is dismissed does not need, it does not
// pay for.
package vigil

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"unsafe"
)

// Argument is the first argument of a process that is a guardian; the second is
// the agent's pid.
const Argument = "guardian"

// pipe is the descriptor from which a guardian reads.
const pipe = 3

// Ended is how the vigil ended; nil in a process that is no guardian.
var Ended *End

// An End says that the command has to be killed: its deadline is here, or the
// agent is gone.
type End struct {
	Agent   int    // its pid
	Group   int    // the command's process group; 0 for none
	Mark    string // what stands in the environment of what it has started; "" for nothing
	Orphans bool   // the agent is gone: what is below it no longer shows
	Err     error  // the vigil could not be kept
}

func init() {
	if called(os.Args) {
		Ended = keep()
	}
}

// called reports whether the arguments are a guardian's, and the pipe is there.
func called(args []string) bool {
	if len(args) != 3 || args[1] != Argument {
		return false
	}
	var st syscall.Stat_t
	return syscall.Fstat(pipe, &st) == nil && st.Mode&syscall.S_IFMT == syscall.S_IFIFO
}

// keep returns when the deadline is here or the agent is gone. An agent that
// needs no guardian any more kills it.
func keep() *End {
	e := &End{}
	if e.Agent, e.Err = strconv.Atoi(os.Args[2]); e.Err != nil {
		return e
	}
	// Whoever stops or interrupts the command or its agent does not mean us.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGALRM, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	_ = os.Chdir("/") // no file system is kept busy
	timer, err := newTimer()
	if err != nil {
		e.Err = err
		return e
	}
	w := watch{End: e, timer: timer}
	w.wait()
	if e.Group > 1 {
		// At once; the rest of the program looks who else there is.
		_ = syscall.Kill(-e.Group, syscall.SIGKILL)
	}
	return e
}

// A watch is the state of a vigil.
type watch struct {
	*End
	timer int
	rest  []byte // of the last read: the beginning of a line
}

func (w *watch) wait() {
	fds := [2]pollFd{{fd: pipe, events: pollIn}, {fd: int32(w.timer), events: pollIn}}
	buf := make([]byte, 4096)
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), uintptr(len(fds)), 0, 0, 0, 0)
		if errno != 0 && errno != syscall.EINTR {
			return
		}
		// What the agent says goes first: it may have moved the deadline.
		if errno == 0 && fds[0].revents != 0 {
			n, err := syscall.Read(pipe, buf)
			switch {
			case err == syscall.EINTR || err == syscall.EAGAIN:
			case err != nil || n == 0:
				w.Orphans = true
				return
			default:
				w.hear(buf[:n])
			}
			continue
		}
		if errno == 0 && fds[1].revents != 0 {
			// Set anew meanwhile, a timer is not ready any more.
			if _, err := syscall.Read(w.timer, buf[:8]); err == nil {
				return
			}
		}
	}
}

// hear takes in what the agent says: lines of a word and a value.
func (w *watch) hear(text []byte) {
	w.rest = append(w.rest, text...)
	for {
		end := index(w.rest, '\n')
		if end < 0 {
			return
		}
		line := w.rest[:end]
		w.rest = w.rest[end+1:]
		space := index(line, ' ')
		if space < 0 {
			continue
		}
		value := string(line[space+1:])
		switch string(line[:space]) {
		case "group":
			w.Group, _ = strconv.Atoi(value)
		case "mark":
			w.Mark, _ = strconv.Unquote(value)
		case "deadline":
			if ns, err := strconv.ParseInt(value, 10, 64); err == nil {
				setTimer(w.timer, ns)
			}
		}
	}
}

func index(text []byte, c byte) int {
	for i, b := range text {
		if b == c {
			return i
		}
	}
	return -1
}
