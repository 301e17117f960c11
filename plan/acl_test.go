package plan

import (
	"slices"
	"testing"

	"github.com/lockform/lockform/zkfs"
)

func entry(perms zkfs.Perms, id zkfs.Identity) zkfs.Entry {
	return zkfs.Entry{Perms: perms, Identity: id}
}

func TestSameACL(t *testing.T) {
	x := func(user string) zkfs.Identity { return zkfs.Identity{Scheme: "digest", ID: user + ":x"} }
	for _, tc := range []struct {
		name       string
		live, want zkfs.ACL
		same       bool
	}{
		{"Order", zkfs.ACL{appACL[0], entry(zkfs.Read, zkfs.Anyone)}, zkfs.ACL{entry(zkfs.Read, zkfs.Anyone), appACL[0]}, true},
		{"SplitEntries", zkfs.ACL{entry(zkfs.Read, app), entry(zkfs.Create|zkfs.Delete, app)}, appACL, true},
		{"Masked", zkfs.ACL{entry(appACL[0].Perms, x("app"))}, appACL, true},
		{"MaskedWithOtherPermissions", zkfs.ACL{entry(zkfs.Read, x("app"))}, appACL, false},
		{"MaskedOfTwoPasswords", zkfs.ACL{entry(appACL[0].Perms, x("app"))}, append(appACL, entry(zkfs.Read, zkfs.Digest("app", "new"))), true},
		{"MaskedOfAnother", zkfs.ACL{entry(appACL[0].Perms, x("other"))}, appACL, false},
		{"AnotherPassword", zkfs.ACL{entry(appACL[0].Perms, zkfs.Digest("app", "other"))}, appACL, false},
		{"OneMore", zkfs.ACL{appACL[0], entry(zkfs.Read, zkfs.Anyone)}, appACL, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := sameACL(tc.live, tc.want); got != tc.same {
				t.Errorf("got %v, want %v", got, tc.same)
			}
		})
	}
}

// TestMaskedDigestsAreNoDifference: what a reader cannot see is not shown as if
// it differed.
func TestMaskedDigestsAreNoDifference(t *testing.T) {
	x := func(user string) zkfs.Identity { return zkfs.Identity{Scheme: "digest", ID: user + ":x"} }
	want := zkfs.ACL{appACL[0], entry(zkfs.AllPerms, planner)}
	live := zkfs.ACL{entry(appACL[0].Perms, x("app")), entry(zkfs.Read, x("planner")), entry(zkfs.Read, x("other"))}
	c, _ := aclChange(unmask(live, want), want)
	if got, want := c.String(), "acl: ~ digest:planner r → cdrwa, - digest:other r"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRevokes(t *testing.T) {
	open := zkfs.Open()
	for _, tc := range []struct {
		name     string
		old, new zkfs.ACL
		want     bool
	}{
		{"Adds", zkfs.ReadOnly(), append(zkfs.ReadOnly(), appACL...), false},
		{"Same", appACL, appACL, false},
		{"Removes", append(zkfs.ReadOnly(), appACL...), zkfs.ReadOnly(), true},
		{"Narrows", zkfs.ACL{entry(zkfs.AllPerms, app)}, appACL, true},
		{"OneThatEveryoneHas", appACL, open, false},
		{"FromEveryone", open, appACL, true},
		{"Unknown", nil, open, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := revokes(tc.old, tc.new); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPlannersLeaveContenderCredentialsOut(t *testing.T) {
	got := planners([]zkfs.Identity{planner, {Scheme: "digest", ID: "lf-0123:abc"}, app, planner})
	if want := []zkfs.Identity{app, planner}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLedgerACLs(t *testing.T) {
	l := jobs()
	for _, tc := range []struct {
		name                          string
		ids                           []zkfs.Identity
		acl                           zkfs.ACL
		own, agents, parent, ancestor string
	}{
		{
			"Planner", []zkfs.Identity{{Scheme: "x509", ID: "CN=p"}}, nil, "x509:CN=p:cdrwa",
			app.String() + ":cr,x509:CN=p:cdrwa", "world:anyone:cr,x509:CN=p:cdrwa", "world:anyone:r,x509:CN=p:cdrwa",
		},
		{"Nobody", nil, nil, "world:anyone:cdrwa", app.String() + ":cr,world:anyone:cdrwa", "world:anyone:cdrwa", "world:anyone:cdrwa"},
		{
			"LayoutACL", []zkfs.Identity{{Scheme: "x509", ID: "CN=p"}}, zkfs.ReadOnly(), "world:anyone:r,x509:CN=p:cdrwa",
			app.String() + ":cr,world:anyone:r,x509:CN=p:cdrwa", "world:anyone:r,x509:CN=p:cdrwa", "world:anyone:r,x509:CN=p:cdrwa",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l.ACL = tc.acl
			own, agents, parent, ancestor := ledgerACLs(l, "main", tc.ids)
			for _, x := range []struct{ what, got, want string }{
				{"own", own.String(), tc.own}, {"agents", agents.String(), tc.agents},
				{"parent", parent.String(), tc.parent}, {"ancestor", ancestor.String(), tc.ancestor},
			} {
				if x.got != x.want {
					t.Errorf("%s: got %s, want %s", x.what, x.got, x.want)
				}
			}
		})
	}
}

func TestChangeString(t *testing.T) {
	other := zkfs.Digest("app", "other")
	change := func(a, b zkfs.ACL) Change { c, _ := aclChange(a, b); return c }
	for _, tc := range []struct {
		name string
		c    Change
		want string
	}{
		{"Value", Change{"mode", `"exclusive"`, `"read_write"`}, `mode: "exclusive" → "read_write"`},
		{"Added", Change{"rank", "", "3"}, "rank: 3"},
		{"Removed", Change{"rank", "3", ""}, "rank: 3 → (none)"},
		{"ACL", change(zkfs.ReadOnly(), zkfs.ACL{entry(zkfs.Create|zkfs.Read|zkfs.Delete, app)}), "acl: + digest:app cdr, - world:anyone r"},
		{"Permissions", change(zkfs.ReadOnly(), zkfs.ACL{entry(zkfs.Read|zkfs.Create, zkfs.Anyone)}), "acl: ~ world:anyone r → cr"},
		{
			"TwoPasswordsOfOne", change(zkfs.ACL{entry(zkfs.Read, app)}, zkfs.ACL{entry(zkfs.Read, other)}),
			"acl: + " + other.String() + " r, - " + app.String() + " r",
		},
		{
			"ContenderACL", Change{"contender_acl", "", `[{"scheme":"world","id":"anyone","perms":"r"}]`},
			"contender_acl: + world:anyone r",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.c.String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}
