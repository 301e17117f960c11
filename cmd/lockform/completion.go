package main

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

func isCompletion(args []string) bool {
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

// completion makes the framework's command ours: its scripts need the
// bash-completion package and complete flags with two dashes only.
func (a *app) completion(cmd *cli.Command) {
	script := func(shell, text, where string) *cli.Command {
		return &cli.Command{
			Name: shell, Usage: "print the script for " + shell,
			Description: "Examples:\n  " + where,
			Action: func(_ context.Context, cmd *cli.Command) error {
				if err := noArgs(cmd); err != nil {
					return err
				}
				_, err := io.WriteString(a.Out, text)
				return err
			},
		}
	}
	*cmd = cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		Action: unknownCommand,
		Description: `Examples:
  source <(lockform completion bash)                                   # in ~/.bashrc
  source <(lockform completion zsh)                                    # in ~/.zshrc
  lockform completion fish >~/.config/fish/completions/lockform.fish`,
		Commands: []*cli.Command{
			script("bash", bashScript, "source <(lockform completion bash)"),
			script("zsh", zshScript, "source <(lockform completion zsh)"),
			script("fish", fishScript, "lockform completion fish >~/.config/fish/completions/lockform.fish"),
		},
	}
	prepare(cmd)
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
