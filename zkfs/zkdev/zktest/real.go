package zktest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// jars is what the server of Debian's packages needs. The manifest of
// zookeeper.jar lacks netty-codec, and binds no logger.
var jars = []string{"zookeeper.jar", "netty-codec.jar", "netty-resolver.jar", "netty-transport-native-unix-common.jar", "slf4j-simple.jar"}

const jarDir = "/usr/share/java"

// Jars returns the class path of Debian's ZooKeeper and, with the given names
// ("curator-recipes.jar"), of other Java libraries beside it. The error says
// what to install.
func Jars(more ...string) (string, error) {
	var missing, all []string
	for _, j := range append(append([]string{}, jars...), more...) {
		p := filepath.Join(jarDir, j)
		if _, err := os.Stat(p); err != nil {
			missing = append(missing, p)
		}
		all = append(all, p)
	}
	if _, err := exec.LookPath("java"); err != nil {
		missing = append(missing, "java")
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("these tests need a real ZooKeeper, and %s is missing: run \"make deps\" as root, or install the packages that it names", strings.Join(missing, ", "))
	}
	return strings.Join(all, ":"), nil
}

// A RealServer is a ZooKeeper process on a loopback address.
type RealServer struct {
	Addr    string // host:port for plain connections
	TLSAddr string // host:port for mutual TLS; "" without
	Dir     string // its configuration, data and log
	cmd     *exec.Cmd
	exited  chan struct{}
}

// RealConfig says how a real server differs from the usual one.
type RealConfig struct {
	Tick  time.Duration // 0: Tick
	Certs *Certs        // with them, a second port with mutual TLS
	Extra []string      // further lines of zoo.cfg
	Heap  string        // the JVM's -Xmx, and else a JVM as users' packages start it, which makes itself fast; "": 256m, and one that starts soon
}

// StartReal starts a real server for one test and stops it at its end.
func StartReal(t testing.TB, c RealConfig) *RealServer {
	t.Helper()
	s, err := startReal(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// startReal starts a server on free ports. Between finding a port and its use
// another process can take it, so a server that does not come up is tried anew.
func startReal(c RealConfig) (s *RealServer, err error) {
	for range 3 {
		if s, err = tryReal(c); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func tryReal(c RealConfig) (*RealServer, error) {
	classPath, err := Jars()
	if err != nil {
		return nil, err
	}
	if c.Tick == 0 {
		c.Tick = Tick
	}
	dir, err := os.MkdirTemp(memoryDir(), "lockform-zk-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for ZooKeeper: %w", err)
	}
	s := &RealServer{Addr: freeAddr(), Dir: dir, exited: make(chan struct{})}
	_, port, _ := net.SplitHostPort(s.Addr)
	lines := []string{
		fmt.Sprintf("tickTime=%d", c.Tick.Milliseconds()),
		fmt.Sprintf("minSessionTimeout=%d", MinSessionTimeout.Milliseconds()),
		fmt.Sprintf("maxSessionTimeout=%d", MaxSessionTimeout.Milliseconds()),
		"dataDir=" + dir + "/data",
		"clientPortAddress=127.0.0.1",
		"clientPort=" + port,
		"maxClientCnxns=0",
		"admin.enableServer=false",
		"4lw.commands.whitelist=*",
		"extendedTypesEnabled=true",
		"preAllocSize=1024",
	}
	if c.Certs != nil {
		s.TLSAddr = freeAddr()
		_, port, _ := net.SplitHostPort(s.TLSAddr)
		lines = append(lines,
			"secureClientPortAddress=127.0.0.1",
			"secureClientPort="+port,
			"serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
			"ssl.keyStore.location="+c.Certs.ServerPEM,
			"ssl.trustStore.location="+c.Certs.CA,
			"ssl.clientAuth=need")
	}
	lines = append(lines, c.Extra...)
	cfg := filepath.Join(dir, "zoo.cfg")
	if err := os.WriteFile(cfg, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write ZooKeeper's configuration: %w", err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, fmt.Errorf("make ZooKeeper's log: %w", err)
	}
	defer log.Close()
	jvm := []string{"-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"}
	if c.Heap != "" {
		jvm = []string{"-Xmx" + c.Heap}
	}
	s.cmd = exec.Command("java", append(jvm,
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dzookeeper.DigestAuthenticationProvider.superDigest="+superDigest(),
		"-cp", classPath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", cfg)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A test binary that is killed must not leave its server behind. The signal
	// comes when the starting thread ends, so that thread is kept until then.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait()
		}
		close(s.exited)
	}()
	if err := <-started; err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("start java: %w", err)
	}
	if err := s.waitReady(60 * time.Second); err != nil {
		out, _ := os.ReadFile(filepath.Join(dir, "log"))
		s.Stop()
		return nil, fmt.Errorf("%w; its log ends:\n%s", err, tail(string(out), 2000))
	}
	return s, nil
}

// memoryDir is where the data of a test's server goes: memory, where there is
// such a place, so that a slow disk does not expire sessions.
func memoryDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		if f, err := os.CreateTemp("/dev/shm", "lockform-probe-"); err == nil {
			f.Close()
			os.Remove(f.Name())
			return "/dev/shm"
		}
	}
	return ""
}

func tail(s string, n int) string {
	if len(s) > n {
		return s[len(s)-n:]
	}
	return s
}

// freeAddr returns a loopback address on which nobody listens now.
func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer l.Close()
	return l.Addr().String()
}

// waitReady waits until the server says what mode it runs in. That the port
// accepts is not enough: a session asked for earlier can hang for a minute.
func (s *RealServer) waitReady(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for time.Now().Before(deadline) {
		if out, err := fourLetterWord(s.Addr, "srvr"); err == nil && strings.Contains(out, "Mode: ") && s.tlsAccepts() {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("ZooKeeper ended while starting")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("ZooKeeper was not ready within %s", limit)
}

// tlsAccepts reports whether the port for TLS, which opens after the other one,
// accepts connections, or there is none.
func (s *RealServer) tlsAccepts() bool {
	if s.TLSAddr == "" {
		return true
	}
	c, err := net.DialTimeout("tcp", s.TLSAddr, time.Second)
	if err == nil {
		c.Close()
	}
	return err == nil
}

func fourLetterWord(addr, word string) (string, error) {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	out, err := io.ReadAll(c)
	return string(out), err
}

// Signal sends a signal to the server's process: SIGSTOP makes it mute, SIGCONT
// wakes it, SIGKILL ends it.
func (s *RealServer) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Stop kills the server and removes its files. It may be called again.
func (s *RealServer) Stop() {
	_ = s.cmd.Process.Kill()
	<-s.exited
	os.RemoveAll(s.Dir)
}

var sharedServer struct {
	sync.Mutex
	*RealServer
	err error
}

// shared returns the real server of this test binary, started by the first
// caller. One that could not be started is not tried again by every test.
func shared() (*RealServer, error) {
	sharedServer.Lock()
	defer sharedServer.Unlock()
	if sharedServer.RealServer == nil && sharedServer.err == nil {
		sharedServer.RealServer, sharedServer.err = startReal(RealConfig{})
	}
	return sharedServer.RealServer, sharedServer.err
}

func stopShared() {
	sharedServer.Lock()
	defer sharedServer.Unlock()
	if sharedServer.RealServer != nil {
		sharedServer.Stop()
		sharedServer.RealServer = nil
	}
}
