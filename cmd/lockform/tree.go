package main

import (
	"bytes"
	"context"
	"sync"

	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// live loads the layout without its warnings and connects to its ensembles, for
// commands that look at the live tree. The caller closes.
func (a *app) live(ctx context.Context, f *layoutFlags) (*layout.Layout, []*link, func(), error) {
	f.quiet = true
	l, err := a.load(ctx, f)
	if err != nil {
		return nil, nil, nil, err
	}
	links, closeAll, err := a.connect(ctx, l.Ensembles)
	return l, links, closeAll, err
}

// trees reads the managed part of every ensemble, all at once, and what nobody
// owns beside it when unmanaged is true.
func (a *app) trees(ctx context.Context, ledger zkfs.Path, links []*link, unmanaged bool) ([]plan.Tree, error) {
	progress := a.Progress("Reading the live tree")
	defer progress.Stop()
	trees, errs := make([]plan.Tree, len(links)), make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() {
			trees[i].Ensemble = l.name()
			if trees[i].Ledger, errs[i] = plan.ReadLedger(ctx, l, ledger); errs[i] == nil {
				trees[i].Nodes, errs[i] = plan.List(ctx, l, trees[i].Ledger, unmanaged)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return trees, together(errs)
}

// loadEnsembles evaluates only the ensemble blocks of the working directory.
func (a *app) loadEnsembles(ctx context.Context, f *layoutFlags) ([]layout.Ensemble, error) {
	ensembles, diags := hcl.LoadEnsembles(".", a.options(ctx, f))
	if err := a.diagnose(ctx, diags, true); err != nil {
		return nil, err
	}
	return ensembles, nil
}

// print writes a document to standard output, with a newline at its end.
func (a *app) print(doc []byte) error {
	_, err := a.Out.Write(append(bytes.TrimRight(doc, "\n"), '\n'))
	return err
}

func (a *app) bold(s string) string { return term.Paint(a.OutColor(), s, term.Bold) }

// connectString returns servers and chroot as -servers takes them.
func connectString(servers []string, chroot zkfs.Path) string {
	var b bytes.Buffer
	for i, s := range servers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s)
	}
	if chroot != "" && chroot != zkfs.Root {
		b.WriteString(chroot.String())
	}
	return b.String()
}
