package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/zkfs"
)

func (a *app) version() *cli.Command {
	var asJSON bool
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Flags:       []cli.Flag{boolFlag("json", "print JSON", &asJSON)},
		Description: "Examples:\n  lockform version\n  lockform version -json",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if err := noArgs(cmd); err != nil {
				return err
			}
			return a.showVersion(asJSON)
		},
	}
}

func (a *app) showVersion(asJSON bool) error {
	v := struct {
		Version  string `json:"version"`
		Commit   string `json:"commit,omitempty"`
		Platform string `json:"platform"`
		Go       string `json:"go"`
	}{zkfs.Version(), commit(), runtime.GOOS + "_" + runtime.GOARCH, runtime.Version()}
	if asJSON {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	_, err := fmt.Fprintf(a.Out, "lockform v%s\non %s, %s\n", v.Version, v.Platform, v.Go)
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
