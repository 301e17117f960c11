package who

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	if got := Commit(t.Context(), dir); got != "" {
		t.Errorf("without a repository: got %q", got)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("init", "-q")
	if got := Commit(t.Context(), dir); got != "" {
		t.Errorf("without a commit: got %q", got)
	}
	write("layout.hcl", "one")
	run("add", ".")
	run("commit", "-q", "-m", "one")
	clean := Commit(t.Context(), dir)
	if !regexp.MustCompile(`^[0-9a-f]{40,64}$`).MatchString(clean) {
		t.Errorf("clean: got %q", clean)
	}
	write("release.plan", "no configuration")
	if got := Commit(t.Context(), dir); got != clean {
		t.Errorf("with a saved plan: got %q, want %q", got, clean)
	}
	write("more.hcl", "not added yet")
	if got, want := Commit(t.Context(), dir), clean+"-dirty"; got != want {
		t.Errorf("with another file: got %q, want %q", got, want)
	}
	run("add", "more.hcl")
	run("commit", "-q", "-m", "two")
	clean = Commit(t.Context(), dir)
	write("layout.hcl", "two")
	if got, want := Commit(t.Context(), dir), clean+"-dirty"; got != want {
		t.Errorf("changed: got %q, want %q", got, want)
	}
}

func TestUserAndHost(t *testing.T) {
	if User() == "" || Host() == "" {
		t.Errorf("got %q and %q", User(), Host())
	}
}
