package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// applyFlags are those of apply and destroy.
type applyFlags struct {
	planFlags
	approved    bool
	purge       bool // destroy only
	lockTimeout time.Duration
	drain       time.Duration
}

func (f *applyFlags) applying() []cli.Flag {
	return append([]cli.Flag{
		cmdline.Bool("auto-approve", "do not ask for approval", &f.approved),
		cmdline.Duration("lock-timeout", "DURATION", "wait so long for an apply lock that another holds (default 0s)", &f.lockTimeout),
		cmdline.Duration("drain-timeout", "DURATION", "let locks that are to be deleted run empty for so long (default 0s: refuse)", &f.drain),
		cmdline.Bool("abandon", "give up an unfinished run of another configuration", &f.options.Abandon),
	}, f.planning()...)
}

func (a *app) apply() *cli.Command {
	var f applyFlags
	return &cli.Command{
		Name: "apply", Usage: "make the live tree what the layout declares", ArgsUsage: "[PLANFILE]",
		Description: `Makes a plan, shows it, asks for approval and carries it out. A PLANFILE of
"lockform plan -out" is carried out without asking, and refused whole when the
tree has moved on since.

Exit codes: 4 the plan is stale, 5 it is blocked (protected, held, owned by
another layout, apply lock held), 6 partly applied, 7 the outcome is unknown.
After 4 and 5 nothing has been written; after 6 and 7 run the same again.

Examples:
  lockform apply
  lockform apply release.plan
  lockform apply -auto-approve -lock-timeout=5m -var env=prod
  lockform apply -drain-timeout=10m`,
		Flags: slices.Concat(f.modes(), f.applying(), []cli.Flag{
			f.address("rotate", "make this empty lock anew, so that its sequence begins again; may be repeated", &f.options.Rotate),
		}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.AtMost(cmd, 1); err != nil {
				return err
			}
			file := cmd.Args().First()
			switch {
			case cmd.Args().Len() == 1 && file == "":
				return cmdline.Usage(cmd, "the name of the plan file is empty")
			case file != "" && len(f.set) > 0:
				return cmdline.Usage(cmd, "-%s has no place with a plan file, which says everything already", f.set[0])
			case file == "" && f.json && !f.approved:
				return cmdline.Usage(cmd, "-json needs a plan file or -auto-approve, since it cannot ask")
			}
			return a.streaming(f.streamFlags, func() error {
				if file != "" {
					return a.applyFile(ctx, &f, file)
				}
				return a.planAndApply(ctx, &f)
			})
		},
	}
}

// planAndApply makes a plan, asks, and applies it.
func (a *app) planAndApply(ctx context.Context, f *applyFlags) error {
	verb := "apply"
	if f.options.Mode == plan.Destroy {
		verb = "destroy"
	}
	if !f.approved && (!f.input || !a.InTerminal) {
		return &fault{
			summary: verb + " cannot ask for approval: " + map[bool]string{true: "there is no terminal", false: "-input=false"}[f.input],
			detail: "Use -auto-approve to go on without asking, or save a plan with \"lockform plan -out=FILE\", review it,\n" +
				"and apply exactly that with \"lockform apply FILE\".",
		}
	}
	l, links, p, closeAll, err := a.makePlan(ctx, &f.planFlags)
	if err != nil {
		return err
	}
	defer closeAll()
	ledger := l.Ledger
	if f.lockTimeout == 0 {
		l = nil // there will be no other plan: the memory of a large layout is free
	}
	for {
		if err := a.showPlan(p, &f.planFlags); err != nil {
			return err
		}
		if err := refuseBlocked(ctx, f, p, links); err != nil {
			return err
		}
		idle := p.Empty() && !p.Abandon
		if !f.approved && (!idle || f.purge) {
			if err := a.approve(ctx, p, f.purge); err != nil {
				return err
			}
		}
		waited := false
		if !idle {
			waited, err = a.carryOut(ctx, f, p, links)
		}
		if err == nil && f.purge {
			return a.purge(ctx, ledger, links)
		}
		if !waited || !errors.Is(err, plan.ErrStale) || l == nil {
			return err
		}
		// The apply that was waited for has changed the tree, as was to be
		// expected: the plan to carry out is a new one.
		if !a.mute {
			fmt.Fprintln(a.Out, "\nThe tree was changed while waiting for the apply lock. This is what is to be done now:")
		}
		if p, err = a.compare(ctx, l, links, f.options); err != nil {
			return err
		}
	}
}

