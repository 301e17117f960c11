//go:build faults

// Package faults holds no code: its tests break three real servers, the network
// and agents while "lockform-agent exec" runs commands under a lock, and look
// whether two commands ever ran at once. They need root and run in network and
// process namespaces of their own, with which everything they start goes away.
//
//	go test -tags faults ./cmd/faults          # some minutes
//	go test -tags faults -short ./cmd/faults   # fewer operations
package faults

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bin is a directory with lockform-agent and examples/guarded; self is this
// program, which is also the command that runs under the lock.
var bin, self string

// insideVariable tells the process in the namespaces where the binaries are.
const insideVariable = "LOCKFORM_FAULTS_BIN"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "job" {
		os.Exit(jobMain(os.Args[2:]))
	}
	var err error
	if self, err = os.Executable(); err != nil {
		fail(err)
	}
	if bin = os.Getenv(insideVariable); bin == "" {
		code, err := outside()
		if err != nil {
			fail(err)
		}
		os.Exit(code)
	}
	os.Unsetenv(insideVariable)
	flag.Parse()
	code := m.Run()
	stopCluster()
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "faults:", err)
	os.Exit(1)
}

// outside builds the binaries and runs this program again as the first process
// of new namespaces: its end is the end of all others in them.
func outside() (int, error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("these tests make network namespaces: run them as root")
	}
	dir, err := os.MkdirTemp("", "lockform-faults-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir, "../lockform-agent", "../../examples/guarded")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the binaries: %w\n%s", err, out)
	}
	if err := buildMoved(dir); err != nil {
		return 0, err
	}
	args := append([]string{"--net", "--pid", "--fork", "--mount-proc", "--kill-child", "--", self}, os.Args[1:]...)
	cmd := exec.Command("unshare", args...)
	cmd.Env = append(os.Environ(), insideVariable+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	} else if err != nil {
		return 0, err
	}
	return 0, nil
}

// What movedAgent is built with: five seconds after its start its wall clock is
// put forward by an hour, five seconds later back by two. The monotonic clock
// goes on, as it does when somebody sets the time of the machine.
const (
	movedAgent = "lockform-agent-moved"
	before     = "\tmono -= startNano\n"
	moved      = before + "\tif mono > 10e9 {\n\t\tsec -= 3600\n\t} else if mono > 5e9 {\n\t\tsec += 3600\n\t}\n"
	movedFor   = 12 * time.Second
)

// buildMoved builds the agent with a package time whose Now does that. The time
// of the machine itself is everybody's.
func buildMoved(dir string) error {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	original := filepath.Join(strings.TrimSpace(string(out)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		return err
	}
	if strings.Count(string(source), before) != 1 {
		return fmt.Errorf("%s has another time.Now than this test knows", original)
	}
	changed := filepath.Join(dir, "time.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), before, moved, 1)), 0o600); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: changed}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), overlay, 0o600); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", filepath.Join(dir, movedAgent), "../lockform-agent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent with a clock that moves: %w\n%s", err, out)
	}
	return nil
}

// tool is the path of one of the binaries.
func tool(name string) string { return filepath.Join(bin, name) }
