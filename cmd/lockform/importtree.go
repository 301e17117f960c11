package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lockform/lockform/cmd/lockform/internal/survey"
	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// runImportTree prints the HCL that declares the live tree at a place.
func (a *app) runImportTree(ctx context.Context, f *layoutFlags, place string) error {
	f.quiet = true
	l, err := a.load(ctx, f)
	if err != nil {
		return err
	}
	found, err := places(l.Ensembles, []string{place})
	if err != nil {
		return err
	}
	name, path := only(found)
	ensemble, _ := l.Ensemble(name)
	links, closeAll, err := a.connect(ctx, []layout.Ensemble{*ensemble})
	if err != nil {
		return err
	}
	defer closeAll()
	tree, err := a.survey(ctx, links[0], path, survey.Read)
	if err != nil {
		return err
	}
	made, notes := tree.Layout(surveyOptions(l, links[0]))
	made.Ensembles = l.Ensembles
	a.tellNotes(notes)
	if len(made.Namespaces)+len(made.Locks) == 0 {
		return &fault{summary: fmt.Sprintf("nothing at %s can be declared", place), detail: "No lock was found there that nobody owns yet."}
	}
	return a.print(hcl.Generate(made, a.freePrefix(ctx, f)))
}

// only returns the one place that an argument names.
func only(found map[string][]zkfs.Path) (ensemble string, path zkfs.Path) {
	for name, paths := range found {
		return name, paths[0]
	}
	return "", ""
}

// survey reads the tree at a path with read: all of it, or only what is needed
// to tell what one znode is.
func (a *app) survey(ctx context.Context, l *link, path zkfs.Path, read func(context.Context, survey.Reader, zkfs.Path) (*survey.Tree, error)) (*survey.Tree, error) {
	progress := a.Progress("Reading the live tree")
	defer progress.Stop()
	tree, err := read(ctx, l, path)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, zkfs.ErrNoNode):
		return nil, &fault{summary: fmt.Sprintf("%s does not exist in the ensemble %q", path, l.name()), detail: "Only what stands in the tree can be imported.", err: err}
	}
	return tree, err
}

// surveyOptions tells what the layout has already.
func surveyOptions(l *layout.Layout, at *link) survey.Options {
	declared, taken := map[zkfs.Path]bool{}, map[string]bool{}
	see := func(d layout.Declared) {
		if d.Ensemble == at.name() {
			declared[d.Path] = true
		}
		step := d.Address.Steps()[0]
		taken[step.Type+"."+step.Label] = true
	}
	for _, n := range l.Namespaces {
		see(n.Declared)
	}
	for _, k := range l.Locks {
		see(k.Declared)
	}
	return survey.Options{
		Layout: l.Name, Ensemble: at.name(), Planner: at.Identities(), Declared: declared,
		Taken: func(kind, label string) bool { return taken[kind+"."+label] },
	}
}

// freePrefix returns what names of new ACLs begin with, so that they are not
// those that the layout has.
func (a *app) freePrefix(ctx context.Context, f *layoutFlags) string {
	o := a.options(ctx, f)
	o.Ask, o.Validate = nil, true
	scope, _ := hcl.OpenScope(".", o)
	names := scope.Names()
	prefix := "imported_"
	for i := 2; slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "acl."+prefix) }); i++ {
		prefix = fmt.Sprintf("imported%d_", i)
	}
	return prefix
}

// tellNotes warns of what was left out or guessed, once for all znodes of which
// the same is to be said.
func (a *app) tellNotes(notes []survey.Note) {
	var texts []string
	paths := map[string][]string{}
	for _, n := range notes {
		if paths[n.Text] == nil {
			texts = append(texts, n.Text)
		}
		paths[n.Text] = append(paths[n.Text], n.Path.String())
	}
	for _, text := range texts {
		all := paths[text]
		p := plan.Problem{Warning: true, Summary: fmt.Sprintf("%s %s", all[0], text)}
		if len(all) > 1 {
			const few = 10
			p.Detail = "The same is true of " + strings.Join(all[1:min(len(all), few)], ", ")
			if len(all) > few {
				p.Detail += fmt.Sprintf(" and %d more", len(all)-few)
			}
			p.Detail += "."
		}
		for _, stream := range a.streams {
			stream.Diagnostic(p)
		}
		if !a.mute {
			a.tell(p)
		}
	}
}
