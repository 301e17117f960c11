package cmdline

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/zkfs"
)

// Version returns the command that prints the version to w.
func Version(program string, w io.Writer) *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Flags:       []cli.Flag{Bool("json", "print JSON", &asJSON)},
		Description: "Examples:\n  " + program + " version\n  " + program + " version -json",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := NoArgs(cmd); err != nil {
				return err
			}
			return ShowVersion(w, program, asJSON)
		},
	}
}

// ShowVersion writes the version of a program.
func ShowVersion(w io.Writer, program string, asJSON bool) error {
	v := struct {
		Version  string `json:"version"`
		Commit   string `json:"commit,omitempty"`
		Platform string `json:"platform"`
		Go       string `json:"go"`
	}{zkfs.Version(), commit(), runtime.GOOS + "_" + runtime.GOARCH, runtime.Version()}
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	_, err := fmt.Fprintf(w, "%s v%s\non %s, %s\n", program, v.Version, v.Platform, v.Go)
	return err
}

// commit returns the git commit that the program was built from, and "" when
// the build does not say.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
