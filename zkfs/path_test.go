package zkfs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lockform/lockform/zkfs"
)

func TestParsePath(t *testing.T) {
	for _, tt := range []struct{ name, in, reason string }{
		{"Root", "/", ""},
		{"Plain", "/locks/billing", ""},
		{"Dots", "/a/..b/.c./...", ""},
		{"Unicode", "/Straße/鎖", ""},
		{"Space", "/a b", ""},
		{"Empty", "", "empty"},
		{"Relative", "locks", "begin with"},
		{"TrailingSlash", "/locks/", "end with"},
		{"DoubleSlash", "/a//b", "empty element"},
		{"Dot", "/a/./b", "relative"},
		{"DotDot", "/..", "relative"},
		{"NUL", "/a\x00b", "refuses"},
		{"Newline", "/a\nb", "refuses"},
		{"Delete", "/a\x7fb", "refuses"},
		{"PrivateUse", "/\ue000", "refuses"},
		{"Specials", "/\ufffd", "refuses"},
		{"OutsideBasicPlane", "/\U0001F512", "refuses"},
		{"NotUTF8", "/\xff", "UTF-8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := zkfs.ParsePath(tt.in)
			if tt.reason == "" {
				if err != nil || p.String() != tt.in {
					t.Fatalf("got %q, %v; want it accepted", p, err)
				}
				return
			}
			var pe *zkfs.PathError
			if !errors.As(err, &pe) || pe.Path != tt.in || !strings.Contains(pe.Reason, tt.reason) {
				t.Fatalf("got %q, %v; want a PathError about %q", p, err, tt.reason)
			}
		})
	}
}

func TestPathParts(t *testing.T) {
	p := zkfs.Path("/a/b/c")
	for _, tt := range []struct {
		name      string
		got, want any
	}{
		{"Parent", p.Parent(), zkfs.Path("/a/b")},
		{"ParentOfTop", zkfs.Path("/a").Parent(), zkfs.Root},
		{"ParentOfRoot", zkfs.Root.Parent(), zkfs.Root},
		{"Base", p.Base(), "c"},
		{"BaseOfRoot", zkfs.Root.Base(), ""},
		{"Join", p.Join("d"), zkfs.Path("/a/b/c/d")},
		{"JoinRoot", zkfs.Root.Join("a"), zkfs.Path("/a")},
		{"ContainsItself", p.Contains(p), true},
		{"ContainsBelow", zkfs.Path("/a").Contains(p), true},
		{"ContainsNotSibling", zkfs.Path("/a/b").Contains("/a/bc"), false},
		{"RootContainsAll", zkfs.Root.Contains(p), true},
		{"Ancestors", len(p.Ancestors()), 2},
		{"NearestRootFirst", p.Ancestors()[0], zkfs.Path("/a")},
		{"AncestorsOfRoot", len(zkfs.Root.Ancestors()), 0},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestChroot(t *testing.T) {
	for _, tt := range []struct{ root, below, server zkfs.Path }{
		{"/", "/a", "/a"},
		{"", "/a", "/a"},
		{"/prod", "/a", "/prod/a"},
		{"/prod", "/", "/prod"},
	} {
		if got := tt.below.Under(tt.root); got != tt.server {
			t.Errorf("%s under %s: got %s, want %s", tt.below, tt.root, got, tt.server)
		}
		if got, ok := tt.server.Trim(tt.root); !ok || got != tt.below {
			t.Errorf("%s trimmed by %s: got %s, %v, want %s", tt.server, tt.root, got, ok, tt.below)
		}
	}
	if got, ok := zkfs.Path("/production/a").Trim("/prod"); ok {
		t.Errorf("a path outside of the chroot was trimmed to %s", got)
	}
}

// FuzzParsePath checks that whatever is accepted survives being taken apart
// and put together again.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/a", "/a/b", "//", "/a/../b", "/\x00", "/\U0001F512", "a", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := zkfs.ParsePath(s)
		if err != nil {
			return
		}
		if p == zkfs.Root {
			return
		}
		if got := p.Parent().Join(p.Base()); got != p {
			t.Errorf("parent and base of %q give %q", p, got)
		}
		if _, err := zkfs.ParseName(p.Base()); err != nil {
			t.Errorf("the base of %q: %v", p, err)
		}
		if !p.Parent().Contains(p) {
			t.Errorf("the parent of %q does not contain it", p)
		}
	})
}
