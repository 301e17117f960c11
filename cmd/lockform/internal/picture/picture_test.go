package picture

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"gotest.tools/v3/golden"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// sample has two ensembles, nested namespaces, keys that need escapes, a crowd
// of shards and everything that a box can say.
func sample() *layout.Layout {
	l := &layout.Layout{Name: "platform", Ensembles: []layout.Ensemble{
		{Name: "main", Servers: []string{"zk1:2181", "zk2:2181"}, Chroot: "/prod"},
		{Name: "other", Servers: []string{"zk9:2181"}, Chroot: zkfs.Root},
	}}
	team := zkfs.ACL{{Perms: zkfs.Read | zkfs.Create | zkfs.Delete, Identity: zkfs.Digest("app", "secret")}}
	nightly := layout.DefaultPolicy()
	nightly.Mode, nightly.Written = layout.ReadWrite, []string{"contender_acl", "mode"}
	nightly.ContenderACL = zkfs.ReadOnly()
	semaphore := layout.DefaultPolicy()
	semaphore.Mode, semaphore.Permits, semaphore.Written = layout.Semaphore, 3, []string{"mode", "permits"}
	ns := func(ensemble, address, path string, protected bool) {
		l.Namespaces = append(l.Namespaces, layout.Namespace{Declared: layout.Declared{
			Address: layout.Address(address), Path: zkfs.Path(path), Ensemble: ensemble, ACL: zkfs.ReadOnly(), ACLName: "acl.read_only", Protected: protected,
		}})
	}
	lock := func(ensemble, address, path string, p layout.Policy) {
		l.Locks = append(l.Locks, layout.Lock{Declared: layout.Declared{
			Address: layout.Address(address), Path: zkfs.Path(path), Ensemble: ensemble, ACL: team, ACLName: `acl.team["app"]`,
		}, Policy: &p})
	}
	ns("main", `namespace.jobs["a \"b\" #1"]`, "/jobs/a", true)
	ns("main", `namespace.jobs["a \"b\" #1"].namespace.adhoc`, "/jobs/a/adhoc", false)
	lock("main", `namespace.jobs["a \"b\" #1"].lock.report`, "/jobs/a/report", nightly)
	l.Locks[0].PolicyName = "policy.nightly"
	for i := range 20 {
		lock("main", fmt.Sprintf(`namespace.jobs["a \"b\" #1"].namespace.adhoc.lock.shard["%02d"]`, i), fmt.Sprintf("/jobs/a/adhoc/shard-%02d", i), layout.DefaultPolicy())
	}
	lock("other", "lock.uk", "/uk/<lock>", semaphore)
	return l
}

func TestPictures(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer) error{
		"layout.dot":     func(b *bytes.Buffer) error { return DOT(b, sample()) },
		"layout.mermaid": func(b *bytes.Buffer) error { return Mermaid(b, sample()) },
	} {
		t.Run(name, func(t *testing.T) {
			var got, again bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, got.String(), name)
			if err := write(&again); err != nil || again.String() != got.String() {
				t.Errorf("written again, it differs: %v", err)
			}
			if strings.Contains(got.String(), "secret") || strings.Contains(got.String(), zkfs.Digest("app", "secret").ID) {
				t.Error("the picture holds a password or its hash")
			}
		})
	}
}

// Where Graphviz is installed it is asked whether it can read what is written.
func TestGraphvizReadsDOT(t *testing.T) {
	var b bytes.Buffer
	if err := DOT(&b, sample()); err != nil {
		t.Fatal(err)
	}
	dot, err := exec.LookPath("dot")
	if err != nil {
		t.Log("dot is not installed")
		return
	}
	cmd := exec.Command(dot, "-Tplain")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("dot: %v\n%s", err, out)
	}
}

func TestOnlyCrowdsAreDrawnAsOne(t *testing.T) {
	for _, n := range []int{crowd, crowd + 1} {
		l := &layout.Layout{Ensembles: []layout.Ensemble{{Name: "main"}}}
		for i := range n {
			l.Locks = append(l.Locks, layout.Lock{
				Declared: layout.Declared{Address: layout.Address(fmt.Sprintf(`lock.x["%02d"]`, i)), Path: zkfs.Path(fmt.Sprintf("/x/%02d", i)), Ensemble: "main"},
				Policy:   new(layout.DefaultPolicy()),
			})
		}
		want := n
		if n > crowd {
			want = 1
		}
		if got := len(draw(l).groups[0].nodes); got != want {
			t.Errorf("%d instances: got %d boxes, want %d", n, got, want)
		}
	}
}
