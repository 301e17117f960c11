package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/lockform/internal/term"
)

// TestEveryFlagHasAScenario checks that each command occurs in a script, each of
// its flags, and each of the documented exit codes.
func TestEveryFlagHasAScenario(t *testing.T) {
	root := (&app{Streams: &term.Streams{}}).root()
	used := map[string]bool{} // "plan", "plan -out", "exit 2"
	var files []string
	for _, pattern := range []string{"testdata/script/*.txtar", "testdata/script/server/*.txtar"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(text), "\n-- ")
		for line := range strings.Lines(script) {
			if code, ok := strings.CutPrefix(line, "exitcode "); ok {
				used["exit "+code[:1]] = true
			}
			if name, code, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name == "finished" {
				used["exit "+code[len(code)-1:]] = true
			}
			if _, args, ok := strings.Cut(line, "lockform "); ok && !strings.HasPrefix(line, "#") {
				note(root, used, strings.Fields(args))
			}
		}
	}
	var check func(cmd *cli.Command, name string)
	check = func(cmd *cli.Command, name string) {
		if name != "" && !used[name] {
			t.Errorf("no script runs lockform %s", name)
		}
		for _, f := range cmd.Flags {
			flag := strings.TrimSpace(name + " -" + f.Names()[0])
			if f.Names()[0] != "help" && !used[flag] {
				t.Errorf("no script runs lockform %s", flag)
			}
		}
		for _, sub := range cmd.Commands {
			check(sub, strings.TrimSpace(name+" "+sub.Name))
		}
	}
	check(root, "")
	for code := codeError; code <= codeUnknown; code++ {
		if name := "exit " + string(rune('0'+code)); !used[name] {
			t.Errorf("no script ends with %s", name)
		}
	}
}

// note notes the command and the flags of one command line.
func note(root *cli.Command, used map[string]bool, args []string) {
	name, cmd := "", root
	for _, arg := range args {
		arg = strings.Trim(arg, `'"`)
		if flag, ok := strings.CutPrefix(arg, "-"); ok {
			flag, _, _ = strings.Cut(strings.TrimPrefix(flag, "-"), "=")
			used[strings.TrimSpace(name+" -"+flag)] = true
			continue
		}
		if sub := cmd.Command(arg); sub != nil {
			name, cmd = strings.TrimSpace(name+" "+arg), sub
			used[name] = true
		}
	}
}
