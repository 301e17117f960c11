package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/plan"
)

// app is one run of the program: its streams, its global flags and what ends
// it early.
type app struct {
	*term.Streams
	soft, hard context.Context // see interrupts
	log        hclog.Logger
	completing bool // the shell asks for completions; nothing is to be done

	mute    bool           // -json: no text for people
	streams []*plan.Stream // -json and -json-into
	told    bool           // what went wrong has been said

	chdir    string
	noColor  bool
	logLevel string
	asked    bool // -version, which people of other tools type
}

// root returns the command tree. It belongs to one run: flags keep their
// values.
func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name:    "lockform",
		Usage:   "declared, safe distributed locks on ZooKeeper",
		Reader:  a.In,
		Writer:  a.Out,
		Suggest: false, // cmdline.Unknown and usage do it in our words
		Description: `A layout directory declares locks in HCL. lockform compares it with the live
tree of a ZooKeeper ensemble, shows the difference and applies it.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "chdir", DefaultText: "DIR", Usage: "change to this directory before anything else", Destination: &a.chdir, Local: true},
			&cli.BoolFlag{Name: "version", Destination: &a.asked, Local: true, Hidden: true},
			cmdline.Bool("no-color", "no colours, on terminals too (also NO_COLOR)", &a.noColor),
			cmdline.String("log-level", "LEVEL", "log to standard error: trace, debug, info, warn or error (also LOCKFORM_LOG)", &a.logLevel),
		},
		Commands: a.commands(),
		Before:   a.before,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if a.asked {
				return cmdline.ShowVersion(a.Out, "lockform", false)
			}
			return cmdline.Unknown(ctx, cmd)
		},
		HideHelpCommand:                 true, // ours lists what ours prints
		EnableShellCompletion:           true,
		ConfigureShellCompletionCommand: func(cmd *cli.Command) { cmdline.Completion(cmd, "lockform", a.Out) },
		DisableSliceFlagSeparator:       true, // -var 'a=[1,2]' is one value
		ExitErrHandler:                  func(context.Context, *cli.Command, error) {},
	}
	cmdline.Prepare(root)
	return root
}

// commands returns the subcommands in the order in which help lists them.
func (a *app) commands() []*cli.Command {
	return []*cli.Command{
		a.validate(), a.format(), a.plan(), a.apply(), a.destroy(), a.show(), a.locks(),
		a.state(), a.history(), a.importCommand(), a.forceUnlock(),
		a.graph(), a.console(), a.doctor(), a.ui(),
		a.dev(), cmdline.Version("lockform", a.Out), cmdline.Help("lockform help plan"),
	}
}

// before carries out the global flags.
func (a *app) before(ctx context.Context, cmd *cli.Command) (context.Context, error) {
	if a.noColor {
		a.NoColor = true
	}
	level := a.logLevel
	if level == "" {
		level = os.Getenv("LOCKFORM_LOG")
	}
	if level == "" && cmd.Args().First() == "dev" {
		level = "warn" // a server says what is wrong with its clients without being asked
	}
	a.log = hclog.NewNullLogger()
	if level != "" && !strings.EqualFold(level, "off") {
		l := hclog.LevelFromString(level)
		if l == hclog.NoLevel {
			return ctx, &cmdline.UsageError{Message: fmt.Sprintf("%q is not a log level; use trace, debug, info, warn, error or off", level)}
		}
		a.log = hclog.New(&hclog.LoggerOptions{Name: "lockform", Level: l, Output: a.Err})
	}
	if a.chdir != "" {
		if err := os.Chdir(a.chdir); err != nil && !a.completing {
			return ctx, fmt.Errorf("-chdir: %w", err)
		}
	}
	return ctx, nil
}
