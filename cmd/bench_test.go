package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// largeLayout declares n locks by for_each, a thousand in a namespace; ten of them
// have a mode. With own set each of the others has a policy of its own, else they
// share one.
func largeLayout(n int, servers, mode string, own bool) string {
	policy := ""
	if own {
		policy = `wait_timeout = "${1000 * tonumber(substr(each.parent.key, 1, 3)) + tonumber(each.key) + 1}s"`
	}
	return fmt.Sprintf(`
layout "large" {}
ensemble "main" {
  servers = [%q]
  auth "digest" {
    username = "planner"
    password = "planner-password"
  }
}
locals {
  teams = toset([for i in range(%d) : format("t%%03d", i)])
}
acl "team" {
  for_each = local.teams
  grant "world" { permissions = ["read"] }
  grant "digest" {
    username    = each.key
    password    = "team-password"
    permissions = ["create", "read", "delete"]
  }
}
namespace "jobs" {
  for_each = local.teams
  path     = "/locks/${each.key}"
  acl      = acl.read_only
  lock "shard" {
    for_each = toset([for i in range(990) : format("%%03d", i)])
    path     = "shard-${each.key}"
    acl      = acl.team[each.parent.key]
    %s
  }
  lock "other" {
    for_each = toset([for i in range(10) : format("%%03d", i)])
    path     = "other-${each.key}"
    acl      = acl.team[each.parent.key]
    mode     = %q
  }
}
`, servers, n/1000, policy, mode)
}

// BenchmarkMemory tells by how much the memory of lockform's processes grows with
// each lock: the difference of two sizes, at the peak. A plan of new locks, its
// apply, and plans of the same locks unchanged and changed by 1 %; then a plan of
// new locks of which each has a policy of its own, and its apply.
func BenchmarkMemory(b *testing.B) {
	const few, many = 50_000, 100_000
	const approved = "apply -auto-approve"
	steps := []struct {
		name, command, mode string
		own                 bool
	}{
		{"new", "plan", "exclusive", false}, {"apply", approved, "exclusive", false},
		{"unchanged", "plan", "exclusive", false}, {"changed-1%", "plan", "read_write", false},
		{"own-new", "plan", "exclusive", true}, {"own-apply", approved, "exclusive", true},
	}
	grown := make([]int, len(steps)) // bytes
	for b.Loop() {
		for _, n := range []int{few, many} {
			e, dir := zktest.New(b, zktest.Embedded), b.TempDir()
			for i, step := range steps {
				if step.own && !steps[i-1].own {
					e = zktest.New(b, zktest.Embedded)
				}
				if err := os.WriteFile(filepath.Join(dir, "locks.hcl"), []byte(largeLayout(n, e.Addr, step.mode, step.own)), 0o600); err != nil {
					b.Fatal(err)
				}
				peak := peakOf(b, dir, strings.Fields(step.command)...)
				if n == few {
					peak = -peak
				}
				grown[i] += peak
			}
		}
	}
	for i, step := range steps {
		b.ReportMetric(float64(grown[i])/float64(b.N)/(many-few), step.name+"-B/lock")
	}
}

// peakOf runs lockform and returns the most memory that was resident, in bytes. It
// asks again and again: what the kernel tells of an ended process begins with the
// memory of the one that started it.
func peakOf(b *testing.B, dir string, args ...string) int {
	b.Helper()
	cmd := exec.Command(filepath.Join(bin, "lockform"), args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	peak := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				b.Fatalf("lockform %q: %v", args, err)
			}
			return peak
		case <-tick.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			for line := range strings.Lines(string(status)) {
				if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "VmHWM:" {
					kib, _ := strconv.Atoi(fields[1])
					peak = max(peak, kib<<10)
				}
			}
		}
	}
}
