package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// TestReadmeShowsTheRealPlan plans the README's file and compares what is
// printed with what the README shows.
func TestReadmeShowsTheRealPlan(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	layout := block(t, string(readme), "(?s)```hcl\n(.*?)```")
	want := block(t, string(readme), "(?s)```\n\\$ lockform plan\n(.*?)```")
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "locks.hcl"), []byte(layout), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, dir, nil, 0, "lockform", "fmt", "-check", "-diff", ".")
		out := run(t, dir, []string{"LOCKFORM_VAR_planner_password=pw"}, 0, "lockform", "plan", "-servers="+e.Servers)
		got, _, _ := strings.Cut(out, "\nThe plan was not saved")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("the README shows another plan (-README +plan):\n%s", d)
		}
	})
}

// TestDocumentsHoldTogether checks that what the documents link to is there.
func TestDocumentsHoldTogether(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	anchor := regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	for _, file := range append(files, "../README.md") {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(data), -1) {
			target := filepath.Join(filepath.Dir(file), m[1])
			linked, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s links to %s, which is not there", file, m[1])
				continue
			}
			if m[2] == "" || linked.IsDir() {
				continue
			}
			text, err := os.ReadFile(target)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, h := range anchor.FindAllStringSubmatch(string(text), -1) {
				name := strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-")
				found = found || "#"+name == m[2]
			}
			if !found {
				t.Errorf("%s links to %s%s, and there is no such heading", file, m[1], m[2])
			}
		}
	}
}

func block(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the README has no block %s", pattern)
	}
	return m[1]
}
