package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
)

// app is one run of the program.
type app struct {
	out, err  io.Writer
	command   []string // what follows "--"
	separated bool     // there was one
	log       hclog.Logger
	code      int  // of exec
	ran       bool // exec has a code

	logLevel string
}

// root returns the command tree. It belongs to one run: flags keep their
// values.
func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:  "lockform-agent",
		Usage: "runs commands under declared locks",
		Description: `The policy of a lock stands in ZooKeeper, where "lockform apply" put it; the
agent reads it there and needs no files.`,
		Writer: a.out, ErrWriter: a.err,
		Flags: []cli.Flag{
			cmdline.String("log-level", "LEVEL", "log to standard error: trace, debug, info, warn or error (also LOCKFORM_LOG)", &a.logLevel),
		},
		Commands:                        []*cli.Command{a.exec(), a.hold(), a.status(), cmdline.Version("lockform-agent", a.out), cmdline.Help("lockform-agent help exec")},
		Before:                          a.before,
		Action:                          cmdline.Unknown,
		HideHelpCommand:                 true, // ours lists what ours prints
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) { cmdline.Completion(cmd, "lockform-agent", a.out) },
		DisableSliceFlagSeparator:       true,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
	}
	cmdline.Prepare(root)
	return root
}

// before carries out the global flags.
func (a *app) before(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	switch cmd.Args().First() {
	case "exec", "hold", "status":
		// They look at what follows "--" themselves.
	default:
		if a.separated {
			return ctx, cmdline.Usage(cmd, `unexpected argument "--": only exec runs a command`)
		}
	}
	level := a.logLevel
	if level == "" {
		level = os.Getenv("LOCKFORM_LOG")
	}
	a.log = hclog.NewNullLogger()
	if level != "" && !strings.EqualFold(level, "off") {
		l := hclog.LevelFromString(level)
		if l == hclog.NoLevel {
			return ctx, cmdline.Usage(cmd, "%q is not a log level; use trace, debug, info, warn, error or off", level)
		}
		a.log = hclog.New(&hclog.LoggerOptions{Name: "lockform-agent", Level: l, Output: a.err})
	}
	return ctx, nil
}
