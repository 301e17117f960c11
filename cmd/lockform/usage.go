package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"
)

// A usageError is a command line that makes no sense. It ends with exit code 1
// and a hint at the help.
type usageError struct {
	command string // such as "lockform plan"; "" for lockform itself
	message string // a sentence without its period
}

func (e *usageError) Error() string { return e.message }

// usageOf returns a usageError of cmd.
func usageOf(cmd *cli.Command, format string, args ...any) error {
	return &usageError{command: cmd.FullName(), message: fmt.Sprintf(format, args...)}
}

// onUsageError puts the framework's errors into our words. Their texts are
// those of urfave/cli 3.14; one that is not recognised is passed on as it is.
func onUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		if cmd.Root() != cmd && slices.ContainsFunc(cmd.Root().Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			return usageOf(cmd, "-%s goes before the command: lockform -%s=… %s", name, name, cmd.Name)
		}
		return usageOf(cmd, "there is no flag -%s%s", name, didYouMean("-", name, flagNames(cmd)))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: "); ok {
		return usageOf(cmd, "the flag -%s needs a value", strings.TrimLeft(name, "-"))
	}
	if rest, ok := strings.CutPrefix(text, "invalid value "); ok {
		if value, rest, ok := strings.Cut(rest, " for flag -"); ok {
			name, why, _ := strings.Cut(rest, ": ")
			if name == "var" {
				return usageOf(cmd, "%s", why) // the value may be a secret
			}
			return usageOf(cmd, "%s is not a value for -%s: %s", value, name, reason(why))
		}
	}
	return usageOf(cmd, "%s", text)
}

// reason rewords what strconv and time say about a value.
func reason(why string) string {
	switch {
	case why == "parse error" || strings.Contains(why, "ParseBool"):
		return "use true or false"
	case strings.Contains(why, "ParseInt"):
		return "it must be a whole number"
	}
	return why
}

// unknownCommand is what lockform does itself: it shows the help when there is
// no argument.
func unknownCommand(_ context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		printHelp(cmd.Root().Writer, "", cmd)
		if cmd.Root() == cmd {
			return nil
		}
		return usageOf(cmd, "a subcommand is missing")
	}
	name := cmd.Args().First()
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	return usageOf(cmd, "there is no command %q%s", name, didYouMean("", name, names))
}

// noArgs refuses arguments.
func noArgs(cmd *cli.Command) error { return atMost(cmd, 0) }

// atMost refuses more than n arguments.
func atMost(cmd *cli.Command, n int) error {
	if cmd.Args().Len() > n {
		return usageOf(cmd, "unexpected argument %q", cmd.Args().Get(n))
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
