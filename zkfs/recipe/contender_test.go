package recipe

import (
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const uuid, hex = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae7dec11d0a76500a0c91e6bf6"
	for name, c := range map[string]struct {
		in     string
		want   Contender // without Name; the zero Contender is none at all
		prefix string
	}{
		"CuratorMutex":             {"_c_" + uuid + "-lock-0000000007", Contender{Client: Curator, Seq: 7, guid: uuid}, "_c_" + uuid + "-lock-"},
		"CuratorWriter":            {"_c_" + uuid + "-__WRIT__0000000007", Contender{Client: CuratorRW, Seq: 7, guid: uuid}, ""},
		"CuratorReader":            {"_c_" + uuid + "-__READ__0000000007", Contender{Client: CuratorRW, Seq: 7, guid: uuid, Shared: true}, ""},
		"CuratorUnprotected":       {"lock-0000000007", Contender{Client: Lock, Seq: 7}, "lock-"},
		"GoLock":                   {"_c_" + hex + "-lock-0000000007", Contender{Client: GoZK, Seq: 7, guid: hex}, ""},
		"KazooLock":                {hex + "__lock__0000000007", Contender{Client: Kazoo, Seq: 7, guid: hex}, hex + "__lock__"},
		"KazooReader":              {hex + "__rlock__0000000007", Contender{Client: Kazoo, Seq: 7, guid: hex, Shared: true}, ""},
		"KazooWithoutGUID":         {"x__lock__0000000007", Contender{Client: Kazoo, Seq: 7}, ""},
		"DocumentedReader":         {"read-0000000007", Contender{Client: Document, Seq: 7, Shared: true}, ""},
		"DocumentedWriter":         {"write-0000000007", Contender{Client: Document, Seq: 7}, ""},
		"WriteLockJava":            {"x-72057594037927936-0000000007", Contender{Client: WriteLock, Seq: 7}, ""},
		"WriteLockC":               {"x-0100000000000a0b-0000000007", Contender{Client: WriteLock, Seq: 7}, ""},
		"Script":                   {"lock_id_0000000007", Contender{Client: Script, Seq: 7}, "lock_id_"},
		"DigitsAlone":              {"0000000007", Contender{Client: Script, Seq: 7}, ""},
		"Negative":                 {"lock--000000007", Contender{Client: Lock, Seq: -7}, "lock-"},
		"NegativeOfKazoo":          {hex + "__lock__-2147483648", Contender{Client: Kazoo, Seq: -2147483648, guid: hex}, ""},
		"Last":                     {"lock-2147483647", Contender{Client: Lock, Seq: 2147483647}, ""},
		"ShortSequence":            {"lock-7", Contender{Client: Lock, Seq: 7}, "lock-"},
		"LastInfixCounts":          {"lock-0000000001__READ__0000000007", Contender{Client: CuratorRW, Seq: 7, Shared: true}, ""},
		"InfixInAnotherWord":       {"spread-0000000007", Contender{Client: Document, Seq: 7, Shared: true}, ""},
		"InfixBeforeOtherText":     {"lock-of-bob-0000000007", Contender{Client: Script, Seq: 7}, "lock-of-bob-"},
		"InfixBeforeTooManyDigits": {"lock-99999999999999999999", Contender{Client: Script, Seq: 9999999999}, ""},
		"NineDigits":               {"lock_id_000000007", Contender{}, ""},
		"NegativeWithoutInfix":     {"seq--000000007", Contender{}, ""},
		"Word":                     {"policy", Contender{}, ""},
		"CuratorSemaphore":         {"leases", Contender{}, ""},
		"InfixAlone":               {"lock-", Contender{}, ""},
		"Signs":                    {"lock---7", Contender{}, ""},
		"Plus":                     {"lock-+7", Contender{}, ""},
		"Empty":                    {"", Contender{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Parse(c.in)
			if want := c.want != (Contender{}); ok != want {
				t.Fatalf("got %+v, %v, want %v", got, ok, want)
			}
			if !ok {
				return
			}
			if c.prefix != "" && got.Prefix() != c.prefix {
				t.Errorf("got prefix %q, want %q", got.Prefix(), c.prefix)
			}
			if got.Name != c.in {
				t.Errorf("got name %q", got.Name)
			}
			got.Name, got.digits = "", 0
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

// What we make is read as what it is, whatever the GUID.
func TestOwnNamesAreRead(t *testing.T) {
	for _, c := range []struct {
		recipe, mode, prefix string
		shared               bool
		clients              []Client
	}{
		{"", "", "", false, []Client{Curator}},
		{"curator", "exclusive", "", false, []Client{Curator}},
		{"curator", "semaphore", "", false, []Client{Curator}},
		{"curator", "read_write", "", false, []Client{CuratorRW}},
		{"curator", "read_write", "", true, []Client{CuratorRW}},
		{"kazoo", "exclusive", "", false, []Client{Kazoo}},
		{"kazoo", "read_write", "", true, []Client{Kazoo}},
		{"bridge", "exclusive", "", false, []Client{Kazoo, Curator, CuratorRW}},
		{"bridge", "read_write", "", true, []Client{Kazoo, CuratorRW}},
		{"plain", "exclusive", "lock_id_", false, []Client{Script}},
		{"plain", "exclusive", "lock-", false, []Client{Lock}},
		{"plain", "exclusive", "spread-", false, []Client{Script}},
	} {
		r, err := New(c.recipe, c.mode, c.prefix)
		if err != nil {
			t.Fatal(err)
		}
		guid := NewGUID()
		prefixes, err := r.Prefixes(guid, c.shared)
		if err != nil {
			t.Fatal(err)
		}
		var got []Client
		for _, p := range prefixes {
			own, ok := r.Parse(p + "0000000042")
			if !ok || own.Seq != 42 || own.Shared != c.shared || own.Prefix() != p || r.HasGUID() && own.GUID() != guid {
				t.Errorf("%s %s: %q is read as %+v, %v", c.recipe, c.mode, p, own, ok)
			}
			if r.Blind(own, c.shared) {
				t.Errorf("%s %s: one of its own would not see another", c.recipe, c.mode)
			}
			got = append(got, own.Client)
		}
		if !slices.Equal(got, c.clients) {
			t.Errorf("%s %s: got names of %v, want %v", c.recipe, c.mode, got, c.clients)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, c := range [][3]string{{"zookeeper", "", ""}, {"curator", "shared", ""}, {"plain", "exclusive", ""},
		{"plain", "exclusive", "a/b"}, {"plain", "read_write", "p-"}, {"kazoo", "semaphore", ""}} {
		if r, err := New(c[0], c[1], c[2]); err == nil {
			t.Errorf("%v: got %+v", c, r)
		}
	}
	r, _ := New("curator", "exclusive", "")
	if _, err := r.Prefixes(NewGUID(), true); err == nil {
		t.Error("an exclusive lock made a shared name")
	}
	if _, err := r.Prefixes("short", false); err == nil {
		t.Error("a short GUID was accepted")
	}
}

// Curator compares kazoo's whole names with its own sequences, as texts.
func TestGUIDsSortBehindSequences(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		g := NewGUID()
		if len(g) != 32 || hexDigits(g) != 32 || g != strings.ToLower(g) || g[0] < 'a' || seen[g] {
			t.Fatalf("got the GUID %q", g)
		}
		seen[g] = true
	}
}

// The rows and columns of the protocol page's table, and of what was seen.
func TestBlind(t *testing.T) {
	const uuid, hex, n = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae7dec11d0a76500a0c91e6bf6", "0000000001"
	names := map[string]string{
		"mutex": "_c_" + uuid + "-lock-" + n, "write": "_c_" + uuid + "-__WRIT__" + n, "read": "_c_" + uuid + "-__READ__" + n,
		"go": "_c_" + hex + "-lock-" + n, "kazoo": hex + "__lock__" + n, "kazooread": hex + "__rlock__" + n,
		"writelock": "x-72057594037927936-" + n, "script": "seq-" + n, "docread": "read-" + n, "docwrite": "write-" + n,
	}
	for _, c := range []struct {
		recipe, mode, prefix string
		shared               bool
		sees                 string
	}{
		{"curator", "exclusive", "", false, "mutex go writelock"},
		{"curator", "read_write", "", false, "write read go"},
		{"curator", "read_write", "", true, "write read go kazooread docread"}, // two shared ones need not see each other
		{"kazoo", "exclusive", "", false, "kazoo kazooread go"},
		{"kazoo", "read_write", "", true, "kazoo kazooread go read docread"},
		{"bridge", "exclusive", "", false, "mutex write read go kazoo kazooread writelock"},
		{"bridge", "read_write", "", true, "write read go kazoo kazooread docread"},
		{"plain", "exclusive", "seq-", false, "script writelock"},
		{"plain", "exclusive", "lock_id_", false, ""},
		{"plain", "exclusive", "lock-", false, "mutex go writelock"},
		{"curator", "semaphore", "", false, "mutex"},
	} {
		r, err := New(c.recipe, c.mode, c.prefix)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for who, name := range names {
			if theirs, _ := r.Parse(name); !r.Blind(theirs, c.shared) {
				got = append(got, who)
			}
		}
		want := strings.Fields(c.sees)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s %s %s, shared %v: got seen by %v, want %v", c.recipe, c.mode, c.prefix, c.shared, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"lock-0000000001", "_c_f81d4fae-7dec-11d0-a765-00a0c91e6bf6-__READ__-000000001",
		"f81d4fae7dec11d0a76500a0c91e6bf6__rlock__0000000001", "x-12-0000000001", "notes-0000000000", "read-write-lock-", "", "é0000000001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, recipe := range []Recipe{{}, {name: "plain", prefix: "lock-"}, {name: "plain", prefix: "é"}} {
			c, ok := recipe.Parse(name)
			if !ok {
				if c != (Contender{}) {
					t.Fatalf("%q is none, and read as %+v", name, c)
				}
				return
			}
			seq, isInt := integer(name[len(c.Prefix()):])
			if c.Name != name || !isInt || seq != c.Seq || c.GUID() != "" && (len(c.GUID()) != 32 || hexDigits(c.GUID()) != 32) {
				t.Fatalf("%q is read as %+v", name, c)
			}
			again, ok := recipe.Parse(c.Prefix() + name[len(c.Prefix()):])
			if !ok || again != c {
				t.Fatalf("%q is read as %+v and %+v", name, c, again)
			}
			c.Sees(c.Prefix())
			if Less(c, c) != 0 {
				t.Fatalf("%q is not equal to itself", name)
			}
		}
	})
}
