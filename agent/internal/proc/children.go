package proc

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Children starts the children of this process, waits for them and takes away
// the zombies that the process adopts.
//
// A process that adopts orphans has to reap those, and must not reap a child
// whose exit status another part of it wants. So there is at most one Children
// in a process while it runs, and whatever else starts processes meanwhile (the
// package os/exec) loses their exit status.
type Children struct {
	mu  sync.Mutex
	own map[int]*Child

	requests chan func() // for the goroutine that starts processes
	quit     chan struct{}
	ended    sync.WaitGroup
	adopts   bool // orphans, and where they can be found is known
}

// A Child is a process that Children started.
type Child struct {
	PID   int
	done  chan struct{}
	stops chan unix.Signal
	all   *Children
}

// chld receives SIGCHLD for whichever Children there is, and is never stopped: to
// wait for a signal to be let go takes longer than all else that a process does at
// its end, which is when most Children are closed.
var chld = sync.OnceValue(func() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGCHLD)
	return c
})

// Watch makes this process the one that orphans below it get as their parent,
// so that a descendant that leaves its process group and its session is still
// found, and returns its Children.
func Watch() *Children {
	c := &Children{
		own:      map[int]*Child{},
		requests: make(chan func()),
		quit:     make(chan struct{}),
	}
	c.adopts = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == nil && orphansGoToMain()
	chld()
	c.ended.Add(2)
	go c.watch()
	go c.startAll()
	return c
}

// Close ends the watch and the goroutines. Children that still live go on; their
// parent-death signals may come any time.
func (c *Children) Close() {
	close(c.quit)
	c.ended.Wait()
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
}

// startAll starts processes, all from one thread: a parent-death signal comes
// when the thread ends that started the child, and Go ends threads as it likes.
func (c *Children) startAll() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer c.ended.Done()
	for {
		select {
		case start := <-c.requests:
			start()
		case <-c.quit:
			return
		}
	}
}

// Start starts a process. The error is that of the system, with its errno.
// Before and after are called around the moment in which the child inherits
// what this process ignores; both may be nil.
func (c *Children) Start(name string, argv []string, attr *syscall.ProcAttr, before, after func()) (*Child, error) {
	var child *Child
	var err error
	started := make(chan struct{})
	c.requests <- func() {
		defer close(started)
		// The lock keeps reap away until the child is entered.
		c.mu.Lock()
		defer c.mu.Unlock()
		if before != nil {
			before()
		}
		var pid int
		pid, err = syscall.ForkExec(name, argv, attr)
		if after != nil {
			after()
		}
		if err != nil {
			return
		}
		child = &Child{PID: pid, done: make(chan struct{}), stops: make(chan unix.Signal, 1), all: c}
		c.own[pid] = child
	}
	<-started
	if err == nil {
		c.look() // its SIGCHLD may have come before it was entered
	}
	return child, err
}

func (c *Children) watch() {
	defer c.ended.Done()
	for {
		select {
		case <-chld():
			c.look()
		case <-c.quit:
			return
		}
	}
}

// look finds out which children have ended or stopped, and reaps what was
// adopted.
func (c *Children) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, child := range c.own {
		child.look()
	}
	for {
		pid, err := peek(unix.P_ALL, 0)
		if err != nil || pid == 0 || c.own[pid] != nil {
			return // with one of ours in front, Clean reaps what is behind it
		}
		if _, err := wait(pid); err != nil {
			return
		}
	}
}

func (p *Child) look() {
	select {
	case <-p.done:
		return
	default:
	}
	if pid, err := peek(unix.P_PID, p.PID); err != nil || pid != 0 {
		close(p.done)
		return
	}
	if sig, ok := stopped(p.PID); ok {
		select {
		case p.stops <- sig:
		default: // the last stop has not been looked at; one is enough
		}
	}
}

