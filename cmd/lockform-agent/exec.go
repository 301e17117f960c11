package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// exec runs a command while holding locks.
func (a *app) exec() *cli.Command {
	e := &agent.Exec{Stderr: a.err}
	t := taking{options: &e.Options, notAcquired: &e.NotAcquired}
	var conn connection
	return &cli.Command{
		Name: "exec", Usage: "run a command while holding a lock",
		ArgsUsage: "PATH [PATH…] -- COMMAND [ARG…]",
		Description: `Runs COMMAND while holding the lock at PATH; of several paths all or none. The
arguments, the environment and the standard streams reach it as they are.

Exit codes: the command's own, or 128 + signal; 120 the lock was lost; 124 not
acquired in time or refused; 125 the agent failed; 126 the command cannot be
executed; 127 it was not found.

Examples:
  lockform-agent exec /locks/billing/invoices -- ./make-invoices --month 2026-11
  lockform-agent exec -wait=0 -E 0 /locks/report -- ./report      # on ten hosts, runs on one
  lockform-agent exec -read /locks/ledger -- ./export
  lockform-agent exec -shell /locks/report -- './report | mail -s report ops'
  lockform-agent exec -restart=always /leaders/scheduler -- ./scheduler`,
		Flags: slices.Concat(t.flags(), []cli.Flag{
			cmdline.Bool("shell", "COMMAND is a line for /bin/sh, the ARGs are its $1 and so on", &e.Shell),
			cmdline.Bool("verbose", "say when the lock is waited for, and for whom", &e.Verbose),
			oneOf("restart", "take the lock and run the command again", &e.Restart, agent.RestartNever, agent.RestartOnLost, agent.RestartAlways),
			cmdline.Func("on-lost", "terminate|kill|signal:NAME|ignore", "what happens to the command when the lock is lost; stricter than the policy only", func(s string) error {
				o, err := parseOnLost(s)
				e.OnLost = o
				return err
			}),
			positive("kill-timeout", "at most, from the first signal to SIGKILL; stricter than the policy only", &e.Options.KillTimeout),
			positive("max-hold", "end the command when it runs longer; stricter than the policy only", &e.Options.MaxHold),
			oneOf("heartbeat", "what proves that the session is alive; stricter than the policy only", &e.Options.Heartbeat,
				layout.HeartbeatWrite, layout.HeartbeatSync, layout.HeartbeatPing),
			cmdline.String("on-acquired", "CMD", "line of shell to run beside the command when it starts", &e.Hooks.OnAcquired),
			cmdline.String("on-released", "CMD", "line of shell to run when the lock has been given up", &e.Hooks.OnReleased),
			cmdline.String("on-lost-cmd", "CMD", "line of shell to run when the lock is lost", &e.Hooks.OnLost),
		}, conn.flags()),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			switch {
			case !cmd.Args().Present():
				return cmdline.Usage(cmd, "the PATH of a lock is missing")
			case !a.separated:
				return cmdline.Usage(cmd, `"--" is missing before the command`)
			case len(a.command) == 0:
				return cmdline.Usage(cmd, `the command behind "--" is missing`)
			}
			if err := t.check(cmd); err != nil {
				return err
			}
			for _, arg := range cmd.Args().Slice() {
				path, err := zkfs.ParsePath(arg)
				if err != nil {
					return cmdline.Usage(cmd, "%v", err)
				}
				e.Paths = append(e.Paths, path)
			}
			e.Command, e.Logger = a.command, a.log
			var err error
			if e.Connect, err = conn.open(a, cmd, e.Paths...); err != nil {
				return err
			}
			a.code, err = e.Run(ctx)
			a.ran = true
			return err
		},
	}
}

// parseOnLost reads a value of on_lost.
func parseOnLost(s string) (layout.OnLost, error) {
	p := layout.DefaultPolicy()
	p.OnLost = layout.OnLost(s)
	for _, err := range p.Validate() {
		return "", fmt.Errorf("%s", err.Reason)
	}
	return p.OnLost, nil
}
