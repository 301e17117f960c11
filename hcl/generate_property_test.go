package hcl

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

var (
	someGrants = []zkfs.Entry{
		{Perms: zkfs.Read, Identity: zkfs.Anyone},
		{Perms: zkfs.AllPerms, Identity: zkfs.AuthIDs},
		{Perms: zkfs.Read | zkfs.Create | zkfs.Delete, Identity: zkfs.Digest("app", "x")},
		{Perms: zkfs.Admin | zkfs.Write, Identity: zkfs.Digest(`we"ird ${x}`, "y")},
		{Perms: zkfs.Read | zkfs.Create, Identity: zkfs.Identity{Scheme: "x509", ID: `CN=a\, b,O=ü "q"`}},
		{Perms: zkfs.Read, Identity: zkfs.Identity{Scheme: "ip", ID: "10.0.0.0/8"}},
		{Perms: zkfs.Delete, Identity: zkfs.Identity{Scheme: "sasl", ID: "app/host@REALM"}},
	}
	someACLs = rapid.Custom(func(t *rapid.T) zkfs.ACL {
		acl := zkfs.ACL{}
		for i, e := range someGrants {
			if rapid.IntRange(0, 3).Draw(t, fmt.Sprintf("grant %d", i)) == 0 {
				acl = append(acl, e)
			}
		}
		return acl
	})
	someDurations = rapid.SampledFrom([]time.Duration{layout.NoLimit, time.Millisecond, 90 * time.Second, 7 * 24 * time.Hour, 1500 * time.Millisecond})
	somePolicies  = rapid.Custom(func(t *rapid.T) layout.Policy {
		p := layout.DefaultPolicy()
		p.Mode = rapid.SampledFrom([]layout.Mode{layout.Exclusive, layout.ReadWrite, layout.Semaphore}).Draw(t, "mode")
		switch p.Mode {
		case layout.Semaphore:
			p.Permits = rapid.IntRange(1, 1<<20).Draw(t, "permits")
		case layout.Exclusive:
			p.Recipe = rapid.SampledFrom([]layout.Recipe{layout.Curator, layout.Kazoo, layout.Bridge, layout.Plain}).Draw(t, "recipe")
		case layout.ReadWrite:
			p.Recipe = rapid.SampledFrom([]layout.Recipe{layout.Curator, layout.Kazoo, layout.Bridge}).Draw(t, "recipe")
		}
		if p.Recipe == layout.Plain {
			p.Prefix = rapid.SampledFrom([]string{"lock_id_", "seq-", `q"${x}%{y}-`, "ü"}).Draw(t, "prefix")
		}
		p.WaitTimeout, p.MaxHold = someDurations.Draw(t, "wait_timeout"), someDurations.Draw(t, "max_hold")
		p.MaxWaiters = rapid.SampledFrom([]int{0, 0, 7, 1 << 30}).Draw(t, "max_waiters")
		p.SessionTimeout = rapid.SampledFrom([]time.Duration{15 * time.Second, 30*time.Second + time.Millisecond}).Draw(t, "session_timeout")
		p.KillTimeout = rapid.SampledFrom([]time.Duration{5 * time.Second, 250 * time.Millisecond}).Draw(t, "kill_timeout")
		p.Heartbeat = rapid.SampledFrom([]layout.Heartbeat{layout.HeartbeatWrite, layout.HeartbeatSync, layout.HeartbeatPing}).Draw(t, "heartbeat")
		p.OnLost = rapid.SampledFrom([]layout.OnLost{layout.OnLostTerminate, layout.OnLostKill, layout.OnLostIgnore, "signal:HUP"}).Draw(t, "on_lost")
		p.Reentrant, p.Revocable = rapid.Bool().Draw(t, "reentrant"), rapid.Bool().Draw(t, "revocable")
		if rapid.Bool().Draw(t, "ranked") {
			rank := rapid.IntRange(-5, 5).Draw(t, "rank")
			p.Rank = &rank
		}
		if rapid.Bool().Draw(t, "contenders") {
			p.ContenderACL = zkfs.ACL{someGrants[0], someGrants[rapid.SampledFrom([]int{2, 4, 5}).Draw(t, "contender_acl")]}
		}
		return p
	})
	// someLayouts draws layouts of one or two ensembles, with namespaces in
	// namespaces and paths that go elsewhere.
	someLayouts = rapid.Custom(func(t *rapid.T) *layout.Layout {
		l := &layout.Layout{Name: "x", Ensembles: []layout.Ensemble{{Name: "main"}, {Name: "other"}}[:rapid.IntRange(1, 2).Draw(t, "ensembles")]}
		declared := func(i int, kind string) layout.Declared {
			d := layout.Declared{
				Ensemble: rapid.SampledFrom(l.Ensembles).Draw(t, "ensemble").Name, ACL: someACLs.Draw(t, "acl"),
				Protected: rapid.Bool().Draw(t, "protected"), Adopt: rapid.Bool().Draw(t, "adopt"),
			}
			parent := layout.Declared{Path: ""}
			if len(l.Namespaces) > 0 && rapid.Bool().Draw(t, "nested") {
				parent = rapid.SampledFrom(l.Namespaces).Draw(t, "parent").Declared
				d.Ensemble = parent.Ensemble
			}
			label := fmt.Sprintf("%s%d", rapid.SampledFrom([]string{"a", "lock", "jobs-", "_"}).Draw(t, "label"), i)
			d.Address = parent.Address.Child(layout.Step{Type: kind, Label: label})
			name := rapid.SampledFrom([]string{label, fmt.Sprintf(`p"%d ${x}`, i), fmt.Sprintf("deep/%d", i)}).Draw(t, "name")
			if d.Path = parent.Path + "/" + zkfs.Path(name); rapid.IntRange(0, 4).Draw(t, "elsewhere") == 0 {
				d.Path = zkfs.Path(fmt.Sprintf("/elsewhere/%d", i))
			}
			return d
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "namespaces") {
			l.Namespaces = append(l.Namespaces, layout.Namespace{Declared: declared(i, "namespace")})
		}
		for i := range rapid.IntRange(0, 6).Draw(t, "locks") {
			l.Locks = append(l.Locks, layout.Lock{Declared: declared(10+i, "lock"), Policy: new(somePolicies.Draw(t, "policy"))})
		}
		return l
	})
)

