package survey

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/hcl"
	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// A made is a persistent znode that strangers made, with ephemerals below it.
type made struct {
	path       zkfs.Path // below the root of the case
	data       string
	acl        zkfs.ACL
	ephemerals []string // prefixes of sequential names
}

var (
	someNames = []string{"a", "b-1", "01", "x.y", "x_y", "ü", "lock", "jobs", "shard"}
	someData  = []string{"", "", "", "", "10.0.0.1", `{"retries":3}`}
	someACLs  = []zkfs.ACL{
		zkfs.Open(), {{Perms: zkfs.AllPerms, Identity: planner}, {Perms: zkfs.Read, Identity: zkfs.Anyone}},
		{{Perms: zkfs.Read | zkfs.Create | zkfs.Delete, Identity: zkfs.Digest("app", "x")}, {Perms: zkfs.AllPerms, Identity: planner}},
		{{Perms: zkfs.AllPerms, Identity: zkfs.Anyone}, {Perms: zkfs.Read, Identity: zkfs.Digest("other", "y")}},
	}
	someQueues = [][]string{
		nil, nil, nil, {kazoo}, {kazoo, kazooR}, {curator, curator}, {rwRead, rwWrite}, {goZK}, {recipes}, {"lock_id_"}, {"seq-", "seq-"},
		{kazoo, curator}, {"a-read-"}, {"one_", "two_"},
	}
)

// someTrees draws trees; the first znode is the root, with the path "".
var someTrees = rapid.Custom(func(t *rapid.T) []made {
	one := func(path zkfs.Path, label string) made {
		return made{
			path, rapid.SampledFrom(someData).Draw(t, label+" data"), rapid.SampledFrom(someACLs).Draw(t, label+" acl"),
			rapid.SampledFrom(someQueues).Draw(t, label+" queue"),
		}
	}
	all := []made{one("", "root")}
	seen := map[zkfs.Path]bool{}
	for i := range rapid.IntRange(0, 10).Draw(t, "znodes") {
		parent := rapid.SampledFrom(all).Draw(t, "parent").path
		path := parent + "/" + zkfs.Path(rapid.SampledFrom(someNames).Draw(t, "name"))
		if !seen[path] {
			seen[path] = true
			all = append(all, one(path, fmt.Sprint(i)))
		}
	}
	return all
})

// What a survey says of a tree is HCL that has the meaning it was made of,
// plans to nothing but adoption, never replaces data of others before somebody
// has said so, and plans to nothing once it is applied.
func TestASurveyPlansToAdoption(t *testing.T) {
	embedded := newTown(t, zktest.Embedded)
	rapid.Check(t, func(rt *rapid.T) { embedded.check(t, rt, someTrees.Draw(rt, "tree")) })
	if slices.Contains(zktest.Kinds(), zktest.Real) {
		real := newTown(t, zktest.Real)
		for seed := range 12 {
			real.check(t, t, someTrees.Example(seed))
		}
	}
	if embedded.adopted == 0 || embedded.withData == 0 {
		t.Errorf("the cases adopted %d znodes and had %d locks with data: they show nothing", embedded.adopted, embedded.withData)
	}
}

// A town is a server with strangers and a planner.
type town struct {
	env                *zktest.Env
	strangers, planner *zkconn.Session
	cases              int
	adopted, withData  int
}

func newTown(t *testing.T, kind zktest.Kind) *town {
	e := zktest.New(t, kind)
	open := func(user, password string) *zkconn.Session {
		s, err := zkconn.Open(t.Context(), zkconn.Config{Servers: e.Servers, Auth: []zkconn.Auth{zkconn.Digest(user, password)}, SessionTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Errorf("close the session of %s: %v", user, err)
			}
		})
		return s
	}
	user, password, _ := strings.Cut(zktest.SuperAuth, ":")
	return &town{env: e, strangers: open(user, password), planner: open("planner", "secret")}
}

// each runs f as a subtest on each kind of server.
func each(t *testing.T, f func(*testing.T, *town)) {
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) { f(t, newTown(t, kind)) })
	}
}

// fataler is *testing.T and *rapid.T.
type fataler interface {
	Fatalf(format string, args ...any)
}

