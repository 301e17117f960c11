package main

import (
	"context"
	"io"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/picture"
	"github.com/lockform/lockform/zkfs/layout"
)

func (a *app) graph() *cli.Command {
	var f layoutFlags
	format := "dot"
	return &cli.Command{
		Name: "graph", Usage: "draw the layout",
		Description: `Writes the layout as a graph: each ensemble with its namespaces and locks, and
the policies and ACLs that they have. No server is asked. Many instances of one
block that are alike are drawn as one.

Examples:
  lockform graph | dot -Tsvg >layout.svg
  lockform graph -format=mermaid`,
		Flags: append([]cli.Flag{cmdline.String("format", "FORMAT", "dot (Graphviz, the default) or mermaid (Markdown pages)", &format)}, f.loading()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			write, ok := map[string]func(io.Writer, *layout.Layout) error{"dot": picture.DOT, "mermaid": picture.Mermaid}[format]
			if !ok {
				return cmdline.Usage(cmd, "%q is not a format of pictures; use dot or mermaid", format)
			}
			f.quiet = true
			l, err := a.load(ctx, &f)
			if err != nil {
				return err
			}
			return write(a.Out, l)
		},
	}
}
