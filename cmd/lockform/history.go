package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
)

func (a *app) history() *cli.Command {
	var f layoutFlags
	var asJSON bool
	return &cli.Command{
		Name: "history", Usage: "show who applied what, and when",
		Description: `Shows the last 50 runs of the layout, the latest first: when, by whom, from which
git commit, with which plan, and what became of it.

Examples:
  lockform history
  lockform history -json`,
		Flags: append([]cli.Flag{cmdline.Bool("json", "print one JSON document", &asJSON)}, f.connecting()...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			return a.showHistory(ctx, &f, asJSON)
		},
	}
}

func (a *app) showHistory(ctx context.Context, f *layoutFlags, asJSON bool) error {
	l, links, closeAll, err := a.live(ctx, f)
	if err != nil {
		return err
	}
	defer closeAll()
	runs := []plan.Run{}
	for _, link := range links {
		some, err := plan.ReadHistory(ctx, link, l.Ledger)
		if err != nil {
			return err
		}
		for _, r := range some {
			r.Ensemble = link.name()
			runs = append(runs, r)
		}
	}
	if asJSON {
		doc, err := json.MarshalIndent(struct {
			FormatVersion string     `json:"format_version"`
			Layout        string     `json:"layout"`
			Runs          []plan.Run `json:"runs"`
		}{"1.0", l.Name, runs}, "", "  ")
		if err != nil {
			return err
		}
		return a.print(doc)
	}
	if len(runs) == 0 {
		_, err := fmt.Fprintln(a.Out, "Nothing was applied yet.")
		return err
	}
	t := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	head := "SERIAL\tSTARTED\tBY\tCOMMIT\tPLAN\tRESULT"
	if len(links) > 1 {
		head = "ENSEMBLE\t" + head
	}
	fmt.Fprintln(t, head)
	for _, r := range runs {
		row := fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", r.Serial, r.Started.UTC().Format(time.RFC3339), r.By(), shortCommit(r.Commit), shortDigest(r.Plan), result(r))
		if len(links) > 1 {
			row = r.Ensemble + "\t" + row
		}
		fmt.Fprintln(t, row)
	}
	return t.Flush()
}

// result says what became of a run.
func result(r plan.Run) string {
	if r.Done {
		if r.Summary == "" {
			return "done"
		}
		return r.Summary
	}
	return fmt.Sprintf("unfinished: batch %d of %d, %d of %d ACL changes", r.Batch, r.Batches, r.Cursor, r.ACLs)
}

// shortDigest returns the first twelve digits of "sha256:…".
func shortDigest(d string) string {
	d = strings.TrimPrefix(d, "sha256:")
	return d[:min(12, len(d))]
}

// shortCommit returns the first ten digits of a commit, and what follows it.
func shortCommit(c string) string {
	id, rest, _ := strings.Cut(c, "-")
	if id == "" {
		return "-"
	}
	if rest != "" {
		rest = "-" + rest
	}
	return id[:min(10, len(id))] + rest
}
