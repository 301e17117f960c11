package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A Process is what /proc/PID/stat tells.
type Process struct {
	PID, Parent, Group, Session int
	State                       byte   // as ps shows it; 'Z' and 'X' are dead
	Start                       uint64 // clock ticks since boot; with PID it names the process for good
}

// Alive reports whether the process can still run code.
func (p Process) Alive() bool { return p.State != 'Z' && p.State != 'X' }

// A Table is the processes of the machine at one moment, or nearly: one that
// forks while the table is read may be there without its child.
type Table []Process

// Read returns the table. The error says that /proc cannot be read.
func Read() (Table, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the processes: %w", err)
	}
	table := make(Table, 0, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		// A process that ends meanwhile is no longer of interest.
		if p, err := Look(pid); err == nil {
			table = append(table, p)
		}
	}
	if len(table) == 0 {
		return nil, errors.New("list the processes: /proc is not mounted")
	}
	return table, nil
}

// Look reads one process.
func Look(pid int) (Process, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Process{}, err
	}
	return parseStat(stat)
}

// parseStat reads the line of /proc/PID/stat, see proc(5). The second field is
// the command's name in parentheses, which may hold anything, parentheses and
// newlines included.
func parseStat(stat []byte) (Process, error) {
	bad := fmt.Errorf("/proc has a line that is no process: %q", stat)
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 1 || end < open {
		return Process{}, bad
	}
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 20 || len(fields[0]) != 1 {
		return Process{}, bad
	}
	p := Process{State: fields[0][0]}
	for _, f := range []struct {
		to   *int
		text string
	}{{&p.PID, strings.TrimSpace(string(stat[:open]))}, {&p.Parent, fields[1]}, {&p.Group, fields[2]}, {&p.Session, fields[3]}} {
		n, err := strconv.Atoi(f.text)
		if err != nil {
			return Process{}, bad
		}
		*f.to = n
	}
	var err error
	if p.Start, err = strconv.ParseUint(fields[19], 10, 64); err != nil {
		return Process{}, bad
	}
	return p, nil
}

// InGroup returns the living processes of a process group.
func (t Table) InGroup(group int) []Process {
	var found []Process
	for _, p := range t {
		if p.Group == group && p.Alive() {
			found = append(found, p)
		}
	}
	return found
}

// Descendants returns the living processes below root, without root itself.
// Where skip is true of a process, it and what is below it are left out; nil
// skips none.
func (t Table) Descendants(root int, skip func(Process) bool) []Process {
	children := make(map[int][]Process, len(t))
	for _, p := range t {
		children[p.Parent] = append(children[p.Parent], p)
	}
	var found []Process
	seen := map[int]bool{root: true}
	for todo := []int{root}; len(todo) > 0; todo = todo[1:] {
		for _, p := range children[todo[0]] {
			if seen[p.PID] || skip != nil && skip(p) {
				continue
			}
			seen[p.PID] = true
			todo = append(todo, p.PID)
			if p.Alive() {
				found = append(found, p)
			}
		}
	}
	return found
}

// Signal sends a signal to the process, and to no other that was given its pid
// since. A process that has ended is no error.
func (p Process) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err == nil {
		defer unix.Close(fd)
	}
	now, lookErr := Look(p.PID)
	if lookErr != nil || now.Start != p.Start {
		return nil
	}
	if err != nil { // a kernel without pidfds
		err = unix.Kill(p.PID, sig)
	} else {
		err = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", unix.SignalName(sig), p.PID, err)
	}
	return nil
}
