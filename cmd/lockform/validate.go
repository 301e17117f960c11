package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
)

func (a *app) validate() *cli.Command {
	var f layoutFlags
	var asJSON bool
	return &cli.Command{
		Name: "validate", Usage: "check the layout without ZooKeeper",
		Description: `Reads the layout of the working directory and reports every fault that can be
found without a server. Variables without a value are unknown: their types are
checked, and what depends on them is left out.

Examples:
  lockform validate
  lockform -chdir=layouts/prod validate -json`,
		Flags: append([]cli.Flag{cmdline.Bool("json", "print the result as JSON", &asJSON)}, f.loading()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			o := a.options(ctx, &f)
			o.Ask, o.Validate = nil, true
			_, diags, err := a.read(ctx, o)
			if err != nil {
				return err
			}
			if asJSON {
				doc, err := diags.JSON()
				if err != nil {
					return err
				}
				if _, err := a.Out.Write(doc); err != nil {
					return err
				}
				if diags.HasErrors() {
					return errReported
				}
				return nil
			}
			if err := a.diagnose(ctx, diags, false); err != nil {
				return err
			}
			text := "The configuration is valid."
			if n := diags.Warnings(); n > 0 {
				text = "The configuration is valid, but there were warnings as shown above."
			}
			_, err = fmt.Fprintf(a.Out, "%s %s\n", term.Paint(a.OutColor(), "Success!", term.Green, term.Bold), text)
			return err
		},
	}
}
