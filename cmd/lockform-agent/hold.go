package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs"
)

// hold takes a lock and tells of it until standard input closes.
func (a *app) hold() *cli.Command {
	s := &agent.Stream{Out: a.out}
	t := taking{options: &s.Options, notAcquired: &s.NotAcquired}
	var conn connection
	return &cli.Command{
		Name: "hold", Usage: "hold a lock and tell of it until standard input closes",
		ArgsUsage: "PATH",
		Description: `Takes the lock at PATH and prints a line of JSON for whatever happens to it:
queued, held, suspect, held again, lost, revoked. The lock is given up when
standard input closes; what works under it has to stop at "lost".

Exit codes: 0 given up; 120 the lock was lost; 124 not acquired in time or
refused; 125 the agent failed; 128 + signal.

Examples:
  lockform-agent hold /locks/billing/invoices
  coproc lockform-agent hold /locks/x; read -r event <&"${COPROC[0]}"    # in bash`,
		Flags: append(t.flags(), conn.flags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := t.check(cmd); err != nil {
				return err
			}
			path, err := a.onePath(cmd)
			if err != nil {
				return err
			}
			s.Path = path
			if s.Connect, err = conn.open(a, cmd); err != nil {
				return err
			}
			closed := make(chan struct{})
			go func() { // ends with the process: nothing else ends a read
				_, _ = io.Copy(io.Discard, os.Stdin)
				close(closed)
			}()
			s.Until = closed
			a.code, err = s.Run(ctx)
			a.ran = true
			return err
		},
	}
}

// onePath returns the argument of a command that takes one path.
func (a *app) onePath(cmd *cli.Command) (zkfs.Path, error) {
	switch {
	case a.separated:
		return "", cmdline.Usage(cmd, `unexpected argument "--"`)
	case cmd.Args().Len() == 0:
		return "", cmdline.Usage(cmd, "the PATH of a lock is missing")
	case cmd.Args().Len() > 1:
		return "", cmdline.Usage(cmd, "unexpected argument %q", cmd.Args().Get(1))
	}
	path, err := zkfs.ParsePath(cmd.Args().First())
	if err != nil {
		return "", cmdline.Usage(cmd, "%v", err)
	}
	return path, nil
}
