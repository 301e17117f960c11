package cmd

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// TestGuarded runs examples/guarded: many deposits under one lock lose nothing,
// and one that was paused until another holds the lock is refused by the store,
// also after that has crashed.
func TestGuarded(t *testing.T) {
	program := filepath.Join(t.TempDir(), "guarded")
	if out, err := exec.Command("go", "build", "-o", program, "../examples/guarded").CombinedOutput(); err != nil {
		t.Fatalf("build the store: %v\n%s", err, out)
	}
	zktest.Each(t, func(t *testing.T, e *zktest.Env) {
		dir := copyTree(t, "../examples/guarded")
		run(t, dir, nil, 0, "lockform", "apply", "-auto-approve", "-servers="+e.Servers)
		s := &guarded{program: program, file: filepath.Join(dir, "values")}
		s.start(t)
		deposit := func(amount int, env ...string) *exec.Cmd {
			cmd := exec.Command(filepath.Join(bin, "lockform-agent"), "exec", "-servers="+e.Servers, "-wait=1m",
				"/accounts/ledger", "--", "./deposit.sh", s.url+"/ledger", strconv.Itoa(amount))
			cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
			return cmd
		}

		var all sync.WaitGroup
		for i := range 5 {
			all.Go(func() {
				if out, err := deposit(1 + i).CombinedOutput(); err != nil {
					t.Errorf("a deposit: %v\n%s", err, out)
				}
			})
		}
		all.Wait()
		before := s.mark(t)

		// The first one reads, and then nothing of its agent runs any more.
		letGo := filepath.Join(dir, "go")
		late := deposit(1000, "DEPOSIT_WAIT="+letGo)
		said := new(bytes.Buffer)
		late.Stdout, late.Stderr = said, said
		if err := late.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- late.Wait() }()
		t.Cleanup(func() { _ = late.Process.Kill() })
		until(t, "the first deposit has read", func() bool { return s.mark(t) > before })
		old := s.mark(t)
		stopped := append(guardians(t, late.Process.Pid), late.Process.Pid)
		if len(stopped) != 2 {
			t.Fatalf("the agent has %d guardians", len(stopped)-1)
		}
		for _, pid := range stopped {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		}
		// The session ends, the second one gets the lock and is done.
		if out, err := deposit(100).CombinedOutput(); err != nil {
			t.Fatalf("the second deposit: %v\n%s", err, out)
		}
		if got := s.mark(t); got <= old {
			t.Fatalf("the tokens are %d and then %d", old, got)
		}
		// Now the first one writes what it has counted.
		if err := os.WriteFile(letGo, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		command := fmt.Sprintf("deposit.sh\x00%s/ledger\x001000", s.url)
		until(t, "the late deposit has ended", func() bool { return !running(t, command) })
		for _, pid := range stopped {
			if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Error("the late deposit ended well")
			}
		case <-time.After(time.Minute):
			t.Fatal("the agent of the late deposit does not end")
		}
		if want := fmt.Sprintf("token %d is stale", old); !strings.Contains(said.String(), want) {
			t.Errorf("the late deposit said %q, want %q in it", said, want)
		}

		s.kill()
		s.start(t)
		if code, body := s.ask(t, "PUT", old, "1000000"); code != http.StatusConflict {
			t.Errorf("after a crash of the store the old token got %d %q", code, body)
		}
		if code, body := s.ask(t, "GET", s.mark(t), ""); code != http.StatusOK || body != "115" {
			t.Errorf("got %d %q, want that all deposits but the late one count", code, body)
		}
	})
}

// A guarded is a store that runs.
type guarded struct {
	program, file string
	url           string
	cmd           *exec.Cmd
}

func (g *guarded) start(t *testing.T) {
	t.Helper()
	g.cmd = exec.Command(g.program, "-listen=127.0.0.1:0", "-file="+g.file)
	g.cmd.Stderr = os.Stderr
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the store does not say what it serves: %v", err)
	}
	g.url = strings.TrimSpace(strings.TrimPrefix(line, "serving "))
}

// kill ends it as a crash would.
func (g *guarded) kill() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
}

// ask sends a request and returns status and body.
func (g *guarded) ask(t *testing.T, method string, token int64, body string) (int, string) {
	t.Helper()
	return g.askAs(t, method, token, "exclusive", body)
}

func (g *guarded) askAs(t *testing.T, method string, token int64, mode, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.url+"/ledger", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	r.Header.Set("Lockform-Token", strconv.FormatInt(token, 10))
	r.Header.Set("Lockform-Mode", mode)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text := new(strings.Builder)
	if _, err := bufio.NewReader(answer.Body).WriteTo(text); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

// mark returns the highest exclusive token that the store has seen: what it
// tells a reader with a lower one.
func (g *guarded) mark(t *testing.T) int64 {
	t.Helper()
	code, text := g.askAs(t, "GET", 1, "shared", "")
	if code != http.StatusConflict {
		t.Fatalf("the lowest token got %d %q", code, text)
	}
	var token, mark int64
	if _, err := fmt.Sscanf(text, "token %d is stale: a holder with token %d", &token, &mark); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return mark
}

// until polls for a condition for half a minute.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within half a minute: %s", what)
		}
	}
}

// guardians returns the pids of an agent's guardians.
func guardians(t *testing.T, agent int) (pids []int) {
	t.Helper()
	for pid, line := range commandLines(t) {
		if strings.HasSuffix(line, "\x00guardian\x00"+strconv.Itoa(agent)+"\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

func running(t *testing.T, command string) bool {
	t.Helper()
	for _, line := range commandLines(t) {
		// The agent has the command among its own arguments.
		if strings.Contains(line, command) && !strings.Contains(line, "lockform-agent") {
			return true
		}
	}
	return false
}

// commandLines returns the arguments of all processes by their pids.
func commandLines(t *testing.T) map[int]string {
	t.Helper()
	lines := make(map[int]string)
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range dirs {
		if data, err := os.ReadFile(name); err == nil {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			lines[pid] = string(data)
		}
	}
	return lines
}
