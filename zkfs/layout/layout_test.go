package layout_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
)

func sprintf(format string, v any) string { return fmt.Sprintf(format, v) }
func jsonMarshal(v any) ([]byte, error)   { return json.Marshal(v) }

func TestParseDuration(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want time.Duration
	}{
		{"15s", 15 * time.Second},
		{"1h30m", 90 * time.Minute},
		{"7d", 168 * time.Hour},
		{"1d12h", 36 * time.Hour},
		{"0.5d", 12 * time.Hour},
		{"0s", 0},
		{"0", 0},
		{"1µs", time.Microsecond},
	} {
		if got, err := layout.ParseDuration(tt.in); err != nil || got != tt.want {
			t.Errorf("%q: got %s, %v; want %s", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{"", "soon", "15", "-1s", "1d-1h", "d", "1e300d", "99999999h", "NaNd", "1s2d", "-0.5d"} {
		if got, err := layout.ParseDuration(in); err == nil {
			t.Errorf("%q was read as %s", in, got)
		}
	}
	if d, err := layout.ParseLimit("none"); err != nil || d != layout.NoLimit || layout.FormatDuration(d) != "none" {
		t.Errorf("none: %s, %v", d, err)
	}
}

// FuzzParseDuration checks that what is accepted is not negative and is read
// the same after being written.
func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"1d2h", "1.5h", "none", "9223372036854775807ns", "106751d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := layout.ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is negative: %s", s, d)
		}
		if again, err := layout.ParseDuration(layout.FormatDuration(d)); err != nil || again != d {
			t.Fatalf("%q: %s became %s, %v", s, d, again, err)
		}
	})
}

func TestAddress(t *testing.T) {
	for _, in := range []string{
		`lock.uk`,
		`namespace.jobs["billing"].namespace.adhoc.lock.x["03"]`,
		`namespace.a["q\"].lock.b"].lock.c`,
		`namespace.a-b_2`,
	} {
		if got, err := layout.ParseAddress(in); err != nil || string(got) != in {
			t.Errorf("%s: got %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "lock", "lock.", "acl.x", "lock.a.lock.b", "namespace.a[0]", "namespace.a[\"x\"", "namespace.a..lock.b",
		"namespace.a[`x`]", "namespace.1a", "lock.a]", "namespace.a[\"x\"]lock.b", "namespace.a."} {
		if got, err := layout.ParseAddress(in); err == nil {
			t.Errorf("%q was read as %s", in, got)
		}
	}
}

func TestAddressCovers(t *testing.T) {
	for _, tt := range []struct {
		a, b layout.Address
		want bool
	}{
		{"lock.uk", "lock.uk", true},
		{"lock.uk", "lock.uk2", false},
		{`namespace.jobs`, `namespace.jobs["billing"]`, true},
		{`namespace.jobs`, `namespace.jobs["billing"].lock.report`, true},
		{`namespace.jobs["billing"]`, `namespace.jobs["billing"].lock.report`, true},
		{`namespace.jobs["search"]`, `namespace.jobs["billing"].lock.report`, false},
		{`namespace.jobs["billing"]`, `namespace.jobs`, false},
		{`namespace.jobs.lock.report`, `namespace.jobs["billing"].lock.report`, true},
		{`namespace.jobs.lock.report`, `namespace.jobs`, false},
		{`lock.jobs`, `namespace.jobs`, false},
		{"", "lock.uk", false},
	} {
		if got := tt.a.Covers(tt.b); got != tt.want {
			t.Errorf("%s covers %s: got %v", tt.a, tt.b, got)
		}
	}
}

// FuzzParseAddress checks that a canonical address is read as itself.
func FuzzParseAddress(f *testing.F) {
	f.Add(`namespace.jobs["billing"].lock.x["\u00e9"]`)
	f.Add(`lock.a["]"]`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := layout.ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := layout.ParseAddress(string(a)); err != nil || again != a {
			t.Fatalf("%q: %s became %s, %v", s, a, again, err)
		}
		if !a.Covers(a) {
			t.Fatalf("%s does not cover itself", a)
		}
	})
}

func TestPolicyValidate(t *testing.T) {
	for _, tt := range []struct {
		name string
		f    func(*layout.Policy)
		want string // the attribute at fault, "" for none
	}{
		{"Defaults", func(*layout.Policy) {}, ""},
		{"Semaphore", func(p *layout.Policy) { p.Mode, p.Permits = layout.Semaphore, 3 }, ""},
		{"SemaphoreWithoutPermits", func(p *layout.Policy) { p.Mode = layout.Semaphore }, "permits"},
		{"PermitsOfAnExclusive", func(p *layout.Policy) { p.Permits = 1 }, "permits"},
		{"SemaphoreOfKazoo", func(p *layout.Policy) { p.Mode, p.Permits, p.Recipe = layout.Semaphore, 1, layout.Kazoo }, "recipe"},
		{"Plain", func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "seq-" }, ""},
		{"PlainWithoutPrefix", func(p *layout.Policy) { p.Recipe = layout.Plain }, "prefix"},
		{"PlainWithSlash", func(p *layout.Policy) { p.Recipe, p.Prefix = layout.Plain, "a/b" }, "prefix"},
		{"PrefixOfCurator", func(p *layout.Policy) { p.Prefix = "x" }, "prefix"},
		{"PlainReadWrite", func(p *layout.Policy) { p.Mode, p.Recipe, p.Prefix = layout.ReadWrite, layout.Plain, "x" }, "recipe"},
		{"TryOnly", func(p *layout.Policy) { p.WaitTimeout = 0 }, ""},
		{"NegativeWait", func(p *layout.Policy) { p.WaitTimeout = -2 }, "wait_timeout"},
		{"NoHold", func(p *layout.Policy) { p.MaxHold = 0 }, "max_hold"},
		{"NegativeWaiters", func(p *layout.Policy) { p.MaxWaiters = -1 }, "max_waiters"},
		{"Signal", func(p *layout.Policy) { p.OnLost = "signal:USR1" }, ""},
		{"SignalWithSIG", func(p *layout.Policy) { p.OnLost = "signal:SIGINT" }, ""},
		{"SignalUnknown", func(p *layout.Policy) { p.OnLost = "signal:STOP" }, "on_lost"},
		{"NoRoomForTheLease", func(p *layout.Policy) { p.SessionTimeout = 4 * time.Second }, "session_timeout"},
		{"ShortSessionShortTick", func(p *layout.Policy) { p.SessionTimeout, p.TickTime = 4*time.Second, 2*time.Second }, ""},
		{"UnreadableContenders", func(p *layout.Policy) { p.ContenderACL = zkfs.ACL{{Perms: zkfs.Write, Identity: zkfs.Anyone}} }, "contender_acl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := layout.DefaultPolicy()
			tt.f(&p)
			var got []string
			for _, e := range p.Validate() {
				got = append(got, e.Attribute)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got faults of %q, want %q: %v", got, tt.want, p.Validate())
			}
		})
	}
}
