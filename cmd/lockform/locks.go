package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/live"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// watchInterval is how often -watch looks.
const watchInterval = time.Second

func (a *app) locks() *cli.Command {
	var f layoutFlags
	var asJSON, watch bool
	return &cli.Command{
		Name: "locks", Usage: "show who holds and who waits for locks now", ArgsUsage: "[PATH]…",
		Description: `Shows the holders and waiters of every lock that the layout owns, or of the
given locks, which need not be declared; a namespace stands for the locks in it.
A PATH is written NAME:/path where there are several ensembles.

Examples:
  lockform locks
  lockform locks /locks/billing/report -json
  lockform locks -watch`,
		Flags: append([]cli.Flag{
			cmdline.Bool("json", "print one JSON document; with -watch one on each line", &asJSON),
			cmdline.Bool("watch", "show it again whenever something has changed, until interrupted", &watch),
		}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return a.runLocks(ctx, &f, cmd.Args().Slice(), asJSON, watch)
		},
	}
}

func (a *app) runLocks(ctx context.Context, f *layoutFlags, args []string, asJSON, watch bool) error {
	f.quiet = true
	var ledger zkfs.Path
	var ensembles []layout.Ensemble
	var err error
	if len(args) > 0 {
		ensembles, err = a.loadEnsembles(ctx, f)
	} else if l, e := a.load(ctx, f); e == nil {
		ledger, ensembles = l.Ledger, l.Ensembles
	} else {
		err = e
	}
	if err != nil {
		return err
	}
	wanted, err := places(ensembles, args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		ensembles = slices.DeleteFunc(ensembles, func(e layout.Ensemble) bool { return len(wanted[e.Name]) == 0 })
	}
	links, closeAll, err := a.connect(ctx, ensembles)
	if err != nil {
		return err
	}
	defer closeAll()
	look := func() ([]live.Lock, error) {
		if len(args) == 0 {
			return a.managedLocks(ctx, ledger, links)
		}
		return a.namedLocks(ctx, links, wanted)
	}
	locks, err := look()
	if err != nil {
		return err
	}
	if !watch {
		if asJSON {
			return live.JSON(a.Out, locks, time.Now())
		}
		if len(locks) == 0 {
			_, err := fmt.Fprintln(a.Out, "There are no locks: the layout has not been applied, or declares none.")
			return err
		}
		return live.Text(a.Out, locks, time.Now())
	}
	return a.watchLocks(ctx, locks, look, asJSON)
}

// watchLocks shows the locks again whenever something has changed, until it is
// interrupted.
func (a *app) watchLocks(ctx context.Context, locks []live.Lock, look func() ([]live.Lock, error), asJSON bool) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var shown []byte
	for {
		now := time.Now()
		// What is compared has no clock in it, or everything would change always.
		var same bytes.Buffer
		if err := live.Line(&same, locks, time.Time{}); err != nil {
			return err
		}
		if !bytes.Equal(same.Bytes(), shown) {
			shown = bytes.Clone(same.Bytes())
			var out bytes.Buffer
			switch {
			case asJSON:
				if err := live.Line(&out, locks, now); err != nil {
					return err
				}
			default:
				if a.OutTerminal {
					out.WriteString("\x1b[H\x1b[2J")
				}
				fmt.Fprintf(&out, "%s\n\n", now.UTC().Format(time.RFC3339))
				if err := live.Text(&out, locks, now); err != nil {
					return err
				}
				if !a.OutTerminal {
					out.WriteByte('\n')
				}
			}
			if _, err := a.Out.Write(out.Bytes()); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		var err error
		if locks, err = look(); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
	}
}

// managedLocks reads the queues of all locks that the layout owns.
func (a *app) managedLocks(ctx context.Context, ledger zkfs.Path, links []*link) ([]live.Lock, error) {
	trees, err := a.trees(ctx, ledger, links, false)
	if err != nil {
		return nil, err
	}
	var all []live.Lock
	for i, t := range trees {
		locks, err := treeLocks(ctx, links[i], t, len(links) > 1)
		if err != nil {
			return nil, err
		}
		all = append(all, locks...)
	}
	return all, nil
}

