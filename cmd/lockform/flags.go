package main

import (
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/zkfs/layout"
)

// The placeholder of a flag's value is kept in its DefaultText, for the help.

func boolFlag(name, usage string, to *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: to, Value: *to, HideDefault: true}
}

func stringFlag(name, value, usage string, to *string) cli.Flag {
	return &cli.StringFlag{Name: name, DefaultText: value, Usage: usage, Destination: to, Value: *to}
}

// durationFlag takes the durations of the language, days included.
func durationFlag(name, value, usage string, to *time.Duration) cli.Flag {
	return funcFlag(name, value, usage, func(s string) (err error) {
		*to, err = layout.ParseDuration(s)
		return err
	})
}

// funcFlag calls set for every value, in the order of the command line.
func funcFlag(name, value, usage string, set func(string) error) cli.Flag {
	return &cli.GenericFlag{Name: name, DefaultText: value, Usage: usage, Value: setter(set)}
}

// setter is a flag's value that is nothing but its effect.
type setter func(string) error

func (f setter) Set(s string) error { return f(s) }
func (setter) String() string       { return "" }
func (setter) Get() any             { return nil }
