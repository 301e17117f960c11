package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
)

func (a *app) forceUnlock() *cli.Command {
	var f layoutFlags
	var force bool
	return &cli.Command{
		Name: "force-unlock", Usage: "break a stuck apply lock", ArgsUsage: "ID",
		Description: `Shows who holds the apply lock and removes the contender with the given ID, or
with that name. An apply that has lost its lock writes nothing more.

An apply that has died frees its lock by itself when its session times out: this
is for one that is stopped, or whose host cannot be reached.

Examples:
  lockform force-unlock 01234567-89ab-cdef-0123-456789abcdef
  lockform force-unlock -force 01234567-89ab-cdef-0123-456789abcdef`,
		Flags: append([]cli.Flag{cmdline.Bool("force", "do not ask for approval", &force)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 1 || cmd.Args().First() == "" {
				return cmdline.Usage(cmd, "it takes the ID of one contender")
			}
			return a.runForceUnlock(ctx, &f, cmd.Args().First(), force)
		},
	}
}

func (a *app) runForceUnlock(ctx context.Context, f *layoutFlags, id string, force bool) error {
	if !force && (!a.InTerminal || !f.input) {
		return &fault{summary: "force-unlock cannot ask for approval: there is no terminal", detail: "Use -force to go on without asking."}
	}
	l, links, closeAll, err := a.live(ctx, f)
	if err != nil {
		return err
	}
	defer closeAll()
	path := plan.ApplyLock(l.Ledger)
	for _, link := range links {
		queues, err := lock.ReadQueues(ctx, link, []zkfs.Path{path}, nil)
		if err != nil {
			return err
		}
		q := queues[0]
		for _, c := range q.Contenders {
			if !named(c, id) {
				continue
			}
			shown := live.Lock{Queue: live.Queue{Queue: q}}
			if len(links) > 1 {
				shown.Ensemble = link.name()
			}
			if err := live.Text(a.Out, []live.Lock{shown}, time.Now()); err != nil {
				return err
			}
			if !force {
				if err := a.confirmUnlock(ctx, c); err != nil {
					return err
				}
			}
			err := link.Delete(ctx, c.Node, zkfs.AnyVersion)
			if err != nil && !errors.Is(err, zkfs.ErrNoNode) {
				return err
			}
			_, err = fmt.Fprintf(a.Out, "\nThe apply lock is free of %s.\n", contender(c))
			return err
		}
	}
	return &fault{
		summary: fmt.Sprintf("nobody with the ID %q stands at the apply lock %s", id, path),
		detail:  "Run \"lockform locks " + path.String() + " -json\" for the IDs. It may have been freed in the meantime.",
	}
}

// named reports whether id names the contender: by its GUID, with or without
// dashes, or by the name of its znode.
func named(c lock.Contender, id string) bool {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "-", "")) }
	return id == c.Name || id == c.Node.String() || c.ID != "" && plain(id) == plain(c.ID) ||
		len(plain(id)) == 32 && strings.Contains(plain(c.Name), plain(id))
}

func (a *app) confirmUnlock(ctx context.Context, c lock.Contender) error {
	fmt.Fprintf(a.Out, "\n%s\n  Its holder is %s. If that is still at work, what it has begun stays half done.\n  Only 'yes' will be accepted to approve.\n\n",
		a.bold("Do you really want to break the apply lock?"), contender(c))
	answer, err := a.Ask(ctx, "  "+a.bold("Enter a value: "), false)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return &fault{summary: "cancelled", detail: "Nothing was written."}
	}
	return nil
}
