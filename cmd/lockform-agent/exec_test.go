package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// eachServer runs f on both kinds of servers, with a lock /locks/a declared.
func eachServer(t *testing.T, f func(t *testing.T, e *zktest.Env, s *zkconn.Session)) {
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		s, err := connect(e.Servers)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close(t.Context())
		if err := declareLock(s, "/locks/a", testPolicy()); err != nil {
			t.Fatal(err)
		}
		f(t, e, s)
	})
}

// exitCode runs a command and returns its exit code.
func exitCode(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// every runs f for each of the numbers, several at once.
func every(numbers []int, f func(n int)) {
	work := make(chan int)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for n := range work {
				f(n)
			}
		})
	}
	for _, n := range numbers {
		work <- n
	}
	close(work)
	wait.Wait()
}

// Each run takes a lock of its own, so that they do not wait for each other.
func ownLock(t *testing.T, s *zkconn.Session, n int) string {
	path := fmt.Sprintf("/locks/n%d", n)
	if err := makeZnode(s, zkfs.Path(path), nil); err != nil {
		t.Error(err)
	}
	return path
}

// consul #947: the exit code of the command is lost.
func TestEveryExitCodeIsTheCommands(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		var codes []int
		for n := range 256 {
			codes = append(codes, n)
		}
		every(codes, func(n int) {
			path := ownLock(t, s, n)
			cmd := agentCommand(e.Servers, "exec", "-undeclared", path, "--", "sh", "-c", "exit "+strconv.Itoa(n))
			if got := exitCode(t, cmd); got != n {
				t.Errorf("exit code %d became %d", n, got)
			}
		})
	})
}

// util-linux #1180: so is the signal that ended it.
func TestDeathBySignalIs128AndItsNumber(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		var signals []int
		for n := unix.Signal(1); n <= 64; n++ {
			switch n {
			case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGCONT, unix.SIGCHLD, unix.SIGURG, unix.SIGWINCH, 32, 33:
				continue // they do not kill; 32 and 33 belong to the C library
			}
			signals = append(signals, int(n))
		}
		every(signals, func(n int) {
			path := ownLock(t, s, n)
			cmd := agentCommand(e.Servers, "exec", "-undeclared", path, "--", "sh", "-c", fmt.Sprintf("ulimit -c 0; kill -%d $$", n))
			if got, want := exitCode(t, cmd), 128+n; got != want {
				t.Errorf("signal %d: exit code %d, not %d", n, got, want)
			}
		})
	})
}

// Every signal that can be caught reaches the command, and no other: URG, which
// the Go runtime sends itself, does not (supercronic #171).
func TestSignalsAreForwarded(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		var signals []int
		for n := unix.Signal(1); n <= 64; n++ {
			switch n {
			case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE, unix.SIGCONT, unix.SIGPROF, 32, 33, 34:
				continue // the last four are out of a Go program's reach
			}
			signals = append(signals, int(n))
		}
		every(signals, func(n int) {
			path := ownLock(t, s, n)
			// The command sends the signal to the agent, and gets it back.
			line := fmt.Sprintf(`trap 'exit 78' URG PIPE; trap 'exit 77' %d; kill -URG $PPID; kill -PIPE $PPID; kill -%d $PPID; while :; do :; done`, n, n)
			cmd := agentCommand(e.Servers, "exec", "-undeclared", path, "--", "sh", "-c", line)
			cmd.Stderr = os.Stderr
			timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer timer.Stop()
			if got := exitCode(t, cmd); got != 77 {
				t.Errorf("signal %d: exit code %d; it did not reach the command", n, got)
			}
		})
	})
}

// consul #1063: the runner eats arguments of the command.
func TestArgumentsReachTheCommandByteForByte(t *testing.T) {
	args := []string{"", " ", "a b", "new\nline", "tab\t", "\xff\xfe not UTF-8", "ünïcödé", "'quo\"te`$(x)\\", "--", "-wait=0", "--generate-shell-completion", "*", "~", strings.Repeat("long ", 20000)}
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		cmd := agentCommand(e.Servers, append([]string{"exec", "/locks/a", "--", "showargs"}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%+q\n", "showargs")
		for _, a := range args {
			want += fmt.Sprintf("%+q\n", a)
		}
		if string(out) != want {
			t.Errorf("got %.2000s\nwant %.2000s", out, want)
		}
	})
}

