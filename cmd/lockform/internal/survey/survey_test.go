package survey

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// Names as clients make them.
const (
	kazoo   = "0123456789abcdef0123456789abcdef__lock__"
	kazooR  = "0123456789abcdef0123456789abcdef__rlock__"
	curator = "_c_01234567-89ab-cdef-0123-456789abcdef-lock-"
	goZK    = "_c_0123456789abcdef0123456789abcdef-lock-"
	rwRead  = "_c_01234567-89ab-cdef-0123-456789abcdef-__READ__"
	rwWrite = "_c_01234567-89ab-cdef-0123-456789abcdef-__WRIT__"
	recipes = "x-72057594037927936-"
)

// numbered appends sequences to prefixes.
func numbered(prefixes ...string) []string {
	var names []string
	for i, p := range prefixes {
		names = append(names, fmt.Sprintf("%s%010d", p, i))
	}
	return names
}

func TestRecipesAreToldByContenders(t *testing.T) {
	for name, tt := range map[string]struct {
		prefixes []string
		want     string // recipe, mode and prefix; "" for none
	}{
		"Nobody":             {nil, ""},
		"Kazoo":              {[]string{kazoo, kazoo}, "kazoo exclusive "},
		"KazooReader":        {[]string{kazooR}, "kazoo read_write "},
		"KazooBoth":          {[]string{kazooR, kazoo}, "kazoo read_write "},
		"Curator":            {[]string{curator}, "curator exclusive "},
		"GoZooKeeper":        {[]string{goZK}, "curator exclusive "},
		"CuratorWriter":      {[]string{rwWrite}, "curator read_write "},
		"CuratorReader":      {[]string{rwRead}, "curator read_write "},
		"Recipes":            {[]string{recipes, "x-72057594037927937-"}, "curator exclusive "},
		"CuratorAndRecipes":  {[]string{curator, recipes}, "curator exclusive "},
		"KazooAndCurator":    {[]string{kazoo, curator}, "bridge exclusive "},
		"KazooAndReaders":    {[]string{kazoo, rwRead}, "bridge read_write "},
		"KazooAndGo":         {[]string{kazoo, goZK}, "kazoo exclusive "},
		"Script":             {[]string{"lock_id_", "lock_id_"}, "plain exclusive lock_id_"},
		"ScriptWithLockDash": {[]string{"lock-", "lock-"}, "plain exclusive lock-"},
		"TwoScripts":         {[]string{"a_", "b_"}, ""},
		"Documentation":      {[]string{"a-read-"}, ""},
		"Latch":              {[]string{"_c_0123-latch-", "_c_4567-latch-"}, ""},
		"DigitsAlone":        {[]string{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if p, ok := recognise(numbered(tt.prefixes...)); ok {
				got = fmt.Sprintf("%s %s %s", p.Recipe, p.Mode, p.Prefix)
				if errs := p.Validate(); errs != nil {
					t.Errorf("got a policy that is not valid: %v", errs)
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A fakeTree is a Reader. A name that ends in "!" or ten digits is ephemeral.
type fakeTree map[zkfs.Path]zkfs.Node

func (f fakeTree) Read(_ context.Context, parts zkfs.Parts, paths []zkfs.Path) ([]zkfs.Node, error) {
	var nodes []zkfs.Node
	for _, p := range paths {
		n, ok := f[p]
		if !ok {
			nodes = append(nodes, zkfs.Node{Path: p, Absent: true})
			continue
		}
		if n.Path = p; strings.HasSuffix(p.Base(), "!") || strings.HasSuffix(p.Base(), "0000000001") {
			n.Stat.EphemeralOwner = 7
		}
		if n.Denied&parts != 0 {
			n.Data, n.ACL = nil, nil
		}
		n.Denied &= parts
		n.Children = nil
		for q := range f {
			if q.Parent() == p && q != p {
				n.Children = append(n.Children, q.Base())
			}
		}
		slices.Sort(n.Children)
		nodes = append(nodes, n)
	}
	return nodes, nil
}

var planner = zkfs.Digest("planner", "secret")

func record(name string, kind layout.Kind, address layout.Address) []byte {
	r := layout.Record{Layout: name, Kind: kind, Address: address}
	if kind == layout.KindLock {
		p := layout.DefaultPolicy()
		p.MaxWaiters = 7
		r.Policy = &p
	}
	data, err := r.Encode()
	if err != nil {
		panic(err)
	}
	return data
}

func TestWhatIsDeclared(t *testing.T) {
	data := func(s string) zkfs.Node { return zkfs.Node{Data: []byte(s), ACL: zkfs.Open()} }
	plain := data("")
	acl := func(scheme, id string) zkfs.Node {
		return zkfs.Node{ACL: zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Identity{Scheme: scheme, ID: id}}}}
	}
	for name, tt := range map[string]struct {
		tree fakeTree
		want []string // "address path" of what is declared, "-" before what is not to be adopted
		note string   // a part of a note; "" for none
	}{
		"FreeLock":         {fakeTree{"/l": plain, "/l/a": plain}, []string{"namespace.l /l", "namespace.l.lock.a /l/a"}, "/l/a is empty and nobody waits for it"},
		"LockAtThePath":    {fakeTree{"/l": plain, "/l/lock_0000000001": plain}, []string{"lock.l /l"}, "scripts whose contenders begin with"},
		"NothingButData":   {fakeTree{"/l": plain, "/l/a": data("x")}, nil, "/l/a has 1 byte of data and nobody waits"},
		"LockWithData":     {fakeTree{"/l": data("x"), "/l/" + kazoo + "0000000001": plain}, []string{"-lock.l /l"}, "is a lock with 1 byte of data that the record would replace"},
		"StrayInALock":     {fakeTree{"/l": plain, "/l/" + kazoo + "0000000001": plain, "/l/notes": plain}, []string{"lock.l /l"}, "is a lock with persistent children (notes)"},
		"NamespaceOfData":  {fakeTree{"/l": data("x"), "/l/a": plain}, []string{"lock.a /l/a"}, "/l has 1 byte of data, which stay"},
		"Empty":            {fakeTree{"/l": plain}, []string{"lock.l /l"}, "is empty"},
		"Members":          {fakeTree{"/l": plain, "/l/host!": plain}, nil, "none is a contender (host!)"},
		"CuratorSemaphore": {fakeTree{"/l": plain, "/l/locks": plain, "/l/leases": plain, "/l/leases/x": plain}, nil, "a semaphore of Curator"},
		"KazooSemaphore":   {fakeTree{"/l": plain, "/l/s-__lock__": plain}, nil, "a semaphore of kazoo"},
		"TheirLayout":      {fakeTree{"/l": {Data: record("theirs", layout.KindNamespace, "namespace.x"), ACL: zkfs.Open()}, "/l/a": plain}, nil, `owned by the layout "theirs"`},
		"OurParent":        {fakeTree{"/l": {Data: record("ours", layout.KindParent, ""), ACL: zkfs.Open()}, "/l/a": plain}, []string{"lock.a /l/a"}, "/l/a is empty"},
		"OurLost":          {fakeTree{"/l": {Data: record("ours", layout.KindLock, "lock.x"), ACL: zkfs.Open()}}, []string{"-lock.l /l"}, "owned by this layout as lock.x, which is not declared any more"},
		"Ledger":           {fakeTree{"/l": plain, "/l/led": {Data: record("ours", layout.KindLedger, ""), ACL: zkfs.Open()}, "/l/led/apply": plain, "/l/a": plain}, []string{"namespace.l /l", "namespace.l.lock.a /l/a"}, "/l/a is empty"},
		"Damaged":          {fakeTree{"/l": data(`{"lockform":1}`)}, nil, "damaged lockform record"},
		"Declared":         {fakeTree{"/l": plain, "/l/declared": plain, "/l/declared/b": plain}, []string{"namespace.l /l", "namespace.l.lock.b /l/declared/b"}, "is empty"},
		"Denied":           {fakeTree{"/l": plain, "/l/a": {Denied: zkfs.PartData}, "/l/b": plain}, []string{"namespace.l /l", "namespace.l.lock.b /l/b"}, "/l/a may not be read"},
		"ACLNotShown":      {fakeTree{"/l": acl("digest", "app:x")}, nil, "not shown to a run without ADMIN"},
		"ACLInClear":       {fakeTree{"/l": acl("digest", "app:secret")}, nil, "has no hash"},
		"OtherProvider":    {fakeTree{"/l": acl("kerberos", "app")}, nil, "kerberos:app:cdrwa"},
		"PlannersOwn":      {fakeTree{"/l": acl("digest", planner.ID)}, []string{"lock.l /l"}, "is empty"},
		"LabelsDiffer":     {fakeTree{"/l": plain, "/l/a.b": plain, "/l/a_b": plain, "/l/01": plain}, []string{"namespace.l /l", "namespace.l.lock._01 /l/01", "namespace.l.lock.a_b /l/a.b", "namespace.l.lock.a_b_2 /l/a_b"}, "is empty"},
		"TakenLabel":       {fakeTree{"/taken": plain}, []string{"lock.taken_2 /taken"}, "is empty"},
		"Root":             {fakeTree{"/": plain, "/a": plain, "/zookeeper": plain, "/zookeeper/quota": plain}, []string{"lock.a /a"}, "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			root := zkfs.Path("/l")
			for p := range tt.tree {
				if p == zkfs.Root || p == "/taken" {
					root = p
				}
			}
			tree, err := Read(t.Context(), tt.tree, root)
			if err != nil {
				t.Fatal(err)
			}
			made, notes := tree.Layout(Options{
				Layout: "ours", Ensemble: "main", Planner: []zkfs.Identity{planner},
				Declared: map[zkfs.Path]bool{"/l/declared": true}, Taken: func(kind, label string) bool { return label == "taken" },
			})
			var got []string
			see := func(d layout.Declared) {
				s := fmt.Sprintf("%s %s", d.Address, d.Path)
				if !d.Adopt {
					s = "-" + s
				}
				got = append(got, s)
			}
			for _, n := range made.Namespaces {
				see(n.Declared)
			}
			for _, k := range made.Locks {
				see(k.Declared)
			}
			if d := cmp.Diff(got, tt.want); d != "" {
				t.Errorf("got (-), want (+):\n%s", d)
			}
			var said []string
			for _, n := range notes {
				said = append(said, string(n.Path)+" "+n.Text)
			}
			if text := strings.Join(said, "\n"); !strings.Contains(text, tt.note) || tt.note == "" && text != "" {
				t.Errorf("got the notes\n%s\nwant %q", text, tt.note)
			}
		})
	}
}

func TestPolicyOfALostBlockIsKept(t *testing.T) {
	tree, err := Read(t.Context(), fakeTree{"/l": {Data: record("ours", layout.KindLock, "lock.x")}}, "/l")
	if err != nil {
		t.Fatal(err)
	}
	made, _ := tree.Layout(Options{Layout: "ours"})
	if len(made.Locks) != 1 || made.Locks[0].Policy.MaxWaiters != 7 {
		t.Errorf("got %+v", made.Locks)
	}
}

// Free locks have the recipe of those beside them, if these agree; else that of
// all in the tree, if these do.
func TestFreeLocksAreGuessedByTheirNeighbours(t *testing.T) {
	held := func(p, prefix string) zkfs.Path { return zkfs.Path(p + "/" + prefix + "0000000001") }
	tree := fakeTree{"/l": {}, "/l/k": {}, "/l/k/held": {}, "/l/k/free": {}, "/l/c": {}, "/l/c/held": {}, "/l/c/free": {}, "/l/none": {}, "/l/none/free": {}}
	tree[held("/l/k/held", kazoo)] = zkfs.Node{Stat: zkfs.Stat{EphemeralOwner: 1}}
	tree[held("/l/c/held", rwWrite)] = zkfs.Node{Stat: zkfs.Stat{EphemeralOwner: 1}}
	read, err := Read(t.Context(), tree, "/l")
	if err != nil {
		t.Fatal(err)
	}
	made, _ := read.Layout(Options{})
	got := map[zkfs.Path]string{}
	for _, k := range made.Locks {
		got[k.Path] = fmt.Sprintf("%s %s", k.Policy.Recipe, k.Policy.Mode)
	}
	want := map[zkfs.Path]string{
		"/l/k/held": "kazoo exclusive", "/l/k/free": "kazoo exclusive", "/l/c/held": "curator read_write",
		"/l/c/free": "curator read_write", "/l/none/free": "curator exclusive",
	}
	if d := cmp.Diff(got, want); d != "" {
		t.Errorf("got (-), want (+):\n%s", d)
	}
}
