// Package doctor looks for what is wrong, or will be, with the ensembles of a
// layout: servers, quorum, versions, and what stands in the trees.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says how bad a finding is.
type Severity string

// The severities. An error is something that does not work now, or is not safe.
const (
	Error   Severity = "error"
	Warning Severity = "warning" // works now, and will not for ever, or lets others do harm
	Note    Severity = "note"    // worth knowing
)

// A Finding is one thing that a doctor noticed.
type Finding struct {
	Severity Severity `json:"severity"`
	Check    string   `json:"check"` // which one noticed it, such as "quorum"
	Ensemble string   `json:"ensemble"`
	Server   string   `json:"server,omitempty"`  // host:port
	Address  string   `json:"address,omitempty"` // of the block that it is about
	Paths    []string `json:"paths"`             // of the znodes that it is about; empty for none
	Summary  string   `json:"summary"`           // one line, without a period
	Remedy   string   `json:"remedy"`            // what to do, in sentences; "" where there is nothing
}

// An Ensemble is what was found out about one ensemble.
type Ensemble struct {
	Name    string   `json:"name"`
	Quorum  bool     `json:"quorum"` // a server says that it serves requests
	Servers []Server `json:"servers"`
	Locks   int      `json:"locks"` // that the layout owns
}

// A Report is the result of an examination.
type Report struct {
	Time      time.Time
	Ensembles []Ensemble
	Findings  []Finding
}

// Add takes what was found about an ensemble.
func (r *Report) Add(e Ensemble, findings []Finding) {
	r.Ensembles = append(r.Ensembles, e)
	r.Findings = append(r.Findings, findings...)
}

// Count returns the number of findings of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Severity == s {
			n++
		}
	}
	return n
}

// Healthy reports whether nothing is an error.
func (r *Report) Healthy() bool { return r.Count(Error) == 0 }

var severities = []Severity{Error, Warning, Note}

// Sort puts the findings into the order in which they are shown: the worst
// first, then by ensemble, server, check and path.
func (r *Report) Sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(severities, a.Severity), slices.Index(severities, b.Severity)),
			cmp.Compare(a.Ensemble, b.Ensemble), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Check, b.Check),
			slices.Compare(a.Paths, b.Paths), cmp.Compare(a.Summary, b.Summary),
		)
	})
}

// some names the first few of many.
func some(names []string) string {
	const few = 3
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + fmt.Sprintf(" and %d more", len(names)-few)
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Failure is the finding that an ensemble could not be examined any further.
func Failure(ensemble, why, remedy string) Finding {
	return Finding{Severity: Error, Check: "access", Ensemble: ensemble, Paths: []string{}, Summary: "The tree could not be examined: " + strings.TrimSuffix(why, "."), Remedy: remedy}
}
