package hcl

import (
	"fmt"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// alike is how many faults with the same summary at the same place are told in
// full. A block with for_each can have the same fault 100,000 times.
const alike = 5

// faults collects the diagnostics of a run.
type faults struct {
	list   hcl.Diagnostics
	seen   map[faultKey]*faultCount
	errors int
	told   map[hcl.Range]bool // places with a fault that the evaluation would find again
}

type faultKey struct {
	severity hcl.DiagnosticSeverity
	summary  string
	subject  hcl.Range
}

type faultCount struct {
	told []*hcl.Diagnostic
	more int
}

// add takes diagnostics, drops repetitions, and counts those that are alike.
func (f *faults) add(diags ...*hcl.Diagnostic) {
	for _, d := range diags {
		if d == nil {
			continue
		}
		if d.Subject != nil && d.Subject.Filename == "" && f.errors > 0 {
			// The evaluation of what the parser made up after a syntax error,
			// such as a call that the file ends in: it stands nowhere.
			continue
		}
		if d.Severity == hcl.DiagError {
			f.errors++
		}
		key := faultKey{severity: d.Severity, summary: d.Summary}
		if d.Subject != nil {
			key.subject = *d.Subject
		}
		if f.seen == nil {
			f.seen = map[faultKey]*faultCount{}
		}
		c := f.seen[key]
		if c == nil {
			c = &faultCount{}
			f.seen[key] = c
		}
		repeated := false
		for _, t := range c.told {
			repeated = repeated || t.Detail == d.Detail
		}
		switch {
		case repeated:
		case len(c.told) == alike && d.Subject != nil:
			c.more++
		default:
			c.told = append(c.told, d)
			f.list = append(f.list, d)
		}
	}
}

// finish says how many there were of what was not told, and returns all.
func (f *faults) finish() hcl.Diagnostics {
	for _, c := range f.seen {
		if c.more > 0 {
			last := c.told[len(c.told)-1]
			last.Detail += fmt.Sprintf("\n\nThere are %d more like this.", c.more)
			c.more = 0
		}
	}
	return f.list
}

// errorf adds an error about a place in the files.
func (f *faults) errorf(at hcl.Range, summary, format string, args ...any) {
	f.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()})
}

// errorAt is errorf for a fault without a place where at is nil.
func (f *faults) errorAt(at *hcl.Range, summary, format string, args ...any) {
	f.add(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at})
}

// warnf adds a warning about a place in the files.
func (f *faults) warnf(at hcl.Range, summary, format string, args ...any) {
	f.add(&hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()})
}

// exprf adds an error about an expression, with the values that it refers to.
func (f *faults) exprf(e hcl.Expression, ctx *hcl.EvalContext, summary, format string, args ...any) {
	f.add(&hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...),
		Subject: e.Range().Ptr(), Expression: e, EvalContext: ctx,
	})
}

// evaluated adds what the evaluation of an expression said. Where it works on
// a sensitive value, its words could repeat that value: they are replaced.
func (f *faults) evaluated(diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Summary == "Call to unknown function" && !strings.Contains(d.Detail, "Did you mean") {
			d.Detail += " Functions have the names that they have in Terraform; those of time, of chance and of the file system are not there, since a layout must mean the same whenever it is read."
		}
		if d.Subject != nil && f.told[*d.Subject] {
			continue
		}
		if d.Expression != nil && d.EvalContext != nil && refersToSensitive(d.Expression, d.EvalContext) {
			d = &hcl.Diagnostic{
				Severity: d.Severity, Summary: d.Summary, Subject: d.Subject, Context: d.Context,
				Detail: "The expression cannot be evaluated with the sensitive value that it refers to. The reason is not shown, since it could reveal the value.",
			}
		}
		f.add(d)
	}
}

func refersToSensitive(e hcl.Expression, ctx *hcl.EvalContext) bool {
	for _, t := range e.Variables() {
		v, diags := t.TraverseAbs(ctx)
		if !diags.HasErrors() && v.ContainsMarked() {
			return true
		}
	}
	return false
}

// suggest returns ` Did you mean "x"?` for the name that is nearest to given,
// and "" when none is near.
func suggest(given string, names []string) string {
	best, distance := "", max(2, len(given)/3)+1
	for _, n := range names {
		if d := levenshtein.Distance(given, n, nil); d < distance {
			best, distance = n, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// enumerate returns "a, b and c".
func enumerate(names []string, word string) string {
	switch len(names) {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + word + " " + names[len(names)-1]
}

// kindOf names the type of a value for a diagnostic.
func kindOf(v cty.Value) string {
	v, _ = v.Unmark()
	if v.IsNull() {
		return "null"
	}
	return v.Type().FriendlyName()
}

// article puts "a" or "an" before the name of a type.
func article(s string) string {
	switch {
	case s == "null" || s == "":
		return s
	case strings.ContainsRune("aeiou", rune(s[0])):
		return "an " + s
	}
	return "a " + s
}
