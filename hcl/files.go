package hcl

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
)

// A source is a file that was read. The name is how diagnostics cite it.
type source struct {
	name   string
	file   *hcl.File
	values bool // a variable file: what it holds may be secret
	broken bool // it could not be parsed whole
}

func (s *source) isJSON() bool { return strings.HasSuffix(s.name, ".json") }

// isConfig reports whether a file of that name is part of a layout.
func isConfig(name string) bool {
	return !isVars(name) && (strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json"))
}

// isVars reports whether a file of that name gives values to variables.
func isVars(name string) bool {
	return strings.HasSuffix(name, ".vars.hcl") || strings.HasSuffix(name, ".vars.json")
}

// isScratch reports whether a file is an editor's own.
func isScratch(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~")
}

// directory lists the configuration of the layout and the variable files that
// are read without being asked for, in the order of their precedence.
func (l *loader) directory() (config, values []string) {
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		l.errorAt(nil, "The layout directory cannot be read", "%s. Name a directory that holds *.hcl files with -chdir, or change to it.", reason(err, l.dir))
		return nil, nil
	}
	var automatic []string
	named := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case e.IsDir() || isScratch(name):
		case isConfig(name):
			config = append(config, name)
		case name == "lockform.vars.hcl" || name == "lockform.vars.json":
			named[name] = true
		case strings.HasSuffix(name, ".auto.vars.hcl") || strings.HasSuffix(name, ".auto.vars.json"):
			automatic = append(automatic, name)
		}
	}
	if len(config) == 0 {
		l.errorAt(nil, "No configuration files", "The directory %s has no *.hcl or *.hcl.json files. Write a layout there, or name its directory with -chdir.", l.shownDir())
	}
	for _, name := range []string{"lockform.vars.hcl", "lockform.vars.json"} {
		if named[name] {
			values = append(values, name)
		}
	}
	slices.Sort(config)
	slices.Sort(automatic)
	return config, append(values, automatic...)
}

// read parses one file. A file that has faults is returned too, with what
// could be understood; nil means that there is nothing of it.
func (l *loader) read(path, name string, values bool) *source {
	read := readFile
	if values {
		// A pipe is how secrets come from another program: -var-file=<(…).
		read = readAny
	}
	src, err := read(path)
	if err != nil {
		remedy := "Every *.hcl file of the directory is part of the layout: make it readable, or move it away."
		if values {
			remedy = "Name a file of variable values; paths of -var-file are relative to the working directory."
		}
		l.errorAt(nil, "A file cannot be read", "%s. %s", reason(err, name), remedy)
		return nil
	}
	return l.parse(src, name, values)
}

// maxFile is how much of a file is read, in bytes: more than anybody writes.
const maxFile = 64 << 20

// readFile reads a regular file of a sane size, so that a path such as
// /dev/zero or that of a pipe is an error and no endless read.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return readAny(path)
}

// readAny reads a file of any kind, of a sane size.
func readAny(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(src) > maxFile {
		err = errTooLarge
	}
	return src, err
}

var (
	errNotRegular = errors.New("it is not a regular file")
	errTooLarge   = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
)

// parse is read for a source that is at hand.
func (l *loader) parse(src []byte, name string, values bool) *source {
	s := &source{name: name, values: values}
	l.sources[name] = s
	var diags hcl.Diagnostics
	if refused := unfit(src, name); refused != nil {
		diags = refused
	} else if s.isJSON() {
		s.file, diags = json.Parse(src, name)
	} else {
		s.file, diags = hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	}
	if s.file == nil {
		s.file = &hcl.File{Body: hcl.EmptyBody()}
	}
	if s.file.Bytes == nil {
		s.file.Bytes = src
	}
	for _, d := range diags {
		s.broken = s.broken || d.Severity == hcl.DiagError
		if values {
			d.Detail = hideQuoted(d.Detail)
		}
		l.syntax[d] = true
		l.add(d)
	}
	return s
}

// maxDepth is how deep brackets may be nested. The parsers call themselves for
// each level, and would end the program where the stack is full.
const maxDepth = 1000

// maxRun is how many signs, each a level of its own, may follow one another: the
// operators of !!x and - -x, and the splats of x[*][*]. A line drawn in a
// comment is shorter.
const maxRun = 10_000

// tooDeep returns where the brackets of a source become deeper than maxDepth,
// or its signs more than maxRun, and 0 where they do not. Brackets in text
// count too, which does no harm: nobody writes a thousand that are not closed.
func tooDeep(src []byte) int {
	depth, run := 0, 0
	for i, c := range src {
		switch c {
		case '(', '[', '{':
			if depth++; depth > maxDepth {
				return i
			}
		case ')', ']', '}':
			depth = max(depth-1, 0)
		case '!', '-', '*':
			if run++; run > maxRun {
				return i
			}
		case ' ', '\t', '\r', '\n', '.':
		default:
			run = 0
		}
	}
	return 0
}

// unfit returns why a source is not given to a parser, nil when it is. A parser
// finds a fault in every byte of a file that is no text.
func unfit(src []byte, name string) hcl.Diagnostics {
	if at := tooDeep(src); at > 0 {
		return deepDiagnostic(src, name, at)
	}
	if bytes.IndexByte(src, 0) >= 0 {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Not a text file",
			Detail: name + " has bytes that are not text: it was damaged, or is another kind of file. Restore it, or move it away.",
		}}
	}
	return nil
}

func deepDiagnostic(src []byte, name string, at int) hcl.Diagnostics {
	line := bytes.Count(src[:at], []byte("\n")) + 1
	column := at - bytes.LastIndexByte(src[:at], '\n')
	from := hcl.Pos{Line: line, Column: column, Byte: at}
	to := hcl.Pos{Line: line, Column: column + 1, Byte: at + 1}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: "Nested too deeply",
		Detail:  fmt.Sprintf("Brackets are nested more than %d levels deep here, or more than %d signs follow one another. Take parts out into locals.", maxDepth, maxRun),
		Subject: &hcl.Range{Filename: name, Start: from, End: to},
	}}
}

// hideQuoted replaces what a parser quotes from a file that may be secret.
func hideQuoted(s string) string {
	parts := strings.Split(s, `"`)
	for i := 1; i < len(parts); i += 2 {
		parts[i] = "…"
	}
	return strings.Join(parts, `"`)
}

// display returns how a file that the user named is cited: relative to the
// layout's directory where it lies inside, else as it was given.
func (l *loader) display(path string) string {
	if rel, err := filepath.Rel(l.dir, path); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path)
}

func (l *loader) shownDir() string {
	if abs, err := filepath.Abs(l.dir); err == nil {
		return abs
	}
	return l.dir
}

// reason says why a file could not be read, without a repetition of its path.
func reason(err error, name string) string {
	var pathErr *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name + " does not exist"
	case errors.Is(err, fs.ErrPermission):
		return name + " may not be read by this user"
	case errors.Is(err, errNotRegular), errors.Is(err, errTooLarge):
		return name + ": " + err.Error()
	case errors.As(err, &pathErr):
		return name + ": " + pathErr.Err.Error()
	}
	return name + ": " + err.Error()
}
