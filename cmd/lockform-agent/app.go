package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/urfave/cli/v3"
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
	cli.HelpPrinter = printHelp
	root := &cli.Command{
		Name:  "lockform-agent",
		Usage: "runs commands under declared locks",
		Description: `The policy of a lock stands in ZooKeeper, where "lockform apply" put it; the
agent reads it there and needs no files.`,
		Writer: a.out, ErrWriter: a.err,
		Flags: []cli.Flag{
			stringFlag("log-level", "LEVEL", "log to standard error: trace, debug, info, warn or error (also LOCKFORM_LOG)", &a.logLevel),
		},
		Commands:                        []*cli.Command{a.exec(), a.hold(), a.status(), a.version(), help()},
		Before:                          a.before,
		Action:                          unknownCommand,
		HideHelpCommand:                 true, // ours lists what ours prints
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: a.completion,
		DisableSliceFlagSeparator:       true,
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
	}
	prepare(root)
	return root
}

// prepare gives a command and those below what they all have in common.
func prepare(cmd *cli.Command) {
	cmd.OnUsageError = onUsageError
	cmd.ShellComplete = complete
	for _, sub := range cmd.Commands {
		prepare(sub)
	}
}

// before carries out the global flags.
func (a *app) before(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	level := a.logLevel
	if level == "" {
		level = os.Getenv("LOCKFORM_LOG")
	}
	a.log = hclog.NewNullLogger()
	if level != "" && !strings.EqualFold(level, "off") {
		l := hclog.LevelFromString(level)
		if l == hclog.NoLevel {
			return ctx, usage(cmd, "%q is not a log level; use trace, debug, info, warn, error or off", level)
		}
		a.log = hclog.New(&hclog.LoggerOptions{Name: "lockform-agent", Level: l, Output: a.err})
	}
	return ctx, nil
}
