package doctor

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/plan"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/recipe"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

var (
	noon    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	planner = zkfs.Digest("planner", "secret")
)

// lockTree is a tree with one lock of that Stat and ACL.
func lockTree(st zkfs.Stat, acl zkfs.ACL) *Tree {
	return &Tree{
		Ensemble: "main", Planner: []zkfs.Identity{planner},
		Ledger: plan.Ledger{Path: "/lockform/platform", Stat: zkfs.Stat{Czxid: 1}},
		Nodes:  []plan.Managed{{Path: "/jobs/a", Managed: true, Record: layout.Record{Layout: "platform", Kind: layout.KindLock, Address: "lock.a"}, Stat: st}},
		ACLs:   map[zkfs.Path]zkfs.Node{"/jobs/a": {Path: "/jobs/a", ACL: acl}},
	}
}

func checks(found []Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s %s %s", f.Severity, f.Check, strings.Join(f.Paths, ",")))
	}
	slices.Sort(all)
	return all
}

func TestSequences(t *testing.T) {
	// used returns a Stat after so many children, of which live are still there.
	used := func(creates int64, live int32) zkfs.Stat {
		return zkfs.Stat{Cversion: int32(2*creates - int64(live)), NumChildren: live, Ctime: noon.Add(-100 * 24 * time.Hour)}
	}
	for name, tt := range map[string]struct {
		stat zkfs.Stat
		want string // "" for nothing
		says string
	}{
		"New":          {used(0, 0), "", ""},
		"Middle":       {used(farSequence-1, 3), "", ""},
		"Far":          {used(farSequence, 3), "warning sequence /jobs/a", "is at 1073741824 of 2147482623"},
		"HowLong":      {used(farSequence, 0), "warning sequence /jobs/a", "in about 100 days"},
		"JustBefore":   {used(recipe.SequenceEnd-1, 1), "warning sequence /jobs/a", "in about 1 day at"},
		"End":          {used(recipe.SequenceEnd, 1), "error sequence /jobs/a", "agents refuse"},
		"ServersEnd":   {used(1<<31-1, 7), "error sequence /jobs/a", "come to its end (2147483647)"},
		"MadeInFuture": {zkfs.Stat{Cversion: -1 << 31, Ctime: noon.Add(time.Hour)}, "warning sequence /jobs/a", "can no longer be taken"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := lockTree(tt.stat, zkfs.ACL{}.With(planner))
			found := tree.Judge(noon)
			var want []string
			if tt.want != "" {
				want = []string{tt.want}
			}
			if d := cmp.Diff(checks(found), want); d != "" {
				t.Fatalf("got (-), want (+):\n%s", d)
			}
			if tt.want != "" && (!strings.Contains(found[0].Summary, tt.says) || !strings.Contains(found[0].Remedy, "-rotate='lock.a'")) {
				t.Errorf("%q is missing in %q, or the remedy in %q", tt.says, found[0].Summary, found[0].Remedy)
			}
		})
	}
}

// The embedded server's counter is set; what is made of its Stat must be the
// number that the next contender gets.
func TestSequenceIsTheServersOwn(t *testing.T) {
	e := zktest.New(t, zktest.Embedded)
	s, err := zkconn.Open(t.Context(), zkconn.Config{Servers: e.Servers})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	if _, err := s.Create(t.Context(), "/q", nil, zkfs.Open(), zkfs.Persistent); err != nil {
		t.Fatal(err)
	}
	for _, at := range []int64{0, 5, farSequence, 1<<31 - 3} {
		if err := e.Dev.SetSequence(zkfs.Path("/q").Under(e.Chroot), at); err != nil {
			t.Fatal(err)
		}
		st, _, err := s.Exists(t.Context(), "/q")
		if err != nil {
			t.Fatal(err)
		}
		made, err := s.Create(t.Context(), "/q/n-", nil, zkfs.Open(), zkfs.EphemeralSequential)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("/q/n-%010d", sequenceOf(st)); got != made.Path.String() {
			t.Errorf("got %s from the Stat, and the server made %s", got, made.Path)
		}
	}
}

func TestQueueLengths(t *testing.T) {
	for children, want := range map[int32]string{
		0: "", 100: "", 8000: "", 9000: "warning queue /jobs/a", 17000: "error queue /jobs/a",
	} {
		tree := lockTree(zkfs.Stat{NumChildren: children, Cversion: children}, zkfs.ACL{}.With(planner))
		if got := strings.Join(checks(tree.Judge(noon)), " "); got != want {
			t.Errorf("%d children: got %q, want %q", children, got, want)
		}
	}
}

