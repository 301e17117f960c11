package zktest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Client is a program of somebody else's making (kazoo, Curator, a script of a
// tutorial) that a test drives line by line: it does what is sent to it and
// answers on its standard output.
type Client struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string // closed at the end of its output
	exited chan struct{}
	err    error // how it ended, after exited
	stderr strings.Builder
}

// Kazoo starts a Python program with Debian's kazoo. The script is a file.
func Kazoo(t testing.TB, script string, args ...string) *Client {
	t.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import kazoo").CombinedOutput(); err != nil {
		t.Fatalf("these tests need kazoo, and Python has none: run \"make deps\" as root, or install the packages that it names\n%s", out)
	}
	return start(t, "kazoo", exec.Command("/usr/bin/python3", append([]string{"-u", script}, args...)...))
}

// curatorJars is what Curator's recipes need beside ZooKeeper.
var curatorJars = []string{"curator-recipes.jar", "curator-framework.jar", "curator-client.jar", "guava.jar",
	"failureaccess.jar", "zookeeper-jute.jar", "netty-common.jar", "netty-handler.jar", "netty-buffer.jar", "netty-transport.jar",
	"zookeeper-recipes-lock.jar"}

// Java starts a Java program (one source file) with Debian's ZooKeeper, its
// lock recipe and Curator on the class path.
func Java(t testing.TB, source string, args ...string) *Client {
	t.Helper()
	var have []string
	for _, j := range curatorJars {
		// What is not packaged apart stands in one of the others.
		if _, err := os.Stat(filepath.Join(jarDir, j)); err == nil || strings.HasPrefix(j, "curator-") {
			have = append(have, j)
		}
	}
	classPath, err := Jars(have...)
	if err != nil {
		t.Fatal(err)
	}
	flags := []string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classPath, source}
	return start(t, "java", exec.Command("java", append(flags, args...)...))
}

// start starts the program; it is killed at the end of the test.
func start(t testing.TB, name string, cmd *exec.Cmd) *Client {
	t.Helper()
	c := &Client{name: name, cmd: cmd, lines: make(chan string, 64), exited: make(chan struct{})}
	cmd.Stderr = &c.stderr
	// With pipes of our own, Wait does not close the output before it was read.
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = w
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	w.Close()
	go func() {
		c.err = cmd.Wait()
		close(c.exited)
	}()
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
		out.Close()
	}()
	t.Cleanup(func() {
		c.Kill()
		for range c.lines { // until its output has ended
		}
	})
	return c
}

// Send sends the program a line.
func (c *Client) Send(t testing.TB, line string) {
	t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		t.Fatalf("send %q to %s: %v; it printed:\n%s", line, c.name, err, c.stderr.String())
	}
}

// Expect waits at most a minute for the program to print exactly this line
// next.
func (c *Client) Expect(t testing.TB, want string) {
	t.Helper()
	if got := c.Next(t); got != want {
		t.Fatalf("%s printed %q, want %q", c.name, got, want)
	}
}

// Next returns the next line that the program prints, within a minute.
func (c *Client) Next(t testing.TB) string {
	t.Helper()
	select {
	case line, ok := <-c.lines:
		if !ok {
			<-c.exited
			t.Fatalf("%s has ended (%v); it printed:\n%s", c.name, c.err, c.stderr.String())
		}
		return line
	case <-time.After(time.Minute):
		t.Fatalf("%s printed nothing for a minute", c.name)
		return ""
	}
}

// Silent reports whether the program has printed nothing that was not read.
func (c *Client) Silent() bool { return len(c.lines) == 0 }

// Kill ends the program with SIGKILL, as a crash would, and waits for its end.
// Its session stays until it expires.
func (c *Client) Kill() {
	_ = syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.exited
}

// End closes the program's input and waits for it to end by itself with exit
// code 0.
func (c *Client) End(t testing.TB) {
	t.Helper()
	c.in.Close()
	select {
	case <-c.exited:
		if c.err != nil {
			t.Fatalf("%s: %v; it printed:\n%s", c.name, c.err, c.stderr.String())
		}
	case <-time.After(time.Minute):
		t.Fatalf("%s did not end within a minute", c.name)
	}
}
