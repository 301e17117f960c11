package agent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/internal/proc"
)

// A fakeRun is an Exec in a process of its own, with a shell script as command.
type fakeRun struct {
	*exec.Cmd
	dir string
}

// said returns what the agent and the command have written to standard error.
func (r *fakeRun) said(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// startFake starts the script, which finds itself in a directory of its own.
func startFake(t *testing.T, settings, script string) *fakeRun {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &fakeRun{Cmd: exec.Command(self, "/bin/sh", "-c", script), dir: t.TempDir()}
	r.Env = append(os.Environ(), scenario+"="+settings+" ")
	stderr, err := os.Create(filepath.Join(r.dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	r.Dir, r.Stderr = r.dir, stderr
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// code waits for the run and returns its exit code.
func (r *fakeRun) code(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(patience, func() { _ = r.Process.Kill() })
	defer timer.Stop()
	err := r.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.ProcessState.ExitCode()
}

const patience = 20 * time.Second

// number waits until a file holds a line with a number.
func (r *fakeRun) number(t *testing.T, name string) int {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		data, _ := os.ReadFile(filepath.Join(r.dir, name))
		if line, ok := strings.CutSuffix(string(data), "\n"); ok {
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s was not written; the agent said %s", name, r.said(t))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func dead(t *testing.T, pid int) {
	t.Helper()
	if p, err := proc.Look(pid); err == nil && p.Alive() {
		t.Errorf("process %d still runs", pid)
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// stubborn writes the pids of itself, a child and one that left the group; none
// minds TERM.
const stubborn = `trap 'echo 1 >term' TERM
(trap '' TERM; sh -c 'echo $PPID >child'; while :; do sleep 0.02; done) &
setsid sh -c 'trap "" TERM; echo $$ >stranger; while :; do sleep 0.02; done' &
echo $$ >parent
while :; do sleep 0.02; done`

// consul #9788: the command of a lock that is lost is killed a minute and a half
// late. consul #2022, consul-template #1666: of what it has started the shell
// alone is.
func TestLossStopsEverything(t *testing.T) {
	for _, tt := range []struct {
		name, settings string
		term           bool // TERM was sent first
	}{
		{"PresumedLossSendsTermAndKillsBeforeTheLeaseEnds", "lease=3s kill=1s lose=presumed:700ms", true},
		{"KillTimeoutBeyondTheLeaseIsCut", "lease=3s kill=1h lose=presumed:700ms", true},
		{"AnEndedSessionKillsAtOnce", "lease=1h kill=1h lose=session:700ms", false},
		{"ADeletedContenderKillsAtOnce", "lease=1h kill=1h lose=removed:700ms", false},
		{"OnLostKillSendsNothingElse", "lease=1h kill=1h onlost=kill lose=presumed:700ms", false},
		{"MaxHoldSendsTermFirst", "lease=1h kill=1s lose=maxhold:700ms", true},
		{"MaxHoldHoldsWithOnLostIgnoreToo", "lease=1h kill=1s onlost=ignore lose=maxhold:700ms", true},
		{"OfTwoLocksLosingOneIsEnough", "two lease=1h kill=100ms lose=removed:700ms", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := startFake(t, tt.settings, stubborn)
			parent, child, stranger := r.number(t, "parent"), r.number(t, "child"), r.number(t, "stranger")
			if code := r.code(t); code != CodeLost {
				t.Errorf("exit code %d, not %d: %s", code, CodeLost, r.said(t))
			}
			dead(t, parent)
			dead(t, child)
			dead(t, stranger)
			if _, err := os.Stat(filepath.Join(r.dir, "term")); (err == nil) != tt.term {
				t.Errorf("TERM sent: %v, want %v", err == nil, tt.term)
			}
		})
	}
}

// A command that ends well at TERM has lost its lock all the same.
func TestAGracefulEndAfterALossIsALoss(t *testing.T) {
	t.Parallel()
	r := startFake(t, "kill=20s lose=presumed:200ms", "trap 'exit 0' TERM; while :; do sleep 0.02; done")
	if code := r.code(t); code != CodeLost {
		t.Errorf("exit code %d, not %d", code, CodeLost)
	}
}

// guarded waits until the agent has a guardian, or has none.
func (r *fakeRun) guarded(t *testing.T, want bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		table, err := proc.Read()
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, p := range table {
			line, _ := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cmdline")
			got = got || p.Parent == r.Process.Pid && p.Alive() && strings.Contains(string(line), "\x00guardian\x00")
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("a guardian is there: %v, want %v", got, want)
		}
	}
}

// A change of on_lost while the command runs brings a guardian, or sends it
// away.
func TestTheGuardianFollowsOnLost(t *testing.T) {
	t.Run("NoLongerIgnored", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "lease=1h onlost=ignore turns=terminate:300ms", stubborn)
		parent, child := r.number(t, "parent"), r.number(t, "child")
		r.guarded(t, true)
		if err := r.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = r.Wait()
		for _, pid := range []int{parent, child} {
			for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
				if p, err := proc.Look(pid); err != nil || !p.Alive() || time.Now().After(deadline) {
					break
				}
			}
			dead(t, pid)
		}
	})
	t.Run("FromNowOnIgnored", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "lease=1h turns=ignore:300ms lose=presumed:1500ms", "while [ ! -e go ]; do sleep 0.02; done; echo 1 >finished")
		r.guarded(t, true)
		r.guarded(t, false)
		for !strings.Contains(r.said(t), "the command goes on") {
			time.Sleep(5 * time.Millisecond)
		}
		if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if code := r.code(t); code != CodeLost {
			t.Errorf("exit code %d, not %d", code, CodeLost)
		}
		r.number(t, "finished")
	})
}

