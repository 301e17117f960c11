package hcl

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// JSON returns the document that "validate -json" prints: format_version,
// valid, error_count, warning_count and diagnostics, indented, with a newline
// at its end.
func (d Diagnostics) JSON() ([]byte, error) {
	list := d
	if list == nil {
		list = Diagnostics{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		FormatVersion string      `json:"format_version"`
		Valid         bool        `json:"valid"`
		ErrorCount    int         `json:"error_count"`
		WarningCount  int         `json:"warning_count"`
		Diagnostics   Diagnostics `json:"diagnostics"`
	}{"1.0", !d.HasErrors(), d.Errors(), d.Warnings(), list})
	if err != nil {
		return nil, fmt.Errorf("diagnostics cannot be written as JSON: %w", err)
	}
	return b.Bytes(), nil
}
