package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func (a *app) importCommand() *cli.Command {
	var f applyFlags
	var recursive bool
	return &cli.Command{
		Name: "import", Usage: "adopt an existing znode under an address", ArgsUsage: "ADDR PATH",
		Description: `Writes the record of the block ADDR into the znode at PATH, so that the layout owns
it from now on. The block must be declared, with that path. Only znodes that
nobody owns are adopted; contenders and children stay as they are.

With -recursive and a PATH alone nothing is written: prints the HCL that declares
the live tree at PATH. Locks are told by their contenders, which also tell the
recipe that excludes their clients; what was guessed or left out is said on
standard error. Put the output into the layout, review it, and apply: it adopts
what is there and changes nothing else, but for the planner's own permissions.

Examples:
  lockform import lock.uk /uk/lock
  lockform import 'namespace.jobs["billing"]' main:/locks/billing
  lockform import -recursive /locks >locks.hcl`,
		Flags: append([]cli.Flag{
			cmdline.Bool("recursive", "print the HCL that declares the live tree at PATH", &recursive),
			cmdline.Duration("lock-timeout", "DURATION", "wait so long for an apply lock that another holds (default 0s)", &f.lockTimeout),
		}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if recursive {
				if cmd.Args().Len() != 1 {
					return cmdline.Usage(cmd, "with -recursive it takes a path")
				}
				return a.runImportTree(ctx, &f.layoutFlags, cmd.Args().First())
			}
			if cmd.Args().Len() != 2 {
				return cmdline.Usage(cmd, "it takes an address and a path")
			}
			addr, err := layout.ParseAddress(cmd.Args().Get(0))
			if err != nil {
				return cmdline.Usage(cmd, "%v", err)
			}
			return a.runImport(ctx, &f, addr, cmd.Args().Get(1))
		},
	}
}

func (a *app) runImport(ctx context.Context, f *applyFlags, addr layout.Address, place string) error {
	f.quiet, f.approved = true, true
	l, err := a.load(ctx, &f.layoutFlags)
	if err != nil {
		return err
	}
	found, err := places(l.Ensembles, []string{place})
	if err != nil {
		return err
	}
	f.options.Targets, f.options.Excludes = []layout.Address{addr}, inside(l, addr)
	for name, paths := range found {
		f.options.Imports = []layout.Import{{To: addr, Path: paths[0], Ensemble: name}}
		if err := declared(l, addr, name, paths[0]); err != nil {
			return err
		}
	}
	links, closeAll, err := a.connect(ctx, l.Ensembles)
	if err != nil {
		return err
	}
	defer closeAll()
	p, err := a.compare(ctx, l, links, f.options)
	if err != nil {
		return err
	}
	if err := a.showPlan(p, &f.planFlags); err != nil {
		return err
	}
	if err := refuseBlocked(ctx, f, p, links); err != nil {
		return err
	}
	if p.Empty() {
		return nil
	}
	_, err = a.carryOut(ctx, f, p, links)
	return err
}

// declared checks that the block to import is declared, with the path of the
// znode: adopting is no way to move anything.
func declared(l *layout.Layout, addr layout.Address, ensemble string, path zkfs.Path) error {
	all := blocks(l)
	n := slices.IndexFunc(all, func(d layout.Declared) bool { return d.Address == addr })
	switch {
	case n < 0:
		return &fault{
			summary: fmt.Sprintf("%s is not declared", addr),
			detail:  fmt.Sprintf("Write the block first, with path = %q; then import adopts the znode under its address.", path),
		}
	case all[n].Path != path || all[n].Ensemble != ensemble:
		return &plan.Error{Kind: plan.ErrInvalid, Problems: []plan.Problem{{
			Summary: "The block has another path", Address: addr, Pos: all[n].Pos,
			Detail: fmt.Sprintf("It is declared at %s in the ensemble %q, and %s is to be adopted. ZooKeeper has no rename: write the path of the znode into the block.", all[n].Path, all[n].Ensemble, path),
		}}}
	}
	return nil
}

// inside returns the addresses of what is declared in a block, which an import
// of the block leaves as it is.
func inside(l *layout.Layout, addr layout.Address) []layout.Address {
	var some []layout.Address
	for _, d := range blocks(l) {
		if d.Address != addr && addr.Covers(d.Address) {
			some = append(some, d.Address)
		}
	}
	return some
}

// blocks returns all namespaces and locks that are declared.
func blocks(l *layout.Layout) []layout.Declared {
	var all []layout.Declared
	for _, n := range l.Namespaces {
		all = append(all, n.Declared)
	}
	for _, k := range l.Locks {
		all = append(all, k.Declared)
	}
	return all
}
