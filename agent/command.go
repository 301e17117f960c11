package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A program is what is executed: a file and its arguments, argv[0] included.
type program struct {
	file string
	argv []string
}

// shell is the interpreter of -shell and of hooks.
const shell = "/bin/sh"

// shellProgram runs a line of shell; further arguments are its $1, $2 and so on.
func shellProgram(line string, args ...string) program {
	return program{shell, append([]string{"sh", "-c", line, "sh"}, args...)}
}

// findProgram looks the command up as execvp does: a name with a slash is a
// path, another is looked for in the directories of path. argv stays as it is.
// The error is ErrNotFound or ErrNotExecutable, wrapped.
func findProgram(argv []string, path string) (program, error) {
	name := argv[0]
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return program{}, unusable(name, err)
		}
		return program{name, argv}, nil
	}
	var denied error
	if name != "" {
		for _, dir := range filepath.SplitList(path) {
			if dir == "" {
				dir = "." // as POSIX has it
			}
			file := dir + "/" + name
			switch err := executable(file); {
			case err == nil:
				return program{file, argv}, nil
			case denied == nil && !missing(err):
				denied = unusable(file, err)
			}
		}
	}
	if denied != nil {
		return program{}, denied
	}
	return program{}, fmt.Errorf("the command %q %w: no directory of PATH has it", name, ErrNotFound)
}

// executable asks whether this process may execute the file.
func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return unix.EISDIR
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}

func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}

// unusable words why a file cannot be executed, before or when it is.
func unusable(file string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if missing(err) {
		return fmt.Errorf("the command %q %w: %w", file, ErrNotFound, err)
	}
	if errors.Is(err, unix.ENOEXEC) {
		return fmt.Errorf("the command %q %w: it is neither a program nor a script that begins with #!; -shell runs a line of shell", file, ErrNotExecutable)
	}
	return fmt.Errorf("the command %q %w: %w", file, ErrNotExecutable, err)
}

// startError words why a program that was found could not be started.
func startError(p program, err error) error {
	switch {
	case errors.Is(err, unix.E2BIG):
		return fmt.Errorf("the command %q %w: its arguments and environment are too long", p.file, ErrNotExecutable)
	case missing(err) && executable(p.file) == nil:
		return fmt.Errorf("the command %q %w: the interpreter that it names does not exist", p.file, ErrNotExecutable)
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("start the command %q: %w", p.file, err)
	}
	return unusable(p.file, err)
}
