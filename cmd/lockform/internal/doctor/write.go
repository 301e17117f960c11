package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lockform/lockform/cmd/lockform/internal/term"
)

// Text writes the report for people: the servers, then what was found, the worst
// first, each with what to do.
func (r *Report) Text(w io.Writer, color bool) error {
	var b strings.Builder
	for i := range r.Ensembles {
		r.Ensembles[i].text(&b, color)
	}
	titles := map[Severity]string{Error: "Errors", Warning: "Warnings", Note: "Notes"}
	colors := map[Severity]term.Style{Error: term.Red, Warning: term.Yellow, Note: term.Cyan}
	for _, s := range severities {
		if r.Count(s) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s\n\n", term.Paint(color, titles[s], colors[s], term.Bold))
		for _, f := range r.Findings {
			if f.Severity == s {
				f.text(&b, len(r.Ensembles) > 1)
			}
		}
	}
	line := fmt.Sprintf("%s, %s, %s.", count(r.Count(Error), "error", "errors"), count(r.Count(Warning), "warning", "warnings"), count(r.Count(Note), "note", "notes"))
	if len(r.Findings) == 0 {
		line = "Healthy: nothing was found."
	}
	b.WriteString(term.Paint(color, line, term.Bold) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (e *Ensemble) text(b *strings.Builder, color bool) {
	up := 0
	for i := range e.Servers {
		if e.Servers[i].Reachable {
			up++
		}
	}
	works := "quorum, " + count(e.Locks, "lock", "locks")
	if !e.Quorum {
		works = "no quorum"
	}
	fmt.Fprintf(b, "%s: %d of %s reachable, %s\n", term.Paint(color, fmt.Sprintf("Ensemble %q", e.Name), term.Bold),
		up, count(len(e.Servers), "server", "servers"), works)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  SERVER\tMODE\tVERSION\tLATENCY MIN/AVG/MAX\tOUTSTANDING\tCONNECTIONS\tWORDS ALLOWED")
	for i := range e.Servers {
		s := &e.Servers[i]
		mode := s.Mode
		switch {
		case !s.Reachable:
			mode = "unreachable"
		case !s.Serving:
			mode = "not serving"
		}
		latency := "-"
		if s.Latency.Avg >= 0 {
			latency = fmt.Sprintf("%s/%s/%s ms", decimal(s.Latency.Min), decimal(s.Latency.Avg), decimal(s.Latency.Max))
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Address, dash(mode), dash(s.Version), latency,
			amount(s.Outstanding), amount(s.Connections), dash(strings.Join(s.WordsAllowed, " ")))
	}
	t.Flush()
	b.WriteByte('\n')
}

func (f *Finding) text(b *strings.Builder, several bool) {
	where := ""
	if several && f.Ensemble != "" {
		where = f.Ensemble + ": "
	}
	if f.Server != "" {
		where += f.Server + ": "
	}
	fmt.Fprintf(b, "  - %s%s.\n", where, f.Summary)
	if f.Address != "" {
		fmt.Fprintf(b, "    in %s\n", f.Address)
	}
	if f.Remedy != "" {
		fmt.Fprintf(b, "    %s\n", f.Remedy)
	}
	b.WriteByte('\n')
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func amount(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

// A document is what "doctor -json" prints.
type document struct {
	FormatVersion string     `json:"format_version"`
	Time          time.Time  `json:"time"`
	Healthy       bool       `json:"healthy"` // nothing is an error
	Errors        int        `json:"error_count"`
	Warnings      int        `json:"warning_count"`
	Notes         int        `json:"note_count"`
	Ensembles     []Ensemble `json:"ensembles"`
	Findings      []Finding  `json:"findings"`
}

// JSON writes the report as one document, indented.
func (r *Report) JSON(w io.Writer) error {
	d := document{"1.0", r.Time.UTC(), r.Healthy(), r.Count(Error), r.Count(Warning), r.Count(Note), r.Ensembles, r.Findings}
	if d.Ensembles == nil {
		d.Ensembles = []Ensemble{}
	}
	if d.Findings == nil {
		d.Findings = []Finding{}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
