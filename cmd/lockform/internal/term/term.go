// Package term is what the commands know of the terminal they run in: whether
// there is one, its width, colours, questions and progress.
package term

import (
	"io"
	"os"

	"github.com/mattn/go-isatty"
	"golang.org/x/term"
)

// Streams are the standard streams of a command.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer

	InTerminal, OutTerminal, ErrTerminal bool
	// NoColor switches colours off on terminals too.
	NoColor bool
}

// Standard returns the streams of the process.
func Standard() *Streams {
	return &Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  isatty.IsTerminal(os.Stdin.Fd()),
		OutTerminal: isatty.IsTerminal(os.Stdout.Fd()),
		ErrTerminal: isatty.IsTerminal(os.Stderr.Fd()),
		NoColor:     os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb",
	}
}

// OutColor reports whether to colour what goes to Out.
func (s *Streams) OutColor() bool { return s.OutTerminal && !s.NoColor }

// ErrColor reports whether to colour what goes to Err.
func (s *Streams) ErrColor() bool { return s.ErrTerminal && !s.NoColor }

// Width returns the width of the terminal behind w in characters, at least 40,
// and 0 when there is no terminal: what goes to a file is not wrapped.
func Width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !isatty.IsTerminal(f.Fd()) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil || n == 0 {
		return 80
	}
	return max(n, 40)
}

// A Style is how a piece of text looks on a terminal.
type Style string

// The styles, as parameters of the escape sequence "select graphic rendition".
const (
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
	Cyan   Style = "36"
)

// Paint returns s in the given styles, and s itself when color is false.
func Paint(color bool, s string, styles ...Style) string {
	if !color || len(styles) == 0 || s == "" {
		return s
	}
	seq := "\x1b["
	for i, st := range styles {
		if i > 0 {
			seq += ";"
		}
		seq += string(st)
	}
	return seq + "m" + s + "\x1b[0m"
}
