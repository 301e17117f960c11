package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
)

func (a *app) plan() *cli.Command {
	var f planFlags
	var detailed bool
	var generate string
	flags := append(f.modes(), cmdline.Bool("detailed-exitcode", "exit with 2 when there are changes or drift", &detailed),
		cmdline.String("generate-config-out", "FILE", "write blocks for import blocks that have none to a new file", &generate))
	return &cli.Command{
		Name: "plan", Usage: "show what apply would do",
		Description: `Compares the layout of the working directory with the live tree and shows the
difference. It only reads, and takes no lock.

Examples:
  lockform plan
  lockform plan -out=release.plan -var env=prod
  lockform plan -detailed-exitcode -json    # 0: nothing to do, 2: changes or drift
  lockform plan -target='namespace.jobs["billing"]'
  lockform plan -generate-config-out=imported.hcl`,
		Flags: append(flags, f.planning()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			return a.streaming(f.streamFlags, func() error {
				if generate != "" {
					if on, err := a.generateConfig(ctx, &f.layoutFlags, generate); err != nil || !on {
						return err
					}
				}
				return a.runPlan(ctx, &f, detailed)
			})
		},
	}
}

func (a *app) runPlan(ctx context.Context, f *planFlags, detailed bool) error {
	_, _, p, closeAll, err := a.makePlan(ctx, f)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := a.showPlan(p, f); err != nil {
		return err
	}
	switch {
	case a.mute || p.Empty():
	case f.out != "":
		fmt.Fprintf(a.Out, "\nSaved the plan to %s. To carry out exactly this, run:\n  lockform apply %s\n", f.out, shellWord(f.out))
	default:
		fmt.Fprint(a.Out, "\nThe plan was not saved: \"lockform apply\" makes a new one, which may differ.\nUse -out=FILE to keep it.\n")
	}
	if detailed && (!p.Empty() || p.HasDrift()) {
		return errChanges
	}
	return nil
}
