package plan

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/lockform/lockform/zkfs/layout"
)

// TextOptions say how to write for people. The zero value is plain text of 80
// columns.
type TextOptions struct {
	Color bool // ANSI colours
	Width int  // columns, for wrapping sentences; 0: 80
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	faint  = "\x1b[2m"
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

func (o TextOptions) paint(color, s string) string {
	if !o.Color || s == "" {
		return s
	}
	return color + s + reset
}

// wrap breaks the lines of a text at spaces, each with indent before it. Lines
// that begin with a space stay as they are.
func (o TextOptions) wrap(text, indent string) string {
	width := o.Width
	if width <= 0 {
		width = 80
	}
	width = max(width-len(indent), 20)
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		column := 0
		for i, word := range strings.Split(line, " ") {
			n := len([]rune(word))
			switch {
			case i == 0:
			case column+1+n > width && !strings.HasPrefix(line, " "):
				b.WriteString("\n" + indent)
				column = 0
			default:
				b.WriteByte(' ')
				column++
			}
			if i == 0 {
				b.WriteString(indent)
			}
			b.WriteString(word)
			column += n
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// WriteText shows the plan to people: for each ensemble whether it is atomic,
// the drift, the changes, what is blocked; then the warnings and a summary.
func (p *Plan) WriteText(w io.Writer, o TextOptions) error {
	out := bufio.NewWriter(w)
	for i := range p.Ensembles {
		p.Ensembles[i].writeText(out, o, len(p.Ensembles) > 1)
	}
	for _, problem := range p.Warnings {
		if err := problem.WriteText(out, o); err != nil {
			return err
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, o.paint(bold, p.SummaryLine()))
	return out.Flush()
}

// SummaryLine says in one line what the plan does, such as
// "Plan: 3 to create, 1 to update, 0 to delete." or "No changes. …".
func (p *Plan) SummaryLine() string {
	s := p.Summary()
	if s.Create+s.Adopt+s.Update+s.Move+s.Disown+s.Delete == 0 {
		switch {
		case !p.Empty() && s.Blocked == 0:
			return "Plan: only the ledger is to be written."
		case s.Blocked > 0:
			return "No changes, and " + count(s.Blocked, "thing is", "things are") + " in the way: " + p.verdict() + "."
		case p.Mode == Destroy:
			return "No changes. Nothing of the layout is in the tree."
		case p.Mode == RefreshOnly:
			return "No changes. The tree is as it was recorded."
		}
		return "No changes. The tree matches the configuration."
	}
	parts := []string{fmt.Sprintf("%d to create", s.Create)}
	for _, x := range []struct {
		n    int
		what string
		show bool
	}{
		{s.Adopt, "adopt", false}, {s.Update, "update", true}, {s.Move, "move", false},
		{s.Disown, "disown", false}, {s.Delete, "delete", true},
	} {
		if x.n > 0 || x.show {
			parts = append(parts, fmt.Sprintf("%d to %s", x.n, x.what))
		}
	}
	line := "Plan: " + strings.Join(parts, ", ") + "."
	if s.Blocked > 0 {
		line += fmt.Sprintf(" %d blocked: %s.", s.Blocked, p.verdict())
	}
	return line
}

// verdict says what apply does with a plan of which something is blocked.
func (p *Plan) verdict() string {
	var all []Blocked
	for i := range p.Ensembles {
		all = append(all, p.Ensembles[i].Blocked...)
	}
	return verdict(all)
}

const drainable = "apply will refuse this plan, or with -drain-timeout wait for the locks in use"

func verdict(all []Blocked) string {
	only := func(reason BlockReason) bool {
		return !slices.ContainsFunc(all, func(b Blocked) bool { return b.Reason != reason })
	}
	switch {
	case only(BlockHeld):
		return drainable
	case only(BlockPermission):
		return "apply will refuse this plan, unless the server gives what it needs in spite of the ACLs"
	}
	return "apply will refuse this plan"
}

// Header says whether the ensemble's part is carried out as one, such as
// "atomic: yes" or "atomic: no: 3 batches, then 2 ACL changes (…)".
func (e *Ensemble) Header() string {
	if e.Atomic() {
		return "atomic: yes"
	}
	var what, why []string
	if n := len(e.Batches); n > 0 {
		what = append(what, count(n, "batch", "batches"))
	}
	if len(e.Batches) > 1 {
		why = append(why, fmt.Sprintf("a transaction takes at most %d KiB", MaxBatch>>10))
	}
	if n := len(e.ACLs); n > 0 {
		what = append(what, count(n, "ACL change", "ACL changes"))
		why = append(why, "ZooKeeper's transactions cannot set ACLs")
	}
	return "atomic: no: " + strings.Join(what, ", then ") + " (" + strings.Join(why, "; ") + ")"
}

func (e *Ensemble) writeText(w io.Writer, o TextOptions, several bool) {
	if e.Empty() && len(e.Drift) == 0 && len(e.Blocked) == 0 {
		return
	}
	name := ""
	if several {
		name = fmt.Sprintf("Ensemble %q, ", e.Name)
	}
	if name != "" || !e.Empty() {
		fmt.Fprintf(w, "%s\n\n", o.paint(bold, name+e.Header()))
	}
	if len(e.Drift) > 0 {
		fmt.Fprintf(w, "%s\n\n", o.paint(bold, "Drift: the tree was changed since it was last applied"))
		for _, d := range e.Drift {
			symbol, color := "~", yellow
			if d.Action == Delete {
				symbol, color = "-", red
			}
			fmt.Fprintf(w, "  %s %s: %s\n", o.paint(color, symbol), named(d.Address, string(d.Kind), d.Path.String()), d.Reason)
			writeChanges(w, o, d.Changes)
		}
		fmt.Fprintln(w)
	}
	blocked := make(map[string]BlockReason)
	for _, b := range e.Blocked {
		blocked[b.Path.String()] = b.Reason
	}
	if !e.Empty() {
		fmt.Fprintf(w, "%s\n\n", o.paint(bold, "Changes"))
		for i := range e.Steps {
			e.Steps[i].writeText(w, o, blocked)
		}
		fmt.Fprintln(w)
	}
	if len(e.Blocked) > 0 {
		fmt.Fprintf(w, "%s\n\n", o.paint(bold, "Blocked: "+verdict(e.Blocked)))
		for _, b := range e.Blocked {
			fmt.Fprintf(w, "  %s %s: %s\n", o.paint(red, "!"), named(b.Address, "", b.Path.String()), b.Reason)
			fmt.Fprint(w, o.wrap(b.Detail, "      "))
			for _, h := range b.Holders {
				fmt.Fprintf(w, "      %s\n", h)
			}
		}
		fmt.Fprintln(w)
	}
}

// named returns an address with its path, or what there is of them.
func named(a layout.Address, kind, path string) string {
	switch {
	case a == "" && path == "":
		return "the plan"
	case a == "" && kind != "":
		return kind + " (" + path + ")"
	case a == "":
		return path
	case path == "":
		return string(a)
	}
	return string(a) + " (" + path + ")"
}

func (s *Step) symbol() (symbol, color string) {
	switch {
	case s.Has(Create):
		return "+", green
	case s.Has(Delete):
		return "-", red
	case s.Has(Rotate):
		return "-/+", yellow
	case s.Has(Adopt):
		return "=", cyan
	case s.Has(Disown):
		return ".", red
	case s.Has(Move) && len(s.Actions) == 1:
		return ">", cyan
	}
	return "~", yellow
}

func (s *Step) writeText(w io.Writer, o TextOptions, blocked map[string]BlockReason) {
	if s.NoOp() {
		return
	}
	symbol, color := s.symbol()
	var words []string
	for _, a := range s.Actions {
		words = append(words, string(a))
	}
	what := strings.Join(words, ", ")
	if s.Has(Create) && s.Address != "" {
		what += " " + string(s.Kind)
	}
	line := fmt.Sprintf("  %s %s: %s", o.paint(color, symbol), named(s.Address, string(s.Kind), s.Path.String()), what)
	if reason, ok := blocked[s.Path.String()]; ok {
		line += o.paint(red, fmt.Sprintf(", blocked (%s)", reason))
	}
	if s.Reason != "" {
		line += o.paint(faint, " # "+s.Reason)
	}
	fmt.Fprintln(w, line)
	changes := s.Changes()
	if s.OldData == nil {
		changes = worthShowing(changes)
	}
	writeChanges(w, o, changes)
}

// worthShowing leaves out what a new record has by default.
func worthShowing(changes []Change) []Change {
	defaults := layout.DefaultPolicy().Attributes()
	return slices.DeleteFunc(changes, func(c Change) bool {
		return c.Name != "mode" && slices.Contains(defaults, layout.Attribute{Name: c.Name, Value: c.After})
	})
}
