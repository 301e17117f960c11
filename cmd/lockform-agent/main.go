// The agent waits for most of its life: how much of a container's time it may
// compute need not be found out, again and again.
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command lockform-agent runs commands under declared locks, as
// "lockform-agent help" says.
package main

import (
	"context"
	"io"
	"os"
	"slices"

	"github.com/lockform/lockform/agent"
)

func main() {
	if agent.IsGuardian() {
		os.Exit(agent.Guardian())
	}
	grow()
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// grow makes this goroutine's stack as large as a run needs it. It begins small
// and doubles when it is full, and every time all that stands on it is moved; that
// is least at the beginning.
//
//go:noinline
func grow() byte {
	var room [20 << 10]byte
	return room[len(os.Args)]
}

// run is main without its process: it returns the exit code. What follows the
// first "--" is a command to be executed, which no parser of flags may touch.
func run(args []string, out, err io.Writer) int {
	a := &app{out: out, err: err}
	if i := slices.Index(args, "--"); i >= 0 {
		args, a.command = args[:i], args[i+1:]
		a.separated = true
	}
	return a.report(a.root().Run(context.Background(), args))
}
