package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lockform/lockform/zkfs/zkdev/zktest"
)

var update = flag.Bool("update", false, "rewrite the golden files inside the scripts")

func TestMain(m *testing.M) {
	testscript.Main(zktest.Runner{M: m}, map[string]func(){"lockform": main})
}

// TestScripts runs the scripts that need no server of their own.
func TestScripts(t *testing.T) {
	testscript.Run(t, params("testdata/script", setup))
}

// TestServerScripts runs each script on the embedded and on the real server.
// $SERVERS is the connect string of an empty tree.
func TestServerScripts(t *testing.T) {
	for _, kind := range zktest.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			p := params("testdata/script/server", func(env *testscript.Env) error {
				e := zktest.New(env.T().(testing.TB), kind)
				env.Values[envKey{}] = e
				env.Setenv("SERVERS", e.Servers)
				env.Setenv("LOCKFORM_SERVERS", e.Servers)
				env.Setenv("ADDR", e.Addr)
				return setup(env)
			})
			// Both kinds must give the same output: the embedded one writes it.
			p.UpdateScripts = p.UpdateScripts && kind == zktest.Kinds()[0]
			testscript.Run(t, p)
		})
	}
}

type envKey struct{}

func params(dir string, setup func(*testscript.Env) error) testscript.Params {
	return testscript.Params{
		Dir: dir, Setup: setup, UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exitcode":   exitcode,
			"eventually": eventually,
			"scrub":      scrub,
			"schema":     schemaVerb,
			"server":     server,
			"proxy":      proxyVerb,
			"zk":         zkVerb,
			"quickstart": quickstart,
			"background": background,
			"interrupt":  interrupt,
			"finished":   finished,
			"servers":    servers,
			"awaits":     awaits,
		},
	}
}

func setup(env *testscript.Env) error {
	env.Values[testKey{}] = env.T().(testing.TB)
	env.Values[proxyKey{}] = map[string]*proxy{}
	jobs := map[string]*job{}
	env.Values[jobsKey{}] = jobs
	env.Defer(func() {
		for _, j := range jobs {
			_ = j.cmd.Process.Kill()
			_ = j.cmd.Wait()
		}
	})
	env.Values[connKey{}] = &[]*zk.Conn{}
	quick, err := filepath.Abs("../../examples/quickstart")
	if err != nil {
		return err
	}
	env.Setenv("QUICKSTART", quick)
	schemas, err := filepath.Abs("../../docs/schema")
	if err != nil {
		return err
	}
	env.Setenv("SCHEMAS", schemas)
	env.Setenv("LOCKFORM_AUTH", "digest:planner:s3cr3t-of-the-planner")
	env.Setenv("TERM", "xterm")
	// With the race detector a process sleeps for a second at its end, which
	// hundreds of short ones do not need.
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return nil
}

// exitcode N COMMAND… runs a command that must end with N.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, start := 0, time.Now()
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code: got %d, want %d", got, want)
	}
	if d := time.Since(start); d > time.Minute {
		ts.Fatalf("it took %s", d)
	}
}

// eventually PATTERN COMMAND… runs a command until what it prints matches.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND [ARG…]")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := ts.Exec(args[1], args[2:]...)
		if err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q within 20s (last error: %v)", args[0], err)
		}
	}
}

// scrubbed are the parts of outputs that differ from run to run.
var scrubbed = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`by \S+@\S+ at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`), "by USER@HOST at TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "GUID"},
	{regexp.MustCompile(`sha256:[0-9a-f]{8,64}`), "sha256:DIGEST"},
	{regexp.MustCompile(`session 0x[0-9a-f]+`), "session SESSION"},
	{regexp.MustCompile(`"session": *"0x[0-9a-f]+"`), `"session":"SESSION"`},
	{regexp.MustCompile(`"(token|czxid|mzxid|zxid)": *\d+`), `"$1":ZXID`},
	{regexp.MustCompile(`"elapsed_seconds": *[\d.e-]+`), `"elapsed_seconds":ELAPSED`},
	{regexp.MustCompile(`"bytes": *\d+`), `"bytes":BYTES`},
	{regexp.MustCompile(`\bTIME \([^)]*\)`), "TIME (AGE)"},
	{regexp.MustCompile(`\b\d{13,19}\b`), "ZXID"},
	{regexp.MustCompile(`token \d+`), "token ZXID"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "ADDR"},
	{regexp.MustCompile(`ADDR/t\d+-\d+`), "ADDR/CHROOT"},
	{regexp.MustCompile(`/t\d+-\d+\b`), "/CHROOT"},
	{regexp.MustCompile(`[\w.-]+@[\w.-]+:\d+`), "USER@HOST:PID"},
	{regexp.MustCompile(`(\r\x1b\[K[^\r\n\x1b]*)+\r\x1b\[K`), ""}, // what took long
	{regexp.MustCompile(`\r\n`), "\n"},                            // of a terminal
	{regexp.MustCompile(` +\n`), "\n"},
}