// refuseBlocked returns why a plan will not be applied, before anyone is asked
// whether it should. Locks in use are no reason when they are to be drained, nor
// are permissions that the server gives in spite of the ACLs.
func refuseBlocked(ctx context.Context, f *applyFlags, p *plan.Plan, links []*link) error {
	err := p.Refusal(p.Abandon || f.options.Abandon, f.drain > 0)
	if err == nil {
		err = &plan.Error{Err: zkfs.ErrNoAuth}
	}
	for _, l := range links {
		e, ok := p.Ensemble(l.name())
		if !ok {
			continue
		}
		denied, failed := plan.Denied(ctx, l, e)
		if failed != nil {
			return failed
		}
		err.Problems = append(err.Problems, denied...)
	}
	if len(err.Problems) == 0 {
		return nil
	}
	for i := range err.Problems {
		err.Problems[i].Detail += "\nNothing was written."
	}
	return err
}

// approve asks on the terminal. Only "yes" is a yes.
func (a *app) approve(ctx context.Context, p *plan.Plan, purge bool) error {
	question, what := "Do you want to perform these actions?", "lockform will perform the actions described above."
	if p.Mode == plan.Destroy {
		question = "Do you really want to destroy everything that this layout owns?"
		what = "lockform will delete all of its znodes, as shown above. There is no undo."
		if purge {
			what = "lockform will delete all of its znodes, as shown above, and then ledger and history. There is no undo."
		}
	}
	fmt.Fprintf(a.Out, "\n%s\n  %s\n  Only 'yes' will be accepted to approve.\n\n", a.bold(question), what)
	answer, err := a.Ask(ctx, "  "+a.bold("Enter a value: "), false)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.Out)
	if answer != "yes" {
		return &fault{summary: "cancelled", detail: "Nothing was written."}
	}
	return nil
}

// applyFile carries out a saved plan. Only the ensemble blocks of the directory
// are evaluated; the plan says everything else.
func (a *app) applyFile(ctx context.Context, f *applyFlags, file string) error {
	p, err := readPlan(file)
	if err != nil {
		return err
	}
	ensembles, err := a.loadEnsembles(ctx, &f.layoutFlags)
	if err != nil {
		return err
	}
	used, err := sameEnsembles(p, ensembles)
	if err != nil {
		return err
	}
	links, closeAll, err := a.connect(ctx, used)
	if err != nil {
		return err
	}
	defer closeAll()
	if err := refuseBlocked(ctx, f, p, links); err != nil {
		return err
	}
	_, err = a.carryOut(ctx, f, p, links)
	return err
}

// maxPlanFile is how much of a plan file is read, in bytes: several times what
// the plan of a hundred thousand locks has.
const maxPlanFile = 512 << 20

func readPlan(file string) (*plan.Plan, error) {
	data, err := readAny(file, maxPlanFile)
	if err != nil {
		return nil, &fault{summary: "cannot read the plan file", detail: sentence(err.Error()), err: err}
	}
	p, err := plan.Decode(data)
	if err != nil {
		bad := &plan.Error{Kind: plan.ErrPlanFile, Err: err}
		for _, p := range plan.Problems(err) {
			p.Detail = "The file is " + file + ".\n" + p.Detail
			bad.Problems = append(bad.Problems, p)
		}
		return nil, bad
	}
	return p, nil
}

// sameEnsembles returns the ensembles of a saved plan as they are declared now,
// in the plan's order. The error is plan.ErrStale when one differs in more than
// its secrets.
func sameEnsembles(p *plan.Plan, declared []layout.Ensemble) ([]layout.Ensemble, error) {
	stale := &plan.Error{Kind: plan.ErrStale}
	var used []layout.Ensemble
	for i := range p.Ensembles {
		e := &p.Ensembles[i]
		n := slices.IndexFunc(declared, func(d layout.Ensemble) bool { return d.Name == e.Name })
		switch {
		case n < 0:
			stale.Problems = append(stale.Problems, plan.Problem{
				Summary: fmt.Sprintf("The ensemble %q of the plan is not declared any more", e.Name),
				Detail:  "Run \"lockform plan\" again and review the change.",
			})
		case declared[n].Fingerprint() != e.Connection:
			stale.Problems = append(stale.Problems, plan.Problem{
				Summary: fmt.Sprintf("The ensemble %q is declared otherwise than when the plan was made", e.Name),
				Detail: fmt.Sprintf("The plan was made for %s; give the same -servers, -var and -var-file that it was made with,\n"+
					"or run \"lockform plan\" again and review the change.", connectString(e.Servers, e.Chroot)),
				Pos: declared[n].Pos,
			})
		default:
			used = append(used, declared[n])
		}
	}
	if len(stale.Problems) > 0 {
		return nil, stale
	}
	return used, nil
}
