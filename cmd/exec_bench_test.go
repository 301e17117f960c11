package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// BenchmarkExec runs "true" under a free lock of a real server, by itself, and by
// a program that does the least that a lock takes (testdata/floor), in turns, whole
// processes. It reports how the medians compare, and what the agent takes of
// memory: at most in such a run, and resident while it holds a lock.
func BenchmarkExec(b *testing.B) {
	e := zktest.New(b, zktest.Real)
	s, err := zkconn.Open(b.Context(), zkconn.Config{Servers: e.Servers})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close(b.Context())
	p := layout.DefaultPolicy()
	record, err := (layout.Record{Layout: "bench", Kind: layout.KindLock, Policy: &p}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Create(b.Context(), "/l", record, zkfs.Open(), zkfs.Persistent); err != nil {
		b.Fatal(err)
	}
	server, chroot, _ := strings.Cut(e.Servers, "/")
	floor := filepath.Join(b.TempDir(), "floor")
	build := exec.Command("go", "build", "-o", floor, "./testdata/floor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the floor: %v\n%s", err, out)
	}
	agent := func(command ...string) *exec.Cmd {
		args := append([]string{"exec", "-servers=" + e.Servers, "/l", "--"}, command...)
		cmd := exec.Command(filepath.Join(bin, "lockform-agent"), args...)
		cmd.Stderr = os.Stderr
		return cmd
	}
	run := func(cmd *exec.Cmd) time.Duration {
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	var alone, least, locked []time.Duration
	var most int64 // KiB
	for b.Loop() {
		alone = append(alone, run(exec.Command("true")))
		cmd := exec.Command(floor, server, "/"+chroot+"/l", "true")
		cmd.Stderr = os.Stderr
		least = append(least, run(cmd))
		cmd = agent("true")
		locked = append(locked, run(cmd))
		most = max(most, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	}
	median := func(times []time.Duration) float64 {
		slices.Sort(times)
		return float64(times[len(times)/2])
	}
	b.ReportMetric(median(locked)/median(alone), "×true")
	b.ReportMetric(median(least)/median(alone), "floor×true")
	b.ReportMetric(median(alone)/1e3, "true-µs")
	b.ReportMetric(float64(most)/1024, "peak-MiB")
	b.ReportMetric(resident(b, agent), "idle-MiB")
}

// resident returns how much memory, in MiB, an agent has whose command does
// nothing.
func resident(b *testing.B, agent func(command ...string) *exec.Cmd) float64 {
	cmd := agent("sh", "-c", "echo; exec cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		b.Fatal(err)
	}
	var pages, rss float64
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", cmd.Process.Pid))
	if err == nil {
		_, err = fmt.Sscan(string(statm), &pages, &rss)
	}
	if err != nil {
		b.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return rss * float64(os.Getpagesize()) / (1 << 20)
}
