package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/hcl"
)

func (a *app) console() *cli.Command {
	var f layoutFlags
	return &cli.Command{
		Name: "console", Usage: "evaluate expressions in the layout's scope",
		Description: `Reads expressions, one on each line, and prints their values. They can refer to
what the layout declares (var, local, acl, policy, ensemble) and to all
functions. Lines that are empty or begin with "#" are skipped; "exit" or the end
of the input ends it. Sensitive values are not shown. No server is asked.

When the input is no terminal the exit code is 1 if an expression was wrong.

Examples:
  lockform console
  echo 'length(local.teams)' | lockform console -var env=prod`,
		Flags: f.loading(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if err := cmdline.NoArgs(cmd); err != nil {
				return err
			}
			scope, diags := hcl.OpenScope(".", a.options(ctx, &f))
			if err := a.diagnose(ctx, diags, false); err != nil {
				return err
			}
			return a.evaluate(ctx, scope)
		},
	}
}

// evaluate reads expressions until the input ends. On a terminal a wrong one is
// no failure: who typed it has seen what is wrong.
func (a *app) evaluate(ctx context.Context, scope *hcl.Scope) error {
	next := a.lines(ctx)
	if a.InTerminal {
		next = func() (string, error) { return a.Ask(ctx, "> ", false) }
	}
	failed := false
	for {
		line, err := next()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, io.EOF) || errors.Is(err, term.ErrNoAnswer):
			line = "exit"
		case err != nil:
			return fmt.Errorf("read the expressions: %w", err)
		}
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case line == "exit" && failed && !a.InTerminal:
			return errReported
		case line == "exit":
			return nil
		}
		value, diags := scope.Evaluate(line)
		if err := diags.WriteText(a.Err, term.Width(a.Err), a.ErrColor()); err != nil {
			return err
		}
		if diags.HasErrors() {
			failed = true
			continue
		}
		if _, err := fmt.Fprintln(a.Out, value); err != nil {
			return err
		}
	}
}

// lines returns a function that reads standard input line by line. When ctx
// ends it returns at once; a read that is under way is left behind, since it
// cannot be taken back, and the process ends soon.
func (a *app) lines(ctx context.Context) func() (string, error) {
	in := bufio.NewReader(a.In)
	type result struct {
		line string
		err  error
	}
	return func() (string, error) {
		got := make(chan result, 1)
		go func() {
			line, err := in.ReadString('\n')
			if line != "" && errors.Is(err, io.EOF) {
				err = nil // the last line has no end
			}
			got <- result{line, err}
		}()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case r := <-got:
			return r.line, r.err
		}
	}
}
