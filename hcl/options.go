package hcl

import (
	"fmt"
	"strings"

	"github.com/lockform/lockform/zkfs/layout"
)

// Options say where the values of variables come from, and what overrides the
// configuration. The zero Options take nothing but the directory's own files.
type Options struct {
	// Vars are the -var and -var-file flags in the order given; later wins.
	Vars []Assignment
	// Environ is the environment as os.Environ returns it: LOCKFORM_VAR_<name>
	// gives values to variables, LOCKFORM_SERVERS and LOCKFORM_AUTH describe
	// the ensemble where none is declared, and the function env reads it. Nil
	// is an empty environment.
	Environ []string
	// Ask is called for each variable that has no value, in the order of
	// their names. Nil makes a missing value an error. The answer is read
	// like the value of a -var flag.
	Ask func(name, description string, sensitive bool) (string, error)
	// Validate leaves variables without a value unknown: types are checked,
	// and what depends on them is skipped. Ask is not called.
	Validate bool
	// Ensembles are the -servers and -ensemble flags; later wins.
	Ensembles []Override
	// Undeclared is called for each import block whose target is not declared,
	// so that a block can be made for it. Nil makes it an error.
	Undeclared func(layout.Import)
	// Version is that of the program, for required_version; "" or one that is
	// no version (such as "dev") satisfies every constraint.
	Version string
}

// An Assignment is one -var or -var-file flag. File is used when it is not
// empty.
type Assignment struct {
	Name, Value string
	File        string // a path as the user gave it, relative to the working directory
}

// ParseVar reads the argument of -var, "NAME=VALUE".
func ParseVar(arg string) (Assignment, error) {
	name, value, ok := strings.Cut(arg, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		// The argument may hold a secret: it is not repeated.
		return Assignment{}, fmt.Errorf("-var needs NAME=VALUE, such as -var env=prod")
	}
	return Assignment{Name: name, Value: value}, nil
}

// An Override replaces the servers of an ensemble. A chroot in the connect
// string replaces the declared one, without one the declared stays, and "/"
// means none.
type Override struct {
	Name    string // of the ensemble; "" for the only one (-servers)
	Servers string // "host:port,host:port/chroot"
}

// ParseOverride reads the argument of -ensemble, "NAME=CONNECT".
func ParseOverride(arg string) (Override, error) {
	name, servers, ok := strings.Cut(arg, "=")
	if !ok || name == "" || servers == "" {
		return Override{}, fmt.Errorf("-ensemble needs NAME=CONNECT, such as -ensemble=main=zk1:2181,zk2:2181/prod; got %q", arg)
	}
	return Override{Name: name, Servers: servers}, nil
}
