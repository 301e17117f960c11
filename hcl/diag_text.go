package hcl

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/mitchellh/go-wordwrap"
)

// VT100 sequences, as Terraform uses them.
const (
	red       = "\x1b[31m"
	yellow    = "\x1b[33m"
	bold      = "\x1b[1m"
	underline = "\x1b[4m"
	plain     = "\x1b[0m"
)

// WriteText writes the diagnostics as Terraform prints them, each after an
// empty line. Width is that of the terminal in columns; 0 does not wrap. With
// color each has a frame on its left.
func (d Diagnostics) WriteText(w io.Writer, width int, color bool) error {
	for i := range d {
		var b bytes.Buffer
		if color {
			d[i].framed(&b, width)
		} else {
			d[i].plain(&b, width)
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return fmt.Errorf("diagnostics cannot be written: %w", err)
		}
	}
	return nil
}

// plain writes one diagnostic without colour.
func (d *Diagnostic) plain(b *bytes.Buffer, width int) {
	fmt.Fprintf(b, "\n%s: %s\n\n", upperFirst(d.Severity), d.Summary)
	d.source(b, "", "")
	if d.Detail != "" {
		fmt.Fprintf(b, "%s\n", wrap(d.Detail, width))
	}
}

// framed writes one diagnostic with colour, and a line down its left side.
func (d *Diagnostic) framed(b *bytes.Buffer, width int) {
	tint := red
	if d.Severity == Warning {
		tint = yellow
	}
	var in bytes.Buffer
	fmt.Fprintf(&in, "%s%s%s: %s%s%s%s\n\n", bold, tint, upperFirst(d.Severity), plain, bold, d.Summary, plain)
	d.source(&in, underline, plain)
	if d.Detail != "" {
		fmt.Fprintf(&in, "%s\n", wrap(d.Detail, max(width-2, 0)))
	}
	fmt.Fprintf(b, "%s╷%s\n", tint, plain)
	for _, line := range strings.Split(strings.TrimRight(in.String(), "\n"), "\n") {
		fmt.Fprintf(b, "%s│%s %s\n", tint, plain, line)
	}
	fmt.Fprintf(b, "%s╵%s\n", tint, plain)
}

// source writes where the diagnostic is and the lines that it is about.
func (d *Diagnostic) source(b *bytes.Buffer, mark, unmark string) {
	if d.Range == nil {
		return
	}
	fmt.Fprintf(b, "  on %s line %d", d.Range.Filename, d.Range.Start.Line)
	s := d.Snippet
	if s == nil {
		fmt.Fprintf(b, ":\n  (source code not available)\n\n")
		return
	}
	if s.Context != nil {
		fmt.Fprintf(b, ", in %s", *s.Context)
	}
	b.WriteString(":\n")
	offset := 0
	for i, line := range strings.Split(s.Code, "\n") {
		from := min(max(s.HighlightStartOffset-offset, 0), len(line))
		to := min(max(s.HighlightEndOffset-offset, from), len(line))
		if from < to {
			line = line[:from] + mark + line[from:to] + unmark + line[to:]
		}
		fmt.Fprintf(b, "%4d: %s\n", s.StartLine+i, line)
		offset += len(strings.Split(s.Code, "\n")[i]) + 1
	}
	if len(s.Values) > 0 {
		b.WriteString("    ├────────────────\n")
		for _, v := range s.Values {
			fmt.Fprintf(b, "    │ %s %s\n", v.Traversal, v.Statement)
		}
	}
	b.WriteString("\n")
}

// wrap breaks long lines between words; lines that begin with a space are
// left as they are.
func wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, " ") {
			lines[i] = wordwrap.WrapString(line, uint(width))
		}
	}
	return strings.Join(lines, "\n")
}
