package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lockform/lockform/agent"
	"github.com/lockform/lockform/cmd/internal/cmdline"
)

// report shows a failure on standard error and returns the exit code: exec's,
// where it has run.
func (a *app) report(err error) int {
	var use *cmdline.UsageError
	switch {
	case err == nil:
		return a.code
	case errors.As(err, &use):
		a.showError(fmt.Sprintf("%s\nRun \"%s -help\" for how to use it.", use.Message, use.Command))
		return usageCode(use)
	case !a.ran:
		a.code = agent.CodeFailed
	}
	a.showError(err.Error())
	return a.code
}

// showError writes an error in the form of the house: what happened, then
// where and what to do.
func (a *app) showError(text string) {
	if text != "" && text[0] >= 'a' && text[0] <= 'z' {
		text = strings.ToUpper(text[:1]) + text[1:]
	}
	fmt.Fprintf(a.err, "Error: %s\n", text)
}

// usageCode returns the exit code of a usage error. Those of commands that take
// locks are set apart from what the work under a lock could return.
func usageCode(e *cmdline.UsageError) int {
	if strings.HasSuffix(e.Command, " exec") || strings.HasSuffix(e.Command, " hold") {
		return agent.CodeFailed
	}
	return 1
}
