package main

import (
	"os"
	"regexp"

	"github.com/rogpeppe/go-internal/testscript"
)

// serverRow is a row of the table that "doctor" prints: what it tells of a
// server differs between servers and runs.
var serverRow = regexp.MustCompile(`(?m)^  (ADDR|SERVER) +(\S+) .*$`)

// servers FILE replaces in the output of "doctor" what is different on another
// server of the same health.
func servers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: servers FILE")
	}
	text := serverRow.ReplaceAllString(ts.ReadFile(args[0]), "  $1 $2 …")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
