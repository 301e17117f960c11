package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/zkfs"
	"github.com/lockform/lockform/zkfs/layout"
	"github.com/lockform/lockform/zkfs/zkconn"
	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

// TestMain lets the test binary be lockform-agent and the commands of scripts.
func TestMain(m *testing.M) {
	testscript.Main(zktest.Runner{M: m}, map[string]func(){
		"lockform-agent": main,
		"showargs":       showArgs,
	})
}

// showArgs prints its arguments, the name it was called by first, one per line
// and quoted.
func showArgs() {
	for _, arg := range os.Args {
		fmt.Printf("%+q\n", arg)
	}
}

// patience is how long a condition may take to come true.
const patience = 20 * time.Second

// eventually waits until the condition is nil, and returns what it last was.
func eventually(condition func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := condition()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestScripts runs testdata/script on both kinds of servers, each script with a
// tree of its own.
func TestScripts(t *testing.T) {
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir:                 "testdata/script",
				RequireExplicitExec: true,
				Setup: func(env *testscript.Env) error {
					z := zktest.New(t, kind)
					s, err := connect(z.Servers)
					if err != nil {
						return err
					}
					env.Defer(func() { _ = s.Close(context.Background()) })
					p, err := listenProxy(z.Addr)
					if err != nil {
						return err
					}
					env.Defer(p.close)
					env.Values["session"], env.Values["proxy"] = s, p
					env.Setenv("LOCKFORM_SERVERS", z.Servers)
					env.Setenv("THROUGH_PROXY", p.addr()+z.Chroot.String())
					return nil
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"declare": scriptDeclare, "znode": scriptZnode, "remove": scriptRemove, "contenders": scriptContenders,
					"revoke": scriptRevoke, "exits": scriptExits, "waitfile": scriptWaitFile, "ended": scriptEnded, "signal": scriptSignal,
					"cut": scriptCut, "within": scriptWithin,
				},
			})
		})
	}
}

func connect(servers string) (*zkconn.Session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return zkconn.Open(ctx, zkconn.Config{Servers: servers, TickTime: zktest.Tick})
}

func script(ts *testscript.TestScript) (*zkconn.Session, context.Context) {
	return ts.Value("session").(*zkconn.Session), context.Background()
}

func usageOf(ts *testscript.TestScript, neg, ok bool, text string) {
	if neg || !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// makeZnode makes a znode and what is above it.
func makeZnode(s *zkconn.Session, path zkfs.Path, data []byte) error {
	ctx := context.Background()
	for _, p := range append(path.Ancestors(), path) {
		if _, err := s.Create(ctx, p, nil, zkfs.Open(), zkfs.Persistent); err != nil && !errors.Is(err, zkfs.ErrNodeExists) {
			return err
		}
	}
	_, err := s.Set(ctx, path, data, zkfs.AnyVersion)
	return err
}

// declareLock makes a lock with a policy, as apply does.
func declareLock(s *zkconn.Session, path zkfs.Path, p layout.Policy) error {
	for _, err := range p.Validate() {
		return err
	}
	data, err := layout.Record{Layout: "test", Address: "lock.test", Kind: layout.KindLock, Policy: &p}.Encode()
	if err != nil {
		return err
	}
	return makeZnode(s, path, data)
}

// testPolicy is the default policy with the servers' tick.
func testPolicy() layout.Policy {
	p := layout.DefaultPolicy()
	p.TickTime = zktest.Tick
	return p
}

// declare PATH [attribute=value…]
func scriptDeclare(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) > 0, "declare PATH [attribute=value…]")
	s, _ := script(ts)
	p := testPolicy()
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		var err error
		switch name {
		case "mode":
			p.Mode = layout.Mode(value)
		case "permits":
			p.Permits, err = strconv.Atoi(value)
		case "max_waiters":
			p.MaxWaiters, err = strconv.Atoi(value)
		case "rank":
			var n int
			n, err = strconv.Atoi(value)
			p.Rank = &n
		case "revocable":
			p.Revocable = value == "true"
		case "on_lost":
			p.OnLost = layout.OnLost(value)
		case "wait_timeout":
			p.WaitTimeout, err = layout.ParseLimit(value)
		case "max_hold":
			p.MaxHold, err = layout.ParseLimit(value)
		case "session_timeout":
			p.SessionTimeout, err = layout.ParseDuration(value)
		case "kill_timeout":
			p.KillTimeout, err = layout.ParseDuration(value)
		default:
			ts.Fatalf("declare does not know %q", name)
		}
		ts.Check(err)
	}
	ts.Check(declareLock(s, zkfs.Path(args[0]), p))
}

