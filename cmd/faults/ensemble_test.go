//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// The servers' times. A follower that hears nothing of its leader serves its
// clients for syncLimit ticks more: longer than a session lives.
const (
	tick      = 500 * time.Millisecond
	syncLimit = 30
	session   = 4 * time.Second
)

// A cluster is three servers, two machines for clients and the guarded store.
type cluster struct {
	servers [3]*server
	clients [2]*node
	store   *exec.Cmd
	dir     string
	runs    int // faults so far
}

// A server is one machine with a ZooKeeper.
type server struct {
	*node
	dir  string
	java *exec.Cmd
}

// storeAddress is where the guarded store listens.
const storeAddress = hub + ":8080"

var running *cluster

// start starts the cluster for all tests, once.
func start(t *testing.T) *cluster {
	t.Helper()
	if running == nil {
		c, err := newCluster()
		if err != nil {
			t.Fatal(err)
		}
		running = c
	}
	running.wait(t)
	return running
}

// stopCluster removes the files; the processes end with the namespaces.
func stopCluster() {
	if running != nil {
		os.RemoveAll(running.dir)
	}
}

func newCluster() (*cluster, error) {
	dir, err := os.MkdirTemp("/dev/shm", "lockform-faults-")
	if err != nil {
		if dir, err = os.MkdirTemp("", "lockform-faults-"); err != nil {
			return nil, err
		}
	}
	c := &cluster{dir: dir}
	if err := startNetwork(); err != nil {
		return nil, err
	}
	for i := range c.servers {
		n, err := newNode(fmt.Sprintf("z%d", i+1), i+1, true)
		if err != nil {
			return nil, err
		}
		c.servers[i] = &server{node: n, dir: filepath.Join(dir, n.name)}
	}
	for i := range c.clients {
		if c.clients[i], err = newNode(fmt.Sprintf("a%d", i+1), 11+i, false); err != nil {
			return nil, err
		}
	}
	for _, s := range c.servers {
		if err := s.configure(); err != nil {
			return nil, err
		}
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	c.store = exec.Command(tool("guarded"), "-listen="+storeAddress, "-file="+filepath.Join(dir, "values"))
	c.store.Stderr = os.Stderr
	return c, c.store.Start()
}

func (s *server) configure() error {
	lines := []string{
		fmt.Sprintf("tickTime=%d", tick.Milliseconds()), "initLimit=30", fmt.Sprintf("syncLimit=%d", syncLimit),
		"dataDir=" + s.dir, "clientPort=2181", "clientPortAddress=" + s.address(), "maxClientCnxns=0",
		"admin.enableServer=false", "4lw.commands.whitelist=*", "preAllocSize=1024", "forceSync=no",
	}
	for i := 1; i <= 3; i++ {
		lines = append(lines, fmt.Sprintf("server.%d=%s%d:2888:3888", i, quorumNet, i))
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.dir, "myid"), []byte(fmt.Sprint(s.num)), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// start starts the server's process.
func (s *server) start() error {
	classPath, err := zktest.Jars()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.java = s.command("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classPath,
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.dir, "zoo.cfg"))
	s.java.Stdout, s.java.Stderr = log, log
	return s.java.Start()
}

func (s *server) signal(sig syscall.Signal) error { return s.java.Process.Signal(sig) }

// kill ends the server as a crash would.
func (s *server) kill() error {
	if err := s.signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = s.java.Wait() // it says "killed"
	return nil
}

func (s *server) connect() string { return s.address() + ":2181" }

// mode returns what the server says of itself: "leader", "follower", or "".
func (s *server) mode() string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	out, err := zkconn.FourLetterWord(ctx, zkconn.Config{Servers: s.connect(), ConnectTimeout: time.Second}, s.connect(), "srvr")
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(out, "Mode: ")
	mode, _, _ := strings.Cut(after, "\n")
	return mode
}

// wait waits until one server leads and the others follow.
func (c *cluster) wait(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "three servers serve", func() bool {
		leaders, followers := 0, 0
		for _, s := range c.servers {
			switch s.mode() {
			case "leader":
				leaders++
			case "follower":
				followers++
			}
		}
		return leaders == 1 && followers == 2
	})
}

func (c *cluster) leader(t *testing.T) *server {
	t.Helper()
	for _, s := range c.servers {
		if s.mode() == "leader" {
			return s
		}
	}
	t.Fatal("no server leads")
	return nil
}

func (c *cluster) follower(t *testing.T) *server {
	t.Helper()
	for _, s := range c.servers {
		if s.mode() == "follower" {
			return s
		}
	}
	t.Fatal("no server follows")
	return nil
}

// others are all servers but one, as a connect string.
func (c *cluster) others(not *server) string {
	var some []string
	for _, s := range c.servers {
		if s != not {
			some = append(some, s.connect())
		}
	}
	return strings.Join(some, ",")
}

func (c *cluster) all() string { return c.others(nil) }

func (c *cluster) serverNodes() []*node {
	return []*node{c.servers[0].node, c.servers[1].node, c.servers[2].node}
}

// observe opens a session of the test's own for a look at the tree.
func (c *cluster) observe(t *testing.T, servers string, look func(context.Context, *zkconn.Session) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s, err := zkconn.Open(ctx, zkconn.Config{Servers: servers, SessionTimeout: 10 * time.Second, TickTime: tick})
	if err != nil {
		t.Fatal(err)
	}
	err = look(ctx, s)
	if err := errors.Join(err, s.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}
