package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/lockform/internal/term"

	"github.com/lockform/lockform/cmd/internal/cmdline"
)

// TestEveryCommandHasHelp checks that every command says what it does, has
// examples, and that each of its flags is explained.
func TestEveryCommandHasHelp(t *testing.T) {
	root := (&app{Streams: &term.Streams{}}).root()
	seen := 0
	var check func(cmd *cli.Command, line string)
	check = func(cmd *cli.Command, line string) {
		seen++
		if cmd.Usage == "" {
			t.Errorf("%s does not say what it does", line)
		}
		_, examples, ok := strings.Cut(cmd.Description, "Examples:\n")
		if !ok || !strings.Contains(examples, "  lockform") && !strings.Contains(examples, "lockform completion") {
			t.Errorf("%s has no examples", line)
		}
		for _, row := range cmdline.FlagRows(cmd.Flags) {
			if row[1] == "" {
				t.Errorf("%s: the flag %s is not explained", line, row[0])
			}
		}
		for _, sub := range cmd.Commands {
			check(sub, line+" "+sub.Name)
		}
	}
	for _, cmd := range root.Commands {
		check(cmd, "lockform "+cmd.Name)
	}
	if seen < 12 {
		t.Errorf("only %d commands were seen", seen)
	}
}

// TestHelpFitsATerminal checks that no line of any help is longer than 120
// characters.
func TestHelpFitsATerminal(t *testing.T) {
	root := (&app{Streams: &term.Streams{}}).root()
	for _, cmd := range append(root.Commands, root) {
		var b bytes.Buffer
		cmdline.PrintHelp(&b, "", cmd)
		for line := range strings.Lines(b.String()) {
			if len(line) > 121 {
				t.Errorf("%s: %q", cmd.Name, line)
			}
		}
	}
}
