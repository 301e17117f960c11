package cmdline

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// completionRequest is the last argument with which the scripts ask what could
// stand before it; urfave/cli recognises it.
const completionRequest = "--generate-shell-completion"

// IsCompletion reports whether the scripts ask.
func IsCompletion(args []string) bool {
	return len(args) > 1 && args[len(args)-1] == completionRequest
}

var (
	//go:embed completion/bash
	bashScript string
	//go:embed completion/zsh
	zshScript string
	//go:embed completion/fish
	fishScript string
)

// Completion makes cmd, the framework's command, ours: the framework's scripts
// need the bash-completion package and complete flags with two dashes only.
// Ours ask the program what could stand next, by a last argument that
// urfave/cli recognises; behind "--" they must not, since that could run the
// command that stands there.
func Completion(cmd *cli.Command, program string, w io.Writer) {
	names := strings.NewReplacer("PROGRAM", program, "FUNCTION", "_"+strings.ReplaceAll(program, "-", "_"))
	script := func(shell, text, where string) *cli.Command {
		return &cli.Command{
			Name: shell, Usage: "print the script for " + shell,
			Description: "Examples:\n  " + where,
			Action: func(_ context.Context, cmd *cli.Command) error {
				if err := NoArgs(cmd); err != nil {
					return err
				}
				_, err := names.WriteString(w, text)
				return err
			},
		}
	}
	bash, zsh := "source <("+program+" completion bash)", "source <("+program+" completion zsh)"
	fish := program + " completion fish >~/.config/fish/completions/" + program + ".fish"
	*cmd = cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		Action:      Unknown,
		Description: "Examples:\n  " + bash + "    # in ~/.bashrc\n  " + zsh + "     # in ~/.zshrc\n  " + fish,
		Commands:    []*cli.Command{script("bash", bashScript, bash), script("zsh", zshScript, zsh), script("fish", fishScript, fish)},
	}
	Prepare(cmd)
}

// Prepare gives a command and those below what they all have in common: the
// help, the words of errors, what completes them.
func Prepare(cmd *cli.Command) {
	cli.HelpPrinter = PrintHelp
	cmd.OnUsageError = onUsageError
	cmd.ShellComplete = complete
	for _, sub := range cmd.Commands {
		Prepare(sub)
	}
}

// complete writes what can stand next, one "name:description" per line. After
// a dash these are flags, with as many dashes as were typed.
func complete(_ context.Context, cmd *cli.Command) {
	w := cmd.Root().Writer
	last := ""
	if args := cmd.Args().Slice(); len(args) > 0 {
		last = args[len(args)-1]
	}
	if !strings.HasPrefix(last, "-") {
		for _, c := range cmd.VisibleCommands() {
			fmt.Fprintf(w, "%s:%s\n", c.Name, c.Usage)
		}
		return
	}
	name := strings.TrimLeft(last, "-")
	dashes := last[:len(last)-len(name)]
	flags := append(cmd.Flags[:len(cmd.Flags):len(cmd.Flags)], cmd.Root().Flags...)
	for _, f := range flags {
		doc, ok := f.(cli.DocGenerationFlag)
		persistent, isLocal := f.(cli.LocalFlag)
		if !ok || cmd != cmd.Root() && isLocal && persistent.IsLocal() {
			continue
		}
		if strings.HasPrefix(f.Names()[0], name) {
			fmt.Fprintf(w, "%s%s:%s\n", dashes, f.Names()[0], doc.GetUsage())
		}
	}
}
