// Package cmd holds no code: its tests look at both programs together, from
// outside, and at the module as a whole.
package cmd

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// bin is a directory with both binaries, built from this checkout.
var bin string

type withBinaries struct{ m *testing.M }

// Run builds the binaries before the tests.
func (w withBinaries) Run() int {
	dir, err := os.MkdirTemp("", "lockform-bin-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin = dir
	build := exec.Command("go", "build", "-o", dir, "./lockform", "./lockform-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binaries: %v\n%s", err, out)
		return 1
	}
	return w.m.Run()
}

func TestMain(m *testing.M) { os.Exit(zktest.Runner{M: withBinaries{m}}.Run()) }

// run runs a command and returns its output, and fails the test when its exit
// code is not the one wanted or when it takes longer than a minute.
func run(t *testing.T, dir string, env []string, want int, name string, args ...string) string {
	t.Helper()
	if name == "lockform" {
		name = filepath.Join(bin, name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH")), env...)
	cmd.WaitDelay = time.Second
	timer := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		t.Fatalf("%s %q: got exit code %d, want %d; it printed:\n%s", filepath.Base(name), args, got, want, out)
	}
	return string(out)
}

// copyTree copies an example to a directory of the test's, which it may change.
func copyTree(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
