package plan

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func TestPlanFileKeepsThePlan(t *testing.T) {
	p, _ := everything(t)
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(append(data, '\n'))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmpopts.IgnoreUnexported(Plan{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got.Digest() != p.Digest() {
		t.Errorf("digest: got %s, want %s", got.Digest(), p.Digest())
	}
	if a, b := text(t, got), text(t, p); a != b {
		t.Errorf("shown as\n%s\nwant\n%s", a, b)
	}
}

// TestPlanFileRefusesEveryAlteration changes, removes and adds every byte.
func TestPlanFileRefusesEveryAlteration(t *testing.T) {
	p := makePlan(t, newTree().session(planner), testLayout(lock("lock.a", "/a")), Options{})
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, i int, altered []byte) {
		if _, err := Decode(altered); !errors.Is(err, ErrPlanFile) {
			t.Errorf("%s byte %d: got %v, want %v", what, i, err, ErrPlanFile)
		}
	}
	for i := range data {
		changed := slices.Clone(data)
		changed[i] ^= 1
		try("changed", i, changed)
		try("removed", i, slices.Delete(slices.Clone(data), i, i+1))
		try("added", i, slices.Insert(slices.Clone(data), i, ' '))
	}
}

func TestPlanFileHoldsNoSecret(t *testing.T) {
	const secret = "hunter2hunter2"
	me := zkfs.Digest("planner", secret)
	l := jobs(func(l *layout.Layout) {
		l.Ensembles[0].Auth = []layout.Credential{{Username: "planner", Password: secret}}
	})
	p := makePlan(t, newTree().session(me), l, Options{})
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := p.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(secret)) || bytes.Contains(doc, []byte(secret)) || strings.Contains(text(t, p), secret) {
		t.Error("the password shows")
	}
}

func TestConnectionIgnoresSecrets(t *testing.T) {
	connection := func(change func(*layout.Ensemble)) string {
		l := jobs(func(l *layout.Layout) {
			l.Ensembles[0].Auth = []layout.Credential{{Username: "planner", Password: "p"}}
			change(&l.Ensembles[0])
		})
		return makePlan(t, newTree().session(planner), l, Options{}).Ensembles[0].Connection
	}
	want := connection(func(*layout.Ensemble) {})
	if got := connection(func(e *layout.Ensemble) { e.Auth[0].Password = "q" }); got != want {
		t.Error("a password changes it")
	}
	if got := connection(func(e *layout.Ensemble) { e.Servers = []string{"zk2:2181"} }); got == want {
		t.Error("other servers do not change it")
	}
}

func FuzzDecode(f *testing.F) {
	p := makePlan(f, newTree().session(planner), jobs(), Options{})
	data, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	body, sum := p.encode()
	f.Add(body)
	f.Add([]byte(`{"lockform_plan":1,"sha256":"` + sum + `","plan":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		// The bytes also as the body of a file whose sum is right: what is
		// behind the sum must stand anything.
		for _, in := range [][]byte{data, wrap(data)} {
			p, err := Decode(in)
			if err != nil {
				if !errors.Is(err, ErrPlanFile) {
					t.Errorf("got %v, want %v", err, ErrPlanFile)
				}
				continue
			}
			again, err := p.Encode()
			if err != nil || !bytes.Equal(again, bytes.TrimSuffix(in, []byte("\n"))) {
				t.Errorf("got %s, %v, want %s", again, err, in)
			}
			if _, err := p.JSON(); err != nil {
				t.Error(err)
			}
			_ = text(t, p)
		}
	})
}

func FuzzParseLedger(f *testing.F) {
	l := Ledger{Layout: "a", ID: "b", Serial: 3, Roots: []zkfs.Path{"/x"}, Planners: []zkfs.Identity{planner}, Run: &Run{ID: "c"}}
	data, err := l.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"lockform":1,"kind":"ledger","layout":"a","new":{"x":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseLedger(data)
		if err != nil {
			return
		}
		once, err := l.Encode()
		if err != nil {
			return // larger than it may be
		}
		again, err := ParseLedger(once)
		if err != nil {
			t.Fatalf("%s: %v", once, err)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("got %s, %v, want %s", twice, err, once)
		}
	})
}

// wrap makes a plan file of a body.
func wrap(body []byte) []byte {
	return jsonOf(fileJSON{planFormat, sumOf(body), body})
}

// TestDigestIsThatOfTheFile compares what is written step by step with what
// encoding/json makes of it as a whole.
func TestDigestIsThatOfTheFile(t *testing.T) {
	all, _ := everything(t)
	empty := &Plan{Layout: "l", Ensembles: []Ensemble{{Name: "a", Chroot: "/c"}, {Name: "b"}}}
	for _, p := range []*Plan{all, empty, {}} {
		body, want := p.encode()
		var whole planJSON
		if err := strict(body, &whole); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		if again := jsonOf(whole); string(body) != string(again) {
			t.Errorf("got\n%s\nwant\n%s", body, again)
		}
		if got := p.Digest(); got != "sha256:"+want {
			t.Errorf("got %s, want sha256:%s", got, want)
		}
	}
}

func FuzzACLInAPlan(f *testing.F) {
	for _, id := range []string{"anyone", "CN=\"a\\b\",O=ä", "a\x01\x7fb", "<&>", "\xff"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		e := zkfs.Entry{Perms: zkfs.AllPerms, Identity: zkfs.Identity{Scheme: "x509", ID: id}}
		if got, want := string(jsonOf(aclJSON{e, e})), string(jsonOf([]string{e.String(), e.String()})); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
