package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/cmd/internal/cmdline"
	"github.com/lockform/lockform/hcl"
)

type formatter struct {
	*app
	check, diff, write, recursive bool
	changed                       bool
}

func (a *app) format() *cli.Command {
	f := formatter{app: a, write: true}
	return &cli.Command{
		Name: "fmt", Usage: "rewrite files in the canonical style", ArgsUsage: "[DIR|FILE|-]…",
		Description: `Formats the *.hcl files of a directory (the working directory when none is
given), files, or standard input with "-". The names of files that change are
printed. JSON files have no canonical style and are left alone.

Examples:
  lockform fmt
  lockform fmt -check -recursive        # exit code 3 when something would change
  lockform fmt -diff -write=false locks.hcl
  lockform fmt - <locks.hcl`,
		Flags: []cli.Flag{
			cmdline.Bool("check", "change nothing; exit with 3 when something would change", &f.check),
			cmdline.Bool("diff", "print the differences", &f.diff),
			cmdline.Bool("write", "write the files (default true)", &f.write),
			cmdline.Bool("recursive", "go into subdirectories too", &f.recursive),
		},
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args := cmd.Args().Slice()
			if len(args) == 0 {
				args = []string{"."}
			}
			if slices.Contains(args, "-") && len(args) > 1 {
				return cmdline.Usage(cmd, `"-" goes with no other argument`)
			}
			return f.run(ctx, args)
		},
	}
}

func (f *formatter) run(ctx context.Context, args []string) error {
	failed := false
	for _, arg := range args {
		err := f.path(ctx, arg)
		if errors.Is(err, errReported) {
			failed = true // go on: all faults of a run are reported
		} else if err != nil {
			return err
		}
	}
	switch {
	case failed:
		return errReported
	case f.check && f.changed:
		return errUnformatted
	}
	return nil
}

// path formats what an argument names.
func (f *formatter) path(ctx context.Context, arg string) error {
	if arg == "-" {
		src, err := io.ReadAll(f.In)
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		return f.source(ctx, "<stdin>", src, "")
	}
	info, err := os.Stat(arg)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		if !strings.HasSuffix(arg, ".hcl") {
			return &fault{summary: fmt.Sprintf("%s is not a file that fmt formats", arg), detail: "It formats files that end in .hcl."}
		}
		return f.file(ctx, arg)
	}
	files, err := f.files(arg)
	if err != nil {
		return err
	}
	var failed error
	for _, file := range files {
		if err := f.file(ctx, file); errors.Is(err, errReported) {
			failed = err
		} else if err != nil {
			return err
		}
	}
	return failed
}

// files lists the *.hcl files of a directory in order, without hidden ones.
func (f *formatter) files(dir string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(d.Name(), ".") && path != dir; {
		case err != nil:
			return err
		case d.IsDir() && path != dir && (hidden || !f.recursive):
			return fs.SkipDir
		case !d.IsDir() && !hidden && strings.HasSuffix(path, ".hcl"):
			files = append(files, path)
		}
		return nil
	})
	return files, err
}

func (f *formatter) file(ctx context.Context, path string) error {
	src, err := readFile(path, 64<<20)
	if err != nil {
		return err
	}
	return f.source(ctx, path, src, path)
}

// source formats one source; path is where it goes, "" for standard output.
func (f *formatter) source(ctx context.Context, name string, src []byte, path string) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	out, diags := hcl.Format(src, name)
	if err := f.diagnose(ctx, diags, true); err != nil {
		return err
	}
	same := bytes.Equal(src, out)
	f.changed = f.changed || !same
	if path == "" && !f.check && !f.diff {
		_, err := f.Out.Write(out)
		return err
	}
	if same {
		return nil
	}
	if path != "" {
		if f.write && !f.check {
			if err := rewriteFile(path, out); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(f.Out, path); err != nil {
			return err
		}
	}
	if f.diff {
		_, err := f.Out.Write(diff.Diff("old/"+name, src, "new/"+name, out))
		return err
	}
	return nil
}
