package cmdline

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// Help returns a command that prints what -help prints.
func Help(example string) *cli.Command {
	return &cli.Command{
		Name: "help", Usage: "show the help of a command", ArgsUsage: "[COMMAND]",
		Description: "Examples:\n  " + example,
		Action: func(_ context.Context, cmd *cli.Command) error {
			about := cmd.Root()
			for _, name := range cmd.Args().Slice() {
				sub := about.Command(name)
				if sub == nil {
					var names []string
					for _, c := range about.Commands {
						names = append(names, c.Name)
					}
					return Usage(cmd.Root(), "there is no command %q%s", name, didYouMean("", name, names))
				}
				about = sub
			}
			PrintHelp(cmd.Root().Writer, "", about)
			return nil
		},
	}
}

// PrintHelp writes the help of a command; it stands in for the framework's
// templates, which write flags with two dashes.
func PrintHelp(w io.Writer, _ string, data any) {
	cmd, ok := data.(*cli.Command)
	if !ok {
		return
	}
	name := cmd.FullName()
	fmt.Fprintf(w, "%s: %s\n\n", name, cmd.Usage)
	line := "Usage: " + name
	if cmd == cmd.Root() {
		line += " [global flags]"
	}
	subs := cmd.VisibleCommands()
	if len(subs) > 0 {
		line += " COMMAND"
	}
	line += " [flags]"
	if cmd.ArgsUsage != "" {
		line += " " + cmd.ArgsUsage
	}
	fmt.Fprintln(w, line)
	text, examples, _ := strings.Cut(cmd.Description, "Examples:\n")
	if text = strings.TrimSpace(text); text != "" {
		fmt.Fprintf(w, "\n%s\n", text)
	}
	if len(subs) > 0 {
		fmt.Fprintln(w, "\nCommands:")
		rows := make([][2]string, len(subs))
		for i, c := range subs {
			rows[i] = [2]string{c.Name, c.Usage}
		}
		printRows(w, rows)
	}
	if rows := FlagRows(cmd.Flags); len(rows) > 0 {
		title := "Flags"
		if cmd == cmd.Root() {
			title = "Global flags, before the command"
		}
		fmt.Fprintf(w, "\n%s:\n", title)
		printRows(w, rows)
	}
	if examples != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(examples, "\n"))
	}
	if cmd == cmd.Root() {
		fmt.Fprintf(w, "\nFlags are written -flag or --flag, before or after arguments.\nUse \"%s COMMAND -help\" for more about a command.\n", name)
	}
}

// FlagRows returns how the help writes flags, and what they are for.
func FlagRows(flags []cli.Flag) [][2]string {
	var rows [][2]string
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if visible, is := f.(cli.VisibleFlag); !ok || is && !visible.IsVisible() {
			continue
		}
		text := "-" + f.Names()[0]
		if value := doc.GetDefaultText(); value != "" {
			text += "=" + value
		}
		rows = append(rows, [2]string{text, doc.GetUsage()})
	}
	return rows
}

// printRows writes two columns; a name that is long has its text below.
func printRows(w io.Writer, rows [][2]string) {
	const column = 26
	for _, r := range rows {
		if len(r[0]) > column {
			fmt.Fprintf(w, "  %s\n  %-*s  %s\n", r[0], column, "", r[1])
			continue
		}
		fmt.Fprintf(w, "  %-*s  %s\n", column, r[0], r[1])
	}
}
