package guardian

import (
	"os"
	"time"

	"github.com/lockform/lockform/agent/internal/guardian/vigil"
	"github.com/lockform/lockform/agent/internal/proc"
)

// again is how long the guardian waits between two rounds of killing.
const again = 5 * time.Millisecond

// Called reports whether this process was started by Start.
func Called() bool { return vigil.Ended != nil }

// Main is what a guardian does when its vigil has ended. It returns an exit code.
func Main() int {
	if vigil.Ended.Err != nil {
		return 1
	}
	for target(vigil.Ended).Kill() > 0 {
		time.Sleep(again)
	}
	return 0
}

// target is what to kill: the command's group, what it has marked and, while
// the agent lives, everything below it but this process.
func target(e *vigil.End) proc.Target {
	t := proc.Target{Group: e.Group, Mark: e.Mark}
	if !e.Orphans {
		self := os.Getpid()
		t.Root = e.Agent
		t.Skip = func(p proc.Process) bool { return p.PID == self }
	}
	return t
}
