// Package who tells who runs a command, on which host, and from which state of
// the configuration's repository, for the ledger and the history.
package who

import (
	"context"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"time"
)

// gitLimit is how long git may take; the answer is an ornament.
const gitLimit = 2 * time.Second

// User returns the name of the user, and the numeric id where it has none.
func User() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// Host returns the name of the host, "" when it has none.
func Host() string {
	name, err := os.Hostname()
	if err != nil {
		return ""
	}
	return name
}

// Commit returns the git commit that the directory's working tree is at, with
// "-dirty" when files below dir differ from it. Of those that git does not track
// only configuration counts: a saved plan is none. It is "" where there is no
// repository or no git.
func Commit(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, gitLimit)
	defer cancel()
	head, ok := git(ctx, dir, "rev-parse", "--verify", "--quiet", "HEAD")
	if !ok || head == "" {
		return ""
	}
	changed, _ := git(ctx, dir, "status", "--porcelain", "--untracked-files=no", "--", ".")
	added, _ := git(ctx, dir, "ls-files", "--others", "--exclude-standard", "--", "*.hcl", "*.json")
	if changed != "" || added != "" {
		head += "-dirty"
	}
	return head
}

func git(ctx context.Context, dir string, args ...string) (string, bool) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	// Looking must not change anything: status would refresh the index.
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0")
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err == nil
}
