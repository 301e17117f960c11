package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
)

func (a *app) destroy() *cli.Command {
	var f applyFlags
	return &cli.Command{
		Name: "destroy", Usage: "delete everything that the layout owns",
		Description: `Plans to delete every znode that the layout owns, shows the plan, asks for
approval and carries it out. Locks in use and protected znodes are refused. The
ledger and its history stay, unless -purge removes them too.

With -ensemble=NAME=CONNECT for an ensemble that has gone from the configuration,
only what stands there is deleted, and the other ledgers forget it.

Examples:
  lockform destroy
  lockform destroy -auto-approve -purge
  lockform destroy -ensemble=old=zk9:2181`,
		Flags: append([]cli.Flag{cmdline.Bool("purge", "remove the ledger and its history at the end", &f.purge)}, f.applying()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			if f.json && !f.approved {
				return cmdline.Usage(cmd, "-json needs -auto-approve, since it cannot ask")
			}
			return a.streaming(f.streamFlags, func() error {
				if err := f.takeGone(ctx, a); err != nil {
					return err
				}
				f.options.Mode = plan.Destroy
				return a.planAndApply(ctx, &f)
			})
		},
	}
}