func (w *town) check(t *testing.T, f fataler, tree []made) {
	w.cases++
	root := zkfs.Path(fmt.Sprintf("/case%d", w.cases))
	ctx := t.Context()
	must := func(err error) {
		if err != nil {
			f.Fatalf("%v", err)
		}
	}
	for _, m := range tree {
		_, err := w.strangers.Create(ctx, root+m.path, []byte(m.data), m.acl, zkfs.Persistent)
		must(err)
		for _, prefix := range m.ephemerals {
			_, err := w.strangers.Create(ctx, (root + m.path).Join(prefix), []byte("stranger"), zkfs.Open(), zkfs.EphemeralSequential)
			must(err)
		}
	}
	read, err := Read(ctx, w.planner, root)
	must(err)
	name := fmt.Sprintf("case%d", w.cases)
	want, _ := read.Layout(Options{Layout: name, Ensemble: "main", Planner: w.planner.Identities()})
	if len(want.Namespaces)+len(want.Locks) == 0 {
		return
	}
	text := string(hcl.Generate(want, "imported_"))
	got := w.load(t, f, name, text)
	if d := cmp.Diff(declared(want), declared(got)); d != "" {
		f.Fatalf("what was surveyed (-) and what its HCL says (+):\n%s\n%s", d, text)
	}

	p := w.plan(ctx, f, got)
	e := &p.Ensembles[0]
	for _, s := range e.Steps {
		if !s.Has(plan.Adopt) || s.Foreign != 0 {
			f.Fatalf("a step does %v to %s and replaces %d bytes:\n%s", s.Actions, s.Path, s.Foreign, text)
		}
	}
	for _, b := range e.Blocked {
		k := slices.IndexFunc(want.Locks, func(k layout.Lock) bool { return k.Path == b.Path })
		if b.Reason != plan.BlockUnmanaged || k < 0 || want.Locks[k].Adopt {
			f.Fatalf("%s is blocked: %s\n%s", b.Path, b.Detail, text)
		}
		w.withData++
	}
	if len(e.Blocked) > 0 {
		for i := range want.Locks {
			want.Locks[i].Adopt = true
		}
		got = w.load(t, f, name, string(hcl.Generate(want, "imported_")))
		p = w.plan(ctx, f, got)
	}
	before := w.tree(ctx, f, root)
	must(w.apply(ctx, p))
	w.adopted += p.Summary().Adopt
	after := w.tree(ctx, f, root)
	for _, s := range p.Ensembles[0].Steps {
		delete(before, s.Path)
		delete(after, s.Path)
	}
	if d := cmp.Diff(before, after); d != "" {
		f.Fatalf("what is not declared was changed:\n%s", d)
	}
	if p = w.plan(ctx, f, got); !p.Empty() || p.HasDrift() {
		f.Fatalf("once it is applied the plan is not empty: %s\n%s", p.SummaryLine(), text)
	}
}

// tree returns the data of all znodes at root.
func (w *town) tree(ctx context.Context, f fataler, root zkfs.Path) map[zkfs.Path]string {
	all := map[zkfs.Path]string{}
	for level := []zkfs.Path{root}; len(level) > 0; {
		nodes, err := w.strangers.Read(ctx, zkfs.PartData|zkfs.PartChildren, level)
		if err != nil {
			f.Fatalf("%v", err)
		}
		level = nil
		for _, n := range nodes {
			all[n.Path] = string(n.Data)
			for _, name := range n.Children {
				level = append(level, n.Path.Join(name))
			}
		}
	}
	return all
}

// declared lists what a layout declares, with all that Generate writes.
func declared(l *layout.Layout) []string {
	var all []string
	see := func(d layout.Declared, p *layout.Policy) {
		s := fmt.Sprintf("%s %s acl=%s adopt=%v protected=%v", d.Address, d.Path, d.ACL, d.Adopt, d.Protected)
		if p != nil {
			s += fmt.Sprint(p.Attributes())
		}
		all = append(all, s)
	}
	for _, n := range l.Namespaces {
		see(n.Declared, nil)
	}
	for _, k := range l.Locks {
		see(k.Declared, k.Policy)
	}
	slices.Sort(all)
	return all
}

func (w *town) load(t *testing.T, f fataler, name, text string) *layout.Layout {
	head := fmt.Sprintf("layout %q {}\nensemble \"main\" {\n  servers = [%q]\n  chroot = %q\n  auth \"digest\" {\n    username = \"planner\"\n    password = \"secret\"\n  }\n}\n",
		name, w.env.Addr, w.env.Chroot)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "layout.hcl"), []byte(head+text), 0o600); err != nil {
		f.Fatalf("%v", err)
	}
	l, diags := hcl.Load(dir, hcl.Options{})
	if l == nil {
		f.Fatalf("what was generated has faults: %+v\n%s", diags, text)
	}
	return l
}

func (w *town) plan(ctx context.Context, f fataler, l *layout.Layout) *plan.Plan {
	live, err := plan.Read(ctx, w.planner, l, "main", plan.Options{})
	if err != nil {
		f.Fatalf("%v", err)
	}
	p, err := plan.Diff(l, []*plan.Live{live}, plan.Options{})
	if err != nil {
		f.Fatalf("%v", err)
	}
	return p
}

func (w *town) apply(ctx context.Context, p *plan.Plan) error {
	path, err := plan.Prepare(ctx, w.planner, p, "main")
	if err != nil {
		return err
	}
	client, err := lock.Open(ctx, lock.Config{Session: w.planner})
	if err != nil {
		return err
	}
	policy := layout.DefaultPolicy()
	held, err := client.Acquire(ctx, path, lock.Options{Policy: &policy, Owner: "property"})
	if err != nil {
		return errors.Join(err, client.Close(ctx))
	}
	err = plan.Apply(ctx, p, []plan.Side{{Ensemble: "main", Target: w.planner, Lock: held}}, plan.ApplyOptions{})
	return errors.Join(err, held.Release(ctx), client.Close(ctx))
}