// znode PATH [DATA]
func scriptZnode(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 1 || len(args) == 2, "znode PATH [DATA]")
	s, _ := script(ts)
	ts.Check(makeZnode(s, zkfs.Path(args[0]), []byte(strings.Join(args[1:], ""))))
}

// remove PATH deletes what is below a lock.
func scriptRemove(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 1, "remove PATH")
	s, ctx := script(ts)
	names, _, err := s.Children(ctx, zkfs.Path(args[0]))
	ts.Check(err)
	for _, name := range names {
		ts.Check(s.Delete(ctx, zkfs.Path(args[0]).Join(name), zkfs.AnyVersion))
	}
}

// revoke PATH WORD asks whoever holds a lock to give it up.
func scriptRevoke(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 2, "revoke PATH WORD")
	s, ctx := script(ts)
	all, err := lock.ReadQueues(ctx, s, []zkfs.Path{zkfs.Path(args[0])}, nil)
	ts.Check(err)
	for _, c := range all[0].Holders() {
		_, err := s.Set(ctx, c.Node, []byte(args[1]), zkfs.AnyVersion)
		ts.Check(err)
	}
}

// contenders PATH N waits until there are N.
func scriptContenders(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 2, "contenders PATH N")
	s, ctx := script(ts)
	ts.Check(eventually(func() error {
		names, _, err := s.Children(ctx, zkfs.Path(args[0]))
		if err == nil && strconv.Itoa(len(names)) != args[1] {
			err = fmt.Errorf("%s has the contenders %q, not %s", args[0], names, args[1])
		}
		return err
	}))
}

// exits CODE COMMAND [ARG…]
func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) > 1, "exits CODE COMMAND [ARG…]")
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}

// within DURATION CODE COMMAND [ARG…]
func scriptWithin(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) > 2, "within DURATION CODE COMMAND [ARG…]")
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	began := time.Now()
	scriptExits(ts, false, args[1:])
	if took := time.Since(began); took > limit {
		ts.Fatalf("took %s, more than %s", took, limit)
	}
}

// waitfile FILE waits until a file has a line.
func scriptWaitFile(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 1, "waitfile FILE")
	ts.Check(eventually(func() error {
		data, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && !strings.HasSuffix(string(data), "\n") {
			err = fmt.Errorf("%s has no line", args[0])
		}
		return err
	}))
}

func pidIn(ts *testscript.TestScript, file string) int {
	pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
	ts.Check(err)
	return pid
}

// ended FILE… waits until the processes, whose pids are in the files, are dead.
// "! ended FILE…" checks that they live.
func scriptEnded(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		pid := pidIn(ts, file)
		if neg {
			if !alive(pid) {
				ts.Fatalf("process %d of %s is dead", pid, file)
			}
			continue
		}
		ts.Check(eventually(func() error {
			if alive(pid) {
				return fmt.Errorf("process %d of %s still lives", pid, file)
			}
			return nil
		}))
	}
}

// alive reports whether a process can run code.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	state := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[0]
	return state != "Z" && state != "X"
}

// signal NAME FILE
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 2, "signal NAME FILE")
	ts.Check(unix.Kill(pidIn(ts, args[1]), unix.SignalNum("SIG"+args[0])))
}

// cut breaks the connections through the proxy and lets no other through.
func scriptCut(ts *testscript.TestScript, neg bool, args []string) {
	usageOf(ts, neg, len(args) == 0, "cut")
	ts.Value("proxy").(*proxy).mute()
}

// agentCommand returns a command that is lockform-agent.
func agentCommand(servers string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"lockform-agent"}, args...)
	cmd.Env = append(os.Environ(), "LOCKFORM_SERVERS="+servers)
	return cmd
}

// A proxy passes TCP connections on to a server, until it is muted: then what
// is connected stays so, and nothing passes.
type proxy struct {
	net.Listener
	to    string
	muted chan struct{}
}

func listenProxy(to string) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{l, to, make(chan struct{})}
	go p.serve()
	return p, nil
}

func (p *proxy) addr() string { return p.Listener.Addr().String() }
func (p *proxy) close()       { p.Listener.Close() }
func (p *proxy) mute()        { close(p.muted) }

func (p *proxy) serve() {
	for {
		client, err := p.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			client.Close()
			continue
		}
		go p.pass(client, server)
		go p.pass(server, client)
	}
}

func (p *proxy) pass(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-p.muted:
			continue
		default:
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func fileIn(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }

// listenMute returns the address of a server that accepts and never answers.
func listenMute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String() // the system accepts for whoever listens
}
