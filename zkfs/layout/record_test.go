package layout_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func lockRecord() layout.Record {
	p := layout.DefaultPolicy()
	p.WaitTimeout = 2 * time.Minute
	rank := 7
	p.Rank = &rank
	p.ContenderACL = zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}}
	return layout.Record{
		Layout: "platform", Address: `namespace.jobs["billing"].lock.ledger`, Kind: layout.KindLock,
		Protected: true, Spec: "sha256:00", Aversion: 3, Policy: &p,
	}
}

// The bytes are a contract with other programs and with later releases.
func TestRecordBytesAreStable(t *testing.T) {
	got, err := lockRecord().Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"lockform":1,"layout":"platform","address":"namespace.jobs[\"billing\"].lock.ledger","kind":"lock","protected":true,` +
		`"spec":"sha256:00","aversion":3,"policy":{"mode":"exclusive","recipe":"curator","wait_timeout":"2m0s","max_hold":"none",` +
		`"max_waiters":0,"session_timeout":"15s","tick_time":"3s","heartbeat":"write","on_lost":"terminate","kill_timeout":"5s",` +
		`"reentrant":false,"revocable":false,"rank":7,"contender_acl":[{"scheme":"world","id":"anyone","perms":"r"}]}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	want := lockRecord()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := layout.ParseRecord(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(layout.Record{})); d != "" {
		t.Error(d)
	}
}

func TestRecordKeepsUnknownFields(t *testing.T) {
	in := []byte(`{"lockform":1,"layout":"x","kind":"lock","aversion":0,"zone":{"b":[1,2]},"policy":{"mode":"exclusive","recipe":"curator","colour":"<red>"}}`)
	old, err := layout.ParseRecord(in)
	if err != nil {
		t.Fatal(err)
	}
	r := lockRecord()
	r.KeepUnknown(old)
	out, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`,"zone":{"b":[1,2]}}`, `,"colour":"<red>"}`} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("%s is missing in %s", want, out)
		}
	}
	if _, err := layout.ParseRecord(out); err != nil {
		t.Errorf("what was written cannot be read: %v", err)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, data string
		want       error
	}{
		{"Empty", "", layout.ErrNotManaged},
		{"ClientAddress", "10.0.0.7", layout.ErrNotManaged},
		{"OtherJSON", `{"a":1}`, layout.ErrNotManaged},
		{"Null", `null`, layout.ErrNotManaged},
		{"Array", `[{"lockform":1}]`, layout.ErrNotManaged},
		{"Binary", "\x00\xff\xfe", layout.ErrNotManaged},
		{"Newer", `{"lockform":2,"kind":"lock"}`, layout.ErrNewerFormat},
		{"FormatNotANumber", `{"lockform":"one","kind":"lock"}`, layout.ErrBadRecord},
		{"FormatZero", `{"lockform":0,"kind":"lock"}`, layout.ErrBadRecord},
		{"NoKind", `{"lockform":1}`, layout.ErrBadRecord},
		{"WrongType", `{"lockform":1,"kind":"lock","aversion":"x"}`, layout.ErrBadRecord},
		{"BadDuration", `{"lockform":1,"kind":"lock","policy":{"wait_timeout":"soon"}}`, layout.ErrBadRecord},
		{"BadMode", `{"lockform":1,"kind":"lock","policy":{"mode":"greedy"}}`, layout.ErrBadRecord},
		{"BadPerms", `{"lockform":1,"kind":"lock","policy":{"contender_acl":[{"perms":"z"}]}}`, layout.ErrBadRecord},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := layout.ParseRecord([]byte(tt.data)); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestParsePolicyWantsALock(t *testing.T) {
	if _, err := layout.ParsePolicy([]byte(`{"lockform":1,"kind":"namespace"}`)); !errors.Is(err, layout.ErrNotManaged) {
		t.Errorf("namespace: got %v", err)
	}
	if _, err := layout.ParsePolicy([]byte(`{"lockform":1,"kind":"lock"}`)); !errors.Is(err, layout.ErrBadRecord) {
		t.Errorf("lock without a policy: got %v", err)
	}
	p, err := layout.ParsePolicy([]byte(`{"lockform":1,"kind":"lock","policy":{"mode":"read_write"}}`))
	if err != nil || p.Mode != layout.ReadWrite || p.SessionTimeout != 15*time.Second {
		t.Errorf("got %+v, %v; want read_write with defaults", p, err)
	}
}

func TestRecordHasASizeLimit(t *testing.T) {
	r := lockRecord()
	r.Address = layout.Address(strings.Repeat("a", layout.MaxRecord))
	if _, err := r.Encode(); err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("got %v", err)
	}
}

func TestSpecIsOfWhatIsWritten(t *testing.T) {
	base := layout.Lock{Declared: layout.Declared{Address: "lock.a", ACL: zkfs.Open()}, Policy: new(layout.DefaultPolicy())}
	change := func(f func(*layout.Lock)) string {
		l := base
		l.Policy = new(*base.Policy)
		f(&l)
		return l.Spec()
	}
	want := base.Spec()
	for name, got := range map[string]string{
		"AnotherDefault": change(func(l *layout.Lock) { l.Policy.KillTimeout = time.Minute }),
		"AnotherAddress": change(func(l *layout.Lock) { l.Address = "lock.b" }),
		"SplitGrant": change(func(l *layout.Lock) {
			l.ACL = zkfs.ACL{{Perms: zkfs.Read, Identity: zkfs.Anyone}, {Perms: zkfs.AllPerms, Identity: zkfs.Anyone}}
		}),
	} {
		if got != want {
			t.Errorf("%s changed the digest", name)
		}
	}
	for name, got := range map[string]string{
		"WrittenDefault": change(func(l *layout.Lock) { l.Policy.Written = []string{"mode"} }),
		"OtherACL":       change(func(l *layout.Lock) { l.ACL = zkfs.ReadOnly() }),
		"Protection":     change(func(l *layout.Lock) { l.Protected = true }),
	} {
		if got == want {
			t.Errorf("%s did not change the digest", name)
		}
	}
}

func TestSecretShowsNothing(t *testing.T) {
	c := layout.Credential{Username: "app", Password: "hunter2"}
	l := layout.Layout{Ensembles: []layout.Ensemble{{Auth: []layout.Credential{c}}}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := sprintf(format, l); strings.Contains(got, "hunter2") {
			t.Errorf("%s shows the password: %s", format, got)
		}
	}
	if data, err := jsonMarshal(l); err == nil {
		t.Errorf("a layout with a password became JSON: %s", data)
	}
}

// FuzzParseRecord feeds what may stand in a znode. What is accepted can be
// written again and then reads as the same.
func FuzzParseRecord(f *testing.F) {
	data, _ := lockRecord().Encode()
	f.Add(data)
	f.Add([]byte(`{"lockform":1,"kind":"namespace","x":{"y":1}}`))
	f.Add([]byte(`{"lockform":1,"kind":"lock","policy":{"rank":null,"new":[]}}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := layout.ParseRecord(data)
		if err != nil {
			return
		}
		first, err := r.Encode()
		if err != nil {
			return // too large
		}
		again, err := layout.ParseRecord(first)
		if err != nil {
			t.Fatalf("%s was written as %s, which is refused: %v", data, first, err)
		}
		second, err := again.Encode()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("written twice, it differs: %s and %s (%v)", first, second, err)
		}
	})
}
