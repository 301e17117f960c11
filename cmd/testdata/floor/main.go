// Command floor does the least that a program can do to run a command under a
// lock: it opens a session at the server that is its first argument, makes a
// contender below the second, runs the rest, and closes the session. It knows no
// policy, sees nobody else, and nothing protects the command.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/go-zookeeper/zk"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(server, path string, command []string) error {
	c, _, err := zk.Connect([]string{server}, 15*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Create(path+"/floor-", nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}
