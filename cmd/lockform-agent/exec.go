package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// exec runs a command while holding locks.
func (a *app) exec() *cli.Command {
	e := &agent.Exec{Stderr: a.err}
	var conn connection
	var mode string
	var read, write bool
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
		Flags: append([]cli.Flag{
			oneOf("mode", "the kind of hold, for read_write locks", &mode, "exclusive", "shared"),
			boolFlag("read", "short for -mode=shared", &read),
			boolFlag("write", "short for -mode=exclusive", &write),
			funcFlag("wait", "DUR", "wait no longer than this; 0 tries once; default the policy's wait_timeout", func(s string) error {
				d, err := parseWait(s)
				e.Options.Wait = &d
				return err
			}),
			stringFlag("owner", "NAME", "who takes the lock; default user@host:pid", &e.Options.Owner),
			funcFlag("E", "CODE", "exit code when the lock was not acquired, in place of 124", func(s string) error {
				n, err := strconv.Atoi(s)
				if err != nil || n < 0 || n > 255 {
					return fmt.Errorf("it is a number from 0 to 255")
				}
				e.NotAcquired = &n
				return nil
			}),
			boolFlag("shell", "COMMAND is a line for /bin/sh, the ARGs are its $1 and so on", &e.Shell),
			boolFlag("verbose", "say when the lock is waited for, and for whom", &e.Verbose),
			oneOf("restart", "take the lock and run the command again", &e.Restart, agent.RestartNever, agent.RestartOnLost, agent.RestartAlways),
			funcFlag("on-lost", "terminate|kill|signal:NAME|ignore", "what happens to the command when the lock is lost; stricter than the policy only", func(s string) error {
				o, err := parseOnLost(s)
				e.OnLost = o
				return err
			}),
			positive("kill-timeout", "at most, from the first signal to SIGKILL; stricter than the policy only", &e.Options.KillTimeout),
			positive("max-hold", "end the command when it runs longer; stricter than the policy only", &e.Options.MaxHold),
			oneOf("heartbeat", "what proves that the session is alive; stricter than the policy only", &e.Options.Heartbeat,
				layout.HeartbeatWrite, layout.HeartbeatSync, layout.HeartbeatPing),
			stringFlag("on-acquired", "CMD", "line of shell to run beside the command when it starts", &e.Hooks.OnAcquired),
			stringFlag("on-released", "CMD", "line of shell to run when the lock has been given up", &e.Hooks.OnReleased),
			stringFlag("on-lost-cmd", "CMD", "line of shell to run when the lock is lost", &e.Hooks.OnLost),
			boolFlag("undeclared", "take a lock without a policy, by the defaults; the znode must exist", &e.Options.Undeclared),
			boolFlag("allow-foreign", "go on when a client in the queue cannot see this lock's contenders", &e.Options.AllowForeign),
		}, conn.flags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			switch {
			case read && (write || mode == "exclusive"), write && mode == "shared":
				return usage(cmd, "-mode, -read and -write contradict each other")
			case !cmd.Args().Present():
				return usage(cmd, "the PATH of a lock is missing")
			case !a.separated:
				return usage(cmd, `"--" is missing before the command`)
			case len(a.command) == 0:
				return usage(cmd, `the command behind "--" is missing`)
			}
			e.Options.Shared = read || mode == "shared"
			for _, arg := range cmd.Args().Slice() {
				path, err := zkfs.ParsePath(arg)
				if err != nil {
					return usage(cmd, "%v", err)
				}
				e.Paths = append(e.Paths, path)
			}
			e.Command, e.Logger = a.command, a.log
			var err error
			if e.Connect, err = conn.open(a, cmd); err != nil {
				return err
			}
			a.code, err = e.Run(ctx)
			a.ran = true
			return err
		},
	}
}

// oneOf is a flag that takes one of a few words.
func oneOf[T ~string](name, usage string, to *T, words ...T) cli.Flag {
	text := ""
	for _, w := range words {
		text += "|" + string(w)
	}
	return funcFlag(name, text[1:], usage, func(s string) error {
		for _, w := range words {
			if s == string(w) {
				*to = w
				return nil
			}
		}
		return fmt.Errorf("use one of %s", text[1:])
	})
}

// positive is a flag that takes a duration longer than 0.
func positive(name, usage string, to *time.Duration) cli.Flag {
	return funcFlag(name, "DUR", usage, func(s string) error {
		d, err := layout.ParseDuration(s)
		if err == nil && d == 0 {
			err = fmt.Errorf("it must be longer than 0")
		}
		*to = d
		return err
	})
}

// parseWait reads a duration, "0", or "none" for no limit but the policy's.
func parseWait(s string) (time.Duration, error) {
	if s == "none" {
		return 1<<63 - 1, nil
	}
	if s == "0" {
		return 0, nil
	}
	return layout.ParseDuration(s)
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