// Done is closed when the child is dead. Its zombie stays until Collect, and so
// do its pid and process group, which cannot be given to others meanwhile.
func (p *Child) Done() <-chan struct{} { return p.done }

// Stops receives the signal when one stops the child.
func (p *Child) Stops() <-chan unix.Signal { return p.stops }

// Collect waits for the child and returns how it ended. After it the pid may be
// anybody's.
func (p *Child) Collect() (syscall.WaitStatus, error) {
	<-p.done
	p.all.mu.Lock()
	defer p.all.mu.Unlock()
	delete(p.all.own, p.PID)
	status, err := wait(p.PID)
	if err != nil {
		return 0, fmt.Errorf("wait for process %d: %w", p.PID, err)
	}
	return syscall.WaitStatus(status), nil
}

// Clean takes away those zombies of the table that this process has adopted.
func (c *Children) Clean(t Table) {
	c.mu.Lock()
	defer c.mu.Unlock()
	self := os.Getpid()
	for _, p := range t {
		if p.Parent == self && p.State == 'Z' && c.own[p.PID] == nil {
			_, _ = wait(p.PID) // one that is gone already is as good
		}
	}
}

// Alone reports, at the cost of one read, whether this process has no other
// children than those it has started: whoever these left behind would be its
// child by now. It is false where the system does not tell.
//
// The kernel lists children by the thread whose they are, and an orphan becomes
// the main thread's: Linux takes the first that lives, and Go's main thread lives
// as long as the process. The other threads are not looked at. What was looked at
// below /proc/self/task is in the way when the process ends, and a parent that
// waits for it then spins for milliseconds.
func (c *Children) Alone() bool {
	if !c.adopts {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	main := strconv.Itoa(os.Getpid())
	list, err := readShort("/proc/self/task/" + main + "/children")
	if err != nil {
		return false
	}
	for _, field := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(field); err != nil || c.own[pid] == nil {
			return false
		}
	}
	return true
}

// orphansGoToMain reports whether the kernel gives orphans to the main thread of
// the process that adopts them. Before Linux 3.19 that was the thread that had
// started the first of their ancestors.
func orphansGoToMain() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return false
	}
	major, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), ".")
	n, err := strconv.Atoi(major)
	return err == nil && n >= 4
}

// readShort reads a file of /proc that is shorter than a page. Package os would
// prepare each for being waited for.
func readShort(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err == nil && n == len(buf) {
		err = unix.EFBIG
	}
	return buf[:max(n, 0)], err
}

// peek returns the pid of a dead child, 0 when there is none, and leaves it.
func peek(kind, id int) (int, error) {
	var info unix.Siginfo
	err := ignoringEINTR(func() error {
		return unix.Waitid(kind, id, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	})
	return int(childOf(&info).pid), err
}

// stopped returns the signal that stopped the child since the last call.
func stopped(pid int) (unix.Signal, bool) {
	var info unix.Siginfo
	err := ignoringEINTR(func() error {
		return unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	})
	return unix.Signal(childOf(&info).status), err == nil && childOf(&info).pid != 0
}

func wait(pid int) (status unix.WaitStatus, err error) {
	err = ignoringEINTR(func() error {
		_, err := unix.Wait4(pid, &status, unix.WNOHANG, nil)
		return err
	})
	return status, err
}

func ignoringEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// siginfoChild is the part of siginfo_t that speaks of a child, see
// sigaction(2).
type siginfoChild struct {
	pid    int32
	uid    uint32
	status int32
}

// childOf returns that part. It begins behind the three words that Siginfo
// names, aligned as a pointer is.
func childOf(info *unix.Siginfo) *siginfoChild {
	const word = unsafe.Sizeof(uintptr(0))
	const head = (unsafe.Offsetof(info.Code) + unsafe.Sizeof(info.Code) + word - 1) &^ (word - 1)
	return (*siginfoChild)(unsafe.Add(unsafe.Pointer(info), head))
}
