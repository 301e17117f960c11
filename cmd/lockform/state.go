package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs/layout"
)

func (a *app) state() *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "look at what the layout owns, or disown it",
		Description: "The live tree is the state: there is no state file.\n\nExamples:\n  lockform state list\n  lockform state show 'namespace.jobs[\"billing\"].lock.report'",
		Action:      cmdline.Unknown,
		Commands:    []*cli.Command{a.stateList(), a.stateShow(), a.stateRm()},
	}
}

func (a *app) stateList() *cli.Command {
	var f layoutFlags
	var unmanaged bool
	return &cli.Command{
		Name: "list", Usage: "list the znodes that the layout owns",
		Description: "With -unmanaged lists what stands below the layout's namespaces and is not its own.\n\nExamples:\n  lockform state list\n  lockform state list -unmanaged",
		Flags:       append([]cli.Flag{cmdline.Bool("unmanaged", "list what stands in its namespaces and is not its own", &unmanaged)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			trees, err := a.managed(ctx, &f, unmanaged)
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
			for _, tree := range trees {
				prefix := ""
				if len(trees) > 1 {
					prefix = tree.Ensemble + ":"
				}
				for _, m := range tree.Nodes {
					switch {
					case unmanaged == m.Managed:
					case unmanaged:
						fmt.Fprintf(t, "%s%s\t%s\n", prefix, m.Path, owner(m))
					default:
						fmt.Fprintf(t, "%s\t%s%s\n", address(m), prefix, m.Path)
					}
				}
			}
			return t.Flush()
		},
	}
}

// owner says whose a znode is that the layout does not own.
func owner(m plan.Managed) string {
	switch {
	case m.Problem != "":
		return m.Problem
	case m.Record.Layout != "":
		return fmt.Sprintf("owned by the layout %q", m.Record.Layout)
	case m.Stat.EphemeralOwner != 0:
		return "nobody's, ephemeral"
	}
	return "nobody's"
}

// address returns the address of a managed znode, and its kind where it has
// none.
func address(m plan.Managed) string {
	if m.Record.Address == "" {
		return "(" + string(m.Record.Kind) + ")"
	}
	return string(m.Record.Address)
}

// managed reads the managed trees of the layout's ensembles.
func (a *app) managed(ctx context.Context, f *layoutFlags, unmanaged bool) ([]plan.Tree, error) {
	f.quiet = true
	l, err := a.load(ctx, f)
	if err != nil {
		return nil, err
	}
	links, closeAll, err := a.connect(ctx, l.Ensembles)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	return a.trees(ctx, l.Ledger, links, unmanaged)
}

func (a *app) stateShow() *cli.Command {
	var f layoutFlags
	return &cli.Command{
		Name: "show", Usage: "show one znode of the layout with all that is known of it", ArgsUsage: "ADDR",
		Description: "ADDR is an address; without a key it stands for all instances.\n\nExamples:\n  lockform state show lock.report",
		Flags:       f.connecting(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			addrs, err := addresses(cmd, 1)
			if err != nil {
				return err
			}
			return a.runStateShow(ctx, &f, addrs[0])
		},
	}
}

func (a *app) runStateShow(ctx context.Context, f *layoutFlags, addr layout.Address) error {
	l, links, closeAll, err := a.live(ctx, f)
	if err != nil {
		return err
	}
	defer closeAll()
	trees, err := a.trees(ctx, l.Ledger, links, false)
	if err != nil {
		return err
	}
	shown := 0
	for i, tree := range trees {
		for _, m := range tree.Nodes {
			if !is(addr, m.Record.Address) {
				continue
			}
			acl, _, err := links[i].GetACL(ctx, m.Path)
			if err != nil {
				return err
			}
			if shown > 0 {
				fmt.Fprintln(a.Out)
			}
			shown++
			a.showNode(tree.Ensemble, m)
			for _, e := range acl.Canonical() {
				fmt.Fprintf(a.Out, "  acl              %s\n", e)
			}
		}
	}
	if shown == 0 {
		return notOwned(addr)
	}
	return nil
}

// is reports whether b is the block a, or an instance of it, but not what is
// inside of it.
func is(a, b layout.Address) bool { return a.Covers(b) && len(a.Steps()) == len(b.Steps()) }

func notOwned(addr layout.Address) error {
	return &fault{summary: fmt.Sprintf("the layout owns nothing with the address %s", addr), detail: "Run \"lockform state list\" for what it owns."}
}

func (a *app) showNode(ensemble string, m plan.Managed) {
	fmt.Fprintf(a.Out, "%s\n", a.bold(address(m)))
	row := func(name, format string, args ...any) {
		fmt.Fprintf(a.Out, "  %-16s %s\n", name, fmt.Sprintf(format, args...))
	}
	row("ensemble", "%s", ensemble)
	row("path", "%s", m.Path)
	row("kind", "%s", m.Record.Kind)
	row("protected", "%v", m.Record.Protected)
	row("created", "%s (zxid %d)", m.Stat.Ctime.UTC().Format(time.RFC3339), m.Stat.Czxid)
	row("changed", "%s (zxid %d)", m.Stat.Mtime.UTC().Format(time.RFC3339), m.Stat.Mzxid)
	row("version", "%d", m.Stat.Version)
	row("aversion", "%d", m.Stat.Aversion)
	row("children", "%d", m.Stat.NumChildren)
	if m.Record.Policy != nil {
		for _, attr := range m.Record.Policy.Attributes() {
			row(attr.Name, "%s", strings.Trim(attr.Value, `"`))
		}
	}
}

func (a *app) stateRm() *cli.Command {
	var f applyFlags
	return &cli.Command{
		Name: "rm", Usage: "disown znodes; nothing is deleted", ArgsUsage: "ADDR…",
		Description: `Clears the records of the given blocks and of what is inside, so that the layout
owns them no more. The znodes stay, and locks that are held stay held.

With ensemble.NAME the ledgers forget an ensemble that has gone from the
configuration, whatever stands there.

Examples:
  lockform state rm namespace.legacy
  lockform state rm ensemble.old`,
		Flags: append([]cli.Flag{
			cmdline.Duration("lock-timeout", "DURATION", "wait so long for an apply lock that another holds (default 0s)", &f.lockTimeout),
		}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			f.approved, f.quiet = true, true
			if name, ok := goneName(cmd.Args().First()); ok {
				if err := cmdline.AtMost(cmd, 1); err != nil {
					return err
				}
				f.options.Forget = []string{name}
				return a.runStateRm(ctx, &f)
			}
			addrs, err := addresses(cmd, -1)
			if err != nil {
				return err
			}
			f.options.Disown = addrs
			return a.runStateRm(ctx, &f)
		},
	}
}

func (a *app) runStateRm(ctx context.Context, f *applyFlags) error {
	_, links, p, closeAll, err := a.makePlan(ctx, &f.planFlags)
	if err != nil {
		return err
	}
	defer closeAll()
	if len(f.options.Forget) > 0 && p.Empty() {
		return &fault{summary: fmt.Sprintf("no ledger speaks of an ensemble %q", f.options.Forget[0])}
	}
	for _, addr := range f.options.Disown {
		if !slices.ContainsFunc(p.Ensembles, func(e plan.Ensemble) bool {
			return slices.ContainsFunc(e.Steps, func(s plan.Step) bool { return s.Has(plan.Disown) && addr.Covers(s.Address) })
		}) {
			return notOwned(addr)
		}
	}
	if err := a.showPlan(p, &f.planFlags); err != nil {
		return err
	}
	if err := refuseBlocked(ctx, f, p, links); err != nil {
		return err
	}
	_, err = a.carryOut(ctx, f, p, links)
	return err
}

// addresses reads the arguments of a command: as many as n, or at least one
// when n is negative.
func addresses(cmd *cli.Command, n int) ([]layout.Address, error) {
	args := cmd.Args().Slice()
	switch {
	case len(args) == 0:
		return nil, cmdline.Usage(cmd, "it takes an address")
	case n > 0 && len(args) > n:
		return nil, cmdline.Usage(cmd, "unexpected argument %q", args[n])
	}
	var all []layout.Address
	for _, arg := range args {
		addr, err := layout.ParseAddress(arg)
		if err != nil {
			return nil, cmdline.Usage(cmd, "%v", err)
		}
		all = append(all, addr)
	}
	return all, nil
}
