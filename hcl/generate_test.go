package hcl

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

// addressOf finds what Generate may change: labels that were made of keys.
var addressOf = regexp.MustCompile(`(?m)^(namespace|lock) .* (\w+:/)`)

// TestGenerateRoundTrip writes every good layout back as HCL, loads that and
// compares: the paths, ACLs and policies are the same.
func TestGenerateRoundTrip(t *testing.T) {
	paths, err := filepath.Glob("testdata/good/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		_, cases := readCases(t, path)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				if c.options.Validate {
					return // it holds nothing that is not known
				}
				dir := c.write(t)
				want, d := Load(dir, c.options)
				if want == nil {
					t.Fatal(show(t, d))
				}
				text := string(Generate(want, "imported_"))
				head := "layout \"x\" {}\n"
				for _, e := range want.Ensembles {
					head += "ensemble \"" + e.Name + "\" {\n  servers = [\"zk1:2181\"]\n  tick_time = \"" + e.TickTime.String() + "\"\n}\n"
				}
				got, d := Load(directory(t, map[string]string{"a.hcl": head + text}), Options{Validate: true})
				if got == nil {
					// Without identities some ACLs are refused; with one they are not.
					head = strings.ReplaceAll(head, "\n}", "\n  auth \"digest\" {\n    username = \"u\"\n    password = \"s3cr3t\"\n  }\n}")
					got, d = Load(directory(t, map[string]string{"a.hcl": head + text}), Options{})
				}
				if got == nil {
					t.Fatalf("what was generated has faults:\n%s\n%s", text, show(t, d))
				}
				if d := cmp.Diff(declaredOnly(t, want), declaredOnly(t, got)); d != "" {
					t.Errorf("(-want +got):\n%s\nof\n%s", d, text)
				}
				if again, _ := Format([]byte(text), "a.hcl"); string(again) != text {
					t.Errorf("the style is not the canonical one:\n%s", cmp.Diff(string(again), text))
				}
			})
		}
	}
}

// declaredOnly dumps namespaces and locks, with attributes that differ from
// the defaults and without addresses.
func declaredOnly(t *testing.T, l *layout.Layout) string {
	t.Helper()
	only := &layout.Layout{Namespaces: l.Namespaces}
	defaults := layout.DefaultPolicy().Attributes()
	for _, k := range l.Locks {
		k.Policy = new(*k.Policy)
		k.Policy.Written = nil
		for _, a := range k.Policy.Attributes() {
			written := a.Name != "tick_time" // the ensemble's
			for _, d := range defaults {
				written = written && a != d
			}
			if written {
				k.Policy.Written = append(k.Policy.Written, a.Name)
			}
		}
		only.Locks = append(only.Locks, k)
	}
	return addressOf.ReplaceAllString(dump(t, only, "\x00"), "$1 $2")
}

// TestGenerate shows what generated HCL looks like.
func TestGenerate(t *testing.T) {
	team := zkfs.ACL{{Perms: zkfs.AllPerms, Identity: zkfs.Digest("ops", "x")}, {Perms: zkfs.Read, Identity: zkfs.Anyone}}
	rank := 3
	p := layout.DefaultPolicy()
	p.Recipe, p.Prefix, p.Rank = layout.Plain, "lock_id_", &rank
	l := &layout.Layout{
		Namespaces: []layout.Namespace{{Declared: layout.Declared{Address: "namespace.jobs", Path: "/jobs", ACL: zkfs.ReadOnly(), Protected: true}}},
		Locks: []layout.Lock{
			{Declared: layout.Declared{Address: "namespace.jobs.lock.a", Path: "/jobs/a", ACL: team, Protected: true}, Policy: new(layout.DefaultPolicy())},
			{Declared: layout.Declared{Address: `namespace.jobs.lock.b["x y"]`, Path: "/jobs/${b}", ACL: zkfs.ReadOnly(), Protected: true}, Policy: new(layout.DefaultPolicy())},
			{Declared: layout.Declared{Address: "lock.uk", Path: "/uk/lock", ACL: team, Adopt: true}, Policy: &p},
		},
	}
	const want = `acl "imported_1" {
  grant "digest" {
    id          = "ops:eVMNulspGaUD1kHyAKh2bSpHSC0="
    permissions = ["all"]
  }
  grant "world" {
    permissions = ["read"]
  }
}

namespace "jobs" {
  path = "/jobs"
  acl  = acl.read_only

  lifecycle {
    prevent_destroy = true
  }

  lock "a" {
    acl = acl.imported_1
  }

  lock "b_x_y" {
    path = "$${b}"
  }
}

lock "uk" {
  path   = "/uk/lock"
  acl    = acl.imported_1
  recipe = "plain"
  prefix = "lock_id_"
  rank   = 3

  lifecycle {
    adopt = true
  }
}
`
	if d := cmp.Diff(want, string(Generate(l, "imported_"))); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestLabel checks that labels are names whatever they are made of.
func TestLabel(t *testing.T) {
	for text, want := range map[string]string{"jobs": "jobs", "a b.c": "a_b_c", "": "_", "1st": "_1st", "-x": "_-x", "größe": "gr__e"} {
		if got := Label(text); got != want || !validName(got) {
			t.Errorf("Label(%q) is %q, want %q", text, got, want)
		}
	}
}
