package proc

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A Target says which processes belong to a command.
type Target struct {
	Group int // the command's process group; 0 means none
	// Root is a process below which everything belongs to the command, except
	// where Skip is true of it; 0 means none.
	Root int
	Skip func(Process) bool
	// Mark stands in the environment of what the command has started; empty
	// means none. It finds what no longer stands below Root.
	Mark string
}

// Find returns the living processes of the command, and whether the system
// could tell.
func (t Target) Find() ([]Process, bool) {
	table, err := Read()
	if err != nil {
		return nil, false
	}
	return t.FindIn(table), true
}

// FindIn is Find in a table that was read before.
func (t Target) FindIn(table Table) []Process {
	var found []Process
	if t.Group > 1 { // the kernel's own have 0
		found = table.InGroup(t.Group)
	}
	seen := make(map[int]bool, len(found))
	for _, p := range found {
		seen[p.PID] = true
	}
	add := func(p Process) {
		if !seen[p.PID] {
			seen[p.PID] = true
			found = append(found, p)
		}
	}
	if t.Root != 0 {
		for _, p := range table.Descendants(t.Root, t.Skip) {
			add(p)
		}
	}
	if t.Mark != "" {
		self := os.Getpid()
		for _, p := range table {
			if p.PID != self && p.Alive() && !seen[p.PID] && marked(p.PID, t.Mark) {
				add(p)
			}
		}
	}
	return found
}

func marked(pid int, mark string) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && bytes.Contains(environ, []byte(mark))
}

// Kill sends SIGKILL to the group at once and then to all others that Find
// finds, and returns how many there were. What is being forked meanwhile may
// escape: call it until it returns 0. Where the system does not tell who there
// is, it returns 0 and has killed the group alone.
func (t Target) Kill() int {
	if t.Group > 1 {
		_ = unix.Kill(-t.Group, unix.SIGKILL) // an empty group is as good
	}
	found, _ := t.Find()
	for _, p := range found {
		if p.Group != t.Group {
			_ = p.Signal(unix.SIGKILL) // one that may not be killed is found again
		}
	}
	return len(found)
}
