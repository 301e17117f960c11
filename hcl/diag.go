package hcl

// A Diagnostic is one fault or warning, rendered: it holds no secret, only
// what may be shown. Its JSON is Terraform's.
type Diagnostic struct {
	Severity string   `json:"severity"` // Error or Warning
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail"`
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
}

// The severities.
const (
	Error   = "error"
	Warning = "warning"
)

// A Range is a place in a file.
type Range struct {
	Filename string   `json:"filename"` // relative to the layout directory, where it lies inside
	Start    Position `json:"start"`
	End      Position `json:"end"` // the first position after it
}

// A Position is a point in a file.
type Position struct {
	Line   int `json:"line"`   // from 1
	Column int `json:"column"` // from 1, in characters
	Byte   int `json:"byte"`   // from 0
}

// A Snippet is the source that a diagnostic is about. Where literals could be
// secret they are shown as "…".
type Snippet struct {
	Context              *string           `json:"context"` // the enclosing block, such as `namespace "jobs"`
	Code                 string            `json:"code"`    // whole lines unless they are very long, without the last newline
	StartLine            int               `json:"start_line"`
	HighlightStartOffset int               `json:"highlight_start_offset"` // bytes into Code
	HighlightEndOffset   int               `json:"highlight_end_offset"`
	Values               []ExpressionValue `json:"values"` // of what the expression refers to
}

// An ExpressionValue tells the value that a part of an expression had.
type ExpressionValue struct {
	Traversal string `json:"traversal"` // such as "each.key"
	Statement string `json:"statement"` // such as `is "billing"`
}

// Diagnostics are the faults and warnings of a run, in the order of files and
// lines, errors and warnings mixed. Nil means that there is nothing to say.
type Diagnostics []Diagnostic

// HasErrors reports whether one of them is an error.
func (d Diagnostics) HasErrors() bool { return d.count(Error) > 0 }

// Errors returns the number of errors.
func (d Diagnostics) Errors() int { return d.count(Error) }

// Warnings returns the number of warnings.
func (d Diagnostics) Warnings() int { return d.count(Warning) }

func (d Diagnostics) count(severity string) int {
	n := 0
	for i := range d {
		if d[i].Severity == severity {
			n++
		}
	}
	return n
}
