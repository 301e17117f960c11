package live

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/lockform/lockform/agent/lock"
)

// Text writes the locks for people, as they are at the time now.
func Text(w io.Writer, locks []Lock, now time.Time) error {
	var b strings.Builder
	for i, l := range locks {
		if i > 0 && (len(l.Queue.Contenders) > 0 || len(locks[i-1].Queue.Contenders) > 0) {
			b.WriteByte('\n')
		}
		b.WriteString(l.Name())
		if l.Queue.Policy != nil {
			fmt.Fprintf(&b, "  %s", l.Queue.Policy.Mode)
		}
		fmt.Fprintf(&b, "  %s", l.State())
		if l.Queue.Policy == nil && !l.Queue.Absent && !l.Queue.Denied {
			fmt.Fprintf(&b, " (%v)", l.Queue.PolicyErr)
		}
		b.WriteByte('\n')
		if len(l.Queue.Contenders) > 0 {
			t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "  STATE\tMODE\tOWNER\tHOST\tPID\tSINCE\tTOKEN\tCLIENT\tNODE")
			for _, c := range l.Queue.Contenders {
				fmt.Fprintln(t, "  "+strings.Join(row(l, c, now), "\t"))
			}
			t.Flush()
			for _, c := range l.Queue.Contenders {
				for _, note := range Notes(l, c, now) {
					fmt.Fprintf(&b, "  ! %s: %s\n", c.Name, note)
				}
			}
		}
		for _, name := range l.Queue.Unknown {
			fmt.Fprintf(&b, "  ! %s is no contender\n", name)
		}
	}
	for _, d := range Deadlocks(locks) {
		fmt.Fprintf(&b, "\nDeadlock: %s.\n", d)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func row(l Lock, c lock.Contender, now time.Time) []string {
	state, pid, since := "waits", "-", "-"
	if c.Holds {
		state = "holds"
	}
	if c.PID != 0 {
		pid = fmt.Sprint(c.PID)
	}
	if !c.Since.IsZero() {
		since = c.Since.UTC().Format("2006-01-02T15:04:05Z") + " (" + now.Sub(c.Since).Round(time.Second).String() + ")"
	}
	return []string{state, c.Mode, dash(owner(l, c) + says(c)), dash(c.Host), pid, since, fmt.Sprint(c.Token), dash(c.Client), c.Name}
}

// dataWidth is how much of a foreign contender's data is shown.
const dataWidth = 60

// says returns what the client of another make wrote into its contender: with
// Curator the address of its host, with kazoo a name that the program chose.
func says(c lock.Contender) string {
	if c.Owner != "" || len(c.Data) == 0 || len(c.Data) > dataWidth || !utf8.Valid(c.Data) {
		return ""
	}
	return fmt.Sprintf(" %q", c.Data)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