// TestGeneratedIsLoadedAsItWas generates random layouts and loads the result:
// addresses, paths, ACLs, protection and policies are the same.
func TestGeneratedIsLoadedAsItWas(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		want := someLayouts.Draw(rt, "layout")
		head := "layout \"x\" {}\n"
		for _, e := range want.Ensembles {
			head += fmt.Sprintf("ensemble %q {\n  servers = [\"zk1:2181\"]\n  auth \"digest\" {\n    username = \"planner\"\n    password = \"s3cr3t\"\n  }\n}\n", e.Name)
		}
		text := Generate(want, "imported_")
		if err := os.WriteFile(filepath.Join(dir, "a.hcl"), append([]byte(head), text...), 0o600); err != nil {
			rt.Fatal(err)
		}
		got, d := Load(dir, Options{})
		if got == nil {
			rt.Fatalf("what was generated has faults:\n%s\n%s", text, show(t, d))
		}
		if d := cmp.Diff(whatIsDeclared(want), whatIsDeclared(got)); d != "" {
			rt.Fatalf("(-want +got):\n%s\n%s", d, text)
		}
		if again, _ := Format(text, "a.hcl"); string(again) != string(text) {
			rt.Fatalf("the style is not the canonical one:\n%s", cmp.Diff(string(again), string(text)))
		}
	})
}

// whatIsDeclared lists the blocks of a layout with all that they say.
func whatIsDeclared(l *layout.Layout) []string {
	var all []string
	see := func(d layout.Declared, policy []layout.Attribute) {
		all = append(all, fmt.Sprintf("%s %s:%s acl=%s protected=%v adopt=%v %v", d.Address, d.Ensemble, d.Path, d.ACL, d.Protected, d.Adopt, policy))
	}
	for _, n := range l.Namespaces {
		see(n.Declared, nil)
	}
	for _, k := range l.Locks {
		see(k.Declared, k.Policy.Attributes())
	}
	slices.Sort(all)
	return all
}
