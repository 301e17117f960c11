package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lockform/lockform/zkfs/layout"
)

func TestFindProgram(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"a/tool": 0o755, "b/tool": 0o755, "a/plain": 0o644, "b/both": 0o755, "a/both": 0o644} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "a/folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := dir + "/none:" + dir + "/a:" + dir + "/b"
	for _, tt := range []struct {
		name, command, path, want string
		err                       error
	}{
		{"TheFirstDirectoryThatHasIt", "tool", path, "/a/tool", nil},
		{"OneThatCannotBeExecutedIsPassedOver", "both", path, "/b/both", nil},
		{"NotExecutableAnywhere", "plain", path, "", ErrNotExecutable},
		{"ADirectory", "folder", path, "", ErrNotExecutable},
		{"Nowhere", "missing", path, "", ErrNotFound},
		{"TheEmptyName", "", path, "", ErrNotFound},
		{"NoPath", "tool", "", "", ErrNotFound},
		{"WithASlash", dir + "/b/tool", "", "/b/tool", nil},
		{"WithASlashMissing", dir + "/b/missing", path, "", ErrNotFound},
		{"WithASlashNotExecutable", dir + "/a/plain", path, "", ErrNotExecutable},
		{"BelowAFile", dir + "/a/tool/x", path, "", ErrNotFound},
		{"TheDirectoryItself", dir + "/a", path, "", ErrNotExecutable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			argv := []string{tt.command, "arg"}
			p, err := findProgram(argv, tt.path)
			if !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("got %v, want %v", err, tt.err)
			}
			if err == nil && (strings.TrimPrefix(p.file, dir) != tt.want || !slices.Equal(p.argv, argv)) {
				t.Errorf("got %s %q, want %s %q", p.file, p.argv, tt.want, argv)
			}
		})
	}
}

func TestTheShellGetsItsArguments(t *testing.T) {
	got := shellProgram("echo $1", "a b", "")
	if want := []string{"sh", "-c", "echo $1", "sh", "a b", ""}; got.file != "/bin/sh" || !slices.Equal(got.argv, want) {
		t.Errorf("got %s %q, want %q", got.file, got.argv, want)
	}
}

func TestEnvironmentKeepsWhatIsNotOurs(t *testing.T) {
	base := []string{"A=1", "LOCKFORM_PATH=old", "A=2", "LOCKFORM_PATHS=x", "odd", "=weird", "LOCKFORM_SOCKET=/s", "B=\xff\n"}
	got := environ(base, taken{outer: "[1]", grants: []grant{
		{path: "/a", node: "/a/n1", mode: "shared", owner: "me", token: 5, session: -1},
		{path: "/b", node: "/b/n2", mode: "exclusive", owner: "me", token: 6, session: -1},
	}})
	want := []string{"A=1", "A=2", "LOCKFORM_PATHS=x", "odd", "=weird", "LOCKFORM_SOCKET=/s", "B=\xff\n",
		"LOCKFORM_PATH=/a\n/b", "LOCKFORM_MODE=shared\nexclusive", "LOCKFORM_TOKEN=5\n6", "LOCKFORM_NODE=/a/n1\n/b/n2",
		"LOCKFORM_SESSION=0xffffffffffffffff", "LOCKFORM_OWNER=me", "LOCKFORM_HELD=[1]"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestTheStricterEndOfALossCounts(t *testing.T) {
	for _, tt := range []struct{ policy, other, asked, want layout.OnLost }{
		{"terminate", "terminate", "", "terminate"},
		{"terminate", "kill", "", "kill"},
		{"ignore", "signal:USR1", "", "signal:USR1"},
		{"ignore", "ignore", "", "ignore"},
		{"ignore", "ignore", "kill", "kill"},
		{"terminate", "terminate", "ignore", "terminate"},
		{"terminate", "terminate", "signal:INT", "signal:INT"},
		{"kill", "kill", "signal:INT", "kill"},
	} {
		a, b := layout.DefaultPolicy(), layout.DefaultPolicy()
		a.OnLost, b.OnLost = tt.policy, tt.other
		held := taken{grants: []grant{{lease: &fakeLease{f: &fakeLocker{policy: a}}}, {lease: &fakeLease{f: &fakeLocker{policy: b}}}}}
		if got := held.onLost(tt.asked); got != tt.want {
			t.Errorf("%s and %s, asked %q: got %s, want %s", tt.policy, tt.other, tt.asked, got, tt.want)
		}
	}
}

func TestSignalsThatAreForwarded(t *testing.T) {
	all := slices.Concat(ending, stopping, idle())
	for n := unix.Signal(1); n <= last; n++ {
		never := slices.Contains([]unix.Signal{unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPIPE}, n)
		count := 0
		for _, s := range all {
			if s == n {
				count++
			}
		}
		if want := map[bool]int{true: 0, false: 1}[never]; count != want {
			t.Errorf("signal %d is caught %d times, want %d", n, count, want)
		}
	}
}