func TestACLs(t *testing.T) {
	entry := func(perms, scheme, id string) zkfs.Entry {
		p, err := zkfs.ParsePerms(perms)
		if err != nil {
			t.Fatal(err)
		}
		return zkfs.Entry{Perms: p, Identity: zkfs.Identity{Scheme: scheme, ID: id}}
	}
	mine := entry("cdrwa", "digest", planner.ID)
	other := zkfs.Digest("other", "x").ID
	for name, tt := range map[string]struct {
		acl  zkfs.ACL
		want []string
	}{
		"Good":                  {zkfs.ACL{mine, entry("cdr", "digest", other), entry("r", "world", "anyone")}, nil},
		"EveryoneMayTakeIt":     {zkfs.ACL{mine, entry("cr", "world", "anyone")}, nil},
		"Open":                  {zkfs.Open(), []string{"warning open_acl /jobs/a"}},
		"EveryoneMayDelete":     {zkfs.ACL{mine, entry("d", "world", "anyone")}, []string{"warning open_acl /jobs/a"}},
		"NobodyIsAdmin":         {zkfs.ACL{entry("cdrw", "digest", planner.ID)}, []string{"error admin /jobs/a"}},
		"Empty":                 {zkfs.ACL{}, []string{"error admin /jobs/a"}},
		"PasswordInClear":       {zkfs.ACL{entry("cdrwa", "digest", "planner:secret")}, []string{"error admin /jobs/a"}},
		"SomebodyElseIsAdmin":   {zkfs.ACL{entry("cdrwa", "digest", other)}, []string{"warning admin /jobs/a"}},
		"HashNotShown":          {zkfs.ACL{entry("cdrwa", "digest", "planner:x")}, []string{"warning admin /jobs/a"}},
		"HashOfAnotherNotShown": {zkfs.ACL{entry("cdrwa", "digest", "other:x")}, []string{"warning admin /jobs/a"}},
		"AnAddress":             {zkfs.ACL{entry("cdrwa", "ip", "10.0.0.0/8")}, nil},
		"SeveralMayDelete":      {zkfs.ACL{mine, entry("cdr", "digest", other), entry("cdr", "x509", "CN=app")}, []string{"note delete /jobs/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := lockTree(zkfs.Stat{}, tt.acl).Judge(noon)
			if d := cmp.Diff(checks(found), tt.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
			for _, f := range found {
				if strings.Contains(f.Summary+f.Remedy, other) || strings.Contains(f.Summary, "%!") {
					t.Errorf("got %q, %q", f.Summary, f.Remedy)
				}
			}
		})
	}
	denied := lockTree(zkfs.Stat{}, nil)
	denied.ACLs["/jobs/a"] = zkfs.Node{Path: "/jobs/a", Denied: zkfs.PartACL}
	if got, want := checks(denied.Judge(noon)), []string{"warning acl /jobs/a"}; !slices.Equal(got, want) {
		t.Errorf("denied: got %v, want %v", got, want)
	}
	namespace := lockTree(zkfs.Stat{}, zkfs.ACL{entry("crwa", "digest", planner.ID), entry("c", "world", "anyone")})
	namespace.Nodes[0].Record.Kind = layout.KindNamespace
	if got, want := checks(namespace.Judge(noon)), []string{"warning delete /jobs/a", "warning open_acl /jobs/a"}; !slices.Equal(got, want) {
		t.Errorf("namespace: got %v, want %v", got, want)
	}
}

// A team's locks have one ACL: one finding tells of all of them.
func TestLikeFaultsAreOneFinding(t *testing.T) {
	tree := lockTree(zkfs.Stat{}, zkfs.Open())
	for i := range 9 {
		m := tree.Nodes[0]
		m.Path = zkfs.Path(fmt.Sprintf("/jobs/n%d", i))
		tree.Nodes = append(tree.Nodes, m)
		tree.ACLs[m.Path] = zkfs.Node{Path: m.Path, ACL: zkfs.Open()}
	}
	found := tree.Judge(noon)
	if len(found) != 1 || len(found[0].Paths) != 10 || found[0].Address != "" || !strings.Contains(found[0].Summary, "/jobs/a, /jobs/n0, /jobs/n1 and 7 more") {
		t.Errorf("got %+v", found)
	}
}

func TestQuota(t *testing.T) {
	node := zkfs.Node{Path: "/zookeeper/quota", ACL: zkfs.Open()}
	if got := checks(Quota("main", node)); !slices.Equal(got, []string{"warning quota /zookeeper/quota"}) {
		t.Errorf("open: got %v", got)
	}
	node.ACL = zkfs.ReadOnly()
	if got := Quota("main", node); got != nil {
		t.Errorf("closed: got %v", got)
	}
	if got := Quota("main", zkfs.Node{Absent: true}); got != nil {
		t.Errorf("absent: got %v", got)
	}
}
