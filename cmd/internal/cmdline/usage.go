package cmdline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/urfave/cli/v3"
)

// A UsageError is a command line that makes no sense.
type UsageError struct {
	Command string // such as "lockform plan"; may be "" for the program itself
	Message string // a sentence without its period
}

func (e *UsageError) Error() string { return e.Message }

// Usage returns a UsageError of cmd.
func Usage(cmd *cli.Command, format string, args ...any) error {
	return &UsageError{Command: cmd.FullName(), Message: fmt.Sprintf(format, args...)}
}

// onUsageError puts the framework's errors into our words. Their texts are
// those of urfave/cli 3.14; one that is not recognised is passed on as it is.
func onUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		if cmd.Root() != cmd && slices.ContainsFunc(cmd.Root().Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			return Usage(cmd, "-%s goes before the command: %s -%s=… %s", name, cmd.Root().Name, name, cmd.Name)
		}
		return Usage(cmd, "there is no flag -%s%s", name, didYouMean("-", name, flagNames(cmd)))
	}
	if name, ok := strings.CutPrefix(text, "flag needs an argument: "); ok {
		return Usage(cmd, "the flag -%s needs a value", strings.TrimLeft(name, "-"))
	}
	if rest, ok := strings.CutPrefix(text, "invalid value "); ok {
		if value, rest, ok := strings.Cut(rest, " for flag -"); ok {
			name, why, _ := strings.Cut(rest, ": ")
			if name == "var" {
				return Usage(cmd, "%s", why) // the value may be a secret
			}
			return Usage(cmd, "%s is not a value for -%s: %s", value, name, reason(why))
		}
	}
	return Usage(cmd, "%s", text)
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

// Unknown is what a command with subcommands does itself: it shows the help
// when there is no argument.
func Unknown(_ context.Context, cmd *cli.Command) error {
	if !cmd.Args().Present() {
		PrintHelp(cmd.Root().Writer, "", cmd)
		if cmd.Root() == cmd {
			return nil
		}
		return Usage(cmd, "a subcommand is missing")
	}
	name := cmd.Args().First()
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	return Usage(cmd, "there is no command %q%s", name, didYouMean("", name, names))
}

// NoArgs refuses arguments.
func NoArgs(cmd *cli.Command) error { return AtMost(cmd, 0) }

// AtMost refuses more than n arguments.
func AtMost(cmd *cli.Command, n int) error {
	if cmd.Args().Len() > n {
		return Usage(cmd, "unexpected argument %q", cmd.Args().Get(n))
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
	best, distance := "", max(1, len(name)/2)+1 // two letters changed places are a distance of 2
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