// A contenderRow is a line of the table that "locks" prints.
var (
	contenderRow = regexp.MustCompile(`(?m)^  (STATE|holds|waits) .*$`)
	wide         = regexp.MustCompile(` {2,}`)
)

// scrub FILE TO writes FILE (stdout and stderr too) with what differs from run
// to run replaced, for cmp.
func scrub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: scrub FILE TO")
	}
	text := ts.ReadFile(args[0])
	for _, s := range scrubbed {
		text = s.pattern.ReplaceAllString(text, s.with)
	}
	text = contenderRow.ReplaceAllStringFunc(text, func(row string) string {
		cells := wide.Split(row, -1) // the width of a column is that of what was replaced
		if len(cells) == 10 && cells[7] != "TOKEN" {
			cells[7] = "ZXID"
		}
		return strings.Join(cells, "  ")
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// quickstart DIR copies the layout of examples/quickstart.
func quickstart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: quickstart DIR")
	}
	ts.Check(os.MkdirAll(ts.MkAbs(args[0]), 0o700))
	files, err := filepath.Glob(filepath.Join(ts.Getenv("QUICKSTART"), "*.hcl"))
	ts.Check(err)
	if len(files) < 3 {
		ts.Fatalf("%d files in %s", len(files), ts.Getenv("QUICKSTART"))
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), filepath.Base(f)), data, 0o600))
	}
}

// A job is a command that was started with "background".
type job struct {
	cmd      *exec.Cmd
	out, err printed
}

// printed is what a job has printed so far.
type printed struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

type jobsKey struct{}

// background NAME COMMAND… starts a command. What is in its environment are the
// variables that the test knows of.
func background(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: background NAME COMMAND [ARG…]")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	j := &job{cmd: exec.Command(path, args[2:]...)}
	j.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "GORACE", "LOCKFORM_SERVERS", "LOCKFORM_AUTH"} {
		j.cmd.Env = append(j.cmd.Env, name+"="+ts.Getenv(name))
	}
	j.cmd.Stdout, j.cmd.Stderr = &j.out, &j.err
	ts.Check(j.cmd.Start())
	ts.Value(jobsKey{}).(map[string]*job)[args[0]] = j
}

// interrupt NAME sends SIGINT, as ^C does, and waits until the job says that it
// has seen it. It says so once.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	j := ts.Value(jobsKey{}).(map[string]*job)[args[0]]
	ts.Check(j.cmd.Process.Signal(os.Interrupt))
	j.await(ts, "Interrupt received")
}

// awaits NAME TEXT waits until a job has printed the text.
func awaits(ts *testscript.TestScript, neg bool, args []string) {
	ts.Value(jobsKey{}).(map[string]*job)[args[0]].await(ts, args[1])
}

func (j *job) await(ts *testscript.TestScript, text string) {
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(j.out.String()+j.err.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("it did not print %q within 20s but:\n%s%s", text, j.out.String(), j.err.String())
		}
	}
}

// finished NAME N waits for the end of a job, which must have the exit code N.
// What it printed becomes the output of this verb.
func finished(ts *testscript.TestScript, neg bool, args []string) {
	jobs := ts.Value(jobsKey{}).(map[string]*job)
	j := jobs[args[0]]
	delete(jobs, args[0])
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	limit := time.AfterFunc(30*time.Second, func() { _ = j.cmd.Process.Kill() })
	defer limit.Stop()
	_ = j.cmd.Wait()
	fmt.Fprint(ts.Stdout(), j.out.String())
	fmt.Fprint(ts.Stderr(), j.err.String())
	if got := j.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit code of %s: got %d, want %d", args[0], got, want)
	}
}
