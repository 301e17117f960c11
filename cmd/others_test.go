package cmd

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// TestTreesOfOthers plans and applies beside what kazoo, Curator and
// hand-written scripts have made and hold: theirs is left as it is, a collision
// is refused before anything is written, and what does not collide is made.
func TestTreesOfOthers(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		kazoo := zktest.Kazoo(t, "testdata/kazoo_trees.py", e.Servers)
		curator := zktest.Java(t, "testdata/CuratorTrees.java", e.Servers)
		kazoo.Expect(t, "ready")
		curator.Expect(t, "ready")
		theirs := e.Tree(t)
		if len(theirs) < 20 {
			t.Fatalf("they have made %d znodes only: %v", len(theirs), theirs)
		}

		dir := t.TempDir()
		lockform := func(want int, layout string, args ...string) string {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, "locks.hcl"), []byte(layout), 0o600); err != nil {
				t.Fatal(err)
			}
			return run(t, dir, nil, want, "lockform", append(args, "-servers="+e.Servers)...)
		}

		const beside = `
			layout "beside" {}
			lock "ours" { path = "/kazoo/ours" }
			namespace "curator" {
			  path = "/ours"
			  lock "mutex" {}
			}`
		out := lockform(0, beside, "apply", "-auto-approve")
		if strings.Contains(out, "/kazoo/jobs") {
			t.Errorf("the plan speaks of what it does not own:\n%s", out)
		}
		lockform(0, beside, "plan", "-detailed-exitcode")
		unchanged(t, theirs, e.Tree(t))

		before := e.Tree(t)
		for _, path := range []string{"/kazoo/jobs", "/curator/mutex", "/uk/lock", "/config"} {
			out := lockform(5, `layout "collides" {}
				lock "theirs" { path = "`+path+`" }`, "apply", "-auto-approve")
			if !strings.Contains(out, path) || !strings.Contains(out, "adopt") {
				t.Errorf("the refusal does not name %s and the remedy:\n%s", path, out)
			}
			unchanged(t, before, e.Tree(t))
		}

		lockform(0, beside, "destroy", "-auto-approve", "-purge")
		unchanged(t, theirs, e.Tree(t))
		if d := cmp.Diff(theirs, e.Tree(t)); d != "" {
			t.Errorf("after destroy there is more or less than before: %s", d)
		}
		kazoo.End(t)
		curator.End(t)
	})
}

// unchanged fails the test when a znode of want is missing in got or differs.
func unchanged(t *testing.T, want, got map[zkfs.Path]string) {
	t.Helper()
	same := maps.Clone(got)
	maps.DeleteFunc(same, func(p zkfs.Path, _ string) bool { _, ok := want[p]; return !ok })
	if d := cmp.Diff(want, same); d != "" {
		t.Fatalf("somebody else's znodes changed: %s", d)
	}
}
