package hcl

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// costly finds what would make a program that does as it is told slow or
// large: numbers that are widths or lengths, and nested loops.
var costly = regexp.MustCompile(`[0-9]{5}|[eE][0-9]{3}|(?s:for.*for.*for)|(?s:(range|setproduct|flatten).*(range|setproduct|flatten).*(range|setproduct|flatten))`)

// seeds adds the files of all archives whose name ends so.
func seeds(f *testing.F, suffix string, add func([]byte)) {
	f.Helper()
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		f.Fatalf("no testdata: %v", err)
	}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, suffix) {
				add(file.Data)
			}
		}
	}
}

// FuzzLoad loads any text as a layout, in native and JSON syntax, in all ways
// that a command loads one. It must end, agree with itself, and not panic.
func FuzzLoad(f *testing.F) {
	seeds(f, ".hcl", func(b []byte) { f.Add(b, false) })
	seeds(f, ".json", func(b []byte) { f.Add(b, true) })
	f.Add([]byte(base+repeatedLayout(300)), false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		if costly.Match(src) {
			return
		}
		name, vars := "a.hcl", "x.vars.hcl"
		if json {
			name, vars = "a.hcl.json", "x.vars.json"
		}
		// One directory for each process that runs this.
		dir := filepath.Join(dir, fmt.Sprint(os.Getpid()))
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{name, vars} {
			if err := os.WriteFile(filepath.Join(dir, file), src, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range []Options{{}, {Validate: true}, {
			Vars:    []Assignment{{File: filepath.Join(dir, vars)}, {Name: "env", Value: string(src)}},
			Environ: []string{"LOCKFORM_VAR_x=" + string(src), "LOCKFORM_AUTH=" + string(src)},
			Ask:     func(string, string, bool) (string, error) { return "[1]", nil },
			Version: "1.0.0",
		}} {
			l, d := Load(dir, o)
			if (l == nil) != d.HasErrors() {
				t.Errorf("got the layout %v and %d errors", l, d.Errors())
			}
			for _, one := range d {
				checkDiagnostic(t, one)
			}
			var b bytes.Buffer
			if err := d.WriteText(&b, 40, true); err != nil {
				t.Error(err)
			}
			if _, err := d.JSON(); err != nil {
				t.Error(err)
			}
			if _, again := Load(dir, o); len(again) != len(d) {
				t.Errorf("got %d diagnostics, and %d the second time", len(d), len(again))
			}
			e, d := LoadEnsembles(dir, o)
			if (e == nil) != d.HasErrors() {
				t.Errorf("got %d ensembles and %d errors", len(e), d.Errors())
			}
		}
	})
}

// FuzzFormat checks that formatting is idempotent, and that its result is a
// source of the same meaning as far as the parser can tell: it parses.
func FuzzFormat(f *testing.F) {
	seeds(f, ".hcl", func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, src []byte) {
		once, d := Format(src, "a.hcl")
		if d.HasErrors() {
			if once != nil {
				t.Errorf("got %q and errors", once)
			}
			return
		}
		twice, d := Format(once, "a.hcl")
		if d.HasErrors() {
			t.Fatalf("what was formatted cannot be parsed: %q", once)
		}
		if !bytes.Equal(once, twice) {
			t.Errorf("once %q, twice %q", once, twice)
		}
	})
}
