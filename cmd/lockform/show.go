package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
)

func (a *app) show() *cli.Command {
	var f layoutFlags
	var asJSON bool
	return &cli.Command{
		Name: "show", Usage: "show a saved plan, or the managed live tree", ArgsUsage: "[PLANFILE]",
		Description: `With a PLANFILE shows what it would do; no server is asked. Without one shows
the znodes of the live tree that the layout owns.

Examples:
  lockform show
  lockform show release.plan
  lockform show -json release.plan`,
		Flags: append([]cli.Flag{cmdline.Bool("json", "print one JSON document", &asJSON)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.AtMost(cmd, 1); err != nil {
				return err
			}
			if cmd.Args().Present() {
				return a.showFile(cmd.Args().First(), asJSON)
			}
			return a.showTree(ctx, &f, asJSON)
		},
	}
}

func (a *app) showFile(file string, asJSON bool) error {
	p, err := readPlan(file)
	if err != nil {
		return err
	}
	if !asJSON {
		return p.WriteText(a.Out, a.textOptions())
	}
	doc, err := p.JSON()
	if err != nil {
		return err
	}
	return a.print(doc)
}

func (a *app) showTree(ctx context.Context, f *layoutFlags, asJSON bool) error {
	l, links, closeAll, err := a.live(ctx, f)
	if err != nil {
		return err
	}
	defer closeAll()
	trees, err := a.trees(ctx, l.Ledger, links, false)
	if err != nil {
		return err
	}
	if asJSON {
		doc, err := plan.ManagedJSON(trees)
		if err != nil {
			return err
		}
		return a.print(doc)
	}
	for _, t := range trees {
		if err := plan.WriteManaged(a.Out, t.Ensemble, t.Ledger, t.Nodes, a.textOptions()); err != nil {
			return err
		}
	}
	return nil
}
