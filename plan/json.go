package plan

import (
	"io"
	"time"
)

// JSON returns the document of "show -json".
func (p *Plan) JSON() ([]byte, error) { return nil, nil }

// A Stream writes Terraform's newline-delimited messages. Its methods are not
// safe for concurrent use; the first error of W is kept in Err and ends it.
type Stream struct {
	W   io.Writer
	Now func() time.Time // nil: time.Now
	Err error
}

// Version writes the message "version", which comes first.
func (s *Stream) Version(version string) {}

// Plan writes "resource_drift" and "planned_change" messages, a "diagnostic"
// for each warning and blocked change, and "change_summary".
func (s *Stream) Plan(p *Plan) {}

// Observe writes what an apply reports: use it as ApplyOptions.Observe.
func (s *Stream) Observe(e Event) {}

// Diagnostic writes a "diagnostic".
func (s *Stream) Diagnostic(p Problem) {}

// Failed writes what an apply ended with: "plan_refused" when nothing was
// written, and a "diagnostic" for each problem. It does nothing for nil.
func (s *Stream) Failed(err error) {}
