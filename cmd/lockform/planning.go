package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// planFlags are those of the commands that make a plan.
type planFlags struct {
	layoutFlags
	streamFlags
	options plan.Options
	out     string
	set     []string          // the names of those that a plan file leaves no room for
	gone    []layout.Ensemble // to be emptied, and not declared any more
}

// planning returns the flags of a command that makes a plan.
func (f *planFlags) planning() []cli.Flag {
	flags := []cli.Flag{
		f.address("target", "plan only this block and what is inside; may be repeated", &f.options.Targets),
		f.address("exclude", "leave this block and what is inside out; may be repeated", &f.options.Excludes),
		cmdline.Func("max-delete", "N", "refuse to delete more than N znodes", func(s string) error {
			var n int
			if _, err := fmt.Sscanf(s, "%d", &n); err != nil || n < 0 || fmt.Sprint(n) != s {
				return errors.New("it must be 0 or a larger whole number")
			}
			f.set = append(f.set, "max-delete")
			f.options.MaxDelete = &n
			return nil
		}),
		cmdline.Func("out", "FILE", "write the plan to a file that apply takes", func(s string) error {
			if s == "" {
				return errors.New("it must name a file")
			}
			f.set = append(f.set, "out")
			f.out = s
			return nil
		}),
		cmdline.Bool("json", "print newline-delimited JSON in place of text", &f.json),
		cmdline.String("json-into", "FILE", "write newline-delimited JSON to a file too", &f.into),
	}
	return append(flags, f.connecting()...)
}

// modes returns -destroy and -refresh-only.
func (f *planFlags) modes() []cli.Flag {
	mode := func(name, usage string, m plan.Mode) cli.Flag {
		return &cli.BoolFlag{Name: name, Usage: usage, HideDefault: true, Action: func(_ context.Context, cmd *cli.Command, on bool) error {
			if !on {
				return nil
			}
			if f.options.Mode != plan.Normal {
				return cmdline.Usage(cmd, "-destroy and -refresh-only exclude each other")
			}
			f.set = append(f.set, name)
			f.options.Mode = m
			return nil
		}}
	}
	return []cli.Flag{
		mode("destroy", "plan to delete everything that the layout owns", plan.Destroy),
		mode("refresh-only", "only accept what was changed by hand into the records", plan.RefreshOnly),
	}
}

func (f *planFlags) address(name, text string, to *[]layout.Address) cli.Flag {
	return cmdline.Func(name, "ADDR", text, func(s string) error {
		addr, err := layout.ParseAddress(s)
		if err != nil {
			return err
		}
		f.set = append(f.set, name)
		*to = append(*to, addr)
		return nil
	})
}

// textOptions returns how plan writes to standard output.
func (a *app) textOptions() plan.TextOptions {
	return plan.TextOptions{Color: a.OutColor(), Width: term.Width(a.Out)}
}

// makePlan loads the layout, connects, reads and compares. The function closes
// the sessions; it must be called when the error is nil.
func (a *app) makePlan(ctx context.Context, f *planFlags) (*layout.Layout, []*link, *plan.Plan, func(), error) {
	l, err := a.load(ctx, &f.layoutFlags)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	l.Ensembles = append(l.Ensembles, f.gone...)
	links, closeAll, err := a.connect(ctx, l.Ensembles)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	f.options.Created = time.Now().UTC().Truncate(time.Second)
	p, err := a.compare(ctx, l, links, f.options)
	if err != nil {
		closeAll()
		return nil, nil, nil, nil, err
	}
	return l, links, p, closeAll, nil
}

// compare reads the live trees, all at once, and makes the plan.
func (a *app) compare(ctx context.Context, l *layout.Layout, links []*link, o plan.Options) (*plan.Plan, error) {
	progress := a.Progress("Reading the live tree")
	defer progress.Stop()
	var read atomic.Int64
	declared := len(l.Namespaces) + len(l.Locks)
	lives, errs := make([]*plan.Live, len(links)), make([]error, len(links))
	var wg sync.WaitGroup
	for i, link := range links {
		wg.Go(func() {
			t := counting{link, func(n int) { progress.Set("Reading the live tree", min(int(read.Add(int64(n))), declared), declared) }}
			lives[i], errs[i] = plan.Read(ctx, t, l, link.name(), o)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err := together(errs); err != nil {
		return nil, err
	}
	return plan.Diff(l, lives, o)
}

// counting is a session that tells how many znodes were read.
type counting struct {
	*link
	read func(n int)
}

func (c counting) Read(ctx context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	nodes, err := c.link.Read(ctx, parts, paths)
	c.read(len(nodes))
	return nodes, err
}

// show prints a plan, and writes it to the streams and to the file of -out.
func (a *app) showPlan(p *plan.Plan, f *planFlags) error {
	for _, s := range a.streams {
		s.Plan(p)
	}
	if !a.mute {
		if err := p.WriteText(a.Out, a.textOptions()); err != nil {
			return err
		}
	}
	if f.out == "" {
		return nil
	}
	data, err := p.Encode()
	if err != nil {
		return err
	}
	if err := writeFile(f.out, data); err != nil {
		return &fault{summary: "cannot write the plan file", detail: sentence(err.Error()), err: err}
	}
	return nil
}
