package zktest

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkdev"
)

// Tick is the tickTime of the servers: short, so that sessions can be.
const Tick = 200 * time.Millisecond

// The session timeouts that the servers grant.
const (
	MinSessionTimeout = 2 * Tick
	MaxSessionTimeout = 60 * time.Second
)

// SuperAuth is the credential of the servers' super user, whom no ACL stops.
const SuperAuth = "super:test"

func superDigest() string {
	sum := sha1.Sum([]byte(SuperAuth))
	return "super:" + base64.StdEncoding.EncodeToString(sum[:])
}

// A Kind is the embedded or the real server.
type Kind string

// The kinds of servers.
const (
	Embedded Kind = "embedded"
	Real     Kind = "real"
)

// Kinds returns the kinds of servers that tests run on: both, unless
// LOCKFORM_TEST_SERVERS names one.
func Kinds() []Kind {
	switch k := Kind(os.Getenv("LOCKFORM_TEST_SERVERS")); k {
	case Embedded, Real:
		return []Kind{k}
	}
	return []Kind{Embedded, Real}
}

// An Env is a server with an empty tree for one test.
type Env struct {
	Kind    Kind
	Addr    string        // host:port
	Chroot  zkfs.Path     // exists and is empty when the test begins
	Servers string        // Addr and Chroot as a connect string
	Dev     *zkdev.Server // nil on a real server
}

// Each runs f as a subtest on each kind of server.
func Each(t *testing.T, f func(t *testing.T, e *Env)) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) { f(t, New(t, kind)) })
	}
}

var chroots atomic.Int64

// New gives the test a server of that kind, until the test ends.
func New(t testing.TB, kind Kind) *Env {
	t.Helper()
	e := &Env{Kind: kind}
	switch kind {
	case Embedded:
		s, err := zkdev.Start(zkdev.Config{
			TickTime:          Tick,
			MinSessionTimeout: MinSessionTimeout,
			MaxSessionTimeout: MaxSessionTimeout,
			SuperDigest:       superDigest(),
		})
		if err != nil {
			t.Fatalf("start the embedded server: %v", err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close the embedded server: %v", err)
			}
		})
		e.Dev, e.Addr = s, s.Addr()
	case Real:
		s, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		e.Addr = s.Addr
	default:
		t.Fatalf("no such kind of server: %q", kind)
	}
	e.Chroot = zkfs.Root.Join(fmt.Sprintf("t%d-%d", os.Getpid(), chroots.Add(1)))
	e.Servers = e.Addr + e.Chroot.String()
	c := super(t, e.Addr)
	defer c.Close()
	if _, err := c.Create(e.Chroot.String(), nil, 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatalf("create the chroot of the test: %v", err)
	}
	return e
}

// Tree returns every znode below the chroot with its data, by path below the
// chroot, as the super user sees it. What the test itself keeps no record of
// shows here: leaked contenders, stray parents.
func (e *Env) Tree(t testing.TB) map[zkfs.Path]string {
	t.Helper()
	c := super(t, e.Addr)
	defer c.Close()
	tree := map[zkfs.Path]string{}
	var walk func(p string)
	walk = func(p string) {
		children, _, err := c.Children(p)
		if errors.Is(err, zk.ErrNoNode) {
			return
		}
		if err != nil {
			t.Fatalf("list %s: %v", p, err)
		}
		for _, name := range children {
			child := path.Join(p, name)
			data, _, err := c.Get(child)
			if errors.Is(err, zk.ErrNoNode) {
				continue
			}
			if err != nil {
				t.Fatalf("read %s: %v", child, err)
			}
			tree[zkfs.Path(strings.TrimPrefix(child, e.Chroot.String()))] = string(data)
			walk(child)
		}
	}
	walk(e.Chroot.String())
	return tree
}

// super connects to a server as its super user.
func super(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	c, events, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(silent{}))
	if err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	limit := time.After(20 * time.Second)
	for {
		select {
		case e := <-events:
			if e.State != zk.StateHasSession {
				continue
			}
			if err := c.AddAuth("digest", []byte(SuperAuth)); err != nil {
				c.Close()
				t.Fatalf("authenticate at %s as the super user: %v", addr, err)
			}
			return c
		case <-limit:
			c.Close()
			t.Fatalf("no session with %s within 20s", addr)
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// Main runs the tests of a package, stops what they shared and looks for leaked
// goroutines. It does not return.
func Main(m *testing.M) { os.Exit(Runner{m}.Run()) }

// A Runner does what Main does for a TestMain that is not the last word, such
// as testscript's.
type Runner struct{ M interface{ Run() int } }

// Run returns the exit code of the tests, and 1 when they leaked a goroutine.
func (r Runner) Run() int {
	code := r.M.Run()
	stopShared()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "leaked goroutines after the tests:", err)
			return 1
		}
	}
	return code
}
