package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"
)

// release is the version of this program. The build sets another with
// -ldflags "-X main.release=…".
var release = "0.1.0"

func (a *app) version() *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Flags:       []cli.Flag{boolFlag("json", "print JSON", &asJSON)},
		Description: "Examples:\n  lockform-agent version\n  lockform-agent version -json",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := a.noArgs(cmd); err != nil {
				return err
			}
			v := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit,omitempty"`
				Platform string `json:"platform"`
				Go       string `json:"go"`
			}{release, commit(), runtime.GOOS + "_" + runtime.GOARCH, runtime.Version()}
			if asJSON {
				e := json.NewEncoder(a.out)
				e.SetIndent("", "  ")
				return e.Encode(v)
			}
			_, err := fmt.Fprintf(a.out, "lockform-agent v%s\non %s, %s\n", v.Version, v.Platform, v.Go)
			return err
		},
	}
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
