package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

var (
	//go:embed completion/bash
	bashScript string
	//go:embed completion/zsh
	zshScript string
	//go:embed completion/fish
	fishScript string
)

// completion makes the framework's command ours. The scripts ask the program
// what could stand next, by a last argument that urfave/cli recognises; behind
// "--" they must not, since that would execute the command.
func (a *app) completion(cmd *cli.Command) {
	script := func(shell, text, where string) *cli.Command {
		return &cli.Command{
			Name: shell, Usage: "print the script for " + shell,
			Description: "Examples:\n  " + where,
			Action: func(_ context.Context, cmd *cli.Command) error {
				if err := a.noArgs(cmd); err != nil {
					return err
				}
				_, err := io.WriteString(a.out, text)
				return err
			},
		}
	}
	const (
		bash = "source <(lockform-agent completion bash)"
		zsh  = "source <(lockform-agent completion zsh)"
		fish = "lockform-agent completion fish >~/.config/fish/completions/lockform-agent.fish"
	)
	*cmd = cli.Command{
		Name: "completion", Usage: "print a script that completes commands and flags in a shell",
		Action:      unknownCommand,
		Description: "Examples:\n  " + bash + "    # in ~/.bashrc\n  " + zsh + "     # in ~/.zshrc\n  " + fish,
		Commands:    []*cli.Command{script("bash", bashScript, bash), script("zsh", zshScript, zsh), script("fish", fishScript, fish)},
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
	for _, f := range append(cmd.Flags[:len(cmd.Flags):len(cmd.Flags)], cmd.Root().Flags...) {
		if doc, ok := f.(cli.DocGenerationFlag); ok && strings.HasPrefix(f.Names()[0], name) {
			fmt.Fprintf(w, "%s%s:%s\n", dashes, f.Names()[0], doc.GetUsage())
		}
	}
}
