package hcl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs/layout"
)

// directory writes files into a directory of the test's own.
func directory(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustLoad(t *testing.T, files map[string]string, o Options) *layout.Layout {
	t.Helper()
	l, d := Load(directory(t, files), o)
	if l == nil {
		t.Fatalf("got errors:\n%s", show(t, d))
	}
	return l
}

// TestDigest checks what makes a layout another one, and what does not.
func TestDigest(t *testing.T) {
	const text = `
layout "x" {}
ensemble "main" {
  servers = ["zk1:2181"]
  auth "digest" {
    username = "planner"
    password = var.password
  }
}
variable "password" { sensitive = true }
variable "unused" { default = "a" }
policy "p" { max_hold = "60m" }
namespace "n" {
  path = "/n"
  acl  = acl.read_only
  lock "a" { policy = policy.p }
  lock "b" {}
}
`
	digest := func(text string, vars ...Assignment) string {
		all := append([]Assignment{{Name: "password", Value: "s3cr3t"}}, vars...)
		return mustLoad(t, map[string]string{"a.hcl": text}, Options{Vars: all}).Digest
	}
	through := func(servers string) string {
		return mustLoad(t, map[string]string{"a.hcl": text}, Options{
			Vars:      []Assignment{{Name: "password", Value: "s3cr3t"}},
			Ensembles: []Override{{Servers: servers}},
		}).Digest
	}
	first := digest(text)
	if !strings.HasPrefix(first, "sha256:") || len(first) != 71 {
		t.Errorf("got the digest %q", first)
	}
	same := map[string]string{
		"AgainTheSame":    digest(text),
		"AnotherPassword": digest(text, Assignment{Name: "password", Value: "other"}),
		"AComment":        digest("# comment\n" + text),
		"AnotherWayThere": through("zk7:2181/chroot"),
		"EqualDuration":   digest(strings.Replace(text, "60m", "1h", 1)),
	}
	for name, got := range same {
		if got != first {
			t.Errorf("%s changes the digest", name)
		}
	}
	other := map[string]string{
		"AVariable":         digest(text, Assignment{Name: "unused", Value: "b"}),
		"ALock":             digest(text + "lock \"z\" {\n  path = \"/z\"\n  acl  = acl.read_only\n}\n"),
		"APath":             digest(strings.Replace(text, `"/n"`, `"/m"`, 1)),
		"APolicy":           digest(strings.Replace(text, "60m", "2h", 1)),
		"ADefaultWritten":   digest(strings.Replace(text, `lock "b" {}`, `lock "b" { mode = "exclusive" }`, 1)),
		"AnACL":             digest(strings.Replace(text, "acl.read_only", "acl.open", 1)),
		"AServer":           digest(strings.Replace(text, "zk1", "zk2", 1)),
		"AUser":             digest(strings.Replace(text, "planner", "operator", 1)),
		"TheName":           digest(strings.Replace(text, `layout "x"`, `layout "y"`, 1)),
		"ProtectionAdded":   digest(strings.Replace(text, `lock "b" {}`, "lock \"b\" {\n    lifecycle { prevent_destroy = true }\n  }", 1)),
		"AdoptionAdded":     digest(strings.Replace(text, `lock "b" {}`, "lock \"b\" {\n    lifecycle { adopt = true }\n  }", 1)),
		"TheLedgersPlace":   digest(strings.Replace(text, `layout "x" {}`, `layout "x" { ledger = "/l" }`, 1)),
		"TheLabelOfALock":   digest(strings.Replace(text, `lock "b" {}`, `lock "c" { path = "b" }`, 1)),
		"TheLayoutsOwnACL":  digest(strings.Replace(text, `layout "x" {}`, `layout "x" { acl = acl.read_only }`, 1)),
		"TheSessionTimeout": digest(strings.Replace(text, `servers = ["zk1:2181"]`, "servers = [\"zk1:2181\"]\n  session_timeout = \"20s\"", 1)),
	}
	seen := map[string]string{}
	for name, got := range other {
		if got == first {
			t.Errorf("%s does not change the digest", name)
		}
		if twin := seen[got]; twin != "" {
			t.Errorf("%s and %s have one digest", name, twin)
		}
		seen[got] = name
	}
}

// TestAsk checks which variables are asked for, and what an answer means.
func TestAsk(t *testing.T) {
	const text = `
layout "x" {}
variable "servers" { type = list(string) }
variable "env" { description = "Where it is." }
variable "given" {}
variable "pw" { sensitive = true }
variable "fallback" { default = "x" }
ensemble "m" {
  servers = var.servers
  auth "digest" {
    username = var.env
    password = var.pw
  }
}
`
	var asked []string
	answers := map[string]string{"servers": `["zk1:2181"]`, "env": "prod", "pw": "s3cr3t"}
	o := Options{
		Vars: []Assignment{{Name: "given", Value: "x"}},
		Ask: func(name, description string, sensitive bool) (string, error) {
			if sensitive {
				description = "(sensitive)"
			}
			asked = append(asked, name+" "+description)
			return answers[name], nil
		},
	}
	l := mustLoad(t, map[string]string{"a.hcl": text}, o)
	if d := cmp.Diff([]string{"env Where it is.", "pw (sensitive)", "servers "}, asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	if l.Ensembles[0].Servers[0] != "zk1:2181" || l.Ensembles[0].Auth[0].Username != "prod" {
		t.Errorf("got %+v", l.Ensembles[0])
	}

	o.Ask = func(string, string, bool) (string, error) { return "", errors.New("no terminal") }
	if l, d := Load(directory(t, map[string]string{"a.hcl": text}), o); l != nil || !strings.Contains(show(t, d), "no terminal") {
		t.Errorf("got %v, want the error of asking", l)
	}

	o.Ask = func(name string, _ string, _ bool) (string, error) { return "[s3cr3t", nil }
	if _, d := Load(directory(t, map[string]string{"a.hcl": text}), o); strings.Contains(show(t, d), secretText) {
		t.Errorf("an answer is shown:\n%s", show(t, d))
	}

	o.Validate = true
	o.Ask = func(name string, _ string, _ bool) (string, error) {
		t.Errorf("validate asks for %s", name)
		return "", nil
	}
	Load(directory(t, map[string]string{"a.hcl": text}), o)
}

// TestFormat checks the canonical style, and that faults are reported.
func TestFormat(t *testing.T) {
	got, d := Format([]byte("lock \"a\"   {\npath=\"/a\"\n  acl =   acl.open\n}\n"), "a.hcl")
	if want := "lock \"a\" {\n  path = \"/a\"\n  acl  = acl.open\n}\n"; string(got) != want || d != nil {
		t.Errorf("got %q, %v, want %q", got, d, want)
	}
	got, d = Format([]byte("lock \"a\" {\n"), "a.hcl")
	if got != nil || !d.HasErrors() || d[0].Range.Filename != "a.hcl" || d[0].Snippet == nil {
		t.Errorf("got %q, %+v, want an error with its place", got, d)
	}
	if _, d = Format([]byte("pw = \"s3cr3t\n"), "lockform.vars.hcl"); !d.HasErrors() || strings.Contains(show(t, d), secretText) {
		t.Errorf("got %s, want an error without the secret", show(t, d))
	}
	json := []byte(`{"a":  1}`)
	if got, d = Format(json, "a.hcl.json"); string(got) != string(json) || d != nil {
		t.Errorf("got %q, %v, want JSON left as it is", got, d)
	}
}

// TestFlags checks the arguments of -var and -ensemble.
func TestFlags(t *testing.T) {
	if a, err := ParseVar("name=a=b"); err != nil || a != (Assignment{Name: "name", Value: "a=b"}) {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := ParseVar("s3cr3t"); err == nil || strings.Contains(err.Error(), secretText) {
		t.Errorf("got %v, want an error that does not repeat the argument", err)
	}
	if o, err := ParseOverride("main=zk1:2181/x"); err != nil || o != (Override{Name: "main", Servers: "zk1:2181/x"}) {
		t.Errorf("got %+v, %v", o, err)
	}
	for _, bad := range []string{"main", "=zk1:2181", "main="} {
		if _, err := ParseOverride(bad); err == nil {
			t.Errorf("ParseOverride(%q) gave no error", bad)
		}
	}
}

// TestNestedTooDeeply checks that what would fill the stack is an error.
func TestNestedTooDeeply(t *testing.T) {
	const n = 200_000
	deep := "locals { a = " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + " }"
	for name, c := range map[string]struct {
		files map[string]string
		o     Options
	}{
		"Native":       {files: map[string]string{"a.hcl": deep}},
		"JSON":         {files: map[string]string{"a.hcl.json": `{"locals": {"a": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}}"}},
		"Template":     {files: map[string]string{"a.hcl": `locals { a = "` + strings.Repeat(`${"`, n) + strings.Repeat(`"}`, n) + `" }`}},
		"Negations":    {files: map[string]string{"a.hcl": "locals { a = " + strings.Repeat("!", n) + "true }"}},
		"Minuses":      {files: map[string]string{"a.hcl": "locals { a = " + strings.Repeat("- ", n) + "1 }"}},
		"Splats":       {files: map[string]string{"a.hcl": "locals { a = [1]" + strings.Repeat("[*]", n) + " }"}},
		"Decoded":      {files: map[string]string{"a.hcl": "layout \"x\" {}\nlocals { a = jsondecode(file(\"b\")) }\nlock \"a\" { path = \"/${length(local.a)}\" }", "b": strings.Repeat("[", n)}},
		"VariableFile": {files: map[string]string{"a.hcl": "layout \"x\" {}", "lockform.vars.hcl": "a = " + strings.Repeat("[", n)}},
		"Flag":         {map[string]string{"a.hcl": "layout \"x\" {}\nvariable \"a\" { type = list(string) }"}, Options{Vars: []Assignment{{Name: "a", Value: strings.Repeat("[", n)}}}},
	} {
		t.Run(name, func(t *testing.T) {
			l, d := Load(directory(t, c.files), c.o)
			if l != nil || !strings.Contains(show(t, d), "deep") {
				t.Errorf("got a layout, or other errors")
			}
		})
	}
	if _, d := Format([]byte(deep), "a.hcl"); !d.HasErrors() {
		t.Errorf("Format gave no error")
	}
}

// TestNotAText checks that a file of other bytes is one fault and not one for
// each byte.
func TestNotAText(t *testing.T) {
	for name, file := range map[string]string{"Native": "a.hcl", "JSON": "a.hcl.json", "Values": "lockform.vars.hcl"} {
		t.Run(name, func(t *testing.T) {
			_, d := Load(directory(t, map[string]string{"z.hcl": "layout \"x\" {}", file: strings.Repeat("\x00", 100_000)}), Options{})
			if len(d) != 1 || d[0].Summary != "Not a text file" {
				t.Errorf("got %d diagnostics, want one: not a text file", len(d))
			}
		})
	}
	if _, d := Format([]byte("a = \x00"), "a.hcl"); len(d) != 1 {
		t.Errorf("Format gave %d diagnostics, want 1", len(d))
	}
}

// TestVariableFileMayBeAPipe reads values from a pipe, as a shell's <(…) makes
// one, and refuses a pipe where a file of the layout is.
func TestVariableFileMayBeAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("path = \"/from/a/pipe\"\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := mustLoad(t, map[string]string{"a.hcl": "layout \"x\" {}\nvariable \"path\" {}\nlock \"a\" { path = var.path }"},
		Options{Vars: []Assignment{{File: fmt.Sprintf("/dev/fd/%d", r.Fd())}}})
	if got := l.Locks[0].Path; got != "/from/a/pipe" {
		t.Errorf("got the path %s", got)
	}
	dir := directory(t, map[string]string{"a.hcl": "layout \"x\" {}"})
	if err := syscall.Mkfifo(filepath.Join(dir, "b.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, d := Load(dir, Options{}); l != nil || !strings.Contains(show(t, d), "not a regular file") {
		t.Errorf("got %v, %s", l, show(t, d))
	}
}