// What left the group does not outlive the lock because the command obeyed.
func TestAfterALossNobodyIsLeftOut(t *testing.T) {
	t.Parallel()
	r := startFake(t, "lease=1h kill=300ms lose=presumed:300ms", `
setsid sh -c 'trap "" TERM; echo $$ >stranger; while :; do sleep 0.02; done' &
trap 'exit 0' TERM; while :; do sleep 0.02; done`)
	stranger := r.number(t, "stranger")
	if code := r.code(t); code != CodeLost {
		t.Errorf("exit code %d, not %d", code, CodeLost)
	}
	dead(t, stranger)
}

// A stopped command gets TERM, and CONT so that it can act on it.
func TestAStoppedCommandHearsTerm(t *testing.T) {
	t.Parallel()
	r := startFake(t, "kill=20s lose=presumed:500ms", "trap 'echo 1 >term; exit 0' TERM; kill -STOP $$; while :; do sleep 0.02; done")
	if code := r.code(t); code != CodeLost {
		t.Errorf("exit code %d, not %d", code, CodeLost)
	}
	if r.number(t, "term") != 1 {
		t.Error("the command was killed before it could end")
	}
}

// The agent's exit code stays the command's while orphans end around it
// (supercronic #171).
func TestReapingLosesNoExitStatus(t *testing.T) {
	t.Parallel()
	r := startFake(t, "", `
i=0
while [ $i -lt 200 ]; do
	(setsid sh -c 'exit 9' & ) # an orphan that the agent adopts
	i=$((i+1))
done
exit 42`)
	if code := r.code(t); code != 42 {
		t.Errorf("exit code %d, not 42: %s", code, r.said(t))
	}
}

// Adopted orphans do not stay as zombies while the command runs.
func TestOrphansAreReaped(t *testing.T) {
	t.Parallel()
	r := startFake(t, "", `
echo $PPID >agent
for i in 1 2 3 4 5; do (sleep 0.05 & ); done
while [ ! -e go ]; do sleep 0.02; done`)
	agent := r.number(t, "agent")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		table, err := proc.Read()
		if err != nil {
			t.Fatal(err)
		}
		zombies := 0
		for _, p := range table {
			if p.Parent == agent && !p.Alive() {
				zombies++
			}
		}
		sleeping := len(table.InGroup(r.groupOf(t, table, agent)))
		if zombies == 0 && sleeping <= 2 { // the script and the sleep of its loop
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("there are %d zombies", zombies)
		}
	}
	if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := r.code(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// groupOf returns the process group of the agent's command.
func (r *fakeRun) groupOf(t *testing.T, table proc.Table, agent int) int {
	t.Helper()
	self, err := proc.Look(agent)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table {
		if p.Parent == agent && p.Session == self.Session {
			return p.Group
		}
	}
	t.Fatal("the agent has no command")
	return 0
}

// The lock is kept until the whole group is gone, but not for a daemon that has
// made a session of its own.
func TestTheGroupIsWaitedFor(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := startFake(t, "", "(sleep 0.4) & exit 3")
	if code := r.code(t); code != 3 {
		t.Errorf("exit code %d, not 3", code)
	}
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("it took %s only", took)
	}
}

func TestDaemonsAreLetGo(t *testing.T) {
	t.Parallel()
	r := startFake(t, "", "setsid sh -c 'echo $$ >daemon; exec sleep 1000' >/dev/null 2>&1 & while [ ! -s daemon ]; do sleep 0.02; done; exit 4")
	if code := r.code(t); code != 4 {
		t.Errorf("exit code %d, not 4", code)
	}
	daemon := r.number(t, "daemon")
	if p, err := proc.Look(daemon); err != nil || !p.Alive() {
		t.Error("the daemon is gone")
	}
	_ = unix.Kill(daemon, unix.SIGKILL)
}

// While the lock is waited for, a signal ends the agent at once (consul #4439).
func TestSignalsEndTheWait(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			t.Parallel()
			r := startFake(t, "wait=1h", "true")
			r.number(t, "waiting")
			sent := time.Now()
			if err := r.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code, want := r.code(t), 128+int(sig); code != want {
				t.Errorf("exit code %d, not %d", code, want)
			}
			if took := time.Since(sent); took > time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// Restarts try again after a connection that could not be had, and stop when a
// signal asks for it.
func TestRestarts(t *testing.T) {
	t.Run("OnLostRunsAgainAfterALossOnly", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "restart=on-lost lose=removed:200ms", "echo x >>runs; [ $(wc -l <runs) = 1 ] && sleep 1000; exit 6")
		if code := r.code(t); code != 6 {
			t.Errorf("exit code %d, not 6", code)
		}
	})
	t.Run("AlwaysOutlivesAnUnreachableZooKeeper", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "restart=always refuse=1", "echo $PPID >agent; sleep 1000")
		if err := unix.Kill(r.number(t, "agent"), unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := r.code(t); code != 143 {
			t.Errorf("exit code %d, not 143: %s", code, r.said(t))
		}
	})
	t.Run("NeverFails", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "refuse=1", "true")
		if code := r.code(t); code != CodeFailed {
			t.Errorf("exit code %d, not %d", code, CodeFailed)
		}
	})
	t.Run("ASignalEndsThePause", func(t *testing.T) {
		t.Parallel()
		r := startFake(t, "restart=always", "echo $PPID >agent")
		pid := r.number(t, "agent")
		for !strings.Contains(r.said(t), "trying again") {
			time.Sleep(5 * time.Millisecond)
		}
		if err := unix.Kill(pid, unix.SIGINT); err != nil {
			t.Fatal(err)
		}
		if code := r.code(t); code != 130 {
			t.Errorf("exit code %d, not 130", code)
		}
	})
}
