// Package cmdline is what the command lines of both programs have in common:
// flags, usage errors, help, version and completion, over urfave/cli.
package cmdline
