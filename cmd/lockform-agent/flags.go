package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/lockform/lockform/zkfs/layout"
)

// The placeholder of a flag's value is kept in its DefaultText, for the help.

func boolFlag(name, usage string, to *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: to, HideDefault: true}
}

func stringFlag(name, value, usage string, to *string) cli.Flag {
	return &cli.StringFlag{Name: name, DefaultText: value, Usage: usage, Destination: to}
}

// positive is a flag that takes a duration longer than 0.
func positive(name, usage string, to *time.Duration) cli.Flag {
	return funcFlag(name, "DUR", usage, func(s string) error {
		d, err := layout.ParseDuration(s)
		if err == nil && d == 0 {
			err = errors.New("it must be longer than 0")
		}
		*to = d
		return err
	})
}

// oneOf is a flag that takes one of a few words.
func oneOf[T ~string](name, usage string, to *T, words ...T) cli.Flag {
	text := ""
	for _, w := range words {
		text += "|" + string(w)
	}
	return funcFlag(name, text[1:], usage, func(s string) error {
		for _, w := range words {
			if s == string(w) {
				*to = w
				return nil
			}
		}
		return fmt.Errorf("use one of %s", text[1:])
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
