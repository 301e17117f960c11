package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// What the agent may take of a host.
const (
	mostBinary = 16 << 20 // bytes on disk, everything in
	mostMemory = 12 << 10 // KiB resident while a lock is held
)

// build builds the programs as people get them, and returns lockform-agent.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("make", "--no-print-directory", "-C", "../..", "build", "BIN="+dir)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "MAKE") && !strings.HasPrefix(e, "MFLAGS=") { // of a make around us
			cmd.Env = append(cmd.Env, e)
		}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "lockform-agent")
}

// An agent is small: one runs beside each command, and many on a host.
func TestTheAgentIsSmall(t *testing.T) {
	agent := build(t)
	info, err := os.Stat(agent)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %.1f MiB", float64(info.Size())/(1<<20))
	if info.Size() > mostBinary {
		t.Errorf("the binary has %d bytes, more than %d", info.Size(), mostBinary)
	}

	e := zktest.New(t, zktest.Embedded)
	s, err := connect(e.Servers)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	p := testPolicy()
	p.SessionTimeout = 2 * time.Second // three heartbeats a second
	if err := declareLock(s, "/locks/a", p); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(agent, "exec", "-servers="+e.Servers, "/locks/a", "--", "sh", "-c", "echo >running; while :; do sleep 1; done")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if err := eventually(func() error {
		_, err := os.Stat(filepath.Join(dir, "running"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	most := 0
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 40 {
		<-tick.C
		most = max(most, resident(t, cmd.Process.Pid))
	}
	t.Logf("at most %d KiB were resident", most)
	if most > mostMemory {
		t.Errorf("%d KiB are resident, more than %d", most, mostMemory)
	}
}

// resident returns a process's resident memory in KiB.
func resident(t *testing.T, pid int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(status), "\n") {
		if n, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 && err == nil {
			return kib
		}
	}
	t.Fatalf("process %d has no resident memory:\n%s", pid, status)
	return 0
}
