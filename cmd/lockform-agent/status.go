package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent"
	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs"
)

// status shows the connection and, with a path, a lock.
func (a *app) status() *cli.Command {
	var conn connection
	var asJSON bool
	return &cli.Command{
		Name: "status", Usage: "show the connection, or a lock with its policy and its queue",
		ArgsUsage:   "[PATH]",
		Description: "Examples:\n  lockform-agent status\n  lockform-agent status /locks/billing/invoices\n  lockform-agent status -json /locks/billing/invoices",
		Flags:       append([]cli.Flag{cmdline.Bool("json", "print JSON", &asJSON)}, conn.flags()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			var path zkfs.Path
			if cmd.Args().Present() || a.separated {
				var err error
				if path, err = a.onePath(cmd); err != nil {
					return err
				}
			}
			return conn.with(ctx, a, cmd, func(c *lock.Client) error {
				s, err := agent.ReadStatus(ctx, c, path)
				switch {
				case err != nil:
					return err
				case asJSON:
					e := json.NewEncoder(a.out)
					e.SetIndent("", "  ")
					return e.Encode(s)
				}
				return s.WriteText(a.out, time.Now())
			})
		},
	}
}