// treeLocks reads the queues of the locks in a tree.
func treeLocks(ctx context.Context, l *link, t plan.Tree, several bool) ([]live.Lock, error) {
	var paths []zkfs.Path
	address := map[zkfs.Path]layout.Address{}
	for _, n := range t.Nodes {
		if n.Managed && n.Record.Kind == layout.KindLock {
			paths = append(paths, n.Path)
			address[n.Path] = n.Record.Address
		}
	}
	return queues(ctx, l, paths, address, several)
}

// namedLocks reads the queues of the paths of each ensemble.
func (a *app) namedLocks(ctx context.Context, links []*link, wanted map[string][]zkfs.Path) ([]live.Lock, error) {
	var all []live.Lock
	for _, l := range links {
		paths, address, err := expand(ctx, l, wanted[l.name()])
		if err != nil {
			return nil, err
		}
		locks, err := queues(ctx, l, paths, address, len(wanted) > 1)
		if err != nil {
			return nil, err
		}
		all = append(all, locks...)
	}
	return all, nil
}

func queues(ctx context.Context, l *link, paths []zkfs.Path, address map[zkfs.Path]layout.Address, several bool) ([]live.Lock, error) {
	qs, err := lock.ReadQueues(ctx, l, paths, nil)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, err
	}
	all := make([]live.Lock, len(qs))
	for i, q := range qs {
		all[i] = live.Lock{Address: string(address[q.Path]), Queue: live.Queue{Queue: q}}
		if several {
			all[i].Ensemble = l.name()
		}
	}
	return all, nil
}

// expand replaces namespaces by the locks inside of them. Any other path is
// taken for a lock, whoever made it.
func expand(ctx context.Context, l *link, paths []zkfs.Path) ([]zkfs.Path, map[zkfs.Path]layout.Address, error) {
	var locks []zkfs.Path
	address := map[zkfs.Path]layout.Address{}
	for asked := true; len(paths) > 0; asked = false {
		nodes, err := l.Read(ctx, zkfs.PartData, paths)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
			return nil, nil, err
		}
		var inner []zkfs.Path
		for _, n := range nodes {
			r, err := layout.ParseRecord(n.Data)
			switch {
			case err == nil && (r.Kind == layout.KindNamespace || r.Kind == layout.KindParent):
				inner = append(inner, n.Path)
			case asked || err == nil && r.Kind == layout.KindLock:
				locks = append(locks, n.Path)
				address[n.Path] = r.Address
			}
		}
		paths = paths[:0]
		if len(inner) > 0 {
			parents, err := l.Read(ctx, zkfs.PartChildren, inner)
			if err != nil {
				return nil, nil, err
			}
			for _, n := range parents {
				for _, name := range n.Children {
					paths = append(paths, n.Path.Join(name))
				}
			}
		}
	}
	slices.Sort(locks)
	return slices.Compact(locks), address, nil
}

// places reads PATH arguments, "/path" or "NAME:/path", by ensemble.
func places(ensembles []layout.Ensemble, args []string) (map[string][]zkfs.Path, error) {
	all := map[string][]zkfs.Path{}
	for _, arg := range args {
		name, text, named := strings.Cut(arg, ":/")
		if named && !strings.HasPrefix(arg, "/") {
			text = "/" + text
		} else {
			name, text = "", arg
		}
		path, err := zkfs.ParsePath(text)
		if err != nil {
			return nil, err
		}
		if name == "" {
			if len(ensembles) > 1 {
				return nil, &fault{
					summary: fmt.Sprintf("%s does not say in which ensemble", arg),
					detail:  fmt.Sprintf("Write it as NAME:%s, such as %s:%s.", arg, ensembles[0].Name, arg),
				}
			}
			name = ensembles[0].Name
		}
		if !slices.ContainsFunc(ensembles, func(e layout.Ensemble) bool { return e.Name == name }) {
			return nil, &fault{summary: fmt.Sprintf("there is no ensemble %q", name), detail: fmt.Sprintf("%s names one that is not declared.", arg)}
		}
		all[name] = append(all[name], path)
	}
	return all, nil
}
