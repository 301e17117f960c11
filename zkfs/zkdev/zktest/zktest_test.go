package zktest_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

func TestMain(m *testing.M) { zktest.Main(m) }

// Two tests on one server do not see each other's trees.
func TestEachTestHasATreeOfItsOwn(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		c := connect(t, e)
		p := e.Chroot.Join("a").String()
		if _, err := c.Create(p, []byte("x"), 0, zk.WorldACL(zk.PermAll)); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[zkfs.Path]string{"/a": "x"}, e.Tree(t)); d != "" {
			t.Error(d)
		}
		if other := zktest.New(t, e.Kind); len(other.Tree(t)) != 0 {
			t.Errorf("another test's tree has %v", other.Tree(t))
		}
	})
}

// The super user sees what nobody else may.
func TestTreeShowsWhatIsForbidden(t *testing.T) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		c := connect(t, e)
		if _, err := c.Create(e.Chroot.Join("secret").String(), []byte("x"), 0, zk.DigestACL(zk.PermAll, "somebody", "else")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Get(e.Chroot.Join("secret").String()); err != zk.ErrNoAuth {
			t.Errorf("got %v, want that it cannot be read", err)
		}
		if got := e.Tree(t)["/secret"]; got != "x" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRealServerWithMutualTLS(t *testing.T) {
	certs := zktest.NewCerts(t)
	s := zktest.StartReal(t, zktest.RealConfig{Certs: certs})
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(certs.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool.AppendCertsFromPEM(pem)
	pair, err := tls.LoadX509KeyPair(certs.ClientCert, certs.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tls.Dial("tcp", s.TLSAddr, &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("ruok")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer), "imok") {
		t.Errorf("got %q, %v", answer, err)
	}
}

func TestClientIsDrivenByLines(t *testing.T) {
	script := t.TempDir() + "/echo.py"
	if err := os.WriteFile(script, []byte("import sys\nfor line in sys.stdin: print('got', line.strip())\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := zktest.Kazoo(t, script)
	c.Send(t, "one")
	c.Expect(t, "got one")
	c.End(t)
}

func connect(t *testing.T, e *zktest.Env) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{e.Addr}, 10*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for ev := range events {
		if ev.State == zk.StateHasSession {
			break
		}
	}
	return c
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
