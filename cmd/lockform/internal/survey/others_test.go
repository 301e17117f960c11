package survey

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A tree that kazoo, Curator, ZooKeeper's own recipe and scripts have made, and
// whose locks they hold, becomes HCL under which agents and they exclude each
// other. It is adopted while they hold, and they go on undisturbed.
func TestATreeThatOthersMade(t *testing.T) {
	const drivers = "../../../../agent/lock/interop/testdata/"
	each(t, func(t *testing.T, w *town) {
		clients := map[string]*zktest.Client{"python": zktest.Kazoo(t, drivers+"locks.py"), "java": zktest.Java(t, drivers+"Locks.java")}
		for _, c := range clients {
			c.Expect(t, "ready")
		}
		if _, err := w.strangers.Create(t.Context(), "/tree", nil, zkfs.Open(), zkfs.Persistent); err != nil {
			t.Fatal(err)
		}
		want := map[zkfs.Path]string{}
		var held []string // "program ID"
		for i, k := range []struct{ program, kind, path, want string }{
			{"python", "lock", "/tree/kazoo/lock", "kazoo exclusive "},
			{"python", "read", "/tree/kazoo/read", "kazoo read_write "},
			{"python", "write", "/tree/kazoo/write", "kazoo exclusive "},
			{"python", "children", "/tree/children", "plain exclusive lock_id_"},
			{"python", "get", "/tree/get", "plain exclusive seq-"},
			{"python", "exists", "/tree/exists", "plain exclusive lockid"},
			{"java", "mutex", "/tree/curator/mutex", "curator exclusive "},
			{"java", "read", "/tree/curator/read", "curator read_write "},
			{"java", "write", "/tree/curator/write", "curator read_write "},
			{"java", "semaphore", "/tree/curator/semaphore", ""},
			{"java", "recipe", "/tree/recipe", "curator exclusive "},
		} {
			if k.program == "python" && strings.Count(k.path, "/") == 2 || k.kind == "recipe" {
				if _, err := w.strangers.Create(t.Context(), zkfs.Path(k.path), nil, zkfs.Open(), zkfs.Persistent); err != nil {
					t.Fatal(err)
				}
			}
			id := fmt.Sprintf("t%d", i)
			c := clients[k.program]
			c.Send(t, strings.Join([]string{"take", id, k.kind, w.env.Servers, k.path}, " "))
			c.Expect(t, id+" held")
			held = append(held, k.program+" "+id)
			if k.want != "" {
				want[zkfs.Path(k.path)] = k.want
			}
		}

		tree, err := Read(t.Context(), w.planner, "/tree")
		if err != nil {
			t.Fatal(err)
		}
		made, notes := tree.Layout(Options{Layout: "others", Ensemble: "main", Planner: w.planner.Identities()})
		got := map[zkfs.Path]string{}
		for _, k := range made.Locks {
			got[k.Path] = fmt.Sprintf("%s %s %s", k.Policy.Recipe, k.Policy.Mode, k.Policy.Prefix)
		}
		if d := cmp.Diff(got, want); d != "" {
			t.Fatalf("got (-), want (+):\n%s\n%+v", d, notes)
		}
		l := w.load(t, t, "others", string(hcl.Generate(made, "imported_")))
		p := w.plan(t.Context(), t, l)
		if s := p.Summary(); s.Adopt != len(want)+3 || s.Blocked+s.Create+s.Update+s.Delete != 0 {
			t.Fatalf("got %+v, want %d adopted and nothing else", s, len(want)+3)
		}
		if err := w.apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if p := w.plan(t.Context(), t, l); !p.Empty() {
			t.Errorf("once it is applied the plan is not empty: %s", p.SummaryLine())
		}
		for _, h := range held {
			program, id, _ := strings.Cut(h, " ")
			clients[program].Send(t, "give "+id)
			clients[program].Expect(t, id+" given")
		}
		for _, c := range clients {
			c.End(t)
		}
	})
}