func TestTheCommandsNameIsGivenAsItIs(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		for _, name := range []string{"cat", "/bin/cat", "/bin/../bin/cat"} {
			out, err := agentCommand(e.Servers, "exec", "/locks/a", "--", name, "/proc/self/cmdline").Output()
			if want := name + "\x00/proc/self/cmdline\x00"; err != nil || string(out) != want {
				t.Errorf("got %q, %v, want %q", out, err, want)
			}
		}
	})
}

// etcd #10840: the command's environment is dropped.
func TestTheEnvironmentIsPassedByteForByte(t *testing.T) {
	odd := []string{"EMPTY=", "SPACES= a  b ", "LINES=a\nb\n", "BYTES=\xff\x01", "EQUALS=a=b=", "lower=1", "LOCKFORM_AUTH_NOT=x", "LOCKFORM_NODE_X=y", "no equals sign"}
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		cmd := agentCommand(e.Servers, "exec", "/locks/a", "--", "cat", "/proc/self/environ")
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LOCKFORM_SERVERS=" + e.Servers, "LOCKFORM_NODE=stale"}, odd...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		ours := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "LOCKFORM_PATH=") })
		want := append([]string{"PATH=" + os.Getenv("PATH"), "LOCKFORM_SERVERS=" + e.Servers}, odd...)
		if ours < 0 || !slices.Equal(got[:ours], want) {
			t.Errorf("got %q\nwant %q before ours", got, want)
		}
		if n := strings.Count(string(out), "LOCKFORM_NODE="); n != 1 {
			t.Errorf("LOCKFORM_NODE stands there %d times", n)
		}
	})
}

// A contender that may not be deleted any more goes with its session. What says
// that the lock is free runs after that.
func TestWhatMayNotBeDeletedGoesWithTheSession(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		dir := t.TempDir()
		cmd := agentCommand(e.Servers, "exec", "-on-released=echo >free", "/locks/a", "--", "sh", "-c", "echo >running; while [ ! -e go ]; do sleep 0.02; done; exit 3")
		cmd.Dir, cmd.Stderr = dir, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		if err := eventually(func() error { _, err := os.Stat(filepath.Join(dir, "running")); return err }); err != nil {
			t.Fatal(err)
		}
		locked := zkfs.ACL{{Perms: zkfs.AllPerms &^ zkfs.Delete, Identity: zkfs.Anyone}}
		if _, err := s.SetACL(t.Context(), "/locks/a", locked, zkfs.AnyVersion); err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir, "go", "")
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 3 {
			t.Errorf("exit code %d, not 3", got)
		}
		if names, _, err := s.Children(t.Context(), "/locks/a"); err != nil || len(names) > 0 {
			t.Errorf("the contenders are %q, %v", names, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "free")); err != nil {
			t.Error(err)
		}
	})
}

