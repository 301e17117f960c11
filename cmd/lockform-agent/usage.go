package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent"
)

// A usageError is a command line that makes no sense.
type usageError struct {
	command string // such as "lockform-agent exec"
	message string // a sentence without its period
}

func (e *usageError) Error() string { return e.message }

// usage returns a usageError of cmd.
func usage(cmd *cli.Command, format string, args ...any) error {
	return &usageError{command: cmd.FullName(), message: fmt.Sprintf(format, args...)}
}

// code returns the exit code of a usage error. Those of commands that take
// locks are set apart from what the work under a lock could return.
func (e *usageError) code() int {
	if strings.HasSuffix(e.command, " exec") || strings.HasSuffix(e.command, " hold") {
		return agent.CodeFailed
	}
	return 1
}

// onUsageError puts the framework's errors into our words. Their texts are
// those of urfave/cli 3.14; one that is not recognised is passed on as it is.
func onUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		return usage(cmd, "there is no flag -%s%s", name, didYouMean("-", name, flagNames(cmd)))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: "); ok {
		return usage(cmd, "the flag -%s needs a value", strings.TrimLeft(name, "-"))
	}
	if rest, ok := strings.CutPrefix(text, "invalid value "); ok {
		if value, rest, ok := strings.Cut(rest, " for flag -"); ok {
			name, why, _ := strings.Cut(rest, ": ")
			if strings.Contains(why, "ParseBool") || why == "parse error" {
				why = "use true or false"
			}
			return usage(cmd, "%s is not a value for -%s: %s", value, name, why)
		}
	}
	return usage(cmd, "%s", text)
}

// unknownCommand is what a command with subcommands does itself: it shows the
// help when there is no argument.
func unknownCommand(_ context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		printHelp(cmd.Root().Writer, "", cmd)
		if cmd.Root() == cmd {
			return nil
		}
		return usage(cmd, "a subcommand is missing")
	}
	name := cmd.Args().First()
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	return usage(cmd, "there is no command %q%s", name, didYouMean("", name, names))
}

// noArgs refuses arguments, and a command behind "--".
func (a *app) noArgs(cmd *cli.Command) error {
	switch {
	case cmd.Args().Present():
		return usage(cmd, "unexpected argument %q", cmd.Args().First())
	case a.separated:
		return usage(cmd, `unexpected argument "--"`)
	}
	return nil
}

func flagNames(cmd *cli.Command) []string {
	var names []string
	for _, c := range cmd.Lineage() {
		for _, f := range c.Flags {
			names = append(names, f.Names()...)
		}
	}
	return names
}

// didYouMean returns "; did you mean X?" when one of known is near to name.
func didYouMean(prefix, name string, known []string) string {
	best, distance := "", max(1, len(name)/3)+1
	for _, k := range known {
		d := levenshtein.Distance(name, k, nil)
		if d < distance && d < len(name) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}
