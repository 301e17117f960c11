package hcl

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// repeatedLayout declares n locks in n/100 namespaces.
func repeatedLayout(n int) string {
	return fmt.Sprintf(`
layout "big" {}
ensemble "main" {
  servers = ["zk1:2181"]
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
policy "batch" { max_hold = "1h" }
namespace "jobs" {
  for_each = local.teams
  path     = "/locks/${each.key}"
  acl      = acl.read_only
  policy   = policy.batch
  lock "shard" {
    for_each = toset([for i in range(100) : format("%%02d", i)])
    path     = "shard-${each.key}"
    acl      = acl.team[each.parent.key]
    mode     = "exclusive"
  }
}
`, n/100)
}

// flatLayout declares n locks in one block: one set of n keys.
func flatLayout(n int) string {
	return fmt.Sprintf(`
layout "flat" {}
lock "shard" {
  for_each = toset([for p in setproduct(range(%d), range(100)) : format("%%04d-%%02d", p[0], p[1])])
  path     = "/shards/${each.key}"
  acl      = acl.open
}
`, n/100)
}

// BenchmarkLoadOneBlock is BenchmarkLoad for one large set of keys.
func BenchmarkLoadOneBlock(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("locks=%d", n), func(b *testing.B) { benchmarkLoad(b, n, flatLayout(n)) })
	}
}

// BenchmarkLoad shows that loading grows linearly with the number of locks.
func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("locks=%d", n), func(b *testing.B) { benchmarkLoad(b, n, repeatedLayout(n)) })
	}
}

func benchmarkLoad(b *testing.B, n int, text string) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l, diags := Load(dir, Options{})
		if diags.HasErrors() || len(l.Locks) != n {
			b.Fatalf("%d locks wanted, diagnostics: %v", n, diags)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/lock")
}
