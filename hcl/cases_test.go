package hcl

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// secretText stands for every secret of testdata. No output may have it.
const secretText = "s3cr3t"

// base.hcl is added to every case that does not bring its own.
const base = `layout "test" {}

ensemble "main" {
  servers = ["zk1:2181"]
  auth "digest" {
    username = "planner"
    password = "s3cr3t-planner"
  }
}
`

// A testCase is one directory of an archive: its files, and what is wanted of
// it. The file "options" has one option a line, as on a command line.
type testCase struct {
	name    string
	files   map[string][]byte
	options Options
	want    string
}

// readCases reads an archive whose files are named case/file.
func readCases(t *testing.T, path string) (*txtar.Archive, []*testCase) {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []*testCase
	for _, f := range a.Files {
		name, file, ok := strings.Cut(f.Name, "/")
		if !ok {
			t.Fatalf("%s: %s is not named case/file", path, f.Name)
		}
		if len(cases) == 0 || cases[len(cases)-1].name != name {
			cases = append(cases, &testCase{name: name, files: map[string][]byte{"base.hcl": []byte(base)}, options: Options{Version: "0.1.0"}})
		}
		c := cases[len(cases)-1]
		switch file {
		case "want":
			c.want = string(f.Data)
		case "options":
			c.readOptions(t, string(f.Data))
		default:
			c.files[file] = f.Data
		}
	}
	return a, cases
}

func (c *testCase) readOptions(t *testing.T, text string) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "validate":
			c.options.Validate = true
		case "-var":
			v, err := ParseVar(rest)
			if err != nil {
				t.Fatal(err)
			}
			c.options.Vars = append(c.options.Vars, v)
		case "-var-file":
			c.options.Vars = append(c.options.Vars, Assignment{File: rest})
		case "env":
			c.options.Environ = append(c.options.Environ, rest)
		case "-servers":
			c.options.Ensembles = append(c.options.Ensembles, Override{Servers: rest})
		case "-ensemble":
			o, err := ParseOverride(rest)
			if err != nil {
				t.Fatal(err)
			}
			c.options.Ensembles = append(c.options.Ensembles, o)
		case "no-base":
			delete(c.files, "base.hcl")
		default:
			t.Fatalf("unknown option %q", line)
		}
	}
}

// write puts the files of a case into a directory of their own, and makes the
// paths of -var-file point there.
func (c *testCase) write(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range c.files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i, v := range c.options.Vars {
		if v.File != "" {
			c.options.Vars[i].File = filepath.Join(dir, v.File)
		}
	}
	return dir
}

// golden compares what a case gave with its file "want", or rewrites it.
func golden(t *testing.T, a *txtar.Archive, c *testCase, got string) {
	t.Helper()
	if !*update {
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("got other than wanted (-want +got):\n%s", d)
		}
		return
	}
	last, at := -1, -1
	for i, f := range a.Files {
		if name, file, _ := strings.Cut(f.Name, "/"); name == c.name {
			if last = i; file == "want" {
				at = i
			}
		}
	}
	if at >= 0 {
		a.Files[at].Data = []byte(got)
		return
	}
	a.Files = slices.Insert(a.Files, last+1, txtar.File{Name: c.name + "/want", Data: []byte(got)})
}

// show returns all that a user could see of diagnostics: text in colour and
// without, narrow and wide, and JSON.
func show(t *testing.T, d Diagnostics) string {
	t.Helper()
	var b bytes.Buffer
	for _, width := range []int{0, 60} {
		for _, color := range []bool{false, true} {
			if err := d.WriteText(&b, width, color); err != nil {
				t.Fatal(err)
			}
		}
	}
	doc, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	b.Write(doc)
	return b.String()
}
