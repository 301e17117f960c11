// Command lockform is the provisioner: it declares distributed locks on
// ZooKeeper in HCL and makes the live tree match, as "lockform help" says.
package main

import (
	"context"
	"os"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
)

func main() { os.Exit(run(os.Args, term.Standard())) }

// run is main without its process: it returns the exit code.
func run(args []string, streams *term.Streams) int {
	a := &app{Streams: streams, completing: cmdline.IsCompletion(args)}
	var stop func()
	a.soft, a.hard, stop = interrupts(context.Background())
	defer stop()
	return a.report(a.root().Run(a.soft, args))
}
