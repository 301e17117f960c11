package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/agent/lock"
	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/zkfs/layout"
)

// taking holds the flags that say how a lock is taken.
type taking struct {
	options     *lock.Options
	notAcquired **int
	mode        string
	read, write bool
}

func (t *taking) flags() []cli.Flag {
	return []cli.Flag{
		oneOf("mode", "the kind of hold, for read_write locks", &t.mode, "exclusive", "shared"),
		cmdline.Bool("read", "short for -mode=shared", &t.read),
		cmdline.Bool("write", "short for -mode=exclusive", &t.write),
		cmdline.Func("wait", "DUR", "wait no longer than this; 0 tries once; default the policy's wait_timeout", func(s string) error {
			d, err := parseWait(s)
			t.options.Wait = &d
			return err
		}),
		cmdline.String("owner", "NAME", "who takes the lock; default user@host:pid", &t.options.Owner),
		cmdline.Func("E", "CODE", "exit code when the lock was not acquired, in place of 124", func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil || n < 0 || n > 255 {
				return fmt.Errorf("it is a number from 0 to 255")
			}
			*t.notAcquired = &n
			return nil
		}),
		cmdline.Bool("undeclared", "take a lock without a policy, by the defaults; the znode must exist", &t.options.Undeclared),
		cmdline.Bool("allow-foreign", "go on when a client in the queue cannot see this lock's contenders", &t.options.AllowForeign),
	}
}

// check is called when the flags are known.
func (t *taking) check(cmd *cli.Command) error {
	if t.read && (t.write || t.mode == "exclusive") || t.write && t.mode == "shared" {
		return cmdline.Usage(cmd, "-mode, -read and -write contradict each other")
	}
	if strings.ContainsFunc(t.options.Owner, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return cmdline.Usage(cmd, "-owner=%q cannot be shown as it is; use a name that can be printed", t.options.Owner)
	}
	t.options.Shared = t.read || t.mode == "shared"
	return nil
}

// parseWait reads a duration, "0", or "none" for no limit but the policy's.
func parseWait(s string) (time.Duration, error) {
	switch s {
	case "none":
		return 1<<63 - 1, nil
	case "0":
		return 0, nil
	}
	return layout.ParseDuration(s)
}
