package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lockform/lockform/cmd/lockform/internal/term"
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
// to do. The exit code comes from Err.
type fault struct {
	summary string // without a period
	detail  string // lines, may be empty
	err     error  // may be nil
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
	}
	return codeError
}

// report shows a failure on standard error and returns the exit code.
func (a *app) report(err error) int {
	code := exitCode(err)
	if err == nil || errors.Is(err, errChanges) || errors.Is(err, errUnformatted) || errors.Is(err, errReported) {
		return code
	}
	var use *usageError
	var f *fault
	var summary, detail string
	switch {
	case errors.As(err, &use):
		command := use.command
		if command == "" {
			command = "lockform"
		}
		summary, detail = use.message, fmt.Sprintf("Run %q for how to use it.", command+" -help")
	case errors.As(err, &f):
		summary, detail = f.summary, f.detail
	case errors.Is(err, errInterrupted) || errors.Is(err, context.Canceled) && a.soft.Err() != nil:
		summary = "interrupted; nothing was written"
	default:
		summary = err.Error()
	}
	a.showError(summary, detail)
	return code
}

// showError writes an error as diagnostics are written.
func (a *app) showError(summary, detail string) {
	color := a.ErrColor()
	fmt.Fprintf(a.Err, "%s%s\n", term.Paint(color, "Error: ", term.Bold, term.Red), term.Paint(color, capital(summary), term.Bold))
	if detail != "" {
		fmt.Fprintln(a.Err, strings.TrimRight(detail, "\n"))
	}
}

// warn writes a warning as diagnostics are written.
func (a *app) warn(summary, detail string) {
	color := a.ErrColor()
	fmt.Fprintf(a.Err, "%s%s\n", term.Paint(color, "Warning: ", term.Bold, term.Yellow), term.Paint(color, capital(summary), term.Bold))
	if detail != "" {
		fmt.Fprintln(a.Err, strings.TrimRight(detail, "\n"))
	}
}

// capital begins a sentence; a word that is not lower case, such as a flag or
// a path, stays as it is.
func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
