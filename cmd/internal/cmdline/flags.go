package cmdline

import (
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/zkfs/layout"
)

// The placeholder of a flag's value is kept in its DefaultText, for the help.

// Bool is a flag that is given or not, or "-name=false".
func Bool(name, usage string, to *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: to, Value: *to, HideDefault: true}
}

// String is a flag that takes text, shown as value in the help.
func String(name, value, usage string, to *string) cli.Flag {
	return &cli.StringFlag{Name: name, DefaultText: value, Usage: usage, Destination: to, Value: *to}
}

// Duration takes the durations of the language, days included.
func Duration(name, value, usage string, to *time.Duration) cli.Flag {
	return Func(name, value, usage, func(s string) (err error) {
		*to, err = layout.ParseDuration(s)
		return err
	})
}

// Func calls set for every value, in the order of the command line.
func Func(name, value, usage string, set func(string) error) cli.Flag {
	return &cli.GenericFlag{Name: name, DefaultText: value, Usage: usage, Value: setter(set)}
}

// setter is a flag's value that is nothing but its effect.
type setter func(string) error

func (f setter) Set(s string) error { return f(s) }
func (setter) String() string       { return "" }
func (setter) Get() any             { return nil }
