package zkconn_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestParseServers(t *testing.T) {
	tests := []struct {
		in     string
		hosts  []string
		chroot zkfs.Path
		err    string
	}{
		{in: "zk1:2181", hosts: []string{"zk1:2181"}},
		{in: "zk1", hosts: []string{"zk1:2181"}},
		{in: "zk1,zk2:99 , zk3", hosts: []string{"zk1:2181", "zk2:99", "zk3:2181"}},
		{in: "zk1,zk1:2181", hosts: []string{"zk1:2181"}},
		{in: "zk1:1/", hosts: []string{"zk1:1"}, chroot: "/"},
		{in: "zk1:1,zk2:2/a/b", hosts: []string{"zk1:1", "zk2:2"}, chroot: "/a/b"},
		{in: "[::1]:99,[fe80::1%eth0]", hosts: []string{"[::1]:99", "[fe80::1%eth0]:2181"}},
		{in: "127.0.0.1:1/x", hosts: []string{"127.0.0.1:1"}, chroot: "/x"},
		{in: "", err: "a server is missing"},
		{in: "/a", err: "a server is missing"},
		{in: "zk1,,zk2", err: "a server is missing"},
		{in: "zk1,", err: "a server is missing"},
		{in: "::1", err: "write the address \"::1\" in brackets, as [::1]:2181"},
		{in: "zk1:2181:3", err: `"zk1:2181:3" is not "host:port"`},
		{in: "zk1:", err: "no valid port"},
		{in: "zk1:0", err: "no valid port"},
		{in: "zk1:65536", err: "no valid port"},
		{in: "zk1:http", err: "no valid port"},
		{in: ":2181", err: "no valid host name"},
		{in: "[]:2181", err: "no valid host name"},
		{in: "user@zk1", err: "no valid host name"},
		{in: "zk1 zk2", err: "no valid host name"},
		{in: "zk1/a,zk2/b", hosts: []string{"zk1:2181"}, chroot: "/a,zk2/b"}, // the chroot stands at the end
		{in: "zk1/a/", err: "chroot"},
		{in: "zk1/a//b", err: "chroot"},
		{in: "zk1/../b", err: "chroot"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			hosts, chroot, err := zkconn.ParseServers(tt.in)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want …%s…", err, tt.err)
				}
				return
			}
			if err != nil || !slices.Equal(hosts, tt.hosts) || chroot != tt.chroot {
				t.Errorf("got %q, %q, %v", hosts, chroot, err)
			}
		})
	}
}

// What is accepted means the same when it is put together again.
func FuzzParseServers(f *testing.F) {
	for _, s := range []string{"zk1:2181,zk2/a", "[::1]:99/", "::1", "a:1,b", "zk/a/b c", ",", "[", "x:99999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hosts, chroot, err := zkconn.ParseServers(s)
		if err != nil {
			if hosts != nil || chroot != "" {
				t.Fatalf("%q, %q beside %v", hosts, chroot, err)
			}
			return
		}
		if len(hosts) == 0 {
			t.Fatal("no servers and no error")
		}
		again, chroot2, err := zkconn.ParseServers(strings.Join(hosts, ",") + string(chroot))
		if err != nil || !slices.Equal(again, hosts) || chroot2 != chroot {
			t.Fatalf("%q becomes %q %q, which becomes %q %q, %v", s, hosts, chroot, again, chroot2, err)
		}
	})
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]zkconn.Config{
		"NoServers":         {},
		"NegativeTimeout":   {Servers: "x", SessionTimeout: -time.Second},
		"TimeoutTooShort":   {Servers: "x", SessionTimeout: time.Microsecond},
		"TimeoutTooLong":    {Servers: "x", SessionTimeout: 1000 * time.Hour},
		"NegativeTick":      {Servers: "x", TickTime: -1},
		"SchemelessSecret":  {Servers: "x", Auth: []zkconn.Auth{{Secret: []byte("hidden")}}},
		"ChrootNotAbsolute": {Servers: "x/a/"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := zkconn.Open(context.Background(), cfg)
			if err == nil || s != nil || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
}

// Whatever is logged, no credential is.
func TestLogHasNoSecret(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		var out bytes.Buffer
		p := newProxy(t, e.Addr)
		s := open(t, zkconn.Config{
			Servers: p.addr() + string(e.Chroot), Auth: []zkconn.Auth{zkconn.Digest("user", "p4ssw0rd")},
			Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &out}),
		})
		ctx := within(t, 10*time.Second)
		p.cut()
		if _, _, err := s.Get(ctx, zkfs.Root); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(ctx); err != nil {
			t.Fatal(err)
		}
		log := out.String()
		if !strings.Contains(log, "connected") || !strings.Contains(log, "the session is over") {
			t.Errorf("the log does not tell what happened:\n%s", log)
		}
		if strings.Contains(log, "p4ssw0rd") || strings.Contains(log, "[ERROR]") || strings.Contains(log, "[INFO]") {
			t.Errorf("the log says too much:\n%s", log)
		}
	})
}

func refuses(c net.Conn) {
	_, _ = io.ReadFull(c, make([]byte, 4))
	_, _ = io.WriteString(c, "srvr is not executed because it is not in the whitelist.\n")
}

func TestFourLetterWord(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		ctx := within(t, 10*time.Second)
		out, err := zkconn.FourLetterWord(ctx, zkconn.Config{}, e.Addr, "srvr")
		if err != nil || !strings.Contains(out, "Mode: standalone") || !strings.HasSuffix(out, "\n") {
			t.Errorf("srvr: %q, %v", out, err)
		}
		if _, err := zkconn.FourLetterWord(ctx, zkconn.Config{}, e.Addr, "nope!"); !errors.Is(err, zkfs.ErrBadArguments) {
			t.Errorf("five letters: %v", err)
		}
	})
	for name, tt := range map[string]struct {
		host string
		is   error
		text string
	}{
		"NoServer":   {closedPort(t), zkfs.ErrUnavailable, "connection refused"},
		"Mute":       {fake(t, mute), zkfs.ErrUnavailable, "no answer"},
		"NotAllowed": {fake(t, refuses), zkfs.ErrNoAuth, "4lw.commands.whitelist"},
		"Empty":      {fake(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 4)) }), zkfs.ErrUnavailable, "without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			_, err := zkconn.FourLetterWord(context.Background(), zkconn.Config{ConnectTimeout: 300 * time.Millisecond}, tt.host, "srvr")
			if !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.host) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
			if d := time.Since(began); d > time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}
