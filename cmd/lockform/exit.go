package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/cmd/lockform/internal/term"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs/layout"
)

// The exit codes, which are part of the contract with scripts.
const (
	codeDone    = 0
	codeError   = 1 // usage, configuration, connection, permission; ^C before the first write
	codeChanges = 2 // plan -detailed-exitcode only
	codeFormat  = 3 // fmt -check only
	codeStale   = 4 // nothing outside the ledger was written
	codeBlocked = 5 // likewise
	codePartial = 6 // running again continues
	codeUnknown = 7 // running again finds out
)

// What ends a command without being a failure that needs words.
var (
	errChanges     = errors.New("there are changes")
	errUnformatted = errors.New("something would change")
	errReported    = errors.New("the faults have been shown")
)

// A fault is a failure in the words of the house: what happened, where, what
// to do. The exit code comes from err.
type fault struct {
	summary string     // without a period
	where   layout.Pos // zero when no line of the configuration is concerned
	detail  string     // lines, may be empty
	err     error      // may be nil
}

func (f *fault) Error() string {
	if f.detail == "" {
		return f.summary
	}
	return f.summary + ": " + strings.ReplaceAll(f.detail, "\n", " ")
}
func (f *fault) Unwrap() error { return f.err }

// exitCode is the one place where errors become exit codes.
func exitCode(err error) int {
	switch {
	case err == nil:
		return codeDone
	case errors.Is(err, errChanges):
		return codeChanges
	case errors.Is(err, errUnformatted):
		return codeFormat
	case errors.Is(err, plan.ErrUnknown):
		return codeUnknown
	case errors.Is(err, plan.ErrPartial):
		return codePartial
	case errors.Is(err, plan.ErrStale):
		return codeStale
	case errors.Is(err, plan.ErrBlocked):
		return codeBlocked
	}
	return codeError
}

// silent reports whether nothing is left to be said about err.
func silent(err error) bool {
	return err == nil || errors.Is(err, errChanges) || errors.Is(err, errUnformatted) || errors.Is(err, errReported)
}

// problems returns what to say about err.
func problems(err error) []plan.Problem {
	if silent(err) {
		return nil
	}
	var use *cmdline.UsageError
	var f *fault
	var planned *plan.Error
	switch {
	case errors.As(err, &use):
		command := use.Command
		if command == "" {
			command = "lockform"
		}
		return []plan.Problem{{Summary: capital(use.Message), Detail: fmt.Sprintf("Run %q for how to use it.", command+" -help")}}
	case errors.As(err, &planned):
	case errors.As(err, &f):
		return []plan.Problem{{Summary: capital(f.summary), Detail: f.detail, Pos: f.where}}
	case errors.Is(err, errInterrupted):
		return []plan.Problem{{Summary: "Interrupted", Detail: "Nothing was written."}}
	}
	if planned != nil && len(planned.Problems) > 0 {
		return planned.Problems
	}
	return []plan.Problem{{Summary: capital(err.Error()), Detail: advice(err)}}
}

// report shows a failure and returns the exit code.
func (a *app) report(err error) int {
	a.failed(err)
	return exitCode(err)
}

// failed says once what a command failed with: on standard error, and in the
// streams of a command that has them.
func (a *app) failed(err error) {
	if a.told || silent(err) {
		return
	}
	a.told = true
	if a.soft.Err() != nil && errors.Is(err, context.Canceled) && exitCode(err) == codeError {
		err = errInterrupted
	}
	all := problems(err)
	for _, s := range a.streams {
		if errors.As(err, new(*plan.Error)) {
			s.Failed(err)
			continue
		}
		for _, p := range all {
			s.Diagnostic(p)
		}
	}
	if !a.mute {
		a.tell(all...)
	}
}

// tell writes problems to standard error, with an empty line between them.
func (a *app) tell(all ...plan.Problem) {
	for i, p := range all {
		if i > 0 {
			fmt.Fprintln(a.Err)
		}
		// Standard error is the last resort; where it is closed nobody reads.
		_ = p.WriteText(a.Err, plan.TextOptions{Color: a.ErrColor(), Width: term.Width(a.Err)})
	}
}

// capital begins a sentence. A first word that is no plain word, such as a path
// or a flag, stays as it is.
func capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if word == "" || strings.ContainsFunc(strings.TrimRight(word, ",;:"), func(r rune) bool { return r < 'a' || r > 'z' }) {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
