package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// layoutFlags are those of every command that loads the layout.
type layoutFlags struct {
	vars     []hcl.Assignment // -var and -var-file in the order given
	input    bool
	override []hcl.Override // -servers and -ensemble in the order given
	quiet    bool           // warnings are not shown
}

// loading returns the flags of a command that loads the layout.
func (f *layoutFlags) loading() []cli.Flag {
	f.input = true
	return []cli.Flag{
		cmdline.Func("var", "NAME=VALUE", "set a variable; may be repeated", func(s string) error {
			v, err := hcl.ParseVar(s)
			if err != nil {
				// The framework's words would repeat the value, which may be a secret.
				return errVar
			}
			f.vars = append(f.vars, v)
			return nil
		}),
		cmdline.Func("var-file", "FILE", "set variables from a file; may be repeated", func(s string) error {
			f.vars = append(f.vars, hcl.Assignment{File: s})
			return nil
		}),
		cmdline.Bool("input", "ask for missing variables on a terminal (default true)", &f.input),
	}
}

// errVar stands for a -var that is no assignment.
var errVar = errors.New("-var needs NAME=VALUE, such as -var env=prod")

// connecting returns the flags of a command that also connects.
func (f *layoutFlags) connecting() []cli.Flag {
	return append(f.loading(),
		cmdline.Func("servers", "CONNECT", "servers of the only ensemble: host:port,host:port/chroot", func(s string) error {
			f.override = append(f.override, hcl.Override{Servers: s})
			return nil
		}),
		cmdline.Func("ensemble", "NAME=CONNECT", "servers of the ensemble NAME; may be repeated", func(s string) error {
			o, err := hcl.ParseOverride(s)
			if err == nil {
				f.override = append(f.override, o)
			}
			return err
		}))
}

// options returns how to load the layout of the working directory.
func (a *app) options(ctx context.Context, f *layoutFlags) hcl.Options {
	o := hcl.Options{Vars: f.vars, Environ: os.Environ(), Ensembles: f.override, Version: zkfs.Version()}
	if f.input && a.InTerminal {
		o.Ask = func(name, description string, sensitive bool) (string, error) {
			return a.askVariable(ctx, name, description, sensitive)
		}
	}
	return o
}

// gcPercent is how much garbage there may be beside what is in use, unless GOGC
// says otherwise. Of a layout and its plan nearly everything stays in use: less
// than usual bounds the memory of large ones, and costs a tenth of the time.
const gcPercent = 40

// load reads the layout of the working directory and shows what is wrong with
// it. The error is errReported when that has been said.
func (a *app) load(ctx context.Context, f *layoutFlags) (*layout.Layout, error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	l, diags, err := a.read(ctx, a.options(ctx, f))
	if err != nil {
		return nil, err
	}
	if err := a.diagnose(ctx, diags, f.quiet); err != nil {
		return nil, err
	}
	return l, nil
}

// read is hcl.Load of the working directory that ^C ends too: expressions
// can take as long as somebody writes them to. A question that stands on the
// terminal gets a moment to restore it.
func (a *app) read(ctx context.Context, o hcl.Options) (*layout.Layout, hcl.Diagnostics, error) {
	var l *layout.Layout
	var diags hcl.Diagnostics
	done := make(chan struct{})
	go func() {
		defer close(done)
		l, diags = hcl.Load(".", o)
	}()
	select {
	case <-done:
		return l, diags, nil
	case <-ctx.Done():
	}
	select {
	case <-done:
	case <-time.After(time.Second):
	}
	return nil, nil, context.Cause(ctx)
}

// diagnose shows diagnostics, and returns errReported when one is an error.
// With quiet set warnings alone are not shown.
func (a *app) diagnose(ctx context.Context, diags hcl.Diagnostics, quiet bool) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	for _, s := range a.streams {
		for i := range diags {
			s.Diagnostic(problem(diags[i]))
		}
	}
	if !a.mute && (diags.HasErrors() || !quiet) {
		if err := diags.WriteText(a.Err, term.Width(a.Err), a.ErrColor()); err != nil {
			return err
		}
		if len(diags) > 0 && !diags.HasErrors() {
			fmt.Fprintln(a.Err) // what follows is no part of the warnings
		}
	}
	if diags.HasErrors() {
		return errReported
	}
	return nil
}

// problem returns a diagnostic of the language as one of the planner's, for a
// stream that has both.
func problem(d hcl.Diagnostic) plan.Problem {
	p := plan.Problem{Warning: d.Severity == hcl.Warning, Summary: d.Summary, Detail: d.Detail}
	if d.Range != nil {
		p.Pos = layout.Pos{File: d.Range.Filename, Line: d.Range.Start.Line, Column: d.Range.Start.Column}
	}
	return p
}

// askVariable asks for the value of a variable, as Terraform does.
func (a *app) askVariable(ctx context.Context, name, description string, sensitive bool) (string, error) {
	fmt.Fprintf(a.Out, "%s\n", term.Paint(a.OutColor(), "var."+name, term.Bold))
	if description != "" {
		fmt.Fprintf(a.Out, "  %s\n", strings.ReplaceAll(description, "\n", "\n  "))
	}
	answer, err := a.Ask(ctx, "\n  "+term.Paint(a.OutColor(), "Enter a value: ", term.Bold), sensitive)
	fmt.Fprintln(a.Out)
	return answer, err
}
