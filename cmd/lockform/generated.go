package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lockform/lockform/cmd/lockform/internal/survey"
	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/zkfs/layout"
)

// generateConfig writes to a new file a block for each import block whose target
// is not declared, after the live tree. It reports whether there is a plan to be
// made: the file is part of the layout.
func (a *app) generateConfig(ctx context.Context, f *layoutFlags, file string) (bool, error) {
	if _, err := os.Lstat(file); err == nil {
		return false, &fault{summary: fmt.Sprintf("%s exists already", file), detail: "-generate-config-out writes a new file only. Name another one, or remove it."}
	}
	var missing []layout.Import
	o := a.options(ctx, f)
	o.Undeclared = func(i layout.Import) { missing = append(missing, i) }
	if ask := o.Ask; ask != nil {
		o.Ask = func(name, description string, sensitive bool) (string, error) {
			answer, err := ask(name, description, sensitive)
			f.vars = append(f.vars, hcl.Assignment{Name: name, Value: answer}) // not to be asked again
			return answer, err
		}
	}
	l, diags, err := a.read(ctx, o)
	if err != nil {
		return false, err
	}
	if err := a.diagnose(ctx, diags, true); err != nil {
		return false, err
	}
	if len(missing) == 0 {
		a.say("Every import block has its target: %s was not written.\n\n", file)
		return true, nil
	}
	made, err := a.missingBlocks(ctx, l, missing)
	if err != nil {
		return false, err
	}
	if err := replace(file, hcl.Generate(made, a.freePrefix(ctx, f)), 0o644); err != nil {
		return false, &fault{summary: fmt.Sprintf("cannot write %s", file), detail: sentence(err.Error()), err: err}
	}
	if !inLayout(file) {
		a.say("Wrote %s. It is no part of the layout where it is: move it into the layout's directory\nunder a name that ends in .hcl, review it, and plan.\n", file)
		return false, nil
	}
	a.say("Wrote %s. Review it: some of it may be a guess.\n\n", file)
	return true, nil
}

// say prints for people; nothing where the output is for programs.
func (a *app) say(format string, args ...any) {
	if !a.mute {
		fmt.Fprintf(a.Out, format, args...)
	}
}

// missingBlocks looks at the znodes that the import blocks name.
func (a *app) missingBlocks(ctx context.Context, l *layout.Layout, missing []layout.Import) (*layout.Layout, error) {
	for _, i := range missing {
		steps := i.To.Steps()
		switch {
		case len(steps) > 1:
			return nil, &fault{
				summary: fmt.Sprintf("no block can be made for %s", i.To), where: i.Pos,
				detail: fmt.Sprintf("It belongs into the block of %s, which is written by hand. Write it there, or give the import a target at the top.", strings.TrimSuffix(string(i.To), "."+steps[len(steps)-1].String())),
			}
		case steps[0].Key != nil:
			return nil, &fault{
				summary: fmt.Sprintf("no block can be made for %s", i.To), where: i.Pos,
				detail: "It is one of several that for_each makes, and over what they go cannot be told. Write the block, or give the import a target without a key.",
			}
		case len(l.Ensembles) > 1:
			return nil, &fault{
				summary: fmt.Sprintf("no block can be made for %s", i.To), where: i.Pos,
				detail: fmt.Sprintf("The layout has several ensembles, and an import block does not say in which one %s is. Use lockform import -recursive NAME:%s.", i.Path, i.Path),
			}
		}
	}
	links, closeAll, err := a.connect(ctx, l.Ensembles)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	all := &layout.Layout{Name: l.Name, Ensembles: l.Ensembles}
	for _, i := range missing {
		tree, err := a.survey(ctx, links[0], i.Path, survey.ReadOne)
		if err != nil {
			return nil, err
		}
		one, notes := tree.One(surveyOptions(l, links[0]), i.To)
		a.tellNotes(notes)
		all.Namespaces, all.Locks = append(all.Namespaces, one.Namespaces...), append(all.Locks, one.Locks...)
	}
	return all, nil
}

// inLayout reports whether a file is one of the layout in the working directory.
func inLayout(file string) bool {
	abs, err := filepath.Abs(file)
	dir, err2 := filepath.Abs(".")
	name := filepath.Base(abs)
	return err == nil && err2 == nil && filepath.Dir(abs) == dir &&
		strings.HasSuffix(name, ".hcl") && !strings.HasSuffix(name, ".vars.hcl") && !strings.HasPrefix(name, ".")
}
