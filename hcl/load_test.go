package hcl

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lockform/lockform/zkfs/layout"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

// TestBad loads 200 faulty layouts, at least five for each kind of fault, and
// compares what is said about them.
func TestBad(t *testing.T) {
	paths, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, path := range paths {
		a, cases := readCases(t, path)
		if len(cases) < 5 {
			t.Errorf("%s has %d cases, want at least 5", path, len(cases))
		}
		total += len(cases)
		kind := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, c := range cases {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				dir := c.write(t)
				l, d := Load(dir, c.options)
				if strings.HasPrefix(kind, "warnings") {
					if l == nil || d.HasErrors() || d.Warnings() == 0 {
						t.Errorf("got errors or no warnings, want warnings alone")
					}
				} else if l != nil || !d.HasErrors() {
					t.Errorf("got a layout, want errors")
				}
				var text bytes.Buffer
				if err := d.WriteText(&text, 0, false); err != nil {
					t.Fatal(err)
				}
				golden(t, a, c, strings.ReplaceAll(text.String(), dir, "DIR"))
				if strings.Contains(show(t, d), secretText) {
					t.Errorf("a secret is shown:\n%s", show(t, d))
				}
				for _, one := range d {
					checkDiagnostic(t, one)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if total < 200 {
		t.Errorf("testdata/bad has %d cases, want at least 200", total)
	}
}

// checkDiagnostic checks what holds for every diagnostic: it says what is
// wrong and where, and its highlight lies within its code.
func checkDiagnostic(t *testing.T, d Diagnostic) {
	t.Helper()
	if d.Summary == "" || d.Detail == "" {
		t.Errorf("got %+v, want a summary and a detail", d)
	}
	if d.Range != nil && (d.Range.Filename == "" || d.Range.Start.Line < 1 || d.Range.Start.Column < 1) {
		t.Errorf("%s: got the range %+v", d.Summary, *d.Range)
	}
	if s := d.Snippet; s != nil {
		if s.HighlightStartOffset < 0 || s.HighlightStartOffset > s.HighlightEndOffset || s.HighlightEndOffset > len(s.Code) {
			t.Errorf("%s: got the highlight %d to %d in %q", d.Summary, s.HighlightStartOffset, s.HighlightEndOffset, s.Code)
		}
	}
}

// TestGood loads layouts in native and JSON syntax and compares what they
// declare. Where a case has other.json the JSON must declare the same.
func TestGood(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata/good: %v, %d files", err, len(paths))
	}
	for _, path := range paths {
		a, cases := readCases(t, path)
		kind := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, c := range cases {
			t.Run(kind+"/"+c.name, func(t *testing.T) {
				dir := c.write(t)
				l, d := Load(dir, c.options)
				if l == nil {
					t.Fatalf("got errors:\n%s", show(t, d))
				}
				golden(t, a, c, dump(t, l, dir)+dumpWarnings(d))
				if strings.Contains(show(t, d), secretText) {
					t.Errorf("a secret is shown:\n%s", show(t, d))
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// dump writes a layout as stable text, without secrets and digests.
func dump(t *testing.T, l *layout.Layout, dir string) string {
	t.Helper()
	var b strings.Builder
	line := func(fields ...string) {
		b.WriteString(strings.ReplaceAll(strings.Join(fields, " "), dir, "DIR") + "\n")
	}
	acl := "(the run's identities)"
	if l.ACL != nil {
		acl = "[" + l.ACL.String() + "]"
	}
	line("layout", l.Name, l.Ledger.String(), acl)
	for _, e := range l.Ensembles {
		line("ensemble", e.Name, strings.Join(e.Servers, ","), e.Chroot.String(), e.SessionTimeout.String(), e.ConnectTimeout.String(), e.TickTime.String())
		for _, id := range e.Identities {
			line("  identity", id.String())
		}
		if e.TLS != nil {
			line("  tls", e.TLS.CAFile, e.TLS.CertFile, e.TLS.KeyFile, e.TLS.ServerName)
		}
	}
	declared := func(kind string, d layout.Declared) {
		flags := ""
		if d.Protected {
			flags += " protected"
		}
		if d.Adopt {
			flags += " adopt"
		}
		line(kind, string(d.Address), d.Ensemble+":"+d.Path.String(), "["+d.ACL.String()+"]"+flags)
	}
	for _, n := range l.Namespaces {
		declared("namespace", n.Declared)
	}
	for _, k := range l.Locks {
		declared("lock", k.Declared)
		for _, at := range k.Policy.Attributes() {
			if slices.Contains(k.Policy.Written, at.Name) {
				line("  " + at.Name + " = " + at.Value)
			}
		}
	}
	for _, m := range l.Moved {
		line("moved", string(m.From), "to", string(m.To))
	}
	for _, r := range l.Removed {
		line("removed", string(r.From), "destroy", strconv.FormatBool(r.Destroy))
	}
	for _, i := range l.Imports {
		line("import", string(i.To), "from", i.Ensemble+":"+i.Path.String())
	}
	return b.String()
}

func dumpWarnings(d Diagnostics) string {
	var b strings.Builder
	for _, one := range d {
		at := ""
		if one.Range != nil {
			at = " " + one.Range.Filename
		}
		b.WriteString("warning" + at + ": " + one.Summary + "\n")
	}
	return b.String()
}

// TestJSONSyntaxIsEquivalent loads each pair of testdata/pairs, native.hcl and
// json.hcl.json, and compares the layouts.
func TestJSONSyntaxIsEquivalent(t *testing.T) {
	paths, err := filepath.Glob("testdata/pairs/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata/pairs: %v, %d files", err, len(paths))
	}
	for _, path := range paths {
		_, cases := readCases(t, path)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				load := func(drop string) string {
					one := &testCase{files: map[string][]byte{}, options: c.options}
					for name, data := range c.files {
						if name != drop {
							one.files[name] = data
						}
					}
					dir := one.write(t)
					l, d := Load(dir, one.options)
					if l == nil {
						t.Fatalf("without %s got errors:\n%s", drop, show(t, d))
					}
					return l.Digest + "\n" + dump(t, l, dir)
				}
				if d := cmp.Diff(load("json.hcl.json"), load("native.hcl")); d != "" {
					t.Errorf("JSON declares another layout (-native +json):\n%s", d)
				}
			})
		}
	}
}

// TestDiagnosticsAreTerraformsJSON checks the document of "validate -json".
func TestDiagnosticsAreTerraformsJSON(t *testing.T) {
	dir := t.TempDir()
	src := "layout \"x\" {}\nlock \"a\" {\n  path = 5\n  path_ = \"/a\"\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	_, d := Load(dir, Options{})
	doc, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		FormatVersion string `json:"format_version"`
		Valid         bool
		ErrorCount    int `json:"error_count"`
		WarningCount  int `json:"warning_count"`
		Diagnostics   []map[string]any
	}
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	if got.Valid || got.ErrorCount != d.Errors() || got.ErrorCount == 0 || got.WarningCount != d.Warnings() || got.FormatVersion != "1.0" {
		t.Errorf("got %+v", got)
	}
	for _, one := range got.Diagnostics {
		for _, field := range []string{"severity", "summary", "detail", "range", "snippet"} {
			if one[field] == nil {
				t.Errorf("%v lacks %s", one["summary"], field)
			}
		}
	}
	empty, err := Diagnostics(nil).JSON()
	if err != nil || !strings.Contains(string(empty), `"diagnostics": []`) || !strings.Contains(string(empty), `"valid": true`) {
		t.Errorf("got %s, %v, want an empty list and valid", empty, err)
	}
}
