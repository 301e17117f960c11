package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// What is applied before the apply that is killed, and what that applies: it
// creates, changes, deletes, and sets ACLs, some of them revoked.
const (
	layoutBefore = `
layout "platform" {}
namespace "jobs" {
  path = "/locks/jobs"
  acl  = acl.read_only
  lock "a" {}
  lock "b" { acl = acl.open }
  lock "c" {}
}
`
	layoutAfter = `
layout "platform" {}
namespace "jobs" {
  path = "/locks/jobs"
  acl  = acl.read_only
  lock "a" { max_hold = "1h" }
  lock "b" {}
  lock "c" { acl = acl.open }
  lock "d" {}
}
lock "e" {
  path = "/more/e"
  acl  = acl.read_only
}
`
	// layoutLarge takes several batches after layoutBefore.
	layoutLarge = layoutBefore + `
namespace "many" {
  for_each = toset([for i in range(6) : format("%02d", i)])
  path     = "/many/${each.key}"
  acl      = acl.read_only
  lock "x" {
    for_each = toset([for i in range(300) : format("%03d", i)])
    path     = "x-${each.key}"
  }
}
`
)

// A planner is somebody who runs the command in a directory of a layout.
type planner struct {
	t       testing.TB
	dir     string
	servers string
}

func (p planner) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p planner) command(args ...string) *exec.Cmd {
	cmd := exec.Command("lockform", args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "LOCKFORM_AUTH=digest:planner:p", "LOCKFORM_SERVERS="+p.servers, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// must runs the command, which must succeed.
func (p planner) must(args ...string) {
	p.t.Helper()
	if out, err := p.command(args...).CombinedOutput(); err != nil {
		p.t.Fatalf("lockform %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// shape returns what stands outside of the ledger, data and ACLs, and ends the
// apply locks that the killed have left, as the end of their sessions does.
func shape(t testing.TB, e *zktest.Env) []string {
	t.Helper()
	c := superUser(t, e)
	defer c.Close()
	var all []string
	for p, data := range e.Tree(t) {
		at := string(p.Under(e.Chroot))
		if zkfs.Path("/lockform").Contains(p) {
			if p.Parent() == "/lockform/platform/apply" {
				if err := c.Delete(at, -1); err != nil && err != zk.ErrNoNode {
					t.Fatal(err)
				}
			}
			continue
		}
		acl, _, err := c.GetACL(at)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s %s %v", p, data, acl))
	}
	slices.Sort(all)
	return all
}

// killAt has the apply of a layout, after layoutBefore, killed at one of its
// requests and the same plan applied again. It returns the tree after that, and how many requests came before the
// kill. Where cut is 0 nothing is killed.
func killAt(t testing.TB, kind zktest.Kind, after string, cut int, before bool) (tree []string, requests int) {
	t.Helper()
	e := zktest.New(t, kind)
	p := newProxy(t, e.Addr, proxyKill)
	who := planner{t, t.TempDir(), p.listener.Addr().String() + e.Chroot.String()}
	who.write("layout.hcl", layoutBefore)
	who.must("apply", "-auto-approve")
	who.write("layout.hcl", after)
	who.must("plan", "-out=p.plan")

	cmd := who.command("apply", "p.plan")
	started := make(chan struct{})
	p.mu.Lock()
	p.frames, p.cut, p.before = 0, cut, before
	p.kill = func() { <-started; _ = cmd.Process.Kill() }
	p.mu.Unlock()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	close(started)
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !limit.Stop() {
		t.Fatal("the apply took more than a minute")
	}
	if cut == 0 && err != nil {
		t.Fatalf("apply: %v", err)
	}
	p.mu.Lock()
	requests, p.cut = p.frames, 0
	p.mu.Unlock()
	if cut > 0 {
		shape(t, e)
		who.must("apply", "p.plan")
	}
	who.must("plan", "-detailed-exitcode")
	return shape(t, e), requests
}

// TestKilledAnywhereContinues kills the process of an apply with -9 at each of
// its requests, before it arrives or before its answer does. The same plan again
// ends in the same tree as without that.
func TestKilledAnywhereContinues(t *testing.T) {
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			want, requests := killAt(t, kind, layoutAfter, 0, false)
			if requests < 15 {
				t.Fatalf("the apply sends %d requests, too few for this test", requests)
			}
			step := 1
			if kind == zktest.Real {
				step = 3
			}
			for cut := 1; cut <= requests; cut += step {
				for _, before := range []bool{true, false} {
					t.Run(fmt.Sprintf("%dOf%d/before=%v", cut, requests, before), func(t *testing.T) {
						t.Parallel()
						if got, _ := killAt(t, kind, layoutAfter, cut, before); !slices.Equal(got, want) {
							t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
						}
					})
				}
			}
		})
	}
}

// TestKilledWithBatchesInFlight kills an apply while several of its batches are
// under way.
func TestKilledWithBatchesInFlight(t *testing.T) {
	want, requests := killAt(t, zktest.Embedded, layoutLarge, 0, false)
	for i := range 7 {
		// The batches are the last requests but those that end the apply.
		cut, before := requests-9+i, i%2 == 0
		t.Run(fmt.Sprintf("%dOf%d/before=%v", cut, requests, before), func(t *testing.T) {
			t.Parallel()
			if got, _ := killAt(t, zktest.Embedded, layoutLarge, cut, before); !slices.Equal(got, want) {
				t.Errorf("got %d znodes, want %d, or others", len(got), len(want))
			}
		})
	}
}
