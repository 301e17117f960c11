package agent

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lockform/lockform/agent/lock"
)

// The environment variables that tell a command of its locks. With several
// locks the first four have one line for each.
const (
	varPath    = "LOCKFORM_PATH"
	varMode    = "LOCKFORM_MODE"
	varToken   = "LOCKFORM_TOKEN"
	varNode    = "LOCKFORM_NODE"
	varSession = "LOCKFORM_SESSION"
	varOwner   = "LOCKFORM_OWNER"
	varHeld    = lock.OuterVariable
)

// environ returns base with what is known of the holds. Everything else in it
// stays as it is, byte for byte and in its order.
func environ(base []string, t taken) []string {
	column := func(value func(grant) string) string {
		lines := make([]string, len(t.grants))
		for i, g := range t.grants {
			lines[i] = value(g)
		}
		return strings.Join(lines, "\n")
	}
	first := t.grants[0]
	ours := []struct{ name, value string }{
		{varPath, column(func(g grant) string { return string(g.path) })},
		{varMode, column(func(g grant) string { return g.mode })},
		{varToken, column(func(g grant) string { return strconv.FormatInt(g.token, 10) })},
		{varNode, column(func(g grant) string { return string(g.node) })},
		{varSession, fmt.Sprintf("0x%x", uint64(first.session))},
		{varOwner, first.owner},
		{varHeld, t.outer},
	}
	env := make([]string, 0, len(base)+len(ours))
next:
	for _, entry := range base {
		for _, v := range ours {
			if rest, ok := strings.CutPrefix(entry, v.name); ok && strings.HasPrefix(rest, "=") {
				continue next
			}
		}
		env = append(env, entry)
	}
	for _, v := range ours {
		env = append(env, v.name+"="+v.value)
	}
	return env
}

// lookup returns the first value of a variable, which is the one that counts.
func lookup(env []string, name string) string {
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
