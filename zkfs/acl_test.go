package zkfs_test

import (
	"testing"

	"github.com/lockform/lockform/zkfs"
)

func TestPermsAreWrittenAsCDRWA(t *testing.T) {
	for _, tt := range []struct {
		perms zkfs.Perms
		want  string
	}{
		{zkfs.AllPerms, "cdrwa"},
		{zkfs.Read | zkfs.Create | zkfs.Delete, "cdr"},
		{zkfs.Admin | zkfs.Write, "wa"},
		{0, ""},
	} {
		if got := tt.perms.String(); got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.perms, got, tt.want)
		}
		if got, err := zkfs.ParsePerms(tt.want); err != nil || got != tt.perms {
			t.Errorf("%q: got %d, %v", tt.want, got, err)
		}
	}
	if _, err := zkfs.ParsePerms("rx"); err == nil {
		t.Error("x was taken for a permission")
	}
}

func TestPermNames(t *testing.T) {
	var all zkfs.Perms
	for _, name := range zkfs.PermNames() {
		p, err := zkfs.ParsePermName(name)
		if err != nil {
			t.Fatal(err)
		}
		all |= p
	}
	if all != zkfs.AllPerms {
		t.Errorf("the names give %s", all)
	}
	if _, err := zkfs.ParsePermName("reed"); err == nil {
		t.Error("reed was taken for a permission")
	}
}

// The digest is that of ZooKeeper's documentation of DigestAuthenticationProvider.
func TestDigest(t *testing.T) {
	got := zkfs.Digest("super", "test").String()
	if want := "digest:super:D/InIHSb7yEEbrWz8b9l71RjZJU="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestACLEqualIgnoresOrderAndSplitting(t *testing.T) {
	app := zkfs.Identity{Scheme: "digest", ID: "app:x"}
	a := zkfs.ACL{{zkfs.Read, zkfs.Anyone}, {zkfs.Create | zkfs.Delete, app}}
	for name, b := range map[string]zkfs.ACL{
		"Reordered": {{zkfs.Create | zkfs.Delete, app}, {zkfs.Read, zkfs.Anyone}},
		"Split":     {{zkfs.Create, app}, {zkfs.Read, zkfs.Anyone}, {zkfs.Delete, app}},
		"Repeated":  {{zkfs.Read, zkfs.Anyone}, {zkfs.Read, zkfs.Anyone}, {zkfs.Create | zkfs.Delete, app}},
		"EmptyEntry": {{zkfs.Read, zkfs.Anyone}, {zkfs.Create | zkfs.Delete, app},
			{0, zkfs.Identity{Scheme: "digest", ID: "other:y"}}},
	} {
		if !a.Equal(b) {
			t.Errorf("%s: %s and %s differ", name, a, b)
		}
	}
	for name, b := range map[string]zkfs.ACL{
		"MorePerms":   {{zkfs.Read | zkfs.Write, zkfs.Anyone}, {zkfs.Create | zkfs.Delete, app}},
		"Fewer":       {{zkfs.Read, zkfs.Anyone}},
		"OtherScheme": {{zkfs.Read, zkfs.Anyone}, {zkfs.Create | zkfs.Delete, zkfs.Identity{Scheme: "x509", ID: "app:x"}}},
	} {
		if a.Equal(b) {
			t.Errorf("%s: %s and %s are equal", name, a, b)
		}
	}
	if got, want := a.String(), "digest:app:x:cd,world:anyone:r"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGrants(t *testing.T) {
	app, other := zkfs.Identity{Scheme: "digest", ID: "app:x"}, zkfs.Identity{Scheme: "ip", ID: "::1"}
	a := zkfs.ACL{{zkfs.Read, zkfs.Anyone}, {zkfs.Create, app}}
	if got := a.Grants(); got != zkfs.Read {
		t.Errorf("nobody in particular has %s", got)
	}
	if got := a.Grants(app, other); got != zkfs.Read|zkfs.Create {
		t.Errorf("app has %s", got)
	}
	if got := a.With(other).Grants(other); got != zkfs.AllPerms {
		t.Errorf("the added identity has %s", got)
	}
	if got := a.Grants(other); got != zkfs.Read {
		t.Errorf("With changed its receiver: %s", got)
	}
}