// The guardian kills the command of an agent that is stopped for longer than
// its lease, and the agent finds out when it goes on.
func TestAStoppedAgentsCommandIsKilledInTime(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		p := testPolicy()
		p.SessionTimeout, p.KillTimeout = 2*time.Second, 300*time.Millisecond
		if err := declareLock(s, "/locks/s", p); err != nil {
			t.Fatal(err)
		}
		agent, command := startHolder(t, e.Servers, "/locks/s")
		names, _, err := s.Children(t.Context(), "/locks/s")
		if err != nil || len(names) != 1 {
			t.Fatalf("the contenders are %q, %v", names, err)
		}
		if err := agent.Process.Signal(unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		// When the next one could hold the lock, nothing of the command lives.
		if err := eventually(func() error {
			if names, _, err := s.Children(t.Context(), "/locks/s"); err != nil || len(names) > 0 {
				return fmt.Errorf("the contenders are %q, %v", names, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, pid := range command {
			if alive(pid) {
				t.Errorf("process %d outlived the lock", pid)
			}
		}
		if err := agent.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		_ = agent.Wait()
		if got := agent.ProcessState.ExitCode(); got != 120 {
			t.Errorf("exit code %d, not 120", got)
		}
	})
}

// Of an agent that is killed nothing is left running.
func TestAKilledAgentsCommandDies(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		agent, command := startHolder(t, e.Servers, "/locks/a")
		if err := agent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = agent.Wait()
		for _, pid := range command {
			if err := eventually(func() error {
				if alive(pid) {
					return fmt.Errorf("process %d outlived the agent", pid)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	})
}

// A killed guardian is replaced.
func TestAKilledGuardianIsReplaced(t *testing.T) {
	eachServer(t, func(t *testing.T, e *zktest.Env, s *zkconn.Session) {
		agent, command := startHolder(t, e.Servers, "/locks/a")
		first := guardianOf(t, agent.Process.Pid, 0)
		if err := unix.Kill(first, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		guardianOf(t, agent.Process.Pid, first)
		if err := agent.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = agent.Wait()
		for _, pid := range command {
			if err := eventually(func() error {
				if alive(pid) {
					return fmt.Errorf("process %d outlived the agent", pid)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
	})
}

// guardianOf waits until an agent has a guardian with another pid than not.
func guardianOf(t *testing.T, agent, not int) (pid int) {
	t.Helper()
	if err := eventually(func() error {
		out, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", agent, agent))
		for _, tid := range threads(agent) {
			more, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", agent, tid))
			out = append(append(out, ' '), more...)
		}
		for _, field := range strings.Fields(string(out)) {
			line, _ := os.ReadFile("/proc/" + field + "/cmdline")
			if bytes.Contains(line, []byte("\x00guardian\x00")) && alive(atoi(field)) && atoi(field) != not {
				pid = atoi(field)
				return nil
			}
		}
		return fmt.Errorf("agent %d has no guardian (%w)", agent, err)
	}); err != nil {
		t.Fatal(err)
	}
	return pid
}

func threads(pid int) []string {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// stubborn prints the pids of itself, of a child in its group and of one in a
// session of its own. None of them minds TERM.
const stubborn = `trap '' TERM INT HUP
(sh -c 'echo $PPID'; while :; do sleep 0.05; done) &
setsid sh -c 'echo $$; while :; do sleep 0.05; done' &
echo $$
while :; do sleep 0.05; done`

// startHolder starts an agent whose command is stubborn, and returns the
// command's pids when all of it runs.
func startHolder(t *testing.T, servers, path string) (*exec.Cmd, []int) {
	t.Helper()
	file := fileIn(t, "pids")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := agentCommand(servers, "exec", path, "--", "sh", "-c", stubborn)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var pids []int
	if err := eventually(func() error {
		data, err := os.ReadFile(file)
		pids = nil
		for _, f := range strings.Fields(string(data)) {
			pids = append(pids, atoi(f))
		}
		if len(pids) != 3 {
			return fmt.Errorf("only %d processes have said who they are: %w", len(pids), err)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return cmd, pids
}

// What the agent says when ZooKeeper is not to be had, and how long it takes.
func TestBadSurroundings(t *testing.T) {
	mute := listenMute(t)
	for _, tt := range []struct {
		name    string
		servers string
		args    []string
		want    string
	}{
		{"NoServer", "127.0.0.1:1", nil, "127.0.0.1:1"},
		{"UnknownHost", "no-such-host.invalid:2181", nil, "no-such-host.invalid"},
		{"MuteServer", mute, nil, mute},
		{"BadConnectString", "::1", nil, "[::1]:2181"},
		{"BadChroot", "127.0.0.1:1/a/", nil, "chroot"},
		{"NoFileOfAuth", "127.0.0.1:1", []string{"-auth=digest:me:@/no/such/file"}, "/no/such/file"},
		{"NoCA", "127.0.0.1:1", []string{"-tls-ca=/no/such/ca.pem"}, "/no/such/ca.pem"},
		{"CertWithoutKey", "127.0.0.1:1", []string{"-tls-cert=x.pem"}, "-tls-key"},
		{"NoConfig", "127.0.0.1:1", []string{"-config=/no/such/config.hcl"}, "/no/such/config.hcl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := agentCommand(tt.servers, append(append([]string{"exec"}, tt.args...), "/locks/a", "--", "true")...)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			began := time.Now()
			if got := exitCode(t, cmd); got != 125 {
				t.Errorf("exit code %d, not 125", got)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("it took %s", took)
			}
			if !strings.HasPrefix(stderr.String(), "Error: ") || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("it said %q, not %q", stderr.String(), tt.want)
			}
		})
	}
}

// A password never shows, and is not taken from the command line.
func TestSecretsStayOffTheCommandLine(t *testing.T) {
	cmd := agentCommand("127.0.0.1:1", "exec", "-auth=digest:me:hunter2", "/locks/a", "--", "true")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if got := exitCode(t, cmd); got != 125 {
		t.Errorf("exit code %d, not 125", got)
	}
	if s := stderr.String(); strings.Contains(s, "hunter2") || !strings.Contains(s, "LOCKFORM_AUTH") {
		t.Errorf("it said %q", s)
	}
}
